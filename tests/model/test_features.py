"""Texture statistics: air does not count, batches do not matter, columns are named."""

import numpy as np
import pytest
import torch

from mammolab.model.augment import GREY_CENTRE, GREY_SCALE
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


class Mirror(torch.nn.Module):
    """A network whose every feature map is the picture itself, at full size and at half."""

    config = NetworkConfig(width=1)

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def stages(self, images):
        half = torch.nn.functional.avg_pool2d(images, 2)
        return [images, half, half.expand(-1, 2, -1, -1), half.expand(-1, 4, -1, -1), half]


def test_the_breast_counts_and_the_air_around_it_does_not():
    texture = np.random.default_rng(1).integers(80, 160, (32, 24), dtype=np.uint8)
    expected = (texture.astype(np.float64) / 255 - GREY_CENTRE) / GREY_SCALE
    for canvas in ((32, 24), (64, 64)):
        store = np.zeros((1, *canvas), np.uint8)
        store[0, :32, :24] = texture
        mean, spread = texture_features(Mirror(), store, [0])[0, :2]
        assert mean == pytest.approx(expected.mean(), abs=1e-4)
        assert spread == pytest.approx(np.log1p(expected.std()), abs=1e-4)
