"""What goes into the world comes out of it: incidence, discrimination, reading, follow-up, bytes."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from mammolab.evaluate.concordance import harrell_c
from mammolab.evaluate.delong import auc_estimate
from mammolab.world import disease, people
from mammolab.world import parameters as p
from mammolab.world.attendance import to_time
from mammolab.world.programme import simulate, write_raw
from mammolab.world.targets import screening_exams

SEED = 11
PULLED = {"p_precancer": 0.3, "p_rest": 0.03}
BANDS = np.arange(25, 85, 5)


@pytest.fixture(scope="module")
def unscreened():
    """Women as nature made them: nobody screens, diagnoses or leaves."""
    women = people.draw_people(80_000, SEED)
    return women.join(disease.draw_disease(women, SEED))


@pytest.fixture(scope="module")
def programme():
    return simulate(20_000, SEED, **PULLED)


@pytest.fixture(scope="module")
def exams(programme):
    """All exams with their truth and the woman's."""
    women = programme.truth_women
    exams = programme.exams.merge(programme.truth_exams, on=["exam_id", "patient_id"])
    return exams.merge(women, on="patient_id", suffixes=("", "_her"))


def rates(women: pd.DataFrame, age: pd.Series, weight: np.ndarray) -> pd.DataFrame:
    """Events at `age` and weighted years at risk by race and age band, death competing."""
    end = np.minimum(age, women["other_death_age"])
    rows = []
    for race in p.RACES:
        here = (women["race_ethnicity"] == race).to_numpy()
        for low in BANDS:
            years = np.clip(end[here] - low, 0, 5)
            happened = age[here].between(low, low + 5, inclusive="left") & (
                age[here] < women["other_death_age"][here]
            )
            rows.append((race, low, happened.sum(), (weight[here] * years).sum()))
    return pd.DataFrame(rows, columns=["race", "age", "events", "years"])


def test_invasive_incidence_is_the_input_table(unscreened):
    # A woman's hazard is her relative risk times the table, so the years at risk count times the
    # relative risk: the frail leave first, and plain years would show a rate that falls short.
    found = rates(unscreened, unscreened["surfacing_age"], unscreened["relative_risk"].to_numpy())
    band = (found["age"] - 20) // 5
    table = np.array([p.INCIDENCE.value[race][at] for race, at in zip(found["race"], band)])
    expected = found["years"] * table * 1e-5 * p.INCIDENCE_SCALE.value
    z = (found["events"] - expected) / np.sqrt(expected)
    enough = expected >= 5
    assert enough.sum() >= 45 and expected.sum() > 5_000
    assert np.abs(z[enough]).max() < 3.9  # one in 10,000 each
    assert (z[enough] ** 2).sum() == pytest.approx(enough.sum(), abs=4 * np.sqrt(2 * enough.sum()))
    for race, part in found.assign(expected=expected).groupby("race"):
        assert part["events"].sum() == pytest.approx(
            part["expected"].sum(), abs=3.5 * np.sqrt(part["expected"].sum())
        ), race


def test_incidence_of_young_women_needs_no_relative_risk(unscreened):
    # Until 45 nearly nobody has left: plain years at risk give the table, since the mean is one.
    found = rates(unscreened, unscreened["surfacing_age"], np.ones(len(unscreened)))
    young = found[found["age"] < 45]
    table = [p.INCIDENCE.value[race][(age - 20) // 5] for race, age in zip(young.race, young.age)]
    expected = (young["years"] * table).sum() * 1e-5 * p.INCIDENCE_SCALE.value
    spread = np.sqrt(expected * (1 + expected / len(unscreened)))
    assert young["events"].sum() == pytest.approx(expected, abs=0.01 * expected + 3 * spread)


def test_deaths_of_other_causes_are_the_input_table(unscreened):
    dying = unscreened["other_death_age"]
    for race in p.RACES:
        age = dying[unscreened["race_ethnicity"] == race].to_numpy()
        for at in (40, 50, 60, 70, 80):
            years = np.clip(age - at, 0, 5).sum()
            events = ((age >= at) & (age < at + 5)).sum()
            expected = years * p.OTHER_MORTALITY.value[race][(at - 20) // 5] * 1e-5
            assert abs(events - expected) < 4 * np.sqrt(expected) + 0.01 * expected, (race, at)


def test_the_lognormal_part_of_the_risk_tells_cases_apart_as_theory_says(unscreened):
    # With log relative risk N(., s^2) in the healthy it is N(. + s^2, s^2) in cases of a rare
    # disease, so that the AUC is Phi(s / sqrt 2).
    alive = unscreened[(unscreened["other_death_age"] > 55) & (unscreened["surfacing_age"] > 50)]
    spread = np.sqrt(
        p.DENSITY_LOG_RR_SD.value**2 + p.IMAGE_LOG_RR_SD.value**2 + p.HIDDEN_LOG_RR_SD.value**2
    )
    score = alive[["log_rr_density", "log_rr_image", "log_rr_hidden"]].sum(axis=1)
    auc = auc_estimate(score, alive["surfacing_age"] < 55)
    error = (auc.high - auc.low) / 3.92
    assert error < 0.012
    assert auc.value == pytest.approx(ndtr(spread / np.sqrt(2)), abs=3 * error)


def test_the_true_hazard_has_the_concordance_its_spread_implies(unscreened):
    alive = unscreened[unscreened["surfacing_age"] > 50]
    alive = alive[alive["other_death_age"] > 50]
    end = np.minimum(np.minimum(alive["surfacing_age"], alive["other_death_age"]), 55.0) - 50
    case = (alive["surfacing_age"] < 55) & (alive["surfacing_age"] < alive["other_death_age"])
    table = {race: values[6] for race, values in p.INCIDENCE.value.items()}
    hazard = alive["relative_risk"] * alive["race_ethnicity"].map(table)
    found = harrell_c(end.to_numpy(), case.astype(int).to_numpy(), hazard.to_numpy())
    auc = auc_estimate(hazard, case)  # nearly the same pairs: its error is taken
    # the hazard's own distribution says how often a case, drawn in proportion to it, lies above
    # another woman
    order = np.sort(hazard.to_numpy())
    below = (np.arange(len(order)) + 0.5) / len(order)
    implied = (order * below).sum() / order.sum()
    error = (auc.high - auc.low) / 3.92
    assert error < 0.012 and implied > 0.65
    assert found == pytest.approx(implied, abs=3 * error)


def test_five_year_risk_is_the_rate_at_which_cancers_come(programme):
    screens = screening_exams(programme)
    days = screens["days_to_diagnosis_true"]
    first = screens[~(days <= 365)].drop_duplicates("patient_id")
    cases = (first["days_to_diagnosis_true"] <= 5 * 365.25).sum()
    expected = first["risk_5y_true"].sum()
    # clear of a visible cancer at the start, dying, and found early by screening: near, not equal
    assert 0.6 < cases / expected < 1.1
    fifth = pd.qcut(first["risk_5y_true"], 5, labels=False)
    shares = (first["days_to_diagnosis_true"] <= 5 * 365.25).groupby(fifth).mean()
    assert shares.iloc[-1] > 3 * shares.iloc[0]


def test_readings_follow_the_reader_curve_by_size_and_density(exams):
    seen = exams[
        (exams["indication"] == "screening")
        & ~exams["after_diagnosis"]
        & (exams["detection_probability"] > 0)
    ]
    density = people.density_class(seen["latent_density"].to_numpy())
    size = np.maximum(seen["invasive_mm"], seen["dcis_mm"])
    bins = pd.cut(size, [0, 4, 6, 8, 11, 15, 20, 200]).cat.codes
    chance, detected = seen["detection_probability"], seen["detected"]
    assert len(seen) > 1_000
    for group in (bins, pd.Series(density, seen.index), seen["invasive_mm"] > 0):
        expected = chance.groupby(group).sum()
        spread = np.sqrt((chance * (1 - chance)).groupby(group).sum())
        z = (detected.groupby(group).sum() - expected) / spread
        assert np.abs(z).max() < 3.5, z
    invasive = seen[seen["dcis_mm"] == 0]
    by_size = invasive["detected"].groupby(bins[invasive.index]).mean()
    assert by_size.iloc[0] < 0.4 and by_size.iloc[-1] > 0.85
    levels = pd.Series(density, seen.index)[invasive.index]
    middle = invasive["invasive_mm"].between(5, 12)
    by_density = invasive["detected"][middle].groupby(levels[middle] >= 2).mean()
    assert by_density[True] < by_density[False] - 0.05  # dense tissue hides cancers of one size


def test_false_alarms_follow_their_probability(exams):
    healthy = exams[(exams["indication"] == "screening") & ~exams["detected"]]
    chance = healthy["false_positive_probability"]
    for group in (healthy["density"], healthy["reader_id"], healthy["has_prior"]):
        expected = chance.groupby(group).sum()
        spread = np.sqrt((chance * (1 - chance)).groupby(group).sum())
        z = (healthy["recall"].groupby(group).sum() - expected) / spread
        assert np.abs(z).max() < 4, z


def test_no_exam_after_death_or_after_the_extract(programme, exams):
    patients = programme.patients.set_index("patient_id")
    death = exams["patient_id"].map(patients["death_date"])
    assert not (exams["exam_date"] > death).any()
    assert (exams["exam_date"] <= p.EXAMS_END.value).all()
    assert p.EXAMS_END.value < p.EXTRACT_DATE.value
    assert patients["death_date"].max() <= pd.Timestamp(p.EXTRACT_DATE.value)
    contact = exams["patient_id"].map(patients["last_contact_date"])
    assert (exams["exam_date"] <= contact).all()
    # truth and record tell one death
    true = programme.truth_women.set_index("patient_id")
    dead = true["birth_time"] + true["death_age"] < to_time(p.EXTRACT_DATE.value)
    assert (dead == patients["death_date"].notna()).all()


def test_no_diagnosis_before_birth_or_after_death_or_the_extract(programme):
    women = programme.truth_women
    found = women[women["mode"] != ""]
    assert len(found) > 1_000
    assert (found["diagnosis_age"] > 20).all()
    assert (found["diagnosis_time"] > found["birth_time"] + 20).all()
    assert (found["diagnosis_age"] <= found["death_age"]).all()
    assert (found["diagnosis_date"] <= p.EXTRACT_DATE.value).all()
    born = programme.patients.set_index("patient_id")["birth_year"]
    assert (found["diagnosis_date"].dt.year.to_numpy() - born[found["patient_id"]] >= 20).all()
    never = women[women["mode"] == ""]
    assert never["diagnosis_date"].isna().all() and np.isinf(never["diagnosis_age"]).all()


def test_no_diagnosis_before_the_cancer_could_be_seen(programme):
    women = programme.truth_women
    found = women[women["mode"] == "symptoms"]
    invasive = found[found["invasive"]]
    assert np.allclose(invasive["diagnosis_age"], invasive["surfacing_age"])
    by_screen = women[(women["mode"] == "screen") & women["invasive"]]
    assert (by_screen["size_mm"] >= p.SMALLEST_VISIBLE.value).all()
    in_situ = women[(women["mode"] == "screen") & ~women["invasive"]]
    assert (in_situ["diagnosis_age"] > in_situ["dcis_onset_age"]).all()


def test_no_lesion_before_its_onset_and_none_after_treatment(programme, exams):
    time = (exams["exam_date"] - pd.Timestamp(p.EPOCH.value)).dt.days / 365.25
    age = time - exams["birth_time"]
    slack = 2 / 365.25  # dates are whole days
    in_situ = exams["dcis_mm"] > 0
    assert in_situ.sum() > 80
    assert (age[in_situ] >= exams["dcis_onset_age"][in_situ] - slack).all()
    assert (age[in_situ] <= exams["dcis_end_age"][in_situ] + slack).all()
    invasive = exams["invasive_mm"] >= p.SMALLEST_VISIBLE.value
    assert (age[invasive] <= exams["surfacing_age"][invasive] + slack).all()
    ahead = (exams["surfacing_age"] - age)[invasive] / (3 * exams["doubling_years"][invasive])
    size = exams["surfacing_diameter_mm"][invasive] * np.exp2(-ahead)
    assert np.allclose(size, exams["invasive_mm"][invasive], rtol=0.06)
    after = exams[exams["after_diagnosis"]]
    assert (after[["invasive_mm", "dcis_mm"]] == 0).all(axis=None)
    lesions = programme.truth_lesions
    malignant = set(lesions.loc[lesions["malignant"], "exam_id"])
    assert not malignant & set(after["exam_id"])


def test_a_benign_lesion_stays_once_it_is_there(programme, exams):
    benign = programme.truth_lesions.query("~malignant")[["exam_id", "seed"]]
    when = exams.sort_values(["patient_id", "exam_date"]).assign(
        ordinal=lambda f: f.groupby("patient_id").cumcount(),
        last=lambda f: f.groupby("patient_id")["exam_id"].transform("size") - 1,
    )
    seen = benign.merge(when[["exam_id", "patient_id", "ordinal", "last"]], on="exam_id")
    spans = seen.groupby(["patient_id", "seed"]).agg(
        first=("ordinal", "min"), times=("ordinal", "size"), last=("last", "first")
    )
    assert len(spans) > 1_000
    assert (spans["times"] == spans["last"] - spans["first"] + 1).all()


def test_the_registry_is_never_earlier_than_the_diagnosis(programme):
    registry = programme.registry
    assert (registry["reported_date"] >= registry["diagnosis_date"]).all()
    assert (registry["reported_date"] <= p.EXTRACT_DATE.value).all()
    true = programme.truth_women.set_index("patient_id")["diagnosis_date"]
    linked = registry.dropna(subset="patient_id")
    her = linked["patient_id"].map(true)
    misfiled = her.isna() | (her != linked["diagnosis_date"])
    assert misfiled.mean() < 4 * p.MISLINKED.value
    reports = programme.pathology[programme.pathology["result"] != "benign"]
    assert (reports["specimen_date"] == reports["patient_id"].map(true)).all()


def test_no_screening_exam_between_finding_and_diagnosis_nor_while_under_surveillance(exams):
    screening = exams[exams["indication"] == "screening"]
    days = (screening["exam_date"] - screening["diagnosis_date"]).dt.days
    assert not days.between(1, 365.25 * p.SURVEILLANCE_YEARS.value - 2).any()
    finding = exams[exams["detected"]].set_index("patient_id")["exam_date"]
    found = exams["patient_id"].map(finding)
    waiting = (exams["exam_date"] > found) & (exams["exam_date"] < exams["diagnosis_date"])
    assert not waiting.any()
    assert len(finding) > 300


def digests(folder) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("n_fewer", [2_000, 2_001])  # registry rows are misfiled by pairs
def test_one_more_woman_leaves_the_first_as_they_were_byte_for_byte(tmp_path, n_fewer):
    sizes = (n_fewer, n_fewer + 1)
    for n in sizes:
        write_raw(simulate(n, SEED, **PULLED), tmp_path / f"{n}/raw", tmp_path / f"{n}/truth")
    for name in ("ehr/patients.csv", "ehr/exams.csv"):
        fewer, more = ((tmp_path / f"{n}/raw" / name).read_bytes() for n in sizes)
        assert more.startswith(fewer) and len(more) > len(fewer), name
    for name in ("truth_women", "truth_exams", "truth_lesions"):
        fewer, more = (pd.read_parquet(tmp_path / f"{n}/truth/{name}.parquet") for n in sizes)
        pd.testing.assert_frame_equal(more.head(len(fewer)), fewer)
    ids = set(pd.read_csv(tmp_path / f"{n_fewer}/raw/ehr/patients.csv")["patient_id"])
    for name, number in (("registry/cancers.csv", "registry_id"),
                         ("pathology/reports.csv", "report_id")):  # fmt: skip
        fewer, more = (
            pd.read_csv(tmp_path / f"{n}/raw" / name, dtype=str).drop(columns=number) for n in sizes
        )
        more = more[more["patient_id"].isna() | more["patient_id"].isin(ids)]
        extra = len(more) - len(fewer)  # an unlinked row of the new woman has no name
        assert extra in (0, 1)
        if not extra:
            pd.testing.assert_frame_equal(more.reset_index(drop=True), fewer)


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path):
    write_raw(simulate(400, SEED, **PULLED), tmp_path / "here/raw", tmp_path / "here/truth")
    script = (
        "from mammolab.world.programme import simulate, write_raw;"
        f"write_raw(simulate(400, {SEED}, p_precancer=0.3, p_rest=0.03),"
        f" r'{tmp_path}/there/raw', r'{tmp_path}/there/truth')"
    )
    threads = {"PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "1", "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", script], env=os.environ | threads, check=True)
    assert digests(tmp_path / "here") == digests(tmp_path / "there")
    other = simulate(400, SEED + 1, **PULLED)
    write_raw(other, tmp_path / "other/raw", tmp_path / "other/truth")
    assert (
        digests(tmp_path / "other")["raw/ehr/exams.csv"]
        != digests(tmp_path / "here")["raw/ehr/exams.csv"]
    )
