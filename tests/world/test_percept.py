"""The formula of visibility against lesions drawn afresh."""

import numpy as np
import pytest

from mammolab.world import percept
from mammolab.world.lesions import KINDS, Lesion
from mammolab.world.people import percent_density
from mammolab.world.percept import log_cnr, measured_log_cnr
from mammolab.world.render import BreastView
from mammolab.world.vendors import VENDORS

ROWS, COLUMNS, CONSPICUITY = 256, 208, 4.0


def breast(seed: int, latent: float, vendor: str = "alder") -> BreastView:
    return BreastView(
        breast_seed=seed, exam_seed=seed, laterality="L", view="CC",
        percent_density=float(percent_density(latent)), breast_size_mm=84.0, texture=0.0,
        implant=False, vendor=vendor,
    )  # fmt: skip


def test_formula_predicts_what_is_drawn():
    rng = np.random.default_rng(77)
    n = 90
    kind = np.array(KINDS)[np.arange(n) % len(KINDS)]
    diameter = np.exp(rng.uniform(np.log(2.5), np.log(40), n))
    latent, contrast = rng.normal(0, 1, n), rng.normal(0, 0.4, n)
    vendor = np.array(list(VENDORS))[rng.integers(0, len(VENDORS), n)]
    measured = [
        measured_log_cnr(
            breast(number, latent[number], str(vendor[number])),
            Lesion(str(kind[number]), float(diameter[number]), rng.beta(2.5, 2.5),
                   rng.uniform(-0.8, 0.8), number, True, float(contrast[number])),
            ROWS, COLUMNS, CONSPICUITY,
        )
        for number in range(n)
    ]  # fmt: skip
    predicted = log_cnr(kind, diameter, latent, contrast, vendor)
    assert np.corrcoef(predicted, measured)[0, 1] > 0.8
    assert abs(np.mean(measured - predicted)) < 0.15


def test_visibility_rises_with_size_and_contrast_and_falls_with_density():
    def mean(latent: float = 0.0, diameter: float = 12.0, contrast: float = 0.0) -> float:
        return np.mean([
            measured_log_cnr(breast(seed, latent),
                             Lesion("mass", diameter, 0.5, 0.1 * (seed % 5), seed, True, contrast),
                             ROWS, COLUMNS, CONSPICUITY)
            for seed in range(12)
        ])  # fmt: skip

    assert mean(diameter=4.0) + 0.2 < mean(diameter=12.0)
    assert mean(contrast=-1.0) + 0.2 < mean()
    assert mean(latent=-1.75) > mean(latent=0.0) > mean(latent=2.0)


@pytest.mark.parametrize("kind", ["mass", "spiculated", "asymmetry"])
def test_formula_has_the_same_directions(kind: str):
    def at(diameter: float, latent: float, contrast: float) -> float:
        return log_cnr([kind], [diameter], [latent], [contrast], ["alder"])[0]

    assert at(4, 0, 0) < at(8, 0, 0) < at(16, 0, 0)
    assert at(10, -1.75, 0) > at(10, -0.5, 0) > at(10, 1.0, 0)
    assert at(10, 0, -0.5) < at(10, 0, 0) < at(10, 0, 0.5)


def test_constants_belong_to_the_drawing_code():
    """Refit (scripts/fit_percept.py --write) after any change of what is drawn."""
    assert percept.constants()["drawing_digest"] == percept.drawing_digest()
    assert set(percept.constants()["kinds"]) == set(KINDS)


def test_bad_input_is_refused():
    good = {"kind": ["mass"], "diameter_mm": [9.0], "latent_density": [0.0], "contrast": [0.0],
                "vendor_key": ["alder"]}  # fmt: skip
    for name, value, message in (
        ("kind", ["cyst"], "benign_mass"),
        ("vendor_key", ["elm"], "dogwood-8"),
        ("diameter_mm", [0.0], "above 0"),
        ("contrast", [0.0, 1.0], "one length"),
    ):
        with pytest.raises(ValueError, match=message):
            log_cnr(**(good | {name: value}))
