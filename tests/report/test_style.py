"""Figures are the same bytes for the same data, the right size, and leave no trace behind."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.report.style import (
    DOUBLE_COLUMN_IN,
    SERIES,
    figure_size,
    save_svg,
    series_colours,
    spread,
    style,
)


def test_svg_is_the_same_bytes_twice(fabricate, tmp_path):
    size, columns, panels = fabricate.figures(fabricate.store(tmp_path / "images.npy"))[
        "08_subgroups_forest"
    ]
    figure = fabricate.draw(size, columns, panels)
    first = save_svg(figure, tmp_path / "a" / "first.svg").read_bytes()
    again = save_svg(figure, tmp_path / "again.svg").read_bytes()
    anew = save_svg(fabricate.draw(size, columns, panels), tmp_path / "anew.svg").read_bytes()
    assert first == again == anew
    assert b"<dc:date>" not in first
    assert b"<text" not in first  # outlines, so that no font is needed to show it
    width = float(first.split(b'width="')[1].split(b"pt")[0])
    assert width == pytest.approx(72 * size[0])


def test_svg_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "figure.svg"
    path.write_text("the one before")
    figure = plt.figure()
    plt.close(figure)

    def break_off(name, **options):
        with open(name, "w") as stream:
            stream.write("half a figure")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", break_off)
    with pytest.raises(OSError):
        save_svg(figure, path)
    assert path.read_text() == "the one before"
    assert list(tmp_path.iterdir()) == [path]


def test_style_leaves_settings_as_they_were():
    before = dict(mpl.rcParams)
    with style():
        assert mpl.rcParams["font.size"] == 7
    assert dict(mpl.rcParams) == before


def test_figure_size_names_the_valid_widths():
    assert figure_size("double", 0.5) == (DOUBLE_COLUMN_IN, DOUBLE_COLUMN_IN / 2)
    with pytest.raises(InputError, match="'single' or 'double'"):
        figure_size("triple")


@pytest.mark.parametrize("seed", range(5))
def test_spread_keeps_order_and_distance(seed):
    wished = np.random.default_rng(seed).uniform(0, 1, 9)
    placed = spread(wished, gap=0.12)
    assert (np.argsort(placed) == np.argsort(wished)).all()
    assert np.diff(np.sort(placed)).min() >= 0.12 - 1e-12
    assert placed.mean() == pytest.approx(wished.mean())


def test_spread_leaves_labels_that_have_room():
    assert spread([0.9, 0.1], gap=0.2).tolist() == [0.9, 0.1]


def test_colours_do_not_repeat():
    names = list("abcdef")
    assert len(set(series_colours(names, {"b": "model"}).values())) == len(SERIES)
    with pytest.raises(InputError, match="at most"):
        series_colours([*names, "g"])
