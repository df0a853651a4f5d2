"""Plots of groups of predicted risk: calibrated or not, the cancers at either end, and crossed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

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
    ax: Axes, data: pd.DataFrame, title: str = "", limit: float | None = None, note: str = ""
) -> Axes:
    """Incidence seen by the horizon against the risk predicted, in groups of equal size.

    On the broken line what was predicted came; below it risk is overestimated.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a group (say a decile), of one model or of several
        predicted, observed, ci_low, ci_high (0 to 1); optional model, and n_events, whose number in
        the lowest and highest group of a single model is written.
    title : str
    limit : float, optional
        Upper end of both axes, to be shared between panels; intervals may run out of the plot.
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
    if limit is None:
        limit = 1.05 * max(np.nanmax(numeric(data, name)) for name in ("predicted", "ci_high"))
    ax.plot([0, limit], [0, limit], **_CHANCE)
    for number, model in enumerate(models):
        rows = data[data["model"] == model].sort_values("predicted")
        x, y = numeric(rows, "predicted"), numeric(rows, "observed")
        look = {"color": colours[model]}
        ax.vlines(x, numeric(rows, "ci_low"), numeric(rows, "ci_high"), lw=0.9, **look)
        ax.plot(x, y, marker=_MARKERS[number], ms=3.2, lw=0.6, **look)
        if model:
            ax.text(
                0.04,
                0.97 - 0.085 * number,
                model,
                transform=ax.transAxes,
                va="top",
                fontsize=6.5,
                weight="bold",
                **look,
            )
        events = numeric(rows, "n_events")
        for end in (0, -1) if len(models) == 1 and np.isfinite(events).all() else ():
            ax.annotate(
                f"{events[end]:.0f} cancers",
                (x[end], min(numeric(rows, "ci_high")[end], limit)),
                xytext=(0, 2),
                textcoords="offset points",
                ha="left" if end == 0 else "right",
                va="bottom",
                fontsize=5.5,
                color=COLOURS["published"],
                annotation_clip=False,
            )
    ax.set(xlim=(0, limit), ylim=(0, limit))
    for axis in (ax.xaxis, ax.yaxis):
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
        "top": (-0.19, {"color": COLOURS["model"]}),
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
        text_beside(ax, y, 4, interval_text(estimate[i], low[i], high[i], 0, 100))
    for end, (_, face) in look.items():
        ax.barh(0, 0, height=0, label=f"{end} {100 * fraction:g}% of women", lw=0.6, **face)
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
        incidence, ci_low, ci_high (0 to 1; NaN where too few), n_exams, n_events; optional
        image_row, index into the store of an example.
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
        dark = known and np.dot(face[:3], (0.299, 0.587, 0.114)) < 0.55
        ink = "white" if dark else COLOURS["ink"]
        words = "too few"
        if known:
            words = interval_text(incidence[i], low[i], high[i], digits, 100)
            value, _, interval = words.partition(" ")
            words = f"{value}% {interval}"
        counts = f"{cell.n_events:,.0f} of {cell.n_exams:,.0f}"
        middle = y + (0.13 if store is not None else 0.5)
        text = {"ha": "center", "color": ink, "fontsize": 6}
        ax.text(x + 0.5, middle + 0.01, words, va="bottom", weight="bold", **text)
        ax.text(x + 0.5, middle - 0.01, counts, va="top", **text)
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


def _open_store(path: Path) -> np.ndarray:
    if not path.is_file():
        raise MissingInput(f"the grid shows images of {path.name}, which is not there")
    return np.load(path, mmap_mode="r")
