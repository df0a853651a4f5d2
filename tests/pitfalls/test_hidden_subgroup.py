"""A group behind the average, and the cancers that show it."""

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.hidden_subgroup import (
    GROUPS,
    auc_of_all,
    cancers_to_know_table,
    hidden_subgroup,
)


def test_no_harm_at_dose_0():
    right = hidden_subgroup(0.0, seed=1)
    assert right.reported.low <= right.true.value <= right.reported.high
    assert not right.guard.fired


def test_below_chance_in_the_group_and_hardly_seen_in_the_mean():
    wrong = hidden_subgroup(1.0, seed=1)
    assert wrong.true.value == 0.40
    assert wrong.reported.value > 0.78
    assert wrong.repaired.low <= 0.40 <= wrong.repaired.high
    assert wrong.repaired.high < wrong.reported.low
    assert wrong.guard.fired
    assert "hidden" in wrong.guard.message


def test_limits_by_group_hold_the_truth_for_all_doses_and_the_group_alone_moves():
    outcomes = [hidden_subgroup(dose, seed=2) for dose in (0.0, 0.5, 1.0)]
    for outcome in outcomes:
        assert outcome.repaired.low <= outcome.true.value <= outcome.repaired.high
    reported = [outcome.reported.value for outcome in outcomes]
    assert reported == sorted(reported, reverse=True)


@pytest.mark.parametrize("dose", [0.0, 0.5, 1.0])
def test_as_a_mean_of_all_women_the_report_is_right(dose):
    found = hidden_subgroup(dose, seed=4, n_cancers=4000, n_healthy=8000, n_replicates=20)
    assert found.reported.low < auc_of_all(found) < found.reported.high
    assert found.reported.high - found.reported.low < 0.02


def test_the_groups_are_everybody():
    assert sum(GROUPS.values()) == pytest.approx(1)


def test_too_few_cancers_give_no_number_for_the_group():
    few = hidden_subgroup(1.0, seed=3, n_cancers=60, n_healthy=300)  # five cancers in the group
    assert np.isnan(few.repaired.value)


def test_the_table_leaves_out_what_is_not_below_the_rest():
    table = cancers_to_know_table(0.85, [0.5, 0.8499, 0.9], [1, 5], 100)
    assert len(table) == 4  # 0.9 is not below 0.85
    assert table["n_cancers"].isna().sum() == 2


def test_refusals():
    with pytest.raises(InputError, match="dose"):
        hidden_subgroup(-0.1, seed=0)
