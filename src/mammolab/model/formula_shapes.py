"""Shapes drawn by formula: ellipses, polygons, stars, rings, lines, dots in groups, fractals.

A family draws `m` shapes, each about the centre it is given, on canvases (m, h, w) that are 0 where
the shape is not and reach 1 where it is fullest. Sizes are in pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

N_FRACTALS = 24  # iterated function systems
FRACTAL_SEED = 1988  # of their codes; Barnsley's Fractals Everywhere
PATCH_PX = 49  # side of the square in which a compact shape is drawn
N_SPOKES = 14  # of a star, at most


def ellipses(centre: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw filled ellipses whose border is anything from one pixel wide to the whole radius."""
    m = len(centre)
    radius = _log_uniform(rng, 2.5, 15, m)
    u, v = _turned_patch(centre, rng.uniform(0, np.pi, m))
    distance = np.hypot(u / radius, v / (radius * _column(rng.uniform(0.5, 1, m))))
    softness = _column(rng.uniform(0.05, 0.5, m))
    return _paste(_sigmoid((1 - distance) / softness), centre, size)


def polygons(centre: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw filled convex polygons of three to seven sides with a sharp border."""
    m = len(centre)
    radius = _log_uniform(rng, 3, 14, m)
    u, v = _turned_patch(centre, rng.uniform(0, np.pi, m))
    sides = rng.integers(3, 8, m)
    outside = np.full(u.shape, -np.inf, np.float32)
    for side in range(7):
        angle = _column(2 * np.pi * (side + rng.uniform(-0.2, 0.2, m)) / sides)
        reach = _column(rng.uniform(0.6, 1, m)) * radius
        beyond = u * np.cos(angle) + v * np.sin(angle) - reach
        outside = np.where(_column(side < sides), np.maximum(outside, beyond), outside)
    return _paste(_sigmoid(-outside / 0.5), centre, size)


def stars(centre: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw bursts of thin lines that leave a small soft core in all directions and fade."""
    m = len(centre)
    radius = _log_uniform(rng, 6, 22, m)
    u, v = _turned_patch(centre, rng.uniform(0, np.pi, m))
    distance = np.hypot(u, v)
    core = _column(rng.uniform(0.15, 0.45, m))
    drawn = np.exp(-((distance / (core * radius)) ** 2)) * _column(rng.uniform(0.2, 1, m))
    n_spokes = rng.integers(6, N_SPOKES + 1, m)
    width = _column(rng.uniform(0.4, 0.9, m))
    for spoke in range(N_SPOKES):
        angle = _column(2 * np.pi * (spoke + rng.uniform(-0.35, 0.35, m)) / n_spokes)
        along = u * np.cos(angle) + v * np.sin(angle)
        across = v * np.cos(angle) - u * np.sin(angle)
        length = _column(rng.uniform(0.5, 1, m) * (spoke < n_spokes)) * radius
        ray = np.exp(-0.5 * (across / width) ** 2) * np.clip(1 - along / (length + 1e-6), 0, 1)
        drawn = np.maximum(drawn, np.where(along > 0, ray, 0))
    return _paste(drawn, centre, size)


def rings(centre: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw bright elliptic rims around an inside as dark as the surroundings."""
    m = len(centre)
    radius = _log_uniform(rng, 3, 14, m)
    u, v = _turned_patch(centre, rng.uniform(0, np.pi, m))
    distance = np.hypot(u, v / _column(rng.uniform(0.6, 1, m)))
    width = _column(rng.uniform(0.6, 1.5, m))
    return _paste(np.exp(-0.5 * ((distance - radius) / width) ** 2), centre, size)


def lines(centre: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw one to four curved lines, each across the whole image, the first through the centre."""
    m = len(centre)
    y, x = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in size), indexing="ij")
    drawn = np.zeros((m, *size), np.float32)
    n_lines = rng.integers(1, 5, m)
    for line in range(4):
        angle = rng.uniform(0, np.pi, m)
        cosine, sine = _column(np.cos(angle)), _column(np.sin(angle))
        through = centre if line == 0 else rng.uniform(0, 1, (m, 2)) * size
        down, right = y - _column(through[:, 0]), x - _column(through[:, 1])
        along, across = down * sine + right * cosine, right * sine - down * cosine
        bend = _column(rng.uniform(-0.006, 0.006, m))
        distance = (across - bend * along**2) / np.hypot(1, 2 * bend * along)
        width = _column(rng.uniform(0.5, 1.3, m))
        ray = np.exp(-0.5 * (distance / width) ** 2)
        drawn = np.maximum(drawn, np.where(_column(line < n_lines), ray, 0))
    return drawn


def clusters(centre: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw 4 to 24 small dots within a few pixels of the centre."""
    return _dots(centre, size, rng, spread=_log_uniform(rng, 2.5, 10, len(centre))[:, 0, 0])


def scatters(centre: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw 4 to 24 of the same dots far apart, all over the image."""
    return _dots(centre, size, rng, spread=np.full(len(centre), 0.45 * max(size)))


def tracks(centre: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw two parallel curved rows of dots with gaps, two to five pixels apart."""
    m, n_dots = len(centre), 80
    along = rng.uniform(-1, 1, (m, n_dots)) * rng.uniform(12, 36, (m, 1))
    bend = rng.uniform(-0.012, 0.012, (m, 1))
    side = np.where(np.arange(n_dots) % 2, 1, -1) * rng.uniform(1, 2.5, (m, 1))
    across = bend * along**2 + side + rng.normal(0, 0.25, (m, n_dots))
    angle = rng.uniform(0, 2 * np.pi, (m, 1))
    y = centre[:, :1] + along * np.sin(angle) + across * np.cos(angle)
    x = centre[:, 1:] + along * np.cos(angle) - across * np.sin(angle)
    weight = rng.uniform(0.3, 1, (m, n_dots)) * (rng.random((m, n_dots)) < 0.7)
    return _to_one(_splat(y, x, weight, size))


def fractals(centre: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw attractors of iterated function systems, each one of `fractal_codes`, as densities.

    Each instance changes every coefficient of its system by up to a tenth, and is turned and sized
    at random; the points come from the chaos game with many players at once.
    """
    m, n_players, n_rounds, burn_in = len(centre), 48, 40, 8
    which = rng.integers(N_FRACTALS, size=m)
    maps, offsets, share = (part[which] for part in fractal_codes())
    maps = maps * rng.uniform(0.9, 1.1, maps.shape)
    offsets = offsets * rng.uniform(0.9, 1.1, offsets.shape)
    point = np.zeros((m, n_players, 2))
    one = np.arange(m)[:, None]
    visited = np.empty((n_rounds, m, n_players, 2))
    for turn in range(burn_in + n_rounds):
        choice = (rng.random((m, n_players, 1)) > np.cumsum(share, axis=1)[:, None, :-1]).sum(-1)
        point = np.einsum("mpij,mpj->mpi", maps[one, choice], point) + offsets[one, choice]
        visited[max(turn - burn_in, 0)] = point
    points = visited.transpose(1, 0, 2, 3).reshape(m, n_rounds * n_players, 2)
    points = points - points.mean(axis=1, keepdims=True)
    points /= np.sqrt((points**2).sum(axis=2).mean(axis=1))[:, None, None]
    radius = rng.uniform(5, 14, (m, 1))  # root mean square distance from the centre
    angle = rng.uniform(0, 2 * np.pi, (m, 1))
    cosine, sine = np.cos(angle) * radius, np.sin(angle) * radius
    y = centre[:, :1] + points[..., 0] * cosine - points[..., 1] * sine
    x = centre[:, 1:] + points[..., 0] * sine + points[..., 1] * cosine
    return _to_one(np.log1p(_splat(y, x, np.ones(y.shape), size)))


@lru_cache(maxsize=1)
def fractal_codes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the iterated function systems: three affine maps each, all contracting.

    Returns
    -------
    maps : float array, shape (N_FRACTALS, 3, 2, 2)
        Singular values within .25-.8, so that an attractor exists whatever the angles.
    offsets : float array, shape (N_FRACTALS, 3, 2)
    share : float array, shape (N_FRACTALS, 3)
        Probability of each map in the chaos game, proportional to its area (Barnsley's rule).

    References
    ----------
    Kataoka et al. 2022 (FractalDB), doi:10.1007/s11263-021-01555-8.
    Anderson and Farrell 2022 (codes by singular values), doi:10.1109/WACV51458.2022.00247.
    """
    rng = np.random.default_rng(FRACTAL_SEED)
    left, right = (_rotations(rng.uniform(0, 2 * np.pi, (N_FRACTALS, 3))) for _ in range(2))
    stretch = rng.uniform(0.25, 0.8, (N_FRACTALS, 3, 2))
    flip = np.where(rng.random((N_FRACTALS, 3, 2)) < 0.5, -1, 1)
    maps = left @ (right * (stretch * flip)[..., None])
    share = stretch.prod(axis=2)
    offsets = rng.uniform(-1, 1, (N_FRACTALS, 3, 2))
    return maps, offsets, share / share.sum(axis=1, keepdims=True)


# What a presence label is about, in the order of the labels.
FAMILIES: dict[str, Callable] = {
    "ellipse": ellipses,
    "polygon": polygons,
    "star": stars,
    "ring": rings,
    "line": lines,
    "cluster": clusters,
    "scatter": scatters,
    "track": tracks,
    "fractal": fractals,
}


def _dots(centre, size, rng, spread):
    m, n_dots = len(centre), 24
    kept = np.arange(n_dots) < rng.integers(4, n_dots + 1, (m, 1))
    position = centre[:, None] + np.clip(rng.standard_normal((m, n_dots, 2)), -2, 2) * (
        spread[:, None, None] / 1.5
    )
    weight = rng.uniform(0.4, 1, (m, n_dots)) * kept
    return _to_one(_splat(position[..., 0], position[..., 1], weight, size))


def _splat(y, x, weight, size):
    """Add points (m, n) to canvases (m, h, w), each shared by the four pixels around it."""
    m, (height, width) = len(y), size
    canvas = np.zeros(m * height * width)
    row, column = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    image = np.arange(m)[:, None]
    for down in (0, 1):
        for right in (0, 1):
            r, c = row + down, column + right
            part = weight * np.abs(1 - down - (y - row)) * np.abs(1 - right - (x - column))
            inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
            flat = (image * height + r) * width + c
            canvas += np.bincount(flat[inside], part[inside], minlength=len(canvas))
    return canvas.reshape(m, height, width).astype(np.float32)


def _to_one(canvas):
    return canvas / np.maximum(canvas.max(axis=(1, 2), keepdims=True), 1e-6)


def _turned_patch(centre, angle):
    """Coordinates (m, PATCH_PX, PATCH_PX) about the centres' fractional pixels, turned."""
    grid = np.arange(PATCH_PX, dtype=np.float32) - PATCH_PX // 2
    fraction = (centre - np.floor(centre)).astype(np.float32)
    y = grid[None, :, None] - fraction[:, 0, None, None]
    x = grid[None, None, :] - fraction[:, 1, None, None]
    cosine, sine = _column(np.cos(angle)), _column(np.sin(angle))
    return x * cosine + y * sine, y * cosine - x * sine


def _paste(patches, centre, size):
    """Put each patch on its own canvas; what reaches beyond the border is cut off."""
    half, (height, width) = PATCH_PX // 2, size
    canvas = np.zeros((len(patches), height + 2 * half, width + 2 * half), np.float32)
    for i, (y, x) in enumerate(np.floor(centre).astype(int)):
        canvas[i, y : y + PATCH_PX, x : x + PATCH_PX] = patches[i]
    return canvas[:, half : half + height, half : half + width]


def _rotations(angle):
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)


def _sigmoid(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def _log_uniform(rng, low, high, m):
    return _column(np.exp(rng.uniform(np.log(low), np.log(high), m)))


def _column(values):
    return np.asarray(values, np.float32)[:, None, None]
