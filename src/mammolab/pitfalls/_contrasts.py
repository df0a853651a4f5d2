"""Many groups, each against everyone else, with patients as units and one test over all groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.errors import InputError
from mammolab.evaluate.checks import effective_number
from mammolab.evaluate.resampling import PatientBootstrap, ratio_or_nan, sum_replicates

LEVEL = 0.05  # of every test, over all that a guard looks at
N_REPLICATES = 999
MINIMUM_PATIENTS = 20  # smaller groups are not judged (assumption)


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Each of k groups against everyone else.

    Attributes
    ----------
    inside, rest : array of float, shape (k,)
        Weighted mean of the value in the group and among everyone else.
    p_adjusted : array of float, shape (k,)
        Two-sided, max-T over all groups.
    """

    inside: NDArray[np.float64]
    rest: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]

    @property
    def gap(self) -> NDArray[np.float64]:
        """Group minus everyone else."""
        return self.inside - self.rest


def draw_bootstrap(patient: NDArray[np.intp], rng: np.random.Generator) -> PatientBootstrap:
    """Draw patients, as all guards do."""
    return PatientBootstrap.draw(patient, N_REPLICATES, seed=int(rng.integers(2**63)))


def judged_groups(
    groups: NDArray[np.bool_],
    names: Sequence[str],
    patient: NDArray[np.intp],
    weight: NDArray[np.float64],
    kind: str,
) -> tuple[NDArray[np.bool_], list[str]]:
    """Return the groups, shape (n, k), and names of those with patients enough, as has the rest.

    Raises
    ------
    InputError
        If there is none; `kind` is what they are called.
    """

    def size(rows: NDArray[np.bool_]) -> int:
        return len(np.unique(patient[rows & (weight > 0)]))

    kept = [
        k for k, rows in enumerate(groups.T) if min(size(rows), size(~rows)) >= MINIMUM_PATIENTS
    ]
    if not kept:
        raise InputError(
            f"No {kind} and its rest have {MINIMUM_PATIENTS} patients each: too few to compare."
        )
    return groups[:, kept], [names[k] for k in kept]


def judged_gaps(table: pd.DataFrame, needed: str) -> pd.DataFrame:
    """The rows of a table of `evaluate.gaps` that have a gap.

    Raises
    ------
    InputError
        If there is none; `needed` says what that takes.
    """
    judged = table[table["gap"].notna()].reset_index(drop=True)
    if judged.empty:
        raise InputError(f"No group and its rest have {needed} each: too few to compare.")
    return judged


def group_contrasts(
    value: NDArray[np.float64],
    groups: NDArray[np.bool_],
    patient: NDArray[np.intp],
    weight: NDArray[np.float64],
    rng: np.random.Generator,
    null_spread: float = 0.0,
    null_unit: NDArray[np.intp] | None = None,
) -> Contrasts:
    """Compare the mean of a value in each group with everyone else's by the patient bootstrap.

    Parameters
    ----------
    value : array of float, shape (n,)
    groups : array of bool, shape (n, k)
        None empty, none everyone.
    patient : array of int, shape (n,)
    weight : array of float, shape (n,)
    rng : numpy Generator
    null_spread : float
        Standard deviation of the value of a row where groups do not differ. No standard error is
        taken to be smaller than it implies: a small group in which all are alike by chance would
        otherwise claim certainty.
    null_unit : array of int, shape (n,), optional
        Rows that are alike count once for that; each row for itself by default.

    Returns
    -------
    Contrasts

    Notes
    -----
    Not a permutation: patients with equally many exams are no fair exchange, for a cancer ends the
    series, and 1 of 5 clean worlds failed a test built on that.

    References
    ----------
    Westfall and Young 1993, Resampling-Based Multiple Testing (max-T).
    """
    bootstrap = draw_bootstrap(patient, rng)
    columns = groups * weight[:, None]
    top, bottom = (value @ columns), columns.sum(axis=0)
    top_all, bottom_all = value @ weight, weight.sum()
    inside, rest = top / bottom, (top_all - top) / (bottom_all - bottom)

    tops, bottoms = (
        sum_replicates(part, patient, bootstrap) for part in (columns * value[:, None], columns)
    )
    tops_all, bottoms_all = (
        sum_replicates(part, patient, bootstrap)[:, None] for part in (value * weight, weight)
    )
    # Single precision leaves a hair of weight where a replicate drew nobody.
    empty = np.minimum(bottoms, bottoms_all - bottoms) < 1e-4 * bottoms_all
    replicates = ratio_or_nan(tops, np.where(empty, 0, bottoms)) - ratio_or_nan(
        tops_all - tops, np.where(empty, 0, bottoms_all - bottoms)
    )
    floor = null_spread * np.array(
        [
            np.hypot(_share_error(weight, rows, null_unit), _share_error(weight, ~rows, null_unit))
            for rows in groups.T
        ]
    )
    return Contrasts(inside, rest, _p_adjusted(inside - rest, replicates, floor))


def most_telling(effect: NDArray[np.float64], p_value: NDArray[np.float64]) -> int:
    """The largest effect among the significant ones; without any, the least probable one."""
    significant = p_value < LEVEL
    if significant.any():
        return int(np.argmax(np.where(significant, effect, -np.inf)))
    return int(np.lexsort((-effect, p_value))[0])


def max_t_p_values(
    statistic: NDArray[np.float64], null: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Chance of a statistic as large among all k; shapes (k,) and (n_replicates, k), absolute."""
    largest = null.max(axis=1)
    # A hair below, so that a replicate that repeats the sample counts as large as it.
    exceeds = largest[:, None] >= statistic * (1 - 1e-9)
    return (1 + exceeds.sum(axis=0)) / (1 + len(null))


def _p_adjusted(
    gap: NDArray[np.float64], replicates: NDArray[np.float64], floor: NDArray[np.float64]
) -> NDArray[np.float64]:
    deviation = np.nan_to_num(replicates - gap)
    spread = deviation.std(axis=0)
    error = np.maximum(spread, floor)
    statistic = np.divide(np.abs(gap), error, out=np.zeros_like(gap), where=error > 0)
    scaled = np.divide(np.abs(deviation), spread, out=np.zeros_like(deviation), where=spread > 1e-9)
    return max_t_p_values(statistic, scaled)


def _share_error(
    weight: NDArray[np.float64], rows: NDArray[np.bool_], unit: NDArray[np.intp] | None
) -> float:
    """Standard error of a weighted mean over `rows` of a value of unit variance."""
    of_units = weight[rows] if unit is None else np.bincount(unit[rows], weight[rows])
    return effective_number(of_units) ** -0.5
