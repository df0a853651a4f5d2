"""The simulated clinic: exams ruled out unread, ruled in by the model, the rest read as before."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate._counting import IN, OUT, READ, ExamKinds, any_per_patient
from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    check_patients,
    check_scores,
    check_two_classes,
    patient_codes,
)
from mammolab.evaluate.paired import (
    NoninferiorityTest,
    PairedCounts,
    ReplicateTest,
    noninferiority_test,
    paired_counts,
    published_noninferiority,
)
from mammolab.evaluate.resampling import PatientBootstrap


@dataclass(frozen=True)
class TriageResult:
    """What happens when exams below `rule_out` are not read and the model decides from `rule_in` up.

    Rates are weighted over exams with intervals over patients; each difference is with triage
    minus without. Counts are of exams (`n_exams`, `n_ruled_out`, `n_ruled_in`) or of patients,
    unweighted. Where triage changes no cancer every replicate of `sensitivity_difference` is 0 and
    so are its limits; the interval to print is then that of `noninferiority.difference` (Tango, cut at 0 where
    nothing is ruled in, or out).

    n_cancers : patients with at least one exam followed by cancer within a year.
    n_cancers_ruled_out, n_cancers_ruled_in : gross; of those, patients with such an exam ruled
        out, or in, whatever the readers decided.
    n_cancers_missed_by_triage : net; patients the readers had caught and nobody recalls now.
    n_cancers_gained_by_triage : net; patients the readers had missed and the model recalls.
    ppv : share of the recalled exams with cancer.
    fraction_read : workload, the share of exams that readers still read (referred to them).
    readings_saved_per_1000 : readings that fall away per 1,000 exams.
    gross_false_omission : share of ruled-out exams with cancer.
    net_false_omission : share of ruled-out exams with cancer that the readers had recalled.
    recalls_avoided : share of the readers' recalls that fall away.
    enhanced_fraction : of the exams that readers did not recall, the share ruled in: whom enhanced
        assessment would offer a further examination.
    enhanced_cancer_rate : share of those with cancer.
    enhanced_share_of_missed : of the exams with cancer that readers did not recall, the share
        ruled in: what enhanced assessment can gain.
    cancer_pairs, other_pairs : patients with cancer (recalled = caught) and patients with an exam
        without (recalled = false alarm), by recall with triage (first) and without (second), for
        `paired.mcnemar_test`. A patient with several such exams is recalled if any of them is.
    noninferiority : paired score test on the sensitivity over patients with cancer.
    published_noninferiority : t test over bootstrap replicates, for comparison with print only;
        None if fewer than two replicates hold a cancer.
    """

    rule_out: float
    rule_in: float
    n_exams: int
    n_patients: int
    n_cancers: int
    n_ruled_out: int
    n_ruled_in: int
    n_cancers_ruled_out: int
    n_cancers_ruled_in: int
    n_cancers_missed_by_triage: int
    n_cancers_gained_by_triage: int
    sensitivity_without: Estimate
    sensitivity_with: Estimate
    sensitivity_difference: Estimate
    specificity_without: Estimate
    specificity_with: Estimate
    specificity_difference: Estimate
    recall_rate_without: Estimate
    recall_rate_with: Estimate
    recall_rate_difference: Estimate
    ppv_without: Estimate
    ppv_with: Estimate
    ppv_difference: Estimate
    fraction_ruled_out: Estimate
    fraction_ruled_in: Estimate
    fraction_read: Estimate
    readings_saved_per_1000: Estimate
    gross_false_omission: Estimate
    net_false_omission: Estimate
    recalls_avoided: Estimate
    enhanced_fraction: Estimate
    enhanced_cancer_rate: Estimate
    enhanced_share_of_missed: Estimate
    cancer_pairs: PairedCounts
    other_pairs: PairedCounts
    noninferiority: NoninferiorityTest
    published_noninferiority: ReplicateTest | None

    @property
    def threshold(self) -> float:
        """The rule-out threshold, where it is the only one."""
        return self.rule_out


def simulate_triage(
    score: ArrayLike,
    threshold: float,
    recall: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    margin: float = 0.05,
    alpha: float = 0.025,
    confidence: float = 0.95,
) -> TriageResult:
    """Replay the readers' decisions with exams below the threshold left unread.

    This is `simulate_two_thresholds` with nothing ruled in; see there for the arguments.

    References
    ----------
    Yala, Schuster, Miles, Barzilay, Lehman 2019, doi:10.1148/radiol.2019182908.
    """
    if np.isnan(threshold):
        raise ValueError("threshold is NaN")
    return simulate_two_thresholds(
        score,
        threshold,
        np.inf,
        recall,
        label,
        patient_ids,
        sample_weight,
        bootstrap,
        margin=margin,
        alpha=alpha,
        confidence=confidence,
    )


def simulate_two_thresholds(
    score: ArrayLike,
    rule_out: float,
    rule_in: float,
    recall: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    margin: float = 0.05,
    alpha: float = 0.025,
    confidence: float = 0.95,
    readings_per_exam: int = 1,
) -> TriageResult:
    """Replay the readers' decisions with the model deciding what it is sure of.

    Decision referral: an exam with score < rule_out is not read and not recalled, one with
    score >= rule_in is recalled without being read, one between is read as it was.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
        Higher means more suspicious.
    rule_out, rule_in : float
        Fixed beforehand, on other patients; rule_out <= rule_in. Minus infinity rules nobody out,
        infinity nobody in.
    recall : array-like of bool, shape (n_exams,)
        True = the reader (or the consensus of two) recalled.
    label : array-like of bool, shape (n_exams,)
        True = cancer within a year.
    sample_weight : array-like of float, shape (n_exams,), or None
        An exam of weight 0 is left out of every count.
    patient_ids : array-like of str, shape (n_exams,)
    bootstrap : PatientBootstrap
    margin : float
        Loss of sensitivity held acceptable; 0.05 in Yala 2019.
    alpha : float
        One-sided level of the non-inferiority test.
    confidence : float
        Of the intervals.
    readings_per_exam : int
        2 where every exam is read twice.

    Raises
    ------
    ValueError
        If a class is absent, a patient is not in the bootstrap or is the only one, a threshold is
        NaN or rule_out > rule_in, or readings_per_exam is below 1.

    Notes
    -----
    Readers of the remaining exams are assumed to decide as they did, and a woman the model recalls
    to be assessed as if they had. Sensitivity and specificity count exams, as published; the
    non-inferiority test counts patients with cancer, each detected if any exam within a year of it
    was recalled. For enhanced assessment, where every exam is read and the highest scores among
    those not recalled are examined further, the fields `enhanced_...` stand alone.

    References
    ----------
    Leibig et al. 2022, Lancet Digital Health 4:e507-e519, doi:10.1016/S2589-7500(22)00070-X
    (decision referral).
    Dembrower et al. 2020, doi:10.1016/S2589-7500(20)30185-0 (enhanced assessment).

    Examples
    --------
    >>> ids = ["A", "B", "C", "D"]
    >>> result = simulate_two_thresholds(
    ...     score=[0.1, 0.4, 0.6, 0.9],
    ...     rule_out=0.2,
    ...     rule_in=0.8,
    ...     recall=[1, 0, 1, 0],
    ...     label=[0, 0, 1, 1],
    ...     patient_ids=ids,
    ...     sample_weight=None,
    ...     bootstrap=PatientBootstrap.draw(ids, 20, seed=0),
    ... )
    >>> result.sensitivity_without.value, result.sensitivity_with.value, result.fraction_read.value
    (0.5, 1.0, 0.5)
    """
    _check_thresholds(rule_out, rule_in)
    if readings_per_exam < 1:
        raise ValueError(f"readings_per_exam must be at least 1, not {readings_per_exam}")
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    recall = check_flag(recall, "recall", len(score))
    patient_ids = check_patients(patient_ids, len(score), weight)
    counted = weight > 0
    score, label, weight = score[counted], label[counted], weight[counted]
    recall, patient_ids = recall[counted], patient_ids[counted]

    band = np.where(score < rule_out, OUT, np.where(score >= rule_in, IN, READ))
    kinds = ExamKinds.count(band, recall, label, weight, patient_ids, bootstrap, confidence)
    share, difference = kinds.share, kinds.difference
    was, now, cancer = kinds.recall, kinds.recalled, kinds.label  # flags of the twelve kinds
    out, into, read = kinds.band == OUT, kinds.band == IN, kinds.band == READ
    everybody = np.ones_like(cancer)
    fraction_read = share(read, everybody)
    per_1000 = 1000 * readings_per_exam

    def by_patient(flag: NDArray[np.bool_], among: NDArray[np.bool_] = label) -> NDArray:
        return any_per_patient(flag[kinds.of_exam], among, patient_ids)

    def pairs(among: NDArray[np.bool_]) -> PairedCounts:
        per_patient = any_per_patient(weight, among, patient_ids)
        return paired_counts(by_patient(now, among), by_patient(was, among), per_patient)

    caught_before, caught_after = by_patient(was), by_patient(now)
    cancer_pairs = pairs(label)
    loss = kinds.replicates(now, cancer) - kinds.replicates(was, cancer)

    return TriageResult(
        rule_out=float(rule_out),
        rule_in=float(rule_in),
        n_exams=len(score),
        n_patients=patient_codes(patient_ids)[1],
        n_cancers=len(caught_before),
        n_ruled_out=int((band == OUT).sum()),
        n_ruled_in=int((band == IN).sum()),
        n_cancers_ruled_out=int(by_patient(out).sum()),
        n_cancers_ruled_in=int(by_patient(into).sum()),
        n_cancers_missed_by_triage=int((caught_before & ~caught_after).sum()),
        n_cancers_gained_by_triage=int((caught_after & ~caught_before).sum()),
        sensitivity_without=share(was, cancer),
        sensitivity_with=share(now, cancer),
        sensitivity_difference=difference((now, cancer), (was, cancer)),
        specificity_without=share(~was, ~cancer),
        specificity_with=share(~now, ~cancer),
        specificity_difference=difference((~now, ~cancer), (~was, ~cancer)),
        recall_rate_without=share(was, everybody),
        recall_rate_with=share(now, everybody),
        recall_rate_difference=difference((now, everybody), (was, everybody)),
        ppv_without=share(cancer, was),
        ppv_with=share(cancer, now),
        ppv_difference=difference((cancer, now), (cancer, was)),
        fraction_ruled_out=share(out, everybody),
        fraction_ruled_in=share(into, everybody),
        fraction_read=fraction_read,
        readings_saved_per_1000=Estimate(
            *(per_1000 * (1 - at) for at in (fraction_read.value, *fraction_read.ci[::-1]))
        ),
        gross_false_omission=share(cancer, out),
        net_false_omission=share(cancer & was, out),
        recalls_avoided=share(out, was),
        enhanced_fraction=share(into, ~was),
        enhanced_cancer_rate=share(cancer, into & ~was),
        enhanced_share_of_missed=share(into, cancer & ~was),
        cancer_pairs=cancer_pairs,
        other_pairs=pairs(~label),
        noninferiority=_possible(noninferiority_test(cancer_pairs, margin, alpha), band),
        published_noninferiority=(
            published_noninferiority(loss, margin) if (~np.isnan(loss)).sum() > 1 else None
        ),
    )


def _possible(test: NoninferiorityTest, band: NDArray[np.intp]) -> NoninferiorityTest:
    """Cut the interval where the design allows no difference: leaving out finds no cancer more."""
    low = test.difference.low if (band == OUT).any() else max(test.difference.low, 0.0)
    high = test.difference.high if (band == IN).any() else min(test.difference.high, 0.0)
    return replace(test, difference=Estimate(test.difference.value, low, high))


def _check_thresholds(rule_out: float, rule_in: float) -> None:
    for name, threshold in (("rule_out", rule_out), ("rule_in", rule_in)):
        if np.isnan(threshold):
            raise ValueError(f"{name} is NaN")
    if rule_out > rule_in:
        raise ValueError(
            f"rule_out must not lie above rule_in: {rule_out} and {rule_in} would rule an exam "
            "between both out and in"
        )
