"""Fixtures that several tests share: a tiny DICOM writer and a tiny hospital export."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from mammolab.data.archive import convert_archive, index_archive
from mammolab.data.ingest import Archive, choose
from mammolab.schemas import COLUMNS

FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"


def make_mammogram(pixels: np.ndarray | None = None, **changes) -> Dataset:
    """A minimal valid mammogram; `changes` set tags by keyword, None removes one."""
    if pixels is None:
        pixels = np.arange(12, dtype=np.uint16).reshape(3, 4) * 300
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = FOR_PRESENTATION
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.SOPClassUID = FOR_PRESENTATION
    dataset.SOPInstanceUID = "1.2.3"
    dataset.Modality = "MG"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.PatientID, dataset.AccessionNumber = "P1", "E1"
    dataset.ImageLaterality, dataset.ViewPosition = "L", "CC"
    dataset.ImagerPixelSpacing = [0.1, 0.1]
    dataset.Manufacturer, dataset.ManufacturerModelName = "maker", "model"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = 12 if pixels.dtype.itemsize == 2 else 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.WindowCenter, dataset.WindowWidth = "2048", "4096"
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    for keyword, value in changes.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    if "BitsStored" in changes:
        dataset.HighBit = dataset.BitsStored - 1
    return dataset


@pytest.fixture
def mammogram():
    """The function `make_mammogram(pixels, **changes)`."""
    return make_mammogram


@pytest.fixture(scope="session")
def write_mammogram():
    """A function (path, pixels, **changes) that writes a minimal mammogram and returns its path."""

    def write(path: Path, pixels: np.ndarray | None = None, **changes) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset = make_mammogram(pixels, **changes)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3")
        pydicom.dcmwrite(path, dataset, enforce_file_format=True)
        return path

    return write


NO_EXAMS = pd.DataFrame(columns=["exam_id", "patient_id"], dtype=object)


@pytest.fixture(scope="session")
def index_of(tmp_path_factory):
    """A function (folder, workers, exams) to table `dicom_index` of all its files, by path."""

    def index(folder: Path, workers: int = 1, exams: pd.DataFrame = NO_EXAMS) -> pd.DataFrame:
        run = tmp_path_factory.mktemp("run")
        facts = index_archive(Archive(folder), run, exams, workers)
        return choose(facts, {}, 1).set_index("path")

    return index


@pytest.fixture(scope="session")
def convert_folder(tmp_path_factory):
    """A function (folder, path of the array, rows, columns, ...) to dicom_index and images."""

    def convert(
        folder: Path,
        path: Path,
        rows: int,
        columns: int,
        spacing_mm: float | None = None,
        workers: int = 1,
        exam_ids: list[str] | None = None,
        run: Path | None = None,
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        archive, run = Archive(folder), run or tmp_path_factory.mktemp("run")
        facts = index_archive(archive, run, NO_EXAMS, workers)
        exams = set(facts["exam_id"] if exam_ids is None else exam_ids)
        return convert_archive(
            facts, archive, run, path, rows, columns, spacing_mm, 1, workers, exams
        )

    return convert


@pytest.fixture
def shared_data() -> Path:
    """Folder of real files beside the repository; the test is skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real test files is absent")
    return folder


def _patient(patient_id: str, **known) -> dict:
    return {"patient_id": patient_id, "birth_year": 1950, "race_ethnicity": "white"} | known


def _exam(exam_id: str, patient_id: str, exam_date: str, **known) -> dict:
    usual = {
        "age_years": 60,
        "site": "s1",
        "device": "alder",
        "density": "b",
        "birads": 1,
        "reader_id": "r1",
        "recall": 0,
        "biopsy": 0,
        "indication": "screening",
        "implant": 0,
    }
    return usual | {"exam_id": exam_id, "patient_id": patient_id, "exam_date": exam_date} | known


def _cancer(registry_id: str, patient_id: str, date: str, laterality: str, **known) -> dict:
    usual = {"behaviour": "invasive", "size_mm": 12.0}
    return (
        usual
        | {
            "registry_id": registry_id,
            "patient_id": patient_id,
            "diagnosis_date": date,
            "laterality": laterality,
        }
        | known
    )


def _report(report_id: str, patient_id: str, date: str, laterality: str, result: str) -> dict:
    return {
        "report_id": report_id,
        "patient_id": patient_id,
        "specimen_date": date,
        "laterality": laterality,
        "result": result,
    }


@pytest.fixture
def tiny_rows() -> dict[str, list[dict]]:
    """Rows of a hospital export whose cohort is known by hand (see tests/data/test_cohort.py)."""
    return {
        "patients": [
            _patient("P1", last_contact_date="2020-06-01"),
            _patient("P2", last_contact_date="2010-09-01", race_ethnicity="black"),
            _patient("P3", last_contact_date="2010-06-01", race_ethnicity=""),
            _patient("P4", last_contact_date="2020-01-01", death_date="2013-01-10"),
            _patient("P5", last_contact_date="2021-12-31", race_ethnicity="asian"),
        ],
        "exams": [
            _exam("E01", "P1", "2010-01-10", sampling_weight=4),
            _exam("E02", "P1", "2012-01-10", indication="diagnostic"),
            _exam("E03", "P1", "2013-03-01"),
            _exam("E04", "P2", "2010-03-01", recall=1, biopsy=1, birads=0, sampling_weight=1),
            _exam("E05", "P3", "2010-03-01"),
            _exam("E06", "P4", "2011-01-10", age_years=39.5),
            _exam("E07", "P4", "2012-01-10", implant=1, sampling_weight=2),
            _exam("E08", "P4", "2012-01-10"),
            _exam("E09", "P4", "2013-02-10"),
            _exam("E10", "P5", "2010-05-05", density="", age_years=70),
            _exam("E11", "P5", "2015-05-05", sampling_weight=1),
        ],
        "registry": [
            _cancer("R1", "P1", "2012-01-20", "L"),
            _cancer("R2", "P2", "2010-03-20", "R", size_mm=9.0),
            _cancer("R3", "", "2011-01-01", "L"),
            _cancer("R4", "P9", "2011-01-01", "L"),
            _cancer("R5", "P5", "2016-05-04", "L", behaviour="in_situ", size_mm=5.0),
        ],
        "pathology": [
            _report("A1", "P2", "2010-03-10", "R", "in_situ"),
            _report("A2", "P5", "2010-06-01", "R", "benign"),
            _report("A3", "P5", "2015-06-01", "R", "invasive"),
        ],
    }


@pytest.fixture
def write_export(tmp_path):
    """A function (rows) that writes a raw export as CSV files and returns its folder."""

    def write(rows: dict[str, list[dict]]) -> Path:
        raw = tmp_path / "raw"
        files = {
            "patients": "ehr/patients.csv",
            "exams": "ehr/exams.csv",
            "registry": "registry/cancers.csv",
            "pathology": "pathology/reports.csv",
        }
        for name, relative in files.items():
            path = raw / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(rows[name], columns=list(COLUMNS[name])).to_csv(path, index=False)
        header = {
            "extract_date": "2021-12-31",
            "registry_complete_through": "2020-12-31",
            "synthetic": True,
            "source": "test",
        }
        (raw / "export.json").write_text(json.dumps(header))
        return raw

    return write
