"""Cases and controls by a horizon, and the weights that stand in for those censored before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mammolab.evaluate._time_order import (
    FollowUp,
    Replicates,
    Timeline,
    check_horizons,
    divide,
    observed_before,
)


@dataclass(frozen=True, eq=False)
class CasesAndControls:
    """Who has the event by each horizon and who has not: all that the weights do not change."""

    rows: FollowUp
    by_event: NDArray[np.bool_]  # (n,) whose exit is no censoring
    line: Timeline  # marked at these exits and at the horizons
    horizons: NDArray[np.float64]
    case: list[NDArray[np.bool_]]  # a horizon: the event by then
    gone: list[NDArray[np.bool_]]  # controls by a competing event before it
    still: list[NDArray[np.bool_]]  # controls seen up to it

    @classmethod
    def make(
        cls, time_years, event, horizons_years, sample_weight, cause, competing
    ) -> CasesAndControls:
        rows = FollowUp.check(time_years, event, sample_weight)
        horizons = check_horizons(horizons_years)
        by_event = rows.leaves_by_event(cause, competing)
        line = Timeline.make(rows.time, np.concatenate([rows.time[by_event], horizons]))
        is_cause = rows.event == cause
        case = [is_cause & (rows.time <= horizon) for horizon in horizons]
        gone = [by_event & ~is_cause & (rows.time < horizon) for horizon in horizons]
        still = [(rows.time >= horizons[k]) & ~case[k] for k in range(len(horizons))]
        return cls(rows, by_event, line, horizons, case, gone, still)

    def observed(
        self, replicates: Replicates
    ) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
        """Yield slices of replicates with counts of patients and G just before each interval."""
        by_event, otherwise = replicates.exits(self.line, self.rows.weight, self.by_event)
        for part, counts in replicates.parts():
            yield part, counts, observed_before(by_event @ counts, otherwise @ counts)[:-1]


def row_weights(
    rows: NDArray[np.intp],
    split: CasesAndControls,
    columns: NDArray[np.intp],
    counts: NDArray[np.float64],
    observed: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Weight of these rows in each replicate, over G just before their exit, (n_rows, r)."""
    drawn = split.rows.weight[rows, None] * counts[columns[rows]]
    return divide(drawn, observed[split.line.interval[rows]])
