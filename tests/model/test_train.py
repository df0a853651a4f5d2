"""Training finds a planted spot, repeats itself from its seed, and keeps the epoch dev prefers."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from mammolab.errors import InputError
from mammolab.model.augment import Augmentation
from mammolab.model.config import TrainingConfig
from mammolab.model.network import NetworkConfig, ResNet18
from mammolab.model.patches import train_patches_first
from mammolab.model.score import exam_scores, score_images
from mammolab.model.train import train

TINY = NetworkConfig(width=4)
CONFIG = TrainingConfig(
    batch_size=24,
    micro_batch_size=12,
    epochs=4,
    steps_per_epoch=20,
    learning_rate=5e-3,
    average_decay=0.9,
    threads=1,
)
LEARN, DEV = np.arange(160), np.arange(160, 240)
BRIEF = replace(CONFIG, epochs=2, steps_per_epoch=3)


def dev_auc(planted):
    def measure(network):
        scores = score_images(network, planted.store, DEV)
        return {"auc": roc_auc_score(planted.label[DEV], scores)}

    return measure


def run(planted, config=CONFIG, network=TINY, measure=None, seed=0, select_by="auc", **more):
    return train(
        more.pop("store", planted.store),
        more.pop("table", planted.table(LEARN)),
        network,
        config,
        Augmentation(),
        measure or dev_auc(planted),
        select_by,
        np.random.default_rng(seed),
        **more,
    )


def same_weights(one, two):
    return all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("balance", ["sampler", "loss"])
def test_a_planted_spot_is_learned(planted, balance):
    result = run(planted, replace(CONFIG, balance=balance))
    assert result.history["auc"].max() > 0.95


def test_same_seed_same_history_and_weights(planted):
    one, two = run(planted, BRIEF), run(planted, BRIEF)
    pd.testing.assert_frame_equal(one.history, two.history)
    pd.testing.assert_frame_equal(one.step_history, two.step_history)
    assert same_weights(one.network, two.network)
    other = run(planted, BRIEF, seed=1)
    assert not other.history["loss"].equals(one.history["loss"])


def test_every_step_is_recorded_and_an_epoch_is_their_mean(planted):
    result = run(planted, BRIEF)
    steps = result.step_history
    assert steps["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert result.history["steps"].tolist() == [3, 6]
    np.testing.assert_allclose(
        result.history["loss"], [steps["loss"][:3].mean(), steps["loss"][3:].mean()]
    )
    assert steps["learning_rate"][0] == pytest.approx(5e-3 / 25)  # where a cycle starts


def test_the_first_of_the_best_epochs_is_kept(planted):
    kept = []

    def measure(network):
        kept.append(network.state_dict()["conv1.weight"].clone())
        return {"auc": [0.2, 0.7, 0.7][len(kept) - 1]}

    result = run(planted, replace(BRIEF, epochs=3), measure=measure)
    assert result.best_epoch == 2
    assert torch.equal(result.network.state_dict()["conv1.weight"], kept[1])


def test_patience_stops_after_so_many_epochs_without_a_better_one(planted):
    values = iter([0.5, 0.6, 0.4, 0.6, 0.9])
    result = run(
        planted,
        replace(BRIEF, epochs=5, steps_per_epoch=1, patience=2),
        measure=lambda network: {"auc": next(values)},
    )
    assert result.history["auc"].tolist() == [0.5, 0.6, 0.4, 0.6]
    assert result.best_epoch == 2


class Recording(torch.optim.AdamW):
    """AdamW that remembers the gradients of its first step."""

    first: ClassVar[list[torch.Tensor]] = []

    def step(self, *arguments, **keywords):
        if not self.state:
            Recording.first = [p.grad.clone() for p in self.param_groups[0]["params"]]
        return super().step(*arguments, **keywords)


def _by_pieces(planted, monkeypatch, norm, **changes):
    """The first gradients of a step in one piece, and of the same with `changes`; both results."""
    monkeypatch.setattr("torch.optim.AdamW", Recording)
    whole = replace(BRIEF, micro_batch_size=24, precision="32-true")
    outcome = []
    for config in (whole, replace(whole, **changes)):
        result = run(planted, config, NetworkConfig(width=4, norm=norm))
        outcome.append((Recording.first, result))
    return outcome


@pytest.mark.parametrize("micro_batch_size", [4, 6])
def test_accumulated_gradients_are_those_of_the_large_batch(planted, monkeypatch, micro_batch_size):
    # Group normalisation: batch normalisation sees each piece alone, in any framework.
    (one, whole), (two, pieces) = _by_pieces(
        planted, monkeypatch, "group", micro_batch_size=micro_batch_size
    )
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    for a, b in zip(whole.network.parameters(), pieces.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)  # of steps of up to 5e-3
    np.testing.assert_allclose(whole.step_history["loss"], pieces.step_history["loss"], rtol=1e-4)


def test_batch_normalisation_makes_pieces_differ_from_the_whole(planted, monkeypatch):
    (one, _), (two, _) = _by_pieces(planted, monkeypatch, "batch", micro_batch_size=6)
    assert not all(torch.allclose(a, b, rtol=1e-2, atol=1e-4) for a, b in zip(one, two))


def test_recomputing_trains_the_same_network(planted):
    config = replace(BRIEF, precision="32-true")
    kept, again = run(planted, config), run(planted, replace(config, recompute=True))
    assert same_weights(kept.network, again.network)


def test_focal_loss_starts_at_a_quarter_of_the_cross_entropy(planted):
    # Near even odds the truth has probability 1/2, and (1 - 1/2)^2 is left of each loss.
    plain, focal = (
        run(planted, replace(BRIEF, loss=loss)).step_history["loss"][0]
        for loss in ("cross_entropy", "focal")
    )
    assert focal == pytest.approx(plain / 4, rel=0.05)


def test_unbalanced_batches_hold_what_the_table_holds(planted):
    # Weights say one cancer in a thousand: the first batches hold none, and their loss falls fast.
    table = planted.table(LEARN).assign(sampling_weight=lambda t: np.where(t["label"], 1.0, 333.0))
    result = run(planted, replace(CONFIG, epochs=1, balance="none"), table=table)
    assert result.step_history["loss"].iloc[-1] < 0.3


def test_exams_of_four_views_are_learned_whole(planted):
    rng = np.random.default_rng(3)
    positives, negatives = np.flatnonzero(planted.label), np.flatnonzero(~planted.label)
    label = np.arange(120) % 2 == 0
    rows = rng.choice(negatives, (120, 4))
    # One view shows the spot; which one changes from exam to exam.
    rows[label, rng.integers(0, 4, label.sum())] = rng.choice(positives, label.sum())
    exams = pd.DataFrame(rows, columns=["row_l_cc", "row_l_mlo", "row_r_cc", "row_r_mlo"])
    exams = exams.assign(label=label, sampling_weight=1.0)
    learn, dev = exams[:80], exams[80:]

    def measure(network):
        scores = score_images(network, planted.store, rows[80:])
        return {"auc": roc_auc_score(dev["label"], scores)}

    config = replace(CONFIG, batch_size=12, micro_batch_size=6)
    network = NetworkConfig(width=4, views=4)
    result = run(planted, config, network, measure, table=learn)
    assert result.history["auc"].max() > 0.9


def test_training_goes_on_from_another_network(planted):
    first = run(planted, BRIEF).network
    still = replace(BRIEF, epochs=1, steps_per_epoch=1, learning_rate=1e-12, precision="32-true")
    went_on = run(planted, still, start=first).network
    for a, b in zip(first.parameters(), went_on.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)
    four = NetworkConfig(width=4, views=4)
    table = planted.table(LEARN)
    for column in ("row_l_cc", "row_l_mlo", "row_r_cc", "row_r_mlo"):
        table[column] = table["row"]
    joined = run(
        planted, still, four, measure=lambda network: {"auc": 1.0}, table=table, start=first
    )
    torch.testing.assert_close(joined.network.conv1.weight, first.conv1.weight)
    assert joined.network.fc.weight.shape == (1, 128)  # a head of its own
    with pytest.raises(InputError, match="The weights to start from do not fit"):
        run(planted, still, NetworkConfig(width=8), start=first)


def test_patches_first_takes_as_many_steps_and_says_which_were_on_patches(planted):
    config = replace(BRIEF, epochs=3)
    result = train_patches_first(
        planted.store,
        planted.table(LEARN),
        TINY,
        config,
        Augmentation(),
        32,
        1,
        dev_auc(planted),
        "auc",
        np.random.default_rng(0),
    )
    assert result.history["epoch"].tolist() == [1, 2, 3]
    assert result.history["steps"].tolist() == [3, 6, 9]
    assert result.history["crop_px"].isna().tolist() == [False, True, True]
    assert result.step_history["step"].tolist() == list(range(1, 10))
    assert result.best_epoch in (2, 3)
    plain = run(planted, config)
    assert len(plain.step_history) == len(result.step_history)
    assert list(plain.history) == list(result.history.drop(columns="crop_px"))


def test_both_parts_of_patches_first_need_an_epoch(planted):
    for patch_epochs in (0, 2):
        with pytest.raises(InputError, match="at least one must be on crops"):
            train_patches_first(
                planted.store, planted.table(LEARN), TINY, BRIEF, Augmentation(), 32, patch_epochs,
                dev_auc(planted), "auc", np.random.default_rng(0),
            )  # fmt: skip


def test_scores_do_not_depend_on_the_batch_and_an_exam_is_its_worst_view(planted):
    network = ResNet18(TINY)
    all_at_once = score_images(network, planted.store, np.arange(20))
    np.testing.assert_allclose(
        score_images(network, planted.store, np.arange(20), batch_size=3), all_at_once, atol=2e-2
    )
    images = pd.DataFrame({"exam_id": ["b", "a", "b"]})
    assert exam_scores(images, np.array([1.0, 3.0, 2.0])).to_dict() == {"a": 3.0, "b": 2.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"micro_batch_size": 10}, "divide batch_size, which is 24"),
        ({"micro_batch_size": 3}, "even where the sampler"),
        ({"processes": 5}, "divide batch_size"),
        ({"balance": "both"}, "one of sampler, loss, none"),
        ({"loss": "hinge"}, "one of cross_entropy, focal"),
        ({"precision": "16"}, "one of bf16-mixed, 32-true"),
        ({"epochs": 0}, "at least 1: epochs 0"),
        ({"patience": 0}, "patience is 0"),
    ],
)
def test_bad_settings_name_the_valid_ones(changes, message):
    with pytest.raises(InputError, match=message):
        replace(CONFIG, **changes)


def _with_nan(planted):
    store = planted.store[:170].astype(np.float32)
    store[7, 3, 3] = np.nan
    return {"store": store}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda p: {"table": p.table(LEARN[p.label[LEARN]])}, "both classes; got 40 with cancer"),
        (lambda p: {"table": p.table(LEARN[~p.label[LEARN]])}, "got 0 with cancer and 120"),
        (_with_nan, r"NaN pixels in 1 images \(rows \[7\]\)"),
        (lambda p: {"store": p.store[:100]}, r"rows \[100, 101, 102\] of an image store"),
        (lambda p: {"store": p.store.reshape(240, -1)}, "every image of the same size"),
        (lambda p: {"network": NetworkConfig(4, views=4)}, "lacks row_l_cc"),
        (lambda p: {"select_by": "acu"}, "no metric of measure 'acu'.*closest first: auc"),
        (lambda p: {"measure": lambda network: {"auc": np.nan}}, "auc is nan at epoch 1"),
        (
            lambda p: {"config": replace(BRIEF, learning_rate=1e30)},
            "is (nan|inf).* at step .; lower learning_rate",
        ),
    ],
)
def test_bad_input_is_said(planted, bad, message):
    with pytest.raises(InputError, match=message):
        run(planted, **{"config": BRIEF, **bad(planted)})
