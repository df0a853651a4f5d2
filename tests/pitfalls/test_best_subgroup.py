"""The best of many subgroups is one of many."""

import numpy as np
import pytest

from mammolab.pitfalls.best_subgroup import best_subgroup, shrunk


def test_one_subgroup_is_no_choice():
    right = best_subgroup(0.0, seed=1)
    assert right.setting == 1
    assert right.reported.value == pytest.approx(right.true.value, abs=0.01)
    assert right.reported == right.repaired
    assert not right.guard.fired


def test_the_best_of_forty_shines():
    wrong = best_subgroup(1.0, seed=1)
    assert wrong.setting == 40
    assert wrong.damage > 0.08
    assert abs(wrong.repaired.value - wrong.true.value) < 0.03
    assert wrong.guard.fired


def test_more_looks_more_shine():
    reported = [best_subgroup(dose, seed=2).reported.value for dose in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert reported == sorted(reported)


def test_what_is_real_is_not_shrunk_away():
    rng = np.random.default_rng(0)
    truth = np.where(np.arange(20) < 10, 0.65, 0.85)
    errors = np.full((200, 20), 0.02)
    seen = truth + 0.02 * rng.standard_normal((200, 20))
    values, left = shrunk(seen, errors)
    assert np.abs(values - truth).mean() < np.abs(seen - truth).mean()
    assert np.mean(np.abs(values - truth) < 1.96 * left) == pytest.approx(0.95, abs=0.02)
    assert (left < errors).all()


def test_two_subgroups_are_left_alone():
    aucs, errors = np.array([[0.7, 0.9]]), np.array([[0.05, 0.05]])
    assert shrunk(aucs, errors)[0] is aucs
