"""What would have become of a cancer had its exam not been read; for the truth column alone."""

import numpy as np
import pandas as pd

from mammolab.errors import InputError
from mammolab.world import disease, people, percept, readers
from mammolab.world import parameters as p
from mammolab.world.attendance import DAYS_PER_YEAR, EPOCH
from mammolab.world.vendors import vendor_key

COLUMNS = ("exam_id", "patient_id", "exam_date", "device")


def fate_unread(exams: pd.DataFrame, women: pd.DataFrame) -> pd.DataFrame:
    """Follow the cancers of exams left unread up to the woman's next screen, if she comes to it.

    Parameters
    ----------
    exams : DataFrame
        exam_id, patient_id, exam_date, device.
    women : table truth_women; `cadence` says after how long women of her habit come on average.

    Returns
    -------
    DataFrame [exam_id, in the order given]
        interval_years (to the next screen), size_mm (of the larger of her invasive cancer and DCIS
        at the exam), size_next_mm (at the next screen), surfaces_in_years (symptoms; inf = never), surfaces_before (bool, the next
        screen), found_next (probability that the mean reader, with prior films, finds it at the
        next screen if she reads it; 0 where it surfaces before).

    Raises
    ------
    InputError
        If a column is missing or a woman is not in the truth.

    Notes
    -----
    Lapses of attendance and death of other causes are left out, so that the truth is a little worse.
    The contrast-to-noise ratio at the next screen is that of the formula: there is no such picture.
    Whether the model would have let her next exam be read is not known; that would have to be
    drawn and scored.
    """
    missing = [name for name in COLUMNS if name not in exams]
    if missing:
        raise InputError(f"exams lack the column(s) {', '.join(missing)}")
    unknown = exams.loc[~exams["patient_id"].isin(women["patient_id"]), "patient_id"]
    if len(unknown):
        raise InputError(f"{len(unknown)} women are not in the truth, first: {unknown.iloc[0]}")
    hers = women.set_index("patient_id").loc[exams["patient_id"]]
    date = pd.to_datetime(exams["exam_date"])
    time = (date.to_numpy() - EPOCH) / np.timedelta64(1, "D") / DAYS_PER_YEAR
    age = time - hers["birth_time"].to_numpy()
    habit = {name: sum(years) for name, years in p.CADENCE_INTERVAL.value.items()}
    interval_years = hers["cadence"].map(habit).to_numpy(float)
    symptoms = np.minimum(
        hers["surfacing_age"],
        np.where(hers["dcis_symptomatic"].astype(bool), hers["dcis_end_age"], np.inf),
    ).to_numpy()

    now, later = sizes_at(hers, age), sizes_at(hers, age + interval_years)
    before = symptoms <= age + interval_years
    unseen = np.ones(len(exams))
    vendor = vendor_key(
        exams["device"].to_numpy(object),
        date.to_numpy() + (DAYS_PER_YEAR * 86_400 * interval_years).astype("timedelta64[s]"),
    )
    latent = people.latent_density(hers["density_at_57"].to_numpy(), age + interval_years)
    for name in ("invasive", "dcis"):
        at = np.flatnonzero(later[name] > 0)
        kind = hers[f"{name}_kind"].to_numpy(object)[at]
        contrast = hers[f"{name}_contrast"].to_numpy()[at]
        seen = percept.log_cnr(kind, later[name][at], latent[at], contrast, vendor[at])
        plain = readers.percept(kind, later[name][at], latent[at], seen)
        unseen[at] *= 1 - readers.detection_probability(
            plain, np.ones(len(at), bool), np.zeros(len(at)), 0.0
        )
    return pd.DataFrame(
        {
            "exam_id": exams["exam_id"].to_numpy(),
            "interval_years": interval_years,
            "size_mm": np.maximum(now["invasive"], now["dcis"]),
            "size_next_mm": np.where(before, np.nan, np.maximum(later["invasive"], later["dcis"])),
            "surfaces_in_years": symptoms - age,
            "surfaces_before": before,
            "found_next": np.where(before, 0.0, 1 - unseen),
        }
    )


def sizes_at(hers: pd.DataFrame, age: np.ndarray) -> dict[str, np.ndarray]:
    """Return what each woman has in her breasts at an age, untreated; 0 = nothing.

    Parameters
    ----------
    hers : rows of truth_women, n of them.
    age : float [n], years.

    Returns
    -------
    dict of float [n]: "invasive" diameter and "dcis" extent, in mm.
    """
    surfacing = hers["surfacing_age"].to_numpy()
    invasive = disease.invasive_diameter_mm(
        age, surfacing, hers["surfacing_diameter_mm"].to_numpy(), hers["doubling_years"].to_numpy()
    )
    return {
        "invasive": np.where(age < surfacing, invasive, 0.0),
        "dcis": disease.dcis_extent_mm(
            age,
            hers["dcis_onset_age"].to_numpy(),
            hers["dcis_end_age"].to_numpy(),
            hers["dcis_extent_mm"].to_numpy(),
        ),
    }
