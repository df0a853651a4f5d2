"""Pairs are alike in what they are matched on, and in nothing else."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.collection import SamplingRule
from mammolab.pitfalls.matching import (
    ON_THE_PICTURE,
    ON_THE_WOMAN,
    collect_matched,
    matched_pairs,
)

ALL_FOUR = ON_THE_WOMAN + ON_THE_PICTURE
EASY = SamplingRule(years=(2009, 2010), devices=("alder",))


@pytest.fixture(scope="module")
def exams() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 3000
    return pd.DataFrame(
        {
            "age_band": rng.choice(["40-49", "50-59", "60-69"], n),
            "density": rng.choice(["a", "b", None], n),
            "device": rng.choice(["alder", "birch"], n),
            "exam_year": rng.integers(2009, 2013, n),
            "cancer_within_1y": np.arange(n) % 12 == 0,
        }
    )


def alike(exams, pairs, columns) -> bool:
    sides = [exams.loc[list(side), list(columns)].fillna("none").to_numpy() for side in pairs.T]
    return bool((sides[0] == sides[1]).all())


def test_pairs_by_hand():
    cancers = pd.DataFrame({"age": ["a", "a", "b", None]}, index=[10, 11, 12, 13])
    pool = pd.DataFrame({"age": ["a", None, "c", "a", "a"]}, index=[20, 21, 22, 23, 24])
    pairs = matched_pairs(cancers, pool, ("age",), np.random.default_rng(0))
    found = dict(map(tuple, pairs))
    assert set(found) == {10, 11, 13}  # nobody is like 12
    assert found[13] == 21
    assert {found[10], found[11]} < {20, 23, 24}
    assert found[10] != found[11]


def test_pairs_are_alike_and_no_control_is_used_twice(exams):
    cancer = exams["cancer_within_1y"]
    pairs = matched_pairs(exams[cancer], exams[~cancer], ALL_FOUR, np.random.default_rng(1))
    assert len(pairs) == cancer.sum()  # there are eleven others for each
    assert alike(exams, pairs, ALL_FOUR)
    assert len(np.unique(pairs)) == 2 * len(pairs)


def test_where_controls_are_few_each_finds_one_at_most(exams):
    cancer = exams["cancer_within_1y"]
    pool = exams[~cancer].iloc[:60]
    pairs = matched_pairs(exams[cancer], pool, ALL_FOUR, np.random.default_rng(1))
    assert 0 < len(pairs) < 60
    assert len(np.unique(pairs)) == 2 * len(pairs)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_collection_is_matched_on_the_woman_and_as_far_as_asked_on_the_picture(exams, share):
    chosen = collect_matched(exams, EASY, share, np.random.default_rng(2))
    cancer = chosen["cancer_within_1y"]
    assert chosen.index.is_unique
    assert cancer.mean() == 0.5
    for column in ON_THE_WOMAN:
        counts = pd.crosstab(chosen[column].fillna("none"), cancer)
        assert (counts[True] == counts[False]).all()
    easy = chosen["exam_year"].isin(EASY.years) & chosen["device"].isin(EASY.devices)
    if share == 0:
        assert (pd.crosstab(chosen["device"], cancer).diff(axis=1)[True] == 0).all()
        assert (pd.crosstab(chosen["exam_year"], cancer).diff(axis=1)[True] == 0).all()
    elif share == 1:
        assert easy[~cancer].all()
        assert not easy[cancer].all()
    else:
        assert 0.5 < easy[~cancer].mean() < 0.8


def test_refusals(exams):
    cancer = exams["cancer_within_1y"]
    with pytest.raises(InputError, match="bmi"):
        matched_pairs(exams[cancer], exams[~cancer], ("bmi",), np.random.default_rng(3))
    nobody = exams.assign(age_band=np.where(cancer, "40-49", "50-59"))
    with pytest.raises(InputError, match="None of 250 cancers"):
        collect_matched(nobody, EASY, 0.0, np.random.default_rng(3))
    with pytest.raises(InputError, match="oak"):
        collect_matched(exams, SamplingRule(devices=("oak",)), 1.0, np.random.default_rng(3))
