"""Full-field mammograms of the synthetic programme, written in each transfer syntax that is read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache, partial
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from mammolab.world.dicom_encode import dataset_of_view
from mammolab.world.exam_pixels import ExamPixels
from mammolab.world.render import BreastView, render

TABLE_BITS = 16  # of the entries of a VOI LUT


@dataclass(frozen=True)
class Case:
    """One image: who drew it, how large, and what its viewer has to do."""

    name: str
    vendor: str
    rows: int
    columns: int
    laterality: str
    view: str
    percent_density: float
    voi_table: bool = False  # a VOI LUT sequence in place of the window


CASES = (
    Case("linear window", "alder", 3328, 2560, "L", "MLO", 0.2),
    Case("sigmoid window", "birch", 4096, 3328, "R", "CC", 0.4),
    Case("MONOCHROME1", "cedar", 3328, 2560, "R", "MLO", 0.1),
    Case("noise in air", "dogwood", 4096, 3328, "L", "MLO", 0.3),
    Case("VOI LUT", "alder", 3328, 2560, "R", "CC", 0.5, voi_table=True),
)


def rle(stored: np.ndarray, bits: int) -> bytes:
    """Run-length encoding of 16-bit pixels (DICOM PS3.5 annex G): high bytes, then low ones."""
    planes = (stored >> 8).astype(np.uint8), stored.astype(np.uint8)
    segments = [imagecodecs.packbits_encode(plane, axis=-1) for plane in planes]
    segments = [segment + b"\0" * (len(segment) % 2) for segment in segments]
    header = np.zeros(16, "<u4")
    header[:3] = len(segments), 64, 64 + len(segments[0])
    return header.tobytes() + b"".join(segments)


def jpeg_lossless(stored: np.ndarray, bits: int, predictor: int) -> bytes:
    """JPEG process 14; selection value 1 is the one that DICOM calls SV1."""
    return imagecodecs.jpeg8_encode(stored, lossless=True, predictor=predictor, bitspersample=bits)


def jpeg_2000(stored: np.ndarray, bits: int) -> bytes:
    """A JPEG 2000 code stream without the boxes of a file."""
    return imagecodecs.jpeg2k_encode(stored, reversible=True, codecformat="j2k", bitspersample=bits)


# Transfer syntax and encoder by the name in the table; without one the pixels are native.
SYNTAXES: dict[str, tuple[str, Callable[[np.ndarray, int], bytes] | None]] = {
    "explicit": (pydicom.uid.ExplicitVRLittleEndian, None),
    "implicit": (ImplicitVRLittleEndian, None),
    "RLE": (RLELossless, rle),
    "JPEG lossless SV1": (JPEGLosslessSV1, partial(jpeg_lossless, predictor=1)),
    "JPEG lossless": (JPEGLossless, partial(jpeg_lossless, predictor=4)),
    "JPEG-LS": (JPEGLSLossless, lambda stored, bits: imagecodecs.jpegls_encode(stored)),
    "JPEG 2000": (JPEG2000Lossless, jpeg_2000),
    "HTJ2K": (
        HTJ2KLossless,
        lambda stored, bits: imagecodecs.htj2k_encode(stored, reversible=True),
    ),
}


def write_case(case: Case, syntax: str, path: Path, number: int = 0) -> Path:
    """Write an image in a transfer syntax.

    Parameters
    ----------
    case : what to draw.
    syntax : key of `SYNTAXES`.
    path : of the file.
    number : copies with other numbers belong to other exams and differ in their ids only.
    """
    exam = ExamPixels(
        f"E{number}", f"P{number}", date(2020, 1, 1), 60.0, 1960, case.vendor, "s1", False,
        11, 12, case.percent_density, 85.0, 0.0,
    )  # fmt: skip
    view = next(
        view
        for view in exam.views()
        if (view.laterality, view.view) == (case.laterality, case.view)
    )
    stored = _drawn(view, case.rows, case.columns)
    dataset = dataset_of_view(stored, exam, view, f"1.2.3.{number}", 1)
    if case.voi_table:
        _window_to_table(dataset)
    uid, encode = SYNTAXES[syntax]
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset["PixelData"].VR = "OW"
    if encode is not None:
        dataset.PixelData = encapsulate([encode(stored, int(dataset.BitsStored))])
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


@lru_cache(maxsize=len(CASES))
def _drawn(view: BreastView, rows: int, columns: int) -> np.ndarray:
    return render(view, rows, columns, conspicuity=1)


def _window_to_table(dataset: Dataset) -> None:
    """Replace the window by a VOI LUT of an S-shaped curve."""
    for keyword in ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"):
        del dataset[keyword]
    del dataset["VOILUTFunction"]
    entries = 2 ** int(dataset.BitsStored)
    share = np.linspace(0, 1, entries)
    curve = share**2 * (3 - 2 * share) * (2**TABLE_BITS - 1)
    item = Dataset()
    item.LUTDescriptor = [entries, 0, TABLE_BITS]
    item.LUTData = np.rint(curve).astype("<u2").tobytes()
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "OW"
    dataset.VOILUTSequence = [item]
