"""The analysis by hand, against the statistics it is made of, and on planted truths."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, norm

from mammolab.clinic import tables, words
from mammolab.clinic.analysis import analyse
from mammolab.clinic.choices import choose_thresholds
from mammolab.clinic.scores import Scores, read_scores
from mammolab.clinic.settings import RULES, Settings
from mammolab.errors import InputError
from mammolab.evaluate.calibration import fit_platt
from mammolab.evaluate.calibrators import calibrator_from_dict
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.thresholds import certified_threshold
from mammolab.evaluate.triage import simulate_triage

QUICK = {"n_replicates": 200}
DECISIONS = ["exam_id", "split", "ruled_out"]


def scores_of(exams: pd.DataFrame, **facts) -> Scores:
    """Scores as the reader would return them, without a file."""
    exams = exams.assign(suspicion=exams["score"])
    usual = {
        "file": "hand.csv", "sha256": "0" * 64, "exams": exams, "scale": "probability",
        "lower_is_suspicious": False, "recall_from": "recall" if "recall" in exams else "",
        "n_conflicts": 0, "n_from_birads": 0, "n_weightless": 0, "weighted": False, "split_from": "column",
        "subgroups": (), "unused": (), "synthetic": True,
    }  # fmt: skip
    return Scores(**usual | facts)


HAND = pd.DataFrame(
    [
        # patient, exam, score, cancer, recall, weight, split
        ("D1", "d1", 0.50, True, True, 1, "dev"),
        ("D2", "d2", 0.60, True, True, 1, "dev"),
        ("D2", "d3", 0.30, True, True, 1, "dev"),  # her lowest: the threshold
        ("D3", "d4", 0.10, True, False, 1, "dev"),  # missed by readers: does not count
        ("D4", "d5", 0.20, False, False, 1, "dev"),
        ("D5", "d6", 0.70, False, True, 1, "dev"),
        ("T1", "t1", 0.80, True, True, 1, "test"),
        ("T2", "t2", 0.20, True, True, 1, "test"),
        ("T3", "t3", 0.10, True, False, 1, "test"),
        ("T4", "t4", 0.90, True, False, 1, "test"),
        ("T5", "t5", 0.10, False, True, 3, "test"),
        ("T6", "t6", 0.60, False, True, 3, "test"),
        ("T7", "t7", 0.05, False, False, 5, "test"),
        ("T8", "t8", 0.40, False, False, 1, "test"),
    ],
    columns=["patient_id", "exam_id", "score", "cancer", "recall", "weight", "split"],
)


class TestByHand:
    @pytest.fixture
    def result(self):
        return analyse(scores_of(HAND), Settings(rule="minimum", calibrator="raw", **QUICK))

    def test_threshold_and_certificate(self, result):
        rule = result.chosen
        assert (rule.threshold, rule.n_cancers, rule.n_missed) == (0.3, 2, 0)
        assert rule.certified_sensitivity == pytest.approx(0.05**0.5)  # none of two below
        told = tables.certificate(result)
        assert told["proof"] == "exact" and told["n_cancers"] == 2
        assert "at least 22.3% of the cancers that readers catch" in told["promise"]
        assert tables.threshold(result)["ruled_out_if"] == "score < 0.3"

    def test_rates(self, result):
        clinic = result.clinic
        assert clinic.sensitivity_without.value == 2 / 4
        assert clinic.sensitivity_with.value == 1 / 4
        assert clinic.noninferiority.difference.value == -1 / 4
        assert clinic.specificity_without.value == 6 / 12
        assert clinic.specificity_with.value == 9 / 12
        assert clinic.recall_rate_without.value == 8 / 16
        assert clinic.recall_rate_with.value == 4 / 16
        assert clinic.ppv_without.value == 2 / 8
        assert clinic.fraction_ruled_out.value == 10 / 16
        assert clinic.recalls_avoided.value == 4 / 8
        assert clinic.gross_false_omission.value == 2 / 10
        assert clinic.net_false_omission.value == 1 / 10
        assert (clinic.n_cancers_ruled_out, clinic.n_cancers_missed_by_triage) == (2, 1)

    def test_promise_and_missed(self, result):
        assert (result.kept.n, result.kept.n_lost, result.kept.share.value) == (2, 1, 0.5)
        assert result.missed["exam_id"].tolist() == ["t3", "t2", "d4"]
        assert "1 of 2 women with caught cancers had none of them ruled out" in words.kept_on_test(
            result
        )

    def test_auc_and_calibration(self, result):
        # weights 3, 3, 5, 1 of those without: .8 and .9 beat all, .2 beats 8, .1 beats 5, ties 3
        assert result.auc.value == pytest.approx((12 + 12 + 8 + 6.5) / 48)
        expected = 0.8 + 0.2 + 0.1 + 0.9 + 3 * 0.1 + 3 * 0.6 + 5 * 0.05 + 0.4
        assert result.after.expected_over_observed.value == pytest.approx(expected / 4)
        before, after = result.before.expected_over_observed, result.after.expected_over_observed
        assert after.value == pytest.approx(before.value)  # raw changes nothing

    def test_without_readers_only_the_rule_is_judged(self):
        exams = HAND.drop(columns="recall")
        result = analyse(scores_of(exams), Settings(rule="minimum", calibrator="raw", **QUICK))
        assert result.chosen.threshold == 0.1  # of all dev cancers
        assert result.clinic.fraction_ruled_out.value == 5 / 16
        assert result.clinic.sensitivity_with.value == 1.0
        assert result.clinic.specificity_with.value == 5 / 12  # of those without, ruled out
        assert "not known" in words.verdict(result)[0]
        assert not any("noninferior" in key for key in tables.numbers(result))


@pytest.fixture
def scores(table, write) -> Scores:
    return read_scores(write(table))


class TestOracle:
    """The same numbers as the statistics give when called by hand on the same exams."""

    def test_certified_on_test(self, scores):
        result = analyse(scores, Settings(**QUICK))
        dev, test = (scores.exams[scores.exams["split"] == name] for name in ("dev", "test"))
        caught = dev["cancer"] & dev["recall"]
        rule = certified_threshold(dev["score"], caught, dev["patient_id"], 0.95)
        assert result.chosen == rule and rule.n_missed > 0
        bootstrap = PatientBootstrap.draw(test["patient_id"], 200, 2019)
        clinic = simulate_triage(
            test["score"], rule.threshold, test["recall"], test["cancer"], test["patient_id"],
            None, bootstrap,
        )  # fmt: skip
        assert repr(result.clinic) == repr(clinic)  # NaN, where nothing is ruled in, is no number
        platt = fit_platt(dev["score"], dev["cancer"])
        assert result.calibrator == platt
        np.testing.assert_array_equal(
            result.exams["probability"], platt.apply(scores.exams["score"])
        )
        assert calibrator_from_dict(tables.calibrator(result)["calibrator"]) == platt

    def test_deciding_by_the_probability_is_deciding_by_the_score(self, scores):
        """As chapter 07 does it."""
        result = analyse(scores, Settings(**QUICK))
        dev = result.dev
        by_probability = certified_threshold(
            dev["probability"], dev["cancer"] & dev["recall"], dev["patient_id"], 0.95
        )
        out = result.exams["probability"] < by_probability.threshold
        np.testing.assert_array_equal(out, result.exams["ruled_out"])

    def test_subgroups_are_the_whole_where_there_is_one_level(self, scores):
        exams = scores.exams.assign(density="b")
        result = analyse(replace(scores, exams=exams), Settings(**QUICK))
        table = result.subgroups.set_index(["metric", "subgroup"])["estimate"]
        for metric in result.subgroups["metric"].unique():
            assert table[metric, "all"] == table[metric, "density=b"]
        assert table["sensitivity_with", "all"] == result.clinic.sensitivity_with.value
        assert table["auc", "all"] == result.auc.value

    def test_a_small_cell_is_named_as_such(self, scores):
        exams = scores.exams.copy()
        exams.loc[exams.index[:4], "density"] = "rare"
        exams.loc[exams.index[:4], "split"] = "test"
        result = analyse(replace(scores, exams=exams), Settings(**QUICK))
        rare = result.subgroups[result.subgroups["level"] == "rare"]
        assert len(rare) == 8 and rare["estimate"].isna().all()
        assert rare["reason"].str.startswith("not estimable:").all()


class TestInvariance:
    def test_row_order_changes_nothing(self, table, write):
        shuffled = table.sample(frac=1, random_state=3)
        one, other = (
            analyse(read_scores(write(frame)), Settings(**QUICK)) for frame in (table, shuffled)
        )
        pd.testing.assert_frame_equal(one.exams, other.exams)
        pd.testing.assert_frame_equal(one.subgroups, other.subgroups)
        assert repr(one.clinic) == repr(other.clinic) and one.rules == other.rules

    def test_names_of_exams_change_no_number(self, table, write):
        renamed = table.assign(exam_id=[f"X{k}" for k in range(len(table), 0, -1)])
        one, other = (
            analyse(read_scores(write(frame)), Settings(**QUICK)) for frame in (table, renamed)
        )
        assert one.chosen == other.chosen
        for key, number in tables.numbers(one).items():
            again = tables.numbers(other)[key]
            if isinstance(number["value"], float):
                assert again["value"] == pytest.approx(number["value"], rel=1e-9), key
            else:
                assert again["value"] == number["value"], key

    @pytest.mark.parametrize("rule", ["certified", "minimum"])
    def test_a_map_that_keeps_the_order_changes_no_decision(self, table, write, rule):
        mapped = table.assign(score=10 * np.log(table["score"]) + 3)
        settings = Settings(rule=rule, **QUICK)
        one, other = (analyse(read_scores(write(frame)), settings) for frame in (table, mapped))
        pd.testing.assert_frame_equal(one.exams[DECISIONS], other.exams[DECISIONS])
        assert one.clinic.noninferiority == other.clinic.noninferiority
        assert one.auc == other.auc

    def test_turned_scores_give_the_same_decisions(self, table, write):
        turned = table.assign(score=-table["score"])
        settings = Settings(rule="mean_of_bootstrap_minima", **QUICK)
        one = analyse(read_scores(write(table)), settings)
        other = analyse(read_scores(write(turned), lower_is_suspicious=True), settings)
        pd.testing.assert_frame_equal(one.exams[DECISIONS], other.exams[DECISIONS])
        assert tables.threshold(other)["threshold"] == -one.chosen.threshold
        assert ">" in tables.threshold(other)["ruled_out_if"]


class TestPlantedTruth:
    def test_the_certified_bound_holds_as_often_as_it_says(self):
        """Scores of caught cancers are N(1, 1), so the sensitivity of any threshold is known."""
        n_runs, n_cancers, target = 400, 90, 0.9
        rng = np.random.default_rng(11)
        frame = pd.DataFrame(
            {
                "patient_id": [f"P{k}" for k in range(n_cancers + 10)],
                "exam_id": [f"E{k}" for k in range(n_cancers + 10)],
                "cancer": np.arange(n_cancers + 10) < n_cancers,
                "recall": True,
                "weight": 1.0,
                "split": "dev",
            }
        )
        settings = Settings(target_sensitivity=target, n_replicates=100)
        sensitivity = {rule: np.empty(n_runs) for rule in RULES}
        for run in range(n_runs):
            score = rng.normal(np.where(frame["cancer"], 1, 0), 1)
            rules = choose_thresholds(scores_of(frame.assign(score=score)), settings)
            for name, rule in rules.items():
                sensitivity[name][run] = norm.sf(rule.threshold, loc=1)
        kept = (sensitivity["certified"] >= target).sum()
        exact = 1 - binom.cdf(4, n_cancers, 1 - target)  # the fifth lowest of ninety
        low, high = binom.ppf([0.001, 0.999], n_runs, exact)
        assert exact >= 0.95 and low <= kept <= high
        # and it is no empty promise: it gives away more than the lowest cancer does
        assert sensitivity["certified"].mean() < sensitivity["minimum"].mean()

    def test_readers_planted_are_found(self, scores):
        clinic = analyse(scores, Settings(**QUICK)).clinic
        assert clinic.sensitivity_without.low < 0.87 < clinic.sensitivity_without.high
        assert clinic.specificity_without.low < 0.90 < clinic.specificity_without.high

    def test_calibration_on_dev_repairs_a_wrong_prior(self, scores):
        result = analyse(scores, Settings(**QUICK))
        before, after = (c.expected_over_observed for c in (result.before, result.after))
        assert not before.low < 1 < before.high
        # dev has as much noise as test, and the interval knows of test's alone
        noise = 2**0.5 * np.log(after.high / after.low) / (2 * 1.96)
        assert abs(np.log(after.value)) < 2.6 * noise < abs(np.log(before.value))


class TestRefusals:
    @pytest.mark.parametrize("calibrator", ["platt", "isotonic", "beta", "temperature"])
    def test_scores_that_do_not_rise_cannot_be_calibrated(self, calibrator):
        rng = np.random.default_rng(0)
        n = 200
        exams = pd.DataFrame(
            {
                "patient_id": [f"P{k}" for k in range(n)],
                "exam_id": [f"E{k}" for k in range(n)],
                "score": np.sort(rng.uniform(0.01, 0.99, n)),
                "cancer": np.arange(n) % 4 < (np.arange(n) < 100) * 2,  # more at the low end
                "weight": 1.0,
                "split": np.where(np.arange(n) % 3, "dev", "test"),
            }
        )
        if calibrator == "temperature":
            exams["score"] = 0.999 - exams["score"] / 1000
        with pytest.raises(InputError, match=r"^hand\.csv: [^\n]+$"):
            analyse(scores_of(exams), Settings(rule="minimum", calibrator=calibrator, **QUICK))

    def test_unequal_weights_promise_nothing(self, scores):
        exams = scores.exams.copy()
        cancers = exams.index[exams["cancer"]]
        exams.loc[cancers[::3], "weight"] = 2.0
        result = analyse(replace(scores, exams=exams), Settings(rule="minimum", **QUICK))
        assert words.promise(result).startswith("Nothing is promised")
        assert set(tables.rules(result)["proof"]) == {"unequal weights"}
        assert tables.certificate(result)["certified_sensitivity"] is None

    def test_what_would_do_is_said_and_does(self, scores):
        few = scores.exams[~scores.exams["cancer"] | (scores.exams["patient_id"] < "00120")]
        few = replace(scores, exams=few.reset_index(drop=True))
        with pytest.raises(InputError, match=r"--target-sensitivity ([\d.]+) or less") as stop:
            analyse(few, Settings(**QUICK))
        share = float(str(stop.value).split("--target-sensitivity ")[1].split()[0])
        assert analyse(few, Settings(target_sensitivity=share, **QUICK)).chosen.n_missed == 0
