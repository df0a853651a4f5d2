"""Permutation of whole patients, for what is learnt from features."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

N_PERMUTATIONS = 99  # behind the limit of a probe
_BLOCK_CELLS = 2_000_000  # rows times permutations held at once


def rows_of_others(
    patient: NDArray[np.intp],
    n_permutations: int,
    rng: np.random.Generator,
    kind: NDArray[np.intp] | None = None,
) -> Iterator[NDArray[np.intp]]:
    """Yield, for each row, a row of the patient that hers changes places with.

    Any two of a kind may change places, however many rows they have: those with cancer are often
    the ones with more images, and among them alone nobody has a label to exchange. Her rows take
    the other's in random order, from the first again once all are taken. What patients with one row
    each receive is a permutation of the rows.

    Parameters
    ----------
    patient : array of int, shape (n,)
        0 up, none left out.
    n_permutations : int
    rng : numpy Generator
    kind : array of int, shape (n_patients,), optional
        Of each patient; all are of one kind by default.

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
    kind = np.zeros(len(sizes), dtype=np.intp) if kind is None else kind
    of_kind = [np.flatnonzero(kind == one) for one in np.unique(kind)]
    partner = np.empty(len(sizes), dtype=np.intp)
    for _ in range(n_permutations):
        for patients in of_kind:
            partner[patients] = rng.permutation(patients)
        other = partner[patient]
        shuffled = by_patient[np.argsort(patient[by_patient] + rng.random(len(patient)))]
        yield shuffled[starts[other] + place % sizes[other]]


def blocks_of_others(
    patient: NDArray[np.intp],
    n_permutations: int,
    rng: np.random.Generator,
    kind: NDArray[np.intp] | None = None,
) -> Iterator[NDArray[np.intp]]:
    """The same, as many at once as fit, shape (n_block, n)."""
    n_block = max(1, _BLOCK_CELLS // len(patient))
    draws = rows_of_others(patient, n_permutations, rng, kind)
    while block := list(islice(draws, n_block)):
        yield np.stack(block)
