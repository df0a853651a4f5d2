"""Guards on the outcome: when, by whom and for how long it was looked for, and who was left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, norm

from mammolab.errors import InputError
from mammolab.evaluate.checks import (
    check_flag,
    check_inside,
    check_patient_ids,
    check_vector,
    check_weight,
    effective_number,
)
from mammolab.evaluate.delong import auc_covariance
from mammolab.pitfalls._contrasts import LEVEL, group_contrasts, judged_groups, most_telling
from mammolab.pitfalls._exams import check_exams, check_groups, indicators, told
from mammolab.pitfalls.verdict import GuardVerdict

# Share of cancers whose label and dates contradict each other; some dates are mistyped
# (assumption).
TIMING_LIMIT = 0.01
# Share of cancers within a year that were not recalled: 13.1% in 1.7 million exams (Lehman 2017,
# doi:10.1148/radiol.2016161174). No programme is known to miss under 5% (assumption).
MISSED_PUBLISHED = 0.131
MISSED_LIMIT = 0.05
# Share of exams without cancer that were not followed to the horizon (assumption).
UNFOLLOWED_LIMIT = 0.05
# Share of events that a set which left out the first year may still hold, by mistyped dates and
# late reports (assumption); of a constant risk over five years the first would hold a fifth.
EARLY_LIMIT = 0.05
CENSORING_AUC = 0.55  # of a score for who is lost to follow-up (assumption)
# Difference in the share left out between a group and everyone else (assumption).
EXCLUSION_GAP = 0.10


def label_timing(
    exam_date: ArrayLike, diagnosis_date: ArrayLike, label: ArrayLike, horizon_days: float = 365
) -> GuardVerdict:
    """Ask whether the label says what the dates say: a diagnosis within the horizon of the exam.

    A cancer known before the exam, or found years after it, is another question; a label from
    another source may contradict the dates altogether.

    Parameters
    ----------
    exam_date : array-like of datetime, shape (n,)
    diagnosis_date : array-like of datetime, shape (n,)
        Of the cancer next to the exam; NaT where there is none.
    label : array-like of bool, shape (n,)
    horizon_days : float
        A diagnosis on the day of the exam or up to so many days later makes a cancer.

    Returns
    -------
    GuardVerdict
        statistic: among exams that label or dates call a cancer, the share on which they disagree;
        limit: 1%. Fires above it, if so many have a binomial probability under .05 where 1% of
        dates are mistyped.

    Raises
    ------
    InputError
        If an exam date is missing, a date cannot be read, or neither label nor dates name a cancer.
    """
    label = _flag(label, "label")
    if horizon_days <= 0:
        raise InputError(f"horizon_days must be above 0, not {horizon_days}.")
    exam, diagnosis = (
        _dates(values, name, len(label))
        for values, name in ((exam_date, "exam_date"), (diagnosis_date, "diagnosis_date"))
    )
    if exam.isna().any():
        raise InputError(f"exam_date is missing in {int(exam.isna().sum())} of {len(exam)} rows.")
    days = ((diagnosis - exam).dt.total_seconds() / 86_400).to_numpy()
    within = (days >= 0) & (days <= horizon_days)
    named = label | within
    if not named.any():
        raise InputError(f"Neither label nor dates name a cancer in {len(label)} rows.")
    before, late = label & (days < 0), label & (days > horizon_days)
    undated, unlabelled = label & np.isnan(days), within & ~label
    share = float((label != within).sum() / named.sum())
    fired = share > TIMING_LIMIT and _as_many(share, named.sum(), TIMING_LIMIT) < LEVEL
    message = (
        f"Label and dates disagree on {100 * share:.1f}% of {int(named.sum())} cancers (limit "
        f"{100 * TIMING_LIMIT:g}%): {int(before.sum())} diagnosed before the exam, "
        f"{int(late.sum())} over {horizon_days:g} days after it, {int(undated.sum())} without a "
        f"date, {int(unlabelled.sum())} diagnosed in time and called healthy."
    )
    return GuardVerdict("label_timing", share, TIMING_LIMIT, fired, message)


def label_source(
    label: ArrayLike,
    recalled: ArrayLike,
    sample_weight: ArrayLike | None = None,
    patient_ids: ArrayLike | None = None,
) -> GuardVerdict:
    """Ask whether cancers that the reader missed are in the labels at all.

    Where only recalled women are examined further, and the outcome is what was found in them, the
    reader cannot miss: his sensitivity is 1 by construction, and a model is taught his opinion.

    Parameters
    ----------
    label : array-like of bool, shape (n,)
        Cancer within about a year.
    recalled : array-like of bool, shape (n,)
        Whether the reader recalled the woman at this exam.
    sample_weight : array-like of float, shape (n,), optional
    patient_ids : array-like of str, shape (n,), optional
        Give them where a row is an image, or women have several exams with cancer.

    Returns
    -------
    GuardVerdict
        statistic: share of cancers that were not recalled; limit: 5%. Fires below the limit if so
        few have a binomial probability under .05 where 13.1% are missed, as published.

    Raises
    ------
    InputError
        If there is no cancer, or a value is missing.

    Notes
    -----
    The number of cancers is Kish's effective number over patients. Twenty-two are needed to tell.

    References
    ----------
    Lehman et al. 2017, doi:10.1148/radiol.2016161174 (sensitivity 86.9%); Begg and Greenes 1983,
    doi:10.2307/2530820 (verification bias).
    """
    label = _flag(label, "label")
    recalled = _flag(recalled, "recalled", len(label))
    n_effective, weight = _effective(label, sample_weight, patient_ids, "cancer")
    share = float(weight @ ~recalled[label] / weight.sum())
    p_value = _as_few(share, n_effective, MISSED_PUBLISHED)
    fired = share < MISSED_LIMIT and p_value < LEVEL
    finding = (
        "the labels follow the reader, so link them to a registry"
        if fired
        else "as where a registry is asked, or too few cancers to tell"
    )
    message = (
        f"Of the cancers {100 * share:.1f}% were not recalled (13.1% as published, limit "
        f"{100 * MISSED_LIMIT:g}%, p = {p_value:.2g}): {finding}."
    )
    return GuardVerdict("label_source", share, MISSED_LIMIT, fired, message)


def follow_up(
    label: ArrayLike,
    follow_up_days: ArrayLike,
    horizon_days: float = 365,
    sample_weight: ArrayLike | None = None,
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

    Returns
    -------
    GuardVerdict
        statistic: share of exams without cancer followed for less than the horizon; limit: 5%.
        Fires above it, if so many have a binomial probability under .05 where 5% lack follow-up.

    Raises
    ------
    InputError
        If every exam is a cancer, or a value is malformed.
    """
    label = _flag(label, "label")
    days = np.asarray(follow_up_days, dtype=float)
    if days.shape != label.shape or horizon_days <= 0:
        raise InputError(
            f"follow_up_days has shape {days.shape} for {len(label)} labels, and horizon_days is "
            f"{horizon_days}: one number a row and a horizon above 0 are needed."
        )
    n_effective, weight = _effective(~label, sample_weight, None, "exam without cancer")
    lacking = ~(days[~label] >= horizon_days)  # NaN lacks
    share = float(weight @ lacking / weight.sum())
    fired = share > UNFOLLOWED_LIMIT and _as_many(share, n_effective, UNFOLLOWED_LIMIT) < LEVEL
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

    Returns
    -------
    GuardVerdict
        statistic: share of cancers diagnosed in the first years; limit: 5%. Fires above it, if so
        many have a binomial probability under .05 where 5% are early.

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
    n_effective, weight = _effective(cancer, sample_weight, None, "cancer")
    share = float(weight @ (time_years[cancer] < first_years) / weight.sum())
    fired = share > EARLY_LIMIT and _as_many(share, n_effective, EARLY_LIMIT) < LEVEL
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


def exclusions(
    included: ArrayLike,
    label: ArrayLike,
    groups: pd.DataFrame,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
) -> GuardVerdict:
    """Ask whether some groups of women were left out more often than others.

    Parameters
    ----------
    included : array-like of bool, shape (n,)
        Which exams of the whole cohort made it into the set.
    label : array-like of bool, shape (n,)
        Cancers are often all included and the rest sampled: groups are compared at fixed label.
    groups : DataFrame, n rows
        One column a way of grouping (implant, density, age band, follow-up), as categories; a
        missing value is a category too.
    patient_ids : array-like of str, shape (n,)
    rng : numpy Generator
        Draws patients.
    sample_weight : array-like of float, shape (n,), optional

    Returns
    -------
    GuardVerdict
        statistic: how many more (in shares) of the group that differs most are left out than of
        everyone else with the same label; limit: .10. Fires above it if p < .05 (max-T over all
        groups, patient bootstrap); that a group was kept more often fires it as the rest's loss.

    Raises
    ------
    InputError
        If all exams or none are included, no column of groups has two levels, or no group and its
        rest have 20 patients each.
    """
    included = _flag(included, "included")
    exams = check_exams(label, patient_ids, sample_weight, both_classes=False)
    if len(included) != len(exams.label):
        raise InputError(
            f"included has {len(included)} rows and label {len(exams.label)}: one for each exam of "
            "the cohort is needed."
        )
    if included.all() or not included.any():
        raise InputError(f"{int(included.sum())} of {len(included)} exams are included: no choice.")
    groups_of, names = indicators(check_groups(groups, len(included)))
    groups_of, names = judged_groups(groups_of, names, exams.patient, exams.weight, "group")
    left_out = (~included).astype(float)
    stratum = exams.label.astype(np.intp)
    # Centred at fixed label, so that a group with more cancers does not look better kept.
    totals = np.bincount(stratum, exams.weight)
    means = np.bincount(stratum, exams.weight * left_out) / np.where(totals > 0, totals, 1)
    centred = left_out - means[stratum]
    spread = np.sqrt(np.average(centred**2, weights=exams.weight))
    found = group_contrasts(
        centred,
        groups_of,
        exams.patient,
        exams.weight,
        rng,
        null_spread=spread,
        null_unit=exams.patient,
    )
    gap = found.gap
    at = most_telling(np.abs(gap), found.p_adjusted)
    statistic = float(abs(gap[at]))
    fired = bool(statistic > EXCLUSION_GAP and found.p_adjusted[at] < LEVEL)
    message = (
        f"At the same label, {100 * statistic:.1f} in 100 exams {'more' if gap[at] > 0 else 'fewer'}"
        f" of {names[at]} than of the others are left out (limit {100 * EXCLUSION_GAP:g}, "
        f"p = {found.p_adjusted[at]:.2g})"
        + (": what holds for those kept is unknown for the others." if fired else ".")
    )
    return GuardVerdict("exclusions", statistic, EXCLUSION_GAP, fired, message)


def _flag(values: ArrayLike, name: str, n_rows: int | None = None) -> NDArray[np.bool_]:
    with told():
        return check_flag(values, name, n_rows)


def _dates(values: ArrayLike, name: str, n_rows: int) -> pd.Series:
    try:
        dates = pd.to_datetime(pd.Series(np.asarray(values)), format="ISO8601")
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} holds what is no date (as 2012-03-31): {error}.") from error
    if len(dates) != n_rows:
        raise InputError(f"{name} has {len(dates)} rows where {n_rows} are needed.")
    return dates


def _effective(
    among: NDArray[np.bool_],
    sample_weight: ArrayLike | None,
    patient_ids: ArrayLike | None,
    kind: str,
) -> tuple[float, NDArray[np.float64]]:
    """Kish's effective number of patients (or rows) `among`, and their rows' weights."""
    with told():
        weight = check_weight(sample_weight, len(among))[among]
        ids = np.arange(len(among))
        if patient_ids is not None:
            ids = check_patient_ids(patient_ids, len(among))
    if not weight.any():
        raise InputError(f"The table holds no {kind} of weight above 0 among {len(among)} rows.")
    patient = np.unique(ids[among], return_inverse=True)[1]
    return effective_number(np.bincount(patient, weight)), weight


def _as_few(share: float, n_effective: float, truth: float) -> float:
    """Binomial probability of so small a share or a smaller one; counts rounded to doubt."""
    return float(binom.cdf(np.ceil(share * n_effective - 1e-9), int(n_effective), truth))


def _as_many(share: float, n_effective: float, truth: float) -> float:
    """Binomial probability of so large a share or a larger one; counts rounded to doubt."""
    return float(binom.sf(np.floor(share * n_effective + 1e-9) - 1, int(n_effective), truth))
