"""Measures of calibration against statsmodels, scikit-learn, their definitions, simulated truth."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from mammolab.evaluate import reliability
from mammolab.evaluate.calibration_error import expected_calibration_error
from mammolab.evaluate.resampling import PatientBootstrap


@pytest.fixture(scope="module")
def programme():
    """40,000 exams with known risk (mean about 0.7%), seen through a network trained half/half."""
    rng = np.random.default_rng(0)
    risk = expit(rng.normal(-5.6, 1.1, 40_000))
    label = rng.random(40_000) < risk
    prevalence = risk.mean()
    balanced = expit(logit(risk) - logit(prevalence))  # odds as if half the exams were cancers
    return risk, label, balanced, prevalence


@pytest.fixture(scope="module")
def small():
    """400 exams of 150 patients, with weights and an overconfident prediction."""
    rng = np.random.default_rng(1)
    patient = rng.integers(0, 150, 400)
    x = rng.normal(size=150)[patient] + rng.normal(size=400)
    label = rng.random(400) < expit(0.6 * x - 1)
    weight = np.where(label, 1.0, rng.choice([1.0, 8.0], 400))
    return expit(x), label, weight, np.array([f"P{i:03d}" for i in patient])


def measures(probability, label, weight=None):
    """Every number of the module that takes weights, in one vector."""
    table = reliability.reliability_table(probability, label, weight, 5)
    line = reliability.calibration_line(probability, label, weight)
    parts = vars(reliability.brier_decomposition(probability, label, weight, 5))
    return np.hstack(
        [
            reliability.expected_over_observed(probability, label, weight),
            reliability.brier_score(probability, label, weight),
            table.mean_predicted,
            table.observed,
            line.slope.value,
            line.intercept.value,
            line.in_the_large.value,
            *parts.values(),
        ]
    )


def test_measures_ignore_order_and_take_weight_two_for_a_row_twice(small):
    probability, label, weight, _ = small
    order = np.random.default_rng(3).permutation(400)
    expected = measures(probability, label, weight)
    assert measures(probability[order], label[order], weight[order]) == pytest.approx(expected)
    count = np.arange(400) % 2 + 1
    twice = np.repeat(np.arange(400), count)
    assert measures(probability[twice], label[twice]) == pytest.approx(
        measures(probability, label, count), abs=1e-9
    )
    padded = np.append(probability, 0.5), np.append(label, True), np.append(weight, 0.0)
    assert measures(*padded) == pytest.approx(expected, abs=1e-9)


def test_line_agrees_with_statsmodels_clustered(small):
    probability, label, weight, ids = small
    line = reliability.calibration_line(probability, label, weight, ids)
    design = sm.add_constant(logit(probability))
    fit = sm.GLM(label.astype(float), design, sm.families.Binomial(), freq_weights=weight).fit(
        tol=1e-12
    )
    assert (line.intercept.value, line.slope.value) == pytest.approx(tuple(fit.params), abs=1e-7)
    # the sandwich over patients, by its definition
    score = design * (weight * (label - fit.fittedvalues))[:, None]
    total = np.array([score[ids == one].sum(axis=0) for one in np.unique(ids)])
    variance = weight * fit.fittedvalues * (1 - fit.fittedvalues)
    bread = np.linalg.inv(design.T @ (design * variance[:, None]))
    n_patients = len(total)
    error = np.sqrt(np.diag(bread @ total.T @ total @ bread) * n_patients / (n_patients - 1))
    assert line.slope.high - line.slope.value == pytest.approx(1.959964 * error[1], rel=1e-5)
    assert line.intercept.value - line.intercept.low == pytest.approx(1.959964 * error[0], rel=1e-5)
    large = sm.GLM(
        label.astype(float),
        np.ones(400),
        sm.families.Binomial(),
        freq_weights=weight,
        offset=logit(probability),
    ).fit(tol=1e-12)
    assert line.in_the_large.value == pytest.approx(float(large.params[0]), abs=1e-7)


def test_line_of_true_risk_is_straight(programme):
    risk, label, balanced, prevalence = programme
    line = reliability.calibration_line(risk, label)
    assert line.slope.low < 1 < line.slope.high
    assert line.in_the_large.low < 0 < line.in_the_large.high
    overstated = reliability.calibration_line(balanced, label)
    assert overstated.slope.value == pytest.approx(line.slope.value, abs=1e-6)
    shift = logit(prevalence) - logit(0.5)
    assert overstated.in_the_large.value == pytest.approx(line.in_the_large.value + shift, abs=1e-6)
    timid = reliability.calibration_line(expit(logit(risk) / 2), label)
    assert timid.slope.value == pytest.approx(2 * line.slope.value, abs=1e-6)


def test_line_recovers_a_planted_miscalibration(programme):
    risk, label, _, _ = programme
    claimed = expit((logit(risk) + 1.5) / 0.6)  # so logit(risk) = 0.6 logit(claimed) - 1.5
    line = reliability.calibration_line(claimed, label)
    assert line.slope.low < 0.6 < line.slope.high
    assert line.intercept.low < -1.5 < line.intercept.high


def test_brier_agrees_with_scikit_learn(small):
    probability, label, weight, ids = small
    expected = brier_score_loss(label, probability, sample_weight=weight)
    assert reliability.brier_score(probability, label, weight) == pytest.approx(expected)
    bootstrap = PatientBootstrap.draw(ids, 400, seed=1)
    estimate = reliability.brier_estimate(probability, label, ids, weight, bootstrap)
    assert estimate.value == pytest.approx(expected)
    count = bootstrap.counts[:, np.searchsorted(bootstrap.patient_ids, ids)]
    replicates = [brier_score_loss(label, probability, sample_weight=weight * c) for c in count]
    limits = tuple(np.quantile(replicates, [0.025, 0.975]))
    assert estimate.ci == pytest.approx(limits, rel=1e-6)  # sums of replicates: single precision


@pytest.mark.parametrize("n_bins", [1, 3, 10, 1000])
def test_parts_sum_to_the_brier_score(small, n_bins):
    probability, label, weight, _ = small
    parts = reliability.brier_decomposition(probability, label, weight, n_bins)
    total = parts.reliability - parts.resolution + parts.uncertainty
    total += parts.within_variance - parts.within_covariance
    expected = brier_score_loss(label, probability, sample_weight=weight)
    assert total == pytest.approx(expected, abs=1e-14)
    assert parts.score == pytest.approx(expected, abs=1e-14)
    prevalence = np.full(400, np.average(label, weights=weight))
    reference = brier_score_loss(label, prevalence, sample_weight=weight)
    assert parts.uncertainty == pytest.approx(reference, abs=1e-14)
    assert parts.skill == pytest.approx(1 - expected / reference, abs=1e-12)
    assert min(parts.reliability, parts.resolution, parts.within_variance) >= 0


def test_murphys_three_parts_suffice_where_bins_hold_one_probability():
    rng = np.random.default_rng(4)
    probability = rng.choice([0.1, 0.3, 0.7], 900)
    label = rng.random(900) < probability**1.3
    parts = reliability.brier_decomposition(probability, label, n_bins=3)
    by_value = [probability == value for value in (0.1, 0.3, 0.7)]
    gaps = [(s.mean(), (probability[s][0] - label[s].mean()) ** 2) for s in by_value]
    assert parts.reliability == pytest.approx(sum(share * gap for share, gap in gaps), abs=1e-14)
    assert parts.within_variance == pytest.approx(0, abs=1e-14)
    assert parts.within_covariance == pytest.approx(0, abs=1e-14)
    climate = reliability.brier_decomposition(np.full(900, label.mean()), label)
    assert (climate.skill, climate.resolution) == pytest.approx((0, 0), abs=1e-12)


def test_true_risk_is_reliable_and_balanced_batches_have_no_skill(programme):
    risk, label, balanced, _ = programme
    honest = reliability.brier_decomposition(risk, label)
    assert honest.reliability < honest.resolution / 4
    assert 0 < honest.skill < 0.1  # cancers are rare: even the true risk explains little
    assert reliability.brier_decomposition(balanced, label).skill < -10


def test_reliability_by_hand():
    probability = np.array([0.1, 0.1, 0.2, 0.2, 0.8, 0.8, 0.9, 0.9])
    label = np.array([0, 0, 0, 1, 1, 0, 1, 1])
    table = reliability.reliability_table(probability, label, n_bins=2)
    assert table.mean_predicted == pytest.approx([0.15, 0.85])
    assert table.observed == pytest.approx([0.25, 0.75])
    assert table.expected_over_observed == pytest.approx([0.15 / 0.25, 0.85 / 0.75])
    assert list(table.n_exams) == [4, 4]
    assert list(table.n_events) == [1, 3]
    assert np.isnan(table.low).all()
    heavy = reliability.reliability_table(probability, label, [9, 9, 1, 1, 1, 1, 1, 1], n_bins=2)
    assert list(heavy.n_exams) == [2, 6]  # equal weight, not equal number
    assert np.isnan(heavy.expected_over_observed[0])  # no cancer observed
    one = reliability.reliability_table(np.full(8, 0.5), label, n_bins=10)
    assert (one.mean_predicted, one.observed) == ([0.5], [0.5])


def test_deciles_agree_with_scikit_learn():
    rng = np.random.default_rng(8)
    probability = rng.permutation(np.arange(1, 1001) / 1001)
    label = rng.random(1000) < probability
    observed, predicted = calibration_curve(label, probability, n_bins=10, strategy="quantile")
    table = reliability.reliability_table(probability, label)
    assert table.mean_predicted == pytest.approx(predicted, abs=1e-12)
    assert table.observed == pytest.approx(observed, abs=1e-12)


def test_weightless_exams_are_in_no_bin():
    probability = np.array([0.1, 0.2, 0.3, 0.8, 0.9, 0.95])
    label = np.array([1, 0, 1, 1, 0, 1])
    weight = np.array([0.0, 1, 1, 1, 1, 0])
    table = reliability.reliability_table(probability, label, weight, n_bins=2)
    kept = reliability.reliability_table(probability[1:5], label[1:5], n_bins=2)
    for name, values in vars(kept).items():
        np.testing.assert_array_equal(getattr(table, name), values)


def test_reliability_intervals_hold_the_true_risk(programme):
    risk, label, _, _ = programme
    part = slice(0, 12_000)
    ids = np.repeat([f"P{i:05d}" for i in range(4000)], 3)
    bootstrap = PatientBootstrap.draw(ids, 300, seed=1)
    table = reliability.reliability_table(risk[part], label[part], None, 5, ids, bootstrap)
    inside = (table.low <= table.mean_predicted) & (table.mean_predicted <= table.high)
    assert inside.sum() >= 4
    ratio = reliability.expected_over_observed_estimate(
        risk[part], label[part], ids, None, bootstrap
    )
    assert ratio.value == reliability.expected_over_observed(risk[part], label[part])
    assert ratio.low < 1 < ratio.high


def test_wrong_arguments_are_named(small):
    probability, label, _, ids = small
    with pytest.raises(ValueError, match=r"probability must lie in \[0, 1\].*first: 0"):
        reliability.brier_score([1.2], [1])
    with pytest.raises(ValueError, match="no negative row"):
        reliability.brier_decomposition([0.2, 0.3], [1, 1])
    with pytest.raises(ValueError, match="n_bins must be at least 1"):
        reliability.reliability_table(probability, label, n_bins=0)
    with pytest.raises(ValueError, match="patient_ids and bootstrap are needed together"):
        reliability.reliability_table(probability, label, patient_ids=ids)
    with pytest.raises(ValueError, match="separates the classes"):
        reliability.calibration_line([0.1, 0.2, 0.3], [0, 0, 1])
    with pytest.raises(ValueError, match="the same for every exam"):
        reliability.calibration_line([0.1, 0.1], [0, 1])
    with pytest.raises(ValueError, match="expected over observed is undefined"):
        reliability.expected_over_observed([0.1, 0.2], [0, 0])


def test_one_patient_gives_no_interval(small):
    probability, label, weight, ids = small
    alone = np.full(400, "P000")
    bootstrap = PatientBootstrap.draw(ids, 10, seed=1)
    calls = (
        lambda who: reliability.brier_estimate(probability, label, who, weight, bootstrap),
        lambda who: reliability.expected_over_observed_estimate(
            probability, label, who, weight, bootstrap
        ),
        lambda who: reliability.reliability_table(probability, label, weight, 5, who, bootstrap),
        lambda who: reliability.calibration_line(probability, label, weight, who),
    )
    for call in calls:
        call(ids)
        with pytest.raises(ValueError, match="patient_ids holds the one patient P000"):
            call(alone)


def test_error_over_bins_is_the_mean_gap_of_the_table(small):
    probability, label, weight, _ = small
    table = reliability.reliability_table(probability, label, weight, 7)
    gap = np.average(np.abs(table.mean_predicted - table.observed), weights=table.weight)
    assert expected_calibration_error(probability, label, weight, 7) == pytest.approx(gap)
