"""Plots of the failure laboratory: order, marks of the guards, failures without a repair."""

import matplotlib.pyplot as plt
import pytest

from mammolab.errors import InputError
from mammolab.report.plots_pitfalls import dose_response, scoreboard


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_the_worst_failure_stands_on_top(fabricate, ax):
    data = fabricate.failures().assign(true=[0.9, 0.5, 0.7], reported=[0.95, 0.95, 0.95])
    scoreboard(ax, data)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Odds", "Mean", "Two sources"]


def test_a_square_is_filled_where_the_guard_fires(fabricate, ax):
    dose_response(ax, fabricate.dial(), "share", "AUC")
    squares = [line for line in ax.lines if line.get_marker() == "s"]
    assert [line.get_fillstyle() for line in squares] == ["none", "full", "full"]


def test_a_failure_without_repair_has_two_lines(fabricate, ax):
    data = fabricate.dial().assign(repaired=float("nan"))
    dose_response(ax, data, "share", "AUC", legend=True)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["reported", "true"]


def test_a_missing_column_is_named(fabricate, ax):
    with pytest.raises(InputError, match="dose_response needs the column\\(s\\) setting"):
        dose_response(ax, fabricate.dial().drop(columns="setting"), "share", "AUC")
