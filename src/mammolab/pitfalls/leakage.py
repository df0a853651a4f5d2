"""The test set in the training set: a woman's other pictures, or copies under another name.

The labels are drawn at random, so that nothing can be learnt and the AUC among new women is one
half exactly. Whatever is above it, the learner has recognised rather than learnt.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.evaluate.checks import Estimate, check_patient_ids
from mammolab.evaluate.roc import auc
from mammolab.pitfalls import guards_split
from mammolab.pitfalls.failure import Failure, Outcome, check_dose
from mammolab.pitfalls.small_network import thumbnails

CHANCE = Estimate(0.5, 0.5, 0.5)  # of random labels, in women never seen: nothing to estimate
FEWEST_WOMEN = 8  # so that train and test hold two of each class

PATIENTS_ACROSS_SPLITS = Failure(
    name="patients_across_splits",
    title="Split by image, not by woman",
    metric="AUC with random labels",
    dial="test women in training too",
    guard="patient_overlap",
    repair="Split by woman.",
    cost="Fewer different women on each side; nothing else.",
    source="Yagis 2021 (doi:10.1038/s41598-021-01681-w): slices split by image gave 96% accuracy "
    "with random labels, where 50% is right.",
)
DUPLICATES_ACROSS_SPLITS = Failure(
    name="duplicates_across_splits",
    title="Copies under another name",
    metric="AUC with random labels",
    dial="test pictures with a copy",
    guard="duplicate_images",
    repair="Compare the pictures themselves, and keep copies on one side.",
    cost="A fingerprint of every picture, and a look at the pairs it finds.",
    source="Kapoor & Narayanan 2023 (doi:10.1016/j.patter.2023.100804): leakage, duplicates among "
    "it, in 294 papers of 17 fields.",
)


def pictures_of_women(images: pd.DataFrame, n_women: int, rng: np.random.Generator) -> pd.DataFrame:
    """Choose women at random, with the pictures of one exam each, of which there are several.

    Parameters
    ----------
    images : DataFrame
        The table `images`.
    n_women : int
        All that there are, where they are fewer.
    rng : numpy Generator

    Returns
    -------
    DataFrame
        Rows of `images` that have a row in the store, in its order.
    """
    there = images[images["row"].notna()].sort_values("row")
    several = there[there.groupby("exam_id")["exam_id"].transform("size") > 1]
    first_exams = several.drop_duplicates("patient_id")["exam_id"].to_numpy()
    chosen = rng.permutation(first_exams)[:n_women]
    return several[several["exam_id"].isin(chosen)].reset_index(drop=True)


def appearance(store: np.ndarray, rows: ArrayLike, factor: int = 16) -> NDArray[np.float32]:
    """Describe how pictures look, coarsely: square roots of the means of squares of pixels.

    Parameters
    ----------
    store : uint8 array, shape (n_images, h, w)
    rows : int array, shape (n,)
    factor : int
        Side of the squares.

    Returns
    -------
    array of float32, shape (n, h // factor * (w // factor))
    """
    small = thumbnails(store, np.asarray(rows), factor)
    return np.sqrt(small.reshape(len(small), -1).astype(np.float32))


def near_copies(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Copy pictures as other archives would: one pixel aside, other window, coarser grey levels.

    Parameters
    ----------
    images : uint8 array, shape (n, h, w)
    rng : numpy Generator

    Returns
    -------
    uint8 array, shape (n, h, w)
    """
    n, height, width = images.shape
    down, right = rng.integers(0, 3, (2, n))
    gain = rng.uniform(0.9, 1.1, n)
    shift = rng.uniform(-6, 6, n)
    result = np.empty_like(images)
    for one, image in enumerate(images):
        padded = np.pad(image, 1, mode="edge")
        moved = padded[down[one] : down[one] + height, right[one] : right[one] + width]
        grey = np.clip(gain[one] * moved + shift[one], 0, 255)
        result[one] = 4 * np.floor(grey / 4)  # 64 grey levels
    return result


def patients_across_splits(
    features: ArrayLike,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    dose: float,
    n_labellings: int = 100,
) -> Outcome:
    """Split pictures at random, not women, and let a learner recognise whom it has seen.

    Half of the women are for the test, with one picture each; at dose 1 all their other pictures
    are in training. The learner is the nearest neighbour, the plainest that learns by heart.

    Parameters
    ----------
    features : array-like of float, shape (n_images, k)
        As from `appearance`.
    patient_ids : array-like of str, shape (n_images,)
        At least two pictures a woman.
    rng : numpy Generator
        It is copied, so that each dose has the same women, pictures and labels.
    dose : float
        Share of the test women whose other pictures are in training.
    n_labellings : int
        Times that the women are labelled anew, half of them as cancers.

    Returns
    -------
    Outcome
        reported: mean AUC over the labellings, with the range of 95 in 100 of them, each of which
        could have been somebody's paper; true: one half; repaired: the same as reported, split by
        woman.

    Raises
    ------
    InputError
        If there are fewer than 8 women, or one has a single picture.

    References
    ----------
    Yagis et al. 2021, doi:10.1038/s41598-021-01681-w (accuracy 96% with random labels)
    """
    rng = deepcopy(rng)
    features = np.asarray(features, np.float32)
    ids = check_patient_ids(patient_ids, len(features))
    women, own, n_pictures = np.unique(ids, return_inverse=True, return_counts=True)
    if n_pictures.min() < 2:
        alone = women[n_pictures < 2]
        raise InputError(
            f"patient_id {', '.join(map(str, alone[:5]))} ({len(alone)} in all) has one picture; "
            "each woman needs two, one to be seen in training and one for the test."
        )
    place, labels = _draw(len(women), n_labellings, rng)
    in_test = place[own] < len(women) // 2
    # of each woman's pictures in a random order, the last is the one to be tested
    order = np.lexsort([rng.random(len(ids)), own])
    asked = np.zeros(len(ids), bool)
    asked[order[np.cumsum(n_pictures) - 1]] = True
    asked &= in_test
    leaks = in_test & ~asked & (place[own] < check_dose(dose) * (len(women) // 2))
    train = ~in_test | leaks
    distance = _squared_distances(features[asked], features)
    fair = _random_label_auc(distance[:, ~in_test], own[~in_test], own[asked], labels)
    reported = _random_label_auc(distance[:, train], own[train], own[asked], labels)
    used = train | asked
    guard = guards_split.patient_overlap(ids[used], np.where(asked, "test", "train")[used])
    return Outcome(dose, dose, reported, CHANCE, fair, guard)


def duplicates_across_splits(
    images: NDArray[np.uint8],
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    dose: float,
    factor: int = 16,
    n_labellings: int = 100,
) -> Outcome:
    """Merge archives that hold the same pictures under other names, and split by woman with care.

    Half of the pictures are for the test; copies of them (`near_copies`) come into training under
    ids of their own, with the label of the woman.

    Parameters
    ----------
    images : uint8 array, shape (n, h, w)
        One picture a woman.
    patient_ids : array-like of str, shape (n,)
        Distinct.
    rng : numpy Generator
        It is copied, so that each dose has the same women, copies and labels.
    dose : float
        Share of the test pictures of which there is a copy in training.
    factor : int
        Side of the squares of `appearance`.
    n_labellings : int
        As for `patients_across_splits`.

    Returns
    -------
    Outcome
        As of `patients_across_splits`; repaired: without the copies.

    Raises
    ------
    InputError
        If a woman occurs twice, or there are fewer than 8.

    References
    ----------
    Kapoor and Narayanan 2023, doi:10.1016/j.patter.2023.100804
    """
    rng = deepcopy(rng)
    ids = check_patient_ids(patient_ids, len(images)).astype(object)
    n_women = len(ids)
    if len(np.unique(ids)) < n_women:
        raise InputError("A woman has several pictures; give one picture a woman.")
    place, labels = _draw(n_women, n_labellings, rng)
    women = np.arange(n_women)
    in_test = place < n_women // 2
    copied = women[in_test]
    copies = near_copies(images[copied], rng)
    leaks = place[copied] < check_dose(dose) * (n_women // 2)
    every = np.concatenate([images, copies[leaks]])
    own = np.concatenate([women, copied[leaks]])
    asked = np.concatenate([in_test, np.zeros(leaks.sum(), bool)])
    features = appearance(every, np.arange(len(every)), factor)
    distance = _squared_distances(features[asked], features)
    honest = ~asked[:n_women]
    fair = _random_label_auc(distance[:, :n_women][:, honest], women[honest], own[asked], labels)
    reported = _random_label_auc(distance[:, ~asked], own[~asked], own[asked], labels)
    names = np.concatenate([ids, [f"{one} (elsewhere)" for one in ids[copied[leaks]]]])
    guard = guards_split.duplicate_images(
        guards_split.image_fingerprint(every), names, np.where(asked, "test", "train")
    )
    return Outcome(dose, dose, reported, CHANCE, fair, guard)


def _draw(
    n_women: int, n_labellings: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Each woman's place in a random queue, and labels, shape (n_labellings, n_women).

    The first half of the queue is the test; in each half half of the women have cancer.
    """
    if n_women < FEWEST_WOMEN:
        raise InputError(f"{n_women} women are too few; at least {FEWEST_WOMEN} are needed.")
    place = rng.permutation(n_women)
    n_test = n_women // 2
    of_test = np.arange(n_test) < n_test // 2
    of_train = np.arange(n_women - n_test) < (n_women - n_test) // 2
    by_place = np.array(
        [
            np.concatenate([rng.permutation(of_test), rng.permutation(of_train)])
            for _ in range(n_labellings)
        ]
    )
    return place, by_place[:, place]


def _squared_distances(one: NDArray, other: NDArray) -> NDArray:
    """Between every row of one and every row of the other, shape (n_one, n_other)."""
    square = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)
    return square - 2 * one @ other.T


def _random_label_auc(
    distance: NDArray, of_train: NDArray[np.intp], of_test: NDArray[np.intp], labels: NDArray
) -> Estimate:
    """AUC of the nearest neighbour: how much nearer the nearest cancer is than the nearest other.

    The mean over labellings, with their 2.5th and 97.5th percentile.
    """
    values = []
    for label in labels:
        cancer = label[of_train]
        score = distance[:, ~cancer].min(axis=1) - distance[:, cancer].min(axis=1)
        values.append(auc(score, label[of_test]))
    low, high = np.quantile(values, [0.025, 0.975])
    return Estimate(float(np.mean(values)), float(low), float(high))
