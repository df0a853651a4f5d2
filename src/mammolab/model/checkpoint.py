"""Networks on disk: weights as safetensors, everything else as JSON, nothing executable."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from safetensors.torch import load_file, save_file

from mammolab.errors import MissingInput
from mammolab.files import write_json, write_whole
from mammolab.model.network import NetworkConfig, ResNet18


def save_network(
    folder: Path, network: ResNet18, history: pd.DataFrame, settings: dict[str, object]
) -> None:
    """Write model.safetensors, history.csv and config.json to `folder`, config last.

    Parameters
    ----------
    folder : Path
        Made when absent.
    network : ResNet18
    history : DataFrame
        One row an epoch.
    settings : dict
        What else a reader needs to use the weights: preprocessing hash, training configuration.
    """
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    write_whole(folder / "model.safetensors", lambda path: save_file(weights, path))
    write_whole(folder / "history.csv", lambda path: history.to_csv(path, index=False))
    write_json(folder / "config.json", {"network": asdict(network.config), **settings})


def load_network(folder: Path) -> ResNet18:
    """Read a network written by `save_network`, in evaluation mode on the CPU.

    Raises
    ------
    MissingInput
        When config.json or model.safetensors is absent; the message names the folder.
    """
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise MissingInput(f"{folder} holds no {name}; train the network first.")
    settings = json.loads((folder / "config.json").read_text())["network"]
    # The stored weights replace whatever the first ones were: none need be fetched.
    network = ResNet18(NetworkConfig(**{**settings, "initialisation": "random"}))
    network.load_state_dict(load_file(folder / "model.safetensors"))
    network.config = NetworkConfig(**settings)
    return network.eval()
