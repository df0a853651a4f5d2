"""The hospital's CSV exports as typed tables, validated at the boundary."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mammolab.data.lacks import PREVALENCE
from mammolab.errors import InputError, MissingInput
from mammolab.schemas import COLUMNS, KEYS, Column, check, describe_rows

FILES = {
    "patients": "ehr/patients.csv",
    "exams": "ehr/exams.csv",
    "registry": "registry/cancers.csv",
    "pathology": "pathology/reports.csv",
}
GIVEN = {"labels": "labels.csv", "images": "images.csv"}
LABELS = ("exam_id", "laterality", "cancer", "invasive", "kind", "split")
HEADER = {
    "extract_date": str,
    "registry_complete_through": str,
    "synthetic": bool,
    "source": str,
}
FLAGS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


@dataclass(frozen=True)
class PublicSet:
    """What `mammolab adapt` says of a public data set, beside its tables.

    Attributes
    ----------
    dataset : its name, such as "rsna".
    lacks : keys of `lacks.LACKS`.
    refuses : keys of `lacks.NEED_PREVALENCE`; empty where the share of cancers is a population's.
    prevalence : whose share of cancers it has, one of `adapters.base.PREVALENCES`.
    labels_given : whether the label is that of the table `labels`; else it follows from dated
        diagnoses.
    label_meaning : what a positive label means, in whole sentences.
    labels : exam_id, laterality, cancer, invasive ("", "0", "1"), kind, split; text as written.
    images : image_id, exam_id, use ("0", "1"); text as written.
    sideless : exams followed by cancer within a year of which no side is told.
    """

    dataset: str
    lacks: frozenset[str]
    refuses: tuple[str, ...]
    prevalence: str
    labels_given: bool
    label_meaning: str
    labels: pd.DataFrame
    images: pd.DataFrame
    sideless: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RawExport:
    """What the hospital handed over, typed and checked.

    Attributes
    ----------
    patients, exams, registry, pathology : tables as in `schemas.COLUMNS`; NaN, NaT and None mean
        unknown; registry and pathology rows without a patient_id are not linked to anyone.
    extract_date : day the export was made; NaT in a public data set without dates.
    registry_complete_through : last day whose cancers the registry holds in full; NaT likewise.
    synthetic : whether the export comes from the embedded programme.
    source : where it comes from, in words.
    dicom : folder of the images.
    public : None for a hospital's own exports.
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
    public: PublicSet | None = None

    @property
    def labels_given(self) -> bool:
        """Whether labels come with the exports, and are not derived from diagnoses."""
        return self.public is not None and self.public.labels_given

    @property
    def collected(self) -> bool:
        """Whether the share of cancers is a collection's, not that of the women as they came."""
        return self.public is not None and self.public.prevalence != "natural"

    @property
    def has_test_set(self) -> bool:
        """Whether the owners of a public data set have set test women aside."""
        return self.public is not None and bool((self.public.labels["split"] == "test").any())

    def tells(self, what: str) -> bool:
        """Whether something is told: a key of `lacks.SENTENCES`, such as "dates", "prevalence"."""
        if self.public is None:
            return True
        return what not in self.public.lacks and not (what == PREVALENCE and self.public.refuses)


def read_export(raw: str | Path) -> RawExport:
    """Read a raw export: export.json and the four CSV files.

    Of a public data set, as `mammolab adapt` wrote it, labels.csv and images.csv are read too, and
    cells may be blank that are needed of a hospital's own exports (`Column.public_gap`), dates only
    where the data set lacks them.

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
    content = _read_json(raw / "export.json")
    public = _read_public(raw, content) if "dataset" in content else None
    dated = public is None or "dates" not in public.lacks
    header = _read_header(raw / "export.json", content, dated)
    frames = {
        name: read_csv(raw / relative, name, public is not None, dated)
        for name, relative in FILES.items()
    }
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
        f"{content['extract_date']} of export.json for",
    )
    return RawExport(**frames, **header, dicom=raw / "dicom", public=public)


def read_csv(path: str | Path, name: str, public: bool = False, dated: bool = True) -> pd.DataFrame:
    """Read one CSV file as the table `name`, typed by its schema; a blank field is unknown.

    Columns beyond the schema are dropped. Dates are ISO (YYYY-MM-DD), flags 0/1 or true/false.

    Parameters
    ----------
    path, name : the file, and the table it holds.
    public : whether the data set is a public one, whose tables may have the gaps of
        `Column.public_gap`.
    dated : whether it tells dates; then none of these may be blank.

    Raises
    ------
    MissingInput : the file does not exist.
    InputError : the file is no CSV table, or breaks the schema (see `schemas.check`).
    """
    path = Path(path)
    columns = COLUMNS[name]
    text = _read_text(path, columns)
    frame = {}
    for column, declared in columns.items():
        may_be_blank = declared.missing or (
            public and declared.public_gap and not (dated and declared.kind == "date")
        )
        frame[column] = _parse(text, column, declared, may_be_blank, KEYS[name], path)
    return check(pd.DataFrame(frame), name, path)


def _read_text(path: Path, columns: Collection[str]) -> pd.DataFrame:
    """Read the named columns of a CSV file as text, stripped."""
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
    absent = [column for column in columns if column not in text]
    if absent:
        raise InputError(
            f"{path}: column {', '.join(absent)} is missing; expected: {', '.join(columns)}."
        )
    # A row longer or shorter than the header makes pandas shift or fill columns.
    if not isinstance(text.index, pd.RangeIndex) or text[list(columns)].isna().any(axis=None):
        raise InputError(f"{path}: some rows have more or fewer fields than the header.")
    return text[list(columns)].apply(lambda values: values.str.strip())


def _parse(
    text: pd.DataFrame,
    column: str,
    declared: Column,
    may_be_blank: bool,
    keys: tuple[str, ...],
    path: Path,
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
    if blank.any() and not may_be_blank:
        raise InputError(
            f"{path}: column {column} is blank for {describe_rows(text, blank, keys)}."
        )
    return parsed.astype("boolean" if blank.any() else bool) if declared.kind == "flag" else parsed


def _read_json(path: Path) -> dict:
    """Read export.json."""
    if not path.is_file():
        raise MissingInput(
            f"{path}: the file does not exist; an export holds export.json, "
            f"{', '.join(FILES.values())}."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not readable JSON ({error}).") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold one JSON object with {', '.join(HEADER)}.")
    return content


def _read_header(path: Path, content: dict, dated: bool) -> dict:
    """The two dates, whether it is synthetic, and its source; no dates where none are told."""
    dates = ("extract_date", "registry_complete_through")
    for key, kind in HEADER.items():
        if key in dates and not dated and content.get(key) is None:
            continue
        if not isinstance(content.get(key), kind):
            raise InputError(
                f"{path}: {key} is missing or no {'true/false' if kind is bool else 'text'}; "
                f"expected: {', '.join(HEADER)}."
            )
    header = {"synthetic": content["synthetic"], "source": content["source"]}
    for key in dates:
        told = content.get(key)
        header[key] = pd.to_datetime(told or "", format="%Y-%m-%d", errors="coerce")
        if pd.isna(header[key]) and told is not None:
            raise InputError(f"{path}: {key} is {told!r}; valid: a date as YYYY-MM-DD.")
    return header


def _read_public(raw: Path, content: dict) -> PublicSet:
    """What export.json, labels.csv and images.csv say of a public data set."""
    path = raw / "export.json"
    needed = dict.fromkeys(("dataset", "labels", "label_meaning", "prevalence"), str)
    for key, kind in (needed | dict.fromkeys(("lacks", "refuses"), list)).items():
        if not isinstance(content.get(key), kind):
            raise InputError(
                f"{path}: names a public data set, but {key} is missing or of another kind; "
                "`mammolab adapt` writes it."
            )
    labels = _read_text(raw / GIVEN["labels"], LABELS)
    images = _read_text(raw / GIVEN["images"], ("image_id", "exam_id", "use"))
    sideless = frozenset()
    if "breasts" in content["lacks"]:
        exams = _read_text(raw / FILES["exams"], ("exam_id", "years_to_cancer"))
        sideless = frozenset(exams.loc[exams["years_to_cancer"] == "0", "exam_id"])
    return PublicSet(
        dataset=content["dataset"],
        lacks=frozenset(content["lacks"]),
        refuses=tuple(content["refuses"]),
        prevalence=content["prevalence"],
        labels_given=content["labels"] == "given",
        label_meaning=content["label_meaning"],
        labels=labels,
        images=images,
        sideless=sideless,
    )


def _refuse(frame: pd.DataFrame, offending: pd.Series, complaint: str) -> None:
    rows = offending.to_numpy()
    if np.any(rows):
        raise InputError(f"{complaint} {describe_rows(frame, rows, KEYS['exams'])}.")
