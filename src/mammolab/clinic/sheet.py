"""The two pages for the department: its words and numbers, set by typst from triage.typ."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import typst

from mammolab import __version__
from mammolab.clinic import tables, words
from mammolab.clinic.analysis import Analysis, Calibration
from mammolab.clinic.figures import shown_levels
from mammolab.data.user_table import brief
from mammolab.errors import InputError
from mammolab.files import write_json

TEMPLATE = Path(__file__).with_name("triage.typ")
MOST_MISSED = 8  # exam ids on the sheet; missed.csv holds all
MEASURES = {
    "sensitivity": "Sensitivity, of exams with cancer",
    "specificity": "Specificity, of exams without",
    "recall_rate": "Recall rate",
    "ppv": "Cancers among recalls (PPV)",
}


def set_sheet(a: Analysis, figures: Sequence[Path], path: Path, png: bool = False) -> list[bytes]:
    """Write the sheet as PDF: A4, two pages, the same bytes for the same analysis.

    Parameters
    ----------
    a : Analysis
    figures : sequence of Path
        SVG files named after `figures.draw_figures`.
    path : Path
        Of the PDF.
    png : bool
        Return the pages as PNG too, to be looked at or counted.

    Raises
    ------
    InputError
        If typst refuses the template; the message is typst's.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copyfile(TEMPLATE, folder / TEMPLATE.name)
        for figure in figures:
            shutil.copyfile(figure, folder / figure.name)
        write_json(folder / "sheet.json", content(a, [figure.stem for figure in figures]))
        how = {"root": folder, "ignore_system_fonts": True, "timestamp": 0}
        try:
            path.write_bytes(typst.compile(folder / TEMPLATE.name, **how))
            if not png:
                return []
            pages = typst.compile(folder / TEMPLATE.name, format="png", ppi=110, **how)
        except typst.TypstError as error:
            raise InputError(f"typst could not set the sheet: {error}") from error
        return pages if isinstance(pages, list) else [pages]


def content(a: Analysis, figures: Sequence[str]) -> dict:
    """All that stands on the sheet, as text."""
    head, sentence = words.verdict(a)
    _, left_out = shown_levels(a) if a.scores.subgroups else (None, 0)
    return {
        "synthetic": a.scores.synthetic,
        "file": brief(a.scores.file, 60),
        "version": __version__,
        "has_recall": a.scores.has_recall,
        "figures": list(figures),
        "verdict": {
            "head": head,
            "sentence": f"{sentence} {words.against_chance(a)}",
            "good": _is_good(a),
        },
        "data": _data(a),
        "rules_out": words.rules_out(a),
        "probability": f"{1000 * tables.probability_at(a, a.chosen.threshold):.3g}",
        "promise": words.promise(a),
        "kept": words.kept_on_test(a),
        "conditions": words.conditions(a),
        "needed": _needed(a),
        "results": _results(a),
        "counts": _counts(a),
        "rules": _rules(a),
        "calibration": _calibration(a),
        "levels_left_out": left_out,
        "missed": _missed(a),
        "limits": _limits(a),
        "provenance": _provenance(a),
    }


def _short(exam_id: str) -> str:
    """An id in few characters: its ends, since long ones begin alike."""
    return exam_id if len(exam_id) <= 20 else f"{exam_id[:6]}…{exam_id[-12:]}"


def _is_good(a: Analysis) -> bool:
    return a.scores.has_recall and a.clinic.n_ruled_out > 0 and a.clinic.noninferiority.noninferior


def _data(a: Analysis) -> list[list[str]]:
    parts = (a.dev, a.test)
    rows = [
        ["Exams", *(f"{len(part):,}" for part in parts)],
        ["Women", *(f"{part['patient_id'].nunique():,}" for part in parts)],
        [
            "Women with cancer",
            *(f"{part.loc[part['cancer'], 'patient_id'].nunique():,}" for part in parts),
        ],
    ]
    if a.scores.has_recall:
        caught = (part.loc[part["cancer"] & part["recall"], "patient_id"] for part in parts)
        rows.append(["   of them caught by readers", *(f"{ids.nunique():,}" for ids in caught)])
    if a.scores.weighted:
        rows.append(
            ["Exams they stand for (weights)", *(f"{p['weight'].sum():,.0f}" for p in parts)]
        )
    shares = (np.average(part["cancer"], weights=part["weight"]) for part in parts)
    rows.append(["Exams with cancer per 1,000", *(f"{1000 * share:.1f}" for share in shares)])
    return rows


def _results(a: Analysis) -> list[list[str]]:
    clinic = a.clinic
    read = clinic.fraction_read
    rows = [["Exams read", "100%", words.with_interval(read), _points(_minus_one(read))]]
    if not a.scores.has_recall:
        return rows + [
            ["Exams with cancer read", "100%", words.with_interval(clinic.sensitivity_with),
             _points(_minus_one(clinic.sensitivity_with))],
        ]  # fmt: skip
    for measure, name in MEASURES.items():
        difference = getattr(clinic, f"{measure}_difference")
        if measure == "sensitivity":
            difference = clinic.noninferiority.difference
        rows.append(
            [
                name,
                words.with_interval(getattr(clinic, f"{measure}_without")),
                words.with_interval(getattr(clinic, f"{measure}_with")),
                _points(difference),
            ]
        )
    return rows


def _minus_one(share):
    return type(share)(share.value - 1, share.low - 1, share.high - 1)


def _points(difference) -> str:
    return words.with_interval(difference).replace("%", "")


def _counts(a: Analysis) -> str:
    clinic = a.clinic
    if not a.scores.has_recall:
        return (
            f"Of {clinic.n_cancers} women with cancer in test, {clinic.n_cancers_ruled_out} have "
            "an exam with cancer ruled out."
        )
    avoided = words.with_interval(clinic.recalls_avoided)
    return (
        f"Of {clinic.n_cancers} women with cancer in test, {clinic.n_cancers_ruled_out} have an "
        f"exam with cancer ruled out; readers had caught {clinic.n_cancers_missed_by_triage} of "
        f"them, whom triage would have lost. Of all recalls {avoided} would fall away. The "
        "difference in sensitivity counts women (Tango's interval), all other rates exams."
    )


def _rules(a: Analysis) -> list[list[str]]:
    rows = []
    for row in tables.rules(a).itertuples():
        finite = np.isfinite(row.threshold)
        bound = row.certified_sensitivity
        promised = words.percent(np.floor(1000 * bound) / 1000) if np.isfinite(bound) else "–"
        cells = [
            words.RULE_NAMES[row.rule] + " (chosen)" * bool(row.chosen),
            words.score_text(row.threshold) if finite else "none",
            f"{promised}, {row.proof}" if np.isfinite(bound) else row.proof,
            words.percent(row.fraction_ruled_out),
        ]
        if a.scores.has_recall:
            points = words.percent(row.sensitivity_difference).rstrip("%")
            low, high = (
                words.percent(x).rstrip("%")
                for x in (row.sensitivity_difference_low, row.sensitivity_difference_high)
            )
            cells += [f"{points} ({low} to {high})", str(row.n_caught_cancers_ruled_out)]
        else:
            cells += [str(row.n_test_cancers_ruled_out)]
        rows.append(cells)
    return rows


def _needed(a: Analysis) -> str:
    caught = "caught cancers" if a.scores.has_recall else "cancers"
    needed = words.needed_for(a)
    listed = ", ".join(f"{100 * float(share):g}% takes {n}" for share, n in needed.items())
    return (
        f"Only the first two carry a proof. With none ruled out, at {a.settings.confidence:.0%} "
        f"confidence, a promise of {listed} women with {caught} in dev."
    )


def _calibration(a: Analysis) -> list[list[str]]:
    def row(name: str, one: Calibration) -> list[str]:
        digits = 1 if one.expected_over_observed.value >= 10 else 2
        return [
            name,
            words.ratio_text(one.expected_over_observed, digits),
            words.ratio_text(one.slope),
            f"{words.ratio_text(one.ece, 4)}; noise alone {one.ece_noise_floor:.4f}",
        ]

    rows = [] if a.before is None else [row("score as it is", a.before)]
    if a.settings.calibrator != "raw":
        rows.append(row(f"calibrated on dev ({a.settings.calibrator})", a.after))
    return rows


def _missed(a: Analysis) -> str:
    test = a.missed[a.missed["split"] == "test"]
    if test.empty:
        return "No exam with cancer of test is ruled out."
    shown = [
        f"{_short(row.exam_id)} ({words.score_text(row.score)}"
        + (", caught)" if a.scores.has_recall and row.recall else ")")
        for row in test.head(MOST_MISSED).itertuples()
    ]
    rest = len(test) - len(shown)
    more = f", and {rest} more in missed.csv" if rest else ""
    return f"Exams with cancer ruled out in test (score): {', '.join(shown)}{more}."


def _limits(a: Analysis) -> list[str]:
    told = [
        (
            "Past decisions are replayed. Readers who know that the least suspicious exams are "
            "gone may recall more or less than they did; only a trial can tell."
        ),
        (
            "Nothing is said about other hospitals, other machines, or another version of the "
            "scoring software. Watch the scores after any change."
        ),
        (
            "Dev chose calibrator and threshold; test was looked at once, for all three rules. Whoever tries "
            "other settings and keeps the best has no test set left."
        ),
    ]
    if a.scores.has_recall:
        told.append(
            "Cancers count as missed when no exam within the outcome window was recalled; whether "
            "a cancer ruled out would have been found in time at the next screen is not known."
        )
    else:
        told.append(
            "The file knows no readers: sensitivity and specificity of reading, recalls avoided "
            "and non-inferiority could not be had. A column recall or birads would give them."
        )
    return told + words.decisions(a)


def _provenance(a: Analysis) -> str:
    s = a.settings
    parts = [
        f"file {brief(a.scores.file, 48)}, SHA-256 {a.scores.sha256}",
        f"mammolab {__version__}",
        (
            f"rule {s.rule}, target sensitivity {s.target_sensitivity:g}, confidence {s.confidence:g}, "
            f"margin {s.margin:g}, calibrator {s.calibrator} (takes {a.scores.input_in_words})"
        ),
        f"{s.n_replicates:,} bootstrap replicates over women, seed {s.seed}; intervals 95%",
    ]
    return "; ".join(parts) + "."
