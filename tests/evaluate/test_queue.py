"""Worklists against a discrete-event library, queueing theory and cases known by hand."""

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from mammolab.evaluate import queue
from mammolab.evaluate.queue import WorkingHours


def simpy_times(arrival, reading, n_readers, urgency):
    """Start and end of each reading by SimPy's priority resource (its lowest number goes first)."""
    environment = simpy.Environment()
    readers = simpy.PriorityResource(environment, capacity=n_readers)
    start, end = np.empty(len(arrival)), np.empty(len(arrival))

    def exam(row):
        yield environment.timeout(arrival[row])
        with readers.request(priority=-urgency[row]) as turn:
            yield turn
            start[row] = environment.now
            yield environment.timeout(reading[row])
            end[row] = environment.now

    # where arrivals coincide the most urgent asks first, as a sorted batch would
    for row in np.lexsort((-np.asarray(urgency), arrival)):
        environment.process(exam(row))
    environment.run()
    return start, end


@pytest.mark.parametrize("n_readers", [1, 2, 5])
@pytest.mark.parametrize("n_classes", [1, 2, 10_000])
def test_agrees_exactly_with_simpy(n_readers, n_classes):
    rng = np.random.default_rng(n_readers * n_classes)
    arrival = np.cumsum(rng.exponential(1 / (0.9 * n_readers), 2000))
    reading = rng.lognormal(0, 0.5, 2000)
    urgency = rng.integers(0, n_classes, 2000).astype(float)
    times = queue.read_in_order(arrival, reading, n_readers, urgency)
    start, end = simpy_times(arrival, reading, n_readers, urgency)
    np.testing.assert_array_equal(times.start_hours, start)
    np.testing.assert_array_equal(times.end_hours, end)


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(1, 4), st.integers(0, 2)), min_size=1, max_size=25
    ),
    st.integers(1, 3),
)
@settings(max_examples=80, deadline=None)
def test_agrees_with_simpy_where_times_coincide(exams, n_readers):
    """Whole hours: batches, and exams that arrive as a reader becomes free."""
    arrival, reading, urgency = np.array(exams, dtype=float).T
    times = queue.read_in_order(arrival, reading, n_readers, urgency)
    start, end = simpy_times(arrival, reading, n_readers, urgency)
    np.testing.assert_array_equal(times.start_hours, start)
    np.testing.assert_array_equal(times.end_hours, end)


def test_a_batch_is_read_from_the_highest_score_down():
    times = queue.read_in_order([5.0] * 4, [1.0] * 4, 1, urgency=[0.2, 0.9, 0.1, 0.9])
    assert times.start_hours.tolist() == [7, 5, 8, 6]  # equal scores go by row
    assert times.waiting_hours.tolist() == [2, 0, 3, 1]
    assert times.turnaround_hours.tolist() == [3, 1, 4, 2]


def test_a_reading_under_way_is_not_interrupted():
    times = queue.read_in_order([0.0, 0.5], [2.0, 1.0], 1, urgency=[0.0, 1.0])
    assert times.start_hours.tolist() == [0, 2]


def test_order_of_the_rows_changes_nothing():
    rng = np.random.default_rng(3)
    arrival, reading, urgency = rng.uniform(0, 50, 300), rng.uniform(0.1, 1, 300), rng.random(300)
    mixed = rng.permutation(300)
    times = queue.read_in_order(arrival, reading, 2, urgency)
    again = queue.read_in_order(arrival[mixed], reading[mixed], 2, urgency[mixed])
    np.testing.assert_array_equal(again.start_hours, times.start_hours[mixed])


def test_only_the_ranking_of_urgency_counts():
    rng = np.random.default_rng(4)
    arrival, reading, urgency = rng.uniform(0, 50, 300), rng.uniform(0.1, 1, 300), rng.random(300)
    times = queue.read_in_order(arrival, reading, 2, urgency)
    again = queue.read_in_order(arrival, reading, 2, np.exp(5 * urgency))
    np.testing.assert_array_equal(again.start_hours, times.start_hours)


def test_equal_reading_times_make_the_mean_wait_the_same_in_any_order():
    rng = np.random.default_rng(5)
    arrival = np.cumsum(rng.exponential(1.05, 3000))
    in_turn = queue.read_in_order(arrival, np.ones(3000), 1)
    by_score = queue.read_in_order(arrival, np.ones(3000), 1, rng.random(3000))
    assert by_score.waiting_hours.mean() == pytest.approx(in_turn.waiting_hours.mean(), rel=1e-10)
    assert by_score.waiting_hours.max() > in_turn.waiting_hours.max()


def test_erlang_c_of_two_readers():
    load = queue.erlang_c(1.6, 1.0, 2)
    assert load.mean_wait_hours == pytest.approx(16 / 9, rel=1e-12)
    assert load.p_wait == pytest.approx(0.64 / 0.9, rel=1e-12)
    assert load.utilisation == pytest.approx(0.8)
    assert queue.erlang_c(0.8, 1.0, 1).mean_wait_hours == pytest.approx(4.0)  # rho / (1 - rho)
    assert queue.erlang_c(950, 1.0, 1000).p_wait < 0.1  # no overflow


def test_priority_waits_conserve_the_mean():
    arrivals = np.array([0.2, 0.5, 0.9])
    waits = queue.priority_waits(arrivals, 1.0, 2)
    assert waits @ arrivals / 1.6 == pytest.approx(queue.erlang_c(1.6, 1.0, 2).mean_wait_hours)
    assert (np.diff(waits) > 0).all()
    assert queue.priority_waits([1.6], 1.0, 2) == pytest.approx([16 / 9])


def test_a_long_simulation_agrees_with_theory():
    """Means of 100 long batches are nearly independent, which gives their standard error."""
    rng = np.random.default_rng(6)
    n = 400_000
    arrival, reading = np.cumsum(rng.exponential(1 / 1.6, n)), rng.exponential(1.0, n)
    urgent = rng.random(n) < 0.25
    in_turn = queue.read_in_order(arrival, reading, 2).waiting_hours
    by_class = queue.read_in_order(arrival, reading, 2, urgent.astype(float)).waiting_hours
    expected = queue.priority_waits([0.4, 1.2], 1.0, 2)
    for wait, among, theory in (
        (in_turn, np.ones(n, dtype=bool), 16 / 9),
        (in_turn > 0, np.ones(n, dtype=bool), 0.64 / 0.9),
        (by_class, urgent, expected[0]),
        (by_class, ~urgent, expected[1]),
    ):
        batches = [part.mean() for part in np.array_split(wait[among], 100)]
        error = np.std(batches, ddof=1) / 10
        assert abs(np.mean(batches) - theory) < 3 * error
        assert error < 0.03 * theory  # tight enough to tell


def test_working_hours_by_hand():
    """Open 8 to 17 on weekdays; hour 0 is Monday at 0:00."""
    week = WorkingHours()
    clock = np.array([0.0, 8.0, 9.5, 17.0, 20.0, 24 + 10.0, 5 * 24 + 12.0, 7 * 24 + 9.0, -60.0])
    worked = [0, 0, 1.5, 9, 9, 11, 45, 46, -5]  # the last: Friday noon before
    np.testing.assert_allclose(week.to_working(clock), worked)
    assert week.to_clock(np.array([9.0, 45.0])).tolist() == [24 + 8, 7 * 24 + 8]
    assert week.to_clock(np.array([9.0, 45.0]), closing=True).tolist() == [17, 4 * 24 + 17]


@given(st.floats(-500, 500))
@settings(max_examples=60, deadline=None)
def test_working_hours_go_back_and_forth(working):
    week = WorkingHours(7.5, 16.0, (1, 2, 5))
    there = week.to_clock(np.array([working]))
    assert week.to_working(there)[0] == pytest.approx(
        working, abs=2e-9
    )  # times within 1e-9 are one


def test_readers_rest_at_night_and_at_the_weekend():
    # Friday 16:00: one hour is read, the other on Monday; the urgent exam of Sunday comes next
    arrival = [4 * 24 + 16.0, 5 * 24 + 1.0, 6 * 24 + 1.0]
    times = queue.read_in_order(arrival, [2.0, 1.0, 1.0], 1, [0.0, 0.0, 1.0], WorkingHours())
    assert (times.start_hours - 7 * 24).tolist() == [-56, 10, 9]
    assert (times.end_hours - 7 * 24).tolist() == [9, 11, 10]
    in_turn = queue.read_in_order(arrival, [2.0, 1.0, 1.0], 1, hours=WorkingHours())
    assert (in_turn.start_hours - 7 * 24).tolist() == [-56, 9, 10]


def test_rounding_pushes_no_reading_over_the_end_of_the_day():
    """90 readings of 0.1 hours fill nine hours, though in floating point they sum to more."""
    assert np.cumsum(np.full(90, 0.1))[-1] != 9.0
    times = queue.read_in_order(np.full(91, 8.0), np.full(91, 0.1), 1, hours=WorkingHours())
    assert times.end_hours[89] == pytest.approx(17.0)
    assert times.start_hours[90] == pytest.approx(24 + 8.0)


def test_open_all_day_every_day_is_the_plain_clock():
    rng = np.random.default_rng(7)
    arrival, reading = rng.uniform(0, 400, 500), rng.uniform(0.1, 2, 500)
    always = WorkingHours(0, 24, tuple(range(7)))
    plain = queue.read_in_order(arrival, reading, 2)
    shifts = queue.read_in_order(arrival, reading, 2, hours=always)
    np.testing.assert_allclose(shifts.end_hours, plain.end_hours, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0, np.nan], [1, 1], 1), "arrival_hours must be finite"),
        (([0.0, 1.0], [1, 0], 1), r"reading_hours must be above 0; not so in rows \[1\]"),
        (([0.0, 1.0], [1], 1), "reading_hours has 1 rows"),
        (([0.0, 1.0], [1, 1], 0), "n_readers"),
        (([0.0, 1.0], [1, 1], 1, [0, np.inf]), "urgency must be finite"),
    ],
)
def test_bad_input_of_the_simulation(arguments, message):
    with pytest.raises(ValueError, match=message):
        queue.read_in_order(*arguments)


def test_bad_input_of_the_theory():
    with pytest.raises(ValueError, match="cannot keep up"):
        queue.erlang_c(2.0, 1.0, 2)
    with pytest.raises(ValueError, match="arrivals_per_hour"):
        queue.erlang_c(0.0, 1.0, 2)
    with pytest.raises(ValueError, match="every class"):
        queue.priority_waits([0.5, 0.0], 1.0, 2)
    with pytest.raises(ValueError, match="days must rise"):
        WorkingHours(days=(0, 7))
    with pytest.raises(ValueError, match="must rise within"):
        WorkingHours(17, 8)
