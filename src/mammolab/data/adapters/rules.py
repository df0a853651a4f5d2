"""The rules: what every source keeps, and what adapters hold published tables against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from mammolab.data.adapters.base import NEEDED, TABLES, UNIQUE, Source
from mammolab.data.header import UID
from mammolab.errors import InputError
from mammolab.schemas import Column, describe_rows


def require_constant(
    frame: pd.DataFrame, within: Sequence[str], columns: Sequence[str], where: str
) -> None:
    """Stop when a column that is told once a group differs within one.

    Raises
    ------
    InputError
    """
    for column in columns:
        varied = frame.groupby(list(within), sort=False)[column].transform("nunique") > 1
        require(frame, ~varied, within, f"{where}: {column} differs within {'/'.join(within)}")


def require(frame: pd.DataFrame, holds: pd.Series, keys: Sequence[str], complaint: str) -> None:
    """Stop with one sentence, the first offending ids in it, where something does not hold.

    Raises
    ------
    InputError
    """
    wrong = ~np.asarray(holds, dtype=bool)
    if wrong.any():
        ids = tuple(key for key in keys if key in frame)
        raise InputError(f"{complaint} for {describe_rows(frame, wrong, ids)}.")


def surrogate_threshold(text: str) -> int:
    """The BI-RADS category from which a surrogate label is positive, as the user gave it.

    Raises
    ------
    InputError
    """
    if text not in ("3", "4", "5"):
        raise InputError(f"positive_from is {text!r}; valid: 3, 4, 5.")
    return int(text)


def check_source(source: Source) -> Source:
    """Hold a source against the rules that every adapter's output keeps.

    Raises
    ------
    InputError : a column is missing, a cell is not of its kind, an id is blank, repeated or names
        nobody, a breast has two labels, a woman is in two splits, or an image is both used and
        unusable; one sentence with the table and the first offending ids.
    """
    for name, columns in TABLES.items():
        _check_cells(source.card.name, name, getattr(source, name), columns)
    exams, labels, images = source.exams, source.labels, source.images
    name = source.card.name
    for other in ("exams", "registry", "pathology"):
        frame = getattr(source, other)
        known = frame["patient_id"].isin(source.patients["patient_id"])
        require(
            frame, known, UNIQUE[other], f"{name}, {other}: patient_id is in no row of patients"
        )
    require(labels, labels["exam_id"].isin(exams["exam_id"]), UNIQUE["labels"],
            f"{name}, labels: exam_id is in no row of exams")  # fmt: skip
    require(labels, (labels["cancer"] == "") | (labels["kind"] != ""), UNIQUE["labels"],
            f"{name}, labels: kind is blank where cancer is known")  # fmt: skip
    require(labels, (labels["invasive"] != "1") | (labels["cancer"] == "1"), UNIQUE["labels"],
            f"{name}, labels: invasive is 1 where cancer is not")  # fmt: skip
    patient_of = exams.set_index("exam_id")["patient_id"]
    split = labels.assign(patient_id=labels["exam_id"].map(patient_of))
    require_constant(split, ("patient_id",), ("split",), f"{name}, labels")
    _check_images(name, images, patient_of)
    return source


def _check_images(name: str, images: pd.DataFrame, patient_of: pd.Series) -> None:
    used, keys = images["use"] == "1", UNIQUE["images"]
    whose = images["exam_id"].map(patient_of)
    known = whose.eq(images["patient_id"]) | ((images["exam_id"] == "") & ~used)
    require(images, known, keys, f"{name}, images: exam_id and patient_id are in no row of exams")
    require(images, used ^ (images["reason"] != ""), keys,
            f"{name}, images: a reason must stand where use is 0 and nowhere else,")  # fmt: skip
    plain = (images["laterality"] != "") & (images["view"] != "")
    require(images, ~used | plain, keys, f"{name}, images: used without laterality or view")
    ids = images["image_id"].str.fullmatch(UID)
    require(images, ~used | ids, keys, f"{name}, images: image_id is no id that ingest takes")
    require(images, ~images["path"].duplicated(), keys, f"{name}, images: path repeats")
    inside = [
        not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts
        for path in images["path"]
    ]
    require(images, inside, keys, f"{name}, images: path leads out of the folder of images")


def _check_cells(
    dataset: str, name: str, frame: pd.DataFrame, columns: Mapping[str, Column]
) -> None:
    absent = [column for column in columns if column not in frame]
    if absent:
        raise InputError(f"{dataset}, {name}: column {', '.join(absent)} is missing.")
    keys = UNIQUE[name]
    for column in (*keys, *NEEDED.get(name, ())):
        require(frame, frame[column] != "", keys, f"{dataset}, {name}: {column} is blank")
    again = frame.duplicated(list(keys))
    require(frame, ~again, keys, f"{dataset}, {name}: {'/'.join(keys)} repeats")
    for column, declared in columns.items():
        values = frame[column]
        right, valid = _well_formed(values, declared)
        require(frame, right | (values == ""), keys,
                f"{dataset}, {name}: {column} holds what is not {valid},")  # fmt: skip


def _well_formed(values: pd.Series, declared: Column) -> tuple[pd.Series, str]:
    """Which cells are of the declared kind, and that kind in words."""
    if declared.kind == "flag":
        return values.isin(["0", "1"]), "0 or 1"
    if declared.kind == "date":
        parsed = pd.to_datetime(values, format="%Y-%m-%d", errors="coerce")
        return parsed.notna() & (values.str.len() == 10), "a date as YYYY-MM-DD"
    if declared.kind == "text":
        if declared.options:
            return values.isin(declared.options), f"one of {', '.join(declared.options)}"
        return values.map(lambda one: isinstance(one, str)), "text"
    number = pd.to_numeric(values, errors="coerce")
    right, valid = np.isfinite(number), "a number"
    if declared.options:
        right &= number.isin(declared.options)
        valid = f"one of {', '.join(map(str, declared.options))}"
    low, high = declared.low, declared.high
    if low is not None:
        right, valid = right & (number >= low), f"{valid} from {low:g}"
    if high is not None:
        right, valid = right & (number <= high), f"{valid} to {high:g}"
    return right, valid
