"""The DICOM index: each bad file gets its reason, none stops the run."""

import os
import zlib

import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from mammolab.data import workers
from mammolab.data.header import spacing_mm_of
from mammolab.errors import MissingInput


def code(value: str, *modifiers: str) -> list[Dataset]:
    """A view code sequence of one item, with modifiers."""
    item = Dataset()
    item.CodeValue = value
    if modifiers:
        item.ViewModifierCodeSequence = [code(modifier)[0] for modifier in modifiers]
    return [item]


def test_a_good_file(tmp_path, write_mammogram, index_of):
    write_mammogram(tmp_path / "P1" / "E1" / "1.2.3.dcm", SoftwareVersions=["1", "b"])
    row = index_of(tmp_path).reset_index().iloc[0]
    assert row["status"] == "ok" and row["reason"] == ""
    assert row[["image_id", "exam_id", "patient_id", "path"]].tolist() == [
        "1.2.3",
        "E1",
        "P1",
        os.path.join("P1", "E1", "1.2.3.dcm"),
    ]
    assert row[["laterality", "view", "manufacturer", "model"]].tolist() == [
        "L",
        "CC",
        "maker",
        "model",
    ]
    assert row[["rows", "columns", "bits_stored", "spacing_mm"]].tolist() == [3, 4, 12, 0.1]
    assert row["transfer_syntax"] == ExplicitVRLittleEndian and len(row["sha256"]) == 64


REJECTIONS = [
    ({"Modality": "CR"}, "modality: CR, not MG"),
    ({"Modality": None}, "modality: none given"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "film: a secondary capture"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "SOP class: 1.2.840.10008.5.1.4.1.1.2"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2.1"}, "for processing:"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.3"}, "tomosynthesis: 1 frames, a volume"),
    ({"PresentationIntentType": "FOR PROCESSING"}, "for processing:"),
    ({"NumberOfFrames": 40}, "tomosynthesis: 40 frames"),
    ({"PatientID": ""}, "missing id: PatientID"),
    ({"AccessionNumber": None}, "missing id: AccessionNumber"),
    ({"SOPInstanceUID": None}, "missing id: SOPInstanceUID"),
    ({"ImageLaterality": None}, "laterality: none given"),
    ({"ImageLaterality": "B"}, "laterality: B"),
    ({"ViewPosition": None}, "view: none given"),
    ({"ViewPosition": "ML"}, "view: ML, not CC or MLO"),
    ({"ViewCodeSequence": code("399260004")}, "view: code 399260004"),
    ({"ViewCodeSequence": code("399162004", "399055006")}, "special view: spot compression"),
    ({"ViewCodeSequence": code("R-10242", "R-102D6")}, "special view: magnification"),
    ({"EstimatedRadiographicMagnificationFactor": "1.8"}, "special view: magnified 1.8 times"),
    ({"PartialView": "YES"}, "partial view: shows a part"),
    ({"Rows": 0}, "image size: 0 x 4"),
    ({"Rows": 60000, "Columns": 60000}, "image size: 60000 x 60000 is above the cap"),
    ({"SamplesPerPixel": 3}, "pixel format: more than one sample"),
    ({"PhotometricInterpretation": "RGB"}, "pixel format: photometric interpretation RGB"),
    ({"BitsAllocated": 32}, "pixel format: 12 bits stored in 32"),
    ({"BitsStored": 17}, "pixel format: 17 bits stored in 16"),
    ({"PixelRepresentation": 2}, "pixel format: PixelRepresentation"),
    ({"PixelData": None}, "pixel data: none"),
    ({"PixelData": b"\0" * 22}, "pixel data: 22 bytes where 24 belong"),
]


@pytest.mark.parametrize(("changes", "reason"), REJECTIONS)
def test_rejected_for_a_reason(tmp_path, write_mammogram, changes, reason, index_of):
    write_mammogram(tmp_path / "one.dcm", **changes)
    row = index_of(tmp_path).reset_index().iloc[0]
    assert row["status"] == "rejected"
    assert row["reason"].startswith(reason)


ACCEPTED = [
    ({"ViewCodeSequence": code("399368009")}, "MLO"),  # the code goes before ViewPosition
    ({"ViewCodeSequence": code("R-10226", "399209000")}, "MLO"),  # implant displaced
    ({"ViewCodeSequence": [], "ViewPosition": "MLO"}, "MLO"),
    ({"PresentationIntentType": None}, "CC"),  # the SOP class says it
    ({"EstimatedRadiographicMagnificationFactor": "1.07"}, "CC"),  # a contact view
    ({"PartialView": "NO"}, "CC"),
    ({"PhotometricInterpretation": "MONOCHROME1"}, "CC"),
    ({"ImagerPixelSpacing": None}, "CC"),
]


@pytest.mark.parametrize(("changes", "view"), ACCEPTED)
def test_accepted(tmp_path, write_mammogram, changes, view, index_of):
    write_mammogram(tmp_path / "one.dcm", **changes)
    row = index_of(tmp_path).reset_index().iloc[0]
    assert (row["status"], row["view"]) == ("ok", view)
    assert row["photometric"] == changes.get("PhotometricInterpretation", "MONOCHROME2")


def test_files_that_are_no_dicom(tmp_path, write_mammogram, index_of):
    good = write_mammogram(tmp_path / "good.dcm").read_bytes()
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "text.txt").write_text("hello" * 100)
    (tmp_path / "no_prefix.dcm").write_bytes(good[128:])
    (tmp_path / "prefix_only.dcm").write_bytes(good[:132])
    (tmp_path / "cut.dcm").write_bytes(good[:-3])
    (tmp_path / "link.dcm").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    index = index_of(tmp_path)
    assert (index["status"] == "ok").sum() == 1 and index.loc["good.dcm", "status"] == "ok"
    assert index.loc["empty.dcm", "reason"].startswith("not DICOM: an empty file, where")
    assert index.loc["text.txt", "image_id"] == "file:text.txt"
    assert index.loc["no_prefix.dcm", "reason"].startswith("not DICOM")
    assert index.loc["prefix_only.dcm", "reason"] == "transfer syntax: none given"
    assert index.loc["cut.dcm", "reason"].startswith("pixel data")
    assert index.loc["link.dcm", "reason"].startswith("not a file")
    assert index.loc["loop", "reason"] == "not a file: a link to a folder, not followed"
    assert len(index) == 8 and (index["reason"] != "").sum() == 7


def test_deflated_bomb_is_refused_unread(tmp_path, mammogram, index_of):
    dataset = mammogram()
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    pydicom.dcmwrite(tmp_path / "bomb.dcm", dataset, enforce_file_format=True)
    with open(tmp_path / "bomb.dcm", "ab") as file:
        file.write(zlib.compress(b"\0" * 10_000_000))
    row = index_of(tmp_path).reset_index().iloc[0]
    assert row["reason"] == f"transfer syntax: {DeflatedExplicitVRLittleEndian}"


def test_nested_sequences_do_not_stop_the_run(tmp_path, write_mammogram, index_of):
    good = write_mammogram(tmp_path / "good.dcm").read_bytes()
    opening = b"\x54\x00\x20\x02SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    meta_end = 144 + int.from_bytes(good[140:144], "little")
    (tmp_path / "deep.dcm").write_bytes(good[:meta_end] + opening * 5000)
    index = index_of(tmp_path)
    assert index.loc["good.dcm", "status"] == "ok"
    assert index.loc["deep.dcm", "status"] == "rejected"


def test_second_file_with_one_uid_is_rejected(tmp_path, write_mammogram, index_of):
    write_mammogram(tmp_path / "b.dcm")
    write_mammogram(tmp_path / "c.dcm", StudyDate="20200101")
    write_mammogram(tmp_path / "a.dcm", Modality="CR")  # unusable: takes nobody's place
    index = index_of(tmp_path)
    assert index["status"].tolist() == ["rejected", "ok", "rejected"]
    assert index.loc["c.dcm", "reason"] == "duplicate: the same SOPInstanceUID as b.dcm"
    assert index["image_id"].tolist() == ["file:a.dcm", "1.2.3", "file:c.dcm"]


def write_views(folder, write_mammogram, index_of, images: dict[str, dict]) -> pd.DataFrame:
    """Write one file a name, all of the same view unless changed, and index them."""
    for number, (name, changes) in enumerate(images.items()):
        usual = {"SOPInstanceUID": f"1.2.{number}", "AcquisitionDate": "20140506"}
        write_mammogram(folder / f"{name}.dcm", **(usual | changes))
    return index_of(folder)


def test_of_a_repeated_view_the_later_is_used(tmp_path, write_mammogram, index_of):
    images = {
        "a": {"AcquisitionTime": "101500", "InstanceNumber": 9},
        "b": {"AcquisitionTime": "101530.5", "InstanceNumber": 2},
        "c": {"AcquisitionTime": "091530", "InstanceNumber": 3},
        "other breast": {"AcquisitionTime": "080000", "ImageLaterality": "R"},
        "other view": {"AcquisitionTime": "080000", "ViewPosition": "MLO"},
        "other exam": {"AcquisitionTime": "080000", "AccessionNumber": "E2"},
        "other woman": {"AcquisitionTime": "110000", "PatientID": "P2"},
        "unusable": {"AcquisitionTime": "120000", "PixelData": b"\0" * 22},
    }
    index = write_views(tmp_path, write_mammogram, index_of, images)
    rejected = index[index["status"] == "rejected"]
    assert sorted(rejected.index) == ["a.dcm", "c.dcm", "unusable.dcm"]
    for name in ("a.dcm", "c.dcm"):
        assert rejected.loc[name, "reason"] == "repeated view: b.dcm is used, taken later"
    assert rejected.loc["unusable.dcm", "reason"].startswith("pixel data")


@pytest.mark.parametrize(
    ("first", "second", "used"),
    [
        ({"ContentTime": "090000"}, {"ContentTime": "080000"}, "a.dcm"),  # where no acquisition is
        ({"InstanceNumber": 1}, {"InstanceNumber": 2}, "b.dcm"),  # times removed
        ({"AcquisitionTime": "080000"}, {}, "a.dcm"),
        ({"AcquisitionDate": "20140507"}, {"AcquisitionTime": "235900"}, "a.dcm"),
        ({}, {}, "a.dcm"),
    ],
)
def test_what_is_later(tmp_path, write_mammogram, first, second, used, index_of):
    index = write_views(tmp_path, write_mammogram, index_of, {"a": first, "b": second})
    assert index.index[index["status"] == "ok"].tolist() == [used]
    why = index.loc[index["status"] == "rejected", "reason"].item()
    assert why.endswith("as good" if first == second else "taken later")


def test_the_implant_displaced_view_is_used_first(tmp_path, write_mammogram, index_of):
    displaced = {"ViewCodeSequence": code("399162004", "399209000"), "AcquisitionTime": "090000"}
    index = write_views(
        tmp_path,
        write_mammogram,
        index_of,
        {"plain": {"AcquisitionTime": "100000"}, "pushed": displaced},
    )
    reason = "repeated view: pushed.dcm is used, with the implant displaced"
    assert index.loc["plain.dcm", "reason"] == reason
    assert index.loc["pushed.dcm", "status"] == "ok"


def test_an_unreadable_instance_number_rejects_nothing(tmp_path, mammogram, index_of):
    dataset = mammogram()
    dataset.InstanceNumber = 1234
    path = tmp_path / "one.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    path.write_bytes(path.read_bytes().replace(b"1234", b"1.x4"))
    assert b"1.x4" in path.read_bytes()
    assert index_of(tmp_path).reset_index().iloc[0][["status", "reason"]].tolist() == ["ok", ""]


def test_spacing_is_the_detectors_over_the_magnification(mammogram):
    spacing_mm = spacing_mm_of(mammogram(EstimatedRadiographicMagnificationFactor="1.25"))
    assert spacing_mm == pytest.approx(0.08)
    assert spacing_mm_of(mammogram(ImagerPixelSpacing=None, PixelSpacing=[0.2, 0.2])) is None
    assert spacing_mm_of(mammogram(ImagerPixelSpacing=[0.1, 0.2])) is None
    assert spacing_mm_of(mammogram(ImagerPixelSpacing=[0, 0])) is None


def test_number_of_workers_changes_nothing(tmp_path, write_mammogram, index_of):
    for number in range(150):
        changes = {"AccessionNumber": f"E{number % 60}"}
        changes |= {"Modality": "CR"} if number % 7 == 0 else {}
        write_mammogram(tmp_path / f"{number}.dcm", SOPInstanceUID=f"1.2.{number % 140}", **changes)
    one, two = index_of(tmp_path, workers=1), index_of(tmp_path, workers=2)
    assert one.equals(two) and len(one) == 150
    assert one["reason"].str.startswith("repeated view").sum() > 30


def test_missing_and_empty_folder(tmp_path, index_of):
    assert index_of(tmp_path).empty
    with pytest.raises(MissingInput, match="no such folder"):
        index_of(tmp_path / "nowhere")


def _die_on_odd_tens(number: int) -> int:
    if number % 20 == 10:
        os._exit(1)
    return number * number


def test_dead_workers_cost_their_items_alone():
    answers = list(
        workers.contained_stream(
            _die_on_odd_tens, range(50), 2, lambda number: -number, chunk_size=8
        )
    )
    assert answers == [-n if n % 20 == 10 else n * n for n in range(50)]


def _grab_memory(number: int) -> str:
    try:
        return str(len(np.ones(number, dtype=np.uint8)))
    except MemoryError:
        return "MemoryError"


def test_memory_of_a_worker_is_limited(monkeypatch):
    monkeypatch.setattr(workers, "MEMORY_BYTES", 2**27)
    wanted = [10, 2**28, 20]
    answers = list(workers.contained_stream(_grab_memory, wanted, 1, str))
    assert answers == ["10", "MemoryError", "20"]


def test_mutated_files_never_crash_the_index(tmp_path, write_mammogram, index_of):
    good = write_mammogram(tmp_path / "seed.dcm", ViewCodeSequence=code("399162004")).read_bytes()
    random = np.random.default_rng(7)
    for number in range(150):
        mutant = bytearray(good)
        for at in random.integers(128, len(good), random.integers(1, 8)):
            mutant[at] = random.integers(256)
        if number % 3 == 0:
            del mutant[random.integers(132, len(good)) :]
        elif number % 3 == 1:
            at = random.integers(132, len(good))
            mutant[at:at] = random.bytes(random.integers(1, 40))
        (tmp_path / f"mutant{number:03}.dcm").write_bytes(bytes(mutant))
    index = index_of(tmp_path, workers=2)
    assert len(index) == 151
    assert ((index["reason"] == "") == (index["status"] == "ok")).all()
    assert index["reason"].ne("unreadable header: killed its reader").all()


def test_real_files_that_are_no_screening_mammogram(shared_data, index_of):
    index = index_of(shared_data / "dicom_mg")
    assert index.loc["WG04_MG1_J2KI.dcm", "reason"].startswith("film: ")
    assert index.loc["medcognetics_jpeg2k_3d_DBT_noise.dcm", "reason"].startswith("tomosynthesis")
    chest = index_of(shared_data / "dicom_cxr")
    assert len(chest) == 3 and chest["reason"].str.startswith("modality").all()


def test_a_file_of_another_woman_is_rejected(write_mammogram, tmp_path, index_of):
    for number, patient in enumerate(("P1", "P2", "P3")):
        write_mammogram(
            tmp_path / f"{number}.dcm",
            SOPInstanceUID=f"1.2.{number}",
            PatientID=patient,
            AccessionNumber="E9" if patient == "P3" else "E1",
        )
    exams = pd.DataFrame({"exam_id": ["E1"], "patient_id": ["P1"]})
    index = index_of(tmp_path, exams=exams)
    assert index["status"].tolist() == ["ok", "rejected", "ok"]  # E9 is not in the tables
    assert index.loc["1.dcm", "reason"] == "patient: PatientID P2 is not that of the exam, P1"
