"""When women come, to which hospital and machine, when they move and when they leave.

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


def draw(seed: int, name: str, n: int, rows: pd.DataFrame) -> np.ndarray:
    """Uniform draw for each row, keyed by woman and slot: other rows change nothing."""
    return stream(seed, name).random((n, SLOTS))[rows["woman"], rows["slot"]]


def to_date(time_years: np.ndarray) -> np.ndarray:
    """Return calendar days (datetime64[ns]) of times in years since the epoch; NaN gives NaT."""
    days = np.floor(np.asarray(time_years, float) * DAYS_PER_YEAR)
    known = np.isfinite(days)
    dates = EPOCH + np.where(known, days, 0).astype("timedelta64[D]")
    return np.where(known, dates, np.datetime64("NaT")).astype("datetime64[ns]")


def to_time(date: str) -> float:
    """Return the time in years since the epoch of an ISO date."""
    return (np.datetime64(date) - EPOCH).astype(int) / DAYS_PER_YEAR


def draw_membership(women: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Draw when each woman was with the five hospitals, and when with which.

    Parameters
    ----------
    women : the frame of `people.draw_people`; of it `anchor_age`, `site`, `ill_health`.
    seed : seed of the world.

    Returns
    -------
    DataFrame [n]: `birth_time`, `join_time`, `leave_time` (years since the epoch), `leaves_state`
    (bool), `move_time` (inf = never), `second_site` (object, her hospital from then on) and
    `lapse_age` (years; no screens from then on). The anchor is the first day for women there
    already, else the day of joining. Ill women leave and lapse sooner.
    """
    anchor_age = women["anchor_age"].to_numpy()
    n = len(anchor_age)
    ill = women["ill_health"].to_numpy()
    already = stream(seed, "there already").random(n) < p.PRESENT_AT_START.value
    export_years = to_time(p.EXAMS_END.value)
    joins = stream(seed, "joining").random(n) * export_years
    before = stream(seed, "years before").exponential(p.TENURE_BEFORE_START.value, n)
    anchor = np.where(already, 0.0, joins)
    stays, lapse = (
        stream(seed, name).exponential(size=n) / (rate.value * _multiplier(log_rate.value, ill))
        for name, rate, log_rate in (
            ("leaving", p.LEAVING_RATE, p.LEAVING_HEALTH),
            ("lapsing", p.LAPSING_RATE, p.LAPSING_HEALTH),
        )
    )
    return pd.DataFrame(
        {
            "birth_time": anchor - anchor_age,
            "join_time": np.where(already, -before, joins),
            "leave_time": anchor + stays,
            "leaves_state": stream(seed, "leaving the state").random(n) < p.LEAVES_STATE.value,
            "move_time": anchor + stream(seed, "moving").exponential(1 / p.MOVING_RATE.value, n),
            "second_site": _other_site(
                women["site"].to_numpy(), stream(seed, "where to").random(n)
            ),
            "lapse_age": 40 + lapse,
        }
    )


def _multiplier(log_rate: float, z: np.ndarray) -> np.ndarray:
    """Factor on a rate, with mean one over the standard normal z."""
    return np.exp(log_rate * z - log_rate**2 / 2)


def _other_site(site: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """Another hospital than the present one, the larger the likelier."""
    shares = p.SITE_SHARES.value
    other = np.full(len(site), "", dtype=object)
    for name in shares:
        here = site == name
        left = {key: share for key, share in shares.items() if key != name}
        edges = np.cumsum(list(left.values()))[:-1] / sum(left.values())
        other[here] = np.array(list(left), object)[np.searchsorted(edges, draw[here], "right")]
    return other


def site_at(
    site: np.ndarray, second_site: np.ndarray, move_time: np.ndarray, time: np.ndarray
) -> np.ndarray:
    """Return the women's hospital (object) at a time; times in years since the epoch."""
    return np.where(time < move_time, site, second_site)


def draw_cadence(n: int, seed: int) -> np.ndarray:
    """Return each woman's habit: annual, biennial or irregular (object [n])."""
    shares = p.CADENCE_SHARES.value
    draw = stream(seed, "cadence").random(n)
    index = np.searchsorted(np.cumsum(list(shares.values()))[:-1], draw, side="right")
    return np.array(list(shares), dtype=object)[index]


def draw_schedule(cadence: np.ndarray, lapse_age: np.ndarray, seed: int) -> np.ndarray:
    """Lay out the ages of all screens of each woman.

    Parameters
    ----------
    cadence : object [n], from `draw_cadence`.
    lapse_age : float [n], years; from `draw_membership`.
    seed : seed of the world.

    Returns
    -------
    float [n, SLOTS], age in years, rising; NaN after lapsing or the last screening age, and in the
    last slot.
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
    ages[ages > np.minimum(lapse_age, p.LAST_SCREEN_AGE.value)[:, None]] = np.nan
    ages[:, -1] = np.nan
    return ages


def later_visits(
    women: pd.DataFrame,
    age: np.ndarray,
    n_replays: int,
    horizon_years: float,
    every_years: float | None,
    seed: int,
) -> np.ndarray:
    """Draw the screening visits that follow an exam, by the woman's habit or at a fixed interval.

    Parameters
    ----------
    women : rows of truth_women, n of them; of it `cadence`, `lapse_age`.
    age : float [n], years at the exam.
    n_replays : futures drawn of each.
    horizon_years : later visits are left out.
    every_years : interval of all women; None = each by her habit.
    seed : seed of the draws.

    Returns
    -------
    float [n, n_replays, visits], years after the exam, rising from the exam itself (0); NaN where
    there is none.
    """
    habits = p.CADENCE_INTERVAL.value
    shortest = every_years or min(low for low, _ in habits.values())
    shape = (len(age), n_replays, int(horizon_years / shortest + 1e-9) + 1)
    if every_years is None:
        low, mean = np.array([habits[name] for name in women["cadence"]]).T[:, :, None, None]
        gaps = low + mean * stream(seed, "policy intervals").exponential(size=shape)
    else:
        gaps = np.full(shape, every_years)
    gaps[..., 0] = 0.0
    times = np.cumsum(gaps, axis=-1)
    last = np.minimum(women["lapse_age"].to_numpy(), p.LAST_SCREEN_AGE.value) - age
    over = (times > np.minimum(last, horizon_years + 1e-9)[:, None, None]) & (times > 0)
    return np.where(over, np.nan, times)


def visits_kept(times: np.ndarray, comes_less: np.ndarray, longer_years: float) -> np.ndarray:
    """Return which visits (bool, as `times`) are made where women leave out those too soon.

    Parameters
    ----------
    times : float [n, n_replays, visits], from `later_visits`.
    comes_less : bool [n, n_replays], women asked to keep a longer interval.
    longer_years : that interval; `parameters.INTERVAL_GRACE` less is accepted.
    """
    kept = ~np.isnan(times)
    before = np.zeros(comes_less.shape)
    for visit in range(1, times.shape[-1]):
        soon = times[..., visit] < before + longer_years - p.INTERVAL_GRACE.value
        kept[..., visit] &= ~(comes_less & soon)
        before = np.where(kept[..., visit], times[..., visit], before)
    return kept


def assign_devices(
    site: np.ndarray, time_years: np.ndarray, draw: np.ndarray, log_odds: dict[str, float]
) -> np.ndarray:
    """Return the machine of each exam from hospital and calendar year.

    Parameters
    ----------
    site : object [n], hospital.
    time_years : float [n], years since the epoch; outside the export the nearest year's machines.
    draw : float [n], uniform 0..1.
    log_odds : by device, shift of the log odds of that machine where the hospital has it; empty
        for none.

    Returns
    -------
    object [n], device.
    """
    year = to_date(time_years).astype("datetime64[Y]").astype(int) + 1970
    years = [row[edge] for rows in p.SITE_DEVICES.value.values() for row in rows for edge in (1, 2)]
    year = np.clip(year, min(years), max(years))
    device = np.full(len(site), "", dtype=object)
    for name, periods in p.SITE_DEVICES.value.items():
        here = site == name
        for now in range(min(years), max(years) + 1):
            running = [row for row in periods if row[1] <= now <= row[2]]
            weight = [share * np.exp(log_odds.get(key, 0.0)) for key, _, _, share in running]
            edges = np.cumsum(weight)[:-1] / sum(weight)
            rows = np.flatnonzero(here & (year == now))
            keys = np.array([key for key, *_ in running], dtype=object)
            device[rows] = keys[np.searchsorted(edges, draw[rows], side="right")]
    return device


def with_hospital(join_time: np.ndarray, leave_time: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return whether (bool) the women were with the hospital at a time, all in the same unit."""
    return (time >= join_time) & (time < leave_time)
