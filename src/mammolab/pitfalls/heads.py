"""Many cheap models at once: linear heads on frozen features, as runs and as epochs of a run.

A head is trained in a millisecond where a network takes minutes, and fifty heads disagree as fifty
runs of a network do: each sees other women, and other features, or stops at another epoch.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_flag, patient_codes

COLUMNS = ("split", "cancer_within_1y", "patient_id")
# Of the least squares on standardised features with each class summing to 1 (assumption).
RIDGE = 0.1


def head_runs(
    features: ArrayLike,
    exams: pd.DataFrame,
    n_runs: int,
    rng: np.random.Generator,
    feature_share: float = 0.25,
) -> NDArray[np.float64]:
    """Scores of models that differ by chance alone, as seeds and small choices make them differ.

    Parameters
    ----------
    features : array-like of float, shape (n_exams, k)
        Frozen features of each exam.
    exams : DataFrame, n_exams rows in the same order
        split, cancer_within_1y (bool), patient_id. The heads are trained on split "train".
    n_runs : int
    rng : numpy Generator
        It is copied. A run's draws do not depend on the number of runs.
    feature_share : float in (0, 1]
        Share of the features that a run sees.

    Returns
    -------
    array of float, shape (n_exams, n_runs)
        Higher is more suspicious.

    Raises
    ------
    InputError
        If a column is missing, the rows do not match, a feature is not finite, or the training
        exams lack a class.

    Notes
    -----
    A run is a linear discriminant: ridge regression of the class on a random part of the features,
    over a bootstrap sample of the training women, with equal weight to both classes.
    """
    design, label, ids = _prepared(features, exams)
    if n_runs < 1 or not 0 < feature_share <= 1:
        raise InputError(
            f"n_runs must be at least 1 and feature_share in (0, 1], not {n_runs}, {feature_share}."
        )
    trained = (exams["split"] == "train").to_numpy()
    codes, n_women = patient_codes(ids[trained])
    n_seen = max(1, round(feature_share * design.shape[1]))
    rng = deepcopy(rng)
    scores = np.empty((len(design), n_runs))
    for run in range(n_runs):
        seen = rng.permutation(design.shape[1])[:n_seen]
        weight = np.bincount(rng.integers(0, n_women, n_women), minlength=n_women)[codes]
        direction = _discriminant(design[trained][:, seen], label[trained], weight)
        scores[:, run] = design[:, seen] @ direction
    return scores


def head_epochs(
    features: ArrayLike,
    exams: pd.DataFrame,
    n_epochs: int,
    rng: np.random.Generator,
    steps_per_epoch: int = 50,
    batch_size: int = 16,
    learning_rate: float = 0.1,
) -> NDArray[np.float64]:
    """Scores of one model after each of its epochs, as they wander about in small batches.

    Parameters
    ----------
    features, exams
        As for `head_runs`.
    n_epochs : int
    rng : numpy Generator
        It is copied.
    steps_per_epoch, batch_size : int
        Gradient steps, and exams behind each, half of them with cancer.
    learning_rate : float

    Returns
    -------
    array of float, shape (n_exams, n_epochs)
        Logits in balanced batches; higher is more suspicious.

    Raises
    ------
    InputError
        As for `head_runs`.

    Notes
    -----
    Logistic regression by plain stochastic gradient descent at a constant rate.
    """
    design, label, _ = _prepared(features, exams)
    if min(n_epochs, steps_per_epoch, batch_size // 2) < 1:
        raise InputError(
            "n_epochs and steps_per_epoch must be at least 1 and batch_size 2, not "
            f"{n_epochs}, {steps_per_epoch} and {batch_size}."
        )
    trained = (exams["split"] == "train").to_numpy()
    classes = [np.flatnonzero(trained & (label == truth)) for truth in (True, False)]
    target = np.repeat([1.0, 0.0], batch_size // 2)
    rng = deepcopy(rng)
    weights, intercept = np.zeros(design.shape[1]), 0.0
    scores = np.empty((len(design), n_epochs))
    for epoch in range(n_epochs):
        for _ in range(steps_per_epoch):
            batch = np.concatenate([rng.choice(rows, batch_size // 2) for rows in classes])
            residual = expit(design[batch] @ weights + intercept) - target
            weights -= learning_rate * residual @ design[batch] / len(target)
            intercept -= learning_rate * residual.mean()
        scores[:, epoch] = design @ weights + intercept
    return scores


def _prepared(
    features: ArrayLike, exams: pd.DataFrame
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray]:
    """Features standardised by the training exams, label and patient of each exam."""
    if missing := [column for column in COLUMNS if column not in exams]:
        raise InputError(
            f"the exams lack the column(s) {', '.join(missing)}; they need {', '.join(COLUMNS)}."
        )
    values = np.asarray(features, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(exams) or not values.shape[1]:
        raise InputError(
            f"features must have one row an exam, shape ({len(exams)}, k), not {values.shape}."
        )
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(wrong):
        raise InputError(
            f"{len(wrong)} exams have a feature that is not finite, first: {wrong[0]}."
        )
    label = check_flag(exams["cancer_within_1y"], "cancer_within_1y")
    trained = (exams["split"] == "train").to_numpy()
    cancers = int(label[trained].sum())
    if not 0 < cancers < trained.sum():
        raise InputError(
            f"the {trained.sum()} training exams hold {cancers} followed by cancer; heads need "
            "exams with and without."
        )
    spread = values[trained].std(axis=0)
    centred = values - values[trained].mean(axis=0)
    return centred / np.where(spread > 1e-9, spread, 1.0), label, exams["patient_id"].to_numpy()


def _discriminant(
    design: NDArray[np.float64], label: NDArray[np.bool_], weight: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Direction between the classes, each of total weight 1; 0 where a class was not drawn."""
    total = np.where(label, weight[label].sum(), weight[~label].sum())
    share = np.divide(weight, total, out=np.zeros(len(weight)), where=total > 0)
    column = np.column_stack([design, np.ones(len(design))])
    gram = column.T @ (column * share[:, None])
    gram[np.diag_indices(design.shape[1])] += RIDGE
    gram[-1, -1] += 1e-9
    return np.linalg.solve(gram, column.T @ (share * np.where(label, 1.0, -1.0)))[:-1]
