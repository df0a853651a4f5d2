"""AUCs of many simulated studies at once, with the variance that images or patients imply."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from mammolab.errors import InputError


@dataclass(frozen=True, eq=False)
class ManyAucs:
    """One AUC a study, each of shape (n_studies,).

    Attributes
    ----------
    auc
    image_variance : by DeLong, as if every image were a patient of her own.
    patient_variance : with the images of a patient as one unit (Obuchowski).
    """

    auc: NDArray[np.float64]
    image_variance: NDArray[np.float64]
    patient_variance: NDArray[np.float64]


def many_aucs(cancers: NDArray[np.float64], healthy: NDArray[np.float64]) -> ManyAucs:
    """AUCs and their variances by `evaluate.delong.auc_covariance`, for all studies in one sort.

    Parameters
    ----------
    cancers, healthy : array of float, shape (n_studies, n_patients, n_images)
        Scores of women with and of women without cancer, without ties; NaN where a patient has
        fewer images. Higher means more suspicious.

    Returns
    -------
    ManyAucs

    Raises
    ------
    InputError
        If the arrays have another shape, or a class has fewer than two patients.

    References
    ----------
    DeLong, DeLong, Clarke-Pearson 1988, doi:10.2307/2531595. Obuchowski 1997, doi:10.2307/2533958.
    """
    cancers, healthy = np.asarray(cancers, float), np.asarray(healthy, float)
    if cancers.ndim != 3 or healthy.ndim != 3 or len(cancers) != len(healthy):
        raise InputError(
            "cancers and healthy must have shape (n_studies, n_patients, n_images), not "
            f"{cancers.shape} and {healthy.shape}."
        )
    if min(cancers.shape[1], healthy.shape[1]) < 2:
        raise InputError("A variance needs two women with cancer and two without.")
    n_studies = len(cancers)
    scores = np.concatenate([cancers.reshape(n_studies, -1), healthy.reshape(n_studies, -1)], 1)
    n_columns = cancers[0].size  # those of cancers come first
    order = np.argsort(scores, axis=1)  # NaN last
    is_cancer = order < n_columns
    present = ~np.isnan(np.take_along_axis(scores, order, axis=1))
    cancers_up_to = np.cumsum(is_cancer & present, axis=1)
    healthy_up_to = np.cumsum(~is_cancer & present, axis=1)
    n_cancers, n_healthy = cancers_up_to[:, -1:], healthy_up_to[:, -1:]
    placed = np.where(is_cancer, healthy_up_to / n_healthy, 1 - cancers_up_to / n_cancers)
    auc = (placed * (is_cancer & present)).sum(axis=1, keepdims=True) / n_cancers
    deviation = np.empty_like(scores)
    np.put_along_axis(deviation, order, np.where(present, placed - auc, 0.0), axis=1)

    by_image, by_patient = np.zeros(n_studies), np.zeros(n_studies)
    for part, shape, n in (
        (deviation[:, :n_columns], cancers.shape, n_cancers[:, 0]),
        (deviation[:, n_columns:], healthy.shape, n_healthy[:, 0]),
    ):
        by_image += (part**2).sum(axis=1) / (n * (n - 1))
        together = part.reshape(shape).sum(axis=2)
        n_patients = shape[1]
        by_patient += n_patients / (n_patients - 1) * (together**2).sum(axis=1) / n**2
    return ManyAucs(auc[:, 0], by_image, by_patient)


def auc_separation(auc: float) -> float:
    """How many standard deviations apart two normal classes of equal spread are that have this AUC.

    References
    ----------
    Simpson and Fitter 1973, doi:10.1037/h0035203.

    Examples
    --------
    >>> round(auc_separation(0.76), 3)
    0.999
    """
    if not 0 < auc < 1:
        raise InputError(f"An AUC between 0 and 1 is needed, not {auc}.")
    return float(np.sqrt(2) * norm.ppf(auc))
