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


def rows_of_others(
    patient: NDArray[np.intp], n_permutations: int, rng: np.random.Generator
) -> Iterator[NDArray[np.intp]]:
    """Yield, for each row, a row of the patient that hers changes places with.

    Any two may change places, however many rows they have: those with cancer are often the ones
    with more images, and among them alone nobody has a label to exchange. Her rows take the other's
    in random order, from the first again once all are taken. What patients with one row each
    receive is a permutation of the rows.

    Parameters
    ----------
    patient : array of int, shape (n,)
        0 up, none left out.
    n_permutations : int
    rng : numpy Generator

    Yields
    ------
    array of int, shape (n,)
        The row whose values each row receives.
    """
    sizes = np.bincount(patient)
    starts = np.cumsum(sizes) - sizes
    by_patient = np.argsort(patient, kind="stable")
    place = np.empty(len(patient), dtype=np.intp)  # of a row among those of its patient
    place[by_patient] = np.arange(len(patient)) - np.repeat(starts, sizes)
    for _ in range(n_permutations):
        other = rng.permutation(len(sizes))[patient]
        shuffled = np.lexsort([rng.random(len(patient)), patient])
        yield shuffled[starts[other] + place % sizes[other]]
