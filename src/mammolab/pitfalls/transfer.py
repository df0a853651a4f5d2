"""A threshold carried to a new place: chosen where the scores were lower, or higher."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval, share_estimate
from mammolab.evaluate.thresholds import lowest_per_patient
from mammolab.pitfalls import guards_calibration
from mammolab.pitfalls._carrying import (
    COLUMNS,
    allowed_misses,
    check_columns,
    check_sensitivity,
    exams_of,
    keeping_threshold,
    matching_thresholds,
    ruled_out,
    score_at,
)
from mammolab.pitfalls._unjudged import judged
from mammolab.pitfalls.failure import Failure, Outcome, check_dose

# A place with fewer dev cancers has no threshold of its own to speak of (assumption).
FEWEST_CANCERS = 10

CARRIED_THRESHOLD = Failure(
    name="threshold_new_site",
    title="Threshold from elsewhere",
    metric="Ruled out at the threshold",
    dial="shift of the scores (logits)",
    guard="threshold_by",
    repair="Choose the threshold again on local exams, for every site, device and software.",
    cost="A few hundred local exams for the share ruled out; for the sensitivity, local cancers.",
    source="de Vries 2023 (doi:10.1148/ryai.220146): a threshold as delivered recalled 48.3%, a "
    "local one 13.0%; a software upgrade tripled recalls.",
)


@dataclass(frozen=True)
class Carried:
    """From where to where a threshold is carried, and what it does on dev.

    Attributes
    ----------
    by : str
        Column that tells the places apart, such as "site" or "device".
    home, away : str
        The place where the threshold is chosen, and the one it is carried to.
    threshold : float
        Exams that score below it are ruled out.
    ruled_out_home : float
        Share of home's dev exams, by weight.
    shift : float
        Away's score at that same share, minus the threshold; above 0, scores are higher there.
    """

    by: str
    home: str
    away: str
    threshold: float
    ruled_out_home: float
    shift: float


def most_different(dev: pd.DataFrame, by: str, sensitivity: float = 0.95) -> Carried | None:
    """Choose a threshold where most dev exams are, and the place where it is most out of place.

    Parameters
    ----------
    dev : DataFrame, one row an exam
        score (a logit; higher is more suspicious), cancer_within_1y (bool), patient_id,
        sampling_weight and the column `by`; exams where that is missing are passed over.
    by : str
    sensitivity : float in (0, 1)
        Share of home's women with cancer that the threshold keeps; of them, as few as possible are
        to be above it.

    Returns
    -------
    Carried or None
        None where fewer than two places have ten women with cancer in dev.

    Raises
    ------
    InputError
        If a column is missing.
    """
    check_columns(dev, by)
    check_sensitivity(sensitivity)
    places = {}
    for name, exams in dev.groupby(by):
        women = exams.loc[exams["cancer_within_1y"].astype(bool), "patient_id"].nunique()
        if women >= FEWEST_CANCERS and not exams["cancer_within_1y"].all():
            places[str(name)] = exams
    if len(places) < 2:
        return None
    home = max(places, key=lambda name: (len(places[name]), name))
    threshold = keeping_threshold(places[home], sensitivity)
    share = float(ruled_out(places[home], threshold))
    shifts = {
        name: score_at(exams, share) - threshold for name, exams in places.items() if name != home
    }
    away = max(shifts, key=lambda name: (abs(shifts[name]), name))
    return Carried(by, home, away, threshold, share, shifts[away])


def carried_threshold(
    dev: pd.DataFrame,
    test: pd.DataFrame,
    carried: Carried,
    bootstrap: PatientBootstrap,
    rng: np.random.Generator,
    dose: float,
    n_local: int = 200,
) -> Outcome:
    """Use a threshold where it was not chosen.

    It spared so many readings at home; nobody has looked what it does elsewhere, where devices,
    software and women are others.

    Parameters
    ----------
    dev, test : DataFrame
        As for `most_different`.
    carried : Carried
        As that returns it, from dev.
    bootstrap : PatientBootstrap
        Of the patients of test.
    rng : numpy Generator
        Of the local exams and the guard; it is copied, so that all doses share its draws.
    dose : float in [0, 1]
        At 1 the scores of the new place are taken as they are; at 0 their whole shift is taken off:
        that at which the threshold rules out the same share of test exams there as at home.
    n_local : int
        Exams of the new place, as they come and without a label, on which the threshold is chosen
        again so that it rules out the share it did at home.

    Returns
    -------
    Outcome
        setting: shift of the new place's scores. reported: share of home's test exams that is ruled
        out; true: share at the new place; repaired: share there with the threshold chosen anew,
        with an interval that holds the choice of the local exams too.

    Raises
    ------
    InputError
        If a column is missing, a place has no test exams, or n_local is below 1.

    References
    ----------
    de Vries et al. 2023, doi:10.1148/ryai.220146: recall 48.3% at the threshold as delivered, 13.0%
    at a local one; recalls rose threefold with a software upgrade.
    """
    check_dose(dose)
    rng = deepcopy(rng)
    local_rng, guard_rng = rng.spawn(2)
    home, away = (exams_of(test, carried.by, name) for name in (carried.home, carried.away))
    local = exams_of(dev, carried.by, carried.away)
    like_home = float(ruled_out(home, carried.threshold))
    shift = score_at(away, like_home) - carried.threshold
    back = (1 - dose) * shift
    away, local = (exams.assign(score=exams["score"] - back) for exams in (away, local))
    both = pd.concat([home, away])
    return Outcome(
        dose=dose,
        setting=dose * shift,
        reported=_ruled_out_estimate(home, carried.threshold, bootstrap),
        true=_ruled_out_estimate(away, carried.threshold, bootstrap),
        repaired=_chosen_again(away, local, carried, n_local, bootstrap, local_rng),
        guard=judged(
            guards_calibration.threshold_by,
            both["score"],
            carried.threshold,
            both["cancer_within_1y"],
            both[carried.by],
            both["patient_id"],
            guard_rng,
            both["sampling_weight"],
        ),
    )


def local_choices(
    dev: pd.DataFrame,
    test: pd.DataFrame,
    carried: Carried,
    rng: np.random.Generator,
    sensitivity: float = 0.95,
    n_exams: Sequence[int] = (50, 200, 800),
    n_cancers: Sequence[int] = (10, 20, 40),
    n_draws: int = 500,
) -> pd.DataFrame:
    """What the threshold does at the new place, chosen there on ever more exams or cancers.

    Parameters
    ----------
    dev, test, carried, rng
        As for `carried_threshold`.
    sensitivity : float in (0, 1)
        Share of local cancers that the second rule keeps.
    n_exams : sequence of int
        Local exams without a label: the threshold rules out home's share of them.
    n_cancers : sequence of int
        Local women with cancer: the threshold keeps `sensitivity` of them.
    n_draws : int
        Times that so many are drawn from dev, with replacement.

    Returns
    -------
    DataFrame
        One row a way to choose: rule ("carried", "local exams", "local cancers"), n; ruled_out and
        sensitivity on the new place's test exams, means over the draws, each with _low and _high:
        the range of 95 in 100 draws, which holds the choice alone.

    Raises
    ------
    InputError
        As for `carried_threshold`.
    """
    check_sensitivity(sensitivity)
    exams_rng, cancers_rng = deepcopy(rng).spawn(2)
    local, away = (exams_of(frame, carried.by, carried.away) for frame in (dev, test))
    lowest, _, _ = lowest_per_patient(*(local[name] for name in COLUMNS))
    chosen = [("carried", 0, np.array([carried.threshold]))]
    for n in n_exams:
        thresholds = matching_thresholds(local, carried.ruled_out_home, n, n_draws, exams_rng)
        chosen.append(("local exams", n, thresholds))
    for n in n_cancers:
        drawn = np.sort(cancers_rng.choice(lowest, (n_draws, n)), axis=1)
        chosen.append(("local cancers", n, drawn[:, allowed_misses(n, sensitivity)]))
    cancers = away[away["cancer_within_1y"].astype(bool)]
    rows = []
    for rule, n, thresholds in chosen:
        row: dict[str, str | float] = {"rule": rule, "n": n}
        for metric, values in (
            ("ruled_out", ruled_out(away, thresholds)),
            ("sensitivity", 1 - ruled_out(cancers, thresholds)),
        ):
            low, high = percentile_interval(values)
            row |= {metric: values.mean(), f"{metric}_low": low, f"{metric}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def _chosen_again(
    away: pd.DataFrame,
    local: pd.DataFrame,
    carried: Carried,
    n_local: int,
    bootstrap: PatientBootstrap,
    rng: np.random.Generator,
) -> Estimate:
    """Share ruled out with one local choice for each replicate of the test women."""
    thresholds = matching_thresholds(
        local, carried.ruled_out_home, n_local, bootstrap.n_replicates, rng
    )
    weight = bootstrap.counts[:, bootstrap.columns(away["patient_id"])] * (
        away["sampling_weight"].to_numpy(float)
    )
    below = away["score"].to_numpy(float) < thresholds[:, None]
    total = weight.sum(axis=1)
    replicates = np.full(len(total), np.nan)
    np.divide((weight * below).sum(axis=1), total, out=replicates, where=total > 0)
    value = float(ruled_out(away, thresholds).mean())
    return Estimate(value, *percentile_interval(replicates))


def _ruled_out_estimate(
    exams: pd.DataFrame, threshold: float, bootstrap: PatientBootstrap
) -> Estimate:
    everybody = np.ones(len(exams), dtype=bool)
    below = exams["score"] < threshold
    return share_estimate(
        below, everybody, exams["patient_id"], exams["sampling_weight"], bootstrap
    )
