"""Plots of what follows from triage: promises, pathways, worklists, net benefit, moving readers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from mammolab.report.style import (
    COLOURS,
    interval_text,
    label_line_ends,
    numeric,
    ordered_colours,
    percent_axis,
    require_columns,
    series_colours,
    text_beside,
)

_DASHES = ("-", (0, (5, 1.5)), (0, (2, 1.2)), (0, (1, 1)))  # told apart without colour
_MARKERS = ("o", "s", "D", "^")


def promise_lines(
    ax: Axes, data: pd.DataFrame, n_here: int, promised_here: float, confidence: float = 0.95
) -> Axes:
    """How many dev cancers it takes to promise a sensitivity, by how many are let go.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, from `promises.promise_table`
        sensitivity, n_missed, n_cancers.
    n_here : int
        Caught dev cancers of this run.
    promised_here : float
        Sensitivity that its threshold certifies, NaN where none.
    confidence : float
        Of the promises.

    Returns
    -------
    Axes
    """
    require_columns(data, ("sensitivity", "n_missed", "n_cancers"), "promise_lines")
    levels = sorted(set(data["n_missed"]))
    shades = ordered_colours(len(levels))
    for number, missed in enumerate(levels):
        rows = data[data["n_missed"] == missed].sort_values("n_cancers")
        x, y = numeric(rows, "n_cancers"), numeric(rows, "sensitivity")
        ax.plot(x, y, color=shades[number], ls=_DASHES[number % len(_DASHES)])
        ax.annotate(
            f"{missed}" + (" let go" if missed == levels[-1] else ""), (x[0], y[0]), xytext=(-4, -3),
            textcoords="offset points", ha="left", va="top", fontsize=6, color=shades[number],
        )  # fmt: skip
    ax.set_xscale("log")
    ticks = [one for one in (20, 50, 100, 200, 500, 1000, 2000) if one <= data["n_cancers"].max()]
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.axvline(n_here, color=COLOURS["ink"], lw=0.7, ls=(0, (3, 2)), zorder=0)
    ax.text(
        n_here, 1.01, f"here: {n_here}", transform=ax.get_xaxis_transform(),
        ha="center", va="bottom", fontsize=6,
    )  # fmt: skip
    if np.isfinite(promised_here):
        ax.plot(n_here, promised_here, "o", color=COLOURS["model"], mec="white", ms=5.5, zorder=5)
    lowest = np.nanmin([data["sensitivity"].min(), promised_here])
    ax.set_ylim(lowest - 0.16 * (1 - lowest), 1.0)
    percent_axis(ax.yaxis)
    ax.set_xlabel("cancers in the development set")
    ax.set_ylabel(f"sensitivity one can promise ({confidence:.0%})")
    return ax


def rule_outcomes(ax: Axes, data: pd.DataFrame, note: str = "") -> Axes:
    """What each threshold rule rules out: the threshold held, and with the choice on dev counted.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a rule, drawn from the top
        rule, estimate, ci_low, ci_high (share ruled out, threshold held), replayed_low,
        replayed_high (with other dev women too), verdict (text under the row).
    note : str
        Written under the axis: whom it rests on.

    Returns
    -------
    Axes
    """
    columns = ("rule", "estimate", "ci_low", "ci_high", "replayed_low", "replayed_high", "verdict")
    require_columns(data, columns, "rule_outcomes")
    estimate, low, high, wide_low, wide_high = (numeric(data, name) for name in columns[1:-1])
    for y, (rule, verdict) in enumerate(zip(data["rule"], data["verdict"], strict=True)):
        ax.plot([wide_low[y], wide_high[y]], [y, y], color=COLOURS["model"], lw=0.9)
        for end in (wide_low[y], wide_high[y]):
            ax.plot([end, end], [y - 0.1, y + 0.1], color=COLOURS["model"], lw=0.9)
        ax.plot([low[y], high[y]], [y, y], color=COLOURS["model"], lw=3.4, solid_capstyle="butt")
        ax.plot(estimate[y], y, "o", color="white", mec=COLOURS["model"], ms=4.5)
        ax.text(
            0, y - 0.34, rule, transform=ax.get_yaxis_transform(), ha="left", va="center",
            fontsize=6.5,
        )  # fmt: skip
        ax.text(
            0, y + 0.3, verdict, transform=ax.get_yaxis_transform(), ha="left", va="center",
            fontsize=6, color=COLOURS["published"],
        )  # fmt: skip
    ax.set_ylim(len(data) - 0.5, -0.6)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.margins(x=0.06)
    percent_axis(ax.xaxis)
    ax.set_xlabel("exams ruled out" + _under(note))
    return ax


def pathway_changes(
    ax: Axes,
    data: pd.DataFrame,
    readings: Mapping[str, str],
    margin: float | None = None,
    note: str = "",
) -> Axes:
    """Change of sensitivity and specificity against readers alone, by pathway.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (pathway, measure), from `pathways.compare_pathways`
        pathway, measure (sensitivity, specificity), difference, difference_low, difference_high.
    readings : mapping of pathway to str
        Written beside each.
    margin : float, optional
        Largest loss of sensitivity allowed.
    note : str
        Written under the axis: whom it rests on.

    Returns
    -------
    Axes
    """
    columns = ("pathway", "measure", "difference", "difference_low", "difference_high")
    require_columns(data, columns, "pathway_changes")
    names = list(dict.fromkeys(data["pathway"]))
    look = {
        "sensitivity": (-0.15, COLOURS["reader"], "o"),
        "specificity": (0.15, COLOURS["model"], "s"),
    }
    for row in data.itertuples():
        offset, colour, marker = look[row.measure]
        y = names.index(row.pathway) + offset
        limits = 100 * row.difference_low, 100 * row.difference_high
        ax.plot(limits, [y, y], color=colour, lw=1.2, solid_capstyle="butt")
        ax.plot(100 * row.difference, y, marker, color=colour, ms=4, mec="white", mew=0.5)
    for y, name in enumerate(names):
        text_beside(ax, y, 6, readings[name])
    text_beside(ax, -0.62, 6, "readings per 1,000", color=COLOURS["published"], fontsize=6)
    for measure, (offset, colour, marker) in look.items():
        ax.plot([], [], marker, color=colour, ms=4, label=measure)
    ax.axvline(0, color=COLOURS["published"], lw=0.7, ls=(0, (3, 2)), zorder=0)
    if margin is not None:
        ax.axvline(-100 * margin, color=COLOURS["reader"], lw=0.8, zorder=0)
        ax.text(
            -100 * margin, 1.0, "margin ", transform=ax.get_xaxis_transform(), ha="right",
            va="top", fontsize=6, color=COLOURS["reader"],
        )  # fmt: skip
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.8)
    ax.tick_params(axis="y", length=0)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, handletextpad=0.1)
    ax.set_xlabel("change against readers alone, percentage points" + _under(note))
    return ax


def worklist_turnaround(ax: Axes, data: pd.DataFrame, note: str = "") -> Axes:
    """Turnaround of the cancers and the rest, read by arrival and by score, in each clinic.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (clinic, group, order)
        clinic (heading), group, order, estimate, ci_low, ci_high (mean hours).
    note : str
        Written under the axis: what it rests on.

    Returns
    -------
    Axes
    """
    columns = ("clinic", "group", "order", "estimate", "ci_low", "ci_high")
    require_columns(data, columns, "worklist_turnaround")
    orders = list(dict.fromkeys(data["order"]))
    colours = series_colours(orders, {"by arrival": "reader", "by score": "model"})
    ticks, names, y, heading = [], [], 0.0, None
    for (clinic, group), rows in data.groupby(["clinic", "group"], sort=False):
        if clinic != heading:
            y += 0.55
            ax.text(
                0.0, y - 0.05, clinic, transform=ax.get_yaxis_transform(), va="center",
                fontsize=6.5, weight="bold",
            )  # fmt: skip
            y, heading = y + 0.8, clinic
        for row in rows.itertuples():
            number = orders.index(row.order)
            at = y + 0.3 * (number - (len(orders) - 1) / 2)
            colour = colours[row.order]
            ax.plot([row.ci_low, row.ci_high], [at, at], color=colour, lw=1.2)
            ax.plot(row.estimate, at, _MARKERS[number], color=colour, ms=4, mec="white", mew=0.5)
            text_beside(
                ax, at, 5, interval_text(row.estimate, row.ci_low, row.ci_high, 1), color=colour,
                fontsize=6,
            )  # fmt: skip
        ticks.append(y)
        names.append(group)
        y += 1
    for number, order in enumerate(orders):
        ax.plot([], [], _MARKERS[number], color=colours[order], ms=4, label=order)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, handletextpad=0.1)
    ax.set_yticks(ticks, names)
    ax.set_ylim(y - 0.4, 0.2)
    ax.set_xlim(left=0)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("mean hours from arrival to report" + _under(note))
    return ax


def net_benefit_curves(ax: Axes, data: pd.DataFrame, per: int = 1000, note: str = "") -> Axes:
    """Net benefit over the risk at which a recall is held worth while.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (curve, threshold_probability)
        curve, threshold_probability (0 to 1), value, low, high (true positives an exam; NaN where
        no interval).
    per : int
        Exams that the axis counts.
    note : str
        Written under the axis: whom it rests on.

    Returns
    -------
    Axes
    """
    require_columns(data, ("curve", "threshold_probability", "value"), "net_benefit_curves")
    names = list(dict.fromkeys(data["curve"]))
    colours = series_colours(
        names,
        {"readers": "reader", "readers with triage": "model", "recall all": "published"}
        if {"readers", "readers with triage", "recall all"} <= set(names)
        else None,
    )
    ends = []
    for number, name in enumerate(names):
        rows = data[data["curve"] == name].sort_values("threshold_probability")
        x = 100 * numeric(rows, "threshold_probability")
        value, low, high = (per * numeric(rows, column) for column in ("value", "low", "high"))
        ax.fill_between(x, low, high, color=colours[name], alpha=0.13, lw=0)
        ax.plot(x, value, color=colours[name], ls=_DASHES[number % len(_DASHES)], lw=1.1)
        ends.append((x[-1], value[-1]))
    top = per * data["value"].max()
    ax.axhline(0, color=COLOURS["ink"], lw=0.5)
    ax.set_xlim(0, 100 * data["threshold_probability"].max())
    ax.set_ylim(-0.35 * top, 1.15 * top)
    ends = [(x, float(np.clip(y, -0.33 * top, top))) for x, y in ends]
    label_line_ends(ax, names, *zip(*ends, strict=True), [colours[name] for name in names])
    ax.set_xlabel("risk at which one recall is worth while (%)" + _under(note))
    ax.set_ylabel(f"net benefit, cancers per {per:,}")
    return ax


def criterion_change(ax: Axes, data: pd.DataFrame, rational_shift: float | None) -> Axes:
    """What triage gives and takes as its readers move their criterion.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a (measure, shift)
        measure (sensitivity, specificity), shift (SD, above 0 recalls more), value, low, high
        (difference against the readers without triage, 0 to 1 scale).
    rational_shift : float, or None
        Marked; None where it could not be computed.

    Returns
    -------
    Axes
    """
    require_columns(data, ("measure", "shift", "value", "low", "high"), "criterion_change")
    colours = {"sensitivity": COLOURS["reader"], "specificity": COLOURS["model"]}
    ends = []
    for number, (measure, colour) in enumerate(colours.items()):
        rows = data[data["measure"] == measure].sort_values("shift")
        x = numeric(rows, "shift")
        value, low, high = (100 * numeric(rows, column) for column in ("value", "low", "high"))
        ax.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
        ax.plot(x, value, color=colour, ls=_DASHES[number])
        ends.append((x[-1], value[-1]))
    ax.axhline(0, color=COLOURS["ink"], lw=0.5)
    for at, name in ((0.0, "as before"), (rational_shift, "as the odds\nsuggest")):
        if at is not None:
            ax.axvline(at, color=COLOURS["published"], lw=0.7, ls=(0, (3, 2)), zorder=0)
            ax.text(
                at, 1.01, name, transform=ax.get_xaxis_transform(), va="bottom", fontsize=6,
                ha="right" if at == 0 else "left", color=COLOURS["published"],
            )  # fmt: skip
    ax.set_xlim(data["shift"].min(), data["shift"].max())
    label_line_ends(ax, list(colours), *zip(*ends, strict=True), list(colours.values()))
    ax.set_xlabel("shift of the readers' criterion (SD; right: recall more)")
    ax.set_ylabel("change, percentage points")
    return ax


def _under(note: str) -> str:
    return f"\n{note}" if note else ""
