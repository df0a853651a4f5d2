"""Published data sets in our tables, one module each."""
