"""Tables of scores and of women that nothing is wrong with, to be spoilt by the tests."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from mammolab.risk.design import Factor
from mammolab.risk.factors import RiskFactorModel
from mammolab.risk.hybrid import HybridModel


def _table(n_women: int = 400, cancer_every: int = 2, seed: int = 1) -> pd.DataFrame:
    """One or two exams a woman; readers catch 87% of cancers and recall a tenth of the others."""
    rng = np.random.default_rng(seed)
    woman = np.repeat(np.arange(n_women), rng.integers(1, 3, n_women))
    n = len(woman)
    last = np.append(woman[1:] != woman[:-1], True)
    cancer = last & (woman % cancer_every == 0)
    latent = rng.normal(size=n) + 2 * cancer
    return pd.DataFrame(
        {
            "patient_id": [f"{k:05d}" for k in woman],
            "exam_id": [f"E{k:05d}" for k in range(n)],
            "score": expit(1.5 * latent - 3).round(9),
            "cancer": cancer.astype(int),
            "recall": (rng.random(n) < np.where(cancer, 0.87, 0.1)).astype(int),
            "density": rng.choice(["a", "b", "c", "d"], n, p=[0.1, 0.4, 0.4, 0.1]),
            "vendor": rng.choice(["x", "y"], n),
        }
    )


@pytest.fixture(scope="session")
def make_table():
    """The function above."""
    return _table


@pytest.fixture
def table() -> pd.DataFrame:
    return _table()


@pytest.fixture
def write(tmp_path):
    """A function (frame, name, **how) that writes a CSV file and returns its path."""

    def write_csv(frame: pd.DataFrame, name: str = "scores.csv", **how) -> Path:
        path = tmp_path / name
        frame.to_csv(path, index=False, **how)
        return path

    return write_csv


def _women(n: int = 60, seed: int = 5) -> pd.DataFrame:
    """A table with every factor, some of them unknown."""
    rng = np.random.default_rng(seed)
    births = rng.integers(0, 4, n).astype(float)
    biopsies = rng.choice([0.0, 1.0, 2.0], n, p=[0.7, 0.2, 0.1])
    frame = pd.DataFrame(
        {
            "exam_id": [f"{k:05d}" for k in range(n)],
            "age_years": rng.uniform(35, 80, n).round(1),
            "race_ethnicity": rng.choice(["white", "black", "asian", "hispanic", "other"], n),
            "family_history_n": rng.choice([0.0, 1.0, 2.0], n, p=[0.8, 0.15, 0.05]),
            "menarche_age_years": rng.integers(10, 16, n).astype(float),
            "n_births": births,
            "age_first_birth_years": np.where(births > 0, rng.integers(17, 35, n), np.nan),
            "n_biopsies": biopsies,
            "atypia": np.where(biopsies > 0, rng.integers(0, 2, n), 0.0),
            "density": rng.choice(list("abcd"), n, p=[0.1, 0.4, 0.4, 0.1]),
            "menopausal_status": rng.choice(["pre", "post"], n),
            "bmi": rng.uniform(18, 40, n).round(1),
            "brca": rng.choice([0.0, np.nan], n),
            "image_risk": rng.uniform(0.1, 0.9, n).round(4),
        }
    )
    for name in ("family_history_n", "menarche_age_years", "n_biopsies", "bmi"):
        frame.loc[rng.random(n) < 0.1, name] = np.nan
    frame.loc[rng.random(n) < 0.2, "atypia"] = np.nan
    frame.loc[rng.random(n) < 0.1, ["race_ethnicity", "menopausal_status"]] = None
    return frame


def _save_models(folder: Path) -> None:
    """Small models as chapter 09 saves them, fitted to women made for it."""
    women = _women(400, seed=8)
    rng = np.random.default_rng(3)
    hazard = 0.03 * np.exp(0.03 * (women["age_years"] - 55) + 2 * women["image_risk"] - 1)
    cancer_years = rng.exponential(1 / hazard)
    time, event = np.minimum(cancer_years, 9), cancer_years < 9
    factors = RiskFactorModel.fit(women, time, event)
    scored = women.assign(factor_score=factors.linear_predictor(women))
    models = {
        "factors": factors,
        "image": HybridModel.fit(scored, time, event, factors=()),
        "hybrid": HybridModel.fit(scored, time, event, factors=(Factor("factor_score"),)),
    }
    for name, model in models.items():
        model.save(folder / f"{name}.json")
    return models


@pytest.fixture(scope="session")
def make_women():
    """The function above."""
    return _women


@pytest.fixture
def women() -> pd.DataFrame:
    return _women()


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory) -> Path:
    """A folder of small trained models, as a run has it."""
    folder = tmp_path_factory.mktemp("run") / "models" / "risk"
    _save_models(folder)
    return folder
