"""Guards on scores and on what is claimed of them: calibration, thresholds, intervals, selection."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.special import logit
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_probabilities, check_scores
from mammolab.evaluate.delong import auc_covariance
from mammolab.evaluate.gaps import auc_gaps, calibration_gaps
from mammolab.evaluate.resampling import sum_replicates
from mammolab.pitfalls._contrasts import (
    LEVEL,
    draw_bootstrap,
    group_contrasts,
    judged_groups,
    most_telling,
)
from mammolab.pitfalls._exams import check_exams, check_groups, indicators, told
from mammolab.pitfalls.verdict import GuardVerdict

# Cancers predicted over cancers observed, or the other way round. A product in use was 32% below
# and 33% above, by maker of the device (PMC12062211); a quarter is asked for here (assumption).
CALIBRATION_FACTOR = 1.25
# Odds of a healthy exam to be flagged, in a group over those of everyone else: 10% against 14%
# (assumption).
FLAGGED_ODDS_RATIO = 1.5
# An interval a tenth too short covers 92 in place of 95 of a hundred truths (normal).
INTERVAL_RATIO = 1.1
AUC_GAP = 0.05  # of a group below everyone else (assumption)
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

    A network trained on balanced batches promises eighty times too many.

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
    with told():
        probability, _, _ = check_probabilities(probability, exams.label, exams.weight)
        table = calibration_gaps(
            probability,
            exams.label,
            _one_grouping(group, len(probability)),
            exams.patient,
            exams.weight,
            draw_bootstrap(exams.patient, rng),
        )
    judged = _judged(table, "20 patients and 10 cancers")
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
    groups, names = indicators(_one_grouping(group, len(score)))
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


def subgroup_gap(
    score: ArrayLike,
    label: ArrayLike,
    groups: pd.DataFrame,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    limit: float = AUC_GAP,
) -> GuardVerdict:
    """Ask whether the good mean hides a group in which the score does worse.

    Parameters
    ----------
    score, label, patient_ids, rng, sample_weight
        As for `threshold_by`.
    groups : DataFrame, n rows
        One column a way of grouping, as categories; a missing value is a category too.
    limit : float
        Above 0.

    Returns
    -------
    GuardVerdict
        statistic: by how much the AUC of the group that falls short most lies below that of
        everyone else. Fires above the limit if p < .05 (max-T over all groups, patient bootstrap).

    Raises
    ------
    InputError
        If no group and its rest have 20 patients and 10 cancers each.

    References
    ----------
    Oakden-Rayner et al. 2020, doi:10.1145/3368555.3384468 (hidden stratification: over 20%
    relative); Seyyed-Kalantari et al. 2021, doi:10.1038/s41591-021-01595-0.
    """
    exams = check_exams(label, patient_ids, sample_weight)
    with told():
        score, _, _ = check_scores(score, exams.label, exams.weight)
        table = auc_gaps(
            score,
            exams.label,
            check_groups(groups, len(score)),
            exams.patient,
            exams.weight,
            draw_bootstrap(exams.patient, rng),
        )
    judged = _judged(table, "20 patients and 10 cancers")
    short = -judged["gap"].to_numpy()
    p_values = judged["p_adjusted"].to_numpy()
    at = most_telling(short, np.where(short > 0, p_values, 1.0))
    row, statistic = judged.iloc[at], float(short[at])
    fired = bool(statistic > limit and p_values[at] < LEVEL)
    untold = len(table) - 1 - len(judged)
    message = (
        f"The AUC in {row['subgroup']} is {row['estimate']:.2f} and among the others "
        f"{row['rest']:.2f} (limit {limit:g} below, p = {p_values[at]:.2g}; {untold} groups too "
        "small to tell)" + (": the mean hides it." if fired else ".")
    )
    return GuardVerdict("subgroup_gap", statistic, limit, fired, message)


def cancers_needed(
    label: ArrayLike,
    groups: pd.DataFrame,
    patient_ids: ArrayLike,
    auc: float = 0.85,
    gap: float = 0.10,
    power: float = 0.80,
) -> GuardVerdict:
    """Ask whether the smallest group has cancers enough to know whether the score fails there.

    Parameters
    ----------
    label : array-like of bool, shape (n,)
    groups : DataFrame, n rows
        One column a way of grouping, as categories; a missing value is a category too.
    patient_ids : array-like of str, shape (n,)
    auc : float
        Among everyone else.
    gap : float
        The shortfall in AUC that must not go unseen.
    power : float

    Returns
    -------
    GuardVerdict
        statistic: women with cancer in the group with fewest; limit: those needed there. Fires
        below the limit, which is infinite where the others alone are too few.

    Raises
    ------
    InputError
        If auc - gap is not above one half, or no column of groups has two levels.

    Notes
    -----
    Healthy women are many and add nothing to the variance: that of an AUC A from n cancers is then
    (2 A^2 / (1 + A) - A^2) / n (Hanley and McNeil). The test is two-sided at 5% over the number of
    groups (Bonferroni).

    References
    ----------
    Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    if not (0.5 <= auc - gap < auc < 1 and 0 < power < 1):
        raise InputError(
            f"auc {auc}, gap {gap} and power {power} do not fit: auc - gap must be at least one "
            "half, auc below 1 and power between 0 and 1."
        )
    exams = check_exams(label, patient_ids, None)
    counts = {
        f"{name}={level}": len(np.unique(exams.patient[exams.label & (levels == level)]))
        for name, levels in check_groups(groups, len(exams.label)).items()
        for level in np.unique(levels)
    }
    smallest = min(counts, key=counts.get)
    rest = len(np.unique(exams.patient[exams.label])) - counts[smallest]
    error = gap / (norm.ppf(1 - LEVEL / 2 / len(counts)) + norm.ppf(power))
    left = error**2 - (_variance_of_one(auc) / rest if rest else np.inf)
    needed = float(np.ceil(_variance_of_one(auc - gap) / left)) if left > 0 else np.inf
    fired = counts[smallest] < needed
    message = (
        f"{counts[smallest]} women with cancer are in {smallest}, and {needed:.0f} are needed to "
        f"see an AUC of {auc - gap:.2f} beside one of {auc:.2f} in {100 * power:.0f} of 100 "
        f"studies that look at {len(counts)} groups" + (": what is not seen may be." * fired or ".")
    )
    return GuardVerdict("cancers_needed", float(counts[smallest]), needed, fired, message)


def disclosed_selection(
    n_candidates: int | None, n_test_looks: int | None, n_seeds: int | None
) -> GuardVerdict:
    """Ask whether it was told how often one has tried, and how often on the test set.

    Parameters
    ----------
    n_candidates : int or None
        Models, epochs, settings or subgroups that were tried; None where not told.
    n_test_looks : int or None
        How many of them were scored on the test set before one was chosen; 1 is right.
    n_seeds : int or None
        Runs of the chosen one with another seed, itself included.

    Returns
    -------
    GuardVerdict
        statistic: standard errors by which the best of so many equal models looks better than it is
        (NaN where not told); limit: 0. Fires above it, where a number is not told, and
        where there is one seed, which cannot show how much is luck.

    Raises
    ------
    InputError
        If a number is below 1.

    Notes
    -----
    The expected maximum of independent normal variables; models tried on one test set are
    correlated, so that it is at most so much.

    References
    ----------
    Varoquaux and Cheplygina 2022, doi:10.1038/s41746-022-00592-y.
    """
    numbers = {"candidates": n_candidates, "looks at the test set": n_test_looks, "seeds": n_seeds}
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise InputError(f"The number of {name} must be at least 1, not {number}.")
    untold = [name for name, number in numbers.items() if number is None]
    luck = float("nan") if n_test_looks is None else expected_best(n_test_looks)
    fired = bool(untold) or luck > 0 or n_seeds == 1
    if untold:
        finding = f"The number of {' and of '.join(untold)} is not told"
    elif luck > 0:
        finding = (
            f"The test set was looked at {n_test_looks} times: the best of so many equal models "
            f"looks up to {luck:.1f} standard errors better than it is"
        )
    elif n_seeds == 1:
        finding = "One seed was run, which does not show how much of the result is luck"
    else:
        finding = f"{n_candidates} candidates, one look at the test set, {n_seeds} seeds"
    return GuardVerdict("disclosed_selection", luck, 0.0, fired, finding + ".")


def expected_best(n: int) -> float:
    """Expected maximum of n independent standard normal variables; 0 for n = 1.

    Examples
    --------
    >>> round(expected_best(2), 4), round(expected_best(50), 2)
    (0.5642, 2.25)
    """
    if n == 1:
        return 0.0
    value, _ = quad(lambda x: x * n * np.exp(norm.logpdf(x) + (n - 1) * norm.logcdf(x)), -10, 20)
    return float(value)


def _one_grouping(group: ArrayLike, n_rows: int) -> dict[str, NDArray]:
    return check_groups(pd.DataFrame({"group": np.asarray(group, dtype=object)}), n_rows)


def _judged(table: pd.DataFrame, needed: str) -> pd.DataFrame:
    """The rows of a table of gaps that have one."""
    judged = table[table["gap"].notna()].reset_index(drop=True)
    if judged.empty:
        raise InputError(f"No group and its rest have {needed} each: too few to compare.")
    return judged


def _variance_of_one(auc: float) -> float:
    """Variance of an AUC from a single cancer among many healthy women (Hanley and McNeil)."""
    return 2 * auc**2 / (1 + auc) - auc**2
