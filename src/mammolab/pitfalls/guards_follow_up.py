"""Guards on follow-up: is it long enough, what came too early, who was lost, and how it is weighed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_inside, check_patient_ids, check_vector, check_weight
from mammolab.evaluate.concordance import uno_c
from mammolab.evaluate.delong import auc_covariance
from mammolab.pitfalls._contrasts import LEVEL
from mammolab.pitfalls._exams import checked_flag, told
from mammolab.pitfalls._shares import as_many, effective_among
from mammolab.pitfalls.verdict import GuardVerdict

# Share of exams without cancer that were not followed to the horizon (assumption).
UNFOLLOWED_LIMIT = 0.05
# Share of events that a set which left out the first year may still hold, by mistyped dates and
# late reports (assumption); of a constant risk over five years the first would hold a fifth.
EARLY_LIMIT = 0.05
CENSORING_AUC = 0.55  # of a score for who is lost to follow-up (assumption)
# A C-index this far from the recomputed one was made with other weights (assumption: two digits).
CONCORDANCE_TOLERANCE = 0.01


def follow_up(
    label: ArrayLike,
    follow_up_days: ArrayLike,
    horizon_days: float = 365,
    sample_weight: ArrayLike | None = None,
    patient_ids: ArrayLike | None = None,
) -> GuardVerdict:
    """Ask whether exams called healthy were followed long enough to be.

    Parameters
    ----------
    label : array-like of bool, shape (n,)
    follow_up_days : array-like of float, shape (n,)
        From the exam to the last contact or the end of the registry; NaN where unknown, which
        counts as not followed.
    horizon_days : float
        That of the label.
    sample_weight : array-like of float, shape (n,), optional
    patient_ids : array-like of str, shape (n,), optional
        Give them where a row is an image, or women have several exams: patients are then counted, not rows.

    Returns
    -------
    GuardVerdict
        statistic: share of exams without cancer followed for less than the horizon; limit: 5%.
        Fires above it, if so many have a binomial probability under .05 where 5% lack follow-up.
        The number of exams is Kish's effective number over patients.

    Raises
    ------
    InputError
        If every exam is a cancer, or a value is malformed.
    """
    label = checked_flag(label, "label")
    days = np.asarray(follow_up_days, dtype=float)
    if days.shape != label.shape or horizon_days <= 0:
        raise InputError(
            f"follow_up_days has shape {days.shape} for {len(label)} labels, and horizon_days is "
            f"{horizon_days}: one number a row and a horizon above 0 are needed."
        )
    n_effective, weight = effective_among(~label, sample_weight, patient_ids, "exam without cancer")
    lacking = ~(days[~label] >= horizon_days)  # NaN lacks
    share = float(weight @ lacking / weight.sum())
    fired = share > UNFOLLOWED_LIMIT and as_many(share, n_effective, UNFOLLOWED_LIMIT) < LEVEL
    message = (
        f"Of the exams without cancer {100 * share:.1f}% were not followed for {horizon_days:g} "
        f"days (limit {100 * UNFOLLOWED_LIMIT:g}%)"
        + (": among them are cancers nobody has seen yet." if fired else ".")
    )
    return GuardVerdict("follow_up", share, UNFOLLOWED_LIMIT, fired, message)


def early_cancers(
    time_years: ArrayLike,
    event: ArrayLike,
    first_years: float = 1.0,
    sample_weight: ArrayLike | None = None,
    patient_ids: ArrayLike | None = None,
) -> GuardVerdict:
    """Ask whether a set for predicting risk holds cancers that were there to be detected.

    A cancer diagnosed within a year of the exam was mostly visible on it. Counted as an event, it
    turns detection, late as it is, into prediction.

    Parameters
    ----------
    time_years : array-like of float, shape (n,)
        From the exam to the event or to the end of follow-up, above or equal to 0.
    event : array-like of int, shape (n,)
        0 censored, 1 cancer, 2 death; or bool.
    first_years : float
    sample_weight : array-like of float, shape (n,), optional
    patient_ids : array-like of str, shape (n,), optional
        Give them where a row is an image, or women have several exams: patients are then counted, not rows.

    Returns
    -------
    GuardVerdict
        statistic: share of cancers diagnosed in the first years; limit: 5%. Fires above it, if so
        many have a binomial probability under .05 where 5% are early. The number of cancers is
        Kish's effective number over patients.

    Raises
    ------
    InputError
        If there is no cancer, or a time is negative or missing.

    References
    ----------
    Yala et al. 2021, doi:10.1126/scitranslmed.aba4373 (cancers within six months set apart, for
    the same reason).
    """
    with told():
        time_years = check_vector(time_years, "time_years")
        event = check_vector(event, "event", len(time_years))
        check_inside(first_years, "first_years", 0, np.inf)
    if time_years.min() < 0 or not np.isin(event, (0, 1, 2)).all():
        raise InputError("time_years must not be negative, and event must be 0, 1 or 2.")
    cancer = event == 1
    n_effective, weight = effective_among(cancer, sample_weight, patient_ids, "cancer")
    share = float(weight @ (time_years[cancer] < first_years) / weight.sum())
    fired = share > EARLY_LIMIT and as_many(share, n_effective, EARLY_LIMIT) < LEVEL
    message = (
        f"Of the cancers {100 * share:.1f}% were diagnosed within {first_years:g} "
        f"{'year' if first_years == 1 else 'years'} of the exam (limit {100 * EARLY_LIMIT:g}%)"
        + (": report the risk of later ones apart, for these were there to be seen." * fired or ".")
    )
    return GuardVerdict("early_cancers", share, EARLY_LIMIT, fired, message)


def informative_censoring(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    patient_ids: ArrayLike,
    horizon_years: float = 5.0,
    sample_weight: ArrayLike | None = None,
) -> GuardVerdict:
    """Ask whether women who are lost to follow-up score otherwise than those who are followed.

    Kaplan-Meier, and weights by the Kaplan-Meier curve of the censoring, take it that they do not.

    Parameters
    ----------
    time_years, event
        As for `early_cancers`.
    score : array-like of float, shape (n,)
        The risk that is evaluated, or any other column that may tell who leaves.
    patient_ids : array-like of str, shape (n,)
    horizon_years : float
    sample_weight : array-like of float, shape (n,), optional

    Returns
    -------
    GuardVerdict
        statistic: AUC of the score for being censored before the horizon, against being followed
        to it without a cancer, or one minus it where below one half; limit: .55. Fires above it if
        the 95% interval over patients (DeLong, clustered) leaves out one half.

    Raises
    ------
    InputError
        If fewer than two patients are lost before the horizon, or fewer than two followed to it.

    References
    ----------
    Uno et al. 2011, doi:10.1002/sim.4154 (weights by the censoring's Kaplan-Meier curve ask that
    it be independent of the score).
    """
    with told():
        time_years = check_vector(time_years, "time_years")
        event = check_vector(event, "event", len(time_years))
        score = check_vector(score, "score", len(time_years))
        ids = check_patient_ids(patient_ids, len(time_years))
        weight = check_weight(sample_weight, len(time_years))
        check_inside(horizon_years, "horizon_years", 0, np.inf)
        lost = (event == 0) & (time_years < horizon_years)
        used = lost | (time_years >= horizon_years)
        if not used.any():
            raise ValueError("nobody is censored, and nobody followed to the horizon")
        fit = auc_covariance(score[used], lost[used], weight[used], ids[used])
    auc, error = float(fit.auc[0]), float(np.sqrt(fit.covariance[0, 0]))
    statistic = max(auc, 1 - auc)
    p_value = float(2 * norm.sf((statistic - 0.5) / error)) if error else float(statistic == 0.5)
    fired = statistic > CENSORING_AUC and p_value < LEVEL
    message = (
        f"The score tells who is lost before {horizon_years:g} years with an AUC of {auc:.2f} "
        f"(limit {CENSORING_AUC:g} or {1 - CENSORING_AUC:g}, p = {p_value:.2g})"
        + (": let the weights depend on it." if fired else ".")
    )
    return GuardVerdict("informative_censoring", statistic, CENSORING_AUC, fired, message)


def censoring_weights(
    reported_c: float,
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    sample_weight: ArrayLike | None = None,
    tau_years: float | None = None,
    tolerance: float = CONCORDANCE_TOLERANCE,
) -> GuardVerdict:
    """Compute Uno's C again with 1 / G(t-)^2 and compare it with the one reported under that name.

    Parameters
    ----------
    reported_c : float
    time_years, event, score, sample_weight, tau_years
        As for `evaluate.concordance.uno_c`: the very rows the reported C is of.
    tolerance : float
        The same rows, so there is no play of chance; this is for rounding and ties.

    Returns
    -------
    GuardVerdict
        statistic: reported minus recomputed, without sign; limit: the tolerance. Fires above it.

    References
    ----------
    Uno et al. 2011, doi:10.1002/sim.4154
    """
    check_inside(reported_c, "reported_c", 0, 1)
    known = uno_c(time_years, event, score, sample_weight, tau_years)
    if np.isnan(known):
        message = "No pair can be compared: the C-index cannot be computed again."
        return GuardVerdict("censoring_weights", np.nan, tolerance, False, message)
    statistic = abs(reported_c - known)
    fired = bool(statistic > tolerance)
    finding = "it was made with other weights" if fired else "within the tolerance"
    message = (
        f"The reported C-index is {reported_c:.3f}; with the inverse of the censoring curve as "
        f"weight it is {known:.3f}: {finding}."
    )
    return GuardVerdict("censoring_weights", statistic, tolerance, fired, message)
