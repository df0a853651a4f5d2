"""Which exams are shown with their maps, and the tiles that the figure draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.files import write_whole

SHOWN_MM = 12.0  # of the exams that could be shown, the lesion nearest to this size is


def percentile_among(
    score: ArrayLike, reference: ArrayLike, sample_weight: ArrayLike
) -> NDArray[np.float64]:
    """Return the share of reference exams with a lower score, in percent.

    Parameters
    ----------
    score : array-like of float, shape (n,)
    reference, sample_weight : array-like of float, shape (m,)
        Scores of exams without cancer, and what each stands for. Half of a tie counts as lower.

    Examples
    --------
    >>> percentile_among([0.0, 2.0, 9.0], [1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1]).tolist()
    [0.0, 37.5, 100.0]
    """
    reference, weight = np.asarray(reference, float), np.asarray(sample_weight, float)
    order = np.argsort(reference)
    below = np.concatenate([[0.0], np.cumsum(weight[order])])
    low, high = (np.searchsorted(reference[order], score, side) for side in ("left", "right"))
    return 100 * (below[low] + below[high]) / 2 / below[-1]


def choose_pictures(
    sample: pd.DataFrame, found_percentile: float, missed_percentile: float
) -> pd.DataFrame:
    """Choose for each kind of lesion one exam that the network found and one that it missed.

    Of those that qualify the one whose lesion is nearest to `SHOWN_MM` is taken, whatever its map.

    Parameters
    ----------
    sample : DataFrame
        One row an image that may be shown: kind, diameter_mm, percentile (of its exam's score
        among healthy exams).
    found_percentile, missed_percentile : float
        Found: at or above the first. Missed: below the second.

    Returns
    -------
    DataFrame
        Rows of `sample` with outcome ("found", "missed"), by kind; a kind may lack either.

    Raises
    ------
    InputError
        When none qualifies.
    """
    outcomes = {
        "found": sample["percentile"] >= found_percentile,
        "missed": sample["percentile"] < missed_percentile,
    }
    chosen = []
    for kind in sorted(sample["kind"].unique()):
        for outcome, qualifies in outcomes.items():
            rows = sample[(sample["kind"] == kind) & qualifies]
            if len(rows):
                nearest = np.log(rows["diameter_mm"] / SHOWN_MM).abs().idxmin()
                chosen.append(rows.loc[[nearest]].assign(outcome=outcome))
    if not chosen:
        raise InputError(
            f"none of {len(sample)} images lies above the {found_percentile:g}th or below the "
            f"{missed_percentile:g}th percentile of healthy exams: there is nothing to show."
        )
    return pd.concat(chosen)


def map_tiles(maps: np.ndarray) -> np.ndarray:
    """Return the positive part of each map, from 0 to 255 at its own highest point.

    Parameters
    ----------
    maps : float array, shape (n, h, w)

    Returns
    -------
    uint8 array, shape (n, h, w)
        All 0 where nothing is positive.
    """
    positive = np.clip(maps, 0, None)
    top = positive.max(axis=(1, 2), keepdims=True)
    return np.rint(255 * positive / np.where(top > 0, top, 1)).astype(np.uint8)


def save_tiles(path: Path, *tiles: np.ndarray) -> None:
    """Write images and maps, one after the other, as one .npy file, whole or not at all.

    Parameters
    ----------
    path : Path
    *tiles : uint8 arrays, shape (n, h, w)
    """

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.save(file, np.concatenate(tiles))

    write_whole(path, save)
