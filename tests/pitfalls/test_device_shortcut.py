"""A collection in which the device goes with the label, and the repairs, on planted features."""

from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.model.adversary import AdversaryConfig
from mammolab.model.network import NetworkConfig, ResNet18
from mammolab.pitfalls.device_repairs import best_repair, compare_ways, dev_aucs, device_shortcut
from mammolab.pitfalls.device_shortcut import (
    LARGEST_SHARE,
    FrozenFeatures,
    cannot_collect,
    collect,
    frozen_features,
    one_image_each,
    share_at,
)
from mammolab.pitfalls.device_ways import WAYS, calibrate_by_device, train_ways

LABEL_SHIFT, DEVICE_SHIFT = 1.5, 2.5  # standard deviations
IDEAL = norm.cdf(LABEL_SHIFT / np.sqrt(2))


def exams(n, seed=0):
    """Exams on three devices, the first two of them theirs; device and label are unrelated."""
    rng = np.random.default_rng(seed)
    device = rng.choice(["alder", "birch", "cedar"], n, p=[0.3, 0.2, 0.5])
    return pd.DataFrame(
        {
            "exam_id": [f"E{k}" for k in range(n)],
            "patient_id": [f"P{k}" for k in range(n)],
            "split": rng.choice(["train", "dev", "test"], n, p=[0.6, 0.2, 0.2]),
            "label": rng.random(n) < 0.3,
            "device": device,
            "sampling_weight": rng.choice([1.0, 4.0], n),
            "theirs": device != "cedar",
        }
    )


@pytest.fixture(scope="module")
def planted():
    """A feature for the label, one for the device, and four of noise."""
    rng = np.random.default_rng(1)
    frame = exams(6000)
    values = rng.normal(size=(len(frame), 6)).astype(np.float32)
    values[:, 0] += LABEL_SHIFT * frame["label"]
    values[:, 1] += DEVICE_SHIFT * frame["theirs"]
    return FrozenFeatures(frame, values, values + 0.1)


@pytest.fixture(scope="module")
def bootstrap(planted):
    test = planted.exams[planted.exams["split"] == "test"]
    return PatientBootstrap.draw(test["patient_id"], 200, 3)


@pytest.fixture(scope="module")
def train_at(planted):
    return cache(partial(train_ways, planted, AdversaryConfig(), (1, 2)))


@pytest.fixture(scope="module")
def outcome(planted, train_at, bootstrap):
    rng = np.random.default_rng(5)
    return cache(partial(device_shortcut, planted, train_at, bootstrap, rng))


class TestCollect:
    @pytest.mark.parametrize("dose", [0.0, 0.5, 1.0])
    def test_shares_are_those_of_the_dose(self, dose):
        taken = collect(exams(3000), dose)
        of_cancers = taken.loc[taken["label"], "theirs"].mean()
        of_healthy = taken.loc[~taken["label"], "theirs"].mean()
        assert of_cancers == pytest.approx(share_at(dose), abs=0.005)
        assert of_healthy == pytest.approx(1 - share_at(dose), abs=0.005)
        assert taken["label"].mean() == pytest.approx(0.5, abs=0.005)

    def test_as_many_at_every_dose_and_neighbours_share_most(self):
        frame = exams(3000)
        sizes = [len(collect(frame, dose)) for dose in (0.0, 0.3, 1.0)]
        assert max(sizes) - min(sizes) <= 2
        first, second = collect(frame, 0.5), collect(frame, 0.6)
        assert first["exam_id"].isin(second["exam_id"]).mean() > 0.95

    def test_share_runs_from_a_half_to_the_largest(self):
        assert (share_at(0.0), share_at(1.0)) == (0.5, LARGEST_SHARE)

    def test_one_device(self):
        frame = exams(300).assign(device="alder", theirs=True)
        assert cannot_collect(frame).startswith("There is only one device")
        with pytest.raises(InputError, match="only one device"):
            collect(frame, 1.0)

    def test_too_few(self):
        frame = exams(300)
        frame = frame[frame["theirs"] | ~frame["label"]]
        with pytest.raises(InputError, match="0 and .* of the others, are too few for 5"):
            collect(frame, 1.0)


class TestOneImageEach:
    def labelled(self):
        frame = exams(400).drop(columns=["theirs", "device"])
        images = pd.concat([frame.assign(laterality=side) for side in "LR"], ignore_index=True)
        images["image_id"] = [f"I{k}" for k in range(len(images))]
        images["row"] = np.arange(len(images))
        images["label"] &= images["laterality"] == "L"  # all cancers are on the left
        cohort = exams(400).rename(columns={"label": "cancer_within_1y"})
        return images, cohort

    def test_shows_the_breast_with_the_cancer(self):
        images, cohort = self.labelled()
        drawn = one_image_each(images, cohort, 2, np.random.default_rng(0))
        assert drawn["exam_id"].is_unique
        cancers = cohort.set_index("exam_id").loc[drawn["exam_id"], "cancer_within_1y"]
        assert (drawn["label"].to_numpy() == cancers.to_numpy()).all()
        assert (drawn.loc[drawn["label"], "row"] < 400).all()
        assert set(drawn.loc[drawn["theirs"], "device"]) == {"alder", "cedar"}  # most used

    def test_all_dev_and_test_exams_stay_and_every_dose_can_be_collected(self):
        images, cohort = self.labelled()
        drawn = one_image_each(images, cohort, 2, np.random.default_rng(0))
        assert (drawn["split"] == "test").sum() == (cohort["split"] == "test").sum()
        train = drawn[drawn["split"] == "train"]
        assert (
            train["label"].sum()
            == (cohort["cancer_within_1y"] & (cohort["split"] == "train")).sum()
        )
        for dose in (0.0, 1.0):
            assert collect(train, dose)["label"].mean() == pytest.approx(0.5, abs=0.02)

    def test_without_devices_as_many_healthy_as_cancers(self):
        images, cohort = self.labelled()
        drawn = one_image_each(images, cohort.assign(device=None), 2, np.random.default_rng(0))
        assert set(drawn["device"]) == {"unknown"}
        train = drawn[drawn["split"] == "train"]
        assert train["label"].mean() == 0.5


def test_features_are_those_of_half_sized_images_and_vary_in_training_only():
    rng = np.random.default_rng(0)
    store = rng.integers(0, 256, (6, 64, 64), dtype=np.uint8)
    images = exams(6).assign(row=[5, 4, 3, 2, 1, 0], split=["train", "dev"] * 3)
    network = ResNet18(NetworkConfig(width=4))
    found = frozen_features(images, store, network, np.random.default_rng(1))
    assert found.values.shape == found.varied.shape
    train = (images["split"] == "train").to_numpy()
    assert np.isfinite(found.varied[train]).all()
    assert np.isnan(found.varied[~train]).all()
    assert np.abs(found.varied[train] - found.values[train]).max() > 0.01
    alone = frozen_features(images.iloc[[2]], store, network, np.random.default_rng(1))
    np.testing.assert_allclose(alone.values[0], found.values[2], atol=0.02)  # bfloat16


class TestCalibration:
    def test_healthy_dev_women_of_every_device_get_mean_0_and_spread_1(self):
        frame = exams(2000)
        rng = np.random.default_rng(4)
        score = rng.normal(size=2000) + 3 * (frame["device"] == "birch").to_numpy()
        found = calibrate_by_device(frame, score)
        for name in ("alder", "birch", "cedar"):
            own = (frame["device"] == name) & (frame["split"] == "dev") & ~frame["label"]
            weight = frame.loc[own, "sampling_weight"]
            mean = np.average(found[own], weights=weight)
            assert mean == pytest.approx(0, abs=1e-9)
            assert np.average(found[own] ** 2, weights=weight) == pytest.approx(1)

    def test_a_new_device_takes_those_of_all(self):
        frame = exams(500)
        frame.loc[frame["split"] == "test", "device"] = "elm"
        score = np.arange(500.0)
        found = calibrate_by_device(frame, score)
        assert np.isfinite(found).all()
        healthy = (frame["split"] == "dev") & ~frame["label"]
        mean = np.average(score[healthy], weights=frame.loc[healthy, "sampling_weight"])
        test = (frame["split"] == "test").to_numpy()
        assert ((found[test] > 0) == (score[test] > mean)).all()


class TestWays:
    def test_the_adversary_that_sees_the_label_keeps_it_and_hides_the_device(
        self, planted, train_at, bootstrap
    ):
        table = compare_ways(planted, train_at(1.0), bootstrap)
        assert list(table.index) == list(WAYS)
        plain, seeing, blind = (table.loc[w] for w in ("plain", "conditional", "unconditional"))
        assert plain["auc"] < plain["auc_within"] - 0.02
        assert plain["trace"] > 0.8
        assert plain["probe"] > 0.8
        assert seeing["auc"] == pytest.approx(IDEAL, abs=0.05)
        assert seeing["trace"] == pytest.approx(0.5, abs=0.12)
        assert seeing["gain"] > 0.05
        assert seeing["gain"] == pytest.approx(seeing["auc"] - plain["auc"])
        calibrated = table.loc["calibrated", "auc"]
        assert seeing["over_calibrated"] == pytest.approx(seeing["auc"] - calibrated)
        assert blind["auc"] < seeing["auc"] - 0.03

    def test_calibration_takes_the_device_out_of_the_score_alone(
        self, planted, train_at, bootstrap
    ):
        table = compare_ways(planted, train_at(1.0), bootstrap)
        plain, calibrated = table.loc["plain"], table.loc["calibrated"]
        assert calibrated["trace"] == pytest.approx(0.5, abs=0.06)
        assert calibrated["auc"] == pytest.approx(plain["auc_within"], abs=0.02)
        assert calibrated["probe"] == plain["probe"]
        assert (plain["gain"], np.isnan(plain["gain_low"])) == (0, True)

    def test_seeds_set_everything(self, planted):
        config = AdversaryConfig(steps=10)
        first, again = (train_ways(planted, config, (1,), 1.0) for _ in range(2))
        other = train_ways(planted, config, (2,), 1.0)
        for way in WAYS:
            np.testing.assert_array_equal(first.scores[way], again.scores[way])
            assert not np.allclose(first.scores[way], other.scores[way])

    def test_the_best_repair_is_chosen_on_dev_and_is_a_repair(self):
        aucs = pd.Series({"plain": 0.9, "augmented": 0.7, "calibrated": 0.8})
        assert best_repair(aucs) == "calibrated"

    def test_the_choice_does_not_look_at_test(self, planted, train_at):
        frame = planted.exams.copy()
        test = frame["split"] == "test"
        frame.loc[test, "label"] = ~frame.loc[test, "label"]
        blind = FrozenFeatures(frame, planted.values, planted.varied)
        assert dev_aucs(blind, train_at(1.0)).equals(dev_aucs(planted, train_at(1.0)))


class TestDeviceShortcut:
    def test_done_right_the_report_is_true_and_the_guard_silent(self, outcome):
        right = outcome(0.0)
        assert right.setting == 0.5
        assert right.reported.low < right.true.value < right.reported.high
        assert not right.guard.fired

    def test_in_full_too_much_is_promised_the_guard_speaks_and_a_repair_helps(self, outcome):
        wrong = outcome(1.0)
        assert wrong.setting == LARGEST_SHARE
        assert wrong.damage > 0.1
        assert wrong.reported.low > wrong.true.high
        assert wrong.repaired.value > wrong.true.value + 0.05
        assert wrong.guard.fired

    def test_the_damage_grows_with_the_dose(self, outcome):
        assert outcome(0.0).damage < outcome(0.5).damage < outcome(1.0).damage
