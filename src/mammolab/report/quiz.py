"""The lecture's quiz: exams from below and from above the threshold, to be told apart by eye."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammolab.errors import InputError
from mammolab.report.frames import score_percentile

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def quiz_exams(
    exams: pd.DataFrame, threshold: float, n_each: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Draw exams from below and above the threshold; above, half of them with cancer.

    Parameters
    ----------
    exams : DataFrame, one row an exam
        exam_id, probability, cancer_within_1y (bool), sampling_weight.
    threshold : float
        Exams below it are ruled out.
    n_each : int
        From each side; fewer where there are not as many.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        exam_id, side ("not read", "read"), cancer_within_1y, percentile (0 to 100, among the exams
        given, weights applied); first those below, each side by rising probability.

    Notes
    -----
    Below the threshold exams come as they come: a cancer is among them as often as chance has it.
    """
    exams = exams.assign(
        percentile=score_percentile(exams["probability"], exams["sampling_weight"])
    )
    below = exams["probability"] < threshold
    cancer = exams["cancer_within_1y"].astype(bool)
    n_cancers = min(n_each // 2, int((~below & cancer).sum()))
    parts = []
    for side, rows, n in (
        ("not read", exams[below], n_each),
        ("read", exams[~below & cancer], n_cancers),
        ("read", exams[~below & ~cancer], n_each - n_cancers),
    ):
        if rows.empty:
            continue
        drawn = rows.sample(min(n, len(rows)), weights="sampling_weight", random_state=rng)
        parts.append(drawn.assign(side=side))
    drawn = pd.concat(parts).sort_values(["side", "probability"], kind="stable")
    return drawn[["exam_id", "side", "cancer_within_1y", "percentile"]].reset_index(drop=True)


def quiz_sheet(quiz: pd.DataFrame, images: pd.DataFrame, view: str = "MLO") -> pd.DataFrame:
    """Tiles of both breasts of each exam, for `plots_cohort.contact_sheet`.

    Parameters
    ----------
    quiz : DataFrame, from `quiz_exams`
    images : DataFrame, one row an image
        exam_id, laterality, view, status, row (in images.npy).
    view : str

    Returns
    -------
    DataFrame
        row, label (a letter over the right breast, the answer over the left), group (the side of
        the threshold). An exam of which one breast has no such view has an empty tile.

    Raises
    ------
    InputError
        If the quiz has more exams than the alphabet letters.
    """
    if len(quiz) > len(LETTERS):
        raise InputError(f"a quiz has at most {len(LETTERS)} exams, not {len(quiz)}")
    usable = images[(images["status"] == "ok") & (images["view"] == view)]
    row_of = usable.drop_duplicates(["exam_id", "laterality"]).set_index(["exam_id", "laterality"])
    tiles = []
    for letter, exam in zip(LETTERS, quiz.itertuples(index=False), strict=False):
        answer = "cancer" if exam.cancer_within_1y else "no cancer"
        labels = {"R": f"{letter}: {answer}", "L": f"percentile {exam.percentile:.0f}"}
        for side, label in labels.items():
            found = row_of["row"].get((exam.exam_id, side), np.nan)
            tiles.append({"row": found, "label": label, "group": exam.side})
    return pd.DataFrame(tiles, columns=["row", "label", "group"])
