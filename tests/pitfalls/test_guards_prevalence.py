"""Too many or too few cancers, in the set and by source: heard where planted, silent elsewhere."""

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.guards_prevalence import prevalence, prevalence_by_source


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class TestPrevalence:
    def test_fires_on_half_and_half_and_not_on_nature(self):
        rng = np.random.default_rng(0)
        natural = prevalence(rng.random(20_000) < 0.006, 0.006)
        enriched = prevalence(np.arange(400) % 2 == 0, 0.006)
        assert not natural.fired
        assert enriched.fired
        assert enriched.statistic == 0.5
        assert "500.0 of 1,000" in enriched.message

    def test_weights_restore_the_prevalence(self):
        label = np.arange(2000) % 2 == 0
        weight = np.where(label, 1.0, 165.0)
        assert prevalence(label, 0.006).fired
        assert not prevalence(label, 0.006, weight).fired

    def test_fires_on_too_few_cancers(self):
        label = np.zeros(20_000, dtype=bool)
        label[:20] = True
        verdict = prevalence(label, 0.006)
        assert verdict.fired
        assert verdict.limit == pytest.approx(0.003)

    def test_too_few_exams_to_tell(self):
        label = np.zeros(60, dtype=bool)
        label[0] = True
        assert not prevalence(label, 0.006).fired

    @pytest.mark.parametrize(("share", "ratio"), [(0.0, 2.0), (1.2, 2.0), (0.01, 1.0)])
    def test_refusals(self, share, ratio):
        with pytest.raises(InputError, match="between 0 and 1"):
            prevalence([0, 1], share, ratio=ratio)

    def test_rows_of_a_patient_count_as_one(self):
        """At most 1 in 20 may fire; of 60, more than 7 would come once in 100 times."""
        patient = np.repeat(np.arange(60), 20)

        def verdict(seed, truth, known):
            label = (generator(seed).random(60) < truth)[patient]
            return prevalence(label, 0.1, ratio=1.2, patient_ids=patient if known else None)

        assert sum(verdict(seed, 0.1, True).fired for seed in range(60)) <= 7
        assert sum(verdict(seed, 0.1, False).fired for seed in range(60)) > 7
        assert all(verdict(seed, 0.5, True).fired for seed in range(20))

    @pytest.mark.parametrize("n_cancers", [0, 3, 11, 13, 60])
    def test_one_row_a_patient_changes_nothing(self, n_cancers):
        given = (np.arange(400) < n_cancers, 0.006, 1 + np.arange(400) % 2)
        alone = prevalence(*given)
        assert prevalence(*given, patient_ids=np.arange(400)) == alone


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
    def test_silent_where_sources_are_alike(self, device_exams, seed):
        assert not self.judge(device_exams(seed), seed).fired

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

    def test_rows_of_weight_zero_are_not_there(self, device_exams):
        table = device_exams(10)
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

    def test_weights_equal_duplication_and_row_order_does_not_matter(self, device_exams):
        table = device_exams(7)
        weight = 1 + np.arange(1500) % 3
        rows = np.repeat(np.arange(1500), weight)
        weighted = self.judge(table, sample_weight=weight.astype(float))
        doubled = self.judge({name: column[rows] for name, column in table.items()})
        assert weighted.statistic == pytest.approx(doubled.statistic)
        order = generator().permutation(1500)
        shuffled = self.judge({name: column[order] for name, column in table.items()})
        assert shuffled.statistic == pytest.approx(self.judge(table).statistic)

    def test_refusals(self, device_exams):
        table = device_exams(8)
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
