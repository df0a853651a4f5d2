"""EMBED Open Data, first release: a table of findings, a table of files, dates that keep intervals."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mammolab.data.adapters.base import Adapter, Card, Source, distinct, table
from mammolab.data.adapters.embed_files import boxes_of, images_of
from mammolab.data.adapters.embed_findings import (
    BIRADS,
    UNKNOWN_SIDE,
    breasts_of,
    exams_of,
    linked_work_up,
    pathology_of,
)
from mammolab.data.adapters.embed_tables import is_embed, read_clinical, read_files
from mammolab.errors import InputError

CARD = Card.read("embed")
CANCER_DAYS = 365  # of a label, as the cohort's
WORK_UP_DAYS = {"A": 180, "N": CANCER_DAYS, "B": CANCER_DAYS}
# The column that its owners call ethnicity holds race.
RACES = {"african american or black": "black", "caucasian or white": "white", "asian": "asian",
         "native hawaiian or other pacific islander": "other",
         "american indian or alaskan native": "other", "multiple": "other"}  # fmt: skip
DENSITY = {"1": "a", "2": "b", "3": "c", "4": "d"}  # 5 is "normal male"


def adapt(root: Path) -> Source:
    """Read both tables and lay them out in ours.

    Raises
    ------
    InputError : the second release, whose columns mean other things; ids that went through floats;
        codes or dates that are not those of the data set.
    """
    rows, files = read_clinical(root), read_files(root)
    exams = exams_of(rows)
    specimens = pathology_of(rows, exams)
    _leave_out_unsided(exams, specimens)
    kept = exams[exams["left_out"] == ""].copy()
    if kept.empty:
        raise InputError(f"{root}: no exam of the clinical table is a mammogram that can be used.")
    dates = rows[["study_date", "procdate", "pdate"]].max(axis=1)
    contact = dates.groupby(rows["empi_anon"]).max()
    usable = (specimens["laterality"] != "") & (specimens["result"] != "")
    reports, others = specimens[usable], specimens[~usable]
    images, notes = images_of(files, kept, exams["left_out"], root)
    breasts = breasts_of(rows[rows["acc_anon"].isin(kept.index)], kept)
    return Source(
        card=CARD,
        images_root=root / "images",
        patients=_patients(exams, contact),
        exams=_exams(kept, images, files, specimens),
        pathology=table("pathology", {
            "report_id": reports["empi_anon"] + "_" + reports["laterality"] + "_"
            + day(reports["date"]),
            "patient_id": reports["empi_anon"], "specimen_date": day(reports["date"]),
            "laterality": reports["laterality"], "result": reports["result"],
            **{name: reports[name] for name in reports if name.endswith("_raw")},
        }),
        labels=labels_of(breasts, kept, specimens, contact),
        images=images,
        extract_date=f"{contact.max():%Y-%m-%d}",
        # No registry: a woman is followed until she was last seen, whatever the date.
        registry_complete_through=f"{contact.max():%Y-%m-%d}",
        notes=tuple(notes + _notes(exams, kept, specimens, files)),
        more={"boxes": boxes_of(files),
              "pathology_left_out": others.assign(date=day(others["date"]))},
    )  # fmt: skip


def labels_of(
    breasts: pd.DataFrame, exams: pd.DataFrame, specimens: pd.DataFrame, contact: pd.Series
) -> pd.DataFrame:
    """Table `labels`: a cancer of the breast by pathology within a year after the exam.

    No cancer is told only of a woman who was seen again after that year; a specimen that is neither
    cancer nor benign leaves the breast unlabelled.
    """
    whose = breasts["acc_anon"].map(exams["empi_anon"])
    date = breasts["acc_anon"].map(exams["study_date"])
    pairs = breasts.assign(empi_anon=whose, exam_date=date, row=breasts.index).merge(
        specimens, on=["empi_anon", "laterality"]
    )
    days = (pairs["date"] - pairs["exam_date"]).dt.days
    pairs = pairs[(days >= 0) & (days <= CANCER_DAYS)]
    held = pairs.groupby("row")["result"].agg(set).reindex(breasts.index)
    results = [found if isinstance(found, set) else set() for found in held]
    cancer = [bool(found & {"invasive", "in_situ"}) for found in results]
    followed = (whose.map(contact) - date).dt.days >= CANCER_DAYS
    label = [
        "1" if yes else "0" if seen and "" not in found else ""
        for yes, seen, found in zip(cancer, followed, results)
    ]
    invasive = [
        ("1" if "invasive" in found else "0") if yes else "" for yes, found in zip(cancer, results)
    ]
    severity = pairs.groupby("row")["severity_raw"].agg(distinct).reindex(breasts.index).fillna("")
    return table("labels", {
        "exam_id": breasts["acc_anon"], "laterality": breasts["laterality"], "cancer": label,
        "invasive": invasive, "kind": ["pathology" if one else "" for one in label],
        "birads": breasts["birads"], "asses_raw": breasts["asses_raw"],
        "reading_derived": breasts["derived"], "path_severity_raw": severity,
    })  # fmt: skip


def race_of(race: str, ethnicity: str) -> str:
    """One of our groups, Hispanic before all; "" unknown.

    Examples
    --------
    >>> race_of("African American  or Black", "Non-Hispanic or Latino"), race_of("Asian", "Unknown~Hispanic")
    ('black', 'hispanic')
    """
    if any(part.strip().lower().startswith("hispanic") for part in ethnicity.split("~")):
        return "hispanic"
    return RACES.get(" ".join(race.lower().split()), "")


def day(dates: pd.Series) -> pd.Series:
    """Dates as text."""
    return dates.dt.strftime("%Y-%m-%d")


def _leave_out_unsided(exams: pd.DataFrame, specimens: pd.DataFrame) -> None:
    """Mark the exams of women with a cancer of unknown side: they are not without cancer."""
    cancer = specimens["result"].isin(["invasive", "in_situ"]) & (specimens["laterality"] == "")
    lost = exams["empi_anon"].isin(specimens.loc[cancer, "empi_anon"]) & (exams["left_out"] == "")
    exams.loc[lost, "left_out"] = UNKNOWN_SIDE


def _patients(exams: pd.DataFrame, contact: pd.Series) -> pd.DataFrame:
    women = exams.drop_duplicates("empi_anon").set_index("empi_anon", drop=False)
    pairs = zip(women["RACE_DESC"], women["ETHNIC_GROUP_DESC"], strict=True)
    return table("patients", {
        "patient_id": women["empi_anon"],
        "race_ethnicity": [race_of(race, ethnicity) for race, ethnicity in pairs],
        "last_contact_date": day(women["empi_anon"].map(contact)),
        "race_raw": women["RACE_DESC"], "ethnicity_raw": women["ETHNIC_GROUP_DESC"],
        "cohort_num_raw": women["cohort_num"],
    })  # fmt: skip


def _exams(
    kept: pd.DataFrame, images: pd.DataFrame, files: pd.DataFrame, specimens: pd.DataFrame
) -> pd.DataFrame:
    """Table `exams`. A biopsy is one on the exam's own rows or on those of its work-up."""
    work_up = linked_work_up(kept, WORK_UP_DAYS).reindex(kept.index)
    sampled = {one for held in specimens["exam_ids"] for one in held.split("|")}
    ids = kept.index.to_series()
    biopsy = ids.isin(sampled) | work_up["workup_exam_id"].isin(sampled)
    used = images[images["use"] == "1"]
    device = used.groupby("exam_id")["model"].agg(distinct).reindex(kept.index).fillna("")
    told = files.groupby("acc_anon")["BreastImplantPresent"].agg(distinct)
    implant_raw = ids.map(told).fillna("")
    implant = implant_raw.str.upper().str.contains("YES") | (kept["implanfind"] != "")
    screening = kept["kind"] == "screening"
    return table("exams", {
        "exam_id": ids, "patient_id": kept["empi_anon"], "exam_date": day(kept["study_date"]),
        "age_years": kept["age_at_study"], "site": kept["loc_num"].str.removesuffix(".0"),
        "device": device.where(~device.str.contains("|", regex=False), ""),
        "density": kept["density_raw"].str.removesuffix(".0").map(DENSITY),
        "birads": kept["code"].map(BIRADS), "recall": _flag(screening & (kept["code"] == "A")),
        "biopsy": _flag(biopsy), "indication": kept["kind"], "implant": _flag(implant),
        "sampling_weight": ids.isin(used["exam_id"]).map({True: "1", False: ""}),
        "workup_exam_id": work_up["workup_exam_id"],
        "workup_days": work_up["workup_days"].map(lambda days: f"{days:.0f}", na_action="ignore"),
        "birads_raw": kept["asses_raw"], "density_raw": kept["density_raw"],
        "desc_raw": kept["desc"], "implant_raw": implant_raw, "implanfind_raw": kept["implanfind"],
        "device_raw": device,
    })  # fmt: skip


def _flag(values: pd.Series) -> pd.Series:
    return values.map({True: "1", False: "0"})


def _notes(
    exams: pd.DataFrame, kept: pd.DataFrame, specimens: pd.DataFrame, files: pd.DataFrame
) -> list[str]:
    reasons = exams.loc[exams["left_out"] != "", "left_out"].value_counts().sort_index()
    other = files["StudyDescription"].str.lower()
    kind = files["acc_anon"].map(kept["kind"])
    contradicted = files.loc[
        (other.str.contains("screen") & ~other.str.contains("diag") & (kind == "diagnostic"))
        | (other.str.contains("diag") & ~other.str.contains("screen") & (kind == "screening")),
        "acc_anon",
    ].nunique()
    male = int(kept["density_raw"].isin(["5", "5.0"]).sum())
    unsided = int((specimens["laterality"] == "").sum())
    lobular = int(((specimens["severity_raw"] == "1") & (specimens["result"] == "benign")).sum())
    neither = int((specimens["result"] == "").sum())
    n_recoded = int(kept["recoded"].sum())
    told = [
        *((n, f"{n:,} exams were left out: {reason}.") for reason, n in reasons.items()),
        (n_recoded, f"{n_recoded:,} screens read N or B with pathology of their own count as A."),
        (lobular, f"{lobular:,} specimens of severity 1 are LCIS by their codes and count as benign."),
        (neither, f"{neither:,} specimens of severity 5 or 6 are in pathology_left_out.csv."),
        (unsided, f"{unsided:,} specimens of unknown side are in pathology_left_out.csv."),
        (male, f"{male:,} exams have tissueden 5 (normal male); their density is blank."),
        (contradicted, f"{contradicted:,} exams have StudyDescription against desc; desc decided."),
    ]  # fmt: skip
    return [sentence for n, sentence in told if n]


ADAPTER = Adapter(
    CARD, "tables/EMBED_OpenData_clinical.csv, its metadata table and images/", is_embed, adapt
)
