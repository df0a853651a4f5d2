"""A C-index with the wrong weights, against a known value."""

import numpy as np
import pytest

from mammolab.evaluate.concordance import harrell_c, uno_c
from mammolab.pitfalls import censoring_weights as cw


def test_the_known_value_is_that_of_very_many_women_nobody_lost():
    women = cw.follow_up(0.0, seed=1, n_women=60_000)
    seen = harrell_c(women.time_years, women.event, women.score)
    assert seen == pytest.approx(cw.true_concordance(), abs=0.006)


def test_unos_weights_bring_it_back_where_four_in_five_are_lost():
    women = cw.follow_up(1.0, seed=2, n_women=60_000)
    found = uno_c(women.time_years, women.event, women.score)
    assert found == pytest.approx(cw.true_concordance(), abs=0.015)
    naive = harrell_c(women.time_years, women.event, women.score)
    assert naive > cw.true_concordance() + 0.05


def test_done_right():
    right = cw.wrong_censoring(0.0, seed=3)
    assert right.setting == 0
    assert right.reported.low <= right.true.value <= right.reported.high
    assert not right.guard.fired


def test_the_event_curve_promises_too_much():
    wrong = cw.wrong_censoring(1.0, seed=3)
    assert wrong.damage > 0.05
    assert wrong.reported.low > wrong.true.value
    assert wrong.repaired.low <= wrong.true.value <= wrong.repaired.high
    assert wrong.guard.fired


def test_the_dose_only_loses_women():
    right, wrong = (cw.follow_up(dose, seed=4, n_women=3000) for dose in (0.0, 1.0))
    np.testing.assert_array_equal(right.score, wrong.score)
    assert (wrong.time_years <= right.time_years).all()
    assert (wrong.event <= right.event).all()
    lost = (right.event == 0) & (wrong.time_years < cw.YEARS)
    assert lost.sum() / (right.event == 0).sum() == pytest.approx(cw.share_lost(1.0), abs=0.03)
