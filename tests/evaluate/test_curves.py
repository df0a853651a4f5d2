"""The ROC band meets scikit-learn and the bootstrap AUC; rule-out shares meet hand counts."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from mammolab.evaluate.auc_bootstrap import auc_replicates
from mammolab.evaluate.curves import (
    capture_in_top,
    roc_band,
    rule_out_curve,
    ruled_out_at_sensitivity,
)
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.roc import auc


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(3)
    patients = np.repeat([f"p{i}" for i in range(150)], 2)
    label = np.repeat(rng.random(150) < 0.3, 2)
    score = np.round(rng.normal(label * 1.0, 1), 1)  # ties
    weight = np.where(label, 1.0, rng.uniform(1, 30, 300))
    return score, label, patients, weight


def test_curve_is_scikit_learns_between_its_steps(sample):
    score, label, patients, weight = sample
    band = roc_band(score, label, patients, weight, PatientBootstrap.draw(patients, 20, 0), 51)
    fpr, tpr, _ = roc_curve(label, score, sample_weight=weight)
    np.testing.assert_allclose(band.sensitivity, np.interp(band.false_positive_rate, fpr, tpr))


def test_areas_under_the_replicates_spread_like_the_bootstrap_auc(sample):
    score, label, patients, weight = sample
    bootstrap = PatientBootstrap.draw(patients, 400, 0)
    band = roc_band(score, label, patients, weight, bootstrap, 201)
    area = np.trapezoid(band.sensitivity, band.false_positive_rate)
    assert area == pytest.approx(auc(score, label, weight), abs=2e-3)
    low, high = np.percentile(
        auc_replicates(score, label, patients, weight, bootstrap), [2.5, 97.5]
    )
    # a pointwise band holds the band of areas
    assert np.trapezoid(band.low, band.false_positive_rate) < low
    assert np.trapezoid(band.high, band.false_positive_rate) > high


def test_rule_out_curve_counts_by_hand():
    curve = rule_out_curve([0, 1, 2, 3], [False, True, False, True], [2, 1, 4, 1], n_points=4)
    np.testing.assert_array_equal(curve.threshold, [0, 1, 2, 3])
    np.testing.assert_allclose(curve.fraction_ruled_out, [0, 2 / 8, 3 / 8, 7 / 8])
    np.testing.assert_allclose(curve.sensitivity, [1, 1, 0.5, 0.5])


def test_weight_two_is_the_row_twice():
    score, label = np.array([0.0, 1, 2, 3, 4]), np.array([0, 1, 0, 0, 1], bool)
    weight = np.array([1.0, 2, 3, 1, 2])
    twice = np.repeat(np.arange(5), weight.astype(int))
    for sensitivity in (0.4, 0.5, 1.0):
        assert ruled_out_at_sensitivity(score, label, weight, sensitivity) == pytest.approx(
            ruled_out_at_sensitivity(score[twice], label[twice], None, sensitivity)
        )


def test_capture_counts_the_cases_on_top_by_hand_and_chance_captures_its_share():
    patients = [f"p{i}" for i in range(10)]
    bootstrap = PatientBootstrap.draw(patients, 200, 0)
    case = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 1], bool)
    captured = capture_in_top(-np.arange(10), case, patients, None, bootstrap, fraction=0.3)
    assert captured.value == pytest.approx(2 / 3)
    assert captured.low <= captured.value <= captured.high
    rng = np.random.default_rng(0)
    many = np.arange(20000).astype(str)
    chance = capture_in_top(
        rng.random(20000), rng.random(20000) < 0.5, many, None, PatientBootstrap.draw(many, 2, 0)
    )
    assert chance.value == pytest.approx(0.1, abs=0.01)


def test_ties_at_the_border_are_captured_in_proportion():
    ids = [f"p{i}" for i in range(40)]
    bootstrap = PatientBootstrap.draw(ids, 20, 0)
    case = np.arange(40) < 4
    for order in (np.arange(40), np.arange(40)[::-1]):
        flat = capture_in_top(np.zeros(40), case[order], ids, None, bootstrap, 0.1)
        assert flat.value == pytest.approx(0.1)
    weight = np.where(case, 1.0, 9.0)  # the cases weigh 4 of 328
    top = capture_in_top(case * 1.0, case, ids, weight, bootstrap, 2 / 328)
    assert top.value == pytest.approx(0.5)
