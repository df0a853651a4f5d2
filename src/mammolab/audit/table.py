"""What an audit looks at: a cohort table of known columns, its exams, and what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from mammolab.audit import columns, layouts
from mammolab.audit.images import Images
from mammolab.audit.layouts import LAYOUTS, NAMES
from mammolab.audit.raw import read_raw
from mammolab.data.user_table import RawTable
from mammolab.errors import InputError, unknown_name

HIGHEST = ("cancer", "recalled", "implant", "included", "score", "probability", "birads")
PATIENT_FROM = ("patient_id", "exam_id", "image_id")  # the first that is there names a patient


@dataclass(frozen=True, eq=False)
class AuditTable:
    """A cohort as an audit sees it.

    files : name and SHA-256 of what was read.
    layout : of `layouts.NAMES`.
    title : what the layout is called.
    rows : DataFrame, one row a row of the table(s), columns of `columns.KNOWN` that are known, and
        patient (text, never blank) and weight (float, 1 where no weights are given).
    row, unit : what a row is, and what the checks count.
    label : what the positives have, such as "cancer".
    screening : whether the set is held against a screening programme.
    per_exam : units that make an exam.
    notes, cautions : what was decided in reading, and what the layout is known for.
    images : of the rows, where they were given.
    features : of a network, where they were given: floats, one row an id, the index named after it.
    n_rows : of the file(s), before rows of weight 0 were left out.
    """

    files: tuple[tuple[str, str], ...]
    layout: str
    title: str
    rows: pd.DataFrame
    row: str
    unit: str
    label: str
    screening: bool
    notes: tuple[str, ...]
    cautions: tuple[str, ...]
    n_rows: int
    unused: tuple[str, ...] = ()
    per_exam: int = 1
    images: Images | None = field(default=None)
    features: pd.DataFrame | None = field(default=None)

    @cached_property
    def units(self) -> pd.DataFrame:
        """One row a unit (an exam, a woman): flags and scores by their highest, the rest by the first.

        An exam of which one image shows a cancer has cancer; one whose label is unknown in every
        row stays unknown.
        """
        rows = self.rows
        if "exam_id" not in rows or not rows["exam_id"].duplicated().any():
            return rows
        how = {
            name: "max" if name in HIGHEST and name != "birads" else "first"
            for name in rows
            if name != "exam_id"
        }
        return rows.groupby("exam_id", sort=False, dropna=False).agg(how).reset_index()

    @cached_property
    def labelled(self) -> pd.DataFrame:
        """The units of the study whose label is known, with the label as a bool.

        Those that were left out of it (included 0) are looked at by the checks of exclusions alone.
        """
        units = self.units
        if "included" in units:
            units = units[units["included"] != 0]
        known = units[units[columns.LABEL].notna()].reset_index(drop=True)
        return known.assign(**{columns.LABEL: known[columns.LABEL] == 1})

    @property
    def synthetic(self) -> bool:
        """Whether the file says so of itself."""
        return "synthetic" in self.rows and bool((self.rows["synthetic"] == 1).any())

    def has(self, name: str) -> bool:
        """Whether a column has a known value; "images" and "features": whether they were given."""
        if name == "images":
            return self.images is not None and len(self.images.rows) > 0
        if name == "features":
            return self.features is not None
        return name in self.rows and bool(self.rows[name].notna().any())


def read_tables(
    paths: Sequence[Path],
    layout: str = "auto",
    label: str | None = None,
    score: str | None = None,
) -> AuditTable:
    """Read one table, or several of one layout such as the four files of CBIS-DDSM.

    Parameters
    ----------
    paths : sequence of Path
        CSV (also as *.csv.gz) or Parquet.
    layout : str
        "auto" tells it by the columns.
    label : str, optional
        Layout nih: a finding or "any"; own: the column that is the label.
    score : str, optional
        The column that is the score.

    Raises
    ------
    InputError
        One sentence; see `data.user_table.read_table` and `columns.typed`.
    """
    if layout not in NAMES:
        raise unknown_name("--layout", layout, NAMES)
    if layout == "folder":
        raise InputError(f"--layout folder needs a folder of images, and {paths[0]} is a file")
    tables = [read_raw(Path(path)) for path in paths]
    found = {layouts.detect(one) if layout == "auto" else layout for one in tables}
    if len(found) > 1:
        raise InputError(
            f"the {len(tables)} tables are of different layouts ({', '.join(sorted(found))}): audit "
            "them one by one"
        )
    name = found.pop()
    read = [_own(one, label, score) if name == "own" else _published(one, name, label, score)
            for one in tables]  # fmt: skip
    rows = pd.concat([rows for rows, _, _ in read], ignore_index=True)
    notes = list(dict.fromkeys(note for _, notes, _ in read for note in notes))
    notes += _repeated(tables, rows)
    unused = tuple(dict.fromkeys(one for _, _, unused in read for one in unused))
    known = LAYOUTS.get(name)
    return finished(
        rows, notes,
        files=tuple((one.name, one.sha256) for one in tables),
        layout=name,
        title=known.title if known else "a table of one's own",
        row=known.row if known else _own_unit(rows)[0],
        unit=known.unit if known else _own_unit(rows)[1],
        label=_label_in_words(name, label),
        per_exam=known.per_exam if known else 1,
        screening=known.screening if known else True,
        cautions=known.cautions if known else (),
        unused=unused,
    )  # fmt: skip


def with_scores(table: AuditTable, path: Path, score: str | None = None) -> AuditTable:
    """The same table with the scores of another file, joined by image_id or exam_id.

    Raises
    ------
    InputError
        The file lacks an id or a score, repeats an id, or shares none with the table.
    """
    raw, _ = columns.renamed(read_raw(Path(path)), None, score)
    given = columns.typed(raw)
    value = [name for name in ("score", "probability") if name in given]
    key = columns.first_present(
        given, [one for one in ("image_id", "exam_id") if one in table.rows]
    )
    if not key or not value:
        raise InputError(
            f"{raw.name} needs score or probability, and image_id or exam_id as the table has it; "
            f"it has {', '.join(raw.cells.columns)}"
        )
    again = given[key].duplicated() & given[key].notna()
    if again.any():
        raise InputError(
            f"{raw.name}: column {key} repeats an id, such as {given.loc[again, key].iloc[0]}, in "
            f"{int(again.sum()):,} rows; valid: every id once"
        )
    joined = table.rows[key].map(given.set_index(key)[value[0]].to_dict())
    n_found = int(table.rows[key].isin(given[key]).sum())
    if not n_found:
        raise InputError(f"{raw.name}: no {key} of it is in the table {table.files[0][0]}")
    rows = table.rows.assign(**{value[0]: joined.astype(float)})
    for name in value[1:]:
        rows[name] = rows[key].map(given.set_index(key)[name].to_dict()).astype(float)
    note = f"Scores were found for {n_found:,} of {len(rows):,} rows, by {key}."
    return replace(
        table,
        rows=rows,
        notes=(*table.notes, note),
        unused=(*table.unused, *_unused_of_scores(raw, (key, *value))),
        files=(*table.files, (raw.name, raw.sha256)),
    )


def _repeated(tables: Sequence[RawTable], rows: pd.DataFrame) -> list[str]:
    """How many rows are an earlier one again, cell by cell; without any id that is no news."""
    cells = pd.concat([one.cells for one in tables])
    again = cells.duplicated().to_numpy()
    if not again.any() or not columns.first_present(rows, PATIENT_FROM):
        return []
    n = int(again.sum())
    then = "rows of one exam are taken together" if "exam_id" in rows else "each is counted again"
    told = (
        f"{n:,} {'row is' if n == 1 else 'rows are'} exactly the same as an earlier one, the first "
        f"in line {cells.index[again][0]}; {then}."
    )
    return [told]


def _unused_of_scores(raw: RawTable, used: Sequence[str]) -> list[str]:
    return [f"{one} ({raw.name})" for one in raw.cells if one not in used]


def _own(table: RawTable, label: str | None, score: str | None):
    given = set(table.cells.columns)
    table, notes = columns.renamed(table, label, score)
    columns.ask_about(table)
    unused = [one for one in table.cells if one not in columns.BY_NAME and one in given]
    return columns.typed(table), notes, unused


def _published(table: RawTable, name: str, label: str | None, score: str | None):
    layouts.check_layout(table, name)
    cells, notes = LAYOUTS[name].read(table, label)
    if score is not None:
        if score not in table.cells:
            raise InputError(f"--score-column names {score}, and {table.name} has no such column")
        cells["score"] = table.cells[score]
        if name == "nyu":
            cells["probability"] = table.cells[score]  # every column there is a probability
    return columns.typed(replace(table, cells=cells.fillna(""))), notes, []


def _label_in_words(layout: str, label: str | None) -> str:
    if layout == "nih":
        return layouts.finding_in_words(label)
    return "cancer" if label in (None, *columns.NAMES_OF_LABEL) else f"the label {label}"


def _own_unit(rows: pd.DataFrame) -> tuple[str, str]:
    if "exam_id" in rows:
        return ("image" if rows["exam_id"].duplicated().any() else "exam"), "exam"
    return ("image", "image") if "image_id" in rows else ("row", "row")


def finished(rows: pd.DataFrame, notes: list[str], **known) -> AuditTable:
    """Add patient and weight, leave out what was not sampled, and say so."""
    n_rows = len(rows)
    _check_exam_ids(rows, known["files"][0][0])
    source = columns.first_present(rows, PATIENT_FROM)
    if source:
        blank = rows[source].isna()
        alone = pd.Series([f"row {k}" for k in range(len(rows))], index=rows.index)
        rows["patient"] = rows[source].where(~blank, alone).astype(object)
        if blank.any():
            notes.append(
                f"{int(blank.sum()):,} rows have no {source}; each was taken for a patient."
            )
    else:
        rows["patient"] = [f"row {k}" for k in range(len(rows))]
    if source != "patient_id" and len(rows):
        notes.append(
            f"Without patient_id every {source.removesuffix('_id') or 'row'} was taken for a "
            "patient of its own: intervals are too narrow where patients have several."
        )
    rows["weight"] = 1.0
    if "sampling_weight" in rows and rows["sampling_weight"].notna().any():
        rows["weight"] = rows["sampling_weight"].fillna(0.0)
        left_out = rows["weight"] == 0
        if left_out.any():
            notes.append(
                f"{int(left_out.sum()):,} rows without a sampling weight were not sampled, and are "
                "left out."
            )
            rows = rows[~left_out].reset_index(drop=True)
    if "included" in rows and (rows["included"] == 0).any():
        notes.append(
            f"{int((rows['included'] == 0).sum()):,} rows were left out of the study (included 0); "
            "two checks alone look at them."
        )
    if columns.LABEL in rows:
        n_blank = int(rows[columns.LABEL].isna().sum())
        if n_blank:
            notes.append(
                f"{n_blank:,} rows have no label: unknown, not negative; checks that need the label "
                "leave them out."
            )
    return AuditTable(rows=rows, notes=tuple(notes), n_rows=n_rows, **known)


def _check_exam_ids(rows: pd.DataFrame, name: str) -> None:
    """Stop when an exam has two patients: its rows would be taken together."""
    if "exam_id" not in rows or "patient_id" not in rows:
        return
    pairs = rows[["exam_id", "patient_id"]].dropna().drop_duplicates()
    twice = pairs.loc[pairs["exam_id"].duplicated(), "exam_id"].unique()
    if len(twice):
        raise InputError(
            f"{name}: {len(twice):,} values of column exam_id belong to more than one patient_id, "
            f"such as {twice[0]}; valid: ids that are unique over the whole table"
        )
