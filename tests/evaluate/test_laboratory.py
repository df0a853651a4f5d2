"""The laboratory effect against hand counts, a published interval, and planted truth."""

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from mammolab.evaluate.laboratory import laboratory_effect
from mammolab.evaluate.readers import METRICS, mrmc_decisions

PREVALENCE = 0.01
MEAN = {(0, True): 0.9, (1, True): 1.2, (0, False): -0.8, (1, False): -1.4}  # probit of recall
BETWEEN_READERS, BY_SETTING, CASE = 0.3, 0.2, 0.7  # standard deviations


def draw(rng, n_readers=6, in_laboratory=(60, 120), in_clinic=(25, 300), change=True):
    """Rows of a study: all read the laboratory's cases, each reader has own patients in the clinic.

    Weights bring both to `PREVALENCE`; without `change`, the clinic is as the laboratory.
    """
    parts = []
    for positive, n_laboratory, n_clinic in zip(
        (True, False), in_laboratory, in_clinic, strict=True
    ):
        common = rng.normal(0, BETWEEN_READERS, n_readers)
        for where, n in enumerate((n_laboratory, n_clinic)):
            level = MEAN[where if change else 0, positive] + common
            level = level + rng.normal(0, BY_SETTING, n_readers)
            shared = rng.normal(0, CASE, (n, 1)) if where == 0 else np.zeros((n, 1))
            noise = (1 - CASE**2) ** 0.5 if where == 0 else 1.0
            recall = level + shared + rng.normal(0, noise, (n, n_readers)) > 0
            exam, reader = np.indices(recall.shape)
            patient = exam if where == 0 else n_readers * exam + reader
            prior = PREVALENCE if positive else 1 - PREVALENCE
            parts.append(
                (
                    np.array([f"r{j}" for j in range(n_readers)])[reader.ravel()],
                    np.repeat(["laboratory", "clinic"][where], recall.size),
                    recall.ravel(),
                    np.repeat(positive, recall.size),
                    patient.ravel() + 100_000 * (2 * where + positive),
                    np.repeat(prior / n, recall.size),
                )
            )
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def planted():
    """Laboratory minus clinic of each metric, over readers."""
    spread = (1 + BETWEEN_READERS**2 + BY_SETTING**2) ** 0.5
    rate = {key: norm.cdf(mean / spread) for key, mean in MEAN.items()}
    sensitivity = rate[0, True] - rate[1, True]
    alarms = rate[0, False] - rate[1, False]
    recall_rate = PREVALENCE * sensitivity + (1 - PREVALENCE) * alarms
    return {"sensitivity": sensitivity, "specificity": -alarms, "recall_rate": recall_rate}


def simple(first_counts, second_counts):
    """One reader's rows from (recalled cancers, cancers, recalled others, others) a setting."""
    columns = [[], [], []]
    for setting, (tp, n_cancers, fp, n_others) in zip(
        ("laboratory", "clinic"), (first_counts, second_counts), strict=True
    ):
        columns[0] += [setting] * (n_cancers + n_others)
        columns[1] += [1] * tp + [0] * (n_cancers - tp) + [1] * fp + [0] * (n_others - fp)
        columns[2] += [1] * n_cancers + [0] * n_others
    setting, recall, label = (np.array(column) for column in columns)
    return np.repeat("r", len(label)), setting, recall, label, np.arange(len(label))


def test_one_reader_by_hand_and_against_newcombe():
    """Unclustered, the variance is p (1 - p) / (n - 1): Newcombe's interval with n - 1."""
    effect = laboratory_effect(*simple((15, 21, 18, 61), (36, 41, 9, 101)))
    rates = effect.sensitivity.readers["r"]
    assert rates.laboratory.value == pytest.approx(15 / 21)
    assert rates.clinic.value == pytest.approx(36 / 41)
    scaled = 15 / 21 * 20, 20, 36 / 41 * 40, 40
    expected = confint_proportions_2indep(*scaled, method="newcomb", compare="diff")
    assert rates.difference.value == pytest.approx(15 / 21 - 36 / 41)
    assert rates.difference.ci == pytest.approx(expected, abs=1e-10)
    wilson = proportion_confint(scaled[0], 20, method="wilson")
    assert rates.laboratory.ci == pytest.approx(wilson, abs=1e-10)
    assert effect.specificity.readers["r"].clinic.value == pytest.approx(92 / 101)
    assert effect.recall_rate.readers["r"].laboratory.value == pytest.approx(33 / 82)


def test_a_single_reader_has_no_interval_over_readers():
    effect = laboratory_effect(*simple((15, 20, 18, 60), (36, 40, 9, 100)))
    alone = effect.specificity.over_readers
    assert alone.difference.value == pytest.approx(42 / 60 - 91 / 100)
    assert np.isnan([*alone.laboratory.ci, *alone.clinic.ci, *alone.difference.ci]).all()
    assert np.isnan(effect.specificity.p_value)


def test_a_reader_who_misses_nothing_is_not_certain():
    rates = laboratory_effect(*simple((20, 20, 5, 50), (30, 30, 5, 50))).sensitivity.readers["r"]
    assert rates.laboratory.ci == pytest.approx((20 / (20 + norm.ppf(0.975) ** 2), 1))
    assert rates.difference.low < -0.1 and rates.difference.high > 0.1


def test_intervals_cover_the_planted_effect():
    rng = np.random.default_rng(0)
    hits = {metric: [] for metric in METRICS}
    for _ in range(150):
        effect = laboratory_effect(*draw(rng))
        for metric, truth in planted().items():
            gap = getattr(effect, metric).over_readers.difference
            hits[metric].append(gap.low <= truth <= gap.high)
    for metric in METRICS:
        assert 0.9 <= np.mean(hits[metric]) < 1


def test_no_effect_is_rarely_found_and_a_large_one_is():
    rng = np.random.default_rng(1)
    found = {True: [], False: []}
    for change, hits in found.items():
        for _ in range(60):
            hits.append(laboratory_effect(*draw(rng, change=change)).specificity.p_value < 0.05)
    assert np.mean(found[False]) < 0.15
    assert np.mean(found[True]) > 0.8


def test_weights_undo_the_enrichment():
    rng = np.random.default_rng(2)
    *rows, weight = draw(rng, change=False)
    raw = laboratory_effect(*rows).recall_rate.over_readers
    weighted = laboratory_effect(*rows, weight).recall_rate.over_readers
    # what a third against a thirteenth of cancers makes of sensitivity and false alarms alone
    spread = (1 + BETWEEN_READERS**2 + BY_SETTING**2) ** 0.5
    sensitivity, alarms = (norm.cdf(MEAN[0, truth] / spread) for truth in (True, False))
    assert raw.difference.value == pytest.approx(
        (sensitivity - alarms) * (1 / 3 - 1 / 13), abs=0.05
    )
    assert raw.difference.low > 0
    assert weighted.difference.low < 0 < weighted.difference.high


def test_weights_count_a_patient_as_often_as_rows_would():
    rng = np.random.default_rng(3)
    rows = draw(rng, 3, (10, 20), (10, 30))[:-1]
    times = rng.integers(1, 4, len(rows[0]))
    weighted = laboratory_effect(*rows, times)
    doubled = laboratory_effect(*rows, 2.0 * times)
    repeated = laboratory_effect(*(np.repeat(column, times) for column in rows))
    order = rng.permutation(len(times))
    shuffled = laboratory_effect(*(column[order] for column in rows), times[order])
    for metric in METRICS:
        expected = getattr(weighted, metric)
        for other in (
            getattr(doubled, metric),
            getattr(repeated, metric),
            getattr(shuffled, metric),
        ):
            assert other.p_value == pytest.approx(expected.p_value)
            assert other.over_readers.difference.ci == pytest.approx(
                expected.over_readers.difference.ci
            )
    for name, rates in weighted.sensitivity.readers.items():
        assert doubled.sensitivity.readers[name].difference.ci == pytest.approx(rates.difference.ci)


def test_the_same_exams_in_both_settings_are_pairs():
    rng = np.random.default_rng(4)
    n = 80
    label = np.arange(n) < 40
    easy = rng.normal(0, 2, n)
    recall = np.concatenate([easy + rng.normal(0, 0.5, n) > 0 for _ in range(4)])
    reader = np.repeat(["a", "b", "a", "b"], n)
    setting = np.repeat(["laboratory", "laboratory", "clinic", "clinic"], n)
    same = np.tile(np.arange(n), 4)
    rows = reader, setting, recall, np.tile(label, 4)
    paired = laboratory_effect(*rows, same)
    apart = laboratory_effect(*rows, np.arange(4 * n))
    gap, wider = (e.sensitivity.readers["a"].difference for e in (paired, apart))
    assert gap.value == wider.value
    assert gap.high - gap.low < 0.6 * (wider.high - wider.low)
    crossed = recall.reshape(2, 2, n).transpose(2, 0, 1)
    study = mrmc_decisions(crossed, label, "sensitivity")
    assert paired.sensitivity.p_value == pytest.approx(study.p_value)
    over = paired.sensitivity.over_readers
    assert over.difference.ci == pytest.approx(study.differences[0, 1].ci)
    assert over.laboratory.ci == pytest.approx(study.means[0].ci)


def test_clusters_widen_the_interval():
    reader, setting, recall, label, patients = simple((15, 20, 18, 60), (36, 40, 9, 100))
    alone = laboratory_effect(reader, setting, recall, label, patients)
    rows = [np.repeat(column, 3) for column in (reader, setting, recall, label, patients)]
    together = laboratory_effect(*rows)
    as_exams = laboratory_effect(*rows[:4], np.arange(len(rows[0])))
    for metric in METRICS:
        ours, repeated, naive = (
            getattr(e, metric).readers["r"].difference for e in (alone, together, as_exams)
        )
        assert repeated.ci == pytest.approx(ours.ci)
        assert naive.high - naive.low < 0.7 * (ours.high - ours.low)


def test_wrong_arguments_are_named():
    reader, setting, recall, label, patients = simple((15, 20, 18, 60), (36, 40, 9, 100))
    with pytest.raises(ValueError, match="'home' in row 0 is unknown; valid: laboratory, clinic"):
        laboratory_effect(reader, np.repeat("home", 220), recall, label, patients)
    two = np.where(np.arange(220) % 2, "r", "s")
    with pytest.raises(ValueError, match=r"two patients with cancer .*not so: s \(clinic\)"):
        there = np.where(two == "s", "laboratory", setting)
        laboratory_effect(two, there, recall, label, patients)
    with pytest.raises(ValueError, match=r"with cancer .*r \(laboratory\), r \(clinic\)"):
        laboratory_effect(reader, setting, recall, np.zeros(220), patients)
    with pytest.raises(ValueError, match="two patients without cancer"):
        laboratory_effect(reader, setting, recall, np.ones(220), patients)
    with pytest.raises(ValueError, match="two patients with cancer"):
        laboratory_effect(reader, setting, recall, label, np.repeat("p", 220))
    missing = reader.astype(object)
    missing[3] = None
    with pytest.raises(ValueError, match="reader_id is missing in 1 rows, first: 3"):
        laboratory_effect(missing, setting, recall, label, patients)
    with pytest.raises(ValueError, match="reader_id must have the shape"):
        laboratory_effect(reader[1:], setting, recall, label, patients)
    with pytest.raises(ValueError, match="setting must have the shape"):
        laboratory_effect(reader, setting[1:], recall, label, patients)
    with pytest.raises(ValueError, match="recall must be 0 or 1"):
        laboratory_effect(reader, setting, 2 * recall, label, patients)
    with pytest.raises(ValueError, match="sample_weight must not be negative"):
        laboratory_effect(reader, setting, recall, label, patients, -np.ones(220))
    with pytest.raises(ValueError, match="confidence"):
        laboratory_effect(reader, setting, recall, label, patients, confidence=0)
