"""`mammolab mirai`: the cohort of a run as the CSV that Mirai reads."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mammolab.errors import MissingInput
from mammolab.paths import RunPaths, image_folder, run_root
from mammolab.schemas import read_table

TABLES = ("cohort", "outcomes", "dicom_index")


def mirai(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder under build/.")],
    out: Annotated[Path, typer.Option("--out", help="CSV file to write.")],
    images: Annotated[
        Path | None,
        typer.Option(
            "--images", help="Folder of the converted images; that of the exports if not given."
        ),
    ] = None,
    suffix: Annotated[
        str,
        typer.Option("--suffix", help="Ending of the converted images; Mirai reads 16-bit PNG."),
    ] = ".png",
) -> None:
    """Write a run's cohort as the CSV that Mirai validates on: four views an exam, years to cancer.

    Needs chapters 02 and 03 of the run. What Mirai would drop in silence is left out by name: the
    counts are printed. Images are not converted: the paths are those of the DICOM files with another
    ending, below --images.

    \b
    Examples:
      mammolab mirai demo --out mirai.csv
      mammolab mirai own_data --images /data/png --out mirai.csv
    """
    from mammolab.data.adapters.mirai_export import mirai_export, write_mirai_csv

    paths = RunPaths(run_root(Path("build") / run))
    missing = [str(paths.table(name)) for name in TABLES if not paths.table(name).exists()]
    if missing:
        raise MissingInput(
            f"the run {run} has no {', '.join(missing)}; ./run_all.sh 03_images --run {run} makes them."
        )
    cohort, outcomes, index = (read_table(paths.table(name), name) for name in TABLES)
    own_raw = json.loads((paths.root / "run.json").read_text(encoding="utf-8"))["raw"]
    root = images or image_folder(Path(own_raw) if own_raw else paths.raw)
    export = mirai_export(cohort, outcomes, index, root.resolve(), suffix)
    write_mirai_csv(export.rows, out)
    for step in export.flow.itertuples():
        print(f"{step.step}: {step.n_exams:,} exams" + (f" ({step.reason})" if step.reason else ""))
    print(f"{out}: {len(export.rows):,} images")
