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

    def sums(
        self, replicates: Replicates, flags: NDArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weighted sums of `flags`, shape (n, k), over cases and over controls by one horizon.

        Returns
        -------
        cases, controls : arrays of float, shape (n_replicates, k)
            Controls are NaN where the last women left before the horizon.
        """
        if len(self.horizons) != 1:
            raise ValueError(f"sums are taken by one horizon, not {len(self.horizons)}")
        case, gone = np.flatnonzero(self.case[0]), np.flatnonzero(self.gone[0])
        values = np.asarray(flags, dtype=np.float64)
        together = np.zeros(len(values), dtype=np.intp)
        still = [
            replicates.table(together, self.rows.weight * column, self.still[0], 1)
            for column in values.T
        ]
        (start,) = self.line.starting_at(self.horizons)
        cases, controls = np.empty((2, replicates.n_replicates, values.shape[1]))
        for part, counts, observed in self.observed(replicates):
            drawn = (self, replicates.columns, counts, observed)
            cases[part] = row_weights(case, *drawn).T @ values[case]
            controls[part] = row_weights(gone, *drawn).T @ values[gone]
            for k, table in enumerate(still):
                controls[part, k] += divide((table @ counts)[0], observed[start], empty=np.nan)
        return cases, controls


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
