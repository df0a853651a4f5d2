"""Absolute risk between two ages from yearly hazards, with death of other causes competing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FIRST_AGE, LAST_AGE = 20, 90  # rates are tabulated for ages 20 to 89
BAND_YEARS = 5

Hazards = Callable[[NDArray], tuple[NDArray[np.float64], NDArray[np.float64]]]


def band_of_age(age_years: NDArray, n_bands: int) -> NDArray[np.intp]:
    """Return the number of the band of five years of age from 20; the ends hold what is outside."""
    return np.clip((age_years - FIRST_AGE) // BAND_YEARS, 0, n_bands - 1).astype(int)


def project_risk(
    age_from_years: NDArray[np.float64], age_to_years: NDArray[np.float64], hazards_at: Hazards
) -> NDArray[np.float64]:
    """Add up risk year by year of age, within which the hazards are constant.

    Parameters
    ----------
    age_from_years, age_to_years : array of float, shape (n,)
    hazards_at : callable
        Whole age in years, shape (n,) -> hazard of cancer and of other death, per woman-year.

    Returns
    -------
    array of float, shape (n,)
        Probability of cancer between the two ages.

    References
    ----------
    Gail et al. 1989, doi:10.1093/jnci/81.24.1879, equation 6
    """
    risk = np.zeros(len(age_from_years))
    cumulative = np.zeros(len(age_from_years))
    first_year = np.floor(age_from_years)
    for offset in range(int(np.ceil((age_to_years - first_year).max(initial=0.0)))):
        year = first_year + offset
        length = np.minimum(age_to_years, year + 1) - np.maximum(age_from_years, year)
        length = np.clip(length, 0.0, None)
        hazard, other = hazards_at(year)
        total = hazard + other
        risk -= hazard / total * np.exp(-cumulative) * np.expm1(-total * length)
        cumulative += total * length
    return risk
