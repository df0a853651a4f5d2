"""Smooth and fractal random fields on pixel grids, cheap enough to draw several for each image."""

from functools import lru_cache

import numpy as np
from scipy import fft

_SHARED_MODES = 48  # Fourier modes (each sign, each axis) that do not depend on the matrix size


@lru_cache(maxsize=128)
def _linear_matrix(size_out: int, size_in: int) -> np.ndarray:
    """Linear interpolation matrix (size_out, size_in) between cell centres, clamped at the ends."""
    position = (np.arange(size_out) + 0.5) * size_in / size_out - 0.5
    position = np.clip(position, 0, size_in - 1.001)
    left = position.astype(int)
    matrix = np.zeros((size_out, size_in), np.float32)
    matrix[np.arange(size_out), left] = 1 - (position - left)
    matrix[np.arange(size_out), left + 1] = position - left
    return matrix


def spline_basis(position: np.ndarray, knots: int) -> np.ndarray:
    """Cubic B-spline weights, shape (n, knots), at positions 0..1 (clamped beyond)."""
    scaled = np.clip(position, 0, 1) * (knots - 3.001) + 1
    knot = scaled.astype(int)
    t = (scaled - knot)[:, None]
    weights = np.hstack(
        ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    )
    matrix = np.zeros((len(position), knots), np.float32)
    matrix[np.arange(len(position))[:, None], knot[:, None] + np.arange(-1, 3)] = weights / 6
    return matrix


def upsample(coarse: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bilinear interpolation of a coarse grid to `shape` (float32)."""
    rows = _linear_matrix(shape[0], coarse.shape[0])
    columns = _linear_matrix(shape[1], coarse.shape[1])
    return rows @ (coarse.astype(np.float32) @ columns.T)


def upsample_columns(coarse: np.ndarray, columns: int) -> np.ndarray:
    """Bilinear interpolation along the rows of an array to so many columns."""
    return coarse @ _linear_matrix(columns, coarse.shape[1]).T


def double(image: np.ndarray) -> np.ndarray:
    """Bilinear doubling of both axes; for large images much faster than a matrix product."""
    for axis in (0, 1):
        image = np.moveaxis(image, axis, 0)
        longer = np.repeat(image, 2, axis=0)
        longer[2::2] += np.float32(0.25) * (image[:-1] - image[1:])
        longer[1:-1:2] += np.float32(0.25) * (image[1:] - image[:-1])
        image = np.moveaxis(longer, 0, axis)
    return np.ascontiguousarray(image)


def smooth_field(generator: np.random.Generator, rows: np.ndarray,
                 columns: np.ndarray) -> np.ndarray:  # fmt: skip
    """Smooth Gaussian surface with standard normal coefficients on two `spline_basis` matrices."""
    coefficients = generator.standard_normal((rows.shape[1], columns.shape[1]), dtype=np.float32)
    return rows @ coefficients @ columns.T


@lru_cache(maxsize=48)
def _modes(
    shape: tuple[int, int], box_mm: tuple[float, float], stretch: tuple[float, float],
    angle: float, outer_mm: float, blur_mm: float,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Log of the stretched frequency of each mode of a real FFT over the box, and the log blur."""
    y = fft.fftfreq(shape[0], box_mm[0] / shape[0])[:, None]
    x = fft.rfftfreq(shape[1], box_mm[1] / shape[1])[None]
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    squared = (along * stretch[0]) ** 2 + (across * stretch[1]) ** 2 + outer_mm**-2
    blur = -2 * (np.pi * blur_mm) ** 2 * (x**2 + y**2)
    return (0.5 * np.log(squared)).astype(np.float32), blur.astype(np.float32)


def power_law_field(low: np.random.Generator, high: np.random.Generator, shape: tuple[int, int],
                    box_mm: tuple[float, float], exponent: float,
                    stretch: tuple[float, float] = (1.0, 1.0), angle: float = 0.0,
                    outer_mm: float = 70.0, blur_mm: float = 0.0) -> np.ndarray:  # fmt: skip
    """Periodic Gaussian field with power spectrum P(f) ~ f^-exponent and unit variance.

    Parameters
    ----------
    low, high : numpy.random.Generator
        Draw the coarse modes, which are the same at every matrix size, and the rest.
    shape : (rows, columns)
        Pixels of one period.
    box_mm : (height, width)
        Physical size of one period.
    exponent : float
        Power-law exponent; larger is smoother.
    stretch : (along, across)
        Factors on the frequency along and across `angle`; a factor above 1 lengthens the texture.
    angle : float
        Direction of `along`, radians from the column axis (depth) towards rising rows.
    outer_mm : float
        Largest scale: power is flat below this frequency.
    blur_mm : float
        SD of a Gaussian blur of the field.

    Returns
    -------
    ndarray of float32, shape `shape`

    References
    ----------
    Burgess, Jacobson, Judy. Med Phys 2001;28:419, doi:10.1118/1.1355308 (mammographic structure).
    """
    log_frequency, log_blur = _modes(shape, box_mm, stretch, angle, outer_mm, blur_mm)
    amplitude = np.exp(log_frequency * np.float32(-exponent / 2) + log_blur)
    modes = high.standard_normal((*amplitude.shape, 2), dtype=np.float32)
    coarse = low.standard_normal((2 * _SHARED_MODES, _SHARED_MODES, 2), dtype=np.float32)
    rows, columns = min(_SHARED_MODES, shape[0] // 2), min(_SHARED_MODES, amplitude.shape[1])
    modes[:rows, :columns] = coarse[:rows, :columns]
    modes[-rows:, :columns] = coarse[-rows:, :columns]
    spectrum = modes.view(np.complex64)[..., 0] * amplitude
    spectrum[0, 0] = 0
    field = fft.irfft2(spectrum, s=shape)
    return field * np.float32(1 / field.std())
