"""What a PACS holds that shows no breast: dose screens, notes, and damaged files."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import BasicTextSRStorage, SecondaryCaptureImageStorage

from mammolab.world import parameters_pacs as p
from mammolab.world.dicom_encode import Shot, code, study_dataset, to_bytes
from mammolab.world.exam_pixels import ExamPixels
from mammolab.world.streams import stream
from mammolab.world.vendors import vendor_of

_SCREEN = (240, 320)  # rows, columns of a dose screen
_ERROR_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>503 Service Unavailable</title></head>\n"
    b"<body><h1>Service Unavailable</h1><p>The archive did not answer in time.</p></body></html>\n"
)
_TAGS = ("ImageLaterality", "PhotometricInterpretation", "AccessionNumber")  # one of them is lost


def dose_screen(exam: ExamPixels, uid: str, number: int, shot: Shot, seed: int) -> bytes:
    """Secondary capture (PS3.3 A.8) of the console's dose screen.

    Parameters
    ----------
    exam : ExamPixels
    uid : str
        SOP Instance UID.
    number : int
        Instance number.
    shot : Shot
        Its start is the time of the capture.
    seed : int
        Of the doses shown.

    Returns
    -------
    bytes
        A complete part 10 file.
    """
    median, spread = p.GLANDULAR_DOSE.value
    doses = median * np.exp(spread * stream([seed], "doses").standard_normal(4))
    lines = ["DOSE REPORT (synthetic)", f"{exam.exam_id}  {vendor_of(exam.vendor).model}", ""]
    lines += [
        f"{view.laterality} {view.view:4s} {dose:.2f} mGy"
        for view, dose in zip(exam.views(), doses, strict=True)
    ]
    screen = Image.new("L", _SCREEN[::-1], 0)
    ImageDraw.Draw(screen).multiline_text((12, 12), "\n".join(lines), fill=255, font=_font())
    dataset = _about(exam, "dose", uid, number, shot)
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.Modality = "MG"
    dataset.ConversionType = "SYN"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientOrientation = None
    dataset.Laterality = None  # both breasts
    dataset.BurnedInAnnotation = "YES"
    dataset.ImageComments = "Synthetic image made by mammolab; not a patient."
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = _SCREEN
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.add_new("PixelData", "OB", screen.tobytes())
    return to_bytes(dataset)


def note_report(exam: ExamPixels, uid: str, number: int, shot: Shot) -> bytes:
    """Basic Text SR (PS3.3 A.35.1) with the technologist's note; it says nothing of a finding.

    Parameters
    ----------
    exam, uid, number, shot
        See `dose_screen`.

    Returns
    -------
    bytes
        A complete part 10 file.
    """
    dataset = _about(exam, "note", uid, number, shot)
    dataset.SOPClassUID = BasicTextSRStorage
    dataset.Modality = "SR"
    dataset.ReferencedPerformedProcedureStepSequence = DicomSequence()
    dataset.PerformedProcedureCodeSequence = DicomSequence()
    dataset.CompletionFlag, dataset.VerificationFlag = "COMPLETE", "UNVERIFIED"
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = DicomSequence(
        [code("18748-4", "Diagnostic imaging report", "LN")]
    )
    text = Dataset()
    text.RelationshipType, text.ValueType = "CONTAINS", "TEXT"
    text.ConceptNameCodeSequence = DicomSequence([code("121106", "Comment", "DCM")])
    text.TextValue = "Synthetic note: four views taken, compression tolerated."
    dataset.ContentSequence = DicomSequence([text])
    return to_bytes(dataset)


def damage(whole: Dataset, defect: str, seed: int) -> bytes:
    """Bytes of a damaged file.

    Parameters
    ----------
    whole : Dataset
        What the file would have been; changed in the process.
    defect : str
        "truncated": cut within the pixels, as by a lost connection. "empty": no byte. "not DICOM":
        the error page of a web service. "short pixels": well-formed, but the last rows are missing.
        "missing tag": without the side, the photometric interpretation or the accession number.
    seed : int
        Of where it is cut, or of the tag that is lost.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If the defect is unknown.
    """
    draws = stream([seed], "damage")
    if defect == "empty":
        return b""
    if defect == "not DICOM":
        return _ERROR_PAGE
    if defect == "truncated":
        content = to_bytes(whole)
        return content[: len(content) - int(draws.uniform(0.1, 0.9) * len(whole.PixelData))]
    if defect == "short pixels":
        lost_rows = max(1, whole.Rows // 8)
        whole.PixelData = whole.PixelData[: -2 * lost_rows * whole.Columns]
        return to_bytes(whole)
    if defect == "missing tag":
        delattr(whole, _TAGS[int(draws.integers(len(_TAGS)))])
        return to_bytes(whole)
    raise ValueError(f"unknown defect {defect!r}")


def _about(exam: ExamPixels, series: str, uid: str, number: int, shot: Shot) -> Dataset:
    """Patient, study and what both kinds of papers share."""
    dataset = study_dataset(exam, series, shot)
    vendor = vendor_of(exam.vendor)
    dataset.Manufacturer, dataset.ManufacturerModelName = vendor.manufacturer, vendor.model
    dataset.SOPInstanceUID = uid
    dataset.InstanceNumber = number
    return dataset


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(16)
