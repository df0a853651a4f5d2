"""A killed run goes on to the last bit as if it had not been killed; another run's state is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from mammolab.errors import InputError
from mammolab.model.augment import Augmentation
from mammolab.model.config import TrainingConfig
from mammolab.model.network import NetworkConfig
from mammolab.model.resume import Resume
from mammolab.model.score import score_images
from mammolab.model.train import train

NETWORK = NetworkConfig(width=4, dropout=0.3)  # dropout draws from torch's global stream
CONFIG = TrainingConfig(12, 6, epochs=3, steps_per_epoch=3, learning_rate=5e-3, threads=1)
MARKS = {"preprocessing_hash": "aa", "code_digest": "bb"}


class Killed(Exception):
    """Stands in for the kill."""


def run(planted, folder, kill_in_epoch=None, network=NETWORK, config=CONFIG, **more):
    calls = 0

    def measure(measured):
        nonlocal calls
        calls += 1
        if calls == kill_in_epoch:
            raise Killed
        return {"mean": -abs(float(score_images(measured, planted.store, np.arange(9)).mean()))}

    return train(
        more.pop("store", planted.store),
        planted.table(np.arange(more.pop("n_train", 160))),
        network,
        config,
        more.pop("augmentation", Augmentation()),
        measure,
        "mean",
        np.random.default_rng(more.pop("seed", 0)),
        resume=None if folder is None else Resume(folder, {**MARKS, **more}),
    )


@pytest.mark.parametrize("kill_in_epoch", [1, 2, 3])
def test_killed_and_resumed_is_the_same_to_the_last_bit(planted, tmp_path, kill_in_epoch):
    whole = run(planted, None)
    with pytest.raises(Killed):
        run(planted, tmp_path, kill_in_epoch)
    torch.manual_seed(999)  # a new process starts elsewhere in the global stream
    resumed = run(planted, tmp_path)
    pd.testing.assert_frame_equal(resumed.history, whole.history, check_exact=True)
    pd.testing.assert_frame_equal(resumed.step_history, whole.step_history, check_exact=True)
    assert resumed.best_epoch == whole.best_epoch
    for (name, one), two in zip(
        whole.network.state_dict().items(), resumed.network.state_dict().values(), strict=True
    ):
        assert torch.equal(one, two), name
    assert not list(tmp_path.iterdir())  # a run that has ended leaves no state


def test_the_state_is_safetensors_and_json_and_of_one_epoch(planted, tmp_path):
    with pytest.raises(Killed):
        run(planted, tmp_path, kill_in_epoch=3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch_2.safetensors", "state.json"]


@pytest.fixture(scope="module")
def killed(planted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    with pytest.raises(Killed):
        run(planted, folder, kill_in_epoch=2)
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": replace(NETWORK, width=8)}, "network.width is 8 here and was 4"),
        ({"config": replace(CONFIG, learning_rate=1e-3)}, "training.learning_rate is 0.001 here"),
        ({"augmentation": Augmentation(shift_px=2)}, "augmentation.shift_px is 2 here and was 8"),
        ({"preprocessing_hash": "cc"}, "preprocessing_hash is cc here and was aa"),
        ({"code_digest": "cc"}, "code_digest is cc here and was bb"),
        ({"seed": 1}, "seed is"),
        ({"n_train": 120}, "table is"),
    ],
)
def test_the_state_of_another_run_is_refused(planted, killed, change, message):
    with pytest.raises(InputError, match=message):
        run(planted, killed, **change)


def test_images_of_another_size_are_refused(planted, killed):
    with pytest.raises(InputError, match=r"image_size is \[32, 32\] here and was \[64, 64\]"):
        run(planted, killed, store=np.ascontiguousarray(planted.store[:, ::2, ::2]))
