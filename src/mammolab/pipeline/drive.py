"""Drive Snakemake over the chapters of a run, and see that nothing outlives it."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from mammolab.errors import InputError
from mammolab.files import write_json
from mammolab.paths import RunPaths, repository_root
from mammolab.pipeline import graph
from mammolab.pipeline.profile import Profile, parameters_of_run
from mammolab.pipeline.progress import Display

POLL_S = 0.1
PATIENCE_S = 5.0
SLURM_PATIENCE_S = 60.0
PLAN_ROW = re.compile(r"^(\S+)\s+(\d+)\s*$")


@dataclass(frozen=True)
class Request:
    """What `mammolab run` was asked for.

    Parameters
    ----------
    profile : Profile
        With overrides applied.
    run : str
        Name of the run, its folder under build/.
    chapters : tuple of str
        Chapters wanted, with all they need; empty for every chapter.
    cores : int
        Cores to use at once.
    slurm : bool
        Whether chapters are submitted to Slurm.
    force : bool
        Whether the wanted chapters run again although nothing changed.
    """

    profile: Profile
    run: str
    chapters: tuple[str, ...]
    cores: int
    slurm: bool = False
    force: bool = False

    @property
    def paths(self) -> RunPaths:
        """The run's files."""
        return RunPaths(repository_root() / "build" / self.run)


@contextmanager
def _only_one(paths: RunPaths):
    """Hold the run's lock, which the operating system lets go however this process ends."""
    paths.logs.mkdir(parents=True, exist_ok=True)
    with (paths.logs / "lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another mammolab is at work in the run '{paths.name}'") from None
        yield


def _write_run(request: Request) -> Path:
    """Write run.json, the typed configuration that Snakemake and the runner read.

    `snakemake --config` would turn nested numbers into text.
    """
    paths = request.paths
    profile = request.profile
    path = paths.root / "run.json"
    run = {
        "profile": profile.name,
        "seed": profile.seed,
        "root": str(paths.root),
        "raw": None if profile.raw is None else str(profile.raw),
        "parameters": parameters_of_run(profile, f"build/{request.run}"),
    }
    write_json(path, run)
    return path


def _command(request: Request, run_file: Path, dry_run: bool) -> list[str]:
    command = [sys.executable, "-m", "snakemake"]
    command += ["--snakefile", str(repository_root() / "workflow" / "Snakefile")]
    command += ["--directory", str(request.paths.root), "--configfile", str(run_file)]
    command += ["--rerun-triggers", "mtime", "params", "input", "--rerun-incomplete"]
    command += ["--keep-going", "--nolock", "--nocolor"]
    if request.slurm:
        command += ["--executor", "slurm", "--jobs", str(request.cores), "--latency-wait", "60"]
        if shutil.which("sacct") is None:
            command += ["--slurm-status-command", "squeue"]
    else:
        command += ["--cores", str(request.cores)]
    markers = [graph.done_marker(chapter) for chapter in request.chapters]
    if request.force and not markers:
        command += ["--forceall"]
    elif forced := [*(markers if request.force else []), *_lacking_outputs(request)]:
        command += ["--forcerun", *forced]
    if dry_run:
        command += ["--dry-run"]
    # `--` ends the lists of --forcerun and --rerun-triggers.
    return [*command, "--", *(markers or ["all"])]


def _lacking_outputs(request: Request) -> list[str]:
    """Done markers of chapters that lack an output: one that an older version did not write.

    Snakemake would neither miss a file that no later chapter reads nor, for want of its metadata,
    see that the chapter's code changed.
    """
    root = request.paths.root
    raw = request.profile.raw or root / "raw"
    chapters = request.profile.chapters_of_run
    markers = []
    for chapter in sorted(graph.with_ancestors(request.chapters, chapters)):
        files = [graph.artefact_path(name, root, raw) for name in graph.outputs_of(chapter)]
        if files[-1].exists() and not all(file.exists() for file in files):
            markers.append(graph.done_marker(chapter))
    return markers


def planned_chapters(log: str) -> list[str] | None:
    """Read from Snakemake's log which chapters it means to run.

    Returns
    -------
    list of str or None
        In the graph's order; empty when all is up to date, None when the log does not say yet.
    """
    if "Nothing to be done" in log:
        return []
    _, found, table = log.partition("Job stats:\n")
    if not found or "\ntotal" not in table:
        return None
    rows = (PLAN_ROW.match(line) for line in table.split("\ntotal")[0].splitlines())
    planned = {row.group(1) for row in rows if row}
    return [chapter for chapter in graph.STAGES if chapter in planned]


def dry_run(request: Request) -> list[str]:
    """Return the chapters that would run, in order."""
    with _only_one(request.paths):
        command = _command(request, _write_run(request), dry_run=True)
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=repository_root()
        )
    planned = planned_chapters(done.stdout + done.stderr)
    if done.returncode or planned is None:
        raise RuntimeError(done.stderr[-2000:] or done.stdout[-2000:])
    return planned


def _read_events(stream: TextIO, rest: str) -> tuple[list[dict], str]:
    """Read the events that are complete by now; the beginning of another is kept for later."""
    *lines, rest = (rest + stream.read()).split("\n")
    return [json.loads(line) for line in lines], rest


def _group_is_alive(group: int) -> bool:
    """Say whether a process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _stop(process: subprocess.Popen, slurm: bool) -> None:
    """End Snakemake and the chapters it started; they get some seconds to tidy up."""
    if slurm:  # interrupted, it cancels its jobs
        process.send_signal(signal.SIGINT)
    else:  # the runners end with it, and the next run sees what is incomplete
        process.kill()
    limit = time.monotonic() + (SLURM_PATIENCE_S if slurm else PATIENCE_S)
    while time.monotonic() < limit:
        process.poll()
        if not _group_is_alive(process.pid):
            return
        time.sleep(POLL_S)
    if _group_is_alive(process.pid):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def build(request: Request, display: Display) -> bool:
    """Run what has to be run, and tell the display what happens.

    Parameters
    ----------
    request : Request
        What is wanted.
    display : Display
        Gets the plan and every event.

    Returns
    -------
    bool
        Whether every wanted chapter is done.

    Raises
    ------
    InputError
        When another process is at work in the same run.
    KeyboardInterrupt
        After everything was stopped.

    Notes
    -----
    Snakemake gets a process group of its own: Ctrl-C reaches only this process, which then ends
    Snakemake. Should this process be killed outright, the operating system kills Snakemake (which
    asks for it in workflow/Snakefile), then the runners, then their kernels.
    """
    paths = request.paths
    with _only_one(paths):
        command = _command(request, _write_run(request), dry_run=False)
        events_path = paths.logs / "events.jsonl"
        events_path.write_text("")
        log_path = paths.logs / "snakemake.log"
        with log_path.open("w") as log, events_path.open(encoding="utf-8") as events:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=repository_root(),
                start_new_session=True,
            )
            plan, rest = None, ""
            try:
                while True:
                    ended = process.poll() is not None
                    if plan is None:
                        plan = planned_chapters(log_path.read_text())
                        if plan is not None:
                            display.plan(plan)
                    happened, rest = _read_events(events, rest)
                    for event in happened:
                        display.event(event)
                    if ended:
                        break
                    display.tick()
                    time.sleep(POLL_S)
            except BaseException:
                _stop(process, request.slurm)
                raise
    return process.returncode == 0
