"""DICOM files of the synthetic programme: validity, round trip, resumption, workers."""

import re
import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from mammolab.world.dicom_export import encode_view, exams_of, export_pixels, write_exam
from mammolab.world.render import render
from mammolab.world.vendors import UPGRADES, VENDORS

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
        "extra_marker": 0,
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
        "contrast": [0.3, 0.0],
    })  # fmt: skip
    return exams, lesions


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dicom")
    assert export_pixels(folder, *frames(), ROWS, COLUMNS, 2.0, 1, extra_rate=0) == 24
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
            assert float(file.ImagerPixelSpacing[0]) == pytest.approx(
                vendor.pixel_mm(ROWS), rel=1e-5
            )
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
    export_pixels(tmp_path, shuffled, lesions, ROWS, COLUMNS, 2.0, workers=2, extra_rate=0)
    assert contents(tmp_path) == contents(exported)


def test_resumes_where_it_stopped(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    kept, *lost = sorted(tmp_path.rglob("*.dcm"))
    kept.write_bytes(b"kept")  # a file that is there is not written again
    lost[0].unlink()
    (lost[1].parent / ".2.25.1.99.dcm.7").write_bytes(b"half a file")
    export_pixels(tmp_path, *frames(), ROWS, COLUMNS, 2.0, workers=1, extra_rate=0)
    found, wanted = contents(tmp_path), contents(exported)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if found[name] != wanted[name]] == [
        str(kept.relative_to(tmp_path))
    ]
    assert "[progress] 6/6 exams" in capsys.readouterr().out


def test_other_pixels_replace_the_files(tmp_path: Path):
    exam = exams_of(*frames(1))[0]
    written = set(write_exam(tmp_path, exam, ROWS, COLUMNS, 2.0))
    others = (
        (replace(exam, percent_density=0.2), COLUMNS, 2.0),
        (replace(exam, vendor="birch"), COLUMNS, 2.0),
        (replace(exam, extra_marker=True), COLUMNS, 2.0),
        (exam, 100, 2.0),
        (exam, COLUMNS, 2.5),
    )
    for other, columns, conspicuity in others:
        before, written = written, set(write_exam(tmp_path, other, ROWS, columns, conspicuity))
        assert not before & written
        assert set(tmp_path.rglob("*.dcm")) == written


def test_missing_column_is_named(tmp_path: Path):
    exams, lesions = frames(1)
    with pytest.raises(ValueError, match="exams lacks the columns texture"):
        export_pixels(tmp_path, exams.drop(columns="texture"), lesions, ROWS, COLUMNS, 1.0, 1)
    with pytest.raises(ValueError, match="workers must be at least 1"):
        export_pixels(tmp_path, exams, lesions, ROWS, COLUMNS, 1.0, 0)
    with pytest.raises(ValueError, match="extra_rate must be at least 0, got -1"):
        export_pixels(tmp_path, exams, lesions, ROWS, COLUMNS, 1.0, 1, extra_rate=-1)


def test_software_changes_and_the_machine_stays(tmp_path: Path):
    exams, lesions = frames(2)
    (day, key), device = UPGRADES["dogwood"][0], "dogwood"
    before = pd.Timestamp(day) - pd.Timedelta(days=1)
    exams = exams.assign(device=device, exam_date=[before.date().isoformat(), day])
    export_pixels(tmp_path, exams, lesions, ROWS, COLUMNS, 2.0, 1, extra_rate=0)
    old, new = (
        pydicom.dcmread(next(tmp_path.glob(f"*/{exam}/*.dcm"))) for exam in exams["exam_id"]
    )
    assert old.SoftwareVersions == VENDORS[device].software
    assert new.SoftwareVersions == VENDORS[key].software != old.SoftwareVersions
    assert old.DeviceSerialNumber == new.DeviceSerialNumber
    assert old.ManufacturerModelName == new.ManufacturerModelName


def test_flagged_exams_carry_a_second_marker():
    exams, lesions = frames(2)
    plain, marked = exams_of(exams, lesions)[0], exams_of(exams.assign(extra_marker=1), lesions)[0]
    assert next(plain.views()).lesions == next(marked.views()).lesions
    for one, other in zip(plain.views(), marked.views(), strict=True):
        differs = render(one, ROWS, COLUMNS, 2.0) != render(other, ROWS, COLUMNS, 2.0)
        assert differs[: ROWS // 2].sum() == 0 < differs[ROWS // 2 :].sum()


def test_the_contrast_of_a_lesion_reaches_the_pixels():
    exams, lesions = frames(1)
    left = next(v for v in exams_of(exams, lesions)[0].views() if v.laterality == "L")
    assert left.lesions[0].contrast == 0.3
    faint = exams_of(exams, lesions.assign(contrast=-1.0))[0]
    other = next(v for v in faint.views() if v.laterality == "L")
    assert (render(left, ROWS, COLUMNS, 2.0) != render(other, ROWS, COLUMNS, 2.0)).any()


def test_a_full_matrix_is_exported():
    exam = exams_of(*frames(1))[0]
    view = next(exam.views())
    stored = np.zeros((3328, 2560), np.uint16)
    stored[1, 2] = 4095
    file = pydicom.dcmread(BytesIO(encode_view(stored, exam, view, "2.25.1", 1)))
    np.testing.assert_array_equal(file.pixel_array, stored)
    assert float(file.ImagerPixelSpacing[0]) == pytest.approx(208 / 3328, abs=1e-6)
