"""Plots of two counts that are taken for others: cancers in a group, and bootstrap replicates."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mammolab.report.style import COLOURS, numeric, percent_axis, require_columns


def cancers_to_know(ax: Axes, data: pd.DataFrame, auc_rest: float) -> Axes:
    """How many cancers a group must hold for its lower AUC to be seen, by that AUC.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row an AUC and number of groups looked at
        auc_group, n_looks, n_cancers (NaN: more than can be had), n_cancers_here (a test set's own
        number, drawn as a line).
    auc_rest : float
        Of everyone else.

    Returns
    -------
    Axes
    """
    require_columns(
        data, ("auc_group", "n_looks", "n_cancers", "n_cancers_here"), "cancers_to_know"
    )
    looks = sorted(data["n_looks"].unique())
    colours = (COLOURS["model"], COLOURS["reader"], COLOURS["truth"], COLOURS["second"])
    for colour, n_looks in zip(colours, looks, strict=False):
        part = data[data["n_looks"] == n_looks].sort_values("auc_group")
        name = "one group, named beforehand" if n_looks == 1 else f"one of {n_looks} groups"
        ax.plot(numeric(part, "auc_group"), numeric(part, "n_cancers"), color=colour, label=name)
    here = float(data["n_cancers_here"].iloc[0])
    ax.axhline(here, color=COLOURS["published"], lw=0.8, ls=(0, (3, 2)))
    ax.annotate(
        f"all cancers of this test set: {here:.0f}",
        (0, here),
        xycoords=ax.get_yaxis_transform(),
        xytext=(4, -3),
        textcoords="offset points",
        va="top",
        fontsize=6,
        color=COLOURS["published"],
    )
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_ylim(5, max(4000, 3 * here))
    ax.set_xlabel(f"AUC in the group ({auc_rest:.2f} among everyone else)")
    ax.set_ylabel("cancers needed in the group")
    ax.legend(loc="upper left", handlelength=1.6)
    return ax


def replicate_error(ax: Axes, data: pd.DataFrame, nominal: float) -> Axes:
    """How often a t test over replicates passes an inferior reading, by their number.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a number of replicates
        n_replicates; error, by the formula; simulated with simulated_low and simulated_high, NaN
        where nothing was simulated.
    nominal : float
        What the test claims.

    Returns
    -------
    Axes
    """
    require_columns(
        data, ("n_replicates", "error", "simulated", "simulated_low"), "replicate_error"
    )
    data = data.sort_values("n_replicates")
    number, formula = numeric(data, "n_replicates"), numeric(data, "error")
    value, low, high = (numeric(data, f"simulated{end}") for end in ("", "_low", "_high"))
    known = ~np.isnan(formula)
    ax.plot(number[known], formula[known], color=COLOURS["truth"], label="by formula")
    shown = ~np.isnan(value)
    ax.vlines(number[shown], low[shown], high[shown], color=COLOURS["truth"], lw=0.9)
    ax.plot(
        number[shown], value[shown], "D", color=COLOURS["truth"], ms=3.6, mew=0, label="simulated"
    )
    ax.axhline(nominal, color=COLOURS["reader"], label="claimed")
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_ylim(0, 0.6)
    percent_axis(ax.yaxis)
    ax.set_xlabel("bootstrap replicates")
    ax.set_ylabel("inferior, called non-inferior")
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 0.1))
    return ax
