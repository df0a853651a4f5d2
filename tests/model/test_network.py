"""The network keeps torchvision's layer names, takes any image size, and refuses bad settings."""

import copy

import pytest
import torch
from safetensors.torch import save_file

from mammolab.errors import InputError
from mammolab.model.network import NetworkConfig, ResNet18
from mammolab.model.pooling import GeneralisedMean
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
        "mammolab.model.initialise.ResNet18_Weights",
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
        "mammolab.model.initialise.ResNet18_Weights",
        type("W", (), {"IMAGENET1K_V1": Unreachable()}),
    )
    with pytest.raises(InputError, match="initialisation to 'random'"):
        ResNet18(NetworkConfig(width=64, initialisation="imagenet"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "sum"}, "one of max, mean, generalised_mean"),
        ({"initialisation": "imagnet"}, "one of random, imagenet, formula"),
        ({"initialisation": "imagenet", "width": 16}, "width 64 only"),
        ({"views": 2}, "one of 1, 4"),
        ({"norm": "layer"}, "one of batch, group"),
        ({"width": 0}, "at least 1 channel"),
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


def test_the_generalised_mean_runs_from_the_mean_to_the_maximum_and_learns_where_to_stop():
    maps = torch.rand(2, 3, 6, 5)
    pool = GeneralisedMean()
    for exponent in (1.0, 3.0):
        pool.log_exponent.data.fill_(exponent).log_()
        expected = maps.pow(exponent).mean(dim=(2, 3)).pow(1 / exponent)
        torch.testing.assert_close(pool(maps), expected)
    pool.log_exponent.data.fill_(7.0)  # p = 1,097
    torch.testing.assert_close(pool(maps), maps.amax(dim=(2, 3)), atol=5e-3, rtol=5e-3)
    pool = GeneralisedMean()
    pool(torch.cat([maps, torch.zeros_like(maps)])).sum().backward()  # silent channels included
    assert pool.log_exponent.grad > 0  # nearer the maximum, the sum grows


def test_four_views_share_the_trunk_and_meet_in_the_last_layer():
    network = ResNet18(NetworkConfig(width=4, views=4)).eval()
    exams = torch.rand(3, 4, 64, 52)
    with torch.inference_mode():
        pooled = [network.features(exams[:, v : v + 1]).amax(dim=(2, 3)) for v in range(4)]
        expected = network.fc(torch.cat(pooled, dim=1)).squeeze(1)
        torch.testing.assert_close(network(exams), expected)
    with pytest.raises(InputError, match="takes 4 views an input; these images have 1"):
        network(exams[:, :1])


@pytest.mark.parametrize("views", [1, 4])
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_recomputing_saves_memory_and_changes_nothing(views, norm):
    torch.manual_seed(0)
    kept = ResNet18(NetworkConfig(width=4, views=views, norm=norm)).train()
    again = copy.deepcopy(kept)
    again.recompute = True
    images = torch.rand(4, views, 64, 52)
    kept(images).sum().backward()
    again(images).sum().backward()
    for one, two in zip(kept.parameters(), again.parameters()):
        assert torch.equal(one.grad, two.grad)
    for one, two in zip(kept.buffers(), again.buffers()):
        assert torch.equal(one, two)  # running statistics moved once


def test_formula_weights_fill_the_trunk_and_leave_the_head(tmp_path, monkeypatch):
    monkeypatch.setattr("mammolab.model.initialise.SHIPPED", tmp_path)
    made = ResNet18(NetworkConfig(width=4))
    trunk = {k: v for k, v in made.state_dict().items() if not k.startswith("fc.")}
    save_file(trunk, tmp_path / "formula_w4.safetensors")
    for config in (
        NetworkConfig(width=4, initialisation="formula"),
        NetworkConfig(width=4, initialisation="formula", views=4, pooling="generalised_mean"),
    ):
        ours = ResNet18(config)
        assert all(torch.equal(ours.state_dict()[k], v) for k, v in trunk.items())
        assert not torch.equal(ours.fc.weight[:, :32], made.fc.weight)

    with pytest.raises(InputError, match="for width 8; shipped are formula_w4.safetensors"):
        ResNet18(NetworkConfig(width=8, initialisation="formula"))
    with pytest.raises(InputError, match="norm must be those"):
        ResNet18(NetworkConfig(width=4, initialisation="formula", norm="group"))
    (tmp_path / "formula_w4.safetensors").rename(tmp_path / "formula_w8.safetensors")
    with pytest.raises(InputError, match="of another shape"):
        ResNet18(NetworkConfig(width=8, initialisation="formula"))


def test_no_shipped_weights_at_all_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("mammolab.model.initialise.SHIPPED", tmp_path)
    with pytest.raises(InputError, match="shipped are none"):
        ResNet18(NetworkConfig(width=16, initialisation="formula"))


def test_group_normalisation_looks_at_one_image_at_a_time():
    images = torch.rand(4, 1, 64, 52)
    alone = {}
    for norm in ("batch", "group"):
        network = ResNet18(NetworkConfig(width=4, norm=norm)).train()
        together = network(images)
        alone[norm] = torch.allclose(network(images[:2]), together[:2], atol=1e-5)
    assert alone == {"batch": False, "group": True}
