"""Formula images are what their labels say, and the shipped first weights are what their card says."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mammolab.errors import InputError
from mammolab.model import pretrain as module
from mammolab.model.augment import normalise
from mammolab.model.formula_images import (
    CELL_PX,
    EXPONENTS,
    FormulaSettings,
    draw_images,
    textures,
)
from mammolab.model.formula_shapes import FAMILIES, N_FRACTALS, fractal_codes, fractals
from mammolab.model.network import NetworkConfig, ResNet18
from mammolab.model.pretrain import (
    CARD_PATH,
    CHUNK,
    WEIGHTS_PATH,
    PretrainingConfig,
    draw_pool,
    held_out_scores,
    pretrain,
    recipe_digest,
    trunk_bytes,
)

SIZE = (96, 96)
SMALL = FormulaSettings(height=64, width=64)
SHORT = PretrainingConfig(
    width=4, rounds=2, images_per_round=192, passes=3, batch_size=16, learning_rate=5e-3
)


def _arrays(drawn):
    return {name: getattr(drawn, name) for name in drawn.__dataclass_fields__}


def test_same_seed_same_images_however_many():
    one, two = draw_pool(2 * CHUNK + 2, SMALL, [7]), draw_pool(2 * CHUNK, SMALL, [7])
    for name, values in _arrays(two).items():
        np.testing.assert_array_equal(values, getattr(one, name)[: 2 * CHUNK])
    assert not np.array_equal(draw_pool(2 * CHUNK, SMALL, [8]).images, two.images)


def test_images_and_labels_have_the_promised_form():
    drawn = draw_images(300, SMALL, np.random.default_rng(0))
    assert drawn.images.dtype == np.uint8 and drawn.images.shape == (300, 64, 64)
    assert drawn.cells.shape == (300, len(FAMILIES), 4, 4)
    assert (drawn.exponent >= EXPONENTS[0]).all() and (drawn.exponent <= EXPONENTS[1]).all()
    # each family is there in about the share asked for; a mask may hide some
    assert (drawn.present.mean(axis=0) > 0.13).all() and (drawn.present.mean(axis=0) < 0.32).all()
    grey = normalise(torch.from_numpy(drawn.images).float() / 255)
    assert abs(grey.mean()) < 0.5 and 0.3 < grey.std() < 1.5  # what the network was built for


@pytest.mark.parametrize("exponent", [1.0, 2.0, 3.0, 4.0])
def test_a_texture_has_the_exponent_asked_for(exponent):
    drawn = textures(np.full(64, exponent), np.zeros(64), SIZE, np.random.default_rng(1))
    power = (np.abs(np.fft.fft2(drawn)) ** 2).mean(axis=0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE[0]), np.fft.fftfreq(SIZE[1])))
    used = (frequency > 0.02) & (frequency < 0.5)
    slope = np.polyfit(np.log(frequency[used]), np.log(power[used]), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.03)
    np.testing.assert_allclose(drawn.std(axis=(1, 2)), 1, rtol=1e-4)


def test_anisotropy_is_the_ratio_of_the_axes_of_equal_power():
    anisotropy, exponent = np.log(2), 2.0
    drawn = textures(
        np.full(64, exponent), np.full(64, anisotropy), SIZE, _FixedAngle(np.random.default_rng(2))
    )
    power = (np.abs(np.fft.fft2(drawn)) ** 2).mean(axis=0)
    # Turned by 0: along x, the same power is met at half the frequency it has along y.
    ratio = power[1:20, 0] / power[0, 1:20]
    assert np.median(ratio) == pytest.approx(2.0**exponent, rel=0.1)


class _FixedAngle:
    """A generator whose uniform draws, the directions, are 0."""

    def __init__(self, rng):
        self.standard_normal = rng.standard_normal

    def uniform(self, low, high, n):
        return np.zeros(n)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_draws_at_its_centre_and_in_its_range(family):
    centre = np.tile([[30.0, 60.0]], (40, 1))
    drawn = FAMILIES[family](centre, SIZE, np.random.default_rng(3))
    assert drawn.shape == (40, *SIZE)
    assert drawn.min() >= 0 and drawn.max() <= 1 + 1e-6
    assert (drawn.max(axis=(1, 2)) > 0.3).all()  # every one of them shows
    if family not in ("line", "scatter"):  # which reach across the image
        mass = drawn.sum(axis=0)
        y, x = ((mass * grid).sum() / mass.sum() for grid in np.indices(SIZE))
        assert (y, x) == pytest.approx((30, 60), abs=2)


def test_a_shape_raises_its_squares_and_no_others():
    """The same images without their shapes differ just where the labels say."""
    settings = FormulaSettings(p_family=0.15, contrast=(6.0, 8.0))
    with_shapes, without = (
        draw_images(200, replace(settings, visibility=v), np.random.default_rng(4)) for v in (1, 0)
    )
    raised = with_shapes.images.astype(int) - without.images
    assert raised.min() >= 0  # shapes are bright
    split = raised.reshape(200, 96 // CELL_PX, CELL_PX, 96 // CELL_PX, CELL_PX).max(axis=(2, 4))
    labelled = with_shapes.cells.any(axis=1)
    room = without.images.max(axis=(1, 2)) < 200  # elsewhere white may hide a shape
    assert (split[labelled & room[:, None, None]] > 0).mean() > 0.97
    empty = ~with_shapes.present.any(axis=1)
    nowhere = empty & (split.max(axis=(1, 2)) == 0)
    assert empty.sum() > 20 and nowhere.sum() > 0.9 * empty.sum()


def test_visibility_changes_no_label():
    seen, unseen = (
        draw_images(50, replace(SMALL, visibility=v), np.random.default_rng(5)) for v in (1, 0)
    )
    np.testing.assert_array_equal(seen.cells, unseen.cells)
    np.testing.assert_array_equal(seen.exponent, unseen.exponent)


def test_fractal_systems_contract_and_differ():
    maps, _, share = fractal_codes()
    assert np.linalg.svd(maps, compute_uv=False).max() < 1
    np.testing.assert_allclose(share.sum(axis=1), 1)
    drawn = fractals(np.full((8 * N_FRACTALS, 2), 48.0), SIZE, np.random.default_rng(6))
    assert np.isfinite(drawn).all()
    assert ((drawn > 0).sum(axis=(1, 2)) > 30).all()  # none falls into a point


def test_a_size_that_squares_do_not_fill_is_refused():
    with pytest.raises(InputError, match="100 and 96; they must be positive multiples of 32"):
        FormulaSettings(height=100)


@pytest.fixture(scope="module")
def short_run():
    return pretrain(SHORT, SMALL)


def test_pretraining_reduces_the_loss_and_repeats_itself(short_run):
    network, history = short_run
    again, history_again = pretrain(SHORT, SMALL)
    assert history == history_again
    assert trunk_bytes(network) == trunk_bytes(again)
    first, last = history[0], history[-1]
    assert last["cells"] < 0.9 * first["cells"] and last["exponent"] < first["exponent"]
    other, _ = pretrain(replace(SHORT, seed=1), SMALL)
    assert trunk_bytes(other) != trunk_bytes(network)


def test_held_out_scores_name_every_task(short_run):
    scores = held_out_scores(short_run[0], SMALL, SHORT, 200)
    assert set(scores) == {
        *(f"{kind}_auc.{family}" for kind in ("presence", "fine_cells") for family in FAMILIES),
        "exponent_r2",
    }
    assert all(np.isfinite(value) for value in scores.values())


def test_shipped_weights_fit_a_network_of_width_16():
    weights = load_file(WEIGHTS_PATH)
    network = ResNet18(NetworkConfig(width=16))
    result = network.load_state_dict(weights, strict=False)
    assert sorted(result.missing_keys) == ["fc.bias", "fc.weight"]
    assert result.unexpected_keys == []
    assert {str(v.dtype) for k, v in weights.items() if "running" in k} == {"torch.float32"}
    with torch.inference_mode():
        features = network.eval().features(normalise(torch.rand(2, 1, 256, 208)))
    assert torch.isfinite(features).all()


def test_the_card_is_of_this_file_and_of_this_code():
    card = json.loads(CARD_PATH.read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256(WEIGHTS_PATH.read_bytes()).hexdigest()
    assert card["recipe_digest"] == recipe_digest(), (
        "the recipe changed: run scripts/pretrain_formula.py --write"
    )
    assert WEIGHTS_PATH.stat().st_size < 4e6


def test_the_digest_sees_code_and_not_prose(tmp_path):
    def digest(text):
        (tmp_path / "m.py").write_text(text)
        return module._code_of(tmp_path / "m.py")

    plain = digest('"""Doc."""\n\n\ndef f(a):\n    """Say."""\n    return a + 1  # why\n')
    assert plain == digest(
        '"""Other."""\ndef f(a):\n    return (a + 1)\n'.replace("(a + 1)", "a+1")
    )
    assert plain != digest("def f(a):\n    return a + 2\n")
    assert digest("if a:\n    b\nc\n") != digest("if a:\n    b\n    c\n")


def test_pretrained_trunk_beats_random_weights_at_what_it_learned():
    """The shipped file holds what the card says: a linear reading finds clusters in its maps."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    settings = FormulaSettings()
    drawn = draw_pool(600, settings, [4242])
    label = drawn.present[:, list(FAMILIES).index("cluster")]
    images = normalise(torch.from_numpy(drawn.images).float().unsqueeze(1) / 255)
    found = {}
    for start in ("shipped", "random"):
        torch.manual_seed(0)
        network = ResNet18(NetworkConfig(width=16))
        if start == "shipped":
            network.load_state_dict(load_file(WEIGHTS_PATH), strict=False)
        with torch.inference_mode():
            pooled = network.eval().features(images).amax(dim=(2, 3)).numpy()
        pooled = (pooled - pooled.mean(axis=0)) / (pooled.std(axis=0) + 1e-6)
        fit = LogisticRegression(C=0.01, max_iter=500).fit(pooled[:400], label[:400])
        found[start] = roc_auc_score(label[400:], fit.decision_function(pooled[400:]))
    assert found["shipped"] > found["random"] + 0.1


def test_nothing_here_imports_the_world():
    code = (
        "import sys, mammolab.model.pretrain; "
        "print([m for m in sys.modules if m.startswith('mammolab.world')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
