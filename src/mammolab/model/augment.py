"""From stored 8-bit images to network input, and the small changes that training makes to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from mammolab.errors import InputError
from mammolab.model.torchvision_compat import import_torchvision

import_torchvision()
from torchvision.transforms.v2 import functional as transforms

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
    crop_px : int or None
        Side of a square cut from a random place of each image; None for the whole image.
    """

    shift_px: int = 8
    gain: float = 0.1
    offset: float = 0.02
    flip: bool = True
    crop_px: int | None = None


@dataclass(frozen=True)
class Changes:
    """What happens to each of n images.

    Attributes
    ----------
    down, right : int tensors, shape (n,)
        Pixels by which the picture moves up and to the left.
    flipped : bool tensor, shape (n,)
    gain, offset : float tensors, shape (n,)
    crop_top, crop_left : float tensors, shape (n,)
        Where the cut begins, as a share of the places it could begin at.
    """

    down: torch.Tensor
    right: torch.Tensor
    flipped: torch.Tensor
    gain: torch.Tensor
    offset: torch.Tensor
    crop_top: torch.Tensor
    crop_left: torch.Tensor

    def part(self, images: slice) -> Changes:
        """Return the changes of some of the images."""
        return Changes(**{name: value[images] for name, value in vars(self).items()})


def load_images(store: np.ndarray, rows: np.ndarray) -> torch.Tensor:
    """Read rows of the 8-bit store as floats in [0, 1].

    Parameters
    ----------
    store : uint8 array, shape (n_images, h, w)
    rows : int array, shape (n,) or (n, views)

    Returns
    -------
    float tensor, shape (n, views, h, w)
        With one view for rows of shape (n,).

    Raises
    ------
    InputError
        When the store holds no 8-bit images of one size, or lacks a row.
    """
    require_store(store, rows)
    flat = rows.ravel()
    order = np.argsort(flat)  # ascending reads of the memory map, then back to the batch's order
    stacked = np.empty((len(flat), *store.shape[1:]), dtype=np.uint8)
    stacked[order] = store[flat[order]]
    images = torch.from_numpy(stacked).float().div_(255.0)
    return images.reshape(len(rows), -1, *store.shape[1:])


def require_store(store: np.ndarray, rows: np.ndarray) -> None:
    """Refuse a store that does not hold 8-bit images of one size at these rows.

    Raises
    ------
    InputError
        On another type (saying which images hold NaN), shape, or a row outside of it.
    """
    if store.ndim != 3:
        raise InputError(
            f"The image store has shape {store.shape}; it must be (images, rows, columns), with "
            "every image of the same size."
        )
    if store.dtype != np.uint8:
        bad = []
        if np.issubdtype(store.dtype, np.floating):
            bad = np.flatnonzero(np.isnan(store).any(axis=(1, 2))).tolist()
        nan = f" with NaN pixels in {len(bad)} images (rows {bad[:3]})" if bad else ""
        raise InputError(
            f"The image store holds {store.dtype}{nan}; it must hold 8-bit grey levels (uint8), as "
            "chapter 03 writes them."
        )
    outside = rows[(rows < 0) | (rows >= len(store))]
    if len(outside):
        raise InputError(
            f"The table names rows {outside[:3].tolist()} of an image store that holds "
            f"{len(store)} images; table and store are not of the same run."
        )


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Centre and scale grey levels in [0, 1] to what the network was built for."""
    return (images - GREY_CENTRE) / GREY_SCALE


def draw_changes(settings: Augmentation, n_images: int, generator: torch.Generator) -> Changes:
    """Draw what happens to each image of a batch.

    torchvision's own transforms draw from torch's global stream, one image after the other; here a
    batch is drawn at once, so that its images are the same in however many pieces they come.

    Parameters
    ----------
    settings : Augmentation
    n_images : int
    generator : torch Generator
    """

    def uniform(limit: float) -> torch.Tensor:
        return (torch.rand(n_images, generator=generator) * 2 - 1) * limit

    def share() -> torch.Tensor:
        return torch.rand(n_images, generator=generator)

    down, right = (uniform(settings.shift_px).round().long() for _ in range(2))
    flipped = share() < 0.5 if settings.flip else torch.zeros(n_images, dtype=torch.bool)
    gain, offset = 1 + uniform(settings.gain), uniform(settings.offset)
    if settings.crop_px is None:
        crop_top = crop_left = torch.zeros(n_images)
    else:
        crop_top, crop_left = share(), share()
    return Changes(down, right, flipped, gain, offset, crop_top, crop_left)


def apply_changes(images: torch.Tensor, settings: Augmentation, changes: Changes) -> torch.Tensor:
    """Shift, flip, cut and re-tone images (n, views, h, w) by the changes of n * views images.

    Whole pixels only: no grey level is interpolated. The border is repeated where an image has
    moved away from it.

    Raises
    ------
    InputError
        When crop_px is larger than the images.
    """
    n, views, height, width = images.shape
    size = (height, width)
    if settings.crop_px is not None:
        size = (settings.crop_px, settings.crop_px)
        if settings.crop_px > min(height, width):
            raise InputError(
                f"crop_px is {settings.crop_px}; images of {height} x {width} pixels allow at most "
                f"{min(height, width)}."
            )
    margin = settings.shift_px
    padded = transforms.pad(
        images.reshape(n * views, 1, height, width), [margin] * 4, padding_mode="edge"
    )
    top = (changes.crop_top * (height - size[0] + 1)).long() + changes.down + margin
    left = (changes.crop_left * (width - size[1] + 1)).long() + changes.right + margin
    moved = images.new_empty((n * views, 1, *size))
    for i, (y, x) in enumerate(zip(top.tolist(), left.tolist())):
        cut = transforms.crop(padded[i], y, x, *size)
        moved[i] = transforms.vertical_flip(cut) if changes.flipped[i] else cut
    gain, offset = (x.to(images).view(-1, 1, 1, 1) for x in (changes.gain, changes.offset))
    return (moved * gain + offset).clamp_(0, 1).reshape(n, views, *size)


def augment(
    images: torch.Tensor, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Change each image (n, views, h, w) by its own random amounts; see `Augmentation`."""
    return apply_changes(
        images, settings, draw_changes(settings, images.shape[0] * images.shape[1], generator)
    )
