"""Too short a look, cancers that were there to be seen, and women lost."""

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.concordance import harrell_c, uno_c
from mammolab.pitfalls.guards_follow_up import (
    censoring_weights,
    early_cancers,
    follow_up,
    informative_censoring,
)


def flags(n: int, n_true: int) -> np.ndarray:
    return np.arange(n) < n_true


class TestFollowUp:
    def test_by_hand(self):
        # Of 100 healthy exams 20 were followed for 100 days, 10 for an unknown time.
        label = flags(110, 10)
        days = np.concatenate([np.full(10, 5.0), np.full(20, 100.0), np.full(10, np.nan)])
        days = np.concatenate([days, np.full(70, 365.0)])
        verdict = follow_up(label, days)
        assert verdict.fired
        assert verdict.statistic == pytest.approx(0.3)

    def test_silent_where_all_were_followed(self):
        assert not follow_up(flags(100, 10), np.full(100, 400.0)).fired
        assert follow_up(flags(100, 10), np.full(100, 400.0), horizon_days=730).fired

    def test_one_of_ten_is_not_surely_above(self):
        verdict = follow_up(flags(11, 1), np.array([400.0] * 10 + [3.0]))
        assert verdict.statistic == pytest.approx(0.1)
        assert not verdict.fired

    def test_weights_equal_duplication(self):
        rng = np.random.default_rng(0)
        label, days = rng.random(300) < 0.1, rng.uniform(0, 1000, 300)
        weight = 1 + np.arange(300) % 3
        rows = np.repeat(np.arange(300), weight)
        assert follow_up(label, days, sample_weight=weight).statistic == pytest.approx(
            follow_up(label[rows], days[rows]).statistic
        )

    def test_refusals(self):
        with pytest.raises(InputError, match="no exam without cancer"):
            follow_up(flags(5, 5), np.ones(5))
        with pytest.raises(InputError, match="one number a row"):
            follow_up(flags(5, 1), np.ones(3))

    def test_rows_of_a_patient_count_as_one(self):
        """At most 1 in 20 may fire; of 60, more than 7 would come once in 100 times."""

        def verdict(seed, known):
            rng = np.random.default_rng(seed)
            patient = np.repeat(np.arange(100), 10)
            days = np.where(rng.random(100) < 0.05, 100.0, 400.0)[patient]
            return follow_up(flags(1000, 0), days, patient_ids=patient if known else None)

        assert sum(verdict(seed, True).fired for seed in range(60)) <= 7
        assert sum(verdict(seed, False).fired for seed in range(60)) > 7
        patient = np.repeat(np.arange(100), 10)
        assert follow_up(flags(1000, 0), 400.0 - 300 * (patient < 20), patient_ids=patient).fired

    @pytest.mark.parametrize("n_lacking", [0, 8, 9, 10, 30])
    def test_one_row_a_patient_changes_nothing(self, n_lacking):
        days, weight = 400.0 - 300 * flags(100, n_lacking), 1 + np.arange(100) % 2
        given = (flags(100, 0), days, 365, weight)
        assert follow_up(*given, patient_ids=np.arange(100)) == follow_up(*given)


class TestEarlyCancers:
    def test_by_hand(self):
        time = np.concatenate([np.full(20, 0.2), np.full(60, 3.0), np.full(900, 5.0)])
        event = np.concatenate([np.ones(80, dtype=int), np.zeros(900, dtype=int)])
        verdict = early_cancers(time, event)
        assert verdict.fired
        assert verdict.statistic == pytest.approx(0.25)
        assert not early_cancers(time, event, first_years=0.1).fired

    def test_silent_where_the_first_year_was_left_out(self):
        time = np.linspace(1.0, 5.0, 200)
        assert early_cancers(time, np.ones(200, dtype=int)).statistic == 0

    def test_early_deaths_and_losses_are_not_cancers(self):
        time = np.concatenate([np.full(50, 0.1), np.full(50, 0.1), np.full(50, 4.0)])
        event = np.repeat([0, 2, 1], 50)
        assert early_cancers(time, event).statistic == 0

    def test_two_of_ten_are_not_surely_above(self):
        time = np.array([0.5] * 2 + [3.0] * 8)
        verdict = early_cancers(time, np.ones(10, dtype=int))
        assert verdict.statistic == pytest.approx(0.2)
        assert not verdict.fired

    def test_weights_and_row_order(self):
        time, event = np.array([0.5, 3.0, 3.0]), np.array([1, 1, 0])
        assert early_cancers(time, event, sample_weight=[3.0, 1.0, 9.0]).statistic == 0.75
        assert early_cancers(time[::-1], event[::-1]).statistic == 0.5

    def test_refusals(self):
        with pytest.raises(InputError, match="no cancer"):
            early_cancers([1.0, 2.0], [0, 2])
        with pytest.raises(InputError, match="not be negative"):
            early_cancers([-1.0, 2.0], [0, 1])
        with pytest.raises(InputError, match="first_years"):
            early_cancers([1.0, 2.0], [0, 1], first_years=0)

    def test_rows_of_a_patient_count_as_one(self):
        def verdict(seed, known):
            rng = np.random.default_rng(seed)
            patient = np.repeat(np.arange(100), 10)
            time = np.where(rng.random(100) < 0.05, 0.5, 3.0)[patient]
            return early_cancers(time, flags(1000, 1000), patient_ids=patient if known else None)

        assert sum(verdict(seed, True).fired for seed in range(60)) <= 7
        assert sum(verdict(seed, False).fired for seed in range(60)) > 7
        patient = np.repeat(np.arange(100), 10)
        time = np.where(patient < 20, 0.5, 3.0)
        assert early_cancers(time, flags(1000, 1000), patient_ids=patient).fired

    @pytest.mark.parametrize("n_early", [0, 8, 9, 10, 30])
    def test_one_row_a_patient_changes_nothing(self, n_early):
        time, weight = np.where(flags(100, n_early), 0.5, 3.0), 1 + np.arange(100) % 2
        given = (time, flags(100, 100), 1.0, weight)
        assert early_cancers(*given, patient_ids=np.arange(100)) == early_cancers(*given)


class TestInformativeCensoring:
    def table(self, seed: int, pull: float, n: int = 2000) -> dict:
        """Women who leave the sooner the higher their score, by `pull` on the log hazard."""
        rng = np.random.default_rng(seed)
        score = rng.normal(size=n)
        leaving = rng.exponential(6 * np.exp(-pull * score))
        cancer = rng.exponential(100 * np.exp(-score))
        return {
            "time_years": np.minimum(np.minimum(leaving, cancer), 8.0),
            "event": (cancer < np.minimum(leaving, 8.0)).astype(int),
            "score": score,
            "patient_ids": rng.integers(0, n // 2, n).astype(str),
        }

    def test_by_hand(self):
        # Lost: scores 3 and 2; followed: 2 and 1; the cancer counts nowhere. AUC = 3.5 / 4.
        verdict = informative_censoring(
            [1, 2, 5, 6, 1], [0, 0, 0, 1, 1], [3, 2, 2, 1, 9], list("abcde")
        )
        assert verdict.statistic == pytest.approx(3.5 / 4)

    @pytest.mark.parametrize("seed", range(3))
    def test_silent_where_leaving_is_chance(self, seed):
        assert not informative_censoring(**self.table(seed, 0.0)).fired

    @pytest.mark.parametrize("pull", [0.6, -0.6])
    def test_fires_where_high_scores_leave_or_stay(self, pull):
        assert informative_censoring(**self.table(4, pull)).fired

    def test_weights_equal_duplication_and_row_order_does_not_matter(self):
        table = self.table(5, 0.3)
        weight, order = 1 + np.arange(2000) % 3, np.random.default_rng(0).permutation(2000)
        rows = np.repeat(np.arange(2000), weight)
        weighted = informative_censoring(**table, sample_weight=weight).statistic
        doubled = informative_censoring(**{k: v[rows] for k, v in table.items()}).statistic
        assert weighted == pytest.approx(doubled)
        shuffled = informative_censoring(**{k: v[order] for k, v in table.items()})
        assert shuffled.statistic == pytest.approx(informative_censoring(**table).statistic)

    def test_refusals(self):
        with pytest.raises(InputError, match="nobody is censored"):
            informative_censoring([1, 2], [1, 1], [1, 2], ["a", "b"])
        with pytest.raises(InputError, match="no positive row"):
            informative_censoring([6, 7], [0, 0], [1, 2], ["a", "b"])
        with pytest.raises(InputError, match="score has 1 rows"):
            informative_censoring([6, 7], [0, 0], [1], ["a", "b"])


def test_a_c_index_by_other_weights():
    rng = np.random.default_rng(1)
    time = rng.integers(1, 6, 500).astype(float)
    event = rng.random(500) < 0.3
    score = np.where(event & (time < 2), 1.0, 0.0) + rng.random(500)
    own = uno_c(time, event, score)
    harrell = harrell_c(time, event, score)
    assert abs(own - harrell) > 0.01  # what is planted
    assert censoring_weights(harrell, time, event, score).fired
    assert not censoring_weights(round(own, 2), time, event, score).fired
    without = censoring_weights(0.7, time, np.zeros(500), score)
    assert np.isnan(without.statistic) and not without.fired
