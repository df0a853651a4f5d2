"""ROC analysis: weighted AUC with ties, the points of the curve, partial AUC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.checks import check_scores, check_two_classes

ALONG = ("specificity", "sensitivity")


@dataclass(frozen=True, eq=False)
class RocPoints:
    """The ROC curve, one entry a distinct score from high to low; `score >= threshold` is called.

    The first entry calls nobody (threshold infinity), the last everybody.
    """

    threshold: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    specificity: NDArray[np.float64]


def auc(score: ArrayLike, label: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Probability that a cancer scores above a non-cancer, ties counted half.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
        Higher means more suspicious.
    label : array-like of bool, shape (n_exams,)
        True = cancer.
    sample_weight : array-like of float, shape (n_exams,), optional
        Inverse sampling probability.

    Returns
    -------
    float in [0, 1]

    Raises
    ------
    ValueError
        If one of the classes is absent.

    Examples
    --------
    >>> auc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    0.875
    """
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    of_positives, _ = placements(score, label, weight)
    # rounding may leave it a hair above 1
    return min(float(np.average(of_positives, weights=weight[label])), 1.0)


def roc_points(
    score: ArrayLike, label: ArrayLike, sample_weight: ArrayLike | None = None
) -> RocPoints:
    """Sensitivity and specificity at every distinct score; tied exams move together."""
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    caught = np.cumsum(np.where(label, weight, 0.0)[order])[last_of_tie]
    alarms = np.cumsum(np.where(label, 0.0, weight)[order])[last_of_tie]
    return RocPoints(
        np.append(np.inf, score[order][last_of_tie]),
        np.append(0.0, caught / caught[-1]),
        np.append(1.0, 1.0 - alarms / alarms[-1]),
    )


def partial_auc(
    score: ArrayLike,
    label: ArrayLike,
    low: float,
    high: float,
    along: str = "specificity",
    sample_weight: ArrayLike | None = None,
    standardised: bool = True,
) -> float:
    """Area under the part of the ROC curve where a clinic could work.

    Parameters
    ----------
    score, label : array-like, shape (n_exams,)
        As for `auc`.
    low, high : float in [0, 1]
        The range: specificity .8 to 1, say, or sensitivity .9 to 1.
    along : {"specificity", "sensitivity"}
        What the range is of. Along the specificity the mean sensitivity is measured, along the
        sensitivity the mean specificity.
    sample_weight : array-like of float, shape (n_exams,), optional
    standardised : bool
        True maps a score that knows nothing to .5 and a perfect one to 1; False gives the area
        itself, at most high - low.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a class is absent, the range is empty or leaves [0, 1], or `along` is neither of the two.

    Notes
    -----
    Points of the curve are joined by straight lines, so that tied exams count half, as in `auc`.

    References
    ----------
    McClish 1989, doi:10.1177/0272989X8900900307.

    Examples
    --------
    >>> partial_auc([1, 2, 3, 4], [0, 1, 0, 1], 0.5, 1.0, standardised=False)
    0.25
    """
    points = roc_points(score, label, sample_weight)
    return float(
        partial_area(1 - points.specificity, points.sensitivity, low, high, along, standardised)
    )


def partial_area(
    false_positive_rate: NDArray[np.float64],
    sensitivity: NDArray[np.float64],
    low: float,
    high: float,
    along: str,
    standardised: bool,
) -> NDArray[np.float64]:
    """Partial area under each of several curves; both rates rise along the last axis.

    Parameters as for `partial_auc`, with rates of shape (..., n_points); returns shape (...).
    """
    if along not in ALONG:
        raise ValueError(f"along {along!r} is unknown; valid: {', '.join(ALONG)}")
    if not 0 <= low < high <= 1:
        raise ValueError(f"low and high must satisfy 0 <= low < high <= 1: {low}, {high}")
    if along == "specificity":
        x, y = false_positive_rate, sensitivity
        low, high = 1 - high, 1 - low
        of_chance = (high**2 - low**2) / 2
    else:
        x, y = sensitivity, 1 - false_positive_rate
        of_chance = high - low - (high**2 - low**2) / 2
    run = np.diff(x)
    rise = np.diff(y)
    start, stop = np.clip(x[..., :-1], low, high), np.clip(x[..., 1:], low, high)
    # a straight piece has the height of its middle; a vertical one has no width
    share = np.divide((start + stop) / 2 - x[..., :-1], run, out=np.zeros_like(run), where=run > 0)
    area = ((stop - start) * (y[..., :-1] + share * rise)).sum(axis=-1)
    if standardised:
        return 0.5 * (1 + (area - of_chance) / (high - low - of_chance))
    return area


def placements(
    score: NDArray[np.float64], label: NDArray[np.bool_], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted share of the other class that each exam is rightly ordered against, ties half.

    Returns one array over the positive exams, one over the negative exams, in row order. Only the
    positives, which are few, are sorted: each negative is then found among them.
    """
    distinct, level = np.unique(score[label], return_inverse=True)
    n_levels = len(distinct)
    of_level = np.bincount(level, weight[label])

    negative, negative_weight = score[~label], weight[~label]
    n_below = np.searchsorted(distinct, negative)  # distinct scores of positives below each
    tied = np.flatnonzero(distinct[np.minimum(n_below, n_levels - 1)] == negative)
    tied_level = n_below[tied]

    beaten = np.cumsum(np.bincount(n_below, negative_weight, n_levels + 1))[:-1]
    beaten -= np.bincount(tied_level, negative_weight[tied], n_levels) / 2
    of_positives = (beaten / negative_weight.sum())[level]

    below = np.append(0.0, np.cumsum(of_level))
    missed = below[n_below]
    missed[tied] += of_level[tied_level] / 2
    return of_positives, 1 - missed / below[-1]
