"""Readers who move their criterion when the healthiest exams are gone."""

import numpy as np
import pytest
from scipy.stats import norm

from mammolab.evaluate.criterion import criterion_curve, rational_shift, shifted_rate
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.triage import simulate_triage


@pytest.fixture(scope="module")
def readings():
    """A binormal reader with d' = 2 whose evidence and criterion are known."""
    rng = np.random.default_rng(1)
    n = 60_000
    label = rng.random(n) < 0.05
    evidence = rng.standard_normal(n) + 2.0 * label
    score = 0.6 * evidence + 0.8 * rng.standard_normal(n)
    ids = [f"P{k}" for k in range(n)]
    return {
        "score": score,
        "label": label,
        "evidence": evidence,
        "ids": ids,
        "bootstrap": PatientBootstrap.draw(ids, 60, seed=2),
    }


def curve(readings, shift, rule_out=-0.5, recall=None):
    return criterion_curve(
        readings["score"],
        rule_out,
        shift,
        readings["evidence"] > 1.2 if recall is None else recall,
        readings["label"],
        readings["ids"],
        None,
        readings["bootstrap"],
    )


def test_no_shift_is_the_clinic_as_replayed(readings):
    here = curve(readings, [0.0])
    clinic = simulate_triage(
        readings["score"], -0.5, readings["evidence"] > 1.2, readings["label"], readings["ids"],
        None, readings["bootstrap"],
    )  # fmt: skip
    assert here.sensitivity.value[0] == pytest.approx(clinic.sensitivity_with.value)
    assert here.specificity.value[0] == pytest.approx(clinic.specificity_with.value)
    assert here.sensitivity_difference.low[0] == pytest.approx(
        clinic.sensitivity_difference.low, abs=1e-6
    )
    assert here.prevalence_after > here.prevalence_before


def test_a_reader_who_really_moves_gives_the_rates_foreseen(readings):
    """Without triage the evidence is binormal exactly, so the formula is exact but for chance."""
    here = curve(readings, [0.3], rule_out=-np.inf)
    moved = readings["evidence"] > 1.2 - 0.3
    label = readings["label"]
    for rate, value, n in (
        (moved[label].mean(), here.sensitivity.value[0], label.sum()),
        (1 - moved[~label].mean(), here.specificity.value[0], (~label).sum()),
    ):
        assert value == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / n))


def test_more_recalls_find_more_and_spare_fewer(readings):
    here = curve(readings, np.linspace(-1, 1, 9))
    assert (np.diff(here.sensitivity.value) > 0).all()
    assert (np.diff(here.specificity.value) < 0).all()
    assert (here.sensitivity.low < here.sensitivity.value).all()


def test_the_rational_shift_is_the_best_criterion(readings):
    """Expected cost over criteria, minimised by search before and after, moves by that much."""
    before, after, apart, cost = 0.006, 0.009, 1.8, 60.0
    grid = np.linspace(-6, 6, 240_001)

    def best(prevalence):
        losses = prevalence * cost * norm.cdf(grid - apart)
        return grid[np.argmin(losses + (1 - prevalence) * norm.sf(grid))]

    rates = norm.sf(1.0 - apart), norm.sf(1.0)
    assert rational_shift(before, after, *rates) == pytest.approx(
        best(before) - best(after), abs=1e-3
    )


def test_shifts_add_up_and_the_ends_stay():
    rates = np.array([0.0, 0.2, 0.9, 1.0])
    twice = shifted_rate(shifted_rate(rates, 0.4), -0.4)
    np.testing.assert_allclose(twice, rates, atol=1e-12)
    assert shifted_rate(rates, 0.4)[[0, 3]].tolist() == [0, 1]


def test_bad_input_is_refused(readings):
    with pytest.raises(ValueError, match="left to read"):
        curve(readings, [0.0], rule_out=np.inf)
    with pytest.raises(ValueError, match="tell nothing apart"):
        rational_shift(0.01, 0.02, 0.1, 0.2)
    with pytest.raises(ValueError, match="prevalence_after"):
        rational_shift(0.01, 1.0, 0.9, 0.1)
