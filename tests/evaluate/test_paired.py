"""Paired comparisons against published tables, statsmodels, and simulated truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar

from mammolab.evaluate import paired
from mammolab.evaluate.paired import PairedCounts

RESPONSE = PairedCounts(59, 6, 16, 80)  # a worked example of Fagerland 2014, 161 patients


def test_tango_interval_of_the_worked_example():
    estimate = paired.tango_interval(RESPONSE)
    assert estimate.value == pytest.approx(-0.0621, abs=5e-5)
    assert estimate.ci == pytest.approx((-0.1240, -0.0054), abs=5e-5)


def test_mcnemar_of_the_worked_example():
    test = paired.mcnemar_test(RESPONSE)
    assert test.z == pytest.approx(-2.132, abs=5e-4)
    assert test.p_asymptotic == pytest.approx(0.033006, abs=5e-7)
    assert test.p_exact == pytest.approx(0.052479, abs=5e-7)
    assert test.p_mid == pytest.approx(0.034690, abs=5e-7)
    assert test.p_continuity == pytest.approx(0.055009, abs=5e-7)
    larger = paired.mcnemar_test(PairedCounts(794, 86, 150, 570))
    assert larger.z**2 == pytest.approx(17.35593, abs=5e-6)


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_mcnemar_agrees_with_statsmodels(first_only, second_only):
    test = paired.mcnemar_test(PairedCounts(5, first_only, second_only, 5))
    table = [[5, first_only], [second_only, 5]]
    assert test.p_exact == pytest.approx(mcnemar(table, exact=True).pvalue)
    if first_only + second_only:
        assert test.p_asymptotic == pytest.approx(mcnemar(table, False, False).pvalue)
        if first_only != second_only:  # statsmodels corrects a difference of 0 to 1
            assert test.p_continuity == pytest.approx(mcnemar(table, False, True).pvalue)
    assert 0 < test.p_mid <= test.p_exact <= 1


@given(*[st.integers(0, 40)] * 4)
@settings(max_examples=80, deadline=None)
def test_tango_interval_holds_its_estimate_and_mirrors(both, first_only, second_only, neither):
    if both + first_only + second_only + neither == 0:
        return
    forth = paired.tango_interval(PairedCounts(both, first_only, second_only, neither))
    assert -1 <= forth.low <= forth.value <= forth.high <= 1
    back = paired.tango_interval(PairedCounts(neither, second_only, first_only, both))
    assert forth.ci == pytest.approx((-back.high, -back.low), abs=1e-8)


def test_no_discordant_pair_still_leaves_room():
    """With b = c = 0 the score equation solves to z^2 / (n + z^2)."""
    estimate = paired.tango_interval(PairedCounts(90, 0, 0, 10))
    z2 = norm.ppf(0.975) ** 2
    assert estimate.ci == pytest.approx((-z2 / (100 + z2), z2 / (100 + z2)), abs=1e-9)
    assert paired.mcnemar_test(PairedCounts(90, 0, 0, 10)).p_exact == 1


def test_noninferiority_rejects_exactly_when_the_interval_clears_the_margin():
    for lost in range(15):
        test = paired.noninferiority_test(PairedCounts(172 - lost, 0, lost, 19), margin=0.05)
        assert test.noninferior == (test.difference.low > -0.05)
        assert test.noninferior == (test.p_value < 0.025)
    at_the_limit = paired.noninferiority_test(RESPONSE, margin=0.12401, alpha=0.025)
    assert at_the_limit.p_value == pytest.approx(0.025, abs=2e-4)


def test_yala_2019_one_cancer_lost():
    """172 of 191 with triage, 173 without: non-inferior at five points."""
    test = paired.noninferiority_test(PairedCounts(172, 0, 1, 18), margin=0.05)
    assert test.difference.value == pytest.approx(-1 / 191)
    assert test.noninferior


def test_score_test_keeps_its_level_where_the_published_test_rejects_always():
    """True loss = margin: the score test errs in about 2.5%, the t test over replicates not so."""
    rng = np.random.default_rng(0)
    n_cancers, margin, n_runs = 190, 0.05, 2000
    lost = rng.binomial(n_cancers, margin, n_runs)
    rejected = [
        paired.noninferiority_test(PairedCounts(n_cancers - k, 0, k, 0), margin).noninferior
        for k in lost[:400]
    ]
    assert np.mean(rejected) < 0.05
    replicates = -rng.binomial(n_cancers, lost[:400, None] / n_cancers, (400, 500)) / n_cancers
    published = [paired.published_noninferiority(r, margin).p_value < 0.025 for r in replicates]
    assert np.mean(published) > 0.3


def test_published_test_shrinks_with_replicates_alone():
    rng = np.random.default_rng(1)
    few, many = (rng.normal(-0.045, 0.02, n) for n in (20, 5000))
    assert paired.published_noninferiority(many, 0.05).p_value < 1e-20
    assert paired.published_noninferiority(few, 0.05).p_value > 1e-6
    with_gaps = paired.published_noninferiority(np.append(few, np.nan), 0.05)
    assert with_gaps == paired.published_noninferiority(few, 0.05)
    constant = paired.published_noninferiority(np.zeros(10), 0.05)
    assert (constant.t, constant.p_value) == (np.inf, 0.0)


def test_counting_pairs():
    first = np.array([1, 1, 0, 0, 1], dtype=bool)
    second = np.array([1, 0, 1, 0, 1], dtype=bool)
    assert paired.paired_counts(first, second) == PairedCounts(2, 1, 1, 1)
    equal = paired.paired_counts(first, second, np.full(5, 4.0))
    assert equal.n_total == pytest.approx(5)
    uneven = paired.paired_counts(first, second, [10, 1, 1, 1, 1])
    assert uneven.n_total == pytest.approx(14**2 / 104)
    assert uneven.both / uneven.n_total == pytest.approx(11 / 14)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="paired counts must be finite"):
        PairedCounts(0, 0, 0, 0)
    with pytest.raises(ValueError, match="paired counts must be finite"):
        PairedCounts(3, -1, 0, 0)
    with pytest.raises(ValueError, match="whole discordant counts"):
        paired.mcnemar_test(PairedCounts(3, 1.5, 0, 0))
    with pytest.raises(ValueError, match="margin must lie between 0 and 1"):
        paired.noninferiority_test(RESPONSE, margin=5)


def test_replicates_that_all_lie_at_the_margin_decide_nothing():
    test = paired.published_noninferiority([-0.05, -0.05], 0.05)
    assert (test.t, test.p_value) == (0.0, 0.5)
