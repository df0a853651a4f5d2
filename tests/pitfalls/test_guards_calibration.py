"""Scores that promise too much, or mean another thing in each group."""

import numpy as np
import pytest
from scipy.special import expit, logit

from mammolab.errors import InputError
from mammolab.pitfalls.guards_calibration import calibration, calibration_by, threshold_by


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def exams(seed: int, n: int = 3000) -> dict[str, np.ndarray]:
    """Women with honest probabilities, about 8% cancers, and three devices that do not matter."""
    rng = generator(seed)
    patient = rng.integers(0, n // 2, n)
    probability = expit(rng.normal(-3, 1.2, n))
    return {
        "probability": probability,
        "label": rng.random(n) < probability,
        "group": rng.choice(["alder", "birch", "cedar"], n),
        "patient_ids": patient.astype(str),
    }


class TestCalibration:
    def judge(self, table, seed=0, **options):
        return calibration(
            table["probability"], table["label"], table["patient_ids"], generator(seed), **options
        )

    def test_by_hand(self):
        # 40 predicted, 20 came.
        label = np.arange(400) < 20
        verdict = calibration(np.full(400, 0.1), label, np.arange(400).astype(str), generator())
        assert verdict.statistic == pytest.approx(2)
        assert verdict.fired
        below = calibration(np.full(400, 0.025), label, np.arange(400).astype(str), generator())
        assert below.statistic == pytest.approx(2)
        assert below.fired

    @pytest.mark.parametrize("seed", range(4))
    def test_silent_on_honest_probabilities(self, seed):
        assert not self.judge(exams(seed), seed).fired

    def test_fires_on_a_balanced_network(self):
        table = exams(1)
        balanced = expit(logit(table["probability"]) + 2.5)
        assert self.judge(table | {"probability": balanced}).fired

    def test_an_enriched_set_needs_its_weights(self):
        table = exams(2, n=9000)
        keep = table["label"] | (generator(2).random(9000) < 0.2)
        kept = {name: column[keep] for name, column in table.items()}
        assert self.judge(kept).fired
        assert not self.judge(kept, sample_weight=np.where(kept["label"], 1.0, 5.0)).fired

    def test_ten_cancers_do_not_tell_a_third(self):
        label = np.arange(400) < 10
        verdict = calibration(np.full(400, 0.0333), label, np.arange(400).astype(str), generator())
        assert verdict.statistic > verdict.limit
        assert not verdict.fired

    def test_weights_and_order(self, check_weights_and_order):
        check_weights_and_order(self.judge, exams(3))

    def test_refusals(self):
        table = exams(4)
        with pytest.raises(InputError, match="too few"):
            self.judge(table | {"label": np.arange(3000) < 9})
        with pytest.raises(InputError, match=r"\[0, 1\]"):
            self.judge(table | {"probability": table["probability"] + 1})
        with pytest.raises(InputError, match="no positive row"):
            self.judge(table | {"label": np.zeros(3000, dtype=bool)})


class TestCalibrationBy:
    def judge(self, table, seed=0, **options):
        return calibration_by(**table, rng=generator(seed), **options)

    @pytest.mark.parametrize("seed", range(4))
    def test_silent_where_groups_are_alike(self, seed):
        assert not self.judge(exams(seed), seed).fired

    def test_a_common_error_is_none_of_its_business(self):
        table = exams(1)
        assert not self.judge(table | {"probability": table["probability"] / 3}).fired

    def test_finds_the_device_that_promises_double(self):
        table = exams(2, n=8000)
        factor = np.where(table["group"] == "birch", 2.0, 1.0)
        verdict = self.judge(
            table | {"probability": np.minimum(table["probability"] * factor, 1.0)}
        )
        assert verdict.fired
        assert verdict.statistic == pytest.approx(2, abs=0.35)
        assert "birch" in verdict.message

    def test_weights_and_order(self, check_weights_and_order):
        check_weights_and_order(self.judge, exams(3))

    def test_refusals(self):
        table = exams(4)
        with pytest.raises(InputError, match="10 cancers each"):
            self.judge(table | {"label": np.arange(3000) < 12})
        with pytest.raises(InputError, match="No column of groups"):
            self.judge(table | {"group": np.full(3000, "alder")})


class TestThresholdBy:
    def judge(self, table, seed=0, **options):
        table = dict(table)
        return threshold_by(table.pop("probability"), 0.1, **table, rng=generator(seed), **options)

    def test_by_hand(self):
        # Of 100 healthy at A 50 are flagged, of 100 at B 20: odds 1 against 1/4.
        score = np.concatenate([np.arange(100) < 50, np.arange(100) < 20, [True] * 4]).astype(float)
        label = np.arange(204) >= 200
        group = np.append(np.repeat(["A", "B"], 100), ["A", "A", "A", "B"])
        verdict = threshold_by(score, 0.5, label, group, np.arange(204).astype(str), generator())
        assert verdict.statistic == pytest.approx(4)
        assert verdict.fired
        assert "50.0%" in verdict.message
        assert "20.0%" in verdict.message
        assert "healthy exams with A and" in verdict.message

    @pytest.mark.parametrize("seed", range(4))
    def test_silent_where_groups_are_alike(self, seed):
        assert not self.judge(exams(seed), seed).fired

    def test_more_cancers_in_a_group_do_not_fire_it(self):
        table = exams(5, n=6000)
        label = generator(5).random(6000) < np.where(table["group"] == "cedar", 0.5, 0.05)
        score = np.where(label, 0.5, table["probability"])
        assert not self.judge(table | {"label": label, "probability": score}).fired

    def test_weights_and_order(self, check_weights_and_order):
        check_weights_and_order(self.judge, exams(6))

    def test_refusals(self):
        table = exams(7)
        with pytest.raises(InputError, match="flags 0 of"):
            self.judge(table | {"probability": np.zeros(3000)})
        with pytest.raises(InputError, match="threshold is NaN"):
            threshold_by(**{"score": table.pop("probability")} | table, threshold=np.nan,
                         rng=generator())  # fmt: skip
