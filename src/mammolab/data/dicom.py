"""Index a tree of DICOM files: which are usable mammograms, and why the others are not."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pydicom

from mammolab.data.grey import stored_values
from mammolab.data.header import (
    UID,
    Rejected,
    integer_of,
    is_implant_displaced,
    is_plain,
    laterality_of,
    read_header,
    read_mammogram,
    require_mammogram,
    require_pixels,
    spacing_mm_of,
    taken_at,
    text_of,
    view_of,
)
from mammolab.data.workers import contained_map
from mammolab.errors import MissingInput
from mammolab.schemas import COLUMNS, check

MAX_FILE_BYTES = 2**30  # a 2-D mammogram has up to 60 MB
VIEW_OF_EXAM = ["patient_id", "exam_id", "laterality", "view"]


def build_index(raw_dicom: str | Path, workers: int = 1) -> pd.DataFrame:
    """Look at every file below a folder and say what it is.

    Every regular file gets one row: usable two-dimensional screening views have status ok, all
    others status rejected and a reason "kind: detail". Of two files with the same
    SOPInstanceUID the second (by path) is rejected. Of several usable images of one view of an
    exam, all of whose pixels can be read, one is used: one without an unknown view modifier before
    one with, an implant-displaced one before a plain one, then the one taken last, since what was
    repeated was not good enough.

    Parameters
    ----------
    raw_dicom : folder; sub-folders may be named in any way, the header alone is believed.
    workers : number of processes.

    Returns
    -------
    Table `dicom_index`, sorted by path; the same for any number of workers.

    Raises
    ------
    MissingInput : there is no such folder.
    """
    root = Path(raw_dicom)
    if not root.is_dir():
        raise MissingInput(f"{root}: there is no such folder of DICOM files.")
    return index_files(root, list(_walk(root)), workers)


def index_files(root: Path, paths: list[str], workers: int = 1) -> pd.DataFrame:
    """Look at some files below a folder and say what they are, as `build_index` does.

    Parameters
    ----------
    root : folder.
    paths : of the files, relative to it, each once.
    workers : number of processes.

    Returns
    -------
    Table `dicom_index`, sorted by path.
    """
    items = [(str(root), path) for path in sorted(paths)]
    rows = contained_map(_index_file, items, workers, _dead_row, "files indexed")
    index = pd.DataFrame(rows, columns=list(COLUMNS["dicom_index"]))
    merit = pd.Series([row.get("merit") for row in rows], dtype=object)
    index = _reject_undecodable_repeats(_reject_duplicates(index), root, workers)
    index = _reject_repeats(index, merit)
    return check(index, "dicom_index", root)


def reject_wrong_patients(index: pd.DataFrame, exams: pd.DataFrame) -> pd.DataFrame:
    """Reject files whose PatientID is not that of their exam in the tables.

    Parameters
    ----------
    index : table `dicom_index`.
    exams : columns exam_id and patient_id; files of other exams are left as they are.

    Returns
    -------
    Table `dicom_index`.
    """
    owner = index["exam_id"].map(exams.set_index("exam_id")["patient_id"])
    wrong = (index["status"] == "ok") & owner.notna() & (index["patient_id"] != owner)
    index = index.copy()
    index.loc[wrong, "status"] = "rejected"
    index.loc[wrong, "reason"] = (
        "patient: PatientID " + index["patient_id"] + " is not that of the exam, " + owner
    )[wrong]
    return index


def _walk(root: Path) -> Iterator[str]:
    """Relative paths of all files; links to folders are not followed, so no loop can arise."""
    for folder, _, names in os.walk(root):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root)


def _index_file(item: tuple[str, str]) -> dict:
    """One row of the index; never raises, whatever the file holds."""
    row = empty_row(item[1])
    try:
        path = Path(*item)
        if row["path"] != item[1]:
            raise Rejected("file name: not UTF-8")
        if not path.is_file():
            raise Rejected("not a file: a broken link, a pipe or a device")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise Rejected(f"file size: above {MAX_FILE_BYTES} bytes")
        content = path.read_bytes()
        row["sha256"] = sha256(content).hexdigest()
        dataset = read_header(content, path)
        row |= describe(dataset, row["image_id"])
        require_mammogram(dataset)
        require_pixels(dataset)
        merit = (is_plain(dataset), is_implant_displaced(dataset), *taken_at(dataset))
        row |= {"status": "ok", "reason": "", "merit": merit}
    except Rejected as rejection:
        row["reason"] = str(rejection)
    except OSError as error:
        row["reason"] = f"cannot be read: {error.strerror}"
    # Hostile headers raise anything: RecursionError, MemoryError, panics of Rust decoders.
    except BaseException as error:  # noqa: BLE001
        row["reason"] = f"unreadable header: {type(error).__name__}"
    return row


def describe(dataset: pydicom.Dataset, image_id: str) -> dict:
    """What the index says of a header; `image_id` stands where it has no UID.

    Raises
    ------
    Rejected : a size or number of bits that is no whole number.
    """
    uid = text_of(dataset, "SOPInstanceUID")
    return {
        "image_id": uid if UID.fullmatch(uid) else image_id,
        "exam_id": text_of(dataset, "AccessionNumber") or None,
        "patient_id": text_of(dataset, "PatientID") or None,
        "laterality": laterality_of(dataset),
        "view": view_of(dataset),
        "manufacturer": text_of(dataset, "Manufacturer") or None,
        "model": text_of(dataset, "ManufacturerModelName") or None,
        "software": text_of(dataset, "SoftwareVersions") or None,
        "intent": text_of(dataset, "PresentationIntentType") or None,
        "photometric": text_of(dataset, "PhotometricInterpretation") or None,
        "spacing_mm": spacing_mm_of(dataset),
        "rows": integer_of(dataset, "Rows", None),
        "columns": integer_of(dataset, "Columns", None),
        "bits_stored": integer_of(dataset, "BitsStored", None),
        "transfer_syntax": str(dataset.file_meta.TransferSyntaxUID),
    }


def empty_row(relative: str) -> dict:
    """The row of a file of which nothing is known but its path below the folder."""
    shown = os.fsencode(relative).decode("utf-8", "backslashreplace")
    row = dict.fromkeys(COLUMNS["dicom_index"])
    return row | {"image_id": f"file:{shown}", "path": shown, "status": "rejected", "reason": ""}


def _dead_row(item: tuple[str, str]) -> dict:
    return empty_row(item[1]) | {"reason": "unreadable header: killed its reader"}


def _reject_duplicates(index: pd.DataFrame) -> pd.DataFrame:
    """Keep the first usable file of each SOPInstanceUID; the others get an id by their path."""
    order = index.sort_values("status", kind="stable", key=lambda status: status != "ok")
    again = order.duplicated("image_id").reindex(index.index)
    usable = again & (index["status"] == "ok")
    first = order.drop_duplicates("image_id").set_index("image_id")["path"]
    index = index.copy()
    twin = index["image_id"].map(first)
    index.loc[usable, "reason"] = [
        f"duplicate: same SOPInstanceUID as {path}" for path in twin[usable]
    ]
    index.loc[usable, "status"] = "rejected"
    index.loc[again, "image_id"] = "file:" + index.loc[again, "path"]
    return index


def _repeated(index: pd.DataFrame) -> pd.DataFrame:
    """The usable images of views that an exam has more than once."""
    usable = index[index["status"] == "ok"]
    return usable[usable.duplicated(VIEW_OF_EXAM, keep=False)]


def _reject_undecodable_repeats(index: pd.DataFrame, root: Path, workers: int) -> pd.DataFrame:
    """Reject repeated views whose pixels cannot be read, so that none displaces one that can."""
    several = _repeated(index)
    if several.empty:
        return index
    items = [(str(root), path) for path in several["path"]]
    faults = contained_map(_decoding_fault, items, workers, _dead_decoder, "repeated views decoded")
    index = index.copy()
    for row, fault in zip(several.index, faults, strict=True):
        if fault:
            index.loc[row, ["status", "reason"]] = ["rejected", fault]
    return index


def _decoding_fault(item: tuple[str, str]) -> str:
    """Why the pixels of a file cannot be read; empty where they can."""
    try:
        path = Path(*item)
        stored_values(read_mammogram(path.read_bytes(), path))
    except Rejected as rejection:
        return str(rejection)
    # As in the index: decoders raise errors and panics of their own.
    except BaseException as error:  # noqa: BLE001
        return f"pixel data: {type(error).__name__}"
    return ""


def _dead_decoder(item: tuple[str, str]) -> str:
    return "pixel data: killed their reader"


def _reject_repeats(index: pd.DataFrame, merit: pd.Series) -> pd.DataFrame:
    """Keep the usable image of highest merit of each view of an exam, the first path on ties."""
    several = _repeated(index)
    index = index.copy()
    for positions in several.groupby(VIEW_OF_EXAM).indices.values():
        rows = several.index[positions]
        best = max(rows, key=lambda row: (merit[row], -row))
        for row in rows.drop(best):
            why = "as good" if merit[row] == merit[best] else "taken later"
            if merit[best][1] and not merit[row][1]:
                why = "with the implant displaced"
            if merit[best][0] and not merit[row][0]:
                why = "without a view modifier"
            index.loc[row, "status"] = "rejected"
            index.loc[row, "reason"] = f"repeated view: {index['path'][best]} is used, {why}"
    return index
