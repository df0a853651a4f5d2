"""Tables for the paper: what others published beside this run and the truth, and Table 1."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mammolab.errors import InputError
from mammolab.report.frames import ordered_levels

# How sure we are of a published figure (paper/published.csv).
MARKS = {
    "V": "read in a public text",
    "S": "read in a secondary text",
    "M": "recalled, to be verified",
    "L": "from the lecture this paper follows",
}
FORMATS = ("percent", "decimal", "count")
PUBLISHED_COLUMNS = (
    "key", "section", "item", "value", "ci_low", "ci_high", "format", "digits", "mark", "source",
    "note", "run_key", "truth_key",
)  # fmt: skip
TABLE_ONE = {
    "age_band": "Age, years",
    "race_ethnicity": "Race and ethnicity",
    "density": "Breast density",
    "device": "Device",
    "split": "Split",
}


def read_published(path: Path) -> pd.DataFrame:
    """The figures others reported, each with its source and how sure we are of it.

    Parameters
    ----------
    path : Path
        paper/published.csv. Shares are fractions with format "percent"; `run_key` and `truth_key`
        name the numbers that stand beside it, blank where there is none.

    Returns
    -------
    DataFrame
        Indexed by key; text columns hold "" where blank, numbers NaN.

    Raises
    ------
    InputError
        If columns are missing, a key occurs twice, or a mark or format is unknown.
    """
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    missing = [column for column in PUBLISHED_COLUMNS if column not in frame.columns]
    if missing:
        raise InputError(f"{path.name} lacks the column(s) {', '.join(missing)}")
    twice = frame["key"][frame["key"].duplicated()].tolist()
    if twice:
        raise InputError(f"{path.name} has the key(s) {', '.join(twice)} more than once")
    for column, valid in (("mark", tuple(MARKS)), ("format", FORMATS)):
        wrong = frame["key"][~frame[column].isin(valid)].tolist()
        if wrong:
            raise InputError(
                f"{path.name}: the {column} of {', '.join(wrong)} is none of {', '.join(valid)}"
            )
    for column in ("value", "ci_low", "ci_high"):
        frame[column] = pd.to_numeric(frame[column].replace("", np.nan))
    frame["digits"] = frame["digits"].astype(int)
    return frame.set_index("key")


def _estimate(value: float | None, low: float | None, high: float | None) -> dict | None:
    """{value, ci_low, ci_high} with None for NaN; None when there is no value at all."""
    cells = [None if x is None or pd.isna(x) else float(x) for x in (value, low, high)]
    if cells[0] is None:
        return None
    return dict(zip(("value", "ci_low", "ci_high"), cells, strict=True))


def comparison(
    published: pd.DataFrame,
    numbers: dict[str, dict],
    truth_known: bool,
    absent: Collection[str] = (),
) -> list[dict]:
    """Published / this run / truth, a row each item that carries a section.

    Parameters
    ----------
    published : DataFrame
        From `read_published`.
    numbers : dict
        numbers.json; a row's run_key and truth_key are looked up in it.
    truth_known : bool
        Without it there is no truth column to fill.
    absent : collection of str
        Keys that the run cannot make: their rows are left out, and with the last of a section the
        section.

    Returns
    -------
    list of dict
        section, item, format, digits, mark, source, note, and published, run, truth: each
        {value, ci_low, ci_high} or None.

    Raises
    ------
    InputError
        If a row names a number that the run does not have.
    """

    def number(key: str) -> dict | None:
        if not key:
            return None
        if key not in numbers:
            raise InputError(f"published.csv compares with {key}, which this run has not made")
        entry = numbers[key]
        return _estimate(entry["value"], entry.get("ci_low"), entry.get("ci_high"))

    shown = published[published["section"] != ""]
    made = ~shown["run_key"].isin(absent)
    sections = shown.loc[made & (shown["run_key"] != ""), "section"]
    shown = shown[made & shown["section"].isin(sections)]
    rows = [
        {
            **{name: row[name] for name in ("section", "item", "format", "mark", "source", "note")},
            "digits": int(row["digits"]),
            "published": _estimate(row["value"], row["ci_low"], row["ci_high"]),
            "run": number(row["run_key"]),
            "truth": number(row["truth_key"]) if truth_known else None,
        }
        for _, row in shown.iterrows()
    ]
    return [row for row in rows if row["published"] or row["run"] or row["truth"]]


def compared_numbers(published: pd.DataFrame) -> set[str]:
    """Keys of numbers.json that the comparison table reads."""
    shown = published[published["section"] != ""]
    return {key for key in [*shown["run_key"], *shown["truth_key"]] if key}


def table_one(cohort: pd.DataFrame, sample_weight: ArrayLike | None = None) -> pd.DataFrame:
    """Table 1: the eligible exams by cancer within a year.

    Parameters
    ----------
    cohort : DataFrame
        The `cohort` table (all eligible exams, with or without pixels).
    sample_weight : array-like of float, shape (n_exams,), optional
        Weight of each exam; without it counts are plain counts of exams.

    Returns
    -------
    DataFrame
        characteristic, level, and for each of cancer, no_cancer, all: n_<group> and
        share_<group> (of that group's exams, 0 to 1). The first row, level "exams", is the total.
        Characteristics that are known of no exam are left out.
    """
    weight = np.ones(len(cohort)) if sample_weight is None else np.asarray(sample_weight, float)
    groups = {
        "cancer": cohort["cancer_within_1y"].to_numpy(dtype=bool),
        "no_cancer": ~cohort["cancer_within_1y"].to_numpy(dtype=bool),
        "all": np.ones(len(cohort), dtype=bool),
    }
    totals = {name: float(weight[group].sum()) for name, group in groups.items()}

    def row(characteristic: str, level: str, member: np.ndarray) -> dict:
        cells = {"characteristic": characteristic, "level": level}
        for name, group in groups.items():
            cells[f"n_{name}"] = float(weight[group & member].sum())
            total = totals[name]
            cells[f"share_{name}"] = cells[f"n_{name}"] / total if total else np.nan
        return cells

    rows = [row("", "exams", np.ones(len(cohort), dtype=bool))]
    known = [column for column in TABLE_ONE if cohort[column].notna().any()]
    for column in known:
        values = cohort[column].astype(object).where(cohort[column].notna(), "unknown")
        for level in ordered_levels(values):
            rows.append(row(TABLE_ONE[column], str(level), (values == level).to_numpy()))
    if cohort["recall"].notna().all():
        rows.append(row("Reading", "recalled", cohort["recall"].to_numpy(dtype=bool)))
    rows.append(row("Images", "with pixels", cohort["has_pixels"].to_numpy(dtype=bool)))
    return pd.DataFrame(rows)


def guard_rows(path: Path) -> list[dict]:
    """False alarms and power of each guard, from benchmarks/guards.csv.

    Parameters
    ----------
    path : Path
        One row a guard, a kind of dirt and a dose: guard, dirt, dose, rate, low, high, constructed
        (1 where the rate is none or all by construction); dose 0 is a clean world.

    Returns
    -------
    list of dict
        One a guard and kind of dirt, in the order of the file: guard, dirt, false_alarm, false_low,
        false_high, false_constructed (of the clean worlds), and powers: a list of {dose (text),
        rate, constructed}, rising.

    Raises
    ------
    InputError
        If columns are missing, or a guard was not tried on clean worlds.
    """
    frame = pd.read_csv(path)
    needed = ("guard", "dirt", "dose", "rate", "low", "high", "constructed")
    if missing := [column for column in needed if column not in frame.columns]:
        raise InputError(f"{path.name} lacks the column(s) {', '.join(missing)}")
    rows = []
    for (guard, dirt), group in frame.groupby(["guard", "dirt"], sort=False):
        clean = group[group["dose"] == 0]
        if clean.empty:
            raise InputError(f"{path.name}: {guard} was not tried on clean worlds ({dirt})")
        false_alarm, low, high = clean.iloc[0][["rate", "low", "high"]].astype(float)
        dirty = group[group["dose"] > 0].sort_values("dose")
        powers = [
            {"dose": f"{dose:g}", "rate": float(rate), "constructed": bool(constructed)}
            for dose, rate, constructed in dirty[["dose", "rate", "constructed"]].to_numpy()
        ]
        rows.append(
            {
                "guard": guard,
                "dirt": dirt,
                "false_alarm": false_alarm,
                "false_low": low,
                "false_constructed": bool(clean["constructed"].iloc[0]),
                "false_high": high,
                "powers": powers,
            }
        )
    return rows
