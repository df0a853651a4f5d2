"""The concordance that is true of a score in the world, and how far each estimator lies from it.

Two known values. By hazard: each woman's cancer sets in by her own hazard, whatever the score saw
at the exam; right for a score that knows the woman and no lesion (Gail, risk factors). By outcome:
the diagnoses of these very women as the world knows them, nobody lost; right for any score.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_vector, check_weight
from mammolab.evaluate.concordance import harrell_c, uno_c
from mammolab.evaluate.survival import censoring_survival, kaplan_meier
from mammolab.world import disease
from mammolab.world import parameters as p
from mammolab.world.attendance import DAYS_PER_YEAR
from mammolab.world.streams import stream

ESTIMATORS = ("harrell", "uno", "event_fitted")
_STEPS_A_YEAR = 24  # of the sum over time


def true_outcomes(
    exams: pd.DataFrame, truth_exams: pd.DataFrame, tau_years: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return when each exam's woman was diagnosed in truth, nobody lost before tau.

    Parameters
    ----------
    exams : DataFrame, n rows
        exam_id.
    truth_exams : table of that name.
    tau_years : float
        At most five: the world is followed for that long after the last exam.

    Returns
    -------
    time_years : float [n]
        To the diagnosis, recorded or not, at most tau; half a day at least.
    event : int [n]
        1 diagnosed by tau, 0 not. Who died of something else by then stands as never diagnosed.
    """
    if not 0 < tau_years <= 5:
        raise InputError(f"tau_years must be above 0 and at most 5, not {tau_years}")
    unknown = exams.loc[~exams["exam_id"].isin(truth_exams["exam_id"]), "exam_id"]
    if len(unknown):
        raise InputError(f"{len(unknown)} exams are not in the truth, first: {unknown.iloc[0]}")
    days = truth_exams.set_index("exam_id").loc[exams["exam_id"], "days_to_diagnosis_true"]
    years = np.maximum(days.to_numpy(float), 0.5) / DAYS_PER_YEAR
    event = years <= tau_years
    return np.where(event, years, tau_years), event.astype(np.int64)


def known_concordance(
    score: ArrayLike,
    age_years: ArrayLike,
    relative_risk: ArrayLike,
    race: ArrayLike,
    sample_weight: ArrayLike | None,
    tau_years: float = 5.0,
    from_years: float = 0.0,
) -> float:
    """Concordance of a score by the women's true hazards: no outcome is drawn, nobody censored.

    Parameters
    ----------
    score : array-like of float, shape (n,)
        Higher means higher risk.
    age_years, relative_risk : array-like of float, shape (n,)
        Age at the exam, and `relative_risk` of truth_women.
    race : array-like of str, shape (n,)
        `race_ethnicity` of truth_women.
    sample_weight : array-like of float, shape (n,), or None
    tau_years, from_years : float
        Cancers after from_years and before tau_years count; a woman is one in whom none set in
        before from_years, as in a test set without the cancers of the first year.

    Returns
    -------
    float
        P(score of a > score of b | a's cancer sets in first, before tau), ties of score one half:
        what Uno's C to the same tau estimates (Uno et al. 2011, doi:10.1002/sim.4154). Summed
        over a fine grid of times, without the error of a simulation.
    """
    score, weight, survival = _women(score, age_years, relative_risk, race, sample_weight)
    if not 0 <= from_years < tau_years:
        raise InputError(f"from_years must be from 0 to below tau_years, not {from_years}")
    level = np.unique(score, return_inverse=True)[1]
    n_levels = int(level.max()) + 1
    times = np.linspace(
        from_years, tau_years, int(np.ceil((tau_years - from_years) * _STEPS_A_YEAR)) + 1
    )
    start = survival(from_years)
    before = np.ones(len(score))
    won = pairs = 0.0
    for time in times[1:]:
        after = survival(time) / start
        cases = weight * (before - after)
        others = weight * (before + after) / 2  # those who get it in the same step: half on average
        held = np.bincount(level, others, n_levels)
        beaten = (np.cumsum(held) - held / 2)[level]
        with_herself = cases @ others
        won += cases @ beaten - with_herself / 2
        pairs += cases.sum() * held.sum() - with_herself
        before = after
    return float(won / pairs)


def event_fitted_c(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    sample_weight: ArrayLike | None = None,
    tau_years: float = np.inf,
) -> float:
    """Concordance as some public code has it under Uno's name: G fitted to the event, not to loss.

    Parameters
    ----------
    time_years, event, score, sample_weight, tau_years
        As in `evaluate.concordance.uno_c`; event 1 is the cancer.

    Returns
    -------
    float
        Pairs weigh 1 / S(t-)^2, with S the probability of no event, where Uno's weigh 1 / G(t-)^2.
        Here to be compared, not to be used.
    """
    time = check_vector(time_years, "time_years")
    event = check_vector(event, "event", len(time)) == 1
    score = check_vector(score, "score", len(time))
    weight = check_weight(sample_weight, len(time))
    event_free = kaplan_meier(time, event, weight)
    won = pairs = 0.0
    for i in np.flatnonzero(event & (time < tau_years)):
        outlives = (time > time[i]) | ((time == time[i]) & ~event)
        own = weight[i] / event_free.left(time[i]) ** 2
        others = weight[outlives]
        beaten = (score[outlives] < score[i]) + 0.5 * (score[outlives] == score[i])
        won += own * (others @ beaten)
        pairs += own * others.sum()
    return float(won / pairs) if pairs else np.nan


def estimator_bias(
    exams: pd.DataFrame,
    truth_women: pd.DataFrame,
    score: ArrayLike,
    seed: int,
    n_draws: int = 100,
    n_women: int = 10_000,
    tau_years: float = 5.0,
    from_years: float = 0.0,
) -> pd.DataFrame:
    """How far each C-index lies from the known value, under the follow-up of this sample.

    Cohorts are drawn from the sample by its weights, their cancers by the women's hazards, and they
    are lost as the sample was; every estimator sees the same draws.

    Parameters
    ----------
    exams : DataFrame, n rows
        patient_id, age_years, time_years, event, sampling_weight. Loss is drawn from the curve of
        censoring of these rows, other deaths among it, the same for all women.
    truth_women : table of that name.
    score : array-like of float, shape (n,)
    seed, n_draws, n_women : int
        Cohorts drawn, and exams in each, all of weight 1.
    tau_years, from_years : float
        As in `known_concordance`; follow-up ends at tau.

    Returns
    -------
    DataFrame
        estimator (`ESTIMATORS`), known (`known_concordance` of the sample), bias (mean distance from
        the C of the same cohort with nobody lost, whose mean is the known value), mc_error (standard
        error of the bias, from the finite number of draws), sd (of one such cohort).

    Raises
    ------
    InputError
        If a column or a woman is missing, or n_draws or n_women is below 2.
    """
    needed = ("patient_id", "age_years", "time_years", "event", "sampling_weight")
    missing = [name for name in needed if name not in exams]
    if missing:
        raise InputError(f"exams lack the column(s) {', '.join(missing)}")
    unknown = exams.loc[~exams["patient_id"].isin(truth_women["patient_id"]), "patient_id"]
    if len(unknown):
        raise InputError(f"{len(unknown)} women are not in the truth, first: {unknown.iloc[0]}")
    for name, count in (("n_draws", n_draws), ("n_women", n_women)):
        if count < 2:
            raise InputError(f"{name} must be at least 2, not {count}")
    hers = truth_women.set_index("patient_id").loc[exams["patient_id"]]
    women = (
        exams["age_years"].to_numpy(float),
        hers["relative_risk"].to_numpy(),
        hers["race_ethnicity"].to_numpy(object),
    )
    weight = exams["sampling_weight"].to_numpy(float)
    score = check_vector(score, "score", len(exams))
    known = known_concordance(score, *women, weight, tau_years, from_years)
    observed = censoring_survival(exams["time_years"], exams["event"], weight)
    drawn, complete = np.empty((n_draws, len(ESTIMATORS))), np.empty((n_draws, 1))
    for number in range(n_draws):
        rng = stream([seed, number], "concordance")
        at = rng.choice(len(exams), n_women, p=weight / weight.sum())
        onset = onset_times(*(column[at] for column in women), from_years, rng)
        # the first time at which the curve has fallen to a uniform draw; inf: never lost
        fallen = np.searchsorted(-observed.values, -rng.random(n_women), side="left")
        lost = np.append(observed.times, np.inf)[fallen]
        time = np.minimum(np.minimum(onset, lost), tau_years)
        event = (onset <= lost) & (onset < tau_years)
        drawn[number] = (
            harrell_c(time, event, score[at]),
            uno_c(time, event, score[at], tau_years=tau_years),
            event_fitted_c(time, event, score[at], tau_years=tau_years),
        )
        all_seen = onset < tau_years
        complete[number] = harrell_c(np.minimum(onset, tau_years), all_seen, score[at])
    apart = drawn - complete
    return pd.DataFrame(
        {
            "estimator": ESTIMATORS,
            "known": known,
            "bias": apart.mean(axis=0),
            "mc_error": apart.std(axis=0, ddof=1) / np.sqrt(n_draws),
            "sd": drawn.std(axis=0, ddof=1),
        }
    )


def onset_times(
    age_years: NDArray, relative_risk: NDArray, race: NDArray, from_years: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:  # fmt: skip
    """Draw when each woman's first cancer sets in, in years after the exam; inf: not by 90.

    Women in whom one set in before `from_years` are left out by construction; invasive cancers and
    DCIS count, as in `disease.risk_of_cancer`.
    """
    scale = p.INCIDENCE_SCALE.value * (1 + p.DCIS_PER_INVASIVE.value)
    exposure = rng.exponential(size=len(age_years)) / (scale * relative_risk)
    onset = np.full(len(age_years), np.inf)
    for name, rates in p.INCIDENCE.value.items():
        here = race == name
        cumulative = np.r_[0, np.cumsum(np.asarray(rates) * 5e-5)]
        reached = np.interp(age_years[here] + from_years, disease.BAND_EDGES, cumulative)
        onset[here] = disease.age_at_hazard(reached + exposure[here], rates) - age_years[here]
    return onset


def _women(score, age_years, relative_risk, race, sample_weight):
    """The checked score and weight, and the function that gives all women's survival at a time."""
    score = check_vector(score, "score")
    age = check_vector(age_years, "age_years", len(score))
    relative_risk = check_vector(relative_risk, "relative_risk", len(score))
    race = np.asarray(race, dtype=object)
    unknown = sorted(set(race) - set(p.RACES))
    if unknown:
        raise InputError(
            f"unknown race {', '.join(map(str, unknown))}; known: {', '.join(p.RACES)}"
        )

    def survival(time_years: float) -> NDArray[np.float64]:
        return 1 - disease.risk_of_cancer(age, time_years, relative_risk, race)

    return score, check_weight(sample_weight, len(score)), survival
