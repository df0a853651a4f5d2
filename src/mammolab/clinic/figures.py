"""The figures of the sheet: the paper's own plots, over a hospital's exams."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mammolab.clinic.analysis import Analysis
from mammolab.evaluate.curves import rule_out_curve
from mammolab.report import frames, plots_calibration, plots_model, plots_outcome, plots_triage

CALIBRATOR_NAMES = {"platt": "Platt", "raw": "as it is"}
MOST_ROWS = 25  # levels that the forest shows; subgroups.csv holds all
HEADS_IN = 0.12
MOST_LETTERS = 18  # of a name in a figure
LOG_SPAN = 30  # scores that span more than this factor are drawn on a logarithmic axis


def draw_figures(a: Analysis) -> Iterator[tuple[str, Figure]]:
    """Yield each figure's name and the figure, to be saved by the caller, all within `style()`.

    With readers: readers, percentiles, threshold, reliability, roc, subgroups; without: all but
    the first two.
    """
    if a.scores.has_recall:
        yield "readers", _readers(a)
        yield "percentiles", _percentiles(a)
    yield "threshold", _threshold(a)
    yield "reliability", _reliability(a)
    yield "roc", _roc(a)
    if a.scores.subgroups:
        yield "subgroups", _subgroups(a)


def _figure(width_in: float, height_in: float, n_axes: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    return figure, list(np.atleast_1d(figure.subplots(1, n_axes)))


def _readers(a: Analysis) -> Figure:
    clinic = a.clinic
    measures = ("sensitivity", "specificity")
    paired = pd.DataFrame(
        [
            {
                "measure": measure,
                "setting": f"{setting} triage",
                "estimate": (rate := getattr(clinic, f"{measure}_{setting}")).value,
                "ci_low": rate.low,
                "ci_high": rate.high,
            }
            for measure in measures
            for setting in ("without", "with")
        ]
    )
    differences = pd.DataFrame(
        [
            {"measure": m, "difference": d.value, "ci_low": d.low, "ci_high": d.high}
            for m, d in zip(
                measures, (clinic.noninferiority.difference, clinic.specificity_difference),
                strict=True,
            )
        ]
    )  # fmt: skip
    figure, (left, right) = _figure(7.0, 1.7, 2)
    plots_triage.readers_paired(left, paired)  # the margin stands in the panel beside
    plots_triage.noninferiority(right, differences, margin=a.settings.margin)
    return figure


def _percentiles(a: Analysis) -> Figure:
    test = a.test
    figure, (ax,) = _figure(3.4, 2.2)
    plots_triage.score_percentiles(
        ax,
        frames.percentile_bins(test["suspicion"], test["recall"], test["cancer"], test["weight"]),
        threshold_percentile=100 * a.clinic.fraction_ruled_out.value,
    )
    ax.set_xlabel("percentile of the score (test)")
    return figure


def _threshold(a: Analysis) -> Figure:
    dev, scores = a.dev, a.scores
    caught = dev["cancer"] & dev["recall"] if scores.has_recall else dev["cancer"]
    curve = pd.DataFrame(vars(rule_out_curve(dev["suspicion"], caught, dev["weight"])))
    # the threshold itself, so that its two shares are read off and not interpolated
    at = {
        "threshold": a.chosen.threshold,
        "sensitivity": np.average(~dev["ruled_out"][caught], weights=dev["weight"][caught]),
        "fraction_ruled_out": np.average(dev["ruled_out"], weights=dev["weight"]),
    }
    curve = curve[curve["threshold"] != a.chosen.threshold]
    curve = pd.concat([curve, pd.DataFrame([at])], ignore_index=True)
    curve["threshold"] = scores.calibrator_input(curve["threshold"])
    positive = curve["threshold"][curve["threshold"] > 0]
    log = len(positive) > 0.9 * len(curve) and positive.max() > LOG_SPAN * positive.min()
    figure, (ax,) = _figure(3.4, 2.2)
    plots_triage.triage_threshold(
        ax,
        curve,
        chosen=float(scores.calibrator_input(a.chosen.threshold)),
        log=bool(log),
    )
    words = scores.input_in_words.replace("-", "−")
    ax.set_xlabel(f"threshold on the {words}" if words == "score" else f"threshold on {words}")
    return figure


def _reliability(a: Analysis) -> Figure:
    bins = {}
    if a.before is not None and a.settings.calibrator != "raw":
        bins["score as it is"] = a.before.bins
    method = a.settings.calibrator
    bins[CALIBRATOR_NAMES.get(method, method)] = a.after.bins
    figure, (ax,) = _figure(3.4, 2.2)
    plots_calibration.reliability(ax, frames.reliability_rows(bins), per=1000)
    return figure


def _roc(a: Analysis) -> Figure:
    test, clinic = a.test, a.clinic
    curve = frames.roc_curve(
        test["suspicion"], test["cancer"], test["patient_id"], test["weight"], a.bootstrap
    )
    points = []
    if a.scores.has_recall:
        points = [
            {
                "label": "readers",
                **{
                    f"{measure}{end}": getattr(getattr(clinic, f"{measure}_without"), field)
                    for measure in ("sensitivity", "specificity")
                    for end, field in (("", "value"), ("_low", "low"), ("_high", "high"))
                },
            }
        ]
    text = f"AUC {a.auc.value:.3f}"
    if np.isfinite(a.auc.low):
        text += f" ({a.auc.low:.3f}–{a.auc.high:.3f})"
    figure, (ax,) = _figure(2.6, 2.2)
    plots_model.roc(ax, curve.assign(curve="score"), labels={"score": text}, points=points)
    return figure


def shown_levels(a: Analysis) -> tuple[pd.DataFrame, int]:
    """The subgroup rows of AUC that the forest has room for, and how many levels it leaves out."""
    rows = a.subgroups[a.subgroups["metric"] == "auc"]
    kept, used = [rows.index[0]], 1.0
    for _, block in rows[rows["by"] != ""].groupby("by", sort=False):
        used += 1.35 + len(block)  # a heading and its levels
        if used > MOST_ROWS:
            break
        kept += list(block.index)
    if len(kept) == 1:  # the first subgroup alone is too long: its largest levels
        block = rows[rows["by"] == rows["by"].iloc[1]]
        kept += sorted(block["n_exams"].nlargest(MOST_ROWS - 2).index)
    return rows.loc[kept], len(rows) - len(kept)


def _subgroups(a: Analysis) -> Figure:
    shown, _ = shown_levels(a)
    n_rows = len(shown) + 1.35 * shown["by"].nunique()
    height_in = 0.65 + 0.128 * n_rows
    figure, (left, right) = _figure(7.0, height_in, 2)
    # the heads of the columns stand above the axes, where the layout does not see them
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - HEADS_IN / height_in))
    overall = shown["estimate"].iloc[0]
    out = a.subgroups[a.subgroups["metric"] == "fraction_ruled_out"].set_index("subgroup")
    out = out.loc[shown["subgroup"]].reset_index()
    out["n_events"] = np.nan  # counts stand beside the AUC
    plots_outcome.forest(
        left, _forest_rows(shown), reference=float(overall) if np.isfinite(overall) else None
    )
    plots_outcome.forest(
        right, _forest_rows(out), xlabel="exams ruled out", digits=1, percent=True,
        reference=float(out["estimate"].iloc[0]),
    )  # fmt: skip
    right.set_yticklabels([])
    for text in list(right.texts):
        if text.get_weight() == "bold":  # the headings stand once, at the left
            text.remove()
    return figure


def _forest_rows(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "group": [_written(by.replace("_", " ")) for by in rows["by"]],
            "subgroup": [
                _written(level) if by else "all test exams"
                for by, level in zip(rows["by"], rows["level"], strict=True)
            ],
            **{column: rows[column] for column in ("estimate", "ci_low", "ci_high", "n_events")},
        }
    )


def _written(name: str) -> str:
    """A user's name as a figure can bear it: short, and no formula between dollar signs."""
    half = MOST_LETTERS // 2  # names often differ at their ends
    short = name if len(name) <= MOST_LETTERS else f"{name[: half - 1]}…{name[-half:]}"
    return short.replace("$", r"\$")
