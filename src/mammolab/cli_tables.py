"""Commands on a user's own table: `mammolab triage`, `mammolab risk`."""

from pathlib import Path
from typing import Annotated

import typer

from mammolab.errors import InputError


def triage(
    scores: Annotated[
        Path | None, typer.Argument(metavar="SCORES", help="Table of scores: CSV, or *.parquet.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder: new, empty, or an earlier output.")
    ] = None,
    rule: Annotated[
        str,
        typer.Option("--rule", help="certified, minimum or mean_of_bootstrap_minima."),
    ] = "certified",
    target_sensitivity: Annotated[
        float, typer.Option(help="Share of caught cancers that 'certified' promises to keep.")
    ] = 0.95,
    confidence: Annotated[float, typer.Option(help="Of that promise.")] = 0.95,
    margin: Annotated[float, typer.Option(help="Loss of sensitivity held acceptable.")] = 0.05,
    calibrator: Annotated[
        str, typer.Option(help="platt, isotonic, beta, temperature or raw.")
    ] = "platt",
    subgroups: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Columns to report by, or none; see above."),
    ] = None,
    lower_is_suspicious: Annotated[
        bool, typer.Option("--lower-is-suspicious", help="A low score means cancer.")
    ] = False,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Mark the report as made from synthetic data.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the patient bootstrap.")] = 2019,
    replicates: Annotated[int, typer.Option(help="Bootstrap replicates.")] = 2000,
    example: Annotated[
        Path | None,
        typer.Option("--example", metavar="FILE", help="Write an example table and stop."),
    ] = None,
) -> None:
    """Calibrate, threshold and simulate on your own scores; nothing is trained.

    One row an exam. On one half of the women (dev) the scores are calibrated and a threshold is
    chosen from the cancers that readers caught; on the other half (test) the readers' decisions
    are replayed with the exams below it left unread. The folder gets report.pdf (two pages),
    figures, calibrator, threshold, certificate and tables.

    \b
    Columns needed:
      patient_id  text; all exams of a woman fall on one side of the split
      exam_id     text, each once
      score       a number, higher is more suspicious (else --lower-is-suspicious)
      cancer      cancer within the outcome window, such as a year: 0 or 1

    \b
    Columns used where they are there:
      recall      the readers' decision: 0 or 1; without it only the score is judged
      birads      stands in where recall is absent or blank: 0, 3, 4, 5 recalled, 1, 2 not;
                  where the two differ recall is followed, and the report says so
      weight      1 over the probability that the exam was sampled; 0 leaves it out
      split       dev or test; else a hash of patient_id halves the women
      age_band, race_ethnicity, density, device, site
                  subgroups; --subgroups names others instead, "none" uses none
      synthetic   1 where the data are made up; the report is then marked

    \b
    Any other column is left alone, and named. Flags may also read true, false, yes, no.
    Columns are parted by commas, semicolons, tabs or bars.

    \b
    Rules for the threshold:
      certified   the highest that keeps the target with the stated confidence (exact binomial
                  bound); 95% at 95% takes 59 caught cancers in dev
      minimum     the lowest caught cancer of dev: promises what their number allows
      mean_of_bootstrap_minima
                  as published; it lies higher, and its promise is only nominal

    \b
    Examples:
      mammolab triage --example scores.csv
      mammolab triage scores.csv --out triage
      mammolab triage scores.csv --out triage --subgroups density,vendor --target-sensitivity 0.98
      mammolab triage scores.parquet --out triage --rule minimum --calibrator isotonic
    """
    from mammolab.clinic.settings import Settings

    if example is not None:
        from mammolab.clinic.example import example_rows, write_example

        write_example(example, example_rows())
        print(f"written: {example}, made by formula; try: mammolab triage {example} --out triage")
        return
    if scores is None or out is None:
        raise InputError(
            "triage needs a table and a folder: mammolab triage SCORES.csv --out DIR (the form of "
            "the table: mammolab triage --help, or --example FILE)"
        )
    settings = Settings(rule, target_sensitivity, confidence, margin, calibrator, seed, replicates)
    from mammolab.clinic.command import TriageRequest
    from mammolab.clinic.command import triage as triage_scores

    request = TriageRequest(scores, settings, subgroups, lower_is_suspicious, synthetic)
    triage_scores(request, out)


def risk(
    table: Annotated[
        Path | None, typer.Argument(metavar="TABLE", help="Table of women: CSV, or *.parquet.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder: new, empty, or an earlier output.")
    ] = None,
    horizon_years: Annotated[
        float, typer.Option("--horizon", help="Years of one more projection.")
    ] = 10.0,
    run: Annotated[
        str | None,
        typer.Option("--run", help="Score with the models of this run under build/ too."),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option("--models", help="Or with those of a folder, such as build/demo/models/risk."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder of the files in image_files; else the table's."),
    ] = None,
    example: Annotated[
        Path | None,
        typer.Option("--example", metavar="FILE", help="Write an example table and stop."),
    ] = None,
) -> None:
    """Score a table of women: the risk of breast cancer within years.

    By the published Gail model (BCRAT): within five years, within --horizon, and to age 90; with
    --run or --models also by the models that a run has trained, without the lifetime. One row a
    woman; the folder gets risk.csv with the same women in the same order, problems.csv,
    five_year_risk.svg and risk.json. No row is dropped: where a cell cannot be, the risks that
    need it are empty and the column problem says why.

    \b
    Columns needed (a factor nobody knows is a blank column):
      exam_id                each once; woman_id or patient_id will do
      age_years              from 20 to below 90; or birth_date and exam_date, YYYY-MM-DD
      race_ethnicity         white, black, asian, hispanic, other; or a group of the published
                             tool: hispanic_us_born, hispanic_foreign_born, chinese, japanese,
                             filipino, hawaiian, other_pacific_islander, other_asian,
                             native_american_or_unknown
      family_history_n       mother, sisters and daughters with breast cancer
      menarche_age_years
      n_births
      age_first_birth_years  98: no birth
      n_biopsies
      atypia                 atypical hyperplasia in a biopsy: 0 or 1; 0 without a biopsy (Gail
                             takes a blank for that too, a trained model for unknown)

    \b
    Columns for the trained models:
      density                a, b, c, d
      menopausal_status      pre, post
      bmi
      brca                   carrier of a mutation: 0 or 1
      image_files            DICOM files of the exam, parted by semicolons, from the table's
                             folder or --images: decoded as the run's own, described by its
                             detector and averaged over the views
      image_risk             or what the run's logistic image model has given, from 0 to 1, which
                             then counts; without either the models image and hybrid are skipped,
                             and without files hazard_image and hazard_hybrid

    \b
    Blank or 99 (not for bmi) is unknown. factors_used names what entered, factors_missing what
    was unknown, factors_imputed what a model took in its place; note tells how the published tool
    reads an odd record. Columns are parted by commas, semicolons, tabs or bars. A file that is
    missing, broken or no screening mammogram is a problem of its row; her other files count.

    \b
    Examples:
      mammolab risk --example women.csv
      mammolab risk women.csv --out risk
      mammolab risk women.csv --out risk --horizon 15
      mammolab risk women.csv --out risk --run demo
      mammolab risk women.parquet --out risk --models build/demo/models/risk
      mammolab risk women.csv --out risk --run demo --images /data/dicom
        where column image_files holds, say, P1/lcc.dcm;P1/lmlo.dcm;P1/rcc.dcm;P1/rmlo.dcm
    """
    if example is not None:
        from mammolab.clinic.example import write_example
        from mammolab.clinic.risk_example import risk_example_rows

        write_example(example, risk_example_rows())
        print(f"written: {example}, made by formula; try: mammolab risk {example} --out risk")
        return
    if table is None or out is None:
        raise InputError(
            "risk needs a table and a folder: mammolab risk TABLE.csv --out DIR (the form of the "
            "table: mammolab risk --help, or --example FILE)"
        )
    from mammolab.clinic.risk_command import RiskRequest
    from mammolab.clinic.risk_command import risk as score_table

    score_table(RiskRequest(table, horizon_years, run, models, images), out, _score_image_files)


def _score_image_files(*inputs):
    """Score the files of a table; the network is imported where there are any."""
    from mammolab.risk.image_files import score_image_files

    return score_image_files(*inputs)
