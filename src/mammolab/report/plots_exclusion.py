"""Plots of who is left out of a study: how many, and what one does not report about them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mammolab.report.plots_subgroups import lay_groups
from mammolab.report.style import COLOURS, numeric, percent_axis, require_columns, text_beside

PERFORMANCE = {
    "sensitivity": ("readers' sensitivity", COLOURS["reader"]),
    "auc": ("model's AUC", COLOURS["model"]),
}


def left_out_shares(ax: Axes, data: pd.DataFrame, title: str = "") -> Axes:
    """How much of each group is in the row: of its women, and of its cancers.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a group, in the order to draw
        heading, group; share_women, share_cancers (shares).
    title : str

    Returns
    -------
    Axes
    """
    require_columns(data, ("heading", "group", "share_women", "share_cancers"), "left_out_shares")
    rows = np.array(lay_groups(ax, data["heading"], data["group"]))
    looks = {
        "share_women": ("of the women", COLOURS["published"], -0.18),
        "share_cancers": ("of the cancers", COLOURS["alert"], 0.18),
    }
    for column, (name, colour, aside) in looks.items():
        ax.barh(rows + aside, numeric(data, column), height=0.34, color=colour, lw=0, label=name)
    ax.set_xlim(0, 1)
    percent_axis(ax.xaxis)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, columnspacing=1.0, handlelength=1.0)
    ax.set_title(title, pad=18)
    return ax


def left_out_performance(
    ax: Axes, data: pd.DataFrame, title: str = "", label_rows: bool = True
) -> Axes:
    """What readers and model achieve in each group, with intervals and the number of cancers.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a group, in the order to draw
        heading, group; sensitivity and auc (shares; NaN where too few to tell), each with _low and
        _high; n_cancers, written beside.
    title : str
    label_rows : bool
        Whether the groups are named; not where they stand beside `left_out_shares`.

    Returns
    -------
    Axes
    """
    require_columns(data, ("heading", "group", *PERFORMANCE, "n_cancers"), "left_out_performance")
    rows = np.array(lay_groups(ax, data["heading"], data["group"], label_rows))
    for (column, (name, colour)), aside in zip(PERFORMANCE.items(), (-0.17, 0.17), strict=True):
        value, low, high = (numeric(data, f"{column}{end}") for end in ("", "_low", "_high"))
        ax.hlines(rows + aside, low, high, color=colour, lw=1.0)
        ax.plot(value, rows + aside, "o", color=colour, ms=3.4, label=name)
    few = np.isnan(numeric(data, "sensitivity")) & np.isnan(numeric(data, "auc"))
    for y, too_few, n_cancers in zip(rows, few, numeric(data, "n_cancers"), strict=True):
        if too_few:
            ax.text(0.02, y, "too few to tell", transform=ax.get_yaxis_transform(), va="center",
                    fontsize=6.5, color=COLOURS["published"])  # fmt: skip
        text_beside(ax, y, 30, f"{n_cancers:,.0f}", ha="right")
    text_beside(ax, -0.75, 30, "cancers", ha="right", color=COLOURS["published"])
    percent_axis(ax.xaxis)
    ax.set_xlim(right=1.0)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, columnspacing=1.0, handlelength=1.0)
    ax.set_title(title, pad=18)
    return ax
