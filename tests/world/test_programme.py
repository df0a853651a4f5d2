"""The whole programme: published performance, invariants, determinism, and the export."""

import json

import numpy as np
import pandas as pd
import pytest

from mammolab import schemas
from mammolab.world import parameters as p
from mammolab.world.attendance import to_time
from mammolab.world.programme import EXAM_COLUMNS, PIXEL_COLUMNS, simulate, write_raw
from mammolab.world.targets import TARGETS, measure, screening_exams

SEED = 7
PULLED = {"p_precancer": 0.3, "p_rest": 0.031}


@pytest.fixture(scope="module")
def programme():
    return simulate(40_000, SEED, **PULLED)


@pytest.fixture(scope="module")
def small():
    return simulate(1_500, SEED, **PULLED)


def test_targets_are_recovered_within_monte_carlo_error(programme):
    table = measure(programme).set_index("target")
    assert list(table.index) == [target.name for target in TARGETS]
    low, high = (np.array([ci[side] for ci in table["ci"]]) for side in (0, 1))
    # half again the 95% interval: about three standard errors, for eighteen targets at once
    slack = 0.75 * (high - low)
    distance = np.abs(table["world"] - table["published"])
    off = table[distance > table["tolerance"] + slack]
    assert off.empty, off[["published", "tolerance", "world", "ci"]].to_string()


def test_met_means_within_the_tolerance(programme):
    table = measure(programme)
    within = (table["world"] - table["published"]).abs() <= table["tolerance"]
    assert (table["met"] == within).all()


def test_about_as_many_exams_and_cancers_as_planned(programme):
    n = len(programme.patients)
    assert len(programme.exams) / n == pytest.approx(3.3, abs=0.15)
    cancers = screening_exams(programme)["cancer"]
    assert 1000 * cancers.mean() == pytest.approx(5.9, abs=0.6)


def test_nothing_happens_after_death_or_before_birth(programme):
    exams = programme.exams.merge(programme.patients, on="patient_id")
    assert (exams["death_date"].isna() | (exams["exam_date"] <= exams["death_date"])).all()
    assert (exams["exam_date"] <= exams["last_contact_date"]).all()
    assert exams["exam_date"].between(p.EPOCH.value, p.EXAMS_END.value).all()
    assert exams["age_years"].between(35, 80).all()
    patients = programme.patients
    dead = patients["death_date"].notna()
    assert (patients["last_contact_date"] <= patients["death_date"])[dead].all()
    assert (patients["last_contact_date"] <= p.EXTRACT_DATE.value).all()
    women = programme.truth_women.merge(patients[["patient_id", "death_date"]], on="patient_id")
    assert not (women["diagnosis_date"] > women["death_date"]).any()


def test_every_woman_has_an_exam_and_every_exam_a_truth(programme):
    assert set(programme.exams["patient_id"]) == set(programme.patients["patient_id"])
    assert programme.exams["exam_id"].is_unique
    assert programme.exams["exam_id"].tolist() == programme.truth_exams["exam_id"].tolist()
    assert programme.patients["patient_id"].tolist() == programme.truth_women["patient_id"].tolist()
    assert set(programme.truth_lesions["exam_id"]) <= set(programme.exams["exam_id"])


def test_a_screen_finds_only_what_is_there_and_leads_to_its_diagnosis(programme):
    exams = programme.exams.merge(programme.truth_exams, on=["exam_id", "patient_id"])
    found = exams[exams["detected"]]
    assert found["recall"].all() and found["biopsy"].all()
    assert found["cancer_within_1y_true"].all()
    by_screen = found[found["indication"] == "screening"]
    assert by_screen["cancer_present"].all()
    assert not (exams["biopsy"] & ~exams["recall"]).any()
    assert found["patient_id"].is_unique  # a first cancer is found once


def test_exams_after_a_diagnosis_are_followed_up_for_years_and_show_no_cancer(programme):
    exams = programme.exams.merge(programme.truth_exams, on=["exam_id", "patient_id"])
    after = exams[exams["after_diagnosis"]]
    assert len(after) > 100
    years = after.merge(programme.truth_women[["patient_id", "diagnosis_date"]], on="patient_id")
    recent = (years["exam_date"] - years["diagnosis_date"]).dt.days < 4.9 * 365.25
    assert (years.loc[recent, "indication"] == "diagnostic").all()
    assert (years["indication"] == "screening").sum() > 100  # what the cohort has to exclude
    assert not after["cancer_present"].any()


def test_lesions_are_visible_stay_in_place_and_match_the_exams(programme):
    lesions = programme.truth_lesions
    assert (lesions["diameter_mm"] >= p.SMALLEST_VISIBLE.value).all()
    with_cancer = set(lesions.loc[lesions["malignant"], "exam_id"])
    truth = programme.truth_exams
    assert with_cancer == set(truth.loc[truth["cancer_present"], "exam_id"])
    patient = lesions["exam_id"].str[1:7]
    places = lesions.groupby([patient, "seed"])[["depth", "height", "laterality"]].nunique()
    assert (places == 1).all(axis=None)
    cancers = lesions[lesions["malignant"]].assign(patient=patient).sort_values("exam_id")
    growth = cancers.groupby(["patient", "seed"])["diameter_mm"].diff()
    assert (growth.dropna() > 0).all()
    assert (lesions.groupby([patient, "seed"])["contrast"].nunique() == 1).all()


def test_every_exam_is_made_where_she_is_on_a_machine_of_the_house(programme):
    exams = programme.exams.merge(programme.truth_women, on="patient_id", suffixes=("", "_first"))
    time = (exams["exam_date"] - pd.Timestamp(p.EPOCH.value)).dt.days / 365.25
    clear = (time - exams["move_time"]).abs() > 0.01
    moved = time > exams["move_time"]
    expected = exams["site_first"].where(~moved, exams["second_site"])
    assert (exams["site"] == expected)[clear].all()
    sites = programme.exams.groupby("patient_id")["site"].nunique()
    assert 0.02 < (sites > 1).mean() < 0.15  # one patient id, two hospitals
    assert sites.max() == 2
    year = exams["exam_date"].dt.year
    for site, periods in p.SITE_DEVICES.value.items():
        for now in range(2009, 2017):
            used = set(exams["device"][(exams["site"] == site) & (year == now)])
            assert used == {key for key, first, last, _ in periods if first <= now <= last}
    panels = exams.groupby("reader_id")["site"].nunique()
    assert (panels == 1).all()  # readers do not move


def test_case_mix_differs_as_published(programme):
    women = programme.truth_women
    mix = pd.crosstab(women["site"], women["race_ethnicity"], normalize="index")
    assert len(mix) == 5
    assert mix.loc["north", "white"] == pytest.approx(0.82, abs=0.02)
    assert mix.loc["harbour", "black"] == pytest.approx(0.457, abs=0.03)
    # movers bring a little of each hospital's mix to the others
    exams = programme.exams.merge(women[["patient_id", "race_ethnicity"]], on="patient_id")
    of_exams = pd.crosstab(exams["site"], exams["race_ethnicity"], normalize="index")
    assert 0.38 < of_exams.loc["harbour", "black"] < mix.loc["harbour", "black"]


def test_loss_to_follow_up_depends_on_health(programme):
    women = programme.truth_women
    ill = women["ill_health"] > women["ill_health"].quantile(0.8)
    well = women["ill_health"] < women["ill_health"].quantile(0.2)
    end = to_time(p.EXTRACT_DATE.value)
    left = women["leave_time"] < end
    assert left[ill].mean() > 1.3 * left[well].mean()
    dead = women["birth_time"] + women["death_age"] < end
    assert dead[ill].mean() > 2.5 * dead[well].mean()
    screens = programme.exams.groupby("patient_id").size()
    per_woman = women["patient_id"].map(screens)
    assert per_woman[ill].mean() < per_woman[well].mean()


def test_recall_is_drawn_with_the_stated_probabilities(programme):
    screens = screening_exams(programme)
    healthy = screens[screens["mode"] == ""]
    expected = healthy["false_positive_probability"]
    error = np.sqrt((expected * (1 - expected)).sum())
    assert abs(healthy["recall"].sum() - expected.sum()) < 4 * error
    shown = screens[screens["detection_probability"] > 0]
    chance = shown["detection_probability"]
    error = np.sqrt((chance * (1 - chance)).sum())
    # found in a woman who dies before its workup, it counts as never diagnosed
    assert abs(shown["detected"].sum() - chance.sum()) < 4 * error + 0.005 * len(shown)
    assert (screens.loc[screens["detection_probability"] == 0, "detected"] == 0).all()


def test_every_device_has_cancers_and_negatives_at_the_same_rate(programme):
    screens = screening_exams(programme)
    by_device = screens.groupby("device")["cancer"].agg(["sum", "mean", "size"])
    assert sorted(by_device.index) == ["alder", "birch", "cedar", "dogwood"]
    assert (by_device["sum"] > 50).all()
    overall = screens["cancer"].mean()
    error = np.sqrt(overall / by_device["size"])
    assert (np.abs(by_device["mean"] - overall) < 4 * error).all()
    years = screens.assign(early=screens["exam_date"].dt.year <= 2012)
    early = years.groupby("device")["early"].mean()
    assert early["alder"] - early["dogwood"] > 0.3  # machine and year go together


def test_registry_is_a_late_and_partly_unlinked_subset_of_the_truth(programme):
    registry, women = programme.registry, programme.truth_women
    assert registry["registry_id"].is_unique
    assert (registry["reported_date"] > registry["diagnosis_date"]).all()
    assert (registry["reported_date"] <= p.EXTRACT_DATE.value).all()
    assert registry["patient_id"].isna().mean() == pytest.approx(p.UNLINKED.value, abs=0.012)
    true_dates = women["diagnosis_date"].dropna()
    assert registry["diagnosis_date"].isin(true_dates).all()
    assert len(registry) < len(true_dates)
    linked = registry.dropna(subset="patient_id").merge(women, on="patient_id")
    wrong = linked["diagnosis_date_x"] != linked["diagnosis_date_y"]
    assert wrong.mean() < 0.01
    assert (linked.loc[~wrong, "laterality_x"] == linked.loc[~wrong, "laterality_y"]).all()


def test_pathology_says_the_truth_about_its_own_cases(programme):
    reports = programme.pathology.merge(programme.truth_women, on="patient_id")
    malignant = reports[reports["result"] != "benign"]
    assert (malignant["specimen_date"] == malignant["diagnosis_date"]).all()
    assert ((malignant["result"] == "invasive") == malignant["invasive"]).all()
    assert malignant["patient_id"].is_unique
    benign = programme.pathology[programme.pathology["result"] == "benign"]
    assert benign["size_mm"].isna().all()
    harmless = programme.exams.merge(programme.truth_exams, on="exam_id").query(
        "biopsy and not detected"
    )
    assert len(benign) == len(harmless)


def test_both_sources_together_miss_few_cancers(programme):
    screens = screening_exams(programme)
    cancers = screens[screens["cancer"]]
    registered = set(programme.registry["patient_id"].dropna())
    reports = programme.pathology
    reported = set(reports.loc[reports["result"] != "benign", "patient_id"])
    assert cancers["patient_id"].isin(registered | reported).mean() > 0.98
    assert cancers["patient_id"].isin(registered).mean() < 0.99


def test_pixels_are_pulled_with_the_stated_weights(programme):
    exams = programme.exams.set_index("exam_id")
    pulled = exams[exams["sampling_weight"].notna()]
    assert programme.pixels_exams["exam_id"].tolist() == pulled.index.tolist()
    assert tuple(programme.pixels_exams.columns) == PIXEL_COLUMNS
    weights = {1.0, 1 / PULLED["p_precancer"], 1 / PULLED["p_rest"]}
    assert set(pulled["sampling_weight"]) == weights
    # inverse probabilities add up to all exams
    total = pulled["sampling_weight"].sum()
    error = np.sqrt((pulled["sampling_weight"] * (pulled["sampling_weight"] - 1)).sum())
    assert abs(total - len(exams)) < 4 * error
    reports = programme.pathology
    cancers = reports[reports["result"] != "benign"].set_index("patient_id")["specimen_date"]
    days = (exams["patient_id"].map(cancers) - exams["exam_date"]).dt.days
    assert (exams.loc[days.between(0, 365), "sampling_weight"] == 1).all()


def test_the_same_seed_gives_the_same_programme(small):
    again = simulate(1_500, SEED, **PULLED)
    for name, frame in vars(small).items():
        pd.testing.assert_frame_equal(frame, getattr(again, name))
    other = simulate(1_500, SEED + 1, **PULLED)
    assert not other.patients.equals(small.patients)


def test_more_women_change_no_earlier_woman(small, programme):
    for name in ("patients", "exams", "truth_women", "truth_exams", "truth_lesions"):
        fewer, more = getattr(small, name), getattr(programme, name)
        pd.testing.assert_frame_equal(fewer, more.head(len(fewer)))


@pytest.mark.parametrize("seen", ["formula", "pictures"])
def test_more_pixels_change_nothing_else(seen):
    fewer = simulate(300, SEED, **PULLED, seen=seen, look_alike_share=0.3)
    more = simulate(300, SEED, p_precancer=1.0, p_rest=0.9, seen=seen, look_alike_share=0.3)
    assert set(fewer.pixels_exams["exam_id"]) < set(more.pixels_exams["exam_id"])
    columns = [name for name in EXAM_COLUMNS if name != "sampling_weight"]
    pd.testing.assert_frame_equal(fewer.exams[columns], more.exams[columns])
    for name in ("registry", "truth_exams", "truth_lesions"):
        pd.testing.assert_frame_equal(getattr(fewer, name), getattr(more, name))


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_women": 0},
        {"p_rest": 0.0},
        {"p_precancer": 1.5},
        {"workers": 0},
        {"look_alike_share": 2},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        simulate(**{"n_women": 10, "seed": 1, **PULLED, **wrong})


def test_one_woman_is_a_programme():
    one = simulate(1, SEED, **PULLED)
    assert len(one.patients) == 1 and len(one.exams) >= 1


def test_the_export_is_what_a_hospital_would_hand_over(small, tmp_path):
    raw, truth = tmp_path / "raw", tmp_path / "truth"
    write_raw(small, raw, truth)
    about = json.loads((raw / "export.json").read_text())
    assert about["synthetic"] is True and about["extract_date"] == p.EXTRACT_DATE.value
    for name, file in (
        ("patients", "ehr/patients.csv"),
        ("exams", "ehr/exams.csv"),
        ("registry", "registry/cancers.csv"),
        ("pathology", "pathology/reports.csv"),
    ):
        text = pd.read_csv(raw / file, dtype=str)
        assert list(text.columns) == list(schemas.COLUMNS[name])
        assert len(text) == len(getattr(small, name))
        dates = text.filter(like="_date").stack()
        assert dates.str.fullmatch(r"\d{4}-\d{2}-\d{2}").all()
    exams = pd.read_csv(raw / "ehr/exams.csv", dtype=str)
    assert set(exams["recall"]) == {"0", "1"}
    weight = exams["sampling_weight"].astype(float)
    np.testing.assert_array_equal(weight, small.exams["sampling_weight"])
    stored = pd.read_parquet(truth / "truth_exams.parquet")
    pd.testing.assert_frame_equal(stored, small.truth_exams)
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def test_the_export_holds_nothing_of_the_truth(small):
    hidden = {"relative_risk", "texture", "frailty", "surfacing_age", "risk_5y_true", "detected"}
    hidden |= {"polygenic", "ill_health", "move_time", "lapse_age", "detection_probability"}
    for frame in (small.patients, small.exams, small.registry, small.pathology):
        assert not hidden & set(frame.columns)
