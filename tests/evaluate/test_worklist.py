"""Exams read by arrival and by score."""

import numpy as np
import pytest

from mammolab.evaluate.queue import WorkingHours, erlang_c
from mammolab.evaluate.worklist import ORDERS, compare_orders, draw_worklist

HOURS = WorkingHours()
ALWAYS = WorkingHours(0.0, 24.0, tuple(range(7)))


def exams(separation: float = 3.0, n: int = 4000):
    rng = np.random.default_rng(1)
    label = rng.random(n) < 0.1
    return rng.standard_normal(n) + separation * label, label


def drawn(seed: int = 1, separation: float = 3.0, **changes):
    score, label = exams(separation)
    settings = {
        "prevalence": 0.02,
        "n_days": 200,
        "exams_per_day": 100.0,
        "reading_minutes": 5.0,
        "hours": HOURS,
        "rng": np.random.default_rng(seed),
    } | changes
    return draw_worklist(score, label, None, **settings)


def test_a_worklist_has_the_prevalence_the_load_and_the_hours_asked_for():
    list_ = drawn()
    n = len(list_.label)
    assert n == pytest.approx(20_000, abs=4 * np.sqrt(20_000))
    assert list_.label.mean() == pytest.approx(0.02, abs=4 * np.sqrt(0.02 * 0.98 / n))
    assert list_.reading_hours.mean() == pytest.approx(5 / 60, rel=0.02)
    weekday = (list_.arrival_hours // 24) % 7
    clock = list_.arrival_hours % 24
    assert weekday.max() <= 4 and clock.min() >= 8 and clock.max() <= 17
    assert (np.diff(list_.arrival_hours) >= 0).all()


def test_exams_are_drawn_by_weight_within_their_class():
    score = np.array([0.0, 1.0, 2.0, 3.0])
    label = np.array([0, 0, 1, 1], bool)
    list_ = draw_worklist(
        score, label, [1.0, 3.0, 1.0, 0.0], 0.5, 100, 100.0, 1.0, HOURS, np.random.default_rng(2)
    )
    assert set(list_.score[list_.label]) == {2.0}
    assert (list_.score[~list_.label] == 1.0).mean() == pytest.approx(0.75, abs=0.03)


def test_cancers_are_read_sooner_by_score_and_others_hardly_later():
    compared = compare_orders(drawn(), 1, HOURS, 200, seed=3)
    assert compared.cancers.mean.high < 0 < compared.others.mean.high
    assert abs(compared.others.mean.value) < abs(compared.cancers.mean.value)
    table = compared.table.set_index(["order", "group", "statistic"])
    for statistic in ("mean", "median", "p90"):
        gap = (
            table.loc[("by score", "cancer", statistic), "estimate"]
            - table.loc[("by arrival", "cancer", statistic), "estimate"]
        )
        assert gap == pytest.approx(getattr(compared.cancers, statistic).value)


def test_order_does_not_change_when_the_readers_are_done():
    compared = compare_orders(drawn(), 2, HOURS, 20, seed=3)
    first, second = (compared.times[order] for order in ORDERS)
    assert np.sort(first.end_hours)[-1] == pytest.approx(np.sort(second.end_hours)[-1])


def test_a_score_that_tells_nothing_gains_nothing():
    compared = compare_orders(drawn(separation=0.0), 1, HOURS, 200, seed=4)
    assert compared.cancers.mean.low < 0 < compared.cancers.mean.high


def test_waiting_by_arrival_is_near_what_theory_expects():
    """Gamma readings of shape 4 wait (1 + 1/4) / 2 as long as exponential ones (one reader)."""
    list_ = drawn(n_days=3000, exams_per_day=220.0, hours=ALWAYS)
    waits = compare_orders(list_, 1, ALWAYS, 20, seed=1).times["by arrival"].waiting_hours
    load = erlang_c(220 / 24, 12.0, 1)
    assert waits.mean() == pytest.approx(load.mean_wait_hours * (1 + 1 / 4) / 2, rel=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prevalence": 0.0}, "prevalence"),
        ({"n_days": 0}, "n_days"),
        ({"exams_per_day": 1e-9}, "no worklist"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        drawn(**change)
