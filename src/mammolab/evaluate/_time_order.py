"""Who leaves between which marks of time: what survival, concordance and horizons share.

Marks are the times of the events (and of the horizons asked for). Between two marks only
censorings happen, so curves need one sum of weights an interval and not one a row: a bootstrap
replicate of 26,000 exams and 1,300 events is then a column of 1,300 sums, got from the counts of
patients by one sparse product. A point estimate is a bootstrap with one replicate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from mammolab.evaluate.checks import check_patients, check_vector, check_weight
from mammolab.evaluate.resampling import PatientBootstrap

CENSORED = 0
COMPETING = ("censored", "control")

_REPLICATES_AT_ONCE = 128  # 1,300 intervals x 128 doubles stay in the cache


@dataclass(frozen=True, eq=False)
class FollowUp:
    """The checked inputs of a survival metric, in the caller's order."""

    time: NDArray[np.float64]  # (n,) years
    event: NDArray[np.int64]  # (n,)
    weight: NDArray[np.float64]  # (n,)

    @classmethod
    def check(
        cls, time_years: ArrayLike, event: ArrayLike, sample_weight: ArrayLike | None
    ) -> FollowUp:
        """Check the arguments that every survival metric takes.

        Raises
        ------
        ValueError
            If an array differs in length from time_years or holds NaN, a time or weight is
            negative, or event holds something else than whole codes of at least 0.
        """
        time = check_vector(time_years, "time_years")
        codes = check_vector(event, "event", len(time))
        weight = check_weight(sample_weight, len(time))
        if time.min() < 0:
            rows = np.flatnonzero(time < 0)
            raise ValueError(
                f"time_years is negative in {len(rows)} rows, first: {rows[:5].tolist()}"
            )
        wrong = (codes < 0) | (codes != np.round(codes))
        if wrong.any():
            raise ValueError(
                "event must hold whole codes (0 censored, 1 the event, others compete); "
                f"{wrong.sum()} rows do not, first: {np.flatnonzero(wrong)[:5].tolist()}"
            )
        return cls(time, codes.astype(np.int64), weight)

    def leaves_by_event(self, cause: int, competing: str) -> NDArray[np.bool_]:
        """Flag the rows that the censoring curve does not count as censored, shape (n,)."""
        if competing not in COMPETING:
            raise ValueError(f"competing must be one of {COMPETING}, not {competing!r}")
        return self.event == cause if competing == "censored" else self.event != CENSORED


@dataclass(frozen=True, eq=False)
class Timeline:
    """Marks of time and the interval of each row.

    Attributes
    ----------
    marks : array of float, shape (n_marks,)
        Increasing. Interval 0 lies before the first; interval k starts at marks[k - 1].
    interval : array of int, shape (n,)
    """

    marks: NDArray[np.float64]
    interval: NDArray[np.intp]

    @classmethod
    def make(cls, time: NDArray[np.float64], marks: NDArray[np.float64]) -> Timeline:
        """Place the rows between the marks, which may come unsorted and repeated."""
        marks = np.unique(marks)
        return cls(marks, count_up_to(time, marks))

    @property
    def n_intervals(self) -> int:
        """Number of marks and 1."""
        return len(self.marks) + 1

    def starting_at(self, mark_years: ArrayLike) -> NDArray[np.intp]:
        """Return the interval that starts at each of these marks."""
        return np.searchsorted(self.marks, mark_years) + 1


@dataclass(frozen=True, eq=False)
class Replicates:
    """How often each patient was drawn, and which rows are hers.

    Attributes
    ----------
    by_patient : array of float, shape (n_patients, n_replicates)
    columns : array of int, shape (n,)
        The patient of each row: each of them has one.
    """

    by_patient: NDArray
    columns: NDArray[np.intp]

    @classmethod
    def once(cls, n_rows: int) -> Replicates:
        """One replicate that holds everyone once: the sample itself, as if one patient's."""
        return cls(np.ones((1, 1)), np.zeros(n_rows, dtype=np.intp))

    @classmethod
    def of(
        cls, weight: NDArray[np.float64], patient_ids: ArrayLike, bootstrap: PatientBootstrap
    ) -> Replicates:
        """The bootstrap's replicates, with these patients alone.

        Raises
        ------
        ValueError
            If an id is missing or not in the bootstrap, or all rows of weight above 0 are of one
            patient.
        """
        ids = check_patients(patient_ids, len(weight), weight)
        present, columns = np.unique(bootstrap.columns(ids), return_inverse=True)
        everyone = len(present) == len(bootstrap.patient_ids)
        return cls(bootstrap.by_patient if everyone else bootstrap.by_patient[present], columns)

    @property
    def n_replicates(self) -> int:
        """Number of replicates; 1 for the sample itself."""
        return self.by_patient.shape[1]

    def parts(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield slices of replicates with their counts, shape (n_patients, n_in_slice)."""
        for start in range(0, self.n_replicates, _REPLICATES_AT_ONCE):
            part = slice(start, start + _REPLICATES_AT_ONCE)
            yield part, self.by_patient[:, part].astype(np.float64, order="C")

    def table(
        self, group: NDArray[np.intp], values: NDArray, rows: NDArray[np.bool_], n_groups: int
    ) -> NDArray[np.float64] | csr_array:
        """Sum `values` over the `rows` of each group and patient, shape (n_groups, n_patients).

        The product with counts (n_patients, n_replicates) is then the sum of each group in each
        replicate.
        """
        if len(self.by_patient) == 1:
            return np.bincount(group, values * rows, n_groups)[:, None]
        chosen = np.flatnonzero(rows)
        place = group[chosen], self.columns[chosen]
        return csr_array((values[chosen], place), shape=(n_groups, len(self.by_patient)))

    def exits(
        self, line: Timeline, weight: NDArray[np.float64], by_event: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64] | csr_array, NDArray[np.float64] | csr_array]:
        """Tables of the weight that leaves each interval by the event, and otherwise."""
        by, otherwise = (
            self.table(line.interval, weight, rows, line.n_intervals)
            for rows in (by_event, ~by_event)
        )
        return by, otherwise


def check_horizons(horizons_years: ArrayLike) -> NDArray[np.float64]:
    """Return the horizons as a vector of years above 0, else raise a ValueError."""
    horizons = check_vector(np.atleast_1d(horizons_years), "horizons_years")
    if horizons.min() <= 0:
        raise ValueError(f"horizons_years must be above 0, not {horizons.min()}")
    return horizons


def check_risk(probability: ArrayLike, n_rows: int, n_horizons: int) -> NDArray[np.float64]:
    """Return the predicted risks with one column a horizon, else raise a ValueError."""
    risk = np.asarray(probability)
    if risk.ndim == 1 and n_horizons == 1:
        risk = risk[:, None]
    if risk.shape != (n_rows, n_horizons):
        raise ValueError(
            f"probability must have shape {(n_rows, n_horizons)} (rows, horizons), not {risk.shape}"
        )
    columns = [check_vector(column, "probability") for column in risk.T]
    risk = np.column_stack(columns)
    outside = ((risk < 0) | (risk > 1)).any(axis=1)
    if outside.any():
        rows = np.flatnonzero(outside)
        raise ValueError(
            f"probability must lie in [0, 1]; {len(rows)} rows do not, first: {rows[:5].tolist()}"
        )
    return risk


def count_up_to(values: NDArray[np.float64], marks: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return how many of the increasing marks are at or below each value, shape (n,).

    The same as `searchsorted(marks, values, side="right")`. Sorting the values and looking the few
    marks up among them is several times faster than a binary search for each value.
    """
    order = np.argsort(values)
    first = np.searchsorted(values[order], marks)  # place of the first value at or above each mark
    count = np.empty(len(values), dtype=np.intp)
    count[order] = np.cumsum(np.bincount(first, minlength=len(values) + 1)[:-1])
    return count


def divide(
    top: NDArray[np.float64], bottom: NDArray[np.float64], empty: float = 0.0
) -> NDArray[np.float64]:
    """Divide, giving `empty` where the bottom is 0: nobody left, or a row that was not drawn."""
    result = np.full(np.broadcast_shapes(top.shape, bottom.shape), empty)
    return np.divide(top, bottom, out=result, where=bottom > 0)


def remaining_after(leaving: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight that leaves in later intervals, shape (n_intervals, n_replicates) as `leaving`.

    Summed from the end, so that it is exactly 0 once everyone has left.
    """
    after = np.zeros_like(leaving)
    np.cumsum(leaving[:0:-1], axis=0, out=after[-2::-1])
    return after


def event_free(by_event: NDArray[np.float64], otherwise: NDArray[np.float64]) -> NDArray:
    """Return the product-limit curve after the events of each interval, of the same shape.

    Parameters
    ----------
    by_event, otherwise : array of float, shape (n_intervals, n_replicates)
        Weight that leaves by the event, at the mark that starts the interval, and then in another
        way, before the next mark.
    """
    staying = remaining_after(by_event + otherwise) + otherwise
    return np.cumprod(divide(staying, staying + by_event, empty=1.0), axis=0)


def observed_before(by_event: NDArray[np.float64], otherwise: NDArray[np.float64]) -> NDArray:
    """Return G just before each interval and after the last, shape (n_intervals + 1, n_replicates).

    Parameters
    ----------
    by_event, otherwise
        As in `event_free`; here the curve steps down by those who leave otherwise, the censored.

    Notes
    -----
    Once the events at a mark have left, the product over the censoring times up to the next mark
    telescopes to (weight that remains at its end) / (weight that was there at its start).
    """
    after = remaining_after(by_event + otherwise)
    curve = np.ones((len(after) + 1, after.shape[1]))
    np.cumprod(divide(after, after + otherwise, empty=1.0), axis=0, out=curve[1:])
    return curve
