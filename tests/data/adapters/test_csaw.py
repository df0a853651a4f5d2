"""CSAW-CC: codes of the woman and of the exam, unknown recalls, weights, years for dates."""

import pandas as pd
import pytest

from mammolab.data.adapters.base import ABSENT
from mammolab.data.adapters.folder import write_source
from mammolab.data.adapters.registry import adapt
from mammolab.data.lacks import NEED_PREVALENCE
from mammolab.errors import InputError

COLUMNS = ("anon_patientid", "exam_year", "x_age", "x_case", "x_cancer_laterality", "x_type",
           "x_lymphnode_met", "rad_timing", "rad_r1", "rad_r2", "rad_recall",
           "rad_recall_type_right", "rad_recall_type_left", "imagelaterality", "viewposition",
           "libra_breastarea", "libra_densearea", "libra_percentdensity", "anon_filename")  # fmt: skip
STANDARD = (("Left", "CC"), ("Left", "MLO"), ("Right", "CC"), ("Right", "MLO"))


def exam(woman, year, timing="", case=("0", "", "", ""), recall="0.0", age="1", first=1):
    """Four rows: an image each."""
    x_case, side, kind, node = case
    return [
        dict(zip(COLUMNS, (
            woman, year, age, x_case, side, kind, node, timing, "0.0", "", recall, "0.0", "1.0",
            left_right, view, "90.5", "22.1", "24.4",
            f"{woman}_20990909_{left_right[0]}_{view}_{number}.dcm",
        ), strict=True))
        for number, (left_right, view) in enumerate(STANDARD, first)
    ]  # fmt: skip


FOUND = ("1", "Right", "2", "0.0")
BETWEEN = ("1", "Left", "1", "")
# W1 is a case of timings 3, 3, 1; W2 of 3, 2; W3 and W4 are controls, W4 with eight images.
ROWS = [
    *exam("W1", "2010", "3.0", FOUND),
    *exam("W1", "2012", "3.0", FOUND, first=5),
    *exam("W1", "2014", "1.0", FOUND, recall="1.0", age="2", first=9),
    *exam("W2", "2011", "3", BETWEEN),
    *exam("W2", "2013", "2", BETWEEN, recall="", first=5),
    *exam("W3", "2012", recall=""),
    *exam("W4", "2012", first=7),
    *exam("W4", "2012", first=3),
]


@pytest.fixture
def read(lines, touch, tmp_path):
    """A function (rows, **options) that writes the data set and adapts it."""

    def run(rows=ROWS, name="CSAW-CC_breast_cancer_screening_data.csv", **options):
        text = pd.DataFrame(rows, columns=COLUMNS[::-1]).to_csv(index=False)
        lines(name, *text.splitlines())
        touch(*(f"part{k % 2}/{row['anon_filename']}" for k, row in enumerate(rows[1:])))
        return adapt("csaw", tmp_path / "set", options)

    return run


def changed(where, **cells):
    """The rows with cells of those changed that hold of `where`, a function of a row."""
    return [row | cells if where(row) else row for row in ROWS]


class TestLabels:
    def test_found_at_screening_not_yet_and_not_resolved(self, read):
        labels = read().labels.set_index(["exam_id", "laterality"])
        assert labels.loc[(slice(None), "R"), "cancer"].to_dict() == {
            ("W1_2010", "R"): "0", ("W1_2012", "R"): "0", ("W1_2014", "R"): "1",
            ("W2_2011", "R"): "0", ("W2_2013", "R"): "0", ("W3_2012", "R"): "0",
            ("W4_2012", "R"): "0",
        }  # fmt: skip
        assert labels.loc[[("W2_2011", "L"), ("W2_2013", "L"), ("W1_2014", "L")], "cancer"].tolist() == [
            "0", "", "0",
        ]  # fmt: skip
        assert labels["invasive"].tolist().count("1") == 1 and len(labels) == 14

    @pytest.mark.parametrize("kind, invasive", [("1", "0"), ("2", "1"), ("3.0", "1"), ("", "")])
    def test_the_type_of_cancer(self, read, kind, invasive):
        source = read(changed(lambda row: row["anon_patientid"] == "W1", x_type=kind))
        label = source.labels.set_index(["exam_id", "laterality"]).loc[("W1_2014", "R")]
        assert label[["cancer", "invasive"]].tolist() == ["1", invasive]

    def test_times_are_intervals(self, read):
        labels = read().labels.set_index(["exam_id", "laterality"])
        days = labels[["days_to_diagnosis_least", "days_to_diagnosis_most"]]
        assert days.loc[("W1_2014", "R")].tolist() == ["0", "59"]
        assert days.loc[("W2_2013", "L")].tolist() == ["60", "729"]
        assert days.loc[("W2_2011", "L")].tolist() == ["730", ""]
        assert days.loc[("W3_2012", "L")].tolist() == ["", ""]

    def test_a_cancer_a_case_dated_by_years(self, read):
        registry = read().registry.set_index("patient_id")
        columns = ["laterality", "behaviour", "diagnosis_date", "diagnosis_year_least",
                   "diagnosis_year_most"]  # fmt: skip
        assert registry.loc["W1", columns].tolist() == ["R", "invasive", "", "2014", "2015"]
        assert registry.loc["W2", columns].tolist() == ["L", "in_situ", "", "2013", "2015"]
        prior = read([row for row in ROWS if row["exam_year"] == "2011"]).registry.iloc[0]
        assert prior[["diagnosis_year_least", "diagnosis_year_most"]].tolist() == ["2012", ""]

    def test_a_case_without_timing_is_unlabelled(self, read):
        source = read(changed(lambda row: row["exam_year"] == "2014", rad_timing=""))
        labels = source.labels.set_index(["exam_id", "laterality"])
        assert labels.loc[[("W1_2014", "L"), ("W1_2014", "R")], "cancer"].tolist() == ["0", ""]
        assert any("1 exams of cases have no rad_timing" in note for note in source.notes)


class TestExams:
    def test_years_and_ages_stay_what_they_are(self, read):
        exams = read().exams.set_index("exam_id")
        columns = ["exam_date", "exam_year", "age_years", "age_band", "density", "birads"]
        assert exams.loc["W1_2014", columns].tolist() == ["", "2014", "", "above 55", "", ""]
        assert exams.loc["W3_2012", "age_band"] == "40-55" and len(exams) == 7

    def test_an_unknown_recall_is_not_none(self, read):
        source = read()
        recall = source.exams.set_index("exam_id")["recall"]
        assert recall.to_dict() == {
            "W1_2010": "0", "W1_2012": "0", "W1_2014": "1", "W2_2011": "0",
            "W2_2013": "", "W3_2012": "", "W4_2012": "0",
        }  # fmt: skip
        assert any(note.startswith("2 exams have no rad_recall") for note in source.notes)

    def test_timing_two_with_a_later_exam_is_no_interval_cancer(self, read):
        assert not any("precede another" in note for note in read().notes)
        source = read(changed(lambda row: row["exam_year"] == "2012" and row["x_case"] == "1",
                              rad_timing="2"))  # fmt: skip
        assert any(
            note.startswith("1 exams of rad_timing 2 precede another") for note in source.notes
        )


class TestWeights:
    def test_without_a_prevalence_there_are_none_and_ppv_is_refused(self, read):
        source = read()
        assert (source.exams["sampling_weight"] == "").all()
        assert source.refused == tuple(NEED_PREVALENCE)

    def test_a_weighted_share_of_women_is_the_one_given(self, read):
        source = read([*ROWS, *exam("W5", "2009")], prevalence="0.01")
        assert source.refused == ()
        exams = source.exams.assign(weight=source.exams["sampling_weight"].astype(float))
        assert exams.groupby("patient_id")["weight"].nunique().eq(1).all()
        women = exams.drop_duplicates("patient_id").set_index("patient_id")["weight"]
        assert women[["W1", "W2"]].tolist() == [1, 1]
        assert women[["W1", "W2"]].sum() / women.sum() == pytest.approx(0.01)
        assert any("0.01 of women have cancer" in note for note in source.notes)

    @pytest.mark.parametrize("share", ["0", "1", "-0.1", "1 %", "nan"])
    def test_no_share(self, read, share):
        with pytest.raises(InputError, match="prevalence is .*between 0 and 1"):
            read(prevalence=share)

    def test_nobody_to_weight(self, read):
        with pytest.raises(InputError, match="2 cases and 0 controls"):
            read([row for row in ROWS if row["x_case"] == "1"], prevalence="0.01")


class TestImages:
    def test_left_and_right_and_the_first_of_a_view(self, read):
        images = read().images
        assert set(images["laterality"]) == {"L", "R"} and set(images["laterality_raw"]) == {
            "Left", "Right",
        }  # fmt: skip
        double = images[images["exam_id"] == "W4_2012"].set_index("image_id")
        assert len(double) == 8
        used = double.index[double["use"] == "1"].str.rsplit("_", n=1).str[-1]
        assert sorted(used) == ["3", "4", "5", "6"]  # by the number, not by the row
        assert set(double.loc[double["use"] == "0", "reason"]) == {"a second image of this view"}

    def test_files_are_found_one_level_down_or_missed(self, read):
        images = read().images.set_index("path")
        assert images.loc["W1_20990909_L_CC_1.dcm", ["use", "reason"]].tolist() == ["0", ABSENT]
        assert (images["reason"] == ABSENT).sum() == 1
        assert images.loc["part0/W1_20990909_L_MLO_2.dcm", "use"] == "1"
        assert images.loc["part0/W1_20990909_L_MLO_2.dcm", "libra_percentdensity_raw"] == "24.4"


class TestFacts:
    @pytest.mark.parametrize(
        "where, cells, message",
        [
            (lambda row: row["exam_year"] == "2010", {"x_type": "3"}, "x_type differs within anon"),
            (lambda row: row["anon_filename"].endswith("L_CC_1.dcm"), {"rad_recall": "1"},
             "rad_recall differs within exam_id"),
            (lambda row: row["anon_patientid"] == "W3", {"rad_timing": "1"}, "a control with .*W3"),
            (lambda row: row["anon_patientid"] == "W1", {"x_cancer_laterality": ""}, "a case without"),
            (lambda row: row["exam_year"] == "2010", {"rad_timing": "1"}, "further .*W1_2012"),
            (lambda row: row["exam_year"] == "2010", {"rad_timing": "4"}, "rad_timing is not underst"),
            (lambda row: row["exam_year"] == "2010", {"imagelaterality": "L"}, "valid: Left, Right"),
            (lambda row: row["exam_year"] == "2010", {"imagelaterality": "Left"}, "tells another"),
            (lambda row: row["exam_year"] == "2010", {"exam_year": "2010-05"}, "no year"),
            (lambda row: row["anon_patientid"] == "W3", {"anon_patientid": "W9"}, "tells another"),
        ],
    )  # fmt: skip
    def test_a_changed_table_is_refused(self, read, where, cells, message):
        with pytest.raises(InputError, match=message):
            read(changed(where, **cells))

    def test_the_older_file_and_the_sheet(self, read, tmp_path):
        source = read(name="anon_dataset_nonhidden_211125.csv")
        text = (write_source(source, tmp_path / "out") / "DATASHEET.md").read_text()
        assert "Refused without sampling weights: PPV" in text and "case-control" in text
        assert "| - cancer | 1 |" in text and "| - unlabelled | 1 |" in text
