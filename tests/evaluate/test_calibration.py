"""Calibrators against statsmodels, scikit-learn and betacal, and on simulated truth."""

import json
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from betacal import BetaCalibration
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss, roc_auc_score

from mammolab.evaluate import calibration, reliability
from mammolab.evaluate.calibration_error import expected_calibration_error
from mammolab.evaluate.calibrators import (
    BetaCalibrator,
    IsotonicCalibrator,
    LogisticCalibrator,
    calibrator_from_dict,
)

FITS = {
    "platt": calibration.fit_platt,
    "temperature": calibration.fit_temperature,
    "beta": calibration.fit_beta,
    "isotonic": calibration.fit_isotonic,
}
every_fit = pytest.mark.parametrize("fit", FITS.values(), ids=FITS)


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
    """400 exams with weights and an overconfident prediction."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=150)[rng.integers(0, 150, 400)] + rng.normal(size=400)
    label = rng.random(400) < expit(0.6 * x - 1)
    weight = np.where(label, 1.0, rng.choice([1.0, 8.0], 400))
    return expit(x), label, weight


def betacal_predictions(probability, label, weight=None):
    """What betacal predicts once its solver, which stops at a gradient of 1e-4, runs to the end."""
    with warnings.catch_warnings():  # it sets a filter of its own
        model = BetaCalibration("abm").fit(probability, label, weight).calibrator_
        columns = np.column_stack([np.log(probability), -np.log1p(-probability)])
        kept = [k for k in (0, 1) if model.map_[k] != 0]
        model.lr_.set_params(tol=1e-12, max_iter=10_000).fit(columns[:, kept], label, weight)
        return model.predict(probability)


def test_balanced_batches_overstate_risk_and_prior_shift_restores_it(programme):
    risk, label, balanced, prevalence = programme
    assert reliability.expected_over_observed(balanced, label) > 30
    shifted = calibration.prior_shift(0.5, prevalence).apply(balanced)
    assert shifted == pytest.approx(risk, abs=1e-12)
    assert reliability.expected_over_observed(shifted, label) == pytest.approx(1, abs=0.12)
    ece_before = expected_calibration_error(balanced, label)
    assert ece_before > 0.3
    assert expected_calibration_error(shifted, label) < 0.002


def test_temperature_leaves_a_wrong_prior_wrong(programme):
    """The measured effect: observed/expected .016 stays .017, the prior shift brings about 1."""
    _, label, balanced, prevalence = programme
    dev, test = slice(0, 20_000), slice(20_000, None)
    temperature = calibration.fit_temperature(balanced[dev], label[dev])
    softened = temperature.apply(balanced[test])
    before = 1 / reliability.expected_over_observed(balanced[test], label[test])
    after = 1 / reliability.expected_over_observed(softened, label[test])
    assert 0.01 < before < 0.03
    assert 0.01 < after < 0.03
    shifted = calibration.prior_shift(0.5, prevalence)
    assert 1 / reliability.expected_over_observed(
        shifted.apply(balanced[test]), label[test]
    ) == pytest.approx(1, abs=0.2)


def test_platt_restores_incidence_from_sampled_negatives(programme):
    """Cancers in full, a tenth of the rest with weight 10: fitted there, it holds for all."""
    _, label, balanced, _ = programme
    kept = label | (np.random.default_rng(2).random(len(label)) < 0.1)
    weight = np.where(label, 1.0, 10.0)[kept]
    platt = calibration.fit_platt(balanced[kept], label[kept], weight)
    assert platt.slope == pytest.approx(1, abs=0.1)
    fitted = platt.apply(balanced)
    in_sample = reliability.expected_over_observed(fitted[kept], label[kept], weight)
    assert in_sample == pytest.approx(1, abs=1e-3)
    assert reliability.expected_over_observed(fitted, label) == pytest.approx(1, abs=0.08)
    forgotten = calibration.fit_platt(balanced[kept], label[kept]).apply(balanced)
    assert reliability.expected_over_observed(forgotten, label) > 5


@pytest.mark.parametrize("fit", [calibration.fit_beta, calibration.fit_isotonic])
def test_beta_and_isotonic_expect_the_weighted_cancers_they_were_fitted_on(small, fit):
    probability, label, weight = small
    fitted = fit(probability, label, weight).apply(probability)
    assert reliability.expected_over_observed(fitted, label, weight) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("scale", ["probability", "logit"])
def test_platt_agrees_with_statsmodels(small, scale):
    probability, label, weight = small
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


def test_temperature_agrees_with_statsmodels_and_has_the_least_log_loss(small):
    probability, label, weight = small
    score = probability**0.5  # above one half for most: cooling must not cross it
    temperature = calibration.fit_temperature(probability, label, weight)
    model = sm.GLM(label, logit(probability), sm.families.Binomial(), freq_weights=weight)
    assert temperature.slope == pytest.approx(float(model.fit(tol=1e-12).params[0]), abs=1e-7)
    assert temperature.intercept == 0
    losses = [
        log_loss(label, expit(slope * logit(probability)), sample_weight=weight)
        for slope in (temperature.slope - 1e-3, temperature.slope, temperature.slope + 1e-3)
    ]
    assert losses[1] == min(losses)
    assert ((temperature.apply(score) > 0.5) == (score > 0.5)).all()


def test_beta_agrees_with_statsmodels_and_betacal(small):
    probability, label, weight = small
    ours = calibration.fit_beta(probability, label, weight)
    columns = np.column_stack([np.log(probability), -np.log1p(-probability), np.ones(400)])
    model = sm.GLM(label, columns, sm.families.Binomial(), freq_weights=weight)
    exact = model.fit(tol=1e-14, maxiter=200).params
    assert min(exact[:2]) > 0
    assert (ours.a, ours.b, ours.c) == pytest.approx(tuple(exact), abs=1e-7)
    theirs = betacal_predictions(probability, label, weight)
    assert ours.apply(probability) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("negative", ["a", "b"])
def test_beta_goes_to_the_edge_where_the_free_fit_is_negative(negative):
    rng = np.random.default_rng(5)
    p = rng.uniform(0.02, 0.98, 4000)
    a, b, c = (-0.7, 1.8, -1.0) if negative == "a" else (1.8, -0.7, 1.0)
    label = rng.random(4000) < expit(a * np.log(p) - b * np.log1p(-p) + c)
    ours = calibration.fit_beta(p, label)
    assert getattr(ours, negative) == 0
    assert ours.apply(p) == pytest.approx(betacal_predictions(p, label), abs=1e-6)


def test_beta_recovers_a_planted_bend():
    rng = np.random.default_rng(6)
    score = rng.beta(1.5, 2.5, 60_000)
    planted = BetaCalibrator("beta", "probability", 0.6, 1.7, -2.5)
    label = rng.random(60_000) < planted.apply(score)
    kept = label | (rng.random(60_000) < 0.2)
    weight = np.where(label, 1.0, 5.0)[kept]
    found = calibration.fit_beta(score[kept], label[kept], weight)
    assert (found.a, found.b, found.c) == pytest.approx((0.6, 1.7, -2.5), abs=0.12)
    assert found.apply(score) == pytest.approx(planted.apply(score), abs=0.02)
    line = calibration.fit_platt(score[kept], label[kept], weight)  # which cannot bend
    gaps = [np.abs(c.apply(score) - planted.apply(score)).mean() for c in (found, line)]
    assert gaps[0] < gaps[1] / 3


def test_platt_and_temperature_recover_a_planted_line():
    rng = np.random.default_rng(7)
    x = rng.normal(0, 2, 60_000)
    platt = calibration.fit_platt(x, rng.random(60_000) < expit(0.5 * x - 2), scale="logit")
    assert (platt.slope, platt.intercept) == pytest.approx((0.5, -2), abs=0.05)
    hot = calibration.fit_temperature(x, rng.random(60_000) < expit(0.4 * x), scale="logit")
    assert hot.slope == pytest.approx(0.4, abs=0.02)


def test_isotonic_agrees_with_scikit_learn_in_and_between_and_outside(small):
    probability, label, weight = small
    score = np.round(probability, 2)  # with ties
    ours = calibration.fit_isotonic(score, label, weight)
    x = logit(score)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(x, label, weight)
    anywhere = np.linspace(0.001, 0.999, 1001)
    expected = oracle.predict(logit(anywhere))
    assert ours.apply(anywhere) == pytest.approx(expected, abs=1e-12)
    assert ours.apply([0.0, 1.0]).tolist() == [ours.values[0], ours.values[-1]]


def test_isotonic_lifts_auc_to_the_convex_hull_on_its_own_data(small):
    score, label, _ = small
    fitted = calibration.fit_isotonic(score, label).apply(score)
    thresholds = np.append(np.inf, np.unique(score)[::-1])
    points = [((score[~label] >= t).mean(), (score[label] >= t).mean()) for t in thresholds]
    hull = []
    for x, y in points:
        while len(hull) > 1:
            (x1, y1), (x2, y2) = hull[-2:]
            if (x2 - x1) * (y - y1) < (y2 - y1) * (x - x1):
                break
            hull.pop()
        hull.append((x, y))
    area = np.trapezoid(*np.array(hull).T[::-1])
    assert roc_auc_score(label, fitted) == pytest.approx(area, abs=1e-12)
    assert roc_auc_score(label, fitted) > roc_auc_score(label, score)
    assert len(np.unique(fitted)) < len(np.unique(score)) / 4


@every_fit
def test_no_fit_reverses_two_scores(small, fit):
    probability, label, weight = small
    dense = np.linspace(0, 1, 2001)
    fitted = fit(probability, label, weight).apply(dense)
    assert (np.diff(fitted) >= 0).all()
    assert 0 <= fitted.min() <= fitted.max() <= 1


@every_fit
def test_fits_ignore_order_and_weightless_rows_and_take_weight_two_for_a_row_twice(small, fit):
    probability, label, weight = small
    x = np.linspace(0.01, 0.99, 99)
    fitted = fit(probability, label, weight).apply(x)
    order = np.random.default_rng(3).permutation(400)
    shuffled = fit(probability[order], label[order], weight[order]).apply(x)
    assert shuffled == pytest.approx(fitted, abs=1e-9)
    padded = fit(np.append(probability, 1.0), np.append(label, False), np.append(weight, 0.0))
    assert padded.apply(x) == pytest.approx(fitted, abs=1e-9)
    count = np.arange(400) % 2 + 1
    twice = np.repeat(np.arange(400), count)
    doubled = fit(probability[twice], label[twice]).apply(x)
    assert doubled == pytest.approx(fit(probability, label, count).apply(x), abs=1e-9)


@every_fit
def test_logit_scores_on_the_logit_scale_make_the_same_map(small, fit):
    probability, label, weight = small
    by_logit = fit(logit(probability), label, weight, "logit").apply(logit(probability))
    assert by_logit == pytest.approx(fit(probability, label, weight).apply(probability), abs=1e-9)


def test_equal_a_and_b_are_a_line_on_the_logit(small):
    beta = BetaCalibrator("beta", "probability", 0.7, 0.7, -1.0)
    line = LogisticCalibrator("platt", "probability", 0.7, -1.0)
    assert beta.apply(small[0]) == pytest.approx(line.apply(small[0]), abs=1e-14)


@every_fit
def test_calibrators_survive_json_to_the_last_bit(small, fit):
    probability, label, weight = small
    for fitted in (
        fit(probability, label, weight),
        calibration.prior_shift(0.5, 0.0061),
        calibration.uncalibrated(),
    ):
        again = calibrator_from_dict(json.loads(json.dumps(fitted.to_dict())))
        assert again == fitted
        assert (again.apply(probability) == fitted.apply(probability)).all()


def test_the_stored_form_of_a_platt_line_is_the_one_written_before():
    stored = {"method": "platt", "scale": "probability", "slope": 0.9, "intercept": -4.5}
    assert calibrator_from_dict(stored).to_dict() == stored
    assert calibration.uncalibrated().apply([0.3]) == pytest.approx([0.3], abs=1e-15)
    assert 0 < calibration.uncalibrated().apply([0.0])[0] < 1e-6


def test_wrong_stored_calibrators_are_named():
    line = {"method": "platt", "scale": "probability", "slope": 0.9, "intercept": -4.5}
    beta = {"method": "beta", "scale": "probability", "a": 1.0, "b": 1.0, "c": 0.0}
    steps = {"method": "isotonic", "scale": "logit", "knots": [0.0, 1.0], "values": [0.1, 0.2]}
    methods = "raw, platt, prior_shift, temperature, beta, isotonic"
    for wrong, message in (
        (line | {"method": "spline"}, f"method 'spline' is unknown; valid: {methods}"),
        ({"slope": 1.0}, f"method None is unknown; valid: {methods}"),
        ({"method": "beta", "a": 1.0}, "of method beta needs"),
        (line | {"scale": "odds"}, "scale 'odds' is unknown; valid: probability, logit"),
        (line | {"slope": float("nan")}, "finite"),
        (line | {"slope": "0.9"}, "finite numbers"),
        (beta | {"a": -0.1}, "must not be negative"),
        (steps | {"knots": [1.0, 0.0]}, "knots must rise"),
        (steps | {"values": [0.2, 0.1]}, "values must not fall"),
        (steps | {"values": [0.2, 1.1]}, r"lie in \[0, 1\]"),
        (steps | {"values": [0.2]}, "2 knots have 1 values"),
        (steps | {"values": [], "knots": []}, "0 knots"),
    ):
        with pytest.raises(ValueError, match=message):
            calibrator_from_dict(wrong)
    with pytest.raises(ValueError, match="method 'beta' is unknown; valid: raw, platt"):
        LogisticCalibrator("beta", "logit", 1.0, 0.0)
    with pytest.raises(ValueError, match="method 'platt' is unknown; valid: isotonic"):
        IsotonicCalibrator("platt", "logit", (0.0,), (0.5,))


@every_fit
def test_scores_that_no_fit_can_use_are_named(fit):
    for wrong, message in (
        (([-1.0, 3.0], [0, 1]), 'give scale="logit"'),
        (([0.3, 0.3], [0, 1]), "nothing to calibrate"),
        (([0.3, 0.4], [0, 0]), "no positive row"),
        (([0.3, 0.4], [1, 1]), "no negative row"),
        (([0.3, np.nan], [0, 1]), "score must be finite.*first: 1"),
        (([0.3, 0.4, 0.5], [0, 1]), "label has 2 rows where 3 are needed"),
        (([0.3, 0.4], [0, 1], [1, -1]), "sample_weight must not be negative"),
        (([0.3, 0.4], [0, 1], None, "odds"), "scale 'odds' is unknown"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(*wrong)


def test_data_that_a_family_cannot_fit_are_named():
    with pytest.raises(ValueError, match="the temperature would be 0"):
        calibration.fit_temperature([0.1, 0.2, 0.7], [0, 0, 1])
    with pytest.raises(ValueError, match="correct the prior"):
        calibration.fit_temperature([0.7, 0.8, 0.9, 0.95], [0, 0, 0, 1])
    with pytest.raises(ValueError, match="fewer than three values"):
        calibration.fit_beta([0.1, 0.2, 0.2, 0.1], [0, 0, 1, 1])
    with pytest.raises(ValueError, match="separates the classes"):
        calibration.fit_beta([0.1, 0.2, 0.3], [0, 0, 1])
    backwards = np.linspace(0.1, 0.9, 9), np.array([1, 1, 0, 1, 1, 0, 0, 1, 0])
    for fit in (calibration.fit_beta, calibration.fit_isotonic):
        with pytest.raises(ValueError, match="does not rise with the cancers"):
            fit(*backwards)
    with pytest.raises(ValueError, match="target_prevalence must lie between 0 and 1"):
        calibration.prior_shift(0.5, 0.0)


def test_beta_fits_cancers_that_lie_between_healthy_exams():
    """The free fit separates them by an interval and has no end; the edges still have one."""
    score = np.array([0.05, 0.1, 0.4, 0.45, 0.5, 0.6])
    fitted = calibration.fit_beta(score, [0, 0, 1, 1, 0, 0])
    assert min(fitted.a, fitted.b) == 0
    assert np.isfinite(fitted.c)


def test_all_methods_are_fitted_as_alone_and_one_that_fails_says_why():
    rng = np.random.default_rng(11)
    label = rng.random(4000) < 0.1
    score = 1 / (1 + np.exp(-rng.normal(2 * label - 1, 1)))
    weight = np.where(label, 1.0, 3.0)
    fitted, reasons = calibration.fit_calibrators(score, label, weight, 0.5)
    assert list(fitted) == ["raw", "prior_shift", "temperature", "platt", "beta", "isotonic"]
    assert not reasons
    assert fitted["platt"] == calibration.fit_platt(score, label, weight)
    assert fitted["isotonic"] == calibration.fit_isotonic(score, label, weight)
    prevalence = np.average(label, weights=weight)
    assert fitted["prior_shift"] == calibration.prior_shift(0.5, prevalence)
    backwards, reasons = calibration.fit_calibrators(1 - score, label, weight, 0.5)
    assert "isotonic" in reasons and "rise" in reasons["isotonic"]
    assert set(backwards) | set(reasons) == set(fitted) and not set(backwards) & set(reasons)
