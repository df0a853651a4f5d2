"""What every failure of the laboratory has in common: its card, its outcome at a dose, its table.

A failure is a function with a dial, `dose`, from 0 (done right) to 1 (the mistake in full). At each
dose it says what one would have reported, what is true at deployment, what the repair gives, and
whether the guard speaks up. All of these are shares (an AUC, a sensitivity, a predictive value), so
that failures can be ordered by the damage they do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mammolab.errors import InputError
from mammolab.evaluate.checks import Estimate
from mammolab.pitfalls.verdict import GuardVerdict

DOSES = (0.0, 0.25, 0.5, 0.75, 1.0)
NOT_KNOWN = Estimate(np.nan, np.nan, np.nan)
# Purpose -> random generator, the same for a purpose at every dose, such as `chapter.rng`.
Streams = Callable[[str], np.random.Generator]


@dataclass(frozen=True)
class Failure:
    """The card of a failure: what a reader must know to understand its figure.

    Attributes
    ----------
    name : str
        As in the key pitfalls.<name>.reported.
    title : str
        A few words, such as "Half cancers in the test set".
    metric : str
        What is reported, a share, such as "PPV at the threshold".
    dial : str
        What the dose stands for, in its own unit, such as "share of cancers in the test set".
    guard : str
        The guard that speaks up: the name of its function, and of its verdict.
    repair : str
        One sentence: what to do instead.
    cost : str
        One sentence: what the repair costs.
    source : str
        Who published the effect, and how large it was there, with the DOI.
    """

    name: str
    title: str
    metric: str
    dial: str
    guard: str
    repair: str
    cost: str
    source: str


@dataclass(frozen=True, eq=False)
class Outcome:
    """One failure at one dose.

    Attributes
    ----------
    dose : float in [0, 1]
    setting : float
        The dose in the unit of the card's `dial`.
    reported : Estimate
        What one would have written into the paper, with the interval one would have given.
    true : Estimate
        The same quantity at deployment: on women as they come, or by the truth of a simulation.
    repaired : Estimate
        What is reported once the repair is made; `NOT_KNOWN` where there is none.
    guard : GuardVerdict
    """

    dose: float
    setting: float
    reported: Estimate
    true: Estimate
    repaired: Estimate
    guard: GuardVerdict

    @property
    def damage(self) -> float:
        """Reported minus true. Which sign flatters depends on the metric: of a share that ought to
        be low, such as healthy women recalled, the one below 0."""
        return self.reported.value - self.true.value


def check_dose(dose: float) -> float:
    """Return `dose` if it lies in [0, 1].

    Raises
    ------
    InputError
    """
    if not 0 <= dose <= 1:
        raise InputError(
            f"dose must lie between 0 (done right) and 1 (the mistake in full), not {dose}."
        )
    return float(dose)


def dose_response(
    failure: Failure, at_dose: Callable[[float], Outcome], doses: Sequence[float] = DOSES
) -> pd.DataFrame:
    """Turn the dial of a failure and tabulate what comes of it.

    Parameters
    ----------
    failure : Failure
    at_dose : callable
        Dose -> Outcome; random draws must come from streams that do not depend on the dose, so that
        neighbouring doses differ by the dose alone.
    doses : sequence of float in [0, 1]

    Returns
    -------
    DataFrame
        One row a dose, in the columns of the table `pitfalls`: failure, dose, setting; reported,
        true and repaired, each with _low and _high; guard_statistic, guard_limit, guard_fired.
    """
    rows = []
    for dose in doses:
        outcome = at_dose(check_dose(dose))
        row = {"failure": failure.name, "dose": dose, "setting": outcome.setting}
        for part in ("reported", "true", "repaired"):
            estimate = getattr(outcome, part)
            row |= {
                part: estimate.value,
                f"{part}_low": estimate.low,
                f"{part}_high": estimate.high,
            }
        row |= {
            "guard_statistic": outcome.guard.statistic,
            "guard_limit": outcome.guard.limit,
            "guard_fired": bool(outcome.guard.fired),
        }
        rows.append(row)
    return pd.DataFrame(rows).astype({"dose": float, "setting": float})
