"""Cancers and their growth, benign look-alikes, and death.

Invasive cancers are made backwards from the age at which symptoms would bring them to light, so
that the incidence without screening is met exactly; ductal carcinoma in situ (DCIS) is separate.
"""

import numpy as np
import pandas as pd
from numpy.polynomial.hermite_e import hermegauss

from mammolab.world import parameters as p
from mammolab.world.streams import stream

BAND_EDGES = np.arange(20.0, 91.0, 5.0)  # ages of the incidence and mortality bands


def age_at_hazard(exposure: np.ndarray, rates: tuple) -> np.ndarray:
    """Return the age in years at which a cumulative hazard is reached; inf if not by 90.

    Parameters
    ----------
    exposure : float, any shape. Cumulative hazard to reach, e.g. Exp(1) / relative risk.
    rates : rates per 100,000 women-years in the 5-year bands from 20.
    """
    cumulative = np.r_[0, np.cumsum(np.asarray(rates) * 5e-5)]
    return np.interp(exposure, cumulative, BAND_EDGES, right=np.inf)


def exposure_in_the_mean(exposure: np.ndarray, log_sd: float, z: np.ndarray) -> np.ndarray:
    """Return exposures under which unlike women die, all together, as the table says.

    A woman's hazard is exp(log_sd z - log_sd^2 / 2) times a baseline. Were the baseline the table,
    the frail would die first and the survivors' rate fall below it; the baseline used here rises
    just enough that the rate among the survivors stays the table's at every age.

    Parameters
    ----------
    exposure : float [n], Exp(1).
    log_sd : SD of the log multiplier, whose mean is one.
    z : float [n], standard normal; higher is worse.

    Returns
    -------
    float [n], cumulative hazard of the table that each woman reaches, for `age_at_hazard`.

    Notes
    -----
    With L the Laplace transform of the multiplier M, S(t) = L(H(t)) must be exp(-table(t)), so the
    table's cumulative hazard is -log L(H), at H = exposure / M.
    """
    nodes, weights = hermegauss(40)
    baseline = np.r_[0, np.geomspace(1e-5, 1e3, 600)]
    multiplier = np.exp(log_sd * nodes - log_sd**2 / 2)
    alive = np.exp(-np.outer(baseline, multiplier)) @ (weights / weights.sum())
    reached = exposure / np.exp(log_sd * z - log_sd**2 / 2)
    return np.interp(reached, baseline, -np.log(alive))


def risk_of_cancer(
    age_years: np.ndarray, horizon_years: float, relative_risk: np.ndarray, race: np.ndarray
) -> np.ndarray:
    """Return the true probability of a first cancer, invasive or DCIS, within a horizon.

    Parameters
    ----------
    age_years, relative_risk : float [n].
    horizon_years : length of the horizon; other deaths are left out.
    race : object [n], race and ethnicity.
    """
    scale = p.INCIDENCE_SCALE.value * (1 + p.DCIS_PER_INVASIVE.value)
    hazard = np.zeros(len(age_years))
    for name, rates in p.INCIDENCE.value.items():
        cumulative = np.r_[0, np.cumsum(np.asarray(rates) * 5e-5)]
        here = race == name
        reached = [
            np.interp(age_years[here] + ahead, BAND_EDGES, cumulative)
            for ahead in (horizon_years, 0.0)
        ]
        hazard[here] = reached[0] - reached[1]
    return -np.expm1(-scale * relative_risk * hazard)


def draw_disease(women: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Draw each woman's cancers, had she never been screened, and her death of other causes.

    Parameters
    ----------
    women : the frame of `people.draw_people`.
    seed : seed of the world.

    Returns
    -------
    DataFrame, same index. Ages in years, inf = never. `surfacing_age` is when an invasive cancer
    would cause symptoms, at `surfacing_diameter_mm`; `doubling_years` is its volume doubling
    time. A DCIS can be seen between `dcis_onset_age` and `dcis_end_age`. The lesion's look and
    place: `invasive_` and `dcis_` kind, laterality, depth, height, seed, and `contrast` (log
    factor on the attenuation contrast). Ill health hastens the death of other causes.
    """
    n = len(women)
    relative_risk = women["relative_risk"].to_numpy()
    invasive = stream(seed, "invasive onset").exponential(size=n)
    in_situ = stream(seed, "dcis onset").exponential(size=n)
    death = stream(seed, "death of other causes").exponential(size=n)
    death = exposure_in_the_mean(death, p.HEALTH_LOG_RR.value, women["ill_health"].to_numpy())
    invasive /= relative_risk * p.INCIDENCE_SCALE.value
    in_situ /= relative_risk * p.INCIDENCE_SCALE.value * p.DCIS_PER_INVASIVE.value
    surfacing_age, dcis_onset_age, death_age = (np.full(n, np.inf) for _ in range(3))
    for race in p.RACES:
        here = (women["race_ethnicity"] == race).to_numpy()
        surfacing_age[here] = age_at_hazard(invasive[here], p.INCIDENCE.value[race])
        dcis_onset_age[here] = age_at_hazard(in_situ[here], p.INCIDENCE.value[race])
        death_age[here] = age_at_hazard(death[here], p.OTHER_MORTALITY.value[race])
    death_age = np.minimum(death_age, 90.0)

    starts = [start for start, _, _ in p.DOUBLING_MEDIAN.value[1:]]
    median = np.array([value for *_, value in p.DOUBLING_MEDIAN.value])
    doubling = median[np.searchsorted(starts, surfacing_age, side="right")] * np.exp(
        p.DOUBLING_LOG_SD.value * stream(seed, "doubling time").standard_normal(n)
    )
    # symptoms at hazard eta V on an exponentially growing V: V at symptoms is exponential
    mean_volume = np.log(2) / (np.exp(p.SYMPTOM_LOG_HAZARD.value) * doubling)
    volume_mm3 = mean_volume * stream(seed, "symptoms").exponential(size=n)
    diameter = np.clip(np.cbrt(6 * volume_mm3 / np.pi), *p.SURFACING_DIAMETER_RANGE.value)

    median_extent, spread = p.DCIS_EXTENT.value
    disease = pd.DataFrame(
        {
            "surfacing_age": surfacing_age,
            "surfacing_diameter_mm": diameter,
            "doubling_years": doubling,
            "dcis_onset_age": dcis_onset_age,
            "dcis_end_age": dcis_onset_age
            + stream(seed, "dcis sojourn").exponential(p.DCIS_SOJOURN.value, n),
            "dcis_symptomatic": stream(seed, "dcis symptoms").random(n) < p.DCIS_SYMPTOMATIC.value,
            "dcis_extent_mm": median_extent
            * np.exp(spread * stream(seed, "dcis extent").standard_normal(n)),
            "other_death_age": death_age,
        },
        index=women.index,
    )
    kinds = p.CANCER_KINDS.value
    which = np.searchsorted(
        np.cumsum(list(kinds.values()))[:-1], stream(seed, "invasive kind").random(n), side="right"
    )
    disease["invasive_kind"] = np.array(list(kinds), dtype=object)[which]
    disease["dcis_kind"] = "calcification"
    for name in ("invasive", "dcis"):
        disease = disease.join(_places(n, seed, name).add_prefix(f"{name}_"))
    return disease


def _places(n: int, seed: int, name: str) -> pd.DataFrame:
    mean, spread = p.UPPER_OUTER.value
    return pd.DataFrame(
        {
            "laterality": np.where(
                stream(seed, f"{name} side").random(n) < p.LEFT_SHARE.value, "L", "R"
            ),
            "depth": stream(seed, f"{name} depth").beta(2.5, 2.5, n),
            "height": np.clip(
                mean + spread * stream(seed, f"{name} height").standard_normal(n),
                -0.9,
                0.9,
            ),
            "seed": stream(seed, f"{name} seed").integers(0, 2**31, n),
            "contrast": p.LESION_CONTRAST_SD.value
            * stream(seed, f"{name} contrast").standard_normal(n),
        }
    )


def invasive_diameter_mm(
    age_years: np.ndarray,
    surfacing_age: np.ndarray,
    surfacing_diameter_mm: np.ndarray,
    doubling_years: np.ndarray,
) -> np.ndarray:
    """Return the diameter in mm at an age before surfacing; 0 where there is no cancer to come.

    Notes
    -----
    Volume doubles every `doubling_years`: d = d_surfacing 2^(-(T - t) / (3 doubling time)).
    """
    ahead = np.maximum(np.asarray(surfacing_age) - age_years, 0.0)
    return surfacing_diameter_mm * np.exp2(-ahead / (3 * np.asarray(doubling_years)))


def dcis_extent_mm(
    age_years: np.ndarray, onset_age: np.ndarray, end_age: np.ndarray, final_extent_mm: np.ndarray
) -> np.ndarray:
    """Return the extent in mm of a DCIS, growing from a quarter of its final extent; 0 outside."""
    with np.errstate(invalid="ignore"):
        elapsed = (np.asarray(age_years) - onset_age) / (np.asarray(end_age) - onset_age)
        inside = (elapsed >= 0) & (elapsed < 1)
    return np.where(inside, final_extent_mm * (0.25 + 0.75 * np.where(inside, elapsed, 0)), 0.0)


def draw_benign(n: int, seed: int) -> pd.DataFrame:
    """Draw the benign look-alikes of `n` women.

    Returns
    -------
    DataFrame, one row a lesion: woman (row number), laterality, kind, diameter_mm, onset_age,
    depth, height, seed, contrast (log factor on the attenuation contrast).
    """
    present = stream(seed, "benign").random((n, len(p.BENIGN_PRESENT.value)))
    shape = present.shape
    woman, which = np.nonzero(present < p.BENIGN_PRESENT.value)
    median, spread = p.BENIGN_DIAMETER.value
    onset, onset_sd = p.BENIGN_ONSET_AGE.value
    calcified = stream(seed, "benign kind").random(shape) < p.BENIGN_CALCIFICATION.value
    normal = {
        name: stream(seed, f"benign {name}").standard_normal(shape)
        for name in ("diameter", "onset", "contrast")
    }
    draws = {
        "laterality": np.where(stream(seed, "benign side").random(shape) < 0.5, "L", "R"),
        "kind": np.where(calcified, "benign_calcification", "benign_mass"),
        "diameter_mm": np.clip(median * np.exp(spread * normal["diameter"]), 3, 25),
        "onset_age": onset + onset_sd * normal["onset"],
        "depth": stream(seed, "benign depth").beta(2.5, 2.5, shape),
        "height": stream(seed, "benign height").uniform(-0.8, 0.8, shape),
        "seed": stream(seed, "benign seed").integers(0, 2**31, shape),
        "contrast": p.LESION_CONTRAST_SD.value * normal["contrast"],
    }
    return pd.DataFrame({"woman": woman} | {k: v[woman, which] for k, v in draws.items()})
