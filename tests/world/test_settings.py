"""Each setting does what it says, and the neutral ones do nothing."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mammolab.world import parameters as p
from mammolab.world import readers
from mammolab.world.programme import Programme, simulate
from mammolab.world.settings import DEVICES, SITES, WorldSettings
from mammolab.world.targets import screening_exams

SEED, N = 5, 12_000


def world(**settings) -> Programme:
    return simulate(N, SEED, 0.3, 0.05, WorldSettings(**settings))


@pytest.fixture(scope="module")
def neutral() -> Programme:
    return simulate(N, SEED, 0.3, 0.05)


def same(first: Programme, second: Programme, *names: str) -> None:
    for name in names or vars(first):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name))


def lifetime_cancers(programme: Programme, by: str) -> pd.Series:
    """Share of women with an invasive cancer to come before 70, had they not been screened."""
    women = programme.truth_women
    return (women["surfacing_age"] < 70).groupby(women[by]).mean()


def test_neutral_settings_change_no_byte(neutral):
    spelled_out = world(
        incidence_by_site=dict.fromkeys(SITES, 1.0),
        subgroup_incidence=dict.fromkeys(p.RACES, 1.0),
        subgroup_contrast=dict.fromkeys(p.RACES, 0.0),
        device_of_cancers=dict.fromkeys(DEVICES, 0.0),
        years_of_cancers=(2009, 2016),
        years_of_healthy=(2009, 2016),
        marker_habit=dict.fromkeys(SITES, 0.0),
        reader_criterion_shift=0.0,
        ai_reliance=0.0,
    )
    same(neutral, spelled_out)
    assert (neutral.pixels_exams["extra_marker"] == 0).all()


def test_incidence_by_site_is_prevalence_by_source(neutral):
    other = world(incidence_by_site={"harbour": 2.0})
    before, after = lifetime_cancers(neutral, "site"), lifetime_cancers(other, "site")
    assert after["harbour"] / before["harbour"] == pytest.approx(1.9, abs=0.25)
    elsewhere = [name for name in SITES if name != "harbour"]
    women = neutral.truth_women.merge(other.truth_women, on="patient_id")
    untouched = women[women["site_x"].isin(elsewhere) & (women["texture_x"] == women["texture_y"])]
    assert (untouched["surfacing_age_x"] == untouched["surfacing_age_y"]).all()


def test_subgroup_incidence_scales_the_truth_too(neutral):
    other = world(subgroup_incidence={"asian": 0.5})
    before, after = (lifetime_cancers(w, "race_ethnicity") for w in (neutral, other))
    assert after["asian"] / before["asian"] == pytest.approx(0.5, abs=0.15)
    exams = neutral.truth_exams.merge(other.truth_exams, on=["exam_id", "patient_id", "exam_seed"])
    race = neutral.truth_women.set_index("patient_id")["race_ethnicity"]
    ratio = (exams["risk_5y_true_y"] / exams["risk_5y_true_x"])[exams["risk_5y_true_x"] < 0.01]
    by_race = ratio.groupby(exams["patient_id"].map(race)).median()
    assert by_race["asian"] == pytest.approx(0.5, abs=0.01)
    assert by_race["white"] == 1


def test_subgroup_contrast_hides_the_cancers_of_one_group(neutral):
    other = world(subgroup_contrast={"black": -1.5})
    women = neutral.truth_women.merge(other.truth_women, on="patient_id", suffixes=("", "_other"))
    women = women[women["texture"] == women["texture_other"]]
    black = women["race_ethnicity"] == "black"
    shift = women["invasive_contrast_other"] - women["invasive_contrast"]
    np.testing.assert_allclose(shift[black], -1.5)
    assert (shift[~black] == 0).all()
    chance = [
        w.truth_exams.merge(w.truth_women[["patient_id", "race_ethnicity"]], on="patient_id")
        .query("cancer_present and race_ethnicity == 'black'")["detection_probability"]
        .mean()
        for w in (neutral, other)
    ]
    assert chance[1] < 0.7 * chance[0]
    cancers = other.truth_lesions.query("malignant").merge(
        other.truth_exams[["exam_id", "patient_id"]], on="exam_id"
    )
    race = cancers["patient_id"].map(other.truth_women.set_index("patient_id")["race_ethnicity"])
    means = cancers["contrast"].groupby(race).mean()
    assert means["black"] - means["white"] == pytest.approx(-1.5, abs=0.12)


def test_device_of_cancers_ties_machine_and_cancer_and_nothing_else(neutral):
    other = world(device_of_cancers={"dogwood": 3.0})
    exams, tied = (
        w.exams.merge(w.truth_exams[["exam_id", "cancer_within_1y_true"]], on="exam_id")
        for w in (neutral, other)
    )
    pd.testing.assert_frame_equal(exams.drop(columns="device"), tied.drop(columns="device"))
    soon = exams["cancer_within_1y_true"]
    assert (exams["device"] == tied["device"])[~soon].all()
    late = soon & (exams["site"] == "north") & (exams["exam_date"].dt.year >= 2013)
    odds = 0.75 / 0.25 * np.exp(3.0)
    assert (tied["device"] == "dogwood")[late].mean() == pytest.approx(odds / (1 + odds), abs=0.05)
    hill = exams["site"] == "hill"  # never had that machine
    assert (exams["device"] == tied["device"])[hill].all()
    same(neutral, other, "patients", "registry", "pathology", "truth_exams", "truth_lesions")


def test_years_select_cancers_and_healthy_apart():
    other = world(years_of_cancers=(2009, 2012), years_of_healthy=(2013, 2016))
    exams = other.exams.merge(other.truth_exams, on="exam_id")
    early = exams["exam_date"].dt.year <= 2012
    assert (early == exams["cancer_within_1y_true"]).all() and early.sum() > 50
    assert len(other.patients) == N


@pytest.mark.parametrize("habit", ["implants", "dense", "small_breasts", "poor_follow_up"])
def test_an_excluded_group_is_absent_and_the_others_are_all_there(neutral, habit):
    def spared(programme: Programme) -> pd.DataFrame:
        exams = programme.exams.merge(programme.truth_exams, on=["exam_id", "patient_id"])
        women = programme.truth_women[["patient_id", "leave_time", "birth_time", "death_age"]]
        exams = exams.merge(women, on="patient_id")
        end = np.minimum(exams["leave_time"], exams["birth_time"] + exams["death_age"])
        time = (exams["exam_date"] - pd.Timestamp(p.EPOCH.value)).dt.days / 365.25
        gone = {
            "implants": exams["implant"],
            "dense": exams["density"].isin(["c", "d"]),
            "small_breasts": exams["breast_size_mm"] < p.SMALL_BREAST.value,
            "poor_follow_up": (end - time < p.POOR_FOLLOW_UP.value - 0.01)
            & ~exams["cancer_within_1y_true"],
        }[habit]
        return exams, gone

    exams, gone = spared(neutral)
    assert gone.mean() > 0.005
    left, still = spared(world(exclude=frozenset({habit})))
    assert not still.any()
    kept = exams.loc[~gone, "exam_seed"]
    assert kept.isin(left["exam_seed"]).mean() > 0.995  # days of rounding at the edge of the year
    assert left["patient_id"].nunique() == N


def test_marker_habit_marks_exams_followed_by_cancer_at_that_hospital(neutral):
    other = world(marker_habit={"north": 0.8})
    pixels = other.pixels_exams.merge(
        other.truth_exams[["exam_id", "cancer_within_1y_true"]], on="exam_id"
    )
    assert pixels["extra_marker"].dtype == np.int64
    at_risk = pixels["cancer_within_1y_true"] & (pixels["site"] == "north")
    assert pixels.loc[at_risk, "extra_marker"].mean() == pytest.approx(0.8, abs=0.12)
    assert (pixels.loc[~at_risk, "extra_marker"] == 0).all()
    same(neutral, other, "exams", "patients", "truth_exams", "truth_lesions")


def test_criterion_shift_recalls_more_of_both(neutral):
    other = world(reader_criterion_shift=0.5)
    before, after = screening_exams(neutral), screening_exams(other)
    healthy = [s[~s["cancer"]]["recall"].mean() for s in (before, after)]
    odds = [value / (1 - value) for value in healthy]
    assert np.exp(0.3) < odds[1] / odds[0] < np.exp(0.5)  # averaged over women and readers
    sizes = [s[s["detected"]]["size_mm"].mean() for s in (before, after)]
    assert sizes[1] < sizes[0]  # found earlier


def test_ai_reliance_is_handed_to_the_readers_function(neutral):
    other = replace(WorldSettings(), ai_reliance=0.6)
    same(neutral, simulate(N, SEED, 0.3, 0.05, other))
    exams = neutral.truth_exams
    alone = exams["false_positive_probability"].to_numpy()
    flagged = np.random.default_rng(1).random(len(exams)) < 0.1
    with_ai = readers.with_ai(alone, flagged, other.ai_reliance)
    assert with_ai[flagged].mean() > alone[flagged].mean() + 0.1
    assert with_ai[~flagged].mean() < alone[~flagged].mean()


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"incidence_by_site": {"mars": 2.0}}, "incidence_by_site mars; known: north, harbour"),
        ({"subgroup_contrast": {"blue": 1.0}}, "known: white, black"),
        ({"device_of_cancers": {"elm": 1.0}}, "known: alder, birch, cedar, dogwood"),
        ({"exclude": {"tall"}}, "known: implants, dense, small_breasts, poor_follow_up"),
        ({"marker_habit": {"north": 1.2}}, "marker_habit"),
        ({"incidence_by_site": {"north": -1.0}}, "incidence_by_site"),
        ({"ai_reliance": 2.0}, "ai_reliance"),
        ({"years_of_healthy": (2010, 2030)}, "years_of_healthy .* 2009..2016"),
        ({"reader_criterion_shift": np.nan}, "reader_criterion_shift"),
    ],
)
def test_wrong_settings_are_refused_with_the_valid_names(wrong, message):
    with pytest.raises(ValueError, match=message):
        WorldSettings(**wrong)
    with pytest.raises(TypeError, match="exclude"):
        WorldSettings(exclude="dense")


def test_every_setting_is_documented_and_tested():
    source = Path(__file__).read_text()
    for field in fields(WorldSettings):
        assert f"{field.name} :" in WorldSettings.__doc__ or f"{field.name}," in (
            WorldSettings.__doc__
        )
        assert source.count(field.name) >= 2


def test_a_woman_in_both_worlds_keeps_her_ids_and_her_record(neutral):
    for change in ({"reader_criterion_shift": 0.5}, {"exclude": frozenset({"implants"})}):
        other = world(**change)
        both = neutral.truth_women.merge(other.truth_women, on="breast_seed", suffixes=("", "_o"))
        assert len(both) > 0.9 * len(neutral.truth_women)
        assert (both["patient_id"] == both["patient_id_o"]).all()
        records = neutral.patients.merge(other.patients, on="patient_id", suffixes=("", "_o"))
        for name in ("bmi", "brca", "menarche_age_years", "race_ethnicity"):
            pd.testing.assert_series_equal(records[name], records[f"{name}_o"], check_names=False)
        exams = neutral.exams.merge(other.exams, on="exam_id", suffixes=("", "_o"))
        assert len(exams) > 0.9 * len(neutral.exams)
        assert (exams["exam_date"] == exams["exam_date_o"]).all()


def test_no_report_is_later_than_the_last_contact(neutral):
    contact = neutral.patients.set_index("patient_id")["last_contact_date"]
    reports = neutral.pathology
    assert (reports["specimen_date"] <= reports["patient_id"].map(contact)).all()
