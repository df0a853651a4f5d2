"""Stored pixel values of one synthetic mammographic view."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from mammolab.world.anatomy import Tissue, enlarge, make_tissue
from mammolab.world.fields import upsample
from mammolab.world.lesions import MU_FAT, MU_GLAND, Lesion, add_lesion, place, place_at
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
from mammolab.world.vendors import (
    AIR_SIGNAL,
    FIELD_OF_VIEW_MM,
    SIGNAL_HIGH,
    SIGNAL_LOW,
    Vendor,
    air_tile,
    marker,
    noise_offset,
    noise_tile,
    second_marker,
    tone_table,
    vendor_of,
)

_TISSUE_ROWS = 832  # above this, tissue is drawn on a half, a quarter, ... of the rows and enlarged
_LEAST_BRIGHT = 0.64  # log attenuation above fat that the window takes for dense; assumption
_MOST_TISSUE_ROWS = 960  # refused beyond: rows that cannot be halved often enough


@dataclass(frozen=True)
class BreastView:
    """Everything that determines one view."""

    breast_seed: int  # the woman; both breasts
    exam_seed: int  # positioning and noise
    laterality: str  # L or R
    view: str  # CC or MLO
    percent_density: float  # dense share of the breast area, 0..1
    breast_size_mm: float  # chest wall to nipple
    texture: float  # image-borne risk, z-score
    implant: bool
    vendor: str  # key of VENDORS
    lesions: tuple[Lesion, ...] = ()
    extra_marker: bool = False  # a second lead marker burnt in
    # Shift of the breast on the detector, (down, away from the chest wall). What leaves the
    # detector is cut off: a partial view. A shift away shows more of the chest wall.
    shift_mm: tuple[float, float] = (0.0, 0.0)
    magnification: float = 1.0  # above 1: a magnified view of the surroundings of `spot`
    # (relative depth 0..1, offset -1..1), such as lesion.depth, offset_in_view(lesion, view)
    spot: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.laterality not in SIDES:
            raise ValueError(f"laterality must be L or R, got {self.laterality!r}")
        if self.view not in VIEWS:
            raise ValueError(f"view must be CC or MLO, got {self.view!r}")
        if not 1 <= self.magnification <= 4:
            raise ValueError(f"magnification must be 1 to 4, got {self.magnification}")
        if (self.spot is None) != (self.magnification == 1):
            raise ValueError("spot and a magnification above 1 go together")
        vendor_of(self.vendor)


def render(view: BreastView, rows: int, columns: int, conspicuity: float) -> np.ndarray:
    """Draw one view as its vendor would store it.

    Parameters
    ----------
    view : BreastView
    rows, columns : int
        Matrix size. Rows are a multiple of 64 from 64 to 960, then of 128 to 1920 and so on
        (doubled with the factor); columns are 13/16 of the rows (256 x 208, 1024 x 832), or fewer,
        down to 10/13 (3328 x 2560), which cuts air at the far side. A pixel is as large either way.
    conspicuity : float
        Factor on the attenuation contrast of every lesion, malignant or not; for calcifications up
        to its square where pixels are coarse, see `add_lesion`. 1 is physical. At 256 x 208 a pixel
        spans 0.8 mm, partial volume hides most small lesions, and a network small enough for a
        laptop learns little from a thousand cancers: the demo uses 4, at which masses above about
        10 mm are brighter than any tissue. Detection in such images is far easier than in real
        ones; use 1 above 1024 rows.

    Returns
    -------
    ndarray of uint16, shape (rows, columns)
        Stored values in the vendor's bit depth and polarity.

    Raises
    ------
    ValueError
        If the matrix size is not one of those named above, or no breast is left on the detector.
    """
    exposure = _expose(view, rows, columns)
    _add_lesions(exposure.signal, exposure, view.lesions, conspicuity)
    return _store(exposure.signal, exposure)


def render_pair(view: BreastView, lesion: Lesion, rows: int, columns: int,
                conspicuity: float) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Draw the same exposure with one lesion and with none; the tissue is drawn once.

    Parameters
    ----------
    view : BreastView
        Its `lesions` are left out of both.
    lesion : Lesion
    rows, columns, conspicuity
        As for `render`.

    Returns
    -------
    (with_lesion, without) : ndarray of uint16, shape (rows, columns)
        Equal to two calls of `render`.
    """
    exposure = _expose(view, rows, columns)
    without = _store(exposure.signal, exposure)
    _add_lesions(exposure.signal, exposure, (lesion,), conspicuity)
    return _store(exposure.signal, exposure), without


@dataclass(frozen=True)
class _Exposure:
    """A view before lesions, noise and tone."""

    view: BreastView
    standard: Outline
    outline: Outline
    signal: np.ndarray  # processed log attenuation over the rows of the breast
    gain: float  # signal per unit of log attenuation
    gland: np.ndarray  # gland fraction, at the same or a coarser sampling
    first_row: int  # of `signal` in the image
    shape: tuple[int, int]  # rows and columns of the image


def _expose(view: BreastView, rows: int, columns: int) -> _Exposure:
    vendor = vendor_of(view.vendor)
    fold = _check_size(rows, columns)
    standard, outline = _outlines(view, vendor)
    crop = crop_of(outline)
    cell_px = rows // COARSE[0] // fold
    tissue = make_tissue(
        outline, crop, cell_px, view.breast_seed, view.laterality, view.view,
        view.percent_density, view.breast_size_mm, view.texture,
    )  # fmt: skip
    signal, gain = _signal(view, vendor, outline, crop, tissue)
    first_row = crop.top * cell_px * fold
    return _Exposure(view, standard, outline, enlarge(signal, fold), gain, tissue.gland, first_row,
                     (rows, columns))  # fmt: skip


def _add_lesions(signal: np.ndarray, exposure: _Exposure, lesions: tuple[Lesion, ...],
                 conspicuity: float) -> None:  # fmt: skip
    """Add the extra attenuation of lesions to the signal of an exposure, in place."""
    outline, view = exposure.outline, exposure.view
    pixel_mm = outline.cell_mm * COARSE[0] / exposure.shape[0]
    for lesion in lesions:
        row_mm, depth_mm = place(lesion, exposure.standard, view.view)
        centre_px = ((row_mm - outline.origin_mm[0]) / pixel_mm - exposure.first_row,
                     (depth_mm - outline.origin_mm[1]) / pixel_mm)  # fmt: skip
        add_lesion(signal, exposure.gland, lesion, view.view, centre_px, pixel_mm,
                   vendor_of(view.vendor).blur_mm, exposure.gain, conspicuity)  # fmt: skip


def lesion_box(view: BreastView, lesion: Lesion, rows: int,
               columns: int) -> tuple[float, float, float]:  # fmt: skip
    """Where a lesion lies in a rendered view.

    Returns
    -------
    (row, column, radius_px)
        Centre and radius in pixels of the stored image; pixel (0, 0) is centred on (0, 0). The
        centre may lie outside a shifted or magnified view.
    """
    _check_size(rows, columns)
    standard, outline = _outlines(view, vendor_of(view.vendor))
    pixel_mm = outline.cell_mm * COARSE[0] / rows
    row_mm, depth_mm = place(lesion, standard, view.view)
    row = (row_mm - outline.origin_mm[0]) / pixel_mm - 0.5
    column = (depth_mm - outline.origin_mm[1]) / pixel_mm - 0.5
    if view.laterality == "R":
        column = columns - 1 - column
    return row, column, lesion.diameter_mm / 2 / pixel_mm


def _check_size(rows: int, columns: int) -> int:
    """Factor between the rows of the image and those on which tissue is drawn, a power of two."""
    fold = 1
    while rows // fold > _TISSUE_ROWS and rows % (2 * fold * COARSE[0]) == 0:
        fold *= 2
    fits = rows > 0 and rows % COARSE[0] == 0 and rows // fold <= _MOST_TISSUE_ROWS
    if not fits or not 10 * rows <= 13 * columns or not 16 * columns <= 13 * rows:
        raise ValueError(
            f"cannot render {rows} x {columns}: rows must be a multiple of 64 (from 1024 on, one "
            "that can be halved until 960 or fewer are left) and columns 10/13 to 13/16 of the "
            "rows, such as 256 x 208, 1024 x 832 or 3328 x 2560"
        )
    return fold


def _outlines(view: BreastView, vendor: Vendor) -> tuple[Outline, Outline]:
    """The breast in the standard view, and as this view shows it."""
    shape = (view.breast_seed, view.exam_seed, view.laterality, view.view, view.breast_size_mm,
             vendor.field_of_view_scale)  # fmt: skip
    standard = make_outline(*shape)
    if view.spot is None and not any(view.shift_mm):
        return standard, standard
    origin = [0.0, 0.0]
    if view.spot is not None:
        centre = place_at(*view.spot, 0.0, standard)
        for axis, field_mm in enumerate(FIELD_OF_VIEW_MM):
            shown_mm = field_mm * vendor.field_of_view_scale / view.magnification
            origin[axis] = centre[axis] - shown_mm / 2
    row, depth = (start - shift for start, shift in zip(origin, view.shift_mm, strict=True))
    return standard, make_outline(*shape, (row, depth), view.magnification)


def _signal(view: BreastView, vendor: Vendor, outline: Outline, crop: Crop,
            tissue: Tissue) -> tuple[np.ndarray, float]:  # fmt: skip
    """Processed log attenuation (fat near 0, air far below) and its gain per unit attenuation."""
    shape = tissue.gland.shape
    inside = crop.of(outline.inside_mm)
    inside_px = upsample(inside, shape)
    rows_mm, depth_mm = grid_mm(outline)
    dy = rows_mm[crop.top : crop.bottom] - outline.nipple_mm
    x = depth_mm[:, : crop.right]

    thickness_mm = float(np.clip(stream(view.exam_seed, "thickness").normal(55, 8), 30, 85))
    margin = np.clip(inside / (thickness_mm / 2), 0, 1)  # compressed margin: half a circle
    thinning = np.sqrt(np.clip(1 - (1 - margin) ** 2, 0, 1)) - 1
    background = (1 - vendor.equalisation) * MU_FAT * thickness_mm * thinning
    background = background + 0.022 * tissue.cloud
    nipple_mm = np.hypot(dy, x - outline.depth_mm + 0.5)
    background = background + 0.30 * np.exp(-((nipple_mm / 4.0) ** 2))
    signal = upsample(background, shape)
    signal += np.float32((MU_GLAND - MU_FAT) * thickness_mm) * tissue.gland
    signal += np.float32(0.018) * tissue.texture
    signal += np.float32(0.10) * np.exp(-(((inside_px - 1.0) / np.float32(0.9)) ** 2))  # skin
    if outline.pectoral_mm is not None:
        _add_pectoral(signal, crop.of(outline.pectoral_mm), tissue, view)

    if vendor.unsharp_gain:
        width = max(3, int(vendor.unsharp_mm / outline.cell_mm * shape[1] / crop.right) | 1)
        signal += np.float32(vendor.unsharp_gain) * (signal - ndimage.uniform_filter(signal, width))
    deep = signal[::3, ::3][inside_px[::3, ::3] > 3]
    rank = int(0.96 * deep.size)
    bright = float(np.partition(deep, rank)[rank])
    # automatic window on the brightest tissue, but a fatty breast stays dark
    exposure = np.float32(0.86 / max(_LEAST_BRIGHT, bright))
    if view.implant:
        _add_implant(signal, outline, dy, x, 1 / exposure)
    cover = np.clip(inside_px * 2 + np.float32(0.5), 0, 1)
    signal = signal * exposure * cover + np.float32(AIR_SIGNAL) * (1 - cover)
    return signal, float(exposure) * (1 + 0.6 * vendor.unsharp_gain)


def _add_pectoral(signal: np.ndarray, depth_mm: np.ndarray, tissue: Tissue,
                  view: BreastView) -> None:  # fmt: skip
    """Lay the pectoral muscle over the tissue: bright, with fibres along its edge."""
    shape = signal.shape
    weight = 1 / (1 + np.exp(np.clip(-0.6 * upsample(depth_mm, shape), -12, 12)))
    seeds = [*seeds_of(view.breast_seed, view.laterality)]
    knots = stream(seeds, "pectoral fibres").standard_normal(40)
    fibres = np.interp(depth_mm + 2.0 * tissue.cloud, np.linspace(-10, 80, 40), knots)
    level = 0.46 + 0.0025 * np.clip(depth_mm, 0, 60) + 0.022 * fibres
    level = upsample(level, shape) + np.float32(0.014) * tissue.texture
    signal += weight * np.maximum(level - np.float32(0.5) * signal, 0)


def _add_implant(signal: np.ndarray, outline: Outline, dy: np.ndarray, x: np.ndarray,
                 white: float) -> None:  # fmt: skip
    """Cover the back of the breast with an implant: silicone lets little of the tissue through."""
    height, depth = outline.half_height_mm * 0.62, outline.depth_mm
    ellipse = (dy / height) ** 2 + ((x - 0.26 * depth) / (0.46 * depth)) ** 2
    ellipse = upsample(ellipse, signal.shape)
    cover = 1 / (1 + np.exp(np.clip((ellipse - 1) * np.float32(60), -12, 12)))
    chord = np.sqrt(np.clip(1 - ellipse, 0, 1))
    level = np.float32(1.02 * white) + np.float32(0.30 * white) * chord
    rim = np.float32(0.10 * white) * np.exp(-(((ellipse - 1) / np.float32(0.03)) ** 2))
    signal += cover * (level - np.float32(0.88) * signal) + rim


def _store(signal: np.ndarray, exposure: _Exposure) -> np.ndarray:
    """Noise, tone, marker, side and polarity: from signal to stored values."""
    view, first_row, (rows, columns) = exposure.view, exposure.first_row, exposure.shape
    vendor, signal = vendor_of(view.vendor), signal[:, :columns]
    noise = noise_tile(vendor.key, rows, columns)
    exam = stream([*seeds_of(view.exam_seed, view.laterality)], f"noise {view.view}")
    top, left = noise_offset(exam)
    height, width = signal.shape
    # Quantum noise falls with the pixel side, structural noise does not: in between.
    level = vendor.noise * (1 + vendor.unsharp_gain) * np.sqrt(0.2 / vendor.pixel_mm(rows))
    signal = signal + np.float32(level) * noise[top : top + height, left : left + width]
    step = np.float32(4095 / (SIGNAL_HIGH - SIGNAL_LOW))
    index = np.clip((signal - np.float32(SIGNAL_LOW)) * step, 0, 4095).astype(np.uint16)
    breast = tone_table(vendor.key)[index]

    image = air_tile(vendor.key, rows, columns)[left : left + rows, top : top + columns].copy()
    part = image[first_row : first_row + height, :width]
    np.maximum(part, breast, out=part)
    if view.laterality == "R":
        image = image[:, ::-1].copy()
    _add_markers(image, view, vendor)
    return vendor.maximum - image if vendor.inverted else image


def _add_markers(image: np.ndarray, view: BreastView, vendor: Vendor) -> None:
    """Burn the lead markers into the corners away from the chest wall."""
    rows, columns = image.shape
    placed = [(marker(vendor.key, view.laterality, view.view, rows), rows // 20)]
    if view.extra_marker:
        placed.append((second_marker(rows), rows - rows // 8))
    for letters, top in placed:
        height, width = letters.shape
        edge = int(columns * 0.03)
        left = edge if view.laterality == "R" else columns - edge - width
        corner = image[top : top + height, left : left + width]
        lead = (letters[: corner.shape[0]] * 0.98 * vendor.maximum).astype(np.uint16)
        np.maximum(corner, lead, out=corner)
