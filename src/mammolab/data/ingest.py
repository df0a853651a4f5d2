"""Index a folder of anything, and choose one image of each view of each exam."""

import json
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path

import pandas as pd

from mammolab import __version__
from mammolab.data.dicom import VIEW_OF_EXAM, describe, empty_row
from mammolab.data.header import Rejected, is_implant_displaced, is_plain, taken_at
from mammolab.data.index_cache import Journal, resumable_map, stamp, walk
from mammolab.data.raster import picture_format
from mammolab.data.source import GIVEN, KINDS, SourceRules, open_source
from mammolab.errors import InputError, MissingInput
from mammolab.schemas import COLUMNS, IDS_SHOWN, check

# Part of every key of the cache: raise it when a file would get another row.
INDEX_RULES = "1"
PASSING = ("cannot be read", "unreadable header: killed")  # the next run looks again
EXAM = ["patient_id", "exam_id"]
N_VIEWS = 4  # L and R, CC and MLO
MORE_COLUMNS = ["kind", "notes", "bytes", "n_views"]  # of the index, beside those of the schema


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
    known = ["path", *GIVEN, "use", "reason"]
    if "path" not in table:
        raise InputError(f"{path}: column path is missing; columns used: {', '.join(known)}.")
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
        row.pop("path"): {column: value.strip() for column, value in row.items() if value.strip()}
        for row in rows
    }


def index_folder(
    root: str | Path,
    given: dict[str, dict[str, str]],
    rules: SourceRules,
    journal: Journal,
    workers: int,
    tell=print,
) -> pd.DataFrame:
    """Look at every file below a folder, or remember it from an earlier run.

    A file is remembered by path, size and time of change, under the same rules and with the same
    row of the table; nothing of it is read again then.

    Parameters
    ----------
    root : folder.
    given : see `read_given`.
    rules : what is taken.
    journal : what earlier runs found; what is found now is added batch by batch.
    workers : number of processes; the result does not depend on it.
    tell : takes a line of progress.

    Returns
    -------
    One row a file, sorted by path: the columns of table `dicom_index`, kind, notes, bytes, merit
    (list; the greater is used first) and key (of the pixels: equal keys give equal images). No
    choice is made yet: see `choose`.

    Raises
    ------
    MissingInput : there is no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise MissingInput(f"{root}: there is no such folder.")
    settings = json.dumps([__version__, INDEX_RULES, asdict(rules), str(root.resolve())])
    found = sorted(walk(root))
    rows, items = {}, {}
    for path, fault in found:
        if fault:
            rows[path] = _unread_row(path, fault)
            continue
        said = given.get(path, {})
        key = json.dumps([path, stamp(str(root / path)), sorted(said.items()), settings])
        items[key] = (str(root), path, said)

    def keep(answers: dict[str, dict]) -> None:
        passing = {key for key, row in answers.items() if row["reason"].startswith(PASSING)}
        journal.keep({key: row for key, row in answers.items() if key not in passing})
        journal.answers |= answers

    look = partial(_look_at, rules=rules)
    resumable_map(look, items, journal, workers, _dead_row, "files indexed", tell, keep=keep)
    rows |= {item[1]: journal.answers[key] for key, item in items.items()}
    columns = [*COLUMNS["dicom_index"], "kind", "notes", "bytes", "merit", "key"]
    ordered = [rows[path] for path, _ in found]
    return pd.DataFrame(ordered, columns=columns).astype({"merit": object})


def choose(facts: pd.DataFrame, faults: dict[str, str], min_views: int) -> pd.DataFrame:
    """Decide which files are used: one image a view, of exams with enough views.

    Of files with the same bytes or SOPInstanceUID the first (by path) is used. Of several images
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
    Table `dicom_index` with kind, notes, bytes, n_views (of the exam, of images used), key.
    """
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
    return check(index.drop(columns="merit"), "dicom_index", "index")


def _look_at(item: tuple[str, str, dict[str, str]], *, rules: SourceRules) -> dict:
    """One row of the index, as JSON holds it."""
    root, path, given = item
    source = open_source(Path(root, path), given, rules)
    row = empty_row(path)
    reason = source.reason
    if source.dataset is not None:
        try:
            row |= describe(source.dataset, row["image_id"])
            row["merit"] = _merit(source)
        except Rejected as rejection:
            reason = reason or str(rejection)
        except Exception as error:  # noqa: BLE001 - as in `open_source`
            reason = reason or f"unreadable header: {type(error).__name__}"
        if source.kind == "picture":
            with Path(root, path).open("rb") as file:
                row["transfer_syntax"] = picture_format(file.read(8))
    if row["path"] != path:
        reason = "file name: not UTF-8"
    said = json.dumps([sorted(given.items()), rules.tomosynthesis if _is_slice(source) else ""])
    size = stamp(str(Path(root, path))).split(":")[0]
    return row | {
        "sha256": source.sha256,
        "status": "rejected" if reason else "ok",
        "reason": reason,
        "kind": source.kind,
        "notes": "; ".join(source.notes),
        "bytes": int(size) if size else None,
        "key": source.sha256 and f"{source.sha256}:{sha256(said.encode()).hexdigest()[:16]}",
    }


def _is_slice(source) -> bool:
    return source.kind == "tomosynthesis slice"


def _merit(source) -> list:
    dataset = source.dataset
    return [
        -KINDS.index(source.kind),
        is_plain(dataset),
        is_implant_displaced(dataset),
        *taken_at(dataset),
    ]


def _unread_row(path: str, reason: str) -> dict:
    return empty_row(path) | {"reason": reason, "kind": "", "notes": ""}


def _dead_row(item: tuple) -> dict:
    return _unread_row(item[1], "unreadable header: killed its reader")


def _reject(index: pd.DataFrame, rows: pd.Series, reasons: pd.Series | list[str]) -> None:
    index.loc[rows, "status"] = "rejected"
    index.loc[rows, "reason"] = reasons


def _reject_copies(index: pd.DataFrame) -> None:
    """Keep the first usable file of each content and id; the others get an id by their path."""
    for column, what in (("sha256", "the same bytes"), ("image_id", "the same SOPInstanceUID")):
        order = index.sort_values("status", kind="stable", key=lambda status: status != "ok")
        known = order[order[column].notna()]
        first = known.drop_duplicates(column).set_index(column)["path"]
        again = index["path"].ne(index[column].map(first)) & index[column].notna()
        usable = again & (index["status"] == "ok")
        twins = first.reindex(index.loc[usable, column])
        _reject(index, usable, [f"duplicate: {what} as {path}" for path in twins])
        if column == "image_id":
            index.loc[again, "image_id"] = "file:" + index.loc[again, "path"]


def _reject_repeats(index: pd.DataFrame) -> None:
    """Keep the usable image of highest merit of each view of an exam, the first path on ties."""
    usable = index[index["status"] == "ok"]
    several = usable[usable.duplicated(VIEW_OF_EXAM, keep=False)]
    for positions in several.groupby(VIEW_OF_EXAM).indices.values():
        rows = several.index[positions]
        best = max(rows, key=lambda row: (index["merit"][row], -row))
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
