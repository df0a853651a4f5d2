"""From probabilities of malignancy to decisions: the readers' recalls, the system's thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.checks import (
    check_flag,
    check_inside,
    check_patient_ids,
    check_vector,
    check_weight,
)
from mammolab.evaluate.thresholds import RuleOutThreshold


@dataclass(frozen=True, eq=False)
class PanelRecalls:
    """What each reader of a panel is taken to have recalled.

    Attributes
    ----------
    criterion : array of float, shape (n_readers,)
        The lowest probability of malignancy that the reader recalls.
    recall : array of bool, shape (n_exams, n_readers)
    """

    criterion: NDArray[np.float64]
    recall: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Exams ruled out by thresholds that were chosen without them.

    Attributes
    ----------
    rule : str
        As in `RuleOutThreshold`.
    thresholds : array of float, shape (n_folds,)
        Of each fold, from the other folds' caught cancers; minus infinity rules nobody out.
    n_cancers : array of int, shape (n_folds,)
        Caught cancers behind each.
    certified_sensitivity : float
        The lowest of any fold; 1 where nobody is ruled out in any.
    ruled_out : array of bool, shape (n_exams,)
    """

    rule: str
    thresholds: NDArray[np.float64]
    n_cancers: NDArray[np.intp]
    certified_sensitivity: float
    ruled_out: NDArray[np.bool_]


def prevalence_weight(label: ArrayLike, prevalence: float) -> NDArray[np.float64]:
    """Weights that give an enriched study the prevalence of a screening programme.

    A cancer weighs 1, another exam (1 - p) / p times the cancers over the others.

    Parameters
    ----------
    label : array-like of bool, shape (n_exams,)
        One row an exam: True = cancer.
    prevalence : float in (0, 1)
        Share of screening exams with cancer.

    Notes
    -----
    They are right if the exams of each class are a random sample of that class at screening. They
    do not mend a class that was enriched within, such as by healthy women who had a biopsy: the
    specificity, the readers' recalls and the share ruled out are then those of the study's mix.

    Examples
    --------
    >>> prevalence_weight([1, 0, 0], 0.25).tolist()
    [1.0, 1.5, 1.5]
    """
    check_inside(prevalence, "prevalence", 0, 1)
    label = check_flag(label, "label")
    n_cancers, n_others = label.sum(), (~label).sum()
    if not n_cancers or not n_others:
        raise ValueError(
            f"label holds {n_cancers} cancers among {len(label)} rows: both are needed"
        )
    return np.where(label, 1.0, (1 - prevalence) / prevalence * n_cancers / n_others)


def recall_at_rate(
    probability: ArrayLike, rate: float, sample_weight: ArrayLike | None = None
) -> PanelRecalls:
    """Each reader recalls her highest probabilities, at a rate as near as can be to a stated one.

    Parameters
    ----------
    probability : array-like of float, shape (n_exams, n_readers)
        Of malignancy, as each reader gave it.
    rate : float in (0, 1)
        Share of exams recalled, 0.116 in BCSC (Lehman 2017).
    sample_weight : array-like of float, shape (n_exams,), optional
        Such as `prevalence_weight`.

    Notes
    -----
    Nobody was recalled in a study that asks for a probability, so a criterion must be assumed.
    Readers use the scale in ways of their own (where one writes 10% another writes 50%), and a
    common value, `recall_at`, makes one recall half of the exams and another hardly any; one rate
    for all sets each where a screening reader works. What it costs: true differences of criterion
    among readers are gone, so sensitivities vary less among these readers than among readers at
    work; and with healthy exams harder than those of screening, the same rate is a stricter
    criterion than screening's, so that sensitivity is understated. Probabilities come in round
    numbers: the rate is met as nearly as ties allow, at the criterion that recalls fewer where two
    are as near, and at least the reader's highest value is recalled. The rate fixes the criterion
    on the very exams it is applied to, labels entering by the weights alone.

    References
    ----------
    Lehman et al. 2017, doi:10.1148/radiol.2016161174 (BCSC benchmarks).
    """
    check_inside(rate, "rate", 0, 1)
    table = _check_panel(probability)
    weight = check_weight(sample_weight, len(table))
    criterion = np.empty(table.shape[1])
    for k, column in enumerate(table.T):
        values, place = np.unique(column, return_inverse=True)
        recalled = np.bincount(place, weight)[::-1].cumsum() / weight.sum()  # from the highest down
        # rounded, so that two rates as near as each other are a tie
        criterion[k] = values[::-1][np.abs(recalled - rate).round(12).argmin()]
    return PanelRecalls(criterion, table >= criterion)


def recall_at(probability: ArrayLike, criterion: float) -> PanelRecalls:
    """Every reader recalls from one common probability of malignancy up.

    BI-RADS draws the line of a recall above 2%; see `recall_at_rate` for what speaks against it.

    Parameters
    ----------
    probability : array-like of float, shape (n_exams, n_readers)
    criterion : float
    """
    table = _check_panel(probability)
    return PanelRecalls(np.full(table.shape[1], float(criterion)), table >= criterion)


def caught_by_panel(recall: ArrayLike, label: ArrayLike, share: float = 0.5) -> NDArray[np.bool_]:
    """Cancers that at least `share` of the readers recalled, shape (n_exams,).

    The published threshold rests on cancers that the one reader of an exam had caught; with a panel
    that takes a rule, and a majority is the plainest.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie in (0, 1], not {share}")
    recall = np.asarray(recall, dtype=bool)
    return check_flag(label, "label", len(recall)) & (recall.mean(axis=1) >= share)


def stratified_folds(
    patient_ids: ArrayLike, label: ArrayLike, n_folds: int, seed: int
) -> NDArray[np.intp]:
    """A fold for each exam, 0 up: patients stay whole, each fold has its share of cancers.

    Parameters
    ----------
    patient_ids : array-like of str, shape (n_exams,)
    label : array-like of bool, shape (n_exams,)
        A patient with any cancer counts as one with.
    n_folds : int
        As many as there are patients with cancer leaves out one cancer at a time: the result then
        hardly depends on the draw, which few folds of few cancers do.
    seed : int
        The order of rows plays no part.

    Raises
    ------
    ValueError
        If there are fewer than two folds, or fewer patients with cancer than folds.
    """
    label = check_flag(label, "label")
    ids = check_patient_ids(patient_ids, len(label))
    patients, place = np.unique(ids, return_inverse=True)
    with_cancer = np.zeros(len(patients), dtype=bool)
    np.logical_or.at(with_cancer, place, label)
    if not 2 <= n_folds <= with_cancer.sum():
        raise ValueError(
            f"n_folds must lie between 2 and the {with_cancer.sum()} patients with cancer, not "
            f"{n_folds}"
        )
    shuffled = np.random.default_rng(seed).permutation(len(patients))
    dealt = np.concatenate([shuffled[with_cancer[shuffled]], shuffled[~with_cancer[shuffled]]])
    fold = np.empty(len(patients), dtype=np.intp)
    fold[dealt] = np.arange(len(patients)) % n_folds
    return fold[place]


def cross_fit(
    score: ArrayLike,
    caught: ArrayLike,
    patient_ids: ArrayLike,
    fold: ArrayLike,
    choose: Callable[[NDArray, NDArray, NDArray], RuleOutThreshold],
) -> CrossFit:
    """Rule out each fold's exams by a threshold from the other folds' caught cancers.

    With few cancers no separate development set can be spared; so each exam is judged by a
    threshold that it had no part in.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
        Higher means more suspicious.
    caught : array-like of bool, shape (n_exams,)
    patient_ids : array-like of str, shape (n_exams,)
    fold : array-like of int, shape (n_exams,)
        From `stratified_folds`.
    choose : function (score, caught, patient_ids) -> RuleOutThreshold
        `thresholds.minimum_threshold`, or another rule with its options bound by `partial`.

    Raises
    ------
    ValueError
        If no cancer was caught outside some fold.

    Notes
    -----
    It estimates what thresholds chosen from a share (k - 1) / k of this study's cancers do, not one
    threshold's fate. Those of different folds share most of their cancers, and intervals computed
    from `ruled_out` take them as given.
    """
    score = check_vector(score, "score")
    caught = check_flag(caught, "caught", len(score))
    patient_ids = check_patient_ids(patient_ids, len(score))
    fold = np.asarray(fold)
    ruled_out = np.zeros(len(score), dtype=bool)
    rules = []
    for k in np.unique(fold):
        inside = fold == k
        if not caught[~inside].any():
            raise ValueError(f"no cancer was caught outside fold {k}: a threshold needs some")
        rules.append(choose(score[~inside], caught[~inside], patient_ids[~inside]))
        ruled_out[inside] = score[inside] < rules[-1].threshold
    return CrossFit(
        rules[0].rule,
        np.array([rule.threshold for rule in rules]),
        np.array([rule.n_cancers for rule in rules]),
        min(rule.certified_sensitivity for rule in rules),
        ruled_out,
    )


def _check_panel(probability: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(probability, dtype=np.float64)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise ValueError(
            f"probability must be finite, of shape (n_exams, n_readers), not {table.shape}"
        )
    return table
