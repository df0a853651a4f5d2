"""A table on disk as text: as `data.user_table` reads it, and packed, and without a row."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from mammolab.audit.images import SUFFIXES
from mammolab.data.user_table import PARQUET, SEPARATORS, RawTable, read_table
from mammolab.errors import InputError

WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
TABLES = (".csv", ".csv.gz", ".tsv", *PARQUET, *WORKBOOKS)


def check_no_folder_of_tables(folder: Path) -> None:
    """Stop at a folder that holds tables and no image: which of them are one cohort is not told.

    Raises
    ------
    InputError
        Names some of the tables and says how they are given.
    """
    tables = sorted(one.name for one in folder.iterdir() if one.name.lower().endswith(TABLES))
    if tables and not any(one.suffix.lower() in SUFFIXES for one in folder.rglob("*")):
        raise InputError(
            f"{folder} is a folder of tables ({', '.join(tables[:3])}{', ...' * (len(tables) > 3)}): "
            f"give the files themselves, such as {folder / tables[0]}; several where they are of one "
            "layout"
        )


def read_raw(path: Path) -> RawTable:
    """A table as text; unlike `read_table`, a header without rows is a table too, and gzip is read."""
    if path.suffix.lower() in WORKBOOKS and path.is_file():
        raise InputError(
            f"{path.name} is a workbook: save its sheet as CSV (File, Save as) and give that file"
        )
    if path.suffix.lower() != ".gz":
        return _header_alone(path) or read_table(path)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / path.stem
        if path.is_file():
            try:
                plain.write_bytes(gzip.decompress(path.read_bytes()))
            except (OSError, EOFError, zlib.error) as error:
                raise InputError(f"{path} is no readable gzip file") from error
        else:
            raise InputError(f"there is no file {path}; give a table as CSV or Parquet")
        return replace(_header_alone(plain) or read_table(plain), name=path.name)


def _header_alone(path: Path) -> RawTable | None:
    """The table of a file that has a header and nothing else; None of any other file."""
    if not path.is_file() or path.stat().st_size > 100_000:
        return None
    content = path.read_bytes()
    if path.suffix.lower() in PARQUET:
        try:
            frame = pd.read_parquet(io.BytesIO(content))
        except Exception:  # noqa: BLE001 - read_table says what is wrong with the file
            return None
        names, separator = [str(name) for name in frame.columns], ""
        if len(frame) or not names:
            return None
    else:
        lines = [one for one in content.decode("utf-8-sig", "replace").splitlines() if one.strip()]
        if len(lines) != 1 or "\0" in lines[0]:
            return None
        counts = [len(next(csv.reader(lines, delimiter=one))) for one in SEPARATORS]
        separator = SEPARATORS[int(np.argmax(counts))]
        names = [one.strip() for one in next(csv.reader(lines, delimiter=separator))]
        if len(set(names)) < len(names):
            return None
    cells = pd.DataFrame({name: pd.Series(dtype=object) for name in names if name})
    return RawTable(path.name, hashlib.sha256(content).hexdigest(), cells, separator)
