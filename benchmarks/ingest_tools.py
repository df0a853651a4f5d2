"""Ways from a mammogram's file to the picture a network sees, each as its users write it.

Each reads, decodes, applies modality LUT and VOI, makes dense tissue bright, scales both axes alike
and puts the chest wall to the left of a black frame of 8 bits. Where one does less it says so.
"""

import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from mammolab.data.pixels import to_model_input
from mammolab.data.source import SourceRules, open_source

try:
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
except ImportError:
    SimpleITK = None

Size = tuple[int, int]


class Unsupported(Exception):
    """The tool cannot read this file."""


def ours(path: Path, size: Size) -> np.ndarray:
    """What `mammolab.data.pixels` does with a path; its checks of the header are included."""
    return to_model_input(path, *size)[0]


def ingested(path: Path, size: Size) -> np.ndarray:
    """As `mammolab ingest` converts: SHA-256 of the file and a second look at its header besides."""
    source = open_source(path, {}, SourceRules())
    return to_model_input(source.dataset, *size)[0]


def with_pydicom(path: Path, size: Size) -> np.ndarray:
    """pydicom, `apply_voi_lut`, Pillow.

    Its decoders are the fastest that pydicom finds: those of pylibjpeg where they are installed.
    Pillow's box filter is the cheapest of those that leave nothing out.
    """
    dataset = pydicom.dcmread(path)
    try:
        values = dataset.pixel_array
    except (RuntimeError, NotImplementedError) as error:
        raise Unsupported(str(error)) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a rescaled image may not fit its VOI LUT
        values = apply_voi_lut(apply_modality_lut(values, dataset), dataset)
    if "VOILUTSequence" in dataset:
        white = 2 ** dataset.VOILUTSequence[0].LUTDescriptor[2] - 1
    else:
        white = 2**dataset.BitsStored - 1
    grey = (values * (255 / white)).astype(np.uint8)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = 255 - grey
    height, width = _fitted(*grey.shape, size)
    small = Image.fromarray(grey).resize((width, height), Image.Resampling.BOX)
    return _framed(np.asarray(small), dataset.ImageLaterality == "R", size)


def with_simpleitk(path: Path, size: Size) -> np.ndarray:
    """SimpleITK. Ignores VOI LUTs and sigmoids, and samples without averaging, which is cheaper."""
    try:
        volume = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise Unsupported(str(error)) from None
    image, tag = volume[:, :, 0], volume.GetMetaData
    if volume.HasMetaDataKey("0028|1050"):
        center, window = float(tag("0028|1050")), float(tag("0028|1051"))
        low, high = center - 0.5 - (window - 1) / 2, center - 0.5 + (window - 1) / 2
    else:
        low, high = 0, 2 ** int(tag("0028|0101")) - 1
    columns, rows = image.GetSize()
    height, width = _fitted(rows, columns, size)
    step = [
        spacing * old / new
        for spacing, old, new in zip(
            image.GetSpacing(), (columns, rows), (width, height), strict=True
        )
    ]
    # Corner upon corner: the first sample lies half a step inside.
    start = [
        origin + (new - old) / 2
        for origin, new, old in zip(image.GetOrigin(), step, image.GetSpacing(), strict=True)
    ]
    grey = SimpleITK.IntensityWindowing(
        SimpleITK.Cast(image, SimpleITK.sitkFloat32), low, high, 0.0, 255.0
    )
    small = SimpleITK.Resample(
        grey, (width, height), SimpleITK.Transform(), SimpleITK.sitkLinear, start, step,
        image.GetDirection(), 0.0, SimpleITK.sitkUInt8,
    )  # fmt: skip
    picture = SimpleITK.GetArrayFromImage(small)  # MONOCHROME1 is inverted as it is read
    return _framed(picture, tag("0020|0062").strip() == "R", size)


def with_dcmtk(path: Path, size: Size) -> np.ndarray:
    """dcmtk's dcmj2pnm to a binary PGM of the frame's height, then read; one process a file.

    The header is read once more for what the picture cannot say: sizes and laterality.
    """
    header = pydicom.dcmread(path, stop_before_pixels=True)
    height, width = _fitted(header.Rows, header.Columns, size)
    voi = ["+Wl", "1"] if "VOILUTSequence" in header else ["+Wi", "1"]
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "picture.pgm")
        command = ["dcmj2pnm", *voi, "+Sxv", str(width), "+op", str(path), str(picture)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode or not picture.exists():
            raise Unsupported(done.stderr.strip())
        with Image.open(picture) as image:
            grey = np.asarray(image)
    return _framed(grey[:height], header.ImageLaterality == "R", size)


def _fitted(rows: int, columns: int, size: Size) -> Size:
    """Size of an image that fits into the frame with both axes scaled alike."""
    scale = min(1.0, size[0] / rows, size[1] / columns)
    return max(1, round(rows * scale)), max(1, round(columns * scale))


def _framed(grey: np.ndarray, flipped: bool, size: Size) -> np.ndarray:
    """Chest wall to the left of a black frame, in its middle from top to bottom."""
    frame = np.zeros(size, np.uint8)
    top = (size[0] - grey.shape[0]) // 2
    frame[top : top + grey.shape[0], : grey.shape[1]] = grey[:, ::-1] if flipped else grey
    return frame


OURS, PYDICOM = "mammolab", "pydicom + apply_voi_lut + Pillow"
TOOLS: dict[str, Callable[[Path, Size], np.ndarray]] = {
    OURS: ours,
    "mammolab ingest": ingested,
    PYDICOM: with_pydicom,
    "SimpleITK": with_simpleitk,
    "dcmj2pnm": with_dcmtk,
}


def installed() -> list[str]:
    """Names of the tools that this machine has."""
    absent = set()
    if SimpleITK is None:
        absent.add("SimpleITK")
    if shutil.which("dcmj2pnm") is None:
        absent.add("dcmj2pnm")
    return [name for name in TOOLS if name not in absent]
