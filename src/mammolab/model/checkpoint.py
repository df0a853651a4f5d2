"""Networks on disk: weights as safetensors, everything else as JSON, nothing executable."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from safetensors.torch import load_file, save_file

from mammolab.errors import InputError, MissingInput
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
        What else a reader needs to use the weights: preprocessing_hash, code_digest and the
        training configuration.
    """
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    write_whole(folder / "model.safetensors", lambda path: save_file(weights, path))
    write_whole(folder / "history.csv", lambda path: history.to_csv(path, index=False))
    write_json(folder / "config.json", {"network": asdict(network.config), **settings})


def load_network(folder: Path, preprocessing_hash: str | None = None) -> ResNet18:
    """Read a network written by `save_network`, in evaluation mode on the CPU.

    Parameters
    ----------
    folder : Path
    preprocessing_hash : str or None
        Of the images that the network is to see, from table `images`; None does not compare it.

    Raises
    ------
    MissingInput
        When config.json or model.safetensors is absent; the message names the folder.
    InputError
        When the weights are of another architecture than config.json says, or the network was
        trained on images prepared in another way.
    """
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise MissingInput(f"{folder} holds no {name}; train the network first.")
    settings = json.loads((folder / "config.json").read_text("utf-8"))
    trained_on = settings.get("preprocessing_hash")
    if preprocessing_hash is not None and preprocessing_hash != trained_on:
        raise InputError(
            f"The network in {folder} was trained on images of preprocessing hash {trained_on}, "
            f"these images have {preprocessing_hash}; prepare them alike or train again."
        )
    try:
        config = NetworkConfig(**settings["network"])
        # The stored weights replace whatever the first ones were: none need be fetched.
        network = ResNet18(NetworkConfig(**{**settings["network"], "initialisation": "random"}))
        network.load_state_dict(load_file(folder / "model.safetensors"))
    except (TypeError, RuntimeError) as error:
        first_line = str(error).strip().splitlines()[-1].strip()
        raise InputError(
            f"The weights in {folder} are not of the architecture that its config.json names "
            f"({first_line}); train the network again."
        ) from None
    network.config = config
    return network.eval()
