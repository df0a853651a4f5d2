"""One column alone: its AUC, its interval, and what is missing by label."""

import numpy as np
import pandas as pd
import pytest

from mammolab.audit.alone import alone_auc
from mammolab.audit.missing import LIMIT, missing_by_label
from mammolab.errors import InputError
from mammolab.evaluate.roc import auc
from mammolab.pitfalls.guards_metadata import metadata_auc


def column(seed, n=1500, effect=0.0, n_levels=3):
    """Levels 0 up, each with exp(effect) times the odds of the one before; two rows a patient."""
    rng = np.random.default_rng(seed)
    level = rng.integers(0, n_levels, n)
    label = rng.random(n) < np.clip(0.1 * np.exp(effect * (level - 1)), 0, 1)
    return label, level, np.array([f"P{k // 2}" for k in range(n)])


def estimate(seed, **how):
    label, level, patient = column(seed, **how)
    return alone_auc(label, level, patient, np.random.default_rng(seed), np.ones(len(label)))


def test_it_is_the_guards_own_number():
    label, level, patient = column(4, effect=0.7)
    frame = pd.DataFrame({"cancer": label, "site": level})
    verdict = metadata_auc(frame, "cancer", ("site",), patient, np.random.default_rng(9))
    mine = alone_auc(label, level, patient, np.random.default_rng(9), np.ones(len(label)))
    assert mine.value == pytest.approx(verdict.statistic, abs=1e-9)


def test_a_column_that_says_it_all_and_weights():
    label, _, patient = column(1, n=120)
    rng = np.random.default_rng(0)
    assert alone_auc(label, label, patient, rng, np.ones(len(label))).value == 1.0
    twice = [
        alone_auc(label, patient, patient, np.random.default_rng(0), np.full(len(label), w))
        for w in (1.0, 2.0)
    ]
    assert twice[0].value == 0.5  # every level is new in every fold
    assert twice[1].value == 0.5


@pytest.mark.parametrize("effect", [0.0, 0.6])
def test_the_interval_holds_the_truth(effect):
    """80 samples; a binomial of 0.95 falls below 69 once in 1,000 times."""
    label, level, _ = column(0, 400_000, effect)
    truth = auc(level.astype(float), label) if effect else 0.5
    found = [estimate(seed, effect=effect) for seed in range(1, 81)]
    assert sum(one.low <= truth <= one.high for one in found) >= 69
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.01)


def filled(seed, positives=0.8, rest=0.8, n=1200):
    rng = np.random.default_rng(seed)
    cancer = rng.random(n) < 0.15
    known = rng.random(n) < np.where(cancer, positives, rest)
    return pd.DataFrame(
        {
            "cancer": cancer,
            "patient": [f"P{k}" for k in range(n)],
            "weight": 1.0,
            "site": rng.choice(["a", "b"], n),
            "birth": np.where(known, 1.0, np.nan),
            "whole": 1.0,
        }
    )


def test_missing_is_found_and_chance_is_not():
    """At most 1 in 20 clean tables may fire; of 60, more than 8 would come once in 1,000 times."""
    for difference in (0.35, -0.35):
        verdict = missing_by_label(
            filled(1, 0.5 + difference, 0.5), "cancer", ["birth", "whole"], "site"
        )
        assert verdict.fired and verdict.statistic > LIMIT and "birth" in verdict.message
    clean = [missing_by_label(filled(s), "cancer", ["birth"], "site", limit=0) for s in range(60)]
    assert sum(one.fired for one in clean) <= 8


def test_missing_counts_what_the_weights_leave_of_the_patients():
    """Of 60 clean tables more than 8 would come once in 1,000 times."""

    def judge(seed, positives=0.5):
        """One patient in 20 stands for 50, as where negatives were sampled."""
        rng = np.random.default_rng(seed)
        frame = filled(seed, positives, 0.5)
        weight = np.where(rng.random(len(frame)) < 0.05, 50.0, 1.0)
        return missing_by_label(frame.assign(weight=weight), "cancer", ["birth"], limit=0)

    assert sum(judge(seed).fired for seed in range(60)) <= 8
    assert all(judge(seed, positives=1.0).fired for seed in range(10))


def test_missing_counts_the_patients_of_unequal_rows():
    few = filled(1, 0.62, 0.5)
    rows = np.repeat(np.arange(len(few)), 3)
    assert missing_by_label(few.iloc[rows], "cancer", ["birth"]) == missing_by_label(
        few, "cancer", ["birth"]
    )


def test_a_difference_within_the_limit_is_borne():
    verdict = missing_by_label(filled(2, 0.86, 0.80, n=20_000), "cancer", ["birth"])
    assert not verdict.fired and verdict.statistic == pytest.approx(0.06, abs=0.02)


def test_nothing_to_compare():
    with pytest.raises(InputError, match="no column is blank in some rows"):
        missing_by_label(filled(3), "cancer", ["whole", "absent"])
    with pytest.raises(InputError, match="fewer than 10 patients"):
        missing_by_label(filled(3, n=30), "cancer", ["birth"], "site")
