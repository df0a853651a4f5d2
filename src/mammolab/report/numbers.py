"""The paper's numbers: gathered from the chapters, and checked against what the paper asks for.

A number is {"value", "ci_low", "ci_high", "unit", "n", "chapter", ...} under a key with dots; a
value of null was not estimable and is printed so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from mammolab.data.lacks import PREVALENCE
from mammolab.errors import InputError, MissingInput
from mammolab.report.exports import HOSPITAL, Exports

# The chapter that makes the keys of each prefix, named when one is missing; the longest prefix that
# fits a key counts.
CHAPTER_OF_PREFIX = {
    "world": "01_world",
    "cohort": "02_cohort",
    "images": "03_images",
    "detection": "04_detection",
    "choices": "05_training_choices",
    "calibration": "06_calibration",
    "triage": "07_triage",
    "subgroups": "08_subgroups",
    "risk": "09_risk",
    "explain": "10_explanations",
    "pitfalls": "11_pitfalls_data",
    **{
        f"pitfalls.{name}": "12_pitfalls_models"
        for name in (
            "device_scores",
            "device_shortcut",
            "overconfidence",
            "threshold_new_site",
            "best_of_fifty",
            "tuned_on_test",
        )
    },
    **{
        f"pitfalls.{name}": "13_pitfalls_analysis"
        for name in (
            "images_independent",
            "hidden_subgroup",
            "laboratory_effect",
            "prevalence_effect",
            "automation_bias",
            "late_detection",
            "wrong_censoring",
            "replicate_t_test",
            "best_subgroup",
            "scoreboard",
        )
    },
    "run": "20_manuscript",
}
MANUSCRIPT = CHAPTER_OF_PREFIX["run"]

# Keys, beside the world's own, that only the truth can give.
HELD_AGAINST_TRUTH = (
    "detection.auc_ideal",
    "detection.below_ideal",
    "explain.pointing_",
    "explain.energy_",
    "risk.best_auc_",
    "risk.c_bias.",
    "risk.c_index_known_",
    "risk.c_index_true_",
    "risk.expected_auc_",
    "risk.image_part_",
    "risk.largest_c_bias",
    "risk.policy.",
    "triage.missed_",
)
# Figures beside those of the world that are drawn from the truth.
TRUTH_FIGURES = ("09_risk_policy",)
# Figures that need two devices; the paper asks whether they were drawn.
FIGURES_OF_DEVICES = ("12_pitfalls_models_devices", "12_pitfalls_models_repairs")

# Numbers of a chapter that it gives only where the exports tell what they need.
NEEDED_BY = {
    f"cohort.{name}": ("reading", PREVALENCE)
    for name in (
        "recall_rate",
        "cdr_per_1000",
        "missed_per_1000",
        "sensitivity",
        "specificity",
        "ppv1",
        "minimal_share",
    )
}

# Helpers of paper/template.typ whose first argument is a key of numbers.json.
NUMBER_HELPERS = ("num", "ci", "pvalue", "value", "either")
FIGURE_HELPER = "fig"
PUBLISHED_HELPER = "pub"


def merge_numbers(folder: Path, left_out: Collection[str] = ()) -> dict[str, dict]:
    """Gather numbers/<chapter>.json of every chapter but the manuscript itself.

    Parameters
    ----------
    folder : Path
        The run's `numbers` folder.
    left_out : collection of str
        Chapters that the exports cannot feed; what an earlier run left of them is passed over.

    Returns
    -------
    dict of str to dict
        Sorted by key; each number names its chapter.

    Raises
    ------
    MissingInput
        If no chapter has left numbers.
    InputError
        If two chapters give the same key (both are named), or an entry has no value.
    """
    passed_over = {MANUSCRIPT, *left_out}
    paths = [path for path in sorted(folder.glob("*.json")) if path.stem not in passed_over]
    if not paths:
        raise MissingInput(f"no chapter has left numbers in {folder}: run ./run_all.sh first")
    merged: dict[str, dict] = {}
    for path in paths:
        for key, number in json.loads(path.read_text(encoding="utf-8")).items():
            if not isinstance(number, dict) or "value" not in number:
                raise InputError(f"the number {key} in {path.name} has no 'value'")
            number = {"chapter": path.stem, **number}
            if key in merged:
                raise InputError(
                    f"the number {key} comes from two chapters, {merged[key]['chapter']} and "
                    f"{number['chapter']}: one of them must rename it"
                )
            merged[key] = number
    return dict(sorted(merged.items()))


def plain_number(value: object, chapter: str, unit: str = "", n: int | None = None) -> dict:
    """A number without an interval, in the shape the chapters write."""
    return {
        "value": value,
        "ci_low": None,
        "ci_high": None,
        "unit": unit,
        "n": n,
        "chapter": chapter,
    }


def _calls(source: str, helpers: Iterable[str]) -> set[str]:
    """First arguments of the calls to typst helpers, comments left out.

    Raises
    ------
    InputError
        If a helper is called with anything but a literal, which could not be checked.
    """
    code = re.sub(r"(?<!:)//[^\n]*", "", source)  # a colon before: an address, not a comment
    code = re.sub(r"#?let\s+\w[\w-]*\(", "", code)  # a helper's own definition
    names = "|".join(map(re.escape, helpers))
    found = set()
    for call in re.finditer(rf"(?<![\w.-])(?:{names})\(\s*([^)\n]*)", code):
        literal = re.match(r'"([^"]+)"', call.group(1))
        if literal is None:
            raise InputError(
                f"the paper calls {call.group(0)!r}: its first argument must be a text"
            )
        found.add(literal.group(1))
    return found


def required_numbers(source: str) -> set[str]:
    """Keys that a typst source reads: the first argument of num, ci, pvalue, value, either.

    Examples
    --------
    >>> sorted(required_numbers('#num("a.b", d: 1) and #ci("c.d") // #num("e.f")'))
    ['a.b', 'c.d']
    """
    return _calls(source, NUMBER_HELPERS)


def required_figures(source: str) -> set[str]:
    """Figures that a typst source shows: the first argument of fig."""
    return _calls(source, (FIGURE_HELPER,))


def required_published(source: str) -> set[str]:
    """Published figures that a typst source quotes: the first argument of pub."""
    return _calls(source, (PUBLISHED_HELPER,))


def needs_truth(key: str) -> bool:
    """Whether a number exists only where chapter 01 made the world."""
    return key.startswith(("world.", *HELD_AGAINST_TRUTH))


def chapter_of(key: str) -> str:
    """The chapter that makes a key, by the key's first parts."""
    parts = key.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    known = (CHAPTER_OF_PREFIX[prefix] for prefix in prefixes if prefix in CHAPTER_OF_PREFIX)
    return next(known, "no known chapter")


def can_be_made(key: str, truth_known: bool, exports: Exports) -> bool:
    """Whether a run on such exports makes a number: they tell what it needs, its chapter runs."""
    if needs_truth(key) and not truth_known:
        return False
    needed = NEEDED_BY.get(key, ())
    return chapter_of(key) not in exports.left_out and not exports.lacks.intersection(needed)


def check_complete(
    numbers: dict[str, dict],
    required: Iterable[str],
    truth_known: bool,
    exports: Exports = HOSPITAL,
) -> None:
    """Stop when the paper asks for a number that the run does not have.

    Parameters
    ----------
    numbers : dict
        As `merge_numbers` returns them, with the run's own.
    required : iterable of str
        Keys the paper reads.
    truth_known : bool
        In a run on exports of one's own the keys for which `needs_truth` holds are not asked for.
    exports : Exports
        What they lack excuses numbers (`can_be_made`).

    Raises
    ------
    MissingInput
        One sentence with every missing key under the chapter that makes it, and the command.
    """
    wanted = {key for key in required if can_be_made(key, truth_known, exports)}
    missing = sorted(wanted - numbers.keys(), key=lambda key: (chapter_of(key), key))
    if not missing:
        return
    chapters = dict.fromkeys(map(chapter_of, missing))
    listing = "; ".join(
        f"{chapter}: {', '.join(key for key in missing if chapter_of(key) == chapter)}"
        for chapter in chapters
    )
    raise MissingInput(
        f"the paper needs {len(missing)} number(s) this run has not made ({listing}): "
        f"run {', '.join(f'`./run_all.sh {chapter}`' for chapter in chapters)}"
    )
