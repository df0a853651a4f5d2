"""Drift of scores: hand cases, scipy, and error rates under clusters and weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import chi2, ks_2samp, norm

from mammolab.evaluate import monitor
from mammolab.evaluate.resampling import PatientBootstrap


def clustered(rng, n_patients, first_id=0, shift=0.0, per_patient=3):
    """Scores of correlation 0.8 within a patient, weights 1 or 4 by patient, and ids."""
    patient = np.repeat(np.arange(n_patients), per_patient)
    own = rng.normal(size=n_patients)[patient]
    score = np.sqrt(0.8) * own + np.sqrt(0.2) * rng.normal(size=len(patient)) + shift
    return score, rng.choice([1.0, 4.0], n_patients)[patient], patient + first_id


def test_psi_by_hand():
    reference = np.arange(100.0)
    current = np.concatenate([np.arange(50.0)[::5], np.arange(50.0, 100.0)[::2]])  # 10 and 25
    index = monitor.population_stability(reference, current, n_bins=2)
    expected = (2 / 7 - 1 / 2) * np.log(4 / 7) + (5 / 7 - 1 / 2) * np.log(10 / 7)
    assert index.psi == pytest.approx(expected, rel=1e-12)
    assert index.n_bins == 2


def test_an_empty_bin_counts_half_an_exam():
    index = monitor.population_stability(np.arange(100.0), np.arange(40.0), n_bins=2)
    shares = np.array([40.0, 0.5]) / 40.5
    expected = ((shares - 0.5) * np.log(shares / 0.5)).sum()
    assert index.psi == pytest.approx(expected, rel=1e-12)
    assert index.p_value < 1e-4


def test_null_is_the_published_chi_square_for_independent_exams():
    """With the shares of both samples equal the moments are exact: (1/n + 1/m) chi-square."""
    reference = np.repeat(np.arange(10.0), 50)
    index = monitor.population_stability(reference, np.repeat(np.arange(10.0), 20))
    scale = 1 / 500 + 1 / 200
    assert index.psi == pytest.approx(0, abs=1e-15) and index.p_value == 1
    assert index.null_mean == pytest.approx(9 * scale, rel=1e-12)
    assert index.null_limit == pytest.approx(scale * chi2.ppf(0.95, 9), rel=1e-12)
    assert index.beyond_chance.value == 0 and index.beyond_chance.low == 0


def test_null_mean_is_the_mean_over_samples_without_drift():
    rng = np.random.default_rng(1)
    indices = [
        monitor.population_stability(rng.normal(size=500), rng.normal(size=400)) for _ in range(300)
    ]
    error = np.std([index.psi for index in indices]) / np.sqrt(300)
    assert np.mean([index.psi for index in indices]) == pytest.approx(
        np.mean([index.null_mean for index in indices]), abs=3 * error
    )


def test_scores_without_drift_alarm_at_the_nominal_rate_only_if_patients_are_the_unit():
    rng = np.random.default_rng(2)
    alarms = dict.fromkeys(("psi", "psi by exam", "ks", "ks by exam"), 0)
    for run in range(200):
        old, old_weight, old_id = clustered(rng, 250)
        new, new_weight, new_id = clustered(rng, 150, first_id=1000)
        weights, ids = (old_weight, new_weight), (old_id, new_id)
        bootstrap = PatientBootstrap.draw(np.concatenate(ids), 99, run)
        p_values = {
            "psi": monitor.population_stability(old, new, *weights, *ids),
            "psi by exam": monitor.population_stability(old, new, *weights),
            "ks": monitor.score_shift(old, new, *weights, *ids, bootstrap),
            "ks by exam": monitor.score_shift(old, new, *weights),
        }
        for name, test in p_values.items():
            alarms[name] += test.p_value <= 0.05
    # 10 of 200 are nominal; 20 is 3.2 deviations above
    assert alarms["psi"] <= 20 and alarms["ks"] <= 20
    assert alarms["psi by exam"] >= 25 and alarms["ks by exam"] >= 25


def test_patients_in_both_samples_are_paired():
    """The same patients again: what they share is not noise, so a small shift shows."""
    rng = np.random.default_rng(3)
    own = rng.normal(size=800)
    old, new = own + 0.2 * rng.normal(size=800), own + 0.2 * rng.normal(size=800) + 0.06
    same, other = np.arange(800), np.arange(800) + 5000
    bootstrap = PatientBootstrap.draw(np.concatenate([same, other]), 200, 0)
    for paired, apart in (
        (
            monitor.population_stability(old, new, None, None, same, same),
            monitor.population_stability(old, new, None, None, same, other),
        ),
        (
            monitor.score_shift(old, new, None, None, same, same, bootstrap),
            monitor.score_shift(old, new, None, None, same, other, bootstrap),
        ),
    ):
        assert paired.p_value < apart.p_value


def test_a_model_compared_with_itself_is_quiet():
    score, weight, ids = clustered(np.random.default_rng(4), 100)
    index = monitor.population_stability(score, score, weight, weight, ids, ids)
    assert (index.psi, index.p_value, index.beyond_chance.high) == (0, 1, 0)
    bootstrap = PatientBootstrap.draw(ids, 50, 0)
    assert monitor.score_shift(score, score, weight, weight, ids, ids, bootstrap).p_value == 1


def test_planted_drift_is_found():
    rng = np.random.default_rng(5)
    old, old_weight, old_id = clustered(rng, 600)
    new, new_weight, new_id = clustered(rng, 600, first_id=1000, shift=0.4)
    data = (old, new, old_weight, new_weight, old_id, new_id)
    index = monitor.population_stability(*data)
    assert index.p_value < 0.001 and index.psi > index.null_limit
    assert 0 < index.beyond_chance.low < index.beyond_chance.value < index.beyond_chance.high
    bootstrap = PatientBootstrap.draw(np.concatenate([old_id, new_id]), 199, 0)
    shift = monitor.score_shift(*data, bootstrap)
    assert shift.p_value == 1 / 200
    assert shift.distance == pytest.approx(2 * norm.cdf(0.2) - 1, abs=0.08)


def test_interval_holds_the_index_of_the_populations():
    """A normal score moved by a fifth of its standard deviation, in true deciles."""
    share = np.diff(norm.cdf(norm.ppf(np.arange(11) / 10) - 0.2))
    truth = ((share - 0.1) * np.log(share / 0.1)).sum()
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(200):
        index = monitor.population_stability(rng.normal(size=1000), rng.normal(size=800) + 0.2)
        covered += index.beyond_chance.low <= truth <= index.beyond_chance.high
    assert 180 <= covered <= 199  # 190 nominal, 3 deviations


@given(st.lists(st.integers(0, 8), min_size=3), st.lists(st.integers(0, 8), min_size=3))
@settings(max_examples=60, deadline=None)
def test_ks_agrees_with_scipy(reference, current):
    shift = monitor.score_shift(reference, current)
    expected = ks_2samp(reference, current, method="asymp")
    assert shift.distance == pytest.approx(expected.statistic, abs=1e-12)
    assert shift.p_value == pytest.approx(expected.pvalue, abs=1e-10)


def test_ks_location_is_where_the_distributions_differ_most():
    rng = np.random.default_rng(7)
    old, new = rng.normal(size=500), rng.normal(size=400) + 0.3
    shift, expected = monitor.score_shift(old, new), ks_2samp(old, new)
    assert shift.at_score == expected.statistic_location


def test_bootstrap_of_singletons_agrees_with_the_asymptotic_p_value():
    rng = np.random.default_rng(8)
    old, new = rng.normal(size=400), rng.normal(size=300) + 0.09
    bootstrap = PatientBootstrap.draw(np.arange(700), 2000, 1)
    ids = np.arange(400), np.arange(400, 700)
    p_value = monitor.score_shift(old, new, None, None, *ids, bootstrap).p_value
    expected = ks_2samp(old, new).pvalue
    assert 0.02 < expected < 0.9
    assert p_value == pytest.approx(expected, abs=0.05)


def test_doubled_weights_are_duplicated_rows_of_the_same_patients():
    rng = np.random.default_rng(9)
    old, _, old_id = clustered(rng, 60)
    new, _, new_id = clustered(rng, 40, first_id=100, shift=0.3)
    old_times, new_times = rng.integers(1, 4, len(old)), rng.integers(1, 4, len(new))
    weighted = (old, new, old_times, new_times, old_id, new_id)
    repeated = (
        np.repeat(old, old_times),
        np.repeat(new, new_times),
        None,
        None,
        np.repeat(old_id, old_times),
        np.repeat(new_id, new_times),
    )
    first = monitor.population_stability(*weighted)
    second = monitor.population_stability(*repeated)
    for name in ("psi", "null_mean", "null_limit", "p_value", "n_bins"):
        assert getattr(first, name) == pytest.approx(getattr(second, name), rel=1e-9)
    bootstrap = PatientBootstrap.draw(np.concatenate([old_id, new_id]), 99, 0)
    first = monitor.score_shift(*weighted, bootstrap)
    second = monitor.score_shift(*repeated, bootstrap)
    assert first.distance == pytest.approx(second.distance, abs=1e-12)
    assert first.p_value == second.p_value


def test_order_and_monotone_transforms_change_nothing():
    rng = np.random.default_rng(10)
    old, old_weight, old_id = clustered(rng, 60)
    new, new_weight, new_id = clustered(rng, 40, first_id=100, shift=0.3)
    bootstrap = PatientBootstrap.draw(np.concatenate([old_id, new_id]), 99, 0)
    mixed, again = rng.permutation(len(old)), rng.permutation(len(new))
    plain = (old, new, old_weight, new_weight, old_id, new_id)
    moved = (
        expit(3 * old[mixed]),
        expit(3 * new[again]),
        old_weight[mixed],
        new_weight[again],
        old_id[mixed],
        new_id[again],
    )
    first, second = monitor.score_shift(*plain, bootstrap), monitor.score_shift(*moved, bootstrap)
    assert first.distance == pytest.approx(second.distance, abs=1e-12)
    assert first.p_value == second.p_value
    first, second = monitor.population_stability(*plain), monitor.population_stability(*moved)
    assert first.psi == pytest.approx(second.psi, rel=1e-10)
    assert first.p_value == pytest.approx(second.p_value, rel=1e-8)


def test_ties_share_a_bin():
    reference = np.array([0.0] * 95 + [1.0] * 5)
    index = monitor.population_stability(reference, [0.0, 1.0, 1.0, 1.0])
    assert index.n_bins == 2
    assert index.psi == pytest.approx((0.25 - 0.95) * np.log(0.25 / 0.95) + 0.7 * np.log(15))


def test_rows_of_no_weight_are_not_there():
    rng = np.random.default_rng(11)
    old, new = rng.normal(size=200), rng.normal(size=100)
    padded, weight = np.append(old, [50.0, -50.0]), np.append(np.ones(200), [0, 0])
    first = monitor.population_stability(old, new)
    second = monitor.population_stability(padded, new, weight)
    assert first.psi == pytest.approx(second.psi) and first.p_value == pytest.approx(second.p_value)
    assert monitor.score_shift(old, new) == monitor.score_shift(padded, new, weight)


def test_bad_input():
    score = np.arange(10.0)
    bootstrap = PatientBootstrap.draw(np.arange(10), 20, 0)
    for call in (monitor.population_stability, monitor.score_shift):
        with pytest.raises(ValueError, match="reference must be finite"):
            call([0.1, np.nan], score)
        with pytest.raises(ValueError, match="current is empty"):
            call(score, [])
        with pytest.raises(ValueError, match="current: sample_weight must not be negative"):
            call(score, score, None, -np.ones(10))
        with pytest.raises(ValueError, match="needed together"):
            call(score, score, None, None, np.arange(10))
    with pytest.raises(ValueError, match="needed together"):
        monitor.score_shift(score, score, bootstrap=bootstrap)
    with pytest.raises(ValueError, match="single patient"):
        monitor.population_stability(score, score, None, None, np.zeros(10, int), np.zeros(10, int))
    with pytest.raises(ValueError, match="reference holds one score"):
        monitor.population_stability(np.ones(10), score)
    with pytest.raises(ValueError, match="n_bins"):
        monitor.population_stability(score, score, n_bins=1)
