"""The DICOM dataset of one mammographic view (PS3.3 A.26: Digital Mammography X-Ray Image)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
)

from mammolab.world.exam_pixels import ExamPixels
from mammolab.world.render import BreastView
from mammolab.world.vendors import AIR_SIGNAL, SIGNAL_HIGH, SIGNAL_LOW, tone_table, vendor_of

# SNOMED CT code and meaning of the view, PS3.16 CID 4014; of what modifies it, CID 4015; and of the
# part that a partial view shows, CID 4005.
VIEW_CODES = {
    "CC": ("399162004", "cranio-caudal"),
    "MLO": ("399368009", "medio-lateral oblique"),
    "ML": ("399260004", "medio-lateral"),
    "XCCL": ("399192008", "cranio-caudal exaggerated laterally"),
}
MODIFIER_CODES = {
    "spot compression": ("399055006", "Spot Compression"),
    "magnification": ("399163009", "Magnification"),
    "implant displaced": ("399209000", "Implant Displaced"),
}
SECTION_CODES = {
    "inferior": ("261089000", "Inferior"),
    "medial": ("255561001", "Medial"),
}
# PatientOrientation of the stored matrix (direction of rows, then of columns), with the axilla or
# the lateral side at the top.
_ORIENTATION = {
    ("L", "CC"): ["A", "R"],
    ("R", "CC"): ["P", "L"],
    ("L", "MLO"): ["A", "FR"],
    ("R", "MLO"): ["P", "FL"],
    ("L", "ML"): ["A", "F"],
    ("R", "ML"): ["P", "F"],
    ("L", "XCCL"): ["A", "R"],
    ("R", "XCCL"): ["P", "L"],
}
_ANGLES = {"CC": 0.0, "XCCL": 0.0, "MLO": 45.0, "ML": 90.0}  # degrees; minus on the left
_SERIES = {"images": 1, "raw images": 2, "dose": 98, "note": 99}  # numbers
_IMPLEMENTATION_UID = "2.25.301947224512091827364551820934771002"

RAW_BITS = 14  # of a raw image; assumption


@dataclass(frozen=True)
class Shot:
    """How an image was taken, beyond the breast that it shows."""

    start_s: float = 0.0  # seconds after the start of the study
    position: str = ""  # key of VIEW_CODES; empty for the view of the breast itself
    modifiers: tuple[str, ...] = ()  # keys of MODIFIER_CODES
    section: str = ""  # key of SECTION_CODES: the image is partial and shows this part
    magnification: float = 1.0
    for_processing: bool = False


STANDARD = Shot()


def encode_view(stored: np.ndarray, exam: ExamPixels, view: BreastView, uid: str, number: int,
                shot: Shot = STANDARD) -> bytes:  # fmt: skip
    """DICOM file of one view; see `dataset_of_view`.

    Returns
    -------
    bytes
        A complete part 10 file, explicit VR little endian.
    """
    return to_bytes(dataset_of_view(stored, exam, view, uid, number, shot))


def dataset_of_view(stored: np.ndarray, exam: ExamPixels, view: BreastView, uid: str, number: int,
                    shot: Shot = STANDARD) -> Dataset:  # fmt: skip
    """Dataset of one view.

    Parameters
    ----------
    stored : ndarray of uint16, shape (rows, columns)
        Pixel values from `render`, or from `raw_values` if `shot.for_processing`.
    exam, view : ExamPixels, BreastView
    uid : str
        SOP Instance UID.
    number : int
        Instance number within the study.
    shot : Shot

    Returns
    -------
    Dataset
        With file meta information.
    """
    rows, columns = stored.shape
    position = shot.position or view.view
    dataset = study_dataset(exam, "raw images" if shot.for_processing else "images", shot)
    dataset.update(_template(view.vendor, rows, columns, shot.for_processing))
    dataset.SOPInstanceUID = uid
    dataset.AcquisitionDate, dataset.AcquisitionTime = dataset.ContentDate, dataset.ContentTime
    vendor = vendor_of(view.vendor)
    # A machine keeps its serial number when its software changes.
    dataset.DeviceSerialNumber = f"{vendor.model} {exam.site}"
    dataset.InstanceNumber = number
    dataset.BreastImplantPresent = "YES" if exam.implant else "NO"
    dataset.ImageLaterality = view.laterality
    dataset.ViewPosition = position
    dataset.PatientOrientation = _ORIENTATION[view.laterality, position]
    dataset.ViewCodeSequence = _view_codes(position, shot.modifiers)
    angle = _ANGLES[position]
    dataset.PositionerPrimaryAngle = -angle if view.laterality == "L" and angle else angle
    dataset.EstimatedRadiographicMagnificationFactor = f"{shot.magnification:g}"
    if shot.section:
        dataset.PartialView = "YES"
        dataset.PartialViewDescription = f"{shot.section} part of a large breast"
        dataset.PartialViewCodeSequence = DicomSequence([code(*SECTION_CODES[shot.section])])
    dataset.PixelData = stored.astype("<u2", copy=False).tobytes()
    return dataset


def study_dataset(exam: ExamPixels, series: str, shot: Shot) -> Dataset:
    """Patient, study, series and time: what all objects of an exam have.

    Parameters
    ----------
    exam : ExamPixels
    series : str
        Key of `_SERIES`; the series UID depends on it.
    shot : Shot
        Its start is the time of the content.

    Returns
    -------
    Dataset
    """
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    start, made = _moment(exam, 0), _moment(exam, shot.start_s)
    dataset.StudyDate = dataset.SeriesDate = start[:8]
    dataset.StudyTime = dataset.SeriesTime = start[8:]
    dataset.ContentDate, dataset.ContentTime = made[:8], made[8:]
    dataset.AccessionNumber = dataset.StudyID = exam.exam_id
    dataset.InstitutionName = exam.site
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Synthetic screening mammography"
    dataset.PatientName = f"Synthetic^{exam.patient_id}"
    dataset.PatientID = exam.patient_id
    dataset.PatientBirthDate = f"{exam.birth_year:04d}0101"
    dataset.PatientSex = "F"
    dataset.PatientAge = f"{int(exam.age_years):03d}Y"
    dataset.StudyInstanceUID = uid_of("study", exam.exam_id, exam.breast_seed, exam.exam_seed)
    dataset.SeriesInstanceUID = uid_of("series", dataset.StudyInstanceUID, series)
    dataset.SeriesNumber = _SERIES[series]
    return dataset


def to_bytes(dataset: Dataset) -> bytes:
    """Write a dataset as a part 10 file, explicit VR little endian."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = _IMPLEMENTATION_UID
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def raw_values(stored: np.ndarray, vendor_key: str) -> np.ndarray:
    """Raw-like values behind a finished picture: linear in the X-rays that arrive, air brightest.

    Parameters
    ----------
    stored : ndarray of uint16
        Stored values of a vendor, as `render` returns them.
    vendor_key : str

    Returns
    -------
    ndarray of uint16, same shape
        0 .. 2**RAW_BITS - 1. The vendor's tone curve and polarity are undone and the signal, which
        is a log attenuation, is exponentiated; what the curve clipped stays clipped.
    """
    return _raw_table(vendor_key)[stored]


@lru_cache(maxsize=8)
def _raw_table(vendor_key: str) -> np.ndarray:
    vendor = vendor_of(vendor_key)
    signal = np.linspace(SIGNAL_LOW, SIGNAL_HIGH, 4096)
    value = np.arange(vendor.maximum + 1, dtype=float)
    tone, first = np.unique(tone_table(vendor_key), return_index=True)
    signal = np.interp(value, tone, signal[first])  # black is as bright as air was
    raw = np.exp(-np.maximum(signal - AIR_SIGNAL, 0)) * (2**RAW_BITS - 1)
    return (raw[::-1] if vendor.inverted else raw).astype(np.uint16)


def uid_of(*parts: object) -> str:
    """UID under 2.25 (PS3.5 B.2) from a digest of the parts."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def code(value: str, meaning: str, scheme: str = "SCT") -> Dataset:
    """One item of a code sequence."""
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item


def _moment(exam: ExamPixels, after_s: float) -> str:
    """Date and time (YYYYMMDDHHMMSS) so many seconds into an exam."""
    start = datetime(
        exam.exam_date.year, exam.exam_date.month, exam.exam_date.day,
        8 + exam.exam_seed % 9, exam.exam_seed % 59,
    )  # fmt: skip
    return (start + timedelta(seconds=after_s)).strftime("%Y%m%d%H%M%S")


@lru_cache(maxsize=32)
def _view_codes(position: str, modifiers: tuple[str, ...]) -> DicomSequence:
    item = code(*VIEW_CODES[position])
    item.ViewModifierCodeSequence = DicomSequence([code(*MODIFIER_CODES[m]) for m in modifiers])
    return DicomSequence([item])


@lru_cache(maxsize=32)
def _template(vendor_key: str, rows: int, columns: int, for_processing: bool) -> Dataset:
    """Everything that all images of a vendor share."""
    vendor = vendor_of(vendor_key)
    dataset = Dataset()
    dataset.Modality = "MG"
    dataset.Manufacturer = vendor.manufacturer
    dataset.ManufacturerModelName = vendor.model
    dataset.SoftwareVersions = vendor.software
    dataset.BodyPartExamined = "BREAST"
    dataset.AnatomicRegionSequence = DicomSequence([code("76752008", "Breast")])
    dataset.AcquisitionContextSequence = DicomSequence()
    dataset.ImageComments = "Synthetic image made by mammolab; not a patient."
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    dataset.QualityControlImage = "NO"
    dataset.OrganExposed = "BREAST"
    dataset.PositionerType = "MAMMOGRAPHIC"
    dataset.DetectorType = "DIRECT"
    spacing = f"{vendor.pixel_mm(rows):.6f}"
    dataset.ImagerPixelSpacing = [spacing, spacing]
    dataset.SamplesPerPixel = 1
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated = 16
    dataset.PixelRepresentation = 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    # PixelIntensityRelationshipSign: 1 where low values mean few X-rays (PS3.3 C.8.11.3.1.2).
    if for_processing:
        dataset.ImageType = ["ORIGINAL", "PRIMARY"]
        dataset.SOPClassUID = DigitalMammographyXRayImageStorageForProcessing
        dataset.PresentationIntentType = "FOR PROCESSING"
        dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LIN", 1
        photometric, bits = "MONOCHROME1", RAW_BITS
    else:
        dataset.ImageType = ["DERIVED", "PRIMARY"]
        dataset.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
        dataset.PresentationIntentType = "FOR PRESENTATION"
        dataset.PixelIntensityRelationship = "LOG"
        dataset.PixelIntensityRelationshipSign = 1 if vendor.inverted else -1
        photometric, bits = vendor.photometric, vendor.bits_stored
        centre, width = vendor.window()
        dataset.WindowCenter, dataset.WindowWidth = f"{centre:.2f}", f"{width:.2f}"
        dataset.WindowCenterWidthExplanation = "NORMAL"
        dataset.VOILUTFunction = vendor.voi_function
    dataset.PhotometricInterpretation = photometric
    dataset.PresentationLUTShape = "INVERSE" if photometric == "MONOCHROME1" else "IDENTITY"
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    return dataset
