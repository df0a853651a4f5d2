"""Negatives matched to cancers on who the women are, but not on how the pictures were taken."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.errors import InputError
from mammolab.pitfalls.collection import LABEL, SamplingRule, reached
from mammolab.pitfalls.failure import Failure, Outcome, Streams
from mammolab.pitfalls.retraining import collected_outcome, trained_scores
from mammolab.pitfalls.small_study import SmallStudy

ON_THE_WOMAN = ("age_band", "density")
ON_THE_PICTURE = ("device", "exam_year")

MATCHING_ON_AGE_DENSITY = Failure(
    name="matching_on_age_density",
    title="Matched on age and density only",
    metric="AUC",
    dial="pairs matched on age, density only",
    guard="metadata_auc",
    repair="Match on device and year as well, or take negatives from everywhere.",
    cost="Cancers without a control on the same device in the same year are lost.",
    source="Badgeley et al. 2019, doi:10.1038/s41746-019-0105-1: fracture was told with an AUC of "
    ".78, .67 once matched on the patient, and .52 once matched on the hospital process as well.",
)


def matched_pairs(
    cancers: pd.DataFrame,
    pool: pd.DataFrame,
    columns: tuple[str, ...],
    rng: np.random.Generator,
) -> NDArray:
    """Draw a control for each cancer from the pool, alike in these columns; none is used twice.

    Parameters
    ----------
    cancers, pool : DataFrame
        With `columns`; a missing value matches a missing value. Their indices must not overlap.
    columns : tuple of str
    rng : numpy Generator

    Returns
    -------
    array, shape (n_pairs, 2)
        Index of the cancer and of its control; cancers that find none are left out.

    Raises
    ------
    InputError
        When a column is missing.
    """
    if absent := [c for c in columns if c not in cancers or c not in pool]:
        raise InputError(f"Matching needs {', '.join(absent)}, which the table lacks.")
    sides = []
    for frame in (cancers, pool):
        shuffled = frame.loc[rng.permutation(frame.index.to_numpy()), list(columns)]
        keys = shuffled.astype(object).where(shuffled.notna(), "missing").astype(str)
        turn = keys.groupby(list(columns)).cumcount()
        sides.append(keys.assign(turn=turn, place=keys.index))
    pairs = sides[0].merge(sides[1], on=[*columns, "turn"], suffixes=("_cancer", "_control"))
    return pairs[["place_cancer", "place_control"]].to_numpy()


def collect_matched(
    exams: pd.DataFrame, convenient: SamplingRule, share: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Collect cancers and matched controls.

    Parameters
    ----------
    exams : DataFrame
        Of one split: cancer_within_1y, age_band, density, device, exam_year.
    convenient : SamplingRule
        Where controls come from that are matched on age and density only.
    share : float in [0, 1]
        Of the cancers, that get such a control; the others' controls are from the same device and
        year as well.
    rng : numpy Generator

    Returns
    -------
    DataFrame
        Rows of `exams`, in their order; as many controls as cancers.

    Raises
    ------
    InputError
        When no pair is found, and as `collection.reached`.
    """
    label = exams[LABEL].to_numpy(bool)
    cancers = exams.loc[rng.permutation(exams.index[label].to_numpy())]
    first = round(share * len(cancers))
    loose = matched_pairs(cancers[:first], reached(exams, False, convenient), ON_THE_WOMAN, rng)
    left = exams[~label & ~exams.index.isin(loose[:, 1])]
    close = matched_pairs(cancers[first:], left, ON_THE_WOMAN + ON_THE_PICTURE, rng)
    chosen = np.concatenate([loose, close]).ravel()
    if not len(chosen):
        raise InputError(f"None of {label.sum()} cancers finds a control among {len(left)} exams.")
    return exams.loc[np.sort(chosen.astype(exams.index.dtype))]


def closely_matched_scores(
    study: SmallStudy, convenient: SamplingRule, streams: Streams
) -> pd.Series:
    """Test scores of the network whose controls are from the same device and year: the repair."""
    return trained_scores(study, collect_matched, convenient, 0.0, streams)


def matching_on_age_density(
    study: SmallStudy,
    convenient: SamplingRule,
    closely_matched: pd.Series,
    streams: Streams,
    dose: float,
) -> Outcome:
    """Match negatives from the convenient source to cancers on age and density, and train anew.

    The table of characteristics then shows two groups that look alike, and the device, which is in
    no such table, still tells them apart.

    Parameters
    ----------
    study, convenient, streams
        As for `sources.confounded_sources`.
    closely_matched : Series
        As `closely_matched_scores` gives it, by exam_id: dose 0, and the repair.
    dose : float in [0, 1]
        Share of the cancers whose control is matched on age and density only.

    Returns
    -------
    Outcome
        Of the AUC: on matched test exams, and on women as they come.

    References
    ----------
    Badgeley et al. 2019, doi:10.1038/s41746-019-0105-1.
    """
    return collected_outcome(study, collect_matched, convenient, closely_matched, streams, dose)
