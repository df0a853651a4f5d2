"""CMMD: headers tell breast and view; a breast without a row is unlabelled."""

import pytest
from pydicom.dataset import Dataset

from mammolab.data.adapters import cmmd
from mammolab.data.adapters.registry import adapt, detect
from mammolab.errors import InputError

HEADER = "ID1,LeftRight,Age,number,abnormality,classification,subtype"
ROWS = (
    "D1-0001,R,44,2,calcification,Benign,",
    "D2-0001,L,51,2,mass,Malignant,Luminal A",
    "D2-0001,R,51,2,both,Benign,",
)
CC, MLO = ("399162004", "cranio-caudal"), ("399368009", "medio-lateral oblique")


def view_code(code, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "SCT", meaning
    return [item]


@pytest.fixture
def root(lines, write_mammogram, tmp_path):
    """D1-0001 with four images and one row, D2-0001 with one image of two rows."""
    lines("CMMD_clinicaldata_revision.csv", HEADER, *ROWS)
    views = [("D1-0001", "L", CC), ("D1-0001", "L", MLO), ("D1-0001", "R", CC),
             ("D1-0001", "R", MLO), ("D2-0001", "L", CC), ("D2-0009", "L", CC)]  # fmt: skip
    for number, (woman, side, view) in enumerate(views, 1):
        write_mammogram(
            tmp_path / "set" / "CMMD" / woman / "07-18-2010-NA" / "1.0-1" / f"1-{number}.dcm",
            PatientID=woman, ImageLaterality=side, ViewCodeSequence=view_code(*view),
            ViewPosition=None, Manufacturer="", SOPInstanceUID=f"1.2.{number}",
            ImagerPixelSpacing=[0.094090909, 0.094090909], StudyDate="20100718",
            PatientAge="044Y" if woman == "D1-0001" else "052Y", AccessionNumber="",
        )  # fmt: skip
    (tmp_path / "set" / "CMMD" / "D2-0001" / "spoilt.dcm").write_bytes(b"no DICOM")
    return tmp_path / "set"


def test_breasts_without_a_row_are_unlabelled(root):
    labels = adapt("cmmd", root).labels.set_index(["exam_id", "laterality"])
    assert labels["cancer"].to_dict() == {
        ("D1-0001", "R"): "0", ("D2-0001", "L"): "1", ("D2-0001", "R"): "0", ("D1-0001", "L"): "",
    }  # fmt: skip
    assert labels.loc[("D1-0001", "L"), "kind"] == ""
    assert labels.loc[("D2-0001", "L"), ["invasive", "subtype_raw"]].tolist() == ["", "Luminal A"]


def test_headers_tell_breast_view_and_spacing(root):
    images = adapt("cmmd", root).images.set_index("image_id")
    assert images.loc["1.2.2", ["laterality", "view", "use", "spacing_mm"]].tolist() == [
        "L", "MLO", "1", "0.0940909",
    ]  # fmt: skip
    assert images.loc["1.2.1", "manufacturer"] == "" and images.loc["1.2.1", "exam_id"] == "D1-0001"
    assert images.loc["1.2.6", ["use", "reason", "exam_id"]].tolist() == ["0", cmmd.NO_ROW, ""]
    spoilt = images.loc["CMMD/D2-0001/spoilt.dcm"]
    assert spoilt["use"] == "0" and spoilt["reason"].startswith("not DICOM")


def test_what_is_missing_is_counted(root):
    source = adapt("cmmd", root)
    assert any("3 of 6 images that the table promises" in note for note in source.notes)
    assert any("1 breasts with images have no row" in note for note in source.notes)
    assert any("1 headers give another age" in note for note in source.notes)
    exams = source.exams.set_index("exam_id")
    assert exams.loc["D1-0001", ["exam_date", "exam_date_raw", "site"]].tolist() == [
        "", "20100718", "D1",
    ]  # fmt: skip
    assert source.pathology["result"].tolist() == ["benign", "", "benign"]
    assert detect(root) == ["cmmd"]


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("D2-0001,R", "D2-0001,L", "a breast has two rows for ID1/LeftRight D2-0001/L"),
        ("D2-0001,R,51", "D2-0001,R,52", "age differs within ID1"),
        (",R,44", ",B,44", "LeftRight is not L or R"),
        (",44,2,", ",44,3,", "number of images is not 2 for ID1/LeftRight D1-0001/R"),
        ("Benign,", "Normal,", "classification is not understood.*Normal"),
        ("Benign,", "Benign,Luminal B", "a subtype where the breast is benign"),
        ("D1-", "E1-", "does not begin with D1- or D2-"),
        ("Malignant", "", "classification is blank"),
    ],
)
def test_what_is_known_of_the_table_must_hold(lines, tmp_path, old, new, message):
    rows = [row.replace(old, new) for row in ROWS]
    lines("CMMD_clinicaldata_revision.csv", HEADER, *rows)
    with pytest.raises(InputError, match=message):
        adapt("cmmd", tmp_path / "set")


def test_a_workbook_is_to_be_saved_as_csv(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "CMMD_clinicaldata_revision.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match="saved as CSV"):
        adapt("cmmd", tmp_path / "set")


def test_the_real_table(shared_data, tmp_path):
    (tmp_path / "set").mkdir()
    real = shared_data / "mammo_label_tables" / "cmmd_raw_label.csv"
    (tmp_path / "set" / real.name).symlink_to(real)
    source = adapt("cmmd", tmp_path / "set")
    assert len(source.patients) == 1775 and len(source.labels) == 1872
    assert (source.labels["cancer"] == "1").sum() == 1316
    assert source.exams["site"].value_counts().to_dict() == {"D1": 1026, "D2": 749}
    assert source.labels["exam_id"].str[:2].value_counts().to_dict() == {"D1": 1107, "D2": 765}
    assert any("3,744 of 3,744 images" in note for note in source.notes) and source.images.empty


def test_a_file_that_repeats_an_image_is_left_out(root):
    folder = root / "CMMD" / "D1-0001" / "07-18-2010-NA" / "1.0-1"
    (folder / "copy of 1-1.dcm").write_bytes((folder / "1-1.dcm").read_bytes())
    source = adapt("cmmd", root)
    images = source.images.set_index("path")
    held = images[images["image_id"].str.contains("copy|^1.2.1$")]
    assert held["reason"].tolist() == ["", cmmd.TWICE] and held["use"].tolist() == ["1", "0"]
    assert any("1 files repeat an image" in note for note in source.notes)


def test_an_image_without_an_id_of_its_own_is_left_out(root, write_mammogram):
    write_mammogram(
        root / "CMMD" / "D1-0001" / "nameless.dcm", PatientID="D1-0001", ImageLaterality="L",
        ViewCodeSequence=view_code(*CC), ViewPosition=None, SOPInstanceUID=None,
    )  # fmt: skip
    images = adapt("cmmd", root).images.set_index("path")
    nameless = images.loc["CMMD/D1-0001/nameless.dcm"]
    assert nameless[["use", "reason"]].tolist() == ["0", cmmd.NO_UID]
