"""Named random streams: a draw depends on its seed and its purpose, never on the order of calls."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np


def stream(seed: int | Sequence[int], name: str) -> np.random.Generator:
    """Random generator of one purpose.

    Parameters
    ----------
    seed : int or sequence of int
        Non-negative seed of the world, the woman, the breast, the exam, ...; a sequence nests
        them (breast, then exam).
    name : str
        Purpose of the draws, such as ``"pectoral"``. Adding a purpose changes no other stream.

    Returns
    -------
    numpy.random.Generator
        Seeded by the seed(s) and the CRC-32 of the name.

    Examples
    --------
    >>> stream(7, "growth").integers(100) == stream(7, "growth").integers(100)
    np.True_
    """
    seeds = [int(seed)] if np.isscalar(seed) else [int(part) for part in seed]
    return np.random.default_rng([*seeds, crc32(name.encode())])
