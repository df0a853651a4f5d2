"""How a test set is collected: enriched to half cancers, as many are, or as nature comes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.errors import InputError, unknown_name

LABEL = "cancer_within_1y"
STRATA = [LABEL, "exam_year", "device"]


@dataclass(frozen=True)
class SamplingRule:
    """Where the exams of one class are taken from.

    Attributes
    ----------
    years : tuple of int
        Years of the exam; empty for all.
    devices : tuple of str
        Empty for all.
    even_over_years : bool
        Draw the same number from each year (as far as they last), instead of in proportion.
    """

    years: tuple[int, ...] = ()
    devices: tuple[str, ...] = ()
    even_over_years: bool = False


@dataclass(frozen=True, eq=False)
class CollectedSet:
    """A test set and the record of how it came about.

    Attributes
    ----------
    frame : DataFrame
        The cohort's rows that were drawn, in the cohort's order, with a column set_weight: the
        cohort's own sampling weight over the probability of being drawn into the set. With it the
        set stands for the part of the cohort that its rules reach, at its natural prevalence.
    book : DataFrame
        One row a stratum (cancer_within_1y, exam_year, device) of the exams that could have been
        drawn: n_available, n_drawn, probability (of each exam, by the rule; 0 where the rule does
        not reach, so that no weight can bring that stratum back).
    """

    frame: pd.DataFrame
    book: pd.DataFrame


def enriched_test_set(
    cohort: pd.DataFrame,
    positives_rule: SamplingRule,
    negatives_rule: SamplingRule,
    rng: np.random.Generator,
) -> CollectedSet:
    """Collect a test set that is half cancers, as is convenient and usual.

    Cancers are few, so that all that can be had are taken, from every year and scanner; the
    negatives come from wherever is easiest to pull. Where the two rules differ, the year or the
    scanner alone tells the classes apart.

    Parameters
    ----------
    cohort : DataFrame
        The cohort table, or one split of it; exams without pixels are passed over.
    positives_rule, negatives_rule : SamplingRule
        Where each class is taken from. The set holds every positive its rule reaches and equally
        many negatives, or equally few positives where the negatives do not suffice.
    rng : numpy Generator

    Returns
    -------
    CollectedSet

    Raises
    ------
    InputError
        If a rule names a year or device that the cohort lacks, or reaches no exam.

    Examples
    --------
    The negatives of the last year, from the newest scanner, against all cancers::

        enriched_test_set(cohort, SamplingRule(), SamplingRule((2016,), ("dogwood",)), rng)
    """
    exams = cohort[cohort["has_pixels"]].reset_index(drop=True)
    positives = reached(exams, True, positives_rule)
    negatives = reached(exams, False, negatives_rule)
    n_each = min(len(positives), len(negatives))
    drawn = np.concatenate(
        [
            _draw(positives, n_each, positives_rule.even_over_years, rng),
            _draw(negatives, n_each, negatives_rule.even_over_years, rng),
        ]
    )
    probability = pd.concat(
        [
            _probability(positives, drawn, positives_rule.even_over_years),
            _probability(negatives, drawn, negatives_rule.even_over_years),
        ]
    )
    return _collected(exams, drawn, probability)


def reached(exams: pd.DataFrame, label: bool, rule: SamplingRule) -> pd.DataFrame:
    """Return the exams of a class that a rule reaches.

    Parameters
    ----------
    exams : DataFrame
        cancer_within_1y, exam_year, device.
    label : bool
    rule : SamplingRule

    Raises
    ------
    InputError
        If the rule names a year or device that the exams lack, or reaches none.
    """
    for column, wanted in (("exam_year", rule.years), ("device", rule.devices)):
        present = sorted(exams[column].dropna().unique())
        for value in wanted:
            if value not in present:
                raise unknown_name(f"{column} among the exams", str(value), map(str, present))
    inside = exams[LABEL] == label
    if rule.years:
        inside &= exams["exam_year"].isin(rule.years)
    if rule.devices:
        inside &= exams["device"].isin(rule.devices)
    if not inside.any():
        kind = "cancer" if label else "exam without cancer"
        raise InputError(f"The rule {rule} reaches no {kind} with pixels.")
    return exams[inside]


def natural_test_set(cohort: pd.DataFrame, n_exams: int, rng: np.random.Generator) -> CollectedSet:
    """Collect a test set as exams come: a simple random sample of those that have pixels.

    Cancers are as rare in it, by weight, as in the cohort: every metric must use set_weight, for
    the hospital pulled the pixels of all cancers and of a part of the rest.

    Parameters
    ----------
    cohort : DataFrame
        As for `enriched_test_set`.
    n_exams : int
        Size of the set; all exams with pixels where there are fewer.
    rng : numpy Generator

    Returns
    -------
    CollectedSet

    Raises
    ------
    InputError
        If n_exams is below 1 or no exam has pixels.
    """
    exams = cohort[cohort["has_pixels"]].reset_index(drop=True)
    if n_exams < 1 or exams.empty:
        raise InputError(
            f"A natural test set of {n_exams} exams cannot be drawn from {len(exams)} with pixels."
        )
    drawn = _draw(exams, n_exams, False, rng)
    return _collected(exams, drawn, _probability(exams, drawn, False))


def _draw(
    exams: pd.DataFrame, n_wanted: int, even_over_years: bool, rng: np.random.Generator
) -> NDArray:
    """Draw rows (index labels) without replacement, all of them if fewer than wanted."""
    shuffled = exams.index.to_numpy()[rng.permutation(len(exams))]
    if even_over_years:
        # Deal the years out like cards: all first cards, then all second ones, and so on.
        turn = exams.loc[shuffled].groupby("exam_year").cumcount().to_numpy()
        shuffled = shuffled[np.argsort(turn, kind="stable")]
    return shuffled[:n_wanted]


def _probability(exams: pd.DataFrame, drawn: NDArray, even_over_years: bool) -> pd.Series:
    """Each reached exam's probability of being drawn: one for all, or one a year."""
    is_drawn = pd.Series(exams.index.isin(drawn), index=exams.index, dtype=float)
    if even_over_years:
        return is_drawn.groupby(exams["exam_year"]).transform("mean")
    return pd.Series(is_drawn.mean(), index=exams.index)


def _collected(exams: pd.DataFrame, drawn: NDArray, probability: pd.Series) -> CollectedSet:
    exams = exams.assign(
        _drawn=exams.index.isin(drawn), _probability=probability.reindex(exams.index, fill_value=0)
    )
    # A missing device is a stratum of its own.
    book = (
        exams.groupby(STRATA, dropna=False)
        .agg(
            n_available=("_drawn", "size"),
            n_drawn=("_drawn", "sum"),
            probability=("_probability", "mean"),
        )
        .reset_index()
    )
    chosen = exams[exams["_drawn"]]
    weight = chosen["sampling_weight"] / chosen["_probability"]
    frame = chosen.drop(columns=["_drawn", "_probability"]).assign(set_weight=weight)
    return CollectedSet(frame.reset_index(drop=True), book)
