"""AUCs with DeLong's covariance, patients as clusters: intervals, paired and joint tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, norm

from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    check_inside,
    check_two_classes,
    check_vector,
    check_weight,
    patient_codes,
)
from mammolab.evaluate.roc import placements

_ROUNDING = 1e-16  # a variance below this is what rounding leaves of zero


@dataclass(frozen=True, eq=False)
class AucCovariance:
    """AUCs of k scores on the same exams, shape (k,), and their covariance, shape (k, k)."""

    auc: NDArray[np.float64]
    covariance: NDArray[np.float64]


@dataclass(frozen=True)
class AucComparison:
    """AUC of the first score minus that of the second, with a two-sided z test of no difference."""

    difference: Estimate
    z: float
    p_value: float


@dataclass(frozen=True)
class ChiSquareTest:
    """A chi-square statistic, its degrees of freedom and its p-value."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


def auc_covariance(
    scores: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    patient_ids: ArrayLike | None = None,
) -> AucCovariance:
    """AUCs of one or several scores with their DeLong covariance, clustered where asked.

    Parameters
    ----------
    scores : array-like of float, shape (n_exams,) or (n_exams, k)
        Higher means more suspicious.
    label : array-like of bool, shape (n_exams,)
    sample_weight : array-like of float, shape (n_exams,), optional
        Inverse sampling probability: it says whom a row stands for, not how often it was seen, so
        doubling every weight changes nothing.
    patient_ids : array-like of str, shape (n_exams,), optional
        With it, exams of a patient are one unit (Obuchowski); without it, exams are independent.

    Returns
    -------
    AucCovariance

    Raises
    ------
    ValueError
        If there are fewer than two independent units of a class.

    Notes
    -----
    The AUC is a mean of placement values over each class; its variance is that of the sum of their
    deviations within independent units. One exam a patient and equal weights give DeLong's formula.

    References
    ----------
    DeLong, DeLong, Clarke-Pearson 1988, doi:10.2307/2531595. Obuchowski 1997, doi:10.2307/2533958.
    Sun and Xu 2014 for the computation by ranks, doi:10.1109/LSP.2014.2337313.
    """
    columns = np.asarray(scores)
    columns = columns[:, None] if columns.ndim == 1 else columns
    if columns.ndim != 2 or not columns.size:
        raise ValueError(f"scores must have shape (n_exams,) or (n_exams, k), not {columns.shape}")
    label = check_flag(label, "label", len(columns))
    weight = check_weight(sample_weight, len(columns))
    check_two_classes(label, weight)
    unit, n_units = np.arange(len(label)), len(label)
    if patient_ids is not None:
        unit, n_units = patient_codes(patient_ids, len(label))
    n_scores = columns.shape[1]
    aucs = np.empty(n_scores)
    of_positives = np.empty((n_units, n_scores))  # influence of a unit through its positive exams
    of_negatives = np.empty((n_units, n_scores))
    for k in range(n_scores):
        score = check_vector(columns[:, k], f"scores[:, {k}]")
        by_class = placements(score, label, weight)
        for truth, placement, influence in (
            (True, by_class[0], of_positives),
            (False, by_class[1], of_negatives),
        ):
            rows = label == truth
            share = weight[rows] / weight[rows].sum()
            aucs[k] = min(float(share @ placement), 1.0)  # rounding may leave it above
            influence[:, k] = np.bincount(unit[rows], share * (placement - aucs[k]), n_units)

    used = weight > 0
    covariance = _unbiased(unit[used & label]) * of_positives.T @ of_positives
    covariance += _unbiased(unit[used & ~label]) * of_negatives.T @ of_negatives
    across = of_positives.T @ of_negatives  # zero where no patient has exams of both classes
    covariance += _unbiased(unit[used]) * (across + across.T)
    return AucCovariance(aucs, covariance)


def auc_estimate(
    score: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    patient_ids: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """AUC with the normal interval of `auc_covariance`, cut to [0, 1].

    Parameters as for `auc_covariance`, with one score of shape (n_exams,). The limits are NaN at an
    AUC of 0 or 1, where the exams do not show how it varies.
    """
    z = norm.ppf(0.5 + check_inside(confidence, "confidence", 0, 1) / 2)
    fit = auc_covariance(check_vector(score, "score"), label, sample_weight, patient_ids)
    value, variance = float(fit.auc[0]), float(fit.covariance[0, 0])
    if variance < _ROUNDING:
        return Estimate(value, float("nan"), float("nan"))
    half = float(z * variance**0.5)
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0))


def compare_aucs(
    first: ArrayLike,
    second: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    patient_ids: ArrayLike | None = None,
    confidence: float = 0.95,
) -> AucComparison:
    """Paired DeLong test of two scores on the same exams: AUC(first) - AUC(second).

    Parameters
    ----------
    first, second : array-like of float, shape (n_exams,)
        Higher means more suspicious.
    label, sample_weight, patient_ids
        As for `auc_covariance`.
    confidence : float in (0, 1)

    Notes
    -----
    Two scores that rank alike have difference 0, z 0 and p 1. Where they differ and yet nothing
    varies (a perfect score against a constant one) limits, z and p are NaN.
    """
    z_limit = norm.ppf(0.5 + check_inside(confidence, "confidence", 0, 1) / 2)
    pair = np.column_stack([check_vector(first, "first"), check_vector(second, "second")])
    fit = auc_covariance(pair, label, sample_weight, patient_ids)
    contrast = np.array([1.0, -1.0])
    difference = float(contrast @ fit.auc)
    variance = float(contrast @ fit.covariance @ contrast)
    if variance > _ROUNDING:
        error = variance**0.5
        z = difference / error
    else:
        error, z = (0.0, 0.0) if abs(difference) < 1e-12 else (float("nan"), float("nan"))
    half = float(z_limit * error)
    interval = Estimate(difference, difference - half, difference + half)
    return AucComparison(interval, z, float(2 * norm.sf(abs(z))))


def compare_all_aucs(
    scores: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    patient_ids: ArrayLike | None = None,
) -> ChiSquareTest:
    """Joint test that k scores, shape (n_exams, k), have one AUC (DeLong 1988, equation 5).

    Parameters as for `auc_covariance`. Scores that rank alike cost a degree of freedom; where AUCs
    differ and yet nothing varies, statistic and p are NaN.
    """
    fit = auc_covariance(scores, label, sample_weight, patient_ids)
    if len(fit.auc) < 2:
        raise ValueError("scores needs at least two columns to compare")
    contrast = np.eye(len(fit.auc))[1:] - np.eye(len(fit.auc))[0]
    gap = contrast @ fit.auc
    covariance = contrast @ fit.covariance @ contrast.T
    variance, direction = np.linalg.eigh(covariance)
    along = direction.T @ gap
    varies = variance > max(_ROUNDING, 1e-10 * variance.max())
    rank = int(varies.sum())
    if (np.abs(along[~varies]) > 1e-9).any():
        return ChiSquareTest(float("nan"), rank, float("nan"))
    statistic = float((along[varies] ** 2 / variance[varies]).sum())
    return ChiSquareTest(statistic, rank, float(chi2.sf(statistic, rank)) if rank else 1.0)


def _unbiased(units: NDArray[np.int_]) -> float:
    """The factor n / (n - 1) over the distinct units of a class."""
    n_units = np.count_nonzero(np.bincount(units))
    if n_units < 2:
        raise ValueError("a variance needs two patients with cancer and two without")
    return n_units / (n_units - 1)
