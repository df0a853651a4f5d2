"""Builds the paper of a run: gathers numbers, tables and figures, checks that none is missing,
and compiles paper/paper.typ with typst's own fonts alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import typst

from mammolab.errors import InputError, MissingInput
from mammolab.files import write_json, write_whole
from mammolab.paths import RunPaths, repository_root
from mammolab.pipeline import graph
from mammolab.report import numbers as num
from mammolab.report import tables
from mammolab.report.exports import HOSPITAL, Exports
from mammolab.schemas import COLUMNS, read_table, write_table

SOURCES = ("paper.typ", "template.typ", "references.bib")
PUBLISHED = "published.csv"
GUARDS = "benchmarks/guards.csv"
RUN_FACTS = ("profile", "synthetic", "wall_s", "peak_rss_gb", "cores")


def gather_numbers(
    run: RunPaths, facts: Mapping[str, object], code_digest: str, exports: Exports = HOSPITAL
) -> dict[str, dict]:
    """The chapters' numbers and the run's own, as written to the run's numbers.json.

    Parameters
    ----------
    run : RunPaths
    facts : mapping
        profile (str), synthetic (bool), wall_s (seconds), peak_rss_gb and cores of the run; they
        become the numbers run.<name>.
    code_digest : str
        Printed in the paper, as run.code_digest.
    exports : Exports
        Numbers of chapters that could not run on them are passed over.

    Raises
    ------
    InputError
        If a fact is missing or unknown, or two chapters give the same key.
    MissingInput
        If no chapter has left numbers.
    """
    if set(facts) != set(RUN_FACTS):
        raise InputError(
            f"the paper needs these facts of the run: {', '.join(RUN_FACTS)}; "
            f"it got {', '.join(facts) or 'none'}"
        )
    merged = num.merge_numbers(run.numbers, exports.left_out)
    for name, value in {"name": run.name, "code_digest": code_digest, **facts}.items():
        key = f"run.{name}"
        if key in merged:
            raise InputError(
                f"the number {key} comes from {merged[key]['chapter']}, but the manuscript makes it"
            )
        merged[key] = num.plain_number(value, num.MANUSCRIPT) | {"code_digest": code_digest}
    return dict(sorted(merged.items()))


def merge_results(run: RunPaths, exports: Exports = HOSPITAL) -> pd.DataFrame:
    """Every chapter's results in one table, written as the run's table `results`.

    It is empty where the exports could feed no chapter that has any; what an earlier run left of a
    chapter that they cannot feed is passed over.

    Raises
    ------
    MissingInput
        If no chapter has left results, and none is left out.
    """
    paths = [
        path
        for path in sorted(run.tables.glob("results_*.parquet"))
        if path.stem.removeprefix("results_") not in exports.left_out
    ]
    if not paths and not exports.left_out:
        raise MissingInput(f"no chapter has left results in {run.tables}: run ./run_all.sh first")
    empty = pd.DataFrame(columns=list(COLUMNS["results"]))
    frames = [read_table(path, path.stem) for path in paths]
    merged = pd.concat(frames, ignore_index=True) if frames else empty
    write_table(merged, run.table("results"), "results")
    return merged


def build_paper(
    run: RunPaths,
    facts: Mapping[str, object],
    code_digest: str,
    exports: Exports = HOSPITAL,
    source: Path | None = None,
) -> Path:
    """Write the run's numbers.json and paper.pdf; the same inputs give the same bytes.

    Parameters
    ----------
    run : RunPaths
        The run; its numbers, figures and the table `cohort` must exist.
    facts : mapping
        profile, synthetic, wall_s, peak_rss_gb and cores of the run (`gather_numbers`).
    code_digest : str
        Printed in the paper's footer and provenance.
    exports : Exports
        What the exports lack; sections of chapters that could not run on them are left out.
    source : Path, optional
        Folder of paper.typ, template.typ, references.bib and published.csv; the repository's
        `paper` when not given.

    Returns
    -------
    Path
        `run.paper`. What it was compiled from stays in the run's folder `paper`.

    Raises
    ------
    MissingInput
        If a number, a figure or a published figure that the paper asks for is missing: one
        sentence with all of them and the chapters that make them.
    InputError
        If typst refuses the source; the message is typst's.
    """
    source = source or repository_root() / "paper"
    text = (source / "paper.typ").read_text(encoding="utf-8")
    merged = gather_numbers(run, facts, code_digest, exports)
    # Synthetic exports brought as one's own come without the world behind them.
    truth_known = bool(facts.get("synthetic")) and any(key.startswith("world.") for key in merged)
    published = tables.read_published(source / PUBLISHED)
    compared = tables.compared_numbers(published)
    absent = {key for key in compared if not num.can_be_made(key, truth_known, exports)}
    required = num.required_numbers(text) | compared
    num.check_complete(merged, required, truth_known, exports)
    figures = _check_figures(run, num.required_figures(text), truth_known, exports)
    unknown = sorted(num.required_published(text) - set(published.index))
    if unknown:
        raise MissingInput(
            f"{PUBLISHED} lacks the row(s) {', '.join(unknown)} that the paper quotes"
        )
    write_json(run.numbers_json, merged)

    folder = run.root / "paper"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "figures").mkdir(parents=True)
    for name in SOURCES:
        shutil.copyfile(source / name, folder / name)
    for path in figures:
        shutil.copyfile(path, folder / "figures" / path.name)
    cohort = read_table(run.table("cohort"), "cohort")
    about = {
        "figures": [path.stem for path in figures],
        "name": run.name,
        "code_digest": code_digest,
        "truth_known": truth_known,
        "left_out": list(exports.left_out),
        "lacks": sorted(exports.lacks),
        "dataset": exports.title,
        "label_meaning": exports.label_meaning,
        "given": exports.given,
        "opinion": exports.opinion,
        "limits": exports.limits(),
        **{k: facts[k] for k in RUN_FACTS},
    }
    for name, content in {
        "numbers": merged,
        "run": about,
        "published": dict(zip(published.index, _records(published), strict=True)),
        "comparison": tables.comparison(published, merged, truth_known, absent),
        "table1": _records(tables.table_one(cohort)),
        "failures": _failures(run, exports),
        "guards": tables.guard_rows(repository_root() / GUARDS),
    }.items():
        write_json(folder / f"{name}.json", content)
    return _compile(folder, run.paper)


def _failures(run: RunPaths, exports: Exports) -> list[dict]:
    """The scoreboard of the laboratory; empty where the exports could not feed it."""
    if graph.producer_of("failures") in exports.left_out:
        return []
    return _records(read_table(run.table("failures"), "failures"))


def _records(frame: pd.DataFrame) -> list[dict]:
    """The rows of a table for JSON, NaN as null."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def _check_figures(
    run: RunPaths, names: set[str], truth_known: bool, exports: Exports
) -> list[Path]:
    """The files of the figures the paper shows; those of the world only where it is known, and none
    of chapters that are left out."""
    of_truth = (num.CHAPTER_OF_PREFIX["world"], *num.TRUTH_FIGURES)
    absent = (*exports.left_out, *(() if truth_known else of_truth))
    wanted = sorted(name for name in names if not name.startswith(absent))
    paths = [run.figures / f"{name}.svg" for name in wanted]
    paths = [path for path in paths if path.exists() or path.stem not in num.FIGURES_OF_DEVICES]
    missing = [path.stem for path in paths if not path.exists()]
    if missing:
        raise MissingInput(
            f"the paper needs {len(missing)} figure(s) this run has not made: {', '.join(missing)} "
            "(each is named after the chapter that makes it)"
        )
    return paths


def _compile(folder: Path, output: Path) -> Path:
    """Compile paper.typ in `folder` to PDF: no system font, no date, written whole or not at all."""
    try:
        pdf = typst.compile(
            folder / "paper.typ", root=folder, ignore_system_fonts=True, timestamp=0
        )
    except typst.TypstError as error:
        raise InputError(f"typst could not compile the paper: {error}") from error
    write_whole(output, lambda temporary: temporary.write_bytes(pdf))
    return output
