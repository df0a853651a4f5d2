"""Risks by hand, against the models themselves on the same frame, and what is told beside them."""

import numpy as np
import pandas as pd
import pytest

from mammolab.clinic.risk_scores import score_women
from mammolab.clinic.risk_table import OPTIONAL, read_women
from mammolab.clinic.risk_trained import load_models
from mammolab.clinic.risk_words import distribution, summary
from mammolab.errors import InputError
from mammolab.risk.factors import RiskFactorModel
from mammolab.risk.gail import COLUMNS, gail_risk
from mammolab.risk.hybrid import HybridModel

HAND = pd.DataFrame(
    # the four women whose risks the published tool gives, and two that it would refuse
    [
        ("w1", 40, "white", 1, 12, 2, 25, 1, ""),
        ("w2", 45, "white", 2, 10, 0, "", 2, 1),
        ("w3", 40, "black", 1, 12, 2, 25, 1, ""),
        ("w4", 45, "hispanic", 2, 10, 0, "", 2, 1),
        ("w5", 84, "", "", "", "", "", "", 1),
        ("w6", 19, "white", 0, 12, 0, "", 0, ""),
    ],
    columns=["exam_id", *COLUMNS],
)
REFUSED = "the published tool refuses the record, read here as "
ASKED = "age_years; race_ethnicity; family_history_n"


class TestByHand:
    @pytest.fixture
    def table(self, write):
        return score_women(read_women(write(HAND))).table

    def test_risks_are_the_published_ones(self, table):
        expected = [0.045136216073, 0.24125253066, 0.027300575728, 0.058245861091]
        assert table["risk_10y_gail"].iloc[:4].tolist() == pytest.approx(expected, abs=1e-8)
        assert table["risk_10y_gail"].notna().tolist() == [True] * 5 + [False]

    def test_what_they_rest_on(self, table):
        assert table["factors_used"].tolist() == [
            f"{ASKED}; menarche_age_years; n_births; age_first_birth_years; n_biopsies",
            f"{ASKED}; menarche_age_years; n_births; age_first_birth_years; n_biopsies; atypia",
            f"{ASKED}; menarche_age_years; n_biopsies",  # no births in the model of Black women
            f"{ASKED}; n_births; age_first_birth_years; n_biopsies; atypia",  # nor menarche here
            "age_years",
            "",
        ]
        missing = "race_ethnicity; family_history_n; menarche_age_years; n_births; "
        missing += "age_first_birth_years; n_biopsies"
        assert table["factors_missing"].tolist() == ["atypia", "", "atypia", "", missing, ""]
        imputed = (
            "race_ethnicity=white (gail); family_history_n=0 (gail); "
            "menarche_age_years=14 or more (gail); age_first_birth_years=under 20 (gail); "
            "n_biopsies=0 (gail)"
        )
        assert table["factors_imputed"].tolist() == ["", "", "", "", imputed, ""]

    def test_notes_and_problems(self, table):
        assert table["gail_group"].tolist() == [
            "white", "white", "black", "hispanic_us_born", "native_american_or_unknown", "",
        ]  # fmt: skip
        odd = "the published tool refuses the record, read here as atypia without a biopsy: "
        odd += "not applicable; "
        odd += "race_ethnicity unknown: numbers of White women; the projection stops at age 90"
        assert table["note"].tolist() == [
            "",
            "",
            "",
            "hispanic: read as US-born",
            odd,
            "",
        ]
        assert (table["problem"] != "").tolist() == [False] * 5 + [True]
        assert table["problem"].iloc[5].startswith("age_years '19' is not from 20 to below 90")

    @pytest.mark.parametrize(
        ("cells", "note"),
        [
            ({"age_first_birth_years": 44}, REFUSED + "first birth after the exam: nulliparous"),
            (
                {"age_first_birth_years": 44, "race_ethnicity": "black"},
                "first birth after the exam",
            ),
            ({"age_first_birth_years": 11}, REFUSED + "first birth before menarche: unknown"),
            (
                {"age_years": 24, "menarche_age_years": 25, "age_first_birth_years": ""},
                REFUSED + "menarche after the exam: unknown",
            ),
            ({"n_biopsies": 0, "atypia": 1}, REFUSED + "atypia without a biopsy: not applicable"),
            ({"n_biopsies": 0, "atypia": 0}, ""),
            ({"n_births": 0}, "a first birth, and n_births 0: nulliparous"),
            ({"n_births": "", "age_first_birth_years": 98}, ""),
            ({"age_first_birth_years": 99}, ""),
        ],
    )
    def test_what_the_published_tool_refuses_is_said(self, write, cells, note):
        table = score_women(read_women(write(HAND.head(1).assign(**cells)))).table
        assert table["note"].iloc[0].startswith(note) and bool(note) == bool(table["note"].iloc[0])
        assert 0 < table["risk_5y_gail"].iloc[0] < 1

    def test_a_stand_in_has_the_risk_of_its_level(self, write):
        """What factors_imputed says stood in gives the same risk when it is written."""
        unknown = HAND.iloc[[4]].assign(atypia="")
        written = unknown.assign(
            race_ethnicity="white", family_history_n=0, menarche_age_years=14, n_births=1,
            age_first_birth_years=19, n_biopsies=0,
        )  # fmt: skip
        one, other = (score_women(read_women(write(frame))).table for frame in (unknown, written))
        assert one["risk_5y_gail"].tolist() == other["risk_5y_gail"].tolist()
        assert other["factors_imputed"].tolist() == [""]


class TestOracle:
    def test_gail_on_the_same_frame(self, women, write):
        table = score_women(read_women(write(women)), horizon_years=12).table
        for column, horizon in (("5y", 5), ("12y", 12), ("to_90", 70)):
            np.testing.assert_allclose(
                table[f"risk_{column}_gail"], gail_risk(women, horizon), rtol=0, atol=5.1e-9
            )

    def test_trained_models_on_the_same_frame(self, women, write, models_folder):
        trained = load_models(None, models_folder)
        table = score_women(read_women(write(women), trained.wanted), trained, 8).table
        factors = RiskFactorModel.load(models_folder / "factors.json")
        whole = women.assign(factor_score=factors.linear_predictor(women))
        for name, model in (
            ("risk_factors", factors),
            ("image", HybridModel.load(models_folder / "image.json")),
            ("hybrid", HybridModel.load(models_folder / "hybrid.json")),
        ):
            for years in (5, 8):
                np.testing.assert_allclose(
                    table[f"risk_{years}y_{name}"], model.predict(whole, years), rtol=0, atol=5.1e-9
                )
            assert f"risk_to_90_{name}" not in table

    def test_the_distribution_is_that_of_the_column(self, women, write):
        scores = score_women(read_women(write(women)))
        rows = pd.DataFrame(distribution(scores)).set_index("span")
        for span, cut in (("5y", 0.0167), ("5y", 0.03), ("to_90", 0.2)):
            risk = scores.table[f"risk_{span}_gail"]
            assert rows.loc[span, f"share_at_{cut:g}"] == (risk >= cut).mean()
            assert rows.loc[span, "median"] == pytest.approx(np.median(risk), abs=1e-8)


class TestTrained:
    @pytest.fixture
    def trained(self, models_folder):
        return load_models(None, models_folder)

    def test_missing_and_imputed_by_the_trained_model(self, women, write, trained):
        women = women.assign(bmi=np.nan, density=None)
        table = score_women(read_women(write(women), trained.wanted), trained).table
        assert table["factors_missing"].str.contains("density; .*bmi").all()
        filled = trained.models["factors"].design.fills["bmi"]
        expected = f"density=the average of train (risk_factors); bmi={filled:g} (risk_factors)"
        assert table["factors_imputed"].str.contains(expected, regex=False).all()
        assert table["risk_5y_risk_factors"].notna().all()

    def test_unknown_density_lies_between_the_densities(self, women, write, trained):
        """No training woman lacked it, so it has no level of its own; it is not taken for a."""

        def risks(density):
            read = read_women(write(women.assign(density=density)), trained.wanted)
            return score_women(read, trained).table["risk_5y_risk_factors"].to_numpy()

        of_levels = np.array([risks(level) for level in "abcd"])
        unknown = risks(None)
        assert (of_levels.min(axis=0) < unknown).all() and (unknown < of_levels.max(axis=0)).all()

    def test_detailed_groups_are_our_levels_to_a_trained_model(self, women, write, trained):
        tables = [
            score_women(
                read_women(write(women.assign(race_ethnicity=race)), trained.wanted), trained
            ).table
            for race in ("asian", "chinese")
        ]
        same = tables[0]["risk_5y_hybrid"] == tables[1]["risk_5y_hybrid"]
        assert same.all() and (tables[0]["risk_5y_gail"] != tables[1]["risk_5y_gail"]).all()

    def test_a_mistake_empties_only_the_risks_that_read_it(self, women, write, trained):
        women = women.astype({"density": object, "image_risk": object, "n_biopsies": object})
        women.loc[3, "density"], women.loc[4, "image_risk"] = "e", 2
        women.loc[5, "n_biopsies"], women.loc[6, "image_risk"] = -1, np.nan
        table = score_women(read_women(write(women), trained.wanted), trained).table
        empty = {
            name: set(np.flatnonzero(table[f"risk_5y_{name}"].isna()))
            for name in ("gail", "risk_factors", "image", "hybrid")
        }
        assert empty == {
            "gail": {5}, "risk_factors": {3, 5}, "image": {4, 6}, "hybrid": {3, 4, 5, 6},
        }  # fmt: skip
        assert set(np.flatnonzero(table["problem"] != "")) == {3, 4, 5}
        assert "image_risk" in table["factors_missing"].iloc[6]
        assert "no image_risk: not scored by image and hybrid" in table["note"].iloc[6]

    def test_without_a_column_image_risk_the_models_are_skipped(self, women, write, trained):
        read = read_women(write(women.drop(columns="image_risk")), trained.wanted)
        scores = score_women(read, trained, 8)
        assert [one.model for one in scores.verdicts] == ["gail", "risk_factors"]
        why = "image and hybrid: the table has no column image_files or image_risk"
        assert scores.skipped == (why,)
        assert f"skipped: {why}" in summary(scores)

    def test_a_horizon_beyond_the_training_is_left_out_and_named(self, women, write, trained):
        scores = score_women(read_women(write(women), trained.wanted), trained, 20)
        assert scores.table["risk_20y_gail"].notna().all()
        assert "risk_20y_hybrid" not in scores.table and "risk_5y_hybrid" in scores.table
        assert scores.skipped[0] == (
            "risk_factors at 20 years: it was trained on 9.0 years of follow-up"
        )
        assert len(scores.skipped) == 3


class TestInvariance:
    def test_the_order_of_rows_is_kept_and_changes_nothing(self, women, write):
        women = women.astype({"age_years": object, "race_ethnicity": object})
        women.loc[[2, 9], "age_years"] = ["", "120"]
        women.loc[30, "race_ethnicity"] = "martian"
        shuffled = women.sample(frac=1, random_state=1)
        one, other = (score_women(read_women(write(t))).table for t in (women, shuffled))
        assert one["exam_id"].tolist() == women["exam_id"].tolist()
        assert other["exam_id"].tolist() == shuffled["exam_id"].tolist()
        pd.testing.assert_frame_equal(one, other.sort_values("exam_id", ignore_index=True))
        assert one["risk_5y_gail"].isna().sum() == 3

    def test_a_woman_alone_has_the_risk_she_has_among_others(self, women, write):
        table = score_women(read_women(write(women))).table
        for k in (0, 17, 59):
            alone = score_women(read_women(write(women.iloc[[k]]))).table
            pd.testing.assert_series_equal(alone.iloc[0], table.iloc[k], check_names=False)

    def test_nobody_can_be_scored(self, women, write):
        scores = score_women(read_women(write(women.assign(age_years=12))))
        assert scores.table["risk_5y_gail"].isna().all() and len(scores.table) == len(women)
        assert "0 scored, 60 with problems" in summary(scores)[0]

    def test_a_large_table_is_scored_as_a_small_one(self, women, write):
        """100,000 rows take seconds (benchmarks/risk.py); a loop over women would take minutes."""
        n_copies = 100_000 // len(women) + 1
        large = pd.concat([women] * n_copies, ignore_index=True)
        large["exam_id"] = [f"E{k}" for k in range(len(large))]
        small = score_women(read_women(write(women), OPTIONAL)).table
        table = score_women(read_women(write(large), OPTIONAL)).table
        assert len(table) >= 100_000
        for column in ("risk_5y_gail", "risk_to_90_gail"):
            np.testing.assert_array_equal(table[column], np.tile(small[column], n_copies))
        assert (table["factors_used"] == np.tile(small["factors_used"], n_copies)).all()


@pytest.mark.parametrize("horizon", [0, -1, 71, float("nan")])
def test_a_horizon_that_cannot_be(women, write, horizon):
    with pytest.raises(InputError, match="--horizon must lie above 0 and up to 70 years"):
        score_women(read_women(write(women)), None, horizon)
