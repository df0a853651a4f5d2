"""VinDr-Mammo: four-view studies with BI-RADS by breast and boxes around findings."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pandas as pd

from mammolab.data.adapters.base import (
    Adapter,
    Card,
    Source,
    distinct,
    files_below,
    mark_absent,
    table,
)
from mammolab.data.adapters.rules import require, require_constant, surrogate_threshold
from mammolab.data.user_columns import DIGITS_AGE, check_columns, numbers
from mammolab.data.user_table import RawTable, read_table
from mammolab.errors import InputError
from mammolab.schemas import VIEWS

CARD = Card.read("vindr")
BREASTS, FINDINGS = "breast-level_annotations.csv", "finding_annotations.csv"
METADATA = "metadata.csv"
SIGNATURE = frozenset({"study_id", "image_id", "view_position", "breast_birads", "breast_density"})
NEEDED = (*sorted(SIGNATURE), "laterality", "height", "width", "split")
BREAST = ["study_id", "laterality"]
CORNERS = {"xmin": "width", "xmax": "width", "ymin": "height", "ymax": "height"}
NO_FINDING = "No Finding"
# Of the whole table, counted in it; a copy of this length with other counts was changed.
N_ROWS, COUNTS = 20_000, {"studies": 5_000, "BI-RADS 5 images": 226, "test images": 4_000}


def detect(root: Path) -> bool:
    """Whether the folder holds the table of breasts."""
    path = root / BREASTS
    return path.is_file() and set(read_table(path).cells) >= SIGNATURE


def adapt(root: Path, positive_from: str = "4") -> Source:
    """Read the tables and lay them out in ours; metadata and findings where they are there."""
    threshold = surrogate_threshold(positive_from)
    raw = read_table(root / BREASTS)
    check_columns(raw, NEEDED)
    cells = raw.cells.assign(
        birads=raw.cells["breast_birads"].str.extract(r"^BI-RADS ([1-5])$", expand=False).fillna(""),
        density=raw.cells["breast_density"].str.extract(r"^DENSITY ([A-D])$", expand=False),
    ).reset_index(drop=True)  # fmt: skip
    cells["density"] = cells["density"].str.lower().fillna("")
    _check_facts(cells)
    notes = [f"Positive: BI-RADS {threshold} and above."]
    cells = cells.join(_metadata(root, cells["image_id"], notes))
    studies = cells.groupby("study_id", sort=False)
    densities = studies["density"].agg(["nunique", "first"])
    ids = densities.index.to_series()
    images = _images(cells)
    images, told = mark_absent(images, files_below(root, "images", ".dicom"))
    breasts = cells.drop_duplicates(BREAST)
    findings = _findings(root, cells, notes)
    return Source(
        card=CARD,
        images_root=root,
        patients=table("patients", {"patient_id": ids}),
        exams=table("exams", {
            "exam_id": ids, "patient_id": ids, "age_years": studies["age"].max(),
            "device": studies["model"].agg(_only),
            "density": densities["first"].where(densities["nunique"] == 1, ""),
            "birads": studies["birads"].max(),
            "density_raw": studies["breast_density"].agg(distinct),
            "birads_raw": studies["breast_birads"].agg(distinct),
        }),
        labels=table("labels", {
            "exam_id": breasts["study_id"], "laterality": breasts["laterality"],
            "cancer": (breasts["birads"].astype(int) >= threshold).map({True: "1", False: "0"}),
            "kind": "surrogate_birads",
            "split": breasts["split"].map({"training": "train", "test": "test"}),
            "birads_raw": breasts["breast_birads"], "split_raw": breasts["split"],
        }),
        images=images,
        notes=(*notes, *told, *_notes(studies, int((densities["nunique"] > 1).sum()))),
        more={} if findings is None else {"findings": findings},
    )  # fmt: skip


def _check_facts(cells: pd.DataFrame) -> None:
    """Hold the table against what is true of the published one."""
    where, keys = f"vindr, {BREASTS}", ("image_id",)
    require(cells, ~cells["image_id"].duplicated(), keys, f"{where}: image_id repeats")
    for column in ("birads", "density"):
        require(cells, cells[column] != "", keys,
                f"{where}: breast_{column} is not as in 'BI-RADS 4' or 'DENSITY C'")  # fmt: skip
    require(cells, cells["laterality"].isin(["L", "R"]), keys, f"{where}: laterality is not L or R")
    require(cells, cells["view_position"].isin(VIEWS), keys,
            f"{where}: view_position is not CC or MLO")  # fmt: skip
    require(cells, cells["split"].isin(["training", "test"]), keys,
            f"{where}: split is not training or test")  # fmt: skip
    require_constant(cells, BREAST, ("birads",), where)
    require_constant(cells, ("study_id",), ("split",), where)
    if len(cells) == N_ROWS:
        found = {
            "studies": cells["study_id"].nunique(),
            "BI-RADS 5 images": int((cells["birads"] == "5").sum()),
            "test images": int((cells["split"] == "test").sum()),
        }
        if found != COUNTS:
            raise InputError(f"{where} has the length of the published table, but {found} where "
                             f"that has {COUNTS}.")  # fmt: skip


def _only(values: pd.Series) -> str:
    """The one value there is; blank where there are several, or none."""
    held = set(values) - {""}
    return held.pop() if len(held) == 1 else ""


def _metadata(root: Path, image_ids: pd.Series, notes: list[str]) -> pd.DataFrame:
    """Age, maker, model and spacing of each image, blank where not told."""
    blank = pd.DataFrame("", index=image_ids.index, columns=["age", "maker", "model", "spacing_mm"])
    if not (root / METADATA).is_file():
        notes.append(f"{METADATA} is not there: ages, machines and spacings are unknown.")
        return blank
    cells = read_table(root / METADATA, loose=True).cells
    ids = next((name for name in cells if name.startswith("SOP Instance UID")
                and cells[name].isin(image_ids).any()), None)  # fmt: skip
    if ids is None:
        raise InputError(f"vindr, {METADATA}: no column SOP Instance UID holds the image ids.")
    told = cells.drop_duplicates(ids).set_index(ids).reindex(image_ids)

    def column(*names: str) -> pd.Series:
        name = next((name for name in names if name in told and (told[name] != "").any()), None)
        values = told[name] if name else pd.Series("", index=told.index)
        return values.fillna("").set_axis(image_ids.index)

    age = column("Patient's Age").str.extract(DIGITS_AGE, expand=False).fillna("")
    return blank.assign(
        age=age,
        maker=column("Manufacturer"),
        model=column("Manufacturer's Model Name"),
        spacing_mm=column("Imager Pixel Spacing", "Pixel Spacing").map(_square),
    )


def _square(text: str) -> str:
    """The pitch of square pixels, from "[0.085, 0.085]"; else blank."""
    values = re.findall(r"\d+\.?\d*", text)
    return values[0] if len(values) == 2 and float(values[0]) == float(values[1]) else ""


def _images(cells: pd.DataFrame) -> pd.DataFrame:
    study, image = cells["study_id"], cells["image_id"]
    return table("images", {
        "image_id": image, "exam_id": study, "patient_id": study,
        "path": "images/" + study + "/" + image + ".dicom", "laterality": cells["laterality"],
        "view": cells["view_position"], "use": "1", "manufacturer": cells["maker"],
        "model": cells["model"], "spacing_mm": cells["spacing_mm"],
    })  # fmt: skip


def _findings(root: Path, cells: pd.DataFrame, notes: list[str]) -> pd.DataFrame | None:
    """A row a category of a box; None where the table of findings is not there."""
    if not (root / FINDINGS).is_file():
        notes.append(f"{FINDINGS} is not there: no boxes.")
        return None
    raw = read_table(root / FINDINGS)
    check_columns(raw, ("image_id", "finding_categories", "finding_birads", *CORNERS))
    where, keys = f"vindr, {FINDINGS}", ("image_id",)
    told = cells.set_index("image_id")
    require(raw.cells, raw.cells["image_id"].isin(told.index), keys,
            f"{where}: image_id is in no row of {BREASTS}")  # fmt: skip
    boxes = raw.cells.assign(category=[_categories(one) for one in raw.cells["finding_categories"]])
    require(boxes, boxes["category"].map(len) > 0, keys,
            f"{where}: finding_categories is not a list such as ['Mass']")  # fmt: skip
    boxes = boxes[boxes["category"].map(lambda held: held != [NO_FINDING])].copy()
    boxed = RawTable(raw.name, raw.sha256, boxes, raw.separator)
    clipped = pd.Series(False, index=boxes.index)
    for corner, size in CORNERS.items():
        value = numbers(boxed, corner, "a box has four corners")
        limit = pd.to_numeric(boxes["image_id"].map(told[size]))
        inside = value.clip(0, limit)
        clipped |= inside != value
        boxes[corner] = inside.map("{:g}".format)
    notes.append(f"{len(boxes):,} boxes, {int(clipped.sum()):,} of them clipped to the image; "
                 f"{int((boxes['finding_birads'] == '').sum()):,} have no BI-RADS of their own.")  # fmt: skip
    boxes["birads_raw"] = boxes["finding_birads"]
    kept = ["image_id", "category", *CORNERS, "birads_raw"]
    return boxes.explode("category")[kept].reset_index(drop=True)


def _categories(text: str) -> list[str]:
    """The list that was written as text; empty where it is none."""
    try:
        held = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return []
    good = isinstance(held, list) and all(isinstance(one, str) and one for one in held)
    return held if good else []


def _notes(studies, n_densities: int) -> list[str]:
    views = studies.apply(
        lambda rows: len(set(zip(rows["laterality"], rows["view_position"], strict=True))) < 4,
        include_groups=False,
    )
    told = [
        (n_densities, f"{n_densities:,} studies have several densities; theirs is blank."),
        (int(views.sum()), f"{int(views.sum()):,} studies lack a standard view."),
    ]
    return [sentence for n, sentence in told if n]


ADAPTER = Adapter(
    CARD, f"{BREASTS}, and where there are {FINDINGS}, {METADATA} and images/", detect, adapt,
    {"positive_from": "BI-RADS category from which a breast is positive: 3, 4 (default) or 5"},
)  # fmt: skip
