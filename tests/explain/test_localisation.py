"""A point drawn into a raw image is found where it is said to be; hits and shares by hand."""

import numpy as np
import pandas as pd
import pytest

from mammolab.data.pixels import Crop, to_model_input
from mammolab.errors import InputError
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.explain.estimates import localisation_estimates, size_band, with_chance
from mammolab.explain.localisation import (
    breast_masks,
    disc,
    peaks,
    place_lesions,
    reachable,
    score_maps,
)

ONE = {"at": 0, "row_px": 10.0, "column_px": 10.0, "radius_px": 3.0}


def spot(row: int, column: int, shape=(40, 30)) -> np.ndarray:
    one = np.zeros((1, *shape))
    one[0, row, column] = 1
    return one


@pytest.mark.parametrize("laterality", ["L", "R"])
@pytest.mark.parametrize(
    ("source", "target", "spacing_mm"),
    [
        ((120, 90), (120, 90), None),  # as it is
        ((240, 180), (120, 100), None),  # made smaller
        ((200, 90), (120, 90), 0.2),  # cut at top and bottom, scaled to half
        ((60, 40), (120, 90), None),  # padded
        ((333, 217), (120, 90), None),  # an awkward scale
    ],
)
def test_a_point_comes_to_lie_where_it_is_mapped_to(
    mammogram, laterality, source, target, spacing_mm
):
    row, column = int(0.4 * source[0]), int(0.3 * source[1])
    if laterality == "R":
        column = source[1] - 1 - column
    pixels = np.zeros(source, np.uint16)
    pixels[row - 2 : row + 3, column - 2 : column + 3] = 4000
    image, record = to_model_input(
        mammogram(pixels, ImageLaterality=laterality), *target, spacing_mm=spacing_mm
    )
    assert record.flipped == (laterality == "R")
    weight = image.astype(float)
    found = [(weight.sum(1 - axis) @ np.arange(target[axis])) / weight.sum() for axis in (0, 1)]
    mapped = Crop.read(record.crop).place(row, column, record.flipped)
    np.testing.assert_allclose(found, mapped, atol=0.1)


def test_lesions_are_placed_in_usable_images_only():
    images = pd.DataFrame(
        {
            "image_id": ["a", "b", "c"],
            "exam_id": ["E1", "E1", "E2"],
            "laterality": ["L", "R", "L"],
            "view": "CC",
            "status": ["ok", "ok", "skipped"],
            "crop": "source 40x60 scale 0.5 rows 2:18 columns 0:16 at row 1",
            "flipped": [False, True, False],
        }
    )
    boxes = pd.DataFrame(
        {
            "exam_id": ["E1", "E1", "E2"],
            "laterality": ["L", "R", "L"],
            "view": "CC",
            "source_row": 10.5,
            "source_column": [4.5, 54.5, 4.5],
            "source_radius": 6.0,
            "kind": "mass",
        }
    )
    placed = place_lesions(boxes, images)
    assert placed["image_id"].tolist() == ["a", "b"]
    # Pixels 10 and 11 share pixel 5 of the half-size image; rows from 2 on were put at row 1.
    assert placed["row_px"].tolist() == [5 - 2 + 1] * 2
    assert placed["column_px"].tolist() == [2.0, 2.0]
    assert placed["radius_px"].tolist() == [3.0, 3.0]
    with pytest.raises(InputError, match="none of the 1 lesions lies in a usable image"):
        place_lesions(boxes.iloc[2:], images)
    with pytest.raises(InputError, match=r"lack the column\(s\) view"):
        place_lesions(boxes.drop(columns="view"), images)
    with pytest.raises(InputError, match="no record of a conversion"):
        place_lesions(boxes, images.assign(crop="somewhere"))


def test_the_peak_is_the_middle_of_its_plateau_and_flat_maps_have_none():
    maps = np.zeros((3, 20, 20))
    maps[0, 4:7, 8:13] = 2.0
    maps[0, 15, 15] = 2.0  # as high, further down
    maps[1] = -1.0
    maps[2, 3, 2] = 1e-9
    np.testing.assert_array_equal(peaks(maps), [[5, 10], [np.nan, np.nan], [3, 2]])
    with pytest.raises(InputError, match="all 1 maps are flat"):
        peaks(maps[1:2])
    with pytest.raises(InputError, match="NaN"):
        peaks(np.full((1, 4, 4), np.nan))
    with pytest.raises(InputError, match="images by rows by columns"):
        peaks(np.zeros((0, 4, 4)))


@pytest.mark.parametrize(
    ("column", "tolerance_mm", "hit"),
    [(13, 0, True), (14, 0, False), (14, 0.5, True), (15, 0.5, False), (15, 1.0, True)],
)
def test_a_hit_lies_within_the_outline_and_the_tolerance(column, tolerance_mm, hit):
    breast = np.ones((1, 40, 30), bool)
    # Radius 3 pixels; a pixel is half a millimetre.
    scored = score_maps(spot(10, column), breast, pd.DataFrame([ONE]), [0.5], tolerance_mm)
    assert scored["hit"].tolist() == [hit]


def test_energy_and_chance_by_hand():
    maps = np.zeros((1, 40, 30))
    maps[0, 10, 10], maps[0, 30, 20], maps[0, 5, 5] = 3.0, 1.0, -7.0
    breast = np.zeros((1, 40, 30), bool)
    breast[0, :, :11] = True  # half of the disc, and its middle column
    scored = score_maps(maps, breast, pd.DataFrame([ONE]), [1.0], 2.0).iloc[0]
    assert scored["energy"] == 0.75  # what speaks against cancer does not count
    inside = disc((40, 30), 10, 10, 3)[:, :11].sum()
    near = disc((40, 30), 10, 10, 5)[:, :11].sum()
    assert scored["chance_energy"] == inside / (40 * 11)
    assert scored["chance_hit"] == near / (40 * 11)
    assert disc((40, 30), 10, 10, 1).sum() == 5


def test_an_even_map_scores_at_chance():
    """Points thrown on the breast hit as often as chance_hit says; even energy is chance_energy."""
    rng = np.random.default_rng(0)
    breast = np.zeros((400, 40, 30), bool)
    breast[:, :, :20] = True
    maps = np.zeros((400, 40, 30))
    maps[np.arange(400), rng.integers(0, 40, 400), rng.integers(0, 20, 400)] = 1.0
    lesions = pd.DataFrame([ONE | {"at": i} for i in range(400)])
    scored = score_maps(maps, breast, lesions, np.ones(400), 3.0)
    chance = scored["chance_hit"].iloc[0]
    assert scored["hit"].mean() == pytest.approx(chance, abs=3 * np.sqrt(chance / 400))
    even = score_maps(breast[:1] + np.eye(40, 30) * 1e-9, breast[:1], lesions.iloc[:1], [1.0], 3.0)
    assert even["energy"].iloc[0] == pytest.approx(even["chance_energy"].iloc[0], rel=1e-4)


def test_any_of_several_lesions_counts_and_a_flat_map_misses():
    maps = np.concatenate([spot(30, 20), np.zeros((1, 40, 30))])
    breast = np.ones((2, 40, 30), bool)
    other = ONE | {"row_px": 30.0, "column_px": 20.0}
    lesions = pd.DataFrame([ONE, other, ONE | {"at": 1}])
    scored = score_maps(maps, breast, lesions, [1.0, 1.0], 0.0)
    assert scored["hit"].tolist() == [True, False]
    assert scored["energy"].tolist() == [1.0, 0.0]
    assert scored["chance_energy"][0] == 2 * scored["chance_energy"][1]
    with pytest.raises(InputError, match="1 of 2 images show no lesion, among them number 1"):
        score_maps(maps, breast, lesions.iloc[:2], [1.0, 1.0], 0.0)


def test_a_lesion_between_cells_is_out_of_reach():
    """Cells of 16 pixels on 64 x 52: centres at 0, 16, 32, 48; half a millimetre to a pixel."""
    lesions = pd.DataFrame(
        {
            "image_id": ["on", "between", "beyond", "two", "two"],
            "row_px": [33.0, 40.0, 62.0, 40.0, 16.0],
            "column_px": [15.0, 24.0, 48.0, 24.0, 16.0],
            "radius_px": 4.0,
        }
    )
    sample = pd.DataFrame({"image_id": ["two", "on", "between", "beyond"], "spacing_mm": 0.5})
    found = reachable(lesions, sample, 16, (64, 52), tolerance_mm=1.0)
    assert found.tolist() == [True, True, False, False]
    # 8 pixels off both ways is 11.4; a reach of 4 + 8 pixels is enough, 14 rows off is not.
    found = reachable(lesions, sample, 16, (64, 52), tolerance_mm=4.0)
    assert found.tolist() == [True, True, True, False]
    assert reachable(lesions, sample, 16, (64, 52), tolerance_mm=5.0).all()


def test_the_breast_is_its_largest_region():
    images = np.full((2, 20, 20), 3, np.uint8)
    images[:, 2:15, :8] = 90
    images[0, 1:4, 15:19] = 255  # a marker
    masks = breast_masks(images)
    assert masks.sum(axis=(1, 2)).tolist() == [13 * 8] * 2
    assert not masks[0, :, 10:].any()


def test_estimates_weigh_exams_and_compare_with_chance():
    scored = pd.DataFrame(
        {
            "hit": [True, True, False, False],
            "energy": [0.5, 0.5, 0.1, 0.1],
            "chance_hit": 0.1,
            "chance_energy": 0.05,
            "patient_id": ["a", "a", "b", "c"],
            "exam_id": ["E1", "E1", "E2", "E3"],
            "sampling_weight": [2.0, 2.0, 1.0, 1.0],
        }
    )
    bootstrap = PatientBootstrap.draw(scored["patient_id"], 400, 0)
    kind = pd.Series(["mass", "mass", "mass", "asymmetry"])
    size = size_band(pd.Series([5.0, 5.0, 12.0, 12.0]))
    table = localisation_estimates(scored, {"kind": kind, "size": size}, bootstrap)
    overall = table[table["by"] == ""].set_index("metric")
    assert overall.loc["pointing", "estimate"] == pytest.approx(4 / 6)
    assert overall.loc["energy", "estimate"] == pytest.approx((4 * 0.5 + 2 * 0.1) / 6)
    assert overall.loc["pointing_over_chance", "estimate"] == pytest.approx(4 / 6 / 0.1)
    assert overall.loc["energy", "ci_low"] == pytest.approx(0.1)  # b and c drawn alone
    assert overall["n_patients"].eq(3).all() and overall["n_images"].eq(4).all()
    levels = table.loc[table["metric"] == "pointing"].set_index("level")["estimate"]
    assert levels.index.tolist() == ["all", "asymmetry", "mass", "under 10 mm", "10 to 20 mm"]
    assert np.isnan(levels["asymmetry"])  # of one woman: not estimated
    assert levels["mass"] == pytest.approx(4 / 5)
    assert np.isnan(levels["under 10 mm"]) and levels["10 to 20 mm"] == 0
    energy = with_chance(table, "energy", ["by", "level"]).set_index("level")
    assert energy.loc["all", "chance"] == pytest.approx(0.05)
    assert energy.loc["mass", "estimate"] == pytest.approx((4 * 0.5 + 0.1) / 5)
