"""Texture statistics: air does not count, batches do not matter, columns are named."""

import numpy as np
import torch

from mammolab.model.features import feature_names, texture_features
from mammolab.model.network import NetworkConfig, ResNet18


def test_columns_are_named_and_batches_do_not_matter():
    torch.manual_seed(0)
    network = ResNet18(NetworkConfig(width=4))
    store = np.random.default_rng(0).integers(40, 255, (7, 64, 52), dtype=np.uint8)
    features = texture_features(network, store, np.arange(7))
    assert features.shape == (7, len(feature_names(network)))
    assert len(set(feature_names(network))) == features.shape[1]
    by_two = texture_features(network, store, np.arange(7), batch_size=2)
    np.testing.assert_allclose(by_two, features, atol=0.02)


def test_texture_counts_and_the_air_around_it_does_not():
    torch.manual_seed(0)
    network = ResNet18(NetworkConfig(width=4))
    fine = np.random.default_rng(1).integers(80, 160, (96, 64), dtype=np.uint8)
    coarse = np.repeat(np.repeat(fine[::4, ::4], 4, 0), 4, 1)

    def features(texture, canvas, top):
        store = np.zeros((1, *canvas), np.uint8)
        store[0, top : top + 96, 32:96] = texture
        return texture_features(network, store, [0])[0]

    tight = features(fine, (160, 128), 32)
    roomy = features(fine, (256, 192), 96)  # more air, and moved by whole strides
    apart = np.abs(features(coarse, (160, 128), 32) - tight).mean()
    assert np.abs(roomy - tight).mean() < apart / 3
