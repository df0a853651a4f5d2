"""A reader study as a table: readers' and systems' probabilities of malignancy of the same exams."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mammolab.errors import InputError, MissingInput
from mammolab.schemas import describe_rows

KEYS = ("case_ID", "side")
SIDES = ("L", "R")
READER = re.compile(r"Reader\d+_POM")
SYSTEM = re.compile(r"AI_.+_POM")
LABELS = {"0": False, "1": True, "0.0": False, "1.0": True}
PICKLES = (".pkl", ".pickle", ".p")
EXPECTED = "case_ID, side, label, Reader01_POM and so on, AI_name_POM and so on"


@dataclass(frozen=True, eq=False)
class ReaderReadings:
    """Who said what of which exam, as probabilities of malignancy (POM) in [0, 1].

    Attributes
    ----------
    breasts : DataFrame, one row a breast
        case_ID (text), side (L, R), label (bool: malignant), then the columns of readers, systems.
    exams : DataFrame, one row an exam
        case_ID, label (either breast), and the highest POM of its breasts in each column.
    readers, systems : tuple of str
        Columns, in the order of the file. Every reader read every breast.
    """

    breasts: pd.DataFrame
    exams: pd.DataFrame
    readers: tuple[str, ...]
    systems: tuple[str, ...]


def read_reader_study(path: str | Path) -> ReaderReadings:
    """Read a reader study from CSV, in the columns of the NYU reader study.

    Parameters
    ----------
    path : str or Path
        A CSV file with one row a breast: case_ID (the exam, one a patient), side (L or R), label
        (0 or 1), any number of ReaderNN_POM (at least two) and of AI_name_POM (at least one).
        Other columns are left out.

    Returns
    -------
    ReaderReadings
        Rows in the order of the file; exams in the order of their first breast.

    Raises
    ------
    MissingInput
        If the file does not exist.
    InputError
        If it is a pickle (the published form; reading one runs the code in it), no CSV table, or
        lacks a column, or a value is missing or outside its range, a breast is there twice, a
        reader or the systems are too few, or a class has fewer than two exams. One sentence names
        the column and the first breasts at fault.

    Notes
    -----
    An exam of one breast stands for itself: its highest POM is that of the breast that is there.

    References
    ----------
    Wu et al. 2020, doi:10.1109/TMI.2019.2945514 (the study). Stadnick et al. 2021,
    arXiv:2108.04800 (the systems' scores; nyukat/mammography_metarepository, BSD-2-Clause).
    """
    path = Path(path)
    if not path.is_file():
        raise MissingInput(f"{path}: there is no such file; a reader study is one CSV file")
    text = _read_text(path)
    readers = tuple(name for name in text.columns if READER.fullmatch(name))
    systems = tuple(name for name in text.columns if SYSTEM.fullmatch(name))
    _check_columns(text, readers, systems, path)

    side = text["side"].str.upper()
    _refuse(~side.isin(SIDES), text, "side", f"valid: {', '.join(SIDES)}", path)
    _refuse(text["case_ID"] == "", text, "case_ID", "valid: any text", path)
    label = text["label"].map(LABELS)
    _refuse(label.isna(), text, "label", "valid: 0, 1", path)
    breasts = pd.DataFrame({"case_ID": text["case_ID"], "side": side, "label": label.astype(bool)})
    twice = breasts.duplicated(list(KEYS))
    if twice.any():
        raise InputError(
            f"{path}: a breast is given more than once: {describe_rows(breasts, twice, KEYS)}"
        )
    for column in (*readers, *systems):
        pom = pd.to_numeric(text[column], errors="coerce").astype(float)
        _refuse(~pom.between(0, 1), text, column, "valid: probabilities from 0 to 1", path)
        breasts[column] = pom
    exams = breasts.drop(columns="side").groupby("case_ID", sort=False).max().reset_index()
    n_cancers = int(exams["label"].sum())
    if min(n_cancers, len(exams) - n_cancers) < 2:
        raise InputError(
            f"{path}: {n_cancers} of {len(exams)} exams have cancer by the column label; at least "
            "two with and two without are needed"
        )
    return ReaderReadings(breasts, exams, readers, systems)


def _read_text(path: Path) -> pd.DataFrame:
    """Read the file as text, blank where a field is empty."""
    if path.suffix.lower() in PICKLES:
        raise InputError(
            f"{path}: pickles are not read, since that runs the code in them; where you trust the "
            f"file, make a CSV of its data frame with frame.to_csv('reader_study.csv', "
            f"index=False), and give that (columns: {EXPECTED})"
        )
    try:
        # Text first: pandas would turn an id such as 007 into 7.
        text = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, pd.errors.ParserError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a readable CSV table ({reason})") from None
    # A row longer or shorter than the header makes pandas shift or fill columns.
    if not isinstance(text.index, pd.RangeIndex) or text.isna().any(axis=None):
        raise InputError(f"{path}: some rows have more or fewer fields than the header")
    return text.apply(lambda values: values.str.strip())


def _check_columns(
    text: pd.DataFrame, readers: tuple[str, ...], systems: tuple[str, ...], path: Path
) -> None:
    absent = [name for name in (*KEYS, "label") if name not in text]
    if absent:
        raise InputError(f"{path}: column {', '.join(absent)} is missing; expected: {EXPECTED}")
    stray = [
        name
        for name in text.columns
        if name.lower().endswith("_pom") and name not in readers + systems
    ]
    if stray:
        raise InputError(
            f"{path}: column {', '.join(stray)} is neither a reader's nor a system's; expected: "
            f"{EXPECTED}"
        )
    if len(readers) < 2:
        raise InputError(
            f"{path}: {len(readers)} reader column(s), where at least two are needed; expected: "
            f"{EXPECTED}"
        )
    if not systems:
        raise InputError(f"{path}: no system's column; expected: {EXPECTED}")
    if not len(text):
        raise InputError(f"{path}: the table has no row")


def _refuse(wrong: pd.Series, text: pd.DataFrame, column: str, valid: str, path: Path) -> None:
    if wrong.any():
        first = text.loc[np.flatnonzero(wrong)[0], column]
        raise InputError(
            f"{path}: column {column} holds {first!r} for {describe_rows(text, wrong, KEYS)}; "
            f"{valid}"
        )
