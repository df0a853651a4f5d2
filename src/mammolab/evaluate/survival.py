"""Survival curves on arrays: Kaplan-Meier, cumulative incidence, censoring, case-cohort weights.

Conventions: `event` holds codes (0 censored, 1 the event of interest, others compete); at a tied
time events come before censorings, so a row censored at t is known to be event-free at t; a higher
score means a higher risk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from mammolab.evaluate._time_order import (
    CENSORED,
    FollowUp,
    Replicates,
    Timeline,
    check_horizons,
    divide,
    event_free,
    observed_before,
    remaining_after,
)
from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    effective_number,
)
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval


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
        S(t), with one step at each distinct time of the event.

    Raises
    ------
    ValueError
        If the arrays differ in length, hold NaN or a negative time or weight, or event holds
        something else than whole codes of at least 0; the message gives the first rows at fault.

    References
    ----------
    Kaplan and Meier 1958, doi:10.1080/01621459.1958.10501452

    Examples
    --------
    >>> kaplan_meier([1.0, 2.0, 3.0, 4.0], [1, 0, 1, 0])([0.5, 1.0, 3.5])
    array([1.   , 0.75 , 0.375])
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    is_event = rows.event == cause
    line = Timeline.make(rows.time, rows.time[is_event])
    leaving = Replicates.once(len(rows.time)).exits(line, rows.weight, is_event)
    curve = event_free(*leaving)[:, 0]
    return StepFunction(line.marks, curve[1:], initial=1.0)


def censoring_survival(
    time_years: ArrayLike,
    event: ArrayLike,
    sample_weight: ArrayLike | None = None,
    cause: int = 1,
    competing: str = "censored",
) -> StepFunction:
    """Estimate G, the probability of still being under observation.

    An event at t weighs 1 / G(t-), that is `.left(t)`: whoever is censored at t itself could still
    have shown the event, and G(t-) cannot be zero where a row has one.

    Parameters
    ----------
    time_years, event, sample_weight, cause
        As in `kaplan_meier`.
    competing : {"censored", "control"}
        "censored" counts a competing event as a censoring; "control" only code 0.

    Returns
    -------
    StepFunction
        G(t), with one step at each distinct observed time.

    Notes
    -----
    A row with an event at t has left the set at risk of being censored at t. Fitting the curve to
    the event flag, as some public code does, gives 1 / S squared and not Uno's weights.
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    line = Timeline.make(rows.time, rows.time)
    leaves = rows.leaves_by_event(cause, competing)
    leaving = Replicates.once(len(rows.time)).exits(line, rows.weight, leaves)
    return StepFunction(line.marks, observed_before(*leaving)[2:, 0], initial=1.0)


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
        Cumulative incidence of cancer (1), of death (2) and of any other code present, with one
        step at each distinct time of an event; with the probability of no event they sum to 1.

    References
    ----------
    Aalen and Johansen 1978, Scand J Stat 5:141-150

    Examples
    --------
    >>> incidence = cumulative_incidence([1.0, 2.0, 3.0, 4.0], [1, 2, 1, 0])
    >>> float(incidence[1](3.0)), float(incidence[2](3.0))
    (0.5, 0.25)
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    any_event = rows.event != CENSORED
    line, sample = Timeline.make(rows.time, rows.time[any_event]), Replicates.once(len(rows.time))
    leaving = sample.exits(line, rows.weight, any_event)
    incidence = {}
    for code in sorted({1, 2, *np.unique(rows.event[any_event]).tolist()}):
        by_cause = sample.table(line.interval, rows.weight, rows.event == code, line.n_intervals)
        steps = np.cumsum(_incidence_steps(by_cause, *leaving), axis=0)
        incidence[code] = StepFunction(line.marks, steps[1:, 0], initial=0.0)
    return incidence


def incidence_at_horizons(
    time_years: ArrayLike,
    event: ArrayLike,
    horizons_years: ArrayLike,
    sample_weight: ArrayLike | None = None,
    cause: int = 1,
    competing: str = "control",
) -> NDArray[np.float64]:
    """Estimate the share of women with the event by each horizon.

    Parameters
    ----------
    time_years, event, sample_weight, cause
        As in `kaplan_meier`.
    horizons_years : array of float, shape (n_horizons,)
    competing : {"control", "censored"}
        "control" (default): the risk that women meet, who may die of another cause first
        (Aalen-Johansen). "censored": the risk if nothing else happened (1 - Kaplan-Meier).

    Returns
    -------
    ndarray of float, shape (n_horizons,)
        NaN where follow-up ends before the horizon with women still free of an event.

    Raises
    ------
    ValueError
        As for `kaplan_meier`, or if a horizon is not above 0.
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    return _incidence(rows, Replicates.once(len(rows.time)), horizons_years, cause, competing)[0]


def incidence_replicates(
    time_years: ArrayLike,
    event: ArrayLike,
    horizons_years: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    competing: str = "control",
) -> NDArray[np.float64]:
    """`incidence_at_horizons` in every replicate, shape (n_replicates, n_horizons)."""
    rows = FollowUp.check(time_years, event, sample_weight)
    replicates = Replicates.of(rows.weight, patient_ids, bootstrap)
    return _incidence(rows, replicates, horizons_years, cause, competing)


def incidence_estimate(
    time_years: ArrayLike,
    event: ArrayLike,
    horizons_years: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    competing: str = "control",
    confidence: float = 0.95,
) -> list[Estimate]:
    """`incidence_at_horizons` with percentile intervals, one Estimate a horizon.

    Notes
    -----
    Without an event by the horizon every replicate is 0 and the bootstrap would claim certainty.
    The interval then runs up to the Clopper-Pearson limit of no event among the patients not
    censored before the horizon, by Kish's effective number.
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    replicates = Replicates.of(rows.weight, patient_ids, bootstrap)
    values = _incidence(rows, Replicates.once(len(rows.time)), horizons_years, cause, competing)[0]
    drawn = _incidence(rows, replicates, horizons_years, cause, competing)
    estimates = []
    for horizon, value, column in zip(np.atleast_1d(horizons_years), values, drawn.T, strict=True):
        low, high = percentile_interval(column, confidence)
        if value == 0:
            low = 0.0
            known = (rows.time >= horizon) | rows.leaves_by_event(cause, competing)
            by_patient = np.bincount(replicates.columns, rows.weight * known)
            n_effective = effective_number(by_patient)
            high = float(beta.ppf(0.5 + confidence / 2, 1, n_effective))
        estimates.append(Estimate(float(value), low, high))
    return estimates


def case_cohort_weights(
    is_case: ArrayLike, in_subcohort: ArrayLike, stratum: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Weights that make a case-cohort sample stand for the cohort it was drawn from.

    Parameters
    ----------
    is_case : array of bool, shape (n_cohort,)
        All rows of the cohort, one a sampling unit. Every case is in the sample.
    in_subcohort : array of bool, shape (n_cohort,)
        Drawn at random, whether or not it later became a case.
    stratum : array of int or str, shape (n_cohort,), optional
        Where the chance of being drawn differed, such as age group or site.

    Returns
    -------
    ndarray of float, shape (n_cohort,)
        1 for a case, non-cases / non-cases drawn of its stratum for a non-case that was drawn, NaN
        for one that was not: it has no data, and no metric takes it.

    Raises
    ------
    ValueError
        If a row has no stratum, or non-cases of a stratum are all undrawn; the message names it.

    Notes
    -----
    The sampled share is the one found and not the one planned, which lowers the variance
    (estimator II of Borgan et al.). Metrics take the result as `sample_weight`.

    References
    ----------
    Borgan et al. 2000, doi:10.1023/A:1009661900674

    Examples
    --------
    >>> case_cohort_weights([1, 0, 0, 0, 0], [0, 1, 0, 1, 0])
    array([ 1.,  2., nan,  2., nan])
    """
    is_case = check_flag(is_case, "is_case")
    in_subcohort = check_flag(in_subcohort, "in_subcohort", len(is_case))
    strata = np.zeros(len(is_case)) if stratum is None else np.asarray(stratum)
    codes, names = pd.factorize(strata)
    if len(codes) != len(is_case) or (codes < 0).any():
        raise ValueError(f"stratum must name one for each of {len(is_case)} rows, none missing")
    others = np.bincount(codes, ~is_case)
    drawn = np.bincount(codes, ~is_case & in_subcohort)
    if ((others > 0) & (drawn == 0)).any():
        shown = ", ".join(str(name) for name in names[(others > 0) & (drawn == 0)][:5])
        raise ValueError(f"in_subcohort holds no non-case of stratum {shown}")
    weight = np.full(len(is_case), np.nan)
    weight[in_subcohort] = (others / np.maximum(drawn, 1))[codes[in_subcohort]]
    weight[is_case] = 1.0
    return weight


def _incidence_steps(
    by_cause: NDArray[np.float64], by_event: NDArray[np.float64], otherwise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probability of the event at each mark: free of any event up to it, times the hazard."""
    at_risk = remaining_after(by_event + otherwise) + otherwise + by_event
    free_before = np.ones_like(at_risk)
    free_before[1:] = event_free(by_event, otherwise)[:-1]
    return free_before * divide(by_cause, at_risk)


def _incidence(
    rows: FollowUp, replicates: Replicates, horizons_years: ArrayLike, cause: int, competing: str
) -> NDArray[np.float64]:
    """Incidence of the cause by each horizon, shape (n_replicates, n_horizons)."""
    horizons = check_horizons(horizons_years)
    leaves = rows.leaves_by_event(cause, competing)
    line = Timeline.make(rows.time, np.concatenate([rows.time[leaves], horizons]))
    by_event, otherwise = replicates.exits(line, rows.weight, leaves)
    by_cause = replicates.table(line.interval, rows.weight, rows.event == cause, line.n_intervals)
    at = line.starting_at(horizons)
    incidence = np.empty((replicates.n_replicates, len(horizons)))
    for part, counts in replicates.parts():
        leaving = by_event @ counts, otherwise @ counts
        steps = np.cumsum(_incidence_steps(by_cause @ counts, *leaving), axis=0)
        # the curve says nothing past the last row unless all have had an event by then
        reached = remaining_after(sum(leaving))[at - 1] > 0
        known = reached | (event_free(*leaving)[at] == 0)
        incidence[part] = np.where(known, steps[at], np.nan).T
    return incidence
