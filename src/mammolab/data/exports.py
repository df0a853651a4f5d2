"""A hospital's exports in words: what each column must hold, and what a folder of them holds."""

from __future__ import annotations

import textwrap
from pathlib import Path

from mammolab.data.cohort import CohortRules, build_cohort
from mammolab.data.meanings import HEADER_MEANINGS, MEANINGS
from mammolab.data.tables import FILES, read_export
from mammolab.schemas import COLUMNS, KEYS, Column

WIDTH = 100


def listing() -> list[str]:
    """Every table and column of a hospital's exports: what it means, and what may stand there.

    Returns
    -------
    Lines of text. Every column must be there, even where all of it is unknown.
    """
    lines = ["export.json, one JSON object:"]
    lines += [_line(name, meaning) for name, meaning in HEADER_MEANINGS.items()]
    for name, relative in FILES.items():
        lines += ["", f"{relative}, {MEANINGS[relative][KEYS[name][0]][1]}:"]
        for column, declared in COLUMNS[name].items():
            unit, meaning = MEANINGS[relative][column]
            values = valid_values(declared, unit)
            told = declared.kind == "text" and all(one in meaning for one in declared.options)
            parts = ["each once" if column in KEYS[name] else meaning, "" if told else values]
            parts.append("" if declared.missing else "never blank")
            lines.append(_line(column, "; ".join(part for part in parts if part)))
    return [
        *lines,
        "",
        "dicom/: the images, in any folders; AccessionNumber is exam_id, PatientID patient_id.",
        "A blank cell is unknown, never no.",
    ]


def valid_values(declared: Column, unit: str = "") -> str:
    """What a cell of a column may hold, in words.

    Examples
    --------
    >>> valid_values(COLUMNS["exams"]["density"]), valid_values(COLUMNS["exams"]["recall"])
    ('a, b, c, d', '0 or 1')
    """
    if declared.kind == "date":
        return "YYYY-MM-DD"
    if declared.kind == "flag":
        return "0 or 1"
    if declared.options:
        return ", ".join(map(str, declared.options))
    if declared.kind == "text":
        return "text"
    low, high = declared.low, declared.high
    span = f" from {low:g}" if low is not None else ""
    span += f" to {high:g}" if high is not None else ""
    return f"{unit if unit not in ('', '1') else 'number'}{span}"


def account(raw: Path) -> list[str]:
    """Read a folder of exports and say what it holds, and what the cohort's rules would remove.

    Parameters
    ----------
    raw : the folder.

    Raises
    ------
    InputError, MissingInput : see `tables.read_export`.
    """
    export = read_export(raw)
    shares = {"train": 0.6, "dev": 0.2, "test": 0.2}
    built = build_cohort(export, CohortRules(shares))
    lines = [f"{raw}: {export.source}"]
    lines += [
        f"{relative:24s}{len(getattr(export, name)):9,} rows" for name, relative in FILES.items()
    ]
    lines.append("")
    for row in built.flow.itertuples():
        removed = f", {row.n_removed_exams:,} removed: {row.reason}" if row.reason else ""
        lines.append(f"{row.n_exams:9,} exams{removed}")
    n_cancers = int(built.cohort["cancer_within_1y"].sum())
    pixels = int(built.cohort["has_pixels"].sum())
    lines.append(f"{n_cancers:9,} of them with cancer; {pixels:,} exams with images")
    return lines


def _line(name: str, text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=f"  {name:27s}", subsequent_indent=" " * 29)
