"""Exams read by arrival and by score."""

import numpy as np
import pytest

from mammolab.evaluate.queue import WorkingHours, erlang_c
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.worklist import (
    ORDERS,
    compare_orders,
    draw_worklist,
    turnaround_by_order,
)

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


def compared(separation: float = 3.0, seed: int = 3, **changes):
    score, label = exams(separation)
    ids = [f"P{k // 2}" for k in range(len(score))]
    settings = {
        "prevalence": 0.02,
        "n_days": 40,
        "exams_per_day": 100.0,
        "reading_minutes": 5.0,
        "n_readers": 1,
        "hours": HOURS,
        "n_worklists": 20,
        "rng": np.random.default_rng(seed),
    } | changes
    bootstrap = PatientBootstrap.draw(ids, 30, seed=1)
    table = compare_orders(score, label, ids, None, bootstrap, **settings)
    return table.set_index(["order", "group"])


def test_cancers_are_read_sooner_by_score_and_others_hardly_later():
    table = compared()
    cancers, others = (table.loc[("difference", group)] for group in ("cancer", "no cancer"))
    assert cancers["ci_high"] < 0 < others["estimate"]
    assert others["estimate"] < -0.2 * cancers["estimate"]
    for group in ("cancer", "no cancer"):
        gap = (
            table.loc[("by score", group), "estimate"]
            - table.loc[("by arrival", group), "estimate"]
        )
        assert gap == pytest.approx(table.loc[("difference", group), "estimate"])


def test_few_cancers_behind_the_worklists_widen_the_interval():
    """The same days, but all cancers, seen at once or never, are those of a handful of women."""
    score, label = exams(0.0)
    score[label] = np.where(np.arange(label.sum()) % 2, 9.0, -9.0)
    keep = ~label | (np.cumsum(label) <= 6)
    ids = np.array([f"P{k}" for k in range(len(score))])
    bootstrap = PatientBootstrap.draw(ids, 60, seed=1)
    widths = []
    for rows in (keep, np.ones(len(score), bool)):
        table = compare_orders(
            score[rows], label[rows], ids[rows], None, bootstrap, 0.05, 40, 60.0, 5.0, 1, HOURS, 60,
            np.random.default_rng(5),
        ).set_index(["order", "group"])  # fmt: skip
        row = table.loc[("difference", "cancer")]
        widths.append(row["ci_high"] - row["ci_low"])
    assert widths[0] > 1.5 * widths[1]


def test_order_does_not_change_when_the_readers_are_done():
    list_ = drawn()
    taken = turnaround_by_order(list_, 2, HOURS)
    ends = [(list_.arrival_hours + taken[order]).max() for order in ORDERS]
    assert ends[0] == pytest.approx(ends[1])


def test_a_score_that_tells_nothing_gains_nothing():
    row = compared(separation=0.0).loc[("difference", "cancer")]
    assert row["ci_low"] < 0 < row["ci_high"]


def test_turnaround_by_arrival_is_near_what_theory_expects():
    """Gamma readings of shape 4 wait (1 + 1/4) / 2 as long as exponential ones (one reader)."""
    list_ = drawn(n_days=3000, exams_per_day=220.0, hours=ALWAYS)
    waits = turnaround_by_order(list_, 1, ALWAYS)["by arrival"] - list_.reading_hours
    load = erlang_c(220 / 24, 12.0, 1)
    assert waits.mean() == pytest.approx(load.mean_wait_hours * (1 + 1 / 4) / 2, rel=0.1)


def test_more_worklists_than_replicates_are_refused():
    with pytest.raises(ValueError, match="from 2 to the 30 replicates"):
        compared(n_worklists=31)


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
