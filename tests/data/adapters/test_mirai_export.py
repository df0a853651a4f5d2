"""The export to Mirai: the two codes of years by hand, what is left out and why, what is refused."""

from pathlib import Path

import pandas as pd
import pytest

from mammolab.data.adapters.mirai_export import (
    COLUMNS,
    STANDARD,
    mirai_export,
    write_mirai_csv,
)
from mammolab.errors import InputError

ROOT = Path("/images")


def make_cohort(**time_and_event: tuple[float, int]):
    """Exams by id with (time_years, event): the columns that the export reads, four views each."""
    exam_ids = list(time_and_event)
    cohort = pd.DataFrame(
        {
            "exam_id": exam_ids,
            "patient_id": [f"P{exam_id}" for exam_id in exam_ids],
            "split": "test",
        }
    )
    outcomes = pd.DataFrame(
        {
            "exam_id": exam_ids,
            "time_years": [time for time, _ in time_and_event.values()],
            "event": [event for _, event in time_and_event.values()],
        }
    )
    index = pd.DataFrame(
        [
            {
                "exam_id": exam_id,
                "image_id": f"{exam_id}.{side}.{view}",
                "path": f"a/{exam_id}.{side}.{view}.dcm",
                "laterality": side,
                "view": view,
                "status": "ok",
            }
            for exam_id in exam_ids
            for side, view in STANDARD
        ]
    )
    return cohort, outcomes, index


def codes(rows: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """exam_id -> (years_to_cancer, years_to_last_followup), the same in all its rows."""
    labels = rows.drop_duplicates(["exam_id", "years_to_cancer", "years_to_last_followup"])
    assert labels["exam_id"].is_unique
    return {
        row.exam_id: (row.years_to_cancer, row.years_to_last_followup)
        for row in labels.itertuples()
    }


def test_years_are_rounded_down_and_100_means_no_cancer():
    export = mirai_export(
        *make_cohort(
            screen=(0.3, 1), late=(0.999, 1), year4=(4.0, 1), year5=(5.2, 1),
            healthy=(1.9, 0), long=(7.5, 0), died=(3.1, 2),
        ),
        ROOT,
    )  # fmt: skip
    assert tuple(export.rows.columns) == COLUMNS
    assert codes(export.rows) == {
        "screen": (0, 0), "late": (0, 0), "year4": (4, 4), "year5": (5, 5),
        "healthy": (100, 1), "long": (100, 7), "died": (100, 3),
    }  # fmt: skip


def test_what_mirai_would_drop_in_silence_is_left_out_by_name():
    cohort, outcomes, index = make_cohort(
        short=(0.9, 0), found=(0.9, 1), partial=(3, 0), blind=(3, 0), refused=(3, 0), whole=(3, 0)
    )
    index = index[index["exam_id"] != "blind"]
    index = index[~index["image_id"].isin(["partial.R.MLO"])]
    index.loc[index["image_id"] == "refused.L.CC", "status"] = "rejected"
    export = mirai_export(cohort, outcomes, index, ROOT)
    assert set(codes(export.rows)) == {"found", "whole"}
    flow = export.flow.set_index("step")
    assert flow["n_removed_exams"].tolist() == [0, 1, 2, 1]
    assert flow["n_exams"].tolist() == [6, 5, 3, 2]
    assert flow["n_images"].tolist() == [4 * 3 + 3 + 3, 18, 12, 8]
    assert (flow["reason"] != "").tolist() == [False, True, True, True]


def test_one_file_a_view_the_first():
    cohort, outcomes, index = make_cohort(one=(3, 0))
    again = index[index["view"] == "CC"].assign(path="a/again.dcm")
    spot = index.iloc[:1].assign(view="ML", path="a/spot.dcm")
    export = mirai_export(cohort, outcomes, pd.concat([index, again, spot]), ROOT)
    assert export.rows["file_path"].tolist() == [
        f"/images/a/one.{side}.{view}.png" for side, view in STANDARD
    ]


def test_a_file_named_by_its_uid_keeps_every_part_of_it():
    cohort, outcomes, index = make_cohort(one=(3, 0))
    index["path"] = [f"one/1.2.840.{k}" for k in range(4)]
    export = mirai_export(cohort, outcomes, index, ROOT)
    assert export.rows["file_path"].tolist() == [f"/images/one/1.2.840.{k}.png" for k in range(4)]


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda c, o, i: (c, o.iloc[:1], i), "exactly one row.*exam_id b"),
        (lambda c, o, i: (c, pd.concat([o, o.iloc[:1]]), i), "exactly one row.*exam_id a"),
        (lambda c, o, i: (c, o, i.assign(status="rejected")), "no exam is left.*2 lack"),
        (lambda c, o, i: (c, o.assign(time_years=0.5), i), "no exam is left.*2 were followed"),
        (lambda c, o, i: (c.assign(patient_id="é"), o, i), "patient_id.*not ASCII"),
        (lambda c, o, i: (c.assign(patient_id="a\tb"), o, i), "patient_id.*tab"),
        (lambda c, o, i: (c, o, i.assign(path="é.dcm")), "file_path.*not ASCII"),
        (lambda c, o, i: (c.assign(patient_id="p", split=["test", "dev"]), o, i), "one split"),
    ],
)
def test_refuses_what_mirai_would_get_wrong(change, match):
    with pytest.raises(InputError, match=match):
        mirai_export(*change(*make_cohort(a=(2, 0), b=(2, 0))), ROOT)


def test_refuses_a_relative_folder_and_a_name_that_mirai_misreads(tmp_path):
    tables = make_cohort(a=(2, 0))
    with pytest.raises(InputError, match="absolute"):
        mirai_export(*tables, Path("images"))
    rows = mirai_export(*tables, ROOT).rows
    for name in ("mirai.txt", "json_export.csv"):
        with pytest.raises(InputError, match="'csv' and not 'json'"):
            write_mirai_csv(rows, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_the_file_holds_the_rows(tmp_path):
    rows = mirai_export(*make_cohort(a=(2, 0), b=(0, 1)), ROOT).rows
    write_mirai_csv(rows, tmp_path / "mirai.csv")
    content = (tmp_path / "mirai.csv").read_bytes()
    assert content.startswith(b"patient_id,exam_id,laterality,view,file_path,years_to_cancer")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "mirai.csv"), rows, check_dtype=False)
