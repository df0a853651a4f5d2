"""Plots of what buckets of risk are for: what a policy costs against what it gains."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from mammolab.report.style import (
    COLOURS,
    label_line_ends,
    numeric,
    require_columns,
    series_colours,
)

_MARKERS = ("o", "s", "D", "^", "v", "P")  # told apart without colour
_CHOOSERS = {"model": "model", "guideline": "second", "truth": "truth", "chance": "published"}


def trade_off(ax: Axes, data: pd.DataFrame, xlabel: str, ylabel: str) -> Axes:
    """One mark a policy: what it costs more than usual care, and what it gains.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a policy
        policy (written beside), chosen_by (who picks the women: model, guideline, truth, chance, or
        another word), cost, cost_low, cost_high, gain, gain_low, gain_high (per 1,000 women,
        against usual care, which is the crossing of the two lines at 0).
    xlabel, ylabel : str
        What the two count.

    Returns
    -------
    Axes
    """
    columns = ("cost", "cost_low", "cost_high", "gain", "gain_low", "gain_high")
    require_columns(data, ("policy", "chosen_by", *columns), "trade_off")
    choosers = list(dict.fromkeys(data["chosen_by"]))
    fixed = {name: key for name, key in _CHOOSERS.items() if name in choosers}
    colours = series_colours(choosers, fixed)
    x, x_low, x_high, y, y_low, y_high = (numeric(data, name) for name in columns)
    for row, chooser in enumerate(data["chosen_by"]):
        colour, marker = colours[chooser], _MARKERS[choosers.index(chooser)]
        ax.plot([x_low[row], x_high[row]], [y[row], y[row]], color=colour, lw=0.8)
        ax.plot([x[row], x[row]], [y_low[row], y_high[row]], color=colour, lw=0.8)
        ax.plot(x[row], y[row], marker, color=colour, ms=4.5, mec="white", mew=0.5, zorder=4)
    for line in (ax.axhline, ax.axvline):
        line(0, color=COLOURS["published"], lw=0.7, ls=(0, (3, 2)), zorder=0)
    for chooser in choosers:
        marker = _MARKERS[choosers.index(chooser)]
        ax.plot([], [], marker, color=colours[chooser], ms=4.5, label=f"picked by {chooser}")
    ax.margins(0.08)
    ax.set_xlim(ax.get_xlim())  # settled, so that the names point at their marks
    ax.set_ylim(ax.get_ylim())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace("-", "−")))
    label_line_ends(
        ax, list(data["policy"]), x, y, [colours[chooser] for chooser in data["chosen_by"]]
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, handletextpad=0.1)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    return ax
