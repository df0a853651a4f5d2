"""What becomes of cancers whose exam is not read."""

import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.world.counterfactual import fate_unread
from mammolab.world.programme import simulate


@pytest.fixture(scope="module")
def programme():
    return simulate(6_000, 3, p_precancer=1.0, p_rest=0.05)


@pytest.fixture(scope="module")
def found(programme):
    """Exams whose screen found a cancer, with what is true of them."""
    truth = programme.truth_exams.query("detected").merge(
        programme.truth_women[["patient_id", "mode", "diagnosis_date"]], on="patient_id"
    )
    rows = truth[truth["mode"] == "screen"].merge(
        programme.exams.drop(columns="patient_id"), on="exam_id"
    )
    return rows.reset_index(drop=True)


@pytest.fixture(scope="module")
def fate(programme, found):
    return fate_unread(found, programme.truth_women)


def test_sizes_at_the_exam_are_those_of_the_truth(programme, found, fate):
    """The date is a whole day and the exam some time within it."""
    assert len(fate) > 50
    next_day = found.assign(exam_date=found["exam_date"] + pd.Timedelta(days=1))
    evening = fate_unread(next_day, programme.truth_women)
    there = evening["surfaces_in_years"] > 0  # one of them would have surfaced that very day
    largest = found[["invasive_mm", "dcis_mm"]].max(axis=1)
    assert there.sum() >= len(fate) - 2 and (fate["size_mm"] <= largest).all()
    assert (largest <= evening["size_mm"])[there].all()


def test_cancers_grow_until_the_next_screen_and_some_surface_before(found, fate):
    waits = ~fate["surfaces_before"]
    assert 0 < fate["surfaces_before"].mean() < 0.8
    invasive = waits & (found["invasive_mm"] > found["dcis_mm"])
    assert (fate.loc[invasive, "size_next_mm"] > fate.loc[invasive, "size_mm"]).all()
    assert (fate["surfaces_in_years"] > fate["interval_years"])[waits].all()
    assert (fate["surfaces_in_years"] <= fate["interval_years"])[~waits].all()
    assert (fate.loc[~waits, "found_next"] == 0).all()


def test_a_larger_lesion_is_found_more_often(fate):
    waits = fate[~fate["surfaces_before"]]
    large = waits["size_next_mm"] > waits["size_next_mm"].median()
    assert waits.loc[large, "found_next"].mean() > waits.loc[~large, "found_next"].mean()
    assert waits["found_next"].between(0, 1).all()


def test_a_longer_wait_lets_more_surface(programme, found):
    biennial = programme.truth_women.assign(cadence="biennial")
    longer = fate_unread(found, biennial)
    fate = fate_unread(found, programme.truth_women.assign(cadence="annual"))
    assert (longer["interval_years"] > fate["interval_years"]).all()
    assert (longer["surfaces_before"] >= fate["surfaces_before"]).all()
    assert longer["surfaces_before"].sum() > fate["surfaces_before"].sum()


def test_no_exam_is_no_fate(programme, found):
    assert fate_unread(found.head(0), programme.truth_women).empty


def test_a_stranger_or_a_missing_column_is_refused(programme, found):
    with pytest.raises(InputError, match="device"):
        fate_unread(found.drop(columns="device"), programme.truth_women)
    stranger = pd.concat([found.head(1).assign(patient_id="P0"), found.head(1)])
    with pytest.raises(InputError, match="P0"):
        fate_unread(stranger, programme.truth_women)
