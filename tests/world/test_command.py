"""`mammolab world`: a tiny export, its data sheet, going on after a stop, and bad arguments."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from mammolab import cli, schemas
from mammolab.data.meanings import MEANINGS
from mammolab.errors import InputError
from mammolab.world import columns, command
from mammolab.world.command import WorldRequest, export_world, parse_pixels
from mammolab.world.programme import simulate

TINY = ("--women", "30", "--rows", "64", "--pixels", "1/0.2", "--workers", "1")


def run(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line."""
    monkeypatch.setattr(sys, "argv", ["mammolab", "world", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    told = capsys.readouterr()
    return stop.value.code, told.out, told.err


def contents(folder) -> dict:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "world"
    request = WorldRequest(30, rows=64, columns=52, p_rest=0.2)
    said = []
    export_world(request, folder, 1, said.append)
    return folder, request, said


def test_the_export_holds_raw_truth_and_sheet(export):
    folder, request, said = export
    assert {path.name for path in folder.iterdir()} == {
        "raw", "truth", "world.json", "DATASHEET.md",
    }  # fmt: skip
    exams = pd.read_csv(folder / "raw/ehr/exams.csv")
    patients = pd.read_csv(folder / "raw/ehr/patients.csv")
    assert len(patients) == request.n_women
    assert list(exams.columns) == list(schemas.COLUMNS["exams"])
    pulled = exams[exams["sampling_weight"].notna()]
    assert 0 < len(pulled) < len(exams)
    images = {path.parent.name for path in (folder / "raw/dicom").rglob("*.dcm")}
    assert images == set(pulled["exam_id"])
    assert len(pd.read_parquet(folder / "truth/truth_exams.parquet")) == len(exams)
    assert any("exams" in line for line in said) and "DATASHEET" in said[-1]


def test_the_sheet_counts_this_export(export):
    folder, request, _ = export
    sheet = (folder / "DATASHEET.md").read_text()
    exams = pd.read_csv(folder / "raw/ehr/exams.csv")
    images = len(list((folder / "raw/dicom").rglob("*.dcm")))
    for row in (
        f"| women | {request.n_women} |",
        f"| exams | {len(exams)} |",
        f"| DICOM files | {images} |",
        f"| seed | {request.seed} |",
        f"| conspicuity | {request.conspicuity:g} |",
    ):
        assert row in sheet, row
    assert "Synthetic" in sheet.split("\n")[2] and "MIT" in sheet
    for heading in ("What it is for", "How it was made", "missing on purpose", "Known flaws"):
        assert heading in sheet
    assert "{" not in sheet and "not described" not in sheet


def test_every_column_of_an_export_is_described():
    programme = simulate(30, 1, p_precancer=1.0, p_rest=0.2)
    tables = {f"truth_{name}.parquet": f"truth_{name}" for name in ("women", "exams", "lesions")}
    for table, meanings in (MEANINGS | columns.TRUTH).items():
        name = tables.get(table) or {
            "ehr/patients.csv": "patients",
            "ehr/exams.csv": "exams",
            "registry/cancers.csv": "registry",
            "pathology/reports.csv": "pathology",
        }.get(table)
        frame = getattr(programme, name)
        assert set(frame.columns) <= set(meanings), table


def test_a_whole_export_is_left_alone_and_one_cut_short_is_finished(export, tmp_path):
    folder, request, _ = export
    before = contents(folder)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    said = []
    export_world(request, folder, 1, said.append)
    assert len(said) == 1 and "nothing to do" in said[0]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times

    images = sorted((folder / "raw/dicom").rglob("*.dcm"))
    kept = images[1]
    stamp = kept.stat().st_mtime_ns
    images[0].unlink()
    (folder / "DATASHEET.md").unlink()
    (folder / "raw/export.json").unlink()
    export_world(request, folder, 2, said.append)
    assert contents(folder) == before  # byte for byte, on another number of processes
    assert kept.stat().st_mtime_ns == stamp


def test_tables_alone(tmp_path):
    folder = tmp_path / "tables"
    export_world(WorldRequest(30, images=False), folder, 1, lambda line: None)
    assert not (folder / "raw/dicom").exists()
    assert pd.read_csv(folder / "raw/ehr/exams.csv")["sampling_weight"].isna().all()
    sheet = (folder / "DATASHEET.md").read_text()
    assert "no images were asked for" in sheet and "| images | none |" in sheet
    assert "no picture was drawn" in sheet
    said = []  # what images would have been like makes no other export
    export_world(WorldRequest(30, rows=64, columns=52, images=False), folder, 1, said.append)
    assert len(said) == 1 and "nothing to do" in said[0]


def test_the_command_line_says_what_it_does(monkeypatch, capsys, tmp_path):
    folder = tmp_path / "deep" / "world"
    code, out, err = run(monkeypatch, capsys, *TINY, "--out", str(folder))
    assert code == 0 and not err
    assert "30 women" in out and "of" in out and str(folder) in out
    record = json.loads((folder / "world.json").read_text())
    assert record["arguments"]["columns"] == 52  # 13/16 of the rows


def test_help_gives_examples(monkeypatch, capsys):
    code, out, _ = run(monkeypatch, capsys, "--help")
    assert code == 0
    assert "mammolab world --women 200 --out lesson" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--women", "0"), "--women"),
        (("--women", "-3"), "--women"),
        (("--women", "ten"), "--women"),
        (("--seed", "-1"), "--seed"),
        (("--workers", "0"), "--workers"),
        (("--pixels", "0.3"), "--pixels"),
        (("--pixels", "0/1"), "--pixels"),
        (("--pixels", "0.3/1.2"), "--pixels"),
        (("--pixels", "nan/1"), "--pixels"),
        (("--conspicuity", "0"), "--conspicuity"),
        (("--conspicuity", "nan"), "--conspicuity"),
        (("--rows", "100"), "100"),
        (("--rows", "-64"), "-64"),
        (("--columns", "64"), "64"),
    ],
)
def test_bad_arguments_stop_before_anything_is_written(
    monkeypatch, capsys, tmp_path, arguments, told
):
    folder = tmp_path / "world"
    code, _, err = run(monkeypatch, capsys, *TINY, "--out", str(folder), *arguments)
    assert code == 2
    assert told in err and "Traceback" not in err
    assert not folder.exists()


def test_a_folder_of_something_else_is_refused(monkeypatch, capsys, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    code, _, err = run(monkeypatch, capsys, *TINY, "--out", str(tmp_path))
    assert code == 2 and "other files" in err
    assert contents(tmp_path) == {"thesis.txt": b"mine"}
    code, _, err = run(monkeypatch, capsys, *TINY, "--out", str(tmp_path / "thesis.txt"))
    assert code == 2 and "a file, not a folder" in err


def test_another_export_is_refused(export):
    folder, request, _ = export
    before = contents(folder)
    other = WorldRequest(**{**vars(request), "seed": 5})
    with pytest.raises(InputError, match="seed 2019, not 5"):
        export_world(other, folder, 1)
    assert contents(folder) == before


def test_another_version_is_refused(export, monkeypatch):
    folder, request, _ = export
    monkeypatch.setattr(command, "code_digest", lambda: "other")
    with pytest.raises(InputError, match="another version"):
        export_world(request, folder, 1)


def test_a_damaged_record_is_refused(tmp_path):
    (tmp_path / "world.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        export_world(WorldRequest(30), tmp_path, 1)


def test_a_full_disk_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(
        command.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000})
    )
    with pytest.raises(InputError, match="GB free"):
        export_world(WorldRequest(30, rows=64, columns=52), tmp_path / "world", 1)
    assert not (tmp_path / "world").exists()


def test_the_pixel_option_takes_two_probabilities():
    assert parse_pixels("1/0.5") == (1.0, 0.5)
    assert np.isclose(parse_pixels("1e-3/1"), (0.001, 1)).all()


def test_time_left_starts_anew_with_other_work(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(command.time, "monotonic", lambda: now[0])
    said = []
    progress = command._Progress(said.append)
    for seconds, line in (
        (10.0, "[progress] 100/300 lesions"),
        (90.0, "[progress] 50/150 exams"),  # other work, begun at a time unknown
        (100.0, "[progress] 100/150 exams"),
    ):
        now[0] = seconds
        progress.write(line)
    assert said == [
        "  100 of 300 lesions, 20 s left",
        "  50 of 150 exams",
        "  100 of 150 exams, 10 s left",
    ]
