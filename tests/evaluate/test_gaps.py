"""Gaps against everyone else: their values, their error rates, and the power they claim."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from mammolab.evaluate import _against_rest, roc
from mammolab.evaluate.auc_bootstrap import auc_replicates
from mammolab.evaluate.gaps import auc_gaps, calibration_gaps, share_gaps
from mammolab.evaluate.reliability import expected_over_observed
from mammolab.evaluate.resampling import PatientBootstrap, ratio_replicates
from mammolab.evaluate.subgroups import auc_by_subgroup


@pytest.fixture(scope="module")
def exams():
    """1,600 exams of 800 patients, a fifth with cancer; the score hardly works at density d."""
    rng = np.random.default_rng(0)
    n = 1600
    density = rng.choice(list("abcd"), n, p=[0.1, 0.4, 0.3, 0.2]).astype(object)
    site = np.where(np.arange(n) < 12, "rare", rng.choice(["north", "south"], n)).astype(object)
    label = rng.random(n) < 0.2
    score = rng.normal(size=n) + np.where(density == "d", 0.3, 1.5) * label
    recall = rng.random(n) < np.where(label, np.where(density == "d", 0.5, 0.85), 0.1)
    return {
        "score": score,
        "label": label,
        "recall": recall,
        "probability": np.clip(0.2 + 0.05 * score, 0.001, 0.9),
        "columns": {"density": density, "site": site},
        "ids": np.repeat([f"P{i:03d}" for i in range(n // 2)], 2),
        "weight": np.where(label, 1.0, rng.uniform(5, 20, n)),
    }


@pytest.fixture(scope="module")
def rest(exams):
    bootstrap = PatientBootstrap.draw(exams["ids"], 400, seed=1)
    return exams["columns"], exams["ids"], exams["weight"], bootstrap


def test_a_hand_case():
    """Two sites of four women: three of four pairs right in the north, all in the south."""
    score = [1, 2, 3, 4, 1, 2, 3, 4]
    label = [0, 1, 0, 1, 0, 0, 1, 1]
    event = [1, 0, 0, 0, 1, 1, 1, 0]
    ids = list("ABCDEFGH")
    small = {"minimum_patients": 1, "minimum_events": 1}
    site = {"site": ["north"] * 4 + ["south"] * 4}
    bootstrap = PatientBootstrap.draw(ids, 300, seed=0)
    shares = share_gaps("x", event, np.ones(8), site, ids, None, bootstrap, **small)
    north = shares.set_index("subgroup").loc["site=north"]
    assert (north["estimate"], north["rest"], north["gap"]) == (0.25, 0.75, -0.5)
    ratio = calibration_gaps(np.full(8, 0.5), label, site, ids, None, bootstrap, **small)
    assert ratio["estimate"].tolist() == [1, 1, 1]
    # where every pair is right the bootstrap has nothing to say
    areas = auc_gaps(score, label, site, ids, None, bootstrap, **small).set_index("subgroup")
    assert areas.loc["site=north", "estimate"] == 0.75
    assert areas.loc["site=south", "reason"].startswith("not estimable")
    assert areas.loc["site=south", "gap_reason"] == areas.loc["site=south", "reason"]


def test_gaps_are_the_difference_of_two_calls(exams, rest):
    score, label, weight = exams["score"], exams["label"], exams["weight"]
    table = auc_gaps(score, label, *rest, intersections=[("density", "site")])
    by_name = table.set_index("subgroup")
    cell = (exams["columns"]["density"] == "b") & (exams["columns"]["site"] == "north")
    row = by_name.loc["density=b & site=north"]
    parts = [roc.auc(score[g], label[g], weight[g]) for g in (cell, ~cell)]
    assert row["rest"] == pytest.approx(parts[1])
    assert row["gap"] == pytest.approx(parts[0] - parts[1])
    plain = auc_by_subgroup(score, label, *rest, intersections=[("density", "site")])
    pd.testing.assert_frame_equal(table[plain.columns], plain)

    among = label
    shares = share_gaps("sensitivity", exams["recall"], among, *rest).set_index("subgroup")
    cell = exams["columns"]["density"] == "d"
    sides = [
        np.average(exams["recall"][among & g], weights=weight[among & g]) for g in (cell, ~cell)
    ]
    assert shares.loc["density=d", "gap"] == pytest.approx(sides[0] - sides[1])
    assert shares.loc["density=d", "p_adjusted"] < 0.05  # planted: half against 85%

    ratios = calibration_gaps(exams["probability"], label, *rest).set_index("subgroup")
    sides = [
        expected_over_observed(exams["probability"][g], label[g], weight[g]) for g in (cell, ~cell)
    ]
    assert ratios.loc["density=d", "gap"] == pytest.approx(np.log(sides[0] / sides[1]))


def test_errors_are_those_of_a_direct_bootstrap(exams, rest):
    """Also where the run's bootstrap holds patients that the exams do not."""
    score, label, weight, ids = (exams[k] for k in ("score", "label", "weight", "ids"))
    columns, _, _, _ = rest
    bootstrap = PatientBootstrap.draw([*ids, "Q1", "Q2", "A0"], 400, seed=4)
    cell = columns["density"] == "c"
    index = [
        norm.ppf(auc_replicates(score[g], label[g], ids[g], weight[g], bootstrap))
        for g in (cell, ~cell)
    ]
    row = auc_gaps(score, label, columns, ids, weight, bootstrap).set_index("subgroup")
    row = row.loc["density=c"]
    assert row["standard_error"] == pytest.approx((index[0] - index[1]).std(ddof=1), rel=1e-4)
    low, high = np.quantile(index[0] - index[1], [0.025, 0.975])
    limits = norm.cdf(norm.ppf(row["rest"]) + np.array([low, high])) - row["rest"]
    assert (row["gap_low"], row["gap_high"]) == pytest.approx(tuple(limits), abs=1e-4)

    recall = exams["recall"]
    drawn = [
        ratio_replicates(recall & label & g, label & g, ids, weight, bootstrap)
        for g in (cell, ~cell)
    ]
    row = share_gaps("sensitivity", recall, label, columns, ids, weight, bootstrap)
    error = row.set_index("subgroup").loc["density=c", "standard_error"]
    assert error == pytest.approx((drawn[0] - drawn[1]).std(ddof=1), rel=1e-4)


def test_joint_limits_and_adjusted_p_values_agree(exams, rest):
    table = auc_gaps(exams["score"], exams["label"], *rest)
    table = table[table["gap"].notna()]
    assert ((table["p_adjusted"] < 0.05) == (
        (table["simultaneous_high"] < 0) | (table["simultaneous_low"] > 0)
    )).all()  # fmt: skip
    assert (table["p_adjusted"] >= table["p_value"]).all()
    assert (table["simultaneous_low"] <= table["gap_low"]).all()
    assert (table["simultaneous_high"] >= table["gap_high"]).all()
    assert table.set_index("subgroup")["gap"].idxmin() == "density=d"
    assert table.set_index("subgroup").loc["density=d", "p_adjusted"] < 0.05


def test_power_is_what_it_says_it_is():
    """At the detectable gap four of five studies show it; at a gap named, the power stated."""
    rng = np.random.default_rng(3)
    n, n_studies, true_gap = 1500, 120, 0.12
    site = np.where(np.arange(n) < 400, "small", np.where(np.arange(n) < 900, "middle", "large"))
    ids = np.arange(n)
    bootstrap = PatientBootstrap.draw(ids, 300, seed=5)
    found, stated, detectable = 0, [], []
    for _ in range(n_studies):
        event = rng.random(n) < np.where(site == "small", 0.5 - true_gap, 0.5)
        table = share_gaps("x", event, np.ones(n), {"site": site}, ids, None, bootstrap,
                           gap_of_interest=true_gap)  # fmt: skip
        row = table.set_index("subgroup").loc["site=small"]
        found += row["p_adjusted"] <= 0.05
        stated.append(row["power"])
        detectable.append(row["detectable_gap"])
    # sqrt(.38 x .62 / 400 + .25 / 1100) = .0286, times 2.36 (max-T of three) + .84
    assert abs(np.mean(detectable) - 0.094) < 0.005
    expected = np.mean(stated)
    assert 0.8 < expected < 0.99
    assert abs(found / n_studies - expected) < 3 * np.sqrt(expected * (1 - expected) / n_studies)


def test_power_at_the_detectable_gap_is_four_fifths(exams, rest):
    for gaps, given in (
        (auc_gaps, (exams["score"], exams["label"])),
        (calibration_gaps, (exams["probability"], exams["label"])),
    ):
        row = gaps(*given, *rest).set_index("subgroup").loc["density=b"]
        again = gaps(*given, *rest, gap_of_interest=row["detectable_gap"]).set_index("subgroup")
        assert again.loc["density=b", "power"] == pytest.approx(0.8, abs=1e-6)


def test_where_no_group_differs_few_studies_say_so():
    """Family-wise error near 5%: of 100 studies at most 12 find anything (binomial, p = 0.002)."""
    rng = np.random.default_rng(11)
    n, n_studies = 700, 100
    ids = np.arange(n)
    alone = fired_auc = fired_share = 0
    for study in range(n_studies):
        label = rng.random(n) < 0.25
        score = rng.normal(size=n) + 1.5 * label
        columns = {
            name: rng.choice(list("abcd"), n, p=[0.45, 0.3, 0.15, 0.1]) for name in ("f", "g", "h")
        }
        bootstrap = PatientBootstrap.draw(ids, 250, seed=study)
        where = columns, ids, np.where(label, 1.0, 20.0), bootstrap
        areas = auc_gaps(score, label, *where)
        shares = share_gaps("x", rng.random(n) < 0.85, label, *where)
        alone += (areas["p_value"] <= 0.05).any()
        fired_auc += (areas["p_adjusted"] <= 0.05).any()
        fired_share += (shares["p_adjusted"] <= 0.05).any()
    assert alone > 25  # without the adjustment a finding is the rule of the day
    assert fired_auc <= 12
    assert fired_share <= 12


def test_a_factor_on_the_weights_and_the_order_of_rows_are_nothing(exams, rest):
    columns, ids, weight, bootstrap = rest
    score, label = exams["score"], exams["label"]
    first = auc_gaps(score, label, columns, ids, weight, bootstrap)
    scaled = auc_gaps(score, label, columns, ids, 7 * weight, bootstrap)
    pd.testing.assert_frame_equal(first, scaled, atol=1e-5)
    order = np.random.default_rng(6).permutation(len(label))
    turned = auc_gaps(
        score[order],
        label[order],
        {name: values[order] for name, values in columns.items()},
        ids[order],
        weight[order],
        bootstrap,
    )
    pd.testing.assert_frame_equal(first, turned, atol=1e-5)


def test_a_level_that_no_exam_has_changes_nothing(exams, rest):
    columns, *others = rest
    wider = {
        name: pd.Categorical(values, [*np.unique(values.astype(str)), "nowhere"])
        for name, values in columns.items()
    }
    args = exams["score"], exams["label"]
    pd.testing.assert_frame_equal(
        auc_gaps(*args, columns, *others), auc_gaps(*args, wider, *others)
    )


def test_two_halves_are_one_comparison(exams, rest):
    """Of two levels each is the other's rest: no price for looking at both."""
    _, ids, weight, bootstrap = rest
    half = np.where(np.random.default_rng(8).random(len(weight)) < 0.5, "one", "other")
    table = share_gaps("recall", exams["recall"], np.ones(len(half)), {"half": half}, ids, weight,
                       bootstrap).set_index("subgroup")  # fmt: skip
    one, other = table.loc["half=one"], table.loc["half=other"]
    assert one["gap"] == pytest.approx(-other["gap"])
    assert one["p_adjusted"] == pytest.approx(one["p_value"], abs=0.01)


def test_cells_that_cannot_tell_say_why(exams, rest):
    table = auc_gaps(exams["score"], exams["label"], *rest).set_index("subgroup")
    assert table.loc["all", "gap_reason"] == "everyone: there is no rest"
    assert table.loc["site=rare", "gap_reason"] == "not estimable: 6 patients, fewer than 20"
    numbers = list(_against_rest.COLUMNS)
    told = table["gap_reason"] == ""
    assert table.loc[told, numbers].notna().all(axis=None)
    assert table.loc[~told, numbers].isna().all(axis=None)

    # nobody at density a has the event: the share has an exact interval, the gap none
    event = exams["recall"] & (exams["columns"]["density"] != "a")
    shares = share_gaps("x", event, np.ones(1600), *rest).set_index("subgroup")
    row = shares.loc["density=a"]
    assert row["estimate"] == 0 and row["ci_high"] > 0
    assert row["gap_reason"] == ("not estimable: the cell has 0 exams with the event, fewer than 5")
    lax = share_gaps("x", event, np.ones(1600), *rest, minimum_events=0).set_index("subgroup")
    assert lax.loc["density=a", "gap_reason"] == (
        "not estimable: one side does not vary over the replicates"
    )
    assert shares.loc["density=b", "gap_reason"] == ""

    alone = {"everywhere": np.full(1600, "here", dtype=object)}
    row = auc_gaps(exams["score"], exams["label"], alone, *rest[1:]).iloc[1]
    assert row["gap_reason"] == "not estimable: the rest has 0 patients, fewer than 20"


def test_a_cell_often_undefined_is_left_out_and_the_others_stay():
    """All exams but eight, with two cancers: an eighth of the replicates has none of the two."""
    rng = np.random.default_rng(9)
    n = 400
    label = np.arange(n) % 4 == 0
    columns = {
        "site": np.where(np.arange(n) < 8, "few", "many"),
        "half": np.where(np.arange(n) % 8 < 4, "one", "other"),
    }
    ids = np.arange(n)
    bootstrap = PatientBootstrap.draw(ids, 200, seed=0)
    small = {"minimum_patients": 2, "minimum_events": 2}
    table = auc_gaps(rng.normal(size=n) + label, label, columns, ids, None, bootstrap, **small)
    reason = table.set_index("subgroup")["gap_reason"]
    assert reason["site=many"] == "not estimable: undefined in too many replicates"
    assert reason["site=few"] == "not estimable: the metric or its interval is undefined here"
    assert reason["half=one"] == reason["half=other"] == ""


def test_wrong_arguments_are_named(exams, rest):
    args = exams["score"], exams["label"], *rest
    with pytest.raises(ValueError, match="gap_of_interest must be above 0 and finite, not 0"):
        auc_gaps(*args, gap_of_interest=0)
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        auc_gaps(*args, confidence=1)
    with pytest.raises(ValueError, match=r"no subgroup column \['race'\]"):
        auc_gaps(*args, intersections=[("race", "site")])
    with pytest.raises(ValueError, match="among must be 0 or 1"):
        share_gaps("x", exams["recall"], np.full(1600, 2), *rest)
    with pytest.raises(ValueError, match="patients that are not in the bootstrap"):
        few = PatientBootstrap.draw(exams["ids"][:100], 20, seed=0)
        auc_gaps(*args[:-1], few)
