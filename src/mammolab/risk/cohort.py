"""Which exams a five-year risk model learns from and is judged on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.data.outcomes import CANCER, CENSORED

HORIZON_YEARS = 5.0  # as published; "five-year" is in the names of results
OLDEST_AGE_YEARS = 90 - HORIZON_YEARS  # the published rates of the Gail model end at 90


def risk_cohort(
    cohort: pd.DataFrame,
    outcomes: pd.DataFrame,
    patients: pd.DataFrame,
    min_follow_up_years: float,
    exclude_first_years: float,
) -> pd.DataFrame:
    """Return the exams of healthy women with the woman's record and what became of her.

    Parameters
    ----------
    cohort, outcomes, patients : DataFrame
        Tables of those names.
    min_follow_up_years : float
        An exam without a cancer by the horizon counts if the woman was followed, or had died, by
        then; three years in the published work. Who is lost later is censored. Leaving out those
        lost sooner, but not the cancers of those years, raises the incidence a little.
    exclude_first_years : float
        Exams followed by a cancer sooner than this are left out: there the image shows the cancer
        and not its risk. 0 keeps them.

    Returns
    -------
    DataFrame
        Exams up to the age of 85, with the cohort's columns, time_years and event (0 censored, 1
        cancer, 2 death), the patient's record, and cancer_by_horizon (bool).
    """
    frame = cohort.merge(
        outcomes[["exam_id", "time_years", "event"]], on="exam_id", validate="one_to_one"
    )
    record = patients.drop(columns="race_ethnicity", errors="ignore")  # the cohort has it
    frame = frame.merge(record, on="patient_id", validate="many_to_one")
    cancer = frame["event"] == CANCER
    frame["cancer_by_horizon"] = cancer & (frame["time_years"] <= HORIZON_YEARS)
    too_soon = (cancer & (frame["time_years"] <= exclude_first_years)) | (
        frame["cancer_within_1y"].astype(bool) & (exclude_first_years > 0)
    )
    unfollowed = (
        ~cancer & (frame["event"] == CENSORED) & (frame["time_years"] < min_follow_up_years)
    )
    too_old = frame["age_years"] > OLDEST_AGE_YEARS
    return frame[~too_soon & ~unfollowed & ~too_old].reset_index(drop=True)


def weight_of_record(exams: pd.DataFrame) -> NDArray[np.float64]:
    """Return what each exam counts for a model that needs no image, shape (n,), mean 1.

    A sampling weight stands for exams whose images were not pulled. Where some exams have none, the
    table itself holds those that the others stand for, and each counts once; where all have one,
    the table is the sample.

    Parameters
    ----------
    exams : DataFrame
        Column sampling_weight, NaN without images.
    """
    weight = exams["sampling_weight"].to_numpy(float)
    if np.isnan(weight).any() or not weight.any():
        return np.ones(len(exams))
    return weight / weight.mean()
