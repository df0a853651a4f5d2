"""Adjusted p-values against published ones, and the error rate that max-T promises."""

import numpy as np
import pytest
from scipy.stats import norm

from mammolab.evaluate.multiplicity import adjust_p_values, max_t

# Benjamini and Hochberg 1995, section 4.2: fifteen end points of a trial of thrombolysis
THROMBOLYSIS = [
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
    *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000),
]


def test_rejections_of_benjamini_and_hochberg_1995():
    assert (adjust_p_values(THROMBOLYSIS, "benjamini_hochberg") <= 0.05).sum() == 4
    assert (adjust_p_values(THROMBOLYSIS, "holm") <= 0.05).sum() == 3


def test_one_comparison_needs_no_adjustment():
    replicates = np.random.default_rng(0).normal(1.0, 0.4, (2000, 1))
    test = max_t([1.0], replicates)
    assert test.p_adjusted == test.p_value
    assert test.p_value[0] == pytest.approx(2 * norm.sf(2.5), abs=0.006)
    assert (test.low[0], test.high[0]) == pytest.approx((1 - 0.784, 1 + 0.784), abs=0.03)
    assert test.critical == pytest.approx(1.96, abs=0.07)
    assert test.standard_error == pytest.approx(replicates.std(ddof=1))
    assert test.high - test.low == pytest.approx(2 * test.critical * test.standard_error)


def test_copies_of_one_comparison_cost_nothing_and_independent_ones_cost_bonferroni():
    rng = np.random.default_rng(1)
    one = rng.normal(0.5, 0.2, (4000, 1))
    copies = max_t(np.full(8, 0.5), np.tile(one, 8))
    assert copies.p_adjusted == pytest.approx(copies.p_value)
    apart = max_t(np.full(8, 0.5), rng.normal(0.5, 0.2, (4000, 8)))
    single = 2 * norm.sf(2.5)
    assert apart.p_adjusted == pytest.approx(np.full(8, 1 - (1 - single) ** 8), abs=0.02)
    assert (apart.p_adjusted >= apart.p_value).all()


def test_family_wise_error_is_kept_where_ten_subgroups_hold_nothing():
    rng = np.random.default_rng(2)
    alone, together, covered = 0, 0, 0
    for _ in range(300):
        sample = rng.normal(size=(80, 10)) + rng.normal(size=(80, 1))  # correlated columns
        weights = rng.multinomial(80, np.full(80, 1 / 80), size=300) / 80
        test = max_t(sample.mean(axis=0), weights @ sample)
        alone += (test.p_value <= 0.05).any()
        together += (test.p_adjusted <= 0.05).any()
        covered += ((test.low <= 0) & (test.high >= 0)).all()
    assert alone / 300 > 0.15
    assert 0.02 <= together / 300 <= 0.09
    assert covered / 300 == pytest.approx(1 - together / 300, abs=0.02)


def test_order_of_comparisons_and_of_replicates_is_nothing():
    rng = np.random.default_rng(3)
    values, replicates = np.array([0.1, 0.5, -0.2]), rng.normal([0.1, 0.5, -0.2], 0.2, (500, 3))
    test = max_t(values, replicates)
    turned = max_t(values[::-1], replicates[::-1, ::-1])
    assert turned.p_adjusted[::-1] == pytest.approx(test.p_adjusted)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"replicates must have shape \(n_replicates, 2\)"):
        max_t([1, 2], np.ones((5, 3)))
    with pytest.raises(ValueError, match=r"replicates are undefined in columns \[1\]"):
        max_t([1, 2], np.array([[1, np.nan], [2, 3]]))
    with pytest.raises(ValueError, match=r"replicates do not vary in columns \[0\]"):
        max_t([1, 2], np.array([[1.0, 4], [1, 3]]))
    with pytest.raises(ValueError, match="values must be finite"):
        max_t([np.nan], np.ones((5, 1)))
    with pytest.raises(ValueError, match="method 'sidak' is unknown; valid: holm, benjamini"):
        adjust_p_values([0.1], "sidak")
    with pytest.raises(ValueError, match="p_values must lie in"):
        adjust_p_values([1.1])
