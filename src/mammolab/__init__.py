"""Machine learning in screening mammography: triage, risk, and how to get it wrong."""

__version__ = "0.1.0"
