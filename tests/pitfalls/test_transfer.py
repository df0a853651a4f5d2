"""A threshold carried between places whose scores differ by a known shift."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.pitfalls.failure import DOSES
from mammolab.pitfalls.transfer import carried_threshold, local_choices, most_different

SHIFT = 1.2


def exams(seed: int, n: int = 3000, shift: float = SHIFT) -> pd.DataFrame:
    """Three sites: north is largest, east alike, and south scores `shift` higher."""
    rng = np.random.default_rng(seed)
    site = rng.choice(["north", "east", "south"], n, p=[0.5, 0.25, 0.25])
    cancer = rng.random(n) < 0.08
    score = rng.normal(2.0 * cancer, 1.0) + shift * (site == "south")
    return pd.DataFrame(
        {
            "score": score,
            "cancer_within_1y": cancer,
            "patient_id": [f"{seed}-{k}" for k in range(n)],
            "sampling_weight": np.where(cancer, 1.0, 8.0),
            "site": site,
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


def at(dev, test, bootstrap, dose, **options):
    carried = most_different(dev, "site")
    return carried_threshold(
        dev, test, carried, bootstrap, np.random.default_rng(3), dose, **options
    )


class TestMostDifferent:
    def test_finds_the_place_and_its_shift(self, dev):
        carried = most_different(dev, "site")
        assert (carried.home, carried.away) == ("north", "south")
        assert carried.shift == pytest.approx(SHIFT, abs=0.15)
        cancers = dev.loc[(dev["site"] == "north") & dev["cancer_within_1y"], "score"]
        assert (cancers >= carried.threshold).mean() >= 0.95
        assert (cancers > carried.threshold).mean() < 0.96

    def test_a_lower_place_has_a_negative_shift(self):
        carried = most_different(exams(0, shift=-SHIFT), "site")
        assert (carried.away, carried.shift) == ("south", pytest.approx(-SHIFT, abs=0.15))

    def test_one_place_is_none(self, dev):
        assert most_different(dev[dev["site"] == "north"], "site") is None
        few = dev[~dev["cancer_within_1y"] | (dev["site"] == "north")]
        assert most_different(few, "site") is None
        assert most_different(dev.assign(site=None), "site") is None

    def test_missing_sites_are_passed_over(self, dev):
        with_gaps = pd.concat(
            [dev, dev.assign(site=None, patient_id="x" + dev["patient_id"])], ignore_index=True
        )
        assert most_different(with_gaps, "site") == most_different(dev, "site")

    def test_refusals(self, dev):
        with pytest.raises(InputError, match="device"):
            most_different(dev, "device")


class TestCarriedThreshold:
    def test_no_harm_where_the_scores_are_alike(self, dev, test, bootstrap):
        outcome = at(dev, test, bootstrap, 0.0)
        assert outcome.setting == 0
        assert outcome.true.value == pytest.approx(outcome.reported.value, abs=0.005)
        assert not outcome.guard.fired

    def test_the_planted_shift_at_dose_1(self, dev, test, bootstrap):
        outcome = at(dev, test, bootstrap, 1.0)
        assert outcome.setting == pytest.approx(SHIFT, abs=0.15)
        threshold = most_different(dev, "site").threshold
        cancer = np.average(test["cancer_within_1y"], weights=test["sampling_weight"])

        def below(shift):
            parts = norm.cdf(threshold - shift), norm.cdf(threshold - shift - 2.0)
            return (1 - cancer) * parts[0] + cancer * parts[1]

        assert outcome.reported.low < below(0.0) < outcome.reported.high
        assert outcome.true.low < below(SHIFT) < outcome.true.high
        assert outcome.damage > 0.2
        assert outcome.guard.fired

    def test_turning_the_dial_moves_the_new_place_alone(self, dev, test, bootstrap):
        outcomes = [at(dev, test, bootstrap, dose) for dose in DOSES]
        assert (np.diff([one.true.value for one in outcomes]) < 0).all()
        assert len({one.reported for one in outcomes}) == 1

    def test_the_local_threshold_keeps_the_promise_at_any_shift(self, dev, test, bootstrap):
        repaired = [at(dev, test, bootstrap, dose).repaired for dose in DOSES]
        carried = most_different(dev, "site")
        assert [one.value for one in repaired] == pytest.approx([repaired[0].value] * 5)
        assert repaired[0].low < carried.ruled_out_home < repaired[0].high

    def test_fewer_local_exams_make_a_wider_interval(self, dev, test, bootstrap):
        few, many = (at(dev, test, bootstrap, 1.0, n_local=n).repaired for n in (20, 2000))
        assert few.high - few.low > 1.5 * (many.high - many.low)

    def test_a_guard_that_cannot_judge_says_why(self, dev, test, bootstrap):
        """A dozen healthy women of the new place are too few to compare."""
        healthy = (test["site"] == "south") & ~test["cancer_within_1y"]
        few = test[~healthy | (healthy.cumsum() <= 12)]
        outcome = at(dev, few, bootstrap, 1.0)
        assert np.isnan(outcome.guard.statistic)
        assert not outcome.guard.fired
        assert outcome.guard.message.startswith("It could not judge")

    def test_the_generator_is_left_alone(self, dev, test, bootstrap):
        rng, carried = np.random.default_rng(3), most_different(dev, "site")
        first, second = (
            carried_threshold(dev, test, carried, bootstrap, rng, 0.5) for _ in range(2)
        )
        assert (first.repaired, first.guard) == (second.repaired, second.guard)

    def test_refusals(self, dev, test, bootstrap):
        with pytest.raises(InputError, match="No exam has site 'south'; there are east, north"):
            at(dev, test[test["site"] != "south"], bootstrap, 1.0)
        with pytest.raises(InputError, match="n_local"):
            at(dev, test, bootstrap, 1.0, n_local=0)
        with pytest.raises(InputError, match="score"):
            at(dev, test.drop(columns="score"), bootstrap, 1.0)


class TestLocalChoices:
    def test_more_is_surer(self, dev, test):
        carried = most_different(dev, "site")
        table = local_choices(dev, test, carried, np.random.default_rng(0)).set_index(["rule", "n"])
        width = table["ruled_out_high"] - table["ruled_out_low"]
        assert width["carried", 0] == 0
        for rule in ("local exams", "local cancers"):
            assert (np.diff(width[rule]) < 0).all()
        at_carried = carried_threshold(
            dev,
            test,
            carried,
            PatientBootstrap.draw(test["patient_id"], 10, 1),
            np.random.default_rng(0),
            1.0,
        )
        assert table.loc[("carried", 0), "ruled_out"] == pytest.approx(at_carried.true.value)

    def test_cancers_keep_the_sensitivity_asked_for(self, dev, test):
        carried = most_different(dev, "site")
        table = local_choices(
            dev, test, carried, np.random.default_rng(0), sensitivity=0.8, n_cancers=(200,)
        ).set_index("rule")
        row = table.loc["local cancers"]
        assert row["sensitivity_low"] - 0.05 < 0.8 < row["sensitivity_high"] + 0.05
