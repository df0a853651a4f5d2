"""The image store, and the image steps of the flow."""

import io

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, RLELossless

from mammolab.data.cohort import CohortRules, build_cohort
from mammolab.data.pixels import to_model_input
from mammolab.data.store import (
    check_images_of_weighted_exams,
    extend_flow,
    open_store,
    views_per_exam,
    why_none,
)
from mammolab.data.tables import read_export
from mammolab.errors import InputError, MissingInput

FRACTIONS = {"train": 0.6, "dev": 0.2, "test": 0.2}


@pytest.fixture
def archive(tmp_path, write_mammogram):
    """Images of E01 (4 views), E04 (3, one of them undecodable), E07 (only a bad one), E99."""
    root = tmp_path / "raw" / "dicom"
    random = np.random.default_rng(3)
    number = 0
    for exam_id, patient_id, views in [
        ("E01", "P1", ["LCC", "LMLO", "RCC", "RMLO"]),
        ("E04", "P2", ["LCC", "LMLO", "RCC"]),
        ("E07", "P4", ["LCC"]),
        ("E99", "P9", ["LCC"]),
    ]:
        for which in views:
            number += 1
            write_mammogram(
                root / patient_id / exam_id / f"1.2.{number}.dcm",
                random.integers(0, 4096, (30, 20), dtype=np.uint16),
                SOPInstanceUID=f"1.2.{number}",
                AccessionNumber=exam_id,
                PatientID=patient_id,
                ImageLaterality=which[0],
                ViewPosition=which[1:],
                # Read by no index, only when the pixels are converted.
                VOILUTFunction="CUBIC" if (exam_id, which) in UNDECODABLE else "LINEAR",
            )
    (root / "notes.txt").write_text("none of these is an image")
    return root


UNDECODABLE = {("E04", "LMLO"), ("E07", "LCC")}
COHORT_EXAMS = ["E01", "E04", "E07", "E11"]


def test_store_holds_one_row_an_image(archive, tmp_path, convert_folder):
    path = tmp_path / "images.npy"
    index, images = convert_folder(archive, path, 32, 16, exam_ids=COHORT_EXAMS)
    store = open_store(path)
    assert store.shape == (6, 32, 16) and store.dtype == np.uint8
    assert images["exam_id"].tolist() == ["E01"] * 4 + ["E04"] * 3 + ["E07"]
    assert images["row"].tolist() == [0, 1, 2, 3, 4, pd.NA, 5, pd.NA]
    assert images["reason"].str.startswith("VOI: function CUBIC").sum() == 2
    paths = index.set_index("image_id")["path"]
    for image in images[images["status"] == "ok"].itertuples():
        expected, record = to_model_input(archive / paths[image.image_id], 32, 16)
        assert (store[image.row] == expected).all()
        assert (image.window, image.flipped) == (record.window, record.flipped)
        assert image.preprocessing_hash == record.preprocessing_hash
    assert not list(tmp_path.glob(".images*"))


def test_number_of_workers_changes_nothing(archive, tmp_path, convert_folder):
    _, one = convert_folder(archive, tmp_path / "one.npy", 16, 16, 0.2, workers=1)
    _, two = convert_folder(archive, tmp_path / "two.npy", 16, 16, 0.2, workers=2)
    pd.testing.assert_frame_equal(one, two)
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()


def test_progress_is_shown(archive, tmp_path, capfd, convert_folder):
    convert_folder(archive, tmp_path / "images.npy", 16, 16)
    assert "[progress] 9/9 images" in capfd.readouterr().out


def test_mutated_streams_never_crash_the_store(tmp_path, write_mammogram, convert_folder):
    random = np.random.default_rng(11)
    pixels = (np.arange(1024, dtype=np.uint16) * 3).reshape(32, 32)
    streams = {"rle": RLELossless, "j2k": JPEG2000Lossless, "native": None}
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG2000", irreversible=False, no_jp2=True)
    for name, syntax in streams.items():
        seed = write_mammogram(tmp_path / "seeds" / f"{name}.dcm", pixels, BitsStored=16)
        dataset = pydicom.dcmread(seed)
        if name == "rle":
            dataset.compress(syntax)
        elif name == "j2k":
            dataset.file_meta.TransferSyntaxUID = syntax
            dataset.PixelData = encapsulate([stream.getvalue()])
            dataset["PixelData"].is_undefined_length = True
        for number in range(50):
            dataset.SOPInstanceUID = f"1.2.{len(name)}.{number}"
            dataset.AccessionNumber = f"E{name}{number}"
            content = io.BytesIO()
            pydicom.dcmwrite(content, dataset)
            mutant = bytearray(content.getvalue())
            for at in random.integers(400, len(mutant), 1 + number % 6):
                mutant[at] = random.integers(256)
            path = tmp_path / "tree" / name / f"{number}.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(mutant))
    index, images = convert_folder(tmp_path / "tree", tmp_path / "images.npy", 16, 16, workers=2)
    assert len(images) == (index["status"] == "ok").sum() > 40
    assert images["row"].notna().sum() == len(open_store(tmp_path / "images.npy")) > 40
    assert ((images["reason"] == "") == (images["status"] == "ok")).all()


def test_no_image_of_the_cohort(archive, tmp_path, convert_folder):
    with pytest.raises(InputError, match="no usable image belongs to an exam of the cohort"):
        convert_folder(archive, tmp_path / "i.npy", 16, 16, exam_ids=["E02"])
    assert not (tmp_path / "i.npy").exists()


def test_open_store_refuses_what_is_none(tmp_path):
    with pytest.raises(MissingInput, match="does not exist"):
        open_store(tmp_path / "images.npy")
    (tmp_path / "images.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a readable"):
        open_store(tmp_path / "images.npy")
    np.save(tmp_path / "images.npy", np.zeros((2, 3)))
    with pytest.raises(InputError, match="not uint8"):
        open_store(tmp_path / "images.npy")


def test_flow_with_images_adds_up(archive, tmp_path, tiny_rows, write_export, convert_folder):
    result = build_cohort(read_export(write_export(tiny_rows)), CohortRules(FRACTIONS))
    index, images = convert_folder(
        archive, tmp_path / "images.npy", 16, 16, exam_ids=result.cohort["exam_id"]
    )
    flow = extend_flow(result.flow, result.cohort, index, images)
    assert (flow["n_exams"].diff().dropna() == -flow["n_removed_exams"][1:]).all()
    added = flow.iloc[len(result.flow) :].set_index("step")
    assert added["n_images"].tolist() == [10, 9, 8, 6, 6]
    # E10 was never pulled; E07 and E11 have no image that converts.
    assert added["n_exams"].tolist() == [4, 4, 4, 2, 2]
    assert added.loc["exams for analysis", "reason"].startswith("1 exams with fewer than four")
    views = views_per_exam(images).set_index("exam_id")
    assert views["n_views"].tolist() == [4, 2] and views["complete"].tolist() == [True, False]


def test_weights_without_images_stop_the_run():
    cohort = pd.DataFrame({"exam_id": [f"E{i}" for i in range(40)], "has_pixels": True})
    index = pd.DataFrame({"exam_id": [f"E{i}" for i in range(39)], "status": "ok", "reason": ""})
    check_images_of_weighted_exams(cohort, index)  # one of forty may have lost its files
    with pytest.raises(InputError, match="sampling_weight is given for 40 .* 3 of them .* E37"):
        check_images_of_weighted_exams(cohort, index.head(37))
    check_images_of_weighted_exams(cohort.assign(has_pixels=False), index.head(0))


def test_why_there_is_no_image():
    film = {"exam_id": "E1", "status": "rejected", "reason": "film: not asked for"}
    index = pd.DataFrame([film, film, film | {"reason": "view: none"}])
    assert why_none(index) == "; 2 of 3 files are left out as 'film: not asked for'"
    index["status"] = "ok"
    assert why_none(index) == "; files name exams such as E1"
    assert why_none(index.head(0)) == ""
