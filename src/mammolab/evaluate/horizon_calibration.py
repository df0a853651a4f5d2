"""Calibration of a risk by a horizon: expected over observed incidence, in all and in bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mammolab.evaluate._time_order import FollowUp, check_horizons, check_risk, divide
from mammolab.evaluate.checks import (
    Estimate,
    patient_codes,
)
from mammolab.evaluate.reliability import ReliabilityTable, equal_weight_bins
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval, ratio_replicates
from mammolab.evaluate.survival import (
    incidence_at_horizons,
    incidence_estimate,
    incidence_replicates,
)


@dataclass(frozen=True, eq=False)
class HorizonCalibration:
    """Predicted against observed risk by a horizon.

    expected : weighted mean of the predicted risk.
    observed : cumulative incidence by the horizon.
    expected_over_observed : above 1 where risk is overestimated.
    table : the same in bins of predicted risk, from low to high.
    """

    horizon_years: float
    expected: float
    observed: Estimate
    expected_over_observed: Estimate
    table: ReliabilityTable


def calibration_at_horizon(
    time_years: ArrayLike,
    event: ArrayLike,
    probability: ArrayLike,
    horizon_years: float,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    competing: str = "control",
    n_bins: int = 10,
    confidence: float = 0.95,
) -> HorizonCalibration:
    """Compare the predicted risk by a horizon with the incidence observed, in all and in bins.

    Parameters
    ----------
    time_years, event, sample_weight, cause
        As in `concordance.harrell_c`.
    probability : array of float, shape (n,)
        Risk of the event by the horizon, in [0, 1].
    horizon_years : float
    patient_ids : array-like of str, shape (n,)
    bootstrap : PatientBootstrap
        The curve is estimated again in every replicate; the bins stay those of the sample.
    competing : {"control", "censored"}
        As in `survival.incidence_at_horizons`: Aalen-Johansen, or 1 - Kaplan-Meier.
    n_bins : int
        Bins hold equal weight, as in `reliability.reliability_table`.

    Returns
    -------
    HorizonCalibration
        In its table `n_events` are those seen by the horizon; a bin whose follow-up ends before it
        has `observed` NaN, one of a single patient no limits.

    Raises
    ------
    ValueError
        As for `time_brier`, or if n_bins is below 1.
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    risk = check_risk(probability, len(rows.time), 1)[:, 0]
    horizon = check_horizons(horizon_years)
    ids = np.asarray(patient_ids)
    kind = {"bootstrap": bootstrap, "cause": cause, "competing": competing}

    everyone = rows.time, rows.event, horizon, ids, rows.weight
    (observed,) = incidence_estimate(*everyone, **kind, confidence=confidence)
    replicates = incidence_replicates(*everyone, **kind)[:, 0]
    expected = float(np.average(risk, weights=rows.weight))
    ones = np.ones(len(risk))
    drawn = ratio_replicates(risk, ones, ids, rows.weight, bootstrap)
    ratio = expected / observed.value if observed.value > 0 else np.nan
    limits = percentile_interval(divide(drawn, replicates, empty=np.nan), confidence)

    used = rows.weight > 0
    bins, _ = equal_weight_bins(risk, rows.weight, n_bins)
    by_bin = []
    for k in range(bins.max() + 1):
        chosen = used & (bins == k)
        part = rows.time[chosen], rows.event[chosen], horizon, ids[chosen], rows.weight[chosen]
        if patient_codes(ids[chosen])[1] < 2:  # one woman alone has a value, but no interval
            value = incidence_at_horizons(*part[:3], part[4], cause, competing)[0]
            by_bin.append(Estimate(float(value), float("nan"), float("nan")))
            continue
        by_bin += incidence_estimate(*part, **kind, confidence=confidence)
    seen = used & (rows.event == cause) & (rows.time <= horizon)
    total = np.bincount(bins, rows.weight)
    table = ReliabilityTable(
        mean_predicted=np.bincount(bins, rows.weight * risk) / total,
        observed=np.array([one.value for one in by_bin]),
        low=np.array([one.low for one in by_bin]),
        high=np.array([one.high for one in by_bin]),
        n_exams=np.bincount(bins[used]),
        n_events=np.bincount(bins, seen).astype(int),
        weight=total,
    )
    ratio = Estimate(float(ratio), *limits)
    return HorizonCalibration(float(horizon[0]), expected, observed, ratio, table)
