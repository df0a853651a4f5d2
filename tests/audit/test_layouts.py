"""Published layouts are told by their columns, and their traps are not fallen into."""

import gzip
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mammolab.audit import layouts
from mammolab.audit.folder_tree import read_folder
from mammolab.audit.table import read_tables
from mammolab.errors import InputError

CBIS_COPY = (
    "patient_id,breast_density,side,view,abn_num,abnormality_type,mass_shape,mass_margins,"
    "assessment,pathology,subtlety,od_img_path,od_crop_path,mask_path"
)
CBIS_MASS = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,"
    "mass shape,mass margins,assessment,pathology,subtlety,image file path,"
    "cropped image file path,ROI mask file path"
)
CBIS_CALC = CBIS_MASS.replace("breast_density", "breast density").replace(
    "mass shape,mass margins", "calc type,calc distribution"
)
NIH = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


def lines(tmp_path, header, *rows, name="table.csv"):
    path = tmp_path / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def cbis_row(patient, pathology, prefix, density="2", assessment="4"):
    path = f"{prefix}_{patient}_LEFT_CC/1.2/1.3/000000.dcm"
    return f"{patient},{density},LEFT,CC,1,mass,OVAL,SHARP,{assessment},{pathology},3,{path},{path},{path}"


class TestRsna:
    @pytest.fixture
    def table(self, make_rsna, write):
        return read_tables([write(make_rsna())])

    def test_what_it_is(self, table):
        assert (table.layout, table.row, table.unit) == ("rsna", "image", "breast")
        assert table.per_exam == 2  # a breast is half of the exam a prevalence is given for
        assert len(table.rows) == 6000 and len(table.units) == 3000

    def test_a_blank_birads_is_no_negative(self, table, make_rsna):
        given = make_rsna()
        blank = (given["BIRADS"] == "").to_numpy()
        assert blank.any() and table.rows.loc[blank, "recalled"].isna().all()
        assert table.rows.loc[~blank, "recalled"].isin([0.0, 1.0]).all()
        np.testing.assert_array_equal(
            table.rows["recalled"] == 1, given["BIRADS"].to_numpy() == "0.0"
        )
        assert any("none of them was taken for a negative" in note for note in table.notes)

    def test_ids_stay_text_and_numbers_may_be_floats(self, make_rsna, write):
        given = make_rsna(20).astype({"implant": float, "cancer": float})
        table = read_tables([write(given)])
        assert table.rows["patient_id"].iloc[0] == "10000"
        assert table.rows["cancer"].sum() == given["cancer"].sum()

    def test_another_birads_code_is_refused(self, make_rsna, write):
        given = make_rsna(5)
        given.loc[2, "BIRADS"] = "4.0"
        with pytest.raises(InputError, match=r"column BIRADS is not understood, such as '4.0'"):
            read_tables([write(given)])

    def test_a_table_without_the_label_is_read(self, make_rsna, write):
        drop = ["cancer", "biopsy", "invasive", "BIRADS", "density", "difficult_negative_case"]
        table = read_tables([write(make_rsna(5).drop(columns=drop))])
        assert table.layout == "rsna" and not table.has("cancer")


class TestCbis:
    @pytest.mark.parametrize("header", [CBIS_COPY, CBIS_MASS, CBIS_CALC])
    def test_every_spelling(self, tmp_path, header):
        path = lines(
            tmp_path, header,
            cbis_row("P_00001", "MALIGNANT", "Mass-Training"),
            cbis_row("P_00002", "BENIGN_WITHOUT_CALLBACK", "Mass-Training", "0", "2"),
            cbis_row("P_00003", "BENIGN", "Mass-Training", "4", "0"),
        )  # fmt: skip
        rows = read_tables([path]).rows
        assert rows["cancer"].tolist() == [1, 0, 0]
        assert rows["density"].tolist() == ["b", None, "d"]
        assert rows["recalled"].tolist() == [1, 0, 1]
        assert rows["split"].tolist() == ["train"] * 3
        assert rows["image_id"].iloc[0] == "Mass-Training_P_00001_LEFT_CC"

    def test_paths_with_quotes_backslashes_and_line_ends(self, tmp_path):
        row = cbis_row("P_00001", "MALIGNANT", "Calc-Test").replace("/", "\\")
        row = row.replace(
            "Calc-Test_P_00001_LEFT_CC\\1.2\\1.3\\000000.dcm", '"Calc-Test_P\\x.dcm\n"'
        )
        rows = read_tables([lines(tmp_path, CBIS_MASS, row)]).rows
        assert rows["split"].tolist() == ["test"]

    def test_four_files_at_once(self, tmp_path):
        train = lines(tmp_path, CBIS_MASS, cbis_row("P_00001", "MALIGNANT", "Mass-Training"),
                      name="mass_train.csv")  # fmt: skip
        test = lines(tmp_path, CBIS_CALC, cbis_row("P_00001", "BENIGN", "Calc-Test"),
                     name="calc_test.csv")  # fmt: skip
        table = read_tables([train, test])
        assert table.rows["split"].tolist() == ["train", "test"]
        assert table.units["cancer"].tolist() == [1]
        assert [name for name, _ in table.files] == ["mass_train.csv", "calc_test.csv"]

    def test_an_unknown_pathology_is_refused_in_the_files_own_words(self, tmp_path):
        path = lines(tmp_path, CBIS_COPY, cbis_row("P_00001", "UNPROVEN", "Mass-Training"))
        with pytest.raises(InputError, match="column pathology is not understood.*MALIGNANT"):
            read_tables([path])


class TestNih:
    ROWS = (
        "00000001_000.png,Cardiomegaly|Effusion,0,1,058Y,M,PA,2682,2749,0.143,0.143",
        "00000001_001.png,No Finding,1,1,414,M,AP,2682,2749,0.143,0.143",
        "00000002_000.png,Pneumonia|Infiltration,0,2,81,F,AP,2500,2048,0.168,0.168",
    )

    def test_brackets_part_into_columns_and_ages_have_limits(self, tmp_path):
        table = read_tables([lines(tmp_path, NIH, *self.ROWS)])
        assert table.layout == "nih" and table.unit == "image" and not table.screening
        assert table.rows["cancer"].tolist() == [1, 0, 1]
        assert table.rows["age_years"].tolist()[::2] == [58, 81]
        assert np.isnan(table.rows["age_years"].iloc[1])
        assert table.rows["device"].tolist() == ["0.143 mm", "0.143 mm", "0.168 mm"]
        assert table.rows["patient_id"].tolist() == ["1", "1", "2"]

    def test_the_older_file_ends_with_an_empty_column(self, tmp_path):
        path = lines(tmp_path, NIH + ",", *(f"{row}," for row in self.ROWS))
        assert len(read_tables([path]).rows) == 3

    @pytest.mark.parametrize("label, expected", [("Pneumonia", [0, 0, 1]), ("effusion", [1, 0, 0])])
    def test_one_finding(self, tmp_path, label, expected):
        table = read_tables([lines(tmp_path, NIH, *self.ROWS)], label=label)
        assert table.rows["cancer"].tolist() == expected

    def test_a_misspelt_finding_is_answered_with_the_nearest(self, tmp_path):
        with pytest.raises(InputError, match="no finding 'Pneumona'.*closest first: Pneumonia"):
            read_tables([lines(tmp_path, NIH, *self.ROWS)], label="Pneumona")

    def test_gzip(self, tmp_path):
        path = lines(tmp_path, NIH, *self.ROWS)
        packed = tmp_path / "table.csv.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        pd.testing.assert_frame_equal(read_tables([packed]).rows, read_tables([path]).rows)
        whole = packed.read_bytes()
        for spoilt in (b"not gzip", whole[:40], whole[:20] + b"spoilt" + whole[26:]):
            packed.write_bytes(spoilt)
            with pytest.raises(InputError, match="no readable gzip"):
                read_tables([packed])


def test_cmmd(tmp_path):
    header = "ID1,LeftRight,Age,number,abnormality,classification,subtype"
    rows = ("D1-0001,R,44,2,calcification,Benign,", "D2-0001,L,51,2,mass,Malignant,Luminal A",
            "D2-0001,R,51,2,mass,Benign,Luminal A")  # fmt: skip
    table = read_tables([lines(tmp_path, header, *rows)])
    assert table.layout == "cmmd"
    assert table.rows["site"].tolist() == ["D1", "D2", "D2"]
    assert table.units["cancer"].tolist() == [0, 1]
    with pytest.raises(InputError, match="column classification is not understood, such as 'Odd'"):
        read_tables([lines(tmp_path, header, rows[0].replace("Benign", "Odd"))])


def test_nyu(tmp_path):
    header = "case_ID,side,label,Reader01_POM,AI_one_POM"
    path = lines(tmp_path, header, "9,L,0.0,0.1,0.2", "9,R,1.0,0.4,0.7", "7,L,0.0,0.0,0.1")
    table = read_tables([path], score="AI_one_POM")
    assert table.units["cancer"].tolist() == [1, 0]
    assert table.units["score"].tolist() == [0.7, 0.1]
    assert table.units["probability"].tolist() == [0.7, 0.1]
    with pytest.raises(InputError, match="--score-column names AI_two_POM"):
        read_tables([path], score="AI_two_POM")


class TestFolder:
    NAMES = ("train/0_normal/00000001_000.png", "train/1_abnormal/00000002_000.png",
             "valid/0_normal/00000001_001.png", "test/1_abnormal/00000003_000.png")  # fmt: skip

    def test_split_class_and_patient(self, write_pictures):
        table = read_folder(write_pictures(self.NAMES))
        by_file = table.rows.set_index("image_file")
        assert by_file.loc[list(self.NAMES), "split"].tolist() == ["train", "train", "dev", "test"]
        assert by_file.loc[list(self.NAMES), "cancer"].tolist() == [0, 1, 0, 1]
        assert by_file["patient_id"].nunique() == 3
        assert (
            table.images.thumbnails.shape == (4, 64, 64) and table.label == "the label 1_abnormal"
        )

    def test_the_positive_class_must_be_told_where_it_cannot_be(self, write_pictures):
        folder = write_pictures(["CNV/CNV-1-1.png", "DME/DME-2-1.png", "NORMAL/NORMAL-1-1.png"])
        with pytest.raises(InputError, match="classes CNV, DME, NORMAL.*--label"):
            read_folder(folder)
        table = read_folder(folder, "DME")
        assert table.rows["cancer"].sum() == 1 and "split" not in table.rows
        assert table.rows["patient_id"].nunique() == 2  # the bare number, across the classes
        with pytest.raises(InputError, match="no class 'DMO'.*DME"):
            read_folder(folder, "DMO")

    def test_names_that_tell_no_patient_make_no_split_look_clean(self, write_pictures):
        names = ["train/normal/scan_1.png", "test/sick/scan_2.png", "test/sick/sample_A1.png"]
        table = read_folder(write_pictures(names))
        assert not table.has("patient_id")
        assert any("intervals are too narrow" in note for note in table.notes)

    def test_no_image(self, tmp_path):
        with pytest.raises(InputError, match="holds no image"):
            read_folder(tmp_path)


def test_one_layout_at_a_time(tmp_path, make_rsna, write):
    cbis = lines(tmp_path, CBIS_COPY, cbis_row("P_00001", "MALIGNANT", "Mass-Training"))
    with pytest.raises(InputError, match=r"different layouts \(cbis, rsna\)"):
        read_tables([cbis, write(make_rsna(3))])
    with pytest.raises(InputError, match="not in the layout nih.*lacks.*Finding Labels"):
        read_tables([cbis], layout="nih")
    with pytest.raises(InputError, match="no --layout 'rnsa'.*rsna"):
        read_tables([cbis], layout="rnsa")
    with pytest.raises(InputError, match="needs a folder of images"):
        read_tables([cbis], layout="folder")
    with pytest.raises(InputError, match="this layout has one label"):
        read_tables([cbis], label="mass")


def test_every_layout_is_told_from_every_other(make_rsna, write):
    """A signature is met by its own layout alone."""
    raw = {name: one.signature for name, one in layouts.LAYOUTS.items()}
    for name, signature in raw.items():
        assert [other for other, some in raw.items() if some <= signature] == [name]


def test_several_files_keep_their_rows_apart(make_cohort, write):
    cohort = make_cohort(60)
    one, two = write(cohort[:30], "one.csv"), write(cohort[30:], "two.csv")
    both = read_tables([one, two])
    whole = read_tables([write(cohort)])
    pd.testing.assert_frame_equal(both.rows, whole.rows)
    assert replace(both, files=()).title == whole.title
