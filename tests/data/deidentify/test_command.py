"""`mammolab deidentify` on folders: every file accounted for, outputs whole, leaks withdrawn."""

import csv
import json
import os
import stat

import numpy as np
import pandas as pd
import pydicom
import pytest
from typer.testing import CliRunner

from mammolab import cli
from mammolab.data.deidentify import command, images
from mammolab.data.deidentify.pseudonyms import Pseudonyms
from mammolab.data.tables import read_export
from mammolab.errors import InputError

PIXELS = (np.arange(40 * 32).reshape(40, 32) % 4096).astype(np.uint16)


@pytest.fixture
def folder(tmp_path, known_mammogram):
    """Two women, three exams, five images; names of folders and files name them."""
    root = tmp_path / "in"
    for patient, exam, views in (
        ("MRN0001", "ACC01", 2),
        ("MRN0001", "ACC02", 1),
        ("MRN0002", "ACC03", 2),
    ):
        for view in range(views):
            dataset = known_mammogram(
                PIXELS,
                PatientID=patient,
                PatientName=f"Okonkwo{patient[-1]}^Rosa",
                AccessionNumber=exam,
                StudyInstanceUID=f"1.2.276.{exam[-1]}.77",
                SeriesInstanceUID=f"1.2.276.{exam[-1]}.77.1",
                SOPInstanceUID=f"1.2.276.{exam[-1]}.77.1.{view}",
            )
            _write(dataset, root / f"Okonkwo Rosa {patient}" / f"{exam}-{view}")
    return root


def _write(dataset, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


def _files(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def _links(tmp_path, out="out"):
    (found,) = (tmp_path / "secret" / "key.private").glob(f"*+{out}/files.csv")
    with found.open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def test_exams_and_patients_stay_together(folder, tmp_path, run):
    outcome = run(folder)
    assert outcome.n_leaks == 0 and len(outcome.with_status("written")) == 5
    written = sorted((tmp_path / "out" / "dicom").glob("*/*/*.dcm"))
    assert len(written) == 5
    assert len({path.parents[1] for path in written}) == 2
    assert len({path.parent for path in written}) == 3
    assert not (tmp_path / "out" / "UNFINISHED").exists()
    for row in _links(tmp_path).values():
        assert (tmp_path / "out" / row["new_path"]).is_file()
    everything = b"".join(_files(tmp_path / "out").values()).lower()
    for text in (b"okonkwo", b"mrn000", b"acc0", b"1.2.276", b"hildegard", b"19480312"):
        assert text not in everything
        assert text not in " ".join(_files(tmp_path / "out")).lower().encode()


def test_what_links_old_to_new_is_for_the_owner_alone(folder, tmp_path, run):
    run(folder)
    private = tmp_path / "secret" / "key.private"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    (people,) = private.glob("*/patients.csv")
    rows = pd.read_csv(people, dtype=str)
    assert set(rows["patient_id"]) == {"MRN0001", "MRN0002"} and len(rows) == 3
    folders = {path.name for path in (tmp_path / "out" / "dicom").iterdir()}
    assert set(rows["new_patient_id"]) == folders


def test_a_second_run_does_nothing_and_gives_the_same(folder, tmp_path, run, monkeypatch):
    run(folder)
    before = _files(tmp_path / "out")

    def never(item, *, context):
        raise AssertionError("written again")

    monkeypatch.setattr(command, "write", never)
    outcome = run(folder, workers=2)
    assert _files(tmp_path / "out") == before and len(outcome.with_status("written")) == 5


def test_a_later_delivery_links_and_another_key_does_not(folder, tmp_path, run):
    run(folder)
    run(folder, out=tmp_path / "later")
    run(folder, out=tmp_path / "other", key=tmp_path / "secret2" / "key")
    names = {
        out: {path.name for path in (tmp_path / out / "dicom").iterdir()}
        for out in ("out", "later", "other")
    }
    assert names["out"] == names["later"] and not names["out"] & names["other"]


def test_new_files_are_added_and_gone_ones_are_not_kept(folder, tmp_path, run, known_mammogram):
    run(folder)
    before = set(_files(tmp_path / "out"))
    gone = next(iter(sorted(folder.rglob("ACC03-1"))))
    gone.unlink()
    _write(known_mammogram(PIXELS, PatientID="MRN0003"), folder / "new")
    run(folder)
    after = set(_files(tmp_path / "out"))
    assert len(after - before) == 1 and len(before - after) == 1


def test_a_run_that_was_stopped_says_so_and_goes_on(folder, tmp_path, run, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(command, "_write_tables", stop)
        with pytest.raises(KeyboardInterrupt):
            run(folder)
    assert "hand nothing on" in (tmp_path / "out" / "UNFINISHED").read_text()
    (tmp_path / "out" / "dicom" / ".half.dcm.123").write_text("what a kill leaves")
    outcome = run(folder)
    assert len(outcome.with_status("written")) == 5
    assert not (tmp_path / "out" / "UNFINISHED").exists()
    assert not list((tmp_path / "out").rglob(".half*"))


def test_every_file_is_accounted_for(folder, tmp_path, run, known_mammogram):
    (folder / "Rosa.txt").write_text("Rosa Okonkwo")
    os.rename(next(folder.rglob("ACC02-0")), os.fsencode(folder) + b"/Rosa\xff")
    (folder / "broken link").symlink_to(tmp_path / "nowhere")
    (folder / "cut").write_bytes(next(folder.rglob("ACC01-0")).read_bytes()[:900])
    _write(known_mammogram(PIXELS, Modality="US"), folder / "ultrasound")
    _write(known_mammogram(PIXELS, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33"), folder / "report")
    _write(known_mammogram(PIXELS, PatientID=""), folder / "nobody")
    copy = next(folder.rglob("ACC01-1"))
    (folder / "zcopy").write_bytes(copy.read_bytes())
    bomb = known_mammogram(PIXELS)
    bomb.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    _write(bomb, folder / "deflated")
    outcome = run(folder)
    assert len(outcome.answers) == 13 and len(outcome.with_status("written")) == 5
    reasons = {path: one["reason"] for path, one in outcome.with_status("refused").items()}
    for path, reason in {
        "Rosa.txt": "not DICOM",
        "broken link": "not a file",
        "ultrasound": "modality: US",
        "report": "SOP class",
        "nobody": "missing id: PatientID",
        "zcopy": "duplicate",
        "deflated": "transfer syntax",
    }.items():
        assert reasons.pop(path).startswith(reason)
    assert list(reasons) == ["cut"]
    text = (tmp_path / "out" / "DEIDENTIFICATION.md").read_text()
    assert "| files found | 13 |" in text and "| refused | 8 |" in text
    assert "Rosa" not in text and "ultrasound" not in text


def test_names_of_files_that_are_no_text_are_linked_all_the_same(folder, tmp_path, run):
    os.rename(next(folder.rglob("ACC02-0")), os.fsencode(folder) + b"/Rosa\xff")
    run(folder)
    assert _links(tmp_path)["Rosa\\udcff"]["status"] == "written"


def test_hostile_files_are_contained(folder, tmp_path, run):
    """None stops the run, takes good files with it, or gets through with what it hides."""
    good = next(folder.rglob("ACC01-0")).read_bytes()
    rng = np.random.default_rng(11)
    for number in range(60):
        content = bytearray(good)
        for at in rng.integers(132 if number % 2 else 360, len(good) - len(PIXELS.tobytes()), 3):
            content[at] = rng.integers(256)
        (folder / f"mutant{number}").write_bytes(bytes(content))
    start = good.index(b"\x08\x00\x16\x00UI")  # SOPClassUID, first of the dataset
    nested = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 3000
    (folder / "deep").write_bytes(good[:start] + nested)
    outcome = run(folder)
    assert len(outcome.answers) == 66 and outcome.answers["deep"]["status"] == "refused"
    originals = {path for path in outcome.answers if "Okonkwo" in path}
    assert originals <= set(outcome.with_status("written"))
    for one in outcome.with_status("written").values():
        content = (tmp_path / "out" / one["path"]).read_bytes()
        assert b"Okonkwo" not in content and b"Hildegard" not in content
        written = pydicom.dcmread(tmp_path / "out" / one["path"])
        assert PIXELS.tobytes().startswith(written.PixelData.rstrip(b"\0"))


def test_a_patient_with_the_name_of_a_term_spoils_no_file(tmp_path, run, known_mammogram):
    for number, who in enumerate(["MONOCHROME2", "MRN0002"]):
        dataset = known_mammogram(
            PIXELS,
            PatientID=who,
            PatientName="Breast^Linear",
            SOPInstanceUID=f"1.2.276.9.{number}",
            StationName="BREAST",
            BodyPartExamined="BREAST",
        )
        _write(dataset, tmp_path / "in" / str(number))
    outcome = run(tmp_path / "in")
    assert len(outcome.with_status("written")) == 2
    for one in outcome.answers.values():
        written = pydicom.dcmread(tmp_path / "out" / one["path"])
        assert written.PhotometricInterpretation == "MONOCHROME2"


def test_a_leak_is_withdrawn_and_the_exit_code_is_1(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(
        Pseudonyms,
        "uid",
        lambda self, value: (
            f"2.25.{value[-1]}{value.split('.')[3]}77" if value.startswith("1.2.276.3") else value
        ),
    )
    arguments = ["deidentify", str(folder), "--out", str(tmp_path / "out"), "--workers", "1"]
    result = CliRunner().invoke(cli.app, [*arguments, "--key", str(tmp_path / "secret" / "key")])
    assert result.exit_code == 1 and "leak test: 3 files or tables withdrawn" in result.output
    assert len(list((tmp_path / "out" / "dicom").rglob("*.dcm"))) == 2
    text = (tmp_path / "out" / "DEIDENTIFICATION.md").read_text()
    assert "withdrawn: 3 files, UID in" in text and "1.2.276" not in text


def test_identifiers_of_one_woman_are_searched_in_the_files_of_another(
    folder, tmp_path, run, known_mammogram
):
    """Her name in another's maker's text goes, since it is no maker's."""
    stray = known_mammogram(
        PIXELS, PatientID="MRN0009", PatientName="Smith^Ann", Manufacturer="for Okonkwo1"
    )
    _write(stray, folder / "stray")
    outcome = run(folder)
    written = pydicom.dcmread(tmp_path / "out" / outcome.answers["stray"]["path"])
    assert "Manufacturer" not in written and written.ManufacturerModelName == "model"


def test_a_maker_that_is_also_a_name_stays_when_several_share_it(tmp_path, run, known_mammogram):
    for number in range(4):
        dataset = known_mammogram(
            PIXELS,
            PatientID=f"MRN000{number}",
            PatientName="Philips^Anna" if number == 0 else f"Other{number}^Bea",
            Manufacturer="Philips Medical",
            SOPInstanceUID=f"1.2.276.9.{number}",
            StudyInstanceUID=f"1.2.276.8.{number}",
        )
        _write(dataset, tmp_path / "in" / str(number))
    outcome = run(tmp_path / "in")
    assert len(outcome.with_status("written")) == 4
    for one in outcome.answers.values():
        assert pydicom.dcmread(tmp_path / "out" / one["path"]).Manufacturer == "Philips Medical"


def test_burned_in_text_is_flagged_or_refused(folder, tmp_path, run, known_mammogram):
    flagged = known_mammogram(PIXELS, PatientID="MRN0005", BurnedInAnnotation="YES")
    _write(flagged, folder / "flagged")
    outcome = run(folder)
    assert outcome.answers["flagged"]["status"] == "written"
    text = (tmp_path / "out" / "DEIDENTIFICATION.md").read_text()
    assert "1 images" in text and outcome.answers["flagged"]["path"] in text
    (picture,) = (tmp_path / "secret" / "key.private").glob("*/burned_in.png")
    assert picture.stat().st_size > 0 and not list((tmp_path / "out").rglob("*.png"))
    outcome = run(folder, refuse_burned_in=True)
    assert outcome.answers["flagged"]["reason"].startswith("burned-in text is likely")
    assert len(outcome.with_status("written")) == 5
    assert not list((tmp_path / "secret" / "key.private").glob("*/burned_in.png"))


def test_a_raw_export_stays_one(write_export, tiny_rows, tmp_path, run, known_mammogram):
    raw = write_export(tiny_rows)
    dataset = known_mammogram(PIXELS, PatientID="P1", AccessionNumber="E01", StudyDate="20100110")
    _write(dataset, raw / "dicom" / "P1" / "one.dcm")
    frame = pd.read_csv(raw / "ehr" / "patients.csv", dtype=str)
    frame["surname"] = "Okonkwo"
    frame.to_csv(raw / "ehr" / "patients.csv", index=False)
    outcome = run(raw)
    assert outcome.n_leaks == 0 and len(outcome.answers) == 1
    result = read_export(tmp_path / "out")
    image = pydicom.dcmread(next((tmp_path / "out" / "dicom").rglob("*.dcm")))
    exam = result.exams.set_index("exam_id").loc[str(image.AccessionNumber)]
    assert exam["patient_id"] == image.PatientID
    assert f"{exam['exam_date']:%Y%m%d}" == image.StudyDate
    assert len(result.patients) == 5 and len(result.exams) == 11
    assert "ehr/patients.csv: surname" in outcome.tables.dropped
    assert "Okonkwo" not in (tmp_path / "out" / "ehr" / "patients.csv").read_text()
    header = json.loads((tmp_path / "out" / "export.json").read_text())
    assert header["registry_complete_through"] == "2020-12-31" and header["source"] != "test"


def test_a_table_beside_the_images(folder, tmp_path, run):
    table = pd.DataFrame(
        {
            "patient_id": ["MRN0001", "MRN0002"],
            "exam_id": ["ACC01", "ACC03"],
            "exam_date": ["2014-06-10", "2014-06-10"],
            "score": ["0.1", "0.9"],
            "note": ["Rosa", "none"],
        }
    )
    table.to_csv(tmp_path / "scores.csv", index=False)
    run(folder, tables=(tmp_path / "scores.csv",), keep_columns=("score",))
    result = pd.read_csv(tmp_path / "out" / "tables" / "scores.csv", dtype=str)
    assert list(result) == ["patient_id", "exam_id", "exam_date", "score"]
    exams = {path.name for path in (tmp_path / "out" / "dicom").glob("*/*")}
    assert set(result["exam_id"]) <= exams
    run_again = run(
        folder, tables=(tmp_path / "scores.csv",), keep_columns=("score", "note")
    )  # a name in a kept column is not found where no image of hers has it whole: "Rosa" is
    assert list(run_again.withdrawn) == ["tables/scores.csv"]
    assert not (tmp_path / "out" / "tables").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none", "--out", "out"], "there is no such folder"),
        (["in", "--out", "in/out"], "lie within each other"),
        (["in", "--out", "."], "lie within each other"),
        (["in", "--out", "busy"], "busy holds something else, such as mine"),
        (["in", "--out", "file"], "--out names a file"),
        (["in", "--out", "out", "--key", "out/key"], "must lie neither in --out"),
        (["in", "--out", "out", "--key", "in/key"], "must lie neither in --out"),
        (["in", "--out", "out", "--table", "none.csv"], "there is no such table"),
        (["in", "--out", "out", "--table", "bare.csv"], "column patient_id is missing"),
        (["in", "--out", "out", "--keep-column", "x"], "--keep-column names x"),
        (["in", "--out", "out", "--keep-column", "patient_id"], "patient_id, which is always"),
        (["in", "--out", "out", "--workers", "0"], "--workers is 0"),
        (["in", "--out", "out"], "nothing to de-identify among 1 files"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "text.dcm").write_text("nothing")
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "mine").touch()
    (tmp_path / "file").touch()
    (tmp_path / "bare.csv").write_text("exam_id\nE1\n")
    result = CliRunner().invoke(cli.app, ["deidentify", *arguments])
    assert isinstance(result.exception, InputError), result.output
    assert message in str(result.exception) and "\n" not in str(result.exception)


def test_an_output_of_another_folder_or_key_is_refused(folder, tmp_path, run):
    run(folder)
    other = tmp_path / "in2"
    other.mkdir()
    with pytest.raises(InputError, match="another folder"):
        run(other)
    with pytest.raises(InputError, match="another key"):
        run(folder, key=tmp_path / "key2")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"something that was added, such as notes\.txt"):
        run(folder)


def test_the_search_alone_on_any_output(folder, tmp_path, run):
    """What we wrote passes; a copy by another hand does not, wherever something was left."""
    run(folder)
    key = ["--key", str(tmp_path / "secret" / "key"), "--workers", "1", "--search-only"]
    command_line = ["deidentify", str(folder), "--out", str(tmp_path / "out"), *key]
    result = CliRunner().invoke(cli.app, command_line)
    assert result.exit_code == 0 and "7 files searched, something found in 0" in result.output
    other = tmp_path / "other"
    dataset = pydicom.dcmread(next((tmp_path / "out").rglob("*.dcm")))
    dataset.ImageComments = "seen: Okonkwo1"
    _write(dataset, other / "one.dcm")
    (other / "MRN0002.txt").write_text("nothing")
    (other / "list.csv").write_text("a,b\n1,see ACC03\n")
    (other / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\7" * 50 + b" MRN0001 ")
    (other / "gone").symlink_to(tmp_path / "nowhere")
    command_line[3] = str(other)
    before = _files(tmp_path)
    result = CliRunner().invoke(cli.app, command_line)
    assert result.exit_code == 1 and "something found in 5" in result.output
    assert "one.dcm: PatientName in ImageComments" in result.output
    assert "MRN0002.txt: PatientID in the file name" in result.output
    assert "list.csv: AccessionNumber in column b" in result.output
    assert "broken.dcm: PatientID in the bytes of the file" in result.output
    assert "gone: could not be searched" in result.output
    assert _files(tmp_path) == before


def test_the_command_and_the_key_at_home(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    arguments = ["deidentify", str(folder), "--out", str(tmp_path / "out"), "--workers", "1"]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0 and "5 files, 5 written, 0 refused" in result.output
    key = tmp_path / "home" / ".mammolab" / "deidentify.key"
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o600
    assert images.FOLDER in os.listdir(tmp_path / "out")
