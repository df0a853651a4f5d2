"""The command `mammolab triage`: from a file of scores to a folder with a sheet of two pages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from mammolab import __version__
from mammolab.clinic import tables, words
from mammolab.clinic.analysis import Analysis, analyse
from mammolab.clinic.figures import draw_figures
from mammolab.clinic.scores import read_scores
from mammolab.clinic.settings import Settings
from mammolab.clinic.sheet import set_sheet
from mammolab.errors import InputError
from mammolab.files import write_json
from mammolab.report.style import save_svg, style

RECORD = "triage.json"  # whose folder this is, and which files in it are ours
COMMAND = "mammolab triage"
SHEET = "report.pdf"


@dataclass(frozen=True)
class TriageRequest:
    """Everything that determines the output."""

    scores: Path
    settings: Settings
    subgroups: str | None = None
    lower_is_suspicious: bool = False
    synthetic: bool = False


def triage(request: TriageRequest, out: Path, say: Callable[[str], None] = print) -> Path:
    """Calibrate, choose a threshold, simulate, and write all of it to a folder.

    Parameters
    ----------
    request : TriageRequest
    out : Path
        New, empty, or an earlier output of this command, which is replaced.
    say : callable
        Takes one line of the summary; the last is the path of the sheet.

    Returns
    -------
    Path
        The sheet.

    Raises
    ------
    InputError
        One sentence when the file, an option or the folder cannot be used; nothing has been
        written then.
    """
    out = Path(out).resolve()
    check_folder(out)
    scores = read_scores(request.scores, request.subgroups, request.lower_is_suspicious)
    if request.synthetic:
        scores = replace(scores, synthetic=True)
    analysis = analyse(scores, request.settings)
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        write_folder(analysis, temporary)
        _swap(temporary, out)
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for line in words.summary(analysis):
        say(line)
    say(f"report: {out / SHEET}")
    return out / SHEET


def write_folder(a: Analysis, folder: Path) -> None:
    """Write every file of the output; the same analysis gives the same bytes."""
    for name, value in (
        ("calibrator", tables.calibrator(a)),
        ("threshold", tables.threshold(a)),
        ("certificate", tables.certificate(a)),
        ("numbers", tables.numbers(a)),
    ):
        write_json(folder / f"{name}.json", value)
    for name, frame in (
        ("scores_calibrated", tables.scores_calibrated(a)),
        ("simulation", tables.simulation(a)),
        ("rules", tables.rules(a)),
        ("subgroups", a.subgroups),
        ("missed", tables.missed(a)),
    ):
        _write_csv(frame, folder / f"{name}.csv")
    with style():
        drawn = [
            save_svg(figure, folder / "figures" / f"{name}.svg") for name, figure in draw_figures(a)
        ]
    set_sheet(a, drawn, folder / SHEET)
    files = sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())
    record = {
        "command": COMMAND,
        "mammolab": __version__,
        "file": a.scores.file,
        "sha256": a.scores.sha256,
        "settings": asdict(a.settings),
        "lower_is_suspicious": a.scores.lower_is_suspicious,
        "subgroups": list(a.scores.subgroups),
        "synthetic": a.scores.synthetic,
        "decisions": words.decisions(a),
        "files": [*files, RECORD],
    }
    write_json(folder / RECORD, record)


def check_folder(out: Path) -> None:
    """Stop when the output's folder cannot be made or holds anything that is not ours.

    Raises
    ------
    InputError
    """
    if not out.exists():
        parent = next(one for one in out.parents if one.exists())
        if not (parent.is_dir() and os.access(parent, os.W_OK)):
            raise InputError(f"--out {out} cannot be made: {parent} is no folder to write in")
        return
    if not out.is_dir():
        raise InputError(f"--out names a file, not a folder: {out}")
    there = {str(one.relative_to(out)) for one in out.rglob("*") if not one.is_dir()}
    foreign = sorted(there - _our_files(out))
    if foreign:
        raise InputError(
            f"{out} holds {len(foreign)} file(s) that are not of an earlier {COMMAND}, such as "
            f"{foreign[0]}: choose a new or an empty folder"
        )


def _our_files(out: Path) -> set[str]:
    """The files that an earlier run of the command left in the folder, by its record."""
    try:
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
        return set(record["files"]) if record["command"] == COMMAND else set()
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


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, lineterminator="\n")
