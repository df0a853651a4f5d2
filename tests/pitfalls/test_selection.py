"""Choices on the test set: what luck of a known size adds, and that fresh women do not see it."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.delong import auc_covariance
from mammolab.evaluate.roc import auc
from mammolab.pitfalls.failure import DOSES
from mammolab.pitfalls.selection import best_of_runs, tuned_on_test

N_RUNS = 50


def exams(seed: int, n: int = 3000) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    cancer = rng.random(n) < 0.2
    return pd.DataFrame(
        {
            "split": rng.choice(["train", "dev", "test"], n),
            "cancer_within_1y": cancer,
            "patient_id": [f"P{k}" for k in range(n)],
            "sampling_weight": np.where(cancer, 1.0, 20.0),
        }
    )


@pytest.fixture(scope="module")
def frame():
    return exams(0)


@pytest.fixture(scope="module")
def alike(frame):
    """Runs of one true AUC, .76, that differ by their own noise alone."""
    rng = np.random.default_rng(1)
    signal = 1.0 * frame["cancer_within_1y"].to_numpy()[:, None]
    return signal + rng.standard_normal((len(frame), N_RUNS))


@pytest.fixture(scope="module")
def coins(frame):
    return np.random.default_rng(2).standard_normal((len(frame), N_RUNS))


def best(frame, scores, dose, **options):
    return best_of_runs(frame, scores, np.random.default_rng(3), dose, **options)


def tuned(frame, scores, dose, **options):
    """The columns are two trainings of as many epochs each."""
    scores = np.stack(np.split(scores, 2, axis=1))
    return tuned_on_test(frame, scores, np.random.default_rng(3), dose, **options)


class TestBestOfRuns:
    def test_one_run_is_as_good_as_it_says(self, frame, alike):
        outcome = best(frame, alike, 0.0)
        assert outcome.setting == 1
        assert outcome.reported.value == pytest.approx(outcome.true.value, abs=0.01)
        assert outcome.repaired == outcome.reported
        assert not outcome.guard.fired

    def test_the_best_of_fifty_is_lucky_by_the_size_of_the_noise(self, frame, coins):
        outcome = best(frame, coins, 1.0)
        test = frame[frame["split"] == "test"]
        fit = auc_covariance(
            coins[(frame["split"] == "test").to_numpy(), 0],
            test["cancer_within_1y"],
            test["sampling_weight"],
        )
        # A quarter of the women: twice the standard error. Best of 50 normals: 2.249 of them.
        luck = 2.249 * 2 * fit.covariance[0, 0] ** 0.5
        assert outcome.setting == N_RUNS
        assert outcome.reported.value == pytest.approx(0.5 + luck, abs=0.02)
        assert outcome.true.value == pytest.approx(0.5, abs=0.03)
        assert outcome.repaired.low < 0.5 < outcome.repaired.high
        assert outcome.guard.fired

    def test_more_looks_promise_more_and_keep_no_more(self, frame, alike):
        outcomes = [best(frame, alike, dose) for dose in DOSES]
        assert [one.setting for one in outcomes] == [1, 3, 7, 19, 50]
        assert (np.diff([one.reported.value for one in outcomes]) > 0).all()
        assert outcomes[-1].damage > 0.05
        assert np.ptp([one.true.value for one in outcomes]) < 0.01
        assert outcomes[-1].repaired.value == pytest.approx(outcomes[-1].true.value, abs=0.03)

    def test_a_better_run_is_found_by_dev_too(self, frame, alike):
        one_good = alike.copy()
        one_good[:, 7] += 2.0 * frame["cancer_within_1y"]
        outcome = best(frame, one_good, 1.0)
        assert outcome.repaired.value == pytest.approx(outcome.reported.value)
        assert outcome.damage == pytest.approx(0.0, abs=0.01)

    def test_smaller_test_sets_are_luckier(self, frame, alike):
        small, large = (best(frame, alike, 1.0, test_share=share) for share in (0.1, 0.5))
        assert small.damage > 1.5 * large.damage

    def test_women_stay_whole(self, frame, alike):
        twice = pd.concat([frame, frame], ignore_index=True)
        outcome = best(twice, np.vstack([alike, alike]), 1.0)
        once = best(frame, alike, 1.0)
        assert outcome.reported.value == pytest.approx(once.reported.value, abs=1e-5)
        assert outcome.reported.low == pytest.approx(once.reported.low, abs=1e-5)

    def test_the_generator_is_left_alone(self, frame, alike):
        rng = np.random.default_rng(3)
        first, second = (best_of_runs(frame, alike, rng, 0.5) for _ in range(2))
        assert first.reported == second.reported

    def test_refusals(self, frame, alike):
        with pytest.raises(InputError, match="one row an exam"):
            best(frame, alike[:-1], 0.5)
        with pytest.raises(InputError, match="finite"):
            best(frame, np.where(alike > 4, np.nan, alike), 0.5)
        with pytest.raises(InputError, match="split"):
            best(frame.drop(columns="split"), alike, 0.5)
        with pytest.raises(InputError, match="test_share"):
            best(frame, alike, 0.5, test_share=1.0)
        with pytest.raises(InputError, match="n_draws"):
            best(frame, alike, 0.5, n_draws=0)
        healthy = ~((frame["split"] == "test") & frame["cancer_within_1y"]).to_numpy()
        with pytest.raises(InputError, match="0 women with cancer"):
            best(frame[healthy], alike[healthy], 0.5)
        healthy = ~((frame["split"] == "dev") & frame["cancer_within_1y"]).to_numpy()
        with pytest.raises(InputError, match="dev holds 0 exams"):
            best(frame[healthy], alike[healthy], 0.5)


class TestTunedOnTest:
    def test_one_pair_from_dev_is_as_good_as_it_says(self, frame, alike):
        outcome = tuned(frame, alike[:, :20], 0.0)
        assert outcome.setting == 1
        assert outcome.reported.value == pytest.approx(outcome.true.value, abs=0.01)
        assert outcome.repaired == outcome.reported
        assert not outcome.guard.fired

    def test_every_pair_tried_promises_too_much(self, frame, alike):
        outcomes = [tuned(frame, alike[:, :20], dose) for dose in DOSES]
        assert outcomes[-1].setting == 10 * 30
        assert (np.diff([one.reported.value for one in outcomes]) > 0).all()
        assert outcomes[-1].damage > 0.03
        assert outcomes[-1].guard.fired
        assert len({one.repaired for one in outcomes}) == 1

    def test_coins_look_good_and_are_not(self, frame, coins):
        outcome = tuned(frame, coins, 1.0)
        assert outcome.reported.value > 0.58
        assert outcome.true.value == pytest.approx(0.5, abs=0.03)

    def test_balanced_accuracy_is_the_auc_of_a_yes_or_no(self, frame, alike):
        """One epoch, one threshold that flags 2% of dev: nothing is chosen, so nothing is lucky."""
        outcome = tuned(frame, alike[:, [0, 0]], 1.0, n_thresholds=1, n_draws=400)
        dev, test = (frame["split"].eq(name).to_numpy() for name in ("dev", "test"))
        score, weight = alike[:, 0], frame["sampling_weight"].to_numpy()
        falling = np.argsort(-score[dev])
        reached = np.cumsum(weight[dev][falling]) >= 0.02 * weight[dev].sum()
        yes = score[test] >= score[dev][falling][reached][0]
        truth = frame["cancer_within_1y"].to_numpy()[test]
        sensitivity = np.average(yes[truth])
        specificity = np.average(~yes[~truth])
        assert auc(yes.astype(float), truth) == pytest.approx((sensitivity + specificity) / 2)
        assert outcome.reported.value == pytest.approx((sensitivity + specificity) / 2, abs=0.004)
        assert outcome.reported.low < outcome.reported.value < outcome.reported.high

    def test_one_training_shows_no_luck_of_seeds(self, frame, alike):
        outcome = tuned_on_test(frame, alike[None, :, :10], np.random.default_rng(3), 0.0)
        assert outcome.guard.fired
        assert "seed" in outcome.guard.message

    def test_refusals(self, frame, alike):
        with pytest.raises(InputError, match="n_seeds, n_exams, n_epochs"):
            tuned_on_test(frame, alike, np.random.default_rng(3), 0.5)
        with pytest.raises(InputError, match="n_thresholds"):
            tuned(frame, alike, 0.5, n_thresholds=0)
        with pytest.raises(InputError, match="dose"):
            tuned(frame, alike, -0.1)
