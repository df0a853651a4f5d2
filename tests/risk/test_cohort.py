"""Who counts in a risk study: first-year cancers out, too short a follow-up out, nobody else."""

import numpy as np
import pandas as pd

from mammolab.risk.cohort import risk_cohort, weight_of_record
from mammolab.risk.design import Factor
from mammolab.risk.factors import RiskFactorModel
from mammolab.risk.logistic import LogisticRiskModel

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


class TestWeightOfRecord:
    def test_a_whole_cohort_of_which_some_have_images_counts_each_exam_once(self):
        exams = pd.DataFrame({"sampling_weight": [45.0, np.nan, 3.0]})
        assert weight_of_record(exams).tolist() == [1, 1, 1]

    def test_a_sample_counts_by_its_weights(self):
        exams = pd.DataFrame({"sampling_weight": [6.0, 2.0, 1.0]})
        np.testing.assert_allclose(weight_of_record(exams), [2, 2 / 3, 1 / 3])

    def test_equal_weights_change_no_model_and_unequal_ones_bring_the_sample_back(self):
        rng = np.random.default_rng(4)
        n = 4_000
        factor = rng.normal(size=n)
        cancer_years = rng.exponential(1 / (0.01 * np.exp(0.5 * factor)))
        time, event = np.minimum(cancer_years, 8), (cancer_years < 8).astype(int)
        exams = pd.DataFrame({"bmi": factor, "sampling_weight": 45.0})
        kept = (event == 1) | (rng.random(n) < 0.2)
        sample = exams.assign(sampling_weight=np.where(event == 1, 1.0, 5.0))[kept]
        five_year = ((event == 1) & (time <= 5)).mean()
        for model, horizon in ((RiskFactorModel, (5.0,)), (LogisticRiskModel, ())):
            whole = model.fit(exams, time, event, factors=(Factor("bmi"),))
            alike = model.fit(exams, time, event, weight_of_record(exams), factors=(Factor("bmi"),))
            np.testing.assert_array_equal(
                alike.predict(exams, *horizon), whole.predict(exams, *horizon)
            )
            part = time[kept], event[kept], weight_of_record(sample)
            back = model.fit(sample, *part, factors=(Factor("bmi"),)).predict(exams, *horizon)
            assert abs(back.mean() / five_year - 1) < 0.1
            blind = model.fit(sample, *part[:2], factors=(Factor("bmi"),))
            assert blind.predict(exams, *horizon).mean() > 2 * five_year
