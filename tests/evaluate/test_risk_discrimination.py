"""AUC over the years, in subgroups, and with the cancers that the image already shows."""

import numpy as np
import pytest

from mammolab.evaluate import risk_discrimination as rd
from mammolab.evaluate.concordance import uno_c_estimate
from mammolab.evaluate.horizons import time_auc_estimate, time_auc_replicates
from mammolab.evaluate.resampling import percentile_interval
from mammolab.evaluate.risk_subgroups import auc_by_subgroup_and_year, uno_c_by_subgroup

YEARS = [1.0, 3.0, 5.0]
COLUMNS = ["estimate", "ci_low", "ci_high"]


@pytest.fixture(scope="module")
def women(follow):
    return follow(1)


@pytest.fixture(scope="module")
def scores(women):
    rng = np.random.default_rng(2)
    return {"good": women.rate, "poor": np.log(women.rate) + 3 * rng.normal(size=2000)}


@pytest.fixture(scope="module")
def subgroups():
    rng = np.random.default_rng(3)
    density = rng.choice(list("abcd"), 2000).astype(object)
    density[:60] = None
    history = np.where(np.arange(2000) < 14, "any", "none")
    return {"density": density, "family_history": history}


class TestOverYears:
    def test_each_row_is_the_estimate_of_its_model(self, women, scores):
        table = rd.auc_over_years(scores, *women.outcome, YEARS, *women.rest)
        assert table["horizon_years"].tolist() == YEARS * 2
        for model, score in scores.items():
            direct = time_auc_estimate(*women.outcome, score, YEARS, *women.rest)
            rows = table.loc[table["model"] == model, COLUMNS].to_numpy()
            np.testing.assert_array_equal(rows, [[e.value, e.low, e.high] for e in direct])
        early = (women.event == 1) & (women.time <= 3)
        assert table["n_events"].tolist()[1] == early.sum()
        assert (table["n_patients"] == 1000).all()

    def test_differences_are_paired(self, women, scores):
        pairs = [("good", "poor"), ("good", "good")]
        table = rd.auc_over_years(scores, *women.outcome, [5.0], *women.rest, pairs)
        apart, itself = table.iloc[2], table.iloc[3]
        assert (apart["metric"], apart["model"], apart["minus"]) == (
            "auc_difference", "good", "poor",
        )  # fmt: skip
        assert apart["estimate"] == table["estimate"][0] - table["estimate"][1]
        drawn = [
            time_auc_replicates(*women.outcome, scores[name], [5.0], *women.rest)[:, 0]
            for name in ("good", "poor")
        ]
        assert (apart["ci_low"], apart["ci_high"]) == percentile_interval(drawn[0] - drawn[1])
        assert itself[COLUMNS].tolist() == [0.0, 0.0, 0.0]

    def test_a_score_may_have_a_column_a_horizon(self, women, scores):
        both = np.column_stack([scores["good"], scores["poor"]])
        table = rd.auc_over_years({"two": both}, *women.outcome, [1.0, 5.0], *women.rest)
        for k, name in enumerate(("good", "poor")):
            (direct,) = time_auc_estimate(
                *women.outcome, scores[name], [[1.0], [5.0]][k], *women.rest
            )
            assert table.loc[k, COLUMNS].tolist() == [direct.value, direct.low, direct.high]

    def test_the_true_risk_beats_the_noisy_one(self, women, scores):
        table = rd.auc_over_years(scores, *women.outcome, [5.0], *women.rest, [("good", "poor")])
        assert table["ci_low"].iloc[-1] > 0

    def test_refusals(self, women, scores):
        with pytest.raises(ValueError, match="comparisons name gail; scores hold good, poor"):
            rd.auc_over_years(scores, *women.outcome, YEARS, *women.rest, [("good", "gail")])
        with pytest.raises(ValueError, match=r"\(2000, 3\), not \(2000, 2\)"):
            wrong = {"a": np.ones((2000, 2))}
            rd.auc_over_years(wrong, *women.outcome, YEARS, *women.rest)


class TestWithAndWithout:
    def test_is_what_each_set_of_exams_gives(self, women, scores):
        left_out = (women.event == 1) & (women.time <= 1)
        table = rd.with_and_without(scores, left_out, *women.outcome, [5.0], *women.rest)
        assert table["exams"].tolist() == ["with", "without", "with minus without"] * 2
        kept = ~left_out
        (direct,) = time_auc_estimate(
            women.time[kept], women.event[kept], women.rate[kept], [5.0],
            women.ids[kept], women.weight[kept], women.bootstrap,
        )  # fmt: skip
        assert table.loc[1, COLUMNS].tolist() == [direct.value, direct.low, direct.high]
        assert table["estimate"][2] == table["estimate"][0] - table["estimate"][1]
        assert table["n_exams"][0] - table["n_exams"][1] == left_out.sum()

    def test_a_detector_loses_what_it_was_credited_for(self, women):
        early = (women.event == 1) & (women.time <= 1)
        detector = np.random.default_rng(1).normal(size=2000) + 2.5 * early
        table = rd.with_and_without(
            {"detector": detector}, early, *women.outcome, [5.0], *women.rest
        ).set_index("exams")
        assert table.loc["with minus without", "ci_low"] > 0.03
        assert table.loc["without", "ci_low"] < 0.5 < table.loc["without", "ci_high"]

    def test_leaving_nobody_out_changes_nothing(self, women, scores):
        nobody = np.zeros(2000, bool)
        table = rd.with_and_without(scores, nobody, *women.outcome, [5.0], *women.rest)
        gap = table.loc[table["exams"] == "with minus without", COLUMNS]
        assert (gap == 0).all(axis=None)

    def test_leaving_everybody_out_is_refused(self, women, scores):
        with pytest.raises(ValueError, match="left_out leaves no exam"):
            rd.with_and_without(scores, np.ones(2000), *women.outcome, [5.0], *women.rest)


class TestSubgroups:
    def test_each_cell_is_the_estimate_inside_it(self, women, scores, subgroups):
        table = auc_by_subgroup_and_year(
            scores["good"], *women.outcome, [3.0, 5.0], subgroups, *women.rest
        )
        assert table.groupby("horizon_years").size().tolist() == [1 + 5 + 2] * 2
        inside = subgroups["density"] == "c"
        (direct,) = time_auc_estimate(
            women.time[inside], women.event[inside], women.rate[inside], [5.0],
            women.ids[inside], women.weight[inside], women.bootstrap,
        )  # fmt: skip
        row = table[(table["subgroup"] == "density=c") & (table["horizon_years"] == 5)].iloc[0]
        assert row[COLUMNS].tolist() == [direct.value, direct.low, direct.high]
        assert row["n_events"] == (inside & (women.event == 1) & (women.time <= 5)).sum()
        whole = table[table["subgroup"] == "all"]["n_exams"].iloc[0]
        assert table[(table["by"] == "density")]["n_exams"].sum() == 2 * whole

    def test_small_cells_are_named_with_their_reason(self, women, scores, subgroups):
        table = auc_by_subgroup_and_year(
            scores["good"], *women.outcome, [5.0], subgroups, *women.rest
        ).set_index("subgroup")
        assert table.loc["family_history=any", "reason"] == (
            "not estimable: 7 patients, fewer than 20"
        )
        assert "events, fewer than 10" in table.loc["density=unknown", "reason"]
        assert table.loc[["family_history=any", "density=unknown"], "estimate"].isna().all()
        assert table.loc["all", "reason"] == ""

    def test_a_difference_is_paired_inside_the_cell(self, women, scores, subgroups):
        one, other = (
            auc_by_subgroup_and_year(score, *women.outcome, [5.0], subgroups, *women.rest)
            for score in scores.values()
        )
        table = auc_by_subgroup_and_year(
            scores["good"], *women.outcome, [5.0], subgroups, *women.rest, minus=scores["poor"]
        )
        np.testing.assert_array_equal(table["estimate"], one["estimate"] - other["estimate"])
        assert set(table["metric"]) == {"auc_difference"}
        width = table["ci_high"] - table["ci_low"]
        assert (width.dropna() > 0).all()

    def test_unos_c_likewise(self, women, scores, subgroups):
        table = uno_c_by_subgroup(
            scores["good"], *women.outcome, 5.0, subgroups, *women.rest
        ).set_index("subgroup")
        inside = subgroups["density"] == "a"
        direct = uno_c_estimate(
            women.time[inside], women.event[inside], women.rate[inside],
            women.ids[inside], women.weight[inside], women.bootstrap, 5.0,
        )  # fmt: skip
        row = table.loc["density=a", COLUMNS].tolist()
        assert row == [direct.value, direct.low, direct.high]

    def test_exams_without_weight_count_nowhere(self, women, scores, subgroups):
        weight = women.weight.copy()
        weight[::4] = 0
        rows = weight > 0
        args = [5.0], subgroups, women.ids, weight, women.bootstrap
        table = auc_by_subgroup_and_year(scores["good"], *women.outcome, *args)
        part = auc_by_subgroup_and_year(
            scores["good"][rows], women.time[rows], women.event[rows], [5.0],
            {name: values[rows] for name, values in subgroups.items()},
            women.ids[rows], weight[rows], women.bootstrap,
        )  # fmt: skip
        counts = ["n_exams", "n_patients", "n_events", "reason"]
        assert table[counts].equals(part[counts])
        np.testing.assert_allclose(table[COLUMNS], part[COLUMNS], atol=1e-9)
