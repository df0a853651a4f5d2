"""From stored 8-bit images to network input, and the small changes that training makes to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

GREY_CENTRE, GREY_SCALE = 0.25, 0.25  # about the mean and SD of breast pixels on a 0-1 scale


@dataclass(frozen=True)
class Augmentation:
    """Largest changes made to a training image; each is drawn per image, uniformly.

    Images are not turned or zoomed: the interpolation blurs what is a pixel or two wide, and on
    development exams a network trained on blurred images found fewer calcifications.

    Attributes
    ----------
    shift_px : int
        Whole pixels, along and across the chest wall.
    gain, offset : float
        Relative contrast and added grey level (0-1 scale): tone differs between devices.
    flip : bool
        Turn half of the images upside down.
    """

    shift_px: int = 8
    gain: float = 0.1
    offset: float = 0.02
    flip: bool = True


def load_images(store: np.ndarray, rows: np.ndarray) -> torch.Tensor:
    """Read rows of the 8-bit store as floats in [0, 1], shape (n, 1, h, w), channels last."""
    order = np.argsort(rows)  # ascending reads of the memory map, then back to the batch's order
    stacked = np.empty((len(rows), *store.shape[1:]), dtype=np.uint8)
    stacked[order] = store[rows[order]]
    images = torch.from_numpy(stacked).unsqueeze(1).float().div_(255.0)
    return images.contiguous(memory_format=torch.channels_last)


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Centre and scale grey levels in [0, 1] to what the network was built for."""
    return (images - GREY_CENTRE) / GREY_SCALE


def augment(
    images: torch.Tensor, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Shift, flip and re-tone each image (n, 1, h, w) by its own random amounts.

    The border is repeated where an image has moved away from it.
    """
    n, _, height, width = images.shape

    def uniform(limit: float) -> torch.Tensor:
        return (torch.rand(n, generator=generator) * 2 - 1) * limit

    down, right = (
        uniform(settings.shift_px).round().long(),
        uniform(settings.shift_px).round().long(),
    )
    rows = torch.arange(height).expand(n, -1)  # (n, h)
    if settings.flip:
        flipped = torch.rand(n, generator=generator) < 0.5
        rows = torch.where(flipped[:, None], height - 1 - rows, rows)
    rows = (rows + down[:, None]).clamp(0, height - 1)
    columns = (torch.arange(width) + right[:, None]).clamp(0, width - 1)  # (n, w)
    gain, offset = 1 + uniform(settings.gain), uniform(settings.offset)

    one = torch.arange(n)[:, None, None]
    moved = images[:, 0][one, rows[:, :, None], columns[:, None, :]].unsqueeze(1)  # (n, 1, h, w)
    toned = moved * gain.to(images).view(-1, 1, 1, 1) + offset.to(images).view(-1, 1, 1, 1)
    return toned.clamp_(0, 1).contiguous(memory_format=torch.channels_last)
