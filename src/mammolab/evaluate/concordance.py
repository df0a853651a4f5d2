"""Harrell's and Uno's C on arrays, with sample weights and the patient bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from mammolab.evaluate._time_order import (
    FollowUp,
    Replicates,
    Timeline,
    divide,
    observed_before,
    remaining_after,
)
from mammolab.evaluate.checks import Estimate, check_vector
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval

# 500 events x 26,540 rows of single precision are 53 MB. The matrix product is several times slower
# an event in blocks of about a hundred (measured with OpenBLAS).
_EVENTS_AT_ONCE = 500


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

    Raises
    ------
    ValueError
        If the arrays differ in length, hold NaN or a negative time or weight.

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
    pairs = _Pairs.make(time_years, event, score, sample_weight, cause)
    return _sample_c(pairs, inverse_censoring=False)


def harrell_c_replicates(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
) -> NDArray[np.float64]:
    """Harrell's C in every bootstrap replicate.

    Parameters
    ----------
    time_years, event, score, sample_weight, cause
        As in `harrell_c`; one row an exam.
    patient_ids : array-like of str, shape (n,)
    bootstrap : PatientBootstrap

    Returns
    -------
    array of float, shape (n_replicates,)
        NaN where a replicate holds no comparable pair. Single precision inside: right to about
        1e-6. Two models scored with one bootstrap give paired replicates.
    """
    pairs = _Pairs.make(time_years, event, score, sample_weight, cause)
    replicates = Replicates.of(pairs.weight, patient_ids, bootstrap)
    return _replicates_c(pairs, replicates, inverse_censoring=False)


def harrell_c_estimate(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    confidence: float = 0.95,
) -> Estimate:
    """Harrell's C with the percentile interval of the patient bootstrap; arguments as above."""
    pairs = _Pairs.make(time_years, event, score, sample_weight, cause)
    replicates = Replicates.of(pairs.weight, patient_ids, bootstrap)
    return _estimate(pairs, replicates, confidence, inverse_censoring=False)


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
    pairs = _Pairs.make(time_years, event, score, sample_weight, cause, tau_years)
    return _sample_c(pairs, inverse_censoring=True)


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
    patient_ids, bootstrap
        As in `harrell_c_replicates`, and so is the result.
    """
    pairs = _Pairs.make(time_years, event, score, sample_weight, cause, tau_years)
    replicates = Replicates.of(pairs.weight, patient_ids, bootstrap)
    return _replicates_c(pairs, replicates, inverse_censoring=True)


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
    """Uno's C with the percentile interval of the patient bootstrap; arguments as above.

    Where few are followed to the end the weights are large and the interval too short: with three
    in four gone after two years it held the truth in 90% instead of 95% (benchmarks/coverage.csv).
    A smaller `tau_years` helps.
    """
    pairs = _Pairs.make(time_years, event, score, sample_weight, cause, tau_years)
    replicates = Replicates.of(pairs.weight, patient_ids, bootstrap)
    return _estimate(pairs, replicates, confidence, inverse_censoring=True)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """The rows, and which of them is comparable to which event."""

    line: Timeline
    score: NDArray[np.float64]  # (n,)
    weight: NDArray[np.float64]  # (n,)
    is_event: NDArray[np.bool_]  # (n,)
    events: NDArray[np.intp]  # (n_events,) rows whose event counts: those before tau
    # (n,) 2k for the events at the k-th mark, 2k + 1 for those who outlive them but not the next:
    # a row is comparable to an event exactly if its place is higher.
    place: NDArray[np.int32]

    @classmethod
    def make(
        cls, time_years, event, score, sample_weight, cause, tau_years: float | None = None
    ) -> _Pairs:
        rows = FollowUp.check(time_years, event, sample_weight)
        score = check_vector(score, "score", len(rows.time))
        is_event = rows.event == cause
        line = Timeline.make(rows.time, rows.time[is_event])
        counted = is_event if tau_years is None else is_event & (rows.time < tau_years)
        place = (2 * line.interval + ~is_event).astype(np.int32)
        return cls(line, score, rows.weight, is_event, np.flatnonzero(counted), place)

    def weights(
        self, replicates: Replicates, inverse_censoring: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weight of each event, and of the rows comparable to it, (n_events, n_replicates)."""
        by_event, otherwise = replicates.exits(self.line, self.weight, self.is_event)
        interval = self.line.interval[self.events]
        own = np.empty((len(self.events), replicates.n_replicates))
        comparable = np.empty_like(own)
        for part, counts in replicates.parts():
            leaving = by_event @ counts, otherwise @ counts
            comparable[:, part] = (remaining_after(sum(leaving)) + leaving[1])[interval]
            own[:, part] = counts[replicates.columns[self.events]]
            own[:, part] *= self.weight[self.events, None]
            if inverse_censoring:
                observed = observed_before(*leaving)[interval]
                own[:, part] = divide(own[:, part], observed**2)
        return own, comparable


def _sample_c(pairs: _Pairs, inverse_censoring: bool) -> float:
    own, comparable = pairs.weights(Replicates.once(len(pairs.score)), inverse_censoring)
    return float(_share(own, _beaten(pairs)[:, None], comparable)[0])


def _replicates_c(
    pairs: _Pairs, replicates: Replicates, inverse_censoring: bool
) -> NDArray[np.float64]:
    own, comparable = pairs.weights(replicates, inverse_censoring)
    return _share(own, _beaten_replicates(pairs, replicates), comparable)


def _estimate(
    pairs: _Pairs, replicates: Replicates, confidence: float, inverse_censoring: bool
) -> Estimate:
    drawn = _replicates_c(pairs, replicates, inverse_censoring)
    value = _sample_c(pairs, inverse_censoring)
    return Estimate(value, *percentile_interval(drawn, confidence))


def _share(own: NDArray, beaten: NDArray, comparable: NDArray) -> NDArray[np.float64]:
    """Share of the weight of comparable pairs that is in the right order, (n_replicates,)."""
    won = np.einsum("er,er->r", own, beaten)
    return divide(won, np.einsum("er,er->r", own, comparable), empty=np.nan)


def _beaten(pairs: _Pairs) -> NDArray[np.float64]:
    """Weight of the comparable rows that score below each event, ties half, shape (n_events,).

    With the rows in order of score, those that score below an event are the first so many; of
    these, the ones with a higher place are wanted. Places are compared bit by bit from the highest,
    for all events at once. In front of a bit, an event stands before a range of rows whose higher
    bits equal its own. If its bit is 0, the rows of the range with a 1 are higher: their weight is
    added, a difference of two cumulative sums. Then rows with a 0 are moved before those with a 1,
    each in the order they had, and the event goes on to the part of its range that has its own bit.
    That takes a handful of passes over the rows, where comparing all pairs takes one an event.
    """
    order = np.argsort(pairs.score)
    sorted_score, own_score = pairs.score[order], pairs.score[pairs.events]
    place, weight = pairs.place[order], pairs.weight[order]
    own_place = pairs.place[pairs.events]
    # start of the range, its end without the ties of score, its end with them
    bounds = np.zeros((3, len(pairs.events)), dtype=np.intp)
    bounds[1] = np.searchsorted(sorted_score, own_score, side="left")
    bounds[2] = np.searchsorted(sorted_score, own_score, side="right")

    beaten = np.zeros(len(pairs.events))
    ones_before, weight_before = np.zeros((2, len(place) + 1))
    ones_before = ones_before.astype(np.intp)
    for bit in reversed(range(int(place.max()).bit_length())):
        is_one = (place >> bit & 1).astype(bool)
        np.cumsum(is_one, out=ones_before[1:])
        np.cumsum(weight * is_one, out=weight_before[1:])
        own_is_one = (own_place >> bit & 1).astype(bool)
        start, end, end_with_ties = weight_before[bounds]
        beaten += np.where(own_is_one, 0.0, (end + end_with_ties) / 2 - start)

        ones = ones_before[bounds]
        bounds = np.where(own_is_one, len(place) - ones_before[-1] + ones, bounds - ones)
        moved = np.concatenate([np.flatnonzero(~is_one), np.flatnonzero(is_one)])
        place, weight = place[moved], weight[moved]
    return beaten


def _beaten_replicates(pairs: _Pairs, replicates: Replicates) -> NDArray[np.float32]:
    """`_beaten` in every replicate, shape (n_events, n_replicates).

    K[patient, event] is the weight of the patient's exams that the event beats, whatever the
    replicate; its product with the counts of patients gives all replicates.
    """
    n_rows, n_patients = len(pairs.score), len(replicates.by_patient)
    place = replicates.columns, np.arange(n_rows)
    of_patient = csr_array((pairs.weight.astype(np.float32), place), shape=(n_patients, n_rows))
    beaten = np.empty((len(pairs.events), replicates.n_replicates), dtype=np.float32)
    n_blocks = -(-len(pairs.events) // _EVENTS_AT_ONCE)
    for block in np.array_split(np.arange(len(pairs.events)), n_blocks or 1):
        rows = pairs.events[block]
        score, own = pairs.score[:, None], pairs.score[rows]
        half_wins = (score < own).view(np.int8) + (score <= own).view(np.int8)  # (n, n_block)
        half_wins *= pairs.place[:, None] > pairs.place[rows]
        kernel = of_patient @ half_wins.astype(np.float32)
        beaten[block] = kernel.T @ replicates.by_patient
    beaten /= 2
    return beaten
