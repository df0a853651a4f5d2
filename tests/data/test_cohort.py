"""The cohort, its outcomes and its split on an export small enough to work out by hand."""

import numpy as np
import pandas as pd
import pytest

from mammolab.data.cohort import CohortRules, age_band, build_cohort
from mammolab.data.outcomes import build_outcomes
from mammolab.data.splits import assign_split, balance_table, check_split, split_bootstrap
from mammolab.data.tables import read_export
from mammolab.errors import InputError

FRACTIONS = {"train": 0.6, "dev": 0.2, "test": 0.2}

THIRDS = {"train": 0.4, "dev": 0.3, "test": 0.3}


@pytest.fixture
def raw(tiny_rows, write_export):
    return read_export(write_export(tiny_rows))


def test_diagnoses_unite_registry_and_pathology(raw):
    diagnoses = build_cohort(raw, CohortRules(FRACTIONS)).diagnoses.set_index("diagnosis_id")
    assert list(diagnoses.index) == ["P1-L-1", "P2-R-1", "P5-L-1", "P5-R-1"]
    assert diagnoses["source"].tolist() == ["registry", "both", "registry", "pathology"]
    assert diagnoses["invasive"].tolist() == [True, True, False, True]
    assert diagnoses["size_mm"].tolist()[:3] == [12, 9, 5]
    assert diagnoses.loc["P2-R-1", "diagnosis_date"] == pd.Timestamp("2010-03-10")


def test_linkage_counts_sum(raw):
    linkage = build_cohort(raw, CohortRules(FRACTIONS)).linkage.set_index("source")
    assert linkage.loc["registry"].tolist() == [5, 0, 1, 1, 3]
    assert linkage.loc["pathology"].tolist() == [3, 1, 0, 0, 2]


def test_a_later_record_of_one_breast_is_a_second_cancer(raw, tiny_rows, write_export):
    tiny_rows["registry"].append(
        tiny_rows["registry"][1]
        | {
            "registry_id": "R6",
            "diagnosis_date": "2010-09-17",
        }
    )
    diagnoses = build_cohort(read_export(write_export(tiny_rows)), CohortRules(FRACTIONS)).diagnoses
    assert "P2-R-2" in set(diagnoses["diagnosis_id"])  # 181 days after the last record
    diagnoses = build_cohort(
        read_export(write_export(tiny_rows)), CohortRules(FRACTIONS, episode_days=181)
    ).diagnoses
    assert "P2-R-2" not in set(diagnoses["diagnosis_id"])


def test_flow_by_hand(raw):
    result = build_cohort(raw, CohortRules(FRACTIONS))
    flow = result.flow
    assert flow["n_exams"].tolist() == [11, 10, 9, 8, 7, 6, 5]
    assert flow["n_removed_exams"].tolist() == [0, 1, 1, 1, 1, 1, 1]
    assert flow["n_patients"].tolist() == [5, 5, 5, 5, 5, 5, 4]
    assert (flow["n_exams"].diff().dropna() == -flow["n_removed_exams"][1:]).all()
    # E02 diagnostic, E06 too young, E09 after death, E03 after a cancer, E08 twice a day,
    # E05 not followed for a year.
    assert result.cohort["exam_id"].tolist() == ["E01", "E04", "E07", "E10", "E11"]


def test_no_age_limit_keeps_the_young(raw):
    cohort = build_cohort(raw, CohortRules(FRACTIONS, min_age_years=None)).cohort.set_index(
        "exam_id"
    )
    assert cohort.loc["E06", "age_band"] == "<40"


def test_labels_by_hand(raw):
    cohort = build_cohort(raw, CohortRules(FRACTIONS)).cohort.set_index("exam_id")
    assert cohort["cancer_within_1y"].tolist() == [False, True, False, False, True]
    assert cohort["cancer_laterality"].tolist() == ["", "R", "", "", "B"]
    # The late cancer of E01 is known, and is no label.
    assert cohort["days_to_diagnosis"].tolist()[:2] == [740, 9]
    assert cohort["invasive"].tolist() == [False, True, False, False, True]
    np.testing.assert_array_equal(cohort["size_mm"], [np.nan, 9, np.nan, np.nan, 5])
    assert cohort["has_pixels"].tolist() == [True, True, True, False, True]
    assert cohort.loc["E07", "sampling_weight"] == 2 and cohort.loc["E07", "implant"]
    assert cohort.loc["E10", "density"] is None


@pytest.mark.parametrize(("days", "label"), [(0, True), (365, True), (366, False)])
def test_one_year_is_365_days(tiny_rows, write_export, days, label):
    date = pd.Timestamp("2010-01-10") + pd.Timedelta(days=days)
    tiny_rows["registry"][0]["diagnosis_date"] = f"{date:%Y-%m-%d}"
    cohort = build_cohort(read_export(write_export(tiny_rows)), CohortRules(FRACTIONS)).cohort
    assert cohort.set_index("exam_id").loc["E01", "cancer_within_1y"] == label


def test_follow_up_ends_where_the_registry_does(tiny_rows, write_export):
    raw_dir = write_export(tiny_rows)
    header = (raw_dir / "export.json").read_text().replace("2020-12-31", "2010-12-31")
    (raw_dir / "export.json").write_text(header)
    cohort = build_cohort(read_export(raw_dir), CohortRules(FRACTIONS)).cohort
    # Only exams with a cancer within a year are left: no other was watched for one.
    assert cohort["exam_id"].tolist() == ["E04", "E11"]


def test_export_without_any_cancer(tiny_rows, write_export):
    raw = read_export(write_export(tiny_rows | {"registry": [], "pathology": []}))
    result = build_cohort(raw, CohortRules(FRACTIONS))
    assert not result.cohort["cancer_within_1y"].any() and result.diagnoses.empty
    outcomes = build_outcomes(
        result.cohort, result.diagnoses, raw.patients, raw.exams, raw.registry_complete_through
    )
    assert set(outcomes["event"]) <= {0, 2}


def test_outcomes_by_hand(raw):
    result = build_cohort(raw, CohortRules(FRACTIONS))
    outcomes = build_outcomes(
        result.cohort, result.diagnoses, raw.patients, raw.exams, raw.registry_complete_through
    ).set_index("exam_id")
    assert outcomes["event"].tolist() == [1, 1, 2, 1, 1]
    days = (outcomes["time_years"] * 365.25).round().tolist()
    # Cancer, cancer, death, the invasive cancer of 2015, the same from the later exam.
    assert days == [740, 9, 366, 1853, 27]


def test_cancer_after_the_end_of_follow_up_is_censored(tiny_rows, write_export):
    tiny_rows["patients"][0]["last_contact_date"] = "2011-01-10"
    tiny_rows["exams"] = [row for row in tiny_rows["exams"] if row["exam_id"] == "E01"]
    raw = read_export(write_export(tiny_rows))
    result = build_cohort(raw, CohortRules(FRACTIONS))
    outcomes = build_outcomes(
        result.cohort, result.diagnoses, raw.patients, raw.exams, raw.registry_complete_through
    )
    assert outcomes["event"].tolist() == [0]
    assert outcomes["time_years"].tolist() == [365 / 365.25]


def test_event_on_the_day_of_the_exam_takes_half_a_day(tiny_rows, write_export):
    tiny_rows["registry"][0]["diagnosis_date"] = "2010-01-10"
    raw = read_export(write_export(tiny_rows))
    result = build_cohort(raw, CohortRules(FRACTIONS))
    outcomes = build_outcomes(
        result.cohort, result.diagnoses, raw.patients, raw.exams, raw.registry_complete_through
    ).set_index("exam_id")
    assert outcomes.loc["E01", "event"] == 1
    assert outcomes.loc["E01", "time_years"] == 0.5 / 365.25


def test_order_of_rows_changes_nothing(tiny_rows, write_export, raw):
    expected = build_cohort(raw, CohortRules(FRACTIONS))
    turned = {name: rows[::-1] for name, rows in tiny_rows.items()}
    result = build_cohort(read_export(write_export(turned)), CohortRules(FRACTIONS))
    pd.testing.assert_frame_equal(result.cohort, expected.cohort)
    pd.testing.assert_frame_equal(result.diagnoses, expected.diagnoses)
    pd.testing.assert_frame_equal(result.flow, expected.flow)


def test_age_bands_start_at_their_first_year():
    ages = pd.Series([39.99, 40, 49.99, 50, 60, 69.99, 70, 99])
    assert age_band(ages).tolist() == [
        "<40",
        "40-49",
        "40-49",
        "50-59",
        "60-69",
        "60-69",
        "70+",
        "70+",
    ]


def test_split_is_by_patient_stable_and_of_the_right_size():
    ids = [f"P{number}" for number in range(20_000)]
    split = assign_split(ids, THIRDS, "a")
    share = pd.Series(split).value_counts(normalize=True)
    assert share[["train", "dev", "test"]].to_numpy() == pytest.approx([0.4, 0.3, 0.3], abs=0.015)
    assert (assign_split(ids[::-1], THIRDS, "a")[::-1] == split).all()
    assert (assign_split(ids[5:6], THIRDS, "a") == split[5]).all()
    assert (assign_split(ids, THIRDS, "b") != split).mean() > 0.5
    # Frozen: a changed hash would silently mix train and test of earlier runs.
    assert split[:6].tolist() == ["train", "train", "test", "test", "train", "dev"]


def test_split_refuses_bad_fractions():
    with pytest.raises(InputError, match="sum to 1"):
        assign_split(["P1"], {"train": 0.5, "dev": 0.1, "test": 0.1}, "a")
    with pytest.raises(InputError, match="valid: train, dev, test"):
        assign_split(["P1"], {"train": 0.5, "val": 0.5}, "a")


def test_check_split_names_the_patient():
    check_split(pd.DataFrame({"patient_id": ["P1", "P1"], "split": ["dev", "dev"]}))
    with pytest.raises(InputError, match="patient_id P2 "):
        check_split(
            pd.DataFrame({"patient_id": ["P1", "P2", "P2"], "split": ["dev", "dev", "test"]})
        )


def test_balance_table_adds_up(raw):
    cohort = build_cohort(raw, CohortRules(split_fractions=THIRDS)).cohort
    table = balance_table(cohort)
    assert table["n_exams"].sum() == 5 and table["n_cancers"].sum() == 2
    assert table["n_patients"].sum() == 4


def test_every_chapter_draws_the_same_women_whatever_its_rows_or_replicates():
    cohort = pd.DataFrame(
        {
            "patient_id": [f"P{i % 40:02d}" for i in range(120)],
            "split": ["test" if i % 40 < 25 else "dev" for i in range(120)],
        }
    )
    long = split_bootstrap(cohort, "test", 60, seed=7)
    short = split_bootstrap(cohort.sample(frac=1, random_state=0), "test", 20, seed=7)
    assert list(long.patient_ids) == list(short.patient_ids) == [f"P{i:02d}" for i in range(25)]
    assert (long.counts[:20] == short.counts).all()
    assert (split_bootstrap(cohort, "test", 20, seed=8).counts != short.counts).any()
    with pytest.raises(InputError, match="no patient is in the split 'train'; .* has dev, test"):
        split_bootstrap(cohort, "train", 20, seed=7)
