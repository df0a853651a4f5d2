"""What could be known of these women, what a score is made of, and the concordance that is true."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.concordance import harrell_c, uno_c
from mammolab.evaluate.horizons import cumulative_dynamic_auc
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.world import concordance_truth as ct
from mammolab.world import disease
from mammolab.world.programme import simulate
from mammolab.world.risk_truth import KNOWN, best_auc, exam_truth, expected_auc
from mammolab.world.score_truth import PARTS, auc_parts, auc_without, score_shares


@pytest.fixture(scope="module")
def programme():
    return simulate(12_000, 5, p_precancer=0.6, p_rest=0.1)


@pytest.fixture(scope="module")
def exams(programme):
    """Exams with pixels and no past cancer, with follow-up as the world knows it, some lost."""
    exams = programme.exams.merge(
        programme.truth_exams[["exam_id", "after_diagnosis"]], on="exam_id"
    )
    exams = exams[exams["sampling_weight"].notna() & ~exams["after_diagnosis"]]
    exams = exams[exams["indication"] == "screening"].reset_index(drop=True)
    time, event = ct.true_outcomes(exams, programme.truth_exams, 5.0)
    lost = np.random.default_rng(1).uniform(2, 12, len(exams))
    return exams.assign(time_years=np.minimum(time, lost), event=np.where(time <= lost, event, 0))


@pytest.fixture(scope="module")
def bootstrap(exams):
    return PatientBootstrap.draw(exams["patient_id"], 200, seed=3)


@pytest.fixture(scope="module")
def truth(programme, exams):
    return exam_truth(exams, programme.truth_exams, programme.truth_women)


def noise(truth: pd.DataFrame) -> np.ndarray:
    return np.random.default_rng(8).normal(size=len(truth))


def planted(truth: pd.DataFrame) -> dict[str, np.ndarray]:
    """Scores made of one thing, and a little noise."""
    lesion = truth["lesion_there"] * (3 + np.log(truth["lesion_mm"].clip(lower=2) / 10))
    made_of = {"density": truth["latent_density"], "texture": truth["texture"], "lesion": lesion}
    return {
        name: values.to_numpy(float) + 0.05 * values.std() * noise(truth)
        for name, values in made_of.items()
    }


def test_the_true_risk_is_that_of_the_world(truth, programme):
    at = programme.truth_exams.set_index("exam_id").loc[truth["exam_id"]]
    np.testing.assert_array_equal(truth["risk_everything"], at["risk_5y_true"])
    assert (truth["lesion_mm"] > 0).equals(truth["lesion_there"])
    assert truth["lesion_there"].sum() > 50


def test_best_auc_is_the_chapters_estimator_and_knowing_more_is_better(truth, bootstrap):
    table = best_auc(truth, [3.0, 5.0], bootstrap)
    assert set(table["known"]) == {*KNOWN, "everything_and_lesions"}
    at_five = table[table["horizon_years"] == 5].set_index("known")
    by_hand = cumulative_dynamic_auc(
        truth["time_years"], truth["event"], truth["risk_everything"], [5.0],
        truth["sampling_weight"],
    )[0]  # fmt: skip
    assert at_five.loc["everything", "estimate"] == by_hand
    assert (at_five["ci_low"] < at_five["estimate"]).all()
    assert (at_five["estimate"] < at_five["ci_high"]).all()
    expected = at_five["expected"]
    for path in (
        ["age", "clinical", "with_image", "everything"],
        ["age", "density", "image_alone", "with_image"],
        ["texture", "image_alone"],
    ):
        assert (np.diff(expected[path]) > 0).all()
    assert at_five.loc["everything_and_lesions", "estimate"] > by_hand
    assert at_five.loc["everything", "ci_low"] < expected["everything"]
    assert expected["everything"] < at_five.loc["everything", "ci_high"]


def test_no_score_beats_the_true_risk_in_expectation(truth, exams):
    risk, weight = truth["risk_everything"], truth["sampling_weight"]
    best = expected_auc(risk, risk, weight)
    rng = np.random.default_rng(2)
    assert expected_auc(np.log(risk), risk, weight) == pytest.approx(best)
    for spread in (0.1, 1.0, 10.0):
        other = np.log(risk) + spread * rng.normal(size=len(risk))
        assert expected_auc(other, risk, weight) < best
    for name in KNOWN:
        assert expected_auc(truth[f"risk_{name}"], risk, weight) <= best


def test_expected_auc_is_the_mean_over_outcomes(truth):
    risk = np.minimum(5 * truth["risk_everything"].to_numpy()[:3000], 0.9)
    score = risk + 0.05 * noise(truth)[:3000]
    rng = np.random.default_rng(6)
    drawn = []
    for _ in range(200):
        cancer = rng.random(len(risk)) < risk
        drawn.append(cumulative_dynamic_auc(np.where(cancer, 1.0, 2.0), cancer, score, [1.5])[0])
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert expected_auc(score, risk, None) == pytest.approx(np.mean(drawn), abs=4 * error)
    # by hand: cases (.2, .8), controls (.8, .2); the woman against herself does not count
    assert expected_auc([1.0, 2.0], [0.2, 0.8], None) == pytest.approx(0.64 / (0.64 + 0.04))


@pytest.mark.parametrize("part", ["density", "texture", "lesion"])
def test_a_score_of_one_part_is_found_to_be_that_part(truth, bootstrap, part):
    score = planted(truth)[part]
    table = score_shares(truth, score, bootstrap)
    shares = table[table["quantity"] == "share"].set_index("part")["estimate"]
    assert shares.sum() == pytest.approx(1)
    assert shares[part] > 0.93
    assert table["ci_low"].le(table["estimate"]).all()
    parts = auc_parts(truth, score, bootstrap, 1, n_shuffles=2).set_index("part")
    assert parts.loc[[*PARTS, "rest"], "estimate"].sum() == pytest.approx(
        parts.loc["all", "estimate"]
    )
    others = parts["estimate"].drop([part, "rest", "all"])
    assert others.abs().max() < 0.02
    assert parts.loc["rest", "ci_low"] < 0 < parts.loc["rest", "ci_high"]


@pytest.mark.parametrize("part", ["density", "texture", "lesion"])
def test_taking_the_part_out_leaves_nothing(truth, bootstrap, part):
    table = auc_without(truth, planted(truth)[part], bootstrap).set_index("without")
    removed = "lesions" if part == "lesion" else part
    assert table.loc[removed, "ci_low"] < 0.5 < table.loc[removed, "ci_high"]
    if part != "density":  # which falls with age, while risk rises: alone it tells little
        assert table.loc["nothing", "ci_low"] > 0.5
        assert table.loc[removed, "difference_high"] < 0
    assert table.loc["nothing", "difference"] == 0
    left_out = int(truth["lesion_there"].sum())
    assert table.loc["lesions", "n_exams"] == len(truth) - left_out
    assert table.loc["texture", "n_exams"] == len(truth)


def test_shares_of_a_known_mixture(truth, bootstrap):
    """Uncorrelated parts: a share is the squared weight."""
    score = 2 * truth["texture"].to_numpy() + noise(truth) * 1.0
    table = score_shares(truth, score, bootstrap)
    shares = table[table["quantity"] == "share"].set_index("part")
    assert shares.loc["texture", "ci_low"] < 0.8 < shares.loc["texture", "ci_high"]
    assert shares.loc["rest", "estimate"] == pytest.approx(0.2, abs=0.03)
    coefficient = table[table["quantity"] == "coefficient"].set_index("part")["estimate"]
    assert coefficient["texture"] == pytest.approx(np.sqrt(0.8), abs=0.02)


def test_shares_survive_a_sample_without_lesions(truth, bootstrap):
    clear = truth[~truth["lesion_there"]]
    table = score_shares(clear, clear["texture"] + noise(clear), bootstrap)
    assert np.isfinite(table["estimate"]).all()
    assert table.loc[table["part"] == "lesion", "estimate"].item() == 0
    parts = auc_parts(clear, clear["texture"], bootstrap, 1, n_shuffles=5).set_index("part")[
        "estimate"
    ]
    assert parts["lesion"] == pytest.approx(0, abs=0.01)  # the luck of the shuffles
    assert parts["texture"] == pytest.approx(parts["all"], abs=0.01)


@pytest.fixture(scope="module")
def her(programme, exams):
    """Arguments of `known_concordance` that describe the women of the exams."""
    hers = programme.truth_women.set_index("patient_id").loc[exams["patient_id"]]
    return (
        exams["age_years"].to_numpy(),
        hers["relative_risk"].to_numpy(),
        hers["race_ethnicity"].to_numpy(object),
    )


@pytest.mark.parametrize("from_years", [0.0, 1.0])
def test_known_concordance_is_that_of_a_large_uncensored_simulation(her, truth, from_years):
    score = np.log(truth["risk_with_image"].to_numpy())
    weight = truth["sampling_weight"].to_numpy()
    known = ct.known_concordance(score, *her, weight, 5.0, from_years)
    drawn = []
    for number in range(150):
        onset = ct.onset_times(*her, from_years, np.random.default_rng(number))
        event = onset < 5
        drawn.append(harrell_c(np.minimum(onset, 5.0), event, score, weight))
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert error < 0.003
    assert known == pytest.approx(np.mean(drawn), abs=4 * error)


def test_known_concordance_of_a_copied_or_a_useless_score(her, truth):
    n = len(truth)
    assert ct.known_concordance(np.zeros(n), *her, None) == pytest.approx(0.5)
    score = truth["risk_everything"].to_numpy()
    up, down = (ct.known_concordance(sign * score, *her, None) for sign in (1, -1))
    assert up + down == pytest.approx(1)
    assert up == pytest.approx(ct.known_concordance(score**3, *her, None))


def test_onsets_keep_the_worlds_risk(her):
    onset = ct.onset_times(*her, 0.0, np.random.default_rng(4))
    risk = disease.risk_of_cancer(her[0], 5.0, her[1], her[2])
    error = np.sqrt((risk * (1 - risk)).sum())
    assert abs((onset <= 5).sum() - risk.sum()) < 3.5 * error
    assert (ct.onset_times(*her, 1.0, np.random.default_rng(4)) >= 1 - 1e-9).all()


def test_uno_is_unbiased_where_others_are_not(programme, exams):
    """Half are lost within two years, and with them most of the later cancers.

    The rates end at 90: women of 88 get their cancers early and then no more, those of 60 later. A
    score of age is right about the early ones, which Harrell's C counts too much.
    """
    n = 3000
    rng = np.random.default_rng(5)
    old = np.arange(n) % 2 == 0
    frame = exams.head(n).assign(
        age_years=np.where(old, 88.0, 60.0), time_years=rng.exponential(2.9, n), event=0
    )
    women = programme.truth_women.assign(relative_risk=20.0)
    score = old + 0.3 * rng.normal(size=n)
    table = ct.estimator_bias(frame, women, score, 1, 20, 1500).set_index("estimator")
    assert list(table.index) == list(ct.ESTIMATORS)
    assert abs(table.loc["uno", "bias"]) < 4 * table.loc["uno", "mc_error"]
    assert table.loc["harrell", "bias"] > 6 * table.loc["harrell", "mc_error"]
    assert table.loc["event_fitted", "bias"] > 6 * table.loc["event_fitted", "mc_error"]
    again = ct.estimator_bias(frame, women, score, 1, 20, 1500)
    pd.testing.assert_frame_equal(table.reset_index(), again)


def test_event_fitted_c_by_hand_and_without_loss():
    time, event, score = [1.0, 2.0, 3.0, 4.0], [1, 1, 0, 0], [0.2, 0.9, 0.3, 0.1]
    # S is 1 before the first event and 3/4 before the second, which weighs (4/3)^2
    first, second = 1 / 3, (4 / 3) ** 2 * 2
    assert ct.event_fitted_c(time, event, score) == pytest.approx(
        (first * 3 + second) / (3 + second)
    )
    assert uno_c(time, event, score) == pytest.approx((1 + 2) / 5)
    assert np.isnan(ct.event_fitted_c(time, [0, 0, 0, 0], score))


def test_true_outcomes_lose_nobody(programme, exams):
    time, event = ct.true_outcomes(exams, programme.truth_exams, 3.0)
    at = programme.truth_exams.set_index("exam_id").loc[exams["exam_id"]]
    within = (at["days_to_diagnosis_true"] <= 3 * 365.25).to_numpy()
    np.testing.assert_array_equal(event == 1, within)
    assert (time[~within] == 3).all() and (time > 0).all()


def test_bad_input_is_told_in_one_sentence(programme, exams, truth, bootstrap):
    women, at = programme.truth_women, programme.truth_exams
    with pytest.raises(InputError, match="lack the column.*age_years"):
        exam_truth(exams.drop(columns="age_years"), at, women)
    with pytest.raises(InputError, match="1 exams are not in the truth, first: E0"):
        exam_truth(exams.head(2).assign(exam_id=["E0", exams["exam_id"][1]]), at, women)
    with pytest.raises(InputError, match="women are not in the truth, first: P0"):
        exam_truth(exams.head(1).assign(patient_id="P0"), at, women)
    with pytest.raises(InputError, match="from 0 to 1"):
        expected_auc([1.0, 2.0], [0.2, 1.8], None)
    with pytest.raises(InputError, match="at most 5, not 6"):
        ct.true_outcomes(exams, at, 6.0)
    with pytest.raises(InputError, match="unknown race martian; known: white"):
        ct.known_concordance([1.0, 2.0], [50, 60], [1, 1], ["martian", "white"], None)
    with pytest.raises(InputError, match="below tau_years, not 5"):
        ct.known_concordance([1.0, 2.0], [50, 60], [1, 1], ["white"] * 2, None, 5.0, 5.0)
    with pytest.raises(InputError, match="n_shuffles must be at least 1"):
        auc_parts(truth, truth["texture"], bootstrap, 1, n_shuffles=0)
    with pytest.raises(InputError, match="n_draws must be at least 2"):
        ct.estimator_bias(exams, women, truth["texture"], 1, n_draws=1)
    with pytest.raises(ValueError, match="score has 1 rows"):
        score_shares(truth, [1.0], bootstrap)
