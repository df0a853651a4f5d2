"""A warning for text that may be burned into an image: simple, and it misses some.

Measured once, on other images than the limits below were chosen on: of 400 clean synthetic
mammograms (256 rows, with a marker of side and view) none was flagged. A line of 29 characters
beside the breast, on 60 of them enlarged to 1,024 rows, was found in all at 16 to 40 px and at
least .3 of the range in contrast, in 93% at 80 px (67% at .3), never at .2, nor at 12 px and .3.
Over the breast: 0 to 17% at 12 to 24 px, 97% from 40 px on, where the line reaches beyond it. On one
real film, digitised at 4,664 rows, a line beside the breast was found at 20 to 80 px, over it not.
"""

import numpy as np
from pydicom.dataset import Dataset
from scipy import ndimage

from mammolab.data.header import text_of
from mammolab.data.source import FILM_CLASSES

LETTERS = 6  # in a row; a marker of side and view, such as R-MLO, has up to five
CONTRAST = 0.25  # of the range, between a letter and the background; assumption
LOWEST_PIXELS, HIGHEST_SHARE = 6, 0.06  # height of a letter, in pixels and of the image's rows
MOST_MARKS = 20_000  # more is noise


def why_suspect(dataset: Dataset, stored: np.ndarray | None) -> str:
    """Why a person should look at an image for burned-in text; empty where nothing says so.

    Parameters
    ----------
    dataset : header.
    stored : stored values of a frame, shape (rows, columns); None where not decoded.
    """
    if text_of(dataset, "BurnedInAnnotation").upper() == "YES":
        return "BurnedInAnnotation is YES"
    if text_of(dataset, "SOPClassUID") in FILM_CLASSES:
        return "secondary capture or film"
    if stored is not None:
        letters = longest_line(stored)
        if letters >= LETTERS:
            return f"{letters} marks in a row that look like letters"
    return ""


def longest_line(stored: np.ndarray) -> int:
    """How many letter-like marks stand in the longest row, or column, of such.

    A mark is a small connected patch that differs from the background by a quarter of the
    range, in either direction. Marks are in one line if they are alike in height, and next to each
    other. What touches the breast is part of the breast here, so letters over it are not seen.
    """
    values = stored.astype(np.float32)
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    distance = np.abs(values - np.median(border))
    # A film's border may lie within the breast: the darkest value is the other candidate.
    if np.percentile(distance, 25) > 0.05 * distance.max():
        distance = np.abs(values - np.percentile(values, 1))
    marks, _ = ndimage.label(distance > CONTRAST * distance.max(), np.ones((3, 3)))
    boxes = ndimage.find_objects(marks)
    if len(boxes) > MOST_MARKS:
        return 0
    sides = np.array([(b[0].start, b[0].stop, b[1].start, b[1].stop) for b in boxes]).reshape(-1, 4)
    across = _longest(sides, stored.shape[0])
    return max(across, _longest(sides[:, [2, 3, 0, 1]], stored.shape[1]))


def _longest(sides: np.ndarray, length: int) -> int:
    """Longest chain of boxes (top, bottom, left, right) that stand beside each other."""
    height, width = sides[:, 1] - sides[:, 0], sides[:, 3] - sides[:, 2]
    letter = (height >= LOWEST_PIXELS) & (height <= max(HIGHEST_SHARE * length, 20))
    letter &= (width <= 1.5 * height) & (width * 8 >= height)
    sides, height = sides[letter], height[letter]
    order = np.argsort(sides[:, 2], kind="stable")
    sides, height = sides[order], height[order]
    middle = (sides[:, 0] + sides[:, 1]) / 2
    run, best = np.ones(len(sides), int), 1 if len(sides) else 0
    for at in range(1, len(sides)):
        before = np.flatnonzero(sides[at, 2] - sides[:at, 3] <= 1.5 * height[at])
        gap = sides[at, 2] - sides[before, 3]
        alike = (gap >= -1) & (np.abs(middle[before] - middle[at]) <= 0.35 * height[at])
        alike &= (height[before] <= 1.5 * height[at]) & (height[at] <= 1.5 * height[before])
        if alike.any():
            run[at] = run[before[alike]].max() + 1
            best = max(best, run[at])
    return int(best)
