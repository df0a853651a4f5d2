"""Risk that is late detection: the early cancers carry the AUC."""

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.horizons import cumulative_dynamic_auc
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.pitfalls.late_detection import late_detection


@pytest.fixture(scope="module")
def women() -> dict:
    """2,000 exams; a detector that sees the cancers of the first year and no others."""
    rng = np.random.default_rng(0)
    n = 2000
    event = (rng.random(n) < 0.15).astype(int)
    time = np.where(event == 1, rng.uniform(0, 5, n), rng.uniform(3, 8, n))
    seen = (event == 1) & (time <= 1)
    ids = np.char.add("P", rng.integers(0, 1500, n).astype(str)).astype(object)
    return {
        "score": rng.standard_normal(n) + 2.0 * seen,
        "time_years": time,
        "event": event,
        "patient_ids": ids,
        "sample_weight": rng.uniform(1, 5, n),
        "bootstrap": PatientBootstrap.draw(ids, 200, seed=1),
        "seed": 5,
    }


def test_done_right_reports_the_truth(women):
    right = late_detection(0.0, **women)
    assert right.reported == right.true == right.repaired
    assert right.true.low <= 0.5 <= right.true.high  # it foresees nothing
    assert right.setting == 0
    assert not right.guard.fired


def test_early_cancers_pass_for_foresight(women):
    wrong = late_detection(1.0, **women)
    whole = cumulative_dynamic_auc(
        women["time_years"], women["event"], women["score"], [5.0], women["sample_weight"]
    )
    assert wrong.reported.value == pytest.approx(whole[0])
    assert wrong.setting == 1
    assert wrong.damage > 0.05
    assert wrong.guard.fired


def test_a_higher_dose_keeps_more(women):
    outcomes = [late_detection(dose, **women) for dose in (0.0, 0.25, 0.5, 0.75, 1.0)]
    settings, reported = ([f(one) for one in outcomes] for f in (
        lambda one: one.setting, lambda one: one.reported.value))  # fmt: skip
    assert settings == sorted(settings)
    assert reported == sorted(reported)
    assert len({one.true.value for one in outcomes}) == 1


def test_refusals(women):
    with pytest.raises(InputError, match="first_years"):
        late_detection(1.0, **women, first_years=6.0)
    early = women | {"time_years": np.where(women["event"] == 1, 0.5, 6.0)}
    with pytest.raises(InputError, match="cannot be judged"):
        late_detection(1.0, **early)
