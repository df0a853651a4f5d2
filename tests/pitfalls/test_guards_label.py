"""Outcomes by the wrong clock, the wrong judge, too short a look, and of those who were kept."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.guards_label import (
    early_cancers,
    exclusions,
    follow_up,
    informative_censoring,
    label_source,
    label_timing,
)


def flags(n: int, n_true: int) -> np.ndarray:
    return np.arange(n) < n_true


class TestLabelTiming:
    exam = pd.to_datetime(["2012-01-01"] * 5)

    def test_by_hand(self):
        diagnosis = pd.to_datetime(["2012-01-01", "2012-12-31", "2013-02-01", "2011-05-01", None])
        # The first two are right; one is late, one before, and the last has no date.
        verdict = label_timing(self.exam, diagnosis, [1, 1, 1, 1, 1])
        assert verdict.fired
        assert verdict.statistic == pytest.approx(3 / 5)
        assert "1 diagnosed before the exam, 1 over 365 days after it, 1 without" in verdict.message

    def test_silent_where_label_and_dates_agree(self):
        diagnosis = pd.to_datetime(["2012-01-01", "2012-12-31", "2013-02-01", "2011-05-01", None])
        verdict = label_timing(self.exam, diagnosis, [1, 1, 0, 0, 0])
        assert verdict.statistic == 0
        assert not verdict.fired

    def test_a_cancer_called_healthy_is_found(self):
        diagnosis = pd.to_datetime(["2012-01-05"] * 5)
        verdict = label_timing(self.exam, diagnosis, [1, 1, 1, 0, 0])
        assert verdict.statistic == pytest.approx(0.4)
        assert "2 diagnosed in time and called healthy" in verdict.message

    def test_the_horizon_is_the_labels(self):
        diagnosis = pd.to_datetime(["2013-06-01"] * 5)
        assert label_timing(self.exam, diagnosis, [1] * 5).fired
        assert not label_timing(self.exam, diagnosis, [1] * 5, horizon_days=730).fired

    def test_one_mistyped_date_of_forty_is_no_alarm(self):
        exam = pd.to_datetime(["2012-01-01"] * 40)
        diagnosis = exam + pd.Timedelta(days=20)
        label = flags(40, 39)
        verdict = label_timing(exam, diagnosis, label)
        assert verdict.statistic == pytest.approx(1 / 40)
        assert not verdict.fired
        assert label_timing(exam, diagnosis, flags(40, 37)).fired

    def test_text_dates_and_row_order(self):
        exam, diagnosis = ["2012-01-01", "2012-03-01", "2012-04-01"], ["2012-02-01", None, ""]
        first = label_timing(exam, [*diagnosis[:2], None], [1, 1, 0])
        again = label_timing(exam[::-1], [None, *diagnosis[1::-1]], [0, 1, 1])
        assert first == again
        assert first.statistic == 0.5

    def test_refusals(self):
        none = pd.to_datetime([None] * 5)
        with pytest.raises(InputError, match="Neither label nor dates"):
            label_timing(self.exam, none, [0] * 5)
        with pytest.raises(InputError, match="exam_date is missing in 5"):
            label_timing(none, self.exam, [1] * 5)
        with pytest.raises(InputError, match="no date"):
            label_timing(self.exam, ["soon"] * 5, [1] * 5)
        with pytest.raises(InputError, match="empty"):
            label_timing([], [], [])
        with pytest.raises(InputError, match="0 or 1"):
            label_timing(self.exam, none, [2] * 5)
        with pytest.raises(InputError, match="above 0"):
            label_timing(self.exam, none, [1] * 5, horizon_days=0)


class TestLabelSource:
    def test_fires_where_the_reader_never_misses(self):
        verdict = label_source(flags(500, 40), flags(500, 90))
        assert verdict.fired
        assert verdict.statistic == 0

    def test_silent_at_the_published_sensitivity(self):
        label = flags(5000, 100)
        recalled = flags(5000, 87) | (np.arange(5000) > 4500)
        verdict = label_source(label, recalled)
        assert verdict.statistic == pytest.approx(0.13)
        assert not verdict.fired

    def test_21_cancers_are_too_few_and_22_enough(self):
        assert not label_source(flags(100, 21), flags(100, 30)).fired
        assert label_source(flags(100, 22), flags(100, 30)).fired

    def test_images_of_a_woman_are_one(self):
        label, recalled = flags(400, 40), flags(400, 60)
        ids = (np.arange(400) // 4).astype(str)
        assert label_source(label, recalled).fired
        assert not label_source(label, recalled, patient_ids=ids).fired

    def test_weights(self):
        label, recalled = flags(500, 60), flags(500, 59)
        assert label_source(label, recalled).fired
        weight = np.where(label & ~recalled, 10.0, 1.0)
        weighted = label_source(label, recalled, weight)
        assert weighted.statistic == pytest.approx(10 / 69)
        assert not weighted.fired

    def test_refusals(self):
        with pytest.raises(InputError, match="no cancer"):
            label_source(flags(10, 0), flags(10, 3))
        with pytest.raises(InputError, match="recalled has 3"):
            label_source(flags(10, 2), flags(3, 3))


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


class TestExclusions:
    def cohort(self, seed: int, n: int = 2000) -> dict:
        rng = np.random.default_rng(seed)
        patient = rng.integers(0, n // 2, n)
        dense = rng.choice(["a", "b", "c", "d"], n // 2, p=[0.1, 0.4, 0.4, 0.1])[patient]
        return {
            "included": rng.random(n) < 0.6,
            "label": rng.random(n) < 0.05,
            "groups": pd.DataFrame(
                {"density": dense, "implant": rng.random(n // 2)[patient] < 0.1}
            ),
            "patient_ids": patient.astype(str),
        }

    def judge(self, cohort, seed=0, **options):
        return exclusions(**cohort, rng=np.random.default_rng(seed), **options)

    def test_by_hand(self):
        # All 50 women with implants are left out, and 50 of the 150 others: a gap of two thirds.
        implant, included = flags(200, 50), np.arange(200) >= 100
        groups = pd.DataFrame({"implant": implant})
        verdict = exclusions(
            included, flags(200, 0), groups, np.arange(200).astype(str), np.random.default_rng(0)
        )
        assert verdict.fired
        assert verdict.statistic == pytest.approx(2 / 3)
        assert "implant" in verdict.message

    @pytest.mark.parametrize("seed", range(4))
    def test_silent_where_chance_left_them_out(self, seed):
        assert not self.judge(self.cohort(seed), seed).fired

    def test_cancers_kept_on_purpose_are_no_exclusion(self):
        cohort = self.cohort(5)
        rng = np.random.default_rng(5)
        dense = (cohort["groups"]["density"] == "d").to_numpy()
        label = rng.random(2000) < np.where(dense, 0.5, 0.05)
        kept = label | (rng.random(2000) < 0.1)
        assert not self.judge(cohort | {"label": label, "included": kept}).fired

    def test_finds_who_was_left_out(self):
        cohort = self.cohort(6)
        dense = (cohort["groups"]["density"] == "d").to_numpy()
        verdict = self.judge(cohort | {"included": cohort["included"] & ~dense})
        assert verdict.fired
        assert "density=d" in verdict.message
        assert "more of" in verdict.message

    def test_missing_is_a_group(self):
        cohort = self.cohort(7)
        groups = cohort["groups"].astype(object)
        groups.loc[~cohort["included"] & (groups["density"] == "b"), "density"] = None
        verdict = self.judge(cohort | {"groups": groups})
        assert verdict.fired
        assert "density=unknown" in verdict.message

    def test_weights_equal_duplication_and_row_order_does_not_matter(self):
        cohort = self.cohort(8)
        weight = 1 + np.arange(2000) % 3

        def taken(rows):
            whole = {k: v[rows] for k, v in cohort.items() if k != "groups"}
            return whole | {"groups": cohort["groups"].iloc[rows]}

        weighted = self.judge(cohort, sample_weight=weight.astype(float))
        doubled = self.judge(taken(np.repeat(np.arange(2000), weight)))
        assert weighted.statistic == pytest.approx(doubled.statistic)
        shuffled = self.judge(taken(np.random.default_rng(1).permutation(2000)))
        assert shuffled.statistic == pytest.approx(self.judge(cohort).statistic)

    def test_refusals(self):
        cohort = self.cohort(9)
        with pytest.raises(InputError, match="no choice"):
            self.judge(cohort | {"included": np.ones(2000, dtype=bool)})
        with pytest.raises(InputError, match="No column of groups"):
            self.judge(cohort | {"groups": pd.DataFrame({"x": np.ones(2000)})})
        with pytest.raises(InputError, match="groups has 5 rows"):
            self.judge(cohort | {"groups": cohort["groups"].head(5)})
        with pytest.raises(InputError, match="over 100"):
            self.judge(cohort | {"groups": pd.DataFrame({"x": np.arange(2000)})})
