"""Permutation of whole patients, for what is learnt from features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

N_PERMUTATIONS = 99  # behind the limit of a probe
_BLOCK_CELLS = 2_000_000  # rows times permutations held at once


def exchanged_rows(
    patient: NDArray[np.intp],
    stratum: NDArray[np.intp],
    n_permutations: int,
    rng: np.random.Generator,
) -> Iterator[NDArray[np.intp]]:
    """Yield blocks of permutations of rows in which patients change places as a whole.

    Within a stratum, patients with equally many rows there are shuffled; one who is alone with her
    number of rows stays where she is.

    Parameters
    ----------
    patient, stratum : array of int, shape (n,)
    n_permutations : int
    rng : numpy Generator

    Yields
    ------
    array of int, shape (n_block, n)
        The row whose values each row receives.
    """
    unit = np.unique(np.stack([stratum, patient]), axis=1, return_inverse=True)[1].ravel()
    order = np.argsort(unit, kind="stable")
    sizes = np.bincount(unit)
    starts = np.cumsum(sizes) - sizes
    kinds = np.stack([stratum[order[starts]], sizes])
    rows_of = [  # each (patients, rows of a patient)
        order[starts[(kinds == kind[:, None]).all(axis=0)][:, None] + np.arange(kind[1])]
        for kind in np.unique(kinds, axis=1).T
    ]
    n_block = max(1, _BLOCK_CELLS // len(patient))
    for first in range(0, n_permutations, n_block):
        n = min(n_block, n_permutations - first)
        drawn = np.empty((n, len(patient)), dtype=np.intp)
        for rows in rows_of:
            members = np.broadcast_to(np.arange(len(rows)), (n, len(rows)))
            drawn[:, rows.ravel()] = rows[rng.permuted(members, axis=1)].reshape(n, -1)
        yield drawn
