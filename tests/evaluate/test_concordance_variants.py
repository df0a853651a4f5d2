"""Four numbers called a C-index: pairs one by one, scikit-survival, and a planted truth."""

import numpy as np
import pytest
from sksurv.metrics import concordance_index_ipcw
from sksurv.util import Surv

from mammolab.evaluate.concordance import harrell_c_estimate, uno_c_estimate
from mammolab.evaluate.concordance_variants import concordance_variants
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.survival import censoring_survival, kaplan_meier

NAMES = ["Harrell", "Uno, G just before the event", "Uno, G at the event", "event curve for G"]


def by_pairs(time, event, score, weight, divisor, tau) -> float:
    """Concordance with events weighted by 1 / divisor(t)^2, one pair after the other."""
    won = total = 0.0
    for i in np.flatnonzero((event == 1) & (time < tau)):
        for j in range(len(time)):
            if time[j] > time[i] or (time[j] == time[i] and event[j] != 1):
                pair = weight[i] * weight[j] / divisor(time[i]) ** 2
                won += pair * ((score[i] > score[j]) + (score[i] == score[j]) / 2)
                total += pair
    return won / total


@pytest.mark.parametrize("yearly", [True, False])
def test_each_is_that_of_counting_pairs(follow, yearly):
    women = follow(3, 160, yearly=yearly)
    score, tau = women.rate.round(2), 6.5
    table = concordance_variants(*women.outcome, score, *women.rest, tau_years=tau)
    assert table["estimator"].tolist() == NAMES
    assert (table["reason"] == "").all()
    g = censoring_survival(women.time, women.event, women.weight)
    s = kaplan_meier(women.time, women.event, women.weight)
    for estimate, divisor in zip(table["estimate"], (np.ones_like, g.left, g, s), strict=True):
        direct = by_pairs(*women.outcome, score, women.weight, divisor, tau)
        assert estimate == pytest.approx(direct, abs=1e-12)


def test_two_are_those_that_are_reported(follow):
    women = follow(4, 400)
    table = concordance_variants(*women.outcome, women.rate, *women.rest).set_index("estimator")
    columns = ["estimate", "ci_low", "ci_high"]
    for name, one in (
        (NAMES[0], harrell_c_estimate(*women.outcome, women.rate, *women.rest)),
        (NAMES[1], uno_c_estimate(*women.outcome, women.rate, *women.rest)),
    ):
        assert table.loc[name, columns].tolist() == [one.value, one.low, one.high]
    assert (table["ci_low"] < table["estimate"]).all()
    assert (table["estimate"] < table["ci_high"]).all()


@pytest.mark.parametrize("yearly", [True, False])
def test_g_at_the_event_is_that_of_scikit_survival(follow, yearly):
    women = follow(5, 600, yearly=yearly, weighted=False)
    outcome = Surv.from_arrays(women.event == 1, women.time)
    theirs = concordance_index_ipcw(outcome, outcome, women.rate, tau=8.0, tied_tol=0)[0]
    ours = concordance_variants(*women.outcome, women.rate, *women.rest, tau_years=8.0)
    estimate = ours.set_index("estimator")["estimate"]
    assert estimate[NAMES[2]] == pytest.approx(theirs, abs=1e-12)
    same = abs(estimate[NAMES[1]] - estimate[NAMES[2]]) < 1e-12
    assert same == (not yearly)


def test_only_g_before_the_event_finds_the_truth():
    rng = np.random.default_rng(6)
    n, tau = 6000, 5.5
    rate = np.exp(rng.normal(size=n) - 2)
    cancer = np.ceil(rng.exponential(1 / rate))
    # of early cancers the score knows much, of late ones nothing
    score = np.where(cancer <= 2, np.log(rate) + 1.5, rng.normal(size=n) - 2)
    ids = np.arange(n).astype(str).astype(object)
    bootstrap = PatientBootstrap.draw(ids, 40, seed=1)
    whole = concordance_variants(cancer, np.ones(n), score, ids, None, bootstrap, tau_years=tau)
    truth = whole["estimate"][0]  # nobody is lost
    # a chance of leaving that grows; were it the same each year, G(t) / G(t-) would cancel
    leaving = np.ceil(rng.uniform(0, 6, n))
    time, event = np.minimum(cancer, leaving), (cancer <= leaving).astype(int)
    table = concordance_variants(time, event, score, ids, None, bootstrap, tau_years=tau)
    bias = dict(zip(NAMES, table["estimate"] - truth, strict=True))
    assert abs(bias[NAMES[1]]) < 0.012
    assert bias[NAMES[0]] > 0.03
    assert bias[NAMES[3]] > 0.02
    assert bias[NAMES[2]] < -0.03
    assert table["ci_low"][1] < truth < table["ci_high"][1]


def test_where_nobody_is_left_under_observation_it_says_so():
    # two are censored in the year of the last event: G is 0 from there on, and was not before
    time, event = [1.0, 2.0, 3.0, 3.0, 3.0], [1, 0, 1, 0, 0]
    ids = ["A", "B", "C", "D", "E"]
    bootstrap = PatientBootstrap.draw(ids, 20, seed=1)
    table = concordance_variants(time, event, [5, 1, 4, 2, 3], ids, None, bootstrap)
    table = table.set_index("estimator")
    assert table.loc[NAMES[:2], "estimate"].tolist() == [1.0, 1.0]
    assert np.isnan(table.loc[NAMES[2], "estimate"])
    assert table.loc[NAMES[2], "reason"] == "the curve is 0 at an event that somebody outlives"
    alone = concordance_variants([1.0, 2.0], [0, 1], [1, 2], ["A", "B"], None, bootstrap)
    assert (alone["reason"] == "no comparable pair").all()


def test_a_weight_of_two_is_a_second_row(follow):
    women = follow(7, 200, yearly=True)
    once = women.time, women.event, women.rate, women.ids
    doubled = np.arange(0, 200, 3)
    rows = np.random.default_rng(1).permutation(np.append(np.arange(200), doubled))
    weight = np.ones(200)
    weight[doubled] = 2
    one = concordance_variants(*once, weight, women.bootstrap, 7.5)
    other = concordance_variants(*(x[rows] for x in once), None, women.bootstrap, 7.5)
    columns = ["estimate", "ci_low", "ci_high"]
    np.testing.assert_allclose(one[columns], other[columns], atol=2e-6)
