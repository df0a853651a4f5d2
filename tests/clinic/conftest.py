"""A table of scores that nothing is wrong with, to be spoilt by the tests."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit


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
