"""RSNA 2022: blanks stay blank, sites stay apart, and a changed table is refused."""

import pytest

from mammolab.data.adapters import rsna
from mammolab.data.adapters.base import ABSENT
from mammolab.data.adapters.folder import write_source
from mammolab.data.adapters.registry import adapt, detect
from mammolab.errors import InputError, MissingInput

HEADER = ",".join(rsna.COLUMNS)
VIEWS = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))


def woman(site, patient, age, left, right, implant, density, machine, more=()):
    """Rows of one woman; a side is (cancer, biopsy, invasive, BIRADS, difficult)."""
    rows = []
    for number, (side, view) in enumerate([*VIEWS, *more]):
        cancer, biopsy, invasive, birads, difficult = left if side == "L" else right
        rows.append(f"{site},{patient},{patient}{number},{side},{view},{age},{cancer},{biopsy},"
                    f"{invasive},{birads},{implant},{density},{machine},{difficult}")  # fmt: skip
    return rows


CALM = ("0", "0", "0", "", "False")
ROWS = [
    *woman("2", "100", "61.0", ("0", "0", "0", "0.0", "True"), CALM, "0", "", "21"),
    *woman("1", "101", "50", ("0", "0", "0", "0.0", "true"), ("0", "0", "0", "1.0", "False"), "1",
           "B", "49", [("R", "AT")]),
    *woman("2", "102", "89.0", CALM, ("1.0", "1.0", "0.0", "", "0"), "0", "", "48"),
    *woman("1", "103", "", ("0", "1", "0", "", "1"), ("0", "0", "0", "2.0", "False"), "0", "", "93"),
    *woman("1", "104", "44", ("1", "1", "1", "0", "False"), ("0", "0", "0", "", "False"), "0", "D",
           "49"),
]  # fmt: skip


@pytest.fixture
def read(lines, touch, tmp_path):
    """A function (rows) that writes the data set, all its files but one, and adapts it."""

    def run(rows=ROWS, header=HEADER):
        lines("train.csv", header, *rows)
        parts = [row.split(",") for row in rows]
        touch(*(f"train_images/{one[1]}/{one[2]}.dcm" for one in parts[1:]))
        return adapt("rsna", tmp_path / "set")

    return run


class TestTraps:
    def test_a_blank_birads_is_unknown_and_site_two_never_tells(self, read):
        exams = read().exams.set_index("patient_id")
        assert exams["birads"].to_dict() == {
            "100": "",
            "101": "0",
            "102": "",
            "103": "2",
            "104": "0",
        }
        assert (
            exams.loc["100", "birads_raw"] == "0.0" and exams.loc["101", "birads_raw"] == "0.0|1.0"
        )
        assert (exams["recall"] == "").all() and (exams["sampling_weight"] == "").all()

    def test_labels_by_breast(self, read):
        labels = read().labels.set_index(["exam_id", "laterality"])
        assert len(labels) == 10
        assert labels.loc[("rsna_102", "R"), ["cancer", "invasive"]].tolist() == ["1", "0"]
        assert labels.loc[("rsna_104", "L"), ["cancer", "invasive"]].tolist() == ["1", "1"]
        assert (labels["cancer"] == "1").sum() == 2 and (labels["split"] == "").all()

    def test_biopsies(self, read):
        pathology = read().pathology.set_index("report_id")
        assert pathology["result"].to_dict() == {
            "rsna_102_R": "in_situ", "rsna_103_L": "benign", "rsna_104_L": "invasive",
        }  # fmt: skip
        assert (pathology["specimen_date"] == "").all()

    def test_women(self, read):
        exams = read().exams.set_index("patient_id")
        assert exams["age_years"].tolist() == ["61", "50", "89", "", "44"]
        assert exams["density"].tolist() == ["", "b", "", "", "d"]
        assert exams["implant"].tolist() == ["0", "1", "0", "0", "0"]
        assert exams["site"].tolist() == ["2", "1", "2", "1", "1"]

    def test_other_views_and_absent_files_are_left_out_and_counted(self, read, tmp_path):
        source = read()
        images = source.images.set_index("image_id")
        assert images.loc["1014", ["use", "reason", "view", "view_raw"]].tolist() == [
            "0", "view AT", "", "AT",
        ]  # fmt: skip
        assert images.loc["1000", ["use", "reason"]].tolist() == ["0", ABSENT]
        assert (images["use"] == "1").sum() == len(ROWS) - 2
        assert any("1 of 21 listed" in note for note in source.notes)
        sheet = (write_source(source, tmp_path / "out") / "DATASHEET.md").read_text()
        assert f"| - left out, {ABSENT} | 1 |" in sheet and "| - cancer | 2 |" in sheet
        assert "Refused without sampling weights: PPV" in sheet

    def test_two_machines_are_no_one_machine(self, read):
        rows = [ROWS[0].replace(",21,", ",29,"), *ROWS[1:]]
        exam = read(rows).exams.iloc[0]
        assert exam["device"] == "" and exam["device_raw"] == "21|29"


@pytest.mark.parametrize(
    "old, new, message",
    [
        (ROWS[0], ROWS[0].replace(",0.0,", ",4.0,"), "BIRADS is not understood.*4.0"),
        (ROWS[0], ROWS[0].replace(",0.0,", ",,"), "birads differs within patient_id/laterality"),
        (ROWS[0], ROWS[0].replace("61.0", "62.0"), "age differs within patient_id for patient_id 100"),
        (",1.0,1.0,0.0,", ",1.0,0.0,0.0,", "cancer without biopsy for image_id 1022"),
        (",1.0,1.0,0.0,", ",0.0,1.0,1.0,", "invasive without cancer"),
        (",0,0,0,1.0,1,", ",0,1,0,1.0,1,", "BIRADS 1 or 2 with a biopsy"),
        ("true", "false", "difficult_negative_case is not"),
        ("1.0,0.0,,0,,48", "1.0,0.0,0,0,,48", "a biopsy of site 2 has a BIRADS"),
        (",,0,,21,", ",,0,B,21,", "density differs|site 2 has a density"),
        ("1,1,1,0,0,D", "1,1,1,,0,D", "a cancer of site 1 has a BIRADS other than 0"),
        ("2,100,", "3,100,", "site_id is neither 1 nor 2"),
        (",R,MLO,50", ",R,ML,50", "standard views is missing for patient_id 101"),
        ("1001", "1000", "image_id repeats for image_id 1000"),
        (",1.0,1.0,0.0,", ",,1.0,0.0,", "cancer is blank"),
        (",1.0,1.0,0.0,", ",2,1.0,0.0,", "cancer is not understood"),
    ],
)  # fmt: skip
def test_what_is_known_of_the_table_must_hold(read, old, new, message):
    rows = [row.replace(old, new) for row in ROWS]
    assert rows != ROWS
    with pytest.raises(InputError, match=message):
        read(rows)


def test_a_whole_table_with_other_counts_is_refused(read, monkeypatch):
    monkeypatch.setattr(rsna, "N_ROWS", len(ROWS))
    with pytest.raises(InputError, match="length of the published table"):
        read()


def test_what_is_not_the_data_set(read, lines, tmp_path):
    with pytest.raises(MissingInput, match="no such folder"):
        adapt("rsna", tmp_path / "nowhere")
    lines("train.csv", "image,label", "a,1")
    with pytest.raises(InputError, match="is not RSNA.*must hold train.csv"):
        adapt("rsna", tmp_path / "set")
    lines("train.csv", HEADER, "1,2,3")
    with pytest.raises(InputError, match="14 columns in its header and another number"):
        adapt("rsna", tmp_path / "set")
    assert detect(tmp_path / "set") == []
    with pytest.raises(InputError, match="no data set 'rnsa'.*rsna"):
        adapt("rnsa", tmp_path / "set")
    with pytest.raises(InputError, match="no option of rsna 'x'"):
        adapt("rsna", tmp_path / "set", {"x": "1"})
    with pytest.raises(InputError, match="lacks the column.*biopsy"):
        read(["1,9,91,L,CC,49"], "site_id,patient_id,image_id,laterality,view,machine_id")
    assert detect(tmp_path / "set") == ["rsna"]
