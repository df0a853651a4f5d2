"""A collection in which the device goes with the label, and what a frozen network sees in it.

One collects the cancers where there are many, and the healthy where they are easy to get. Devices
differ between the two places, so that a network can look at the device instead of the breast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from mammolab.errors import InputError
from mammolab.model.augment import Augmentation, augment, load_images
from mammolab.model.features import texture_features
from mammolab.model.network import ResNet18
from mammolab.pitfalls.failure import check_dose
from mammolab.pitfalls.small_network import thumbnails

LARGEST_SHARE = 0.9  # of the cancers, and of the healthy elsewhere, at dose 1 (assumption)
# A quarter of a grey level's value either way would be a strong change of processing (assumption).
GREY_CURVES = Augmentation(shift_px=0, gain=0.35, offset=0.06, flip=False)


@dataclass(frozen=True, eq=False)
class FrozenFeatures:
    """One image an exam, and what a frozen network sees in it.

    Attributes
    ----------
    exams : DataFrame, n rows
        exam_id, patient_id, split, label, device, sampling_weight; theirs (bool: the exam is from
        one of the devices that the cancers are to come from).
    values : float32 array, shape (n, k)
    varied : float32 array, shape (n, k)
        Of the training images with a grey curve changed at random; NaN for others.
    """

    exams: pd.DataFrame
    values: NDArray[np.float32]
    varied: NDArray[np.float32]


def one_image_each(
    labelled: pd.DataFrame, cohort: pd.DataFrame, n_devices: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Draw one image of each exam, of the breast with the cancer where there is one.

    Parameters
    ----------
    labelled : DataFrame
        As `model.exams.image_labels` returns it.
    cohort : DataFrame
        For the device; exams without one are left out.
    n_devices : int
        The cancers are to come from so many devices, those most used in the cohort.
    rng : numpy Generator

    Returns
    -------
    DataFrame
        exam_id, patient_id, split, label, device, sampling_weight, theirs, row; in an order drawn
        at random. Of the training exams only those that `collect` takes at some dose.

    Raises
    ------
    InputError
        If there are fewer than two devices.
    """
    used = cohort["device"].value_counts().index
    if len(used) < 2:
        raise InputError(
            f"A device can go with the label only where there are two, not {len(used)}."
        )
    if not 1 <= n_devices < len(used):
        raise InputError(
            f"n_devices is {n_devices}; of {len(used)} devices the cancers may come from 1 to "
            f"{len(used) - 1}."
        )
    exams = cohort.loc[cohort["device"].notna(), ["exam_id", "device", "cancer_within_1y"]]
    frame = labelled.merge(exams, on="exam_id")
    frame = frame[frame["label"] == frame["cancer_within_1y"]].sort_values(["exam_id", "image_id"])
    frame = frame.iloc[rng.permutation(len(frame))].drop_duplicates("exam_id")
    frame["theirs"] = frame["device"].isin(used[:n_devices])
    train = frame[frame["split"] == "train"]
    drawn = [collect(train, dose) for dose in (0.0, 1.0)]
    needed = frame["exam_id"].isin(pd.concat(drawn)["exam_id"]) | (frame["split"] != "train")
    columns = ["exam_id", "patient_id", "split", "label", "device"]
    columns += ["sampling_weight", "theirs", "row"]
    return frame.loc[needed, columns].reset_index(drop=True)


def share_at(dose: float) -> float:
    """Return the share of the cancers that come from their devices: a half to `LARGEST_SHARE`."""
    return 0.5 + (LARGEST_SHARE - 0.5) * check_dose(dose)


def collect(exams: pd.DataFrame, dose: float) -> pd.DataFrame:
    """Take as many healthy exams as cancers; a share of each comes from the devices of its class.

    Parameters
    ----------
    exams : DataFrame
        Of one split, in an order drawn at random: label, theirs. The first of each kind are taken,
        so that neighbouring doses differ in as few exams as can be.
    dose : float in [0, 1]
        At 0 half of both classes comes from the cancers' devices; at 1 nine tenths of the cancers
        and one tenth of the healthy.

    Returns
    -------
    DataFrame
        The rows taken, as many at any dose.

    Raises
    ------
    InputError
        If there are too few of a kind to take two of each class.
    """
    share = share_at(dose)
    kinds = {
        (label, theirs): exams[(exams["label"] == label) & (exams["theirs"] == theirs)]
        for label in (True, False)
        for theirs in (True, False)
    }
    # Where the device is that of the class its share rises with the dose, elsewhere it falls.
    n_each = int(
        min(
            len(found) / (LARGEST_SHARE if label == theirs else 0.5)
            for (label, theirs), found in kinds.items()
        )
    )
    if n_each < 2:
        raise InputError(
            "Cancers and healthy exams from two kinds of device are needed; there are "
            f"{', '.join(str(len(found)) for found in kinds.values())} of the four kinds."
        )
    parts = [
        found[: round(n_each * (share if label == theirs else 1 - share))]
        for (label, theirs), found in kinds.items()
    ]
    return pd.concat(parts)


def frozen_features(
    images: pd.DataFrame, store: np.ndarray, network: ResNet18, rng: np.random.Generator
) -> FrozenFeatures:
    """Measure what a network sees in the images, at half their size.

    Parameters
    ----------
    images : DataFrame
        As `one_image_each` returns it.
    store : uint8 array, shape (n_images, h, w)
    network : ResNet18
        Stays as it is: `model.features.texture_features`.
    rng : numpy Generator
        Draws the grey curves.
    """
    small = thumbnails(store, images["row"].to_numpy(), 2)
    values = texture_features(network, small, np.arange(len(small)))
    varied = np.full_like(values, np.nan)
    train = np.flatnonzero(images["split"] == "train")
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    grey = augment(load_images(small, train), GREY_CURVES, generator)
    grey = (grey[:, 0] * 255).round().to(torch.uint8).numpy()
    varied[train] = texture_features(network, grey, np.arange(len(grey)))
    return FrozenFeatures(images, values, varied)
