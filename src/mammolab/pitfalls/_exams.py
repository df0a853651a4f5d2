"""What every guard asks of its input, told as one sentence where it is not so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.evaluate.checks import (
    check_flag,
    check_patient_ids,
    check_two_classes,
    check_weight,
)
from mammolab.evaluate.subgroups import UNKNOWN

MAX_LEVELS = 100


@contextmanager
def told() -> Iterator[None]:
    """Turn the ValueError of a statistic that cannot be computed into the user's InputError."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"The guard cannot judge this table: {error}.") from error


def checked_flag(values: ArrayLike, name: str, n_rows: int | None = None) -> NDArray[np.bool_]:
    """`check_flag`, with the user's InputError where a value is missing or is no flag."""
    with told():
        return check_flag(values, name, n_rows)


@dataclass(frozen=True, eq=False)
class Exams:
    """Checked columns, one entry a row; `patient` numbers the patients in order of their ids."""

    label: NDArray[np.bool_]
    patient: NDArray[np.intp]
    weight: NDArray[np.float64]


def check_exams(
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    both_classes: bool = True,
) -> Exams:
    """Return label, patient and weight of every row.

    Raises
    ------
    InputError
        If the table is empty, a value is missing or malformed, or (`both_classes`) all rows have
        the same label.
    """
    with told():
        label = check_flag(label, "label")
        ids = check_patient_ids(patient_ids, len(label))
        weight = check_weight(sample_weight, len(label))
        if both_classes:
            check_two_classes(label, weight)
    return Exams(label, np.unique(ids, return_inverse=True)[1], weight)


def check_levels(values: ArrayLike, name: str, n_rows: int) -> tuple[NDArray[np.intp], list[str]]:
    """Return each row's level, 0 up in sorted order, and the levels; a missing one is "unknown".

    Raises
    ------
    InputError
        If there are other than `n_rows` values, only one level, or more than 100.
    """
    values = pd.Series(np.asarray(values, dtype=object))
    if len(values) != n_rows:
        raise InputError(f"{name} has {len(values)} rows where {n_rows} are needed.")
    text = values.where(values.notna() & (values != ""), UNKNOWN).astype(str)
    codes, levels = pd.factorize(text, sort=True)
    if len(levels) < 2:
        raise InputError(f"All {n_rows} rows have {name} {', '.join(levels)}: nothing to compare.")
    if len(levels) > MAX_LEVELS:
        raise InputError(
            f"{name} has {len(levels)} different values, over {MAX_LEVELS}: group them into "
            "categories first."
        )
    return codes, list(levels)


def check_groups(groups: pd.DataFrame, n_rows: int) -> dict[str, NDArray]:
    """Return each grouping's levels, a string a row; columns with one level are passed over.

    Raises
    ------
    InputError
        If the table has other than `n_rows` rows, no column has two levels, or one over 100.
    """
    if len(groups) != n_rows:
        raise InputError(f"groups has {len(groups)} rows where {n_rows} are needed.")
    by_name = {}
    for name in groups.columns:
        if groups[name].nunique(dropna=False) > 1:
            codes, levels = check_levels(groups[name], str(name), n_rows)
            by_name[str(name)] = np.array(levels)[codes]
    if not by_name:
        columns = ", ".join(map(str, groups.columns)) or "none"
        raise InputError(f"No column of groups has two levels; the columns: {columns}.")
    return by_name


def indicators(by_name: dict[str, NDArray]) -> tuple[NDArray[np.bool_], list[str]]:
    """One column a level of each grouping, shape (n, k), and their names "column=level"."""
    cells = [(name, level) for name, levels in by_name.items() for level in np.unique(levels)]
    return (
        np.column_stack([by_name[name] == level for name, level in cells]),
        [f"{name}={level}" for name, level in cells],
    )
