"""CBIS-DDSM: both spellings, films found by folder, women kept in one part of the split."""

import pytest

from mammolab.data.adapters.base import ABSENT
from mammolab.data.adapters.cbis import TWICE
from mammolab.data.adapters.folder import write_source
from mammolab.data.adapters.registry import adapt, detect
from mammolab.errors import InputError

MASS = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,"
    "mass shape,mass margins,assessment,pathology,subtlety,image file path,"
    "cropped image file path,ROI mask file path"
)
CALC = MASS.replace("breast_density", "breast density").replace(
    "mass shape,mass margins", "calc type,calc distribution"
)
MASS_TRAIN, CALC_TEST = "mass_case_description_train_set.csv", "calc_case_description_test_set.csv"


def lesion(prefix, woman, side, view, number, pathology, density="2", assessment="4"):
    stem = f"{prefix}_{woman}_{side}_{view}"
    kind = "mass" if prefix.startswith("Mass") else "calcification"
    film = f'"{stem}/1.2.{woman[-1]}{side[0]}{view[0]}/1.3.{woman[-1]}_{side}_{view}/000000.dcm\n"'
    crop = f"{stem}_{number}/1.4/1.5/00000"
    return (f"{woman},{density},{side},{view},{number},{kind},OVAL,SHARP,{assessment},{pathology},3,"
            f"{film},{crop}0.dcm,{crop}1.dcm")  # fmt: skip


@pytest.fixture
def root(lines, touch, tmp_path):
    """Two tables: P_00001 in both with one film in common; old, new and lossy copies of films."""
    lines(MASS_TRAIN, MASS,
          lesion("Mass-Training", "P_00001", "LEFT", "CC", 1, "BENIGN"),
          lesion("Mass-Training", "P_00001", "LEFT", "CC", 2, "MALIGNANT", assessment="5"),
          lesion("Mass-Training", "P_00001", "RIGHT", "MLO", 1, "BENIGN_WITHOUT_CALLBACK", "3", "2"),
          lesion("Mass-Training", "P_00002", "LEFT", "MLO", 1, "BENIGN", assessment="0"))  # fmt: skip
    lines(CALC_TEST, CALC,
          lesion("Calc-Test", "P_00001", "LEFT", "CC", 1, "BENIGN"),
          lesion("Calc-Test", "P_00003", "RIGHT", "CC", 1, "BENIGN", "0"))  # fmt: skip
    old = "CBIS-DDSM/Mass-Training_P_00001_LEFT_CC"
    touch(f"{old}/08-07-2016-DDSM-1/1-full mammogram images-1/000000.dcm",
          f"{old}_1/08-07-2016-DDSM-2/1-ROI mask images-2/1-1.dcm",
          f"{old}_1/08-07-2016-DDSM-2/1-ROI mask images-2/1-2.dcm",
          "CBIS-DDSM/Mass-Training_P_00001_RIGHT_MLO/1.9/1.8/1-1.dcm",
          "CBIS-DDSM/Calc-Test_P_00001_LEFT_CC/1.9/1.8/1-1.dcm",
          "jpeg/1.3.2_LEFT_MLO/1-100.jpg")  # fmt: skip
    return tmp_path / "set"


@pytest.fixture
def source(root):
    return adapt("cbis", root)


def test_a_breast_is_positive_by_any_lesion(source):
    labels = source.labels.set_index(["exam_id", "laterality"])
    assert labels["cancer"].to_dict() == {
        ("P_00001", "L"): "1", ("P_00001", "R"): "0", ("P_00002", "L"): "0", ("P_00003", "R"): "0",
    }  # fmt: skip
    assert labels.loc[("P_00001", "L"), "pathology_raw"] == "BENIGN|MALIGNANT"
    assert labels.loc[("P_00001", "L"), "invasive"] == ""


def test_a_reader_s_judgement_is_no_pathology(source):
    labels = source.labels.set_index(["exam_id", "laterality"])
    assert labels.loc[("P_00001", "R"), "kind"] == "surrogate_birads"
    assert set(source.pathology["report_id"]) == {"P_00001_L", "P_00002_L", "P_00003_R"}
    assert source.pathology["result"].tolist() == ["", "benign", "benign"]


def test_a_woman_in_both_parts_is_in_test(source):
    splits = source.labels.groupby("exam_id")["split"].agg(set).to_dict()
    assert splits == {"P_00001": {"test"}, "P_00002": {"train"}, "P_00003": {"test"}}
    assert any("1 women are in training and in test" in note for note in source.notes)
    assert source.images.set_index("image_id")["split_raw"].iloc[0] == "train"


def test_films_are_found_by_folder_whatever_the_table_says(source):
    images = source.images.set_index("image_id")
    assert images["reason"].to_dict() == {
        "Mass-Training_P_00001_LEFT_CC": "", "Mass-Training_P_00001_RIGHT_MLO": "",
        "Mass-Training_P_00002_LEFT_MLO": "JPEG: only DICOM, PNG and PGM are read",
        "Calc-Test_P_00001_LEFT_CC": TWICE,
        "Calc-Test_P_00003_RIGHT_CC": ABSENT,
    }  # fmt: skip
    assert images["path"].iloc[0].endswith("1-full mammogram images-1/000000.dcm")
    assert any("1 of 5 listed images are not there" in note for note in source.notes)


def test_two_files_in_the_place_of_one_are_not_guessed_between(root, touch):
    touch("CBIS-DDSM/Mass-Training_P_00001_RIGHT_MLO/1.9/1.8/1-2.dcm")
    images = adapt("cbis", root).images.set_index("image_id")
    row = images.loc["Mass-Training_P_00001_RIGHT_MLO"]
    assert row[["use", "reason"]].tolist() == ["0", "2 files where one film belongs"]


def test_densities_and_assessments(source, root, tmp_path):
    exams = source.exams.set_index("exam_id")
    assert exams["density"].to_dict() == {"P_00001": "", "P_00002": "b", "P_00003": ""}
    assert exams["density_raw"].to_dict() == {"P_00001": "2|3", "P_00002": "2", "P_00003": "0"}
    assert exams["birads"].to_dict() == {"P_00001": "5", "P_00002": "0", "P_00003": "4"}
    assert len(source.more["lesions"]) == 6 and detect(root) == ["cbis"]
    assert (write_source(source, tmp_path / "out") / "lesions.csv").is_file()


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("P_00002,2,LEFT", "P_00009,2,LEFT", "path is of another woman.*P_00009/1"),
        ("BENIGN,3", "UNPROVEN,3", "pathology is not understood.*UNPROVEN"),
        ("SHARP,0", "SHARP,6", "assessment is not 0 to 5"),
        (",CC,2,mass", ",CC,1,mass", "a lesion is told twice"),
        ("Mass-Training_P_00002", "Mass-Test_P_00002", "another of the four tables"),
        ("1.2.1LC/1.3.1_LEFT_CC/000000.dcm\n\",Mass-Training_P_00001_LEFT_CC_2",
         "1.2.9/1.3.9/0.dcm\n\",Mass-Training_P_00001_LEFT_CC_2", "has two image file paths"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(root, old, new, message):
    path = root / MASS_TRAIN
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message):
        adapt("cbis", root)


def test_the_real_table_of_masses(shared_data, tmp_path):
    real = shared_data / "mammo_label_tables" / "cbis_ddsm_mass_case_description_train_set.csv"
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / real.name).symlink_to(real)
    source = adapt("cbis", tmp_path / "set")
    assert len(source.patients) == 691 and len(source.more["lesions"]) == 1317
    assert (len(source.labels), (source.labels["cancer"] == "1").sum()) == (722, 350)
    assert len(source.images) == 1230 and (source.images["reason"] == ABSENT).all()
    assert set(source.labels["split"]) == {"train"}
    assert (source.exams["density"] != "").all()
    assert any("1 of the four tables" in note for note in source.notes)
    assert any(note.startswith("3 breasts have malignant and benign") for note in source.notes)
