"""From stored 8-bit images to network input, and the small changes that training makes to them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

GREY_CENTRE, GREY_SCALE = 0.25, 0.25  # about the mean and SD of breast pixels on a 0-1 scale


@dataclass(frozen=True)
class Augmentation:
    """Largest changes made to a training image; each is drawn per image, uniformly.

    Attributes
    ----------
    rotation_degrees, scale, shift : float
        Turn, relative zoom, and displacement as a share of the image side.
    gain, offset : float
        Relative contrast and added grey level (0-1 scale): tone differs between devices.
    flip : bool
        Turn half of the images upside down; a breast has no preferred vertical half in CC.
    """

    rotation_degrees: float = 8.0
    scale: float = 0.1
    shift: float = 0.05
    gain: float = 0.15
    offset: float = 0.03
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
    """Turn, zoom, shift, flip and re-tone each image (n, 1, h, w) by its own random amounts.

    One affine resampling does all the geometry, so an image is interpolated once.
    """
    n, _, height, width = images.shape

    def uniform(limit: float) -> torch.Tensor:
        return (torch.rand(n, generator=generator) * 2 - 1) * limit

    angle = uniform(math.radians(settings.rotation_degrees))
    zoom = 1 + uniform(settings.scale)
    flip = torch.ones(n)
    if settings.flip:
        flip = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    aspect = height / width  # affine_grid works in units of half an image: keep turns rigid
    matrix = torch.zeros(n, 2, 3)
    matrix[:, 0, 0] = angle.cos() / zoom
    matrix[:, 0, 1] = -angle.sin() * aspect / zoom
    matrix[:, 1, 0] = angle.sin() / aspect * flip / zoom
    matrix[:, 1, 1] = angle.cos() * flip / zoom
    matrix[:, :, 2] = torch.stack([uniform(2 * settings.shift), uniform(2 * settings.shift)], 1)
    gain, offset = 1 + uniform(settings.gain), uniform(settings.offset)

    grid = functional.affine_grid(matrix.to(images.device), images.shape, align_corners=False)
    moved = functional.grid_sample(images, grid, mode="bilinear", align_corners=False)
    tone = (gain.view(-1, 1, 1, 1).to(images.device), offset.view(-1, 1, 1, 1).to(images.device))
    return (moved * tone[0] + tone[1]).clamp_(0, 1)
