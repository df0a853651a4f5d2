"""Plots of risk models over the years, and of what the cancers already visible add."""

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
    ordered_colours,
    percent_axis,
    require_columns,
    series_colours,
    text_beside,
)

_MARKERS = "osD^vP"
_CHANCE = {"color": COLOURS["published"], "lw": 0.7, "ls": (0, (3, 2)), "zorder": 0}


def auc_by_year(ax: Axes, data: pd.DataFrame, ylabel: str = "AUC") -> Axes:
    """AUC of several models by each year after the exam, with intervals.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (model, horizon)
        model, horizon_years, estimate, ci_low, ci_high; optional n_events (cancers by then),
        written under the years. A year without any estimate is not drawn.
    ylabel : str

    Returns
    -------
    Axes
    """
    needed = ("model", "horizon_years", "estimate", "ci_low", "ci_high")
    require_columns(data, needed, "auc_by_year")
    data = data[data["estimate"].notna()]
    models = list(dict.fromkeys(data["model"]))
    colours = series_colours(models)
    years = np.unique(numeric(data, "horizon_years"))
    apart = 0.55 * np.min(np.diff(years), initial=1.0) / len(models)
    ends = []
    for number, model in enumerate(models):
        rows = data[data["model"] == model].sort_values("horizon_years")
        x = numeric(rows, "horizon_years") + (number - (len(models) - 1) / 2) * apart
        y, look = numeric(rows, "estimate"), {"color": colours[model]}
        ax.vlines(x, numeric(rows, "ci_low"), numeric(rows, "ci_high"), lw=1, **look)
        ax.plot(x, y, marker=_MARKERS[number], ms=3.6, lw=0.7, alpha=0.9, **look)
        ends.append((x[-1], y[-1]))
    ax.axhline(0.5, **_CHANCE)
    ax.set_xlim(years[0] - 0.5, years[-1] + 0.4)
    ax.set_ylim(ax.get_ylim())
    label_line_ends(ax, models, *zip(*ends, strict=True), list(colours.values()))
    events = data.assign(n=numeric(data, "n_events")).groupby("horizon_years")["n"].max()
    names = [f"{year:g}" + (f"\n{n:,.0f}" if n >= 0 else "") for year, n in events.items()]
    ax.set_xticks(years, names)
    counted = events.notna().any()
    ax.set_xlabel("years after the exam" + (", and cancers by then" if counted else ""))
    ax.set_ylabel(ylabel)
    return ax


def exclusion_pairs(ax: Axes, data: pd.DataFrame, xlabel: str = "AUC", note: str = "") -> Axes:
    """AUC with and without the cancers of the first year, which the image may already show.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (model, exams), models drawn from the top
        model, exams ("with", "without" and, written beside, "with minus without"), estimate,
        ci_low, ci_high.
    xlabel : str
    note : str
        Written under the axis, such as how many cancers the first year brings.

    Returns
    -------
    Axes
    """
    require_columns(data, ("model", "exams", "estimate", "ci_low", "ci_high"), "exclusion_pairs")
    models = list(dict.fromkeys(data["model"]))
    look = {
        "with": (-0.14, {"marker": "o", "mfc": "white"}),
        "without": (0.14, {"marker": "o", "mfc": COLOURS["model"]}),
    }
    estimate, low, high = (numeric(data, name) for name in ("estimate", "ci_low", "ci_high"))
    for i, (model, exams) in enumerate(zip(data["model"], data["exams"], strict=True)):
        y = models.index(model)
        if exams not in look:
            text_beside(ax, y, 6, interval_text(estimate[i], low[i], high[i]))
            continue
        aside, mark = look[exams]
        ax.plot([low[i], high[i]], [y + aside] * 2, color=COLOURS["model"], lw=1, zorder=1)
        ax.plot(estimate[i], y + aside, color=COLOURS["model"], ms=4.5, ls="none", **mark)
    for exams, (_, mark) in look.items():
        label = f"{exams} the first year"
        ax.plot([], [], color=COLOURS["model"], ms=4.5, ls="none", label=label, **mark)
    ax.axvline(0.5, **_CHANCE)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderpad=0, handletextpad=0.2)
    text_beside(ax, -0.5, 6, "difference", va="bottom", fontsize=6, color=COLOURS["published"])
    ax.set_yticks(range(len(models)), models)
    ax.set_ylim(len(models) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_xlabel(xlabel + (f"\n{note}" if note else ""))
    return ax


def incidence_by_decile(
    ax: Axes, data: pd.DataFrame, labelled: Sequence[str], group_title: str = ""
) -> Axes:
    """Cancers over the years in many groups of predicted risk, of which a few are named.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (group, time), groups in order from low to high risk
        group, time_years, incidence, ci_low, ci_high (0 to 1).
    labelled : sequence of str
        Groups with name and interval; the others are thin lines.
    group_title : str
        Written above the names.

    Returns
    -------
    Axes
    """
    needed = ("group", "time_years", "incidence", "ci_low", "ci_high")
    require_columns(data, needed, "incidence_by_decile")
    names = list(dict.fromkeys(data["group"]))
    colours = dict(zip(names, ordered_colours(len(names)), strict=True))
    ends = {}
    for name in names:
        rows = data[data["group"] == name].sort_values("time_years")
        x, y = numeric(rows, "time_years"), numeric(rows, "incidence")
        shown = name in labelled
        if shown:
            limits = numeric(rows, "ci_low"), numeric(rows, "ci_high")
            ax.fill_between(x, *limits, step="post", color=colours[name], alpha=0.18, lw=0)
            ends[name] = x[-1], y[-1]
        ax.step(x, y, where="post", color=colours[name], lw=1.4 if shown else 0.6)
    ax.set_xlim(0, data["time_years"].max())
    ax.set_ylim(0, None)
    label_line_ends(ax, list(ends), *zip(*ends.values(), strict=True), [colours[n] for n in ends])
    ax.text(
        1.035,
        1.02,
        group_title,
        transform=ax.transAxes,
        fontsize=6,
        va="bottom",
        color=COLOURS["published"],
    )
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    percent_axis(ax.yaxis)
    ax.set_xlabel("years after the exam")
    ax.set_ylabel("cumulative incidence of cancer")
    return ax
