"""A group behind the mean, and the cancers it takes to know."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.pitfalls.guards_groups import cancers_needed, cancers_to_know, subgroup_gap
from mammolab.pitfalls.many_aucs import auc_separation, many_aucs


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class TestSubgroupGap:
    def table(self, seed: int, gap: float = 0.0, n: int = 6000) -> dict:
        """A score of AUC .86, in cedar only for a share 1 - gap of the cancers."""
        rng = generator(seed)
        label, group = rng.random(n) < 0.08, rng.choice(["alder", "birch", "cedar"], n)
        seen = label & ~((group == "cedar") & (rng.random(n) < gap))
        return {
            "score": rng.normal(size=n) + norm.ppf(0.86) * np.sqrt(2) * seen,
            "label": label,
            "patient_ids": rng.integers(0, n // 2, n).astype(str),
            "group": group,
        }

    def judge(self, table, seed=0, **options):
        table = dict(table)
        groups = pd.DataFrame({"device": table.pop("group")})
        return subgroup_gap(**table, groups=groups, rng=generator(seed), **options)

    @pytest.mark.parametrize("seed", range(3))
    def test_silent_where_the_score_is_as_good_in_all(self, seed):
        assert not self.judge(self.table(seed), seed).fired

    def test_finds_the_group_in_which_it_is_blind(self):
        verdict = self.judge(self.table(4, gap=0.8))
        assert verdict.fired
        assert "device=cedar" in verdict.message
        assert verdict.statistic == pytest.approx(0.8 * 0.36, abs=0.07)

    def test_weights_and_order(self, check_weights_and_order):
        check_weights_and_order(self.judge, self.table(5, n=3000))

    def test_refusals(self):
        table = self.table(6)
        with pytest.raises(InputError, match="No column of groups"):
            self.judge(table | {"group": np.full(6000, "x")})
        with pytest.raises(InputError, match="10 cancers each"):
            self.judge(table | {"label": np.arange(6000) < 12})


class TestCancersNeeded:
    def test_by_hand(self):
        # Two groups of one column, as many healthy women as cancers in each.
        groups = pd.DataFrame({"race": np.repeat(["x", "y"], [40, 400])})
        label = np.concatenate([np.arange(40) < 20, np.arange(400) < 200])
        verdict = cancers_needed(label, groups, np.arange(440).astype(str))
        assert verdict.statistic == 20
        assert verdict.fired
        assert "race=x" in verdict.message

        def variance(auc, n):
            """Hanley and McNeil's, n women of each class; Q by the integral over a healthy one."""
            d = np.sqrt(2) * norm.ppf(auc)
            q, _ = quad(lambda x: norm.pdf(x) * norm.sf(x - d) ** 2, -10, 10)
            return (auc * (1 - auc) + 2 * (n - 1) * (q - auc**2)) / n**2

        def gap_seen(n):
            of_rest = variance(0.85, 200)
            chance = norm.ppf(1 - 0.05 / 4) * np.sqrt(variance(0.85, n) + of_rest)
            return chance + norm.ppf(0.8) * np.sqrt(variance(0.75, n) + of_rest)

        assert gap_seen(verdict.limit) <= 0.10 < gap_seen(verdict.limit - 1)

    def test_images_of_a_woman_are_one_cancer(self):
        groups = pd.DataFrame({"race": np.repeat(["x", "y"], 400)})
        label = np.arange(800) % 2 == 0
        ids = (np.arange(800) // 8).astype(str)
        assert cancers_needed(label, groups, ids).statistic == 50
        assert not cancers_needed(label, groups, np.arange(800).astype(str)).fired

    def test_no_number_is_enough_where_the_rest_is_small(self):
        groups = pd.DataFrame({"race": np.repeat(["x", "y"], 20)})
        verdict = cancers_needed(np.arange(40) % 4 == 0, groups, np.arange(40).astype(str))
        assert np.isinf(verdict.limit)
        assert verdict.fired

    def test_refusals(self):
        groups = pd.DataFrame({"race": ["x", "y"]})
        with pytest.raises(InputError, match="do not fit"):
            cancers_needed([1, 0], groups, ["a", "b"], auc=0.55)
        with pytest.raises(InputError, match="no positive row"):
            cancers_needed([0, 0], groups, ["a", "b"])


class TestCancersToKnow:
    def test_so_many_show_the_gap_in_four_of_five_studies(self):
        low, high = 0.75, 0.85
        needed = int(cancers_to_know(low, high))
        rng = np.random.default_rng(0)
        shape = (2000, needed, 1), (2000, 10 * needed, 1)
        healthy = rng.standard_normal(shape[1])
        studies = many_aucs(auc_separation(low) + rng.standard_normal(shape[0]), healthy)
        at_null = many_aucs(auc_separation(high) + rng.standard_normal(shape[0]), healthy)
        limit = high - 1.96 * at_null.auc.std()
        assert np.mean(studies.auc < limit) == pytest.approx(0.80, abs=0.03)

    def test_the_others_errors_count(self):
        low, high, n_rest, n_studies = 0.75, 0.85, 100, 2000
        needed = int(cancers_to_know(low, high, n_cancers_rest=n_rest))
        assert needed > cancers_to_know(low, high)
        rng = generator()

        def aucs(auc: float, n: int) -> np.ndarray:
            cancers = auc_separation(auc) + rng.standard_normal((n_studies, n, 1))
            return many_aucs(cancers, rng.standard_normal((n_studies, 10 * n, 1))).auc

        rest = aucs(high, n_rest)
        limit = -1.96 * (aucs(high, needed) - rest).std()
        assert np.mean(aucs(low, needed) - rest < limit) == pytest.approx(0.80, abs=0.03)

    def test_more_are_needed_for_less_and_for_more_looks(self):
        assert cancers_to_know(0.70, 0.85) < cancers_to_know(0.75, 0.85)
        assert cancers_to_know(0.75, 0.85) < cancers_to_know(0.75, 0.85, n_looks=40)
        assert cancers_to_know(0.8499, 0.85) == np.inf
        assert cancers_to_know(0.75, 0.85, n_cancers_rest=0) == np.inf

    def test_refusals(self):
        with pytest.raises(InputError, match="below that of the rest"):
            cancers_to_know(0.9, 0.85)
