"""Are the scores of the deployed model still those of its validation? PSI and Kolmogorov-Smirnov."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, kstwo, ncx2

from mammolab.evaluate.checks import (
    Estimate,
    check_inside,
    check_patient_ids,
    check_vector,
    check_weight,
    effective_number,
    patient_codes,
)
from mammolab.evaluate.resampling import PatientBootstrap

_BLOCK_CELLS = 4_000_000  # cells of a temporary array, 32 MB
_ROUNDING = 1e-12


@dataclass(frozen=True)
class StabilityIndex:
    """Population stability index of a window of scores against the reference.

    Attributes
    ----------
    psi : float
        As computed from the samples; chance alone makes it positive.
    beyond_chance : Estimate
        `psi` less `null_mean`, at least 0, with the interval of the index of the populations.
    null_mean, null_limit : float
        Without drift, the mean of `psi` and what it exceeds with probability 1 - confidence.
    p_value : float
        Probability of so high a `psi` without drift.
    n_bins : int
    """

    psi: float
    beyond_chance: Estimate
    null_mean: float
    null_limit: float
    p_value: float
    n_bins: int


@dataclass(frozen=True)
class ScoreShift:
    """Kolmogorov-Smirnov distance of two samples of scores.

    distance : largest difference of the two distribution functions.
    at_score : where it is.
    p_value : probability of so large a distance without drift.
    """

    distance: float
    at_score: float
    p_value: float


def population_stability(
    reference: ArrayLike,
    current: ArrayLike,
    reference_weight: ArrayLike | None = None,
    current_weight: ArrayLike | None = None,
    reference_ids: ArrayLike | None = None,
    current_ids: ArrayLike | None = None,
    n_bins: int = 10,
    confidence: float = 0.95,
) -> StabilityIndex:
    """Compare the scores of a window with those of validation, bin by bin.

    Parameters
    ----------
    reference, current : array-like of float, shapes (n_reference,) and (n_current,)
        Scores at validation and in the window watched.
    reference_weight, current_weight : array-like of float, optional
        Inverse sampling probabilities.
    reference_ids, current_ids : array-like of str, optional
        Patients, both or neither; one who is in both samples is one patient. Without them every
        exam is independent.
    n_bins : int
        Bins hold equal weight of the reference, ties in one bin, so there may be fewer.
    confidence : float

    Raises
    ------
    ValueError
        If the reference scores are all equal, or fewer than two patients are there.

    Notes
    -----
    PSI = sum over bins of (q - p) log(q / p). A bin empty in the window counts as half a patient
    of the mean weight (Kish), or the logarithm would be infinite.

    Without drift PSI is near a sum of squares of q - p, whose distribution is that of
    mean x chi-square / df with both moments taken from the covariance of q - p over patients
    (Rao and Scott's second-order correction). With n and m independent exams of equal weight it is
    Yurdakul and Naranjo's (1/n + 1/m) x chi-square with n_bins - 1 degrees of freedom. The interval
    inverts the noncentral chi-square, which is right for small drifts. Bins should hold five
    patients or more.

    The folklore bounds (below 0.10 stable, above 0.25 shifted) know no sample size: by chance alone
    two samples of 100 average 0.18 in ten bins, and in two of 100,000 a PSI of 0.001 is drift.

    References
    ----------
    Yurdakul, Naranjo 2020, Journal of Risk Model Validation 14(4), 89-100.
    Rao, Scott 1981, doi:10.1080/01621459.1981.10477633.

    Examples
    --------
    >>> index = population_stability(np.arange(1000), np.arange(1000) + 100, n_bins=4)
    >>> round(index.psi, 4), round(index.null_mean, 4), index.p_value < 0.001
    (0.0847, 0.006, True)
    """
    check_inside(confidence, "confidence", 0, 1)
    if n_bins < 2:
        raise ValueError(f"n_bins must be at least 2, not {n_bins}")
    old = _Sample.check(reference, reference_weight, "reference")
    new = _Sample.check(current, current_weight, "current")
    old_unit, new_unit = _units(old, new, reference_ids, current_ids)
    edges = _inner_edges(old, n_bins)
    n_bins = len(edges) + 1
    n_units = max(old_unit.max(), new_unit.max()) + 1
    p, old_residual = _bin_shares(old, old_unit, edges, n_units)
    q, new_residual = _bin_shares(new, new_unit, edges, n_units)
    psi = float(((q - p) * np.log(q / p)).sum())

    residual = (new_residual - old_residual) / np.sqrt((p + q) / 2)
    if not residual.any():  # the same exams twice: nothing varies
        return StabilityIndex(psi, Estimate(psi, psi, psi), 0.0, 0.0, float(psi == 0), n_bins)
    covariance = residual.T @ residual
    mean, square = np.trace(covariance), (covariance**2).sum()
    df, scale = mean**2 / square, square / mean
    low, high = (scale * limit for limit in _noncentrality_interval(psi / scale, df, confidence))
    return StabilityIndex(
        psi,
        Estimate(float(max(0.0, psi - mean)), low, high),
        float(mean),
        float(scale * chi2.ppf(confidence, df)),
        float(chi2.sf(psi / scale, df)),
        n_bins,
    )


def score_shift(
    reference: ArrayLike,
    current: ArrayLike,
    reference_weight: ArrayLike | None = None,
    current_weight: ArrayLike | None = None,
    reference_ids: ArrayLike | None = None,
    current_ids: ArrayLike | None = None,
    bootstrap: PatientBootstrap | None = None,
) -> ScoreShift:
    """Weighted two-sample Kolmogorov-Smirnov test that the scores have not moved.

    Parameters
    ----------
    reference, current, reference_weight, current_weight, reference_ids, current_ids
        As for `population_stability`.
    bootstrap : PatientBootstrap, optional
        Drawn over the patients of both samples; needed with the ids, and only then.

    Notes
    -----
    With patients, p is the share of bootstrap replicates whose difference of the two distribution
    functions strays as far from the observed difference as that strays from 0: right under weights,
    several exams a patient, and patients in both samples. Without, exams are independent and p
    comes from the distribution of the distance at the effective numbers of exams,
    (sum w)^2 / sum w^2 (Kish): the usual test where weights are equal, an approximation where they
    are not, and conservative where scores are tied.

    References
    ----------
    Praestgaard 1995, Scandinavian Journal of Statistics 22, 305-322 (bootstrap of the distance).

    Examples
    --------
    >>> score_shift([0.1, 0.2, 0.3, 0.4], [0.3, 0.4, 0.5, 0.6]).distance
    0.5
    """
    old = _Sample.check(reference, reference_weight, "reference")
    new = _Sample.check(current, current_weight, "current")
    if (bootstrap is None) != (reference_ids is None and current_ids is None):
        raise ValueError("reference_ids, current_ids and bootstrap are needed together")
    score = np.concatenate([old.score, new.score])
    order = np.argsort(score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # of each tie
    share = np.concatenate([-old.weight / old.weight.sum(), new.weight / new.weight.sum()])[order]
    gap = np.cumsum(share)[last]
    largest = int(np.abs(gap).argmax())
    distance = float(abs(gap[largest]))
    if bootstrap is None:
        n, m = effective_number(old.weight), effective_number(new.weight)
        p_value = float(kstwo.sf(distance, max(1, round(n * m / (n + m)))))
    else:
        _units(old, new, reference_ids, current_ids)
        ids = np.concatenate([check_patient_ids(reference_ids), check_patient_ids(current_ids)])
        is_new = np.arange(len(score)) >= len(old.score)
        strayed = [
            np.abs(each[:, last] - gap).max(axis=1)
            for each in _gap_replicates(share, is_new[order], ids[order], bootstrap)
        ]
        # a replicate without one of the samples is NaN, and counts as straying
        as_far = ~(np.concatenate(strayed) < distance - _ROUNDING)
        p_value = float((1 + as_far.sum()) / (1 + bootstrap.n_replicates))
    return ScoreShift(distance, float(score[order][last[largest]]), p_value)


@dataclass(frozen=True, eq=False)
class _Sample:
    """Scores and their weights."""

    score: NDArray[np.float64]
    weight: NDArray[np.float64]

    @classmethod
    def check(cls, score: ArrayLike, weight: ArrayLike | None, name: str) -> _Sample:
        score = check_vector(score, name)
        try:
            return cls(score, check_weight(weight, len(score)))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


def _units(
    old: _Sample, new: _Sample, old_ids: ArrayLike | None, new_ids: ArrayLike | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Number of each exam's patient, one numbering for both samples; of each exam without ids."""
    n_old, n_new = len(old.score), len(new.score)
    if (old_ids is None) != (new_ids is None):
        raise ValueError("reference_ids and current_ids are needed together")
    if old_ids is None:
        unit = np.arange(n_old + n_new)
    else:
        ids = [check_patient_ids(old_ids, n_old), check_patient_ids(new_ids, n_new)]
        unit, _ = patient_codes(np.concatenate(ids))
        if unit.max() == 0:
            raise ValueError("reference_ids and current_ids hold a single patient")
    return unit[:n_old], unit[n_old:]


def _inner_edges(reference: _Sample, n_bins: int) -> NDArray[np.float64]:
    """Upper edges of all bins but the last: weighted quantiles of the reference."""
    score, place = np.unique(reference.score, return_inverse=True)
    at_score = np.bincount(place, reference.weight)
    score, at_score = score[at_score > 0], at_score[at_score > 0]
    share_up_to = np.cumsum(at_score) / at_score.sum()
    wanted = np.arange(1, n_bins) / n_bins
    edges = np.unique(score[np.searchsorted(share_up_to, wanted - _ROUNDING)])
    edges = edges[edges < score[-1]]  # nothing of the reference lies above its highest score
    if not len(edges):
        raise ValueError("reference holds one score only, or too few to be cut into two bins")
    return edges


def _bin_shares(
    sample: _Sample, unit: NDArray[np.intp], edges: NDArray[np.float64], n_units: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of each bin, (n_bins,), and what each patient adds to its error, (n_units, n_bins)."""
    weight = sample.weight / sample.weight.sum()
    bins = np.searchsorted(edges, sample.score, side="left")
    n_bins = len(edges) + 1
    per_unit = np.bincount(unit * n_bins + bins, weight, n_units * n_bins).reshape(-1, n_bins)
    share = per_unit.sum(axis=0)
    of_unit = per_unit.sum(axis=1)
    residual = per_unit - of_unit[:, None] * share
    share = np.where(share > 0, share, 0.5 / effective_number(of_unit))
    return share / share.sum(), residual


def _noncentrality_interval(statistic: float, df: float, confidence: float) -> tuple[float, float]:
    """Noncentralities of the chi-square that the statistic does not contradict."""

    def limit(probability_below: float) -> float:
        if chi2.cdf(statistic, df) <= probability_below:
            return 0.0
        highest = 2 * statistic + 100.0  # far above any that is not contradicted
        return float(
            brentq(lambda nc: ncx2.cdf(statistic, df, nc) - probability_below, 1e-9, highest)
        )

    return limit(0.5 + confidence / 2), limit(0.5 - confidence / 2)


def _gap_replicates(
    share: NDArray[np.float64],
    is_new: NDArray[np.bool_],
    ids: NDArray,
    bootstrap: PatientBootstrap,
) -> Iterator[NDArray[np.float64]]:
    """Difference of the two distribution functions at each exam, replicates in blocks."""
    columns = bootstrap.columns(ids)
    size = max(1, _BLOCK_CELLS // len(share))
    for first in range(0, bootstrap.n_replicates, size):
        drawn = bootstrap.counts[first : first + size][:, columns] * share
        with np.errstate(invalid="ignore"):  # 0 / 0 where a sample was not drawn
            drawn[:, is_new] /= drawn[:, is_new].sum(axis=1, keepdims=True)
            drawn[:, ~is_new] /= -drawn[:, ~is_new].sum(axis=1, keepdims=True)
        yield np.cumsum(drawn, axis=1, out=drawn)
