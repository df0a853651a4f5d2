"""ROC analysis: weighted AUC with ties, DeLong and Obuchowski variances, operating points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, norm
from statsmodels.stats.proportion import proportion_confint

from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    check_inside,
    check_patient_ids,
    check_scores,
    check_two_classes,
    check_vector,
    check_weight,
)

_STATSMODELS_NAME = {"clopper_pearson": "beta", "wilson": "wilson"}


@dataclass(frozen=True, eq=False)
class RocPoints:
    """The ROC curve, one entry a distinct score from high to low; `score >= threshold` is called.

    The first entry calls nobody (threshold infinity), the last everybody.
    """

    threshold: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    specificity: NDArray[np.float64]


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


@dataclass(frozen=True)
class OperatingPoint:
    """Weighted rates of a yes/no decision; NaN where the denominator is empty.

    `ppv` is the share of flagged exams with cancer (PPV1 when the flag is the recall), and
    `flagged_rate` the share of exams flagged (the recall rate).
    """

    sensitivity: float
    specificity: float
    ppv: float
    flagged_rate: float


def auc(score: ArrayLike, label: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Probability that a cancer scores above a non-cancer, ties counted half.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
        Higher means more suspicious.
    label : array-like of bool, shape (n_exams,)
        True = cancer.
    sample_weight : array-like of float, shape (n_exams,), optional
        Inverse sampling probability.

    Returns
    -------
    float in [0, 1]

    Raises
    ------
    ValueError
        If one of the classes is absent.

    Examples
    --------
    >>> auc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    0.875
    """
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    of_positives, _ = _placements(score, label, weight)
    return float(np.average(of_positives, weights=weight[label]))


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
    scores = np.asarray(scores, dtype=np.float64)
    columns = scores[:, None] if scores.ndim == 1 else scores
    label = check_flag(label, "label", len(columns))
    weight = check_weight(sample_weight, len(columns))
    check_two_classes(label, weight)
    unit = np.arange(len(label))
    if patient_ids is not None:
        unit = np.unique(check_patient_ids(patient_ids, len(label)), return_inverse=True)[1]

    n_scores = columns.shape[1]
    n_units = int(unit.max()) + 1
    aucs = np.empty(n_scores)
    of_positives = np.empty((n_units, n_scores))  # influence of a unit through its positive exams
    of_negatives = np.empty((n_units, n_scores))
    for k in range(n_scores):
        score = check_vector(columns[:, k], f"scores[:, {k}]")
        placements = _placements(score, label, weight)
        for truth, placement, influence in (
            (True, placements[0], of_positives),
            (False, placements[1], of_negatives),
        ):
            rows = label == truth
            share = weight[rows] / weight[rows].sum()
            aucs[k] = share @ placement
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
    """AUC with the normal interval of `auc_covariance`, cut to [0, 1]."""
    z = norm.ppf(0.5 + check_inside(confidence, "confidence", 0, 1) / 2)
    fit = auc_covariance(check_vector(score, "score"), label, sample_weight, patient_ids)
    half = float(z * np.sqrt(max(fit.covariance[0, 0], 0.0)))
    value = float(fit.auc[0])
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

    Two scores that rank alike have difference 0, z 0 and p 1.
    """
    z_limit = norm.ppf(0.5 + check_inside(confidence, "confidence", 0, 1) / 2)
    pair = np.column_stack([check_vector(first, "first"), check_vector(second, "second")])
    fit = auc_covariance(pair, label, sample_weight, patient_ids)
    contrast = np.array([1.0, -1.0])
    difference = float(contrast @ fit.auc)
    # rounding leaves a variance near 1e-20 where the two scores rank alike
    variance = float(contrast @ fit.covariance @ contrast)
    error = variance**0.5 if variance > 1e-16 else 0.0
    z = difference / error if error else 0.0
    half = float(z_limit * error)
    interval = Estimate(difference, difference - half, difference + half)
    return AucComparison(interval, z, float(2 * norm.sf(abs(z))))


def compare_all_aucs(
    scores: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    patient_ids: ArrayLike | None = None,
) -> ChiSquareTest:
    """Joint test that k scores, shape (n_exams, k), have one AUC (DeLong 1988, equation 5)."""
    fit = auc_covariance(scores, label, sample_weight, patient_ids)
    if len(fit.auc) < 2:
        raise ValueError("scores needs at least two columns to compare")
    contrast = np.eye(len(fit.auc))[1:] - np.eye(len(fit.auc))[0]
    gap = contrast @ fit.auc
    covariance = contrast @ fit.covariance @ contrast.T
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True))
    statistic = float(gap @ np.linalg.pinv(covariance, hermitian=True) @ gap)
    return ChiSquareTest(statistic, rank, float(chi2.sf(statistic, rank)) if rank else 1.0)


def roc_points(
    score: ArrayLike, label: ArrayLike, sample_weight: ArrayLike | None = None
) -> RocPoints:
    """Sensitivity and specificity at every distinct score; tied exams move together."""
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    caught = np.cumsum(np.where(label, weight, 0.0)[order])[last_of_tie]
    alarms = np.cumsum(np.where(label, 0.0, weight)[order])[last_of_tie]
    return RocPoints(
        np.append(np.inf, score[order][last_of_tie]),
        np.append(0.0, caught / caught[-1]),
        np.append(1.0, 1.0 - alarms / alarms[-1]),
    )


def operating_point(
    decision: ArrayLike, label: ArrayLike, sample_weight: ArrayLike | None = None
) -> OperatingPoint:
    """Sensitivity, specificity, predictive value and rate of a decision already taken.

    Parameters
    ----------
    decision : array-like of bool, shape (n_exams,)
        True = flagged (recalled, or score at or above a threshold).
    label : array-like of bool, shape (n_exams,)
        True = cancer.
    sample_weight : array-like of float, shape (n_exams,), optional
    """
    decision = check_flag(decision, "decision")
    label = check_flag(label, "label", len(decision))
    weight = check_weight(sample_weight, len(decision))

    def share(event: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
        total = weight[among].sum()
        return float(weight[event & among].sum() / total) if total else float("nan")

    everybody = np.ones_like(label)
    return OperatingPoint(
        sensitivity=share(decision, label),
        specificity=share(~decision, ~label),
        ppv=share(label, decision),
        flagged_rate=share(decision, everybody),
    )


def proportion_estimate(
    count: float, n_total: float, method: str = "clopper_pearson", confidence: float = 0.95
) -> Estimate:
    """A proportion of independent units with its `clopper_pearson` (exact) or `wilson` interval.

    Raises
    ------
    ValueError
        If the method is unknown or the count lies outside [0, n_total].
    """
    if method not in _STATSMODELS_NAME:
        raise ValueError(f"method {method!r} is unknown; valid: {', '.join(_STATSMODELS_NAME)}")
    if not 0 <= count <= n_total or n_total == 0:
        raise ValueError(f"count must lie in [0, n_total] and n_total above 0: {count}, {n_total}")
    alpha = 1 - check_inside(confidence, "confidence", 0, 1)
    low, high = proportion_confint(count, n_total, alpha, _STATSMODELS_NAME[method])
    # the exact limits at the two ends, where rounding leaves 1e-17 or the beta quantile is NaN
    low = 0.0 if count == 0 else float(low)
    high = 1.0 if count == n_total else float(high)
    return Estimate(count / n_total, low, high)


def _placements(
    score: NDArray[np.float64], label: NDArray[np.bool_], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted share of the other class that each exam is rightly ordered against, ties half.

    Returns one array over the positive exams, one over the negative exams, in row order. Only the
    positives, which are few, are sorted: each negative is then found among them.
    """
    positive, negative = score[label], score[~label]
    positive_weight, negative_weight = weight[label], weight[~label]
    order = np.argsort(positive, kind="stable")
    ranked = positive[order]
    n_below = np.searchsorted(ranked, negative, side="left")  # positives below each negative
    n_up_to = np.searchsorted(ranked, negative, side="right")

    # the k-th positive is above a negative when n_up_to <= k, and not below it when n_below <= k
    n_bins = len(ranked) + 1
    beaten = np.cumsum(np.bincount(n_up_to, negative_weight, n_bins))[:-1]
    beaten_or_tied = np.cumsum(np.bincount(n_below, negative_weight, n_bins))[:-1]
    of_positives = np.empty(len(ranked))
    of_positives[order] = (beaten + beaten_or_tied) / (2 * negative_weight.sum())

    below = np.append(0.0, np.cumsum(positive_weight[order]))
    of_negatives = 1 - (below[n_below] + below[n_up_to]) / (2 * below[-1])
    return of_positives, of_negatives


def _unbiased(units: NDArray[np.int_]) -> float:
    """The factor n / (n - 1) over the distinct units of a class."""
    n_units = len(np.unique(units))
    if n_units < 2:
        raise ValueError("a variance needs two patients with cancer and two without")
    return n_units / (n_units - 1)
