"""Images of an audit: small grey thumbnails and fingerprints, from PNG, JPEG or DICOM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from mammolab.data.averaging import area_average
from mammolab.data.header import Rejected
from mammolab.data.pixels import to_model_input
from mammolab.errors import InputError

SIDE = 64  # of a thumbnail in pixels
PICTURES = (".png", ".jpg", ".jpeg")
DICOM = (".dcm", ".dicom")
SUFFIXES = PICTURES + DICOM
MOST_PIXELS = 100_000_000  # of one picture; larger ones are skipped, not decoded
PROGRESS_EVERY = 1000


@dataclass(frozen=True, eq=False)
class Images:
    """Thumbnails of the rows of a table.

    rows : int array, shape (n,)
        Row of the table that each image belongs to.
    thumbnails : uint8 array, shape (n, SIDE, SIDE)
    n_without : rows of the table without an image.
    unreadable : file and reason, of those that could not be read.
    """

    rows: NDArray[np.intp]
    thumbnails: NDArray[np.uint8]
    n_without: int
    unreadable: tuple[tuple[str, str], ...]


def find_images(folder: Path) -> dict[str, Path]:
    """Every image below a folder by its path within it, in order.

    Raises
    ------
    InputError
        If the folder does not exist or holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    found = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and path.is_file()
    }
    if not found:
        raise InputError(f"{folder} holds no image ({', '.join(SUFFIXES)})")
    return found


def images_of(
    rows: pd.DataFrame, folder: Path, progress: Callable[[str], object] | None = None
) -> Images:
    """Read the images of a table's rows.

    Parameters
    ----------
    rows : DataFrame
        image_file (the path within the folder, or the file's name), or image_id or exam_id, which
        then are the names of files without their suffix.
    folder : Path
    progress : callable, optional
        Takes a line now and then.

    Raises
    ------
    InputError
        If the table has none of the columns, or no row has an image in the folder.
    """
    found = find_images(folder)
    by_name: dict[str, list[Path]] = {}
    for inside, path in found.items():
        for key in {inside, path.name, path.stem}:
            by_name.setdefault(key, []).append(path)
    column = next((one for one in ("image_file", "image_id", "exam_id") if one in rows), None)
    if column is None:
        raise InputError(
            "--images needs a column image_file, image_id or exam_id that names the files"
        )
    paths = [by_name.get(str(one), []) for one in rows[column].fillna("")]
    several = [name for name, files in zip(rows[column], paths, strict=True) if len(files) > 1]
    if several:
        raise InputError(
            f"{len(several):,} rows name several files of {folder}, such as {several[0]}: give their "
            "paths in a column image_file"
        )
    at = np.flatnonzero([len(files) == 1 for files in paths])
    if not len(at):
        raise InputError(f"no {column} of the table is a file in {folder}")
    return read_images([paths[k][0] for k in at], at, len(rows), progress)


def read_images(
    paths: Sequence[Path],
    at: NDArray[np.intp],
    n_rows: int,
    progress: Callable[[str], object] | None = None,
) -> Images:
    """Read the files that belong to the rows `at` of a table of `n_rows`."""
    kept, thumbnails, unreadable = [], [], []
    for k, (path, row) in enumerate(zip(paths, at, strict=True)):
        if progress is not None and k and k % PROGRESS_EVERY == 0:
            progress(f"{k:,} of {len(paths):,} images read")
        try:
            thumbnails.append(thumbnail(path))
            kept.append(row)
        except Rejected as reason:
            unreadable.append((path.name, str(reason)))
    stack = np.array(thumbnails, dtype=np.uint8).reshape(-1, SIDE, SIDE)
    return Images(np.array(kept, dtype=np.intp), stack, n_rows - len(at), tuple(unreadable))


def thumbnail(path: Path) -> NDArray[np.uint8]:
    """One image as SIDE x SIDE grey values.

    A picture is stretched to the square (its frame is what is looked at); a mammogram in DICOM is
    windowed, turned and padded as `data.pixels` does.

    Raises
    ------
    Rejected
        If it cannot be read; the message says why.
    """
    if path.suffix.lower() in DICOM:
        return to_model_input(path, SIDE, SIDE)[0]
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise Rejected(f"size: {picture.width} x {picture.height} pixels")
            if picture.mode.startswith(("I", "F")):
                grey = np.asarray(picture, dtype=np.float32)
                grey = 255 * (grey - grey.min()) / max(float(np.ptp(grey)), 1.0)
            else:
                grey = np.asarray(picture.convert("L"), dtype=np.float32)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as error:
        raise Rejected(f"picture: {type(error).__name__}") from None
    return _square(grey)


def _square(grey: NDArray[np.float32]) -> NDArray[np.uint8]:
    height, width = grey.shape
    if (height, width) != (SIDE, SIDE):
        shorter = min(height, width)
        if shorter > SIDE:
            grey = area_average(grey, SIDE / shorter)
        grey = np.asarray(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BOX))
    return np.rint(np.clip(grey, 0, 255)).astype(np.uint8)
