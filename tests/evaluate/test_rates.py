"""Rates and their intervals against published values, scikit-learn, and simulated truth."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from mammolab.evaluate import rates


def test_operating_point_agrees_with_a_weighted_confusion_matrix():
    rng = np.random.default_rng(4)
    label, decision = rng.random((2, 300)) < [[0.2], [0.4]]
    weight = rng.uniform(0, 5, 300)
    (tn, fp), (fn, tp) = confusion_matrix(label, decision, sample_weight=weight)
    point = rates.operating_point(decision, label, weight)
    assert point.sensitivity == pytest.approx(tp / (tp + fn))
    assert point.specificity == pytest.approx(tn / (tn + fp))
    assert point.ppv == pytest.approx(tp / (tp + fp))
    assert point.flagged_rate == pytest.approx((tp + fp) / weight.sum())
    assert np.isnan(rates.operating_point([0, 0], [1, 0]).ppv)


@pytest.mark.parametrize(
    ("count", "n_total", "exact", "wilson"),
    [
        (81, 263, (0.2527, 0.3676), (0.2553, 0.3662)),
        (15, 148, (0.0578, 0.1617), (0.0624, 0.1605)),
        (0, 20, (0, 0.1684), (0, 0.1611)),
        (1, 29, (0.0009, 0.1776), (0.0061, 0.1718)),
    ],
)
def test_intervals_of_newcombe_1998(count, n_total, exact, wilson):
    assert rates.proportion_estimate(count, n_total).ci == pytest.approx(exact, abs=5e-5)
    assert rates.proportion_estimate(count, n_total, "wilson").ci == pytest.approx(
        wilson, abs=5.1e-5
    )
    mirrored = rates.proportion_estimate(n_total - count, n_total)
    assert mirrored.ci == pytest.approx((1 - exact[1], 1 - exact[0]), abs=5e-5)


def test_one_exam_a_patient_gives_the_interval_of_a_proportion():
    rng = np.random.default_rng(5)
    event, among = rng.random((2, 200)) < [[0.3], [0.7]]
    ids = [f"P{i}" for i in range(200)]
    for method in ("wilson", "clopper_pearson"):
        clustered = rates.clustered_proportion(event, among, ids, None, method)
        plain = rates.proportion_estimate((event & among).sum(), among.sum(), method)
        assert clustered.value == pytest.approx(plain.value, abs=1e-12)
        assert clustered.ci == pytest.approx(plain.ci, abs=1e-9)


def test_a_patient_repeated_adds_nothing_to_a_rate():
    rng = np.random.default_rng(6)
    event = rng.random(60) < 0.4
    ids = np.array([f"P{i}" for i in range(60)])
    once = rates.clustered_proportion(event, np.ones(60), ids)
    thrice = rates.clustered_proportion(np.tile(event, 3), np.ones(180), np.tile(ids, 3))
    assert thrice.ci == pytest.approx(once.ci, abs=1e-9)
    independent = rates.proportion_estimate(3 * event.sum(), 180, "wilson")
    assert independent.high - independent.low < 0.62 * (once.high - once.low)


def test_rare_weighty_patients_widen_the_interval():
    rng = np.random.default_rng(7)
    event = rng.random(200) < 0.3
    ids = [f"P{i}" for i in range(200)]
    even = rates.clustered_proportion(event, np.ones(200), ids)
    weight = np.where(np.arange(200) < 10, 50.0, 1.0)
    uneven = rates.clustered_proportion(event, np.ones(200), ids, weight)
    assert uneven.value == pytest.approx(np.average(event, weights=weight))
    assert uneven.high - uneven.low > 2.5 * (even.high - even.low)
    scaled = rates.clustered_proportion(event, np.ones(200), ids, 9 * weight)
    assert scaled.ci == pytest.approx(uneven.ci, abs=1e-12)


def test_all_none_and_perfectly_balanced_patients_keep_an_interval():
    ids = ["A", "A", "B", "B", "C", "C"]
    everyone = np.ones(6, dtype=bool)
    none = rates.clustered_proportion(~everyone, everyone, ids, None, "clopper_pearson")
    assert none.ci == pytest.approx((0, rates.proportion_estimate(0, 3).high), abs=1e-12)
    every = rates.clustered_proportion(everyone, everyone, ids, np.full(6, 0.1))
    assert every.ci == pytest.approx((rates.proportion_estimate(3, 3, "wilson").low, 1), abs=1e-12)
    # each patient has one of two: between patients nothing varies
    half = rates.clustered_proportion([1, 0, 1, 0, 1, 0], everyone, ids)
    assert half.ci == pytest.approx(rates.proportion_estimate(3, 6, "wilson").ci, abs=1e-12)


def test_clustered_rate_covers_where_the_plain_one_does_not():
    rng = np.random.default_rng(8)
    ids = np.repeat([f"P{i}" for i in range(60)], 4)
    covered = {"clustered": 0, "plain": 0}
    for _ in range(1000):
        event = rng.random(240) < np.repeat(rng.beta(0.5, 1.5, 60), 4)  # mean .25, deff 2
        for name, estimate in (
            ("clustered", rates.clustered_proportion(event, np.ones(240), ids)),
            ("plain", rates.proportion_estimate(event.sum(), 240, "wilson")),
        ):
            covered[name] += estimate.low <= 0.25 <= estimate.high
    assert covered["plain"] / 1000 < 0.86
    assert 0.92 < covered["clustered"] / 1000 < 0.965


def test_rates_at_a_threshold_are_those_of_the_decision():
    rng = np.random.default_rng(9)
    label = rng.random(400) < 0.1
    score = np.round(rng.normal(size=400) + label, 1)
    weight = np.where(label, 1.0, 5.0)
    ids = [f"P{i % 250}" for i in range(400)]
    estimates = rates.operating_point_estimates(score, 0.4, label, ids, weight)
    point = rates.operating_point(score >= 0.4, label, weight)
    for name, value in vars(point).items():
        estimate = getattr(estimates, name)
        assert estimate.value == pytest.approx(value)
        assert estimate.low < value < estimate.high
    nobody = rates.operating_point_estimates(score, 99.0, label, ids, weight)
    assert nobody.sensitivity.value == 0 and np.isnan(nobody.ppv.value)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="method 'wald' is unknown; valid: clopper_pearson"):
        rates.proportion_estimate(1, 2, "wald")
    with pytest.raises(ValueError, match="count must lie in"):
        rates.proportion_estimate(3, 2)
    with pytest.raises(ValueError, match="among holds no row of weight above 0"):
        rates.clustered_proportion([1, 0], [0, 0], ["A", "B"])
    with pytest.raises(ValueError, match="patient_ids holds the one patient A"):
        rates.clustered_proportion([1, 0], [1, 1], ["A", "A"])
    with pytest.raises(ValueError, match="patient_ids must be text.*first: 1"):
        rates.clustered_proportion([1, 0], [1, 1], ["A", None])
    with pytest.raises(ValueError, match="threshold is NaN"):
        rates.operating_point_estimates([1, 2], np.nan, [0, 1], ["A", "B"])
