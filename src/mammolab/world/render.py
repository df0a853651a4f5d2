"""Stored pixel values of one synthetic mammographic view."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from mammolab.world.anatomy import (
    COARSE,
    SIDES,
    VIEWS,
    Crop,
    Outline,
    Tissue,
    crop_of,
    enlarge,
    grid_mm,
    make_outline,
    make_tissue,
    seeds_of,
)
from mammolab.world.fields import upsample
from mammolab.world.lesions import MU_FAT, MU_GLAND, Lesion, add_lesion, place
from mammolab.world.streams import stream
from mammolab.world.vendors import (
    AIR_SIGNAL,
    SIGNAL_HIGH,
    SIGNAL_LOW,
    Vendor,
    air_tile,
    marker,
    noise_offset,
    noise_tile,
    tone_table,
    vendor_of,
)

_TISSUE_ROWS = 512  # tissue is drawn on at most this many rows and enlarged beyond


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

    def __post_init__(self) -> None:
        if self.laterality not in SIDES:
            raise ValueError(f"laterality must be L or R, got {self.laterality!r}")
        if self.view not in VIEWS:
            raise ValueError(f"view must be CC or MLO, got {self.view!r}")
        vendor_of(self.vendor)


def render(view: BreastView, rows: int, columns: int, conspicuity: float) -> np.ndarray:
    """Draw one view as its vendor would store it.

    Parameters
    ----------
    view : BreastView
    rows, columns : int
        Matrix size: rows a multiple of 64, columns 13/16 of the rows (256 x 208, 1024 x 832); above
        512 rows, the rows are 1024, 2048, ...
    conspicuity : float
        Factor on the attenuation contrast of every lesion, malignant or not (squared for
        calcifications, see `add_lesion`). 1 is physical. At 256 x 208 a pixel spans 0.8 mm, partial
        volume hides most small lesions, and a network small enough for a laptop needs 2 to 3.

    Returns
    -------
    ndarray of uint16, shape (rows, columns)
        Stored values in the vendor's bit depth and polarity.

    Raises
    ------
    ValueError
        If the matrix size is not one of those named above.
    """
    vendor = vendor_of(view.vendor)
    fold = _check_size(rows, columns)
    outline = _outline(view, vendor)
    crop = crop_of(outline)
    cell_px = rows // COARSE[0] // fold
    tissue = make_tissue(
        outline, crop, cell_px, view.breast_seed, view.laterality, view.view,
        view.percent_density, view.breast_size_mm, view.texture,
    )  # fmt: skip
    signal, gain = _signal(view, vendor, outline, crop, tissue)
    signal = enlarge(signal, fold)
    pixel_mm = outline.cell_mm * COARSE[0] / rows
    first_row = crop.top * cell_px * fold
    for lesion in view.lesions:
        row_mm, depth_mm = place(lesion, outline, view.view)
        centre_px = (row_mm / pixel_mm - first_row, depth_mm / pixel_mm)
        add_lesion(signal, tissue.gland, lesion, view.view, centre_px, pixel_mm, vendor.blur_mm,
                   gain, conspicuity)  # fmt: skip
    return _store(signal, view, vendor, first_row, rows, columns)


def lesion_box(view: BreastView, lesion: Lesion, rows: int,
               columns: int) -> tuple[float, float, float]:  # fmt: skip
    """Where a lesion lies in a rendered view.

    Returns
    -------
    (row, column, radius_px)
        Centre and radius in pixels of the stored image; pixel (0, 0) is centred on (0, 0).
    """
    _check_size(rows, columns)
    outline = _outline(view, vendor_of(view.vendor))
    pixel_mm = outline.cell_mm * COARSE[0] / rows
    row_mm, depth_mm = place(lesion, outline, view.view)
    row, column = row_mm / pixel_mm - 0.5, depth_mm / pixel_mm - 0.5
    if view.laterality == "R":
        column = columns - 1 - column
    return row, column, lesion.diameter_mm / 2 / pixel_mm


def _check_size(rows: int, columns: int) -> int:
    """Factor between the rows of the image and those on which tissue is drawn."""
    fold = max(1, rows // _TISSUE_ROWS)
    power_of_two = fold & (fold - 1) == 0
    if rows % (COARSE[0] * fold) or columns * COARSE[0] != rows * COARSE[1] or not power_of_two:
        raise ValueError(
            f"cannot render {rows} x {columns}: rows must be a multiple of 64 (a power of two "
            "times 512 above that) and columns 13/16 of the rows, such as 256 x 208 or 1024 x 832"
        )
    return fold


def _outline(view: BreastView, vendor: Vendor) -> Outline:
    return make_outline(view.breast_seed, view.exam_seed, view.laterality, view.view,
                        view.breast_size_mm, vendor.field_of_view_scale)  # fmt: skip


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
        _add_pectoral(signal, crop.of(outline.pectoral_mm), tissue)
    if view.implant:
        _add_implant(signal, outline, dy, x)

    if vendor.unsharp_gain:
        width = max(3, int(vendor.unsharp_mm / outline.cell_mm * shape[1] / crop.right) | 1)
        signal += np.float32(vendor.unsharp_gain) * (signal - ndimage.uniform_filter(signal, width))
    deep = signal[::3, ::3][inside_px[::3, ::3] > 3]
    rank = int(0.96 * deep.size)
    bright = float(np.partition(deep, rank)[rank])
    exposure = np.float32(0.86 / max(0.42, bright))  # automatic window on the brightest tissue
    cover = np.clip(inside_px * 2 + np.float32(0.5), 0, 1)
    signal = signal * exposure * cover + np.float32(AIR_SIGNAL) * (1 - cover)
    return signal, float(exposure) * (1 + 0.6 * vendor.unsharp_gain)


def _add_pectoral(signal: np.ndarray, depth_mm: np.ndarray, tissue: Tissue) -> None:
    """Lay the pectoral muscle over the tissue: bright, a little striated, thicker inwards."""
    shape = signal.shape
    weight = 1 / (1 + np.exp(np.clip(-0.6 * upsample(depth_mm, shape), -12, 12)))
    level = upsample(0.46 + 0.0025 * np.clip(depth_mm, 0, 60), shape)
    level += np.float32(0.025) * tissue.texture
    signal += weight * np.maximum(level - np.float32(0.5) * signal, 0)


def _add_implant(signal: np.ndarray, outline: Outline, dy: np.ndarray, x: np.ndarray) -> None:
    """Cover the back of the breast with a smooth, bright implant and its rim."""
    height, depth = outline.half_height_mm * 0.60, outline.depth_mm
    ellipse = (dy / height) ** 2 + ((x - 0.30 * depth) / (0.44 * depth)) ** 2
    ellipse = upsample(ellipse, signal.shape)
    signal *= np.float32(0.55)
    signal += np.float32(0.95) * np.sqrt(np.clip(1 - ellipse, 0, 1))
    signal += np.float32(0.12) * np.exp(-(((ellipse - 1) / np.float32(0.03)) ** 2))


def _store(signal: np.ndarray, view: BreastView, vendor: Vendor, first_row: int, rows: int,
           columns: int) -> np.ndarray:  # fmt: skip
    """Noise, tone, marker, side and polarity: from signal to stored values."""
    noise = noise_tile(vendor.key, rows, columns)
    exam = stream([*seeds_of(view.exam_seed, view.laterality)], f"noise {view.view}")
    top, left = noise_offset(exam)
    height, width = signal.shape
    # Quantum noise falls with the pixel side, structural noise does not: in between.
    level = vendor.noise * (1 + vendor.unsharp_gain) * np.sqrt(0.2 / vendor.spacing_mm(columns))
    signal = signal + np.float32(level) * noise[top : top + height, left : left + width]
    step = np.float32(4095 / (SIGNAL_HIGH - SIGNAL_LOW))
    index = np.clip((signal - np.float32(SIGNAL_LOW)) * step, 0, 4095).astype(np.uint16)
    breast = tone_table(vendor.key)[index]

    image = air_tile(vendor.key, rows, columns)[left : left + rows, top : top + columns].copy()
    part = image[first_row : first_row + height, :width]
    np.maximum(part, breast, out=part)
    if view.laterality == "R":
        image = image[:, ::-1].copy()
    _add_marker(image, view, vendor)
    return vendor.maximum - image if vendor.inverted else image


def _add_marker(image: np.ndarray, view: BreastView, vendor: Vendor) -> None:
    """Burn the lead marker into the upper corner away from the chest wall."""
    letters = marker(vendor.key, view.laterality, view.view, image.shape[0])
    height, width = letters.shape
    top, edge = image.shape[0] // 20, int(image.shape[1] * 0.03)
    left = edge if view.laterality == "R" else image.shape[1] - edge - width
    corner = image[top : top + height, left : left + width]
    np.maximum(corner, (letters * 0.98 * vendor.maximum).astype(np.uint16), out=corner)
