"""One DICOM file: is it a two-dimensional screening mammogram, and which breast and view."""

import re
import warnings
from collections.abc import Sequence
from io import SEEK_CUR, BytesIO
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.tag import Tag

from mammolab.schemas import VIEWS

# A contact view has a factor near 1; 21 CFR 900.12(b)(6) asks 1.4 to 2.0 of magnification views.
MAGNIFIED = 1.4
DEFERRED_BYTES = 2**18  # a LUT of 65,536 entries is read, pixels are not
MAX_PIXELS = 50_000_000  # the largest detectors have 5928 x 4728; more is a bomb or not 2-D

# Deflate is left out on purpose: one megabyte inflates to gigabytes before a tag can be read.
NATIVE_SYNTAXES = {
    "1.2.840.10008.1.2": "Implicit VR Little Endian",
    "1.2.840.10008.1.2.1": "Explicit VR Little Endian",
}
TRANSFER_SYNTAXES = NATIVE_SYNTAXES | {
    "1.2.840.10008.1.2.5": "RLE Lossless",
    "1.2.840.10008.1.2.4.50": "JPEG Baseline",
    "1.2.840.10008.1.2.4.51": "JPEG Extended",
    "1.2.840.10008.1.2.4.57": "JPEG Lossless",
    "1.2.840.10008.1.2.4.70": "JPEG Lossless SV1",
    "1.2.840.10008.1.2.4.80": "JPEG-LS Lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS Near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 Lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "HTJ2K Lossless",
    "1.2.840.10008.1.2.4.202": "HTJ2K Lossless RPCL",
    "1.2.840.10008.1.2.4.203": "HTJ2K",
}
UID = re.compile(r"[0-9A-Za-z._-]{1,64}")  # letters too: some de-identifiers write them
FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
OTHER_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.1.2.1": "for processing: raw detector values, a domain of their own",
    "1.2.840.10008.5.1.4.1.1.13.1.3": "tomosynthesis: a volume, not a 2-D mammogram",
}
# DICOM PS3.16 CID 4014 (views) and CID 4015 (modifiers), in SNOMED CT and the older SRT codes.
VIEW_CODES = {
    "399162004": "CC",
    "R-10242": "CC",
    "399368009": "MLO",
    "R-10226": "MLO",
}
NON_SCREENING_MODIFIERS = {
    "399055006": "spot compression",
    "R-102D7": "spot compression",
    "399163009": "magnification",
    "R-102D6": "magnification",
    "399110001": "tangential",
    "R-102C2": "tangential",
    "399011000": "axillary tail",
    "R-102D1": "axillary tail",
    "399161006": "cleavage",
    "R-102D2": "cleavage",
    "399197002": "rolled lateral",
    "399226006": "rolled medial",
    "414493004": "rolled inferior",
    "415670009": "rolled superior",
    "442581004": "nipple in profile",
    "441752004": "anterior compression",
    "442593008": "infra-mammary fold",
    "442580003": "axillary tissue",
}
IMPLANT_DISPLACED = ("399209000", "R-102D5")
_HEADER_KEYWORDS = (
    "SpecificCharacterSet",
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "PresentationIntentType",
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "PatientID",
    "AccessionNumber",
    "InstanceNumber",
    "AcquisitionDate",
    "AcquisitionTime",
    "ContentDate",
    "ContentTime",
    "ImageLaterality",
    "ViewCodeSequence",
    "ViewPosition",
    "PartialView",
    "PatientOrientation",
    "ImagerPixelSpacing",
    "EstimatedRadiographicMagnificationFactor",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "ModalityLUTSequence",
    "RescaleIntercept",
    "RescaleSlope",
    "VOILUTSequence",
    "VOILUTFunction",
    "WindowCenter",
    "WindowWidth",
    "PixelData",
)
HEADER_TAGS = [Tag(keyword) for keyword in _HEADER_KEYWORDS]  # looked up once, not for every file


class Rejected(Exception):
    """A file is no usable mammogram; the message is the reason, as "kind: detail"."""


def read_mammogram(content: bytes, path: str | Path) -> pydicom.Dataset:
    """Read a two-dimensional mammogram from a file's bytes, or say why it is none.

    The transfer syntax is checked in the file meta before anything else is read, the header
    before the pixels are touched, and nothing is decoded here.

    Parameters
    ----------
    content : the whole file.
    path : where it lies (the file meta are read from there by pydicom).

    Returns
    -------
    The dataset with `HEADER_TAGS` (PixelData still encoded).

    Raises
    ------
    Rejected : the reason, as "kind: detail".
    """
    dataset = read_header(content, path)
    require_mammogram(dataset)
    require_pixels(dataset)
    return dataset


class _Views(BytesIO):
    """A file's bytes to read from; large values are views of them, so that pixels stay uncopied."""

    def __init__(self, content: bytes):
        super().__init__(content)
        self._whole = memoryview(content)

    def read(self, size: int | None = -1) -> bytes | memoryview:
        if size is None or size <= DEFERRED_BYTES:
            return super().read(size)
        view = self._whole[self.tell() : self.tell() + size]
        self.seek(len(view), SEEK_CUR)
        return view


def read_header(
    content: bytes | None, path: str | Path, more_tags: Sequence[str | int] = ()
) -> pydicom.Dataset:
    """Read `HEADER_TAGS` of a file whose transfer syntax is allowed; judge nothing else.

    Parameters
    ----------
    content : the whole file; None reads from the path and leaves values above
        `DEFERRED_BYTES`, such as the pixels, where they lie.
    path : of the file.
    more_tags : keywords or tags to read besides.

    Raises
    ------
    Rejected : no DICOM file, or a transfer syntax that is not in `TRANSFER_SYNTAXES`.
    """
    if content is None:
        with Path(path).open("rb") as file:
            prefix = file.read(132)
    else:
        prefix = content[:132]
    if prefix[128:] != b"DICM":
        raise Rejected("not DICOM: no DICM prefix")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values are judged below, one by one
        try:
            syntax = str(read_file_meta_info(path).get("TransferSyntaxUID", ""))
            if syntax not in TRANSFER_SYNTAXES:
                raise Rejected(f"transfer syntax: {_clean(syntax) or 'none given'}")
            if content is None:
                source = path
            else:
                source = _Views(content) if syntax in NATIVE_SYNTAXES else BytesIO(content)
            deferred = DEFERRED_BYTES if content is None else None
            tags = [*HEADER_TAGS, *more_tags]
            dataset = pydicom.dcmread(source, defer_size=deferred, specific_tags=tags)
        except InvalidDicomError:
            raise Rejected("not DICOM: no file meta information") from None
    if not len(dataset):  # what pydicom gives for a compressed stream without its end
        raise Rejected("cut short: the file ends within an element, or holds none")
    return dataset


def require_mammogram(dataset: pydicom.Dataset) -> None:
    """Raise `Rejected` for what is no plain screening view of one breast."""
    modality, sop_class = text_of(dataset, "Modality"), text_of(dataset, "SOPClassUID")
    if modality != "MG":
        raise Rejected(f"modality: {modality or 'none given'}, not MG")
    if sop_class in OTHER_CLASSES:
        raise Rejected(OTHER_CLASSES[sop_class])
    if sop_class != FOR_PRESENTATION:
        raise Rejected(f"SOP class: {sop_class or 'none given'}")
    intent = text_of(dataset, "PresentationIntentType")
    if intent not in ("FOR PRESENTATION", ""):
        raise Rejected(f"{intent.lower()}: PresentationIntentType is not FOR PRESENTATION")
    frames = integer_of(dataset, "NumberOfFrames", 1)
    if frames != 1:
        raise Rejected(f"tomosynthesis: {frames} frames")
    for tag in ("SOPInstanceUID", "PatientID", "AccessionNumber"):
        if not text_of(dataset, tag):
            raise Rejected(f"missing id: {tag}")
    if not UID.fullmatch(text_of(dataset, "SOPInstanceUID")):
        raise Rejected("missing id: SOPInstanceUID is not a UID")
    if laterality_of(dataset) is None:
        raise Rejected(f"laterality: {text_of(dataset, 'ImageLaterality') or 'none given'}")
    modifiers = _modifiers(dataset)
    if modifiers:
        raise Rejected(f"special view: {', '.join(modifiers)}")
    factor = magnification_of(dataset)
    if factor is not None and factor >= MAGNIFIED:
        raise Rejected(f"special view: magnified {factor:g} times")
    if text_of(dataset, "PartialView") == "YES":
        raise Rejected("partial view: shows a part of the breast")
    if view_of(dataset) is None:
        raise Rejected(f"view: {view_given(dataset) or 'none given'}, not CC or MLO")


def require_pixels(dataset: pydicom.Dataset) -> None:
    """Raise `Rejected` for sizes and formats that cannot be, and pixel data cut short."""
    rows, columns = integer_of(dataset, "Rows", 0), integer_of(dataset, "Columns", 0)
    if rows < 1 or columns < 1:
        raise Rejected(f"image size: {rows} x {columns}")
    if rows * columns > MAX_PIXELS:
        raise Rejected(f"image size: {rows} x {columns} is above the cap of {MAX_PIXELS} pixels")
    if integer_of(dataset, "SamplesPerPixel", 1) != 1:
        raise Rejected("pixel format: more than one sample per pixel")
    photometric = text_of(dataset, "PhotometricInterpretation")
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise Rejected(f"pixel format: photometric interpretation {photometric or 'none given'}")
    allocated, stored = (
        integer_of(dataset, "BitsAllocated", 0),
        integer_of(dataset, "BitsStored", 0),
    )
    if allocated not in (8, 16) or not 1 <= stored <= allocated:
        raise Rejected(f"pixel format: {stored} bits stored in {allocated}")
    if integer_of(dataset, "HighBit", stored - 1) != stored - 1:
        raise Rejected("pixel format: HighBit is not BitsStored - 1")
    if integer_of(dataset, "PixelRepresentation", 0) not in (0, 1):
        raise Rejected("pixel format: PixelRepresentation is neither 0 nor 1")
    content = dataset.get("PixelData")
    if not content:
        raise Rejected("pixel data: none")
    expected = rows * columns * allocated // 8
    if str(dataset.file_meta.TransferSyntaxUID) in NATIVE_SYNTAXES and len(content) < expected:
        raise Rejected(f"pixel data: {len(content)} bytes where {expected} belong (truncated)")


def laterality_of(dataset: pydicom.Dataset) -> str | None:
    """L or R from ImageLaterality (0020,0062), else None."""
    value = text_of(dataset, "ImageLaterality")
    return value if value in ("L", "R") else None


def view_of(dataset: pydicom.Dataset) -> str | None:
    """CC or MLO from ViewCodeSequence (0054,0220), else from ViewPosition; else None.

    A mediolateral view (ML) is not an oblique one (MLO).
    """
    given = view_given(dataset)
    return given if given in VIEWS else None


def magnification_of(dataset: pydicom.Dataset) -> float | None:
    """EstimatedRadiographicMagnificationFactor (0018,1114); 1 where absent, None if no number."""
    try:
        return float(dataset.get("EstimatedRadiographicMagnificationFactor") or 1)
    except (TypeError, ValueError):
        return None


def is_implant_displaced(dataset: pydicom.Dataset) -> bool:
    """Whether the view shows the tissue in front of an implant that was pushed back."""
    return bool(set(_modifier_codes(dataset)) & set(IMPLANT_DISPLACED))


def is_plain(dataset: pydicom.Dataset) -> bool:
    """Whether the view carries no modifier but that of an implant pushed back.

    An unknown modifier says that the view was taken for a purpose of its own.
    """
    return not set(_modifier_codes(dataset)) - set(IMPLANT_DISPLACED)


def taken_at(dataset: pydicom.Dataset) -> tuple[str, str, int]:
    """When an image was taken, to order those of one exam: later ones compare greater.

    AcquisitionDate and AcquisitionTime, or where one is absent that of the content, then
    InstanceNumber; what is absent or unreadable comes first.
    """
    date, time = (
        text_of(dataset, f"Acquisition{part}") or text_of(dataset, f"Content{part}")
        for part in ("Date", "Time")
    )
    try:
        number = integer_of(dataset, "InstanceNumber", -1)
    except (Rejected, ValueError, OverflowError):  # it decides nothing else: no reason to reject
        number = -1
    return date, time.replace(":", ""), number


def spacing_mm_of(dataset: pydicom.Dataset) -> float | None:
    """Pixel spacing in the breast: ImagerPixelSpacing over the magnification factor.

    PixelSpacing is not used: vendors differ in what it means for projections. None where the
    spacing is absent, not positive or not square (to 1%).
    """
    given, magnification = dataset.get("ImagerPixelSpacing"), magnification_of(dataset)
    try:
        down, across = (float(value) for value in given)
    except (TypeError, ValueError):
        return None
    square = down > 0 and abs(across / down - 1) < 0.01
    if not square or magnification is None or not 0.5 < magnification < 10:
        return None
    spacing_mm = down / magnification
    return spacing_mm if 0.005 < spacing_mm < 10 else None


def view_given(dataset: pydicom.Dataset) -> str:
    """What the header says of the view, whether or not it is one we take; empty where nothing."""
    codes = dataset.get("ViewCodeSequence")
    if codes:
        code = text_of(codes[0], "CodeValue")
        return VIEW_CODES.get(code, f"code {code}")
    return text_of(dataset, "ViewPosition")


def _modifiers(dataset: pydicom.Dataset) -> list[str]:
    """Names of the modifiers that make a view a diagnostic one."""
    codes = _modifier_codes(dataset)
    return [NON_SCREENING_MODIFIERS[code] for code in codes if code in NON_SCREENING_MODIFIERS]


def _modifier_codes(dataset: pydicom.Dataset) -> list[str]:
    """Codes of the modifiers; they sit in the item of the view code."""
    return [
        text_of(modifier, "CodeValue")
        for view in dataset.get("ViewCodeSequence") or []
        for modifier in view.get("ViewModifierCodeSequence") or []
    ]


def text_of(dataset: pydicom.Dataset, keyword: str) -> str:
    """A tag's value as printable text; empty where it is absent."""
    value = dataset.get(keyword)
    return "" if value is None else _clean(str(value))


def integer_of(dataset: pydicom.Dataset, keyword: str, default: int | None) -> int | None:
    """A tag's value as a whole number; `default` where absent, `Rejected` where it is none."""
    value = dataset.get(keyword)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Rejected(f"unreadable header: {keyword} is no single whole number") from None


def _clean(value: str, limit: int = 128) -> str:
    """Printable text that any file format holds, cut to a sane length."""
    printable = value[:limit]
    if not printable.isprintable():
        printable = "".join(character for character in printable if character.isprintable())
    return printable.encode("utf-8", "replace").decode("utf-8").strip()
