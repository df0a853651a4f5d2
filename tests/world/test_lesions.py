"""Lesions: place, growth, contrast, and the truth box."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from mammolab.world.anatomy import make_outline
from mammolab.world.lesions import KINDS, Lesion
from mammolab.world.render import BreastView, lesion_box, render
from mammolab.world.vendors import VENDORS, to_display

ROWS, COLUMNS = 256, 208
BASE = BreastView(
    breast_seed=5,
    exam_seed=50,
    laterality="L",
    view="CC",
    percent_density=0.15,
    breast_size_mm=92.0,
    texture=0.0,
    implant=False,
    vendor="alder",
)
MASS = Lesion("mass", 14.0, 0.5, 0.2, 77, True)


def change(view: BreastView, lesion: Lesion, conspicuity: float = 2.0) -> np.ndarray:
    """Displayed image with the lesion minus the one without."""
    without = to_display(render(view, ROWS, COLUMNS, conspicuity), view.vendor)
    image = render(replace(view, lesions=(lesion,)), ROWS, COLUMNS, conspicuity)
    return to_display(image, view.vendor) - without


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("laterality", "view"), [("L", "CC"), ("R", "MLO")])
def test_change_is_confined_to_the_box(kind: str, laterality: str, view: str):
    one = replace(BASE, laterality=laterality, view=view)
    lesion = replace(MASS, kind=kind)
    row, column, radius = lesion_box(one, lesion, ROWS, COLUMNS)
    rows, columns = np.nonzero(change(one, lesion))
    assert len(rows) > 10
    assert max(abs(rows - row).max(), abs(columns - column).max()) < 3.5 * radius + 4
    strong = np.abs(change(one, lesion))
    centre_of_change = [np.average(axis, weights=strong[rows, columns]) for axis in (rows, columns)]
    assert np.hypot(centre_of_change[0] - row, centre_of_change[1] - column) < radius


def test_every_place_is_inside_the_outline():
    generator = np.random.default_rng(3)
    for seed in range(120):
        view = replace(
            BASE, breast_seed=seed, exam_seed=seed, laterality="LR"[seed % 2],
            view=("CC", "MLO")[seed // 2 % 2], breast_size_mm=generator.uniform(50, 130),
            vendor=list(VENDORS)[seed % 4],
        )  # fmt: skip
        outline = make_outline(
            view.breast_seed, view.exam_seed, view.laterality, view.view, view.breast_size_mm,
            VENDORS[view.vendor].field_of_view_scale,
        )  # fmt: skip
        lesion = Lesion("mass", generator.uniform(4, 30), generator.uniform(0, 1),
                        generator.uniform(-1, 1), seed, True)  # fmt: skip
        row, column, _ = lesion_box(view, lesion, ROWS, COLUMNS)
        column = COLUMNS - 1 - column if view.laterality == "R" else column
        cell = ROWS // outline.inside_mm.shape[0]
        assert outline.inside_mm[int(row + 0.5) // cell, int(column + 0.5) // cell] > 2


def test_place_follows_depth_and_height():
    view = replace(BASE, view="MLO")
    rows, columns = zip(
        *(lesion_box(view, replace(MASS, height=h), ROWS, COLUMNS)[:2] for h in (-0.8, 0.0, 0.8)),
        strict=True,
    )
    assert rows[0] > rows[1] > rows[2]
    depths = [lesion_box(view, replace(MASS, depth=d), ROWS, COLUMNS)[1] for d in (0.1, 0.5, 0.9)]
    assert depths[0] < depths[1] < depths[2]
    assert lesion_box(BASE, MASS, ROWS, COLUMNS)[1] == pytest.approx(columns[1], abs=15)


def test_place_is_the_same_at_two_matrix_sizes():
    small = np.array(lesion_box(BASE, MASS, 256, 208))
    large = np.array(lesion_box(BASE, MASS, 1024, 832))
    np.testing.assert_allclose(large[:2] + 0.5, 4 * (small[:2] + 0.5))
    assert large[2] == pytest.approx(4 * small[2])


@pytest.mark.parametrize("kind", ["mass", "benign_mass"])
def test_size_and_place_in_mm_are_the_same_at_every_resolution(kind: str):
    """Centroid and equivalent diameter of what the lesion adds at half its maximum."""
    view, lesion = replace(BASE, percent_density=0.06), replace(MASS, kind=kind)
    found = []
    for rows, columns in ((256, 208), (512, 416), (1024, 832), (3328, 2560)):
        pixel = VENDORS[view.vendor].pixel_mm(rows)
        pair = [
            to_display(render(one, rows, columns, 1.0), view.vendor)
            for one in (replace(view, lesions=(lesion,)), view)
        ]
        added = pair[0] - pair[1]
        size = max(1, round(1.6 / pixel)) | 1  # the same smoothing in mm
        added = ndimage.uniform_filter(added, size)
        row, column = np.nonzero(added > added.max() / 2)
        found.append(((row.mean() + 0.5) * pixel, (column.mean() + 0.5) * pixel,
                      2 * np.sqrt(len(row) / np.pi) * pixel))  # fmt: skip
    found = np.array(found)
    assert np.ptp(found[:, :2], axis=0).max() < 0.8, found  # one coarse pixel
    assert np.ptp(found[:, 2]) < 0.12 * lesion.diameter_mm, found
    assert (found[:, 2] > 0.6 * lesion.diameter_mm).all(), found
    assert (found[:, 2] < 1.1 * lesion.diameter_mm).all(), found


def test_contrast_is_a_log_factor():
    strong, weak = (
        change(BASE, replace(MASS, contrast=value), 0.3).sum() for value in (np.log(2), 0.0)
    )
    assert 1.6 < strong / weak < 2.2


def test_stays_in_place_and_grows_over_exams():
    before = lesion_box(BASE, MASS, ROWS, COLUMNS)
    later_view = replace(BASE, exam_seed=51)
    after = lesion_box(later_view, replace(MASS, diameter_mm=20.0), ROWS, COLUMNS)
    assert np.hypot(after[0] - before[0], after[1] - before[1]) < 12  # positioned anew
    assert after[2] > before[2]
    small, large = change(BASE, MASS), change(BASE, replace(MASS, diameter_mm=20.0))
    assert (large > 0.02).sum() > (small > 0.02).sum()


@pytest.mark.parametrize(("kind", "vendor"), list(zip(KINDS, [*VENDORS, *VENDORS], strict=False)))
def test_contrast_rises_with_conspicuity(kind: str, vendor: str):
    view, lesion = replace(BASE, vendor=vendor), replace(MASS, kind=kind)
    sums = [change(view, lesion, conspicuity).sum() for conspicuity in (0.0, 1.0, 2.0, 3.0)]
    assert sums[0] == 0 and np.all(np.diff(sums) > 0), sums


def test_malignancy_alone_changes_nothing():
    np.testing.assert_array_equal(change(BASE, MASS), change(BASE, replace(MASS, malignant=False)))


def test_dense_tissue_hides_masses():
    """Mean added signal within the radius, physical contrast."""
    added = {}
    for density in (0.08, 0.70):
        values = []
        for seed in range(8):
            view = replace(BASE, breast_seed=seed, percent_density=density)
            row, column, radius = lesion_box(view, MASS, ROWS, COLUMNS)
            middle = change(view, MASS, 1.0)[
                int(row - radius / 2) : int(row + radius / 2),
                int(column - radius / 2) : int(column + radius / 2),
            ]
            values.append(middle.mean())
        added[density] = np.mean(values)
    assert added[0.70] < 0.85 * added[0.08]


def test_diameter_must_be_positive():
    with pytest.raises(ValueError, match="diameter_mm"):
        replace(MASS, diameter_mm=0.0)
