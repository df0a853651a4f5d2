"""Kappa against scikit-learn and statsmodels, intraclass correlations against Shrout and Fleiss."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from mammolab.evaluate.agreement import (
    KAPPA_WEIGHTS,
    cohen_kappa,
    cohen_kappa_bootstrap,
    fleiss_kappa,
    fleiss_kappa_bootstrap,
)
from mammolab.evaluate.intraclass import intraclass_correlations
from mammolab.evaluate.resampling import PatientBootstrap

SHROUT_FLEISS = [
    [9, 2, 5, 8],
    [6, 1, 3, 2],
    [8, 4, 6, 8],
    [7, 1, 2, 6],
    [10, 5, 6, 9],
    [6, 2, 4, 7],
]
SKLEARN_NAME = {"unweighted": None, "linear": "linear", "quadratic": "quadratic"}


def two_readers(rng, n_exams, n_categories=4, agree=0.6):
    """Two readers who see the truth with probability `agree` and guess otherwise."""
    truth = rng.integers(0, n_categories, n_exams)
    return [
        np.where(rng.random(n_exams) < agree, truth, rng.integers(0, n_categories, n_exams))
        for _ in range(2)
    ]


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_kappa_agrees_with_scikit_learn(rows):
    first, second, weight = np.array(rows).T
    weight = weight + 0.5
    if len(np.unique([first, second])) < 2:
        assert np.isnan(cohen_kappa(first, second))
        return
    for weights in KAPPA_WEIGHTS:
        expected = cohen_kappa_score(
            first, second, weights=SKLEARN_NAME[weights], sample_weight=weight
        )
        ours = cohen_kappa(first, second, weights, sample_weight=weight)
        assert ours == pytest.approx(expected, abs=1e-10)
        assert cohen_kappa(second, first, weights, sample_weight=weight) == pytest.approx(ours)


def test_text_categories_keep_the_order_given():
    first, second = ["low", "mid", "high", "low"], ["low", "high", "high", "mid"]
    order = ["low", "mid", "high"]
    numbers = [order.index(one) for one in first], [order.index(one) for one in second]
    assert cohen_kappa(first, second, "linear", order) == cohen_kappa(*numbers, "linear")
    assert cohen_kappa(first, second, "linear") != cohen_kappa(*numbers, "linear")


def test_an_unused_category_between_two_adds_to_their_distance():
    table = [1, 1, 4, 2, 4, 1], [1, 2, 4, 2, 2, 1]
    without = cohen_kappa(*table, "quadratic")
    assert cohen_kappa(*table, "quadratic", [1, 2, 3, 4]) != pytest.approx(without)
    assert cohen_kappa(*table, "unweighted", [1, 2, 3, 4]) == pytest.approx(cohen_kappa(*table))
    flags = np.array([True, False, True, True]), np.array([True, False, False, True])
    assert cohen_kappa(*flags, categories=[0, 1]) == pytest.approx(cohen_kappa_score(*flags))


@pytest.mark.parametrize("weights", KAPPA_WEIGHTS)
def test_every_replicate_is_the_kappa_of_the_patients_drawn(weights):
    rng = np.random.default_rng(0)
    first, second = two_readers(rng, 60)
    patients = rng.integers(0, 25, 60)
    weight = rng.uniform(0.5, 2, 60)
    bootstrap = PatientBootstrap.draw(patients, 40, seed=1)
    estimate = cohen_kappa_bootstrap(
        first, second, patients, weight, bootstrap, weights, None, confidence=0.9
    )
    direct = []
    for counts in bootstrap.counts:
        drawn = np.repeat(np.arange(60), counts[bootstrap.columns(patients)])
        direct.append(
            cohen_kappa_score(
                first[drawn],
                second[drawn],
                weights=SKLEARN_NAME[weights],
                sample_weight=weight[drawn],
            )
        )
    limits = np.quantile(direct, [0.05, 0.95])
    assert estimate.ci == pytest.approx(limits, abs=1e-6)  # as right as sum_replicates states
    assert estimate.value == pytest.approx(
        cohen_kappa(first, second, weights, sample_weight=weight), abs=1e-12
    )


def test_bootstrap_interval_is_as_wide_as_the_asymptotic_one():
    rng = np.random.default_rng(1)
    first, second = two_readers(rng, 1500)
    patients = np.arange(1500)
    bootstrap = PatientBootstrap.draw(patients, 1500, seed=2)
    result = cohens_kappa(pd.crosstab(first, second).to_numpy())
    estimate = cohen_kappa_bootstrap(first, second, patients, None, bootstrap)
    assert estimate.value == pytest.approx(result.kappa, abs=1e-12)
    width = result.kappa_upp - result.kappa_low
    assert estimate.high - estimate.low == pytest.approx(width, rel=0.08)


def test_repeated_exams_of_a_patient_do_not_narrow_the_interval():
    rng = np.random.default_rng(2)
    first, second = two_readers(rng, 200)
    patients = np.arange(200)
    bootstrap = PatientBootstrap.draw(patients, 300, seed=3)
    once = cohen_kappa_bootstrap(first, second, patients, None, bootstrap)
    twice = cohen_kappa_bootstrap(
        *(np.tile(one, 2) for one in (first, second, patients)), None, bootstrap
    )
    weighted = cohen_kappa_bootstrap(first, second, patients, np.full(200, 2.0), bootstrap)
    assert twice.ci == pytest.approx(once.ci)
    assert weighted.ci == pytest.approx(once.ci)


def test_perfect_agreement_has_no_interval():
    readings = np.array([0, 1, 2, 1, 0, 2])
    bootstrap = PatientBootstrap.draw(np.arange(6), 100, seed=0)
    estimate = cohen_kappa_bootstrap(readings, readings, np.arange(6), None, bootstrap)
    assert estimate.value == 1 and np.isnan(estimate.ci).all()
    panel = np.column_stack([readings] * 3)
    estimate = fleiss_kappa_bootstrap(panel, np.arange(6), np.full(6, 0.1), bootstrap, None)
    assert estimate.value == pytest.approx(1) and np.isnan(estimate.ci).all()


def test_fleiss_kappa_agrees_with_statsmodels():
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 80)
    panel = np.where(rng.random((80, 5)) < 0.5, truth[:, None], rng.integers(0, 3, (80, 5)))
    times = rng.integers(1, 4, 80)
    plain = statsmodels_fleiss(aggregate_raters(panel)[0])
    assert fleiss_kappa(panel) == pytest.approx(plain, abs=1e-12)
    repeated = statsmodels_fleiss(aggregate_raters(np.repeat(panel, times, axis=0))[0])
    assert fleiss_kappa(panel, sample_weight=times) == pytest.approx(repeated, abs=1e-12)
    assert fleiss_kappa(panel[:, [3, 1, 4, 0, 2]], [2, 0, 1]) == pytest.approx(plain, abs=1e-12)
    assert np.isnan(fleiss_kappa(np.ones((5, 3))))


def test_fleiss_replicates_are_those_of_the_patients_drawn():
    rng = np.random.default_rng(4)
    panel = rng.integers(0, 2, (30, 3))
    patients = rng.integers(0, 12, 30)
    bootstrap = PatientBootstrap.draw(patients, 30, seed=5)
    direct = [
        fleiss_kappa(np.repeat(panel, counts[bootstrap.columns(patients)], axis=0))
        for counts in bootstrap.counts
    ]
    estimate = fleiss_kappa_bootstrap(panel, patients, None, bootstrap)
    limits = np.quantile(direct, [0.025, 0.975])
    assert estimate.ci == pytest.approx(limits, abs=1e-6)  # as right as sum_replicates states


def test_wrong_categories_are_named():
    with pytest.raises(ValueError, match="must hold a, b only, none missing; 1 rows do not, .* 2"):
        cohen_kappa(["a", "b", "c"], ["a", "b", "b"], categories=["a", "b"])
    with pytest.raises(ValueError, match="none missing; 1 rows do not, first: 1"):
        cohen_kappa([1.0, np.nan, 2.0], [1.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="none missing; 1 rows do not, first: 0"):
        fleiss_kappa(np.array([["a", None], ["b", "b"]], dtype=object))
    with pytest.raises(ValueError, match="'cubic' is unknown; valid: unweighted, linear, quadr"):
        cohen_kappa([0, 1], [0, 1], weights="cubic")
    with pytest.raises(ValueError, match="vectors of one length"):
        cohen_kappa([0, 1], [0, 1, 1])
    with pytest.raises(ValueError, match="must not be empty"):
        cohen_kappa([], [])
    with pytest.raises(ValueError, match="categories must be distinct"):
        cohen_kappa([0, 1], [0, 1], categories=[0, 1, 1])
    with pytest.raises(ValueError, match="two readers or more"):
        fleiss_kappa([[0], [1]])
    with pytest.raises(ValueError, match="must not be negative"):
        cohen_kappa([0, 1], [0, 1], sample_weight=[1, -1])
    bootstrap = PatientBootstrap.draw(["p"], 10, seed=0)
    with pytest.raises(ValueError, match="the one patient"):
        cohen_kappa_bootstrap([0, 1], [0, 0], ["p", "p"], None, bootstrap)
    with pytest.raises(ValueError, match="the one patient"):
        fleiss_kappa_bootstrap([[0, 1], [0, 0]], ["p", "p"], None, bootstrap)


def test_shrout_and_fleiss_table():
    """Values as published; limits as R's psych prints them for the same table."""
    icc = intraclass_correlations(SHROUT_FLEISS)
    published = {
        "one_way_single": (0.166, -0.133, 0.72),
        "agreement_single": (0.290, 0.019, 0.76),
        "consistency_single": (0.715, 0.342, 0.95),
        "one_way_average": (0.443, -0.884, 0.91),
        "agreement_average": (0.620, 0.071, 0.93),
        "consistency_average": (0.909, 0.676, 0.99),
    }
    for name, (value, low, high) in published.items():
        estimate = getattr(icc, name)
        assert estimate.value == pytest.approx(value, abs=5e-4)
        assert estimate.low == pytest.approx(low, abs=5e-4)
        assert estimate.high == pytest.approx(high, abs=5e-3)


def test_intraclass_correlations_follow_the_analysis_of_variance():
    rng = np.random.default_rng(6)
    ratings = rng.normal(size=(12, 1)) + rng.normal(size=(1, 5)) + rng.normal(size=(12, 5))
    long = pd.DataFrame(
        {"y": ratings.ravel(), "exam": np.repeat(range(12), 5), "reader": np.tile(range(5), 12)}
    )
    two_way = anova_lm(smf.ols("y ~ C(exam) + C(reader)", long).fit())["mean_sq"]
    within = anova_lm(smf.ols("y ~ C(exam)", long).fit())["mean_sq"]["Residual"]
    exams, readers, error = two_way
    icc = intraclass_correlations(ratings)
    assert icc.one_way_single.value == pytest.approx((exams - within) / (exams + 4 * within))
    assert icc.one_way_average.value == pytest.approx(1 - within / exams)
    assert icc.consistency_single.value == pytest.approx((exams - error) / (exams + 4 * error))
    assert icc.consistency_average.value == pytest.approx(1 - error / exams)
    both = (exams - error) / (exams + 4 * error + 5 * (readers - error) / 12)
    assert icc.agreement_single.value == pytest.approx(both)
    assert icc.agreement_average.value == pytest.approx(
        (exams - error) / (exams + (readers - error) / 12)
    )


def test_intraclass_intervals_cover_the_planted_correlation():
    """Exams 1, readers 0.3, error 0.7: agreement 0.5, consistency 1 / 1.7."""
    rng = np.random.default_rng(7)
    hits = {"agreement_single": [], "consistency_single": []}
    truth = {"agreement_single": 1 / 2, "consistency_single": 1 / 1.7}
    for _ in range(400):
        ratings = (
            rng.normal(size=(20, 1))
            + rng.normal(0, 0.3**0.5, (1, 5))
            + rng.normal(0, 0.7**0.5, (20, 5))
        )
        icc = intraclass_correlations(ratings)
        for name, covered in hits.items():
            estimate = getattr(icc, name)
            covered.append(estimate.low <= truth[name] <= estimate.high)
    assert 0.92 < np.mean(hits["agreement_single"]) < 0.98
    assert 0.92 < np.mean(hits["consistency_single"]) < 0.98


def test_shift_and_scale_leave_the_correlations():
    rng = np.random.default_rng(8)
    ratings = rng.normal(size=(10, 1)) + rng.normal(size=(10, 3))
    plain = intraclass_correlations(ratings)
    moved = intraclass_correlations(5 - 3 * ratings[::-1][:, [2, 0, 1]])
    assert moved.agreement_single.ci == pytest.approx(plain.agreement_single.ci)
    own_levels = intraclass_correlations(ratings + np.array([0.0, 4.0, -2.0]))
    assert own_levels.consistency_single.ci == pytest.approx(plain.consistency_single.ci)
    assert own_levels.agreement_single.value < plain.agreement_single.value


def test_readers_who_agree_to_the_digit_have_no_interval():
    exams = np.arange(5.0)[:, None]
    equal = intraclass_correlations(np.repeat(exams, 3, axis=1))
    assert equal.agreement_single.value == equal.one_way_average.value == 1
    assert np.isnan(equal.agreement_single.ci).all()
    shifted = intraclass_correlations(exams + np.array([0.0, 1.0, 2.0]))
    assert shifted.consistency_single.value == 1
    assert 0 < shifted.agreement_single.low < shifted.agreement_single.value < 1


def test_wrong_ratings_are_named():
    with pytest.raises(ValueError, match="two exams and two readers"):
        intraclass_correlations([[1, 2, 3]])
    with pytest.raises(ValueError, match="1 exams are not, first: 1"):
        intraclass_correlations([[1, 2], [np.nan, 2], [2, 2]])
    with pytest.raises(ValueError, match="all equal"):
        intraclass_correlations(np.ones((4, 3)))
    with pytest.raises(ValueError, match="confidence"):
        intraclass_correlations(SHROUT_FLEISS, confidence=1)
