"""The embedded, synthetic screening programme: people, disease, attendance, readers, images."""
