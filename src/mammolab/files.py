"""Files are written whole or not at all: under a temporary name first, then renamed."""

import json
import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it.

    A reader never sees half a file, and a full disk or a kill leaves the old one as it was.

    Parameters
    ----------
    path : Path
        Its folder is made when absent.
    write : callable
        Given the temporary path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write a JSON file whole; NaN and infinity are refused.

    Raises
    ------
    ValueError
        When `value` holds NaN or infinity, which JSON does not know.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
