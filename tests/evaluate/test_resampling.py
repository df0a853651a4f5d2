"""The patient bootstrap against a loop over scikit-learn, and against simulated truth."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mammolab.evaluate import resampling
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.roc import auc_estimate


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


def test_counts_are_multinomial_and_reproducible(exams, bootstrap):
    assert list(bootstrap.patient_ids) == sorted(set(exams[2]))
    assert bootstrap.counts.dtype == np.uint8
    assert (bootstrap.counts.sum(axis=1) == len(bootstrap.patient_ids)).all()
    again = PatientBootstrap.draw(exams[2][::-1], 50, seed=3)
    assert (again.counts == bootstrap.counts).all()
    many = PatientBootstrap.draw([f"P{i}" for i in range(200)], 2000, seed=1).counts
    assert many.mean() == 1
    assert many.var() == pytest.approx(1 - 1 / 200, abs=0.01)


def test_columns_find_every_patient_and_refuse_strangers(exams, bootstrap):
    assert (bootstrap.patient_ids[bootstrap.columns(exams[2])] == exams[2]).all()
    assert (bootstrap.columns(exams[2].astype(object)) == bootstrap.columns(exams[2])).all()
    with pytest.raises(ValueError, match="2 patients are not in the bootstrap, among them X1, X2"):
        bootstrap.columns(["X1", exams[2][0], "X2", "X1"])
    with pytest.raises(ValueError, match="patient_ids must be text, with none missing"):
        bootstrap.columns(np.array(["P001", None], dtype=object))


def test_auc_replicates_equal_the_obvious_loop(exams, bootstrap):
    score, label, ids, weight = exams
    fast = resampling.auc_replicates(score, label, ids, weight, bootstrap)
    drawn = bootstrap.counts[:, bootstrap.columns(ids)] * weight
    slow = [roc_auc_score(label, score, sample_weight=each) for each in drawn]
    assert fast == pytest.approx(slow, abs=1e-6)
    flipped = resampling.auc_replicates(score, ~label, ids, weight, bootstrap)
    assert flipped == pytest.approx(1 - fast, abs=1e-6)
    shuffled = np.random.default_rng(5).permutation(len(score))
    again = resampling.auc_replicates(
        score[shuffled], label[shuffled], ids[shuffled], weight[shuffled], bootstrap
    )
    assert again == pytest.approx(fast, abs=1e-6)


def test_blocks_change_nothing(exams, bootstrap, monkeypatch):
    score, label, ids, weight = exams
    whole = resampling.auc_replicates(score, label, ids, weight, bootstrap)
    sums = resampling.sum_replicates(score, ids, bootstrap)
    monkeypatch.setattr(resampling, "_BLOCK_CELLS", 500)
    assert resampling.auc_replicates(score, label, ids, weight, bootstrap) == pytest.approx(
        whole, abs=1e-6
    )
    assert resampling.sum_replicates(score, ids, bootstrap) == pytest.approx(sums)


def test_a_subset_uses_its_own_columns(exams, bootstrap):
    score, label, ids, _ = exams
    part = np.flatnonzero(ids < "P060")
    fast = resampling.auc_replicates(score[part], label[part], ids[part], None, bootstrap)
    drawn = bootstrap.counts[:, bootstrap.columns(ids[part])]
    slow = [roc_auc_score(label[part], score[part], sample_weight=each) for each in drawn]
    assert fast == pytest.approx(slow, abs=1e-6)


def test_a_replicate_without_a_cancer_is_undefined():
    ids = ["A", "B", "C", "D"]
    bootstrap = PatientBootstrap.draw(ids, 200, seed=0)
    values = resampling.auc_replicates([4, 3, 2, 1], [1, 0, 0, 0], ids, None, bootstrap)
    without = (bootstrap.counts[:, 0] == 0) | (bootstrap.counts[:, 1:].sum(axis=1) == 0)
    assert (np.isnan(values) == without).all()
    assert np.isnan(resampling.percentile_interval(values)).all()
    assert (values[~without] == 1).all()


def test_sums_and_ratios_equal_repeated_rows(exams, bootstrap):
    _, label, ids, weight = exams
    table = np.column_stack([weight, weight * label])
    sums = resampling.sum_replicates(table, ids, bootstrap)
    repeat = bootstrap.counts[:, bootstrap.columns(ids)]
    assert sums == pytest.approx(repeat @ table)
    assert resampling.sum_replicates(weight, ids, bootstrap) == pytest.approx(sums[:, 0])
    ratio = resampling.ratio_estimate(label, np.ones(300), ids, bootstrap, weight)
    assert ratio.value == pytest.approx(np.average(label, weights=weight))
    expected = np.quantile(sums[:, 1] / sums[:, 0], [0.025, 0.975])
    assert ratio.ci == pytest.approx(tuple(expected))
    assert np.isnan(resampling.ratio_estimate(label, np.zeros(300), ids, bootstrap).value)


def test_weight_two_is_a_row_twice(exams, bootstrap):
    score, label, ids, _ = exams
    weight = np.arange(300) % 2 + 1
    twice = np.repeat(np.arange(300), weight)
    for weighted, repeated in [
        (
            resampling.auc_bootstrap(score, label, ids, weight, bootstrap),
            resampling.auc_bootstrap(score[twice], label[twice], ids[twice], None, bootstrap),
        ),
        (
            resampling.share_estimate(score > 1, label, ids, bootstrap, weight),
            resampling.share_estimate(score[twice] > 1, label[twice], ids[twice], bootstrap),
        ),
    ]:
        assert weighted.value == pytest.approx(repeated.value, abs=1e-12)
        assert weighted.ci == pytest.approx(repeated.ci, abs=1e-6)


def test_a_share_of_all_or_none_keeps_an_honest_interval():
    ids = [f"P{i}" for i in range(20)]
    bootstrap = PatientBootstrap.draw(ids, 100, seed=0)
    everyone = np.ones(20, dtype=bool)
    none = resampling.share_estimate(~everyone, everyone, ids, bootstrap)
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(0.1684, abs=5e-5)
    everything = resampling.share_estimate(everyone, everyone, ids, bootstrap, np.full(20, 3.0))
    assert everything.ci == pytest.approx((1 - none.high, 1))
    uneven = resampling.share_estimate(
        ~everyone, everyone, ids, bootstrap, np.where(np.arange(20) < 2, 50.0, 1.0)
    )
    assert uneven.high > none.high  # two patients stand for most of the others


def test_paired_difference_uses_the_same_draws(exams, bootstrap):
    score, label, ids, weight = exams
    same = resampling.auc_difference(score, np.exp(score), label, ids, weight, bootstrap)
    assert same.value == 0
    assert same.ci == pytest.approx((0, 0), abs=1e-6)
    noisy = score + np.random.default_rng(1).normal(size=300)
    forth = resampling.auc_difference(score, noisy, label, ids, weight, bootstrap)
    back = resampling.auc_difference(noisy, score, label, ids, weight, bootstrap)
    assert forth.value == pytest.approx(-back.value)
    assert forth.ci == pytest.approx((-back.high, -back.low), abs=1e-6)


def test_bootstrap_and_clustered_delong_agree():
    rng = np.random.default_rng(8)
    ids = np.repeat([f"P{i:04d}" for i in range(600)], 3)
    label = rng.random(1800) < 0.1
    score = np.repeat(rng.normal(size=600), 3) + rng.normal(size=1800) + label
    bootstrap = PatientBootstrap.draw(ids, 2000, seed=1)
    resampled = resampling.auc_bootstrap(score, label, ids, None, bootstrap)
    normal = auc_estimate(score, label, None, ids)
    assert resampled.value == pytest.approx(normal.value)
    assert resampled.ci == pytest.approx(normal.ci, abs=0.006)


def test_interval_of_a_share_covers_the_truth():
    rng = np.random.default_rng(9)
    ids = np.repeat([f"P{i:03d}" for i in range(150)], 3)
    bootstrap = PatientBootstrap.draw(ids, 400, seed=2)
    covered = 0
    for _ in range(200):
        patient_rate = np.repeat(rng.beta(1, 3, 150), 3)  # mean 0.25, strongly clustered
        event = rng.random(450) < patient_rate
        low, high = resampling.share_estimate(event, np.ones(450), ids, bootstrap).ci
        covered += low <= 0.25 <= high
    assert 0.89 <= covered / 200 <= 0.99


def test_wrong_arguments_are_named(exams, bootstrap):
    score, label, ids, _ = exams
    with pytest.raises(ValueError, match="n_replicates must be at least 1"):
        PatientBootstrap.draw(ids, 0, seed=0)
    with pytest.raises(ValueError, match="patient_ids has 2 rows where 300 are needed"):
        resampling.auc_replicates(score, label, ids[:2], None, bootstrap)
    with pytest.raises(ValueError, match="values must be finite"):
        resampling.sum_replicates([np.nan], ["P001"], bootstrap)
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        resampling.percentile_interval([1.0, 2.0], confidence=95)
    with pytest.raises(ValueError, match="replicates must be a vector"):
        resampling.percentile_interval([])
