"""Tables of an export: the same pseudonyms and shifts as images, and the same cohort after."""

import numpy as np
import pandas as pd
import pytest

from mammolab.data.cohort import CohortRules, build_cohort
from mammolab.data.deidentify.leaks import Needles, leaks_in_table
from mammolab.data.deidentify.pseudonyms import Pseudonyms
from mammolab.data.deidentify.tables import (
    Tables,
    deidentify_export,
    deidentify_table,
    identifiers_in,
)
from mammolab.data.outcomes import build_outcomes, follow_up_end
from mammolab.data.tables import read_export
from mammolab.errors import InputError

KEY = Pseudonyms(b"key")
RULES = CohortRules({"train": 0.5, "dev": 0.2, "test": 0.3})
COMPLETE = pd.Timestamp("2020-12-31")  # of the exports that the fixture writes


def _rows(seed: int, n_women: int = 80) -> dict[str, list[dict]]:
    """Women with exams and cancers at random, many of them after the registry was complete."""
    rng = np.random.default_rng(seed)
    rows = {"patients": [], "exams": [], "registry": [], "pathology": []}
    for number in range(n_women):
        patient = {"patient_id": f"MRN{seed}{number:05d}", "race_ethnicity": "white"}
        age = rng.uniform(41, 93)
        first = pd.Timestamp("2012-01-01") + pd.Timedelta(days=int(rng.integers(0, 3200)))
        patient["birth_year"] = first.year - int(age)
        if rng.random() < 0.6:
            patient["last_contact_date"] = _text(first + _days(rng, 4000))
        if rng.random() < 0.3:
            patient["death_date"] = _text(first + _days(rng, 4000))
        rows["patients"].append(patient)
        for visit in range(int(rng.integers(1, 5))):
            day = first + pd.Timedelta(days=400 * visit + int(rng.integers(0, 300)))
            if day <= pd.Timestamp("2021-12-31"):
                years = (day - first).days / 365.25
                rows["exams"].append(_exam(number, visit, patient["patient_id"], day, age + years))
        for record in range(int(rng.integers(0, 3)) if rng.random() < 0.5 else 0):
            day = _text(first + _days(rng, 3000))
            side = "LR"[int(rng.integers(2))]
            row = {"patient_id": patient["patient_id"], "laterality": side, "size_mm": 9.0}
            if rng.random() < 0.5:
                row |= {"registry_id": f"REG{number}-{record}", "behaviour": "invasive"}
                rows["registry"].append(row | {"diagnosis_date": day, "reported_date": day})
            else:
                row |= {"report_id": f"PATH{number}-{record}", "result": "in_situ"}
                rows["pathology"].append(row | {"specimen_date": day})
    return rows


def _days(rng, most):
    return pd.Timedelta(days=int(rng.integers(0, most)))


def _text(day):
    return f"{day:%Y-%m-%d}"


def _exam(number, visit, patient_id, day, age):
    return {
        "exam_id": f"ACC{number}-{visit}",
        "patient_id": patient_id,
        "exam_date": _text(day),
        "age_years": round(age, 2),
        "site": "Obernau",
        "device": "room 2",
        "density": "b",
        "birads": 1,
        "reader_id": "Dr. Grunwald",
        "recall": 0,
        "biopsy": 0,
        "indication": "screening",
        "implant": 0,
        "sampling_weight": 1,
    }


def _both(write_export, tmp_path, seed):
    """The export before and after, as the chapters read them, and what was done."""
    raw = write_export(_rows(seed))
    before = read_export(raw)
    tables = deidentify_export(raw, before, KEY, set())
    out = tmp_path / "out"
    for relative, frame in tables.frames.items():
        (out / relative).parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(out / relative, index=False)
    (out / "export.json").write_text((raw / "export.json").read_text())
    return before, read_export(out), tables


def _named(frame, *columns):
    """A table of the original with the ids of the de-identified one, sorted alike."""
    kinds = {"exam_id": "exam", "patient_id": "patient"}
    frame = frame.copy()
    for column in columns:
        frame[column] = frame[column].map(lambda one, kind=kinds[column]: KEY.of(kind, one))
    return frame.sort_values(columns[0]).reset_index(drop=True)


@pytest.mark.parametrize("seed", range(6))
def test_cohort_and_follow_up_come_out_as_before(write_export, tmp_path, seed):
    before, after, tables = _both(write_export, tmp_path, seed)
    assert (before.exams["exam_date"] > COMPLETE).sum() == tables.n_late_exams > 0
    old, new = build_cohort(before, RULES), build_cohort(after, RULES)
    in_time = old.cohort[old.cohort["exam_date"] <= COMPLETE]
    expected = _named(in_time, "exam_id", "patient_id")
    found = new.cohort.sort_values("exam_id").reset_index(drop=True)
    same = ["exam_id", "patient_id", "cancer_within_1y", "cancer_laterality"]
    same += [
        "days_to_diagnosis",
        "invasive",
        "size_mm",
        "birads",
        "recall",
        "density",
        "has_pixels",
    ]
    pd.testing.assert_frame_equal(found[same], expected[same])
    young = expected["age_years"] <= 89
    assert (found["age_years"][young] == expected["age_years"][young]).all() and young.any()
    assert (found["age_years"][~young] == 90).all() and (~young).any()
    # who is followed, and how long: by patient, then by exam
    ends = follow_up_end(before.patients, before.exams, COMPLETE)
    moved = follow_up_end(after.patients, after.exams, after.registry_complete_through)
    for patient, end in ends.items():
        shifted = end - pd.Timedelta(days=KEY.shift_days(patient))
        there = moved[KEY.of("patient", patient)]
        assert there == shifted or (pd.isna(there) and pd.isna(shifted)), patient
    columns = ["patients", "exams"]
    times = [
        build_outcomes(cohort, built.diagnoses, *(getattr(raw, name) for name in columns), COMPLETE)
        for raw, built, cohort in ((before, old, in_time), (after, new, new.cohort))
    ]
    pd.testing.assert_frame_equal(
        times[1].sort_values("exam_id").reset_index(drop=True),
        _named(times[0], "exam_id", "patient_id"),
    )


def test_flow_differs_by_late_exams_alone(write_export, tmp_path):
    before, after, tables = _both(write_export, tmp_path, 3)
    old, new = build_cohort(before, RULES), build_cohort(after, RULES)
    assert old.flow["n_exams"][0] - new.flow["n_exams"][0] == tables.n_late_exams
    pd.testing.assert_frame_equal(old.linkage, new.linkage)


def test_nothing_of_the_export_is_left(write_export, tmp_path):
    raw = write_export(_rows(1))
    _, _, tables = _both(write_export, tmp_path, 1)
    content = "".join((tmp_path / "out" / relative).read_text() for relative in tables.frames)
    before = read_export(raw)
    texts = {"MRN", "REG", "PATH", "Obernau", "Grunwald", "room 2", *before.exams["exam_id"]}
    for text in texts:
        assert text in "".join(path.read_text() for path in raw.rglob("*.csv"))
        assert text not in content


def test_a_patient_has_the_pseudonym_of_her_images(write_export, tmp_path):
    before, after, _ = _both(write_export, tmp_path, 2)
    wanted = {KEY.of("patient", one) for one in before.patients["patient_id"]}
    assert set(after.patients["patient_id"]) == wanted
    assert set(after.exams["patient_id"]) <= wanted


def test_birth_years_move_with_the_dates_and_the_oldest_are_one_group(write_export, tmp_path):
    before, after, _ = _both(write_export, tmp_path, 4)
    old = before.patients.assign(
        patient_id=before.patients["patient_id"].map(lambda one: KEY.of("patient", one))
    ).set_index("patient_id")
    new = after.patients.set_index("patient_id")
    moved = old["birth_year"] - new["birth_year"].reindex(old.index)
    last = old[["last_contact_date", "death_date"]].max(axis=1)
    last = (
        pd.concat(
            [
                last,
                before.exams.groupby(
                    before.exams["patient_id"].map(lambda one: KEY.of("patient", one))
                )["exam_date"].max(),
            ],
            axis=1,
        )
        .max(axis=1)
        .dt.year
    )
    over = last - old["birth_year"] > 90
    assert over.any() and moved[~over].isin([0, 1]).all() and (moved[~over] == 0).any()
    assert (last[over] - new["birth_year"].reindex(old.index)[over]).isin([90, 91]).all()


@pytest.mark.parametrize("column", ["patient_id", "exam_id"])
def test_a_table_with_an_id_left_is_caught(tmp_path, column):
    frame = pd.DataFrame({"patient_id": ["MRN0001234"], "exam_id": ["ACC0005678"]})
    everyone = Needles(identifiers_in(frame))
    tables = Tables()
    result = deidentify_table(frame, "t.csv", KEY, set(), tables)
    result.to_csv(tmp_path / "good.csv", index=False)
    assert leaks_in_table(tmp_path / "good.csv", everyone, tables.written) == []
    result[column] = frame[column]
    result.to_csv(tmp_path / "bad.csv", index=False)
    written = tables.written | set(frame[column])  # as a broken rule would say
    assert leaks_in_table(tmp_path / "bad.csv", everyone, written) == [
        f"{column} in column {column}"
    ]


def test_a_kept_column_is_searched(tmp_path):
    frame = pd.DataFrame(
        {"patient_id": ["MRN0001234", "MRN0009999"], "note": ["fine", "see MRN0001234, fine"]}
    )
    tables = Tables()
    result = deidentify_table(frame, "t.csv", KEY, {"note"}, tables)
    result.to_csv(tmp_path / "t.csv", index=False)
    everyone = Needles(identifiers_in(frame))
    assert leaks_in_table(tmp_path / "t.csv", everyone, tables.written) == [
        "patient_id in column note"
    ]


def test_unknown_columns_go_unless_named():
    frame = pd.DataFrame({"patient_id": ["A"], "note": ["x"], "score": ["0.2"], "bmi": ["24"]})
    tables = Tables()
    result = deidentify_table(frame, "t.csv", KEY, {"score"}, tables)
    assert list(result) == ["patient_id", "score", "bmi"] and tables.dropped == ["t.csv: note"]


def test_dates_are_never_kept_as_they_are():
    frame = pd.DataFrame(
        {"patient_id": ["A"], "exam_date": ["2014-01-01"], "surgery_date": ["2014-01-11"]}
    ).assign(birth_date="1948-03-12")
    assert list(deidentify_table(frame, "t", KEY, set(), Tables())) == ["patient_id", "exam_date"]
    result = deidentify_table(frame, "t", KEY, {"surgery_date", "exam_date"}, Tables())
    assert result["surgery_date"][0] != "2014-01-11"
    days = pd.to_datetime(result["surgery_date"]) - pd.to_datetime(result["exam_date"])
    assert days[0].days == 10 and "birth_date" not in result


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("exam_date", "12.03.2014", "valid: dates as YYYY-MM-DD"),
        ("age_years", "old", "valid: numbers"),
        ("bmi", "Okonkwo", "valid: numbers"),
        ("density", "Okonkwo", "valid: a, b, c, d"),
        ("recall", "Okonkwo", "valid: 0, 1"),
    ],
)
def test_text_where_none_belongs_is_refused(column, value, message):
    frame = pd.DataFrame({"patient_id": ["A"], column: [value]})
    with pytest.raises(InputError, match=message):
        deidentify_table(frame, "t.csv", KEY, set(), Tables())


def test_rows_of_nobody_move_each_by_itself():
    frame = pd.DataFrame(
        {
            "registry_id": ["R1", "R2", "R3"],
            "patient_id": ["", "", "P"],
            "diagnosis_date": ["2014-01-01"] * 3,
        }
    )
    result = deidentify_table(frame, "t.csv", KEY, set(), Tables())
    assert list(result["patient_id"][:2]) == ["", ""] and result["diagnosis_date"].nunique() > 1
    assert (result["diagnosis_date"] < "2014-01-01").all()


def test_an_exam_known_by_its_uid_gets_the_uid_of_its_images():
    frame = pd.DataFrame({"patient_id": ["P"], "exam_id": ["1.2.276.0.7.1"]})
    result = deidentify_table(frame, "t.csv", KEY, set(), Tables())
    assert result["exam_id"][0] == KEY.uid("1.2.276.0.7.1")
