"""MRI for some and longer intervals for others: what must hold whatever the numbers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.world import parameters as p
from mammolab.world.policy import (
    MEASURES,
    Mri,
    Policy,
    highest,
    lowest,
    policy_table,
    trade_off,
)
from mammolab.world.programme import simulate
from mammolab.world.replay import FOUND, replay

SEED = 4
ALL_SEEING = Mri({"invasive": (1e-9, 4.0, 1.0), "dcis": (1e-9, 4.0, 1.0)})


@pytest.fixture(scope="module")
def programme():
    return simulate(8_000, 9, p_precancer=0.5, p_rest=0.1)


@pytest.fixture(scope="module")
def exams(programme):
    """A woman's first screening exam that found nothing, if she had no cancer before."""
    exams = programme.exams.merge(
        programme.truth_exams[["exam_id", "after_diagnosis", "detected", "risk_5y_true"]],
        on="exam_id",
    )
    healthy = (exams["indication"] == "screening") & ~exams["after_diagnosis"] & ~exams["detected"]
    return exams[healthy].drop_duplicates("patient_id").reset_index(drop=True)


@pytest.fixture(scope="module")
def live(programme):
    def live(exams: pd.DataFrame, policy: Policy, seed: int = SEED, **options) -> pd.DataFrame:
        truth = programme.truth_women, programme.truth_exams
        return replay(exams, *truth, policy, seed, **{"n_replays": 2, **options})

    return live


@pytest.fixture(scope="module")
def usual(exams, live):
    return live(exams, Policy())


@pytest.fixture(scope="module")
def yearly(exams, live):
    return live(exams, Policy(), every_years=1.0)


def when(result: pd.DataFrame) -> np.ndarray:
    return result["found_at_years"].fillna(np.inf).to_numpy()


def test_usual_care_is_that_of_the_programme(programme, exams, usual):
    """Cancers, their way to light and size come out as in the lives the world led itself."""
    assert (usual["found"].isin(FOUND)).all() and set(usual["found"]) >= {"screen", "symptoms"}
    her = programme.truth_women.set_index("patient_id").loc[exams["patient_id"]]
    time = exams["exam_date"].to_numpy()
    years = (her["diagnosis_date"].to_numpy() - time) / np.timedelta64(1, "D") / 365.25
    within = (years >= 0) & (years <= 5)
    by_screen = within & (her["mode"] == "screen").to_numpy()
    expected = within.mean()
    error = np.sqrt(expected / len(exams))
    assert (usual["found"] != "none").mean() == pytest.approx(expected, abs=3 * error)
    assert (usual["found"] == "screen").mean() == pytest.approx(by_screen.mean(), abs=3 * error)
    found = usual[(usual["found"] == "screen") & usual["invasive"]]
    in_life = her["size_mm"][by_screen & her["invasive"].to_numpy()]
    spread = in_life.std() / np.sqrt(len(in_life))
    assert found["size_mm"].mean() == pytest.approx(in_life.mean(), abs=3.5 * spread)


def test_visits_follow_habit_and_lapse(programme, exams, usual, yearly):
    cadence = exams["patient_id"].map(programme.truth_women.set_index("patient_id")["cadence"])
    free = usual["found"] == "none"
    by_habit = usual[free].groupby(np.repeat(cadence.to_numpy(), 2)[free])["n_mammograms"].mean()
    assert by_habit["annual"] > by_habit["biennial"] > 1.5
    assert 3 < by_habit["annual"] <= 4 and yearly["n_mammograms"].max() == 5
    her = programme.truth_women.set_index("patient_id").loc[exams["patient_id"]]
    age = ((exams["exam_date"] - pd.Timestamp(p.EPOCH.value)).dt.days / 365.25).to_numpy()
    age = age - her["birth_time"].to_numpy()
    left = np.minimum(her["lapse_age"].to_numpy(), p.LAST_SCREEN_AGE.value) - age
    some = (left > 0) & (left < 1)
    assert some.sum() > 20
    assert (yearly["n_mammograms"].to_numpy().reshape(-1, 2)[some] == 0).all()


def test_the_same_seed_gives_the_same_and_another_does_not(exams, live, usual):
    pd.testing.assert_frame_equal(usual, live(exams, Policy()))
    other = live(exams, Policy(), seed=SEED + 1)
    assert (when(other) != when(usual)).any()


def test_more_women_change_nothing_for_the_first(exams, live, usual):
    few = live(exams.head(700), Policy(mri=0.3, longer=0.3))
    many = live(exams, Policy(mri=0.3, longer=0.3))
    pd.testing.assert_frame_equal(few, many.head(len(few)))


def test_mri_for_nobody_is_usual_care(exams, live, usual):
    pd.testing.assert_frame_equal(usual, live(exams, Policy(mri=np.zeros(len(exams)), longer=0.0)))
    blind = Mri({name: (4.0, 4.0, 0.0) for name in ("invasive", "dcis")}, 0.0, 0.0)
    none_found = live(exams, Policy(mri=1.0), mri=blind)
    pd.testing.assert_frame_equal(usual, none_found.assign(n_mri=0), check_dtype=False)
    assert (none_found["n_mri"] >= 1).all()


@pytest.mark.parametrize("at_once", [True, False])
def test_all_seeing_mri_for_everybody_finds_no_later_and_no_larger(exams, live, usual, at_once):
    seen = live(exams, Policy(mri=1.0, mri_at_once=at_once), mri=ALL_SEEING)
    assert (when(seen) <= when(usual)).all() and (when(seen) < when(usual)).any()
    both = (usual["invasive"] & seen["invasive"]).to_numpy()
    assert both.any()
    assert (seen["size_mm"][both] <= usual["size_mm"][both]).all()
    # what still comes to light by symptoms was no 2 mm at her last visit, or she came no more
    assert (seen["found"] == "symptoms").sum() < 0.6 * (usual["found"] == "symptoms").sum()
    if at_once:
        assert (when(seen)[seen["found"] == "mri"] == 0).any()
    else:
        assert (when(seen)[seen["found"] != "none"] > 0).all()


def test_partial_mri_lies_between_and_is_nested(exams, live, usual):
    """The draws are shared: who takes MRI at one in ten takes it at one in two."""
    tenth, half = (live(exams, Policy(mri=share)) for share in (0.1, 0.5))
    assert (when(half) <= when(tenth)).all() and (when(tenth) <= when(usual)).all()
    assert (tenth["n_mri"] > 0).mean() == pytest.approx(0.1, abs=0.015)
    assert not ((tenth["n_mri"] > 0) & (half["n_mri"] == 0)).any()


def test_longer_intervals_find_no_sooner_and_never_fewer_interval_cancers(exams, live, yearly):
    """Pathwise against all the visits; of two longer intervals, on the whole."""
    surfaced, n_mammograms = [(yearly["found"] == "symptoms").to_numpy()], [5]
    for years in (2.0, 3.0):
        longer = live(exams, Policy(longer=1.0, longer_years=years), every_years=1.0)
        assert (when(longer) >= when(yearly)).all() and (when(longer) > when(yearly)).any()
        surfaced.append((longer["found"] == "symptoms").to_numpy())
        assert (surfaced[-1] >= surfaced[0]).all()
        free = ((yearly["found"] == "none") & (longer["found"] == "none")).to_numpy()
        assert (longer["n_mammograms"][free] <= yearly["n_mammograms"][free]).all()
        n_mammograms.append(longer["n_mammograms"].max())
    assert n_mammograms == [5, 2, 1]
    assert (np.diff([flags.sum() for flags in surfaced]) > 0).all()


def test_a_longer_interval_leaves_alone_who_comes_less_often_anyway(programme, exams, live, usual):
    longer = live(exams, Policy(longer=1.0, longer_years=2.0))
    habit = programme.truth_women.set_index("patient_id")["cadence"]
    biennial = (usual["patient_id"].map(habit) == "biennial").to_numpy()
    pd.testing.assert_frame_equal(usual[biennial], longer[biennial])
    annual = (usual["patient_id"].map(habit) == "annual").to_numpy()
    assert longer["n_mammograms"][annual].mean() < 0.6 * usual["n_mammograms"][annual].mean()


def test_false_recalls_are_counted_at_their_rates(programme, exams, live, usual):
    both = live(exams, Policy(mri=1.0))
    same = (when(both) == when(usual)) & (both["found"] == "none")
    extra = both["n_recalls_false"] - usual["n_recalls_false"]
    rate = p.MRI_FALSE_POSITIVES.value
    expected = rate["first"] + rate["later"] * (both["n_mri"] - 1)
    np.testing.assert_allclose(extra[same], expected[same], atol=1e-12)
    at = programme.truth_exams.set_index("exam_id").loc[exams["exam_id"]]
    prior = np.repeat(at["has_prior"].to_numpy(), 2) & (usual["found"] == "none").to_numpy()
    chance = np.repeat(at["false_positive_probability"].to_numpy(), 2)
    np.testing.assert_allclose(
        usual["n_recalls_false"][prior], (usual["n_mammograms"] * chance)[prior]
    )


def test_mri_of_dense_breasts_is_of_the_order_of_the_trial():
    """DENSE (Bakker 2019): women of 50 to 75, density d, a mammogram every two years, nothing found.

    Published: 16.5 cancers per 1,000 at a first MRI (13.3 to 20.5); interval cancers of the next
    two years 5.0 without MRI and 0.8 with it. The assumptions on MRI were not fitted to these.
    """
    programme = simulate(24_000, 21, p_precancer=0.5, p_rest=0.1)
    exams = programme.exams.merge(
        programme.truth_exams[["exam_id", "after_diagnosis", "detected", "latent_density"]],
        on="exam_id",
    )
    exams = exams[
        (exams["indication"] == "screening")
        & ~exams["after_diagnosis"]
        & ~exams["detected"]
        & exams["age_years"].between(50, 74)
        & (exams["latent_density"] > p.DENSITY_CUTS.value[-1])
    ].drop_duplicates("patient_id")
    truth = programme.truth_women, programme.truth_exams
    usual, with_mri = (
        replay(exams, *truth, Policy(mri=share), SEED, 2.0, every_years=2.0, n_replays=4)
        for share in (0.0, 1.0)
    )
    at_once = with_mri["found_at_years"] == 0
    assert 9 < 1000 * at_once.mean() < 21
    surfaced = [1000 * (result["found"] == "symptoms").mean() for result in (usual, with_mri)]
    assert 2.5 < surfaced[0] < 7.5
    assert surfaced[1] < 0.5 * surfaced[0]


def test_nothing_is_left_to_find_after_the_cancer_was_found(programme, live):
    found = programme.truth_exams.query("detected | after_diagnosis")[["exam_id"]]
    exams = found.merge(programme.exams, on="exam_id").head(300)
    assert (live(exams, Policy(mri=1.0), mri=ALL_SEEING)["found"] == "none").all()


def test_overdiagnosed_are_those_whom_nothing_would_have_troubled(programme, exams, usual):
    her = programme.truth_women.set_index("patient_id").loc[usual["patient_id"]]
    found = (usual["found"] != "none").to_numpy()
    invasive = found & usual["invasive"].to_numpy()
    surfaces = (her["surfacing_age"] < her["other_death_age"]).to_numpy()
    np.testing.assert_array_equal(usual["would_surface"][invasive], surfaces[invasive])
    in_situ = found & ~usual["invasive"].to_numpy()
    assert usual["would_surface"][in_situ].mean() < 0.3
    assert usual["would_surface"][usual["found"] == "symptoms"].all()


def test_the_table_adds_up_and_pairs(exams, live, usual):
    weight = np.random.default_rng(1).uniform(1, 20, len(exams))
    bootstrap = PatientBootstrap.draw(exams["patient_id"], 200, seed=2)
    top = highest(exams["risk_5y_true"], weight, 0.1)
    anyone = np.full(len(exams), 0.1)
    policies = {"truth": Policy(mri=top), "chance": Policy(mri=anyone)}
    replays = {"usual": usual} | {name: live(exams, one) for name, one in policies.items()}
    table = policy_table(replays, exams["patient_id"], weight, bootstrap, "usual")
    assert len(table) == 3 * len(MEASURES)
    wide = table.pivot(index="policy", columns="measure", values="estimate")
    np.testing.assert_allclose(
        wide["cancers"], wide[["found_by_screen", "found_by_mri", "interval_cancers"]].sum(axis=1)
    )
    np.testing.assert_allclose(wide["examinations"], wide["mri"] + wide["mammograms"])
    np.testing.assert_allclose(wide["cancers"] - wide.loc["usual", "cancers"], wide["found_ahead"])
    assert (table.loc[table["policy"] == "usual", "difference"] == 0).all()
    assert (table["ci_low"] <= table["estimate"] + 1e-6).all()
    assert wide.loc["truth", "found_earlier"] > 1.5 * wide.loc["chance", "found_earlier"]
    usual_at, truth_at = usual["found_at_years"], replays["truth"]["found_at_years"]
    years = (usual_at - truth_at).fillna(0).to_numpy()  # who is found usually is found with MRI
    gained = np.average(years.reshape(-1, 2).mean(axis=1), weights=weight)
    assert wide.loc["truth", "years_earlier"] == pytest.approx(1000 * gained)
    assert wide.loc["truth", "found_later"] == 0
    found = (usual["found"] != "none").to_numpy().reshape(len(exams), 2).mean(axis=1)
    by_hand = 1000 * np.average(found, weights=weight)
    assert wide.loc["usual", "cancers"] == pytest.approx(by_hand)
    shown = trade_off(table, "examinations", "interval_cancers", fewer_is_gain=True)
    assert set(shown["policy"]) == {"truth", "chance"}
    assert (shown["gain"] >= 0).all() and (shown["gain_low"] <= shown["gain_high"]).all()
    change = table.set_index(["policy", "measure"])["difference"]
    row = shown.set_index("policy").loc["truth"]
    assert row["gain"] == -change["truth", "interval_cancers"]
    assert row["cost"] == change["truth", "examinations"]


def test_a_share_is_of_the_weight_and_ties_share_the_border():
    weight = np.array([1.0, 1.0, 2.0, 6.0])
    risk = [0.4, 0.3, 0.2, 0.1]
    assert highest(risk, weight, 0.2).tolist() == [1, 1, 0, 0]
    assert lowest(risk, weight, 0.3).tolist() == [0, 0, 0, 0.5]
    for share in (0.1, 0.25, 0.9):
        assert weight @ highest(np.round(risk, 0), weight, share) == pytest.approx(10 * share)


def test_bad_input_is_told_in_one_sentence(programme, exams, live, usual):
    first = exams.head(3)
    with pytest.raises(InputError, match="lack the column.*device"):
        live(first.drop(columns="device"), Policy())
    with pytest.raises(InputError, match="women are not in the truth, first: P0"):
        live(first.assign(patient_id="P0"), Policy())
    with pytest.raises(InputError, match="there twice"):
        live(pd.concat([first, first]), Policy())
    with pytest.raises(InputError, match="no exam"):
        live(exams.head(0), Policy())
    with pytest.raises(InputError, match=r"mri has shape \(2,\) for 3 exams"):
        live(first, Policy(mri=np.ones(2)))
    with pytest.raises(InputError, match="longer must hold probabilities"):
        live(first, Policy(longer=1.5))
    with pytest.raises(InputError, match="longer_years must be above 0"):
        live(first, replace(Policy(), longer_years=0.0))
    with pytest.raises(InputError, match="every_years must be above 0, not -1"):
        live(first, Policy(), every_years=-1.0)
    with pytest.raises(InputError, match="n_replays must be at least 1"):
        live(first, Policy(), n_replays=0)
    bootstrap = PatientBootstrap.draw(exams["patient_id"], 20, seed=2)
    ids = exams["patient_id"]
    with pytest.raises(InputError, match="no replay 'none'; there are usual"):
        policy_table({"usual": usual}, ids, None, bootstrap, "none")
    with pytest.raises(InputError, match="'short' has other exams"):
        policy_table({"usual": usual, "short": usual.head(4)}, ids, None, bootstrap, "usual")
    table = policy_table({"usual": usual}, ids, None, bootstrap, "usual")
    with pytest.raises(InputError, match="no measure 'lives'; there are cancers"):
        trade_off(table, "lives", "mri", fewer_is_gain=False)
