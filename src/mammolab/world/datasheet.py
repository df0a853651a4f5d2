"""The data sheet of an export: what it is, how it was made, what it may be used for.

Headings follow Gebru et al., Datasheets for datasets, doi:10.1145/3458723. Every number is
counted in the export at hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mammolab import __version__
from mammolab.data.meanings import MEANINGS
from mammolab.world import columns, targets
from mammolab.world import parameters as p
from mammolab.world.programme import Programme

if TYPE_CHECKING:
    from mammolab.world.command import WorldRequest

ENOUGH_WOMEN = 2_000  # below, the comparison with published programmes tells too little
RAW_FRAMES = {
    "ehr/patients.csv": "patients",
    "ehr/exams.csv": "exams",
    "registry/cancers.csv": "registry",
    "pathology/reports.csv": "pathology",
}

WHAT = """# Data sheet: a synthetic breast-screening programme

**Synthetic.** No row and no image in this folder comes from a patient. A computer program made \
everything from published figures and assumptions. A result on these data is no clinical finding.

## What it is for

A stand-in for what a hospital hands over for research on screening mammography: tables of the \
health record, a cancer registry, pathology reports and DICOM mammograms. The truth behind them is \
known and lies apart, in `truth/`.

Meant for: teaching; testing software that reads, stores, de-identifies or scores mammograms; \
rehearsing an analysis before real data arrive; data challenges in which the organiser keeps \
`truth/`.

Not meant for: training or judging anything that will be used on women; claims on how well a \
method works in practice; claims on any group of people, vendor, hospital or reader; mixing \
unmarked into real data."""

HOW = """## How it was made

Women get risk factors, breasts and a hazard; invasive cancers are laid out backwards from the age \
at which symptoms would show them, in situ cancers apart; women attend, are read by simulated \
radiologists, recalled and biopsied; registry and pathology write down what reaches them, late and \
with gaps. Each image is drawn from the woman's anatomy, which stays hers over the years and \
views, with lesions at their true place and size, and passed through one of several invented \
vendors' processing. The constants, each with unit, meaning and source or the word "assumption", \
are in `mammolab.world.parameters`.

The same arguments and version give the same files, byte for byte, on any number of processes. A \
larger export with the same seed begins with the same women."""

MISSING = """## What is missing on purpose

A hospital's data have gaps, and so have these. They are left in so that an analysis meets them:

- fields of the patient table are blank where nobody asked (shares below);
- women leave the hospital, move away or die: `last_contact_date` is the last day anyone knew;
- the registry is late and holds none of the cases reported after the extract; {unlinked} of its \
{rows} rows found no patient; a few are filed under another woman;
- cancers of women who had left the registry's area are not in it; of {true} cancers diagnosed by \
the extract, {registered} are in the registry and {pathology} in the hospital's pathology;
- the images are what an archive really holds: some views were taken twice or in two parts, some \
exams have extra views, raw images, dose screens or notes, and a few files are damaged;
- `sampling_weight` is 1 / the known probability that an exam's images were pulled: weight by it."""

FLAWS = """## Known flaws

- Lesion contrast is multiplied by {conspicuity:g} (1 is physical), so that lesions show in coarse \
pixels. Detection on these images says nothing about detection on real ones.
- Anatomy, processing and noise imitate what mammograms look like; they are not a physical \
simulation of X-rays, scatter or a detector, and a trained eye tells them from real ones.
- The vendors are invented. None describes a real manufacturer.
- Most risk factors are independent of each other given race and age; real ones are not.
- Recorded covariates do not change between exams, apart from age.
- {seen}
- One cancer a woman is diagnosed; second cancers and metastases are left out, and a treated \
breast looks as before.
- Race and ethnicity enter through published incidence, density and case mix. The category \
"other" borrows the numbers of White women.
- Where sources disagree or are silent, the constant says "assumption"."""

WHAT_READERS_SEE = {
    "pictures": "Readers see each lesion as its picture shows it, but at 256 x 208 pixels and a "
    "conspicuity of 4, whatever this export's.",
    "formula": "Readers see each lesion as pictures show such lesions on average, with scatter: no "
    "picture was drawn.",
}

TERMS = """## Terms and upkeep

MIT licence, as the program that made it. Say that the data are synthetic wherever they or results \
on them are shown. Cite mammolab (CITATION.cff in its repository); report errors there. Nothing \
is corrected in place: a new version makes a new export.
"""


def data_sheet(programme: Programme, request: WorldRequest, folder: Path) -> str:
    """Write the data sheet of an export.

    Parameters
    ----------
    programme : Programme
        What was exported.
    request : WorldRequest
        How it was made.
    folder : Path
        The export, with its files in place: they are counted.

    Returns
    -------
    str
        Markdown.
    """
    missing = MISSING.format(**_gaps(programme))
    if not request.images:
        missing = missing[: missing.index("\n- the images")] + "\n- no images were asked for."
    parts = [
        WHAT,
        _composition(programme, folder),
        HOW,
        _parameters(request),
        _comparison(programme),
        missing,
        _dictionary(programme),
        FLAWS.format(
            conspicuity=request.conspicuity,
            seen=WHAT_READERS_SEE["pictures" if request.images else "formula"],
        ),
        TERMS,
    ]
    return "\n\n".join(parts)


def describe(table: str, frame: pd.DataFrame, meanings: dict[str, tuple[str, str]]) -> str:
    """Return the dictionary of one table: column, unit, share of blanks, meaning."""
    rows = []
    for name in frame.columns:
        unit, meaning = meanings.get(name, ("", "not described"))
        blank = frame[name].isna().mean() if len(frame) else 0.0
        rows.append((f"`{name}`", unit, f"{100 * blank:.1f}%" if blank else "", meaning))
    return f"### {table}\n\n" + _markdown(("column", "unit", "blank", "meaning"), rows)


def _composition(programme: Programme, folder: Path) -> str:
    exams, women = programme.exams, programme.truth_women
    images = list((folder / "raw" / "dicom").rglob("*.dcm"))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    diagnosed = women["mode"] != ""
    rows = [
        ("women", f"{len(women):,}"),
        ("exams", f"{len(exams):,}"),
        ("of them screening", f"{(exams['indication'] == 'screening').sum():,}"),
        ("exams with images", f"{len(programme.pixels_exams):,}"),
        ("DICOM files", f"{len(images):,}"),
        ("cancers diagnosed by the extract", f"{diagnosed.sum():,}"),
        ("of them in situ", f"{(diagnosed & ~women['invasive']).sum():,}"),
        ("exams from", str(exams["exam_date"].min().date())),
        ("exams to", str(exams["exam_date"].max().date())),
        ("written by the hospital on", p.EXTRACT_DATE.value),
        ("registry thought complete up to", p.REGISTRY_COMPLETE.value),
        ("size on disk", f"{size / 1e6:,.3g} MB"),
    ]
    text = "## What is in it\n\n" + _markdown(("", ""), rows)
    for column in ("site", "device", "density"):
        shares = exams[column].value_counts(normalize=True).sort_index()
        listed = ", ".join(f"{name} {100 * share:.0f}%" for name, share in shares.items())
        text += f"\n\nExams by {column}: {listed}."
    return text + (
        "\n\n`raw/` is the export, `truth/` what nobody in the hospital knows: keep it from whatever "
        "is being tested. Images lie in `raw/dicom/<patient_id>/<exam_id>/`; PatientID and "
        "AccessionNumber are the ids of the tables."
    )


def _parameters(request: WorldRequest) -> str:
    rows = [
        ("mammolab", __version__),
        ("seed", request.seed),
        ("women", f"{request.n_women:,}"),
        ("pixels, rows x columns", f"{request.rows} x {request.columns}"),
        ("conspicuity", f"{request.conspicuity:g}"),
        ("P(images), recorded cancer within 1 year", "1"),
        ("P(images), recorded cancer in 1-5 years", f"{request.p_precancer:g}"),
        ("P(images), other exams", f"{request.p_rest:g}"),
    ]
    if not request.images:
        rows = [*rows[:3], ("images", "none")]
    return "### Arguments of this export\n\n" + _markdown(("argument", "value"), rows)


def _comparison(programme: Programme) -> str:
    head = "## Does it behave like published programmes?\n\n"
    if len(programme.patients) < ENOUGH_WOMEN:
        return head + (
            f"Too few women to tell: from {ENOUGH_WOMEN:,} on, this section compares the export "
            "with published figures."
        )
    measured = targets.measure(programme)
    rows = [
        (
            row.target,
            row.unit,
            f"{row.published:g} +- {row.tolerance:g}",
            f"{row.world:.3g} ({row.ci[0]:.3g} to {row.ci[1]:.3g})",
            "yes" if row.met else "no",
            row.source,
        )
        for row in measured.itertuples()
    ]
    names = ("target", "unit", "published", "here (95% interval)", "within", "source")
    return head + (
        f"{measured['met'].sum()} of {len(measured)} figures lie within the tolerance that was "
        "fixed beforehand. In a small export chance alone moves some of them out.\n\n"
    ) + _markdown(names, rows)  # fmt: skip


def _gaps(programme: Programme) -> dict[str, str]:
    registry, pathology = programme.registry, programme.pathology
    return {
        "unlinked": f"{registry['patient_id'].isna().sum():,}",
        "rows": f"{len(registry):,}",
        "true": f"{(programme.truth_women['mode'] != '').sum():,}",
        "registered": f"{len(registry):,}",
        "pathology": f"{(pathology['result'] != 'benign').sum():,}",
    }


def _dictionary(programme: Programme) -> str:
    parts = ["## Columns", "Dates are YYYY-MM-DD, flags 0 or 1; blank means unknown."]
    for table, name in RAW_FRAMES.items():
        parts.append(describe(f"raw/{table}", getattr(programme, name), MEANINGS[table]))
    for table, meanings in columns.TRUTH.items():
        frame = getattr(programme, table.removesuffix(".parquet"))
        parts.append(describe(f"truth/{table}", frame, meanings))
    return "\n\n".join(parts)


def _markdown(names: tuple[str, ...], rows: list[tuple]) -> str:
    lines = [names, ("---",) * len(names), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
