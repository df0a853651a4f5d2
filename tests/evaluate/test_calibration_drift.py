"""Calibration over calendar time: planted drift, its absence, and statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit

from mammolab.evaluate import calibration_drift
from mammolab.evaluate.resampling import PatientBootstrap


def screened(seed, n_patients=1500, rounds=4, per_year=0.0, own_sd=0.0):
    """Yearly exams whose true log odds leave the prediction by `per_year` from 2010 on."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n_patients), rounds)
    year = 2010 + np.tile(np.arange(rounds), n_patients)
    probability = expit(rng.normal(-2.5, 1, n_patients))[patient]
    own = own_sd * rng.normal(size=n_patients)[patient]
    label = rng.random(len(patient)) < expit(logit(probability) + per_year * (year - 2010) + own)
    return probability, label, year, patient


def test_windows_agree_with_sums_and_with_statsmodels():
    probability, label, year, patient = screened(1, per_year=0.2)
    bootstrap = PatientBootstrap.draw(patient, 100, 0)
    table = calibration_drift.calibration_by_window(
        probability, label, year, patient, None, bootstrap
    )
    assert table["window"].tolist() == [2010, 2011, 2012, 2013]
    for _, row in table.iterrows():
        p, y = probability[year == row["window"]], label[year == row["window"]]
        assert row["n_exams"] == row["n_patients"] == 1500 and row["n_events"] == y.sum()
        assert row["expected_over_observed"] == pytest.approx(p.sum() / y.sum(), rel=1e-12)
        assert row["mean_probability"] / row["observed_share"] == pytest.approx(
            row["expected_over_observed"]
        )
        model = sm.GLM(y, np.ones(len(y)), family=sm.families.Binomial(), offset=logit(p))
        fit = model.fit(cov_type="HC0", tol=1e-12)
        assert row["intercept"] == pytest.approx(fit.params[0], abs=1e-8)
        half = 1.959963985 * fit.bse[0] * np.sqrt(1500 / 1499)
        assert row["intercept_high"] - row["intercept"] == pytest.approx(half, rel=1e-6)


def test_planted_drift_is_seen_in_windows_and_trend():
    probability, label, year, patient = screened(2, n_patients=4000, per_year=0.25)
    bootstrap = PatientBootstrap.draw(patient, 200, 0)
    table = calibration_drift.calibration_by_window(
        probability, label, year, patient, None, bootstrap
    )
    assert (table["reason"] == "").all()
    for k, row in table.iterrows():
        assert row["intercept_low"] < 0.25 * k < row["intercept_high"]
    assert table["expected_over_observed_high"].iloc[-1] < 1  # risk underestimated
    trend = calibration_drift.calibration_trend(probability, label, year, patient)
    assert trend.per_year.low < 0.25 < trend.per_year.high
    assert trend.at_mean_time.low < 0.375 < trend.at_mean_time.high
    assert trend.p_value < 1e-6


@pytest.mark.filterwarnings("ignore:cov_type not fully supported")
def test_trend_agrees_with_statsmodels_by_cluster():
    probability, label, year, patient = screened(3, n_patients=300, own_sd=1.0)
    weight = np.random.default_rng(0).choice([1.0, 3.0], 300)[patient]
    trend = calibration_drift.calibration_trend(probability, label, year, patient, weight)
    centred = year - np.average(year, weights=weight)
    model = sm.GLM(
        label,
        np.column_stack([centred, np.ones(len(year))]),
        family=sm.families.Binomial(),
        offset=logit(probability),
        freq_weights=weight,
    )
    fit = model.fit(
        cov_type="cluster",
        cov_kwds={"groups": patient, "use_correction": False},
        tol=1e-12,
    )
    assert trend.per_year.value == pytest.approx(fit.params[0], abs=1e-8)
    assert trend.at_mean_time.value == pytest.approx(fit.params[1], abs=1e-8)
    half = 1.959963985 * fit.bse * np.sqrt(300 / 299)
    assert trend.per_year.high - trend.per_year.value == pytest.approx(half[0], rel=1e-6)
    assert trend.at_mean_time.high - trend.at_mean_time.value == pytest.approx(half[1], rel=1e-6)


def test_absence_of_drift_is_quiet_at_the_nominal_rate():
    alarms = 0
    for seed in range(200):
        probability, label, year, patient = screened(100 + seed, n_patients=250, own_sd=1.0)
        trend = calibration_drift.calibration_trend(probability, label, year, patient)
        alarms += trend.p_value < 0.05
        assert (trend.p_value < 0.05) == (trend.per_year.low > 0 or trend.per_year.high < 0)
    assert 2 <= alarms <= 20  # 10 nominal


def test_doubled_weights_are_duplicated_rows():
    probability, label, year, patient = screened(4, n_patients=400)
    times = np.random.default_rng(1).integers(1, 4, len(label))
    bootstrap = PatientBootstrap.draw(patient, 50, 0)
    rows = np.repeat(np.arange(len(label)), times)
    first = calibration_drift.calibration_by_window(
        probability, label, year, patient, times, bootstrap
    )
    second = calibration_drift.calibration_by_window(
        probability[rows], label[rows], year[rows], patient[rows], None, bootstrap
    )
    for column in first.columns[4:-1]:
        np.testing.assert_allclose(first[column], second[column], rtol=1e-8)
    trend = calibration_drift.calibration_trend(probability, label, year, patient, times)
    again = calibration_drift.calibration_trend(
        probability[rows], label[rows], year[rows], patient[rows]
    )
    assert trend.p_value == pytest.approx(again.p_value, rel=1e-6)


def test_small_windows_are_named():
    probability, label, year, patient = screened(5, n_patients=400)
    label = label & ((year != 2011) | (patient < 20))
    label[(year == 2013)] = False
    bootstrap = PatientBootstrap.draw(patient, 50, 0)
    table = calibration_drift.calibration_by_window(
        probability, label, year.astype(str), patient, None, bootstrap
    )
    assert table["window"].tolist() == ["2010", "2011", "2012", "2013"]
    assert table["intercept"].isna().tolist() == [False, True, False, True]
    assert table["expected_over_observed"].isna().tolist() == [False, True, False, True]
    assert table.loc[3, "reason"] == "not estimable: 0 events in 400 exams, minimum 10"
    one = calibration_drift.calibration_by_window(
        [0.1, 0.2, 0.3], [1, 0, 1], [1, 1, 1], np.zeros(3, int), None, bootstrap, minimum_events=1
    )
    assert one.loc[0, "reason"] == "not estimable: a single patient"


def test_bad_input():
    probability, label, year, patient = screened(6, n_patients=50)
    bootstrap = PatientBootstrap.draw(patient, 20, 0)
    with pytest.raises(ValueError, match="window has 199 rows"):
        calibration_drift.calibration_by_window(
            probability, label, year[:-1], patient, None, bootstrap
        )
    with pytest.raises(ValueError, match="window must not be missing"):
        missing = year.astype(float)
        missing[7] = np.nan
        calibration_drift.calibration_by_window(
            probability, label, missing, patient, None, bootstrap
        )
    with pytest.raises(ValueError, match="probability must lie in"):
        calibration_drift.calibration_trend(probability + 1, label, year)
    with pytest.raises(ValueError, match="time_years is the same"):
        calibration_drift.calibration_trend(probability, label, np.full(len(year), 2010))
    with pytest.raises(ValueError, match="no positive row"):
        calibration_drift.calibration_trend(probability, np.zeros(len(year)), year)
    with pytest.raises(ValueError, match="holds the one patient"):
        calibration_drift.calibration_trend(probability, label, year, np.zeros(len(year), int))


def test_a_time_that_separates_the_cancers_has_no_trend():
    label = np.arange(60) >= 30
    probability = np.full(60, 0.3)
    with pytest.raises(ValueError, match="separates the classes"):
        calibration_drift.calibration_trend(probability, label, np.arange(60) // 30)
