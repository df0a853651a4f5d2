"""The patient bootstrap: one matrix of counts a run, shared by all metrics and comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.stats import norm

from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    check_inside,
    check_patient_ids,
    check_patients,
    check_vector,
    check_weight,
    effective_number,
    patient_codes,
)
from mammolab.evaluate.rates import proportion_estimate

# Replicates without a cancer leave a ratio undefined; beyond this share of them the percentiles
# of the rest are no interval (assumption; at four cancers 2% of replicates hold none).
MAX_UNDEFINED_SHARE = 0.05


@dataclass(frozen=True, eq=False)
class PatientBootstrap:
    """How often each patient is drawn in each replicate.

    Attributes
    ----------
    patient_ids : array of str (or int), shape (n_patients,)
        Sorted, distinct.
    counts : array of uint8, shape (n_replicates, n_patients)
        Multinomial: every row sums to n_patients, and within each stratum to its patients.
    """

    patient_ids: NDArray
    counts: NDArray[np.uint8]

    @classmethod
    def draw(
        cls,
        patient_ids: ArrayLike,
        n_replicates: int,
        seed: int,
        stratum: ArrayLike | None = None,
    ) -> PatientBootstrap:
        """Draw patients with replacement, once a run.

        Parameters
        ----------
        patient_ids : array-like of str, shape (n_exams,)
            Repeats are taken once. Draw over all patients that any analysis of the run uses: each
            analysis takes its own columns, so that differences between them stay paired.
        n_replicates : int
        seed : int
            Or a sequence of them.
        stratum : array-like, shape (n_exams,), optional
            Each stratum is drawn to its own size; by outcome, say, so that each replicate holds as
            many cancers as the sample, which conditions the intervals on their number. A patient
            with exams in several strata (a screen before the one with cancer) is of the last in
            their sorted order: of True where the stratum is a label.

        Raises
        ------
        ValueError
            If n_replicates is below 1, an id or a stratum is missing, or a stratum is one patient,
            who would be drawn every time.
        """
        if n_replicates < 1:
            raise ValueError(f"n_replicates must be at least 1, not {n_replicates}")
        ids = check_patient_ids(patient_ids)
        codes, distinct = pd.factorize(ids, sort=True)
        n_patients = len(distinct)
        members = [np.arange(n_patients)]
        if stratum is not None:
            members = _patients_by_stratum(stratum, codes, n_patients)
        order = np.argsort(np.concatenate(members))  # where each patient's count is drawn
        rng = np.random.Generator(np.random.SFC64(seed))  # the fastest of numpy's generators
        # A count above 255 needs over 255 patients, and is then of probability below 1e-500.
        counts = np.empty((n_replicates, n_patients), dtype=np.uint8)
        for row in counts:
            first = 0
            for n_members in map(len, members):
                drawn = rng.integers(0, n_members, size=n_members, dtype=np.int32)
                row[first : first + n_members] = np.bincount(drawn, minlength=n_members)
                first += n_members
        return cls(np.asarray(distinct), counts if stratum is None else counts[:, order])

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
        found = pd.Index(self.patient_ids).get_indexer(ids)
        if (found < 0).any():
            unknown = pd.unique(ids[found < 0])
            shown = ", ".join(str(one) for one in unknown[:5])
            raise ValueError(
                f"patient_ids holds {len(unknown)} patients that are not in the bootstrap, "
                f"among them {shown}"
            )
        return found

    @cached_property
    def by_patient(self) -> NDArray[np.float32]:
        """The counts as (n_patients, n_replicates), in single precision, as products want them."""
        return self.counts.T.astype(np.float32, order="C")


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
        Single precision inside: right to about 1e-6 of the sum of the absolute values.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim not in (1, 2) or not np.isfinite(values).all():
        raise ValueError("values must be finite, of one or two dimensions")
    columns = bootstrap.columns(check_patient_ids(patient_ids, len(values)))
    table = values[:, None] if values.ndim == 1 else values
    n_patients = len(bootstrap.patient_ids)
    per_patient = np.array([np.bincount(columns, each, n_patients) for each in table.T])
    per_patient = per_patient.astype(np.float32)
    if np.count_nonzero(per_patient) < 0.1 * per_patient.size:  # a flag of few, such as cancers
        per_patient = csr_array(per_patient)
    total = (per_patient @ bootstrap.by_patient).T.astype(np.float64)
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


def bca_interval(
    value: float, replicates: ArrayLike, jackknife: ArrayLike, confidence: float = 0.95
) -> tuple[float, float]:
    """Bias-corrected and accelerated limits (low, high) of bootstrap replicates.

    Second-order right where the percentiles are first-order: of use for skewed statistics of few
    cancers.

    Parameters
    ----------
    value : float
        The statistic of the sample.
    replicates : array-like of float, shape (n_replicates,)
        NaN (undefined) replicates as in `percentile_interval`.
    jackknife : array-like of float, shape (n_patients,)
        The statistic without each patient in turn.
    confidence : float in (0, 1)

    Returns
    -------
    tuple of float
        NaN where all replicates lie on one side of the value.

    References
    ----------
    Efron 1987, doi:10.1080/01621459.1987.10478410.
    """
    replicates = np.asarray(replicates, dtype=np.float64)
    tail = (1 - check_inside(confidence, "confidence", 0, 1)) / 2
    jackknife = check_vector(jackknife, "jackknife")
    defined = replicates[~np.isnan(replicates)]
    if np.isnan(percentile_interval(replicates, confidence)).any():
        return float("nan"), float("nan")
    below = ((defined < value).mean() + (defined <= value).mean()) / 2
    if below in (0, 1):
        return float("nan"), float("nan")
    bias = norm.ppf(below)
    deviation = jackknife.mean() - jackknife
    spread = (deviation**2).sum()
    acceleration = (deviation**3).sum() / (6 * spread**1.5) if spread else 0.0
    quantile = bias + norm.ppf([tail, 1 - tail])
    low, high = np.quantile(defined, norm.cdf(bias + quantile / (1 - acceleration * quantile)))
    return float(low), float(high)


def ratio_replicates(
    numerator: ArrayLike,
    denominator: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
) -> NDArray[np.float64]:
    """Replicates of sum(weight * numerator) / sum(weight * denominator); NaN where that is 0/0."""
    numerator = check_vector(numerator, "numerator")
    denominator = check_vector(denominator, "denominator", len(numerator))
    weight = check_weight(sample_weight, len(numerator))
    patient_ids = check_patients(patient_ids, len(numerator), weight)
    both = np.column_stack([numerator, denominator]) * weight[:, None]
    top, bottom = sum_replicates(both, patient_ids, bootstrap).T
    return ratio_or_nan(top, bottom)


def ratio_jackknife(
    numerator: ArrayLike,
    denominator: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """The weighted ratio of sums without each patient in turn, as `bca_interval` takes it.

    Patients without whom the denominator is 0 are left out.
    """
    numerator = check_vector(numerator, "numerator")
    denominator = check_vector(denominator, "denominator", len(numerator))
    weight = check_weight(sample_weight, len(numerator))
    codes, _ = patient_codes(patient_ids, len(numerator))
    top = weight @ numerator - np.bincount(codes, weight * numerator)
    bottom = weight @ denominator - np.bincount(codes, weight * denominator)
    return top[bottom != 0] / bottom[bottom != 0]


def ratio_estimate(
    numerator: ArrayLike,
    denominator: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
) -> Estimate:
    """Weighted ratio of sums over exams, with the percentile interval of the patient bootstrap.

    Parameters
    ----------
    numerator, denominator : array-like of float, shape (n_exams,)
        A paired difference of two rates with one denominator is the ratio whose numerator is the
        difference of the two flags.
    patient_ids : array-like of str, shape (n_exams,)
    sample_weight : array-like of float, shape (n_exams,), or None
    bootstrap : PatientBootstrap

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
    replicates = ratio_replicates(numerator, denominator, patient_ids, weight, bootstrap)
    interval = percentile_interval(replicates, confidence)
    return Estimate(float(weight @ numerator / total), *interval)


def share_estimate(
    event: ArrayLike,
    among: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
) -> Estimate:
    """Weighted share of the exams `among` that have the event: a sensitivity, a recall rate.

    Parameters
    ----------
    event, among : array-like of bool, shape (n_exams,)
    patient_ids, sample_weight, bootstrap
        As for `ratio_estimate`.

    Notes
    -----
    Where every replicate is the same (all or none have the event) the bootstrap would claim
    certainty. The interval is then Clopper-Pearson's over the number of patients, which with
    unequal weights is Kish's effective number; of one patient alone there is no interval (NaN).
    """
    event = check_flag(event, "event")
    among = check_flag(among, "among", len(event))
    weight = check_weight(sample_weight, len(event))
    estimate = ratio_estimate(event & among, among, patient_ids, weight, bootstrap, confidence)
    certain = estimate.high - estimate.low < 1e-6  # replicates are of single precision
    counted = among & (weight > 0)
    if not counted.any() or not certain:
        return estimate
    codes, n_patients = patient_codes(check_patient_ids(patient_ids)[counted])
    if n_patients < 2:
        return Estimate(estimate.value, float("nan"), float("nan"))
    n_effective = effective_number(np.bincount(codes, weight[counted]))
    return proportion_estimate(estimate.value * n_effective, n_effective, confidence=confidence)


def ratio_or_nan(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ratio, NaN in a replicate whose denominator is 0."""
    return np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom != 0)


def _patients_by_stratum(
    stratum: ArrayLike, codes: NDArray[np.intp], n_patients: int
) -> list[NDArray[np.intp]]:
    level, names = pd.factorize(np.asarray(stratum), sort=True)
    if len(level) != len(codes):
        raise ValueError(f"stratum has {len(level)} rows where {len(codes)} are needed")
    if (level < 0).any():
        raise ValueError(f"stratum is missing in row {np.flatnonzero(level < 0)[0]}")
    last = np.zeros(n_patients, dtype=np.intp)
    np.maximum.at(last, codes, level)
    members = [np.flatnonzero(last == k) for k in range(len(names))]
    for name, patients in zip(names, members, strict=True):
        if len(patients) == 1:
            raise ValueError(f"stratum {name} holds one patient: every draw would be the same")
    return [patients for patients in members if len(patients)]
