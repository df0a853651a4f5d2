"""How far apart two shares are, such as that of cancers left out and that of the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mammolab.errors import InputError
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.resampling import PatientBootstrap, share_estimate

N_REPLICATES = 1000


def share_difference(
    event: ArrayLike,
    group: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike,
    seed: int,
) -> tuple[Estimate, Estimate, Estimate]:
    """Weighted share with the event inside a group, outside it, and their difference.

    Parameters
    ----------
    event, group : array-like of bool, shape (n,)
    patient_ids : array-like of str, shape (n,)
    sample_weight : array-like of float, shape (n,)
    seed : int
        Of the patient bootstrap.

    Returns
    -------
    tuple of Estimate
        Inside, outside, inside minus outside; 95% intervals over patients. Limits are NaN where
        the patients are too few.

    Raises
    ------
    InputError
        If all rows are of the group, or none.

    Notes
    -----
    The two intervals are combined as Zou and Donner 2008 do (MOVER, doi:10.1002/sim.3095), without
    the correlation that patients with rows on both sides make: where all or none have the event a
    bootstrap of the difference would be certain of that side.
    """
    event, group = np.asarray(event, dtype=bool), np.asarray(group, dtype=bool)
    if group.all() or not group.any():
        raise InputError(f"{int(group.sum()):,} of {len(group):,} rows are of the group")
    bootstrap = PatientBootstrap.draw(patient_ids, N_REPLICATES, seed)
    inside, outside = (
        share_estimate(event, among, patient_ids, sample_weight, bootstrap)
        for among in (group, ~group)
    )
    gap = inside.value - outside.value
    below = np.hypot(inside.value - inside.low, outside.high - outside.value)
    above = np.hypot(inside.high - inside.value, outside.value - outside.low)
    return inside, outside, Estimate(gap, float(gap - below), float(gap + above))


def in_points(gap: Estimate) -> str:
    """A difference of shares in words.

    Examples
    --------
    >>> in_points(Estimate(0.061, 0.012, 0.11))
    '+6.1 points, 95% interval 1.2 to 11.0'
    """
    if not np.isfinite(gap.ci).all():
        return f"{100 * gap.value:+.1f} points, of too few for an interval"
    return (
        f"{100 * gap.value:+.1f} points, 95% interval {100 * gap.low:.1f} to {100 * gap.high:.1f}"
    )
