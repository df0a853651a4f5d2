"""Every woman of a table with her risks, and what they rest on: one row in, one row out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.clinic.risk_table import OPTIONAL, Women
from mammolab.clinic.risk_trained import TrainedModels
from mammolab.clinic.risk_verdicts import FIVE_YEARS, Verdict, gail_verdict
from mammolab.errors import InputError
from mammolab.risk.gail import COLUMNS, FIRST_AGE, LAST_AGE

FACTORS = (*COLUMNS, *OPTIONAL)
DIGITS = 8  # of a risk in a file
PARTED = "; "
# How the published tool, which asks for more than our levels say, reads them.
READINGS = {
    "hispanic": "hispanic: read as US-born",
    "asian": "asian: read as other Asian",
    "other": "other: numbers of White women",
    "": "race_ethnicity unknown: numbers of White women",
}


@dataclass(frozen=True, eq=False)
class RiskScores:
    """A table of women, scored.

    verdicts : Gail's first.
    skipped : in words, the models that could not be used and why.
    table : one row a woman, in her order: ids, age_years, gail_group, one column a risk
        (risk_<span>_<model>), factors_used, factors_imputed, factors_missing, note, problem.
    """

    women: Women
    trained: TrainedModels | None
    horizon_years: float
    verdicts: tuple[Verdict, ...]
    skipped: tuple[str, ...]
    table: pd.DataFrame

    @property
    def has_problem(self) -> NDArray[np.bool_]:
        """Women with a mistake in a column that is read, shape (n,)."""
        return (self.table["problem"] != "").to_numpy()


def score_women(
    women: Women, trained: TrainedModels | None = None, horizon_years: float = 10.0
) -> RiskScores:
    """Score every woman with the Gail model and with trained models.

    Parameters
    ----------
    women : Women
        Read with `trained.wanted`.
    trained : TrainedModels, optional
    horizon_years : float
        Of the projection beside those of five years and to age 90.

    Returns
    -------
    RiskScores
        Where a column that a model reads holds a mistake, her risk by that model is empty.

    Raises
    ------
    InputError
        If the horizon is not possible.
    """
    if not 0 < horizon_years <= LAST_AGE - FIRST_AGE:
        raise InputError(
            f"--horizon must lie above 0 and up to {LAST_AGE - FIRST_AGE} years, not "
            f"{horizon_years:g}"
        )
    gail, told = gail_verdict(women, horizon_years)
    of_run, skipped = trained.verdicts(women, horizon_years) if trained else ([], [])
    verdicts = (gail, *of_run)
    table = women.ids.assign(
        age_years=women.frame["age_years"].round(4),
        gail_group=told["group"],
        **{
            f"risk_{span}_{one.model}": risk.round(DIGITS)
            for one in verdicts
            for span, risk in one.risks.items()
        },
        factors_used=listed(_factors(verdicts, "used")),
        factors_imputed=listed(_imputed(verdicts)),
        factors_missing=listed(_factors(verdicts, "missing")),
        note=listed(_notes(women, verdicts, told["note"], horizon_years)),
        problem=_problems(women),
    )
    return RiskScores(women, trained, horizon_years, verdicts, tuple(skipped), table)


def listed(names: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.object_]:
    """The names that hold in each row, parted by semicolons, shape (n,).

    Examples
    --------
    >>> listed({"a": np.array([True, True]), "b": np.array([True, False])}).tolist()
    ['a; b', 'a']
    """
    holds = np.column_stack(list(names.values()))
    # Few combinations occur: each is written once.
    packed = np.packbits(holds, axis=1)
    combinations, which = np.unique(packed, axis=0, return_inverse=True)
    bits = np.unpackbits(combinations, axis=1, count=holds.shape[1]).astype(bool)
    words = np.array(list(names), dtype=object)
    texts = np.array([PARTED.join(words[row]) for row in bits], dtype=object)
    return texts[which.reshape(-1)]


def _factors(verdicts: tuple[Verdict, ...], kind: str) -> dict[str, NDArray[np.bool_]]:
    """Which women's factors entered some model ("used"), or were unknown to it ("missing")."""
    found = {}
    for name in FACTORS:
        of_models = [getattr(one, kind)[name] for one in verdicts if name in getattr(one, kind)]
        if of_models:
            found[name] = np.any(of_models, axis=0)
    return found


def _imputed(verdicts: tuple[Verdict, ...]) -> dict[str, NDArray[np.bool_]]:
    """What stood in for an unknown factor, by "factor=value (model)"."""
    return {
        f"{name}={one.stand_ins[name]} ({one.model})": one.missing[name] & one.scored
        for one in verdicts
        for name in FACTORS
        if name in one.stand_ins and name in one.missing
    }


def _notes(
    women: Women, verdicts: tuple[Verdict, ...], published: pd.Series, horizon_years: float
) -> dict[str, NDArray[np.bool_]]:
    """How the published tool reads a record, and other things to know of a risk."""
    gail = verdicts[0]
    race = women.frame["race_ethnicity"].fillna("")
    notes = {text: (published == text).to_numpy() for text in sorted(set(published)) if text}
    notes |= {text: gail.scored & (race == one).to_numpy() for one, text in READINGS.items()}
    past = (women.frame["age_years"] + max(horizon_years, FIVE_YEARS) > LAST_AGE).to_numpy()
    notes[f"the projection stops at age {LAST_AGE}"] = gail.scored & past
    if "brca" in women.frame:
        carrier = (women.frame["brca"] == 1).to_numpy()
        notes["carrier of a BRCA mutation: the Gail model is not made for her"] = carrier
    blind = [one for one in verdicts if "image_risk" in one.missing]
    if blind:
        names = " and ".join(one.model for one in blind)
        notes[f"no image_risk: not scored by {names}"] = blind[0].missing["image_risk"]
    return notes


def _problems(women: Women) -> NDArray[np.object_]:
    """The mistakes of each woman in words, shape (n,)."""
    said = np.full(len(women.frame), "", dtype=object)
    by_woman = women.problems.groupby("position", sort=True)["problem"].agg(PARTED.join)
    said[by_woman.index.to_numpy(int)] = by_woman.to_numpy(object)
    return said
