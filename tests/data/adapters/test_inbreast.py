"""INbreast: footers dropped, exams by file name, regions read whatever is in them."""

import plistlib

import pytest

from mammolab.data.adapters.base import ABSENT
from mammolab.data.adapters.inbreast import read_regions
from mammolab.data.adapters.registry import adapt, detect
from mammolab.errors import InputError

HEADER = (
    "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads;Mass ;Micros;"
    "Distortion;Asymmetry;Findings Notes (in Portuguese);Lesion Annotation Status"
)
ONE, TWO = "0123456789abcdef", "fedcba9876543210"
IMAGES = [  # number, exam, side, view of the table, view of the name, ACR, BI-RADS
    ("20000001", ONE, "L", "CC", "CC", "2", "4b"),
    ("20000002", ONE, "L", "MLO", "ML", "2", "3"),
    ("20000003", ONE, "R", "CC", "CC", "3", "1"),
    ("20000004", TWO, "R", "MLO", "MLO", "4", "6"),
    ("20000005", TWO, "R", "FB", "FB", "4", "2"),
    ("20000006", None, "L", "CC", "CC", "1", "5"),
]


def rows():
    return [f"removed;removed;{side};{view};201001;{number};{acr};{birads};X;;;;não;"
            for number, _, side, view, _, acr, birads in IMAGES]  # fmt: skip


def region(name, *points):
    return {"Name": name, "NumberOfPoints": len(points), "Point_px": list(points), "Type": 15}


@pytest.fixture
def root(lines, touch, tmp_path):
    lines("INbreast.csv", HEADER, *rows(), ";;;;;;;;;;;;;", "legend;410", encoding="cp1252")
    touch(*(f"AllDICOMs/{number}_{exam}_MG_{side}_{name}_ANON.dcm"
            for number, exam, side, _, name, _, _ in IMAGES if exam))  # fmt: skip
    xml = tmp_path / "set" / "AllXML"
    xml.mkdir()
    content = {"Images": [{"ImageIndex": 0, "ROIs": [
        region("Mass", "(10.5, 20)", "(30, 5)", "(12, 60.25)"),
        region("Calcification", "(7, 8)"), region("PectoralMuscle", "(0, 0)", "(9, 9)"),
    ]}]}  # fmt: skip
    (xml / "20000001.xml").write_bytes(plistlib.dumps(content))
    (xml / "20000003.xml").write_text("<plist><dict>")
    return tmp_path / "set"


def test_exams_are_told_by_the_files_names(root):
    assert detect(root) == ["inbreast"]
    exams = adapt("inbreast", root).exams.set_index("exam_id")
    assert set(exams.index) == {ONE, TWO}
    assert exams["density"].to_dict() == {ONE: "", TWO: "d"}
    assert exams["birads"].to_dict() == {ONE: "4", TWO: "6"}
    assert exams.loc[ONE, ["birads_raw", "exam_date", "exam_date_raw", "age_years"]].tolist() == [
        "1|3|4b", "", "201001", "",
    ]  # fmt: skip


def test_a_breast_has_the_larger_of_its_views(root):
    source = adapt("inbreast", root)
    labels = source.labels.set_index(["exam_id", "laterality"])
    assert labels["cancer"].to_dict() == {(ONE, "L"): "1", (ONE, "R"): "0", (TWO, "R"): "1"}
    assert set(labels["kind"]) == {"surrogate_birads"}
    assert any("2 breasts have views of several BI-RADS" in note for note in source.notes)
    five = adapt("inbreast", root, {"positive_from": "5"}).labels
    assert five["cancer"].tolist() == ["0", "0", "1"]


def test_images(root):
    source = adapt("inbreast", root)
    images = source.images.set_index("image_id")
    assert images["view"].tolist() == ["CC", "MLO", "CC", "MLO", "", "CC"]
    assert images["reason"].tolist() == ["", "", "", "", "view FB", ABSENT]
    assert images.loc["20000006", "exam_id"] == ""
    assert any("1 of 6 listed images" in note for note in source.notes)
    assert any("1 rows that name no file" in note for note in source.notes)


def test_regions(root):
    source = adapt("inbreast", root)
    boxes = source.more["findings"]
    assert boxes.to_numpy().tolist() == [
        ["20000001", "Mass", "3", "10.5", "5", "30", "60.25"],
        ["20000001", "Calcification", "1", "7", "8", "7", "8"],
    ]
    assert any("1 files of regions cannot be read, such as 20000003.xml" in n for n in source.notes)


@pytest.mark.parametrize(
    "content", ["", "<plist/>", "<!DOCTYPE x [<!ENTITY a 'b'>]><plist>&a;</plist>"]
)
def test_spoilt_regions_are_one_sentence(tmp_path, content):
    path = tmp_path / "1.xml"
    path.write_text(content)
    with pytest.raises(InputError, match="not a list of regions"):
        read_regions(path)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("4b", "4d", "Bi-Rads is not 1 to 6"),
        (";L;CC;201001;20000001", ";B;CC;201001;20000001", "Laterality is not L or R"),
        (";L;CC;201001;20000001", ";R;CC;201001;20000001", "another breast or view.*20000001"),
        (";L;CC;201001;20000001", ";L;MLO;201001;20000001", "another breast or view"),
        ("20000002", "20000001", "File Name repeats"),
        (";FB;", ";XX;", "View is not CC"),
    ],
)
def test_what_does_not_fit_is_refused(root, old, new, message):
    path = root / "INbreast.csv"
    text = path.read_text(encoding="cp1252")
    assert old in text
    path.write_text(text.replace(old, new), encoding="cp1252")
    with pytest.raises(InputError, match=message):
        adapt("inbreast", root)


def test_without_files_nothing_tells_an_exam(root):
    for path in (root / "AllDICOMs").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="the files' names alone tell"):
        adapt("inbreast", root)
