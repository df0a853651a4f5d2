"""The folder a command fills: whole or not at all, and never over files that are not its own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mammolab.errors import InputError
from mammolab.files import write_json


@dataclass(frozen=True)
class OutputFolder:
    """Where a command writes.

    path : absolute.
    command : whose output it is, such as "mammolab triage".
    record : name of the JSON file that says so, and which files in the folder are ours.
    """

    path: Path
    command: str
    record: str

    def check(self) -> None:
        """Stop when the folder cannot be made or holds anything that is not ours.

        Raises
        ------
        InputError
        """
        out = self.path
        if not out.exists():
            parent = next(one for one in out.parents if one.exists())
            if not (parent.is_dir() and os.access(parent, os.W_OK)):
                raise InputError(f"--out {out} cannot be made: {parent} is no folder to write in")
            return
        if not out.is_dir():
            raise InputError(f"--out names a file, not a folder: {out}")
        there = {str(one.relative_to(out)) for one in out.rglob("*") if not one.is_dir()}
        foreign = sorted(there - self._ours())
        if foreign:
            raise InputError(
                f"{out} holds {len(foreign)} file(s) that are not of an earlier {self.command}, "
                f"such as {foreign[0]}: choose a new or an empty folder"
            )

    def fill(self, write: Callable[[Path], object]) -> None:
        """Let `write` fill a temporary folder, then put it in the place of an older one.

        Raises
        ------
        InputError
            When the disk refuses; nothing has been written then.
        """
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            write(temporary)
            _swap(temporary, self.path)
        except OSError as error:
            raise InputError(f"cannot write to {self.path}: {error.strerror}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def write_record(self, folder: Path, facts: dict) -> None:
        """Write the record, last: the command, the facts, and the files the folder holds by now."""
        files = sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())
        record = {"command": self.command, **facts, "files": [*files, self.record]}
        write_json(folder / self.record, record)

    def _ours(self) -> set[str]:
        """The files that an earlier run of the command left in the folder, by its record."""
        try:
            record = json.loads((self.path / self.record).read_text(encoding="utf-8"))
            return set(record["files"]) if record["command"] == self.command else set()
        except (OSError, ValueError, KeyError, TypeError):
            return set()


def _swap(made: Path, out: Path) -> None:
    """Put a finished folder in the place of an older one."""
    old = out.with_name(f"{made.name}.old")
    if out.exists():
        out.rename(old)
    try:
        made.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as every command here does: UTF-8, commas, one line a row."""
    frame.to_csv(path, index=False, lineterminator="\n")
