"""Weighted logistic regression against scikit-learn, with and without a prior."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from mammolab.evaluate.logistic import fit_logistic


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)) * [1.0, 10.0, 0.1]
    label = rng.random(400) < expit(x @ [0.8, -0.05, 4.0] - 1)
    return x, label, rng.choice([0.5, 1.0, 4.0], 400)


@pytest.mark.parametrize("precision", [0.0, 1.0, 50.0])
def test_it_is_the_fit_of_scikit_learn(rows, precision):
    x, label, weight = rows
    theirs = LogisticRegression(
        C=1 / precision if precision else np.inf, solver="newton-cholesky", tol=1e-10
    ).fit(x, label, weight)
    columns = np.column_stack([np.ones(len(x)), x])
    ours = fit_logistic(columns, label, weight, precision=np.array([0, *(3 * [precision])]))
    np.testing.assert_allclose(ours, np.r_[theirs.intercept_, theirs.coef_[0]], rtol=1e-5)


def test_a_prior_keeps_separated_classes_finite():
    x = np.linspace(-1, 1, 50)[:, None]
    found = fit_logistic(x, (x[:, 0] > 0).astype(float), np.ones(50), precision=1.0)
    assert np.isfinite(found).all() and found[0] > 1
