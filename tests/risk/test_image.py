"""The image model finds a planted direction, equals its own pipeline, and survives JSON."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mammolab.errors import InputError
from mammolab.risk.image import ImageRiskModel


@pytest.fixture(scope="module")
def planted():
    """2,000 exams, 60 correlated features, a risk of log odds .8 per SD along one of 8 factors."""
    rng = np.random.default_rng(4)
    factors = rng.normal(size=(2000, 8))
    features = factors @ rng.normal(size=(8, 60)) + 0.3 * rng.normal(size=(2000, 60))
    label = rng.random(2000) < 1 / (1 + np.exp(2 - 0.8 * factors[:, 0]))
    return features, label, factors[:, 0]


def test_a_planted_direction_is_found(planted):
    features, label, factor = planted
    model = ImageRiskModel.fit(features[:1000], label[:1000], 10)
    score = model.score(features[1000:])
    assert abs(np.corrcoef(score, factor[1000:])[0, 1]) > 0.9
    best = roc_auc_score(label[1000:], factor[1000:])
    assert roc_auc_score(label[1000:], score) == pytest.approx(best, abs=0.03)


def test_one_vector_of_weights_does_what_the_pipeline_does(planted):
    features, label, _ = planted
    pipeline = make_pipeline(
        StandardScaler(), PCA(10, whiten=True, svd_solver="full"), LogisticRegression(C=0.1)
    ).fit(features, label)
    ours = ImageRiskModel.fit(features, label, 10).score(features)
    np.testing.assert_allclose(ours, pipeline.decision_function(features), atol=1e-3)


def test_it_comes_back_from_json(planted, tmp_path):
    features, label, _ = planted
    model = ImageRiskModel.fit(features, label, 5)
    model.save(tmp_path / "model.json")
    back = ImageRiskModel.load(tmp_path / "model.json")
    np.testing.assert_array_equal(back.score(features), model.score(features))


def test_impossible_fits_are_refused(planted):
    features, label, _ = planted
    with pytest.raises(InputError, match="at most 60"):
        ImageRiskModel.fit(features, label, 61)
    with pytest.raises(InputError, match="with and without"):
        ImageRiskModel.fit(features, np.zeros(len(features), bool), 5)
