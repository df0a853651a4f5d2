"""The network keeps torchvision's layer names, takes any image size, and refuses bad settings."""

import pytest
import torch

from mammolab.errors import InputError
from mammolab.model.network import NetworkConfig, ResNet18
from mammolab.model.torchvision_compat import import_torchvision

torchvision = import_torchvision()


def test_published_width_is_torchvisions_resnet18_but_for_one_grey_channel():
    ours = ResNet18(NetworkConfig(width=64)).state_dict()
    theirs = torchvision.models.resnet18().state_dict()
    assert list(ours) == list(theirs)
    differing = {k for k in ours if ours[k].shape != theirs[k].shape}
    assert differing == {"conv1.weight", "fc.weight", "fc.bias"}


def test_features_equal_torchvisions_on_a_grey_image(monkeypatch):
    theirs = torchvision.models.resnet18().eval()
    monkeypatch.setattr(
        "mammolab.model.network.ResNet18_Weights",
        type("Stand", (), {"IMAGENET1K_V1": _Weights(theirs.state_dict())}),
    )
    ours = ResNet18(NetworkConfig(width=64, initialisation="imagenet", pooling="mean")).eval()
    grey = torch.rand(2, 1, 96, 64)
    theirs.fc = torch.nn.Identity()
    with torch.inference_mode():
        expected = theirs(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(ours.features(grey).mean(dim=(2, 3)), expected)


class _Weights:
    def __init__(self, state):
        self.state = state

    def get_state_dict(self, progress):
        return dict(self.state)


def test_unreachable_imagenet_weights_say_what_to_do(monkeypatch):
    class Unreachable:
        def get_state_dict(self, progress):
            raise OSError("no network")

    monkeypatch.setattr(
        "mammolab.model.network.ResNet18_Weights", type("W", (), {"IMAGENET1K_V1": Unreachable()})
    )
    with pytest.raises(InputError, match="initialisation to 'random'"):
        ResNet18(NetworkConfig(width=64, initialisation="imagenet"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "sum"}, "one of max, mean"),
        ({"initialisation": "imagnet"}, "one of random, imagenet"),
        ({"initialisation": "imagenet", "width": 16}, "width 64 only"),
    ],
)
def test_bad_settings_name_the_valid_ones(settings, message):
    with pytest.raises(InputError, match=message):
        NetworkConfig(**settings)


@pytest.mark.parametrize("size", [(64, 52), (100, 80)])
def test_any_image_size_gives_one_logit_an_image(size):
    assert ResNet18(NetworkConfig(width=4))(torch.rand(3, 1, *size)).shape == (3,)


def test_max_pooling_takes_the_loudest_place_and_mean_pooling_the_average():
    image = torch.rand(1, 1, 128, 96)
    for pooling, reduce in (("max", torch.amax), ("mean", torch.mean)):
        network = ResNet18(NetworkConfig(width=4, pooling=pooling)).eval()
        with torch.inference_mode():
            pooled = reduce(network.features(image), dim=(2, 3))
            torch.testing.assert_close(network(image), network.fc(pooled).squeeze(1))
