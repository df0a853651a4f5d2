"""Identifiers planted wherever a file can hold them: nothing is left, and a broken rule is caught."""

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from mammolab.data.deidentify import attributes, images
from mammolab.data.deidentify.identifiers import identifiers_of
from mammolab.data.deidentify.leaks import Needles, leaks_in_image
from mammolab.data.deidentify.pseudonyms import Pseudonyms
from mammolab.data.grey import stored_values

NAME, NUMBER = "Okonkwo", "MRN4711223"
SECRETS = [
    "Okonkwo",
    "Lindqvist",
    "Mathilda",
    "MRN4711223",
    "4711223",
    "ACC880912",
    "19480312",
    "1948-03-12",
    "12.03.1948",
    "Hildegardstift",
    "Grunwald",
    "SN-7731-KX",
    "MAMMOROOM2",
]
PIXELS = (np.arange(64 * 48).reshape(64, 48) * 37 % 4096).astype(np.uint16)


def _item(**values):
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _set(**values):
    return lambda dataset: [setattr(dataset, key, value) for key, value in values.items()]


def _add(tag, vr, value):
    return lambda dataset: dataset.add_new(tag, vr, value)


def _meta(**values):
    return lambda dataset: [setattr(dataset.file_meta, k, v) for k, v in values.items()]


def _code(scheme="SCT", value="399162004", **more):
    item = _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=f"view of {NAME}")
    for keyword, held in more.items():
        setattr(item, keyword, held)
    return item


def _nested(depth):
    item = _item(PatientName=NAME, PatientID=NUMBER)
    for _ in range(depth):
        item = _item(RequestAttributesSequence=[item], ScheduledProcedureStepID=NUMBER)
    return item


def _private(dataset):
    block = dataset.private_block(0x0011, f"MAKER {NAME}", create=True)
    block.add_new(0x01, "LO", NAME)
    block.add_new(0x02, "UN", NUMBER.encode())
    block.add_new(0x03, "SQ", [_item(PatientName=NAME)])


def _private_nested(dataset):
    item = _code()
    item.private_block(0x0013, "MAKER", create=True).add_new(0x10, "ST", NAME)
    item.PatientComments = NUMBER
    dataset.ViewCodeSequence = [item]


def _overlay(dataset):
    dataset.add_new(0x60000010, "US", 4)
    dataset.add_new(0x60001500, "LO", NAME)
    dataset.add_new(0x60003000, "OW", NAME.encode() + b"!")
    dataset.add_new(0x60004000, "LT", NUMBER)
    dataset.add_new(0x60220022, "LO", NAME)


def _icon(dataset):
    icon = _item(Rows=2, Columns=2, BitsAllocated=8, SamplesPerPixel=1)
    icon.add_new(0x7FE00010, "OB", NUMBER.encode())
    dataset.IconImageSequence = [icon]


def _table(dataset):
    table = _item(LUTExplanation=NAME)
    table.add_new(0x00283002, "US", [2, 0, 12])
    table.add_new(0x00283006, "OW", b"\x00\x00\xff\x0f" + NUMBER.encode())
    dataset.VOILUTSequence = [table]


def _trailing(dataset):
    dataset.PixelData = dataset.PixelData + NUMBER.encode() + NAME.encode() + b"!"
    dataset["PixelData"].VR = "OW"


def _compressed(syntax, stream):
    def plant(dataset):
        dataset.PixelData = encapsulate([stream])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = syntax

    return plant


def _segment(stream, marker):
    """The stream with a comment segment behind its start."""
    text = NUMBER.encode() + NAME.encode()
    at = 2
    if stream[:2] == b"\xff\x4f":  # behind SIZ, which must come first
        at = 4 + int.from_bytes(stream[4:6], "big")
    return (
        stream[:at]
        + bytes([0xFF, marker])
        + (2 + len(text)).to_bytes(2, "big")
        + text
        + stream[at:]
    )


JPEG = imagecodecs.jpeg8_encode(PIXELS, lossless=True, bitspersample=12)
JPEGLS = imagecodecs.jpegls_encode(PIXELS)
JPEG2000 = imagecodecs.jpeg2k_encode(PIXELS, level=0, codecformat="J2K")
HIDDEN = NUMBER.encode() + NAME.encode()


def _rle(dataset):
    dataset.compress(RLELossless)
    content = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    dataset.PixelData = encapsulate([content + HIDDEN + b"!"])
    dataset["PixelData"].VR = "OB"


def _offsets(dataset):
    _compressed(JPEGLSLossless, JPEGLS)(dataset)
    table = b"\0\0\0\0" + NUMBER.encode() + b"!!"
    rest = dataset.PixelData[8 + int.from_bytes(dataset.PixelData[4:8], "little") :]
    dataset.PixelData = b"\xfe\xff\x00\xe0" + len(table).to_bytes(4, "little") + table + rest
    dataset["PixelData"].VR = "OB"


def _implicit(dataset):
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.PatientComments = dataset.AdditionalPatientHistory = f"{NAME} {NUMBER}"


def _charset(charset, name):
    def plant(dataset):
        dataset.SpecificCharacterSet = charset
        dataset.PatientName = dataset.OperatorsName = name
        dataset.PatientComments = dataset.StudyDescription = name

    return plant


TEXT_VRS = {
    "AE": "StationAETitle",
    "AS": "PatientAge",
    "CS": "BodyPartExamined",
    "DA": "StudyDate",
    "DS": "KVP",
    "DT": "AcquisitionDateTime",
    "IS": "InstanceNumber",
    "LO": "SoftwareVersions",
    "LT": "ImageComments",
    "PN": "OperatorsName",
    "SH": "FilterType",
    "ST": "DerivationDescription",
    "TM": "ContentTime",
    "UC": "LongCodeValue",
    "UI": "FrameOfReferenceUID",
    "UR": "RetrieveURL",
    "UT": "UnformattedTextValue",
}
PLACES = {
    "nothing more": lambda dataset: None,
    "sequence": _set(RequestAttributesSequence=[_item(PatientName=NAME, StudyComments=NUMBER)]),
    "deep sequence": lambda dataset: dataset.update(_nested(30)),
    "kept sequence": _set(ViewCodeSequence=[_code(PatientName=NAME, AdmissionID=NUMBER)]),
    "modifier": _set(
        ViewCodeSequence=[_code(ViewModifierCodeSequence=[_code(TextComments=NUMBER)])]
    ),
    "code of a hospital": _set(ViewCodeSequence=[_code("99LOCAL", NUMBER)]),
    "code value": _set(ViewCodeSequence=[_code("SCT", NUMBER)]),
    "functional groups": _set(
        SharedFunctionalGroupsSequence=[
            _item(FrameAnatomySequence=[_item(FrameLaterality="L", FrameComments=NAME)])
        ]
    ),
    "private": _private,
    "private in a kept sequence": _private_nested,
    "unknown private": _add(0x000900FF, "UN", NUMBER.encode()),
    "unknown public": _add(0x0018FFF1, "LO", NAME),
    "unknown public as UN": _add(0x0018FFF2, "UN", NUMBER.encode()),
    "UID": _set(FrameOfReferenceUID="1.2.276.99.4711223.19480312"),
    "foreign UID": _set(InstanceCreatorUID="1.2.4711223", IrradiationEventUID="1.9.4711223"),
    "preamble": lambda dataset: setattr(
        dataset, "preamble", (NUMBER + NAME).encode().ljust(128, b"\0")
    ),
    "application": _meta(SourceApplicationEntityTitle=NUMBER, SendingApplicationEntityTitle=NAME),
    "implementation": _meta(ImplementationVersionName=NUMBER),
    "private meta": _meta(PrivateInformationCreatorUID="1.2.4711223", PrivateInformation=HIDDEN),
    "comments": _set(ImageComments=NAME, PatientComments=NUMBER, VisitComments=NAME),
    "history": _set(AdditionalPatientHistory=f"{NAME}, born 12.03.1948", Occupation=NAME),
    "overlay": _overlay,
    "curve": _add(0x50003000, "OW", HIDDEN + b"!"),
    "padding at the end": _add(0xFFFCFFFC, "OB", HIDDEN + b"!"),
    "icon": _icon,
    "lookup table": _table,
    "original attributes": _set(
        OriginalAttributesSequence=[_item(ModifiedAttributesSequence=[_item(PatientID=NUMBER)])]
    ),
    "behind the pixels": _trailing,
    "JPEG comment": _compressed(JPEGLosslessSV1, _segment(JPEG, 0xFE)),
    "JPEG application segment": _compressed(JPEGLosslessSV1, _segment(JPEG, 0xE1)),
    "behind JPEG": _compressed(JPEGLosslessSV1, JPEG + HIDDEN + b"\xff\xd9"),
    "JPEG-LS comment": _compressed(JPEGLSLossless, _segment(JPEGLS, 0xFE)),
    "behind JPEG-LS": _compressed(JPEGLSLossless, JPEGLS + HIDDEN + b"\xff\xd9"),
    "JPEG 2000 comment": _compressed(JPEG2000Lossless, _segment(JPEG2000, 0x64)),
    "behind JPEG 2000": _compressed(JPEG2000Lossless, JPEG2000 + HIDDEN + b"\xff\xd9"),
    "behind RLE": _rle,
    "offset table": _offsets,
    "implicit": _implicit,
    "numbers that are text": _add(0x00280106, "US", list(HIDDEN)),
    "window explanation": _set(WindowCenterWidthExplanation=NAME),
    "maker": _set(Manufacturer=f"made for {NAME}", ManufacturerModelName=f"room of {NUMBER}"),
    "Latin 1": _charset("ISO_IR 100", "Öztürk-Lindqvist^Ägidia"),
    "UTF-8": _charset("ISO_IR 192", "Ørnberg^Þóra"),
    "Cyrillic": _charset("ISO_IR 144", "Люкceмбypг^Пётр"),
    "Greek": _charset("ISO_IR 126", "Διονυσιος^Ελένη"),
    "Japanese": _charset(["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "Korean": _charset(["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    "Chinese": _charset("GB18030", "Wang^XiaoDong=王^小东"),
    **{
        f"VR {vr}": (lambda dataset, keyword=keyword: _force(dataset, keyword))
        for vr, keyword in TEXT_VRS.items()
    },
}
FOREIGN = {
    "Latin 1": ["Öztürk", "Ägidia"],
    "UTF-8": ["Ørnberg", "Þóra"],
    "Cyrillic": ["Люкceмбypг"],
    "Greek": ["Διονυσιος"],
    "Japanese": ["Yamada", "山田", "やまだ"],
    "Korean": ["Gildong", "吉洞", "길동"],
    "Chinese": ["XiaoDong", "小东"],
}
CHARSETS = ["utf-8", "latin-1", "utf-16-le", "utf-16-be", "iso8859-5", "iso8859-7", "iso2022_jp"]
CHARSETS += ["euc_kr", "gb18030", "shift_jis"]


def _force(dataset, keyword):
    """Plant text where the VR allows none: pydicom checks what it is told, not what it is given."""
    tag = pydicom.datadict.tag_for_keyword(keyword)
    vr = pydicom.datadict.dictionary_VR(tag)
    text = f"{NUMBER} " if vr == "UI" else f"{NUMBER}\\{NAME}"
    raw = text.encode() + b" " * (len(text) % 2)
    dataset[tag] = pydicom.dataelem.RawDataElement(
        pydicom.tag.Tag(tag), vr, len(raw), raw, 0, False, True
    )


def _write(dataset, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


@pytest.fixture
def treat(tmp_path):
    """A function (path below tmp_path/in): what became of the file, as in a run on it alone."""

    def go(relative):
        item = (str(tmp_path / "in"), relative)
        seen = images.survey(item)
        assert seen["reason"] == ""
        context = images.Context(
            tmp_path / "out", Pseudonyms(b"key"), Needles(seen["identifiers"]), frozenset()
        )
        return images.write(item, context=context)

    return go


@pytest.mark.filterwarnings("ignore")  # pydicom tells of every odd value planted
@pytest.mark.parametrize("place", PLACES)
def test_nothing_planted_is_left(tmp_path, known_mammogram, treat, place):
    dataset = known_mammogram(PIXELS)
    PLACES[place](dataset)
    source = _write(dataset, tmp_path / "in" / f"{NAME}_{NUMBER}.dcm")
    secrets = SECRETS + FOREIGN.get(place, [])
    before = source.read_bytes().lower()
    for text in FOREIGN.get(place, []):  # else the test could not fail
        assert any(_spelled(text, charset) in before for charset in CHARSETS)
    answer = treat(source.name)
    assert answer["status"] == "written", answer["reason"]
    found = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert [path.relative_to(tmp_path / "out").as_posix() for path in found] == [answer["path"]]
    content = found[0].read_bytes().lower()
    everything = content + answer["path"].lower().encode() + repr(answer).lower().encode()
    for text in secrets:
        for charset in CHARSETS:
            spelled = _spelled(text, charset)
            assert len(spelled) < 3 or spelled not in everything, (text, charset)
    result = pydicom.dcmread(found[0])
    assert (stored_values(result) == PIXELS).all()
    assert result.preamble == b"\0" * 128
    assert not [element for element in result.iterall() if element.tag.is_private]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tail", [HIDDEN, b"\0" * 8 + HIDDEN, b"\xfe\xff\xdd\xe0\0\0\0\0" + HIDDEN])
def test_bytes_behind_the_dataset_are_not_copied(tmp_path, known_mammogram, tail):
    """Whether such a file is written or refused, the bytes are in nothing that is."""
    source = _write(known_mammogram(PIXELS), tmp_path / "in" / "one.dcm")
    source.write_bytes(source.read_bytes() + tail)
    context = images.Context(tmp_path / "out", Pseudonyms(b"key"), Needles({}))
    answer = images.write((str(tmp_path / "in"), "one.dcm"), context=context)
    found = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(found) == (answer["status"] == "written")
    assert not any(HIDDEN in path.read_bytes() for path in found)


def _spelled(text, charset):
    try:
        return text.encode(charset).lower()
    except UnicodeError:
        return b""


def _keep_comments(monkeypatch):
    monkeypatch.setattr(attributes, "_is_kept", lambda dataset, tag: True)
    monkeypatch.setattr(attributes, "_apply", lambda dataset, actions: None)
    monkeypatch.setattr(images, "_scrub", lambda dataset, changes, context: None)


def _keep_meta(monkeypatch):
    def meta(dataset):
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        return dataset.file_meta

    monkeypatch.setattr(attributes, "_meta", meta)


def _add_birth_date(monkeypatch):
    add = _set(DerivationDescription="12/03/1948")
    monkeypatch.setattr(images, "_scrub", lambda dataset, changes, context: add(dataset))


BROKEN = {
    "Annex E is not applied": _keep_comments,
    "patient ids stay": lambda patch: patch.setattr(
        Pseudonyms, "of", lambda self, kind, value: value
    ),
    "UIDs stay": lambda patch: patch.setattr(Pseudonyms, "uid", lambda self, value: value),
    "the file meta stay": _keep_meta,
    "bytes behind the pixels stay": lambda patch: patch.setattr(
        images, "clean_pixels", lambda dataset: 0
    ),
    "the file keeps its name": lambda patch: patch.setattr(
        images, "_place", lambda dataset: f"dicom/{NAME}/1.dcm"
    ),
    "a maker's text is not looked at": lambda patch: patch.setattr(
        images, "_scrub", lambda dataset, changes, context: None
    ),
    "birth dates come back": _add_birth_date,
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_caught(tmp_path, known_mammogram, treat, monkeypatch, rule):
    dataset = known_mammogram(PIXELS, PatientComments=NAME, Manufacturer=f"made for {NAME}")
    dataset.file_meta.SourceApplicationEntityTitle = "MAMMOROOM2"
    _trailing(dataset)
    _write(dataset, tmp_path / "in" / "one.dcm")
    BROKEN[rule](monkeypatch)
    answer = treat("one.dcm")
    assert answer["status"] == "leak" and " in " in answer["reason"]
    for text in SECRETS:
        assert text.lower() not in answer["reason"].lower()
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_the_preamble_is_searched(tmp_path, known_mammogram):
    dataset = known_mammogram(PIXELS)
    own = Needles(identifiers_of(dataset))
    clean, path = known_mammogram(PIXELS), tmp_path / "clean.dcm"
    attributes.deidentify_header(clean, Pseudonyms(b"key"))
    clean.preamble = NUMBER.encode().ljust(128, b"\0")
    pydicom.dcmwrite(path, clean, enforce_file_format=True)
    assert leaks_in_image(path, path.name, own, own, set(), set()) == [
        "PatientID in the bytes of the file"
    ]
