"""Plots of outcomes: subgroups, risk over time, and pitfalls against the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mammolab.report.plots_subgroups import HEADS, lay_groups
from mammolab.report.style import (
    COLOURS,
    interval_text,
    numeric,
    require_columns,
    text_beside,
)


def forest(
    ax: Axes,
    data: pd.DataFrame,
    xlabel: str = "AUC",
    reference: float | None = None,
    digits: int = 2,
    percent: bool = False,
    unit: str = "%",
    count_head: str = "cancers",
    label_rows: bool = True,
    ratio: bool = False,
) -> Axes:
    """An estimate in each subgroup, under its heading, with counts and interval in words.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a subgroup, in the order to draw
        group (heading, such as "Age, years"; "" for the whole sample), subgroup, estimate,
        ci_low, ci_high (NaN where too few to estimate); optional n_events, written beside each, and
        count (text, written instead).
    xlabel : str
    reference : float, optional
        A vertical line, say the estimate in the whole sample.
    digits : int
        Decimals in the written estimates.
    percent : bool
        Estimates are shares, to print in percent.
    unit : str
        What a percentage is called on the axis: "points" for a difference of two.
    count_head : str
        Heading of the counts.
    label_rows : bool
        False where a panel to the left names the rows.
    ratio : bool
        Estimates are ratios: a half lies as far from 1 as the double.

    Returns
    -------
    Axes
    """
    require_columns(data, ("group", "subgroup", "estimate", "ci_low", "ci_high"), "forest")
    scale = 100 if percent else 1
    estimate, low, high = (scale * numeric(data, c) for c in ("estimate", "ci_low", "ci_high"))
    events = numeric(data, "n_events")
    counts = [f"{n:,.0f}" if np.isfinite(n) else "" for n in events]
    if "count" in data:
        counts = list(data["count"])
    largest = np.nanmax(np.append(events, 1))
    count_at = 122 if (low < 0).any() else 98  # points: "to" makes longer intervals
    rows = lay_groups(ax, data["group"], data["subgroup"], label_rows)
    for i, (group, y) in enumerate(zip(data["group"], rows, strict=True)):
        whole = group == ""
        colour = COLOURS["ink"] if whole else COLOURS["model"]
        ax.plot([low[i], high[i]], [y, y], color=colour, lw=1.1, solid_capstyle="butt")
        share = 0.5 if not np.isfinite(events[i]) else np.sqrt(events[i] / largest)
        size = 5 if whole else 2.5 + 2.5 * share
        ax.plot(estimate[i], y, "D" if whole else "s", color=colour, ms=size)
        if np.isfinite(estimate[i]):
            text_beside(ax, y, 6, interval_text(estimate[i], low[i], high[i], digits))
        else:
            text_beside(ax, y, 6, "too few", color=COLOURS["published"])
        text_beside(ax, y, count_at, counts[i], ha="right")
    if reference is not None:
        ax.axvline(scale * reference, color=COLOURS["published"], lw=0.7, ls=(0, (3, 2)), zorder=0)
    text_beside(ax, -0.75, 6, "estimate (interval)", **HEADS)
    if any(counts):
        text_beside(ax, -0.75, count_at, count_head, ha="right", **HEADS)
    ax.margins(x=0.05)
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    if ratio:
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.minorticks_off()
    ax.set_xlabel(xlabel + (f" ({unit})" if percent else ""))
    return ax


def pitfall_dumbbell(ax: Axes, data: pd.DataFrame, xlabel: str = "AUC") -> Axes:
    """What a mistaken analysis reports, against the truth, and whether a guard speaks up.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a pitfall, drawn from the top
        pitfall, reported, true; optional reported_low, reported_high, true_low, true_high and
        guard_fired (bool).
    xlabel : str

    Returns
    -------
    Axes
    """
    require_columns(data, ("pitfall", "reported", "true"), "pitfall_dumbbell")
    reported, true = numeric(data, "reported"), numeric(data, "true")
    look = {"reported": (reported, COLOURS["reader"]), "true": (true, COLOURS["truth"])}
    for row in range(len(data)):
        ax.annotate(
            "",
            xy=(reported[row], row),
            xytext=(true[row], row),
            arrowprops={"arrowstyle": "-", "lw": 2.2, "color": COLOURS["faint"]},
            zorder=0,
        )
        for name, (values, colour) in look.items():
            ends = numeric(data, f"{name}_low")[row], numeric(data, f"{name}_high")[row]
            ax.plot(ends, [row, row], color=colour, lw=0.9)
            ax.plot(values[row], row, "o", color=colour, ms=5.5, mec="white", mew=0.6)
            right = values[row] > min(reported[row], true[row])
            ax.annotate(
                f"{values[row]:.2f}",
                (values[row], row),
                xytext=(1 if right else -1, 6),
                textcoords="offset points",
                ha="left" if right else "right",
                fontsize=6,
                color=colour,
            )
        if row == 0:
            for name, (values, colour) in look.items():
                ax.annotate(
                    name,
                    (values[row], row),
                    xytext=(0, 15),
                    textcoords="offset points",
                    ha="left" if values[row] > min(reported[row], true[row]) else "right",
                    fontsize=6.5,
                    weight="bold",
                    color=colour,
                )
    if "guard_fired" in data.columns:
        for row, fired in enumerate(data["guard_fired"]):
            text_beside(
                ax,
                row,
                6,
                "guard speaks" if fired else "guard silent",
                color=COLOURS["truth"] if fired else COLOURS["published"],
            )
    ax.set_yticks(range(len(data)), data["pitfall"])
    ax.set_ylim(len(data) - 0.5, -0.95)
    ax.margins(x=0.12)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(xlabel)
    return ax
