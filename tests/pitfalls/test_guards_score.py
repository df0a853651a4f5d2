"""Scores that promise too much, differ by group, or were chosen for their luck."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.pitfalls.guards_score import (
    calibration,
    calibration_by,
    cancers_needed,
    clustered_interval,
    disclosed_selection,
    expected_best,
    subgroup_gap,
    threshold_by,
)


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


def check_weights_and_order(judge, table):
    """Weights equal duplication, and the order of rows does not matter, for the statistic."""
    n = len(table["label"])
    weight = 1 + np.arange(n) % 3
    rows, order = np.repeat(np.arange(n), weight), generator().permutation(n)
    weighted = judge(table, sample_weight=weight.astype(float))
    doubled = judge({name: column[rows] for name, column in table.items()})
    assert weighted.statistic == pytest.approx(doubled.statistic)
    shuffled = judge({name: column[order] for name, column in table.items()})
    assert shuffled.statistic == pytest.approx(judge(table).statistic)


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

    def test_weights_and_order(self):
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

    def test_weights_and_order(self):
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

    @pytest.mark.parametrize("seed", range(4))
    def test_silent_where_groups_are_alike(self, seed):
        assert not self.judge(exams(seed), seed).fired

    def test_more_cancers_in_a_group_do_not_fire_it(self):
        table = exams(5, n=6000)
        label = generator(5).random(6000) < np.where(table["group"] == "cedar", 0.5, 0.05)
        score = np.where(label, 0.5, table["probability"])
        assert not self.judge(table | {"label": label, "probability": score}).fired

    def test_weights_and_order(self):
        check_weights_and_order(self.judge, exams(6))

    def test_refusals(self):
        table = exams(7)
        with pytest.raises(InputError, match="flags 0 of"):
            self.judge(table | {"probability": np.zeros(3000)})
        with pytest.raises(InputError, match="threshold is NaN"):
            threshold_by(**{"score": table.pop("probability")} | table, threshold=np.nan,
                         rng=generator())  # fmt: skip


class TestClusteredInterval:
    def test_four_copies_of_each_exam_halve_the_naive_error(self):
        rng = generator()
        label = np.arange(400) < 100
        score = rng.normal(size=400) + label
        patient = np.repeat(np.arange(400), 4)
        verdict = clustered_interval(score[patient], label[patient], patient.astype(str))
        assert verdict.fired
        # Factors n / (n - 1) of small samples apart, exactly twice.
        assert verdict.statistic == pytest.approx(2, abs=0.02)

    def test_one_row_a_patient_is_one(self):
        rng = generator(1)
        label = np.arange(400) < 100
        verdict = clustered_interval(rng.normal(size=400), label, np.arange(400).astype(str))
        assert verdict.statistic == pytest.approx(1)
        assert not verdict.fired

    def test_refusals(self):
        label = np.arange(10) < 5
        with pytest.raises(InputError, match="no standard error"):
            clustered_interval(label.astype(float), label, np.arange(10).astype(str))
        with pytest.raises(InputError, match="two patients"):
            clustered_interval(np.arange(10.0), label, np.repeat(["a", "b"], 5))
        with pytest.raises(InputError, match="no negative row"):
            clustered_interval(np.arange(10.0), np.ones(10), np.arange(10).astype(str))


class TestSubgroupGap:
    def table(self, seed: int, gap: float = 0.0, n: int = 6000) -> dict:
        """A score of AUC .86, in cedar only for a share 1 - gap of the cancers."""
        table = exams(seed, n)
        rng = generator(seed)
        seen = table["label"] & ~((table["group"] == "cedar") & (rng.random(n) < gap))
        return {
            "score": rng.normal(size=n) + norm.ppf(0.86) * np.sqrt(2) * seen,
            "label": table["label"],
            "patient_ids": table["patient_ids"],
            "group": table["group"],
        }

    def judge(self, table, seed=0, **options):
        table = dict(table)
        groups = pd.DataFrame({"device": table.pop("group")})
        return subgroup_gap(**table, groups=groups, rng=generator(seed), **options)

    @pytest.mark.parametrize("seed", range(3))
    def test_silent_where_the_score_is_as_good_in_all(self, seed):
        assert not self.judge(self.table(seed), seed).fired

    def test_finds_the_group_in_which_it_is_blind(self):
        verdict = self.judge(self.table(4, gap=0.8))
        assert verdict.fired
        assert "device=cedar" in verdict.message
        assert verdict.statistic == pytest.approx(0.8 * 0.36, abs=0.07)

    def test_weights_and_order(self):
        check_weights_and_order(self.judge, self.table(5, n=3000))

    def test_refusals(self):
        table = self.table(6)
        with pytest.raises(InputError, match="No column of groups"):
            self.judge(table | {"group": np.full(6000, "x")})
        with pytest.raises(InputError, match="10 cancers each"):
            self.judge(table | {"label": np.arange(6000) < 12})


class TestCancersNeeded:
    def test_by_hand(self):
        # Two groups of one column; A(.75) = .75^2 (2 / 1.75 - 1), A(.85) likewise.
        groups = pd.DataFrame({"race": np.repeat(["x", "y"], [40, 400])})
        label = np.concatenate([np.arange(40) < 20, np.arange(400) < 200])
        verdict = cancers_needed(label, groups, np.arange(440).astype(str))
        small, large = 0.75**2 * (2 / 1.75 - 1), 0.85**2 * (2 / 1.85 - 1)
        error = 0.10 / (norm.ppf(1 - 0.05 / 4) + norm.ppf(0.8))
        assert verdict.statistic == 20
        assert verdict.limit == np.ceil(small / (error**2 - large / 200))
        assert verdict.fired
        assert "race=x" in verdict.message

    def test_images_of_a_woman_are_one_cancer(self):
        groups = pd.DataFrame({"race": np.repeat(["x", "y"], 400)})
        label = np.arange(800) % 2 == 0
        ids = (np.arange(800) // 8).astype(str)
        assert cancers_needed(label, groups, ids).statistic == 50
        assert not cancers_needed(label, groups, np.arange(800).astype(str)).fired

    def test_no_number_is_enough_where_the_rest_is_small(self):
        groups = pd.DataFrame({"race": np.repeat(["x", "y"], 20)})
        verdict = cancers_needed(np.arange(40) % 4 == 0, groups, np.arange(40).astype(str))
        assert np.isinf(verdict.limit)
        assert verdict.fired

    def test_refusals(self):
        groups = pd.DataFrame({"race": ["x", "y"]})
        with pytest.raises(InputError, match="do not fit"):
            cancers_needed([1, 0], groups, ["a", "b"], auc=0.55)
        with pytest.raises(InputError, match="no positive row"):
            cancers_needed([0, 0], groups, ["a", "b"])


class TestDisclosedSelection:
    def test_all_told_and_one_look(self):
        verdict = disclosed_selection(20, 1, 3)
        assert not verdict.fired
        assert verdict.statistic == 0

    def test_fifty_looks(self):
        verdict = disclosed_selection(50, 50, 1)
        assert verdict.fired
        assert verdict.statistic == pytest.approx(2.249, abs=0.001)
        assert "50 times" in verdict.message

    def test_not_told(self):
        verdict = disclosed_selection(None, None, 3)
        assert verdict.fired
        assert np.isnan(verdict.statistic)
        assert "candidates and of looks at the test set" in verdict.message

    def test_one_seed(self):
        assert disclosed_selection(5, 1, 1).fired
        assert disclosed_selection(5, 1, None).fired

    def test_the_best_of_many_by_simulation(self):
        best = generator().normal(size=(20_000, 10)).max(axis=1)
        assert expected_best(10) == pytest.approx(best.mean(), abs=4 * best.std() / 20_000**0.5)

    def test_refusals(self):
        with pytest.raises(InputError, match="at least 1"):
            disclosed_selection(0, 1, 1)
