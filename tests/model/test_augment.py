"""Augmentation: no change at zero, each image its own, grey levels stay grey levels."""

import numpy as np
import pytest
import torch

from mammolab.errors import InputError
from mammolab.model.augment import (
    Augmentation,
    apply_changes,
    augment,
    draw_changes,
    load_images,
)

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


def test_a_batch_in_pieces_is_changed_like_the_whole():
    images = torch.rand(12, 1, 40, 24)
    settings = Augmentation(crop_px=16)
    changes = draw_changes(settings, 12, torch.Generator().manual_seed(4))
    whole = apply_changes(images, settings, changes)
    pieces = [
        apply_changes(images[i : i + 4], settings, changes.part(slice(i, i + 4))) for i in (0, 4, 8)
    ]
    assert torch.equal(torch.cat(pieces), whole)


def test_every_view_of_an_exam_changes_on_its_own():
    exam = torch.rand(1, 1, 40, 24).expand(2, 4, -1, -1).contiguous()
    changed = augment(exam, Augmentation(), torch.Generator().manual_seed(3))
    assert changed.shape == (2, 4, 40, 24)
    flat = changed.reshape(8, -1)
    assert len({tuple(image.tolist()) for image in flat}) == 8


def test_a_crop_is_a_piece_of_the_image_and_comes_from_everywhere():
    image = torch.arange(20 * 12).reshape(1, 1, 20, 12) / 240
    settings = Augmentation(shift_px=0, gain=0, offset=0, flip=False, crop_px=8)
    crops = augment(image.expand(400, -1, -1, -1), settings, torch.Generator().manual_seed(1))
    assert crops.shape == (400, 1, 8, 8)
    first = (crops[:, 0, 0, 0] * 240).round().long()
    top, left = first // 12, first % 12
    assert set(top.tolist()) == set(range(13)) and set(left.tolist()) == set(range(5))
    for crop, y, x in zip(crops[:20], top, left):
        assert torch.equal(crop[0], image[0, 0, y : y + 8, x : x + 8])


def test_a_flipped_crop_is_the_crop_upside_down():
    image = torch.rand(1, 1, 20, 12).expand(64, -1, -1, -1)
    settings = Augmentation(shift_px=3, gain=0, offset=0, crop_px=8)
    changes = draw_changes(settings, 64, torch.Generator().manual_seed(1))
    assert 0 < changes.flipped.sum() < 64
    upright = apply_changes(
        image, settings, type(changes)(**{**vars(changes), "flipped": torch.zeros(64, dtype=bool)})
    )
    turned = apply_changes(image, settings, changes)
    assert torch.equal(turned[changes.flipped], upright[changes.flipped].flip(2))
    assert torch.equal(turned[~changes.flipped], upright[~changes.flipped])


def test_exams_come_as_their_views():
    store = np.arange(8, dtype=np.uint8)[:, None, None] * np.full((1, 2, 3), 30, np.uint8)
    exams = load_images(store, np.array([[7, 0, 3, 3], [1, 2, 4, 5]]))
    assert exams.shape == (2, 4, 2, 3)
    expected = np.array([[7, 0, 3, 3], [1, 2, 4, 5]]) * 30 / 255
    np.testing.assert_allclose(exams[:, :, 0, 0], expected, atol=1e-6)


def _float_store():
    store = np.ones((5, 4, 4), np.float32)
    store[2, 1, 1] = store[4, 0, 0] = np.nan
    return store


@pytest.mark.parametrize(
    ("store", "rows", "message"),
    [
        (_float_store(), [0], r"float32 with NaN pixels in 2 images \(rows \[2, 4\]\)"),
        (np.ones((5, 4, 4), np.uint16), [0], "holds uint16; it must hold 8-bit grey levels"),
        (np.ones((5, 16), np.uint8), [0], r"shape \(5, 16\).* of the same size"),
        (
            np.ones((5, 4, 4), np.uint8),
            [1, 5, -1],
            r"rows \[5, -1\] of an image store that holds 5",
        ),
    ],
)
def test_a_store_of_something_else_is_refused(store, rows, message):
    with pytest.raises(InputError, match=message):
        load_images(store, np.array(rows))


def test_a_crop_larger_than_the_images_is_refused():
    settings = Augmentation(crop_px=30)
    with pytest.raises(InputError, match="40 x 24 pixels allow at most 24"):
        augment(torch.rand(1, 1, 40, 24), settings, torch.Generator())
