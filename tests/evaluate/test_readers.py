"""Reader studies against published analyses, other tests they reduce to, and planted truth."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, ttest_rel
from statsmodels.stats.anova import AnovaRM

from mammolab.evaluate.delong import auc_covariance, compare_aucs
from mammolab.evaluate.mrmc import RANDOM, obuchowski_rockette, reader_mean
from mammolab.evaluate.readers import (
    METRICS,
    compare_with_readers,
    mrmc_auc,
    mrmc_decisions,
    share_covariance,
)

# Van Dyke 1993: empirical AUCs of five readers with cine and spin-echo MRI, and the analyses of
# them printed in the user guide of MRMCaov (Smith and Hillis).
VAN_DYKE_AUC = np.array(
    [
        [0.9196457, 0.8587762, 0.9038647, 0.9731079, 0.8297907],
        [0.9478261, 0.9053140, 0.9217391, 0.9993559, 0.9299517],
    ]
)


@pytest.fixture
def van_dyke(shared_data):
    """Ratings of shape (114, 2, 5) and the truth."""
    frame = pd.read_csv(shared_data / "statistics" / "mrmcaov_VanDyke.csv")
    wide = frame.pivot(index="case", columns=["treatment", "reader"], values="rating")
    truth = frame.groupby("case")["truth"].first().reindex(wide.index).to_numpy()
    return wide.sort_index(axis=1).to_numpy().reshape(len(wide), 2, 5), truth


def covariance_of(error, cov1, cov2, cov3, n_readers=5):
    """A covariance of two modalities with given parts; `error` and `cov2` one a modality."""
    eye, ones = np.eye(n_readers), np.ones((n_readers, n_readers))
    own = [e * eye + c * (ones - eye) for e, c in zip(error, cov2, strict=True)]
    across = cov1 * eye + cov3 * (ones - eye)
    return np.block([[own[0], across], [across, own[1]]])


def draw_readers(rng, n_modalities=2, n_readers=5, by_reader=0.1, by_modality=0.1):
    """Reader effects on the scores, by truth: shape (2, n_modalities, n_readers)."""
    common = rng.normal(0, by_reader**0.5, (2, 1, n_readers))
    return common + rng.normal(0, by_modality**0.5, (2, n_modalities, n_readers))


def draw_study(rng, readers, n_positive=40, n_negative=60, separation=1.5):
    """Scores of Roe and Metz's model; the case-level variances sum to 1."""
    label = np.arange(n_positive + n_negative) < n_positive
    n, (_, n_modalities, n_readers) = len(label), readers.shape
    score = np.where(label, separation, 0.0)[:, None, None] + readers[label.astype(int)]
    score = score + rng.normal(0, 0.3**0.5, (n, 1, 1))
    score = score + rng.normal(0, 0.2**0.5, (n, n_modalities, 1))
    score = score + rng.normal(0, 0.2**0.5, (n, 1, n_readers))
    return score + rng.normal(0, 0.3**0.5, (n, n_modalities, n_readers)), label


def test_van_dyke_with_delong_covariances(van_dyke):
    study = mrmc_auc(*van_dyke)
    assert study.f == pytest.approx(4.484854, abs=5e-7)
    assert (study.df1, study.df2) == (1, pytest.approx(15.06611, abs=5e-6))
    assert study.p_value == pytest.approx(0.05123303, abs=5e-9)
    gap = study.differences[0, 1]
    assert gap.value == pytest.approx(-0.04380032, abs=5e-9)
    assert gap.standard_error == pytest.approx(0.0206825, abs=5e-8)
    assert gap.ci == pytest.approx((-0.0878671960, 0.0002665519), abs=5e-10)
    assert gap.t == pytest.approx(-2.117747, abs=5e-7)
    assert gap.p_value == pytest.approx(study.p_value, abs=1e-12)
    parts = study.components
    assert parts.error_variance == pytest.approx(0.0007921325, abs=5e-11)
    assert parts.cov1 == pytest.approx(0.0003420090, abs=5e-11)
    assert parts.cov2 == pytest.approx(0.0003395265, abs=5e-11)
    assert parts.cov3 == pytest.approx(0.0002358497, abs=5e-11)
    assert parts.ms_modality == pytest.approx(0.004796171, abs=5e-10)
    assert parts.ms_modality_reader == pytest.approx(0.0005510306, abs=5e-11)
    assert parts.reader == pytest.approx(0.0015364254, abs=5e-11)
    assert parts.modality_reader == pytest.approx(0.0002045840, abs=5e-11)
    cine, spin_echo = study.means
    assert cine.value == pytest.approx(0.8970370, abs=5e-8)
    assert cine.ci == pytest.approx((0.8253461, 0.9687280), abs=5e-8)
    assert cine.degrees_of_freedom == pytest.approx(12.59597, abs=5e-6)
    assert spin_echo.standard_error == pytest.approx(0.02150464, abs=5e-9)
    assert spin_echo.ci == pytest.approx((0.8942155, 0.9874592), abs=5e-8)


def test_van_dyke_with_fixed_cases(van_dyke):
    study = mrmc_auc(*van_dyke, random="readers")
    assert study.f == pytest.approx(8.704, abs=5e-4)
    assert (study.df1, study.df2) == (1, 4)
    assert study.p_value == pytest.approx(0.04195875, abs=5e-9)
    assert study.differences[0, 1].ci == pytest.approx((-0.08502022, -0.00258042), abs=5e-9)
    assert study.means[0].ci == pytest.approx((0.8280981, 0.9659760), abs=5e-8)
    assert study.means[1].standard_error == pytest.approx(0.01615303, abs=5e-9)


def test_van_dyke_with_fixed_readers_and_jackknife_covariances():
    covariance = covariance_of(
        (0.0010141028, 0.0005904738), 0.0003466137, (0.0004839618, 0.0002041879), 0.0002390284
    )
    study = obuchowski_rockette(VAN_DYKE_AUC, covariance, random="cases")
    assert study.f == pytest.approx(5.475953, abs=5e-6)
    assert study.df2 == np.inf
    assert study.p_value == pytest.approx(0.01927984, abs=5e-8)
    gap = study.differences[0, 1]
    assert gap.standard_error == pytest.approx(0.01871748, abs=1e-8)
    assert gap.ci == pytest.approx((-0.08048591, -0.00711473), abs=1e-7)
    assert study.means[0].ci == pytest.approx((0.8494301, 0.9446440), abs=1e-7)
    assert study.means[1].ci == pytest.approx((0.9079564, 0.9737183), abs=1e-7)


def test_van_dyke_with_cases_nested_in_readers_or_in_modalities():
    in_readers = covariance_of((8.079682e-04,) * 2, 3.490676e-04, (0, 0), 0)
    study = obuchowski_rockette(VAN_DYKE_AUC, in_readers)
    assert study.f == pytest.approx(8.704, abs=5e-4)
    assert study.df2 == pytest.approx(4)
    in_modalities = covariance_of((8.058382e-04,) * 2, 0, (0.0003455973,) * 2, 0)
    study = obuchowski_rockette(VAN_DYKE_AUC, in_modalities)
    assert study.f == pytest.approx(2.104491, abs=1e-6)
    assert study.df2 == pytest.approx(68.42325, abs=5e-4)
    assert study.p_value == pytest.approx(0.1514363, abs=1e-6)


def test_van_dyke_sensitivity_of_ratings_from_three(van_dyke):
    ratings, truth = van_dyke
    study = mrmc_decisions(ratings >= 3, truth, "sensitivity")
    parts = study.components
    assert parts.error_variance == pytest.approx(0.0023681257, abs=5e-11)
    assert parts.cov1 == pytest.approx(0.0009943883, abs=5e-11)
    assert parts.cov2 == pytest.approx(0.0010145903, abs=5e-11)
    assert parts.cov3 == pytest.approx(0.0006604938, abs=5e-11)
    assert study.f == pytest.approx(6.689493, abs=5e-7)
    assert study.df2 == pytest.approx(15.71732, abs=5e-6)
    assert study.differences[0, 1].ci == pytest.approx((-0.1780371, -0.0175185), abs=5e-8)
    assert study.means[0].ci == pytest.approx((0.6961876, 0.9482568), abs=5e-8)
    assert study.means[1].ci == pytest.approx((0.8328691, 1), abs=5e-8)
    assert study.means[1].degrees_of_freedom == pytest.approx(7.575855, abs=5e-7)


def test_one_reader_is_the_paired_delong_test():
    rng = np.random.default_rng(0)
    scores, label = draw_study(rng, draw_readers(rng, n_readers=1))
    weight = rng.uniform(0.5, 3, len(label))
    patients = rng.integers(0, 70, len(label))
    study = mrmc_auc(scores, label, weight, patients, random="cases")
    pair = compare_aucs(scores[:, 0, 0], scores[:, 1, 0], label, weight, patients)
    assert study.differences[0, 1].ci == pytest.approx(pair.difference.ci, abs=1e-12)
    assert study.differences[0, 1].t == pytest.approx(pair.z, abs=1e-10)
    assert study.p_value == pytest.approx(pair.p_value, abs=1e-12)
    assert np.isnan(study.components.cov2) and np.isnan(study.components.ms_reader)


def test_fixed_readers_have_the_variance_of_the_contrast():
    rng = np.random.default_rng(1)
    scores, label = draw_study(rng, draw_readers(rng))
    fit = auc_covariance(scores.reshape(len(label), -1), label)
    gap = mrmc_auc(scores, label, random="cases").differences[0, 1]
    contrast = np.repeat([0.2, -0.2], 5)
    assert gap.value == pytest.approx(contrast @ fit.auc, abs=1e-12)
    assert gap.standard_error**2 == pytest.approx(contrast @ fit.covariance @ contrast, abs=1e-15)


def test_fixed_cases_are_the_paired_t_test_and_the_repeated_measures_anova():
    rng = np.random.default_rng(2)
    accuracy = rng.uniform(0.6, 0.9, (3, 6))
    three = obuchowski_rockette(accuracy, np.zeros((18, 18)), random="readers")
    long = pd.DataFrame(
        [(m, r, accuracy[m, r]) for m in range(3) for r in range(6)],
        columns=["modality", "reader", "accuracy"],
    )
    table = AnovaRM(long, "accuracy", "reader", within=["modality"]).fit().anova_table
    assert three.f == pytest.approx(table["F Value"].iloc[0])
    assert three.p_value == pytest.approx(table["Pr > F"].iloc[0])
    assert sorted(three.differences) == [(0, 1), (0, 2), (1, 2)]
    two = obuchowski_rockette(accuracy[:2], np.zeros((12, 12)), random="readers")
    test = ttest_rel(accuracy[0], accuracy[1])
    assert two.differences[0, 1].t == pytest.approx(test.statistic)
    assert two.p_value == pytest.approx(test.pvalue)


def test_one_modality_is_a_panel_mean():
    rng = np.random.default_rng(3)
    scores, label = draw_study(rng, draw_readers(rng))
    alone = mrmc_auc(scores[:, :1], label)
    assert alone.means[0] == mrmc_auc(scores, label).means[0]
    assert alone.differences == {}
    assert np.isnan([alone.f, alone.p_value, alone.components.cov1]).all()
    fit = auc_covariance(scores[:, 0], label)
    assert alone.means[0] == reader_mean(fit.auc, fit.covariance)


def test_names_of_readers_and_modalities_do_not_matter():
    rng = np.random.default_rng(4)
    scores, label = draw_study(rng, draw_readers(rng, 3))
    exams = rng.permutation(len(label))
    for random in RANDOM:
        study = mrmc_auc(scores, label, random=random)
        again = mrmc_auc(
            scores[exams][:, [2, 0, 1]][:, :, [3, 1, 4, 0, 2]], label[exams], random=random
        )
        assert (again.f, again.df2) == pytest.approx((study.f, study.df2))
        assert again.differences[0, 2].value == pytest.approx(-study.differences[1, 2].value)
        assert again.differences[0, 2].low == pytest.approx(-study.differences[1, 2].high)
        assert again.means[0].ci == pytest.approx(study.means[2].ci)


@pytest.mark.parametrize("random", RANDOM)
def test_identical_modalities_do_not_differ(random):
    rng = np.random.default_rng(5)
    scores, label = draw_study(rng, draw_readers(rng, 1))
    study = mrmc_auc(np.repeat(scores, 2, axis=1), label, random=random)
    gap = study.differences[0, 1]
    assert (gap.value, gap.t, gap.p_value, study.f, study.p_value) == (0, 0, 1, 0, 1)
    assert np.isnan(gap.ci).all()


def test_weights_count_a_patient_as_often_as_rows_would():
    rng = np.random.default_rng(6)
    scores, label = draw_study(rng, draw_readers(rng))
    times = rng.integers(1, 4, len(label))
    rows = np.repeat(np.arange(len(label)), times)
    patients = np.arange(len(label)) // 2
    weighted = mrmc_auc(scores, label, times, patients)
    repeated = mrmc_auc(scores[rows], label[rows], None, patients[rows])
    assert weighted.differences[0, 1].ci == pytest.approx(repeated.differences[0, 1].ci)
    for metric in METRICS:
        weighted = mrmc_decisions(scores > 0.7, label, metric, times, patients)
        repeated = mrmc_decisions(scores[rows] > 0.7, label[rows], metric, None, patients[rows])
        assert weighted.means[1].ci == pytest.approx(repeated.means[1].ci)
        doubled = mrmc_decisions(scores > 0.7, label, metric, 2.0 * times, patients)
        assert weighted.differences[0, 1].ci == pytest.approx(doubled.differences[0, 1].ci)


def test_decisions_by_hand():
    """Two readers, four cancers, no cluster: p (1 - p) / (n - 1) and the plain covariance."""
    recall = np.array([[1, 1], [1, 0], [1, 1], [0, 0], [1, 0], [0, 0]])[:, None, :]
    label = [1, 1, 1, 1, 0, 0]
    study = mrmc_decisions(recall, label, "sensitivity", random="cases")
    assert study.reader_accuracy == pytest.approx(np.array([[0.75, 0.5]]))
    assert study.components.error_variance == pytest.approx((0.1875 + 0.25) / 2 / 3)
    assert study.components.cov2 == pytest.approx((0.5 - 0.75 * 0.5) / 3)
    assert mrmc_decisions(recall, label, "specificity").means[0].value == pytest.approx(0.75)
    rate = mrmc_decisions(recall, label, "recall_rate", [1, 1, 1, 1, 4, 4])
    assert rate.reader_accuracy == pytest.approx(np.array([[7 / 12, 2 / 12]]))


def test_readers_who_miss_nothing_are_not_certain():
    label = np.arange(20) < 8
    recall = np.broadcast_to(label[:, None, None], (20, 1, 3))
    mean = mrmc_decisions(recall, label, "sensitivity").means[0]
    assert mean.value == 1 and np.isnan(mean.ci).all()


def test_the_test_keeps_its_level_where_fixed_readers_do_not():
    """Two modalities alike, readers drawn anew: 5% at most by chance to 8.5% in 300 studies."""
    rng = np.random.default_rng(7)
    studies = [draw_study(rng, draw_readers(rng)) for _ in range(300)]
    errors = {
        random: np.mean([mrmc_auc(*study, random=random).p_value < 0.05 for study in studies])
        for random in ("readers_and_cases", "cases")
    }
    assert 0.02 < errors["readers_and_cases"] < 0.085
    assert errors["cases"] > 0.2


def test_fixed_readers_cover_their_own_difference():
    rng = np.random.default_rng(8)
    readers = draw_readers(rng)
    truth = norm.cdf((1.5 + readers[1] - readers[0]) / 2**0.5).mean(axis=1)
    gaps = [
        mrmc_auc(*draw_study(rng, readers), random="cases").differences[0, 1] for _ in range(300)
    ]
    covered = np.mean([gap.low <= truth[0] - truth[1] <= gap.high for gap in gaps])
    assert 0.915 < covered < 0.98


def test_model_against_readers_covers_the_planted_difference():
    rng = np.random.default_rng(9)
    truth = norm.cdf(1.2 / 2**0.5) - norm.cdf(1.5 / (2 + 2 * (0.3 + 0.1)) ** 0.5)
    covered = {"readers_and_cases": [], "cases": []}
    for _ in range(300):
        scores, label = draw_study(rng, draw_readers(rng, 1, 6, by_reader=0.3))
        model = np.where(label, 1.2, 0.0) + rng.normal(size=len(label))
        for random, hits in covered.items():
            gap = compare_with_readers(model, scores[:, 0], label, random=random).difference
            hits.append(gap.low <= truth <= gap.high)
    assert 0.91 < np.mean(covered["readers_and_cases"]) < 0.98
    assert np.mean(covered["cases"]) < np.mean(covered["readers_and_cases"]) - 0.05


def test_model_against_one_reader_is_the_paired_delong_test():
    rng = np.random.default_rng(10)
    scores, label = draw_study(rng, draw_readers(rng, n_readers=1))
    patients = np.arange(len(label)) // 3
    model, reader = scores[:, :, 0].T
    against = compare_with_readers(model, reader[:, None], label, None, patients, random="cases")
    pair = compare_aucs(model, reader, label, None, patients)
    assert against.difference.ci == pytest.approx(pair.difference.ci, abs=1e-12)
    assert against.difference.p_value == pytest.approx(pair.p_value, abs=1e-12)
    assert against.model.value - against.readers.value == pytest.approx(pair.difference.value)


def test_error_of_the_model_does_not_shrink_with_readers():
    """Many readers alike: what is left is the model's variance, as against one reader."""
    rng = np.random.default_rng(11)
    scores, label = draw_study(rng, draw_readers(rng, n_readers=1))
    model, reader = scores[:, :, 0].T
    copies = np.repeat(reader[:, None], 30, axis=1)
    against = compare_with_readers(model, copies, label)
    pair = compare_aucs(model, reader, label)
    assert against.difference.ci == pytest.approx(pair.difference.ci, abs=1e-12)


def test_nyu_readers_and_systems(shared_data):
    """Fourteen radiologists, the breasts of a patient one case."""
    frame = pd.read_csv(shared_data / "nyu_reader_study" / "results_half_by_exam.csv")
    readers = frame.filter(regex="^Reader").to_numpy()
    patients = frame["case_ID"].astype(str)
    against = compare_with_readers(
        frame["AI_GMIC_top5_POM"], readers, frame["label"], None, patients
    )
    assert readers.shape[1] == len(against.reader_aucs) == 14
    assert against.readers.value == pytest.approx(against.reader_aucs.mean(), abs=1e-12)
    assert against.difference.value == pytest.approx(against.model.value - against.readers.value)
    fixed = compare_with_readers(
        frame["AI_GMIC_top5_POM"], readers, frame["label"], None, patients, random="cases"
    )
    assert fixed.difference.standard_error < against.difference.standard_error
    panel = mrmc_auc(readers[:, None], frame["label"], None, patients)
    assert panel.means[0] == against.readers


def test_missing_readings_are_named():
    rng = np.random.default_rng(12)
    scores, label = draw_study(rng, draw_readers(rng))
    scores[7, 1, 3] = np.nan
    with pytest.raises(ValueError, match="fully crossed.*1 readings.*exam 7, modality 1, reader 3"):
        mrmc_auc(scores, label)
    with pytest.raises(ValueError, match="reader_scores must be fully crossed.*exam 7.*reader 3"):
        compare_with_readers(scores[:, 0, 0], scores[:, 1], label)
    with pytest.raises(ValueError, match="recall must be fully crossed"):
        mrmc_decisions(scores, label, "sensitivity")


def test_wrong_arguments_are_named():
    rng = np.random.default_rng(13)
    scores, label = draw_study(rng, draw_readers(rng))
    with pytest.raises(ValueError, match="'both' is unknown; valid: readers_and_cases, cases, r"):
        mrmc_auc(scores, label, random="both")
    with pytest.raises(ValueError, match="only one; use random='cases'"):
        mrmc_auc(scores[:, :, :1], label)
    with pytest.raises(ValueError, match="only one; use random='cases'"):
        compare_with_readers(scores[:, 0, 0], scores[:, 0, 1:2], label)
    with pytest.raises(ValueError, match=r"shape \(n_exams, n_modalities, n_readers\)"):
        mrmc_auc(scores[:, 0], label)
    with pytest.raises(ValueError, match="no positive row"):
        mrmc_auc(scores, np.zeros(len(label)))
    with pytest.raises(ValueError, match="two patients with cancer"):
        mrmc_auc(scores, label, patient_ids=["p"] * len(label))
    with pytest.raises(ValueError, match="two patients in every column"):
        mrmc_decisions(scores > 1, label, "specificity", patient_ids=["p"] * len(label))
    with pytest.raises(ValueError, match="two patients in every column"):
        mrmc_decisions(scores > 1, np.zeros(len(label)), "sensitivity")
    with pytest.raises(ValueError, match="recall must be 0 or 1; 100 exams are not, first: 0, 1"):
        mrmc_decisions(scores, label, "sensitivity")
    with pytest.raises(ValueError, match="'ppv' is unknown; valid: sensitivity, specificity, rec"):
        mrmc_decisions(scores > 1, label, "ppv")
    with pytest.raises(ValueError, match="label has 99 rows where 100 are needed"):
        mrmc_auc(scores, label[1:])
    with pytest.raises(ValueError, match="reader_scores must have 100 rows"):
        compare_with_readers(scores[:, 0, 0], scores[:50, 0], label)
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        mrmc_auc(scores, label, confidence=95)


def test_wrong_accuracies_and_covariances_are_named():
    with pytest.raises(ValueError, match=r"covariance must have the shape \(10, 10\)"):
        obuchowski_rockette(VAN_DYKE_AUC, np.eye(5))
    lopsided = np.eye(10)
    lopsided[0, 1] = 0.5
    with pytest.raises(ValueError, match="finite and symmetric"):
        obuchowski_rockette(VAN_DYKE_AUC, lopsided)
    with pytest.raises(ValueError, match="finite and symmetric"):
        reader_mean(VAN_DYKE_AUC[0], np.full((5, 5), np.nan))
    with pytest.raises(ValueError, match="accuracy must be finite"):
        obuchowski_rockette(np.full((2, 5), np.nan), np.eye(10))
    with pytest.raises(ValueError, match="accuracy must have two dimensions"):
        obuchowski_rockette(VAN_DYKE_AUC[0], np.eye(5))
    with pytest.raises(ValueError, match="one shape"):
        share_covariance([[1, 0]], [[1, 0], [1, 1]])
