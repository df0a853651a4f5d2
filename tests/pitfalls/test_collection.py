"""Collected test sets: who is in, from where, and whether the books balance."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.collection import SamplingRule, enriched_test_set, natural_test_set

EVERYWHERE = SamplingRule()


@pytest.fixture
def cohort() -> pd.DataFrame:
    """12,000 exams, 1% cancers; all cancers and a tenth of the rest have pixels."""
    rng = np.random.default_rng(0)
    n = 12_000
    cancer = rng.random(n) < 0.01
    has_pixels = cancer | (rng.random(n) < 0.1)
    return pd.DataFrame(
        {
            "exam_id": [f"E{k}" for k in range(n)],
            "patient_id": [f"P{k}" for k in rng.integers(0, 4000, n)],
            "exam_year": rng.integers(2009, 2017, n),
            "device": rng.choice(["alder", "birch", None], n, p=[0.5, 0.4, 0.1]),
            "site": rng.choice(["A", "B"], n),
            "cancer_within_1y": cancer,
            "has_pixels": has_pixels,
            "sampling_weight": np.where(has_pixels, np.where(cancer, 1.0, 10.0), np.nan),
        }
    )


def test_enriched_set_is_half_cancers_from_everywhere(cohort):
    collected = enriched_test_set(cohort, EVERYWHERE, EVERYWHERE, np.random.default_rng(1))
    frame = collected.frame
    assert frame["cancer_within_1y"].mean() == 0.5
    assert frame["cancer_within_1y"].sum() == cohort["cancer_within_1y"].sum()
    assert frame["has_pixels"].all()
    assert frame["exam_id"].is_unique


def test_negatives_come_from_where_the_rule_says(cohort):
    rule = SamplingRule(years=(2015, 2016), devices=("birch",))
    frame = enriched_test_set(cohort, EVERYWHERE, rule, np.random.default_rng(2)).frame
    negatives = frame[~frame["cancer_within_1y"]]
    positives = frame[frame["cancer_within_1y"]]
    assert set(negatives["exam_year"]) == {2015, 2016}
    assert set(negatives["device"]) == {"birch"}
    assert set(positives["exam_year"]) == set(range(2009, 2017))
    assert len(negatives) == len(positives)


def test_even_over_years(cohort):
    skewed = cohort[(cohort["exam_year"] != 2010) | (cohort.index % 3 == 0)]
    rule = SamplingRule(even_over_years=True)
    frame = enriched_test_set(skewed, EVERYWHERE, rule, np.random.default_rng(3)).frame
    a_year = frame.loc[~frame["cancer_within_1y"], "exam_year"].value_counts()
    assert a_year.max() - a_year.min() <= 1


def test_where_negatives_do_not_suffice_positives_are_fewer(cohort):
    few = cohort[cohort["cancer_within_1y"] | (cohort.index < 300)]
    frame = enriched_test_set(few, EVERYWHERE, EVERYWHERE, np.random.default_rng(4)).frame
    n_negatives = (few["has_pixels"] & ~few["cancer_within_1y"]).sum()
    assert frame["cancer_within_1y"].value_counts().to_dict() == {
        True: n_negatives,
        False: n_negatives,
    }


@pytest.mark.parametrize(
    "rule", [EVERYWHERE, SamplingRule(even_over_years=True), SamplingRule(years=(2016,))]
)
def test_books_balance_and_weights_bring_the_reached_cohort_back(cohort, rule):
    collected = enriched_test_set(cohort, EVERYWHERE, rule, np.random.default_rng(5))
    frame, book = collected.frame, collected.book
    assert book["n_drawn"].sum() == len(frame)
    assert book["n_available"].sum() == cohort["has_pixels"].sum()
    assert (book["n_drawn"] <= book["n_available"]).all()
    assert (book.loc[book["probability"] == 0, "n_drawn"] == 0).all()
    reached = cohort["has_pixels"] & ~cohort["cancer_within_1y"]
    if rule.years:
        reached &= cohort["exam_year"].isin(rule.years)
    negatives = frame[~frame["cancer_within_1y"]]
    assert negatives["set_weight"].sum() == pytest.approx(10 * reached.sum())


def test_natural_set_has_the_prevalence_of_the_cohort(cohort):
    collected = natural_test_set(cohort, 900, np.random.default_rng(6))
    frame = collected.frame
    assert len(frame) == 900
    assert collected.book["n_drawn"].sum() == 900
    prevalence = np.average(frame["cancer_within_1y"], weights=frame["set_weight"])
    assert prevalence == pytest.approx(cohort["cancer_within_1y"].mean(), rel=0.25)
    assert frame["set_weight"].sum() == pytest.approx(len(cohort), rel=0.1)
    everything = natural_test_set(cohort, 10**6, np.random.default_rng(6)).frame
    np.testing.assert_array_equal(everything["set_weight"], everything["sampling_weight"])


def test_the_same_generator_state_collects_the_same_set(cohort):
    first, again = (
        enriched_test_set(cohort, EVERYWHERE, EVERYWHERE, np.random.default_rng(7)).frame
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(first, again)


def test_a_rule_that_names_nothing_lists_what_there_is(cohort):
    rng = np.random.default_rng(8)
    with pytest.raises(InputError, match="2009"):
        enriched_test_set(cohort, EVERYWHERE, SamplingRule(years=(1999,)), rng)
    with pytest.raises(InputError, match="alder"):
        enriched_test_set(cohort, EVERYWHERE, SamplingRule(devices=("oak",)), rng)
    with pytest.raises(InputError, match="reaches no cancer"):
        enriched_test_set(cohort[~cohort["cancer_within_1y"]], EVERYWHERE, EVERYWHERE, rng)
    with pytest.raises(InputError, match="natural test set of 0"):
        natural_test_set(cohort, 0, rng)
