"""The report of an audit: PDF through typst, and the words on it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import typst

from mammolab import __version__
from mammolab.audit.columns import LABEL
from mammolab.audit.figures import alone_figure, drawn
from mammolab.audit.registry import BY_CHANCE, CHECKS, GROUPS
from mammolab.audit.run import FEWEST_POSITIVES, LEVELS, Result, Settings, nothing_judged
from mammolab.audit.table import AuditTable
from mammolab.audit.wording import TELLS_NOTHING, plural, sentence_case, tells_nothing
from mammolab.data.user_table import brief
from mammolab.errors import InputError
from mammolab.files import write_json
from mammolab.report.style import save_svg, style

MOST_NAMED = 20  # columns not used, in a sentence; audit.json has them all
TEMPLATE = Path(__file__).with_name("audit.typ")
COUNTED = {
    "red": "the guard spoke up",
    "amber": "close to it, too few, or not told",
    "green": "looked at, and quiet",
    "skipped": "the table cannot tell",
}
COLOURS_IN_WORDS = (
    "Red: the guard fired; its limit is documented with it. Amber: over half of the way to the limit, or what should "
    f"have been told was not, or fewer than {FEWEST_POSITIVES} patients of the smaller class stand "
    "behind a quiet guard. Green: looked at, and quiet. Skipped: a column is missing, or there is "
    "only one class; nothing is known then."
)


def set_report(
    table: AuditTable,
    settings: Settings,
    results: Sequence[Result],
    folder: Path,
    png: bool = False,
) -> list[bytes]:
    """Write audit.pdf and, where there is something to draw, alone.svg into a folder.

    Parameters
    ----------
    table, settings, results
        As `run.run_checks` took and gave them.
    folder : Path
    png : bool
        Return the pages as PNG too, to be looked at or counted.

    Raises
    ------
    InputError
        If typst refuses the template; the message is typst's.
    """
    shown = drawn(results)
    if shown:
        with style():
            save_svg(alone_figure(shown, table.label), folder / "alone.svg")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        shutil.copyfile(TEMPLATE, work / TEMPLATE.name)
        if shown:
            shutil.copyfile(folder / "alone.svg", work / "alone.svg")
        write_json(work / "sheet.json", content(table, settings, results))
        how = {"root": work, "ignore_system_fonts": True, "timestamp": 0}
        try:
            (folder / "audit.pdf").write_bytes(typst.compile(work / TEMPLATE.name, **how))
            if not png:
                return []
            pages = typst.compile(work / TEMPLATE.name, format="png", ppi=110, **how)
        except typst.TypstError as error:
            raise InputError(f"typst could not set the report: {error}") from error
        return pages if isinstance(pages, list) else [pages]


def content(table: AuditTable, settings: Settings, results: Sequence[Result]) -> dict:
    """All that stands in the report, as text."""
    looked = [one for one in results if one.level != "skipped"]
    order = {level: k for k, level in enumerate(LEVELS)}
    groups = []
    for title in GROUPS:
        inside = sorted(
            (one for one in looked if one.group == title), key=lambda one: order[one.level]
        )
        if inside:
            groups.append({"title": title, "checks": [_check(one) for one in inside]})
    return {
        "file": brief(" + ".join(name for name, _ in table.files), 60),
        "synthetic": table.synthetic,
        "version": __version__,
        "opening": opening(table),
        "alarm": sentence_case(nothing_judged(table, results, CHECKS)),
        "counts": [
            [level, sum(one.level == level for one in results), COUNTED[level]] for level in LEVELS
        ],
        "groups": groups,
        "figure": bool(drawn(results)),
        "skipped": _skipped(results),
        "notes": [*table.notes, *_images(table), *table.cautions, *not_used(table)],
        "colours": f"{COLOURS_IN_WORDS} {BY_CHANCE}",
        "provenance": _provenance(table, settings),
    }


def opening(table: AuditTable) -> str:
    """What was audited: rows, units, patients, positives; one or two sentences."""
    rows = f"{table.n_rows:,} row{'s' * (table.n_rows != 1)}"
    if table.rows.empty:
        return f"{table.title[0].upper()}{table.title[1:]}: {rows}."
    n_units, n_patients = len(table.units), table.rows["patient"].nunique()
    said = f"{table.title[0].upper()}{table.title[1:]}: {rows} ({an(table.row)} each)"
    if table.unit != table.row:
        said += f", {n_units:,} {plural(table.unit)}"
    if table.unit != "woman":
        said += f", {n_patients:,} patient{'s' * (n_patients != 1)}"
    if LABEL not in table.rows:
        return said + "; the table has no label."
    known = table.labelled
    if known.empty:
        return f"{said}. Of no {table.unit} of the study the label is known."
    share = np.average(known[LABEL], weights=known["weight"])
    weighted = " by weight" if np.ptp(table.rows["weight"]) > 0 else ""
    return (
        f"{said}. Of {len(known):,} {plural(table.unit)} with a known label "
        f"{int(known[LABEL].sum()):,} have {table.label} ({100 * share:.3g}%{weighted})."
    )


def number_text(value: float) -> str:
    """A number as the report shows it: counts whole, shares to three decimals, else three digits.

    Examples
    --------
    >>> number_text(0.77512), number_text(1.834), number_text(1317.0), number_text(float("nan"))
    ('0.775', '1.83', '1,317', '–')
    """
    if not np.isfinite(value):
        return "–"
    if value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}".replace("-", "−")
    text = f"{value:.3f}" if abs(value) < 1 else f"{value:.3g}"
    return text.replace("-", "−")


def _check(one: Result) -> dict:
    known = np.isfinite([one.low, one.high]).all()
    number = number_text(one.statistic)
    interval = f"{number_text(one.low)}–{number_text(one.high)}" if known else ""
    if tells_nothing(one.name, one.statistic):
        number, interval = f"≤ {TELLS_NOTHING}", "tells nothing"
    return {
        "level": one.level,
        "question": one.question,
        "sentence": one.sentence,
        "interval": interval,
        "number": number,
        "limit": number_text(one.limit),
    }


def an(unit: str) -> str:
    """A unit with its article.

    Examples
    --------
    >>> an("exam"), an("lesion in a view")
    ('an exam', 'a lesion in a view')
    """
    return f"an {unit}" if unit[0] in "aeiou" else f"a {unit}"


def _skipped(results: Sequence[Result]) -> list[list[str]]:
    """Each reason with the questions it leaves open."""
    by_reason: dict[str, list[str]] = {}
    for one in results:
        if one.level == "skipped":
            by_reason.setdefault(one.sentence, []).append(one.question)
    return [[reason, " ".join(questions)] for reason, questions in by_reason.items()]


def _images(table: AuditTable) -> list[str]:
    if table.images is None:
        return []
    told = [f"{len(table.images.rows):,} images were read, as thumbnails of 64 x 64."]
    if table.images.n_without:
        told.append(f"{table.images.n_without:,} rows have no image.")
    if table.images.unreadable:
        name, reason = table.images.unreadable[0]
        told.append(
            f"{len(table.images.unreadable):,} images could not be read, such as {brief(name)} "
            f"({reason})."
        )
    return told


def not_used(table: AuditTable) -> list[str]:
    """One sentence that names the columns which no check looks at; none where all are used."""
    if not table.unused:
        return []
    shown = ", ".join(brief(one, 32) for one in table.unused[:MOST_NAMED])
    more = len(table.unused) - MOST_NAMED
    return [f"Columns not used: {shown}{f', and {more:,} more (audit.json)' * (more > 0)}."]


def _provenance(table: AuditTable, settings: Settings) -> str:
    files = "; ".join(f"{name}, SHA-256 {digest[:16]}…" for name, digest in table.files)
    return (
        f"{files}. Layout {table.layout}. Seed {settings.seed}. All numbers: audit.json, audit.csv."
    )
