"""The additive-hazard head: its shape by construction, its loss by hand, what it recovers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mammolab.errors import InputError
from mammolab.model.hazard import AdditiveHazard, HazardConfig, HazardData, hazard_logits
from mammolab.model.hazard_training import HazardTraining, balanced, fit_hazard, hazard_loss

QUICK = HazardTraining(steps=150, weight_decay=0.001)
LONG = replace(QUICK, steps=200, learning_rate=0.03, patience=100)


def data_of(features, status, weight=None, factors=None, known=None) -> HazardData:
    n = len(features)
    factors = np.zeros((n, 0)) if factors is None else factors
    known = np.ones(factors.shape, bool) if known is None else known
    weight = np.ones(status.shape) if weight is None else weight
    return HazardData(features, factors, known, status, weight)


def plant(n: int, seed: int) -> tuple[HazardData, np.ndarray]:
    """Exams with a planted additive hazard in two of five features, and their true risks."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5))
    addends = np.log1p(np.exp(-1.0 + 0.5 * x[:, [1]] + np.array([0.0, 0.2, 0.0, -0.2, 0.3])))
    truth = 1 / (1 + np.exp(2.5 - 0.7 * x[:, [0]] - addends.cumsum(axis=1)))
    return data_of(x, rng.random((n, 1)) < truth), truth


def auc_of(data: HazardData):
    """AUC of the last year, for `fit_hazard`."""

    def measure(logit: np.ndarray) -> float:
        case = data.status[:, -1]
        score = logit[:, -1]
        return float((score[case][:, None] > score[~case]).mean())

    return measure


def log_likelihood_of(data: HazardData):
    """Mean log likelihood over the years, for `fit_hazard`."""

    def measure(logit: np.ndarray) -> float:
        return float(np.mean(data.status * logit - np.logaddexp(0, logit)))

    return measure


@pytest.fixture(scope="module")
def planted():
    (train, _), (dev, truth) = plant(6_000, 1), plant(6_000, 2)
    config = HazardConfig(n_features=5, width=3)
    head, history = fit_hazard(config, LONG, train, dev, log_likelihood_of(dev))
    return train, dev, truth, head, history


@pytest.mark.parametrize("missing", ["indicator", "predicted"])
@pytest.mark.parametrize("size", [1.0, 100.0])
def test_whatever_the_weights_risk_never_falls_and_stays_a_probability(missing, size):
    rng = np.random.default_rng(0)
    head = AdditiveHazard(HazardConfig(4, width=2, n_factors=3, join=True, missing=missing))
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(torch.from_numpy(size * rng.normal(size=parameter.shape)))
    known = rng.random((200, 3)) < 0.7
    data = data_of(
        rng.normal(size=(200, 4)), np.zeros((200, 5), bool), None, rng.normal(size=(200, 3)), known
    )
    logit = hazard_logits(head, data)[0]
    risk = 1 / (1 + np.exp(-np.clip(logit, -700, 700)))
    assert np.isfinite(logit).all() and ((risk >= 0) & (risk <= 1)).all()
    assert (np.diff(logit, axis=1) >= 0).all()


def test_it_starts_at_the_incidence():
    head = AdditiveHazard(HazardConfig(n_features=4))
    head.start_at(np.array([0.0, 0.01, 0.02, 0.02, 0.05]))
    data = data_of(np.random.default_rng(0).normal(size=(3, 4)), np.zeros((3, 5), bool))
    risk = 1 / (1 + np.exp(-hazard_logits(head, data)[0]))
    np.testing.assert_allclose(risk, 3 * [[1e-4, 0.01, 0.02, 0.02, 0.05]], rtol=3e-4)


def test_the_loss_by_hand():
    logit = torch.tensor([[0.0, np.log(3.0)]], dtype=torch.float64)
    status = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    both = hazard_loss(logit, status, torch.tensor([[1.0, 2.0]]).double(), scale=4.0)
    assert both.item() == pytest.approx((np.log(2) + 2 * np.log(4 / 3)) / 4)
    masked = hazard_loss(logit, status, torch.tensor([[1.0, 0.0]]).double(), scale=1.0)
    assert masked.item() == pytest.approx(np.log(2))


def test_a_planted_hazard_comes_back(planted):
    _, dev, truth, head, _ = planted
    logit = hazard_logits(head, dev)[0]
    risk = 1 / (1 + np.exp(-logit))
    np.testing.assert_allclose(risk.mean(axis=0), truth.mean(axis=0), rtol=0.1)
    true_logit = np.log(truth / (1 - truth))
    for year in (0, 4):
        assert np.corrcoef(logit[:, year], true_logit[:, year])[0, 1] > 0.97
    best = auc_of(dev)(true_logit)
    assert auc_of(dev)(logit) == pytest.approx(best, abs=0.01)


def test_what_is_unknown_changes_nothing():
    train, _ = plant(800, 3)
    rng = np.random.default_rng(0)
    factors, known = rng.normal(size=(800, 2)), rng.random((800, 2)) < 0.6
    weight = (rng.random(train.status.shape) < 0.8).astype(float)
    data = replace(train, factors=factors, known=known, weight=weight)
    other = replace(
        data,
        factors=np.where(known, factors, 9.0),
        status=np.where(weight > 0, data.status, ~data.status),
    )
    config = HazardConfig(5, width=2, n_factors=2, join=True, missing="predicted")
    logits = []
    for one in (data, other):
        head, _ = fit_hazard(config, QUICK, one, one, auc_of(train))
        logits.append(hazard_logits(head, one)[0])
    np.testing.assert_array_equal(*logits)


def test_the_image_learns_to_predict_risk_factors():
    train, _ = plant(2_000, 4)
    factor = train.features[:, [2]] + 0.3 * np.random.default_rng(0).normal(size=(2_000, 1))
    data = replace(train, factors=factor, known=np.arange(2_000)[:, None] % 3 > 0)
    config = HazardConfig(n_features=5, width=3, n_factors=1)
    training = replace(QUICK, auxiliary_weight=1.0, patience=100)
    head, history = fit_hazard(config, training, data, data, auc_of(data))
    assert history["auxiliary_loss"].iloc[-1] < 0.3
    unknown = ~data.known[:, 0]
    predicted = hazard_logits(head, data)[1]
    assert np.corrcoef(predicted[unknown, 0], factor[unknown, 0])[0, 1] > 0.8


def test_weight_two_is_the_row_twice():
    train, _ = plant(600, 5)
    factors = train.features[:, :1] ** 2
    once = replace(train, factors=factors, known=np.ones((600, 1), bool))
    double = np.where(np.arange(600) < 300, 2.0, 1.0)[:, None]
    weighted = replace(once, weight=once.weight * double)
    rows = np.r_[np.arange(600), np.arange(300)]
    repeated = HazardData(
        *(
            getattr(once, name)[rows]
            for name in ("features", "factors", "known", "status", "weight")
        )
    )
    config = HazardConfig(5, width=2, n_factors=1, join=True)
    few = replace(QUICK, steps=60)
    logits = []
    for one in (weighted, repeated):
        head, _ = fit_hazard(config, few, one, once, auc_of(once))
        logits.append(hazard_logits(head, once)[0])
    np.testing.assert_allclose(*logits, rtol=1e-6)


def joined_heads(factor_decays, join=True) -> list[AdditiveHazard]:
    """Heads that differ in the decay of the factors alone; risk lies in the factors as well."""
    train, _ = plant(3_000, 8)
    factors = train.features[:, :2]
    data = replace(train, factors=factors, known=np.ones(factors.shape, bool))
    config = HazardConfig(n_features=5, width=3, n_factors=2, join=join)
    return [
        fit_hazard(config, replace(LONG, factor_decay=one), data, data, log_likelihood_of(data))[0]
        for one in factor_decays
    ]


def test_joined_factors_have_a_shrinkage_of_their_own():
    sizes = [
        (
            float((head.hazard.weight[:, 3:] ** 2).sum().detach()),
            float((head.hazard.weight[:, :3] ** 2).sum().detach()),
        )
        for head in joined_heads([0.0, 0.03, 30.0])
    ]
    of_factors, of_image = zip(*sizes, strict=True)
    assert of_factors[0] > of_factors[1] > of_factors[2]
    assert of_factors[2] < 1e-3 * of_factors[0]
    assert of_image[2] > of_image[0]  # the image, shrunk as before, takes the factors' part


def test_the_shrinkage_of_factors_is_nothing_to_a_head_without_them():
    one, other = joined_heads([0.0, 30.0], join=False)
    for name, weights in one.state_dict().items():
        assert torch.equal(weights, other.state_dict()[name])


def test_balance_shifts_every_year_alike():
    train, _ = plant(30_000, 6)
    data, shift = balanced(replace(train, weight=np.full(train.status.shape, 3.0)))
    case = data.status[:, -1]
    assert data.weight[case, -1].sum() == pytest.approx(data.weight[~case, -1].sum())
    odds = [
        (one.weight * one.status).sum(axis=0) / (one.weight * ~one.status).sum(axis=0)
        for one in (train, data)
    ]
    np.testing.assert_allclose(np.log(odds[1] / odds[0]), shift)


def test_a_repeat_is_the_same_on_any_number_of_threads(planted):
    train, dev, _, head, history = planted
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    torch.set_num_threads(1 if threads > 1 else 2)
    try:
        again, history_again = fit_hazard(head.config, LONG, train, dev, log_likelihood_of(dev))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(hazard_logits(again, dev)[0], hazard_logits(head, dev)[0])
    assert history_again.equals(history)
    other, _ = fit_hazard(head.config, replace(QUICK, seed=1), train, dev, auc_of(dev))
    assert not np.array_equal(hazard_logits(other, dev)[0], hazard_logits(head, dev)[0])


def test_the_step_that_dev_likes_best_is_kept(planted):
    train, dev, _, head, history = planted
    assert log_likelihood_of(dev)(hazard_logits(head, dev)[0]) == history["measure"].max()
    impatient = replace(QUICK, patience=1, steps=2_000)
    _, short = fit_hazard(head.config, impatient, train, dev, auc_of(dev))
    assert short["measure"].iloc[-1] <= short["measure"].iloc[-2]
    assert len(short) < 200


def test_bad_input_is_one_sentence():
    train, _ = plant(50, 7)
    config = HazardConfig(n_features=5)
    for status in (np.zeros_like(train.status), np.ones_like(train.status)):
        with pytest.raises(InputError, match="with and without cancer"):
            one = replace(train, status=status)
            fit_hazard(config, QUICK, one, one, lambda logit: 0.5)
    train = replace(train, status=np.arange(50)[:, None] < np.array([1, 2, 3, 4, 5]))
    with pytest.raises(InputError, match="not a number"):
        fit_hazard(config, QUICK, train, train, lambda logit: float("nan"))
    with pytest.raises(InputError, match="indicator, predicted"):
        HazardConfig(n_features=5, missing="mean")
    with pytest.raises(InputError, match="n_factors is 0"):
        HazardConfig(n_features=5, join=True)
    with pytest.raises(InputError, match="steps must be at least 10"):
        HazardTraining(steps=9)
    with pytest.raises(InputError, match="at least 1"):
        HazardConfig(n_features=5, width=0)
