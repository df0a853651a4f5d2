"""AUCs of many studies at once agree with those of one at a time."""

import numpy as np
import pytest
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.evaluate.delong import auc_covariance
from mammolab.pitfalls.many_aucs import auc_separation, many_aucs


def test_each_study_is_delongs_and_obuchowskis():
    rng = np.random.default_rng(0)
    cancers, healthy = rng.normal(1, 1, (3, 12, 4)), rng.normal(0, 1, (3, 20, 4))
    for scores in (cancers, healthy):
        scores += rng.normal(0, 1, (*scores.shape[:2], 1))
        scores[:, ::2, 3] = np.nan  # every second woman has three images
    fit = many_aucs(cancers, healthy)
    for k in range(3):
        score = np.concatenate([cancers[k], healthy[k]])
        shown = ~np.isnan(score)
        patient, _ = np.nonzero(shown)
        label = patient < 12
        by_image = auc_covariance(score[shown], label)
        by_patient = auc_covariance(score[shown], label, patient_ids=patient)
        assert fit.auc[k] == pytest.approx(by_image.auc[0], abs=1e-12)
        assert fit.image_variance[k] == pytest.approx(by_image.covariance[0, 0], rel=1e-10)
        assert fit.patient_variance[k] == pytest.approx(by_patient.covariance[0, 0], rel=1e-10)


def test_one_image_a_woman_leaves_one_variance():
    rng = np.random.default_rng(1)
    fit = many_aucs(rng.normal(1, 1, (5, 10, 1)), rng.normal(0, 1, (5, 15, 1)))
    np.testing.assert_allclose(fit.image_variance, fit.patient_variance)


def test_separation_gives_the_auc():
    assert norm.cdf(auc_separation(0.83) / np.sqrt(2)) == pytest.approx(0.83)
    with pytest.raises(InputError, match=r"not 1\.0"):
        auc_separation(1.0)


def test_refusals():
    with pytest.raises(InputError, match="shape"):
        many_aucs(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(InputError, match="two women"):
        many_aucs(np.zeros((2, 1, 1)), np.zeros((2, 3, 1)))
