"""Who counts in a risk study: first-year cancers out, too short a follow-up out, nobody else."""

import pandas as pd

from mammolab.risk.cohort import risk_cohort

EXAMS = {  # exam: (time_years, event, cancer_within_1y) and whether it is kept
    "cancer_soon": (0.6, 1, True, False),
    "cancer_later": (2.0, 1, False, True),
    "cancer_beyond": (7.0, 1, False, True),
    "lost_early": (1.5, 0, False, False),
    "lost_late": (3.5, 0, False, True),
    "died_early": (1.5, 2, False, True),
}


def _tables():
    rows = [(e, "p" + e, t, v, c) for e, (t, v, c, _) in EXAMS.items()]
    frame = pd.DataFrame(
        rows, columns=["exam_id", "patient_id", "time_years", "event", "cancer_within_1y"]
    )
    cohort = frame[["exam_id", "patient_id", "cancer_within_1y"]].assign(
        race_ethnicity="white", age_years=[50, 60, 70, 80, 60, 60]
    )
    outcomes = frame[["exam_id", "patient_id", "time_years", "event"]]
    patients = pd.DataFrame(
        {"patient_id": frame["patient_id"], "bmi": 25.0, "race_ethnicity": "white"}
    )
    return cohort, outcomes, patients


def test_first_year_cancers_and_the_unfollowed_are_left_out():
    kept = risk_cohort(*_tables(), min_follow_up_years=3, exclude_first_years=1)
    assert set(kept["exam_id"]) == {e for e, (*_, keep) in EXAMS.items() if keep}
    assert (kept["race_ethnicity"] == "white").all()
    by_horizon = kept.set_index("exam_id")["cancer_by_horizon"]
    assert by_horizon[by_horizon].index.tolist() == ["cancer_later"]


def test_zero_keeps_the_first_year():
    kept = risk_cohort(*_tables(), min_follow_up_years=3, exclude_first_years=0)
    assert "cancer_soon" in set(kept["exam_id"])


def test_ages_beyond_the_published_rates_are_left_out():
    cohort, outcomes, patients = _tables()
    cohort.loc[cohort["exam_id"] == "lost_late", "age_years"] = 86.0
    kept = risk_cohort(cohort, outcomes, patients, min_follow_up_years=3, exclude_first_years=1)
    assert "lost_late" not in set(kept["exam_id"])
