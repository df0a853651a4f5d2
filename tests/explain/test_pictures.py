"""Pictures are chosen by rule, percentiles are weighted, tiles keep their order."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.explain.pictures import choose_pictures, map_tiles, percentile_among, save_tiles


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


def test_tiles_are_scaled_each_to_its_own_top(tmp_path):
    maps = np.array([[[-5.0, 0.0, 2.0]], [[-1.0, -2.0, -3.0]]])
    tiles = map_tiles(maps)
    assert tiles.tolist() == [[[0, 0, 255]], [[0, 0, 0]]]
    save_tiles(tmp_path / "tiles.npy", tiles, tiles[:1])
    assert np.load(tmp_path / "tiles.npy").shape == (3, 1, 3)
