"""How visible a lesion is: its contrast-to-noise ratio, measured on rendered views or by formula.

Drawing every lesion of a large programme to ask a reader about it would take hours. So
scripts/fit_percept.py draws a few thousand, twice each, and writes the regression with its scatter
in percept.json, read here; `sight` says where which of the two is used.
"""

import hashlib
import json
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np

from mammolab.world import anatomy, fields, lesions, observer, outline, render, streams, vendors
from mammolab.world.lesions import KINDS, Lesion
from mammolab.world.outline import VIEWS
from mammolab.world.render import BreastView, lesion_box
from mammolab.world.vendors import VENDORS, to_display, vendor_of

REFERENCE_MM = 10.0  # diameter at which the intercepts hold
DIAMETERS_MM = (2.0, 60.0)  # fitted range; beyond it the nearest end is used
LATENT_DENSITIES = (-3.0, 3.0)
SPECK_MM = 2.0  # calcifications are looked for one by one, whatever the extent of their group
WIDEST_MM = 12.0  # observers do not add up contrast over more than this; assumption
LEAST_CNR = 0.05  # below this a lesion leaves no trace; keeps the log finite
_DRAWING_MODULES = (anatomy, fields, lesions, observer, outline, render, streams, vendors)


@lru_cache(maxsize=1)
def constants() -> dict:
    """Return the fitted regression: see `log_cnr` for its terms and percept.json for its fit."""
    return json.loads(resources.files("mammolab.world").joinpath("percept.json").read_text("utf-8"))


def log_cnr(kind: np.ndarray, diameter_mm: np.ndarray, latent_density: np.ndarray,
            contrast: np.ndarray, vendor_key: np.ndarray) -> np.ndarray:  # fmt: skip
    """Return the expected log contrast-to-noise ratio of lesions as the demo draws them.

    Parameters
    ----------
    kind : str [n], one of `lesions.KINDS`.
    diameter_mm : float [n], above 0.
    latent_density : float [n], SD, see `people.latent_density`.
    contrast : float [n], log factor on the attenuation contrast, see `Lesion`.
    vendor_key : str [n], key of VENDORS, see `vendors.vendor_key`.

    Returns
    -------
    ndarray of float64 [n]
        Natural log, in the better of the two views.

    Raises
    ------
    ValueError
        If the lengths differ, a diameter is not above 0, or a kind or vendor is unknown.
    """
    kind, vendor_key = (np.asarray(names).astype(str) for names in (kind, vendor_key))
    diameter_mm, latent_density, contrast = (
        np.asarray(values, float) for values in (diameter_mm, latent_density, contrast)
    )
    arrays = (kind, diameter_mm, latent_density, contrast, vendor_key)
    if any(array.shape != kind.shape or array.ndim != 1 for array in arrays):
        raise ValueError(f"arrays must share one length, got {[a.shape for a in arrays]}")
    if not (diameter_mm > 0).all():
        raise ValueError(f"diameter_mm must be above 0, got {diameter_mm[~(diameter_mm > 0)][:5]}")
    for name, values, known in (("kind", kind, KINDS), ("vendor_key", vendor_key, VENDORS)):
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"unknown {name} {unknown}; known: {', '.join(known)}")

    terms = design(diameter_mm, latent_density, contrast)
    result = np.empty(len(kind))
    for name in KINDS:
        here = kind == name
        if here.any():
            fit = constants()["kinds"][name]
            result[here] = terms[here] @ np.array(list(fit["terms"].values()))
            offsets = fit["vendors"]
            result[here] += np.array([offsets[key] for key in vendor_key[here]])
    return result


def scatter(kind: np.ndarray, lasting: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """Return what pictures add to `log_cnr`: the formula knows neither place nor surroundings.

    Parameters
    ----------
    kind : str [n], one of `lesions.KINDS`.
    lasting : float [n], standard normal draw that a lesion keeps: its look, its place.
    fresh : float [n], standard normal draw of the exam: positioning, noise.

    Returns
    -------
    ndarray of float64 [n]
        Natural log.
    """
    kind = np.asarray(kind).astype(str)
    result = np.zeros(len(kind))
    for name in KINDS:
        here = kind == name
        fit = constants()["kinds"][name]
        result[here] = (
            fit["lasting_sd"] * np.asarray(lasting)[here]
            + fit["fresh_sd"] * np.asarray(fresh)[here]
        )
    return result


TERMS = (
    "one", "log_diameter", "log_diameter_to_widest", "latent_density", "latent_density_squared",
    "contrast", "contrast_squared",
)  # fmt: skip


def design(diameter_mm: np.ndarray, latent_density: np.ndarray,
           contrast: np.ndarray) -> np.ndarray:  # fmt: skip
    """Return the terms of the regression, shape (n, 7), in the order of `TERMS`."""
    scaled = np.log(np.clip(diameter_mm, *DIAMETERS_MM) / REFERENCE_MM)
    below = np.minimum(scaled, np.log(WIDEST_MM / REFERENCE_MM))
    latent = np.clip(latent_density, *LATENT_DENSITIES)
    return np.column_stack(
        [np.ones_like(scaled), scaled, below, latent, latent**2, contrast, contrast**2]
    )


def measured_log_cnr(view: BreastView, lesion: Lesion, rows: int, columns: int,
                     conspicuity: float) -> float:  # fmt: skip
    """Return the log contrast-to-noise ratio of a lesion in the better of the two views.

    Parameters
    ----------
    view : the breast; its `view` and `lesions` are ignored.
    lesion : drawn alone, against the same exposure without it.
    rows, columns, conspicuity : see `render`.

    Returns
    -------
    float
        Natural log of `observer.lesion_cnr`, matched to the lesion's diameter up to
        `WIDEST_MM` (`SPECK_MM` for calcifications), at least log(`LEAST_CNR`).
    """
    spacing_mm = vendor_of(view.vendor).pixel_mm(rows) / view.magnification
    calcified = lesion.kind in ("calcification", "benign_calcification")
    found = [LEAST_CNR]
    for name in VIEWS:
        bare = replace(view, view=name, lesions=())
        row, column, radius_px = lesion_box(bare, lesion, rows, columns)
        shown = [
            to_display(image, view.vendor)
            for image in render.render_pair(bare, lesion, rows, columns, conspicuity)
        ]
        found.append(
            observer.lesion_cnr(*shown, spacing_mm, (row, column), radius_px * spacing_mm,
                       SPECK_MM if calcified else min(lesion.diameter_mm, WIDEST_MM))
        )  # fmt: skip
    return float(np.log(np.nanmax(found)))


def drawing_digest() -> str:
    """Return the digest (hex) of the code that draws and measures: the fit holds for it alone."""
    digest = hashlib.sha256()
    for module in _DRAWING_MODULES:
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()
