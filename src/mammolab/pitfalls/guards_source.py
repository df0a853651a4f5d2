"""Guards on where exams come from: hospitals, scanners, years, and what is burnt into the border."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_vector
from mammolab.evaluate.resampling import ratio_or_nan, sum_replicates
from mammolab.pitfalls._contrasts import (
    LEVEL,
    draw_bootstrap,
    group_contrasts,
    judged_groups,
    max_t_p_values,
    most_telling,
)
from mammolab.pitfalls._cross_validation import (
    N_FOLDS,
    patient_folds,
    principal_components,
    probe_aucs,
)
from mammolab.pitfalls._exams import Exams, check_exams, check_levels, told
from mammolab.pitfalls._permutation import exchanged_rows
from mammolab.pitfalls.guards import METADATA_TOLERANCE
from mammolab.pitfalls.verdict import GuardVerdict

# Incidence differs this much between women of 45 and of 60, so that hospitals of one programme
# may (assumption).
PREVALENCE_FOLD = 1.5
# Standard deviations of the healthy women's scores. The threshold that triples its recalls after a
# software upgrade (13% to 48%, de Vries 2023) has seen a shift of 1.1; a fifth of one moves 13%
# to 18% (assumption).
SCORE_SHIFT_SD = 0.2
N_PROBE_PERMUTATIONS = 99
_BORDER = 8  # the border is one eighth of the shorter side


def prevalence_by_source(
    label: ArrayLike,
    source: ArrayLike,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    limit: float = PREVALENCE_FOLD,
) -> GuardVerdict:
    """Ask whether cancers are more frequent in exams from one source than from the others.

    Where they are, knowing the source is knowing part of the label.

    Parameters
    ----------
    label : array-like of bool, shape (n,)
    source : array-like, shape (n,)
        Hospital, scanner, year, archive; a missing one is a source too.
    patient_ids : array-like of str, shape (n,)
    rng : numpy Generator
    sample_weight : array-like of float, shape (n,), optional
    limit : float
        Above 1.

    Returns
    -------
    GuardVerdict
        statistic: how many times more (or less) frequent cancers are in the source that differs
        most than in all others, above 1 either way; an empty one counts half a cancer. Fires above
        the limit if p < .05 (max-T over all sources).

    Raises
    ------
    InputError
        If the label has one class, there is one source or over 100, or no source and its rest
        have 20 patients each.

    Notes
    -----
    Cancers are few, so that their spread is simulated and not estimated: if the source says
    nothing, each woman with cancer was seen in one that is drawn from those of all exams. The
    spread of the exams without cancer comes from the patient bootstrap.

    References
    ----------
    Zech et al. 2018, doi:10.1371/journal.pmed.1002683 (prevalence 34% in one hospital, 1% in
    another: the hospital alone has an AUC of .861). Westfall and Young 1993 (max-T).
    """
    exams = check_exams(label, patient_ids, sample_weight)
    codes, names = check_levels(source, "source", len(exams.label))
    groups = codes[:, None] == np.arange(len(names))
    groups, names = judged_groups(groups, names, exams.patient, exams.weight, "source")
    # No cancer at all would make the ratio infinite.
    totals = exams.weight @ groups
    half = 0.5 * exams.weight[exams.label & (exams.weight > 0)].mean()
    cancers = (exams.weight * exams.label) @ groups
    inside = cancers / totals
    rest = (exams.weight @ exams.label - cancers) / (exams.weight.sum() - totals)
    fold = np.exp(
        np.abs(
            np.log(np.maximum(inside, half / totals))
            - np.log(np.maximum(rest, half / (exams.weight.sum() - totals)))
        )
    )
    p_values = _p_of_sources(groups, exams, rng)
    at = most_telling(fold, p_values)
    fired = bool(fold[at] > limit and p_values[at] < LEVEL)
    finding = (
        "the source gives the label away: take both classes from the same places"
        if fired
        else "no more than chance or the limit allows"
    )
    message = (
        f"Of 1,000 exams from {names[at]}, {1000 * inside[at]:.1f} have cancer, of the "
        f"others {1000 * rest[at]:.1f} (a factor of {fold[at]:.2g}, limit {limit:g}, "
        f"p = {p_values[at]:.2g}): {finding}."
    )
    return GuardVerdict("prevalence_by_source", float(fold[at]), limit, fired, message)


def score_by_device(
    score: ArrayLike,
    device: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    limit: float = SCORE_SHIFT_SD,
) -> GuardVerdict:
    """Ask whether scores differ between devices among exams with the same outcome.

    One threshold then means another recall rate on each.

    Parameters
    ----------
    score : array-like of float, shape (n,)
        Any scale: only its order is used.
    device : array-like, shape (n,)
        A missing one is a level too.
    label, patient_ids, rng, sample_weight
        As for `prevalence_by_source`.
    limit : float
        In standard deviations.

    Returns
    -------
    GuardVerdict
        statistic: the largest distance of a device from all others, healthy exams and cancers
        apart, in standard deviations of the scores of that class. Fires above the limit if
        p < .05 (max-T over devices, patient bootstrap; times two where both classes are judged).

    Raises
    ------
    InputError
        As `prevalence_by_source`.

    Notes
    -----
    Scores are replaced by normal scores of their weighted ranks in the class, so that a skewed
    score and its logit give the same verdict. A device and its rest are judged in a class where
    they have 20 patients each.

    References
    ----------
    de Vries et al. 2023, doi:10.1148/ryai.220146 (the same threshold recalled 48.3% in place of
    13.0%, and three times as many after a software upgrade).
    """
    exams = check_exams(label, patient_ids, sample_weight)
    with told():
        score = check_vector(score, "score", len(exams.label))
    codes, names = check_levels(device, "device", len(score))
    on_device = codes[:, None] == np.arange(len(names))
    effects, p_values, titles, refusals = [], [], [], []
    for truth, kind in ((False, "healthy"), (True, "cancer")):
        rows = np.flatnonzero(exams.label == truth)
        patient, weight = exams.patient[rows], exams.weight[rows]
        try:
            groups, kept = judged_groups(on_device[rows], names, patient, weight, "device")
        except InputError as error:
            refusals.append(error)
            continue
        found = group_contrasts(_normal_scores(score[rows], weight), groups, patient, weight, rng)
        effects.append(found.gap)
        p_values.append(found.p_adjusted)
        titles += [f"{kind} exams on {name}" for name in kept]
    if not effects:
        raise refusals[0]
    p_values = np.minimum(np.concatenate(p_values) * len(p_values), 1)
    effects = np.concatenate(effects)
    at = most_telling(np.abs(effects), p_values)
    statistic = float(abs(effects[at]))
    fired = bool(statistic > limit and p_values[at] < LEVEL)
    message = (
        f"Scores of {titles[at]} lie {statistic:.2f} standard deviations "
        f"{'above' if effects[at] > 0 else 'below'} those on other devices (limit {limit:g}, "
        f"p = {p_values[at]:.2g})"
        + (": one threshold will not do for all devices." if fired else ".")
    )
    return GuardVerdict("score_by_device", statistic, limit, fired, message)


def device_probe(
    features: ArrayLike,
    device: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    tolerance: float = METADATA_TOLERANCE,
    n_permutations: int = N_PROBE_PERMUTATIONS,
) -> GuardVerdict:
    """Ask how well a network's features tell the device, among exams with the same label.

    What they tell is no fault by itself: pictures of two makers differ. But a head on top of them
    can use it wherever device and label go together.

    Parameters
    ----------
    features : array-like of float, shape (n, k)
    device : array-like, shape (n,)
    label, patient_ids, sample_weight
        As for `prevalence_by_source`.
    rng : numpy Generator
        Deals patients to folds and permutes devices.
    tolerance : float
    n_permutations : int

    Returns
    -------
    GuardVerdict
        statistic: AUC of a linear probe, cross-validated over patients, for the device that is told
        best from the others; limit: `tolerance`, or, for a statistic above it, the 95th percentile
        of the same with devices permuted among patients of equal label, if that is larger. Fires
        above the limit.

    Raises
    ------
    InputError
        As `prevalence_by_source`, and if there are fewer than five patients.

    References
    ----------
    Badgeley et al. 2019, doi:10.1038/s41746-019-0105-1 (features tell the scanner with an AUC of
    1.00; fractures at .78 fell to .52 once process variables were matched).
    """
    exams = check_exams(label, patient_ids, sample_weight)
    table = _feature_table(features, len(exams.label))
    codes, names = check_levels(device, "device", len(table))
    groups = codes[:, None] == np.arange(len(names))
    groups, names = judged_groups(groups, names, exams.patient, exams.weight, "device")
    folds = patient_folds(patient_ids, len(table), N_FOLDS, rng)
    components = principal_components(table, exams.weight)
    stratum = exams.label.astype(np.intp)

    def aucs(targets: NDArray[np.bool_]) -> NDArray[np.float64]:
        return probe_aucs(components, targets, stratum, folds, exams.weight)

    observed = aucs(groups)
    at = int(observed.argmax())
    statistic, limit = float(observed[at]), tolerance
    if statistic > tolerance:
        chance = [
            aucs(groups[drawn].transpose(1, 0, 2).reshape(len(table), -1))
            .reshape(len(drawn), -1)
            .max(axis=1)
            for drawn in exchanged_rows(exams.patient, stratum, n_permutations, rng)
        ]
        limit = max(tolerance, float(np.quantile(np.concatenate(chance), 1 - LEVEL)))
    fired = statistic > limit
    message = (
        f"Features tell {names[at]} from the other devices with an AUC of {statistic:.2f} at fixed "
        f"label (limit {limit:.2f})"
        + (": a head can lean on the device wherever it goes with the label." if fired else ".")
    )
    return GuardVerdict("device_probe", statistic, limit, fired, message)


def border_probe(
    images: NDArray[np.uint8],
    label: ArrayLike,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    tolerance: float = METADATA_TOLERANCE,
    n_permutations: int = N_PROBE_PERMUTATIONS,
) -> GuardVerdict:
    """Ask how well the border of the image alone tells the label: markers, text, collimation.

    Parameters
    ----------
    images : array of uint8, shape (n, h, w)
        At least 16 x 16 pixels.
    label, patient_ids, sample_weight
        As for `prevalence_by_source`.
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
    table = _feature_table(border_features(images), len(exams.label))
    folds = patient_folds(patient_ids, len(table), N_FOLDS, rng)
    components = principal_components(table, exams.weight)
    everyone = np.zeros(len(table), dtype=np.intp)

    def auc(label: NDArray[np.bool_], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        return probe_aucs(components, label, everyone, folds, weight)

    statistic, limit = float(auc(exams.label[:, None], exams.weight)[0]), tolerance
    if statistic > tolerance:
        chance = []
        for drawn in exchanged_rows(exams.patient, everyone, n_permutations, rng):
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


def _p_of_sources(
    groups: NDArray[np.bool_], exams: Exams, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Max-T p-values, shape (k,), of the share of cancers against that of the rest in each source."""
    weight, label, patient = exams.weight, exams.label, exams.patient
    share = weight @ groups / weight.sum()
    cancer_weight = np.bincount(patient[label], weight[label])
    cancer_weight = cancer_weight[cancer_weight > 0] / cancer_weight.sum()
    of_cancers = weight[label] @ groups[label] / weight[label].sum()
    of_rest = weight[~label] @ groups[~label] / weight[~label].sum()

    bootstrap = draw_bootstrap(patient[~label], rng)
    columns = np.column_stack([groups[~label], np.ones(len(groups[~label]))])
    sums = sum_replicates(columns * weight[~label, None], patient[~label], bootstrap)
    drawn_rest = ratio_or_nan(sums[:, :-1], sums[:, -1:]) - of_rest
    # Sources that are not judged share the rest of the line from 0 to 1.
    place = np.searchsorted(
        np.cumsum(share), rng.random((len(drawn_rest), len(cancer_weight))), side="right"
    )
    drawn_cancers = np.stack([(place == k) @ cancer_weight for k in range(len(share))], axis=1)
    null = drawn_cancers - share - drawn_rest
    spread = null.std(axis=0)
    return max_t_p_values(np.abs(of_cancers - of_rest) / spread, np.abs(null) / spread)


def _feature_table(features: ArrayLike, n_rows: int) -> NDArray[np.float64]:
    table = np.asarray(features, dtype=np.float64)
    if table.ndim != 2 or len(table) != n_rows or not np.isfinite(table).all():
        raise InputError(
            f"Features must be finite, one row for each of {n_rows} labels; they have shape "
            f"{table.shape}, {int((~np.isfinite(table)).sum())} values not finite."
        )
    return table


def _normal_scores(score: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal quantile of each score's weighted rank, ties at their middle."""
    _, level = np.unique(score, return_inverse=True)
    mass = np.bincount(level, weight)
    middle = (np.cumsum(mass) - mass / 2)[level] / weight.sum()
    return norm.ppf(np.clip(middle, 1e-9, 1 - 1e-9))
