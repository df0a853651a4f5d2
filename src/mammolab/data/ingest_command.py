"""`mammolab ingest`: a folder of anything to images a network can read, all files accounted for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from mammolab.data.account import account
from mammolab.data.conversion import convert, image_table, in_order
from mammolab.data.growing_store import GrowingStore
from mammolab.data.index_cache import WORK, Journal, alone
from mammolab.data.ingest import N_VIEWS, Archive, index_folder, read_given
from mammolab.data.sheet import draw_sheet
from mammolab.data.source import SourceRules
from mammolab.data.store import why_none
from mammolab.errors import InputError, MissingInput
from mammolab.files import write_whole


@dataclass(frozen=True)
class IngestRequest:
    """What is to be converted, and how.

    Attributes
    ----------
    folder : of the files; sub-folders may be named in any way.
    out : a new or empty folder, or an earlier output, which then grows.
    rows, columns : size of an image in pixels.
    spacing_mm : pixel spacing of all images; None fits each into rows x columns.
    min_views : exams with fewer of the four views are left out.
    table : CSV that says whose and which view files are; None for none.
    rules : what is taken beside 2-D digital mammograms.
    workers : number of processes.
    """

    folder: Path
    out: Path
    rows: int = 1024
    columns: int = 832
    spacing_mm: float | None = None
    min_views: int = 1
    table: Path | None = None
    rules: SourceRules = field(default_factory=SourceRules)
    workers: int = 1


def ingest(request: IngestRequest, tell: Callable[[str], None]) -> tuple[int, int]:
    """Index, convert and account for a folder; what an earlier run did is not done again.

    The output gets index.csv (one row a file), images.csv (one row an image used), images.npy,
    ACCOUNT.md and contact_sheet.png, each whole or not at all.

    Parameters
    ----------
    request : what is asked for.
    tell : takes a line of progress.

    Returns
    -------
    Files found, and images used.

    Raises
    ------
    InputError : a setting out of range, an output that is no output of this, or no usable image;
        of the last ACCOUNT.md gives the reasons.
    """
    _require(request)
    archive = Archive(request.folder, read_given(request.table), request.rules)
    work = request.out / WORK
    with alone(work):
        store = GrowingStore(work, request.rows, request.columns, request.spacing_mm)
        facts = index_folder(archive, Journal(work / "index.jsonl"), request.workers, tell)
        _require_same_files(request, facts)
        index = convert(facts, archive, store, request.min_views, request.workers, tell)
        used = in_order(index)
        images = image_table(used, store).assign(n_views=used["n_views"])
        images["complete"] = images["n_views"] == N_VIEWS
        without = sorted(set(archive.given) - set(index["path"]))
        settings = {
            "folder": str(request.folder),
            "size": f"{request.rows} x {request.columns} pixels, preprocessing {store.hash}",
            "spacing": f"{request.spacing_mm} mm"
            if request.spacing_mm
            else "each fitted, none enlarged",
            "exams": f"at least {request.min_views} of {N_VIEWS} views",
            "film": "taken" if request.rules.film else "left out",
            "tomosynthesis": request.rules.tomosynthesis,
            "rows of the table without a file": f"{len(without)} {', '.join(without[:5])}".strip(),
            "other settings kept in this folder": str(_others(store)),
        }
        _write(request.out, index, images, store, account(index, images, settings))
    if not len(images):
        raise InputError(
            f"{request.folder}: no usable image among {len(index)} files{why_none(index)}; "
            f"{request.out / 'ACCOUNT.md'} says why of each kind, index.csv of each file."
        )
    return len(index), len(images)


def _require(request: IngestRequest) -> None:
    if not request.folder.is_dir():
        raise MissingInput(f"{request.folder}: there is no such folder.")
    for name in ("rows", "columns", "workers"):
        if getattr(request, name) < 1:
            raise InputError(f"--{name} is {getattr(request, name)}; it must be at least 1.")
    if request.spacing_mm is not None and not 0.005 <= request.spacing_mm <= 10:
        raise InputError(f"--spacing-mm is {request.spacing_mm:g}; valid: 0.005 to 10.")
    if not 1 <= request.min_views <= N_VIEWS:
        raise InputError(f"--min-views is {request.min_views}; valid: 1 to {N_VIEWS}.")
    out = request.out.resolve()
    if out.is_relative_to(request.folder.resolve()):
        raise InputError(
            f"--out {request.out} lies within {request.folder}: choose another folder."
        )
    if out.exists() and not out.is_dir():
        raise InputError(f"--out names a file, not a folder: {request.out}")
    if out.is_dir() and any(out.iterdir()) and not (out / WORK).is_dir():
        raise InputError(
            f"{request.out} is neither empty nor an earlier output of mammolab ingest."
        )


def _require_same_files(request: IngestRequest, index: pd.DataFrame) -> None:
    """Refuse a folder that shares no file with the one the output was made from."""
    earlier = request.out / "index.csv"
    if not earlier.is_file():
        return
    known = pd.read_csv(earlier, usecols=["path"], dtype=str)["path"]
    if len(known) and not known.isin(index["path"]).any():
        raise InputError(
            f"--out {request.out} accounts for {len(known)} files, none of which is in "
            f"{request.folder}: name another --out for another folder."
        )


def _others(store: GrowingStore) -> int:
    return sum(path != store.path for path in store.path.parent.glob("*.npy"))


def _write(
    out: Path, index: pd.DataFrame, images: pd.DataFrame, store: GrowingStore, text: str
) -> None:
    shown = index.drop(columns="key")
    if len(images):
        write_whole(out / "images.npy", store.link_to)
        sheet = draw_sheet(images, index, np.load(store.path, mmap_mode="r"))
        write_whole(out / "contact_sheet.png", lambda path: sheet.save(path, "PNG"))
    else:
        for name in ("images.npy", "contact_sheet.png"):
            (out / name).unlink(missing_ok=True)
    # in the order of the array, though rows that are no longer used leave gaps
    by_row = images.sort_values("row")
    write_whole(out / "images.csv", lambda path: by_row.to_csv(path, index=False))
    write_whole(out / "index.csv", lambda path: shown.to_csv(path, index=False))
    write_whole(out / "ACCOUNT.md", lambda path: path.write_text(text, encoding="utf-8"))
