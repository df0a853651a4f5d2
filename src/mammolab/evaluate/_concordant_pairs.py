"""Pairs of women of whom one is known to get the event first, and the weights they may be given.

What Harrell's C, Uno's and the variants of it found in public code share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mammolab.evaluate._time_order import (
    FollowUp,
    Replicates,
    Timeline,
    divide,
    event_free,
    observed_before,
    remaining_after,
)
from mammolab.evaluate.checks import check_vector

# What the square of which divides an event's weight: nothing, G just before its time, G at its
# time, the event-free curve S at its time.
WEIGHTINGS = ("none", "censoring_before", "censoring_at", "event_at")
# 500 events x 26,540 rows of single precision are 53 MB. The matrix product is several times slower
# an event in blocks of about a hundred (measured with OpenBLAS).
_EVENTS_AT_ONCE = 500


@dataclass(frozen=True, eq=False)
class Pairs:
    """The rows, and which of them is comparable to which event."""

    line: Timeline
    score: NDArray[np.float64]  # (n,)
    weight: NDArray[np.float64]  # (n,)
    is_event: NDArray[np.bool_]  # (n,)
    censored_at_mark: NDArray[np.bool_]  # (n,) whose time is that of an event of another row
    events: NDArray[np.intp]  # (n_events,) rows whose event counts: those before tau
    # (n,) 2k for the events at the k-th mark, 2k + 1 for those who outlive them but not the next:
    # a row is comparable to an event exactly if its place is higher.
    place: NDArray[np.int32]

    @classmethod
    def make(
        cls, time_years, event, score, sample_weight, cause, tau_years: float | None = None
    ) -> Pairs:
        rows = FollowUp.check(time_years, event, sample_weight)
        score = check_vector(score, "score", len(rows.time))
        is_event = rows.event == cause
        line = Timeline.make(rows.time, rows.time[is_event])
        counted = is_event if tau_years is None else is_event & (rows.time < tau_years)
        place = (2 * line.interval + ~is_event).astype(np.int32)
        mark = np.append(-1.0, line.marks)[line.interval]  # no time is below 0
        at_mark = ~is_event & (rows.time == mark)
        events = np.flatnonzero(counted)
        return cls(line, score, rows.weight, is_event, at_mark, events, place)

    def weights(
        self, replicates: Replicates, weighting: str
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weight of each event, and of the rows comparable to it, (n_events, n_replicates).

        An event's is NaN where the curve that divides it is 0 and somebody is comparable to it.
        """
        by_event, otherwise = replicates.exits(self.line, self.weight, self.is_event)
        at_mark = replicates.table(
            self.line.interval, self.weight, self.censored_at_mark, self.line.n_intervals
        )
        interval = self.line.interval[self.events]
        own = np.empty((len(self.events), replicates.n_replicates))
        comparable = np.empty_like(own)
        for part, counts in replicates.parts():
            leaving = by_event @ counts, otherwise @ counts
            outliving = remaining_after(sum(leaving)) + leaving[1]
            comparable[:, part] = outliving[interval]
            own[:, part] = counts[replicates.columns[self.events]]
            own[:, part] *= self.weight[self.events, None]
            if weighting == "none":
                continue
            if weighting == "event_at":
                curve = event_free(*leaving)
            else:
                curve = observed_before(*leaving)[:-1]
            if weighting == "censoring_at":
                staying = outliving - at_mark @ counts
                staying[staying < 1e-9 * outliving] = 0.0  # rounding may leave a trace
                curve = curve * divide(staying, outliving, empty=1.0)
            curve = curve[interval]
            undefined = (curve <= 0) & (own[:, part] > 0) & (comparable[:, part] > 0)
            own[:, part] = np.where(undefined, np.nan, divide(own[:, part], curve**2))
        return own, comparable


def share(own: NDArray, won_over: NDArray, comparable: NDArray) -> NDArray[np.float64]:
    """Share of the weight of comparable pairs that is in the right order, (n_replicates,)."""
    won = np.einsum("er,er->r", own, won_over)
    return divide(won, np.einsum("er,er->r", own, comparable), empty=np.nan)


def beaten(pairs: Pairs) -> NDArray[np.float64]:
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

    total = np.zeros(len(pairs.events))
    ones_before, weight_before = np.zeros((2, len(place) + 1))
    ones_before = ones_before.astype(np.intp)
    for bit in reversed(range(int(place.max()).bit_length())):
        is_one = (place >> bit & 1).astype(bool)
        np.cumsum(is_one, out=ones_before[1:])
        np.cumsum(weight * is_one, out=weight_before[1:])
        own_is_one = (own_place >> bit & 1).astype(bool)
        start, end, end_with_ties = weight_before[bounds]
        total += np.where(own_is_one, 0.0, (end + end_with_ties) / 2 - start)

        ones = ones_before[bounds]
        bounds = np.where(own_is_one, len(place) - ones_before[-1] + ones, bounds - ones)
        moved = np.concatenate([np.flatnonzero(~is_one), np.flatnonzero(is_one)])
        place, weight = place[moved], weight[moved]
    return total


def beaten_replicates(pairs: Pairs, replicates: Replicates) -> NDArray[np.float32]:
    """`beaten` in every replicate, shape (n_events, n_replicates).

    K[patient, event] is the weight of the patient's exams that the event beats, whatever the
    replicate; its product with the counts of patients gives all replicates.
    """
    n_rows, n_patients = len(pairs.score), len(replicates.by_patient)
    place = replicates.columns, np.arange(n_rows)
    of_patient = csr_array((pairs.weight.astype(np.float32), place), shape=(n_patients, n_rows))
    total = np.empty((len(pairs.events), replicates.n_replicates), dtype=np.float32)
    n_blocks = -(-len(pairs.events) // _EVENTS_AT_ONCE)
    for block in np.array_split(np.arange(len(pairs.events)), n_blocks or 1):
        rows = pairs.events[block]
        score, own = pairs.score[:, None], pairs.score[rows]
        half_wins = (score < own).view(np.int8) + (score <= own).view(np.int8)  # (n, n_block)
        half_wins *= pairs.place[:, None] > pairs.place[rows]
        kernel = of_patient @ half_wins.astype(np.float32)
        total[block] = kernel.T @ replicates.by_patient
    total /= 2
    return total
