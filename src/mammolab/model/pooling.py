"""From the last feature map to one number a channel: the maximum, the mean, or between them."""

from __future__ import annotations

import math

import torch
from torch import nn

_SMALLEST = 1e-6  # keeps powers and their gradients finite where a channel is silent


class GlobalMax(nn.Module):
    """The loudest place of each channel: a small lesion is one bright spot in the map."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (n, c, h, w) to (n, c)."""
        return maps.amax(dim=(2, 3))


class GlobalMean(nn.Module):
    """The average over places: texture is everywhere."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (n, c, h, w) to (n, c)."""
        return maps.mean(dim=(2, 3))


class GeneralisedMean(nn.Module):
    """(mean of x^p)^(1/p) with a learned p > 0: the mean at 1, the maximum as p grows.

    One p for all channels, which hold what a ReLU let through. It starts at 3 and is learned as its
    logarithm (Radenović, Tolias & Chum 2019, doi:10.1109/TPAMI.2018.2846566).
    """

    def __init__(self):
        super().__init__()
        self.log_exponent = nn.Parameter(torch.tensor(math.log(3.0)))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (n, c, h, w), not negative, to (n, c), in single precision."""
        exponent = self.log_exponent.exp()
        maps = maps.float().clamp(min=_SMALLEST)
        largest = maps.amax(dim=(2, 3), keepdim=True).detach()  # x / largest cannot overflow
        mean = (maps / largest).pow(exponent).mean(dim=(2, 3))
        return mean.pow(1 / exponent) * largest[:, :, 0, 0]


POOLINGS: dict[str, type[nn.Module]] = {
    "max": GlobalMax,
    "mean": GlobalMean,
    "generalised_mean": GeneralisedMean,
}
