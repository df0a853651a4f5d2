"""`mammolab tables`: what a hospital's own exports must hold, and whether they do."""

from pathlib import Path
from typing import Annotated

import typer


def tables(
    check: Annotated[
        Path | None, typer.Option("--check", metavar="RAW", help="Read the exports in this folder.")
    ] = None,
) -> None:
    """List the tables of a hospital's exports column by column, or check a folder of them.

    The folder holds export.json, four CSV files and dicom/ with the images in any folders; a
    profile names it (configs/own_data.yaml). With --check the tables are read as chapter 02 reads
    them: a mistake is told in one sentence with file, column and the first rows, else the rows are
    counted, and what the rules of the cohort would remove.

    \b
    Examples:
      mammolab tables
      mammolab world --women 200 --out example --no-images
      mammolab tables --check example/raw
    """
    from mammolab.data.exports import account, listing

    for line in listing() if check is None else account(check):
        print(line)
