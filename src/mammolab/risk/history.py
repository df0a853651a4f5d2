"""What a woman's record says as of the exam, and the checks every risk model shares."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.errors import InputError
from mammolab.schemas import describe_rows


def require_columns(frame: pd.DataFrame, columns: list[str], user: str) -> None:
    """Raise an InputError that lists the columns `user` needs and the table lacks."""
    absent = [column for column in columns if column not in frame]
    if absent:
        raise InputError(
            f"{user} needs column {', '.join(absent)}, which the table lacks; it has "
            f"{', '.join(map(str, frame.columns))}."
        )


def refuse_rows(frame: pd.DataFrame, wrong: NDArray[np.bool_], rule: str) -> None:
    """Raise an InputError that states the rule and names the rows that break it, if any do."""
    wrong = np.asarray(wrong)
    if wrong.any():
        raise InputError(f"{rule}; see {describe_rows(frame, wrong, ('exam_id', 'patient_id'))}.")


def first_birth_at_exam(
    frame: pd.DataFrame,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Tell who had no birth yet at the exam, and at what age the others had their first.

    The record is as of the extract: a first birth after the exam had not happened at the exam, and
    using it would be looking ahead.

    Parameters
    ----------
    frame : DataFrame
        Columns age_years, n_births, age_first_birth_years.

    Returns
    -------
    nulliparous : array of bool, shape (n,)
        False where unknown.
    age_first_birth_years : array of float, shape (n,)
        NaN where unknown or nulliparous.
    """
    age = frame["age_years"].to_numpy(float)
    births = frame["n_births"].to_numpy(float)
    first = frame["age_first_birth_years"].to_numpy(float)
    nulliparous = (births == 0) | (first > age)
    return nulliparous, np.where(nulliparous, np.nan, first)
