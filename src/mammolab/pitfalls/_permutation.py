"""Permutation of whole patients, and max-T tests of many groups against everyone else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05  # of every test, over all that a guard looks at
N_PERMUTATIONS = 499
_BLOCK_CELLS = 2_000_000  # rows times permutations held at once


@dataclass(frozen=True, eq=False)
class GroupContrasts:
    """Each of k groups against everyone else.

    Attributes
    ----------
    inside, rest : array of float, shape (k,)
        Weighted mean of the value in the group and among everyone else.
    p_adjusted : array of float, shape (k,)
        Two-sided, max-T over all groups.
    """

    inside: NDArray[np.float64]
    rest: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]


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


def group_contrasts(
    value: NDArray[np.float64],
    groups: NDArray[np.bool_],
    patient: NDArray[np.intp],
    weight: NDArray[np.float64],
    stratum: NDArray[np.intp],
    rng: np.random.Generator,
    n_permutations: int = N_PERMUTATIONS,
) -> GroupContrasts:
    """Compare the mean of a value in each group with everyone else's, at fixed stratum.

    Parameters
    ----------
    value : array of float, shape (n,)
    groups : array of bool, shape (n, k)
    patient : array of int, shape (n,)
    weight : array of float, shape (n,)
    stratum : array of int, shape (n,)
        Values are exchanged within a stratum only. Means are taken over all strata: centre the
        value in each stratum first, where a stratum must not tell.
    rng : numpy Generator
    n_permutations : int

    Returns
    -------
    GroupContrasts

    Notes
    -----
    Value and weight move together, so that a weight that depends on the value keeps doing so. The
    difference of a group is set against the mean and spread of its own permutations.
    """
    observed = _differences((value * weight)[None], weight[None], groups)
    permuted = []
    for drawn in exchanged_rows(patient, stratum, n_permutations, rng):
        permuted.append(_differences((value * weight)[drawn], weight[drawn], groups)[0])
    null = np.concatenate(permuted)
    difference, inside, rest = (part[0] for part in observed)
    return GroupContrasts(inside, rest, max_t_p_values(difference, null))


def max_t_p_values(
    observed: NDArray[np.float64], permuted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return two-sided p-values, shape (k,), adjusted over the k statistics.

    Parameters
    ----------
    observed : array of float, shape (k,)
    permuted : array of float, shape (n_permutations, k)
        One that does not vary (a group that cannot be told from the rest) has the p-value 1.
    """
    centre, spread = permuted.mean(axis=0), permuted.std(axis=0)
    varies = spread > 1e-12
    spread = np.where(varies, spread, np.inf)
    # A hair below, so that a permutation that repeats the sample counts as large as it.
    extreme = np.abs(observed - centre) / spread * (1 - 1e-9)
    largest = (np.abs(permuted - centre) / spread).max(axis=1)
    p_values = (1 + (largest[:, None] >= extreme).sum(axis=0)) / (1 + len(permuted))
    return np.where(varies, p_values, 1.0)


def most_telling(effect: NDArray[np.float64], p_value: NDArray[np.float64]) -> int:
    """The largest effect among the significant ones; without any, the least probable one."""
    significant = p_value < LEVEL
    if significant.any():
        return int(np.argmax(np.where(significant, effect, -np.inf)))
    return int(np.lexsort((-effect, p_value))[0])


def _differences(
    weighted: NDArray[np.float64], weight: NDArray[np.float64], groups: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Group minus rest, group, rest: each (n_permutations, k); 0 where one of them is empty."""
    columns = groups.astype(float)
    top, bottom = weighted @ columns, weight @ columns
    rest_top = weighted.sum(axis=1, keepdims=True) - top
    rest_bottom = weight.sum(axis=1, keepdims=True) - bottom
    there = (bottom > 0) & (rest_bottom > 1e-9 * bottom)
    inside = np.divide(top, bottom, out=np.zeros_like(top), where=there)
    rest = np.divide(rest_top, rest_bottom, out=np.zeros_like(top), where=there)
    return inside - rest, inside, rest
