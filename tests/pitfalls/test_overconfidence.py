"""Balanced batches make a probability that is none; a known network shows by how much."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from mammolab.errors import InputError
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.pitfalls.failure import DOSES, dose_response
from mammolab.pitfalls.overconfidence import OVERCONFIDENCE, overconfidence, repairs_compared

PREVALENCE = 0.02


def exams(seed: int, n: int = 12_000, own_prior: float = 0.5) -> pd.DataFrame:
    """Exams whose risk is known, scored by a network calibrated in batches of `own_prior`."""
    rng = np.random.default_rng(seed)
    risk = expit(rng.normal(-5.0, 1.3, n))
    risk *= PREVALENCE / risk.mean()
    offset = logit(own_prior) - logit(PREVALENCE)
    return pd.DataFrame(
        {
            "probability": expit(logit(risk) + offset),
            "cancer_within_1y": rng.random(n) < risk,
            "patient_id": [f"{seed}-{k // 2}" for k in range(n)],
            "sampling_weight": 1.0,
            "risk": risk,
        }
    )


@pytest.fixture(scope="module")
def dev():
    return exams(0)


@pytest.fixture(scope="module")
def test():
    return exams(1)


@pytest.fixture(scope="module")
def bootstrap(test):
    return PatientBootstrap.draw(test["patient_id"], 300, 5)


def at(dev, test, bootstrap, dose):
    return overconfidence(dev, test, bootstrap, np.random.default_rng(3), dose)


class TestOverconfidence:
    def test_right_at_dose_0(self, dev, test, bootstrap):
        outcome = at(dev, test, bootstrap, 0.0)
        assert outcome.setting == pytest.approx(dev["cancer_within_1y"].mean())
        assert outcome.reported.low < outcome.true.value < outcome.reported.high
        assert outcome.reported.value == pytest.approx(test["risk"].mean(), rel=0.15)
        assert not outcome.guard.fired

    def test_dose_1_is_a_network_calibrated_in_balanced_batches(self, dev, test, bootstrap):
        outcome = at(dev, test, bootstrap, 1.0)
        assert outcome.setting == pytest.approx(0.5)
        # `probability` is what such a network says: it was planted so.
        assert outcome.reported.value == pytest.approx(test["probability"].mean(), rel=0.1)
        assert outcome.true.value == pytest.approx(test["cancer_within_1y"].mean())
        assert outcome.damage > 0.1
        assert outcome.guard.fired

    def test_the_dial_only_raises_what_is_reported(self, dev, test, bootstrap):
        outcomes = [at(dev, test, bootstrap, dose) for dose in DOSES]
        assert (np.diff([one.reported.value for one in outcomes]) > 0).all()
        assert len({one.true for one in outcomes}) == 1

    def test_the_repair_undoes_every_dose(self, dev, test, bootstrap):
        repaired = [at(dev, test, bootstrap, dose).repaired for dose in DOSES]
        assert [one.value for one in repaired] == pytest.approx([repaired[0].value] * 5, rel=1e-4)
        assert repaired[-1].low < test["cancer_within_1y"].mean() < repaired[-1].high

    def test_whatever_the_network_was_trained_on(self, dev, test, bootstrap):
        rich = at(dev, test, bootstrap, 0.75)
        poor = at(exams(0, own_prior=PREVALENCE), exams(1, own_prior=PREVALENCE), bootstrap, 0.75)
        assert poor.reported.value == pytest.approx(rich.reported.value, rel=1e-6)

    def test_weights_stand_for_the_exams_left_out(self, dev, test, bootstrap):
        def thinned(frame):
            kept = frame["cancer_within_1y"] | (np.arange(len(frame)) % 4 < 2)
            weight = np.where(frame["cancer_within_1y"], 1.0, 2.0)
            return frame.assign(sampling_weight=weight)[kept]

        whole, part = at(dev, test, bootstrap, 1.0), at(thinned(dev), thinned(test), bootstrap, 1.0)
        assert part.reported.value == pytest.approx(whole.reported.value, rel=0.06)
        assert part.true.value == pytest.approx(whole.true.value, rel=0.03)

    def test_the_generator_is_left_alone(self, dev, test, bootstrap):
        rng = np.random.default_rng(3)
        first, second = (overconfidence(dev, test, bootstrap, rng, 0.5) for _ in range(2))
        assert first.guard == second.guard

    def test_makes_the_table(self, dev, test, bootstrap):
        table = dose_response(
            OVERCONFIDENCE, lambda dose: at(dev, test, bootstrap, dose), [0.0, 1.0]
        )
        assert table["failure"].tolist() == ["overconfidence"] * 2
        assert table["guard_fired"].tolist() == [False, True]

    def test_refusals(self, dev, test, bootstrap):
        with pytest.raises(InputError, match="dose"):
            at(dev, test, bootstrap, 1.1)
        with pytest.raises(InputError, match="dev lacks the column.* probability"):
            at(dev.drop(columns="probability"), test, bootstrap, 0.5)
        with pytest.raises(InputError, match="test holds 0 exams followed by cancer"):
            at(dev, test[~test["cancer_within_1y"]], bootstrap, 0.5)


class TestRepairsCompared:
    def test_temperature_leaves_it_and_the_prior_shift_mends_it(self, dev, test, bootstrap):
        table = repairs_compared(dev, test, bootstrap).set_index("method")
        ratio = table["observed_over_expected"]
        raw = test["cancer_within_1y"].sum() / test["probability"].sum()
        assert ratio["raw"] == pytest.approx(raw)
        assert ratio["raw"] < 0.2
        assert ratio["temperature"] < 0.2
        for method in ("prior_shift", "platt"):
            assert table.loc[method, "observed_over_expected_low"] < 1
            assert table.loc[method, "observed_over_expected_high"] > 1
            assert table.loc[method, "ece"] < 0.1 * table.loc["raw", "ece"]

    def test_the_ratios_are_each_others_inverse(self, dev, test, bootstrap):
        table = repairs_compared(dev, test, bootstrap)
        product = table["observed_over_expected_low"] * table["expected_over_observed_high"]
        assert product.tolist() == pytest.approx([1.0] * len(table))
