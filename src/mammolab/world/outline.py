"""Outline of one projected breast and its pectoral muscle, as positioned on the detector.

Coordinates are mm in the frame of the standard view: rows from the top of the detector, depth from
the chest wall, which is the first column; right breasts are mirrored when the image is finished. A
shifted or magnified view looks at another part of the same frame.
"""

from dataclasses import dataclass

import numpy as np

from mammolab.world.streams import stream
from mammolab.world.vendors import FIELD_OF_VIEW_MM

COARSE = (64, 52)  # cells of the grid that carries geometry, 3.25 mm at field_of_view_scale 1
SIDES = ("L", "R")
VIEWS = ("CC", "MLO")


@dataclass(frozen=True)
class Outline:
    """Projected shape of a positioned breast on the coarse grid."""

    inside_mm: np.ndarray  # (64, 52) distance to the skin, positive inside
    pectoral_mm: np.ndarray | None  # (64, 52) depth into the pectoral muscle; None in CC
    nipple_mm: float  # row of the nipple
    depth_mm: float  # chest wall to nipple
    half_height_mm: float
    cell_mm: float  # side of a coarse cell in the plane of the breast
    origin_mm: tuple[float, float] = (0.0, 0.0)  # row and depth at the corner of the grid


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


def _axes_mm(cell_mm: float, origin_mm: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    rows = origin_mm[0] + (np.arange(COARSE[0]) + 0.5)[:, None] * cell_mm
    columns = origin_mm[1] + (np.arange(COARSE[1]) + 0.5)[None] * cell_mm
    return rows, columns


def grid_mm(outline: Outline) -> tuple[np.ndarray, np.ndarray]:
    """Row (64, 1) and depth (1, 52) coordinates of the coarse cells, mm."""
    return _axes_mm(outline.cell_mm, outline.origin_mm)


def make_outline(breast_seed: int, exam_seed: int, laterality: str, view: str,
                 breast_size_mm: float, field_of_view_scale: float,
                 origin_mm: tuple[float, float] = (0.0, 0.0),
                 magnification: float = 1.0) -> Outline:  # fmt: skip
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
    origin_mm : (row, depth)
        Corner of the part that is looked at, in the frame of the standard view.
    magnification : float
        Detector plane against the plane of the breast.

    Returns
    -------
    Outline
    """
    woman = stream([breast_seed], f"shape {view}")
    side = stream(seeds_of(breast_seed, laterality), f"shape {view}")
    exam = stream([*seeds_of(exam_seed, laterality)], f"position {view}")
    height_mm = FIELD_OF_VIEW_MM[0] * field_of_view_scale
    cell_mm = height_mm / COARSE[0] / magnification
    y, x = _axes_mm(cell_mm, origin_mm)
    x = np.maximum(x, 0)  # tissue goes on beyond the edge of the standard view

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
    return Outline(inside, pectoral, nipple, depth, half, cell_mm, origin_mm)


def crop_of(outline: Outline) -> Crop:
    """Smallest crop that holds the breast with a margin of air.

    Raises
    ------
    ValueError
        If the breast is shifted off the detector.
    """
    rows = np.flatnonzero((outline.inside_mm > -5).any(axis=1))
    right = int(np.ceil((outline.depth_mm + 12 - outline.origin_mm[1]) / outline.cell_mm))
    if not (outline.inside_mm > 5).any() or right < 4:
        raise ValueError("shift_mm or spot leaves no breast on the detector")
    return Crop(int(rows[0]), int(rows[-1]) + 1, min(right, COARSE[1]))
