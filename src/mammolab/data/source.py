"""One file of any kind we take, read as a plain mammogram: DICOM, film, a slice, a picture."""

import re
import warnings
from dataclasses import dataclass, field
from hashlib import file_digest, sha256
from pathlib import Path

import pydicom
from pydicom.tag import Tag

from mammolab.data import tomosynthesis
from mammolab.data.header import (
    FOR_PRESENTATION,
    UID,
    Rejected,
    integer_of,
    laterality_of,
    read_header,
    require_mammogram,
    require_pixels,
    text_of,
    view_given,
)
from mammolab.data.notes import OVERLAY_GROUPS, notes_of
from mammolab.data.raster import PREFIX_BYTES, other_format, picture_format, read_picture
from mammolab.errors import InputError

WHOLE_BYTES = 2**26  # up to here a file is read once and whole; above, its header goes first
MAX_FILE_BYTES = 2**30  # of what is read whole; a 2-D mammogram has up to 60 MB
MAX_VOLUME_BYTES = 2**32  # of what is read frame by frame
# From the one to be used first to the last, where an exam has a view more than once.
KINDS = ("2-D", "picture", "synthetic 2-D", "tomosynthesis slice", "film")
TOMOSYNTHESIS_CHOICES = ("reject", "middle")
_SOURCE_KEYWORDS = (
    "ImageType",
    "SeriesDescription",
    "StudyInstanceUID",
    "BodyPartExamined",
    "BreastImplantPresent",
    "Laterality",
    "PixelSpacing",
    "NominalScannedPixelSpacing",
    "BurnedInAnnotation",
    "LossyImageCompression",
    *tomosynthesis.FUNCTIONAL_GROUPS,
)
# As tags, since pydicom would look up the keywords for every file. Of overlays their OverlayRows:
# the bits stay unread.
SOURCE_TAGS = [
    *map(Tag, _SOURCE_KEYWORDS),
    *(Tag(group, 0x0010) for group in OVERLAY_GROUPS),
]
FILM_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.7": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.7.2": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.7.3": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.1": "computed radiography",
}
DIRECTORY = "1.2.840.10008.1.3.10"
FILM_MODALITIES = ("MG", "RG", "CR", "OT")
# Values 3 to 5 of ImageType, DICOM PS3.3 C.8.11.7.1.4.
NOT_SCREENING = {
    "TOMO_PROJ": "tomosynthesis: one of its projections",
    "TOMO_SCOUT": "biopsy: TOMO_SCOUT",
    **{
        term: f"biopsy: {term}"
        for stem in ("STEREO", "PREFIRE", "POSTFIRE")
        for term in (stem, f"{stem}_SCOUT", f"{stem}_MINUS", f"{stem}_PLUS")
    },
    **{f"POST{what}": f"biopsy: POST{what}" for what in ("BIOPSY", "MARKER")},
    **{f"{when}_CONTRAST": f"contrast: {when}_CONTRAST" for when in ("PRE", "POST")},
    **{how: f"contrast: {how}" for how in ("ADDITION", "SUBTRACTION")},
    **{f"{what}_ENERGY": f"contrast: {what}_ENERGY" for what in ("LOW", "HIGH")},
}
GENERATED = "GENERATED_2D"
# Trade names of synthetic 2-D, for objects from before ImageType had a term for it.
GENERATED_NAMES = re.compile(
    r"\b(c-?view|s-?view|v-?preview|insight ?2d|intelligent ?2d|synthe\w+|generated ?2d)\b",
    re.IGNORECASE,
)
# Columns a table of files may have beside path, and the tag each fills.
GIVEN = {
    "image_id": "SOPInstanceUID",
    "exam_id": "AccessionNumber",
    "patient_id": "PatientID",
    "laterality": "ImageLaterality",
    "view": "ViewPosition",
    "manufacturer": "Manufacturer",
    "model": "ManufacturerModelName",
    "spacing_mm": "ImagerPixelSpacing",
    "photometric": "PhotometricInterpretation",
    "window_center": "WindowCenter",
    "window_width": "WindowWidth",
    "intent": "PresentationIntentType",
}
EXAM_FROM_STUDY = "exam id from StudyInstanceUID"  # a note
IDS = ("image_id", "exam_id", "patient_id")
NEEDED_OF_PICTURES = ("exam_id", "patient_id", "laterality", "view")
NUMBERS = ("spacing_mm", "window_center", "window_width")


@dataclass(frozen=True)
class SourceRules:
    """What is taken beside two-dimensional digital mammograms.

    Attributes
    ----------
    film : digitised film: secondary captures and computed radiography of a breast.
    tomosynthesis : "reject", or "middle" for the slice in the middle of a volume.
    """

    film: bool = False
    tomosynthesis: str = "reject"

    def __post_init__(self):
        if self.tomosynthesis not in TOMOSYNTHESIS_CHOICES:
            raise InputError(
                f"tomosynthesis is {self.tomosynthesis!r}; valid: {', '.join(TOMOSYNTHESIS_CHOICES)}."
            )


@dataclass
class Source:
    """What a file turned out to be.

    Attributes
    ----------
    dataset : a plain mammogram as `header.read_mammogram` gives it; None where no header was read.
    kind : one of `KINDS`; empty where no header was read.
    sha256, n_bytes : of the file; None where it could not be read.
    picture : "PNG" or "PGM" where it is such; else None.
    notes : what a user should know though it rejects nothing.
    reason : why it is not used, "kind: detail"; empty where it can be.
    """

    dataset: pydicom.Dataset | None = None
    kind: str = ""
    sha256: str | None = None
    n_bytes: int | None = None
    picture: str | None = None
    notes: list[str] = field(default_factory=list)
    reason: str = ""


def open_source(path: Path, given: dict[str, str], rules: SourceRules) -> Source:
    """Read one file; never raises, whatever it holds.

    Parameters
    ----------
    path : of the file.
    given : what a table says of it, keys of `GIVEN`; empty where it says nothing.
    rules : what is taken.
    """
    source = Source()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd values are judged, one by one
            _fill(source, path, given, rules)
    except Rejected as rejection:
        source.reason = str(rejection)
    except OSError as error:
        # pydicom raises some without a number: those are of the file's content.
        why = f"cannot be read: {error.strerror}" if error.errno else "unreadable header: OSError"
        source.reason = why
    # Hostile headers raise anything: RecursionError, MemoryError, panics of Rust decoders.
    except BaseException as error:  # noqa: BLE001
        source.reason = f"unreadable header: {type(error).__name__}"
    return source


def _fill(source: Source, path: Path, given: dict[str, str], rules: SourceRules) -> None:
    if not path.is_file():
        raise Rejected("not a file: a broken link, a pipe or a device")
    source.n_bytes = path.stat().st_size
    _require_bytes(source, MAX_VOLUME_BYTES)
    content = path.read_bytes() if source.n_bytes <= WHOLE_BYTES else None
    if content is None:
        with path.open("rb") as file:
            beginning = file.read(PREFIX_BYTES)
            file.seek(0)
            source.sha256 = file_digest(file, "sha256").hexdigest()
    else:
        beginning = content[:PREFIX_BYTES]
        source.sha256 = sha256(content).hexdigest()
    source.picture = picture_format(beginning)
    if source.picture:
        source.kind = "picture"
        _require_bytes(source, MAX_FILE_BYTES)
        source.dataset = read_picture(path.read_bytes() if content is None else content)
        source.dataset.SOPInstanceUID = source.sha256[:32]
        if not given:
            raise Rejected("picture: no row of the table says whose and which view it is")
    else:
        what = other_format(beginning)
        if what:
            raise Rejected(f"not DICOM: {what}, where DICOM, PNG and PGM are read")
        source.dataset = _read(content, path, given)
        source.kind = KINDS[0]
        source.notes += notes_of(source.dataset)
        _take_dicom(source, path, given, rules)
    _fill_in(source.dataset, given)
    untold = [column for column in NEEDED_OF_PICTURES if column not in given]
    if source.picture and untold:
        raise Rejected(f"picture: its row of the table does not say {', '.join(untold)}")
    require_mammogram(source.dataset)
    require_pixels(source.dataset)


def _read(content: bytes | None, path: Path, given: dict[str, str]) -> pydicom.Dataset:
    """Read a header; where de-identification took its type away, file meta or table stand in."""
    dataset = read_header(content, path, SOURCE_TAGS)
    if not text_of(dataset, "SOPClassUID"):
        meta = dataset.file_meta.get("MediaStorageSOPClassUID")
        dataset.SOPClassUID = meta or (FOR_PRESENTATION if given else "")
    if not text_of(dataset, "Modality") and given:
        dataset.Modality = "MG"
    return dataset


def _take_dicom(source: Source, path: Path, given: dict[str, str], rules: SourceRules) -> None:
    """Turn the header that was read into a plain mammogram with its pixels."""
    source.kind = _kind_of(source.dataset)
    if source.kind == "tomosynthesis slice":
        volume, count = source.dataset, tomosynthesis.frames_of(source.dataset)
        if rules.tomosynthesis == "reject":
            tomosynthesis.flatten(volume)  # so that the index can name breast and view
            raise Rejected(f"tomosynthesis: {count} frames, a volume and not a 2-D mammogram")
        source.dataset = tomosynthesis.one_frame(volume, path, count // 2)
        source.notes.append(f"frame {count // 2 + 1} of {count}")
    else:
        if source.kind == "film" and not rules.film:
            raise Rejected("film: a secondary capture or computed radiography, not asked for")
        _require_bytes(source, MAX_FILE_BYTES)
        if source.n_bytes > WHOLE_BYTES:
            source.dataset = _read(path.read_bytes(), path, given)
        if source.kind == "film":
            _as_film(source.dataset)
        elif text_of(source.dataset, "SOPClassUID") == tomosynthesis.TOMOSYNTHESIS:
            tomosynthesis.flatten(source.dataset)
    study = text_of(source.dataset, "StudyInstanceUID")
    if not text_of(source.dataset, "AccessionNumber") and UID.fullmatch(study):
        source.dataset.AccessionNumber = study
        source.notes.append(EXAM_FROM_STUDY)


def _kind_of(dataset: pydicom.Dataset) -> str:
    """One of `KINDS`; what is none of them counts as 2-D and is judged by its other tags."""
    sop_class, modality = text_of(dataset, "SOPClassUID"), text_of(dataset, "Modality")
    if sop_class == DIRECTORY:
        raise Rejected("directory: a DICOMDIR, which lists files and holds no image")
    body_part = text_of(dataset, "BodyPartExamined").upper()
    if sop_class in FILM_CLASSES and modality in FILM_MODALITIES and body_part in ("", "BREAST"):
        return "film"
    if modality != "MG" or sop_class not in (FOR_PRESENTATION, tomosynthesis.TOMOSYNTHESIS):
        return KINDS[0]
    given = dataset.get("ImageType") or []
    terms = [str(term).strip().upper() for term in ([given] if isinstance(given, str) else given)]
    for term in terms[2:]:
        if term in NOT_SCREENING:
            raise Rejected(NOT_SCREENING[term])
    name = text_of(dataset, "SeriesDescription").replace("_", " ")
    generated = GENERATED in terms or GENERATED_NAMES.search(name) is not None
    if integer_of(dataset, "NumberOfFrames", 1) != 1:
        return "tomosynthesis slice"
    if generated:
        return "synthetic 2-D"
    return KINDS[0] if sop_class == FOR_PRESENTATION else "tomosynthesis slice"


def _as_film(dataset: pydicom.Dataset) -> None:
    """Give digitised film the tags of a digital mammogram, in place."""
    dataset.Modality, dataset.SOPClassUID = "MG", FOR_PRESENTATION
    if laterality_of(dataset) is None and text_of(dataset, "Laterality") in ("L", "R"):
        dataset.ImageLaterality = text_of(dataset, "Laterality")
    if not dataset.get("ImagerPixelSpacing"):
        # A contact view on film: what the scanner measured on it is the size in the breast.
        spacing = dataset.get("NominalScannedPixelSpacing") or dataset.get("PixelSpacing")
        if spacing:
            dataset.ImagerPixelSpacing = spacing


def _fill_in(dataset: pydicom.Dataset, given: dict[str, str]) -> None:
    """Add what a table says, in place: ids always, the rest where the header is silent.

    Raises
    ------
    Rejected : the table says not to use the file, contradicts its header, or holds no number
        where one belongs.
    """
    if given.get("use") == "0":
        raise Rejected(f"table: {given.get('reason') or 'not to be used'}")
    said = {"laterality": text_of(dataset, "ImageLaterality"), "view": view_given(dataset)}
    for column, header in said.items():
        if header and given.get(column, header) != header:
            raise Rejected(f"{column}: {header} in the header, {given[column]} in the table")
    for column, keyword in GIVEN.items():
        if column not in given or said.get(column):
            continue
        if column in IDS or not text_of(dataset, keyword):
            try:
                value = float(given[column]) if column in NUMBERS else given[column]
            except ValueError:
                raise Rejected(f"table: {column} holds {given[column][:32]!r}") from None
            setattr(dataset, keyword, [value, value] if column == "spacing_mm" else value)


def _require_bytes(source: Source, largest: int) -> None:
    if source.n_bytes > largest:
        raise Rejected(f"file size: above {largest} bytes")
