"""Decision curves: printed values, a library, hand cases, explicit resampling, coverage."""

import warnings

import numpy as np
import pandas as pd
import pytest
from dcurves import dca
from scipy.stats import beta

from mammolab.evaluate.decision_curve import decision_curve, net_benefit, net_benefit_difference
from mammolab.evaluate.resampling import PatientBootstrap

THRESHOLDS = np.array([0.05, 0.1, 0.2])


@pytest.fixture(scope="module")
def screening():
    """600 patients, one or two exams each, weights 1 for cancer and 4 for none."""
    rng = np.random.default_rng(0)
    ids = np.array([f"P{i:04d}" for i in np.concatenate([np.arange(600), rng.choice(600, 300)])])
    probability = rng.beta(0.6, 3, size=900)
    label = rng.random(900) < probability
    other = np.clip(probability + rng.normal(scale=0.15, size=900), 0, 1)
    return probability, other, label, ids, np.where(label, 1.0, 4.0)


@pytest.fixture
def cancer_dx(shared_data):
    return pd.read_csv(shared_data / "statistics" / "dcurves_df_binary.csv")


def test_published_net_benefits(cancer_dx):
    expected = {
        "famhistory": [0.025614, 0.018519, 0.001667],
        "cancerpredmarker": [0.105544, 0.087407, 0.067333],
    }
    for name, printed in expected.items():
        benefit = net_benefit(cancer_dx[name], cancer_dx["cancer"], THRESHOLDS)
        assert benefit == pytest.approx(printed, abs=5e-7)


def test_dcurves_gives_the_same_curve(cancer_dx):
    threshold = np.arange(1, 100) / 100
    models = ["famhistory", "cancerpredmarker"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, inside the library
        oracle = dca(cancer_dx, "cancer", models, thresholds=threshold)
    ids = np.arange(len(cancer_dx))
    bootstrap = PatientBootstrap.draw(ids, 10, seed=0)
    for name in models:
        curve = decision_curve(
            cancer_dx[name], cancer_dx["cancer"], threshold, ids, None, bootstrap
        )
        for ours, model in ((curve.model.value, name), (curve.treat_all.value, "all")):
            theirs = oracle[oracle["model"] == model].sort_values("threshold")["net_benefit"]
            assert ours == pytest.approx(theirs.to_numpy(dtype=float), abs=1e-10)
    assert not curve.treat_none.any()


def test_net_benefit_by_hand():
    """Five exams of weight 12: two cancers (3, 1), three without (4, 2, 2)."""
    probability = [0.8, 0.2, 0.5, 0.2, 0.1]
    label, weight = [1, 1, 0, 0, 0], [3, 1, 4, 2, 2]
    benefit = net_benefit(probability, label, [0.2, 0.5, 0.6, 0.0, 0.9], weight)
    expected = [
        (4 - 6 * 0.25) / 12,  # a probability at the threshold is called
        (3 - 4 * 1.0) / 12,
        3 / 12,
        4 / 12,  # everybody is called at no cost: the prevalence
        0.0,
    ]
    assert benefit == pytest.approx(expected, abs=1e-15)


def test_curves_of_models_without_information():
    label = np.arange(40) < 10
    ids = np.arange(40)
    bootstrap = PatientBootstrap.draw(ids, 50, seed=0)
    everybody = decision_curve(np.ones(40), label, THRESHOLDS, ids, None, bootstrap)
    assert np.array_equal(everybody.model.value, everybody.treat_all.value)
    assert np.array_equal(everybody.model.low, everybody.treat_all.low)
    assert everybody.treat_all.value == pytest.approx(0.25 - 0.75 * THRESHOLDS / (1 - THRESHOLDS))
    assert np.array_equal(everybody.gain.value, np.zeros(3))  # .25 >= .2: all beats none
    nobody = decision_curve(np.zeros(40), label, THRESHOLDS, ids, None, bootstrap)
    assert not nobody.model.value.any()
    assert nobody.gain.value == pytest.approx(-everybody.treat_all.value)
    perfect = decision_curve(label.astype(float), label, THRESHOLDS, ids, None, bootstrap)
    assert perfect.model.value == pytest.approx(np.full(3, 0.25))
    for limit in (perfect.standardised.low, perfect.standardised.value, perfect.standardised.high):
        assert limit == pytest.approx(np.ones(3), abs=1e-6)
    # above the prevalence the better default is to treat none
    late = decision_curve(label * 0.9, label, [0.5], ids, None, bootstrap)
    assert late.treat_all.value[0] < 0
    assert late.gain.value == late.model.value


def test_intervals_are_those_of_resampled_tables(screening):
    """Every replicate, with its patients' exams written out as often as she was drawn."""
    probability, other, label, ids, weight = screening
    bootstrap = PatientBootstrap.draw(ids, 40, seed=5)
    columns = bootstrap.columns(ids)
    written_out = [np.repeat(np.arange(len(ids)), counts[columns]) for counts in bootstrap.counts]

    def replicates(score):
        return np.array([
            net_benefit(score[rows], label[rows], THRESHOLDS, weight[rows]) for rows in written_out
        ])  # fmt: skip

    prevalence = np.array([np.average(label[rows], weights=weight[rows]) for rows in written_out])
    prevalence = prevalence[:, None]
    treat_all = prevalence - (1 - prevalence) * THRESHOLDS / (1 - THRESHOLDS)
    model = replicates(probability)
    curve = decision_curve(probability, label, THRESHOLDS, ids, weight, bootstrap, confidence=0.8)
    change = net_benefit_difference(
        probability, other, label, THRESHOLDS, ids, weight, bootstrap, confidence=0.8
    )
    for band, expected in (
        (curve.model, model),
        (curve.treat_all, treat_all),
        (curve.gain, model - np.maximum(treat_all, 0)),
        (curve.standardised, model / prevalence),
        (change, model - replicates(other)),
    ):
        low, high = np.quantile(expected, [0.1, 0.9], axis=0)
        assert band.low == pytest.approx(low, abs=1e-5)  # replicates are in single precision
        assert band.high == pytest.approx(high, abs=1e-5)
    assert change.value == pytest.approx(
        net_benefit(probability, label, THRESHOLDS, weight)
        - net_benefit(other, label, THRESHOLDS, weight)
    )


def test_the_paired_difference_is_the_sharper_one(screening):
    probability, other, label, ids, weight = screening
    bootstrap = PatientBootstrap.draw(ids, 300, seed=2)
    curves = [
        decision_curve(score, label, THRESHOLDS, ids, weight, bootstrap).model
        for score in (probability, other)
    ]
    change = net_benefit_difference(probability, other, label, THRESHOLDS, ids, weight, bootstrap)
    unpaired = np.hypot(*(curve.high - curve.low for curve in curves))
    assert (change.high - change.low < 0.7 * unpaired).all()
    none = net_benefit_difference(
        probability, probability, label, THRESHOLDS, ids, weight, bootstrap
    )
    assert not none.value.any() and not none.low.any() and not none.high.any()


def test_a_weight_is_so_many_exams(screening):
    probability, _, label, ids, weight = screening
    rows = np.repeat(np.arange(len(ids)), weight.astype(int))
    bootstrap = PatientBootstrap.draw(ids, 30, seed=1)
    weighted = decision_curve(probability, label, THRESHOLDS, ids, weight, bootstrap)
    repeated = decision_curve(
        probability[rows], label[rows], THRESHOLDS, ids[rows], None, bootstrap
    )
    doubled = decision_curve(probability, label, THRESHOLDS, ids, 2 * weight, bootstrap)
    for one in (repeated, doubled):
        for name in ("model", "treat_all", "gain", "standardised"):
            ours, theirs = getattr(weighted, name), getattr(one, name)
            assert ours.value == pytest.approx(theirs.value, abs=1e-12)
            assert ours.low == pytest.approx(theirs.low, abs=1e-5)
            assert ours.high == pytest.approx(theirs.high, abs=1e-5)


def test_order_of_exams_and_thresholds_does_not_matter(screening):
    probability, _, label, ids, weight = screening
    mixed = np.random.default_rng(0).permutation(len(ids))
    bootstrap = PatientBootstrap.draw(ids, 30, seed=1)
    straight = decision_curve(probability, label, THRESHOLDS, ids, weight, bootstrap)
    shuffled = decision_curve(probability[mixed], label[mixed], [0.2, 0.05, 0.2, 0.1], ids[mixed], weight[mixed], bootstrap)  # fmt: skip
    assert shuffled.threshold_probability.tolist() == [0.2, 0.05, 0.2, 0.1]
    for name in ("model", "treat_all"):
        ours, theirs = getattr(straight, name), getattr(shuffled, name)
        assert theirs.value == pytest.approx(ours.value[[2, 0, 2, 1]], abs=1e-12)
        assert theirs.high == pytest.approx(ours.high[[2, 0, 2, 1]], abs=1e-5)


def test_intervals_cover_the_true_net_benefit():
    """A calibrated model with risks from Beta(1, 4): true net benefit by integration."""
    risk = beta(1, 4)
    grid = (np.arange(200_000) + 0.5) / 200_000
    odds = THRESHOLDS / (1 - THRESHOLDS)
    density = risk.pdf(grid) / len(grid)
    truth = [
        (density * (grid - (1 - grid) * o))[grid >= t].sum()
        for t, o in zip(THRESHOLDS, odds, strict=True)
    ]
    rng = np.random.default_rng(7)
    ids = np.arange(300)
    bootstrap = PatientBootstrap.draw(ids, 300, seed=3)
    covered, mean = np.zeros(3), np.zeros(3)
    for _ in range(300):
        probability = risk.rvs(300, random_state=rng)
        label = rng.random(300) < probability
        band = decision_curve(probability, label, THRESHOLDS, ids, None, bootstrap).model
        covered += (band.low <= truth) & (truth <= band.high)
        mean += band.value / 300
    standard_error = np.sqrt(0.2 * 0.8 / 300)  # of one estimate, about that of the prevalence
    assert mean == pytest.approx(truth, abs=4 * standard_error / np.sqrt(300))
    assert (covered / 300 > 0.915).all() and (covered / 300 < 0.985).all()


def test_wrong_arguments_are_named():
    ids = list("ABCD")
    bootstrap = PatientBootstrap.draw(ids, 10, seed=0)
    probability, label = [0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1]
    with pytest.raises(ValueError, match=r"threshold_probability must lie in \[0, 1\), not 1.0"):
        net_benefit(probability, label, [0.5, 1.0])
    with pytest.raises(ValueError, match="threshold_probability is empty"):
        net_benefit(probability, label, [])
    with pytest.raises(ValueError, match="threshold_probability must be finite"):
        net_benefit(probability, label, [np.nan])
    with pytest.raises(ValueError, match=r"probability must lie in \[0, 1\]"):
        net_benefit([0.1, 0.2, 0.3, 1.4], label, [0.5])
    with pytest.raises(ValueError, match="probability must be finite"):
        net_benefit([0.1, 0.2, 0.3, np.nan], label, [0.5])
    with pytest.raises(ValueError, match="label holds no positive row"):
        net_benefit(probability, [0, 0, 0, 0], [0.5])
    with pytest.raises(ValueError, match="sample_weight has 3 rows where 4 are needed"):
        net_benefit(probability, label, [0.5], [1, 1, 1])
    with pytest.raises(ValueError, match="patient_ids has 3 rows where 4 are needed"):
        decision_curve(probability, label, [0.5], list("ABC"), None, bootstrap)
    with pytest.raises(ValueError, match="patient_ids holds the one patient A"):
        decision_curve(probability, label, [0.5], list("AAAA"), None, bootstrap)
    with pytest.raises(ValueError, match="not in the bootstrap"):
        decision_curve(probability, label, [0.5], list("ABCE"), None, bootstrap)
    with pytest.raises(ValueError, match="label has 4 rows where 3 are needed"):
        net_benefit_difference(probability, probability[:3], label, [0.5], ids, None, bootstrap)
