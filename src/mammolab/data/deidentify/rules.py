"""What becomes of each DICOM attribute: PS3.15 Annex E by library, and our list of what is kept.

What Annex E names is treated as its table says (dicom-anonymizer's copy of edition 2026c), under
the options "Retain Patient Characteristics" (age alone) and "Retain Longitudinal Temporal
Information with Modified Dates". What it does not name is kept only if it is in kept.json: Annex E
leaves hundreds of attributes alone in which people type what they like.
"""

import json
from pathlib import Path

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.tag import Tag
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID

EDITION = "dicomfields_2026c"
TEMPORAL_VRS = ("DA", "TM", "DT")
SHIFTED = (  # all other dates and times are removed
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "ContentDate",
    "AcquisitionTime",
    "ContentTime",
    "AcquisitionDateTime",
)
# Ids that stay, as pseudonyms.
PSEUDONYMS = {"PatientID": "patient", "PatientName": "patient", "AccessionNumber": "exam"}
KEPT_UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
CODES = (  # kept sequences whose items are codes
    "ViewCodeSequence",
    "ViewModifierCodeSequence",
    "AnatomicRegionSequence",
    "AnatomicRegionModifierSequence",
)
# Terms of the standard: they identify nobody, whatever a patient is called.
TERMS = frozenset(
    {"MG", "CR", "RG", "OT", "MONOCHROME1", "MONOCHROME2", "FOR PRESENTATION", "FOR PROCESSING"}
    | {"YES", "NO", "CC", "MLO", "BREAST", "ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY"}
    | {str(PYDICOM_IMPLEMENTATION_UID)}  # of the program that writes the file meta
    | {"LINEAR", "LINEAR_EXACT", "SIGMOID", "IDENTITY", "INVERSE", "TOMOSYNTHESIS"}
)
AGE = "PatientAge"
DESCRIPTION = "SeriesDescription"  # kept as one fixed word where it says synthetic 2-D

# By what they are for.
KEPT: dict[str, list[str]] = json.loads(
    Path(__file__).with_name("kept.json").read_text(encoding="utf-8")
)
KEPT_TAGS = frozenset(tag_for_keyword(keyword) for held in KEPT.values() for keyword in held)


def kept_vrs(tag: int) -> tuple[str, ...]:
    """The VRs that the standard gives a kept attribute, e.g. ("US", "SS")."""
    return tuple(dictionary_VR(tag).split(" or "))


def annex_e() -> dict[tuple[int, ...], object]:
    """The library's action for every attribute that Annex E names, keyed as the library keys it."""
    from dicomanonymizer.simpledicomanonymizer import initialize_actions

    return initialize_actions(EDITION)


def is_named(tag: int, actions: dict[tuple[int, ...], object]) -> bool:
    """Whether Annex E names an attribute by itself (curves and overlays, by group, are kept by
    nobody)."""
    tag = Tag(tag)
    return (tag.group, tag.element) in actions
