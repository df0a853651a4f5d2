"""Time from each exam to the first of cancer, death and the end of follow-up."""

import numpy as np
import pandas as pd

DAYS_PER_YEAR = 365.25
CENSORED, CANCER, DEATH = 0, 1, 2


def follow_up_end(
    patients: pd.DataFrame, exams: pd.DataFrame, registry_complete_through: pd.Timestamp
) -> pd.Series:
    """Last day on which each patient's cancer would have been seen.

    The later of her last contact and her last exam (an exam is a contact), or her death where
    no contact is known, and no later than the day through which the registry is complete.

    Returns
    -------
    Dates (datetime64) indexed by patient_id; NaT where nothing is known.
    """
    by_patient = patients.set_index("patient_id")
    last_exam = exams.groupby("patient_id")["exam_date"].max().reindex(by_patient.index)
    contact = by_patient["last_contact_date"].fillna(by_patient["death_date"])
    end = contact.where(~(last_exam > contact), last_exam).fillna(last_exam)
    return end.clip(upper=registry_complete_through)


def build_outcomes(
    cohort: pd.DataFrame,
    diagnoses: pd.DataFrame,
    patients: pd.DataFrame,
    exams: pd.DataFrame,
    registry_complete_through: pd.Timestamp,
) -> pd.DataFrame:
    """Time to event for every exam of the cohort.

    A cancer or death after the end of follow-up is not counted: the women without cancer are no
    longer watched by then, and counting only the cases would inflate the risk. (The one-year
    label `cancer_within_1y` of the cohort does count such a cancer.)

    Parameters
    ----------
    cohort, diagnoses, patients, exams : tables of those names.
    registry_complete_through : last day whose cancers the registry holds in full.

    Returns
    -------
    Table `outcomes`: exam_id, patient_id, time_years (from the exam; half a day at least, so that
    what happens on the day of the exam comes after it), event (0 censored, 1 cancer, 2 death).
    On one day cancer goes before death, death before censoring.
    """
    patient, date = cohort["patient_id"], cohort["exam_date"]
    later = cohort[["exam_id", "patient_id", "exam_date"]].merge(
        diagnoses[["patient_id", "diagnosis_date"]], on="patient_id"
    )
    later = later[later["diagnosis_date"] >= later["exam_date"]]
    first_cancer = later.groupby("exam_id")["diagnosis_date"].min()
    end = follow_up_end(patients, exams, registry_complete_through)
    deaths = patients.set_index("patient_id")["death_date"]
    days = {
        CANCER: (cohort["exam_id"].map(first_cancer) - date).dt.days,
        DEATH: (patient.map(deaths) - date).dt.days,
        CENSORED: (patient.map(end) - date).dt.days.clip(lower=0),
    }
    time, event = days[CENSORED].to_numpy(float), np.full(len(cohort), CENSORED)
    for kind in (DEATH, CANCER):
        sooner = (days[kind] <= time).to_numpy()
        time, event = np.where(sooner, days[kind], time), np.where(sooner, kind, event)
    return pd.DataFrame(
        {
            "exam_id": cohort["exam_id"].to_numpy(),
            "patient_id": patient.to_numpy(),
            "time_years": np.maximum(time, 0.5) / DAYS_PER_YEAR,
            "event": event.astype("int64"),
        }
    )
