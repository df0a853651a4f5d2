"""What a risk model says of a table of women, and what the Gail model says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.clinic.risk_table import Women
from mammolab.risk.gail import (
    COLUMNS,
    FIRST_AGE,
    LAST_AGE,
    NULLIPAROUS,
    UNKNOWN,
    absolute_risk,
    constants,
    published_codes,
)

REFUSED = "the published tool refuses the record, read here as "
FIVE_YEARS = 5.0  # the horizon of the guidelines' thresholds
# What the published code "unknown" amounts to: the lowest level of the factor. Unknown atypia has
# a level of its own, and the numbers of "native American or unknown" are those of White women.
GAIL_STAND_INS = {
    "race_ethnicity": "white",
    "family_history_n": "0",
    "menarche_age_years": "14 or more",
    "age_first_birth_years": "under 20",
    "n_biopsies": "0",
}


@dataclass(frozen=True, eq=False)
class Verdict:
    """One model on every woman of a table.

    model, title : its key and its name.
    risks : absolute risk by span ("5y", "10y", "to_90"), shape (n,); NaN where not scored.
    scored : bool, shape (n,).
    used, missing : by factor, which women's was known and entered, or was unknown; shape (n,).
    stand_ins : what the model takes a factor for where it is missing.
    """

    model: str
    title: str
    risks: Mapping[str, NDArray[np.float64]]
    scored: NDArray[np.bool_]
    used: Mapping[str, NDArray[np.bool_]]
    missing: Mapping[str, NDArray[np.bool_]]
    stand_ins: Mapping[str, str] = field(default_factory=dict)


def spans(horizon_years: float) -> dict[str, float]:
    """Names and lengths of the projections that every model makes.

    Examples
    --------
    >>> spans(10)
    {'5y': 5.0, '10y': 10}
    """
    return {f"{years:g}y": years for years in (FIVE_YEARS, horizon_years)}


def gail_verdict(women: Women, horizon_years: float) -> tuple[Verdict, pd.DataFrame]:
    """The Gail model, and the published group and the note of each woman ("" where not scored).

    A factor that the model of her group does not know (the first birth of Black women, menarche
    of US-born Hispanic women) is neither used nor missing.
    """
    scored = women.clean(COLUMNS)
    frame = women.frame[scored]
    codes = published_codes(frame)
    age = codes["age_years"].to_numpy()
    history = codes.drop(columns=["age_years", "note"])
    risks = {
        span: spread(
            absolute_risk(age, np.minimum(age + years, LAST_AGE), **history), scored, np.nan
        )
        for span, years in {**spans(horizon_years), "to_90": LAST_AGE - FIRST_AGE}.items()
    }
    effects = {name: one["log_relative_risk"] for name, one in constants().items()}
    knows_menarche, knows_birth = (
        codes["group"].map({name: effect[k] != 0 for name, effect in effects.items()})
        for k in (1, 2)
    )
    known = {
        **{name: codes[name] != UNKNOWN for name in ("menarche_age_years", "n_biopsies")},
        "race_ethnicity": frame["race_ethnicity"].notna(),
        "family_history_n": codes["n_relatives"] != UNKNOWN,
        "age_first_birth_years": codes["age_first_birth_years"] != UNKNOWN,
        "atypia": codes["hyperplasia"] != UNKNOWN,
    }
    asked = {
        **dict.fromkeys(known, pd.Series(True, index=frame.index)),
        "menarche_age_years": knows_menarche,
        "age_first_birth_years": knows_birth,
        "atypia": (codes["n_biopsies"] > 0) & (codes["n_biopsies"] != UNKNOWN),
    }
    used = {name: known[name] & asked[name] for name in known}
    missing = {name: ~known[name] & asked[name] for name in known}
    births_known = frame["n_births"].notna()
    used |= {"age_years": codes["age_years"].notna(), "n_births": births_known & knows_birth}
    missing["n_births"] = ~births_known & missing["age_first_birth_years"]
    verdict = Verdict(
        "gail",
        "Gail",
        risks,
        scored,
        {name: spread(rows, scored, False) for name, rows in used.items()},
        {name: spread(rows, scored, False) for name, rows in missing.items()},
        GAIL_STAND_INS,
    )
    refused = _refused(frame, codes)
    codes.loc[refused, "note"] = REFUSED + codes.loc[refused, "note"]
    told = codes[["group", "note"]].reindex(women.frame.index, fill_value="")
    return verdict, told


def _refused(frame: pd.DataFrame, codes: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether the published tool, given the records as they stand, refuses to score them."""
    age = codes["age_years"].to_numpy()
    births, atypia = frame["age_first_birth_years"], frame["atypia"]
    biopsied = (codes["n_biopsies"] > 0) & (codes["n_biopsies"] != UNKNOWN)
    risk = absolute_risk(
        age,
        np.minimum(age + FIVE_YEARS, LAST_AGE),
        codes["group"],
        codes["n_biopsies"],
        atypia.where(biopsied | (atypia == 1)).fillna(UNKNOWN),
        frame["menarche_age_years"].fillna(UNKNOWN),
        births.where(births.notna(), np.where(frame["n_births"] == 0, NULLIPAROUS, UNKNOWN)),
        codes["n_relatives"],
    )
    return np.isnan(risk)


def spread(values, scored: NDArray[np.bool_], rest) -> NDArray:
    """Values of the scored women among all, `rest` for the others, shape (n,)."""
    whole = np.full(len(scored), rest)
    whole[scored] = np.asarray(values)
    return whole
