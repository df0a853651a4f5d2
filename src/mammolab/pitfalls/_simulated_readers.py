"""Readers simulated by signal detection, and what a study reports of them.

A reading is the case's conspicuity plus noise, and is recalled above the reader's criterion. Half of
the variance is the case's own, shared by readers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.mrmc import reader_mean
from mammolab.evaluate.rates import proportion_estimate
from mammolab.evaluate.readers import share_covariance

READER_SPREAD = 0.25  # standard deviation of d' among readers (assumption)
CASE_SHARE = 0.5  # of the variance of a reading (assumption)


def talents(n_readers: int) -> NDArray[np.float64]:
    """How far each reader's d' is from the mean: even quantiles, so that no panel is a lucky one."""
    return READER_SPREAD * norm.ppf((np.arange(n_readers) + 0.5) / n_readers)


def readings(
    rng: np.random.Generator, label: NDArray[np.bool_], d_prime: NDArray[np.float64], shared: bool
) -> NDArray[np.float64]:
    """Readings, shape (n_exams, n_readers), of unit variance; `shared`: all read the same exams."""
    shape = (len(label), len(d_prime))
    case = rng.standard_normal((len(label), 1) if shared else shape)
    noise = rng.standard_normal(shape)
    return label[:, None] * d_prime + np.sqrt(CASE_SHARE) * case + np.sqrt(1 - CASE_SHARE) * noise


def share_beaten(recall: NDArray[np.bool_], label: NDArray[np.bool_], d_system: float) -> Estimate:
    """Share of readers whose point lies below the system's curve, the exact interval with it.

    Half a reading is added to either side, so that a reader without a miss has a d' (Hautus 1995,
    doi:10.3758/BF03203619).
    """
    hits, alarms = (
        norm.ppf((recall[rows].sum(axis=0) + 0.5) / (rows.sum() + 1)) for rows in (label, ~label)
    )
    return proportion_estimate(int((hits - alarms < d_system).sum()), recall.shape[1])


def mean_sensitivity(recall: NDArray[np.bool_]) -> Estimate:
    """Mean over readers of the recalls of cancers, (n_cancers, n_readers); both are random."""
    fit = share_covariance(recall, np.ones_like(recall))
    mean = reader_mean(fit.share, fit.covariance)
    return Estimate(mean.value, max(mean.low, 0.0), min(mean.high, 1.0))
