"""One file's row of the index: what it is, and whether it is a usable mammogram."""

import json
import os
from hashlib import sha256
from pathlib import Path

import pydicom

from mammolab.data.header import (
    UID,
    Rejected,
    integer_of,
    is_implant_displaced,
    is_plain,
    laterality_of,
    spacing_mm_of,
    taken_at,
    text_of,
    view_of,
)
from mammolab.data.source import KINDS, Source, SourceRules, open_source
from mammolab.schemas import COLUMNS

MORE_COLUMNS = ("kind", "notes", "bytes")  # of the index, beside those of the schema


def look_at(item: tuple[str, str, dict[str, str]], *, rules: SourceRules) -> dict:
    """One row of the index, as JSON holds it; never raises, whatever the file holds.

    Parameters
    ----------
    item : folder, path below it, and what a table says of the file (see `source.GIVEN`).
    rules : what is taken.

    Returns
    -------
    Columns of table `dicom_index` and `MORE_COLUMNS`, merit (list; of one view's images the one
    with the greatest is used) and key (of the pixels: equal keys give equal images).
    """
    root, path, given = item
    source = open_source(Path(root, path), given, rules)
    row, reason = empty_row(path), source.reason
    if source.dataset is not None:
        try:
            row |= describe(source.dataset, row["image_id"])
            row["merit"] = _merit(source)
        except Rejected as rejection:
            reason = reason or str(rejection)
        except Exception as error:  # noqa: BLE001 - as in `open_source`
            reason = reason or f"unreadable header: {type(error).__name__}"
        row["transfer_syntax"] = source.picture or row["transfer_syntax"]
    if row["path"] != path:
        reason = "file name: not UTF-8"
    slice_rule = rules.tomosynthesis if source.kind == "tomosynthesis slice" else ""
    said = json.dumps([sorted(given.items()), slice_rule])
    return row | {
        "sha256": source.sha256,
        "status": "rejected" if reason else "ok",
        "reason": reason,
        "kind": source.kind,
        "notes": "; ".join(source.notes),
        "bytes": source.n_bytes,
        "key": source.sha256 and f"{source.sha256}:{sha256(said.encode()).hexdigest()[:16]}",
    }


def unread_row(path: str, reason: str) -> dict:
    """The row of a file that could not be looked at."""
    return empty_row(path) | {"reason": reason, "kind": "", "notes": ""}


def dead_row(item: tuple) -> dict:
    """The row of a file that killed the worker which looked at it."""
    return unread_row(item[1], "unreadable header: killed its reader")


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


def _merit(source: Source) -> list:
    dataset = source.dataset
    return [
        -KINDS.index(source.kind),
        is_plain(dataset),
        is_implant_displaced(dataset),
        *taken_at(dataset),
    ]
