"""Plots of triage: whom the scores rank where, what a threshold gives and takes, and the readers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mammolab.report.style import (
    COLOURS,
    interval_text,
    label_line_ends,
    numeric,
    percent_axis,
    require_columns,
    text_beside,
)

# Who the reader was right and wrong about, as in the triage paper's histograms of scores.
READER_GROUPS = {
    "TP": ("true positive", COLOURS["truth"]),
    "FP": ("false positive", COLOURS["second"]),
    "TN": ("true negative", COLOURS["light"]),
    "FN": ("false negative", COLOURS["reader"]),
}


def score_percentiles(
    ax: Axes, data: pd.DataFrame, threshold_percentile: float | None = None
) -> Axes:
    """Where in the order of scores the reader's hits, false alarms and misses lie.

    Four rows of bars, each to its own height; the bars of a row sum to its group.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (group, bin), from `frames.percentile_bins`
        group (TP, FP, TN, FN: the reader's decision against the outcome), percentile_low,
        percentile_high (0 to 100), weight (exams in the bin, sampling weights applied).
    threshold_percentile : float, optional
        Exams below it are ruled out; that side is shaded.

    Returns
    -------
    Axes
    """
    require_columns(
        data, ("group", "percentile_low", "percentile_high", "weight"), "score_percentiles"
    )
    present = [group for group in READER_GROUPS if group in set(data["group"])]
    for row, group in enumerate(present):
        base = len(present) - 1 - row
        title, colour = READER_GROUPS[group]
        bins = data[data["group"] == group]
        low, high = numeric(bins, "percentile_low"), numeric(bins, "percentile_high")
        weight = numeric(bins, "weight")
        ax.bar(
            low,
            0.78 * weight / weight.max(),
            bottom=base,
            width=high - low,
            align="edge",
            color=colour,
            edgecolor="white",
            linewidth=0.3,
        )
        ax.axhline(base, color=COLOURS["ink"], lw=0.5)
        ax.text(
            -2, base + 0.32, f"{title}\n{weight.sum():,.0f}", ha="right", va="center", fontsize=6.5
        )
    if threshold_percentile is not None:
        ax.axvspan(0, threshold_percentile, color=COLOURS["faint"], alpha=0.55, lw=0, zorder=0)
        ax.axvline(threshold_percentile, color=COLOURS["ink"], lw=0.8, ls=(0, (3, 2)))
        ax.text(
            threshold_percentile,
            len(present) - 0.02,
            " ruled out",
            fontsize=6.5,
            ha="right" if threshold_percentile > 15 else "left",
            va="bottom",
        )
    ax.set_xlim(0, 100)
    ax.set_ylim(0, len(present))
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("percentile of the network's score")
    return ax


def triage_threshold(
    ax: Axes,
    data: pd.DataFrame,
    chosen: float,
    target_sensitivity: float | None = None,
    log: bool = True,
    note: str = "",
) -> Axes:
    """What a rule-out threshold gives (exams not read) and takes (cancers not read).

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a threshold
        threshold (calibrated probability), sensitivity (share of cancers at or above it),
        fraction_ruled_out (share of exams below it); optional sensitivity_low,
        sensitivity_high, fraction_ruled_out_low, fraction_ruled_out_high.
    chosen : float
        The threshold in use, marked with the two shares it gives.
    target_sensitivity : float, optional
        Drawn as a horizontal line.
    log : bool
        Logarithmic thresholds.
    note : str
        Written under the axis: whom it rests on.

    Returns
    -------
    Axes
    """
    require_columns(data, ("threshold", "sensitivity", "fraction_ruled_out"), "triage_threshold")
    data = data.sort_values("threshold")
    x = numeric(data, "threshold")
    if log:
        data, x = data[x > 0], x[x > 0]
        ax.set_xscale("log")
    curves = {
        "sensitivity": ("cancers\nstill read", COLOURS["reader"]),
        "fraction_ruled_out": ("exams\nruled out", COLOURS["model"]),
    }
    ends = []
    for column, (_, colour) in curves.items():
        y = numeric(data, column)
        ax.fill_between(
            x,
            numeric(data, f"{column}_low"),
            numeric(data, f"{column}_high"),
            color=colour,
            alpha=0.18,
            lw=0,
        )
        ax.plot(x, y, color=colour)
        at = np.interp(chosen, x, y)
        ax.plot(chosen, at, "o", color=colour, mec="white", ms=5)
        # Beside the falling curve, which has left by then; below the rising one.
        ax.annotate(
            f"{100 * at:.1f}%",
            (chosen, at),
            xytext=(8, 3 if at > 0.5 else -7),
            fontsize=6.5,
            textcoords="offset points",
            color=colour,
            va="center",
        )
        ends.append((x[-1], y[-1]))
    ax.axvline(chosen, color=COLOURS["ink"], lw=0.8, ls=(0, (3, 2)), zorder=0)
    ax.text(
        chosen,
        1.01,
        "threshold",
        transform=ax.get_xaxis_transform(),
        ha="center",
        va="bottom",
        fontsize=6.5,
    )
    if target_sensitivity is not None:
        ax.axhline(target_sensitivity, color=COLOURS["published"], lw=0.6)
        ax.text(
            0.99,
            target_sensitivity - 0.012,
            f"target {100 * target_sensitivity:g}%",
            transform=ax.get_yaxis_transform(),
            ha="right",
            va="top",
            fontsize=6,
            color=COLOURS["published"],
        )
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(-0.01, 1.03)
    label_line_ends(
        ax,
        [text for text, _ in curves.values()],
        *zip(*ends, strict=True),
        [colour for _, colour in curves.values()],
    )
    percent_axis(ax.yaxis)
    ax.set_xlabel(
        "rule-out threshold (probability of cancer within a year)" + (f"\n{note}" if note else "")
    )
    return ax


def readers_paired(
    ax: Axes,
    data: pd.DataFrame,
    margin: float | None = None,
    margin_measures: Sequence[str] = ("sensitivity",),
) -> Axes:
    """The same readers with and without triage, with the non-inferiority limit.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, two rows a measure
        measure (such as "sensitivity"), setting ("without triage" or "with triage"), estimate,
        ci_low, ci_high (all 0 to 1).
    margin : float, optional
        Largest loss allowed, 0 to 1 scale; a bar this far below the estimate without triage.
    margin_measures : sequence of str
        The measures to which the margin applies.

    Returns
    -------
    Axes
    """
    require_columns(data, ("measure", "setting", "estimate", "ci_low", "ci_high"), "readers_paired")
    measures = list(dict.fromkeys(data["measure"]))
    look = {"without triage": (-0.13, COLOURS["reader"]), "with triage": (0.13, COLOURS["model"])}
    estimate, low, high = (numeric(data, c) for c in ("estimate", "ci_low", "ci_high"))
    at: dict[tuple[str, str], float] = {}
    for i, (measure, setting) in enumerate(zip(data["measure"], data["setting"], strict=True)):
        offset, colour = look[setting]
        y = measures.index(measure) + offset
        at[measure, setting] = estimate[i]
        ax.plot([low[i], high[i]], [y, y], color=colour, lw=1.4, solid_capstyle="butt")
        ax.plot(estimate[i], y, "o", color=colour, ms=5, mec="white", mew=0.6)
        text_beside(
            ax, y, 5, interval_text(estimate[i], low[i], high[i], digits=1, scale=100), color=colour
        )
    for row, measure in enumerate(measures):
        ends = at[measure, "without triage"], at[measure, "with triage"]
        ax.plot(ends, [row - 0.13, row + 0.13], color=COLOURS["published"], lw=0.7, zorder=0)
        if margin is not None and measure in margin_measures:
            limit = ends[0] - margin
            ax.plot([limit, limit], [row - 0.33, row + 0.33], color=COLOURS["ink"], lw=1.2)
            ax.text(limit, row - 0.36, "limit", ha="center", va="bottom", fontsize=6)
    for setting, (offset, colour) in look.items():
        ax.text(
            at[measures[0], setting],
            (-0.24 if offset < 0 else 0.24),
            setting,
            ha="center",
            va="bottom" if offset < 0 else "top",
            fontsize=6.5,
            color=colour,
        )
    ax.set_yticks(range(len(measures)), measures)
    ax.set_ylim(len(measures) - 0.4, -0.65)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    percent_axis(ax.xaxis)
    ax.margins(x=0.08)
    return ax


def noninferiority(
    ax: Axes,
    data: pd.DataFrame,
    margin: float,
    margin_measures: Sequence[str] = ("sensitivity",),
    note: str = "",
) -> Axes:
    """Differences with against without triage, and the margin they must stay above.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a measure
        measure, difference (with minus without, 0 to 1 scale), ci_low, ci_high.
    margin : float
        Largest loss allowed, positive, 0 to 1 scale; what lies beyond is shaded.
    margin_measures : sequence of str
        The measures to which the margin applies.
    note : str
        Written under the axis: whom it rests on.

    Returns
    -------
    Axes
    """
    require_columns(data, ("measure", "difference", "ci_low", "ci_high"), "noninferiority")
    difference, low, high = (100 * numeric(data, c) for c in ("difference", "ci_low", "ci_high"))
    limit = -100 * margin
    left = 1.3 * min(limit, np.nanmin(low))
    for row, measure in enumerate(data["measure"]):
        if measure in margin_measures:
            ax.fill_between(
                [left, limit], row - 0.42, row + 0.42, color=COLOURS["reader"], alpha=0.13, lw=0
            )
            ax.plot([limit, limit], [row - 0.42, row + 0.42], color=COLOURS["reader"], lw=1)
            ax.text(
                limit,
                row - 0.44,
                "margin",
                ha="center",
                va="bottom",
                fontsize=6.5,
                color=COLOURS["reader"],
            )
        ax.plot([low[row], high[row]], [row, row], color=COLOURS["model"], lw=1.4)
        ax.plot(difference[row], row, "o", color=COLOURS["model"], ms=5, mec="white", mew=0.6)
        text_beside(
            ax,
            row,
            5,
            interval_text(difference[row], low[row], high[row], digits=1),
            color=COLOURS["model"],
        )
    ax.axvline(0, color=COLOURS["published"], lw=0.7, ls=(0, (3, 2)), zorder=0)
    ax.set_xlim(left, max(0.3 * margin * 100, 1.3 * np.nanmax(high)))
    ax.set_yticks(range(len(data)), data["measure"])
    ax.set_ylim(len(data) - 0.4, -0.65)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("with − without triage, percentage points" + (f"\n{note}" if note else ""))
    return ax
