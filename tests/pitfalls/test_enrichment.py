"""Sets with more cancers, or easier women, than the clinic has."""

from zlib import crc32

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.rates import operating_point
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.roc import auc
from mammolab.pitfalls.enrichment import (
    ENRICHED_TEST_SET,
    SPECTRUM,
    enrich,
    half_cancers,
    natural_share,
    spectrum,
)
from mammolab.pitfalls.failure import dose_response

THRESHOLD = 0.8


def streams(purpose: str) -> np.random.Generator:
    return np.random.default_rng([1, crc32(purpose.encode())])


@pytest.fixture(scope="module")
def exams() -> pd.DataFrame:
    """1,100 exams, 100 cancers; each other exam stands for 20. Hard cases are hard for the score."""
    rng = np.random.default_rng(0)
    cancer = np.arange(1100) < 100
    hard = rng.random(1100) < 0.4
    return pd.DataFrame(
        {
            "exam_id": [f"E{k}" for k in range(1100)],
            "patient_id": [f"P{k // 2}" for k in range(1100)],
            "cancer_within_1y": cancer,
            "sampling_weight": np.where(cancer, 1.0, 20.0),
            "recall": np.where(cancer, ~hard, hard),
            "birads": np.where(hard & ~cancer, 0.0, 1.0),
            "density": np.where(hard, "c", "a"),
            "score": rng.normal(np.where(hard, 0.5, cancer * 1.5), 1),
        }
    ).sample(frac=1, random_state=0, ignore_index=True)


@pytest.fixture(scope="module")
def bootstrap(exams) -> PatientBootstrap:
    return PatientBootstrap.draw(exams["patient_id"], 200, 0)


class TestEnrich:
    def test_is_nature_at_dose_0_and_half_and_half_at_dose_1(self, exams):
        natural = enrich(exams, 0.0, streams("x"))
        pd.testing.assert_frame_equal(natural[exams.columns], exams)
        np.testing.assert_allclose(natural["set_weight"], exams["sampling_weight"])
        half = enrich(exams, 1.0, streams("x"))
        assert half["cancer_within_1y"].mean() == 0.5
        np.testing.assert_allclose(half["set_weight"], 1.0)

    @pytest.mark.parametrize("dose", [0.1, 0.4, 0.8])
    def test_has_the_share_asked_for(self, exams, dose):
        drawn = enrich(exams, dose, streams("x"))
        share = np.average(drawn["cancer_within_1y"], weights=drawn["set_weight"])
        natural = 100 / (100 + 20 * 1000)
        assert natural_share(exams) == pytest.approx(natural)
        assert share == pytest.approx(natural + dose * (0.5 - natural))

    def test_a_smaller_set_is_part_of_a_larger_one(self, exams):
        sets = [set(enrich(exams, dose, streams("x"))["exam_id"]) for dose in (0.3, 0.6, 1.0)]
        assert sets[2] < sets[1] < sets[0]

    def test_refusals(self, exams):
        with pytest.raises(InputError, match="both classes"):
            enrich(exams[exams["cancer_within_1y"]], 0.5, streams("x"))
        with pytest.raises(InputError, match="dose"):
            enrich(exams, 1.5, streams("x"))


class TestEnrichedTestSet:
    def test_without_enrichment_the_report_is_true(self, exams, bootstrap):
        now = half_cancers(exams, THRESHOLD, bootstrap, streams, 0.0)
        by_hand = operating_point(
            exams["score"] >= THRESHOLD, exams["cancer_within_1y"], exams["sampling_weight"]
        )
        assert now.reported.value == now.true.value == pytest.approx(by_hand.ppv)
        assert now.repaired.value == pytest.approx(now.true.value)
        assert not now.guard.fired

    def test_the_predictive_value_rises_as_bayes_has_it_and_the_repair_undoes_it(
        self, exams, bootstrap
    ):
        now = half_cancers(exams, THRESHOLD, bootstrap, streams, 1.0)
        drawn = enrich(exams, 1.0, streams("enriched test set"))
        at = operating_point(drawn["score"] >= THRESHOLD, drawn["cancer_within_1y"])
        false_positive = 1 - at.specificity
        assert now.reported.value == pytest.approx(
            at.sensitivity / (at.sensitivity + false_positive)
        )
        rare = natural_share(exams)
        assert now.repaired.value == pytest.approx(
            at.sensitivity * rare / (at.sensitivity * rare + false_positive * (1 - rare))
        )
        assert now.reported.low > now.true.high
        assert now.repaired.low < now.true.value < now.repaired.high
        assert now.guard.fired
        assert now.guard.name == ENRICHED_TEST_SET.guard

    def test_the_curve_climbs(self, exams, bootstrap):
        curve = dose_response(
            ENRICHED_TEST_SET,
            lambda dose: half_cancers(exams, THRESHOLD, bootstrap, streams, dose),
        )
        assert curve["reported"].is_monotonic_increasing
        assert curve["true"].nunique() == 1
        assert curve["setting"].iloc[-1] == pytest.approx(0.5)


class TestSpectrum:
    def test_with_all_cases_the_report_is_true(self, exams, bootstrap):
        now = spectrum(exams, bootstrap, streams, 0.0)
        assert now.reported == now.true == now.repaired
        assert not now.guard.fired

    def test_without_hard_cases_the_score_looks_better(self, exams, bootstrap):
        now = spectrum(exams, bootstrap, streams, 1.0)
        assert now.reported.value > now.true.value + 0.08
        assert now.guard.fired
        assert now.guard.name == SPECTRUM.guard

    def test_more_and_more_of_the_same_exams_go(self, exams, bootstrap):
        curve = dose_response(SPECTRUM, lambda dose: spectrum(exams, bootstrap, streams, dose))
        assert curve["reported"].is_monotonic_increasing
        assert curve["guard_statistic"].is_monotonic_increasing

    def test_an_unknown_assessment_makes_nothing_hard(self, exams, bootstrap):
        unknown = exams.assign(birads=np.nan, density=None)
        kept = spectrum(unknown, bootstrap, streams, 1.0)
        only_found = exams["recall"] | ~exams["cancer_within_1y"]
        by_hand = auc(*exams.loc[only_found, ["score", "cancer_within_1y"]].to_numpy(float).T)
        assert kept.reported.value == pytest.approx(by_hand)

    def test_no_class_may_vanish(self, exams, bootstrap):
        missed = exams.assign(recall=exams["recall"] & ~exams["cancer_within_1y"])
        with pytest.raises(InputError, match="0 cancers"):
            spectrum(missed, bootstrap, streams, 1.0)
