"""The picture generator: determinism, anatomy over time and views, density, texture, vendors."""

from dataclasses import replace

import numpy as np
import pytest

from mammolab.world.anatomy import make_outline
from mammolab.world.lesions import Lesion
from mammolab.world.render import BreastView, render
from mammolab.world.vendors import VENDORS, to_display

ROWS, COLUMNS = 256, 208
BASE = BreastView(
    breast_seed=11,
    exam_seed=101,
    laterality="L",
    view="CC",
    percent_density=0.3,
    breast_size_mm=88.0,
    texture=0.0,
    implant=False,
    vendor="alder",
)


def shown(view: BreastView, rows: int = ROWS) -> np.ndarray:
    """The view as displayed, 0..1."""
    return to_display(render(view, rows, rows * 13 // 16, 1.0), view.vendor)


def behind_nipple(view: BreastView, image: np.ndarray | None = None) -> np.ndarray:
    """Displayed tissue of 48 x 52 pixels behind the nipple."""
    outline = make_outline(
        view.breast_seed, view.exam_seed, view.laterality, view.view, view.breast_size_mm,
        VENDORS[view.vendor].field_of_view_scale,
    )  # fmt: skip
    pixel = VENDORS[view.vendor].spacing_mm(COLUMNS)
    row, tip = round(outline.nipple_mm / pixel), round(outline.depth_mm / pixel)
    image = shown(view) if image is None else image
    return image[row - 24 : row + 24, tip - 68 : tip - 16]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_same_view_same_pixels(vendor: str, view: str):
    one = replace(BASE, vendor=vendor, view=view)
    image = render(one, ROWS, COLUMNS, 1.0)
    assert image.dtype == np.uint16 and image.shape == (ROWS, COLUMNS)
    assert image.max() <= VENDORS[vendor].maximum
    np.testing.assert_array_equal(image, render(one, ROWS, COLUMNS, 1.0))
    assert (image != render(replace(one, breast_seed=12), ROWS, COLUMNS, 1.0)).any()


def test_right_breast_is_mirrored():
    left, right = shown(BASE), shown(replace(BASE, laterality="R"))
    inner = slice(30, None)  # below the marker
    assert left[inner, :20].mean() > 5 * left[inner, -20:].mean()
    assert right[inner, -20:].mean() > 5 * right[inner, :20].mean()


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_anatomy_stays_over_exams_and_differs_between_women(view: str):
    same, other = [], []
    for seed in range(6):
        first = replace(BASE, view=view, breast_seed=seed)
        now = behind_nipple(first)
        later = behind_nipple(replace(first, exam_seed=900 + seed, percent_density=0.27))
        stranger = behind_nipple(replace(first, breast_seed=seed + 50))
        same.append(_best_correlation(now, later))
        other.append(_best_correlation(now, stranger))
    assert np.mean(same) > 0.7
    assert np.mean(same) > np.mean(other) + 0.25


def _best_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Largest correlation over shifts of a few pixels: exams are positioned anew."""
    inner = first[6:-6, 6:-6]
    height, width = inner.shape
    return max(
        np.corrcoef(inner.ravel(), second[i : i + height, j : j + width].ravel())[0, 1]
        for i in range(13)
        for j in range(13)
    )


@pytest.mark.parametrize("vendor", VENDORS)
def test_brightness_rises_with_percent_density(vendor: str):
    densities = (0.06, 0.15, 0.3, 0.5, 0.75)
    means = [
        np.mean([
            behind_nipple(
                replace(BASE, vendor=vendor, breast_seed=s, percent_density=density)
            ).mean()
            for s in range(3)
        ])
        for density in densities
    ]  # fmt: skip
    assert np.all(np.diff(means) > 0), means


def test_texture_can_be_read_from_the_pixels():
    """The share of fine detail in the spectrum follows the image-borne risk."""
    texture = np.linspace(-2, 2, 24)
    order = np.random.default_rng(0).permutation(24)
    fine = []
    for seed, z in zip(order, texture, strict=True):
        values = []
        for view in ("CC", "MLO"):
            one = replace(BASE, breast_seed=int(seed), view=view, texture=float(z))
            values.append(_fine_share(behind_nipple(one)))
        fine.append(np.mean(values))
    assert abs(np.corrcoef(fine, texture)[0, 1]) > 0.5


def _fine_share(patch: np.ndarray) -> float:
    """Log power at 0.4 to 0.6 against 0.1 to 0.2 cycles/mm."""
    window = np.hanning(patch.shape[0])[:, None] * np.hanning(patch.shape[1])
    power = np.abs(np.fft.fft2((patch - patch.mean()) * window)) ** 2
    spacing = VENDORS["alder"].spacing_mm(COLUMNS)
    frequency = np.hypot(
        np.fft.fftfreq(patch.shape[0], spacing)[:, None],
        np.fft.fftfreq(patch.shape[1], spacing)[None],
    )
    fine = power[(frequency > 0.4) & (frequency < 0.6)].mean()
    return float(np.log(fine / power[(frequency > 0.1) & (frequency < 0.2)].mean()))


def test_same_breast_at_two_matrix_sizes():
    large, small = shown(BASE, 1024), shown(BASE, 256)
    averaged = large.reshape(256, 4, 208, 4).mean(axis=(1, 3))
    assert (
        np.corrcoef(behind_nipple(BASE, averaged).ravel(), behind_nipple(BASE, small).ravel())[0, 1]
        > 0.75
    )


def test_cedar_is_stored_inverted():
    stored = {
        vendor: render(replace(BASE, vendor=vendor), ROWS, COLUMNS, 1.0) for vendor in VENDORS
    }
    air = {vendor: np.median(image[-10:, -40:]) for vendor, image in stored.items()}
    tissue = {vendor: np.median(image[100:150, 20:60]) for vendor, image in stored.items()}
    assert air["cedar"] > 0.95 * VENDORS["cedar"].maximum and tissue["cedar"] < air["cedar"]
    for vendor in ("alder", "birch", "dogwood"):
        assert tissue[vendor] > air[vendor]


def test_vendors_differ_in_size_and_tone():
    spacing = {vendor.spacing_mm(COLUMNS) for vendor in VENDORS.values()}
    assert len(spacing) == len(VENDORS)
    area = {vendor: (shown(replace(BASE, vendor=vendor))[30:] > 0.1).mean() for vendor in VENDORS}
    assert area["birch"] < area["alder"] < area["dogwood"]  # larger field of view, smaller breast


def test_pectoral_muscle_in_mlo_only():
    cc, mlo = shown(BASE), shown(replace(BASE, view="MLO"))
    corner = (slice(0, 30), slice(0, 12))
    assert mlo[corner].mean() > 0.2 > cc[corner].mean()


def test_implant_brightens_the_back_of_the_breast():
    without, implant = shown(BASE), shown(replace(BASE, implant=True))
    back = (slice(110, 145), slice(5, 35))
    assert implant[back].mean() > without[back].mean() + 0.2


def test_marker_is_opposite_the_chest_wall():
    for side, columns in (("L", slice(-60, None)), ("R", slice(0, 60))):
        image = shown(replace(BASE, laterality=side, breast_size_mm=60.0))
        assert image[10:32, columns].max() > 0.6


@pytest.mark.parametrize("rows", [64, 128, 192, 512])
def test_other_sizes(rows: int):
    columns = rows * 13 // 16
    assert render(BASE, rows, columns, 1.0).shape == (rows, columns)


@pytest.mark.parametrize("size", [(250, 208), (256, 200), (1600, 1300)])
def test_unsupported_size_is_refused(size: tuple[int, int]):
    with pytest.raises(ValueError, match="multiple of 64"):
        render(BASE, *size, 1.0)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="alder, birch, cedar, dogwood"):
        replace(BASE, vendor="elm")
    with pytest.raises(ValueError, match="CC or MLO"):
        replace(BASE, view="ML")
    with pytest.raises(ValueError, match="benign_mass"):
        Lesion("cyst", 10.0, 0.5, 0.0, 1, False)
