"""ROC curves and their areas in every replicate of the patient bootstrap, at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from mammolab.evaluate.checks import (
    Estimate,
    check_patients,
    check_scores,
    check_two_classes,
    patient_codes,
)
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval
from mammolab.evaluate.roc import auc, partial_area, partial_auc, placements

_BLOCK_CELLS = 4_000_000  # cells of a temporary array of doubles, 32 MB


def auc_replicates(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
) -> NDArray[np.float64]:
    """AUC in every bootstrap replicate, by the kernel method.

    Parameters
    ----------
    score, label, patient_ids, sample_weight : array-like, shape (n_exams,)
        As for `roc.auc`; None for equal weights.
    bootstrap : PatientBootstrap

    Returns
    -------
    array of float, shape (n_replicates,)
        NaN in a replicate that drew no patient of one of the classes. Single precision inside:
        right to about 1e-6.

    Notes
    -----
    With K[p, q] the weight of rightly ordered pairs of a positive of patient p and a negative of
    patient q (ties half) and counts w, the AUC of a replicate is w'Kw over the weight of all pairs.
    K is a staircase in order of score, so Kw is a running sum of the negatives' weight along the
    positives' scores: two sparse products and a cumulative sum serve all replicates, and K is
    never formed.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    if label.mean() > 0.5:  # the sums run along the scores of the positives: let them be the fewer
        score, label = -score, ~label
    columns = bootstrap.columns(check_patients(patient_ids, len(score), weight))
    distinct, level = np.unique(score[label], return_inverse=True)
    n_below = np.searchsorted(distinct, score[~label], side="left")
    n_up_to = np.searchsorted(distinct, score[~label], side="right")
    # gap k holds the negatives above k distinct positive scores; a tied one is half in each of two
    half = weight[~label] / 2
    both_gaps = np.concatenate([n_below, n_up_to])
    n_patients = len(bootstrap.patient_ids)
    in_gap = _sum_matrix(
        both_gaps, np.tile(columns[~label], 2), np.tile(half, 2), len(distinct) + 1, n_patients
    )
    at_level = _sum_matrix(level, columns[label], weight[label], len(distinct), n_patients)

    result = np.empty(bootstrap.n_replicates)
    for chunk, counts in _chunks(bootstrap, len(distinct) + 1):
        negative = np.cumsum(in_gap @ counts, axis=0, dtype=np.float64)  # (gaps, replicates)
        positive = (at_level @ counts).astype(np.float64)  # (levels, replicates)
        pairs = negative[-1] * positive.sum(axis=0)
        right = np.einsum("kr,kr->r", negative[:-1], positive)
        result[chunk] = np.divide(right, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return result


def auc_bootstrap(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
) -> Estimate:
    """AUC with the percentile interval of the patient bootstrap.

    Parameters as for `auc_replicates`. The limits are NaN at an AUC of 0 or 1, where every
    replicate repeats it.
    """
    replicates = auc_replicates(score, label, patient_ids, sample_weight, bootstrap)
    value = auc(score, label, sample_weight)
    if value in (0.0, 1.0):
        return Estimate(value, float("nan"), float("nan"))
    return Estimate(value, *percentile_interval(replicates, confidence))


def auc_difference(
    first: ArrayLike,
    second: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
) -> Estimate:
    """AUC(first) - AUC(second) on the same exams, paired replicate by replicate."""
    replicates = auc_replicates(first, label, patient_ids, sample_weight, bootstrap)
    replicates = replicates - auc_replicates(second, label, patient_ids, sample_weight, bootstrap)
    difference = auc(first, label, sample_weight) - auc(second, label, sample_weight)
    return Estimate(difference, *percentile_interval(replicates, confidence))


def auc_jackknife(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """The AUC without each patient in turn, as `resampling.bca_interval` takes it.

    Patients without whom a class is empty are left out.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    codes, n_patients = patient_codes(patient_ids, len(score))
    of_positives, of_negatives = placements(score, label, weight)
    n_positive, n_negative = weight[label].sum(), weight[~label].sum()
    positive = np.bincount(codes[label], weight[label], n_patients)
    negative = np.bincount(codes[~label], weight[~label], n_patients)
    right = n_negative * (weight[label] @ of_positives)
    without = right - n_negative * np.bincount(
        codes[label], weight[label] * of_positives, n_patients
    )
    without -= n_positive * np.bincount(codes[~label], weight[~label] * of_negatives, n_patients)
    # pairs of her own exams were taken off twice
    for patient in np.flatnonzero((positive > 0) & (negative > 0)):
        own = codes == patient
        without[patient] += (
            positive[patient] * negative[patient] * auc(score[own], label[own], weight[own])
        )
    pairs = (n_positive - positive) * (n_negative - negative)
    return without[pairs > 0] / pairs[pairs > 0]


@dataclass(frozen=True, eq=False)
class RocReplicates:
    """The ROC curve of each replicate as joined points, rising; shape (n_replicates, n_points)."""

    false_positive_rate: NDArray[np.float64]
    sensitivity: NDArray[np.float64]


def roc_replicates(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
) -> RocReplicates:
    """ROC curve in every bootstrap replicate; arguments as for `auc_replicates`.

    The curve can turn only at the score of a positive, so it has two points for each distinct one
    and two ends. Replicates without a class are NaN.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    columns = bootstrap.columns(check_patients(patient_ids, len(score), weight))
    distinct, level = np.unique(-score[label], return_inverse=True)  # from high to low
    n_distinct, n_patients = len(distinct), len(bootstrap.patient_ids)
    # even slots lie between the positives' scores, odd ones at them
    slot = np.searchsorted(distinct, -score[~label], side="left")
    slot += np.searchsorted(distinct, -score[~label], side="right")
    in_slot = _sum_matrix(slot, columns[~label], weight[~label], 2 * n_distinct + 1, n_patients)
    at_level = _sum_matrix(level, columns[label], weight[label], n_distinct, n_patients)

    rates = np.zeros((2, bootstrap.n_replicates, 2 * n_distinct + 2))
    for chunk, counts in _chunks(bootstrap, 2 * n_distinct + 1):
        rates[0, chunk, 1:] = np.cumsum(in_slot @ counts, axis=0, dtype=np.float64).T
        up = np.cumsum(at_level @ counts, axis=0, dtype=np.float64).T
        rates[1, chunk, 2::2] = up  # after each slot of a positive
        rates[1, chunk, 3::2] = up
    total = rates[:, :, -1:].copy()
    rates = np.divide(rates, total, out=np.full_like(rates, np.nan), where=total > 0)
    return RocReplicates(rates[0], rates[1])


def partial_auc_bootstrap(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    low: float,
    high: float,
    along: str = "specificity",
    standardised: bool = True,
    confidence: float = 0.95,
) -> Estimate:
    """`roc.partial_auc` with the percentile interval of the patient bootstrap."""
    value = partial_auc(score, label, low, high, along, sample_weight, standardised)
    curves = roc_replicates(score, label, patient_ids, sample_weight, bootstrap)
    replicates = partial_area(
        curves.false_positive_rate, curves.sensitivity, low, high, along, standardised
    )
    return Estimate(value, *percentile_interval(replicates, confidence))


def _sum_matrix(
    place: NDArray[np.intp],
    columns: NDArray[np.intp],
    weight: NDArray[np.float64],
    n_places: int,
    n_patients: int,
) -> csr_array:
    """Weight that each patient has at each place, shape (n_places, n_patients)."""
    cells = (weight.astype(np.float32), (place, columns))
    return csr_array(cells, shape=(n_places, n_patients))


def _chunks(
    bootstrap: PatientBootstrap, n_rows: int
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield slices of the replicates, with their counts by patient, for results of n_rows each."""
    size = max(_BLOCK_CELLS // n_rows, 1)
    for start in range(0, bootstrap.n_replicates, size):
        chunk = slice(start, start + size)
        yield chunk, np.ascontiguousarray(bootstrap.by_patient[:, chunk])
