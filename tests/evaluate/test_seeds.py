"""Intervals over women and seeds."""

import numpy as np
import pytest

from mammolab.evaluate.seeds import (
    SeedSpread,
    mean_over_seeds,
    seed_spread,
    spread_of_difference,
)


def study(rng, n_ways: int, n_seeds: int, woman_sd: float, seed_sd: float) -> tuple:
    """Values (ways, seeds) and replicates (ways, seeds, replicates) of a metric whose truth is 0."""
    values = woman_sd * rng.standard_normal() + seed_sd * rng.standard_normal((n_ways, n_seeds))
    return values, values[:, :, None] + woman_sd * rng.standard_normal(300)


@pytest.mark.parametrize(("woman_sd", "seed_sd"), [(1.0, 0.2), (0.5, 1.0), (0.0, 1.0)])
def test_intervals_of_means_and_differences_cover_the_truth(woman_sd, seed_sd):
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(1500):
        values, replicates = study(rng, 10, 2, woman_sd, seed_sd)
        spread = seed_spread(values)
        one = mean_over_seeds(values[0], replicates[0], spread)
        two = mean_over_seeds(values[1] - values[2], replicates[1] - replicates[2], spread, 2)
        covered.append((one.low <= 0 <= one.high, two.low <= 0 <= two.high))
    assert (np.abs(np.mean(covered, axis=0) - 0.95) < 0.02).all()


def test_the_women_alone_cover_too_little_when_seeds_differ():
    rng = np.random.default_rng(4)
    covered = []
    for _ in range(1000):
        values, replicates = study(rng, 1, 2, 0.2, 1.0)
        one = mean_over_seeds(values[0], replicates[0], SeedSpread(0.0, 0))
        covered.append(one.low <= 0 <= one.high)
    assert np.mean(covered) < 0.6


def test_the_spread_is_pooled_within_ways_of_training():
    spread = seed_spread([[1.0, 3.0], [10.0, 10.0, 13.0], [7.0]])
    assert spread.degrees == 3
    assert spread.variance == pytest.approx((2.0 + 6.0) / 3)
    assert seed_spread([[0.7]]) == SeedSpread(0.0, 0)


def test_the_spreads_of_two_ways_add():
    quiet, loud = SeedSpread(1.0, 4), SeedSpread(3.0, 2)
    both = spread_of_difference(quiet, loud)
    assert both.variance == 4.0
    assert both.degrees == pytest.approx(16 / (1 / 4 + 9 / 2))
    assert spread_of_difference(loud, loud) == SeedSpread(6.0, 2)
    assert spread_of_difference(SeedSpread(0.0, 0), loud) == SeedSpread(3.0, 2)
    assert spread_of_difference(SeedSpread(0.0, 0), SeedSpread(0.0, 0)) == SeedSpread(0.0, 0)


def test_a_quiet_way_against_a_loud_one_is_covered():
    """Doubling the quiet one's spread would cover too little."""
    rng = np.random.default_rng(6)
    held, doubled = [], []
    for _ in range(1000):
        quiet, loud = rng.normal(0, 0.1, 4), rng.normal(0, 1.0, 4)
        spreads = seed_spread([quiet]), seed_spread([loud])
        replicates = np.tile(rng.normal(0, 0.01, 200), (4, 1))
        for found, spread in (
            (held, spread_of_difference(*spreads)),
            (doubled, spread_of_difference(spreads[0], spreads[0])),
        ):
            one = mean_over_seeds(quiet - loud, replicates, spread)
            found.append(one.low <= 0 <= one.high)
    assert np.mean(held) > 0.93
    assert np.mean(doubled) < 0.5


def test_seeds_that_agree_give_the_normal_interval_of_the_women():
    replicates = np.tile(np.random.default_rng(5).normal(0.8, 0.02, 4000), (3, 1))
    estimate = mean_over_seeds(np.full(3, 0.8), replicates, SeedSpread(0.0, 10))
    assert estimate.value == pytest.approx(0.8)
    assert estimate.high - 0.8 == pytest.approx(1.96 * replicates[0].std(ddof=1), rel=1e-3)


def test_bad_shapes_are_refused():
    with pytest.raises(ValueError, match="n_seeds"):
        mean_over_seeds([0.1, 0.2], np.zeros((3, 10)), SeedSpread(0.0, 0))
    with pytest.raises(ValueError, match="replicates are finite"):
        mean_over_seeds([0.1], np.full((1, 10), np.nan), SeedSpread(0.0, 0))
