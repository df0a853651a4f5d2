"""The network: a ResNet-18 of any width, fully convolutional, for one view or the four of an exam."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mammolab.errors import InputError
from mammolab.model.initialise import IMAGENET_WIDTH, INITIALISATIONS, initialise
from mammolab.model.pooling import POOLINGS
from mammolab.model.torchvision_compat import import_torchvision

import_torchvision()
from torchvision.models.resnet import BasicBlock

VIEWS = (1, 4)
NORMS = ("batch", "group")
MOST_GROUPS = 8  # assumption: with 16 channels, two share a mean and SD


def compute_device() -> torch.device:
    """Return the accelerator where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class NetworkConfig:
    """What fixes the architecture and its first weights.

    Attributes
    ----------
    width : int
        Channels of the first stage; 64 is the published ResNet-18, 16 trains on a laptop.
    pooling : {"max", "mean", "generalised_mean"}
        Global pooling of the last feature map. A small lesion is one bright spot in the map: the
        maximum keeps it, the mean drowns it in healthy tissue. Texture is everywhere: the mean. The
        generalised mean lies between them, where training puts it.
    initialisation : {"random", "imagenet", "formula"}
        Where the first weights come from.
    dropout : float
        Probability of dropping a pooled feature while training.
    views : {1, 4}
        Images of one input: one view, or an exam's left CC, left MLO, right CC and right MLO, which
        share the trunk and meet in the last layer.
    norm : {"batch", "group"}
        Batch normalisation, the published one, measures a mean and SD over the images that are in
        memory together, so that it changes with micro_batch_size and with the number of processes.
        Group normalisation (Wu & He 2018, doi:10.1007/978-3-030-01261-8_1) looks at one image at a
        time and does not.
    """

    width: int = 16
    pooling: str = "max"
    initialisation: str = "random"
    dropout: float = 0.0
    views: int = 1
    norm: str = "batch"

    def __post_init__(self):
        for field, options in (
            ("pooling", POOLINGS),
            ("initialisation", INITIALISATIONS),
            ("views", VIEWS),
            ("norm", NORMS),
        ):
            if (value := getattr(self, field)) not in options:
                raise InputError(
                    f"{field} is {value!r}; it must be one of {', '.join(map(str, options))}."
                )
        if self.width < 1:
            raise InputError(f"width is {self.width}; a stage needs at least 1 channel.")
        if self.initialisation == "imagenet" and self.width != IMAGENET_WIDTH:
            raise InputError(
                f"ImageNet weights exist for width {IMAGENET_WIDTH} only, not for {self.width}; "
                "set width to 64 or initialisation to 'random'."
            )


class ResNet18(nn.Module):
    """ResNet-18 (He et al. 2016, doi:10.1109/CVPR.2016.90) on grey images, one logit out.

    Layers carry torchvision's names, so its weights load; any image size is accepted.

    Attributes
    ----------
    config : NetworkConfig
    recompute : bool
        While training, keep only what enters each stage and compute the rest again on the way back:
        a third more time, and memory that full-field images fit into. Results are the same.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.recompute = False
        width, norm = config.width, _norm(config.norm)
        self.conv1 = nn.Conv2d(1, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = norm(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = _stage(width, width, 1, norm)
        self.layer2 = _stage(width, 2 * width, 2, norm)
        self.layer3 = _stage(2 * width, 4 * width, 2, norm)
        self.layer4 = _stage(4 * width, 8 * width, 2, norm)
        self.pool = POOLINGS[config.pooling]()
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(8 * width * config.views, 1)
        initialise(self, config.initialisation, width)

    def stages(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Map images (n, 1, h, w) to the feature maps of the stem and of the four stages.

        Shapes (n, width, h/2, w/2), (n, width, h/4, w/4), then (n, 2 width, h/8, w/8) and so on.
        """
        maps = [self._run(self._stem, images)]
        maps.append(self._run(lambda x: self.layer1(self.maxpool(x)), maps[-1]))
        for layer in (self.layer2, self.layer3, self.layer4):
            maps.append(self._run(layer, maps[-1]))
        return maps

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (n, 1, h, w) to the last feature map (n, 8 width, h/32, w/32)."""
        return self.stages(images)[-1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (n, views, h, w), already normalised, to logits (n,); higher is worse.

        Raises
        ------
        InputError
            When an input does not hold the configured number of views.
        """
        n, views, height, width = images.shape
        if views != self.config.views:
            raise InputError(
                f"The network takes {self.config.views} views an input; these images have {views}."
            )
        maps = self.features(images.reshape(n * views, 1, height, width))
        pooled = self.pool(maps).reshape(n, -1)  # (n, views * 8 width)
        return self.fc(self.dropout(pooled)).squeeze(1)

    def _stem(self, images: torch.Tensor) -> torch.Tensor:
        return self.relu(self.bn1(self.conv1(images)))

    def _run(self, stage: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        if not (self.recompute and self.training):
            return stage(x)
        # No stage draws random numbers, and running statistics must move once a step.
        return checkpoint(
            stage,
            x,
            use_reentrant=False,
            preserve_rng_state=False,
            context_fn=lambda: (nullcontext(), _running_statistics_held(self)),
        )


@contextmanager
def _running_statistics_held(network: nn.Module) -> Iterator[None]:
    """Let batch normalisation measure its batch without moving its running mean and variance."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    held = [(m.momentum, m.num_batches_tracked) for m in norms]
    for module in norms:
        module.momentum, module.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for module, (momentum, n_batches) in zip(norms, held):
            module.momentum, module.num_batches_tracked = momentum, n_batches


def _norm(name: str) -> Callable[[int], nn.Module]:
    if name == "batch":
        return nn.BatchNorm2d
    return lambda channels: nn.GroupNorm(math.gcd(MOST_GROUPS, channels), channels)


def _stage(
    channels_in: int, channels_out: int, stride: int, norm: Callable[[int], nn.Module]
) -> nn.Sequential:
    shortcut = None
    if stride != 1 or channels_in != channels_out:
        shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, kernel_size=1, stride=stride, bias=False),
            norm(channels_out),
        )
    return nn.Sequential(
        BasicBlock(channels_in, channels_out, stride, shortcut, norm_layer=norm),
        BasicBlock(channels_out, channels_out, norm_layer=norm),
    )
