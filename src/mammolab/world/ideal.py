"""The ceiling of detection: the AUC of an observer who knows where the lesion would be.

The observer is told the place and the size of what may be there, and has to say whether it is. At
an exam whose lesion stands out with a contrast-to-noise ratio c its statistic is normal with mean c
and SD 1, at an exam without cancer normal with mean 0 and SD 1 (same place, no lesion). A cancer
thus scores above a healthy exam with probability Phi(c / sqrt 2), and the AUC is the mean of that
over the cancers: signal known exactly (Green & Swets 1966, Signal Detection Theory and
Psychophysics; Barrett & Myers 2004, Foundations of Image Science, chapter 13).

What it is not. c belongs to one filter matched to the lesion's size, in the better of two views and
against the anatomy around it: not the Bayesian ideal, which would know the texture, the exact shape
and add up the views. Nor does the observer search, which costs every reader and network much: among
many places the loudest noise competes with the lesion. And exams without cancer within a year count
as showing none, though some show a cancer that will be found later, which tells against any method
that sees it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from mammolab.evaluate.auc_bootstrap import auc_replicates
from mammolab.evaluate.checks import Estimate, check_scores, check_vector
from mammolab.evaluate.resampling import (
    PatientBootstrap,
    percentile_interval,
    ratio_estimate,
    ratio_replicates,
)
from mammolab.evaluate.roc import auc
from mammolab.world.exam_pixels import ExamPixels
from mammolab.world.percept import LEAST_CNR, measured_log_cnr

# Side with cancer, as the cohort records it -> the breasts looked at.
BREASTS = {"L": ("L",), "R": ("R",), "B": ("L", "R"), "": ("L", "R")}


def cancer_cnr(exams: Sequence[ExamPixels], laterality: Sequence[str], rows: int, columns: int,
               conspicuity: float) -> NDArray[np.float64]:  # fmt: skip
    """Return how far the cancer of each exam stands out in the exam's own picture.

    Parameters
    ----------
    exams : the exams with cancer, n of them; see `exam_pixels.exams_of_run`.
    laterality : str [n], side with cancer: "L", "R", "B" (both) or "" (unknown: both).
    rows, columns, conspicuity : as the run drew its pictures, see `render`.

    Returns
    -------
    ndarray of float64 [n]
        Contrast-to-noise ratio in the better of the two views, of the most visible malignant lesion
        of that breast. 0 where none has a visible size yet, or none leaves a trace (`LEAST_CNR`).

    Raises
    ------
    ValueError
        If the lengths differ or a side is unknown.
    """
    laterality = [str(side) for side in laterality]
    if len(laterality) != len(exams):
        raise ValueError(f"{len(exams)} exams have {len(laterality)} sides")
    unknown = sorted(set(laterality) - set(BREASTS))
    if unknown:
        raise ValueError(
            f"unknown laterality {', '.join(map(repr, unknown))}; known: "
            f"{', '.join(map(repr, BREASTS))}"
        )
    found = np.zeros(len(exams))
    for number, (exam, side) in enumerate(zip(exams, laterality, strict=True)):
        a_view = {view.laterality: view for view in exam.views()}  # which one does not matter
        seen = [
            measured_log_cnr(view, lesion, rows, columns, conspicuity)
            for view in (a_view[breast] for breast in BREASTS[side])
            for lesion in view.lesions
            if lesion.malignant
        ]
        if seen and max(seen) > np.log(LEAST_CNR):
            found[number] = np.exp(max(seen))
    return found


def ideal_auc(cnr: ArrayLike, patient_ids: ArrayLike, sample_weight: ArrayLike | None,
              bootstrap: PatientBootstrap) -> Estimate:  # fmt: skip
    """AUC of the observer who knows where, with the percentile interval of the patient bootstrap.

    Parameters
    ----------
    cnr : array-like of float, shape (n_cancers,)
        Of the exams with cancer, see `cancer_cnr`; at least 0. Those without need not be drawn: the
        statistic there is standard normal.
    patient_ids : array-like of str, shape (n_cancers,)
    sample_weight : array-like of float, shape (n_cancers,), or None
    bootstrap : PatientBootstrap

    Returns
    -------
    Estimate
        The interval is over the cancers drawn. The limits are NaN where all cancers stand out
        alike and every replicate repeats the value.

    Raises
    ------
    ValueError
        If a ratio is missing or negative.

    Examples
    --------
    >>> bootstrap = PatientBootstrap.draw(["P1", "P2"], 200, seed=1)
    >>> round(ideal_auc([0.0, 1.0], ["P1", "P2"], None, bootstrap).value, 4)  # (.5 + Phi(.71)) / 2
    0.6301
    """
    right = _right_pairs(cnr)
    estimate = ratio_estimate(right, np.ones(len(right)), patient_ids, sample_weight, bootstrap)
    if np.ptp(right) == 0:
        return Estimate(estimate.value, float("nan"), float("nan"))
    return estimate


def ideal_difference(cnr: ArrayLike, score: ArrayLike, label: ArrayLike, patient_ids: ArrayLike,
                     sample_weight: ArrayLike | None,
                     bootstrap: PatientBootstrap) -> Estimate:  # fmt: skip
    """AUC of the observer who knows where less that of a score, on the same women.

    Parameters
    ----------
    cnr : array-like of float, shape (n_cancers,)
        Of the exams with cancer, in the order in which they come in `label`.
    score, label, patient_ids, sample_weight : array-like, shape (n_exams,)
        As for `evaluate.auc_bootstrap`.
    bootstrap : PatientBootstrap

    Returns
    -------
    Estimate
        Paired replicate by replicate; above 0 where the observer does better.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    patient_ids = np.asarray(patient_ids)
    right = check_vector(_right_pairs(cnr), "cnr", int(label.sum()))
    of_cancers = (np.ones(len(right)), patient_ids[label], weight[label], bootstrap)
    replicates = ratio_replicates(right, *of_cancers)
    replicates = replicates - auc_replicates(score, label, patient_ids, weight, bootstrap)
    value = np.average(right, weights=weight[label]) - auc(score, label, weight)
    return Estimate(float(value), *percentile_interval(replicates))


def _right_pairs(cnr: ArrayLike) -> NDArray[np.float64]:
    """Probability that each cancer scores above a healthy exam."""
    cnr = check_vector(cnr, "cnr")
    if (cnr < 0).any():
        raise ValueError(f"cnr must be at least 0; first below: {cnr[cnr < 0][:5].tolist()}")
    return ndtr(cnr / np.sqrt(2))
