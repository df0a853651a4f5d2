"""INbreast: one table of images, DICOM files whose names hold the exam, regions as XML lists."""

from __future__ import annotations

import plistlib
import re
from pathlib import Path
from xml.parsers.expat import ExpatError

import pandas as pd

from mammolab.data.adapters.base import (
    ABSENT,
    Adapter,
    Card,
    Source,
    distinct,
    files_below,
    table,
)
from mammolab.data.adapters.rules import require, surrogate_threshold
from mammolab.data.user_columns import check_columns, whole
from mammolab.data.user_table import read_table
from mammolab.errors import InputError

CARD = Card.read("inbreast")
TABLE, IMAGES, REGIONS = "INbreast.csv", "AllDICOMs", "AllXML"
SIGNATURE = frozenset({"File Name", "Laterality", "View", "ACR", "Bi-Rads"})
NAME = re.compile(r"^(\d+)_([0-9a-fA-F]+)_MG_([LR])_(CC|MLO|ML|FB)_\w+\.dcm$", re.IGNORECASE)
POINT = re.compile(r"\(\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*\)")
VIEW_NAMES = {"CC": "CC", "MLO": "MLO", "ML": "MLO"}
PECTORAL = "pectoral"
SPACING_MM = "0.07"
MOST_XML_BYTES = 2**24  # the largest outlines have some thousand points


def detect(root: Path) -> bool:
    """Whether the folder holds the table of images."""
    path = root / TABLE
    return path.is_file() and set(read_table(path, loose=True).cells) >= SIGNATURE


def adapt(root: Path, positive_from: str = "4") -> Source:
    """Read the table, the names of the files and the regions, and lay them out in our tables."""
    threshold = surrogate_threshold(positive_from)
    raw = read_table(root / TABLE, loose=True)
    check_columns(raw, sorted(SIGNATURE))
    notes = [f"Positive: BI-RADS {threshold} and above."]
    cells = _read(raw.cells, notes)
    cells = cells.join(_files(root, cells, notes))
    known = cells[cells["exam_id"] != ""]
    if known.empty:
        raise InputError(
            f"inbreast: no file of the table lies in {root / IMAGES}; the files' names alone tell "
            "which images are of one exam."
        )
    exams = known.groupby("exam_id", sort=False)
    densities = exams["density"].agg(["nunique", "first"])
    ids = densities.index.to_series()
    date = known.get("Acquisition date", pd.Series("", index=known.index))
    breasts = known.groupby(["exam_id", "Laterality"], sort=False)
    worst = breasts["birads"].max().reset_index()
    more = {"findings": _regions(root, cells, notes)} if (root / REGIONS).is_dir() else {}
    return Source(
        card=CARD,
        images_root=root,
        patients=table("patients", {"patient_id": ids}),
        exams=table("exams", {
            "exam_id": ids, "patient_id": ids, "birads": exams["birads"].max(),
            "density": densities["first"].where(densities["nunique"] == 1, ""),
            "exam_date_raw": date.groupby(known["exam_id"], sort=False).agg(distinct),
            "density_raw": exams["ACR"].agg(distinct), "birads_raw": exams["Bi-Rads"].agg(distinct),
        }),
        labels=table("labels", {
            "exam_id": worst["exam_id"], "laterality": worst["Laterality"],
            "cancer": (worst["birads"].astype(int) >= threshold).map({True: "1", False: "0"}),
            "kind": "surrogate_birads",
            "birads_raw": breasts["Bi-Rads"].agg(distinct).to_numpy(),
        }),
        images=_images(cells),
        notes=(*notes, *_notes(cells, breasts, int((densities["nunique"] > 1).sum()))),
        more=more,
    )  # fmt: skip


def _read(cells: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The rows of images, footers dropped, held against what is known of them."""
    files = whole(cells["File Name"])
    footers = ~files.str.fullmatch(r"\d+")
    n_footers = int(footers.sum())
    if n_footers:
        notes.append(f"{n_footers:,} rows that name no file were dropped as footers.")
    cells = cells[~footers].reset_index(drop=True)
    cells = cells.assign(
        file=files[~footers].to_numpy(),
        birads=cells["Bi-Rads"].str.extract(r"^([1-6])[abc]?(?:\.0)?$", expand=False).fillna(""),
        density=whole(cells["ACR"]).map(dict(zip("1234", "abcd", strict=True))).fillna(""),
    )
    keys, where = ("file",), f"inbreast, {TABLE}"
    require(cells, ~cells["file"].duplicated(), keys, f"{where}: File Name repeats")
    require(cells, cells["birads"] != "", keys, f"{where}: Bi-Rads is not 1 to 6 or 4a, 4b, 4c")
    require(cells, cells["Laterality"].isin(["L", "R"]), keys, f"{where}: Laterality is not L or R")
    require(cells, cells["View"].isin([*VIEW_NAMES, "FB"]), keys,
            f"{where}: View is not CC, MLO, ML or FB")  # fmt: skip
    return cells


def _files(root: Path, cells: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Path and exam of each row, by the number its file's name begins with."""
    found: dict[str, tuple[str, re.Match]] = {}
    for path in sorted(files_below(root, IMAGES, ".dcm")):
        match = NAME.match(Path(path).name)
        if match and match[1] in found:
            raise InputError(f"inbreast: {found[match[1]][0]} and {path} have the same number.")
        if match:
            found[match[1]] = path, match
    named = [found.get(one) for one in cells["file"]]
    side_view = [(match[3].upper(), match[4].upper()) if one else None
                 for one in named for match in [one and one[1]]]  # fmt: skip
    agrees = [
        one is None or (one[0] == side and VIEW_NAMES.get(one[1]) == VIEW_NAMES.get(view))
        for one, side, view in zip(side_view, cells["Laterality"], cells["View"], strict=True)
    ]
    require(cells, agrees, ("file",),
            "inbreast: the file's name tells another breast or view than the table")  # fmt: skip
    n_more = len(set(found) - set(cells["file"]))
    if n_more:
        notes.append(f"{n_more:,} image files are in no row and were left alone.")
    return pd.DataFrame({
        "path": [one[0] if one else "" for one in named],
        "exam_id": [one[1][2].lower() if one else "" for one in named],
    }, index=cells.index)  # fmt: skip


def _images(cells: pd.DataFrame) -> pd.DataFrame:
    absent = cells["path"] == ""
    view = cells["View"].map(VIEW_NAMES).fillna("")
    reason = ("view " + cells["View"]).where(view == "", "").where(~absent, ABSENT)
    return table("images", {
        "image_id": cells["file"], "exam_id": cells["exam_id"], "patient_id": cells["exam_id"],
        "path": cells["path"].where(~absent, f"{IMAGES}/" + cells["file"] + ".dcm"),
        "laterality": cells["Laterality"], "view": view,
        "use": (reason == "").map({True: "1", False: "0"}), "reason": reason,
        "manufacturer": "Siemens", "spacing_mm": SPACING_MM, "view_raw": cells["View"],
        "birads_raw": cells["Bi-Rads"],
    })  # fmt: skip


def _regions(root: Path, cells: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """A row a region but those of the pectoral muscle; what cannot be read is said."""
    rows, unread = [], []
    for file in cells["file"]:
        path = root / REGIONS / f"{file}.xml"
        if not path.is_file():
            continue
        try:
            regions = read_regions(path)
        except InputError:
            unread.append(path.name)
            continue
        rows += [{"image_id": file, **region} for region in regions]
    if unread:
        notes.append(f"{len(unread):,} files of regions cannot be read, such as {unread[0]}.")
    columns = ["image_id", "name_raw", "n_points", "xmin", "ymin", "xmax", "ymax"]
    return pd.DataFrame(rows, columns=columns)


def read_regions(path: Path) -> list[dict[str, str]]:
    """Names and bounding boxes, in pixels, of the regions of one XML file.

    Raises
    ------
    InputError : not a property list of the published form.
    """
    try:
        if path.stat().st_size > MOST_XML_BYTES:
            raise ValueError("too large")
        content = plistlib.loads(path.read_bytes(), fmt=plistlib.FMT_XML)
        regions = [region for image in content["Images"] for region in image["ROIs"]]
        told = []
        for region in regions:
            points = [POINT.fullmatch(str(point).strip()) for point in region["Point_px"]]
            x, y = ([float(point[k]) for point in points] for k in (1, 2))
            if PECTORAL not in str(region["Name"]).lower() and points:
                box = {"xmin": min(x), "ymin": min(y), "xmax": max(x), "ymax": max(y)}
                told.append({"name_raw": str(region["Name"]), "n_points": str(len(points)),
                             **{corner: f"{value:g}" for corner, value in box.items()}})  # fmt: skip
        return told
    except (ValueError, KeyError, TypeError, ExpatError, OSError, plistlib.InvalidFileException):
        raise InputError(f"{path} is not a list of regions as INbreast publishes them.") from None


def _notes(cells: pd.DataFrame, breasts, n_densities: int) -> list[str]:
    n_absent = int((cells["path"] == "").sum())
    n_differ = int((breasts["birads"].nunique() > 1).sum())
    told = [
        (n_absent, (f"{n_absent:,} of {len(cells):,} listed images are not there; their exams are "
         "unknown.")),
        (n_differ, f"{n_differ:,} breasts have views of several BI-RADS; the largest was taken."),
        (n_densities, f"{n_densities:,} exams have several densities; theirs is blank."),
    ]  # fmt: skip
    return [sentence for n, sentence in told if n]


ADAPTER = Adapter(
    CARD, f"{TABLE} (the workbook saved as CSV) and {IMAGES}/", detect, adapt,
    {"positive_from": "BI-RADS category from which a breast is positive: 3, 4 (default) or 5"},
)  # fmt: skip
