"""Grey images made by formula alone, with labels that the formula knows: no patient, no photograph.

A power-law texture under a smooth mask, with faint shapes and fractals on it. Networks learn from
them which shapes are there, where they are, and how rough the texture is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from mammolab.errors import InputError
from mammolab.model.formula_shapes import FAMILIES

CELL_PX = 16  # side of the squares in which presence is labelled: one of the third stage's map
SIDE_PX = 32  # an image's sides are multiples of it: the stride of the last stage
SHAPE_PX = 8  # about the radius of a shape
DOTTED_FAMILIES = ("cluster", "scatter", "track")
EXPONENTS = (1.0, 4.0)  # of power spectra; mammograms lie near 3 (Burgess 2001)
VISIBLE_SHARE = 0.3  # of a shape's full brightness that counts as being there


@dataclass(frozen=True)
class FormulaSettings:
    """What the images are like.

    Attributes
    ----------
    height, width : int
        Pixels; multiples of SIDE_PX.
    p_family : float
        Probability that a family is present in an image, each family by itself.
    contrast : (float, float)
        Brightness of a shape at its fullest, in SD of the texture over a shape's size;
        log-uniform. Dots, a pixel or two wide, are brighter by `dot_gain`.
    dot_gain : float
    visibility : float
        Factor on every contrast; 0 leaves the same images without their shapes.
    """

    height: int = 96
    width: int = 96
    p_family: float = 0.25
    contrast: tuple[float, float] = (1.5, 12.0)
    dot_gain: float = 3.0
    visibility: float = 1.0

    def __post_init__(self):
        if self.height % SIDE_PX or self.width % SIDE_PX or min(self.height, self.width) < SIDE_PX:
            raise InputError(
                f"height and width are {self.height} and {self.width}; they must be positive "
                f"multiples of {SIDE_PX}."
            )


@dataclass(frozen=True)
class FormulaImages:
    """Images and their labels.

    Attributes
    ----------
    images : uint8 array, shape (n, h, w)
    cells : bool array, shape (n, families, h / CELL_PX, w / CELL_PX)
        Whether a shape of the family shows in the square; families in the order of FAMILIES.
    exponent : float32 array, shape (n,)
        The texture's power spectrum falls as frequency to the minus this.
    """

    images: np.ndarray
    cells: np.ndarray
    exponent: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """Whether a shape of the family is anywhere in the image, bool (n, families)."""
        return self.cells.any(axis=(2, 3))


def textures(
    exponent: np.ndarray,
    anisotropy: np.ndarray,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw Gaussian textures whose power falls as (elliptic) frequency to the minus `exponent`.

    Parameters
    ----------
    exponent : float array, shape (n,)
    anisotropy : float array, shape (n,)
        Natural log of how much longer the texture is along than across; 0 is isotropic. The
        direction is random.
    size : (int, int)
        Height and width in pixels.
    rng : numpy Generator

    Returns
    -------
    float32 array, shape (n, height, width)
        Each of mean 0 and SD 1.
    """
    n, (height, width) = len(exponent), size
    fy = fft.fftfreq(height).astype(np.float32)[None, :, None]
    fx = fft.rfftfreq(width).astype(np.float32)[None, None, :]
    angle = rng.uniform(0, np.pi, n).astype(np.float32)[:, None, None]
    stretch = np.exp(np.asarray(anisotropy, np.float32) / 2)[:, None, None]
    along = (fx * np.cos(angle) + fy * np.sin(angle)) * stretch
    across = (fy * np.cos(angle) - fx * np.sin(angle)) / stretch
    frequency2 = along**2 + across**2
    frequency2[:, 0, 0] = 1
    amplitude = frequency2 ** (-np.asarray(exponent, np.float32)[:, None, None] / 4)
    amplitude[:, 0, 0] = 0  # the mean is not texture
    white = fft.rfft2(rng.standard_normal((n, height, width), dtype=np.float32))
    drawn = fft.irfft2(white * amplitude, s=size)
    return drawn / drawn.std(axis=(1, 2), keepdims=True)


def draw_images(n: int, settings: FormulaSettings, rng: np.random.Generator) -> FormulaImages:
    """Draw `n` images and their labels.

    Parameters
    ----------
    n : int
    settings : FormulaSettings
    rng : numpy Generator
        The only source of randomness.

    Returns
    -------
    FormulaImages

    References
    ----------
    Burgess et al. 2001 (power-law exponent of mammograms), doi:10.1118/1.1355308.
    """
    size = (settings.height, settings.width)
    exponent = rng.uniform(*EXPONENTS, n).astype(np.float32)
    anisotropy = np.abs(rng.normal(0, 0.5, n)).astype(np.float32)
    mask = _masks(n, size, rng)
    tissue = _tissue(textures(exponent, anisotropy, size, rng), rng)
    noise = rng.standard_normal(tissue.shape, dtype=np.float32) * _uniform(rng, 0, 0.015, n)
    tissue += noise
    local = _local_sd(tissue)

    shapes = np.zeros_like(tissue)
    cells = np.empty((n, len(FAMILIES), *(side // CELL_PX for side in size)), bool)
    for number, (family, draw) in enumerate(FAMILIES.items()):
        has = rng.random(n) < settings.p_family
        drawn = np.zeros_like(tissue)
        drawn[has] = draw(_places(mask[has], rng), size, rng)
        cells[:, number] = _in_cells(drawn * mask, VISIBLE_SHARE)
        gain = settings.dot_gain if family in DOTTED_FAMILIES else 1
        shapes += drawn * local * gain * _contrast(settings, rng, n)

    grey = (tissue + shapes * settings.visibility) * mask + _uniform(rng, 0, 0.05, n) * (1 - mask)
    images = np.clip(grey * 255 + 0.5, 0, 255).astype(np.uint8)
    return FormulaImages(images, cells, exponent)


def _masks(n, size, rng):
    """Smooth regions with a soft border (n, h, w) in 0-1; a third of them fill the image."""
    level = textures(np.full(n, 4.5), np.zeros(n), size, rng) + _uniform(rng, -0.3, 1.5, n)
    mask = 0.5 + 0.5 * np.tanh(level / _uniform(rng, 0.04, 0.4, n))
    mask[rng.random(n) < 1 / 3] = 1
    return mask


def _tissue(texture, rng):
    """Grey levels from textures: plain, or bent so that bright strands stand on a dark ground."""
    n = len(texture)
    bent = np.exp(np.clip(texture * _uniform(rng, 0.3, 0.9, n), -3, 3))
    bent = (bent - bent.mean(axis=(1, 2), keepdims=True)) / bent.std(axis=(1, 2), keepdims=True)
    plain = (rng.random(n) < 0.5)[:, None, None]
    depth = np.exp(rng.uniform(np.log(0.02), np.log(0.2), n))[:, None, None].astype(np.float32)
    return np.where(plain, texture, bent) * depth + _uniform(rng, 0.15, 0.55, n)


def _local_sd(tissue):
    """SD (n, 1, 1) of the difference between places SHAPE_PX apart, over root two."""
    down = tissue[:, SHAPE_PX:] - tissue[:, :-SHAPE_PX]
    right = tissue[:, :, SHAPE_PX:] - tissue[:, :, :-SHAPE_PX]
    power = (down**2).mean(axis=(1, 2)) + (right**2).mean(axis=(1, 2))
    return np.maximum(np.sqrt(power / 4), 1 / 255)[:, None, None]  # no fainter than a grey level


def _places(mask, rng):
    """A random centre (m, 2) in pixels for each mask, inside it where one of 12 tries is."""
    m, height, width = mask.shape
    tries = rng.uniform(0.04, 0.96, (m, 12, 2)) * (height, width)
    y, x = tries[..., 0].astype(int), tries[..., 1].astype(int)
    first = (mask[np.arange(m)[:, None], y, x] > 0.8).argmax(axis=1)
    return tries[np.arange(m), first]


def _in_cells(drawn, least):
    n, height, width = drawn.shape
    split = drawn.reshape(n, height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX)
    return split.max(axis=(2, 4)) > least


def _contrast(settings, rng, n):
    return np.exp(_uniform(rng, *np.log(settings.contrast), n))


def _uniform(rng, low, high, n):
    return rng.uniform(low, high, n).astype(np.float32)[:, None, None]
