"""DATASHEET.md: what a data set's label means, what it cannot tell, and what this copy holds."""

from __future__ import annotations

import pandas as pd

from mammolab.data.adapters.base import Source
from mammolab.data.lacks import PREVALENCE, SENTENCES

RAW = (
    "Raw codes stand beside mapped values, in columns that end in `_raw`. A blank cell is unknown, "
    "never no."
)


def cannot_estimate(source: Source) -> tuple[str, ...]:
    """What must not be estimated from a source, a sentence each; the first is of its prevalence."""
    refused = [SENTENCES[PREVALENCE]] if source.refused else []
    return (*refused, *source.card.cannot, *(SENTENCES[one] for one in source.card.lacks))


def datasheet(source: Source) -> str:
    """The data sheet as Markdown."""
    card = source.card
    parts = [
        f"# {card.title}",
        f"Written by `mammolab adapt {card.name}`; the counts are of this copy.",
        f"## What the label means\n\n{card.label}",
        f"## What cannot be estimated\n\n{_list(cannot_estimate(source))}",
        f"## Counts of this copy\n\n{_table(['what', 'n'], _counts(source))}",
        f"## Met in this copy\n\n{_list(source.notes) or 'Nothing out of the ordinary.'}",
        f"## What was mapped how\n\n{_table(['ours', 'theirs'], card.mapped)}",
        RAW,
        f"## Traps\n\n{_list(card.traps)}",
        f"## Licence\n\n{card.licence}",
        f"## Citation\n\n{card.citation}",
    ]
    return "\n\n".join(parts) + "\n"


def _counts(source: Source) -> list[tuple[str, str]]:
    exams, labels, images = source.exams, source.labels, source.images
    used = images["use"] == "1"
    rows = [
        ("patients", len(source.patients)),
        ("exams", len(exams)),
        ("breasts with a row in labels.csv", len(labels)),
        ("- cancer", (labels["cancer"] == "1").sum()),
        ("-- invasive", (labels["invasive"] == "1").sum()),
        ("-- invasive unknown", ((labels["cancer"] == "1") & (labels["invasive"] == "")).sum()),
        ("- no cancer", (labels["cancer"] == "0").sum()),
        ("- unlabelled", (labels["cancer"] == "").sum()),
        *_by("breasts of split", labels["split"]),
        *_by("exams of site", exams["site"]),
        *_by("exams of density", exams["density"]),
        *_by("exams of BI-RADS", exams["birads"]),
        ("exams without age", (exams["age_years"] == "").sum()),
        ("exams without date", (exams["exam_date"] == "").sum()),
        ("rows in pathology", len(source.pathology)),
        ("rows in registry", len(source.registry)),
        ("images listed", len(images)),
        ("- used", used.sum()),
        *_by("- left out, ", images.loc[~used, "reason"], blank=False),
        *((f"rows in {name}.csv", len(frame)) for name, frame in source.more.items()),
    ]
    return [(what, f"{n:,}") for what, n in rows]


def _by(what: str, values: pd.Series, blank: bool = True) -> list[tuple[str, int]]:
    """Counts of each value; nothing where all are blank."""
    counts = values.value_counts().sort_index()
    if set(counts.index) <= {""}:
        return []
    return [
        (f"{what}{'' if what.endswith(', ') else ' '}{value or 'unknown'}", n)
        for value, n in counts.items()
        if value or blank
    ]


def _list(sentences: tuple[str, ...]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _table(header, rows) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines
    )
