"""The objects of an export are valid DICOM, checked against PS3.3 and what else knows it."""

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts

from mammolab.world import parameters_pacs as p
from mammolab.world.dicom_encode import MODIFIER_CODES, SECTION_CODES, VIEW_CODES
from mammolab.world.pacs_extras import Instance

# Attributes of type 1 (present, with a value) and 2 (present) of the modules of each object.
TYPE_1 = [
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "InstanceNumber",
]
TYPE_2 = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "SeriesNumber",
    "Manufacturer",
]
PIXEL_1 = [
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
]
MAMMOGRAPHY_1 = [
    "PresentationIntentType",
    "ImageType",
    "PixelIntensityRelationship",
    "PixelIntensityRelationshipSign",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "PresentationLUTShape",
    "LossyImageCompression",
    "BurnedInAnnotation",
    "ImageLaterality",
    "AnatomicRegionSequence",
    "PositionerType",
    "ImagerPixelSpacing",
    "OrganExposed",
    "ViewCodeSequence",
    "PatientOrientation",
    "ContentDate",
    "ContentTime",
]
REPORT_1 = [
    "CompletionFlag",
    "VerificationFlag",
    "ContentDate",
    "ContentTime",
    "ValueType",
    "ContinuityOfContent",
    "ConceptNameCodeSequence",
    "ContentSequence",
]
REPORT_2 = ["ReferencedPerformedProcedureStepSequence", "PerformedProcedureCodeSequence"]


@pytest.fixture(scope="module")
def whole(export: Path, listed) -> dict[Path, tuple[Instance, Dataset]]:
    """Every object of the export that is not damaged."""
    return {
        export / path: (instance, pydicom.dcmread(export / path))
        for path, (_, instance) in listed.items()
        if not instance.defect
    }


def test_required_attributes_are_there(whole):
    for instance, file in whole.values():
        filled, present = list(TYPE_1), list(TYPE_2)
        if instance.kind == "note":
            filled += REPORT_1
            present += REPORT_2
        elif instance.kind == "dose":
            filled += [*PIXEL_1, "ConversionType", "ImageType", "BurnedInAnnotation"]
        else:
            filled += [*PIXEL_1, *MAMMOGRAPHY_1]
            present += ["AcquisitionContextSequence", "DetectorType"]
            assert "ViewModifierCodeSequence" in file.ViewCodeSequence[0]
        assert [name for name in present + filled if name not in file] == [], instance.kind
        assert [name for name in filled if file[name].is_empty] == [], instance.kind
        assert file.file_meta.MediaStorageSOPInstanceUID == file.SOPInstanceUID
        assert file.file_meta.MediaStorageSOPClassUID == file.SOPClassUID


def test_values_follow_the_standard(whole, pacs):
    """PS3.3 C.8.11.3: intent and image type go together, and so do polarity and the signs."""
    for instance, file in whole.values():
        if instance.kind not in pacs.IMAGES:
            continue
        raw = instance.kind == "raw"
        assert file.SOPClassUID.endswith("1.1.1.2.1" if raw else "1.1.1.2")
        assert file.PresentationIntentType == ("FOR PROCESSING" if raw else "FOR PRESENTATION")
        assert file.ImageType[0] == ("ORIGINAL" if raw else "DERIVED")
        assert ("WindowCenter" in file) == (not raw)
        dark_is_high = file.PhotometricInterpretation == "MONOCHROME1"
        assert file.PresentationLUTShape == ("INVERSE" if dark_is_high else "IDENTITY")
        # Where high values are shown dark, high values are many X-rays: the sign is 1.
        assert file.PixelIntensityRelationshipSign == (1 if dark_is_high else -1)
        assert file.pixel_array.max() < 2**file.BitsStored
        factor = float(file.EstimatedRadiographicMagnificationFactor)
        assert factor == (p.MAGNIFICATION_FACTOR.value if instance.kind == "magnified" else 1)
        assert ("PartialView" in file) == (instance.kind == "partial")


def test_objects_of_a_study_and_series_agree(whole, pacs):
    per_study, per_series = {}, {}
    for _, file in whole.values():
        study = (file.PatientID, file.AccessionNumber, file.StudyDate, file.StudyTime)
        series = (file.Modality, file.SeriesNumber, file.SeriesTime, file.StudyInstanceUID)
        per_study.setdefault(file.StudyInstanceUID, set()).add(study)
        per_series.setdefault(file.SeriesInstanceUID, set()).add(series)
        assert file.StudyTime <= file.ContentTime
    assert len(per_study) == pacs.N_EXAMS
    assert all(len(known) == 1 for known in [*per_study.values(), *per_series.values()])


@pytest.mark.parametrize(
    ("codes", "context_group"), [(VIEW_CODES, 4014), (MODIFIER_CODES, 4015), (SECTION_CODES, 4005)]
)
def test_codes_are_those_of_the_standard(codes: dict, context_group: int):
    """Against the context groups of PS3.16 that pydicom ships."""
    known = {
        value: meaning
        for word in cid_concepts[context_group]["SCT"]
        for value, (meaning, _) in concepts["SCT"][word].items()
    }
    for value, meaning in codes.values():
        spoken = known[value].lower().replace("medial-lateral", "medio-lateral")
        assert spoken == meaning.lower()


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_valid_by_dciodvfy(whole):
    seen: Counter[str] = Counter()
    for path, (instance, _) in whole.items():
        if seen[instance.kind] == 3:
            continue
        seen[instance.kind] += 1
        checked = subprocess.run(
            ["dciodvfy", str(path)], check=False, capture_output=True, text=True
        )
        lines = (checked.stderr + checked.stdout).splitlines()
        assert [line for line in lines if line.startswith("Error")] == [], instance.kind
