"""An image store that grows: rows are added at the end, those that are there stay as they are."""

import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from mammolab.data.header import Rejected
from mammolab.data.index_cache import Journal, resumable_map
from mammolab.data.ingest import Archive
from mammolab.data.pixels import preprocessing_hash, to_model_input
from mammolab.data.source import SourceRules, open_source
from mammolab.errors import InputError
from mammolab.files import write_whole

BATCH_BYTES = 2**25  # of finished images that wait to be written
CHUNK_BYTES = 2**22  # of finished images that a worker hands over at a time


class GrowingStore:
    """One uint8 array a setting, and a journal that says which row is which image.

    The file's name is the hash of the settings, so that images prepared in two ways never share
    an array. A row counts once the journal names it: a run killed while it wrote leaves bytes that
    the next one writes over.

    Parameters
    ----------
    folder : of the arrays.
    rows, columns, spacing_mm : see `pixels.to_model_input`.

    Attributes
    ----------
    path : of the array, .npy.
    hash : of the settings.
    records : by key, what was done to an image (`pixels.Conversion`) and its row.
    faults : by key, why pixels did not convert in this run; the next one tries again, perhaps
        with another decoder or with more memory.

    Raises
    ------
    InputError : a setting out of range, or an array that lacks rows which its journal names.
    """

    def __init__(self, folder: Path, rows: int, columns: int, spacing_mm: float | None):
        for name, given in {"rows": rows, "columns": columns}.items():
            if given < 1:
                raise InputError(f"{name} is {given}; it must be at least 1.")
        if spacing_mm is not None and not 0.005 <= spacing_mm <= 10:
            raise InputError(f"spacing_mm is {spacing_mm:g}; valid: 0.005 to 10.")
        self.size = (rows, columns)
        self.spacing_mm = spacing_mm
        self.hash = preprocessing_hash(rows, columns, spacing_mm)
        self.path = Path(folder) / f"{self.hash}.npy"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(Path(folder) / f"{self.hash}.jsonl")
        self.faults: dict[str, str] = {}
        if not len(self):  # what it may hold belongs to nobody, and may have a second name
            self.path.unlink(missing_ok=True)
        held = os.path.getsize(self.path) - self._begin() if self.path.exists() else 0
        if held < len(self) * rows * columns:
            raise InputError(
                f"{self.path}: holds {held // (rows * columns)} images where its journal names "
                f"{len(self)}; remove both to convert them again."
            )

    def __len__(self) -> int:
        return len(self.records)

    @property
    def records(self) -> dict[str, dict]:
        """What was done to each image, by key."""
        return self._journal.answers

    def add(
        self, index: pd.DataFrame, archive: Archive, workers: int, tell: Callable[[str], None]
    ) -> int:
        """Convert the used images of an index that are not in the store yet, in its order.

        Parameters
        ----------
        index : as `ingest.choose` gives it.
        archive : the one that was indexed.
        workers : number of processes.
        tell : takes a line of progress.

        Returns
        -------
        How many of them failed; `faults` tells of each.

        Raises
        ------
        InputError : the disk has no room for them.
        """
        used = index[(index["status"] == "ok") & ~index["key"].isin(self.faults)]
        root, given = archive.root, archive.given
        items = {
            key: (str(root / path), digest, given.get(path, {}))
            for key, path, digest in zip(used["key"], used["path"], used["sha256"], strict=True)
        }
        size = self.size[0] * self.size[1]
        self._require_room(sum(key not in self.records for key in items) * size)
        failed = len(self.faults)
        resumable_map(
            partial(_convert, size=self.size, spacing_mm=self.spacing_mm, rules=archive.rules),
            items,
            self._journal,
            workers,
            _killed,
            "images",
            tell,
            batch=max(1, BATCH_BYTES // size),
            chunk_size=max(1, min(64, CHUNK_BYTES // size)),
            keep=self._keep,
        )
        return len(self.faults) - failed

    def _require_room(self, n_bytes: int) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if n_bytes > free:
            raise InputError(
                f"{self.path.parent}: the images take {n_bytes / 1e9:.1f} GB, and "
                f"{free / 1e9:.1f} GB are free; make room, or choose a smaller size."
            )

    def arrange(self, keys: Sequence[str]) -> None:
        """Put the images of these keys, all of them held, into rows 0, 1 and so on; drop others.

        The array is written anew where that changes it. A run that is killed meanwhile finds
        either the old order or an empty store, never an array that its journal does not describe.
        """
        records = [self.records[key] for key in keys]
        rows = [record["row"] for record in records]
        if rows == list(range(len(self))):
            return
        self._require_room(len(rows) * self.size[0] * self.size[1])
        at_a_time = max(1, BATCH_BYTES // (self.size[0] * self.size[1]))
        held = np.load(self.path, mmap_mode="r")
        ordered = self.path.with_name(f"{self.path.name}.ordered")
        try:
            with ordered.open("wb") as file:
                file.write(self._header(len(rows)))
                for at in range(0, len(rows), at_a_time):
                    file.write(held[rows[at : at + at_a_time]].tobytes())
                file.flush()
                os.fsync(file.fileno())
            self._journal.path.unlink()
            ordered.replace(self.path)
        finally:
            ordered.unlink(missing_ok=True)
        self._journal = Journal(self._journal.path)
        self._journal.keep(
            {
                key: record | {"row": row}
                for row, (key, record) in enumerate(zip(keys, records, strict=True))
            }
        )

    def link_to(self, path: Path) -> None:
        """Give the array a second name where the file system has such, else make a copy."""
        try:
            os.link(self.path, path)
        except OSError:
            shutil.copyfile(self.path, path)

    def _keep(self, answers: dict[str, tuple[dict, bytes | None]]) -> None:
        """Write a batch: its pixels, then the number of rows, then the journal."""
        start = len(self)
        done = {key: answer for key, answer in answers.items() if answer[1] is not None}
        if done:
            self._append([pixels for _, pixels in done.values()], start)
        self._journal.keep(
            {
                key: record | {"row": start + at}
                for at, (key, (record, _)) in enumerate(done.items())
            }
        )
        failed = {
            key: record["reason"] for key, (record, pixels) in answers.items() if pixels is None
        }
        self.faults |= failed

    def _append(self, images: list[bytes], start: int) -> None:
        if not self.path.exists():
            write_whole(self.path, lambda path: path.write_bytes(self._header(0)))
        begin, size = self._begin(), self.size[0] * self.size[1]
        with self.path.open("r+b") as file:
            file.seek(begin + start * size)
            file.writelines(images)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            file.write(self._header(start + len(images)))
            file.flush()
            os.fsync(file.fileno())

    def _header(self, n_images: int) -> bytes:
        """The .npy header; numpy leaves room in it for the first axis to grow."""
        shape = (n_images, *self.size)
        header = BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        return header.getvalue()

    def _begin(self) -> int:
        return len(self._header(0))


def _convert(
    item: tuple[str, str, dict[str, str]],
    *,
    size: tuple[int, int],
    spacing_mm: float | None,
    rules: SourceRules,
) -> tuple[dict, bytes | None]:
    """What was done to one image, and its pixels; never raises, whatever the file holds."""
    path, digest, given = item
    source = open_source(Path(path), given, rules)
    if source.sha256 is not None and source.sha256 != digest:
        return _failed("changed: the file is not the one that was indexed")
    if source.reason:
        return _failed(source.reason)
    try:
        image, conversion = to_model_input(source.dataset, *size, spacing_mm)
    except Rejected as rejection:
        return _failed(str(rejection))
    # Decoders raise RecursionError, MemoryError and panics of their own.
    except BaseException as error:  # noqa: BLE001
        return _failed(f"conversion: {type(error).__name__}")
    record = asdict(conversion)
    if math.isnan(conversion.spacing_mm):
        record["spacing_mm"] = None
    return record, image.tobytes()


def _failed(reason: str) -> tuple[dict, None]:
    return {"reason": reason}, None


def _killed(item: tuple) -> tuple[dict, None]:
    return _failed("decoding: killed its reader")
