"""Harrell's and Uno's C on arrays, with sample weights and the patient bootstrap."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate._time_order import (
    CHUNK,
    Replicates,
    TimeOrdered,
    divide,
    observation_curve,
    order_by_time,
)
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval


def harrell_c(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    sample_weight: ArrayLike | None = None,
    cause: int = 1,
) -> float:
    """Compute Harrell's C: of two women, how often the one with the earlier event scores higher.

    It depends on the censoring of the study at hand; report `uno_c` where that matters.

    Parameters
    ----------
    time_years : array-like of float, shape (n,)
        Time to the event or to the end of observation, in years.
    event : array-like of int, shape (n,)
        0 censored, `cause` the event; any other code is censored here.
    score : array-like of float, shape (n,)
        Higher means higher risk.
    sample_weight : array-like of float, shape (n,), optional
        Inverse sampling probability; 2 is the same as having the row twice.
    cause : int
        The code of the event.

    Returns
    -------
    float
        C in [0, 1]; NaN without a comparable pair.

    Notes
    -----
    A pair is comparable when one row has the event and the other is observed longer, or is
    censored at the same time. Tied scores count one half.

    References
    ----------
    Harrell et al. 1982, doi:10.1001/jama.1982.03320430047030

    Examples
    --------
    >>> harrell_c([1.0, 2.0, 3.0], [1, 1, 0], [0.9, 0.2, 0.4])
    0.6666666666666666
    """
    rows = order_by_time(time_years, event, score, sample_weight)
    return float(_concordance(rows, Replicates.once(rows), cause, None, False)[0])


def uno_c(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    sample_weight: ArrayLike | None = None,
    tau_years: float | None = None,
    cause: int = 1,
) -> float:
    """Compute Uno's C: Harrell's with pairs weighted by 1 / G(t-)^2, so that censoring cancels.

    Parameters
    ----------
    time_years, event, score, sample_weight, cause
        As in `harrell_c`. Competing events are censored, also in G.
    tau_years : float, optional
        Only events strictly before tau count; give it where G becomes small.

    Returns
    -------
    float
        C in [0, 1]; NaN without a comparable pair.

    Notes
    -----
    G is the probability of still being observed (`survival.censoring_survival`). Fitting it to the
    event flag instead, as some public code of risk models does, gives another number, biased like
    Harrell's.

    References
    ----------
    Uno et al. 2011, doi:10.1002/sim.4154
    """
    rows = order_by_time(time_years, event, score, sample_weight)
    return float(_concordance(rows, Replicates.once(rows), cause, tau_years, True)[0])


def uno_c_replicates(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    tau_years: float | None = None,
    cause: int = 1,
) -> NDArray[np.float64]:
    """Uno's C in every bootstrap replicate, G estimated again in each.

    Parameters
    ----------
    time_years, event, score, sample_weight, tau_years, cause
        As in `uno_c`; one row an exam.
    patient_ids : array-like of str, shape (n,)
    bootstrap : PatientBootstrap

    Returns
    -------
    array of float, shape (n_replicates,)
        NaN where a replicate holds no comparable pair. Single precision inside: right to about
        1e-6. Two models scored with one bootstrap give paired replicates.
    """
    rows = order_by_time(time_years, event, score, sample_weight)
    replicates = Replicates.of(rows, patient_ids, bootstrap)
    return _concordance(rows, replicates, cause, tau_years, True)


def uno_c_estimate(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    tau_years: float | None = None,
    cause: int = 1,
    confidence: float = 0.95,
) -> Estimate:
    """Uno's C with the percentile interval of the patient bootstrap; arguments as above."""
    replicates = uno_c_replicates(
        time_years, event, score, patient_ids, sample_weight, bootstrap, tau_years, cause
    )
    value = uno_c(time_years, event, score, sample_weight, tau_years, cause)
    return Estimate(value, *percentile_interval(replicates, confidence))


def _concordance(
    rows: TimeOrdered,
    replicates: Replicates,
    cause: int,
    tau_years: float | None,
    inverse_censoring: bool,
) -> NDArray[np.float64]:
    """Share of the weight of comparable pairs that is in the right order, shape (n_replicates,)."""
    is_event = rows.event == cause
    events = np.flatnonzero(is_event & (rows.time < (np.inf if tau_years is None else tau_years)))
    # With events put first among equal times, the rows comparable to an event are all that follow
    # the last event of its time: a suffix.
    suffix = (rows.starts + np.bincount(rows.group[is_event], minlength=len(rows.starts)))[
        rows.group[events]
    ]
    place = np.empty(len(rows.time), dtype=np.intp)
    place[np.lexsort([~is_event, rows.time])] = np.arange(len(rows.time))

    event_weight = np.empty((len(replicates.counts), len(events)))
    suffix_weight = np.empty_like(event_weight)
    for chunk, weights in replicates.row_weights(rows):
        after = np.zeros((len(weights), len(rows.time) + 1))
        after[:, place] = weights
        after = np.cumsum(after[:, ::-1], axis=1)[:, ::-1]
        suffix_weight[chunk] = after[:, suffix]
        event_weight[chunk] = weights[:, events]
        if inverse_censoring:
            observed = observation_curve(rows, cause, "censored", weights)[:, rows.group[events]]
            event_weight[chunk] = divide(event_weight[chunk], observed**2)

    won = np.einsum(
        "re,re->r", event_weight, _weight_beaten(rows, replicates, events, suffix, place)
    )
    pairs = np.einsum("re,re->r", event_weight, suffix_weight)
    return divide(won, pairs, empty=np.nan)


def _weight_beaten(
    rows: TimeOrdered,
    replicates: Replicates,
    events: NDArray[np.intp],
    suffix: NDArray[np.intp],
    place: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Weight of the comparable rows that score below each event, (n_replicates, n_events)."""
    by_patient = np.argsort(replicates.columns, kind="stable")
    first = np.searchsorted(replicates.columns[by_patient], np.arange(replicates.counts.shape[1]))
    score, place = rows.score[by_patient], place[by_patient].astype(np.int32)
    precision = np.float64 if len(replicates.counts) == 1 else np.float32
    weight = rows.weight[by_patient].astype(precision)
    drawn = replicates.counts.T.astype(precision)  # (n_patients, n_replicates)
    beaten = np.empty((len(replicates.counts), len(events)))
    for start in range(0, len(events), CHUNK):
        part = slice(start, start + CHUNK)
        own = rows.score[events[part], None]  # (n_part, 1)
        half_wins = (score < own).view(np.int8) + (score <= own).view(np.int8)  # (n_part, n)
        half_wins *= place >= suffix[part, None]
        per_patient = np.add.reduceat(half_wins * weight, first, axis=1)  # (n_part, n_patients)
        beaten[:, part] = (per_patient @ drawn).T / 2
    return beaten
