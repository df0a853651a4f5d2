"""Cross-validation with patients kept whole, and how well a linear probe on features does in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_patient_ids

N_FOLDS = 5
# Share of the features' variance added to it: keeps fifty features of a hundred exams from
# fitting noise (assumption).
RIDGE = 0.1
MAX_COMPONENTS = 50  # the probe sees so many principal components (assumption)


def patient_folds(
    patient_ids: ArrayLike, n_rows: int, n_folds: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Deal patients to folds; return the fold of each row.

    Raises
    ------
    InputError
        If there are fewer patients than folds.
    """
    ids = check_patient_ids(np.asarray(patient_ids), n_rows)
    distinct, own = np.unique(ids, return_inverse=True)
    if len(distinct) < n_folds:
        raise InputError(f"{len(distinct)} patients cannot be dealt to {n_folds} folds.")
    return (rng.permutation(len(distinct)) % n_folds)[own]


def principal_components(features: NDArray, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standardise features and turn them to at most `MAX_COMPONENTS` axes of unit variance.

    No label is looked at, so that all rows may take part.
    """
    share = weight / weight.sum()
    centred = features - share @ features
    spread = np.sqrt(share @ centred**2)
    varies = spread > 1e-9 * (1 + np.abs(features).max(initial=0.0))
    scaled = centred[:, varies] / spread[varies]
    variance, axes = np.linalg.eigh(scaled.T @ (scaled * share[:, None]))
    kept = np.flatnonzero(variance > 1e-9)[::-1][:MAX_COMPONENTS]
    return scaled @ axes[:, kept] / np.sqrt(variance[kept])


def probe_aucs(
    components: NDArray[np.float64],
    target: NDArray[np.bool_],
    stratum: NDArray[np.intp],
    folds: NDArray[np.intp],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Cross-validated AUC of a linear probe for each of m targets.

    Parameters
    ----------
    components : array of float, shape (n, k)
    target : array of bool, shape (n, m)
    stratum : array of int, shape (n,)
        Only rows of one stratum (and one fold) are compared, so that what tells the stratum alone
        is worth nothing.
    folds : array of int, shape (n,)
    weight : array of float, shape (n,)

    Returns
    -------
    array of float, shape (m,)
        One half where no fold holds a pair.

    Notes
    -----
    Least squares with a ridge, which for two classes points where Fisher's discriminant does.
    """
    won, pairs = np.zeros((2, target.shape[1]))
    y = target.astype(float)
    for fold in np.unique(folds):
        out = folds == fold
        x, w = components[~out], weight[~out, None]
        mean_x, mean_y = (w * x).sum(axis=0) / w.sum(), (w * y[~out]).sum(axis=0) / w.sum()
        centred = x - mean_x
        gram = centred.T @ (w * centred) + RIDGE * w.sum() * np.eye(x.shape[1])
        beta = np.linalg.solve(gram, centred.T @ (w * (y[~out] - mean_y)))
        # rounded, so that equal exams stay tied
        score = np.round((components[out] - mean_x) @ beta, 10)
        for level in np.unique(stratum[out]):
            rows = stratum[out] == level
            inside, total = _won_pairs(score[rows], y[out][rows], weight[out][rows])
            won += inside
            pairs += total
    return np.divide(won, pairs, out=np.full(len(won), 0.5), where=pairs > 0)


def _won_pairs(
    score: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight of rightly ordered pairs and of all pairs, a column each, shapes (m,)."""
    positive, negative = y * weight[:, None], (1 - y) * weight[:, None]

    def won(order: NDArray[np.intp]) -> NDArray[np.float64]:
        below = np.cumsum(np.take_along_axis(negative, order, 0), axis=0)
        return (np.take_along_axis(positive, order, 0) * below).sum(axis=0)

    order = np.argsort(score, axis=0, kind="stable")
    right = won(order)
    if (np.diff(np.take_along_axis(score, order, 0), axis=0) == 0).any():
        # Ties fall one way from the front and the other way from the back: their mean is a half.
        last = len(score) - 1
        right = (right + won(last - np.argsort(score[::-1], axis=0, kind="stable"))) / 2
    return right, positive.sum(axis=0) * negative.sum(axis=0)
