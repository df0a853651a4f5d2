"""Balanced batches: half with cancer, rounds over positives, negatives by sampling weight."""

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.model.sampling import balanced_batches


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
