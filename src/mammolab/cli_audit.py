"""The command `mammolab audit`."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mammolab.errors import InputError


def audit(
    tables: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="TABLE...",
            help="Cohort table: CSV, *.csv.gz, *.parquet; several of one layout; or one folder.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder: new, empty, or an earlier output.")
    ] = None,
    layout: Annotated[
        str, typer.Option(help="auto, own, rsna, cbis, cmmd, nih, nyu or folder.")
    ] = "auto",
    label: Annotated[
        str | None,
        typer.Option(help="A finding (nih), a class (folder), or the column of the label (own)."),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(help="Table with score or probability by image_id or exam_id."),
    ] = None,
    score_column: Annotated[
        str | None, typer.Option(help="The column that is the score, by another name.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of PNG, JPEG or DICOM named by image_file, image_id or exam_id."),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            help="Table of a network's features by image_id or exam_id: all else numbers."
        ),
    ] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(help="Share of positives in the population; screening: 0.006."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="On the score; when not given, the one that flags 10% of negatives."),
    ] = None,
    disclosure: Annotated[
        Path | None,
        typer.Option(help="YAML file with n_candidates, n_test_looks, n_seeds."),
    ] = None,
    fail_on: Annotated[
        str, typer.Option(help="Exit code 1 on red, on amber (or red), or never.")
    ] = "red",
    seed: Annotated[int, typer.Option(help="Of folds, permutations and bootstraps.")] = 2019,
    example: Annotated[
        Path | None,
        typer.Option("--example", metavar="FILE", help="Write an example table and stop."),
    ] = None,
) -> None:
    """Ask of a cohort table what its authors should have asked: red, amber or green, and why.

    Every check that the table has the columns for is run; the others are listed with what they
    lack. The folder gets audit.pdf, audit.json, audit.csv and a figure. Exit code 0, or 1 where a
    check is red (--fail-on), or 2 where the input cannot be used. Where nothing could be judged the
    last line says so, and the exit code is 0.

    Each check may be red by chance on one clean table in twenty at most, so that many together are
    red somewhere more often: 6 red marks on 40 clean tables of the benchmark. One red that stands
    alone, barely beyond its limit, may be chance.

    \b
    Columns, each used where it is there; blank is unknown, never "no":
      patient_id, exam_id, image_id, image_file
                      text; rows of one exam are taken together
      split           such as train, dev, test; a score is then judged on test alone
      cancer          the label: 0 or 1 (or --label)
      exam_date, diagnosis_date
                      YYYY-MM-DD
      follow_up_days  from the exam to the last day anything was known
      time_years, event
                      for risk: event 1 is cancer
      site, device, view, exam_year, age_years, density, race_ethnicity, sex, implant
      recalled, or birads
                      what readers decided
      included        0 for an exam that was left out of the study
      score, probability
                      or in a file of their own (--scores)
      sampling_weight 1 over the probability that the exam was sampled
      synthetic       1 where the data are made up; the report is then marked

    \b
    Published layouts are told by their columns: RSNA 2022, CBIS-DDSM case descriptions (give all
    four files at once), CMMD, NIH ChestX-ray14 (--label Pneumonia, or any), NYU reader study
    (--score-column AI_GMIC_top5_POM); and folders of images as split/class/patient_number.png.

    \b
    Examples:
      mammolab audit --example cohort.csv
      mammolab audit cohort.csv --out audit
      mammolab audit cohort.csv --out audit --scores scores.csv --images png --fail-on amber
      mammolab audit cohort.csv --out audit --features features.parquet
      mammolab audit train.csv --out rsna
      mammolab audit Data_Entry_2017_v2020.csv --out nih --label Pneumonia
      mammolab audit chest_xray --out chest
    """
    if example is not None:
        from mammolab.audit.example import audit_example_rows
        from mammolab.clinic.example import write_example

        write_example(example, audit_example_rows())
        print(f"written: {example}, made by formula; try: mammolab audit {example} --out audit")
        return
    if not tables or out is None:
        raise InputError(
            "audit needs a table and a folder: mammolab audit TABLE.csv --out DIR (the columns: "
            "mammolab audit --help, or --example FILE)"
        )
    from mammolab.audit.command import AuditRequest
    from mammolab.audit.command import audit as audit_tables

    request = AuditRequest(
        tuple(tables), layout, label, scores, score_column, images, features, prevalence,
        threshold, disclosure, fail_on, seed,
    )  # fmt: skip
    code = audit_tables(request, out, print, partial(print, file=sys.stderr, flush=True))
    if code:
        raise typer.Exit(code)
