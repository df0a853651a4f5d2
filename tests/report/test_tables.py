"""Tables and frames: counts add up, shares sum to one, marks are carried through."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.reliability import reliability_table
from mammolab.paths import repository_root
from mammolab.report.frames import (
    composition,
    logit_bins,
    percentile_bins,
    reliability_rows,
    score_percentile,
    target_rows,
)
from mammolab.report.quiz import quiz_exams, quiz_sheet
from mammolab.report.tables import (
    MARKS,
    comparison,
    guard_rows,
    read_published,
    table_one,
)

PUBLISHED = repository_root() / "paper" / "published.csv"


def test_table_one_adds_up(fabricate):
    cohort = fabricate.cohort()
    table = table_one(cohort)
    total = table.iloc[0]
    assert total["n_all"] == len(cohort)
    assert total["n_cancer"] == cohort["cancer_within_1y"].sum()
    assert (table["n_cancer"] + table["n_no_cancer"] == table["n_all"]).all()
    for characteristic in ("Age, years", "Breast density", "Device", "Split"):
        rows = table[table["characteristic"] == characteristic]
        assert rows["n_all"].sum() == len(cohort)
        np.testing.assert_allclose(rows[["share_cancer", "share_no_cancer"]].sum(), 1)
    density = table[table["characteristic"] == "Breast density"]
    assert density["level"].tolist() == ["a", "b", "c", "d", "unknown"]
    assert table[table["characteristic"] == "Split"]["level"].tolist() == ["train", "dev", "test"]


def test_table_one_with_weights(fabricate):
    cohort = fabricate.cohort(500)
    weight = np.full(len(cohort), 3.0)
    plain, weighted = table_one(cohort), table_one(cohort, weight)
    np.testing.assert_allclose(weighted["n_all"], 3 * plain["n_all"])
    np.testing.assert_allclose(weighted["share_all"], plain["share_all"])


def test_composition_sums_to_one_in_each_bar(fabricate):
    shares = fabricate.composed().groupby(["characteristic", "group"])["share"].sum()
    np.testing.assert_allclose(shares, 1)
    frame = pd.DataFrame({"density": ["a", "b", None]})
    rows = composition(frame, {"density": "Density"}, ["x", "x", "x"], [1, 1, 2])
    assert dict(zip(rows["level"], rows["share"], strict=True)) == {
        "a": 0.25, "b": 0.25, "unknown": 0.5,
    }  # fmt: skip


def test_year_shares_sum_to_one_in_each_half(fabricate):
    shares = fabricate.years(enriched=True).groupby("status")["share"].sum()
    np.testing.assert_allclose(shares[["cancer", "no cancer"]], 1)


def test_percentiles_by_hand_and_by_weight():
    assert score_percentile([1, 2, 3, 4]).tolist() == [12.5, 37.5, 62.5, 87.5]
    score, weight = np.array([0.3, 0.1, 0.3, 0.2]), np.array([2.0, 1.0, 1.0, 1.0])
    repeated = score_percentile(np.repeat(score, weight.astype(int)))
    weighted = score_percentile(score, weight)
    np.testing.assert_allclose(np.repeat(weighted, weight.astype(int)), repeated)


def test_logit_bins_hold_every_exam_once():
    rng = np.random.default_rng(3)
    probability = np.append(rng.random(500), [0.0, 1.0])
    cancer = np.arange(502) % 7 == 0
    rows = logit_bins(probability, cancer, np.where(cancer, 1.0, 5.0), n_bins=12)
    counts = rows.groupby("group")["n_exams"].sum()
    assert counts.to_dict() == {"cancer": cancer.sum(), "no cancer": (~cancer).sum()}
    np.testing.assert_allclose(rows.groupby("group")["share"].sum(), 1)
    one = rows[rows["group"] == "cancer"]
    inside = [
        ((probability >= low) & (probability < high) & cancer).sum()
        for low, high in zip(one["low"], one["high"], strict=True)
    ]
    assert one["n_exams"].tolist()[1:-1] == inside[1:-1]


def test_reliability_rows_keep_their_calibrator():
    rng = np.random.default_rng(4)
    probability = rng.random(400)
    label = rng.random(400) < probability
    tables = {name: reliability_table(probability, label, None, 5) for name in ("a", "b")}
    rows = reliability_rows(tables)
    assert rows["calibrator"].tolist() == ["a"] * 5 + ["b"] * 5
    np.testing.assert_array_equal(rows["observed"], np.tile(tables["a"].observed, 2))


def quiz_exams_of(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    cancer = rng.random(n) < 0.1
    return pd.DataFrame(
        {
            "exam_id": [f"E{k}" for k in range(n)],
            "probability": rng.random(n) + 0.5 * cancer,
            "cancer_within_1y": cancer,
            "sampling_weight": np.where(cancer, 1.0, 20.0),
        }
    )


def test_a_quiz_shows_both_sides_of_the_threshold():
    exams = quiz_exams_of()
    quiz = quiz_exams(exams, 0.4, 6, np.random.default_rng(1))
    assert quiz["side"].tolist() == ["not read"] * 6 + ["read"] * 6
    probability = exams.set_index("exam_id")["probability"][quiz["exam_id"]].to_numpy()
    assert (probability[:6] < 0.4).all() and (probability[6:] >= 0.4).all()
    assert quiz["cancer_within_1y"][6:].sum() == 3
    assert quiz["percentile"][:6].is_monotonic_increasing
    # exams of more weight come more often: with few cancers of weight 1 hardly one below
    again = quiz_exams(exams, 0.4, 6, np.random.default_rng(1))
    pd.testing.assert_frame_equal(quiz, again)


def test_a_quiz_with_few_exams_shows_those_there_are():
    exams = quiz_exams_of(30)
    nobody = quiz_exams(exams, -1.0, 4, np.random.default_rng(1))
    assert set(nobody["side"]) == {"read"} and len(nobody) == 4
    everybody = quiz_exams(exams, 9.0, 4, np.random.default_rng(1))
    assert set(everybody["side"]) == {"not read"}


def test_the_quiz_sheet_leaves_a_tile_empty_where_a_view_is_missing():
    quiz = quiz_exams(quiz_exams_of(), 0.4, 1, np.random.default_rng(2))
    images = pd.DataFrame(
        [(exam, side, "MLO", "ok", 2 * k + (side == "L")) for k, exam in enumerate(quiz["exam_id"])
         for side in "RL"],
        columns=["exam_id", "laterality", "view", "status", "row"],
    )  # fmt: skip
    images.loc[3, "status"] = "rejected"
    sheet = quiz_sheet(quiz, images)
    assert sheet["row"].tolist()[:3] == [0, 1, 2] and np.isnan(sheet["row"].iloc[3])
    assert sheet["label"].str[0].tolist()[::2] == ["A", "B"]
    with pytest.raises(InputError, match="at most 26"):
        quiz_sheet(pd.concat([quiz] * 14), images)


def test_percentile_bins_by_hand():
    rows = percentile_bins(
        score=[1, 2, 3, 4], recall=[False, False, True, True],
        cancer=[False, True, False, True], n_bins=4,
    )  # fmt: skip
    where = rows[rows["weight"] > 0].set_index("group")["percentile_low"].to_dict()
    assert where == {"TN": 0, "FN": 25, "FP": 50, "TP": 75}


def test_percentile_bins_weigh_the_sample_back_to_the_cohort():
    # One exam that stands for nine of the cohort, and one that stands for itself.
    rows = percentile_bins([0.0, 1.0], [False, False], [False, True], [9, 1], n_bins=10)
    positive = rows[(rows["group"] == "FN") & (rows["weight"] > 0)]
    assert positive["percentile_low"].tolist() == [90]
    assert rows["weight"].sum() == 10


def test_percentiles_do_not_depend_on_the_scale_of_scores(fabricate):
    frame = fabricate.cohort(300)
    score = np.random.default_rng(0).normal(size=300)
    given = frame["recall"], frame["cancer_within_1y"]
    assert percentile_bins(score, *given).equals(percentile_bins(np.exp(score), *given))


def test_target_rows_print_shares_in_percent():
    measured = pd.DataFrame(
        {
            "target": ["recall_rate", "cdr_per_1000"], "world": [0.115, 5.2],
            "ci": [(0.11, 0.12), (np.nan, np.nan)], "published": [0.116, 5.1],
            "tolerance": [0.01, 0.4], "unit": ["share", "per 1000"],
        }
    )  # fmt: skip
    rows = target_rows(measured, {"recall_rate": "recall rate", "cdr_per_1000": "detected"})
    assert rows["quantity"].tolist() == ["recall rate, %", "detected"]
    np.testing.assert_allclose(rows["target_low"], [10.6, 4.7])
    with pytest.raises(InputError, match="no target called cdr"):
        target_rows(measured, {"cdr": "detected"})


def test_published_figures_carry_their_marks():
    published = read_published(PUBLISHED)
    assert set(published["mark"]) <= set(MARKS)
    # As the reference file has them: recalled, secondary, read.
    assert published.loc["triage.sensitivity_with", "mark"] == "M"
    assert published.loc["triage.fraction_ruled_out", "mark"] == "S"
    assert published.loc["risk.auc_hybrid", "mark"] == "V"
    known = (repository_root() / "paper" / "references.bib").read_text()
    for source in set(published["source"]) - {""}:
        assert f"{{{source}," in known
    with_interval = published.dropna(subset=["value", "ci_low"])
    assert (with_interval["ci_low"] <= with_interval["value"]).all()
    assert (with_interval["value"] <= with_interval["ci_high"]).all()
    shares = published[published["format"] == "percent"]["value"]
    assert shares.between(0, 1).all()


def test_comparison_keeps_the_three_columns_apart(fabricate):
    published = read_published(PUBLISHED)
    numbers = {key: fabricate.number(key) for key in fabricate.NUMBERS}
    rows = {row["item"]: row for row in comparison(published, numbers, truth_known=True)}
    row = rows["Sensitivity, readers alone"]
    assert row["published"]["value"] == 0.906
    assert row["run"] == {"value": 0.872, "ci_low": 0.823, "ci_high": 0.917}
    assert row["truth"]["value"] == 0.864
    assert row["mark"] == "M"
    assert rows["Tyrer–Cuzick version 8"]["run"] is None
    assert rows["Gail"]["published"] is None
    real = comparison(published, numbers, truth_known=False)
    assert all(row["truth"] is None for row in real)
    del numbers["risk.auc_5y.gail"]
    with pytest.raises(InputError, match="risk.auc_5y.gail"):
        comparison(published, numbers, truth_known=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines, lines[1]], "more than once"),
        (lambda lines: [line.replace(",V,", ",X,") for line in lines], "is none of V, S, M, L"),
        (lambda lines: [lines[0].replace("mark", "sure"), *lines[1:]], "lacks the column"),
    ],
)
def test_a_faulty_published_table_is_refused(tmp_path, change, message):
    path = tmp_path / "published.csv"
    path.write_text("\n".join(change(PUBLISHED.read_text().splitlines())))
    with pytest.raises(InputError, match=message):
        read_published(path)


def test_guards_stand_with_their_false_alarms_and_their_power_by_dose(tmp_path):
    path = tmp_path / "guards.csv"
    path.write_text(
        "guard,dirt,dose,rate,low,high,constructed\n"
        "overlap,women,0.05,1.0,0.9,1.0,1\n"
        "overlap,women,0.0,0.01,0.0,0.03,0\n"
        "overlap,women,0.01,0.4,0.3,0.5,0\n"
        "told,looks,0.0,0.0,0.0,0.02,1\n"
    )
    row, told = guard_rows(path)
    assert (row["guard"], row["dirt"]) == ("overlap", "women")
    assert (row["false_alarm"], row["false_low"], row["false_high"]) == (0.01, 0.0, 0.03)
    assert row["powers"] == [
        {"dose": "0.01", "rate": 0.4, "constructed": False},
        {"dose": "0.05", "rate": 1.0, "constructed": True},
    ]
    assert (row["false_constructed"], told["false_constructed"]) == (False, True)


def test_guards_without_a_word_on_construction_are_refused(tmp_path):
    path = tmp_path / "guards.csv"
    path.write_text("guard,dirt,dose,rate,low,high\noverlap,women,0.0,0.0,0.0,0.1\n")
    with pytest.raises(InputError, match="constructed"):
        guard_rows(path)


def test_a_guard_that_was_not_tried_on_clean_worlds_is_refused(tmp_path):
    path = tmp_path / "guards.csv"
    path.write_text("guard,dirt,dose,rate,low,high,constructed\noverlap,women,0.05,1.0,0.9,1.0,0\n")
    with pytest.raises(InputError, match="overlap was not tried on clean worlds"):
        guard_rows(path)
