"""Does a map point at the lesion: pointing game and energy of each image, beside chance.

Everything here takes the lesions' places as arguments: this module knows no truth.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from mammolab.data.pixels import Crop
from mammolab.errors import InputError
from mammolab.model.texture import breast_mask

BOX_COLUMNS = ("exam_id", "laterality", "view", "source_row", "source_column", "source_radius")


def place_lesions(boxes: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Return where lesions known in a source image lie in the store's.

    Parameters
    ----------
    boxes : DataFrame
        One row a lesion in a view: exam_id, laterality, view, source_row, source_column (of its
        centre), source_radius, all in pixels of the source; further columns are kept.
    images : DataFrame
        Table `images`.

    Returns
    -------
    DataFrame
        The lesions of usable images: image_id, the columns of `boxes`, and row_px, column_px,
        radius_px in pixels of the store.

    Raises
    ------
    InputError
        When `boxes` lacks a column, or no lesion lies in a usable image.
    """
    missing = [name for name in BOX_COLUMNS if name not in boxes]
    if missing:
        raise InputError(f"the lesions' places lack the column(s) {', '.join(missing)}.")
    usable = images.loc[
        images["status"] == "ok", ["image_id", "exam_id", "laterality", "view", "crop", "flipped"]
    ]
    placed = boxes.merge(usable, on=["exam_id", "laterality", "view"])
    if placed.empty:
        raise InputError(
            f"none of the {len(boxes)} lesions lies in a usable image: no map can be held against it."
        )
    parts = []
    for (text, flipped), part in placed.groupby(["crop", "flipped"]):
        crop = Crop.read(text)
        row, column = crop.place(part["source_row"], part["source_column"], flipped)
        radius = part["source_radius"].to_numpy(float) * crop.scale
        parts.append(part.assign(row_px=row, column_px=column, radius_px=radius))
    return pd.concat(parts).sort_index().drop(columns=["crop", "flipped"])


def breast_masks(images: np.ndarray) -> NDArray[np.bool_]:
    """Return the breast of each image: its largest connected region brighter than air.

    Parameters
    ----------
    images : uint8 array, shape (n, h, w)

    Returns
    -------
    bool array, shape (n, h, w)
    """
    return np.array([breast_mask(image) for image in images]).reshape(images.shape)


def disc(
    shape: tuple[int, int], row_px: float, column_px: float, radius_px: float
) -> NDArray[np.bool_]:
    """Return the pixels whose centre lies within `radius_px` of a point, shape `shape`."""
    down, across = np.ogrid[: shape[0], : shape[1]]
    return (down - row_px) ** 2 + (across - column_px) ** 2 <= radius_px**2


def peaks(maps: np.ndarray) -> NDArray[np.float64]:
    """Return the highest point of each map, in the middle where it is a plateau.

    Parameters
    ----------
    maps : float array, shape (n, h, w)

    Returns
    -------
    float array, shape (n, 2)
        Row and column; NaN for a map that is flat, which points nowhere. Of several plateaus of
        one height the uppermost counts.

    Raises
    ------
    InputError
        When there is no map, a map holds NaN, or all of them are flat.
    """
    maps = np.asarray(maps)
    if maps.ndim != 3 or not maps.size:
        raise InputError(f"maps must be images by rows by columns, not of shape {maps.shape}.")
    if not np.isfinite(maps).all():
        raise InputError("a map holds NaN or infinity: the network's output is not finite.")
    found = np.full((len(maps), 2), np.nan)
    for i, one in enumerate(maps):
        if one.max() > one.min():
            plateau, _ = ndimage.label(one == one.max())
            found[i] = np.argwhere(plateau == 1).mean(axis=0)
    if np.isnan(found).all():
        raise InputError(
            f"all {len(maps)} maps are flat: the network does not respond to the image."
        )
    return found


def score_maps(
    maps: np.ndarray,
    breast: np.ndarray,
    lesions: pd.DataFrame,
    spacing_mm: np.ndarray,
    tolerance_mm: float,
) -> pd.DataFrame:
    """Play the pointing game and measure the energy inside the lesions of each image.

    Parameters
    ----------
    maps : float array, shape (n, h, w)
    breast : bool array, shape (n, h, w)
        See `breast_masks`.
    lesions : DataFrame
        One row a lesion: at (the number of its map), row_px, column_px, radius_px. Each map has
        at least one.
    spacing_mm : float array, shape (n,)
    tolerance_mm : float
        How far outside the outline the highest point may lie and still count as a hit.

    Returns
    -------
    DataFrame
        One row a map. peak_row, peak_column (NaN where flat); hit (bool, the highest point lies in
        a lesion or within the tolerance; a flat map misses); energy (share of the positive
        attribution inside the outlines; 0 where none is positive); chance_hit and chance_energy:
        what a point thrown on the breast, and attribution spread evenly over it, would get.

    Raises
    ------
    InputError
        When a map has no lesion (the first are named), and as `peaks`.

    References
    ----------
    Pointing game: Zhang et al. 2018, doi:10.1007/s11263-017-1059-x.
    """
    without = sorted(set(range(len(maps))) - set(lesions["at"]))
    if without:
        shown = ", ".join(map(str, without[:5]))
        raise InputError(
            f"{len(without)} of {len(maps)} images show no lesion, among them number {shown}; "
            "a map can be held against known lesions only."
        )
    top = peaks(maps)
    tolerance_px = tolerance_mm / np.asarray(spacing_mm, float)
    records = []
    for i, of_map in lesions.groupby("at"):
        places = of_map[["row_px", "column_px", "radius_px"]].to_numpy(float)
        inside, near = np.zeros((2, *maps.shape[1:]), bool)
        hit = False
        for row, column, radius in places:
            inside |= disc(inside.shape, row, column, radius)
            near |= disc(near.shape, row, column, radius + tolerance_px[i])
            distance = np.hypot(top[i, 0] - row, top[i, 1] - column)
            hit |= bool(distance <= radius + tolerance_px[i])
        positive = np.clip(maps[i], 0, None, dtype=np.float64)
        area = breast[i].sum()
        records.append(
            {
                "peak_row": top[i, 0],
                "peak_column": top[i, 1],
                "hit": hit,
                "energy": positive[inside].sum() / (positive.sum() or 1.0),
                "chance_hit": (near & breast[i]).sum() / max(area, 1),
                "chance_energy": (inside & breast[i]).sum() / max(area, 1),
            }
        )
    return pd.DataFrame(records)


def score_sample(
    maps: np.ndarray,
    breast: np.ndarray,
    lesions: pd.DataFrame,
    sample: pd.DataFrame,
    tolerance_mm: float,
) -> pd.DataFrame:
    """Score the maps of a sample of images against the lesions that lie in them.

    Parameters
    ----------
    maps, breast, tolerance_mm
        As for `score_maps`.
    lesions : DataFrame
        As `place_lesions` returns them; those of other images are ignored.
    sample : DataFrame
        One row a map: image_id, spacing_mm and whatever else.

    Returns
    -------
    DataFrame
        The columns of `sample` and of `score_maps`.
    """
    at = pd.Series(np.arange(len(sample)), index=sample["image_id"].to_numpy())
    shown = lesions[lesions["image_id"].isin(at.index)]
    shown = shown.assign(at=shown["image_id"].map(at))
    scored = score_maps(maps, breast, shown, sample["spacing_mm"], tolerance_mm)
    return pd.concat([sample.reset_index(drop=True), scored], axis=1)


def reachable(
    lesions: pd.DataFrame,
    sample: pd.DataFrame,
    cell_px: int,
    shape: tuple[int, int],
    tolerance_mm: float,
) -> NDArray[np.bool_]:
    """Say of each image whether a map of cells could hit at all, however well it chose its cell.

    Parameters
    ----------
    lesions, sample, tolerance_mm
        As for `score_sample`; each image has at least one lesion.
    cell_px : int
        Pixels from one cell to the next; the highest point of a map lies on a cell's centre.
    shape : tuple of int
        Height and width of the images.

    Returns
    -------
    bool array, shape (n,)
    """
    of_image = lesions.merge(sample[["image_id", "spacing_mm"]], on="image_id")
    distance = np.hypot(
        *(
            of_image[name]
            - cell_px * (of_image[name] / cell_px).round().clip(0, -(-n // cell_px) - 1)
            for name, n in zip(("row_px", "column_px"), shape, strict=True)
        )
    )
    within = distance <= of_image["radius_px"] + tolerance_mm / of_image["spacing_mm"]
    return sample["image_id"].isin(of_image.loc[within, "image_id"]).to_numpy()
