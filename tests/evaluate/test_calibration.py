"""Calibration against statsmodels and scikit-learn, and on simulated truth."""

import json

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss

from mammolab.evaluate import calibration
from mammolab.evaluate.calibration import Calibrator
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


def test_balanced_batches_overstate_risk_and_prior_shift_restores_it(programme):
    risk, label, balanced, prevalence = programme
    assert calibration.expected_over_observed(balanced, label) > 30
    shifted = calibration.prior_shift(0.5, prevalence).apply(balanced)
    assert shifted == pytest.approx(risk, abs=1e-12)
    assert calibration.expected_over_observed(shifted, label) == pytest.approx(1, abs=0.12)
    ece_before = calibration.expected_calibration_error(balanced, label)
    assert calibration.expected_calibration_error(shifted, label) < ece_before / 100


def test_platt_restores_incidence_from_sampled_negatives(programme):
    """Cancers in full, a tenth of the rest with weight 10: fitted there, it holds for all."""
    _, label, balanced, _ = programme
    kept = label | (np.random.default_rng(2).random(len(label)) < 0.1)
    weight = np.where(label, 1.0, 10.0)[kept]
    platt = calibration.fit_platt(balanced[kept], label[kept], weight)
    assert platt.slope == pytest.approx(1, abs=0.1)
    fitted = platt.apply(balanced)
    in_sample = calibration.expected_over_observed(fitted[kept], label[kept], weight)
    assert in_sample == pytest.approx(1, abs=1e-3)
    assert calibration.expected_over_observed(fitted, label) == pytest.approx(1, abs=0.08)
    forgotten = calibration.fit_platt(balanced[kept], label[kept]).apply(balanced)
    assert calibration.expected_over_observed(forgotten, label) > 5


@pytest.mark.parametrize("scale", ["probability", "logit"])
def test_platt_agrees_with_statsmodels(small, scale):
    probability, label, weight, _ = small
    score = probability if scale == "probability" else logit(probability)
    platt = calibration.fit_platt(score, label, weight, scale)
    cases, others = weight[label].sum(), weight[~label].sum()
    target = np.where(label, (cases + 1) / (cases + 2), 1 / (others + 2))
    design = sm.add_constant(logit(probability))
    fit = sm.GLM(target, design, sm.families.Binomial(), freq_weights=weight).fit(tol=1e-12)
    assert (platt.intercept, platt.slope) == pytest.approx(tuple(fit.params), abs=1e-7)


def test_platt_stays_finite_on_separated_classes_and_on_awkward_scales():
    separated = calibration.fit_platt([-3, -2, 2, 3], [0, 0, 1, 1], scale="logit")
    assert 0 < separated.slope < 10
    label = np.array([0, 1, 0, 1, 1, 0, 0, 1])
    score = np.array([1, 2, 3, 4, 5, 2, 1, 6.0])
    plain = calibration.fit_platt(score, label, scale="logit")
    stretched = calibration.fit_platt(1e4 * score - 7e4, label, scale="logit")
    assert stretched.apply(1e4 * score - 7e4) == pytest.approx(plain.apply(score), abs=1e-6)
    mirrored = calibration.fit_platt(-score, 1 - label, scale="logit")
    assert mirrored.apply(-score) == pytest.approx(1 - plain.apply(score), abs=1e-8)


def test_weight_two_is_a_row_twice(small):
    probability, label, _, _ = small
    weight = np.arange(400) % 2 + 1
    twice = np.repeat(np.arange(400), weight)
    for metric in (
        calibration.expected_over_observed,
        calibration.brier_score,
        calibration.expected_calibration_error,
        lambda *exams: calibration.fit_platt(*exams).slope,
        lambda *exams: calibration.calibration_line(*exams).slope.value,
    ):
        weighted = metric(probability, label, weight)
        assert weighted == pytest.approx(metric(probability[twice], label[twice]), abs=1e-9)


def test_a_calibrator_survives_json(small):
    platt = calibration.fit_platt(small[0], small[1])
    again = Calibrator.from_dict(json.loads(json.dumps(platt.to_dict())))
    assert again == platt
    assert calibration.uncalibrated().apply(small[0]) == pytest.approx(small[0], abs=1e-12)
    assert 0 < calibration.uncalibrated().apply([0.0])[0] < 1e-6
    with pytest.raises(ValueError, match="a calibrator needs"):
        Calibrator.from_dict({"slope": 1.0})
    with pytest.raises(ValueError, match="scale 'odds' is unknown; valid: probability, logit"):
        Calibrator("platt", "odds", 1.0, 0.0)


def test_line_agrees_with_statsmodels_clustered(small):
    probability, label, weight, ids = small
    line = calibration.calibration_line(probability, label, weight, ids)
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


def test_line_of_true_risk_is_straight(programme):
    risk, label, balanced, prevalence = programme
    line = calibration.calibration_line(risk, label)
    assert line.slope.low < 1 < line.slope.high
    assert line.in_the_large.low < 0 < line.in_the_large.high
    overstated = calibration.calibration_line(balanced, label)
    assert overstated.slope.value == pytest.approx(line.slope.value, abs=1e-6)
    shift = logit(prevalence) - logit(0.5)
    assert overstated.in_the_large.value == pytest.approx(line.in_the_large.value + shift, abs=1e-6)
    timid = calibration.calibration_line(expit(logit(risk) / 2), label)
    assert timid.slope.value == pytest.approx(2 * line.slope.value, abs=1e-6)


def test_brier_agrees_with_scikit_learn(small):
    probability, label, weight, _ = small
    expected = brier_score_loss(label, probability, sample_weight=weight)
    assert calibration.brier_score(probability, label, weight) == pytest.approx(expected)


def test_reliability_by_hand():
    probability = np.array([0.1, 0.1, 0.2, 0.2, 0.8, 0.8, 0.9, 0.9])
    label = np.array([0, 0, 0, 1, 1, 0, 1, 1])
    table = calibration.reliability_table(probability, label, n_bins=2)
    assert table.mean_predicted == pytest.approx([0.15, 0.85])
    assert table.observed == pytest.approx([0.25, 0.75])
    assert list(table.n_exams) == [4, 4]
    assert list(table.n_events) == [1, 3]
    assert np.isnan(table.low).all()
    assert calibration.expected_calibration_error(probability, label, n_bins=2) == pytest.approx(
        0.1
    )
    heavy = calibration.reliability_table(probability, label, [9, 9, 1, 1, 1, 1, 1, 1], n_bins=2)
    assert list(heavy.n_exams) == [2, 6]  # equal weight, not equal number
    one = calibration.reliability_table(np.full(8, 0.5), label, n_bins=10)
    assert (one.mean_predicted, one.observed) == ([0.5], [0.5])


def test_reliability_intervals_hold_the_true_risk(programme):
    risk, label, _, _ = programme
    part = slice(0, 12_000)
    ids = np.repeat([f"P{i:05d}" for i in range(4000)], 3)
    bootstrap = PatientBootstrap.draw(ids, 300, seed=1)
    table = calibration.reliability_table(risk[part], label[part], None, 5, ids, bootstrap)
    inside = (table.low <= table.mean_predicted) & (table.mean_predicted <= table.high)
    assert inside.sum() >= 4
    ratio = calibration.expected_over_observed_estimate(
        risk[part], label[part], ids, None, bootstrap
    )
    assert ratio.value == calibration.expected_over_observed(risk[part], label[part])
    assert ratio.low < 1 < ratio.high


def test_wrong_arguments_are_named(small):
    probability, label, _, ids = small
    with pytest.raises(ValueError, match=r"probability must lie in \[0, 1\]"):
        calibration.brier_score([1.2], [1])
    with pytest.raises(ValueError, match='give scale="logit"'):
        calibration.fit_platt([-1.0, 3.0], [0, 1])
    with pytest.raises(ValueError, match="nothing to calibrate"):
        calibration.fit_platt([0.3, 0.3], [0, 1])
    with pytest.raises(ValueError, match="target_prevalence must lie between 0 and 1"):
        calibration.prior_shift(0.5, 0.0)
    with pytest.raises(ValueError, match="patient_ids and bootstrap are needed together"):
        calibration.reliability_table(probability, label, patient_ids=ids)
    with pytest.raises(ValueError, match="separates the classes"):
        calibration.calibration_line([0.1, 0.2, 0.3], [0, 0, 1])
    with pytest.raises(ValueError, match="expected over observed is undefined"):
        calibration.expected_over_observed([0.1, 0.2], [0, 0])
