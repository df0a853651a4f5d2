"""The patient bootstrap against repeated rows, scipy, and simulated truth."""

import numpy as np
import pytest
from scipy.stats import bootstrap as bootstrap_of_scipy

from mammolab.evaluate import resampling
from mammolab.evaluate.resampling import PatientBootstrap


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
    with pytest.raises(
        ValueError, match="holds 2 patients that are not in the bootstrap, among them X1, X2"
    ):
        bootstrap.columns(["X1", exams[2][0], "X2", "X1"])
    with pytest.raises(ValueError, match="patient_ids must be text, with none missing"):
        bootstrap.columns(np.array(["P001", None], dtype=object))


def test_sums_and_ratios_equal_repeated_rows(exams, bootstrap):
    _, label, ids, weight = exams
    table = np.column_stack([weight, weight * label])
    sums = resampling.sum_replicates(table, ids, bootstrap)
    repeat = bootstrap.counts[:, bootstrap.columns(ids)]
    assert sums == pytest.approx(repeat @ table)
    assert resampling.sum_replicates(weight, ids, bootstrap) == pytest.approx(sums[:, 0])
    ratio = resampling.ratio_estimate(label, np.ones(300), ids, weight, bootstrap)
    assert ratio.value == pytest.approx(np.average(label, weights=weight))
    expected = np.quantile(sums[:, 1] / sums[:, 0], [0.025, 0.975])
    assert ratio.ci == pytest.approx(tuple(expected))
    assert np.isnan(resampling.ratio_estimate(label, np.zeros(300), ids, None, bootstrap).value)


def test_weight_two_is_a_row_twice(exams, bootstrap):
    score, label, ids, _ = exams
    weight = np.arange(300) % 2 + 1
    twice = np.repeat(np.arange(300), weight)
    weighted = resampling.share_estimate(score > 1, label, ids, weight, bootstrap)
    repeated = resampling.share_estimate(
        score[twice] > 1, label[twice], ids[twice], None, bootstrap
    )
    assert weighted.value == pytest.approx(repeated.value, abs=1e-12)
    assert weighted.ci == pytest.approx(repeated.ci, abs=1e-6)


def test_strata_keep_their_size_in_every_replicate(exams):
    _, label, ids, _ = exams
    stratified = PatientBootstrap.draw(ids, 40, seed=3, stratum=label)
    patients, column = np.unique(ids, return_inverse=True)
    with_cancer = np.bincount(column, label) > 0  # any exam with cancer: of the cancers' stratum
    assert list(stratified.patient_ids) == list(patients)
    assert (stratified.counts[:, with_cancer].sum(axis=1) == with_cancer.sum()).all()
    assert (stratified.counts.sum(axis=1) == len(patients)).all()
    assert stratified.counts[:, with_cancer].var() > 0.5
    alone = PatientBootstrap.draw(ids, 40, seed=3, stratum=np.zeros(len(ids)))
    assert (alone.counts == PatientBootstrap.draw(ids, 40, seed=3).counts).all()


@pytest.mark.parametrize("statistic", [np.mean, lambda x, axis: np.log(x.mean(axis=axis)) ** 3])
def test_bca_limits_are_scipys_on_the_same_replicates(statistic):
    sample = np.random.default_rng(4).exponential(size=25)
    oracle = bootstrap_of_scipy(
        (sample,), statistic, n_resamples=999, method="BCa", rng=np.random.default_rng(1)
    )
    jackknife = [statistic(np.delete(sample, i), axis=-1) for i in range(len(sample))]
    low, high = resampling.bca_interval(
        statistic(sample, axis=-1), oracle.bootstrap_distribution, jackknife
    )
    # a quantile between two replicates may be interpolated otherwise
    assert (low, high) == pytest.approx(tuple(oracle.confidence_interval), abs=1e-9)


def test_bca_reduces_to_percentiles_without_bias_or_skew():
    replicates = np.linspace(-1, 1, 2001)
    assert resampling.bca_interval(0.0, replicates, [-1.0, 1.0]) == pytest.approx(
        resampling.percentile_interval(replicates), abs=1e-9
    )
    assert np.isnan(resampling.bca_interval(5.0, replicates, [-1.0, 1.0])).all()


def test_ratio_jackknife_leaves_each_patient_out(exams):
    _, label, ids, weight = exams
    fast = resampling.ratio_jackknife(label, np.ones(300), ids, weight)
    slow = [np.average(label[ids != one], weights=weight[ids != one]) for one in np.unique(ids)]
    assert np.sort(fast) == pytest.approx(np.sort(slow), abs=1e-12)


def test_a_share_of_all_or_none_keeps_an_honest_interval():
    ids = [f"P{i}" for i in range(20)]
    bootstrap = PatientBootstrap.draw(ids, 100, seed=0)
    everyone = np.ones(20, dtype=bool)
    none = resampling.share_estimate(~everyone, everyone, ids, None, bootstrap)
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(0.1684, abs=5e-5)
    everything = resampling.share_estimate(everyone, everyone, ids, np.full(20, 3.0), bootstrap)
    assert everything.ci == pytest.approx((1 - none.high, 1))
    uneven = resampling.share_estimate(
        ~everyone, everyone, ids, np.where(np.arange(20) < 2, 50.0, 1.0), bootstrap
    )
    assert uneven.high > none.high  # two patients stand for most of the others


def test_interval_of_a_share_covers_the_truth():
    rng = np.random.default_rng(9)
    ids = np.repeat([f"P{i:03d}" for i in range(150)], 3)
    bootstrap = PatientBootstrap.draw(ids, 400, seed=2)
    covered = 0
    for _ in range(200):
        patient_rate = np.repeat(rng.beta(1, 3, 150), 3)  # mean 0.25, strongly clustered
        event = rng.random(450) < patient_rate
        low, high = resampling.share_estimate(event, np.ones(450), ids, None, bootstrap).ci
        covered += low <= 0.25 <= high
    assert 0.89 <= covered / 200 <= 0.99


def test_wrong_arguments_are_named(exams, bootstrap):
    _, label, ids, _ = exams
    with pytest.raises(ValueError, match="n_replicates must be at least 1"):
        PatientBootstrap.draw(ids, 0, seed=0)
    with pytest.raises(ValueError, match="stratum has 2 rows where 300 are needed"):
        PatientBootstrap.draw(ids, 5, seed=0, stratum=label[:2])
    with pytest.raises(ValueError, match="stratum b holds one patient"):
        PatientBootstrap.draw(["A", "B", "C"], 5, seed=0, stratum=["a", "a", "b"])
    with pytest.raises(ValueError, match="stratum is missing in row 1"):
        PatientBootstrap.draw(["A", "B"], 5, seed=0, stratum=["a", None])
    with pytest.raises(ValueError, match="values must be finite"):
        resampling.sum_replicates([np.nan], ["P001"], bootstrap)
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        resampling.percentile_interval([1.0, 2.0], confidence=95)
    with pytest.raises(ValueError, match="replicates must be a vector"):
        resampling.percentile_interval([])


def test_a_share_without_spread_between_patients_keeps_an_honest_interval():
    ids = np.repeat([f"P{i}" for i in range(10)], 2)
    bootstrap = PatientBootstrap.draw(ids, 100, seed=0)
    event = np.tile([True, False], 10)
    half = resampling.share_estimate(event, np.ones(20), ids, None, bootstrap)
    exact = resampling.proportion_estimate(5, 10)
    assert (half.value, half.low, half.high) == pytest.approx((0.5, exact.low, exact.high))


def test_one_patient_alone_has_no_interval():
    ids = ["A", "A", "B"]
    bootstrap = PatientBootstrap.draw(ids, 50, seed=0)
    alone = resampling.share_estimate([1, 1, 0], [1, 1, 0], ids, None, bootstrap)
    assert alone.value == 1 and np.isnan(alone.ci).all()
    with pytest.raises(ValueError, match="patient_ids holds the one patient A"):
        resampling.share_estimate([1, 1, 0], [1, 1, 1], ["A"] * 3, None, bootstrap)
    with pytest.raises(ValueError, match="patient_ids holds the one patient A"):
        resampling.ratio_estimate([1, 1, 0], [1, 1, 1], ids, [1, 1, 0], bootstrap)
