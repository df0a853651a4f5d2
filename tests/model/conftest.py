"""A tiny detection task that training tests share."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest


@dataclass(frozen=True)
class Planted:
    """Noise images of 64 x 64 pixels; those with a label hold a bright 6 x 6 spot somewhere."""

    store: np.ndarray
    label: np.ndarray

    def table(self, rows: np.ndarray) -> pd.DataFrame:
        """The training table of these rows."""
        return pd.DataFrame({"row": rows, "label": self.label[rows], "sampling_weight": 1.0})


@pytest.fixture(scope="session")
def planted() -> Planted:
    """240 images, every fourth with a spot."""
    rng = np.random.default_rng(5)
    store = rng.normal(70, 12, (240, 64, 64)).clip(0, 255)
    label = np.arange(240) % 4 == 0
    for i in np.flatnonzero(label):
        y, x = rng.integers(8, 50, 2)
        store[i, y : y + 6, x : x + 6] += 90
    return Planted(store.clip(0, 255).astype(np.uint8), label)
