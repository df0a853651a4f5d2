"""One image file, in a worker: what identifies it, and its de-identified copy."""

import os
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from mammolab.data.deidentify import rules
from mammolab.data.deidentify.attributes import Changes, deidentify_header, texts
from mammolab.data.deidentify.burned_in import why_suspect
from mammolab.data.deidentify.identifiers import identifiers_of
from mammolab.data.deidentify.leaks import NAMES, NUMERIC_VRS, Needles, leaks_in_image
from mammolab.data.deidentify.pixel_bytes import clean_pixels, middle_frame
from mammolab.data.deidentify.pseudonyms import Pseudonyms
from mammolab.data.grey import stored_values
from mammolab.data.header import (
    DEFERRED_BYTES,
    FOR_PRESENTATION,
    OTHER_CLASSES,
    TRANSFER_SYNTAXES,
    Rejected,
    text_of,
)
from mammolab.data.source import FILM_CLASSES, FILM_MODALITIES, MAX_FILE_BYTES

FOLDER = "dicom"
DEVICE_TEXTS = ("Manufacturer", "ManufacturerModelName", "SoftwareVersions")


@dataclass(frozen=True)
class Context:
    """What every file is written with.

    Attributes
    ----------
    out : folder of the output.
    pseudonyms : of the key.
    everyone : identifiers of all sources.
    shared : kept texts that occur with several patients.
    refuse_burned_in : whether an image with likely text is left out.
    """

    out: Path
    pseudonyms: Pseudonyms
    everyone: Needles
    shared: frozenset[str] = field(default_factory=frozenset)
    refuse_burned_in: bool = False


def survey(item: tuple[str, str]) -> dict:
    """What one file says of a patient; never raises.

    Parameters
    ----------
    item : folder, and path of the file below it.

    Returns
    -------
    As JSON holds it: reason (empty where it can be de-identified), and of a readable header
    patient_id, exam_id, study_uid, image_uid, identifiers (see `identifiers_of`), texts (kept).
    """
    answer = {"reason": ""}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = _read(Path(*item), DEFERRED_BYTES)
            answer["identifiers"] = identifiers_of(dataset)
            for key, keyword in (
                ("patient_id", "PatientID"),
                ("exam_id", "AccessionNumber"),
                ("study_uid", "StudyInstanceUID"),
                ("image_uid", "SOPInstanceUID"),
            ):
                answer[key] = text_of(dataset, keyword)
            _require_mammogram(dataset)
            answer["texts"] = sorted(_kept_texts(dataset))
    except BaseException as error:  # noqa: BLE001 - hostile headers raise anything
        answer["reason"] = _reason(error)
    return answer


def write(item: tuple[str, str], *, context: Context) -> dict:
    """De-identify one file, search the copy, and put it in its place; never raises.

    Returns
    -------
    As JSON holds it: status ("written", "refused" or "leak"), reason, path (in the output), why
    it may hold burned-in text, removed (counts by attribute), written (values that were made),
    cut_bytes.
    """
    answer = {"status": "refused", "reason": "", "path": "", "suspect": "", "written": []}
    temporary = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = Path(*item)
            dataset = _read(source, None)
            _require_mammogram(dataset)
            own = Needles(identifiers_of(dataset))
            answer["cut_bytes"] = clean_pixels(dataset)
            answer["suspect"] = why_suspect(dataset, stored_values(middle_frame(dataset)))
            if answer["suspect"] and context.refuse_burned_in:
                raise Rejected(f"burned-in text is likely: {answer['suspect']}")
            changes = deidentify_header(dataset, context.pseudonyms)
            _scrub(dataset, changes, context)
            answer["removed"], answer["written"] = dict(changes.removed), sorted(changes.written)
            relative = _place(dataset)
            place = context.out / relative
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary = place.with_name(f".{place.name}.{os.getpid()}")
            pydicom.dcmwrite(temporary, dataset, enforce_file_format=True)
            found = leaks_in_image(
                temporary,
                relative,
                context.everyone,
                own,
                changes.written,
                set(context.shared),
            )
            if found:
                answer |= {"status": "leak", "reason": "; ".join(found)}
            else:
                temporary.replace(place)
                answer |= {"status": "written", "path": relative}
    except BaseException as error:  # noqa: BLE001 - as above
        answer["reason"] = _reason(error)
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return answer


def _reason(error: BaseException) -> str:
    if isinstance(error, Rejected):
        return str(error)
    if isinstance(error, InvalidDicomError):
        return "not DICOM: no file meta information"
    if isinstance(error, OSError) and error.errno:
        return f"cannot be read or written: {error.strerror}"
    return f"unreadable: {type(error).__name__}"


def _read(path: Path, defer_size: int | None) -> Dataset:
    """Read a file whose kind and transfer syntax are allowed, all of it."""
    if not path.is_file():
        raise Rejected("not a file: a broken link, a pipe or a device")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise Rejected(f"file size: above {MAX_FILE_BYTES} bytes")
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            raise Rejected("not DICOM: no DICM prefix")
    syntax = str(read_file_meta_info(path).get("TransferSyntaxUID", ""))
    if syntax not in TRANSFER_SYNTAXES:
        raise Rejected(f"transfer syntax: {syntax[:64] or 'none given'}")
    dataset = pydicom.dcmread(path, defer_size=defer_size)
    if not len(dataset):
        raise Rejected("cut short: the file ends within an element, or holds none")
    return dataset


def _require_mammogram(dataset: Dataset) -> None:
    """Reports, presentation states and other modalities hold text where it cannot be told apart."""
    sop_class, modality = text_of(dataset, "SOPClassUID"), text_of(dataset, "Modality")
    if sop_class not in (FOR_PRESENTATION, *OTHER_CLASSES, *FILM_CLASSES):
        raise Rejected(f"SOP class: {sop_class or 'none given'}, no mammogram")
    if modality not in FILM_MODALITIES:
        raise Rejected(f"modality: {modality or 'none given'}, no mammogram")
    for keyword in ("PatientID", "SOPInstanceUID", "StudyInstanceUID"):
        if not text_of(dataset, keyword):
            raise Rejected(f"missing id: {keyword}")


def _kept_texts(dataset: Dataset) -> set[str]:
    """Values of the texts and terms that are kept, to learn which several patients share."""
    held = {text_of(dataset, keyword) for keyword in DEVICE_TEXTS}
    held |= {
        value for inner, tag, value in texts(_shallow(dataset)) if inner[tag].VR == "CS" and value
    }
    return held - {""}


def _shallow(dataset: Dataset) -> Dataset:
    """The terms (CS) of the top level alone."""
    terms = Dataset()
    for tag in list(dataset.keys()):
        if dataset.get_item(tag).VR in ("CS", None) and not tag >> 16 & 1:
            with suppress(Exception):  # what cannot be read is judged when it is written
                terms[tag] = dataset[tag]
    return terms


def _scrub(dataset: Dataset, changes: Changes, context: Context) -> None:
    """Remove a kept value that holds an identifier, unless it is a name in a text of many."""
    for held, tag, value in list(texts(dataset)):
        if tag not in held or value in changes.written | rules.TERMS or held[tag].VR == "UI":
            continue
        kinds = context.everyone.in_text(value, held[tag].VR in NUMERIC_VRS)
        if kinds and not (set(kinds) <= set(NAMES) and value in context.shared):
            changes.removed[f"{held[tag].keyword}, which held an identifier"] += 1
            del held[tag]


def _place(dataset: Dataset) -> str:
    exam = text_of(dataset, "AccessionNumber") or text_of(dataset, "StudyInstanceUID")
    return f"{FOLDER}/{dataset.PatientID}/{exam}/{dataset.SOPInstanceUID}.dcm"


def dead(item: tuple[str, str]) -> dict:
    """The answer for a file that killed its reader."""
    return {
        "status": "refused",
        "reason": "unreadable: killed its reader",
        "path": "",
        "suspect": "",
        "written": [],
    }
