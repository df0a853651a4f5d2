"""Ways to let a model into the reading room, side by side: what each finds, recalls and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate._counting import any_per_patient
from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    check_inside,
    check_patients,
    check_scores,
    check_two_classes,
    check_vector,
)
from mammolab.evaluate.paired import paired_counts, tango_interval
from mammolab.evaluate.resampling import PatientBootstrap, ratio_estimate, share_estimate

ARBITERS = ("either", "both", "reader")


@dataclass(frozen=True, eq=False)
class Pathway:
    """What happens to each exam; arrays of shape (n_exams,).

    recalled : probability of a recall, 0 or 1 where nothing is left to chance.
    readings : readings by people that the exam takes, arbitration included.
    """

    recalled: NDArray[np.float64]
    readings: NDArray[np.float64]


def readers_alone(recall: ArrayLike) -> Pathway:
    """Every exam read once, as it was."""
    recall = check_flag(recall, "recall")
    return Pathway(recall.astype(float), np.ones(len(recall)))


def decision_referral(
    score: ArrayLike, recall: ArrayLike, rule_out: float, rule_in: float
) -> Pathway:
    """The model decides below `rule_out` (no recall) and from `rule_in` up; readers the rest.

    Minus infinity rules nobody out, infinity nobody in.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
        Higher means more suspicious.
    recall : array-like of bool, shape (n_exams,)
        As the readers decided.
    rule_out, rule_in : float
        Chosen beforehand, on other patients; rule_out <= rule_in.

    References
    ----------
    Leibig et al. 2022, doi:10.1016/S2589-7500(22)00070-X.
    """
    score = check_vector(score, "score")
    recall = check_flag(recall, "recall", len(score))
    if not rule_out <= rule_in:
        raise ValueError(f"rule_out must not lie above rule_in: {rule_out} and {rule_in}")
    out, into = score < rule_out, score >= rule_in
    recalled = np.where(out, 0.0, np.where(into, 1.0, recall))
    return Pathway(recalled, (~(out | into)).astype(float))


def second_reader(
    score: ArrayLike,
    recall: ArrayLike,
    threshold: float,
    arbiter: str,
    sensitivity: float | None = None,
    false_positive_rate: float | None = None,
    label: ArrayLike | None = None,
) -> Pathway:
    """Double reading: one person and the model, with an arbiter where they disagree.

    Parameters
    ----------
    score, recall : array-like, shape (n_exams,)
    threshold : float
        The model recalls from there up; chosen on other patients.
    arbiter : {"either", "both", "reader"}
        "either" recalls whatever one of them recalls and "both" what both do: the two ends between
        which every arbiter lies, and no reading more. "reader": a third reading, by a person with
        the rates given, who decides by the exam alone (independently of the first reader, given
        whether there is cancer). People err on the same exams, so the last is too good.
    sensitivity, false_positive_rate : float in [0, 1]
        Of that person, from dev.
    label : array-like of bool, shape (n_exams,)
        True = cancer; for "reader" alone, whose rates differ by it.

    Raises
    ------
    ValueError
        If the arbiter is unknown, or "reader" lacks rates or labels.
    """
    score = check_vector(score, "score")
    recall = check_flag(recall, "recall", len(score))
    model = score >= threshold
    once = np.ones(len(score))
    if arbiter not in ARBITERS:
        raise ValueError(f"arbiter {arbiter!r} is unknown; valid: {', '.join(ARBITERS)}")
    if arbiter == "either":
        return Pathway((recall | model).astype(float), once)
    if arbiter == "both":
        return Pathway((recall & model).astype(float), once)
    if sensitivity is None or false_positive_rate is None or label is None:
        raise ValueError("the arbiter 'reader' needs sensitivity, false_positive_rate and label")
    label = check_flag(label, "label", len(score))
    third = np.where(
        label,
        check_inside(sensitivity, "sensitivity", -1e-12, 1 + 1e-12),
        check_inside(false_positive_rate, "false_positive_rate", -1e-12, 1 + 1e-12),
    )
    disagree = recall != model
    return Pathway(np.where(disagree, third, recall), once + disagree)


def compare_pathways(
    pathways: Mapping[str, Pathway],
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    reference: str,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """What each pathway finds, recalls and costs, and how that differs from the reference.

    Parameters
    ----------
    pathways : mapping of name to Pathway
    label : array-like of bool, shape (n_exams,)
        True = cancer within a year.
    patient_ids : array-like of str, shape (n_exams,)
    sample_weight : array-like of float, shape (n_exams,), or None
    bootstrap : PatientBootstrap
    reference : str
        A name among the pathways.
    confidence : float

    Returns
    -------
    DataFrame
        Columns pathway, measure (sensitivity, specificity, recalls_per_1000, found_per_1000,
        readings_per_1000), estimate, ci_low, ci_high, difference, difference_low, difference_high
        (pathway minus reference, paired by patient; of the reference itself 0 without limits).

    Raises
    ------
    ValueError
        If a class is absent, lengths differ, or the reference is not among the pathways.

    Notes
    -----
    The difference in sensitivity of pathways that leave nothing to chance is that of the patients
    with cancer, each found if any of her exams is recalled, with Tango's interval; the other
    intervals are the percentiles of the patient bootstrap, and rates that no replicate changes get
    exact limits. Where no replicate changes a difference there are no limits: the bootstrap would
    claim certainty. The rates given to an arbiter are taken as known.

    References
    ----------
    Tango 1998, as for `paired.tango_interval`.
    """
    if reference not in pathways:
        raise ValueError(f"no pathway {reference!r}; there are {', '.join(pathways)}")
    n_rows = len(pathways[reference].recalled)
    _, label, weight = check_scores(np.zeros(n_rows), label, sample_weight)
    check_two_classes(label, weight)
    ids = check_patients(patient_ids, n_rows, weight)
    everybody = np.ones(n_rows)

    def measures(pathway: Pathway) -> dict[str, tuple[NDArray, NDArray]]:
        recalled = check_vector(pathway.recalled, "recalled", n_rows)
        return {
            "sensitivity": (recalled * label, label.astype(float)),
            "specificity": ((1 - recalled) * ~label, (~label).astype(float)),
            "recalls_per_1000": (1000 * recalled, everybody),
            "found_per_1000": (1000 * recalled * label, everybody),
            "readings_per_1000": (
                1000 * check_vector(pathway.readings, "readings", n_rows),
                everybody,
            ),
        }

    of_reference = measures(pathways[reference])
    rows = []
    for name, pathway in pathways.items():
        for measure, (top, bottom) in measures(pathway).items():
            estimate = ratio_estimate(top, bottom, ids, weight, bootstrap, confidence)
            if np.isin(top, (0, 1)).all():
                event, among = top.astype(bool), bottom.astype(bool)
                estimate = share_estimate(event, among, ids, weight, bootstrap, confidence)
            before = of_reference[measure][0]
            change = ratio_estimate(top - before, bottom, ids, weight, bootstrap, confidence)
            if name == reference or change.high - change.low < 1e-9:
                change = Estimate(change.value, float("nan"), float("nan"))
            elif measure == "sensitivity" and np.isin(np.append(top, before), (0, 1)).all():
                change = _tango(top > 0, before > 0, label, ids, weight, confidence)
            rows.append(
                {
                    "pathway": name,
                    "measure": measure,
                    "estimate": estimate.value,
                    "ci_low": estimate.low,
                    "ci_high": estimate.high,
                    "difference": change.value,
                    "difference_low": change.low,
                    "difference_high": change.high,
                }
            )
    return pd.DataFrame(rows)


def _tango(first, second, label, ids, weight, confidence) -> Estimate:
    """Difference in the share of patients with cancer who are found, first minus second."""
    cancer = label & (weight > 0)
    found = [any_per_patient(flag, cancer, ids) for flag in (first, second)]
    change = tango_interval(paired_counts(*found, any_per_patient(weight, cancer, ids)), confidence)
    # a pathway that only takes recalls away, or only adds some, cannot change it the other way
    only_fewer, only_more = (first <= second).all(), (first >= second).all()
    return Estimate(
        change.value,
        max(change.low, 0.0) if only_more else change.low,
        min(change.high, 0.0) if only_fewer else change.high,
    )
