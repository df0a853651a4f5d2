"""Thresholds below which exams are ruled out, and the shares of exams below them, by weight."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.evaluate.thresholds import lowest_per_patient

COLUMNS = ("score", "cancer_within_1y", "patient_id", "sampling_weight")


def matching_thresholds(
    local: pd.DataFrame, share: float, n_local: int, n_draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Thresholds, shape (n_draws,), below which `share` of n_local exams as they come lie."""
    if n_local < 1:
        raise InputError(f"n_local must be at least 1, not {n_local}.")
    weight = local["sampling_weight"].to_numpy(float)
    drawn = rng.choice(local["score"].to_numpy(float), (n_draws, n_local), p=weight / weight.sum())
    return np.quantile(drawn, share, axis=1, method="hazen")


def keeping_threshold(exams: pd.DataFrame, sensitivity: float) -> float:
    """The highest threshold that keeps so many of the women with cancer."""
    lowest, _, _ = lowest_per_patient(*(exams[name] for name in COLUMNS))
    return float(lowest[allowed_misses(len(lowest), sensitivity)])


def allowed_misses(n_cancers: int, sensitivity: float) -> int:
    """How many of so many cancers may lie below a threshold that keeps that share of them."""
    # a hair more, so that 95% of 20 allows one miss whatever the rounding
    return min(int((1 - sensitivity) * n_cancers + 1e-9), n_cancers - 1)


def ruled_out(exams: pd.DataFrame, threshold: ArrayLike) -> NDArray[np.float64]:
    """Share of exams, by weight, that score below each threshold, of the thresholds' shape."""
    order = np.argsort(exams["score"].to_numpy(float))
    score = exams["score"].to_numpy(float)[order]
    below = np.append(0.0, np.cumsum(exams["sampling_weight"].to_numpy(float)[order]))
    return np.asarray(below[np.searchsorted(score, threshold, side="left")] / below[-1])


def score_at(exams: pd.DataFrame, share: float) -> float:
    """The score below which that share of exams lies, by weight."""
    order = np.argsort(exams["score"].to_numpy(float))
    weight = exams["sampling_weight"].to_numpy(float)[order]
    middle = (np.cumsum(weight) - weight / 2) / weight.sum()
    return float(np.interp(share, middle, exams["score"].to_numpy(float)[order]))


def exams_of(frame: pd.DataFrame, by: str, place: str) -> pd.DataFrame:
    """The exams of a place; an InputError names those that there are."""
    check_columns(frame, by)
    exams = frame[frame[by].astype("string") == place]
    if exams.empty:
        there = ", ".join(sorted(frame[by].dropna().astype(str).unique()))
        raise InputError(f"No exam has {by} '{place}'; there are {there}.")
    return exams


def check_columns(frame: pd.DataFrame, by: str) -> None:
    """Raise an InputError where a column is missing."""
    if missing := [column for column in (*COLUMNS, by) if column not in frame]:
        raise InputError(
            f"the exams lack the column(s) {', '.join(missing)}; they need "
            f"{', '.join((*COLUMNS, by))}."
        )


def check_sensitivity(sensitivity: float) -> None:
    """Raise an InputError where it is none that a threshold can keep."""
    if not 0 < sensitivity < 1:
        raise InputError(f"sensitivity must lie between 0 and 1 (exclusive), not {sensitivity}.")
