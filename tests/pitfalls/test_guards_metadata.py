"""The guard on metadata fires on planted confounding and keeps quiet without it."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.collection import SamplingRule
from mammolab.pitfalls.guards_metadata import METADATA, metadata_auc
from mammolab.pitfalls.sources import collect_from_sources


def exams(seed: int, n: int = 1200, rate: float = 0.5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "patient_id": [f"P{k}" for k in rng.integers(0, n // 3, n)],
            "exam_year": rng.integers(2009, 2017, n),
            "device": rng.choice(["alder", "birch", "cedar"], n),
            "site": rng.choice(["A", "B", None], n),
            "cancer_within_1y": rng.random(n) < rate,
        }
    )


def judge(frame, seed=0, **options):
    return metadata_auc(
        frame,
        "cancer_within_1y",
        METADATA,
        frame["patient_id"],
        np.random.default_rng(seed),
        **{"n_permutations": 20} | options,
    )


class TestMetadataAuc:
    @pytest.mark.parametrize("seed", range(4))
    def test_quiet_where_metadata_tell_nothing(self, seed):
        verdict = judge(exams(seed), seed)
        assert not verdict.fired
        assert verdict.statistic == pytest.approx(0.5, abs=0.06)

    def test_fires_where_the_negatives_come_from_one_scanner_and_year(self):
        cohort = exams(5, n=12_000, rate=0.03)
        rng = np.random.default_rng(5)
        there = SamplingRule(years=(2015, 2016), devices=("cedar",))
        confounded = judge(collect_from_sources(cohort, there, 1.0, rng))
        alike = judge(collect_from_sources(cohort, there, 0.0, rng))
        assert confounded.fired
        assert confounded.statistic > 0.85
        assert "device, exam_year, site" in confounded.message
        assert not alike.fired

    def test_finds_the_planted_auc(self):
        frame = exams(6, n=4000)
        # A device used for 80% of cancers and 30% of the rest: AUC = (1 + .8 - .3) / 2.
        rng = np.random.default_rng(6)
        often = np.where(frame["cancer_within_1y"], 0.8, 0.3)
        frame["device"] = np.where(rng.random(len(frame)) < often, "alder", "birch")
        verdict = judge(frame.assign(exam_year=2010, site="A"), n_permutations=5)
        assert verdict.statistic == pytest.approx(0.75, abs=0.025)
        assert verdict.fired

    def test_missingness_can_tell(self):
        frame = exams(7)
        frame["site"] = np.where(frame["cancer_within_1y"], "A", None)
        assert judge(frame).statistic == pytest.approx(1.0)

    def test_weights_undo_a_device_that_was_oversampled(self):
        frame = exams(8, n=6000)
        keep = frame["cancer_within_1y"] | (frame["device"] != "cedar") | (frame.index % 10 == 0)
        weight = np.where(~frame["cancer_within_1y"] & (frame["device"] == "cedar"), 10.0, 1.0)
        kept = frame[keep]
        assert judge(kept).fired
        assert not judge(kept, sample_weight=weight[keep], n_permutations=10).fired

    def test_few_exams_need_more_than_the_tolerance(self):
        small = exams(9, n=40)
        assert judge(small).limit > 0.6

    def test_refusals(self):
        frame = exams(10)
        with pytest.raises(InputError, match="device"):
            judge(frame.drop(columns="device"))
        with pytest.raises(InputError, match="same cancer_within_1y"):
            judge(frame.assign(cancer_within_1y=False))
        with pytest.raises(InputError, match="different values"):
            judge(frame.assign(site=np.arange(len(frame))))
        with pytest.raises(InputError, match="folds"):
            judge(frame.assign(patient_id="P1"))
