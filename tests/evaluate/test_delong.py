"""DeLong's covariance against published values, an oracle, and simulated truth."""

import numpy as np
import pandas as pd
import pauc
import pytest

from mammolab.evaluate import delong, roc

# DeLong 1988, table 1 (as distributed with SAS's PROC LOGISTIC): albumin, total protein,
# Krebs-Goplerud score (10 minus it is the score), and the outcome; 43 women with ovarian cancer.
OVARIAN_TEXT = """
    3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0
    1.6 5.6 5 1  3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1
    4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1
    3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1
    3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1
    3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1
    3.6 6.6 5 1
"""
OVARIAN = np.array(OVARIAN_TEXT.split(), dtype=float).reshape(-1, 4)


@pytest.fixture
def haemorrhage(shared_data):
    """The aSAH data of pROC: three markers of a poor outcome."""
    frame = pd.read_csv(shared_data / "statistics" / "proc_aSAH.csv")
    return frame[["wfns", "ndka", "s100b"]].to_numpy(), (frame["outcome"] == "Poor").to_numpy()


def test_auc_and_its_covariance_on_haemorrhage(haemorrhage):
    markers, poor = haemorrhage
    fit = delong.auc_covariance(markers, poor)
    assert fit.auc == pytest.approx([0.823678861788618, 0.611957994579946, 0.73136856], abs=1e-8)
    assert fit.auc[:2] == pytest.approx([0.823678861788618, 0.611957994579946], abs=1e-10)
    variances = [0.00146991470882363, 0.0031908105493913, 0.00266868245717244]
    assert np.diag(fit.covariance) == pytest.approx(variances, abs=1e-10)
    assert fit.covariance[0, 1] == pytest.approx(-0.000532967856762438, abs=1e-10)
    assert delong.auc_estimate(markers[:, 1], poor).ci == pytest.approx(
        (0.501245, 0.722671), abs=1e-6
    )


@pytest.mark.parametrize(
    ("first", "second", "z", "p_value"),
    [
        (0, 2, 2.20898359, 0.0271757822),
        (0, 1, 2.79777592, 0.0051455797),
        (1, 2, -1.39077003, 0.1642951752),
    ],
)
def test_paired_delong_on_haemorrhage(haemorrhage, first, second, z, p_value):
    markers, poor = haemorrhage
    test = delong.compare_aucs(markers[:, first], markers[:, second], poor)
    assert test.z == pytest.approx(z, abs=1e-8)
    assert test.p_value == pytest.approx(p_value, abs=1e-10)


def test_the_example_of_delong_1988():
    scores = OVARIAN[:, :3] * [1, 1, -1]
    fit = delong.auc_covariance(scores, OVARIAN[:, 3])
    assert fit.auc == pytest.approx([0.73656, 0.64785, 0.72581], abs=1e-5)
    errors = np.sqrt(np.diag(fit.covariance))
    assert errors == pytest.approx([0.09269, 0.10005, 0.10282], abs=1e-5)
    joint = delong.compare_all_aucs(scores, OVARIAN[:, 3])
    assert joint.degrees_of_freedom == 2
    assert joint.statistic == pytest.approx(2.53398, abs=1e-5)
    assert joint.p_value == pytest.approx(0.28168, abs=1e-5)


@pytest.mark.parametrize("n_ties", [1, 3, 1000])
def test_variance_and_paired_test_agree_with_pauc(n_ties):
    rng = np.random.default_rng(n_ties)
    label = rng.random(150) < 0.3
    scores = np.round((rng.normal(size=(150, 2)) + label[:, None]) * n_ties) / n_ties
    fit = delong.auc_covariance(scores, label)
    curves = [pauc.ROC(label.astype(int), each, direction="<") for each in scores.T]
    assert fit.auc == pytest.approx([curve.auc for curve in curves], abs=1e-12)
    assert np.diag(fit.covariance) == pytest.approx([pauc.var(c) for c in curves], abs=1e-12)
    assert fit.covariance[0, 1] == pytest.approx(pauc.cov(*curves), abs=1e-12)


def test_one_exam_a_patient_is_delong_and_scale_of_weights_is_nothing():
    rng = np.random.default_rng(0)
    label = rng.random(80) < 0.3
    scores = rng.normal(size=(80, 2)) + label[:, None]
    weight = np.where(label, 1.0, rng.choice([2.0, 10.0], 80))
    ids = [f"P{i}" for i in range(80)]
    plain = delong.auc_covariance(scores, label, weight)
    alone = delong.auc_covariance(scores, label, weight, ids)
    scaled = delong.auc_covariance(scores, label, 7 * weight)
    assert alone.covariance == pytest.approx(plain.covariance, abs=1e-15)
    assert scaled.covariance == pytest.approx(plain.covariance, abs=1e-15)


def test_a_patient_repeated_adds_no_information():
    """Each exam seen three times: clustered, nearly the variance of one; not so if independent."""
    rng = np.random.default_rng(1)
    label = np.tile(rng.random(200) < 0.3, 3)
    score = np.tile(rng.normal(size=200), 3) + label
    ids = np.tile([f"P{i}" for i in range(200)], 3)
    once = delong.auc_covariance(score[:200], label[:200]).covariance[0, 0]
    assert delong.auc_covariance(score, label, None, ids).covariance[0, 0] == pytest.approx(once)
    assert delong.auc_covariance(score, label).covariance[0, 0] < 0.4 * once


def test_clustered_interval_covers_where_the_plain_one_does_not():
    rng = np.random.default_rng(2)
    n_patients, n_exams, n_runs = 80, 4, 400
    ids = np.repeat([f"P{i}" for i in range(n_patients)], n_exams)
    label = np.repeat(np.arange(n_patients) < 25, n_exams)
    truth = 0.7602499389  # Phi(1 / sqrt(2)): two normals of unit variance, one apart
    covered = {"plain": 0, "clustered": 0}
    for _ in range(n_runs):
        patient = np.repeat(rng.normal(size=n_patients), n_exams)
        score = label + np.sqrt(0.8) * patient + np.sqrt(0.2) * rng.normal(size=len(label))
        for name, given_ids in (("plain", None), ("clustered", ids)):
            low, high = delong.auc_estimate(score, label, None, given_ids).ci
            covered[name] += low <= truth <= high
    assert covered["plain"] / n_runs < 0.8
    assert 0.9 < covered["clustered"] / n_runs < 0.98


def test_equal_scores_compare_as_equal():
    rng = np.random.default_rng(3)
    label = rng.random(50) < 0.4
    score = rng.normal(size=50)
    test = delong.compare_aucs(score, np.exp(score), label)
    assert (test.difference.value, test.z, test.p_value) == (0.0, 0.0, 1.0)
    assert delong.compare_all_aucs(np.column_stack([score, np.exp(score)]), label).p_value == 1.0


def test_too_few_patients_for_a_variance():
    with pytest.raises(ValueError, match="two patients with cancer"):
        delong.auc_estimate([1, 2, 3], [1, 0, 0])
    with pytest.raises(ValueError, match="two patients with cancer"):
        delong.auc_estimate([1, 2, 3, 4], [1, 1, 0, 0], None, ["A", "A", "B", "C"])


def test_patients_with_exams_of_both_classes_meet_obuchowskis_formula():
    """Brute force over patients: her positives and negatives go together."""
    rng = np.random.default_rng(6)
    ids = np.repeat(np.arange(40), 3)
    label = rng.random(120) < 0.4
    score = np.repeat(rng.normal(size=40), 3) + 0.5 * rng.normal(size=120) + label
    n_positive, n_negative = label.sum(), (~label).sum()
    win = (score[label][:, None] > score[~label]).mean(axis=1)  # of each positive exam
    lose = (score[label][:, None] > score[~label]).mean(axis=0)  # of each negative exam
    auc = win.mean()
    up = np.array([(win[ids[label] == i] - auc).sum() for i in range(40)]) / n_positive
    down = np.array([(lose[ids[~label] == i] - auc).sum() for i in range(40)]) / n_negative
    with_positive = len(np.unique(ids[label]))
    with_negative = len(np.unique(ids[~label]))
    expected = (
        with_positive / (with_positive - 1) * (up**2).sum()
        + with_negative / (with_negative - 1) * (down**2).sum()
        + 2 * 40 / 39 * (up * down).sum()
    )
    fit = delong.auc_covariance(score, label, None, ids)
    assert fit.covariance[0, 0] == pytest.approx(expected, abs=1e-12)
    without_cross = expected - 2 * 40 / 39 * (up * down).sum()
    assert abs(expected - without_cross) > 0.1 * expected  # the term is not idle here


def test_where_nothing_varies_nothing_is_claimed():
    label = np.array([0, 0, 0, 1, 1, 1])
    perfect, flat = label.astype(float), np.zeros(6)
    alone = delong.auc_estimate(perfect, label)
    assert alone.value == 1 and np.isnan([alone.low, alone.high]).all()
    pair = delong.compare_aucs(perfect, flat, label)
    assert pair.difference.value == 0.5
    assert np.isnan([pair.difference.low, pair.z, pair.p_value]).all()
    joint = delong.compare_all_aucs(np.column_stack([perfect, flat, -perfect]), label)
    assert np.isnan([joint.statistic, joint.p_value]).all()


def test_an_auc_never_exceeds_one():
    rng = np.random.default_rng(7)
    for _ in range(300):
        label = rng.random(30) < 0.5
        weight = rng.random(30) + 0.01
        if label.any() and not label.all():
            assert delong.auc_covariance(label * 1.0, label, weight).auc[0] <= 1
            assert roc.auc(label * 1.0, label, weight) <= 1


def test_scores_that_are_no_numbers_are_named():
    with pytest.raises(ValueError, match=r"scores\[:, 0\] must hold numbers only"):
        delong.auc_covariance(["a", "b"], [0, 1])
    with pytest.raises(ValueError, match="scores must have shape"):
        delong.auc_covariance(np.zeros((2, 2, 2)), [0, 1])
