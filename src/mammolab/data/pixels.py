"""DICOM to model input in one fixed order, with every conversion recorded.

Stored values -> modality LUT -> VOI (LUT sequence, else window, else range of the breast) ->
inversion of MONOCHROME1 -> padding pixels to black -> chest wall to the left -> isotropic area
averaging and padding to size -> uint8.
"""

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import ArrayLike

from mammolab.data.averaging import average_grey
from mammolab.data.grey import GreyTable, grey_table, stored_values
from mammolab.data.header import (
    MAX_PIXELS,
    Rejected,
    laterality_of,
    read_mammogram,
    spacing_mm_of,
)
from mammolab.errors import InputError

# Part of the hash: raise it when the same settings would give other pixels.
ORDER = "2: modality, VOI, invert, padding to black, flip, area average, pad, uint8"


@dataclass(frozen=True)
class Conversion:
    """What was done to one image; the columns of table `images` that describe it.

    Attributes
    ----------
    window : how values became grey, e.g. "linear 2000/1000 (1 of 2)", "lut 4096", "range 10..900".
    inverted : MONOCHROME1, turned so that dense tissue is bright.
    flipped : mirrored so that the chest wall is on the left.
    spacing_mm : pixel spacing of the result; NaN where the source gives none.
    crop : source size, scale, and the part of the scaled image that was kept and padded.
    preprocessing_hash : digest of all settings; equal hashes mean comparable images.
    """

    window: str
    inverted: bool
    flipped: bool
    spacing_mm: float
    crop: str
    preprocessing_hash: str


@dataclass(frozen=True)
class Crop:
    """Which part of the source went where in the result, as the column `crop` records it.

    Attributes
    ----------
    source_rows, source_columns : size of the source in pixels.
    scale : side of the source's pixels over the result's.
    top, bottom : rows of the scaled source that were kept; bottom is the first one left out.
    width : its columns that were kept, counted from the chest wall.
    at_row : row of the result in which the first one kept lies.
    """

    source_rows: int
    source_columns: int
    scale: float
    top: int
    bottom: int
    width: int
    at_row: int

    def __str__(self) -> str:
        return (
            f"source {self.source_rows}x{self.source_columns} scale {self.scale:.6g} "
            f"rows {self.top}:{self.bottom} columns 0:{self.width} at row {self.at_row}"
        )

    @classmethod
    def read(cls, text: str) -> "Crop":
        """Read what `str` wrote.

        Raises
        ------
        InputError : the text has another shape.

        Examples
        --------
        >>> str(Crop.read("source 256x208 scale 1 rows 0:256 columns 0:208 at row 0"))
        'source 256x208 scale 1 rows 0:256 columns 0:208 at row 0'
        """
        found = _CROP.fullmatch(str(text))
        if found is None:
            raise InputError(f"column crop holds {text!r}, which is no record of a conversion.")
        rows, columns, scale, top, bottom, width, at_row = found.groups()
        return cls(
            *map(int, (rows, columns)), float(scale), *map(int, (top, bottom, width, at_row))
        )

    @property
    def source_shape(self) -> tuple[int, int]:
        """Rows and columns of the source."""
        return self.source_rows, self.source_columns

    def place(
        self, row: ArrayLike, column: ArrayLike, flipped: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where points of the source lie in the result.

        Parameters
        ----------
        row, column : in pixels of the source; pixel (0, 0) is centred on (0, 0).
        flipped : whether the source was mirrored (column `flipped` of table `images`).

        Returns
        -------
        Row and column in pixels of the result, alike; outside of it where the point was cut off.
        """
        row, column = np.asarray(row, float), np.asarray(column, float)
        if flipped:
            column = self.source_columns - 1 - column
        # A pixel of the result covers 1 / scale of the source's, corner upon corner.
        down = (row + 0.5) * self.scale - 0.5
        return down - self.top + self.at_row, (column + 0.5) * self.scale - 0.5


_CROP = re.compile(r"source (\d+)x(\d+) scale (\S+) rows (\d+):(\d+) columns 0:(\d+) at row (\d+)")


def preprocessing_hash(rows: int, columns: int, spacing_mm: float | None) -> str:
    """Digest of every setting that decides the pixels, 16 hexadecimal digits."""
    settings = {"order": ORDER, "rows": rows, "columns": columns, "spacing_mm": spacing_mm}
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def to_model_input(
    source: pydicom.Dataset | str | Path,
    rows: int,
    columns: int,
    spacing_mm: float | None = None,
) -> tuple[np.ndarray, Conversion]:
    """Turn one mammogram into what the network sees.

    Parameters
    ----------
    source : a dataset as `header.read_mammogram` gives it, or the path of a file.
    rows, columns : size of the result in pixels.
    spacing_mm : pixel spacing of the result. None: the image is made smaller, never larger, until
        it fits into rows x columns, whatever its spacing.

    Returns
    -------
    uint8 array of shape (rows, columns): 0 black (air), 255 bright, chest wall on the left; and
    the record of what was done.

    Raises
    ------
    Rejected : the file is no usable mammogram or its pixels do not decode ("kind: detail").

    Notes
    -----
    Never stretched: both axes are scaled alike. What is larger than the target is cut at the
    nipple side and evenly at top and bottom; what is smaller is padded with black there.
    """
    if not isinstance(source, pydicom.Dataset):
        source = read_mammogram(Path(source).read_bytes(), source)
    stored = stored_values(source)
    table = grey_table(source, stored)
    flipped = chest_wall_on_right(source)
    native_mm = spacing_mm_of(source)
    if spacing_mm is None:
        scale = min(1.0, rows / stored.shape[0], columns / stored.shape[1])
    elif native_mm is None:
        raise Rejected("spacing: no usable ImagerPixelSpacing to resample from")
    else:
        scale = native_mm / spacing_mm
        scale = 1.0 if abs(scale - 1) < 1e-6 else scale
    placed, crop = _place(stored, table, flipped, rows, columns, scale)
    return placed, Conversion(
        window=table.window,
        inverted=source.PhotometricInterpretation == "MONOCHROME1",
        flipped=flipped,
        spacing_mm=float("nan") if native_mm is None else native_mm / scale,
        crop=crop,
        preprocessing_hash=preprocessing_hash(rows, columns, spacing_mm),
    )


def chest_wall_on_right(dataset: pydicom.Dataset) -> bool:
    """Whether the image is to be mirrored for the chest wall to lie on the left.

    PatientOrientation says where the rows lead (A: to the nipple, P: to the chest wall); where
    it says nothing, a right breast is taken to be shown with the chest wall on the right.
    """
    given = dataset.get("PatientOrientation")
    along_row = str(given[0]) if given and not isinstance(given, str) else str(given or "")
    if along_row[:1] in ("A", "P"):
        return along_row[0] == "P"
    return laterality_of(dataset) == "R"


def _place(
    stored: np.ndarray, table: GreyTable, flipped: bool, rows: int, columns: int, scale: float
) -> tuple[np.ndarray, str]:
    """Mirror, scale by area averaging, then cut or pad to rows x columns without stretching."""
    if stored.size * scale**2 > MAX_PIXELS:
        raise Rejected(f"spacing: scaling by {scale:g} makes the image too large")
    if scale == 1:
        scaled = table(stored)[:, :: -1 if flipped else 1]
    else:
        scaled = average_grey(stored, table, scale, flipped)
    height, width = min(scaled.shape[0], rows), min(scaled.shape[1], columns)
    top = (scaled.shape[0] - height) // 2
    pad_top = (rows - height) // 2
    placed = np.zeros((rows, columns), np.uint8)
    kept = scaled[top : top + height, :width]
    placed[pad_top : pad_top + height, :width] = np.rint(kept * 255)
    return placed, str(Crop(*stored.shape, scale, top, top + height, width, pad_top))
