"""Plots of a model's behaviour: its training, its ROC curve, its calibration, its AUC."""

from __future__ import annotations

from collections.abc import Sequence

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
    text_beside,
)


def training_history(
    ax: Axes,
    data: pd.DataFrame,
    curves: Sequence[str] = ("dev_auc",),
    labels: Sequence[str] | None = None,
    ylabel: str = "",
    chosen_epoch: int | None = None,
) -> Axes:
    """Curves over epochs, with the epoch whose weights were kept.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row an epoch
        epoch, and each column named in `curves` (NaN where it was not measured).
    curves : sequence of str
        Columns to draw; one panel a unit (losses in one, AUC in another).
    labels : sequence of str, optional
        Names written at the curves' ends; the columns' names when not given.
    ylabel : str
    chosen_epoch : int, optional
        Marked by a line, and by a dot on each curve.

    Returns
    -------
    Axes
    """
    require_columns(data, ("epoch", *curves), "training_history")
    names = list(labels) if labels is not None else [curve.replace("_", " ") for curve in curves]
    colours = list(series_colours(names).values())
    epoch = numeric(data, "epoch")
    ends = []
    for curve, colour in zip(curves, colours, strict=True):
        y = numeric(data, curve)
        measured = np.isfinite(y)
        ax.plot(epoch[measured], y[measured], color=colour, marker="o", ms=2.2, lw=1.1)
        ends.append((epoch[measured][-1], y[measured][-1]))
        chosen = measured & (epoch == chosen_epoch)
        ax.plot(epoch[chosen], y[chosen], "o", ms=6, mfc="white", mec=colour, mew=1.3)
    if chosen_epoch is not None:
        ax.axvline(chosen_epoch, color=COLOURS["published"], lw=0.7, ls=(0, (3, 2)), zorder=0)
        ax.text(
            chosen_epoch,
            1.01,
            "kept",
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=6,
            color=COLOURS["published"],
        )
    ax.margins(x=0.04, y=0.12)
    ax.set_xlim(ax.get_xlim())
    ax.set_ylim(ax.get_ylim())
    label_line_ends(ax, names, *zip(*ends, strict=True), colours)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel(ylabel)
    return ax


def roc(
    ax: Axes,
    data: pd.DataFrame,
    labels: dict[str, str] | None = None,
    points: Sequence[dict] = (),
) -> Axes:
    """ROC curves with their bands, and operating points of readers.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a point of a curve
        false_positive_rate, sensitivity (both 0 to 1); optional ci_low, ci_high (band of
        sensitivity at that rate) and curve (name; one curve when absent).
    labels : dict of str to str, optional
        Curve -> text written in the plot, such as its name with AUC and interval.
    points : sequence of dict
        Operating points: label, sensitivity, specificity; optional sensitivity_low,
        sensitivity_high, specificity_low, specificity_high.

    Returns
    -------
    Axes
    """
    require_columns(data, ("false_positive_rate", "sensitivity"), "roc")
    if "curve" not in data.columns:
        data = data.assign(curve="network")
    names = list(dict.fromkeys(data["curve"]))
    colours = series_colours(names)
    ax.plot([0, 1], [0, 1], color=COLOURS["published"], lw=0.7, ls=(0, (3, 2)))
    for number, name in enumerate(names):
        rows = data[data["curve"] == name].sort_values(["false_positive_rate", "sensitivity"])
        x, y = numeric(rows, "false_positive_rate"), numeric(rows, "sensitivity")
        low, high = numeric(rows, "ci_low"), numeric(rows, "ci_high")
        ax.fill_between(x, low, high, color=colours[name], alpha=0.18, lw=0)
        ax.plot(x, y, color=colours[name])
        ax.text(
            0.98,
            0.05 + 0.075 * (len(names) - 1 - number),
            (labels or {}).get(name, name),
            ha="right",
            va="bottom",
            color=colours[name],
            fontsize=6.5,
        )
    for point in points:
        x, y = 1 - point["specificity"], point["sensitivity"]
        if "sensitivity_low" in point:
            ax.plot(
                [x, x],
                [point["sensitivity_low"], point["sensitivity_high"]],
                color=COLOURS["reader"],
                lw=1,
            )
        if "specificity_low" in point:
            ax.plot(
                [1 - point["specificity_low"], 1 - point["specificity_high"]],
                [y, y],
                color=COLOURS["reader"],
                lw=1,
            )
        ax.plot(x, y, "D", color=COLOURS["reader"], ms=4.5, mec="white", mew=0.6)
        ax.annotate(
            point["label"],
            (x, y),
            xytext=(6, -2),
            textcoords="offset points",
            color=COLOURS["reader"],
            fontsize=6.5,
            va="top",
        )
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set_xlabel("false-positive rate (1 − specificity)")
    ax.set_ylabel("sensitivity")
    return ax


def reliability(
    ax: Axes,
    data: pd.DataFrame,
    log: bool = True,
    per: int = 1,
    colours: dict[str, str] | None = None,
) -> Axes:
    """Observed against predicted risk for one or several calibrators.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (calibrator, bin)
        calibrator, predicted, observed (probabilities); optional ci_low, ci_high of observed.
    log : bool
        Logarithmic axes, for screening risks that span decades. A bin without a single event is
        drawn as an open triangle at the foot of the plot, one predicted at 0 at its left edge.
    per : int
        1000 to read risks per 1,000 exams.
    colours : dict of str to str, optional
        Calibrator -> colour.

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
        x = np.maximum(x, limits[0]) if log else x
        ax.vlines(x, np.maximum(low, limits[0]), high, color=shade[name], lw=0.8, alpha=0.7)
        seen = y > 0 if log else np.isfinite(y)
        ax.plot(x[seen], y[seen], "o-", color=shade[name], ms=3, lw=1)
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
    ax.set_xlabel(f"predicted risk ({unit})")
    ax.set_ylabel(f"observed ({unit})")
    return ax


def auc_bars(ax: Axes, data: pd.DataFrame, lowest: float = 0.5) -> Axes:
    """AUC of several models with intervals, and what was published for each.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (model, horizon), drawn from the top
        model, estimate, ci_low, ci_high; optional horizon_years (one shade a horizon) and
        published, published_low, published_high.
    lowest : float
        Where the bars start; 0.5 is chance.

    Returns
    -------
    Axes
    """
    require_columns(data, ("model", "estimate", "ci_low", "ci_high"), "auc_bars")
    models = list(dict.fromkeys(data["model"]))
    horizons = numeric(data, "horizon_years")
    shown = sorted(set(horizons[np.isfinite(horizons)])) or [np.nan]
    height = 0.72 / len(shown)
    estimate, low, high = (numeric(data, c) for c in ("estimate", "ci_low", "ci_high"))
    published = numeric(data, "published")
    published_low, published_high = numeric(data, "published_low"), numeric(data, "published_high")
    for i in range(len(data)):
        rank = 0 if np.isnan(shown[0]) else shown.index(horizons[i])
        y = models.index(data["model"].iloc[i]) + (rank - (len(shown) - 1) / 2) * height
        ax.barh(
            y,
            estimate[i] - lowest,
            left=lowest,
            height=0.85 * height,
            color=COLOURS["model"],
            alpha=0.25 + 0.45 * (rank + 1) / len(shown),
            lw=0,
        )
        ax.plot([low[i], high[i]], [y, y], color=COLOURS["ink"], lw=0.9)
        text_beside(ax, y, 3, f"{estimate[i]:.2f}")
        if len(shown) > 1:
            ax.text(lowest + 0.003, y, f"{shown[rank]:.0f} y", va="center", fontsize=5.5)
        if np.isfinite(published[i]):
            above = y - 0.5 * height
            ax.plot(
                [published_low[i], published_high[i]],
                [above, above],
                color=COLOURS["published"],
                lw=0.7,
            )
            ax.plot(published[i], above, "D", mfc="white", mec=COLOURS["published"], ms=3.5)
    if np.isfinite(published).any():
        ax.plot([], [], "D", mfc="white", mec=COLOURS["published"], ms=3.5, label="published")
        ax.legend(loc="upper left", bbox_to_anchor=(0, 1.12), borderpad=0, handletextpad=0.2)
    ax.set_yticks(range(len(models)), models)
    ax.set_ylim(len(models) - 0.5, -0.6)
    edges = np.concatenate([high, published_high, [lowest + 0.1]])
    ax.set_xlim(lowest, np.nanmax(edges) + 0.02)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(
        "AUC" + ("" if np.isnan(shown[-1]) or len(shown) > 1 else f" at {shown[-1]:.0f} years")
    )
    return ax
