"""Small frames for the plots, made from the run's own tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit

from mammolab.errors import InputError
from mammolab.evaluate import Estimate
from mammolab.evaluate.curves import roc_band
from mammolab.evaluate.logistic import clipped_logit
from mammolab.evaluate.reliability import ReliabilityTable
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.report.style import interval_text


def target_rows(measured: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """The world's check against its targets, as `plots_cohort.world_targets` draws it.

    Parameters
    ----------
    measured : DataFrame, one row a target
        target, world (the estimate), ci ((low, high)), published, tolerance, unit ("share" is
        printed in percent).
    names : dict of str to str
        Target -> how it is written, in the order to draw; targets not named are left out.

    Returns
    -------
    DataFrame
        quantity, value, ci_low, ci_high, target, target_low, target_high, digits.

    Raises
    ------
    InputError
        If a name is no target.
    """
    by_name = measured.set_index("target")
    unknown = [name for name in names if name not in by_name.index]
    if unknown:
        raise InputError(
            f"no target called {', '.join(unknown)}; there are {', '.join(by_name.index)}"
        )
    rows = []
    for name, written in names.items():
        row = by_name.loc[name]
        scale = 100 if row["unit"] == "share" else 1
        low, high = row["ci"]
        rows.append(
            {
                "quantity": written + (", %" if row["unit"] == "share" else ""),
                "value": scale * row["world"],
                "ci_low": scale * low,
                "ci_high": scale * high,
                "target": scale * row["published"],
                "target_low": scale * (row["published"] - row["tolerance"]),
                "target_high": scale * (row["published"] + row["tolerance"]),
                "digits": 1 if scale == 100 else 2,
            }
        )
    return pd.DataFrame(rows)


def target_summary(measured: pd.DataFrame) -> pd.DataFrame:
    """The world's check against its targets as a table to read.

    Parameters
    ----------
    measured : DataFrame
        As for `target_rows`, with label, n, met and source.

    Returns
    -------
    DataFrame
        quantity, published (with its tolerance), here (with its 95% interval), within (yes, no),
        n and source; shares in percent.
    """
    rows = target_rows(measured, dict(zip(measured["target"], measured["label"], strict=True)))
    digits = rows["digits"]
    return pd.DataFrame(
        {
            "quantity": rows["quantity"],
            "published": [
                f"{value:.{d}f} ± {high - value:.{d}f}"
                for value, high, d in zip(rows["target"], rows["target_high"], digits, strict=True)
            ],
            "here (95% interval)": [
                interval_text(*values)
                for values in zip(
                    rows["value"], rows["ci_low"], rows["ci_high"], digits, strict=True
                )
            ],
            "within": np.where(measured["met"], "yes", "no"),
            "n": measured["n"].to_numpy(),
            "source": measured["source"].to_numpy(),
        }
    )


def composition(
    frame: pd.DataFrame,
    characteristics: dict[str, str],
    group: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> pd.DataFrame:
    """Shares of each level within groups, for `plots_cohort.cohort_composition`.

    Parameters
    ----------
    frame : DataFrame
        One row an exam.
    characteristics : dict of str to str
        Column -> title, in the order to draw.
    group : array-like of str, shape (n_exams,)
        Which bar an exam belongs to.
    sample_weight : array-like of float, shape (n_exams,), optional

    Returns
    -------
    DataFrame
        characteristic, group, level, share (0 to 1; sums to 1 in a bar).
    """
    weight = np.ones(len(frame)) if sample_weight is None else np.asarray(sample_weight, float)
    group = np.asarray(group, dtype=object)
    rows = []
    for column, title in characteristics.items():
        values = frame[column].astype(object).where(frame[column].notna(), "unknown")
        for name in dict.fromkeys(group):
            inside = group == name
            for level in ordered_levels(values):
                share = weight[inside & (values == level).to_numpy()].sum() / weight[inside].sum()
                rows.append((title, name, str(level), float(share)))
    return pd.DataFrame(rows, columns=["characteristic", "group", "level", "share"])


def year_shares(
    frame: pd.DataFrame,
    cancer: ArrayLike,
    category: str = "device",
    sample_weight: ArrayLike | None = None,
) -> pd.DataFrame:
    """Share of each year and category among cancers and negatives, for `mirror_composition`.

    Parameters
    ----------
    frame : DataFrame
        One row an exam or image, with exam_year and `category`.
    cancer : array-like of bool, shape (n,)
    category : str
    sample_weight : array-like of float, shape (n,), optional

    Returns
    -------
    DataFrame
        status ("cancer", "no cancer"), exam_year, `category`, share (0 to 1 within a status).
    """
    status = np.where(np.asarray(cancer, dtype=bool), "cancer", "no cancer")
    weight = np.ones(len(frame)) if sample_weight is None else np.asarray(sample_weight, float)
    counts = (
        frame.assign(status=status, n=weight)
        .groupby(["status", "exam_year", category], observed=True)["n"]
        .sum()
        .reset_index()
    )
    counts["share"] = counts["n"] / counts.groupby("status")["n"].transform("sum")
    return counts.drop(columns="n")


def score_percentile(score: ArrayLike, sample_weight: ArrayLike | None = None) -> np.ndarray:
    """Percentile (0 to 100) of each score in the weighted sample; ties share their middle.

    Examples
    --------
    >>> score_percentile([0.1, 0.4, 0.4], [2.0, 1.0, 1.0]).tolist()
    [25.0, 75.0, 75.0]
    """
    _, rank = np.unique(np.asarray(score, dtype=float), return_inverse=True)
    weight = np.ones(len(rank)) if sample_weight is None else np.asarray(sample_weight, float)
    per_value = np.bincount(rank, weights=weight)
    return (100 * (np.cumsum(per_value) - per_value / 2) / per_value.sum())[rank]


def percentile_bins(
    score: ArrayLike,
    recall: ArrayLike,
    cancer: ArrayLike,
    sample_weight: ArrayLike | None = None,
    n_bins: int = 40,
) -> pd.DataFrame:
    """Weight of exams by percentile of the score, split by the reader's decision and the outcome.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
        Higher means more suspicious.
    recall, cancer : array-like of bool, shape (n_exams,)
        The reader's decision; cancer within a year.
    sample_weight : array-like of float, shape (n_exams,), optional
        Percentiles are of the weighted sample, the cohort; ties share their middle.
    n_bins : int
        Bins of equal width between 0 and 100.

    Returns
    -------
    DataFrame
        group (TP, FP, TN, FN), percentile_low, percentile_high, weight; every bin is there.
    """
    percentile = score_percentile(score, sample_weight)
    recall, cancer = np.asarray(recall, dtype=bool), np.asarray(cancer, dtype=bool)
    weight = np.ones(len(recall)) if sample_weight is None else np.asarray(sample_weight, float)
    edges = np.linspace(0, 100, n_bins + 1)
    groups: Sequence[tuple[str, np.ndarray]] = (
        ("TP", recall & cancer),
        ("FP", recall & ~cancer),
        ("TN", ~recall & ~cancer),
        ("FN", ~recall & cancer),
    )
    frames = []
    for name, member in groups:
        if not member.any():
            continue
        counts, _ = np.histogram(percentile[member], bins=edges, weights=weight[member])
        frames.append(
            pd.DataFrame(
                {
                    "group": name,
                    "percentile_low": edges[:-1],
                    "percentile_high": edges[1:],
                    "weight": counts,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def logit_bins(
    probability: ArrayLike,
    cancer: ArrayLike,
    sample_weight: ArrayLike | None = None,
    n_bins: int = 30,
) -> pd.DataFrame:
    """Share of the exams with and without cancer by raw score, for `score_distributions`.

    Parameters
    ----------
    probability : array-like of float in [0, 1], shape (n_exams,)
    cancer : array-like of bool, shape (n_exams,)
    sample_weight : array-like of float, shape (n_exams,), optional
    n_bins : int
        Of equal width on the logit scale.

    Returns
    -------
    DataFrame
        group ("no cancer", "cancer"), low, high, share (of a group sum to 1), n_exams.
    """
    x = clipped_logit(np.asarray(probability, dtype=float))
    cancer = np.asarray(cancer, dtype=bool)
    weight = np.ones(len(x)) if sample_weight is None else np.asarray(sample_weight, float)
    edges = np.linspace(x.min() - 1e-6, x.max() + 1e-6, n_bins + 1)
    frames = []
    for name, member in (("no cancer", ~cancer), ("cancer", cancer)):
        counts, _ = np.histogram(x[member], bins=edges, weights=weight[member])
        n_exams, _ = np.histogram(x[member], bins=edges)
        columns = {"low": expit(edges[:-1]), "high": expit(edges[1:])}
        columns |= {"share": counts / counts.sum(), "n_exams": n_exams}
        frames.append(pd.DataFrame({"group": name} | columns))
    return pd.concat(frames, ignore_index=True)


def reliability_rows(tables: Mapping[str, ReliabilityTable]) -> pd.DataFrame:
    """Bins of several calibrators one under another, for `plots_calibration.reliability`.

    Returns
    -------
    DataFrame
        calibrator, predicted, observed, ci_low, ci_high.
    """
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "calibrator": name,
                    "predicted": table.mean_predicted,
                    "observed": table.observed,
                    "ci_low": table.low,
                    "ci_high": table.high,
                }
            )
            for name, table in tables.items()
        ],
        ignore_index=True,
    )


def roc_curve(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
) -> pd.DataFrame:
    """ROC curve with its pointwise bootstrap band, for `plots_model.roc`.

    Returns
    -------
    DataFrame
        false_positive_rate, sensitivity, ci_low, ci_high.
    """
    band = roc_band(score, label, patient_ids, sample_weight, bootstrap)
    return pd.DataFrame(
        {
            "false_positive_rate": band.false_positive_rate,
            "sensitivity": band.sensitivity,
            "ci_low": band.low,
            "ci_high": band.high,
        }
    )


def result_row(
    metric: str,
    model: str,
    estimate: Estimate,
    exams: pd.DataFrame,
    event: ArrayLike,
    method: str,
    horizon_years: float = 1,
    subgroup: str = "all",
) -> pd.DataFrame:
    """One row of the `results` table, its counts taken from the exams behind it.

    Parameters
    ----------
    metric, model, method, subgroup : str
    estimate : Estimate
    exams : DataFrame
        The exams analysed, one row each, with patient_id.
    event : array-like of bool, shape (len(exams),)
    horizon_years : float

    Returns
    -------
    DataFrame
        One row; `Chapter.results` adds the chapter.
    """
    return pd.DataFrame(
        {
            "metric": [metric],
            "model": model,
            "subgroup": subgroup,
            "horizon_years": float(horizon_years),
            "estimate": estimate.value,
            "ci_low": estimate.low,
            "ci_high": estimate.high,
            "n_exams": len(exams),
            "n_patients": exams["patient_id"].nunique(),
            "n_events": int(np.asarray(event, dtype=bool).sum()),
            "method": method,
        }
    )


def ordered_levels(values: pd.Series) -> list:
    """Levels in reading order: "<40" before the bands, train before dev and test, unknown last."""
    first = {"<40": 0, "train": 1, "dev": 2, "test": 3}
    last = {"other": 8, "unknown": 9, "": 9}
    return sorted(set(values), key=lambda v: (last.get(v, 0), first.get(v, 5), str(v)))
