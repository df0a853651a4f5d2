"""A Tyrer-Cuzick-like model: what a model built on White women says of every woman.

The official Tyrer-Cuzick tool is a closed program; this is not it and must not be called by its
name. Constants and their sources are in tyrer_cuzick_like_constants.json beside this file and, for
what it shares with the Gail model of White women, in gail_constants.json.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.data.user_columns import numbers, refuse, row_ids
from mammolab.data.user_table import read_table
from mammolab.errors import InputError
from mammolab.risk import gail
from mammolab.risk.history import first_birth_at_exam, refuse_rows, require_columns
from mammolab.risk.projection import FIRST_AGE, LAST_AGE, band_of_age, project_risk

COLUMNS = [
    "age_years",
    "family_history_n",
    "menarche_age_years",
    "n_births",
    "age_first_birth_years",
    "n_biopsies",
    "atypia",
    "bmi",
    "brca",
]
FLAGS = ("atypia", "brca")


@cache
def constants() -> dict[str, dict]:
    """Return the constants that are not the Gail model's: see the JSON file for units."""
    file = resources.files("mammolab.risk").joinpath("tyrer_cuzick_like_constants.json")
    return json.loads(file.read_text("utf-8"))


def tyrer_cuzick_like_risk(frame: pd.DataFrame, horizon_years: float = 5.0) -> NDArray[np.float64]:
    """Estimate each woman's absolute risk of breast cancer as if she were an average White woman.

    Incidence, death from other causes and the effect of each factor are those of White women,
    whatever her own race. No density, no polygenic score, no relatives beyond the first degree. A
    factor that the record lacks counts as the average of White women, so that a woman's risk does
    not depend on who else is in the table.

    Parameters
    ----------
    frame : DataFrame
        One row a woman and exam, columns `COLUMNS`: the patients table plus age_years at the exam;
        NaN = unknown.
    horizon_years : float
        Length of the projection, above 0; one that would pass age 90 stops there.

    Returns
    -------
    array of float, shape (n,)
        Probability in [0, 1]; death from other causes competes.

    Raises
    ------
    InputError
        If a column is missing, an age is not in [20, 90), a count, age or body-mass index is
        negative, or atypia or brca is neither 0, 1 nor missing; the message shows the first ids.

    References
    ----------
    Tyrer, Duffy, Cuzick 2004, doi:10.1002/sim.1668 (the model it is like, not the one computed).
    """
    if not horizon_years > 0:
        raise InputError(f"The horizon must be above 0 years, not {horizon_years}.")
    _check(frame)
    age = frame["age_years"].to_numpy(float)
    relative_risk = np.exp(log_relative_risk(frame))
    white = gail.constants()["white"]
    incidence = np.array(white["incidence"])
    mortality = np.array(white["competing_mortality"])

    def hazards_at(year: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        band = band_of_age(year, len(incidence))
        relative = relative_risk[(year >= 50).astype(int), np.arange(len(year))]
        return incidence[band] * relative, mortality[band]

    return project_risk(age, np.minimum(age + horizon_years, LAST_AGE), hazards_at)


def log_relative_risk(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return the log relative risk against the average White woman, below age 50 and from 50 on.

    Parameters
    ----------
    frame : DataFrame
        As for `tyrer_cuzick_like_risk`.

    Returns
    -------
    array of float, shape (2, n)
    """
    own, white = constants(), gail.constants()["white"]["log_relative_risk"]
    per_biopsy, per_menarche, per_birth, _, biopsy_from_50, _ = white
    levels = _levels(frame)
    biopsied = levels["biopsies"] > 0  # False where unknown
    atypia = frame["atypia"].fillna(gail.UNKNOWN).to_numpy(float)
    # Gail's factor for a biopsy without a result is one: the average of those with and without.
    hyperplasia = np.vectorize(gail.HYPERPLASIA_RISK.get, otypes=[float])(atypia)
    excess_bmi = frame["bmi"].to_numpy(float) - own["bmi"]["mean"]
    per_bmi = np.log(own["bmi"]["relative_risk_per_5"]) / 5
    total = np.zeros((2, len(frame)))
    for older in (0, 1):
        log_rr = {
            "relatives": np.log(own["relatives"]["relative_risk"]),
            "menarche": per_menarche * np.arange(3),
            "first_birth": per_birth * np.arange(4),
            "biopsies": (per_biopsy + biopsy_from_50 * older) * np.arange(3),
            "brca": np.log(own["brca"]["relative_risk"]),
        }
        for name, values in log_rr.items():
            values = values - np.log(np.dot(own[name]["share"][older], np.exp(values)))
            level = levels[name]
            known = ~np.isnan(level)
            total[older, known] += values[level[known].astype(int)]
        total[older] += np.where(biopsied, np.log(hyperplasia), 0.0)
    centre = (per_bmi * own["bmi"]["sd"]) ** 2 / 2  # of a normal index: the mean of exp is one
    total[1] += np.nan_to_num(per_bmi * excess_bmi - centre)
    return total


def read_risk_scores(path: Path | str) -> pd.DataFrame:
    """Read five-year risks of a real model, one an exam, to stand in for the Tyrer-Cuzick-like one.

    Parameters
    ----------
    path : Path or str
        A CSV (or Parquet) table with columns exam_id and risk_5y, the probability of breast cancer
        within five years as a share, not in percent; other columns are left out.

    Returns
    -------
    DataFrame
        exam_id (text), risk_5y (float); index 0 up, order of the file.

    Raises
    ------
    InputError
        If there is no such table, a column is missing, an exam is blank or there twice, or a risk
        is blank, no number, or outside [0, 1]; one sentence names the first rows at fault.
    """
    table = read_table(Path(path))
    absent = [name for name in ("exam_id", "risk_5y") if name not in table.cells]
    if absent:
        raise InputError(
            f"{table.name} lacks the column(s) {', '.join(absent)}; a table of risks needs exam_id "
            f"and risk_5y, and it has {', '.join(map(str, table.cells.columns))}"
        )
    ids = row_ids(table)
    risk = numbers(table, "risk_5y", "leave the exam out where it is unknown")
    valid = "probabilities from 0 to 1, so 0.02 for 2 percent"
    refuse(table, ~risk.between(0, 1), "risk_5y", "is no probability", valid)
    return pd.DataFrame({"exam_id": ids.to_numpy(), "risk_5y": risk.to_numpy()})


def risk_of_exams(scores: pd.DataFrame, exam_ids: pd.Series) -> NDArray[np.float64]:
    """Put risks as `read_risk_scores` returns them in the order of the exams to be judged.

    Raises
    ------
    InputError
        If an exam has no risk; the message shows the first ids.
    """
    found = exam_ids.map(scores.set_index("exam_id")["risk_5y"])
    refuse_rows(
        exam_ids.to_frame("exam_id"), found.isna(), "The table of risks must hold every exam"
    )
    return found.to_numpy(float)


def _check(frame: pd.DataFrame) -> None:
    require_columns(frame, COLUMNS, "The Tyrer-Cuzick-like model")
    age = frame["age_years"].to_numpy(float)
    refuse_rows(
        frame,
        ~((age >= FIRST_AGE) & (age < LAST_AGE)),
        f"The Tyrer-Cuzick-like model needs age_years from {FIRST_AGE} to below {LAST_AGE}",
    )
    for column in COLUMNS[1:]:
        values = frame[column].to_numpy(float)
        if column in FLAGS:
            wrong, rule = ~np.isin(values, (0, 1)), "must be 0, 1 or missing"
        else:
            wrong, rule = ~(values >= 0), "must not be negative"
        refuse_rows(frame, wrong & ~np.isnan(values), f"{column} {rule}")


def _levels(frame: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Return the level of each factor in the order of the JSON file, NaN where unknown."""
    menarche = frame["menarche_age_years"].to_numpy(float)
    nulliparous, first_birth = first_birth_at_exam(frame)
    birth = np.searchsorted([20, 25, 30], first_birth, side="right").astype(float)
    birth = np.where(nulliparous, 2.0, np.where(np.isnan(first_birth), np.nan, birth))
    early = 2.0 - np.searchsorted([12, 14], menarche, side="right")
    return {
        "relatives": np.minimum(frame["family_history_n"].to_numpy(float), 3),
        "menarche": np.where(np.isnan(menarche), np.nan, early),
        "first_birth": birth,
        "biopsies": np.minimum(frame["n_biopsies"].to_numpy(float), 2),
        "brca": frame["brca"].to_numpy(float),
    }
