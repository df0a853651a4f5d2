"""Mirai's list: codes of years, what Mirai drops or misreads, and our own export read back."""

import numpy as np
import pandas as pd
import pytest

from mammolab.data.adapters.base import ABSENT
from mammolab.data.adapters.folder import write_source
from mammolab.data.adapters.mirai_export import COLUMNS, STANDARD, mirai_export, write_mirai_csv
from mammolab.data.adapters.registry import adapt
from mammolab.data.lacks import NEED_PREVALENCE
from mammolab.data.outcomes import CANCER
from mammolab.errors import InputError

# exam -> (years_to_cancer, years_to_last_followup); women P0 to P6, every exam_id is 0.
CODES = {"P0": ("0", "0"), "P1": ("4", "4"), "P2": ("5", "6"), "P3": ("100", "10"),
         "P4": ("100", "0"), "P5": ("2", "10"), "P6": ("0.9", "0")}  # fmt: skip


@pytest.fixture
def read(lines, touch, tmp_path):
    """A function (rows) that writes a list with a byte order mark, its files, and adapts it."""

    def run(rows, name="list.csv", **options):
        lines(name, ",".join(COLUMNS), *rows, encoding="utf-8-sig")
        touch(*(row.split(",")[4].removeprefix(f"{tmp_path}/set/") for row in rows))
        return adapt("mirai", tmp_path / "set", options)

    return run


@pytest.fixture
def rows(tmp_path):
    """A function (codes, split) of the rows of whole exams."""

    def make(codes=CODES, split="test"):
        return [
            f"{woman},0,{side},{view},{tmp_path}/set/png/{woman}/{side}{view}.png,{years},{free},{split}"
            for woman, (years, free) in codes.items()
            for side, view in STANDARD
        ]

    return make


def exams_of(source):
    return source.exams.set_index("patient_id")


class TestCodes:
    def test_a_hundred_is_no_cancer_and_years_are_whole(self, read, rows):
        exams = exams_of(read(rows()))
        assert exams["years_to_cancer"].to_dict() == {
            "P0": "0", "P1": "4", "P2": "5", "P3": "", "P4": "", "P5": "2", "P6": "0",
        }  # fmt: skip
        assert exams["years_to_last_followup"].tolist() == ["0", "4", "6", "10", "0", "10", "0"]
        assert exams.loc["P3", "years_to_cancer_raw"] == "100"
        assert exams.loc["P6", "years_to_cancer_raw"] == "0.9"

    def test_exam_ids_repeat_between_women(self, read, rows):
        assert exams_of(read(rows()))["exam_id"].tolist() == [f"P{k}_0" for k in range(7)]
        with pytest.raises(InputError, match="two exams one name"):
            read([row.replace("P1,0,", "a_b,c,").replace("P2,0,", "a,b_c,") for row in rows()])

    def test_only_a_free_year_labels_a_breast(self, read, rows):
        labels = read(rows()).labels.set_index(["exam_id", "laterality"])["cancer"]
        assert labels.xs("L", level=1).tolist() == ["", "0", "0", "0", "", "0", ""]
        assert labels.xs("R", level=1).tolist() == labels.xs("L", level=1).tolist()

    def test_a_cancer_found_at_the_exam_labels_no_breast_whatever_the_follow_up(self, read, rows):
        source = read(rows({"P0": ("0", "10")}))  # as in the list that Mirai ships
        assert source.labels["cancer"].tolist() == ["", ""]

    @pytest.mark.parametrize("column", [5, 6])
    @pytest.mark.parametrize("code", ["-1", "-0.5", "", "101", "soon", "inf"])
    def test_other_codes_are_refused(self, read, rows, column, code):
        cells = rows()[0].split(",")
        cells[column] = code
        with pytest.raises(InputError, match=f"{COLUMNS[column]} is no number of years"):
            read([",".join(cells), *rows()[1:]])

    def test_codes_and_splits_that_differ_are_refused(self, read, rows):
        first, *others = rows()
        with pytest.raises(InputError, match="years_to_cancer differs within patient_id/exam_id"):
            read([first.replace(",0,0,test", ",1,0,test"), *others])
        with pytest.raises(InputError, match="split_group differs"):
            read([first.replace("test", "dev"), *others])
        second = [
            row.replace("P0,0,", "P0,1,").replace("/P0/", "/P0b/") for row in rows(split="dev")
        ]
        with pytest.raises(InputError, match="split differs within patient_id.*P0"):
            read([*rows(), *second[:4]])

    @pytest.mark.parametrize("old, new, what", [(",L,", ",Left,", "laterality"),
                                                (",test", ",val", "split_group"),
                                                ("P0,", ",", "patient_id")])  # fmt: skip
    def test_spellings_mirai_does_not_know(self, read, rows, old, new, what):
        with pytest.raises(InputError, match=what):
            read([rows()[0].replace(old, new, 1), *rows()[1:]])


class TestDropped:
    def test_what_mirai_drops_in_silence_is_said(self, read, rows):
        held = [row for row in rows() if "P3/RMLO" not in row]
        source = read(held)
        assert exams_of(source)["dropped_by_mirai"].to_dict() == {
            "P0": "", "P1": "", "P2": "", "P3": "lacks R MLO",
            "P4": "no cancer within five years and no year of follow-up", "P5": "", "P6": "",
        }  # fmt: skip
        assert any("1 exams without a word: lacks R MLO" in note for note in source.notes)

    def test_of_two_files_of_a_view_the_first(self, read, rows):
        held = rows({"P3": ("100", "10")})
        again = held[0].replace("LCC.png", "LCC2.png")
        c_view = held[0].replace("LCC.png", "c.png").replace(",CC,", ",C-View CC,")
        odd = held[0].replace("LCC.png", "x.png").replace(",CC,", ",ML,")
        images = read([*held, again, c_view, odd]).images
        assert images["use"].tolist() == ["1"] * 4 + ["0"] * 3
        assert images["reason"].tolist()[4:] == [
            "a second file of this view; Mirai takes the first", "C-View; Mirai skips it", "view ML",
        ]  # fmt: skip

    def test_what_else_was_met(self, read, rows):
        notes = " ".join(read(rows() + [rows()[0].replace("P0", "é").replace("/é/", "/e/")]).notes)
        assert "4 years were no whole numbers" in notes
        assert "2 exams have more years free of cancer than years to cancer" in notes
        assert "1 exams have ids with characters that Mirai strips" in notes
        few = read(rows({"P2": ("6", "3")})).notes
        assert any("after five years or more were followed for less" in note for note in few)


class TestFolder:
    def test_absolute_and_relative_paths(self, read, rows, tmp_path):
        source = read(rows())
        assert source.images_root == tmp_path / "set" / "png"
        assert source.images["path"].iloc[0] == "P0/LCC.png"
        assert (source.images["use"] == "1").all()
        relative = [row.replace(f"{tmp_path}/set/", "") for row in rows()]
        source = read(relative)
        assert source.images_root == tmp_path / "set"
        assert source.images["path"].iloc[0] == "png/P0/LCC.png"
        (tmp_path / "set/png/P0/LCC.png").unlink()
        assert adapt("mirai", tmp_path / "set").images["reason"].iloc[0] == ABSENT

    def test_one_list_in_the_folder(self, read, rows):
        read(rows())
        with pytest.raises(InputError, match="2 lists .list.csv, other.csv."):
            read(rows(), name="other.csv")

    def test_prevalence_is_the_users_to_tell(self, read, rows):
        assert read(rows()).refused == tuple(NEED_PREVALENCE)
        assert read(rows(), prevalence="natural").refused == ()
        with pytest.raises(InputError, match="no prevalence 'screening'.*natural"):
            read(rows(), prevalence="screening")


def test_our_export_read_back_says_the_same(tmp_path, touch):
    """Labels and follow-up of random outcomes survive the way to Mirai's format and back."""
    generator = np.random.default_rng(5)
    n = 300
    time = np.round(generator.uniform(0.002, 12, n), 3)
    exam_ids = [f"E{k}" for k in range(n)]
    women = [f"P{k // 2}" for k in range(n)]
    cohort = pd.DataFrame({"exam_id": exam_ids, "patient_id": women})
    cohort["split"] = np.array(["train", "dev", "test"])[(np.arange(n) // 2) % 3]
    outcomes = pd.DataFrame(
        {"exam_id": exam_ids, "time_years": time, "event": generator.integers(0, 3, n)}
    )
    index = pd.DataFrame(
        [
            {"exam_id": exam_id, "path": f"{exam_id}.{side}.{view}.dcm", "laterality": side,
             "view": view, "status": "ok"}
            for exam_id in exam_ids
            for side, view in STANDARD
        ]
    )  # fmt: skip
    export = mirai_export(cohort, outcomes, index, tmp_path / "set" / "png")
    write_mirai_csv(export.rows, tmp_path / "set" / "mirai.csv")
    source = adapt("mirai", tmp_path / "set")
    write_source(source, tmp_path / "out")
    back = source.exams.set_index("exam_id_raw")
    truth = cohort.merge(outcomes, on="exam_id").set_index("exam_id")
    left_out = set(truth.index) - set(back.index)
    short = truth[(truth["time_years"] < 1) & (truth["event"] != CANCER)]
    assert left_out == set(short.index) and 0 < len(left_out) < n / 4
    truth = truth.loc[back.index]
    ill = truth["event"] == CANCER
    years = np.floor(truth["time_years"]).astype(int).astype(str)
    assert back["years_to_cancer"].tolist() == years.where(ill, "").tolist()
    assert back["years_to_last_followup"].tolist() == years.tolist()
    assert back["patient_id"].tolist() == truth["patient_id"].tolist()
    assert back["split"].tolist() == truth["split"].tolist()
    assert (back["dropped_by_mirai"] == "").all()


def test_image_ids_are_ids_that_ingest_takes(read, rows, tmp_path):
    deep = "a folder/" + "x" * 70
    given = rows({"P2": ("5", "6")}) + [
        row.replace("/png/P3/", f"/png/{deep}/") for row in rows({"P3": ("100", "10")})
    ]
    images = read(given).images
    assert set(images["image_id"].iloc[:4]) == {f"P2_{side}{view}" for side, view in STANDARD}
    assert images["image_id"].iloc[4:].str.fullmatch(r"mirai_[0-9a-f]{32}").all()
    assert images["image_id"].is_unique
