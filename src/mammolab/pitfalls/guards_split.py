"""Guards on the split: does a patient, or a picture, stand on both sides of it?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_patient_ids
from mammolab.pitfalls._exams import told
from mammolab.pitfalls.verdict import GuardVerdict

# One patient on both sides is one too many: nothing but a mistake puts her there.
OVERLAP_LIMIT = 0.0
# Share of images that may have a twin by chance alone (assumption): among 3 million pairs of the
# synthetic programme's images from two women, the closest differ in 44 of 256 bits.
TWIN_LIMIT = 0.001
# Share of a fingerprint's bits in which twins may differ, 24 of 256: noise, another window, half
# the resolution or a shift of one pixel changed at most about as many in half of those images.
TWIN_BITS = 3 / 32
N_BITS = 256
_GRID = 24  # tiles along each side of an image
_FAINT = 4.0  # grey levels of local contrast below which a tile hardly counts (assumption)
_SHOWN = 3
_BLOCK = 512


def patient_overlap(patient_ids: ArrayLike, split: ArrayLike) -> GuardVerdict:
    """Ask whether the exams of a patient were dealt to more than one split.

    A network knows her breasts again, and is praised for it.

    Parameters
    ----------
    patient_ids : array-like of str, shape (n,)
    split : array-like, shape (n,)
        Such as "train", "dev", "test"; a row with a missing one belongs to none.

    Returns
    -------
    GuardVerdict
        statistic: share of patients with rows in more than one split; limit: 0.

    Raises
    ------
    InputError
        If an id is missing, or fewer than two splits are named.

    References
    ----------
    Yagis et al. 2021, doi:10.1038/s41598-021-01681-w (slices of a patient on both sides: accuracy
    29 to 55% too high, 96% on random labels); Kapoor and Narayanan 2023,
    doi:10.1016/j.patter.2023.100804.
    """
    with told():
        ids = check_patient_ids(patient_ids)
    codes, _ = _splits(split, len(ids))
    placed = codes >= 0
    n_splits = pd.Series(codes[placed]).groupby(ids[placed]).nunique()
    both = n_splits.index[n_splits > 1]
    share = len(both) / len(n_splits)
    fired = share > OVERLAP_LIMIT
    finding = (
        f"{len(both)} of {len(n_splits)} patients have exams in more than one split, among them "
        f"{', '.join(map(str, both[:_SHOWN]))}: deal whole patients"
        if fired
        else f"each of the {len(n_splits)} patients is in one split only"
    )
    return GuardVerdict("patient_overlap", share, OVERLAP_LIMIT, fired, f"{finding}.")


def image_fingerprint(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Sum up each image in 256 bits that survive noise, windowing and rescaling.

    Parameters
    ----------
    images : array of uint8, shape (n, h, w)
        At least 24 x 24 pixels; any size, so that copies at two resolutions can be found.

    Returns
    -------
    array of uint64, shape (n, 4)
        All zero for an image without contrast.

    Raises
    ------
    InputError
        If the shape or type is another.

    Notes
    -----
    A difference hash of neighbouring tiles would not do: half of a mammogram is air, the rest
    falls off alike in all, and 2 in 1,000 pairs of different women agree in all of its 64 bits.
    Here each tile is set against its eight neighbours and divided by the contrast among them, and
    the signs of 256 fixed random projections of these are kept.

    References
    ----------
    Charikar 2002, doi:10.1145/509907.509965 (signs of random projections).
    """
    images = np.asarray(images)
    if images.ndim != 3 or images.dtype != np.uint8 or min(images.shape[1:], default=0) < _GRID:
        raise InputError(
            f"Fingerprints need uint8 images of shape (n, h, w), at least {_GRID} x {_GRID} "
            f"pixels, not {images.dtype} {images.shape}."
        )
    projection = np.random.default_rng(2002).standard_normal((_GRID**2, N_BITS))
    bits = np.empty((len(images), N_BITS), dtype=bool)
    for first in range(0, len(images), _BLOCK):
        tiles = _tiles(images[first : first + _BLOCK])
        around = tiles - _mean_of_nine(tiles)
        contrast = np.sqrt(np.maximum(_mean_of_nine(around**2), 0))
        relative = around / (contrast + _FAINT)
        bits[first : first + _BLOCK] = relative.reshape(len(tiles), -1) @ projection > 0
        bits[first : first + _BLOCK][np.ptp(tiles, axis=(1, 2)) == 0] = False
    return np.packbits(bits, axis=1).view(np.uint64)


def duplicate_images(
    fingerprints: NDArray[np.unsignedinteger],
    patient_ids: ArrayLike,
    split: ArrayLike | None,
    max_bits: int | None = None,
) -> GuardVerdict:
    """Ask whether an image, or one hardly different, stands in two splits or under two patients.

    It finds what the ids do not show: a woman under two numbers, a file exported twice, an image
    that was augmented before the split. Under two numbers within a split she does not leak yet; she
    is counted twice, and the next split may part her. Copies of one patient in one split do no harm.

    Parameters
    ----------
    fingerprints : array of unsigned integers, shape (n,) or (n, k)
        From `image_fingerprint`, or any hash in which like images have like bits; all zero for an
        image without contrast, which has no twin.
    patient_ids : array-like of str, shape (n,)
    split : array-like, shape (n,), or None
        A row with a missing one belongs to none, and is passed over; None: there is no split, and
        two patients alone are asked about.
    max_bits : int, optional
        Twins differ in so many bits at most; by default 3 in 32 of a fingerprint's bits.

    Returns
    -------
    GuardVerdict
        statistic: share of images with a twin in another split, or under another patient id in the
        same one; limit: 1 in 1,000.

    Raises
    ------
    InputError
        If lengths differ, an id is missing, or fewer than two splits are named.

    Notes
    -----
    All pairs are compared: 5,000 images take some tenths of a second, 50,000 some tens.
    """
    words = np.asarray(fingerprints)
    if words.ndim not in (1, 2) or words.dtype.kind != "u" or not words.size:
        raise InputError(
            "fingerprints must be unsigned integers of shape (n,) or (n, k), not "
            f"{words.dtype} {words.shape}."
        )
    words = words.reshape(len(words), -1)
    with told():
        ids = check_patient_ids(patient_ids, len(words))
    codes = np.zeros(len(words), dtype=np.intp)
    if split is not None:
        codes, _ = _splits(split, len(words))
    if max_bits is None:
        max_bits = int(TWIN_BITS * words[0].nbytes * 8)
    usable = np.flatnonzero((codes >= 0) & words.any(axis=1))
    patient = np.unique(ids, return_inverse=True)[1]
    has_twin = np.zeros(len(words), dtype=bool)
    n_across = n_other_patient = n_within = 0  # pairs
    for first in range(0, len(usable), _BLOCK):
        rows, rest = usable[first : first + _BLOCK], usable[first:]
        near = np.triu(_bits_apart(words[rows], words[rest]) <= max_bits, 1)  # each pair once
        here, there = (of[at] for of, at in zip((rows, rest), np.nonzero(near), strict=True))
        across, apart = codes[here] != codes[there], patient[here] != patient[there]
        has_twin[here[across | apart]] = has_twin[there[across | apart]] = True
        n_across += int(across.sum())
        n_other_patient += int((across & apart).sum())
        n_within += int((~across & apart).sum())
    n_placed = int((codes >= 0).sum())
    n_twins = int(has_twin.sum())
    share = n_twins / n_placed
    fired = share > TWIN_LIMIT
    where = "under another patient id"
    pairs = f"{n_within} pairs"
    if split is not None:
        where = "in another split, or under another patient id in the same"
        pairs = (
            f"{n_across} pairs across splits, {n_other_patient} of them under two patient ids, and "
            f"{n_within} within one"
        )
    message = (
        f"{n_twins} of {n_placed} images have a twin {where} ({pairs}; limit {100 * TWIN_LIMIT:g}% "
        "of images)" + (": keep copies together, or remove them." if fired else ".")
    )
    return GuardVerdict("duplicate_images", share, TWIN_LIMIT, fired, message)


def _splits(split: ArrayLike, n_rows: int) -> tuple[NDArray[np.intp], list[str]]:
    """Return each row's split, -1 where missing, and the names."""
    values = pd.Series(np.asarray(split, dtype=object))
    if len(values) != n_rows:
        raise InputError(f"split has {len(values)} rows where {n_rows} are needed.")
    codes, names = pd.factorize(values.where(values != ""), sort=True)
    if len(names) < 2:
        named = ", ".join(map(str, names)) or "none"
        raise InputError(f"A split has at least two parts, and the table names {named}.")
    return codes, list(names)


def _tiles(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean grey of each of 24 x 24 tiles, shape (n, 24, 24)."""
    edges = [np.linspace(0, size, _GRID + 1).astype(int) for size in images.shape[1:]]
    total = np.add.reduceat(images, edges[1][:-1], axis=2, dtype=np.float64)
    total = np.add.reduceat(total, edges[0][:-1], axis=1)
    return total / (np.diff(edges[0])[:, None] * np.diff(edges[1]))


def _mean_of_nine(tiles: NDArray[np.float64]) -> NDArray[np.float64]:
    return ndimage.uniform_filter(tiles, (0, 3, 3), mode="nearest")


def _bits_apart(
    first: NDArray[np.unsignedinteger], second: NDArray[np.unsignedinteger]
) -> NDArray[np.int64]:
    apart = np.zeros((len(first), len(second)), dtype=np.uint16)
    for one, other in zip(first.T, second.T, strict=True):
        apart += np.bitwise_count(one[:, None] ^ other)
    return apart
