"""AUC, Brier score and calibration by a horizon: pair counting, scikit-survival, planted truths."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import arff
from sksurv.metrics import brier_score, cumulative_dynamic_auc
from sksurv.util import Surv

from mammolab.evaluate import horizons, reliability, roc, survival
from mammolab.evaluate.horizon_calibration import (
    calibration_at_horizon,
    horizon_calibration_by_subgroup,
)
from mammolab.evaluate.resampling import PatientBootstrap

WAYS = ["censored", "control"]
ROWS = st.lists(
    st.tuples(
        st.integers(0, 5), st.integers(0, 2), st.integers(0, 4), st.sampled_from([0.0, 0.5, 1, 3])
    ),
    min_size=1,
    max_size=25,
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


def brute_weights(time, event, weight, horizon: float, competing: str):
    """Inverse-probability weights of cases and controls, one row after the other."""
    leaving = event != 1 if competing == "censored" else event == 0

    def g_before(at: float) -> float:
        g = 1.0
        for t in np.unique(time[time < at]):
            at_risk = weight[(time > t) | ((time == t) & leaving)].sum()
            if at_risk > 0:
                g *= 1 - weight[(time == t) & leaving].sum() / at_risk
        return g

    case, control = np.zeros(len(time)), np.zeros(len(time))
    for i in np.flatnonzero(weight):
        if event[i] == 1 and time[i] <= horizon:
            case[i] = weight[i] / g_before(time[i])
        elif time[i] >= horizon:
            control[i] = weight[i] / g_before(horizon)
        elif competing == "control" and event[i] == 2:
            control[i] = weight[i] / g_before(time[i])
    return case, control


def brute_auc(time, event, score, weight, horizon, competing) -> float:
    case, control = brute_weights(time, event, weight, horizon, competing)
    order = np.sign(score[:, None] - score) / 2 + 0.5
    pairs = case.sum() * control.sum()
    return case @ order @ control / pairs if pairs > 0 else np.nan


def whas500(shared_data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    frame = pd.DataFrame(arff.loadarff(shared_data / "statistics" / "sksurv_whas500.arff")[0])
    return frame["lenfol"].to_numpy(), frame["fstat"].astype(int).to_numpy(), frame["age"].values


class TestTimeDependentAuc:
    @given(ROWS, st.sampled_from(WAYS))
    def test_is_that_of_pair_counting(self, rows, competing):
        time, event, score, weight = rows
        if not weight.any():
            weight = weight + 1
        years = [1.0, 2.5, 4.0]
        ours = horizons.cumulative_dynamic_auc(
            time, event, score, years, weight, competing=competing
        )
        theirs = [brute_auc(*rows[:3], weight, horizon, competing) for horizon in years]
        np.testing.assert_allclose(ours, theirs, atol=1e-12)

    @pytest.mark.parametrize("competing", WAYS)
    @pytest.mark.parametrize("yearly", [True, False])
    def test_many_rows(self, yearly, competing):
        sample = simulate(1, 300, yearly)
        ours = horizons.cumulative_dynamic_auc(
            **sample, horizons_years=[2.0, 4.25], competing=competing
        )
        theirs = [brute_auc(*sample.values(), horizon, competing) for horizon in (2.0, 4.25)]
        np.testing.assert_allclose(ours, theirs, atol=1e-12)

    def test_is_that_of_scikit_survival_without_ties(self):
        time, event, score, _ = simulate(2, 400, yearly=False).values()
        outcome = Surv.from_arrays(event == 1, time)
        theirs, _ = cumulative_dynamic_auc(outcome, outcome, score, [1.0, 2.5, 4.0])
        ours = horizons.cumulative_dynamic_auc(
            time, event, score, [1.0, 2.5, 4.0], competing="censored"
        )
        np.testing.assert_allclose(ours, theirs, atol=1e-10)

    def test_heart_attacks_with_ties(self, shared_data):
        time, event, score = whas500(shared_data)
        # events a moment before the censorings of their day give it G(t-)
        outcome = Surv.from_arrays(event == 1, time - 1e-6 * event)
        days = [100.5, 365.5, 1500.5]
        theirs, _ = cumulative_dynamic_auc(outcome, outcome, score, days)
        ours = horizons.cumulative_dynamic_auc(time, event, score, days)
        np.testing.assert_allclose(ours, theirs, atol=1e-10)

    def test_without_censoring_it_is_the_plain_auc(self):
        time, _, score, weight = simulate(9).values()
        ours = horizons.cumulative_dynamic_auc(time, np.ones(len(time)), score, [3.0], weight)
        assert ours[0] == pytest.approx(roc.auc(score, time <= 3.0, weight), abs=1e-12)

    def test_a_row_censored_at_the_horizon_is_a_control(self):
        auc = horizons.cumulative_dynamic_auc([1, 5, 5], [1, 0, 0], [2.0, 1.0, 3.0], [5.0, 6.0])
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
        weighted = horizons.cumulative_dynamic_auc(time, event, late_score, [5.0])[0]
        known = (time > 5) | (event == 1) & (time <= 5)
        naive = roc.auc(late_score[known], (event == 1)[known])
        assert weighted == pytest.approx(truth, abs=0.01)
        assert naive - truth > 0.02

    def test_pure_noise_is_one_half(self):
        time, event, *_ = simulate(11, n=20_000).values()
        noise = np.random.default_rng(0).normal(size=20_000)
        auc = horizons.cumulative_dynamic_auc(time, event, noise, [1, 3, 5])
        np.testing.assert_allclose(auc, 0.5, atol=0.02)


class TestBrier:
    @given(ROWS, st.sampled_from(WAYS))
    def test_is_the_weighted_squared_error(self, rows, competing):
        time, event, score, weight = rows
        if not weight.any():
            weight = weight + 1
        risk = np.column_stack([score / 8, score / 4])
        ours = horizons.time_brier(time, event, risk, [1.5, 4.0], weight, competing=competing)
        for k, horizon in enumerate((1.5, 4.0)):
            if np.isnan(ours[k]):  # the last row was censored before the horizon
                last = time[weight > 0].max()
                assert last < horizon
                assert (event[(time == last) & (weight > 0)] != 1).any()
                continue
            case, control = brute_weights(time, event, weight, horizon, competing)
            loss = case @ (1 - risk[:, k]) ** 2 + control @ risk[:, k] ** 2
            assert ours[k] == pytest.approx(loss / weight.sum(), abs=1e-12)

    def test_is_that_of_scikit_survival_without_ties(self):
        time, event, score, _ = simulate(3, 400, yearly=False).values()
        risk = np.column_stack([1 / (1 + np.exp(2 - score)), 1 / (1 + np.exp(1 - score))])
        outcome = Surv.from_arrays(event == 1, time)
        _, theirs = brier_score(outcome, outcome, 1 - risk, [1.5, 4.0])
        ours = horizons.time_brier(time, event, risk, [1.5, 4.0], competing="censored")
        np.testing.assert_allclose(ours, theirs, atol=1e-12)

    def test_heart_attacks_with_ties(self, shared_data):
        time, event, age = whas500(shared_data)
        risk = np.clip(age / 150, 0, 1)
        days = np.array([100.5, 1500.5])
        outcome = Surv.from_arrays(event == 1, time - 1e-6 * event)
        _, theirs = brier_score(outcome, outcome, np.column_stack([1 - risk, 1 - risk]), days)
        ours = horizons.time_brier(time, event, np.column_stack([risk, risk]), days)
        np.testing.assert_allclose(ours, theirs, atol=1e-12)

    def test_without_censoring_it_is_the_plain_score(self):
        time, _, score, weight = simulate(4).values()
        plain = reliability.brier_score(score / 3, time <= 3.0, weight)
        ours = horizons.time_brier(time, np.ones(len(time)), score / 3, [3.0], weight)
        assert ours[0] == pytest.approx(plain, abs=1e-12)

    @given(ROWS, st.sampled_from(WAYS))
    def test_predicting_the_incidence_scores_p_times_1_minus_p(self, rows, competing):
        time, event, _, weight = rows
        weight = weight + 0.5
        p = survival.incidence_at_horizons(time, event, [3.0], weight, competing=competing)[0]
        if not 0 < p < 1:
            return
        args = time, event, np.full(len(time), p), [3.0], weight
        score = horizons.time_brier(*args, competing=competing)[0]
        assert score == pytest.approx(p * (1 - p), abs=1e-12)
        scaled = horizons.time_brier(*args, competing=competing, scaled=True)[0]
        assert scaled == pytest.approx(0.0, abs=1e-9)

    def test_scaled_is_unknown_where_the_incidence_is_0_or_1(self):
        weight = [0.1, 0.2, 0.3, 0.7]
        for event in ([1, 1, 1, 1], [0, 0, 0, 0]):
            scaled = horizons.time_brier(
                [1.0, 1.5, 2.0, 3.0], event, np.full(4, 0.5), [3.0], weight, scaled=True
            )
            assert np.isnan(scaled[0])

    def test_past_follow_up_it_is_unknown_unless_all_have_had_the_event(self):
        years = [2.0, 3.0]
        risk = np.full((2, 2), 0.5)
        np.testing.assert_array_equal(
            horizons.time_brier([1.0, 2.0], [1, 0], risk, years), [0.25, np.nan]
        )
        np.testing.assert_array_equal(
            horizons.time_brier([1.0, 2.0], [1, 1], risk, years), [0.25, 0.25]
        )

    def test_the_true_risk_recovers_the_score_of_the_uncensored(self):
        rng = np.random.default_rng(5)
        n = 40_000
        rate = np.exp(rng.normal(size=n) - 3)
        cancer, death = rng.exponential(1 / rate), rng.exponential(12, n)
        leaving = rng.exponential(4, n)
        risk = rate / (rate + 1 / 12) * (1 - np.exp(-5 * (rate + 1 / 12)))
        truth = reliability.brier_score(risk, (cancer <= 5) & (cancer < death))
        time = np.minimum(np.minimum(cancer, death), leaving)
        event = np.select([time == cancer, time == death], [1, 2], 0)
        assert horizons.time_brier(time, event, risk, [5.0])[0] == pytest.approx(truth, abs=0.004)
        known = (event > 0) | (time > 5)
        naive = reliability.brier_score(risk[known], ((event == 1) & (time <= 5))[known])
        assert abs(naive - truth) > 0.02

    @pytest.mark.parametrize(
        ("risk", "words"),
        [
            ([0.1, 1.5, 0.2], "must lie in .0, 1.; 1 rows do not, first: .1"),
            ([0.1, 0.2], r"shape \(3, 1\)"),
            ([0.1, np.nan, 0.2], "must be finite"),
        ],
    )
    def test_refusals(self, risk, words):
        with pytest.raises(ValueError, match=words):
            horizons.time_brier([1.0, 2.0, 3.0], [1, 0, 0], risk, [1.5])


class TestBootstrap:
    @pytest.mark.parametrize("competing", WAYS)
    def test_replicates_are_the_metrics_of_the_resampled_patients(self, competing):
        sample = simulate(14, n=150)
        time, event, score, weight = sample.values()
        ids = np.array([f"P{k}" for k in np.random.default_rng(2).integers(0, 60, 150)])
        bootstrap = PatientBootstrap.draw(np.append(ids, "P999"), 140, seed=3)
        risk = np.column_stack([score / 6, score / 3])
        rest = [2.0, 4.0], ids, weight, bootstrap, 1, competing
        auc = horizons.time_auc_replicates(time, event, score, *rest)
        brier = horizons.time_brier_replicates(time, event, risk, *rest)
        scaled = horizons.time_brier_replicates(time, event, risk, *rest, scaled=True)
        for replicate in (0, 1, 139):
            rows = np.repeat(np.arange(150), bootstrap.counts[replicate, bootstrap.columns(ids)])
            outcome = time[rows], event[rows]
            rest = [2.0, 4.0], weight[rows], 1, competing
            direct = horizons.cumulative_dynamic_auc(*outcome, score[rows], *rest)
            np.testing.assert_allclose(auc[replicate], direct, atol=1e-12)
            direct = horizons.time_brier(*outcome, risk[rows], *rest)
            np.testing.assert_allclose(brier[replicate], direct, atol=1e-12)
            direct = horizons.time_brier(*outcome, risk[rows], *rest, scaled=True)
            np.testing.assert_allclose(scaled[replicate], direct, atol=1e-12)

    def test_intervals_narrow_with_the_root_of_the_patients(self):
        widths = []
        for n in (300, 4800):
            time, event, score, _ = simulate(15, n=n).values()
            ids = np.arange(n).astype(str)
            rest = [4.0], ids, None, PatientBootstrap.draw(ids, 200, seed=4)
            both = (
                horizons.time_auc_estimate(time, event, score, *rest)[0],
                horizons.time_brier_estimate(time, event, score / 3, *rest, scaled=True)[0],
            )
            assert all(one.low < one.value < one.high for one in both)
            widths.append([one.high - one.low for one in both])
        np.testing.assert_allclose(np.divide(*widths), 4.0, rtol=0.35)  # root of 16


class TestCalibration:
    @staticmethod
    def cohort(seed: int, n: int = 6000):
        """Two exams a patient, with the true risk of cancer by 5 years under competing deaths."""
        rng = np.random.default_rng(seed)
        patient = np.repeat(np.arange(n // 2), 2)
        rate = np.exp(rng.normal(size=n // 2) - 3)[patient]
        cancer = rng.exponential(1 / rate[::2])[patient]
        death, leaving = rng.exponential(12, n // 2)[patient], rng.exponential(6, n)
        risk = rate / (rate + 1 / 12) * (1 - np.exp(-5 * (rate + 1 / 12)))
        time = np.minimum(np.minimum(cancer, death), leaving)
        event = np.select([time == cancer, time == death], [1, 2], 0)
        return time, event, risk, np.char.add("P", patient.astype(str))

    def test_the_true_risk_is_calibrated_and_its_double_is_not(self):
        time, event, risk, ids = self.cohort(1)
        bootstrap = PatientBootstrap.draw(ids, 200, seed=1)
        right = calibration_at_horizon(time, event, risk, 5.0, ids, None, bootstrap)
        ratio = right.expected_over_observed
        assert ratio.low < 1 < ratio.high
        assert 0.9 < ratio.value < 1.1
        table = right.table
        inside = (table.low <= table.mean_predicted) & (table.mean_predicted <= table.high)
        assert len(inside) == 10 and inside.sum() >= 8
        double = calibration_at_horizon(time, event, risk / 2, 5.0, ids, None, bootstrap)
        assert double.expected_over_observed.value == pytest.approx(ratio.value / 2, abs=1e-12)
        assert double.expected_over_observed.high < 1
        net = calibration_at_horizon(
            time, event, risk, 5.0, ids, None, bootstrap, competing="censored"
        )
        assert net.expected_over_observed.value < ratio.value  # deaths censored: more is observed

    def test_bins_and_total_are_read_off_the_curves(self):
        time, event, risk, ids = self.cohort(2, 800)
        weight = np.random.default_rng(0).choice([0.0, 1.0, 2.5], 800)
        bootstrap = PatientBootstrap.draw(ids, 20, seed=1)
        ours = calibration_at_horizon(time, event, risk, 4.0, ids, weight, bootstrap, n_bins=4)
        curve = survival.cumulative_incidence(time, event, weight)[1]
        assert ours.observed.value == pytest.approx(curve(4.0), abs=1e-12)
        assert ours.expected == pytest.approx(np.average(risk, weights=weight), abs=1e-12)
        bins, _ = reliability.equal_weight_bins(risk, weight, 4)
        for k in range(4):
            rows = (bins == k) & (weight > 0)
            curve = survival.cumulative_incidence(time[rows], event[rows], weight[rows])[1]
            assert ours.table.observed[k] == pytest.approx(curve(4.0), abs=1e-12)
            assert ours.table.n_exams[k] == rows.sum()
            assert ours.table.n_events[k] == (rows & (event == 1) & (time <= 4)).sum()
        np.testing.assert_allclose(ours.table.weight.sum(), weight.sum())

    def test_without_censoring_it_is_the_reliability_table(self):
        time, _, risk, ids = self.cohort(3, 800)
        label = time <= 2.0
        weight = np.random.default_rng(0).choice([1.0, 2.5], 800)
        bootstrap = PatientBootstrap.draw(ids, 100, seed=1)
        ours = calibration_at_horizon(time, np.ones(800), risk, 2.0, ids, weight, bootstrap)
        plain = reliability.reliability_table(risk, label, weight, 10, ids, bootstrap)
        for name, values in vars(plain).items():
            np.testing.assert_allclose(getattr(ours.table, name), values, atol=1e-6, err_msg=name)
        ratio = reliability.expected_over_observed_estimate(risk, label, ids, weight, bootstrap)
        theirs = ratio.value, ratio.low, ratio.high
        one = ours.expected_over_observed
        np.testing.assert_allclose((one.value, one.low, one.high), theirs, rtol=1e-6)

    def test_no_event_leaves_the_ratio_undefined(self):
        ids = np.array(["a", "b", "c"])
        bootstrap = PatientBootstrap.draw(ids, 20, seed=1)
        none = calibration_at_horizon([5, 5, 5], [0, 0, 0], [0.1] * 3, 3.0, ids, None, bootstrap)
        assert np.isnan(none.expected_over_observed.value)
        assert none.observed.low == 0 < none.observed.high

    def test_refusals(self):
        bootstrap = PatientBootstrap.draw(["a", "b"], 5, seed=1)
        args = [1.0, 2.0], [1, 0]
        with pytest.raises(ValueError, match="probability must lie in"):
            calibration_at_horizon(*args, [0.1, 1.1], 1.5, ["a", "b"], None, bootstrap)
        with pytest.raises(ValueError, match="at least two"):
            calibration_at_horizon(*args, [0.1, 0.2], 1.5, ["a", "a"], None, bootstrap)
        with pytest.raises(ValueError, match="competing must be one of"):
            calibration_at_horizon(
                *args, [0.1, 0.2], 1.5, ["a", "b"], None, bootstrap, competing="ignored"
            )


@pytest.fixture(scope="module")
def flat_in_groups(follow):
    """One risk for all: right on the whole, too low where risk is high, too high where it is low."""
    women = follow(1, 6000)
    group = np.where(women.rate > np.exp(-3.5), "high", "low").astype(object)
    group[:8] = "few"
    flat = np.full(6000, np.average(women.risk, weights=women.weight))
    table = horizon_calibration_by_subgroup(
        *women.outcome, flat, 5.0, {"group": group}, *women.rest
    )
    return table.set_index("subgroup"), women, group, flat


class TestCalibrationByGroup:
    def test_right_on_the_whole_and_wrong_in_every_group(self, flat_in_groups):
        rows, *_ = flat_in_groups
        assert rows.loc["all", "ci_low"] < 1 < rows.loc["all", "ci_high"]
        assert rows.loc["group=high", "ci_high"] < 1 < rows.loc["group=low", "ci_low"]
        assert rows.loc["group=few", "reason"] == "not estimable: 4 patients, fewer than 20"
        assert rows.loc["group=few", ["expected", "observed"]].isna().all()

    def test_each_row_is_the_calibration_inside(self, flat_in_groups):
        rows, women, group, flat = flat_in_groups
        inside = group == "high"
        one = calibration_at_horizon(
            women.time[inside], women.event[inside], flat[inside], 5.0,
            women.ids[inside], women.weight[inside], women.bootstrap,
        )  # fmt: skip
        row = rows.loc["group=high"]
        ratio = one.expected_over_observed
        assert row[["estimate", "ci_low", "ci_high"]].tolist() == [ratio.value, *ratio.ci]
        assert row[["observed", "observed_low", "observed_high"]].tolist() == [
            one.observed.value, *one.observed.ci,
        ]  # fmt: skip
        assert row["expected"] / row["observed"] == pytest.approx(row["estimate"], abs=1e-12)
        seen = inside & (women.event == 1) & (women.time <= 5)
        assert row["n_events"] == seen.sum()
