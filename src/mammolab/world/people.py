"""Women and their risk factors, seen and unseen, and the relative risk these imply.

Every factor of the relative risk is divided by its own expectation, so that the mean relative
risk is one in each race and the incidence tables keep their meaning.
"""

import numpy as np
import pandas as pd
from scipy.special import ndtr

from mammolab.world import parameters as p
from mammolab.world.streams import stream


def draw_people(n: int, seed: int) -> pd.DataFrame:
    """Draw `n` women: hospital, race, risk factors, breasts and relative risk.

    The first rows do not depend on `n`: each purpose has its own stream, filled in order.

    Parameters
    ----------
    n : number of women.
    seed : seed of the world.

    Returns
    -------
    DataFrame with a RangeIndex (the woman's number). `site` is her hospital before any move;
    `anchor_age` her age in years on joining, or on the first day of the programme if she was
    there already. `polygenic`, `texture`, `frailty` and `ill_health` are hidden, in SD; higher is
    worse.
    """
    women = pd.DataFrame({"site": _pick(p.SITE_SHARES.value, _uniform(seed, "site", n))})
    race_draw = _uniform(seed, "race", n)
    women["race_ethnicity"] = ""
    for site, shares in p.SITE_RACES.value.items():
        here = (women["site"] == site).to_numpy()
        women.loc[here, "race_ethnicity"] = _pick(dict(zip(p.RACES, shares)), race_draw[here])
    women["anchor_age"] = _from_bands(p.ANCHOR_AGES.value, seed, "anchor age", n)
    _add_reproductive_history(women, seed)
    _add_breasts(women, seed)
    women["texture"] = stream(seed, "texture").standard_normal(n)
    women["frailty"] = stream(seed, "frailty").standard_normal(n)
    women["polygenic"] = stream(seed, "polygenic").standard_normal(n)
    women["ill_health"] = stream(seed, "ill health").standard_normal(n)
    return pd.concat([women, relative_risk(women)], axis=1)


def _add_reproductive_history(women: pd.DataFrame, seed: int) -> None:
    n = len(women)
    older = (women["anchor_age"] >= 50).to_numpy()
    any_relative = np.where(
        older, p.FAMILY_HISTORY.value["from_50"], p.FAMILY_HISTORY.value["under_50"]
    )
    how_many = 1 + _index(p.RELATIVES_SPLIT.value, _uniform(seed, "number of relatives", n))
    women["family_history_n"] = how_many * (_uniform(seed, "any relative", n) < any_relative)
    menarche = _from_bands(
        tuple((low, high + 1, share) for low, high, share in p.MENARCHE.value), seed, "menarche", n
    )
    women["menarche_age_years"] = np.floor(menarche)
    births_draw = _uniform(seed, "births", n)
    women["n_births"] = np.where(
        older,
        _index(p.PARITY.value["from_50"], births_draw),
        _index(p.PARITY.value["under_50"], births_draw),
    )
    first = women["race_ethnicity"].map(p.FIRST_BIRTH_AGE.value) + p.FIRST_BIRTH_SD.value * stream(
        seed, "first birth"
    ).standard_normal(n)
    women["age_first_birth_years"] = first.clip(14, 44).round().where(women["n_births"] > 0)
    women["n_biopsies"] = _index(p.BIOPSIES.value, _uniform(seed, "biopsies", n))
    women["atypia"] = (_uniform(seed, "atypia", n) < p.ATYPIA_PER_BIOPSIED.value) & (
        women["n_biopsies"] > 0
    )
    women["brca"] = _uniform(seed, "brca", n) < p.BRCA.value
    women["bmi_z"] = stream(seed, "bmi").standard_normal(n)
    women["bmi"] = women["race_ethnicity"].map(p.BMI_MEDIAN.value) * np.exp(
        p.BMI_LOG_SD.value * women["bmi_z"]
    )
    mean, spread = p.MENOPAUSE_AGE.value
    women["menopause_age"] = mean + spread * stream(seed, "menopause").standard_normal(n)


def _add_breasts(women: pd.DataFrame, seed: int) -> None:
    n = len(women)
    women["density_residual"] = stream(seed, "density").standard_normal(n)
    rho = p.DENSITY_BMI.value
    women["density_at_57"] = (
        women["race_ethnicity"].map(p.DENSITY_RACE.value)
        + rho * women["bmi_z"]
        + np.sqrt(1 - rho**2) * women["density_residual"]
    )
    mean, spread = p.BREAST_SIZE.value
    rho = p.BREAST_SIZE_BMI.value
    size = rho * women["bmi_z"] + np.sqrt(1 - rho**2) * stream(seed, "size").standard_normal(n)
    women["breast_size_mm"] = (mean + spread * size).clip(50, 130)
    women["breast_seed"] = stream(seed, "breast seed").integers(0, 2**31, n)
    women["implant"] = _uniform(seed, "implant", n) < p.IMPLANT.value


def latent_density(density_at_57: np.ndarray, age_years: np.ndarray) -> np.ndarray:
    """Return the latent density (SD) of women at an age; it falls by a fixed slope each year."""
    return density_at_57 + p.DENSITY_AGE_SLOPE.value * (age_years - 57)


def density_class(latent: np.ndarray) -> np.ndarray:
    """Return the BI-RADS class as 0..3 (a..d) of a latent density."""
    return np.searchsorted(p.DENSITY_CUTS.value, latent)


def percent_density(latent: np.ndarray) -> np.ndarray:
    """Return the dense share of the breast area (0..1) of a latent density."""
    scale, share = p.DENSITY_TO_AREA.value
    return np.interp(latent, scale, share)


def relative_risk(women: pd.DataFrame) -> pd.DataFrame:
    """Return the parts of the log relative risk and the relative risk, with mean one.

    Parameters
    ----------
    women : the frame of `draw_people`, before this is added.

    Returns
    -------
    DataFrame: `log_rr_clinical`, `log_rr_density`, `log_rr_image`, `log_rr_hidden`,
    `log_rr_polygenic` and `relative_risk` = exp(sum). Higher is worse. Each part has
    E[exp(part)] = 1 in each race.
    """
    parts = pd.DataFrame({"log_rr_clinical": _clinical_log_risk(women)}, index=women.index)
    for name, z, spread in (
        ("density", women["density_residual"], p.DENSITY_LOG_RR_SD.value),
        ("image", women["texture"], p.IMAGE_LOG_RR_SD.value),
        ("hidden", women["frailty"], p.HIDDEN_LOG_RR_SD.value),
        (
            "polygenic",
            women["polygenic"],
            women["race_ethnicity"].map(p.POLYGENIC_LOG_RR.value).astype(float),
        ),
    ):
        parts[f"log_rr_{name}"] = spread * z - spread**2 / 2
    parts["relative_risk"] = np.exp(parts.sum(axis=1))
    return parts


def first_birth_category(births: np.ndarray, age_first_birth: np.ndarray) -> np.ndarray:
    """Return the Gail category 0..3 of age at first birth; no birth counts as 25-29 (2)."""
    category = np.searchsorted([20, 25, 30], np.nan_to_num(age_first_birth), side="right")
    return np.where(np.asarray(births) == 0, 2, category)


def _clinical_log_risk(women: pd.DataFrame) -> np.ndarray:
    total = np.zeros(len(women))
    for race in p.RACES:
        for older in (False, True):
            here = (
                (women["race_ethnicity"] == race) & ((women["anchor_age"] >= 50) == older)
            ).to_numpy()
            total[here] = _clinical_stratum(women[here], race, older)
    return total


def _clinical_stratum(women: pd.DataFrame, race: str, older: bool) -> np.ndarray:
    """Clinical log relative risk within a race and age group, where factors are independent."""
    key = "from_50" if older else "under_50"
    weight = p.CLINICAL_ATTENUATION.value[race]

    def centred(log_rr: np.ndarray, shares: np.ndarray, category: np.ndarray) -> np.ndarray:
        log_rr = weight * np.asarray(log_rr)
        return log_rr[category] - np.log(np.dot(shares, np.exp(log_rr)))

    any_relative = p.FAMILY_HISTORY.value[key]
    total = centred(
        p.RELATIVES_LOG_RR.value,
        np.r_[1 - any_relative, any_relative * np.array(p.RELATIVES_SPLIT.value)],
        women["family_history_n"].to_numpy(),
    )
    menarche = 2 - np.searchsorted([12, 14], women["menarche_age_years"], side="right")
    total += centred(
        p.MENARCHE_LOG_RR.value * np.arange(3),
        [share for *_, share in p.MENARCHE.value][::-1],
        menarche,
    )
    edges = np.array([19.5, 24.5, 29.5])  # ages are rounded to whole years
    below = ndtr((edges - p.FIRST_BIRTH_AGE.value[race]) / p.FIRST_BIRTH_SD.value)
    childless = p.PARITY.value[key][0]
    shares = (1 - childless) * np.diff(np.r_[0, below, 1])
    shares[2] += childless
    total += centred(
        p.FIRST_BIRTH_LOG_RR.value * np.arange(4),
        shares,
        first_birth_category(women["n_births"], women["age_first_birth_years"]),
    )
    # biopsies 0, 1, 2+ and, among the latter two, atypia
    per_biopsy, atypia = p.BIOPSY_LOG_RR.value[key], p.ATYPIA_LOG_RR.value
    none, one, *more = p.BIOPSIES.value
    rate = p.ATYPIA_PER_BIOPSIED.value
    shares = np.array(
        [none, one * (1 - rate), sum(more) * (1 - rate), one * rate, sum(more) * rate]
    )
    capped = np.minimum(women["n_biopsies"].to_numpy(), 2)
    total += centred(
        [0, per_biopsy, 2 * per_biopsy, per_biopsy + atypia, 2 * per_biopsy + atypia],
        shares,
        capped + 2 * women["atypia"].to_numpy(),
    )
    carriers = p.BRCA.value
    total += centred(
        [0, p.BRCA_LOG_RR.value], [1 - carriers, carriers], women["brca"].to_numpy().astype(int)
    )
    if older:
        spread = weight * p.BMI_LOG_RR.value * p.BMI_LOG_SD.value
        total += spread * women["bmi_z"].to_numpy() - spread**2 / 2
    return total


def _uniform(seed: int, name: str, n: int) -> np.ndarray:
    return stream(seed, name).random(n)


def _index(shares: tuple, draw: np.ndarray) -> np.ndarray:
    """Category 0, 1, .. of a uniform draw, by shares that sum to one."""
    return np.searchsorted(np.cumsum(shares)[:-1], draw, side="right")


def _pick(shares: dict, draw: np.ndarray) -> np.ndarray:
    return np.array(list(shares), dtype=object)[_index(tuple(shares.values()), draw)]


def _from_bands(bands: tuple, seed: int, name: str, n: int) -> np.ndarray:
    """Draw from bands (from, to, share), uniform within a band."""
    low, high, share = (np.array(column, float) for column in zip(*bands))
    band = _index(tuple(share), _uniform(seed, name, n))
    return low[band] + (high - low)[band] * _uniform(seed, f"{name}, within", n)


def patient_records(women: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return what the hospital's record says of each woman, blank (NaN) where it does not know.

    Parameters
    ----------
    women : the frame of `draw_people`, with `number`, `birth_year` and `first_exam_age` added.
    seed : seed of the world.

    Returns
    -------
    DataFrame in the columns of raw/ehr/patients.csv from `birth_year` to `brca`.
    """
    number = women["number"].to_numpy()
    n = int(number.max()) + 1  # draws are keyed by her number among all candidates
    records = women[["birth_year", "race_ethnicity"]].copy()
    for name in ("family_history_n", "menarche_age_years"):
        records[name] = women[name]
    records["menopausal_status"] = np.where(
        women["first_exam_age"] < women["menopause_age"], "pre", "post"
    )
    for name in ("n_births", "age_first_birth_years", "n_biopsies", "atypia"):
        records[name] = women[name].astype(float)
    records["bmi"] = women["bmi"].round(1)
    for name, share in p.MISSING.value.items():
        known = _uniform(seed, f"{name} missing", n)[number] >= share
        records[name] = records[name].where(known)
    carrier = women["brca"].to_numpy()
    tested = _uniform(seed, "brca test", n)[number] < np.where(
        carrier, p.BRCA_TESTED.value["carrier"], p.BRCA_TESTED.value["other"]
    )
    records["brca"] = np.where(tested, carrier.astype(float), np.nan)
    return records
