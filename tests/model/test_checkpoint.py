"""Networks come back from disk as they went, and what does not fit is said."""

import json

import pandas as pd
import pytest
import torch

from mammolab.errors import InputError, MissingInput
from mammolab.model.checkpoint import load_network, save_network
from mammolab.model.network import NetworkConfig, ResNet18

CONFIGS = [
    NetworkConfig(width=4),
    NetworkConfig(width=4, views=4, norm="group", pooling="generalised_mean"),
]


@pytest.fixture
def saved(tmp_path):
    folder = tmp_path / "m"
    settings = {"preprocessing_hash": "aa", "code_digest": "bb"}
    save_network(folder, ResNet18(CONFIGS[0]), pd.DataFrame({"epoch": [1]}), settings)
    return folder


@pytest.mark.parametrize("config", CONFIGS)
def test_a_network_comes_back_from_disk_as_it_went(config, tmp_path):
    network = ResNet18(config).eval()
    save_network(tmp_path / "m", network, pd.DataFrame({"epoch": [1]}), {"note": "x"})
    back = load_network(tmp_path / "m")
    images = torch.rand(2, config.views, 64, 64)
    with torch.inference_mode():
        assert torch.equal(network(images), back(images))
    assert back.config == config
    assert json.loads((tmp_path / "m" / "config.json").read_text())["note"] == "x"
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "config.json",
        "history.csv",
        "model.safetensors",
    ]


def test_a_missing_network_is_said(tmp_path):
    with pytest.raises(MissingInput, match="holds no config.json"):
        load_network(tmp_path)


def test_images_prepared_in_another_way_are_refused(saved):
    load_network(saved, "aa")
    with pytest.raises(InputError, match="of preprocessing hash aa, these images have cc"):
        load_network(saved, "cc")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 8}, "size mismatch|not of the architecture"),
        ({"views": 4}, "not of the architecture"),
        ({"depth": 50}, "not of the architecture .*depth"),
    ],
)
def test_weights_of_another_architecture_are_refused(saved, change, message):
    config = json.loads((saved / "config.json").read_text())
    config["network"].update(change)
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        load_network(saved)
