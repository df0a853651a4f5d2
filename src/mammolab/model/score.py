"""Scores of images, and of exams as the worst of their views."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from mammolab.model.augment import load_images, normalise
from mammolab.model.network import ResNet18, compute_device

MOST_AT_ONCE, PIXELS_AT_ONCE = 64, 64 * 256 * 208  # a few hundred MB of feature maps


def score_images(
    network: ResNet18, store: np.ndarray, rows: np.ndarray, batch_size: int | None = None
) -> np.ndarray:
    """Return the network's logit for each image, or exam of four views; higher is worse.

    Parameters
    ----------
    network : ResNet18
        Left in evaluation mode, on the accelerator where there is one.
    store : uint8 array, shape (n_images, h, w)
    rows : int array, shape (n,) or (n, views)
        Positions in `store`.
    batch_size : int or None
        Inputs in memory at once; None for as many as bounded memory holds.

    Returns
    -------
    float array, shape (n,)

    Raises
    ------
    InputError
        When the store holds no 8-bit images or lacks a row; see `load_images`.
    """
    device = compute_device()
    network.eval().to(device)
    rows = np.asarray(rows, dtype=np.int64)
    logits = np.empty(len(rows), dtype=np.float64)
    if batch_size is None:
        pixels = network.config.views * store[0].size
        batch_size = max(1, min(MOST_AT_ONCE, PIXELS_AT_ONCE // pixels))
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        for start in range(0, len(rows), batch_size):
            batch = load_images(store, rows[start : start + batch_size]).to(device)
            logits[start : start + batch_size] = network(normalise(batch)).float().cpu().numpy()
    return logits


def exam_scores(images: pd.DataFrame, logits: np.ndarray) -> pd.Series:
    """Return each exam's score, the maximum over its views, indexed by exam_id.

    Parameters
    ----------
    images : DataFrame
        Has exam_id; one row a scored image, or an exam that was scored whole.
    logits : float array, shape (len(images),)
    """
    return pd.Series(logits, index=images["exam_id"].to_numpy()).groupby(level=0).max()
