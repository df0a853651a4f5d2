"""Turnaround of exams by group, and two orders of reading compared, with blocks of time as unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    check_inside,
    check_patient_ids,
    check_vector,
    group_codes,
)
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval, ratio_estimate

_QUANTILES = {"median": 0.5, "p90": 0.9}
_BLOCK_CELLS = 4_000_000  # cells of a temporary array, 32 MB


@dataclass(frozen=True)
class TurnaroundDifference:
    """Hours of the first order minus the second, of the same exams; below 0 the first is faster.

    `median` and `p90` are differences of quantiles, not quantiles of differences.
    """

    mean: Estimate
    median: Estimate
    p90: Estimate


def time_blocks(arrival_hours: ArrayLike, block_hours: float = 24.0) -> NDArray[np.int_]:
    """Return the block of time in which each exam arrived, counted from hour 0.

    Blocks must be much longer than the worklist remembers: if blocks twice as long widen the
    intervals, they were too short. A day is long enough where the worklist empties every day.
    """
    arrival = check_vector(arrival_hours, "arrival_hours")
    return np.floor(arrival / check_inside(block_hours, "block_hours", 0, np.inf)).astype(int)


def turnaround_table(
    turnaround_hours: ArrayLike,
    group: ArrayLike,
    block: ArrayLike,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Mean, median and 90th percentile of the turnaround of each group.

    Parameters
    ----------
    turnaround_hours : array-like of float, shape (n_exams,)
    group : array-like of bool, str or int, shape (n_exams,)
        Cancer or not, or the urgency class.
    block : array-like of int, shape (n_exams,)
        From `time_blocks`.
    bootstrap : PatientBootstrap
        Drawn from `block`, not from patients.
    confidence : float

    Returns
    -------
    DataFrame
        Columns group, statistic ("mean", "median", "p90"), estimate, ci_low, ci_high, n_exams,
        n_blocks (that hold an exam of the group).

    Notes
    -----
    Exams near each other in time wait for the same backlog, so neither exams nor patients are
    independent; blocks of time nearly are. Drawing whole blocks with replacement keeps the
    dependence inside them. At utilisation 0.8, fifty blocks of 75 mean reading times covered the
    true mean in 91% of 150 simulated worklists, fifty of 300 in 94% (nominal 95%). A quantile is
    the smallest value that so large a share does not exceed.
    `sample_weight` has no meaning here, as in `read_in_order`.

    References
    ----------
    Carlstein 1986, doi:10.1214/aos/1176350057 (blocks that do not overlap).
    """
    turnaround = check_vector(turnaround_hours, "turnaround_hours")
    codes, groups = group_codes(group, "group", len(turnaround))
    block = _check_blocks(block, len(turnaround), bootstrap)
    rows = []
    for code, name in enumerate(groups):
        among = codes == code
        counts = {"n_exams": int(among.sum()), "n_blocks": len(np.unique(block[among]))}
        estimates = _statistics([turnaround], among, block, bootstrap, confidence)
        for statistic, estimate in estimates.items():
            value = {"estimate": estimate.value, "ci_low": estimate.low, "ci_high": estimate.high}
            rows.append({"group": name, "statistic": statistic} | value | counts)
    return pd.DataFrame(rows)


def turnaround_difference(
    first_hours: ArrayLike,
    second_hours: ArrayLike,
    among: ArrayLike,
    block: ArrayLike,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
) -> TurnaroundDifference:
    """Compare two orders of reading the same arrivals, paired block by block.

    Parameters
    ----------
    first_hours, second_hours : array-like of float, shape (n_exams,)
        Turnaround, for instance by score and first come, first served.
    among : array-like of bool, shape (n_exams,)
        The exams to compare: those with cancer.
    block, bootstrap, confidence
        As for `turnaround_table`.
    """
    first = check_vector(first_hours, "first_hours")
    second = check_vector(second_hours, "second_hours", len(first))
    among = check_flag(among, "among", len(first))
    if not among.any():
        raise ValueError("among holds no True row: there is nothing to compare")
    block = _check_blocks(block, len(first), bootstrap)
    return TurnaroundDifference(**_statistics([first, second], among, block, bootstrap, confidence))


def _check_blocks(block: ArrayLike, n_rows: int, bootstrap: PatientBootstrap) -> NDArray:
    try:
        block = check_patient_ids(block, n_rows)
        bootstrap.columns(block)
    except ValueError as error:
        raise ValueError(f"block (in the place of patients): {error}") from error
    if len(np.unique(block)) < 2:
        raise ValueError("block holds one block only: no interval can be computed")
    return block


def _statistics(
    times: list[NDArray[np.float64]],
    among: NDArray[np.bool_],
    block: NDArray,
    bootstrap: PatientBootstrap,
    confidence: float,
) -> dict[str, Estimate]:
    """Mean and quantiles of the first times, less those of the second if there are two."""
    change = times[0] if len(times) == 1 else times[0] - times[1]
    estimates = {"mean": ratio_estimate(change * among, among, block, None, bootstrap, confidence)}
    block = block[among]
    levels = list(_QUANTILES.values())
    here = [_quantiles(one[among], block, bootstrap, levels) for one in times]
    value, replicates = here[0]
    if len(here) == 2:
        value, replicates = value - here[1][0], replicates - here[1][1]
    for k, name in enumerate(_QUANTILES):
        limits = percentile_interval(replicates[:, k], confidence)
        estimates[name] = Estimate(float(value[k]), *limits)
    return estimates


def _quantiles(
    values: NDArray[np.float64], block: NDArray, bootstrap: PatientBootstrap, levels: list[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quantiles of the exams, (n_levels,), and of every replicate, (n_replicates, n_levels)."""
    order = np.argsort(values, kind="stable")
    values, columns = values[order], bootstrap.columns(block[order])
    once = np.quantile(values, levels, method="inverted_cdf")
    replicates = np.full((bootstrap.n_replicates, len(levels)), np.nan)
    size = max(1, _BLOCK_CELLS // len(values))
    for first in range(0, bootstrap.n_replicates, size):
        rows = slice(first, first + size)
        drawn = np.cumsum(bootstrap.counts[rows, :][:, columns], axis=1, dtype=np.int32)
        total = drawn[:, -1]
        for k, level in enumerate(levels):
            # less a rounding error, or level x total may pass the whole number that it is
            below = (drawn < (level * total - 1e-9)[:, None]).sum(axis=1)
            found = total > 0
            replicates[rows, k][found] = values[below[found]]
    return once, replicates
