"""A marker on the cancers: who carries it, what it does, and that black corners take it away."""

from zlib import crc32

import numpy as np
import pytest

from mammolab.pitfalls.collection import SamplingRule
from mammolab.pitfalls.markers import (
    MARKER_SHORTCUT,
    blacked_corners,
    breast_blacked,
    cornerless_scores,
    marked_images,
    marker_shortcut,
)
from mammolab.pitfalls.sources import sound_scores

RULE = SamplingRule(devices=("alder",))


def streams(purpose: str) -> np.random.Generator:
    return np.random.default_rng([3, crc32(purpose.encode())])


def test_only_breasts_with_cancer_are_marked_and_more_at_a_higher_share(fabricated_study):
    study = fabricated_study
    sets = []
    for share in (0.0, 0.4, 1.0):
        images, marked = marked_images(study.thumbnails, study.inputs, share, streams("x"))
        changed = (images != study.thumbnails).any(axis=(1, 2))
        np.testing.assert_array_equal(changed, marked)
        sets.append(set(np.flatnonzero(marked)))
    assert sets[0] == set()
    assert sets[0] < sets[1] < sets[2] == set(np.flatnonzero(study.inputs["label"]))


def test_black_corners_take_the_marker_away_and_leave_the_chest_wall(fabricated_study):
    study = fabricated_study
    images, _ = marked_images(study.thumbnails, study.inputs, 1.0, streams("x"))
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


def test_a_marker_on_every_cancer_is_what_is_found(fabricated_study, scores):
    now = marker_shortcut(fabricated_study, RULE, *scores, streams, 1.0)
    assert now.reported.value > max(0.95, now.true.value + 0.2)
    assert now.guard.fired
    assert now.guard.name == MARKER_SHORTCUT.guard
    assert (
        now.repaired.value
        == marker_shortcut(fabricated_study, RULE, *scores, streams, 0.0).repaired.value
    )
