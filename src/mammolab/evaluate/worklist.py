"""The same exams read in order of arrival and in order of score, in clinics rich or poor in cancer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.checks import (
    check_inside,
    check_patients,
    check_scores,
    check_two_classes,
)
from mammolab.evaluate.queue import WorkingHours, read_in_order
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval

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


def turnaround_by_order(
    worklist: Worklist, n_readers: int, hours: WorkingHours
) -> dict[str, NDArray[np.float64]]:
    """Read a worklist in order of arrival and in order of score.

    Parameters
    ----------
    worklist : Worklist
    n_readers : int
        Who share it.
    hours : WorkingHours

    Returns
    -------
    dict of order ("by arrival", "by score") to array of float, shape (n_exams,)
        Hours from arrival to the end of the reading.

    References
    ----------
    Nabulsi 2021, doi:10.1038/s41598-021-93967-2 (two simulated clinics, abnormal exams first).
    """
    return {
        order: read_in_order(
            worklist.arrival_hours,
            worklist.reading_hours,
            n_readers,
            worklist.score if order == "by score" else None,
            hours,
        ).turnaround_hours
        for order in ORDERS
    }


def compare_orders(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    prevalence: float,
    n_days: int,
    exams_per_day: float,
    reading_minutes: float,
    n_readers: int,
    hours: WorkingHours,
    n_worklists: int,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Mean turnaround by order of reading, of exams with and without cancer.

    Parameters
    ----------
    score, label, sample_weight, prevalence, n_days, exams_per_day, reading_minutes, hours, rng
        As for `draw_worklist`.
    patient_ids : array-like of str, shape (n_exams,)
    bootstrap : PatientBootstrap
        Of at least `n_worklists` replicates.
    n_readers : int
        Who share the worklist.
    n_worklists : int
        Worklists simulated, each filled with the exams of another replicate.
    confidence : float

    Returns
    -------
    DataFrame
        Columns order ("by arrival", "by score", "difference": by score minus by arrival), group
        ("cancer", "no cancer"), estimate (mean over the worklists), ci_low, ci_high (their
        percentiles); hours. The intervals count the women whose exams fill the worklists, and the
        simulation's own noise on top, which more days make smaller.

    Raises
    ------
    ValueError
        If there are fewer replicates than worklists, or a class is absent.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    columns = bootstrap.columns(check_patients(patient_ids, len(score), weight))
    if not 2 <= n_worklists <= bootstrap.n_replicates:
        raise ValueError(
            f"n_worklists must be from 2 to the {bootstrap.n_replicates} replicates, "
            f"not {n_worklists}"
        )
    means: dict[tuple[str, str], list[float]] = {}
    for counts in bootstrap.counts[:n_worklists]:
        drawn = weight * counts[columns]
        if not (drawn[label].any() and drawn[~label].any()):
            continue  # a replicate without one of the classes fills no worklist
        worklist = draw_worklist(
            score, label, drawn, prevalence, n_days, exams_per_day, reading_minutes, hours, rng
        )
        taken = turnaround_by_order(worklist, n_readers, hours)
        first, second = (taken[order] for order in ORDERS)
        for order, values in {**taken, "difference": second - first}.items():
            for group, among in (("cancer", worklist.label), ("no cancer", ~worklist.label)):
                if among.any():
                    means.setdefault((order, group), []).append(float(values[among].mean()))
    rows = []
    for (order, group), values in means.items():
        low, high = percentile_interval(np.array(values), confidence)
        estimate = float(np.mean(values))
        rows.append((order, group, estimate, low, high))
    return pd.DataFrame(rows, columns=["order", "group", "estimate", "ci_low", "ci_high"])
