"""What a hazard model is made of, and the years it speaks of."""

from __future__ import annotations

from dataclasses import dataclass, field

from mammolab.model.hazard_training import HazardTraining
from mammolab.risk.cohort import HORIZON_YEARS

YEARS = tuple(range(1, int(HORIZON_YEARS) + 1))  # horizons of the head


@dataclass(frozen=True)
class HazardSettings:
    """What a hazard model is made of.

    Attributes
    ----------
    n_components : int
        Principal components of the image features that the head sees.
    width : int
        Numbers that the image is summed up in.
    join, missing
        As in `HazardConfig`: join makes it the hybrid.
    balance : bool
        Whether cancers weigh as much as the rest in training; sampling weights count within each.
    ipcw : bool
        Whether exams of known status stand for those censored before; False leaves these out
        unaccounted for.
    training : HazardTraining
    """

    n_components: int = 40
    width: int = 8
    join: bool = False
    missing: str = "indicator"
    balance: bool = True
    ipcw: bool = True
    training: HazardTraining = field(default_factory=HazardTraining)
