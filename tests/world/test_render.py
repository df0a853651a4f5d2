"""The picture generator: determinism, anatomy over time and views, density, texture, vendors."""

from dataclasses import replace

import numpy as np
import pytest

from mammolab.world.anatomy import make_outline
from mammolab.world.lesions import Lesion, offset_in_view
from mammolab.world.render import BreastView, lesion_box, render, render_pair
from mammolab.world.vendors import VENDORS, to_display, vendor_key

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


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("size", [(256, 208), (1024, 832)])
def test_a_pair_is_two_pictures_of_one_exposure(vendor: str, size: tuple[int, int]):
    lesion = Lesion("spiculated", 14.0, 0.5, 0.1, 7, True)
    view = replace(BASE, vendor=vendor, laterality="R", view="MLO", implant=vendor == "cedar",
                   lesions=(Lesion("benign_mass", 9.0, 0.3, 0.2, 8, False),))  # fmt: skip
    with_lesion, without = render_pair(view, lesion, *size, 4.0)
    alone = replace(view, lesions=(lesion,))
    np.testing.assert_array_equal(with_lesion, render(alone, *size, 4.0))
    np.testing.assert_array_equal(without, render(replace(view, lesions=()), *size, 4.0))
    assert (with_lesion != without).any()


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
    assert len(spacing) == len({vendor.device for vendor in VENDORS.values()}) == 4
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


@pytest.mark.parametrize(
    "size", [(64, 52), (128, 104), (192, 156), (512, 416), (832, 640), (1664, 1280), (3328, 2560)]
)
def test_other_sizes(size: tuple[int, int]):
    assert render(BASE, *size, 1.0).shape == size


@pytest.mark.parametrize("laterality", ["L", "R"])
def test_fewer_columns_cut_air_only(laterality: str):
    one = replace(BASE, laterality=laterality, vendor="birch")
    full, cut = render(one, 832, 676, 1.0), render(one, 832, 640, 1.0)
    below = slice(120, None)  # the marker moves with the edge
    kept = full[below, :600] if laterality == "L" else full[below, -600:]
    same = cut[below, :600] if laterality == "L" else cut[below, -600:]
    # the noise is another draw; the tissue is the same, pixel by pixel
    assert np.corrcoef(kept.ravel(), same.ravel())[0, 1] > 0.98


def test_software_upgrade_follows_the_day():
    device = np.array(["dogwood", "alder", "dogwood"], dtype=object)
    day = np.array(["2015-06-30", "2016-01-01", "2015-07-01"], "datetime64[D]")
    assert vendor_key(device, day).tolist() == ["dogwood", "alder", "dogwood-8"]
    before, after = VENDORS["dogwood"], VENDORS[vendor_key("dogwood", "2015-07-01")]
    assert (before.manufacturer, before.model) == (after.manufacturer, after.model)
    assert (before.software, after.software) == ("7.0", "8.0")
    assert after.device == "dogwood"


def test_shift_moves_the_breast_and_cuts_it():
    pixel = VENDORS["alder"].pixel_mm(ROWS)
    moved = shown(replace(BASE, shift_mm=(20 * pixel, -12 * pixel)))
    still = shown(BASE)
    inner = (slice(70, 190), slice(0, 80))
    there = moved[90:210, 0:80]
    assert np.corrcoef(still[70:190, 12:92].ravel(), there.ravel())[0, 1] > 0.9
    assert np.corrcoef(still[inner].ravel(), there.ravel())[0, 1] < 0.9
    lesion = Lesion("mass", 12.0, 0.5, 0.2, 7, True)
    here = lesion_box(BASE, lesion, ROWS, COLUMNS)
    after = lesion_box(replace(BASE, shift_mm=(20.0, -12.0)), lesion, ROWS, COLUMNS)
    np.testing.assert_allclose(np.subtract(after, here), (20 / pixel, -12 / pixel, 0), atol=1e-6)
    with pytest.raises(ValueError, match="shift_mm"):
        shown(replace(BASE, shift_mm=(0.0, -200.0)))


def test_magnified_spot_is_centred_and_larger():
    lesion = Lesion("mass", 12.0, 0.5, 0.2, 7, True)
    spot = (lesion.depth, offset_in_view(lesion, "CC"))
    near = replace(BASE, magnification=1.8, spot=spot)
    row, column, radius = lesion_box(near, lesion, ROWS, COLUMNS)
    assert abs(row - ROWS / 2) < 6 and abs(column - COLUMNS / 2) < 6
    assert radius == pytest.approx(1.8 * lesion_box(BASE, lesion, ROWS, COLUMNS)[2])
    assert shown(near).std() > 0
    with pytest.raises(ValueError, match="spot"):
        replace(BASE, magnification=1.8)


def test_extra_marker_changes_only_its_corner():
    without, marked = shown(BASE), shown(replace(BASE, extra_marker=True))
    rows, columns = np.nonzero(marked != without)
    assert len(rows) > 40 and rows.min() > 0.8 * ROWS and columns.min() > 0.8 * COLUMNS
    assert marked[rows, columns].max() > 0.8


@pytest.mark.parametrize("size", [(250, 208), (256, 190), (256, 216), (1600, 1300)])
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
