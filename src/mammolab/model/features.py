"""What a trained network sees in a breast, as numbers: the texture statistics of its feature maps."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from mammolab.model.augment import load_images, normalise
from mammolab.model.network import ResNet18, compute_device

BREAST_GREY = 0.06  # darker pixels are air: a little above the brightest device's background


def feature_names(network: ResNet18) -> list[str]:
    """Return the names of the columns of `texture_features`, such as "layer2.5.sd"."""
    return [
        f"{stage}.{channel}.{statistic}"
        for stage, channels in _stages(network)
        for statistic in ("mean", "sd")
        for channel in range(channels)
    ]


def texture_features(
    network: ResNet18, store: np.ndarray, rows: np.ndarray, batch_size: int = 64
) -> np.ndarray:
    """Return the mean and spread of each feature map over the breast.

    The last stage is left out: its cells are as large as a quarter of the breast.

    Parameters
    ----------
    network : ResNet18
        Left in evaluation mode, on the accelerator where there is one; it may have been trained for
        anything.
    store : uint8 array, shape (n_images, h, w)
    rows : int array, shape (n,)
        Positions in `store`.
    batch_size : int

    Returns
    -------
    float32 array, shape (n, 2 * channels of the stem and the first three stages)
        Columns as in `feature_names`; the spread is log(1 + SD).
    """
    device = compute_device()
    network.eval().to(device)
    rows = np.asarray(rows, dtype=np.int64)
    features = np.empty((len(rows), len(feature_names(network))), dtype=np.float32)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        for start in range(0, len(rows), batch_size):
            images = load_images(store, rows[start : start + batch_size]).to(device)
            breast = (images > BREAST_GREY).float()  # (n, 1, h, w)
            columns = []
            for maps in network.stages(normalise(images))[:-1]:
                maps = maps.float()
                share = functional.interpolate(breast, maps.shape[2:], mode="area")
                total = share.sum(dim=(2, 3)).clamp(min=1)
                mean = (maps * share).sum(dim=(2, 3)) / total  # (n, channels)
                deviation = (maps - mean[:, :, None, None]) ** 2 * share
                columns += [mean, (deviation.sum(dim=(2, 3)) / total).sqrt().log1p()]
            features[start : start + batch_size] = torch.cat(columns, dim=1).cpu().numpy()
    return features


def _stages(network: ResNet18) -> list[tuple[str, int]]:
    width = network.config.width
    return [("stem", width), ("layer1", width), ("layer2", 2 * width), ("layer3", 4 * width)]
