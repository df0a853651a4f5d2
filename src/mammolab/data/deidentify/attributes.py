"""De-identify one DICOM header in place: Annex E by library, our options, and what is kept."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.sr.codedict import codes

from mammolab.data.deidentify import rules
from mammolab.data.deidentify.pseudonyms import Pseudonyms
from mammolab.data.header import Rejected, text_of
from mammolab.data.source import GENERATED_NAMES

MAX_DEPTH = 4  # of kept sequences within one another; per-frame groups need three
MAX_AGE_YEARS = 89  # above, ages are one group: 45 CFR 164.514(b)(2)(i)(C)
OLDEST = f"{MAX_AGE_YEARS + 1:03d}Y"
GENERATED_WORD = "SYNTHETIC 2D"
METHOD = "mammolab: PS3.15 Annex E, dates moved per patient, age kept"
# DICOM PS3.16 CID 7050.
METHOD_CODES = {
    "113100": "Basic Application Confidentiality Profile",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
}
CODE = ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")
CODING_SCHEMES = ("DCM", "SCT", "SRT", "SNM3", "99SDM")
VALUE_OF_VR = {
    "CS": re.compile(r"[A-Za-z0-9 _.+-]{0,16}"),
    "DS": re.compile(r" *[-+]?[0-9.]{1,16}([eE][-+]?[0-9]{1,3})? *"),
    "IS": re.compile(r" *[-+]?[0-9]{1,12} *"),
    "SH": re.compile(r"[ -~]{0,16}"),
    "LO": re.compile(r"[ -~]{0,64}"),
}
NUMBER_VRS = ("US", "SS", "UL", "SL", "FL", "FD")
MAX_VALUES = 32  # of an attribute that may have any number


@dataclass
class Changes:
    """What was done to one header.

    Attributes
    ----------
    removed : how often each attribute was removed, emptied or replaced, by keyword or "private".
    written : values that we made: new ids, dates, times and words.
    """

    removed: Counter = field(default_factory=Counter)
    written: set[str] = field(default_factory=set)


def deidentify_header(dataset: Dataset, pseudonyms: Pseudonyms) -> Changes:
    """Replace and remove, in place, all that identifies; pixels are not looked at.

    Parameters
    ----------
    dataset : a whole mammogram with its file meta; PatientID says whose it is.
    pseudonyms : of the key.

    Raises
    ------
    Rejected : no PatientID, StudyInstanceUID or SOPInstanceUID.
    """
    changes, patient_id = Changes(), text_of(dataset, "PatientID")
    for keyword in ("PatientID", "SOPInstanceUID", "StudyInstanceUID"):
        if not text_of(dataset, keyword):
            raise Rejected(f"missing id: {keyword}")
    made = _made(dataset, pseudonyms, patient_id)
    actions = rules.annex_e()
    before = set(dataset.keys())
    _keep_only(dataset, actions, changes, depth=0)
    _apply(dataset, actions)
    for keyword, value in made.items():
        setattr(dataset, keyword, value)
    gone = before - set(dataset.keys())
    emptied = {tag for tag in before & set(dataset.keys()) if rules.is_named(tag, actions)}
    changes.removed.update(map(_name, gone | emptied))
    changes.written |= {value for value in made.values() if value}
    _state(dataset, changes)
    dataset.file_meta = _meta(dataset)
    dataset.preamble = b"\0" * 128
    return changes


def texts(dataset: Dataset) -> Iterator[tuple[Dataset, int, str]]:
    """Every text value: its (nested) dataset, tag, and value."""
    for tag in list(dataset.keys()):
        element = dataset[tag]
        if element.VR == "SQ":
            for item in element.value:
                yield from texts(item)
        elif element.VR not in (*NUMBER_VRS, "OB", "OW", "UN", "OF", "OD", "OL", "OV", "AT"):
            given = element.value
            for value in given if isinstance(given, MultiValue) else [given]:
                yield dataset, int(tag), "" if value is None else str(value)


def _made(dataset: Dataset, pseudonyms: Pseudonyms, patient_id: str) -> dict[str, str]:
    """The values that replace ids, dates and times, and the words that we write, by keyword."""
    made = {}
    for keyword, kind in rules.PSEUDONYMS.items():
        source = "PatientID" if kind == "patient" else keyword
        made[keyword] = pseudonyms.of(kind, text_of(dataset, source))
    for keyword in rules.KEPT_UIDS:
        if keyword in dataset:
            made[keyword] = pseudonyms.uid(text_of(dataset, keyword))
    for keyword in rules.SHIFTED:
        if keyword in dataset:
            moved = _moved(
                text_of(dataset, keyword), dictionary_VR(keyword), pseudonyms, patient_id
            )
            made[keyword] = moved
    made["StudyTime"] = made["ReferringPhysicianName"] = made["StudyID"] = ""
    made["PatientBirthDate"] = made["PatientSex"] = ""
    age = age_of(dataset)
    if age:
        made[rules.AGE] = age
    if GENERATED_NAMES.search(text_of(dataset, rules.DESCRIPTION).replace("_", " ")):
        made[rules.DESCRIPTION] = GENERATED_WORD
    return made


def _moved(text: str, vr: str, pseudonyms: Pseudonyms, patient_id: str) -> str:
    if vr == "DA":
        return pseudonyms.shift_date(text, patient_id)
    if vr == "TM":
        return pseudonyms.shift_time(text, patient_id)
    day = pseudonyms.shift_date(text[:8], patient_id)
    return day and day + pseudonyms.shift_time(text[8:14], patient_id)


def age_of(dataset: Dataset) -> str:
    """PatientAge, else computed from birth and study date; above 89 one value; "" if unknown.

    Examples
    --------
    >>> dataset = Dataset()
    >>> dataset.PatientBirthDate, dataset.StudyDate = "19500615", "20100614"
    >>> age_of(dataset)
    '059Y'
    """
    given = text_of(dataset, rules.AGE)
    if re.fullmatch(r"[0-9]{3}[DWMY]", given):
        return OLDEST if given[3] == "Y" and int(given[:3]) > MAX_AGE_YEARS else given
    try:
        born, seen = (
            datetime.strptime(text_of(dataset, keyword).replace(".", ""), "%Y%m%d")
            for keyword in ("PatientBirthDate", "StudyDate")
        )
    except ValueError:
        return ""
    years = seen.year - born.year - ((seen.month, seen.day) < (born.month, born.day))
    return f"{min(years, MAX_AGE_YEARS + 1):03d}Y" if years >= 0 else ""


def _keep_only(dataset: Dataset, actions: dict, changes: Changes, depth: int) -> None:
    """Remove, at every depth, what is neither kept nor Annex E's; nested, what it names too."""
    for tag in list(dataset.keys()):
        named = rules.is_named(tag, actions) and depth == 0
        if not named and not _is_kept(dataset, tag):
            del dataset[tag]
            if depth:
                changes.removed[_name(tag)] += 1
            continue
        if tag in rules.KEPT_TAGS and dataset[tag].VR == "SQ":
            if depth == MAX_DEPTH:
                del dataset[tag]
                continue
            items = []
            for item in dataset[tag].value:
                code = _standard_code(item) if keyword_for_tag(tag) in rules.CODES else {}
                _keep_only(item, actions, changes, depth + 1)
                for keyword, value in (code or {}).items():
                    setattr(item, keyword, value)
                    changes.written.add(value)
                items += [item] if code is not None else []
            dataset[tag].value = items


def _is_kept(dataset: Dataset, tag: int) -> bool:
    """Whether an attribute is on the list, of its VR, and its values look like such."""
    if tag not in rules.KEPT_TAGS:
        return False
    try:
        element = dataset[tag]
        if element.VR not in rules.kept_vrs(tag):
            return False
        given = element.value
    except Exception:  # noqa: BLE001 - pydicom converts values on access, and hostile ones raise
        return False
    if element.VR == "SQ" or element.keyword in ("PixelData", "LUTData"):
        return True
    values = list(given) if isinstance(given, (MultiValue, list)) else [given]
    most = dictionary_VM(tag).split("-")[-1]
    if len(values) > (int(most) if most.isdigit() else MAX_VALUES):
        return False
    if element.VR in NUMBER_VRS:
        return all(isinstance(value, (int, float)) for value in values)
    if element.VR == "UI":
        return str(given).startswith("1.2.840.10008.")
    pattern = VALUE_OF_VR.get(element.VR)
    return pattern is not None and all(
        value is None or value == "" or pattern.fullmatch(str(value)) for value in values
    )


def _standard_code(item: Dataset) -> dict[str, str] | None:
    """Take the code out of an item, with its meaning in the standard's words; None for others'."""
    scheme, value, given = (text_of(item, keyword) for keyword in CODE)
    for keyword in CODE:
        if keyword in item:
            del item[keyword]
    if scheme not in CODING_SCHEMES or not re.fullmatch(r"[0-9]{5,18}|[A-Z]-[0-9A-F]{4,6}", value):
        return None
    known = _meanings(scheme).get(value, [])
    standard = given in known or (not known and given in _terms())
    meaning = given if standard else [*known, f"code {value}"][0]
    return dict(zip(CODE, (scheme, value, meaning), strict=True))


@lru_cache
def _meanings(scheme: str) -> dict[str, list[str]]:
    """What each code of a scheme means, in the words of the standard."""
    known: dict[str, list[str]] = defaultdict(list)
    with suppress(AttributeError):
        terms = getattr(codes, scheme)
        for name in terms.dir():
            with suppress(AttributeError):  # one word for several codes
                known[getattr(terms, name).value].append(getattr(terms, name).meaning[:64])
    return known


@lru_cache
def _terms() -> frozenset[str]:
    """Every term of SNOMED CT that DICOM uses, for its codes under older schemes."""
    return frozenset(term for terms in _meanings("SCT").values() for term in terms)


def _apply(dataset: Dataset, actions: dict) -> None:
    """Let the library treat what Annex E names; sequences, dates and times are simply removed.

    The library would set removed dates to year 1 and look into sequences that nobody needs.
    """
    from dicomanonymizer import anonymize_dataset

    def remove(held: Dataset, tag: tuple) -> None:
        if tag in held:
            del held[tag]

    ours = {}
    for tag, action in actions.items():
        if len(tag) > 2 or tag[0] == 0x0002:  # groups are gone already; the meta is made anew
            continue
        if action.__name__ == "replace_UID" or _vr(tag) in (*rules.TEMPORAL_VRS, "SQ"):
            ours[tag] = remove
    anonymize_dataset(
        dataset,
        ours,
        delete_private_tags=True,
        base_rules_gen=lambda: {tag: act for tag, act in actions.items() if tag[0] != 0x0002},
    )


def _vr(tag: tuple) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


def _state(dataset: Dataset, changes: Changes) -> None:
    """Say in the header that it was de-identified, and how (DICOM PS3.3 C.7.1.1)."""
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "MODIFIED"
    dataset.DeidentificationMethod = METHOD
    items = []
    for value, meaning in METHOD_CODES.items():
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
        items.append(item)
    dataset.DeidentificationMethodCodeSequence = items
    changes.written |= {METHOD, "MODIFIED", *METHOD_CODES.values(), *METHOD_CODES}


def _meta(dataset: Dataset) -> FileMetaDataset:
    """A new file meta: pydicom adds what makes a valid file."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return meta


def _name(tag: int) -> str:
    if tag >> 16 & 1:
        return "private"
    group = tag >> 16 & 0xFF00
    repeated = {0x6000: "overlay", 0x5000: "curve"}.get(group)
    return repeated or keyword_for_tag(tag) or "unknown"
