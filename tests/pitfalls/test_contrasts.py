"""What the guards share: contrasts of groups, permutations of women, and the linear probe."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from mammolab.evaluate.multiplicity import max_t
from mammolab.evaluate.resampling import sum_replicates
from mammolab.evaluate.roc import auc
from mammolab.pitfalls._contrasts import draw_bootstrap, group_contrasts, most_telling
from mammolab.pitfalls._cross_validation import RIDGE, principal_components, probe_aucs
from mammolab.pitfalls._permutation import exchanged_rows


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
    patient = np.array([5, 5, 0, 1, 1, 2, 9, 9, 9])
    stratum = np.array([0, 0, 0, 0, 0, 1, 0, 0, 0])
    drawn = np.concatenate(list(exchanged_rows(patient, stratum, 200, np.random.default_rng(0))))
    assert drawn.shape == (200, 9)
    assert (np.sort(drawn, axis=1) == np.arange(9)).all()
    pairs = {tuple(row[[0, 1]]) for row in drawn}
    assert pairs == {(0, 1), (3, 4)}  # the two women with two rows, in their order
    assert (drawn[:, [2, 5, 6, 7, 8]] == [2, 5, 6, 7, 8]).all()  # the others are alone


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
