"""Pointing game and energy over a sample of images: shares with intervals, by kind and size."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.resampling import PatientBootstrap, ratio_estimate, share_estimate

SIZE_BANDS_MM = (10, 20)  # T1b ends at 10 mm, T1 at 20 mm
# Metric -> the columns of `score_maps` whose weighted ratio it is; None divides by the images.
METRICS = {
    "pointing": ("hit", None),
    "pointing_chance": ("chance_hit", None),
    "pointing_over_chance": ("hit", "chance_hit"),
    "energy": ("energy", None),
    "energy_chance": ("chance_energy", None),
    "energy_over_chance": ("energy", "chance_energy"),
}


def size_band(diameter_mm: pd.Series) -> pd.Series:
    """Name the size band of lesions, smallest first, as an ordered category.

    Examples
    --------
    >>> size_band(pd.Series([4.0, 10.0, 31.0])).tolist()
    ['under 10 mm', '10 to 20 mm', '20 mm and more']
    """
    low, high = SIZE_BANDS_MM
    return pd.cut(
        diameter_mm,
        [0, low, high, np.inf],
        right=False,
        labels=[f"under {low} mm", f"{low} to {high} mm", f"{high} mm and more"],
    )


def localisation_estimates(
    scored: pd.DataFrame, groups: dict[str, pd.Series], bootstrap: PatientBootstrap
) -> pd.DataFrame:
    """Return pointing and energy of a method with intervals, overall and by group.

    Parameters
    ----------
    scored : DataFrame
        As `localisation.score_sample` returns it, with exam_id, patient_id and sampling_weight.
    groups : dict of str to Series
        Title -> the group of each row of `scored`.
    bootstrap : PatientBootstrap

    Returns
    -------
    DataFrame
        by ("" for all images), level, metric (pointing, pointing_chance, energy, energy_chance,
        pointing_over_chance, energy_over_chance), estimate, ci_low, ci_high, n_images, n_exams,
        n_patients.
        An image weighs what its exam weighs; a group of one woman is not estimated (NaN).
    """
    everyone = pd.Series("all", index=scored.index)
    rows = []
    for by, group in {"": everyone, **groups}.items():
        levels = group.cat.categories if hasattr(group, "cat") else sorted(group.unique())
        for level in levels:
            part = scored[(group == level).to_numpy()]
            if part.empty:
                continue
            estimates = _estimates(part, bootstrap)
            rows += [
                {
                    "by": by,
                    "level": str(level),
                    "metric": metric,
                    "estimate": estimate.value,
                    "ci_low": estimate.low,
                    "ci_high": estimate.high,
                    "n_images": len(part),
                    "n_exams": part["exam_id"].nunique(),
                    "n_patients": part["patient_id"].nunique(),
                }
                for metric, estimate in estimates.items()
            ]
    return pd.DataFrame(rows)


def with_chance(estimates: pd.DataFrame, metric: str, keys: list[str]) -> pd.DataFrame:
    """Return the rows of a metric with what chance would give beside them.

    Parameters
    ----------
    estimates : DataFrame
        As `localisation_estimates` returns it, of one or several methods.
    metric : {"pointing", "energy"}
    keys : list of str
        The columns that tell its rows apart, such as series, by and level.

    Returns
    -------
    DataFrame
        The rows of `metric` with a column chance.
    """
    chance = estimates.loc[estimates["metric"] == f"{metric}_chance", [*keys, "estimate"]]
    rows = estimates[estimates["metric"] == metric]
    return rows.merge(chance.rename(columns={"estimate": "chance"}), on=keys)


def _estimates(scored: pd.DataFrame, bootstrap: PatientBootstrap) -> dict[str, Estimate]:
    if scored["patient_id"].nunique() < 2:
        return dict.fromkeys(METRICS, Estimate(float("nan"), float("nan"), float("nan")))
    who = (scored["patient_id"], scored["sampling_weight"], bootstrap)
    ones = np.ones(len(scored))
    # A share of hits has an interval even where all or none hit.
    return {"pointing": share_estimate(scored["hit"], ones > 0, *who)} | {
        metric: ratio_estimate(
            scored[above].astype(float), ones if below is None else scored[below], *who
        )
        for metric, (above, below) in METRICS.items()
        if metric != "pointing"
    }
