"""CBIS-DDSM: four tables of case descriptions, one row a lesion in a view, and digitised film."""

from __future__ import annotations

import re
from pathlib import Path

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
from mammolab.data.adapters.rules import require
from mammolab.data.user_columns import check_columns, flag_text, mapped, whole
from mammolab.data.user_table import RawTable, read_table

CARD = Card.read("cbis")
FILE = re.compile(r"(mass|calc)_case_description_(train|test)_set\.csv$", re.IGNORECASE)
# The two spellings of the owners, and that of re-saved copies, made one.
NAMES = {
    "breast density": "breast_density",
    "left or right breast": "side",
    "image view": "view",
    "abnormality id": "abn_num",
    "abnormality type": "abnormality_type",
    "mass shape": "mass_shape",
    "mass margins": "mass_margins",
    "calc type": "calc_type",
    "calc distribution": "calc_distribution",
    "image file path": "od_img_path",
}
SIGNATURE = frozenset({"patient_id", "breast_density", "side", "view", "assessment", "pathology"})
NEEDED = (*sorted(SIGNATURE), "abn_num", "abnormality_type", "od_img_path")
LESION = (
    "abnormality_type", "mass_shape", "mass_margins", "calc_type", "calc_distribution",
    "assessment", "pathology", "subtlety",
)  # fmt: skip
TWICE = "the view is listed under another name too"
IMAGE = r"^(?P<kind>Mass|Calc)-(?P<part>Training|Test)_(?P<rest>.+_(?:LEFT|RIGHT)_(?:CC|MLO))$"
NO_PATHOLOGY = "BENIGN_WITHOUT_CALLBACK"
BREAST = ["patient_id", "side"]
READ, NOT_READ = (".dcm", ".png"), (".jpg", ".jpeg")


def malignant(raw: RawTable, pathology: pd.Series) -> pd.Series:
    """The label of a lesion: True or False, missing where blank."""
    meaning = {"malignant": True, "benign": False, "benign_without_callback": False}
    return mapped(raw, "pathology", pathology, meaning, f"MALIGNANT, BENIGN, {NO_PATHOLOGY}")


def density(codes: pd.Series) -> pd.Series:
    """1 to 4 as a to d, anything else blank."""
    return whole(codes).map(dict(zip("1234", "abcd", strict=True))).fillna("")


def path_parts(paths: pd.Series) -> pd.Series:
    """The parts of each path, quotes and line ends stripped; the first is the image's id."""
    return paths.str.strip("\"' \r\n").str.split(r"[\\/]", regex=True)


def split(image_ids: pd.Series) -> pd.Series:
    """train or test, by the image's id; blank where it does not tell."""
    part = image_ids.str.extract(r"^(?:Mass|Calc)-(Training|Test)_", expand=False)
    return part.map({"Training": "train", "Test": "test"}).fillna("")


def tables(root: Path) -> list[Path]:
    """The tables of case descriptions, in the folder itself or its csv/, masses first."""
    here = [path for folder in (root, root / "csv") for path in folder.glob("*.csv")]
    found = [path for path in here if FILE.search(path.name)]
    return sorted(found, key=lambda path: FILE.search(path.name.lower()).groups(), reverse=True)


def detect(root: Path) -> bool:
    """Whether the folder holds a table of case descriptions."""
    return any(
        set(read_table(path).cells.rename(columns=NAMES)) >= SIGNATURE for path in tables(root)
    )


def adapt(root: Path) -> Source:
    """Read the tables that are there and lay them out in ours."""
    paths = tables(root)
    cells = pd.concat([_read(path) for path in paths], ignore_index=True)
    again = cells.duplicated(["image_id", "abn_num"])
    require(cells, ~again, ("image_id", "abn_num"), "cbis: a lesion is told twice")
    cells["density"] = density(cells["breast_density"])
    by_woman = cells.groupby("patient_id", sort=False)
    women = by_woman["density"].agg(["nunique", "first"])
    ids = women.index.to_series()
    parts = by_woman["split"].agg(set)
    woman_split = parts.map(lambda held: "test" if "test" in held else "train")
    images, notes = _images(cells, root)
    return Source(
        card=CARD,
        images_root=root,
        patients=table("patients", {"patient_id": ids}),
        exams=table("exams", {
            "exam_id": ids, "patient_id": ids,
            "density": women["first"].where(women["nunique"] == 1, ""),
            "birads": by_woman["assessment"].max(),
            "density_raw": by_woman["breast_density"].agg(distinct),
            "birads_raw": by_woman["assessment"].agg(distinct),
        }),
        images=images,
        notes=(*notes, *_notes(cells, paths, parts, int((women["nunique"] > 1).sum()))),
        more={"lesions": cells[["image_id", "abn_num", *(c for c in LESION if c in cells)]].fillna("")},
        **_labels(cells, woman_split),
    )  # fmt: skip


def _read(path: Path) -> pd.DataFrame:
    """One table, held against its own name and paths."""
    raw = read_table(path)
    cells = raw.cells.rename(columns=NAMES)
    check_columns(RawTable(raw.name, raw.sha256, cells, raw.separator), NEEDED)
    cancer = malignant(raw, cells["pathology"])
    parts = path_parts(cells["od_img_path"])
    cells = cells.assign(
        image_id=parts.str[0],
        series=parts.str[2].fillna(""),
        listed=parts.str.join("/"),
        cancer=flag_text(cancer),
        assessment=whole(cells["assessment"]),
        split=split(parts.str[0]),
    )
    keys, where = ("patient_id", "abn_num"), f"cbis, {path.name}"
    require(cells, cells["cancer"] != "", keys, f"{where}: pathology is blank")
    require(cells, cells["assessment"].isin(list("012345")), keys,
            f"{where}: assessment is not 0 to 5")  # fmt: skip
    told = cells["image_id"].str.extract(IMAGE)
    require(cells, told["rest"] == cells["patient_id"] + "_" + cells["side"] + "_" + cells["view"],
            keys, f"{where}: the image file path is of another woman, breast or view")  # fmt: skip
    kind, part = FILE.search(path.name).groups()
    ours = (told["kind"].str.lower() == kind.lower()) & (cells["split"] == part.lower())
    require(cells, ours, keys, f"{where}: the image file path is of another of the four tables")
    paths = cells.groupby("image_id")["listed"].transform("nunique")
    require(cells, paths == 1, ("image_id",), f"{where}: one image has two image file paths")
    return cells


def _labels(cells: pd.DataFrame, woman_split: pd.Series) -> dict[str, pd.DataFrame]:
    breasts = cells.groupby(BREAST, sort=False)
    cancer = breasts["cancer"].max()
    frame = cancer.reset_index()
    raw = breasts["pathology"].agg(distinct).to_numpy()
    proven = raw != NO_PATHOLOGY
    side = frame["side"].str[0]
    result = frame["cancer"].map({"0": "benign", "1": ""})
    reports = table("pathology", {
        "report_id": frame["patient_id"] + "_" + side, "patient_id": frame["patient_id"],
        "laterality": side, "result": result, "result_raw": raw,
    })  # fmt: skip
    kind = pd.Series(proven).map({True: "pathology", False: "surrogate_birads"})
    labels = table("labels", {
        "exam_id": frame["patient_id"], "laterality": side, "cancer": frame["cancer"],
        "invasive": frame["cancer"].map({"0": "0", "1": ""}), "kind": kind,
        "split": frame["patient_id"].map(woman_split), "pathology_raw": raw,
        "split_raw": breasts["split"].agg(distinct).to_numpy(),
    })  # fmt: skip
    return {"labels": labels, "pathology": reports[proven].reset_index(drop=True)}


def _images(cells: pd.DataFrame, root: Path) -> tuple[pd.DataFrame, list[str]]:
    """One row a film; its file is found by the folder's name, not by the table's path."""
    films = cells.drop_duplicates("image_id").reset_index(drop=True)
    below: dict[str, list[str]] = {}
    for path in sorted(files_below(root, "", *READ, *NOT_READ)):
        for part in path.split("/")[:-1]:
            below.setdefault(part, []).append(path)
    path, reason = [], []
    for image_id, series, listed in films[["image_id", "series", "listed"]].itertuples(index=False):
        found = below.get(image_id) or below.get(series, [])
        read = [one for one in found if one.lower().endswith(READ)]
        why = "" if len(read) == 1 else f"{len(read)} files where one film belongs"
        if not read:
            why = "JPEG: only DICOM, PNG and PGM are read" if found else ABSENT
        path.append((read or found or [listed])[0])
        reason.append(why)
    used = pd.Series(reason) == ""
    again = films[used].duplicated([*BREAST, "view"]).reindex(films.index, fill_value=False)
    reason = pd.Series(reason).where(~again, TWICE)
    images = table("images", {
        "image_id": films["image_id"], "exam_id": films["patient_id"],
        "patient_id": films["patient_id"], "path": path, "laterality": films["side"].str[0],
        "view": films["view"], "use": (used & ~again).map({True: "1", False: "0"}),
        "reason": reason, "intent": "film", "split_raw": films["split"],
    })  # fmt: skip
    n_twice = int(films.duplicated([*BREAST, "view"]).sum())
    n_absent = int((reason == ABSENT).sum())
    told = [(n_twice, f"{n_twice:,} views are listed under two names."),
            (n_absent, f"{n_absent:,} of {len(films):,} listed images are not there.")]  # fmt: skip
    return images, [sentence for n, sentence in told if n]


def _notes(cells: pd.DataFrame, paths: list[Path], parts: pd.Series, n_densities: int) -> list[str]:
    n_both = int((parts.map(len) == 2).sum())
    lesions = cells.groupby([*BREAST, "abnormality_type", "abn_num"])["cancer"].nunique()
    n_varied = int((lesions > 1).sum())
    n_mixed = int((cells.groupby(BREAST)["cancer"].nunique() > 1).sum())
    told = [
        (len(paths) < 4, (f"{len(paths)} of the four tables were there: "
         f"{', '.join(path.name for path in paths)}; what the others say of these women is unknown.")),
        (n_both, f"{n_both:,} women are in training and in test; they were put in test."),
        (n_mixed, f"{n_mixed:,} breasts have malignant and benign lesions; they count as cancer."),
        (n_varied, (f"{n_varied:,} lesions are malignant in one view and benign in the other by their "
         "number; lesions are not matched between views by the owners.")),
        (n_densities, f"{n_densities:,} women have several densities; theirs is blank."),
    ]  # fmt: skip
    return [sentence for n, sentence in told if n]


ADAPTER = Adapter(
    CARD, "tables such as mass_case_description_train_set.csv, and folders of films", detect, adapt
)
