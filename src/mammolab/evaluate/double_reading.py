"""A second reader or a system beside the first, replayed on a reader study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from mammolab.evaluate.checks import Estimate, check_flag, check_inside
from mammolab.evaluate.reader_triage import standardised_shares
from mammolab.evaluate.readers import ShareCovariance

_ROUNDING = 1e-16  # a variance below this is what rounding leaves of zero


@dataclass(frozen=True)
class DoubleReading:
    """One way of reading, or a difference of two: mean over readers or pairs of readers."""

    setting: str
    sensitivity: Estimate
    specificity: Estimate
    recall_rate: Estimate


def double_reading(
    recall: ArrayLike,
    system_recall: ArrayLike,
    label: ArrayLike,
    prevalence: float,
    confidence: float = 0.95,
) -> list[DoubleReading]:
    """One reader, two readers, and a reader with the system, between the bounds of arbitration.

    Parameters
    ----------
    recall : array-like of bool, shape (n_exams, n_readers)
    system_recall : array-like of bool, shape (n_exams,)
        At a criterion comparable with the readers', such as the same rate.
    label : array-like of bool, shape (n_exams,)
    prevalence : float in (0, 1)
        For the recall rate; sensitivity and specificity do not depend on it.
    confidence : float in (0, 1)

    Returns
    -------
    list of DoubleReading
        Five settings: "one reader"; "two readers" and "reader and system", each recalling where
        "either recalls" and where "both recall". Any arbitration of disagreements lies between.
        Two readers are the mean over all pairs of different readers. Then two differences: "system
        minus second reader", either and both.

    Notes
    -----
    Intervals are over cases, for these very readers: the variance of a mean over pairs due to
    readers is no mean square of Obuchowski and Rockette's table.
    """
    z = norm.ppf(0.5 + check_inside(confidence, "confidence", 0, 1) / 2)
    recall = np.asarray(recall, dtype=bool)
    label = check_flag(label, "label", len(recall))
    system = check_flag(system_recall, "system_recall", len(recall))[:, None]
    n_readers = recall.shape[1]
    if n_readers < 2:
        raise ValueError("recall must hold two readers: a pair takes as many")
    n_recalls = recall.sum(axis=1)
    pairs = n_readers * (n_readers - 1) / 2
    n_neither = (n_readers - n_recalls) * (n_readers - n_recalls - 1) / 2
    settings = {
        "one reader": n_recalls / n_readers,
        "two readers, either recalls": 1 - n_neither / pairs,
        "two readers, both recall": n_recalls * (n_recalls - 1) / 2 / pairs,
        "reader and system, either recalls": (recall | system).mean(axis=1),
        "reader and system, both recall": (recall & system).mean(axis=1),
    }
    shares = np.column_stack(list(settings.values()))
    among = np.broadcast_to(label[:, None], shares.shape)
    fits = [
        standardised_shares(shares, among, label, prevalence),
        standardised_shares(1 - shares, ~among, label, prevalence),
        standardised_shares(shares, np.ones_like(shares), label, prevalence),
    ]
    differences = {
        "system minus second reader, either recalls": [0, -1, 0, 1, 0],
        "system minus second reader, both recall": [0, 0, -1, 0, 1],
    }
    contrasts = dict(zip(settings, np.eye(len(settings)), strict=True)) | differences

    def estimate(fit: ShareCovariance, contrast: ArrayLike, lowest: float) -> Estimate:
        value, variance = float(contrast @ fit.share), float(contrast @ fit.covariance @ contrast)
        half = float(z * variance**0.5) if variance > _ROUNDING else float("nan")
        low, high = np.clip([value - half, value + half], lowest, 1.0)
        return Estimate(value, float(low), float(high))

    return [
        DoubleReading(
            name,
            *(estimate(fit, np.array(contrast), -float(name in differences)) for fit in fits),
        )
        for name, contrast in contrasts.items()
    ]
