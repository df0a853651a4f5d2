"""A group behind the mean, and the cancers it takes to know."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.pitfalls.guards_groups import cancers_needed, subgroup_gap


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
        # Two groups of one column; A(.75) = .75^2 (2 / 1.75 - 1), A(.85) likewise.
        groups = pd.DataFrame({"race": np.repeat(["x", "y"], [40, 400])})
        label = np.concatenate([np.arange(40) < 20, np.arange(400) < 200])
        verdict = cancers_needed(label, groups, np.arange(440).astype(str))
        small, large = 0.75**2 * (2 / 1.75 - 1), 0.85**2 * (2 / 1.85 - 1)
        error = 0.10 / (norm.ppf(1 - 0.05 / 4) + norm.ppf(0.8))
        assert verdict.statistic == 20
        assert verdict.limit == np.ceil(small / (error**2 - large / 200))
        assert verdict.fired
        assert "race=x" in verdict.message

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
