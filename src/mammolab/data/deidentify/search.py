"""The leak test alone: search any folder for the identifiers of another."""

import csv
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mammolab.data.deidentify.images import survey
from mammolab.data.deidentify.leaks import Needles, leaks_in_bytes, leaks_in_image, leaks_in_table
from mammolab.data.deidentify.output import private_path
from mammolab.data.deidentify.sources import EXPORT, gather, shared_texts, survey_folder
from mammolab.data.deidentify.tables import identifiers_in, read_text
from mammolab.data.index_cache import Journal, resumable_map, walk
from mammolab.data.tables import FILES
from mammolab.errors import InputError

UNREADABLE = "could not be searched"


@dataclass(frozen=True)
class _Look:
    """What every file is searched with; see `search`."""

    folder: Path
    out: Path
    everyone: Needles
    shared: frozenset[str]
    links: dict[str, str] = field(default_factory=dict)
    new_ids: frozenset[str] = frozenset()


def search(
    folder: Path,
    out: Path,
    key: Path,
    tables: tuple[Path, ...],
    workers: int,
    tell: Callable[[str], None],
) -> tuple[int, dict[str, list[str]]]:
    """Search every file of an output, made by whatever program; nothing is written.

    Parameters
    ----------
    folder : of the sources.
    out : the folder to search.
    key : where it was made by mammolab deidentify, files.csv and patients.csv beside its key say
        which file was made from which: its own identifiers are then searched in the pixel data
        too, and new ids are not taken for old ones. A key that does not exist is not made.
    tables : further tables of the sources.
    workers : number of processes.
    tell : takes a line of progress.

    Returns
    -------
    Number of files searched, and what was found by path, "kind in place".

    Raises
    ------
    InputError : a folder does not exist, or nothing to search for or in.
    """
    for place in (folder, out):
        if not place.is_dir():
            raise InputError(f"{place}: there is no such folder.")
    with tempfile.TemporaryDirectory() as temporary:
        journal = Journal(Path(temporary) / "survey.jsonl")
        answers = survey_folder(folder, journal, workers, tell)
    ids: dict[str, set[str]] = defaultdict(set)
    sources = [folder / one for one in FILES.values()] if (folder / EXPORT).is_file() else []
    for path in (*sources, *tables):
        for column, values in identifiers_in(read_text(path)).items():
            ids[column] |= values
    everyone = Needles(gather(answers, ids))
    paths = [path for path, _ in sorted(walk(out))]
    if not paths or not everyone.kinds:
        raise InputError(
            f"{out if not paths else folder}: nothing to search {'in' if not paths else 'for'}."
        )
    private = private_path(key, out)
    links = {row["new_path"]: row["path"] for row in _rows(private / "files.csv")}
    people = _rows(private / "patients.csv")
    new_ids = frozenset(row[one] for row in people for one in ("new_patient_id", "new_exam_id"))
    context = _Look(folder, out, everyone, shared_texts(answers), links, new_ids)
    with tempfile.TemporaryDirectory() as temporary:
        journal = Journal(Path(temporary) / "search.jsonl")
        look, items = partial(_look, context=context), dict(zip(paths, paths, strict=True))
        resumable_map(look, items, journal, workers, _dead, "files searched", tell)
    return len(paths), {path: journal.answers[path] for path in paths if journal.answers[path]}


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _look(path: str, *, context: _Look) -> list[str]:
    place, known = context.out / path, path in context.links
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if place.suffix == ".csv":
                return leaks_in_table(place, context.everyone, set(context.new_ids))
            parts = set(place.relative_to(context.out).with_suffix("").parts) if known else set()
            with place.open("rb") as file:
                is_dicom = file.read(132)[128:] == b"DICM"
            if not is_dicom:
                return leaks_in_bytes(place, path, context.everyone, parts)
            own = survey((str(context.folder), context.links[path])) if known else {}
            needles = Needles(own.get("identifiers", {}))
            shared = set(context.shared)
            return leaks_in_image(place, path, context.everyone, needles, parts, shared)
    except OSError as error:
        return [f"{UNREADABLE}: {error.strerror}"]
    except Exception:  # noqa: BLE001 - broken DICOM or CSV, whose bytes can be searched all the same
        return leaks_in_bytes(place, path, context.everyone, set())


def _dead(_: str) -> list[str]:
    return [f"{UNREADABLE}: killed its reader"]
