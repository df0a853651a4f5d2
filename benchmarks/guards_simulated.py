"""Studies simulated for the guards on an analysis: sound at dose 0, with one mistake above."""

import numpy as np

from mammolab.evaluate.concordance import uno_c
from mammolab.evaluate.paired import PairedCounts
from mammolab.pitfalls import guards_follow_up, guards_selection, guards_unit
from mammolab.pitfalls.censoring_weights import follow_up, wrong_censoring
from mammolab.pitfalls.reader_studies import automation_bias, laboratory_effect
from mammolab.pitfalls.verdict import GuardVerdict

N_CANCERS, N_REPLICATES = 150, 1000


def reader_setting(dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Twelve readers who lose, in the laboratory, so much of what chapter 13 takes from them."""
    return laboratory_effect(dose, seed=_seed(rng)).guard


def follows_errors(dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Ten readers of 150 cancers who lean on the system so much; it misses one in ten."""
    return automation_bias(dose, seed=_seed(rng), n_in_use=100).guard


def censoring_weights(dose: float, rng: np.random.Generator) -> GuardVerdict:
    """The weights of chapter 13 where so many are lost; or Uno's C, to two digits, at any loss."""
    if dose:
        return wrong_censoring(dose, seed=_seed(rng), n_replicates=2).guard
    women = follow_up(rng.random(), _seed(rng), n_women=4000)
    columns = (women.time_years, women.event, women.score)
    return guards_follow_up.censoring_weights(round(uno_c(*columns), 2), *columns)


def replicate_error(dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A study of 150 cancers: the bootstrap's spread, or that over the root of its replicates."""
    shares = np.array([0.01, 0.06, 0.93])  # found by the new way alone, the old alone, and the rest
    new, old, rest = rng.multinomial(N_CANCERS, shares)
    drawn = rng.multinomial(
        N_CANCERS, np.array([new, old, rest]) / N_CANCERS, int(dose) or N_REPLICATES
    )
    spread = ((drawn[:, 0] - drawn[:, 1]) / N_CANCERS).std(ddof=1)
    counts = PairedCounts(0.0, float(new), float(old), float(rest))
    return guards_unit.replicate_error(spread / np.sqrt(dose or 1), counts)


def disclosed_selection(dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Up to 20 candidates, of which dev chose one that was tested once; or the best of so many."""
    n_candidates, n_seeds = int(rng.integers(1, 21)), int(rng.integers(2, 6))
    n_looks = int(dose) or 1
    return guards_selection.disclosed_selection(max(n_candidates, n_looks), n_looks, n_seeds)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
