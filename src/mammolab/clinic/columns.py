"""Columns of a table of scores, from text to what they mean; a mistake is one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from mammolab.clinic.reading import DECIMAL_COMMA, RawTable, brief
from mammolab.data.tables import FLAGS
from mammolab.errors import InputError
from mammolab.evaluate.subgroups import UNKNOWN

IDS = ("exam_id", "woman_id", "patient_id")  # the first that a table has names its rows
REQUIRED = ("patient_id", "exam_id", "score", "cancer")
OPTIONAL = ("recall", "birads", "weight", "split", "synthetic")
KNOWN_SUBGROUPS = ("age_band", "race_ethnicity", "density", "device", "site")
SPLITS = ("dev", "test")
YES_NO = FLAGS | {"no": False, "yes": True}
# The audit of screening counts a recall as positive (ACR BI-RADS, 5th edition, follow-up and
# outcome monitoring): further imaging (0), and what a recall may end in without a normal exam.
BIRADS = {"0": True, "1": False, "2": False, "3": True, "4": True, "5": True}
BIRADS |= {f"4{letter}": True for letter in "abc"}
KNOWN_CANCER = "6"
MOST_LEVELS = 30  # of a subgroup column; what has more is a number or an id (assumption)
ROWS_SHOWN = 5
_CLOSE = 0.6  # likeness of two names, 0 to 1, from which one is offered for the other (assumption)


def check_columns(table: RawTable, required: Sequence[str] = REQUIRED, hint: str = "") -> None:
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


def subgroup_names(table: RawTable, asked: str | None) -> tuple[str, ...]:
    """The columns whose values are subgroups: those asked for, or the known names present.

    Raises
    ------
    InputError
        When a name asked for is no column, or one with another meaning.
    """
    free = [name for name in table.cells if name not in (*REQUIRED, *OPTIONAL)]
    if asked is None:
        return tuple(name for name in KNOWN_SUBGROUPS if name in free)
    wanted = [name.strip() for name in asked.split(",") if name.strip()]
    if wanted == ["none"] and "none" not in free:
        return ()
    for name in wanted:
        if name not in free:
            near = difflib.get_close_matches(name, free, n=len(free), cutoff=0)
            raise InputError(
                f"--subgroups names {brief(name)}, and {table.name} has no such column to group "
                f"by; valid: {', '.join(brief(one) for one in near) or 'none'}"
            )
    return tuple(dict.fromkeys(wanted))


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
    refuse(table, again, column, "repeats an id", "every id once, in one row")
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
    return _mapped(table, column, text, YES_NO, valid).astype(bool)


def recall(table: RawTable) -> tuple[pd.Series | None, str, int]:
    """What readers decided, where it comes from, and how many BI-RADS categories contradict it.

    The column `recall` is taken where it is there, BI-RADS where it is not or is blank. A
    contradiction is no error: a category may be the final one, after the work-up of a recall.
    """
    cells = table.cells
    positive = None
    if "birads" in cells:
        text = cells["birads"].str.upper().str.removesuffix(".0").str.lower()
        refuse(
            table, text == KNOWN_CANCER, "birads", "is 6, a cancer known before the exam",
            "0 to 5; leave such exams out",
        )  # fmt: skip
        positive = _mapped(table, "birads", text, BIRADS, "0, 1, 2, 3, 4, 4A, 4B, 4C, 5")
    if "recall" not in cells:
        if positive is None:
            return None, "", 0
        refuse(table, positive.isna(), "birads", "is blank", "it stands in for recall")
        return positive.astype(bool), "birads", 0
    text = cells["recall"]
    valid = "0, 1, false, true, no, yes; without readers drop the column"
    decided = _mapped(table, "recall", text, YES_NO, valid)
    if positive is not None:
        conflicts = decided.notna() & positive.notna() & (decided != positive)
        decided = decided.where(decided.notna(), positive)
    else:
        conflicts = pd.Series(False, index=text.index)
    refuse(table, decided.isna(), "recall", "is blank", valid)
    return decided.astype(bool), "recall", int(conflicts.sum())


def weights(table: RawTable) -> pd.Series:
    """Inverse sampling probabilities; all 1 where the file has none.

    Raises
    ------
    InputError
        Also when they average below 1, which no inverse probabilities can.
    """
    if "weight" not in table.cells:
        return pd.Series(1.0, index=table.cells.index)
    values = numbers(table, "weight", "0 leaves an exam out")
    refuse(table, values < 0, "weight", "is negative", "0 or above")
    counted = values[values > 0]
    if counted.empty:
        raise InputError(f"{table.name}: column weight is 0 in all {len(values):,} rows")
    if counted.mean() < 1 - 1e-6:
        raise InputError(
            f"{table.name}: column weight sums to {counted.sum():.4g} over {len(counted):,} exams "
            "and looks normalised; a weight is 1 over the probability that the exam was sampled, "
            "so 1 or more on average"
        )
    return values


def split(table: RawTable) -> pd.Series | None:
    """Dev or test of each exam; None where the file does not say."""
    if "split" not in table.cells:
        return None
    text = table.cells["split"].str.lower()
    refuse(table, ~text.isin(SPLITS), "split", "is neither dev nor test", ", ".join(SPLITS))
    both = text.groupby(table.cells["patient_id"]).transform("nunique") > 1
    refuse(table, both, "split", "puts a patient in both dev and test", "all her exams in one")
    return text


def says_synthetic(table: RawTable) -> bool:
    """Whether the file says of itself, in a column `synthetic`, that its data are made up."""
    if "synthetic" not in table.cells:
        return False
    return bool(flags(table, "synthetic", "drop the column if the data are real").any())


def levels(table: RawTable, column: str) -> pd.Series:
    """A subgroup of each exam, "unknown" where blank."""
    text = table.cells[column]
    n_levels = text.nunique()
    if n_levels > MOST_LEVELS:
        raise InputError(
            f"{table.name}: column {brief(column)} has {n_levels:,} different values and a "
            f"subgroup at most {MOST_LEVELS}: write bands, or name others in --subgroups"
        )
    return text.where(text != "", UNKNOWN)


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
        one = cells[name].iloc[k]
        kind = name.removesuffix("_id")
        shown.append(f"row {cells.index[k]}" + (f" ({kind} {brief(one, 24)})" if one else ""))
    dots = ", ..." if len(at) > ROWS_SHOWN else ""
    value = brief(cells[column].iloc[at[0]], 24)
    quoted = f", such as '{value}'," if value else ""
    raise InputError(
        f"{table.name}: column {brief(column)} {problem}{quoted} in {len(at):,} of "
        f"{len(cells):,} rows: {', '.join(shown)}{dots}; valid: {valid}"
    )


def _mapped(
    table: RawTable, column: str, text: pd.Series, meaning: Mapping[str, bool], valid: str
) -> pd.Series:
    """The meaning of each cell, missing where blank."""
    found = text.str.lower().map(dict(meaning)).astype(object)
    refuse(table, found.isna() & (text != ""), column, "is not understood", valid)
    return found.where(found.notna(), None)


def _plain(name: str) -> str:
    return "".join(_letters(name.lower()))


def _letters(name: str) -> Iterable[str]:
    return (letter for letter in name if letter.isalnum())
