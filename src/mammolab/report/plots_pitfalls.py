"""Plots of the failure laboratory: the dial of one failure, and the scoreboard of all."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mammolab.report.style import COLOURS, numeric, percent_axis, require_columns, text_beside

LINES = {
    "reported": {"color": COLOURS["reader"], "ls": "-"},
    "true": {"color": COLOURS["truth"], "ls": "-"},
    "repaired": {"color": COLOURS["model"], "ls": (0, (3, 2))},
}


def dose_response(
    ax: Axes,
    data: pd.DataFrame,
    xlabel: str,
    ylabel: str,
    title: str = "",
    legend: bool = False,
    log: bool = False,
) -> Axes:
    """What one reports, what is true and what the repair gives, as the dial is turned.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a dose
        setting; reported, true, repaired (shares, NaN where none) with _low and _high; guard_fired.
        A row of squares above the plot is filled where the guard fires.
    xlabel, ylabel, title : str
        The dial in its own unit, the metric, and the failure.
    legend : bool
        Name the lines.
    log : bool
        Whether the dial is drawn on a logarithmic scale; its settings must then be above 0.

    Returns
    -------
    Axes
    """
    require_columns(data, ("setting", "reported", "true", "guard_fired"), "dose_response")
    data = data.sort_values("setting")
    setting = numeric(data, "setting")
    for name, look in LINES.items():
        value, low, high = (numeric(data, f"{name}{end}") for end in ("", "_low", "_high"))
        if np.isnan(value).all():
            continue
        ax.fill_between(setting, low, high, color=look["color"], alpha=0.14, lw=0)
        ax.plot(setting, value, label=name, marker="o", ms=2.6, **look)
    for at, fired in zip(setting, data["guard_fired"], strict=True):
        ax.plot(
            at,
            1.04,
            "s",
            ms=3.6,
            transform=ax.get_xaxis_transform(),
            clip_on=False,
            color=COLOURS["alert"],
            fillstyle="full" if fired else "none",
            mew=0.7,
        )
    if legend:
        ax.legend(loc="best", handlelength=1.6)
    percent_axis(ax.yaxis)
    if log:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter("")
    ax.margins(x=0.06, y=0.12)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.set_title(title, pad=10)
    return ax


def scoreboard(ax: Axes, data: pd.DataFrame) -> Axes:
    """Every failure, worst first: reported against true, the repair, and whether a guard spoke.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a failure, in any order
        title, metric; reported, true, repaired (shares, NaN where none) with _low and _high;
        guard_fired. Drawn in order of the distance between reported and true.

    Returns
    -------
    Axes
    """
    require_columns(data, ("title", "metric", "reported", "true", "guard_fired"), "scoreboard")
    damage = np.abs(numeric(data, "reported") - numeric(data, "true"))
    data = data.iloc[np.argsort(-damage, kind="stable")].reset_index(drop=True)
    marks = {"reported": "o", "true": "D", "repaired": "|"}
    for row in range(len(data)):
        ends = numeric(data, "true")[row], numeric(data, "reported")[row]
        ax.plot(ends, [row, row], color=COLOURS["faint"], lw=3.2, solid_capstyle="round", zorder=0)
    for name, marker in marks.items():
        value, low, high = (numeric(data, f"{name}{end}") for end in ("", "_low", "_high"))
        colour = LINES[name]["color"]
        rows = np.arange(len(data), dtype=float)
        if name != "repaired":
            ax.hlines(rows, low, high, color=colour, lw=0.9)
        ax.plot(
            value,
            rows,
            marker,
            color=colour,
            ms=8 if marker == "|" else 4.5,
            mew=1.4 if marker == "|" else 0.6,
            mec=colour if marker == "|" else "white",
            ls="none",
            label=name,
        )
    for row in range(len(data)):
        text_beside(ax, row, 6, data["metric"][row], color=COLOURS["ink"])
        fired = bool(data["guard_fired"][row])
        text_beside(
            ax,
            row,
            150,
            "speaks" if fired else "silent",
            color=COLOURS["truth"] if fired else COLOURS["published"],
        )
    text_beside(ax, -0.9, 6, "what is reported", weight="bold")
    text_beside(ax, -0.9, 150, "guard", weight="bold")
    ax.set_yticks(range(len(data)), data["title"])
    ax.set_ylim(len(data) - 0.4, -1.1)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="y", color=COLOURS["faint"], lw=0.4, zorder=-1)
    percent_axis(ax.xaxis)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=1.2)
    return ax
