"""Plots of gaps between subgroups, and the rows under headings that forest plots share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mammolab.report.style import (
    COLOURS,
    interval_text,
    numeric,
    require_columns,
    text_beside,
)

HEADS = {"va": "bottom", "fontsize": 6, "color": COLOURS["published"]}  # of columns of text
_COLUMNS = ("group", "subgroup", "gap", "gap_low", "gap_high", "simultaneous_low",
            "simultaneous_high", "detectable_gap", "survives")  # fmt: skip


def lay_groups(
    ax: Axes, groups: Sequence[str], names: Sequence[str], label_rows: bool = True
) -> list[float]:
    """Lay out named rows from the top under their headings, and return the height of each.

    Parameters
    ----------
    ax : Axes
    groups : sequence of str, shape (n,)
        Heading of each row, written where it changes; "" for none.
    names : sequence of str, shape (n,)
    label_rows : bool
        Whether headings and names are written.
    """
    rows, y, heading = [], 0.0, ""
    for group in groups:
        if group != heading:
            y += 0.35
            if label_rows:
                ax.text(
                    -0.015,
                    y,
                    group,
                    transform=ax.get_yaxis_transform(),
                    ha="right",
                    va="center",
                    fontsize=6.5,
                    weight="bold",
                )
            y, heading = y + 1, group
        rows.append(y)
        y += 1
    ax.set_yticks(rows, names if label_rows else [])
    ax.set_ylim(y - 0.4, -0.7)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return rows


def gaps(
    ax: Axes,
    data: pd.DataFrame,
    xlabel: str = "gap in AUC from everyone else\n(grey: would go unseen)",
    limits: tuple[float, float] | None = None,
    digits: int = 2,
    title: str = "",
) -> Axes:
    """How far each subgroup lies from the rest, and how far it would have had to lie to show.

    A thick line is the interval of one subgroup alone, a thin one that which holds for all at once;
    a filled square survives the many looks. The grey bar ends at the smallest shortfall that four
    of five such studies would show.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a subgroup, in the order to draw
        group (heading), subgroup, gap, gap_low, gap_high, simultaneous_low, simultaneous_high,
        detectable_gap (above 0; all NaN where too few to tell), survives (bool); optional n_events
        (cancers), written beside each.
    xlabel : str
    limits : (low, high), optional
        Of the axis; what runs past it ends in an arrow.
    digits : int
        Decimals in the written gaps.
    title : str

    Returns
    -------
    Axes
    """
    require_columns(data, _COLUMNS, "gaps")
    gap, detectable = numeric(data, "gap"), numeric(data, "detectable_gap")
    alone = numeric(data, "gap_low"), numeric(data, "gap_high")
    joint = numeric(data, "simultaneous_low"), numeric(data, "simultaneous_high")
    events = numeric(data, "n_events")
    rows = lay_groups(ax, data["group"], data["subgroup"])
    for i, (y, survives) in enumerate(zip(rows, data["survives"], strict=True)):
        if np.isfinite(events[i]):
            text_beside(ax, y, 108, f"{events[i]:,.0f}", ha="right")
        if np.isnan(gap[i]):
            text_beside(ax, y, 6, "too few", color=COLOURS["published"])
            continue
        ax.barh(y, -detectable[i], height=0.62, color=COLOURS["faint"], lw=0, zorder=0)
        for (low, high), width in ((joint, 0.7), (alone, 1.8)):
            ax.plot([low[i], high[i]], [y, y], color=COLOURS["model"], lw=width,
                    solid_capstyle="butt")  # fmt: skip
        face = COLOURS["model"] if survives else "white"
        ax.plot(gap[i], y, "s", color=COLOURS["model"], mfc=face, ms=3.6, mew=0.8)
        if limits is not None:
            for end, marker, past in (
                (limits[0], "<", joint[0][i] < limits[0]),
                (limits[1], ">", joint[1][i] > limits[1]),
            ):
                if past:
                    ax.plot(end, y, marker, color=COLOURS["model"], ms=3, clip_on=False)
        words = interval_text(gap[i], joint[0][i], joint[1][i], digits)
        text_beside(ax, y, 6, words, weight="bold" if survives else "normal")
    ax.axvline(0, color=COLOURS["ink"], lw=0.6)
    text_beside(ax, -0.75, 6, "gap (joint interval)", **HEADS)
    if np.isfinite(events).any():
        text_beside(ax, -0.75, 108, "cancers", ha="right", **HEADS)
    if limits is None:
        ax.margins(x=0.05)
    else:
        ax.set_xlim(*limits)
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    ax.set_xlabel(xlabel)
    if title:
        ax.set_title(title, pad=16)
    return ax
