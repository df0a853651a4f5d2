"""`mammolab ingest`: a hospital's image files to images a network can read."""

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer


def ingest(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of files, at any depth.")],
    out: Annotated[Path, typer.Option("--out", help="New or empty folder, or an earlier output.")],
    rows: Annotated[int, typer.Option(help="Height of an image in pixels.")] = 1024,
    columns: Annotated[int, typer.Option(help="Its width.")] = 832,
    spacing_mm: Annotated[
        float | None,
        typer.Option(
            "--spacing-mm",
            help="Pixel spacing of every image; else each is made to fit, none enlarged.",
        ),
    ] = None,
    min_views: Annotated[
        int, typer.Option("--min-views", help="Leave out exams with fewer of the four views.")
    ] = 1,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table", metavar="FILE.csv", help="Whose and which view files are; see above."
        ),
    ] = None,
    film: Annotated[
        bool, typer.Option("--film", help="Take digitised film too (secondary capture, CR).")
    ] = False,
    tomosynthesis: Annotated[
        str,
        typer.Option(help="reject, or middle: the middle slice of views without a 2-D image."),
    ] = "reject",
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes; all cores when not given.")
    ] = None,
) -> None:
    """Convert a folder of DICOM, PNG and PGM files, and account for every file in it.

    Any tree will do: the header of a file is believed, its name is not. Each file ends up as an
    image or with a reason. The folder gets index.csv (a row a file), images.csv (a row an image:
    window, inversion, mirroring, spacing, crop), images.npy (8 bits, images x rows x columns; an
    image is images.npy[row], row being a column of images.csv, and rows that are in no line are no
    longer used), ACCOUNT.md (counts by reason, vendor and transfer syntax) and contact_sheet.png:
    look at it.

    A run that was stopped goes on when it is started again. New files are added behind the images
    that are there; with another size or spacing a new array is made.

    \b
    Order of operations, the same for every vendor:
      modality LUT; the file's VOI LUT, else its first window, else the range of the breast;
      MONOCHROME1 inverted; padding black; chest wall to the left; scaled alike in both
      directions; padded with black, never stretched

    \b
    What is used:
      2-D mammograms for presentation, CC or MLO; synthetic 2-D where an exam has no other
      image of the view. Of a repeated view the one taken last, implant-displaced first;
      of copies the one seen first.
      Left out with a reason: for processing, spot, magnification and partial views, biopsy,
      contrast, projections, volumes, copies, and what is broken.

    \b
    Columns of the table (path is needed; the rest where the files do not say it):
      path         below FOLDER
      exam_id, patient_id, image_id, laterality (L R), view (CC MLO)
      spacing_mm, photometric, window_center, window_width, manufacturer, model
      use, reason  0 leaves a file out, for that reason
    PNG and PGM files need exam_id, patient_id, laterality and view.

    \b
    Examples:
      mammolab ingest /pacs/export --out images
      mammolab ingest /pacs/export --out images --spacing-mm 0.1 --rows 2400 --columns 1800
      mammolab ingest cbis --out images --film --table images.csv
      mammolab ingest dbt --out images --tomosynthesis middle --min-views 4
    """
    from mammolab.data.ingest_command import IngestRequest
    from mammolab.data.ingest_command import ingest as run
    from mammolab.data.source import SourceRules

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    request = IngestRequest(
        folder=folder,
        out=out,
        rows=rows,
        columns=columns,
        spacing_mm=spacing_mm,
        min_views=min_views,
        table=table,
        rules=SourceRules(film, tomosynthesis),
        workers=cores if workers is None else workers,
    )
    n_files, n_images = run(request, partial(print, flush=True))
    print(f"{n_files} files, {n_images} images: {out / 'ACCOUNT.md'}")
