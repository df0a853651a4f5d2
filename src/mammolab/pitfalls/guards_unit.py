"""Guards on the unit of analysis: does the standard error count patients, or something else?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.evaluate.delong import auc_covariance
from mammolab.evaluate.paired import PairedCounts, tango_interval
from mammolab.pitfalls._exams import check_exams, told
from mammolab.pitfalls.verdict import GuardVerdict

# An interval a tenth too short covers 92 in place of 95 of a hundred truths (normal).
INTERVAL_RATIO = 1.1
# A standard error below this part of the patients' own rests on something else (assumption).
ERROR_RATIO = 0.5


def clustered_interval(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None = None,
    limit: float = INTERVAL_RATIO,
) -> GuardVerdict:
    """Ask how much too short an interval is that takes rows for independent women.

    Parameters
    ----------
    score : array-like of float, shape (n,)
        Of an image or an exam.
    label : array-like of bool, shape (n,)
    patient_ids : array-like of str, shape (n,)
    sample_weight : array-like of float, shape (n,), optional
    limit : float

    Returns
    -------
    GuardVerdict
        statistic: standard error of the AUC with patients as units over that with rows as units.
        Fires above the limit: the choice of unit then matters.

    Raises
    ------
    InputError
        If there are fewer than two patients with cancer or two without, or every pair is rightly
        ordered, when no standard error can be had.

    References
    ----------
    DeLong et al. 1988, doi:10.2307/2531595; Obuchowski 1997, doi:10.2307/2533958.
    """
    exams = check_exams(label, patient_ids, sample_weight)
    with told():
        of_rows = auc_covariance(score, exams.label, exams.weight).covariance[0, 0]
        of_patients = auc_covariance(score, exams.label, exams.weight, exams.patient)
    if of_rows < 1e-15:
        raise InputError("The score orders every pair alike: its AUC has no standard error.")
    ratio = float(np.sqrt(of_patients.covariance[0, 0] / of_rows))
    fired = ratio > limit
    n_patients = len(np.unique(exams.patient))
    message = (
        f"With {n_patients} patients as units the standard error of the AUC is {ratio:.2f} times "
        f"that with {len(exams.label)} rows as units (limit {limit:g})"
        + (": resample patients, not rows." if fired else ".")
    )
    return GuardVerdict("clustered_interval", ratio, limit, fired, message)


def replicate_error(
    standard_error: float, counts: PairedCounts, ratio: float = ERROR_RATIO
) -> GuardVerdict:
    """Ask whether the standard error behind a test is one that this many patients can give.

    A test over bootstrap replicates divides their spread by the root of their number, which is no
    number of patients.

    Parameters
    ----------
    standard_error : float
        Of the difference of two sensitivities, as the test used it: for a t statistic over
        replicates, their standard deviation over the root of their number.
    counts : PairedCounts
        Of the patients with cancer.
    ratio : float
        Below 1.

    Returns
    -------
    GuardVerdict
        statistic: the standard error over the patients' own (Tango's interval over its width in
        standard errors); limit: `ratio`. Fires below it.

    Raises
    ------
    InputError
        If the standard error is negative or the ratio not in (0, 1).

    References
    ----------
    Tango 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B.
    """
    if not standard_error >= 0 or not 0 < ratio < 1:
        raise InputError(
            "The standard error must be 0 or more and the ratio between 0 and 1; they are "
            f"{standard_error} and {ratio}."
        )
    interval = tango_interval(counts)
    of_patients = (interval.high - interval.low) / (2 * norm.ppf(0.975))
    statistic = float(standard_error / of_patients)
    fired = statistic < ratio
    finding = "something else than patients was counted" if fired else "patients can have given it"
    message = (
        f"The test's standard error is {statistic:.2f} of what {counts.n_total:.0f} cancers give: "
        f"{finding}."
    )
    return GuardVerdict("replicate_error", statistic, ratio, fired, message)
