"""The command `mammolab audit`: from a cohort table to a folder with a report, and an exit code."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
import yaml

from mammolab import __version__
from mammolab.audit.checks_score import DISCLOSED
from mammolab.audit.features import with_features
from mammolab.audit.folder_tree import read_folder
from mammolab.audit.images import images_of
from mammolab.audit.raw import check_no_folder_of_tables
from mammolab.audit.registry import CHECKS
from mammolab.audit.report import not_used, opening, set_report
from mammolab.audit.run import LEVELS, Result, Settings, nothing_judged, run_checks
from mammolab.audit.table import AuditTable, read_tables, with_scores
from mammolab.clinic.folder import OutputFolder, write_csv
from mammolab.errors import InputError, unknown_name

FAIL_ON = ("red", "amber", "never")
# Screen-detected cancers and those before the next round, per exam (assumption, between the 5.1 per
# 1,000 detected in US screening and what readers miss; doi:10.1148/radiol.2016161174).
SCREENING_PREVALENCE = 0.006
MANY_ROWS = 20_000  # from here on the command says what it is doing


@dataclass(frozen=True)
class AuditRequest:
    """Everything that determines the output."""

    tables: tuple[Path, ...]
    layout: str = "auto"
    label: str | None = None
    scores: Path | None = None
    score_column: str | None = None
    images: Path | None = None
    features: Path | None = None
    prevalence: float | None = None
    threshold: float | None = None
    disclosure: Path | None = None
    fail_on: str = "red"
    seed: int = 2019


def audit(
    request: AuditRequest,
    out: Path,
    say: Callable[[str], object] = print,
    progress: Callable[[str], object] | None = None,
) -> int:
    """Audit a table, write the report, and return the exit code.

    Parameters
    ----------
    request : AuditRequest
    out : Path
        New, empty, or an earlier output of this command, which is replaced.
    say : callable
        Takes one line of the summary. The last is the path of the report, or says loudly that
        nothing was judged.
    progress : callable, optional
        Takes a line while a large table, or images, are worked on.

    Returns
    -------
    int
        0, or 1 where a check is of the level `fail_on` or worse.

    Raises
    ------
    InputError
        One sentence when a file, an option or the folder cannot be used; nothing has been written
        then.
    """
    if request.fail_on not in FAIL_ON:
        raise unknown_name("--fail-on", request.fail_on, FAIL_ON)
    if request.seed < 0:
        raise InputError(f"--seed must be 0 or above, not {request.seed}")
    if request.prevalence is not None and not 0 < request.prevalence < 1:
        raise InputError(
            f"--prevalence is a share between 0 and 1 (0.006: 6 in 1,000), not {request.prevalence:g}"
        )
    if request.threshold is not None and not math.isfinite(request.threshold):
        raise InputError("--threshold must be a finite number, in units of the score")
    out = Path(out).resolve()
    folder = OutputFolder(out, command="mammolab audit", record="audit.json")
    folder.check()
    disclosure = read_disclosure(request.disclosure) if request.disclosure else None
    table = _read(request, progress)
    prevalence, population = request.prevalence, "the population"
    if prevalence is None and table.screening:
        prevalence, population = SCREENING_PREVALENCE / table.per_exam, "a screening programme"
    settings = Settings(prevalence, population, request.threshold, disclosure, request.seed)
    long = progress if table.n_rows > MANY_ROWS or table.images is not None else None
    results = run_checks(table, settings, CHECKS, long)

    def write(into: Path) -> None:
        write_csv(_as_frame(results), into / "audit.csv")
        set_report(table, settings, results, into)
        folder.write_record(into, facts(table, settings, results, request.fail_on))

    folder.fill(write)
    for line in summary(table, results):
        say(line)
    say(f"report: {out / 'audit.pdf'}")
    nothing = nothing_judged(table, results, CHECKS)
    if nothing:
        say(f"{nothing}.")
    return exit_code(results, request.fail_on)


def exit_code(results: Sequence[Result], fail_on: str) -> int:
    """1 where any result is of the level `fail_on` or worse."""
    failing = {"red": {"red"}, "amber": {"red", "amber"}, "never": set()}[fail_on]
    return int(any(one.level in failing for one in results))


def read_disclosure(path: Path) -> dict[str, int]:
    """What was told of selection, from a YAML file.

    Raises
    ------
    InputError
        If it is no mapping of n_candidates, n_test_looks, n_seeds to whole numbers from 1.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}; --disclosure is a YAML file")
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable YAML") from error
    if not isinstance(given, dict):
        raise InputError(f"{path} must hold {', '.join(DISCLOSED)}, each with a whole number")
    for name, value in given.items():
        if name not in DISCLOSED:
            raise unknown_name(f"entry of {path.name}", str(name), DISCLOSED)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{path}: {name} must be a whole number from 1, not {value!r}")
    return given


def facts(
    table: AuditTable, settings: Settings, results: Sequence[Result], fail_on: str
) -> dict[str, object]:
    """What audit.json holds, the list of files apart."""
    counted = {level: sum(one.level == level for one in results) for level in LEVELS}
    return {
        "mammolab": __version__,
        "audited": [{"file": name, "sha256": digest} for name, digest in table.files],
        "layout": table.layout,
        "unit": table.unit,
        "label": table.label,
        "n_rows": table.n_rows,
        "n_units": len(table.units),
        "n_patients": int(table.rows["patient"].nunique()),
        "synthetic": table.synthetic,
        "settings": asdict(settings),
        "counts": counted,
        "nothing_judged": nothing_judged(table, results, CHECKS) or None,
        "fail_on": fail_on,
        "exit_code": exit_code(results, fail_on),
        "checks": [_plain(one) for one in results],
        "notes": [*table.notes, *table.cautions],
        "unused_columns": list(table.unused),
    }


def summary(table: AuditTable, results: Sequence[Result]) -> list[str]:
    """A few lines for the terminal: how it was read, every red and amber, a count of the rest."""
    lines = [opening(table), *table.notes, *not_used(table)]
    for level in ("red", "amber"):
        lines += [f"{level:6s}{one.sentence}" for one in results if one.level == level]
    counted = ", ".join(f"{sum(one.level == level for one in results)} {level}" for level in LEVELS)
    lines.append(f"{len(results)} checks: {counted}")
    if table.synthetic:
        lines.append("Synthetic data: nothing of this is a clinical finding.")
    return lines


def _read(request: AuditRequest, progress: Callable[[str], object] | None) -> AuditTable:
    folders = [path for path in request.tables if Path(path).is_dir()]
    if folders and len(request.tables) > 1:
        raise InputError(f"{folders[0]} is a folder: audit one folder by itself")
    if folders:
        check_no_folder_of_tables(Path(folders[0]))
        if request.layout not in ("auto", "folder"):
            raise InputError(
                f"{folders[0]} is a folder; its layout is folder, not {request.layout}"
            )
        if request.images is not None:
            raise InputError("--images goes with a table; a folder's own images are read anyway")
        table = read_folder(Path(folders[0]), request.label, progress)
    else:
        column = None if request.scores is not None else request.score_column
        table = read_tables(request.tables, request.layout, request.label, column)
    if request.scores is not None:
        table = with_scores(table, request.scores, request.score_column)
    if request.images is not None and not table.rows.empty:
        table = replace(table, images=images_of(table.rows, request.images, progress))
    if request.features is not None and not table.rows.empty:
        table = with_features(table, request.features)
    return table


def _plain(one: Result) -> dict[str, object]:
    """A result with null where JSON knows no NaN."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(one).items()
    }


def _as_frame(results: Sequence[Result]) -> pd.DataFrame:
    return pd.DataFrame([asdict(one) for one in results])
