"""The hidden state as tables, for chapter 01, the truth column and the pitfalls alone."""

import numpy as np
import pandas as pd

from mammolab.world import disease
from mammolab.world import parameters as p
from mammolab.world.attendance import to_date

NOT_TRUTH = ["number", "menopause_age", "bmi_z", "screen_age", "first_exam_age"]  # working columns
STATE = ["exam_id", "patient_id", "detected", "after_diagnosis", "invasive_mm", "dcis_mm"]
BREAST = ["latent_density", "percent_density", "breast_seed", "exam_seed", "breast_size_mm"]
LESION = ["laterality", "kind", "diameter_mm", "depth", "height", "seed", "contrast", "malignant"]
READING = ["has_prior", "detection_probability", "false_positive_probability"]


def truth_women(women: pd.DataFrame) -> pd.DataFrame:
    """Return what is true of each woman, seen or not.

    Parameters
    ----------
    women : the simulated women with everything joined.

    Returns
    -------
    DataFrame [patient_id]: true covariates; `log_rr_*` and `relative_risk` (times any planted
    factor); `texture`, `frailty`, `polygenic`, `ill_health` (SD); `site`, and `second_site` from
    `move_time` on (inf = never); `lapse_age`; cancers had she not been screened (`surfacing_age`, `dcis_onset_age`, ... in years, inf =
    never); the cancer as diagnosed (`diagnosis_date`, `mode` = screen, symptoms or "",
    `invasive`, `size_mm`, `laterality`; "" or NaN where none); times in years since the epoch.
    """
    diagnosed = women["mode"] != ""
    truth = women.drop(columns=NOT_TRUTH).assign(
        diagnosis_date=to_date(women["diagnosis_time"]),
        laterality=women["laterality"].where(diagnosed, ""),
    )
    return truth[["patient_id", *truth.columns.drop("patient_id")]]


def truth_exams(exams: pd.DataFrame, women: pd.DataFrame) -> pd.DataFrame:
    """Return what is true at each exported exam.

    Parameters
    ----------
    exams : the simulated exams, with `woman` the row in `women`.
    women : the simulated women.

    Returns
    -------
    DataFrame [exam_id]: `cancer_present` (bool, large enough to leave a trace), `detected` (this
    exam found it), `cancer_within_1y_true` (diagnosed within 365 days), `days_to_diagnosis_true`
    (NaN: none to come), `risk_5y_true` (probability of a first cancer, invasive or DCIS, setting in
    within five years given everything, other deaths left out: above the share diagnosed, since DCIS
    may stay unseen), sizes in mm, density, seeds, `texture`, `has_prior`; and of the reader's recall
    `detection_probability` (of the cancers showing; 0 where none) and
    `false_positive_probability`, see `readers.with_ai`.
    """
    hers = women[["diagnosis_time", "relative_risk", "race_ethnicity"]].iloc[exams["woman"]]
    diagnosis = to_date(hers["diagnosis_time"])
    days = (diagnosis - exams["exam_date"].to_numpy()) / np.timedelta64(1, "D")
    visible = np.maximum(exams["invasive_mm"], exams["dcis_mm"]) >= p.SMALLEST_VISIBLE.value
    return exams[[*STATE, *BREAST, "texture", *READING]].assign(
        cancer_present=visible,
        cancer_within_1y_true=(days >= 0) & (days <= 365),
        days_to_diagnosis_true=np.where(days >= 0, days, np.nan),
        risk_5y_true=disease.risk_of_cancer(
            exams["age"].to_numpy(),
            5.0,
            hers["relative_risk"].to_numpy(),
            hers["race_ethnicity"].to_numpy(),
        ),
    )


def truth_lesions(exams: pd.DataFrame, women: pd.DataFrame, benign: pd.DataFrame) -> pd.DataFrame:
    """Return every lesion of at least the smallest visible size at an exam, benign ones too.

    Parameters
    ----------
    exams, women : as for `truth_exams`.
    benign : benign look-alikes at exams, with `row` the row in `exams`.

    Returns
    -------
    DataFrame, one row an exam and lesion, in the renderer's columns.
    """
    exam_id = exams["exam_id"].to_numpy()
    parts = [benign.assign(exam_id=exam_id[benign["row"]], malignant=False)]
    for name in ("invasive", "dcis"):
        rows = exams[exams[f"{name}_mm"] >= p.SMALLEST_VISIBLE.value]
        place = women.filter(regex=f"^{name}_").iloc[rows["woman"]]
        parts.append(
            place.rename(columns=lambda column, name=name: column.removeprefix(f"{name}_")).assign(
                exam_id=rows["exam_id"].to_numpy(),
                diameter_mm=rows[f"{name}_mm"].to_numpy(),
                malignant=True,
            )
        )
    lesions = pd.concat([part[["exam_id", *LESION]] for part in parts], ignore_index=True)
    return lesions.sort_values(["exam_id", "malignant", "seed"], ignore_index=True)
