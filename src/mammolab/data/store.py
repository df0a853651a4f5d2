"""The image store: one memory-mapped array of model inputs, and a table that says what each is."""

import os
from collections.abc import Collection
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from mammolab.data.header import Rejected, read_mammogram
from mammolab.data.pixels import preprocessing_hash, to_model_input
from mammolab.data.workers import contained_map
from mammolab.errors import InputError, MissingInput
from mammolab.schemas import COLUMNS, IDS_SHOWN, check

MOST_LOST = 0.05  # share of exams with a weight that may lack images (assumption)

IMAGES_AT_A_TIME = 1024  # when rows are moved up over failed ones


def build_store(
    index: pd.DataFrame,
    raw_dicom: str | Path,
    path_npy: str | Path,
    rows: int,
    columns: int,
    spacing_mm: float | None = None,
    workers: int = 1,
    exam_ids: Collection[str] | None = None,
) -> pd.DataFrame:
    """Convert the accepted images of the cohort's exams and write them as one array.

    Parameters
    ----------
    index : table `dicom_index`.
    raw_dicom : the folder the index was made from.
    path_npy : file to write: uint8, shape (n, rows, columns), no row without an image.
    rows, columns, spacing_mm : see `pixels.to_model_input`.
    workers : number of processes; the result does not depend on it.
    exam_ids : exams of the cohort; None for all exams of the index.

    Returns
    -------
    Table `images`: one row an accepted image, sorted by exam, laterality, view and id; those that
    did not convert have status skipped, a reason, and no row in the array.

    Raises
    ------
    InputError : no image is left to convert.
    """
    accepted = index[index["status"] == "ok"]
    if exam_ids is not None:
        accepted = accepted[accepted["exam_id"].isin(exam_ids)]
    if not len(accepted):
        raise InputError(f"{raw_dicom}: no accepted image belongs to an exam of the cohort.")
    accepted = accepted.sort_values(["exam_id", "laterality", "view", "image_id"])
    path_npy = Path(path_npy)
    path_npy.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path_npy.with_name(f".{path_npy.name}.{os.getpid()}")
    try:
        shape = (len(accepted), rows, columns)
        np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape).flush()
        convert = partial(
            _convert,
            str(unfinished),
            str(raw_dicom),
            rows=rows,
            columns=columns,
            spacing_mm=spacing_mm,
        )
        items = list(enumerate(accepted[["path", "sha256"]].itertuples(index=False, name=None)))
        records = contained_map(convert, items, workers, _dead_record, "images", chunk_size=32)
        images = accepted[["image_id", "exam_id", "patient_id", "laterality", "view"]].reset_index(
            drop=True
        )
        images = images.join(pd.DataFrame(records))
        images["preprocessing_hash"] = preprocessing_hash(rows, columns, spacing_mm)
        kept = (images["status"] == "ok").to_numpy()
        if not kept.all():
            _keep_rows(unfinished, np.flatnonzero(kept))
        images["row"] = pd.array(np.where(kept, np.cumsum(kept) - 1, 0), dtype="Int64")
        images.loc[~kept, "row"] = pd.NA
        os.replace(unfinished, path_npy)
    finally:
        unfinished.unlink(missing_ok=True)
    return check(images[list(COLUMNS["images"])], "images", path_npy)


def open_store(path: str | Path) -> np.memmap:
    """Open an image store for reading, without loading it.

    Returns
    -------
    uint8 memory map, shape (n, rows, columns); table `images` says which row is which image.

    Raises
    ------
    MissingInput : the file does not exist.
    InputError : the file is no uint8 array of three dimensions.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingInput(f"{path}: the image store does not exist.")
    try:
        store = np.load(path, mmap_mode="r")
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: not a readable image store ({error}).") from None
    if store.ndim != 3 or store.dtype != np.uint8:
        raise InputError(
            f"{path}: holds {store.dtype} of shape {store.shape}, not uint8 n x H x W."
        )
    return store


def _convert(
    store: str,
    root: str,
    item: tuple[int, tuple[str, str]],
    *,
    rows: int,
    columns: int,
    spacing_mm: float | None,
) -> dict:
    """Convert one image into its row of the array; never raises, whatever the file holds."""
    row, (path, digest) = item
    try:
        content = Path(root, path).read_bytes()
        if sha256(content).hexdigest() != digest:
            raise Rejected("changed: the file is not the one that was indexed")
        dataset = read_mammogram(content, Path(root, path))
        image, conversion = to_model_input(dataset, rows, columns, spacing_mm)
        np.load(store, mmap_mode="r+")[row] = image
    except Rejected as rejection:
        return _skipped(str(rejection))
    except OSError as error:
        return _skipped(f"cannot be read: {error.strerror}")
    # As in the index: decoders raise RecursionError, MemoryError and panics of their own.
    except BaseException as error:  # noqa: BLE001
        return _skipped(f"conversion: {type(error).__name__}")
    return {"status": "ok", "reason": ""} | asdict(conversion)


def _skipped(reason: str) -> dict:
    return {
        "status": "skipped",
        "reason": reason,
        "window": None,
        "inverted": False,
        "flipped": False,
        "spacing_mm": np.nan,
        "crop": None,
    }


def _dead_record(item: tuple) -> dict:
    return _skipped("decoding: killed its reader")


def _keep_rows(path: Path, kept: np.ndarray) -> None:
    """Rewrite an array with the kept rows alone, a few at a time."""
    every = np.load(path, mmap_mode="r")
    shorter = path.with_name(f"{path.name}.kept")
    try:
        shape = (len(kept), *every.shape[1:])
        result = np.lib.format.open_memmap(shorter, mode="w+", dtype=np.uint8, shape=shape)
        for at in range(0, len(kept), IMAGES_AT_A_TIME):
            result[at : at + IMAGES_AT_A_TIME] = every[kept[at : at + IMAGES_AT_A_TIME]]
        result.flush()
        os.replace(shorter, path)
    finally:
        shorter.unlink(missing_ok=True)


def check_images_of_weighted_exams(cohort: pd.DataFrame, index: pd.DataFrame) -> None:
    """Stop where many exams carry a sampling weight and have no image.

    The weights would then stand for exams that no analysis sees. A few may lose all their files.

    Parameters
    ----------
    cohort, index : tables `cohort` and `dicom_index`.

    Raises
    ------
    InputError : more than one exam in twenty with a weight has no accepted file.
    """
    weighted = cohort[cohort["has_pixels"]]
    accepted = set(index.loc[index["status"] == "ok", "exam_id"])
    without = weighted.loc[~weighted["exam_id"].isin(accepted), "exam_id"]
    if len(without) > MOST_LOST * len(weighted):
        raise InputError(
            f"ehr/exams.csv: column sampling_weight is given for {len(weighted)} exams of the cohort, "
            f"but {len(without)} of them have no usable image in dicom/, among them "
            f"{', '.join(without[:IDS_SHOWN])}; leave it blank where no pixels were pulled."
        )


def views_per_exam(images: pd.DataFrame) -> pd.DataFrame:
    """How complete each exam is.

    Parameters
    ----------
    images : table `images`.

    Returns
    -------
    exam_id, n_images, n_views (of the four L/R x CC/MLO), complete (bool: all four); exams with
    at least one converted image.
    """
    converted = images[images["status"] == "ok"]
    grouped = converted.assign(which=converted["laterality"] + converted["view"]).groupby("exam_id")
    views = grouped.agg(n_images=("image_id", "size"), n_views=("which", "nunique")).reset_index()
    return views.assign(complete=views["n_views"] == 4)


def extend_flow(
    cohort_flow: pd.DataFrame, cohort: pd.DataFrame, index: pd.DataFrame, images: pd.DataFrame
) -> pd.DataFrame:
    """Add the image steps to the cohort's flow.

    Parameters
    ----------
    cohort_flow, cohort, index, images : tables of those names (index is `dicom_index`).

    Returns
    -------
    Table `flow`. n_exams falls by n_removed_exams from row to row; n_images starts with the files
    found and falls by the number that stands first in the reason.
    """
    steps = cohort_flow.to_dict("records")
    n_images: int | None = None

    def add(step: str, exams: pd.Series, reason: str) -> None:
        left = cohort[cohort["exam_id"].isin(exams)]
        steps.append(
            {
                "step": step,
                "n_patients": left["patient_id"].nunique(),
                "n_exams": len(left),
                "n_images": n_images,
                "n_removed_exams": steps[-1]["n_exams"] - len(left),
                "reason": reason,
            }
        )

    pulled = cohort.loc[cohort["has_pixels"], "exam_id"]
    n_images = len(index)
    add("pixels pulled from the archive", pulled, "no pixels were pulled for the others (sampling)")
    rejected = index[index["status"] == "rejected"]
    kinds = rejected["reason"].str.split(":").str[0].value_counts(sort=False).sort_index()
    for kind, count in kinds.items():
        n_images -= count
        add(f"files rejected: {kind}", pulled, f"{count} files")
    n_images = len(images)
    others = len(index) - len(rejected) - len(images)
    add("images of the cohort", pulled, f"{others} images belong to exams outside the cohort")
    converted = images[images["status"] == "ok"]
    n_images = len(converted)
    present = pulled[pulled.isin(converted["exam_id"])]
    add(
        "images converted",
        present,
        f"{len(images) - len(converted)} images did not convert; exams left without images are lost",
    )
    incomplete = int((~views_per_exam(converted)["complete"]).sum())
    add("exams for analysis", present, f"{incomplete} exams with fewer than four views are kept")
    return check(pd.DataFrame(steps), "flow", "image steps of the flow")
