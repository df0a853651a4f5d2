"""Natural history: incidence and death are met exactly, and tumours grow."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from mammolab.world import disease
from mammolab.world import parameters as p


@pytest.fixture(scope="module")
def women() -> pd.DataFrame:
    """Women alike but for their health: white, relative risk one."""
    ill_health = np.random.default_rng(4).standard_normal(150_000)
    return pd.DataFrame({"race_ethnicity": "white", "relative_risk": 1.0, "ill_health": ill_health})


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


def test_deaths_of_other_causes_follow_the_table_at_every_age(course):
    death = course["other_death_age"].to_numpy()
    for start, rate in zip(disease.BAND_EDGES[4:-1], p.OTHER_MORTALITY.value["white"][4:]):
        alive = (death > start).sum()
        deaths = ((death > start) & (death < start + 5)).sum()
        expected = -alive * np.expm1(-rate * 5e-5)
        assert deaths == pytest.approx(expected, abs=4 * np.sqrt(expected)), start


def test_ill_health_kills_by_the_stated_ratio(women, course):
    young = course["other_death_age"] < 45  # before survivors are selected
    ill = women["ill_health"] > 0
    s = p.HEALTH_LOG_RR.value
    expected = ndtr(s) / (1 - ndtr(s))  # means of a lognormal above and below its median
    assert young[ill].mean() / young[~ill].mean() == pytest.approx(expected, rel=0.12)


def test_lesions_differ_in_contrast(course):
    for name in ("invasive", "dcis"):
        assert course[f"{name}_contrast"].std() == pytest.approx(
            p.LESION_CONTRAST_SD.value, rel=0.02
        )
    assert course["invasive_contrast"].corr(course["dcis_contrast"]) == pytest.approx(0, abs=0.02)


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
