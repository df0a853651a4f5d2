"""What `mammolab triage` may be asked for."""

from __future__ import annotations

from dataclasses import dataclass

from mammolab.errors import InputError, unknown_name
from mammolab.evaluate.thresholds import RULES

CALIBRATORS = ("platt", "isotonic", "beta", "temperature", "raw")
N_REPLICATES = 2000
CONFIDENCE = 0.95  # of every interval; that of the certificate is a setting
MOST_REPLICATES = 20_000


@dataclass(frozen=True)
class Settings:
    """How to calibrate, where to cut, and what loss to bear.

    rule : "certified" (the default: the only one that keeps a stated sensitivity with a stated
        confidence), "minimum" (no caught cancer of dev below), or "mean_of_bootstrap_minima" (as
        published; it promises nothing exact).
    target_sensitivity : of the rule, among the cancers it is chosen from; for "certified".
    confidence : of the certificate, one-sided, over draws of dev.
    margin : loss of sensitivity held acceptable, 0 to 1.
    calibrator : method by which scores become probabilities.
    seed : of the patient bootstrap.
    n_replicates : of it.

    Raises
    ------
    InputError
        Names the option and what is valid.
    """

    rule: str = "certified"
    target_sensitivity: float = 0.95
    confidence: float = 0.95
    margin: float = 0.05
    calibrator: str = "platt"
    seed: int = 2019
    n_replicates: int = N_REPLICATES

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise unknown_name("--rule", self.rule, RULES)
        if self.calibrator not in CALIBRATORS:
            raise unknown_name("--calibrator", self.calibrator, CALIBRATORS)
        for option in ("target_sensitivity", "confidence", "margin"):
            value = getattr(self, option)
            if not 0 < value < 1:
                name = option.replace("_", "-")
                meant = "0.05 is 5 points" if option == "margin" else "0.95 is 95%"
                raise InputError(f"--{name} must lie between 0 and 1 ({meant}), not {value:g}")
        if self.seed < 0:
            raise InputError(f"--seed must be 0 or above, not {self.seed}")
        if not 100 <= self.n_replicates <= MOST_REPLICATES:
            raise InputError(
                f"--replicates must be from 100 to {MOST_REPLICATES:,}, not {self.n_replicates}"
            )
