"""Losses: the lecture note's example to its last digit, focal loss against torchvision's."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from mammolab.errors import InputError
from mammolab.model.losses import (
    ClassWeights,
    class_weights,
    cross_entropy,
    focal_loss,
    training_loss,
)
from mammolab.model.torchvision_compat import import_torchvision

import_torchvision()
from torchvision.ops import sigmoid_focal_loss

THREE_TO_ONE = torch.tensor([1.0, 1.0, 1.0, 0.0])
ALL_LIKELY, ALL_UNLIKELY = (torch.logit(torch.full((4,), p)) for p in (0.9, 0.1))


def test_the_lecture_notes_example_unweighted():
    assert cross_entropy(ALL_LIKELY, THREE_TO_ONE).sum() == pytest.approx(2.6187, abs=5e-5)
    assert cross_entropy(ALL_UNLIKELY, THREE_TO_ONE).sum() == pytest.approx(7.0131, abs=5e-5)


def test_the_lecture_notes_example_weighted_calls_both_guesses_equally_bad():
    weights = class_weights(THREE_TO_ONE.numpy() > 0, np.ones(4))
    assert (weights.positive, weights.negative) == (1 / 4, 3 / 4)
    likely = cross_entropy(ALL_LIKELY, THREE_TO_ONE, weights).sum()
    unlikely = cross_entropy(ALL_UNLIKELY, THREE_TO_ONE, weights).sum()
    assert likely == pytest.approx(0.75 * -np.log(0.9) + 0.75 * -np.log(0.1), abs=1e-6)
    torch.testing.assert_close(likely, unlikely)


def test_sampling_weights_make_the_shares_those_of_the_cohort():
    weights = class_weights(np.array([True, False, False]), np.array([1.0, 4.0, 5.0]))
    assert (weights.positive, weights.negative) == (pytest.approx(0.9), pytest.approx(0.1))


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_is_torchvisions(gamma):
    generator = torch.Generator().manual_seed(0)
    logit = 4 * torch.randn(50, generator=generator)
    target = (torch.rand(50, generator=generator) < 0.3).float()
    torch.testing.assert_close(
        focal_loss(logit, target, gamma=gamma),
        sigmoid_focal_loss(logit, target, alpha=-1, gamma=gamma),
    )
    torch.testing.assert_close(
        focal_loss(logit, target, ClassWeights(0.25, 0.75), gamma),
        sigmoid_focal_loss(logit, target, alpha=0.25, gamma=gamma),
    )


def test_focal_loss_by_hand_and_without_focus():
    # The truth has probability 0.9: 0.1 squared of the cross-entropy is left.
    loss = focal_loss(ALL_LIKELY[:1], THREE_TO_ONE[:1])
    assert loss.item() == pytest.approx(0.01 * -np.log(0.9), rel=1e-4)
    torch.testing.assert_close(
        focal_loss(ALL_LIKELY, THREE_TO_ONE, gamma=0.0), cross_entropy(ALL_LIKELY, THREE_TO_ONE)
    )


def test_in_training_each_class_brings_half_of_an_examples_expected_loss():
    label = np.arange(1000) < 10
    loss = training_loss("cross_entropy", class_weights(label, np.ones(1000)))
    target = torch.from_numpy(label).float()
    assert loss(torch.zeros(1000), target).item() == pytest.approx(np.log(2), rel=1e-6)
    logit = torch.zeros(1000, requires_grad=True)
    loss(logit, target).backward()
    positive, negative = logit.grad[:10].sum(), logit.grad[10:].sum()
    assert positive.item() == pytest.approx(-0.25, rel=1e-5)  # as in a balanced batch
    assert negative.item() == pytest.approx(0.25, rel=1e-5)


def test_unweighted_training_loss_is_the_mean_cross_entropy():
    logit, target = torch.randn(8, generator=torch.Generator().manual_seed(1)), torch.ones(8)
    expected = functional.binary_cross_entropy_with_logits(logit, target)
    assert torch.equal(training_loss("cross_entropy", None)(logit, target), expected)


def test_bad_input_is_said():
    with pytest.raises(InputError, match="one of cross_entropy, focal"):
        training_loss("hinge", None)
    with pytest.raises(InputError, match="of 3 labels 3 are positive"):
        class_weights(np.ones(3, bool), np.ones(3))
