"""Groups of women by predicted risk, what became of each, and the cancers at either end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from mammolab.evaluate._inverse_censoring import CasesAndControls, row_weights
from mammolab.evaluate._time_order import FollowUp, Replicates, check_horizons
from mammolab.evaluate.checks import (
    Estimate,
    check_inside,
    check_patients,
    check_vector,
    check_weight,
    effective_number,
)
from mammolab.evaluate.reliability import equal_weight_bins
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval
from mammolab.evaluate.survival import incidence_estimate

THIRDS = ("low", "middle", "high")


@dataclass(frozen=True, eq=False)
class Capture:
    """Share of the cancers by a horizon among the women of highest and of lowest risk.

    fraction : share of the women at either end; a score that says nothing captures as much.
    """

    fraction: float
    top: Estimate
    bottom: Estimate


def quantile_groups(
    score: ArrayLike, sample_weight: ArrayLike | None = None, names: Sequence[str] = THIRDS
) -> NDArray:
    """Part women into groups of equal weight by their score: tertiles, deciles.

    Parameters
    ----------
    score : array-like of float, shape (n,)
    sample_weight : array-like of float, shape (n,), optional
    names : sequence of str
        Of the groups, from low to high; their number is the number of groups.

    Returns
    -------
    ndarray of str, shape (n,)
        Women of one score are in one group.

    Raises
    ------
    ValueError
        If tied scores leave a group empty.

    Examples
    --------
    >>> quantile_groups([0.3, 0.1, 0.2, 0.1, 0.4, 0.9]).tolist()
    ['middle', 'low', 'middle', 'low', 'high', 'high']
    """
    score = check_vector(score, "score")
    weight = check_weight(sample_weight, len(score))
    bins, shares = equal_weight_bins(score, weight, len(names))
    if len(shares) < len(names):
        raise ValueError(
            f"score has {len(np.unique(score))} distinct values, which fill only {len(shares)} of "
            f"{len(names)} groups of equal weight"
        )
    return np.array(names)[bins]


def threshold_groups(
    risk: ArrayLike, thresholds: ArrayLike, names: Sequence[str] | None = None
) -> NDArray:
    """Part women at thresholds of risk; one at a threshold belongs above it.

    Parameters
    ----------
    risk : array-like of float, shape (n,)
    thresholds : array-like of float, shape (k,)
        Rising.
    names : sequence of k + 1 str, optional
        From low to high; otherwise such as "below 1.67%", "1.67–3%", "3% or more".

    Returns
    -------
    ndarray of str, shape (n,)

    Raises
    ------
    ValueError
        If the thresholds do not rise or the names are not one more.

    Examples
    --------
    >>> threshold_groups([0.01, 0.0167, 0.05], [0.0167, 0.03]).tolist()
    ['below 1.67%', '1.67–3%', '3% or more']
    """
    risk = check_vector(risk, "risk")
    cuts = check_vector(thresholds, "thresholds")
    if (np.diff(cuts) <= 0).any():
        raise ValueError(f"thresholds must rise, not {cuts.tolist()}")
    if names is None:
        names = threshold_names(cuts)
    if len(names) != len(cuts) + 1:
        raise ValueError(f"{len(cuts)} thresholds part {len(cuts) + 1} groups, not {len(names)}")
    return np.array(names)[np.searchsorted(cuts, risk, side="right")]


def threshold_names(thresholds: ArrayLike) -> list[str]:
    """Names in percent of the groups between rising thresholds, from low to high."""
    percent = [f"{100 * cut:.4g}" for cut in np.atleast_1d(np.asarray(thresholds, dtype=float))]
    between = [f"{low}–{high}%" for low, high in pairwise(percent)]
    return [f"below {percent[0]}%", *between, f"{percent[-1]}% or more"]


def incidence_by_group(
    group: ArrayLike,
    names: Sequence[str],
    time_years: ArrayLike,
    event: ArrayLike,
    at_years: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    competing: str = "control",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Cumulative incidence over the years in each group, deaths competing (Aalen-Johansen).

    Parameters
    ----------
    group : array of str, shape (n,)
        Missing, or of a name not asked for: left out.
    names : sequence of str
        The groups wanted, in order.
    time_years, event, patient_ids, sample_weight, bootstrap, cause, competing
        As in `survival.incidence_estimate`.
    at_years : array of float, shape (n_times,)
        Rising, above 0. The curve at time 0 is 0, and stands in the first row of each group.
    confidence : float in (0, 1)

    Returns
    -------
    DataFrame
        group, time_years, incidence, ci_low, ci_high, n_exams (at the start), n_events (by then).

    Raises
    ------
    ValueError
        As for `survival.incidence_estimate`, or if the years do not rise or a group of `names`
        holds no exam.

    Notes
    -----
    Incidence cannot fall. A limit from above that holds at a later year holds before it too, and
    one from below after it, so the limits of neighbouring years are made use of. Before the first
    cancer of a group the bootstrap alone would claim certainty, and the exact limit alone, which
    does not know that cancers were sampled more often, would be wider than later ones.
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    years = check_horizons(at_years)
    if (np.diff(years) <= 0).any():
        raise ValueError(f"at_years must rise, not {years.tolist()}")
    ids = check_patients(patient_ids, len(rows.time), rows.weight)
    parts = []
    for name, chosen in _members(group, names, rows.weight):
        part = rows.time[chosen], rows.event[chosen], years, ids[chosen], rows.weight[chosen]
        curve = incidence_estimate(*part, bootstrap, cause, competing, confidence)
        low = np.fmax.accumulate([one.low for one in curve])
        high = np.fmin.accumulate([one.high for one in curve][::-1])[::-1]
        cancer = np.sort(part[0][part[1] == cause])
        parts.append(
            pd.DataFrame(
                {
                    "group": name,
                    "time_years": np.append(0.0, years),
                    "incidence": [0.0, *(one.value for one in curve)],
                    "ci_low": np.append(0.0, low),
                    "ci_high": np.append(0.0, high),
                    "n_exams": int(chosen.sum()),
                    "n_events": np.append(0, np.searchsorted(cancer, years, side="right")),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def capture_at_ends(
    score: ArrayLike,
    time_years: ArrayLike,
    event: ArrayLike,
    horizon_years: float,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    fraction: float = 0.1,
    cause: int = 1,
    competing: str = "control",
    confidence: float = 0.95,
) -> Capture:
    """Share of the cancers by a horizon that fall into the top and bottom `fraction` of exams.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
        Higher means higher risk.
    time_years, event, patient_ids, sample_weight, bootstrap, cause, competing
        As in `horizons.time_auc_replicates`.
    horizon_years : float
    fraction : float in (0, 0.5]
    confidence : float in (0, 1)

    Returns
    -------
    Capture

    Raises
    ------
    ValueError
        As for `horizons.cumulative_dynamic_auc`, or if no event of weight above 0 is seen by the
        horizon.

    Notes
    -----
    A cancer at t weighs 1 / G(t-): it stands in for those that came to women who had left before.
    `curves.capture_in_top` counts the cancers seen, and so gives early ones too much say. Cut and G
    are estimated again in each replicate. Exams tied at a cut count in part, so that exactly
    `fraction` of the weight lies beyond it. Where no cancer (or every one) lies at an end, the
    limit away from it is Clopper-Pearson's of as many cancers, by Kish's effective number of their
    patients, for every replicate would be alike.
    """
    split = CasesAndControls.make(
        time_years, event, [horizon_years], sample_weight, cause, competing
    )
    weight = split.rows.weight
    score = check_vector(score, "score", len(weight))
    check_inside(fraction, "fraction", 0, 0.5 + 1e-12)
    if not weight[split.case[0]].any():
        raise ValueError(f"no event of weight above 0 is seen by {horizon_years:g} years")
    replicates = Replicates.of(weight, patient_ids, bootstrap)
    value = _end_shares(split, Replicates.once(len(weight)), score, fraction)[0]
    drawn = _end_shares(split, replicates, score, fraction)
    case = np.flatnonzero(split.case[0])
    per_patient = np.bincount(replicates.columns[case], weight[case])
    n_effective = effective_number(per_patient)
    tail = (1 - confidence) / 2
    ends = []
    for share, column in zip(value, drawn.T, strict=True):
        low, high = percentile_interval(column, confidence)
        if share <= 0:
            low, high = 0.0, float(beta.ppf(1 - tail, 1, n_effective))
        elif share >= 1:
            low, high = float(beta.ppf(tail, n_effective, 1)), 1.0
        ends.append(Estimate(float(share), low, high))
    return Capture(float(fraction), *ends)


def _end_shares(
    split: CasesAndControls, replicates: Replicates, score: NDArray[np.float64], fraction: float
) -> NDArray[np.float64]:
    """Share of the cases' weight in the top and in the bottom, shape (n_replicates, 2)."""
    _, level = np.unique(score, return_inverse=True)
    n_levels = int(level.max()) + 1
    everyone = replicates.table(level, split.rows.weight, np.ones(len(level), bool), n_levels)
    case = np.flatnonzero(split.case[0])
    shares = np.full((replicates.n_replicates, 2), np.nan)
    for part, counts, observed in split.observed(replicates):
        below = np.cumsum(everyone @ counts, axis=0)  # weight up to each score, (n_levels, r)
        cases = np.zeros_like(below)
        drawn = row_weights(case, split, replicates.columns, counts, observed)
        np.add.at(cases, level[case], drawn)
        cases = np.cumsum(cases, axis=0)
        start = range(part.start, part.start + below.shape[1])
        for k, total, captured in zip(start, below.T, cases.T, strict=True):
            if captured[-1] > 0:
                cuts = total[-1] * np.array([1 - fraction, fraction])
                up_to = np.interp(cuts, np.append(0.0, total), np.append(0.0, captured))
                up_to = up_to / captured[-1]
                shares[k] = 1 - up_to[0], up_to[1]
    return shares


def _members(
    group: ArrayLike, names: Sequence[str], weight: NDArray[np.float64]
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Each name with its rows of weight above 0."""
    labels = np.asarray(group, dtype=object)
    if labels.shape != weight.shape:
        raise ValueError(f"group has shape {labels.shape} where {weight.shape} is needed")
    members = [(name, (labels == name) & (weight > 0)) for name in names]
    empty = [str(name) for name, chosen in members if not chosen.any()]
    if empty:
        raise ValueError(f"group holds no exam of {', '.join(empty)}")
    return members
