"""All failures of the laboratory by name, in the order in which the chapters make them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mammolab.errors import unknown_name
from mammolab.pitfalls.best_subgroup import BEST_SUBGROUP
from mammolab.pitfalls.censoring_weights import WRONG_CENSORING
from mammolab.pitfalls.clusters import IMAGES_INDEPENDENT
from mammolab.pitfalls.failure import Failure
from mammolab.pitfalls.hidden_subgroup import HIDDEN_SUBGROUP
from mammolab.pitfalls.late_detection import LATE_DETECTION
from mammolab.pitfalls.reader_studies import (
    AUTOMATION_BIAS,
    LABORATORY_EFFECT,
    PREVALENCE_EFFECT,
)
from mammolab.pitfalls.replicates import REPLICATE_T_TEST

FAILURES: dict[str, Failure] = {
    failure.name: failure
    for failure in (
        # 13_pitfalls_analysis
        IMAGES_INDEPENDENT,
        HIDDEN_SUBGROUP,
        LABORATORY_EFFECT,
        PREVALENCE_EFFECT,
        AUTOMATION_BIAS,
        LATE_DETECTION,
        WRONG_CENSORING,
        REPLICATE_T_TEST,
        BEST_SUBGROUP,
    )
}


def scoreboard_rows(tables: Sequence[pd.DataFrame], dose: float) -> pd.DataFrame:
    """Gather the failures of several chapters at one dose, with their titles and metrics.

    Parameters
    ----------
    tables : sequence of DataFrame
        In the columns of the table `pitfalls`; the doses may differ from table to table.
    dose : float
        A failure that was not run at this dose stands with the nearest one.

    Returns
    -------
    DataFrame
        One row a failure in the order of the catalogue: the columns of `pitfalls`, title, metric,
        guard and damage (reported minus true).

    Raises
    ------
    InputError
        If a table names a failure that the catalogue lacks.
    """
    frame = pd.concat([table for table in tables if len(table)], ignore_index=True)
    for name in frame["failure"].unique():
        if name not in FAILURES:
            raise unknown_name("failure", name, FAILURES)
    nearest = frame.assign(distance=(frame["dose"] - dose).abs()).sort_values(
        "distance", kind="stable"
    )
    rows = nearest.drop_duplicates("failure").drop(columns="distance").set_index("failure")
    rows = rows.loc[[name for name in FAILURES if name in rows.index]].reset_index()
    cards = rows["failure"].map(FAILURES)
    return rows.assign(
        title=[card.title for card in cards],
        metric=[card.metric for card in cards],
        guard=[card.guard for card in cards],
        damage=rows["reported"] - rows["true"],
    )
