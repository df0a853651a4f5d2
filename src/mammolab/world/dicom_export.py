"""DICOM files of the synthetic programme.

Each is a Digital Mammography X-Ray Image - For Presentation (DICOM PS3.3 A.27).
"""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian
from threadpoolctl import threadpool_limits

from mammolab.files import write_whole
from mammolab.world import anatomy, fields, vendors
from mammolab.world import lesions as lesion_drawing
from mammolab.world import render as rendering
from mammolab.world.anatomy import SIDES, VIEWS
from mammolab.world.lesions import Lesion
from mammolab.world.render import BreastView, render
from mammolab.world.vendors import Vendor, vendor_of

# SNOMED CT code and meaning of the view, PS3.16 CID 4014; and PatientOrientation of the stored
# matrix (direction of rows, then of columns), with the axilla or the lateral side at the top.
_VIEW_CODES = {"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique")}
_ORIENTATION = {
    ("L", "CC"): ["A", "R"],
    ("R", "CC"): ["P", "L"],
    ("L", "MLO"): ["A", "FR"],
    ("R", "MLO"): ["P", "FL"],
}
_IMPLEMENTATION_UID = "2.25.301947224512091827364551820934771002"
_EXAMS_PER_TASK = 8
_DRAWING_MODULES = (anatomy, fields, lesion_drawing, rendering, vendors)


@dataclass(frozen=True)
class ExamPixels:
    """One exam whose four views are to be drawn and written."""

    exam_id: str
    patient_id: str
    exam_date: date
    age_years: float
    birth_year: int
    vendor: str
    site: str
    implant: bool
    breast_seed: int
    exam_seed: int
    percent_density: float
    breast_size_mm: float
    texture: float
    lesions_left: tuple[Lesion, ...] = ()
    lesions_right: tuple[Lesion, ...] = ()

    def views(self) -> Iterator[BreastView]:
        """The four standard views: R CC, L CC, R MLO, L MLO."""
        for view in VIEWS:
            for laterality in reversed(SIDES):
                yield BreastView(
                    breast_seed=self.breast_seed,
                    exam_seed=self.exam_seed,
                    laterality=laterality,
                    view=view,
                    percent_density=self.percent_density,
                    breast_size_mm=self.breast_size_mm,
                    texture=self.texture,
                    implant=self.implant,
                    vendor=self.vendor,
                    lesions=self.lesions_left if laterality == "L" else self.lesions_right,
                )


def write_exam(folder: Path, exam: ExamPixels, rows: int, columns: int,
               conspicuity: float) -> list[Path]:  # fmt: skip
    """Draw and write the four views of an exam.

    A file is written under a temporary name and then renamed, so a file that exists is complete and
    is left alone. Its UID depends on everything that determines its pixels; files in the exam's
    folder that carry other UIDs are leftovers of another world and are removed.

    Parameters
    ----------
    folder : Path
        Root of the export; files go to <patient_id>/<exam_id>/<SOPInstanceUID>.dcm below it.
    exam : ExamPixels
    rows, columns : int
        Matrix size, see `render`.
    conspicuity : float
        Lesion contrast factor, see `render`.

    Returns
    -------
    list of Path
        The four files, in the order of `ExamPixels.views`.
    """
    place = folder / exam.patient_id / exam.exam_id
    place.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, view in enumerate(exam.views(), start=1):
        uid = instance_uid(exam, view, rows, columns, conspicuity)
        path = place / f"{uid}.dcm"
        paths.append(path)
        if path.exists():
            continue
        stored = render(view, rows, columns, conspicuity)
        content = encode_view(stored, exam, view, uid, number)
        write_whole(path, lambda temporary, content=content: temporary.write_bytes(content))
    for other in {*place.glob("*.dcm"), *place.glob(".*.dcm.*")} - set(paths):
        other.unlink()
    return paths


def export_pixels(raw_dicom: Path, exams: pd.DataFrame, lesions: pd.DataFrame, rows: int,
                  columns: int, conspicuity: float, workers: int) -> int:  # fmt: skip
    """Draw and write every exam; files that are there already are kept, other exams' removed.

    Parameters
    ----------
    raw_dicom : Path
        Root of the export.
    exams : DataFrame
        exam_id, patient_id, exam_date, age_years, device (key of VENDORS), site, birth_year,
        implant, breast_seed, exam_seed, percent_density, breast_size_mm, texture; one row an exam.
    lesions : DataFrame
        exam_id, laterality, kind, diameter_mm, depth, height, seed, malignant; those of other exams
        are ignored.
    rows, columns, conspicuity
        See `render`.
    workers : int
        Processes; the files do not depend on it.

    Returns
    -------
    int
        Number of images now in the export for these exams.

    Raises
    ------
    ValueError
        If `workers` is below 1 or a column is missing; the message names the columns.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    jobs = exams_of(exams, lesions)
    tasks = [jobs[i : i + _EXAMS_PER_TASK] for i in range(0, len(jobs), _EXAMS_PER_TASK)]
    raw_dicom.mkdir(parents=True, exist_ok=True)
    _remove_others(raw_dicom, {(job.patient_id, job.exam_id) for job in jobs})
    common = (raw_dicom, rows, columns, conspicuity)
    # One thread each: processes do not compete, and sums do not depend on the number of threads.
    if workers == 1:
        with threadpool_limits(1):
            return _with_progress((_write_task(common, task) for task in tasks), len(jobs))
    with ProcessPoolExecutor(workers, initializer=threadpool_limits, initargs=(1,)) as pool:
        done = pool.map(_write_task, [common] * len(tasks), tasks)
        return _with_progress(done, len(jobs))


def exams_of(exams: pd.DataFrame, lesions: pd.DataFrame) -> list[ExamPixels]:
    """Rows of the two frames of `export_pixels` as one object an exam."""
    _check_columns(exams, "exams", (
        "exam_id", "patient_id", "exam_date", "age_years", "device", "site", "birth_year",
        "implant", "breast_seed", "exam_seed", "percent_density", "breast_size_mm", "texture",
    ))  # fmt: skip
    _check_columns(lesions, "lesions", (
        "exam_id", "laterality", "kind", "diameter_mm", "depth", "height", "seed", "malignant",
    ))  # fmt: skip
    found: dict[tuple[str, str], list[Lesion]] = {}
    for row in lesions[lesions["exam_id"].isin(exams["exam_id"])].itertuples(index=False):
        lesion = Lesion(
            str(row.kind), float(row.diameter_mm), float(row.depth), float(row.height),
            int(row.seed), bool(row.malignant),
        )  # fmt: skip
        found.setdefault((str(row.exam_id), str(row.laterality)), []).append(lesion)
    return [
        ExamPixels(
            exam_id=str(row.exam_id),
            patient_id=str(row.patient_id),
            exam_date=pd.Timestamp(row.exam_date).date(),
            age_years=float(row.age_years),
            birth_year=int(row.birth_year),
            vendor=str(row.device),
            site=str(row.site),
            implant=bool(row.implant),
            breast_seed=int(row.breast_seed),
            exam_seed=int(row.exam_seed),
            percent_density=float(row.percent_density),
            breast_size_mm=float(row.breast_size_mm),
            texture=float(row.texture),
            lesions_left=tuple(found.get((str(row.exam_id), "L"), ())),
            lesions_right=tuple(found.get((str(row.exam_id), "R"), ())),
        )
        for row in exams.itertuples(index=False)
    ]


def instance_uid(exam: ExamPixels, view: BreastView, rows: int, columns: int,
                 conspicuity: float) -> str:  # fmt: skip
    """SOP Instance UID of one view: a digest of the exam, the view and how it is drawn."""
    parts = (exam, view.laterality, view.view, rows, columns, conspicuity)
    return _uid("image", _drawing_digest(), *parts)


def encode_view(stored: np.ndarray, exam: ExamPixels, view: BreastView, uid: str,
                number: int) -> bytes:  # fmt: skip
    """DICOM file of one view.

    Parameters
    ----------
    stored : ndarray of uint16, shape (rows, columns)
        Pixel values from `render`.
    exam, view : ExamPixels, BreastView
    uid : str
        SOP Instance UID.
    number : int
        Instance number within the study.

    Returns
    -------
    bytes
        A complete part 10 file, explicit VR little endian.
    """
    vendor = vendor_of(view.vendor)
    rows, columns = stored.shape
    dataset = Dataset()
    dataset.update(_template(vendor.key, rows, columns))
    day = exam.exam_date.strftime("%Y%m%d")
    time = f"{8 + exam.exam_seed % 9:02d}{exam.exam_seed % 59:02d}{10 + number:02d}"
    study_uid = _uid("study", exam.exam_id, exam.breast_seed, exam.exam_seed)

    dataset.SOPInstanceUID = uid
    for name in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(dataset, name, day)
    for name in ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime"):
        setattr(dataset, name, time)
    dataset.AccessionNumber = dataset.StudyID = exam.exam_id
    dataset.InstitutionName = exam.site
    dataset.PatientName = f"Synthetic^{exam.patient_id}"
    dataset.PatientID = exam.patient_id
    dataset.PatientBirthDate = f"{exam.birth_year:04d}0101"
    dataset.PatientAge = f"{int(exam.age_years):03d}Y"
    dataset.StudyInstanceUID = study_uid
    dataset.SeriesInstanceUID = _uid("series", study_uid)
    dataset.InstanceNumber = number
    dataset.BreastImplantPresent = "YES" if exam.implant else "NO"
    dataset.ImageLaterality = view.laterality
    dataset.ViewPosition = view.view
    dataset.PatientOrientation = _ORIENTATION[view.laterality, view.view]
    dataset.ViewCodeSequence = _view_codes(view.view)
    dataset.PositionerPrimaryAngle = _angle(view)
    dataset.PixelData = stored.astype("<u2", copy=False).tobytes()

    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = _IMPLEMENTATION_UID
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _write_task(common: tuple[Path, int, int, float], task: list[ExamPixels]) -> tuple[int, int]:
    """Write a few exams; returns how many exams and how many images."""
    folder, rows, columns, conspicuity = common
    images = sum(len(write_exam(folder, exam, rows, columns, conspicuity)) for exam in task)
    return len(task), images


def _remove_others(folder: Path, wanted: set[tuple[str, str]]) -> None:
    """Remove the exams of another world from the export; a file in their place is left alone."""
    for exam in folder.glob("*/*/"):
        if (exam.parent.name, exam.name) not in wanted:
            for path in {*exam.glob("2.25.*.dcm"), *exam.glob(".2.25.*")}:
                path.unlink()
            if not any(exam.iterdir()):
                exam.rmdir()


def _with_progress(done: Iterable[tuple[int, int]], n_exams: int) -> int:
    """Add up finished tasks and print a line at every twentieth of the work."""
    exams = images = 0
    step = max(1, n_exams // 20)
    for finished, written in done:
        before, exams, images = exams, exams + finished, images + written
        if exams // step > before // step or exams == n_exams:
            print(f"[progress] {exams}/{n_exams} exams", flush=True)
    return images


def _check_columns(frame: pd.DataFrame, name: str, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in frame]
    if missing:
        raise ValueError(f"{name} lacks the columns {', '.join(missing)}")


@lru_cache(maxsize=1)
def _drawing_digest() -> str:
    """Digest of the code that draws, so that images drawn by older code are not taken for ours."""
    digest = hashlib.sha256()
    for module in _DRAWING_MODULES:
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()


def _uid(*parts: object) -> str:
    """UID under 2.25 (PS3.5 B.2) from a digest of the parts."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _angle(view: BreastView) -> float:
    """Positioner angle in degrees: 0 from above, 45 oblique, with the sign of the side."""
    if view.view == "CC":
        return 0.0
    return 45.0 if view.laterality == "R" else -45.0


def _code(value: str, meaning: str, scheme: str = "SCT") -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item


@lru_cache(maxsize=4)
def _view_codes(view: str) -> DicomSequence:
    item = _code(*_VIEW_CODES[view])
    item.ViewModifierCodeSequence = DicomSequence()
    return DicomSequence([item])


@lru_cache(maxsize=16)
def _template(vendor_key: str, rows: int, columns: int) -> Dataset:
    """Everything that all images of a vendor share."""
    vendor: Vendor = vendor_of(vendor_key)
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    dataset.Modality = "MG"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.Manufacturer = vendor.manufacturer
    dataset.ManufacturerModelName = vendor.model
    dataset.SoftwareVersions = vendor.software
    dataset.DeviceSerialNumber = f"{vendor.key}-001"
    dataset.ReferringPhysicianName = ""
    dataset.PatientSex = "F"
    dataset.StudyDescription = "Synthetic screening mammography"
    dataset.BodyPartExamined = "BREAST"
    dataset.SeriesNumber = 1
    dataset.AnatomicRegionSequence = DicomSequence([_code("76752008", "Breast")])
    dataset.AcquisitionContextSequence = DicomSequence()
    dataset.ImageComments = "Synthetic image made by mammolab; not a patient."
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    dataset.QualityControlImage = "NO"
    dataset.OrganExposed = "BREAST"
    dataset.PositionerType = "MAMMOGRAPHIC"
    dataset.DetectorType = "DIRECT"
    spacing = f"{vendor.spacing_mm(columns):.6f}"
    dataset.ImagerPixelSpacing = [spacing, spacing]
    dataset.EstimatedRadiographicMagnificationFactor = "1"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = vendor.photometric
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated = 16
    dataset.BitsStored = vendor.bits_stored
    dataset.HighBit = vendor.bits_stored - 1
    dataset.PixelRepresentation = 0
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = -1 if vendor.inverted else 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape = "INVERSE" if vendor.inverted else "IDENTITY"
    centre, width = vendor.window()
    dataset.WindowCenter, dataset.WindowWidth = f"{centre:.2f}", f"{width:.2f}"
    dataset.WindowCenterWidthExplanation = "NORMAL"
    dataset.VOILUTFunction = vendor.voi_function
    return dataset
