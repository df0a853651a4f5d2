"""Plots of a reader study: a panel and systems, enrichment, triage reader by reader."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from mammolab.report.style import (
    COLOURS,
    interval_text,
    numeric,
    percent_axis,
    require_columns,
    text_beside,
)

_SMALL = {"fontsize": 6, "color": COLOURS["published"]}
_TITLE_PAD = 14  # points: room for what heads the columns of numbers


def panel_aucs(ax: Axes, data: pd.DataFrame, title: str = "", note: str = "") -> Axes:
    """AUCs of single readers, of their mean, and of each system, with intervals in words.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, from `frames_reader_study.auc_rows`
        name, kind (reader, mean, system), auc, ci_low, ci_high. Rows of one name share a line,
        drawn from the top in order of appearance.
    title : str
    note : str
        Counts, written under the axis.

    Returns
    -------
    Axes
    """
    require_columns(data, ("name", "kind", "auc", "ci_low", "ci_high"), "panel_aucs")
    names = list(dict.fromkeys(data["name"]))
    look = {"mean": ("D", COLOURS["reader"]), "system": ("o", COLOURS["model"])}
    values = zip(
        data["name"],
        data["kind"],
        *(numeric(data, column) for column in ("auc", "ci_low", "ci_high")),
        strict=True,
    )
    for name, kind, auc, low, high in values:
        y = names.index(name)
        if kind == "reader":
            ax.plot(auc, y - 0.3, "|", color=COLOURS["reader"], ms=4.5, mew=0.7)
            continue
        marker, colour = look[kind]
        ax.plot([low, high], [y, y], color=colour, lw=1.2, solid_capstyle="butt")
        ax.plot(auc, y, marker, color=colour, ms=4.5, mec="white", mew=0.5)
        text_beside(ax, y, 5, interval_text(auc, low, high), color=colour)
    mean = data.loc[data["kind"] == "mean", "auc"]
    if len(mean):
        ax.axvline(mean.iloc[0], color=COLOURS["reader"], lw=0.6, ls=(0, (3, 2)), zorder=0)
    n_readers = int((data["kind"] == "reader").sum())
    labels = [f"{name} (mean of {n_readers})" if name == "readers" else name for name in names]
    ax.set_yticks(range(len(names)), labels)
    ax.set_ylim(len(names) - 0.5, -0.7)
    ax.margins(x=0.04)
    _plain_rows(ax)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.set_xlabel(f"AUC\n{note}".rstrip())
    ax.set_title(title, pad=_TITLE_PAD)
    return ax


def enrichment(ax: Axes, data: pd.DataFrame, title: str = "", note: str = "") -> Axes:
    """Shares as an enriched study has them, and reweighted to a screening prevalence.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a quantity, from `frames_reader_study.enrichment_rows`
        quantity, naive, naive_low, naive_high, reweighted, reweighted_low, reweighted_high.
        The axis is logarithmic: what is not above 0 (or the limit that is not) goes undrawn.
    title : str
    note : str
        Counts, written under the axis.

    Returns
    -------
    Axes
    """
    require_columns(data, ("quantity", "naive", "reweighted"), "enrichment")
    look = {
        "naive": (-0.17, COLOURS["published"], "white"),
        "reweighted": (0.17, COLOURS["model"], COLOURS["model"]),
    }
    drawn = np.concatenate([numeric(data, column) for column in look])
    left = 0.4 * drawn[drawn > 0].min()
    ax.set_xscale("log")
    for name, (offset, colour, face) in look.items():
        value, low, high = (numeric(data, f"{name}{end}") for end in ("", "_low", "_high"))
        for row in range(len(data)):
            y = row + offset
            ends = [max(low[row], left), high[row]]
            ax.plot(ends, [y, y], color=colour, lw=1.1, solid_capstyle="butt")
            if value[row] > 0:
                ax.plot(value[row], y, "o", ms=4.2, mec=colour, mfc=face, mew=1)
            digits = 2 if value[row] < 0.01 else 1
            words = interval_text(value[row], low[row], high[row], digits, scale=100)
            words = words if np.isfinite(value[row]) else "nobody"  # a share of nobody
            text_beside(ax, y, 5, words, color=colour, fontsize=6)
    heads = {"va": "bottom", "fontsize": 6}
    text_beside(ax, -0.62, 5, "%:", **heads, color=COLOURS["ink"])
    text_beside(ax, -0.62, 16, "as in the study", **heads, color=COLOURS["published"])
    text_beside(ax, -0.62, 62, "reweighted", **heads, color=COLOURS["model"])
    ax.set_xlim(left, 1)
    ax.set_yticks(range(len(data)), data["quantity"])
    ax.set_ylim(len(data) - 0.5, -0.6)
    _plain_rows(ax)
    ax.xaxis.set_major_locator(LogLocator(base=100))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    ax.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    ax.set_xlabel(f"share (logarithmic)\n{note}".rstrip())
    ax.set_title(title, pad=_TITLE_PAD)
    return ax


def reader_shifts(ax: Axes, data: pd.DataFrame, title: str = "", note: str = "") -> Axes:
    """Each reader's sensitivity and specificity, moved by triage, and the mean with intervals.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, from `frames_reader_study.shift_rows`
        kind (reader, mean), reader, setting (without, with), sensitivity, specificity; of the mean
        their _low and _high.
    title : str
    note : str
        Counts, written under the axis.

    Returns
    -------
    Axes
    """
    require_columns(
        data, ("kind", "reader", "setting", "sensitivity", "specificity"), "reader_shifts"
    )
    settings = ("without", "with")
    ends = data[data["kind"] == "reader"].pivot(index="reader", columns="setting")
    x, y = (100 * ends[measure][list(settings)] for measure in ("specificity", "sensitivity"))
    for reader in ends.index:
        start, end = ((x.loc[reader, s], y.loc[reader, s]) for s in settings)
        ax.annotate(
            "",
            xy=end,
            xytext=start,
            arrowprops={"arrowstyle": "-|>", "lw": 0.6, "color": COLOURS["published"],
                        "mutation_scale": 5, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
    look = {"without": ("o", COLOURS["reader"]), "with": ("D", COLOURS["model"])}
    for setting, (marker, colour) in look.items():
        face = "white" if setting == "without" else colour
        ax.plot(x[setting], y[setting], marker, ms=2.6, mec=colour, mfc=face, mew=0.6, ls="none")
        means = data[(data["kind"] == "mean") & (data["setting"] == setting)]
        across, up = (
            [100 * numeric(means, f"{measure}{end}") for end in ("", "_low", "_high")]
            for measure in ("specificity", "sensitivity")
        )
        ax.errorbar(
            across[0], up[0],
            xerr=np.abs([across[0] - across[1], across[2] - across[0]]),
            yerr=np.abs([up[0] - up[1], up[2] - up[0]]),
            fmt=marker, ms=5.5, color=colour, mfc=face, elinewidth=1.1, capsize=0,
            label=f"{setting} triage (mean)", zorder=3,
        )  # fmt: skip
    ax.margins(0.06)
    legend = ax.legend(
        loc="lower left", bbox_to_anchor=(-0.03, 0.97), ncols=2, handletextpad=0.2, columnspacing=1
    )
    legend.set_in_layout(False)  # else a narrow panel is squeezed to make room for it
    ax.set_xlabel(f"specificity (%)\n{note}".rstrip())
    ax.set_ylabel("sensitivity (%)")
    ax.set_title(title, pad=_TITLE_PAD)
    return ax


def by_criterion(
    ax: Axes, data: pd.DataFrame, margin: float | None = None, main: str = "", title: str = ""
) -> Axes:
    """The loss of sensitivity under each criterion of recall that readers might have had.

    Parameters
    ----------
    ax : Axes
    data : DataFrame, one row a criterion, from `frames_reader_study.criterion_rows`
        criterion, difference (with minus without triage), ci_low, ci_high, fraction_ruled_out,
        n_caught.
    margin : float, optional
        Largest loss allowed, drawn as a line.
    main : str
        The criterion of the other panels, in bold.
    title : str

    Returns
    -------
    Axes
    """
    require_columns(data, ("criterion", "difference", "ci_low", "ci_high"), "by_criterion")
    difference, low, high = (numeric(data, c) for c in ("difference", "ci_low", "ci_high"))
    ruled_out, caught = numeric(data, "fraction_ruled_out"), numeric(data, "n_caught")
    for row, name in enumerate(data["criterion"]):
        bold = {"weight": "bold"} if name == main else {}
        ax.plot([low[row], high[row]], [row, row], color=COLOURS["model"], lw=1.2)
        ax.plot(difference[row], row, "o", color=COLOURS["model"], ms=4.5, mec="white", mew=0.5)
        # + 0.0 turns what rounds to minus nothing into nothing
        points = (round(100 * x, 1) + 0.0 for x in (difference[row], low[row], high[row]))
        words = interval_text(*points, digits=1)
        text_beside(ax, row, 5, words, color=COLOURS["model"], fontsize=6, **bold)
        text_beside(ax, row, 94, f"{100 * ruled_out[row]:.0f}%", ha="right", fontsize=6, **bold)
        text_beside(ax, row, 112, f"{caught[row]:.0f}", ha="right", fontsize=6, **bold)
    ax.set_yticks(range(len(data)), data["criterion"])
    for label in ax.get_yticklabels():
        label.set_weight("bold" if label.get_text() == main else "normal")
    heads = {"va": "bottom", **_SMALL}
    text_beside(ax, -0.62, 5, "points (interval)", **heads)
    text_beside(ax, -0.62, 94, "ruled out", ha="right", **heads)
    text_beside(ax, -0.62, 116, "caught", ha="right", **heads)
    ax.axvline(0, color=COLOURS["published"], lw=0.7, ls=(0, (3, 2)), zorder=0)
    if margin is not None:
        ax.axvline(-margin, color=COLOURS["reader"], lw=0.9, zorder=0)
        ax.annotate(
            "margin",
            (-margin, 1.01),
            xycoords=ax.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=6,
            color=COLOURS["reader"],
        )
    ax.set_ylim(len(data) - 0.5, -0.6)
    _plain_rows(ax)
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    percent_axis(ax.xaxis)
    ax.set_xlabel("sensitivity, with − without triage")
    ax.set_title(title, pad=_TITLE_PAD)
    return ax


def _plain_rows(ax: Axes) -> None:
    """Rows named at the left need no ticks and no line."""
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
