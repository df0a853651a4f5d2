"""Who can be recognised by what: the identifiers that a file or table holds, to search for."""

import re
from collections import defaultdict

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from mammolab.data.header import UID

SHORTEST_NAME, SHORTEST, SHORTEST_UID = 3, 4, 8  # bytes; what is shorter is in every file by chance
MAX_DEPTH = 16
# Ids, places and devices; names of persons are known by their VR.
KEYWORDS = frozenset(
    [
        "PatientID",
        "OtherPatientIDs",
        "IssuerOfPatientID",
        "MedicalRecordLocator",
        "AccessionNumber",
        "StudyID",
        "AdmissionID",
        "ServiceEpisodeID",
        "RequestedProcedureID",
        "ScheduledProcedureStepID",
        "PerformedProcedureStepID",
        "PlacerOrderNumberImagingServiceRequest",
        "FillerOrderNumberImagingServiceRequest",
        "InsurancePlanIdentification",
        "InstitutionName",
        "InstitutionAddress",
        "InstitutionalDepartmentName",
        "StationName",
        "PatientAddress",
        "PatientTelephoneNumbers",
        "PatientInstitutionResidence",
        "ReferringPhysicianAddress",
        "ReferringPhysicianTelephoneNumbers",
        "PersonAddress",
        "PersonTelephoneNumbers",
        "DeviceSerialNumber",
        "DetectorID",
        "PlateID",
        "GantryID",
        "CassetteID",
        "GeneratorID",
        "DeviceID",
        "UniqueDeviceIdentifier",
        "StationAETitle",
        "PerformedStationAETitle",
        "PerformedStationName",
        "ScheduledStationAETitle",
        "ScheduledStationName",
        "RetrieveAETitle",
        "SourceApplicationEntityTitle",
        "SendingApplicationEntityTitle",
        "ReceivingApplicationEntityTitle",
        "OverlayComments",
    ]
)
BIRTH = "PatientBirthDate"
CLASS_UIDS = ("ClassUID", "SyntaxUID", "CodingSchemeUID")  # how the keywords of no object's end
LONGEST = 256  # bytes of an identifier; longer ones are free text, or a header that is broken
# A broken length lets a value swallow its neighbours; escapes (1B) belong to character sets.
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
WELL_KNOWN = "1.2.840.10008."
NAME_PART = re.compile(r"[\s^=,;.\\-]+")


def identifiers_of(dataset: Dataset) -> dict[str, list[str]]:
    """Every identifier of a header, at any depth.

    Parameters
    ----------
    dataset : header with its file meta, as read; values are looked at as bytes too, since what a
        file says of its character set need not be true.

    Returns
    -------
    By kind ("PatientName", "a person's name", "birth date", "UID", a keyword), spellings as they
    would appear in a file: bytes, in lower case, as latin-1 text (so that JSON holds them).
    """
    found: dict[str, set[bytes]] = defaultdict(set)
    for part in (getattr(dataset, "file_meta", None), dataset):
        if part is not None:
            _collect(part, found, dataset, 0)
    return {kind: sorted(value.decode("latin-1") for value in held) for kind, held in found.items()}


def spellings(text: str, *charsets: str) -> set[bytes]:
    """A text as bytes, in lower case, in the encodings a file or table may have it in."""
    held = set()
    for charset in ("utf-8", "latin-1", *charsets):
        try:
            held.add(text.strip("\0 ").lower().encode(charset))
            held.add(text.strip("\0 ").encode(charset).lower())
        except (UnicodeError, LookupError):
            continue
    return held


def name_spellings(text: str, *charsets: str) -> set[bytes]:
    """A person's name whole and in its parts, as bytes in lower case."""
    whole = text.strip("^= ")
    parts = {part for part in NAME_PART.split(whole) if len(part) > 1}
    spelled = {whole, whole.replace("^", " "), *parts}
    return {
        way
        for part in spelled
        for way in spellings(part, *charsets)
        if len(way) >= SHORTEST_NAME and not way.isdigit()
    }


def date_spellings(text: str) -> set[bytes]:
    """The ways a date is written, as bytes.

    Examples
    --------
    >>> sorted(date_spellings("19500203"))[:3]
    [b'02-03-1950', b'02.03.1950', b'02/03/1950']
    """
    given = re.fullmatch(r"([0-9]{4})\.?([0-9]{2})\.?([0-9]{2})", text.strip("\0 "))
    if given is None:
        return set()
    year, month, day = given.groups()
    ways = {f"{year}{month}{day}", f"{day}{month}{year}", f"{month}{day}{year}"}
    for mark in "-/.":
        for order in ((year, month, day), (day, month, year), (month, day, year)):
            ways.add(mark.join(order))
    return {way.encode() for way in ways}


def _collect(part: Dataset, found: dict[str, set[bytes]], root: Dataset, depth: int) -> None:
    charsets = _charsets(root)
    for tag in list(part.keys()):
        tag = Tag(tag)
        keyword = keyword_for_tag(tag)
        try:
            raw = part.get_item(tag)
            vr = raw.VR if raw.VR not in (None, "UN") else dictionary_VR(tag)
        except KeyError:
            continue  # private or unknown: removed whole; what it repeats is known from elsewhere
        if vr == "SQ":
            if depth < MAX_DEPTH:
                for item in part[tag].value:
                    _collect(item, found, root, depth + 1)
            continue
        kind = _kind(keyword, vr, tag)
        if kind is None:
            continue
        for value in _bytes_of(part, tag):
            _add(found, kind, value, charsets)


def _kind(keyword: str, vr: str, tag: Tag) -> str | None:
    if keyword == BIRTH:
        return "birth date"
    if vr == "PN":
        return "PatientName" if tag.group == 0x0010 else "a person's name"
    if vr == "UI":
        return None if keyword.endswith(CLASS_UIDS) else "UID"
    if keyword in KEYWORDS or (tag.group & 0xFF00 == 0x6000 and tag.element == 0x4000):
        return keyword or "OverlayComments"
    return None


def _bytes_of(part: Dataset, tag: Tag) -> list[bytes]:
    """The values of an element as they stand in the file."""
    raw = part.get_item(tag)
    value = raw.value
    if value is None:
        return []
    if isinstance(value, bytes):
        return [one for one in value.split(b"\\") if one.strip(b"\0 ")]
    values = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    if raw.VR == "PN":
        values = [str(one) for one in ([value] if hasattr(value, "components") else values)]
    return [str(one).encode("utf-8", "replace") for one in values if str(one).strip("\0 ")]


def _charsets(root: Dataset) -> list[str]:
    try:
        return list(convert_encodings(root.get("SpecificCharacterSet") or "ISO_IR 6"))
    except Exception:  # noqa: BLE001 - an unknown character set: latin-1 and UTF-8 stand in
        return []


def _add(found: dict[str, set[bytes]], kind: str, value: bytes, charsets: list[str]) -> None:
    raw = value.strip(b"\0 ").lower()
    if len(raw) > LONGEST or CONTROL.search(raw):
        return
    try:
        text = decode_bytes(value, charsets or ["latin-1"], set())
    except Exception:  # noqa: BLE001 - as above
        text = value.decode("latin-1")
    if kind == "birth date":
        found[kind] |= date_spellings(text)
    elif kind == "UID":
        uid = UID.fullmatch(raw.decode("latin-1"))
        if uid and not text.startswith(WELL_KNOWN) and len(raw) >= SHORTEST_UID:
            found[kind].add(raw)
    elif kind in ("PatientName", "a person's name"):
        found[kind] |= name_spellings(text, *charsets)
        for group in raw.split(b"="):
            found[kind] |= {one for one in group.split(b"^") if len(one) >= SHORTEST}
    else:
        ways = {raw, *spellings(text, *charsets)}
        found[kind] |= {way for way in ways if len(way) >= SHORTEST}
