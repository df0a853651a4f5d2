"""Guard on what is burnt into the border of an image: markers, text, collimation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.pitfalls._contrasts import LEVEL
from mammolab.pitfalls._cross_validation import (
    N_FOLDS,
    patient_folds,
    principal_components,
    probe_aucs,
)
from mammolab.pitfalls._exams import check_exams
from mammolab.pitfalls._permutation import N_PERMUTATIONS, blocks_of_others
from mammolab.pitfalls.guards_metadata import METADATA_TOLERANCE
from mammolab.pitfalls.verdict import GuardVerdict

_BORDER = 8  # the border is one eighth of the shorter side


def border_probe(
    images: NDArray[np.uint8],
    label: ArrayLike,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    tolerance: float = METADATA_TOLERANCE,
    n_permutations: int = N_PERMUTATIONS,
) -> GuardVerdict:
    """Ask how well the border of the image alone tells the label: markers, text, collimation.

    Parameters
    ----------
    images : array of uint8, shape (n, h, w)
        At least 16 x 16 pixels.
    label, patient_ids, sample_weight
        As for `guards_prevalence.prevalence_by_source`.
    rng : numpy Generator
        Deals patients to folds and permutes labels.
    tolerance : float
        The breast reaches the border at the chest wall, and dense breasts have more cancers: an AUC
        up to this is never fired on.
    n_permutations : int

    Returns
    -------
    GuardVerdict
        statistic: AUC of a linear probe on mean and maximum of the tiles along the border, one
        eighth of the shorter side wide, cross-validated over patients; limit: `tolerance`, or, for
        a statistic above it, the 95th percentile with labels permuted among patients, if that is
        larger. Fires above the limit.

    Raises
    ------
    InputError
        If the images have another shape or type, the label has one class, or there are fewer than
        five patients.

    References
    ----------
    Zech et al. 2018, doi:10.1371/journal.pmed.1002683 (a metal token in the corner gave the
    hospital away); DeGrave et al. 2021, doi:10.1038/s42256-021-00338-7 (markers and borders).
    """
    exams = check_exams(label, patient_ids, sample_weight)
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3 or min(images.shape[1:]) < 2 * _BORDER:
        raise InputError(
            f"images must be uint8 of shape (n, h, w), at least {2 * _BORDER} x {2 * _BORDER}, not "
            f"{images.dtype} {images.shape}."
        )
    if len(images) != len(exams.label):
        raise InputError(f"There are {len(images)} images for {len(exams.label)} labels.")
    table = border_features(images)
    folds = patient_folds(patient_ids, len(table), N_FOLDS, rng)
    components = principal_components(table, exams.weight)
    everyone = np.zeros(len(table), dtype=np.intp)

    def auc(label: NDArray[np.bool_], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        return probe_aucs(components, label, everyone, folds, weight)

    statistic, limit = float(auc(exams.label[:, None], exams.weight)[0]), tolerance
    if statistic > tolerance:
        chance = []
        for drawn in blocks_of_others(exams.patient, n_permutations, rng):
            if np.ptp(exams.weight) == 0:
                chance.append(auc(exams.label[drawn].T, exams.weight))
            else:  # a weight depends on the label and moves with it
                chance += [auc(exams.label[rows, None], exams.weight[rows]) for rows in drawn]
        limit = max(tolerance, float(np.quantile(np.concatenate(chance), 1 - LEVEL)))
    fired = statistic > limit
    message = (
        f"The border of the image alone tells the label with an AUC of {statistic:.2f} (limit "
        f"{limit:.2f})" + (": look for markers, text and collimation." if fired else ".")
    )
    return GuardVerdict("border_probe", statistic, limit, fired, message)


def border_features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean and maximum of each tile along the border, shape (n, 2 * number of tiles)."""
    band = min(images.shape[1:]) // _BORDER
    strips = [images[:, :band], images[:, -band:]]
    middle = images[:, band:-band]
    strips += [middle[:, :, :band].swapaxes(1, 2), middle[:, :, -band:].swapaxes(1, 2)]
    parts = []
    for strip in strips:  # (n, band, length)
        starts = np.arange(0, strip.shape[2], band)
        sizes = np.diff(np.append(starts, strip.shape[2]))
        total = np.add.reduceat(strip.sum(axis=1, dtype=np.float64), starts, axis=1)
        parts += [total / (band * sizes), np.maximum.reduceat(strip.max(axis=1), starts, axis=1)]
    return np.concatenate(parts, axis=1).astype(np.float64)
