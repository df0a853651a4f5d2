"""Pixel data to grey values: decoding, modality LUT, and the value of interest (VOI) windows."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pydicom
from pydicom.encaps import get_frame
from scipy import ndimage

from mammolab.data.decoders import RLE, decode
from mammolab.data.header import NATIVE_SYNTAXES, Rejected, integer_of

BACKGROUND_SHARE = 0.05  # of the range, around the background's value; assumption


def stored_values(dataset: pydicom.Dataset) -> np.ndarray:
    """Decode the stored pixel values, an integer array of shape (Rows, Columns).

    Raises
    ------
    Rejected : the stream does not decode, or is of another size than Rows x Columns.
    """
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    signed = int(dataset.get("PixelRepresentation", 0)) == 1
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    if syntax in NATIVE_SYNTAXES:
        kind = f"<{'i' if signed else 'u'}{int(dataset.BitsAllocated) // 8}"
        values = np.frombuffer(dataset.PixelData, kind, rows * columns).reshape(rows, columns)
    else:
        try:
            frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
            if syntax != RLE:
                _check_codestream(frame, rows, columns)
            values = decode(dataset, frame)
        except Rejected:
            raise
        except Exception as error:  # noqa: BLE001 - each decoder plugin has errors of its own
            raise Rejected(f"decoding: {type(error).__name__}") from None
        if values.shape != (rows, columns):
            raise Rejected(f"decoding: {values.shape} where {rows} x {columns} belong")
    # Bits above BitsStored may hold old-style overlays: keep the stored bits alone.
    bits = int(dataset.BitsStored)
    lowest = _lowest(dataset)
    if int(values.min()) >= lowest and int(values.max()) < lowest + 2**bits:
        return values
    spare = 8 * values.dtype.itemsize - bits
    return (values << spare) >> spare


def _lowest(dataset: pydicom.Dataset) -> int:
    """Smallest value that BitsStored and PixelRepresentation allow."""
    signed = int(dataset.get("PixelRepresentation", 0)) == 1
    return -(2 ** (int(dataset.BitsStored) - 1)) if signed else 0


def _check_codestream(frame: bytes, rows: int, columns: int) -> None:
    """Compare the size inside a JPEG family stream with the header's, before decoding it.

    A stream of a few kilobytes may claim gigabytes of pixels (run-length encoding cannot: its
    decoder is bounded by Rows x Columns). The frame header follows SIZ
    (JPEG 2000, ISO/IEC 15444-1 A.5.1) or SOF (JPEG, ISO/IEC 10918-1 B.2.2; JPEG-LS alike).
    All of them end with the marker FFD9, which cannot occur within: some decoders fill up a
    stream that was cut short without a word.
    """
    if frame[-64:].rstrip(b"\0")[-2:] != b"\xff\xd9":
        raise Rejected("decoding: the stream has no end marker (truncated)")
    start = frame.find(b"\xff\x4f\xff\x51")
    if start >= 0:
        width, height, left, top = (
            int.from_bytes(frame[start + at : start + at + 4], "big") for at in (8, 12, 16, 20)
        )
        size = (height - top, width - left)
    else:
        size = _jpeg_size(frame, frame.find(b"\xff\xd8\xff") + 2)
    if size != (rows, columns):
        raise Rejected(f"decoding: the stream holds {size[0]} x {size[1]}, not {rows} x {columns}")


def _jpeg_size(frame: bytes, at: int) -> tuple[int, int]:
    """Rows and columns of the first frame header after a JPEG start of image."""
    frame_headers = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker, length = frame[at + 1], int.from_bytes(frame[at + 2 : at + 4], "big")
        if marker in frame_headers:
            size = frame[at + 5 : at + 9]
            return int.from_bytes(size[:2], "big"), int.from_bytes(size[2:], "big")
        at += 2 + max(length, 2)
    raise Rejected("decoding: no frame header in the JPEG stream")


@dataclass(frozen=True)
class GreyTable:
    """The grey of each stored value an image may hold.

    Attributes
    ----------
    grey : float32, shape (2**BitsStored,), in [0, 1]; 0 is black.
    lowest : the stored value of the first entry.
    window : the VOI in words, e.g. "linear 2000/1000 (1 of 2)".
    """

    grey: np.ndarray
    lowest: int
    window: str

    def __call__(self, stored: np.ndarray) -> np.ndarray:
        """Grey of stored values, float32 of the same shape."""
        return self.grey.take(_index(stored, self.lowest))  # twice as fast as indexing

    @cached_property
    def _bright(self) -> np.ndarray:
        """Stored values that are not black, in ascending order."""
        return np.flatnonzero(self.grey) + self.lowest

    def lit(self, stored: np.ndarray) -> slice:
        """The columns from the first to the last that may hold something other than black.

        Parameters
        ----------
        stored : integer array, shape (rows, columns).
        """
        bright = self._bright
        if len(bright) in (0, len(self.grey)):
            return slice(0, stored.shape[1] if len(bright) else 0)
        # Black is one end of the scale as a rule, so that a column's extremes tell enough.
        held = (stored.max(axis=0) >= bright[0]) & (stored.min(axis=0) <= bright[-1])
        columns = np.flatnonzero(held)
        return slice(int(columns[0]), int(columns[-1]) + 1) if len(columns) else slice(0, 0)


def grey_table(dataset: pydicom.Dataset, stored: np.ndarray) -> GreyTable:
    """Modality transformation, VOI, inversion of MONOCHROME1, then padding to black.

    All of them depend on a pixel's value alone, so that they are computed once for each possible
    stored value, not for each pixel.

    Parameters
    ----------
    dataset : header of the image.
    stored : integer array, shape (rows, columns), as `stored_values` gives it.

    Raises
    ------
    Rejected : a LUT, slope, window or padding value that cannot be read, or that gives no finite
        values.

    Notes
    -----
    A VOI LUT goes before a window where a file has both, and the first of several is used: they
    are alternatives, and the first is the vendor's own default (DICOM PS3.3 C.11.2).
    """
    lowest = _lowest(dataset)
    values = np.arange(lowest, lowest + 2 ** int(dataset.BitsStored))
    padded = _padding(dataset, values)
    possible = _modality(dataset, values)
    try:
        grey, window = _voi(dataset, possible)
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError):
        raise Rejected("VOI: the LUT or window cannot be read") from None
    if grey is None:
        low, high = _breast_range(possible, _index(stored, lowest), padded)
        grey = np.clip((possible - low) / max(high - low, 1e-9), 0, 1)
        window = f"range {low:g}..{high:g}"
    if not np.isfinite(grey).all():
        raise Rejected(f"VOI: {window} gives no finite values")
    grey = grey.astype(np.float32)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = 1 - grey
    grey[padded] = 0
    return GreyTable(grey, lowest, window)


def _index(stored: np.ndarray, lowest: int) -> np.ndarray:
    """Where stored values stand in a table that begins with the lowest."""
    return stored.astype(np.int32) - lowest if lowest else stored


def _padding(dataset: pydicom.Dataset, values: np.ndarray) -> np.ndarray:
    """Which values mark padding, no part of the image (DICOM PS3.3 C.7.5.1.1.2).

    From PixelPaddingValue to PixelPaddingRangeLimit; none where the file names no padding.
    """
    value = integer_of(dataset, "PixelPaddingValue", None)
    if value is None:
        return np.zeros(len(values), bool)
    low, high = sorted((value, integer_of(dataset, "PixelPaddingRangeLimit", value)))
    return (values >= low) & (values <= high)


def _modality(dataset: pydicom.Dataset, values: np.ndarray) -> np.ndarray:
    """Modality LUT sequence, else slope and intercept (DICOM PS3.3 C.11.1)."""
    try:
        tables = dataset.get("ModalityLUTSequence")
        if tables:
            first, table, _ = _lut(tables[0])
            return table[np.clip(values - first, 0, len(table) - 1)].astype(float)
        slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
        slope = 1.0 if slope is None else float(slope)
        intercept = 0.0 if intercept is None else float(intercept)
    except (TypeError, ValueError, AttributeError, IndexError):
        raise Rejected("modality LUT: cannot be read") from None
    with np.errstate(over="ignore", invalid="ignore"):
        rescaled = values * slope + intercept
    if slope == 0 or not np.isfinite(rescaled).all():
        raise Rejected(f"modality LUT: slope {slope:g}, intercept {intercept:g}")
    return rescaled


def _voi(dataset: pydicom.Dataset, values: np.ndarray) -> tuple[np.ndarray | None, str]:
    """VOI for each modality value, in [0, 1]; None where the file gives nothing usable."""
    tables = dataset.get("VOILUTSequence")
    if tables:
        first, table, bits = _lut(tables[0])
        at = np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)
        return np.clip(table[at] / (2**bits - 1), 0, 1), f"lut {len(table)}{_of(tables)}"
    centers, widths = _numbers(dataset, "WindowCenter"), _numbers(dataset, "WindowWidth")
    if not centers or not widths:
        return None, ""
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    grey = apply_window(values, centers[0], widths[0], function)
    return grey, f"{function.lower()} {centers[0]:g}/{widths[0]:g}{_of(centers)}"


def apply_window(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray:
    """Window values as DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3 define it, with output 0..1.

    Parameters
    ----------
    values : array of modality values, any shape.
    center, width : of the window, in modality units.
    function : LINEAR, LINEAR_EXACT or SIGMOID.

    Returns
    -------
    float array of the same shape; None where the width is not one the standard allows.

    Raises
    ------
    Rejected : the function is none of the three.

    Examples
    --------
    >>> apply_window(np.array([0, 50, 100]), 50, 101, "LINEAR").round(3).tolist()
    [0.005, 0.505, 1.0]
    """
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise Rejected(f"VOI: function {function[:32]}, not LINEAR, LINEAR_EXACT or SIGMOID")
    smallest = 1 if function == "LINEAR" else np.finfo(float).tiny
    if not (np.isfinite(center) and np.isfinite(width)) or width < smallest:
        return None
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0, 1)
    if width == 1:
        return (values > center - 0.5).astype(float)
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _lut(item: pydicom.Dataset) -> tuple[int, np.ndarray, int]:
    """First input value, table and bits of a LUT item (DICOM PS3.3 C.11.1.1)."""
    entries, first, bits = (int(value) for value in item.LUTDescriptor)
    entries = entries or 2**16
    data = item.LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, "<u2" if len(data) >= 2 * entries else "<u1")
    table = np.atleast_1d(np.asarray(data, dtype=np.int64)) & 0xFFFF
    if len(table) < entries or not 1 <= bits <= 16:
        raise ValueError
    return first, table[:entries], bits


def _numbers(dataset: pydicom.Dataset, keyword: str) -> list[float]:
    """One or several decimal values; vendors write WindowCenter either way."""
    value = dataset.get(keyword)
    if value is None or value == "":
        return []
    several = not isinstance(value, str) and hasattr(value, "__iter__")
    return [float(one) for one in (value if several else [value])]


def _of(alternatives: list) -> str:
    return f" (1 of {len(alternatives)})" if len(alternatives) > 1 else ""


def _breast_range(
    possible: np.ndarray, index: np.ndarray, padded: np.ndarray
) -> tuple[float, float]:
    """Smallest and largest value of the breast, without air, padding and markers.

    The breast is the largest connected region that differs from the most frequent value (air);
    the range of the whole image would be moved by one bright marker. `index` points into the
    possible values and into those which mark padding.
    """
    counts = np.bincount(index.ravel(), minlength=len(possible))
    if counts[~padded].any():
        counts[padded] = 0
    present = possible[counts > 0]
    low, high, air = present.min(), present.max(), possible[counts.argmax()]
    tissue = ~padded & (np.abs(possible - air) > BACKGROUND_SHARE * (high - low))
    regions, n_regions = ndimage.label(tissue[index])
    if n_regions == 0:
        return float(low), float(high)
    sizes = np.bincount(regions.ravel())
    breast = possible[index[regions == 1 + sizes[1:].argmax()]]
    return float(breast.min()), float(breast.max())
