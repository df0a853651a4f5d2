"""The simulated clinic: hand cases, a published table, explicit resampling, simulated truth."""

import numpy as np
import pandas as pd
import pytest

from mammolab.evaluate import triage
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.paired import (
    PairedCounts,
    mcnemar_test,
    noninferiority_test,
    tango_interval,
)
from mammolab.evaluate.resampling import PatientBootstrap


def ids_of(n_patients):
    return np.array([f"P{i:05d}" for i in range(n_patients)])


@pytest.fixture(scope="module")
def clinic():
    """6,000 patients, two exams each, 200 cancers in full and one non-cancer in five imaged."""
    rng = np.random.default_rng(0)
    ids = np.repeat(ids_of(6000), 2)
    label = np.zeros(12_000, dtype=bool)
    label[rng.choice(np.arange(0, 12_000, 2), 200, replace=False)] = True
    score = rng.normal(size=12_000) + 1.8 * label
    recall = rng.random(12_000) < np.where(label, 0.88, 0.08)
    kept = label | (rng.random(12_000) < 0.2)
    weight = np.where(label, 1.0, 5.0)
    return score, recall, label, weight, ids, kept


@pytest.fixture(scope="module")
def result(clinic):
    score, recall, label, weight, ids, kept = clinic
    bootstrap = PatientBootstrap.draw(ids, 500, seed=1)
    return triage.simulate_triage(
        score[kept], 0.0, recall[kept], label[kept], ids[kept], weight[kept], bootstrap
    )


EXAMS = pd.DataFrame(
    [
        # score, label, recall, patient, weight
        (0.10, 1, 1, "A", 1),  # ruled out, lost
        (0.20, 1, 0, "B", 1),  # ruled out, missed anyway
        (0.50, 1, 1, "C", 1),  # read
        (0.80, 1, 0, "D", 1),  # ruled in at the threshold, gained
        (0.90, 1, 1, "E", 1),  # ruled in, caught anyway
        (0.60, 1, 0, "F", 1),  # read, missed
        (0.85, 1, 0, "N", 1),  # ruled in, gained
        (0.10, 0, 1, "G", 2),  # ruled out, recall avoided
        (0.20, 0, 0, "H", 2),  # ruled out
        (0.30, 0, 0, "I", 2),  # read: at the threshold
        (0.50, 0, 1, "J", 2),  # read
        (0.90, 0, 0, "K", 2),  # ruled in, new false alarm
        (0.95, 0, 1, "L", 2),  # ruled in, recalled anyway
        (0.40, 0, 0, "E", 2),  # read: an earlier exam of a patient with cancer
        (0.25, 0, 1, "M", 2),  # ruled out, recall avoided
    ],
    columns=["score", "label", "recall", "patient_ids", "sample_weight"],
)


def simulate(exams, rule_out, rule_in, bootstrap=None, **options):
    if bootstrap is None:
        bootstrap = PatientBootstrap.draw(exams["patient_ids"], 2000, seed=0)
    columns = {name: exams[name].to_numpy() for name in exams.columns}
    return triage.simulate_two_thresholds(
        rule_out=rule_out, rule_in=rule_in, bootstrap=bootstrap, **columns, **options
    )


def estimates(result):
    return {name: one for name, one in vars(result).items() if isinstance(one, Estimate)}


def test_two_thresholds_by_hand():
    """Seven cancers of weight 1, eight exams without of weight 2: 23 in all."""
    result = simulate(EXAMS, 0.3, 0.8, readings_per_exam=2)
    counts = {
        "n_exams": 15,
        "n_patients": 14,
        "n_cancers": 7,
        "n_ruled_out": 5,
        "n_ruled_in": 5,
        "n_cancers_ruled_out": 2,  # A, B
        "n_cancers_ruled_in": 3,  # D, E, N
        "n_cancers_missed_by_triage": 1,  # A
        "n_cancers_gained_by_triage": 2,  # D, N
    }
    assert {name: getattr(result, name) for name in counts} == counts
    rates = {
        "sensitivity_without": 3 / 7,
        "sensitivity_with": 4 / 7,
        "sensitivity_difference": 1 / 7,
        "specificity_without": 8 / 16,
        "specificity_with": 10 / 16,
        "specificity_difference": 2 / 16,
        "recall_rate_without": 11 / 23,
        "recall_rate_with": 10 / 23,
        "recall_rate_difference": -1 / 23,
        "ppv_without": 3 / 11,
        "ppv_with": 4 / 10,
        "ppv_difference": 4 / 10 - 3 / 11,
        "fraction_ruled_out": 8 / 23,
        "fraction_ruled_in": 7 / 23,
        "fraction_read": 8 / 23,
        "readings_saved_per_1000": 2000 * 15 / 23,
        "gross_false_omission": 2 / 8,
        "net_false_omission": 1 / 8,
        "recalls_avoided": 5 / 11,
        "enhanced_fraction": 4 / 12,
        "enhanced_cancer_rate": 2 / 4,
        "enhanced_share_of_missed": 2 / 4,
    }
    assert {name: one.value for name, one in estimates(result).items()} == pytest.approx(rates)
    for name, one in estimates(result).items():
        assert one.low <= one.value <= one.high, name
    assert result.cancer_pairs == PairedCounts(2, 2, 1, 2)  # C E, D N, A, B F
    assert result.other_pairs == PairedCounts(2, 1, 2, 3)  # J L, K, G M, H I E
    assert mcnemar_test(result.cancer_pairs).p_exact == 1
    assert result.noninferiority.difference.value == pytest.approx(1 / 7)
    assert result.noninferiority == noninferiority_test(result.cancer_pairs, 0.05)
    assert result.published_noninferiority.t > 0
    assert (result.rule_out, result.rule_in, result.threshold) == (0.3, 0.8, 0.3)
    once = simulate(EXAMS, 0.3, 0.8).readings_saved_per_1000
    twice = result.readings_saved_per_1000
    assert (2 * once.low, 2 * once.high) == pytest.approx(twice.ci)
    assert twice.low == pytest.approx(2000 * (1 - result.fraction_read.high))


def test_one_threshold_alone_by_hand():
    """Nothing ruled in: the readers' decisions stand above .3; nothing ruled out: below .8."""
    only_out = simulate(EXAMS, 0.3, np.inf)
    assert only_out.sensitivity_with.value == pytest.approx(2 / 7)
    assert (only_out.n_ruled_in, only_out.n_cancers_gained_by_triage) == (0, 0)
    assert only_out.fraction_read.value == pytest.approx(15 / 23)
    assert only_out.enhanced_fraction.value == 0
    assert np.isnan(only_out.enhanced_cancer_rate.value)
    only_in = simulate(EXAMS, -np.inf, 0.8)
    assert only_in.sensitivity_with.value == pytest.approx(5 / 7)
    assert (only_in.n_ruled_out, only_in.n_cancers_missed_by_triage) == (0, 0)
    assert only_in.recalls_avoided.value == 0
    # the two thresholds touch: the model alone, nothing is read
    alone = simulate(EXAMS, 0.5, 0.5)
    assert (alone.fraction_read.value, alone.readings_saved_per_1000.value) == (0, 1000)
    assert alone.sensitivity_with.value == pytest.approx(5 / 7)
    assert alone.specificity_with.value == pytest.approx(5 / 8)


def test_simulate_triage_rules_nobody_in(clinic, result):
    score, recall, label, weight, ids, kept = clinic
    bootstrap = PatientBootstrap.draw(ids, 500, seed=1)
    same = triage.simulate_two_thresholds(
        score[kept], 0.0, np.inf, recall[kept], label[kept], ids[kept], weight[kept], bootstrap
    )
    assert repr(same) == repr(result)  # NaN is not equal to itself, its print is
    assert result.threshold == 0.0


def test_no_threshold_changes_nothing():
    result = simulate(EXAMS, -np.inf, np.inf)
    for rate in ("sensitivity", "specificity", "recall_rate", "ppv"):
        assert getattr(result, f"{rate}_with") == getattr(result, f"{rate}_without")
        assert getattr(result, f"{rate}_difference") == Estimate(0, 0, 0)
    assert (result.n_ruled_out, result.n_ruled_in, result.fraction_read.value) == (0, 0, 1)
    assert result.readings_saved_per_1000.value == 0
    for pairs in (result.cancer_pairs, result.other_pairs):
        assert (pairs.first_only, pairs.second_only) == (0, 0)


def test_order_of_exams_does_not_matter():
    bootstrap = PatientBootstrap.draw(EXAMS["patient_ids"], 200, seed=0)
    result = simulate(EXAMS, 0.3, 0.8, bootstrap)
    shuffled = simulate(EXAMS.sample(frac=1, random_state=1), 0.3, 0.8, bootstrap)
    for name, one in estimates(result).items():
        assert vars(shuffled)[name].value == pytest.approx(one.value), name
        assert vars(shuffled)[name].ci == pytest.approx(one.ci, rel=1e-5, abs=1e-6, nan_ok=True), (
            name
        )
    assert shuffled.cancer_pairs == result.cancer_pairs
    assert shuffled.n_cancers_gained_by_triage == result.n_cancers_gained_by_triage


def test_a_weight_is_so_many_exams_and_none_at_all():
    bootstrap = PatientBootstrap.draw(EXAMS["patient_ids"], 200, seed=0)
    result = simulate(EXAMS, 0.3, 0.8, bootstrap)
    repeated = EXAMS.loc[EXAMS.index.repeat(EXAMS["sample_weight"])].assign(sample_weight=1)
    repeated = simulate(repeated, 0.3, 0.8, bootstrap)
    doubled = simulate(EXAMS.assign(sample_weight=2 * EXAMS["sample_weight"]), 0.3, 0.8, bootstrap)
    for name, one in estimates(result).items():
        for other in (repeated, doubled):
            assert vars(other)[name].value == pytest.approx(one.value), name
            assert vars(other)[name].ci == pytest.approx(one.ci, rel=1e-5, abs=1e-6, nan_ok=True), (
                name
            )
    assert doubled.other_pairs == result.other_pairs
    nothing = EXAMS.assign(sample_weight=0, score=1 - EXAMS["score"], label=1 - EXAMS["label"])
    padded = simulate(pd.concat([EXAMS, nothing]), 0.3, 0.8, bootstrap)
    assert repr(padded) == repr(result)


def test_intervals_are_those_of_resampled_tables(clinic):
    """PPV and recall rate with their differences, each replicate's exams written out."""
    score, recall, label, weight, ids = (one[:600] for one in clinic[:5])
    table = pd.DataFrame(
        {"score": score, "label": label, "recall": recall, "patient_ids": ids}
    ).assign(sample_weight=weight)
    bootstrap = PatientBootstrap.draw(ids, 60, seed=4)
    result = simulate(table, -0.5, 2.0, bootstrap, confidence=0.8)
    recalled = ((score >= -0.5) & recall) | (score >= 2.0)
    expected = []
    for counts in bootstrap.counts:
        rows = np.repeat(np.arange(600), counts[bootstrap.columns(ids)])
        w = weight[rows]
        before, after = recall[rows], recalled[rows]
        ppv_with = np.average(label[rows][after], weights=w[after])
        ppv_without = np.average(label[rows][before], weights=w[before])
        change = np.average(after, weights=w) - np.average(before, weights=w)
        expected.append((ppv_with, ppv_with - ppv_without, change))
    limits = np.quantile(expected, [0.1, 0.9], axis=0).T
    names = ("ppv_with", "ppv_difference", "recall_rate_difference")
    for name, expected_limits in zip(names, limits, strict=True):
        assert getattr(result, name).ci == pytest.approx(expected_limits, abs=1e-5), name


def test_sampled_decision_referral_estimates_the_whole_one(clinic):
    score, recall, label, weight, ids, kept = clinic
    bootstrap = PatientBootstrap.draw(ids, 500, seed=1)
    result = triage.simulate_two_thresholds(
        score[kept], 0.0, 2.0, recall[kept], label[kept], ids[kept], weight[kept], bootstrap
    )
    out, into = score < 0, score >= 2
    after = (recall & ~out) | into
    truths = {
        "fraction_ruled_in": into.mean(),
        "fraction_read": (~out & ~into).mean(),
        "readings_saved_per_1000": 1000 * (out | into).mean(),
        "recall_rate_difference": after.mean() - recall.mean(),
        "ppv_with": label[after].mean(),
        "ppv_without": label[recall].mean(),
        "ppv_difference": label[after].mean() - label[recall].mean(),
        "enhanced_fraction": into[~recall].mean(),
        "enhanced_cancer_rate": label[into & ~recall].mean(),
        "enhanced_share_of_missed": into[label & ~recall].mean(),
    }
    for name, truth in truths.items():
        estimate = getattr(result, name)
        assert estimate.low <= truth <= estimate.high, name
        assert estimate.high - estimate.low < abs(truth) * 1.5, name
    assert result.n_cancers_gained_by_triage == (label & ~recall & into).sum()


def test_yala_2019_replayed():
    """The published table: 191 cancers of 26,540 exams, 5,120 ruled out, one cancer lost."""
    n_exams, n_cancers = 26_540, 191
    label = np.arange(n_exams) < n_cancers
    recall = np.arange(n_exams) < 173
    recall[n_cancers : n_cancers + 1724] = True  # 26,349 - 24,625 false alarms
    score = np.ones(n_exams)
    score[0] = 0  # the one true positive below the threshold
    score[n_cancers : n_cancers + 189] = 0  # 24,814 - 24,625 alarms avoided
    score[-(5120 - 190) :] = 0
    ids = ids_of(n_exams)
    bootstrap = PatientBootstrap.draw(ids, 100, seed=0)
    result = triage.simulate_triage(score, 0.5, recall, label, ids, None, bootstrap)
    assert result.n_ruled_out == 5120
    assert result.sensitivity_without.value == pytest.approx(173 / 191)
    assert result.sensitivity_with.value == pytest.approx(172 / 191)
    assert result.specificity_without.value == pytest.approx(24_625 / 26_349)
    assert result.specificity_with.value == pytest.approx(24_814 / 26_349)
    assert result.fraction_ruled_out.value == pytest.approx(0.193, abs=5e-4)
    assert (result.n_cancers_ruled_out, result.n_cancers_missed_by_triage) == (1, 1)
    assert result.recalls_avoided.value == pytest.approx(190 / (173 + 1724))
    assert result.noninferiority.noninferior
    assert result.published_noninferiority.p_value < 1e-10


def test_sampled_clinic_estimates_the_whole_one(clinic, result):
    score, recall, label, _, _, _ = clinic
    ruled_out = score < 0
    truths = {
        "fraction_ruled_out": ruled_out.mean(),
        "specificity_without": (~recall[~label]).mean(),
        "specificity_with": (~recall | ruled_out)[~label].mean(),
        "recall_rate_with": (recall & ~ruled_out).mean(),
        "recalls_avoided": (ruled_out & recall).sum() / recall.sum(),
        "gross_false_omission": label[ruled_out].mean(),
    }
    for name, truth in truths.items():
        estimate = getattr(result, name)
        assert estimate.value == pytest.approx(truth, rel=0.15), name
        assert estimate.low <= truth <= estimate.high, name


def test_parts_of_the_result_fit_together(clinic, result):
    score, recall, label, _, _, _ = clinic
    for rate in ("sensitivity", "specificity"):
        change = getattr(result, f"{rate}_with").value - getattr(result, f"{rate}_without").value
        assert getattr(result, f"{rate}_difference").value == pytest.approx(change)
    assert result.n_cancers == 200
    assert result.n_cancers_ruled_out == (label & (score < 0)).sum()
    assert result.n_cancers_missed_by_triage == (label & recall & (score < 0)).sum()
    assert result.net_false_omission.value < result.gross_false_omission.value
    # one exam with cancer a patient: the paired test sees the same difference as the exams
    assert result.noninferiority.difference.value == pytest.approx(
        result.sensitivity_difference.value
    )
    assert result.sensitivity_difference.ci == pytest.approx(
        result.noninferiority.difference.ci, abs=0.015
    )


def test_no_triage_changes_nothing(clinic):
    score, recall, label, _, ids, _ = clinic
    bootstrap = PatientBootstrap.draw(ids, 50, seed=1)
    result = triage.simulate_triage(score, -np.inf, recall, label, ids, None, bootstrap)
    assert result.sensitivity_with == result.sensitivity_without
    assert (result.n_ruled_out, result.fraction_ruled_out.value) == (0, 0)
    assert np.isnan(result.gross_false_omission.value)  # nobody is ruled out
    assert result.noninferiority.difference == Estimate(0.0, 0.0, 0.0)  # it cannot be otherwise


def test_leaving_exams_out_finds_no_cancer_more_and_ruling_in_loses_none(clinic):
    score, recall, label, _, ids, _ = clinic
    bootstrap = PatientBootstrap.draw(ids, 50, seed=1)
    low, high = np.quantile(score, [0.3, 0.95])
    for rule_out, rule_in in ((low, np.inf), (-np.inf, high), (low, high)):
        result = triage.simulate_two_thresholds(
            score, rule_out, rule_in, recall, label, ids, None, bootstrap
        )
        uncut = tango_interval(result.cancer_pairs)
        change = result.noninferiority.difference
        assert change.high == (min(uncut.high, 0.0) if rule_in == np.inf else uncut.high)
        assert change.low == (max(uncut.low, 0.0) if rule_out == -np.inf else uncut.low)


def test_a_patient_counts_once_for_her_two_exams():
    """Ruled out at one of two exams before the same cancer, recalled at the other: not missed."""
    score = [0.1, 0.9, 0.1, 0.8, 0.5, 0.6]
    label = [1, 1, 1, 1, 0, 0]
    recall = [1, 1, 1, 0, 0, 1]
    ids = ["A", "A", "B", "B", "C", "D"]
    bootstrap = PatientBootstrap.draw(ids, 100, seed=0)
    result = triage.simulate_triage(score, 0.3, recall, label, ids, None, bootstrap)
    assert result.n_cancers == 2
    assert result.n_cancers_ruled_out == 2
    assert result.n_cancers_missed_by_triage == 1  # B: caught only at the exam ruled out
    assert result.sensitivity_difference.value == pytest.approx(-0.5)
    assert result.noninferiority.difference.value == pytest.approx(-0.5)


def test_wrong_arguments_are_named():
    exams = EXAMS.head(10)
    with pytest.raises(ValueError, match="recall must be finite"):
        simulate(exams.assign(recall=[np.nan] + 9 * [1.0]), 0.3, 0.8)
    with pytest.raises(ValueError, match="score must be finite.*first: 0"):
        simulate(exams.assign(score=[np.nan] + 9 * [0.5]), 0.3, 0.8)
    with pytest.raises(ValueError, match="rule_out must not lie above rule_in: 0.8 and 0.3"):
        simulate(exams, 0.8, 0.3)
    with pytest.raises(ValueError, match="rule_out is NaN"):
        simulate(exams, np.nan, 0.3)
    with pytest.raises(ValueError, match="rule_in is NaN"):
        simulate(exams, 0.3, np.nan)
    with pytest.raises(ValueError, match="readings_per_exam must be at least 1, not 0"):
        simulate(exams, 0.3, 0.8, readings_per_exam=0)
    with pytest.raises(ValueError, match="label holds no negative row"):
        simulate(exams.head(7), 0.3, 0.8)
    with pytest.raises(ValueError, match="patient_ids holds the one patient A"):
        simulate(exams.assign(patient_ids="A"), 0.3, 0.8)
    with pytest.raises(ValueError, match="not in the bootstrap"):
        simulate(exams, 0.3, 0.8, PatientBootstrap.draw(["A", "B"], 10, seed=0))
    with pytest.raises(ValueError, match="margin must lie between 0 and 1"):
        simulate(exams, 0.3, 0.8, margin=5)
    bootstrap = PatientBootstrap.draw(["A", "B"], 10, seed=0)
    with pytest.raises(ValueError, match="^threshold is NaN"):
        triage.simulate_triage([1, 2], np.nan, [1, 0], [1, 0], ["A", "B"], None, bootstrap)
