"""Groups of predicted risk: what becomes of them, and the cancers at either end."""

import numpy as np
import pytest
from lifelines import AalenJohansenFitter

from mammolab.evaluate import risk_groups as rg
from mammolab.evaluate.curves import capture_in_top
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.survival import incidence_estimate

DECILES = [f"{k}" for k in range(1, 11)]


class TestGroups:
    def test_deciles_hold_equal_weight(self, follow):
        women = follow(1)
        group = rg.quantile_groups(women.risk, women.weight, DECILES)
        shares = [women.weight[group == name].sum() / women.weight.sum() for name in DECILES]
        np.testing.assert_allclose(shares, 0.1, atol=0.004)
        means = [women.risk[group == name].mean() for name in DECILES]
        assert (np.diff(means) > 0).all()

    def test_ties_that_fill_too_few_groups_are_refused(self):
        with pytest.raises(ValueError, match="2 distinct values, which fill only 2 of 3"):
            rg.quantile_groups([0.1, 0.1, 0.2, 0.2])

    def test_names_of_thresholds(self):
        assert rg.threshold_names([0.0167, 0.03]) == ["below 1.67%", "1.67–3%", "3% or more"]
        named = rg.threshold_groups([0.1, 0.2], [0.2], ["low", "high"])
        assert named.tolist() == ["low", "high"]
        with pytest.raises(ValueError, match="thresholds must rise"):
            rg.threshold_groups([0.1], [0.03, 0.0167])
        with pytest.raises(ValueError, match="part 2 groups, not 3"):
            rg.threshold_groups([0.1], [0.03], ["a", "b", "c"])


class TestIncidence:
    def test_is_that_of_lifelines(self, follow):
        women = follow(2, 600, weighted=False)
        group = rg.quantile_groups(women.risk)
        # lifelines wants one row a tied time; two exams of a woman have her one time of cancer
        first = np.arange(600) % 2 == 0
        group[~first] = "second exam"
        table = rg.incidence_by_group(
            group, rg.THIRDS, *women.outcome, [1.0, 3.0, 5.0], *women.rest
        )
        assert table["group"].unique().tolist() == list(rg.THIRDS)
        for name in rg.THIRDS:
            inside = group == name
            fitter = AalenJohansenFitter(calculate_variance=False)
            fitter.fit(women.time[inside], women.event[inside], event_of_interest=1)
            rows = table[table["group"] == name]
            theirs = fitter.predict([0.0, 1.0, 3.0, 5.0])
            np.testing.assert_allclose(rows["incidence"], theirs, atol=1e-10)
            seen = inside & (women.event == 1) & (women.time <= 3)
            assert rows["n_events"].tolist()[2] == seen.sum()
            assert rows["n_exams"].tolist() == [inside.sum()] * 4

    def test_recovers_the_planted_risk_of_each_group(self, follow):
        women = follow(3, 20_000)
        group = rg.quantile_groups(women.risk, women.weight)
        table = rg.incidence_by_group(group, rg.THIRDS, *women.outcome, [5.0], *women.rest)
        at_five = table[table["time_years"] == 5]
        for name, row in zip(rg.THIRDS, at_five.itertuples(), strict=True):
            inside = group == name
            truth = np.average(women.risk[inside], weights=women.weight[inside])
            assert row.ci_low < row.incidence < row.ci_high
            assert row.incidence == pytest.approx(truth, abs=0.012)

    def test_limits_do_not_fall_and_know_of_those_to_come(self, follow):
        women = follow(4, 400)
        whole = np.full(400, "all")
        years = np.arange(1, 41) / 8
        kept = (women.event != 1) | (women.time > 1)
        part = women.time[kept], women.event[kept], years
        rest = women.ids[kept], women.weight[kept], women.bootstrap
        table = rg.incidence_by_group(whole[kept], ["all"], *part, *rest)
        for name in ("incidence", "ci_low", "ci_high"):
            assert (np.diff(table[name]) >= 0).all()
        first_year = table[(table["time_years"] > 0) & (table["time_years"] <= 1)]
        assert (first_year["incidence"] == 0).all() and (first_year["ci_high"] > 0).all()
        plain = incidence_estimate(*part, *rest)
        assert first_year["ci_high"].iloc[0] == min(one.high for one in plain)
        with pytest.raises(ValueError, match="at_years must rise"):
            rg.incidence_by_group(whole, ["all"], *women.outcome, [2.0, 1.0], *women.rest)

    def test_a_group_without_exams_is_named(self, follow):
        women = follow(1, 200)
        group = np.full(200, "low")
        with pytest.raises(ValueError, match="no exam of middle, high"):
            rg.incidence_by_group(group, rg.THIRDS, *women.outcome, [5.0], *women.rest)


class TestCapture:
    def test_without_censoring_it_is_a_plain_share(self, follow):
        women = follow(4, leaving_years=np.inf)
        score = women.risk.round(2)  # with ties
        ours = rg.capture_at_ends(score, *women.outcome, 5.0, *women.rest)
        top = capture_in_top(score, women.case, *women.rest)
        bottom = capture_in_top(-score, women.case, *women.rest)
        for one, other in ((ours.top, top), (ours.bottom, bottom)):
            assert one.value == pytest.approx(other.value, abs=1e-12)
            np.testing.assert_allclose([one.low, one.high], [other.low, other.high], atol=1e-9)

    def test_recovers_the_truth_where_the_cancers_seen_mislead(self, follow):
        women = follow(5, 40_000, leaving_years=2.5, n_replicates=20)
        # early cancers score high, late ones do not, and the late are seldom seen
        early = women.cancer_years < 1.5
        score = np.log(women.rate) + 1.5 * early
        truth = capture_in_top(score, women.case, *women.rest).value
        seen = (women.event == 1) & (women.time <= 5)
        naive = capture_in_top(score, seen, *women.rest).value
        ours = rg.capture_at_ends(score, *women.outcome, 5.0, *women.rest)
        assert naive - truth > 0.06
        assert ours.top.value == pytest.approx(truth, abs=0.025)
        missed = capture_in_top(-score, women.case, *women.rest).value
        assert ours.bottom.value == pytest.approx(missed, abs=0.01)

    def test_noise_captures_its_fraction(self, follow):
        women = follow(6, 20_000)
        noise = np.random.default_rng(1).normal(size=20_000)
        ours = rg.capture_at_ends(noise, *women.outcome, 5.0, *women.rest, fraction=0.25)
        assert ours.top.low < 0.25 < ours.top.high
        assert ours.bottom.low < 0.25 < ours.bottom.high
        constant = rg.capture_at_ends(np.ones(20_000), *women.outcome, 5.0, *women.rest)
        assert constant.top.value == pytest.approx(0.1, abs=1e-12)
        assert constant.bottom.value == pytest.approx(0.1, abs=1e-12)

    def test_turning_the_score_round_swaps_the_ends(self, follow):
        women = follow(7)
        one = rg.capture_at_ends(women.risk, *women.outcome, 5.0, *women.rest)
        other = rg.capture_at_ends(-women.risk, *women.outcome, 5.0, *women.rest)
        assert one.top.value == pytest.approx(other.bottom.value, abs=1e-12)
        np.testing.assert_allclose(one.top.ci, other.bottom.ci, atol=1e-9)

    def test_an_end_without_cancer_claims_no_certainty(self):
        n = 100
        time = np.where(np.arange(n) >= 80, 2.0, 6.0)  # the 20 highest get cancer
        event = (np.arange(n) >= 80).astype(int)
        ids = np.arange(n).astype(str).astype(object)
        bootstrap = PatientBootstrap.draw(ids, 50, seed=1)
        ours = rg.capture_at_ends(np.arange(n), time, event, 5.0, ids, None, bootstrap)
        assert ours.bottom.value == 0 and ours.bottom.low == 0
        assert ours.bottom.high == pytest.approx(1 - 0.025 ** (1 / 20), abs=1e-12)
        assert ours.top.value == 0.5

    def test_weights_are_repeats_and_order_is_nothing(self, follow):
        women = follow(8, 400)
        arrays = women.risk.round(3), women.time, women.event
        doubled = np.arange(0, 400, 3)
        rows = np.random.default_rng(1).permutation(np.append(np.arange(400), doubled))
        weight = np.ones(400)
        weight[doubled] = 2
        one = rg.capture_at_ends(*arrays, 5.0, women.ids, weight, women.bootstrap)
        other = rg.capture_at_ends(
            *(x[rows] for x in arrays), 5.0, women.ids[rows], None, women.bootstrap
        )
        for end in ("top", "bottom"):
            a, b = getattr(one, end), getattr(other, end)
            np.testing.assert_allclose([a.value, *a.ci], [b.value, *b.ci], atol=1e-9)

    def test_refusals(self, follow):
        women = follow(1, 200)
        with pytest.raises(ValueError, match="fraction must lie between"):
            rg.capture_at_ends(women.risk, *women.outcome, 5.0, *women.rest, fraction=0.6)
        with pytest.raises(ValueError, match="no event of weight above 0 is seen by 5 years"):
            nobody = np.zeros(200)
            rg.capture_at_ends(women.risk, women.time, nobody, 5.0, *women.rest)
