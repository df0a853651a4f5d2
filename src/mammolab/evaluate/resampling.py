"""The patient bootstrap: one matrix of counts a run, shared by all metrics and comparisons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    check_inside,
    check_patient_ids,
    check_scores,
    check_two_classes,
    check_vector,
    check_weight,
)
from mammolab.evaluate.roc import auc, proportion_estimate

# Replicates without a cancer leave a ratio undefined; beyond this share of them the percentiles
# of the rest are no interval (assumption; at four cancers 2% of replicates hold none).
MAX_UNDEFINED_SHARE = 0.05

_BLOCK_CELLS = 4_000_000  # float cells of a temporary array, 16-32 MB


@dataclass(frozen=True, eq=False)
class PatientBootstrap:
    """How often each patient is drawn in each replicate.

    Attributes
    ----------
    patient_ids : array of str (or int), shape (n_patients,)
        Sorted, distinct.
    counts : array of uint8, shape (n_replicates, n_patients)
        Multinomial: every row sums to n_patients.
    """

    patient_ids: NDArray
    counts: NDArray[np.uint8]

    @classmethod
    def draw(cls, patient_ids: ArrayLike, n_replicates: int, seed: int) -> PatientBootstrap:
        """Draw patients with replacement, once a run.

        Parameters
        ----------
        patient_ids : array-like of str, shape (n_exams,)
            Repeats are taken once. Draw over all patients that any analysis of the run uses: each
            analysis takes its own columns, so that differences between them stay paired.
        n_replicates : int
        seed : int
            Or anything else `numpy.random.default_rng` takes.

        Raises
        ------
        ValueError
            If n_replicates is below 1 or an id is missing.
        """
        if n_replicates < 1:
            raise ValueError(f"n_replicates must be at least 1, not {n_replicates}")
        distinct = np.unique(check_patient_ids(patient_ids))
        n_patients = len(distinct)
        rng = np.random.default_rng(seed)
        # A count above 255 needs over 255 patients, and is then of probability below 1e-500.
        counts = np.empty((n_replicates, n_patients), dtype=np.uint8)
        for row in counts:
            drawn = rng.integers(0, n_patients, size=n_patients, dtype=np.int32)
            row[:] = np.bincount(drawn, minlength=n_patients)
        return cls(distinct, counts)

    @property
    def n_replicates(self) -> int:
        """Number of bootstrap replicates."""
        return len(self.counts)

    def columns(self, patient_ids: ArrayLike) -> NDArray[np.intp]:
        """Return the column of each row's patient, shape (n_exams,).

        Raises
        ------
        ValueError
            If a patient was not among those drawn; the message shows up to five.
        """
        ids = check_patient_ids(patient_ids)
        found = np.searchsorted(self.patient_ids, ids)
        found[found == len(self.patient_ids)] = 0
        unknown = np.unique(ids[self.patient_ids[found] != ids])
        if len(unknown):
            shown = ", ".join(str(one) for one in unknown[:5])
            raise ValueError(
                f"{len(unknown)} patients are not in the bootstrap, among them {shown}"
            )
        return found


def sum_replicates(
    values: ArrayLike, patient_ids: ArrayLike, bootstrap: PatientBootstrap
) -> NDArray[np.float64]:
    """Sum of `values` over the exams of the patients drawn, in every replicate.

    Parameters
    ----------
    values : array-like of float, shape (n_exams,) or (n_exams, k)
        Already multiplied by the sampling weight.
    patient_ids : array-like of str, shape (n_exams,)
    bootstrap : PatientBootstrap

    Returns
    -------
    array of float, shape (n_replicates,) or (n_replicates, k)
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim not in (1, 2) or not np.isfinite(values).all():
        raise ValueError("values must be finite, of one or two dimensions")
    columns = bootstrap.columns(check_patient_ids(patient_ids, len(values)))
    table = values[:, None] if values.ndim == 1 else values
    n_patients = len(bootstrap.patient_ids)
    per_patient = np.column_stack([np.bincount(columns, each, n_patients) for each in table.T])
    holders = np.flatnonzero(per_patient.any(axis=1))  # patients of nothing but zeros add nothing
    total = np.zeros((bootstrap.n_replicates, table.shape[1]))
    for block in _blocks(len(holders), _BLOCK_CELLS // bootstrap.n_replicates):
        chosen = holders[block]
        total += bootstrap.counts[:, chosen].astype(np.float64) @ per_patient[chosen]
    return total[:, 0] if values.ndim == 1 else total


def percentile_interval(replicates: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile limits (low, high) of bootstrap replicates.

    Undefined (NaN) replicates are left out; both limits are NaN if more than
    `MAX_UNDEFINED_SHARE` of them are undefined.
    """
    replicates = np.asarray(replicates, dtype=np.float64)
    tail = (1 - check_inside(confidence, "confidence", 0, 1)) / 2
    if replicates.ndim != 1 or not len(replicates):
        raise ValueError(f"replicates must be a vector that is not empty: {replicates.shape}")
    undefined = np.isnan(replicates)
    if undefined.mean() > MAX_UNDEFINED_SHARE:
        return float("nan"), float("nan")
    low, high = np.quantile(replicates[~undefined], [tail, 1 - tail])
    return float(low), float(high)


def ratio_replicates(
    numerator: ArrayLike,
    denominator: ArrayLike,
    patient_ids: ArrayLike,
    bootstrap: PatientBootstrap,
    sample_weight: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Replicates of sum(weight * numerator) / sum(weight * denominator); NaN where that is 0/0."""
    numerator = check_vector(numerator, "numerator")
    denominator = check_vector(denominator, "denominator", len(numerator))
    weight = check_weight(sample_weight, len(numerator))
    both = np.column_stack([numerator, denominator]) * weight[:, None]
    top, bottom = sum_replicates(both, patient_ids, bootstrap).T
    return np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom != 0)


def ratio_estimate(
    numerator: ArrayLike,
    denominator: ArrayLike,
    patient_ids: ArrayLike,
    bootstrap: PatientBootstrap,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Weighted ratio of sums over exams, with the percentile interval of the patient bootstrap.

    Parameters
    ----------
    numerator, denominator : array-like of float, shape (n_exams,)
        A paired difference of two rates with one denominator is the ratio whose numerator is the
        difference of the two flags.
    patient_ids : array-like of str, shape (n_exams,)
    bootstrap : PatientBootstrap
    sample_weight : array-like of float, shape (n_exams,), optional

    Returns
    -------
    Estimate
        All NaN where the denominator sums to zero.
    """
    numerator = check_vector(numerator, "numerator")
    denominator = check_vector(denominator, "denominator", len(numerator))
    weight = check_weight(sample_weight, len(numerator))
    total = weight @ denominator
    if total == 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    replicates = ratio_replicates(numerator, denominator, patient_ids, bootstrap, weight)
    interval = percentile_interval(replicates, confidence)
    return Estimate(float(weight @ numerator / total), *interval)


def share_estimate(
    event: ArrayLike,
    among: ArrayLike,
    patient_ids: ArrayLike,
    bootstrap: PatientBootstrap,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Weighted share of the exams `among` that have the event: a sensitivity, a recall rate.

    Parameters
    ----------
    event, among : array-like of bool, shape (n_exams,)
    patient_ids, bootstrap, sample_weight
        As for `ratio_estimate`.

    Notes
    -----
    Where all or none have the event every replicate is the same and the bootstrap would claim
    certainty. The interval is then Clopper-Pearson's over the number of patients, which with
    unequal weights is Kish's effective number, (sum w)^2 / sum w^2 (Kish 1965, Survey Sampling).
    """
    event = check_flag(event, "event")
    among = check_flag(among, "among", len(event))
    weight = check_weight(sample_weight, len(event))
    estimate = ratio_estimate(event & among, among, patient_ids, bootstrap, weight, confidence)
    counted = event[among & (weight > 0)]
    if not len(counted) or (counted.any() and not counted.all()):
        return estimate
    patients = np.unique(check_patient_ids(patient_ids, len(event))[among], return_inverse=True)[1]
    per_patient = np.bincount(patients, weight[among])
    n_effective = per_patient.sum() ** 2 / (per_patient**2).sum()
    return proportion_estimate(estimate.value * n_effective, n_effective, confidence=confidence)


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
    K[p, q] sums, over positive exams of patient p and negative exams of patient q, the weight of
    the pairs in the right order (ties half). With counts c the AUC of a replicate is
    c'Kc / (sum of positive weights x sum of negative weights), so all replicates are one matrix
    product. K is formed in blocks of patients and never held whole.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    columns = bootstrap.columns(check_patient_ids(patient_ids, len(score)))
    if label.mean() > 0.5:  # the kernel has one row a positive patient: let them be the fewer
        score, label = -score, ~label
    positive = _ByPatient.gather(columns, score, weight, label)
    negative = _ByPatient.gather(columns, score, weight, ~label)

    wins = np.zeros((len(positive.columns), bootstrap.n_replicates), dtype=np.float32)
    most = max(len(positive.score), bootstrap.n_replicates) * negative.rows_per_patient
    for block in _blocks(len(negative.columns), int(_BLOCK_CELLS // most)):
        kernel = _patient_kernel(positive, negative.part(block))
        wins += kernel @ bootstrap.counts[:, negative.columns[block]].T.astype(np.float32)
    counts = bootstrap.counts[:, positive.columns].T
    right = np.einsum("pr,pr->r", wins, counts, dtype=np.float64)

    both = np.column_stack([weight * label, weight * ~label])
    n_positive, n_negative = sum_replicates(both, patient_ids, bootstrap).T
    pairs = n_positive * n_negative
    return np.divide(right, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def auc_bootstrap(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
) -> Estimate:
    """AUC with the percentile interval of the patient bootstrap."""
    replicates = auc_replicates(score, label, patient_ids, sample_weight, bootstrap)
    return Estimate(auc(score, label, sample_weight), *percentile_interval(replicates, confidence))


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


@dataclass(frozen=True, eq=False)
class _ByPatient:
    """Exams of one class, ordered by patient: exams of columns[i] begin at row start[i]."""

    score: NDArray[np.float64]
    weight: NDArray[np.float32]
    columns: NDArray[np.intp]
    start: NDArray[np.intp]

    @classmethod
    def gather(cls, columns, score, weight, chosen) -> _ByPatient:
        rows = np.flatnonzero(chosen)
        rows = rows[np.argsort(columns[rows], kind="stable")]
        distinct, start = np.unique(columns[rows], return_index=True)
        return cls(score[rows], weight[rows].astype(np.float32), distinct, start)

    @property
    def rows_per_patient(self) -> float:
        return len(self.score) / len(self.columns)

    def part(self, block: slice) -> _ByPatient:
        first = self.start[block.start]
        last = self.start[block.stop] if block.stop < len(self.start) else len(self.score)
        return _ByPatient(
            self.score[first:last],
            self.weight[first:last],
            self.columns[block],
            self.start[block] - first,
        )


def _patient_kernel(positive: _ByPatient, negative: _ByPatient) -> NDArray[np.float32]:
    """Weight of rightly ordered pairs, shape (n_positive_patients, n_negative_patients)."""
    above = positive.score[:, None] > negative.score  # (positive exams, negative exams)
    tied = positive.score[:, None] == negative.score
    order = above + np.float32(0.5) * tied
    order *= negative.weight
    order *= positive.weight[:, None]
    return np.add.reduceat(np.add.reduceat(order, negative.start, axis=1), positive.start, axis=0)


def _blocks(n_items: int, size: int) -> list[slice]:
    """Slices that cut n_items into blocks of at most `size`, at least one item each."""
    size = max(size, 1)
    return [slice(start, min(start + size, n_items)) for start in range(0, n_items, size)]
