"""Make an image smaller by averaging over areas; of stored values too, without a grey copy."""

from functools import lru_cache

import numpy as np
from scipy import sparse

from mammolab.data.grey import GreyTable

BAND_ROWS = 32  # of the result, averaged at a time: what they cover fits into a processor's cache


def area_average(image: np.ndarray, scale: float) -> np.ndarray:
    """Resample both axes by one factor; each new pixel is the mean over the area it covers.

    Parameters
    ----------
    image : float array, shape (rows, columns).
    scale : new size over old size, > 0.

    Returns
    -------
    float32 array, shape (round(rows * scale), round(columns * scale)), at least 1 x 1.
    """
    down = _overlaps(image.shape[0], scale)
    across = _overlaps(image.shape[1], scale)
    return np.ascontiguousarray((across @ (down @ image).T).T)


def average_grey(
    stored: np.ndarray, table: GreyTable, scale: float, flipped: bool = False
) -> np.ndarray:
    """What `area_average` makes of the grey of stored values, bit for bit, in less time and memory.

    Some rows are looked up and averaged while they are in the processor's cache; columns that are
    black in all of them are left out, since they add nothing but zeros.

    Parameters
    ----------
    stored : integer array, shape (rows, columns).
    table : gives their grey.
    scale : new size over old size, > 0.
    flipped : mirror the image, from left to right, before.
    """
    across = _overlaps(stored.shape[1], scale, flipped)
    bands = _bands(stored.shape[0], scale)
    average = np.zeros((bands[-1][0].stop, across.shape[0]), np.float32)
    for new, old, down in bands:
        band = stored[old]
        lit = table.lit(band)
        averaged = np.zeros((stored.shape[1], new.stop - new.start), np.float32)
        averaged[lit] = (down @ table(band[:, lit])).T
        average[new] = (across @ averaged).T
    return average


@lru_cache(maxsize=64)
def _bands(length: int, scale: float) -> list[tuple[slice, slice, sparse.csr_array]]:
    """`_overlaps` in pieces: new rows, the old rows they cover, and the weights between them."""
    weights = _overlaps(length, scale)
    bands = []
    for start in range(0, weights.shape[0], BAND_ROWS):
        new = slice(start, min(start + BAND_ROWS, weights.shape[0]))
        piece = weights[new]
        old = slice(int(piece.indices.min()), int(piece.indices.max()) + 1)
        bands.append((new, old, piece[:, old].tocsr()))
    return bands


@lru_cache(maxsize=64)  # a vendor's images share their size and scale
def _overlaps(length: int, scale: float, flipped: bool = False) -> sparse.csr_array:
    """Weights (new, old) of old pixels in each new one; a new pixel covers 1 / scale old ones.

    With `flipped`, new pixels are counted from the other end than old ones.
    """
    new_length = max(1, round(length * scale))
    edges = np.minimum(np.arange(new_length + 1) / scale, length)
    first = np.minimum(np.floor(edges[:-1]).astype(int), length - 1)
    span = int(np.ceil(1 / scale)) + 1
    old = first[:, None] + np.arange(span)
    weight = np.minimum(old + 1, edges[1:, None]) - np.maximum(old, edges[:-1, None])
    weight = np.clip(weight, 0, None) * (old < length)
    weight[weight.sum(1) == 0, 0] = 1  # rounding can leave a last pixel beyond the edge
    weight = (weight / weight.sum(1, keepdims=True)).astype(np.float32)
    new = np.repeat(np.arange(new_length), span)
    weights = sparse.csr_array(
        (weight.ravel(), (new, np.minimum(old, length - 1).ravel())), (new_length, length)
    )
    if flipped:
        # Without sorting: the order of additions decides the last bit of a sum.
        mirrored = length - 1 - weights.indices
        weights = sparse.csr_array((weights.data, mirrored, weights.indptr), weights.shape)
    return weights
