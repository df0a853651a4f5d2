"""Augmentation: no change at zero, each image its own, grey levels stay grey levels."""

import numpy as np
import torch

from mammolab.model.augment import Augmentation, augment, load_images

NOTHING = Augmentation(0, 0, 0, 0, 0, flip=False)


def test_zero_settings_return_the_image():
    images = torch.rand(3, 1, 40, 24)
    changed = augment(images, NOTHING, torch.Generator().manual_seed(0))
    torch.testing.assert_close(changed, images, atol=1e-5, rtol=0)


def test_same_generator_state_same_images_and_each_image_its_own_change():
    images = torch.rand(1, 1, 40, 24).expand(4, -1, -1, -1).contiguous()
    one = augment(images, Augmentation(), torch.Generator().manual_seed(3))
    two = augment(images, Augmentation(), torch.Generator().manual_seed(3))
    assert torch.equal(one, two)
    assert not torch.allclose(one[0], one[1])
    assert one.min() >= 0 and one.max() <= 1


def test_turns_are_rigid_in_a_tall_image():
    images = torch.zeros(8, 1, 120, 60)
    images[..., 58:62, 15:45] = 1.0  # a bar 4 high and 30 wide, in the middle
    settings = Augmentation(rotation_degrees=90, scale=0, shift=0, gain=0, offset=0, flip=False)
    turned = augment(images, settings, torch.Generator().manual_seed(0))[:, 0] > 0.5
    for bar in turned:
        length = torch.pdist(torch.stack(torch.where(bar), 1).float()).max().item()
        assert 27 <= length <= 33


def test_images_come_back_in_the_order_asked_for():
    store = (np.arange(5, dtype=np.uint8)[:, None, None] * 51) * np.ones((1, 2, 2), np.uint8)
    images = load_images(store, np.array([4, 0, 2]))
    torch.testing.assert_close(images[:, 0, 0, 0], torch.tensor([0.8, 0.0, 0.4]))
