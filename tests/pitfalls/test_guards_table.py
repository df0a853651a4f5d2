"""The committed table of the guards' false alarms and power keeps what the audit promises."""

import pandas as pd
import pytest

from mammolab.paths import repository_root


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(repository_root() / "benchmarks" / "guards.csv")


def test_false_alarms_are_not_surely_above_5_percent(table):
    clean = table[table["dose"] == 0]
    assert set(clean["guard"]) == set(table["guard"])
    assert (clean["n_worlds"] >= 200).all()
    assert (clean["low"] <= 0.05).all()
    assert clean["n_fired"].sum() <= 0.05 * clean["n_worlds"].sum()


def test_power_rises_to_nearly_all_at_the_highest_dose(table):
    for guard, rows in table[table["dose"] > 0].groupby("guard"):
        assert len(rows) == 4, guard
        assert rows.sort_values("dose")["rate"].iloc[-1] >= 0.9, guard


def test_rates_are_counts_over_worlds(table):
    assert table["rate"].to_numpy() == pytest.approx(
        (table["n_fired"] / table["n_worlds"]).to_numpy(), abs=1e-4
    )
    assert (table["low"] <= table["rate"]).all()
    assert (table["rate"] <= table["high"]).all()
