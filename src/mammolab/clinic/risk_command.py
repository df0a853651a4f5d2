"""The command `mammolab risk`: from a table of women to a folder with the risk of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mammolab import __version__
from mammolab.clinic.folder import OutputFolder, write_csv
from mammolab.clinic.risk_images import ScoreFiles, digests, images_folder, with_image_risk
from mammolab.clinic.risk_scores import RiskScores, score_women
from mammolab.clinic.risk_table import read_women
from mammolab.clinic.risk_trained import load_models
from mammolab.clinic.risk_words import distribution, summary
from mammolab.errors import InputError

TABLE = "risk.csv"


@dataclass(frozen=True)
class RiskRequest:
    """Everything that determines the output.

    table : CSV or Parquet.
    horizon_years : of the projection beside those of five years and to age 90.
    run, models : whose trained models score too: a run under build/, or a folder of models.
    images : folder where the names in column image_files start; None for that of the table.
    """

    table: Path
    horizon_years: float = 10.0
    run: str | None = None
    models: Path | None = None
    images: Path | None = None


def risk(
    request: RiskRequest,
    out: Path,
    score_files: ScoreFiles,
    say: Callable[[str], None] = print,
) -> Path:
    """Score a table of women and write all of it to a folder.

    Parameters
    ----------
    request : RiskRequest
    out : Path
        New, empty, or an earlier output of this command, which is replaced.
    score_files : callable
        What scores image files, where the table names any.
    say : callable
        Takes one line of the summary; the last is the path of the table.

    Returns
    -------
    Path
        The table, risk.csv.

    Raises
    ------
    InputError
        One sentence when the file, an option or the folder cannot be used; nothing has been
        written then.
    """
    out = Path(out).resolve()
    if out.suffix.lower() in (".csv", ".parquet"):
        raise InputError(
            f"--out names a folder, which gets {TABLE} and more, not a file: {out.name}"
        )
    folder = OutputFolder(out, command="mammolab risk", record="risk.json")
    folder.check()
    trained = load_models(request.run, request.models)
    women = read_women(request.table, trained.wanted if trained else ())
    if request.images is not None and women.files.empty:
        raise InputError(
            "--images is where the files of column image_files lie: the table names none, or no "
            "--run or --models is given to score them"
        )
    if len(women.files):
        folder_of_files = images_folder(request.table, request.images)
        women = with_image_risk(women, trained, folder_of_files, score_files)
    scores = score_women(women, trained, request.horizon_years)

    def write(into: Path) -> None:
        write_files(scores, into)
        folder.write_record(into, _facts(scores))

    folder.fill(write)
    for line in summary(scores):
        say(line)
    say(f"table: {out / TABLE}")
    return out / TABLE


def write_files(s: RiskScores, folder: Path) -> None:
    """Write every file of the output but the record; the same scores give the same bytes."""
    write_csv(s.table, folder / TABLE)
    names = ["column", "value", "problem"]
    found = s.women.problems
    of_women = s.women.ids.iloc[found["position"]].reset_index(drop=True)
    write_csv(
        of_women.assign(row=found["row"], **{name: found[name] for name in names}),
        folder / "problems.csv",
    )
    from mammolab.clinic.risk_figure import draw_five_year_risk  # slow to import, for matplotlib
    from mammolab.report.style import save_svg, style

    with style():
        figure = draw_five_year_risk(s)
        if figure is not None:
            save_svg(figure, folder / "five_year_risk.svg")


def _facts(s: RiskScores) -> dict:
    return {
        "mammolab": __version__,
        "file": s.women.file,
        "sha256": s.women.sha256,
        "synthetic": s.women.synthetic,
        "horizon_years": s.horizon_years,
        "n_rows": len(s.table),
        "n_with_problems": int(s.has_problem.sum()),
        "n_with_imputed_factors": int((s.table["factors_imputed"] != "").sum()),
        "distribution": [
            {name: _plain(value) for name, value in row.items()} for row in distribution(s)
        ],
        "stand_ins": {one.model: dict(one.stand_ins) for one in s.verdicts if one.stand_ins},
        "trained": None
        if s.trained is None
        else {"synthetic": s.trained.synthetic, "sha256": dict(s.trained.sha256)},
        "images": None
        if s.women.files.empty
        else {"n_files": len(s.women.files), "sha256": digests(s.trained.folder)},
        "skipped": list(s.skipped),
        "columns_absent": list(s.women.absent),
        "columns_unused": list(s.women.unused),
    }


def _plain(value: object) -> object:
    """A value that JSON knows; NaN becomes null."""
    if not isinstance(value, float | np.floating):
        return value
    return None if np.isnan(value) else float(value)
