"""A software upgrade that moves the scores of a device, and the threshold kept through it."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.errors import InputError
from mammolab.evaluate.resampling import PatientBootstrap, share_estimate
from mammolab.evaluate.subgroups import UNKNOWN
from mammolab.evaluate.thresholds import top_fraction_threshold
from mammolab.model.augment import require_store
from mammolab.model.network import ResNet18
from mammolab.model.score import exam_scores, score_images
from mammolab.pitfalls._unjudged import judged
from mammolab.pitfalls.failure import Failure, Outcome, check_dose
from mammolab.pitfalls.guards_calibration import threshold_by

# Grey level (0-1) that keeps its place: about the mean of a breast's pixels.
PIVOT = 0.3
# Contrast after the upgrade in full: half as much again, about what a tone curve gains that is
# 3.4 in place of 2.2 steep (assumption).
LARGEST_CONTRAST = 1.5

DEVICE_SCORES = Failure(
    name="device_scores",
    title="Threshold kept after an upgrade",
    metric="Healthy women recalled",
    dial="contrast of the device's pictures",
    guard="threshold_by",
    repair="Choose the threshold anew for each device and version, on its own healthy exams.",
    cost="Some hundred exams of every new version, read before its scores may be used.",
    source="de Vries et al. 2023, doi:10.1148/ryai.220146: 48.3% in place of 13.0% recalled at the "
    "developer's threshold, and three times as many after a software upgrade; "
    "PMC12062211: cancers predicted off by -32% to +33%, by maker.",
)


def software_upgrade(images: np.ndarray, contrast: float) -> NDArray[np.uint8]:
    """Return pictures as they look after an upgrade that makes the grey curve steeper.

    Parameters
    ----------
    images : uint8 array, shape (n, h, w)
    contrast : float
        Slope of the curve about `PIVOT`; 1 leaves the pictures as they are. Air stays black, and
        what would be darker than black or brighter than white is cut off.

    Returns
    -------
    uint8 array, shape (n, h, w)

    Raises
    ------
    InputError
        If the images are not 8-bit or the contrast not above 0.

    Examples
    --------
    >>> software_upgrade(np.array([[[0, 60, 100, 220]]], np.uint8), 1.5).tolist()
    [[[0, 52, 112, 255]]]
    """
    images = np.asarray(images)
    require_store(images, np.arange(len(images)))
    if not 0 < contrast < np.inf:
        raise InputError(f"contrast must be above 0 and finite, not {contrast}.")
    grey = np.arange(256)
    curve = np.rint(255 * PIVOT + contrast * (grey - 255 * PIVOT))
    return np.clip(curve, 0, 255).astype(np.uint8)[images]


def upgrade_sample(
    exams: pd.DataFrame, n_exams: int, rng: np.random.Generator
) -> tuple[str, pd.DataFrame]:
    """Choose the device to be upgraded and the exams that are scored again.

    Parameters
    ----------
    exams : DataFrame
        device, split ("dev", "test"), cancer_within_1y and more; one row an exam.
    n_exams : int
        Healthy exams scored again, at most, of dev and as many of test.
    rng : numpy Generator

    Returns
    -------
    str
        The device with the most exams; "unknown" stands for those that are missing.
    DataFrame
        Its exams with a column rescored (bool).

    Raises
    ------
    InputError
        If it has no healthy exam in dev or in test.
    """
    exams = exams.fillna({"device": UNKNOWN})
    device = str(exams["device"].value_counts().index[0])
    own = exams[exams["device"] == device].reset_index(drop=True)
    chosen = np.zeros(len(own), dtype=bool)
    for split in ("dev", "test"):
        healthy = np.flatnonzero((own["split"] == split) & ~own["cancer_within_1y"])
        if not len(healthy):
            raise InputError(
                f"{device} has no healthy exam in {split}: there is nothing to recall."
            )
        chosen[rng.permutation(healthy)[:n_exams]] = True
    return device, own.assign(rescored=chosen)


def device_scores(
    exams: pd.DataFrame,
    images: pd.DataFrame,
    store: np.ndarray,
    network: ResNet18,
    threshold: float,
    recall_rate: float,
    bootstrap: PatientBootstrap,
    rng: np.random.Generator,
    dose: float,
) -> Outcome:
    """Keep the threshold while the software of a device is upgraded.

    The vendor's new processing shows more contrast. No woman has changed, and to a reader the
    pictures look better; to a network they look like others than it has learned, and its scores
    move.

    Parameters
    ----------
    exams : DataFrame
        Of one device, as `upgrade_sample` returns them: exam_id, patient_id, split, score (before
        the upgrade), cancer_within_1y, sampling_weight, rescored.
    images : DataFrame
        exam_id and row (position in `store`) of the exams that are rescored.
    store : uint8 array, shape (n_images, h, w)
    network : ResNet18
        That gave the scores.
    threshold : float
        Chosen before the upgrade; `score >= threshold` is recalled.
    recall_rate : float in (0, 1)
        Share of the healthy that the threshold was chosen for.
    bootstrap : PatientBootstrap
        Of the test women.
    rng : numpy Generator
        Of the guard; it is copied, so that every dose sees the same.
    dose : float in [0, 1]
        How far the contrast rises from 1 to `LARGEST_CONTRAST`.

    Returns
    -------
    Outcome
        Shares of the healthy test women of the device at the threshold: reported before the
        upgrade, true after it; repaired at a threshold chosen on the device's dev women after it,
        which is taken as given. The guard compares dev women before with test women after.

    References
    ----------
    de Vries et al. 2023, doi:10.1148/ryai.220146; CDR by maker: PMC12062211.
    """
    contrast = 1 + (LARGEST_CONTRAST - 1) * check_dose(dose)
    anew = exams[exams["rescored"]]
    after = anew.set_index("exam_id")["score"]
    if contrast != 1:
        own = images[images["exam_id"].isin(anew["exam_id"])].sort_values("row")
        pictures = software_upgrade(store[own["row"].to_numpy()], contrast)
        after = exam_scores(own, score_images(network, pictures, np.arange(len(own))))
    anew = anew[anew["exam_id"].isin(after.index)]
    anew = anew.assign(after=anew["exam_id"].map(after))
    dev, test = anew[anew["split"] == "dev"], anew[anew["split"] == "test"]
    new_threshold = top_fraction_threshold(dev["after"], recall_rate, dev["sampling_weight"])
    everyone = np.ones(len(test), dtype=bool)
    reported, true, repaired = (
        share_estimate(recalled, everyone, test["patient_id"], test["sampling_weight"], bootstrap)
        for recalled in (
            test["score"] >= threshold,
            test["after"] >= threshold,
            test["after"] >= new_threshold,
        )
    )
    before = exams[exams["split"] == "dev"]
    both = pd.concat(
        [
            before.assign(version="old version"),
            test.assign(version="new version", score=test["after"]),
        ]
    )
    guard = judged(
        threshold_by,
        both["score"],
        threshold,
        both["cancer_within_1y"],
        both["version"],
        both["patient_id"],
        deepcopy(rng),
        both["sampling_weight"],
    )
    return Outcome(dose, contrast, reported, true, repaired, guard)
