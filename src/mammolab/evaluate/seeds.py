"""Means over training seeds, with intervals that count both the women and the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from mammolab.evaluate.checks import Estimate


@dataclass(frozen=True)
class SeedSpread:
    """How much a metric moves with the seed alone.

    Attributes
    ----------
    variance : float
        Of the metric of one training.
    degrees : float
        Degrees of freedom behind it; 0 when no way of training was repeated.
    """

    variance: float
    degrees: float


def seed_spread(values: Sequence[ArrayLike]) -> SeedSpread:
    """Pool the variance between seeds over ways of training.

    Two or three seeds tell little of their spread; those of twenty ways of training together do, if
    the seed moves all of them about alike, which is assumed.

    Parameters
    ----------
    values : sequence of array-like of float, shape (n_seeds,)
        The metric of each seed, one array a way of training.
    """
    groups = [np.asarray(one, float) for one in values]
    degrees = sum(len(one) - 1 for one in groups)
    squares = sum(float(((one - one.mean()) ** 2).sum()) for one in groups)
    return SeedSpread(squares / degrees if degrees else 0.0, degrees)


def spread_of_difference(first: SeedSpread, second: SeedSpread) -> SeedSpread:
    """Spread of the difference between two trainings whose seeds are independent.

    Parameters
    ----------
    first, second : SeedSpread
        Of one training of either way; the same object where both were pooled.

    Returns
    -------
    SeedSpread
        The variances add; degrees of freedom by Satterthwaite where they were estimated apart.
    """
    variance = first.variance + second.variance
    if first is second or variance == 0:
        return SeedSpread(variance, first.degrees)
    parts = [one.variance**2 / one.degrees for one in (first, second) if one.variance > 0]
    return SeedSpread(variance, variance**2 / sum(parts))


def mean_over_seeds(
    values: ArrayLike,
    replicates: ArrayLike,
    spread: SeedSpread,
    n_trainings: int = 1,
    confidence: float = 0.95,
) -> Estimate:
    """Mean of a metric over trainings that differ in their seed alone.

    Another study would have other women and other seeds, so both make the interval.

    Parameters
    ----------
    values : array-like of float, shape (n_seeds,)
        The metric of each seed, or of each seed the difference between two ways of training.
    replicates : array-like of float, shape (n_seeds, n_replicates)
        The same in each bootstrap replicate of the patients; replicate k holds the same women in
        every row.
    spread : SeedSpread
        Of the metric of one training.
    n_trainings : int
        Trainings behind each value: 2 for a difference, whose seeds are taken as independent.
    confidence : float

    Returns
    -------
    Estimate
        Where `spread` has no degrees of freedom the interval counts the women alone.

    Raises
    ------
    ValueError
        If the shapes do not fit, or fewer than two replicates are finite.

    Notes
    -----
    Degrees of freedom by Satterthwaite, with the women's variance taken as known.

    References
    ----------
    Satterthwaite 1946, doi:10.2307/3002019.
    """
    values, replicates = np.asarray(values, float), np.asarray(replicates, float)
    if values.ndim != 1 or replicates.ndim != 2 or len(values) != len(replicates):
        raise ValueError(
            f"values {values.shape} and replicates {replicates.shape} must be (n_seeds,) and "
            "(n_seeds, n_replicates)"
        )
    means = replicates.mean(axis=0)
    means = means[np.isfinite(means)]
    if len(means) < 2:
        raise ValueError(f"{len(means)} of {replicates.shape[1]} replicates are finite; 2 needed")
    of_women = means.var(ddof=1)
    of_seeds = n_trainings * spread.variance / len(values)
    total = of_women + of_seeds
    degrees = spread.degrees * total**2 / of_seeds**2 if of_seeds > 0 else np.inf
    half = float(stats.t.ppf((1 + confidence) / 2, degrees) * np.sqrt(total))
    mean = float(values.mean())
    return Estimate(mean, mean - half, mean + half)
