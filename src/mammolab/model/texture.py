"""Texture of a mammogram by hand: a few numbers that need no training.

Grey levels of the breast, and at every octave of size the energy and the largest value of a
difference of box blurs, which answers to bright blobs of that size.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from mammolab.errors import InputError
from mammolab.model.features import BREAST_GREY

BRIGHT_GREY = 0.6  # a share of breast pixels lies above it in dense breasts; assumption
LARGEST = 1 / 16  # half-width of the widest box over the image's rows; assumption
_AIR = np.int64(1 << 32)  # stands for air: a box that sums to less holds breast alone
_FAINT = 1e-3  # grey level (0-1) below which a band is flat; keeps the logs finite


def half_widths(rows: int) -> tuple[int, ...]:
    """Return the half-widths of the boxes in pixels: octaves from one pixel to 1/16 of the rows.

    Examples
    --------
    >>> half_widths(256), half_widths(128)
    ((1, 2, 4, 8, 16), (1, 2, 4, 8))
    """
    return tuple(2**k for k in range(32) if 2**k <= max(rows * LARGEST, 2))


def texture_names(rows: int) -> list[str]:
    """Return the names of the columns of `image_texture`, for images of so many rows."""
    widths = half_widths(rows)
    return ["mean", "sd", "skewness", "bright_share"] + [
        f"{what}_{wide}px" for wide in widths for what in ("energy", "blob")
    ]


def breast_mask(image: np.ndarray) -> NDArray[np.bool_]:
    """Return the pixels of the breast: the largest connected region brighter than air.

    Parameters
    ----------
    image : uint8 array, shape (h, w)
    """
    bright = image > 255 * BREAST_GREY
    regions, n_regions = ndimage.label(bright)
    if n_regions < 2:
        return bright
    return regions == 1 + np.bincount(regions[bright])[1:].argmax()


def image_texture(image: np.ndarray) -> NDArray[np.float64]:
    """Return the texture of the breast in an image; markers beside it do not count.

    Parameters
    ----------
    image : uint8 array, shape (h, w)

    Returns
    -------
    array of float, shape (n_features,)
        As `texture_names`: mean, SD and skewness of grey (0-1 scale), share of bright pixels, and
        at each size the log of the SD and of the largest value of a box blur less the next wider
        one. A box counts where it lies in the breast or beyond the image's edge, which leaves out
        the skin. All zero where there is no breast. Mirrored images have the same texture.
    """
    half_widths_px = half_widths(image.shape[0])
    found = np.zeros(4 + 2 * len(half_widths_px))
    breast = breast_mask(image)
    if not breast.any():
        return found
    # One pixel of air is kept around the breast, so that no box reaches over it unseen.
    box = tuple(
        slice(max(one[0] - 1, 0), one[-1] + 2)
        for one in (np.flatnonzero(breast.any(axis=axis)) for axis in (1, 0))
    )
    image, breast = image[box], breast[box]
    grey = image[breast] / np.float32(255)
    mean, sd = float(grey.mean()), float(grey.std())
    centred = grey - grey.mean()
    skewness = float((centred * centred * centred).mean()) / max(sd, _FAINT) ** 3
    found[:4] = mean, sd, skewness, (grey > BRIGHT_GREY).mean()

    reach = half_widths_px[-1]
    table = _summed_areas(np.where(breast, image, _AIR), reach)
    finer = image.astype(np.float32)
    for k, half_width in enumerate(half_widths_px):
        total = _box_sums(table, reach, half_width)
        inside = total < _AIR
        area = np.multiply.outer(*(_pixels_in_reach(size, half_width) for size in image.shape))
        blurred = total.astype(np.float32) / area
        band = (finer - blurred)[inside] / 255
        spread, highest = (band.std(), band.max()) if band.size else (0.0, 0.0)
        found[4 + 2 * k : 6 + 2 * k] = np.log([max(spread, _FAINT), max(highest, _FAINT)])
        finer = blurred
    return found


def exam_texture(store: np.ndarray, images: pd.DataFrame) -> pd.DataFrame:
    """Return the texture of exams: mean and maximum over their views.

    Parameters
    ----------
    store : uint8 array, shape (n_images, h, w)
    images : DataFrame
        exam_id and row (the position in `store`), one row an image.

    Returns
    -------
    DataFrame
        Indexed by exam_id, sorted: mean_<name> and max_<name> for each of `texture_names`.

    Raises
    ------
    InputError
        When a column is missing or there is no image.
    """
    missing = [name for name in ("exam_id", "row") if name not in images]
    if missing or images.empty:
        lack = f"the column(s) {', '.join(missing)}" if missing else "rows"
        raise InputError(f"the images whose texture is asked for lack {lack}.")
    images = images.sort_values("row")  # the memory map is read in order
    found = pd.DataFrame(
        np.array([image_texture(store[row]) for row in images["row"].to_numpy(np.int64)]),
        columns=texture_names(store.shape[1]),
    ).groupby(images["exam_id"].to_numpy())
    return found.mean().add_prefix("mean_").join(found.max().add_prefix("max_"))


def _summed_areas(values: NDArray[np.int64], reach: int) -> NDArray[np.int64]:
    """Return the summed-area table, continued by `reach` rows and columns on every side."""
    height, width = values.shape
    table = np.zeros((height + 1 + 2 * reach, width + 1 + 2 * reach), np.int64)
    inner = table[reach + 1 : reach + 1 + height, reach + 1 : reach + 1 + width]
    np.cumsum(values, axis=0, out=inner)
    np.cumsum(inner, axis=1, out=inner)
    table[reach + 1 + height :, :] = table[reach + height, :]
    table[:, reach + 1 + width :] = table[:, [reach + width]]
    return table


def _box_sums(table: NDArray[np.int64], reach: int, half_width: int) -> NDArray[np.int64]:
    """Sum over the box around each pixel, cut at the image's edge; `reach` is the table's."""
    height, width = (size - 1 - 2 * reach for size in table.shape)
    first, last = reach - half_width, reach + half_width + 1
    strips = table[last : last + height] - table[first : first + height]
    return strips[:, last : last + width] - strips[:, first : first + width]


def _pixels_in_reach(size: int, half_width: int) -> NDArray[np.float32]:
    """Number of pixels of a line within `half_width` of each of its pixels, itself included."""
    at = np.arange(size, dtype=np.float32)
    return np.minimum(at, half_width) + np.minimum(at[::-1], half_width) + 1
