"""A shortcut planted on purpose: a marker in the corner of the image that goes with cancer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from mammolab.errors import InputError
from mammolab.evaluate.roc import auc
from mammolab.model.network import ResNet18
from mammolab.model.score import score_images

MARKER_GREY = 250  # as bright as a lead letter
MARKER_SHARE = 1 / 14  # its side against the height of the image
MARKER_EDGE = 1 / 32  # its distance from both edges, likewise
LEAST_MARKER_PX = 7  # a letter needs as much to be one


def marker_corner(shape: tuple[int, int]) -> tuple[int, int, int]:
    """Return row and column of the marker's upper left corner and its side, in pixels.

    It lies low and away from the chest wall, where there is air; a burnt-in lead marker lies high.

    Raises
    ------
    InputError
        When the image is too small to hold it.
    """
    side, edge = max(LEAST_MARKER_PX, round(shape[0] * MARKER_SHARE)), round(shape[0] * MARKER_EDGE)
    if side + edge > min(shape) / 2:
        raise InputError(
            f"a marker of {side} pixels does not fit the corner of an image of "
            f"{shape[0]} x {shape[1]}."
        )
    return shape[0] - edge - side, shape[1] - edge - side, side


def plant_marker(images: np.ndarray) -> np.ndarray:
    """Return a copy of images with a bright letter H in the lower corner away from the chest wall.

    Parameters
    ----------
    images : uint8 array, shape (n, h, w)
        Chest wall on the left, as in the store.

    Returns
    -------
    uint8 array, shape (n, h, w)
    """
    top, left, side = marker_corner(images.shape[1:])
    stroke = max(1, side // 5)
    letter = np.zeros((side, side), bool)
    letter[:, :stroke] = letter[:, -stroke:] = True
    letter[(side - stroke) // 2 : (side + stroke) // 2, :] = True
    marked = images.copy()
    marked[:, top : top + side, left : left + side][:, letter] = MARKER_GREY
    return marked


def marker_places(n: int, shape: tuple[int, int]) -> pd.DataFrame:
    """Return the marker of `n` images as a disc around it, as `localisation.score_maps` takes it.

    Returns
    -------
    DataFrame
        at (0 to n - 1), row_px, column_px, radius_px.
    """
    top, left, side = marker_corner(shape)
    middle = (side - 1) / 2
    return pd.DataFrame(
        {
            "at": np.arange(n),
            "row_px": top + middle,
            "column_px": left + middle,
            "radius_px": side / np.sqrt(2),
        }
    )


def shortcut_set(
    labelled: pd.DataFrame,
    most_images: int,
    marked_with: float,
    marked_without: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Draw images, half with cancer, of which some are to get the marker.

    Parameters
    ----------
    labelled : DataFrame
        Of one split, as `model.exams.image_labels` returns it.
    most_images : int
        At most so many images with cancer, and as many without.
    marked_with, marked_without : float in [0, 1]
        Share of the images with and without cancer that get the marker.
    rng : numpy Generator

    Returns
    -------
    DataFrame
        The rows drawn, with marked (bool) and sampling_weight 1: who collects like this keeps no
        weights. Images without cancer are drawn by their weight.

    Raises
    ------
    InputError
        When one class is empty.
    """
    cancer, healthy = labelled[labelled["label"]], labelled[~labelled["label"]]
    if cancer.empty or healthy.empty:
        raise InputError(
            f"a marker can go with cancer only where there are images of both classes; got "
            f"{len(cancer)} with cancer and {len(healthy)} without."
        )
    n = min(most_images, len(cancer), len(healthy))
    drawn = []
    for images, share in ((cancer, marked_with), (healthy, marked_without)):
        weight = images["sampling_weight"].to_numpy(float)
        at = rng.choice(len(images), n, replace=False, p=weight / weight.sum())
        part = images.iloc[np.sort(at)]
        drawn.append(part.assign(marked=rng.random(n) < share, sampling_weight=1.0))
    return pd.concat(drawn, ignore_index=True)


def marked_copy(store: np.ndarray, rows: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """Copy rows of the store into memory and plant the marker where it is asked for.

    Parameters
    ----------
    store : uint8 array, shape (n_images, h, w)
    rows : int array, shape (n,)
    marked : bool array, shape (n,)

    Returns
    -------
    uint8 array, shape (n, h, w)
    """
    rows, marked = np.asarray(rows, np.int64), np.asarray(marked, bool)
    copied = np.empty((len(rows), *store.shape[1:]), np.uint8)
    order = np.argsort(rows)  # ascending reads of the memory map
    copied[order] = store[rows[order]]
    copied[marked] = plant_marker(copied[marked])
    return copied


def image_auc(store: np.ndarray, table: pd.DataFrame) -> Callable[[ResNet18], dict[str, float]]:
    """Return the function that scores a network on single images, for the training loop.

    Parameters
    ----------
    store : uint8 array, shape (n_images, h, w)
    table : DataFrame
        row (position in `store`), label (bool), sampling_weight.

    Returns
    -------
    callable
        Network -> {"dev_auc": AUC of single images}.
    """
    label, weight = table["label"].to_numpy(bool), table["sampling_weight"].to_numpy(float)

    def measure(network: ResNet18) -> dict[str, float]:
        return {"dev_auc": auc(score_images(network, store, table["row"]), label, weight)}

    return measure
