"""How far probabilities can be believed: bins, Brier score, calibration line.

The absolute calibration errors, binned and smooth, are in `calibration_error`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from mammolab.evaluate.checks import (
    Estimate,
    check_inside,
    check_patients,
    check_probabilities,
    check_two_classes,
    patient_codes,
)
from mammolab.evaluate.logistic import clipped_logit, logistic_estimates
from mammolab.evaluate.resampling import (
    PatientBootstrap,
    ratio_estimate,
    share_estimate,
)


@dataclass(frozen=True)
class CalibrationLine:
    """Logistic regression of the outcome on the logit of the prediction.

    slope : below 1 where predictions are too extreme.
    intercept : of that same fit.
    in_the_large : the intercept with the slope held at 1; above 0 where risk is underestimated.
    """

    slope: Estimate
    intercept: Estimate
    in_the_large: Estimate


@dataclass(frozen=True, eq=False)
class ReliabilityTable:
    """One entry a bin, from low to high probability; `vars(table)` makes a data frame.

    `low` and `high` bound `observed`; NaN where no bootstrap was given.
    """

    mean_predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n_exams: NDArray[np.int_]
    n_events: NDArray[np.int_]
    weight: NDArray[np.float64]

    @property
    def expected_over_observed(self) -> NDArray[np.float64]:
        """Cancers predicted over cancers observed in each bin; NaN where none was observed."""
        seen = self.observed > 0
        ratio = np.full(len(seen), np.nan)
        return np.divide(self.mean_predicted, self.observed, out=ratio, where=seen)


@dataclass(frozen=True)
class BrierParts:
    """The Brier score as a sum over bins; see `brier_decomposition`.

    reliability : squared gap between predicted and observed; lower is better.
    resolution : squared spread of the observed risks around the prevalence; higher is better.
    uncertainty : prevalence x (1 - prevalence), the score of predicting the prevalence for all.
    within_variance : squared spread of the predictions inside their bins.
    within_covariance : twice the covariance of prediction and outcome inside their bins.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_variance: float
    within_covariance: float

    @property
    def skill(self) -> float:
        """Brier skill score, 1 - score / uncertainty; 0 for predicting the prevalence for all."""
        return 1 - self.score / self.uncertainty


def expected_over_observed(
    probability: ArrayLike, label: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Cancers predicted over cancers observed; above 1 where risk is overestimated.

    Raises
    ------
    ValueError
        If no cancer was observed.
    """
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    if not weight[label].any():
        raise ValueError("label holds no positive row: expected over observed is undefined")
    return float(weight @ probability / weight[label].sum())


def expected_over_observed_estimate(
    probability: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
) -> Estimate:
    """`expected_over_observed` with the percentile interval of the patient bootstrap."""
    expected_over_observed(probability, label, sample_weight)  # raises where none was observed
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    ids = check_patients(patient_ids, len(weight), weight)
    return ratio_estimate(probability, label, ids, weight, bootstrap, confidence)


def brier_score(
    probability: ArrayLike, label: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Weighted mean squared error of the probability; lower is better.

    At six cancers in a thousand even predicting no cancer at all scores 0.006: read it beside
    `BrierParts.skill`.
    """
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    return float(np.average((probability - label) ** 2, weights=weight))


def brier_estimate(
    probability: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
) -> Estimate:
    """`brier_score` with the percentile interval of the patient bootstrap."""
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    ids = check_patients(patient_ids, len(weight), weight)
    squared = (probability - label) ** 2
    return ratio_estimate(squared, np.ones(len(label)), ids, weight, bootstrap, confidence)


def brier_decomposition(
    probability: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    n_bins: int = 10,
) -> BrierParts:
    """Split the Brier score over the bins of `reliability_table`.

    score = reliability - resolution + uncertainty + within_variance - within_covariance, exactly.
    The first three are Murphy's; the two within bins vanish where every bin holds one probability.

    Raises
    ------
    ValueError
        If a class is absent: there is no uncertainty to resolve.

    Notes
    -----
    No interval: few events a bin lift reliability and resolution alike, as they lift the
    calibration error.

    References
    ----------
    Murphy 1973, doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; Stephenson, Coelho, Jolliffe 2008,
    doi:10.1175/2007WAF2006116.1 (the terms within bins).

    Examples
    --------
    >>> parts = brier_decomposition([0.2, 0.2, 0.6, 0.6], [0, 0, 0, 1], n_bins=2)
    >>> round(parts.reliability, 6), round(parts.resolution, 6), round(parts.uncertainty, 6)
    (0.025, 0.0625, 0.1875)
    """
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    check_two_classes(label, weight)
    bins, share = equal_weight_bins(probability, weight, n_bins)
    weight = weight / weight.sum()
    predicted = np.bincount(bins, weight * probability) / share
    observed = np.bincount(bins, weight * label) / share
    prevalence = weight @ label
    from_mean = probability - predicted[bins]
    return BrierParts(
        score=float(weight @ (probability - label) ** 2),
        reliability=float(share @ (predicted - observed) ** 2),
        resolution=float(share @ (observed - prevalence) ** 2),
        uncertainty=float(prevalence * (1 - prevalence)),
        within_variance=float(weight @ from_mean**2),
        within_covariance=float(2 * weight @ (from_mean * (label - observed[bins]))),
    )


def reliability_table(
    probability: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    n_bins: int = 10,
    patient_ids: ArrayLike | None = None,
    bootstrap: PatientBootstrap | None = None,
    confidence: float = 0.95,
) -> ReliabilityTable:
    """Predicted against observed over bins of equal weight.

    Parameters
    ----------
    probability, label, sample_weight : array-like, shape (n_exams,)
    n_bins : int
        Bins hold equal weight rather than equal width: at six cancers in a thousand nearly all
        probabilities would share the first bin. Equal probabilities share a bin, so there may be
        fewer.
    patient_ids : array-like of str, shape (n_exams,), optional
    bootstrap : PatientBootstrap, optional
        Both or neither; with them `low` and `high` are filled by `share_estimate`.
    """
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    if (patient_ids is None) != (bootstrap is None):
        raise ValueError("patient_ids and bootstrap are needed together")
    used = weight > 0
    bins, share = equal_weight_bins(probability, weight, n_bins)
    limits = np.full((2, len(share)), np.nan)
    if bootstrap is not None:
        ids = check_patients(patient_ids, len(weight), weight)
        for k in range(len(share)):
            among = used & (bins == k)
            limits[:, k] = share_estimate(label, among, ids, weight, bootstrap, confidence).ci
    bins, probability, label, weight = bins[used], probability[used], label[used], weight[used]
    total = np.bincount(bins, weight)
    return ReliabilityTable(
        mean_predicted=np.bincount(bins, weight * probability) / total,
        observed=np.bincount(bins, weight * label) / total,
        low=limits[0],
        high=limits[1],
        n_exams=np.bincount(bins),
        n_events=np.bincount(bins, label).astype(int),
        weight=total,
    )


def calibration_line(
    probability: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    patient_ids: ArrayLike | None = None,
    confidence: float = 0.95,
) -> CalibrationLine:
    """Calibration slope and intercepts, with intervals robust to weights and to clusters.

    Parameters
    ----------
    probability, label, sample_weight : array-like, shape (n_exams,)
    patient_ids : array-like of str, shape (n_exams,), optional
        With it exams of a patient count as one unit; without it exams are independent.

    Raises
    ------
    ValueError
        If a class is absent, all probabilities are equal, or they separate the classes, when the
        slope is infinite.

    References
    ----------
    Cox 1958, doi:10.1093/biomet/45.3-4.562; Van Calster 2019, doi:10.1186/s12916-019-1466-7.
    """
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    check_two_classes(label, weight)
    used = weight > 0
    unit = np.arange(used.sum())
    if patient_ids is not None:
        unit, _ = patient_codes(check_patients(patient_ids, len(weight), weight)[used])
    x, label, weight = clipped_logit(probability[used]), label[used], weight[used]
    if np.ptp(x) == 0:
        raise ValueError("probability is the same for every exam: its slope is undefined")
    cases, others = x[label], x[~label]
    if cases.min() >= others.max() or cases.max() <= others.min():
        raise ValueError("probability separates the classes completely: its slope is infinite")
    z = norm.ppf(0.5 + check_inside(confidence, "confidence", 0, 1) / 2)
    ones = np.ones((len(x), 1))
    slope, intercept = logistic_estimates(np.column_stack([x, ones]), label, weight, unit, z)
    (in_the_large,) = logistic_estimates(ones, label, weight, unit, z, offset=x)
    return CalibrationLine(slope, intercept, in_the_large)


def equal_weight_bins(
    probability: NDArray[np.float64], weight: NDArray[np.float64], n_bins: int
) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Bin of each exam, 0 up to the number of bins that hold weight, and each bin's share of it.

    A bin is chosen by the share of weight below the probability, counting half of that at it.
    Exams of no weight go with the bin below them, or the first.
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, not {n_bins}")
    distinct, place = np.unique(probability, return_inverse=True)
    at_value = np.bincount(place, weight, len(distinct))
    middle = (np.cumsum(at_value) - at_value / 2) / at_value.sum()
    by_value = np.minimum((middle * n_bins).astype(int), n_bins - 1)
    held = np.unique(by_value[at_value > 0])
    by_value = np.maximum(np.searchsorted(held, by_value, side="right") - 1, 0)
    return by_value[place], np.bincount(by_value, at_value) / at_value.sum()
