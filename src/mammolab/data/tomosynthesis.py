"""Breast tomosynthesis: one frame at a time of an object that need not fit into memory."""

import os
from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.encaps import encapsulate, generate_frames, get_frame

from mammolab.data.header import FOR_PRESENTATION, NATIVE_SYNTAXES, Rejected, integer_of

TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"
FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
MAX_FRAMES = 400  # a breast of 150 mm at 1 mm has 150; 400 leaves room for thinner slices

# Where an enhanced object keeps, in its functional groups (DICOM PS3.3 A.55.3), what a plain one
# has at the top: group, tag there, tag here.
_MOVED = [
    ("FrameAnatomySequence", "FrameLaterality", "ImageLaterality"),
    ("FrameVOILUTSequence", "WindowCenter", "WindowCenter"),
    ("FrameVOILUTSequence", "WindowWidth", "WindowWidth"),
    ("FrameVOILUTSequence", "VOILUTFunction", "VOILUTFunction"),
    ("PixelValueTransformationSequence", "RescaleIntercept", "RescaleIntercept"),
    ("PixelValueTransformationSequence", "RescaleSlope", "RescaleSlope"),
    # In the plane of the slice, so already without magnification.
    ("PixelMeasuresSequence", "PixelSpacing", "ImagerPixelSpacing"),
]


def flatten(dataset: pydicom.Dataset, frame: int = 0) -> pydicom.Dataset:
    """Give one frame of an enhanced object the tags of a plain mammogram, in place.

    Parameters
    ----------
    dataset : header with `FUNCTIONAL_GROUPS`.
    frame : number of the frame, from 0; its own values go before those shared by all.
    """
    shared, per_frame = (dataset.get(keyword) or [] for keyword in FUNCTIONAL_GROUPS)
    for item in [*shared[:1], *per_frame[frame : frame + 1]]:
        for group, there, here in _MOVED:
            inner = item.get(group) or []
            if inner and inner[0].get(there) not in (None, ""):
                setattr(dataset, here, inner[0].get(there))
                if there == "PixelSpacing":
                    dataset.EstimatedRadiographicMagnificationFactor = 1
    for keyword in FUNCTIONAL_GROUPS:
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.SOPClassUID = FOR_PRESENTATION
    return dataset


def one_frame(dataset: pydicom.Dataset, path: str | Path, frame: int) -> pydicom.Dataset:
    """One frame of an object as a plain mammogram; nothing is decoded.

    Parameters
    ----------
    dataset : header with `FUNCTIONAL_GROUPS`, as `header.read_header` gives it without content.
    path : of the object.
    frame : number of the frame, from 0.

    Raises
    ------
    Rejected : no pixels, too many frames, fewer frames than claimed, or a file cut short.
    """
    count, start = frames_of(dataset), _pixels_at(dataset, path)
    with Path(path).open("rb") as file:
        if str(dataset.file_meta.TransferSyntaxUID) in NATIVE_SYNTAXES:
            size = _frame_bytes(dataset)
            file.seek(start + frame * size)
            return _plain(dataset, file.read(size), frame)
        file.seek(start)
        try:
            stream = get_frame(file, frame, number_of_frames=count)
        except Exception as error:  # noqa: BLE001 - offsets that lead nowhere raise anything
            raise Rejected(f"pixel data: frame {frame + 1}: {type(error).__name__}") from None
        return _plain(dataset, encapsulate([stream]), frame)


def frames(dataset: pydicom.Dataset, path: str | Path) -> Iterator[pydicom.Dataset]:
    """Go through an object frame by frame, each as `one_frame` gives it.

    The memory needed is that of one frame, whatever the object holds.
    """
    count, start = frames_of(dataset), _pixels_at(dataset, path)
    if str(dataset.file_meta.TransferSyntaxUID) in NATIVE_SYNTAXES:
        for frame in range(count):
            yield one_frame(dataset, path, frame)
        return
    with Path(path).open("rb") as file:
        file.seek(start)
        streams = generate_frames(file, number_of_frames=count)
        for frame in range(count):
            try:
                stream = next(streams)
            except Exception as error:  # noqa: BLE001 - as above; StopIteration too
                raise Rejected(f"pixel data: frame {frame + 1}: {type(error).__name__}") from None
            yield _plain(dataset, encapsulate([stream]), frame)


def frames_of(dataset: pydicom.Dataset) -> int:
    """NumberOfFrames, 1 where absent.

    Raises
    ------
    Rejected : it is none from 1 to `MAX_FRAMES`.
    """
    count = integer_of(dataset, "NumberOfFrames", 1)
    if not 1 <= count <= MAX_FRAMES:
        raise Rejected(f"image size: {count} frames, where 1 to {MAX_FRAMES} are read")
    return count


def _frame_bytes(dataset: pydicom.Dataset) -> int:
    rows, columns, bits = (
        integer_of(dataset, keyword, 0) for keyword in ("Rows", "Columns", "BitsAllocated")
    )
    return rows * columns * bits // 8


def _pixels_at(dataset: pydicom.Dataset, path: str | Path) -> int:
    """Where in the file the pixels begin; they are known to be there to their end."""
    if "PixelData" not in dataset:
        raise Rejected("pixel data: none")
    element = dataset.get_item("PixelData", keep_deferred=True)
    if str(dataset.file_meta.TransferSyntaxUID) in NATIVE_SYNTAXES:
        expected = frames_of(dataset) * _frame_bytes(dataset)
        held = min(element.length, os.path.getsize(path) - element.value_tell)
        if held < expected:
            raise Rejected(f"pixel data: {held} bytes where {expected} belong (truncated)")
    return element.value_tell


def _plain(dataset: pydicom.Dataset, pixels: bytes, frame: int) -> pydicom.Dataset:
    """A copy of the header with one frame's values and pixels."""
    plain = pydicom.Dataset()
    for tag in sorted(dataset.keys()):
        plain[tag] = dataset.get_item(tag, keep_deferred=True)
    plain.file_meta = dataset.file_meta
    flatten(plain, frame)
    plain.NumberOfFrames = 1
    native = str(dataset.file_meta.TransferSyntaxUID) in NATIVE_SYNTAXES
    plain["PixelData"] = pydicom.DataElement("PixelData", "OW" if native else "OB", pixels)
    plain["PixelData"].is_undefined_length = not native
    return plain
