"""A rule reaches the exams it names, and says what there is where it reaches none."""

import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.collection import SamplingRule, convenient_rule, reached


@pytest.fixture
def exams() -> pd.DataFrame:
    """Two years, two devices and one exam without a device; one cancer."""
    return pd.DataFrame(
        {
            "exam_year": [2009, 2009, 2010, 2010, 2010],
            "device": ["alder", "birch", "alder", "birch", None],
            "cancer_within_1y": [False, False, False, True, False],
        }
    )


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        (SamplingRule(), [0, 1, 2, 4]),
        (SamplingRule(years=(2010,)), [2, 4]),
        (SamplingRule(devices=("alder",)), [0, 2]),
        (SamplingRule(years=(2009,), devices=("birch",)), [1]),
    ],
)
def test_the_healthy_exams_that_a_rule_names(exams, rule, rows):
    assert reached(exams, False, rule).index.tolist() == rows


def test_the_class_is_asked_for(exams):
    assert reached(exams, True, SamplingRule()).index.tolist() == [3]


def test_a_rule_that_names_nothing_lists_what_there_is(exams):
    with pytest.raises(InputError, match="2009"):
        reached(exams, False, SamplingRule(years=(1999,)))
    with pytest.raises(InputError, match="alder"):
        reached(exams, False, SamplingRule(devices=("oak",)))
    with pytest.raises(InputError, match="reaches no cancer"):
        reached(exams, True, SamplingRule(years=(2009,)))
    with pytest.raises(InputError, match="reaches no exam without cancer"):
        reached(exams, False, SamplingRule(years=(2010,), devices=("birch",)))


def test_convenient_years(exams):
    more = pd.concat([exams, exams.assign(exam_year=2012, device="cedar")], ignore_index=True)
    more.loc[0, "exam_year"] = None
    assert convenient_rule(more, "early", 2, 1) == SamplingRule((2009, 2010), ("birch",))
    assert convenient_rule(more, "even", 1, 1) == SamplingRule((2010, 2012))
    with pytest.raises(InputError, match="no convenient source 'odd'; .* early"):
        convenient_rule(more, "odd", 1, 1)
    with pytest.raises(InputError, match="No exam is of an even year; the years are 2009"):
        convenient_rule(exams[:2], "even", 1, 1)
