"""CUSUM charts: is the deployed model still calibrated, are its scores still the same, exam by exam?

`sample_weight` has no meaning on a chart: it counts exams as they come, and a run length is a
number of exams. A chart takes the whole stream, not a sample of it; only the case mix from which a
limit is computed (`risk_adjusted_steps`) may come from a weighted sample.

Run lengths hold for independent exams. Chart one exam of a patient in a screening round; left and
right breast, or repeats within weeks, as rows of their own would signal too often.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from mammolab.evaluate.checks import check_inside, check_probabilities, check_vector

_DIRECTIONS = ("up", "down")
_LONGEST_RUN = 1e9  # beyond it rounding spoils the solution of the chain
_HIGHEST_LIMIT = 500.0  # no chart waits for so much evidence; stops a search that cannot end


@dataclass(frozen=True, eq=False)
class Cusum:
    """A chart of max(0, chart + step), one value an exam.

    It is not set back after a signal: it stays high as long as the drift lasts.

    Attributes
    ----------
    path : array of float, shape (n_exams,)
    limit : float
        A value of at least this much is a signal.
    """

    path: NDArray[np.float64]
    limit: float

    @property
    def first_signal(self) -> int | None:
        """Row of the first signal, None if there is none."""
        above = self.path >= self.limit
        return int(above.argmax()) if above.any() else None


@dataclass(frozen=True)
class StepDistribution:
    """How far one exam moves a chart before the floor at 0, as `average_run_length` needs it.

    Attributes
    ----------
    below : callable
        x -> P(step < x), on arrays.
    shortfall : callable
        x -> E[max(0, x - step)], on arrays: the integral of `below`.
    """

    below: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    shortfall: Callable[[NDArray[np.float64]], NDArray[np.float64]]


def risk_adjusted_cusum(
    probability: ArrayLike, event: ArrayLike, odds_ratio: float, limit: float
) -> Cusum:
    """Chart the evidence that the odds of cancer are `odds_ratio` times what the model says.

    Parameters
    ----------
    probability : array-like of float in [0, 1], shape (n_exams,)
        Calibrated risk, in the order in which the outcomes became known: a cancer at once, its
        absence after the follow-up.
    event : array-like of bool, shape (n_exams,)
        True = cancer within the horizon of the risk.
    odds_ratio : float above 0, not 1
        The drift worth a signal: 2 where the model has come to underestimate the odds by half,
        0.5 where it overestimates them twofold.
    limit : float
        From `decision_limit`.

    Notes
    -----
    The step is the log-likelihood ratio of the outcome, Steiner's equation with R0 = 1. Two charts,
    of odds ratios above and below 1, watch both sides.

    References
    ----------
    Steiner, Cook, Farewell, Treasure 2000, doi:10.1093/biostatistics/1.4.441.

    Examples
    --------
    >>> chart = risk_adjusted_cusum([0.1, 0.1, 0.1], [0, 1, 1], odds_ratio=2.0, limit=1.0)
    >>> chart.path.round(4), chart.first_signal
    (array([0.    , 0.5978, 1.1957]), 2)
    """
    probability, event, _ = check_probabilities(probability, event)
    without, with_event = _log_likelihood_ratio(probability, odds_ratio)
    return _chart(np.where(event, with_event, without), limit)


def mean_cusum(
    score: ArrayLike,
    reference_mean: float,
    reference_sd: float,
    limit: float,
    slack: float = 0.5,
    direction: str = "up",
) -> Cusum:
    """Chart a drift of the mean score, in standard deviations of the reference.

    No outcome is needed, so it speaks years before `risk_adjusted_cusum`, but only of the input.

    Parameters
    ----------
    score : array-like of float, shape (n,)
        In order of time: single scores or, nearer to the normal steps that a limit assumes, means
        of batches, of which `reference_sd` is then the standard deviation.
    reference_mean, reference_sd : float
        Of the validation set.
    limit : float
        From `decision_limit`.
    slack : float
        Half the drift to be found, in standard deviations.
    direction : {"up", "down"}
        Which drift is charted; two charts watch both, and signal twice as often.

    References
    ----------
    Page 1954, doi:10.1093/biomet/41.1-2.100.
    """
    score = check_vector(score, "score")
    check_vector([reference_mean], "reference_mean")
    check_inside(reference_sd, "reference_sd", 0, np.inf)
    if slack < 0 or not np.isfinite(slack):
        raise ValueError(f"slack must be at least 0, not {slack}")
    if direction not in _DIRECTIONS:
        raise ValueError(f"direction {direction!r} is unknown; valid: {', '.join(_DIRECTIONS)}")
    z = (score - reference_mean) / reference_sd
    return _chart((z if direction == "up" else -z) - slack, limit)


def normal_steps(slack: float, shift: float = 0.0) -> StepDistribution:
    """Steps of `mean_cusum` when the mean has moved by `shift` standard deviations its way."""
    mean = float(shift) - float(slack)

    def shortfall(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return (x - mean) * norm.cdf(x - mean) + norm.pdf(x - mean)

    return StepDistribution(lambda x: norm.cdf(x - mean), shortfall)


def risk_adjusted_steps(
    probability: ArrayLike,
    odds_ratio: float,
    true_odds_ratio: float = 1.0,
    sample_weight: ArrayLike | None = None,
) -> StepDistribution:
    """Steps of `risk_adjusted_cusum` over a case mix.

    Parameters
    ----------
    probability : array-like of float in [0, 1], shape (n_exams,)
        Risks of exams like those to come (the validation set).
    odds_ratio : float
        Of the chart.
    true_odds_ratio : float
        What holds: 1 in control, `odds_ratio` when the drift charted has come.
    sample_weight : array-like of float, shape (n_exams,), optional
        Inverse sampling probability, for the case mix of the whole cohort.

    Raises
    ------
    ValueError
        If no outcome could move the chart up (all risks 0, or all 1): it would never signal.
    """
    probability, _, weight = check_probabilities(
        probability, np.zeros(np.shape(probability)), sample_weight
    )
    check_inside(true_odds_ratio, "true_odds_ratio", 0, np.inf)
    without, with_event = _log_likelihood_ratio(probability, odds_ratio)
    risk = true_odds_ratio * probability / (1 - probability + true_odds_ratio * probability)
    step = np.concatenate([without, with_event])
    share = np.concatenate([weight * (1 - risk), weight * risk]) / weight.sum()
    if not share[step > 0].any():
        raise ValueError("probability leaves no step up: the chart would never signal")
    order = np.argsort(step)
    step, share = step[order], share[order]
    below = np.concatenate([[0.0], np.cumsum(share)])
    moment = np.concatenate([[0.0], np.cumsum(share * step)])

    def shortfall(x: NDArray[np.float64]) -> NDArray[np.float64]:
        place = np.searchsorted(step, x, side="left")
        return x * below[place] - moment[place]

    return StepDistribution(lambda x: below[np.searchsorted(step, x, side="left")], shortfall)


def average_run_length(steps: StepDistribution, limit: float, n_states: int = 200) -> float:
    """Mean number of exams from a chart at 0 to its signal: a false one where steps are in control.

    Parameters
    ----------
    steps : StepDistribution
        From `normal_steps` or `risk_adjusted_steps`.
    limit : float
    n_states : int
        Into how many the range from 0 to the limit is cut, once, and then into twice as many.

    Notes
    -----
    The chart is a Markov chain on a grid. Brook and Evans move it to the nearest state; here what
    lands between two states is shared between them so that the mean step is kept, since at the
    risks of screening a step without cancer is smaller than half a state and would be rounded to
    none. The error falls with the square of n_states, so the two chains are extrapolated.

    Two charts of opposite direction have together the run length 1 / (1 / up + 1 / down).

    References
    ----------
    Brook, Evans 1972, doi:10.1093/biomet/59.3.539.

    Examples
    --------
    >>> round(average_run_length(normal_steps(slack=0.5), limit=5.0), 1)
    930.9
    """
    check_inside(limit, "limit", 0, np.inf)
    if n_states < 2:
        raise ValueError(f"n_states must be at least 2, not {n_states}")
    coarse, fine = _run_length(steps, limit, n_states), _run_length(steps, limit, 2 * n_states)
    return (4 * fine - coarse) / 3


def decision_limit(steps: StepDistribution, run_length: float, n_states: int = 200) -> float:
    """Limit whose average run length is `run_length`.

    Parameters
    ----------
    steps : StepDistribution
        In control: the run length is then the mean number of exams between false signals.
    run_length : float
        In exams, up to 1e9. For two charts of opposite direction ask twice the run length of each.
    n_states : int
        As for `average_run_length`.

    Raises
    ------
    ValueError
        If no limit above 0 signals so early, or none up to 500 so late.

    Examples
    --------
    >>> round(decision_limit(normal_steps(slack=0.5), run_length=1000.0), 3)
    5.071
    """
    check_inside(run_length, "run_length", 1, _LONGEST_RUN)

    def excess(limit: float) -> float:
        return np.log(average_run_length(steps, limit, n_states) / run_length)

    low, high = 1e-3, 1.0
    if excess(low) > 0:
        raise ValueError(
            f"run_length {run_length} is below that of any limit: "
            f"{average_run_length(steps, low, n_states):.4g}"
        )
    while excess(high) < 0:
        low, high = high, 1.5 * high
        if high > _HIGHEST_LIMIT:
            raise ValueError(f"no limit up to {_HIGHEST_LIMIT} has run_length {run_length}")
    return float(brentq(excess, low, high, xtol=1e-9))


def _run_length(steps: StepDistribution, limit: float, n_states: int) -> float:
    """Mean steps to absorption from state 0 of the chain with states 0, width, ..., limit."""
    width = limit / n_states
    # what a step of so many states reaches, from -n_states - 1 to n_states + 1
    reach = width * np.arange(-n_states - 1, n_states + 2)
    below, shortfall = steps.below(reach), steps.shortfall(reach)
    mass = np.diff(shortfall, 2) / width  # shared to a step of -n_states to n_states
    state = np.arange(n_states + 1)
    here = n_states - state  # place in `mass` of the step from each state down to 0
    move = mass[here[:, None] + state]  # (from, to)
    # all that lands below 0 stays at 0, all that lands at the limit or above leaves the chain
    move[:, 0] = np.diff(shortfall)[here + 1] / width
    to_limit = here + n_states + 1
    move[:, -1] = below[to_limit] - np.diff(shortfall)[to_limit - 1] / width
    run_lengths = np.linalg.solve(np.eye(n_states + 1) - move, np.ones(n_states + 1))
    return float(run_lengths[0])


def _log_likelihood_ratio(
    probability: NDArray[np.float64], odds_ratio: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Step of an exam without and with cancer."""
    if check_inside(odds_ratio, "odds_ratio", 0, np.inf) == 1:
        raise ValueError("odds_ratio must not be 1: there is no drift to tell from none")
    without = -np.log1p((odds_ratio - 1) * probability)
    return without, without + np.log(odds_ratio)


def _chart(step: NDArray[np.float64], limit: float) -> Cusum:
    check_inside(limit, "limit", 0, np.inf)
    total = np.cumsum(step)
    lowest = np.minimum(np.minimum.accumulate(total), 0)  # the floor at 0 in one pass
    return Cusum(total - lowest, float(limit))
