"""Survival statistics against hand cases, lifelines, brute force and a planted truth."""

import numpy as np
import pandas as pd
import pytest
from lifelines import AalenJohansenFitter, CoxPHFitter, KaplanMeierFitter
from lifelines.datasets import load_rossi
from lifelines.utils import concordance_index

from mammolab.evaluate import roc, survival
from mammolab.evaluate.resampling import PatientBootstrap

# Acute myelogenous leukaemia, maintained arm (Miller 1981, as distributed with R's survival).
AML_WEEKS = np.array([9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161], dtype=float)
AML_EVENT = np.array([1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0])


def simulate(seed: int, n: int = 200, yearly: bool = True) -> dict[str, np.ndarray]:
    """Exams with tied times, tied scores, competing deaths and weights."""
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 12, n) / 4.0
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


def outcome(sample: dict) -> tuple[np.ndarray, np.ndarray]:
    return sample["time_years"], sample["event"]


def brute_g_before(sample: dict, at: float, leaving: np.ndarray) -> float:
    """Probability of being observed just before `at`, one distinct time after the other."""
    time, weight = sample["time_years"], sample["sample_weight"]
    g = 1.0
    for t in np.unique(time[time < at]):
        at_risk = weight[(time > t) | ((time == t) & leaving)].sum()
        if at_risk > 0:
            g *= 1 - weight[(time == t) & leaving].sum() / at_risk
    return g


def brute_c(sample: dict, tau: float, inverse_censoring: bool) -> float:
    time, event, score, weight = sample.values()
    won = pairs = 0.0
    for i in np.flatnonzero((event == 1) & (time < tau)):
        g = brute_g_before(sample, time[i], event != 1) if inverse_censoring else 1.0
        later = (time > time[i]) | ((time == time[i]) & (event != 1))
        value = weight[i] * weight[later] / g**2
        pairs += value.sum()
        won += (value * ((score[later] < score[i]) + 0.5 * (score[later] == score[i]))).sum()
    return won / pairs


def brute_auc(sample: dict, horizon: float, competing: str) -> float:
    time, event, score, weight = sample.values()
    leaving = event != 1 if competing == "censored" else event == 0
    won = pairs = 0.0
    for i in np.flatnonzero((event == 1) & (time <= horizon)):
        g_case = brute_g_before(sample, time[i], leaving)
        for j in range(len(time)):
            if time[j] > horizon or (time[j] == horizon and event[j] != 1):
                g_control = brute_g_before(sample, horizon, leaving)
            elif competing == "control" and event[j] == 2:
                g_control = brute_g_before(sample, time[j], leaving)
            else:
                continue
            value = weight[i] * weight[j] / (g_case * g_control)
            pairs += value
            won += value * ((score[i] > score[j]) + 0.5 * (score[i] == score[j]))
    return won / pairs


class TestCurves:
    def test_published_kaplan_meier(self):
        curve = survival.kaplan_meier(AML_WEEKS, AML_EVENT)
        expected = [0.9091, 0.8182, 0.7159, 0.6136, 0.4909, 0.3682, 0.1841]
        np.testing.assert_allclose(curve(AML_WEEKS[AML_EVENT == 1]), expected, atol=5e-5)
        assert curve(0.0) == 1.0
        assert curve.left(9.0) == 1.0

    def test_kaplan_meier_is_that_of_lifelines(self):
        sample = simulate(1)
        fitter = KaplanMeierFitter().fit(
            sample["time_years"], sample["event"] == 1, weights=2 * sample["sample_weight"]
        )
        curve = survival.kaplan_meier(*outcome(sample), sample["sample_weight"])
        years = np.linspace(0, 7, 50)
        np.testing.assert_allclose(curve(years), fitter.predict(years), atol=1e-12)

    def test_cancer_trial(self, shared_data):
        trial = pd.read_csv(shared_data / "statistics" / "lifelines_gbsg2.csv")
        fitter = KaplanMeierFitter().fit(trial["time"], trial["cens"])
        curve = survival.kaplan_meier(trial["time"], trial["cens"])
        np.testing.assert_allclose(
            curve(trial["time"]), fitter.predict(trial["time"].to_numpy()), atol=1e-12
        )

    def test_censoring_curve_by_hand(self):
        # Of five, one has the event at 1 and is out before the censoring at 1: 3 of 4 go on;
        # of three at 2, one has the event, then one of two is censored.
        curve = survival.censoring_survival([1, 1, 2, 2, 3], [1, 0, 1, 0, 0])
        np.testing.assert_allclose(curve([0.5, 1, 2, 3]), [1, 0.75, 0.375, 0])
        np.testing.assert_allclose(curve.left([1, 2, 3]), [1, 0.75, 0.375])

    def test_competing_deaths_censor_unless_told_otherwise(self):
        time, event = [1, 2, 3, 4], [2, 0, 1, 0]
        assert survival.censoring_survival(time, event)(1.5) == 0.75
        assert survival.censoring_survival(time, event, competing="control")(1.5) == 1.0

    def test_cumulative_incidence_is_that_of_lifelines(self):
        sample = simulate(2, yearly=False)
        incidence = survival.cumulative_incidence(*outcome(sample))
        years = np.linspace(0.1, 6.5, 30)
        for cause in (1, 2):
            fitter = AalenJohansenFitter(calculate_variance=False)
            fitter.fit(*outcome(sample), event_of_interest=cause)
            theirs = fitter.predict(years).to_numpy().ravel()
            np.testing.assert_allclose(incidence[cause](years), theirs, atol=1e-12)

    def test_incidences_and_event_free_survival_sum_to_one(self):
        sample = simulate(3)
        time, event, weight = sample["time_years"], sample["event"], sample["sample_weight"]
        incidence = survival.cumulative_incidence(time, event, weight)
        free = survival.kaplan_meier(time, event > 0, weight)
        total = incidence[1](time) + incidence[2](time) + free(time)
        np.testing.assert_allclose(total, 1.0, atol=1e-12)

    def test_ignoring_competing_deaths_overstates_risk(self):
        sample = simulate(4)
        net = 1 - survival.kaplan_meier(*outcome(sample))(5.0)
        assert net > survival.cumulative_incidence(*outcome(sample))[1](5.0)


class TestConcordance:
    def test_published_rossi(self):
        rossi = load_rossi()
        hazard = CoxPHFitter().fit(rossi, "week", "arrest").predict_partial_hazard(rossi)
        c = survival.harrell_c(rossi["week"], rossi["arrest"], hazard)
        assert c == pytest.approx(0.640329, abs=5e-7)

    def test_harrell_is_that_of_lifelines_with_ties(self):
        sample = simulate(5)
        theirs = concordance_index(
            sample["time_years"], -sample["score"], sample["event"] == 1
        )  # lifelines wants a predicted time
        ours = survival.harrell_c(*outcome(sample), sample["score"])
        assert ours == pytest.approx(theirs, abs=1e-12)

    @pytest.mark.parametrize("seed", range(3))
    def test_both_are_those_of_pair_counting(self, seed):
        sample = simulate(seed, n=120)
        harrell = survival.harrell_c(**sample)
        uno = survival.uno_c(**sample, tau_years=5.0)
        assert harrell == pytest.approx(brute_c(sample, np.inf, False), abs=1e-12)
        assert uno == pytest.approx(brute_c(sample, 5.0, True), abs=1e-12)

    def test_without_censoring_uno_is_harrell(self):
        sample = simulate(6)
        everyone = np.ones_like(sample["event"])
        args = sample["time_years"], everyone, sample["score"]
        assert survival.uno_c(*args) == pytest.approx(survival.harrell_c(*args), abs=1e-12)

    def test_reversing_the_score_mirrors_c(self):
        sample = simulate(7)
        forward = survival.uno_c(**sample)
        backward = survival.uno_c(**{**sample, "score": -np.exp(sample["score"])})
        assert forward + backward == pytest.approx(1.0, abs=1e-12)

    def test_recovers_the_planted_c_under_yearly_ties_and_heavy_censoring(self):
        rng = np.random.default_rng(8)

        def draw(n, leaving):
            score = rng.normal(size=n)
            cancer = np.ceil(rng.exponential(8 * np.exp(-1.2 * score)))
            # Observed for whole years: censored at k is known to be free of cancer through k.
            time = np.minimum(cancer, leaving(n))
            return time, (cancer <= time).astype(int), score

        truth = survival.harrell_c(*draw(12_000, lambda n: np.full(n, 5)))
        uno, harrell = [], []
        for _ in range(25):
            observed = draw(3000, lambda n: np.minimum(np.ceil(rng.exponential(1.3, n)), 5))
            uno.append(survival.uno_c(*observed))
            harrell.append(survival.harrell_c(*observed))
        assert np.mean(uno) == pytest.approx(truth, abs=0.008)
        assert np.mean(harrell) - truth > 0.01  # what G is for


class TestTimeDependentAuc:
    @pytest.mark.parametrize("competing", ["censored", "control"])
    @pytest.mark.parametrize("seed", range(2))
    def test_is_that_of_pair_counting(self, seed, competing):
        sample = simulate(seed, n=100)
        ours = survival.cumulative_dynamic_auc(
            **sample, horizons_years=[2.0, 4.25], competing=competing
        )
        theirs = [brute_auc(sample, horizon, competing) for horizon in (2.0, 4.25)]
        np.testing.assert_allclose(ours, theirs, atol=1e-12)

    def test_without_censoring_it_is_the_plain_auc(self):
        sample = simulate(9)
        event = np.ones(len(sample["event"]), dtype=int)
        ours = survival.cumulative_dynamic_auc(
            sample["time_years"], event, sample["score"], [3.0], sample["sample_weight"]
        )
        plain = roc.auc(sample["score"], sample["time_years"] <= 3.0, sample["sample_weight"])
        assert ours[0] == pytest.approx(plain, abs=1e-12)

    def test_a_row_censored_at_the_horizon_is_a_control(self):
        auc = survival.cumulative_dynamic_auc([1, 5, 5], [1, 0, 0], [2.0, 1.0, 3.0], [5.0, 6.0])
        assert auc[0] == 0.5
        assert np.isnan(auc[1])

    def test_recovers_the_planted_auc_where_ignoring_censoring_does_not(self):
        rng = np.random.default_rng(10)
        n = 60_000
        score = rng.normal(size=n)
        cancer = rng.exponential(20 * np.exp(-score))
        # Early cancers are scored high here, late ones are not: who is lost matters.
        late_score = np.where(cancer < 2, score + 1, score)
        leaving = rng.exponential(2.0, n)
        time = np.minimum(cancer, leaving)
        event = (cancer <= leaving).astype(int)
        truth = roc.auc(late_score, cancer <= 5)
        weighted = survival.cumulative_dynamic_auc(time, event, late_score, [5.0])[0]
        known = (time > 5) | (event == 1) & (time <= 5)
        naive = roc.auc(late_score[known], (event == 1)[known])
        assert weighted == pytest.approx(truth, abs=0.01)
        assert naive - truth > 0.02

    def test_pure_noise_is_one_half(self):
        sample = simulate(11, n=20_000)
        noise = np.random.default_rng(0).normal(size=20_000)
        auc = survival.cumulative_dynamic_auc(*outcome(sample), noise, [1, 3, 5])
        np.testing.assert_allclose(auc, 0.5, atol=0.02)


class TestWeightsAndBootstrap:
    def test_weight_two_is_the_row_twice(self):
        sample = simulate(12)
        twice = np.random.default_rng(0).random(len(sample["event"])) < 0.5
        weighted = {**sample, "sample_weight": np.where(twice, 2.0, 1.0)}
        rows = np.concatenate([np.arange(len(twice)), np.flatnonzero(twice)])
        doubled = {key: values[rows] for key, values in sample.items() if key != "sample_weight"}
        pairs = [
            (survival.uno_c(**weighted), survival.uno_c(**doubled)),
            (survival.harrell_c(**weighted), survival.harrell_c(**doubled)),
            (
                survival.cumulative_dynamic_auc(**weighted, horizons_years=[3.0])[0],
                survival.cumulative_dynamic_auc(**doubled, horizons_years=[3.0])[0],
            ),
            (
                survival.cumulative_incidence(*outcome(sample), weighted["sample_weight"])[1](4.0),
                survival.cumulative_incidence(*outcome(doubled))[1](4.0),
            ),
        ]
        for ours, theirs in pairs:
            assert ours == pytest.approx(theirs, abs=1e-12)

    def test_order_of_rows_does_not_matter(self):
        sample = simulate(13)
        order = np.random.default_rng(1).permutation(len(sample["event"]))
        shuffled = {key: values[order] for key, values in sample.items()}
        assert survival.uno_c(**sample) == pytest.approx(survival.uno_c(**shuffled), abs=1e-12)

    def test_replicates_are_the_metrics_of_the_resampled_patients(self):
        sample = simulate(14, n=150)
        ids = np.array([f"P{k}" for k in np.random.default_rng(2).integers(0, 60, 150)])
        bootstrap = PatientBootstrap.draw(np.append(ids, "P999"), 4, seed=3)
        weight = sample["sample_weight"]
        rest = {key: sample[key] for key in ("time_years", "event", "score")}
        auc = survival.time_auc_replicates(
            **rest,
            horizons_years=[2, 4],
            patient_ids=ids,
            sample_weight=weight,
            bootstrap=bootstrap,
        )
        c = survival.uno_c_replicates(
            **rest, patient_ids=ids, sample_weight=weight, bootstrap=bootstrap
        )
        for replicate in range(4):
            drawn = bootstrap.counts[replicate, bootstrap.columns(ids)]
            rows = np.repeat(np.arange(150), drawn)
            resampled = {key: values[rows] for key, values in sample.items()}
            direct = survival.cumulative_dynamic_auc(**resampled, horizons_years=[2, 4])
            np.testing.assert_allclose(auc[replicate], direct, atol=1e-12)
            assert c[replicate] == pytest.approx(survival.uno_c(**resampled), abs=1e-6)

    def test_interval_covers_the_estimate_and_narrows_with_patients(self):
        widths = []
        for n in (300, 4800):
            sample = simulate(15, n=n)
            ids = np.arange(n).astype(str)
            bootstrap = PatientBootstrap.draw(ids, 200, seed=4)
            rest = {key: sample[key] for key in ("time_years", "event", "score")}
            common = {"patient_ids": ids, "sample_weight": None, "bootstrap": bootstrap}
            auc = survival.time_auc_estimate(**rest, horizons_years=[4.0], **common)[0]
            c = survival.uno_c_estimate(**rest, tau_years=5.0, **common)
            assert auc.low < auc.value < auc.high
            assert c.low < c.value < c.high
            widths.append([auc.high - auc.low, c.high - c.low])
        np.testing.assert_allclose(np.divide(*widths), 4.0, rtol=0.35)  # root of 16


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
            survival.uno_c(**(good | change))

    def test_unknown_way_with_competing_events(self):
        with pytest.raises(ValueError, match="censored"):
            survival.censoring_survival([1.0], [1], competing="ignored")

    def test_nothing_to_compare_is_nan(self):
        assert np.isnan(survival.harrell_c([1.0, 2.0], [0, 0], [0.1, 0.2]))
        assert np.isnan(survival.uno_c([1.0, 2.0], [0, 1], [0.1, 0.2]))


def test_a_group_without_an_event_has_an_incidence_of_zero():
    incidence = survival.cumulative_incidence([1.0, 2.0, 3.0], [0, 0, 0])
    assert set(incidence) == {1, 2}
    assert incidence[1](5.0) == 0
