"""Plots of what is studied: the world against its targets, the cohort's composition, the images,
and what an enriched set was collected from."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mammolab.errors import MissingInput
from mammolab.paths import run_root
from mammolab.report.style import (
    CATEGORIES,
    COLOURS,
    numeric,
    ordered_colours,
    require_columns,
    series_colours,
    text_beside,
)


def world_targets(ax: Axes, data: pd.DataFrame) -> Axes:
    """The embedded programme against the published programme, each figure on its own scale.

    A dot inside the band lies within the tolerance of the published value.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a quantity, drawn from the top
        quantity (text with unit), value, target, target_low, target_high;
        optional ci_low, ci_high (interval of `value`) and digits (decimals to print).

    Returns
    -------
    Axes
    """
    require_columns(
        data, ("quantity", "value", "target", "target_low", "target_high"), "world_targets"
    )
    value, target = numeric(data, "value"), numeric(data, "target")
    below, above = target - numeric(data, "target_low"), numeric(data, "target_high") - target
    digits = numeric(data, "digits")
    reach = 2.6  # tolerances shown on either side; beyond, a triangle points outwards

    def position(x: np.ndarray) -> np.ndarray:
        return (x - target) / np.where(x >= target, above, below)

    at, low, high = (
        position(x) for x in (value, numeric(data, "ci_low"), numeric(data, "ci_high"))
    )
    rows = np.arange(len(data))
    inside = np.abs(at) <= 1
    ax.axvspan(-1, 1, color=COLOURS["faint"], alpha=0.6, lw=0)
    ax.axvline(0, color=COLOURS["published"], lw=0.8)
    for row in rows:
        colour = COLOURS["model"] if inside[row] else COLOURS["reader"]
        marker = "o" if abs(at[row]) <= reach else (">" if at[row] > 0 else "<")
        if np.isfinite(low[row]) and np.isfinite(high[row]):
            ends = np.clip([low[row], high[row]], -reach, reach)
            ax.plot(ends, [row, row], color=colour, lw=1.2, solid_capstyle="butt")
        ax.plot(np.clip(at[row], -reach, reach), row, marker, color=colour, ms=4.5)
        n = int(digits[row]) if np.isfinite(digits[row]) else 1
        text_beside(ax, row, 17, f"{value[row]:.{n}f}", ha="center", color=colour)
        text_beside(ax, row, 52, f"{target[row]:.{n}f}", ha="center", color=COLOURS["published"])
    for points, heading in ((17, "here"), (52, "published")):
        text_beside(
            ax,
            -0.75,
            points,
            heading,
            ha="center",
            va="bottom",
            fontsize=6,
            color=COLOURS["published"],
        )
    ax.set_yticks(rows, data["quantity"])
    ax.set_ylim(len(data) - 0.5, -0.6)
    ax.set_xlim(-reach - 0.15, reach + 0.15)
    ax.set_xticks([-2, 0, 2])
    ax.set_xticks([-1, 1], minor=True)
    ax.set_xlabel("distance from the published value, in tolerances")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return ax


def cohort_composition(ax: Axes, data: pd.DataFrame) -> Axes:
    """Stacked bars of each characteristic, one bar a group (say cancer within a year or not).

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (characteristic, group, level), in the order to draw
        characteristic, group, level (the segment's label, written where it fits), share (0 to 1
        within the bar).

    Returns
    -------
    Axes
    """
    require_columns(data, ("characteristic", "group", "level", "share"), "cohort_composition")
    letter = 3.9 / (0.8 * 72 * ax.figure.get_figwidth())  # width of a letter as a share of a bar
    y = 0.0
    ticks, names = [], []
    for characteristic, rows in data.groupby("characteristic", sort=False):
        levels = list(dict.fromkeys(rows["level"]))
        shades = dict(zip(levels, ordered_colours(len(levels)), strict=True))
        ax.text(0, y - 0.58, characteristic, fontsize=7, weight="bold", va="bottom")
        for group, bar in rows.groupby("group", sort=False):
            start = 0.0
            for level, share in zip(bar["level"], numeric(bar, "share"), strict=True):
                ax.barh(
                    y,
                    share,
                    left=start,
                    height=0.8,
                    color=shades[level],
                    edgecolor="white",
                    linewidth=0.5,
                )
                if share > (len(str(level)) + 0.5) * letter:
                    dark = np.dot(shades[level][:3], (0.299, 0.587, 0.114)) < 0.5
                    ax.text(
                        start + share / 2,
                        y,
                        str(level),
                        ha="center",
                        va="center",
                        fontsize=6,
                        color="white" if dark else COLOURS["ink"],
                        clip_on=True,
                    )
                start += share
            ticks.append(y)
            names.append(group)
            y += 0.9
        y += 0.95
    ax.set_yticks(ticks, names)
    ax.set_ylim(y - 1.2, -1.2)
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100%"])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return ax


def contact_sheet(
    ax: Axes, data: pd.DataFrame, store_path: str, columns: int = 4, tile_pixels: int = 208
) -> Axes:
    """A sheet of images as the network sees them, each with its label.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a tile, filled row by row
        row (index into the store; missing leaves the tile empty), label, and optionally
        group (tiles of a group get a frame in the group's colour).
    store_path : str
        `images.npy`: uint8, images x rows x columns, opened memory-mapped; a relative path is
        taken from the repository's root, so that a sidecar redraws on another machine.
    columns : int
        Tiles side by side.
    tile_pixels : int
        Longest side of a tile in the figure; larger images are thinned by whole steps.

    Returns
    -------
    Axes

    Raises
    ------
    MissingInput
        When the store is not there.
    """
    require_columns(data, ("row", "label"), "contact_sheet")
    path = run_root(store_path)
    if not path.is_file():
        raise MissingInput(f"the contact sheet shows images of {store_path}, which is not there")
    store = np.load(path, mmap_mode="r")
    step = max(1, int(np.ceil(max(store.shape[1:]) / tile_pixels)))
    height, width = (len(range(0, size, step)) for size in store.shape[1:])
    gap, caption = max(2, width // 16), int(0.16 * width)
    n_rows = int(np.ceil(len(data) / columns))
    sheet = np.full(
        (n_rows * (height + caption + gap), columns * (width + gap) - gap), 255, dtype=np.uint8
    )
    groups = data["group"] if "group" in data.columns else pd.Series([None] * len(data))
    frames = series_colours([g for g in dict.fromkeys(groups) if isinstance(g, str)])
    for tile, (row, label, group) in enumerate(
        zip(data["row"], data["label"], groups, strict=True)
    ):
        top = (tile // columns) * (height + caption + gap) + caption
        left = (tile % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = (
            235 if pd.isna(row) else store[int(row), ::step, ::step]
        )
        ax.text(
            left,
            top - 0.2 * caption,
            str(label),
            fontsize=6,
            va="bottom",
            ha="left",
            color=frames.get(group, COLOURS["ink"]),
        )
        if group in frames:
            ax.plot(
                left + np.array([0, width, width, 0, 0]) - 0.5,
                top + np.array([0, 0, height, height, 0]) - 0.5,
                color=frames[group],
                lw=1.2,
            )
    ax.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.axis("off")
    return ax


def mirror_composition(
    ax: Axes,
    data: pd.DataFrame,
    category: str = "device",
    up: str = "cancer",
    down: str = "no cancer",
    colours: dict[str, str] | None = None,
    label_categories: bool = True,
    title: str = "",
) -> Axes:
    """Year and device of a set's cancers (upwards) against those of its negatives (downwards).

    A set in which the two halves differ can be told apart without looking at a breast.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (status, year, category)
        status (`up` or `down`), exam_year, share (0 to 1 within a status), and the column named
        by `category`.
    category : str
        The column that colours the bars.
    up, down : str
        The two values of status.
    colours : dict of str to str, optional
        Category -> colour, to keep them alike between panels.
    label_categories : bool
        Whether the categories are named beside the bars (one panel of several is enough).
    title : str
        Which set this is.

    Returns
    -------
    Axes
    """
    require_columns(data, ("status", "exam_year", "share", category), "mirror_composition")
    names = sorted(data[category].unique())
    shade = series_colours(names, colours, CATEGORIES)
    years = np.arange(int(data["exam_year"].min()), int(data["exam_year"].max()) + 1)
    tallest = 0.0
    for status, sign in ((up, 1), (down, -1)):
        base = np.zeros(len(years))
        rows = data[data["status"] == status]
        for name in names:
            part = rows[rows[category] == name].groupby("exam_year")["share"].sum()
            heights = part.reindex(years, fill_value=0).to_numpy(dtype=float)
            ax.bar(
                years,
                sign * heights,
                bottom=sign * base,
                width=0.82,
                color=shade[name],
                edgecolor="white",
                linewidth=0.4,
            )
            base += heights
        tallest = max(tallest, base.max())
    limit = 1.12 * tallest
    ax.axhline(0, color=COLOURS["ink"], lw=0.7)
    ax.set_ylim(-limit, limit)
    ax.set_xlim(years[0] - 0.6, years[-1] + 0.6)
    ax.set_xticks(years, [str(year) for year in years], rotation=90 if len(years) > 5 else 0)
    ticks = ax.get_yticks()
    ticks = ticks[np.abs(ticks) <= limit]
    ax.set_yticks(ticks, [f"{100 * abs(tick):.0f}%" for tick in ticks])
    for status, at, edge in ((up, 0.98, "top"), (down, 0.02, "bottom")):
        ax.text(
            0.015,
            at,
            status,
            transform=ax.transAxes,
            va=edge,
            ha="left",
            fontsize=6.5,
            style="italic",
        )
    if label_categories:
        for number, name in enumerate(names):
            ax.text(
                1.02,
                0.98 - 0.09 * number,
                name,
                transform=ax.transAxes,
                va="top",
                ha="left",
                color=shade[name],
                fontsize=6.5,
                weight="bold",
            )
    ax.set_ylabel("share of the set")
    ax.set_title(title)
    return ax
