"""AUC and Brier score of a risk by a horizon, whoever is censored before it stood in for.

Conventions as in `survival`. Women censored before the horizon are stood in for by those who
remained, by inverse probability of censoring (IPCW): a woman with the event at t weighs
1 / G(t-), one still event-free at the horizon h weighs 1 / G(h-), where G is the probability of
still being under observation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate._inverse_censoring import CasesAndControls, row_weights
from mammolab.evaluate._time_order import Replicates, check_risk, count_up_to, divide
from mammolab.evaluate.checks import Estimate, check_vector
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval


def cumulative_dynamic_auc(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    horizons_years: ArrayLike,
    sample_weight: ArrayLike | None = None,
    cause: int = 1,
    competing: str = "control",
) -> NDArray[np.float64]:
    """Compute the AUC of women with the event by each horizon against women without it by then.

    Parameters
    ----------
    time_years, event, score, sample_weight, cause
        As in `concordance.harrell_c`.
    horizons_years : array of float, shape (n_horizons,)
        Horizons in years, each within follow-up.
    competing : {"censored", "control"}
        "censored": a competing death is a censoring, the AUC is that of the
        cause-specific event. "control" (default): a woman who died of another cause before the horizon is a
        control, for she did not get the event (definition 2 of Blanche et al.).

    Returns
    -------
    ndarray of float, shape (n_horizons,)
        NaN where a horizon has no case or no control.

    Raises
    ------
    ValueError
        If the arrays differ in length, hold NaN or a negative time or weight, or `competing` is
        not one of the two words.

    Notes
    -----
    A row censored exactly at the horizon is a control: it is known to be free of the event there.
    Tied scores count one half.

    References
    ----------
    Uno et al. 2007, doi:10.1198/016214507000000149; Blanche et al. 2013, doi:10.1002/sim.5958
    """
    split = CasesAndControls.make(
        time_years, event, horizons_years, sample_weight, cause, competing
    )
    return _time_auc(split, Replicates.once(len(split.rows.weight)), score)[0]


def time_auc_replicates(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    horizons_years: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    competing: str = "control",
) -> NDArray[np.float64]:
    """`cumulative_dynamic_auc` in every bootstrap replicate, G estimated again in each.

    Parameters
    ----------
    time_years, event, score, horizons_years, sample_weight, cause, competing
        As in `cumulative_dynamic_auc`; one row an exam.
    patient_ids : array-like of str, shape (n,)
    bootstrap : PatientBootstrap

    Returns
    -------
    array of float, shape (n_replicates, n_horizons)
        NaN where a replicate holds no case or no control. Two models scored with one bootstrap
        give paired replicates.
    """
    split = CasesAndControls.make(
        time_years, event, horizons_years, sample_weight, cause, competing
    )
    return _time_auc(split, Replicates.of(split.rows.weight, patient_ids, bootstrap), score)


def time_auc_estimate(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    horizons_years: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    competing: str = "control",
    confidence: float = 0.95,
) -> list[Estimate]:
    """`cumulative_dynamic_auc` with percentile intervals, one Estimate a horizon."""
    split = CasesAndControls.make(
        time_years, event, horizons_years, sample_weight, cause, competing
    )
    values = _time_auc(split, Replicates.once(len(split.rows.weight)), score)[0]
    replicates = Replicates.of(split.rows.weight, patient_ids, bootstrap)
    return _estimates(values, _time_auc(split, replicates, score), confidence)


def time_brier(
    time_years: ArrayLike,
    event: ArrayLike,
    probability: ArrayLike,
    horizons_years: ArrayLike,
    sample_weight: ArrayLike | None = None,
    cause: int = 1,
    competing: str = "control",
    scaled: bool = False,
) -> NDArray[np.float64]:
    """Compute the mean squared error of the predicted risk by each horizon; lower is better.

    Parameters
    ----------
    time_years, event, sample_weight, cause
        As in `concordance.harrell_c`.
    probability : array of float, shape (n, n_horizons), or (n,) with one horizon
        Risk of the event by each horizon, in [0, 1].
    horizons_years : array of float, shape (n_horizons,)
    competing : {"control", "censored"}
        "control" (default) for a risk in the presence of competing deaths, which is what women
        meet; "censored" for the risk if nothing else happened.
    scaled : bool
        Return 1 - score / score of predicting the incidence for all, higher is better: 0 is no
        better than the incidence, 1 is perfect.

    Returns
    -------
    ndarray of float, shape (n_horizons,)
        NaN where follow-up ends before the horizon; scaled, also where the incidence is 0 or 1.

    Raises
    ------
    ValueError
        As for `cumulative_dynamic_auc`, or if `probability` has another shape or leaves [0, 1].

    Notes
    -----
    Graf et al. weight a woman still event-free at h by 1 / G(h) and leave out who is censored at h
    itself. Here such a row counts, as she is known to be event-free there, and the weight is
    1 / G(h-); the two agree unless somebody is censored at h. The score of predicting the incidence
    p for all is p (1 - p), as the weights of the cases add up to the Aalen-Johansen (or 1 -
    Kaplan-Meier) incidence exactly.

    References
    ----------
    Graf et al. 1999, doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5; Kattan and Gerds 2018,
    doi:10.1186/s41512-018-0029-2 (scaled)

    Examples
    --------
    >>> time_brier([1.0, 2.0, 3.0, 3.0], [1, 0, 0, 0], [0.5, 0.5, 0.0, 0.0], [1.5])
    array([0.125])
    """
    split = CasesAndControls.make(
        time_years, event, horizons_years, sample_weight, cause, competing
    )
    return _brier(split, Replicates.once(len(split.rows.weight)), probability, scaled)[0]


def time_brier_replicates(
    time_years: ArrayLike,
    event: ArrayLike,
    probability: ArrayLike,
    horizons_years: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    competing: str = "control",
    scaled: bool = False,
) -> NDArray[np.float64]:
    """`time_brier` in every replicate, G estimated again in each, (n_replicates, n_horizons)."""
    split = CasesAndControls.make(
        time_years, event, horizons_years, sample_weight, cause, competing
    )
    replicates = Replicates.of(split.rows.weight, patient_ids, bootstrap)
    return _brier(split, replicates, probability, scaled)


def time_brier_estimate(
    time_years: ArrayLike,
    event: ArrayLike,
    probability: ArrayLike,
    horizons_years: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    competing: str = "control",
    scaled: bool = False,
    confidence: float = 0.95,
) -> list[Estimate]:
    """`time_brier` with percentile intervals, one Estimate a horizon."""
    split = CasesAndControls.make(
        time_years, event, horizons_years, sample_weight, cause, competing
    )
    values = _brier(split, Replicates.once(len(split.rows.weight)), probability, scaled)[0]
    replicates = Replicates.of(split.rows.weight, patient_ids, bootstrap)
    return _estimates(values, _brier(split, replicates, probability, scaled), confidence)


def _time_auc(
    split: CasesAndControls, replicates: Replicates, score: ArrayLike
) -> NDArray[np.float64]:
    """AUC in every replicate, shape (n_replicates, n_horizons)."""
    weight = split.rows.weight
    score = check_vector(score, "score", len(weight))
    # Slots of score: 2k + 1 at the k-th distinct score of a case, even ones between. A case beats
    # the controls in the slots below its own and half of those in it.
    marks = np.unique(score[np.any(split.case, axis=0)])
    n_up_to = count_up_to(score, marks)
    slot = 2 * n_up_to - (np.append(-np.inf, marks)[n_up_to] == score)
    n_slots = 2 * len(marks) + 1
    cases = [np.flatnonzero(case) for case in split.case]
    gone = [np.flatnonzero(gone) for gone in split.gone]
    still = [replicates.table(slot, weight, still, n_slots) for still in split.still]
    start = split.line.starting_at(split.horizons)

    auc = np.empty((replicates.n_replicates, len(split.horizons)))
    for part, counts, observed in split.observed(replicates):
        drawn = (split, replicates.columns, counts, observed)
        for k in range(len(split.horizons)):
            control = divide(still[k] @ counts, observed[start[k]])  # (n_slots, r)
            np.add.at(control, slot[gone[k]], row_weights(gone[k], *drawn))
            control = np.cumsum(control, axis=0)
            case, own_slot = row_weights(cases[k], *drawn), slot[cases[k]]  # (n_cases, r)
            won = (case * (control[own_slot - 1] + control[own_slot])).sum(axis=0) / 2
            auc[part, k] = divide(won, case.sum(axis=0) * control[-1], empty=np.nan)
    return auc


def _brier(
    split: CasesAndControls, replicates: Replicates, probability: ArrayLike, scaled: bool
) -> NDArray[np.float64]:
    """Brier score in every replicate, shape (n_replicates, n_horizons)."""
    weight, interval, n_intervals = split.rows.weight, split.line.interval, split.line.n_intervals
    risk = check_risk(probability, len(weight), len(split.horizons))
    together, everyone = np.zeros(len(weight), dtype=np.intp), np.ones(len(weight), dtype=bool)
    total = replicates.table(together, weight, everyone, 1)
    start = split.line.starting_at(split.horizons)
    tables = []
    for k, (case, gone, still) in enumerate(zip(split.case, split.gone, split.still, strict=True)):
        loss = weight * (case - risk[:, k]) ** 2
        tables.append(
            (
                replicates.table(interval, loss, case | gone, n_intervals),
                replicates.table(together, loss, still, 1),
                replicates.table(interval, weight, case, n_intervals),
            )
        )

    score = np.empty((replicates.n_replicates, len(split.horizons)))
    for part, counts, observed in split.observed(replicates):
        n_rows = total @ counts  # (1, r)
        for k, (early, still, case) in enumerate(tables):
            reached = observed[start[k]][None, :]  # 0 where the last were censored before
            loss = divide(early @ counts, observed).sum(axis=0) + divide(still @ counts, reached)
            value = np.where(reached > 0, divide(loss, n_rows, empty=np.nan), np.nan)
            if scaled:
                incidence = divide(divide(case @ counts, observed).sum(axis=0)[None, :], n_rows)
                spread = incidence * (1 - incidence)
                spread[spread < 1e-12] = 0.0  # rounding may leave an incidence of 1 just below it
                value = 1 - divide(value, spread, empty=np.nan)
            score[part, k] = value[0]
    return score


def _estimates(
    values: NDArray[np.float64], replicates: NDArray[np.float64], confidence: float
) -> list[Estimate]:
    return [
        Estimate(float(value), *percentile_interval(column, confidence))
        for value, column in zip(values, replicates.T, strict=True)
    ]
