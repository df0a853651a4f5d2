"""The output folder and, beside the key, what must never lie in it."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mammolab.data import index_cache
from mammolab.data.deidentify.images import FOLDER
from mammolab.data.deidentify.pseudonyms import Pseudonyms
from mammolab.data.tables import FILES
from mammolab.errors import InputError
from mammolab.files import write_json

HEADER = "deidentified.json"
UNFINISHED = "UNFINISHED"
IMAGE = re.compile(rf"{FOLDER}/[^/]+/[^/]+/[0-9.]+\.dcm")
TEMPORARY = re.compile(r"\.[^/]+\.[0-9]+")  # what a run that was killed had not finished


def require_places(folder: Path, out: Path, key: Path) -> None:
    """Stop where output or key lie in the way of each other or of the sources.

    Raises
    ------
    InputError
    """
    source, place, secret = folder.resolve(), out.resolve(), key.resolve()
    if not source.is_dir():
        raise InputError(f"{folder}: there is no such folder.")
    if place.is_relative_to(source) or source.is_relative_to(place):
        raise InputError(f"--out {out} and {folder} lie within each other: choose another folder.")
    if secret.is_relative_to(place) or secret.is_relative_to(source):
        raise InputError(
            f"the key {key} must lie neither in --out, which is handed on, nor in {folder}."
        )
    if out.exists() and not out.is_dir():
        raise InputError(f"--out names a file, not a folder: {out}")


def private_path(key: Path, out: Path) -> Path:
    """Name of the folder beside the key in which the links of an output lie."""
    place = out.resolve().as_posix().strip("/").replace("/", "+")
    return key.with_name(f"{key.name}.private") / place[-200:]  # names are limited to 255 bytes


def private_folder(key: Path, out: Path) -> Path:
    """Where links, work and pictures of an output lie: beside the key, for the owner alone."""
    folder = private_path(key, out)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.chmod(key.with_name(f"{key.name}.private"), 0o700)
    except OSError as error:
        raise InputError(f"{folder} beside the key cannot be made: {error.strerror}") from None
    return folder


def require_ours(out: Path, folder: Path, pseudonyms: Pseudonyms) -> None:
    """Stop where the output holds anything that no earlier run on this folder and key wrote.

    Raises
    ------
    InputError
    """
    held = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    if not held:
        return
    earlier = _header(out / HEADER)
    if earlier.get("made_by") != "mammolab deidentify":
        raise InputError(
            f"{out} holds something else, such as {min(held)}; give a new or empty folder, or one "
            "that an earlier mammolab deidentify wrote and nothing was added to."
        )
    for what, mark in _marks(folder, pseudonyms).items():
        if earlier.get(what) != mark:
            raise InputError(
                f"{out} was made with another {what}; give another --out, or the same {what}."
            )
    known = {HEADER, UNFINISHED, *earlier.get("files", [])}
    strange = sorted(
        path
        for path in held - known
        if not (UNFINISHED in held and (IMAGE.fullmatch(path) or path in FILES.values()))
        and not TEMPORARY.fullmatch(path.rsplit("/", 1)[-1])
    )
    if strange:
        raise InputError(
            f"{out} holds something that was added, such as {strange[0]}; give a new folder."
        )


def begin(out: Path, folder: Path, pseudonyms: Pseudonyms) -> None:
    """Mark the output as unfinished; whatever happens then, it says so."""
    earlier = _header(out / HEADER)
    (out / UNFINISHED).write_text(
        "mammolab deidentify has not finished here: hand nothing on. Run it again.\n"
    )
    header = {"made_by": "mammolab deidentify", **_marks(folder, pseudonyms)}
    write_json(out / HEADER, header | {"files": earlier.get("files", [])})


def finish(out: Path, folder: Path, pseudonyms: Pseudonyms, files: set[str], facts: dict) -> None:
    """Remove what this run did not write, list what it did, and take the mark away."""
    known = {HEADER, UNFINISHED, *files}
    for path in sorted(out.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(out).as_posix() not in known:
            path.unlink()
    header = {"made_by": "mammolab deidentify", **_marks(folder, pseudonyms), **facts}
    write_json(out / HEADER, header | {"files": sorted(files)})
    (out / UNFINISHED).unlink(missing_ok=True)


@contextmanager
def alone(out: Path, private: Path) -> Iterator[None]:
    """Keep a second run out of the same output."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out} cannot be made: {error.strerror}") from None
    with index_cache.alone(private):
        yield


def _marks(folder: Path, pseudonyms: Pseudonyms) -> dict[str, str]:
    """By what a later run knows key and folder again; without the key they tell nothing."""
    place = folder.resolve().as_posix()
    return {
        "key": pseudonyms.digest("mark", "key").hex()[:16],
        "folder": pseudonyms.digest("mark", place).hex()[:16],
    }


def _header(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError):
        return {}
