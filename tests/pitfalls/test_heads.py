"""Cheap models: they find what is planted, learn from training women alone, and differ by chance."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.roc import auc
from mammolab.pitfalls.heads import head_epochs, head_runs

SIGNAL = 1.5


def planted(seed: int = 0, n: int = 1500, k: int = 12):
    rng = np.random.default_rng(seed)
    cancer = rng.random(n) < 0.3
    features = rng.standard_normal((n, k)) * rng.uniform(0.1, 30, k) + 7
    spread = features.std(axis=0)
    features += SIGNAL / np.sqrt(k) * spread * cancer[:, None]
    frame = pd.DataFrame(
        {
            "split": rng.choice(["train", "dev", "test"], n, p=[0.6, 0.2, 0.2]),
            "cancer_within_1y": cancer,
            "patient_id": [f"P{j // 2}" for j in range(n)],
        }
    )
    return features, frame


def aucs_on_test(scores, frame):
    rows = (frame["split"] == "test").to_numpy()
    return [auc(one, frame["cancer_within_1y"][rows]) for one in scores[rows].T]


class TestHeadRuns:
    def test_finds_the_planted_signal(self):
        features, frame = planted()
        aucs = aucs_on_test(head_runs(features, frame, 5, np.random.default_rng(0), 1.0), frame)
        # d' = 1.5: AUC .856 of the best linear score.
        assert aucs == pytest.approx([0.856] * 5, abs=0.05)

    def test_runs_differ_and_do_not_depend_on_their_number(self):
        features, frame = planted()
        five, eight = (head_runs(features, frame, n, np.random.default_rng(0)) for n in (5, 8))
        assert (five == eight[:, :5]).all()
        assert np.corrcoef(five.T)[0, 1] < 0.99

    def test_learns_from_training_exams_alone(self):
        features, frame = planted()
        others = frame["split"] != "train"
        flipped = frame.assign(cancer_within_1y=frame["cancer_within_1y"] ^ others)
        for heads in (head_runs, head_epochs):
            first, second = (
                heads(features, each, 3, np.random.default_rng(0)) for each in (frame, flipped)
            )
            assert (first == second).all()

    def test_units_do_not_matter(self):
        features, frame = planted()
        first, second = (
            head_runs(each, frame, 3, np.random.default_rng(0))
            for each in (features, 5 * features - 2)
        )
        assert second == pytest.approx(first, abs=1e-8)

    def test_a_constant_feature_does_no_harm(self):
        features, frame = planted()
        features[:, 3] = 4.0
        assert np.isfinite(head_runs(features, frame, 3, np.random.default_rng(0), 1.0)).all()

    def test_refusals(self):
        features, frame = planted(n=60)
        rng = np.random.default_rng(0)
        with pytest.raises(InputError, match="one row an exam"):
            head_runs(features[:-1], frame, 3, rng)
        with pytest.raises(InputError, match="not finite, first: 4"):
            head_runs(np.where(np.arange(60)[:, None] == 4, np.nan, features), frame, 3, rng)
        with pytest.raises(InputError, match="training exams hold 0"):
            head_runs(features, frame.assign(cancer_within_1y=False), 3, rng)
        with pytest.raises(InputError, match="feature_share"):
            head_runs(features, frame, 3, rng, 0.0)
        with pytest.raises(InputError, match="patient_id"):
            head_runs(features, frame.drop(columns="patient_id"), 3, rng)


class TestHeadEpochs:
    def test_learns_and_wanders(self):
        features, frame = planted()
        scores = head_epochs(features, frame, 8, np.random.default_rng(0))
        aucs = aucs_on_test(scores, frame)
        assert scores.shape == (len(frame), 8)
        assert max(aucs) > 0.8
        assert np.ptp(aucs) > 0

    def test_epochs_do_not_depend_on_their_number(self):
        features, frame = planted()
        three, five = (head_epochs(features, frame, n, np.random.default_rng(0)) for n in (3, 5))
        assert (three == five[:, :3]).all()

    def test_refusals(self):
        features, frame = planted(n=60)
        with pytest.raises(InputError, match="batch_size"):
            head_epochs(features, frame, 3, np.random.default_rng(0), batch_size=1)
