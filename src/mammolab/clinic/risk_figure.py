"""The five-year risks of a table of women, one panel a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
from numpy.typing import ArrayLike

from mammolab.clinic.risk_scores import RiskScores
from mammolab.clinic.risk_words import percent
from mammolab.report.style import COLOURS, SINGLE_COLUMN_IN
from mammolab.risk.guidelines import FIVE_YEAR_THRESHOLDS

BINS_A_DECADE = 20
TICKS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
PANEL_IN, REST_IN = 1.25, 0.55


def risk_histogram(
    ax: Axes, risk: ArrayLike, edges: ArrayLike, thresholds: Sequence[float] = FIVE_YEAR_THRESHOLDS
) -> Axes:
    """Draw how many women have which risk, and the share at or above each threshold.

    Parameters
    ----------
    ax : Axes
    risk : array of float, shape (n,)
        Absolute risks, all known and within `edges`.
    edges : array of float
        Of the bins; the axis is logarithmic.
    thresholds : sequence of float

    Returns
    -------
    Axes
        The same.
    """
    risk = np.asarray(risk, dtype=float)
    ax.hist(risk, bins=edges, color=COLOURS["model"], linewidth=0)
    ax.set_xscale("log")
    ax.set_xlim(edges[0], edges[-1])
    ax.margins(y=0.3)  # room above the bars for what stands at the thresholds
    for k, cut in enumerate(thresholds):
        if not edges[0] < cut < edges[-1]:
            continue
        ax.axvline(cut, color=COLOURS["ink"], linewidth=0.8, linestyle=(0, (3, 2)))
        text = f" {100 * cut:g}%: {percent((risk >= cut).mean(), 1)} at or above "
        side = "left" if k else "right"  # of two thresholds, each has its side to itself
        ax.text(cut, 0.98, text, transform=ax.get_xaxis_transform(), ha=side, va="top", fontsize=6)
    ax.xaxis.set_major_locator(NullLocator())
    ax.set_xticks([tick for tick in TICKS if edges[0] <= tick <= edges[-1]])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g}%"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    return ax


def draw_five_year_risk(s: RiskScores) -> Figure | None:
    """One panel a model that scored anybody, on one axis of risk; None where no one is scored."""
    shown = [one for one in s.verdicts if one.scored.any() and "5y" in one.risks]
    if not shown:
        return None
    all_risks = np.concatenate([one.risks["5y"][one.scored] for one in shown])
    low = max(np.quantile(all_risks, 0.001), TICKS[0])
    # From a tick below almost everyone to room beyond the thresholds for what stands there.
    edge_low = max(tick for tick in TICKS if tick <= low)
    edge_high = max(all_risks.max() * 1.05, 3 * FIVE_YEAR_THRESHOLDS[-1])
    n_bins = int(np.ceil(BINS_A_DECADE * np.log10(edge_high / edge_low)))
    edges = np.geomspace(edge_low, edge_high, n_bins + 1)
    figure = Figure(
        figsize=(SINGLE_COLUMN_IN, REST_IN + PANEL_IN * len(shown)), layout="constrained"
    )
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for ax, one in zip(panels, shown, strict=True):
        risk = one.risks["5y"][one.scored]
        risk_histogram(ax, np.clip(risk, edge_low, None), edges)
        ax.set_title(f"{one.title}, {len(risk):,} {s.women.unit}")
        ax.set_ylabel(s.women.unit)
    panels[-1].set_xlabel("risk of breast cancer within five years")
    if s.women.synthetic:
        figure.suptitle("synthetic data: no clinical finding", x=0.99, ha="right", fontsize=6)
    return figure
