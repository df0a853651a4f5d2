"""The images of a run: exports and adapted data sets, killed runs, changed settings."""

import os
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mammolab.data import archive as module
from mammolab.data import growing_store
from mammolab.data.adapters.base import Card, Source, table
from mammolab.data.adapters.folder import write_source
from mammolab.data.archive import convert_archive, find_archive, index_archive
from mammolab.data.growing_store import GrowingStore
from mammolab.data.index_cache import Journal
from mammolab.data.pixels import ORDER, to_model_input
from mammolab.data.store import open_store, views_per_exam
from mammolab.errors import InputError, MissingInput

VIEWS = ["LCC", "LMLO", "RCC", "RMLO"]
COHORT = pd.DataFrame(
    {"exam_id": ["E1", "E2", "E3", "1.5"], "patient_id": ["P1", "P2", "P3", "P3"]}
)


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


def test_what_was_done_is_not_done_again(raw, tmp_path, capsys, write_mammogram):
    run = tmp_path / "run"
    run_chapter(raw, run)
    assert "12/12 files indexed" in capsys.readouterr().out
    first = (run / "images.npy").read_bytes()
    began = time.time_ns()
    run_chapter(raw, run)
    assert capsys.readouterr().out == "" and (run / "images.npy").read_bytes() == first
    # Even so the array is new to those who compare times.
    assert (run / "images.npy").stat().st_mtime_ns >= began - 10**8
    assert not list(run.glob(".images*"))
    path = raw / "dicom" / "E1" / "LCC.dcm"
    write_mammogram(path, np.full((30, 20), 9, np.uint16), SOPInstanceUID="1.1.0", PatientID="P1")
    run_chapter(raw, run)
    told = capsys.readouterr().out
    assert "1/1 files indexed" in told and "1/1 images" in told
    whole = tmp_path / "whole"
    run_chapter(raw, whole, workers=2)
    assert (run / "images.npy").read_bytes() == (whole / "images.npy").read_bytes() != first


def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(raw, tmp_path, monkeypatch, capsys):
    keep = GrowingStore._keep
    monkeypatch.setattr(growing_store, "BATCH_BYTES", 3 * 16 * 12)  # three images at a time

    def die_in_the_third(self, answers):
        if len(self) == 6:
            raise KeyboardInterrupt
        keep(self, answers)

    monkeypatch.setattr(GrowingStore, "_keep", die_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        run_chapter(raw, tmp_path / "run")
    assert not (tmp_path / "run" / "images.npy").exists()
    monkeypatch.setattr(GrowingStore, "_keep", keep)
    capsys.readouterr()
    _, images = run_chapter(raw, tmp_path / "run")
    assert capsys.readouterr().out == "[progress] 2/2 images\n"
    _, expected = run_chapter(raw, tmp_path / "whole")
    pd.testing.assert_frame_equal(images, expected)
    one, two = ((tmp_path / name / "images.npy").read_bytes() for name in ("run", "whole"))
    assert one == two


def test_files_that_came_later_leave_no_trace_of_when(raw, tmp_path, write_mammogram):
    """A run that grew gives what a fresh run gives: same rows, and the same of two copies."""
    run = tmp_path / "run"
    run_chapter(raw, run)
    for number, which in enumerate(VIEWS[:2]):
        write_mammogram(
            raw / "dicom" / "E0" / f"{which}.dcm", np.full((30, 20), 99, np.uint16),
            SOPInstanceUID=f"1.3.{number}", AccessionNumber="E3", PatientID="P3",
            ImageLaterality=which[0], ViewPosition=which[1:],
        )  # fmt: skip
    copy = (raw / "dicom" / "E1" / "LCC.dcm").read_bytes()
    (raw / "dicom" / "E0" / "copy.dcm").write_bytes(copy)
    grown, fresh = run_chapter(raw, run), run_chapter(raw, tmp_path / "fresh")
    for one, two in zip(grown, fresh, strict=True):
        pd.testing.assert_frame_equal(one, two)
    assert (run / "images.npy").read_bytes() == (tmp_path / "fresh" / "images.npy").read_bytes()
    assert len(open_store(run / "images.npy")) == 10
    reasons = fresh[0].set_index("path")["reason"]
    assert reasons[os.path.join("E1", "LCC.dcm")].startswith("duplicate: the same bytes as E0")


def test_other_settings_make_another_array_and_other_code_a_fresh_start(
    raw, tmp_path, monkeypatch, capsys
):
    run = tmp_path / "run"
    _, first = run_chapter(raw, run)
    capsys.readouterr()
    _, images = run_chapter(raw, run, rows=20)
    assert "8/8 images" in capsys.readouterr().out
    assert open_store(run / "images.npy").shape == (8, 20, 12)
    assert set(images["preprocessing_hash"]).isdisjoint(first["preprocessing_hash"])
    assert len(list((run / ".ingest").rglob("*.npy"))) == 1  # no second copy of an archive
    monkeypatch.setattr(module, "modules_digest", lambda *names: "other")
    run_chapter(raw, run, rows=20)
    assert "12/12 files indexed" in capsys.readouterr().out
    assert [path.name for path in (run / ".ingest").iterdir() if path.is_dir()] == ["other"]


def test_a_store_killed_while_it_was_put_in_order_starts_anew(raw, tmp_path, monkeypatch):
    run = tmp_path / "run"
    run_chapter(raw, run)
    before = (run / "images.npy").read_bytes()
    (raw / "dicom" / "E1" / "LCC.dcm").unlink()

    def die(self, answers):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "keep", die)  # the array is in its new order, its journal is gone
        with pytest.raises(KeyboardInterrupt):
            run_chapter(raw, run)
    assert (run / "images.npy").read_bytes() == before
    run_chapter(raw, run)
    run_chapter(raw, tmp_path / "whole")
    one, two = ((tmp_path / name / "images.npy").read_bytes() for name in ("run", "whole"))
    assert one == two and len(one) < len(before)


def test_incomplete_exams_are_kept_or_left_out(raw, tmp_path):
    (raw / "dicom" / "E2" / "LCC.dcm").unlink()
    _, images = run_chapter(raw, tmp_path / "run")
    assert views_per_exam(images)["n_views"].tolist() == [4, 3]
    index, images = run_chapter(raw, tmp_path / "run", min_views=4)
    assert set(images["exam_id"]) == {"E1"} and images["row"].tolist() == [0, 1, 2, 3]
    left = index[index["exam_id"] == "E2"]
    assert (left["reason"] == "exam: 3 of 4 views, where 4 are asked for").all()


def test_what_fails_is_told_once_and_the_next_best_is_used(raw, tmp_path, write_mammogram):
    usual = {"AccessionNumber": "E1", "PatientID": "P1", "InstanceNumber": 9}
    better = raw / "dicom" / "E1" / "again.dcm"
    write_mammogram(better, SOPInstanceUID="1.1.9", VOILUTFunction="CUBIC", **usual)
    (raw / "dicom" / "E2" / "RCC.dcm").unlink()
    only = {"AccessionNumber": "E2", "PatientID": "P2", "ImageLaterality": "R"}
    write_mammogram(raw / "dicom" / "x.dcm", SOPInstanceUID="9", VOILUTFunction="CUBIC", **only)
    index, images = run_chapter(raw, tmp_path / "run")
    assert (index["status"] == "ok").all()
    lost = images[images["status"] == "skipped"]
    assert lost["image_id"].tolist() == ["1.1.9", "9"] and lost["row"].isna().all()
    assert lost["reason"].str.startswith("VOI: function CUBIC").all()
    assert images["row"].dropna().tolist() == list(range(7))
    assert views_per_exam(images)["n_views"].tolist() == [4, 3]


def test_files_of_another_woman_or_of_no_exam(raw, tmp_path, write_mammogram):
    other = {"AccessionNumber": "E1", "PatientID": "P2"}
    write_mammogram(raw / "dicom" / "a.dcm", SOPInstanceUID="8.1", **other)
    unnamed = {"AccessionNumber": "", "PatientID": "P1", "ViewPosition": "MLO"}
    write_mammogram(raw / "dicom" / "b.dcm", SOPInstanceUID="8.2", StudyInstanceUID="7", **unnamed)
    write_mammogram(
        raw / "dicom" / "c.dcm", SOPInstanceUID="8.3", StudyInstanceUID="1.5", **unnamed
    )
    index, images = run_chapter(raw, tmp_path / "run")
    reasons = index.set_index("path")["reason"]
    assert reasons["a.dcm"] == "patient: PatientID P2 is not that of the exam, P1"
    assert reasons["b.dcm"].startswith("missing id: AccessionNumber, and its study is no exam")
    assert reasons["c.dcm"].startswith("patient: PatientID P1 is not that of the exam, P3")
    assert len(images) == 8


def test_film_and_volumes_are_taken_when_asked_for(raw, tmp_path, write_mammogram):
    ids = {"AccessionNumber": "E3", "PatientID": "P3"}
    film = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "SOPInstanceUID": "8.1"}
    write_mammogram(raw / "dicom" / "film.dcm", **film, **ids)
    volume = {"NumberOfFrames": 3, "PixelData": bytes(72), "ImageLaterality": "R"}
    write_mammogram(raw / "dicom" / "volume.dcm", SOPInstanceUID="8.2", **volume, **ids)
    index, images = run_chapter(raw, tmp_path / "run")
    kinds = index["reason"].str.split(":").str[0]
    assert len(images) == 8 and set(kinds[kinds != ""]) == {"film", "tomosynthesis"}
    _, images = run_chapter(raw, tmp_path / "run", film=True, tomosynthesis="middle")
    assert images["kind"].tolist()[-2:] == ["film", "tomosynthesis slice"]
    with pytest.raises(InputError, match="tomosynthesis is 'slab'; valid: reject, middle"):
        find_archive(raw, tomosynthesis="slab")


def test_settings_that_cannot_be(raw, tmp_path):
    with pytest.raises(InputError, match="min_views is 5; valid: 1 to 4"):
        run_chapter(raw, tmp_path / "run", min_views=5)
    with pytest.raises(InputError, match="rows is 0"):
        run_chapter(raw, tmp_path / "run", rows=0)
    with pytest.raises(MissingInput, match="dicom: the images of .* are not there; put them there"):
        find_archive(tmp_path)


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
    write_mammogram(images / "stray.dcm", SOPInstanceUID="1.98", PatientID="P1")  # of E1, it says
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
    reasons = index.set_index("path")["reason"]
    assert reasons["mask.dcm"] == "table: a mask"
    assert reasons["stray.dcm"] == "table: no row names it"
    (tmp_path / "set").rename(tmp_path / "moved")
    with pytest.raises(MissingInput, match=r"set: .* not there; run mammolab adapt where"):
        find_archive(adapted)
