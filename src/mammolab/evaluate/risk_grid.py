"""Two ways to part women by risk, crossed: what became of those in each cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from mammolab.evaluate._time_order import FollowUp, check_horizons, divide
from mammolab.evaluate.checks import Estimate, check_flag, check_patients, check_vector
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval
from mammolab.evaluate.survival import incidence_estimate, incidence_replicates


@dataclass(frozen=True, eq=False)
class IncidenceContrast:
    """Cumulative incidence by a horizon in two groups of women, and how far apart it is.

    difference : first - second.
    ratio : first / second; NaN where the second is 0.
    """

    first: Estimate
    second: Estimate
    difference: Estimate
    ratio: Estimate


def risk_grid(
    row_group: ArrayLike,
    column_group: ArrayLike,
    row_names: Sequence[str],
    column_names: Sequence[str],
    time_years: ArrayLike,
    event: ArrayLike,
    horizon_years: float,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    minimum_patients: int = 20,
    cause: int = 1,
    competing: str = "control",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Incidence by a horizon wherever a row's group meets a column's, deaths competing.

    Parameters
    ----------
    row_group, column_group : array of str, shape (n_exams,)
        Such as tertiles of two risks, or density. Missing: in no cell.
    row_names, column_names : sequence of str
        All groups, in order.
    time_years, event, patient_ids, sample_weight, bootstrap, cause, competing, confidence
        As in `survival.incidence_estimate`.
    horizon_years : float
    minimum_patients : int
        A cell of fewer has its counts alone (the default is an assumption).

    Returns
    -------
    DataFrame
        One row a cell, empty ones included, row by row: row, column, incidence, ci_low, ci_high,
        n_exams, n_patients, n_events (by the horizon), share (of the weight in the grid), reason
        (empty where there is an incidence).

    Raises
    ------
    ValueError
        As for `survival.incidence_estimate`, or if a group bears a name that is not listed.
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    (horizon,) = check_horizons(horizon_years)
    ids = check_patients(patient_ids, len(rows.time), rows.weight)
    labels = [
        _labels(row_group, row_names, "row_group", len(ids)),
        _labels(column_group, column_names, "column_group", len(ids)),
    ]
    used = (rows.weight > 0) & np.logical_and(*(pd.notna(one) for one in labels))
    total = rows.weight[used].sum()
    table = []
    for row in row_names:
        for column in column_names:
            cell = used & (labels[0] == row) & (labels[1] == column)
            n_patients = len(pd.unique(ids[cell]))
            one, reason = Estimate(np.nan, np.nan, np.nan), ""
            if n_patients < max(minimum_patients, 2):
                reason = f"not estimable: {n_patients} patients, fewer than {minimum_patients}"
            else:
                part = rows.time[cell], rows.event[cell], [horizon], ids[cell], rows.weight[cell]
                (one,) = incidence_estimate(*part, bootstrap, cause, competing, confidence)
                if np.isnan(one.value):
                    reason = "not estimable: follow-up ends before the horizon"
            seen = cell & (rows.event == cause) & (rows.time <= horizon)
            table.append(
                {
                    "row": row,
                    "column": column,
                    "incidence": one.value,
                    "ci_low": one.low,
                    "ci_high": one.high,
                    "n_exams": int(cell.sum()),
                    "n_patients": n_patients,
                    "n_events": int(seen.sum()),
                    "share": float(rows.weight[cell].sum() / total) if total else np.nan,
                    "reason": reason,
                }
            )
    return pd.DataFrame(table)


def incidence_contrast(
    first: ArrayLike,
    second: ArrayLike,
    time_years: ArrayLike,
    event: ArrayLike,
    horizon_years: float,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    competing: str = "control",
    confidence: float = 0.95,
) -> IncidenceContrast:
    """Compare the incidence by a horizon of two groups of exams, paired over patients.

    Parameters
    ----------
    first, second : array of bool, shape (n_exams,)
        Such as not dense but of high predicted risk, and dense but of low. A woman may have exams
        in both.
    time_years, event, patient_ids, sample_weight, bootstrap, cause, competing, confidence
        As in `survival.incidence_estimate`.
    horizon_years : float

    Returns
    -------
    IncidenceContrast
        Between groups of which one has no event the difference takes its spread from the other
        alone.

    Raises
    ------
    ValueError
        As for `survival.incidence_estimate`, or if the groups overlap or one is of fewer than two
        patients.
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    ids = check_patients(patient_ids, len(rows.time), rows.weight)
    chosen = [
        check_flag(first, "first", len(ids)) & (rows.weight > 0),
        check_flag(second, "second", len(ids)) & (rows.weight > 0),
    ]
    if (chosen[0] & chosen[1]).any():
        raise ValueError(f"first and second share {(chosen[0] & chosen[1]).sum()} exams")
    estimates, drawn = [], []
    for name, cell in zip(("first", "second"), chosen, strict=True):
        if len(pd.unique(ids[cell])) < 2:
            raise ValueError(f"{name} holds fewer than two patients: there is no interval")
        part = rows.time[cell], rows.event[cell], [horizon_years], ids[cell], rows.weight[cell]
        estimates += incidence_estimate(*part, bootstrap, cause, competing, confidence)
        drawn.append(incidence_replicates(*part, bootstrap, cause, competing)[:, 0])
    one, other = (np.array([estimate.value]) for estimate in estimates)
    ratio = divide(one, other, empty=np.nan)[0]
    return IncidenceContrast(
        *estimates,
        Estimate(float(one[0] - other[0]), *percentile_interval(drawn[0] - drawn[1], confidence)),
        Estimate(float(ratio), *percentile_interval(divide(*drawn, empty=np.nan), confidence)),
    )


def typical_exams(
    row_group: ArrayLike,
    column_group: ArrayLike,
    row_names: Sequence[str],
    column_names: Sequence[str],
    scores: Sequence[ArrayLike],
    exam_ids: ArrayLike,
    eligible: ArrayLike | None = None,
) -> pd.DataFrame:
    """Pick one exam a cell to show: that nearest the cell's median in every score.

    Parameters
    ----------
    row_group, column_group, row_names, column_names
        As in `risk_grid`.
    scores : sequence of arrays of float, each of shape (n_exams,)
        Such as the two risks that were parted. Distances are between their ranks.
    exam_ids : array of str, shape (n_exams,)
        Of exams equally near the first in order of id is taken: no chance is involved, nor anybody
        choosing a picture that suits.
    eligible : array of bool, shape (n_exams,), optional
        Exams that may be shown, such as those with a usable image; the median is of all.

    Returns
    -------
    DataFrame
        row, column, exam_id (None in a cell without an eligible exam), in the order of `risk_grid`.

    Raises
    ------
    ValueError
        If a group bears a name that is not listed, an id occurs twice, or shapes differ.
    """
    ids = np.asarray(exam_ids, dtype=object)
    if len(pd.unique(ids)) != len(ids):
        raise ValueError("exam_ids must be distinct")
    labels = [
        _labels(row_group, row_names, "row_group", len(ids)),
        _labels(column_group, column_names, "column_group", len(ids)),
    ]
    shown = np.ones(len(ids), bool)
    if eligible is not None:
        shown = check_flag(eligible, "eligible", len(ids))
    ranks = np.column_stack([rankdata(check_vector(one, "scores", len(ids))) for one in scores])
    ranks = ranks / len(ids)
    picked = []
    for row in row_names:
        for column in column_names:
            cell = (labels[0] == row) & (labels[1] == column)
            best = None
            if (cell & shown).any():
                distance = np.linalg.norm(ranks - np.median(ranks[cell], axis=0), axis=1)
                distance = np.where(cell & shown, distance.round(12), np.inf)
                best = min(ids[distance == distance.min()])
            picked.append({"row": row, "column": column, "exam_id": best})
    return pd.DataFrame(picked)


def _labels(group: ArrayLike, names: Sequence[str], argument: str, n_rows: int) -> NDArray:
    """A group's labels, None where missing."""
    labels = np.array(group, dtype=object)
    if labels.shape != (n_rows,):
        raise ValueError(f"{argument} has shape {labels.shape} where {(n_rows,)} is needed")
    labels[pd.isna(labels)] = None
    known = set(names) | {None}
    unknown = sorted({str(label) for label in pd.unique(labels) if label not in known})
    if unknown:
        raise ValueError(f"{argument} holds {', '.join(unknown)}; valid: {', '.join(names)}")
    return labels
