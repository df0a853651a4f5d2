"""Pictures are chosen by rule, percentiles are weighted, tiles keep their order."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.explain.pictures import (
    arrange,
    choose_pictures,
    map_captions,
    map_tiles,
    percentile_among,
    picture_sheet,
    save_tiles,
)


def test_percentiles_weigh_the_reference():
    reference, weight = [3.0, 1.0], [1.0, 3.0]
    assert percentile_among([0, 1, 2, 3, 4], reference, weight).tolist() == [0, 37.5, 75, 87.5, 100]


def test_pictures_are_the_nearest_in_size_that_qualify():
    sample = pd.DataFrame(
        {
            "kind": ["mass"] * 4 + ["asymmetry"],
            "diameter_mm": [30.0, 13.0, 12.0, 9.0, 12.0],
            "percentile": [99.0, 96.0, 60.0, 10.0, 99.5],
        }
    )
    chosen = choose_pictures(sample, 95, 50)
    assert chosen[["kind", "outcome"]].values.tolist() == [
        ["asymmetry", "found"],
        ["mass", "found"],
        ["mass", "missed"],
    ]
    assert chosen.index.tolist() == [4, 1, 3]
    with pytest.raises(InputError, match="none of 1 images lies above the 95th"):
        choose_pictures(sample.iloc[2:3], 95, 50)


def test_tiles_share_a_scale_that_ends_at_the_third_quartile(tmp_path):
    maps = np.array([[[-5.0, 0.0, 9.0]], [[-1.0, 0.5, 1.0]], [[-1.0, -2.0, -3.0]], [[0, 0.5, 0]]])
    maps = np.concatenate([maps, [[[0.0, 0.0, 1.0]], [[0.0, 1.0, 1.0]]]])
    tiles = map_tiles(maps)[:4]  # tops 9, 1, none, .5, 1, 1: the scale ends at 1
    assert tiles.tolist() == [[[0, 0, 255]], [[0, 128, 255]], [[0, 0, 0]], [[0, 128, 0]]]
    assert (map_tiles(maps[2:3]) == 0).all()
    save_tiles(tmp_path / "tiles.npy", tiles, tiles[:1])
    assert np.load(tmp_path / "tiles.npy").shape == (5, 1, 3)


def test_the_sheet_finds_each_picture_and_map_in_the_store():
    pictures = pd.DataFrame(
        {
            "title": ["a", None, "c"],
            "row_title": ["one", None, "two"],
            "shown": [True, False, True],
            "outline_row": [1.0, np.nan, np.nan],
            "outline_column": [2.0, np.nan, np.nan],
            "outline_radius": [3.0, np.nan, np.nan],
        }
    )
    one = pd.DataFrame({"title": ["hit", "miss"], "peak_row": [5.0, 6.0], "peak_column": 7.0})
    sheet = picture_sheet(pictures, {"first": one, "second": one}, first=10)
    # In the store: pictures 10 and 11, maps of the first method 12 and 13, of the second 14 and 15.
    np.testing.assert_array_equal(sheet["image"], [10, 10, 10, np.nan, np.nan, np.nan, 11, 11, 11])
    np.testing.assert_array_equal(
        sheet["overlay"], [np.nan, 12, 14, np.nan, np.nan, np.nan, np.nan, 13, 15]
    )
    assert sheet["title"].tolist() == ["a", "hit", "hit", None, None, None, "c", "miss", "miss"]
    assert sheet["peak_row"].dropna().tolist() == [5, 5, 6, 6]
    assert sheet["outline_radius"].dropna().tolist() == [3, 3]


def test_a_caption_says_whether_the_highest_point_is_in_the_outline():
    maps = np.zeros((3, 20, 20))
    maps[:, 5, 5] = 1.0
    pictures = pd.DataFrame(
        {
            "spacing_mm": 0.5,
            "outline_row": [5.0, 5.0, np.nan],
            "outline_column": [9.0, 11.0, np.nan],
            "outline_radius": [2.0, 2.0, np.nan],
            "on": ["hit", "hit", None],
            "off": ["miss", "miss", None],
        }
    )
    captions = map_captions("map", maps, pictures, tolerance_mm=1.0)
    assert captions["title"].tolist() == ["map: hit", "map: miss", "map"]
    assert captions["peak_column"].tolist() == [5, 5, 5]


def test_a_kind_without_a_miss_leaves_its_place_empty():
    chosen = pd.DataFrame(
        {
            "image_id": ["i1", "i2", "i3"],
            "kind": ["mass", "mass", "spiculated"],
            "outcome": ["found", "missed", "found"],
            "diameter_mm": [11.6, 9.0, np.nan],
            "percentile": [99.06, 12.0, 97.0],
        }
    )
    healthy = pd.DataFrame({"image_id": ["h1"], "percentile": [99.9], "diameter_mm": np.nan})
    lesions = pd.DataFrame(
        {
            "image_id": ["i1", "i1", "h1", "h1"],
            "malignant": [True, False, False, False],
            "diameter_mm": [11.6, 30.0, 4.0, 8.0],
            "row_px": [1.0, 2.0, 3.0, 4.0],
            "column_px": 5.0,
            "radius_px": 6.0,
        }
    )
    grid = arrange(chosen, healthy, lesions)
    assert grid["image_id"].fillna("").tolist() == ["i1", "i2", "i3", "", "h1", ""]
    assert grid["shown"].tolist() == [True, True, True, False, True, False]
    assert grid["title"].tolist()[:3] == [
        "found, 12 mm, 99.1%",
        "missed, 9 mm, 12.0%",
        "found, 97.0%",
    ]
    assert grid["title"].tolist()[3:5] == ["none missed", "score 99.9%"]
    assert grid["row_title"].dropna().tolist() == ["mass", "spiculated", "healthy"]
    np.testing.assert_array_equal(grid["outline_row"], [1, np.nan, np.nan, np.nan, 4, np.nan])
    assert grid["on"].tolist() == ["hit"] * 4 + ["look-alike"] * 2
    unknown = arrange(chosen, healthy, None)
    assert unknown["on"].isna().all() and unknown["outline_radius"].isna().all()
