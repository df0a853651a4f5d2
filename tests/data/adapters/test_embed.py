"""EMBED: findings to breasts, screens to work-ups, specimens counted once, intervals to labels."""

from pathlib import Path

import pandas as pd
import pytest

from mammolab.data.adapters.base import ABSENT
from mammolab.data.adapters.folder import write_source
from mammolab.data.adapters.registry import adapt, detect
from mammolab.data.cohort import CohortRules, build_cohort
from mammolab.data.tables import read_export
from mammolab.errors import InputError, MissingInput

SCREEN, WORK_UP = "MG Screening Bilateral w/CAD", "MG Diagnostic Left"
CLINICAL = ("empi_anon", "acc_anon", "cohort_num", "loc_num", "desc", "tissueden", "study_date_anon",
            "age_at_study", "GENDER_DESC", "ETHNICITY_DESC", "ETHNIC_GROUP_DESC", "asses", "side",
            "numfind", "implanfind", "type", "bside", "path1", "path2", "tnmpt", "procdate_anon",
            "pdate_anon", "path_severity")  # fmt: skip
METADATA = ("anon_dicom_path", "empi_anon", "acc_anon", "cohort_num", "study_date_anon",
            "StudyDescription", "FinalImageType", "ImageLateralityFinal", "ViewPosition",
            "spot_mag", "num_roi", "ROI_coords", "Manufacturer", "ManufacturerModelName",
            "AcquisitionTime", "BreastImplantPresent", "ImagerPixelSpacing")  # fmt: skip
A, B, C = "10000001", "10000002", "10000003"
# 2**53 + 1 and + 2: one number to a float.
A1, A2, A3 = "9007199254740993", "9007199254740994", "1000000000000003"
B1, B2 = "1000000000000011", "1000000000000012"
C1, C2 = "1000000000000021", "1000000000000022"
DEFAULTS = {
    "cohort_num": "1", "loc_num": "2.0", "desc": SCREEN, "tissueden": "2.0", "age_at_study": "55.25",
    "GENDER_DESC": "Female", "ETHNICITY_DESC": "African American  or Black",
    "ETHNIC_GROUP_DESC": "Non-Hispanic or Latino", "numfind": "1", "asses": "N",
}  # fmt: skip


def finding(empi, acc, date, **cells):
    return DEFAULTS | {"empi_anon": empi, "acc_anon": acc, "study_date_anon": date} | cells


CANCER = {"type": "B", "bside": "L", "path1": "ID", "procdate_anon": "2013-07-02",
          "path_severity": "0.0"}  # fmt: skip
# A: a screen with one finding left, its work-up at day 170, another at day 190.
# B: read negative, DCIS 300 days later. C: side B, an X row, "normal male"; seen a year later.
FINDINGS = [
    finding(A, A1, "2013-01-01 00:00:00", asses="A", side="L", **CANCER),
    finding(A, A2, "2013-06-20", desc=WORK_UP, asses="S", side="L", **CANCER),
    finding(A, A3, "2013-07-10", desc=WORK_UP, asses="M", side="L"),
    finding(B, B1, "2014-03-01", ETHNICITY_DESC="Caucasian or White",
            ETHNIC_GROUP_DESC="Unknown~Hispanic"),
    finding(B, B2, "2014-12-26", desc=WORK_UP, asses="S", side="L", bside="L", type="S", path1="DC",
            path_severity="1.0", pdate_anon="2014-12-28"),
    finding(C, C1, "2015-01-01", asses="B", side="B", tissueden="5.0",
            ETHNICITY_DESC="Not Recorded"),
    finding(C, C1, "2015-01-01", asses="X", side="L", tissueden="5.0", numfind="2",
            ETHNICITY_DESC="Not Recorded"),
    finding(C, C2, "2016-02-01", side="R", ETHNICITY_DESC="Not Recorded"),
]  # fmt: skip


def file_of(empi, acc, number, side="L", view="CC", **cells):
    path = f"/mnt/NAS2/mammo/anon_dicom/cohort_1/{empi}/1.2.{acc}/1.2.3/1.2.{acc}.{number}.dcm"
    return {
        "anon_dicom_path": path, "empi_anon": empi, "acc_anon": acc, "FinalImageType": "2D",
        "ImageLateralityFinal": side, "ViewPosition": view, "ROI_coords": "()",
        "ManufacturerModelName": "Model X", "Manufacturer": "Maker", "BreastImplantPresent": "NO",
        "AcquisitionTime": "93000.0", "StudyDescription": SCREEN,
        "ImagerPixelSpacing": "[0.07, 0.07]",
    } | cells  # fmt: skip


FILES = [
    file_of(A, A1, 1, ROI_coords="((10, 20, 30, 40), (5, 6, 7.5, 8))"),
    file_of(A, A1, 2, AcquisitionTime="101500.0"),
    file_of(A, A1, 3, FinalImageType="cview"),
    file_of(A, A1, 4, view="MLO", spot_mag="1.0"),
    file_of(A, A1, 5, view="MLO", spot_mag="0.0"),
    file_of(A, A1, 6, side="R", view="XCCL"),
    file_of(A, A1, 7, side=""),
    file_of(A, A2, 1, ManufacturerModelName="Model Y"),
    file_of(B, B1, 1, BreastImplantPresent="YES"),
    file_of(C, C1, 1),
    file_of(C, C1, 2, side="R", ManufacturerModelName="Model Y"),
    file_of(C, "1000000000000099", 1),
]


@pytest.fixture
def read(lines, touch, tmp_path):
    """A function (findings, files) that writes the data set and adapts it."""

    def run(findings=FINDINGS, files=FILES, clinical=CLINICAL, name="EMBED_OpenData_{}.csv"):
        for kind, columns, rows in (
            ("clinical", clinical, findings),
            ("metadata", METADATA, files),
        ):
            frame = pd.DataFrame(rows).reindex(columns=columns).fillna("")
            lines("tables/" + name.format(kind), *frame.to_csv(index=False).splitlines())
        touch(*("images/cohort_1" + one["anon_dicom_path"].split("cohort_1")[1] for one in files))
        return adapt("embed", tmp_path / "set")

    return run


def one(findings, index, **cells):
    """The findings with one row changed."""
    return [row | cells if k == index else row for k, row in enumerate(findings)]


class TestExams:
    def test_ids_above_two_to_the_53_stay_apart(self, read):
        exams = read().exams
        assert {A1, A2} <= set(exams["exam_id"]) and float(A1) == float(A2) - 2
        assert exams["exam_id"].is_unique and len(exams) == 7

    @pytest.mark.parametrize("told", ["9007199254740992.0", "9.007199254740993e+15"])
    def test_ids_that_were_floats_are_refused(self, read, told):
        with pytest.raises(InputError, match="floating point.*above 2"):
            read(one(FINDINGS, 0, acc_anon=told))

    def test_a_small_id_that_was_a_float_is_still_exact(self, read):
        source = read(one(FINDINGS, 3, acc_anon=B1 + ".0"))
        assert B1 in set(source.exams["exam_id"])

    def test_letters_are_mapped_and_the_worst_counts(self, read):
        exams = read().exams.set_index("exam_id")
        assert exams["birads"].to_dict() == {
            A1: "0", A2: "4", A3: "5", B1: "1", B2: "4", C1: "2", C2: "1",
        }  # fmt: skip
        assert exams.loc[C1, "birads_raw"] == "B|X"
        assert exams["recall"].to_dict()[A1] == "1" and (exams["recall"] == "1").sum() == 1
        both = [*FINDINGS, finding(A, A3, "2013-07-10", desc=WORK_UP, asses="K", side="L")]
        assert read(both).exams.set_index("exam_id").loc[A3, "birads"] == "6"

    @pytest.mark.parametrize("letters, birads", [("NA", "0"), ("BAN", "0"), ("NB", "2")])
    def test_the_worst_of_a_screen(self, read, letters, birads):
        more = [finding(C, C1, "2015-01-01", asses=letter, side="L") for letter in letters]
        exams = read([*FINDINGS[:5], *more, FINDINGS[7]]).exams.set_index("exam_id")
        assert exams.loc[C1, "birads"] == birads

    def test_density_age_site_device_implant(self, read):
        exams = read().exams.set_index("exam_id")
        assert exams.loc[A1, ["density", "age_years", "site", "device", "implant"]].tolist() == [
            "b", "55.25", "2", "Model X", "0",
        ]  # fmt: skip
        assert exams.loc[C1, ["density", "density_raw", "device", "device_raw"]].tolist() == [
            "", "5.0", "", "Model X|Model Y",
        ]  # fmt: skip
        assert exams.loc[B1, "implant"] == "1"
        assert any("tissueden 5" in note for note in read().notes)

    def test_race_is_in_the_column_called_ethnicity(self, read):
        patients = read().patients.set_index("patient_id")
        assert patients["race_ethnicity"].to_dict() == {A: "black", B: "hispanic", C: ""}

    @pytest.mark.parametrize(
        "cells, reason",
        [
            ({"GENDER_DESC": "Male"}, "not of a woman"),
            ({"desc": ""}, "no description"),
            ({"desc": "US Breast"}, "neither screening nor diagnostic"),
            ({"study_date_anon": ""}, "no date"),
            ({"age_at_study": ""}, "no age"),
            ({"asses": "M"}, "screening assessed as P, S, M or K"),
            ({"asses": "X"}, "screening without assessment"),
        ],
    )
    def test_left_out_and_counted(self, read, cells, reason):
        source = read(one(FINDINGS, 3, **cells))
        assert B1 not in set(source.exams["exam_id"])
        assert f"1 exams were left out: {reason}." in source.notes
        images = source.images.set_index("exam_id_raw")
        assert images.loc[B1, ["use", "exam_id", "reason"]].tolist() == [
            "0", "", f"its exam is left out: {reason}",
        ]  # fmt: skip


class TestLinking:
    def test_the_work_up_is_within_180_days_of_a_recall(self, read):
        exams = read().exams.set_index("exam_id")
        assert exams.loc[A1, ["workup_exam_id", "workup_days", "biopsy"]].tolist() == [
            A2,
            "170",
            "1",
        ]
        later = one(one(FINDINGS, 1, study_date_anon="2013-07-01"), 0, path_severity="")
        exams = read(later).exams.set_index("exam_id")
        assert exams.loc[A1, ["workup_exam_id", "workup_days", "biopsy"]].tolist() == ["", "", "0"]
        exams = read(one(later, 1, study_date_anon="2013-06-30")).exams.set_index("exam_id")
        assert exams.loc[A1, ["workup_exam_id", "workup_days", "biopsy"]].tolist() == [
            A2,
            "180",
            "1",
        ]

    def test_the_work_up_of_a_negative_screen_is_within_a_year(self, read):
        exams = read().exams.set_index("exam_id")
        assert exams.loc[B1, ["workup_exam_id", "workup_days", "recall"]].tolist() == [
            B2,
            "300",
            "0",
        ]
        assert exams.loc[C1, "workup_exam_id"] == ""

    def test_a_negative_screen_with_pathology_of_its_own_was_a_recall(self, read):
        own = {"bside": "R", "path_severity": "4", "procdate_anon": "2015-01-20"}
        source = read(one(FINDINGS, 5, **own))
        exams = source.exams.set_index("exam_id")
        assert exams.loc[C1, ["birads", "recall", "birads_raw"]].tolist() == ["0", "1", "B|X"]
        assert "1 screens read N or B with pathology of their own count as A." in source.notes


class TestPathology:
    def test_one_specimen_written_on_two_exams_counts_once(self, read):
        pathology = read().pathology
        assert pathology[["patient_id", "laterality", "specimen_date", "result"]].to_numpy().tolist() == [
            [A, "L", "2013-07-02", "invasive"], [B, "L", "2014-12-28", "in_situ"],
        ]  # fmt: skip

    def test_the_worst_severity_and_then_surgery(self, read):
        surgery = finding(A, A2, "2013-06-20", desc=WORK_UP, asses="S", side="L", **CANCER | {
            "type": "S"})  # fmt: skip
        benign = finding(A, A2, "2013-06-20", desc=WORK_UP, asses="S", side="L", **CANCER | {
            "type": "S", "path_severity": "4"})  # fmt: skip
        first = read([*FINDINGS, surgery, benign]).pathology.iloc[0]
        assert first[["result", "severity_raw", "type_raw"]].tolist() == ["invasive", "0", "S"]

    @pytest.mark.parametrize("codes", [{"path1": "LS"}, {"tnmpt": "PTISL", "path1": ""}])
    def test_lcis_is_no_cancer(self, read, codes):
        source = read(one(FINDINGS, 4, **codes))
        assert source.pathology.set_index("patient_id").loc[B, "result"] == "benign"
        assert any("LCIS" in note for note in source.notes)
        with_dcis = one(FINDINGS, 4, path1="LS", path2="DC")
        assert read(with_dcis).pathology.set_index("patient_id").loc[B, "result"] == "in_situ"

    @pytest.mark.parametrize(
        "severity, result", [("2", "benign"), ("3", "benign"), ("4", "benign")]
    )
    def test_benign_severities(self, read, severity, result):
        pathology = read(one(FINDINGS, 4, path_severity=severity)).pathology
        assert pathology.set_index("patient_id").loc[B, "result"] == result

    @pytest.mark.parametrize("severity", ["5", "6.0"])
    def test_severities_told_in_two_ways_are_kept_apart(self, read, severity):
        source = read(one(FINDINGS, 4, path_severity=severity))
        assert B not in set(source.pathology["patient_id"])
        others = source.more["pathology_left_out"]
        assert others[["empi_anon", "severity_raw"]].to_numpy().tolist() == [[B, severity[0]]]
        labels = source.labels.set_index(["exam_id", "laterality"])
        assert labels.loc[(B1, "L"), "cancer"] == "" and labels.loc[(B1, "L"), "kind"] == ""

    def test_both_sides(self, read):
        pathology = read(one(FINDINGS, 4, bside="B")).pathology
        assert pathology.loc[pathology["patient_id"] == B, "laterality"].tolist() == ["L", "R"]

    def test_the_side_of_the_specimen_before_that_of_the_finding(self, read):
        source = read(one(FINDINGS, 4, bside="R"))
        assert source.pathology.set_index("patient_id").loc[B, "laterality"] == "R"
        source = read(one(FINDINGS, 4, bside="", side=""))  # the exam is of the left breast
        assert source.pathology.set_index("patient_id").loc[B, "laterality"] == "L"

    def test_a_woman_with_a_cancer_of_unknown_side_is_never_negative(self, read):
        source = read(one(FINDINGS, 4, bside="", side="", desc="MG Diagnostic Bilateral"))
        assert B not in set(source.exams["patient_id"])
        assert "2 exams were left out: a cancer of hers is of unknown side." in source.notes

    @pytest.mark.parametrize("cells", [{"path_severity": "7"}, {"bside": "X"}, {"asses": "Q"},
                                       {"side": "left"}, {"procdate_anon": "02/07/2013"}])  # fmt: skip
    def test_unknown_codes_are_refused(self, read, cells):
        with pytest.raises(InputError, match=f"{next(iter(cells)).split('_anon')[0]}.*{B2}"):
            read(one(FINDINGS, 4, **cells))


class TestLabels:
    def test_by_breast_within_a_year_and_only_of_women_seen_again(self, read):
        labels = read().labels.set_index(["exam_id", "laterality"])
        assert labels["cancer"].to_dict() == {
            (A1, "L"): "1", (A1, "R"): "", (A2, "L"): "1", (A3, "L"): "",
            (B1, "L"): "1", (B1, "R"): "", (B2, "L"): "1",
            (C1, "L"): "0", (C1, "R"): "0", (C2, "L"): "", (C2, "R"): "",
        }  # fmt: skip
        assert labels.loc[(A1, "L"), "invasive"] == "1" and labels.loc[(B1, "L"), "invasive"] == "0"

    def test_the_unreported_breast_of_a_bilateral_exam_was_read_negative(self, read):
        labels = read().labels.set_index(["exam_id", "laterality"])
        assert labels.loc[(A1, "R"), ["birads", "asses_raw", "reading_derived"]].tolist() == [
            "1", "", "1",
        ]  # fmt: skip
        assert labels.loc[(A1, "L"), ["birads", "asses_raw", "reading_derived"]].tolist() == [
            "0", "A", "0",
        ]  # fmt: skip
        assert (A2, "R") not in labels.index
        assert labels.loc[[(B1, "L"), (B1, "R")], "birads"].tolist() == ["1", "1"]  # no side

    def test_a_year_is_365_days(self, read):
        late = one(FINDINGS, 4, pdate_anon="2015-03-01", study_date_anon="2015-03-01")
        assert (
            read(late).labels.set_index(["exam_id", "laterality"]).loc[(B1, "L"), "cancer"] == "1"
        )
        later = one(FINDINGS, 4, pdate_anon="2015-03-02", study_date_anon="2015-03-02")
        labels = read(later).labels.set_index(["exam_id", "laterality"])
        assert labels.loc[[(B1, "L"), (B1, "R")], "cancer"].tolist() == ["0", "0"]

    def test_the_cohort_says_the_same(self, read, tmp_path):
        """Written, read as any hospital's export, and labelled by the pipeline's own rules."""
        out = write_source(read(), tmp_path / "out")
        export = read_export(out)
        rules = CohortRules({"train": 0.6, "dev": 0.2, "test": 0.2})
        cohort = build_cohort(export, rules).cohort.set_index("exam_id")
        assert cohort["cancer_within_1y"].to_dict() == {A1: True, B1: True, C1: False}
        assert cohort.loc[[A1, B1, C1], "cancer_laterality"].tolist() == ["L", "L", ""]
        assert cohort.loc[[A1, B1], "recall"].tolist() == [True, False]
        assert cohort.loc[[A1, B1], "invasive"].tolist() == [True, False]


class TestImages:
    def test_which_are_used(self, read):
        images = read().images.set_index("image_id")
        reasons = {name.removeprefix(f"1.2.{A1}."): reason for name, reason in
                   images.loc[images["exam_id"] == A1, "reason"].items()}  # fmt: skip
        assert reasons == {
            "1": "an earlier acquisition of this view", "2": "", "3": "synthetic 2-D (C-view)",
            "4": "spot or magnified view", "5": "", "6": "view XCCL", "7": "no laterality",
        }  # fmt: skip
        assert (
            images.loc["1.2.1000000000000099.1", "reason"]
            == "its exam is not in the clinical table"
        )
        assert images.loc[f"1.2.{A1}.2", ["path", "spacing_mm", "model"]].tolist() == [
            f"cohort_1/{A}/1.2.{A1}/1.2.3/1.2.{A1}.2.dcm", "0.07", "Model X",
        ]  # fmt: skip

    def test_absent_files(self, read, tmp_path):
        read()
        next((tmp_path / "set").rglob(f"1.2.{B1}.1.dcm")).unlink()
        images = adapt("embed", tmp_path / "set").images.set_index("image_id")
        assert images.loc[f"1.2.{B1}.1", ["use", "reason"]].tolist() == ["0", ABSENT]

    def test_boxes_are_y_first(self, read):
        boxes = read().more["boxes"]
        assert boxes.to_numpy().tolist() == [
            [f"1.2.{A1}.1", "1", "10", "20", "30", "40"], [f"1.2.{A1}.1", "2", "5", "6", "7.5", "8"],
        ]  # fmt: skip

    @pytest.mark.parametrize("text", ["((1, 2, 3),)", "nonsense", "__import__('os')", "(5,)"])
    def test_other_boxes_are_refused(self, read, text):
        with pytest.raises(InputError, match="ROI_coords of image_id"):
            read(files=one(FILES, 0, ROI_coords=text))

    def test_an_exam_of_two_women_is_refused(self, read):
        with pytest.raises(InputError, match="empi_anon is another"):
            read(files=one(FILES, 0, empi_anon=B))
        with pytest.raises(InputError, match="empi_anon differs within acc_anon"):
            read(one(FINDINGS, 6, empi_anon=B))

    def test_descriptions_that_contradict_are_counted(self, read):
        source = read(files=one(FILES, 8, StudyDescription="MG Diagnostic Bilateral"))
        # A2's own file says screening too
        assert "2 exams have StudyDescription against desc; desc decided." in source.notes


class TestRelease:
    def test_reduced_tables_and_their_race_column(self, read):
        renamed = [{("RACE_DESC" if k == "ETHNICITY_DESC" else k): v for k, v in row.items()}
                   for row in FINDINGS]  # fmt: skip
        columns = ["RACE_DESC" if name == "ETHNICITY_DESC" else name for name in CLINICAL]
        source = read(renamed, clinical=columns, name="EMBED_OpenData_{}_reduced.csv")
        assert source.patients.set_index("patient_id").loc[A, "race_ethnicity"] == "black"

    def test_the_second_release_is_refused(self, lines, touch, tmp_path):
        lines("tables/EMBED_OpenData_clinical.csv", "empi_anon,acc_anon,studydate_anon", "1,2,3")
        with pytest.raises(InputError, match="second release"):
            adapt("embed", tmp_path / "set")
        (tmp_path / "set/tables/EMBED_OpenData_clinical.csv").unlink()
        touch("tables/exam_level_anon.parquet")
        assert detect(tmp_path / "set") == ["embed"]
        with pytest.raises(InputError, match="second release"):
            adapt("embed", tmp_path / "set")

    def test_what_is_missing_is_named(self, read, tmp_path):
        with pytest.raises(InputError, match="clinical.csv: column asses is missing"):
            read(clinical=[name for name in CLINICAL if name != "asses"])
        read()
        Path(tmp_path / "set/tables/EMBED_OpenData_metadata.csv").unlink()
        with pytest.raises(MissingInput, match="metadata.csv"):
            adapt("embed", tmp_path / "set")

    def test_the_sheet(self, read, tmp_path):
        source = read()
        assert source.refused == ()
        assert source.extract_date == source.registry_complete_through == "2016-02-01"
        text = (write_source(source, tmp_path / "out") / "DATASHEET.md").read_text()
        assert "| - cancer | 4 |" in text and "Nothing by calendar" in text
        assert "| - left out, synthetic 2-D (C-view) | 1 |" in text
