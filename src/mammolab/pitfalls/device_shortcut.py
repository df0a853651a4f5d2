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
from mammolab.evaluate.subgroups import UNKNOWN
from mammolab.model.augment import Augmentation, augment, load_images
from mammolab.model.features import texture_features
from mammolab.model.network import ResNet18
from mammolab.pitfalls.failure import check_dose
from mammolab.pitfalls.small_network import thumbnails

LARGEST_SHARE = 0.9  # of the cancers, and of the healthy elsewhere, at dose 1 (assumption)
# A quarter of a grey level's value either way would be a strong change of processing (assumption).
FEWEST = 5  # exams of a class in a collection (assumption)
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
        exam_id, device, cancer_within_1y. Where a device is missing it is "unknown".
    n_devices : int
        The cancers are to come from so many devices, those most used in the cohort.
    rng : numpy Generator

    Returns
    -------
    DataFrame
        exam_id, patient_id, split, label, device, sampling_weight, theirs, row; in an order drawn
        at random. Of the healthy training exams only those that `collect` takes at some dose, or,
        where it cannot take any, as many as there are cancers.
    """
    exams = cohort[["exam_id", "device", "cancer_within_1y"]].fillna({"device": UNKNOWN})
    used = exams["device"].value_counts().index
    frame = labelled.merge(exams, on="exam_id")
    frame = frame[frame["label"] == frame["cancer_within_1y"]].sort_values(["exam_id", "image_id"])
    frame = frame.iloc[rng.permutation(len(frame))].drop_duplicates("exam_id")
    frame["theirs"] = frame["device"].isin(used[:n_devices])
    train = frame[frame["split"] == "train"]
    healthy = train[~train["label"]]
    if cannot_collect(train):
        healthy = healthy[: train["label"].sum()]
    else:
        drawn = pd.concat([collect(train, dose) for dose in (0.0, 1.0)])
        healthy = healthy[healthy["exam_id"].isin(drawn["exam_id"])]
    others = (
        (frame["split"] == "train") & ~frame["label"] & ~frame["exam_id"].isin(healthy["exam_id"])
    )
    columns = ["exam_id", "patient_id", "split", "label", "device"]
    columns += ["sampling_weight", "theirs", "row"]
    return frame.loc[~others, columns].reset_index(drop=True)


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
        As `cannot_collect` says.
    """
    share = share_at(dose)
    reason = cannot_collect(exams)
    if reason:
        raise InputError(reason)
    kinds = _kinds(exams)
    n_each = _most(kinds)
    parts = [
        found[: round(n_each * (share if label == theirs else 1 - share))]
        for (label, theirs), found in kinds.items()
    ]
    return pd.concat(parts)


def cannot_collect(exams: pd.DataFrame) -> str:
    """Say why a device cannot be made to go with the label; empty where it can.

    Parameters
    ----------
    exams : DataFrame
        label, device, theirs.
    """
    if exams["device"].nunique() < 2:
        return "There is only one device: none can go with the label, and nothing can be shown."
    kinds = _kinds(exams)
    if _most(kinds) < FEWEST:
        cancers, elsewhere = (len(kinds[True, theirs]) for theirs in (True, False))
        healthy, healthy_elsewhere = (len(kinds[False, theirs]) for theirs in (True, False))
        return (
            f"{cancers} cancers and {healthy} healthy exams of the devices most used, {elsewhere} "
            f"and {healthy_elsewhere} of the others, are too few for {FEWEST} of each class."
        )
    return ""


def _kinds(exams: pd.DataFrame) -> dict[tuple[bool, bool], pd.DataFrame]:
    return {
        (label, theirs): exams[(exams["label"] == label) & (exams["theirs"] == theirs)]
        for label in (True, False)
        for theirs in (True, False)
    }


def _most(kinds: dict[tuple[bool, bool], pd.DataFrame]) -> int:
    """Exams of a class that every dose can take.

    Where the device is that of the class its share rises with the dose, elsewhere it falls.
    """
    return int(
        min(
            len(found) / (LARGEST_SHARE if label == theirs else 0.5)
            for (label, theirs), found in kinds.items()
        )
    )


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
