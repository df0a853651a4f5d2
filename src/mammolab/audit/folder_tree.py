"""A folder of images as a table: split/class/image, as teaching sets and challenges lie on disk."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from mammolab.audit.images import find_images, read_images
from mammolab.audit.table import AuditTable, finished
from mammolab.errors import InputError, unknown_name

SPLIT_NAMES = {
    "train": "train", "training": "train", "dev": "dev", "val": "dev", "valid": "dev",
    "validation": "dev", "test": "test", "testing": "test",
}  # fmt: skip
# Names of a patient's images, in the order tried: NIH ChestX-ray14; OCT and chest X-rays of Kermany
# et al. 2018 (the bare number: whether it is unique across diseases was never said).
PATIENT_NAMES = (
    re.compile(r"^(?P<patient>\d{8})_\d{3}$"),
    re.compile(r"^(?:CNV|DME|DRUSEN|NORMAL|BACTERIA|VIRUS)-(?P<patient>\d+)-\d+$", re.IGNORECASE),
    re.compile(r"^(?P<patient>person\d+)_(?:bacteria|virus)_\d+$", re.IGNORECASE),
    re.compile(r"^(?P<patient>.*\d.*)[_-]\d{1,4}$"),  # an id with a digit, then a number
)
NEGATIVE = re.compile(r"normal|healthy|negative|benign|no[_ -]?finding", re.IGNORECASE)
# A class that says of itself that it is the negative one, "abnormal" apart.
_ABNORMAL = re.compile(r"abnormal", re.IGNORECASE)


def read_folder(
    folder: Path, label: str | None = None, progress: Callable[[str], object] | None = None
) -> AuditTable:
    """Read a folder of images as a table.

    Parameters
    ----------
    folder : Path
        split/class/image or class/image; split names such as train, valid, test. The patient is
        told from the file's name (`PATIENT_NAMES`).
    label : str, optional
        The class that is positive. Without it, the one of two classes that is not called normal,
        healthy, negative or benign.
    progress : callable, optional

    Raises
    ------
    InputError
        If the images do not lie so, or the positive class cannot be told.
    """
    found = find_images(Path(folder))
    parts = [PurePosixPath(inside).parts[:-1] for inside in found]
    split = [next((SPLIT_NAMES[p.lower()] for p in some if p.lower() in SPLIT_NAMES), None)
             for some in parts]  # fmt: skip
    classes = [next((p for p in reversed(some) if p.lower() not in SPLIT_NAMES), None)
               for some in parts]  # fmt: skip
    names = sorted({one for one in classes if one is not None})
    positive = _positive(names, label, folder)
    stems = [PurePosixPath(inside).stem for inside in found]
    rows = pd.DataFrame(
        {
            "patient_id": [patient_of(stem) for stem in stems],
            "exam_id": list(found),
            "image_id": stems,
            "image_file": list(found),
            "split": pd.Series(split, dtype=object),
        }
    )
    if positive is not None:
        is_positive = [np.nan if one is None else float(one == positive) for one in classes]
        rows["cancer"] = is_positive
    if not any(split):
        rows = rows.drop(columns="split")
    notes = []
    if (rows["patient_id"] == rows["image_id"]).all():
        rows = rows.drop(columns="patient_id")  # no name tells a patient
    else:
        first = f"such as {rows['patient_id'].iloc[0]} from {stems[0]}"
        notes.append(f"The patient was told from each file's name, {first}.")
    if positive is not None:
        notes.append(f"Positive: the class {positive}; negative: "
                     f"{', '.join(n for n in names if n != positive) or 'none'}.")  # fmt: skip
    images = read_images(list(found.values()), np.arange(len(found)), len(found), progress)
    digest = hashlib.sha256()
    for inside, path in found.items():
        digest.update(inside.encode() + b"\0" + path.read_bytes())
    return finished(
        rows, notes,
        files=((Path(folder).resolve().name, digest.hexdigest()),),
        layout="folder", title="a folder of images", row="image", unit="image",
        label=f"the label {positive}" if positive else "the label", screening=False, cautions=(), images=images,
    )  # fmt: skip


def patient_of(stem: str) -> str:
    """The patient in the name of a file, without its suffix.

    Examples
    --------
    >>> [patient_of(one) for one in ("00000239_000", "CNV-123456-1", "person7_virus_12", "P3_2")]
    ['00000239', '123456', 'person7', 'P3']

    A name that tells none is its own patient:

    >>> patient_of("scan_9"), patient_of("sample_A1")
    ('scan_9', 'sample_A1')
    """
    for pattern in PATIENT_NAMES:
        found = pattern.match(stem)
        if found:
            return found["patient"]
    return stem


def _positive(names: list[str], label: str | None, folder: Path) -> str | None:
    if label is not None:
        if label not in names:
            raise unknown_name("class", label, names)
        return label
    if not names:
        return None
    told = [one for one in names if not NEGATIVE.search(_ABNORMAL.sub("", one))]
    if len(told) == 1:
        return told[0]
    if len(names) == 1:
        return None
    raise InputError(
        f"{folder} has the classes {', '.join(names[:12])}: say which one is positive with --label"
    )
