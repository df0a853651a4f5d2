"""The images of a run: exports and adapted data sets, killed runs, changed settings."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mammolab.data.adapters.base import Card, Source, table
from mammolab.data.adapters.folder import write_source
from mammolab.data.archive import convert_archive, find_archive, index_archive
from mammolab.data.pixels import ORDER, to_model_input
from mammolab.data.store import open_store, views_per_exam
from mammolab.errors import MissingInput

VIEWS = ["LCC", "LMLO", "RCC", "RMLO"]
COHORT = pd.DataFrame({"exam_id": ["E1", "E2", "E3"], "patient_id": ["P1", "P2", "P3"]})


@pytest.fixture
def raw(tmp_path, write_mammogram):
    """An export with four views of E1, of E2 and of E9, which is outside the cohort."""
    for exam in (1, 2, 9):
        for number, which in enumerate(VIEWS):
            write_mammogram(
                tmp_path / "raw" / "dicom" / f"E{exam}" / f"{which}.dcm",
                np.random.default_rng([exam, number]).integers(0, 4096, (30, 20), np.uint16),
                SOPInstanceUID=f"1.{exam}.{number}", AccessionNumber=f"E{exam}",
                PatientID=f"P{exam}", ImageLaterality=which[0], ViewPosition=which[1:],
            )  # fmt: skip
    (tmp_path / "raw" / "export.json").write_text("{}")
    return tmp_path / "raw"


def run_chapter(raw, run, rows=16, columns=12, min_views=1, workers=1, **rules):
    """What the cells of chapter 03 do."""
    archive = find_archive(raw, **rules)
    facts = index_archive(archive, run, COHORT, workers)
    return convert_archive(
        facts, archive, run, run / "images.npy", rows, columns, None, min_views, workers,
        set(COHORT["exam_id"]),
    )  # fmt: skip


def test_an_export(raw, tmp_path):
    index, images = run_chapter(raw, tmp_path / "run")
    assert (index["status"] == "ok").all() and len(index) == 12
    store = open_store(tmp_path / "run" / "images.npy")
    assert store.shape == (8, 16, 12) and images["row"].tolist() == list(range(8))
    assert images["exam_id"].tolist() == ["E1"] * 4 + ["E2"] * 4
    assert set(images["operations"]) == {ORDER}
    for image in images.itertuples():
        expected, record = to_model_input(raw / "dicom" / image.path, 16, 12)
        assert (store[image.row] == expected).all()
        assert image.preprocessing_hash == record.preprocessing_hash


@pytest.fixture
def adapted(tmp_path, write_mammogram):
    """A data set as `mammolab adapt` writes it: ids and views are in its table alone."""
    images = tmp_path / "set"
    rows = []
    for number, (exam, which) in enumerate((e, w) for e in ("E1", "E2") for w in VIEWS):
        name = f"{number}.{'png' if exam == 'E2' else 'dcm'}"
        pixels = np.random.default_rng(number).integers(0, 4096, (30, 20), np.uint16)
        if exam == "E2":
            images.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(images / name)
        else:
            write_mammogram(
                images / name, pixels, SOPInstanceUID=f"1.{number}", PatientID="anonymous",
                AccessionNumber="", ImageLaterality=None, ViewPosition=None,
            )  # fmt: skip
        rows.append((f"I{number}", exam, f"P{exam[1]}", name, which[0], which[1:], "1", ""))
    write_mammogram(images / "mask.dcm", SOPInstanceUID="1.99", AccessionNumber="E1")
    rows.append(("I99", "E1", "P1", "mask.dcm", "L", "CC", "0", "a mask"))
    columns = ["image_id", "exam_id", "patient_id", "path", "laterality", "view", "use", "reason"]
    listed = table("images", dict(zip(columns, zip(*rows, strict=True), strict=True)))
    exams = {"exam_id": ["E1", "E2"], "patient_id": ["P1", "P2"]}
    source = Source(
        Card.read("cmmd"),
        images,
        patients=table("patients", {"patient_id": ["P1", "P2"]}),
        exams=table("exams", exams),
        labels=table("labels", {"exam_id": ["E1", "E2"], "laterality": "L", "cancer": ["1", "0"],
                                "kind": "pathology"}),
        images=listed,
    )  # fmt: skip
    return write_source(source, tmp_path / "raw")


def test_an_adapted_data_set(adapted, tmp_path):
    index, images = run_chapter(adapted, tmp_path / "run")
    assert images["image_id"].tolist() == [f"I{number}" for number in range(8)]
    assert images["patient_id"].tolist() == ["P1"] * 4 + ["P2"] * 4
    assert views_per_exam(images)["complete"].all()
    assert index.set_index("path").loc["mask.dcm", "reason"] == "table: a mask"
    (tmp_path / "set").rename(tmp_path / "moved")
    with pytest.raises(MissingInput, match=r"set: .* not there; run mammolab adapt again"):
        find_archive(adapted)
