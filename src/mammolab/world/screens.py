"""Exams as they are made: hospital, machine, reader, state of the breast, and what shows in it."""

import numpy as np
import pandas as pd
from scipy.special import expit

from mammolab.world import attendance, disease, people, readers
from mammolab.world import parameters as p
from mammolab.world.attendance import SLOTS, draw, to_date, to_time
from mammolab.world.sight import Sight
from mammolab.world.vendors import vendor_key

SYMPTOM_SLOT = SLOTS - 1  # the exam made because of symptoms


def make_exams(
    women: pd.DataFrame, ages: np.ndarray, keep: np.ndarray, panel: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """Lay out the exams kept, each with its circumstances and the true state of the breast.

    Parameters
    ----------
    women : people, membership and disease side by side.
    ages : float [n, SLOTS], the schedule in years of age.
    keep : bool [n, SLOTS], the exams wanted.
    panel : the readers.
    seed : seed of the world.

    Returns
    -------
    DataFrame, one row an exam, by woman and slot: `woman`, `slot`, `age` (years), `time` (years
    since the epoch), `site`, `device`, `vendor` (key of the image processing), `reader` (row of
    the panel), `has_prior` (bool), `latent_density` (SD), `invasive_mm`, `dcis_mm` (0 = none),
    `exportable` (bool: made in these hospitals within the years of the export).
    """
    n = len(women)
    woman, slot = np.nonzero(keep)
    rows = pd.DataFrame({"woman": woman, "slot": slot, "age": ages[woman, slot]})

    def hers(name: str) -> np.ndarray:
        return women[name].to_numpy()[woman]

    age = rows["age"].to_numpy()
    time = hers("birth_time") + age
    rows["time"] = time
    rows["site"] = attendance.site_at(hers("site"), hers("second_site"), hers("move_time"), time)
    site = rows["site"].to_numpy()
    device = attendance.assign_devices(site, time, draw(seed, "device", n, rows), {})
    rows["device"], rows["vendor"] = device, vendor_key(device, to_date(time))
    rows["reader"] = readers.assign_readers(panel, site, draw(seed, "reader", n, rows))
    # films for comparison: recent ones of these hospitals, or brought along from elsewhere
    before = hers("birth_time") + _previous_age(ages, woman, slot)
    with np.errstate(invalid="ignore"):
        here = attendance.with_hospital(hers("join_time"), hers("leave_time"), before)
        here &= time - before < p.COMPARABLE_YEARS.value
    brought = (draw(seed, "films from elsewhere", n, rows) < p.FILMS_BROUGHT.value) & (slot > 0)
    rows["has_prior"] = here | brought
    rows["exportable"] = attendance.with_hospital(hers("join_time"), hers("leave_time"), time)
    rows["exportable"] &= (time >= 0) & (time < to_time(p.EXAMS_END.value))
    rows["latent_density"] = people.latent_density(hers("density_at_57"), age)
    size = disease.invasive_diameter_mm(
        age, hers("surfacing_age"), hers("surfacing_diameter_mm"), hers("doubling_years")
    )
    rows["invasive_mm"] = np.where(age < hers("surfacing_age"), size, 0.0)
    rows["dcis_mm"] = disease.dcis_extent_mm(
        age, hers("dcis_onset_age"), hers("dcis_end_age"), hers("dcis_extent_mm")
    )
    return rows


def _previous_age(ages: np.ndarray, woman: np.ndarray, slot: np.ndarray) -> np.ndarray:
    """Age at the screen before, NaN at the first one."""
    previous = np.where(slot > 0, ages[woman, slot - 1], np.nan)
    late = np.flatnonzero(slot == SYMPTOM_SLOT)
    screens = ages[woman[late], :SYMPTOM_SLOT]
    earlier = screens < ages[woman[late], SYMPTOM_SLOT][:, None]
    previous[late] = np.where(earlier, screens, -np.inf).max(axis=1, initial=-np.inf)
    return previous


def detection(
    rows: pd.DataFrame,
    women: pd.DataFrame,
    panel: pd.DataFrame,
    name: str,
    shift: float,
    sight: Sight,
) -> np.ndarray:
    """Return the probability (float [row]) that an exam's reader marks the cancer it shows.

    Parameters
    ----------
    rows : exams from `make_exams`.
    women, panel : as there.
    name : "invasive" or "dcis".
    shift : logit, criterion of all readers; positive = recall more.
    sight : how much the cancer stands out in the picture.
    """
    chance = np.zeros(len(rows))
    at = np.flatnonzero(rows[f"{name}_mm"] >= p.SMALLEST_VISIBLE.value)
    shown = rows.iloc[at]
    plain = readers.percept(
        women[f"{name}_kind"].to_numpy()[shown["woman"]],
        shown[f"{name}_mm"].to_numpy(),
        shown["latent_density"].to_numpy(),
        sight.of_cancers(shown, women, name),
    )
    effect = panel["sensitivity_effect"].to_numpy()[shown["reader"]]
    chance[at] = readers.detection_probability(plain, shown["has_prior"].to_numpy(), effect, shift)
    return chance


def benign_at(
    exams: pd.DataFrame, women: pd.DataFrame, seed: int, sight: Sight
) -> tuple[pd.DataFrame, np.ndarray]:
    """Find the benign look-alikes at each exam, and how plainly they show.

    Parameters
    ----------
    exams : the exams exported.
    women, seed : as for `make_exams`.
    sight : how much a look-alike stands out in the picture.

    Returns
    -------
    lesions : DataFrame of `disease.draw_benign` at exams; `row` is the exam's row number.
    shows : float [exam], 0..1, for the plainest of them; 0 where there is none.
    """
    rows = exams[["woman", "age"]].assign(row=exams.index)
    lesions = rows.merge(disease.draw_benign(len(women), seed), on="woman")
    lesions = lesions[lesions["age"] >= lesions["onset_age"]].reset_index(drop=True)
    plain = readers.percept(
        lesions["kind"].to_numpy(),
        lesions["diameter_mm"].to_numpy(),
        exams["latent_density"].to_numpy()[lesions["row"]],
        sight.of_look_alikes(lesions, exams, women),
    )
    shows = np.zeros(len(exams))
    np.maximum.at(shows, lesions["row"].to_numpy(), expit(plain))
    return lesions, shows
