"""Agreement of readers on categories: Cohen's and Fleiss' kappa."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.checks import (
    Estimate,
    check_patients,
    check_weight,
)
from mammolab.evaluate.resampling import (
    PatientBootstrap,
    percentile_interval,
    ratio_or_nan,
    sum_replicates,
)

KAPPA_WEIGHTS = ("unweighted", "linear", "quadratic")


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    weights: str = "unweighted",
    categories: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Agreement of two readers beyond chance: 1 is perfect, 0 what their habits alone would give.

    Parameters
    ----------
    first, second : array-like of int or str, shape (n_exams,)
        Categories (BI-RADS, density, recall) given to the same exams.
    weights : {"unweighted", "linear", "quadratic"}
        What a disagreement costs: the same always, or its distance in categories, or the square.
    categories : array-like of int or str, shape (n_categories,), optional
        All categories, in their order; by default those present, sorted.
    sample_weight : array-like of float, shape (n_exams,), optional
        Inverse sampling probability. Kappa depends on how frequent the categories are, so an
        enriched set without weights gives another kappa than the clinic.

    Returns
    -------
    float
        At most 1; NaN where both readers use one and the same category throughout.

    Raises
    ------
    ValueError
        If a category is missing or not among `categories`, or `weights` is unknown.

    References
    ----------
    Cohen 1968, doi:10.1037/h0026256.

    Examples
    --------
    >>> round(cohen_kappa(["a", "b", "c", "d"], ["a", "b", "d", "d"], weights="linear"), 4)
    0.8182
    """
    cross, weight, n_categories = _cross_table(first, second, categories, sample_weight)
    cost = _cost(weights, n_categories)
    table = np.bincount(cross, weight, n_categories**2)
    return float(_kappa_of_tables(table[None], cost)[0])


def cohen_kappa_bootstrap(
    first: ArrayLike,
    second: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    weights: str = "unweighted",
    categories: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Cohen's kappa with the percentile interval of the patient bootstrap.

    Parameters
    ----------
    first, second, weights, categories, sample_weight
        As for `cohen_kappa`.
    patient_ids : array-like of str, shape (n_exams,)
    bootstrap : PatientBootstrap

    Returns
    -------
    Estimate
        Without limits where the readers agree on every exam: every replicate would say so too.

    Raises
    ------
    ValueError
        As `cohen_kappa` does, or if there is a single patient.
    """
    cross, weight, n_categories = _cross_table(first, second, categories, sample_weight)
    cost = _cost(weights, n_categories)
    patient_ids = check_patients(patient_ids, len(cross), weight)
    cells = (cross[:, None] == np.arange(n_categories**2)) * weight[:, None]
    value = float(_kappa_of_tables(cells.sum(axis=0)[None], cost)[0])
    tables = sum_replicates(cells, patient_ids, bootstrap)
    return _estimate(value, _kappa_of_tables(tables, cost), confidence)


def fleiss_kappa(
    ratings: ArrayLike,
    categories: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Agreement beyond chance among several readers, who need not be the same for every exam.

    Parameters
    ----------
    ratings : array-like of int or str, shape (n_exams, n_readers)
        Unordered categories; at least two readings an exam, none missing.
    categories, sample_weight
        As for `cohen_kappa`.

    Returns
    -------
    float
        NaN where one category is used throughout.

    References
    ----------
    Fleiss 1971, doi:10.1037/h0031619.

    Examples
    --------
    >>> round(fleiss_kappa([[0, 0, 0], [0, 1, 1], [1, 1, 1], [1, 1, 1]]), 4)
    0.625
    """
    return float(_fleiss_of_sums(_fleiss_sums(ratings, categories, sample_weight).sum(axis=0)))


def fleiss_kappa_bootstrap(
    ratings: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    categories: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Fleiss' kappa with the percentile interval of the patient bootstrap.

    Parameters and Raises as for `fleiss_kappa` and `cohen_kappa_bootstrap`; no limits where all
    readers agree on every exam.
    """
    sums = _fleiss_sums(ratings, categories, sample_weight)
    patient_ids = check_patients(patient_ids, len(sums), sums.sum(axis=1))
    value = float(_fleiss_of_sums(sums.sum(axis=0)))
    replicates = _fleiss_of_sums(sum_replicates(sums, patient_ids, bootstrap))
    return _estimate(value, replicates, confidence)


def _cross_table(
    first: ArrayLike,
    second: ArrayLike,
    categories: ArrayLike | None,
    sample_weight: ArrayLike | None,
) -> tuple[NDArray[np.intp], NDArray[np.float64], int]:
    """Cell of each exam in the flattened cross-table, its weight, and the number of categories."""
    pair = [np.asarray(first), np.asarray(second)]
    if pair[0].ndim != 1 or pair[0].shape != pair[1].shape:
        shapes = f"{pair[0].shape} and {pair[1].shape}"
        raise ValueError(f"first and second must be vectors of one length, not {shapes}")
    codes, n_categories = _codes(np.column_stack(pair), categories, "first and second")
    weight = check_weight(sample_weight, len(codes))
    return codes[:, 0] * n_categories + codes[:, 1], weight, n_categories


def _codes(
    values: NDArray, categories: ArrayLike | None, name: str
) -> tuple[NDArray[np.intp], int]:
    """Number of each value's category, shape as `values`, and the number of categories."""
    if values.size == 0:
        raise ValueError(f"{name} must not be empty")
    flat = pd.Series(values.ravel() if values.dtype != bool else values.ravel().astype(int))
    known = flat.dropna().unique()
    known = np.sort(known) if categories is None else np.asarray(categories)
    if len(set(known.tolist())) < len(known):
        raise ValueError(f"categories must be distinct: {known.tolist()}")
    codes = pd.Index(known).get_indexer(flat).reshape(values.shape)
    wrong = np.flatnonzero((codes < 0).any(axis=1))
    if len(wrong):
        shown = ", ".join(str(row) for row in wrong[:5])
        raise ValueError(
            f"{name} must hold {', '.join(map(str, known))} only, none missing; "
            f"{len(wrong)} rows do not, first: {shown}"
        )
    return codes, len(known)


def _cost(weights: str, n_categories: int) -> NDArray[np.float64]:
    """What each cell of the flattened cross-table costs."""
    if weights not in KAPPA_WEIGHTS:
        raise ValueError(f"weights {weights!r} is unknown; valid: {', '.join(KAPPA_WEIGHTS)}")
    rank = np.arange(n_categories)
    apart = np.abs(rank[:, None] - rank).ravel().astype(np.float64)
    if weights == "unweighted":
        return (apart > 0).astype(np.float64)
    return apart if weights == "linear" else apart**2


def _kappa_of_tables(tables: NDArray[np.float64], cost: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kappa of every row, a flattened cross-table; NaN where no disagreement is possible."""
    n_categories = round(len(cost) ** 0.5)
    square = tables.reshape(-1, n_categories, n_categories)
    total = tables.sum(axis=1)
    expected = (square.sum(axis=2)[:, :, None] * square.sum(axis=1)[:, None]).reshape(
        tables.shape
    ) @ cost
    observed = tables @ cost * total
    return 1 - ratio_or_nan(observed, expected)


def _fleiss_sums(
    ratings: ArrayLike, categories: ArrayLike | None, sample_weight: ArrayLike | None
) -> NDArray[np.float64]:
    """Weighted share of agreeing pairs, then shares of the categories, of every exam."""
    table = np.asarray(ratings)
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(f"ratings must have two readers or more in columns: {table.shape}")
    codes, n_categories = _codes(table, categories, "ratings")
    n_readers = table.shape[1]
    counts = (codes[:, :, None] == np.arange(n_categories)).sum(axis=1)
    pairs = (counts * (counts - 1)).sum(axis=1) / (n_readers * (n_readers - 1))
    weight = check_weight(sample_weight, len(table))
    return np.column_stack([pairs, counts / n_readers]) * weight[:, None]


def _fleiss_of_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    total = sums[..., 1:].sum(axis=-1)
    by_chance = (sums[..., 1:] ** 2).sum(axis=-1)
    return 1 - ratio_or_nan((total - sums[..., 0]) * total, total**2 - by_chance)


def _estimate(value: float, replicates: NDArray[np.float64], confidence: float) -> Estimate:
    low, high = percentile_interval(replicates, confidence)
    if not value < 1 - 1e-12:  # perfect but for rounding, or undefined
        low = high = float("nan")
    return Estimate(value, low, high)
