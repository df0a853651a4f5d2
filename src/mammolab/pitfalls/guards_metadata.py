"""Guard on what scanner, year and site tell of the label without a look at a pixel."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_flag, check_patient_ids, check_weight
from mammolab.pitfalls._cross_validation import patient_folds
from mammolab.pitfalls._exams import MAX_LEVELS
from mammolab.pitfalls._permutation import rows_of_others
from mammolab.pitfalls.verdict import GuardVerdict

METADATA = ("device", "exam_year", "site")
# Knowing the scanner must not tell more than knowing the woman: the Gail model's AUC is 0.60.
METADATA_TOLERANCE = 0.60
_CONVERGED, _MOST_STEPS = 1e-10, 100  # slope of the loss against the weight of all exams


def metadata_auc(
    frame: pd.DataFrame,
    label_column: str,
    metadata_columns: tuple[str, ...],
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    tolerance: float = METADATA_TOLERANCE,
    n_permutations: int = 100,
    n_folds: int = 5,
) -> GuardVerdict:
    """Ask how well scanner, year and site alone tell the label, without looking at a pixel.

    Whatever they tell, a network can learn from the image's looks and be praised for.

    Parameters
    ----------
    frame : DataFrame, n rows
        One row an exam.
    label_column : str
        Bool, or 0 and 1; both must occur.
    metadata_columns : tuple of str
        Taken as categories; a missing value is a category too, for missingness can tell.
    patient_ids : array-like of str, shape (n,)
        Folds and permutations keep a patient's exams together.
    rng : numpy Generator
        Deals patients to folds and permutes them.
    sample_weight : array-like of float, shape (n,), optional
    tolerance : float
        An AUC up to this is never fired on, however surely it is above one half.
    n_permutations : int
        Permutations that tell what chance alone gives.
    n_folds : int

    Returns
    -------
    GuardVerdict
        statistic: cross-validated AUC; limit: `tolerance`, or, for a statistic above it, the 99th
        percentile of the same AUC with the patients permuted, if that is larger. Fires above the
        limit.

    Raises
    ------
    InputError
        If a column is missing or has more than 100 levels, the label does not have both values,
        or there are fewer patients than folds.

    Notes
    -----
    The model is a logistic regression on one indicator a level, with a standard normal prior on each
    and the classes of equal weight. Its AUC counts pairs of exams in
    the same fold only: over folds, a fold with more cancers is predicted by a model trained with
    fewer, which pushes a pooled AUC of pure noise below one half. Permuting gives a patient's labels
    and weights, as they are, the metadata of another patient: exams of one woman share scanner and
    outcome, so that as many exams taken singly would tell less by chance.

    References
    ----------
    Zech et al. 2018, doi:10.1371/journal.pmed.1002683 (the site alone: AUC .861)
    """
    label, cells, design = _metadata_cells(frame, label_column, metadata_columns)
    weight = check_weight(sample_weight, len(frame))
    folds = patient_folds(patient_ids, len(frame), n_folds, rng)
    statistic = _cross_validated_auc(label, weight, cells, folds, design, n_folds)
    limit = tolerance
    if statistic > tolerance:
        patient = np.unique(check_patient_ids(patient_ids, len(label)), return_inverse=True)[1]
        chance = [
            _cross_validated_auc(label, weight, cells[rows], folds, design, n_folds)
            for rows in rows_of_others(patient, n_permutations, rng)
        ]
        limit = max(tolerance, float(np.quantile(chance, 0.99)))
    fired = bool(statistic > limit)
    names = ", ".join(metadata_columns)
    finding = (
        "the classes were not collected alike: match or reweight them, or report within levels"
        if fired
        else "no more than the limit"
    )
    message = (
        f"{names} alone tell {label_column} with an AUC of {statistic:.2f} "
        f"(limit {limit:.2f}): {finding}."
    )
    return GuardVerdict("metadata_auc", float(statistic), limit, fired, message)


def _metadata_cells(
    frame: pd.DataFrame, label_column: str, metadata_columns: tuple[str, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.intp], NDArray[np.float64]]:
    """Return the label, each exam's cell and each cell's indicators (n_cells, n_levels).

    Exams with the same metadata are one cell: everything below works on a few dozen of them.
    """
    absent = [name for name in (label_column, *metadata_columns) if name not in frame]
    if absent or not metadata_columns:
        raise InputError(
            f"The metadata guard needs column {', '.join(absent) or 'names'}, which the table "
            f"lacks; it has {', '.join(map(str, frame.columns))}."
        )
    label = check_flag(frame[label_column].to_numpy(), label_column)
    if label.all() or not label.any():
        raise InputError(f"All {len(label)} exams have the same {label_column}: nothing to tell.")
    levels = frame[list(metadata_columns)].astype(object)
    levels = levels.where(levels.notna(), "missing").astype(str)
    for name in metadata_columns:
        if levels[name].nunique() > MAX_LEVELS:
            raise InputError(
                f"{name} has {levels[name].nunique()} different values, over {MAX_LEVELS}: group "
                "them into categories first."
            )
    cells = levels.groupby(list(metadata_columns)).ngroup().to_numpy()
    first_exam = np.unique(cells, return_index=True)[1]
    design = pd.get_dummies(levels.iloc[first_exam]).to_numpy(float)
    return label, cells, design


def _cross_validated_auc(
    label: NDArray[np.bool_],
    weight: NDArray[np.float64],
    cells: NDArray[np.intp],
    folds: NDArray[np.intp],
    design: NDArray[np.float64],
    n_folds: int,
) -> float:
    """AUC over pairs of exams of the same fold, scored by a model fitted to the other folds."""
    shape = (n_folds, 2, len(design))
    flat = np.ravel_multi_index((folds, label.astype(int), cells), shape)
    mass = np.bincount(flat, weight, np.prod(shape)).reshape(shape)  # (fold, label, cell)
    train = mass.sum(axis=0) - mass
    n_pairs = mass.sum(axis=2).prod(axis=1)
    usable = (n_pairs > 0) & (train.sum(axis=2) > 0).all(axis=1)
    if not usable.any():
        return 0.5
    train = train[usable]
    # Classes of equal weight: a rare one would otherwise be ruled by the prior.
    balanced = train / train.sum(axis=2, keepdims=True) * label.sum()
    scores = cell_scores(design, balanced[:, 1], balanced[:, 0])
    won = 0.0
    for score, (negative, positive) in zip(scores, mass[usable], strict=True):
        wins = (score[:, None] > score) + 0.5 * (score[:, None] == score)
        won += positive @ wins @ negative
    return float(won / n_pairs[usable].sum())


def cell_scores(
    design: NDArray[np.float64], positive: NDArray[np.float64], negative: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log odds of each cell by logistic regression, for several samples of the cells at once.

    Parameters
    ----------
    design : array of float, shape (n_cells, n_levels)
        The intercept is added, and has no prior.
    positive, negative : array of float, shape (n_samples, n_cells)
        Weight of the exams of each class; both classes must weigh something in every sample.

    Returns
    -------
    array of float, shape (n_samples, n_cells)
        Rounded, so that cells of which nothing is known stay tied.

    Notes
    -----
    Newton's method, a step halved until the loss does not rise. A hundred permutations of five folds
    would spend most of their time in the checks of a general solver.
    """
    columns = np.column_stack([np.ones(len(design)), design])
    prior = np.ones(columns.shape[1])
    prior[0] = 0.0
    total = positive + negative

    def loss(beta: NDArray[np.float64]) -> NDArray[np.float64]:
        linear = beta @ columns.T
        misfit = (total * np.logaddexp(0, linear) - positive * linear).sum(axis=1)
        return misfit + (prior * beta**2).sum(axis=1) / 2

    beta = np.zeros((len(total), columns.shape[1]))
    now = loss(beta)
    for _ in range(_MOST_STEPS):
        p = expit(beta @ columns.T)
        slope = (total * p - positive) @ columns + prior * beta
        if (np.abs(slope).max(axis=1) <= _CONVERGED * total.sum(axis=1)).all():
            break
        spread = (total * p * (1 - p))[:, None, :]
        curvature = (columns.T * spread) @ columns + np.diag(prior)
        step = np.linalg.solve(curvature, slope[:, :, None])[:, :, 0]
        before = now
        while ((now := loss(beta - step)) > before + 1e-12 * np.abs(before)).any():
            step[now > before] /= 2
        beta = beta - step
    return np.round(beta @ columns.T, 10)
