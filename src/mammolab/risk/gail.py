"""The Gail model (Breast Cancer Risk Assessment Tool) over a whole table of women at once.

Constants and their sources are in gail_constants.json beside this file.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.risk.history import first_birth_at_exam, refuse_rows, require_columns
from mammolab.risk.projection import FIRST_AGE, LAST_AGE, band_of_age, project_risk

UNKNOWN = 99
NULLIPAROUS = 98
HYPERPLASIA_RISK = {0: 0.93, 1: 1.82, UNKNOWN: 1.0}

# Our record does not say where a Hispanic woman was born or which Asian group a woman belongs to;
# a table that does gives the published group itself, a key of `constants()`. "other" and missing
# take the published code "native American or unknown", whose numbers are those of White women.
GROUP_OF_RACE = {
    "white": "white",
    "black": "black",
    "asian": "other_asian",
    "hispanic": "hispanic_us_born",
    "other": "native_american_or_unknown",
}
HISPANIC = ("hispanic_us_born", "hispanic_foreign_born")
ASIAN = (
    "chinese",
    "japanese",
    "filipino",
    "hawaiian",
    "other_pacific_islander",
    "other_asian",
)

COLUMNS = [
    "age_years",
    "race_ethnicity",
    "family_history_n",
    "menarche_age_years",
    "n_births",
    "age_first_birth_years",
    "n_biopsies",
    "atypia",
]


@cache
def constants() -> dict[str, dict[str, list[float]]]:
    """Return the published constants of each group: see gail_constants.json for order and units."""
    text = resources.files("mammolab.risk").joinpath("gail_constants.json").read_text("utf-8")
    return json.loads(text)["groups"]


def races() -> tuple[str, ...]:
    """Return what race_ethnicity may hold: our levels, then the published groups beyond them."""
    return (*GROUP_OF_RACE, *(name for name in constants() if name not in GROUP_OF_RACE))


def gail_risk(frame: pd.DataFrame, horizon_years: float = 5.0) -> NDArray[np.float64]:
    """Estimate each woman's absolute risk of invasive breast cancer within the horizon.

    Parameters
    ----------
    frame : DataFrame
        One row a woman and exam, columns `COLUMNS` of the patients table plus age_years at the
        exam; NaN = unknown.
    horizon_years : float
        Length of the projection, above 0.

    Returns
    -------
    array of float, shape (n,)
        Probability in [0, 1]; death from other causes competes. `published_codes` tells how each
        record was read.

    Raises
    ------
    InputError
        If a column is missing, an age is not in [20, 90), or a race is neither one of ours nor a
        published group; the message shows the first exam ids.

    References
    ----------
    Gail et al. 1989, doi:10.1093/jnci/81.24.1879; the JSON file cites the source of each group.
    """
    if not horizon_years > 0:
        raise InputError(f"The horizon must be above 0 years, not {horizon_years}.")
    codes = published_codes(frame)
    from_age = codes["age_years"].to_numpy()
    to_age = np.minimum(from_age + horizon_years, LAST_AGE)
    return absolute_risk(from_age, to_age, **codes.drop(columns=["age_years", "note"]))


def published_codes(frame: pd.DataFrame) -> pd.DataFrame:
    """Put a table of women into the published codes (98 nulliparous, 99 unknown).

    Parameters
    ----------
    frame : DataFrame
        As for `gail_risk`.

    Returns
    -------
    DataFrame
        Columns age_years and the keyword arguments of `absolute_risk`, index of `frame`, and a
        column note, "" or how a record that the published tool refuses was read:

        - a birth after the exam has not happened yet: nulliparous;
        - a first birth where the number of births is 0: nulliparous;
        - a first birth before menarche, or menarche after the exam: unknown;
        - atypia without a known biopsy: not applicable.

        Of several, semicolons part them.

    Notes
    -----
    A projection that would pass age 90 stops there: no rates are published beyond.
    """
    require_columns(frame, COLUMNS, "The Gail model")
    age = frame["age_years"].to_numpy(float)
    refuse_rows(
        frame,
        ~((age >= FIRST_AGE) & (age < LAST_AGE)),
        f"The Gail model needs age_years from {FIRST_AGE} to below {LAST_AGE}",
    )
    race = frame["race_ethnicity"]
    group_of = {name: name for name in constants()} | GROUP_OF_RACE
    refuse_rows(
        frame,
        (~race.isin(list(group_of)) & race.notna()).to_numpy(),
        f"race_ethnicity must be one of {', '.join(races())} or missing",
    )
    group = race.map(group_of).fillna(GROUP_OF_RACE["other"])

    menarche = frame["menarche_age_years"].to_numpy(float)
    biopsies = frame["n_biopsies"].to_numpy(float)
    atypia = frame["atypia"].to_numpy(float)
    nulliparous, first_birth = first_birth_at_exam(frame)
    birth_to_come = frame["age_first_birth_years"].to_numpy(float) > age
    no_births = (frame["n_births"] == 0) & frame["age_first_birth_years"].notna()
    late_menarche = menarche > age
    early_birth = ~late_menarche & (first_birth < menarche)
    no_biopsy = ~(biopsies > 0)

    note = np.full(len(frame), "", dtype=object)
    for odd, reading in (
        (birth_to_come, "first birth after the exam: nulliparous"),
        (no_births.to_numpy() & ~birth_to_come, "a first birth, and n_births 0: nulliparous"),
        (late_menarche, "menarche after the exam: unknown"),
        (early_birth, "first birth before menarche: unknown"),
        (no_biopsy & (atypia == 1), "atypia without a biopsy: not applicable"),
    ):
        note[odd] = [f"{before}; {reading}".removeprefix("; ") for before in note[odd]]
    return pd.DataFrame(
        {
            "age_years": age,
            "group": group.to_numpy(),
            "n_biopsies": _or_unknown(biopsies),
            "hyperplasia": np.where(no_biopsy, UNKNOWN, _or_unknown(atypia)),
            "menarche_age_years": np.where(late_menarche, UNKNOWN, _or_unknown(menarche)),
            "age_first_birth_years": np.where(
                nulliparous, NULLIPAROUS, np.where(early_birth, UNKNOWN, _or_unknown(first_birth))
            ),
            "n_relatives": _or_unknown(frame["family_history_n"].to_numpy(float)),
            "note": note,
        },
        index=frame.index,
    )


def absolute_risk(
    age_from_years: ArrayLike,
    age_to_years: ArrayLike,
    group: ArrayLike,
    n_biopsies: ArrayLike,
    hyperplasia: ArrayLike,
    menarche_age_years: ArrayLike,
    age_first_birth_years: ArrayLike,
    n_relatives: ArrayLike,
) -> NDArray[np.float64]:
    """Project absolute risk between two ages, from the published codes.

    Parameters
    ----------
    age_from_years, age_to_years : array of float, shape (n,)
        Ages between which risk is projected: 20 <= from < 90, from < to <= 90.
    group : array of str, shape (n,)
        A key of `constants()`.
    n_biopsies, n_relatives : array of float, shape (n,)
        Biopsies; first-degree relatives with breast cancer. 99 = unknown.
    hyperplasia : array of float, shape (n,)
        Atypical hyperplasia 0, 1 or 99; must be 99 without a biopsy.
    menarche_age_years, age_first_birth_years : array of float, shape (n,)
        99 = unknown; first birth 98 = nulliparous.

    Returns
    -------
    array of float, shape (n,)
        Probability in [0, 1]; NaN where the published tool refuses the record (ages out of range
        or order, hyperplasia without a biopsy, menarche or first birth after the first age, first
        birth before menarche; the age at first birth of a Black woman is not looked at).

    Examples
    --------
    >>> float(absolute_risk([40], [50], ["white"], [1], [99], [12], [25], [1]).round(10)[0])
    0.0451362161
    """
    start, stop, biopsies, hyper, menarche, first_birth, relatives = np.broadcast_arrays(
        *(
            np.atleast_1d(np.asarray(values, dtype=float))
            for values in (
                age_from_years,
                age_to_years,
                n_biopsies,
                hyperplasia,
                menarche_age_years,
                age_first_birth_years,
                n_relatives,
            )
        )
    )
    group = np.broadcast_to(np.asarray(group, dtype=object), start.shape)
    names = list(constants())
    row = pd.Index(names).get_indexer(group)
    if (row < 0).any():
        raise ValueError(f"group must be one of {', '.join(names)}; found {group[row < 0][0]!r}")

    accepted = (start >= FIRST_AGE) & (start < LAST_AGE) & (stop > start) & (stop <= LAST_AGE)
    accepted &= _history_accepted(start, group, biopsies, hyper, menarche, first_birth, relatives)
    relative_risk = np.exp(
        _log_relative_risk(row, group, biopsies, hyper, menarche, first_birth, relatives)
    )
    risk = _project(row, start, np.where(accepted, stop, start), relative_risk)
    return np.where(accepted, risk, np.nan)


def _or_unknown(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isnan(values), UNKNOWN, values)


def _history_accepted(start, group, biopsies, hyper, menarche, first_birth, relatives) -> NDArray:
    """Apply the published checks of consistency, shape (n,)."""
    no_biopsy = (biopsies == 0) | (biopsies == UNKNOWN)
    menarche_known = menarche != UNKNOWN
    accepted = (biopsies >= 0) & (relatives >= 0) & (menarche > 0) & (first_birth > 0)
    accepted &= np.where(no_biopsy, hyper == UNKNOWN, np.isin(hyper, list(HYPERPLASIA_RISK)))
    accepted &= ~(menarche_known & (menarche > start))
    odd_birth = menarche_known & (first_birth < menarche)
    odd_birth |= (first_birth > start) & (first_birth < NULLIPAROUS)
    # The model of Black women knows no age at first birth, and so the tool does not check it.
    return accepted & ~(odd_birth & (group != "black"))


def _log_relative_risk(
    row, group, biopsies, hyper, menarche, first_birth, relatives
) -> NDArray[np.float64]:
    """Return the log relative risk below age 50 and from 50 on, shape (2, n)."""
    is_black = group == "black"
    is_hispanic = np.isin(group, HISPANIC)
    pools_relatives = is_hispanic | np.isin(group, ASIAN)

    biopsy_level = np.where(biopsies == UNKNOWN, 0, np.minimum(biopsies, 2))
    biopsy_level = np.where(is_hispanic, np.minimum(biopsy_level, 1), biopsy_level)

    menarche_level = np.select([menarche >= 14, menarche >= 12], [0, 1], default=2)
    menarche_level = np.where(is_black, np.minimum(menarche_level, 1), menarche_level)
    menarche_level = np.where(group == "hispanic_us_born", 0, menarche_level)

    no_birth = first_birth == NULLIPAROUS
    birth_level = np.select(
        [first_birth == UNKNOWN, no_birth, first_birth < 20, first_birth < 25, first_birth < 30],
        [0, 2, 0, 1, 2],
        default=3,
    )
    # Hispanic levels: under 20; 20 to 29; from 30 on or no birth.
    hispanic_level = np.where(no_birth, 2, np.array([0, 1, 1, 2])[birth_level])
    birth_level = np.where(is_hispanic, hispanic_level, birth_level)
    birth_level = np.where(is_black, 0, birth_level)

    relative_level = np.where(relatives == UNKNOWN, 0, np.minimum(relatives, 2))
    relative_level = np.where(pools_relatives, np.minimum(relative_level, 1), relative_level)

    beta = np.array([one["log_relative_risk"] for one in constants().values()])[row].T  # (6, n)
    below_50 = (
        beta[0] * biopsy_level
        + beta[1] * menarche_level
        + beta[2] * birth_level
        + beta[3] * relative_level
        + beta[5] * birth_level * relative_level
    )
    hyper_risk = np.select(
        [biopsy_level == 0, hyper == 0, hyper == 1],
        [1.0, HYPERPLASIA_RISK[0], HYPERPLASIA_RISK[1]],
        default=HYPERPLASIA_RISK[UNKNOWN],
    )
    below_50 = below_50 + np.log(hyper_risk)
    return np.stack([below_50, below_50 + beta[4] * biopsy_level])


def _project(row, start, stop, relative_risk) -> NDArray[np.float64]:
    """Project each woman's risk with the rates and the baseline of her group, shape (n,)."""
    groups = constants().values()
    incidence = np.array([one["incidence"] for one in groups])  # (n_groups, 14)
    mortality = np.array([one["competing_mortality"] for one in groups])
    # Incidence is that of the population; (1 - attributable risk) brings it to the baseline woman.
    baseline_share = np.array([one["one_minus_attributable_risk"] for one in groups])

    def hazards_at(year: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        band = band_of_age(year, incidence.shape[1])
        from_50 = (year >= 50).astype(int)
        relative = relative_risk[from_50, np.arange(len(year))]
        hazard = baseline_share[row, from_50] * relative * incidence[row, band]
        return hazard, mortality[row, band]

    return project_risk(start, stop, hazards_at)
