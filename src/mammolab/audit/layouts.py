"""Published layouts, told by their column names, and what their columns mean, traps included.

Each `read` turns the cells of a file into cells under the names of `audit.columns`; what is not
known stays blank. The facts are those of the data sets' owners, or counted in their tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from mammolab.data.adapters import cbis, cmmd, rsna
from mammolab.data.user_columns import DIGITS_AGE, flag_text, whole
from mammolab.data.user_table import RawTable
from mammolab.errors import InputError, unknown_name

OLDEST_YEARS = 120  # an age above is a slip: the NIH table of 2017 holds ages to 414


@dataclass(frozen=True)
class Layout:
    """A published table.

    title : what it is called.
    signature : columns that tell it; in CBIS-DDSM after its two spellings are made one.
    row, unit : what a row is, and what the checks count (rows of one unit are taken together).
    label : what the positives have; "" where `read` says.
    per_exam : units that make an exam, which the population's prevalence is given for.
    screening : whether the audit holds its prevalence against a screening programme.
    cautions : what the owners' tables are known for, true of every copy.
    read : cells and the label asked for -> cells under the audit's names, and notes.
    """

    title: str
    signature: frozenset[str]
    row: str
    unit: str
    label: str
    screening: bool
    per_exam: int
    cautions: tuple[str, ...]
    read: Callable[[RawTable, str | None], tuple[pd.DataFrame, list[str]]]


def _rsna(table: RawTable, label: str | None) -> tuple[pd.DataFrame, list[str]]:
    cells, notes = table.cells, []
    _no_label(label)
    read = {
        "patient_id": cells["patient_id"],
        # One exam a woman; label, BIRADS and biopsy are told by breast.
        "exam_id": cells["patient_id"] + "_" + cells["laterality"],
        "image_id": cells["image_id"],
        "site": cells["site_id"],
        "device": cells["machine_id"],
        "view": cells["view"],
    }
    for name, source in (("cancer", "cancer"), ("implant", "implant")):
        if source in cells:
            read[name] = whole(cells[source])
    if "age" in cells:
        read["age_years"] = cells["age"]
    if "density" in cells:
        read["density"] = cells["density"].str.lower()
    if "BIRADS" in cells:
        birads = whole(cells["BIRADS"])
        rsna.check_birads(table, birads)
        read["birads"] = birads
        n_blank = int((birads == "").sum())
        if n_blank:
            notes.append(
                f"{n_blank:,} images have no BIRADS; none of them was taken for a negative."
            )
    odd = ~cells["view"].str.upper().isin(["CC", "MLO"])
    if odd.any():
        notes.append(f"{int(odd.sum()):,} images are views other than CC and MLO.")
    return pd.DataFrame(read), notes


def _cbis(table: RawTable, label: str | None) -> tuple[pd.DataFrame, list[str]]:
    _no_label(label)
    cells = table.cells.rename(columns=cbis.NAMES)
    malignant = cbis.malignant(table, cells["pathology"])
    side, view = cells["side"].str[:1].str.upper(), cells["view"].str.upper()
    read = {
        "patient_id": cells["patient_id"],
        "exam_id": cells["patient_id"],  # which films are of one exam is not told
        "image_id": cells["patient_id"] + "_" + side + "_" + view,
        "cancer": flag_text(malignant),
        "density": cbis.density(cells["breast_density"]),
        "birads": whole(cells["assessment"]),
        "view": view,
    }
    notes = []
    if "od_img_path" in cells:
        read["image_id"] = cbis.path_parts(cells["od_img_path"]).str[0]
        read["split"] = cbis.split(read["image_id"])
    frame = pd.DataFrame(read)
    n_unknown = int((frame["density"] == "").sum())
    if n_unknown:
        notes.append(f"{n_unknown:,} rows have no density from 1 to 4.")
    return frame, notes


def _cmmd(table: RawTable, label: str | None) -> tuple[pd.DataFrame, list[str]]:
    _no_label(label)
    cells = table.cells
    malignant = cmmd.malignant(table)
    read = {
        "patient_id": cells["ID1"],
        "exam_id": cells["ID1"],
        "image_id": cells["ID1"] + "_" + cells["LeftRight"],
        "cancer": flag_text(malignant),
        "age_years": cells["Age"],
        "site": cmmd.cohort(cells["ID1"]),
    }
    return pd.DataFrame(read), ["D1 and D2, the collection's two parts, were taken for sites."]


def finding_in_words(label: str | None) -> str:
    """What the positives of the layout nih have."""
    any_one = label is None or label.lower() == "any"
    return "a finding" if any_one else label.replace("_", " ").lower()


def _nih(table: RawTable, label: str | None) -> tuple[pd.DataFrame, list[str]]:
    cells = table.cells
    labels = cells["Finding Labels"].str.split("|", regex=False)
    findings = sorted({one for some in labels for one in some} - {"", "No Finding"})
    asked = "any" if label is None else label
    by_plain = {one.lower(): one for one in findings}
    if asked.lower() != "any" and asked.lower() not in by_plain:
        raise unknown_name("finding", asked, ["any", *findings])
    if asked.lower() == "any":
        positive = cells["Finding Labels"] != "No Finding"
    else:
        wanted = by_plain[asked.lower()]
        positive = labels.map(lambda some: wanted in some)
    age = cells["Patient Age"].str.extract(DIGITS_AGE, expand=False)
    wrong = pd.to_numeric(age).gt(OLDEST_YEARS)
    read = {
        "patient_id": cells["Patient ID"],
        "exam_id": cells["Image Index"],
        "image_id": cells["Image Index"].str.removesuffix(".png"),
        "image_file": cells["Image Index"],
        "cancer": flag_text(positive.where(cells["Finding Labels"] != "", None)),
        "age_years": age.where(~wrong, "").fillna(""),
        "view": cells["View Position"],
    }
    for name in ("Patient Gender", "Patient Sex"):
        if name in cells:
            read["sex"] = cells[name]
    spacing = next((name for name in cells if name.startswith("OriginalImagePixelSpacing")), None)
    notes = [f"Positive: {'any finding' if asked.lower() == 'any' else by_plain[asked.lower()]}."]
    if spacing is not None:
        pitch = pd.to_numeric(cells[spacing], errors="coerce").round(3)
        read["device"] = pitch.map(lambda mm: "" if pd.isna(mm) else f"{mm:.3f} mm")
        notes.append("The detector's pixel spacing was taken for the device; none is named.")
    if wrong.any():
        notes.append(f"Ages above {OLDEST_YEARS} were taken for unknown: {int(wrong.sum()):,}.")
    return pd.DataFrame(read), notes


def _nyu(table: RawTable, label: str | None) -> tuple[pd.DataFrame, list[str]]:
    _no_label(label)
    cells = table.cells
    read = {
        "patient_id": cells["case_ID"],
        "exam_id": cells["case_ID"],
        "image_id": cells["case_ID"] + "_" + cells["side"],
        "cancer": whole(cells["label"]),
    }
    return pd.DataFrame(read), []


LAYOUTS: Mapping[str, Layout] = {
    "rsna": Layout(
        "RSNA screening mammography 2022",
        rsna.SIGNATURE,
        "image", "breast", "cancer", True, 2,
        (
            "No date and no follow-up: cancers between rounds cannot be told from others.",
            "BIRADS 0 means recalled, 1 negative, 2 benign, blank unknown.",
            "biopsy, invasive and difficult_negative_case follow from the outcome: never inputs.",
        ),
        _rsna,
    ),
    "cbis": Layout(
        "CBIS-DDSM case descriptions",
        cbis.SIGNATURE,
        "lesion in a view", "woman", "cancer", True, 1,
        (
            "Digitised film; lesions only, no healthy woman.",
            "A woman may be in the files of masses and of calcifications: give all four at once.",
        ),
        _cbis,
    ),
    "cmmd": Layout(
        "CMMD clinical data",
        cmmd.SIGNATURE,
        "breast", "woman", "cancer", True, 1,
        (
            "Biopsied breasts only; images of other breasts have no row: unlabelled, not healthy.",
        ),
        _cmmd,
    ),
    "nih": Layout(
        "NIH ChestX-ray14",
        frozenset({"Image Index", "Finding Labels", "Patient ID", "Patient Age", "View Position"}),
        "image", "image", "", False, 1,
        ("Labels were mined from reports; 'No Finding' is no verified normal.",),
        _nih,
    ),
    "nyu": Layout(
        "NYU reader study",
        frozenset({"case_ID", "side", "label"}),
        "breast", "exam", "cancer", True, 1,
        ("Breasts of one exam are taken together; an exam is taken for a woman.",),
        _nyu,
    ),
}  # fmt: skip
NAMES = ("auto", "own", *LAYOUTS, "folder")


def detect(table: RawTable) -> str:
    """The layout whose columns the table has; "own" where none fits."""
    names = set(table.cells.rename(columns=cbis.NAMES).columns)
    return next((name for name, one in LAYOUTS.items() if one.signature <= names), "own")


def check_layout(table: RawTable, name: str) -> None:
    """Stop when a table lacks the columns of the layout asked for.

    Raises
    ------
    InputError
    """
    names = set(table.cells.rename(columns=cbis.NAMES).columns)
    absent = sorted(LAYOUTS[name].signature - names)
    if absent:
        raise InputError(
            f"{table.name} is not in the layout {name} ({LAYOUTS[name].title}): it lacks the "
            f"column(s) {', '.join(absent)}"
        )


def _no_label(label: str | None) -> None:
    if label is not None:
        raise InputError(
            "--label chooses a finding of the layout nih, a class of a folder, or a column of a "
            "table of your own; this layout has one label"
        )
