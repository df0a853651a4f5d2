"""When women come, to which hospital and machine, and when they leave.

Times are years since the first exported day. Every screen of a life is laid out, also those
before and after the export or elsewhere: they find cancers too.
"""

import numpy as np
import pandas as pd

from mammolab.world import parameters as p
from mammolab.world.streams import stream

SLOTS = 42  # screens from 35 to 75 at one a year, and a last slot for an exam made for symptoms
EPOCH = np.datetime64(p.EPOCH.value)
DAYS_PER_YEAR = 365.25


def to_date(time_years: np.ndarray) -> np.ndarray:
    """Return calendar days (datetime64[ns]) of times in years since the epoch; NaN gives NaT."""
    days = np.floor(np.asarray(time_years, float) * DAYS_PER_YEAR)
    known = np.isfinite(days)
    dates = EPOCH + np.where(known, days, 0).astype("timedelta64[D]")
    return np.where(known, dates, np.datetime64("NaT")).astype("datetime64[ns]")


def to_time(date: str) -> float:
    """Return the time in years since the epoch of an ISO date."""
    return (np.datetime64(date) - EPOCH).astype(int) / DAYS_PER_YEAR


def draw_membership(anchor_age: np.ndarray, seed: int) -> pd.DataFrame:
    """Draw when each woman was with the hospital.

    Parameters
    ----------
    anchor_age : float [n], age in years on the anchor day.
    seed : seed of the world.

    Returns
    -------
    DataFrame [n]: `birth_time`, `join_time`, `leave_time` (years since the epoch), and
    `leaves_state` (bool). The anchor is the first day for women there already, else the day
    of joining.
    """
    n = len(anchor_age)
    already = stream(seed, "there already").random(n) < p.PRESENT_AT_START.value
    export_years = to_time(p.EXAMS_END.value)
    joins = stream(seed, "joining").random(n) * export_years
    before = stream(seed, "years before").exponential(p.TENURE_BEFORE_START.value, n)
    anchor = np.where(already, 0.0, joins)
    stays = stream(seed, "leaving").exponential(1 / p.LEAVING_RATE.value, n)
    return pd.DataFrame(
        {
            "birth_time": anchor - anchor_age,
            "join_time": np.where(already, -before, joins),
            "leave_time": anchor + stays,
            "leaves_state": stream(seed, "leaving the state").random(n) < p.LEAVES_STATE.value,
        }
    )


def draw_cadence(n: int, seed: int) -> np.ndarray:
    """Return each woman's habit: annual, biennial or irregular (object [n])."""
    shares = p.CADENCE_SHARES.value
    draw = stream(seed, "cadence").random(n)
    index = np.searchsorted(np.cumsum(list(shares.values()))[:-1], draw, side="right")
    return np.array(list(shares), dtype=object)[index]


def draw_schedule(cadence: np.ndarray, seed: int) -> np.ndarray:
    """Lay out the ages of all screens of each woman.

    Parameters
    ----------
    cadence : object [n], from `draw_cadence`.
    seed : seed of the world.

    Returns
    -------
    float [n, SLOTS], age in years, rising; NaN after the last screening age and in the last slot.
    """
    n = len(cadence)
    shortest, extra = (np.zeros(n) for _ in range(2))
    for habit, (low, mean) in p.CADENCE_INTERVAL.value.items():
        shortest[cadence == habit] = low
        extra[cadence == habit] = mean
    low, high = p.FIRST_SCREEN_AGE.value
    first_draw = stream(seed, "first screen").random(n)
    early = stream(seed, "early start").random(n) < p.EARLY_STARTERS.value
    first = np.where(early, 35 + (low - 35) * first_draw, low + (high - low) * first_draw)
    ages = stream(seed, "intervals").exponential(size=(n, SLOTS))
    ages *= extra[:, None]
    ages += shortest[:, None]
    ages[:, 0] = first
    np.cumsum(ages, axis=1, out=ages)
    ages[ages > p.LAST_SCREEN_AGE.value] = np.nan
    ages[:, -1] = np.nan
    return ages


def assign_devices(site: np.ndarray, time_years: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """Return the machine (vendor key) of each exam from hospital and calendar year.

    Parameters
    ----------
    site : object [n], hospital.
    time_years : float [n], years since the epoch.
    draw : float [n], uniform 0..1.
    """
    year = to_date(time_years).astype("datetime64[Y]").astype(int) + 1970
    device = np.full(len(site), "", dtype=object)
    for name, periods in p.SITE_DEVICES.value.items():
        start = np.zeros(len(site))
        for vendor, first, last, share in periods:
            here = (site == name) & (year >= first) & (year <= last)
            taken = here & (draw >= start) & (draw < start + share + 1e-9)
            device[taken] = vendor
            start[here] += share
    return device


def with_hospital(join_time: np.ndarray, leave_time: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return whether (bool) the women were with the hospital at a time, all in the same unit."""
    return (time >= join_time) & (time < leave_time)
