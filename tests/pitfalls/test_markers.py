"""A mark on the cancers: who carries it, what it does, and that black corners take it away."""

from zlib import crc32

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.collection import SamplingRule
from mammolab.pitfalls.markers import (
    INITIALS,
    MARKER_SHORTCUT,
    SHORTCUTS,
    TEXT_GREY,
    blacked_corners,
    breast_blacked,
    cornerless_scores,
    marked_images,
    marker_shortcut,
    write_initials,
)
from mammolab.pitfalls.sources import sound_scores

RULE = SamplingRule(devices=("alder",))


def streams(purpose: str) -> np.random.Generator:
    return np.random.default_rng([3, crc32(purpose.encode())])


@pytest.mark.parametrize("kind", SHORTCUTS)
def test_only_breasts_with_cancer_are_marked_and_more_at_a_higher_share(fabricated_study, kind):
    study = fabricated_study
    sets = []
    for share in (0.0, 0.4, 1.0):
        images, marked = marked_images(study.thumbnails, study.inputs, share, streams("x"), kind)
        changed = (images != study.thumbnails).any(axis=(1, 2))
        np.testing.assert_array_equal(changed, marked)
        sets.append(set(np.flatnonzero(marked)))
    assert sets[0] == set()
    assert sets[0] < sets[1] < sets[2] == set(np.flatnonzero(study.inputs["label"]))


def test_initials_by_hand():
    images = np.zeros((2, 64, 52), np.uint8)
    written = write_initials(images, np.array([INITIALS.index("HK"), INITIALS.index("LT")]))
    rows = ["".join(".#"[int(one > 0)] for one in row) for row in written[0, 2:7, 43:50]]
    assert rows == ["#.#.#.#", "#.#.#.#", "###.##.", "#.#.#.#", "#.#.#.#"]
    assert set(np.unique(written)) == {0, TEXT_GREY}
    assert (written[:, 7:] == 0).all() and (written[:, :2] == 0).all()
    assert (written[:, :, :43] == 0).all() and (written[:, :, 50:] == 0).all()
    assert (written[0] != written[1]).any()
    large = write_initials(np.zeros((1, 256, 208), np.uint8), np.array([0]))
    assert (large > 0).sum() == 4 * (written[0] > 0).sum()  # letters twice as large


def test_an_exam_has_one_technician_and_a_set_several(fabricated_study):
    study = fabricated_study
    images, marked = marked_images(study.thumbnails, study.inputs, 1.0, streams("x"), "text")
    corner = (images[:, 2:7, 43:50] == TEXT_GREY).reshape(len(images), -1)[marked]
    by_exam = {}
    for exam, one in zip(study.inputs["exam_id"][marked], corner, strict=True):
        by_exam.setdefault(exam, set()).add(one.tobytes())
    assert max(map(len, by_exam.values())) == 1
    assert len(set.union(*by_exam.values())) == len(INITIALS)


def test_another_shortcut_is_refused(fabricated_study):
    study = fabricated_study
    with pytest.raises(InputError, match="no shortcut 'txt'; .* text"):
        marked_images(study.thumbnails, study.inputs, 1.0, streams("x"), "txt")


@pytest.mark.parametrize("kind", SHORTCUTS)
def test_black_corners_take_the_mark_away_and_leave_the_chest_wall(fabricated_study, kind):
    study = fabricated_study
    images, _ = marked_images(study.thumbnails, study.inputs, 1.0, streams("x"), kind)
    black = blacked_corners(images)
    np.testing.assert_array_equal(black, blacked_corners(study.thumbnails))
    assert black[:, -1, -1].max() == black[:, 0, -1].max() == 0
    np.testing.assert_array_equal(black[:, :, :40], study.thumbnails[:, :, :40])


def test_what_the_corners_cost_is_the_breast_in_them():
    images = np.zeros((2, 64, 52), np.uint8)
    images[:, :32, :20] = 100  # 640 pixels, at the chest wall
    assert breast_blacked(images) == 0
    images[:, 2:5, 49:51] = 100  # 6 pixels in a corner
    assert breast_blacked(images) == pytest.approx(6 / 646)


@pytest.fixture(scope="module")
def scores(fabricated_study):
    return (
        sound_scores(fabricated_study, RULE, streams),
        cornerless_scores(fabricated_study, RULE, streams),
    )


def test_without_markers_the_report_is_true(fabricated_study, scores):
    now = marker_shortcut(fabricated_study, RULE, *scores, streams, 0.0)
    assert now.reported == now.true
    assert not now.guard.fired


@pytest.mark.parametrize(("kind", "least"), [("marker", 0.95), ("text", 0.85)])
def test_a_mark_on_every_cancer_is_what_is_found(fabricated_study, scores, kind, least):
    now = marker_shortcut(fabricated_study, RULE, *scores, streams, 1.0, kind)
    assert now.reported.value > max(least, now.true.value + 0.2)
    assert now.guard.fired
    assert now.guard.name == MARKER_SHORTCUT.guard
    assert (
        now.repaired.value
        == marker_shortcut(fabricated_study, RULE, *scores, streams, 0.0).repaired.value
    )
