"""Three ways in which readers in a study are not the readers at work."""

from __future__ import annotations

import numpy as np
from scipy.special import logit
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.reader_criterion import prevalence_weight, recall_at_rate
from mammolab.pitfalls import guards_prevalence
from mammolab.pitfalls._simulated_readers import (
    CASE_SHARE,
    READER_SPREAD,
    mean_sensitivity,
    readings,
    share_beaten,
    talents,
)
from mammolab.pitfalls.failure import Failure, Outcome, check_dose
from mammolab.pitfalls.guards_readers import follows_errors, reader_setting
from mammolab.pitfalls.many_aucs import auc_separation
from mammolab.world.readers import with_ai
from mammolab.world.streams import stream

# Sensitivity and specificity of screening readers (Lehman 2017, doi:10.1148/radiol.2016161174).
SENSITIVITY, SPECIFICITY = 0.869, 0.889
# Share of cancers found in the clinic and where half of the exams are cancers (Evans 2013).
FOUND_IN_CLINIC, FOUND_AT_HALF = 0.70, 0.88

LABORATORY_EFFECT = Failure(
    name="laboratory_effect",
    title="Readers in a laboratory",
    metric="share of readers beaten",
    dial="loss of d' in the laboratory",
    guard="reader_setting",
    repair="Hold the system against what the same readers recalled at work, registry as truth.",
    cost="Every reader needs some hundred cancers read at work: years of records.",
    source=(
        "Gur 2008, doi:10.1148/radiol.2491072025: nine readers were better, and more alike, in "
        "the clinic than in the laboratory (p = .035)"
    ),
)
PREVALENCE_EFFECT = Failure(
    name="prevalence_effect",
    title="Readers expect cancers",
    metric="sensitivity of the readers",
    dial="share of cancers in the study",
    guard="prevalence",
    repair="Ask for ratings, and read the sensitivity off at the recall rate of the clinic.",
    cost="Ratings instead of decisions; readers' true differences of criterion are lost.",
    source=(
        "Evans 2013, doi:10.1371/journal.pone.0064366: the same cancers missed by 30% in the "
        "clinic and 12% where half were cancers"
    ),
)
AUTOMATION_BIAS = Failure(
    name="automation_bias",
    title="Readers follow the system",
    metric="sensitivity with assistance",
    dial="reliance on the system",
    guard="follows_errors",
    repair="Measure assisted reading in use, where the system errs as it errs there.",
    cost="A year or more of use until the registry knows which cancers were missed.",
    source=(
        "Dratsch 2023, doi:10.1148/radiol.222176: with a wrong suggestion correct readings fell "
        "from 80% to 20% (inexperienced) and from 82% to 46% (very experienced)"
    ),
)


def laboratory_effect(
    dose: float,
    seed: int,
    system_auc: float = 0.94,
    lost_d_prime: float = 0.5,
    spread_factor: float = 1.8,
    n_readers: int = 12,
    n_cancers: int = 150,
    n_healthy: int = 200,
) -> Outcome:
    """Let a system beat readers who read without a patient at stake.

    Parameters
    ----------
    dose : float in [0, 1]
        At 1 the laboratory costs readers `lost_d_prime` and spreads them by `spread_factor`.
    seed : int
    system_auc : float
        Of the system, in both settings.
    lost_d_prime, spread_factor : float
        Assumptions: the published study gives their direction alone.
    n_readers, n_cancers, n_healthy : int
        All readers read the same exams in the laboratory, and as many of their own at work.

    Returns
    -------
    Outcome
        The metric is the share of readers beaten, whose sensitivity and specificity lie below the
        system's curve. reported: those of the laboratory, with the exact interval over readers;
        true: of all readers such as these, at work; repaired: the same readers by their own exams
        at work.

    References
    ----------
    Gur et al. 2008, doi:10.1148/radiol.2491072025; Freeman et al. 2021, doi:10.1136/bmj.n1872 (34
    of 36 systems were less accurate than one reader at work).
    """
    check_dose(dose)
    d_system = auc_separation(system_auc)
    d_mean = norm.ppf(SENSITIVITY) + norm.ppf(SPECIFICITY)
    talent = talents(n_readers)
    at_work = d_mean + talent
    in_laboratory = d_mean - dose * lost_d_prime + (1 + dose * (spread_factor - 1)) * talent
    label = np.arange(n_cancers + n_healthy) < n_cancers
    criterion = norm.ppf(SPECIFICITY)
    study = readings(stream(seed, "laboratory"), label, in_laboratory, shared=True) > criterion
    work = readings(stream(seed, "work"), label, at_work, shared=False) > criterion
    true = float(norm.cdf((d_system - d_mean) / READER_SPREAD))

    readers = np.tile(np.arange(n_readers).astype(str), 2 * len(label))
    own_cases = len(label) + np.arange(len(label) * n_readers)
    guard = reader_setting(
        readers,
        np.repeat(["laboratory", "clinic"], study.size),
        np.concatenate([study.ravel(), work.ravel()]),
        np.tile(np.repeat(label, n_readers), 2),
        np.concatenate([np.repeat(np.arange(len(label)), n_readers), own_cases]),
    )
    return Outcome(
        dose,
        dose * lost_d_prime,
        share_beaten(study, label, d_system),
        Estimate(true, true, true),
        share_beaten(work, label, d_system),
        guard,
    )


def prevalence_effect(
    dose: float,
    seed: int,
    prevalence: float = 0.005,
    study_prevalence: float = 0.5,
    n_readers: int = 10,
    n_cancers: int = 150,
) -> Outcome:
    """Let readers who find a cancer in every other exam recall more readily than at work.

    The criterion moves with the log odds of cancer, as far as was published between a clinic and a
    session of half cancers; the d' stays.

    Parameters
    ----------
    dose : float in [0, 1]
        From the clinic's prevalence to the study's, in log odds.
    seed : int
    prevalence, study_prevalence : float in (0, 1)
        Share of exams with cancer in the clinic, and in the study at dose 1.
    n_readers, n_cancers : int
        The healthy exams are as many as the prevalence wants.

    Returns
    -------
    Outcome
        reported: mean sensitivity of the readers in the study, with the interval over readers and
        cases; true: that at the clinic's prevalence; repaired: from the ratings, at the clinic's
        recall rate, the study weighted to the clinic's prevalence.

    References
    ----------
    Evans, Birdwell, Wolfe 2013, doi:10.1371/journal.pone.0064366.
    """
    check_dose(dose)
    if not 0 < prevalence < study_prevalence < 1:
        raise InputError(
            "The clinic's prevalence must be below the study's, both in (0, 1); they are "
            f"{prevalence} and {study_prevalence}."
        )
    odds = logit(prevalence) + dose * (logit(study_prevalence) - logit(prevalence))
    here = float(1 / (1 + np.exp(-odds)))
    # over readers the mean sensitivity is that of a reader with this much more noise
    noise = np.sqrt(1 + READER_SPREAD**2)
    d_mean = noise * norm.ppf(FOUND_IN_CLINIC) + norm.ppf(SPECIFICITY)
    criterion_at = {
        "clinic": norm.ppf(SPECIFICITY),
        "half": d_mean - noise * norm.ppf(FOUND_AT_HALF),
    }
    moved = (odds - logit(prevalence)) / (logit(0.5) - logit(prevalence))
    criterion = criterion_at["clinic"] + moved * (criterion_at["half"] - criterion_at["clinic"])

    d_prime = d_mean + talents(n_readers)
    n_healthy = round(n_cancers * (1 - here) / here)
    of_cancers = readings(
        stream(seed, "cancers"), np.ones(n_cancers, dtype=bool), d_prime, shared=True
    )
    of_healthy = readings(
        stream(seed, "healthy"), np.zeros(n_healthy, dtype=bool), d_prime, shared=True
    )
    label = np.arange(n_cancers + n_healthy) < n_cancers
    rate = prevalence * FOUND_IN_CLINIC + (1 - prevalence) * (1 - SPECIFICITY)
    ratings = norm.cdf(np.concatenate([of_cancers, of_healthy]))
    at_rate = recall_at_rate(ratings, rate, prevalence_weight(label, prevalence)).recall
    return Outcome(
        dose,
        here,
        mean_sensitivity(of_cancers > criterion),
        Estimate(FOUND_IN_CLINIC, FOUND_IN_CLINIC, FOUND_IN_CLINIC),
        mean_sensitivity(at_rate[label]),
        guards_prevalence.prevalence(label, prevalence),
    )


def automation_bias(
    dose: float,
    seed: int,
    system_in_study: float = 0.90,
    system_in_use: float = 0.60,
    n_readers: int = 10,
    n_cancers: int = 150,
    n_in_use: int = 20_000,
) -> Outcome:
    """Let readers lean on a system that is right in the study and misses more in use.

    Parameters
    ----------
    dose : float in [0, 1]
        Reliance: 0, readers ignore the system; 1, they lean on it as in the published studies
        (`world.readers.with_ai`).
    seed : int
    system_in_study, system_in_use : float in (0, 1)
        The system's sensitivity; what is hard for readers is, in part, hard for it.
    n_readers, n_cancers : int
        Of the study; every reader reads every cancer alone and assisted.
    n_in_use : int
        Cancers that tell the truth.

    Returns
    -------
    Outcome
        reported: mean sensitivity with assistance in the study, with the interval over readers and
        cases; true: in use; repaired: measured in use, on as many cancers as the study has. At
        dose 0 reported and true are those of readers alone.

    References
    ----------
    Dratsch et al. 2023, doi:10.1148/radiol.222176.
    """
    check_dose(dose)
    for name, value in (("system_in_study", system_in_study), ("system_in_use", system_in_use)):
        if not 0 < value < 1:
            raise InputError(f"{name} must lie between 0 and 1, not {value}.")
    d_prime = norm.ppf(SENSITIVITY) + norm.ppf(SPECIFICITY) + talents(n_readers)
    share_alone, flagged, assisted = {}, {}, {}
    for name, n, sensitivity in (
        ("study", n_cancers, system_in_study),
        ("in use", n_in_use, system_in_use),
        ("first year of use", n_cancers, system_in_use),
    ):
        rng = stream(seed, name)
        case = rng.standard_normal(n)
        by_system = np.sqrt(CASE_SHARE) * case + np.sqrt(1 - CASE_SHARE) * rng.standard_normal(n)
        flagged[name] = by_system > -norm.ppf(sensitivity)
        visible = d_prime - norm.ppf(SPECIFICITY) + np.sqrt(CASE_SHARE) * case[:, None]
        share_alone[name] = norm.cdf(visible / np.sqrt(1 - CASE_SHARE))
        assisted[name] = with_ai(share_alone[name], flagged[name][:, None], dose)
    draws = {name: stream(seed, f"{name} readings").random(p.shape) for name, p in assisted.items()}
    in_study = draws["study"] < assisted["study"]
    alone = stream(seed, "study alone").random(in_study.shape) < share_alone["study"]
    true = float(assisted["in use"].mean())
    return Outcome(
        dose,
        dose,
        mean_sensitivity(in_study),
        Estimate(true, true, true),
        mean_sensitivity(draws["first year of use"] < assisted["first year of use"]),
        follows_errors(alone, in_study, flagged["study"]),
    )
