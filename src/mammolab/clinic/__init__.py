"""`mammolab triage` and `mammolab risk`: a hospital's own tables, read, analysed, reported."""
