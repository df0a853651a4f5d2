"""Scores by device, on tables whose truth is planted."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.pitfalls.device import device_versions, scores_by_device

THRESHOLD = 1.2815515594600038  # a tenth of a standard normal lies above


def women(n, seed=0, **shift):
    """Healthy women on three devices, with standard normal scores moved by `shift` of a device."""
    rng = np.random.default_rng(seed)
    device = rng.choice(["alder", "birch", "cedar"], n)
    score = rng.normal(size=n) + np.array([shift.get(one, 0.0) for one in device])
    return pd.DataFrame(
        {
            "patient_id": [f"P{k}" for k in range(n)],
            "device": device,
            "score": score,
            "sampling_weight": rng.choice([1.0, 3.0], n),
        }
    )


def drawn(frame, n_replicates=500):
    return PatientBootstrap.draw(frame["patient_id"], n_replicates, 1)


class TestScoresByDevice:
    def test_finds_the_device_that_was_moved(self):
        frame = women(1500, birch=0.5)
        table = scores_by_device(frame, THRESHOLD, drawn(frame))
        assert list(table.index) == ["alder", "birch", "cedar"]
        moved = table.loc["birch"]
        assert moved["shift"] == pytest.approx(0.5, abs=0.12)
        assert moved["shift_low"] > 0
        assert moved["shift_p"] < 0.01
        assert moved["flagged"] == pytest.approx(0.217, abs=0.06)  # above 1.28 - 0.5
        assert moved["flagged_p"] < 0.05
        assert table["n_exams"].sum() == 1500

    def test_intervals_hold_zero_where_nothing_was_moved(self):
        frame = women(1500, seed=3)
        table = scores_by_device(frame, THRESHOLD, drawn(frame))
        assert (table["shift_low"] < 0).all()
        assert (table["shift_high"] > 0).all()
        assert (table["shift_p"] > 0.05).all()

    def test_unit_of_the_score_does_not_matter(self):
        frame = women(300)
        first = scores_by_device(frame, THRESHOLD, drawn(frame))
        scaled = frame.assign(score=2 * frame["score"] + 8)
        second = scores_by_device(scaled, 2 * THRESHOLD + 8, drawn(frame))
        np.testing.assert_allclose(first.to_numpy(), second.to_numpy(), atol=1e-5)

    def test_missing_devices_are_left_out_and_one_is_too_few(self):
        frame = women(300)
        frame.loc[frame["device"] != "alder", "device"] = None
        with pytest.raises(InputError, match="20 healthy women each; there are {'alder': "):
            scores_by_device(frame, THRESHOLD, drawn(frame))


class TestVersions:
    def test_names_a_version_only_where_there_are_two(self):
        exams = pd.DataFrame(
            {
                "exam_id": ["E1", "E2", "E3", "E4", "E5"],
                "device": ["alder", "dogwood", "dogwood", "dogwood", None],
            }
        )
        index = pd.DataFrame(
            {
                "exam_id": ["E1", "E2", "E2", "E3", None],
                "software": ["4.2", "7.0", "7.0", "8.0", "9.9"],
            }
        )
        assert device_versions(exams, index).tolist() == [
            "alder",
            "dogwood 7.0",
            "dogwood 8.0",
            "dogwood, version unknown",
            None,
        ]
