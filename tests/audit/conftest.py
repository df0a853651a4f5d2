"""Cohort tables that nothing is wrong with, and tables in published layouts, made up throughout."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import expit

PREVALENCE = 0.1


def _cohort(n: int = 3000, seed: int = 3) -> pd.DataFrame:
    """One or two exams a patient; nothing but score and recall goes with the label."""
    rng = np.random.default_rng(seed)
    patient = np.sort(rng.integers(0, int(0.8 * n), n))
    cancer = rng.random(n) < PREVALENCE
    taken = pd.Timestamp("2010-01-01") + pd.to_timedelta(rng.integers(0, 2500, n), unit="D")
    diagnosed = taken + pd.to_timedelta(rng.integers(5, 350, n), unit="D")
    # Calibrated by construction: the log odds shift by d * d / 2 around d * seen.
    seen = rng.normal(size=n) + 2.0 * cancer
    logit = 2.0 * seen - 2.0 + np.log(PREVALENCE / (1 - PREVALENCE))
    return pd.DataFrame(
        {
            "patient_id": [f"P{k:05d}" for k in patient],
            "exam_id": [f"E{k:05d}" for k in range(n)],
            "split": np.where(patient % 2, "test", "train"),
            "cancer": cancer.astype(int),
            "exam_date": taken.strftime("%Y-%m-%d"),
            "diagnosis_date": np.where(cancer, diagnosed.strftime("%Y-%m-%d"), ""),
            "follow_up_days": rng.integers(400, 2000, n),
            "time_years": rng.uniform(1, 6, n).round(2),
            "event": rng.choice([0, 1, 2], n, p=[0.9, 0.09, 0.01]),
            "site": rng.choice(["city", "coast"], n),
            "device": rng.choice(["alder", "birch"], n),
            "age_years": rng.integers(40, 75, n),
            "density": rng.choice(list("abcd"), n, p=[0.1, 0.4, 0.4, 0.1]),
            "race_ethnicity": rng.choice(["white", "black"], n),
            "implant": (rng.random(n) < 0.03).astype(int),
            "recalled": (rng.random(n) < np.where(cancer, 0.85, 0.1)).astype(int),
            "included": (rng.random(n) < 0.9).astype(int),
            "score": seen.round(4),
            "probability": expit(logit).round(6),
        }
    )


def _rsna(n_women: int = 1500, seed: int = 5, machine_tells: bool = False) -> pd.DataFrame:
    """A table in the layout of RSNA's train.csv; ids and women are made up.

    What is known of the original: at site 1 every cancer has BIRADS 0, at site 2 none has a BIRADS;
    density is blank at site 2; machines belong to one site.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n_women):
        site = 1 + k % 2
        with_cancer = rng.random() < 0.06
        machine = rng.choice([49, 93, 170] if site == 1 else [21, 29, 48])
        if machine_tells and with_cancer:
            machine = 170 if site == 1 else 48
        sick = rng.choice(["L", "R"]) if with_cancer else ""
        implant, age = int(rng.random() < 0.03), f"{rng.integers(40, 80)}.0"
        density = rng.choice(list("ABCD")) if site == 1 else ""
        for side in "LR":
            cancer = side == sick
            if site == 1:
                birads = (
                    "0.0"
                    if cancer
                    else rng.choice(["0.0", "1.0", "2.0", ""], p=[0.2, 0.5, 0.1, 0.2])
                )
            else:
                birads = "" if cancer else rng.choice(["0.0", ""], p=[0.2, 0.8])
            for view in ("CC", "MLO"):
                rows.append(
                    (site, 10_000 + k, 1_000_000 + len(rows), side, view, age, int(cancer),
                     int(cancer), int(cancer and rng.random() < 0.7), birads, implant, density,
                     machine, str(not cancer and birads == "0.0"))
                )  # fmt: skip
    names = (
        "site_id,patient_id,image_id,laterality,view,age,cancer,biopsy,invasive,BIRADS,implant,"
        "density,machine_id,difficult_negative_case"
    )
    return pd.DataFrame(rows, columns=names.split(","))


@pytest.fixture(scope="session")
def make_cohort():
    """`_cohort`, made once for each size and seed; a copy every time."""
    made = cache(_cohort)
    return lambda *how, **named: made(*how, **named).copy()


@pytest.fixture(scope="session")
def make_rsna():
    """`_rsna`, likewise."""
    made = cache(_rsna)
    return lambda *how, **named: made(*how, **named).copy()


@pytest.fixture
def write(tmp_path):
    """A function (frame, name, **how) that writes a CSV file and returns its path."""

    def write_csv(frame: pd.DataFrame, name: str = "cohort.csv", **how) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(path, index=False, **how)
        return path

    return write_csv


@pytest.fixture
def write_pictures(tmp_path):
    """A function (names, folder, seed) that writes a noise image for each name."""

    def write_png(names, folder: str = "png", seed: int = 0, side: int = 64) -> Path:
        rng = np.random.default_rng(seed)
        for name in names:
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = rng.integers(0, 255, (8, 8)).astype(np.uint8)
            Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(path)
        return tmp_path / folder

    return write_png
