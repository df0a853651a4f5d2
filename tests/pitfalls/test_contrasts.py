"""What the guards share: contrasts of groups, permutations of women, and the linear probe."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from mammolab.evaluate.multiplicity import max_t
from mammolab.evaluate.resampling import sum_replicates
from mammolab.evaluate.roc import auc
from mammolab.pitfalls import _permutation
from mammolab.pitfalls._contrasts import draw_bootstrap, group_contrasts, most_telling
from mammolab.pitfalls._cross_validation import RIDGE, principal_components, probe_aucs
from mammolab.pitfalls._permutation import blocks_of_others, rows_of_others


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    patient = rng.integers(0, 150, 400)
    return {
        "value": rng.normal(size=400),
        "groups": rng.integers(0, 3, 400)[:, None] == np.arange(3),
        "patient": patient,
        "weight": rng.uniform(1, 5, 400),
    }


def test_contrasts_are_max_t_of_the_patient_bootstrap(table):
    found = group_contrasts(**table, rng=np.random.default_rng(1))
    value, groups, patient, weight = table.values()
    bootstrap = draw_bootstrap(patient, np.random.default_rng(1))
    gaps, replicates = [], []
    for rows in groups.T:
        inside, rest = weight * rows, weight * ~rows
        gaps.append(np.average(value, weights=inside) - np.average(value, weights=rest))
        means = [
            sum_replicates(part * value, patient, bootstrap)
            / sum_replicates(part, patient, bootstrap)
            for part in (inside, rest)
        ]
        replicates.append(means[0] - means[1])
    assert found.gap == pytest.approx(gaps)
    reference = max_t(np.array(gaps), np.stack(replicates, axis=1))
    assert found.p_adjusted == pytest.approx(reference.p_adjusted, abs=0.011)


def test_a_small_group_in_which_all_are_alike_claims_no_certainty():
    # 90 of 100 women have the value; so do all 20 of the small group, with chance .9^20 = .12.
    value = np.ones(120)
    value[20:30] = 0
    groups = (np.arange(120) < 20)[:, None]
    rest = {"patient": np.arange(120), "weight": np.ones(120), "rng": np.random.default_rng(0)}
    bold = group_contrasts(value, groups, **rest)
    sober = group_contrasts(value, groups, **rest, null_spread=np.sqrt(0.09))
    assert bold.p_adjusted[0] < 0.01
    assert sober.p_adjusted[0] > 0.1


def test_women_change_places_as_a_whole():
    patient = np.array([3, 3, 0, 1, 1, 2, 4, 4, 4])
    kind = np.array([0, 0, 1, 0, 0])  # of the five; the third is alone in hers
    drawn = np.concatenate(list(blocks_of_others(patient, 200, np.random.default_rng(0), kind)))
    assert drawn.shape == (200, 9)
    for woman in range(5):
        received = patient[drawn[:, patient == woman]]
        assert (received == received[:, :1]).all()  # all of hers are of one other
        assert set(received[:, 0]) == ({2} if woman == 2 else {0, 1, 3, 4})
    three = drawn[:, patient == 4]
    assert all(len(set(row)) == min(3, (patient == patient[row[0]]).sum()) for row in three)


def test_blocks_hold_the_same_draws_as_one_by_one(monkeypatch):
    patient = np.arange(30) // 3
    one_by_one = list(rows_of_others(patient, 7, np.random.default_rng(1)))
    monkeypatch.setattr(_permutation, "_BLOCK_CELLS", 60)
    blocks = list(blocks_of_others(patient, 7, np.random.default_rng(1)))
    assert [len(block) for block in blocks] == [2, 2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(blocks), one_by_one)


def test_the_worst_of_the_significant_is_told():
    assert most_telling(np.array([3.0, 2.0, 9.0]), np.array([0.01, 0.001, 0.3])) == 0
    assert most_telling(np.array([3.0, 2.0, 9.0]), np.array([0.4, 0.2, 0.3])) == 1


def test_probe_agrees_with_ridge_regression(table):
    rng = np.random.default_rng(2)
    features = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6))
    label = features[:, 0] + rng.normal(size=400) > 0.5
    weight = table["weight"]
    components = principal_components(features, weight)
    folds, everyone = table["patient"] % 4, np.zeros(400, dtype=np.intp)
    found = probe_aucs(components, label[:, None], everyone, folds, weight)[0]
    won = pairs = 0.0
    for fold in range(4):
        out = folds == fold
        model = Ridge(alpha=RIDGE * weight[~out].sum())
        model.fit(components[~out], label[~out], sample_weight=weight[~out])
        n_pairs = weight[out & label].sum() * weight[out & ~label].sum()
        won += n_pairs * auc(model.predict(components[out]), label[out], weight[out])
        pairs += n_pairs
    assert found == pytest.approx(won / pairs)


def test_components_keep_what_varies():
    rng = np.random.default_rng(3)
    two = rng.normal(size=(300, 2))
    features = np.column_stack([two, two.sum(axis=1), np.full(300, 7.0)])
    components = principal_components(features, np.ones(300))
    assert components.shape == (300, 2)
    assert np.cov(components.T, bias=True) == pytest.approx(np.eye(2), abs=1e-8)
