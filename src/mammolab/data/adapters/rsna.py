"""RSNA Screening Mammography Breast Cancer Detection 2022: train.csv, one row an image.

Told by breast: cancer, biopsy, invasive, BIRADS, density. Told by woman: age, site, implant. One
exam a woman, without a date.
"""

from __future__ import annotations

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
from mammolab.data.adapters.rules import require, require_constant
from mammolab.data.user_columns import YES_NO, check_columns, flag_text, mapped, refuse, whole
from mammolab.data.user_table import RawTable, read_table
from mammolab.errors import InputError
from mammolab.schemas import VIEWS

TABLE = "train.csv"
IMAGES = "train_images"
SIGNATURE = frozenset({"site_id", "patient_id", "image_id", "laterality", "view", "machine_id"})
COLUMNS = (
    "site_id", "patient_id", "image_id", "laterality", "view", "age", "cancer", "biopsy",
    "invasive", "BIRADS", "implant", "density", "machine_id", "difficult_negative_case",
)  # fmt: skip
BREAST = ("patient_id", "laterality")
FLAGS = ("cancer", "biopsy", "invasive", "implant", "difficult_negative_case")
# Of the whole table, counted in it; a copy of this length with other counts was changed.
N_ROWS, N_PATIENTS = 54_706, 11_913
COUNTS = {"cancer": 1_158, "biopsy": 2_969, "invasive": 818}
STANDARD = [(side, view) for side in "LR" for view in VIEWS]

CARD = Card.read("rsna")


def detect(root: Path) -> bool:
    """Whether the folder holds the table of this data set."""
    path = root / TABLE
    return path.is_file() and set(read_table(path).cells) >= SIGNATURE


def check_birads(raw: RawTable, birads: pd.Series) -> None:
    """Stop on a code that is not one of this data set's three."""
    refuse(raw, ~birads.isin(["", "0", "1", "2"]), "BIRADS", "is not understood",
           "0 (recalled), 1, 2, or blank (unknown)")  # fmt: skip


def adapt(root: Path) -> Source:
    """Read train.csv, hold it against what is known of it, and lay it out in our tables."""
    raw = read_table(root / TABLE)
    check_columns(raw, COLUMNS)
    given = raw.cells
    cells = given.assign(
        birads=whole(given["BIRADS"]),
        machine_id=whole(given["machine_id"]),
        site_id=whole(given["site_id"]),
        density=given["density"].str.lower(),
        age_years=whole(given["age"]),
        **{
            name: flag_text(mapped(raw, name, whole(given[name]), YES_NO, "0, 1, true, false"))
            for name in FLAGS
        },
        density_raw=given["density"], birads_raw=given["BIRADS"],
    )  # fmt: skip
    check_birads(raw, cells["birads"])
    check_facts(cells)
    exams = cells.groupby("patient_id", sort=False)
    women = exams.first()
    ids = women.index.to_series()
    images, notes = _images(cells, files_below(root, IMAGES, ".dcm"))
    one_machine = exams["machine_id"].nunique() == 1
    breasts = cells.drop_duplicates(BREAST)
    return Source(
        card=CARD,
        images_root=root,
        patients=table("patients", {"patient_id": ids}),
        exams=table("exams", {
            "exam_id": "rsna_" + ids, "patient_id": ids, "age_years": women["age_years"],
            "site": women["site_id"], "device": women["machine_id"].where(one_machine, ""),
            "density": women["density"], "birads": _worst(cells),
            "biopsy": exams["biopsy"].max(), "indication": "screening",
            "implant": women["implant"], "birads_raw": exams["birads_raw"].agg(distinct),
            "density_raw": women["density_raw"], "device_raw": exams["machine_id"].agg(distinct),
            "age_raw": women["age"],
        }),
        pathology=_pathology(breasts[breasts["biopsy"] == "1"]),
        labels=table("labels", {
            "exam_id": "rsna_" + breasts["patient_id"], "laterality": breasts["laterality"],
            "cancer": breasts["cancer"], "invasive": breasts["invasive"], "kind": "pathology",
            "birads_raw": breasts["birads_raw"], "biopsy_raw": given.loc[breasts.index, "biopsy"],
            "difficult_negative_case_raw": given.loc[breasts.index, "difficult_negative_case"],
        }),
        images=images,
        notes=tuple(notes + _notes(cells, int((~one_machine).sum()))),
    )  # fmt: skip


def check_facts(cells: pd.DataFrame) -> None:
    """Hold the table against what is true of the published one.

    Raises
    ------
    InputError : the first that does not hold.
    """
    keys, name = ("image_id",), f"rsna, {TABLE}"
    flag = {column: cells[column] == "1" for column in FLAGS}
    for column in ("cancer", "biopsy", "invasive"):
        require(cells, cells[column] != "", keys, f"{name}: {column} is blank")
    require(cells, ~cells["image_id"].duplicated(), keys, f"{name}: image_id repeats")
    require_constant(cells, BREAST, ("cancer", "biopsy", "invasive", "birads", "density",
                                     "difficult_negative_case"), name)  # fmt: skip
    require_constant(cells, ("patient_id",), ("age", "density", "site_id", "implant"), name)
    require(cells, ~flag["cancer"] | flag["biopsy"], keys, f"{name}: cancer without biopsy")
    require(cells, ~flag["invasive"] | flag["cancer"], keys, f"{name}: invasive without cancer")
    calm = cells["birads"].isin(["1", "2"])
    require(cells, ~calm | ~flag["biopsy"], keys, f"{name}: BIRADS 1 or 2 with a biopsy")
    difficult = ~flag["cancer"] & ((cells["birads"] == "0") | flag["biopsy"])
    require(cells, flag["difficult_negative_case"] == difficult, keys,
            f"{name}: difficult_negative_case is not (no cancer, and BIRADS 0 or biopsy)")  # fmt: skip
    one, two = cells["site_id"] == "1", cells["site_id"] == "2"
    require(cells, one | two, keys, f"{name}: site_id is neither 1 nor 2")
    require(cells, ~two | ((cells["density"] == "") & cells["birads"].isin(["", "0"])), keys,
            f"{name}: site 2 has a density, or a BIRADS other than 0 and blank,")  # fmt: skip
    require(cells, ~(one & flag["cancer"]) | (cells["birads"] == "0"), keys,
            f"{name}: a cancer of site 1 has a BIRADS other than 0")  # fmt: skip
    require(cells, ~(two & flag["biopsy"]) | (cells["birads"] == ""), keys,
            f"{name}: a biopsy of site 2 has a BIRADS")  # fmt: skip
    views = set(zip(cells["patient_id"], cells["laterality"], cells["view"], strict=True))
    whole_exam = {
        woman: all((woman, *one) in views for one in STANDARD)
        for woman in cells["patient_id"].unique()
    }
    require(cells, cells["patient_id"].map(whole_exam), ("patient_id",),
            f"{name}: one of the four standard views is missing")  # fmt: skip
    if len(cells) == N_ROWS:
        found = {"patients": cells["patient_id"].nunique()}
        found |= {column: int(flag[column].sum()) for column in COUNTS}
        expected = {"patients": N_PATIENTS, **COUNTS}
        if found != expected:
            raise InputError(f"{name} has the length of the published table, but {found} where "
                             f"that has {expected}.")  # fmt: skip


def _worst(cells: pd.DataFrame) -> pd.Series:
    """A woman's BIRADS at site 1: 0 (recalled) before 2 (benign) before 1; else blank."""
    told = cells["birads"].where(cells["site_id"] == "1", "")
    codes = told.groupby(cells["patient_id"], sort=False).agg(set)
    return codes.map(lambda held: next((code for code in "021" if code in held), ""))


def _pathology(breasts: pd.DataFrame) -> pd.DataFrame:
    result = {"00": "benign", "10": "in_situ", "11": "invasive"}
    return table("pathology", {
        "report_id": "rsna_" + breasts["patient_id"] + "_" + breasts["laterality"],
        "patient_id": breasts["patient_id"], "laterality": breasts["laterality"],
        "result": (breasts["cancer"] + breasts["invasive"]).map(result),
        "result_raw": "cancer=" + breasts["cancer"] + " invasive=" + breasts["invasive"],
    })  # fmt: skip


def _images(cells: pd.DataFrame, present: set[str]) -> tuple[pd.DataFrame, list[str]]:
    plain = cells["view"].isin(VIEWS)
    woman, image = cells["patient_id"], cells["image_id"]
    return mark_absent(table("images", {
        "image_id": image, "exam_id": "rsna_" + woman, "patient_id": woman,
        "path": f"{IMAGES}/" + woman + "/" + image + ".dcm",
        "laterality": cells["laterality"], "view": cells["view"].where(plain, ""),
        "use": plain.map({True: "1", False: "0"}),
        "reason": ("view " + cells["view"]).where(~plain, ""),
        "view_raw": cells["view"], "machine_id_raw": cells["machine_id"],
    }), present)  # fmt: skip


def _notes(cells: pd.DataFrame, n_two_machines: int) -> list[str]:
    n_blank = int((cells["birads"] == "").sum())
    n_cancer = int(((cells["birads"] == "") & (cells["cancer"] == "1")).sum())
    odd = cells.loc[~cells["view"].isin(VIEWS), "view"].value_counts()
    told = [
        (n_blank, f"{n_blank:,} images have no BIRADS, {n_cancer:,} of them of breasts with cancer."),
        (len(odd), "Views left out: " + ", ".join(f"{k} {n}" for k, n in odd.items()) + "."),
        (n_two_machines, f"{n_two_machines:,} women have images of two machines."),
    ]  # fmt: skip
    return [sentence for n, sentence in told if n]


ADAPTER = Adapter(CARD, f"{TABLE} and {IMAGES}/", detect, adapt)
