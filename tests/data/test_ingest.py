"""Index, choice, growing store and command: every file accounted for, nothing done twice."""

import multiprocessing
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from mammolab import cli
from mammolab.data import growing_store, ingest_command
from mammolab.data import sheet as sheet_module
from mammolab.data.growing_store import GrowingStore
from mammolab.data.index_cache import WORK, Journal, alone, resumable_map, walk
from mammolab.data.ingest import Archive, choose, index_folder, read_given
from mammolab.data.ingest_command import IngestRequest
from mammolab.data.pixels import to_model_input
from mammolab.data.source import SourceRules
from mammolab.data.store import open_store
from mammolab.errors import InputError, MissingInput

SYNTHETIC = {"ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]}
VIEWS = ["LCC", "LMLO", "RCC", "RMLO"]


def silent(line: str) -> None:
    """Where progress is not looked at."""


def write_exam(folder, write_mammogram, exam_id: str, views: list[str], **changes) -> None:
    for which in views:
        uid = f"1.{int(exam_id[1:])}.{VIEWS.index(which)}"
        pixels = np.random.default_rng([int(exam_id[1:]), VIEWS.index(which)]).integers(
            0, 4096, (12, 10)
        )
        usual = {"SOPInstanceUID": uid, "AccessionNumber": exam_id, "PatientID": f"P{exam_id}"}
        usual |= {"ImageLaterality": which[0], "ViewPosition": which[1:]}
        path = folder / f"{exam_id}{which}.dcm"
        write_mammogram(path, pixels.astype(np.uint16), **(usual | changes))


def chosen(folder, rules=None, min_views=1, faults=None, given=None) -> pd.DataFrame:
    archive = Archive(folder, given or {}, rules or SourceRules())
    facts = index_folder(archive, Journal(folder / "no"), 1, silent)
    return choose(facts, faults or {}, min_views).set_index("path")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def no_cache(monkeypatch):
    """Journals that keep nothing on disk, for tests of one run alone."""
    monkeypatch.setattr(Journal, "keep", lambda self, answers: self.answers.update(answers))


@pytest.mark.usefixtures("no_cache")
def test_the_best_image_of_a_view_is_used(folder, write_mammogram):
    first, second, third = ({"SOPInstanceUID": f"9.{n}"} for n in (1, 2, 3))
    write_mammogram(folder / "acquired.dcm", AcquisitionTime="08", **first)
    write_mammogram(folder / "synthetic.dcm", AcquisitionTime="09", **SYNTHETIC, **second)
    volume = {"NumberOfFrames": 2, "PixelData": bytes(48), "AcquisitionTime": "10"}
    write_mammogram(folder / "volume.dcm", **volume, **third)
    middle = SourceRules(tomosynthesis="middle")
    index = chosen(folder, middle)
    assert index["status"].to_dict() == {
        "acquired.dcm": "ok",
        "synthetic.dcm": "rejected",
        "volume.dcm": "rejected",
    }
    assert index.loc["synthetic.dcm", "reason"] == (
        "repeated view: acquired.dcm is used, 2-D before synthetic 2-D"
    )
    (folder / "acquired.dcm").unlink()
    index = chosen(folder, middle)
    assert index.loc["synthetic.dcm", "status"] == "ok"
    assert index.loc["volume.dcm", "reason"].endswith("synthetic 2-D before tomosynthesis slice")
    (folder / "synthetic.dcm").unlink()
    assert chosen(folder, middle).loc["volume.dcm", "status"] == "ok"
    assert chosen(folder).loc["volume.dcm", "reason"].startswith("tomosynthesis: 2 frames")


@pytest.mark.usefixtures("no_cache")
def test_an_image_that_fails_gives_way_to_the_next(folder, write_mammogram):
    write_mammogram(folder / "a.dcm", SOPInstanceUID="9.1", InstanceNumber=1)
    write_mammogram(folder / "b.dcm", SOPInstanceUID="9.2", InstanceNumber=2)
    assert chosen(folder).loc["a.dcm", "reason"] == "repeated view: b.dcm is used, taken later"
    key = chosen(folder).loc["b.dcm", "key"]
    index = chosen(folder, faults={key: "decoding: broken"})
    assert index.loc["a.dcm", "status"] == "ok"
    assert index.loc["b.dcm", ["status", "reason"]].tolist() == ["rejected", "decoding: broken"]


@pytest.mark.usefixtures("no_cache")
def test_copies_are_used_once(folder, write_mammogram):
    write_mammogram(folder / "a.dcm", Modality="CR")
    whole = write_mammogram(folder / "b.dcm").read_bytes()
    (folder / "c.dcm").write_bytes(whole)
    write_mammogram(folder / "d.dcm", StudyDate="20200101")
    index = chosen(folder)
    assert index["status"].tolist() == ["rejected", "ok", "rejected", "rejected"]
    assert index.loc["c.dcm", "reason"] == "duplicate: the same bytes as b.dcm"
    assert index.loc["d.dcm", "reason"] == "duplicate: the same SOPInstanceUID as b.dcm"
    assert index["image_id"].is_unique


@pytest.mark.usefixtures("no_cache")
@pytest.mark.parametrize(("min_views", "used"), [(1, 7), (2, 6), (3, 4), (4, 4)])
def test_exams_with_fewer_views(folder, write_mammogram, min_views, used):
    write_exam(folder, write_mammogram, "E1", VIEWS)
    write_exam(folder, write_mammogram, "E2", VIEWS[:2])
    write_exam(folder, write_mammogram, "E3", VIEWS[:1])
    index = chosen(folder, min_views=min_views)
    assert (index["status"] == "ok").sum() == used
    assert index["n_views"].tolist() == [4, 4, 4, 4, 2, 2, 1]
    if min_views == 3:
        assert index.loc["E3LCC.dcm", "reason"] == "exam: 1 of 4 views, where 3 are asked for"


def test_walk_leaves_nothing_out(folder, tmp_path):
    (folder / "a").mkdir()
    (folder / "a" / "one").write_text("1")
    (folder / "loop").symlink_to(folder)
    (folder / "out").symlink_to(tmp_path)
    (folder / "broken").symlink_to(folder / "nowhere")
    found = dict(walk(folder))
    assert set(found) == {os.path.join("a", "one"), "loop", "out", "broken"}
    assert found["loop"] == found["out"] == "not a file: a link to a folder, not followed"
    assert found["broken"] == ""


def test_a_journal_survives_a_killed_writer(tmp_path):
    journal = Journal(tmp_path / "sub" / "j.jsonl")
    journal.keep({"a": 1, "b": None})
    with journal.path.open("ab") as file:
        file.write(b'["c", 3')
    again = Journal(journal.path)
    assert again.answers == {"a": 1, "b": None}
    again.keep({"d": [4]})
    assert Journal(journal.path).answers == {"a": 1, "b": None, "d": [4]}


def _square(number: int) -> int:
    return number * number


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    items = {str(number): number for number in range(10)}
    journal = Journal(tmp_path / "j.jsonl")

    def keep_two_batches(answers):
        if len(journal.answers) == 6:
            raise KeyboardInterrupt
        journal.keep(answers)

    with pytest.raises(KeyboardInterrupt):
        resumable_map(
            *(_square, items, journal, 1, str, "", silent),
            batch=3,
            keep=keep_two_batches,
        )
    again = Journal(tmp_path / "j.jsonl")
    assert len(again.answers) == 6
    assert resumable_map(_square, items, again, 1, str, "", silent) == 4
    assert again.answers == {key: number**2 for key, number in items.items()}


def test_only_what_changed_is_looked_at_again(folder, tmp_path, write_mammogram):
    write_exam(folder, write_mammogram, "E1", VIEWS)
    path = tmp_path / "j.jsonl"

    def looked_at(film=False, given=None) -> int:
        lines = []
        index_folder(
            Archive(folder, given or {}, SourceRules(film)), Journal(path), 1, lines.append
        )
        return int(lines[-1].split("/")[1].split()[0]) if lines else 0

    assert [looked_at(), looked_at()] == [4, 0]
    write_exam(folder, write_mammogram, "E1", ["LMLO"], WindowWidth="4000")
    assert [looked_at(), looked_at()] == [1, 0]
    write_exam(folder, write_mammogram, "E2", ["LCC"])
    assert looked_at() == 1
    assert looked_at(given={"E2LCC.dcm": {"exam_id": "E9"}}) == 1
    assert looked_at(film=True) == 5


def request(folder, tmp_path, **changes) -> IngestRequest:
    usual = {"rows": 12, "columns": 10, "folder": folder, "out": tmp_path / "out"}
    return IngestRequest(**(usual | changes))


def read_images(tmp_path) -> pd.DataFrame:
    return pd.read_csv(tmp_path / "out" / "images.csv", dtype={"exam_id": str})


def test_adding_images_appends_rows(folder, tmp_path, write_mammogram):
    write_exam(folder, write_mammogram, "E2", VIEWS)
    ingest_command.ingest(request(folder, tmp_path), silent)
    before = read_images(tmp_path)
    held = np.array(open_store(tmp_path / "out" / "images.npy"))
    assert len(held) == 4 and before["row"].tolist() == [0, 1, 2, 3]
    write_exam(folder, write_mammogram, "E1", VIEWS[:3])  # sorts before what is there
    assert ingest_command.ingest(request(folder, tmp_path), silent) == (7, 7)
    after = read_images(tmp_path).set_index("image_id")
    store = open_store(tmp_path / "out" / "images.npy")
    assert store.shape == (7, 12, 10) and (store[:4] == held).all()
    assert (after.loc[before["image_id"], "row"].to_numpy() == before["row"]).all()
    for image in after.itertuples():
        expected, record = to_model_input(folder / image.path, 12, 10)
        assert (store[image.row] == expected).all()
        assert image.preprocessing_hash == record.preprocessing_hash
    assert after["row"].tolist() == list(range(7))  # the table is in the order of the array
    assert after["complete"].tolist() == [True] * 4 + [False] * 3


def test_of_copies_the_first_seen_keeps_its_place(folder, tmp_path, write_mammogram):
    write_exam(folder / "m", write_mammogram, "E1", VIEWS[:2])
    ingest_command.ingest(request(folder, tmp_path), silent)
    before = read_images(tmp_path)
    (folder / "a").mkdir()
    for name in ("E1LCC.dcm", "E1LMLO.dcm"):
        (folder / "a" / name).write_bytes((folder / "m" / name).read_bytes())
    # The same id, other bytes, and a name that sorts first.
    write_exam(folder / "b", write_mammogram, "E1", VIEWS[:1], StudyDate="20200101")
    assert ingest_command.ingest(request(folder, tmp_path), silent) == (5, 2)
    pd.testing.assert_frame_equal(read_images(tmp_path), before)
    index = pd.read_csv(tmp_path / "out" / "index.csv", keep_default_na=False).set_index("path")
    assert index.loc["a/E1LCC.dcm", "reason"] == "duplicate: the same bytes as m/E1LCC.dcm"
    assert index.loc["b/E1LCC.dcm", "reason"].endswith("the same SOPInstanceUID as m/E1LCC.dcm")
    fresh = tmp_path / "fresh"
    ingest_command.ingest(request(folder, tmp_path, out=fresh), silent)
    assert set(pd.read_csv(fresh / "images.csv")["path"]) == {"a/E1LCC.dcm", "a/E1LMLO.dcm"}


def test_another_folder_does_not_take_over_an_output(folder, tmp_path, write_mammogram):
    write_exam(folder, write_mammogram, "E1", VIEWS)
    ingest_command.ingest(request(folder, tmp_path), silent)
    before = (tmp_path / "out" / "images.csv").read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    write_exam(other, write_mammogram, "E9", VIEWS)
    with pytest.raises(InputError, match="none of which is in .*other"):
        ingest_command.ingest(request(other, tmp_path), silent)
    assert (tmp_path / "out" / "images.csv").read_bytes() == before


def test_another_setting_makes_another_array(folder, tmp_path, write_mammogram):
    write_exam(folder, write_mammogram, "E1", VIEWS)
    out = tmp_path / "out"
    ingest_command.ingest(request(folder, tmp_path), silent)
    first = (out / "images.npy").read_bytes()
    ingest_command.ingest(request(folder, tmp_path, spacing_mm=0.2), silent)
    assert (out / "images.npy").read_bytes() != first
    assert "other settings kept in this folder: 1" in (out / "ACCOUNT.md").read_text()
    hashes = set(read_images(tmp_path)["preprocessing_hash"])
    assert len(hashes) == 1 and len(list((out / ".ingest").glob("*.npy"))) == 2
    ingest_command.ingest(request(folder, tmp_path), silent)
    assert (out / "images.npy").read_bytes() == first


def test_a_conversion_that_was_killed_goes_on(folder, tmp_path, write_mammogram, monkeypatch):
    for number in range(6):
        write_exam(folder, write_mammogram, f"E{number}", VIEWS)
    keep = GrowingStore._keep
    monkeypatch.setattr(growing_store, "BATCH_BYTES", 4 * 120)  # four images at a time

    def die_in_the_third(self, answers):
        if len(self) == 8:
            self._append([answer[1] for answer in answers.values()], len(self))
            raise KeyboardInterrupt  # pixels are written, the journal does not know of them
        keep(self, answers)

    monkeypatch.setattr(GrowingStore, "_keep", die_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        ingest_command.ingest(request(folder, tmp_path), silent)
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [".ingest"]
    monkeypatch.setattr(GrowingStore, "_keep", keep)
    lines = []
    ingest_command.ingest(request(folder, tmp_path), lines.append)
    assert lines[-1] == "[progress] 16/16 images"
    whole = tmp_path / "whole"
    ingest_command.ingest(request(folder, tmp_path, out=whole, workers=2), silent)
    for name in ("images.npy", "images.csv", "index.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_an_array_that_lost_rows_is_refused(folder, tmp_path, write_mammogram):
    write_exam(folder, write_mammogram, "E1", VIEWS)
    ingest_command.ingest(request(folder, tmp_path), silent)
    array = next((tmp_path / "out" / ".ingest").glob("*.npy"))
    array.write_bytes(array.read_bytes()[:-200])
    with pytest.raises(InputError, match="holds 2 images where its journal names 4"):
        ingest_command.ingest(request(folder, tmp_path), silent)


def test_a_file_changed_under_way_is_tried_again(folder, tmp_path, write_mammogram, monkeypatch):
    write_exam(folder, write_mammogram, "E1", VIEWS[:2])
    archive = Archive(folder)
    facts = index_folder(archive, Journal(tmp_path / "j"), 1, silent)
    path = folder / "E1LCC.dcm"
    content = path.read_bytes()
    path.write_bytes(content + b"\0\0")
    store = GrowingStore(tmp_path / "store", 12, 10, None)
    index = choose(facts, store.faults, 1)
    assert store.add(index, archive, 1, silent) == 1
    assert list(store.faults.values()) == ["changed: the file is not the one that was indexed"]
    path.write_bytes(content)
    again = GrowingStore(tmp_path / "store", 12, 10, None)
    assert (len(again), again.faults) == (1, {})
    assert again.add(index, archive, 1, silent) == 0 and len(again) == 2


def test_a_table_for_pictures(folder, tmp_path):
    for number, which in enumerate(VIEWS):
        pixels = np.arange(120, dtype=np.uint16).reshape(12, 10) * (100 + number)
        Image.fromarray(pixels).save(folder / f"{which}.png")
    table = tmp_path / "files.csv"
    rows = [f"{which}.png,E1,P1,{which[0]},{which[1:]},1" for which in VIEWS[:3]]
    header = "path,exam_id,patient_id,laterality,view,use"
    table.write_text("\n".join([header, *rows, "gone.png,E2,P2,L,CC,1"]))
    assert ingest_command.ingest(request(folder, tmp_path, table=table), silent) == (4, 3)
    images = read_images(tmp_path)
    assert images["view"].tolist() == ["CC", "MLO", "CC"] and set(images["kind"]) == {"picture"}
    assert images["flipped"].tolist() == [False, False, True]
    text = (tmp_path / "out" / "ACCOUNT.md").read_text()
    assert "rows of the table without a file: 1 gone.png" in text
    assert "| PNG | 4 | 3 |" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,view\na,CC\n", "column path is missing; there are file, view; columns used: path,"),
        ("path;view\na;CC\n", "column path is missing; there are path;view; columns used"),
        ("path,view\na,ML\n", "column view holds 'ML' for a; valid: CC, MLO"),
        ("path\na\n./a\n", "column path repeats a"),
        ("path,use\na,yes\n", "column use holds 'yes'"),
    ],
)
def test_tables_that_are_none(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_given(tmp_path / "t.csv")
    with pytest.raises(MissingInput, match="no such table"):
        read_given(tmp_path / "none.csv")


def test_a_table_is_read_without_the_blanks_around_its_cells(tmp_path):
    (tmp_path / "t.csv").write_text("path , exam_id,view\n ./a/b.png , E 1,CC \n")
    assert read_given(tmp_path / "t.csv") == {"a/b.png": {"exam_id": "E 1", "view": "CC"}}


def test_a_disk_without_room_is_told_before_it_is_full(
    folder, tmp_path, write_mammogram, monkeypatch
):
    write_exam(folder, write_mammogram, "E1", VIEWS)
    usage = shutil.disk_usage(tmp_path)._replace(free=400)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match="the images take 0.0 GB, and 0.0 GB are free; make room"):
        ingest_command.ingest(request(folder, tmp_path), silent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=480))
    assert ingest_command.ingest(request(folder, tmp_path), silent) == (4, 4)


def test_a_table_of_another_folder_is_refused(folder, tmp_path, write_mammogram):
    write_exam(folder, write_mammogram, "E1", VIEWS[:1])
    (tmp_path / "t.csv").write_text("path\nin/E1LCC.dcm\n")
    with pytest.raises(InputError, match="names 'in/E1LCC.dcm', .* they are such as 'E1LCC.dcm'"):
        ingest_command.ingest(request(folder, tmp_path, table=tmp_path / "t.csv"), silent)


def test_every_file_of_a_mixed_folder_is_accounted_for(folder, tmp_path, write_mammogram):
    write_exam(folder / "a", write_mammogram, "E1", VIEWS, PhotometricInterpretation="MONOCHROME1")
    write_exam(folder / "b", write_mammogram, "E2", VIEWS[:2], Manufacturer="other | maker")
    write_mammogram(folder / "spot.dcm", SOPInstanceUID="8.1", NumberOfFrames=9)
    write_mammogram(
        folder / "raw.dcm", SOPInstanceUID="8.2", PresentationIntentType="FOR PROCESSING"
    )
    write_mammogram(folder / "cut.dcm", SOPInstanceUID="8.3", PixelData=bytes(10))
    later = {"PatientID": "PE1", "InstanceNumber": 9}  # would be used, but does not convert
    write_mammogram(folder / "cubic.dcm", SOPInstanceUID="8.4", VOILUTFunction="CUBIC", **later)
    (folder / "notes.txt").write_text("none of these is an image")
    (folder / "link").symlink_to(folder)
    n_files, n_images = ingest_command.ingest(request(folder, tmp_path, min_views=4), silent)
    index = pd.read_csv(tmp_path / "out" / "index.csv", keep_default_na=False)
    assert (n_files, n_images) == (len(index), 4) == (12, 4)
    assert ((index["reason"] == "") == (index["status"] == "ok")).all()
    kinds = index["reason"].str.split(":").str[0].value_counts().to_dict()
    assert kinds == {
        "": 4,
        "exam": 2,
        "tomosynthesis": 1,
        "for processing": 1,
        "pixel data": 1,
        "VOI": 1,
        "not DICOM": 1,
        "not a file": 1,
    }
    text = (tmp_path / "out" / "ACCOUNT.md").read_text()
    assert "12 files: 4 used, 8 not used." in text
    assert "| maker | model | 8 | 4 | linear 4 | 4 | 2 | 0.1 to 0.1 | 0 |" in text
    assert "| other \\| maker | model | 2 | 0 |" in text
    by_reason = text.split("## By vendor")[0]
    cells = [line.split(" | ") for line in by_reason.splitlines() if line.startswith("| ")]
    counts = [int(row[1]) for row in cells if row[1].isdigit()]
    assert sum(counts[:-1]) == counts[-1] == 12
    assert index.loc[index["reason"].str.startswith("not DICOM"), "kind"].tolist() == [""]


def test_the_contact_sheet_shows_each_sort_as_large_as_fits(folder, tmp_path, write_mammogram):
    """A small image in a large frame fills its tile, in its own grey, beside its other sorts."""
    grey = np.full((10, 6), 2048, np.uint16)
    grey[:5] = 1024
    for number, changes in enumerate(
        [{}, {"PhotometricInterpretation": "MONOCHROME1"}, *[{"AccessionNumber": f"E{n}"}
         for n in range(4)]]
    ):  # fmt: skip
        write_mammogram(
            folder / f"{number}.dcm", grey, SOPInstanceUID=f"1.{number}",
            **{"AccessionNumber": f"F{number}"} | changes,
        )  # fmt: skip
    ingest_command.ingest(request(folder, tmp_path, rows=100, columns=80), silent)
    with Image.open(tmp_path / "out" / "contact_sheet.png") as image:
        sheet = np.asarray(image)
    step = sheet_module.TILE_WIDTH + sheet_module.GAP
    assert sheet.shape[1] == 6 * step + sheet_module.GAP
    top = sheet_module.GAP + sheet_module.CAPTION_HEIGHT
    tiles = [
        sheet[top : top + sheet_module.TILE_HEIGHT, left : left + 180]
        for left in range(sheet_module.GAP, 2 * step, step)
    ]
    for tile, inverted in zip(tiles, (False, True), strict=True):
        dark, bright = tile[10:140].mean(), tile[160:290].mean()
        assert (dark > bright) == inverted
        assert np.allclose([dark, bright], [191, 127] if inverted else [64, 128], atol=1)
    assert (sheet[: sheet_module.GAP + sheet_module.CAPTION_HEIGHT] < 128).any()  # the captions


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--out", "out"], "no such folder"),
        (["in", "--out", "in/out"], "lies within"),
        (["in", "--out", "busy"], "neither empty nor an earlier output"),
        (["in", "--out", "file"], "names a file"),
        (["in", "--out", "out", "--rows", "0"], "--rows is 0"),
        (["in", "--out", "out", "--spacing-mm", "-1"], "--spacing-mm is -1"),
        (["in", "--out", "out", "--min-views", "5"], "--min-views is 5; valid: 1 to 4"),
        (["in", "--out", "out", "--tomosynthesis", "slab"], "'slab'; valid: reject, middle"),
        (["in", "--out", "out", "--table", "none.csv"], "no such table"),
        (
            ["in", "--out", "out"],
            "no usable image among 1 files; 1 of 1 files are left out as 'not DICOM: a text file",
        ),
    ],
)
def test_bad_input_is_one_sentence(folder, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (folder / "text.dcm").write_text("nothing")
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "mine").touch()
    (tmp_path / "file").touch()
    result = CliRunner().invoke(cli.app, ["ingest", *arguments])
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception) and "\n" not in str(result.exception)


def test_the_command_exits_with_2_and_says_why(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["mammolab", "ingest", str(folder), "--out", str(folder)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2 and "lies within" in capsys.readouterr().err


def test_the_command(folder, tmp_path, write_mammogram):
    write_exam(folder, write_mammogram, "E1", VIEWS)
    arguments = ["ingest", str(folder), "--out", str(tmp_path / "out"), "--workers", "1"]
    result = CliRunner().invoke(cli.app, [*arguments, "--rows", "12", "--columns", "10"])
    assert result.exit_code == 0 and "4 files, 4 images" in result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *(".ingest", "ACCOUNT.md", "contact_sheet.png", "images.csv", "images.npy", "index.csv")
    ]


def _hold(out, held, release) -> None:
    with alone(out / WORK):
        held.set()
        release.wait(20)


def test_two_at_once_are_kept_apart(folder, tmp_path):
    context = multiprocessing.get_context("fork")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "out", held, release))
    other.start()
    assert held.wait(20)
    with pytest.raises(InputError, match="another mammolab is at work"):
        ingest_command.ingest(request(folder, tmp_path), silent)
    release.set()
    other.join()


def test_an_empty_folder_and_odd_names(folder, tmp_path, write_mammogram):
    with pytest.raises(InputError, match="no usable image among 0 files"):
        ingest_command.ingest(request(folder, tmp_path), silent)
    assert "0 files: 0 used, 0 not used." in (tmp_path / "out" / "ACCOUNT.md").read_text()
    content = write_mammogram(folder / 'a "b", c\nd.dcm').read_bytes()
    with open(os.fsencode(folder) + b"/\xff\xfe.dcm", "wb") as file:
        file.write(content)
    assert ingest_command.ingest(request(folder, tmp_path), silent) == (2, 1)
    index = pd.read_csv(tmp_path / "out" / "index.csv", keep_default_na=False)
    assert index["path"].tolist() == ['a "b", c\nd.dcm', "\\xff\\xfe.dcm"]
    assert index["reason"].tolist() == ["", "file name: not UTF-8"]


def test_a_folder_that_may_not_be_entered_is_listed(folder, monkeypatch):
    (folder / "closed").mkdir()
    denied = PermissionError(13, "Permission denied", str(folder / "closed"))
    scan = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise denied
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert list(walk(folder)) == [("closed", "cannot be read: Permission denied")]
