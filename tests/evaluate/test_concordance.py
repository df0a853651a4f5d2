"""Harrell's and Uno's C against pair counting, lifelines, scikit-survival and a planted truth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifelines import CoxPHFitter
from lifelines.datasets import load_rossi
from lifelines.utils import concordance_index
from scipy.io import arff
from sksurv.metrics import concordance_index_ipcw
from sksurv.util import Surv

from mammolab.evaluate import concordance, survival
from mammolab.evaluate.resampling import PatientBootstrap

ROWS = st.lists(
    st.tuples(
        st.integers(0, 5), st.integers(0, 2), st.integers(0, 4), st.sampled_from([0.0, 0.5, 1, 3])
    ),
    min_size=1,
    max_size=30,
).map(lambda rows: tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True)))


def simulate(seed: int, n: int = 200, yearly: bool = True) -> dict[str, np.ndarray]:
    """Exams with tied times, tied scores, competing deaths and weights."""
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 12, n) / 4.0 if yearly else rng.normal(size=n)
    cancer = rng.exponential(8 * np.exp(-score))
    death = rng.exponential(15, n)
    leaving = rng.uniform(0.5, 7, n)
    time = np.minimum(np.minimum(cancer, death), leaving)
    return {
        "time_years": np.ceil(2 * time) / 2 if yearly else time,
        "event": np.select([time == cancer, time == death], [1, 2], 0),
        "score": score,
        "sample_weight": rng.choice([1.0, 1.0, 3.5], n),
    }


def brute_c(time, event, score, weight, tau=np.inf, censoring=lambda t: 1.0) -> float:
    """Pair after pair, each weighted by 1 / censoring(t)^2 at its event."""
    won = pairs = 0.0
    for i in np.flatnonzero((event == 1) & (time < tau) & (weight > 0)):
        later = (time > time[i]) | ((time == time[i]) & (event != 1))
        value = weight[i] * weight[later] / censoring(time[i]) ** 2
        pairs += value.sum()
        won += (value * ((score[later] < score[i]) + 0.5 * (score[later] == score[i]))).sum()
    return won / pairs if pairs > 0 else np.nan


def brute_g_before(time, event, weight):
    """Return t -> probability of being observed just before t, one time after the other."""

    def g_before(at: float) -> float:
        g = 1.0
        for t in np.unique(time[time < at]):
            leaving = (time == t) & (event != 1)
            at_risk = weight[(time > t) | leaving].sum()
            if at_risk > 0:
                g *= 1 - weight[leaving].sum() / at_risk
        return g

    return g_before


class TestAgainstOthers:
    def test_published_rossi(self):
        rossi = load_rossi()
        hazard = CoxPHFitter().fit(rossi, "week", "arrest").predict_partial_hazard(rossi)
        c = concordance.harrell_c(rossi["week"], rossi["arrest"], hazard)
        assert round(c, 6) == 0.640329

    @pytest.mark.parametrize("yearly", [True, False])
    def test_harrell_is_that_of_lifelines(self, yearly):
        time, event, score, _ = simulate(5, 400, yearly).values()
        theirs = concordance_index(time, -score, event == 1)  # it wants a predicted time
        assert concordance.harrell_c(time, event, score) == pytest.approx(theirs, abs=1e-12)

    def test_uno_is_that_of_scikit_survival_without_ties(self):
        time, event, score, _ = simulate(6, 400, yearly=False).values()
        outcome = Surv.from_arrays(event == 1, time)
        theirs = concordance_index_ipcw(outcome, outcome, score, tau=4.0)[0]
        ours = concordance.uno_c(time, event, score, tau_years=4.0)
        assert ours == pytest.approx(theirs, abs=1e-10)

    def test_heart_attacks_with_ties(self, shared_data):
        frame = pd.DataFrame(arff.loadarff(shared_data / "statistics" / "sksurv_whas500.arff")[0])
        time, event = frame["lenfol"].to_numpy(), frame["fstat"].astype(int).to_numpy()
        score = frame["age"].to_numpy()
        assert np.intersect1d(time[event == 1], time[event == 0]).size  # the ties are there
        assert concordance.harrell_c(time, event, score) == pytest.approx(
            concordance_index(time, -score, event), abs=1e-12
        )
        # scikit-survival takes G after the censorings at t; events put a moment before them give
        # it G(t-)
        outcome = Surv.from_arrays(event == 1, time - 1e-6 * event)
        theirs = concordance_index_ipcw(outcome, outcome, score, tau=1500.0)[0]
        ours = concordance.uno_c(time, event, score, tau_years=1500.0)
        assert ours == pytest.approx(theirs, abs=1e-10)
        tied = Surv.from_arrays(event == 1, time)
        assert abs(ours - concordance_index_ipcw(tied, tied, score, tau=1500.0)[0]) > 1e-6


class TestPairCounting:
    @given(ROWS, st.sampled_from([3.0, np.inf]))
    def test_both_are_those_of_pair_counting(self, rows, tau):
        time, event, score, weight = rows
        if not weight.any():
            weight = weight + 1
        harrell = concordance.harrell_c(time, event, score, weight)
        uno = concordance.uno_c(time, event, score, weight, tau_years=tau)
        g_before = brute_g_before(time, event, weight)
        assert harrell == pytest.approx(brute_c(time, event, score, weight), abs=1e-12, nan_ok=True)
        theirs = brute_c(time, event, score, weight, tau, g_before)
        assert uno == pytest.approx(theirs, abs=1e-12, nan_ok=True)

    @pytest.mark.parametrize("yearly", [True, False])
    def test_many_rows(self, yearly):
        sample = simulate(1, 1500, yearly)
        ours = concordance.harrell_c(**sample)
        assert ours == pytest.approx(brute_c(*sample.values()), abs=1e-12)

    @given(ROWS)
    def test_reversing_the_score_mirrors_c(self, rows):
        time, event, score, _ = rows
        forward = concordance.harrell_c(time, event, score)
        backward = concordance.harrell_c(time, event, -np.exp(score))
        assert 1 - forward == pytest.approx(backward, abs=1e-12, nan_ok=True)

    @given(ROWS)
    def test_weight_two_is_the_row_twice_in_any_order(self, rows):
        time, event, score, weight = rows
        weight = weight + 0.5
        twice = np.repeat(np.arange(len(time)), (2 * weight).astype(int))[::-1]
        for metric in (concordance.harrell_c, concordance.uno_c):
            weighted = metric(time, event, score, weight)
            repeated = metric(time[twice], event[twice], score[twice])
            assert weighted == pytest.approx(repeated, abs=1e-12, nan_ok=True)

    def test_without_censoring_uno_is_harrell(self):
        time, event, score, _ = simulate(6).values()
        args = time, np.ones_like(event), score
        assert concordance.uno_c(*args) == pytest.approx(concordance.harrell_c(*args), abs=1e-12)

    def test_nothing_to_compare_is_nan(self):
        assert np.isnan(concordance.harrell_c([1.0, 2.0], [0, 0], [0.1, 0.2]))
        assert np.isnan(concordance.uno_c([1.0, 2.0], [0, 1], [0.1, 0.2]))


def test_the_planted_c_is_recovered_under_yearly_ties_and_heavy_censoring():
    rng = np.random.default_rng(8)

    def draw(n, leaving):
        score = rng.normal(size=n)
        cancer = np.ceil(rng.exponential(8 * np.exp(-1.2 * score)))
        # Observed for whole years: censored at k is known to be free of cancer through k.
        time = np.minimum(cancer, leaving(n))
        return time, (cancer <= time).astype(int), score

    def of_the_event_curve(time, event, score):  # the mistake of public code
        curve = survival.kaplan_meier(time, event)
        return brute_c(time, event, score, np.ones(len(time)), censoring=curve)

    truth = concordance.harrell_c(*draw(40_000, lambda n: np.full(n, 5)))
    metrics = (concordance.uno_c, concordance.harrell_c, of_the_event_curve)
    values = []
    for _ in range(25):
        observed = draw(3000, lambda n: np.minimum(np.ceil(rng.exponential(1.3, n)), 5))
        values.append([metric(*observed) for metric in metrics])
    uno, harrell, event_curve = np.mean(values, axis=0) - truth
    assert abs(uno) < 0.004
    assert harrell > 0.01  # what G is for
    assert event_curve > 0.01


class TestBootstrap:
    @pytest.mark.parametrize("yearly", [True, False])
    def test_replicates_are_the_metrics_of_the_resampled_patients(self, yearly):
        sample = simulate(14, 150, yearly)
        ids = np.array([f"P{k}" for k in np.random.default_rng(2).integers(0, 60, 150)])
        bootstrap = PatientBootstrap.draw(np.append(ids, "P999"), 140, seed=3)
        args = *list(sample.values())[:3], ids, sample["sample_weight"], bootstrap
        uno = concordance.uno_c_replicates(*args, tau_years=5.0)
        harrell = concordance.harrell_c_replicates(*args)
        for replicate in (0, 1, 139):
            rows = np.repeat(np.arange(150), bootstrap.counts[replicate, bootstrap.columns(ids)])
            resampled = {key: values[rows] for key, values in sample.items()}
            direct = concordance.uno_c(**resampled, tau_years=5.0)
            assert uno[replicate] == pytest.approx(direct, abs=1e-6)
            assert harrell[replicate] == pytest.approx(concordance.harrell_c(**resampled), abs=1e-6)

    def test_more_events_than_a_block_holds(self):
        time, _, score, weight = simulate(3, 1200, yearly=False).values()
        ids = np.arange(1200).astype(str)
        bootstrap = PatientBootstrap.draw(ids, 3, seed=3)
        event = np.ones(1200, dtype=int)
        ours = concordance.harrell_c_replicates(time, event, score, ids, weight, bootstrap)
        direct = concordance.harrell_c(
            time, event, score, weight * bootstrap.counts[2, bootstrap.columns(ids)]
        )
        assert ours[2] == pytest.approx(direct, abs=1e-6)

    def test_without_an_event_replicates_are_nan(self):
        bootstrap = PatientBootstrap.draw(["a", "b"], 5, seed=3)
        none = concordance.harrell_c_replicates(
            [1.0, 2.0], [0, 0], [0.1, 0.2], ["a", "b"], None, bootstrap
        )
        assert np.isnan(none).all()

    @pytest.mark.parametrize(
        "estimate", [concordance.harrell_c_estimate, concordance.uno_c_estimate]
    )
    def test_interval_narrows_with_the_root_of_the_patients(self, estimate):
        widths = []
        for n in (300, 4800):
            sample = simulate(15, n=n)
            ids = np.arange(n).astype(str)
            bootstrap = PatientBootstrap.draw(ids, 200, seed=4)
            one = estimate(*list(sample.values())[:3], ids, None, bootstrap)
            assert one.low < one.value < one.high
            widths.append(one.high - one.low)
        assert widths[0] / widths[1] == pytest.approx(4.0, rel=0.35)  # root of 16


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"time_years": [1.0, np.nan]}, "time_years must be finite"),
            ({"time_years": [1.0, -2.0]}, "time_years is negative"),
            ({"event": [0, 0.5]}, "whole codes"),
            ({"score": [1.0]}, "score has 1 rows"),
            ({"sample_weight": [1.0, -1.0]}, "must not be negative"),
        ],
    )
    def test_bad_arrays(self, change, words):
        good = {"time_years": [1.0, 2.0], "event": [1, 0], "score": [0.2, 0.1]}
        with pytest.raises(ValueError, match=words):
            concordance.uno_c(**(good | change))

    def test_a_single_patient(self):
        bootstrap = PatientBootstrap.draw(["a", "b"], 5, seed=1)
        with pytest.raises(ValueError, match="at least two"):
            concordance.uno_c_estimate([1.0, 2.0], [1, 0], [0.2, 0.1], ["a", "a"], None, bootstrap)


def test_cox_on_recidivism_meets_the_printed_fit():
    """What the risk chapters fit (lifelines): coefficients, errors and likelihood of Rossi's data."""
    fit = CoxPHFitter().fit(load_rossi(), "week", "arrest")
    assert fit.params_[["fin", "prio"]].tolist() == pytest.approx([-0.379422, 0.091497], abs=1e-6)
    errors = fit.standard_errors_[["fin", "prio"]].tolist()
    assert errors == pytest.approx([0.191379, 0.028649], abs=1e-6)
    assert fit.log_likelihood_ == pytest.approx(-658.74766, abs=1e-5)
