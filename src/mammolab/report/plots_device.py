"""Plots of scores that depend on the device: measures of devices, or of repairs, row by row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mammolab.report.style import (
    COLOURS,
    interval_text,
    numeric,
    percent_axis,
    require_columns,
    text_beside,
)

_APART = 0.17  # between two measures of one row, in rows
_LOOKS = (
    {"marker": "o", "color": COLOURS["model"], "mfc": COLOURS["model"]},
    {"marker": "o", "color": COLOURS["published"], "mfc": "white"},
)


def interval_rows(
    ax: Axes,
    data: pd.DataFrame,
    measures: Mapping[str, str],
    xlabel: str,
    reference: float | None = None,
    reference_label: str = "",
    label_rows: bool = True,
    percent: bool = False,
) -> Axes:
    """One or two measures of each device, or way of training, with intervals: a row each.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, the first row on top
        name; of every measure its column and those with _low and _high.
    measures : mapping of column to its name in the legend, or "" for none
        One, drawn filled, or two, the second hollow below. The first is printed on the right.
    xlabel : str
    reference : float, optional
        A dashed line across all rows, named at its top by `reference_label`.
    label_rows : bool
        Name the rows at the left.
    percent : bool
        The measures are shares, to be shown in percent.

    Returns
    -------
    Axes
    """
    require_columns(data, ("name", *measures), "interval_rows")
    rows = np.arange(len(data), dtype=float)
    if reference is not None:
        ax.axvline(reference, color=COLOURS["reader"], lw=0.8, ls=(0, (3, 2)), zorder=0)
        ax.annotate(
            reference_label,
            xy=(reference, 1),
            xycoords=ax.get_xaxis_transform(),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=6.5,
            color=COLOURS["reader"],
        )
    offsets = (0.0,) if len(measures) == 1 else (-_APART, _APART)
    for k, (measure, name) in enumerate(measures.items()):
        value, low, high = (numeric(data, f"{measure}{end}") for end in ("", "_low", "_high"))
        at, look = rows + offsets[k], _LOOKS[k]
        ax.hlines(at, low, high, color=look["color"], lw=1.0)
        ax.plot(value, at, ls="none", ms=4.2, mew=0.9, mec=look["color"], label=name, **look)
        if k == 0:
            for row in range(len(data)):
                words = interval_text(
                    value[row],
                    low[row],
                    high[row],
                    digits=0 if percent else 2,
                    scale=100 if percent else 1,
                )
                text_beside(ax, at[row], 3, words)
    if any(measures.values()):
        ax.legend(
            loc="lower left", bbox_to_anchor=(-0.02, 1.1), ncols=2, handlelength=1.0, borderpad=0
        )
    ax.set_yticks(rows, data["name"] if label_rows else [""] * len(data))
    ax.set_ylim(len(data) - 0.5, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="y", color=COLOURS["faint"], lw=0.4, zorder=-1)
    if percent:
        percent_axis(ax.xaxis)
    ax.set_xlabel(xlabel)
    return ax
