"""How well a risk tells who gets cancer inside each group of women."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate._time_order import FollowUp, check_horizons
from mammolab.evaluate.checks import Estimate, check_patients, check_vector
from mammolab.evaluate.concordance import uno_c_estimate
from mammolab.evaluate.horizons import cumulative_dynamic_auc, time_auc_replicates
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval
from mammolab.evaluate.risk_discrimination import METHOD
from mammolab.evaluate.subgroups import subgroup_table


def auc_by_subgroup_and_year(
    score: ArrayLike,
    time_years: ArrayLike,
    event: ArrayLike,
    horizons_years: ArrayLike,
    subgroups: Mapping[str, ArrayLike],
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    minus: ArrayLike | None = None,
    intersections: Sequence[Sequence[str]] = (),
    minimum_patients: int = 20,
    minimum_events: int = 10,
    cause: int = 1,
    competing: str = "control",
) -> pd.DataFrame:
    """AUC by each horizon in every subgroup, or the difference of two models there.

    Parameters
    ----------
    score : array of float, shape (n,)
        Higher means higher risk.
    time_years, event, horizons_years, patient_ids, sample_weight, bootstrap, cause, competing
        As in `horizons.time_auc_replicates`; one row an exam.
    subgroups, intersections, minimum_patients, minimum_events
        As for `subgroups.subgroup_table`; events are cancers seen by the horizon.
    minus : array of float, shape (n,), optional
        Another model's; the table then holds AUC(score) - AUC(minus), paired, as the metric
        "auc_difference".

    Returns
    -------
    DataFrame
        The columns of `subgroups.subgroup_table`, and horizon_years. Exams of weight 0 are not
        counted.

    Raises
    ------
    ValueError
        As for `horizons.cumulative_dynamic_auc` and `subgroups.subgroup_table`.

    Notes
    -----
    Women are compared inside their group alone, and censoring is estimated inside it: who is lost
    to follow-up may differ between groups.
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    ids = check_patients(patient_ids, len(rows.time), rows.weight)
    scores = [check_vector(score, "score", len(ids))]
    if minus is not None:
        scores.append(check_vector(minus, "minus", len(ids)))
    tables = []
    for horizon in check_horizons(horizons_years):

        def estimate(cell: NDArray[np.bool_], horizon: float = horizon) -> Estimate:
            time, event, weight = rows.time[cell], rows.event[cell], rows.weight[cell]
            kind = {"cause": cause, "competing": competing}
            value, drawn = 0.0, 0.0
            for one, sign in zip(scores, (1, -1), strict=False):
                part = time, event, one[cell], [horizon]
                value += sign * cumulative_dynamic_auc(*part, weight, **kind)[0]
                replicates = time_auc_replicates(*part, ids[cell], weight, bootstrap, **kind)
                drawn = drawn + sign * replicates[:, 0]
            return Estimate(float(value), *percentile_interval(drawn))

        table = subgroup_table(
            "auc" if minus is None else "auc_difference",
            estimate,
            (rows.event == cause) & (rows.time <= horizon),
            subgroups,
            ids,
            intersections,
            rows.weight > 0,
            minimum_patients,
            minimum_events,
            METHOD,
        )
        tables.append(table.assign(horizon_years=float(horizon)))
    return pd.concat(tables, ignore_index=True)


def uno_c_by_subgroup(
    score: ArrayLike,
    time_years: ArrayLike,
    event: ArrayLike,
    tau_years: float,
    subgroups: Mapping[str, ArrayLike],
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    intersections: Sequence[Sequence[str]] = (),
    minimum_patients: int = 20,
    minimum_events: int = 10,
    cause: int = 1,
) -> pd.DataFrame:
    """Uno's C up to `tau_years` in every subgroup, as `concordance.uno_c_estimate` has it.

    Parameters, columns and errors as of `auc_by_subgroup_and_year`; horizon_years is tau.
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    ids = check_patients(patient_ids, len(rows.time), rows.weight)
    score = check_vector(score, "score", len(ids))

    def estimate(cell: NDArray[np.bool_]) -> Estimate:
        part = rows.time[cell], rows.event[cell], score[cell], ids[cell], rows.weight[cell]
        return uno_c_estimate(*part, bootstrap, tau_years, cause)

    return subgroup_table(
        "uno_c",
        estimate,
        (rows.event == cause) & (rows.time < tau_years),
        subgroups,
        ids,
        intersections,
        rows.weight > 0,
        minimum_patients,
        minimum_events,
        METHOD,
    ).assign(horizon_years=float(tau_years))
