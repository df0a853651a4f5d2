"""The command `mammolab triage`: from a file of scores to a folder with a sheet of two pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mammolab import __version__
from mammolab.clinic import tables, words
from mammolab.clinic.analysis import Analysis, analyse
from mammolab.clinic.figures import draw_figures
from mammolab.clinic.folder import OutputFolder, write_csv
from mammolab.clinic.scores import read_scores
from mammolab.clinic.settings import Settings
from mammolab.clinic.sheet import set_sheet
from mammolab.files import write_json
from mammolab.report.style import save_svg, style

SHEET = "report.pdf"


@dataclass(frozen=True)
class TriageRequest:
    """Everything that determines the output."""

    scores: Path
    settings: Settings
    subgroups: str | None = None
    lower_is_suspicious: bool = False
    synthetic: bool = False


def triage(request: TriageRequest, out: Path, say: Callable[[str], None] = print) -> Path:
    """Calibrate, choose a threshold, simulate, and write all of it to a folder.

    Parameters
    ----------
    request : TriageRequest
    out : Path
        New, empty, or an earlier output of this command, which is replaced.
    say : callable
        Takes one line of the summary; the last is the path of the sheet.

    Returns
    -------
    Path
        The sheet.

    Raises
    ------
    InputError
        One sentence when the file, an option or the folder cannot be used; nothing has been
        written then.
    """
    out = Path(out).resolve()
    folder = OutputFolder(out, command="mammolab triage", record="triage.json")
    folder.check()
    scores = read_scores(request.scores, request.subgroups, request.lower_is_suspicious)
    if request.synthetic:
        scores = replace(scores, synthetic=True)
    analysis = analyse(scores, request.settings)

    def write(into: Path) -> None:
        write_files(analysis, into)
        folder.write_record(into, _facts(analysis))

    folder.fill(write)
    for line in words.summary(analysis):
        say(line)
    say(f"report: {out / SHEET}")
    return out / SHEET


def write_files(a: Analysis, folder: Path) -> None:
    """Write every file of the output but the record; the same analysis gives the same bytes."""
    for name, value in (
        ("calibrator", tables.calibrator(a)),
        ("threshold", tables.threshold(a)),
        ("certificate", tables.certificate(a)),
        ("numbers", tables.numbers(a)),
    ):
        write_json(folder / f"{name}.json", value)
    for name, frame in (
        ("scores_calibrated", tables.scores_calibrated(a)),
        ("simulation", tables.simulation(a)),
        ("rules", tables.rules(a)),
        ("subgroups", a.subgroups),
        ("missed", tables.missed(a)),
    ):
        write_csv(frame, folder / f"{name}.csv")
    with style():
        drawn = [
            save_svg(figure, folder / "figures" / f"{name}.svg") for name, figure in draw_figures(a)
        ]
    set_sheet(a, drawn, folder / SHEET)


def _facts(a: Analysis) -> dict:
    return {
        "mammolab": __version__,
        "file": a.scores.file,
        "sha256": a.scores.sha256,
        "settings": asdict(a.settings),
        "lower_is_suspicious": a.scores.lower_is_suspicious,
        "subgroups": list(a.scores.subgroups),
        "synthetic": a.scores.synthetic,
        "decisions": words.decisions(a),
    }
