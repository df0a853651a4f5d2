"""De-identify a hospital's CSV tables with the pseudonyms and shifts of its images."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from mammolab.data.deidentify.attributes import MAX_AGE_YEARS
from mammolab.data.deidentify.identifiers import SHORTEST, spellings
from mammolab.data.deidentify.pseudonyms import Pseudonyms
from mammolab.data.tables import FILES, RawExport
from mammolab.errors import InputError, MissingInput
from mammolab.schemas import COLUMNS

IDS = {  # columns of ids, and the kind of pseudonym each gets
    "patient_id": "patient",
    "exam_id": "exam",
    "registry_id": "registry",
    "report_id": "report",
    "site": "site",
    "reader_id": "reader",
    "device": "device",
}
IMAGE_ID = "image_id"
ALWAYS_REPLACED = (
    "patient_id",
    "exam_id",
    "registry_id",
    "report_id",
    IMAGE_ID,
    "birth_year",
    "age_years",
)
SEARCHED = ("patient_id", "exam_id", "registry_id", "report_id", IMAGE_ID)
NUMBER = re.compile(r"[-+]?[0-9]{0,9}(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?")
KNOWN = {column: declared for name in FILES for column, declared in COLUMNS[name].items()}


@dataclass
class Tables:
    """De-identified tables, as text.

    Attributes
    ----------
    frames : by path below the output.
    written : every pseudonym and date in them.
    dropped : columns left out, "table: column".
    n_late_exams : exams left out, since the registry was not complete on their day.
    """

    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    dropped: list[str] = field(default_factory=list)
    n_late_exams: int = 0


def read_text(path: Path) -> pd.DataFrame:
    """Read a CSV table as text, cells without blanks around them.

    Raises
    ------
    MissingInput, InputError : no such file, no CSV, or no column patient_id.
    """
    if not path.is_file():
        raise MissingInput(f"{path}: there is no such table.")
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        frame = frame.apply(lambda values: values.str.strip())
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path}: not a readable CSV table ({type(error).__name__}).") from None
    if "patient_id" not in frame:
        raise InputError(f"{path}: column patient_id is missing; dates are moved by patient.")
    return frame


def identifiers_in(frame: pd.DataFrame) -> dict[str, set[str]]:
    """The ids of a table by column, spelled as `identifiers.identifiers_of` does."""
    return {
        column: {
            way.decode("latin-1")
            for value in set(frame[column])
            for way in spellings(value)
            if len(way) >= SHORTEST
        }
        for column in SEARCHED
        if column in frame
    }


def deidentify_table(
    frame: pd.DataFrame, where: str, pseudonyms: Pseudonyms, keep: set[str], tables: Tables
) -> pd.DataFrame:
    """One table with new ids, moved dates, and known columns alone.

    Parameters
    ----------
    frame : text, with patient_id; a row without one moves by its own id.
    where : its path below the output, named in errors and in `tables.dropped`.
    pseudonyms : of the key.
    keep : further columns to keep as they are, or moved where they end in _date.
    tables : gets what was written and dropped.

    Raises
    ------
    InputError : a known column holds no date, number or valid term.
    """
    result, owner = {}, _owner(frame)
    days = owner.map({one: pseudonyms.shift_days(one) for one in owner.unique()})
    for column in frame:
        values = frame[column]
        if column.endswith("_date") and (column in KNOWN or column in keep):
            result[column] = _moved(values, days, f"{where}: column {column}")
        elif column in keep:
            result[column] = values
        elif column in IDS:
            result[column] = _replaced(
                values, lambda one, kind=IDS[column]: pseudonyms.of(kind, one)
            )
        elif column == IMAGE_ID:
            result[column] = _replaced(values, pseudonyms.uid)
        elif column == "birth_year":
            result[column] = _birth_year(values, days, f"{where}: column {column}")
        elif column == "age_years":
            ages = _numbers(values, f"{where}: column {column}")
            result[column] = values.where(~(ages > MAX_AGE_YEARS), str(MAX_AGE_YEARS + 1))
        elif column in KNOWN and (KNOWN[column].kind != "text" or KNOWN[column].options):
            _require_known(values, column, where)
            result[column] = values
        else:
            tables.dropped.append(f"{where}: {column}")
            continue
        made = column.endswith("_date") or (column in (*IDS, IMAGE_ID) and column not in keep)
        tables.written |= set(result[column]) - {""} if made else set()
    return pd.DataFrame(result)


def deidentify_export(
    folder: Path, export: RawExport, pseudonyms: Pseudonyms, keep: set[str]
) -> Tables:
    """The four tables of an export, such that cohort and follow-up come out as before.

    Dates move back by a number of days that is the patient's own, so no day is the same for all
    any more, the one through which the registry is complete included. What that day does is done
    here, while dates are still true: who was seen after it gets it as last contact, and exams after it
    are left out (nobody could tell whether they were followed by a cancer, and an exam counts as a
    contact). Since all dates move to the past, the day itself can stay in export.json, where it
    then cuts nobody's follow-up.

    Parameters
    ----------
    folder : of the export.
    export : the same, checked (`tables.read_export`).
    pseudonyms : of the key.
    keep : names of further columns to keep.
    """
    tables = Tables()
    texts = {name: read_text(folder / relative) for name, relative in FILES.items()}
    complete = export.registry_complete_through
    late = (export.exams["exam_date"] > complete).to_numpy()
    tables.n_late_exams = int(late.sum())
    texts["exams"] = texts["exams"][~late].reset_index(drop=True)
    patients = export.patients
    ends = patients["last_contact_date"].fillna(patients["death_date"])
    with_late_exam = patients["patient_id"].isin(export.exams.loc[late, "patient_id"])
    cut = ((ends > complete) | with_late_exam).to_numpy()
    texts["patients"].loc[cut, "last_contact_date"] = f"{complete:%Y-%m-%d}"
    texts["patients"]["birth_year"] = _capped_birth_year(export, texts["patients"]["birth_year"])
    for name, relative in FILES.items():
        tables.frames[relative] = deidentify_table(texts[name], relative, pseudonyms, keep, tables)
    return tables


def _owner(frame: pd.DataFrame) -> pd.Series:
    """By whose id a row's dates move: the patient's; unlinked rows by their own."""
    first = frame[frame.columns[0]] if len(frame.columns) else frame["patient_id"]
    own = "row " + first.where(first != "", pd.Series(frame.index.astype(str), frame.index))
    return frame["patient_id"].where(frame["patient_id"] != "", own)


def _replaced(values: pd.Series, new) -> pd.Series:
    return values.map({value: new(value) for value in values.unique()})


def _dates(values: pd.Series, where: str) -> pd.Series:
    dates = pd.to_datetime(values, format="%Y-%m-%d", errors="coerce")
    wrong = values[(values != "") & dates.isna()]
    if len(wrong):
        raise InputError(f"{where} holds {wrong.iloc[0]!r}; valid: dates as YYYY-MM-DD.")
    return dates


def _moved(values: pd.Series, days: pd.Series, where: str) -> pd.Series:
    dates = _dates(values, where) - pd.to_timedelta(days, unit="D")
    return dates.dt.strftime("%Y-%m-%d").where(dates.notna(), "")


def _numbers(values: pd.Series, where: str) -> pd.Series:
    wrong = values[~values.map(lambda value: NUMBER.fullmatch(value) is not None)]
    if len(wrong):
        raise InputError(f"{where} holds {wrong.iloc[0]!r}; valid: numbers.")
    return pd.to_numeric(values, errors="coerce")


def _birth_year(values: pd.Series, days: pd.Series, where: str) -> pd.Series:
    """Years moved with the dates, a birthday in the middle of the year being taken."""
    years = _numbers(values, where)
    middle = pd.to_datetime(years.map("{:.0f}-07-01".format, na_action="ignore"), errors="coerce")
    moved = (middle - pd.to_timedelta(days, unit="D")).dt.year
    return moved.map("{:.0f}".format, na_action="ignore").fillna("").astype(object)


def _capped_birth_year(export: RawExport, text: pd.Series) -> pd.Series:
    """Birth years of women older than 89 on the last day anything is known of them, raised."""
    patients = export.patients
    last = pd.concat(
        [
            patients["patient_id"].map(export.exams.groupby("patient_id")["exam_date"].max()),
            patients["last_contact_date"],
            patients["death_date"],
        ],
        axis=1,
    ).max(axis=1)
    oldest = last.dt.year - (MAX_AGE_YEARS + 1)
    over = (patients["birth_year"] < oldest).to_numpy()
    raised = oldest.map("{:.0f}".format, na_action="ignore")
    return text.where(~over, raised)


def _require_known(values: pd.Series, column: str, where: str) -> None:
    """Refuse text in a column of numbers or terms: it could say anything."""
    declared = KNOWN[column]
    if declared.kind == "text":
        wrong = values[~values.isin([*declared.options, ""])] if declared.options else values[:0]
        valid = ", ".join(map(str, declared.options))
    elif declared.kind == "flag":
        wrong = values[~values.str.lower().isin(["0", "1", "0.0", "1.0", "true", "false", ""])]
        valid = "0, 1, true, false"
    else:
        _numbers(values, f"{where}: column {column}")
        return
    if len(wrong):
        raise InputError(f"{where}: column {column} holds {wrong.iloc[0]!r}; valid: {valid}.")
