"""A planted marker: where it lies, that a network takes it up, and that the maps then show it."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.explain.localisation import score_maps
from mammolab.explain.saliency import occlusion
from mammolab.explain.shortcut import (
    MARKER_GREY,
    image_auc,
    marked_copy,
    marker_corner,
    marker_places,
    plant_marker,
    shortcut_set,
)
from mammolab.model.augment import Augmentation
from mammolab.model.network import NetworkConfig, ResNet18
from mammolab.model.train import TrainingConfig, train


def labelled(n_cancer=30, n_healthy=60) -> pd.DataFrame:
    n = n_cancer + n_healthy
    return pd.DataFrame(
        {
            "row": np.arange(n),
            "label": np.arange(n) < n_cancer,
            "sampling_weight": np.where(np.arange(n) < n_cancer, 1.0, 7.0),
        }
    )


def test_the_marker_changes_its_corner_alone():
    images = np.full((2, 128, 104), 40, np.uint8)
    marked = plant_marker(images)
    top, left, side = marker_corner((128, 104))
    assert (images == 40).all()
    changed = marked != images
    assert (marked[changed] == MARKER_GREY).all()
    rows, columns = np.nonzero(changed[1])
    assert (rows.min(), columns.min()) == (top, left)
    assert (rows.max(), columns.max()) == (top + side - 1, left + side - 1)
    assert changed[0].sum() < side**2  # a letter, not a square
    place = marker_places(2, (128, 104)).iloc[1]
    distance = np.hypot(rows - place["row_px"], columns - place["column_px"])
    assert distance.max() <= place["radius_px"]
    with pytest.raises(InputError, match="does not fit the corner of an image of 12 x 12"):
        plant_marker(np.zeros((1, 12, 12), np.uint8))


def test_the_set_is_half_cancer_and_marked_as_asked():
    drawn = shortcut_set(labelled(400, 800), 300, 0.9, 0.1, np.random.default_rng(0))
    assert drawn.groupby("label").size().tolist() == [300, 300]
    assert not drawn["row"].duplicated().any()
    share = drawn.groupby("label")["marked"].mean()
    assert share[True] == pytest.approx(0.9, abs=0.06)
    assert share[False] == pytest.approx(0.1, abs=0.06)
    assert (drawn["sampling_weight"] == 1).all()
    none_left = labelled().query("not label")
    with pytest.raises(InputError, match="0 with cancer and 60 without"):
        shortcut_set(none_left, 10, 1.0, 0.0, np.random.default_rng(0))


def test_a_copy_is_in_the_order_asked_for():
    store = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 64, 52), np.uint8)
    copied = marked_copy(store, [4, 0, 2], [False, True, False])
    assert copied[:, 0, 0].tolist() == [4, 0, 2]
    assert (copied == MARKER_GREY).any(axis=(1, 2)).tolist() == [False, True, False]


def test_a_network_that_learned_the_marker_looks_at_it():
    """Noise without any lesion: only the marker can be learned, and covering it must tell."""
    noise = np.random.default_rng(3).integers(40, 90, (120, 96, 80), dtype=np.uint8)
    table = pd.DataFrame({"row": np.arange(120), "label": np.arange(120) % 2 == 0})
    table["sampling_weight"] = 1.0
    store = marked_copy(noise, table["row"], table["label"])
    result = train(
        store,
        table,
        NetworkConfig(width=4),
        TrainingConfig(
            batch_size=12,
            micro_batch_size=12,
            epochs=1,
            steps_per_epoch=40,
            learning_rate=5e-3,
            average_decay=0.9,
            threads=1,
        ),
        Augmentation(shift_px=2, flip=False),
        image_auc(store, table),
        "dev_auc",
        np.random.default_rng(0),
    )
    assert result.history["dev_auc"].iloc[-1] > 0.95
    rows = np.arange(0, 12, 2)
    places, whole = marker_places(6, (96, 80)), np.ones((6, 96, 80), bool)
    for network, learned in ((result.network, True), (ResNet18(NetworkConfig(width=4)), False)):
        maps = occlusion(network, store, rows, np.ones(6), 12, 6, covered=whole)
        scored = score_maps(maps, whole, places, np.ones(6), tolerance_mm=4)
        on_marker = scored["energy"].mean() / scored["chance_energy"].mean()
        assert (on_marker > 10) == learned
        assert (scored["hit"].mean() > 0.8) == learned
