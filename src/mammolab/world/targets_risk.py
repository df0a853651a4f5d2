"""How well five-year risk is known: the Gail model, a Tyrer-Cuzick-like model, and the image.

Each is scored on the same exams. The Gail model lives in `mammolab.risk`, which this package does
not import: the caller brings its column.
"""

import numpy as np
import pandas as pd

from mammolab.evaluate import Estimate
from mammolab.evaluate.delong import auc_estimate
from mammolab.world import disease, people
from mammolab.world import parameters as p
from mammolab.world.attendance import DAYS_PER_YEAR
from mammolab.world.programme import Programme

HORIZON_YEARS = 5.0
KNOWN_TO_IMAGE_MODEL = ("clinical", "density", "image")


def risk_exams(programme: Programme, screens: pd.DataFrame) -> pd.DataFrame:
    """Return the exams on which five-year risk is judged, with two models' risks.

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
        `tyrer_cuzick_like` and `with_image` (probability within five years); `risk_5y_true`.
    """
    days = screens["days_to_diagnosis_true"]
    exams = screens.loc[
        ~(days <= DAYS_PER_YEAR),
        ["exam_id", "patient_id", "age_years", "days_to_diagnosis_true", "risk_5y_true"],
    ]
    exams = exams.merge(programme.patients, on="patient_id", how="left")
    exams["cancer_5y"] = exams["days_to_diagnosis_true"] <= HORIZON_YEARS * DAYS_PER_YEAR
    exams["tyrer_cuzick_like"] = tyrer_cuzick_like_risk(exams)
    true = programme.truth_women.set_index("patient_id").loc[exams["patient_id"]]
    log_risk = sum(true[f"log_rr_{name}"].to_numpy() for name in KNOWN_TO_IMAGE_MODEL)
    exams["with_image"] = disease.risk_of_cancer(
        exams["age_years"].to_numpy(),
        HORIZON_YEARS,
        np.exp(log_risk),
        true["race_ethnicity"].to_numpy(),
    )
    return exams


def tyrer_cuzick_like_risk(exams: pd.DataFrame) -> np.ndarray:
    """Return five-year risk from the record alone, as a model built on White women has it.

    Every woman gets the incidence and the effects of White women, whatever her own race; what
    the record lacks counts as average. No density, no image, no polygenic score. It stands in for
    the Tyrer-Cuzick model, whose official tool is a closed program.

    Parameters
    ----------
    exams : DataFrame
        age_years at the exam, and the recorded covariates; NaN = unknown.

    Returns
    -------
    float [n], probability.
    """
    older = (exams["age_years"] >= 50).to_numpy()
    births = exams["n_births"].to_numpy(float)
    first_birth = exams["age_first_birth_years"].to_numpy(float)
    birth_category = np.asarray(people.first_birth_category(births, first_birth), float)
    # a mother whose age at first birth nobody wrote down, or a woman of unknown parity
    birth_category[np.isnan(births) | ((births > 0) & np.isnan(first_birth))] = np.nan
    menarche = exams["menarche_age_years"].to_numpy(float)
    menarche_category = 2.0 - np.searchsorted([12, 14], menarche, side="right")
    menarche_category[np.isnan(menarche)] = np.nan
    biopsies = np.minimum(exams["n_biopsies"].to_numpy(float), 2)
    biopsy_log_rr = np.where(
        older, p.BIOPSY_LOG_RR.value["from_50"], p.BIOPSY_LOG_RR.value["under_50"]
    )
    relatives = exams["family_history_n"].to_numpy(float)
    family = np.interp(relatives, np.arange(4), p.RELATIVES_LOG_RR.value)
    bmi = np.log(exams["bmi"].to_numpy(float) / p.BMI_MEDIAN.value["white"])
    log_risk = np.zeros(len(exams))
    for part in (
        family,
        p.MENARCHE_LOG_RR.value * menarche_category,
        p.FIRST_BIRTH_LOG_RR.value * birth_category,
        biopsy_log_rr * biopsies,
        p.ATYPIA_LOG_RR.value * exams["atypia"].to_numpy(float),
        p.BMI_LOG_RR.value * bmi * older,
        p.BRCA_LOG_RR.value * exams["brca"].fillna(0).to_numpy(float),
    ):
        log_risk += np.nan_to_num(part - np.log(np.nanmean(np.exp(part))))
    return disease.risk_of_cancer(
        exams["age_years"].to_numpy(),
        HORIZON_YEARS,
        np.exp(log_risk),
        np.full(len(exams), "white", dtype=object),
    )


def risk_auc(exams: pd.DataFrame, column: str) -> Estimate:
    """Return the AUC of a risk column for `cancer_5y`, with an interval clustered by woman."""
    return auc_estimate(
        exams[column].to_numpy(float), exams["cancer_5y"], patient_ids=exams["patient_id"]
    )
