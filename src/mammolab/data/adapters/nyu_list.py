"""NYU's exam list: one record an exam, four views of file stems; and results keyed by stems."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from mammolab.data.adapters.base import Adapter, Card, Source, files_below, mark_absent, table
from mammolab.data.adapters.rules import require
from mammolab.data.user_columns import check_columns, numbers, refuse
from mammolab.data.user_table import read_table
from mammolab.errors import InputError
from mammolab.schemas import describe_rows

CARD = Card.read("nyu")
VIEWS = {"L-CC": ("L", "CC"), "L-MLO": ("L", "MLO"), "R-CC": ("R", "CC"), "R-MLO": ("R", "MLO")}
FLIPS = ("NO", "YES")
SIDES = {"L": "left", "R": "right"}
PICKLES = ("data.pkl", "exam_list*.pkl")
BREAST_COLUMNS = ("index", "left_malignant", "right_malignant")
IMAGE_COLUMNS = ("image_index", "malignant_pred")


def detect(root: Path) -> bool:
    """Whether the folder holds an exam list, as JSON or as the published pickle."""
    return bool(_lists(root) or _pickles(root))


def adapt(root: Path) -> Source:
    """Read the list and lay it out in our tables; exam nyu_0 is its first record.

    Raises
    ------
    InputError : the list is a pickle, no list of records with four views, a flip, a label or a stem
        is not understood, a stem is in two places, or the folder holds two lists.
    """
    lists = _lists(root)
    if not lists:
        raise InputError(_pickled(_pickles(root)[0]))
    if len(lists) > 1:
        raise InputError(
            f"{root} holds {len(lists)} exam lists ({', '.join(path.name for path in lists)}); "
            "leave one in the folder."
        )
    ((path, records),) = lists.items()
    ids = [f"nyu_{number}" for number in range(len(records))]
    for exam_id, record in zip(ids, records, strict=True):
        _check(record, f"{path.name}: exam {exam_id}")
    flips = [record["horizontal_flip"] for record in records]
    labels = _labels(ids, records)
    images, notes = _images(root, ids, records)
    short = sum(not all(record[view] for view in VIEWS) for record in records)
    if short:
        notes.append(f"{short:,} exams lack a standard view.")
    flipped = flips.count("YES")
    if flipped:
        notes.append(f"{flipped:,} exams are stored mirrored (horizontal_flip YES).")
    return Source(
        card=CARD,
        images_root=root,
        patients=table("patients", {"patient_id": ids}),
        exams=table("exams", {"exam_id": ids, "patient_id": ids, "horizontal_flip_raw": flips}),
        labels=labels,
        images=images,
        notes=tuple(notes),
    )


def read_predictions(path: Path, source: Source) -> pd.DataFrame:
    """A system's result by breast, from either of the two published forms.

    Parameters
    ----------
    path : CSV by breast (index, left_malignant, right_malignant; row order is the list's), or by
        image (image_index, malignant_pred), keyed by the list's stems.
    source : what `adapt` made of the list.

    Returns
    -------
    DataFrame: exam_id, laterality, score; that of a breast is the mean over its views of the mean
    over the files of a view. A breast without a file is not there.

    Raises
    ------
    InputError : columns, numbers or stems are not those of this list, or one is missing or there
        twice.
    """
    raw = read_table(path)
    if "image_index" in raw.cells:
        check_columns(raw, IMAGE_COLUMNS)
        score = numbers(raw, "malignant_pred", "leave out the row")
        images = source.images.set_index("image_id")
        keys = raw.cells["image_index"]
        refuse(raw, ~keys.isin(images.index), "image_index", "is no stem of the list",
               "stems such as 0_L_CC, not 0_L-CC")  # fmt: skip
        refuse(raw, keys.duplicated(), "image_index", "is there twice", "each stem once")
        absent = ~images.index.isin(keys)
        if absent.any():
            raise InputError(
                f"{raw.name} has no row for "
                f"{describe_rows(images.reset_index(), absent, ('image_id',))}."
            )
        rows = images.loc[keys, ["exam_id", "laterality", "view"]].assign(score=score.to_numpy())
        views = rows.groupby(["exam_id", "laterality", "view"], sort=False)["score"].mean()
        return views.groupby(["exam_id", "laterality"], sort=False).mean().reset_index()
    check_columns(raw, BREAST_COLUMNS, "or image_index and malignant_pred")
    n = len(source.exams)
    index = raw.cells["index"].tolist()
    if index != [str(number) for number in range(n)]:
        raise InputError(
            f"{raw.name}: column index must count the {n} exams of the list from 0; it has "
            f"{len(index)} rows and begins with {', '.join(index[:3])}."
        )
    scores = [
        pd.DataFrame({
            "exam_id": source.exams["exam_id"], "laterality": side,
            "score": numbers(raw, f"{word}_malignant", "leave out the file").to_numpy(),
        })
        for side, word in SIDES.items()
    ]  # fmt: skip
    return pd.concat(scores, ignore_index=True)


def _lists(root: Path) -> dict[Path, list[dict]]:
    """JSON files of the folder that are lists of records with a view."""
    found = {}
    for path in sorted(root.glob("*.json")):
        try:
            held = json.loads(path.read_text(encoding="utf-8-sig"))
        except (ValueError, OSError):
            continue
        if isinstance(held, list) and held and isinstance(held[0], dict) and VIEWS.keys() & held[0]:
            found[path] = held
    return found


def _pickles(root: Path) -> list[Path]:
    return sorted({path for pattern in PICKLES for path in root.glob(pattern)})


def _pickled(path: Path) -> str:
    return (
        f"{path.name} is a pickle, and reading one runs the code in it: write it as JSON with a "
        "subclass of pickle.Unpickler whose find_class always raises (a list of dicts of text "
        "needs no class), then json.dump."
    )


def _check(record: object, where: str) -> None:
    """Stop where a record of the list is not one."""
    if not isinstance(record, dict) or not VIEWS.keys() <= record.keys():
        raise InputError(f"{where} is no record with {', '.join(VIEWS)}.")
    if record.get("horizontal_flip") not in FLIPS:
        raise InputError(
            f"{where}: horizontal_flip is {record.get('horizontal_flip')!r}; valid: NO, YES."
        )
    for view in VIEWS:
        stems = record[view]
        if not isinstance(stems, list) or not all(isinstance(one, str) and one for one in stems):
            raise InputError(f"{where}: {view} is no list of file stems such as 0_L_CC.")
    label = record.get("cancer_label", {})
    known = isinstance(label, dict) and all(
        type(value) in (int, float) and value in (0, 1) for value in label.values()
    )
    if not known:
        raise InputError(f"{where}: cancer_label is no record of 0 and 1.")


def _labels(ids: list[str], records: list[dict]) -> pd.DataFrame:
    """Malignant or not by breast; blank where the record tells nothing, or that it is unknown."""
    rows = []
    for exam_id, record in zip(ids, records, strict=True):
        told = record.get("cancer_label", {})
        for side, word in SIDES.items():
            value = "" if told.get("unknown") else told.get(f"{word}_malignant", "")
            raw = {f"{name}_raw": str(told.get(name, "")) for name in
                   (f"{word}_malignant", f"{word}_benign", "unknown")}  # fmt: skip
            rows.append({
                "exam_id": exam_id, "laterality": side,
                "cancer": "" if value == "" else str(int(value)),
                "kind": "" if value == "" else "pathology",
                **{name.replace(f"{word}_", ""): one for name, one in raw.items()},
            })  # fmt: skip
    frame = pd.DataFrame(rows, dtype=object)
    return table("labels", {column: frame[column] for column in frame})


def _images(root: Path, ids: list[str], records: list[dict]) -> tuple[pd.DataFrame, list[str]]:
    present = files_below(root, ".", ".png")
    below = {Path(path).stem: path for path in sorted(present, reverse=True)}
    rows = [
        (Path(stem).name, exam_id, below.get(Path(stem).name, f"{stem}.png"), *sides, view,
         record["horizontal_flip"])
        for exam_id, record in zip(ids, records, strict=True)
        for view, sides in VIEWS.items()
        for stem in record[view]
    ]  # fmt: skip
    columns = ["image_id", "exam_id", "path", "laterality", "view", "view_raw", "flip_raw"]
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    require(frame, ~frame["image_id"].duplicated(), ("image_id",),
            "nyu: a stem is in the list more than once")  # fmt: skip
    filled = {column: frame[column] for column in frame}
    return mark_absent(
        table("images", filled | {"patient_id": frame["exam_id"], "use": "1"}), present
    )


ADAPTER = Adapter(
    CARD,
    "one JSON file: a list of records with horizontal_flip, L-CC, R-CC, L-MLO and R-MLO",
    detect,
    adapt,
)
