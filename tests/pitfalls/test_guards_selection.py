"""Results that were chosen for their luck."""

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.guards_selection import disclosed_selection, expected_best


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


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
