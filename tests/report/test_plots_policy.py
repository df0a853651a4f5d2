"""The trade-off of policies: every mark where its numbers are, every policy named."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.report.plots_policy import trade_off

DATA = pd.DataFrame(
    {
        "policy": ["top tenth", "one in ten", "longer", "by truth"],
        "chosen_by": ["model", "chance", "model", "truth"],
        "cost": [410.0, 400.0, -180.0, 405.0],
        "cost_low": [390.0, 380.0, -200.0, 395.0],
        "cost_high": [430.0, 420.0, -160.0, 415.0],
        "gain": [1.2, 0.5, -0.3, 1.9],
        "gain_low": [0.4, 0.1, -0.6, 0.8],
        "gain_high": [2.0, 0.9, 0.0, 3.0],
    }
)


def axes():
    figure, ax = plt.subplots()
    plt.close(figure)
    return ax


def test_every_policy_has_its_mark_its_interval_and_its_name():
    before, ax = DATA.copy(), axes()
    assert trade_off(ax, DATA, "more examinations", "fewer interval cancers") is ax
    pd.testing.assert_frame_equal(DATA, before)
    marks = [line for line in ax.lines if line.get_marker() in "osD" and len(line.get_xdata()) == 1]
    np.testing.assert_array_equal([mark.get_xdata()[0] for mark in marks], DATA["cost"])
    np.testing.assert_array_equal([mark.get_ydata()[0] for mark in marks], DATA["gain"])
    assert marks[0].get_color() == marks[2].get_color() != marks[1].get_color()
    assert [text.get_text() for text in ax.texts] == list(DATA["policy"])
    to_axes = ax.transData + ax.transAxes.inverted()
    np.testing.assert_allclose(
        [text.xy for text in ax.texts], to_axes.transform(DATA[["cost", "gain"]])
    )
    bars = [line for line in ax.lines if line.get_linewidth() == 0.8]
    assert len(bars) == 2 * len(DATA)
    named = [text.get_text() for text in ax.get_legend().get_texts()]
    assert named == ["picked by model", "picked by chance", "picked by truth"]


def test_what_is_missing_is_said():
    with pytest.raises(InputError, match="trade_off needs the column.*gain"):
        trade_off(axes(), DATA.drop(columns="gain"), "", "")
    with pytest.raises(InputError, match="no rows"):
        trade_off(axes(), DATA.head(0), "", "")
