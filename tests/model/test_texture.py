"""Hand-made texture: what counts, what does not, and sums by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from mammolab.errors import InputError
from mammolab.model.texture import (
    breast_mask,
    exam_texture,
    half_widths,
    image_texture,
    texture_names,
)

SHAPE = (128, 104)


def breast(seed: int = 0) -> np.ndarray:
    """A half disc of noise at the left edge."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    inside = (y - 63) ** 2 + (1.2 * x) ** 2 < 55**2
    image = np.zeros(SHAPE, np.uint8)
    image[inside] = np.clip(rng.normal(100, 12, inside.sum()), 40, 255)
    return image


def test_mirrored_images_have_the_same_texture():
    image = breast()
    for mirrored in (image[:, ::-1], image[::-1]):
        np.testing.assert_allclose(image_texture(mirrored), image_texture(image), atol=1e-5)


def test_a_marker_and_more_air_change_nothing():
    image = breast()
    marked = image.copy()
    marked[5:15, 80:95] = 255
    np.testing.assert_array_equal(image_texture(marked), image_texture(image))
    wider = np.pad(image, ((0, 0), (0, 40)))
    np.testing.assert_allclose(image_texture(wider), image_texture(image), atol=1e-6)
    assert breast_mask(marked)[5:15, 80:95].sum() == 0


def test_bands_are_differences_of_box_blurs_inside_the_breast():
    image = breast()
    found = dict(zip(texture_names(SHAPE[0]), image_texture(image), strict=True))
    mask = breast_mask(image)
    grey = image[mask] / 255
    assert found["mean"] == pytest.approx(grey.mean(), abs=1e-6)
    assert found["sd"] == pytest.approx(grey.std(), abs=1e-6)
    assert found["bright_share"] == (grey > 0.6).mean()
    finer = image / 255
    for half in half_widths(SHAPE[0]):
        side = 2 * half + 1
        share, count = (
            ndimage.uniform_filter(one.astype(float), side, mode="constant")
            for one in (image / 255, np.ones(SHAPE))
        )
        blurred = share / count
        whole = ndimage.uniform_filter(mask.astype(float), side, mode="constant") / count > 1 - 1e-9
        band = (finer - blurred)[whole]
        assert found[f"energy_{half}px"] == pytest.approx(np.log(band.std()), abs=1e-4)
        assert found[f"blob_{half}px"] == pytest.approx(np.log(band.max()), abs=1e-4)
        finer = blurred


@pytest.mark.parametrize("radius", [2, 6])
def test_a_blob_is_seen_at_its_size(radius):
    plain, spotted = breast(), breast()
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    spotted[(y - 60) ** 2 + (x - 20) ** 2 <= radius**2] += 90
    names = texture_names(SHAPE[0])
    gain = pd.Series(image_texture(spotted) - image_texture(plain), names).filter(like="blob")
    assert gain.max() > 0.5
    largest = int(gain.idxmax().removeprefix("blob_").removesuffix("px"))
    assert radius / 2 <= largest <= 2 * radius


def test_no_breast_is_all_zero_and_a_flat_one_is_finite():
    assert (image_texture(np.zeros(SHAPE, np.uint8)) == 0).all()
    assert np.isfinite(image_texture(np.full(SHAPE, 120, np.uint8))).all()
    speck = np.zeros(SHAPE, np.uint8)
    speck[3, 3] = 200  # smaller than any box
    assert np.isfinite(image_texture(speck)).all()


def test_an_exam_has_the_mean_and_the_largest_of_its_views():
    store = np.stack([breast(seed) for seed in range(5)])
    images = pd.DataFrame({"exam_id": ["B", "A", "A", "B"], "row": [4, 0, 3, 1]})
    found = exam_texture(store, images)
    assert list(found.index) == ["A", "B"]
    names = texture_names(SHAPE[0])
    of_a = np.array([image_texture(store[row]) for row in (0, 3)])
    np.testing.assert_allclose(found.loc["A", [f"mean_{n}" for n in names]], of_a.mean(axis=0))
    np.testing.assert_allclose(found.loc["A", [f"max_{n}" for n in names]], of_a.max(axis=0))
    shuffled = exam_texture(store, images.iloc[::-1])
    pd.testing.assert_frame_equal(found, shuffled)


def test_bad_input_is_refused():
    store = np.zeros((1, *SHAPE), np.uint8)
    with pytest.raises(InputError, match="lack the column\\(s\\) row"):
        exam_texture(store, pd.DataFrame({"exam_id": ["A"]}))
    with pytest.raises(InputError, match="lack rows"):
        exam_texture(store, pd.DataFrame({"exam_id": [], "row": []}))
