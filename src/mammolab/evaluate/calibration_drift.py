"""Does calibration hold over calendar time? Windows side by side, and a test for trend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm

from mammolab.evaluate.checks import (
    Estimate,
    check_inside,
    check_patient_ids,
    check_patients,
    check_probabilities,
    check_two_classes,
    check_vector,
    group_codes,
    patient_codes,
)
from mammolab.evaluate.logistic import clipped_logit, logistic_estimates
from mammolab.evaluate.resampling import PatientBootstrap, ratio_estimate


@dataclass(frozen=True)
class CalibrationTrend:
    """Logistic regression of the outcome on time, the logit of the prediction held at slope 1.

    per_year : change a year of log(true odds / predicted odds); above 0 where risk comes to be
        underestimated.
    at_mean_time : the same log ratio at the mean time of the exams.
    p_value : two-sided, that `per_year` is 0.
    """

    per_year: Estimate
    at_mean_time: Estimate
    p_value: float


def calibration_by_window(
    probability: ArrayLike,
    label: ArrayLike,
    window: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
    minimum_events: int = 10,
) -> pd.DataFrame:
    """Expected over observed cancers, and the calibration intercept, in every calendar window.

    Parameters
    ----------
    probability : array-like of float in [0, 1], shape (n_exams,)
    label : array-like of bool, shape (n_exams,)
        True = cancer within the horizon of the risk. Windows whose follow-up is not complete look
        overestimated: leave them out.
    window : array-like of int or str, shape (n_exams,)
        Such as the calendar year.
    patient_ids : array-like of str, shape (n_exams,)
    sample_weight : array-like of float, shape (n_exams,), or None
    bootstrap : PatientBootstrap
    confidence : float
    minimum_events : int
        With fewer, NaN takes the place of both estimates (the default is an assumption).

    Returns
    -------
    DataFrame
        One row a window, sorted. Columns window, n_exams, n_patients, n_events, mean_probability,
        observed_share, expected_over_observed with _low and _high (patient bootstrap), intercept
        with _low and _high (slope held at 1, robust to clusters; above 0 where risk is
        underestimated), reason (empty where the estimates hold).
    """
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    unit, _ = patient_codes(patient_ids, len(label))
    ids = check_patient_ids(patient_ids, len(label))
    codes, windows = group_codes(window, "window", len(label))
    z = norm.ppf(0.5 + check_inside(confidence, "confidence", 0, 1) / 2)
    rows = []
    for code, name in enumerate(windows):
        here = (codes == code) & (weight > 0)
        p, y, w, patients = probability[here], label[here], weight[here], unit[here]
        ratio = intercept = Estimate(np.nan, np.nan, np.nan)
        reason = ""
        if min(y.sum(), (~y).sum()) < max(minimum_events, 1):
            reason = f"not estimable: {y.sum()} events in {len(y)} exams, minimum {minimum_events}"
        elif len(np.unique(patients)) < 2:
            reason = "not estimable: a single patient"
        else:
            ratio = ratio_estimate(p, y, ids[here], w, bootstrap, confidence)
            ones, offset = np.ones((len(y), 1)), clipped_logit(p)
            (intercept,) = logistic_estimates(ones, y, w, patients, z, offset)
        rows.append(
            {
                "window": name,
                "n_exams": len(y),
                "n_patients": len(np.unique(patients)),
                "n_events": int(y.sum()),
                "mean_probability": np.average(p, weights=w) if len(y) else np.nan,
                "observed_share": np.average(y, weights=w) if len(y) else np.nan,
                "expected_over_observed": ratio.value,
                "expected_over_observed_low": ratio.low,
                "expected_over_observed_high": ratio.high,
                "intercept": intercept.value,
                "intercept_low": intercept.low,
                "intercept_high": intercept.high,
                "reason": reason,
            }
        )
    return pd.DataFrame(rows)


def calibration_trend(
    probability: ArrayLike,
    label: ArrayLike,
    time_years: ArrayLike,
    patient_ids: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> CalibrationTrend:
    """Test whether calibration drifts steadily over time.

    Parameters
    ----------
    probability, label, sample_weight : array-like, shape (n_exams,)
        As for `calibration_by_window`.
    time_years : array-like of float, shape (n_exams,)
        Date of the exam.
    patient_ids : array-like of str, shape (n_exams,), optional
        With it exams of a patient count as one unit; without it exams are independent.
    confidence : float

    Raises
    ------
    ValueError
        If a class is absent, all exams are of one time, or time separates the classes.
    """
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    check_two_classes(label, weight)
    time = check_vector(time_years, "time_years", len(label))
    used = weight > 0
    if np.ptp(time[used]) == 0:
        raise ValueError("time_years is the same for every exam: there is no trend to test")
    unit = np.arange(len(label))
    if patient_ids is not None:
        unit, _ = patient_codes(check_patients(patient_ids, len(label), weight))
    z = norm.ppf(0.5 + check_inside(confidence, "confidence", 0, 1) / 2)
    design = np.column_stack([time - np.average(time, weights=weight), np.ones(len(label))])
    offset = clipped_logit(probability)
    per_year, at_mean = logistic_estimates(design, label, weight, unit, z, offset)
    error = (per_year.high - per_year.low) / (2 * z)
    return CalibrationTrend(per_year, at_mean, float(2 * norm.sf(abs(per_year.value) / error)))
