"""The plot of a guard's power draws what the table says."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.report.plots_guards import guard_power


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "guard": "patient_overlap",
            "dirt": "share of test women with an exam in training",
            "dose": [0.05, 0.0, 0.01],
            "rate": [1.0, 0.02, 0.5],
            "low": [0.9, 0.0, 0.3],
            "high": [1.0, 0.05, 0.7],
        }
    )


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_doses_rise_and_the_clean_world_stands_apart(ax, table):
    assert guard_power(ax, table) is ax
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", ".01", ".05"]
    line = ax.lines[0].get_ydata()
    assert np.allclose(line, 0.05)  # what is allowed
    drawn = [bar.lines[0].get_xydata() for bar in ax.containers]
    assert drawn[0].tolist() == [[0, 0.02]]
    assert drawn[1].tolist() == [[1, 0.5], [2, 1.0]]
    assert "patient_overlap" in (ax.get_title(), ax.get_title(loc="left"))  # as the style has it
    assert "test women" in ax.get_xlabel()


def test_a_table_without_rates_is_refused(ax, table):
    with pytest.raises(InputError, match="rate"):
        guard_power(ax, table.drop(columns="rate"))
    with pytest.raises(InputError):
        guard_power(ax, table.head(0))
