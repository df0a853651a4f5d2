"""A reading worklist ordered by a model's score: its simulation, and what theory expects."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.checks import check_inside, check_vector

_HOURS_A_DAY, _DAYS_A_WEEK = 24.0, 7
_MOMENT_HOURS = 1e-9  # times nearer than this are one


@dataclass(frozen=True)
class WorkingHours:
    """When readers work; the clock of hours starts on a Monday at 0:00.

    A reading left unfinished when the day closes goes on when the next one opens.

    Attributes
    ----------
    open_hour, close_hour : float
        Hours of the day, 0 to 24.
    days : tuple of int
        Working days of the week in rising order, Monday = 0.
    """

    open_hour: float = 8.0
    close_hour: float = 17.0
    days: tuple[int, ...] = (0, 1, 2, 3, 4)

    def __post_init__(self) -> None:
        if not 0 <= self.open_hour < self.close_hour <= _HOURS_A_DAY:
            raise ValueError(f"open_hour and close_hour must rise within 0 to 24: {self}")
        if not self.days or list(self.days) != sorted(set(self.days) & set(range(_DAYS_A_WEEK))):
            raise ValueError(f"days must rise, each of 0 (Monday) to 6, not {self.days}")

    def to_working(self, clock_hours: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the hours worked by each time of the clock."""
        day = np.floor(clock_hours / _HOURS_A_DAY)
        week, weekday = np.divmod(day, _DAYS_A_WEEK)
        length = self.close_hour - self.open_hour
        today = np.clip(clock_hours - day * _HOURS_A_DAY - self.open_hour, 0, length)
        worked = week * len(self.days) + np.searchsorted(self.days, weekday)
        return worked * length + np.where(np.isin(weekday, self.days), today, 0)

    def to_clock(
        self, working_hours: NDArray[np.float64], closing: bool = False
    ) -> NDArray[np.float64]:
        """Return the time of the clock by which so many hours are worked.

        The last moment of a day and the first of the next are one working time: `closing` takes
        the former (the end of a reading), else it is the latter (a start).
        """
        length = self.close_hour - self.open_hour
        # a sum of readings that should end with the day must not miss it by rounding
        if closing:
            day = np.ceil((working_hours - _MOMENT_HOURS) / length) - 1
        else:
            day = np.floor((working_hours + _MOMENT_HOURS) / length)
        week, nth = np.divmod(day, len(self.days))
        first_hour = (week * _DAYS_A_WEEK + np.take(self.days, nth.astype(int))) * _HOURS_A_DAY
        return first_hour + self.open_hour + np.clip(working_hours - day * length, 0, length)


@dataclass(frozen=True, eq=False)
class ReadingTimes:
    """When each exam was read, in hours of the clock of its arrival; in the order of the input."""

    arrival_hours: NDArray[np.float64]
    start_hours: NDArray[np.float64]
    end_hours: NDArray[np.float64]

    @property
    def waiting_hours(self) -> NDArray[np.float64]:
        """From arrival to the start of the reading."""
        return self.start_hours - self.arrival_hours

    @property
    def turnaround_hours(self) -> NDArray[np.float64]:
        """From arrival to the end of the reading."""
        return self.end_hours - self.arrival_hours


@dataclass(frozen=True)
class QueueLoad:
    """A worklist in the long run.

    p_wait : probability that an exam finds all readers busy.
    mean_wait_hours : over all exams, those that do not wait included.
    utilisation : share of their time that readers read.
    """

    p_wait: float
    mean_wait_hours: float
    utilisation: float


def read_in_order(
    arrival_hours: ArrayLike,
    reading_hours: ArrayLike,
    n_readers: int,
    urgency: ArrayLike | None = None,
    hours: WorkingHours | None = None,
) -> ReadingTimes:
    """Simulate readers who share one worklist and always take the most urgent exam waiting.

    Triage by order leaves every exam to a reader: a wrong score costs time, not a missed cancer.

    Parameters
    ----------
    arrival_hours : array-like of float, shape (n_exams,)
        When each exam joins the worklist; equal for exams sent as a batch. In any order.
    reading_hours : array-like of float above 0, shape (n_exams,)
        How long its reading takes, whoever reads it.
    n_readers : int
    urgency : array-like of float, shape (n_exams,), optional
        Higher is read first: the model's score, or a few classes. None: first come, first served.
    hours : WorkingHours, optional
        None: readers work round the clock.

    Returns
    -------
    ReadingTimes

    Raises
    ------
    ValueError
        If a time is missing, a reading takes no time, or there is no reader.

    Notes
    -----
    A reading under way is never interrupted. Equal urgency goes by arrival, then by row. An exam
    that arrives at the very moment a reader is free is in the worklist when the choice is made.
    `sample_weight` has no meaning here: an exam delays others once, so a worklist can only be
    simulated from all its exams, not from a sample of them.

    References
    ----------
    Nabulsi 2021, doi:10.1038/s41598-021-93967-2 (simulated prioritised chest X-ray worklists).

    Examples
    --------
    >>> times = read_in_order([0.0, 0.1, 0.2], [1.0, 1.0, 1.0], 1, urgency=[0.1, 0.2, 0.9])
    >>> times.start_hours
    array([0., 2., 1.])
    """
    arrival = check_vector(arrival_hours, "arrival_hours")
    n_exams = len(arrival)
    reading = check_vector(reading_hours, "reading_hours", n_exams)
    if reading.min() <= 0:
        rows = np.flatnonzero(reading <= 0)
        raise ValueError(f"reading_hours must be above 0; not so in rows {rows[:5].tolist()}")
    _check_readers(n_readers)
    if urgency is None:
        urgency = np.zeros(n_exams)
    order = np.argsort(arrival, kind="stable")
    # in order of arrival, exams of one night keep their order though they share a working time
    rank_of_need = -check_vector(urgency, "urgency", n_exams)[order]
    joined = arrival if hours is None else hours.to_working(arrival)
    start = np.empty(n_exams)
    start[order] = _starts(joined[order], reading[order], rank_of_need, n_readers)
    end = start + reading
    if hours is not None:
        start, end = hours.to_clock(start), hours.to_clock(end, closing=True)
    return ReadingTimes(arrival, start, end)


def erlang_c(arrivals_per_hour: float, readings_per_hour: float, n_readers: int) -> QueueLoad:
    """Waiting in a first come, first served worklist: Poisson arrivals, exponential readings.

    Parameters
    ----------
    arrivals_per_hour : float
    readings_per_hour : float
        Of one reader without a pause.
    n_readers : int

    Raises
    ------
    ValueError
        If exams arrive as fast as they can be read, or faster: the worklist grows for ever.

    References
    ----------
    Erlang 1917, The Post Office Electrical Engineers' Journal 10, 189-197 (English text).

    Examples
    --------
    >>> load = erlang_c(arrivals_per_hour=1.6, readings_per_hour=1.0, n_readers=2)
    >>> round(load.p_wait, 4), round(load.mean_wait_hours, 4), round(load.utilisation, 4)
    (0.7111, 1.7778, 0.8)
    """
    for rate, name in (
        (arrivals_per_hour, "arrivals_per_hour"),
        (readings_per_hour, "readings_per_hour"),
    ):
        check_inside(rate, name, 0, np.inf)
    _check_readers(n_readers)
    offered = arrivals_per_hour / readings_per_hour
    utilisation = offered / n_readers
    if utilisation >= 1:
        raise ValueError(
            f"{n_readers} readers cannot keep up: utilisation {utilisation:.3g} must be below 1"
        )
    blocked = 1.0  # Erlang's B by its recursion, which no factorial can overflow
    for reader in range(1, n_readers + 1):
        blocked = offered * blocked / (reader + offered * blocked)
    p_wait = blocked / (1 - utilisation * (1 - blocked))
    spare = n_readers * readings_per_hour - arrivals_per_hour
    return QueueLoad(float(p_wait), float(p_wait / spare), float(utilisation))


def priority_waits(
    arrivals_per_hour: ArrayLike, readings_per_hour: float, n_readers: int
) -> NDArray[np.float64]:
    """Mean hours that each urgency class waits, readings under way not interrupted.

    Parameters
    ----------
    arrivals_per_hour : array-like of float above 0, shape (n_classes,)
        From the most urgent class to the least.
    readings_per_hour : float
        Of one reader; the same for all classes.
    n_readers : int

    Returns
    -------
    array of float, shape (n_classes,)
        Their mean, weighted by arrivals, is the wait of `erlang_c`: what one class gains the
        others lose.

    References
    ----------
    Cobham 1954, Operations Research 2(1), 70-76, doi:10.1287/opre.2.1.70.

    Examples
    --------
    >>> priority_waits([0.4, 1.2], readings_per_hour=1.0, n_readers=2).round(4)
    array([0.4444, 2.2222])
    """
    arrivals = check_vector(arrivals_per_hour, "arrivals_per_hour")
    if arrivals.min() <= 0:
        raise ValueError(f"arrivals_per_hour must be above 0 in every class: {arrivals}")
    load = erlang_c(float(arrivals.sum()), readings_per_hour, n_readers)
    capacity = n_readers * readings_per_hour
    busy = np.cumsum(arrivals) / capacity  # utilisation by a class and those before it
    before = np.concatenate([[0.0], busy[:-1]])
    return load.p_wait / capacity / ((1 - before) * (1 - busy))


def _check_readers(n_readers: int) -> None:
    if n_readers != int(n_readers) or n_readers < 1:
        raise ValueError(f"n_readers must be a whole number of at least 1, not {n_readers}")


def _starts(
    arrival: NDArray[np.float64],
    reading: NDArray[np.float64],
    rank_of_need: NDArray[np.float64],
    n_readers: int,
) -> list[float]:
    """Start of each reading; exams come in order of arrival, the lowest rank of need goes first.

    A loop over exams, since each start depends on all before it.
    """
    # plain numbers: a Python loop over numpy scalars is several times slower
    arrivals, readings, ranks = arrival.tolist(), reading.tolist(), rank_of_need.tolist()
    n_exams = len(arrivals)
    start = [0.0] * n_exams
    free_from = [arrivals[0]] * n_readers  # heap: when each reader is free
    waiting: list[tuple[float, int]] = []  # heap: the most urgent, then the first to arrive
    now, n_arrived = arrivals[0], 0
    for _ in range(n_exams):
        now = max(now, free_from[0])
        if not waiting:
            now = max(now, arrivals[n_arrived])
        while n_arrived < n_exams and arrivals[n_arrived] <= now:
            heapq.heappush(waiting, (ranks[n_arrived], n_arrived))
            n_arrived += 1
        _, exam = heapq.heappop(waiting)
        start[exam] = now
        heapq.heapreplace(free_from, now + readings[exam])
    return start
