"""How well one column alone tells the label, with its interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.delong import auc_covariance

PRIOR_ROWS = 1.0  # of the average, added to each level: one row must not say all (assumption)


def alone_auc(
    label: ArrayLike,
    level: ArrayLike,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike,
    n_folds: int = 5,
    confidence: float = 0.95,
) -> Estimate:
    """Cross-validated AUC of a column of categories, with a normal interval over patients.

    Each row is scored by the share of positives among the other folds' rows of its level.

    Parameters
    ----------
    label : array-like of bool, shape (n,)
    level : array-like of str, shape (n,)
    patient_ids : array-like of str, shape (n,)
        Patients are dealt to folds whole, as `pitfalls.guards.metadata_auc` deals them by the same
        generator.
    rng : numpy Generator
    sample_weight : array-like of float, shape (n,)

    Returns
    -------
    Estimate
        Mean of the folds' AUCs by their weight of pairs; NaN limits where no fold can tell.

    References
    ----------
    LeDell, Petersen, van der Laan 2015, doi:10.1214/15-EJS1035: the variance of a cross-validated
    AUC is that of its folds, each with its model taken as given.
    """
    label, weight = np.asarray(label, dtype=bool), np.asarray(sample_weight, dtype=float)
    codes = np.unique(np.asarray(level, dtype=object).astype(str), return_inverse=True)[1]
    patient = np.asarray(patient_ids)
    distinct, own = np.unique(patient, return_inverse=True)
    fold = (rng.permutation(len(distinct)) % n_folds)[own]
    values, variances, pairs = [], [], []
    for k in range(n_folds):
        out = fold == k
        n_pairs = weight[out & label].sum() * weight[out & ~label].sum()
        if not n_pairs or not weight[~out].sum():
            continue
        total = np.bincount(codes[~out], weight[~out], codes.max() + 1)
        positive = np.bincount(codes[~out], weight[~out] * label[~out], codes.max() + 1)
        average = positive.sum() / total.sum()
        share = (positive + PRIOR_ROWS * average) / (total + PRIOR_ROWS)
        try:
            fit = auc_covariance(share[codes[out]], label[out], weight[out], patient[out])
        except ValueError:  # one patient of a class: no spread can be told
            continue
        values.append(fit.auc[0])
        variances.append(fit.covariance[0, 0])
        pairs.append(n_pairs)
    if not pairs:
        return Estimate(float("nan"), float("nan"), float("nan"))
    by = np.array(pairs) / np.sum(pairs)
    value, error = float(by @ values), float(np.sqrt(by**2 @ variances))
    half = float(norm.ppf(0.5 + confidence / 2)) * error
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0))
