"""The adversary unlearns a planted device; one that sees the label keeps a planted label."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from mammolab.errors import InputError
from mammolab.evaluate.roc import auc
from mammolab.model.adversary import AdversaryConfig, ReversedGradient, train_encoder

LABEL_SHIFT, DEVICE_SHIFT = 1.5, 2.5  # standard deviations, of the first and the second feature
IDEAL = norm.cdf(LABEL_SHIFT / np.sqrt(2))  # AUC of the label's feature alone


def planted(n, together, seed):
    """Label and device, which agree more often by `together`, and a feature for each."""
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.5
    device = np.where(rng.random(n) < together, label, rng.random(n) < 0.5)
    features = rng.normal(size=(n, 6))
    features[:, 0] += LABEL_SHIFT * label
    features[:, 1] += DEVICE_SHIFT * device
    return features, label, np.where(device, "birch", "alder")


def judge(adversary, seed):
    """AUC where device and label are unrelated; trace of the device, and a probe, at fixed label."""
    features, label, device = planted(3000, 0.8, seed)
    config = AdversaryConfig(adversary)
    encoder = train_encoder(features, label, device, config, np.random.default_rng(seed))
    features, label, device = planted(6000, 0.0, seed + 100)
    score, birch, healthy = encoder.score(features), device == "birch", ~label
    fresh = LogisticRegression()
    seen = encoder.represent(features)
    early = np.arange(len(label)) < 3000
    fresh.fit(seen[healthy & early], birch[healthy & early])
    probed = healthy & ~early
    return (
        auc(score, label),
        auc(score[healthy], birch[healthy]),
        auc(fresh.decision_function(seen[probed]), birch[probed]),
    )


class TestPlantedTruth:
    def test_without_an_adversary_the_score_looks_at_the_device(self):
        area, trace, probe = judge("none", 0)
        assert area < IDEAL - 0.05
        assert trace > 0.75
        assert probe > 0.75

    @pytest.mark.parametrize("seed", range(3))
    def test_one_that_sees_the_label_unlearns_the_device_and_keeps_the_label(self, seed):
        area, trace, probe = judge("conditional", seed)
        assert area == pytest.approx(IDEAL, abs=0.03)
        assert trace == pytest.approx(0.5, abs=0.1)
        assert probe == pytest.approx(0.5, abs=0.1)

    def test_one_that_does_not_see_it_unlearns_the_label_too(self):
        areas = [judge("unconditional", seed)[0] for seed in range(3)]
        assert np.mean(areas) < IDEAL - 0.1

    def test_both_do_no_harm_where_label_and_device_are_unrelated(self):
        features, label, device = planted(3000, 0.0, 5)
        test, truth, _ = planted(6000, 0.0, 6)
        for adversary in ("none", "unconditional", "conditional"):
            encoder = train_encoder(
                features, label, device, AdversaryConfig(adversary), np.random.default_rng(5)
            )
            assert auc(encoder.score(test), truth) == pytest.approx(IDEAL, abs=0.03)


class TestTraining:
    @pytest.mark.parametrize("adversary", ["none", "conditional"])
    def test_is_set_by_the_seed_and_leaves_torch_as_it_was(self, adversary):
        data = planted(200, 0.5, 1)
        config = AdversaryConfig(adversary, steps=20)
        torch.manual_seed(3)
        before, threads = torch.get_rng_state(), torch.get_num_threads()
        first, again, other = (
            train_encoder(*data, config, np.random.default_rng(seed)).score(data[0])
            for seed in (1, 1, 2)
        )
        assert (first == again).all()
        assert not np.allclose(first, other)
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.get_num_threads() == threads

    def test_the_gradient_is_reversed_and_scaled(self):
        z = torch.tensor([1.0, -2.0], requires_grad=True)
        (ReversedGradient.apply(z, 0.5) * torch.tensor([3.0, 4.0])).sum().backward()
        assert z.grad.tolist() == [-1.5, -2.0]

    def test_units_and_constant_features_do_not_matter(self):
        features, label, device = planted(300, 0.5, 2)
        config = AdversaryConfig("conditional", steps=20)
        # factors of two are exact
        other = np.column_stack([features * 4, np.full(300, 7.0)])
        plain = np.column_stack([features, np.zeros(300)])
        first = train_encoder(plain, label, device, config, np.random.default_rng(0))
        second = train_encoder(other, label, device, config, np.random.default_rng(0))
        assert first.score(plain) == pytest.approx(second.score(other), abs=1e-4)


class TestBadInput:
    def test_unknown_adversary(self):
        with pytest.raises(InputError, match="'both'; it must be one of none, unconditional"):
            AdversaryConfig("both")

    def test_sizes_and_strength(self):
        with pytest.raises(InputError, match="size, strength of an adversary is too small"):
            AdversaryConfig(size=0, strength=-1.0)

    def test_features_with_a_gap(self):
        features, label, device = planted(50, 0.5, 0)
        features[3, 1] = np.nan
        with pytest.raises(InputError, match="finite numbers .* with a NaN"):
            train_encoder(features, label, device, AdversaryConfig(), np.random.default_rng(0))

    def test_one_device(self):
        features, label, _ = planted(50, 0.5, 0)
        with pytest.raises(InputError, match="All exams are of the device alder"):
            train_encoder(
                features,
                label,
                ["alder"] * 50,
                AdversaryConfig("conditional"),
                np.random.default_rng(0),
            )

    def test_one_class(self):
        features, _, device = planted(50, 0.5, 0)
        with pytest.raises(ValueError, match="no positive"):
            train_encoder(
                features, [False] * 50, device, AdversaryConfig(), np.random.default_rng(0)
            )
