"""Running the checks: each ends as red, amber, green or skipped, with one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from mammolab.audit.columns import LABEL
from mammolab.audit.table import AuditTable
from mammolab.audit.wording import (
    in_words_of,
    lower_first,
    plural,
    sentence_case,
    telling_nothing,
    told_apart,
)
from mammolab.errors import InputError
from mammolab.evaluate.checks import Estimate
from mammolab.pitfalls.verdict import GuardVerdict

# What a column can be read from, where it is not there itself.
OTHERWISE = {"recalled": "recalled (or birads)", "exam_year": "exam_year (or exam_date)",
             "images": "images (--images)", "features": "features (--features)"}  # fmt: skip
LEVELS = ("red", "amber", "green", "skipped")
# A check is amber where its guard, asked again at half of its tolerance, fires (assumption), or
# where fewer patients of the smaller class than this stand behind it: silence then says little.
HALFWAY = 0.5
FEWEST_POSITIVES = 20


@dataclass(frozen=True)
class Settings:
    """What an audit may be asked for.

    prevalence : of the population, share of units; None: not held against one.
    population : what it is called.
    threshold : on the score; None: the one that flags a tenth of the negatives.
    disclosure : n_candidates, n_test_looks, n_seeds, as far as they were told.
    seed : of folds, permutations and bootstraps.
    """

    prevalence: float | None = None
    population: str = "the population"
    threshold: float | None = None
    disclosure: dict[str, int] | None = None
    seed: int = 2019


@dataclass(frozen=True)
class Finding:
    """What a check found before it gets a colour.

    verdict : of the guard.
    close : quiet, but beyond half of its tolerance and not by chance; or too few to know.
    interval : of the statistic, where there is one.
    told : False where the question could not be answered since something was not disclosed.
    """

    verdict: GuardVerdict
    close: bool = False
    interval: Estimate | None = None
    told: bool = True


@dataclass(frozen=True)
class Check:
    """One question of the audit.

    name : as in audit.json.
    question : as the report asks it.
    needs : columns; "a|b" means either; "images", "features": those given.
    run : (table, settings, seed) -> Finding; an InputError becomes the reason to skip.
    both_classes : whether it compares positives with negatives.
    group : heading under which the report lists it.
    """

    name: str
    question: str
    needs: tuple[str, ...]
    run: Callable[[AuditTable, Settings, int], Finding]
    both_classes: bool
    group: str


@dataclass(frozen=True)
class Result:
    """One line of the report; statistic, limit and interval are NaN where there is none."""

    name: str
    group: str
    question: str
    level: str
    sentence: str
    statistic: float = float("nan")
    limit: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


def run_checks(
    table: AuditTable,
    settings: Settings,
    checks: Sequence[Check],
    progress: Callable[[str], object] | None = None,
) -> list[Result]:
    """Run every check in order.

    Each draws from a stream of its own name, so that leaving one out changes no other.

    Parameters
    ----------
    progress : callable, optional
        Told the number and question of each check before it runs.
    """
    results = []
    for k, check in enumerate(checks):
        reason = why_skipped(table, check)
        if reason:
            results.append(Result(check.name, check.group, check.question, "skipped", reason))
            continue
        if progress is not None:
            progress(f"{k + 1} of {len(checks)}: {check.question}")
        stream = np.random.default_rng([settings.seed, crc32(check.name.encode())])
        try:
            finding = check.run(table, settings, int(stream.integers(2**32)))
            results.append(_judged(check, finding, table))
        except InputError as error:
            sentence = f"Not judged: {lower_first(str(error).rstrip('.'))}."
            results.append(Result(check.name, check.group, check.question, "skipped", sentence))
    return results


def why_skipped(table: AuditTable, check: Check) -> str:
    """Why a check cannot be run on a table, as a sentence; "" where it can."""
    if table.rows.empty:
        return "The table has no row."
    absent = []
    for need in check.needs:
        one_of = need.split("|")
        if not any(table.has(name) for name in one_of):
            blank = [name for name in one_of if name in table.rows]
            names = " or ".join(OTHERWISE.get(name, name) for name in one_of)
            absent.append(f"{names}{' (blank throughout)' if blank else ''}")
    if absent:
        return f"The table lacks {' and '.join(absent)}."
    if check.both_classes:
        known = table.labelled[LABEL]
        if not known.any() or known.all():
            kind = "without" if not known.any() else "with"
            if known.empty:
                return f"Of no {table.unit} the label is known."
            if len(known) == 1:
                return f"The one {table.unit} is {kind} {table.label}: one class."
            return f"All {len(known):,} {plural(table.unit)} are {kind} {table.label}: one class."
    return ""


def nothing_judged(table: AuditTable, results: Sequence[Result], checks: Sequence[Check]) -> str:
    """What to say where nothing was judged, or nothing of the label; "" where something was.

    Green is then no answer, and neither is an exit code of 0. What was disclosed of selection is
    told by the user, and judges nothing of the table.
    """
    levels = {one.name: one.level for one in results}
    judged = {name for name, level in levels.items() if level != "skipped"} - {"disclosure"}
    of_label = {one.name for one in checks if one.both_classes}
    if judged & of_label:
        return ""
    known = table.labelled[LABEL] if table.has(LABEL) else ()
    if table.rows.empty:
        reason = "the table has no row"
    elif not len(known):
        reason = "no label is known (column cancer, or --label)"
    elif known.all() or not known.any():
        n = f"all {len(known):,} {plural(table.unit)}" if len(known) > 1 else f"one {table.unit}"
        reason = f"{n} with a label {'are' if len(known) > 1 else 'is'} of one class"
    else:
        reason = "no check has the columns it needs"
    return f"nothing {'of the label ' * bool(judged)}was judged: {reason}"


def ask(
    guard: Callable[..., GuardVerdict],
    parameter: str,
    limit: float,
    nothing: float,
    seed: int | None = None,
    interval: Estimate | None = None,
) -> Finding:
    """Ask a guard, and if it is quiet ask it again at half of its tolerance.

    Parameters
    ----------
    guard : callable
        With all its inputs bound but its limit and, if it takes one, its generator; it fires above
        the limit, never below.
    parameter : str
        What the guard calls its limit.
    limit, nothing : float
        The limit, and the statistic where nothing is wrong.
    seed : int, optional
        Of the generator, where the guard takes one; both questions draw the same numbers.
    interval : Estimate, optional
        Of the statistic, to be shown.
    """

    def at(tolerance: float) -> GuardVerdict:
        draws = {} if seed is None else {"rng": np.random.default_rng(seed)}
        return guard(**{parameter: tolerance}, **draws)

    verdict = at(limit)
    half = nothing + HALFWAY * (limit - nothing)
    # No guard fires short of its limit, so that most need not be asked twice.
    if verdict.fired or verdict.statistic <= half or not at(half).fired:
        return Finding(verdict, False, interval)
    told = f"{verdict.message.rstrip('.')}; over half of the way to it, and not by chance."
    return Finding(replace(verdict, message=told), True, interval)


def level_of(finding: Finding, n_smaller: int | None) -> str:
    """Red, amber or green.

    Red: the guard fired. Amber: it is close to it, or what should have been told was not, or fewer
    than 20 patients of the smaller class stand behind a quiet guard. Green: looked at, and quiet.

    Parameters
    ----------
    finding : Finding
    n_smaller : int or None
        Patients of the smaller class; None where the check compares no classes.
    """
    if finding.verdict.fired:
        return "red"
    few = n_smaller is not None and n_smaller < FEWEST_POSITIVES
    return "amber" if few or finding.close or not finding.told else "green"


def _judged(check: Check, finding: Finding, table: AuditTable) -> Result:
    n_smaller = None
    if check.both_classes:
        labelled = table.labelled
        n_smaller = min(
            labelled.loc[labelled[LABEL] == truth, "patient"].nunique() for truth in (True, False)
        )
    level = level_of(finding, n_smaller)
    sentence = sentence_case(in_words_of(table, finding.verdict.message))
    sentence = telling_nothing(check.name, finding.verdict.statistic, sentence)
    if level == "amber" and n_smaller is not None and n_smaller < FEWEST_POSITIVES:
        patients = "patient is" if n_smaller == 1 else "patients are"
        sentence += f" Only {n_smaller} {patients} of the smaller class: too few to tell."
    sentence = told_apart(sentence, finding.verdict.statistic, finding.verdict.limit)
    interval = finding.interval or Estimate(*(float("nan"),) * 3)
    return Result(
        check.name,
        check.group,
        check.question,
        level,
        sentence,
        float(finding.verdict.statistic),
        float(finding.verdict.limit),
        interval.low,
        interval.high,
    )
