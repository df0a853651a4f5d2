"""Readers in a study against readers at work: the truth is a parameter."""

import numpy as np
import pytest
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.pitfalls.reader_studies import (
    FOUND_AT_HALF,
    FOUND_IN_CLINIC,
    READER_SPREAD,
    automation_bias,
    laboratory_effect,
    prevalence_effect,
)

SEEDS = range(12)


class TestLaboratoryEffect:
    def test_done_right(self):
        right = [laboratory_effect(0.0, seed) for seed in SEEDS]
        assert np.mean([one.reported.value for one in right]) == pytest.approx(
            right[0].true.value, abs=0.08
        )
        assert all(one.reported.low <= one.true.value <= one.reported.high for one in right)
        assert sum(one.guard.fired for one in right) <= 1

    def test_the_laboratory_lets_the_system_win(self):
        wrong = laboratory_effect(1.0, seed=1)
        assert wrong.damage > 0.3
        assert abs(wrong.repaired.value - wrong.true.value) < wrong.damage / 2
        assert wrong.guard.fired
        assert "at work" in wrong.guard.message

    def test_a_better_system_beats_more_readers_at_work(self):
        assert laboratory_effect(0.0, 1, system_auc=0.97).true.value > 0.85
        assert laboratory_effect(0.0, 1, system_auc=0.85).true.value < 0.01


class TestPrevalenceEffect:
    def test_done_right(self):
        right = [prevalence_effect(0.0, seed) for seed in SEEDS]
        assert right[0].setting == pytest.approx(0.005)
        values = [one.reported.value for one in right]
        assert np.mean(values) == pytest.approx(FOUND_IN_CLINIC, abs=0.03)
        assert not any(one.guard.fired for one in right)

    def test_half_cancers_give_what_was_published(self):
        wrong = [prevalence_effect(1.0, seed) for seed in SEEDS]
        assert wrong[0].setting == pytest.approx(0.5)
        assert np.mean([one.reported.value for one in wrong]) == pytest.approx(
            FOUND_AT_HALF, abs=0.02
        )
        assert np.mean([one.repaired.value for one in wrong]) == pytest.approx(
            FOUND_IN_CLINIC, abs=0.03
        )
        assert all(one.guard.fired for one in wrong)

    def test_the_mean_over_readers_is_the_published_share(self):
        # the even quantiles stand for the normal readers behind the closed form
        talents = READER_SPREAD * norm.ppf((np.arange(10) + 0.5) / 10)
        found = norm.cdf(np.sqrt(1 + READER_SPREAD**2) * norm.ppf(FOUND_IN_CLINIC) + talents)
        assert found.mean() == pytest.approx(FOUND_IN_CLINIC, abs=0.002)

    def test_refusal(self):
        with pytest.raises(InputError, match="prevalence"):
            prevalence_effect(1.0, 0, prevalence=0.6)


class TestAutomationBias:
    def test_readers_who_ignore_the_system_are_the_same_everywhere(self):
        right = [automation_bias(0.0, seed, n_in_use=4000) for seed in SEEDS]
        inside = [one.reported.low <= one.true.value <= one.reported.high for one in right]
        assert sum(inside) >= 10
        assert sum(one.guard.fired for one in right) <= 2

    def test_it_helps_in_the_study_and_harms_in_use(self):
        alone, with_it = (automation_bias(dose, seed=3) for dose in (0.0, 1.0))
        assert with_it.reported.value > alone.reported.value + 0.01
        assert with_it.true.value < alone.true.value - 0.05
        assert with_it.repaired.low <= with_it.true.value <= with_it.repaired.high
        assert with_it.guard.fired

    def test_a_system_as_good_in_use_as_in_the_study_does_no_harm(self):
        good = automation_bias(1.0, seed=3, system_in_use=0.90)
        assert abs(good.damage) < 0.03

    def test_refusal(self):
        with pytest.raises(InputError, match="system_in_use"):
            automation_bias(1.0, 0, system_in_use=1.0)
