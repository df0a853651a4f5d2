"""Leaving out the inconvenient flatters, by as much as was planted, and the table says who pays."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.roc import auc
from mammolab.pitfalls.exclusion import EXCLUSIONS, exclusions, results_of_groups, who_pays
from mammolab.pitfalls.failure import dose_response
from mammolab.pitfalls.inconvenient import breast_area_cm2, inconvenient
from mammolab.report.plots_exclusion import left_out_performance, left_out_shares
from mammolab.schemas import check

N = 3000


@pytest.fixture(scope="module")
def exams() -> pd.DataFrame:
    """Cancers stand out by 2 standard deviations, in dense breasts by none; Asian women are dense."""
    rng = np.random.default_rng(0)
    cancer = rng.random(N) < 0.1
    asian = rng.random(N) < 0.3
    dense = rng.random(N) < np.where(asian, 0.8, 0.2)
    return pd.DataFrame(
        {
            "exam_id": [f"E{k}" for k in range(N)],
            "patient_id": [f"P{k}" for k in rng.integers(0, 2000, N)],
            "race_ethnicity": np.where(
                asian, "asian", np.where(rng.random(N) < 0.1, None, "white")
            ),
            "density": np.where(dense, "d", "b"),
            "implant": rng.random(N) < 0.01,
            "recall": rng.random(N) < np.where(cancer, np.where(dense, 0.5, 0.9), 0.1),
            "cancer_within_1y": cancer,
            "sampling_weight": np.where(cancer, 1.0, 10.0),
            "score": rng.normal(size=N) + 2 * (cancer & ~dense),
        }
    )


@pytest.fixture(scope="module")
def bootstrap(exams) -> PatientBootstrap:
    return PatientBootstrap.draw(exams["patient_id"], 200, 1)


def at(exams, bootstrap, dose, reasons=None, seed=2):
    reasons = reasons or inconvenient(exams)
    return exclusions(exams, exams["score"], reasons, bootstrap, np.random.default_rng(seed), dose)


def test_nobody_left_out_reports_the_truth(exams, bootstrap):
    outcome = at(exams, bootstrap, 0.0)
    assert outcome.reported == outcome.true == outcome.repaired
    assert outcome.true.value == pytest.approx(
        auc(exams["score"], exams["cancer_within_1y"], exams["sampling_weight"])
    )
    assert not outcome.guard.fired


def test_all_left_out_reports_those_who_are_easy(exams, bootstrap):
    outcome = at(exams, bootstrap, 1.0)
    easy = exams[(exams["density"] == "b") & ~exams["implant"]]
    assert outcome.reported.value == pytest.approx(
        auc(easy["score"], easy["cancer_within_1y"], easy["sampling_weight"])
    )
    assert outcome.damage > 0.1
    assert outcome.reported.low > outcome.true.high
    assert outcome.guard.fired


def test_damage_grows_with_the_dose_and_doses_are_nested(exams, bootstrap):
    generator = np.random.default_rng(3)
    reasons = inconvenient(exams)
    curve = dose_response(
        EXCLUSIONS,
        lambda dose: exclusions(exams, exams["score"], reasons, bootstrap, generator, dose),
    )
    assert (curve["reported"].diff().dropna() > 0).all()
    assert curve["true"].nunique() == 1
    # the generator was not moved on: a dose alone gives what it gave in the curve
    assert at(exams, bootstrap, 0.5, seed=3).reported.value == curve["reported"][2]


def test_only_reasons_that_can_be_told(exams):
    told = inconvenient(exams)
    assert list(told.flags) == ["implant", "dense"]
    assert set(told.skipped) == {"small_breast", "poor_follow_up"}
    blank = exams.drop(columns="implant").assign(density=None)
    outcomes = pd.DataFrame(
        {"exam_id": exams["exam_id"], "time_years": 1.5, "event": np.arange(N) % 3}
    )
    area = pd.Series(np.arange(N, dtype=float), exams["exam_id"])
    told = inconvenient(blank, outcomes, area, small_share=0.2)
    assert set(told.skipped) == {"implant", "dense"}
    expected = ~exams["cancer_within_1y"] & (np.arange(N) % 3 != 1)
    np.testing.assert_array_equal(told.flags["poor_follow_up"], expected)
    weight = exams["sampling_weight"]
    small = told.flags["small_breast"].to_numpy()
    assert weight[small].sum() / weight.sum() == pytest.approx(0.2, abs=0.005)
    assert small[:100].all()
    with pytest.raises(InputError, match="No reason"):
        inconvenient(blank)


def test_area_counts_the_breast_in_cm2():
    store = np.zeros((3, 20, 10), np.uint8)
    store[0, :10] = 100
    store[1] = 100
    store[2, :, :3] = 9
    images = pd.DataFrame(
        {
            "exam_id": ["E1", "E1", "E2", "E2"],
            "row": pd.array([1, 0, 2, None], dtype="Int64"),
            "spacing_mm": [1.0, 1.0, np.nan, 1.0],
        }
    )
    area = breast_area_cm2(store, images)
    assert area["E1"] == pytest.approx((1.0 + 2.0) / 2)
    assert np.isnan(area["E2"])


def test_who_pays_counts_by_weight_and_leaves_few_cancers_untold(exams, bootstrap):
    reasons = inconvenient(exams)
    table = who_pays(exams, exams["score"], reasons, bootstrap).set_index(["heading", "group"])
    kept, dense = table.loc[("", "kept")], table.loc[("left out for", "dense breasts")]
    assert kept["n_exams"] + table.loc[("left out for", "any of these"), "n_exams"] == N
    flag = exams["density"] == "d"
    weight = exams["sampling_weight"]
    assert dense["share_women"] == pytest.approx(weight[flag].sum() / weight.sum())
    assert dense["auc"] < 0.6
    assert kept["auc"] > 0.85
    assert dense["sensitivity"] == pytest.approx(0.5, abs=0.12)
    by_race = table.loc["left out for any, by race"]
    assert by_race.loc["Asian", "share_women"] > 2 * by_race.loc["White", "share_women"]
    assert list(by_race.index)[-1] == "Unknown"
    implants = table.loc[("left out for", "implants")]
    assert implants["n_cancers"] < 10
    assert np.isnan(implants["auc"])


def test_results_rows_fit_their_schema(exams, bootstrap):
    table = who_pays(exams, exams["score"], inconvenient(exams), bootstrap)
    rows = check(results_of_groups(table).assign(chapter="11_pitfalls_data"), "results", "test")
    assert len(rows) == 4 * len(table)
    dense = rows[rows["subgroup"] == "left out for: dense breasts"].set_index("metric")
    expected = table.set_index("group").loc["dense breasts"]
    for metric in ("auc", "sensitivity", "share_women", "share_cancers"):
        assert dense.loc[metric, "estimate"] == expected[metric]
    assert dense.loc["auc", "ci_low"] == expected["auc_low"]


def test_everybody_inconvenient_has_no_figure(exams, bootstrap):
    outcome = at(exams.assign(density="c"), bootstrap, 1.0)
    assert np.isnan(outcome.reported.value)
    assert np.isfinite(outcome.true.value)
    assert outcome.guard.fired


@pytest.mark.parametrize("dose", [-0.1, 1.1])
def test_dose_is_a_share(exams, bootstrap, dose):
    with pytest.raises(InputError, match="dose"):
        at(exams, bootstrap, dose)


def test_plots_show_every_group(exams, bootstrap):
    table = who_pays(exams, exams["score"], inconvenient(exams), bootstrap)
    figure, (left, right) = plt.subplots(1, 2)
    plt.close(figure)
    left_out_shares(left, table)
    widths = [bar.get_width() for bar in left.patches]
    np.testing.assert_allclose(widths, [*table["share_women"], *table["share_cancers"]])
    assert [text.get_text() for text in left.get_yticklabels()] == list(table["group"])
    left_out_performance(right, table, label_rows=False)
    for line, column in zip(right.lines, ("sensitivity", "auc"), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), table[column])
    written = [text.get_text() for text in right.texts]
    assert written.count("too few to tell") == table["auc"].isna().sum()
    with pytest.raises(InputError, match="left_out_shares needs"):
        left_out_shares(left, table.drop(columns="share_women"))
