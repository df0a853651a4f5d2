"""The images of a run: where an export keeps them, what they are, and one array of them."""

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pandas as pd

from mammolab.data.conversion import convert, image_table, in_order
from mammolab.data.growing_store import GrowingStore
from mammolab.data.index_cache import WORK, Journal, alone
from mammolab.data.ingest import Archive, index_folder, read_given, reject_strangers
from mammolab.data.source import SourceRules
from mammolab.data.store import why_none
from mammolab.errors import InputError, MissingInput
from mammolab.files import write_whole
from mammolab.paths import image_folder, image_list
from mammolab.pipeline.provenance import modules_digest

INDEX = "index.jsonl"
tell = partial(print, flush=True)


def find_archive(raw: str | Path, film: bool = False, tomosynthesis: str = "reject") -> Archive:
    """Say where the images of an export lie, and read the table of them where there is one.

    Parameters
    ----------
    raw : the folder of the export. Its images lie in dicom/, those of a data set that
        `mammolab adapt` wrote in the folder that export.json names; of these none is read that
        the table does not list. Where images.csv lies in `raw`, it says whose and which view they
        are (see `ingest.read_given`).
    film, tomosynthesis : see `source.SourceRules`.

    Raises
    ------
    MissingInput : there is no such folder of images.
    InputError : a rule that is none, or a table that is none.
    """
    raw = Path(raw)
    root, table = image_folder(raw), image_list(raw)
    adapted = root.parent != raw
    if not root.is_dir():
        what = "run mammolab adapt where they lie now" if adapted else "put them there"
        raise MissingInput(f"{root}: the images of {raw} are not there; {what}.")
    given = read_given(table if table.is_file() else None)
    return Archive(root, given, SourceRules(film, tomosynthesis), listed_only=adapted)


def index_archive(archive: Archive, run: Path, cohort: pd.DataFrame, workers: int) -> pd.DataFrame:
    """Look at every file, or remember it from an earlier run of the same code.

    Parameters
    ----------
    archive : where the images lie.
    run : folder of the run; what is found is kept there.
    cohort : table `cohort`; files that contradict it are rejected, see `ingest.reject_strangers`.
    workers : number of processes; the result does not depend on it.

    Returns
    -------
    Facts as `ingest.index_folder` gives them, for `ingest.choose` and `convert_archive`.
    """
    with _work(run) as work:
        facts = index_folder(archive, Journal(work / INDEX), workers, tell)
    # What a run uses does not depend on which files were there first.
    facts["seen"] = range(len(facts))
    return reject_strangers(facts, cohort)


def convert_archive(
    facts: pd.DataFrame,
    archive: Archive,
    run: Path,
    path_npy: Path,
    rows: int,
    columns: int,
    spacing_mm: float | None,
    min_views: int,
    workers: int,
    exam_ids: Collection[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Convert the images of some exams and write them as one array.

    What a killed run converted with the same settings and code is not converted again. The array
    is the same however often that happened.

    Parameters
    ----------
    facts : as `index_archive` gives them.
    archive : the one that was indexed.
    run : folder of the run.
    path_npy : file to write: uint8, shape (n, rows, columns), no row without an image.
    rows, columns, spacing_mm : see `pixels.to_model_input`.
    min_views : exams with fewer of the four views are left out; 1 to 4.
    workers : number of processes; the result does not depend on it.
    exam_ids : exams of the cohort.

    Returns
    -------
    index : table `dicom_index`: which files are no usable image of a view, by their headers.
    images : table `images` (see `conversion.image_table`): one row an image that was to be
        converted, sorted by exam, laterality, view and id; those that did not convert have status
        skipped, a reason, and no row in the array. The next best image of the view has a row too.

    Raises
    ------
    InputError : a setting out of range, or no image is left to convert.
    """
    with _work(run) as work:
        store = GrowingStore(work, rows, columns, spacing_mm)
        index = convert(facts, archive, store, min_views, workers, tell, exam_ids)
        used = in_order(index, exam_ids)
        if not len(used):
            raise InputError(
                f"{archive.root}: no usable image belongs to an exam of the cohort{why_none(index)}."
            )
        store.arrange(list(used["key"]))
        write_whole(path_npy, store.link_to)
        os.utime(path_npy)  # Snakemake asks whether it is younger than the inputs
        _forget_others(store)
    failed = (facts["status"] == "ok") & facts["key"].isin(store.faults)
    index.loc[failed, ["status", "reason"]] = ["ok", ""]  # `images` tells of them
    images = image_table(in_order(index, exam_ids), store)
    return index.drop(columns="key"), images


@contextmanager
def _work(run: Path) -> Iterator[Path]:
    """The folder of what need not be done again: one for each state of the code that does it."""
    with alone(run / WORK):
        folder = run / WORK / modules_digest("mammolab.data.conversion")
        folder.mkdir(exist_ok=True)
        yield folder


def _forget_others(store: GrowingStore) -> None:
    """Remove what earlier code or other settings made: a run has one array."""
    work = store.path.parent
    for folder in work.parent.iterdir():
        if folder.is_dir() and folder != work:
            shutil.rmtree(folder)
    for path in work.iterdir():
        if path.name != INDEX and path.stem != store.hash:
            path.unlink()
