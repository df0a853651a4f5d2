"""A metric over every subgroup and intersection, with the cells too small to tell named as such."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.auc_bootstrap import auc_bootstrap
from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    check_patient_ids,
    check_probabilities,
    check_scores,
    check_weight,
)
from mammolab.evaluate.reliability import expected_over_observed_estimate
from mammolab.evaluate.resampling import PatientBootstrap, share_estimate

UNKNOWN = "unknown"  # the level of exams whose subgroup is missing


def subgroup_table(
    metric: str,
    estimate: Callable[[NDArray[np.bool_]], Estimate],
    event: ArrayLike,
    subgroups: Mapping[str, ArrayLike],
    patient_ids: ArrayLike,
    intersections: Sequence[Sequence[str]] = (),
    among: ArrayLike | None = None,
    minimum_patients: int = 20,
    minimum_events: int = 10,
    method: str = "patient bootstrap",
) -> pd.DataFrame:
    """Evaluate one metric in every subgroup.

    Parameters
    ----------
    metric : str
        Its name.
    estimate : callable
        Takes the rows of a subgroup, bool of shape (n_exams,), and returns the Estimate there.
    event : array-like of bool, shape (n_exams,)
        What n_events counts, in exams.
    subgroups : mapping of column name to array-like of str, shape (n_exams,)
        A missing level becomes "unknown".
    patient_ids : array-like of str, shape (n_exams,)
    intersections : sequence of sequences of column names
        Each is crossed in full, empty cells included.
    among : array-like of bool, shape (n_exams,), optional
        The exams the metric is about (for a sensitivity, those with cancer); all by default.
        n_exams, n_patients and n_events count only these.
    minimum_patients, minimum_events : int
        A smaller cell is reported with its counts and NaN in place of the estimate (defaults are
        assumptions).
    method : str
        How the interval was made.

    Returns
    -------
    DataFrame
        Columns metric, subgroup, by, level, estimate, ci_low, ci_high, n_exams, n_patients,
        n_events, method, reason. First the row "all". `subgroup` reads "density=d" or
        "density=d & device=birch"; `by` and `level` hold the two sides of it. `reason` is empty
        where the estimate holds.

    Raises
    ------
    ValueError
        If an intersection names a column that `subgroups` lacks.
    """
    event = check_flag(event, "event")
    n_rows = len(event)
    patient_ids = check_patient_ids(patient_ids, n_rows)
    among = np.ones(n_rows, dtype=bool) if among is None else check_flag(among, "among", n_rows)

    rows = []
    for by, level, cell in cells(subgroups, intersections, n_rows):
        counted = cell & among
        n_patients = len(pd.unique(patient_ids[counted]))
        n_events = int((event & counted).sum())
        reason = ""
        result = Estimate(np.nan, np.nan, np.nan)
        if n_patients < minimum_patients:
            reason = f"not estimable: {n_patients} patients, fewer than {minimum_patients}"
        elif n_events < minimum_events:
            reason = f"not estimable: {n_events} events, fewer than {minimum_events}"
        else:
            result = estimate(cell)
            if np.isnan([result.value, result.low, result.high]).any():
                reason = "not estimable: the metric or its interval is undefined here"
        rows.append(
            {
                "metric": metric,
                "subgroup": " & ".join(f"{b}={v}" for b, v in zip(by, level, strict=True)) or "all",
                "by": " & ".join(by),
                "level": " & ".join(level),
                "estimate": result.value,
                "ci_low": result.low,
                "ci_high": result.high,
                "n_exams": int(counted.sum()),
                "n_patients": n_patients,
                "n_events": n_events,
                "method": method,
                "reason": reason,
            }
        )
    return pd.DataFrame(rows)


def auc_by_subgroup(
    score: ArrayLike,
    label: ArrayLike,
    subgroups: Mapping[str, ArrayLike],
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    intersections: Sequence[Sequence[str]] = (),
    minimum_patients: int = 20,
    minimum_events: int = 10,
) -> pd.DataFrame:
    """AUC in every subgroup, by the patient bootstrap; the events are the cancers.

    A cell without an exam of the other class is not estimable either.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    patient_ids = check_patient_ids(patient_ids, len(score))

    def estimate(cell: NDArray[np.bool_]) -> Estimate:
        if not (weight[cell & label].any() and weight[cell & ~label].any()):
            return Estimate(np.nan, np.nan, np.nan)
        return auc_bootstrap(score[cell], label[cell], patient_ids[cell], weight[cell], bootstrap)

    return subgroup_table(
        "auc",
        estimate,
        label,
        subgroups,
        patient_ids,
        intersections,
        minimum_patients=minimum_patients,
        minimum_events=minimum_events,
    )


def share_by_subgroup(
    metric: str,
    event: ArrayLike,
    among: ArrayLike,
    subgroups: Mapping[str, ArrayLike],
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    intersections: Sequence[Sequence[str]] = (),
    minimum_patients: int = 20,
) -> pd.DataFrame:
    """A weighted share in every subgroup: a sensitivity, a recall rate, a fraction ruled out.

    Parameters
    ----------
    metric : str
    event, among : array-like of bool, shape (n_exams,)
        As for `resampling.share_estimate`; sensitivity is (recall, label). A rate may be zero, so
        only the patients in the denominator have a minimum.
    subgroups, patient_ids, sample_weight, bootstrap, intersections, minimum_patients
        As for `subgroup_table`.
    """
    event = check_flag(event, "event")
    among = check_flag(among, "among", len(event))
    weight = check_weight(sample_weight, len(event))

    def estimate(cell: NDArray[np.bool_]) -> Estimate:
        return share_estimate(event, among & cell, patient_ids, weight, bootstrap)

    return subgroup_table(
        metric,
        estimate,
        event,
        subgroups,
        patient_ids,
        intersections,
        among,
        minimum_patients=minimum_patients,
        minimum_events=0,
    )


def expected_over_observed_by_subgroup(
    probability: ArrayLike,
    label: ArrayLike,
    subgroups: Mapping[str, ArrayLike],
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    intersections: Sequence[Sequence[str]] = (),
    minimum_patients: int = 20,
    minimum_events: int = 10,
) -> pd.DataFrame:
    """Cancers expected over cancers observed in every subgroup; 1 where the probabilities hold.

    Parameters
    ----------
    probability : array-like of float in [0, 1], shape (n_exams,)
    label : array-like of bool, shape (n_exams,)
    subgroups, patient_ids, intersections, minimum_patients, minimum_events
        As for `subgroup_table`.
    sample_weight, bootstrap
        As for `reliability.expected_over_observed_estimate`.
    """
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    ids = check_patient_ids(patient_ids, len(label))

    def estimate(cell: NDArray[np.bool_]) -> Estimate:
        if not weight[cell & label].any():
            return Estimate(np.nan, np.nan, np.nan)
        return expected_over_observed_estimate(
            probability[cell], label[cell], ids[cell], weight[cell], bootstrap
        )

    return subgroup_table(
        "expected_over_observed",
        estimate,
        label,
        subgroups,
        ids,
        intersections,
        minimum_patients=minimum_patients,
        minimum_events=minimum_events,
    )


def cells(
    subgroups: Mapping[str, ArrayLike], intersections: Sequence[Sequence[str]], n_rows: int
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], NDArray[np.bool_]]]:
    """Yield columns, their levels and the rows of each cell: all, then one column, then crossed.

    Arguments and error as for `subgroup_table`; the cells come in the order of its rows.
    """
    levels = {name: _levels(values, name, n_rows) for name, values in subgroups.items()}
    unknown = {name for names in intersections for name in names} - set(levels)
    if unknown:
        raise ValueError(f"no subgroup column {sorted(unknown)}; valid: {sorted(levels)}")
    for by in [(), *((name,) for name in levels), *(tuple(names) for names in intersections)]:
        for level in product(*(np.unique(levels[name]) for name in by)):
            matches = [levels[name] == value for name, value in zip(by, level, strict=True)]
            yield by, level, np.logical_and.reduce([np.ones(n_rows, dtype=bool), *matches])


def _levels(values: ArrayLike, name: str, n_rows: int) -> NDArray:
    levels = pd.Series(np.asarray(values, dtype=object))
    if len(levels) != n_rows:
        raise ValueError(f"subgroup {name!r} has {len(levels)} rows where {n_rows} are needed")
    return levels.where(levels.notna() & (levels != ""), UNKNOWN).astype(str).to_numpy(dtype=str)
