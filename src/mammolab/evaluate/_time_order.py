"""Rows in order of time, and the weighted product limit that survival and concordance share.

Every function works on a matrix of weights (replicates x rows), so that a point estimate is a
bootstrap with one replicate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.checks import check_patient_ids, check_vector, check_weight
from mammolab.evaluate.resampling import PatientBootstrap

CENSORED = 0
COMPETING = ("censored", "control")
# Rows of (replicates x exams) or (events x exams) held at once: 128 x 26,540 doubles are 27 MB.
CHUNK = 128


@dataclass(frozen=True, eq=False)
class TimeOrdered:
    """The inputs in order of time, with the start of each group of equal times."""

    order: NDArray[np.intp]  # (n,) position of each sorted row in the caller's arrays
    time: NDArray[np.float64]  # (n,)
    event: NDArray[np.int64]  # (n,)
    score: NDArray[np.float64]  # (n,)
    weight: NDArray[np.float64]  # (n,)
    starts: NDArray[np.intp]  # (n_distinct,) first row of each distinct time
    group: NDArray[np.intp]  # (n,) index of each row's distinct time

    @property
    def distinct_times(self) -> NDArray[np.float64]:
        """The times observed, each once, shape (n_distinct,)."""
        return self.time[self.starts]


@dataclass(frozen=True, eq=False)
class Replicates:
    """How often each patient was drawn, and which rows are hers.

    Attributes
    ----------
    counts : array, shape (n_replicates, n_patients)
    columns : array of int, shape (n,)
        The patient of each row, rows in order of time.
    """

    counts: NDArray
    columns: NDArray[np.intp]

    @classmethod
    def once(cls, rows: TimeOrdered) -> Replicates:
        """One replicate that holds everyone once: the sample itself."""
        return cls(np.ones((1, 1)), np.zeros(len(rows.time), dtype=np.intp))

    @classmethod
    def of(
        cls, rows: TimeOrdered, patient_ids: ArrayLike, bootstrap: PatientBootstrap
    ) -> Replicates:
        """The bootstrap's replicates, with the columns of these patients alone."""
        columns = bootstrap.columns(check_patient_ids(patient_ids, len(rows.time)))
        present, own = np.unique(columns[rows.order], return_inverse=True)
        return cls(bootstrap.counts[:, present], own)

    def row_weights(self, rows: TimeOrdered) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield slices of replicates with the weights of their rows, shape (n_in_slice, n)."""
        for start in range(0, len(self.counts), CHUNK):
            chunk = slice(start, start + CHUNK)
            yield chunk, self.counts[chunk][:, self.columns] * rows.weight


def order_by_time(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike | None,
    sample_weight: ArrayLike | None,
) -> TimeOrdered:
    """Check the arguments of a survival metric and put them in order of time.

    Raises
    ------
    ValueError
        If an array differs in length from time_years or holds NaN, a time or weight is negative,
        or event holds something else than whole codes of at least 0.
    """
    time = check_vector(time_years, "time_years")
    codes = check_vector(event, "event", len(time))
    score = np.zeros(len(time)) if score is None else check_vector(score, "score", len(time))
    weight = check_weight(sample_weight, len(time))
    if time.min() < 0:
        rows = np.flatnonzero(time < 0)
        raise ValueError(f"time_years is negative in {len(rows)} rows, first: {rows[:5].tolist()}")
    if ((codes < 0) | (codes != np.round(codes))).any():
        raise ValueError("event must hold whole codes: 0 censored, 1 the event, others compete")
    order = np.argsort(time, kind="stable")
    time = time[order]
    is_start = np.concatenate([[True], time[1:] != time[:-1]])
    return TimeOrdered(
        order=order,
        time=time,
        event=codes[order].astype(np.int64),
        score=score[order],
        weight=weight[order],
        starts=np.flatnonzero(is_start),
        group=np.cumsum(is_start) - 1,
    )


def check_competing(competing: str) -> None:
    """Raise a ValueError unless `competing` is one of `COMPETING`."""
    if competing not in COMPETING:
        raise ValueError(f"competing must be one of {COMPETING}, not {competing!r}")


def divide(
    top: NDArray[np.float64], bottom: NDArray[np.float64], empty: float = 0.0
) -> NDArray[np.float64]:
    """Divide, giving `empty` where the bottom is 0: nobody left, or a row that was not drawn."""
    return np.divide(top, bottom, out=np.full_like(bottom, empty), where=bottom > 0)


def sum_by_time(rows: TimeOrdered, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum the weights of each distinct time, shape (n_replicates, n_distinct)."""
    return np.add.reduceat(weights, rows.starts, axis=1)


def weight_at_risk(rows: TimeOrdered, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight still observed just before each distinct time, shape (n_replicates, n_distinct)."""
    return np.cumsum(sum_by_time(rows, weights)[:, ::-1], axis=1)[:, ::-1]


def product_limit(
    rows: TimeOrdered,
    leaving: NDArray[np.bool_],
    weights: NDArray[np.float64],
    left_before: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return the product-limit curve at each distinct time, shape (n_replicates, n_distinct).

    `leaving` flags the rows whose exit makes a step; rows flagged by `left_before` are out of the
    set at risk at their own time.
    """
    at_risk = weight_at_risk(rows, weights)
    if left_before is not None:
        at_risk = at_risk - sum_by_time(rows, weights * left_before)
    share = divide(sum_by_time(rows, weights * leaving), at_risk)
    return np.cumprod(np.clip(1.0 - share, 0.0, 1.0), axis=1)


def observation_curve(
    rows: TimeOrdered, cause: int, competing: str, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return G before each distinct time, with G after the last: (n_replicates, n_distinct + 1)."""
    leaving = rows.event != cause if competing == "censored" else rows.event == CENSORED
    curve = product_limit(rows, leaving, weights, left_before=~leaving)
    return np.concatenate([np.ones((len(curve), 1)), curve], axis=1)
