"""Guards on the outcome: when the cancer was found, and who looked for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mammolab.errors import InputError
from mammolab.pitfalls._contrasts import LEVEL
from mammolab.pitfalls._exams import checked_flag
from mammolab.pitfalls._shares import as_few, as_many, effective_among
from mammolab.pitfalls.verdict import GuardVerdict

# Share of cancers whose label and dates contradict each other; some dates are mistyped
# (assumption).
TIMING_LIMIT = 0.01
# Share of cancers within a year that were not recalled: 13.1% in 1.7 million exams (Lehman 2017,
# doi:10.1148/radiol.2016161174). No programme is known to miss under 5% (assumption).
MISSED_PUBLISHED = 0.131
MISSED_LIMIT = 0.05


def label_timing(
    exam_date: ArrayLike,
    diagnosis_date: ArrayLike,
    label: ArrayLike,
    horizon_days: float = 365,
    patient_ids: ArrayLike | None = None,
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
    patient_ids : array-like of str, shape (n,), optional
        Give them where a row is an image, or women have several exams: patients are then counted, not rows.

    Returns
    -------
    GuardVerdict
        statistic: among exams that label or dates call a cancer, the share on which they disagree;
        limit: 1%. Fires above it, if so many have a binomial probability under .05 where 1% of
        dates are mistyped. The number of exams is Kish's effective number over patients.

    Raises
    ------
    InputError
        If an exam date is missing, a date cannot be read, or neither label nor dates name a cancer.
    """
    label = checked_flag(label, "label")
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
    n_effective, _ = effective_among(named, None, patient_ids, "cancer")
    share = float((label != within).sum() / named.sum())
    fired = share > TIMING_LIMIT and as_many(share, n_effective, TIMING_LIMIT) < LEVEL
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
    label = checked_flag(label, "label")
    recalled = checked_flag(recalled, "recalled", len(label))
    n_effective, weight = effective_among(label, sample_weight, patient_ids, "cancer")
    share = float(weight @ ~recalled[label] / weight.sum())
    p_value = as_few(share, n_effective, MISSED_PUBLISHED)
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


def _dates(values: ArrayLike, name: str, n_rows: int) -> pd.Series:
    try:
        dates = pd.to_datetime(pd.Series(np.asarray(values)), format="ISO8601")
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} holds what is no date (as 2012-03-31): {error}.") from error
    if len(dates) != n_rows:
        raise InputError(f"{name} has {len(dates)} rows where {n_rows} are needed.")
    return dates
