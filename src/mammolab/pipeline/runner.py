"""Run one chapter: papermill over a kernel of its own, timed, with events for the display.

Called by workflow/Snakefile as `python -m mammolab.pipeline.runner CHAPTER --run-dir ...`.
"""

import argparse
import itertools
import json
import os
import re
import signal
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from mammolab import errors
from mammolab.files import write_json, write_whole
from mammolab.paths import RunPaths, notebook_path, repository_root, run_root
from mammolab.pipeline import graph
from mammolab.pipeline.kernel import die_with_parent
from mammolab.pipeline.notebook import code_cells, declared_parameters
from mammolab.pipeline.provenance import code_digest

# jsonschema checks web addresses with this package where it is installed, and importing it
# compiles a grammar for a second; notebooks' metadata have no address to check.
sys.modules["rfc3987_syntax"] = None
# Numerical libraries always use one thread, whatever the machine has: sums over another number of
# threads round differently, small networks gain a sixth from a second one, and chapters that run
# side by side would wait for each other's. Those that can use more say so by a parameter.
NUMERIC_THREADS = "1"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SAMPLE_S = 0.5
LONGEST_FOLDER = 70
ANSI = re.compile(r"\x1b\[[0-9;]*m")
PROGRESS_MARK = "[progress] "


class Events:
    """Appends what happens in a chapter to logs/events.jsonl, one JSON object a line."""

    def __init__(self, path: Path, chapter: str):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.chapter = chapter

    def send(self, event: str, **details) -> None:
        """Append one event; a line this short is written whole, whoever else writes."""
        record = {"event": event, "chapter": self.chapter, "time": time.time(), **details}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")


class ProgressLines:
    """Stands in for a file: passes on each line a chapter prints that begins with [progress]."""

    def __init__(self, events: Events):
        self.events = events

    def write(self, text: str) -> None:
        """Send the last progress line of a piece of output."""
        marked = [line for line in text.splitlines() if line.startswith(PROGRESS_MARK)]
        if marked:
            self.events.send("note", text=marked[-1].removeprefix(PROGRESS_MARK))

    def flush(self) -> None:
        """Nothing is held back."""


@contextmanager
def peak_memory():
    """Sample the memory of this process's descendants, the chapter's kernel and its workers.

    Yields
    ------
    dict
        `peak_rss_gb` grows while the block runs: the sum of resident sets, 10^9 bytes; pages that
        processes share, and mapped files, count in each.
    """
    import psutil

    record = {"peak_rss_gb": 0.0}
    stop = threading.Event()

    def sample() -> None:
        own = psutil.Process()
        while not stop.wait(SAMPLE_S):
            total = 0
            for process in own.children(recursive=True):
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            record["peak_rss_gb"] = max(record["peak_rss_gb"], round(total / 1e9, 3))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield record
    finally:
        stop.set()
        thread.join()


@contextmanager
def private_kernel():
    """Yield the name and configuration of a kernel of this very Python.

    Its sockets lie in a short, private folder: over TCP two kernels started together may take the
    same port, and a socket's path has 107 characters at most. The user's own IPython settings and
    start-up files are left out, since they could change results.
    """
    from traitlets.config import Config

    usual = tempfile.gettempdir()
    parent = usual if len(usual) < LONGEST_FOLDER else "/tmp"
    with tempfile.TemporaryDirectory(prefix="mammolab-", dir=parent) as folder:
        spec = Path(folder) / "kernels" / "mammolab"
        spec.mkdir(parents=True)
        command = [sys.executable, "-m", "mammolab.pipeline.kernel", "-f", "{connection_file}"]
        write_json(
            spec / "kernel.json",
            {"argv": command, "display_name": "mammolab", "language": "python"},
        )
        search = os.environ.get("JUPYTER_PATH")
        os.environ["JUPYTER_PATH"] = os.pathsep.join([folder, search] if search else [folder])
        os.environ["JUPYTER_RUNTIME_DIR"] = os.environ["IPYTHONDIR"] = folder
        yield "mammolab", Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/k"}})


def without_progress_lines(path: Path) -> None:
    """Take the [progress] lines out of an executed notebook: they were for the display."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                lines = output.text.splitlines(keepends=True)
                output.text = "".join(x for x in lines if not x.startswith(PROGRESS_MARK))
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs if o.output_type != "stream" or o.text]
    write_whole(path, lambda temporary: nbformat.write(notebook, temporary))


def write_html(path: Path) -> None:
    """Write an executed notebook as a page that needs nothing from the network."""
    from nbconvert import HTMLExporter

    addresses = ("require_js", "mathjax", "mermaid_js", "mermaid_layout_elk_js")
    exporter = HTMLExporter(**{f"{name}_url": "" for name in addresses})
    page, _ = exporter.from_filename(str(path))
    write_whole(
        path.with_suffix(".html"), lambda temporary: temporary.write_text(page, encoding="utf-8")
    )


def describe_failure(error, executed: Path) -> dict:
    """Turn papermill's error into what the display shows.

    Parameters
    ----------
    error : papermill.exceptions.PapermillExecutionError
        What stopped the chapter.
    executed : Path
        The notebook as far as it came.
    """
    kind = getattr(errors, error.ename, None)
    line = re.search(r"Cell In\[\d+\], line (\d+)", ANSI.sub("", "\n".join(error.traceback)))
    return {
        "cell": error.exec_count,
        "line": int(line.group(1)) if line else None,
        "error": f"{error.ename}: {error.evalue}",
        "source": error.source,
        "notebook": str(executed),
        "sentence": error.evalue if kind and issubclass(kind, errors.InputError) else None,
    }


def missing_outputs(chapter: str, paths: RunPaths) -> list[str]:
    """Return the artefacts a chapter was to write and did not."""
    return [
        name
        for name in graph.outputs_of(chapter)
        if not graph.artefact_path(name, paths.root, paths.raw).exists()
    ]


def execute(chapter: str, executed: Path, parameters: dict, events: Events) -> None:
    """Run a chapter's notebook, and leave it as far as it came in `executed`."""
    import papermill

    source = notebook_path(chapter)
    n_cells = len(code_cells(source)) + bool(parameters)  # papermill adds a cell of its own
    begun = itertools.count(1)

    def cell_started(cell, cell_index):
        if cell.cell_type == "code":
            events.send("cell", cell=next(begun), cells=n_cells)

    with private_kernel() as (kernel, config):
        papermill.execute_notebook(
            str(source),
            str(executed),
            parameters=parameters,
            kernel_name=kernel,
            language="python",
            cwd=str(repository_root()),
            progress_bar=False,
            config=config,
            stdout_file=ProgressLines(events),
            on_cell_start=cell_started,
        )


def run_chapter(chapter: str, paths: RunPaths, parameters: dict, threads: int) -> bool:
    """Execute a chapter's notebook into the run's folder, with its time, memory and HTML page.

    Parameters
    ----------
    chapter : str
        Such as "07_triage".
    paths : RunPaths
        The run.
    parameters : dict
        What is injected.
    threads : int
        Cores it may use.

    Returns
    -------
    bool
        Whether it came to its end; if not, the event "failed" says why and the notebook is kept
        as far as it came.
    """
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    events = Events(paths.logs / "events.jsonl", chapter)
    executed = paths.notebooks / f"{chapter}.ipynb"
    executed.parent.mkdir(parents=True, exist_ok=True)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, NUMERIC_THREADS))
    start = time.time()
    events.send("start")
    try:
        with peak_memory() as memory:
            execute(chapter, executed, parameters, events)
    except PapermillExecutionError as error:
        events.send("failed", **describe_failure(error, executed))
        return False
    except DeadKernelError:
        message = "its Python process died; was there too little memory?"
        events.send("failed", error=message, notebook=str(executed))
        return False
    if missing := missing_outputs(chapter, paths):
        message = f"it ended without writing {', '.join(missing)}"
        events.send("failed", error=message, notebook=str(executed))
        return False
    end = time.time()
    record = {
        "chapter": chapter,
        "start": start,
        "end": end,
        "wall_s": round(end - start, 2),
        "peak_rss_gb": memory["peak_rss_gb"],
        "cores": threads,
        "parameters": declared_parameters(notebook_path(chapter)) | parameters,
        "code_digest": code_digest(chapter),
    }
    write_json(paths.timing / f"{chapter}.json", record)
    without_progress_lines(executed)
    write_html(executed)
    events.send("done", wall_s=record["wall_s"])
    return True


def main() -> int:
    """Run the chapter named on the command line; exit code 1 when it fails."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("chapter")
    parser.add_argument("--run-dir", required=True)
    parser.add_argument("--parameters", type=Path, required=True, help="JSON, by chapter")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    die_with_parent()
    # An orderly end on SIGTERM, so that temporary folders go too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run = json.loads(given.parameters.read_text(encoding="utf-8"))
    parameters = run["parameters"][given.chapter]
    finished = run_chapter(
        given.chapter, RunPaths(run_root(given.run_dir)), parameters, given.threads
    )
    return 0 if finished else 1


if __name__ == "__main__":
    sys.exit(main())
