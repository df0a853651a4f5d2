"""Attribution maps of single images, by captum: Grad-CAM and occlusion."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import torch
from scipy import ndimage

from mammolab.errors import InputError, unknown_name
from mammolab.model.augment import load_images, normalise
from mammolab.model.network import ResNet18, compute_device

with warnings.catch_warnings():  # captum's progress bar warns in a notebook that it has no widgets
    warnings.filterwarnings("ignore", message="IProgress not found")
    from captum.attr import LayerGradCam, Occlusion

# Pixels from one cell of a stage's feature map to the next.
CELL_PX = {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}


def grad_cam(
    network: ResNet18, store: np.ndarray, rows: np.ndarray, layer: str, batch_size: int = 32
) -> np.ndarray:
    """Return the Grad-CAM map of each image: which cells of a stage speak for cancer.

    Parameters
    ----------
    network : ResNet18
        Left in evaluation mode, on the accelerator where there is one.
    store : uint8 array, shape (n_images, h, w)
    rows : int array, shape (n,)
        Positions in `store`.
    layer : str
        A stage of the network, a key of `CELL_PX`.
    batch_size : int

    Returns
    -------
    float32 array, shape (n, h, w)
        In units of the logit; positive where the image speaks for cancer, negative where against.

    Raises
    ------
    InputError
        When `rows` is empty or the network has no such layer; the message lists those it has.

    Notes
    -----
    The rectifier of the original is left out, so that a map has its highest point even where all
    of it is negative; take the positive part for shares.

    References
    ----------
    Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74.
    """
    rows = _checked_rows(rows)
    stages = {name: part for name, part in network.named_children() if name in CELL_PX}
    if layer not in stages:
        raise unknown_name("layer of the network for Grad-CAM", layer, stages)
    device = compute_device()
    network.eval().to(device)
    explainer = LayerGradCam(network, stages[layer])
    maps = np.empty((len(rows), *store.shape[1:]), np.float32)
    for start in range(0, len(rows), batch_size):
        images = normalise(load_images(store, rows[start : start + batch_size]).to(device))
        cells = explainer.attribute(images)[:, 0]  # (n, cells down, cells across)
        maps[start : start + batch_size] = spread_cells(
            cells.detach().cpu().numpy(), CELL_PX[layer], store.shape[1:]
        )
    return maps


def occlusion(
    network: ResNet18,
    store: np.ndarray,
    rows: np.ndarray,
    spacing_mm: np.ndarray,
    window_mm: float,
    stride_mm: float,
    covered: np.ndarray,
    batch_size: int = 64,
) -> np.ndarray:
    """Return the occlusion map of each image: how far the score falls when a square is covered.

    The square is filled with the grey that the network takes for the average, see `normalise`;
    a pixel's value is the mean over the squares that cover it.

    Parameters
    ----------
    network, store, rows
        As for `grad_cam`.
    spacing_mm : float array, shape (n,)
        Side of a pixel of each image.
    window_mm, stride_mm : float
        Side of the square and its step; the step is at most the side.
    covered : bool array, shape (n, h, w)
        Where squares are laid: on the upright box around it, such as the box around the breast.
        Nothing else of the image changes.
    batch_size : int
        Covered images that pass through the network at once.

    Returns
    -------
    float32 array, shape (n, h, w)
        Fall of the logit, at half precision; positive where covering makes the image look healthier.
        Outside the box the lowest value of the map, at most 0: nothing was tried there.

    Raises
    ------
    InputError
        When `rows` is empty, a spacing is missing, nothing is to be covered, or the square is
        larger than the box.

    References
    ----------
    Zeiler and Fergus 2014, doi:10.1007/978-3-319-10590-1_53.
    """
    rows = _checked_rows(rows)
    spacing_mm = np.asarray(spacing_mm, float)
    if spacing_mm.shape != rows.shape or not (spacing_mm > 0).all():
        raise InputError("occlusion needs the pixel spacing in mm of every image, above 0.")
    if not 0 < stride_mm <= window_mm:
        raise InputError(
            f"the occluding square steps by {stride_mm:g} mm; the step must be above 0 and at most "
            f"the side of the square, {window_mm:g} mm."
        )
    device = compute_device()
    network.eval().to(device, memory_format=torch.channels_last)
    maps = np.empty((len(rows), *store.shape[1:]), np.float32)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        for i, mm in enumerate(spacing_mm):
            side, step = (max(1, round(length / mm)) for length in (window_mm, stride_mm))
            box = _box(covered[i])
            image = normalise(load_images(store, rows[i : i + 1]).to(device))
            part = image[:, :, *box]
            if side > min(part.shape[2:]):
                raise InputError(
                    f"a square of {window_mm:g} mm is {side} pixels wide and does not fit the "
                    f"{part.shape[2]} x {part.shape[3]} pixels to be covered."
                )
            explainer = Occlusion(partial(_score_with, network, image, box))
            falls = explainer.attribute(
                part, (1, side, side), (1, step, step), 0.0, perturbations_per_eval=batch_size
            )[0, 0]
            maps[i] = min(falls.min().item(), 0.0)
            maps[i][box] = falls.float().cpu().numpy()
    return maps


def _box(covered: np.ndarray) -> tuple[slice, slice]:
    """The upright box around what is to be covered."""
    if not covered.any():
        raise InputError("there is nothing to cover: no breast was found in an image.")
    return tuple(
        slice(int(at[0]), int(at[-1]) + 1)
        for at in (np.flatnonzero(covered.any(axis=axis)) for axis in (1, 0))
    )


def _score_with(
    network: ResNet18, image: torch.Tensor, box: tuple[slice, slice], parts: torch.Tensor
) -> torch.Tensor:
    """The logits of an image (1, 1, h, w) in whose box other pixels are pasted, (n, 1, ., .)."""
    pasted = image.repeat(len(parts), 1, 1, 1)
    pasted[:, :, *box] = parts
    return network(pasted.contiguous(memory_format=torch.channels_last)).float()


def brightness(
    images: np.ndarray, breast: np.ndarray, spacing_mm: np.ndarray, blur_mm: float
) -> np.ndarray:
    """Return how bright the surroundings of each point of the breast are: a map without a network.

    Parameters
    ----------
    images : uint8 array, shape (n, h, w)
    breast : bool array, shape (n, h, w)
        Outside of it the map is 0.
    spacing_mm : float array, shape (n,)
    blur_mm : float
        SD of the Gaussian that averages.

    Returns
    -------
    float32 array, shape (n, h, w)
        From 0 to 1.
    """
    maps = np.empty(images.shape, np.float32)
    for i, mm in enumerate(np.asarray(spacing_mm, float)):
        maps[i] = ndimage.gaussian_filter(images[i] / np.float32(255), blur_mm / mm) * breast[i]
    return maps


def spread_cells(cells: np.ndarray, cell_px: int, shape: tuple[int, int]) -> np.ndarray:
    """Return maps of cells at the size of the image, bilinear between the cells' centres.

    Parameters
    ----------
    cells : float array, shape (n, cells down, cells across)
    cell_px : int
        Pixels from one cell to the next.
    shape : tuple of int
        Height and width of the image.

    Returns
    -------
    float array, shape (n, *shape)

    Notes
    -----
    Every convolution and pooling of the network is padded to be centred, so cell i sees the
    surroundings of pixel i * cell_px. Plain resizing, as captum's `interpolate` does it, would
    centre it half a cell further on: at the last stage 13 mm of breast.

    Examples
    --------
    >>> spread_cells(np.array([[[0.0, 4.0]]]), 4, (1, 6)).tolist()
    [[[0.0, 1.0, 2.0, 3.0, 4.0, 4.0]]]
    """
    weights = []
    for n_cells, length in zip(cells.shape[1:], shape, strict=True):
        at = np.minimum(np.arange(length) / cell_px, n_cells - 1)
        weights.append(np.clip(1 - np.abs(at[:, None] - np.arange(n_cells)), 0, None))
    down, across = weights
    return (down @ cells @ across.T).astype(cells.dtype)


def _checked_rows(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.int64)
    if not len(rows):
        raise InputError("there is no image to explain: the sample is empty.")
    return rows
