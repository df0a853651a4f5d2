"""Plots of where a network looks: images under their maps, and shares with intervals by group."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Circle

from mammolab.errors import MissingInput
from mammolab.paths import run_root
from mammolab.report.style import COLOURS, numeric, percent_axis, require_columns, series_colours

# Of a perceptually uniform map the part that shows on grey: its dark end would look like air.
_HEAT = mpl.colormaps["inferno"](np.linspace(0.30, 0.95, 256))
_HEAT[:, 3] = (
    0.85 * np.linspace(0, 1, 256) ** 0.7
)  # what draws no attention lets the breast through
HEAT = ListedColormap(_HEAT, "heat")
OUTLINE = COLOURS["light"]
_GAP, _TITLE, _ROW_TITLE = 0.04, 0.13, 0.11  # shares of a tile's width


def overlay_sheet(ax: Axes, data: pd.DataFrame, store_path: str, columns: int) -> Axes:
    """A sheet of mammograms, each plain or under its attribution map.

    Attribution runs from violet to yellow and from clear to opaque; a cross marks its highest
    point and a circle outlines what the map is held against.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a tile, filled row by row
        image (index into the store; missing leaves the tile empty), overlay (index of its map in
        the same store; missing: the plain image), title; optional row_title (written upright
        before the row's first tile), outline_row, outline_column, outline_radius and peak_row,
        peak_column (pixels; missing: not drawn).
    store_path : str
        A .npy file: uint8, n x rows x columns; a relative path is taken from the repository's root.
    columns : int
        Tiles side by side.

    Returns
    -------
    Axes

    Raises
    ------
    MissingInput
        When the store is not there.
    """
    require_columns(data, ("image", "overlay", "title"), "overlay_sheet")
    path = run_root(store_path)
    if not path.is_file():
        raise MissingInput(f"the sheet of maps shows images of {store_path}, which is not there")
    store = np.load(path, mmap_mode="r")
    height, width = store.shape[1:]
    gap, title, margin = (share * width for share in (_GAP, _TITLE, _ROW_TITLE))
    marks = {
        name: numeric(data, name)
        for name in ("outline_row", "outline_column", "outline_radius", "peak_row", "peak_column")
    }
    row_titles = data.get("row_title", pd.Series([None] * len(data)))
    for tile, (image, overlay, text) in enumerate(
        zip(numeric(data, "image"), numeric(data, "overlay"), data["title"], strict=True)
    ):
        left = margin + (tile % columns) * (width + gap)
        top = (tile // columns) * (height + title + gap) + title
        extent = (left - 0.5, left + width - 0.5, top + height - 0.5, top - 0.5)
        if isinstance(row_titles.iloc[tile], str):
            ax.text(
                left - 0.3 * margin,
                top + height / 2,
                row_titles.iloc[tile],
                rotation=90,
                ha="right",
                va="center",
                weight="bold",
            )
        if isinstance(text, str):
            ax.text(left, top - 0.2 * title, text, fontsize=6, va="bottom", ha="left")
        if np.isnan(image):
            ax.imshow(np.full((1, 1), 238), extent=extent, cmap="gray", vmin=0, vmax=255)
            continue
        ax.imshow(store[int(image)], extent=extent, cmap="gray", vmin=0, vmax=255)
        if not np.isnan(overlay):
            ax.imshow(
                store[int(overlay)],
                extent=extent,
                cmap=HEAT,
                vmin=0,
                vmax=255,
                interpolation="bilinear",
            )
        row, column, radius, peak_row, peak_column = (marks[name][tile] for name in marks)
        if not np.isnan(radius):
            ax.add_patch(Circle((left + column, top + row), radius, fill=False, ec=OUTLINE, lw=0.7))
        if not np.isnan(peak_row):
            ax.plot(left + peak_column, top + peak_row, "+", color="white", ms=4, mew=0.7)
    n_rows = -(-len(data) // columns)
    ax.set_xlim(0, margin + columns * (width + gap) - gap)
    ax.set_ylim(n_rows * (height + title + gap) - gap, 0)
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def shares_by_group(
    ax: Axes,
    data: pd.DataFrame,
    colours: dict[str, str] | None = None,
    label_series: bool = True,
    label_rows: bool = True,
    title: str = "",
    limit: float = 1.0,
) -> Axes:
    """Shares with intervals, one line a level and one dot a series; chance is a grey tick.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (group, level, series), drawn from the top in order
        group (heading; "" for none), level, series, estimate, ci_low, ci_high (0 to 1), chance
        (missing: not drawn).
    colours : dict of str to str, optional
        Series -> key of COLOURS.
    label_series : bool
        Whether the series are named (one panel of several is enough).
    label_rows : bool
        Whether the levels are named, likewise.
    title : str
        What is shared out.
    limit : float
        Right end of the axis.

    Returns
    -------
    Axes
    """
    require_columns(
        data, ("group", "level", "series", "estimate", "ci_low", "ci_high", "chance"),
        "shares_by_group",
    )  # fmt: skip
    names = list(dict.fromkeys(data["series"]))
    shade = series_colours(names, colours)
    offset = dict(zip(names, 0.22 * (np.arange(len(names)) - (len(names) - 1) / 2), strict=True))
    ticks, labels, y = [], [], 0.0
    for group, of_group in data.groupby("group", sort=False):
        if group:
            y += 0.35
            if label_rows:
                ax.text(
                    -0.02,
                    y - 0.15,
                    group,
                    transform=ax.get_yaxis_transform(),
                    ha="right",
                    va="center",
                    weight="bold",
                    fontsize=6.5,
                )
            y += 0.75
        for level, rows in of_group.groupby("level", sort=False):
            for series, value, low, high, chance in zip(
                rows["series"],
                *(numeric(rows, name) for name in ("estimate", "ci_low", "ci_high", "chance")),
                strict=True,
            ):
                at = y + offset[series]
                if np.isfinite(low) and np.isfinite(high):
                    ax.plot(
                        [low, high], [at, at], color=shade[series], lw=1.2, solid_capstyle="butt"
                    )
                ax.plot(value, at, "o", color=shade[series], ms=3.6)
                if np.isfinite(chance):
                    ax.plot(
                        [chance, chance], [at - 0.11, at + 0.11], color=COLOURS["published"], lw=1.1
                    )
            ticks.append(y)
            labels.append(level)
            y += 0.9
    ax.set_yticks(ticks, labels if label_rows else [""] * len(labels))
    ax.set_ylim(y - 0.35, -0.55)
    ax.set_xlim(-0.02 * limit, 1.02 * limit)
    ax.set_xticks(limit * np.linspace(0, 1, 5))
    percent_axis(ax.xaxis)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=COLOURS["faint"], lw=0.4)
    ax.set_axisbelow(True)
    ax.spines["left"].set_visible(False)
    ax.set_title(title)
    if label_series:
        handles = [
            ax.plot([], [], "o-", color=shade[name], ms=3.6, lw=1.2, label=name)[0]
            for name in names
        ]
        if data["chance"].notna().any():
            handles += ax.plot([], [], "|", color=COLOURS["published"], ms=6, label="chance")
        ax.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.13),
            ncols=2,
            handlelength=1.2,
            columnspacing=1.0,
        )
    return ax
