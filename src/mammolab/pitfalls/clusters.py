"""Several images of a woman, counted as so many women."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.rates import proportion_estimate
from mammolab.pitfalls.failure import Failure, Outcome, check_dose
from mammolab.pitfalls.guards_unit import clustered_interval
from mammolab.pitfalls.many_aucs import auc_separation, many_aucs
from mammolab.world.streams import stream

CONFIDENCE = 0.95
MOST_IMAGES = 4  # a screening exam: two views of two breasts

IMAGES_INDEPENDENT = Failure(
    name="images_independent",
    title="Images counted as patients",
    metric="coverage of the 95% interval",
    dial="images per patient",
    guard="clustered_interval",
    repair="Make the patient the unit: a clustered variance, or a bootstrap that draws patients.",
    cost="A wider interval, which is the honest one; no exam is lost.",
    source="Obuchowski 1997, doi:10.2307/2533958",
)


def images_independent(
    dose: float,
    seed: int,
    auc: float = 0.80,
    correlation: float = 0.85,
    n_cancers: int = 50,
    n_healthy: int = 100,
    n_studies: int = 2000,
) -> Outcome:
    """Simulate studies with several images a woman, and see how often an interval holds the truth.

    A woman's images agree: four of them are not four women. DeLong's formula takes them for that,
    its interval is too short, and one AUC too many is called different from another.

    Parameters
    ----------
    dose : float in [0, 1]
        From one image a woman to four, on average over women.
    seed : int
    auc : float
        True AUC of a single image.
    correlation : float in [0, 1)
        Of two images' scores of a woman of either class.
    n_cancers, n_healthy : int
        Women a study.
    n_studies : int

    Returns
    -------
    Outcome
        reported: the 95% that the interval claims; true: the share of studies in which DeLong's
        interval holds the true AUC, with the exact interval of the simulation; repaired: the same
        for the clustered interval. The guard sees the first study alone.

    References
    ----------
    Obuchowski 1997, doi:10.2307/2533958 (clustered ROC data). With four images a woman DeLong's
    interval held the truth in 68.5% of studies once measured, the clustered one in 92.5%.
    """
    check_dose(dose)
    if not 0 <= correlation < 1:
        raise InputError(f"correlation must lie in [0, 1), not {correlation}.")
    per_patient = 1 + (MOST_IMAGES - 1) * dose
    scores = [
        _scores(stream(seed, f"images {name}"), (n_studies, n), per_patient, correlation) + shift
        for name, n, shift in (
            ("cancers", n_cancers, auc_separation(auc)),
            ("healthy", n_healthy, 0.0),
        )
    ]
    studies = many_aucs(*scores)
    return Outcome(
        dose,
        per_patient,
        reported=Estimate(CONFIDENCE, np.nan, np.nan),
        true=_coverage(studies.auc, studies.image_variance, auc),
        repaired=_coverage(studies.auc, studies.patient_variance, auc),
        guard=clustered_interval(*_first_study(*scores)),
    )


def _coverage(aucs: NDArray, variance: NDArray, truth: float) -> Estimate:
    """Share of studies whose normal interval holds the truth."""
    held = np.abs(aucs - truth) <= norm.ppf(0.5 + CONFIDENCE / 2) * np.sqrt(variance)
    return proportion_estimate(int(held.sum()), len(held))


def _scores(
    rng: np.random.Generator, shape: tuple[int, int], per_patient: float, correlation: float
) -> NDArray[np.float64]:
    """Standard normal scores, (n_studies, n_patients, MOST_IMAGES); NaN beyond a woman's images."""
    hers = rng.standard_normal((*shape, 1))
    own = rng.standard_normal((*shape, MOST_IMAGES))
    score = np.sqrt(correlation) * hers + np.sqrt(1 - correlation) * own
    whole, part = divmod(per_patient, 1)
    n_images = whole + (rng.random((*shape, 1)) < part)
    return np.where(np.arange(MOST_IMAGES) < n_images, score, np.nan)


def _first_study(
    cancers: NDArray, healthy: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """Score, label and patient of each image of the first study."""
    score = np.concatenate([cancers[0], healthy[0]])
    label = np.arange(len(score)) < len(cancers[0])
    shown = ~np.isnan(score)
    patient, _ = np.nonzero(shown)
    return score[shown], label[patient], patient
