"""Collect at a dose, train a small network on that, and ask it about women as they come."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.model.network import ResNet18
from mammolab.pitfalls.collection import LABEL, SamplingRule
from mammolab.pitfalls.failure import Outcome, Streams, check_dose
from mammolab.pitfalls.guards_metadata import METADATA, metadata_auc
from mammolab.pitfalls.small_study import SmallStudy, auc_of, score_test_exams, train_on

# Exams of a split, convenient source, share taken from there, generator -> the exams collected;
# such as `sources.collect_from_sources` and `matching.collect_matched`.
Collect = Callable[[pd.DataFrame, SamplingRule, float, np.random.Generator], pd.DataFrame]


def collected(
    study: SmallStudy,
    collect: Collect,
    convenient: SamplingRule,
    share: float,
    streams: Streams,
    split: str,
) -> pd.DataFrame:
    """Return the exams of a split that one collects; a split draws alike at every share."""
    return collect(study.of_split(split), convenient, share, streams(f"collect small {split}"))


def trained_network(
    study: SmallStudy,
    collect: Collect,
    convenient: SamplingRule,
    share: float,
    streams: Streams,
    thumbnails: NDArray[np.uint8] | None = None,
) -> ResNet18:
    """Train on what one collects for training; `thumbnails` as for `small_study.train_on`."""
    train = collected(study, collect, convenient, share, streams, "train")
    return train_on(study, train["exam_id"], streams("small training"), thumbnails)


def trained_scores(
    study: SmallStudy,
    collect: Collect,
    convenient: SamplingRule,
    share: float,
    streams: Streams,
) -> pd.Series:
    """Scores of all test exams, by exam_id, of the network trained on what one collects."""
    return score_test_exams(study, trained_network(study, collect, convenient, share, streams))


def collected_outcome(
    study: SmallStudy,
    collect: Collect,
    convenient: SamplingRule,
    sound: pd.Series,
    streams: Streams,
    dose: float,
) -> Outcome:
    """Outcome of collecting at a dose, for training and test alike; `sound` is dose 0 and repair."""
    scores = sound
    if check_dose(dose) > 0:
        scores = trained_scores(study, collect, convenient, dose, streams)
    test = collected(study, collect, convenient, dose, streams, "test")
    return judged(study, scores, test, dose, dose, sound, streams)


def judged(
    study: SmallStudy,
    scores: pd.Series,
    tested: pd.DataFrame,
    dose: float,
    setting: float,
    repaired: pd.Series,
    streams: Streams,
) -> Outcome:
    """Outcome of a network: on the test exams collected, and on women as they come.

    Parameters
    ----------
    study : SmallStudy
    scores, repaired : Series of float
        Of all test exams, by exam_id: as trained on the collection, and with the repair.
    tested : DataFrame
        The test exams that one has collected.
    dose, setting : float
        As for `Outcome`.
    streams : callable
        Purpose -> numpy Generator, such as `chapter.rng`.
    """
    test = study.of_split("test")
    return Outcome(
        dose,
        setting,
        auc_of(scores, tested, study.bootstrap, weighted=False),
        auc_of(scores, test, study.bootstrap, weighted=True),
        auc_of(repaired, test, study.bootstrap, weighted=True),
        metadata_auc(
            tested, LABEL, METADATA, tested["patient_id"], streams("metadata permutations")
        ),
    )
