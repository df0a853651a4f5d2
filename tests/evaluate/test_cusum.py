"""CUSUM charts and their run lengths: published values, exact chains, simulation."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit

from mammolab.evaluate import cusum
from mammolab.evaluate.cusum import average_run_length, normal_steps, risk_adjusted_steps

RISKS = expit(np.random.default_rng(0).normal(-5.5, 1.0, 5000))  # mean 0.0066, as in screening


def siegmund(slack, limit, shift=0.0):
    """Siegmund's approximation of the run length of a normal one-sided chart."""
    drift, height = shift - slack, limit + 1.166
    return (np.exp(-2 * drift * height) + 2 * drift * height - 1) / (2 * drift**2)


def simulated_run_lengths(draw_step, limit, n_charts, rng):
    """Run lengths of charts started at 0; `draw_step(n, rng)` gives the steps of one exam each."""
    chart, lengths, active, n_exams = np.zeros(n_charts), [], n_charts, 0
    while active:
        n_exams += 1
        chart = np.maximum(0, chart + draw_step(len(chart), rng))
        signal = chart >= limit
        lengths += [n_exams] * int(signal.sum())
        chart = chart[~signal]
        active = len(chart)
    return np.array(lengths)


def draw_outcomes(risks, odds_ratio, true_odds_ratio):
    without = -np.log(1 - risks + odds_ratio * risks)
    true = expit(logit(risks) + np.log(true_odds_ratio))

    def draw(n, rng):
        row = rng.integers(0, len(risks), n)
        return without[row] + np.log(odds_ratio) * (rng.random(n) < true[row])

    return draw


@pytest.mark.parametrize(
    ("limit", "shift", "published", "digit"),
    [(5, 0, 930.9, 0.1), (4, 0, 335.4, 0.1), (5, 1, 10.4, 0.1), (4, 1, 8.38, 0.01)],
)
def test_published_run_lengths_of_the_normal_chart(limit, shift, published, digit):
    length = average_run_length(normal_steps(0.5, shift), limit)
    assert length == pytest.approx(published, abs=digit / 2)


@pytest.mark.parametrize(("limit", "published"), [(5, 465), (4, 168)])
def test_published_run_lengths_of_two_sides(limit, published):
    length = average_run_length(normal_steps(0.5), limit)
    assert 1 / (1 / length + 1 / length) == pytest.approx(published, abs=0.5)


@pytest.mark.parametrize("limit", [3.0, 4.0, 5.0])
@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_normal_run_lengths_agree_with_siegmund(limit, shift):
    length = average_run_length(normal_steps(0.5, shift), limit)
    # his correction for overshoot is worth a few per cent, least at large shifts
    assert length == pytest.approx(siegmund(0.5, limit, shift), rel=0.05)


def test_normal_run_length_agrees_with_simulation():
    rng = np.random.default_rng(1)
    lengths = simulated_run_lengths(lambda n, r: r.normal(-0.5, 1, n), 4.0, 4000, rng)
    error = lengths.std() / np.sqrt(len(lengths))
    assert abs(lengths.mean() - average_run_length(normal_steps(0.5), 4.0)) < 3 * error
    assert error < 0.02 * lengths.mean()


@pytest.mark.parametrize("true_odds_ratio", [1.0, 2.0])
def test_risk_adjusted_run_length_agrees_with_simulation(true_odds_ratio):
    draw = draw_outcomes(RISKS, 2.0, true_odds_ratio)
    lengths = simulated_run_lengths(draw, 2.0, 3000, np.random.default_rng(2))
    steps = risk_adjusted_steps(RISKS, 2.0, true_odds_ratio)
    error = lengths.std() / np.sqrt(len(lengths))
    assert abs(lengths.mean() - average_run_length(steps, 2.0)) < 3 * error
    assert error < 0.02 * lengths.mean()


@pytest.mark.parametrize(("n_down", "risk", "tallest"), [(20, 0.03, 60), (60, 0.0117, 300)])
def test_constant_risk_agrees_with_its_exact_chain(n_down, risk, tallest):
    """With an odds ratio chosen so that one cancer is worth n_down exams, the chain is exact."""
    odds_ratio = brentq(
        lambda r: np.log(r) - (n_down + 1) * np.log1p((r - 1) * risk), 1.0001, 1 / risk
    )
    width = np.log1p((odds_ratio - 1) * risk)
    move = np.zeros((tallest, tallest))
    for state in range(tallest):
        move[state, max(state - 1, 0)] += 1 - risk
        if state + n_down < tallest:
            move[state, state + n_down] += risk
    exact = np.linalg.solve(np.eye(tallest) - move, np.ones(tallest))[0]
    steps = risk_adjusted_steps([risk, risk], odds_ratio)
    # between two values of the chart, where the limit does not matter
    length = average_run_length(steps, (tallest - 0.5) * width)
    assert length == pytest.approx(exact, rel=2e-3)  # the error of 200 states


def test_more_states_change_little_at_the_risks_of_screening():
    steps = risk_adjusted_steps(RISKS, 2.0)
    assert average_run_length(steps, 3.5) == pytest.approx(
        average_run_length(steps, 3.5, n_states=800), rel=1e-3
    )


def test_decision_limit_gives_the_run_length_wanted():
    assert cusum.decision_limit(normal_steps(0.5), 930.887) == pytest.approx(5.0, abs=1e-4)
    steps = risk_adjusted_steps(RISKS, 0.5)
    limit = cusum.decision_limit(steps, 20_000)
    assert average_run_length(steps, limit) == pytest.approx(20_000, rel=1e-6)
    with pytest.raises(ValueError, match="below that of any limit"):
        cusum.decision_limit(steps, 1.001)


def test_weights_of_the_case_mix_are_duplicates():
    weight = np.where(RISKS[:200] > 0.005, 1, 3)
    weighted = risk_adjusted_steps(RISKS[:200], 2.0, sample_weight=weight)
    repeated = risk_adjusted_steps(np.repeat(RISKS[:200], weight), 2.0)
    assert average_run_length(weighted, 2.0) == pytest.approx(
        average_run_length(repeated, 2.0), rel=1e-9
    )


def test_chart_is_the_sum_with_a_floor():
    rng = np.random.default_rng(3)
    score = rng.normal(size=500)
    for direction, sign in (("up", 1), ("down", -1)):
        chart = cusum.mean_cusum(score, 0.1, 2.0, 5.0, slack=0.25, direction=direction)
        value, path = 0.0, []
        for one in score:
            value = max(0.0, value + sign * (one - 0.1) / 2.0 - 0.25)
            path.append(value)
        np.testing.assert_allclose(chart.path, path, atol=1e-12)


def test_risk_adjusted_steps_are_steiners_weights():
    """At risk 0.1 and odds ratio 2: log(1 / 1.1) without cancer, log(2 / 1.1) with."""
    chart = cusum.risk_adjusted_cusum([0.1] * 4, [1, 0, 0, 1], 2.0, limit=0.9)
    with_event, without = np.log(2 / 1.1), np.log(1 / 1.1)
    expected = np.cumsum([with_event, without, without, with_event])
    np.testing.assert_allclose(chart.path, expected, atol=1e-12)
    assert chart.first_signal == 3
    assert cusum.risk_adjusted_cusum([0.1] * 4, [0] * 4, 2.0, 0.9).first_signal is None


def test_planted_drift_signals_soon_and_its_absence_late():
    rng = np.random.default_rng(4)
    limit = cusum.decision_limit(risk_adjusted_steps(RISKS, 2.0), 50_000)
    early = late = 0
    for _ in range(40):
        risk = rng.choice(RISKS, 10_000)
        calm = cusum.risk_adjusted_cusum(risk, rng.random(10_000) < risk, 2.0, limit)
        true = expit(logit(risk) + np.log(2))
        drifted = cusum.risk_adjusted_cusum(risk, rng.random(10_000) < true, 2.0, limit)
        early += calm.first_signal is not None
        late += drifted.first_signal is None
    assert early <= 15  # 1 - exp(-10,000 / 50,000) = 18% or 7 expected, 15 beyond 3 deviations
    assert late <= 2


def test_underestimation_moves_only_the_upper_chart():
    rng = np.random.default_rng(5)
    risk = rng.choice(RISKS, 20_000)
    event = rng.random(20_000) < expit(logit(risk) + np.log(2))
    upper = cusum.risk_adjusted_cusum(risk, event, 2.0, 4.0)
    lower = cusum.risk_adjusted_cusum(risk, event, 0.5, 4.0)
    assert upper.first_signal is not None and lower.first_signal is None


def test_bad_input():
    with pytest.raises(ValueError, match="odds_ratio must not be 1"):
        cusum.risk_adjusted_cusum([0.1], [0], 1.0, 3.0)
    with pytest.raises(ValueError, match="probability must lie in"):
        cusum.risk_adjusted_cusum([1.1], [0], 2.0, 3.0)
    with pytest.raises(ValueError, match="probability must be finite"):
        risk_adjusted_steps([0.1, np.nan], 2.0)
    with pytest.raises(ValueError, match="no step up"):
        risk_adjusted_steps([0.0, 0.0], 2.0)
    with pytest.raises(ValueError, match="run_length must lie"):
        cusum.decision_limit(normal_steps(0.5), 1e12)
    with pytest.raises(ValueError, match="no limit up to 500"):
        cusum.decision_limit(normal_steps(0.0, shift=3.0), 1e6)
    with pytest.raises(ValueError, match="limit must lie between"):
        cusum.mean_cusum([0.1], 0, 1, 0.0)
    with pytest.raises(ValueError, match="reference_sd"):
        cusum.mean_cusum([0.1], 0, 0.0, 5.0)
    with pytest.raises(ValueError, match="valid: up, down"):
        cusum.mean_cusum([0.1], 0, 1, 5.0, direction="both")
    with pytest.raises(ValueError, match="slack"):
        cusum.mean_cusum([0.1], 0, 1, 5.0, slack=-1)
    with pytest.raises(ValueError, match="n_states"):
        average_run_length(normal_steps(0.5), 5.0, n_states=1)
