"""Attendance: when women come, where they are, and who is lost."""

import numpy as np
import pandas as pd
import pytest

from mammolab.world import attendance, people
from mammolab.world import parameters as p

N = 40_000


@pytest.fixture(scope="module")
def women() -> pd.DataFrame:
    women = people.draw_people(N, seed=2)
    return women.join(attendance.draw_membership(women, seed=2))


def ages_of(women: pd.DataFrame) -> np.ndarray:
    cadence = attendance.draw_cadence(len(women), seed=2)
    return attendance.draw_schedule(cadence, women["lapse_age"].to_numpy(), seed=2)


def test_screens_are_over_a_year_apart_and_stop_in_time(women):
    ages = ages_of(women)
    gaps = np.diff(ages, axis=1)
    assert np.nanmin(gaps) * attendance.DAYS_PER_YEAR > 366
    assert np.nanmax(ages) <= p.LAST_SCREEN_AGE.value
    assert np.isnan(ages[:, -1]).all()
    late = ages > women["lapse_age"].to_numpy()[:, None]
    assert not late.any()


def test_ill_women_leave_and_lapse_sooner_at_the_stated_ratio(women):
    ill = women["ill_health"].to_numpy()
    anchor = women["birth_time"] + women["anchor_age"]
    for when, log_rate, rate in (
        (women["leave_time"] - anchor, p.LEAVING_HEALTH, p.LEAVING_RATE),
        (women["lapse_age"] - 40, p.LAPSING_HEALTH, p.LAPSING_RATE),
    ):
        scaled = when * np.exp(log_rate.value * ill - log_rate.value**2 / 2)
        assert scaled.mean() == pytest.approx(1 / rate.value, rel=0.03)
        third = np.quantile(ill, [1 / 3, 2 / 3])
        early = when < 2
        assert early[ill > third[1]].mean() > 1.4 * early[ill < third[0]].mean()


def test_mean_rate_of_leaving_is_the_parameter(women):
    anchor = women["birth_time"] + women["anchor_age"]
    first = ((women["leave_time"] - anchor) < 0.5).mean()
    expected = 0.5 * p.LEAVING_RATE.value
    assert first == pytest.approx(expected, abs=4 * np.sqrt(expected / N))


def test_women_move_to_another_hospital_at_the_stated_rate(women):
    assert (women["second_site"] != women["site"]).all()
    assert set(women["second_site"]) == set(p.SITE_SHARES.value)
    anchor = women["birth_time"] + women["anchor_age"]
    moved = ((women["move_time"] - anchor) < 4).mean()
    expected = -np.expm1(-4 * p.MOVING_RATE.value)
    assert moved == pytest.approx(expected, abs=4 * np.sqrt(expected / N))


def test_hospital_by_hand():
    sites = [np.array([name] * 3, object) for name in ("north", "hill")]
    at = attendance.site_at(*sites, np.array([2.0, 2.0, np.inf]), np.array([1.9, 2.0, 99.0]))
    assert at.tolist() == ["north", "hill", "north"]


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


def test_machines_follow_the_schedule_and_tilt_by_the_odds():
    n = 40_000
    draw = np.random.default_rng(1).random(n)
    site, time = np.full(n, "valley", object), np.full(n, attendance.to_time("2014-06-01"))
    plain = attendance.assign_devices(site, time, draw, {})
    tilted = attendance.assign_devices(site, time, draw, {"dogwood": 1.0, "alder": 9.0})
    assert set(plain) == set(tilted) == {"cedar", "dogwood"}
    assert (plain == "dogwood").mean() == pytest.approx(0.5, abs=0.01)
    assert (tilted == "dogwood").mean() == pytest.approx(np.e / (1 + np.e), abs=0.01)
