"""Standard errors that count something else than patients."""

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.paired import PairedCounts
from mammolab.pitfalls.guards_unit import clustered_interval, replicate_error


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


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


@pytest.mark.parametrize(("n_replicates", "fired"), [(1, False), (2, False), (100, True)])
def test_an_error_of_replicates_is_told_by_its_size(n_replicates, fired):
    counts = PairedCounts(100, 6, 14, 30)
    n = counts.n_total
    wald = np.sqrt((20 - 8**2 / n) / n**2)
    verdict = replicate_error(wald / np.sqrt(n_replicates), counts)
    assert verdict.statistic == pytest.approx(1 / np.sqrt(n_replicates), rel=0.1)
    assert verdict.fired is fired
    with pytest.raises(InputError, match="standard error"):
        replicate_error(-1.0, counts)
