"""The result type and the argument checks that every metric shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas.api.types import infer_dtype


@dataclass(frozen=True)
class Estimate:
    """A number with its confidence interval; NaN limits mean that none could be computed."""

    value: float
    low: float
    high: float

    @property
    def ci(self) -> tuple[float, float]:
        """The interval (low, high), as `chapter.number` takes it."""
        return self.low, self.high


def check_vector(values: ArrayLike, name: str, n_rows: int | None = None) -> NDArray[np.float64]:
    """Return `values` as a finite float vector.

    Parameters
    ----------
    values : array-like of numbers, shape (n_rows,)
    name : str
        What an error message calls the argument.
    n_rows : int, optional
        The length required.

    Raises
    ------
    ValueError
        If it is not one-dimensional, is empty, has another length, or holds a NaN or an infinity;
        the message gives the first rows at fault.
    """
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers only: {error}") from error
    _check_shape(vector, name, n_rows)
    _raise_at(~np.isfinite(vector), name, "must be finite (no NaN, no infinity)")
    return vector


def check_flag(values: ArrayLike, name: str, n_rows: int | None = None) -> NDArray[np.bool_]:
    """Return `values` as a boolean vector; 0 and 1 are accepted, anything else is refused.

    Raises
    ------
    ValueError
        If a value is missing or is neither 0 nor 1, or the shape is wrong.
    """
    flag = np.asarray(values)
    if flag.dtype != np.bool_:
        number = check_vector(flag, name, n_rows)
        _raise_at((number != 0) & (number != 1), name, "must be 0 or 1")
        return number == 1
    _check_shape(flag, name, n_rows)
    return flag


def check_weight(sample_weight: ArrayLike | None, n_rows: int) -> NDArray[np.float64]:
    """Return the weights, inverse sampling probabilities; all ones where None is given.

    Raises
    ------
    ValueError
        If a weight is negative or missing (an exam whose pixels were not pulled has no weight and
        must be left out by the caller), or if all are zero.
    """
    if sample_weight is None:
        return np.ones(n_rows)
    weight = check_vector(sample_weight, "sample_weight", n_rows)
    _raise_at(weight < 0, "sample_weight", "must not be negative")
    if not weight.any():
        raise ValueError("sample_weight is zero everywhere")
    return weight


def check_scores(
    score: ArrayLike, label: ArrayLike, sample_weight: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Return score, label and weight as vectors of one length.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
        Higher means more suspicious.
    label : array-like of bool, shape (n_exams,)
        True = cancer.
    sample_weight : array-like of float, shape (n_exams,), optional
        Inverse sampling probability, at least 0.
    """
    score = check_vector(score, "score")
    label = check_flag(label, "label", len(score))
    return score, label, check_weight(sample_weight, len(score))


def check_probabilities(
    probability: ArrayLike, label: ArrayLike, sample_weight: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """As `check_scores`, for a score that must lie in [0, 1]."""
    probability = check_vector(probability, "probability")
    _raise_at((probability < 0) | (probability > 1), "probability", "must lie in [0, 1]")
    label = check_flag(label, "label", len(probability))
    return probability, label, check_weight(sample_weight, len(probability))


def check_two_classes(label: NDArray[np.bool_], weight: NDArray[np.float64]) -> None:
    """Raise a ValueError unless both classes are there with a weight above zero."""
    for truth, kind in ((True, "positive"), (False, "negative")):
        if not (weight[label == truth] > 0).any():
            raise ValueError(f"label holds no {kind} row of weight above 0 among {len(label)} rows")


def check_patient_ids(patient_ids: ArrayLike, n_rows: int | None = None) -> NDArray:
    """Return the ids as an object array of str (or of int, in hand-made examples).

    Raises
    ------
    ValueError
        If an id is missing or is not text, or the shape is wrong.
    """
    ids = np.asarray(patient_ids)
    _check_shape(ids, "patient_ids", n_rows)
    if ids.dtype.kind in "iu":
        return ids
    ids = ids.astype(object)
    if infer_dtype(ids, skipna=False) != "string":
        wrong = np.array([not isinstance(one, str) for one in ids])
        _raise_at(wrong, "patient_ids", "must be text, with none missing")
    return ids


def patient_codes(
    patient_ids: ArrayLike, n_rows: int | None = None
) -> tuple[NDArray[np.intp], int]:
    """Return a number for each row's patient, 0 up, in order of appearance, and their number."""
    codes, distinct = pd.factorize(check_patient_ids(patient_ids, n_rows))
    return codes, len(distinct)


def check_patients(
    patient_ids: ArrayLike, n_rows: int, weight: NDArray[np.float64] | None = None
) -> NDArray:
    """Return the ids as `check_patient_ids` does, of at least two patients of weight above 0.

    Raises
    ------
    ValueError
        If there is but one: a single patient has no spread to make an interval of.
    """
    ids = check_patient_ids(patient_ids, n_rows)
    weighed = ids if weight is None else ids[weight > 0]
    if (weighed == weighed[0]).all():
        raise ValueError(
            f"patient_ids holds the one patient {weighed[0]}: an interval needs at least two"
        )
    return ids


def effective_number(weight: NDArray[np.float64]) -> float:
    """Kish's effective number: how many of equal weight would be as informative.

    References
    ----------
    Kish 1965, Survey Sampling, section 11.7: (sum w)^2 / sum w^2.
    """
    return float(weight.sum() ** 2 / (weight**2).sum())


def group_codes(values: ArrayLike, name: str, n_rows: int) -> tuple[NDArray[np.intp], NDArray]:
    """Return the number of each row's group, 0 up in sorted order, and the distinct groups.

    Raises
    ------
    ValueError
        If a group is missing or the shape is wrong.
    """
    values = np.asarray(values)
    _check_shape(values, name, n_rows)
    codes, groups = pd.factorize(values, sort=True)
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        raise ValueError(f"{name} must not be missing; it is in rows {missing[:5].tolist()}")
    return codes, groups


def check_inside(value: float, name: str, low: float, high: float) -> float:
    """Return `value` if low < value < high, else raise a ValueError."""
    if not low < value < high:
        raise ValueError(f"{name} must lie between {low} and {high} (exclusive), not {value}")
    return float(value)


def _check_shape(array: NDArray, name: str, n_rows: int | None) -> None:
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not shape {array.shape}")
    if len(array) == 0:
        raise ValueError(f"{name} is empty")
    if n_rows is not None and len(array) != n_rows:
        raise ValueError(f"{name} has {len(array)} rows where {n_rows} are needed")


def _raise_at(wrong: NDArray[np.bool_], name: str, rule: str) -> None:
    if wrong.any():
        rows = np.flatnonzero(wrong)
        shown = ", ".join(str(row) for row in rows[:5])
        raise ValueError(f"{name} {rule}; {len(rows)} of {len(wrong)} rows are not, first: {shown}")
