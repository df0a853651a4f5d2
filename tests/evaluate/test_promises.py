"""What a threshold promises, and the study repeated with other women."""

import numpy as np
import pandas as pd
import pytest

from mammolab.evaluate.promises import RULES, promise_table, replay_triage, resampled_thresholds
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.thresholds import (
    certified_threshold,
    mean_of_bootstrap_minima,
    minimum_threshold,
)
from mammolab.evaluate.triage import simulate_triage


def study(seed: int, n_patients: int = 400, n_cancers: int = 60) -> pd.DataFrame:
    """Two exams a woman; cancers score one SD higher; readers catch nine in ten."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n_patients), 2)
    label = (patient < n_cancers) & (np.arange(2 * n_patients) % 2 == 1)
    return pd.DataFrame(
        {
            "patient_id": [f"P{one:04d}" for one in patient],
            "label": label,
            "score": rng.standard_normal(2 * n_patients) + label,
            "recall": rng.random(2 * n_patients) < np.where(label, 0.9, 0.1),
            "weight": np.where(label, 1.0, rng.choice([1.0, 5.0], 2 * n_patients)),
        }
    )


@pytest.fixture(scope="module")
def dev():
    return study(1)


@pytest.fixture(scope="module")
def test_women():
    return study(2)


def thresholds_of(dev: pd.DataFrame, bootstrap: PatientBootstrap, sensitivity: float = 0.9) -> dict:
    return resampled_thresholds(
        dev["score"], dev["label"], dev["patient_id"], dev["weight"], bootstrap, sensitivity
    )


def test_promises_need_more_cancers_the_more_is_promised_and_the_more_are_let_go():
    table = promise_table([0.9, 0.95, 0.98, 0.99], [0, 1, 2])
    wide = table.pivot(index="n_missed", columns="sensitivity", values="n_cancers")
    assert (wide.diff(axis=1).iloc[:, 1:] > 0).all().all()
    assert (wide.diff(axis=0).iloc[1:] > 0).all().all()
    assert wide.loc[0, 0.99] == 299 and wide.loc[0, 0.95] == 59  # 0.95^59 < .05 < 0.95^58


def test_a_replicate_that_draws_everybody_once_gives_each_rule_its_own_threshold(dev):
    ids = np.unique(dev["patient_id"])
    once = PatientBootstrap(ids, np.ones((1, len(ids)), np.uint8))
    here = thresholds_of(dev, once)
    arguments = dev["score"], dev["label"], dev["patient_id"]
    weight = dev["weight"]
    assert here["minimum"][0] == minimum_threshold(*arguments, weight).threshold
    assert here["certified"][0] == certified_threshold(*arguments, 0.9, weight).threshold
    many = PatientBootstrap.draw(dev["patient_id"], 4000, seed=3, stratum=dev["label"])
    simulated = mean_of_bootstrap_minima(*arguments, weight, many).threshold
    lowest = np.sort(dev.loc[dev["label"], "score"])
    error = np.std(lowest[:6]) / np.sqrt(4000)  # the minimum is nearly always one of these
    assert here["mean_of_bootstrap_minima"][0] == pytest.approx(simulated, abs=4 * error)


def test_each_replicate_is_the_rule_on_the_women_it_drew(dev):
    bootstrap = PatientBootstrap.draw(dev["patient_id"], 5, seed=4)
    here = thresholds_of(dev, bootstrap)
    for number, counts in enumerate(bootstrap.counts):
        times = counts[bootstrap.columns(dev["patient_id"])]
        copies = dev.loc[dev.index.repeat(times)].copy()
        copies["patient_id"] += "-" + copies.groupby(level=0).cumcount().astype(str)
        rule = certified_threshold(
            copies["score"], copies["label"], copies["patient_id"], 0.9, copies["weight"]
        )
        assert here["certified"][number] == rule.threshold
        assert here["minimum"][number] == copies.loc[copies["label"], "score"].min()


def test_too_few_cancers_certify_nothing_and_none_give_nothing(dev):
    few = dev[(dev["patient_id"] < "P0003") | ~dev["label"]]
    bootstrap = PatientBootstrap.draw(few["patient_id"], 300, seed=5)
    here = thresholds_of(few, bootstrap)
    none = np.isnan(here["minimum"])
    assert none.any() and not none.all()
    for name in RULES:
        np.testing.assert_array_equal(np.isnan(here[name]), none)
    assert (here["certified"][~none] == -np.inf).all()


def test_the_replay_is_the_simulated_clinic_of_each_pair_of_samples(dev, test_women):
    dev_bootstrap = PatientBootstrap.draw(dev["patient_id"], 20, seed=6)
    bootstrap = PatientBootstrap.draw(test_women["patient_id"], 20, seed=7)
    thresholds = thresholds_of(dev, dev_bootstrap)["certified"]
    columns = ["score", "recall", "label", "patient_id", "weight"]
    replay = replay_triage(thresholds, *(test_women[c] for c in columns), bootstrap)
    for number in range(3):
        times = bootstrap.counts[number][bootstrap.columns(test_women["patient_id"])]
        copies = test_women.loc[test_women.index.repeat(times)].copy()
        copies["patient_id"] += "-" + copies.groupby(level=0).cumcount().astype(str)
        clinic = simulate_triage(
            copies["score"],
            thresholds[number],
            *(copies[c] for c in columns[1:]),
            PatientBootstrap.draw(copies["patient_id"], 2, seed=0),
        )
        for name in (
            "fraction_ruled_out",
            "sensitivity_without",
            "sensitivity_with",
            "specificity_without",
            "specificity_with",
        ):
            assert getattr(replay, name)[number] == pytest.approx(getattr(clinic, name).value)
        assert replay.n_missed[number] == clinic.n_cancers_missed_by_triage
        assert replay.p_value[number] == pytest.approx(clinic.noninferiority.p_value)


def test_counting_the_choice_on_dev_widens_the_interval(dev, test_women):
    bootstrap = PatientBootstrap.draw(test_women["patient_id"], 400, seed=8)
    columns = ["score", "recall", "label", "patient_id", "weight"]
    given = thresholds_of(dev, PatientBootstrap.draw(dev["patient_id"], 400, seed=9))["minimum"]
    free = replay_triage(given, *(test_women[c] for c in columns), bootstrap)
    fixed = replay_triage(
        np.full(400, np.median(given)), *(test_women[c] for c in columns), bootstrap
    )
    widths = [np.diff(one.interval("fraction_ruled_out"))[0] for one in (free, fixed)]
    assert widths[0] > 1.2 * widths[1]
    assert 0 <= free.share_noninferior() <= 1


def test_a_verdict_that_loses_nothing_is_sure_and_one_that_loses_all_is_not(test_women):
    bootstrap = PatientBootstrap.draw(test_women["patient_id"], 50, seed=10)
    columns = ["score", "recall", "label", "patient_id", "weight"]
    nobody, everybody = (
        replay_triage(np.full(50, cut), *(test_women[c] for c in columns), bootstrap, 0.2)
        for cut in (-np.inf, np.inf)
    )
    assert nobody.share_noninferior() == 1 and (nobody.n_missed == 0).all()
    assert everybody.share_noninferior() == 0 and (everybody.fraction_ruled_out == 1).all()
    np.testing.assert_allclose(nobody.sensitivity_with, nobody.sensitivity_without)


def test_thresholds_of_another_number_of_replicates_are_refused(test_women):
    bootstrap = PatientBootstrap.draw(test_women["patient_id"], 5, seed=1)
    columns = ["score", "recall", "label", "patient_id", "weight"]
    with pytest.raises(ValueError, match="one value a replicate"):
        replay_triage(np.zeros(4), *(test_women[c] for c in columns), bootstrap)
