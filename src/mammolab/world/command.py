"""The command `mammolab world`: an export for use elsewhere, its truth apart, and a data sheet."""

import hashlib
import io
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from mammolab import __version__
from mammolab.errors import InputError
from mammolab.files import write_json, write_whole
from mammolab.world.datasheet import data_sheet
from mammolab.world.dicom_export import export_pixels
from mammolab.world.exam_pixels import exams_of
from mammolab.world.programme import Programme, simulate, write_raw
from mammolab.world.render import render

RECORD = "world.json"  # written first: whose folder this is
SHEET = "DATASHEET.md"  # written last: the export is complete
MOST_WOMEN = 2_000_000  # a simulation holds about 10 kB a woman in memory
VIEWS_AN_EXAM = 4  # for the estimate of the space needed; a few exams hold more
HEADER_BYTES = 3000  # of one DICOM file, rounded up
PROGRESS = re.compile(r"\[progress\] (\d+)/(\d+) (.+)")
OF_IMAGES = ("rows", "columns", "p_precancer", "p_rest", "conspicuity")  # mean nothing without any


@dataclass(frozen=True)
class WorldRequest:
    """Everything that determines an export; the number of processes does not."""

    n_women: int
    seed: int = 2019
    rows: int = 256
    columns: int = 208
    p_precancer: float = 1.0  # of pixels, for an exam with a recorded cancer in 1-5 years
    p_rest: float = 1.0  # of pixels, for an exam without a recorded cancer within 5 years
    conspicuity: float = 4.0
    images: bool = True


def parse_pixels(text: str) -> tuple[float, float]:
    """Read the two sampling probabilities of `--pixels`.

    Raises
    ------
    InputError
        When it is not two numbers above 0 and at most 1 with a slash between.

    Examples
    --------
    >>> parse_pixels("0.3/0.022")
    (0.3, 0.022)
    """
    try:
        first, second = (float(part) for part in text.split("/"))
    except ValueError:
        first = second = np.nan
    if not (0 < first <= 1 and 0 < second <= 1):
        raise InputError(
            "--pixels takes two probabilities above 0 and at most 1, for exams before a cancer "
            f"and for the rest, such as 0.3/0.022, not '{text}'"
        )
    return first, second


def check_request(request: WorldRequest, workers: int) -> None:
    """Stop with one sentence when an argument cannot be used; nothing is written before.

    Raises
    ------
    InputError
        Names the option and what it takes.
    """
    if not 1 <= request.n_women <= MOST_WOMEN:
        raise InputError(f"--women must be from 1 to {MOST_WOMEN:,}, not {request.n_women}")
    if request.seed < 0:
        raise InputError(f"--seed must be 0 or above, not {request.seed}")
    if workers < 1:
        raise InputError(f"--workers must be at least 1, not {workers}")
    if not (request.conspicuity > 0 and np.isfinite(request.conspicuity)):
        raise InputError(f"--conspicuity must be above 0, not {request.conspicuity}")
    if request.rows < 1 or request.columns < 1:
        raise InputError(f"cannot render {request.rows} x {request.columns} pixels")
    if request.images:
        trial = simulate(1, request.seed, 1.0, 1.0)
        view = next(exams_of(trial.pixels_exams, trial.truth_lesions)[0].views())
        try:
            render(view, request.rows, request.columns, request.conspicuity)
        except ValueError as error:  # the renderer knows which sizes it can draw
            raise InputError(str(error)) from error


def check_folder(folder: Path, request: WorldRequest) -> bool:
    """Say whether a folder already holds this export, whole.

    Returns
    -------
    bool
        True when it is complete; False when it is to be begun or gone on with.

    Raises
    ------
    InputError
        When it is a file, holds something else, or another export.
    """
    if not folder.exists():
        parent = next(one for one in folder.absolute().parents if one.exists())
        if not (parent.is_dir() and os.access(parent, os.W_OK)):
            raise InputError(f"--out {folder} cannot be made: {parent} is no folder to write in")
        return False
    if not folder.is_dir():
        raise InputError(f"--out names a file, not a folder: {folder}")
    record = folder / RECORD
    if not record.is_file():
        if any(folder.iterdir()):
            raise InputError(f"{folder} holds other files: choose a new or an empty folder")
        return False
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        there, code = dict(found["arguments"]), found["code"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{record} cannot be read: choose another folder") from error
    asked = asdict(request)
    differ = [name for name in asked if there.get(name) != asked[name]]
    if not request.images and not there.get("images", True):
        differ = [name for name in differ if name not in OF_IMAGES]
    if differ:
        told = ", ".join(f"{name} {there.get(name)}, not {asked[name]}" for name in differ)
        raise InputError(f"{folder} holds another export ({told}): choose another folder")
    if code != code_digest():
        raise InputError(
            f"{folder} was made by another version of the simulator: choose another folder"
        )
    return (folder / SHEET).is_file()


def export_world(request: WorldRequest, folder: Path, workers: int,
                 say: Callable[[str], None] = print) -> None:  # fmt: skip
    """Simulate a programme and write it: raw/ as a hospital would, truth/ apart, a data sheet.

    An export that was cut short goes on from the images that are there; one that is whole is left
    alone.

    Parameters
    ----------
    request : WorldRequest
    folder : Path
        New, empty, or begun by the same request.
    workers : int
        Processes that draw; the files do not depend on it.
    say : callable
        Takes one line on what is being done.

    Raises
    ------
    InputError
        When an argument or the folder cannot be used, or the disk is too small; nothing has been
        written then.
    """
    check_request(request, workers)
    if check_folder(folder, request):
        say(f"nothing to do: {folder} is complete")
        return
    say(f"simulating {request.n_women:,} women")
    with redirect_stdout(_Progress(say)):
        programme = simulate(
            request.n_women,
            request.seed,
            request.p_precancer,
            request.p_rest,
            seen="pictures" if request.images else "formula",
            workers=workers,
        )
    programme = _without_images(request, programme)
    n_exams = len(programme.pixels_exams)
    needed = n_exams * VIEWS_AN_EXAM * (2 * request.rows * request.columns + HEADER_BYTES)
    _check_space(folder, needed)
    size = f"{request.rows} x {request.columns} pixels, about {needed / 1e9:.2g} GB"
    say(f"{len(programme.exams):,} exams, {n_exams:,} with images" + f" of {size}" * request.images)
    try:
        _write(programme, request, folder, workers, say)
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror}; once that is mended, the same command "
            "goes on from there"
        ) from error
    say(f"written: {folder}, described in {folder / SHEET}")


def code_digest() -> str:
    """Return a digest of the simulator's code: an export is of one version throughout."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*")):
        if path.suffix in (".py", ".json"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _without_images(request: WorldRequest, programme: Programme) -> Programme:
    """Return the programme as exported: without images, no exam has a sampling weight."""
    if request.images:
        return programme
    return replace(
        programme,
        exams=programme.exams.assign(sampling_weight=np.nan),
        pixels_exams=programme.pixels_exams.head(0),
    )


def _write(
    programme: Programme,
    request: WorldRequest,
    folder: Path,
    workers: int,
    say: Callable[[str], None],
) -> None:
    """Write the export: whose it is first, the data sheet last."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {"mammolab": __version__, "code": code_digest(), "arguments": asdict(request)}
    write_json(folder / RECORD, record)
    if request.images:
        with redirect_stdout(_Progress(say)):
            export_pixels(
                folder / "raw" / "dicom",
                programme.pixels_exams,
                programme.truth_lesions,
                rows=request.rows,
                columns=request.columns,
                conspicuity=request.conspicuity,
                workers=workers,
            )
    write_raw(programme, folder / "raw", folder / "truth")
    sheet = data_sheet(programme, request, folder)
    write_whole(folder / SHEET, lambda path: path.write_text(sheet, encoding="utf-8"))


def _check_space(folder: Path, needed: int) -> None:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    kept = sum(path.stat().st_size for path in folder.glob("raw/dicom/*/*/*.dcm"))
    free = shutil.disk_usage(there).free
    if needed - kept > free:
        raise InputError(
            f"the images need {needed / 1e9:.1f} GB and {there} has {free / 1e9:.1f} GB free: ask "
            "for fewer women, smaller images or lower --pixels"
        )


class _Progress(io.TextIOBase):
    """Stands in for stdout during long work: puts the time left on each line of progress."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say, self.stdout = say, sys.stdout
        self.start, self.first, self.done = time.monotonic(), 0, 0

    def write(self, text: str) -> int:
        match = PROGRESS.fullmatch(text.strip())
        if match:
            done, of = int(match[1]), int(match[2])
            if done <= self.done:  # other work, whose beginning nobody told: no rate is known yet
                self.start, self.first = time.monotonic(), done
            self.done = done
            rate = (time.monotonic() - self.start) / max(done - self.first, 1)
            left = rate * (of - done) if done > self.first else 0.0
            with redirect_stdout(self.stdout):
                self.say(f"  {done:,} of {of:,} {match[3]}{_time_left(left)}")
        return len(text)


def _time_left(seconds: float) -> str:
    if seconds < 1:
        return ""
    return f", {seconds:.0f} s left" if seconds < 100 else f", {seconds / 60:.0f} min left"
