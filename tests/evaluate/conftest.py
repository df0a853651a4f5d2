"""Women whose hazards are known, followed as a registry would follow them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from mammolab.evaluate.resampling import PatientBootstrap

DEATH_RATE = 1 / 40  # a year


@dataclass
class Women:
    """Two exams a woman. `risk` is the true chance of cancer within 5 years, deaths competing."""

    time: np.ndarray
    event: np.ndarray
    risk: np.ndarray
    rate: np.ndarray
    ids: np.ndarray
    weight: np.ndarray
    cancer_years: np.ndarray  # when cancer would come, whoever leaves
    death_years: np.ndarray
    bootstrap: PatientBootstrap

    @property
    def outcome(self):
        return self.time, self.event

    @property
    def rest(self):
        return self.ids, self.weight, self.bootstrap

    @property
    def case(self):
        return (self.cancer_years <= 5) & (self.cancer_years < self.death_years)


@pytest.fixture(scope="session")
def follow():
    def follow(
        seed=0, n=2000, leaving_years=8.0, yearly=False, weighted=True, n_replicates=60
    ) -> Women:
        """n exams; `leaving_years` is the mean time until a woman is lost, inf for never."""
        rng = np.random.default_rng(seed)
        patient = np.repeat(np.arange(n // 2), 2)
        rate = np.exp(rng.normal(size=n // 2) - 3.5)[patient]
        cancer = rng.exponential(1 / rate[::2])[patient]
        death = rng.exponential(1 / DEATH_RATE, n // 2)[patient]
        leaving = rng.exponential(leaving_years, n) if np.isfinite(leaving_years) else np.inf
        time = np.minimum(np.minimum(cancer, death), leaving)
        event = np.select([time == cancer, time == death], [1, 2], 0)
        both = rate + DEATH_RATE
        ids = np.char.add("P", patient.astype(str)).astype(object)
        return Women(
            np.ceil(time) if yearly else time,
            event,
            rate / both * (1 - np.exp(-5 * both)),
            rate,
            ids,
            rng.choice([1.0, 2.5], n) if weighted else np.ones(n),
            cancer,
            death,
            PatientBootstrap.draw(ids, n_replicates, seed=1),
        )

    return follow
