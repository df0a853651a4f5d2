"""Absolute calibration error, over bins and smooth, with the part of it that is noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dct, idct
from scipy.optimize import brentq
from scipy.sparse import csr_array

from mammolab.evaluate.checks import (
    Estimate,
    check_inside,
    check_patients,
    check_probabilities,
)
from mammolab.evaluate.reliability import equal_weight_bins
from mammolab.evaluate.resampling import PatientBootstrap, sum_replicates

_FIRST_GRID, _FINEST_REPLICATE, _FINEST_GRID = 2**12, 2**16, 2**18  # cells over [0, 1]
# Cells a bandwidth, where the grid widens the kernel by less than 0.1% and 1% (assumption).
_CELLS_EXACT, _CELLS_REPLICATE = 16, 4
_BLOCK_CELLS = 4_000_000  # floats of a block of replicates, 16 MB


@dataclass(frozen=True)
class CalibrationError:
    """An absolute calibration error, which noise alone keeps above 0.

    error : with an interval that reaches down to 0 where noise can explain the whole error.
    noise_floor : the error that noise of this size gives a perfectly calibrated model on average.
    """

    error: Estimate
    noise_floor: float

    @classmethod
    def from_noise(
        cls, value: float, noise: NDArray[np.float64], confidence: float
    ) -> CalibrationError:
        """The error with its interval from replicates of the error of the noise alone.

        An error here is a norm of the residuals: by the triangle inequality the true one lies
        within the norm of the noise of the one measured. So the interval holds at least at its
        level; a percentile interval would not, as resampling adds noise that lifts every replicate.
        """
        reach = float(np.quantile(noise, check_inside(confidence, "confidence", 0, 1)))
        return cls(Estimate(value, max(0.0, value - reach), value + reach), float(noise.mean()))


def expected_calibration_error(
    probability: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    n_bins: int = 10,
) -> float:
    """Mean gap between predicted and observed over bins of equal weight, as `reliability_table`.

    Noise alone keeps it above zero: a perfect model of few cancers has no ECE of 0, and the more
    bins the further from it. `expected_calibration_error_estimate` gives that floor.
    """
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    bins, _ = equal_weight_bins(probability, weight, n_bins)
    return float(np.abs(np.bincount(bins, weight * (probability - label))).sum() / weight.sum())


def expected_calibration_error_estimate(
    probability: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    n_bins: int = 10,
    confidence: float = 0.95,
) -> CalibrationError:
    """`expected_calibration_error` with its noise floor and an interval that knows of it.

    Parameters
    ----------
    probability, label, sample_weight : array-like, shape (n_exams,)
    patient_ids : array-like of str, shape (n_exams,)
    bootstrap : PatientBootstrap
    n_bins : int
    confidence : float in (0, 1)

    Notes
    -----
    The bins are those of the sample, in all replicates. The noise of a replicate is its gap in
    each bin less the gap of the sample. A bin without a cancer shows the bootstrap no noise in its
    observed risk, so the floor is slightly too low where many bins are empty.
    """
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    ids = check_patients(patient_ids, len(weight), weight)
    bins, share = equal_weight_bins(probability, weight, n_bins)
    surplus = np.zeros((len(label), len(share) + 1))  # expected less observed, by bin; then weight
    surplus[np.arange(len(label)), bins] = weight * (probability - label)
    surplus[:, -1] = weight
    gap = surplus[:, :-1].sum(axis=0) / weight.sum()
    replicates = sum_replicates(surplus, ids, bootstrap)
    noise = np.abs(replicates[:, :-1] / replicates[:, -1:] - gap).sum(axis=1)
    return CalibrationError.from_noise(float(np.abs(gap).sum()), noise, confidence)


def smooth_calibration_error(
    probability: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    bandwidth: float | None = None,
) -> float:
    """Calibration error without bins: the residuals smoothed along the probability, averaged.

    Bins move with `n_bins` and with the data; this has nothing to choose. Where predictions are
    perfectly calibrated the smoothed residuals cancel, up to noise.

    Parameters
    ----------
    probability, label, sample_weight : array-like, shape (n_exams,)
    bandwidth : float above 0, optional
        Standard deviation of the kernel, in probability. Without it the one at which the error
        equals the bandwidth, which makes the measure smECE.

    Returns
    -------
    float
        Integral over [0, 1] of the absolute value of the weighted mean of
        kernel(t, probability) x (probability - label).

    Raises
    ------
    ValueError
        If the arguments are not probabilities and labels, or the bandwidth is not above 0.

    Notes
    -----
    The Gaussian kernel is reflected at 0 and 1, so it is the heat kernel of an isolated rod: one
    cosine transform of the residuals on a grid gives the error at any bandwidth. The error falls
    with the bandwidth, so the fixed point is unique. The grid is refined to 1/16 of the bandwidth
    (at most 2^18 cells): the incidence of screening needs a far finer one than a balanced set.

    References
    ----------
    Blasiok, Nakkiran 2023, doi:10.48550/arXiv.2309.12236.

    Examples
    --------
    >>> half = [0.5, 0.5, 0.5, 0.5]
    >>> round(smooth_calibration_error(half, [0, 1, 0, 1]), 6)
    0.0
    >>> round(smooth_calibration_error(half, [0, 0, 0, 1]), 3)
    0.25
    """
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    residual = weight / weight.sum() * (probability - label)
    if bandwidth is None:
        return _fixed_point(probability, residual)
    if not 0 < bandwidth < np.inf:
        raise ValueError(f"bandwidth must be above 0 and finite, not {bandwidth}")
    waves = _waves(probability, residual, _cells(bandwidth, _CELLS_EXACT))
    return float(_smoothed_error(waves, np.array([bandwidth]))[0])


def smooth_calibration_error_estimate(
    probability: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
) -> CalibrationError:
    """`smooth_calibration_error` with its noise floor and an interval that knows of it.

    Parameters
    ----------
    probability, label, sample_weight : array-like, shape (n_exams,)
    patient_ids : array-like of str, shape (n_exams,)
    bootstrap : PatientBootstrap
    confidence : float in (0, 1)

    Notes
    -----
    The noise of a replicate is the smooth error of its residuals less those of the sample. The
    triangle inequality of `CalibrationError` holds for the fixed point too: at the sum of the
    bandwidths of two sets of residuals the error of their sum is at most that sum. Single
    precision and a coarser grid make the replicates right to about 1%.
    """
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    ids = check_patients(patient_ids, len(weight), weight)
    residual = weight / weight.sum() * (probability - label)
    value = _fixed_point(probability, residual)
    columns = bootstrap.columns(ids)
    scale = weight.sum() / sum_replicates(weight, ids, bootstrap)
    first = residual * (bootstrap.counts[0, columns] * scale[0] - 1)  # its noise is like the rest's
    n_cells = min(_cells(_fixed_point(probability, first), _CELLS_REPLICATE), _FINEST_REPLICATE)
    left, share = _place(probability, n_cells)
    entries = np.concatenate([residual * (1 - share), residual * share])
    where = np.concatenate([columns, columns]), np.concatenate([left, left + 1])
    by_patient = csr_array((entries, where), shape=(len(bootstrap.patient_ids), n_cells))
    noise = np.empty(bootstrap.n_replicates)
    rows = max(1, _BLOCK_CELLS // n_cells)
    for start in range(0, len(noise), rows):
        block = slice(start, start + rows)
        drawn = bootstrap.counts[block] * scale[block, None] - 1
        waves = dct((by_patient.T @ drawn.T).T.astype(np.float32), norm="ortho", axis=1)
        noise[block] = _bisect(waves)
    return CalibrationError.from_noise(value, noise, confidence)


def _fixed_point(probability: NDArray[np.float64], residual: NDArray[np.float64]) -> float:
    """Bandwidth equal to the smooth error at it, on a grid fine enough."""
    n_cells = _FIRST_GRID
    while True:
        waves = _waves(probability, residual, n_cells)

        def excess(width: float, waves: NDArray[np.float64] = waves) -> float:
            return _smoothed_error(waves, np.array([width]))[0] - width

        unsmoothed = excess(0.0)
        # residuals that cancel to rounding have no bandwidth to look for
        width = brentq(excess, 0.0, unsmoothed, xtol=1e-12) if unsmoothed > 1e-12 else 0.0
        needed = _cells(width, _CELLS_EXACT)
        if needed <= n_cells:
            return float(width)
        n_cells = needed


def _bisect(waves: NDArray[np.float32]) -> NDArray[np.float32]:
    """As `_fixed_point` for each row of waves, to a thousandth of the middle row's bandwidth."""
    low = np.zeros(len(waves), dtype=np.float32)
    high = _smoothed_error(waves, low)
    for _ in range(14):
        middle = (low + high) / 2
        above = _smoothed_error(waves, middle) > middle
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2


def _smoothed_error(waves: NDArray, width: NDArray) -> NDArray:
    """Sum of absolute smoothed residuals; waves (..., n_cells), width of the leading shape."""
    frequency = np.arange(waves.shape[-1], dtype=waves.dtype) * waves.dtype.type(np.pi)
    damped = waves * np.exp(-0.5 * (frequency * width[..., None]) ** 2)
    return np.abs(idct(damped, norm="ortho", axis=-1)).sum(axis=-1)


def _waves(
    probability: NDArray[np.float64], residual: NDArray[np.float64], n_cells: int
) -> NDArray[np.float64]:
    """Cosine transform of the residuals put on the grid, shape (1, n_cells)."""
    left, share = _place(probability, n_cells)
    grid = np.bincount(left, residual * (1 - share), n_cells)
    grid += np.bincount(left + 1, residual * share, n_cells)
    return dct(grid[None, :], norm="ortho", axis=1)


def _place(
    probability: NDArray[np.float64], n_cells: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Cell whose centre lies at or below each probability, and the share that the next one takes.

    The mean position is kept, except within half a cell of 0 and 1.
    """
    position = np.clip(probability * n_cells - 0.5, 0, n_cells - 1)
    left = np.minimum(position.astype(np.intp), n_cells - 2)
    return left, position - left


def _cells(width: float, cells_a_width: int) -> int:
    """Smallest power of two of cells that puts so many in a bandwidth, within the limits."""
    wanted = np.ceil(np.log2(cells_a_width / max(width, cells_a_width / _FINEST_GRID)))
    return int(max(_FIRST_GRID, 2.0**wanted))
