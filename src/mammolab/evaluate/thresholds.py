"""Thresholds chosen on dev: whom to rule out, whom to rule in, and what the choice certifies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, binom

from mammolab.errors import InputError, unknown_name
from mammolab.evaluate.checks import (
    check_inside,
    check_patient_ids,
    check_scores,
    check_vector,
    check_weight,
)
from mammolab.evaluate.resampling import PatientBootstrap

RULES = ("certified", "minimum", "mean_of_bootstrap_minima")


@dataclass(frozen=True)
class RuleOutThreshold:
    """A threshold found on dev; exams with `score < threshold` are ruled out.

    rule : one of `RULES`.
    threshold : minus infinity where the rule rules nobody out.
    n_cancers, n_missed : patients with cancer in dev, and those of them it rules out.
    certified_sensitivity : lower confidence bound of the sensitivity of the rule among cancers
        like these. Exact for "certified" and "minimum" (a tolerance limit from an order
        statistic), nominal for the mean of minima, which is no order statistic. NaN where the
        cancers have unequal sampling weights: dev is then no simple sample of cancers.
    """

    rule: str
    threshold: float
    n_cancers: int
    n_missed: int
    certified_sensitivity: float

    @property
    def exact(self) -> bool:
        """Whether `certified_sensitivity` is an exact bound and not a nominal one."""
        return self.rule != "mean_of_bootstrap_minima"


@dataclass(frozen=True)
class RuleInThreshold:
    """A threshold found on dev; exams with `score >= threshold` are ruled in.

    threshold : infinity where nobody can be ruled in.
    n_without_cancer, n_false : patients of dev with an exam without cancer, and those of them who
        have such an exam ruled in.
    certified_specificity : lower confidence bound of the share of patients without cancer, like
        these, who are not ruled in.
    """

    threshold: float
    n_without_cancer: int
    n_false: int
    certified_specificity: float


def certified_sensitivity(n_cancers: int, n_missed: int, confidence: float = 0.95) -> float:
    """Lower one-sided exact binomial bound of a sensitivity (Clopper-Pearson 1934).

    Examples
    --------
    >>> round(certified_sensitivity(149, 0), 4)
    0.9801
    """
    check_inside(confidence, "confidence", 0, 1)
    if not 0 <= n_missed <= n_cancers or n_cancers < 1:
        raise ValueError(
            f"n_missed must lie in [0, n_cancers], n_cancers be positive: {n_missed} of {n_cancers}"
        )
    if n_missed == n_cancers:
        return 0.0
    return float(beta.ppf(1 - confidence, n_cancers - n_missed, n_missed + 1))


def cancers_needed(sensitivity: float, n_missed: int = 0, confidence: float = 0.95) -> int:
    """Fewest cancers that certify `sensitivity` when `n_missed` of them are ruled out.

    Examples
    --------
    >>> [cancers_needed(s) for s in (0.98, 0.99, 0.995)]
    [149, 299, 598]
    """
    check_inside(sensitivity, "sensitivity", 0, 1)
    check_inside(confidence, "confidence", 0, 1)
    if n_missed < 0:
        raise ValueError(f"n_missed must be at least 0, not {n_missed}")

    def certifies(n_cancers: int) -> bool:
        return binom.cdf(n_missed, n_cancers, 1 - sensitivity) <= 1 - confidence

    too_few, enough = n_missed, n_missed + 1
    while not certifies(enough):
        too_few, enough = enough, 2 * enough
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if certifies(middle) else (middle, enough)
    return enough


def minimum_threshold(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> RuleOutThreshold:
    """The lowest score of a dev cancer: rules out every exam below all of them."""
    lowest, _, one_weight = lowest_per_patient(score, label, patient_ids, sample_weight)
    return _describe("minimum", lowest[0], lowest, one_weight, 0, confidence)


def mean_of_bootstrap_minima(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
) -> RuleOutThreshold:
    """Mean over bootstrap replicates of the lowest score of a cancer, as in the published code.

    A replicate often leaves out the lowest cancers, so the mean lies above the minimum and misses
    some: it is not "miss none". Replicates that drew no cancer are left out.
    """
    lowest, patients, one_weight = lowest_per_patient(score, label, patient_ids, sample_weight)
    drawn = bootstrap.counts[:, bootstrap.columns(patients)] > 0  # (replicates, cancers by score)
    first = drawn.argmax(axis=1)[drawn.any(axis=1)]
    if not len(first):
        raise ValueError("no bootstrap replicate drew a cancer")
    threshold = lowest[first].mean()
    n_missed = int((lowest < threshold).sum())
    return _describe(
        "mean_of_bootstrap_minima", threshold, lowest, one_weight, n_missed, confidence
    )


def certified_threshold(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sensitivity: float,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> RuleOutThreshold:
    """The largest threshold whose sensitivity is certified to be at least `sensitivity`.

    Parameters
    ----------
    score, label, patient_ids, sample_weight : array-like, shape (n_exams,)
        Of dev. The cancers must have one common weight (they are sampled in full).
    sensitivity : float in (0, 1)
        Of the rule itself: the share of cancers, among patients like these, not ruled out.
    confidence : float
        Over draws of dev: the share of them whose threshold keeps the promise.

    Returns
    -------
    RuleOutThreshold
        Of threshold minus infinity where there are too few cancers to certify even zero misses;
        `cancers_needed` says how many that takes.

    Raises
    ------
    ValueError
        If there is no cancer, or cancers have unequal weights.

    Notes
    -----
    With the cancers' scores in order, the (k+1)-th as threshold misses k of n. Its sensitivity is
    below s with probability at most P(Binomial(n, 1 - s) <= k), whatever the distribution of
    scores, ties included; k is the largest for which this is at most 1 - confidence. The unit is
    the patient; of several exams followed by her cancer the lowest counts, which is conservative.
    This is Learn-then-Test with fixed-sequence testing from the lowest cancer upwards and the
    exact binomial p-value; a correction for many thresholds (Bonferroni, Holm) rules out less.

    References
    ----------
    Wilks 1941, doi:10.1214/aoms/1177731788 (tolerance limits).
    Angelopoulos, Bates, Candes, Jordan, Lei 2021, arXiv:2110.01052 (Learn then Test).
    """
    check_inside(sensitivity, "sensitivity", 0, 1)
    check_inside(confidence, "confidence", 0, 1)
    lowest, _, one_weight = lowest_per_patient(score, label, patient_ids, sample_weight)
    if not one_weight:
        raise ValueError("cancers of unequal sample_weight: the order statistic bound needs one")
    n_allowed = failures_allowed(len(lowest), sensitivity, confidence)
    if n_allowed < 0:
        return RuleOutThreshold("certified", -np.inf, len(lowest), 0, 1.0)
    return _describe("certified", lowest[n_allowed], lowest, one_weight, n_allowed, confidence)


def certified_rule_in(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    specificity: float,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> RuleInThreshold:
    """The lowest threshold at or above which exams may be ruled in at a certified specificity.

    The mirror image of `certified_threshold`: it rules in as many exams as it can while the share
    of women without cancer who are not ruled in is certified to be at least `specificity`.

    Parameters
    ----------
    score, label, patient_ids, sample_weight : array-like, shape (n_exams,)
        Of dev. The exams without cancer must have one common weight: the share of a simple random
        sample of them estimates the share of all, and its binomial bound is exact.
    specificity : float in (0, 1)
    confidence : float
        Over draws of dev: the share of them whose threshold keeps the promise.

    Returns
    -------
    RuleInThreshold
        Of threshold infinity where there are too few patients without cancer.

    Raises
    ------
    ValueError
        If nobody is without cancer, or exams without cancer have unequal weights.

    Notes
    -----
    Of several exams without cancer the highest counts: a woman is spared if none is ruled in. The
    threshold is the next double above a woman's score, which itself is then not ruled in.

    Examples
    --------
    >>> rule = certified_rule_in([1, 2, 3, 4], [0, 0, 0, 1], ["A", "B", "C", "D"], 0.3)
    >>> (rule.threshold > 3, rule.n_without_cancer, rule.n_false)
    (True, 3, 0)
    """
    check_inside(specificity, "specificity", 0, 1)
    check_inside(confidence, "confidence", 0, 1)
    score, label, weight = check_scores(score, label, sample_weight)
    mirrored, _, one_weight = lowest_per_patient(-score, ~label, patient_ids, weight, "negative")
    if not one_weight:
        raise ValueError("exams without cancer of unequal sample_weight: the bound needs one")
    n_patients = len(mirrored)
    n_allowed = failures_allowed(n_patients, specificity, confidence)
    if n_allowed < 0:
        return RuleInThreshold(np.inf, n_patients, 0, 1.0)
    threshold = np.nextafter(-mirrored[n_allowed], np.inf)
    return RuleInThreshold(
        threshold=float(threshold),
        n_without_cancer=n_patients,
        n_false=int((-mirrored >= threshold).sum()),
        # the bound on a share of successes is the same, whatever the success is called
        certified_specificity=certified_sensitivity(n_patients, n_allowed, confidence),
    )


def top_fraction_threshold(
    score: ArrayLike, fraction: float, sample_weight: ArrayLike | None = None
) -> float:
    """The lowest score at or above which at most `fraction` of the exams lie.

    It fixes the workload of a pathway and promises nothing on cancers. For enhanced assessment
    give it the exams that readers did not recall.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
    fraction : float in (0, 1)
        Of the exams, by weight.
    sample_weight : array-like of float, shape (n_exams,), optional

    Returns
    -------
    float
        A score that occurs; tied exams stay together. Infinity where even the highest would be
        more than the fraction.

    Examples
    --------
    >>> top_fraction_threshold([0.1, 0.9, 0.5, 0.7], 0.5)
    0.7
    """
    check_inside(fraction, "fraction", 0, 1)
    score = check_vector(score, "score")
    weight = check_weight(sample_weight, len(score))
    distinct, place = np.unique(score[weight > 0], return_inverse=True)
    at_or_above = np.cumsum(np.bincount(place, weight[weight > 0])[::-1])[::-1]
    # the tolerance is for sums of weights that should be equal to the fraction
    few_enough = distinct[at_or_above <= fraction * weight.sum() * (1 + 1e-9)]
    return float(few_enough[0]) if len(few_enough) else float("inf")


def choose_rule(
    rules: Mapping[str, RuleOutThreshold], name: str, sensitivity: float, confidence: float
) -> RuleOutThreshold:
    """Return the rule of that name.

    `sensitivity` and `confidence` are what the certified rule was asked for.

    Raises
    ------
    InputError
        If there is no such rule, or it rules nobody out because dev has too few cancers.
    """
    if name not in rules:
        raise unknown_name("threshold rule", name, list(rules))
    rule = rules[name]
    if not np.isfinite(rule.threshold):
        raise InputError(
            f"{rule.n_cancers} caught cancers in the development set certify no sensitivity of "
            f"{sensitivity:.1%}: that takes {cancers_needed(sensitivity, confidence=confidence)} of "
            "them; lower target_sensitivity or choose another threshold_rule"
        )
    return rule


def lowest_per_patient(
    score: ArrayLike,
    chosen: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    kind: str = "positive",
) -> tuple[NDArray[np.float64], NDArray, bool]:
    """Lowest score of each patient's chosen exams, in rising order; the patients; one weight?"""
    score, chosen, weight = check_scores(score, chosen, sample_weight)
    patient_ids = check_patient_ids(patient_ids, len(score))
    chosen = chosen & (weight > 0)
    if not chosen.any():
        raise ValueError(f"label holds no {kind} row: a threshold needs some")
    patients, place = np.unique(patient_ids[chosen], return_inverse=True)
    lowest = np.full(len(patients), np.inf)
    np.minimum.at(lowest, place, score[chosen])
    order = np.argsort(lowest, kind="stable")
    one_weight = bool(np.ptp(weight[chosen]) <= 1e-9 * weight[chosen].max())
    return lowest[order], patients[order], one_weight


def failures_allowed(n: int, share: float, confidence: float) -> int:
    """Most failures among n that still certify the share of successes; -1 if not even none."""
    risk = binom.cdf(np.arange(n), n, 1 - share)
    return int((risk <= 1 - confidence).sum()) - 1  # risk rises with the failures allowed


def _describe(rule, threshold, lowest, one_weight, n_allowed, confidence) -> RuleOutThreshold:
    # tied scores may spare some of the misses allowed, but the bound was bought with all of them
    bound = certified_sensitivity(len(lowest), n_allowed, confidence)
    return RuleOutThreshold(
        rule=rule,
        threshold=float(threshold),
        n_cancers=len(lowest),
        n_missed=int((lowest < threshold).sum()),
        certified_sensitivity=bound if one_weight else float("nan"),
    )
