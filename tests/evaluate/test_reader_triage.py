"""Triage on reader studies: criteria, weights, cross-fitting, and intervals against planted truth."""

from functools import partial
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import norm

from mammolab.evaluate.double_reading import double_reading
from mammolab.evaluate.reader_criterion import (
    caught_by_panel,
    cross_fit,
    prevalence_weight,
    recall_at,
    recall_at_rate,
    stratified_folds,
)
from mammolab.evaluate.reader_triage import standardised_shares, triage_panel
from mammolab.evaluate.readers import mrmc_decisions, share_covariance
from mammolab.evaluate.thresholds import certified_threshold, minimum_threshold

PREVALENCE = 0.006


def draw_study(rng, n_cancers=34, n_others=331, n_readers=14, system=1.4):
    """Readers' scores in [0, 1] (mean sensitivity .60, specificity .89 from .5 up), the system's."""
    label = np.arange(n_cancers + n_others) < n_cancers
    case = rng.normal(0, 0.6**0.5, len(label))
    own = rng.normal(0, 0.4**0.5, (len(label), n_readers))
    latent = (1.5 * label + case)[:, None] + own - rng.normal(0, 0.2, n_readers)
    score = system * label + 0.7 * case + rng.normal(0, 0.7, len(label))
    return norm.cdf(latent - 1.22), score, label


def ids_of(label):
    return np.array([f"P{k:04d}" for k in range(len(label))])


def test_weights_bring_the_prevalence_and_the_ppv():
    """An enriched sample of a population whose PPV is known exactly, by counting."""
    rng = np.random.default_rng(1)
    pom, score, label = draw_study(rng, n_cancers=600, n_others=99_400, n_readers=5)
    recall, out = pom >= 0.5, score < 0.2
    prevalence = label.mean()
    ppv = np.mean([label[recalled].mean() for recalled in recall.T])
    kept = label | (rng.random(len(label)) < 0.02)
    weight = prevalence_weight(label[kept], prevalence)
    assert weight[label[kept]].sum() / weight.sum() == pytest.approx(prevalence)
    naive = triage_panel(recall[kept], out[kept], label[kept], label[kept].mean())
    screening = triage_panel(recall[kept], out[kept], label[kept], prevalence)
    assert naive.ppv_without.value > 8 * ppv
    assert screening.ppv_without.value == pytest.approx(ppv, rel=0.1)
    assert screening.ppv_without.low < ppv < screening.ppv_without.high
    assert screening.fraction_ruled_out.value == pytest.approx(out.mean(), abs=0.03)
    omitted = (label & out).sum() / out.sum()
    assert screening.gross_false_omission.value == pytest.approx(omitted, rel=0.1)


def test_every_rate_against_counting_with_weights():
    rng = np.random.default_rng(2)
    pom, score, label = draw_study(rng, n_readers=4)
    recall, out = pom >= 0.5, score < 0.3
    result = triage_panel(recall, out, label, PREVALENCE)
    weight = prevalence_weight(label, PREVALENCE)
    read = recall & ~out[:, None]

    def mean_share(event, among):
        return np.mean(
            [(weight * e) @ a / (weight @ a) for e, a in zip(event.T, among.T, strict=True)]
        )

    cancer = np.repeat(label[:, None], 4, axis=1)
    everybody, gone = np.ones_like(cancer), np.repeat(out[:, None], 4, axis=1)
    for name, without, among_without, among_with in (
        ("sensitivity", (recall, read), cancer, cancer),
        ("specificity", (~recall, ~read), ~cancer, ~cancer),
        ("recall_rate", (recall, read), everybody, everybody),
        ("ppv", (cancer, cancer), recall, read),
    ):
        before, after = mean_share(without[0], among_without), mean_share(without[1], among_with)
        assert getattr(result, f"{name}_without").value == pytest.approx(before)
        assert getattr(result, f"{name}_with").value == pytest.approx(after)
        assert getattr(result, f"{name}_difference").value == pytest.approx(after - before)
    assert result.fraction_ruled_out.value == pytest.approx(weight @ out / weight.sum())
    assert result.gross_false_omission.value == pytest.approx(mean_share(cancer, gone))
    assert result.net_false_omission.value == pytest.approx(mean_share(cancer & recall, gone))
    assert result.recalls_lost.tolist() == (recall & gone & cancer).sum(axis=0).tolist()
    assert (result.n_ruled_out, result.n_cancers_ruled_out) == (out.sum(), (out & label).sum())
    assert result.reader_sensitivity.mean(axis=1) == pytest.approx(
        [result.sensitivity_without.value, result.sensitivity_with.value]
    )


def test_within_a_class_it_is_the_usual_analysis_at_any_prevalence():
    rng = np.random.default_rng(3)
    pom, score, label = draw_study(rng)
    recall, out = pom >= 0.5, score < 0.2
    decisions = np.stack([recall & ~out[:, None], recall], axis=1)
    results = [triage_panel(recall, out, label, p) for p in (PREVALENCE, 0.3)]
    for metric in ("sensitivity", "specificity"):
        usual = mrmc_decisions(decisions, label, metric)
        for result in results:
            assert getattr(result, f"{metric}_with").ci == pytest.approx(usual.means[0].ci)
            assert getattr(result, f"{metric}_without").ci == pytest.approx(usual.means[1].ci)
            gap = getattr(result, f"{metric}_difference")
            assert gap.value == pytest.approx(usual.differences[0, 1].value)
            # the loss of sensitivity has other limits, but this very error
            assert gap.standard_error == pytest.approx(usual.differences[0, 1].standard_error)
            assert gap.degrees_of_freedom == pytest.approx(
                usual.differences[0, 1].degrees_of_freedom
            )
    assert results[0].specificity_difference.ci == pytest.approx(usual.differences[0, 1].ci)


def test_covariance_of_a_ppv_is_that_of_the_delta_method():
    rng = np.random.default_rng(4)
    pom, _, label = draw_study(rng, n_readers=1)
    recall = pom >= 0.5
    n_cancers, n_others = label.sum(), (~label).sum()
    sens, false_alarm = recall[label].mean(), recall[~label].mean()
    p, q = PREVALENCE, 1 - PREVALENCE
    total = p * sens + q * false_alarm
    by_sens, by_false_alarm = p * q * false_alarm / total**2, -p * q * sens / total**2
    variance = by_sens**2 * sens * (1 - sens) / (n_cancers - 1)
    variance += by_false_alarm**2 * false_alarm * (1 - false_alarm) / (n_others - 1)
    fit = standardised_shares(label[:, None], recall, label, PREVALENCE)
    assert fit.share[0] == pytest.approx(p * sens / total)
    assert fit.covariance[0, 0] == pytest.approx(variance)
    usual = share_covariance(recall, label[:, None])
    within = standardised_shares(recall, label[:, None], label, 0.2)
    assert within.share == pytest.approx(usual.share)
    assert within.covariance == pytest.approx(usual.covariance)


def test_intervals_hold_the_truth_over_readers_and_cases():
    """Planted truth from many readers of many cases, 120 studies; nominal 95%."""
    rng = np.random.default_rng(5)
    names = ("sensitivity_without", "specificity_difference", "ppv_without", "ppv_difference",
             "fraction_ruled_out", "sensitivity_difference")  # fmt: skip

    def run(**size):
        pom, score, label = draw_study(rng, **size)
        return triage_panel(pom >= 0.5, score < 0.2, label, PREVALENCE)

    truth = run(n_cancers=20_000, n_others=20_000, n_readers=60)
    studies = [run() for _ in range(120)]
    for name in names:
        at = getattr(truth, name).value
        held = np.mean([getattr(s, name).low <= at <= getattr(s, name).high for s in studies])
        assert held > 0.88, name  # below it with probability .002 at 95%


def test_rows_in_another_order_give_the_same():
    rng = np.random.default_rng(6)
    pom, score, label = draw_study(rng)
    ids = ids_of(label)

    def run(order):
        weight = prevalence_weight(label[order], PREVALENCE)
        recall = recall_at_rate(pom[order], 0.116, weight).recall
        fold = stratified_folds(ids[order], label[order], 5, seed=1)
        caught = caught_by_panel(recall, label[order])
        fit = cross_fit(score[order], caught, ids[order], fold, minimum_threshold)
        return fit, triage_panel(recall, fit.ruled_out, label[order], PREVALENCE)

    order = rng.permutation(len(label))
    (fit, result), (moved, other) = run(np.arange(len(label))), run(order)
    assert fit.thresholds.tolist() == moved.thresholds.tolist()
    assert fit.ruled_out[order].tolist() == moved.ruled_out.tolist()
    for name in ("sensitivity_difference", "ppv_with", "net_false_omission"):
        assert getattr(result, name).ci == pytest.approx(getattr(other, name).ci)


def test_a_useless_system_rules_out_cancers_and_others_alike():
    """Averaged over 400 studies, the readers lose the share of recalls that the system rules out."""
    rng = np.random.default_rng(7)
    lost, ruled_out, expected = [], [], []
    for _ in range(400):
        pom, _, label = draw_study(rng, n_others=120, n_readers=4)
        score = rng.random(len(label))
        recall, ids = pom >= 0.5, ids_of(label)
        fold = stratified_folds(ids, label, 5, seed=1)
        fit = cross_fit(score, caught_by_panel(recall, label), ids, fold, minimum_threshold)
        ruled_out.append(fit.ruled_out.mean())
        lost.append(recall[fit.ruled_out & label].sum() / recall[label].sum())
        expected.append(np.mean(1 / (fit.n_cancers + 1)))  # below the lowest of n scores
    assert np.mean(ruled_out) == pytest.approx(np.mean(expected), abs=0.01)
    assert np.mean(lost) == pytest.approx(np.mean(ruled_out), abs=0.01)


def test_recall_rates_are_met_as_nearly_as_ties_allow():
    pom = np.array([[0, 0.9], [0, 0.9], [0.1, 0.2], [0.3, 0.2], [0.3, 0.1], [0.8, 0.0]])
    half = recall_at_rate(pom, 0.5)
    assert half.criterion.tolist() == [0.3, 0.9]  # 3 of 6; 2 of 6 is as near as 4: fewer
    assert half.recall.sum(axis=0).tolist() == [3, 2]
    weight = np.array([1, 1, 1, 1, 1, 5.0])
    assert recall_at_rate(pom, 0.5, weight).recall[:, 0].tolist() == [False] * 5 + [True]
    assert recall_at_rate(pom, 0.01).recall.sum(axis=0).tolist() == [1, 2]  # never nobody
    common = recall_at(pom, 0.2)
    assert common.criterion.tolist() == [0.2, 0.2]
    assert common.recall.sum(axis=0).tolist() == [3, 4]


def test_a_monotone_scale_of_a_readers_own_changes_no_recall():
    rng = np.random.default_rng(8)
    pom, _, label = draw_study(rng)
    weight = prevalence_weight(label, PREVALENCE)
    bent = pom ** np.linspace(0.3, 3, pom.shape[1])
    first, second = (recall_at_rate(p, 0.116, weight).recall for p in (pom, bent))
    assert (first == second).all()
    assert np.average(first, axis=0, weights=weight) == pytest.approx(0.116, abs=0.003)


def test_caught_by_a_share_of_the_panel():
    recall = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]], dtype=bool)
    assert caught_by_panel(recall, [1, 1, 0]).tolist() == [True, False, False]
    assert caught_by_panel(recall, [1, 1, 0], 0.25).tolist() == [True, True, False]


def test_folds_keep_patients_whole_and_share_out_cancers():
    rng = np.random.default_rng(9)
    ids = np.repeat(ids_of(np.zeros(60)), 2)
    label = np.zeros(120, dtype=bool)
    label[rng.choice(60, 13, replace=False) * 2] = True
    fold = stratified_folds(ids, label, 4, seed=3)
    assert (fold[::2] == fold[1::2]).all()
    assert sorted(np.bincount(fold[label]).tolist()) == [3, 3, 3, 4]
    assert np.bincount(fold).tolist() == [30] * 4
    assert (stratified_folds(ids, label, 4, seed=3) == fold).all()
    assert (stratified_folds(ids, label, 4, seed=4) != fold).any()
    single = stratified_folds(ids, label, 13, seed=3)
    assert sorted(single[label].tolist()) == list(range(13))


def test_cross_fitting_by_hand():
    score = np.array([0.2, 0.5, 0.3, 0.9, 0.1, 0.4, 0.6])
    caught = np.array([1, 1, 1, 0, 0, 0, 0], dtype=bool)
    fold = np.array([0, 1, 2, 0, 1, 2, 0])
    fit = cross_fit(score, caught, ids_of(score), fold, minimum_threshold)
    assert fit.thresholds.tolist() == [0.3, 0.2, 0.2]  # each from the two other cancers
    assert fit.n_cancers.tolist() == [2, 2, 2]
    assert fit.ruled_out.tolist() == [True, False, False, False, True, False, False]
    # a score of the fold itself has no say in its threshold
    score[0] = 0.25
    assert cross_fit(score, caught, ids_of(score), fold, minimum_threshold).thresholds[0] == 0.3


def test_a_rule_that_certifies_nothing_changes_nothing():
    rng = np.random.default_rng(10)
    pom, score, label = draw_study(rng)
    recall = pom >= 0.5
    fold = stratified_folds(ids_of(label), label, 5, seed=1)
    rule = partial(certified_threshold, sensitivity=0.95)
    fit = cross_fit(score, caught_by_panel(recall, label), ids_of(label), fold, rule)
    assert not fit.ruled_out.any() and np.isneginf(fit.thresholds).all()
    result = triage_panel(recall, fit.ruled_out, label, PREVALENCE)
    assert result.sensitivity_with == result.sensitivity_without
    assert (result.sensitivity_difference.value, result.fraction_ruled_out.value) == (0, 0)
    assert np.isnan([*result.sensitivity_difference.ci, result.net_false_omission.value]).all()


def test_no_loss_seen_is_no_proof_of_none():
    """Of 34 cancers none lost: the upper limit is the exact one of 0 in 34."""
    rng = np.random.default_rng(11)
    pom, _, label = draw_study(rng)
    out = ~label & (rng.random(len(label)) < 0.5)
    result = triage_panel(pom >= 0.5, out, label, PREVALENCE)
    bound = 1 - 0.025 ** (1 / 34)
    assert result.sensitivity_difference.ci == pytest.approx((-bound, 0))
    share = result.fraction_ruled_out.value
    assert result.net_false_omission.ci == pytest.approx((0, PREVALENCE * bound / share))


def test_pairs_of_readers_against_counting_every_pair():
    rng = np.random.default_rng(12)
    pom, score, label = draw_study(rng, n_readers=6)
    recall, system = pom >= 0.5, score > 1.0
    result = {one.setting: one for one in double_reading(recall, system, label, PREVALENCE)}
    pairs = list(combinations(range(6), 2))
    either = np.mean([recall[:, i] | recall[:, j] for i, j in pairs], axis=0)
    both = np.mean([recall[:, i] & recall[:, j] for i, j in pairs], axis=0)
    weight = prevalence_weight(label, PREVALENCE)
    for name, mean in (
        ("one reader", recall.mean(axis=1)),
        ("two readers, either recalls", either),
        ("two readers, both recall", both),
        ("reader and system, either recalls", (recall | system[:, None]).mean(axis=1)),
        ("reader and system, both recall", (recall & system[:, None]).mean(axis=1)),
    ):
        assert result[name].sensitivity.value == pytest.approx(mean[label].mean())
        assert result[name].specificity.value == pytest.approx(1 - mean[~label].mean())
        assert result[name].recall_rate.value == pytest.approx(np.average(mean, weights=weight))
        error = mean[label].std(ddof=1) / label.sum() ** 0.5
        half = result[name].sensitivity.high - result[name].sensitivity.value
        assert half == pytest.approx(norm.ppf(0.975) * error)
    gap = result["system minus second reader, either recalls"].sensitivity
    with_system = (recall | system[:, None]).mean(axis=1)
    differences = (with_system - either)[label]
    assert gap.value == pytest.approx(differences.mean())
    error = differences.std(ddof=1) / label.sum() ** 0.5
    assert gap.high - gap.value == pytest.approx(norm.ppf(0.975) * error)


def test_a_reader_who_reads_as_all_others_do_gains_nothing_from_a_second():
    rng = np.random.default_rng(13)
    pom, score, label = draw_study(rng, n_readers=1)
    recall = np.repeat(pom >= 0.5, 3, axis=1)
    one, either, both, *_ = double_reading(recall, score > 1, label, PREVALENCE)
    assert one.sensitivity == either.sensitivity == both.sensitivity


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: prevalence_weight([1, 1], 0.1), "2 cancers among 2 rows"),
        (lambda: prevalence_weight([1, 0], 1.0), "prevalence must lie between 0 and 1"),
        (lambda: recall_at_rate([0.1, 0.2], 0.1), "shape"),
        (lambda: recall_at_rate([[0.1], [np.nan]], 0.1), "finite"),
        (lambda: recall_at_rate([[0.1], [0.2]], 0.0), "rate must lie between"),
        (lambda: caught_by_panel([[1, 0]], [1], 0), "share must lie in"),
        (lambda: stratified_folds(["a", "b"], [1, 0], 2, 1), "the 1 patients with cancer, not 2"),
        (lambda: stratified_folds(["a", "b"], [1, 1], 1, 1), "n_folds must lie between 2"),
        (
            lambda: cross_fit([1, 2], [1, 0], ["a", "b"], [0, 1], minimum_threshold),
            "no cancer was caught outside fold 0",
        ),
        (lambda: triage_panel([1, 0], [1, 0], [1, 0], 0.1), "recall must have shape"),
        (lambda: triage_panel([[1, 0]] * 3, [0] * 3, [1, 0, 0], 0.1), "two exams with cancer"),
        (lambda: double_reading([[1]] * 4, [1] * 4, [1, 1, 0, 0], 0.1), "two readers"),
        (lambda: standardised_shares([1], [1], [1], 0.1), "one shape"),
    ],
)
def test_wrong_arguments_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
