"""Readers who read otherwise in a study, or follow a system where it errs."""

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.guards_readers import follows_errors, reader_setting


def readings(seed: int, sensitivity_in_study: float) -> dict:
    """Six readers of 80 cancers and 80 healthy women in each setting, all their own."""
    rng = np.random.default_rng(seed)
    setting, reader, label, _ = (
        axis.ravel()
        for axis in np.meshgrid(["laboratory", "clinic"], list("abcdef"), [True, False], range(80),
                                indexing="ij")
    )  # fmt: skip
    chance = np.where(label, np.where(setting == "clinic", 0.85, sensitivity_in_study), 0.1)
    return {
        "reader_id": reader,
        "setting": setting,
        "recall": rng.random(len(label)) < chance,
        "label": label,
        "patient_ids": np.arange(len(label)),
    }


def test_readers_alike_in_both_settings():
    fired = [reader_setting(**readings(seed, 0.85)).fired for seed in range(10)]
    assert sum(fired) <= 1


def test_readers_worse_in_the_study():
    verdict = reader_setting(**readings(0, 0.65))
    assert verdict.fired
    assert verdict.statistic == pytest.approx(0.20, abs=0.06)
    assert "sensitivity" in verdict.message


def test_readers_who_follow_errors():
    rng = np.random.default_rng(0)
    flag = np.arange(100) < 80
    alone = rng.random((100, 8)) < 0.7
    verdict = follows_errors(alone, rng.random((100, 8)) < np.where(flag, 0.9, 0.35)[:, None], flag)
    assert verdict.fired
    assert verdict.statistic == pytest.approx(0.35, abs=0.1)
    assert not follows_errors(alone, rng.random((100, 8)) < 0.7, flag).fired


def test_too_few_errors_to_follow():
    flag = np.arange(50) >= 3
    verdict = follows_errors(np.ones((50, 2)), np.zeros((50, 2)), flag)
    assert not verdict.fired
    assert np.isnan(verdict.statistic)
    assert "missed 3" in verdict.message
    with pytest.raises(InputError, match="shape"):
        follows_errors(np.ones((50, 2)), np.zeros((40, 2)), flag)
