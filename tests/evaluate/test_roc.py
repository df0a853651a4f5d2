"""AUC, the curve and partial areas against scikit-learn, and what must not change them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from mammolab.evaluate import roc


@st.composite
def scored_exams(draw):
    """Scores with ties, labels of both classes, and whole weights."""
    n = draw(st.integers(4, 40))
    whole = st.lists(st.integers(0, 6), min_size=n, max_size=n)
    label = np.array(draw(whole)) > 3
    label[:2] = [True, False]
    return np.array(draw(whole), dtype=float), label, np.array(draw(whole)) % 3 + 1.0


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


@given(scored_exams(), st.floats(0.05, 1.0))
@settings(max_examples=60, deadline=None)
def test_partial_auc_agrees_with_scikit_learn(exams, max_fpr):
    score, label, weight = exams
    value = roc.partial_auc(score, label, 1 - max_fpr, 1, sample_weight=weight)
    oracle = roc_auc_score(label, score, sample_weight=weight, max_fpr=max_fpr)
    assert value == pytest.approx(oracle, abs=1e-9)


@given(scored_exams(), st.floats(0.0, 0.9))
@settings(max_examples=60, deadline=None)
def test_partial_areas_add_up_and_mirror(exams, cut):
    score, label, weight = exams
    for along in roc.ALONG:
        parts = [
            roc.partial_auc(score, label, low, high, along, weight, standardised=False)
            for low, high in ((0, 0.95), (0.95, 1))
        ]
        assert sum(parts) == pytest.approx(roc.auc(score, label, weight), abs=1e-9)
    # turning the classes and the score round turns specificity into sensitivity
    forth = roc.partial_auc(score, label, cut, 1, "specificity", weight)
    back = roc.partial_auc(-score, ~label, cut, 1, "sensitivity", weight)
    assert forth == pytest.approx(back, abs=1e-9)


def test_partial_auc_knows_chance_and_perfection():
    label = np.array([0, 0, 1, 1])
    for along in roc.ALONG:
        assert roc.partial_auc([5, 5, 5, 5], label, 0.8, 1, along) == pytest.approx(0.5)
        assert roc.partial_auc(label, label, 0.8, 1, along) == pytest.approx(1)
    with pytest.raises(ValueError, match="along 'recall' is unknown; valid: specificity, sens"):
        roc.partial_auc([1, 2], [0, 1], 0.8, 1, "recall")
    with pytest.raises(ValueError, match="low and high must satisfy"):
        roc.partial_auc([1, 2], [0, 1], 0.9, 0.8)


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
