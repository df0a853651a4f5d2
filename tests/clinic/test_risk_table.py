"""Tables of women in all their dialects are read rightly; what cannot be is told row by row."""

import numpy as np
import pandas as pd
import pytest

from mammolab.clinic.risk_scores import score_women
from mammolab.clinic.risk_table import OPTIONAL, read_women
from mammolab.risk.gail import COLUMNS as GAIL_COLUMNS

HAND = pd.DataFrame(
    {
        "woman_id": ["a", "b", "c"],
        "age_years": ["52.3", "40", "61"],
        "race_ethnicity": ["white", "Hispanic foreign-born", "unknown"],
        "family_history_n": ["0", "1", "99"],
        "menarche_age_years": ["13", "", "11"],
        "n_births": ["2", "", "0"],
        "age_first_birth_years": ["26", "98", ""],
        "n_biopsies": ["0", "1", "NA"],
        "atypia": ["", "yes", "99"],
    }
)


def problems_of(path, wanted=()) -> list[tuple]:
    found = read_women(path, wanted).problems
    return list(found[["row", "column", "value"]].itertuples(index=False, name=None))


def spoilt(rows: dict[int, dict[str, str]]) -> pd.DataFrame:
    table = HAND.copy()
    for row, cells in rows.items():
        for column, value in cells.items():
            table.loc[row, column] = value
    return table


class TestReading:
    def test_by_hand(self, write):
        women = read_women(write(HAND))
        nan = np.nan
        expected = pd.DataFrame(
            {
                "age_years": [52.3, 40.0, 61.0],
                "race_ethnicity": ["white", "hispanic_foreign_born", None],
                "family_history_n": [0.0, 1.0, nan],
                "menarche_age_years": [13.0, nan, 11.0],
                "n_births": [2.0, 0.0, 0.0],
                "age_first_birth_years": [26.0, nan, nan],
                "n_biopsies": [0.0, 1.0, nan],
                "atypia": [nan, 1.0, nan],
            }
        )
        pd.testing.assert_frame_equal(women.frame, expected)
        assert women.problems.empty and not women.synthetic
        assert women.ids["woman_id"].tolist() == ["a", "b", "c"]

    @pytest.mark.parametrize(
        "how",
        [
            {"sep": ";", "decimal": ","},
            {"sep": "\t"},
            {"sep": "|", "encoding": "utf-16"},
            {"encoding": "utf-8-sig"},
            {"lineterminator": "\r\n", "quoting": 1},
        ],
        ids=["semicolons and decimal commas", "tabs", "bars in UTF-16", "a BOM", "quoted, CRLF"],
    )
    def test_dialects_of_csv_are_one(self, women, write, how):
        plain, other = (
            read_women(path, OPTIONAL) for path in (write(women), write(women, "other.csv", **how))
        )
        pd.testing.assert_frame_equal(plain.frame, other.frame)
        assert plain.problems.empty and other.problems.empty

    def test_parquet_is_read_as_csv_is(self, women, write, tmp_path):
        women["birth_date"] = pd.Timestamp("2020-01-01") - pd.to_timedelta(
            (women["age_years"] * 365.25).round(), unit="D"
        )
        women["exam_date"] = pd.Timestamp("2020-01-01").date()
        women = women.drop(columns="age_years")
        women.to_parquet(tmp_path / "women.parquet")
        one, other = (read_women(p, OPTIONAL) for p in (tmp_path / "women.parquet", write(women)))
        pd.testing.assert_frame_equal(one.frame, other.frame)
        assert one.problems.empty and other.problems.empty

    def test_what_is_absent_and_unused_is_named(self, women, write):
        path = write(women.drop(columns="bmi").assign(site="x", patient_id="P1"))
        read = read_women(path, ("bmi", "density"))
        assert read.absent == ("bmi",) and read.frame["bmi"].isna().all()
        assert read.unused == ("menopausal_status", "image_risk", "site")
        assert list(read.ids) == ["exam_id", "patient_id"]  # a woman may come twice, an exam not
        assert read.unit == "exams" and read_women(write(women)).unit == "women"

    def test_synthetic_data_say_so(self, women, write):
        assert read_women(write(women.assign(synthetic="yes"))).synthetic


class TestDates:
    def test_age_from_dates(self, write):
        table = HAND.drop(columns="age_years").assign(
            birth_date=["1970-03-01", "1980-06-15", "1931-01-01"], exam_date="2020-03-01"
        )
        women = read_women(write(table))
        assert women.frame["age_years"].tolist() == pytest.approx([50.0, 39.71, 89.16], abs=0.01)
        assert women.problems.empty

    def test_dates_fill_a_blank_age_and_must_agree_with_one(self, write):
        table = spoilt({1: {"age_years": ""}, 2: {"age_years": "45"}}).assign(
            birth_date="1967-11-12", exam_date="2020-03-01"
        )
        women = read_women(write(table))
        assert women.frame["age_years"].iloc[:2].tolist() == pytest.approx([52.3, 52.3], abs=0.01)
        assert women.problems["problem"].tolist() == [
            "age_years '45' is not the age by birth_date and exam_date"
        ]

    @pytest.mark.parametrize(
        ("birth", "exam", "problem"),
        [
            ("1970-02-30", "2020-03-01", "birth_date '1970-02-30' is no date as YYYY-MM-DD"),
            ("01.03.1970", "2020-03-01", "birth_date '01.03.1970' is no date as YYYY-MM-DD"),
            ("1970-3-1", "2020-03-01", "birth_date '1970-3-1' is no date as YYYY-MM-DD"),
            ("2021-03-01", "2020-03-01", "birth_date '2021-03-01' lies after exam_date"),
            ("1970-03-01", "", "birth_date '1970-03-01' is blank: the age is unknown"),
            (
                "2010-03-01",
                "2020-03-01",
                "birth_date '2010-03-01' gives an age that is not from 20",
            ),
            (
                "1900-01-01",
                "2020-03-01",
                "birth_date '1900-01-01' gives an age that is not from 20",
            ),
            (
                "1970-03-01",
                "2202-03-01",
                "exam_date '2202-03-01' is not from 1900-01-01 to 2099-12-31",
            ),
            (
                "1870-03-01",
                "2020-03-01",
                "birth_date '1870-03-01' is not from 1900-01-01 to 2099-12-31",
            ),
        ],
    )
    def test_dates_that_cannot_be(self, write, birth, exam, problem):
        table = HAND.drop(columns="age_years").assign(
            birth_date="1970-03-01", exam_date="2020-03-01"
        )
        table.loc[1, ["birth_date", "exam_date"]] = birth, exam
        women = read_women(write(table))
        assert len(women.problems) == 1
        assert women.problems["problem"].iloc[0].startswith(problem)
        assert women.clean([]).tolist() == [True, False, True]


CELLS = {
    "too young": ("age_years", "19.9", "is not from 20 to below 90"),
    "too old": ("age_years", "90", "is not from 20 to below 90"),
    "far too old": ("age_years", "1968", "is not from 0 to 120"),
    "no age": ("age_years", "", "is blank"),
    "age in words": ("age_years", "fifty", "is no number"),
    "age infinite": ("age_years", "inf", "is not from 0 to 120"),
    "race": ("race_ethnicity", "martian", "is not white, black, asian"),
    "race by number": ("race_ethnicity", "2", "is not white, black, asian"),
    "relatives negative": ("family_history_n", "-1", "is not from 0 to 20"),
    "relatives broken": ("family_history_n", "0.5", "is no whole number"),
    "menarche": ("menarche_age_years", "4", "is not from 5 to 25"),
    "menarche 98": ("menarche_age_years", "98", "is not from 5 to 25"),
    "births": ("n_births", "31", "is not from 0 to 30"),
    "first birth": ("age_first_birth_years", "71", "is not from 8 to 70"),
    "first birth 98, and births": ("age_first_birth_years", "98", "means no birth"),
    "biopsies": ("n_biopsies", "many", "is no number"),
    "atypia": ("atypia", "2", "is not 0, 1, no, yes"),
    "density": ("density", "e", "is not a, b, c, d"),
    "menopause": ("menopausal_status", "peri", "is not pre, post"),
    "bmi": ("bmi", "7", "is not from 8 to 120"),
    "bmi in kg": ("bmi", "70 kg", "is no number"),
    "brca": ("brca", "BRCA1", "is not 0, 1, no, yes"),
    "image": ("image_risk", "1.2", "is not from 0 to 1"),
}


@pytest.mark.parametrize(("column", "value", "rule"), CELLS.values(), ids=CELLS)
def test_a_cell_that_cannot_be_is_told_and_its_neighbours_stay(women, write, column, value, rule):
    clean = read_women(write(women), OPTIONAL)
    women["n_births"], women["age_first_birth_years"] = 2.0, 25.0  # where 98 cannot be
    women[column] = women[column].astype(object)
    women.loc[7, column] = value
    path = write(women)
    read = read_women(path, OPTIONAL)
    assert problems_of(path, OPTIONAL) == [(9, column, value)]  # the header is row 1
    said = read.problems["problem"].iloc[0]
    assert said.startswith(f"{column} '{value}' " if value else column) and rule in said
    assert pd.isna(read.frame.loc[7, column])
    if column not in ("n_births", "age_first_birth_years"):
        others = clean.frame.index != 7
        pd.testing.assert_series_equal(
            read.frame.loc[others, column], clean.frame.loc[others, column]
        )
    assert read.clean([column]).sum() == len(women) - 1


GARBAGE = (
    "", "NA", "?", "-", "99", "98", "-1", "0", "1", "3.5", "1e400", "-inf", "0x1A", "True", "yes",
    "1_000", "1,5", "=1+1", "white", "Chinese", "a", "post", "2020-01-01", "٤٥", "é", "🎀", "x" * 500,
)  # fmt: skip


def test_whatever_stands_in_the_cells_each_woman_has_a_risk_or_a_problem(women, write):
    rng = np.random.default_rng(4)
    large = pd.concat([women.astype(object)] * 20, ignore_index=True)
    large["exam_id"] = [f"E{k}" for k in range(len(large))]
    for name in large.columns[1:]:
        rows = rng.random(len(large)) < 0.1
        large.loc[rows, name] = rng.choice(GARBAGE, rows.sum())
    read = read_women(write(large), OPTIONAL)
    table = score_women(read).table
    assert table["exam_id"].tolist() == large["exam_id"].tolist()
    risk = table["risk_5y_gail"]
    assert ((risk > 0) & (risk < 1) | (risk.isna() & (table["problem"] != ""))).all()
    assert risk.isna().sum() > 100 and risk.notna().sum() > 100
    of_gail = read.problems[read.problems["column"].isin(GAIL_COLUMNS)]
    assert set(np.flatnonzero(risk.isna())) == set(of_gail["position"])


def test_problems_come_by_row_and_then_by_column_of_the_file(write):
    table = spoilt({2: {"atypia": "x", "age_years": "12"}, 0: {"n_biopsies": "x"}})
    assert problems_of(write(table)) == [
        (2, "n_biopsies", "x"),
        (4, "age_years", "12"),
        (4, "atypia", "x"),
    ]


def test_a_decimal_comma_where_commas_part_the_columns(write):
    assert problems_of(write(spoilt({0: {"age_years": "52,3"}}))) == [(2, "age_years", "52,3")]


def test_a_mistake_in_a_column_nobody_reads_is_none(women, write):
    assert read_women(write(women.assign(density="e"))).problems.empty
