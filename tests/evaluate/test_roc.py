"""ROC analysis against published values, scikit-learn, and what must not change it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

from mammolab.evaluate import roc

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


@pytest.fixture(scope="module")
def haemorrhage():
    """The aSAH data of pROC: three markers of a poor outcome."""
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "statistics"
    if not folder.is_dir():
        pytest.skip("the aSAH data are not here")
    frame = pd.read_csv(folder / "proc_aSAH.csv")
    return frame[["wfns", "ndka", "s100b"]].to_numpy(), (frame["outcome"] == "Poor").to_numpy()


@st.composite
def scored_exams(draw):
    """Scores with ties, labels of both classes, and whole weights."""
    n = draw(st.integers(4, 40))
    whole = st.lists(st.integers(0, 6), min_size=n, max_size=n)
    label = np.array(draw(whole)) > 3
    label[:2] = [True, False]
    return np.array(draw(whole), dtype=float), label, np.array(draw(whole)) % 3 + 1.0


def test_auc_and_its_covariance_on_haemorrhage(haemorrhage):
    markers, poor = haemorrhage
    fit = roc.auc_covariance(markers, poor)
    assert fit.auc == pytest.approx([0.823678861788618, 0.611957994579946, 0.73136856], abs=1e-8)
    assert fit.auc[:2] == pytest.approx([0.823678861788618, 0.611957994579946], abs=1e-10)
    variances = [0.00146991470882363, 0.0031908105493913, 0.00266868245717244]
    assert np.diag(fit.covariance) == pytest.approx(variances, abs=1e-10)
    assert fit.covariance[0, 1] == pytest.approx(-0.000532967856762438, abs=1e-10)
    assert roc.auc_estimate(markers[:, 1], poor).ci == pytest.approx((0.501245, 0.722671), abs=1e-6)


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
    test = roc.compare_aucs(markers[:, first], markers[:, second], poor)
    assert test.z == pytest.approx(z, abs=1e-8)
    assert test.p_value == pytest.approx(p_value, abs=1e-10)


def test_the_example_of_delong_1988():
    scores = OVARIAN[:, :3] * [1, 1, -1]
    fit = roc.auc_covariance(scores, OVARIAN[:, 3])
    assert fit.auc == pytest.approx([0.73656, 0.64785, 0.72581], abs=1e-5)
    errors = np.sqrt(np.diag(fit.covariance))
    assert errors == pytest.approx([0.09269, 0.10005, 0.10282], abs=1e-5)
    joint = roc.compare_all_aucs(scores, OVARIAN[:, 3])
    assert joint.degrees_of_freedom == 2
    assert joint.statistic == pytest.approx(2.53398, abs=1e-5)
    assert joint.p_value == pytest.approx(0.28168, abs=1e-5)


@given(scored_exams())
@settings(max_examples=60, deadline=None)
def test_auc_agrees_with_scikit_learn_and_ignores_what_it_must(exams):
    score, label, weight = exams
    value = roc.auc(score, label, weight)
    assert value == pytest.approx(roc_auc_score(label, score, sample_weight=weight), abs=1e-12)
    repeated = np.repeat(np.arange(len(score)), weight.astype(int))
    assert value == pytest.approx(roc.auc(score[repeated], label[repeated]), abs=1e-12)
    assert value == pytest.approx(roc.auc(np.exp(score / 3), label, weight), abs=1e-12)
    assert value == pytest.approx(1 - roc.auc(score, ~label, weight), abs=1e-12)
    assert value == pytest.approx(1 - roc.auc(-score, label, weight), abs=1e-12)


@given(scored_exams())
@settings(max_examples=30, deadline=None)
def test_roc_points_agree_with_scikit_learn(exams):
    score, label, weight = exams
    points = roc.roc_points(score, label, weight)
    false_alarms, sensitivity, threshold = roc_curve(
        label, score, sample_weight=weight, drop_intermediate=False
    )
    assert points.threshold == pytest.approx(threshold)
    assert points.sensitivity == pytest.approx(sensitivity)
    assert points.specificity == pytest.approx(1 - false_alarms)
    area = np.trapezoid(points.sensitivity, 1 - points.specificity)
    assert area == pytest.approx(roc.auc(score, label, weight))


def test_one_exam_a_patient_is_delong_and_scale_of_weights_is_nothing():
    rng = np.random.default_rng(0)
    label = rng.random(80) < 0.3
    scores = rng.normal(size=(80, 2)) + label[:, None]
    weight = np.where(label, 1.0, rng.choice([2.0, 10.0], 80))
    ids = [f"P{i}" for i in range(80)]
    plain = roc.auc_covariance(scores, label, weight)
    alone = roc.auc_covariance(scores, label, weight, ids)
    scaled = roc.auc_covariance(scores, label, 7 * weight)
    assert alone.covariance == pytest.approx(plain.covariance, abs=1e-15)
    assert scaled.covariance == pytest.approx(plain.covariance, abs=1e-15)


def test_a_patient_repeated_adds_no_information():
    """Each exam seen three times: clustered, nearly the variance of one; not so if independent."""
    rng = np.random.default_rng(1)
    label = np.tile(rng.random(200) < 0.3, 3)
    score = np.tile(rng.normal(size=200), 3) + label
    ids = np.tile([f"P{i}" for i in range(200)], 3)
    once = roc.auc_covariance(score[:200], label[:200]).covariance[0, 0]
    assert roc.auc_covariance(score, label, None, ids).covariance[0, 0] == pytest.approx(once)
    assert roc.auc_covariance(score, label).covariance[0, 0] < 0.4 * once


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
            low, high = roc.auc_estimate(score, label, None, given_ids).ci
            covered[name] += low <= truth <= high
    assert covered["plain"] / n_runs < 0.8
    assert 0.9 < covered["clustered"] / n_runs < 0.98


def test_equal_scores_compare_as_equal():
    rng = np.random.default_rng(3)
    label = rng.random(50) < 0.4
    score = rng.normal(size=50)
    test = roc.compare_aucs(score, np.exp(score), label)
    assert (test.difference.value, test.z, test.p_value) == (0.0, 0.0, 1.0)
    assert roc.compare_all_aucs(np.column_stack([score, np.exp(score)]), label).p_value == 1.0


def test_operating_point_agrees_with_a_weighted_confusion_matrix():
    rng = np.random.default_rng(4)
    label, decision = rng.random((2, 300)) < [[0.2], [0.4]]
    weight = rng.uniform(0, 5, 300)
    (tn, fp), (fn, tp) = confusion_matrix(label, decision, sample_weight=weight)
    point = roc.operating_point(decision, label, weight)
    assert point.sensitivity == pytest.approx(tp / (tp + fn))
    assert point.specificity == pytest.approx(tn / (tn + fp))
    assert point.ppv == pytest.approx(tp / (tp + fp))
    assert point.flagged_rate == pytest.approx((tp + fp) / weight.sum())
    assert np.isnan(roc.operating_point([0, 0], [1, 0]).ppv)


@pytest.mark.parametrize(
    ("count", "n_total", "exact", "wilson"),
    [
        (81, 263, (0.2527, 0.3676), (0.2553, 0.3662)),
        (15, 148, (0.0578, 0.1617), (0.0624, 0.1605)),
        (0, 20, (0, 0.1684), (0, 0.1611)),
        (1, 29, (0.0009, 0.1776), (0.0061, 0.1718)),
    ],
)
def test_intervals_of_newcombe_1998(count, n_total, exact, wilson):
    assert roc.proportion_estimate(count, n_total).ci == pytest.approx(exact, abs=5e-5)
    assert roc.proportion_estimate(count, n_total, "wilson").ci == pytest.approx(wilson, abs=5.1e-5)
    mirrored = roc.proportion_estimate(n_total - count, n_total)
    assert mirrored.ci == pytest.approx((1 - exact[1], 1 - exact[0]), abs=5e-5)


@pytest.mark.parametrize(
    ("score", "label", "weight", "message"),
    [
        ([0.1, np.nan], [0, 1], None, "score must be finite.*first: 1"),
        ([0.1, 0.2], [0, 2], None, "label must be 0 or 1.*first: 1"),
        ([0.1, 0.2], [0, 1, 1], None, "label has 3 rows where 2 are needed"),
        ([0.1, 0.2], [0, 1], [1, -1], "sample_weight must not be negative.*first: 1"),
        ([0.1, 0.2], [0, 1], [1, np.nan], "sample_weight must be finite"),
        ([0.1, 0.2], [0, 1], [0, 0], "sample_weight is zero everywhere"),
        ([0.1, 0.2], [1, 1], None, "no negative row"),
        ([0.1, 0.2], [0, 1], [1, 0], "no positive row of weight above 0"),
        ([], [], None, "score is empty"),
        (["a", "b"], [0, 1], None, "score must hold numbers only"),
    ],
)
def test_wrong_arguments_are_named(score, label, weight, message):
    with pytest.raises(ValueError, match=message):
        roc.auc(score, label, weight)


def test_too_few_patients_for_a_variance():
    with pytest.raises(ValueError, match="two patients with cancer"):
        roc.auc_estimate([1, 2, 3], [1, 0, 0])
    with pytest.raises(ValueError, match="two patients with cancer"):
        roc.auc_estimate([1, 2, 3, 4], [1, 1, 0, 0], None, ["A", "A", "B", "C"])
    with pytest.raises(ValueError, match="method 'wald' is unknown; valid: clopper_pearson"):
        roc.proportion_estimate(1, 2, "wald")
