"""Risk that is late detection: the cancers of the first year, which the image already shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.evaluate.checks import (
    Estimate,
    check_patient_ids,
    check_vector,
    check_weight,
)
from mammolab.evaluate.horizons import time_auc_estimate
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.pitfalls.failure import Failure, Outcome, check_dose
from mammolab.pitfalls.guards_follow_up import early_cancers
from mammolab.world.streams import stream

LATE_DETECTION = Failure(
    name="late_detection",
    title="Late detection sold as risk",
    metric="AUC of five-year risk",
    dial="share of first-year cancers kept",
    guard="early_cancers",
    repair="Leave out exams followed by a cancer within a year, and say so.",
    cost="The cancers of the first year, and with them some width of the interval.",
    source="Yala 2019, doi:10.1148/radiol.2019182716, where they are left out",
)


def late_detection(
    dose: float,
    score: ArrayLike,
    time_years: ArrayLike,
    event: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    seed: int,
    first_years: float = 1.0,
    horizon_years: float = 5.0,
) -> Outcome:
    """Present a score that finds cancers as one that foresees them.

    Parameters
    ----------
    dose : float in [0, 1]
        Share of the exams followed by cancer within `first_years` that stay in the test set.
    score : array-like of float, shape (n_exams,)
        Of any model; higher means more suspicious. That of a detector shows it best.
    time_years, event : array-like, shape (n_exams,)
        To the cancer (1), death (2) or the end of follow-up (0).
    patient_ids, sample_weight, bootstrap
        As for `evaluate.horizons.time_auc_estimate`.
    seed : int
        Which of the early cancers stay.
    first_years, horizon_years : float

    Returns
    -------
    Outcome
        reported: AUC by the horizon with the early cancers kept; true: without any, which is what a
        woman just read as healthy can expect; repaired: the same, for the repair is to leave them
        out.

    Raises
    ------
    InputError
        If first_years is not below horizon_years, or no exam has a cancer in between.

    References
    ----------
    Yala et al. 2019, doi:10.1148/radiol.2019182716, whose five-year risk leaves them out.
    """
    check_dose(dose)
    if not 0 < first_years < horizon_years:
        raise InputError(
            f"first_years must lie between 0 and {horizon_years}, the horizon, not {first_years}."
        )
    time = check_vector(time_years, "time_years")
    event = check_vector(event, "event", len(time)).astype(int)
    score = check_vector(score, "score", len(time))
    ids = check_patient_ids(patient_ids, len(time))
    weight = check_weight(sample_weight, len(time))
    cancer = event == 1
    early = cancer & (time <= first_years)
    if not (cancer & ~early & (time <= horizon_years)).any():
        raise InputError(
            f"No exam has a cancer after {first_years:g} and within {horizon_years:g} years: its "
            "risk cannot be judged."
        )
    # by exam and not by draw: a higher dose keeps all that a lower one kept
    keep = ~early | (stream(seed, "early cancers kept").random(len(time)) < dose)

    def estimate(rows: NDArray[np.bool_]) -> Estimate:
        return time_auc_estimate(
            time[rows],
            event[rows],
            score[rows],
            [horizon_years],
            ids[rows],
            weight[rows],
            bootstrap,
        )[0]

    true = estimate(~early)
    return Outcome(
        dose,
        float(weight[early & keep].sum() / weight[early].sum()) if early.any() else 0.0,
        estimate(keep),
        true,
        true,
        early_cancers(time[keep], event[keep], first_years, weight[keep], ids[keep]),
    )
