"""The committed table of the guards' false alarms and power keeps what the audit promises."""

import pandas as pd
import pytest

from mammolab.evaluate.rates import proportion_estimate
from mammolab.paths import repository_root


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(repository_root() / "benchmarks" / "guards.csv")


def test_false_alarms_are_not_surely_above_5_percent(table):
    clean = table[table["dose"] == 0]
    assert set(clean["guard"]) == set(table["guard"])
    assert (clean["n_worlds"] >= 200).all()
    surely_above = clean.loc[clean["low"] > 0.05, "guard"]
    assert surely_above.empty, surely_above.tolist()
    assert clean["n_fired"].sum() <= 0.05 * clean["n_worlds"].sum()


def test_power_rises_to_nearly_all_at_the_highest_dose(table):
    for guard, rows in table[table["dose"] > 0].groupby("guard"):
        assert len(rows) == 4, guard
        assert rows.sort_values("dose")["rate"].iloc[-1] >= 0.9, guard


def test_rates_and_intervals_are_those_of_the_counts(table):
    told = table[["rate", "low", "high"]].to_numpy()
    for (n_fired, n_worlds), row in zip(
        table[["n_fired", "n_worlds"]].to_numpy(), told, strict=True
    ):
        known = proportion_estimate(n_fired, n_worlds)
        assert row == pytest.approx([n_fired / n_worlds, *known.ci], abs=1e-4)


def test_what_holds_by_construction_is_none_or_all(table):
    """None where nothing is wrong and all where something is; it is marked for all doses or clean."""
    constructed = table[table["constructed"] == 1]
    assert set(table["constructed"]) == {0, 1}
    assert (constructed["rate"] == (constructed["dose"] > 0)).all()
    assert set(constructed["guard"]) == {
        "patient_overlap", "disclosed_selection", "censoring_weights", "replicate_error",
    }  # fmt: skip
    dirty = constructed[constructed["dose"] > 0]
    assert set(dirty["guard"]) == {"patient_overlap", "disclosed_selection"}
    assert (dirty.groupby("guard").size() == 4).all()
