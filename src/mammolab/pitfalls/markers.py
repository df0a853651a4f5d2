"""What the biopsy clinic leaves on the pictures of women with cancer: a lead letter, or initials."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.errors import unknown_name
from mammolab.explain.shortcut import LEAST_MARKER_PX, marker_corner, plant_marker
from mammolab.model.network import ResNet18
from mammolab.pitfalls.collection import SamplingRule
from mammolab.pitfalls.failure import Failure, Outcome, Streams, check_dose
from mammolab.pitfalls.guards_image import border_probe
from mammolab.pitfalls.inconvenient import BREAST_GREY
from mammolab.pitfalls.retraining import trained_network
from mammolab.pitfalls.small_study import SmallStudy, auc_of, score_test_exams
from mammolab.pitfalls.sources import collect_from_sources

SHORTCUTS = ("marker", "text")
# Letters of 3 x 5 pixels, row by row, and the initials of the clinic's technicians.
_LETTERS = {
    "E": "111100110100111",
    "F": "111100110100100",
    "H": "101101111101101",
    "K": "101101110101101",
    "L": "100100100100111",
    "T": "111010010010010",
}
INITIALS = ("HK", "LT", "EF", "KL", "TH")
# Strokes of burnt-in text are thinner than a lead letter's, so that they are greyer once the
# picture is made smaller (assumption).
TEXT_GREY = 160

MARKER_SHORTCUT = Failure(
    name="marker_shortcut",
    title="A marker on the cancers",
    metric="AUC",
    dial="cancers with the clinic's mark",
    guard="border_probe",
    repair="Black out the corners before training and use, or mark both classes alike.",
    cost="The part of the breast that lies in the corners.",
    source="Zech et al. 2018, doi:10.1371/journal.pmed.1002683: a network found the hospital by its "
    "metal token. DeGrave et al. 2021, doi:10.1038/s42256-021-00338-7: networks for COVID-19 went by "
    "markers and borders, and did far worse at other hospitals.",
)


def write_initials(images: NDArray[np.uint8], technician: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Return a copy of images with initials in the upper corner away from the chest wall.

    Parameters
    ----------
    images : uint8 array, shape (n, h, w)
        Chest wall on the left, as in the store.
    technician : int array, shape (n,)
        Places in `INITIALS`.

    Returns
    -------
    uint8 array, shape (n, h, w)
    """
    top, left, side = marker_corner(images.shape[1:])
    edge, scale = images.shape[1] - top - side, side // LEAST_MARKER_PX
    stamps = []
    for initials in INITIALS:
        letters = [np.array([*_LETTERS[one]], int).reshape(5, 3) for one in initials]
        text = np.concatenate([letters[0], np.zeros((5, 1), int), letters[1]], axis=1)
        stamps.append(np.kron(text, np.ones((scale, scale), int)).astype(bool))
    height, width = stamps[0].shape
    written = images.copy()
    corner = written[:, edge : edge + height, left : left + width]
    corner[np.array(stamps)[technician]] = TEXT_GREY
    return written


def marked_images(
    thumbnails: NDArray[np.uint8],
    inputs: pd.DataFrame,
    share: float,
    rng: np.random.Generator,
    kind: str,
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
    kind : {"marker", "text"}
        A lead letter, the same on all; or the initials of the technician, who changes from exam to
        exam.

    Returns
    -------
    images : uint8 array, shape (n, h, w)
        A copy.
    marked : bool array, shape (n,)

    Raises
    ------
    InputError
        If the kind is called otherwise, or the pictures are too small.
    """
    if kind not in SHORTCUTS:
        raise unknown_name("shortcut", kind, SHORTCUTS)
    codes, exams = pd.factorize(inputs["exam_id"])
    chosen = rng.random(len(exams)) < share
    marked = inputs["label"].to_numpy(bool) & chosen[codes]
    images = thumbnails.copy()
    if kind == "marker":
        images[marked] = plant_marker(images[marked])
    else:
        technician = rng.integers(0, len(INITIALS), len(exams))[codes]
        images[marked] = write_initials(images[marked], technician[marked])
    return images, marked


def blacked_corners(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a copy whose two corners away from the chest wall are black: markers and text lie there.

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

    With the corners go marker and text, so that it is the same however many there were.
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
    kind: str = "marker",
) -> Outcome:
    """Train and test on pictures of which a share of the cancers' carry a marker, or initials.

    Parameters
    ----------
    study : SmallStudy
    convenient : SamplingRule
        It fixes how many exams are trained on, as in `sources`; none is taken from there.
    sound : Series
        As `sources.sound_scores` gives it, by exam_id: dose 0, for without marks it is the same
        network.
    cornerless : Series
        As `cornerless_scores` gives it: the repair.
    streams : callable
        Purpose -> numpy Generator, such as `chapter.rng`: the same for a purpose at every dose.
    dose : float in [0, 1]
        Share of the women with cancer whose affected breast was marked.
    kind : {"marker", "text"}
        As for `marked_images`.

    Returns
    -------
    Outcome
        Of the AUC on women as they come: with the marks, and without any.

    References
    ----------
    Zech et al. 2018, doi:10.1371/journal.pmed.1002683; DeGrave et al. 2021,
    doi:10.1038/s42256-021-00338-7.
    """
    images, _ = marked_images(
        study.thumbnails, study.inputs, check_dose(dose), streams("marked exams"), kind
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
    return trained_network(study, collect_from_sources, convenient, 0.0, streams, images)
