"""Four invented mammography vendors: how each turns attenuation into stored pixel values.

Every number here is an assumption, chosen so that the vendors differ as real ones do in tone,
noise, sharpening, pixel spacing, polarity and marker; none describes a real manufacturer.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

FIELD_OF_VIEW_MM = (208.0, 169.0)  # rows x columns of the matrix at field_of_view_scale 1

# Range of the processed signal that the stored range holds: fat is near 0, dense gland near 0.9.
SIGNAL_LOW, SIGNAL_HIGH = -1.5, 2.5
AIR_SIGNAL = -1.4
_BLACK_SIGNAL = -0.9  # the tone curve is black from here down, so noise in air does not show
_NOISE_MARGIN = 512  # pixels by which the shared noise tile exceeds the image; bounds its shifts


@dataclass(frozen=True)
class Vendor:
    """Imaging chain of one vendor, from attenuation to stored values."""

    key: str
    manufacturer: str
    model: str
    software: str
    field_of_view_scale: float  # true size of the detector against FIELD_OF_VIEW_MM
    bits_stored: int
    photometric: str  # MONOCHROME1: low values are bright
    voi_function: str  # LINEAR: tone curve baked into the pixels; SIGMOID: left to the viewer
    tone_slope: float  # steepness of the sigmoid tone curve, per unit of signal
    tone_centre: float  # signal shown at mid grey
    unsharp_gain: float
    unsharp_mm: float  # width of the box that the unsharp mask subtracts
    noise: float  # signal SD at a pixel spacing of 0.2 mm
    noise_grain_mm: float  # correlation length of the noise
    equalisation: float  # 0 none .. 1 thickness near the skin fully compensated
    blur_mm: float  # SD of the focal spot and detector blur
    background: float  # pedestal in air, fraction of full scale
    marker_style: int

    @property
    def maximum(self) -> int:
        """Largest stored value."""
        return 2**self.bits_stored - 1

    @property
    def device(self) -> str:
        """Machine that runs this chain: the same before and after a software upgrade."""
        return self.key.partition("-")[0]

    def pixel_mm(self, rows: int) -> float:
        """Side of a pixel at the detector for a matrix of so many rows, in mm."""
        return FIELD_OF_VIEW_MM[0] * self.field_of_view_scale / rows

    def spacing_mm(self, columns: int) -> float:
        """Side of a pixel in mm of a full matrix, whose columns are 13/16 of its rows.

        A matrix with fewer columns lacks air, not resolution: use `pixel_mm`.
        """
        return FIELD_OF_VIEW_MM[1] * self.field_of_view_scale / columns

    def window(self) -> tuple[float, float]:
        """Window centre and width in stored values, for `voi_function` (DICOM PS3.3 C.11.2.1)."""
        if self.voi_function == "LINEAR":
            return (self.maximum + 1) / 2, float(self.maximum + 1)
        centre = (self.tone_centre - SIGNAL_LOW) / (SIGNAL_HIGH - SIGNAL_LOW) * self.maximum
        width = 4 * self.maximum / (self.tone_slope * (SIGNAL_HIGH - SIGNAL_LOW))
        return (self.maximum - centre if self.inverted else centre), width

    @property
    def inverted(self) -> bool:
        """Whether low stored values are bright (MONOCHROME1)."""
        return self.photometric == "MONOCHROME1"


def _vendors(*vendors: Vendor) -> dict[str, Vendor]:
    return {vendor.key: vendor for vendor in vendors}


VENDORS: dict[str, Vendor] = _vendors(
    Vendor(
        key="alder", manufacturer="Alder Imaging (synthetic)", model="Alder M1", software="4.2.1",
        field_of_view_scale=1.00, bits_stored=12, photometric="MONOCHROME2",
        voi_function="LINEAR", tone_slope=3.6, tone_centre=0.50, unsharp_gain=0.60, unsharp_mm=6.0,
        noise=0.016, noise_grain_mm=0.12, equalisation=0.93, blur_mm=0.10, background=0.0,
        marker_style=0,
    ),
    Vendor(
        key="birch", manufacturer="Birch Medical (synthetic)", model="Birch B200", software="1.9",
        field_of_view_scale=1.06, bits_stored=14, photometric="MONOCHROME2",
        voi_function="SIGMOID", tone_slope=2.8, tone_centre=0.55, unsharp_gain=0.15, unsharp_mm=6.0,
        noise=0.012, noise_grain_mm=0.25, equalisation=0.84, blur_mm=0.18, background=0.0,
        marker_style=1,
    ),
    Vendor(
        key="cedar", manufacturer="Cedar Health (synthetic)", model="Cedar 3", software="VB20",
        field_of_view_scale=0.97, bits_stored=12, photometric="MONOCHROME1",
        voi_function="LINEAR", tone_slope=4.2, tone_centre=0.47, unsharp_gain=0.95, unsharp_mm=5.0,
        noise=0.018, noise_grain_mm=0.12, equalisation=0.96, blur_mm=0.13, background=0.0,
        marker_style=2,
    ),
    Vendor(
        key="dogwood", manufacturer="Dogwood Systems (synthetic)", model="DW-50", software="7.0",
        field_of_view_scale=0.94, bits_stored=10, photometric="MONOCHROME2",
        voi_function="LINEAR", tone_slope=2.2, tone_centre=0.52, unsharp_gain=0.05, unsharp_mm=6.0,
        noise=0.034, noise_grain_mm=0.20, equalisation=0.78, blur_mm=0.22, background=0.035,
        marker_style=1,
    ),
    Vendor(  # the same machines with new processing: sharper, quieter, harder
        key="dogwood-8", manufacturer="Dogwood Systems (synthetic)", model="DW-50", software="8.0",
        field_of_view_scale=0.94, bits_stored=10, photometric="MONOCHROME2",
        voi_function="LINEAR", tone_slope=3.4, tone_centre=0.50, unsharp_gain=0.65, unsharp_mm=6.0,
        noise=0.020, noise_grain_mm=0.14, equalisation=0.95, blur_mm=0.18, background=0.035,
        marker_style=1,
    ),
)  # fmt: skip

# Software upgrades of a device: day of installation (ISO) and key of VENDORS from then on, in order
# of time. The day is an assumption.
UPGRADES: dict[str, tuple[tuple[str, str], ...]] = {"dogwood": (("2015-07-01", "dogwood-8"),)}


def vendor_key(device: str | np.ndarray, exam_date: object) -> str | np.ndarray:
    """Return the key of the processing chain that a device ran on a day.

    Parameters
    ----------
    device : str or str [n], the machine as the tables name it, such as "dogwood".
    exam_date : a date, an ISO string or datetime64, or an array or Series of them [n].

    Returns
    -------
    str, or ndarray of object [n] if either argument is an array
        Key of VENDORS. Devices without an upgrade keep their own name.

    Examples
    --------
    >>> vendor_key("dogwood", "2015-06-30"), vendor_key("dogwood", "2015-07-01")
    ('dogwood', 'dogwood-8')
    """
    names, days = np.broadcast_arrays(
        np.asarray(device, dtype=object), np.asarray(exam_date, dtype="datetime64[D]")
    )
    keys = names.copy()
    for name, upgrades in UPGRADES.items():
        for day, key in upgrades:
            keys[(names == name) & (days >= np.datetime64(day))] = key
    return keys if keys.ndim else str(keys[()])


def vendor_of(key: str) -> Vendor:
    """Vendor by key.

    Raises
    ------
    ValueError
        If the key is unknown; the message lists the known ones.
    """
    if key not in VENDORS:
        raise ValueError(f"unknown vendor {key!r}; known: {', '.join(VENDORS)}")
    return VENDORS[key]


@lru_cache(maxsize=16)
def noise_tile(vendor_key: str, rows: int, columns: int) -> np.ndarray:
    """Unit-variance noise larger than one image, from which each exposure cuts its own piece.

    Parameters
    ----------
    vendor_key : str
        Vendor whose grain correlates the noise.
    rows, columns : int
        Size of the image.

    Returns
    -------
    ndarray of float32, shape (rows + 512, columns + 512)
    """
    vendor = vendor_of(vendor_key)
    shape = (rows + _NOISE_MARGIN, columns + _NOISE_MARGIN)
    noise = np.random.default_rng([rows, columns]).standard_normal(shape, dtype=np.float32)
    grain_px = vendor.noise_grain_mm / vendor.pixel_mm(rows)
    if grain_px > 0.35:  # below this the grain is smaller than a pixel
        noise = ndimage.gaussian_filter(noise, grain_px)
    return noise / noise.std()


@lru_cache(maxsize=16)
def air_tile(vendor_key: str, rows: int, columns: int) -> np.ndarray:
    """Stored values (uint16) outside the breast, before polarity; as large as the noise tile."""
    vendor = vendor_of(vendor_key)
    noise = noise_tile(vendor_key, rows, columns)
    if not vendor.background:
        level = (AIR_SIGNAL - SIGNAL_LOW) / (SIGNAL_HIGH - SIGNAL_LOW)
        return np.full(noise.shape, tone_table(vendor_key)[int(4095 * level)], np.uint16)
    air = (vendor.background + 0.006 * noise) * vendor.maximum
    return np.clip(air, 0, vendor.maximum).astype(np.uint16)


def noise_offset(generator: np.random.Generator) -> tuple[int, int]:
    """Row and column at which one exposure cuts its noise out of the tile."""
    row, column = generator.integers(0, _NOISE_MARGIN, 2)
    return int(row), int(column)


@lru_cache(maxsize=16)
def tone_table(vendor_key: str) -> np.ndarray:
    """Stored value, before polarity, of 4096 signal levels from SIGNAL_LOW to SIGNAL_HIGH.

    A LINEAR vendor bakes the sigmoid tone curve in; a SIGMOID vendor stores the signal itself.
    """
    vendor = vendor_of(vendor_key)
    signal = np.linspace(SIGNAL_LOW, SIGNAL_HIGH, 4096)
    if vendor.voi_function == "SIGMOID":
        tone = (signal - SIGNAL_LOW) / (SIGNAL_HIGH - SIGNAL_LOW)
    else:
        tone = 1 / (1 + np.exp(-vendor.tone_slope * (signal - vendor.tone_centre)))
        black = 1 / (1 + np.exp(-vendor.tone_slope * (_BLACK_SIGNAL - vendor.tone_centre)))
        tone = np.clip((tone - black) / (1 - black), 0, 1)
    return (tone * vendor.maximum).astype(np.uint16)


@lru_cache(maxsize=64)
def marker(vendor_key: str, laterality: str, view: str, rows: int) -> np.ndarray:
    """Lead marker with side and view in the vendor's style.

    Returns
    -------
    ndarray of float32, 0..1
        At least 9 pixels high, so that it stays legible in small matrices.
    """
    style = vendor_of(vendor_key).marker_style
    size = max(9, int((9, 8, 10)[style] * rows / 256))
    text = laterality + (" ", "", "-")[style] + view
    shape = (int(size * (0.75 * len(text) + 0.8)), int(size * 1.7))
    image = Image.new("L", shape, 0)
    draw = ImageDraw.Draw(image)
    draw.text((size * 0.3, size * 0.2), text, fill=255, font=ImageFont.load_default(size))
    if style == 1:
        draw.rectangle((0, 0, shape[0] - 1, shape[1] - 1), outline=200)
    return np.asarray(image, np.float32) / 255


@lru_cache(maxsize=16)
def second_marker(rows: int) -> np.ndarray:
    """Extra lead marker: a ring with a technologist's initial, as float32 0..1."""
    size = max(11, int(11 * rows / 256))
    image = Image.new("L", (2 * size, 2 * size), 0)
    draw = ImageDraw.Draw(image)
    width = max(1, size // 8)
    draw.ellipse((0, 0, 2 * size - 1, 2 * size - 1), outline=255, width=width)
    letter_size = max(9, int(1.1 * size))
    draw.text((size, size), "K", fill=255, font=ImageFont.load_default(letter_size), anchor="mm")
    return np.asarray(image, np.float32) / 255


def to_display(stored: np.ndarray, vendor_key: str) -> np.ndarray:
    """Apply a vendor's window and polarity: what a viewing station would show.

    Parameters
    ----------
    stored : ndarray of int
        Stored pixel values as `render` returns them.
    vendor_key : str
        Vendor that made them.

    Returns
    -------
    ndarray of float32
        0 black to 1 white, same shape.

    References
    ----------
    DICOM PS3.3 C.11.2.1.2 (linear window), C.11.2.1.3 (sigmoid).
    """
    vendor = vendor_of(vendor_key)
    centre, width = vendor.window()
    values = stored.astype(np.float32)
    if vendor.voi_function == "SIGMOID":
        shown = 1 / (1 + np.exp(-4 * (values - centre) / width))
    else:
        shown = np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)
    return (1 - shown if vendor.inverted else shown).astype(np.float32)
