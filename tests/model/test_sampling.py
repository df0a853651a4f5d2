"""Batches: half with cancer and rounds over positives, or as the cohort comes, by weight."""

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.model.sampling import balanced_batches, batches, natural_batches


def test_every_batch_is_half_and_half_and_each_positive_comes_once_a_round():
    label = np.arange(1000) < 30
    batches = list(balanced_batches(label, np.ones(1000), 12, 5, np.random.default_rng(0)))
    assert all(label[b].sum() == 6 for b in batches)
    positives = np.concatenate(batches)[np.concatenate([label[b] for b in batches])]
    assert sorted(positives) == list(range(30))


def test_negatives_come_in_proportion_to_their_sampling_weight():
    label = np.arange(101) < 1
    weight = np.where(np.arange(101) < 51, 1.0, 9.0)
    drawn = np.concatenate(
        list(balanced_batches(label, weight, 20, 2000, np.random.default_rng(1)))
    )
    negatives = drawn[~label[drawn]]
    share = (negatives >= 51).mean()
    assert share == pytest.approx(0.9, abs=4 * np.sqrt(0.09 / len(negatives)))


@pytest.mark.parametrize(
    ("label", "batch_size", "message"),
    [(np.zeros(4, bool), 2, "both classes"), (np.array([True, False]), 3, "even")],
)
def test_impossible_batches_are_refused(label, batch_size, message):
    with pytest.raises(InputError, match=message):
        next(balanced_batches(label, np.ones(len(label)), batch_size, 1, np.random.default_rng(0)))


def test_natural_batches_come_as_the_cohort_does():
    label = np.arange(200) < 100  # half of the images, but a twentieth of the women
    weight = np.where(label, 1.0, 19.0)
    drawn = list(natural_batches(label, weight, 24, 500, np.random.default_rng(2)))
    assert {len(b) for b in drawn} == {24}
    share = label[np.concatenate(drawn)].mean()
    assert share == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 12000))
    assert any(not label[b].any() for b in drawn)  # a batch of one class is nothing special


@pytest.mark.parametrize("label", [np.zeros(6, bool), np.ones(6, bool)])
def test_a_table_of_one_class_is_refused_however_it_is_drawn(label):
    for balance in ("sampler", "loss", "none"):
        with pytest.raises(InputError, match="both classes; got [06] with cancer and [06] without"):
            next(batches(balance, label, np.ones(6), 2, 1, np.random.default_rng(0)))


def test_only_the_sampler_balances_batches():
    label, weight = np.arange(40) < 4, np.ones(40)
    one = list(batches("sampler", label, weight, 8, 3, np.random.default_rng(0)))
    two = list(balanced_batches(label, weight, 8, 3, np.random.default_rng(0)))
    np.testing.assert_array_equal(one, two)
    loss, none = (
        list(batches(b, label, weight, 8, 3, np.random.default_rng(0))) for b in ("loss", "none")
    )
    np.testing.assert_array_equal(loss, none)
    with pytest.raises(InputError, match="one of sampler, loss, none"):
        batches("smapler", label, weight, 8, 3, np.random.default_rng(0))


@pytest.mark.parametrize("weight", [0.0, np.nan, np.inf])
def test_weights_that_are_no_weights_are_refused(weight):
    weights = np.array([1.0, 1.0, weight, 1.0])
    with pytest.raises(InputError, match=r"1 sampling weights are not positive .*\[2\]"):
        batches("none", np.arange(4) < 2, weights, 2, 1, np.random.default_rng(0))
