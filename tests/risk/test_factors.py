"""The risk-factor and hybrid Cox models against planted effects, lifelines and a saved copy."""

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from mammolab.errors import InputError
from mammolab.evaluate.horizons import cumulative_dynamic_auc
from mammolab.evaluate.survival import cumulative_incidence
from mammolab.risk.design import RISK_FACTORS, Factor
from mammolab.risk.factors import RiskFactorModel
from mammolab.risk.hybrid import HybridModel
from mammolab.schemas import COLUMNS

PLANTED = {"b": np.log(2.03), "c": np.log(2.95), "d": np.log(4.03)}  # Cummings: density
LOG_RR_RELATIVE = 0.6
LOG_RR_IMAGE = 0.5


def simulate(seed: int, n: int = 9_000) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Exams, their times and events (2 = death), and each woman's true five-year risk."""
    rng = np.random.default_rng(seed)
    relatives = rng.choice([0.0, 1.0, 2.0], n, p=[0.85, 0.12, 0.03])
    density = rng.choice(list("abcd"), n, p=[0.1, 0.4, 0.4, 0.1])
    image = rng.normal(size=n)
    log_hr = (
        pd.Series(density).map({"a": 0.0} | PLANTED).to_numpy()
        + LOG_RR_RELATIVE * relatives
        + LOG_RR_IMAGE * image
    )
    frame = pd.DataFrame(
        {
            "exam_id": [f"E{k}" for k in range(n)],
            "age_years": rng.uniform(40, 79, n),
            "density": density,
            "race_ethnicity": rng.choice(["white", "black", None], n, p=[0.8, 0.1, 0.1]),
            "family_history_n": np.where(rng.random(n) < 0.15, np.nan, relatives),
            "menarche_age_years": rng.choice([11.0, 13.0, 15.0, np.nan], n),
            "menopausal_status": rng.choice(["pre", "post"], n),
            "n_births": rng.choice([0.0, 1.0, 2.0], n),
            "age_first_birth_years": rng.uniform(18, 36, n),
            "n_biopsies": rng.choice([0.0, 1.0], n, p=[0.83, 0.17]),
            "atypia": np.nan,
            "bmi": rng.normal(27, 4, n),
            "brca": (rng.random(n) < 0.002).astype(float),
            "image_risk": 1 / (1 + np.exp(-(image - 4))),
        }
    )
    hazard = 0.004 * np.exp(log_hr)
    cancer, death = rng.exponential(1 / hazard), rng.exponential(150, n)
    leaving = rng.uniform(2, 9, n)
    time = np.minimum(np.minimum(cancer, death), leaving)
    event = np.select([time == cancer, time == death], [1, 2], 0)
    return frame, np.ceil(time * 365.25) / 365.25, event, -np.expm1(-5 * hazard)


@pytest.fixture(scope="module")
def train():
    return simulate(1)


@pytest.fixture(scope="module")
def model(train):
    return RiskFactorModel.fit(*train[:3])


@pytest.fixture(scope="module")
def hybrid(train):
    return HybridModel.fit(*train[:3])


class TestRecovery:
    def test_planted_hazard_ratios(self, model):
        found = model.hazard_ratios.set_index("column")["hazard_ratio_per_unit"]
        assert np.log(found["density c"]) == pytest.approx(PLANTED["c"], abs=0.35)
        assert np.log(found["density d"]) == pytest.approx(PLANTED["d"], abs=0.4)
        assert np.log(found["family_history_n"]) == pytest.approx(LOG_RR_RELATIVE, abs=0.2)
        assert np.log(found["n_biopsies"]) == pytest.approx(0.0, abs=0.3)

    def test_planted_image_effect(self, hybrid):
        found = hybrid.model.hazard_ratios.set_index("column")["hazard_ratio_per_unit"]
        assert np.log(found["image_logit"]) == pytest.approx(LOG_RR_IMAGE, abs=0.12)

    def test_on_new_women_it_is_calibrated_and_ranks_near_the_truth(self, model, hybrid):
        frame, time, event, truth = simulate(2)
        observed = float(cumulative_incidence(time, event)[1](5.0))
        ceiling = cumulative_dynamic_auc(time, event, truth, [5.0])[0]
        aucs = []
        for fitted in (model, hybrid):
            risk = fitted.predict(frame, 5.0)
            assert ((risk > 0) & (risk < 1)).all()
            assert risk.mean() == pytest.approx(observed, rel=0.15)
            aucs.append(cumulative_dynamic_auc(time, event, risk, [5.0])[0])
        assert aucs[0] < aucs[1] - 0.02
        assert aucs[1] == pytest.approx(ceiling, abs=0.04)

    def test_sampled_controls_with_their_weights_give_the_full_cohort_risk(self, train, model):
        frame, time, event, _ = train
        rng = np.random.default_rng(3)
        kept = (event == 1) | (rng.random(len(frame)) < 0.2)
        weight = np.where(event == 1, 1.0, 5.0)[kept]
        sampled = RiskFactorModel.fit(frame[kept], time[kept], event[kept], weight)
        unweighted = RiskFactorModel.fit(frame[kept], time[kept], event[kept])
        whole = model.predict(frame, 5.0).mean()
        assert sampled.predict(frame, 5.0).mean() == pytest.approx(whole, rel=0.1)
        assert unweighted.predict(frame, 5.0).mean() > 2 * whole

    def test_without_prior_it_is_the_model_of_lifelines(self, train):
        frame, time, event, _ = train
        factors = (Factor("age_years"), Factor("bmi"))
        ours = RiskFactorModel.fit(frame, time, event, factors=factors, ridge=0.0)
        table = frame[["age_years", "bmi"]].assign(time=time, cancer=event == 1)
        theirs = CoxPHFitter().fit(table, "time", "cancer")
        np.testing.assert_allclose(
            np.log(ours.hazard_ratios["hazard_ratio_per_unit"]), theirs.params_, rtol=1e-4
        )
        survival = theirs.predict_survival_function(frame.head(20), times=[5.0])
        np.testing.assert_allclose(
            ours.predict(frame.head(20), 5.0), 1 - survival.to_numpy()[0], rtol=2e-3
        )

    def test_image_alone_keeps_the_image_order(self, train):
        frame = train[0]
        alone = HybridModel.fit(*train[:3], factors=())
        order = np.argsort(frame["image_risk"].to_numpy())
        assert (np.diff(alone.predict(frame, 5.0)[order]) >= 0).all()

    def test_weight_two_is_the_row_twice(self, train):
        frame, time, event, _ = (part[:2000] for part in train)
        factors = (Factor("density", levels=tuple("abcd")), Factor("bmi"))
        twice = np.arange(2000) % 2 == 0
        rows = np.concatenate([np.arange(2000), np.flatnonzero(twice)])
        weighted = RiskFactorModel.fit(
            frame, time, event, np.where(twice, 2.0, 1.0), factors, ridge=0.0
        )
        doubled = RiskFactorModel.fit(
            frame.iloc[rows], time[rows], event[rows], factors=factors, ridge=0.0
        )
        risk = weighted.predict(frame, 5.0)
        # Efron's tie correction sees the doubled events; days make true ties rare.
        np.testing.assert_allclose(risk, doubled.predict(frame, 5.0), rtol=0.02)


class TestImputation:
    def test_it_is_learnt_on_train_only_and_reported(self, train, model):
        frame = train[0]
        report = model.imputation.set_index("factor")
        assert report.loc["family_history_n", "n_unknown"] == frame["family_history_n"].isna().sum()
        assert report.loc["age_years", "n_unknown"] == 0
        one = frame.head(1)
        unknown = one.assign(bmi=np.nan)
        filled = one.assign(bmi=frame["bmi"].median())
        # bmi was always known in train: no indicator, the training median stands in.
        assert "bmi unknown" not in model.design.names
        assert model.predict(unknown, 5.0) == pytest.approx(model.predict(filled, 5.0), rel=1e-12)
        alone = model.predict(one, 5.0)[0]
        beside_others = model.predict(frame.head(50).assign(), 5.0)[0]
        assert alone == pytest.approx(beside_others, rel=1e-12)

    def test_unknown_values_are_marked(self, model):
        assert "family_history_n unknown" in model.design.names
        assert "race_ethnicity unknown" in model.design.names
        assert "atypia" not in model.design.names  # never known, so never used

    def test_a_birth_after_the_exam_has_not_happened(self, train, model):
        one = train[0].head(1).assign(age_years=40.0)
        future = one.assign(n_births=1.0, age_first_birth_years=42.0)
        childless = one.assign(n_births=0.0, age_first_birth_years=np.nan)
        assert model.predict(future, 5.0)[0] == model.predict(childless, 5.0)[0]

    def test_a_category_unknown_only_here_is_at_the_average_of_train(self, train, model):
        """No training exam lacked density: a gap has no level, and is not the reference either."""
        design, two = model.design, train[0].head(2)
        gap = two.assign(density=[None, two["density"].iloc[1]])
        of_density = [name.startswith("density ") for name in design.names]
        assert (design.columns(gap)[0, of_density] == 0).all() and any(of_density)
        np.testing.assert_array_equal(design.columns(gap)[1], design.columns(two)[1])
        assert design.unknown(gap)["density"].tolist() == [True, False]
        stand_ins = design.stand_ins()
        assert stand_ins["density"] == "the average of train"
        assert "race_ethnicity" not in stand_ins  # unknown race has a level of its own here
        assert stand_ins["menarche_age_years"] == f"{design.fills['menarche_age_years']:g}"


class TestHorizonsAndFiles:
    def test_risk_grows_with_the_horizon(self, train, model):
        risks = [model.predict(train[0].head(100), years) for years in (1, 2, 5)]
        assert (risks[0] < risks[1]).all()
        assert (risks[1] < risks[2]).all()

    def test_saved_models_predict_the_same(self, train, model, hybrid, tmp_path):
        frame = train[0].head(200)
        for fitted in (model, hybrid):
            path = tmp_path / "risk" / f"{type(fitted).__name__}.json"
            fitted.save(path)
            again = type(fitted).load(path)
            np.testing.assert_array_equal(again.predict(frame, 5.0), fitted.predict(frame, 5.0))
        assert RiskFactorModel.load(tmp_path / "risk" / "RiskFactorModel.json").imputation.equals(
            model.imputation
        )

    def test_beyond_follow_up_there_is_no_prediction(self, train, model):
        with pytest.raises(InputError, match="follow-up"):
            model.predict(train[0].head(2), 25.0)


class TestRefusals:
    def test_missing_column_is_named(self, train):
        frame, time, event, _ = train
        with pytest.raises(InputError, match="bmi"):
            RiskFactorModel.fit(frame.drop(columns="bmi"), time, event)

    def test_unknown_level_names_the_exam_and_the_options(self, train, model):
        odd = train[0].head(2).assign(density=["a", "z"])
        with pytest.raises(InputError, match="a, b, c, d; see exam_id E1"):
            model.predict(odd, 5.0)

    def test_no_cancer_in_train(self, train):
        frame, time, event, _ = train
        with pytest.raises(InputError, match="followed by a cancer"):
            RiskFactorModel.fit(frame, time, np.zeros_like(event))

    @pytest.mark.parametrize("value", [np.nan, 1.5])
    def test_image_risk_must_be_a_probability(self, train, hybrid, value):
        odd = train[0].head(2).assign(image_risk=[0.1, value])
        with pytest.raises(InputError, match="image_risk must lie in.*E1"):
            hybrid.predict(odd, 5.0)

    def test_every_factor_is_a_column_of_ours(self):
        known = set(COLUMNS["patients"]) | set(COLUMNS["exams"])
        assert {factor.column for factor in RISK_FACTORS} <= known


def test_a_rare_factor_without_an_event_stays_finite_at_the_optimum():
    """Full Newton steps once ran away from it: the gradient of the penalised likelihood tells."""
    rng = np.random.default_rng(7)
    n = 10_000
    frame, time, event, _ = simulate(7, n)
    few = np.zeros(n)
    few[rng.choice(np.flatnonzero(event != 1), 4, replace=False)] = 1.0
    frame["brca"] = few
    model = RiskFactorModel.fit(frame, time, event)
    effects = np.asarray(model.log_hazard_ratios)
    assert np.abs(effects).max() < 2  # per standard deviation
    moved = []
    for step in (-1e-3, 1e-3):  # the likelihood falls on either side
        k = model.design.names.index("brca")
        other = effects.copy()
        other[k] += step
        moved.append(penalised(model, frame, time, event, other))
    assert max(moved) < penalised(model, frame, time, event, effects) + 1e-9


def penalised(model, frame, time, event, effects) -> float:
    """Breslow's log partial likelihood with the prior, by hand."""
    columns = model.design.columns(frame)
    order = np.argsort(-time, kind="stable")
    risk = np.logaddexp.accumulate((columns @ effects)[order])
    last = (
        np.searchsorted(-time[order], -time[order], side="right") - 1
    )  # ties share their risk set
    cancer = event[order] == 1
    return float(((columns @ effects)[order] - risk[last])[cancer].sum() - 0.5 * effects @ effects)
