"""What a guard says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GuardVerdict:
    """What a guard found.

    Attributes
    ----------
    name : str
    statistic : float
        The number looked at.
    limit : float
        It fires beyond this; which way, the message says.
    fired : bool
    message : str
        One sentence for the reader.
    """

    name: str
    statistic: float
    limit: float
    fired: bool
    message: str
