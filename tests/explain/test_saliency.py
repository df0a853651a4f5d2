"""Maps point at what a network was built to see, and cells lie where their receptive field is."""

import numpy as np
import pytest
import torch
from captum.attr import LayerAttribution

from mammolab.errors import InputError
from mammolab.explain.localisation import peaks
from mammolab.explain.saliency import CELL_PX, brightness, grad_cam, occlusion, spread_cells
from mammolab.model.augment import load_images, normalise
from mammolab.model.network import NetworkConfig, ResNet18

SPOT = (70, 40)
EVERYWHERE = np.ones((3, 128, 96), bool)


@pytest.fixture(scope="module")
def spotted():
    """Grey images of 128 x 96 with a bright square of 12 pixels centred on SPOT."""
    store = np.random.default_rng(0).integers(60, 68, (3, 128, 96), dtype=np.uint8)
    store[:, SPOT[0] - 6 : SPOT[0] + 6, SPOT[1] - 6 : SPOT[1] + 6] = 220
    return store


class BrightnessSeer(torch.nn.Module):
    """One stage that averages brightness over cells of 16 pixels, and its maximum as the logit."""

    def __init__(self):
        super().__init__()
        self.layer3 = torch.nn.Conv2d(1, 1, 17, stride=16, padding=8, bias=False)
        torch.nn.init.constant_(self.layer3.weight, 1 / 17**2)

    def forward(self, images):
        return self.layer3(images).amax(dim=(1, 2, 3))


def test_both_methods_find_the_spot_that_makes_the_score(spotted):
    network = BrightnessSeer()
    by_gradient = peaks(grad_cam(network, spotted, np.arange(3), "layer3"))
    by_covering = peaks(
        occlusion(network, spotted, np.arange(3), np.ones(3), 12, 4, covered=EVERYWHERE)
    )
    for found in (by_gradient, by_covering):
        assert np.abs(found - SPOT).max() <= 8  # half a cell


def test_occlusion_is_the_fall_of_the_score(spotted):
    """A single square over a quarter of the image: the map there is score minus covered score."""
    network = ResNet18(NetworkConfig(width=4)).eval()
    one = occlusion(network, spotted, [1], [1.0], 96, 96, EVERYWHERE[:1])[0]
    image = normalise(load_images(spotted, np.array([1])))
    covered = image.clone()
    covered[:, :, :96] = 0
    with torch.inference_mode():
        fall = (network(image) - network(covered)).item()
    np.testing.assert_allclose(
        one[:96], fall, rtol=0.05, atol=1e-3
    )  # the map's is of half precision


def test_only_the_box_around_the_breast_is_covered(spotted):
    """Three squares by hand; the rest of the image stays as it is and gets no value."""
    network = BrightnessSeer()
    covered = np.zeros((1, 128, 96), bool)
    covered[0, 48, 32:48] = covered[0, 48:96, 40] = True
    boxed = occlusion(network, spotted, [0], [1.0], 16, 16, covered)[0]
    fall = np.zeros((128, 96), np.float32)
    for top in (48, 64, 80):
        changed = spotted[:1].copy()
        changed[:, top : top + 16, 32:48] = 64  # the grey that normalise makes 0, nearly
        images = np.concatenate([spotted[:1], changed])
        with torch.inference_mode():
            before, after = network(normalise(load_images(images, np.arange(2))))
        fall[top : top + 16, 32:48] = before - after
    np.testing.assert_allclose(boxed, fall, atol=0.05)
    assert boxed.max() > 0.5


def test_the_window_is_in_millimetres(spotted):
    network = BrightnessSeer()
    fine, coarse = (
        occlusion(network, spotted, [0], [spacing], 16, 16, EVERYWHERE[:1])[0]
        for spacing in (0.5, 1.0)
    )
    # Covered squares of 32 and of 16 pixels; a square is one plateau of the map.
    for one, side in ((fine, 32), (coarse, 16)):
        at = np.argwhere(one == one.max())
        assert (np.ptp(at, axis=0) + 1 == side).all()


@pytest.mark.parametrize("layer", CELL_PX)
def test_a_cell_lies_where_its_receptive_field_is_centred(layer):
    """The input gradient of one cell, averaged over random networks, is centred on cell_px * i."""
    torch.manual_seed(0)
    cell, size = 256 // CELL_PX[layer] // 2, 256
    centres = []
    for _ in range(4):
        network = ResNet18(NetworkConfig(width=8)).eval()
        image = torch.randn(1, 1, size, size, requires_grad=True)
        stage = list(CELL_PX).index(layer) + 1
        network.stages(image)[stage][0, :, cell, cell].sum().backward()
        strength = image.grad[0, 0].square().numpy()
        centres.append((strength.sum(1) @ np.arange(size)) / strength.sum())
    expected = cell * CELL_PX[layer]
    assert np.mean(centres) == pytest.approx(expected, abs=0.25 * CELL_PX[layer])
    cells = np.zeros((1, size // CELL_PX[layer], size // CELL_PX[layer]), np.float32)
    cells[0, cell, cell] = 1
    assert peaks(spread_cells(cells, CELL_PX[layer], (size, size))).tolist() == [[expected] * 2]
    # What plain resizing would do:
    resized = LayerAttribution.interpolate(torch.from_numpy(cells)[None], (size, size), "bilinear")
    off = peaks(resized[0].numpy())[0, 0] - expected
    assert off == pytest.approx((CELL_PX[layer] - 1) / 2, abs=0.6)


def test_grad_cam_agrees_with_its_definition(spotted):
    """Channel weights are mean gradients; the map is the weighted sum of the channels."""
    torch.manual_seed(1)
    network = ResNet18(NetworkConfig(width=4, pooling="mean")).eval()
    image = normalise(load_images(spotted, np.array([0])))
    last = network.stages(image)[-1]
    # With mean pooling the gradient of channel c is fc_c / cells, everywhere.
    n_cells = last.shape[2] * last.shape[3]
    cells = (last * network.fc.weight[0, :, None, None] / n_cells).sum(1).detach().numpy()
    found = grad_cam(network, spotted, [0], "layer4")
    np.testing.assert_allclose(found, spread_cells(cells, 32, (128, 96)), rtol=1e-3, atol=1e-6)


def test_the_brightest_spot_of_the_breast_needs_no_network(spotted):
    breast = np.ones(spotted.shape, bool)
    breast[:, :, 80:] = False
    images = spotted.copy()
    images[:, 10:20, 84:94] = 255  # a marker in the air
    maps = brightness(images, breast, np.full(3, 0.5), blur_mm=2.0)
    assert np.abs(peaks(maps) - SPOT).max() <= 2
    assert maps.max() <= 1 and (maps[:, :, 80:] == 0).all()


def test_maps_do_not_depend_on_the_batch(spotted):
    network = ResNet18(NetworkConfig(width=4)).eval()
    whole, single = (grad_cam(network, spotted, [2, 0], "layer3", size) for size in (2, 1))
    np.testing.assert_allclose(whole, single, atol=1e-5)


def test_bad_input_is_one_sentence(spotted):
    network = BrightnessSeer()
    with pytest.raises(InputError, match="no layer of the network for Grad-CAM 'layer4'.*layer3"):
        grad_cam(network, spotted, [0], "layer4")
    with pytest.raises(InputError, match="sample is empty"):
        grad_cam(network, spotted, [], "layer3")
    for spacing, window, stride, words in (
        ([np.nan], 12, 6, "pixel spacing in mm of every image"),
        ([1.0], 12, 13, "at most the side of the square, 12 mm"),
        ([0.1], 12, 6, "120 pixels wide and does not fit the 128 x 96 pixels to be covered"),
    ):
        with pytest.raises(InputError, match=words):
            occlusion(network, spotted, [0], spacing, window, stride, EVERYWHERE[:1])
    with pytest.raises(InputError, match="nothing to cover"):
        occlusion(network, spotted, [0], [1.0], 12, 6, ~EVERYWHERE[:1])
