"""Everything a reader sees: figure style, plots, tables, numbers and the paper itself."""
