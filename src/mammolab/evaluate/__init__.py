"""Statistics on arrays: no file, no network, no table, no chapter is known here."""

from mammolab.evaluate.checks import Estimate

__all__ = ["Estimate"]
