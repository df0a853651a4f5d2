"""Losses of single images or exams: cross-entropy, weighted by class, and focal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.nn import functional

from mammolab.errors import InputError

LOSSES = ("cross_entropy", "focal")
FOCAL_GAMMA = 2.0  # Lin et al. 2017 found 2 to work best


@dataclass(frozen=True)
class ClassWeights:
    """What a unit of loss counts in either class.

    Attributes
    ----------
    positive, negative : float
    """

    positive: float
    negative: float


def class_weights(label: np.ndarray, sample_weight: np.ndarray) -> ClassWeights:
    """Return the weights that make both classes count alike: each the share of the other class.

    Parameters
    ----------
    label : bool array, shape (n,)
    sample_weight : float array, shape (n,)
        Inverse probability of having been sampled from the cohort.

    Raises
    ------
    InputError
        When one class is empty: its weight would multiply nothing, and the other's would be 0.

    Examples
    --------
    >>> class_weights(np.array([True, True, True, False]), np.ones(4))
    ClassWeights(positive=0.25, negative=0.75)
    """
    share = float(np.average(label, weights=sample_weight))
    if not 0 < share < 1:
        raise InputError(
            f"A loss weighted by class needs both classes; of {len(label)} labels "
            f"{int(np.sum(label))} are positive."
        )
    return ClassWeights(positive=1 - share, negative=share)


def cross_entropy(
    logit: torch.Tensor, target: torch.Tensor, weights: ClassWeights | None = None
) -> torch.Tensor:
    """Return each example's cross-entropy in nats.

    Parameters
    ----------
    logit, target : float tensors, shape (n,)
        Higher is worse; targets are 0 or 1.
    weights : ClassWeights or None
        None counts every example once.

    Returns
    -------
    float tensor, shape (n,)
    """
    loss = functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    return loss * _weight_of(target, weights)


def focal_loss(
    logit: torch.Tensor,
    target: torch.Tensor,
    weights: ClassWeights | None = None,
    gamma: float = FOCAL_GAMMA,
) -> torch.Tensor:
    """Return each example's focal loss: cross-entropy times (1 - probability of the truth)^gamma.

    What the network already gets right hardly counts, so that the many easy negatives do not
    drown the few cancers (Lin et al. 2017, doi:10.1109/ICCV.2017.324).

    Parameters
    ----------
    logit, target, weights
        As for `cross_entropy`; weights are the paper's alpha (positive) and 1 - alpha (negative).
    gamma : float
        0 gives cross-entropy.

    Returns
    -------
    float tensor, shape (n,)
    """
    loss = functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    wrong = torch.sigmoid(torch.where(target > 0.5, -logit, logit))  # 1 - probability of the truth
    return loss * wrong**gamma * _weight_of(target, weights)


def training_loss(
    name: str, weights: ClassWeights | None
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return the loss of a training run: (logit, target) -> mean over the batch.

    Class weights are scaled so that each class brings half of the expected loss of one unweighted
    example; the gradient is then as long as that of balanced batches, and the same learning rate
    and clipping fit both.

    Parameters
    ----------
    name : {"cross_entropy", "focal"}
    weights : ClassWeights or None

    Raises
    ------
    InputError
        On an unknown name.
    """
    if name not in LOSSES:
        raise InputError(f"loss is {name!r}; it must be one of {', '.join(LOSSES)}.")
    if weights is not None:
        scale = 2 * weights.positive * weights.negative
        weights = ClassWeights(weights.positive / scale, weights.negative / scale)
    each = partial(cross_entropy if name == "cross_entropy" else focal_loss, weights=weights)
    return lambda logit, target: each(logit, target).mean()


def _weight_of(target: torch.Tensor, weights: ClassWeights | None) -> torch.Tensor | float:
    if weights is None:
        return 1.0
    return weights.negative + target * (weights.positive - weights.negative)
