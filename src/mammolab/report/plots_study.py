"""Plots of the study of training choices: curves over gradient steps, and ways side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mammolab.report.style import (
    COLOURS,
    label_line_ends,
    numeric,
    require_columns,
    series_colours,
)

_APART = 0.22  # between two series at one place, in places
_SEED = {"marker": "o", "ms": 2.0, "alpha": 0.45, "lw": 0, "mew": 0}


def curves_over_steps(ax: Axes, data: pd.DataFrame, value: str, ylabel: str) -> Axes:
    """One line a way over gradient steps: the mean of its seeds, and each seed faintly.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a way, seed and point
        way, seed, steps, and the column `value`.
    value : str
    ylabel : str

    Returns
    -------
    Axes
    """
    require_columns(data, ("way", "seed", "steps", value), "curves_over_steps")
    names = list(dict.fromkeys(data["way"]))
    colours = series_colours(names)
    ends = []
    for name in names:
        rows = data[data["way"] == name]
        for _, one in rows.groupby("seed"):
            ax.plot(numeric(one, "steps"), numeric(one, value), color=colours[name], lw=0.5,
                    alpha=0.45)  # fmt: skip
        mean = rows.groupby("steps")[value].mean()
        ax.plot(mean.index, mean.to_numpy(), color=colours[name], marker="o", ms=2.4, lw=1.3)
        ends.append((mean.index[-1], mean.iloc[-1]))
    ax.margins(x=0.04, y=0.10)
    ax.set_xlim(0, ax.get_xlim()[1])
    ax.set_ylim(ax.get_ylim())
    label_line_ends(ax, names, *zip(*ends, strict=True), list(colours.values()))
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.set_xlabel("gradient steps")
    ax.set_ylabel(ylabel)
    return ax


def ways_compared(
    ax: Axes,
    data: pd.DataFrame,
    title: str = "",
    xlabel: str = "",
    ylabel: str = "dev AUC",
    ceiling: float | None = None,
    limits: tuple[float, float] | None = None,
) -> Axes:
    """Dev AUC of ways side by side: mean over seeds with its interval, and each seed faintly.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a way, and one each of its seeds
        label, auc, seed (NaN: mean over seeds), ci_low, ci_high; optional series.
    title, xlabel, ylabel : str
    ceiling : float, optional
        A level drawn across, such as the AUC of an observer who knows where to look.
    limits : (low, high), optional
        Of the vertical axis, to be shared between panels.

    Returns
    -------
    Axes
    """
    require_columns(data, ("label", "auc", "seed", "ci_low", "ci_high"), "ways_compared")
    if "series" not in data.columns:
        data = data.assign(series="")
    labels, series = list(dict.fromkeys(data["label"])), list(dict.fromkeys(data["series"]))
    colours = dict(zip(series, (COLOURS["model"], COLOURS["second"]), strict=False))
    for number, name in enumerate(series):
        rows = data[data["series"] == name]
        aside = (number - (len(series) - 1) / 2) * _APART
        place = rows["label"].map({label: i + aside for i, label in enumerate(labels)}).to_numpy()
        means = rows["seed"].isna().to_numpy()
        value, low, high = (numeric(rows, column) for column in ("auc", "ci_low", "ci_high"))
        ax.plot(place[~means] + 0.07, value[~means], color=colours[name], **_SEED)
        ax.errorbar(
            place[means], value[means],
            yerr=np.abs([value[means] - low[means], high[means] - value[means]]),
            fmt="o", ms=3.6, color=colours[name], elinewidth=1.0, capsize=0, label=name,
        )  # fmt: skip
        if len(series) > 1:
            ax.plot(place[means], value[means], color=colours[name], lw=0.8, alpha=0.7)
    ax.set_xlim(-0.6, len(labels) - 0.4)
    if limits is not None:
        ax.set_ylim(limits)
    if ceiling is not None:
        ax.axhline(ceiling, color=COLOURS["truth"], lw=0.8, ls=(0, (4, 2)))
        ax.text(len(labels) - 0.45, ceiling, "knows where", ha="right", va="top", fontsize=6,
                color=COLOURS["truth"])  # fmt: skip
    if len(series) > 1:
        ax.legend(loc="lower right", handletextpad=0.3)
    ax.set_xticks(range(len(labels)), labels)
    ax.set_title(title)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    return ax
