"""The difference of two shares: by hand, over patients, and how often its interval holds."""

import numpy as np
import pytest

from mammolab.audit.shares import share_difference
from mammolab.errors import InputError


def test_by_hand_and_either_way():
    event = np.array([1, 0, 0, 1, 1, 1, 0, 1] * 10, dtype=bool)
    group = np.repeat([True, False], 40)
    weight = np.where(event, 3.0, 1.0)
    ids = np.arange(80).astype(str)
    inside, _, gap = share_difference(event, group, ids, weight, 1)
    share = np.average(event[:40], weights=weight[:40])
    assert inside.value == pytest.approx(share) and gap.value == pytest.approx(
        share - np.average(event[40:], weights=weight[40:])
    )
    back = share_difference(event, ~group, ids, weight, 1)[2]
    assert (back.value, back.low, back.high) == pytest.approx((-gap.value, -gap.high, -gap.low))


def test_few_of_whom_all_have_it_are_not_certain():
    event = np.r_[np.ones(4, dtype=bool), np.arange(100) < 60]
    gap = share_difference(event, np.arange(104) < 4, np.arange(104).astype(str), np.ones(104), 1)[
        2
    ]
    assert gap.value == pytest.approx(0.4) and gap.low < 0.1


def test_the_interval_holds_the_truth_with_two_rows_a_patient():
    """200 samples of pairs of like rows; a binomial of 0.95 falls below 178 once in 2,000 times."""
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(300), 2).astype(str)
    held = 0
    for seed in range(200):
        group = np.repeat(rng.random(300) < 0.2, 2)
        event = np.repeat(rng.random(300), 2) < np.where(group, 0.3, 0.15)
        gap = share_difference(event, group, ids, np.ones(600), seed)[2]
        held += gap.low <= 0.15 <= gap.high
    assert 178 <= held < 200


def test_one_group():
    with pytest.raises(InputError, match="0 of 3 rows are of the group"):
        share_difference([True] * 3, [False] * 3, list("abc"), np.ones(3), 1)
