"""A list in Mirai's format: one row an image, whole years to cancer and of follow-up."""

from __future__ import annotations

import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pandas as pd

from mammolab.data.adapters.base import PREVALENCES, Adapter, Card, Source, mark_absent, table
from mammolab.data.adapters.mirai_export import COLUMNS, MAX_FOLLOW_UP_YEARS, NO_CANCER, STANDARD
from mammolab.data.adapters.rules import require_constant
from mammolab.data.header import UID
from mammolab.data.user_columns import check_columns, refuse
from mammolab.data.user_table import RawTable, read_table
from mammolab.errors import InputError, MissingInput, unknown_name
from mammolab.schemas import SPLITS, VIEWS

CARD = Card.read("mirai")
EXAM = ("patient_id", "exam_id")
YEARS = ("years_to_cancer", "years_to_last_followup")
SECOND_FILE = "a second file of this view; Mirai takes the first"
C_VIEW = "C-View; Mirai skips it"


def detect(root: Path) -> bool:
    """Whether one of the folder's CSV files has Mirai's columns."""
    return bool(_tables(root))


def adapt(root: Path, prevalence: str = "enriched") -> Source:
    """Read the list, refuse what Mirai would misread, and mark what it would drop.

    Parameters
    ----------
    prevalence : whose share of cancers the list has, which it does not tell; one of `PREVALENCES`.

    Raises
    ------
    InputError : several lists in the folder, a code of years that is blank, negative, no number, or
        above 100, years that differ within an exam, or a woman in two splits.
    """
    if prevalence not in PREVALENCES:
        raise unknown_name("prevalence", prevalence, PREVALENCES)
    tables = _tables(root)
    if not tables:
        raise MissingInput(f"{root}: no CSV file with the columns {', '.join(COLUMNS)}.")
    if len(tables) > 1:
        names = ", ".join(raw.name for raw in tables)
        raise InputError(f"{root} holds {len(tables)} lists ({names}); leave one in the folder.")
    raw = tables[0]
    cells, truncated = _checked(raw)
    images, notes = _images(root, cells)
    exams = cells.drop_duplicates("key").set_index("key", drop=False)
    ill = exams["years_to_cancer"] != NO_CANCER
    to_cancer = exams["years_to_cancer"].astype(str).where(ill, "")
    dropped = _dropped(exams, images)
    notes += _notes(exams, dropped, truncated)
    return Source(
        card=replace(CARD, prevalence=prevalence),
        images_root=_images_root(root, cells["file_path"]),
        patients=table("patients", {"patient_id": exams["patient_id"].drop_duplicates()}),
        exams=table("exams", {
            "exam_id": exams["key"], "patient_id": exams["patient_id"],
            "years_to_cancer": to_cancer,
            "years_to_last_followup": exams["years_to_last_followup"].astype(str),
            "dropped_by_mirai": dropped, "split": exams["split_group"],
            "exam_id_raw": exams["exam_id"],
            **{f"{name}_raw": raw.cells.loc[exams["row"], name].to_numpy() for name in YEARS},
        }),
        labels=_labels(exams),
        images=images,
        notes=tuple(notes),
    )  # fmt: skip


def _tables(root: Path) -> list[RawTable]:
    found = []
    for path in sorted(root.glob("*.csv")):
        try:
            raw = read_table(path)
        except InputError:
            continue
        if set(raw.cells) >= set(COLUMNS):
            found.append(raw)
    return found


def _checked(raw: RawTable) -> tuple[pd.DataFrame, int]:
    """The cells with years as whole numbers and `key`, an id of the exam; how many were truncated."""
    check_columns(raw, COLUMNS)
    cells = raw.cells.copy()
    for column in (*EXAM, "file_path"):
        refuse(raw, cells[column] == "", column, "is blank", "text")
    refuse(raw, ~cells["laterality"].isin(["L", "R"]), "laterality", "is not understood", "L, R")
    refuse(raw, ~cells["split_group"].isin(SPLITS), "split_group", "is not understood",
           ", ".join(SPLITS))  # fmt: skip
    truncated = 0
    for column in YEARS:
        number = pd.to_numeric(cells[column], errors="coerce")
        refuse(raw, ~((number >= 0) & (number <= NO_CANCER)), column,
               "is no number of years from 0 to 100", "whole years; 100 = no cancer seen")  # fmt: skip
        truncated += int((number % 1 != 0).sum())
        cells[column] = number.astype(int)  # towards zero, as Mirai does
    require_constant(cells, EXAM, (*YEARS, "split_group"), raw.name)
    cells["key"] = cells["patient_id"] + "_" + cells["exam_id"]
    exams = cells.drop_duplicates(list(EXAM))
    refuse(raw, exams["key"].duplicated().reindex(cells.index, fill_value=False), "exam_id",
           "gives two exams one name", "ids that patient_id _ exam_id tells apart")  # fmt: skip
    return cells.assign(row=cells.index), truncated


def _images_root(root: Path, paths: pd.Series) -> Path:
    """The folder that holds all files where their paths are absolute, else the list's own."""
    if all(Path(path).is_absolute() for path in paths):
        return Path(os.path.commonpath([Path(path).parent for path in paths]))
    return root


def _images(root: Path, cells: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    folder = _images_root(root, cells["file_path"])
    paths = cells["file_path"].map(
        lambda path: Path(os.path.relpath(folder / path, folder)).as_posix()
    )
    c_view = cells["view"].str.contains("C-View", regex=False)
    standard = cells["view"].isin(VIEWS)
    again = cells[standard].duplicated(["key", "laterality", "view"])
    reason = ("view " + cells["view"]).where(~standard, "").mask(c_view, C_VIEW)
    reason = reason.mask(again.reindex(cells.index, fill_value=False), SECOND_FILE)
    return mark_absent(table("images", {
        "image_id": paths.map(_image_id),
        "exam_id": cells["key"], "patient_id": cells["patient_id"], "path": paths,
        "laterality": cells["laterality"], "view": cells["view"].where(standard, ""),
        "use": (reason == "").map({True: "1", False: "0"}), "reason": reason,
        "view_raw": cells["view"],
    }), {path for path in paths if (folder / path).is_file()})  # fmt: skip


def _image_id(path: str) -> str:
    """The path without its ending, or a digest of it where that is no id."""
    plain = str(Path(path).with_suffix("")).replace("/", "_")
    return plain if UID.fullmatch(plain) else f"mirai_{sha256(path.encode()).hexdigest()[:32]}"


def _dropped(exams: pd.DataFrame, images: pd.DataFrame) -> pd.Series:
    """Why Mirai would drop an exam without a word; "" where it would not."""
    plain = images[images["view"] != ""]
    held = plain.groupby("exam_id")[["laterality", "view"]].apply(
        lambda rows: set(zip(rows["laterality"], rows["view"], strict=True))
    )
    absent = [
        ", ".join(" ".join(one) for one in STANDARD if one not in held.get(key, set()))
        for key in exams["key"]
    ]
    lacks = pd.Series(absent, index=exams.index, dtype=object)
    short = (exams["years_to_cancer"] >= MAX_FOLLOW_UP_YEARS) & (
        exams["years_to_last_followup"] == 0
    )
    return (
        ("lacks " + lacks)
        .where(lacks != "", "")
        .mask((lacks == "") & short, "no cancer within five years and no year of follow-up")
    )


def _labels(exams: pd.DataFrame) -> pd.DataFrame:
    """Both breasts free of cancer for a year, or unlabelled: a cancer's side is not told."""
    free = (exams["years_to_cancer"] > 0) & (exams["years_to_last_followup"] > 0)
    both = pd.concat([exams.assign(side=side, free=free) for side in "LR"])
    return table("labels", {
        "exam_id": both["key"], "laterality": both["side"],
        "cancer": both["free"].map({True: "0", False: ""}),
        "kind": both["free"].map({True: "registry", False: ""}), "split": both["split_group"],
    })  # fmt: skip


def _notes(exams: pd.DataFrame, dropped: pd.Series, truncated: int) -> list[str]:
    reasons = dropped[dropped != ""].value_counts().sort_index()
    to_cancer, followed = exams["years_to_cancer"], exams["years_to_last_followup"]
    longer = int(((to_cancer < NO_CANCER) & (followed > to_cancer)).sum())
    late = (to_cancer >= MAX_FOLLOW_UP_YEARS) & (to_cancer < NO_CANCER)
    short = int((late & (followed < MAX_FOLLOW_UP_YEARS)).sum())
    foreign = int((~exams["key"].map(str.isascii)).sum())
    told = [
        *((n, f"Mirai drops {n:,} exams without a word: {why}.") for why, n in reasons.items()),
        (truncated, f"{truncated:,} years were no whole numbers and were cut, as Mirai cuts them."),
        (longer, f"{longer:,} exams have more years free of cancer than years to cancer."),
        (short, f"{short:,} exams with cancer after five years or more were followed for less."),
        (foreign, f"{foreign:,} exams have ids with characters that Mirai strips (not ASCII)."),
    ]
    return [sentence for n, sentence in told if n]


ADAPTER = Adapter(
    CARD,
    f"one CSV file with the columns {', '.join(COLUMNS)}",
    detect,
    adapt,
    {"prevalence": "natural, enriched or case-control (the default is enriched)"},
)
