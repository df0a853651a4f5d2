"""Women: relative risk with mean one, densities and covariates in their published shares."""

import numpy as np
import pandas as pd
import pytest

from mammolab.world import parameters as p
from mammolab.world import people

N = 60_000


@pytest.fixture(scope="module")
def women() -> pd.DataFrame:
    return people.draw_people(N, seed=11)


def test_mean_relative_risk_is_one_in_every_race(women):
    by_race = women.groupby("race_ethnicity")["relative_risk"].agg(["mean", "std", "size"])
    error = by_race["std"] / np.sqrt(by_race["size"])
    assert (np.abs(by_race["mean"] - 1) < 4 * error).all()


def test_every_clinical_stratum_is_centred(women):
    stratum = [women["race_ethnicity"], women["anchor_age"] >= 50]
    risk = np.exp(women["log_rr_clinical"]).groupby(stratum).agg(["mean", "std", "size"])
    assert (np.abs(risk["mean"] - 1) < 4 * risk["std"] / np.sqrt(risk["size"])).all()


def test_parts_of_the_relative_risk_have_their_spread_and_are_independent(women):
    parts = women.filter(like="log_rr_")
    assert len(parts.columns) == 5
    assert parts["log_rr_density"].std() == pytest.approx(p.DENSITY_LOG_RR_SD.value, rel=0.02)
    assert parts["log_rr_image"].std() == pytest.approx(p.IMAGE_LOG_RR_SD.value, rel=0.02)
    assert parts["log_rr_hidden"].std() == pytest.approx(p.HIDDEN_LOG_RR_SD.value, rel=0.02)
    assert parts["log_rr_clinical"].std() == pytest.approx(0.40, abs=0.06)
    assert np.abs(parts.corr().to_numpy() - np.eye(5)).max() < 0.02


@pytest.mark.parametrize("race, odds_ratio, auc", [("white", 1.61, 0.630), ("black", 1.27, 0.571)])
def test_polygenic_score_tells_cases_apart_as_published(women, race, odds_ratio, auc):
    hers = women[women["race_ethnicity"] == race]
    slope = np.polyfit(hers["polygenic"], hers["log_rr_polygenic"], 1)[0]
    assert np.exp(slope) == pytest.approx(odds_ratio, abs=0.01)
    # of rare cases and the rest: each woman weighs as a case by her relative risk
    order = hers.sort_values("polygenic")
    case = np.exp(order["log_rr_polygenic"].to_numpy())
    below = (np.arange(len(case)) + 0.5) / len(case)
    assert np.average(below, weights=case) == pytest.approx(auc, abs=0.01)


def test_the_polygenic_score_and_health_are_not_in_the_record(women):
    records = people.patient_records(
        women.assign(number=range(len(women)), birth_year=1955, first_exam_age=56.0), seed=11
    )
    assert not {"polygenic", "ill_health", "frailty", "texture"} & set(records.columns)


def test_covariate_effects_are_weaker_where_attenuated(women):
    slope = {}
    for race in ("white", "black"):
        hers = women[(women["race_ethnicity"] == race) & (women["anchor_age"] >= 50)]
        by_relatives = hers.groupby(hers["family_history_n"] > 0)["log_rr_clinical"].mean()
        slope[race] = by_relatives[True] - by_relatives[False]
    assert slope["black"] / slope["white"] == pytest.approx(
        p.CLINICAL_ATTENUATION.value["black"], abs=0.1
    )


def test_family_history_and_births_have_published_shares(women):
    older = women[women["anchor_age"] >= 50]
    assert (older["family_history_n"] > 0).mean() == pytest.approx(0.146, abs=0.01)
    shares = older["n_births"].value_counts(normalize=True).sort_index()
    np.testing.assert_allclose(shares, p.PARITY.value["from_50"], atol=0.012)
    assert older.loc[older["n_births"] == 0, "age_first_birth_years"].isna().all()
    assert not women.loc[women["n_biopsies"] == 0, "atypia"].any()


def test_density_falls_with_age_and_maps_to_classes_and_area():
    latent = people.latent_density(np.zeros(3), np.array([42.0, 57.0, 85.0]))
    assert (np.diff(latent) < 0).all()
    assert people.density_class(np.array([-2.0, -0.5, 0.7, 2.0])).tolist() == [0, 1, 2, 3]
    area = people.percent_density(np.linspace(-4, 4, 50))
    assert (np.diff(area) >= 0).all() and area[0] > 0 and area[-1] < 1


@pytest.mark.parametrize(
    "births, age, category",
    [(0, np.nan, 2), (1, 19, 0), (2, 20, 1), (1, 24, 1), (3, 25, 2), (1, 30, 3), (1, 41, 3)],
)
def test_first_birth_categories_are_gails(births, age, category):
    assert people.first_birth_category(np.array([births]), np.array([age]))[0] == category


def test_more_women_change_no_earlier_woman(women):
    fewer = people.draw_people(500, seed=11)
    pd.testing.assert_frame_equal(fewer, women.head(500))


def test_records_are_blank_at_the_stated_rates(women):
    seen = women.assign(number=range(len(women)), birth_year=1955, first_exam_age=56.0)
    records = people.patient_records(seen, seed=11)
    for name, share in p.MISSING.value.items():
        if name != "age_first_birth_years":  # also blank without a birth
            assert records[name].isna().mean() == pytest.approx(share, abs=0.01)
    known = records["bmi"].notna()
    assert (records.loc[known, "bmi"] == women.loc[known, "bmi"].round(1)).all()


def test_every_constant_says_unit_meaning_and_source():
    table = p.parameter_table()
    assert len(table) > 70
    assert table["name"].is_unique
    assert (table[["unit", "meaning", "source"]].map(len) > 0).all(axis=None)
    shares = table.set_index("name")["value"]
    for name in ("site_shares", "cadence_shares", "cancer_kinds"):
        assert sum(shares[name].values()) == pytest.approx(1)
    for name in ("biopsies", "relatives_split"):
        assert sum(shares[name]) == pytest.approx(1)
    assert len(shares["site_shares"]) == 5
    for name in ("site_races", "site_devices", "readers"):
        assert list(shares[name]) == list(shares["site_shares"])
    for row in [*shares["site_races"].values(), *shares["parity"].values()]:
        assert sum(row) == pytest.approx(1)
    assert sum(share for *_, share in shares["anchor_ages"]) == pytest.approx(1)
    assert sum(share for *_, share in shares["menarche"]) == pytest.approx(1)
