"""Absolute calibration errors against relplot, their definitions and simulated truth."""

import numpy as np
import pytest
import relplot
from scipy.special import expit, logit
from scipy.stats import norm

from mammolab.evaluate import calibration_error
from mammolab.evaluate.calibration_error import (
    expected_calibration_error,
    expected_calibration_error_estimate,
    smooth_calibration_error,
    smooth_calibration_error_estimate,
)
from mammolab.evaluate.resampling import PatientBootstrap

ESTIMATES = pytest.mark.parametrize(
    "estimate", [expected_calibration_error_estimate, smooth_calibration_error_estimate]
)


@pytest.fixture(scope="module")
def screening():
    """12,000 exams of 4,000 patients with known risk, mean about 2%, and integer weights."""
    rng = np.random.default_rng(0)
    risk = expit(np.repeat(rng.normal(-4.2, 0.9, 4000), 3) + rng.normal(0, 0.5, 12_000))
    label = rng.random(12_000) < risk
    weight = np.where(label, 1.0, rng.integers(1, 4, 12_000))
    return risk, label, weight, np.repeat(np.arange(4000), 3)


def by_definition(probability, label, weight, bandwidth, n_points=20_001):
    """The integral of the absolute smoothed residuals, kernel by kernel."""
    t = np.linspace(0, 1, n_points)
    total = np.zeros(n_points)
    for p, r in zip(probability, weight * (probability - label), strict=True):
        for image in range(-6, 7):  # mirror images of p in the walls at 0 and 1
            total += r * norm.pdf(t, 2 * image + p, bandwidth)
            total += r * norm.pdf(t, 2 * image - p, bandwidth)
    return np.trapezoid(np.abs(total), t) / weight.sum()


@pytest.mark.parametrize("bandwidth", [0.004, 0.05, 0.4, 2.0])
def test_smooth_error_is_its_definition(bandwidth):
    rng = np.random.default_rng(1)
    probability = np.append(rng.random(30) ** 2, [0.0, 1.0, 0.0005])
    label = rng.random(33) < 0.4
    weight = rng.uniform(0.5, 3, 33)
    ours = smooth_calibration_error(probability, label, weight, bandwidth)
    expected = by_definition(probability, label, weight, bandwidth)
    assert ours == pytest.approx(expected, rel=2e-3)


def test_smooth_error_equals_its_bandwidth():
    rng = np.random.default_rng(2)
    probability = rng.random(40)
    label = rng.random(40) < probability**2
    error = smooth_calibration_error(probability, label)
    again = by_definition(probability, label, np.ones(40), error)
    assert again == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize("power", [1.0, 1.5])
@pytest.mark.parametrize("middle", [0.0, -1.0])
def test_smooth_error_agrees_with_relplot_to_its_grid(power, middle):
    rng = np.random.default_rng(3)
    risk = expit(rng.normal(middle, 1.2, 5000))
    label, claimed = rng.random(5000) < risk, risk**power
    for bandwidth in (0.01, 0.05, 0.1):  # its integral has 200 points
        theirs = relplot.smECE_sigma(claimed, label.astype(float), bandwidth)
        ours = smooth_calibration_error(claimed, label, bandwidth=bandwidth)
        assert ours == pytest.approx(theirs, rel=0.01)
    # it looks for the bandwidth in steps of 1/1024
    theirs, width = relplot.smECE(claimed, label.astype(float), return_width=True)
    ours = smooth_calibration_error(claimed, label)
    assert width - 1 / 1024 - 5e-4 < ours < width + 5e-4
    assert ours == pytest.approx(theirs, abs=1 / 1024 + 5e-4)


def test_errors_ignore_order_and_take_weight_two_for_a_row_twice(screening):
    risk, label, weight, _ = screening
    twice = np.repeat(np.arange(len(risk)), weight.astype(int))
    order = np.random.default_rng(4).permutation(len(risk))
    for error in (expected_calibration_error, smooth_calibration_error):
        expected = error(risk**0.9, label, weight)
        assert error(risk[twice] ** 0.9, label[twice]) == pytest.approx(expected, abs=1e-9)
        assert error(risk[order] ** 0.9, label[order], weight[order]) == pytest.approx(
            expected, abs=1e-9
        )


def test_errors_by_hand():
    probability = np.array([0.1, 0.1, 0.2, 0.2, 0.8, 0.8, 0.9, 0.9])
    label = np.array([0, 0, 0, 1, 1, 0, 1, 1])
    assert expected_calibration_error(probability, label, n_bins=2) == pytest.approx(0.1)
    for error in (expected_calibration_error, smooth_calibration_error):
        assert error([0.0, 1.0, 0.0], [0, 1, 0]) == 0
        assert error([0.3, 0.3], [0, 0]) == pytest.approx(0.3, abs=1e-6)
        assert error([0.3, 0.3], [0, 1], [7, 3]) == pytest.approx(0, abs=1e-9)


def test_smooth_error_falls_with_the_bandwidth_to_the_error_in_the_large(screening):
    risk, label, weight, _ = screening
    widths = [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0]
    errors = [smooth_calibration_error(risk**0.9, label, weight, width) for width in widths]
    assert (np.diff(errors) <= 1e-12).all()
    in_the_large = abs(np.average(risk**0.9 - label, weights=weight))
    assert errors[-1] == pytest.approx(in_the_large, abs=1e-9)


def test_smooth_error_finds_a_planted_shift_without_bins():
    rng = np.random.default_rng(5)
    risk = rng.uniform(0.2, 0.6, 200_000)
    label = rng.random(200_000) < risk
    for shift in (0.05, 0.15):
        assert smooth_calibration_error(risk + shift, label) == pytest.approx(shift, abs=0.004)
    extreme = 0.4 + 2 * (risk - 0.4)  # right in the large, wrong at both ends: mean error 0.1
    assert 0.06 < smooth_calibration_error(extreme, label) < 0.1
    assert expected_calibration_error(extreme, label) == pytest.approx(0.1, abs=0.004)
    # a bandwidth of 0.005 averages 6,000 labels: standard error 0.006, mean absolute noise 0.005
    assert smooth_calibration_error(risk, label) < 0.008


@ESTIMATES
def test_noise_floor_is_what_true_risk_shows(screening, estimate):
    """The mean error of the true risk over fresh outcomes, predicted from one set of outcomes."""
    risk, label, _, ids = screening
    error = {
        expected_calibration_error_estimate: expected_calibration_error,
        smooth_calibration_error_estimate: smooth_calibration_error,
    }[estimate]
    rng = np.random.default_rng(6)
    fresh = [error(risk, rng.random(len(risk)) < risk) for _ in range(60)]
    bootstrap = PatientBootstrap.draw(ids, 200, seed=1)
    found = estimate(risk, label, ids, None, bootstrap)
    assert found.error.value == pytest.approx(error(risk, label), abs=1e-12)
    assert found.noise_floor == pytest.approx(np.mean(fresh), rel=0.15)


@ESTIMATES
def test_interval_reaches_zero_for_true_risk_and_not_for_an_overstated_one(screening, estimate):
    risk, label, weight, ids = screening
    bootstrap = PatientBootstrap.draw(ids, 200, seed=1)
    honest = estimate(risk, label, ids, None, bootstrap)
    assert honest.error.low == 0 < honest.error.value < honest.error.high
    overstated = estimate(expit(logit(risk) + 1), label, ids, weight, bootstrap)
    assert overstated.noise_floor < overstated.error.low < overstated.error.value
    loose = estimate(expit(logit(risk) + 1), label, ids, weight, bootstrap, confidence=0.5)
    assert loose.error.high < overstated.error.high


def test_replicates_are_the_error_of_reweighted_residuals(screening):
    """The fast path through one sparse product and one transform, against the slow one."""
    risk, label, weight, ids = (column[:3000] for column in screening)
    bootstrap = PatientBootstrap.draw(ids, 6, seed=2)
    residual = weight * (risk - label)
    noise = []
    for count in bootstrap.counts[:, np.searchsorted(bootstrap.patient_ids, ids)]:
        rest = count * residual / (count @ weight) - residual / weight.sum()
        noise.append(calibration_error._fixed_point(risk, rest))
    found = smooth_calibration_error_estimate(risk, label, ids, weight, bootstrap)
    assert found.noise_floor == pytest.approx(np.mean(noise), rel=0.01)
    reach = np.quantile(noise, 0.95)
    assert found.error.high - found.error.value == pytest.approx(reach, rel=0.01)


@ESTIMATES
def test_interval_covers_the_planted_error(estimate):
    """Conservative: it must hold the truth in nearly all of 40 studies."""
    rng = np.random.default_rng(7)
    ids = np.repeat(np.arange(500), 2)
    bootstrap = PatientBootstrap.draw(ids, 100, seed=3)
    covered = 0
    for _ in range(40):
        risk = rng.uniform(0.1, 0.5, 1000)
        found = estimate(risk + 0.05, rng.random(1000) < risk, ids, None, bootstrap)
        covered += found.error.low <= 0.05 <= found.error.high
    assert covered >= 37


def test_wrong_arguments_are_named(screening):
    risk, label, weight, ids = screening
    bootstrap = PatientBootstrap.draw(ids, 5, seed=1)
    for bandwidth in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="bandwidth must be above 0 and finite"):
            smooth_calibration_error(risk, label, bandwidth=bandwidth)
    with pytest.raises(ValueError, match=r"probability must lie in \[0, 1\]"):
        smooth_calibration_error([1.2], [1])
    with pytest.raises(ValueError, match="n_bins must be at least 1"):
        expected_calibration_error(risk, label, n_bins=0)
    for estimate in (expected_calibration_error_estimate, smooth_calibration_error_estimate):
        with pytest.raises(ValueError, match="holds the one patient"):
            estimate(risk, label, np.zeros(12_000, int), weight, bootstrap)
        with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
            estimate(risk, label, ids, weight, bootstrap, confidence=1.0)
