"""The columns an audit knows, and how a cell of text becomes what it means; blank is unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from mammolab.clinic.columns import BIRADS, check_spelling
from mammolab.data.user_columns import YES_NO, mapped, numbers, refuse
from mammolab.data.user_table import RawTable, brief
from mammolab.errors import InputError

_IS_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?"


@dataclass(frozen=True)
class Column:
    """One column that an audit can use.

    kind : "text", "number", "share", "positive", "flag" or "date".
    aliases : other names it goes by in tables of this project.
    """

    name: str
    kind: str
    aliases: tuple[str, ...] = ()


KNOWN: tuple[Column, ...] = (
    Column("patient_id", "text"),
    Column("exam_id", "text"),
    Column("image_id", "text"),
    Column("image_file", "text"),
    Column("split", "text"),
    Column("cancer", "flag", ("cancer_within_1y",)),
    Column("exam_date", "date"),
    Column("diagnosis_date", "date"),
    Column("follow_up_days", "number"),
    Column("time_years", "number"),
    Column("event", "number"),
    Column("site", "text"),
    Column("device", "text"),
    Column("view", "text"),
    Column("exam_year", "number"),
    Column("age_years", "number"),
    Column("density", "text"),
    Column("race_ethnicity", "text"),
    Column("sex", "text"),
    Column("implant", "flag"),
    Column("birads", "text"),
    Column("recalled", "flag", ("recall",)),
    Column("included", "flag"),
    Column("score", "number"),
    Column("probability", "share"),
    Column("sampling_weight", "positive", ("weight",)),
    Column("synthetic", "flag"),
)
BY_NAME = {column.name: column for column in KNOWN}
ALIASES = {alias: column.name for column in KNOWN for alias in column.aliases}
LABEL = "cancer"
NAMES_OF_LABEL = (LABEL, *BY_NAME[LABEL].aliases)
# What a known column is often called elsewhere. Asked about, never guessed: `label` may be any.
USUAL_NAMES = {
    "age": "age_years", "label": LABEL, "outcome": LABEL, "scandate": "exam_date",
    "scanner": "device", "machine": "device", "hospital": "site", "race": "race_ethnicity",
    "breastdensity": "density",
}  # fmt: skip
# Letters in which two names may differ and be one, by the length of the known one: side is not site.
SLIPS_FROM_LENGTH = ((9, 2), (5, 1), (0, 0))


def renamed(table: RawTable, label: str | None, score: str | None) -> tuple[RawTable, list[str]]:
    """The same table with aliases, the label and the score under the names an audit knows.

    What was taken for what is told in the second part.

    Raises
    ------
    InputError
        When `label` or `score` is no column, a column goes by two names at once, a name is all but
        a known one, or no column means anything here.
    """
    wanted = {}
    for option, asked, name in (("--label", label, LABEL), ("--score-column", score, "score")):
        if asked is None:
            continue
        if asked not in table.cells:
            shown = ", ".join(brief(one, 24) for one in table.cells.columns[:20])
            raise InputError(
                f"{option} names {brief(asked)}, and {table.name} has no such column; it has {shown}"
            )
        wanted[asked] = name
    for alias, name in ALIASES.items():
        if alias in table.cells and name not in table.cells and name not in wanted.values():
            wanted[alias] = name
    drop = [name for given, name in wanted.items() if name in table.cells and given != name]
    table = replace(table, cells=table.cells.drop(columns=drop).rename(columns=wanted))
    known = [*BY_NAME, *ALIASES]
    check_spelling(table, known, known)
    if not any(name in BY_NAME for name in table.cells):
        shown = ", ".join(brief(one, 24) for one in table.cells.columns[:12])
        raise InputError(
            f"{table.name} has no column that an audit knows; it has {shown or 'none'}; known: "
            f"{', '.join(BY_NAME)}"
        )
    notes = [f"Column {brief(one)} was taken for {name}." for one, name in wanted.items()
             if one != name]  # fmt: skip
    return table, notes + [f"The file's own column {name} was not used." for name in drop]


def ask_about(table: RawTable) -> None:
    """Stop when an unknown column may be a known one that is absent: nothing would be said of it.

    Raises
    ------
    InputError
        Names the column and what it may be.
    """
    absent = {_plain(name): name for name in BY_NAME if name not in table.cells}
    for name in table.cells:
        if name in BY_NAME or name in ALIASES:
            continue
        plain = _plain(name)
        meant = USUAL_NAMES.get(plain)
        if meant in table.cells:
            continue
        meant = meant or next((absent[one] for one in absent if _is_slip(plain, one)), None)
        if meant is not None:
            label = f", give --label {brief(name)}" if meant == LABEL else ""
            raise InputError(
                f"{table.name} has a column {brief(name)}, which looks like {meant}: rename it to "
                f"that{label}, or to something else if it means something else"
            )


def _plain(name: str) -> str:
    return "".join(one for one in name.lower() if one.isalnum())


def _is_slip(given: str, known: str) -> bool:
    most = next(slips for length, slips in SLIPS_FROM_LENGTH if len(known) >= length)
    return abs(len(given) - len(known)) <= most and edit_distance(given, known) <= most


def edit_distance(one: str, other: str) -> int:
    """Letters to be put in, left out or changed to make one of the other (Levenshtein 1966).

    Examples
    --------
    >>> edit_distance("devise", "device"), edit_distance("age", "ages"), edit_distance("", "ab")
    (1, 1, 2)
    """
    row = list(range(len(other) + 1))
    for k, letter in enumerate(one, start=1):
        before, row = row, [k]
        for j, against in enumerate(other, start=1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (letter != against)))
    return row[-1]


def typed(table: RawTable) -> pd.DataFrame:
    """The known columns of a table as values: text (None where blank), floats, dates.

    Flags are floats too: 1, 0, NaN where unknown. Missing is never turned into "no". A table of
    risk has its label from `event`, and a year is read from the date.

    Raises
    ------
    InputError
        One sentence with file, column, rows and what is valid.
    """
    read = {
        column.name: _READ[column.kind](table, column.name)
        for column in KNOWN
        if column.name in table.cells
    }
    frame = pd.DataFrame(read, index=table.cells.index)
    if "birads" in frame and "recalled" not in frame:
        frame["recalled"] = _recalled(table)
    if LABEL not in frame and "event" in frame:
        frame[LABEL] = (frame["event"] == 1).astype(float).where(frame["event"].notna())
    if "exam_date" in frame and "exam_year" not in frame:
        frame["exam_year"] = frame["exam_date"].dt.year.astype(float)
    return frame.reset_index(drop=True)


def _recalled(table: RawTable) -> pd.Series:
    """Whether a BI-RADS category means a recall; unknown where it is blank or means neither."""
    text = table.cells["birads"].str.lower().str.removesuffix(".0")
    return text.map(BIRADS).astype(float)


def _text(table: RawTable, name: str) -> pd.Series:
    text = table.cells[name].astype(object)
    return text.where(text != "", None)


def _number(table: RawTable, name: str) -> pd.Series:
    """Finite numbers, NaN where blank."""
    cells = table.cells
    there = replace(table, cells=cells[cells[name] != ""])
    if there.cells.empty:
        return pd.Series(float("nan"), index=cells.index)
    return numbers(there, name, "blank where unknown").reindex(cells.index)


def _share(table: RawTable, name: str) -> pd.Series:
    value = _number(table, name)
    refuse(table, (value < 0) | (value > 1), name, "leaves [0, 1]", "a probability from 0 to 1")
    return value


def _positive(table: RawTable, name: str) -> pd.Series:
    value = _number(table, name)
    refuse(table, value < 0, name, "is negative", "0 or above; 0 or blank: not sampled")
    return value


def _flag(table: RawTable, name: str) -> pd.Series:
    valid = "0, 1, false, true, no, yes; blank where unknown"
    return mapped(table, name, table.cells[name], YES_NO, valid).astype(float)


def _date(table: RawTable, name: str) -> pd.Series:
    text = table.cells[name]
    date = pd.to_datetime(
        text.where(text.str.fullmatch(_IS_DATE)).str[:10], format="%Y-%m-%d", errors="coerce"
    )
    refuse(table, date.isna() & (text != ""), name, "is no date", "YYYY-MM-DD; blank where unknown")
    return date


_READ: dict[str, Callable[[RawTable, str], pd.Series]] = {
    "text": _text,
    "number": _number,
    "share": _share,
    "positive": _positive,
    "flag": _flag,
    "date": _date,
}


def first_present(frame: pd.DataFrame, names: Sequence[str]) -> str:
    """The first of the columns that the frame has; "" where it has none."""
    return next((name for name in names if name in frame), "")
