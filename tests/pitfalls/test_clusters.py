"""Images counted as patients: the interval holds too little, and the guard sees why."""

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.clusters import images_independent


def test_done_right_the_interval_holds_what_it_claims():
    right = images_independent(0.0, seed=1)
    assert right.setting == 1
    assert right.true.low <= right.reported.value <= right.true.high
    assert right.true == right.repaired
    assert not right.guard.fired


def test_four_images_a_woman():
    wrong = images_independent(1.0, seed=1)
    assert wrong.setting == 4
    # measured once elsewhere: 68.5% and 92.5%
    assert wrong.true.value == pytest.approx(0.685, abs=0.05)
    assert wrong.repaired.value == pytest.approx(0.94, abs=0.02)
    assert wrong.damage > 0.2
    assert wrong.guard.fired
    assert wrong.guard.statistic > 1.5


def test_the_damage_grows_with_the_dose():
    covered = [images_independent(dose, seed=2).true.value for dose in (0.0, 0.3, 0.6, 1.0)]
    assert (np.diff(covered) < -0.02).all()


def test_images_that_agree_in_nothing_do_no_harm():
    harmless = images_independent(1.0, seed=3, correlation=0.0)
    assert harmless.true.value > 0.92
    assert not harmless.guard.fired


def test_the_same_seed_gives_the_same_outcome():
    first, again = (images_independent(0.5, seed=4, n_studies=50) for _ in range(2))
    assert first.true == again.true


@pytest.mark.parametrize(("dose", "correlation"), [(1.5, 0.5), (0.5, 1.0)])
def test_refusals(dose, correlation):
    with pytest.raises(InputError):
        images_independent(dose, seed=0, correlation=correlation)
