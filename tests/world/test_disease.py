"""Natural history: incidence is met exactly, tumours grow, readers see what they can."""

import numpy as np
import pandas as pd
import pytest

from mammolab.world import attendance, disease, readers
from mammolab.world import parameters as p


@pytest.fixture(scope="module")
def women() -> pd.DataFrame:
    """Women all alike: white, relative risk one."""
    return pd.DataFrame({"race_ethnicity": "white", "relative_risk": np.ones(150_000)})


@pytest.fixture(scope="module")
def course(women) -> pd.DataFrame:
    return disease.draw_disease(women, seed=5)


def test_age_at_hazard_by_hand():
    rates = (100.0,) * 14  # 0.001 a year from age 20
    ages = disease.age_at_hazard(np.array([0.0, 0.01, 0.0695, 0.0701]), rates)
    np.testing.assert_allclose(ages, [20, 30, 89.5, np.inf])


def test_incidence_without_screening_is_the_table(course):
    share = (course["surfacing_age"] < 75).mean()
    rates = np.array(p.INCIDENCE.value["white"])[:11].sum() * 5e-5 * p.INCIDENCE_SCALE.value
    expected = -np.expm1(-rates)
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected / len(course)))


def test_risk_of_cancer_agrees_with_the_simulation(course):
    first = np.minimum(course["surfacing_age"], course["dcis_onset_age"])
    at_risk = first[first >= 55]
    expected = disease.risk_of_cancer(
        np.array([55.0]), 5.0, np.ones(1), np.array(["white"], dtype=object)
    )[0]
    observed = (at_risk < 60).mean()
    assert observed == pytest.approx(expected, abs=4 * np.sqrt(expected / len(at_risk)))


def test_risk_rises_with_relative_risk_and_horizon():
    age, race = np.full(2, 50.0), np.array(["white", "white"], dtype=object)
    once = disease.risk_of_cancer(age, 5.0, np.array([1.0, 2.0]), race)
    assert once[1] > once[0] > 0
    assert (disease.risk_of_cancer(age, 10.0, np.array([1.0, 2.0]), race) > once).all()


def test_double_risk_doubles_the_rate(women):
    twice = disease.draw_disease(women.assign(relative_risk=2.0), seed=5)
    once = disease.draw_disease(women, seed=5)
    early = [(frame["surfacing_age"] < 50).mean() for frame in (twice, once)]
    assert early[0] / early[1] == pytest.approx(2, rel=0.05)


def test_three_volume_doublings_double_the_diameter():
    grown = disease.invasive_diameter_mm(
        np.array([60.0, 57.0, 54.0]), np.full(3, 60.0), np.full(3, 20.0), np.full(3, 1.0)
    )
    np.testing.assert_allclose(grown, [20, 10, 5])


def test_no_cancer_to_come_has_no_size():
    size = disease.invasive_diameter_mm(
        np.array([50.0]), np.array([np.inf]), np.array([20.0]), np.array([0.3])
    )
    assert size[0] == 0


def test_dcis_shows_only_between_onset_and_end():
    size = disease.dcis_extent_mm(
        np.array([49.0, 50.0, 51.0, 52.0, 50.0]),
        np.array([50.0, 50.0, 50.0, 50.0, np.inf]),
        np.array([52.0, 52.0, 52.0, 52.0, np.inf]),
        np.full(5, 16.0),
    )
    np.testing.assert_allclose(size, [0, 4, 10, 0, 0])


def test_lesions_lie_in_the_breast_and_have_sizes(course):
    assert (course["surfacing_diameter_mm"] > 0).all()
    assert course["surfacing_diameter_mm"].max() <= p.SURFACING_DIAMETER_RANGE.value[1]
    for name in ("invasive", "dcis"):
        assert course[f"{name}_depth"].between(0, 1).all()
        assert course[f"{name}_height"].between(-1, 1).all()
        assert set(course[f"{name}_laterality"]) == {"L", "R"}
    assert (course["dcis_kind"] == "calcification").all()


def test_benign_look_alikes_in_the_stated_share():
    lesions = disease.draw_benign(40_000, seed=3)
    expected = 1 - np.prod(1 - np.array(p.BENIGN_PRESENT.value))
    assert lesions["woman"].nunique() / 40_000 == pytest.approx(expected, abs=0.01)
    assert lesions["kind"].str.startswith("benign_").all()
    fewer = disease.draw_benign(100, seed=3)
    pd.testing.assert_frame_equal(fewer, lesions[lesions["woman"] < 100])


def test_detection_rises_with_size_and_falls_with_density():
    size = np.array([1.9, 3.0, 8.0, 15.0, 40.0])
    chance = readers.detection_probability(size, np.ones(5, int), np.zeros(5), in_situ=False)
    assert chance[0] == 0 and (np.diff(chance) > 0).all() and chance[-1] <= 1
    by_density = readers.detection_probability(
        np.full(4, 10.0), np.arange(4), np.zeros(4), in_situ=False
    )
    assert (np.diff(by_density) < 0).all()


def test_false_positives_fall_with_a_prior_film_and_a_specific_reader():
    def chance(has_prior: bool, effect: float) -> float:
        one = np.ones(1)
        return readers.false_positive_probability(
            50 * one, one.astype(int), one * has_prior, 0 * one, effect * one, 0 * one
        )[0]

    odds = [value / (1 - value) for value in (chance(True, 0.0), chance(False, 0.0))]
    assert odds[0] / odds[1] == pytest.approx(0.5, rel=1e-3)
    assert chance(True, 1.0) < chance(True, 0.0)


def test_the_panel_has_its_spread_at_any_seed():
    for seed in (1, 2):
        panel = readers.draw_panel(seed)
        assert panel["reader_id"].is_unique
        assert panel["sensitivity_effect"].mean() == pytest.approx(0, abs=1e-9)
        assert panel["sensitivity_effect"].std() == pytest.approx(
            p.READER_SENSITIVITY_SD.value, rel=0.05
        )


def test_screens_are_over_a_year_apart_and_stop_in_time():
    ages = attendance.draw_schedule(attendance.draw_cadence(5_000, seed=2), seed=2)
    gaps = np.diff(ages, axis=1)
    assert np.nanmin(gaps) * attendance.DAYS_PER_YEAR > 366
    assert np.nanmax(ages) <= p.LAST_SCREEN_AGE.value
    assert np.isnan(ages[:, -1]).all()


def test_dates_by_hand():
    dates = attendance.to_date(np.array([0.0, 1.0, -1.0, np.nan]))
    expected = ["2009-01-01", "2010-01-01", "2008-01-01", "NaT"]
    np.testing.assert_array_equal(dates, np.array(expected, "datetime64[ns]"))
    assert attendance.to_time("2010-01-01") == pytest.approx(365 / 365.25)


def test_every_hospital_and_year_has_a_machine():
    for site, periods in p.SITE_DEVICES.value.items():
        for year in range(2009, 2017):
            share = sum(row[3] for row in periods if row[1] <= year <= row[2])
            assert share == pytest.approx(1), (site, year)
