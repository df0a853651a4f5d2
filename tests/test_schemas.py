"""Tables are checked at both ends, and a violation is one sentence."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError, MissingInput
from mammolab.schemas import COLUMNS, KEYS, SCHEMAS, check, read_table, schema_name, write_table


def outcomes(**changes) -> pd.DataFrame:
    frame = {
        "exam_id": ["E1", "E2", "E3"],
        "patient_id": ["P1", "P1", "P2"],
        "time_years": [1.0, 2.0, 3.0],
        "event": [0, 1, 2],
    }
    return pd.DataFrame(frame | changes)


def test_every_table_has_a_schema_and_a_key():
    assert set(SCHEMAS) == set(COLUMNS) == set(KEYS)
    assert all(set(KEYS[name]) <= set(COLUMNS[name]) for name in KEYS)


def test_prefix_decides():
    assert schema_name("results_07_triage") == "results"
    assert schema_name("predictions_risk") == "predictions"
    assert schema_name("flow") == "flow"
    with pytest.raises(InputError, match="no table named 'prediction'; valid: patients, exams"):
        schema_name("prediction")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"event": [0, 3, 1]}, "column event holds 3 for exam_id E2 (1 row); valid: 0, 1, 2"),
        ({"time_years": [1, -2, -3]}, "column time_years holds -2 for exam_id E2, E3 (2 rows)"),
        ({"time_years": [1, np.nan, 1]}, "column time_years is blank for exam_id E2"),
        ({"time_years": [1, np.inf, 1]}, "column time_years holds inf for exam_id E2"),
        ({"time_years": ["1", "2", "3"]}, "column time_years must hold numbers"),
        ({"exam_id": [1, 2, 3]}, "column exam_id must hold text"),
        ({"exam_id": ["E1", "E2", "E2"]}, "exam_id E2 (1 row) repeats an earlier row"),
        ({"exam_id": ["E1", None, "E2"]}, "column exam_id is blank for exam_id (row 2)"),
        ({"event": [0.0, 1.0, 2.0]}, "column event must hold whole numbers"),
    ],
)
def test_violation_is_one_sentence(changes, sentence):
    with pytest.raises(InputError) as caught:
        check(outcomes(**changes), "outcomes", "tables/outcomes.parquet")
    assert str(caught.value).startswith("tables/outcomes.parquet: ")
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_missing_column_lists_the_columns():
    with pytest.raises(InputError, match="column event is missing; columns of outcomes: exam_id"):
        check(outcomes().drop(columns="event"), "outcomes", "here")


def test_lossless_types_are_brought_to_the_declared_ones():
    frame = outcomes(event=np.array([0, 1, 2], np.int8), time_years=[1, 2, 3])
    frame["exam_id"] = frame["exam_id"].astype("category")
    frame["patient_id"] = frame["patient_id"].astype("string")
    checked = check(frame, "outcomes", "here")
    pd.testing.assert_frame_equal(checked, outcomes())
    assert frame["event"].dtype == np.int8  # the caller's table is left alone


def test_flags_may_come_as_numbers_and_never_as_words():
    frame = pd.DataFrame({"exam_id": ["E1", "E2"], "ruled_out": [0, 1]})
    assert check(frame, "triage", "here")["ruled_out"].tolist() == [False, True]
    for held in (["False", "True"], [0, 2], [0.5, 1], [True, None]):
        with pytest.raises(InputError, match="column ruled_out must hold true/false"):
            check(frame.assign(ruled_out=held), "triage", "here")


def test_columns_of_objects_keep_their_meaning():
    frame = outcomes(time_years=pd.Series([1, 2.5, 3], dtype=object))
    assert check(frame, "outcomes", "here")["time_years"].tolist() == [1, 2.5, 3]
    frame = outcomes(event=pd.Series([0, None, 1], dtype=object))
    with pytest.raises(InputError, match="column event must hold whole numbers"):
        check(frame, "outcomes", "here")


def test_extra_columns_and_empty_tables_pass():
    assert "note" in check(outcomes(note=["a", "b", "c"]), "outcomes", "here")
    for name, columns in COLUMNS.items():
        empty = check(pd.DataFrame(columns=list(columns)), name, "here")
        assert len(empty) == 0


def test_write_then_read_gives_the_same(tmp_path):
    path = tmp_path / "tables" / "outcomes.parquet"
    write_table(outcomes(), path, "outcomes")
    pd.testing.assert_frame_equal(read_table(path, "outcomes"), outcomes())
    assert [one.name for one in path.parent.iterdir()] == ["outcomes.parquet"]


def test_a_bad_table_does_not_replace_a_good_one(tmp_path):
    path = tmp_path / "outcomes.parquet"
    write_table(outcomes(), path, "outcomes")
    with pytest.raises(InputError):
        write_table(outcomes(event=[7, 7, 7]), path, "outcomes")
    pd.testing.assert_frame_equal(read_table(path, "outcomes"), outcomes())


def test_reading_what_is_not_there_or_no_table(tmp_path):
    with pytest.raises(MissingInput, match="outcomes does not exist"):
        read_table(tmp_path / "outcomes.parquet", "outcomes")
    (tmp_path / "outcomes.parquet").write_text("no table")
    with pytest.raises(InputError, match="not a readable Parquet table"):
        read_table(tmp_path / "outcomes.parquet", "outcomes")


def exams(**changes) -> pd.DataFrame:
    frame = {column: None for column in COLUMNS["exams"]} | {
        "exam_id": ["E1", "E2", "E3"],
        "patient_id": "P1",
        "exam_date": pd.Timestamp("2020-01-01"),
        "age_years": 60.0,
        "recall": False,
        "biopsy": False,
        "indication": "screening",
        "implant": False,
    }
    return pd.DataFrame(frame | changes)


def test_a_gap_that_a_public_data_set_may_have_makes_a_column_of_pandas_own_type():
    whole = check(exams(), "exams", "here")
    assert whole["recall"].dtype == bool and whole["exam_date"].dtype == "datetime64[ns]"
    gaps = check(exams(recall=[True, None, False], exam_date=pd.NaT), "exams", "here")
    assert gaps["recall"].dtype == "boolean" and gaps["recall"].isna().tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="missing values"):
        gaps["recall"].to_numpy(bool)  # an unknown decision is never taken for no
    none = check(exams(recall=None, age_years=None), "exams", "here")
    assert none["recall"].dtype == "boolean" and none["recall"].isna().all()
    cohort = COLUMNS["cohort"]
    assert (
        cohort["exam_year"].dtype(True) == "Int64" and cohort["exam_year"].dtype(False) == "int64"
    )


def test_no_other_column_may_have_gaps():
    with pytest.raises(InputError, match="column patient_id is blank"):
        check(exams(patient_id=None), "exams", "here")
    gaps = {name for name, columns in COLUMNS.items() for one in columns.values() if one.public_gap}
    assert gaps == {"exams", "registry", "pathology", "cohort"}
