"""A source on disk: the folder that chapters and `mammolab ingest` read, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from mammolab.data.adapters.base import Source
from mammolab.data.adapters.datasheet import cannot_estimate, datasheet
from mammolab.data.adapters.rules import check_source
from mammolab.data.tables import FILES as EXPORT_FILES
from mammolab.errors import InputError

HEADER = "export.json"
DATASHEET = "DATASHEET.md"
FILES = {**EXPORT_FILES, "labels": "labels.csv", "images": "images.csv"}


def write_source(source: Source, out: str | Path) -> Path:
    """Check a source and write it; the folder appears when everything in it is written.

    Parameters
    ----------
    source : what an adapter made.
    out : a new or empty folder, or one that an earlier call wrote and nothing was added to,
        which is replaced.

    Returns
    -------
    The folder.

    Raises
    ------
    InputError : the source breaks a rule (see `check_source`), or `out` holds something else.
    """
    check_source(source)
    require_ours(Path(out))
    out = Path(out).resolve()  # of a link, what it points to is replaced, not the link
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    try:
        _fill(source, temporary)
        if out.exists():
            out.rename(old)
        temporary.rename(out)
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
        for leftover in (temporary, old):
            shutil.rmtree(leftover, ignore_errors=True)
    return out


def header_of(source: Source) -> dict:
    """What export.json says."""
    card = source.card
    return {
        "extract_date": source.extract_date or None,
        "registry_complete_through": source.registry_complete_through or None,
        "synthetic": False,
        "source": card.title,
        "dataset": card.name,
        "labels": card.labels,
        "label_meaning": card.label,
        "label_kinds": sorted(set(source.labels["kind"]) - {""}),
        "prevalence": card.prevalence,
        "lacks": list(card.lacks),
        "refuses": list(source.refused),
        "cannot_estimate": list(cannot_estimate(source)),
        "licence": card.licence,
        "citation": card.citation,
        "images_root": str(source.images_root.resolve()),
        "files": [DATASHEET, *FILES.values(), *(f"{name}.csv" for name in source.more)],
    }


def _fill(source: Source, folder: Path) -> None:
    for name, relative in FILES.items():
        (folder / relative).parent.mkdir(parents=True, exist_ok=True)
        getattr(source, name).to_csv(folder / relative, index=False)
    for name, frame in source.more.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    text = json.dumps(header_of(source), indent=1, ensure_ascii=False) + "\n"
    (folder / HEADER).write_text(text, encoding="utf-8")
    (folder / DATASHEET).write_text(datasheet(source), encoding="utf-8")


def require_ours(out: Path) -> None:
    """Stop where the folder cannot be made, or holds anything that no earlier call wrote.

    Raises
    ------
    InputError
    """
    place = out.resolve()
    if Path.cwd().is_relative_to(place):
        raise InputError(f"{out} is the folder you are in, or holds it; give another.")
    file = next((above for above in place.parents if above.exists() and not above.is_dir()), None)
    if file is not None:
        raise InputError(f"{out} cannot be made: {file} is a file.")
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    held = set()
    if out.is_dir():
        held = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    strange = sorted(held - _written(out / HEADER))
    if not {HEADER, DATASHEET} <= held or strange:
        what = f", such as {strange[0]}" if strange else ""
        raise InputError(
            f"{out} holds something else{what}; give a new or empty folder, or one that an earlier "
            "mammolab adapt wrote and nothing was added to."
        )


def _written(header: Path) -> set[str]:
    """The files that the call which wrote this header wrote beside it."""
    try:
        return {HEADER, *json.loads(header.read_text(encoding="utf-8"))["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
