"""All failures of the laboratory by name, in the order in which the chapters make them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mammolab.errors import unknown_name
from mammolab.pitfalls.best_subgroup import BEST_SUBGROUP
from mammolab.pitfalls.censoring_weights import WRONG_CENSORING
from mammolab.pitfalls.clusters import IMAGES_INDEPENDENT
from mammolab.pitfalls.device_repairs import DEVICE_SHORTCUT
from mammolab.pitfalls.enrichment import ENRICHED_TEST_SET, SPECTRUM
from mammolab.pitfalls.exclusion import EXCLUSIONS
from mammolab.pitfalls.failure import Failure
from mammolab.pitfalls.hidden_subgroup import HIDDEN_SUBGROUP
from mammolab.pitfalls.late_detection import LATE_DETECTION
from mammolab.pitfalls.leakage import DUPLICATES_ACROSS_SPLITS, PATIENTS_ACROSS_SPLITS
from mammolab.pitfalls.markers import MARKER_SHORTCUT
from mammolab.pitfalls.matching import MATCHING_ON_AGE_DENSITY
from mammolab.pitfalls.outcome_labels import SHORT_FOLLOW_UP, VERIFICATION_BIAS
from mammolab.pitfalls.overconfidence import OVERCONFIDENCE
from mammolab.pitfalls.reader_studies import (
    AUTOMATION_BIAS,
    LABORATORY_EFFECT,
    PREVALENCE_EFFECT,
)
from mammolab.pitfalls.replicates import REPLICATE_T_TEST
from mammolab.pitfalls.selection import BEST_OF_RUNS, TUNED_ON_TEST
from mammolab.pitfalls.sources import CONFOUNDED_SOURCES, SEVERAL_IMAGES
from mammolab.pitfalls.transfer import CARRIED_THRESHOLD
from mammolab.pitfalls.upgrade import DEVICE_SCORES

# By chapter: 11_pitfalls_data, 12_pitfalls_models, 13_pitfalls_analysis.
CHAPTERS: dict[str, tuple[Failure, ...]] = {
    "Data": (
        ENRICHED_TEST_SET,
        SPECTRUM,
        CONFOUNDED_SOURCES,
        SEVERAL_IMAGES,
        MATCHING_ON_AGE_DENSITY,
        MARKER_SHORTCUT,
        EXCLUSIONS,
        VERIFICATION_BIAS,
        SHORT_FOLLOW_UP,
        PATIENTS_ACROSS_SPLITS,
        DUPLICATES_ACROSS_SPLITS,
    ),
    "Models": (
        DEVICE_SCORES,
        DEVICE_SHORTCUT,
        OVERCONFIDENCE,
        CARRIED_THRESHOLD,
        BEST_OF_RUNS,
        TUNED_ON_TEST,
    ),
    "Analysis": (
        IMAGES_INDEPENDENT,
        HIDDEN_SUBGROUP,
        LABORATORY_EFFECT,
        PREVALENCE_EFFECT,
        AUTOMATION_BIAS,
        LATE_DETECTION,
        WRONG_CENSORING,
        REPLICATE_T_TEST,
        BEST_SUBGROUP,
    ),
}
FAILURES: dict[str, Failure] = {
    failure.name: failure for failures in CHAPTERS.values() for failure in failures
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
        One row a failure in the order of the catalogue: the columns of the table `failures`, and
        damage (reported minus true).

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
    chapter_of = {card.name: chapter for chapter, cards in CHAPTERS.items() for card in cards}
    cards = [FAILURES[name] for name in rows["failure"]]
    of_cards = {
        field: [getattr(card, field) for card in cards]
        for field in ("title", "metric", "guard", "repair", "cost", "source")
    }
    return rows.assign(
        chapter=rows["failure"].map(chapter_of),
        damage=rows["reported"] - rows["true"],
        **of_cards,
    )
