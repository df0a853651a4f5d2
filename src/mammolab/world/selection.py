"""How an export comes to differ from the practice behind it: what `WorldSettings` asks for."""

import numpy as np
import pandas as pd

from mammolab.world import attendance, screens
from mammolab.world import parameters as p
from mammolab.world.attendance import to_date
from mammolab.world.settings import WorldSettings


def planted(women: pd.DataFrame, settings: WorldSettings) -> pd.DataFrame:
    """Return `relative_risk` with the planted factors on incidence, by hospital and race.

    Parameters
    ----------
    women : the frame of `people.draw_people`.
    settings : of it `incidence_by_site`, `subgroup_incidence`.
    """
    factor = _by(women["site"], settings.incidence_by_site, 1.0)
    factor = factor * _by(women["race_ethnicity"], settings.subgroup_incidence, 1.0)
    return women.assign(relative_risk=women["relative_risk"] * factor)


def dimmed(women: pd.DataFrame, settings: WorldSettings) -> pd.DataFrame:
    """Return the contrast of the women's cancers with the planted log factor by race.

    Parameters
    ----------
    women : the women with `disease.draw_disease` joined.
    settings : of it `subgroup_contrast`.
    """
    shift = _by(women["race_ethnicity"], settings.subgroup_contrast, 0.0)
    return women.assign(
        **{name: women[name] + shift for name in ("invasive_contrast", "dcis_contrast")}
    )


def exported(
    women: pd.DataFrame,
    exams: pd.DataFrame,
    benign: pd.DataFrame,
    seed: int,
    settings: WorldSettings,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Assign the machines and markers of cancers, and leave out the exams not exported.

    Parameters
    ----------
    women, exams, benign : the lives, from `history`; `benign` has the row in `exams`.
    seed : seed of the world.
    settings : everything in it about the export.

    Returns
    -------
    exams : DataFrame, those exported, with `device` and `extra_marker` (int, 0 or 1).
    benign : DataFrame, the look-alikes at those.
    """
    soon = followed_by_cancer(women, exams)
    n = len(women)
    if settings.device_of_cancers:
        device = exams["device"].to_numpy(copy=True)
        rows = exams[soon]
        device[soon] = attendance.assign_devices(
            rows["site"].to_numpy(),
            rows["time"].to_numpy(),
            screens.draw(seed, "device", n, rows),
            settings.device_of_cancers,
        )
        exams = exams.assign(device=device)
    chance = _by(exams["site"], settings.marker_habit, 0.0)
    marked = soon & (screens.draw(seed, "extra marker", n, exams) < chance)
    exams = exams.assign(extra_marker=marked.astype(np.int64))

    keep = np.ones(len(exams), bool)
    year = to_date(exams["time"]).astype("datetime64[Y]").astype(int) + 1970
    for group, years in ((soon, settings.years_of_cancers), (~soon, settings.years_of_healthy)):
        if years is not None:
            keep &= ~group | ((year >= years[0]) & (year <= years[1]))
    for name in settings.exclude:
        keep &= ~_excluded(name, women, exams, soon)
    if keep.all():
        return exams, benign
    number = np.cumsum(keep) - 1
    benign = benign[keep[benign["row"]]]
    return (
        exams[keep].reset_index(drop=True),
        benign.assign(row=number[benign["row"]]).reset_index(drop=True),
    )


def followed_by_cancer(women: pd.DataFrame, exams: pd.DataFrame) -> np.ndarray:
    """Return whether (bool [exam]) a cancer is diagnosed within 365 days, recorded or not."""
    diagnosis = to_date(women["diagnosis_time"])[exams["woman"]]
    days = (diagnosis - to_date(exams["time"])) / np.timedelta64(1, "D")  # NaT gives NaN
    return (days >= 0) & (days <= 365)


def _excluded(name: str, women: pd.DataFrame, exams: pd.DataFrame, soon: np.ndarray) -> np.ndarray:
    woman = exams["woman"].to_numpy()
    if name == "implants":
        return women["implant"].to_numpy()[woman]
    if name == "dense":
        return exams["density"].isin(["c", "d"]).to_numpy()
    if name == "small_breasts":
        return women["breast_size_mm"].to_numpy()[woman] < p.SMALL_BREAST.value
    death = women["birth_time"] + women["death_age"]
    end = np.minimum(women["leave_time"], death).to_numpy()[woman]
    return (end - exams["time"].to_numpy() < p.POOR_FOLLOW_UP.value) & ~soon


def _by(names: pd.Series, table: dict[str, float], otherwise: float) -> np.ndarray:
    """Value of each name in a table."""
    return names.map(dict(table)).fillna(otherwise).to_numpy(float)
