"""Training finds a planted spot, repeats itself from its seed, and keeps the epoch dev prefers."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from mammolab.errors import InputError, MissingInput
from mammolab.model.augment import Augmentation
from mammolab.model.checkpoint import load_network, save_network
from mammolab.model.network import NetworkConfig, ResNet18
from mammolab.model.score import exam_scores, score_images
from mammolab.model.train import TrainingConfig, train

TINY = NetworkConfig(width=4)


@pytest.fixture(scope="module")
def planted():
    """240 noise images; every fourth holds a bright 6 x 6 spot at a random place."""
    rng = np.random.default_rng(5)
    store = rng.normal(70, 12, (240, 64, 64)).clip(0, 255)
    label = np.arange(240) % 4 == 0
    for i in np.flatnonzero(label):
        y, x = rng.integers(8, 50, 2)
        store[i, y : y + 6, x : x + 6] += 90
    return store.clip(0, 255).astype(np.uint8), label


def _train(planted, seed=0, epochs=4, measure=None):
    store, label = planted
    learn = np.arange(len(label)) < 160
    table = pd.DataFrame(
        {"row": np.flatnonzero(learn), "label": label[learn], "sampling_weight": 1.0}
    )

    def dev_auc(network):
        return {
            "auc": roc_auc_score(label[~learn], score_images(network, store, np.where(~learn)[0]))
        }

    return train(
        store,
        table,
        TINY,
        TrainingConfig(
            batch_size=24,
            micro_batch_size=12,
            epochs=epochs,
            steps_per_epoch=20,
            learning_rate=5e-3,
            average_decay=0.9,
        ),
        Augmentation(),
        measure or dev_auc,
        "auc",
        np.random.default_rng(seed),
    )


def test_a_planted_spot_is_learned(planted):
    assert _train(planted).history["auc"].max() > 0.95


def test_same_seed_same_history_and_weights(planted):
    one, two = _train(planted, epochs=2), _train(planted, epochs=2)
    pd.testing.assert_frame_equal(one.history, two.history)
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.network.state_dict().values(), two.network.state_dict().values())
    )
    assert not _train(planted, seed=1, epochs=2).history["loss"].equals(one.history["loss"])


def test_the_first_of_the_best_epochs_is_kept(planted):
    kept = []

    def measure(network):
        kept.append(network.state_dict()["conv1.weight"].clone())
        return {"auc": [0.2, 0.7, 0.7][len(kept) - 1]}

    result = _train(planted, epochs=3, measure=measure)
    assert result.best_epoch == 2
    assert torch.equal(result.network.state_dict()["conv1.weight"], kept[1])


def test_accumulated_gradients_ask_for_pieces_that_divide_the_batch():
    with pytest.raises(InputError, match="divide batch_size"):
        TrainingConfig(24, 10, epochs=1, steps_per_epoch=1, learning_rate=1e-3)


def test_scores_do_not_depend_on_the_batch_and_an_exam_is_its_worst_view(planted):
    store, _ = planted
    network = ResNet18(TINY)
    all_at_once = score_images(network, store, np.arange(20))
    np.testing.assert_allclose(
        score_images(network, store, np.arange(20), batch_size=3), all_at_once, atol=2e-2
    )
    images = pd.DataFrame({"exam_id": ["b", "a", "b"]})
    assert exam_scores(images, np.array([1.0, 3.0, 2.0])).to_dict() == {"a": 3.0, "b": 2.0}


def test_a_network_comes_back_from_disk_as_it_went(planted, tmp_path):
    network = ResNet18(TINY).eval()
    save_network(tmp_path / "m", network, pd.DataFrame({"epoch": [1]}), {"note": "x"})
    back = load_network(tmp_path / "m")
    images = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        assert torch.equal(network(images), back(images))
    assert json.loads((tmp_path / "m" / "config.json").read_text())["note"] == "x"
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "config.json",
        "history.csv",
        "model.safetensors",
    ]


def test_a_missing_network_is_said(tmp_path):
    with pytest.raises(MissingInput, match="holds no config.json"):
        load_network(tmp_path)
