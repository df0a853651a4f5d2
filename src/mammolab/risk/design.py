"""Risk factors as the columns of a model: levels, imputation and scale, learnt on train only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.risk.history import first_birth_at_exam, refuse_rows, require_columns
from mammolab.schemas import DENSITIES, RACES

MARKER = " unknown"  # ends the name of the column that marks a factor's gaps
NO_BIRTH = "no birth"


@dataclass(frozen=True)
class Factor:
    """One column of the table as a risk factor.

    Attributes
    ----------
    column : str
    levels : tuple of str
        Of a category, the reference first; empty for a number.
    highest : float
        A number above this counts as this.
    squared : bool
        Whether the square of a number enters too.
    """

    column: str
    levels: tuple[str, ...] = ()
    highest: float = float("inf")
    squared: bool = False


# What a risk clinic asks and a radiology record holds. Counts are capped where the published
# models cap them (Gail: two biopsies; iCARE: three relatives).
RISK_FACTORS = (
    Factor("age_years", squared=True),
    Factor("density", levels=DENSITIES),
    Factor("race_ethnicity", levels=RACES),
    Factor("family_history_n", highest=3),
    Factor("menarche_age_years"),
    Factor("menopausal_status", levels=("pre", "post")),
    Factor("n_births", highest=4),
    Factor("age_first_birth_years"),
    Factor("n_biopsies", highest=2),
    Factor("atypia"),
    Factor("bmi"),
    Factor("brca"),
)


@dataclass(frozen=True)
class Design:
    """The recipe from a table to standardised model columns, as learnt on the training rows.

    Attributes
    ----------
    factors : tuple of Factor
    fills : dict of str to float
        Median of each number in train, put where it is unknown.
    names, means, scales : tuple, one entry a model column
        Columns that did not vary in train are not among them.
    imputation : tuple of dict
        One a factor: factor, n_unknown, share_unknown, filled_with.
    """

    factors: tuple[Factor, ...]
    fills: dict[str, float]
    names: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    imputation: tuple[dict, ...]

    @classmethod
    def learn(cls, frame: pd.DataFrame, factors: tuple[Factor, ...]) -> Design:
        """Learn medians, means and scales from the training rows.

        Raises
        ------
        InputError
            If a column is missing or a category holds a level that its factor does not list.
        """
        require_columns(frame, [factor.column for factor in factors], "The risk-factor model")
        fills, imputation = {}, []
        for factor in factors:
            unknown = _unknown(frame, factor)
            if factor.levels:
                filled_with = "its own level"
            else:
                values = _numbers(frame, factor)
                observed = values[~np.isnan(values)]
                fills[factor.column] = float(np.median(observed)) if observed.size else 0.0
                filled_with = f"{fills[factor.column]:g}"
            imputation.append(
                {
                    "factor": factor.column,
                    "n_unknown": int(unknown.sum()),
                    "share_unknown": float(unknown.mean()),
                    "filled_with": filled_with,
                }
            )
        raw = _expand(frame, factors, fills)
        means, scales = raw.mean(), raw.std(ddof=0)
        varying = raw.columns[scales > 0]
        return cls(
            factors=factors,
            fills=fills,
            names=tuple(varying),
            means=tuple(means[varying].tolist()),
            scales=tuple(scales[varying].tolist()),
            imputation=tuple(imputation),
        )

    def columns(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the standardised model columns of any table, shape (n, n_columns).

        A category that was never unknown in train has no level for it: where it is unknown here,
        its columns are at their training mean.

        Raises
        ------
        InputError
            As for `learn`.
        """
        require_columns(frame, [factor.column for factor in self.factors], "The risk-factor model")
        raw = _expand(frame, self.factors, self.fills)[list(self.names)].to_numpy(float)
        standardised = (raw - np.array(self.means)) / np.array(self.scales)
        for factor in self.factors:
            if factor.levels and f"{factor.column} unknown" not in self.names:
                its = [name.startswith(f"{factor.column} ") for name in self.names]
                standardised[np.ix_(_unknown(frame, factor), its)] = 0.0
        return standardised

    def unknown(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Tell which factor of which row is unknown: bool, one column a factor."""
        return pd.DataFrame(
            {factor.column: _unknown(frame, factor) for factor in self.factors}, index=frame.index
        )

    def stand_ins(self) -> dict[str, str]:
        """What the model takes a factor for where it is unknown, in words, by column.

        A category with a level "unknown" of its own needs nothing to stand in and is left out.
        """
        words = {column: f"{fill:g}" for column, fill in self.fills.items()}
        for factor in self.factors:
            if factor.levels and f"{factor.column} unknown" not in self.names:
                words[factor.column] = "the average of train"
        return words

    def known(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Flag the values of `columns` that the table holds and no fill stands for, same shape."""
        unknown = {factor.column: _unknown(frame, factor) for factor in self.factors}
        flags = np.ones((len(frame), len(self.names)), dtype=bool)
        for k, name in enumerate(self.names):
            if not name.endswith(MARKER):
                flags[:, k] = ~unknown[_factor_of(name, unknown)]
        return flags

    def to_dict(self) -> dict:
        """Return the recipe as plain values that JSON can hold."""
        record = asdict(self)
        for factor in record["factors"]:
            factor["highest"] = None if np.isinf(factor["highest"]) else factor["highest"]
        return record

    @classmethod
    def from_dict(cls, record: dict) -> Design:
        """Rebuild the recipe from `to_dict`."""
        factors = tuple(
            Factor(
                column=one["column"],
                levels=tuple(one["levels"]),
                highest=float("inf") if one["highest"] is None else one["highest"],
                squared=one["squared"],
            )
            for one in record["factors"]
        )
        lists = ("names", "means", "scales", "imputation")
        return cls(factors, record["fills"], *(tuple(record[name]) for name in lists))


def _factor_of(name: str, factors: Iterable[str]) -> str:
    """Return the factor that a model column comes from; they begin with its name and a space."""
    if name == NO_BIRTH:
        return "age_first_birth_years"
    return next(factor for factor in factors if f"{name} ".startswith(f"{factor} "))


def _numbers(frame: pd.DataFrame, factor: Factor) -> NDArray[np.float64]:
    """Values of a number as of the exam, NaN where unknown or where there is none."""
    if factor.column == "age_first_birth_years":
        values = first_birth_at_exam(frame)[1]
    else:
        values = frame[factor.column].to_numpy(float)
    if factor.column == "n_births":
        values = np.where(first_birth_at_exam(frame)[0], 0.0, values)
    return np.minimum(values, factor.highest)


def _unknown(frame: pd.DataFrame, factor: Factor) -> NDArray[np.bool_]:
    if factor.levels:
        return frame[factor.column].isna().to_numpy()
    unknown = np.isnan(_numbers(frame, factor))
    if factor.column == "age_first_birth_years":
        unknown &= ~first_birth_at_exam(frame)[0]  # no birth, so no age: known
    return unknown


def _expand(
    frame: pd.DataFrame, factors: tuple[Factor, ...], fills: dict[str, float]
) -> pd.DataFrame:
    """Return every column a factor can give, not yet scaled; "<factor> unknown" marks the gaps."""
    columns: dict[str, NDArray] = {}
    for factor in factors:
        name, unknown = factor.column, _unknown(frame, factor)
        if factor.levels:
            values = frame[name]
            stranger = ~unknown & ~values.isin(factor.levels).to_numpy()
            refuse_rows(frame, stranger, f"{name} must be one of {', '.join(factor.levels)}")
            for level in factor.levels[1:]:
                columns[f"{name} {level}"] = (values == level).to_numpy()
        else:
            number = _numbers(frame, factor)
            number = np.where(np.isnan(number), fills[name], number)
            columns[name] = number
            if factor.squared:
                columns[f"{name} squared"] = (number - fills[name]) ** 2
            if name == "age_first_birth_years":
                columns[NO_BIRTH] = first_birth_at_exam(frame)[0]
        columns[name + MARKER] = unknown
    return pd.DataFrame(columns, index=frame.index, dtype=float)
