"""Shares of few rows or patients: their effective number, and what chance would give."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_patient_ids, check_weight, effective_number
from mammolab.pitfalls._exams import told


def effective_among(
    among: NDArray[np.bool_],
    sample_weight: ArrayLike | None,
    patient_ids: ArrayLike | None,
    kind: str,
) -> tuple[float, NDArray[np.float64]]:
    """Kish's effective number of patients (or rows) `among`, and their rows' weights."""
    with told():
        weight = check_weight(sample_weight, len(among))[among]
        ids = np.arange(len(among))
        if patient_ids is not None:
            ids = check_patient_ids(patient_ids, len(among))
    if not weight.any():
        raise InputError(f"The table holds no {kind} of weight above 0 among {len(among)} rows.")
    patient = np.unique(ids[among], return_inverse=True)[1]
    return effective_number(np.bincount(patient, weight)), weight


def as_few(share: float, n_effective: float, truth: float) -> float:
    """Binomial probability of so small a share or a smaller one; counts rounded to doubt."""
    return float(binom.cdf(np.ceil(share * n_effective - 1e-9), int(n_effective), truth))


def as_many(share: float, n_effective: float, truth: float) -> float:
    """Binomial probability of so large a share or a larger one; counts rounded to doubt."""
    return float(binom.sf(np.floor(share * n_effective + 1e-9) - 1, int(n_effective), truth))
