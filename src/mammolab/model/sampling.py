"""Which images make a batch: half with cancer, half without, whatever the prevalence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mammolab.errors import InputError


def balanced_batches(
    label: np.ndarray,
    sample_weight: np.ndarray,
    batch_size: int,
    n_batches: int,
    rng: np.random.Generator,
) -> Iterator[np.ndarray]:
    """Yield index arrays in which every second image shows a cancer.

    Positives pass through in shuffled rounds, each once a round. Negatives are drawn with
    probability proportional to `sample_weight`, so that a stratified sample of the cohort trains
    the network on the women the cohort holds.

    Parameters
    ----------
    label : bool array, shape (n_images,)
    sample_weight : float array, shape (n_images,)
        Inverse probability of having been sampled from the cohort; positive.
    batch_size : int
        Even.
    n_batches : int
    rng : numpy Generator

    Yields
    ------
    int array, shape (batch_size,)
        Positions in `label`, positives and negatives interleaved.

    Raises
    ------
    InputError
        When one class is empty or `batch_size` is odd.
    """
    positives, negatives = np.flatnonzero(label), np.flatnonzero(~label)
    if not len(positives) or not len(negatives):
        raise InputError(
            f"Balanced batches need images of both classes; got {len(positives)} with cancer "
            f"and {len(negatives)} without."
        )
    if batch_size % 2:
        raise InputError(f"batch_size is {batch_size}; balanced batches need an even one.")
    half = batch_size // 2
    rounds = -(-half * n_batches // len(positives))
    queue = np.concatenate([rng.permutation(positives) for _ in range(rounds)])
    probability = sample_weight[negatives] / sample_weight[negatives].sum()
    drawn = rng.choice(negatives, size=(n_batches, half), p=probability)
    for b in range(n_batches):
        batch = np.empty(batch_size, dtype=np.int64)
        batch[0::2] = queue[b * half : (b + 1) * half]
        batch[1::2] = drawn[b]
        yield batch
