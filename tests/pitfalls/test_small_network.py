"""Thumbnails are block means; a small network learns what is planted, the same way each time."""

import numpy as np
import pandas as pd
import pytest
import torch

from mammolab.errors import InputError
from mammolab.evaluate.roc import auc
from mammolab.model.score import score_images
from mammolab.pitfalls.small_network import thumbnails, train_small


class TestThumbnails:
    def test_are_means_of_squares_in_the_order_asked_for(self):
        store = np.random.default_rng(0).integers(0, 256, (600, 12, 8), dtype=np.uint8)
        rows = np.random.default_rng(1).permutation(600)[:400]
        small = thumbnails(store, rows, 4)
        assert small.shape == (400, 3, 2)
        assert small.dtype == np.uint8
        by_hand = store[rows].reshape(400, 3, 4, 2, 4).mean(axis=(2, 4))
        np.testing.assert_array_equal(small, np.floor(by_hand + 0.5))

    def test_repeated_rows_and_a_factor_of_one(self):
        store = np.random.default_rng(2).integers(0, 256, (3, 5, 7), dtype=np.uint8)
        np.testing.assert_array_equal(thumbnails(store, [2, 0, 2], 1), store[[2, 0, 2]])

    def test_pixels_that_fill_no_square_are_left_off(self):
        store = np.zeros((1, 5, 7), np.uint8)
        store[:, 4:], store[:, :, 6:] = 255, 255
        np.testing.assert_array_equal(thumbnails(store, [0], 2), np.zeros((1, 2, 3)))

    def test_refusals(self):
        store = np.zeros((2, 4, 6), np.uint8)
        with pytest.raises(InputError, match="factor is 5"):
            thumbnails(store, [0], 5)
        with pytest.raises(InputError, match="rows"):
            thumbnails(store, [2], 2)
        with pytest.raises(InputError, match="8-bit"):
            thumbnails(store.astype(float), [0], 2)


@pytest.fixture(scope="module")
def bright_spots():
    """Images of noise, every second with a bright spot somewhere: the label."""
    rng = np.random.default_rng(3)
    label = np.arange(160) % 2 == 0
    images = rng.integers(0, 120, (160, 64, 52), dtype=np.uint8)
    for at in np.flatnonzero(label):
        y, x = rng.integers(8, 40, 2)
        images[at, y : y + 8, x : x + 8] = 250
    return images, pd.DataFrame(
        {"row": np.arange(160), "label": label, "sampling_weight": 1.0}
    ).sample(frac=1, random_state=0)


def test_learns_what_is_planted(bright_spots):
    images, table = bright_spots
    network = train_small(images, table[:100], np.random.default_rng(4), steps=60, threads=1)
    unseen = table[100:]
    assert auc(score_images(network, images, unseen["row"]), unseen["label"]) > 0.95


def test_the_same_stream_gives_the_same_network(bright_spots):
    images, table = bright_spots
    first, again, other = (
        train_small(images, table, np.random.default_rng(seed), width=4, steps=3, threads=1)
        for seed in (5, 5, 6)
    )
    weights = [
        dict(network.named_parameters())["conv1.weight"] for network in (first, again, other)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_one_class_teaches_nothing(bright_spots):
    images, table = bright_spots
    with pytest.raises(InputError, match="both classes"):
        train_small(images, table.assign(label=False), np.random.default_rng(7), steps=1)
