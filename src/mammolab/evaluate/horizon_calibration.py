"""Calibration of a risk by a horizon: expected over observed incidence, in all and in bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate._time_order import FollowUp, check_horizons, check_risk, divide
from mammolab.evaluate.checks import (
    Estimate,
    check_patients,
    patient_codes,
)
from mammolab.evaluate.reliability import ReliabilityTable, equal_weight_bins
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval, ratio_replicates
from mammolab.evaluate.subgroups import cells, subgroup_table
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


def horizon_calibration_by_subgroup(
    time_years: ArrayLike,
    event: ArrayLike,
    probability: ArrayLike,
    horizon_years: float,
    subgroups: Mapping[str, ArrayLike],
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    intersections: Sequence[Sequence[str]] = (),
    minimum_patients: int = 20,
    minimum_events: int = 10,
    cause: int = 1,
    competing: str = "control",
) -> pd.DataFrame:
    """Expected over observed incidence by a horizon in every subgroup; 1 where the risk holds.

    A risk can be right on the whole and wrong in every group: too low in one by what it is too high
    in another.

    Parameters
    ----------
    time_years, event, probability, horizon_years, patient_ids, sample_weight, bootstrap, cause
    competing
        As in `calibration_at_horizon`.
    subgroups, intersections, minimum_patients, minimum_events
        As for `subgroups.subgroup_table`; events are those seen by the horizon.

    Returns
    -------
    DataFrame
        The columns of `subgroups.subgroup_table` with the metric "expected_over_observed", then
        horizon_years, expected, observed, observed_low, observed_high (NaN in cells too small).

    Raises
    ------
    ValueError
        As for `calibration_at_horizon`.
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    (horizon,) = check_horizons(horizon_years)
    risk = check_risk(probability, len(rows.time), 1)[:, 0]
    ids = check_patients(patient_ids, len(rows.time), rows.weight)
    found: dict[bytes, HorizonCalibration] = {}

    def estimate(cell: NDArray[np.bool_]) -> Estimate:
        part = rows.time[cell], rows.event[cell], risk[cell], horizon, ids[cell], rows.weight[cell]
        one = calibration_at_horizon(*part, bootstrap, cause, competing, n_bins=1)
        found[cell.tobytes()] = one
        return one.expected_over_observed

    curve = "Aalen-Johansen" if competing == "control" else "Kaplan-Meier"
    table = subgroup_table(
        "expected_over_observed",
        estimate,
        (rows.event == cause) & (rows.time <= horizon),
        subgroups,
        ids,
        intersections,
        rows.weight > 0,
        minimum_patients,
        minimum_events,
        f"{curve}, patient bootstrap",
    )
    nothing = Estimate(np.nan, np.nan, np.nan)
    by_cell = [
        found.get(cell.tobytes()) for _, _, cell in cells(subgroups, intersections, len(risk))
    ]
    observed = [nothing if one is None else one.observed for one in by_cell]
    return table.assign(
        horizon_years=float(horizon),
        expected=[np.nan if one is None else one.expected for one in by_cell],
        observed=[one.value for one in observed],
        observed_low=[one.low for one in observed],
        observed_high=[one.high for one in observed],
    )
