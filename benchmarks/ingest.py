"""From a full-field mammogram's file to what a network sees: time, memory and agreement of four tools.

Run: python benchmarks/ingest.py [--write]     (--write refreshes benchmarks/ingest.csv)

Five images of the synthetic programme, drawn at full size (3328 x 2560 and 4096 x 3328 pixels, 10
to 14 bits), are written in each transfer syntax and turned into a frame of 8 bits by mammolab and
by the tools of `ingest_tools.py`, which also says what each leaves out. Tools that are not
installed are left out: `pip install -e .[bench]` brings SimpleITK and the decoders of pylibjpeg for
pydicom, the package dcmtk brings dcmj2pnm. Lossless streams of drawn images are somewhat shorter
than those of real ones, and decode somewhat faster.

Tools take turns, each with all images in a row, as a user would run it. Times are processor time of all threads and child processes, so that
no second core helps; each is the median of the repeats, averaged over the images. The files are in
the page cache. `times_as_long` is the time over mammolab's on the same files (of scaling: wall time over
that of one worker); `best` takes the fastest repeat in place of the median, which for tools that
ask for much new memory can be half of it where a machine is slow to give any. `grey_ms` is all but reading and decoding. A tool without a time cannot decode
the syntax; one that is not `same_as_explicit` decodes it into another picture. Differences are in
grey levels of 255 against mammolab's frame; `share_above_2` is that of pixels more than 2 apart.
Nearly all of these lie in the texture of the breast and at markers: Pillow's box filter counts whole
pixels where mammolab counts parts of them, Pillow and dcmj2pnm stretch an image to a whole number of
pixels (from the left, so that a right breast is shifted by part of a pixel), SimpleITK samples
without averaging. Deflated files are not read on purpose: a megabyte may
inflate to gigabytes.
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
# This folder goes last: its statistics.py would hide that of the standard library.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE] + [str(HERE)]

import json

import numpy as np
import psutil
from ingest_files import CASES, SYNTAXES, Case, write_case
from ingest_tools import OURS, TOOLS, Size, Unsupported, installed

from mammolab.data.grey import stored_values
from mammolab.data.growing_store import GrowingStore
from mammolab.data.header import read_mammogram
from mammolab.data.index_cache import Journal
from mammolab.data.ingest import Archive, choose, index_folder

FRAME, SMALL_FRAME = (1024, 832), (256, 208)
SMALL_SYNTAXES = ("explicit", "JPEG lossless SV1")
REPEATS = 4
FLAT = (20, 200)  # files after which the memory held is read
SCALING_SYNTAXES = ("explicit", "JPEG lossless SV1")
SCALING_FILES, WORKERS = 40, (1, 2)
COLUMNS = (
    "task", "transfer_syntax", "image", "rows", "columns", "tool", "files", "file_mb", "workers",
    "ms_per_image", "times_as_long", "best_ms", "best_times_as_long", "read_ms", "decode_ms", "grey_ms", "same_as_explicit",
    "mean_difference", "share_above_2", "max_difference", "peak_mb", "held_mb", "device",
)  # fmt: skip
Line = dict[str, object]


def device_name() -> str:
    """Name the processor."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))


def processor_s() -> float:
    """Processor time so far, of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def path_of(folder: Path, case: Case, syntax: str) -> Path:
    """Where an image lies in one transfer syntax."""
    return folder / f"{case.name} {syntax}.dcm"


def write_files(folder: Path, cases: Sequence[Case]) -> None:
    """Write every image in every transfer syntax."""
    for case in cases:
        for syntax in SYNTAXES:
            write_case(case, syntax, path_of(folder, case, syntax))


def speed(
    folder: Path, cases: Sequence[Case], syntax: str, size: Size, repeats: int, frames: dict
) -> Iterator[Line]:
    """Time the tools in turn on the images in one transfer syntax.

    `frames` takes each tool's first frame of each image, by tool, image, syntax and size.
    """
    spent: dict[tuple[str, str], list[float]] = {}
    unread = set()
    for _ in range(repeats):
        for tool in [tool for tool in installed() if tool not in unread]:
            try:
                # Once more than is timed: memory that another tool gave back is slow to come again.
                TOOLS[tool](path_of(folder, cases[-1], syntax), size)
                for case in cases:
                    start = processor_s()
                    frame = TOOLS[tool](path_of(folder, case, syntax), size)
                    spent.setdefault((tool, case.name), []).append(processor_s() - start)
                    frames.setdefault((tool, case.name, syntax, size), frame)
            except Unsupported:
                unread.add(tool)
            for case in cases if tool == OURS else ():
                for part, seconds in parts(path_of(folder, case, syntax)).items():
                    spent.setdefault((part, case.name), []).append(seconds)

    def mean_ms(what: str, of=np.median) -> float:
        return 1e3 * float(np.mean([of(spent[what, case.name]) for case in cases]))

    ours_ms = mean_ms(OURS)
    for tool in installed():
        line: Line = {"task": "convert", "transfer_syntax": syntax, "tool": tool}
        line |= {"rows": size[0], "columns": size[1], "files": len(cases)}
        sizes = [path_of(folder, case, syntax).stat().st_size for case in cases]
        line["file_mb"] = float(np.mean(sizes)) / 1e6
        if tool not in unread:
            line["ms_per_image"] = mean_ms(tool)
            line["times_as_long"] = mean_ms(tool) / ours_ms
            line["best_ms"] = mean_ms(tool, min)
            line["best_times_as_long"] = mean_ms(tool, min) / mean_ms(OURS, min)
            line["same_as_explicit"] = all(
                np.array_equal(
                    frames[tool, case.name, syntax, size],
                    frames.get((tool, case.name, "explicit", size)),
                )
                for case in cases
            )
        if tool == OURS:
            read_ms, decode_ms = mean_ms("read"), mean_ms("decode")
            line |= {"read_ms": read_ms, "decode_ms": decode_ms}
            line["grey_ms"] = ours_ms - read_ms - decode_ms
        yield line


def parts(path: Path) -> dict[str, float]:
    """Processor time of mammolab's reading and decoding alone."""
    start = processor_s()
    dataset = read_mammogram(path.read_bytes(), path)
    read = processor_s()
    stored_values(dataset)
    return {"read": read - start, "decode": processor_s() - read}


def agreement(cases: Sequence[Case], frames: dict, size: Size) -> Iterator[Line]:
    """How far the frames of the tools lie from mammolab's, image by image."""
    for case in cases:
        ours = frames[OURS, case.name, "explicit", size].astype(int)
        for tool in installed():
            if tool != OURS:
                apart = np.abs(frames[tool, case.name, "explicit", size] - ours)
                yield {
                    "task": "agreement",
                    "transfer_syntax": "explicit",
                    "image": case.name,
                    "rows": size[0],
                    "columns": size[1],
                    "tool": tool,
                    "mean_difference": float(apart.mean()),
                    "share_above_2": float((apart > 2).mean()),
                    "max_difference": int(apart.max()),
                }


def in_child(*arguments: str) -> list[Line]:
    """Lines that this program prints as JSON when run with the arguments in a process of its own."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def peaks(folder: Path, cases: Sequence[Case], size: Size) -> Iterator[Line]:
    """Peak memory of one conversion in a fork of its own, beyond what the imports hold.

    Of the largest image. dcmj2pnm is left out: it is a process of another kind.
    """
    case = max(cases, key=lambda case: case.rows * case.columns)
    for syntax in SYNTAXES:
        for tool in installed():
            if tool == "dcmj2pnm":
                continue
            read_end, write_end = os.pipe()
            child = os.fork()
            if not child:
                before = psutil.Process().memory_info().rss
                try:
                    TOOLS[tool](path_of(folder, case, syntax), size)
                    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
                    os.write(write_end, str(peak).encode())
                finally:
                    os._exit(0)
            os.close(write_end)
            with os.fdopen(read_end) as pipe:
                told = pipe.read()
            os.waitpid(child, 0)
            if told:
                yield {
                    "task": "memory",
                    "transfer_syntax": syntax,
                    "image": case.name,
                    "rows": size[0],
                    "columns": size[1],
                    "tool": tool,
                    "peak_mb": int(told) / 1e6,
                }


def held(folder: Path, size: Size) -> Iterator[Line]:
    """Memory that a process holds after some files and after many."""
    paths = sorted(folder.glob("*.dcm"))
    for number in range(max(FLAT)):
        # In steps of 7, so that the first files already mix sizes and syntaxes.
        TOOLS["mammolab ingest"](paths[7 * number % len(paths)], size)
        if number + 1 in FLAT:
            yield {
                "task": "memory",
                "transfer_syntax": "all in turn",
                "rows": size[0],
                "columns": size[1],
                "tool": "mammolab ingest",
                "files": number + 1,
                "held_mb": psutil.Process().memory_info().rss / 1e6,
            }


def scaling(folder: Path, case: Case, size: Size, files: int, repeats: int) -> Iterator[Line]:
    """Wall time of indexing and converting a folder with one worker and with several, in turn."""
    for syntax in SCALING_SYNTAXES:
        archive = folder / f"archive {syntax}"
        archive.mkdir()
        for number in range(files):
            write_case(case, syntax, archive / f"{number}.dcm", number)
        wall_s: dict[int, list[float]] = {workers: [] for workers in WORKERS}
        for _ in range(repeats):
            for workers in WORKERS:
                with tempfile.TemporaryDirectory(dir=folder) as out:
                    wall_s[workers].append(ingest_s(archive, Path(out), size, workers))
        one = np.median(wall_s[WORKERS[0]])
        for workers in WORKERS:
            taken = np.median(wall_s[workers])
            yield {
                "task": "scaling",
                "transfer_syntax": syntax,
                "image": case.name,
                "rows": size[0],
                "columns": size[1],
                "tool": "mammolab ingest",
                "files": files,
                "workers": workers,
                "ms_per_image": 1e3 * float(taken) / files,
                "times_as_long": float(taken / one),
            }


def ingest_s(archive: Path, out: Path, size: Size, workers: int) -> float:
    """Wall time from a folder of files to a store of all its images."""
    start = time.perf_counter()
    source = Archive(archive)
    store = GrowingStore(out, *size, None)
    journal = Journal(out / "index.jsonl")
    facts = index_folder(source, journal, workers, tell=lambda line: None)
    index = choose(facts, store.faults, min_views=1)
    store.add(index, source, workers, tell=lambda line: None)
    if len(store) != len(facts):
        raise RuntimeError(f"{len(store)} of {len(facts)} images were stored: {store.faults}")
    return time.perf_counter() - start


def measurements(cases: Sequence[Case], frame: Size, small: Size, repeats: int) -> Iterator[Line]:
    """Measure everything but the memory, one line of the table after the other."""
    with tempfile.TemporaryDirectory() as name:
        folder, frames = Path(name), {}
        write_files(folder, cases)
        for syntax in SYNTAXES:
            yield from speed(folder, cases, syntax, frame, repeats, frames)
        for syntax in SMALL_SYNTAXES:
            yield from speed(folder, cases, syntax, small, repeats, frames)
        yield from agreement(cases, frames, frame)
        for what in ("--peaks", "--held"):
            yield from in_child(what, name)
        yield from scaling(folder, cases[0], frame, SCALING_FILES, repeats)


def rounded(line: Line) -> Line:
    """Figures as they are worth printing."""
    return {
        name: round(value, 4 if name == "share_above_2" else 2)
        if isinstance(value, float)
        else value
        for name, value in line.items()
    }


def main() -> None:
    """Print one line a measurement and, if asked, write ingest.csv beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="replace benchmarks/ingest.csv")
    parser.add_argument("--peaks", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--held", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peaks:
        print(json.dumps(list(peaks(arguments.peaks, CASES, FRAME))))
        return
    if arguments.held:
        print(json.dumps(list(held(arguments.held, FRAME))))
        return
    for tool in TOOLS:
        if tool not in installed():
            print(f"{tool}: not installed, left out")
    device, lines = device_name(), []
    for line in measurements(CASES, FRAME, SMALL_FRAME, REPEATS):
        lines.append(rounded(line) | {"device": device})
        print(", ".join(f"{name} {lines[-1][name]}" for name in COLUMNS[:-1] if name in line))
    if arguments.write:
        with Path(__file__).with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)


if __name__ == "__main__":
    main()
