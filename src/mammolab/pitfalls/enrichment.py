"""A test set with more cancers, or easier women, than the clinic has; no network is trained anew."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammolab.errors import InputError
from mammolab.evaluate.auc_bootstrap import auc_bootstrap
from mammolab.evaluate.resampling import PatientBootstrap, share_estimate
from mammolab.pitfalls import guards_prevalence
from mammolab.pitfalls.collection import DENSE, LABEL
from mammolab.pitfalls.failure import Failure, Outcome, Streams, check_dose
from mammolab.pitfalls.guards_exclusion import EXCLUSION_GAP, exclusions
from mammolab.pitfalls.verdict import GuardVerdict

HALF = 0.5
NEGATIVE_BIRADS = 1  # the reader saw nothing at all, not even something benign

ENRICHED_TEST_SET = Failure(
    name="enriched_test_set",
    title="Half cancers in the test set",
    metric="PPV at the threshold",
    dial="share of cancers in the test set",
    guard="prevalence",
    repair="Weigh each exam by how many it stands for, or re-base predictive values on the "
    "population's prevalence.",
    cost="None; but the prevalence must be known, and the interval becomes that of the few "
    "negatives drawn.",
    source="Predictive values fall with prevalence: Altman & Bland 1994, "
    "doi:10.1136/bmj.309.6947.102. In screening itself 34 of 36 systems were less accurate than one "
    "reader: Freeman et al. 2021, doi:10.1136/bmj.n1872.",
)
SPECTRUM = Failure(
    name="spectrum",
    title="Only the clear cases",
    metric="AUC",
    dial="share of the hard cases left out",
    guard="exclusions",
    repair="Take every exam that the clinic would have sent, or a random sample of them by weight.",
    cost="Follow-up of every woman, so that missed cancers and doubtful negatives have a label.",
    source="Lijmer et al. 1999, doi:10.1001/jama.282.11.1061: diagnostic odds ratios three times as "
    "high where clear cases were compared with healthy controls.",
)


def enrich(exams: pd.DataFrame, dose: float, rng: np.random.Generator) -> pd.DataFrame:
    """Draw a test set with all cancers and only so many others, and forget where it came from.

    Parameters
    ----------
    exams : DataFrame
        One row an exam: cancer_within_1y, sampling_weight.
    dose : float in [0, 1]
        From the natural share of cancers to one half.
    rng : numpy Generator
        Deals the order in which negatives are drawn; a smaller set is part of a larger one.

    Returns
    -------
    DataFrame
        The exams drawn, with set_weight: the share of cancers by it is the one that is wanted.
        Where fewer negatives have pixels than that share needs, all are drawn and stand for more.
        At dose 0 it is the sampling weight.

    Raises
    ------
    InputError
        When one class is empty.
    """
    dose = check_dose(dose)
    label = exams[LABEL].to_numpy(bool)
    if label.all() or not label.any():
        raise InputError(
            f"A set with another share of cancers needs exams of both classes; got {label.sum()} "
            f"with cancer and {(~label).sum()} without."
        )
    weight = exams["sampling_weight"].to_numpy(float)
    natural = natural_share(exams)
    share = natural + dose * (HALF - natural)
    others_a_cancer = (1 - share) / share
    negatives = rng.permutation(np.flatnonzero(~label))
    drawn = negatives[: max(1, round(label.sum() * others_a_cancer))]
    set_weight = weight.copy()
    set_weight[drawn] *= weight[label].sum() * others_a_cancer / weight[drawn].sum()
    kept = np.sort(np.concatenate([np.flatnonzero(label), drawn]))
    return exams.iloc[kept].assign(set_weight=set_weight[kept]).reset_index(drop=True)


def natural_share(exams: pd.DataFrame) -> float:
    """Share of cancers among the exams, by sampling weight."""
    return float(np.average(exams[LABEL].to_numpy(bool), weights=exams["sampling_weight"]))


def half_cancers(
    exams: pd.DataFrame,
    threshold: float,
    bootstrap: PatientBootstrap,
    streams: Streams,
    dose: float,
) -> Outcome:
    """Report the predictive value that a threshold has among as many cancers as one collected.

    Sensitivity, specificity and AUC do not depend on how many of each class there are; the
    predictive value, calibration and every rate among all exams do.

    Parameters
    ----------
    exams : DataFrame, n rows
        Test exams: patient_id, cancer_within_1y, sampling_weight, score.
    threshold : float
        Chosen on dev; a score at or above it is flagged.
    bootstrap : PatientBootstrap
        Of the test patients.
    streams : callable
        Purpose -> numpy Generator, such as `chapter.rng`: the same for a purpose at every dose.
    dose : float in [0, 1]
        As for `enrich`.

    Returns
    -------
    Outcome
        Of the positive predictive value; repaired: on the same exams, negatives weighed so that
        cancers are as rare as in the population.

    Raises
    ------
    InputError
        As `enrich`.

    References
    ----------
    Altman & Bland 1994, doi:10.1136/bmj.309.6947.102; Freeman et al. 2021, doi:10.1136/bmj.n1872.
    """
    drawn = enrich(exams, dose, streams("enriched test set"))
    natural = natural_share(exams)
    in_set = float(np.average(drawn[LABEL], weights=drawn["set_weight"]))
    odds_ratio = (1 - natural) / natural * in_set / (1 - in_set)
    rebased = drawn["set_weight"].where(drawn[LABEL], drawn["set_weight"] * odds_ratio)
    reported, true, repaired = (
        share_estimate(
            part[LABEL], part["score"] >= threshold, part["patient_id"], weight, bootstrap
        )
        for part, weight in (
            (drawn, drawn["set_weight"]),
            (exams, exams["sampling_weight"]),
            (drawn, rebased),
        )
    )
    guard = guards_prevalence.prevalence(
        drawn[LABEL], natural, drawn["set_weight"], patient_ids=drawn["patient_id"]
    )
    return Outcome(dose, in_set, reported, true, repaired, guard)


def spectrum(
    exams: pd.DataFrame,
    bootstrap: PatientBootstrap,
    streams: Streams,
    dose: float,
) -> Outcome:
    """Leave out the hard cases: doubtful or dense negatives, and cancers that readers missed.

    A negative is hard where the reader wrote anything but BI-RADS 1 or the breast is dense (c or
    d); a cancer, where no reader recalled it. An assessment or density that nobody knows makes
    nothing hard. Picking controls that are surely healthy and cases
    that are surely ill sounds like care for the labels.

    Parameters
    ----------
    exams : DataFrame, n rows
        Test exams: patient_id, cancer_within_1y, sampling_weight, score, recall, birads, density.
    bootstrap, streams
        As for `half_cancers`.
    dose : float in [0, 1]
        Share of the hard cases that are left out.

    Returns
    -------
    Outcome
        Of the AUC; repaired: all exams, by weight, which is the truth itself.

    References
    ----------
    Lijmer et al. 1999, doi:10.1001/jama.282.11.1061; Ransohoff & Feinstein 1978,
    doi:10.1056/NEJM197810262991705.
    """
    dose = check_dose(dose)
    label = exams[LABEL].to_numpy(bool)
    not_clear = exams["birads"].notna() & (exams["birads"] != NEGATIVE_BIRADS)
    doubtful = not_clear | exams["density"].isin(DENSE)
    hard = np.where(label, ~exams["recall"].to_numpy(bool), doubtful)
    kept = ~hard | (streams("spectrum").random(len(exams)) >= dose)
    if not label[kept].any() or label[kept].all():
        raise InputError(
            f"Without its hard cases the set holds {label[kept].sum()} cancers and "
            f"{(~label[kept]).sum()} other exams; an AUC needs both."
        )
    reported, true = (
        auc_bootstrap(
            exams["score"][rows],
            label[rows],
            exams["patient_id"][rows],
            exams["sampling_weight"][rows],
            bootstrap,
        )
        for rows in (kept, np.ones(len(exams), bool))
    )
    return Outcome(dose, dose, reported, true, true, _left_out(exams, kept, streams))


def _left_out(exams: pd.DataFrame, kept: np.ndarray, streams: Streams) -> GuardVerdict:
    if kept.all():
        return GuardVerdict("exclusions", 0.0, EXCLUSION_GAP, False, "No exam was left out.")
    groups = exams[["density", "birads", "recall"]]
    return exclusions(kept, exams[LABEL], groups, exams["patient_id"], streams("exclusions"))
