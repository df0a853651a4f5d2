"""Turnaround by group: hand cases, and whether intervals over blocks of time keep their word."""

import numpy as np
import pytest

from mammolab.evaluate import queue, turnaround
from mammolab.evaluate.resampling import PatientBootstrap


def worklist(seed, n_exams=4000):
    """Arrivals, reading times and cancers of two readers at utilisation 0.8."""
    rng = np.random.default_rng(seed)
    arrival = np.cumsum(rng.exponential(1 / 1.6, n_exams))
    return arrival, rng.exponential(1.0, n_exams), rng.random(n_exams) < 0.1


def test_time_blocks_are_days():
    assert turnaround.time_blocks([0.0, 23.9, 24.0, -1.0]).tolist() == [0, 0, 1, -1]
    assert turnaround.time_blocks([0.0, 23.9, 24.0], 12.0).tolist() == [0, 1, 2]


def test_table_by_hand():
    hours = np.arange(1.0, 21.0)
    group = np.repeat(["cancer", "healthy"], 10)
    block = np.tile([0, 1], 10)
    table = turnaround.turnaround_table(hours, group, block, PatientBootstrap.draw(block, 200, 0))
    assert table["group"].tolist() == ["cancer"] * 3 + ["healthy"] * 3
    assert table["statistic"].tolist() == ["mean", "median", "p90"] * 2
    assert table["estimate"].tolist() == [5.5, 5, 9, 15.5, 15, 19]
    assert (table["n_exams"] == 10).all() and (table["n_blocks"] == 2).all()
    # replicates draw block 0 twice, block 1 twice, or both: the odd hours, the even, or all
    cancer = table[table["group"] == "cancer"]
    assert cancer["ci_low"].tolist() == [5, 5, 9]
    assert cancer["ci_high"].tolist() == [6, 6, 10]


def test_quantiles_of_replicates_are_those_of_the_rows_drawn():
    rng = np.random.default_rng(1)
    hours, block = rng.integers(0, 30, 200).astype(float), rng.integers(0, 12, 200)
    bootstrap = PatientBootstrap.draw(block, 50, 2)
    _, replicates = turnaround._quantiles(hours, block, bootstrap, [0.5, 0.9])
    for counts, found in zip(bootstrap.counts, replicates, strict=True):
        rows = np.repeat(hours, counts[block])
        expected = np.quantile(rows, [0.5, 0.9], method="inverted_cdf")
        np.testing.assert_array_equal(found, expected)


def test_order_of_the_rows_changes_nothing():
    arrival, reading, cancer = worklist(2)
    hours = queue.read_in_order(arrival, reading, 2).turnaround_hours
    block = turnaround.time_blocks(arrival, 100.0)
    bootstrap = PatientBootstrap.draw(block, 100, 0)
    table = turnaround.turnaround_table(hours, cancer, block, bootstrap)
    mixed = np.random.default_rng(3).permutation(len(hours))
    again = turnaround.turnaround_table(hours[mixed], cancer[mixed], block[mixed], bootstrap)
    for column in ("estimate", "ci_low", "ci_high"):
        np.testing.assert_allclose(again[column], table[column], rtol=1e-10)


def test_coverage_needs_blocks():
    """Intervals over blocks hold the mean turnaround; over tens of exams they do not."""
    truth = queue.erlang_c(1.6, 1.0, 2).mean_wait_hours + 1.0
    covered = {"blocks": 0, "tens": 0}
    n_runs = 60
    for run in range(n_runs):
        arrival, reading, _ = worklist(1000 + run, 6500)
        hours = queue.read_in_order(arrival, reading, 2).turnaround_hours[500:]  # after the start
        blocks = turnaround.time_blocks(arrival[500:], 75.0)  # some 50
        for kind, unit in (("blocks", blocks), ("tens", np.arange(len(hours)) // 10)):
            bootstrap = PatientBootstrap.draw(unit, 200, run)
            table = turnaround.turnaround_table(hours, np.zeros(len(hours), int), unit, bootstrap)
            low, high = table.loc[0, "ci_low"], table.loc[0, "ci_high"]
            covered[kind] += low <= truth <= high
    assert covered["blocks"] >= 50  # of 60; 57 are nominal, few blocks are a little too short
    assert covered["tens"] <= 40


def test_a_good_score_is_found_to_speed_up_cancers_and_a_random_one_is_not():
    arrival, reading, cancer = worklist(4, 20_000)
    rng = np.random.default_rng(5)
    block = turnaround.time_blocks(arrival, 250.0)
    bootstrap = PatientBootstrap.draw(block, 400, 6)
    in_turn = queue.read_in_order(arrival, reading, 2).turnaround_hours
    good = queue.read_in_order(arrival, reading, 2, cancer + 0.3 * rng.normal(size=len(cancer)))
    change = turnaround.turnaround_difference(
        good.turnaround_hours, in_turn, cancer, block, bootstrap
    )
    assert change.mean.high < 0 and change.median.high < 0 and change.p90.high < 0
    expected = queue.priority_waits([0.16, 1.44], 1.0, 2)[0] - 16 / 9
    assert change.mean.value == pytest.approx(expected, abs=0.3)
    random = queue.read_in_order(arrival, reading, 2, rng.random(len(cancer)))
    change = turnaround.turnaround_difference(
        random.turnaround_hours, in_turn, cancer, block, bootstrap
    )
    assert change.mean.low < 0 < change.mean.high


def test_difference_is_paired_and_changes_sign():
    arrival, reading, cancer = worklist(7)
    block = turnaround.time_blocks(arrival, 100.0)
    bootstrap = PatientBootstrap.draw(block, 200, 8)
    hours = queue.read_in_order(arrival, reading, 2).turnaround_hours
    later = turnaround.turnaround_difference(hours + 2, hours, cancer, block, bootstrap)
    for estimate in (later.mean, later.median, later.p90):
        assert [estimate.value, *estimate.ci] == pytest.approx([2, 2, 2])
    sooner = turnaround.turnaround_difference(hours, hours + 2, cancer, block, bootstrap)
    assert sooner.mean.value == pytest.approx(-2)


def test_a_group_of_one_block_has_no_interval():
    block = np.repeat(np.arange(10), 5)
    group = np.where(np.arange(50) < 3, "cancer", "healthy")
    bootstrap = PatientBootstrap.draw(block, 200, 0)
    table = turnaround.turnaround_table(np.arange(50.0), group, block, bootstrap)
    assert table.loc[table["group"] == "cancer", "ci_low"].isna().all()
    assert table.loc[table["group"] == "healthy", "ci_low"].notna().all()


def test_bad_input():
    hours, block = np.arange(4.0), np.array([0, 0, 1, 1])
    bootstrap = PatientBootstrap.draw(block, 20, 0)
    flags = [1, 0, 1, 0]
    with pytest.raises(ValueError, match="block holds one block only"):
        turnaround.turnaround_table(hours, flags, np.zeros(4, int), bootstrap)
    with pytest.raises(ValueError, match="block .* not in the bootstrap"):
        turnaround.turnaround_table(hours, flags, block + 5, bootstrap)
    with pytest.raises(ValueError, match=r"group must not be missing; it is in rows \[1\]"):
        turnaround.turnaround_table(hours, ["a", None, "b", "a"], block, bootstrap)
    with pytest.raises(ValueError, match="group has 2 rows"):
        turnaround.turnaround_table(hours, [1, 0], block, bootstrap)
    with pytest.raises(ValueError, match="among holds no True row"):
        turnaround.turnaround_difference(hours, hours, [0, 0, 0, 0], block, bootstrap)
    with pytest.raises(ValueError, match="turnaround_hours must be finite"):
        turnaround.turnaround_table([0, 1, 2, np.nan], flags, block, bootstrap)
    with pytest.raises(ValueError, match="block_hours"):
        turnaround.time_blocks(hours, 0.0)
