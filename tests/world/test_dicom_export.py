"""DICOM files of the synthetic programme: validity, round trip, resumption, workers."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from mammolab.world.dicom_export import exams_of, export_pixels, write_exam
from mammolab.world.render import render
from mammolab.world.vendors import VENDORS

ROWS, COLUMNS = 128, 104


def frames(n: int = 6) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A few exams, one or more of each vendor, and two lesions."""
    number = np.arange(n)
    exams = pd.DataFrame({
        "exam_id": [f"E{i:04d}" for i in number],
        "patient_id": [f"P{i:04d}" for i in number],
        "exam_date": "2014-05-06",
        "age_years": 58.7,
        "device": [list(VENDORS)[i % 4] for i in number],
        "site": "north",
        "birth_year": 1955,
        "implant": (number == 1).astype(int),
        "breast_seed": number,
        "exam_seed": number + 40,
        "percent_density": 0.3,
        "breast_size_mm": 85.0,
        "texture": 0.4,
    })  # fmt: skip
    lesions = pd.DataFrame({
        "exam_id": ["E0000", "E0002"],
        "laterality": ["L", "R"],
        "kind": ["mass", "calcification"],
        "diameter_mm": [12.0, 9.0],
        "depth": 0.5,
        "height": 0.1,
        "seed": [3, 4],
        "malignant": [True, False],
    })  # fmt: skip
    return exams, lesions


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dicom")
    assert export_pixels(folder, *frames(), ROWS, COLUMNS, 2.0, workers=1) == 24
    return folder


def test_pixels_and_headers_survive_the_file(exported: Path):
    for exam in exams_of(*frames()):
        files = [pydicom.dcmread(p) for p in exported.glob(
            f"{exam.patient_id}/{exam.exam_id}/*.dcm")]  # fmt: skip
        by_view = {(f.ImageLaterality, f.ViewPosition): f for f in files}
        assert len(by_view) == 4
        for view in exam.views():
            file, vendor = by_view[view.laterality, view.view], VENDORS[view.vendor]
            np.testing.assert_array_equal(file.pixel_array, render(view, ROWS, COLUMNS, 2.0))
            assert file.PatientID == exam.patient_id and file.AccessionNumber == exam.exam_id
            assert file.PhotometricInterpretation == vendor.photometric
            assert file.BitsStored == vendor.bits_stored
            assert float(file.ImagerPixelSpacing[0]) == pytest.approx(vendor.spacing_mm(COLUMNS))
            assert file.PatientAge == "058Y"
            assert file.BreastImplantPresent == ("YES" if exam.implant else "NO")
            assert file.VOILUTFunction == vendor.voi_function
            assert "Synthetic" in file.ImageComments and "Synthetic" in str(file.PatientName)
            assert file.ViewCodeSequence[0].CodeMeaning.startswith(
                "cranio" if view.view == "CC" else "medio"
            )


def test_monochrome1_is_shown_like_the_others(exported: Path):
    """Window, then inversion: air is black on every vendor's images."""
    for path in exported.rglob("*.dcm"):
        file = pydicom.dcmread(path)
        shown = pydicom.pixels.apply_voi_lut(file.pixel_array, file)
        shown = shown / (2**file.BitsStored - 1)
        if file.PhotometricInterpretation == "MONOCHROME1":
            shown = 1 - shown
        air = shown[-8:, -20:] if file.ImageLaterality == "L" else shown[-8:, :20]
        assert np.median(air) < 0.1 < np.quantile(shown, 0.95)


def test_uids_are_unique_and_well_formed(exported: Path):
    paths = list(exported.rglob("*.dcm"))
    names = {p.stem for p in paths}
    assert len(names) == len(paths) == 24
    assert all(re.fullmatch(r"2\.25\.[1-9]\d{0,38}", name) for name in names)
    assert {pydicom.dcmread(p, stop_before_pixels=True).SOPInstanceUID for p in paths} == names


def test_files_do_not_depend_on_workers(exported: Path, tmp_path: Path):
    exams, lesions = frames()
    shuffled = exams.iloc[::-1].reset_index(drop=True)
    export_pixels(tmp_path, shuffled, lesions, ROWS, COLUMNS, 2.0, workers=2)
    assert contents(tmp_path) == contents(exported)


def test_resumes_where_it_stopped(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    kept, *lost = sorted(tmp_path.rglob("*.dcm"))
    kept.write_bytes(b"kept")  # a file that is there is not written again
    lost[0].unlink()
    (lost[1].parent / ".2.25.1.99.dcm.7").write_bytes(b"half a file")
    export_pixels(tmp_path, *frames(), ROWS, COLUMNS, 2.0, workers=1)
    found, wanted = contents(tmp_path), contents(exported)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if found[name] != wanted[name]] == [
        str(kept.relative_to(tmp_path))
    ]
    assert "[progress] 6/6 exams" in capsys.readouterr().out


def test_other_pixels_replace_the_files(tmp_path: Path):
    exam = exams_of(*frames(1))[0]
    first = write_exam(tmp_path, exam, ROWS, COLUMNS, 2.0)
    second = write_exam(tmp_path, replace(exam, percent_density=0.2), ROWS, COLUMNS, 2.0)
    assert not set(first) & set(second)
    assert set(tmp_path.rglob("*.dcm")) == set(second)


def test_missing_column_is_named(tmp_path: Path):
    exams, lesions = frames(1)
    with pytest.raises(ValueError, match="exams lacks the columns texture"):
        export_pixels(tmp_path, exams.drop(columns="texture"), lesions, ROWS, COLUMNS, 1.0, 1)
    with pytest.raises(ValueError, match="workers must be at least 1"):
        export_pixels(tmp_path, exams, lesions, ROWS, COLUMNS, 1.0, 0)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_valid_by_dciodvfy(exported: Path):
    for path in sorted(exported.rglob("*.dcm"))[:16]:
        checked = subprocess.run(
            ["dciodvfy", str(path)], check=False, capture_output=True, text=True
        )
        lines = (checked.stderr + checked.stdout).splitlines()
        assert "MammographyImageForPresentation" in lines
        assert [line for line in lines if line.startswith("Error")] == []
