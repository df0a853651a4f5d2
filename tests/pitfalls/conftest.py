"""Fabricated exams for the guards, and a small study on fabricated thumbnails."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.pitfalls.small_study import SmallStudy

N_EXAMS = 300


@pytest.fixture(scope="session")
def fabricated_study() -> SmallStudy:
    """300 exams of four views, every third with cancer in the left breast; two devices."""
    rng = np.random.default_rng(0)
    at = np.arange(N_EXAMS)
    exams = pd.DataFrame(
        {
            "exam_id": [f"E{k:03d}" for k in at],
            "patient_id": [f"P{k:03d}" for k in at],
            "split": np.where(rng.random(N_EXAMS) < 0.5, "train", "test"),
            "exam_year": rng.integers(2009, 2011, N_EXAMS),
            "device": rng.choice(["alder", "birch"], N_EXAMS),
            "site": "A",
            "age_band": rng.choice(["40-49", "50-59"], N_EXAMS),
            "density": "b",
            "cancer_within_1y": at % 3 == 0,
            "sampling_weight": np.where(at % 3 == 0, 1.0, 10.0),
        }
    )
    views = pd.DataFrame({"laterality": [*"LLRR"], "view": ["CC", "MLO", "CC", "MLO"]})
    inputs = exams.merge(views, how="cross")
    inputs["image_id"] = inputs["exam_id"] + inputs["laterality"] + inputs["view"]
    inputs["label"] = inputs.pop("cancer_within_1y") & (inputs["laterality"] == "L")
    inputs["row"] = np.arange(len(inputs))
    images = rng.integers(20, 70, (len(inputs), 64, 52), dtype=np.uint8)
    images[(inputs["device"] == "birch").to_numpy()] += 60
    for place in np.flatnonzero(inputs["label"]):
        y, x = rng.integers(10, 45, 2)[0], rng.integers(4, 30)
        images[place, y : y + 3, x : x + 3] += 25
    bootstrap = PatientBootstrap.draw(exams.loc[exams["split"] == "test", "patient_id"], 100, 0)
    return SmallStudy(images, inputs, exams, bootstrap, steps=30, threads=1)


@pytest.fixture(scope="session")
def device_exams() -> Callable[..., dict[str, np.ndarray]]:
    """Return exams of n / 3 women, who stay with their device; the score knows the label only."""

    def exams(seed: int, n: int = 1500, rate: float = 0.1) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        patient = rng.integers(0, n // 3, n)
        label = rng.random(n) < rate
        devices = np.array(["alder", "birch", "cedar"])
        return {
            "patient_ids": patient.astype(str),
            "device": devices[rng.integers(0, 3, n // 3)[patient]],
            "label": label,
            "score": rng.normal(size=n) + label,
        }

    return exams


@pytest.fixture(scope="session")
def check_weights_and_order() -> Callable[..., None]:
    """Weights equal duplication, and the order of rows does not matter, for a guard's statistic."""

    def check(judge: Callable, table: dict[str, np.ndarray]) -> None:
        n = len(table["label"])
        weight = 1 + np.arange(n) % 3
        rows, order = np.repeat(np.arange(n), weight), np.random.default_rng(0).permutation(n)
        weighted = judge(table, sample_weight=weight.astype(float))
        doubled = judge({name: column[rows] for name, column in table.items()})
        assert weighted.statistic == pytest.approx(doubled.statistic)
        shuffled = judge({name: column[order] for name, column in table.items()})
        assert shuffled.statistic == pytest.approx(judge(table).statistic)

    return check
