"""Thresholds, certificates and the simulated clinic: hand cases, exact bounds, simulated truth."""

import numpy as np
import pytest
from scipy.stats import binom, norm
from statsmodels.stats.proportion import proportion_confint

from mammolab.errors import InputError
from mammolab.evaluate import triage
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
        score[kept], 0.0, recall[kept], label[kept], weight[kept], ids[kept], bootstrap
    )


def test_cancers_needed_to_certify():
    assert [triage.cancers_needed(s) for s in (0.98, 0.99, 0.995)] == [149, 299, 598]
    for n_missed in (0, 1, 4):
        needed = triage.cancers_needed(0.95, n_missed)
        assert triage.certified_sensitivity(needed, n_missed) >= 0.95
        assert triage.certified_sensitivity(needed - 1, n_missed) < 0.95


def test_certified_sensitivity_is_the_one_sided_exact_bound():
    for n_cancers, n_missed in ((20, 0), (159, 3), (191, 19)):
        bound = triage.certified_sensitivity(n_cancers, n_missed)
        expected, _ = proportion_confint(n_cancers - n_missed, n_cancers, 0.1, method="beta")
        assert bound == pytest.approx(expected)
    assert triage.certified_sensitivity(5, 5) == 0


def test_the_three_rules_by_hand():
    """Four cancers (one with two exams, of which the lower counts) and two others."""
    score = [0.9, 0.5, 0.7, 0.3, 0.4, 0.1, 0.2]
    label = [1, 1, 1, 1, 1, 0, 0]
    ids = ["A", "B", "C", "C", "D", "E", "F"]
    minimum = triage.minimum_threshold(score, label, ids)
    assert (minimum.threshold, minimum.n_cancers, minimum.n_missed) == (0.3, 4, 0)
    bootstrap = PatientBootstrap.draw(ids, 4000, seed=0)
    mean = triage.mean_of_bootstrap_minima(score, label, ids, bootstrap)
    order = ["C", "D", "B", "A"]  # by lowest score .3 .4 .5 .9
    in_order = bootstrap.counts[:, bootstrap.columns(order)]
    drawn = np.where(in_order > 0, [0.3, 0.4, 0.5, 0.9], np.inf)
    minima = drawn.min(axis=1)
    assert mean.threshold == pytest.approx(minima[np.isfinite(minima)].mean())
    assert mean.threshold > minimum.threshold
    assert mean.n_missed == 1
    # certify one half with 60%: P(Bin(4, .5) <= 1) = .3125 <= .4 < P(Bin(4, .5) <= 2)
    certified = triage.certified_threshold(score, label, ids, 0.5, confidence=0.6)
    assert (certified.threshold, certified.n_missed) == (0.4, 1)
    assert certified.certified_sensitivity >= 0.5
    nobody = triage.certified_threshold(score, label, ids, 0.9)
    assert (nobody.threshold, nobody.certified_sensitivity) == (-np.inf, 1.0)


@pytest.mark.parametrize("decimals", [6, 1])
def test_certified_threshold_keeps_its_promise(decimals):
    """Over many dev sets the true sensitivity falls short in at most 5%, ties or none."""
    rng = np.random.default_rng(3)
    n_cancers, wanted, n_runs = 120, 0.95, 500
    kept_promise, risk_of_bound = 0, 0
    for _ in range(n_runs):
        score = np.round(rng.normal(size=n_cancers), decimals)
        rule = triage.certified_threshold(score, np.ones(n_cancers), np.arange(n_cancers), wanted)
        # a new cancer is missed when its rounded score is below the threshold
        true_sensitivity = norm.sf(rule.threshold - 0.5 * 10.0**-decimals)
        kept_promise += true_sensitivity >= wanted
        risk_of_bound += true_sensitivity < rule.certified_sensitivity
    assert kept_promise / n_runs > 0.94
    assert risk_of_bound / n_runs < 0.065


def test_certified_threshold_is_the_largest():
    n_cancers = 159
    score = np.arange(n_cancers, dtype=float)
    for wanted in (0.9, 0.95, 0.97):
        rule = triage.certified_threshold(score, np.ones(n_cancers), np.arange(n_cancers), wanted)
        assert binom.cdf(rule.n_missed, n_cancers, 1 - wanted) <= 0.05
        assert binom.cdf(rule.n_missed + 1, n_cancers, 1 - wanted) > 0.05
        assert rule.certified_sensitivity >= wanted
    stretched = triage.certified_threshold(
        np.exp(score / 50), np.ones(n_cancers), np.arange(n_cancers), 0.9
    )
    plain = triage.certified_threshold(score, np.ones(n_cancers), np.arange(n_cancers), 0.9)
    assert stretched.threshold == pytest.approx(np.exp(plain.threshold / 50))


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
    result = triage.simulate_triage(score, 0.5, recall, label, None, ids, bootstrap)
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
    result = triage.simulate_triage(score, -np.inf, recall, label, None, ids, bootstrap)
    assert result.sensitivity_with == result.sensitivity_without
    assert (result.n_ruled_out, result.fraction_ruled_out.value) == (0, 0)
    assert np.isnan(result.gross_false_omission.value)  # nobody is ruled out
    assert result.noninferiority.difference.low < 0 < result.noninferiority.difference.high


def test_a_patient_counts_once_for_her_two_exams():
    """Ruled out at one of two exams before the same cancer, recalled at the other: not missed."""
    score = [0.1, 0.9, 0.1, 0.8, 0.5, 0.6]
    label = [1, 1, 1, 1, 0, 0]
    recall = [1, 1, 1, 0, 0, 1]
    ids = ["A", "A", "B", "B", "C", "D"]
    bootstrap = PatientBootstrap.draw(ids, 100, seed=0)
    result = triage.simulate_triage(score, 0.3, recall, label, None, ids, bootstrap)
    assert result.n_cancers == 2
    assert result.n_cancers_ruled_out == 2
    assert result.n_cancers_missed_by_triage == 1  # B: caught only at the exam ruled out
    assert result.sensitivity_difference.value == pytest.approx(-0.5)
    assert result.noninferiority.difference.value == pytest.approx(-0.5)


def test_wrong_arguments_are_named():
    ids = ids_of(4)
    bootstrap = PatientBootstrap.draw(ids, 10, seed=0)
    exams = {"score": [1, 2, 3, 4], "label": [1, 1, 0, 0], "patient_ids": ids}
    with pytest.raises(ValueError, match="recall must be finite"):
        triage.simulate_triage(
            threshold=0, recall=[1, 0, np.nan, 0], sample_weight=None, bootstrap=bootstrap, **exams
        )
    with pytest.raises(ValueError, match="threshold is NaN"):
        triage.simulate_triage(
            threshold=np.nan, recall=[1, 0, 1, 0], sample_weight=None, bootstrap=bootstrap, **exams
        )
    with pytest.raises(ValueError, match="cancers of unequal sample_weight"):
        triage.certified_threshold(**exams, sensitivity=0.9, sample_weight=[1, 2, 1, 1])
    with pytest.raises(ValueError, match="a threshold needs cancers"):
        triage.minimum_threshold([1, 2], [0, 0], ["A", "B"])
    with pytest.raises(ValueError, match="n_missed must lie in"):
        triage.certified_sensitivity(3, 4)
    with pytest.raises(ValueError, match="sensitivity must lie between 0 and 1"):
        triage.cancers_needed(1.0)


def test_a_rule_that_cannot_certify_says_how_many_cancers_it_takes():
    score, ids = np.linspace(0.1, 0.9, 40), [f"p{i}" for i in range(40)]
    rule = triage.certified_threshold(score, np.ones(40, bool), ids, 0.95)
    with pytest.raises(InputError, match="40 caught cancers .* takes 59"):
        triage.choose_rule({"certified": rule}, "certified", 0.95, 0.95)
    with pytest.raises(InputError, match="certified"):
        triage.choose_rule({"certified": rule}, "certifed", 0.95, 0.95)
