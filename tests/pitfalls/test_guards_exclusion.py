"""Who was left out: heard where planted, silent where chance did it."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.guards_exclusion import exclusions


class TestExclusions:
    def cohort(self, seed: int, n: int = 2000) -> dict:
        rng = np.random.default_rng(seed)
        patient = rng.integers(0, n // 2, n)
        dense = rng.choice(["a", "b", "c", "d"], n // 2, p=[0.1, 0.4, 0.4, 0.1])[patient]
        return {
            "included": rng.random(n) < 0.6,
            "label": rng.random(n) < 0.05,
            "groups": pd.DataFrame(
                {"density": dense, "implant": rng.random(n // 2)[patient] < 0.1}
            ),
            "patient_ids": patient.astype(str),
        }

    def judge(self, cohort, seed=0, **options):
        return exclusions(**cohort, rng=np.random.default_rng(seed), **options)

    def test_by_hand(self):
        # All 50 women with implants are left out, and 50 of the 150 others: a gap of two thirds.
        implant, included = np.arange(200) < 50, np.arange(200) >= 100
        groups = pd.DataFrame({"implant": implant})
        verdict = exclusions(
            included, np.zeros(200), groups, np.arange(200).astype(str), np.random.default_rng(0)
        )
        assert verdict.fired
        assert verdict.statistic == pytest.approx(2 / 3)
        assert "implant" in verdict.message

    @pytest.mark.parametrize("seed", range(4))
    def test_silent_where_chance_left_them_out(self, seed):
        assert not self.judge(self.cohort(seed), seed).fired

    def test_cancers_kept_on_purpose_are_no_exclusion(self):
        cohort = self.cohort(5)
        rng = np.random.default_rng(5)
        dense = (cohort["groups"]["density"] == "d").to_numpy()
        label = rng.random(2000) < np.where(dense, 0.5, 0.05)
        kept = label | (rng.random(2000) < 0.1)
        assert not self.judge(cohort | {"label": label, "included": kept}).fired

    def test_finds_who_was_left_out(self):
        cohort = self.cohort(6)
        dense = (cohort["groups"]["density"] == "d").to_numpy()
        verdict = self.judge(cohort | {"included": cohort["included"] & ~dense})
        assert verdict.fired
        assert "density=d" in verdict.message
        assert "more of" in verdict.message

    def test_missing_is_a_group(self):
        cohort = self.cohort(7)
        groups = cohort["groups"].astype(object)
        groups.loc[~cohort["included"] & (groups["density"] == "b"), "density"] = None
        verdict = self.judge(cohort | {"groups": groups})
        assert verdict.fired
        assert "density=unknown" in verdict.message

    def test_weights_equal_duplication_and_row_order_does_not_matter(self):
        cohort = self.cohort(8)
        weight = 1 + np.arange(2000) % 3

        def taken(rows):
            whole = {k: v[rows] for k, v in cohort.items() if k != "groups"}
            return whole | {"groups": cohort["groups"].iloc[rows]}

        weighted = self.judge(cohort, sample_weight=weight.astype(float))
        doubled = self.judge(taken(np.repeat(np.arange(2000), weight)))
        assert weighted.statistic == pytest.approx(doubled.statistic)
        shuffled = self.judge(taken(np.random.default_rng(1).permutation(2000)))
        assert shuffled.statistic == pytest.approx(self.judge(cohort).statistic)

    def test_refusals(self):
        cohort = self.cohort(9)
        with pytest.raises(InputError, match="no choice"):
            self.judge(cohort | {"included": np.ones(2000, dtype=bool)})
        with pytest.raises(InputError, match="No column of groups"):
            self.judge(cohort | {"groups": pd.DataFrame({"x": np.ones(2000)})})
        with pytest.raises(InputError, match="groups has 5 rows"):
            self.judge(cohort | {"groups": cohort["groups"].head(5)})
        with pytest.raises(InputError, match="over 100"):
            self.judge(cohort | {"groups": pd.DataFrame({"x": np.arange(2000)})})
