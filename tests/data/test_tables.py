"""Every kind of bad export gets one sentence that names the file, the column and the ids."""

import pandas as pd
import pytest

from mammolab.data.tables import FILES, read_export
from mammolab.errors import InputError, MissingInput


def test_a_good_export_is_typed(tiny_rows, write_export):
    raw = read_export(write_export(tiny_rows))
    assert raw.exams["exam_date"].dtype == "datetime64[ns]"
    assert raw.exams["recall"].dtype == bool
    assert raw.patients["race_ethnicity"].tolist() == ["white", "black", None, "white", "asian"]
    assert raw.patients["bmi"].isna().all()
    assert raw.registry["patient_id"].isna().sum() == 1
    assert raw.synthetic and raw.extract_date == pd.Timestamp("2021-12-31")
    assert raw.dicom.name == "dicom"


def test_ids_stay_text(tiny_rows, write_export):
    for name in ("patients", "exams", "registry", "pathology"):
        for row in tiny_rows[name]:
            row["patient_id"] = row["patient_id"].replace("P", "00900719925474099")
    raw = read_export(write_export(tiny_rows))
    assert raw.patients["patient_id"].tolist()[0] == "009007199254740991"


BAD_VALUES = [
    ("exams", 0, "exam_date", "10/01/2010", "column exam_date holds '10/01/2010' for exam_id E01"),
    ("exams", 0, "exam_date", "", "column exam_date is blank for exam_id E01"),
    ("exams", 0, "exam_date", "2010-02-30", "holds '2010-02-30'"),
    ("exams", 1, "exam_id", "E01", "exam_id E01 (1 row) repeats an earlier row"),
    ("exams", 1, "exam_id", "", "column exam_id is blank for exam_id (row 2) (1 row)"),
    ("exams", 2, "patient_id", "P77", "names nobody in ehr/patients.csv for exam_id E03"),
    (
        "exams",
        3,
        "density",
        "E",
        "column density holds 'E' for exam_id E04 (1 row); valid: 'a', 'b'",
    ),
    ("exams", 3, "age_years", "-3", "column age_years holds -3 for exam_id E04"),
    ("exams", 3, "age_years", "young", "column age_years holds 'young'"),
    ("exams", 3, "age_years", "inf", "column age_years holds inf"),
    ("exams", 3, "recall", "maybe", "column recall holds 'maybe'"),
    ("exams", 3, "recall", "", "column recall is blank"),
    ("exams", 3, "birads", "7", "column birads holds 7"),
    ("exams", 3, "sampling_weight", "-1", "column sampling_weight holds -1"),
    ("exams", 3, "indication", "check-up", "valid: 'screening', 'diagnostic'"),
    ("exams", 3, "exam_date", "2023-01-01", "lies after the extract_date 2021-12-31"),
    ("patients", 1, "patient_id", "P1", "patient_id P1 (1 row) repeats"),
    ("patients", 1, "race_ethnicity", "purple", "valid: 'white', 'black', 'asian'"),
    ("patients", 1, "bmi", "900", "column bmi holds 900"),
    ("patients", 1, "death_date", "soon", "column death_date holds 'soon'"),
    ("registry", 0, "laterality", "Left", "column laterality holds 'Left' for registry_id R1"),
    ("registry", 0, "laterality", "", "column laterality is blank for registry_id R1"),
    ("pathology", 0, "result", "bad", "valid: 'benign', 'in_situ', 'invasive'"),
    ("pathology", 0, "size_mm", "-1", "column size_mm holds -1 for report_id A1"),
]


@pytest.mark.parametrize(("table", "row", "column", "value", "sentence"), BAD_VALUES)
def test_bad_value(tiny_rows, write_export, table, row, column, value, sentence):
    tiny_rows[table][row][column] = value
    with pytest.raises(InputError) as caught:
        read_export(write_export(tiny_rows))
    message = str(caught.value)
    assert sentence in message
    assert FILES[table] in message and "\n" not in message


@pytest.mark.parametrize("relative", [*FILES.values(), "export.json"])
def test_missing_file(tiny_rows, write_export, relative):
    raw = write_export(tiny_rows)
    (raw / relative).unlink()
    with pytest.raises(MissingInput, match=relative):
        read_export(raw)


def test_missing_folder(tmp_path):
    with pytest.raises(MissingInput, match="no such folder"):
        read_export(tmp_path / "nowhere")


def test_missing_column(tiny_rows, write_export):
    raw = write_export(tiny_rows)
    path = raw / FILES["exams"]
    pd.read_csv(path).drop(columns=["density", "recall"]).to_csv(path, index=False)
    with pytest.raises(InputError, match="column density, recall is missing; expected: exam_id"):
        read_export(raw)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not a readable CSV"),
        (b"\x00\xff\xfe binary", "exams.csv"),
        (b"exam_id,patient_id\nE1,P1,3,4\n", "exams.csv"),
    ],
)
def test_not_a_table(tiny_rows, write_export, content, sentence):
    raw = write_export(tiny_rows)
    (raw / FILES["exams"]).write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        read_export(raw)


@pytest.mark.parametrize("extra", [",surplus", None])
def test_ragged_row(tiny_rows, write_export, extra):
    raw = write_export(tiny_rows)
    path = raw / FILES["registry"]
    lines = path.read_text().splitlines()
    lines[-1] = lines[-1] + extra if extra else lines[-1].rsplit(",", 3)[0]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="cancers.csv"):
        read_export(raw)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "not readable JSON"),
        ("[]", "one JSON object"),
        ('{"extract_date": "2021-12-31"}', "registry_complete_through is missing"),
        (
            '{"extract_date": "31.12.2021", "registry_complete_through": "", "synthetic": true,'
            + ' "source": ""}',
            "extract_date is '31.12.2021'",
        ),
    ],
)
def test_bad_header(tiny_rows, write_export, content, sentence):
    raw = write_export(tiny_rows)
    (raw / "export.json").write_text(content)
    with pytest.raises(InputError, match=sentence):
        read_export(raw)
