"""A C-index whose weights come from the wrong curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.concordance_variants import concordance_variants
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.pitfalls.failure import Failure, Outcome, check_dose
from mammolab.pitfalls.guards_follow_up import censoring_weights
from mammolab.world.streams import stream

YEARS = 5
# The score tells early cancers well and late ones hardly, as scores of images do: the log hazard
# ratio by standard deviation in each year. All four lines are assumptions.
LOG_HAZARD_RATIOS = (1.6, 1.0, 0.6, 0.3, 0.1)
BASE_HAZARD = 0.015
# Of those still followed, the share lost after each visit but the last, at dose 1.
LOST = (0.55, 0.35, 0.20, 0.10)
_GRID = 4000

WRONG_CENSORING = Failure(
    name="wrong_censoring",
    title="C-index, wrong weights",
    metric="C-index over five years",
    dial="share lost within five years",
    guard="censoring_weights",
    repair="Weigh by the curve of censoring just before each event (Uno), up to a stated time.",
    cost="A wider interval where few are followed to the end.",
    source=(
        "Uno 2011, doi:10.1002/sim.4154; two public risk models fit the curve to the event flag, "
        "which leaves Harrell's C in all but name"
    ),
)


@dataclass(frozen=True, eq=False)
class FollowUp:
    """Women with a yearly visit; shape (n_women,).

    Attributes
    ----------
    score : standard normal, higher means higher risk.
    time_years : year of the cancer or of the last visit, 1 to 5.
    event : 1 cancer, 0 lost, or free of cancer at the end.
    """

    score: NDArray[np.float64]
    time_years: NDArray[np.float64]
    event: NDArray[np.int64]


def wrong_censoring(
    dose: float, seed: int, n_women: int = 4000, n_replicates: int = 200
) -> Outcome:
    """Report a concordance weighted by the event-free curve, in women many of whom are lost early.

    Parameters
    ----------
    dose : float in [0, 1]
        From nobody lost to four in five, most of them after the first visit.
    seed : int
    n_women, n_replicates : int

    Returns
    -------
    Outcome
        reported: weights 1 / S(t)^2, S the event-free curve; true: `true_concordance`; repaired:
        Uno's C, weights 1 / G(t-)^2, G the curve of censoring. The two intervals are of the same
        patient bootstrap.

    References
    ----------
    Uno et al. 2011, doi:10.1002/sim.4154.
    """
    women = follow_up(dose, seed, n_women)
    patients = np.arange(n_women)
    table = concordance_variants(
        women.time_years,
        women.event,
        women.score,
        patients,
        None,
        PatientBootstrap.draw(patients, n_replicates, seed),
    ).set_index("estimator")
    by_events, by_censoring = (
        Estimate(*(float(table.loc[name, column]) for column in ("estimate", "ci_low", "ci_high")))
        for name in ("event curve for G", "Uno, G just before the event")
    )
    known = true_concordance()
    return Outcome(
        dose,
        share_lost(dose),
        by_events,
        Estimate(known, known, known),
        by_censoring,
        censoring_weights(by_events.value, women.time_years, women.event, women.score),
    )


def follow_up(dose: float, seed: int, n_women: int) -> FollowUp:
    """Draw the women of `wrong_censoring`; a higher dose only loses more of the same women."""
    check_dose(dose)
    score = stream(seed, "score").standard_normal(n_women)
    has_cancer = stream(seed, "cancer").random((n_women, YEARS)) < _yearly_risk(score)
    is_lost = stream(seed, "loss").random((n_women, YEARS)) < dose * np.array([*LOST, 0.0])
    cancer_year, lost_year = (
        np.where(flag.any(axis=1), flag.argmax(axis=1) + 1, YEARS + 1)
        for flag in (has_cancer, is_lost)
    )
    # who is lost after a visit has been seen there, with her cancer if she has one
    event = (cancer_year <= lost_year) & (cancer_year <= YEARS)
    time = np.minimum(np.minimum(cancer_year, lost_year), YEARS)
    return FollowUp(score, time.astype(float), event.astype(np.int64))


def share_lost(dose: float) -> float:
    """Share of women without cancer who are lost before the last visit."""
    return float(1 - np.prod(1 - dose * np.array(LOST)))


def true_concordance() -> float:
    """Chance that of two women the one with the earlier cancer scores higher, nobody lost.

    Summed over a grid of the two scores; a cancer of the same year in both is no pair, as in
    `evaluate.concordance.uno_c`.
    """
    score = norm.ppf((np.arange(_GRID) + 0.5) / _GRID)  # equally likely, rising
    risk = _yearly_risk(score)
    free = np.cumprod(1 - risk, axis=1)  # after each visit
    cases = np.hstack([np.ones((_GRID, 1)), free[:, :-1]]) * risk
    below = np.cumsum(free, axis=0) - free / 2  # a tied score is half a win
    return float((cases * below).sum() / (cases.sum(axis=0) * free.sum(axis=0)).sum())


def _yearly_risk(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chance of a cancer at each visit, given none before, shape (n_women, YEARS)."""
    return 1 - np.exp(-BASE_HAZARD * np.exp(score[:, None] * np.array(LOG_HAZARD_RATIOS)))
