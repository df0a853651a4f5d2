"""What a threshold promises, and the study repeated with other women."""

import numpy as np
import pandas as pd
import pytest

from mammolab.evaluate.promises import (
    caught_cancers,
    promise_table,
    replay_triage,
    resampled_thresholds,
)
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.thresholds import (
    RULES,
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


def test_without_smoothing_a_replicate_of_everybody_gives_each_rule_its_own_threshold(dev):
    """Half of the cancers at one score, half at another: no spread between quartiles, no smoothing."""
    flat = dev.assign(score=np.where(dev["label"], dev["score"].gt(1.0) * 1.0, dev["score"]))
    heavy = flat.assign(score=np.where(flat["label"] & (flat["score"] < 1), 1.0, flat["score"]))
    one = heavy.index[heavy["label"]][0]
    heavy.loc[one, "score"] = -2.0  # a single low one: the quartiles stay together
    ids = np.unique(heavy["patient_id"])
    once = PatientBootstrap(ids, np.ones((1, len(ids)), np.uint8))
    here = thresholds_of(heavy, once)
    arguments = heavy["score"], heavy["label"], heavy["patient_id"]
    assert here["minimum"][0] == minimum_threshold(*arguments, None).threshold == -2.0
    assert here["certified"][0] == certified_threshold(*arguments, 0.9, None).threshold
    many = PatientBootstrap.draw(heavy["patient_id"], 4000, seed=3, stratum=heavy["label"])
    simulated = mean_of_bootstrap_minima(*arguments, None, many).threshold
    # all 60 draws miss the low one with probability (1 - 1 / 60)^60
    expected = -2 + 3 * (1 - 1 / 60) ** 60
    assert here["mean_of_bootstrap_minima"][0] == pytest.approx(expected)
    assert simulated == pytest.approx(expected, abs=4 * 1.5 / np.sqrt(4000))


def test_other_dev_samples_have_cancers_below_the_lowest_one_seen(dev):
    bootstrap = PatientBootstrap.draw(dev["patient_id"], 500, seed=4)
    here = thresholds_of(dev, bootstrap)["minimum"]
    lowest = dev.loc[dev["label"], "score"].min()
    assert 0.1 < (here < lowest).mean() < 0.9
    assert len(np.unique(here)) > 400  # no heap of repeats


@pytest.mark.parametrize("rule", ["minimum", "mean_of_bootstrap_minima"])
def test_the_interval_of_a_threshold_holds_what_dev_samples_give_in_the_middle(rule):
    """200 studies once gave 92 to 94%, the plain bootstrap 47 to 60%; here 100, less three errors."""
    rng = np.random.default_rng(20)
    n, n_studies = 80, 100
    real = np.sort(rng.standard_normal((4000, n)), axis=1)
    if rule == "mean_of_bootstrap_minima":
        middle = np.median(
            real @ ((1 - np.arange(n) / n) ** n - (1 - np.arange(1, n + 1) / n) ** n)
        )
    else:
        middle = np.median(real[:, 0])
    ids = [f"P{k}" for k in range(n)]
    held = 0
    for seed in range(n_studies):
        bootstrap = PatientBootstrap.draw(ids, 200, seed=seed)
        score = rng.standard_normal(n)
        low, high = np.quantile(
            resampled_thresholds(score, np.ones(n, bool), ids, None, bootstrap, 0.95, seed=seed)[
                rule
            ],
            [0.025, 0.975],
        )
        held += low <= middle <= high
    assert held / n_studies >= 0.92 - 3 * np.sqrt(0.92 * 0.08 / n_studies)


def test_cancers_of_unequal_weight_are_refused(dev):
    bootstrap = PatientBootstrap.draw(dev["patient_id"], 5, seed=4)
    unequal = dev.assign(weight=np.arange(len(dev)) + 1.0)
    with pytest.raises(ValueError, match="unequal sample_weight"):
        thresholds_of(unequal, bootstrap)


def test_caught_cancers_by_hand():
    units = caught_cancers(
        score=[0.1, 0.6, 0.9, 0.3, 0.5],
        recall=[1, 1, 0, 0, 1],
        label=[1, 1, 1, 1, 0],
        patient_ids=["A", "A", "A", "B", "B"],
    ).set_index("patient_id")
    assert units["caught"].to_dict() == {"A": True, "B": False}
    assert units["best"].to_dict() == {"A": 0.6, "B": -np.inf}


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
