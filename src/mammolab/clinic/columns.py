"""Columns of a table of scores, from text to what they mean; a mistake is one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import pandas as pd

from mammolab.data.user_columns import YES_NO, mapped, numbers, refuse
from mammolab.data.user_table import RawTable, brief
from mammolab.errors import InputError
from mammolab.evaluate.subgroups import UNKNOWN

REQUIRED = ("patient_id", "exam_id", "score", "cancer")
OPTIONAL = ("recall", "birads", "weight", "split", "synthetic")
KNOWN_SUBGROUPS = ("age_band", "race_ethnicity", "density", "device", "site")
SPLITS = ("dev", "test")
# The audit of screening counts a recall as positive (ACR BI-RADS, 5th edition, follow-up and
# outcome monitoring): further imaging (0), and what a recall may end in without a normal exam.
BIRADS = {"0": True, "1": False, "2": False, "3": True, "4": True, "5": True}
BIRADS |= {f"4{letter}": True for letter in "abc"}
KNOWN_CANCER = "6"
NEARLY = 0.85  # likeness of two names, 0 to 1, from which one is a slip of the other (assumption)
MOST_LEVELS = 30  # of a subgroup column; what has more is a number or an id (assumption)


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


def check_spelling(table: RawTable, known: Sequence[str], used: Sequence[str]) -> None:
    """Stop when a column that nothing uses is all but a known one: it would be dropped unnoticed.

    Raises
    ------
    InputError
        Names the column and what it is taken for.
    """
    absent = {_plain(name): name for name in known if name not in table.cells}
    for name in table.cells:
        if name in used or name in known:
            continue
        near = difflib.get_close_matches(_plain(name), absent, n=1, cutoff=NEARLY)
        if near:
            raise InputError(
                f"{table.name} has a column {brief(name)}, which looks like {absent[near[0]]}: "
                f"rename it to that, or to something else if it means something else"
            )


def _plain(name: str) -> str:
    return "".join(one for one in name.lower() if one.isalnum())


def recall(table: RawTable) -> tuple[pd.Series | None, str, int, int]:
    """What readers decided, where from, how many BI-RADS contradict it, how many blanks they fill.

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
        positive = mapped(table, "birads", text, BIRADS, "0, 1, 2, 3, 4, 4A, 4B, 4C, 5")
    if "recall" not in cells:
        if positive is None:
            return None, "", 0, 0
        refuse(table, positive.isna(), "birads", "is blank", "it stands in for recall")
        return positive.astype(bool), "birads", 0, 0
    text = cells["recall"]
    valid = "0, 1, false, true, no, yes; without readers drop the column"
    decided = mapped(table, "recall", text, YES_NO, valid)
    if positive is not None:
        conflicts = decided.notna() & positive.notna() & (decided != positive)
        filled = decided.isna() & positive.notna()
        decided = decided.where(decided.notna(), positive)
    else:
        conflicts = filled = pd.Series(False, index=text.index)
    refuse(table, decided.isna(), "recall", "is blank", valid)
    return decided.astype(bool), "recall", int(conflicts.sum()), int(filled.sum())


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
    refuse(table, ~text.isin(SPLITS), "split", "is neither dev nor test",
           ", ".join(SPLITS) + "; leave out exams that the score was trained on")  # fmt: skip
    both = text.groupby(table.cells["patient_id"]).transform("nunique") > 1
    refuse(table, both, "split", "puts a patient in both dev and test", "all her exams in one")
    return text


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
