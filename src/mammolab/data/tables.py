"""The hospital's CSV exports as typed tables, validated at the boundary."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mammolab.errors import InputError, MissingInput
from mammolab.schemas import COLUMNS, KEYS, Column, check, describe_rows

FILES = {
    "patients": "ehr/patients.csv",
    "exams": "ehr/exams.csv",
    "registry": "registry/cancers.csv",
    "pathology": "pathology/reports.csv",
}
FLAGS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


@dataclass(frozen=True)
class RawExport:
    """What the hospital handed over, typed and checked.

    Attributes
    ----------
    patients, exams, registry, pathology : tables as in `schemas.COLUMNS`; NaN, NaT and None mean
        unknown; registry and pathology rows without a patient_id are not linked to anyone.
    extract_date : day the export was made.
    registry_complete_through : last day whose cancers the registry holds in full.
    synthetic : whether the export comes from the embedded programme.
    source : where it comes from, in words.
    dicom : folder of the images.
    """

    patients: pd.DataFrame
    exams: pd.DataFrame
    registry: pd.DataFrame
    pathology: pd.DataFrame
    extract_date: pd.Timestamp
    registry_complete_through: pd.Timestamp
    synthetic: bool
    source: str
    dicom: Path


def read_export(raw: str | Path) -> RawExport:
    """Read a raw export: export.json and the four CSV files.

    Parameters
    ----------
    raw : the folder that holds export.json, ehr/, registry/, pathology/ and dicom/.

    Raises
    ------
    MissingInput : a file does not exist; the message lists the files expected.
    InputError : a column is missing, a value does not parse or is not among the valid ones, an id
        is blank or repeated, an exam has no patient, or an exam is dated after the extract; one
        sentence with the file, the column and the first offending ids.
    """
    raw = Path(raw)
    if not raw.is_dir():
        raise MissingInput(f"{raw}: there is no such folder of raw exports.")
    header = _read_header(raw)
    frames = {name: read_csv(raw / relative, name) for name, relative in FILES.items()}
    patients, exams = frames["patients"], frames["exams"]
    _refuse(
        exams,
        ~exams["patient_id"].isin(patients["patient_id"]),
        f"{raw / FILES['exams']}: column patient_id names nobody in {FILES['patients']} for",
    )
    _refuse(
        exams,
        exams["exam_date"] > header["extract_date"],
        f"{raw / FILES['exams']}: column exam_date lies after the extract_date "
        f"{header['extract_date']:%Y-%m-%d} of export.json for",
    )
    return RawExport(**frames, **header, dicom=raw / "dicom")


def read_csv(path: str | Path, name: str) -> pd.DataFrame:
    """Read one CSV file as the table `name`, typed by its schema; a blank field is unknown.

    Columns beyond the schema are dropped. Dates are ISO (YYYY-MM-DD), flags 0/1 or true/false.

    Raises
    ------
    MissingInput : the file does not exist.
    InputError : the file is no CSV table, or breaks the schema (see `schemas.check`).
    """
    path = Path(path)
    if not path.is_file():
        raise MissingInput(
            f"{path}: the file does not exist; an export holds export.json, "
            f"{', '.join(FILES.values())}."
        )
    try:
        # Text first: a float column would corrupt ids above 2**53 without a word.
        text = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: not a readable CSV table ({' '.join(str(error).split())}).")
    columns = COLUMNS[name]
    absent = [column for column in columns if column not in text]
    if absent:
        raise InputError(
            f"{path}: column {', '.join(absent)} is missing; expected: {', '.join(columns)}."
        )
    # A row longer or shorter than the header makes pandas shift or fill columns.
    if not isinstance(text.index, pd.RangeIndex) or text[list(columns)].isna().any(axis=None):
        raise InputError(f"{path}: some rows have more or fewer fields than the header.")
    text = text[list(columns)].apply(lambda values: values.str.strip())
    frame = {
        column: _parse(text, column, declared, KEYS[name], path)
        for column, declared in columns.items()
    }
    return check(pd.DataFrame(frame), name, path)


def _parse(
    text: pd.DataFrame, column: str, declared: Column, keys: tuple[str, ...], path: Path
) -> pd.Series:
    """Turn one column of text into its declared kind."""
    values = text[column]
    blank = values == ""
    if declared.kind == "text":
        parsed, wanted = values.where(~blank, None), "text"
    elif declared.kind == "date":
        parsed = pd.to_datetime(values, format="%Y-%m-%d", errors="coerce")
        wanted = "dates as YYYY-MM-DD"
    elif declared.kind == "flag":
        parsed, wanted = values.str.lower().map(FLAGS), "0, 1, true, false"
    else:
        parsed, wanted = pd.to_numeric(values, errors="coerce"), "numbers"
    unparsed = parsed.isna() & ~blank
    if unparsed.any():
        raise InputError(
            f"{path}: column {column} holds {values[unparsed].iloc[0]!r} for "
            f"{describe_rows(text, unparsed, keys)}; valid: {wanted}."
        )
    if blank.any() and not declared.missing:
        raise InputError(
            f"{path}: column {column} is blank for {describe_rows(text, blank, keys)}."
        )
    return parsed.astype(bool) if declared.kind == "flag" else parsed


def _read_header(raw: Path) -> dict:
    """Read export.json: the two dates, whether it is synthetic, and its source."""
    path = raw / "export.json"
    if not path.is_file():
        raise MissingInput(
            f"{path}: the file does not exist; an export holds export.json, "
            f"{', '.join(FILES.values())}."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not readable JSON ({error}).") from None
    valid = {
        "extract_date": str,
        "registry_complete_through": str,
        "synthetic": bool,
        "source": str,
    }
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold one JSON object with {', '.join(valid)}.")
    for key, kind in valid.items():
        if not isinstance(content.get(key), kind):
            raise InputError(
                f"{path}: {key} is missing or no {'true/false' if kind is bool else 'text'}; "
                f"expected: {', '.join(valid)}."
            )
    header = {"synthetic": content["synthetic"], "source": content["source"]}
    for key in ("extract_date", "registry_complete_through"):
        header[key] = pd.to_datetime(content[key], format="%Y-%m-%d", errors="coerce")
        if pd.isna(header[key]):
            raise InputError(f"{path}: {key} is {content[key]!r}; valid: a date as YYYY-MM-DD.")
    return header


def _refuse(frame: pd.DataFrame, offending: pd.Series, complaint: str) -> None:
    rows = offending.to_numpy()
    if np.any(rows):
        raise InputError(f"{complaint} {describe_rows(frame, rows, KEYS['exams'])}.")
