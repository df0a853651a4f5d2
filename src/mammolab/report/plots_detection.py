"""Plots of how good a detector is between a floor and a ceiling."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mammolab.errors import InputError
from mammolab.report.style import COLOURS, interval_text, numeric, require_columns, text_beside

# Role -> colour and marker of its dot.
ROLES = {
    "ceiling": (COLOURS["truth"], "D"),
    "model": (COLOURS["model"], "o"),
    "floor": (COLOURS["ink"], "o"),
}


def auc_ladder(ax: Axes, data: pd.DataFrame) -> Axes:
    """AUC of a network between simple baselines and the best that could be, with intervals.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row an observer, drawn from the top
        observer (its name), role ("ceiling", "model" or "floor"), estimate, ci_low, ci_high (NaN
        where there is none).

    Returns
    -------
    Axes
    """
    require_columns(data, ("observer", "role", "estimate", "ci_low", "ci_high"), "auc_ladder")
    unknown = sorted(set(data["role"]) - set(ROLES))
    if unknown:
        raise InputError(
            f"auc_ladder knows no role {', '.join(map(str, unknown))}; roles are {', '.join(ROLES)}"
        )
    estimate, low, high = (numeric(data, name) for name in ("estimate", "ci_low", "ci_high"))
    ax.axvline(0.5, color=COLOURS["published"], lw=0.7, ls=(0, (3, 2)), zorder=0)
    ax.text(
        0.5,
        1.01,
        "chance",
        transform=ax.get_xaxis_transform(),
        ha="center",
        va="bottom",
        fontsize=6,
        color=COLOURS["published"],
    )
    for y, role in enumerate(data["role"]):
        colour, marker = ROLES[role]
        ax.plot([low[y], high[y]], [y, y], color=colour, lw=1.1)
        ax.plot(estimate[y], y, marker, color=colour, ms=3.6, mew=0)
        text_beside(ax, y, 4, interval_text(estimate[y], low[y], high[y]), color=colour)
    ax.set_yticks(range(len(data)), data["observer"])
    ax.set_ylim(len(data) - 0.5, -0.6)
    lowest = np.nanmin([0.5, *estimate, *low])
    ax.set_xlim(min(0.45, lowest - 0.02), 1.0)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("AUC")
    return ax
