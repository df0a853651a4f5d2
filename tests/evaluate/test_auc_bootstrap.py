"""ROC curves over the patient bootstrap, against a loop over scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mammolab.evaluate import auc_bootstrap, roc
from mammolab.evaluate.delong import auc_estimate
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval


@pytest.fixture(scope="module")
def exams():
    """300 exams of 120 patients: tied scores, weights, patients of both classes."""
    rng = np.random.default_rng(0)
    ids = np.array([f"P{i:03d}" for i in rng.integers(0, 120, 300)])
    label = rng.random(300) < 0.15
    score = np.round(rng.normal(size=300) + label, 1)
    weight = np.where(label, 1.0, rng.choice([1.0, 20.0], 300))
    return score, label, ids, weight


@pytest.fixture(scope="module")
def bootstrap(exams):
    return PatientBootstrap.draw(exams[2], 50, seed=3)


def test_auc_replicates_equal_the_obvious_loop(exams, bootstrap):
    score, label, ids, weight = exams
    fast = auc_bootstrap.auc_replicates(score, label, ids, weight, bootstrap)
    drawn = bootstrap.counts[:, bootstrap.columns(ids)] * weight
    slow = [roc_auc_score(label, score, sample_weight=each) for each in drawn]
    assert fast == pytest.approx(slow, abs=1e-6)
    flipped = auc_bootstrap.auc_replicates(score, ~label, ids, weight, bootstrap)
    assert flipped == pytest.approx(1 - fast, abs=1e-6)
    shuffled = np.random.default_rng(5).permutation(len(score))
    again = auc_bootstrap.auc_replicates(
        score[shuffled], label[shuffled], ids[shuffled], weight[shuffled], bootstrap
    )
    assert again == pytest.approx(fast, abs=1e-6)


def test_blocks_change_nothing(exams, bootstrap, monkeypatch):
    score, label, ids, weight = exams
    areas = auc_bootstrap.auc_replicates(score, label, ids, weight, bootstrap)
    curves = auc_bootstrap.roc_replicates(score, label, ids, weight, bootstrap)
    monkeypatch.setattr(auc_bootstrap, "_BLOCK_CELLS", 500)
    again = auc_bootstrap.auc_replicates(score, label, ids, weight, bootstrap)
    assert again == pytest.approx(areas, abs=1e-12)
    redrawn = auc_bootstrap.roc_replicates(score, label, ids, weight, bootstrap)
    np.testing.assert_allclose(redrawn.sensitivity, curves.sensitivity, atol=1e-12)


def test_curves_and_partial_areas_equal_the_obvious_loop(exams, bootstrap):
    score, label, ids, weight = exams
    curves = auc_bootstrap.roc_replicates(score, label, ids, weight, bootstrap)
    drawn = bootstrap.counts[:, bootstrap.columns(ids)] * weight
    for low, high, along in ((0.8, 1, "specificity"), (0.5, 0.9, "sensitivity")):
        fast = roc.partial_area(
            curves.false_positive_rate, curves.sensitivity, low, high, along, True
        )
        slow = [roc.partial_auc(score, label, low, high, along, each) for each in drawn]
        assert fast == pytest.approx(slow, abs=1e-6)
    estimate = auc_bootstrap.partial_auc_bootstrap(
        score, label, ids, weight, bootstrap, 0.5, 0.9, "sensitivity"
    )
    assert estimate.value == roc.partial_auc(score, label, 0.5, 0.9, "sensitivity", weight)
    assert estimate.ci == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=1e-6)


def test_jackknife_equals_leaving_each_patient_out(exams):
    score, label, ids, weight = exams
    fast = auc_bootstrap.auc_jackknife(score, label, ids, weight)
    slow = [
        roc.auc(score[ids != one], label[ids != one], weight[ids != one]) for one in np.unique(ids)
    ]
    assert np.sort(fast) == pytest.approx(np.sort(slow), abs=1e-12)


def test_a_subset_uses_its_own_columns(exams, bootstrap):
    score, label, ids, _ = exams
    part = np.flatnonzero(ids < "P060")
    fast = auc_bootstrap.auc_replicates(score[part], label[part], ids[part], None, bootstrap)
    drawn = bootstrap.counts[:, bootstrap.columns(ids[part])]
    slow = [roc_auc_score(label[part], score[part], sample_weight=each) for each in drawn]
    assert fast == pytest.approx(slow, abs=1e-6)


def test_a_replicate_without_a_cancer_is_undefined():
    ids = ["A", "B", "C", "D"]
    bootstrap = PatientBootstrap.draw(ids, 200, seed=0)
    values = auc_bootstrap.auc_replicates([4, 3, 2, 1], [1, 0, 0, 0], ids, None, bootstrap)
    without = (bootstrap.counts[:, 0] == 0) | (bootstrap.counts[:, 1:].sum(axis=1) == 0)
    assert (np.isnan(values) == without).all()
    assert np.isnan(percentile_interval(values)).all()
    assert (values[~without] == 1).all()


def test_weight_two_is_a_row_twice(exams, bootstrap):
    score, label, ids, _ = exams
    weight = np.arange(300) % 2 + 1
    twice = np.repeat(np.arange(300), weight)
    weighted = auc_bootstrap.auc_bootstrap(score, label, ids, weight, bootstrap)
    repeated = auc_bootstrap.auc_bootstrap(score[twice], label[twice], ids[twice], None, bootstrap)
    assert weighted.value == pytest.approx(repeated.value, abs=1e-12)
    assert weighted.ci == pytest.approx(repeated.ci, abs=1e-6)


def test_paired_difference_uses_the_same_draws(exams, bootstrap):
    score, label, ids, weight = exams
    same = auc_bootstrap.auc_difference(score, np.exp(score), label, ids, weight, bootstrap)
    assert same.value == 0
    assert same.ci == pytest.approx((0, 0), abs=1e-6)
    noisy = score + np.random.default_rng(1).normal(size=300)
    forth = auc_bootstrap.auc_difference(score, noisy, label, ids, weight, bootstrap)
    back = auc_bootstrap.auc_difference(noisy, score, label, ids, weight, bootstrap)
    assert forth.value == pytest.approx(-back.value)
    assert forth.ci == pytest.approx((-back.high, -back.low), abs=1e-6)


def test_bootstrap_and_clustered_delong_agree():
    rng = np.random.default_rng(8)
    ids = np.repeat([f"P{i:04d}" for i in range(600)], 3)
    label = rng.random(1800) < 0.1
    score = np.repeat(rng.normal(size=600), 3) + rng.normal(size=1800) + label
    bootstrap = PatientBootstrap.draw(ids, 2000, seed=1)
    resampled = auc_bootstrap.auc_bootstrap(score, label, ids, None, bootstrap)
    normal = auc_estimate(score, label, None, ids)
    assert resampled.value == pytest.approx(normal.value)
    assert resampled.ci == pytest.approx(normal.ci, abs=0.006)


def test_a_wrong_length_is_named(exams, bootstrap):
    score, label, ids, _ = exams
    with pytest.raises(ValueError, match="patient_ids has 2 rows where 300 are needed"):
        auc_bootstrap.auc_replicates(score, label, ids[:2], None, bootstrap)
