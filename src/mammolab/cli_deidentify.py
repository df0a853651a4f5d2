"""`mammolab deidentify`: a hospital's mammograms and tables without identities."""

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer


def deidentify(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Of DICOM files, or a raw export.")
    ],
    out: Annotated[Path, typer.Option("--out", help="New or empty folder, or an earlier output.")],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="FILE",
            help="Secret key; made on first use.  [default: ~/.mammolab/deidentify.key]",
        ),
    ] = None,
    table: Annotated[
        list[Path] | None,
        typer.Option(
            "--table", metavar="FILE.csv", help="A table with patient_id to treat too. Repeatable."
        ),
    ] = None,
    keep_column: Annotated[
        list[str] | None,
        typer.Option(
            "--keep-column", metavar="NAME", help="Column of tables to keep as it is. Repeatable."
        ),
    ] = None,
    refuse_burned_in: Annotated[
        bool, typer.Option("--refuse-burned-in", help="Leave out images with likely text in them.")
    ] = False,
    search_only: Annotated[
        bool,
        typer.Option(
            "--search-only", help="Write nothing; search --out, whoever made it, for leaks."
        ),
    ] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes; all cores when not given.")
    ] = None,
) -> None:
    """Take identities out of mammograms and tables, keep what research needs, and search for leaks.

    Attributes follow DICOM PS3.15 Annex E (basic profile) by the library dicom-anonymizer; what
    Annex E does not name is kept only if it is needed to read or describe a mammogram. Every file
    is accounted for; what is no mammogram or cannot be read is not copied. Pixels stay as they
    are; bytes behind them and comments in compressed streams go.

    \b
    Kept:      age (above 89: 90), breast, view, implant, spacing, windows, exposure, compression,
               maker, model and software version; of tables the columns that mammolab knows
    Replaced:  patient ids, accession numbers, UIDs (the same key gives the same ones, so that
               later deliveries link); sites, readers and devices of tables
    Moved:     dates, back by 1 to 364 days, and times, by up to 6 hours, per patient: days between
               events stay true, seasons and weekdays do not
    Removed:   all else: names, birth dates, sex, places, serial numbers, private and free text,
               overlays, icons, the 128 bytes before the header

    With export.json in FOLDER its tables are treated too, so that chapters run on the result. Who
    was seen after registry_complete_through gets that day as last contact, and exams after it are
    left out: with dates moved per patient, no later step could cut follow-up there.

    Then every file and table written is searched for every identifier of the sources. One in which
    something is found is withdrawn, and the exit code is 1. --search-only does this alone, on the
    output of any program; without the key beside which links lie, pixel data are not searched.

    \b
    --out gets dicom/PATIENT/EXAM/UID.dcm, the tables, and DEIDENTIFICATION.md: counts, reasons,
    attributes removed, images that may have text burned in. Beside the key (KEY.private/) lie
    files.csv and patients.csv, which link old to new, and burned_in.png: look at it. Never hand
    these or the key on.

    \b
    Limits: images with text burned in are written with a warning unless --refuse-burned-in; text
    over the breast, small or faint, is not found; pixels can be matched with other mammograms of
    the same woman; free text (pathology reports) is left out, not cleaned; rare combinations may
    point to someone; identifiers of fewer than 4 characters (names 3) are not searched. No legal
    opinion.

    \b
    Examples:
      mammolab deidentify /pacs/export --out shared --key /secure/study.key
      mammolab deidentify raw --out shared --key /secure/study.key --keep-column device
      mammolab deidentify /pacs/2025 --out shared2025 --key /secure/study.key --refuse-burned-in
      mammolab deidentify /pacs/export --out shared --table scores.csv --keep-column score
      mammolab deidentify /pacs/export --out made_by_another_tool --search-only
    """
    from mammolab.data.deidentify.command import REPORT, DeidentifyRequest
    from mammolab.data.deidentify.command import deidentify as run
    from mammolab.data.deidentify.search import search

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = cores if workers is None else workers
    key, tables = key or Path.home() / ".mammolab" / "deidentify.key", tuple(table or ())
    if search_only:
        n_files, found = search(folder, out, key, tables, workers, partial(print, flush=True))
        for path, hits in found.items():
            print(f"{path}: {'; '.join(hits)}")
        print(f"{n_files} files searched, something found in {len(found)}")
        raise typer.Exit(1 if found else 0)
    request = DeidentifyRequest(
        folder=folder,
        out=out,
        key=key,
        tables=tables,
        keep_columns=tuple(keep_column or ()),
        refuse_burned_in=refuse_burned_in,
        workers=workers,
    )
    outcome = run(request, partial(print, flush=True))
    counts = [f"{len(outcome.with_status(one))} {one}" for one in ("written", "refused")]
    print(f"{len(outcome.answers)} files, {', '.join(counts)}: {out / REPORT}")
    if outcome.n_leaks:
        print(f"leak test: {outcome.n_leaks} files or tables withdrawn; {out / REPORT} says why")
        raise typer.Exit(1)
