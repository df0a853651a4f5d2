"""Networks small enough to be trained at every turn of a dial: thumbnails in, seconds each.

They are a demonstration of what goes wrong, not detectors: size, width and steps are chosen so that
a network of this kind can see both a cancer and a device.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammolab.errors import InputError
from mammolab.model.augment import Augmentation, require_store
from mammolab.model.config import TrainingConfig
from mammolab.model.network import NetworkConfig, ResNet18
from mammolab.model.train import train

IMAGES_AT_A_TIME = 256
LEARNING_RATE = 0.003
SHIFT_PX = 2  # a thumbnail's pixel is several of the image's


def thumbnails(store: np.ndarray, rows: np.ndarray, factor: int) -> np.ndarray:
    """Return images made smaller: each pixel is the mean of a square of them.

    Parameters
    ----------
    store : uint8 array, shape (n_images, h, w)
        The image store (memory map); read a few hundred images at a time.
    rows : int array, shape (n,)
        Positions in `store`.
    factor : int
        Side of the square; rows and columns that fill no whole square are left off, low and on
        the right.

    Returns
    -------
    uint8 array, shape (n, h // factor, w // factor)
        In the order of `rows`.

    Raises
    ------
    InputError
        When the factor is below 1 or above the images' sides, the store holds no 8-bit images, or
        lacks a row.
    """
    rows = np.asarray(rows, np.int64)
    require_store(store, rows)
    height, width = store.shape[1:]
    if not 1 <= factor <= min(height, width):
        raise InputError(
            f"factor is {factor}; images of {height} x {width} pixels allow 1 to "
            f"{min(height, width)}."
        )
    small = (height // factor, width // factor)
    result = np.empty((len(rows), *small), np.uint8)
    order = np.argsort(rows, kind="stable")  # ascending reads of the memory map
    for start in range(0, len(rows), IMAGES_AT_A_TIME):
        part = order[start : start + IMAGES_AT_A_TIME]
        images = store[rows[part], : small[0] * factor, : small[1] * factor]
        total = np.zeros((len(part), *small), np.uint32)
        for down in range(factor):  # several times as fast as a sum over split axes
            for right in range(factor):
                total += images[:, down::factor, right::factor]
        result[part] = (total + factor**2 // 2) // factor**2
    return result


def train_small(
    images: np.ndarray,
    table: pd.DataFrame,
    rng: np.random.Generator,
    width: int = 8,
    steps: int = 150,
    batch_size: int = 24,
    views: int = 1,
    threads: int = 2,
    initialisation: str = "random",
) -> ResNet18:
    """Train a narrow ResNet-18 for a fixed number of steps; nothing is selected on dev.

    Parameters
    ----------
    images : uint8 array, shape (n_images, h, w)
        As `thumbnails` returns it.
    table : DataFrame
        Training inputs: label (bool), sampling_weight (negatives are drawn by it) and row (position
        in `images`), or the four rows of `model.exams.exam_labels` for four views.
    rng : numpy Generator
        The only source of randomness.
    width : int
        Channels of the first stage.
    steps : int
        Gradient steps, of `batch_size` inputs each, half of them with cancer.
    batch_size : int
        Even.
    views : {1, 4}
        Images of one input.
    threads : int
        CPU threads; results depend on it in the last digits.
    initialisation : str
        As in `NetworkConfig`; "formula" goes with a width of 16.

    Returns
    -------
    ResNet18

    Raises
    ------
    InputError
        As `model.train.train`.
    """
    trained = train(
        images,
        table,
        NetworkConfig(width, initialisation=initialisation, views=views),
        TrainingConfig(
            batch_size=batch_size,
            micro_batch_size=batch_size,
            epochs=1,
            steps_per_epoch=steps,
            learning_rate=LEARNING_RATE,
            threads=threads,
        ),
        Augmentation(shift_px=SHIFT_PX),
        measure=lambda network: {"steps": float(steps)},
        select_by="steps",
        rng=rng,
    )
    return trained.network
