"""Tissue of one projected breast: fibroglandular tissue, ligaments, ducts and vessels.

Coordinates are those of `outline`.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from mammolab.world.fields import (
    double,
    power_law_field,
    smooth_field,
    spline_basis,
    upsample,
    upsample_columns,
)
from mammolab.world.outline import (
    COARSE,
    SIDES,
    VIEWS,
    Crop,
    Outline,
    crop_of,
    grid_mm,
    make_outline,
    seeds_of,
)
from mammolab.world.streams import stream

__all__ = [
    "COARSE", "SIDES", "VIEWS", "Crop", "Outline", "Tissue", "crop_of", "enlarge", "grid_mm",
    "make_outline", "make_tissue", "seeds_of",
]  # fmt: skip

# Mean power-law exponent of the parenchyma before thresholding, and its change with one SD of
# image-borne risk (BRCA carriers 2.92 against 2.47 at low risk: Li et al, 2006); about half of a change shows in the
# finished picture, where other structures add to it. The mean is chosen
# so that finished pictures show 3.2 (CC) and 3.3 (MLO), as mammograms do (`texture_exponent`).
TEXTURE_EXPONENT, TEXTURE_EXPONENT_SD = {"CC": 2.5, "MLO": 2.65}, 0.36
_DUCTS, _DUCTS_SD = 0.5, 0.16  # prominence of the duct pattern and its change with risk; assumption

_TISSUE_BLUR_MM = 0.45  # SD of the blur by overlying structure and focal spot; assumption

# Gland fraction inside dense tissue, by percent density; assumption.
_DENSITY_KNOTS, _FRACTION_KNOTS = (0.06, 0.20, 0.45, 0.74), (0.22, 0.34, 0.45, 0.54)

# SD of the depth profile of gland shared by the views of a breast, and by all of a woman; assumption
_DEPTH_BREAST, _DEPTH_WOMAN = 0.35, 0.40
_VESSELS = 3  # veins that show in a view; assumption
_VESSEL_FRACTION_PER_MM = 0.075  # gland fraction that a vein of 1 mm radius looks like; assumption


@dataclass(frozen=True)
class Tissue:
    """Tissue of a breast on a pixel grid that covers the crop around it."""

    gland: np.ndarray  # fibroglandular fraction of the thickness, 0..1
    texture: np.ndarray  # unit-variance parenchymal field
    ducts: np.ndarray  # unit-variance field of streaks that converge on the nipple
    cloud: np.ndarray  # unit-variance smooth field, on the coarse cells of the crop


def make_tissue(outline: Outline, crop: Crop, cell_px: int, breast_seed: int, laterality: str,
                view: str, percent_density: float, breast_size_mm: float,
                texture: float) -> Tissue:  # fmt: skip
    """Fibroglandular tissue of a breast; a function of the breast, not of the exam.

    Parameters
    ----------
    outline, crop : Outline, Crop
        Where the breast lies in this image.
    cell_px : int
        Pixels along a coarse cell.
    breast_seed, laterality, view : int, str, str
        Identity of the projection.
    percent_density : float
        Share of the breast area that is dense, 0..1; tissue shrinks from its margins as it falls.
    breast_size_mm : float
        Size the fields scale with.
    texture : float
        Image-borne risk as a z-score: coarser texture and more prominent ducts as it rises.

    Returns
    -------
    Tissue
        Arrays of shape (cell_px * crop rows, cell_px * crop columns), `cloud` apart.
    """
    seeds = [*seeds_of(breast_seed, laterality), VIEWS.index(view)]
    pixel_mm = outline.cell_mm / cell_px
    shape = ((crop.bottom - crop.top) * cell_px, crop.right * cell_px)
    inside = crop.of(outline.inside_mm)
    rows_mm, depth_mm = grid_mm(outline)
    dy = rows_mm[crop.top : crop.bottom] - outline.nipple_mm
    x = depth_mm[:, : crop.right]

    parenchyma = _parenchyma(outline, crop, seeds, pixel_mm, shape, view, breast_size_mm, texture)
    # Places relative to the nipple and the size of the breast, so that anatomy moves with it.
    along_rows = (dy[:, 0] / outline.half_height_mm + 1.4) / 2.8
    along_depth = x[0] / (1.2 * outline.depth_mm)
    bases = spline_basis(along_rows, 11), spline_basis(along_depth, 9)
    fine_bases = spline_basis(along_rows, 19), spline_basis(along_depth, 15)
    wobble = smooth_field(stream(seeds, "wobble"), *bases)
    ducts = _ducts(outline, seeds, dy, x, wobble, parenchyma)

    prior = _gland_prior(outline, crop, breast_seed, laterality, view, dy, x, bases)
    base = upsample(1.15 * prior - 1.3 * np.exp(-np.maximum(inside, 0) / 6), shape)
    prominence = float(np.clip(_DUCTS + _DUCTS_SD * texture, 0.05, 1.0))
    likeness = base + 0.42 * parenchyma + np.float32(0.18 + 0.24 * prominence) * ducts
    step = 3
    sample = likeness[::step, ::step][upsample(inside, shape)[::step, ::step] > 3]
    rank = int((1 - np.clip(percent_density, 0.01, 0.95)) * (sample.size - 1))
    threshold = np.partition(sample, rank)[rank]
    gland = 0.5 + 0.5 * np.tanh(np.float32(1.25) * (likeness - threshold))

    mesh = smooth_field(stream(seeds, "ligaments"), *fine_bases)
    ridge = upsample(4.2 * mesh, shape) + 0.7 * parenchyma + 0.5 * ducts
    streak = 2.6 * ducts + 0.5 * parenchyma
    strands = 0.045 * np.exp(-(ridge**2))  # Cooper's ligaments: thin where a field crosses zero
    strands += np.float32(0.02 + 0.035 * prominence) * np.exp(-(streak**2))
    fraction = np.interp(percent_density, _DENSITY_KNOTS, _FRACTION_KNOTS)
    gland = gland * np.float32(fraction) * (1 + 0.13 * parenchyma + 0.09 * ducts) + strands
    _add_vessels(gland, outline, crop, seeds, pixel_mm)
    # A box of n pixels has a variance of (n^2 - 1) / 12; mix in one for the blur wanted in mm.
    variance_px = (_TISSUE_BLUR_MM / pixel_mm) ** 2
    size = max(3, 2 * int(np.ceil((np.sqrt(12 * variance_px + 1) - 1) / 2)) + 1)
    share = np.float32(variance_px * 12 / (size**2 - 1))
    gland += share * (ndimage.uniform_filter(gland, size) - gland)
    gland *= upsample(0.1 + 0.9 / (1 + np.exp(-(inside - 6.5) / 1.6)), shape)  # subcutaneous fat
    return Tissue(np.clip(gland, 0, 1, out=gland), parenchyma, ducts, wobble)


def _parenchyma(outline: Outline, crop: Crop, seeds: list[int], pixel_mm: float,
                shape: tuple[int, int], view: str, breast_size_mm: float,
                texture: float) -> np.ndarray:  # fmt: skip
    """Power-law parenchymal field over the crop, anchored to the nipple: it moves with it."""
    step = 15.0  # box sizes in steps, so that the frequency grids are shared between breasts
    size = step * np.ceil(breast_size_mm / step)
    box = (2.1 * size if view == "CC" else 1.0 * size + 110, 1.2 * size)
    pixels = tuple(fft.next_fast_len(int(np.ceil(side / pixel_mm)), real=True) for side in box)
    field = power_law_field(
        stream(seeds, "parenchyma"),
        stream(seeds, "fine parenchyma"),
        pixels,
        box,
        exponent=TEXTURE_EXPONENT[view] + TEXTURE_EXPONENT_SD * float(np.clip(texture, -3, 3)),
        stretch=(1.3, 0.77),
        angle=np.deg2rad(22.5 if view == "MLO" else 5.0),
        blur_mm=0.37 * pixel_mm,  # the field is sampled at points: keep it from aliasing
    )
    top_mm = outline.origin_mm[0] + crop.top * outline.cell_mm
    rows = (np.arange(shape[0]) + round((top_mm - outline.nipple_mm) / pixel_mm)) % pixels[0]
    columns = (np.arange(shape[1]) + round(outline.origin_mm[1] / pixel_mm)) % pixels[1]
    return field[rows][:, columns]


def _ducts(outline: Outline, seeds: list[int], dy: np.ndarray, x: np.ndarray, wobble: np.ndarray,
           parenchyma: np.ndarray) -> np.ndarray:  # fmt: skip
    """Streaks along rays from the nipple: a stretched field in (angle, log distance)."""
    ahead = outline.depth_mm + 10 - x
    angle = np.arctan2(dy, np.maximum(ahead, 3.0)) * (256 / np.pi) + 12 * wobble
    radius = np.log(np.hypot(dy, ahead) + 1) * 16.5 + 2.75 * wobble[::-1]
    turns, lengths, finer = 256, 64, 4
    tile = power_law_field(
        stream(seeds, "ducts"), stream(seeds, "fine ducts"), (turns, lengths), (turns, lengths),
        exponent=2.6, stretch=(1.7, 0.5), outer_mm=30.0,
    )  # fmt: skip
    tile = upsample_columns(np.hstack([tile, tile[:, :1]]), finer * (lengths + 1))
    lengths *= finer  # the last few columns, beyond one period, are never read
    tile = np.ascontiguousarray(np.vstack([tile, tile[:1]])[:, :lengths]).ravel()
    column = upsample(finer * radius, parenchyma.shape) + 2.0 * parenchyma
    column = column.astype(np.int32) & (lengths - 1)
    turn = upsample(angle, parenchyma.shape) + 1.6 * parenchyma
    below = np.floor(turn)
    index = (below.astype(np.int32) & (turns - 1)) * lengths + column
    low = tile[index]
    return low + (turn - below) * (tile[index + lengths] - low)


def _add_vessels(gland: np.ndarray, outline: Outline, crop: Crop, seeds: list[int],
                 pixel_mm: float) -> None:  # fmt: skip
    """Add veins, in place: bent tubes from the chest wall or axilla towards the nipple."""
    start, end, first, last, radius, *shape = stream(seeds, "vessels").random((9, _VESSELS, 1))
    depth_mm = outline.origin_mm[1] + (np.arange(gland.shape[1]) + 0.5) * pixel_mm
    along = depth_mm[None] / outline.depth_mm
    fall = 0.7 * (end - 0.5) - 1.8 * (start - 0.5)
    row, slope = 1.8 * (start - 0.5) + fall * along, fall  # in half heights; per depth
    for swing, cycles, phase in ((0.05, shape[0], shape[1]), (0.02, 3 + 2 * shape[2], shape[3])):
        turn = 2 * np.pi * ((1 + 2 * cycles) * along + phase)
        row = row + swing * np.sin(turn)
        slope = slope + swing * 2 * np.pi * (1 + 2 * cycles) * np.cos(turn)
    top_mm = outline.origin_mm[0] + crop.top * outline.cell_mm
    row_px = (row * outline.half_height_mm + outline.nipple_mm - top_mm) / pixel_mm - 0.5
    # a steep stretch is as wide across as a level one
    steep = np.sqrt(1 + (slope * outline.half_height_mm / outline.depth_mm) ** 2)
    radius_mm = (0.7 + 0.6 * radius) * (1 - 0.4 * along)
    spread = np.sqrt((radius_mm / pixel_mm) ** 2 + 0.25)  # pixels dilute thin tubes
    shown = (along > 0.5 * first - 0.2) & (along < 0.6 + 0.35 * last)
    peak = shown * _VESSEL_FRACTION_PER_MM * radius_mm**2 / (spread * pixel_mm)
    spread *= steep
    reach = int(np.ceil(1.8 * spread.max()))
    away = np.arange(-reach, reach + 1)[:, None]
    middle = np.rint(row_px).astype(int)
    columns = np.arange(gland.shape[1])
    for vessel in range(_VESSELS):
        rows = middle[vessel] + away
        tube = peak[vessel] * np.exp(-(((rows - row_px[vessel]) / spread[vessel]) ** 2))
        inside = (rows >= 0) & (rows < gland.shape[0])
        gland[rows.clip(0, gland.shape[0] - 1), columns] += (tube * inside).astype(np.float32)


def _gland_prior(outline: Outline, crop: Crop, breast_seed: int, laterality: str, view: str,
                 dy: np.ndarray, x: np.ndarray,
                 bases: tuple[np.ndarray, np.ndarray]) -> np.ndarray:  # fmt: skip
    """Where glandular tissue tends to lie: a blob behind the nipple with lumps of several origins.

    A profile over depth is common to all views of a woman, one more to both views of a breast; a
    surface over each view is common to both breasts, and one belongs to the view of a breast alone.
    """
    woman = stream([breast_seed], "gland place")
    centre = 0.58 + 0.05 * woman.standard_normal()
    lift = 0.06 + 0.08 * woman.standard_normal()  # towards lateral in CC, upwards in MLO
    prior = -(((dy / outline.half_height_mm + lift) / 0.60) ** 2)
    prior = prior - ((x / outline.depth_mm - centre) / 0.42) ** 2
    seeds = seeds_of(breast_seed, laterality)
    for who, share in ((seeds, _DEPTH_BREAST), ([breast_seed], _DEPTH_WOMAN)):
        profile = stream(who, "gland depth").standard_normal(bases[1].shape[1], dtype=np.float32)
        prior = prior + np.float32(share) * (bases[1] @ profile)
    prior += 0.45 * smooth_field(stream([breast_seed], f"gland {view}"), *bases)
    prior += 0.25 * smooth_field(stream(seeds, f"gland {view}"), *bases)
    if outline.pectoral_mm is not None:
        depth = np.clip((crop.of(outline.pectoral_mm) + 9) / 4, -20, 20)
        prior -= 1.4 / (1 + np.exp(-depth))  # hardly any in front of the muscle
    return prior


def enlarge(image: np.ndarray, factor: int) -> np.ndarray:
    """Double an image until it is `factor` (a power of two) times as large."""
    while factor > 1:
        image, factor = double(image), factor // 2
    return image
