"""What is known of each woman by a horizon, and what those censored before it make others count."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate._time_order import FollowUp, check_horizons, divide
from mammolab.evaluate.survival import censoring_survival


def status_by_horizons(
    time_years: ArrayLike,
    event: ArrayLike,
    horizons_years: ArrayLike,
    sample_weight: ArrayLike | None = None,
    cause: int = 1,
    competing: str = "control",
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Tell who had the event by each horizon, and how many women each known status stands for.

    Women censored before the horizon weigh nothing, and those like them who remained weigh more
    (inverse probability of censoring): one with the event at t weighs 1 / G(t-), one still free of
    it at the horizon h weighs 1 / G(h-), where G is the probability of still being under
    observation. Leaving the censored out without these weights would make the event too frequent,
    for whoever has it early is never lost.

    Parameters
    ----------
    time_years, event, sample_weight, cause
        As in `survival.kaplan_meier`.
    horizons_years : array of float, shape (n_horizons,)
    competing : {"control", "censored"}
        "control" (default): who died of another cause before the horizon did not get the event.
        "censored": nothing is known of her after her death.

    Returns
    -------
    status : array of bool, shape (n, n_horizons)
        The event by the horizon; False where unknown.
    weight : array of float, shape (n, n_horizons)
        0 where the status is unknown, else 1 / G; it does not contain `sample_weight`.

    Raises
    ------
    ValueError
        As for `survival.kaplan_meier`, or if a horizon is not above 0.

    Notes
    -----
    The same weights as in `horizons`: a row censored exactly at the horizon is known to be free of
    the event there.

    References
    ----------
    Uno et al. 2007, doi:10.1198/016214507000000149; Blanche et al. 2013, doi:10.1002/sim.5958

    Examples
    --------
    >>> status, weight = status_by_horizons([1.0, 2.0, 3.0, 6.0], [1, 0, 1, 0], [5.0])
    >>> status[:, 0].tolist(), weight[:, 0].tolist()
    ([True, False, True, False], [1.0, 0.0, 1.5, 1.5])
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    horizons = check_horizons(horizons_years)
    observed = censoring_survival(rows.time, rows.event, rows.weight, cause, competing)
    leaves = rows.leaves_by_event(cause, competing)
    at_exit, at_horizon = observed.left(rows.time), observed.left(horizons)
    status = (rows.event == cause)[:, None] & (rows.time[:, None] <= horizons)
    left_before = (leaves[:, None] & (rows.time[:, None] < horizons)) | status
    still = ~left_before & (rows.time[:, None] >= horizons)
    # a row of sampling weight 0 may outlast all that G was estimated on: it counts for nothing
    weight = left_before * divide(np.ones_like(at_exit), at_exit)[:, None]
    weight += still * divide(np.ones_like(at_horizon), at_horizon)
    return status, weight
