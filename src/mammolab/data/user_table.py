"""A user's table as it lies on disk: CSV in its several dialects, or Parquet, as plain text."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mammolab.errors import InputError

SEPARATORS = (",", ";", "\t", "|")
PARQUET = (".parquet", ".pq")
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
BLANK = ("", "na", "n/a", "nan", "null", "none", ".")  # what programs write for "unknown"
ROW = "row"  # where a line stands in the file, as a spreadsheet numbers it


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table of text, before anything in it has a meaning.

    name : of the file, for messages.
    sha256 : of its bytes.
    cells : DataFrame of str, one column a column of the file; the index is the row's number in the
        file (for CSV the line, the header being line 1; for Parquet the first row is 1).
        Unknown is "".
    separator : of a CSV file; "" for Parquet.
    """

    name: str
    sha256: str
    cells: pd.DataFrame
    separator: str

    @property
    def decimal_comma(self) -> bool:
        """Whether a comma may be a decimal point here: where it does not part the columns."""
        return self.separator in (";", "\t", "|")


def read_table(path: Path, loose: bool = False) -> RawTable:
    """Read a table as text.

    Commas, semicolons, tabs or bars part the columns; UTF-8 with or without a byte order mark,
    UTF-16 with one, and Windows-1252 are read. Parquet is told by its suffix.

    Parameters
    ----------
    loose : fill rows of a CSV file that are shorter than its header, and number columns of one
        name (a, a.1), as files that their owners published so need it.

    Raises
    ------
    InputError
        One sentence: the file is absent, empty, no table, holds a row that is longer or shorter
        than the header (its row is named), or two columns of one name.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a table")
    if not path.is_file():
        raise InputError(f"there is no file {path}; give a table as CSV or Parquet")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if not content.strip():
        raise InputError(f"{path} is empty")
    sha256 = hashlib.sha256(content).hexdigest()
    if path.suffix.lower() in PARQUET:
        cells, separator = _parquet(content, path), ""
    else:
        cells, separator = _csv(_decode(content, path), path, loose)
    twice = sorted({name for name in cells.columns if name and list(cells.columns).count(name) > 1})
    if twice:
        raise InputError(f"{path.name} has the column {brief(twice[0])} more than once")
    if cells.empty:
        raise InputError(f"{path.name} has a header and no rows")
    cells = cells.loc[:, cells.columns != ""]  # row numbers that a program wrote without a name
    return RawTable(path.name, sha256, cells, separator)


def brief(value: object, most: int = 40) -> str:
    """A cell in one line of at most `most` characters, to be quoted in a sentence.

    Examples
    --------
    >>> brief("a long\\n story", most=8)
    'a long s...'
    """
    line = " ".join(str(value).split())
    return line if len(line) <= most else line[:most] + "..."


def _decode(content: bytes, path: Path) -> str:
    if content.startswith(b"PK"):
        raise InputError(f"{path.name} is a workbook or an archive: save the table as CSV")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InputError(f"{path.name} is not a text table: give CSV, or Parquet as *.parquet")


def _csv(text: str, path: Path, loose: bool) -> tuple[pd.DataFrame, str]:
    first = text.lstrip().splitlines()[0]
    counts = [len(next(csv.reader([first], delimiter=one))) for one in SEPARATORS]
    separator = SEPARATORS[int(np.argmax(counts))]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows, numbers = [], []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append([cell.strip() for cell in row])
                numbers.append(reader.line_num)
    except csv.Error as error:
        raise InputError(
            f"{path.name} is not a readable CSV table: {error} in row {reader.line_num}"
        ) from error
    header = rows[0]
    if loose:
        before = [header[:k].count(name) for k, name in enumerate(header)]
        header = [f"{name}.{n}" if n else name for name, n in zip(header, before, strict=True)]
        rows = [row + [""] * (len(header) - len(row)) for row in rows]
    wrong = [k for k, row in enumerate(rows) if len(row) != len(header)]
    if wrong:
        hint = " (a decimal comma?)" if separator == "," else ""
        raise InputError(
            f"{path.name} has {len(header)} columns in its header and another number of fields in "
            f"{len(wrong):,} row(s){hint}, first in row {numbers[wrong[0]]}, which has "
            f"{len(rows[wrong[0]])}"
        )
    cells = pd.DataFrame(rows[1:], columns=header, index=numbers[1:], dtype=object)
    return _unknown(cells), separator


def _parquet(content: bytes, path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except Exception as error:  # pyarrow raises of many kinds, each about the file
        raise InputError(f"{path.name} is not a readable Parquet table") from error
    cells = {str(name).strip(): _as_text(frame[name]) for name in frame.columns}
    return _unknown(pd.DataFrame(cells, dtype=object).set_axis(range(1, len(frame) + 1)))


def _as_text(values: pd.Series) -> pd.Series:
    """Each value as one would type it: whole numbers without a point, floats in full."""
    known = values.notna()
    if pd.api.types.is_float_dtype(values.dtype):
        number = values[known].astype(float)
        whole = (number % 1 == 0) & (number.abs() < 2**53)
        text = number.map(repr).where(~whole, number.where(whole, 0).astype("int64").astype(str))
    else:
        text = values[known].astype(object).map(str)
    return text.str.strip().reindex(values.index, fill_value="")


def _unknown(cells: pd.DataFrame) -> pd.DataFrame:
    """The same with every way of writing "unknown" blank."""
    return cells.apply(lambda column: column.where(~column.str.lower().isin(BLANK), ""))
