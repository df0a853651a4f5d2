"""Screening histories: what finds each cancer, and what each exported exam says."""

import numpy as np
import pandas as pd

from mammolab.world import attendance, people, readers
from mammolab.world import parameters as p
from mammolab.world.attendance import DAYS_PER_YEAR, SLOTS, draw, to_time
from mammolab.world.screens import SYMPTOM_SLOT, benign_at, detection, make_exams
from mammolab.world.settings import WorldSettings
from mammolab.world.sight import Sight, exam_seeds
from mammolab.world.streams import stream

SYMPTOM_EXAM_LEAD = 4 / DAYS_PER_YEAR  # years from that exam to the diagnosis


def diagnose(
    women: pd.DataFrame,
    ages: np.ndarray,
    panel: pd.DataFrame,
    seed: int,
    settings: WorldSettings,
    sight: Sight,
) -> pd.DataFrame:
    """Find each woman's first cancer: at a screen, wherever made, or by symptoms.

    Parameters
    ----------
    women : people, membership and disease side by side.
    ages : float [n, SLOTS], the schedule in years of age.
    panel : the readers.
    seed : seed of the world.
    settings : of it `reader_criterion_shift`.
    sight : how much each cancer stands out in the pictures.

    Returns
    -------
    DataFrame [n]: `screen_age` (of the screen that found it; NaN), `diagnosis_age` and
    `diagnosis_time` (inf = none before the extract), `mode` (screen, symptoms or ""),
    `diagnosed_here` (biopsied in this hospital), `invasive`, `size_mm`, `laterality`, and
    `death_age` of any cause.
    """
    n = len(women)
    other_death = women["other_death_age"].to_numpy()
    screen_age, screen_invasive, screen_size = _first_find(
        women, ages, panel, seed, settings.reader_criterion_shift, sight
    )
    invasive_age = women["surfacing_age"].to_numpy()
    dcis_age = np.where(women["dcis_symptomatic"], women["dcis_end_age"], np.inf)
    symptom_age = np.minimum(invasive_age, dcis_age)

    by_screen = screen_age < symptom_age
    delay = _workup_days(seed, "workup", (n,)) / DAYS_PER_YEAR
    age = np.where(by_screen, screen_age + delay, symptom_age)
    time = women["birth_time"].to_numpy() + age
    # what comes after the extract has not happened yet
    diagnosed = (age < other_death) & (time < to_time(p.EXTRACT_DATE.value))
    invasive = np.where(by_screen, screen_invasive, invasive_age <= dcis_age)
    symptom_size = np.where(invasive, women["surfacing_diameter_mm"], women["dcis_extent_mm"])
    cancer_death = age + stream(seed, "death of breast cancer").exponential(
        1 / p.CANCER_MORTALITY.value, n
    )
    worked_up_here = stream(seed, "symptom workup").random(n) < p.SYMPTOM_WORKUP_HERE.value
    here = attendance.with_hospital(women["join_time"], women["leave_time"], time)
    return pd.DataFrame(
        {
            "screen_age": np.where(by_screen & diagnosed, screen_age, np.nan),
            "diagnosis_age": np.where(diagnosed, age, np.inf),
            "diagnosis_time": np.where(diagnosed, time, np.inf),
            "mode": np.where(diagnosed, np.where(by_screen, "screen", "symptoms"), ""),
            "diagnosed_here": diagnosed & here & (time >= 0) & (by_screen | worked_up_here),
            "invasive": diagnosed & invasive,
            "size_mm": np.where(diagnosed, np.where(by_screen, screen_size, symptom_size), np.nan),
            "laterality": np.where(
                invasive, women["invasive_laterality"], women["dcis_laterality"]
            ),
            "death_age": np.where(
                diagnosed & invasive, np.minimum(other_death, cancer_death), other_death
            ),
        }
    )


def exported_exams(
    women: pd.DataFrame,
    ages: np.ndarray,
    panel: pd.DataFrame,
    seed: int,
    settings: WorldSettings,
    sight: Sight,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pick, read and follow up the exams in the hospital's export.

    Parameters
    ----------
    women : as for `diagnose`, with its result joined.
    ages, panel, seed, settings, sight : as for `diagnose`.

    Returns
    -------
    exams : DataFrame, one row an exam, by woman and age: the true state of the breast
        (`invasive_mm`, `dcis_mm`, `latent_density`) and what was read and done.
    lesions : DataFrame, one row a benign look-alike at an exam; `row` is the exam's row.
    """
    n = len(women)
    ages = ages.copy()
    ages[:, SYMPTOM_SLOT] = np.where(
        (women["mode"] == "symptoms") & women["diagnosed_here"],
        women["diagnosis_age"] - SYMPTOM_EXAM_LEAD,
        np.nan,
    )
    exams = make_exams(women, ages, _exported(women, ages, seed), panel, seed)
    exams = exams.sort_values(["woman", "age"], ignore_index=True)
    woman = exams["woman"].to_numpy()
    symptoms = exams["slot"] == SYMPTOM_SLOT
    years_since = exams["age"] - women["diagnosis_age"].to_numpy()[woman]
    after = years_since >= 0
    surveillance = after & (years_since < p.SURVEILLANCE_YEARS.value)
    exams["after_diagnosis"] = after
    exams.loc[after, ["invasive_mm", "dcis_mm"]] = 0.0  # treated
    # ages are copied, never recomputed: equality finds the very screen
    exams["detected"] = (exams["age"] == women["screen_age"].to_numpy()[woman]) | symptoms
    complaint = draw(seed, "complaint", n, exams) < p.DIAGNOSTIC_SHARE.value
    exams["diagnostic"] = surveillance | symptoms | complaint
    exams["exam_seed"] = exam_seeds(seed, n, exams)
    exams["pixel_draw"] = draw(seed, "pixels", n, exams)
    lesions, exams["benign"] = benign_at(exams, women, seed, sight)
    shift = settings.reader_criterion_shift
    unseen = [
        1 - detection(exams, women, panel, name, shift, sight) for name in ("invasive", "dcis")
    ]
    exams["detection_probability"] = 1 - unseen[0] * unseen[1]
    return exams.join(_read(exams, n, panel, seed, shift)), lesions


def _first_find(
    women: pd.DataFrame,
    ages: np.ndarray,
    panel: pd.DataFrame,
    seed: int,
    shift: float,
    sight: Sight,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Age (inf = never), invasiveness and size in mm of the first cancer found at a screen."""
    n = len(women)
    ill = np.isfinite(np.minimum(women["surfacing_age"], women["dcis_onset_age"])).to_numpy()
    with np.errstate(invalid="ignore"):
        attended = ill[:, None] & (ages < women["other_death_age"].to_numpy()[:, None])
    rows = make_exams(women, ages, attended, panel, seed)
    visible = np.maximum(rows["invasive_mm"], rows["dcis_mm"]) >= p.SMALLEST_VISIBLE.value
    rows = rows[visible]
    seen = {
        name: draw(seed, f"{name} seen", n, rows)
        < detection(rows, women, panel, name, shift, sight)
        for name in ("invasive", "dcis")
    }
    rows = rows.assign(
        invasive=seen["invasive"],
        size_mm=np.where(seen["invasive"], rows["invasive_mm"], rows["dcis_mm"]),
    )
    first = rows[seen["invasive"] | seen["dcis"]].drop_duplicates("woman")
    age, invasive, size = np.full(n, np.inf), np.zeros(n, bool), np.zeros(n)
    age[first["woman"]] = first["age"]
    invasive[first["woman"]] = first["invasive"]
    size[first["woman"]] = first["size_mm"]
    return age, invasive, size


def _exported(women: pd.DataFrame, ages: np.ndarray, seed: int) -> np.ndarray:
    """Where (bool [n, SLOTS]) an exam was made in this hospital, in the years of the export."""
    birth, join, leave, death, diagnosis = (
        women[name].to_numpy()[:, None]
        for name in ("birth_time", "join_time", "leave_time", "death_age", "diagnosis_age")
    )
    followed = stream(seed, "surveillance").random(len(women)) < p.SURVEILLANCE_SHARE.value
    time = ages + birth
    with np.errstate(invalid="ignore"):
        keep = (time >= 0) & (time < to_time(p.EXAMS_END.value)) & (ages < death)
        keep &= attendance.with_hospital(join, leave, time)
        return keep & ((ages < diagnosis) | followed[:, None])


def _read(
    exams: pd.DataFrame, n: int, panel: pd.DataFrame, seed: int, shift: float
) -> pd.DataFrame:
    """What the reader decides and writes, beside what she can see."""
    woman, slot = exams["woman"].to_numpy(), exams["slot"].to_numpy()
    detected, benign = exams["detected"].to_numpy(), exams["benign"].to_numpy()
    latent = exams["latent_density"].to_numpy()
    has_prior = exams["has_prior"].to_numpy()
    chance = readers.false_positive_probability(
        exams["age"].to_numpy(),
        people.density_class(latent),
        has_prior,
        benign,
        panel["specificity_effect"].to_numpy()[exams["reader"]],
        stream(seed, "false positive habit").standard_normal(n)[woman],
        shift,
    )
    false_alarm = draw(seed, "false positive", n, exams) < chance
    rate = p.FALSE_POSITIVE_BIOPSY.value
    biopsied = draw(seed, "biopsy", n, exams) < np.where(has_prior, rate["later"], rate["first"])
    recall = detected | false_alarm
    noise = stream(seed, "density reading").standard_normal((n, SLOTS))[woman, slot]
    density = people.density_class(latent + p.DENSITY_READING_SD.value * noise)
    return pd.DataFrame(
        {
            "false_positive_probability": chance,
            "recall": recall,
            "biopsy": detected | (false_alarm & biopsied),
            "birads": readers.assessments(
                recall,
                detected,
                benign,
                exams["diagnostic"].to_numpy(),
                (exams["after_diagnosis"] & exams["diagnostic"]).to_numpy(),
                draw(seed, "birads", n, exams),
            ),
            "density": np.array(p.DENSITIES, dtype=object)[density],
            "reader_id": panel["reader_id"].to_numpy()[exams["reader"]],
            "delay_days": _workup_days(seed, "benign workup", (n, SLOTS))[woman, slot],
            "biopsy_left": draw(seed, "benign biopsy side", n, exams) < 0.5,
        },
        index=exams.index,
    )


def _workup_days(seed: int, name: str, shape: tuple) -> np.ndarray:
    median, spread = p.WORKUP_DELAY.value
    days = median * np.exp(spread * stream(seed, name).standard_normal(shape))
    return np.clip(np.round(days), 3, 120)
