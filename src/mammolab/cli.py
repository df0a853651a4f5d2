"""The command line: `mammolab run`, `figures`, `world`, and those of the files named cli_*.

Heavy imports wait until needed.
"""

import importlib.util
import json
import os
import shlex
import shutil
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mammolab import (
    cli_adapt,
    cli_audit,
    cli_deidentify,
    cli_export,
    cli_ingest,
    cli_mirai,
    cli_tables,
)
from mammolab.errors import InputError, unknown_name
from mammolab.files import write_whole
from mammolab.paths import RunPaths, repository_root
from mammolab.pipeline import drive, graph, profile
from mammolab.pipeline.progress import Display, failure_report, timing_table

DEFAULT_PROFILE = "demo"

app = typer.Typer(
    help="A paper on machine learning in screening mammography that one can run.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def available_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def again(chapter: str, profile_text: str, run: str | None, overrides: list[str]) -> str:
    """Return the command that runs a chapter again in the same run, with the same parameters."""
    command = f"./run_all.sh {chapter}"
    if profile_text != DEFAULT_PROFILE:
        command += f" --profile {profile_text}"
    command += f" --run {run}" if run else ""
    return " ".join([command, *(f"-p {shlex.quote(override)}" for override in overrides)])


def copy_changed(sources: list[Path], folder: Path) -> None:
    """Copy files into a folder, each only when its content differs."""
    folder.mkdir(exist_ok=True)
    for source in sources:
        target = folder / source.name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            write_whole(target, partial(shutil.copyfile, source))


def refresh_committed(paths: RunPaths) -> None:
    """Bring the demo's figures and paper into the repository's figures/ and paper/."""
    figures = [*paths.figures.glob("*.svg"), *paths.figures.glob("*.json")]
    committed = repository_root() / "figures"
    copy_changed(figures, committed)
    names = {path.name for path in figures}
    for path in committed.iterdir():
        if path.name not in names and path.name.startswith(tuple(graph.STAGES)):
            path.unlink()
    copy_changed([paths.paper], repository_root() / "paper")


def finish(request: drive.Request, display: Display, console: Console) -> None:
    """Write the provenance of a run that succeeded, and tell how long each chapter took."""
    from mammolab.pipeline import provenance

    paths = request.paths
    run = json.loads((paths.root / "run.json").read_text(encoding="utf-8"))
    if display.done or not paths.provenance_json.exists():
        provenance.write_provenance(paths, run, request.profile.raw or paths.raw)
    records = {
        path.stem: json.loads(path.read_text()) for path in sorted(paths.timing.glob("*.json"))
    }
    chapters = list(run["parameters"])
    asked_for = graph.with_ancestors(request.chapters, chapters)
    console.print(timing_table(records, display.done, chapters, asked_for))
    if not display.planned:
        console.print(f"nothing to do: {', '.join(request.chapters) or 'everything'} is up to date")
    if paths.paper.exists() and graph.MANUSCRIPT in asked_for:
        console.print(f"paper: {paths.paper}", soft_wrap=True)


def report_failures(request: drive.Request, display: Display, rerun) -> int:
    """Say what failed and return the exit code: 2 when only the user's input is to blame."""
    sentences = {name: event.get("sentence") for name, event in display.failed.items()}
    for name, event in display.failed.items():
        text = sentences[name] or failure_report(event, rerun(name))
        print(f"\n{'error: ' if sentences[name] else ''}{text}", file=sys.stderr)
    for name in display.running:
        print(f"\n{name} was cut short. To run it again: {rerun(name)}", file=sys.stderr)
    log = request.paths.logs / "snakemake.log"
    if not display.failed:
        print("".join(log.read_text().splitlines(keepends=True)[-15:]), file=sys.stderr)
        print(f"The whole log: {log}", file=sys.stderr)
    begun = {*display.done, *display.failed, *display.running}
    waiting = [name for name in display.planned if name not in begun]
    if waiting:
        print(f"Not run, since they need what failed: {', '.join(waiting)}", file=sys.stderr)
    return 2 if sentences and all(sentences.values()) else 1


@app.command()
def run(
    stages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STAGE ...]",
            help="Chapters to bring up to date, such as 07_triage or triage; all when none is given.",
        ),
    ] = None,
    profile_text: Annotated[
        str,
        typer.Option(
            "--profile",
            help="demo, smoke, paper, a public data set such as rsna, or the path of a YAML file.",
        ),
    ] = DEFAULT_PROFILE,
    overrides: Annotated[
        list[str] | None,
        typer.Option("-p", metavar="CHAPTER.NAME=VALUE", help="Set one parameter; repeatable."),
    ] = None,
    run_name: Annotated[
        str | None,
        typer.Option("--run", help="Folder under build/; the profile's name when not given."),
    ] = None,
    cores: Annotated[
        int | None, typer.Option(min=1, help="Cores to use; all when not given.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which chapters would run.")
    ] = False,
    slurm: Annotated[bool, typer.Option("--slurm", help="Submit chapters to Slurm.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run even what is up to date.")] = False,
) -> None:
    """Bring chapters, and all they need, up to date."""
    wanted = tuple(dict.fromkeys(profile.resolve_chapter(stage) for stage in stages or []))
    chosen = profile.with_overrides(profile.load_profile(profile_text), overrides or [])
    profile.check_raw(chosen)
    name = run_name or chosen.name
    if Path(name).name != name or name.startswith("."):
        raise InputError(f"a run's name is a plain folder name, not '{name}'")
    left_out, possible = chosen.left_out, chosen.chapters_of_run
    for chapter in wanted:
        if chapter in left_out:
            raise InputError(f"{chapter} cannot run on {chosen.raw}. {left_out[chapter]}")
        if chapter not in possible:
            raise InputError(
                f"{chapter} makes the raw exports, and this profile brings its own: {chosen.raw}"
            )
    if slurm and importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        raise InputError("--slurm needs an extra: .venv/bin/python -m pip install -e '.[slurm]'")
    request = drive.Request(chosen, name, wanted, cores or available_cores(), slurm, force)
    console = Console(highlight=False)
    for chapter, reason in left_out.items():
        console.print(f"{chapter:21s}left out. {reason}", soft_wrap=True)
    if dry_run:
        planned = drive.dry_run(request)
        for chapter in planned:
            console.print(f"{chapter:21s}{graph.STAGES[chapter].question}")
        if not planned:
            console.print("nothing to do: everything is up to date")
        return
    with Display(console) as display:
        complete = drive.build(request, display)
    if not complete:
        raise typer.Exit(
            report_failures(
                request, display, lambda c: again(c, profile_text, run_name, overrides or [])
            )
        )
    whole = not wanted or graph.MANUSCRIPT in wanted
    if profile_text == DEFAULT_PROFILE and not overrides and not run_name and whole:
        refresh_committed(request.paths)
    finish(request, display, console)


@app.command()
def figures(
    run_name: Annotated[
        str | None, typer.Option("--run", "--profile", help="Run whose figures to redraw.")
    ] = None,
) -> None:
    """Redraw every figure from the data beside it, without running a chapter."""
    from mammolab.pipeline.redraw import redraw

    committed = repository_root() / "figures"
    paths = RunPaths(repository_root() / "build" / (run_name or DEFAULT_PROFILE))
    built = sorted(path.parent.name for path in (repository_root() / "build").glob("*/figures"))
    if run_name and run_name not in built:
        raise unknown_name("run with figures", run_name, built)
    # A fresh clone has no build/demo yet, but the figures and their data are committed.
    folders = [paths.figures] if paths.figures.exists() else []
    if not run_name:
        folders.append(committed)
    for folder in folders:
        drawn = redraw(folder)
        print(f"{len(drawn)} figures redrawn in {folder}")


@app.command()
def world(
    women: Annotated[int, typer.Option("--women", help="Women in the export.")],
    out: Annotated[Path, typer.Option("--out", help="New or empty folder, or one begun before.")],
    seed: Annotated[int, typer.Option("--seed", help="Another seed, other women.")] = 2019,
    rows: Annotated[int, typer.Option("--rows", help="Height of an image in pixels.")] = 256,
    columns: Annotated[
        int | None, typer.Option("--columns", help="Its width; 13/16 of the height when not given.")
    ] = None,
    pixels: Annotated[
        str,
        typer.Option(
            "--pixels",
            metavar="PRECANCER/REST",
            help="Probability of images for exams 1-5 years before a recorded cancer, and for the "
            "rest; exams within a year before one always have them.",
        ),
    ] = "1/1",
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Draw images, or write tables only.")
    ] = True,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes that draw; all cores when not given.")
    ] = None,
    conspicuity: Annotated[
        float, typer.Option("--conspicuity", help="Factor on the contrast of lesions; 1: physical.")
    ] = 4.0,
) -> None:
    """Write a synthetic screening programme for use elsewhere.

    The folder gets raw/ (tables of the health record, registry, pathology, DICOM images), truth/
    (what nobody in the hospital knows) and DATASHEET.md. A run that was stopped goes on when it is
    started again.

    \b
    Examples:
      mammolab world --women 200 --out lesson
      mammolab world --women 20000 --out tables --no-images
      mammolab world --women 500 --out pacs --rows 1024 --workers 8
      mammolab world --women 20000 --out challenge --seed 7 --pixels 0.3/0.03
    """
    from mammolab.world.command import WorldRequest, export_world, parse_pixels

    p_precancer, p_rest = parse_pixels(pixels)
    request = WorldRequest(
        n_women=women,
        seed=seed,
        rows=rows,
        columns=rows * 13 // 16 if columns is None else columns,
        p_precancer=p_precancer,
        p_rest=p_rest,
        conspicuity=conspicuity,
        images=images,
    )
    processes = available_cores() if workers is None else workers
    export_world(request, out, processes, partial(print, flush=True))


app.command()(cli_tables.triage)
app.command()(cli_tables.risk)
app.command()(cli_audit.audit)
app.command()(cli_adapt.adapt)
app.command()(cli_export.tables)
app.command()(cli_ingest.ingest)
app.command()(cli_mirai.mirai)
app.command()(cli_deidentify.deidentify)


def main() -> None:
    """Run the command line; a mistake of the user's ends in one sentence and exit code 2."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(standalone_mode=True)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; what was finished is kept, and the next run goes on from there")
        sys.exit(130)


if __name__ == "__main__":
    main()
