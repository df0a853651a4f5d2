"""Thresholds and what they certify: hand cases, exact bounds, a library, kept promises."""

import numpy as np
import pytest
from mapie.risk_control import BinaryClassificationController
from scipy.special import expit
from scipy.stats import binom, norm
from statsmodels.stats.proportion import proportion_confint

from mammolab.errors import InputError
from mammolab.evaluate import thresholds
from mammolab.evaluate.resampling import PatientBootstrap

# four cancers (one with two exams, of which the lower counts) and two others
SCORE = [0.9, 0.5, 0.7, 0.3, 0.4, 0.1, 0.2]
LABEL = [1, 1, 1, 1, 1, 0, 0]
IDS = ["A", "B", "C", "C", "D", "E", "F"]


def learn_then_test(score, label, grid, risk, level, fwer_method):
    """Thresholds of `grid` that MAPIE finds to control the risk with 95% confidence."""
    controller = BinaryClassificationController(
        lambda x: np.column_stack([1 - x.ravel(), x.ravel()]),
        risk=risk,
        target_level=level,
        confidence_level=0.95,
        list_predict_params=grid,
        fwer_method=fwer_method,
    )
    return controller.calibrate(score[:, None], label.astype(int)).valid_predict_params


def dev_set(seed, n_exams=3000, n_cancers=159):
    rng = np.random.default_rng(seed)
    label = np.arange(n_exams) < n_cancers
    return expit(rng.normal(size=n_exams) + 1.8 * label - 3), label, np.arange(n_exams)


def test_cancers_needed_to_certify():
    assert [thresholds.cancers_needed(s) for s in (0.98, 0.99, 0.995)] == [149, 299, 598]
    for n_missed in (0, 1, 4):
        needed = thresholds.cancers_needed(0.95, n_missed)
        assert thresholds.certified_sensitivity(needed, n_missed) >= 0.95
        assert thresholds.certified_sensitivity(needed - 1, n_missed) < 0.95


def test_certified_sensitivity_is_the_one_sided_exact_bound():
    for n_cancers, n_missed in ((20, 0), (159, 3), (191, 19)):
        bound = thresholds.certified_sensitivity(n_cancers, n_missed)
        expected, _ = proportion_confint(n_cancers - n_missed, n_cancers, 0.1, method="beta")
        assert bound == pytest.approx(expected, abs=1e-10)
    assert thresholds.certified_sensitivity(5, 5) == 0


def test_the_three_rules_by_hand():
    minimum = thresholds.minimum_threshold(SCORE, LABEL, IDS)
    assert (minimum.threshold, minimum.n_cancers, minimum.n_missed) == (0.3, 4, 0)
    bootstrap = PatientBootstrap.draw(IDS, 4000, seed=0)
    mean = thresholds.mean_of_bootstrap_minima(SCORE, LABEL, IDS, None, bootstrap)
    order = ["C", "D", "B", "A"]  # by lowest score .3 .4 .5 .9
    in_order = bootstrap.counts[:, bootstrap.columns(order)]
    drawn = np.where(in_order > 0, [0.3, 0.4, 0.5, 0.9], np.inf)
    minima = drawn.min(axis=1)
    assert mean.threshold == pytest.approx(minima[np.isfinite(minima)].mean())
    assert mean.threshold > minimum.threshold
    assert mean.n_missed == 1
    # certify one half with 60%: P(Bin(4, .5) <= 1) = .3125 <= .4 < P(Bin(4, .5) <= 2)
    certified = thresholds.certified_threshold(SCORE, LABEL, IDS, 0.5, confidence=0.6)
    assert (certified.threshold, certified.n_missed) == (0.4, 1)
    assert certified.certified_sensitivity >= 0.5
    nobody = thresholds.certified_threshold(SCORE, LABEL, IDS, 0.9)
    assert (nobody.threshold, nobody.certified_sensitivity) == (-np.inf, 1.0)


def test_unequal_weights_leave_the_minimum_but_take_its_certificate():
    weight = [1, 2, 1, 1, 1, 3, 4]
    bootstrap = PatientBootstrap.draw(IDS, 200, seed=0)
    for rule, extra in (
        (thresholds.minimum_threshold, ()),
        (thresholds.mean_of_bootstrap_minima, (bootstrap,)),
    ):
        plain = rule(SCORE, LABEL, IDS, None, *extra)
        weighted = rule(SCORE, LABEL, IDS, weight, *extra)
        assert (weighted.threshold, weighted.n_missed) == (plain.threshold, plain.n_missed)
        assert plain.certified_sensitivity > 0
        assert np.isnan(weighted.certified_sensitivity)
    with pytest.raises(ValueError, match="cancers of unequal sample_weight"):
        thresholds.certified_threshold(SCORE, LABEL, IDS, 0.5, weight)
    # a cancer of weight 0 does not count, and unequal weights of the others do not matter
    without_c = thresholds.minimum_threshold(SCORE, LABEL, IDS, [1, 1, 0, 0, 1, 3, 4])
    assert (without_c.threshold, without_c.n_cancers) == (0.4, 3)
    assert without_c.certified_sensitivity == thresholds.certified_sensitivity(3, 0)


@pytest.mark.parametrize("decimals", [6, 1])
def test_certified_thresholds_keep_their_promise(decimals):
    """Over many dev sets the true rate falls short in at most 5%, ties or none, out or in."""
    rng = np.random.default_rng(3)
    n_patients, wanted, n_runs = 120, 0.95, 500
    half_step = 0.5 * 10.0**-decimals  # new scores are rounded too
    kept = np.zeros((n_runs, 2))
    bound_failed = np.zeros((n_runs, 2))
    ids = np.arange(n_patients)
    for run in range(n_runs):
        score = np.round(rng.normal(size=n_patients), decimals)
        out = thresholds.certified_threshold(score, np.ones(n_patients), ids, wanted)
        into = thresholds.certified_rule_in(score, np.zeros(n_patients), ids, wanted)
        # a new cancer is missed when its rounded score is below the threshold, a new woman without
        # cancer is spared when hers is below (the threshold lies just above a rounded score)
        truth = np.array([norm.sf(out.threshold - half_step), norm.cdf(into.threshold + half_step)])
        kept[run] = truth >= wanted
        bound_failed[run] = truth < [out.certified_sensitivity, into.certified_specificity]
    assert (kept.mean(axis=0) > 0.94).all()
    assert (bound_failed.mean(axis=0) < 0.065).all()


def test_certified_threshold_is_the_largest():
    n_cancers = 159
    score, ones, ids = np.arange(n_cancers, dtype=float), np.ones(n_cancers), np.arange(n_cancers)
    for wanted in (0.9, 0.95, 0.97):
        rule = thresholds.certified_threshold(score, ones, ids, wanted)
        assert binom.cdf(rule.n_missed, n_cancers, 1 - wanted) <= 0.05
        assert binom.cdf(rule.n_missed + 1, n_cancers, 1 - wanted) > 0.05
        assert rule.certified_sensitivity >= wanted
    stretched = thresholds.certified_threshold(np.exp(score / 50), ones, ids, 0.9)
    plain = thresholds.certified_threshold(score, ones, ids, 0.9)
    assert stretched.threshold == pytest.approx(np.exp(plain.threshold / 50))


@pytest.mark.parametrize("wanted", [0.9, 0.95, 0.97])
@pytest.mark.parametrize("seed", range(5))
def test_certified_threshold_is_fixed_sequence_learn_then_test(seed, wanted):
    """MAPIE tests the cancers' scores upwards; its p-value is the exact binomial one.

    (Its Hoeffding bound is never smaller, and for so few misses of 159 its count, recovered from
    the recall, does not suffer from rounding.)
    """
    score, label, ids = dev_set(seed)
    rule = thresholds.certified_threshold(score, label, ids, wanted)
    valid = learn_then_test(score, label, np.sort(score[label]), "recall", wanted, "fixed_sequence")
    assert rule.threshold == valid.max()
    assert rule.n_missed == len(valid) - 1


@pytest.mark.filterwarnings("ignore:No predict parameters")
def test_the_exact_rule_releases_more_than_many_tests_with_correction():
    """159 cancers: MAPIE's default releases about half as much, and nothing at .97."""
    released = {}
    for wanted in (0.9, 0.95, 0.97):
        for seed in range(5):
            score, label, ids = dev_set(seed)
            ours = thresholds.certified_threshold(score, label, ids, wanted).threshold
            grid = np.linspace(0, 0.99, 100)
            valid = learn_then_test(score, label, grid, "recall", wanted, "bonferroni_holm")
            theirs = max(valid, default=0.0)
            assert theirs <= ours
            released[wanted, seed] = ((score < ours).mean(), (score < theirs).mean())
    for wanted in (0.9, 0.95):
        ours, theirs = np.mean([released[wanted, seed] for seed in range(5)], axis=0)
        assert theirs < 0.75 * ours
    assert all(released[0.97, seed][0] > 0.2 for seed in range(5))
    assert all(released[0.97, seed][1] == 0 for seed in range(5))


@pytest.mark.parametrize("wanted", [0.8, 0.9, 0.95])
def test_certified_rule_in_is_fixed_sequence_learn_then_test(wanted):
    """MAPIE tests thresholds just above the scores of women without cancer, downwards.

    (256 of them: a share of a power of two is exact, so that its count of false alarms is too.)
    """
    score, label, ids = dev_set(0, n_exams=300, n_cancers=44)
    rule = thresholds.certified_rule_in(score, label, ids, wanted)
    grid = np.nextafter(np.sort(score[~label])[::-1], np.inf)
    valid = learn_then_test(score, label, grid, "fpr", 1 - wanted, "fixed_sequence")
    assert rule.threshold == valid.min()
    assert rule.n_false == len(valid) - 1


def test_certified_rule_in_by_hand():
    """Five women without cancer, one with two exams; a cancer above all does not matter."""
    score = [0.1, 0.6, 0.2, 0.3, 0.4, 0.5, 0.9]
    label = [0, 0, 0, 0, 0, 0, 1]
    ids = ["A", "A", "B", "C", "D", "E", "F"]  # highest: A .6, B .2, C .3, D .4, E .5
    # one half with 80%: P(Bin(5, .5) <= 1) = .1875 <= .2 < P(Bin(5, .5) <= 2)
    rule = thresholds.certified_rule_in(score, label, ids, 0.5, confidence=0.8)
    assert rule.threshold == np.nextafter(0.5, 1)
    assert (rule.n_without_cancer, rule.n_false) == (5, 1)
    assert rule.certified_specificity == thresholds.certified_sensitivity(5, 1, 0.8) >= 0.5
    nobody = thresholds.certified_rule_in(score, label, ids, 0.9)
    assert (nobody.threshold, nobody.n_false, nobody.certified_specificity) == (np.inf, 0, 1.0)
    # weights of cancers do not matter, a common one of the others neither
    assert rule == thresholds.certified_rule_in(score, label, ids, 0.5, [5] * 6 + [1], 0.8)
    with pytest.raises(ValueError, match="exams without cancer of unequal sample_weight"):
        thresholds.certified_rule_in(score, label, ids, 0.5, [1, 2, 1, 1, 1, 1, 1])
    with pytest.raises(ValueError, match="label holds no negative row"):
        thresholds.certified_rule_in([1, 2], [1, 1], ["A", "B"], 0.5)


def test_rule_in_mirrors_rule_out():
    score, label, ids = dev_set(1)
    for wanted in (0.9, 0.99):
        rule = thresholds.certified_rule_in(score, label, ids, wanted)
        mirror = thresholds.certified_threshold(-score, ~label, ids, wanted)
        assert rule.threshold == np.nextafter(-mirror.threshold, np.inf)
        assert rule.n_false == mirror.n_missed
        assert rule.certified_specificity == mirror.certified_sensitivity


def test_rules_do_not_depend_on_the_order_of_exams():
    score, label, ids = dev_set(2)
    shuffled = np.random.default_rng(0).permutation(len(score))
    mixed = (score[shuffled], label[shuffled], ids[shuffled])
    for rule in (thresholds.certified_threshold, thresholds.certified_rule_in):
        assert rule(score, label, ids, 0.9) == rule(*mixed, 0.9)
    assert thresholds.minimum_threshold(score, label, ids) == thresholds.minimum_threshold(*mixed)
    top = thresholds.top_fraction_threshold
    assert top(score, 0.05) == top(score[shuffled], 0.05)


def test_top_fraction_with_weights_and_ties():
    score, weight = [1, 2, 3, 3, 4], [2, 2, 1, 1, 2]
    top = thresholds.top_fraction_threshold
    assert top(score, 0.24, weight) == np.inf  # even the highest is a quarter
    assert top(score, 0.25, weight) == 4
    assert top(score, 0.49, weight) == 4  # tied exams stay together
    assert top(score, 0.5, weight) == 3
    assert top(score, 0.75, weight) == 2
    assert top(np.repeat(score, weight), 0.5) == 3
    assert top([*score, 2.5, 9], 0.5, [*weight, 0, 0]) == 3
    score = np.random.default_rng(0).normal(size=1000)
    assert (score >= top(score, 0.01)).sum() == 10
    assert top(np.full(1000, 0.5), 0.999) == np.inf
    # sums of tenths that a computer does not take for a half
    assert top(np.arange(10), 0.3, np.full(10, 0.1)) == 7


def test_wrong_arguments_are_named():
    exams = {"score": [1, 2, 3, 4], "label": [1, 1, 0, 0], "patient_ids": list("ABCD")}
    with pytest.raises(ValueError, match="label holds no positive row: a threshold needs some"):
        thresholds.minimum_threshold([1, 2], [0, 0], ["A", "B"])
    with pytest.raises(ValueError, match="score must be finite"):
        thresholds.minimum_threshold([1, np.nan], [0, 1], ["A", "B"])
    with pytest.raises(ValueError, match="n_missed must lie in"):
        thresholds.certified_sensitivity(3, 4)
    with pytest.raises(ValueError, match="n_missed must be at least 0"):
        thresholds.cancers_needed(0.9, -1)
    with pytest.raises(ValueError, match="sensitivity must lie between 0 and 1"):
        thresholds.cancers_needed(1.0)
    with pytest.raises(ValueError, match="specificity must lie between 0 and 1"):
        thresholds.certified_rule_in(**exams, specificity=1.0)
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        thresholds.certified_threshold(**exams, sensitivity=0.9, confidence=95)
    with pytest.raises(ValueError, match="fraction must lie between 0 and 1"):
        thresholds.top_fraction_threshold([1, 2], 5)
    with pytest.raises(ValueError, match="sample_weight must not be negative"):
        thresholds.top_fraction_threshold([1, 2], 0.5, [1, -1])
    others = PatientBootstrap.draw(["C", "D"], 10, seed=0)
    with pytest.raises(ValueError, match="not in the bootstrap"):
        thresholds.mean_of_bootstrap_minima(**exams, sample_weight=None, bootstrap=others)
    drew_no_cancer = PatientBootstrap(np.array(list("ABCD")), np.array([[0, 0, 2, 2]], np.uint8))
    with pytest.raises(ValueError, match="no bootstrap replicate drew a cancer"):
        thresholds.mean_of_bootstrap_minima(**exams, sample_weight=None, bootstrap=drew_no_cancer)


def test_a_rule_that_cannot_certify_says_how_many_cancers_it_takes():
    score, ids = np.linspace(0.1, 0.9, 40), [f"p{i}" for i in range(40)]
    rule = thresholds.certified_threshold(score, np.ones(40, bool), ids, 0.95)
    with pytest.raises(InputError, match="40 caught cancers .* takes 59"):
        thresholds.choose_rule({"certified": rule}, "certified", 0.95, 0.95)
    with pytest.raises(InputError, match="certified"):
        thresholds.choose_rule({"certified": rule}, "certifed", 0.95, 0.95)
    minimum = thresholds.minimum_threshold(score, np.ones(40, bool), ids)
    assert thresholds.choose_rule({"minimum": minimum}, "minimum", 0.95, 0.95) is minimum
