"""An upgrade that moves the scores of a device, where what it does is planted."""

import numpy as np
import pandas as pd
import pytest
import torch

from mammolab.errors import InputError
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.model.score import exam_scores, score_images
from mammolab.pitfalls.upgrade import (
    LARGEST_CONTRAST,
    device_scores,
    software_upgrade,
    upgrade_sample,
)


class TestUpgrade:
    def test_no_more_contrast_leaves_every_grey_level(self):
        images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
        np.testing.assert_array_equal(software_upgrade(images, 1.0), images)

    def test_is_steeper_about_the_pivot_and_keeps_air_black(self):
        images = np.array([[[0, 60, 76, 77, 100, 220]]], np.uint8)
        assert software_upgrade(images, 1.5).tolist() == [[[0, 52, 76, 77, 112, 255]]]

    @pytest.mark.parametrize("contrast", [0.0, -1.0, np.nan])
    def test_contrast(self, contrast):
        with pytest.raises(InputError, match="contrast must be above 0"):
            software_upgrade(np.zeros((1, 2, 2), np.uint8), contrast)

    def test_other_types_are_refused(self):
        with pytest.raises(InputError, match="8-bit"):
            software_upgrade(np.zeros((1, 2, 2)), 1.5)


class TestSample:
    def exams(self):
        rng = np.random.default_rng(0)
        return pd.DataFrame(
            {
                "exam_id": [f"E{k}" for k in range(200)],
                "device": rng.choice(["alder", "birch"], 200, p=[0.7, 0.3]),
                "split": rng.choice(["dev", "test"], 200),
                "cancer_within_1y": rng.random(200) < 0.2,
            }
        )

    def test_takes_the_device_most_used_and_healthy_exams_of_both_splits(self):
        name, own = upgrade_sample(self.exams(), 20, np.random.default_rng(0))
        assert name == "alder"
        assert set(own["device"]) == {"alder"}
        anew = own[own["rescored"]]
        assert anew["split"].value_counts().to_dict() == {"dev": 20, "test": 20}
        assert not anew["cancer_within_1y"].any()

    def test_missing_devices_are_one_unknown(self):
        name, own = upgrade_sample(self.exams().assign(device=None), 5, np.random.default_rng(0))
        assert name == "unknown"
        assert len(own) == 200

    def test_a_split_without_healthy_women(self):
        exams = self.exams()
        exams.loc[exams["split"] == "dev", "cancer_within_1y"] = True
        with pytest.raises(InputError, match="alder has no healthy exam in dev"):
            upgrade_sample(exams, 5, np.random.default_rng(0))


class Brightness(torch.nn.Module):
    """A stand-in for a detector: its score is the mean grey level."""

    def __init__(self):
        super().__init__()
        self.config = type("Config", (), {"views": 1})()

    def forward(self, images):
        return images.mean(dim=(1, 2, 3))


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(2)
    n = 240
    exams = pd.DataFrame(
        {
            "exam_id": [f"E{k}" for k in range(n)],
            "patient_id": [f"P{k}" for k in range(n)],
            "device": "alder",
            "split": np.repeat(["dev", "test"], n // 2),
            "cancer_within_1y": np.arange(n) % 12 == 0,
            "sampling_weight": 1.0,
        }
    )
    # pictures of one bright grey level each, two an exam
    grey = np.repeat(np.clip(rng.normal(120, 12, n), 80, 200), 2).astype(np.uint8)
    store = np.broadcast_to(grey[:, None, None], (2 * n, 4, 4)).copy()
    images = pd.DataFrame({"exam_id": exams["exam_id"].repeat(2), "row": np.arange(2 * n)})
    logits = score_images(Brightness(), store, images["row"])
    exams["score"] = exams["exam_id"].map(exam_scores(images, logits))
    _, sample = upgrade_sample(exams, 200, rng)
    healthy = sample[(sample["split"] == "dev") & ~sample["cancer_within_1y"]]
    threshold = float(healthy["score"].quantile(0.9))
    bootstrap = PatientBootstrap.draw(exams["patient_id"], 300, 1)
    return sample, images, store, Brightness(), threshold, 0.1, bootstrap


class TestDeviceScores:
    def at(self, world, dose):
        return device_scores(*world, np.random.default_rng(4), dose)

    def test_without_an_upgrade_nothing_changes_and_the_guard_is_silent(self, world):
        outcome = self.at(world, 0.0)
        assert outcome.setting == 1.0
        assert outcome.reported == outcome.true
        assert not outcome.guard.fired
        assert outcome.reported.value == pytest.approx(0.1, abs=0.06)

    def test_brighter_pictures_flood_the_threshold_and_a_new_one_repairs_it(self, world):
        outcome = self.at(world, 1.0)
        assert outcome.setting == LARGEST_CONTRAST
        assert outcome.reported == self.at(world, 0.0).reported
        assert outcome.true.value > 0.6
        assert outcome.damage < 0
        assert outcome.repaired.value == pytest.approx(0.1, abs=0.06)
        assert outcome.guard.fired
        assert "version" in outcome.guard.message

    def test_dose_by_dose_more_are_recalled(self, world):
        shares = [self.at(world, dose).true.value for dose in (0.0, 0.25, 0.5, 1.0)]
        assert (np.diff(shares) >= 0).all()

    def test_same_again(self, world):
        assert self.at(world, 0.5) is not self.at(world, 0.5)
        assert vars(self.at(world, 0.5)) == vars(self.at(world, 0.5))

    def test_dose_outside(self, world):
        with pytest.raises(InputError, match="dose must lie between 0"):
            self.at(world, 1.5)
