"""One look for every figure: sizes from the column width, a colour-blind safe palette,
and an SVG writer whose output is the same bytes for the same figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from mammolab.errors import InputError
from mammolab.files import write_whole

# The paper's two columns on A4 (paper/template.typ): one column, and both with their gutter.
SINGLE_COLUMN_IN = 3.4
DOUBLE_COLUMN_IN = 7.0

# Okabe & Ito, "Color Universal Design" (2008): distinguishable with any common colour blindness.
# A colour keeps one meaning through the whole paper.
COLOURS = {
    "model": "#0072B2",
    "reader": "#D55E00",
    "truth": "#009E73",
    "published": "#6B6B6B",
    "alert": "#CC79A7",
    "second": "#E69F00",
    "light": "#56B4E9",
    "ink": "#222222",
    "faint": "#D9D9D9",
}
# Paul Tol, "muted": for categories without a meaning of their own, such as devices.
CATEGORIES = ("#332288", "#88CCEE", "#44AA99", "#DDCC77", "#CC6677", "#AA4499", "#117733")
SERIES = (
    COLOURS["model"],
    COLOURS["reader"],
    COLOURS["truth"],
    COLOURS["second"],
    COLOURS["alert"],
    COLOURS["light"],
)

STYLE = {
    "figure.figsize": (SINGLE_COLUMN_IN, 0.75 * SINGLE_COLUMN_IN),
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same glyphs on every machine
    "font.size": 7.0,
    "axes.titlesize": 7.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.0,
    "axes.labelcolor": COLOURS["ink"],
    "axes.edgecolor": COLOURS["ink"],
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=SERIES),
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.color": COLOURS["ink"],
    "ytick.color": COLOURS["ink"],
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "text.color": COLOURS["ink"],
    "lines.linewidth": 1.3,
    "lines.markersize": 4.0,
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "image.interpolation": "nearest",
    "svg.fonttype": "path",  # outlines: typst needs no font to draw them
    "svg.hashsalt": "mammolab",
}


def use_style() -> None:
    """Set the paper's figure style for the rest of the process (a notebook, say)."""
    mpl.rcParams.update(STYLE)


@contextmanager
def style() -> Iterator[None]:
    """Draw in the paper's figure style, and leave matplotlib's settings as they were."""
    with mpl.rc_context(STYLE):
        yield


def figure_size(columns: str = "single", height_over_width: float = 0.75) -> tuple[float, float]:
    """Width and height in inches of a figure that fills one or both columns of the paper.

    Parameters
    ----------
    columns : {"single", "double"}
    height_over_width : float
        Height as a share of the width.

    Raises
    ------
    InputError
        If `columns` is neither; the message lists both.
    """
    widths = {"single": SINGLE_COLUMN_IN, "double": DOUBLE_COLUMN_IN}
    if columns not in widths:
        raise InputError(f"a figure is 'single' or 'double' columns wide, not {columns!r}")
    return widths[columns], widths[columns] * height_over_width


def save_svg(figure: Figure, path: Path) -> Path:
    """Write a figure as SVG: whole or not at all, and the same bytes for the same figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : Path
        Ends in ``.svg``; folders are made.

    Returns
    -------
    Path
        `path`.

    Notes
    -----
    Constrained layout moves the axes a little at each drawing until it settles, so the layout
    is settled first and then frozen; element ids come from a fixed salt, and no date is written.
    """
    for _ in range(3):
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    with mpl.rc_context({"svg.hashsalt": STYLE["svg.hashsalt"], "svg.fonttype": "path"}):
        write_whole(
            path,
            lambda temporary: figure.savefig(
                temporary, format="svg", metadata={"Date": None, "Creator": "mammolab"}
            ),
        )
    return Path(path)


def require_columns(data: pd.DataFrame, columns: Iterable[str], plot: str) -> None:
    """Stop with one sentence when a plot's data lack a column or have no row.

    Raises
    ------
    InputError
        Names the plot, the missing columns and the columns that are there.
    """
    missing = [column for column in columns if column not in data.columns]
    if missing:
        raise InputError(
            f"{plot} needs the column(s) {', '.join(missing)}; "
            f"its data have {', '.join(map(str, data.columns))}"
        )
    if data.empty:
        raise InputError(f"{plot} got no rows to draw")


def numeric(data: pd.DataFrame, column: str) -> np.ndarray:
    """One column as float64, NaN where it is missing or the column does not exist."""
    if column not in data.columns:
        return np.full(len(data), np.nan)
    return pd.to_numeric(data[column], errors="coerce").to_numpy(dtype=float)


def series_colours(
    names: Sequence[str],
    colours: dict[str, str] | None = None,
    palette: Sequence[str] = SERIES,
) -> dict[str, str]:
    """A colour for each name in order; `colours` (name -> key of COLOURS, or hex) goes first.

    Raises
    ------
    InputError
        If there are more names than colours a reader can tell apart.
    """
    if len(names) > len(palette):
        raise InputError(f"at most {len(palette)} series fit one plot, got {len(names)}")
    chosen = {name: COLOURS.get(value, value) for name, value in (colours or {}).items()}
    free = [colour for colour in palette if colour not in chosen.values()]
    return {name: chosen[name] if name in chosen else free.pop(0) for name in names}


def ordered_colours(n: int) -> list[tuple[float, float, float]]:
    """`n` shades from low (light) to high (dark), for groups that have an order."""
    return list(sns.color_palette("crest", n))


def spread(positions: Sequence[float], gap: float) -> np.ndarray:
    """Move positions apart to at least `gap`, each as little as can be, order kept.

    Parameters
    ----------
    positions : sequence of float, shape (n,)
    gap : float
        Smallest distance between neighbours, in the unit of `positions`.

    Returns
    -------
    ndarray of float, shape (n,)

    Examples
    --------
    >>> spread([0.0, 0.1, 2.0], 1.0).round(2).tolist()
    [-0.45, 0.55, 2.0]
    """
    wished = np.asarray(positions, dtype=float)
    order = np.argsort(wished, kind="stable")
    blocks: list[tuple[float, int]] = []  # centre and size of labels that touch
    for position in wished[order]:
        blocks.append((position, 1))
        while len(blocks) > 1:
            (low, n_low), (high, n_high) = blocks[-2:]
            if high - low >= gap * (n_low + n_high) / 2:
                break
            centre = (low * n_low + high * n_high) / (n_low + n_high)
            blocks[-2:] = [(centre, n_low + n_high)]
    placed = np.concatenate([c + gap * (np.arange(n) - (n - 1) / 2) for c, n in blocks])
    moved = np.empty_like(placed)
    moved[order] = placed
    return moved


def label_line_ends(
    ax: Axes,
    labels: Sequence[str],
    x: Sequence[float],
    y: Sequence[float],
    colours: Sequence,
    size: float = 6.5,
) -> None:
    """Write each label in its line's colour at the right of the axes, none over another.

    `x` and `y` are the lines' last points in data units; call it once the limits are set.
    """
    height_pt = ax.get_window_extent().height * 72 / ax.figure.dpi
    to_axes = ax.transData + ax.transAxes.inverted()
    ends = to_axes.transform(np.column_stack([x, y]))
    heights = spread(ends[:, 1], gap=1.35 * size / height_pt)
    for label, (end_x, end_y), height, colour in zip(labels, ends, heights, colours, strict=True):
        ax.annotate(
            label,
            xy=(min(end_x, 1.0), end_y),
            xytext=(1.035, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            color=colour,
            fontsize=size,
            va="center",
            ha="left",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.5, "shrinkA": 1, "shrinkB": 0},
        )


def text_beside(ax: Axes, y: float, points: float, text: str, **look) -> None:
    """Write text right of the axes at height `y` (data), `points` from their edge."""
    ax.annotate(
        text,
        xy=(1, y),
        xycoords=ax.get_yaxis_transform(),
        xytext=(points, 0),
        textcoords="offset points",
        annotation_clip=False,
        **{"va": "center", "fontsize": 6.5, **look},
    )


def interval_text(value: float, low: float, high: float, digits: int = 2, scale: float = 1) -> str:
    """`value (low–high)` at fixed digits; only the value where there is no interval.

    Examples
    --------
    >>> interval_text(0.123, 0.1, 0.15, digits=1, scale=100)
    '12.3 (10.0–15.0)'
    >>> interval_text(-0.01, -0.029, 0.002, digits=1, scale=100)
    '−1.0 (−2.9 to 0.2)'
    >>> interval_text(-0.0004, -0.02, 0.01)
    '0.00 (−0.02 to 0.01)'
    """
    # adding 0.0 takes the sign off what rounds to zero
    shown, shown_low, shown_high = (
        f"{round(scale * x, digits) + 0.0:.{digits}f}".replace("-", "−") for x in (value, low, high)
    )
    if not (np.isfinite(low) and np.isfinite(high)):
        return shown
    return f"{shown} ({shown_low}{' to ' if low < 0 else '–'}{shown_high})"


def percent_axis(axis: Axis) -> None:
    """Print an axis of shares (0 to 1) in percent, with decimals only where the ticks need them."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.6g}%"))
