"""Who is studied: diagnoses from registry and pathology, exclusions, labels, and their flow."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mammolab.data.eligibility import CohortRules, apply_rules
from mammolab.data.given_labels import (
    image_weights,
    label_given,
    no_diagnoses,
    published_split,
)
from mammolab.data.outcomes import follow_up_end
from mammolab.data.splits import assign_split, check_split
from mammolab.data.tables import RawExport
from mammolab.schemas import AGE_BANDS, COLUMNS, check

AGE_BAND_STARTS = (40, 50, 60, 70)


@dataclass(frozen=True)
class Cohort:
    """Eligible exams, how they were chosen, and the cancers behind the labels.

    Attributes
    ----------
    cohort, flow, diagnoses : tables `cohort`, `cohort_flow`, `diagnoses`.
    linkage : source (registry, pathology), n_rows, n_benign, n_unlinked, n_unknown_patient,
        n_used; the last four sum to n_rows.
    """

    cohort: pd.DataFrame
    flow: pd.DataFrame
    diagnoses: pd.DataFrame
    linkage: pd.DataFrame


def build_cohort(raw: RawExport, rules: CohortRules) -> Cohort:
    """Apply the rules to an export, counting what each removes.

    Nobody is excluded by race, device, density or implant. An exam followed by a cancer within
    `cancer_days` stays even where follow-up is short, as in the registry-linked studies.

    Where a public data set gives labels by breast, these count (`label_given`), and the column
    `labelled_laterality` is added. A rule that cannot be judged of an exam keeps it; one that can be
    judged of none is named in the flow's row "rules not judged".

    Parameters
    ----------
    raw : a checked export (`tables.read_export`).
    rules : see `CohortRules`.

    Notes
    -----
    In the cohort `days_to_diagnosis` is the time to the first recorded cancer on or after the
    exam, however late; `cancer_within_1y`, `cancer_laterality`, `invasive` (any) and `size_mm`
    (largest) describe cancers within `cancer_days` alone. A cancer diagnosed on the day of the
    exam is found by it, not before it.
    """
    public = raw.public
    if raw.labels_given:
        diagnoses, linkage = no_diagnoses()
        exams = label_given(raw.exams, public)
    else:
        diagnoses, linkage = find_diagnoses(raw, rules.episode_days)
        exams = _label(raw.exams, diagnoses, rules.cancer_days)
    exams["sampling_weight"] = image_weights(raw)
    exams = exams.merge(raw.patients[["patient_id", "race_ethnicity", "death_date"]])
    exams["follow_up_end"] = exams["patient_id"].map(
        follow_up_end(raw.patients, raw.exams, raw.registry_complete_through)
    )
    exams, flow = apply_rules(exams, rules, raw)
    exams["exam_year"] = exams["exam_date"].dt.year
    exams["age_band"] = age_band(exams["age_years"])
    if raw.has_test_set and rules.published_split:
        exams["split"] = published_split(exams, public, rules.split_fractions, rules.split_salt)
    else:
        exams["split"] = assign_split(exams["patient_id"], rules.split_fractions, rules.split_salt)
    exams["has_pixels"] = exams["sampling_weight"].notna()
    check_split(exams)
    exams = exams.sort_values("exam_id")
    columns = [*COLUMNS["cohort"], *(["labelled_laterality"] if raw.labels_given else [])]
    return Cohort(
        cohort=check(exams[columns], "cohort", "cohort rules"),
        flow=check(flow, "cohort_flow", "cohort rules"),
        diagnoses=diagnoses,
        linkage=linkage,
    )


def age_band(age_years: pd.Series) -> np.ndarray:
    """Ten-year bands as the paper reports them; None where the age is unknown.

    Examples
    --------
    >>> age_band(pd.Series([39.9, 40.0, 74.2])).tolist()
    ['<40', '40-49', '70+']
    """
    bands = np.array(AGE_BANDS, dtype=object)
    band = bands[np.searchsorted(AGE_BAND_STARTS, age_years.to_numpy(float), side="right")]
    return np.where(age_years.isna(), None, band)


def find_diagnoses(raw: RawExport, episode_days: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Unite registry and pathology into one row per cancer.

    Records of one breast that follow each other by at most `episode_days` are one cancer: its
    date is the earliest, it is invasive if any record says so, its size the largest known (a
    biopsy shows less than the specimen).

    Returns
    -------
    Table `diagnoses`, and the linkage counts of `Cohort`.
    """
    registry = raw.registry.assign(
        date=raw.registry["diagnosis_date"],
        invasive=raw.registry["behaviour"] == "invasive",
        benign=False,
        origin="registry",
    )
    pathology = raw.pathology.assign(
        date=raw.pathology["specimen_date"],
        invasive=raw.pathology["result"] == "invasive",
        # no result told: no cancer of the breast, such as normal tissue or another organ
        benign=(raw.pathology["result"] == "benign") | raw.pathology["result"].isna(),
        origin="pathology",
    )
    shared = ["patient_id", "laterality", "date", "invasive", "size_mm", "benign", "origin"]
    records = pd.concat([registry[shared], pathology[shared]], ignore_index=True)
    unlinked = ~records["benign"] & records["patient_id"].isna()
    known = records["patient_id"].isin(raw.patients["patient_id"])
    used = ~records["benign"] & known
    linkage = pd.DataFrame(
        {
            "source": records["origin"],
            "n_rows": 1,
            "n_benign": records["benign"],
            "n_unlinked": unlinked,
            "n_unknown_patient": ~records["benign"] & ~unlinked & ~known,
            "n_used": used,
        }
    )
    linkage = linkage.groupby("source").sum().reindex(["registry", "pathology"], fill_value=0)
    breast = ["patient_id", "laterality"]
    cancers = records[used].sort_values([*breast, "date", "origin"], kind="stable")
    gap_days = cancers.groupby(breast)["date"].diff().dt.days
    cancers["episode"] = (
        (gap_days > episode_days).groupby([cancers[key] for key in breast]).cumsum()
    )
    cancers["in_registry"] = cancers["origin"] == "registry"
    grouped = cancers.groupby([*breast, "episode"], as_index=False)
    diagnoses = grouped.agg(
        diagnosis_date=("date", "min"),
        invasive=("invasive", "any"),
        size_mm=("size_mm", "max"),
        any_registry=("in_registry", "any"),
        all_registry=("in_registry", "all"),
    )
    diagnoses["source"] = np.select(
        [diagnoses["all_registry"], ~diagnoses["any_registry"]],
        ["registry", "pathology"],
        "both",
    ).astype(object)
    number = (diagnoses["episode"].astype(int) + 1).astype(str)
    diagnoses["diagnosis_id"] = (
        diagnoses["patient_id"] + "-" + diagnoses["laterality"] + "-" + number
    ).astype(object)
    diagnoses["invasive"] = diagnoses["invasive"].astype(bool)
    columns = list(COLUMNS["diagnoses"])
    return check(diagnoses[columns], "diagnoses", "diagnoses"), linkage.reset_index()


def _label(exams: pd.DataFrame, diagnoses: pd.DataFrame, cancer_days: int) -> pd.DataFrame:
    """Add to each exam what was diagnosed before and after it."""
    pairs = exams[["exam_id", "patient_id", "exam_date"]].merge(diagnoses, on="patient_id")
    pairs["days"] = (pairs["diagnosis_date"] - pairs["exam_date"]).dt.days
    after = pairs[pairs["days"] >= 0]
    within = after[after["days"] <= cancer_days].groupby("exam_id")
    sides = within["laterality"].first().where(within["laterality"].nunique() == 1, "B")
    found = exams["exam_id"].map(sides)
    return exams.assign(
        cancer_before=exams["exam_id"].isin(pairs.loc[pairs["days"] < 0, "exam_id"]),
        cancer_within_1y=found.notna(),
        cancer_laterality=found.astype(object).fillna(""),
        days_to_diagnosis=exams["exam_id"]
        .map(after.groupby("exam_id")["days"].min())
        .astype(float),
        invasive=exams["exam_id"].map(within["invasive"].any()).eq(True),
        size_mm=exams["exam_id"].map(within["size_mm"].max()).astype(float),
    )
