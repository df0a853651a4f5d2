"""Ways to let a model into the reading room."""

import numpy as np
import pandas as pd
import pytest

from mammolab.evaluate.pathways import (
    Pathway,
    compare_pathways,
    decision_referral,
    readers_alone,
    second_reader,
)
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.triage import simulate_two_thresholds

SCORE = np.array([0.1, 0.3, 0.5, 0.7, 0.9, 0.2, 0.8, 0.6])
RECALL = np.array([0, 1, 0, 1, 0, 1, 1, 0], bool)
LABEL = np.array([0, 0, 0, 1, 1, 1, 0, 0], bool)
IDS = np.array(list("ABCDEFGH"))


@pytest.fixture(scope="module")
def bootstrap():
    return PatientBootstrap.draw(IDS, 200, seed=1)


def cell(table: pd.DataFrame, pathway: str, measure: str) -> pd.Series:
    return table.set_index(["pathway", "measure"]).loc[(pathway, measure)]


def test_the_model_decides_below_and_above_and_readers_between():
    path = decision_referral(SCORE, RECALL, 0.25, 0.75)
    assert path.recalled.tolist() == [0, 1, 0, 1, 1, 0, 1, 0]
    assert path.readings.tolist() == [0, 1, 1, 1, 0, 0, 0, 1]


def test_the_end_points_are_the_readers_and_the_model_alone():
    nobody = decision_referral(SCORE, RECALL, -np.inf, np.inf)
    np.testing.assert_array_equal(nobody.recalled, readers_alone(RECALL).recalled)
    model = decision_referral(SCORE, RECALL, 0.5, 0.5)
    np.testing.assert_array_equal(model.recalled, SCORE >= 0.5)
    assert not model.readings.any()


def test_every_arbiter_lies_between_either_and_both():
    either, both = (second_reader(SCORE, RECALL, 0.5, how) for how in ("either", "both"))
    third = second_reader(SCORE, RECALL, 0.5, "reader", 0.8, 0.1, LABEL)
    assert (both.recalled <= third.recalled).all() and (third.recalled <= either.recalled).all()
    disagree = RECALL != (SCORE >= 0.5)
    np.testing.assert_array_equal(third.readings, 1 + disagree)
    np.testing.assert_array_equal(third.recalled[disagree & LABEL], 0.8)
    np.testing.assert_array_equal(third.recalled[disagree & ~LABEL], 0.1)
    assert third.recalled[~disagree].tolist() == RECALL[~disagree].tolist()


def test_a_hand_case(bootstrap):
    table = compare_pathways(
        {
            "readers": readers_alone(RECALL),
            "referral": decision_referral(SCORE, RECALL, 0.25, 0.75),
        },
        LABEL,
        IDS,
        None,
        bootstrap,
        "readers",
    )
    assert cell(table, "readers", "sensitivity")["estimate"] == pytest.approx(2 / 3)
    assert cell(table, "readers", "specificity")["estimate"] == pytest.approx(3 / 5)
    referral = cell(table, "referral", "sensitivity")
    assert referral["estimate"] == pytest.approx(2 / 3) and referral["difference"] == 0
    assert cell(table, "referral", "readings_per_1000")["estimate"] == pytest.approx(500)
    assert cell(table, "referral", "found_per_1000")["estimate"] == pytest.approx(250)
    assert cell(table, "referral", "recalls_per_1000")["difference"] == pytest.approx(0)
    of_readers = table[table["pathway"] == "readers"]
    assert (of_readers["difference"] == 0).all()
    assert of_readers[["difference_low", "difference_high"]].isna().all().all()


def test_the_rates_are_those_of_the_two_threshold_clinic():
    rng = np.random.default_rng(2)
    n = 3000
    ids = [f"P{k // 3}" for k in range(n)]
    label = rng.random(n) < 0.05
    score = rng.standard_normal(n) + label
    recall = rng.random(n) < np.where(label, 0.8, 0.1)
    weight = np.where(label, 1.0, 4.0)
    bootstrap = PatientBootstrap.draw(ids, 100, seed=3)
    clinic = simulate_two_thresholds(score, -0.5, 2.0, recall, label, ids, weight, bootstrap)
    table = compare_pathways(
        {"alone": readers_alone(recall), "both": decision_referral(score, recall, -0.5, 2.0)},
        label,
        ids,
        weight,
        bootstrap,
        "alone",
    )
    for measure, now in (
        ("sensitivity", clinic.sensitivity_with),
        ("specificity", clinic.specificity_with),
    ):
        here = cell(table, "both", measure)
        assert here["estimate"] == pytest.approx(now.value)
        assert (here["ci_low"], here["ci_high"]) == pytest.approx(now.ci, abs=1e-6)
    change = cell(table, "both", "sensitivity")
    read = cell(table, "both", "readings_per_1000")["estimate"]
    assert read == pytest.approx(1000 * clinic.fraction_read.value)
    tango = clinic.noninferiority.difference
    assert change["difference"] == pytest.approx(tango.value)
    assert (change["difference_low"], change["difference_high"]) == pytest.approx(tango.ci)
    specificity = cell(table, "both", "specificity")
    assert (specificity["difference_low"], specificity["difference_high"]) == pytest.approx(
        clinic.specificity_difference.ci, abs=1e-6
    )


def test_where_nothing_changes_no_certainty_is_claimed(bootstrap):
    paths = {"readers": readers_alone(RECALL), "same": decision_referral(SCORE, RECALL, 0.0, 2.0)}
    table = compare_pathways(paths, LABEL, IDS, None, bootstrap, "readers")
    row = cell(table, "same", "specificity")
    assert row["difference"] == 0 and np.isnan(row["difference_low"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: decision_referral(SCORE, RECALL, 0.8, 0.2), "must not lie above"),
        (lambda: second_reader(SCORE, RECALL, 0.5, "chief"), "either, both, reader"),
        (lambda: second_reader(SCORE, RECALL, 0.5, "reader"), "needs sensitivity"),
        (lambda: second_reader(SCORE, RECALL[:3], 0.5, "both"), "3 rows|8 are needed"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_pathways_of_other_lengths_or_no_reference_are_refused(bootstrap):
    paths = {"readers": readers_alone(RECALL), "short": Pathway(np.zeros(3), np.ones(3))}
    with pytest.raises(ValueError, match="recalled"):
        compare_pathways(paths, LABEL, IDS, None, bootstrap, "readers")
    with pytest.raises(ValueError, match="there are readers"):
        compare_pathways(paths, LABEL, IDS, None, bootstrap, "nobody")
