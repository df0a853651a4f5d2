"""A table of women and their risk factors: what cannot be is told row by row, and no row goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.clinic.risk_cells import AGE, AGE_COLUMNS, DATES, CellReader
from mammolab.data import user_columns
from mammolab.data.user_table import read_table
from mammolab.risk.gail import COLUMNS as GAIL_COLUMNS

FILES = "image_files"  # names of DICOM files of an exam, parted by semicolons
OPTIONAL = ("density", "menopausal_status", "bmi", "brca", "image_risk")
HINT = (
    "birth_date and exam_date will do for age_years, patient_id or woman_id for exam_id, and a "
    "factor that nobody knows is a blank column"
)


@dataclass(frozen=True, eq=False)
class Women:
    """The women of a table, in its order.

    ids : the columns of the table that are ids, as text; index 0 up, as of all frames here.
    frame : age_years, Gail's columns and those asked for: float (NaN unknown), or text (None).
    problems : one row a mistake: position (of the woman), row (in the file), column, value,
        problem (in words). A cell with a mistake counts as unknown in `frame`.
    files : position, row and path of each file in column image_files, where images are asked for.
    absent : columns asked for that the table lacks.
    unused : columns of the table that mean nothing here.
    synthetic : whether the file says so of itself.
    """

    file: str
    sha256: str
    ids: pd.DataFrame
    frame: pd.DataFrame
    problems: pd.DataFrame
    files: pd.DataFrame
    absent: tuple[str, ...]
    unused: tuple[str, ...]
    synthetic: bool

    @property
    def unit(self) -> str:
        """What a row is: "exams" where a woman has several, else "women"."""
        by_woman = [self.ids[name] for name in self.ids if name != "exam_id"]
        return "exams" if any(ids.duplicated().any() for ids in by_woman) else "women"

    def clean(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """Women without a mistake in the named columns or their age, shape (n,)."""
        wrong = self.problems["column"].isin([*names, *AGE_COLUMNS])
        clean = np.ones(len(self.frame), dtype=bool)
        clean[self.problems.loc[wrong, "position"]] = False
        return clean


def read_women(path: Path, wanted: Sequence[str] = ()) -> Women:
    """Read a table of women.

    Parameters
    ----------
    path : Path
        CSV, or Parquet by its suffix (`data.user_table.read_table`).
    wanted : sequence of str
        Columns of `OPTIONAL` to read beside Gail's; `brca` is read wherever it is, and the column
        image_files where image_risk is asked for.

    Raises
    ------
    InputError
        One sentence when there is no such table, a column is missing, or an id is blank or comes
        twice. A cell that cannot be is no error: see `Women.problems`.
    """
    table = read_table(path)
    name = user_columns.id_column(table)
    dated = set(DATES) <= set(table.cells)
    factors = [one for one in GAIL_COLUMNS if one != AGE or not dated]
    user_columns.check_columns(table, [name or "exam_id", *factors], HINT)
    user_columns.row_ids(table)
    reader = CellReader(table)
    asked = [one for one in OPTIONAL if one in wanted or (one == "brca" and one in table.cells)]
    frame = pd.DataFrame({AGE: reader.age()})
    for one in [*(c for c in GAIL_COLUMNS if c != AGE), *asked]:
        frame[one] = reader.column(one)
    reader.complete(frame)
    known = {*user_columns.IDS, *AGE_COLUMNS, *frame, "synthetic"}
    lacking = [one for one in asked if one not in table.cells]
    cells = pd.Series(dtype=str)
    if "image_risk" in asked and FILES in table.cells:
        cells = table.cells[FILES]
        known.add(FILES)
        lacking = [one for one in lacking if one != "image_risk"]
    return Women(
        file=table.name,
        sha256=table.sha256,
        ids=table.cells[[one for one in user_columns.IDS if one in table.cells]].reset_index(
            drop=True
        ),
        frame=frame,
        problems=reader.problems(),
        files=_files(cells),
        absent=tuple(lacking),
        unused=tuple(one for one in table.cells if one not in known),
        synthetic=user_columns.says_synthetic(table),
    )


def _files(cells: pd.Series) -> pd.DataFrame:
    """Each file that a cell names, with the place and the row of the woman."""
    found = [
        (position, row, name.strip())
        for position, (row, cell) in enumerate(cells.items())
        for name in cell.split(";")
        if name.strip()
    ]
    return pd.DataFrame(found, columns=["position", "row", "path"]).astype(
        {"position": int, "row": int}
    )
