"""Simple machine observers of a displayed view: brightest blob, lesion contrast, texture.

They see pixels and the pixel spacing alone, so they stand for any fixed detector in tests of the
world: what a change of processing does to a threshold, how far a lesion stands out, and whether
texture is as in mammograms.
"""

from itertools import pairwise

import numpy as np
from scipy import ndimage

SCALES_MM = (2.5, 4.0, 6.4)  # SD of the inner Gaussian, each 1.6 times the last; assumption
_SURROUND = 1.6  # outer against inner SD of a difference of Gaussians: near a Laplacian (Marr 1980)
_BREAST_LEVEL = 0.055  # display level above which a pixel is breast; above every vendor's pedestal
_MARGIN_MM = 9.0  # skin, nipple and chest wall edge are left out
_INTERNAL_NOISE = 0.04  # SD of the observer's own noise, display units; assumption

CNR_AROUND_MM = 12.0  # width of the surroundings that make the noise of a lesion; assumption
PATCH_MM = 25.6  # side of a texture patch: 256 pixels of 0.1 mm (Burgess 2001; Li 2006)
BAND_PER_MM = (0.12, 0.45)  # frequencies of the fit: seen at every matrix size from 256 x 208


def breast_mask(image: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Return the pixels (bool) of the breast: the largest bright region, without the marker.

    Parameters
    ----------
    image : float [rows, columns], as displayed, 0 black to 1 white.
    spacing_mm : side of a pixel.
    """
    step = max(1, round(0.8 / spacing_mm))
    coarse = image[::step, ::step].astype(np.float32)
    bright = ndimage.uniform_filter(coarse, 3) > _BREAST_LEVEL
    labels, count = ndimage.label(bright)
    if not count:
        return np.zeros(image.shape, bool)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest = ndimage.binary_fill_holes(labels == sizes.argmax())
    fine = np.repeat(np.repeat(largest, step, axis=0), step, axis=1)
    return fine[: image.shape[0], : image.shape[1]]


def blob_score(image: np.ndarray, spacing_mm: float) -> float:
    """Return the contrast over noise of the most conspicuous bright blob in a view.

    The largest difference of Gaussians over `SCALES_MM` inside the breast, divided by the pixel
    noise around it (the SD, over 8 mm, of what a blur of one pixel takes away, and its own). It
    knows nothing of the vendor: a change of processing moves it as it moves any detector with a fixed threshold.

    Parameters
    ----------
    image : float [rows, columns], as displayed, 0 black to 1 white.
    spacing_mm : side of a pixel. Images finer than 0.8 mm are averaged to about that first.

    Returns
    -------
    float
        0 where there is no breast; higher is more suspicious.
    """
    step = max(1, round(0.8 / spacing_mm))
    rows, columns = (size // step * step for size in image.shape)
    blocks = image[:rows, :columns].astype(np.float32)
    small = blocks.reshape(rows // step, step, columns // step, step).mean(axis=(1, 3))
    pixel_mm = spacing_mm * step
    mask = breast_mask(small, pixel_mm)
    margin = 2 * round(_MARGIN_MM / pixel_mm) + 1
    deep = ndimage.uniform_filter(mask.astype(np.float32), margin, mode="constant") > 0.999
    if not deep.any():
        return 0.0
    residual = (small - ndimage.gaussian_filter(small, 1.0)) ** 2
    noise = np.sqrt(
        ndimage.uniform_filter(residual, max(3, round(8 / pixel_mm))) + _INTERNAL_NOISE**2
    )
    widths = [*SCALES_MM, _SURROUND * SCALES_MM[-1]]
    blurred = [ndimage.gaussian_filter(small, width / pixel_mm, truncate=3.0) for width in widths]
    contrast = np.max([one - wider for one, wider in pairwise(blurred)], axis=0)
    return float((contrast / noise)[deep].max())


def lesion_cnr(with_lesion: np.ndarray, without: np.ndarray, spacing_mm: float,
               centre_px: tuple[float, float], radius_mm: float,
               scale_mm: float) -> float:  # fmt: skip
    """Return the contrast-to-noise ratio of a lesion in one view.

    Both images are filtered with a difference of Gaussians, SD scale/4 (that of a disc of diameter
    `scale_mm`) less SD scale/2 (its surroundings). Contrast is the largest filtered difference
    between the images within the lesion's disc; noise is the SD of the filtered lesion-free image
    over the breast within the disc and `CNR_AROUND_MM` around it, and the observer's own.

    Parameters
    ----------
    with_lesion, without : float [rows, columns], the same exposure as displayed, 0..1.
    spacing_mm : side of a pixel.
    centre_px : row and column of the lesion's centre.
    radius_mm : radius of the lesion.
    scale_mm : diameter the filter is matched to; at least 2 pixels are used.

    Returns
    -------
    float
        0 or more; NaN where no breast is around the centre.
    """
    inner = max(scale_mm / spacing_mm, 2.0) / 4
    reach = (radius_mm + CNR_AROUND_MM) / spacing_mm
    half = int(np.ceil(reach + 6 * inner))
    row, column = (round(value) for value in centre_px)
    box = (
        slice(max(row - half, 0), row + half + 1),
        slice(max(column - half, 0), column + half + 1),
    )
    background = without[box]
    if background.size == 0:
        return float("nan")

    def filtered(image: np.ndarray) -> np.ndarray:
        narrow, wide = (ndimage.gaussian_filter(image, size) for size in (inner, 2 * inner))
        return narrow - wide

    y = np.arange(background.shape[0])[:, None] + box[0].start - centre_px[0]
    x = np.arange(background.shape[1])[None] + box[1].start - centre_px[1]
    distance = np.hypot(y, x)
    breast = ndimage.uniform_filter(background, 3) > _BREAST_LEVEL
    around = breast & (distance <= reach)
    if not around.any():
        return float("nan")
    disc = distance <= max(radius_mm / spacing_mm, 1.5)
    contrast = filtered(with_lesion[box] - background)[disc].max()
    noise = np.hypot(filtered(background)[around].std(), _INTERNAL_NOISE)
    return float(max(contrast, 0.0) / noise)


def texture_exponent(image: np.ndarray, spacing_mm: float) -> float:
    """Return the exponent b of the power law P(f) ~ f^-b of the texture behind the nipple.

    Parameters
    ----------
    image : float [rows, columns], as displayed, 0 black to 1 white; either side.
    spacing_mm : side of a pixel, at most 1 mm.

    Returns
    -------
    float
        Slope of log power on log frequency over `BAND_PER_MM`, with a minus sign; NaN where no
        whole patch fits.

    Notes
    -----
    Square patches of `PATCH_MM`, half overlapping, wholly inside the breast, in the front two
    thirds of it and around the level of the nipple (off the pectoral muscle); mean removed, Hann
    window, periodograms averaged over patches and then over rings of frequency.

    References
    ----------
    Burgess, Jacobson, Judy. Med Phys 2001;28:419, doi:10.1118/1.1355308.
    """
    mask = breast_mask(image, spacing_mm)
    if mask[:, : mask.shape[1] // 2].sum() < mask.sum() / 2:
        image, mask = image[:, ::-1], mask[:, ::-1]
    if not mask.any():
        return float("nan")
    reach = mask.sum(axis=1)
    depth = int(reach.max())
    nipple = int(np.median(np.flatnonzero(reach >= depth - round(2 / spacing_mm))))
    size, half = round(PATCH_MM / spacing_mm), round(PATCH_MM / spacing_mm / 2)
    skin = round(6 / spacing_mm)
    window = np.hanning(size)[:, None] * np.hanning(size)
    total, count = np.zeros((size, size)), 0
    for top in range(nipple - 2 * half, nipple + half, half):
        for left in range(depth - skin - size, depth // 3 - half, -half):
            place = (slice(top, top + size), slice(left, left + size))
            if top < 0 or left < 0 or mask[place].shape != (size, size) or not mask[place].all():
                continue
            patch = image[place] - image[place].mean()
            total += np.abs(np.fft.fft2(patch * window)) ** 2
            count += 1
    if not count:
        return float("nan")
    along = np.fft.fftfreq(size, spacing_mm)
    frequency = np.hypot(along[:, None], along[None])
    edges = np.geomspace(*BAND_PER_MM, 9)
    ring = np.digitize(frequency, edges)
    rings = [ring == number for number in range(1, len(edges)) if (ring == number).any()]
    log_f = [np.log(frequency[one]).mean() for one in rings]
    log_p = [np.log(total[one].mean()) for one in rings]
    return float(-np.polyfit(log_f, log_p, 1)[0])
