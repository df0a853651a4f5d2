"""Which images or exams make a batch: half of them with cancer, or as they come."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mammolab.errors import InputError

BALANCES = ("sampler", "loss", "none")


def batches(
    balance: str,
    label: np.ndarray,
    sample_weight: np.ndarray,
    batch_size: int,
    n_batches: int,
    rng: np.random.Generator,
) -> Iterator[np.ndarray]:
    """Yield the batches of one epoch.

    Parameters
    ----------
    balance : {"sampler", "loss", "none"}
        What keeps cancers from drowning among the rest: batches that are half cancers, a loss that
        weighs them, or nothing. Only the first changes the batches.
    label, sample_weight, batch_size, n_batches, rng
        As for `balanced_batches`.

    Yields
    ------
    int array, shape (batch_size,)

    Raises
    ------
    InputError
        On an unknown balance or a weight that is not positive; otherwise as in `balanced_batches` and `natural_batches`.
    """
    if balance not in BALANCES:
        raise InputError(f"balance is {balance!r}; it must be one of {', '.join(BALANCES)}.")
    if bad := np.flatnonzero(~(np.isfinite(sample_weight) & (sample_weight > 0))).tolist():
        raise InputError(
            f"{len(bad)} sampling weights are not positive numbers (positions {bad[:3]})."
        )
    draw = balanced_batches if balance == "sampler" else natural_batches
    return draw(label, sample_weight, batch_size, n_batches, rng)


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
    _require_both_classes(label, "A balanced batch")
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


def natural_batches(
    label: np.ndarray,
    sample_weight: np.ndarray,
    batch_size: int,
    n_batches: int,
    rng: np.random.Generator,
) -> Iterator[np.ndarray]:
    """Yield index arrays drawn as the cohort comes: each example by its sampling weight.

    Draws are with replacement. Cancers being rare, most batches hold none: such a batch has a loss
    and a gradient like any other, which is what balancing is compared with. A table of one class
    is refused: nothing can be learned from it.

    Parameters
    ----------
    label, sample_weight, n_batches, rng
        As for `balanced_batches`.
    batch_size : int

    Yields
    ------
    int array, shape (batch_size,)
        Positions in `label`.

    Raises
    ------
    InputError
        When one class is empty.
    """
    _require_both_classes(label, "Training")
    probability = sample_weight / sample_weight.sum()
    yield from rng.choice(len(label), size=(n_batches, batch_size), p=probability)


def _require_both_classes(label: np.ndarray, who: str) -> None:
    n_positive = int(np.sum(label))
    if not 0 < n_positive < len(label):
        raise InputError(
            f"{who} needs images of both classes; got {n_positive} with cancer "
            f"and {len(label) - n_positive} without."
        )
