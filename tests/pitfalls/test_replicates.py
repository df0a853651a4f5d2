"""The t test over replicates: as many replicates, so much certainty."""

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.paired import published_noninferiority
from mammolab.pitfalls import replicates
from mammolab.pitfalls.replicates import expected_error, replicate_t_test


def test_done_right_errs_as_it_claims():
    right = replicate_t_test(0.0, seed=1)
    assert right.setting == 1
    assert right.true.low <= right.reported.value <= right.true.high
    assert right.true == right.repaired
    assert not right.guard.fired


def test_a_coin_decides_in_the_end():
    wrong = replicate_t_test(1.0, seed=1, most_replicates=1000)
    assert wrong.setting == 1000
    assert wrong.true.value == pytest.approx(0.5, abs=0.06)
    assert wrong.repaired.low > 0.94
    assert wrong.damage > 0.4
    assert wrong.guard.fired


def test_simulation_and_formula_agree():
    number = 20
    wrong = replicate_t_test(1.0, seed=2, n_cancers=1000, most_replicates=number)
    expected = expected_error(np.array([number]))["error"].item()
    assert wrong.true.low - 0.01 <= 1 - expected <= wrong.true.high + 0.01


def test_formula_rises_to_one_half():
    error = expected_error(np.array([2, 10, 100, 10**6]))["error"]
    assert error.is_monotonic_increasing
    assert error.iloc[-1] == pytest.approx(0.5, abs=0.001)
    with pytest.raises(InputError, match="two replicates"):
        expected_error(np.array([1, 5]))


def test_it_is_the_published_test():
    studies = np.array([[3, 9]])
    p_value, error = replicates._replicate_test(4, studies, 150, 0.05, 40)
    drawn = []
    new_rng = replicates.stream(4, "replicates, new")
    old_rng = replicates.stream(4, "replicates, old")
    for _ in range(40):
        new = new_rng.binomial(150, np.array([3 / 150]))
        drawn.append((new - old_rng.binomial(150 - new, 9 / 147))[0] / 150)
    published = published_noninferiority(drawn, 0.05)
    assert p_value[0] == pytest.approx(published.p_value, rel=1e-9)
    assert error[0] == pytest.approx(np.std(drawn, ddof=1) / np.sqrt(40))


def test_fewer_replicates_are_the_first_of_more():
    low, high = (
        replicate_t_test(dose, seed=5, most_replicates=100, n_studies=200) for dose in (0.5, 1.0)
    )
    assert low.setting == 10
    assert low.repaired == high.repaired
    assert low.true.value > high.true.value


def test_refusal():
    with pytest.raises(InputError, match="margin"):
        replicate_t_test(1.0, 0, margin=0.0)
