"""Ways to train on a collection in which the device goes with the label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.model.adversary import AdversaryConfig, train_encoder
from mammolab.pitfalls.device_shortcut import FrozenFeatures, collect

# Way of training -> its name in figures; the first is the failure, the others are its repairs.
WAYS = {
    "plain": "as collected",
    "augmented": "grey curve varied",
    "calibrated": "calibrated by device",
    "unconditional": "adversary",
    "conditional": "adversary that sees the label",
}


@dataclass(frozen=True, eq=False)
class TrainedWays:
    """What every way of training gave, for all n exams of the features.

    Attributes
    ----------
    dose : float
    scores : dict of way to float array, shape (n_seeds, n)
    representations : dict of way to float array, shape (n_seeds, n, size)
    """

    dose: float
    scores: dict[str, NDArray[np.float64]]
    representations: dict[str, NDArray[np.float64]]


def train_ways(
    features: FrozenFeatures, config: AdversaryConfig, seeds: Sequence[int], dose: float
) -> TrainedWays:
    """Train in every way of `WAYS` on the same collection.

    Parameters
    ----------
    features : FrozenFeatures
    config : AdversaryConfig
        Of the adversaries; other ways leave the discriminator out.
    seeds : sequence of int
        One training each; ways start from the same weights for the same seed.
    dose : float in [0, 1]
        As for `device_shortcut.collect`.
    """
    exams = features.exams
    rows = collect(exams[exams["split"] == "train"], dose).index.to_numpy()
    label, device = exams["label"].to_numpy(bool)[rows], exams["device"].to_numpy()[rows]
    scores, representations = {}, {}
    for way in WAYS:
        if way == "calibrated":  # afterwards, on the scores: nothing is trained
            scores[way] = np.array([calibrate_by_device(exams, one) for one in scores["plain"]])
            representations[way] = representations["plain"]
            continue
        taken = features.values[rows], label, device
        if way == "augmented":
            both = np.vstack([features.values[rows], features.varied[rows]])
            taken = both, np.tile(label, 2), np.tile(device, 2)
        against = way if way in ("unconditional", "conditional") else "none"
        encoders = [
            train_encoder(*taken, replace(config, adversary=against), np.random.default_rng(seed))
            for seed in seeds
        ]
        scores[way] = np.array([one.score(features.values) for one in encoders])
        representations[way] = np.array([one.represent(features.values) for one in encoders])
    return TrainedWays(dose, scores, representations)


def calibrate_by_device(exams: pd.DataFrame, score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the score in standard deviations of the healthy dev women of the same device.

    Parameters
    ----------
    exams : DataFrame, n rows
        split, label, device, sampling_weight. A device without two healthy dev exams takes the
        mean and spread of all.
    score : float array, shape (n,)
    """
    healthy = (exams["split"] == "dev").to_numpy() & ~exams["label"].to_numpy(bool)
    weight, device = exams["sampling_weight"].to_numpy(float), exams["device"].to_numpy()
    result = np.empty(len(score))
    for one in pd.unique(device):
        own = healthy & (device == one)
        own = own if own.sum() > 1 else healthy
        mean = np.average(score[own], weights=weight[own])
        spread = np.sqrt(np.average((score[own] - mean) ** 2, weights=weight[own]))
        result[device == one] = (score[device == one] - mean) / max(spread, np.finfo(float).tiny)
    return result
