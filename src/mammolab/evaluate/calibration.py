"""From scores to probabilities at the real incidence, and how far they can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from mammolab.evaluate.checks import (
    Estimate,
    check_inside,
    check_patient_ids,
    check_probabilities,
    check_scores,
    check_two_classes,
    check_vector,
)
from mammolab.evaluate.logistic import fit_logistic, logistic_estimates
from mammolab.evaluate.resampling import PatientBootstrap, ratio_estimate, share_estimate

# A single-precision network saturates at 0 and 1; keeps their logits finite.
_SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class Calibrator:
    """A probability from a score: expit(slope * x + intercept).

    `scale` says what x is: "probability" takes the logit of a score in [0, 1], "logit" takes the
    score as it is. A slope above 0 keeps the ranking, so AUC and ranks do not change.
    """

    method: str
    scale: str
    slope: float
    intercept: float

    def __post_init__(self) -> None:
        if self.scale not in ("probability", "logit"):
            raise ValueError(f"scale {self.scale!r} is unknown; valid: probability, logit")
        if not np.isfinite([self.slope, self.intercept]).all():
            raise ValueError(f"slope and intercept must be finite: {self}")

    def apply(self, score: ArrayLike) -> NDArray[np.float64]:
        """Return the calibrated probability of each score, shape (n_exams,)."""
        return expit(self.slope * _logit_score(score, self.scale) + self.intercept)

    def to_dict(self) -> dict[str, str | float]:
        """Return what `from_dict` takes, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, str | float]) -> Calibrator:
        """Rebuild a calibrator.

        Raises
        ------
        ValueError
            If a field is missing or unknown.
        """
        needed = set(cls.__dataclass_fields__)
        if set(fields) != needed:
            raise ValueError(f"a calibrator needs {sorted(needed)}, not {sorted(fields)}")
        return cls(**fields)


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


def uncalibrated() -> Calibrator:
    """The calibrator that changes nothing: the score is taken as a probability."""
    return Calibrator("raw", "probability", 1.0, 0.0)


def fit_platt(
    score: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    scale: str = "probability",
) -> Calibrator:
    """Platt scaling, with Platt's targets in place of 0 and 1.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
        Of exams that trained nothing (dev). Higher means more suspicious.
    label : array-like of bool, shape (n_exams,)
        True = cancer.
    sample_weight : array-like of float, shape (n_exams,), optional
        Inverse sampling probability: with it the probabilities hold for the whole cohort.
    scale : {"probability", "logit"}
        As for `Calibrator`.

    Notes
    -----
    Targets are (N+ + 1) / (N+ + 2) and 1 / (N- + 2), which keep the fit finite when the classes
    separate. N is the weighted count: with the plain count, sampled negatives of weight w would
    add about w false cancers instead of one, which is not small beside the few true ones.

    References
    ----------
    Platt 1999; Lin, Lin, Weng 2007, doi:10.1007/s10994-007-5018-6.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    n_positive, n_negative = weight[label].sum(), weight[~label].sum()
    target = np.where(label, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    x = _logit_score(score, scale)
    if np.ptp(x) == 0:
        raise ValueError("score is the same for every exam: nothing to calibrate")
    slope, intercept = fit_logistic(np.column_stack([x, np.ones_like(x)]), target, weight)
    return Calibrator("platt", scale, float(slope), float(intercept))


def prior_shift(train_prevalence: float, target_prevalence: float) -> Calibrator:
    """Undo balanced sampling: move the odds from the prevalence trained on to the real one.

    Parameters
    ----------
    train_prevalence : float in (0, 1)
        Share of cancers in the training batches, 0.5 where balanced.
    target_prevalence : float in (0, 1)
        Weighted share of cancers where the model is used; of train or dev, never of test.

    Notes
    -----
    Exact if the network is calibrated on its own batches and only the prevalence differs.

    References
    ----------
    Saerens, Latinne, Decaestecker 2002, doi:10.1162/089976602753284446, equation 2.4.
    """
    check_inside(train_prevalence, "train_prevalence", 0, 1)
    check_inside(target_prevalence, "target_prevalence", 0, 1)
    shift = float(logit(target_prevalence) - logit(train_prevalence))
    return Calibrator("prior_shift", "probability", 1.0, shift)


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
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    return ratio_estimate(probability, label, patient_ids, bootstrap, weight, confidence)


def brier_score(
    probability: ArrayLike, label: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Weighted mean squared error of the probability; lower is better."""
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    return float(np.average((probability - label) ** 2, weights=weight))


def expected_calibration_error(
    probability: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    n_bins: int = 10,
) -> float:
    """Mean gap between predicted and observed over bins of equal weight, as `reliability_table`.

    Noise alone keeps it above zero: a perfect model of few cancers has no ECE of 0.
    """
    table = reliability_table(probability, label, sample_weight, n_bins)
    return float(np.average(np.abs(table.mean_predicted - table.observed), weights=table.weight))


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
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, not {n_bins}")
    if (patient_ids is None) != (bootstrap is None):
        raise ValueError("patient_ids and bootstrap are needed together")
    used = weight > 0
    bins = _equal_weight_bins(probability, weight, n_bins)
    names, bins = np.unique(bins[used], return_inverse=True)
    probability, label, weight = probability[used], label[used], weight[used]
    total = np.bincount(bins, weight)
    limits = np.full((2, len(names)), np.nan)
    if bootstrap is not None:
        ids = check_patient_ids(patient_ids, len(used))[used]
        for k in range(len(names)):
            share = share_estimate(label, bins == k, ids, bootstrap, weight, confidence)
            limits[:, k] = share.ci
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
    x = _logit_score(probability, "probability")
    used = weight > 0
    if np.ptp(x[used]) == 0:
        raise ValueError("probability is the same for every exam: its slope is undefined")
    cases, others = x[used & label], x[used & ~label]
    if cases.min() >= others.max() or cases.max() <= others.min():
        raise ValueError("probability separates the classes completely: its slope is infinite")
    unit = np.arange(len(x))
    if patient_ids is not None:
        unit = np.unique(check_patient_ids(patient_ids, len(x)), return_inverse=True)[1]
    z = norm.ppf(0.5 + check_inside(confidence, "confidence", 0, 1) / 2)
    ones = np.ones((len(x), 1))
    slope, intercept = logistic_estimates(np.column_stack([x, ones]), label, weight, unit, z)
    (in_the_large,) = logistic_estimates(ones, label, weight, unit, z, offset=x)
    return CalibrationLine(slope, intercept, in_the_large)


def _logit_score(score: ArrayLike, scale: str) -> NDArray[np.float64]:
    score = check_vector(score, "score")
    if scale == "logit":
        return score
    if scale != "probability":
        raise ValueError(f"scale {scale!r} is unknown; valid: probability, logit")
    if score.min() < 0 or score.max() > 1:
        raise ValueError('score leaves [0, 1]: give scale="logit" for a score without bounds')
    return logit(np.clip(score, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY))


def _equal_weight_bins(
    probability: NDArray[np.float64], weight: NDArray[np.float64], n_bins: int
) -> NDArray[np.int_]:
    """Bin of each exam by the share of weight below it, counting half of that at its own value."""
    distinct, place = np.unique(probability, return_inverse=True)
    at_value = np.bincount(place, weight, len(distinct))
    middle = (np.cumsum(at_value) - at_value / 2) / at_value.sum()
    return np.minimum((middle * n_bins).astype(int), n_bins - 1)[place]
