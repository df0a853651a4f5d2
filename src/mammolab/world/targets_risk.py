"""How well five-year risk is known: the Gail model, a Tyrer-Cuzick-like model, and the image.

Each is scored on the same exams. The first two live in `mammolab.risk`, which this package does not
import: the caller brings their columns.
"""

import numpy as np
import pandas as pd

from mammolab.evaluate import Estimate
from mammolab.evaluate.delong import auc_estimate
from mammolab.world import disease
from mammolab.world.attendance import DAYS_PER_YEAR
from mammolab.world.programme import Programme

HORIZON_YEARS = 5.0
KNOWN_TO_IMAGE_MODEL = ("clinical", "density", "image")


def risk_exams(programme: Programme, screens: pd.DataFrame) -> pd.DataFrame:
    """Return the exams on which five-year risk is judged, with what the image could tell of it.

    Counted are screening exams that no cancer follows within a year, as in the risk chapter; a
    case has her first cancer by the end of the fifth, recorded or not.

    Parameters
    ----------
    programme : Programme
    screens : DataFrame
        `targets.screening_exams(programme)`.

    Returns
    -------
    DataFrame, one row an exam
        exam_id, patient_id, age_years; the recorded covariates of `patients`; `cancer_5y` (bool);
        `with_image` (probability within five years); `risk_5y_true`.
    """
    days = screens["days_to_diagnosis_true"]
    exams = screens.loc[
        ~(days <= DAYS_PER_YEAR),
        ["exam_id", "patient_id", "age_years", "days_to_diagnosis_true", "risk_5y_true"],
    ]
    exams = exams.merge(programme.patients, on="patient_id", how="left")
    exams["cancer_5y"] = exams["days_to_diagnosis_true"] <= HORIZON_YEARS * DAYS_PER_YEAR
    true = programme.truth_women.set_index("patient_id").loc[exams["patient_id"]]
    log_risk = sum(true[f"log_rr_{name}"].to_numpy() for name in KNOWN_TO_IMAGE_MODEL)
    exams["with_image"] = disease.risk_of_cancer(
        exams["age_years"].to_numpy(),
        HORIZON_YEARS,
        np.exp(log_risk),
        true["race_ethnicity"].to_numpy(),
    )
    return exams


def risk_auc(exams: pd.DataFrame, column: str) -> Estimate:
    """Return the AUC of a risk column for `cancer_5y`, with an interval clustered by woman."""
    return auc_estimate(
        exams[column].to_numpy(float), exams["cancer_5y"], patient_ids=exams["patient_id"]
    )
