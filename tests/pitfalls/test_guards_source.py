"""Sources, scanners and borders that give the label away: heard where planted, silent elsewhere."""

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.guards_source import (
    border_features,
    border_probe,
    device_probe,
    prevalence_by_source,
    score_by_device,
)

DEVICES = np.array(["alder", "birch", "cedar"])


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def exams(seed: int, n: int = 1500, rate: float = 0.1) -> dict[str, np.ndarray]:
    """Exams of n / 3 women, who stay with their device; the score knows the label only."""
    rng = generator(seed)
    patient = rng.integers(0, n // 3, n)
    label = rng.random(n) < rate
    return {
        "patient_ids": patient.astype(str),
        "device": DEVICES[rng.integers(0, 3, n // 3)[patient]],
        "label": label,
        "score": rng.normal(size=n) + label,
    }


class TestPrevalenceBySource:
    def judge(self, table, seed=0, **options):
        return prevalence_by_source(
            table["label"], table["device"], table["patient_ids"], generator(seed), **options
        )

    def test_by_hand(self):
        # 30 of 100 women at A have cancer and 10 of 100 at B: three times as many.
        label = np.concatenate([np.arange(100) < 30, np.arange(100) < 10])
        source = np.repeat(["A", "B"], 100)
        verdict = prevalence_by_source(label, source, np.arange(200).astype(str), generator())
        assert verdict.statistic == pytest.approx(3)
        assert verdict.fired
        assert "300.0" in verdict.message
        assert "100.0" in verdict.message

    @pytest.mark.parametrize("seed", range(5))
    def test_silent_where_sources_are_alike(self, seed):
        assert not self.judge(exams(seed), seed).fired

    def test_few_cancers_are_not_enough_to_fire(self):
        label = np.zeros(200, dtype=bool)
        label[[3, 5, 120]] = True  # 2 at A, 1 at B: a factor of two by chance
        source = np.repeat(["A", "B"], 100)
        verdict = prevalence_by_source(label, source, np.arange(200).astype(str), generator())
        assert verdict.statistic == pytest.approx(2)
        assert not verdict.fired

    def test_images_of_a_woman_are_not_independent(self):
        # Twelve women with cancer, 5 and 7 in the two places, with 50 images each.
        patient = np.repeat(np.arange(60), 50)
        label = np.isin(patient, [*range(5), *range(30, 37)])
        source = np.where(patient < 30, "A", "B")
        verdict = prevalence_by_source(label, source, patient.astype(str), generator())
        assert not verdict.fired
        as_if = prevalence_by_source(label, source, np.arange(3000).astype(str), generator())
        assert as_if.statistic == verdict.statistic
        assert "p = 0.001" in as_if.message

    def test_a_source_without_cancer_has_a_number(self):
        label = np.arange(400) < 40
        source = np.where(label, "A", np.where(np.arange(400) < 200, "A", "B"))
        verdict = prevalence_by_source(label, source, np.arange(400).astype(str), generator())
        assert verdict.fired
        assert np.isfinite(verdict.statistic)

    def test_cancers_that_end_the_series_raise_no_false_alarms(self):
        """Women come yearly until a cancer; the new scanner arrives in the fifth year."""
        n_fired = 0
        for seed in range(60):
            rng = generator(seed)
            first, last = np.sort(rng.integers(0, 9, (2, 800)), axis=0)
            patient = np.repeat(np.arange(800), last - first + 1)
            start = np.repeat(np.cumsum(last - first + 1) - (last - first + 1), last - first + 1)
            year = first[patient] + np.arange(len(patient)) - start
            label = rng.random(len(patient)) < 0.008
            earlier = np.cumsum(label) - label
            seen = earlier == earlier[start]  # nothing after the cancer
            device = np.where((year >= 5) & (rng.random(800)[patient] < 0.6), "new", "old")
            verdict = prevalence_by_source(
                label[seen], device[seen], patient[seen].astype(str), rng
            )
            n_fired += verdict.fired
        assert n_fired <= 6  # 3 are expected at most; over 6 has a chance of 3%

    def test_rows_of_weight_zero_are_not_there(self):
        table = exams(10)
        weight = (table["device"] != "cedar").astype(float)
        seen = weight > 0
        without = self.judge({name: column[seen] for name, column in table.items()})
        assert self.judge(table, sample_weight=weight).statistic == pytest.approx(without.statistic)

    def test_the_few_cancers_of_a_source_count_as_they_weigh(self):
        # All 40 cancers are kept (two at B), a tenth of the rest: B has a nineteenth.
        label = np.arange(440) < 40
        source = np.where(np.arange(440) % 20 == 0, "B", "A")
        source[40:] = np.where(np.arange(400) % 2 == 0, "A", "B")
        weight = np.where(label, 1.0, 10.0)
        ids = np.arange(440).astype(str)
        verdict = prevalence_by_source(label, source, ids, generator(), weight)
        assert verdict.statistic == pytest.approx((38 / 2038) / (2 / 2002))
        assert verdict.fired

    def test_weights_equal_duplication_and_row_order_does_not_matter(self):
        table = exams(7)
        weight = 1 + np.arange(1500) % 3
        rows = np.repeat(np.arange(1500), weight)
        weighted = self.judge(table, sample_weight=weight.astype(float))
        doubled = self.judge({name: column[rows] for name, column in table.items()})
        assert weighted.statistic == pytest.approx(doubled.statistic)
        order = generator().permutation(1500)
        shuffled = self.judge({name: column[order] for name, column in table.items()})
        assert shuffled.statistic == pytest.approx(self.judge(table).statistic)

    def test_refusals(self):
        table = exams(8)
        with pytest.raises(InputError, match="no positive row"):
            self.judge(table | {"label": np.zeros(1500, dtype=bool)})
        with pytest.raises(InputError, match="nothing to compare"):
            self.judge(table | {"device": np.full(1500, "alder")})
        with pytest.raises(InputError, match="over 100"):
            self.judge(table | {"device": np.arange(1500).astype(str)})
        with pytest.raises(InputError, match="20 patients"):
            self.judge(table | {"device": np.where(np.arange(1500) < 5, "alder", "birch")})
        with pytest.raises(InputError, match="empty"):
            prevalence_by_source([], [], [], generator())


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
    def test_silent_where_the_score_knows_the_label_only(self, seed):
        assert not self.judge(exams(seed), seed).fired

    def test_finds_the_planted_shift(self):
        table = exams(1, n=6000)
        shifted = table["score"] + 0.6 * (table["device"] == "birch")
        verdict = self.judge(table | {"score": shifted})
        assert verdict.fired
        assert verdict.statistic == pytest.approx(0.6, abs=0.08)
        assert "birch" in verdict.message
        assert "above" in verdict.message

    def test_a_shift_of_the_cancers_alone_is_found(self):
        table = exams(2, n=6000)
        shift = 1.2 * (table["label"] & (table["device"] == "cedar"))
        verdict = self.judge(table | {"score": table["score"] - shift})
        assert verdict.fired
        assert "cancer exams on cedar" in verdict.message
        assert "below" in verdict.message

    def test_more_cancers_on_a_device_are_no_shift(self):
        table = exams(3, n=6000)
        rng = generator(3)
        label = rng.random(6000) < np.where(table["device"] == "alder", 0.6, 0.1)
        score = rng.normal(size=6000) + 2 * label
        assert not self.judge(table | {"label": label, "score": score}).fired

    def test_only_the_order_of_scores_counts(self):
        table = exams(4)
        assert self.judge(table) == self.judge(table | {"score": np.exp(table["score"])})

    def test_weights_equal_duplication_and_row_order_does_not_matter(self):
        table = exams(5)
        weight = 1 + np.arange(1500) % 3
        rows = np.repeat(np.arange(1500), weight)
        weighted = self.judge(table, sample_weight=weight.astype(float))
        doubled = self.judge({name: column[rows] for name, column in table.items()})
        assert weighted.statistic == pytest.approx(doubled.statistic)
        order = generator().permutation(1500)
        shuffled = self.judge({name: column[order] for name, column in table.items()})
        assert shuffled.statistic == pytest.approx(self.judge(table).statistic)

    def test_refusals(self):
        table = exams(6)
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

    def test_silent_on_features_that_know_the_woman_and_the_label(self):
        table = exams(0)
        patient = np.unique(table["patient_ids"], return_inverse=True)[1]
        rng = generator(1)
        features = rng.normal(size=(500, 20))[patient] + 0.3 * rng.normal(size=(1500, 20))
        features[:, 0] += 2 * table["label"]
        verdict = self.judge(table, features)
        assert not verdict.fired
        assert verdict.statistic == pytest.approx(0.5, abs=0.08)

    def test_finds_the_planted_device(self):
        table = exams(1, n=3000)
        features = generator(2).normal(size=(3000, 12))
        features[:, 3] += 2.0 * (table["device"] == "cedar")
        verdict = self.judge(table, features)
        assert verdict.fired
        assert "cedar" in verdict.message
        # Two normals two standard deviations apart: AUC = Phi(2 / sqrt 2).
        assert verdict.statistic == pytest.approx(0.921, abs=0.02)

    def test_what_tells_the_label_alone_does_not_count(self):
        table = exams(2, n=3000)
        rng = generator(3)
        label = rng.random(3000) < np.where(table["device"] == "alder", 0.9, 0.1)
        features = np.column_stack([label + 0.1 * rng.normal(size=3000), rng.normal(size=3000)])
        assert not self.judge(table | {"label": label}, features).fired

    def test_constant_features_tell_nothing(self):
        verdict = self.judge(exams(3), np.ones((1500, 4)))
        assert verdict.statistic == 0.5
        assert not verdict.fired

    def test_weights_equal_duplication_and_row_order_does_not_matter(self):
        table = exams(4, n=600)
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

    def test_refusals(self):
        with pytest.raises(InputError, match="finite, one row"):
            self.judge(exams(5), np.full((1500, 2), np.nan))
        with pytest.raises(InputError, match="finite, one row"):
            self.judge(exams(5), np.ones((3, 2)))


class TestBorderProbe:
    def pictures(self, n: int, seed: int) -> np.ndarray:
        images = generator(seed).integers(0, 12, (n, 64, 48), dtype=np.uint8)
        images[:, 16:48, 12:36] += 100
        return images

    def judge(self, images, label, patient_ids=None, seed=0, **options):
        ids = np.arange(len(label)).astype(str) if patient_ids is None else patient_ids
        return border_probe(images, label, ids, generator(seed), **options)

    def test_border_features_by_hand(self):
        image = np.zeros((1, 32, 16), dtype=np.uint8)  # a border of 2, tiles of 2 x 2
        image[0, 0, 1], image[0, 30, 15] = 8, 40
        features = border_features(image)[0]
        assert features[:9].tolist() == [2, *[0] * 7, 8]  # means of the top, then maxima
        assert sorted(features[features > 0].tolist()) == [2, 8, 10, 40]
        image[0, 2:30, 2:14] = 255  # the middle does not count
        assert border_features(image)[0].tolist() == features.tolist()

    @pytest.mark.parametrize("seed", range(3))
    def test_silent_without_a_marker(self, seed):
        images = self.pictures(300, seed)
        label = np.arange(300) % 3 == 0
        images[label, 20:30, 20:30] += 50  # a cancer, where it belongs
        assert not self.judge(images, label, seed=seed).fired

    def test_finds_a_marker_in_the_corner(self):
        images = self.pictures(300, 4)
        label = np.arange(300) % 3 == 0
        marked = label & (generator(4).random(300) < 0.7)
        images[marked, 1:4, -4:-1] = 255
        verdict = self.judge(images, label)
        assert verdict.fired
        assert verdict.statistic == pytest.approx(0.85, abs=0.05)  # (1 + .7) / 2

    def test_patients_with_their_own_border_do_not_fire_it(self):
        # Ten images a woman, each woman with a border of her own: folds keep women whole.
        patient = np.repeat(np.arange(40), 10)
        images = self.pictures(400, 5)
        images[:, :6] += generator(5).integers(0, 200, (40, 6, 48), dtype=np.uint8)[patient]
        verdict = self.judge(images, patient < 14, patient.astype(str))
        assert not verdict.fired

    def test_refusals(self):
        label = np.arange(40) % 2 == 0
        with pytest.raises(InputError, match="uint8"):
            self.judge(np.zeros((40, 32, 32)), label)
        with pytest.raises(InputError, match="no positive row"):
            self.judge(self.pictures(40, 0), np.zeros(40, dtype=bool))
        with pytest.raises(InputError, match="40"):
            self.judge(self.pictures(30, 0), label)
        with pytest.raises(InputError, match="folds"):
            self.judge(self.pictures(40, 0), label, np.repeat(["a", "b"], 20))
