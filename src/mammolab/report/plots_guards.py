"""Plots of the guards: how often each speaks up as more of its mistake is made."""

from __future__ import annotations

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mammolab.report.style import COLOURS, numeric, percent_axis, require_columns

ALLOWED = 0.05  # false alarms a guard may raise


def guard_power(ax: Axes, data: pd.DataFrame, title: str = "", width: int = 30) -> Axes:
    """Share of worlds in which one guard fires, by dose; the first, at dose 0, are false alarms.

    Made for small multiples: doses stand at equal distances, whatever their unit.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a dose of one guard
        guard, dirt (what was done, in words; it labels the axis), dose, rate with low and high
        (shares), as in benchmarks/guards.csv.
    title : str
        By default the guard's name.
    width : int
        Characters a line of the axis label; the title, in bold, takes three fewer.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing or there is no row.
    """
    require_columns(data, ("guard", "dirt", "dose", "rate", "low", "high"), "guard_power")
    data = data.sort_values("dose")
    dose, rate, low, high = (numeric(data, name) for name in ("dose", "rate", "low", "high"))
    at = np.arange(len(data))
    ax.axhline(ALLOWED, color=COLOURS["published"], lw=0.7, ls=(0, (4, 2)), zorder=0)
    ax.plot(at[dose > 0], rate[dose > 0], color=COLOURS["model"], lw=0.9, zorder=1)
    for name, rows in (("alert", dose == 0), ("model", dose > 0)):
        ax.errorbar(
            at[rows],
            rate[rows],
            [np.maximum(rate - low, 0)[rows], np.maximum(high - rate, 0)[rows]],
            fmt="o",
            ms=3,
            lw=0.9,
            color=COLOURS[name],
            clip_on=False,
        )
    # Small panels: ".005" is as plain as "0.005" and does not run into its neighbour.
    labels = [f"{one:g}".removeprefix("0") or "0" for one in dose]
    ax.set_xticks(at, labels, fontsize="small")
    ax.set_xlim(-0.5, len(data) - 0.5)
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 0.5, 1])
    percent_axis(ax.yaxis)
    ax.set_xlabel(fill(str(data["dirt"].iloc[0]), width - 3))  # bold is wider
    ax.set_title(fill(title or str(data["guard"].iloc[0]), width - 3))  # bold is wider
    return ax
