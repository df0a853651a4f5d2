"""Networks and their training: architecture, balanced batches, the loop, checkpoints, scoring."""
