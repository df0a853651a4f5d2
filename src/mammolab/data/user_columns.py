"""Columns of a user's table, from text to what they mean; a mistake is one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from mammolab.data.tables import FLAGS
from mammolab.data.user_table import DECIMAL_COMMA, RawTable, brief
from mammolab.errors import InputError

IDS = ("exam_id", "woman_id", "patient_id")  # the first that a table has names its rows
YES_NO = FLAGS | {"no": False, "yes": True}
ROWS_SHOWN = 5
DIGITS_AGE = r"^0*(\d+)(?:\.\d+)?Y?$"  # years in DICOM's form, 058Y, or plain
_CLOSE = 0.6  # likeness of two names, 0 to 1, from which one is offered for the other (assumption)


def check_columns(table: RawTable, required: Sequence[str], hint: str = "") -> None:
    """Stop when a required column is missing, offering the name most like it.

    Parameters
    ----------
    hint : str
        What would do instead; it ends the sentence.

    Raises
    ------
    InputError
    """
    present = list(table.cells.columns)
    missing = [name for name in required if name not in present]
    if not missing:
        return
    by_plain = {_plain(name): name for name in present if name not in required}
    told = []
    for name in missing:
        near = difflib.get_close_matches(_plain(name), by_plain, n=1, cutoff=_CLOSE)
        told.append(name + "".join(f" (rename {brief(by_plain[one])}?)" for one in near))
    shown = ", ".join(brief(name, 24) for name in present[:12]) + ", ..." * (len(present) > 12)
    raise InputError(
        f"{table.name} lacks the column(s) {', '.join(told)}; it has {shown}; needed: "
        f"{', '.join(required)}{hint and '; '}{hint}"
    )


def id_column(table: RawTable) -> str:
    """The column that names a row, each id once; "" where there is none."""
    return next((name for name in IDS if name in table.cells), "")


def ids(table: RawTable, column: str) -> pd.Series:
    """Ids as text, none blank."""
    values = table.cells[column]
    refuse(table, values == "", column, "is blank", "every row needs one")
    return values


def row_ids(table: RawTable) -> pd.Series:
    """As `ids`, of the column that names the rows, each once."""
    column = id_column(table)
    values = ids(table, column)
    again = values.duplicated(keep=False)
    kind = column.removesuffix("_id")
    an = "an" if kind == "exam" else "a"
    refuse(table, again, column, f"repeats {an} {kind}", f"every {kind} once, in one row")
    return values


def numbers(table: RawTable, column: str, unless_known: str) -> pd.Series:
    """A column of finite numbers; decimal commas are read where they do not part the columns."""
    text = table.cells[column]
    refuse(table, text == "", column, "is blank", f"a number; {unless_known}")
    comma = text.map(lambda one: DECIMAL_COMMA.fullmatch(one) is not None)
    if comma.any():
        if not table.decimal_comma:
            refuse(table, comma, column, "has decimal commas", "decimal points, as in 0.73")
        refuse(
            table, text.str.contains(".", regex=False), column,
            "mixes decimal points with commas", "one of the two throughout",
        )  # fmt: skip
        text = text.str.replace(",", ".", regex=False)
    values = pd.to_numeric(text, errors="coerce").astype(float)
    refuse(table, values.isna(), column, "is no number", "numbers such as 0.73")
    refuse(table, np.isinf(values), column, "is infinite", "finite numbers")
    return values


def flags(table: RawTable, column: str, unless_known: str) -> pd.Series:
    """A column of yes and no, none blank."""
    text = table.cells[column]
    valid = f"0, 1, false, true, no, yes; {unless_known}"
    refuse(table, text == "", column, "is blank", valid)
    return mapped(table, column, text, YES_NO, valid).astype(bool)


def says_synthetic(table: RawTable) -> bool:
    """Whether the file says of itself, in a column `synthetic`, that its data are made up."""
    if "synthetic" not in table.cells:
        return False
    return bool(flags(table, "synthetic", "drop the column if the data are real").any())


def refuse(table: RawTable, wrong: pd.Series, column: str, problem: str, valid: str) -> None:
    """Stop with one sentence when any row is wrong.

    Parameters
    ----------
    wrong : Series of bool
        Aligned with the table.

    Raises
    ------
    InputError
        File, column, what is wrong, how many rows, the first of them with their ids, and what is
        valid.
    """
    at = np.flatnonzero(wrong.to_numpy(dtype=bool))
    if not len(at):
        return
    cells, name = table.cells, id_column(table)
    shown = []
    for k in at[:ROWS_SHOWN]:
        one = cells[name].iloc[k] if name else ""
        kind = name.removesuffix("_id")
        shown.append(f"row {cells.index[k]}" + (f" ({kind} {brief(one, 24)})" if one else ""))
    dots = ", ..." if len(at) > ROWS_SHOWN else ""
    value = brief(cells[column].iloc[at[0]], 24)
    quoted = f", such as '{value}'," if value else ""
    raise InputError(
        f"{table.name}: column {brief(column)} {problem}{quoted} in {len(at):,} of "
        f"{len(cells):,} rows: {', '.join(shown)}{dots}; valid: {valid}"
    )


def mapped(
    table: RawTable, column: str, text: pd.Series, meaning: Mapping[str, bool], valid: str
) -> pd.Series:
    """The meaning of each cell, missing where blank."""
    found = text.str.lower().map(dict(meaning)).astype(object)
    refuse(table, found.isna() & (text != ""), column, "is not understood", valid)
    return found.where(found.notna(), None)


def whole(text: pd.Series) -> pd.Series:
    """Whole numbers as a re-saved copy may write them: 1.0 is 1."""
    return text.str.removesuffix(".0")


def flag_text(flag: pd.Series) -> pd.Series:
    """True, False and missing as 1, 0 and blank."""
    return flag.map({True: "1", False: "0"}).fillna("")


def _plain(name: str) -> str:
    return "".join(_letters(name.lower()))


def _letters(name: str) -> Iterable[str]:
    return (letter for letter in name if letter.isalnum())
