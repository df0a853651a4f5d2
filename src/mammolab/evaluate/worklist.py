"""The same exams read in order of arrival and in order of score, in clinics rich or poor in cancer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.checks import check_inside, check_scores, check_two_classes
from mammolab.evaluate.queue import ReadingTimes, WorkingHours, read_in_order
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.turnaround import (
    TurnaroundDifference,
    time_blocks,
    turnaround_difference,
    turnaround_table,
)

ORDERS = ("by arrival", "by score")


@dataclass(frozen=True, eq=False)
class Worklist:
    """A clinic's exams as they come in, arrays of shape (n_exams,).

    arrival_hours : of a clock that starts on a Monday at 0:00, rising.
    reading_hours : how long each takes.
    score, label : drawn from the exams given.
    """

    arrival_hours: NDArray[np.float64]
    reading_hours: NDArray[np.float64]
    score: NDArray[np.float64]
    label: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class OrdersCompared:
    """Two orders of one worklist.

    times : reading times by order, a key for each of `ORDERS`.
    table : turnaround by order and group (cancer, no cancer): columns order, group, statistic,
        estimate, ci_low, ci_high, n_exams, n_blocks; hours.
    cancers : turnaround of the cancers by score minus by arrival.
    others : the same of the exams without cancer.
    """

    times: dict[str, ReadingTimes]
    table: pd.DataFrame
    cancers: TurnaroundDifference
    others: TurnaroundDifference


def draw_worklist(
    score: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None,
    prevalence: float,
    n_days: int,
    exams_per_day: float,
    reading_minutes: float,
    hours: WorkingHours,
    rng: np.random.Generator,
) -> Worklist:
    """Fill a clinic's working days with exams drawn, class by class, from those given.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
    label : array-like of bool, shape (n_exams,)
    sample_weight : array-like of float, shape (n_exams,), or None
        Chance of each exam among those of its class.
    prevalence : float in (0, 1)
        Share of exams with cancer in this clinic, as in screening or among women with complaints.
        The cancers keep their scores: a clinic where they are larger would gain more.
    n_days : int
        Working days.
    exams_per_day : float
        Mean; arrivals are a Poisson process within working hours.
    reading_minutes : float
        Mean; gamma of shape 4, so that half of the readings take less than 0.92 of it (assumption).
    hours : WorkingHours
    rng : numpy.random.Generator

    Returns
    -------
    Worklist

    Raises
    ------
    ValueError
        If a class is absent or a number is out of range.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    check_inside(prevalence, "prevalence", 0, 1)
    check_inside(exams_per_day, "exams_per_day", 0, np.inf)
    check_inside(reading_minutes, "reading_minutes", 0, np.inf)
    check_inside(n_days, "n_days", 0, np.inf)
    length = hours.close_hour - hours.open_hour
    n_exams = int(rng.poisson(exams_per_day * n_days))
    if n_exams < 2:
        raise ValueError(f"{n_days} days of {exams_per_day} exams make no worklist")
    arrival = np.sort(rng.uniform(0, n_days * length, n_exams))
    cancer = rng.random(n_exams) < prevalence
    picked = np.empty(n_exams, dtype=np.intp)
    for truth in (True, False):
        rows = np.flatnonzero((label == truth) & (weight > 0))
        chance = weight[rows] / weight[rows].sum()
        picked[cancer == truth] = rng.choice(rows, int((cancer == truth).sum()), p=chance)
    reading = rng.gamma(4.0, reading_minutes / 4 / 60, n_exams)
    return Worklist(hours.to_clock(arrival), reading, score[picked], cancer)


def compare_orders(
    worklist: Worklist,
    n_readers: int,
    hours: WorkingHours,
    n_replicates: int,
    seed: int,
    confidence: float = 0.95,
) -> OrdersCompared:
    """Read a worklist in order of arrival and in order of score.

    Parameters
    ----------
    worklist : Worklist
    n_readers : int
        Who share it.
    hours : WorkingHours
    n_replicates, seed : int
        Of the bootstrap of weeks: exams near each other wait for the same backlog.

    Returns
    -------
    OrdersCompared

    Raises
    ------
    ValueError
        If no exam of a class came, or all came within one week.

    References
    ----------
    Nabulsi 2021, doi:10.1038/s41598-021-93967-2 (two simulated clinics, abnormal exams first).
    """
    block = time_blocks(worklist.arrival_hours, 7 * 24.0)
    bootstrap = PatientBootstrap.draw(block, n_replicates, seed)
    times = {
        order: read_in_order(
            worklist.arrival_hours,
            worklist.reading_hours,
            n_readers,
            worklist.score if order == "by score" else None,
            hours,
        )
        for order in ORDERS
    }
    group = np.where(worklist.label, "cancer", "no cancer")
    table = pd.concat(
        [
            turnaround_table(one.turnaround_hours, group, block, bootstrap, confidence).assign(
                order=order
            )
            for order, one in times.items()
        ],
        ignore_index=True,
    )
    first, second = (times[order].turnaround_hours for order in ("by score", "by arrival"))
    return OrdersCompared(
        times,
        table[["order", *table.columns.drop("order")]],
        turnaround_difference(first, second, worklist.label, block, bootstrap, confidence),
        turnaround_difference(first, second, ~worklist.label, block, bootstrap, confidence),
    )
