"""What is written down about a cancer: the cancer registry, in-house pathology, and their gaps."""

import numpy as np
import pandas as pd

from mammolab.world import parameters as p
from mammolab.world.attendance import DAYS_PER_YEAR, to_date, to_time
from mammolab.world.streams import stream


def registry_rows(cancers: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Write the registry's rows about the women's cancers, as of the extract.

    Left out: cancers of women who had left the state, and cases reported after the extract.
    About 3% found no patient (blank `patient_id`), a few are filed under another woman.

    Parameters
    ----------
    cancers : DataFrame, one row a diagnosed woman: number (among all candidates), patient_id,
        diagnosis_time (years since the epoch), laterality, invasive, size_mm, in_state (bool), neighbour_id (whose file a mislinked row goes into).
    seed : seed of the world.

    Returns
    -------
    DataFrame: registry_id, patient_id, diagnosis_date, reported_date, laterality, behaviour,
    size_mm, ordered by reported date. `registry_id` follows that order.
    """
    n = len(cancers)
    draw = _per_woman(seed, "registry", cancers["number"], 4)
    shortest, mean = p.REGISTRY_LAG.value
    reported = cancers["diagnosis_time"] + (shortest - mean * np.log1p(-draw[:, 0])) / DAYS_PER_YEAR
    patient = np.where(
        draw[:, 1] < p.MISLINKED.value, cancers["neighbour_id"], cancers["patient_id"]
    )
    patient = np.where(draw[:, 2] < p.UNLINKED.value, None, patient)
    rows = pd.DataFrame(
        {
            "patient_id": patient,
            "diagnosis_date": to_date(cancers["diagnosis_time"]),
            "reported_date": to_date(reported),
            "laterality": cancers["laterality"].to_numpy(),
            "behaviour": np.where(cancers["invasive"], "invasive", "in_situ"),
            "size_mm": recorded_size(
                cancers["size_mm"].to_numpy(), cancers["number"], seed, "registry"
            ),
        },
        index=range(n),
    )
    written = (
        cancers["in_state"]
        & (reported < to_time(p.EXTRACT_DATE.value))
        & (cancers["diagnosis_time"] >= to_time(p.REGISTRY_START.value))
    ).to_numpy()
    rows = rows[written].sort_values(["reported_date", "diagnosis_date"], kind="stable")
    rows.insert(0, "registry_id", [f"C{number:06d}" for number in range(1, len(rows) + 1)])
    return rows.reset_index(drop=True)


def pathology_rows(cancers: pd.DataFrame, benign: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Write the hospital's own pathology reports, malignant and benign.

    Parameters
    ----------
    cancers : as in `registry_rows`, those biopsied in this hospital.
    benign : DataFrame, one row a benign biopsy: patient_id, exam_time, delay_days, laterality.
    seed : as in `registry_rows`.

    Returns
    -------
    DataFrame: report_id, patient_id, specimen_date, laterality, result, size_mm (blank if benign).
    """
    malignant = pd.DataFrame(
        {
            "patient_id": cancers["patient_id"].to_numpy(),
            "specimen_date": to_date(cancers["diagnosis_time"]),
            "laterality": cancers["laterality"].to_numpy(),
            "result": np.where(cancers["invasive"], "invasive", "in_situ"),
            "size_mm": recorded_size(
                cancers["size_mm"].to_numpy(), cancers["number"], seed, "pathology"
            ),
        }
    )
    harmless = pd.DataFrame(
        {
            "patient_id": benign["patient_id"].to_numpy(),
            "specimen_date": to_date(benign["exam_time"] + benign["delay_days"] / DAYS_PER_YEAR),
            "laterality": benign["laterality"].to_numpy(),
            "result": "benign",
            "size_mm": np.nan,
        }
    )
    rows = pd.concat([malignant, harmless], ignore_index=True)
    rows = rows.sort_values(["specimen_date", "patient_id"], kind="stable", ignore_index=True)
    rows.insert(0, "report_id", [f"S{number:06d}" for number in range(1, len(rows) + 1)])
    return rows


def recorded_size(size_mm: np.ndarray, number: pd.Series, seed: int, name: str) -> np.ndarray:
    """Return sizes as written down: with error, in whole mm, some missing (NaN)."""
    draw = _per_woman(seed, f"{name} size missing", number, 1)[:, 0]
    last = int(np.max(np.asarray(number), initial=0))
    error = stream(seed, f"{name} size error").standard_normal(last + 1)[np.asarray(number)]
    size = np.maximum(np.round(size_mm * np.exp(p.SIZE_ERROR.value * error)), 1)
    return np.where(draw < p.REGISTRY_SIZE_MISSING.value, np.nan, size)


def recorded_cancers(registry: pd.DataFrame, pathology: pd.DataFrame) -> pd.DataFrame:
    """Return every cancer the hospital can see: patient_id and date, from either source, linked."""
    linked = registry.loc[registry["patient_id"].notna(), ["patient_id", "diagnosis_date"]]
    reports = pathology.loc[pathology["result"] != "benign", ["patient_id", "specimen_date"]]
    both = pd.concat([linked, reports.rename(columns={"specimen_date": "diagnosis_date"})])
    return both.drop_duplicates().sort_values("diagnosis_date", ignore_index=True)


def patient_ids(number: np.ndarray) -> np.ndarray:
    """Return the patient ids (object) of women by their row number."""
    return np.array([f"P{value + 1:06d}" for value in np.asarray(number).tolist()], dtype=object)


def _per_woman(seed: int, name: str, number: pd.Series, columns: int) -> np.ndarray:
    """Draw uniforms for all women and keep those asked for: others' rows change nothing."""
    last = int(np.max(np.asarray(number), initial=0))
    return stream(seed, name).random((last + 1, columns))[np.asarray(number)]
