"""What changes when one risk model takes the place of another where something hangs on its number.

A net reclassification index (NRI) alone misleads, and none is summed here. It adds a share of the
cases to a share of the others as if a case found were worth one healthy woman spared, although
there are fifty of these to each case; it calls every move between three or more groups alike,
whatever follows from it; without thresholds, or with poorly calibrated risks, it is positive for a
marker that says nothing, in new data too; and it is no proper score, so that a model is improved in
it by being made wrong (Pepe et al. 2015, Hilden and Gerds 2014, Kerr et al. 2014). With one
threshold its two parts are the changes in sensitivity and specificity, and are given under those
names, with the net benefit, which weighs the two as the threshold itself does.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate._inverse_censoring import CasesAndControls
from mammolab.evaluate._time_order import Replicates, check_risk, divide
from mammolab.evaluate.checks import check_patients, check_vector
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval, sum_replicates
from mammolab.evaluate.risk_grid import risk_grid
from mammolab.evaluate.risk_groups import threshold_groups, threshold_names


def reclassification_table(
    old_risk: ArrayLike,
    new_risk: ArrayLike,
    thresholds: ArrayLike,
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
    """Cross the risk groups of two models, with the incidence in each cell and what each predicted.

    Among women whom the models put in different groups the incidence says which of them is right.

    Parameters
    ----------
    old_risk, new_risk : array of float in [0, 1], shape (n_exams,)
        Risk by the horizon.
    thresholds : array of float, shape (k,)
        Rising, such as 0.0167 and 0.03; a risk at a threshold belongs above it.
    time_years, event, horizon_years, patient_ids, sample_weight, bootstrap
    minimum_patients, cause, competing, confidence
        As in `risk_grid.risk_grid`.

    Returns
    -------
    DataFrame
        The columns of `risk_grid.risk_grid`, row the old model's group and column the new one's;
        then predicted_old and predicted_new, the weighted mean risks in the cell (NaN if empty).

    Raises
    ------
    ValueError
        As for `risk_grid.risk_grid`, or if a risk leaves [0, 1] or the thresholds do not rise.

    References
    ----------
    Cook and Ridker 2009, doi:10.7326/0003-4819-150-11-200906020-00007
    """
    old, new = _risks(old_risk, new_risk)
    names = threshold_names(thresholds)
    groups = threshold_groups(old, thresholds), threshold_groups(new, thresholds)
    outcome = time_years, event, horizon_years, patient_ids, sample_weight, bootstrap
    table = risk_grid(
        *groups, names, names, *outcome, minimum_patients, cause, competing, confidence
    )
    weight = np.ones(len(old)) if sample_weight is None else np.asarray(sample_weight, float)
    means = []
    for row, column in zip(table["row"], table["column"], strict=True):
        inside = weight * ((groups[0] == row) & (groups[1] == column))
        both = np.array([inside @ old, inside @ new])
        means.append(divide(both, np.full(2, inside.sum()), empty=np.nan))
    means = np.array(means)
    return table.assign(predicted_old=means[:, 0], predicted_new=means[:, 1])


def threshold_comparison(
    old_risk: ArrayLike,
    new_risk: ArrayLike,
    thresholds: ArrayLike,
    time_years: ArrayLike,
    event: ArrayLike,
    horizon_years: float,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    competing: str = "control",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """What two models offer at each threshold by itself, and the difference.

    Parameters
    ----------
    old_risk, new_risk, thresholds
        As in `reclassification_table`; a woman at or above a threshold is called.
    time_years, event, patient_ids, sample_weight, bootstrap, cause, competing
        As in `horizons.time_auc_replicates`.
    horizon_years : float
    confidence : float in (0, 1)

    Returns
    -------
    DataFrame
        One row a (threshold, quantity): threshold, quantity, old, old_low, old_high, new, new_low,
        new_high, difference (new - old), difference_low, difference_high. The quantities are

        - "called": share of the women at or above the threshold;
        - "sensitivity": share of those with the event by the horizon who are called;
        - "specificity": share of the others who are not;
        - "net_benefit": cancers called less others called times the odds of the threshold, a woman
          (`decision_curve`, with censoring); it holds the models to their numbers, not their order.

    Raises
    ------
    ValueError
        As for `reclassification_table`, or if a threshold does not lie inside (0, 1).

    Notes
    -----
    Cases and others are weighted by the inverse probability of censoring, as in `horizons`.

    References
    ----------
    Kerr et al. 2014, doi:10.1097/EDE.0000000000000018; Vickers and Elkin 2006,
    doi:10.1177/0272989X06295361 (net benefit)
    """
    old, new = _risks(old_risk, new_risk)
    cuts = check_vector(np.atleast_1d(thresholds), "thresholds")
    if not ((cuts > 0) & (cuts < 1)).all():
        raise ValueError(f"thresholds must lie inside (0, 1), not {cuts.tolist()}")
    split = CasesAndControls.make(
        time_years, event, [horizon_years], sample_weight, cause, competing
    )
    ids = np.asarray(patient_ids)
    # a column of ones, then one for each threshold and model
    called = [risk >= cut for cut in cuts for risk in (old, new)]
    flags = np.column_stack([np.ones(len(old)), *called])
    value, drawn = (
        _offered(*split.sums(replicates, flags), cuts)
        for replicates in _once_and_drawn(split, patient_ids, bootstrap)
    )
    # who is called is known of everyone, whatever became of her
    weight = split.rows.weight
    everyone = (weight @ flags)[None], sum_replicates(weight[:, None] * flags, ids, bootstrap)
    for quantities, sums in zip((value, drawn), everyone, strict=True):
        share = divide(sums[:, 1:], sums[:, :1], empty=np.nan)
        quantities["called"] = share.reshape(-1, len(cuts), 2)
    rows = []
    for k, cut in enumerate(cuts):
        for quantity in value:
            one, many = value[quantity][0, k], drawn[quantity][:, k]  # (2,), (n_replicates, 2)
            row = {"threshold": float(cut), "quantity": quantity}
            for name, estimate, replicates in (
                ("old", one[0], many[:, 0]),
                ("new", one[1], many[:, 1]),
                ("difference", one[1] - one[0], many[:, 1] - many[:, 0]),
            ):
                row[name] = float(estimate)
                row[f"{name}_low"], row[f"{name}_high"] = percentile_interval(
                    replicates, confidence
                )
            rows.append(row)
    return pd.DataFrame(rows)


def moves_between_groups(
    old_risk: ArrayLike,
    new_risk: ArrayLike,
    thresholds: ArrayLike,
    time_years: ArrayLike,
    event: ArrayLike,
    horizon_years: float,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    competing: str = "control",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Share of the cases, and of the others, whom the new model moves to a higher or lower group.

    These are the parts of the net reclassification index. They are not added up, and with several
    thresholds they are no measure of improvement: see the module.

    Parameters
    ----------
    old_risk, new_risk, thresholds, time_years, event, horizon_years, patient_ids, sample_weight
    bootstrap, cause, competing, confidence
        As in `threshold_comparison`.

    Returns
    -------
    DataFrame
        Rows "cases" and "others": among, up, up_low, up_high, down, down_low, down_high, net,
        net_low, net_high (in the right direction: up - down among cases, down - up among the
        others), n_exams (seen to be of that kind), n_up, n_down (of these).

    Raises
    ------
    ValueError
        As for `reclassification_table`.

    References
    ----------
    Pencina et al. 2011, doi:10.1002/sim.4085 (with censoring); Pepe et al. 2015,
    doi:10.1007/s12561-014-9118-0; Hilden and Gerds 2014, doi:10.1002/sim.5804; Kerr et al. 2014,
    doi:10.1097/EDE.0000000000000018
    """
    old, new = _risks(old_risk, new_risk)
    cuts = check_vector(np.atleast_1d(thresholds), "thresholds")
    threshold_groups(old, cuts)  # raises where they do not rise
    step = np.searchsorted(cuts, new, side="right") - np.searchsorted(cuts, old, side="right")
    split = CasesAndControls.make(
        time_years, event, [horizon_years], sample_weight, cause, competing
    )
    flags = np.column_stack([np.ones(len(old)), step > 0, step < 0])
    once, drawn = (
        split.sums(replicates, flags)
        for replicates in _once_and_drawn(split, patient_ids, bootstrap)
    )
    counted = split.rows.weight > 0
    kinds = split.case[0] & counted, (split.gone[0] | split.still[0]) & counted
    rows = []
    for k, (among, sign) in enumerate((("cases", 1), ("others", -1))):
        row = {"among": among}
        shares = [divide(sums[k][:, 1:], sums[k][:, :1], empty=np.nan) for sums in (once, drawn)]
        for name, of in (
            ("up", lambda share: share[:, 0]),
            ("down", lambda share: share[:, 1]),
            ("net", lambda share, sign=sign: sign * (share[:, 0] - share[:, 1])),
        ):
            row[name] = float(of(shares[0])[0])
            row[f"{name}_low"], row[f"{name}_high"] = percentile_interval(of(shares[1]), confidence)
        row |= {
            "n_exams": int(kinds[k].sum()),
            "n_up": int((kinds[k] & (step > 0)).sum()),
            "n_down": int((kinds[k] & (step < 0)).sum()),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def _risks(
    old_risk: ArrayLike, new_risk: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    old = check_vector(old_risk, "old_risk")
    return check_risk(old, len(old), 1)[:, 0], check_risk(new_risk, len(old), 1)[:, 0]


def _once_and_drawn(
    split: CasesAndControls, patient_ids: ArrayLike, bootstrap: PatientBootstrap
) -> tuple[Replicates, Replicates]:
    weight = split.rows.weight
    ids = check_patients(patient_ids, len(weight), weight)
    return Replicates.once(len(weight)), Replicates.of(weight, ids, bootstrap)


def _offered(
    cases: NDArray[np.float64], others: NDArray[np.float64], cuts: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Each quantity, shape (n_replicates, n_thresholds, 2 models), from the sums of the flags."""
    n_case, n_other = cases[:, 0, None, None], others[:, 0, None, None]
    shape = len(cases), len(cuts), 2
    hit, false = cases[:, 1:].reshape(shape), others[:, 1:].reshape(shape)
    everyone = n_case + n_other
    odds = (cuts / (1 - cuts))[:, None]
    return {
        "sensitivity": divide(hit, n_case, empty=np.nan),
        "specificity": 1 - divide(false, n_other, empty=np.nan),
        "net_benefit": divide(hit - odds * false, everyone, empty=np.nan),
    }
