"""The figure of an audit: what each column alone tells of the label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mammolab.audit.run import Result
from mammolab.audit.wording import TELLS_NOTHING, tells_nothing
from mammolab.report.style import COLOURS, text_beside

ALONE = "alone_"  # checks whose statistic is the AUC of one column
LEVEL_COLOURS = {"red": "#B3261E", "amber": "#C77700", "green": "#00795C"}
LEVEL_MARKS = {"red": "X", "amber": "D", "green": "o"}


def drawn(results: Sequence[Result]) -> list[Result]:
    """The results that the figure shows, in their order."""
    return [one for one in results if one.name.startswith(ALONE) and np.isfinite(one.statistic)]


def alone_figure(results: Sequence[Result], label: str) -> Figure:
    """AUC of each column alone, against one half and its limit; to be drawn within `style()`.

    What lies below one half is drawn at one half: a cross-validated AUC there tells nothing.

    Parameters
    ----------
    results : sequence of Result
        Those of `drawn`; at least one.
    label : str
        What the columns tell.
    """
    figure = Figure(figsize=(6.6, 0.62 + 0.235 * len(results)), layout="constrained")
    ax = figure.subplots()
    ax.axvline(0.5, color=COLOURS["published"], lw=0.8)
    for row, one in enumerate(results):
        colour = LEVEL_COLOURS[one.level]
        low, high, value = np.maximum(
            [one.low, one.high, one.statistic], TELLS_NOTHING
        )  # NaN stays
        if high > low:
            ax.hlines(row, low, high, color=colour, lw=1.6)
        ax.plot(value, row, LEVEL_MARKS[one.level], color=colour, ms=5.5, mew=0.4)
        ax.vlines(one.limit, row - 0.32, row + 0.32, color=COLOURS["ink"], lw=1.2)
        interval = f"{one.statistic:.2f}"
        if tells_nothing(one.name, one.statistic):
            interval = "tells nothing"
        elif np.isfinite([one.low, one.high]).all():
            interval += f" ({one.low:.2f}–{one.high:.2f})"
        text_beside(ax, row, 6, interval)
    ax.set_yticks(range(len(results)), [_name(one) for one in results])
    ax.set_ylim(len(results) - 0.4, -0.6)
    values = [v for one in results for v in (one.statistic, one.low, one.high, one.limit)]
    values = np.array(values)[np.isfinite(values)]
    ax.set_xlim(0.47, max(0.7, min(1.0, values.max() + 0.03)) + 0.002)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    told = label.replace("$", r"\$")
    ax.set_xlabel(f"AUC of the column alone for {told} (0.5: it tells nothing)")
    limit = Line2D([], [], color=COLOURS["ink"], lw=1.2, marker="|", ls="none", ms=7, label="limit")
    ax.legend(handles=[limit], loc="lower center", bbox_to_anchor=(0.95, 1.0), handletextpad=0.2)
    return figure


def _name(one: Result) -> str:
    return one.name.removeprefix(ALONE).replace("_years", "").replace("_", " ")
