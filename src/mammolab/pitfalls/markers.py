"""A lead letter of the biopsy clinic on the pictures of women with cancer."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.explain.shortcut import marker_corner, plant_marker
from mammolab.model.network import ResNet18
from mammolab.pitfalls.collection import SamplingRule
from mammolab.pitfalls.failure import Failure, Outcome, Streams, check_dose
from mammolab.pitfalls.guards_image import border_probe
from mammolab.pitfalls.inconvenient import BREAST_GREY
from mammolab.pitfalls.small_study import SmallStudy, auc_of, score_test_exams, train_on
from mammolab.pitfalls.sources import collect_from_sources

MARKER_SHORTCUT = Failure(
    name="marker_shortcut",
    title="A marker on the cancers",
    metric="AUC",
    dial="cancers with the clinic's marker",
    guard="border_probe",
    repair="Black out the corners before training and use, or mark both classes alike.",
    cost="The part of the breast that lies in the corners.",
    source="Zech et al. 2018, doi:10.1371/journal.pmed.1002683: a network found the hospital by its "
    "metal token. DeGrave et al. 2021, doi:10.1038/s42256-021-00338-7: networks for COVID-19 went by "
    "markers and borders, and did far worse at other hospitals.",
)


def marked_images(
    thumbnails: NDArray[np.uint8], inputs: pd.DataFrame, share: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Plant a marker on the images of breasts with cancer, in a share of the exams.

    Parameters
    ----------
    thumbnails : uint8 array, shape (n, h, w)
    inputs : DataFrame, n rows
        As `model.exams.image_labels` gives it, in the order of the images.
    share : float in [0, 1]
        Of the exams with cancer; who is marked at a smaller share is at a larger one too.
    rng : numpy Generator

    Returns
    -------
    images : uint8 array, shape (n, h, w)
        A copy.
    marked : bool array, shape (n,)
    """
    codes, exams = pd.factorize(inputs["exam_id"])
    chosen = rng.random(len(exams)) < share
    marked = inputs["label"].to_numpy(bool) & chosen[codes]
    images = thumbnails.copy()
    images[marked] = plant_marker(images[marked])
    return images, marked


def blacked_corners(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a copy whose two corners away from the chest wall are black, where markers lie.

    Parameters
    ----------
    images : uint8 array, shape (n, h, w)
        Chest wall on the left, as in the store.
    """
    top, left, _ = marker_corner(images.shape[1:])
    black = images.copy()
    black[:, top:, left:] = 0
    black[:, : images.shape[1] - top, left:] = 0
    return black


def breast_blacked(images: NDArray[np.uint8]) -> float:
    """Return the share of the breast's pixels that lie in the corners: what the repair costs."""
    breast = images > BREAST_GREY
    return 1 - float((blacked_corners(images) > BREAST_GREY).sum() / breast.sum())


def cornerless_scores(study: SmallStudy, convenient: SamplingRule, streams: Streams) -> pd.Series:
    """Test scores of the network that never sees a corner: the repair.

    With the corners go the markers, so that it is the same however many there were.
    """
    images = blacked_corners(study.thumbnails)
    return score_test_exams(study, _trained(study, convenient, streams, images), images)


def marker_shortcut(
    study: SmallStudy,
    convenient: SamplingRule,
    sound: pd.Series,
    cornerless: pd.Series,
    streams: Streams,
    dose: float,
) -> Outcome:
    """Train and test on pictures of which a share of the cancers' carry a marker.

    Parameters
    ----------
    study : SmallStudy
    convenient : SamplingRule
        It fixes how many exams are trained on, as in `sources`; none is taken from there.
    sound : Series
        As `sources.sound_scores` gives it, by exam_id: dose 0, for without markers it is the same
        network.
    cornerless : Series
        As `cornerless_scores` gives it: the repair.
    streams : callable
        Purpose -> numpy Generator, such as `chapter.rng`: the same for a purpose at every dose.
    dose : float in [0, 1]
        Share of the women with cancer whose affected breast was marked.

    Returns
    -------
    Outcome
        Of the AUC on women as they come: with the markers, and without any.

    References
    ----------
    Zech et al. 2018, doi:10.1371/journal.pmed.1002683; DeGrave et al. 2021,
    doi:10.1038/s42256-021-00338-7.
    """
    images, _ = marked_images(
        study.thumbnails, study.inputs, check_dose(dose), streams("marked exams")
    )
    with_markers = without = sound
    if dose > 0:
        network = _trained(study, convenient, streams, images)
        with_markers = score_test_exams(study, network, images)
        without = score_test_exams(study, network)
    reported, true, repaired = (
        auc_of(scores, study.of_split("test"), study.bootstrap, weighted=True)
        for scores in (with_markers, without, cornerless)
    )
    test = (study.inputs["split"] == "test").to_numpy()
    of_test = study.inputs[test]
    guard = border_probe(
        images[test], of_test["label"], of_test["patient_id"], streams("border permutations")
    )
    return Outcome(dose, dose, reported, true, repaired, guard)


def _trained(
    study: SmallStudy,
    convenient: SamplingRule,
    streams: Streams,
    images: NDArray[np.uint8],
) -> ResNet18:
    train = collect_from_sources(
        study.of_split("train"), convenient, 0.0, streams("collect small train")
    )
    return train_on(study, train["exam_id"], streams("small training"), images)
