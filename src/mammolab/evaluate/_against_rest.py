"""Each cell of a table of subgroups held against everyone else, over one bootstrap.

The engine of `gaps`, which says what the numbers mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from mammolab.evaluate.checks import check_inside
from mammolab.evaluate.multiplicity import max_t
from mammolab.evaluate.resampling import (
    MAX_UNDEFINED_SHARE,
    PatientBootstrap,
    percentile_interval,
)

POWER = 0.8  # of the detectable gap; the custom of trials
COLUMNS = (
    "rest",
    "gap",
    "gap_low",
    "gap_high",
    "simultaneous_low",
    "simultaneous_high",
    "standard_error",
    "p_value",
    "p_adjusted",
    "detectable_gap",
    "power",
)
_NO_SPREAD = 1e-6  # replicates are of single precision


@dataclass(frozen=True, eq=False)
class CellMetric:
    """A metric of any group of exams.

    Attributes
    ----------
    value : takes the rows of a group, bool of shape (n_exams,).
    replicates : takes those of k groups, (n_exams, k), and gives (n_replicates, k); NaN where the
        metric is undefined.
    patient_ids : array of str, shape (n_exams,)
    counted : array of bool, shape (n_exams,)
        The exams the metric is about.
    needed : kinds of exams, by name, of which both cell and rest must hold enough.
    scale : what is done to the metric before a difference is taken and tested.
    unscale : its inverse, for gaps and limits in the metric's own unit; without one they stay on
        the scale.
    """

    value: Callable[[NDArray[np.bool_]], float]
    replicates: Callable[[NDArray[np.bool_]], NDArray[np.float64]]
    patient_ids: NDArray
    counted: NDArray[np.bool_]
    needed: Mapping[str, NDArray[np.bool_]]
    scale: Callable[[NDArray[np.float64]], NDArray[np.float64]] = np.positive
    unscale: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None

    def shown(self, difference: NDArray, rest: NDArray) -> NDArray[np.float64]:
        """Return a difference on the scale as a gap from the metric among the rest."""
        if self.unscale is None:
            return difference
        return self.unscale(self.scale(rest) + difference) - rest

    def on_scale(self, shortfall: float, rest: NDArray) -> NDArray[np.float64]:
        """Return how far, on the scale, a cell lies that falls short of the rest by so much."""
        if self.unscale is None:
            return np.full(len(rest), shortfall)
        return self.scale(rest) - self.scale(rest - shortfall)


def join_gaps(
    table: pd.DataFrame,
    rows_of: list[NDArray[np.bool_]],
    metric: CellMetric,
    gap_of_interest: float,
    confidence: float,
    minimum_patients: int,
    minimum_events: int,
) -> pd.DataFrame:
    """Join to a table of subgroups, whose rows are the cells `rows_of`, the columns of `auc_gaps`.

    Raises
    ------
    ValueError
        If gap_of_interest is not above 0 or confidence outside (0, 1).
    """
    if not 0 < gap_of_interest < np.inf:
        raise ValueError(f"gap_of_interest must be above 0 and finite, not {gap_of_interest}")
    check_inside(confidence, "confidence", 0, 1)
    reason = [
        own or _too_few(cell, metric, minimum_patients, minimum_events)
        for own, cell in zip(table["reason"], rows_of, strict=True)
    ]
    reason[0] = "everyone: there is no rest"  # the row "all"
    kept = np.flatnonzero([one == "" for one in reason])
    found = pd.DataFrame(np.nan, index=table.index, columns=list(COLUMNS))
    if len(kept):
        inside = np.column_stack([rows_of[k] for k in kept])
        drawn, drawn_rest = metric.replicates(inside), metric.replicates(~inside)
        with np.errstate(divide="ignore"):  # the logarithm of a replicate of 0
            gap = metric.scale(drawn) - metric.scale(drawn_rest)
        often = (~np.isfinite(gap)).mean(axis=0) > MAX_UNDEFINED_SHARE
        constant = np.minimum(_range(drawn), _range(drawn_rest)) < _NO_SPREAD
        for k in kept[often]:
            reason[k] = "not estimable: undefined in too many replicates"
        for k in kept[constant & ~often]:
            reason[k] = "not estimable: one side does not vary over the replicates"
        kept, gap = kept[~often & ~constant], gap[:, ~often & ~constant]
    if len(kept):
        gap = gap[np.isfinite(gap).all(axis=1)]  # those left stay joint
        own = np.array([metric.value(rows_of[k]) for k in kept])
        rest = np.array([metric.value(~rows_of[k]) for k in kept])
        found.iloc[kept] = _tested(metric, own, rest, gap, gap_of_interest, confidence)
    return table.join(found.assign(gap_reason=reason))


def _tested(
    metric: CellMetric,
    own: NDArray[np.float64],
    rest: NDArray[np.float64],
    replicates: NDArray[np.float64],
    gap_of_interest: float,
    confidence: float,
) -> NDArray[np.float64]:
    """The values of `COLUMNS`, a row for each cell; `replicates` are differences on the scale."""
    difference = metric.scale(own) - metric.scale(rest)
    test = max_t(difference, replicates, confidence=confidence)
    error = test.standard_error
    alone = np.array([percentile_interval(one, confidence) for one in replicates.T])
    limits = [*alone.T, test.low, test.high]
    detectable = (test.critical + norm.ppf(POWER)) * error
    away = metric.on_scale(gap_of_interest, rest) / error
    return np.column_stack(
        [
            rest,
            metric.shown(difference, rest),
            *(metric.shown(limit, rest) for limit in limits),
            error,
            test.p_value,
            test.p_adjusted,
            -metric.shown(-detectable, rest),
            norm.cdf(away - test.critical) + norm.cdf(-away - test.critical),
        ]
    )


def _too_few(
    cell: NDArray[np.bool_], metric: CellMetric, minimum_patients: int, minimum_events: int
) -> str:
    """Say why a cell cannot be held against the rest; empty where it can."""
    for side, rows in (("the cell", cell), ("the rest", ~cell)):
        rows = rows & metric.counted
        counts = {"patients": (len(pd.unique(metric.patient_ids[rows])), minimum_patients)}
        for kind, flag in metric.needed.items():
            counts[kind] = int((rows & flag).sum()), minimum_events
        for kind, (n, minimum) in counts.items():
            if n < minimum:
                return f"not estimable: {side} has {n} {kind}, fewer than {minimum}"
    return ""


def _range(replicates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Range of the defined replicates of each column; 0 where none is."""
    high = np.where(np.isnan(replicates), -np.inf, replicates).max(axis=0)
    low = np.where(np.isnan(replicates), np.inf, replicates).min(axis=0)
    return np.where(np.isfinite(high), high - low, 0.0)


def of_patients(bootstrap: PatientBootstrap, patient_ids: NDArray) -> PatientBootstrap:
    """Return the same draws of these patients alone: products over all of a run would be slow."""
    mine = np.unique(bootstrap.columns(patient_ids))
    return PatientBootstrap(bootstrap.patient_ids[mine], bootstrap.counts[:, mine])
