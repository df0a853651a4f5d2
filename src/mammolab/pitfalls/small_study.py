"""A cohort on thumbnails: train on whichever exams were collected, score every test exam."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.errors import InputError
from mammolab.evaluate.auc_bootstrap import auc_bootstrap
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.model.exams import STAND_INS, image_labels, input_rows
from mammolab.model.network import ResNet18
from mammolab.model.score import exam_scores, score_images
from mammolab.pitfalls.collection import LABEL
from mammolab.pitfalls.small_network import thumbnails, train_small

JOINTLY = {1: ["image_id"], 2: ["exam_id", "laterality"], 4: ["exam_id"]}
# In 150 steps networks from random weights, of width 8, came to an AUC of .56 on development exams,
# and those from the shipped ones to .61 (means of three); both find the device.
FIRST_WEIGHTS = {"width": 16, "initialisation": "formula"}


@dataclass(frozen=True, eq=False)
class SmallStudy:
    """What a small network is trained and tested on; dev is not needed, for nothing is selected.

    Attributes
    ----------
    thumbnails : uint8 array, shape (n_images, h, w)
    inputs : DataFrame
        Train and test images as `model.exams.image_labels` gives them; row counts thumbnails.
    exams : DataFrame
        The cohort's rows of these exams.
    bootstrap : PatientBootstrap
        Of the test patients.
    steps : int
        Gradient steps of each training.
    threads : int
    """

    thumbnails: NDArray[np.uint8]
    inputs: pd.DataFrame
    exams: pd.DataFrame
    bootstrap: PatientBootstrap
    steps: int
    threads: int

    def of_split(self, split: str) -> pd.DataFrame:
        """Return the exams of a split."""
        return self.exams[self.exams["split"] == split].reset_index(drop=True)


def small_study(
    store: np.ndarray,
    images: pd.DataFrame,
    cohort: pd.DataFrame,
    bootstrap: PatientBootstrap,
    factor: int,
    steps: int,
    threads: int,
) -> SmallStudy:
    """Make thumbnails of the train and test images.

    Parameters
    ----------
    store : uint8 array, shape (n_images, h, w)
        The image store (memory map).
    images, cohort : DataFrame
        Tables of those names.
    bootstrap : PatientBootstrap
        Of the test patients.
    factor : int
        As for `small_network.thumbnails`.
    steps, threads : int
        As for `small_network.train_small`.

    Returns
    -------
    SmallStudy

    Raises
    ------
    InputError
        As `small_network.thumbnails`.
    """
    inputs = image_labels(images, cohort)
    inputs = inputs[inputs["split"].isin(["train", "test"])].reset_index(drop=True)
    exams = cohort[cohort["exam_id"].isin(inputs["exam_id"])].reset_index(drop=True)
    return SmallStudy(
        thumbnails(store, inputs["row"].to_numpy(), factor),
        inputs.assign(row=np.arange(len(inputs))),
        exams,
        bootstrap,
        steps,
        threads,
    )


def train_on(
    study: SmallStudy,
    exam_ids: Collection[str],
    rng: np.random.Generator,
    thumbnails: NDArray[np.uint8] | None = None,
) -> ResNet18:
    """Train on single images of these exams, each counting once.

    Parameters
    ----------
    study : SmallStudy
    exam_ids : collection of str
        Who collects exams like this keeps no weights.
    rng : numpy Generator
    thumbnails : uint8 array, optional
        Instead of the study's, changed ones, in the same order.
    """
    chosen = study.inputs[study.inputs["exam_id"].isin(exam_ids)].assign(sampling_weight=1.0)
    pixels = study.thumbnails if thumbnails is None else thumbnails
    return train_small(
        pixels, chosen, rng, steps=study.steps, threads=study.threads, **FIRST_WEIGHTS
    )


def score_test_exams(
    study: SmallStudy, network: ResNet18, thumbnails: NDArray[np.uint8] | None = None
) -> pd.Series:
    """Return each test exam's score, the maximum over its images, by exam_id."""
    test = study.inputs[study.inputs["split"] == "test"]
    pixels = study.thumbnails if thumbnails is None else thumbnails
    return exam_scores(test, score_images(network, pixels, test["row"]))


def joint_inputs(inputs: pd.DataFrame, n_images: int) -> pd.DataFrame:
    """Return inputs of a four-view network that shows it one, two or four different images.

    The network is the same for all: where it gets fewer than four images, they are repeated.

    Parameters
    ----------
    inputs : DataFrame
        As `model.exams.image_labels` gives it.
    n_images : {1, 2, 4}
        Each image alone, the images of a breast, or all of the exam.

    Returns
    -------
    DataFrame
        exam_id, split, label (bool: any of its images shows a cancer), sampling_weight, and the four
        rows of `model.exams.input_rows`.

    Raises
    ------
    InputError
    """
    if n_images not in JOINTLY:
        raise InputError(
            f"n_images is {n_images}; a network looks at {', '.join(map(str, JOINTLY))} jointly."
        )
    ordered = inputs.sort_values(["exam_id", "laterality", "view", "image_id"])
    groups = ordered.groupby(JOINTLY[n_images], sort=False)
    columns = ["exam_id", "split", "sampling_weight"]
    joint = groups[columns].first().reset_index(drop=True)
    joint["label"] = groups["label"].any().to_numpy()
    rows = np.array([np.resize(one.to_numpy(), len(STAND_INS)) for _, one in groups["row"]])
    return joint.assign(**dict(zip(STAND_INS, rows.T, strict=True)))


def joint_scores(
    study: SmallStudy,
    exam_ids: Collection[str],
    n_images: int,
    batch_size: int,
    n_networks: int,
    rng: np.random.Generator,
) -> pd.Series:
    """Train on inputs of `n_images`; return the maximum over each test exam's, by exam_id.

    Of several networks, an input's score is the mean. They start from random weights, for the
    shipped ones find a device so soon that it hardly matters what speaks against it.
    """
    joint = joint_inputs(study.inputs, n_images)
    train = joint[joint["exam_id"].isin(exam_ids) & (joint["split"] == "train")]
    train = train.assign(sampling_weight=1.0)
    test = joint[joint["split"] == "test"]
    score = np.zeros(len(test))
    for _ in range(n_networks):
        network = train_small(
            study.thumbnails,
            train,
            rng,
            steps=study.steps,
            batch_size=batch_size,
            views=4,
            threads=study.threads,
        )
        score += score_images(network, study.thumbnails, input_rows(test, 4)) / n_networks
    return exam_scores(test, score)


def auc_of(
    scores: pd.Series, exams: pd.DataFrame, bootstrap: PatientBootstrap, weighted: bool
) -> Estimate:
    """AUC of exam scores among these exams, with the patient bootstrap's interval.

    Parameters
    ----------
    scores : Series of float
        By exam_id.
    exams : DataFrame
        exam_id, patient_id, cancer_within_1y, sampling_weight.
    bootstrap : PatientBootstrap
    weighted : bool
        By sampling weight, as women come; else each exam counts once, as they were collected.
    """
    weight = exams["sampling_weight"] if weighted else None
    score = exams["exam_id"].map(scores)
    return auc_bootstrap(score, exams[LABEL], exams["patient_id"], weight, bootstrap)
