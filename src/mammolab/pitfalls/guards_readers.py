"""Guards on reader studies: do readers read as they do at work, and do they follow the system?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_flag
from mammolab.evaluate.laboratory import laboratory_effect
from mammolab.pitfalls.verdict import GuardVerdict

# Readers whose study differs by less from their work are taken to read alike (assumption).
SETTING_TOLERANCE = 0.05
MINIMUM_WRONG = 5


def reader_setting(
    reader_id: ArrayLike,
    setting: ArrayLike,
    recall: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None = None,
    tolerance: float = SETTING_TOLERANCE,
) -> GuardVerdict:
    """Ask whether readers read in a study as the same readers do at work.

    Parameters
    ----------
    reader_id, setting, recall, label, patient_ids, sample_weight
        As for `evaluate.laboratory.laboratory_effect`, of two or more readers.
    tolerance : float
        A difference up to this is never fired on.

    Returns
    -------
    GuardVerdict
        statistic: the larger of the differences in mean sensitivity and mean specificity, without
        sign; limit: the tolerance. Fires above it where the difference is sure: the interval over
        readers and cases, at 97.5% as two are looked at, leaves out zero.

    Raises
    ------
    ValueError
        As `laboratory_effect`.

    References
    ----------
    Gur et al. 2008, doi:10.1148/radiol.2491072025.
    """
    effect = laboratory_effect(
        reader_id, setting, recall, label, patient_ids, sample_weight, confidence=0.975
    )
    gaps = {
        "sensitivity": effect.sensitivity.over_readers,
        "specificity": effect.specificity.over_readers,
    }
    name = max(gaps, key=lambda metric: abs(gaps[metric].difference.value))
    gap = gaps[name]
    statistic = abs(gap.difference.value)
    sure = gap.difference.low > 0 or gap.difference.high < 0
    fired = bool(statistic > tolerance and sure)
    finding = (
        "the study is not how they read at work"
        if fired
        else f"no difference above {tolerance:.0%} that chance would not give"
    )
    message = (
        f"Mean {name} of the same readers is {gap.laboratory.value:.0%} in the study and "
        f"{gap.clinic.value:.0%} at work: {finding}."
    )
    return GuardVerdict("reader_setting", float(statistic), tolerance, fired, message)


def follows_errors(
    recall_alone: ArrayLike, recall_assisted: ArrayLike, system_flag: ArrayLike
) -> GuardVerdict:
    """Ask whether readers give up cancers that the system misses, within the study itself.

    The mean gain of an assisted reading hides what happens where the system is wrong, and the
    system may be wrong more often in use.

    Parameters
    ----------
    recall_alone, recall_assisted : array-like of bool, shape (n_cancers, n_readers)
        Of cancers, one a patient, read twice by every reader.
    system_flag : array-like of bool, shape (n_cancers,)
        True = the system asks for a recall.

    Returns
    -------
    GuardVerdict
        statistic: sensitivity alone minus assisted, over readers, among the cancers not flagged;
        limit: how much of it chance would give (Student's 97.5% over cancers). Fires above it;
        with fewer than five such cancers it says nothing, and both numbers are NaN.

    Raises
    ------
    InputError
        If the shapes do not fit.

    References
    ----------
    Dratsch et al. 2023, doi:10.1148/radiol.222176.
    """
    flag = check_flag(system_flag, "system_flag")
    alone, assisted = np.asarray(recall_alone, float), np.asarray(recall_assisted, float)
    if alone.ndim != 2 or alone.shape != assisted.shape or len(alone) != len(flag):
        raise InputError(
            "recall_alone and recall_assisted must have shape (n_cancers, n_readers) with as many "
            f"rows as system_flag: {alone.shape}, {assisted.shape} and {flag.shape}."
        )
    n_wrong = int((~flag).sum())
    if n_wrong < MINIMUM_WRONG:
        message = f"The system missed {n_wrong} cancers, too few to see whether readers follow it."
        return GuardVerdict("follows_errors", np.nan, np.nan, False, message)
    lost = (alone - assisted)[~flag].mean(axis=1)
    statistic = float(lost.mean())
    limit = float(student.ppf(0.975, n_wrong - 1) * lost.std(ddof=1) / np.sqrt(n_wrong))
    fired = statistic > limit
    finding = "they follow it where it is wrong" if fired else "no more than chance would give"
    message = (
        f"Of the {n_wrong} cancers that the system missed, readers find {alone[~flag].mean():.0%} "
        f"alone and {assisted[~flag].mean():.0%} with it: {finding}."
    )
    return GuardVerdict("follows_errors", statistic, limit, fired, message)
