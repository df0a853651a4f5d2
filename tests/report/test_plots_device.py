"""Rows with intervals draw what they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.report.plots_device import interval_rows


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def data():
    return pd.DataFrame(
        {
            "name": ["as collected", "adversary"],
            "auc": [0.71, 0.77],
            "auc_low": [0.66, np.nan],
            "auc_high": [0.75, np.nan],
            "within": [0.76, 0.78],
            "within_low": [0.72, 0.74],
            "within_high": [0.8, 0.82],
        }
    )


def test_a_row_each_with_its_words(ax):
    assert interval_rows(ax, data(), {"auc": ""}, "AUC", 0.9, "reported") is ax
    assert [t.get_text() for t in ax.get_yticklabels()] == ["as collected", "adversary"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first on top
    words = [t.get_text() for t in ax.texts]
    assert words == ["reported", "0.71 (0.66–0.75)", "0.77"]
    assert ax.lines[1].get_xdata().tolist() == [0.71, 0.77]
    assert ax.get_legend() is None


def test_two_measures_stand_apart_and_are_named(ax):
    interval_rows(ax, data(), {"auc": "all", "within": "same device"}, "AUC", label_rows=False)
    first, second = ax.lines
    assert (second.get_ydata() > first.get_ydata()).all()
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["all", "same device"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["", ""]


def test_shares_in_percent(ax):
    interval_rows(ax, data(), {"auc": ""}, "recalled", percent=True)
    assert ax.texts[0].get_text() == "71 (66–75)"


def test_a_missing_column_is_named(ax):
    with pytest.raises(InputError, match=r"interval_rows needs the column\(s\) trace"):
        interval_rows(ax, data(), {"trace": ""}, "AUC")
