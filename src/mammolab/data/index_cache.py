"""A journal of work done on files, so that a run that was killed goes on where it stopped."""

import errno
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mammolab.data.workers import contained_stream
from mammolab.errors import InputError

WORK = ".ingest"  # folder, beside what is made, of all that a later run need not do again
BATCH = 512  # answers that a killed run may lose
KEEP_SECONDS = 10.0  # after which the answers that there are are kept
PROGRESS_SECONDS = 2.0


class Journal:
    """Answers by key, one JSON line each; the last answer of a key counts.

    Parameters
    ----------
    path : of the file; it and its folder are made when the first answer is kept.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.answers: dict[str, Any] = {}
        self._whole_bytes = 0
        self._read()

    def _read(self) -> None:
        """Read what is whole; the line a killed run did not finish is passed over."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            for line in file:
                try:
                    key, answer = json.loads(line)
                except (ValueError, TypeError):
                    break
                if not line.endswith(b"\n"):
                    break
                self.answers[key] = answer
                self._whole_bytes += len(line)

    def keep(self, answers: dict[str, Any]) -> None:
        """Add answers, on disk before this returns."""
        if not answers:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(list(pair)) + "\n" for pair in answers.items()).encode()
        with self.path.open("r+b" if self.path.exists() else "w+b") as file:
            file.truncate(self._whole_bytes)
            file.seek(self._whole_bytes)
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        self._whole_bytes += len(lines)
        self.answers |= answers


def walk(root: Path) -> Iterator[tuple[str, str]]:
    """Relative paths of everything below a folder, with what is wrong where it cannot be entered.

    Links to folders are not followed, so that no loop can arise, and are themselves listed.

    Returns
    -------
    Pairs of path and reason, in the order of the file system; the reason of a file is empty.
    """
    failed: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=failed.append):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root), ""
        for name in folders:
            if os.path.islink(os.path.join(folder, name)):
                where = os.path.relpath(os.path.join(folder, name), root)
                yield where, "not a file: a link to a folder, not followed"
        while failed:
            error = failed.pop()
            yield os.path.relpath(error.filename, root), f"cannot be read: {error.strerror}"
    while failed:
        error = failed.pop()
        yield os.path.relpath(error.filename, root), f"cannot be read: {error.strerror}"


def stamp(path: str) -> str:
    """Size and time of change of a file; empty where it has none."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{found.st_size}:{found.st_mtime_ns}"


def resumable_map(
    function: Callable[[Any], Any],
    items: dict[str, Any],
    journal: Journal,
    workers: int,
    on_death: Callable[[Any], Any],
    what: str,
    tell: Callable[[str], None],
    batch: int = BATCH,
    chunk_size: int = 64,
    keep: Callable[[dict[str, Any]], None] | None = None,
) -> int:
    """Answer every item the journal lacks, and keep the answers batch by batch, in order.

    Parameters
    ----------
    function, workers, on_death, chunk_size : see `workers.contained_stream`; answers must be JSON,
        unless `keep` makes them so.
    items : by key.
    journal : holds the answers afterwards.
    what : is counted in the lines of progress, such as "files indexed".
    tell : takes a line of progress.
    batch : answers that wait to be kept, at most, and no longer than `KEEP_SECONDS`.
    keep : what to do with a batch's answers; None keeps them in the journal as they are.

    Returns
    -------
    How many were answered now.
    """
    todo = [key for key in items if key not in journal.answers]
    chunk_size = max(1, min(chunk_size, len(todo) // (4 * max(1, workers))))
    asked = [items[key] for key in todo]
    shown = kept = time.monotonic()
    answers: dict[str, Any] = {}
    with closing(contained_stream(function, asked, workers, on_death, chunk_size)) as stream:
        for done, (key, answer) in enumerate(zip(todo, stream, strict=True), 1):
            answers[key] = answer
            now, last = time.monotonic(), done == len(todo)
            if last or len(answers) == batch or now - kept > KEEP_SECONDS:
                (keep or journal.keep)(answers)
                answers, kept = {}, now
            if last or now - shown > PROGRESS_SECONDS:
                shown = now
                tell(f"[progress] {done}/{len(todo)} {what}")
    return len(todo)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a second process out of a folder of journals, which is made when absent.

    Raises
    ------
    InputError : another process is at work there, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}") from None
    with (folder / "lock").open("w") as lock:
        try:
            # Of this process alone: workers that outlive a killed run do not hold it.
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Some network file systems have no locks: nothing keeps two apart there.
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise InputError(f"another mammolab is at work in {folder.parent}.") from None
        yield
