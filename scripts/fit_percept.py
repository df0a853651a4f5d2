"""Fit the log contrast-to-noise ratio of lesions as the demo draws them; write percept.json.

Run: python scripts/fit_percept.py [--lesions 2400] [--write]
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from mammolab.files import write_whole
from mammolab.world import people, percept
from mammolab.world.lesions import KINDS, Lesion
from mammolab.world.render import BreastView
from mammolab.world.streams import stream
from mammolab.world.vendors import VENDORS

ROWS, COLUMNS, CONSPICUITY = 256, 208, 4.0  # the demo's
SEED = 2019


def sample(number: int, seed: int) -> tuple[list[BreastView], Lesion, float]:
    """Breast at two exams, lesion, latent density of one draw; spread wider than in the programme."""
    rng = stream([seed, number], "percept")
    kind = KINDS[number % len(KINDS)]
    latent = float(np.clip(rng.normal(0, 1.2), *percept.LATENT_DENSITIES))
    first = BreastView(
        breast_seed=int(rng.integers(2**31)),
        exam_seed=int(rng.integers(2**31)),
        laterality="LR"[int(rng.integers(2))],
        view="CC",
        percent_density=float(people.percent_density(latent)),
        breast_size_mm=float(np.clip(rng.normal(82, 11), 50, 130)),
        texture=float(rng.standard_normal()),
        implant=False,
        vendor=list(VENDORS)[int(rng.integers(len(VENDORS)))],
    )
    diameter_mm = float(np.exp(rng.uniform(*np.log(percept.DIAMETERS_MM))))
    lesion = Lesion(
        kind, diameter_mm, float(rng.beta(2.5, 2.5)), float(rng.uniform(-0.8, 0.8)),
        int(rng.integers(2**31)), not kind.startswith("benign"),
        contrast=float(np.clip(rng.normal(0, 0.5), -1.2, 1.2)),
    )  # fmt: skip
    other = list(VENDORS)[int(rng.integers(len(VENDORS)))]
    return [first, replace(first, exam_seed=int(rng.integers(2**31)), vendor=other)], lesion, latent


def measure(n: int, seed: int) -> dict[str, np.ndarray]:
    """Measure `n` lesions, each at two exams of one breast.

    Returns kind, diameter_mm, latent_density, contrast [n] and vendor_key, log_cnr [n, 2].
    """
    rows = []
    for number in range(n):
        views, lesion, latent = sample(number, seed)
        values = [
            percept.measured_log_cnr(view, lesion, ROWS, COLUMNS, CONSPICUITY) for view in views
        ]
        vendors = [view.vendor for view in views]
        rows.append((lesion.kind, lesion.diameter_mm, latent, lesion.contrast, vendors, values))
    names = ("kind", "diameter_mm", "latent_density", "contrast", "vendor_key", "log_cnr")
    return {name: np.array(values) for name, values in zip(names, zip(*rows), strict=True)}


def fit(measured: dict[str, np.ndarray]) -> dict:
    """Least squares within each kind; vendor offsets are against the first vendor.

    What is left is split in two: the covariance between two exams of a lesion lasts, the rest is
    drawn afresh at each.
    """
    kinds = {}
    for kind in KINDS:
        here = measured["kind"] == kind
        terms = percept.design(
            *(measured[name][here] for name in ("diameter_mm", "latent_density", "contrast"))
        )
        vendor_key = measured["vendor_key"][here].T.ravel()  # all first exams, then all second ones
        matrix = np.column_stack(
            [np.vstack([terms, terms]), *(vendor_key == key for key in list(VENDORS)[1:])]
        )
        outcome = measured["log_cnr"][here].T.ravel()
        solution, *_ = np.linalg.lstsq(matrix, outcome, rcond=None)
        residual = outcome - matrix @ solution
        variance = residual @ residual / (len(residual) - matrix.shape[1])
        first, second = np.split(residual, 2)
        lasting = np.clip(first @ second / len(first), 0, variance)
        n_terms = len(percept.TERMS)
        offsets = np.r_[0.0, solution[n_terms:]]
        kinds[kind] = {
            "n": int(here.sum()),
            "terms": dict(zip(percept.TERMS, solution[:n_terms].round(4).tolist(), strict=True)),
            "vendors": dict(zip(VENDORS, offsets.round(4).tolist(), strict=True)),
            "lasting_sd": round(float(np.sqrt(lasting)), 4),
            "fresh_sd": round(float(np.sqrt(variance - lasting)), 4),
            "r_squared": round(1 - float(residual.var() / outcome.var()), 4),
        }
    return kinds


def overall_r_squared(measured: dict[str, np.ndarray], kinds: dict) -> float:
    """Share of the variance of all measured values that the kinds' regressions explain."""
    left = sum((one["lasting_sd"] ** 2 + one["fresh_sd"] ** 2) * one["n"] for one in kinds.values())
    return round(1 - float(left / (measured["log_cnr"].var() * len(measured["kind"]))), 4)


def main() -> None:
    """Measure, fit, print and, if asked, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lesions", type=int, default=2400)
    parser.add_argument("--write", action="store_true", help="replace world/percept.json")
    arguments = parser.parse_args()
    with threadpool_limits(1):
        measured = measure(arguments.lesions, SEED)
    kinds = fit(measured)
    content = {
        "about": "log CNR = terms + vendor offset by kind, and its scatter; see percept, fit_percept.py",
        "rows": ROWS,
        "columns": COLUMNS,
        "conspicuity": CONSPICUITY,
        "reference_mm": percept.REFERENCE_MM,
        "lesions": arguments.lesions,
        "seed": SEED,
        "drawing_digest": percept.drawing_digest(),
        "r_squared": overall_r_squared(measured, kinds),
        "kinds": kinds,
    }
    text = json.dumps(content, indent=1) + "\n"
    print(text)
    if arguments.write:
        target = Path(percept.__file__).with_name("percept.json")
        write_whole(target, lambda path: path.write_text(text))


if __name__ == "__main__":
    main()
