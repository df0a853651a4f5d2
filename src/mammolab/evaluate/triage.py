"""Rule-out triage: thresholds, what they certify, and the simulated clinic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, binom

from mammolab.errors import InputError, unknown_name
from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    check_inside,
    check_patient_ids,
    check_scores,
    check_two_classes,
)
from mammolab.evaluate.paired import (
    NoninferiorityTest,
    ReplicateTest,
    noninferiority_test,
    paired_counts,
    published_noninferiority,
)
from mammolab.evaluate.resampling import (
    PatientBootstrap,
    ratio_estimate,
    ratio_replicates,
    share_estimate,
)


@dataclass(frozen=True)
class RuleOutThreshold:
    """A threshold found on dev; exams with `score < threshold` are ruled out.

    rule : "minimum", "mean_of_bootstrap_minima" or "certified".
    threshold : minus infinity where the rule rules nobody out.
    n_cancers, n_missed : patients with cancer in dev, and those of them it rules out.
    certified_sensitivity : lower confidence bound of the sensitivity of the rule among cancers
        like these. Exact for "certified" and "minimum" (a tolerance limit from an order
        statistic), nominal for the mean of minima, which is no order statistic.
    """

    rule: str
    threshold: float
    n_cancers: int
    n_missed: int
    certified_sensitivity: float


@dataclass(frozen=True)
class TriageResult:
    """What happens when exams scoring below a threshold are not read.

    Rates are weighted over exams with intervals over patients; each difference is with triage
    minus without. Counts are of exams (`n_exams`, `n_ruled_out`) or of patients, unweighted.
    Where triage loses no cancer every replicate of `sensitivity_difference` is 0 and so are its
    limits; the interval to print is then that of `noninferiority.difference` (Tango).

    n_cancers : patients with at least one exam followed by cancer within a year.
    n_cancers_ruled_out : gross; of those, patients with such an exam ruled out.
    n_cancers_missed_by_triage : net; patients the readers had caught and nobody recalls now.
    gross_false_omission : share of ruled-out exams with cancer.
    net_false_omission : share of ruled-out exams with cancer that the readers had recalled.
    recalls_avoided : share of all recalls that fall away.
    noninferiority : paired score test on the sensitivity over patients with cancer.
    published_noninferiority : t test over bootstrap replicates, for comparison with print only;
        None if fewer than two replicates hold a cancer.
    """

    threshold: float
    n_exams: int
    n_patients: int
    n_cancers: int
    n_ruled_out: int
    n_cancers_ruled_out: int
    n_cancers_missed_by_triage: int
    sensitivity_without: Estimate
    sensitivity_with: Estimate
    sensitivity_difference: Estimate
    specificity_without: Estimate
    specificity_with: Estimate
    specificity_difference: Estimate
    recall_rate_without: Estimate
    recall_rate_with: Estimate
    fraction_ruled_out: Estimate
    gross_false_omission: Estimate
    net_false_omission: Estimate
    recalls_avoided: Estimate
    noninferiority: NoninferiorityTest
    published_noninferiority: ReplicateTest | None


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
    lowest = _lowest_score_per_cancer(score, label, patient_ids, sample_weight)[0]
    return _describe("minimum", lowest[0], lowest, 0, confidence)


def mean_of_bootstrap_minima(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    bootstrap: PatientBootstrap,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> RuleOutThreshold:
    """Mean over bootstrap replicates of the lowest score of a cancer, as in the published code.

    A replicate often leaves out the lowest cancers, so the mean lies above the minimum and misses
    some: it is not "miss none". Replicates that drew no cancer are left out.
    """
    lowest, patients = _lowest_score_per_cancer(score, label, patient_ids, sample_weight)
    drawn = bootstrap.counts[:, bootstrap.columns(patients)] > 0  # (replicates, cancers by score)
    first = drawn.argmax(axis=1)[drawn.any(axis=1)]
    if not len(first):
        raise ValueError("no bootstrap replicate drew a cancer")
    threshold = lowest[first].mean()
    n_missed = int((lowest < threshold).sum())
    return _describe("mean_of_bootstrap_minima", threshold, lowest, n_missed, confidence)


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

    Notes
    -----
    With the cancers' scores in order, the (k+1)-th as threshold misses k of n. Its sensitivity is
    below s with probability at most P(Binomial(n, 1 - s) <= k), whatever the distribution of
    scores, ties included; k is the largest for which this is at most 1 - confidence. The unit is
    the patient; of several exams followed by her cancer the lowest counts, which is conservative.

    References
    ----------
    Wilks 1941, doi:10.1214/aoms/1177731788 (tolerance limits).
    """
    check_inside(sensitivity, "sensitivity", 0, 1)
    check_inside(confidence, "confidence", 0, 1)
    lowest = _lowest_score_per_cancer(score, label, patient_ids, sample_weight)[0]
    risk = binom.cdf(np.arange(len(lowest)), len(lowest), 1 - sensitivity)
    n_allowed = int((risk <= 1 - confidence).sum()) - 1  # risk rises with the misses allowed
    if n_allowed < 0:
        return RuleOutThreshold("certified", -np.inf, len(lowest), 0, 1.0)
    return _describe("certified", lowest[n_allowed], lowest, n_allowed, confidence)


def choose_rule(
    rules: Mapping[str, RuleOutThreshold], name: str, sensitivity: float, confidence: float
) -> RuleOutThreshold:
    """Return the rule of that name.

    Parameters
    ----------
    rules : mapping of str to RuleOutThreshold
    name : str
    sensitivity, confidence : float
        What the certified rule was asked for; told when it could not be had.

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
            "them; lower triage.target_sensitivity or choose another triage.threshold_rule"
        )
    return rule


def simulate_triage(
    score: ArrayLike,
    threshold: float,
    recall: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None,
    patient_ids: ArrayLike,
    bootstrap: PatientBootstrap,
    margin: float = 0.05,
    alpha: float = 0.025,
    confidence: float = 0.95,
) -> TriageResult:
    """Replay the readers' decisions with exams below the threshold left unread.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
        Higher means more suspicious; exams with score < threshold are not read, so not recalled.
    threshold : float
        Fixed beforehand, on other patients.
    recall : array-like of bool, shape (n_exams,)
        True = the reader recalled.
    label : array-like of bool, shape (n_exams,)
        True = cancer within a year.
    sample_weight : array-like of float, shape (n_exams,), or None
    patient_ids : array-like of str, shape (n_exams,)
    bootstrap : PatientBootstrap
    margin : float
        Loss of sensitivity held acceptable; 0.05 in Yala 2019, doi:10.1148/radiol.2019182908.
    alpha : float
        One-sided level of the non-inferiority test.
    confidence : float
        Of the intervals.

    Raises
    ------
    ValueError
        If a class is absent, a patient is not in the bootstrap, or the threshold is NaN.

    Notes
    -----
    Readers of the remaining exams are assumed to decide as they did. Sensitivity and specificity
    count exams, as published; the non-inferiority test counts patients with cancer, each detected
    if any exam within a year of it was recalled.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    recall = check_flag(recall, "recall", len(score))
    patient_ids = check_patient_ids(patient_ids, len(score))
    if np.isnan(threshold):
        raise ValueError("threshold is NaN")
    ruled_out = score < threshold
    still_recalled = recall & ~ruled_out
    lost = recall & ruled_out
    everybody = np.ones_like(label)

    def share(event: NDArray[np.bool_], among: NDArray[np.bool_]) -> Estimate:
        return share_estimate(event, among, patient_ids, bootstrap, weight, confidence)

    def change(change_of_exam: NDArray[np.int_], among: NDArray[np.bool_]) -> Estimate:
        return ratio_estimate(change_of_exam, among, patient_ids, bootstrap, weight, confidence)

    lost_cancer = -(lost & label).astype(int)
    patients, caught_before = _any_per_cancer(recall, label, weight, patient_ids)
    _, caught_after = _any_per_cancer(still_recalled, label, weight, patient_ids)
    _, cancer_ruled_out = _any_per_cancer(ruled_out, label, weight, patient_ids)
    _, cancer_weight = _any_per_cancer(weight, label, weight, patient_ids)
    counts = paired_counts(caught_after, caught_before, cancer_weight)
    replicates = ratio_replicates(lost_cancer, label, patient_ids, bootstrap, weight)
    n_defined = int((~np.isnan(replicates)).sum())

    return TriageResult(
        threshold=float(threshold),
        n_exams=len(score),
        n_patients=len(np.unique(patient_ids)),
        n_cancers=len(patients),
        n_ruled_out=int(ruled_out.sum()),
        n_cancers_ruled_out=int(cancer_ruled_out.sum()),
        n_cancers_missed_by_triage=int((caught_before & ~caught_after).sum()),
        sensitivity_without=share(recall, label),
        sensitivity_with=share(still_recalled, label),
        sensitivity_difference=change(lost_cancer, label),
        specificity_without=share(~recall, ~label),
        specificity_with=share(~still_recalled, ~label),
        specificity_difference=change((lost & ~label).astype(int), ~label),
        recall_rate_without=share(recall, everybody),
        recall_rate_with=share(still_recalled, everybody),
        fraction_ruled_out=share(ruled_out, everybody),
        gross_false_omission=share(label, ruled_out),
        net_false_omission=share(label & recall, ruled_out),
        recalls_avoided=share(ruled_out, recall),
        noninferiority=noninferiority_test(counts, margin, alpha),
        published_noninferiority=(
            published_noninferiority(replicates, margin) if n_defined > 1 else None
        ),
    )


def _lowest_score_per_cancer(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
) -> tuple[NDArray[np.float64], NDArray]:
    """Lowest score of each patient's exams with cancer, in rising order, and the patients."""
    score, label, weight = check_scores(score, label, sample_weight)
    patient_ids = check_patient_ids(patient_ids, len(score))
    cancer = label & (weight > 0)
    if not cancer.any():
        raise ValueError("label holds no positive row: a threshold needs cancers")
    if np.ptp(weight[cancer]) > 1e-9 * weight[cancer].max():
        raise ValueError("cancers of unequal sample_weight: the order statistic bound needs one")
    patients, place = np.unique(patient_ids[cancer], return_inverse=True)
    lowest = np.full(len(patients), np.inf)
    np.minimum.at(lowest, place, score[cancer])
    order = np.argsort(lowest, kind="stable")
    return lowest[order], patients[order]


def _describe(
    rule: str,
    threshold: float,
    lowest: NDArray[np.float64],
    n_allowed: int,
    confidence: float,
) -> RuleOutThreshold:
    # tied scores may spare some of the misses allowed, but the bound was bought with all of them
    return RuleOutThreshold(
        rule=rule,
        threshold=float(threshold),
        n_cancers=len(lowest),
        n_missed=int((lowest < threshold).sum()),
        certified_sensitivity=certified_sensitivity(len(lowest), n_allowed, confidence),
    )


def _any_per_cancer(
    value: NDArray,
    label: NDArray[np.bool_],
    weight: NDArray[np.float64],
    patient_ids: NDArray,
) -> tuple[NDArray, NDArray]:
    """Patients with cancer, and the highest value (for a flag: whether any) over those exams."""
    cancer = label & (weight > 0)
    patients, place = np.unique(patient_ids[cancer], return_inverse=True)
    highest = np.zeros(len(patients), dtype=value.dtype)
    np.maximum.at(highest, place, value[cancer])
    return patients, highest
