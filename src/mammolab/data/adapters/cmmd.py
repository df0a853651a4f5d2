"""CMMD: a table of biopsied breasts; which image is of which breast and view, headers tell."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mammolab.data.adapters.base import Adapter, Card, Source, files_below, table, table_with
from mammolab.data.adapters.rules import require, require_constant
from mammolab.data.header import (
    UID,
    Rejected,
    laterality_of,
    read_header,
    spacing_mm_of,
    text_of,
    view_given,
    view_of,
)
from mammolab.data.user_columns import DIGITS_AGE, flag_text, mapped, whole
from mammolab.data.user_table import RawTable
from mammolab.errors import InputError

CARD = Card.read("cmmd")
SIGNATURE = frozenset({"ID1", "LeftRight", "Age", "abnormality", "classification"})
BREAST = ["ID1", "LeftRight"]
TAGS = ("StudyDate", "PatientAge")
NO_ROW = "its woman is in no row of the table"
NO_UID = "SOPInstanceUID is not told"
TWICE = "the same image as another file"
# Of the whole table, counted in it; a copy of this length with other counts was changed.
N_ROWS, COUNTS = 1_872, {"patients": 1_775, "malignant": 1_316}


def malignant(raw: RawTable) -> pd.Series:
    """The label of a breast: True or False, missing where blank."""
    meaning = {"malignant": True, "benign": False}
    return mapped(raw, "classification", raw.cells["classification"], meaning, "Malignant, Benign")


def cohort(ids: pd.Series) -> pd.Series:
    """D1 or D2, the collection's part that an id names."""
    return ids.str.extract(r"^(D\d+)-", expand=False).fillna("")


def detect(root: Path) -> bool:
    """Whether the folder holds the clinical table as CSV."""
    return table_with(root, SIGNATURE) is not None


def adapt(root: Path) -> Source:
    """Read the table and the headers of all images and lay both out in our tables."""
    raw = table_with(root, SIGNATURE)
    cells = raw.cells.assign(cancer=flag_text(malignant(raw)), age=whole(raw.cells["Age"]))
    for column in ("subtype", "number"):
        cells[column] = whole(cells[column]) if column in cells else ""
    _check_facts(raw.name, cells)
    women = cells.drop_duplicates("ID1").set_index("ID1", drop=False)
    images, headers = _images(root, women)
    dates = headers.groupby("patient_id")["StudyDate"].agg(lambda held: "|".join(sorted(set(held))))
    labels = _labels(cells, images)
    return Source(
        card=CARD,
        images_root=root,
        patients=table("patients", {"patient_id": women["ID1"]}),
        exams=table("exams", {
            "exam_id": women["ID1"], "patient_id": women["ID1"], "age_years": women["age"],
            "site": cohort(women["ID1"]),
            "exam_date_raw": women["ID1"].map(dates).fillna(""),
        }),
        pathology=table("pathology", {
            "report_id": cells["ID1"] + "_" + cells["LeftRight"], "patient_id": cells["ID1"],
            "laterality": cells["LeftRight"],
            "result": cells["cancer"].map({"1": "", "0": "benign"}),
            "result_raw": cells["classification"],
        }),
        labels=labels,
        images=images,
        notes=tuple(_notes(cells, images, headers, labels)),
    )  # fmt: skip


def _check_facts(name: str, cells: pd.DataFrame) -> None:
    """Hold the table against what is true of the published one."""
    where = f"cmmd, {name}"
    require(cells, cells["LeftRight"].isin(["L", "R"]), BREAST, f"{where}: LeftRight is not L or R")
    require(cells, ~cells.duplicated(BREAST), BREAST, f"{where}: a breast has two rows")
    require(cells, cells["cancer"] != "", BREAST, f"{where}: classification is blank")
    require(cells, cohort(cells["ID1"]).isin(["D1", "D2"]), BREAST,
            f"{where}: ID1 does not begin with D1- or D2-")  # fmt: skip
    require_constant(cells, ("ID1",), ("age",), where)
    require(cells, cells["number"].isin(["", "2"]), BREAST, f"{where}: number of images is not 2")
    subtyped = cells["subtype"] != ""
    plain = (cohort(cells["ID1"]) == "D2") & (cells["cancer"] == "1")
    require(cells, ~subtyped | plain, BREAST,
            f"{where}: a subtype where the breast is benign or of D1")  # fmt: skip
    if len(cells) == N_ROWS:
        found = {
            "patients": cells["ID1"].nunique(),
            "malignant": int((cells["cancer"] == "1").sum()),
        }
        if found != COUNTS:
            raise InputError(f"{where} has the length of the published table, but {found} where "
                             f"that has {COUNTS}.")  # fmt: skip


def _images(root: Path, women: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row a file; and what headers say of date and age."""
    rows, headers, seen = [], [], set()
    for path in sorted(files_below(root, "", ".dcm")):
        row = {"image_id": path, "path": path, "use": "0", "reason": ""}
        rows.append(row)
        try:
            dataset = read_header(None, root / path, TAGS)
        except Rejected as rejection:
            row["reason"] = str(rejection)
            continue
        # Hostile headers raise of many kinds; one file is one row.
        except Exception as error:  # noqa: BLE001
            row["reason"] = f"unreadable header: {type(error).__name__}"
            continue
        woman, view = text_of(dataset, "PatientID"), view_of(dataset) or ""
        spacing_mm = spacing_mm_of(dataset)
        uid = text_of(dataset, "SOPInstanceUID")
        if uid in seen:
            row["reason"] = TWICE
            continue
        seen |= {uid} - {""}
        row |= {
            "image_id": uid or path,
            "laterality": laterality_of(dataset) or "", "view": view,
            "manufacturer": text_of(dataset, "Manufacturer"),
            "model": text_of(dataset, "ManufacturerModelName"),
            "spacing_mm": f"{spacing_mm:.6g}" if spacing_mm else "",
            "intent": text_of(dataset, "PresentationIntentType"),
            "view_raw": view_given(dataset),
        }  # fmt: skip
        if woman not in women.index:
            row["reason"] = NO_ROW
            continue
        row |= {"exam_id": woman, "patient_id": woman}
        headers.append({"patient_id": woman, **{tag: text_of(dataset, tag) for tag in TAGS}})
        if not UID.fullmatch(uid):
            row["reason"] = NO_UID
        elif not row["laterality"] or not view:
            row["reason"] = "laterality or view is not told"
        row["use"] = "0" if row["reason"] else "1"
    return (
        table("images", dict(pd.DataFrame(rows).items())),
        pd.DataFrame(headers, columns=["patient_id", *TAGS]),
    )


def _labels(cells: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """A row a labelled breast, and one with a blank label for each other breast with images."""
    known = images[(images["exam_id"] != "") & (images["laterality"] != "")]
    others = set(zip(known["exam_id"], known["laterality"], strict=True))
    others -= set(zip(cells["ID1"], cells["LeftRight"], strict=True))
    labelled = table("labels", {
        "exam_id": cells["ID1"], "laterality": cells["LeftRight"], "cancer": cells["cancer"],
        "invasive": cells["cancer"].map({"1": "", "0": "0"}), "kind": "pathology",
        "classification_raw": cells["classification"], "abnormality_raw": cells["abnormality"],
        "subtype_raw": cells["subtype"],
    })  # fmt: skip
    exam_ids, sides = zip(*sorted(others), strict=True) if others else ((), ())
    unlabelled = table("labels", {"exam_id": list(exam_ids), "laterality": list(sides)})
    return pd.concat([labelled, unlabelled], ignore_index=True).fillna("")


def _notes(cells, images, headers, labels) -> list[str]:
    n_images = images[images["exam_id"] != ""].groupby(["exam_id", "laterality"]).size()
    found = n_images.reindex(pd.MultiIndex.from_frame(cells[BREAST]), fill_value=0).to_numpy()
    promised = pd.to_numeric(cells["number"], errors="coerce").fillna(0).to_numpy()
    short = int((promised - found).clip(0).sum())
    years = headers["PatientAge"].str.extract(DIGITS_AGE, expand=False).fillna("")
    told = headers["patient_id"].map(cells.drop_duplicates("ID1").set_index("ID1")["age"])
    n_age = int(((years != "") & (years != told)).sum())
    n_blank = int((labels["cancer"] == "").sum())
    n_twice = int((images["reason"] == TWICE).sum())
    n_strange = int((images["reason"] == NO_ROW).sum())
    sentences = [
        (short, f"{short:,} of {int(promised.sum()):,} images that the table promises are not there."),
        (n_blank, f"{n_blank:,} breasts with images have no row; they are unlabelled, not healthy."),
        (n_twice, f"{n_twice:,} files repeat an image; the first of each was taken."),
        (n_strange, f"{n_strange:,} images are of women in no row."),
        (n_age, f"{n_age:,} headers give another age than the table; the table's was taken."),
    ]  # fmt: skip
    return [sentence for n, sentence in sentences if n]


ADAPTER = Adapter(
    CARD, "CMMD_clinicaldata_revision saved as CSV, and the folder of images", detect, adapt
)
