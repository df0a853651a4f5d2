"""Survival curves against hand cases, lifelines, and a planted truth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifelines import AalenJohansenFitter, KaplanMeierFitter
from scipy.stats import binomtest

from mammolab.evaluate import concordance, horizons, survival
from mammolab.evaluate._time_order import count_up_to
from mammolab.evaluate.resampling import PatientBootstrap

# Acute myelogenous leukaemia, maintained arm (Miller 1981, as distributed with R's survival).
AML_WEEKS = np.array([9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161], dtype=float)
AML_EVENT = np.array([1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0])

ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 2), st.sampled_from([0.5, 1.0, 3.0])),
    min_size=1,
    max_size=30,
).map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True)))


def simulate(seed: int, n: int = 200, yearly: bool = True) -> dict[str, np.ndarray]:
    """Exams with tied times, competing deaths and weights."""
    rng = np.random.default_rng(seed)
    cancer = rng.exponential(4, n)
    death = rng.exponential(15, n)
    leaving = rng.uniform(0.5, 7, n)
    time = np.minimum(np.minimum(cancer, death), leaving)
    return {
        "time_years": np.ceil(2 * time) / 2 if yearly else time,
        "event": np.select([time == cancer, time == death], [1, 2], 0),
        "sample_weight": rng.choice([1.0, 1.0, 3.5], n),
    }


class TestKaplanMeier:
    def test_published(self):
        curve = survival.kaplan_meier(AML_WEEKS, AML_EVENT)
        expected = [0.9091, 0.8182, 0.7159, 0.6136, 0.4909, 0.3682, 0.1841]
        np.testing.assert_array_equal(np.round(curve(AML_WEEKS[AML_EVENT == 1]), 4), expected)
        np.testing.assert_array_equal(curve.times, AML_WEEKS[AML_EVENT == 1])
        assert curve(0.0) == 1.0
        assert curve.left(9.0) == 1.0

    def test_is_that_of_lifelines_with_ties_and_weights(self):
        sample = simulate(1)
        time, event, weight = sample.values()
        fitter = KaplanMeierFitter().fit(time, event == 1, weights=2 * weight)
        curve = survival.kaplan_meier(time, event, weight)
        years = np.linspace(0, 7, 50)
        np.testing.assert_allclose(curve(years), fitter.predict(years), atol=1e-12)

    def test_cancer_trial(self, shared_data):
        trial = pd.read_csv(shared_data / "statistics" / "lifelines_gbsg2.csv")
        fitter = KaplanMeierFitter().fit(trial["time"], trial["cens"])
        curve = survival.kaplan_meier(trial["time"], trial["cens"])
        np.testing.assert_allclose(
            curve(trial["time"]), fitter.predict(trial["time"].to_numpy()), atol=1e-12
        )

    def test_without_an_event_it_stays_at_one(self):
        assert survival.kaplan_meier([1.0, 2.0], [0, 0])(5.0) == 1.0


class TestCensoringCurve:
    def test_by_hand(self):
        # Of five, one has the event at 1 and is out before the censoring at 1: 3 of 4 go on;
        # of three at 2, one has the event, then one of two is censored.
        curve = survival.censoring_survival([1, 1, 2, 2, 3], [1, 0, 1, 0, 0])
        np.testing.assert_allclose(curve([0.5, 1, 2, 3]), [1, 0.75, 0.375, 0])
        np.testing.assert_allclose(curve.left([1, 2, 3]), [1, 0.75, 0.375])

    def test_without_ties_it_is_kaplan_meier_of_the_censorings(self):
        sample = simulate(2, yearly=False)
        time, event, weight = sample.values()
        flipped = survival.kaplan_meier(time, event == 0, weight)
        ours = survival.censoring_survival(time, event, weight, competing="control")
        np.testing.assert_allclose(ours(time), flipped(time), atol=1e-12)

    def test_competing_deaths_censor_unless_told_otherwise(self):
        time, event = [1, 2, 3, 4], [2, 0, 1, 0]
        assert survival.censoring_survival(time, event)(1.5) == 0.75
        assert survival.censoring_survival(time, event, competing="control")(1.5) == 1.0

    @given(ROWS)
    def test_it_is_above_zero_where_a_row_has_the_event(self, rows):
        time, event, weight = rows
        curve = survival.censoring_survival(time, event, weight)
        assert (curve.left(time[event == 1]) > 0).all()


class TestCumulativeIncidence:
    def test_is_that_of_lifelines(self):
        sample = simulate(2, yearly=False)
        time, event, weight = sample.values()
        incidence = survival.cumulative_incidence(time, event, weight)
        years = np.linspace(0.1, 6.5, 30)
        for cause in (1, 2):
            fitter = AalenJohansenFitter(calculate_variance=False)
            fitter.fit(time, event, event_of_interest=cause, weights=2 * weight)
            theirs = fitter.predict(years).to_numpy().ravel()
            np.testing.assert_allclose(incidence[cause](years), theirs, atol=1e-12)

    def test_dementia_and_melanoma_cohorts(self, shared_data):
        for name in ("Paquid", "Melano"):
            cohort = pd.read_csv(shared_data / "statistics" / f"timeroc_{name}.csv")
            time, event = cohort["time"].to_numpy(float), cohort["status"].to_numpy(int)
            # lifelines shifts tied times at random: break the ties by hand, events first
            order = np.lexsort([event == 0, time])
            apart = time[order] + 1e-12 * np.arange(len(time))
            fitter = AalenJohansenFitter(calculate_variance=False).fit(apart, event[order], 1)
            years = np.quantile(time, [0.2, 0.5, 0.8])
            theirs = fitter.predict(years + 1e-8).to_numpy().ravel()
            ours = survival.incidence_at_horizons(time, event, years)
            np.testing.assert_allclose(ours, theirs, atol=1e-12)

    @given(ROWS)
    def test_incidences_and_event_free_survival_sum_to_one(self, rows):
        time, event, weight = rows
        incidence = survival.cumulative_incidence(time, event, weight)
        free = survival.kaplan_meier(time, event > 0, weight)
        total = incidence[1](time) + incidence[2](time) + free(time)
        np.testing.assert_allclose(total, 1.0, atol=1e-12)

    @given(ROWS)
    def test_weight_two_is_the_row_twice_and_order_does_not_matter(self, rows):
        time, event, weight = rows
        twice = np.repeat(np.arange(len(time)), (2 * weight).astype(int))[::-1]
        weighted = survival.cumulative_incidence(time, event, weight)
        repeated = survival.cumulative_incidence(time[twice], event[twice])
        for cause in (1, 2):
            np.testing.assert_allclose(weighted[cause](time), repeated[cause](time), atol=1e-12)

    def test_ignoring_competing_deaths_overstates_risk(self):
        time, event, _ = simulate(4).values()
        net = survival.incidence_at_horizons(time, event, [5.0], competing="censored")
        assert net[0] > survival.incidence_at_horizons(time, event, [5.0])[0]

    def test_a_group_without_an_event_has_an_incidence_of_zero(self):
        incidence = survival.cumulative_incidence([1.0, 2.0, 3.0], [0, 0, 0])
        assert set(incidence) == {1, 2}
        assert incidence[1](5.0) == 0


class TestIncidenceAtHorizons:
    def test_is_read_off_the_curves(self):
        time, event, weight = simulate(5).values()
        years = [1.0, 2.25, 5.0]
        ours = survival.incidence_at_horizons(time, event, years, weight)
        curve = survival.cumulative_incidence(time, event, weight)[1]
        np.testing.assert_allclose(ours, curve(years), atol=1e-14)
        net = survival.incidence_at_horizons(time, event, years, weight, competing="censored")
        np.testing.assert_allclose(
            net, 1 - survival.kaplan_meier(time, event, weight)(years), atol=1e-14
        )

    def test_past_follow_up_it_is_unknown_unless_all_have_had_an_event(self):
        assert np.isnan(survival.incidence_at_horizons([1.0, 2.0], [1, 0], [3.0])[0])
        assert survival.incidence_at_horizons([1.0, 2.0], [1, 0], [2.0])[0] == 0.5
        assert survival.incidence_at_horizons([1.0, 2.0], [1, 2], [3.0])[0] == 0.5

    @pytest.mark.parametrize("competing", ["control", "censored"])
    def test_replicates_are_the_curves_of_the_resampled_patients(self, competing):
        sample = simulate(6, n=150)
        ids = np.array([f"P{k}" for k in np.random.default_rng(2).integers(0, 60, 150)])
        bootstrap = PatientBootstrap.draw(np.append(ids, "P999"), 150, seed=3)
        time, event, weight = sample.values()
        ours = survival.incidence_replicates(
            time, event, [2.0, 4.0], ids, weight, bootstrap, competing=competing
        )
        for replicate in (0, 1, 149):
            rows = np.repeat(np.arange(150), bootstrap.counts[replicate, bootstrap.columns(ids)])
            direct = survival.incidence_at_horizons(
                time[rows], event[rows], [2.0, 4.0], weight[rows], competing=competing
            )
            np.testing.assert_allclose(ours[replicate], direct, atol=1e-12)

    def test_interval_covers_the_truth_with_two_exams_a_patient(self):
        covered = 0
        rng = np.random.default_rng(7)
        patient = np.repeat(np.arange(150), 2)
        bootstrap = PatientBootstrap.draw(patient.astype(str), 200, seed=1)
        for _ in range(600):
            cancer, death = rng.exponential(10, 150)[patient], rng.exponential(20, 150)[patient]
            leaving = rng.uniform(1, 9, 300)
            time = np.minimum(np.minimum(cancer, death), leaving)
            event = np.select([time == cancer, time == death], [1, 2], 0)
            (one,) = survival.incidence_estimate(
                time, event, [4.0], patient.astype(str), None, bootstrap
            )
            truth = (1 - np.exp(-4 * 0.15)) * 0.1 / 0.15
            covered += one.low <= truth <= one.high
        assert 0.91 < covered / 600 < 0.98

    def test_no_event_leaves_the_exact_limit(self):
        bootstrap = PatientBootstrap.draw(np.arange(20).astype(str), 50, seed=1)
        ids = np.arange(20).astype(str)
        (one,) = survival.incidence_estimate(
            np.full(20, 5.0), np.zeros(20), [3.0], ids, None, bootstrap
        )
        exact = binomtest(0, 20).proportion_ci(0.95, "exact")
        assert (one.value, one.low) == (0.0, 0.0)
        assert one.high == pytest.approx(exact.high, abs=1e-12)


class TestCaseCohort:
    def test_by_hand_with_strata(self):
        weight = survival.case_cohort_weights(
            [1, 0, 0, 0, 1, 0, 0], [1, 1, 0, 0, 0, 1, 1], ["a", "a", "a", "a", "b", "b", "b"]
        )
        np.testing.assert_array_equal(weight, [1, 3, np.nan, np.nan, 1, 1, 1])

    def test_the_sample_stands_for_the_cohort(self):
        rng = np.random.default_rng(8)
        n = 8000
        stratum = rng.integers(0, 2, n)
        score = rng.normal(size=n) + 0.5 * stratum
        cancer = rng.exponential(60 * np.exp(-score))
        leaving = rng.uniform(1, 9, n)
        time, event = np.minimum(cancer, leaving), (cancer <= leaving).astype(int)
        risk = 1 / (1 + np.exp(3 - score))

        def metrics(rows, weight):
            outcome = time[rows], event[rows]
            return [
                horizons.cumulative_dynamic_auc(*outcome, score[rows], [5.0], weight)[0],
                concordance.harrell_c(*outcome, score[rows], weight),
                concordance.uno_c(*outcome, score[rows], weight, 6.0),
                horizons.time_brier(*outcome, risk[rows], [5.0], weight)[0],
                survival.incidence_at_horizons(*outcome, [5.0], weight)[0],
            ]

        drawn = []
        for _ in range(60):
            in_subcohort = rng.random(n) < np.where(stratum == 1, 0.3, 0.08)
            weight = survival.case_cohort_weights(event, in_subcohort, stratum)
            rows = np.isfinite(weight)
            drawn.append(metrics(rows, weight[rows]))
        whole = metrics(np.full(n, True), None)
        error = np.mean(drawn, axis=0) - whole
        assert (np.abs(error) < 4 * np.std(drawn, axis=0) / np.sqrt(60)).all()
        assert (np.abs(error) < 0.004).all()
        assert metrics(rows, None)[4] > 3 * whole[4]  # what the weights are for

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"in_subcohort": [1, 1, 0, 0]}, "no non-case of stratum b"),
            ({"stratum": ["a", "a", None, "b"]}, "none missing"),
            ({"in_subcohort": [1, 1, 0]}, "in_subcohort has 3 rows"),
        ],
    )
    def test_refusals(self, change, words):
        good = {
            "is_case": [1, 0, 0, 0],
            "in_subcohort": [0, 1, 0, 1],
            "stratum": ["a", "a", "b", "b"],
        }
        with pytest.raises(ValueError, match=words):
            survival.case_cohort_weights(**(good | change))


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"time_years": [1.0, np.nan]}, "time_years must be finite"),
            ({"time_years": [1.0, -2.0]}, "time_years is negative"),
            ({"event": [0, 0.5]}, "whole codes"),
            ({"sample_weight": [1.0, -1.0]}, "must not be negative"),
        ],
    )
    def test_bad_arrays(self, change, words):
        good = {"time_years": [1.0, 2.0], "event": [1, 0]}
        with pytest.raises(ValueError, match=words):
            survival.kaplan_meier(**(good | change))

    def test_unknown_way_with_competing_events(self):
        with pytest.raises(ValueError, match="censored"):
            survival.censoring_survival([1.0], [1], competing="ignored")

    def test_horizon_at_zero(self):
        with pytest.raises(ValueError, match="horizons_years must be above 0"):
            survival.incidence_at_horizons([1.0], [1], [0.0])

    def test_a_single_patient(self):
        bootstrap = PatientBootstrap.draw(["a", "b"], 5, seed=1)
        with pytest.raises(ValueError, match="at least two"):
            survival.incidence_estimate([1.0, 2.0], [1, 0], [1.0], ["a", "a"], None, bootstrap)


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=20),
    st.sets(st.integers(-4, 4), max_size=6),
)
def test_counting_marks_is_a_binary_search_for_each_value(values, marks):
    values, marks = np.array(values, dtype=float), np.array(sorted(marks), dtype=float)
    np.testing.assert_array_equal(
        count_up_to(values, marks), np.searchsorted(marks, values, side="right")
    )
