"""Plots of groups of predicted risk: calibrated or not, the cancers at either end, and crossed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from mammolab.errors import MissingInput
from mammolab.paths import run_root
from mammolab.report.style import (
    COLOURS,
    interval_text,
    numeric,
    ordered_colours,
    percent_axis,
    require_columns,
    series_colours,
    text_beside,
)

_MARKERS = "osD^vP"
_CHANCE = {"color": COLOURS["published"], "lw": 0.7, "ls": (0, (3, 2)), "zorder": 0}
_DIAMOND = {"marker": "D", "mfc": "white", "mec": COLOURS["published"], "ls": "none"}
_PICTURE_PIXELS = 208  # longest side in the figure, as in the contact sheet


def calibration_deciles(
    ax: Axes,
    data: pd.DataFrame,
    title: str = "",
    limits: tuple[float, float] | None = None,
    log: bool = False,
    note: str = "",
) -> Axes:
    """Incidence seen by the horizon against the risk predicted, in groups of equal size.

    On the broken line what was predicted came; below it risk is overestimated.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a group (say a decile), of one model or of several
        predicted, observed, ci_low, ci_high (0 to 1); optional model, and n_events, of which the
        lowest and highest group of a single model are written.
    title : str
    limits : (low, high), optional
        Of both axes, to be shared between panels; intervals may run out of the plot.
    log : bool
        Logarithmic axes; a group without a cancer is an open triangle at the foot.
    note : str
        Written in the lower right, such as expected over observed.

    Returns
    -------
    Axes
    """
    needed = ("predicted", "observed", "ci_low", "ci_high")
    require_columns(data, needed, "calibration_deciles")
    data = data if "model" in data.columns else data.assign(model="")
    models = list(dict.fromkeys(data["model"]))
    colours = series_colours(models)
    if limits is None:
        values = np.concatenate([numeric(data, name) for name in needed])
        lowest = 0.7 * np.nanmin(numeric(data, "predicted"))
        limits = (max(lowest, 1e-5) if log else 0.0, 1.08 * np.nanmax(values))
    ax.plot(limits, limits, **_CHANCE)
    lines = []  # of text in the upper left
    for number, model in enumerate(models):
        rows = data[data["model"] == model].sort_values("predicted")
        x, y = numeric(rows, "predicted"), numeric(rows, "observed")
        low, high = numeric(rows, "ci_low"), numeric(rows, "ci_high")
        look, drawn = {"color": colours[model]}, (y > 0) | ~np.isfinite(y) | (not log)
        ax.vlines(x, np.maximum(low, limits[0]), high, lw=0.9, **look)
        ax.plot(x[drawn], y[drawn], marker=_MARKERS[number], ms=3.2, lw=0.6, **look)
        if not drawn.all():
            foot = np.full((~drawn).sum(), 1.05 * limits[0])
            ax.plot(x[~drawn], foot, "v", mfc="white", mec=colours[model], ms=3.5, clip_on=False)
        lines += [(model, {"weight": "bold", **look})] if model else []
        events = numeric(rows, "n_events")
        if len(models) == 1 and np.isfinite(events).all():
            words = f"cancers: {events[0]:.0f} in the lowest group, {events[-1]:.0f} in the highest"
            lines.append((words, {"color": COLOURS["published"]}))
    for number, (words, look) in enumerate(lines):
        y = 0.97 - 0.075 * number
        ax.text(0.04, y, words, transform=ax.transAxes, va="top", fontsize=6, **look)
    if log:
        ax.set(xscale="log", yscale="log")
    ax.set(xlim=limits, ylim=limits)
    for axis in (ax.xaxis, ax.yaxis):
        if log:
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_minor_locator(NullLocator())
        else:
            axis.set_major_locator(MaxNLocator(5))
        percent_axis(axis)
    ax.text(0.98, 0.04, note, transform=ax.transAxes, ha="right", va="bottom", fontsize=6)
    ax.set_xlabel("predicted risk")
    ax.set_ylabel("observed incidence")
    ax.set_title(title)
    return ax


def capture(ax: Axes, data: pd.DataFrame, fraction: float = 0.1) -> Axes:
    """Share of the cancers among the women of highest and lowest risk, by model.

    A good model has a long bar at the top and a short one at the bottom; one that says nothing has
    both end at the broken line.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (model, end), drawn from the top
        model, end ("top", "bottom"), estimate, ci_low, ci_high (0 to 1); optional published.
    fraction : float
        Share of the women at either end.

    Returns
    -------
    Axes
    """
    require_columns(data, ("model", "end", "estimate", "ci_low", "ci_high"), "capture")
    models = list(dict.fromkeys(data["model"]))
    look = {
        "top": (-0.19, {"color": COLOURS["model"], "alpha": 0.7}),
        "bottom": (0.19, {"facecolor": "white", "edgecolor": COLOURS["model"], "hatch": "////"}),
    }
    estimate, low, high, published = (
        numeric(data, name) for name in ("estimate", "ci_low", "ci_high", "published")
    )
    for i, (model, end) in enumerate(zip(data["model"], data["end"], strict=True)):
        aside, face = look[end]
        y = models.index(model) + aside
        ax.barh(y, estimate[i], height=0.34, lw=0.6, **face)
        ax.plot([low[i], high[i]], [y, y], color=COLOURS["ink"], lw=0.9)
        ax.plot(published[i], y, ms=4, **_DIAMOND)
        text_beside(ax, y, 4, _percent_text(estimate[i], low[i], high[i], 0))
    for end, (_, face) in look.items():
        ax.barh(0, 0, height=0, label=f"{end} {100 * fraction:g}%", lw=0.6, **face)
    if np.isfinite(published).any():
        ax.plot([], [], ms=4, label="published", **_DIAMOND)
    ax.axvline(fraction, **_CHANCE)
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=3,
        borderpad=0,
        handlelength=1.2,
        columnspacing=1,
    )
    ax.set_yticks(range(len(models)), models)
    ax.set_ylim(len(models) - 0.5, -0.5)
    ax.set_xlim(0, 1.05 * np.nanmax(np.concatenate([high, published, [2 * fraction]])))
    percent_axis(ax.xaxis)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("share of the cancers")
    return ax


def risk_grid(
    ax: Axes,
    data: pd.DataFrame,
    ylabel: str,
    xlabel: str,
    store_path: str = "",
    digits: int = 1,
    darkest: float | None = None,
) -> Axes:
    """Incidence of cancer wherever a group of one risk meets one of another; darker is more.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a cell
        row and column (names, each in order from low to high: the first row is drawn lowest),
        incidence, ci_low, ci_high (0 to 1; NaN where too few), n_exams, n_events (of a sample in
        which cancers are enriched the counts are not the incidence); optional image_row, index into
        the store of an example.
    ylabel, xlabel : str
        What the rows and columns are parted by.
    store_path : str
        `images.npy` as in `plots_cohort.contact_sheet`; "" for no images.
    digits : int
        Decimals of the percentages.
    darkest : float, optional
        Incidence of the darkest shade, to be shared between panels.

    Returns
    -------
    Axes

    Raises
    ------
    MissingInput
        When the store is named and not there.
    """
    needed = ("row", "column", "incidence", "ci_low", "ci_high", "n_exams", "n_events")
    require_columns(data, needed, "risk_grid")
    store = _open_store(run_root(store_path)) if store_path else None
    rows, columns = (list(dict.fromkeys(data[name])) for name in ("row", "column"))
    incidence, low, high = (numeric(data, name) for name in ("incidence", "ci_low", "ci_high"))
    pictures = numeric(data, "image_row")
    darkest = np.nanmax(np.append(incidence, 1e-9)) if darkest is None else darkest
    shades = ordered_colours(64)
    for i, cell in enumerate(data.itertuples(index=False)):
        x, y = columns.index(cell.column), rows.index(cell.row)
        known = np.isfinite(incidence[i])
        face = COLOURS["faint"]
        if known:
            face = shades[int(63 * min(incidence[i] / darkest, 1))]
        ax.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor="white", lw=1.5))
        dark = known and np.dot(face[:3], (0.299, 0.587, 0.114)) < 0.5
        ink = "white" if dark else COLOURS["ink"]
        words = "too few"
        if known:
            words = _percent_text(incidence[i], low[i], high[i], digits)
        counts = f"{cell.n_events:,.0f} cancers, {cell.n_exams:,.0f} exams"
        middle = y + (0.13 if store is not None else 0.5)
        text = {"ha": "center", "color": ink}
        ax.text(x + 0.5, middle + 0.01, words, va="bottom", weight="bold", fontsize=6, **text)
        ax.text(x + 0.5, middle - 0.01, counts, va="top", fontsize=5, **text)
        if store is not None and np.isfinite(pictures[i]):
            picture = ax.inset_axes((x + 0.06, y + 0.27, 0.88, 0.69), transform=ax.transData)
            step = max(1, int(np.ceil(max(store.shape[1:]) / _PICTURE_PIXELS)))
            picture.imshow(store[int(pictures[i]), ::step, ::step], cmap="gray", vmin=0, vmax=255)
            picture.axis("off")
    ax.set(xlim=(0, len(columns)), ylim=(0, len(rows)))
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows, rotation=90, va="center")
    ax.tick_params(length=0)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    return ax


def _percent_text(value: float, low: float, high: float, digits: int) -> str:
    """`value% (low–high)` of shares.

    Examples
    --------
    >>> _percent_text(0.029, 0.018, 0.044, 1)
    '2.9% (1.8–4.4)'
    """
    shown, space, interval = interval_text(value, low, high, digits, 100).partition(" ")
    return f"{shown}%{space}{interval}"


def _open_store(path: Path) -> np.ndarray:
    if not path.is_file():
        raise MissingInput(f"the grid shows images of {path.name}, which is not there")
    return np.load(path, mmap_mode="r")
