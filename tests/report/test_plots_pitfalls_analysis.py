"""Plots of the analysis failures draw what they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.report import plots_pitfalls, plots_pitfalls_analysis
from mammolab.report.style import style


@pytest.fixture
def ax():
    with style():
        figure, axes = plt.subplots()
        yield axes
        plt.close(figure)


def test_cancers_to_know_draws_a_line_a_number_of_groups(ax):
    data = pd.DataFrame(
        {
            "auc_group": [0.6, 0.7, 0.6, 0.7],
            "n_looks": [1, 1, 40, 40],
            "n_cancers": [20.0, 60.0, 35.0, np.nan],
            "n_cancers_here": 200,
        }
    )
    plots_pitfalls_analysis.cancers_to_know(ax, data, auc_rest=0.85)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["one group, named beforehand", "one of 40 groups"]
    assert any("test set: 200" in text.get_text() for text in ax.texts)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [20.0, 60.0])
    with pytest.raises(InputError, match="n_looks"):
        plots_pitfalls_analysis.cancers_to_know(ax, data.drop(columns="n_looks"), auc_rest=0.85)


def test_replicate_error_draws_formula_and_simulation_apart(ax):
    data = pd.DataFrame(
        {
            "n_replicates": [2, 100, 50],
            "error": [0.04, 0.42, np.nan],
            "simulated": [np.nan, np.nan, 0.40],
            "simulated_low": [np.nan, np.nan, 0.37],
            "simulated_high": [np.nan, np.nan, 0.43],
        }
    )
    plots_pitfalls_analysis.replicate_error(ax, data, nominal=0.025)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [2, 100])
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [0.40])


@pytest.mark.parametrize(("log", "scale"), [(False, "linear"), (True, "log")])
def test_a_dial_may_be_logarithmic(ax, log, scale):
    data = pd.DataFrame(
        {
            "setting": [1.0, 10.0, 100.0],
            **{
                f"{part}{end}": [0.5, 0.6, 0.7]
                for part in ("reported", "true", "repaired")
                for end in ("", "_low", "_high")
            },
            "guard_fired": [False, True, True],
        }
    )
    plots_pitfalls.dose_response(ax, data, "replicates", "AUC", log=log)
    assert ax.get_xscale() == scale
