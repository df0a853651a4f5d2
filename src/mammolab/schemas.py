"""The columns of every table that travels between chapters, and the checks at both ends.

One home for column names, types, ranges and valid options: the raw CSV readers, the chapters and
the tests all look here. `COLUMNS` is the plain declaration, `SCHEMAS` the same in pandera.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from mammolab.errors import InputError, MissingInput
from mammolab.files import write_whole

IDS_SHOWN = 5  # how many offending ids an error names

DTYPES = {
    "text": "object",
    "date": "datetime64[ns]",
    "number": "float64",
    "integer": "int64",
    "optional_integer": "Int64",
    "flag": "bool",
}
WITH_GAPS = {"flag": "boolean", "integer": "Int64"}
KIND_IN_WORDS = {
    "text": "text (ids too are text)",
    "date": "dates",
    "number": "numbers",
    "integer": "whole numbers",
    "optional_integer": "whole numbers or missing",
    "flag": "true/false",
}

RACES = ("white", "black", "asian", "hispanic", "other")
DENSITIES = ("a", "b", "c", "d")
AGE_BANDS = ("<40", "40-49", "50-59", "60-69", "70+")
SPLITS = ("train", "dev", "test")
VIEWS = ("CC", "MLO")


@dataclass(frozen=True)
class Column:
    """What one column may hold.

    Attributes
    ----------
    kind : a key of `DTYPES`; "flag" is a bool; "number" is float64, NaN = unknown.
    missing : whether NaN, NaT or None is allowed (it means unknown, never zero).
    public_gap : whether it is allowed where the exports are those of a public data set, which may
        not tell it; a hospital's own exports and all that is made of them are whole. A flag or
        integer with gaps is of pandas' own type with missing values, not of numpy's.
    options : the values allowed, in the order shown to the user; empty = any.
    low, high : inclusive bounds of a number; None = unbounded.
    """

    kind: str
    missing: bool = False
    options: tuple = ()
    low: float | None = None
    high: float | None = None
    public_gap: bool = False

    @property
    def nullable(self) -> bool:
        """Whether a table may hold unknown values here, whoever made it."""
        return self.missing or self.public_gap

    def dtype(self, has_gaps: bool) -> str:
        """The type of a column of this kind, with unknown values or without."""
        return WITH_GAPS.get(self.kind, DTYPES[self.kind]) if has_gaps else DTYPES[self.kind]


def _text(*options: str, missing: bool = False) -> Column:
    return Column("text", missing, options)


def _number(low=None, high=None, missing: bool = True, options: tuple = ()) -> Column:
    return Column("number", missing, options, low, high)


def _gap(column: Column) -> Column:
    return replace(column, public_gap=True)


ID = Column("text")
TEXT = Column("text", missing=True)
DATE = Column("date")
OPTIONAL_DATE = Column("date", missing=True)
FLAG = Column("flag")
COUNT = Column("integer", low=0)
OPTIONAL_COUNT = Column("optional_integer", missing=True, low=0)
LATERALITY = _text("L", "R")
SIZE_MM = _number(0, 300)
AGE_YEARS = _number(0, 120, missing=False)
BIRADS = _number(options=(0, 1, 2, 3, 4, 5, 6))
PROBABILITY = _number(0, 1)
WEIGHT = _number(0)

_FLOW = {
    "step": ID,
    "n_patients": COUNT,
    "n_exams": COUNT,
    "n_images": OPTIONAL_COUNT,
    "n_removed_exams": COUNT,
    "reason": ID,
}

_PITFALL = {
    "failure": ID,
    "dose": Column("number", low=0, high=1),
    "setting": _number(),
    **{
        f"{part}{end}": _number()
        for part in ("reported", "true", "repaired")
        for end in ("", "_low", "_high")
    },
    "guard_statistic": _number(),
    "guard_limit": _number(),
    "guard_fired": FLAG,
}

COLUMNS: dict[str, dict[str, Column]] = {
    "patients": {
        "patient_id": ID,
        "birth_year": _number(1850, 2100),
        "race_ethnicity": _text(*RACES, missing=True),
        "family_history_n": _number(options=(0, 1, 2, 3)),
        "menarche_age_years": _number(5, 25),
        "menopausal_status": _text("pre", "post", missing=True),
        "n_births": _number(0, 30),
        "age_first_birth_years": _number(8, 70),
        "n_biopsies": _number(0, 50),
        "atypia": _number(options=(0, 1)),
        "bmi": _number(8, 120),
        "brca": _number(options=(0, 1)),
        "death_date": OPTIONAL_DATE,
        "last_contact_date": OPTIONAL_DATE,
    },
    "exams": {
        "exam_id": ID,
        "patient_id": ID,
        "exam_date": _gap(DATE),
        "age_years": _gap(AGE_YEARS),
        "site": TEXT,
        "device": TEXT,
        "density": _text(*DENSITIES, missing=True),
        "birads": BIRADS,
        "reader_id": TEXT,
        "recall": _gap(FLAG),
        "biopsy": _gap(FLAG),
        "indication": _gap(_text("screening", "diagnostic")),
        "implant": _gap(FLAG),
        "sampling_weight": WEIGHT,
    },
    "registry": {
        "registry_id": ID,
        "patient_id": TEXT,
        "diagnosis_date": _gap(DATE),
        "reported_date": OPTIONAL_DATE,
        "laterality": LATERALITY,
        "behaviour": _gap(_text("invasive", "in_situ")),
        "size_mm": SIZE_MM,
    },
    "pathology": {
        "report_id": ID,
        "patient_id": TEXT,
        "specimen_date": _gap(DATE),
        "laterality": LATERALITY,
        "result": _gap(_text("benign", "in_situ", "invasive")),
        "size_mm": SIZE_MM,
    },
    "diagnoses": {
        "diagnosis_id": ID,
        "patient_id": ID,
        "diagnosis_date": DATE,
        "laterality": LATERALITY,
        "invasive": FLAG,
        "size_mm": SIZE_MM,
        "source": _text("registry", "pathology", "both"),
    },
    "dicom_index": {
        "image_id": ID,
        "exam_id": TEXT,
        "patient_id": TEXT,
        "path": ID,
        "laterality": _text("L", "R", missing=True),
        "view": _text(*VIEWS, missing=True),
        "manufacturer": TEXT,
        "model": TEXT,
        "software": TEXT,
        "intent": TEXT,
        "photometric": TEXT,
        "spacing_mm": _number(0, 10),
        "rows": OPTIONAL_COUNT,
        "columns": OPTIONAL_COUNT,
        "bits_stored": OPTIONAL_COUNT,
        "transfer_syntax": TEXT,
        "sha256": TEXT,
        "status": _text("ok", "rejected"),
        "reason": ID,
    },
    "cohort": {
        "exam_id": ID,
        "patient_id": ID,
        "exam_date": _gap(DATE),
        "exam_year": _gap(Column("integer", low=1900, high=2200)),
        "age_years": _gap(AGE_YEARS),
        "age_band": _gap(_text(*AGE_BANDS)),
        "race_ethnicity": _text(*RACES, missing=True),
        "density": _text(*DENSITIES, missing=True),
        "site": TEXT,
        "device": TEXT,
        "reader_id": TEXT,
        "birads": BIRADS,
        "recall": _gap(FLAG),
        "biopsy": _gap(FLAG),
        "implant": _gap(FLAG),
        "cancer_within_1y": FLAG,
        "cancer_laterality": _text("", "L", "R", "B"),
        "days_to_diagnosis": _number(0),
        "invasive": _gap(FLAG),
        "size_mm": SIZE_MM,
        "split": _text(*SPLITS),
        "sampling_weight": WEIGHT,
        "has_pixels": FLAG,
    },
    "cohort_flow": _FLOW,
    "flow": _FLOW,
    "images": {
        "image_id": ID,
        "exam_id": ID,
        "patient_id": ID,
        "laterality": LATERALITY,
        "view": _text(*VIEWS),
        "row": OPTIONAL_COUNT,
        "status": _text("ok", "skipped"),
        "reason": ID,
        "window": TEXT,
        "inverted": FLAG,
        "flipped": FLAG,
        "spacing_mm": _number(0, 100),
        "crop": TEXT,
        "preprocessing_hash": ID,
    },
    "outcomes": {
        "exam_id": ID,
        "patient_id": ID,
        "time_years": _number(0, 100, missing=False),
        "event": Column("integer", options=(0, 1, 2)),
    },
    "triage": {"exam_id": ID, "ruled_out": FLAG},
    "predictions": {
        "exam_id": ID,
        "model": ID,
        "seed": Column("integer"),
        "horizon_years": _number(0, 100, missing=False),
        "score": _number(),
        "probability": PROBABILITY,
        "split": _text(*SPLITS),
    },
    "results": {
        "chapter": ID,
        "metric": ID,
        "model": TEXT,
        "subgroup": TEXT,
        "horizon_years": _number(0, 100),
        "estimate": _number(),
        "ci_low": _number(),
        "ci_high": _number(),
        "n_exams": _number(0),
        "n_patients": _number(0),
        "n_events": _number(0),
        "method": TEXT,
    },
    "pitfalls": _PITFALL,
    "failures": {
        "chapter": ID,
        "title": ID,
        "metric": ID,
        "guard": ID,
        "repair": ID,
        "cost": ID,
        "source": ID,
        **_PITFALL,
    },
    "truth_women": {"patient_id": ID},
    "truth_exams": {"exam_id": ID},
    "truth_lesions": {"exam_id": ID},
}

KEYS: dict[str, tuple[str, ...]] = {
    "patients": ("patient_id",),
    "exams": ("exam_id",),
    "registry": ("registry_id",),
    "pathology": ("report_id",),
    "diagnoses": ("diagnosis_id",),
    "dicom_index": ("image_id",),
    "cohort": ("exam_id",),
    "cohort_flow": ("step",),
    "flow": ("step",),
    "images": ("image_id",),
    "outcomes": ("exam_id",),
    "triage": ("exam_id",),
    "predictions": ("exam_id", "model", "seed", "horizon_years"),
    "results": ("chapter", "metric", "model", "subgroup", "horizon_years"),
    "pitfalls": ("failure", "dose"),
    "failures": ("failure",),
    "truth_women": ("patient_id",),
    "truth_exams": ("exam_id",),
    "truth_lesions": (),
}


def _pandera_column(column: Column) -> pa.Column:
    checks = []
    if column.options:
        checks.append(pa.Check.isin(column.options))
    if column.low is not None:
        checks.append(pa.Check.ge(column.low))
    if column.high is not None:
        checks.append(pa.Check.le(column.high))
    if column.kind == "number":
        checks.append(pa.Check(lambda values: ~np.isinf(values), name="finite"))
    # A flag or integer with gaps is of another type, which `_as_declared` has seen to.
    dtype = None if column.public_gap and column.kind in WITH_GAPS else DTYPES[column.kind]
    return pa.Column(dtype, checks, nullable=column.nullable)


SCHEMAS: dict[str, pa.DataFrameSchema] = {
    name: pa.DataFrameSchema({key: _pandera_column(value) for key, value in columns.items()})
    for name, columns in COLUMNS.items()
}


def schema_name(name: str) -> str:
    """The schema a table uses: its own, or that of its prefix (results_07_triage -> results).

    Raises
    ------
    InputError : no schema has that name or prefix; the message lists those there are.

    Examples
    --------
    >>> schema_name("predictions_detection"), schema_name("cohort_flow")
    ('predictions', 'cohort_flow')
    """
    parts = name.split("_")
    for length in range(len(parts), 0, -1):
        candidate = "_".join(parts[:length])
        if candidate in COLUMNS:
            return candidate
    raise InputError(f"There is no table named {name!r}; valid: {', '.join(COLUMNS)}.")


def describe_rows(frame: pd.DataFrame, offending: np.ndarray, keys: tuple[str, ...]) -> str:
    """The first offending ids in words, e.g. "exam_id E1, E2 (17 rows)".

    Parameters
    ----------
    offending : bool array, shape (n_rows,).
    keys : id columns to show; where an id is blank, the number of the row (the first is 1).
    """
    rows = np.flatnonzero(np.asarray(offending))
    keys = [key for key in keys if key in frame]

    def id_of(row: int) -> str:
        parts = [frame[key].iloc[row] for key in keys]
        blank = not parts or any(pd.isna(part) or part == "" for part in parts)
        return f"(row {row + 1})" if blank else "/".join(map(str, parts))

    shown = ", ".join(id_of(row) for row in rows[:IDS_SHOWN])
    dots = ", ..." if len(rows) > IDS_SHOWN else ""
    plural = "row" if len(rows) == 1 else "rows"
    return f"{'/'.join(keys)} {shown}{dots} ({len(rows)} {plural})".lstrip()


def check(frame: pd.DataFrame, name: str, source: str | Path) -> pd.DataFrame:
    """Check a table against its schema and return it with the declared column types.

    Types are changed only where nothing is lost (int32 to int64, category to text, dates to
    nanoseconds); columns beyond the schema are kept.

    Parameters
    ----------
    frame : the table.
    name : table name; a suffix is allowed (`schema_name`).
    source : file or step the table comes from, named in errors.

    Raises
    ------
    InputError : a missing column, a wrong type, a missing value, a value outside the options or
        bounds, or a repeated key; one sentence with source, column, first ids, valid options.
    """
    base = schema_name(name)
    columns, keys = COLUMNS[base], KEYS[base]
    absent = [column for column in columns if column not in frame]
    if absent:
        raise InputError(
            f"{source}: column {', '.join(absent)} is missing; columns of {base}: "
            f"{', '.join(columns)}."
        )
    frame = frame.reset_index(drop=True).copy(deep=False)
    for column, declared in columns.items():
        frame[column] = _as_declared(frame[column], declared, f"{source}: column {column}")
    try:
        SCHEMAS[base].validate(frame)
    except pa.errors.SchemaError as error:
        column = error.schema.name
        raise InputError(_sentence(frame, column, columns[column], keys, source)) from None
    if keys:
        repeated = frame.duplicated(list(keys)).to_numpy()
        if repeated.any():
            raise InputError(
                f"{source}: {describe_rows(frame, repeated, keys)} repeats an earlier row; "
                f"{'/'.join(keys)} must be unique."
            )
    return frame


def _as_declared(values: pd.Series, declared: Column, where: str) -> pd.Series:
    """Bring a column to its declared dtype where no information is lost."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.dtype.categories.dtype)
    gaps = declared.public_gap and bool(values.isna().any())
    kind, wanted = declared.kind, declared.dtype(gaps)
    if not len(values) or (values.dtype == wanted and kind != "text"):
        return values.astype(wanted)
    held = pd.api.types.infer_dtype(values, skipna=True)
    empty = values.isna().all()
    if kind == "text" and (held == "string" or empty):
        return values.astype(object).where(values.notna(), None)
    if kind == "date" and (held in ("date", "datetime", "datetime64") or empty):
        return pd.to_datetime(values).astype(wanted)
    numeric = held in ("integer", "floating", "mixed-integer-float", "boolean") or empty
    if numeric and kind in ("number", "optional_integer", "integer", "flag"):
        numbers = pd.to_numeric(
            values.astype(object).where(values.notna(), np.nan), errors="coerce"
        )
        numbers = numbers.astype("Float64")
        present = numbers.dropna()
        whole = held in ("integer", "boolean") or (
            (kind == "optional_integer" or gaps) and (present == present.round()).all()
        )
        complete = len(present) == len(values)
        if kind == "number" or (kind == "optional_integer" and whole):
            return numbers.astype(wanted)
        if kind == "integer" and whole and (complete or gaps):
            return (numbers if gaps else values).astype(wanted)
        if kind == "flag" and whole and (complete or gaps) and present.isin((0, 1)).all():
            return numbers.astype(wanted)
    raise InputError(f"{where} must hold {KIND_IN_WORDS[kind]}; it holds {held}.")


def _sentence(frame, column: str, declared: Column, keys: tuple[str, ...], source) -> str:
    """Say in one sentence what is wrong with the first failing column."""
    values = frame[column]
    missing = values.isna().to_numpy()
    if missing.any() and not declared.nullable:
        return f"{source}: column {column} is blank for {describe_rows(frame, missing, keys)}."
    bad = np.zeros(len(values), dtype=bool)
    rule = "valid: finite numbers"
    if declared.kind == "number":
        bad |= np.isinf(values.to_numpy())
    if declared.options:
        bad |= ~values.isin(declared.options).to_numpy() & ~missing
        rule = f"valid: {', '.join(repr(option) for option in declared.options)}"
    if declared.low is not None:
        bad |= (values < declared.low).fillna(False).to_numpy(bool)
        rule = f"valid: at least {declared.low:g}"
    if declared.high is not None:
        bad |= (values > declared.high).fillna(False).to_numpy(bool)
        rule = f"valid: {declared.low:g} to {declared.high:g}"
    example = values[bad].iloc[0]
    shown = repr(example) if isinstance(example, str) else f"{example:g}"
    return (
        f"{source}: column {column} holds {shown} for {describe_rows(frame, bad, keys)}; {rule}"
        f"{' (blank = unknown)' if declared.missing else ''}."
    )


def read_table(path: str | Path, name: str) -> pd.DataFrame:
    """Read a Parquet table and check it against the schema of `name`.

    Raises
    ------
    MissingInput : the file does not exist.
    InputError : the file is no Parquet file, or breaks its schema (see `check`).
    """
    path = Path(path)
    if not path.is_file():
        raise MissingInput(f"{path}: the table {name} does not exist.")
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable Parquet table ({error}).") from None
    return check(frame, name, path)


def write_table(frame: pd.DataFrame, path: str | Path, name: str) -> None:
    """Check a table and write it as Parquet, so that a reader sees the whole file or none.

    Raises
    ------
    InputError : the table breaks its schema (see `check`).
    """
    checked = check(frame, name, path)
    write_whole(path, lambda temporary: checked.to_parquet(temporary, index=False))
