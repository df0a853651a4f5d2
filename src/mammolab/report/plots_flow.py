"""The flow diagram: what was exported, what each rule removed, and who is left."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from mammolab.errors import InputError
from mammolab.report.style import (
    COLOURS,
    numeric,
    require_columns,
)


def cohort_flow(
    ax: Axes, data: pd.DataFrame, branches: dict[str, str] | None = None, end: str = "studied"
) -> Axes:
    """Flow diagram: what was there, what each rule removed, and who is left.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, the `flow` or `cohort_flow` table in order
        step, reason (one of them is printed: the reason, or the step where it is blank),
        n_patients and n_exams (left after the step), n_removed_exams, and optionally n_images;
        the first row is the start and the last says who is left.
    branches : dict of str to str, optional
        Boxes under the last one, say one a split: title -> text.
    end : str
        Title of the last box.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If an exam is lost: n_exams after a step plus those it removed must be n_exams before.
    """
    require_columns(
        data, ("step", "reason", "n_patients", "n_exams", "n_removed_exams"), "cohort_flow"
    )
    left_over = numeric(data, "n_exams")
    removed = numeric(data, "n_removed_exams")
    lost = np.flatnonzero(left_over[1:] + removed[1:] != left_over[:-1]) + 1
    if len(lost):
        raise InputError(
            f"the flow does not add up at step(s) {', '.join(data['step'].iloc[lost])}: exams left "
            "plus exams removed must be the exams before"
        )
    spine, side = (1.0, 35.0), (45.0, 100.0)
    middle = sum(spine) / 2
    # 6.5-point letters are about 3.9 points wide.
    wrap = int(0.01 * (side[1] - side[0]) * 72 * ax.figure.get_figwidth() / 4.1)
    plain = {"facecolor": "white", "edgecolor": COLOURS["ink"]}
    grey = {"facecolor": "#F4F4F4", "edgecolor": COLOURS["published"]}
    strong = {"facecolor": "#E3EEF6", "edgecolor": COLOURS["model"]}
    arrow = {"arrowstyle": "-|>", "lw": 0.7, "color": COLOURS["ink"], "mutation_scale": 7}

    text, height = _counts(data["step"].iloc[0], data.iloc[0])
    _box(ax, *spine, -height / 2, text, height, **plain)
    top = y = -height
    y -= 0.1
    for number, (_, row) in enumerate(data.iloc[1:].iterrows(), start=1):
        rule = row.reason if isinstance(row.reason, str) and row.reason else row.step
        lines = textwrap.wrap(f"−{int(row.n_removed_exams):,} exams: {rule}", wrap)
        height = 0.28 + 0.30 * len(lines)
        y -= height / 2 + 0.07
        _box(ax, *side, y, "\n".join(lines), height, **grey)
        ax.annotate("", xy=(side[0], y), xytext=(middle, y), arrowprops=arrow)
        if number < len(data) - 1:
            ax.text(
                middle - 1.5,
                y,
                f"{int(row.n_exams):,}",
                ha="right",
                va="center",
                fontsize=6.0,
                color=COLOURS["published"],
            )
        y -= height / 2 + 0.07
    y -= 0.25
    ax.annotate("", xy=(middle, y), xytext=(middle, top), arrowprops=arrow)
    text, height = _counts(end, data.iloc[-1])
    _box(ax, *spine, y - height / 2, text, height, **strong)
    y -= height
    if branches:
        y = _branches(ax, y, middle, branches, arrow, strong)
    ax.set_xlim(0, 101)
    ax.set_ylim(y - 0.05, 0.05)
    ax.axis("off")
    return ax


def _counts(title: str, row: pd.Series) -> tuple[str, float]:
    """A main box's text (exams, women, images where they are counted) and its height."""
    lines = [title, f"{int(row.n_exams):,} exams", f"{int(row.n_patients):,} women"]
    images = row.get("n_images")
    if pd.notna(images) and images > 0:
        lines.append(f"{int(images):,} images")
    return "\n".join(lines), 0.28 + 0.3 * len(lines)


def _box(ax: Axes, left: float, right: float, y: float, text: str, height: float, **face) -> None:
    """A rounded box with centred text, in the flow diagram's units."""
    ax.add_patch(
        FancyBboxPatch(
            (left, y - height / 2),
            right - left,
            height,
            lw=0.7,
            boxstyle="round,pad=0,rounding_size=0.12",
            mutation_aspect=1,
            **face,
        )
    )
    ax.text(
        (left + right) / 2,
        y,
        text,
        ha="center",
        va="center",
        fontsize=6.5,
        linespacing=1.25,
        in_layout=False,
    )


def _branches(
    ax: Axes, y: float, middle: float, branches: dict[str, str], arrow: dict, face: dict
) -> float:
    """Boxes side by side below `y`, fed from `middle`; returns the height of their lower edge."""
    height = 0.28 + 0.3 * max(1 + text.count("\n") + 1 for text in branches.values())
    fork, top = y - 0.2, y - 0.5
    width, gap = 99 / len(branches), 3
    for number, (title, text) in enumerate(branches.items()):
        left = 1 + number * width
        right = left + width - (gap if number < len(branches) - 1 else 0)
        _box(ax, left, right, top - height / 2, f"{title}\n{text}", height, **face)
        centre = (left + right) / 2
        ax.plot([middle, middle, centre], [y, fork, fork], color=COLOURS["ink"], lw=0.7, zorder=0)
        ax.annotate("", xy=(centre, top), xytext=(centre, fork), arrowprops=arrow)
    return top - height
