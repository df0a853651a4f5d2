"""The network: a ResNet-18 of any width, fully convolutional, with global max or mean pooling."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from mammolab.errors import InputError
from mammolab.model.torchvision_compat import import_torchvision

import_torchvision()
from torchvision.models import ResNet18_Weights
from torchvision.models.resnet import BasicBlock

POOLINGS = ("max", "mean")
INITIALISATIONS = ("random", "imagenet")
IMAGENET_WIDTH = 64


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
    pooling : {"max", "mean"}
        Global pooling of the last feature map. A small lesion is one bright spot in the map: the
        maximum keeps it, the mean drowns it in healthy tissue. Texture is everywhere: the mean.
    initialisation : {"random", "imagenet"}
        Where the first weights come from.
    dropout : float
        Probability of dropping a pooled feature while training.
    """

    width: int = 16
    pooling: str = "max"
    initialisation: str = "random"
    dropout: float = 0.0

    def __post_init__(self):
        for field, options in (("pooling", POOLINGS), ("initialisation", INITIALISATIONS)):
            if (value := getattr(self, field)) not in options:
                raise InputError(f"{field} is {value!r}; it must be one of {', '.join(options)}.")
        if self.initialisation == "imagenet" and self.width != IMAGENET_WIDTH:
            raise InputError(
                f"ImageNet weights exist for width {IMAGENET_WIDTH} only, not for {self.width}; "
                "set width to 64 or initialisation to 'random'."
            )


class ResNet18(nn.Module):
    """ResNet-18 (He et al. 2016, doi:10.1109/CVPR.2016.90) on one grey channel, one logit out.

    Layers carry torchvision's names, so its weights load; any image size is accepted.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        width = config.width
        self.conv1 = nn.Conv2d(1, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = _stage(width, width, stride=1)
        self.layer2 = _stage(width, 2 * width, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, stride=2)
        self.layer4 = _stage(4 * width, 8 * width, stride=2)
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(8 * width, 1)
        self._initialise()

    def stages(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Map images (n, 1, h, w) to the feature maps of the stem and of the four stages.

        Shapes (n, width, h/2, w/2), (n, width, h/4, w/4), then (n, 2 width, h/8, w/8) and so on.
        """
        x = self.relu(self.bn1(self.conv1(images)))
        maps = [x]
        x = self.maxpool(x)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (n, 1, h, w) to the last feature map (n, 8 width, h/32, w/32)."""
        return self.stages(images)[-1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (n, 1, h, w), already normalised, to logits (n,); higher is worse."""
        x = self.features(images)
        pooled = x.amax(dim=(2, 3)) if self.config.pooling == "max" else x.mean(dim=(2, 3))
        return self.fc(self.dropout(pooled)).squeeze(1)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # A small head starts every image near even odds, which balanced batches make the truth.
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)
        if self.config.initialisation == "imagenet":
            self._load_imagenet()

    def _load_imagenet(self) -> None:
        try:
            weights = ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=False)
        except Exception as error:
            raise InputError(
                "torchvision's ImageNet weights for ResNet-18 are neither in the local cache "
                f"({torch.hub.get_dir()}/checkpoints) nor to be had from the network ({error}); "
                "put the file there or set initialisation to 'random'."
            ) from error
        weights = {k: v for k, v in weights.items() if not k.startswith("fc.")}
        # Grey replaces colour: the sum over channels answers a grey image as the three did.
        weights["conv1.weight"] = weights["conv1.weight"].sum(dim=1, keepdim=True)
        self.load_state_dict(weights, strict=False)


def _stage(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or channels_in != channels_out:
        shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, kernel_size=1, stride=stride, bias=False),
            nn.BatchNorm2d(channels_out),
        )
    return nn.Sequential(
        BasicBlock(channels_in, channels_out, stride, shortcut),
        BasicBlock(channels_out, channels_out),
    )
