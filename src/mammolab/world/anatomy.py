"""Anatomy of one projected breast: outline, pectoral muscle and fibroglandular tissue.

Coordinates are mm from the top of the image (rows) and from the chest wall (depth); the chest wall
is the first column here, and right breasts are mirrored when the image is finished.
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
from mammolab.world.streams import stream
from mammolab.world.vendors import FIELD_OF_VIEW_MM

COARSE = (64, 52)  # cells of the grid that carries geometry, 3.25 mm at field_of_view_scale 1
SIDES = ("L", "R")
VIEWS = ("CC", "MLO")

# Mean power-law exponent of the parenchyma before thresholding, and its change with one SD of
# image-borne risk (BRCA carriers 2.92 against 2.47 at low risk: Li et al, 2006). The mean is chosen
# so that the finished picture shows 3.3 to 3.4, as mammograms do.
TEXTURE_EXPONENT, TEXTURE_EXPONENT_SD = 2.0, 0.22
_DUCTS, _DUCTS_SD = 0.5, 0.16  # prominence of the duct pattern and its change with risk; assumption

_TISSUE_BLUR_MM = 0.50  # SD of the blur by overlying structure and focal spot; assumption

# Gland fraction inside dense tissue, by percent density; assumption.
_DENSITY_KNOTS, _FRACTION_KNOTS = (0.06, 0.20, 0.45, 0.74), (0.34, 0.40, 0.46, 0.56)


@dataclass(frozen=True)
class Outline:
    """Projected shape of a positioned breast on the coarse grid."""

    inside_mm: np.ndarray  # (64, 52) distance to the skin, positive inside
    pectoral_mm: np.ndarray | None  # (64, 52) depth into the pectoral muscle; None in CC
    nipple_mm: float  # row of the nipple
    depth_mm: float  # chest wall to nipple
    half_height_mm: float
    cell_mm: float


@dataclass(frozen=True)
class Tissue:
    """Tissue of a breast on a pixel grid that covers the crop around it."""

    gland: np.ndarray  # fibroglandular fraction of the thickness, 0..1
    texture: np.ndarray  # unit-variance parenchymal field
    ducts: np.ndarray  # unit-variance field of streaks that converge on the nipple
    cloud: np.ndarray  # unit-variance smooth field, on the coarse cells of the crop


@dataclass(frozen=True)
class Crop:
    """Coarse cells that hold the breast: rows `top` to `bottom`, columns 0 to `right`."""

    top: int
    bottom: int
    right: int

    def of(self, coarse: np.ndarray) -> np.ndarray:
        """The cropped part of a coarse array."""
        return coarse[self.top : self.bottom, : self.right]


def seeds_of(breast_seed: int, laterality: str) -> list[int]:
    """Seeds of one breast; the two breasts of a woman share only the first."""
    return [breast_seed, 1 + SIDES.index(laterality)]


def grid_mm(outline: Outline) -> tuple[np.ndarray, np.ndarray]:
    """Row (64, 1) and depth (1, 52) coordinates of the coarse cells, mm."""
    rows = (np.arange(COARSE[0]) + 0.5)[:, None] * outline.cell_mm
    columns = (np.arange(COARSE[1]) + 0.5)[None] * outline.cell_mm
    return rows, columns


def make_outline(breast_seed: int, exam_seed: int, laterality: str, view: str,
                 breast_size_mm: float, field_of_view_scale: float) -> Outline:  # fmt: skip
    """Shape of a breast as positioned at one exam.

    Parameters
    ----------
    breast_seed, exam_seed : int
        Seeds of the woman's breasts and of the positioning at this exam.
    laterality : {"L", "R"}
    view : {"CC", "MLO"}
    breast_size_mm : float
        Typical distance from chest wall to nipple under compression.
    field_of_view_scale : float
        Detector size against `FIELD_OF_VIEW_MM`.

    Returns
    -------
    Outline
    """
    woman = stream([breast_seed], f"shape {view}")
    side = stream(seeds_of(breast_seed, laterality), f"shape {view}")
    exam = stream([*seeds_of(exam_seed, laterality)], f"position {view}")
    height_mm = FIELD_OF_VIEW_MM[0] * field_of_view_scale
    cell_mm = height_mm / COARSE[0]
    y = (np.arange(COARSE[0]) + 0.5)[:, None] * cell_mm
    x = (np.arange(COARSE[1]) + 0.5)[None] * cell_mm

    depth = breast_size_mm * (1 + 0.04 * side.standard_normal() + 0.02 * exam.standard_normal())
    depth = float(np.clip(depth, 45, 145))
    half = breast_size_mm * 0.92
    half *= 1 + 0.06 * woman.standard_normal() + 0.02 * side.standard_normal()
    half = float(np.clip(half, 56, 94))
    slide = side.normal(0, 2.5) + exam.normal(0, 2.5)
    pectoral = None
    if view == "CC":
        centre = height_mm * 0.5 + slide
        nipple = centre + woman.normal(0, 4) + exam.normal(0, 1)
        skew = 0.07 * woman.standard_normal() + 0.03 * side.standard_normal()
        across = (y - centre) / half + skew * (1 - x / depth)
        rounding, pointing = 2.0 + 0.4 * woman.random(), 1.75 + 0.45 * woman.random()
        form = 1 - np.abs(across) ** rounding - (x / depth) ** pointing
    else:
        nipple = height_mm * 0.58 + slide
        lower = min(half * 0.95, height_mm * 0.40)
        axilla = 0.46 + 0.16 * woman.random()  # width at the top of the image against the depth
        bend = 1.6 + 0.4 * woman.random()
        above = np.clip((nipple - y) / nipple, 0, 1)
        below = np.clip((y - nipple) / lower, 0, 1.15)
        round_off = 0.92 * np.sqrt(np.clip(1 - below**2.2, 0, 1)) + 0.08 * (1 - below)
        width = np.where(
            y < nipple,
            1 - (1 - axilla) * above**bend,
            np.where(below < 1, round_off, -0.5 * (below - 1)),
        )
        form = width - x / depth
        length = height_mm * (0.40 + 0.16 * woman.random()) + exam.normal(0, 3)
        base = depth * (0.26 + 0.14 * woman.random()) + 4 + exam.normal(0, 1.5)
        bow = woman.normal(2, 2.5) * np.sin(np.pi * np.clip(y / length, 0, 1))
        pectoral = ((1 - y / length) * base - x + bow) / np.hypot(1, base / length)
    form = form + 0.055 * np.exp(-(((y - nipple) / 4.5) ** 2)) * (x > 0.5 * depth)  # nipple
    slope_y, slope_x = np.gradient(form, cell_mm)
    inside = form / np.sqrt(slope_y**2 + slope_x**2 + 2e-5)  # first-order distance to the skin
    return Outline(inside, pectoral, nipple, depth, half, cell_mm)


def crop_of(outline: Outline) -> Crop:
    """Smallest crop that holds the breast with a margin of air."""
    rows = np.flatnonzero((outline.inside_mm > -5).any(axis=1))
    right = int(np.ceil((outline.depth_mm + 12) / outline.cell_mm))
    return Crop(int(rows[0]), int(rows[-1]) + 1, min(right, COARSE[1]))


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
    # A box of three pixels has a variance of 2/3 pixel; mix it in for the blur wanted in mm.
    share = np.float32(min(1.0, 1.5 * (_TISSUE_BLUR_MM / pixel_mm) ** 2))
    gland += share * (ndimage.uniform_filter(gland, 3) - gland)
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
        exponent=TEXTURE_EXPONENT + TEXTURE_EXPONENT_SD * float(np.clip(texture, -3, 3)),
        stretch=(1.3, 0.77),
        angle=np.deg2rad(22.5 if view == "MLO" else 5.0),
        blur_mm=0.37 * pixel_mm,  # the field is sampled at points: keep it from aliasing
    )
    first = round(crop.top * outline.cell_mm / pixel_mm - outline.nipple_mm / pixel_mm)
    rows = (np.arange(shape[0]) + first) % pixels[0]
    return field[rows][:, np.arange(shape[1]) % pixels[1]]


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


def _gland_prior(outline: Outline, crop: Crop, breast_seed: int, laterality: str, view: str,
                 dy: np.ndarray, x: np.ndarray,
                 bases: tuple[np.ndarray, np.ndarray]) -> np.ndarray:  # fmt: skip
    """Where glandular tissue tends to lie: a blob behind the nipple with lumps of several origins.

    A profile over depth is common to both views of a breast, a surface over each view to both
    breasts of a woman, and one more belongs to the view of the breast alone.
    """
    woman = stream([breast_seed], "gland place")
    centre = 0.58 + 0.05 * woman.standard_normal()
    lift = 0.06 + 0.08 * woman.standard_normal()  # towards lateral in CC, upwards in MLO
    prior = -(((dy / outline.half_height_mm + lift) / 0.60) ** 2)
    prior = prior - ((x / outline.depth_mm - centre) / 0.42) ** 2
    seeds = seeds_of(breast_seed, laterality)
    profile = stream(seeds, "gland depth").standard_normal(bases[1].shape[1], dtype=np.float32)
    prior = prior + 0.20 * (bases[1] @ profile)
    prior += 0.35 * smooth_field(stream([breast_seed], f"gland {view}"), *bases)
    prior += 0.35 * smooth_field(stream(seeds, f"gland {view}"), *bases)
    if outline.pectoral_mm is not None:
        depth = np.clip((crop.of(outline.pectoral_mm) + 9) / 4, -20, 20)
        prior -= 1.4 / (1 + np.exp(-depth))  # hardly any in front of the muscle
    return prior


def enlarge(image: np.ndarray, factor: int) -> np.ndarray:
    """Double an image until it is `factor` (a power of two) times as large."""
    while factor > 1:
        image, factor = double(image), factor // 2
    return image
