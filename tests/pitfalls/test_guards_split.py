"""Patients and pictures on both sides of a split: found where planted, and only there."""

import numpy as np
import pytest
from scipy import ndimage

from mammolab.errors import InputError
from mammolab.pitfalls.guards_split import duplicate_images, image_fingerprint, patient_overlap

PARTS = np.array(["train", "test"])


def pictures(n: int, seed: int = 0) -> np.ndarray:
    """Smooth random shapes on a dark ground, 96 x 64."""
    rng = np.random.default_rng(seed)
    blurred = ndimage.gaussian_filter(rng.normal(size=(n, 96, 64)), (0, 3, 3))
    bright = 60 + 45 * blurred / blurred.std()
    bright[:, :, 40:] = 0
    return np.clip(bright, 0, 255).astype(np.uint8)


class TestPatientOverlap:
    def test_by_hand(self):
        verdict = patient_overlap(
            ["a", "a", "b", "c", "c"], ["train", "test", "train", "dev", "dev"]
        )
        assert verdict.fired
        assert verdict.statistic == pytest.approx(1 / 3)
        assert "1 of 3 patients" in verdict.message
        assert " a:" in verdict.message

    def test_silent_where_patients_are_whole(self):
        verdict = patient_overlap(["a", "a", "b"], ["train", "train", "test"])
        assert not verdict.fired
        assert verdict.statistic == 0

    def test_a_row_in_no_split_is_no_overlap(self):
        assert not patient_overlap(["a", "a", "b"], ["train", None, "test"]).fired

    def test_row_order_does_not_matter(self):
        rng = np.random.default_rng(0)
        ids, split = rng.integers(0, 50, 200).astype(str), PARTS[rng.integers(0, 2, 200)]
        order = rng.permutation(200)
        assert patient_overlap(ids, split) == patient_overlap(ids[order], split[order])

    def test_refusals(self):
        with pytest.raises(InputError, match="at least two parts"):
            patient_overlap(["a", "b"], ["train", "train"])
        with pytest.raises(InputError, match="empty"):
            patient_overlap([], [])
        with pytest.raises(InputError, match="rows where 2"):
            patient_overlap(["a", "b"], ["train"])
        with pytest.raises(InputError, match="none missing"):
            patient_overlap(np.array(["a", None], dtype=object), ["train", "test"])


class TestDuplicateImages:
    ids = np.arange(200).astype(str)
    split = np.repeat(PARTS, 100)

    def test_silent_on_different_pictures(self):
        verdict = duplicate_images(image_fingerprint(pictures(200)), self.ids, self.split)
        assert not verdict.fired
        assert verdict.statistic == 0

    @pytest.mark.parametrize(
        "change",
        [
            lambda x: x,
            lambda x: (0.8 * x + 15).astype(np.uint8),
            lambda x: np.clip(x + np.random.default_rng(1).normal(0, 3, x.shape), 0, 255).astype(
                np.uint8
            ),
        ],
        ids=["copied", "windowed", "noisy"],
    )
    def test_finds_copies_under_another_id(self, change):
        images = pictures(200)
        images[100:105] = change(images[:5])
        verdict = duplicate_images(image_fingerprint(images), self.ids, self.split)
        assert verdict.fired
        assert verdict.statistic == 10 / 200
        assert "5 pairs across splits, 5 of them under two patient ids, and 0" in verdict.message

    def test_finds_a_copy_at_half_the_resolution(self):
        images = pictures(2)
        whole = image_fingerprint(images)
        half = image_fingerprint(images.reshape(2, 48, 2, 32, 2).mean(axis=(2, 4)).astype(np.uint8))
        found = duplicate_images(np.concatenate([whole, half]), list("abcd"), list("xxyy"))
        assert found.statistic == 1

    @pytest.mark.parametrize("split", [split, None])
    def test_copies_within_a_split_are_of_one_patient_or_counted(self, split):
        images = pictures(200)
        images[50] = images[51]
        ids = self.ids.copy()
        verdict = duplicate_images(image_fingerprint(images), ids, split)
        assert verdict.fired
        assert verdict.statistic == 2 / 200
        assert ("0 pairs across splits" in verdict.message) == (split is not None)
        ids[50] = ids[51]
        assert duplicate_images(image_fingerprint(images), ids, split).statistic == 0

    def test_a_copy_in_no_split_is_passed_over(self):
        images = pictures(200)
        images[50] = images[51]
        split = self.split.astype(object)
        split[50] = None
        assert duplicate_images(image_fingerprint(images), self.ids, split).statistic == 0

    def test_blank_images_have_no_twins(self):
        images = pictures(200)
        images[[0, 1, 150, 151]] = np.array([0, 7, 0, 255])[:, None, None]
        fingerprints = image_fingerprint(images)
        assert not fingerprints[[0, 1, 150, 151]].any()
        assert duplicate_images(fingerprints, self.ids, self.split).statistic == 0

    def test_bits_by_hand(self):
        fingerprints = np.array([0b1111, 0b1110, 0b11110000], dtype=np.uint64)
        ids, split = ["a", "b", "c"], ["x", "y", "y"]
        assert duplicate_images(fingerprints, ids, split, max_bits=0).statistic == 0
        assert duplicate_images(fingerprints, ids, split, max_bits=1).statistic == 2 / 3
        assert duplicate_images(fingerprints, ids, split, max_bits=8).statistic == 1
        # a and c are eight bits apart, b and c seven: of one patient in one split that is no twin
        assert duplicate_images(fingerprints, ["a", "b", "b"], split, max_bits=7).statistic == 2 / 3

    def test_blocks_do_not_matter(self):
        rng = np.random.default_rng(3)
        fingerprints = rng.integers(1, 2**63, 1300, dtype=np.uint64)
        fingerprints[1299] = fingerprints[0]
        fingerprints[700] = fingerprints[600]
        ids = np.arange(1300).astype(str)
        split = np.where(np.arange(1300) < 650, "x", "y")
        assert duplicate_images(fingerprints, ids, split, max_bits=0).statistic == 4 / 1300
        ids[[700, 1299]] = ids[[600, 0]]
        assert duplicate_images(fingerprints, ids, split, max_bits=0).statistic == 4 / 1300
        assert duplicate_images(fingerprints, ids, None, max_bits=0).statistic == 0

    def test_row_order_does_not_matter(self):
        images = pictures(200)
        images[100:105] = images[:5]
        fingerprints, order = image_fingerprint(images), np.random.default_rng(4).permutation(200)
        assert duplicate_images(fingerprints, self.ids, self.split) == duplicate_images(
            fingerprints[order], self.ids[order], self.split[order]
        )

    def test_refusals(self):
        with pytest.raises(InputError, match="uint8 images"):
            image_fingerprint(np.zeros((2, 96, 64)))
        with pytest.raises(InputError, match="24 x 24"):
            image_fingerprint(np.zeros((2, 12, 64), dtype=np.uint8))
        with pytest.raises(InputError, match="unsigned integers"):
            duplicate_images(np.zeros(3), list("abc"), list("xyy"))
        with pytest.raises(InputError, match="names x"):
            duplicate_images(np.ones(2, dtype=np.uint64), list("ab"), list("xx"))
