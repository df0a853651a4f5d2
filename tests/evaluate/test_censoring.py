"""Status by a horizon and its weights: by hand, against the AUC's own, and under heavy censoring."""

import numpy as np
import pytest

from mammolab.evaluate.censoring import status_by_horizons
from mammolab.evaluate.horizons import cumulative_dynamic_auc
from mammolab.evaluate.survival import incidence_at_horizons


def follow_up(n: int, leaving: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    cancer = rng.exponential(30 / np.exp(score))
    death, lost = rng.exponential(60, n), rng.uniform(0, leaving, n)
    time = np.minimum(np.minimum(cancer, death), lost)
    event = np.select([time == cancer, time == death], [1, 2], 0)
    return time, event, score


def test_by_hand():
    # censored at 2 (of three still there): who remains counts 3/2; at 5 itself one is known free
    time, event = [1.0, 2.0, 3.0, 5.0, 9.0], [1, 0, 2, 0, 1]
    status, weight = status_by_horizons(time, event, [2.5, 5.0])
    assert status.tolist() == [[True, True]] + 4 * [[False, False]]
    np.testing.assert_allclose(weight[:, 0], [1, 0, 4 / 3, 4 / 3, 4 / 3])
    np.testing.assert_allclose(weight[:, 1], [1, 0, 4 / 3, 4 / 3, 4 / 3])
    _, dying_hides = status_by_horizons(time, event, [5.0], competing="censored")
    np.testing.assert_allclose(dying_hides[:, 0], [1, 0, 0, 2, 2])


@pytest.mark.parametrize("competing", ["control", "censored"])
def test_they_are_the_weights_of_incidence_and_auc(competing):
    time, event, score = follow_up(800, 12)
    sampling = np.where(event == 1, 1.0, 3.0)
    horizons = [1.0, 3.0, 5.0]
    status, weight = status_by_horizons(time, event, horizons, sampling, competing=competing)
    weight = weight * sampling[:, None]
    share = (weight * status).sum(axis=0) / sampling.sum()
    found = incidence_at_horizons(time, event, horizons, sampling, competing=competing)
    np.testing.assert_allclose(share, found, rtol=1e-9)
    auc = cumulative_dynamic_auc(time, event, score, horizons, sampling, competing=competing)
    for k, expected in enumerate(auc):
        case, control = status[:, k], ~status[:, k] & (weight[:, k] > 0)
        won = score[case][:, None] > score[control]
        pairs = weight[case, k][:, None] * weight[control, k]
        assert (won * pairs).sum() / pairs.sum() == pytest.approx(expected, rel=1e-9)


def test_weights_make_up_for_the_censored():
    time, event, _ = follow_up(40_000, 1e9)
    whole = status_by_horizons(time, event, [5.0])[0].mean()
    time, event, _ = follow_up(40_000, 7)
    status, weight = status_by_horizons(time, event, [5.0])
    assert np.average(status, weights=weight) == pytest.approx(whole, rel=0.06)
    naive = status[weight > 0].mean()
    assert naive > 1.3 * whole


def test_weight_two_is_the_row_twice():
    time, event, _ = follow_up(300, 9)
    rows = np.r_[np.arange(300), np.arange(150)]
    _, once = status_by_horizons(time, event, [4.0], np.r_[np.full(150, 2.0), np.ones(150)])
    _, twice = status_by_horizons(time[rows], event[rows], [4.0])
    np.testing.assert_allclose(once, twice[:300], rtol=1e-12)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="negative"):
        status_by_horizons([-1.0, 1.0], [0, 1], [5.0])
    with pytest.raises(ValueError, match="horizon"):
        status_by_horizons([1.0, 1.0], [0, 1], [0.0])
