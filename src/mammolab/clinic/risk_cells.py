"""Cells of a table of women, from text to values, and what is wrong with any of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.data.outcomes import DAYS_PER_YEAR
from mammolab.data.user_columns import YES_NO
from mammolab.data.user_table import DECIMAL_COMMA, RawTable, brief
from mammolab.risk.gail import COLUMNS as GAIL_COLUMNS
from mammolab.risk.gail import FIRST_AGE, LAST_AGE, NULLIPAROUS, UNKNOWN, races
from mammolab.schemas import COLUMNS as SCHEMA
from mammolab.schemas import DENSITIES

DATES = ("birth_date", "exam_date")
FIRST_DATE, LAST_DATE = "1900-01-01", "2099-12-31"  # a year outside is mistyped (assumption)
AGE = "age_years"
AGE_COLUMNS = (AGE, *DATES)  # a mistake in any of them leaves a woman without an age
LEVELS = {
    "race_ethnicity": races(),
    "density": DENSITIES,
    "menopausal_status": SCHEMA["patients"]["menopausal_status"].options,
}
FLAGS = ("atypia", "brca")
COUNTS = ("family_history_n", "n_births", "n_biopsies")
MOST_RELATIVES = 20  # first-degree, with breast cancer; more is a mistyped number (assumption)
LIMITS = {
    AGE: (0, 120),
    "family_history_n": (0, MOST_RELATIVES),
    "image_risk": (0, 1),
    **{
        name: (SCHEMA["patients"][name].low, SCHEMA["patients"][name].high)
        for name in ("menarche_age_years", "n_births", "age_first_birth_years", "n_biopsies", "bmi")
    },
}
CODED = {*GAIL_COLUMNS, "brca"} - {AGE, "race_ethnicity"}  # where 99 is the published "unknown"
APART_YEARS = 1.0  # by which an age in years and one from dates may differ


class CellReader:
    """Turns cells into values, and keeps what is wrong with them."""

    def __init__(self, table: RawTable) -> None:
        self.table = table
        self.cells = table.cells.reset_index(drop=True)
        self.rows = table.cells.index.to_numpy()
        self.found: list[pd.DataFrame] = []

    def problems(self) -> pd.DataFrame:
        """Every mistake, by row and then by column of the table."""
        names = ["position", "row", "column", "value", "problem"]
        found = pd.concat([pd.DataFrame(columns=names), *self.found], ignore_index=True)
        place = found["column"].map({name: k for k, name in enumerate(self.cells)})
        order = np.lexsort([place.to_numpy(float), found["position"].to_numpy(int)])
        return found.iloc[order].reset_index(drop=True).astype({"position": int, "row": int})

    def complain(self, column: str, wrong: NDArray[np.bool_], rule: str) -> None:
        """Keep "column 'value' rule" of each wrong row."""
        at = np.flatnonzero(wrong)
        if len(at):
            values = [brief(one) for one in self.cells[column].iloc[at]]
            said = [f"{column} '{one}' {rule}" if one else f"{column} {rule}" for one in values]
            rows = {"position": at, "row": self.rows[at], "column": column}
            self.found.append(pd.DataFrame({**rows, "value": values, "problem": said}))

    def column(self, name: str) -> NDArray:
        """A column as what it means; one that the table lacks is unknown throughout."""
        if name not in self.cells:
            return np.full(len(self.cells), None if name in LEVELS else np.nan)
        if name in LEVELS:
            return self._levels(name)
        return self._flags(name) if name in FLAGS else self._numbers(name)

    def age(self) -> NDArray[np.float64]:
        """Age at the exam: in years where given, else from the dates."""
        stated, dated = self.column(AGE), self._age_by_dates()
        no_age, no_dates = self._any_blank(AGE), self._any_blank(*DATES)
        age = np.where(no_age, dated, stated)
        first = AGE if AGE in self.cells else "birth_date"
        self.complain(first, no_age & no_dates, "is blank: the age is unknown")
        apart = np.abs(stated - dated) > APART_YEARS
        self.complain(AGE, apart, "is not the age by birth_date and exam_date")
        outside = (age < FIRST_AGE) | (age >= LAST_AGE)
        rule = f"from {FIRST_AGE} to below {LAST_AGE}, the ages of the Gail model"
        self.complain(AGE, outside & ~no_age, f"is not {rule}")
        self.complain("birth_date", outside & no_age, f"gives an age that is not {rule}")
        return np.where(outside, np.nan, age)

    def _age_by_dates(self) -> NDArray[np.float64]:
        if not set(DATES) <= set(self.cells):
            return np.full(len(self.cells), np.nan)
        birth, exam = (self._dates(name) for name in DATES)
        age = ((exam - birth).dt.days / DAYS_PER_YEAR).to_numpy()
        self.complain("birth_date", age < 0, "lies after exam_date")
        return np.where(age < 0, np.nan, age)

    def _any_blank(self, *names: str) -> NDArray[np.bool_]:
        """Where a cell of the columns is blank; everywhere when a column is absent."""
        if not set(names) <= set(self.cells):
            return np.ones(len(self.cells), dtype=bool)
        return (self.cells[list(names)] == "").any(axis=1).to_numpy()

    def complete(self, frame: pd.DataFrame) -> None:
        """Fill in what code 98 of the first birth implies: she has had none."""
        name, births = "age_first_birth_years", frame["n_births"].to_numpy()
        nulliparous = self._coded(name, NULLIPAROUS)
        self.complain(name, nulliparous & (births > 0), "means no birth, against n_births")
        frame["n_births"] = np.where(nulliparous & np.isnan(births), 0.0, births)

    def _coded(self, name: str, code: int) -> NDArray[np.bool_]:
        return self._pointed(name).isin([str(code), f"{code}.0"]).to_numpy()

    def _pointed(self, name: str) -> pd.Series:
        """A column as text with decimal points, whatever its program writes."""
        text = self.cells[name]
        if self.table.decimal_comma and text.str.contains(",", regex=False).any():
            comma = text.map(lambda one: DECIMAL_COMMA.fullmatch(one) is not None)
            text = text.where(~comma, text.str.replace(",", ".", regex=False))
        return text

    def _numbers(self, name: str) -> NDArray[np.float64]:
        text = self._pointed(name)
        values = pd.to_numeric(text, errors="coerce").to_numpy(float, copy=True)
        blank = (text == "").to_numpy()
        if name in CODED:
            blank |= self._coded(name, UNKNOWN)
        if name == "age_first_birth_years":
            blank |= self._coded(name, NULLIPAROUS)
        low, high = LIMITS[name]
        no_number = np.isnan(values)
        outside = ~no_number & ~((values >= low) & (values <= high))
        broken = (name in COUNTS) & ~no_number & ~outside & (values != np.floor(values))
        for wrong, rule in (
            (no_number, "is no number"),
            (outside, f"is not from {low:g} to {high:g}"),
            (broken, "is no whole number"),
        ):
            self.complain(name, wrong & ~blank, rule)
        values[blank | outside | broken] = np.nan
        return values

    def _flags(self, name: str) -> NDArray[np.float64]:
        text = self._pointed(name).str.lower()
        values = text.map(YES_NO).to_numpy(float)
        blank = (text == "").to_numpy() | self._coded(name, UNKNOWN)
        self.complain(name, np.isnan(values) & ~blank, "is not 0, 1, no, yes, false or true")
        return values

    def _levels(self, name: str) -> NDArray[np.object_]:
        text = self.cells[name].str.lower().str.replace(r"[\s-]+", "_", regex=True)
        blank = text.isin(["", "unknown", str(UNKNOWN)]).to_numpy()
        stranger = ~text.isin(LEVELS[name]).to_numpy() & ~blank
        self.complain(name, stranger, f"is not {', '.join(LEVELS[name])}")
        return text.where(~(blank | stranger), None).to_numpy(object)

    def _dates(self, name: str) -> pd.Series:
        text = self.cells[name].str.replace(r"[ T]00:00:00(\.0+)?$", "", regex=True)
        iso = text.where(text.str.fullmatch(r"\d{4}-\d\d-\d\d"))  # pandas would take 2020-1-1
        dates = pd.to_datetime(iso, format="%Y-%m-%d", errors="coerce")
        self.complain(name, (dates.isna() & (text != "")).to_numpy(), "is no date as YYYY-MM-DD")
        outside = dates.notna() & ~dates.between(FIRST_DATE, LAST_DATE)
        self.complain(name, outside.to_numpy(), f"is not from {FIRST_DATE} to {LAST_DATE}")
        return dates.mask(outside)
