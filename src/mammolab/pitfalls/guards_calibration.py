"""Guards on what a score stands for: calibration, and the threshold, in all and by group."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import logit
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_probabilities, check_scores
from mammolab.evaluate.gaps import calibration_gaps
from mammolab.evaluate.resampling import sum_replicates
from mammolab.pitfalls._contrasts import (
    LEVEL,
    draw_bootstrap,
    group_contrasts,
    judged_gaps,
    judged_groups,
    most_telling,
)
from mammolab.pitfalls._exams import check_exams, check_groups, check_levels, told
from mammolab.pitfalls.verdict import GuardVerdict

# Cancers predicted over cancers observed, or the other way round. A product in use was 32% below
# and 33% above, by maker of the device (PMC12062211); a quarter is asked for here (assumption).
CALIBRATION_FACTOR = 1.25
# Odds of a healthy exam to be flagged, in a group over those of everyone else: 10% against 14%
# (assumption).
FLAGGED_ODDS_RATIO = 1.5
MINIMUM_CANCERS = 10  # below, a ratio of cancers says nothing (assumption, as in evaluate.gaps)


def calibration(
    probability: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    limit: float = CALIBRATION_FACTOR,
) -> GuardVerdict:
    """Ask whether as many cancers come as the probabilities promise.

    A network trained on balanced batches promises dozens of times too many, in proportion to how
    rare cancer is.

    Parameters
    ----------
    probability : array-like of float in [0, 1], shape (n,)
    label : array-like of bool, shape (n,)
    patient_ids : array-like of str, shape (n,)
    rng : numpy Generator
        Draws patients.
    sample_weight : array-like of float, shape (n,), optional
        Without it an enriched set has too many cancers for any honest probability.
    limit : float
        Above 1.

    Returns
    -------
    GuardVerdict
        statistic: the factor between cancers predicted and observed, above 1 either way. Fires
        above the limit if p < .05 that so few or many came by chance (score test, its spread from
        the patient bootstrap).

    Raises
    ------
    InputError
        If there are fewer than 10 women with cancer, or no exam without.
    """
    exams = check_exams(label, patient_ids, sample_weight)
    n_women = len(np.unique(exams.patient[exams.label & (exams.weight > 0)]))
    if n_women < MINIMUM_CANCERS:
        raise InputError(
            f"{n_women} women with cancer are too few: calibration needs {MINIMUM_CANCERS}."
        )
    with told():
        probability, _, _ = check_probabilities(probability, exams.label, exams.weight)
    promised, came = exams.weight @ probability, exams.weight @ exams.label
    ratio = float(promised / came)
    difference = exams.weight * (exams.label - probability)
    bootstrap = draw_bootstrap(exams.patient, rng)
    error = sum_replicates(difference, exams.patient, bootstrap).std(ddof=1)
    # The spread where the promise holds: of as many cancers as were promised, not as came.
    z = (came - promised) / (error * np.sqrt(ratio)) if ratio else np.inf
    p_value = float(2 * norm.sf(abs(z)))
    factor = max(ratio, 1 / ratio) if ratio else np.inf
    fired = bool(factor > limit and p_value < LEVEL)
    message = (
        f"Probabilities promise {ratio:.2g} times the cancers that came (limit a factor of "
        f"{limit:g}, p = {p_value:.2g})"
        + (": recalibrate at the real incidence." if fired else ".")
    )
    return GuardVerdict("calibration", float(factor), limit, fired, message)


def calibration_by(
    probability: ArrayLike,
    label: ArrayLike,
    group: ArrayLike,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    limit: float = CALIBRATION_FACTOR,
) -> GuardVerdict:
    """Ask whether probabilities are as right in each group (device, site, age) as in the others.

    Parameters
    ----------
    probability, label, patient_ids, rng, sample_weight, limit
        As for `calibration`.
    group : array-like, shape (n,)
        A missing one is a group too.

    Returns
    -------
    GuardVerdict
        statistic: the factor between a group's ratio of cancers predicted to observed and that of
        everyone else, above 1 either way, of the group that differs most. Fires above the limit if
        p < .05 (max-T over all groups, patient bootstrap).

    Raises
    ------
    InputError
        If no group and its rest have 20 patients and 10 cancers each.

    References
    ----------
    `evaluate.gaps.calibration_gaps`, which does the test.
    """
    exams = check_exams(label, patient_ids, sample_weight)
    grouping = pd.DataFrame({"group": np.asarray(group, dtype=object)})
    with told():
        probability, _, _ = check_probabilities(probability, exams.label, exams.weight)
        table = calibration_gaps(
            probability,
            exams.label,
            check_groups(grouping, len(probability)),
            exams.patient,
            exams.weight,
            draw_bootstrap(exams.patient, rng),
        )
    judged = judged_gaps(table, "20 patients and 10 cancers")
    factor = np.exp(judged["gap"].abs().to_numpy())
    row = judged.iloc[most_telling(factor, judged["p_adjusted"].to_numpy())]
    statistic = float(np.exp(abs(row["gap"])))
    fired = bool(statistic > limit and row["p_adjusted"] < LEVEL)
    message = (
        f"Probabilities promise {row['estimate']:.2g} times the cancers that came in "
        f"{row['level']} and {row['rest']:.2g} times among the others (a factor of "
        f"{statistic:.2g}, limit {limit:g}, p = {row['p_adjusted']:.2g})"
        + (": recalibrate by group." if fired else ".")
    )
    return GuardVerdict("calibration_by", statistic, limit, fired, message)


def threshold_by(
    score: ArrayLike,
    threshold: float,
    label: ArrayLike,
    group: ArrayLike,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    limit: float = FLAGGED_ODDS_RATIO,
) -> GuardVerdict:
    """Ask whether one threshold flags as many healthy women in each group as in the others.

    Parameters
    ----------
    score : array-like of float, shape (n,)
    threshold : float
        `score >= threshold` is flagged.
    label, group, patient_ids, rng, sample_weight
        As for `calibration_by`; only exams without cancer are counted.
    limit : float
        Above 1.

    Returns
    -------
    GuardVerdict
        statistic: the odds ratio of being flagged, a group against everyone else, above 1 either
        way, of the group that differs most. Fires above the limit if p < .05 (max-T over all
        groups, patient bootstrap).

    Raises
    ------
    InputError
        If no group and its rest have 20 healthy patients each, or all or none are flagged.

    References
    ----------
    de Vries et al. 2023, doi:10.1148/ryai.220146 (48.3% in place of 13.0% recalled at the same
    threshold).
    """
    exams = check_exams(label, patient_ids, sample_weight)
    with told():
        score, _, _ = check_scores(score, exams.label, exams.weight)
        if np.isnan(threshold):
            raise InputError("threshold is NaN: name the score from which exams are flagged.")
    flagged = (score >= threshold)[~exams.label].astype(float)
    if flagged.all() or not flagged.any():
        raise InputError(
            f"The threshold {threshold:g} flags {int(flagged.sum())} of {len(flagged)} exams "
            "without cancer: there is nothing to compare."
        )
    patient, weight = exams.patient[~exams.label], exams.weight[~exams.label]
    codes, names = check_levels(group, "group", len(score))
    groups = codes[:, None] == np.arange(len(names))
    groups, names = judged_groups(groups[~exams.label], names, patient, weight, "group")
    mean = np.average(flagged, weights=weight)
    spread = float(np.sqrt(mean * (1 - mean)))
    found = group_contrasts(flagged, groups, patient, weight, rng, null_spread=spread)
    # A group flagged in full or not at all counts half an exam of the other kind.
    half = 0.5 * weight[weight > 0].mean()
    log_odds = [
        logit(np.clip(share, half / total, 1 - half / total))
        for share, total in (
            (found.inside, weight @ groups),
            (found.rest, weight.sum() - weight @ groups),
        )
    ]
    odds_ratio = np.exp(np.abs(log_odds[0] - log_odds[1]))
    at = most_telling(odds_ratio, found.p_adjusted)
    statistic, p_value = float(odds_ratio[at]), float(found.p_adjusted[at])
    fired = statistic > limit and p_value < LEVEL
    message = (
        f"The threshold flags {100 * found.inside[at]:.1f}% of healthy exams with {names[at]} and "
        f"{100 * found.rest[at]:.1f}% of the others (odds ratio {statistic:.2g}, limit {limit:g}, "
        f"p = {p_value:.2g})" + (": choose it by group." if fired else ".")
    )
    return GuardVerdict("threshold_by", statistic, limit, fired, message)
