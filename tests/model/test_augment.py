"""Augmentation: no change at zero, each image its own, grey levels stay grey levels."""

import numpy as np
import torch

from mammolab.model.augment import Augmentation, augment, load_images

NOTHING = Augmentation(shift_px=0, gain=0, offset=0, flip=False)


def test_zero_settings_return_the_image():
    images = torch.rand(3, 1, 40, 24)
    assert torch.equal(augment(images, NOTHING, torch.Generator().manual_seed(0)), images)


def test_same_generator_state_same_images_and_each_image_its_own_change():
    images = torch.rand(1, 1, 40, 24).expand(4, -1, -1, -1).contiguous()
    one = augment(images, Augmentation(), torch.Generator().manual_seed(3))
    two = augment(images, Augmentation(), torch.Generator().manual_seed(3))
    assert torch.equal(one, two)
    assert not torch.allclose(one[0], one[1])
    assert one.min() >= 0 and one.max() <= 1


def test_a_speck_moves_by_whole_pixels_and_keeps_its_brightness():
    images = torch.zeros(64, 1, 40, 24)
    images[..., 20, 12] = 1.0
    settings = Augmentation(shift_px=5, gain=0, offset=0, flip=True)
    moved = augment(images, settings, torch.Generator().manual_seed(0))
    assert (moved.sum(dim=(1, 2, 3)) == 1).all()  # not smeared over its neighbours
    rows, columns = torch.where(moved[:, 0].amax(0) > 0)
    assert 14 <= rows.min() and rows.max() <= 25  # 20, or 19 upside down, by up to 5
    assert 7 <= columns.min() and columns.max() <= 17
    assert len(set(rows.tolist())) > 6


def test_half_of_the_images_are_turned_upside_down():
    images = torch.zeros(400, 1, 8, 4)
    images[:, :, 0] = 1.0
    settings = Augmentation(shift_px=0, gain=0, offset=0)
    flipped = augment(images, settings, torch.Generator().manual_seed(0))[:, 0, -1, 0].mean()
    assert 0.4 < flipped < 0.6


def test_images_come_back_in_the_order_asked_for():
    store = (np.arange(5, dtype=np.uint8)[:, None, None] * 51) * np.ones((1, 2, 2), np.uint8)
    images = load_images(store, np.array([4, 0, 2]))
    torch.testing.assert_close(images[:, 0, 0, 0], torch.tensor([0.8, 0.0, 0.4]))
