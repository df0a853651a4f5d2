"""Survival statistics on arrays: Kaplan-Meier, cumulative incidence, time-dependent AUC, C.

Conventions: `event` holds codes (0 censored, 1 the event of interest, others compete); at a tied
time events come before censorings, so a row censored at t is known to be event-free at t; a higher
score means a higher risk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate._time_order import (
    CENSORED,
    Replicates,
    TimeOrdered,
    check_competing,
    divide,
    observation_curve,
    order_by_time,
    product_limit,
    sum_by_time,
    weight_at_risk,
)
from mammolab.evaluate.checks import Estimate, check_vector
from mammolab.evaluate.concordance import harrell_c, uno_c, uno_c_estimate, uno_c_replicates
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval

__all__ = [
    "StepFunction",
    "censoring_survival",
    "cumulative_dynamic_auc",
    "cumulative_incidence",
    "harrell_c",
    "kaplan_meier",
    "time_auc_estimate",
    "time_auc_replicates",
    "uno_c",
    "uno_c_estimate",
    "uno_c_replicates",
]


@dataclass(frozen=True, eq=False)
class StepFunction:
    """A right-continuous step function of time.

    Attributes
    ----------
    times : ndarray of float, shape (n_steps,)
        Increasing times of the steps, in years.
    values : ndarray of float, shape (n_steps,)
        The value from each step on.
    initial : float
        The value before the first step.
    """

    times: NDArray[np.float64]
    values: NDArray[np.float64]
    initial: float

    def __call__(self, at_years: ArrayLike) -> NDArray[np.float64]:
        """Return the value at each time: steps at or before it have been taken."""
        return self._take(np.searchsorted(self.times, at_years, side="right"))

    def left(self, at_years: ArrayLike) -> NDArray[np.float64]:
        """Return the value just before each time: steps strictly before it have been taken."""
        return self._take(np.searchsorted(self.times, at_years, side="left"))

    def _take(self, n_steps_taken: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.concatenate([[self.initial], self.values])[n_steps_taken]


def kaplan_meier(
    time_years: ArrayLike, event: ArrayLike, sample_weight: ArrayLike | None = None, cause: int = 1
) -> StepFunction:
    """Estimate the probability of staying free of the event, every other exit being a censoring.

    Parameters
    ----------
    time_years : array of float, shape (n,)
        Time to the event or to the end of observation, in years.
    event : array of int or bool, shape (n,)
        0 censored, `cause` the event; any other code is censored here. With competing events the
        curve is then the net (cause-specific) one: see `cumulative_incidence` for what happens.
    sample_weight : array of float, shape (n,), optional
        Weight of each row; 2 is the same as having the row twice.
    cause : int
        The code of the event.

    Returns
    -------
    StepFunction
        S(t), with one step at each distinct observed time.

    References
    ----------
    Kaplan and Meier 1958, doi:10.1080/01621459.1958.10501452

    Examples
    --------
    >>> kaplan_meier([1.0, 2.0, 3.0, 4.0], [1, 0, 1, 0])([0.5, 1.0, 3.5])
    array([1.   , 0.75 , 0.375])
    """
    rows = order_by_time(time_years, event, None, sample_weight)
    survival = product_limit(rows, rows.event == cause, rows.weight[None, :])
    return StepFunction(rows.distinct_times, survival[0], initial=1.0)


def censoring_survival(
    time_years: ArrayLike,
    event: ArrayLike,
    sample_weight: ArrayLike | None = None,
    cause: int = 1,
    competing: str = "censored",
) -> StepFunction:
    """Estimate G, the probability of still being under observation.

    Inverse weights for an event at t are 1 / G(t-), that is `.left(t)`: whoever is censored at t
    itself could still have shown the event, and G(t-) cannot be zero where a row has an event.

    Parameters
    ----------
    time_years, event, sample_weight, cause
        As in `kaplan_meier`.
    competing : {"censored", "control"}
        "censored" counts a competing event as a censoring; "control" only code 0.

    Returns
    -------
    StepFunction
        G(t).

    Notes
    -----
    A row with an event at t has left the set at risk of being censored at t. Fitting the curve to
    the event flag, as some public code does, gives 1 / S squared and not Uno's weights.
    """
    check_competing(competing)
    rows = order_by_time(time_years, event, None, sample_weight)
    survival = observation_curve(rows, cause, competing, rows.weight[None, :])
    return StepFunction(rows.distinct_times, survival[0, 1:], initial=1.0)


def cumulative_incidence(
    time_years: ArrayLike, event: ArrayLike, sample_weight: ArrayLike | None = None
) -> dict[int, StepFunction]:
    """Estimate the probability of each kind of event by time t, the others competing.

    Parameters
    ----------
    time_years, event, sample_weight
        As in `kaplan_meier`; every code other than 0 is a kind of event.

    Returns
    -------
    dict of int to StepFunction
        Cumulative incidence of cancer (1), of death (2) and of any other code present, starting at
        0; together with the probability of no event they sum to 1.

    References
    ----------
    Aalen and Johansen 1978, Scand J Stat 5:141-150

    Examples
    --------
    >>> incidence = cumulative_incidence([1.0, 2.0, 3.0, 4.0], [1, 2, 1, 0])
    >>> float(incidence[1](3.0)), float(incidence[2](3.0))
    (0.5, 0.25)
    """
    rows = order_by_time(time_years, event, None, sample_weight)
    weight = rows.weight[None, :]
    any_event_free = product_limit(rows, rows.event != CENSORED, weight)[0]
    free_before = np.concatenate([[1.0], any_event_free[:-1]])
    at_risk = weight_at_risk(rows, weight)[0]
    incidence = {}
    for code in sorted({1, 2, *rows.event[rows.event != CENSORED].tolist()}):
        leaving = sum_by_time(rows, weight * (rows.event == code))[0]
        steps = free_before * divide(leaving, at_risk)
        incidence[int(code)] = StepFunction(rows.distinct_times, np.cumsum(steps), initial=0.0)
    return incidence


def cumulative_dynamic_auc(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    horizons_years: ArrayLike,
    sample_weight: ArrayLike | None = None,
    cause: int = 1,
    competing: str = "censored",
) -> NDArray[np.float64]:
    """Compute the AUC of women with the event by each horizon against women without it by then.

    Cases are weighted by 1 / G(t-) at their event, controls by 1 / G at the horizon, so that women
    censored before the horizon are stood in for by those who remained.

    Parameters
    ----------
    time_years, event, score, sample_weight, cause
        As in `harrell_c`.
    horizons_years : array of float, shape (n_horizons,)
        Horizons in years, each within follow-up.
    competing : {"censored", "control"}
        "censored" (default): a competing death is a censoring, the AUC is that of the
        cause-specific event. "control": a woman who died of another cause before the horizon is a
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
    rows = order_by_time(time_years, event, score, sample_weight)
    return _time_auc(rows, Replicates.once(rows), horizons_years, cause, competing)[0]


def time_auc_replicates(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    horizons_years: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    competing: str = "censored",
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
    rows = order_by_time(time_years, event, score, sample_weight)
    replicates = Replicates.of(rows, patient_ids, bootstrap)
    return _time_auc(rows, replicates, horizons_years, cause, competing)


def time_auc_estimate(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    horizons_years: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    competing: str = "censored",
    confidence: float = 0.95,
) -> list[Estimate]:
    """`cumulative_dynamic_auc` with percentile intervals, one Estimate a horizon."""
    rows = order_by_time(time_years, event, score, sample_weight)
    values = _time_auc(rows, Replicates.once(rows), horizons_years, cause, competing)[0]
    drawn = Replicates.of(rows, patient_ids, bootstrap)
    replicates = _time_auc(rows, drawn, horizons_years, cause, competing)
    return [
        Estimate(float(value), *percentile_interval(column, confidence))
        for value, column in zip(values, replicates.T, strict=True)
    ]


def _time_auc(
    rows: TimeOrdered,
    replicates: Replicates,
    horizons_years: ArrayLike,
    cause: int,
    competing: str,
) -> NDArray[np.float64]:
    check_competing(competing)
    horizons = check_vector(np.atleast_1d(horizons_years), "horizons_years")
    plans = [_HorizonPlan.make(rows, horizon, cause, competing) for horizon in horizons]
    auc = np.empty((len(replicates.counts), len(horizons)))
    for chunk, weights in replicates.row_weights(rows):
        observed = observation_curve(rows, cause, competing, weights)  # (R, n_distinct + 1)
        for k, plan in enumerate(plans):
            case = divide(weights[:, plan.cases], observed[:, plan.case_g])  # (R, n_cases)
            control = divide(weights[:, plan.controls], observed[:, plan.control_g])
            up_to = np.zeros((len(control), control.shape[1] + 1))
            np.cumsum(control, axis=1, out=up_to[:, 1:])  # control weight up to each score
            beaten = 0.5 * (up_to[:, plan.below] + up_to[:, plan.not_above])  # (R, n_cases)
            pairs = case.sum(axis=1) * up_to[:, -1]
            auc[chunk, k] = divide((case * beaten).sum(axis=1), pairs, empty=np.nan)
    return auc


@dataclass(frozen=True, eq=False)
class _HorizonPlan:
    """Who is a case and who a control at one horizon: all that does not depend on the weights."""

    cases: NDArray[np.intp]  # (n_cases,) rows
    controls: NDArray[np.intp]  # (n_controls,) rows, by increasing score
    case_g: NDArray[np.intp]  # (n_cases,) entry of the observation curve that weights each case
    control_g: NDArray[np.intp]  # (n_controls,)
    below: NDArray[np.intp]  # (n_cases,) number of controls scoring less
    not_above: NDArray[np.intp]  # (n_cases,) number of controls scoring no more

    @classmethod
    def make(cls, rows: TimeOrdered, horizon: float, cause: int, competing: str) -> _HorizonPlan:
        is_case = (rows.time <= horizon) & (rows.event == cause)
        is_control = (rows.time >= horizon) & ~is_case
        if competing == "control":
            is_control |= ~is_case & (rows.event != CENSORED)
        cases, controls = np.flatnonzero(is_case), np.flatnonzero(is_control)
        controls = controls[np.argsort(rows.score[controls], kind="stable")]
        horizon_g = np.searchsorted(rows.distinct_times, horizon, side="left")
        return cls(
            cases=cases,
            controls=controls,
            case_g=rows.group[cases],
            control_g=np.minimum(rows.group[controls], horizon_g),
            below=np.searchsorted(rows.score[controls], rows.score[cases], side="left"),
            not_above=np.searchsorted(rows.score[controls], rows.score[cases], side="right"),
        )
