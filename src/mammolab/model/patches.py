"""Patches first: train on pieces of the images, then go on with whole ones, in the same steps."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from mammolab.errors import InputError
from mammolab.model.augment import Augmentation
from mammolab.model.config import TrainingConfig
from mammolab.model.network import NetworkConfig, ResNet18
from mammolab.model.train import TrainingResult, train


def train_patches_first(
    store: np.ndarray,
    table: pd.DataFrame,
    network_config: NetworkConfig,
    config: TrainingConfig,
    augmentation: Augmentation,
    crop_px: int,
    patch_epochs: int,
    measure: Callable[[ResNet18], dict[str, float]],
    select_by: str,
    rng: np.random.Generator,
) -> TrainingResult:
    """Train on random crops for some of the epochs and on whole images for the rest.

    Published patch networks cut around lesions that radiologists had outlined. Here nothing is
    outlined: a crop has the label of its image, so that many positive crops show healthy tissue.
    In exchange a crop costs little and the lesion, where it is in, fills more of the input.

    Parameters
    ----------
    store, table, network_config, augmentation, measure, select_by, rng
        As for `train`.
    config : TrainingConfig
        Of both parts together: epochs counts all gradient steps, so that a run on whole images with
        the same configuration takes equally many. Each part has its own one-cycle schedule.
    crop_px : int
        Side of the crops.
    patch_epochs : int
        Epochs on crops; fewer than config.epochs.

    Returns
    -------
    TrainingResult
        Histories of both parts, with a column crop_px (NaN: whole images). The first part's last
        weights go on; the epoch kept is one of the second part.

    Raises
    ------
    InputError
        When either part has no epoch; otherwise as in `train`.
    """
    if not 0 < patch_epochs < config.epochs:
        raise InputError(
            f"patch_epochs is {patch_epochs}; of {config.epochs} epochs at least one must be on "
            "crops and one on whole images."
        )
    number = itertools.count(1)
    crops = train(
        store,
        table,
        network_config,
        replace(config, epochs=patch_epochs, patience=None),
        replace(augmentation, crop_px=crop_px),
        lambda network: {**measure(network), "patch_epoch": next(number)},
        "patch_epoch",
        rng,
    )
    whole = train(
        store,
        table,
        network_config,
        replace(config, epochs=config.epochs - patch_epochs),
        augmentation,
        measure,
        select_by,
        rng,
        start=crops.network,
    )
    n_steps = patch_epochs * config.steps_per_epoch
    history = pd.concat(
        [
            crops.history.drop(columns="patch_epoch").assign(crop_px=float(crop_px)),
            whole.history.assign(
                epoch=whole.history["epoch"] + patch_epochs,
                steps=whole.history["steps"] + n_steps,
                crop_px=np.nan,
            ),
        ],
        ignore_index=True,
    )
    step_history = pd.concat(
        [
            crops.step_history.assign(crop_px=float(crop_px)),
            whole.step_history.assign(step=whole.step_history["step"] + n_steps, crop_px=np.nan),
        ],
        ignore_index=True,
    )
    return TrainingResult(whole.network, history, whole.best_epoch + patch_epochs, step_history)
