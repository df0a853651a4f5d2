"""The first weights of a network: random, or those of a training on other pictures."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from mammolab.errors import InputError
from mammolab.model.torchvision_compat import import_torchvision

import_torchvision()
from torchvision.models import ResNet18_Weights

INITIALISATIONS = ("random", "imagenet", "formula")
IMAGENET_WIDTH = 64
SHIPPED = Path(__file__).parent / "weights"  # formula_w<width>.safetensors, each with a JSON card
HEAD = ("fc.", "pool.")  # what no other task can have trained


def initialise(network: nn.Module, name: str, width: int) -> None:
    """Give a network its first weights.

    Parameters
    ----------
    network : ResNet18
    name : {"random", "imagenet", "formula"}
        Kaiming's (He et al. 2015, doi:10.1109/ICCV.2015.123); torchvision's, trained on
        photographs; or ours, trained on pictures made by formulas, which the package ships. The
        head is random in all three.
    width : int
        Channels of the first stage.

    Raises
    ------
    InputError
        When there are no such weights for this width or normalisation, or none within reach.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    # A small head starts every image near even odds, which balanced batches make the truth.
    nn.init.normal_(network.fc.weight, std=0.01)
    nn.init.zeros_(network.fc.bias)
    if name == "imagenet":
        load_trunk(network, _imagenet_weights(), "torchvision's ImageNet weights")
    elif name == "formula":
        load_trunk(network, _formula_weights(width), f"formula_w{width}.safetensors")


def load_trunk(network: nn.Module, weights: dict[str, torch.Tensor], source: str) -> None:
    """Copy weights into all of a network but its head.

    Parameters
    ----------
    network : ResNet18
    weights : dict of tensors
        Under torchvision's names; those of a head are passed over.
    source : str
        Names them in the error.

    Raises
    ------
    InputError
        When a tensor of the trunk is missing, of another shape, or unknown to the network.
    """
    own = {k: v for k, v in network.state_dict().items() if not k.startswith(HEAD)}
    given = {k: v for k, v in weights.items() if not k.startswith(HEAD)}
    wrong = sorted(own.keys() ^ given.keys())
    wrong += [k for k in own.keys() & given.keys() if own[k].shape != given[k].shape]
    if wrong:
        raise InputError(
            f"{source} do not fit this network: {len(wrong)} tensors are missing, unknown or of "
            f"another shape ({', '.join(wrong[:3])}); width and norm must be those they were made "
            "with (norm 'batch' for shipped and ImageNet weights)."
        )
    network.load_state_dict(given, strict=False)


def _imagenet_weights() -> dict[str, torch.Tensor]:
    try:
        weights = ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=False)
    except Exception as error:
        raise InputError(
            "torchvision's ImageNet weights for ResNet-18 are neither in the local cache "
            f"({torch.hub.get_dir()}/checkpoints) nor to be had from the network ({error}); "
            "put the file there or set initialisation to 'random'."
        ) from error
    # Grey replaces colour: the sum over channels answers a grey image as the three did.
    weights["conv1.weight"] = weights["conv1.weight"].sum(dim=1, keepdim=True)
    return weights


def _formula_weights(width: int) -> dict[str, torch.Tensor]:
    path = SHIPPED / f"formula_w{width}.safetensors"
    if not path.is_file():
        shipped = sorted(p.name for p in SHIPPED.glob("formula_w*.safetensors"))
        raise InputError(
            f"There are no formula weights for width {width}; shipped are "
            f"{', '.join(shipped) or 'none'}: take one of these widths or set initialisation to "
            "'random'."
        )
    return load_file(path)
