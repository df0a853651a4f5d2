"""Curves and cuts over scores: the ROC band, rule-out thresholds, cancers in the top decile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.auc_bootstrap import roc_replicates
from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    check_inside,
    check_patients,
    check_scores,
    check_two_classes,
)
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval
from mammolab.evaluate.roc import roc_points


@dataclass(frozen=True, eq=False)
class RocBand:
    """Sensitivity at given false positive rates with pointwise limits, each of shape (n_points,).

    Attributes
    ----------
    false_positive_rate, sensitivity, low, high : arrays of float in [0, 1]
    """

    false_positive_rate: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RuleOutCurve:
    """One row a threshold, rising; arrays of shape (n_points,).

    Attributes
    ----------
    threshold : score below which an exam is ruled out.
    sensitivity : weighted share of cancers at or above it.
    fraction_ruled_out : weighted share of exams below it.
    """

    threshold: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    fraction_ruled_out: NDArray[np.float64]


def roc_band(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    n_points: int = 101,
) -> RocBand:
    """ROC curve on an even grid of false positive rates, with a pointwise bootstrap band.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
        Higher means more suspicious.
    label : array-like of bool, shape (n_exams,)
    patient_ids : array-like of str, shape (n_exams,)
    sample_weight : array-like of float, shape (n_exams,), optional
    bootstrap : PatientBootstrap
    n_points : int

    Notes
    -----
    Tied scores are one step of the curve. Between its steps the curve is drawn straight.
    """
    if n_points < 2:
        raise ValueError(f"n_points must be at least 2, not {n_points}")
    points = roc_points(score, label, sample_weight)
    curves = roc_replicates(score, label, patient_ids, sample_weight, bootstrap)
    grid = np.linspace(0, 1, n_points)
    replicates = np.array(
        [
            np.interp(grid, false_positive_rate, sensitivity)
            for false_positive_rate, sensitivity in zip(
                curves.false_positive_rate, curves.sensitivity, strict=True
            )
        ]
    )
    limits = np.array([percentile_interval(at_point) for at_point in replicates.T])
    middle = np.interp(grid, 1 - points.specificity, points.sensitivity)
    return RocBand(grid, middle, limits[:, 0], limits[:, 1])


def rule_out_curve(
    score: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    n_points: int = 201,
) -> RuleOutCurve:
    """What each threshold rules out and keeps, at thresholds spread evenly over the weight.

    Parameters
    ----------
    score, label, sample_weight : array-likes, shape (n_exams,)
    n_points : int
        Fewer come back where scores are tied.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    order = np.argsort(score, kind="stable")
    below = np.append(0.0, np.cumsum(weight[order]))  # weight before each sorted exam
    lost = np.append(0.0, np.cumsum((weight * label)[order]))
    # the exam that stands at each of the evenly spread shares of the weight
    shares = np.linspace(0, below[-1], n_points)
    picked = np.minimum(np.searchsorted(below[1:], shares - 1e-9 * below[-1]), len(score) - 1)
    threshold = np.unique(score[order][picked])
    first = np.searchsorted(score[order], threshold, side="left")  # exams strictly below
    return RuleOutCurve(threshold, 1 - lost[first] / lost[-1], below[first] / below[-1])


def ruled_out_at_sensitivity(
    score: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None,
    sensitivity: float,
) -> float:
    """Largest weighted share of exams below a threshold that keeps `sensitivity` of the cancers.

    The triage metric by which an epoch is chosen: it rewards order where triage cuts, which the
    AUC averages away.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
    label : array-like of bool, shape (n_exams,)
        Cancers to keep, such as those that readers caught.
    sample_weight : array-like of float, shape (n_exams,), optional
    sensitivity : float in (0, 1]

    Returns
    -------
    float

    Examples
    --------
    >>> ruled_out_at_sensitivity([0, 1, 2, 3, 4], [0, 0, 1, 0, 1], None, 1.0)
    0.4
    >>> ruled_out_at_sensitivity([0, 1, 2, 3, 4], [0, 0, 1, 0, 1], None, 0.5)
    0.8
    """
    score, label, weight = check_scores(score, label, sample_weight)
    label = check_flag(label, "label")
    check_two_classes(label, weight)
    check_inside(sensitivity, "sensitivity", 0, 1.0 + 1e-12)
    cancers = np.sort(score[label])
    may_lose = (1 - sensitivity) * weight[label].sum() + 1e-9
    lost = np.append(0.0, np.cumsum(weight[label][np.argsort(score[label], kind="stable")]))[:-1]
    threshold = cancers[lost <= may_lose].max()
    return float(weight[score < threshold].sum() / weight.sum())


def capture_in_top(
    score: ArrayLike,
    case: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    fraction: float = 0.1,
) -> Estimate:
    """Share of the cases that fall into the highest-scoring `fraction` of all exams.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
    case : array-like of bool, shape (n_exams,)
        Cancer seen by the horizon; who left before it without one counts as no case.
    patient_ids : array-like of str, shape (n_exams,)
    sample_weight : array-like of float, shape (n_exams,), optional
    bootstrap : PatientBootstrap
    fraction : float in (0, 1)

    Notes
    -----
    Exams tied at the border count in part, all alike, so that exactly `fraction` of the weight is
    on top.
    """
    score, case, weight = check_scores(score, case, sample_weight)
    check_inside(fraction, "fraction", 0, 1)
    if not weight[case].any():
        raise ValueError("case holds no positive row of weight above 0")
    patient_ids = check_patients(patient_ids, len(score), weight)
    _, level = np.unique(-score, return_inverse=True)  # 0 is the highest score
    n_levels = int(level.max()) + 1
    columns = bootstrap.columns(patient_ids)

    def capture(times: NDArray) -> float:
        total = np.cumsum(np.bincount(level, times, n_levels))
        cases = np.cumsum(np.bincount(level, times * case, n_levels))
        if not cases[-1]:
            return np.nan
        top = fraction * total[-1]
        return float(np.interp(top, np.append(0.0, total), np.append(0.0, cases)) / cases[-1])

    replicates = np.array([capture(weight * counts[columns]) for counts in bootstrap.counts])
    return Estimate(capture(weight), *percentile_interval(replicates))
