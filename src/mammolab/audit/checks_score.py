"""Checks of a score: calibration, devices, groups, and how it came to be reported."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from mammolab.audit.checks_data import categories
from mammolab.audit.checks_label import GROUPS_BY, groups_of
from mammolab.audit.columns import LABEL
from mammolab.audit.run import Check, Finding, Settings, ask
from mammolab.audit.shares import in_points, share_difference
from mammolab.audit.table import AuditTable
from mammolab.errors import InputError
from mammolab.evaluate.delong import auc_estimate
from mammolab.pitfalls.guards_calibration import (
    CALIBRATION_FACTOR,
    FLAGGED_ODDS_RATIO,
    calibration,
    calibration_by,
    threshold_by,
)
from mammolab.pitfalls.guards_device import SCORE_SHIFT_SD, score_by_device
from mammolab.pitfalls.guards_groups import AUC_GAP, cancers_needed, subgroup_gap
from mammolab.pitfalls.guards_selection import disclosed_selection
from mammolab.pitfalls.guards_unit import INTERVAL_RATIO, clustered_interval
from mammolab.pitfalls.verdict import GuardVerdict

GROUP, DISCLOSURE = "The score", "How it came to be reported"
FLAGGED = 0.10  # of the negatives, where no --threshold is given: a usual recall rate
TEST = "test"
NO_ORDER = 0.5  # the AUC of a score that orders nothing
# Of scores that know nothing the interval lay below one half in 16, 11, 8 and 5 of 100 samples with
# 2, 3, 4 and 5 cancers beside 200 others: with fewer than 5 patients it is not believed.
FEWEST_TO_ORDER = 5
# What a study should be able to see of its smallest group (assumptions).
AUC_ELSEWHERE, AUC_SHORTFALL, POWER = 0.85, 0.10, 0.80
_SMALLEST = re.compile(r"^\d+ women with cancer are in (?P<group>.*), and (?:\d+|inf) are needed")
DISCLOSED = ("n_candidates", "n_test_looks", "n_seeds")


def scored(table: AuditTable, name: str) -> pd.DataFrame:
    """The labelled units with a known score; those of split test alone, where there is one.

    Raises
    ------
    InputError
        If one class is left.
    """
    units = _of_test(table)
    units = units[units[name].notna()].reset_index(drop=True)
    if units[LABEL].nunique() < 2:
        raise InputError(f"the {len(units):,} rows with a {name} are of one class")
    return units


def _of_test(table: AuditTable) -> pd.DataFrame:
    units = table.labelled
    if "split" in units and (units["split"].str.lower() == TEST).any():
        units = units[units["split"].str.lower() == TEST]
    return units.reset_index(drop=True)


def _arrays(units: pd.DataFrame) -> dict[str, object]:
    return {
        "label": units[LABEL].to_numpy(),
        "patient_ids": units["patient"].to_numpy(),
        "sample_weight": units["weight"].to_numpy(),
    }


def _order(table: AuditTable, settings: Settings, seed: int) -> Finding:
    names = [name for name in ("score", "probability") if table.has(name)]
    found = [_order_of(scored(table, name), name) for name in names]
    return min(found, key=lambda one: one.verdict.statistic)  # both are used; the worse is told


def _order_of(units: pd.DataFrame, name: str) -> Finding:
    """Whether positives lie above the others: red below one half for sure, amber where unsure.

    The interval is DeLong's with patients as the units. At an AUC of 0 it has none: the chance that
    a score which knows nothing puts every patient with cancer last is then asked directly.
    """
    arrays = _arrays(units)
    label, patient = arrays["label"], arrays["patient_ids"]
    n_sick, n_well = (len(np.unique(patient[label == kind])) for kind in (True, False))
    if units[name].nunique() == 1:
        message = f"The {name} is the same in all {len(units):,} rows: it orders nothing."
        return Finding(GuardVerdict("score_order", NO_ORDER, NO_ORDER, True, message))
    if min(n_sick, n_well) < 2:
        raise InputError(f"{n_sick} patients with cancer and {n_well} without have a {name}")
    auc = auc_estimate(units[name], label, arrays["sample_weight"], patient)
    all_below = auc.value == 0 and 1 / math.comb(n_sick + n_well, n_sick) < 0.025
    enough = min(n_sick, n_well) >= FEWEST_TO_ORDER
    upside_down = bool((auc.high < NO_ORDER and enough) or all_below)
    unsure = not upside_down and not (auc.low > NO_ORDER or auc.value == 1)
    interval = f", 95% interval {auc.low:.3f} to {auc.high:.3f}" if np.isfinite(auc.low) else ""
    how = "ranks cancers below" if upside_down else "orders cancers above"
    message = f"The {name} {how} the others: AUC {auc.value:.3f}{interval}"
    if upside_down:
        message += ". Is it turned upside down, or joined to other rows?"
    else:
        message += "; that it orders them at all is not sure." if unsure else "."
    verdict = GuardVerdict("score_order", auc.value, NO_ORDER, upside_down, message)
    return Finding(verdict, unsure, auc)


def _covered(table: AuditTable, settings: Settings, seed: int) -> Finding:
    """Whether every exam that may have a score has one; amber where not, and who lacks it."""
    units = _of_test(table)
    if units[LABEL].nunique() < 2:
        raise InputError(f"the {len(units):,} rows that may have a score are of one class")
    name = min(
        (one for one in ("score", "probability") if table.has(one)),
        key=lambda one: units[one].notna().mean(),
    )
    known, arrays = units[name].notna().to_numpy(), _arrays(units)
    share = float(np.average(known, weights=arrays["sample_weight"]))
    words = f"{known.sum():,} of {len(units):,} exams with a label have a {name}"
    if known.all():
        return Finding(GuardVerdict("score_covers", share, 1.0, False, f"{words}."))
    message = f"{words} ({100 * share:.1f}%); the others are not judged"
    if known.any():
        seen, unseen, gap = share_difference(
            arrays["label"], known, arrays["patient_ids"], arrays["sample_weight"], seed
        )
        differ = gap.low > 0 or gap.high < 0
        message += (
            f". {100 * seen.value:.1f}% of those with and {100 * unseen.value:.1f}% of those without "
            f"are cancers ({in_points(gap)}): "
            + ("they differ" if differ else "no difference is seen")
        )
    return Finding(GuardVerdict("score_covers", share, 1.0, False, f"{message}."), close=True)


def _score_by_device(table: AuditTable, settings: Settings, seed: int) -> Finding:
    units = scored(table, "score")
    guard = partial(
        score_by_device, units["score"].to_numpy(), categories(units, "device"), **_arrays(units)
    )
    return ask(guard, "limit", SCORE_SHIFT_SD, 0.0, seed)


def _calibration(table: AuditTable, settings: Settings, seed: int) -> Finding:
    units = scored(table, "probability")
    guard = partial(calibration, units["probability"].to_numpy(), **_arrays(units))
    return ask(guard, "limit", CALIBRATION_FACTOR, 1.0, seed)


def _calibration_by(table: AuditTable, settings: Settings, seed: int) -> Finding:
    units = scored(table, "probability")
    guard = partial(
        calibration_by, units["probability"].to_numpy(), group=categories(units, "device"),
        **_arrays(units),
    )  # fmt: skip
    return ask(guard, "limit", CALIBRATION_FACTOR, 1.0, seed)


def _threshold_by(table: AuditTable, settings: Settings, seed: int) -> Finding:
    units = scored(table, "score")
    threshold = flagging(units, FLAGGED) if settings.threshold is None else settings.threshold
    guard = partial(
        threshold_by, units["score"].to_numpy(), threshold, group=categories(units, "device"),
        **_arrays(units),
    )  # fmt: skip
    return ask(guard, "limit", FLAGGED_ODDS_RATIO, 1.0, seed)


def flagging(units: pd.DataFrame, share: float) -> float:
    """The threshold at or above which a share of the negatives lies, by weight."""
    rest = units[~units[LABEL]].sort_values("score", ascending=False, kind="stable")
    at = np.searchsorted(np.cumsum(rest["weight"]), share * rest["weight"].sum())
    return float(rest["score"].iloc[min(at, len(rest) - 1)])


def _clustered(table: AuditTable, settings: Settings, seed: int) -> Finding:
    units = scored(table, "score")
    guard = partial(clustered_interval, units["score"].to_numpy(), **_arrays(units))
    return ask(guard, "limit", INTERVAL_RATIO, 1.0)


def _gap(table: AuditTable, settings: Settings, seed: int) -> Finding:
    units = scored(table, "score")
    groups = _groups(table, units)
    guard = partial(subgroup_gap, units["score"].to_numpy(), groups=groups, **_arrays(units))
    return ask(guard, "limit", AUC_GAP, 0.0, seed)


def _needed(table: AuditTable, settings: Settings, seed: int) -> Finding:
    units = scored(table, "score")
    arrays = _arrays(units)
    auc, gap, power = AUC_ELSEWHERE, AUC_SHORTFALL, POWER
    groups = _groups(table, units)
    verdict = cancers_needed(arrays["label"], groups, arrays["patient_ids"], auc, gap, power)
    group = _SMALLEST.search(verdict.message)["group"]
    n = int(verdict.statistic)
    if np.isfinite(verdict.limit):
        enough = f"about {verdict.limit:.0f} are needed"
    else:
        enough = "no number would do, since the other groups have too few"
    women = "woman with cancer is" if n == 1 else "women with cancer are"
    told = (
        f"{n} {women} in {group}, the group with fewest. To notice that the score does worse there "
        f"(an AUC of {auc - gap:.2f}, where the others have {auc:.2f}) in {100 * power:.0f} of 100 "
        f"such studies, {enough}"
        + (": what is not seen in that group may be there all the same." * verdict.fired or ".")
    )
    # Too few to know is no fault found: amber.
    return Finding(replace(verdict, fired=False, message=told), close=verdict.fired)


def _groups(table: AuditTable, units: pd.DataFrame) -> pd.DataFrame:
    groups = groups_of(table, units)
    if groups.empty:
        raise InputError(f"no column to group by ({', '.join(GROUPS_BY)})")
    return groups


def _disclosed(table: AuditTable, settings: Settings, seed: int) -> Finding:
    told = settings.disclosure or {}
    verdict = disclosed_selection(*(told.get(name) for name in DISCLOSED))
    if all(name in told for name in DISCLOSED):
        return Finding(verdict)
    # Silence is amber; several looks at the test set are red, whatever else was not told.
    several = told.get("n_test_looks", 1) > 1
    return Finding(replace(verdict, fired=several), told=False)


CHECKS: tuple[Check, ...] = (
    Check("score_order", "Does the score order cancers above the others?",
          (LABEL, "score|probability"), _order, True, GROUP),
    Check("score_covers", "Has every exam a score?", (LABEL, "score|probability"),
          _covered, False, GROUP),
    Check("score_by_device", "Do scores depend on the device at fixed outcome?",
          (LABEL, "score", "device"), _score_by_device, True, GROUP),
    Check("threshold_by_device", "Does one threshold flag alike on every device?",
          (LABEL, "score", "device"), _threshold_by, True, GROUP),
    Check("calibration", "Can the probabilities be believed?", (LABEL, "probability"),
          _calibration, True, GROUP),
    Check("calibration_by_device", "Can they be believed on every device?",
          (LABEL, "probability", "device"), _calibration_by, True, GROUP),
    Check("subgroup_gap", "Is the score worse for a group?", (LABEL, "score"), _gap, True, GROUP),
    Check("cancers_needed", "Are there cancers enough to know, group by group?", (LABEL, "score"),
          _needed, True, GROUP),
    Check("clustered_interval", "How much too narrow is an interval that takes rows for patients?",
          (LABEL, "score"), _clustered, True, GROUP),
    Check("disclosure", "How many candidates, looks at the test set, and seeds?",
          ("score|probability",), _disclosed, False, DISCLOSURE),
)  # fmt: skip
