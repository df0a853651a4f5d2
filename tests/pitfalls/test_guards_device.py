"""Devices that move the score or are told by features: heard where planted, silent elsewhere."""

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.guards_device import device_probe, score_by_device


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class TestScoreByDevice:
    def judge(self, table, seed=0, **options):
        return score_by_device(
            table["score"],
            table["device"],
            table["label"],
            table["patient_ids"],
            generator(seed),
            **options,
        )

    @pytest.mark.parametrize("seed", range(5))
    def test_silent_where_the_score_knows_the_label_only(self, device_exams, seed):
        assert not self.judge(device_exams(seed), seed).fired

    def test_finds_the_planted_shift(self, device_exams):
        table = device_exams(1, n=6000)
        shifted = table["score"] + 0.6 * (table["device"] == "birch")
        verdict = self.judge(table | {"score": shifted})
        assert verdict.fired
        assert verdict.statistic == pytest.approx(0.6, abs=0.08)
        assert "birch" in verdict.message
        assert "above" in verdict.message

    def test_a_shift_of_the_cancers_alone_is_found(self, device_exams):
        table = device_exams(2, n=6000)
        shift = 1.2 * (table["label"] & (table["device"] == "cedar"))
        verdict = self.judge(table | {"score": table["score"] - shift})
        assert verdict.fired
        assert "cancer exams on cedar" in verdict.message
        assert "below" in verdict.message

    def test_more_cancers_on_a_device_are_no_shift(self, device_exams):
        table = device_exams(3, n=6000)
        rng = generator(3)
        label = rng.random(6000) < np.where(table["device"] == "alder", 0.6, 0.1)
        score = rng.normal(size=6000) + 2 * label
        assert not self.judge(table | {"label": label, "score": score}).fired

    def test_only_the_order_of_scores_counts(self, device_exams):
        table = device_exams(4)
        assert self.judge(table) == self.judge(table | {"score": np.exp(table["score"])})

    def test_weights_equal_duplication_and_row_order_does_not_matter(self, device_exams):
        table = device_exams(5)
        weight = 1 + np.arange(1500) % 3
        rows = np.repeat(np.arange(1500), weight)
        weighted = self.judge(table, sample_weight=weight.astype(float))
        doubled = self.judge({name: column[rows] for name, column in table.items()})
        assert weighted.statistic == pytest.approx(doubled.statistic)
        order = generator().permutation(1500)
        shuffled = self.judge({name: column[order] for name, column in table.items()})
        assert shuffled.statistic == pytest.approx(self.judge(table).statistic)

    def test_refusals(self, device_exams):
        table = device_exams(6)
        with pytest.raises(InputError, match="finite"):
            self.judge(table | {"score": np.full(1500, np.nan)})
        with pytest.raises(InputError, match="no negative row"):
            self.judge(table | {"label": np.ones(1500, dtype=bool)})


class TestDeviceProbe:
    def judge(self, table, features, seed=0, **options):
        return device_probe(
            features,
            table["device"],
            table["label"],
            table["patient_ids"],
            generator(seed),
            **options,
        )

    def test_silent_on_features_that_know_the_woman_and_the_label(self, device_exams):
        table = device_exams(0)
        patient = np.unique(table["patient_ids"], return_inverse=True)[1]
        rng = generator(1)
        features = rng.normal(size=(500, 20))[patient] + 0.3 * rng.normal(size=(1500, 20))
        features[:, 0] += 2 * table["label"]
        verdict = self.judge(table, features)
        assert not verdict.fired
        assert verdict.statistic == pytest.approx(0.5, abs=0.08)

    def test_finds_the_planted_device(self, device_exams):
        table = device_exams(1, n=3000)
        features = generator(2).normal(size=(3000, 12))
        features[:, 3] += 2.0 * (table["device"] == "cedar")
        verdict = self.judge(table, features)
        assert verdict.fired
        assert "cedar" in verdict.message
        # Two normals two standard deviations apart: AUC = Phi(2 / sqrt 2).
        assert verdict.statistic == pytest.approx(0.921, abs=0.02)

    def test_finds_it_where_one_device_takes_more_images(self):
        patient = np.repeat(np.arange(200), np.where(np.arange(200) % 4, 2, 3))
        device = np.where(patient % 4, "alder", "birch")
        features = generator(6).normal(size=(len(patient), 4))
        features[:, 0] += 2 * (device == "birch")
        table = {"device": device, "label": patient % 10 == 0, "patient_ids": patient.astype(str)}
        assert self.judge(table, features).fired

    def test_patients_with_their_own_look_do_not_fire_it(self):
        # Ten images of each of 40 women, who stay with their device: as many single images would
        # tell less by chance.
        fired = 0
        for seed in range(10):
            rng = generator(seed)
            patient = np.repeat(np.arange(40), 10)
            features = rng.normal(size=(40, 4))[patient] + 0.1 * rng.normal(size=(400, 4))
            device = np.where(rng.permutation(40) < 20, "alder", "birch")[patient]
            table = {
                "device": device,
                "label": patient % 2 == 0,
                "patient_ids": patient.astype(str),
            }
            fired += self.judge(table, features, seed).fired
        assert fired <= 3  # of ten at 1 in 20, more come once in 1,000 times

    def test_what_tells_the_label_alone_does_not_count(self, device_exams):
        table = device_exams(2, n=3000)
        rng = generator(3)
        label = rng.random(3000) < np.where(table["device"] == "alder", 0.9, 0.1)
        features = np.column_stack([label + 0.1 * rng.normal(size=3000), rng.normal(size=3000)])
        assert not self.judge(table | {"label": label}, features).fired

    def test_constant_features_tell_nothing(self, device_exams):
        verdict = self.judge(device_exams(3), np.ones((1500, 4)))
        assert verdict.statistic == 0.5
        assert not verdict.fired

    def test_weights_equal_duplication_and_row_order_does_not_matter(self, device_exams):
        table = device_exams(4, n=600)
        features = generator(5).normal(size=(600, 6))
        weight = 1 + np.arange(600) % 3
        rows, order = np.repeat(np.arange(600), weight), generator().permutation(600)
        few = {"n_permutations": 5}
        weighted = self.judge(table, features, sample_weight=weight.astype(float), **few)
        doubled = self.judge({k: v[rows] for k, v in table.items()}, features[rows], **few)
        assert weighted.statistic == pytest.approx(doubled.statistic)
        shuffled = self.judge({k: v[order] for k, v in table.items()}, features[order], **few)
        assert shuffled.statistic == pytest.approx(
            self.judge(table, features, **few).statistic, abs=1e-6
        )

    def test_refusals(self, device_exams):
        with pytest.raises(InputError, match="finite, one row"):
            self.judge(device_exams(5), np.full((1500, 2), np.nan))
        with pytest.raises(InputError, match="finite, one row"):
            self.judge(device_exams(5), np.ones((3, 2)))
