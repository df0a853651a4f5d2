"""The logistic risk-factor model against planted effects, repeated rows, Cox and a saved copy."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.risk.design import Factor
from mammolab.risk.factors import RiskFactorModel
from mammolab.risk.logistic import LogisticRiskModel

FACTORS = (Factor("density", levels=tuple("abcd")), Factor("bmi"))
LOG_OR = {"density b": 0.5, "density c": 0.9, "density d": 1.3, "bmi": 0.08}


def simulate(seed: int, n: int, leaving_years: float):
    """Exams whose odds of cancer within five years are planted; deaths, and loss up to a time."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "exam_id": [f"E{k}" for k in range(n)],
            "density": rng.choice(list("abcd"), n, p=[0.1, 0.4, 0.4, 0.1]),
            "bmi": rng.normal(27, 4, n),
        }
    )
    odds = np.exp(
        -3.5
        + frame["density"].map({"a": 0.0, "b": 0.5, "c": 0.9, "d": 1.3})
        + 0.08 * (frame["bmi"] - 27)
    )
    probability = (odds / (1 + odds)).to_numpy()
    cancer = np.where(rng.random(n) < probability, rng.uniform(0, 5, n), 50.0)
    lost = rng.uniform(0.5, leaving_years, n)
    time = np.minimum(np.minimum(cancer, lost), 8.0)
    return frame, time, (time == cancer).astype(int), probability


@pytest.fixture(scope="module")
def train():
    return simulate(1, 30_000, 7.0)


@pytest.fixture(scope="module")
def model(train):
    return LogisticRiskModel.fit(*train[:3], factors=FACTORS)


def test_planted_effects_come_back_through_heavy_censoring(train, model):
    frame, time, event, probability = train
    assert model.n_censored > 0.5 * model.n_exams
    found = np.log(model.odds_ratios.set_index("column")["odds_ratio_per_unit"])
    for column, planted in LOG_OR.items():
        assert found[column] == pytest.approx(planted, abs=0.3 if "d" in column[0] else 0.02)
    predicted = model.predict(frame)
    assert predicted.mean() == pytest.approx(probability.mean(), rel=0.06)
    # leaving the censored out without weights gives another answer
    known = (event == 1) | (time >= 5)
    naive = LogisticRiskModel.fit(
        frame[known], np.where(event[known] == 1, time[known], 5.0), event[known], factors=FACTORS
    )
    assert naive.predict(frame).mean() > 1.3 * probability.mean()


def test_where_censoring_is_light_it_agrees_with_cox():
    frame, time, event, _ = simulate(2, 20_000, 400.0)
    ours = LogisticRiskModel.fit(frame, time, event, factors=FACTORS).predict(frame)
    cox = RiskFactorModel.fit(frame, time, event, factors=FACTORS).predict(frame, 5.0)
    assert np.corrcoef(ours, cox)[0, 1] > 0.995
    assert ours.mean() == pytest.approx(cox.mean(), rel=0.02)
    np.testing.assert_allclose(ours, cox, rtol=0.15)


def test_weight_two_is_the_row_twice(train):
    frame, time, event = (part[:3000] for part in train[:3])
    rows = np.r_[np.arange(3000), np.arange(1500)]
    # One design for both: medians and means are those of the rows and not of the weights.
    weighted = LogisticRiskModel.fit(
        frame, time, event, np.r_[np.full(1500, 2.0), np.ones(1500)], factors=FACTORS, ridge=0.0
    )
    doubled = LogisticRiskModel.fit(
        frame.iloc[rows], time[rows], event[rows], factors=FACTORS, ridge=0.0
    )
    np.testing.assert_allclose(weighted.predict(frame), doubled.predict(frame), rtol=1e-6)


def test_sampled_controls_with_their_weights_give_the_full_cohort_risk(train, model):
    frame, time, event, _ = train
    kept = (event == 1) | (np.random.default_rng(3).random(len(frame)) < 0.2)
    weight = np.where(event == 1, 1.0, 5.0)[kept]
    sampled = LogisticRiskModel.fit(frame[kept], time[kept], event[kept], weight, factors=FACTORS)
    whole = model.predict(frame).mean()
    assert sampled.predict(frame).mean() == pytest.approx(whole, rel=0.06)


def test_a_death_before_the_horizon_is_no_cancer_by_it():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"bmi": rng.normal(27, 4, 4000)})
    time = np.where(rng.random(4000) < 0.5, 2.0, 6.0)
    event = np.where(time == 2.0, rng.choice([1, 2], 4000), 0)
    model = LogisticRiskModel.fit(frame, time, event, factors=(Factor("bmi"),))
    assert model.n_censored == 0
    assert model.predict(frame).mean() == pytest.approx((event == 1).mean(), abs=1e-6)


def test_missing_values_are_handled_and_reported_as_in_the_cox_model(train):
    frame, time, event = train[0].copy(), *train[1:3]
    frame.loc[::7, "bmi"] = np.nan
    frame.loc[::5, "density"] = None
    ours = LogisticRiskModel.fit(frame, time, event, factors=FACTORS)
    cox = RiskFactorModel.fit(frame, time, event, factors=FACTORS)
    pd.testing.assert_frame_equal(ours.imputation, cox.imputation)
    assert {"bmi unknown", "density unknown"} <= set(ours.design.names)
    assert np.isfinite(ours.predict(frame)).all()


def test_it_comes_back_from_json(train, model, tmp_path):
    model.save(tmp_path / "risk" / "logistic.json")
    back = LogisticRiskModel.load(tmp_path / "risk" / "logistic.json")
    np.testing.assert_array_equal(back.predict(train[0]), model.predict(train[0]))
    assert back.imputation.equals(model.imputation)
    assert back.n_censored == model.n_censored


def test_bad_input_is_one_sentence(train):
    frame, time, event, _ = train
    with pytest.raises(InputError, match="with and without cancer within 5 years"):
        LogisticRiskModel.fit(frame, time, np.zeros_like(event), factors=FACTORS)
    with pytest.raises(InputError, match="bmi"):
        LogisticRiskModel.fit(frame.drop(columns="bmi"), time, event, factors=FACTORS)
    with pytest.raises(ValueError, match="time_years"):
        LogisticRiskModel.fit(frame, time[:-1], event, factors=FACTORS)
