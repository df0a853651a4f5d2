"""The synthetic screening programme: one call simulates it, one writes the hospital's export.

The order is that of a life: people, their cancers, their screens, what readers see, what is
recorded. The unobserved truth is kept apart, in the frames named truth_*.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mammolab.files import write_whole
from mammolab.world import (
    attendance,
    disease,
    history,
    people,
    readers,
    registry,
    selection,
    truth,
)
from mammolab.world import parameters as p
from mammolab.world.attendance import DAYS_PER_YEAR, to_date, to_time
from mammolab.world.settings import NEUTRAL, WorldSettings
from mammolab.world.sight import Sight
from mammolab.world.streams import stream

SEEN = ("formula", "pictures")
PIXEL_COLUMNS = (
    "exam_id",
    "patient_id",
    "exam_date",
    "age_years",
    "device",
    "site",
    "birth_year",
    "implant",
    "breast_seed",
    "exam_seed",
    "percent_density",
    "breast_size_mm",
    "texture",
    "extra_marker",
)
EXAM_COLUMNS = (
    "exam_id",
    "patient_id",
    "exam_date",
    "age_years",
    "site",
    "device",
    "density",
    "birads",
    "reader_id",
    "recall",
    "biopsy",
    "indication",
    "implant",
    "sampling_weight",
)


@dataclass(frozen=True)
class Programme:
    """A simulated programme: what the hospital exports, and the truth behind it.

    `patients`, `exams`, `registry` and `pathology` have the columns of the raw CSV files;
    `pixels_exams` lists the exams whose images exist. `truth_women` [patient_id], `truth_exams`
    [exam_id] and `truth_lesions` [exam_id, lesion] hold what nobody in the hospital knows.
    """

    patients: pd.DataFrame
    exams: pd.DataFrame
    registry: pd.DataFrame
    pathology: pd.DataFrame
    pixels_exams: pd.DataFrame
    truth_women: pd.DataFrame
    truth_exams: pd.DataFrame
    truth_lesions: pd.DataFrame


def simulate(
    n_women: int,
    seed: int,
    p_precancer: float,
    p_rest: float,
    settings: WorldSettings = NEUTRAL,
    seen: str = "formula",
    look_alike_share: float = 1.0,
    workers: int = 1,
) -> Programme:
    """Simulate a screening programme of `n_women` women with at least one exported exam.

    Parameters
    ----------
    n_women : women in the export.
    seed : seed of the world; every purpose has its own stream under it.
    p_precancer : probability of pixels for an exam with a recorded cancer in 1-5 years.
    p_rest : probability of pixels for an exam without a recorded cancer within 5 years. Exams
        with a recorded cancer within one year always have pixels.
    settings : what a chapter turned; the default changes nothing.
    seen : what readers see of a lesion: "pictures" measures it on the picture of the exam where
        there can be one (some 14 ms of one core each, at 256 x 208 and a conspicuity of 4 whatever
        the export's; see `sight`), "formula" takes what such pictures show on average, with their
        scatter. The two are alike as populations; women differ.
    look_alike_share : with "pictures", the random share of exams whose benign look-alikes are
        measured (those of exams that show a cancer always are); the others follow the formula.
    workers : processes that draw for the readers; the result does not depend on it.

    Returns
    -------
    Programme

    Raises
    ------
    ValueError : `n_women` or `workers` is below 1, a probability is outside (0, 1] or a share
        outside [0, 1], `seen` is unknown, or the settings leave almost no woman an exam.

    Notes
    -----
    With more women, or other settings, a woman keeps her id, her life as far as the settings leave
    it, and what is written of it. Limits: the ids of registry rows and pathology reports number the
    whole export, and the registry row misfiled once in five hundred goes to the next woman in it.
    """
    for name, count in (("n_women", n_women), ("workers", workers)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, not {count}")
    for name, value in (("p_precancer", p_precancer), ("p_rest", p_rest)):
        if not 0 < value <= 1:
            raise ValueError(f"{name} must be above 0 and at most 1, not {value}")
    if not 0 <= look_alike_share <= 1:
        raise ValueError(f"look_alike_share must be from 0 to 1, not {look_alike_share}")
    if seen not in SEEN:
        raise ValueError(f"unknown seen {seen!r}; known: {', '.join(SEEN)}")
    sight = Sight(seed, seen == "pictures", look_alike_share, workers)
    pool = int(1.4 * n_women) + 50
    while True:
        women, exams, benign = _live(pool, seed, settings, sight)
        attended = np.flatnonzero(np.bincount(exams["woman"], minlength=pool))
        if len(attended) >= n_women:
            break
        if len(attended) < pool / 1000 and pool > 20_000:
            raise ValueError(f"the settings leave {len(attended)} of {pool} women an exam")
        # the streams start again: the first women are the same
        pool = int(1.05 * pool * min(n_women / max(len(attended), 1), 20)) + 50
    number = np.full(pool, -1)
    number[attended[:n_women]] = np.arange(n_women)
    exams["woman"] = number[exams["woman"]]
    kept = exams["woman"] >= 0
    exams, benign = exams[kept], benign[kept.to_numpy()[benign["row"]]]  # a prefix: rows still fit
    # her number among all candidates: what is written of her depends on nobody else
    women = women.iloc[attended[:n_women]].rename_axis("number").reset_index()
    return _record(women, exams, benign, seed, p_precancer, p_rest)


def _live(
    n: int, seed: int, settings: WorldSettings, sight: Sight
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Simulate the lives of `n` candidates: the women, their exported exams, benign lesions."""
    women = selection.planted(people.draw_people(n, seed), settings)
    women = women.join(attendance.draw_membership(women, seed))
    women = selection.dimmed(women.join(disease.draw_disease(women, seed)), settings)
    women["cadence"] = attendance.draw_cadence(n, seed)
    ages = attendance.draw_schedule(
        women["cadence"].to_numpy(), women["lapse_age"].to_numpy(), seed
    )
    panel = readers.draw_panel(seed)
    women = women.join(history.diagnose(women, ages, panel, seed, settings, sight))
    exams, benign = history.exported_exams(women, ages, panel, seed, settings, sight)
    return women, *selection.exported(women, exams, benign, seed, settings)


def _record(
    women: pd.DataFrame,
    exams: pd.DataFrame,
    benign: pd.DataFrame,
    seed: int,
    p_precancer: float,
    p_rest: float,
) -> Programme:
    """Write down the lives: the export's frames and the truth's."""
    women = women.assign(patient_id=registry.patient_ids(women["number"]))
    woman = exams["woman"].to_numpy()
    numbers = women["number"].to_numpy()[woman] + 1
    exams = exams.assign(
        patient_id=women["patient_id"].to_numpy()[woman],
        exam_id=[
            f"E{number:06d}{k:02d}" for number, k in zip(numbers.tolist(), exams["slot"].tolist())
        ],
        exam_date=to_date(exams["time"]),
        age_years=np.floor(exams["age"] * 10) / 10,
        percent_density=people.percent_density(exams["latent_density"].to_numpy()),
        indication=np.where(exams["diagnostic"], "diagnostic", "screening"),
        implant=women["implant"].to_numpy()[woman],
    )
    first = exams.groupby("woman")["age"].first()
    women["birth_year"] = to_date(women["birth_time"]).astype("datetime64[Y]").astype(int) + 1970
    women["first_exam_age"] = first

    diagnosed = np.flatnonzero(np.isfinite(women["diagnosis_time"]))
    neighbour = np.minimum(diagnosed ^ 1, len(women) - 1)
    cancers = women.iloc[diagnosed].assign(neighbour_id=women["patient_id"].to_numpy()[neighbour])
    cancers["in_state"] = ~cancers["leaves_state"] | (
        cancers["diagnosis_time"] < cancers["leave_time"]
    )
    registry_frame = registry.registry_rows(cancers, seed)
    pathology = registry.pathology_rows(
        cancers[cancers["diagnosed_here"]], _benign_biopsies(exams), seed
    )
    recorded = registry.recorded_cancers(registry_frame, pathology)
    exams["sampling_weight"] = _sampling_weight(exams, recorded, p_precancer, p_rest)
    exams = exams.join(women[["birth_year", "breast_seed", "breast_size_mm", "texture"]], "woman")
    return Programme(
        patients=_patients(women, exams, pathology, seed),
        exams=exams[list(EXAM_COLUMNS)],
        registry=registry_frame,
        pathology=pathology,
        pixels_exams=exams.loc[exams["sampling_weight"].notna(), list(PIXEL_COLUMNS)].reset_index(
            drop=True
        ),
        truth_women=truth.truth_women(women),
        truth_exams=truth.truth_exams(exams, women),
        truth_lesions=truth.truth_lesions(exams, women, benign),
    )


def _benign_biopsies(exams: pd.DataFrame) -> pd.DataFrame:
    rows = exams[exams["biopsy"] & ~exams["detected"]]
    return pd.DataFrame(
        {
            "patient_id": rows["patient_id"],
            "exam_time": rows["time"],
            "delay_days": rows["delay_days"],
            "laterality": np.where(rows["biopsy_left"], "L", "R"),
        }
    )


def _sampling_weight(
    exams: pd.DataFrame, recorded: pd.DataFrame, p_precancer: float, p_rest: float
) -> np.ndarray:
    """Return 1 / probability of the exams whose pixels were pulled, NaN for the others."""
    asked = exams[["patient_id", "exam_date"]].assign(row=np.arange(len(exams)))
    following = pd.merge_asof(
        asked.sort_values("exam_date"),
        recorded,
        left_on="exam_date",
        right_on="diagnosis_date",
        by="patient_id",
        direction="forward",
    ).sort_values("row")
    days = (following["diagnosis_date"] - following["exam_date"]).dt.days.to_numpy()
    chance = np.where(days <= 365, 1.0, np.where(days <= 5 * DAYS_PER_YEAR, p_precancer, p_rest))
    return np.where(exams["pixel_draw"] < chance, 1 / chance, np.nan)


def _patients(
    women: pd.DataFrame, exams: pd.DataFrame, pathology: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """Return raw/ehr/patients.csv: the record, death, and the last time anyone saw her."""
    patients = people.patient_records(women, seed)
    patients.insert(0, "patient_id", women["patient_id"])
    extract = to_time(p.EXTRACT_DATE.value)
    death = women["birth_time"] + women["death_age"]
    patients["death_date"] = to_date(death.where(death < extract))
    # those still with the hospital were last seen some time in the year before the extract
    visit = stream(seed, "last visit").random(int(women["number"].max()) + 1)[women["number"]]
    recent = extract - visit
    seen = np.minimum(np.minimum(women["leave_time"], recent), death)
    last_exam = exams.groupby("woman")["time"].last()
    last_report = women["patient_id"].map(pathology.groupby("patient_id")["specimen_date"].max())
    contact = pd.Series(to_date(np.maximum(seen, last_exam)), index=women.index)
    patients["last_contact_date"] = contact.where(~(last_report > contact), last_report)
    return patients


def write_raw(programme: Programme, raw_dir: str | Path, truth_dir: str | Path) -> None:
    """Write the export as a hospital would, and the truth apart from it.

    Parameters
    ----------
    programme : the simulated programme.
    raw_dir : folder of the export: export.json, ehr/, registry/, pathology/ (images are written
        by `dicom_export`).
    truth_dir : folder of truth_*.parquet.

    Notes
    -----
    Each file is written under a temporary name and renamed; export.json comes last.
    """
    raw_dir, truth_dir = Path(raw_dir), Path(truth_dir)
    for name, frame in (
        ("ehr/patients.csv", programme.patients),
        ("ehr/exams.csv", programme.exams),
        ("registry/cancers.csv", programme.registry),
        ("pathology/reports.csv", programme.pathology),
    ):
        text = _as_text(frame)
        write_whole(raw_dir / name, lambda path, text=text: text.to_csv(path, index=False))
    for name in ("truth_women", "truth_exams", "truth_lesions"):
        frame = getattr(programme, name)
        write_whole(
            truth_dir / f"{name}.parquet",
            lambda path, frame=frame: frame.to_parquet(path, index=False),
        )
    about = {
        "extract_date": p.EXTRACT_DATE.value,
        "registry_complete_through": p.REGISTRY_COMPLETE.value,
        "synthetic": True,
        "source": "mammolab synthetic screening programme",
    }
    write_whole(
        raw_dir / "export.json", lambda path: path.write_text(json.dumps(about, indent=2) + "\n")
    )


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame as it stands in a CSV file: flags 0/1, whole numbers without a point."""
    text = frame.copy()
    for name, values in frame.items():
        if values.dtype == bool:
            text[name] = values.astype(int)
        elif values.dtype == float and (values.dropna() % 1 == 0).all():
            text[name] = values.astype("Int64")
        elif values.dtype.kind == "M":
            text[name] = np.datetime_as_string(values.to_numpy(), unit="D")
            text.loc[values.isna(), name] = None
    return text
