"""Frames for the plots of risk models."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mammolab.errors import InputError
from mammolab.evaluate.horizon_calibration import HorizonCalibration
from mammolab.evaluate.risk_groups import Capture
from mammolab.report.frames import ordered_levels


def calibration_rows(calibrations: Mapping[str, HorizonCalibration]) -> pd.DataFrame:
    """Groups of predicted risk of one or several models, for `plots_risk_groups`.

    Returns
    -------
    DataFrame
        model, predicted, observed, ci_low, ci_high, n_exams, n_events.
    """
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "model": model,
                    "predicted": one.table.mean_predicted,
                    "observed": one.table.observed,
                    "ci_low": one.table.low,
                    "ci_high": one.table.high,
                    "n_exams": one.table.n_exams,
                    "n_events": one.table.n_events,
                }
            )
            for model, one in calibrations.items()
        ],
        ignore_index=True,
    )


def capture_rows(
    captures: Mapping[str, Capture], published: Mapping[str, tuple[float, float]] | None = None
) -> pd.DataFrame:
    """Share of the cancers at either end of the risk, for `plots_risk_groups.capture`.

    Parameters
    ----------
    captures : mapping of model to Capture
    published : mapping of model to (top, bottom), optional
        What others reported for the same fraction.

    Returns
    -------
    DataFrame
        model, end, estimate, ci_low, ci_high, published.

    Raises
    ------
    InputError
        If a published model is not among the captures.
    """
    published = published or {}
    strangers = sorted(set(published) - set(captures))
    if strangers:
        raise InputError(
            f"published names {', '.join(strangers)}; the models are {', '.join(captures)}"
        )
    rows = []
    for model, one in captures.items():
        reported = published.get(model, (np.nan, np.nan))
        for end, estimate, value in zip(
            ("top", "bottom"), (one.top, one.bottom), reported, strict=True
        ):
            rows.append(
                {
                    "model": model,
                    "end": end,
                    "estimate": estimate.value,
                    "ci_low": estimate.low,
                    "ci_high": estimate.high,
                    "published": value,
                }
            )
    return pd.DataFrame(rows)


def subgroup_rows(table: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """A table of subgroups by one factor each, for `plots_outcome.forest`.

    Parameters
    ----------
    table : DataFrame
        Of `evaluate.subgroups`, for one metric, model and horizon.
    titles : mapping of factor to heading, in the order to draw

    Returns
    -------
    DataFrame
        group, subgroup, estimate, ci_low, ci_high, n_events; all women first, unknown levels last.

    Raises
    ------
    InputError
        If a factor is not in the table, or a subgroup occurs twice in it.
    """
    factors = sorted(set(table["by"]) - {""})
    missing = sorted(set(titles) - set(factors))
    if missing:
        raise InputError(f"no factor {', '.join(missing)}; there are {', '.join(factors)}")
    twice = table["subgroup"][table["subgroup"].duplicated()].unique()
    if len(twice):
        raise InputError(
            f"subgroup {', '.join(twice[:5])} occurs more than once: choose one metric, model and "
            f"horizon"
        )
    columns = ["estimate", "ci_low", "ci_high", "n_events"]
    parts = [table[table["by"] == ""].assign(group="", subgroup="all women")]
    for factor, title in titles.items():
        rows = table[table["by"] == factor].set_index("level", drop=False)
        rows = rows.loc[ordered_levels(rows["level"])]
        parts.append(rows.assign(group=title, subgroup=rows["level"]))
    return pd.concat(parts, ignore_index=True)[["group", "subgroup", *columns]]


def grid_rows(
    grid: pd.DataFrame,
    examples: pd.DataFrame | None = None,
    images: pd.DataFrame | None = None,
    laterality: str = "L",
    view: str = "MLO",
) -> pd.DataFrame:
    """A grid of two risks with an image in each cell, for `plots_risk_groups.risk_grid`.

    Parameters
    ----------
    grid : DataFrame
        Of `risk_grid.risk_grid` or `reclassification.reclassification_table`.
    examples : DataFrame, optional
        Of `risk_grid.typical_exams`.
    images : DataFrame, optional
        The table of that name: exam_id, laterality, view, status, row. Needed with examples.
    laterality, view : str
        Which image of the exam is shown.

    Returns
    -------
    DataFrame
        row, column, incidence, ci_low, ci_high, n_exams, n_events and image_row, which is missing
        in a cell without an example or whose example has no such image.
    """
    columns = ["row", "column", "incidence", "ci_low", "ci_high", "n_exams", "n_events"]
    if examples is None:
        return grid[columns].assign(image_row=np.nan)
    if images is None:
        raise InputError("the images of the examples are looked up in the table images: give it")
    usable = images[
        (images["status"] == "ok") & (images["laterality"] == laterality) & (images["view"] == view)
    ]
    row_of = usable.drop_duplicates("exam_id").set_index("exam_id")["row"]
    joined = grid[columns].merge(examples, on=["row", "column"], how="left", validate="one_to_one")
    found = joined["exam_id"].map(row_of)
    return joined.assign(image_row=pd.to_numeric(found).astype(float))[[*columns, "image_row"]]
