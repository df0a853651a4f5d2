"""What else a PACS holds: how often, valid as DICOM, and what the reader makes of each."""

from collections import Counter
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.dataset import Dataset

from mammolab.data.store import views_per_exam
from mammolab.world import parameters_pacs as p
from mammolab.world.constants import Parameter
from mammolab.world.dicom_encode import dataset_of_view, raw_values, to_bytes
from mammolab.world.dicom_export import export_pixels, instance_uid, write_exam
from mammolab.world.exam_pixels import LESION_COLUMNS
from mammolab.world.pacs_extras import DEFECTS, finish, plan
from mammolab.world.pacs_objects import damage
from mammolab.world.render import render
from mammolab.world.vendors import VENDORS, marker, tone_table


@pytest.fixture(scope="module")
def index(export: Path, index_of) -> pd.DataFrame:
    return index_of(export)


def test_the_files_are_those_planned(export: Path, listed, pacs):
    found = {str(path.relative_to(export)) for path in export.rglob("*") if path.is_file()}
    assert found == set(listed)
    kinds = Counter(instance.kind for _, instance in listed.values())
    assert {*pacs.IMAGES, "broken", "dose", "note"} == set(kinds)


def test_standard_views_are_the_same_with_and_without_extras(export: Path, tmp_path: Path, pacs):
    for number in range(4):
        for path in write_exam(tmp_path, pacs.exam_of(number), *pacs.SETTINGS, extra_rate=0):
            assert path.read_bytes() == (export / path.relative_to(tmp_path)).read_bytes()
    assert len(list(tmp_path.rglob("*.dcm"))) == 16


def test_files_with_extras_do_not_depend_on_workers(export: Path, tmp_path: Path, pacs):
    exams = pd.DataFrame([vars(pacs.exam_of(number)) for number in range(6)])
    exams = exams.rename(columns={"vendor": "device"}).replace({"device": {"dogwood-8": "dogwood"}})
    exams.loc[exams["exam_id"] == "E00004", "exam_date"] = date(2016, 1, 1)  # after the upgrade
    none = pd.DataFrame(columns=list(LESION_COLUMNS))
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, workers in ((one, 1), (two, 2)):
        export_pixels(folder, exams, none, *pacs.SETTINGS, workers, extra_rate=pacs.RATE)
    files = {path.relative_to(one): path.read_bytes() for path in one.rglob("*.dcm")}
    assert files == {path.relative_to(two): path.read_bytes() for path in two.rglob("*.dcm")}
    others = {path.relative_to(export): path.read_bytes() for path in export.rglob("*.dcm")}
    same = [
        others.get(path) == content for path, content in files.items() if "E00004" not in str(path)
    ]
    assert len(same) > 30 and all(same)


def test_shares_are_those_stated(pacs):
    exams = [pacs.exam_of(number) for number in range(3000)]
    kinds = Counter(instance.kind for exam in exams for instance in plan(exam, 1.0))
    implants, large = (sum(e.implant for e in exams), sum(e.breast_size_mm > 100 for e in exams))
    expected = {
        "standard": (4, 3000, 1.0),
        "repeat": (1, 12000, p.TECHNICAL_REPEAT.value),
        "partial": (2, large, p.PARTIAL_VIEW.value),
        "displaced": (4, implants, p.IMPLANT_DISPLACED.value),
        "extra": (1, 3000, p.EXTRA_VIEW.value),
        "spot": (1, 3000, p.SPOT_COMPRESSION.value),
        "magnified": (1, 3000, p.MAGNIFICATION_VIEW.value),
        "raw": (4, 3000, p.FOR_PROCESSING.value),
        "dose": (1, 3000, p.DOSE_SCREEN.value),
        "note": (1, 3000, p.NOTE_REPORT.value),
        "broken": (1, 3000, p.BROKEN_FILE.value),
    }
    assert set(kinds) == set(expected)
    for kind, (files, n, share) in expected.items():
        spread = np.sqrt(n * share * (1 - share))
        assert abs(kinds[kind] / files - n * share) <= 3.5 * spread, kind


def test_one_more_extra_changes_nothing_else(monkeypatch: pytest.MonkeyPatch, pacs):
    exams = [pacs.exam_of(number) for number in range(40)]
    before = {i for exam in exams for i in plan(exam, 10.0)}
    more = {"EXTRA_VIEW": "extra", "FOR_PROCESSING": "raw", "BROKEN_FILE": "broken"}
    for name, kind in more.items():
        with monkeypatch.context() as patch:
            patch.setattr(p, name, Parameter(1.0, "1", "always"))
            after = {i for exam in exams for i in plan(exam, 10.0)}
        assert before < after
        assert {i.kind for i in after - before} == {kind}


def test_instance_numbers_and_times_are_told_apart(listed, pacs):
    for number in range(pacs.N_EXAMS):
        exam = pacs.exam_of(number)
        instances = plan(exam, pacs.RATE)
        numbers = [i.number for i in instances]
        assert len(set(numbers)) == len(numbers)
        starts = {(i.view.laterality, i.view.view): i.shot.start_s
                  for i in instances if i.kind == "standard"}  # fmt: skip
        for i in instances:
            if i.kind == "repeat":  # what was repeated came first
                assert i.shot.start_s < starts[i.view.laterality, i.view.view]


REASONS = {
    "standard": "repeated view: ",
    "repeat": "repeated view: ",
    "displaced": "",
    "partial": "partial view: ",
    "extra": "view: code 399",
    "spot": "special view: spot compression",
    "magnified": "special view: magnification",
    "raw": "for processing: ",
    "dose": "film: ",
    "note": "modality: SR",
}
DEFECT_REASONS = {
    "truncated": ("pixel data: ",),
    "empty": ("not DICOM: ",),
    "not DICOM": ("not DICOM: ",),
    "short pixels": ("pixel data: ",),
    "missing tag": ("laterality: none", "pixel format: photometric", "missing id: Accession"),
}


def test_the_reader_uses_or_rejects_each_for_its_reason(index: pd.DataFrame, listed):
    assert set(index.index) == set(listed)
    for path, (exam, instance) in listed.items():
        status, reason = index.loc[path, ["status", "reason"]]
        used = instance.kind == ("displaced" if exam.implant else "standard")
        assert (status == "ok") == used, (instance.kind, reason)
        if instance.kind == "broken":
            assert reason.startswith(DEFECT_REASONS[instance.defect])
        elif not used:
            assert reason.startswith(REASONS[instance.kind])
            assert len(reason) > 10


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_reader_names_each_defect(defect: str, tmp_path: Path, pacs, index_of):
    exam = pacs.exam_of(1)
    standard = plan(exam, 0)[0]
    drawn = render(standard.view, *pacs.SETTINGS)
    for seed in range(6):
        whole = dataset_of_view(drawn, exam, standard.view, f"2.25.{seed}", 10)
        (tmp_path / f"{seed}.dcm").write_bytes(damage(whole, defect, seed))
    found = index_of(tmp_path)
    assert (found["status"] == "rejected").all() and len(found) == 6
    assert found["reason"].str.startswith(DEFECT_REASONS[defect]).all()
    if defect == "missing tag":
        assert found["reason"].nunique() == 3


def test_every_exam_has_its_four_views_in_the_store(export: Path, tmp_path, pacs, convert_folder):
    _, images = convert_folder(export, tmp_path / "images.npy", 64, 52)
    assert (images["status"] == "ok").all() and len(images) == 4 * pacs.N_EXAMS
    views = views_per_exam(images)
    assert len(views) == pacs.N_EXAMS and views["complete"].all() and (views["n_images"] == 4).all()


def test_pixels_survive_the_file(export: Path, listed, pacs):
    for path, (_, instance) in listed.items():
        if instance.kind in pacs.IMAGES:
            file = pydicom.dcmread(export / path)
            drawn = render(instance.view, *pacs.SETTINGS)
            np.testing.assert_array_equal(file.pixel_array, finish(instance, drawn))
            assert (file.pixel_array == drawn).all() == (
                instance.kind in ("standard", "repeat", "partial", "displaced", "magnified")
            )


def test_raw_values_are_linear_in_the_rays_that_arrive():
    for key, vendor in VENDORS.items():
        levels = tone_table(key)
        stored = vendor.maximum - levels if vendor.inverted else levels
        raw = raw_values(stored.astype(np.uint16), key).astype(int)
        assert raw.max() > 0.99 * (2**14 - 1) and raw.min() > 0
        assert (np.diff(raw) <= 0).all()  # more attenuation, fewer rays
        # One unit of signal is one of log attenuation, where the tone curve is not clipped.
        signal = np.linspace(-1.5, 2.5, 4096)
        clear = (signal > -0.2) & (signal < 1.0)
        slope = np.polyfit(signal[clear], np.log(raw[clear]), 1)[0]
        assert slope == pytest.approx(-1, abs=0.02)


def test_an_extra_view_carries_its_own_marker(pacs):
    rows, columns = 256, 208
    found = set()
    for number in range(1, 16):
        exam = pacs.exam_of(number, implant=False)
        for instance in plan(exam, 50.0):
            if instance.kind != "extra":
                continue
            found.add(instance.shot.position)
            view, vendor = instance.view, VENDORS[exam.vendor]
            image = finish(instance, render(view, rows, columns, 2.0)).astype(int)
            image = vendor.maximum - image if vendor.inverted else image
            image = image if view.laterality == "R" else image[:, ::-1]
            letters = marker(exam.vendor, view.laterality, instance.shot.position, rows)
            letters = letters if view.laterality == "R" else letters[:, ::-1]
            top, edge = rows // 20, int(columns * 0.03)
            corner = image[top : top + letters.shape[0], edge : edge + letters.shape[1]]
            lead = (0.98 * vendor.maximum * letters).astype(int)
            assert (corner >= lead).all()
            assert (corner[letters == 0] < 0.2 * vendor.maximum).mean() > 0.95
    assert found == {"XCCL", "ML"}


def test_spot_views_are_collimated_and_repeats_cut_off(pacs):
    for number in range(1, 16):
        exam = pacs.exam_of(number, implant=False)
        standard = {(i.view.laterality, i.view.view): i for i in plan(exam, 0)}
        for instance in plan(exam, 100.0):
            if instance.kind not in ("spot", "repeat"):
                continue
            vendor, view = VENDORS[exam.vendor], instance.view
            image = finish(instance, render(view, 128, 104, 2.0))
            whole = render(standard[view.laterality, view.view].view, 128, 104, 2.0)
            shown, before = (
                ((vendor.maximum - picture if vendor.inverted else picture) > 0.06 * vendor.maximum)
                for picture in (image, whole)
            )
            assert shown.sum() < before.sum()
            if instance.kind == "spot":
                side = p.SPOT_PADDLE.value / vendor.pixel_mm(128)
                assert shown.any(1).sum() <= side + 1 and shown.any(0).sum() <= side + 1


def test_damage():
    def whole() -> Dataset:
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.3"
        dataset.Rows, dataset.Columns, dataset.BitsAllocated = 64, 52, 16
        dataset.PixelRepresentation = 0
        dataset.ImageLaterality, dataset.AccessionNumber = "L", "E1"
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.PixelData = bytes(2 * 64 * 52)
        return dataset

    files = {defect: damage(whole(), defect, 5) for defect in DEFECTS}
    assert files["empty"] == b"" and files["not DICOM"].startswith(b"<!DOCTYPE html>")
    complete = to_bytes(whole())
    cut = len(complete) - len(files["truncated"])
    assert complete.startswith(files["truncated"]) and 0.1 < cut / (2 * 64 * 52) < 0.9
    assert len(complete) - len(files["short pixels"]) == 2 * 8 * 52
    lost = {
        frozenset(whole().dir()) - frozenset(pydicom.dcmread(BytesIO(file)).dir())
        for file in (damage(whole(), "missing tag", seed) for seed in range(30))
    }
    assert lost == {
        frozenset({tag})
        for tag in ("ImageLaterality", "AccessionNumber", "PhotometricInterpretation")
    }
    with pytest.raises(ValueError, match="unknown defect 'burnt'"):
        damage(whole(), "burnt", 5)


def test_uids_depend_on_what_determines_the_pixels(listed, pacs):
    exam = pacs.exam_of(0)
    seen = {instance_uid(exam, i, *pacs.SETTINGS) for i in plan(exam, pacs.RATE)}
    assert len(seen) == len(plan(exam, pacs.RATE))
    first = plan(exam, 0)[0]
    others = [
        instance_uid(exam, first, 192, 156, 2.0),
        instance_uid(exam, first, 128, 100, 2.0),
        instance_uid(exam, first, 128, 104, 2.1),
        instance_uid(replace(exam, vendor="dogwood-8"), first, *pacs.SETTINGS),
        instance_uid(
            exam, replace(first, view=replace(first.view, shift_mm=(1, 0))), *pacs.SETTINGS
        ),
        instance_uid(exam, replace(first, shot=replace(first.shot, start_s=1)), *pacs.SETTINGS),
    ]
    assert len({*seen, *others}) == len(seen) + len(others)
