"""What every metric must not care about, and what it must refuse, one table for all of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mammolab.evaluate.agreement import cohen_kappa, fleiss_kappa
from mammolab.evaluate.auc_bootstrap import auc_bootstrap, auc_difference, partial_auc_bootstrap
from mammolab.evaluate.calibration import fit_beta, fit_isotonic, fit_platt, fit_temperature
from mammolab.evaluate.calibration_drift import calibration_by_window, calibration_trend
from mammolab.evaluate.calibration_error import (
    expected_calibration_error,
    expected_calibration_error_estimate,
    smooth_calibration_error,
    smooth_calibration_error_estimate,
)
from mammolab.evaluate.concordance import harrell_c, harrell_c_estimate, uno_c, uno_c_estimate
from mammolab.evaluate.curves import (
    capture_in_top,
    roc_band,
    rule_out_curve,
    ruled_out_at_sensitivity,
)
from mammolab.evaluate.decision_curve import decision_curve, net_benefit
from mammolab.evaluate.delong import auc_estimate, compare_aucs
from mammolab.evaluate.horizons import (
    cumulative_dynamic_auc,
    time_auc_estimate,
    time_brier,
    time_brier_estimate,
)
from mammolab.evaluate.monitor import population_stability, score_shift
from mammolab.evaluate.rates import operating_point, operating_point_estimates
from mammolab.evaluate.reliability import (
    brier_decomposition,
    brier_estimate,
    brier_score,
    expected_over_observed,
    expected_over_observed_estimate,
    reliability_table,
)
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.roc import auc, partial_auc, roc_points
from mammolab.evaluate.survival import (
    censoring_survival,
    cumulative_incidence,
    incidence_at_horizons,
    incidence_estimate,
    kaplan_meier,
)
from mammolab.evaluate.thresholds import top_fraction_threshold
from mammolab.evaluate.triage import simulate_triage

HORIZONS_YEARS = [1.0, 3.0]
OVER_FIVE = PatientBootstrap.draw(np.arange(5), 2, seed=0)  # where only the value is of interest


@dataclass(frozen=True, eq=False)
class Sample:
    """Exams with ties everywhere; `score` lies strictly between 0 and 1."""

    score: np.ndarray
    label: np.ndarray
    time_years: np.ndarray
    event: np.ndarray
    weight: np.ndarray

    def rows(self, index: np.ndarray, weight: np.ndarray | None = None) -> "Sample":
        """The rows of an index, repeats and all."""
        chosen = self.weight[index] if weight is None else weight
        arrays = (self.score, self.label, self.time_years, self.event)
        return Sample(*(each[index] for each in arrays), chosen)

    def with_score(self, score: np.ndarray) -> "Sample":
        """The same with other scores."""
        return Sample(score, self.label, self.time_years, self.event, self.weight)


@st.composite
def samples(draw) -> Sample:
    """Between 8 and 40 exams, both classes and an early event among them."""
    n = draw(st.integers(8, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_values = draw(st.integers(3, 12))
    label = rng.random(n) < draw(st.sampled_from([0.2, 0.5]))
    label[:4] = [True, True, False, False]
    score = rng.integers(1, n_values, n) / n_values
    score[:4] = np.array([2, 1, 1, 2]) / n_values  # neither constant nor separating
    event = np.where(label, 1, rng.integers(0, 2, n) * 2)
    time_years = rng.integers(1, 7, n) / 1.0
    time_years[:4] = [1, 2, 5, 6]
    return Sample(score, label, time_years, event, rng.integers(1, 4, n).astype(float))


def _rule_out_points(score: np.ndarray, label: np.ndarray, weight: np.ndarray) -> tuple:
    # as many thresholds as there can be scores, so that none is passed over
    curve = rule_out_curve(score, label, weight, n_points=2_000)
    return curve.fraction_ruled_out, curve.sensitivity


def _calibrated(fit: Callable) -> Callable:
    # cancers must score higher, or there is nothing to calibrate
    return lambda s: fit(s.score * 0.6 + 0.3 * s.label, s.label, s.weight).apply([0.2, 0.5, 0.7])


# Each takes a Sample and returns numbers.
BY_RANK = {
    "auc": lambda s: auc(s.score, s.label, s.weight),
    "partial_auc": lambda s: partial_auc(s.score, s.label, 0.6, 1, sample_weight=s.weight),
    "sensitive_auc": lambda s: partial_auc(s.score, s.label, 0.6, 1, "sensitivity", s.weight),
    "captured": lambda s: (
        capture_in_top(
            s.score, s.label, np.arange(len(s.score)) % 5, s.weight, OVER_FIVE, 0.3
        ).value
    ),
    "ruled_out": lambda s: ruled_out_at_sensitivity(s.score, s.label, s.weight, 0.8),
    "harrell_c": lambda s: harrell_c(s.time_years, s.event, s.score, s.weight),
    "uno_c": lambda s: uno_c(s.time_years, s.event, s.score, s.weight),
    "dynamic_auc": lambda s: cumulative_dynamic_auc(
        s.time_years, s.event, s.score, HORIZONS_YEARS, s.weight
    ),
    "ks_distance": lambda s: (
        score_shift(
            s.score[s.label], s.score[~s.label], s.weight[s.label], s.weight[~s.label]
        ).distance
    ),
}
BY_VALUE = {
    "rule_out_curve": lambda s: np.interp(
        [0.2, 0.4, 0.6], *_rule_out_points(s.score, s.label, s.weight)
    ),
    "roc_points": lambda s: np.interp(
        [0.1, 0.5, 0.9],
        1 - roc_points(s.score, s.label, s.weight).specificity,
        roc_points(s.score, s.label, s.weight).sensitivity,
    ),
    "fleiss": lambda s: fleiss_kappa(
        np.column_stack([s.score >= 0.5, s.label, s.event > 0]), sample_weight=s.weight
    ),
    "operating_point": lambda s: list(
        vars(operating_point(s.score >= 0.5, s.label, s.weight)).values()
    ),
    "brier": lambda s: brier_score(s.score, s.label, s.weight),
    "brier_parts": lambda s: list(
        vars(brier_decomposition(s.score, s.label, s.weight, 4)).values()
    ),
    "over_observed": lambda s: expected_over_observed(s.score, s.label, s.weight),
    "ece": lambda s: expected_calibration_error(s.score, s.label, s.weight, 4),
    "smooth_ece": lambda s: smooth_calibration_error(s.score, s.label, s.weight),
    "reliability": lambda s: reliability_table(s.score, s.label, s.weight, 4).observed,
    "net_benefit": lambda s: net_benefit(s.score, s.label, [0.1, 0.5], s.weight),
    "kappa": lambda s: cohen_kappa(s.score >= 0.5, s.label, sample_weight=s.weight),
    "platt": _calibrated(fit_platt),
    "beta": _calibrated(fit_beta),
    "isotonic": _calibrated(fit_isotonic),
    "kaplan_meier": lambda s: kaplan_meier(s.time_years, s.event, s.weight)(range(8)),
    "censoring": lambda s: censoring_survival(s.time_years, s.event, s.weight).left(range(8)),
    "incidence": lambda s: cumulative_incidence(s.time_years, s.event, s.weight)[2](range(8)),
    "at_horizons": lambda s: incidence_at_horizons(s.time_years, s.event, HORIZONS_YEARS, s.weight),
    "time_brier": lambda s: time_brier(
        s.time_years, s.event, np.column_stack([s.score / 2, s.score]), HORIZONS_YEARS, s.weight
    ),
    # in an empty bin half a patient is assumed, who is not doubled: here none is empty
    "psi": lambda s: (
        population_stability(s.score, s.score, s.weight, s.weight * (1 + s.label), n_bins=8).psi
    ),
    "top_fraction": lambda s: top_fraction_threshold(s.score, 0.3, s.weight),
}
ALL = BY_RANK | BY_VALUE


def value(name: str, sample: Sample) -> np.ndarray:
    """The metric; a sample that it rightly refuses (tested elsewhere) is no example."""
    if name == "beta":  # its maximum is infinite where the score separates the classes
        risen = sample.score * 0.6 + 0.3 * sample.label
        assume(risen[sample.label].min() < risen[~sample.label].max())
    return ALL[name](sample)


@pytest.mark.parametrize("name", ALL)
@given(sample=samples(), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_order_of_exams_is_nothing(name, sample, seed):
    index = np.random.default_rng(seed).permutation(len(sample.score))
    np.testing.assert_allclose(value(name, sample.rows(index)), value(name, sample), atol=1e-9)


@pytest.mark.parametrize("name", ALL)
@given(sample=samples())
@settings(max_examples=25, deadline=None)
def test_a_weight_of_k_is_k_rows(name, sample):
    repeated = np.repeat(np.arange(len(sample.score)), sample.weight.astype(int))
    rows = sample.rows(repeated, np.ones(len(repeated)))
    np.testing.assert_allclose(value(name, rows), value(name, sample), atol=1e-7)


@pytest.mark.parametrize("name", BY_RANK)
@given(sample=samples())
@settings(max_examples=25, deadline=None)
def test_only_the_order_of_scores_counts(name, sample):
    stretched = sample.with_score(sample.score**3 / 2)
    np.testing.assert_allclose(value(name, stretched), value(name, sample), atol=1e-9)


@given(sample=samples())
@settings(max_examples=25, deadline=None)
def test_turning_scores_round_turns_discrimination_round(sample):
    turned = sample.with_score(1 - sample.score)
    for name in ("auc", "harrell_c", "uno_c", "dynamic_auc"):
        np.testing.assert_allclose(BY_RANK[name](turned), 1 - BY_RANK[name](sample), atol=1e-9)


@pytest.mark.parametrize("name", ["auc", "partial_auc", "harrell_c", "uno_c", "dynamic_auc"])
@given(sample=samples())
@settings(max_examples=10, deadline=None)
def test_a_constant_score_knows_nothing(name, sample):
    flat = sample.with_score(np.full(len(sample.score), 0.5))
    np.testing.assert_allclose(BY_RANK[name](flat), 0.5, atol=1e-9)


# Every estimate with an interval: (score, label, patient_ids, weight, bootstrap) -> result
ESTIMATES = {
    "delong": lambda s, y, p, w, b: auc_estimate(s, y, w, p),
    "compare_aucs": lambda s, y, p, w, b: compare_aucs(s, s[::-1], y, w, p),
    "auc_bootstrap": lambda s, y, p, w, b: auc_bootstrap(s, y, p, w, b),
    "auc_difference": lambda s, y, p, w, b: auc_difference(s, s[::-1], y, p, w, b),
    "partial_auc": lambda s, y, p, w, b: partial_auc_bootstrap(s, y, p, w, b, 0.8, 1),
    "roc_band": lambda s, y, p, w, b: roc_band(s, y, p, w, b),
    "capture": lambda s, y, p, w, b: capture_in_top(s, y, p, w, b),
    "rates": lambda s, y, p, w, b: operating_point_estimates(s, 0.5, y, p, w),
    "brier": lambda s, y, p, w, b: brier_estimate(s, y, p, w, b),
    "over_observed": lambda s, y, p, w, b: expected_over_observed_estimate(s, y, p, w, b),
    "ece": lambda s, y, p, w, b: expected_calibration_error_estimate(s, y, p, w, b),
    "smooth_ece": lambda s, y, p, w, b: smooth_calibration_error_estimate(s, y, p, w, b),
    "decision_curve": lambda s, y, p, w, b: decision_curve(s, y, [0.1], p, w, b),
    "triage": lambda s, y, p, w, b: simulate_triage(s, 0.3, s > 0.5, y, p, w, b),
    "drift": lambda s, y, p, w, b: calibration_trend(s, y, np.arange(len(y)) % 5, p, w),
    "harrell_c": lambda s, y, p, w, b: harrell_c_estimate(s + 1, y, s, p, w, b),
    "uno_c": lambda s, y, p, w, b: uno_c_estimate(s + 1, y, s, p, w, b),
    "dynamic_auc": lambda s, y, p, w, b: time_auc_estimate(s + 1, y, s, [1.5], p, w, b),
    "time_brier": lambda s, y, p, w, b: time_brier_estimate(s + 1, y, s, [1.5], p, w, b),
    "incidence": lambda s, y, p, w, b: incidence_estimate(s + 1, y, [1.5], p, w, b),
}
NEEDS_NO_BOOTSTRAP = ("delong", "compare_aucs", "rates", "drift")
NEEDS_NO_CLASSES = ("brier", "ece", "smooth_ece", "incidence", "time_brier")
NEEDS_CANCERS_ONLY = ("over_observed", "capture")
NAN_WITHOUT_AN_EVENT = ("harrell_c", "uno_c", "dynamic_auc")


@pytest.fixture(scope="module")
def exams():
    rng = np.random.default_rng(4)
    patients = np.array([f"P{i:02d}" for i in rng.permutation(np.arange(80) % 50)], dtype=object)
    label = rng.random(80) < 0.3
    score = np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0.01, 0.99)
    weight = np.where(label, 1.0, rng.integers(1, 4, 80))
    return score, label, patients, weight, PatientBootstrap.draw(patients, 40, seed=1)


@pytest.mark.parametrize("name", ESTIMATES)
def test_the_exams_as_they_are_give_a_result(name, exams):
    result = ESTIMATES[name](*exams)
    first = result[0] if isinstance(result, list) else result
    inside = [
        one
        for one in (first, *vars(first).values())
        if {"low", "high"} <= set(getattr(one, "__dataclass_fields__", ()))
    ]
    assert inside or name == "roc_band"
    for one in inside:
        middle = getattr(one, "value", getattr(one, "sensitivity", None))
        if name == "triage" and np.isnan(middle):  # nobody missed, say: a rate of none
            continue
        assert (np.asarray(one.low) <= middle).all() and (middle <= np.asarray(one.high)).all()


@pytest.mark.parametrize("name", ESTIMATES)
@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, np.nan, "must be finite|must lie in"),
        (3, -1.0, "sample_weight must not be negative.*first: 7"),
        (3, np.nan, "sample_weight must be finite.*first: 7"),
        (2, None, "patient_ids must be text, with none missing.*first: 7"),
        (2, "stranger", "patient_ids holds 1 patients that are not in the bootstrap"),
    ],
)
def test_a_wrong_value_is_named(name, position, value, message, exams):
    arguments = [each.copy() if isinstance(each, np.ndarray) else each for each in exams]
    arguments[position][7] = value
    if value == "stranger" and name in NEEDS_NO_BOOTSTRAP:
        assert ESTIMATES[name](*arguments) is not None
        return
    if name == "incidence" and position == 0:
        message = "time_years must be finite"
    with pytest.raises(ValueError, match=message):
        ESTIMATES[name](*arguments)


@pytest.mark.parametrize("name", ESTIMATES)
def test_no_exams_at_all_are_refused(name, exams):
    nothing = [each[:0] for each in exams[:4]]
    with pytest.raises(ValueError, match="is empty"):
        ESTIMATES[name](*nothing, exams[4])


@pytest.mark.parametrize("name", ESTIMATES)
def test_a_missing_row_is_named(name, exams):
    score, label, patients, weight, bootstrap = exams
    with pytest.raises(ValueError, match="rows where .* are needed|has 79 rows"):
        ESTIMATES[name](score, label[:-1], patients, weight, bootstrap)


@pytest.mark.parametrize("name", ESTIMATES)
def test_one_patient_has_no_interval(name, exams):
    score, label, patients, weight, bootstrap = exams
    alone = np.full(80, patients[0], dtype=object)
    with pytest.raises(ValueError, match="patient_ids holds the one patient|two patients"):
        ESTIMATES[name](score, label, alone, weight, bootstrap)


@pytest.mark.parametrize("kind", [True, False])
@pytest.mark.parametrize(
    "name", [one for one in ESTIMATES if one not in NEEDS_NO_CLASSES + NAN_WITHOUT_AN_EVENT]
)
def test_one_class_alone_is_refused(name, kind, exams):
    score, _, patients, weight, bootstrap = exams
    label = np.full(80, kind)
    if kind and name in NEEDS_CANCERS_ONLY:
        assert np.isfinite(ESTIMATES[name](score, label, patients, weight, bootstrap).low)
        return
    with pytest.raises(ValueError, match="(label|case) holds no|patients with cancer"):
        ESTIMATES[name](score, label, patients, weight, bootstrap)


@pytest.mark.parametrize("name", NAN_WITHOUT_AN_EVENT)
def test_follow_up_without_an_event_has_no_concordance(name, exams):
    score, _, patients, weight, bootstrap = exams
    result = ESTIMATES[name](score, np.zeros(80), patients, weight, bootstrap)
    first = result[0] if isinstance(result, list) else result
    assert np.isnan([first.value, first.low, first.high]).all()


def test_windows_without_patients_enough_say_so(exams):
    score, label, patients, weight, bootstrap = exams
    table = calibration_by_window(
        score, label, np.arange(80) // 40, patients, weight, bootstrap, minimum_events=1000
    )
    assert table["reason"].str.contains("events").all()


def test_temperature_ignores_order_and_takes_weights_as_rows():
    rng = np.random.default_rng(3)
    score = np.round(rng.uniform(0.05, 0.95, 200), 1)
    label = rng.random(200) < score**2
    weight = rng.integers(1, 4, 200)
    fit = fit_temperature(score, label, weight)
    rows = rng.permutation(np.repeat(np.arange(200), weight))
    assert fit_temperature(score[rows], label[rows]).slope == pytest.approx(fit.slope, abs=1e-9)
