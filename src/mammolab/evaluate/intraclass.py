"""Intraclass correlations: the reliability of numbers that several readers give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import f as f_distribution

from mammolab.evaluate.checks import Estimate, check_inside

_ROUNDING = 1e-14  # a ratio of mean squares below this is what rounding leaves of zero


@dataclass(frozen=True)
class IntraclassCorrelations:
    """The six forms of Shrout and Fleiss; `_single` of one reader, `_average` of the readers' mean.

    `one_way`: each exam read by other readers, ICC(1, .). `agreement`: all exams read by the same
    readers, a sample of readers whose levels matter, ICC(2, .). `consistency`: these readers only,
    their levels set aside, ICC(3, .).
    """

    one_way_single: Estimate
    agreement_single: Estimate
    consistency_single: Estimate
    one_way_average: Estimate
    agreement_average: Estimate
    consistency_average: Estimate


def intraclass_correlations(ratings: ArrayLike, confidence: float = 0.95) -> IntraclassCorrelations:
    """Reliability of numbers given by several readers to the same exams, in six forms.

    It is the share of the variance that lies between exams: of a density percentage or a
    probability of malignancy, how much is the breast's and how much the reader's.

    Parameters
    ----------
    ratings : array-like of float, shape (n_exams, n_readers)
        None missing; exams independent (one a patient): the intervals rest on the F distribution.
    confidence : float in (0, 1)

    Raises
    ------
    ValueError
        If there are fewer than two exams or readers, a rating is missing, or all are equal.

    Notes
    -----
    Estimates are not cut at 0. The interval of the agreement forms is Satterthwaite's
    approximation; those of averages are Spearman-Brown's steps of those of single readers.

    References
    ----------
    Shrout and Fleiss 1979, doi:10.1037/0033-2909.86.2.420.

    Examples
    --------
    >>> icc = intraclass_correlations([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6]])
    >>> round(icc.consistency_single.value, 3), round(icc.agreement_single.value, 3)
    (0.637, 0.261)
    """
    tail = (1 - check_inside(confidence, "confidence", 0, 1)) / 2
    table = _check_ratings(ratings)
    n, k = table.shape
    grand, by_exam, by_reader = table.mean(), table.mean(axis=1), table.mean(axis=0)
    free = (n - 1) * (k - 1)
    between = k * ((by_exam - grand) ** 2).sum() / (n - 1)
    within = ((table - by_exam[:, None]) ** 2).sum() / (n * (k - 1))
    readers = n * ((by_reader - grand) ** 2).sum() / (k - 1)
    error = ((table - by_exam[:, None] - by_reader + grand) ** 2).sum() / free

    one_way = _from_f(between, within, n - 1, n * (k - 1), k, tail)
    consistency = _from_f(between, error, n - 1, free, k, tail)
    agreement = _agreement(between, readers, error, n, k, tail)
    forms = (one_way, agreement, consistency)
    return IntraclassCorrelations(*forms, *(_step_up(form, k) for form in forms))


def _check_ratings(ratings: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError(f"ratings needs two exams and two readers or more, not {table.shape}")
    wrong = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if len(wrong):
        shown = ", ".join(str(row) for row in wrong[:5])
        raise ValueError(
            f"ratings must be fully crossed and finite; {len(wrong)} exams are not, first: {shown}"
        )
    if np.ptp(table) == 0:
        raise ValueError("ratings are all equal: there is no variance to divide")
    return table


def _from_f(between: float, error: float, df1: int, df2: int, k: int, tail: float) -> Estimate:
    """ICC of one reader from the F ratio of exams to error, and the limits of that ratio."""
    if error <= _ROUNDING * between:  # F is infinite and its limits say nothing
        return Estimate(1.0, float("nan"), float("nan"))
    ratio = between / error
    low = ratio / f_distribution.isf(tail, df1, df2)
    high = ratio * f_distribution.isf(tail, df2, df1)
    return Estimate(*(float((one - 1) / (one + k - 1)) for one in (ratio, low, high)))


def _agreement(
    between: float, readers: float, error: float, n: int, k: int, tail: float
) -> Estimate:
    """ICC(2, 1), its limits by Satterthwaite's degrees of freedom for readers plus error."""
    if error + readers <= _ROUNDING * between:
        return Estimate(1.0, float("nan"), float("nan"))
    other = k * readers + (k * n - k - n) * error  # n times what is not between exams
    value = n * (between - error) / (n * between + other)
    odds = k * value / (n * (1 - value))
    parts = odds * readers, (1 + (n - 1) * odds) * error
    df = sum(parts) ** 2 / (parts[0] ** 2 / (k - 1) + parts[1] ** 2 / ((n - 1) * (k - 1)))
    f_low = f_distribution.isf(tail, n - 1, df)
    f_high = f_distribution.isf(tail, df, n - 1)
    low = n * (between - f_low * error) / (f_low * other + n * between)
    high = n * (f_high * between - error) / (other + n * f_high * between)
    return Estimate(float(value), float(low), float(high))


def _step_up(single: Estimate, k: int) -> Estimate:
    """Spearman-Brown's reliability of the mean of k readers."""

    def stepped(one: float) -> float:
        # an interval far below 0 has no reliability of the mean to match: unbounded
        return float("-inf") if 1 + (k - 1) * one <= 0 else k * one / (1 + (k - 1) * one)

    return Estimate(stepped(single.value), stepped(single.low), stepped(single.high))
