"""Who is said to have cancer: by the reader's own opinion, or after too short a wait."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.data.outcomes import DAYS_PER_YEAR
from mammolab.errors import InputError
from mammolab.evaluate.censoring import status_by_horizons
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.resampling import PatientBootstrap, share_estimate
from mammolab.pitfalls import guards_follow_up, guards_label
from mammolab.pitfalls.collection import LABEL
from mammolab.pitfalls.failure import Failure, Outcome, check_dose

VERIFICATION_BIAS = Failure(
    name="verification_bias",
    title="The reader says who has cancer",
    metric="sensitivity of readers",
    dial="share not in the registry",
    guard="label_source",
    repair="Link every woman to the registry, or a random sample of those sent home and weigh it.",
    cost="A linkage; from a sample of those sent home, an interval that widens with what was saved.",
    source="Begg & Greenes 1983 (doi:10.2307/2530820): who tests negative is seldom verified; "
    "counting only the verified overstates sensitivity, weighing them by their sampling mends it.",
)
SHORT_FOLLOW_UP = Failure(
    name="short_follow_up",
    title="Cancer-free after two months",
    metric="sensitivity of readers",
    dial="share followed for 2 months",
    guard="follow_up",
    repair="Wait for a year or two; until then, weigh late cancers by the chance of being seen.",
    cost="The wait; before it, few exams tell of the late cancers and the interval is wide.",
    source="Freeman 2021, doi:10.1136/bmj.n1872, a review that counts cancers within 12 months of the "
    "screen; it gives no size for this mistake alone.",
)


def recorded_label(exams: pd.DataFrame, rng: np.random.Generator, dose: float) -> NDArray[np.bool_]:
    """Cancers on record where the registry is not asked about women who were sent home.

    Parameters
    ----------
    exams : DataFrame, n rows
        Rows of the table `cohort`: patient_id, recall, cancer_within_1y.
    rng : numpy Generator
        The order of the women; it is copied, so that each dose has the same.
    dose : float
        Share of the women of whom nothing is known but what became of a recall.

    Returns
    -------
    array of bool, shape (n,)
        With cancer, and recalled or known to the registry that was asked.
    """
    place = _place(exams["patient_id"], deepcopy(rng))
    known = exams["recall"].to_numpy(bool) | (place >= check_dose(dose))
    return exams[LABEL].to_numpy(bool) & known


def verification_bias(
    exams: pd.DataFrame,
    bootstrap: PatientBootstrap,
    rng: np.random.Generator,
    dose: float,
    verified_share: float = 0.25,
) -> Outcome:
    """Take the outcome from the readers: who was not recalled has no cancer.

    A cancer that readers missed then counts as a rightly dismissed exam, so that they, and whoever
    agrees with them, seem to miss nothing.

    Parameters
    ----------
    exams : DataFrame, n rows
        Rows of the table `cohort`: patient_id, recall, cancer_within_1y (by the registry),
        sampling_weight (not missing).
    bootstrap : PatientBootstrap
    rng : numpy Generator
        As for `recorded_label`.
    dose : float
        Share of the women for whom, when not recalled, the registry is not asked.
    verified_share : float in (0, 1]
        For the repair, so many of those are asked about after all, at random.

    Returns
    -------
    Outcome
        The readers' sensitivity. reported: among the cancers on record; true: among the
        registry's; repaired: missed cancers counted among the women sent home who were asked about,
        each weighing for all sent home.

    Raises
    ------
    InputError
        If verified_share is outside (0, 1], or there is no cancer (or none on record to judge).

    Notes
    -----
    Verification depends on the recall alone, so that the cancers per verified woman sent home hold
    for all sent home: sensitivity = P(+, cancer) / (P(+, cancer) + P(-) P(cancer | -, verified)).
    The weight is estimated once and not in every replicate.

    References
    ----------
    Begg and Greenes 1983, doi:10.2307/2530820
    """
    if not 0 < verified_share <= 1:
        raise InputError(f"verified_share must lie in (0, 1], not {verified_share}.")
    record = recorded_label(exams, rng, dose)
    place = _place(exams["patient_id"], deepcopy(rng))
    recall, cancer, patients, weight = _columns(exams)
    # the asked lie above the dose; of those below, the first are asked for the repair
    verified = recall | (place >= dose) | (place < dose * verified_share)
    sent_home = weight[~recall].sum()
    asked = weight[~recall & verified].sum()
    stands_for = np.where(recall, 1.0, sent_home / asked if asked else np.nan)
    repaired = Estimate(np.nan, np.nan, np.nan)
    if np.isfinite(stands_for).all():
        repaired = share_estimate(
            recall, cancer & verified, patients, weight * stands_for, bootstrap
        )
    return Outcome(
        dose,
        dose,
        share_estimate(recall, record, patients, weight, bootstrap),
        share_estimate(recall, cancer, patients, weight, bootstrap),
        repaired,
        guards_label.label_source(record, recall, weight, patients),
    )


def short_follow_up(
    exams: pd.DataFrame,
    bootstrap: PatientBootstrap,
    rng: np.random.Generator,
    dose: float,
    work_up_days: int = 60,
    most_short: float = 0.9,
    horizon_days: int = 365,
) -> Outcome:
    """Call women healthy as soon as the work-up of their screen is over.

    The cancers found by the screen are known by then; those it missed surface later.

    Parameters
    ----------
    exams : DataFrame, n rows
        As for `verification_bias`, with days_to_diagnosis; all were followed to the horizon.
    bootstrap : PatientBootstrap
    rng : numpy Generator
        The order of the women; it is copied, so that each dose has the same.
    dose : float
        The share of women who are followed for the work-up only is `dose` times `most_short`.
    work_up_days : int
        Days within which a recall leads to a diagnosis (assumption).
    most_short : float in [0, 1)
        Below 1: where nobody is followed on, no analysis can tell how many cancers surface.
    horizon_days : int
        Days of follow-up that the others have.

    Returns
    -------
    Outcome
        The readers' sensitivity. reported: among the cancers known by then; true: among those
        within the horizon; repaired: by inverse probability of censoring, where a cancer that
        surfaces late counts for those whom one no longer watched.

    Raises
    ------
    InputError
        If most_short is outside [0, 1), the work-up takes until the horizon, there is no cancer, or
        one without a date.

    Notes
    -----
    The censoring weights are estimated once and not in every replicate.

    References
    ----------
    Freeman 2021, doi:10.1136/bmj.n1872; Uno et al. 2007, doi:10.1198/016214507000000149 (weights)
    """
    if not 0 <= most_short < 1 or not 0 < work_up_days < horizon_days:
        raise InputError(
            "most_short must lie in [0, 1) and the work-up end before the horizon; they are "
            f"{most_short}, {work_up_days} and {horizon_days} days."
        )
    share = check_dose(dose) * most_short
    place = _place(exams["patient_id"], deepcopy(rng))
    followed_days = np.where(place < share, work_up_days, horizon_days)
    recall, cancer, patients, weight = _columns(exams)
    days = exams["days_to_diagnosis"].to_numpy(float)
    if np.isnan(days[cancer]).any():
        raise InputError("days_to_diagnosis is blank for exams with cancer: they have no date.")
    known = cancer & (days <= followed_days)
    time_years = np.where(known, days, followed_days) / DAYS_PER_YEAR
    status, stands_for = status_by_horizons(
        time_years, known.astype(int), [horizon_days / DAYS_PER_YEAR], weight
    )
    return Outcome(
        dose,
        share,
        share_estimate(recall, known, patients, weight, bootstrap),
        share_estimate(recall, cancer, patients, weight, bootstrap),
        share_estimate(recall, status[:, 0], patients, weight * stands_for[:, 0], bootstrap),
        guards_follow_up.follow_up(known, followed_days, horizon_days, weight, patients),
    )


def _columns(exams: pd.DataFrame) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Recall, cancer, patients and weight of the exams, as arrays."""
    cancer = exams[LABEL].to_numpy(bool)
    if not cancer.any():
        raise InputError(f"There is no cancer among {len(exams)} exams: no sensitivity to report.")
    return (
        exams["recall"].to_numpy(bool),
        cancer,
        exams["patient_id"].to_numpy(),
        exams["sampling_weight"].to_numpy(float),
    )


def _place(patient_ids: pd.Series, rng: np.random.Generator) -> NDArray[np.float64]:
    """Each exam's woman at a place in [0, 1) of a random queue: those below a share come first."""
    first, codes = np.unique(patient_ids.to_numpy(), return_inverse=True)
    return (rng.permutation(len(first)) / len(first))[codes]
