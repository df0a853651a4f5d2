"""Subgroup tables: the values of each cell, and no cell lost."""

import numpy as np
import pytest

from mammolab.evaluate import rates, roc, subgroups
from mammolab.evaluate.auc_bootstrap import auc_bootstrap
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.resampling import PatientBootstrap


@pytest.fixture(scope="module")
def exams():
    """1,200 exams of 600 patients; the score fails on density d; device cedar is rare."""
    rng = np.random.default_rng(0)
    n = 1200
    density = rng.choice(list("abcd"), n)
    device = np.where(np.arange(n) < 6, "cedar", rng.choice(["alder", "birch"], n)).astype(object)
    label = rng.random(n) < 0.2
    device[10:60] = None
    label[10:60] = False
    score = rng.normal(size=n) + np.where(density == "d", 0, 2) * label
    return {
        "score": score,
        "label": label,
        "columns": {"density": density, "device": device},
        "ids": np.repeat([f"P{i:03d}" for i in range(600)], 2),
        "weight": np.where(label, 1.0, 4.0),
    }


@pytest.fixture(scope="module")
def bootstrap(exams):
    return PatientBootstrap.draw(exams["ids"], 200, seed=1)


@pytest.fixture(scope="module")
def table(exams, bootstrap):
    return subgroups.auc_by_subgroup(
        exams["score"],
        exams["label"],
        exams["columns"],
        exams["ids"],
        exams["weight"],
        bootstrap,
        intersections=[("density", "device")],
    ).set_index("subgroup")


def test_every_cell_is_listed_and_the_counts_sum(exams, table):
    assert len(table) == 1 + 4 + 4 + 4 * 4
    assert set(table.loc[table["by"] == "device", "level"]) == {
        "alder",
        "birch",
        "cedar",
        "unknown",
    }
    for by in ("density", "device", "density & device"):
        assert table.loc[table["by"] == by, "n_exams"].sum() == 1200
        assert table.loc[table["by"] == by, "n_events"].sum() == exams["label"].sum()
    assert table.loc["all", "n_patients"] == 600


def test_a_cell_is_the_metric_on_its_rows(exams, table, bootstrap):
    rows = exams["columns"]["density"] == "d"
    parts = [exams[name][rows] for name in ("score", "label", "ids", "weight")]
    expected = auc_bootstrap(*parts, bootstrap)
    row = table.loc["density=d"]
    assert (row["estimate"], row["ci_low"], row["ci_high"]) == pytest.approx(
        (expected.value, *expected.ci)
    )
    assert row["ci_high"] < table.loc["density=a", "ci_low"]  # the planted failure shows
    assert row["n_exams"] == rows.sum()
    assert row["reason"] == ""


def test_small_cells_stay_with_their_counts_and_a_reason(table):
    row = table.loc["device=cedar"]
    assert np.isnan([row["estimate"], row["ci_low"], row["ci_high"]]).all()
    assert (row["n_exams"], row["n_patients"]) == (6, 3)
    assert row["reason"] == "not estimable: 3 patients, fewer than 20"
    assert table.loc["device=unknown", "reason"] == "not estimable: 0 events, fewer than 10"
    estimable = table["reason"] == ""
    assert (table["estimate"].notna() == estimable).all()


def test_shares_count_only_their_denominator(exams, bootstrap):
    recall = exams["score"] > 1
    table = subgroups.share_by_subgroup(
        "sensitivity",
        recall,
        exams["label"],
        exams["columns"],
        exams["ids"],
        exams["weight"],
        bootstrap,
        intersections=[("density", "device")],
    ).set_index("subgroup")
    cancers_d = exams["label"] & (exams["columns"]["density"] == "d")
    row = table.loc["density=d"]
    assert row["n_exams"] == cancers_d.sum()
    assert row["n_events"] == (cancers_d & recall).sum()
    assert row["estimate"] == pytest.approx(recall[cancers_d].mean())
    point = rates.operating_point(recall, exams["label"], exams["weight"])
    assert table.loc["all", "estimate"] == pytest.approx(point.sensitivity)
    empty = table.loc["density=a & device=cedar"]
    assert np.isnan(empty["estimate"])
    assert empty["reason"].startswith("not estimable")


def test_a_metric_undefined_in_a_cell_says_so():
    table = subgroups.subgroup_table(
        "anything",
        lambda rows: Estimate(0.5, 0.4, np.nan if rows[0] else 0.6),
        event=np.ones(4),
        subgroups={"site": ["north", "north", "south", ""]},
        patient_ids=["A", "B", "C", "D"],
        minimum_patients=1,
        minimum_events=1,
    ).set_index("subgroup")
    assert list(table.index) == ["all", "site=north", "site=south", "site=unknown"]
    assert table["reason"].str.contains("undefined").tolist() == [True, True, False, False]


def test_one_class_only_is_not_estimable(bootstrap, exams):
    rows = exams["label"]
    table = subgroups.auc_by_subgroup(
        exams["score"][rows], exams["label"][rows], {}, exams["ids"][rows], None, bootstrap
    )
    assert table["reason"].tolist() == [
        "not estimable: the metric or its interval is undefined here"
    ]


def test_wrong_arguments_are_named(exams, bootstrap):
    with pytest.raises(ValueError, match=r"no subgroup column \['race'\]; valid: \['density', 'de"):
        subgroups.auc_by_subgroup(
            exams["score"],
            exams["label"],
            exams["columns"],
            exams["ids"],
            None,
            bootstrap,
            intersections=[("race", "density")],
        )
    with pytest.raises(ValueError, match="subgroup 'site' has 1 rows where 2 are needed"):
        subgroups.subgroup_table(
            "m", lambda rows: Estimate(0, 0, 0), [0, 1], {"site": ["n"]}, ["A", "B"]
        )


def test_weights_reach_every_cell(exams, bootstrap):
    weight = np.random.default_rng(5).uniform(1, 30, len(exams["score"]))
    rest = (exams["columns"], exams["ids"], weight, bootstrap)
    table = subgroups.auc_by_subgroup(exams["score"], exams["label"], *rest).set_index("subgroup")
    cell = exams["columns"]["density"] == "b"
    part = exams["score"][cell], exams["label"][cell]
    weighted = roc.auc(*part, weight[cell])
    assert table.loc["density=b", "estimate"] == pytest.approx(weighted)
    assert abs(weighted - roc.auc(*part)) > 1e-4
    everyone = np.ones(len(cell), dtype=bool)
    recall = exams["score"] > 1
    shares = subgroups.share_by_subgroup("recall", recall, everyone, *rest).set_index("subgroup")
    weighted = np.average(recall[cell], weights=weight[cell])
    assert shares.loc["density=b", "estimate"] == pytest.approx(weighted)
    assert abs(weighted - recall[cell].mean()) > 1e-4


def test_expected_over_observed_in_each_cell_is_that_of_its_exams_alone():
    rng = np.random.default_rng(21)
    n = 3000
    ids = np.array([f"P{k // 2}" for k in range(n)])
    group = rng.choice(["x", "y"], n)
    probability = rng.uniform(0.02, 0.2, n)
    label = rng.random(n) < probability * np.where(group == "x", 1.0, 2.0)
    weight = np.where(label, 1.0, 2.0)
    bootstrap = PatientBootstrap.draw(ids, 300, seed=3)
    table = subgroups.expected_over_observed_by_subgroup(
        probability, label, {"group": group}, ids, weight, bootstrap
    ).set_index("subgroup")
    for level in ("x", "y"):
        cell = group == level
        alone = weight[cell] @ probability[cell] / weight[cell & label].sum()
        assert table.loc[f"group={level}", "estimate"] == pytest.approx(alone)
    assert table.loc["group=y", "ci_high"] < table.loc["group=x", "ci_low"]
