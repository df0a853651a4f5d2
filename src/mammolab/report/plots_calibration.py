"""Plots of probabilities: where the scores lie, and what they are worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.special import logit

from mammolab.report.style import COLOURS, numeric, require_columns, series_colours

_TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


def score_distributions(ax: Axes, data: pd.DataFrame, prevalence: float) -> Axes:
    """Where the raw scores of exams with and without cancer lie, each to its own area.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (group, bin)
        group ("cancer", "no cancer"), low, high (raw probability, inside 0 to 1), share (of the
        group, sampling weights applied), n_exams (in the bin).
    prevalence : float
        Share of exams with cancer, marked: where the scores would lie on average if they were
        probabilities.

    Returns
    -------
    Axes
    """
    require_columns(data, ("group", "low", "high", "share", "n_exams"), "score_distributions")
    look = {"no cancer": (COLOURS["light"], ""), "cancer": (COLOURS["reader"], "////")}
    for group, (colour, hatch) in look.items():
        rows = data[data["group"] == group]
        low, high = logit(numeric(rows, "low")), logit(numeric(rows, "high"))
        height = numeric(rows, "share") / (high - low)
        edges = np.append(low, high[-1])
        ax.stairs(height, edges, fill=True, color=colour, alpha=0.35, lw=0)
        ax.stairs(height, edges, fill=True, facecolor="none", hatch=hatch, edgecolor=colour, lw=0)
        ax.stairs(height, edges, color=colour, lw=1.1)
        top = int(np.argmax(height))
        ax.text(
            (low[top] + high[top]) / 2,
            1.03 * height[top],
            f"{group}\n{rows['n_exams'].sum():,} exams",
            ha="center",
            va="bottom",
            fontsize=6.5,
            color=colour,
        )
    ax.axvline(logit(prevalence), color=COLOURS["ink"], lw=0.8, ls=(0, (3, 2)))
    ax.text(
        logit(prevalence),
        1.01,
        f"prevalence {1000 * prevalence:.1f} per 1,000",
        transform=ax.get_xaxis_transform(),
        ha="left",
        va="bottom",
        fontsize=6,
    )
    limits = [min(logit(data["low"]).min(), logit(prevalence)) - 0.3, logit(data["high"]).max()]
    shown = [tick for tick in _TICKS if limits[0] <= logit(tick) <= limits[1]]
    ax.set_xlim(limits)
    ax.set_xticks(logit(shown), [f"{tick:g}" for tick in shown])
    ax.set_ylim(0, 1.15 * ax.get_ylim()[1])
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("raw score of the exam, as a probability (logit scale)")
    return ax


def reliability(
    ax: Axes,
    data: pd.DataFrame,
    log: bool = True,
    per: int = 1,
    colours: dict[str, str] | None = None,
    note: str = "",
) -> Axes:
    """Observed against predicted risk for one or several calibrators.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (calibrator, bin)
        calibrator, predicted, observed (probabilities); optional ci_low, ci_high of observed.
    log : bool
        Logarithmic axes, for screening risks that span decades. A bin without a single event is
        drawn as an open triangle at the foot of the plot, one of predicted risk 0 at its left edge.
    per : int
        1000 to read risks per 1,000 exams.
    colours : dict of str to str, optional
        Calibrator -> colour.
    note : str
        Written under the axis, such as how many exams and cancers there are.

    Returns
    -------
    Axes
    """
    require_columns(data, ("calibrator", "predicted", "observed"), "reliability")
    names = list(dict.fromkeys(data["calibrator"]))
    shade = series_colours(names, colours)
    values = per * np.concatenate([numeric(data, "predicted"), numeric(data, "observed")])
    positive = values[values > 0]
    if log:
        limits = (0.5 * positive.min(), min(1.6 * positive.max(), 1.1 * per))
        ax.set_xscale("log")
        ax.set_yscale("log")
    else:
        limits = (0.0, 1.05 * positive.max())
    ax.plot(limits, limits, color=COLOURS["published"], lw=0.7, ls=(0, (3, 2)))
    for number, name in enumerate(names):
        rows = data[data["calibrator"] == name].sort_values("predicted")
        x, y = per * numeric(rows, "predicted"), per * numeric(rows, "observed")
        low, high = per * numeric(rows, "ci_low"), per * numeric(rows, "ci_high")
        if log:  # a predicted risk of nothing stands at the edge: it has no logarithm
            x = np.maximum(x, limits[0])
        ax.vlines(x, np.maximum(low, limits[0]), high, color=shade[name], lw=0.8, alpha=0.7)
        seen = y > 0 if log else np.isfinite(y)
        ax.plot(x[seen], y[seen], "os^D"[number % 4], ls="-", color=shade[name], ms=3, lw=1)
        if not seen.all():  # an empty unclipped line would count as a mark at the figure's corner
            foot = np.full((~seen).sum(), 1.08 * limits[0])
            ax.plot(x[~seen], foot, "v", mfc="white", mec=shade[name], ms=3.5, clip_on=False)
        ax.text(
            0.04,
            0.97 - 0.08 * number,
            name,
            transform=ax.transAxes,
            va="top",
            color=shade[name],
            fontsize=6.5,
            weight="bold",
        )
    ax.set(xlim=limits, ylim=limits)
    unit = "probability" if per == 1 else f"per {per:,}"
    ax.set_xlabel(f"predicted risk ({unit})" + (f"\n{note}" if note else ""))
    ax.set_ylabel(f"observed ({unit})")
    return ax
