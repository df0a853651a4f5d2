"""Outcomes by the reader's opinion, and after too short a wait: planted sensitivities come back."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.pitfalls.failure import dose_response
from mammolab.pitfalls.outcome_labels import (
    SHORT_FOLLOW_UP,
    VERIFICATION_BIAS,
    recorded_label,
    short_follow_up,
    verification_bias,
)

N = 20_000
SENSITIVITY = 0.7


@pytest.fixture(scope="module")
def exams() -> pd.DataFrame:
    """5% cancers, 70% of them recalled; missed ones surface evenly over the year."""
    rng = np.random.default_rng(0)
    cancer = rng.random(N) < 0.05
    recall = rng.random(N) < np.where(cancer, SENSITIVITY, 0.1)
    days = np.where(recall, rng.integers(1, 50, N), rng.integers(61, 365, N)).astype(float)
    return pd.DataFrame(
        {
            "patient_id": [f"P{k}" for k in rng.integers(0, 12_000, N)],
            "cancer_within_1y": cancer,
            "recall": recall,
            "days_to_diagnosis": np.where(cancer, days, np.nan),
            "sampling_weight": np.where(cancer | recall, 1.0, 5.0),
        }
    )


@pytest.fixture(scope="module")
def bootstrap(exams) -> PatientBootstrap:
    return PatientBootstrap.draw(exams["patient_id"], 200, 1)


@pytest.mark.parametrize("failure", [verification_bias, short_follow_up])
def test_done_right_reports_the_truth(exams, bootstrap, failure):
    outcome = failure(exams, bootstrap, np.random.default_rng(2), 0.0)
    assert outcome.reported == outcome.true
    assert outcome.repaired.value == pytest.approx(outcome.true.value)
    cancer = exams[exams["cancer_within_1y"]]
    assert outcome.true.value == pytest.approx(cancer["recall"].mean())
    assert not outcome.guard.fired


def test_a_reader_who_is_the_judge_misses_nothing(exams, bootstrap):
    outcome = verification_bias(exams, bootstrap, np.random.default_rng(2), 1.0)
    assert outcome.reported.value == 1
    assert outcome.reported.low < 1  # all recalled: no bootstrap would vary
    assert outcome.true.low < SENSITIVITY < outcome.true.high
    assert outcome.repaired.low < outcome.true.value < outcome.repaired.high
    width = outcome.repaired.high - outcome.repaired.low
    assert width > 1.3 * (outcome.true.high - outcome.true.low)
    assert outcome.guard.fired


def test_the_record_holds_a_share_of_the_missed_and_all_recalled(exams):
    generator = np.random.default_rng(3)
    records = [recorded_label(exams, generator, dose) for dose in (0.0, 0.3, 1.0)]
    cancer, recall = exams["cancer_within_1y"], exams["recall"]
    np.testing.assert_array_equal(records[0], cancer)
    np.testing.assert_array_equal(records[2], cancer & recall)
    missed = (cancer & ~recall).to_numpy()
    assert records[1][missed].mean() == pytest.approx(0.7, abs=0.08)
    assert not (records[1] & ~records[0]).any()


def test_begg_and_greenes_is_right_on_average(exams, bootstrap):
    outcomes = [
        verification_bias(exams, bootstrap, np.random.default_rng(seed), 1.0, 0.2)
        for seed in range(40)
    ]
    repaired = np.array([outcome.repaired.value for outcome in outcomes])
    error = repaired.std() / np.sqrt(len(repaired))
    assert abs(repaired.mean() - outcomes[0].true.value) < 3 * error
    assert error < 0.01


def test_begg_and_greenes_by_hand():
    """8 of 10 cancers recalled; of 40 sent home with 2 cancers, those asked about count for all."""
    exams = pd.DataFrame(
        {
            "patient_id": [f"P{k:02d}" for k in range(50)],
            "cancer_within_1y": [True] * 8 + [False] * 2 + [True] * 2 + [False] * 38,
            "recall": [True] * 10 + [False] * 40,
            "sampling_weight": 1.0,
        }
    )
    bootstrap = PatientBootstrap.draw(exams["patient_id"], 50, 0)
    rng = np.random.default_rng(5)
    queue = np.random.default_rng(5).permutation(50)
    asked = (queue < 25) & ~exams["recall"].to_numpy()
    found = (asked & exams["cancer_within_1y"]).sum()
    assert found
    outcome = verification_bias(exams, bootstrap, rng, 1.0, verified_share=0.5)
    assert outcome.repaired.value == pytest.approx(8 / (8 + found * 40 / asked.sum()))


def test_a_short_wait_hides_the_late_cancers(exams, bootstrap):
    outcome = short_follow_up(exams, bootstrap, np.random.default_rng(4), 1.0)
    assert outcome.setting == pytest.approx(0.9)
    # of the missed, the one woman in ten who is followed tells
    expected = SENSITIVITY / (SENSITIVITY + 0.1 * (1 - SENSITIVITY))
    assert outcome.reported.value == pytest.approx(expected, abs=0.02)
    assert outcome.reported.low > outcome.true.high
    assert outcome.repaired.low < outcome.true.value < outcome.repaired.high
    assert outcome.guard.fired


def test_censoring_weights_are_right_on_average(exams, bootstrap):
    outcomes = [
        short_follow_up(exams, bootstrap, np.random.default_rng(seed), 0.8) for seed in range(40)
    ]
    repaired = np.array([outcome.repaired.value for outcome in outcomes])
    error = repaired.std() / np.sqrt(len(repaired))
    assert abs(repaired.mean() - outcomes[0].true.value) < 3 * error
    assert error < 0.01


@pytest.mark.parametrize(
    ("card", "failure"),
    [(VERIFICATION_BIAS, verification_bias), (SHORT_FOLLOW_UP, short_follow_up)],
)
def test_damage_grows_and_the_stream_does_not_depend_on_the_dose(exams, bootstrap, card, failure):
    generator = np.random.default_rng(6)
    curve = dose_response(card, lambda dose: failure(exams, bootstrap, generator, dose))
    assert (curve["reported"].diff().dropna() > 0).all()
    assert curve["true"].nunique() == 1
    alone = failure(exams, bootstrap, np.random.default_rng(6), 0.75)
    assert alone.reported.value == curve["reported"][3]


@pytest.mark.parametrize("failure", [verification_bias, short_follow_up])
def test_where_nothing_is_missed_nothing_is_hidden(exams, bootstrap, failure):
    caught = exams[exams["recall"] | ~exams["cancer_within_1y"]]
    outcome = failure(caught, bootstrap, np.random.default_rng(7), 1.0)
    assert outcome.reported.value == outcome.true.value == outcome.repaired.value == 1


def test_refusals(exams, bootstrap):
    rng = np.random.default_rng(8)
    with pytest.raises(InputError, match="dose"):
        recorded_label(exams, rng, 2.0)
    with pytest.raises(InputError, match="verified_share"):
        verification_bias(exams, bootstrap, rng, 1.0, verified_share=0.0)
    with pytest.raises(InputError, match="most_short"):
        short_follow_up(exams, bootstrap, rng, 1.0, most_short=1.0)
    for failure in (verification_bias, short_follow_up):
        with pytest.raises(InputError, match="no cancer"):
            failure(exams[~exams["cancer_within_1y"]], bootstrap, rng, 0.5)
    with pytest.raises(InputError, match="days_to_diagnosis"):
        short_follow_up(exams.assign(days_to_diagnosis=np.nan), bootstrap, rng, 1.0)
