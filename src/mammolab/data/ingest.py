"""Index a folder of anything, and choose one image of each view of each exam."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd

from mammolab import __version__
from mammolab.data.dicom import MORE_COLUMNS, dead_row, look_at, unread_row
from mammolab.data.index_cache import Journal, resumable_map, stamp, walk
from mammolab.data.source import EXAM_FROM_STUDY, GIVEN, KINDS, SourceRules
from mammolab.errors import InputError, MissingInput
from mammolab.schemas import COLUMNS, IDS_SHOWN, check

# Part of every key of the cache: raise it when a file would get another row.
INDEX_RULES = "2"
PASSING = ("cannot be read", "unreadable header: killed")  # the next run looks again
EXAM = ["patient_id", "exam_id"]
VIEW_OF_EXAM = [*EXAM, "laterality", "view"]
N_VIEWS = 4  # L and R, CC and MLO


@dataclass(frozen=True)
class Archive:
    """Where images lie, what a table says of them, and what is taken.

    Attributes
    ----------
    root : folder; sub-folders may be named in any way.
    given : what a table says of each path below it, see `read_given`; empty for no table.
    rules : what is taken beside 2-D digital mammograms.
    listed_only : whether files that the table does not name stay unread.
    """

    root: Path
    given: dict[str, dict[str, str]] = field(default_factory=dict)
    rules: SourceRules = field(default_factory=SourceRules)
    listed_only: bool = False


def read_given(path: str | Path | None) -> dict[str, dict[str, str]]:
    """Read a table that says whose images files are and what they show.

    Parameters
    ----------
    path : CSV with column path (below the folder) and any of `source.GIVEN`, `use` (0 leaves a
        file out) and `reason`; other columns are left alone. None for no table.

    Returns
    -------
    What is said of each path; blank cells say nothing.

    Raises
    ------
    MissingInput, InputError : no such file, no column path, a path twice, or an option that is
        none.
    """
    if path is None:
        return {}
    path = Path(path)
    if not path.is_file():
        raise MissingInput(f"{path}: there is no such table of files.")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable CSV table ({error}).") from None
    table = table.rename(columns=str.strip).apply(lambda cells: cells.str.strip())
    known = ["path", *GIVEN, "use", "reason"]
    if "path" not in table:
        raise InputError(
            f"{path}: column path is missing; there are {', '.join(table)[:200]}; columns used: "
            f"{', '.join(known)}."
        )
    table["path"] = table["path"].map(os.path.normpath)
    twice = table.loc[table["path"].duplicated(), "path"]
    if len(twice):
        raise InputError(f"{path}: column path repeats {', '.join(twice[:IDS_SHOWN])}.")
    for column, options in {"laterality": ("L", "R"), "view": ("CC", "MLO"), "use": "01"}.items():
        held = table.get(column, pd.Series("", index=table.index))
        wrong = held[~held.isin([*options, ""])]
        if len(wrong):
            raise InputError(
                f"{path}: column {column} holds {wrong.iloc[0]!r} for {table['path'][wrong.index[0]]}; "
                f"valid: {', '.join(options)} (blank = unknown)."
            )
    rows = table[[column for column in known if column in table]].to_dict("records")
    return {
        row.pop("path"): {column: value for column, value in row.items() if value} for row in rows
    }


def index_folder(
    archive: Archive,
    journal: Journal,
    workers: int,
    tell: Callable[[str], None],
    paths: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Look at every file below a folder, or remember it from an earlier run.

    A file is remembered by path, size and time of change, under the same rules and with the same
    row of the table; nothing of it is read again then.

    Parameters
    ----------
    archive : the folder, and what is taken.
    journal : what earlier runs found; what is found now is added batch by batch.
    workers : number of processes; the result does not depend on it.
    tell : takes a line of progress.
    paths : of the files, below the folder, each once; None for all there are.

    Returns
    -------
    One row a file, sorted by path: the columns of table `dicom_index`, `dicom.MORE_COLUMNS`, merit
    and key (see `dicom.look_at`), and seen (rank of the path among all that the journal ever
    held). No choice is made yet: see `choose`.

    Raises
    ------
    MissingInput : there is no such folder.
    InputError : the table names none of its files.
    """
    root = archive.root
    if not root.is_dir():
        raise MissingInput(f"{root}: there is no such folder of images.")
    settings = [__version__, INDEX_RULES, asdict(archive.rules), str(root.resolve())]
    found = sorted(walk(root) if paths is None else ((path, "") for path in paths))
    _require_some(archive, [path for path, _ in found])
    rows, items = {}, {}
    for path, fault in found:
        if archive.listed_only and path not in archive.given:
            fault = fault or "table: no row names it"
        if fault:
            rows[path] = unread_row(path, fault)
            continue
        said = archive.given.get(path, {})
        key = json.dumps([path, stamp(str(root / path)), sorted(said.items()), settings])
        items[key] = (str(root), path, said)

    def keep(answers: dict[str, dict]) -> None:
        passing = {key for key, row in answers.items() if row["reason"].startswith(PASSING)}
        journal.keep({key: row for key, row in answers.items() if key not in passing})
        journal.answers |= answers

    look = partial(look_at, rules=archive.rules)
    resumable_map(look, items, journal, workers, dead_row, "files indexed", tell, keep=keep)
    rows |= {item[1]: journal.answers[key] for key, item in items.items()}
    seen: dict[str, int] = {}
    for row in journal.answers.values():
        seen.setdefault(row["path"], len(seen))
    columns = [*COLUMNS["dicom_index"], *MORE_COLUMNS, "merit", "key"]
    index = pd.DataFrame([rows[path] for path, _ in found], columns=columns)
    index["bytes"] = index["bytes"].astype("Int64")
    index["seen"] = index["path"].map(seen)
    return index.astype({"merit": object})


def _require_some(archive: Archive, found: list[str]) -> None:
    """Refuse a table whose paths start elsewhere, before every file is looked at without it."""
    if archive.given and found and archive.given.keys().isdisjoint(found):
        raise InputError(
            f"{archive.root}: none of its {len(found)} files is in the table, whose column path "
            f"names {next(iter(archive.given))!r}, for example, and they are such as {found[0]!r}."
        )


def reject_strangers(facts: pd.DataFrame, exams: pd.DataFrame) -> pd.DataFrame:
    """Reject files that are not what the tables say, before any choice: they take nobody's place.

    Parameters
    ----------
    facts : as `index_folder` gives them.
    exams : columns exam_id and patient_id; files of other exams are left as they are, unless they
        name none themselves.

    Returns
    -------
    The facts. Rejected are files whose patient is not that of their exam, and those without an
    AccessionNumber whose StudyInstanceUID is no exam either.
    """
    owner = facts["exam_id"].map(exams.set_index("exam_id")["patient_id"])
    usable, known = facts["status"] == "ok", owner.notna()
    unnamed = usable & ~known & facts["notes"].str.contains(EXAM_FROM_STUDY, regex=False)
    wrong = usable & known & (facts["patient_id"] != owner)
    reasons = "patient: PatientID " + facts["patient_id"] + " is not that of the exam, " + owner
    facts = facts.copy()
    _reject(facts, wrong, reasons[wrong])
    _reject(facts, unnamed, "missing id: AccessionNumber, and its study is no exam of the tables")
    return facts


def choose(facts: pd.DataFrame, faults: dict[str, str], min_views: int) -> pd.DataFrame:
    """Decide which files are used: one image a view, of exams with enough views.

    Of files with the same bytes or SOPInstanceUID the first seen is used. Of several images
    of one view of an exam one is used: a 2-D one before a synthetic one, a slice or film; one
    without an unknown view modifier before one with; an implant-displaced one before a plain one;
    then the one taken last. What is rejected counts for none of these.

    Parameters
    ----------
    facts : as `index_folder` gives them.
    faults : by key, why pixels did not convert.
    min_views : exams with fewer of the four views are left out; 1 to 4.

    Returns
    -------
    Table `dicom_index` with `dicom.MORE_COLUMNS`, n_views (of the exam, of images used) and key.

    Raises
    ------
    InputError : min_views out of range.
    """
    if not 1 <= min_views <= N_VIEWS:
        raise InputError(f"min_views is {min_views}; valid: 1 to {N_VIEWS}.")
    index = facts.copy()
    fault = index["key"].map(faults)
    failed = (index["status"] == "ok") & fault.notna()
    _reject(index, failed, fault[failed])
    _reject_copies(index)
    _reject_repeats(index)
    used = index[index["status"] == "ok"].copy()
    used["which"] = used["laterality"].astype(str) + used["view"].astype(str)
    views = used.groupby(EXAM)["which"].transform("nunique")
    few = views < min_views
    why = "exam: " + views.astype(str) + f" of {N_VIEWS} views, where {min_views} are asked for"
    _reject(index, few.reindex(index.index, fill_value=False).astype(bool), why[few])
    index["n_views"] = views.reindex(index.index).astype("Int64")
    return check(index.drop(columns=["merit", "seen"]), "dicom_index", "index")


def _reject(index: pd.DataFrame, rows: pd.Series, reasons: pd.Series | list[str] | str) -> None:
    index.loc[rows, "status"] = "rejected"
    index.loc[rows, "reason"] = reasons


def _reject_copies(index: pd.DataFrame) -> None:
    """Keep the first usable file of each content and id; the others get an id by their path."""
    for column, what in (("sha256", "the same bytes"), ("image_id", "the same SOPInstanceUID")):
        order = index.assign(unusable=index["status"] != "ok")
        order = order.sort_values(["unusable", "seen"], kind="stable")
        known = order[order[column].notna()]
        first = known.drop_duplicates(column).set_index(column)["path"]
        again = index["path"].ne(index[column].map(first)) & index[column].notna()
        usable = again & (index["status"] == "ok")
        twins = first.reindex(index.loc[usable, column])
        _reject(index, usable, [f"duplicate: {what} as {path}" for path in twins])
        if column == "image_id":
            index.loc[again, "image_id"] = "file:" + index.loc[again, "path"]


def _reject_repeats(index: pd.DataFrame) -> None:
    """Keep the usable image of highest merit of each view of an exam, the first seen on ties."""
    usable = index[index["status"] == "ok"]
    several = usable[usable.duplicated(VIEW_OF_EXAM, keep=False)]
    for positions in several.groupby(VIEW_OF_EXAM).indices.values():
        rows = several.index[positions]
        best = max(rows, key=lambda row: (index["merit"][row], -index["seen"][row]))
        for row in rows.drop(best):
            index.loc[row, "status"] = "rejected"
            index.loc[row, "reason"] = (
                f"repeated view: {index['path'][best]} is used, "
                f"{_why(index['merit'][best], index['merit'][row])}"
            )


def _why(best: list, other: list) -> str:
    if best[0] != other[0]:
        return f"{KINDS[-best[0]]} before {KINDS[-other[0]]}"
    if best[1] != other[1]:
        return "without a view modifier"
    if best[2] != other[2]:
        return "with the implant displaced"
    return "as good" if best == other else "taken later"
