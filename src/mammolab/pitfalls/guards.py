"""Guards on how a data set was put together; each returns a verdict with its number and limit."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from statsmodels.stats.proportion import proportion_confint

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_flag, check_weight
from mammolab.pitfalls._cross_validation import patient_folds
from mammolab.pitfalls._exams import MAX_LEVELS
from mammolab.pitfalls.verdict import GuardVerdict

METADATA = ("device", "exam_year", "site")
# Knowing the scanner must not tell more than knowing the woman: the Gail model's AUC is 0.60.
METADATA_TOLERANCE = 0.60
# A set with over twice, or under half, the population's cancers is no screening population
# (assumption).
PREVALENCE_RATIO = 2.0


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
        The folds keep a patient's exams together.
    rng : numpy Generator
        Deals patients to folds and permutes labels.
    sample_weight : array-like of float, shape (n,), optional
    tolerance : float
        An AUC up to this is never fired on, however surely it is above one half.
    n_permutations : int
        Permutations that tell what chance alone gives.
    n_folds : int

    Returns
    -------
    GuardVerdict
        statistic: cross-validated AUC; limit: the larger of `tolerance` and the 99th percentile of
        the same AUC with the labels permuted. Fires above the limit.

    Raises
    ------
    InputError
        If a column is missing or has more than 100 levels, the label does not have both values,
        or there are fewer patients than folds.

    Notes
    -----
    The model is a logistic regression on one indicator a level. Its AUC counts pairs of exams in
    the same fold only: over folds, a fold with more cancers is predicted by a model trained with
    fewer, which pushes a pooled AUC of pure noise below one half. Permuting moves label and weight
    together.

    References
    ----------
    Zech et al. 2018, doi:10.1371/journal.pmed.1002683 (the site alone: AUC .861)
    """
    label, cells, design = _metadata_cells(frame, label_column, metadata_columns)
    weight = check_weight(sample_weight, len(frame))
    folds = patient_folds(patient_ids, len(frame), n_folds, rng)
    statistic = _cross_validated_auc(label, weight, cells, folds, design, n_folds)
    chance = []
    for _ in range(n_permutations):
        order = rng.permutation(len(label))
        chance.append(
            _cross_validated_auc(label[order], weight[order], cells, folds, design, n_folds)
        )
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


def prevalence_guard(
    label: ArrayLike,
    population_prevalence: float,
    sample_weight: ArrayLike | None = None,
    ratio: float = PREVALENCE_RATIO,
) -> GuardVerdict:
    """Ask whether cancer is as frequent in the set as in the population it is to stand for.

    Predictive values, calibration, thresholds on a rate, and readers' behaviour do not carry over
    from a set with another prevalence.

    Parameters
    ----------
    label : array-like of bool, shape (n,)
    population_prevalence : float
        In (0, 1).
    sample_weight : array-like of float, shape (n,), optional
        If metrics on the set use weights, give them: the weighted prevalence is what counts.
    ratio : float
        Above 1. It fires when the prevalence is more than this factor from the population's, and
        surely so: the whole 95% interval lies on that side of the population's prevalence.

    Returns
    -------
    GuardVerdict
        statistic: prevalence in the set; limit: the population's prevalence times (or, for a set
        with too few cancers, over) the ratio.

    Raises
    ------
    InputError
        If the population's prevalence is not in (0, 1) or the ratio not above 1.

    Notes
    -----
    The interval is Wilson's on Kish's effective number of exams, (sum w)^2 / sum w^2.
    """
    if not 0 < population_prevalence < 1 or not ratio > 1:
        raise InputError(
            "The population's prevalence must lie between 0 and 1 and the ratio above 1; they are "
            f"{population_prevalence} and {ratio}."
        )
    label = check_flag(label, "label")
    weight = check_weight(sample_weight, len(label))
    prevalence = float(weight @ label / weight.sum())
    n_effective = weight.sum() ** 2 / (weight**2).sum()
    low, high = proportion_confint(prevalence * n_effective, n_effective, method="wilson")
    if prevalence >= population_prevalence:
        limit = population_prevalence * ratio
        fired = prevalence > limit and low > population_prevalence
    else:
        limit = population_prevalence / ratio
        fired = prevalence < limit and high < population_prevalence
    finding = (
        "predictive values, calibration and thresholds do not carry over"
        if fired
        else f"within a factor of {ratio:g}, or too few exams to tell"
    )
    message = (
        f"{1000 * prevalence:.1f} of 1,000 exams in the set have cancer, "
        f"{1000 * population_prevalence:.1f} in the population: {finding}."
    )
    return GuardVerdict("prevalence", prevalence, float(limit), bool(fired), message)


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
    both_labels = np.concatenate([design, design])
    cell_label = np.repeat([0, 1], len(design))
    won = pairs = 0.0
    for fold in range(n_folds):
        negative, positive = mass[fold]
        train = mass.sum(axis=0) - mass[fold]
        n_pairs = positive.sum() * negative.sum()
        if n_pairs == 0 or train[1].sum() == 0 or train[0].sum() == 0:
            continue
        # Classes of equal weight: a rare one would otherwise be ruled by the penalty.
        balanced = train / train.sum(axis=1, keepdims=True) * (label.sum())
        model = LogisticRegression(solver="newton-cholesky")
        model.fit(both_labels, cell_label, sample_weight=balanced.ravel())
        score = model.decision_function(design)
        wins = (score[:, None] > score) + 0.5 * (score[:, None] == score)
        won += positive @ wins @ negative
        pairs += n_pairs
    return won / pairs if pairs else 0.5
