"""A source is checked before it is written, and written whole or not at all."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from mammolab.data.adapters import folder
from mammolab.data.adapters.base import ABSENT, TABLES, files_below, mark_absent
from mammolab.data.adapters.folder import write_source
from mammolab.data.adapters.rules import check_source
from mammolab.data.ingest import read_given
from mammolab.data.lacks import NEED_PREVALENCE
from mammolab.data.source import GIVEN
from mammolab.errors import InputError


def changed(source, name, **columns):
    return replace(source, **{name: getattr(source, name).assign(**columns)})


def test_what_is_written_is_what_was_given(source, tmp_path):
    out = write_source(source, tmp_path / "deep" / "out")
    for name, relative in folder.FILES.items():
        read = pd.read_csv(out / relative, dtype=str, keep_default_na=False)
        pd.testing.assert_frame_equal(read, getattr(source, name), check_dtype=False)
    header = json.loads((out / "export.json").read_text())
    assert header["extract_date"] is None and header["synthetic"] is False
    assert header["lacks"] == ["dates", "race"] and header["dataset"] == "none"
    assert header["refuses"] == list(NEED_PREVALENCE)
    assert not list(out.parent.glob(".*"))


def test_ingest_reads_the_table_of_images(source, tmp_path):
    given = read_given(write_source(source, tmp_path / "out") / "images.csv")
    assert set(TABLES["images"]) - {"path", "use", "reason"} <= set(GIVEN)
    assert given["a.dcm"]["view"] == "CC" and given["c/d.dcm"]["use"] == "0"


def test_the_sheet_counts_and_refuses(source, tmp_path):
    text = (write_source(source, tmp_path / "out") / "DATASHEET.md").read_text()
    assert "Refused without sampling weights: PPV, NPV, recall rate" in text
    for row in ("| - cancer | 1 |", "| - no cancer | 1 |", "| - unlabelled | 1 |",
                "| images listed | 3 |", "| - left out, view AT | 1 |",
                "| breasts of split train | 3 |", r"| exam_id | a\|b |"):  # fmt: skip
        assert row in text
    assert "No dates" in text and "No race" in text and "Cancer by formula." in text


def test_weights_or_a_natural_prevalence_lift_the_refusal(source, card):
    assert changed(source, "exams", sampling_weight=["1", "9"]).refused == ()
    assert changed(source, "exams", sampling_weight=["1", ""]).refused == tuple(NEED_PREVALENCE)
    assert replace(source, card=replace(card, prevalence="natural")).refused == ()


class TestFolder:
    def test_an_earlier_output_is_replaced(self, source, tmp_path):
        out = write_source(source, tmp_path / "out")
        write_source(changed(source, "exams", site=["A", "B"]), out)
        assert "A" in (out / "ehr" / "exams.csv").read_text()
        assert not list(tmp_path.glob(".out*"))

    @pytest.mark.parametrize("how", ["strange", "added", "file"])
    def test_anything_else_is_left_alone(self, source, tmp_path, how):
        out = tmp_path / "out"
        if how == "file":
            out.write_text("mine")
        elif how == "strange":
            out.mkdir()
            (out / "thesis.txt").write_text("mine")
        else:
            write_source(source, out)
            (out / "images.npy").write_text("mine")
        before = sorted(path.name for path in tmp_path.rglob("*"))
        with pytest.raises(InputError, match="holds something else"):
            write_source(source, out)
        assert sorted(path.name for path in tmp_path.rglob("*")) == before

    def test_behind_a_link_the_folder_is_replaced_and_the_link_stays(self, source, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        for _ in range(2):
            write_source(source, tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real" / "export.json").is_file()
        assert not list(tmp_path.glob(".*"))

    @pytest.mark.parametrize("out", [".", ".."])
    def test_the_folder_one_is_in_is_left_alone(self, source, tmp_path, monkeypatch, out):
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        with pytest.raises(InputError, match="the folder you are in"):
            write_source(source, out)

    def test_a_file_above_is_named(self, source, tmp_path):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(InputError, match="cannot be made: .*file is a file"):
            write_source(source, tmp_path / "file" / "deep" / "out")

    def test_a_failure_leaves_what_was_there(self, source, tmp_path, monkeypatch):
        out = write_source(source, tmp_path / "out")
        before = (out / "ehr" / "exams.csv").read_text()

        def full(_):
            raise OSError("disk full")

        monkeypatch.setattr(folder, "datasheet", full)
        with pytest.raises(OSError, match="disk full"):
            write_source(changed(source, "exams", site=["A", "B"]), out)
        assert (out / "ehr" / "exams.csv").read_text() == before
        assert not list(tmp_path.glob(".out*"))


class TestCheck:
    def test_what_holds_passes(self, source):
        assert check_source(source) is source

    @pytest.mark.parametrize(
        "name, columns, message",
        [
            ("patients", {"patient_id": ["P1", "P1"]}, "patients: patient_id repeats.*P1"),
            ("exams", {"exam_id": ["E1", ""]}, "exams: exam_id is blank"),
            ("exams", {"patient_id": ["P1", "P9"]}, "no row of patients for exam_id E2"),
            ("exams", {"age_years": ["", "414"]}, "age_years .* from 0 to 120.*E2"),
            ("exams", {"exam_date": ["", "201005"]}, "exam_date .*YYYY-MM-DD.*E2"),
            ("exams", {"recall": ["", "no"]}, "recall holds what is not 0 or 1"),
            ("exams", {"birads": ["4a", ""]}, "birads .*one of 0, 1, 2"),
            ("exams", {"sampling_weight": ["inf", ""]}, "sampling_weight"),
            ("labels", {"laterality": ["L", "L", "L"]}, "exam_id/laterality repeats.*E1/L"),
            ("labels", {"exam_id": ["E1", "E1", "E9"]}, "no row of exams"),
            ("labels", {"kind": ["", "pathology", ""]}, "kind is blank"),
            ("labels", {"invasive": ["", "1", ""]}, "invasive is 1 where cancer is not"),
            ("labels", {"split": ["train", "test", "train"]}, "split differs within patient_id"),
            ("images", {"image_id": ["I1", "I1", "I3"]}, "image_id repeats"),
            ("images", {"image_id": ["I1", "I/2", "I3"]}, "no id that ingest takes for image_id I/2"),
            ("images", {"path": ["a", "a", "b"]}, "path repeats"),
            ("images", {"path": ["a", "../b", "c"]}, "leads out"),
            ("images", {"path": ["a", "/b", "c"]}, "leads out"),
            ("images", {"view": ["CC", "", ""]}, "used without laterality or view"),
            ("images", {"view": ["CC", "AT", ""]}, "one of CC, MLO"),
            ("images", {"reason": ["", "", ""]}, "a reason must stand"),
            ("images", {"patient_id": ["P1", "P2", "P2"]}, "no row of exams for image_id I2"),
        ],
    )  # fmt: skip
    def test_what_does_not_is_refused_in_one_sentence(self, source, name, columns, message):
        with pytest.raises(InputError, match=message) as caught:
            check_source(changed(source, name, **columns))
        assert str(caught.value).count(". ") == 0

    def test_an_absent_column(self, source):
        with pytest.raises(InputError, match="images: column intent is missing"):
            check_source(replace(source, images=source.images.drop(columns="intent")))


def test_absent_files_are_counted_and_surplus_ones_too(source):
    images, notes = mark_absent(source.images, {"a.dcm", "new.dcm", "newer.dcm"})
    assert images["use"].tolist() == ["1", "0", "0"]
    assert images["reason"].tolist() == ["", ABSENT, ABSENT]
    assert notes[0].startswith("2 of 3 listed images") and notes[1].startswith("2 image files")


@pytest.mark.parametrize("linked", ["images", "images/deep"])
def test_a_linked_folder_is_refused_for_ingest_follows_none(tmp_path, linked):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "set" / linked
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link to another folder"):
        files_below(tmp_path / "set", "images", ".dcm")
