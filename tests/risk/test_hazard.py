"""The hazard models of a table: planted risk, censoring, sampling, risk factors, files, refusals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from mammolab.errors import InputError, MissingInput
from mammolab.evaluate.horizons import cumulative_dynamic_auc
from mammolab.evaluate.survival import incidence_at_horizons
from mammolab.model.hazard_training import HazardTraining
from mammolab.risk.design import Factor
from mammolab.risk.hazard import HazardRiskModel
from mammolab.risk.hazard_choice import choose_hazard
from mammolab.risk.hazard_settings import YEARS, HazardSettings
from mammolab.risk.hybrid import HybridModel

FACTORS = (Factor("density", levels=tuple("abcd")), Factor("bmi"))
SETTINGS = HazardSettings(n_components=6, width=3, training=HazardTraining(steps=120))


def simulate(seed: int, n: int = 5_000, leaving_years: float = 12.0):
    """Features of 20 columns in 6 directions: one shows risk, one density; body mass is unseen."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 6))
    mixing = np.random.default_rng(99).normal(size=(6, 20))
    features = hidden @ mixing + 0.1 * rng.normal(size=(n, 20))
    bmi = rng.normal(size=n)
    hazard = 0.012 * np.exp(0.6 * hidden[:, 0] + 0.3 * hidden[:, 1] + 0.5 * bmi)
    cancer, death = rng.exponential(1 / hazard), rng.exponential(200, n)
    lost = rng.uniform(1, leaving_years, n)
    time = np.minimum(np.minimum(cancer, death), lost)
    exams = pd.DataFrame(
        {
            "exam_id": [f"E{k}" for k in range(n)],
            "time_years": time,
            "event": np.select([time == cancer, time == death], [1, 2], 0),
            "sampling_weight": 1.0,
            "density": np.array(list("abcd"))[np.searchsorted([-1, 0, 1], hidden[:, 1])],
            "bmi": np.where(rng.random(n) < 0.2, np.nan, 27 + 4 * bmi),
        }
    )
    exams.loc[rng.random(n) < 0.2, "density"] = None
    return features, exams, -np.expm1(-5 * hazard)


@pytest.fixture(scope="module")
def splits():
    return simulate(1), simulate(2), simulate(3)


@pytest.fixture(scope="module")
def image(splits):
    return HazardRiskModel.fit(*splits[0][:2], *splits[1][:2], SETTINGS, FACTORS)


@pytest.fixture(scope="module")
def hybrids(splits):
    return {
        missing: HazardRiskModel.fit(
            *splits[0][:2],
            *splits[1][:2],
            replace(SETTINGS, join=True, missing=missing),
            FACTORS,
        )
        for missing in ("indicator", "predicted")
    }


def absolute(model: HazardRiskModel, dev: tuple, features, exams) -> np.ndarray:
    """Risk by each year from the second, brought to scale on dev as the chapter does."""
    train = dev[1].assign(image_risk=model.predict(*dev[:2])[:, -1])
    cox = HybridModel.fit(
        train, train["time_years"], train["event"], train["sampling_weight"], factors=()
    )
    scored = exams.assign(image_risk=model.predict(features, exams)[:, -1])
    return np.column_stack([cox.predict(scored, years) for years in YEARS])


def five_year_auc(exams: pd.DataFrame, score: np.ndarray) -> float:
    return cumulative_dynamic_auc(exams["time_years"], exams["event"], score, [5.0])[0]


class TestRecovery:
    def test_the_image_ranks_as_its_part_of_the_truth(self, splits, image, hybrids):
        features, exams, truth = splits[2]
        alone = five_year_auc(exams, image.predict(features, exams)[:, -1])
        best = five_year_auc(exams, truth)
        for hybrid in hybrids.values():
            joined = five_year_auc(exams, hybrid.predict(features, exams)[:, -1])
            assert joined > alone + 0.02
            assert joined > best - 0.04

    def test_brought_to_scale_on_dev_the_risk_is_absolute_in_every_year(
        self, splits, image, hybrids
    ):
        features, exams, _ = splits[2]
        observed = incidence_at_horizons(exams["time_years"], exams["event"], YEARS)
        for model in (image, *hybrids.values()):
            raw = model.predict(features, exams)  # what balance added is taken back
            assert raw[:, -1].mean() == pytest.approx(observed[-1], rel=0.3)
            assert ((raw > 0) & (raw < 1)).all() and (np.diff(raw, axis=1) > 0).all()
            risk = absolute(model, splits[1], features, exams)
            np.testing.assert_allclose(risk.mean(axis=0), observed, rtol=0.15)
            assert (np.diff(risk, axis=1) >= 0).all()

    def test_risk_factors_are_read_off_the_image_where_it_shows_them(self, splits, image):
        found = image.factor_correlations(*splits[2][:2]).set_index("column")
        assert found.loc["density d", "correlation"] > 0.3
        assert abs(found.loc["bmi", "correlation"]) < 0.1
        assert found.loc["bmi", "n_known"] == splits[2][1]["bmi"].notna().sum()
        assert not any("unknown" in column for column in found.index)


class TestCensoringAndSampling:
    @pytest.mark.parametrize("balance", [True, False])
    def test_heavy_censoring_does_not_move_the_five_year_risk(self, splits, balance):
        settings = replace(SETTINGS, balance=balance)
        means = []
        for leaving in (200.0, 6.0):
            train, dev = simulate(4, 6_000, leaving), simulate(5, 6_000, leaving)
            model = HazardRiskModel.fit(*train[:2], *dev[:2], settings, FACTORS)
            means.append(absolute(model, dev, *splits[2][:2])[:, -1].mean())
        truth = splits[2][2].mean()
        assert means[0] == pytest.approx(truth, rel=0.12)
        assert means[1] == pytest.approx(truth, rel=0.2)

    def test_without_ipcw_the_unbalanced_risk_is_too_high(self, splits):
        train, dev = simulate(4, 6_000, 6.0), simulate(5, 6_000, 6.0)
        naive = replace(SETTINGS, balance=False, ipcw=False)
        risks = [
            HazardRiskModel.fit(*train[:2], *dev[:2], one, FACTORS).predict(*splits[2][:2])
            for one in (naive, replace(naive, ipcw=True))
        ]
        assert risks[0][:, -1].mean() > 1.25 * risks[1][:, -1].mean()

    def test_sampled_controls_with_their_weights_are_calibrated_to_the_cohort(self, splits, image):
        features, exams, _ = splits[1]
        case = exams["event"] == 1
        kept = (case | (np.random.default_rng(0).random(len(exams)) < 0.25)).to_numpy()
        weight = np.where(case, 1.0, 4.0)
        sampled = exams.assign(sampling_weight=weight)[kept]
        new = splits[2][:2]
        whole = absolute(image, splits[1], *new)[:, -1].mean()
        part = absolute(image, (features[kept], sampled), *new)[:, -1].mean()
        assert part == pytest.approx(whole, rel=0.1)


class TestRepeatsAndFiles:
    def test_a_repeat_is_the_same(self, splits, hybrids):
        again = HazardRiskModel.fit(
            *splits[0][:2], *splits[1][:2], hybrids["predicted"].settings, FACTORS
        )
        np.testing.assert_array_equal(
            again.predict(*splits[2][:2]), hybrids["predicted"].predict(*splits[2][:2])
        )

    def test_saved_models_predict_the_same_bytes(self, splits, image, hybrids, tmp_path):
        state = torch.random.get_rng_state()
        for name, model in {"image": image, **hybrids}.items():
            model.save(tmp_path / name)
            back = HazardRiskModel.load(tmp_path / name)
            expected = model.predict(*splits[2][:2]).tobytes()
            assert back.predict(*splits[2][:2]).tobytes() == expected
            assert back.settings == model.settings
            pd.testing.assert_frame_equal(back.history, model.history)
        assert torch.equal(torch.random.get_rng_state(), state)

    def test_an_absent_model_is_said(self, tmp_path):
        with pytest.raises(MissingInput, match="holds no config.json"):
            HazardRiskModel.load(tmp_path)

    def test_dev_chooses(self, splits):
        candidates = [replace(SETTINGS, n_components=n) for n in (1, 6)]
        model, tried = choose_hazard(*splits[0][:2], *splits[1][:2], candidates, FACTORS)
        assert tried["n_components"].tolist() == [1, 6]
        best = candidates[int(tried["dev_auc"].argmax())]
        assert model.settings == best and best.n_components == 6

    def test_the_factors_themselves_beat_a_score_that_lacks_one_on_dev(self, splits):
        # what chapter 09 compares: the design matrix against one number of it
        scored = [
            one.assign(score=one["density"].map({k: n for n, k in enumerate("abcd")}))
            for _, one, _ in splits
        ]
        joined = replace(SETTINGS, join=True)
        candidates = [
            replace(joined, training=replace(joined.training, factor_decay=decay))
            for decay in (0.003, 3.0)
        ]
        best = {}
        for name, factors in {"score": (Factor("score"),), "factors": FACTORS}.items():
            data = splits[0][0], scored[0], splits[1][0], scored[1]
            model, tried = choose_hazard(*data, candidates, factors)
            assert tried["factor_decay"].tolist() == [0.003, 3.0]
            assert model.settings == candidates[int(tried["dev_auc"].argmax())]
            best[name] = tried["dev_auc"]
        assert best["factors"].max() > best["score"].max() + 0.02
        assert best["factors"][0] > best["factors"][1] + 0.01  # body mass is not on the image

    def test_an_image_model_needs_no_risk_factors_to_predict(self, splits, image):
        features, exams, _ = splits[2]
        alone = image.predict(features, exams[["exam_id"]])
        np.testing.assert_array_equal(alone, image.predict(features, exams))

    def test_no_risk_factors_are_needed_to_train(self, splits):
        model = HazardRiskModel.fit(*splits[0][:2], *splits[1][:2], SETTINGS, ())
        assert model.predict(*splits[2][:2]).shape == (len(splits[2][1]), 5)
        assert model.factor_correlations(*splits[2][:2]).empty


class TestRefusals:
    def test_features_that_are_no_numbers(self, splits, image):
        features, exams, _ = splits[2]
        holed = features.copy()
        holed[3, 2] = np.nan
        with pytest.raises(InputError, match="must be finite numbers; see exam_id E3"):
            image.predict(holed, exams)
        with pytest.raises(InputError, match="finite numbers"):
            HazardRiskModel.fit(holed, exams, features, exams, SETTINGS, FACTORS)

    def test_features_of_another_shape(self, splits, image):
        features, exams, _ = splits[2]
        with pytest.raises(InputError, match=r"shape \(5000, 20\).*\(5000, 19\)"):
            image.predict(features[:, 1:], exams)
        with pytest.raises(InputError, match=r"shape \(5000, 20\).*\(4999, 20\)"):
            image.predict(features[1:], exams)
        with pytest.raises(InputError, match="at most 20"):
            settings = replace(SETTINGS, n_components=21)
            HazardRiskModel.fit(features, exams, features, exams, settings, FACTORS)

    def test_missing_columns_and_one_class(self, splits):
        features, exams, _ = splits[2]
        with pytest.raises(InputError, match="bmi"):
            lacking = exams.drop(columns="bmi")
            HazardRiskModel.fit(features, lacking, features, exams, SETTINGS, FACTORS)
        with pytest.raises(InputError, match="sampling_weight"):
            lacking = exams.drop(columns="sampling_weight")
            HazardRiskModel.fit(features, lacking, features, exams, SETTINGS, FACTORS)
        healthy = exams.assign(event=0)
        with pytest.raises(InputError, match="with and without cancer"):
            HazardRiskModel.fit(features, healthy, features, exams, SETTINGS, FACTORS)
