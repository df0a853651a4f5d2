"""Where a result comes from: digests of code, parameters and inputs, and provenance.json."""

import ast
import hashlib
import json
import math
import os
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from mammolab.files import write_json
from mammolab.paths import RunPaths, image_folder, image_list, notebook_path, repository_root
from mammolab.pipeline import graph
from mammolab.pipeline.notebook import code_cells

PACKAGE = Path(__file__).resolve().parents[1]
# What decides which chapter runs, and when, changes no chapter's result.
NOT_PART_OF_A_RESULT = {
    "mammolab.data.lacks",
    "mammolab.pipeline.graph",
    "mammolab.pipeline.provenance",
}
LARGE_FILE_BYTES = 64 * 1024**2


def digest_text(text: str) -> str:
    """Return the first 16 hexadecimal digits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_json(value: object) -> str:
    """Return the digest of a JSON-like value; the order of keys does not matter."""
    return digest_text(json.dumps(value, sort_keys=True))


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file, in full."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _module_file(module: str) -> Path | None:
    """Return the source of a module of this package, or None when there is none."""
    parts = module.split(".")[1:]
    package = PACKAGE.joinpath(*parts)
    for path in (package / "__init__.py", package.with_suffix(".py")):
        if path.exists():
            return path
    return None


def imported_modules(source: str, module: str = "") -> set[str]:
    """Find the modules of this package that a source imports, anywhere in it.

    Parameters
    ----------
    source : str
        Python source; lines of IPython magic are passed over.
    module : str
        Dotted name of the module the source belongs to, for relative imports.

    Returns
    -------
    set of str
        Dotted names; importing `mammolab.a.b` also runs `mammolab` and `mammolab.a`.
    """
    lines = ("" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n"))
    found: set[str] = set()
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".")[: -node.level]
                base = ".".join([*package, base] if base else package)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    ours = {name for name in found if name.split(".")[0] == "mammolab"}
    parents = {
        ".".join(name.split(".")[:n]) for name in ours for n in range(1, name.count(".") + 2)
    }
    return {name for name in parents if _module_file(name)}


@cache
def direct_imports(module: str) -> frozenset[str]:
    """Return the modules of this package that one of its modules imports."""
    path = _module_file(module)
    # A package's own name stands one level deeper, so that `from . import x` means its folder.
    inside = f"{module}.__init__" if path.name == "__init__.py" else module
    return frozenset(imported_modules(path.read_text(encoding="utf-8"), inside))


def modules_of(sources: list[str]) -> list[str]:
    """Return every module of this package that the sources import, directly or through others."""
    todo = set().union(*(imported_modules(source) for source in sources))
    seen: set[str] = set()
    while todo:
        module = todo.pop()
        seen.add(module)
        todo |= direct_imports(module) - seen
    return sorted(seen - NOT_PART_OF_A_RESULT)


def code_digest(chapter: str) -> str:
    """Digest a chapter's code: its notebook's code cells, all it imports from this package, and
    the other files of the repository that shape what it makes (`Stage.sources`).

    Saving a notebook with outputs, or rewording its prose, leaves the digest as it is; an edit to
    a module changes the digest of just the chapters that import it.
    """
    cells = code_cells(notebook_path(chapter))
    files = [_module_file(module) for module in modules_of(cells)]
    files += [repository_root() / name for name in graph.STAGES[chapter].sources]
    return digest_text("\0".join([*cells, *(path.read_text(encoding="utf-8") for path in files)]))


def modules_digest(*names: str) -> str:
    """Digest modules of this package and all they import from it."""
    modules = modules_of([f"import {name}" for name in names])
    return digest_text("\0".join(_module_file(name).read_text("utf-8") for name in modules))


def images_digest(raw: Path) -> str:
    """Digest an export's images, as `folder_digest` does, and the table of them."""
    table = image_list(raw)
    listed = digest_file(table) if table.is_file() else ""
    return digest_text(folder_digest(image_folder(raw)) + listed)


def folder_digest(folder: Path) -> str:
    """Digest the names, sizes and times of all files below a folder: cheap, and enough to notice
    that files came, went or changed."""
    entries = []
    for place, _, names in os.walk(folder):
        for name in names:
            status = os.stat(os.path.join(place, name))
            entries.append(f"{os.path.join(place, name)} {status.st_size} {status.st_mtime_ns}")
    return digest_text("\n".join(sorted(entries)))


def input_digests(paths: dict[str, Path]) -> dict[str, str]:
    """Return the SHA-256 of each input by its name.

    Files above 64 MiB (the image store) are passed over: the table `images` says what is in it and
    by which preprocessing, and `dicom_index` holds a digest of every source file.
    """
    return {
        name: digest_file(path)
        for name, path in sorted(paths.items())
        if path.exists() and path.stat().st_size <= LARGE_FILE_BYTES
    }


def run_timing(paths: RunPaths) -> dict[str, float]:
    """Summarise timing/*.json of a run: what it took to make what the manuscript gathers.

    Returns
    -------
    dict
        `wall_s` (seconds in which any chapter ran, pauses left out), `peak_rss_gb` (the highest of any chapter) and
        `cores` (the most any chapter was given). The manuscript itself does not count: it would
        have to know its own time before it ends.
    """
    gathered = [
        name.split("/")[1]
        for name in graph.STAGES[graph.MANUSCRIPT].inputs
        if name.startswith("numbers/")
    ]
    records = [
        json.loads(path.read_text())
        for path in sorted(paths.timing.glob("*.json"))
        if path.name in gathered
    ]
    return {
        "wall_s": round(_busy_s(records), 1),
        "peak_rss_gb": max((record["peak_rss_gb"] for record in records), default=0.0),
        "cores": max((record["cores"] for record in records), default=0),
    }


def _busy_s(records: list[dict]) -> float:
    """Length of the union of the chapters' times: what ran side by side counts once."""
    busy_s, free_from = 0.0, -math.inf
    for record in sorted(records, key=lambda record: record["start"]):
        end = record["start"] + record["wall_s"]
        busy_s += max(0.0, end - max(record["start"], free_from))
        free_from = max(free_from, end)
    return busy_s


def git_revision() -> str | None:
    """Return the checkout's commit, with "-dirty" after it when files differ, or None."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=repository_root(),
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()


def package_versions() -> dict[str, str]:
    """Return the version of every package installed beside this one."""
    versions = {found.metadata["Name"]: found.version for found in metadata.distributions()}
    return dict(sorted(versions.items(), key=lambda item: item[0].lower()))


def write_provenance(paths: RunPaths, run: dict, raw: Path) -> None:
    """Write provenance.json: all that is needed to say where a run's results come from.

    Parameters
    ----------
    paths : RunPaths
        The run.
    run : dict
        What the run was asked for: `profile`, `seed`, `parameters` by chapter.
    raw : Path
        Folder of raw exports; its tables are digested here, its DICOM files in dicom_index.
    """
    chapters = list(run["parameters"])
    raw_files = {
        name: graph.artefact_path(name, paths.root, raw)
        for chapter in chapters
        for name in graph.STAGES[chapter].inputs
        if name.startswith("raw/")
    }
    for chapter in chapters:
        given = graph.given_files(chapter, run["parameters"][chapter])
        raw_files |= {name: path for name, path in given.items() if name.startswith("raw/")}
    # Each chapter left its own record when it ended: one that was not rebuilt keeps its old one.
    records = {
        path.stem: json.loads(path.read_text()) for path in sorted(paths.timing.glob("*.json"))
    }
    write_json(
        paths.provenance_json,
        {
            "profile": run["profile"],
            "seed": run["seed"],
            "chapters": {name: records[name] for name in records if name in chapters},
            "git_revision": git_revision(),
            "packages": package_versions(),
            "raw": input_digests(raw_files),
            "total": run_timing(paths),
        },
    )
