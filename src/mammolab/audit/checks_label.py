"""Checks of the label: when, by whom and for whom it was told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from mammolab.audit.checks_data import categories
from mammolab.audit.columns import LABEL
from mammolab.audit.run import FEWEST_POSITIVES, HALFWAY, Check, Finding, Settings
from mammolab.audit.shares import in_points, share_difference
from mammolab.audit.table import AuditTable
from mammolab.errors import InputError
from mammolab.evaluate.checks import Estimate, effective_number
from mammolab.pitfalls.guards_exclusion import EXCLUSION_GAP, exclusions
from mammolab.pitfalls.guards_follow_up import early_cancers, follow_up, informative_censoring
from mammolab.pitfalls.guards_label import label_source, label_timing
from mammolab.pitfalls.verdict import GuardVerdict

GROUP = "The label"
GROUPS_BY = ("implant", "density", "age_years", "race_ethnicity", "sex", "site", "device")


def groups_of(table: AuditTable, units: pd.DataFrame) -> pd.DataFrame:
    """The columns of `GROUPS_BY` that the table has, as categories with "unknown" where blank."""
    present = [name for name in GROUPS_BY if table.has(name) and units[name].nunique() > 0]
    frame = pd.DataFrame({name: categories(units, name).fillna("unknown") for name in present})
    return frame.loc[:, frame.nunique() > 1]


def share_finding(verdict: GuardVerdict, n_effective: float, below: bool = False) -> Finding:
    """The finding on a share: with Wilson's interval, and close where that says so.

    Parameters
    ----------
    verdict : GuardVerdict
    n_effective : float
        Kish's effective number of patients behind the share.
    below : bool
        The guard fires below its limit; close is then twice the limit.
    """
    low, high = proportion_confint(verdict.statistic * n_effective, n_effective, method="wilson")
    close = high < verdict.limit / HALFWAY if below else low > HALFWAY * verdict.limit
    interval = Estimate(verdict.statistic, float(low), float(high))
    return Finding(verdict, bool(close and not verdict.fired), interval)


def _n_patients(units: pd.DataFrame) -> float:
    """Kish's effective number of the patients behind these units."""
    return effective_number(units.groupby("patient")["weight"].sum().to_numpy())


def _timing(table: AuditTable, settings: Settings, seed: int) -> Finding:
    units = table.labelled
    units = units[units["exam_date"].notna()]
    verdict = label_timing(
        units["exam_date"], units["diagnosis_date"], units[LABEL].to_numpy(),
        patient_ids=units["patient"].to_numpy(),
    )  # fmt: skip
    return Finding(verdict)  # a count of facts has no interval


def _source(table: AuditTable, settings: Settings, seed: int) -> Finding:
    units = table.labelled
    known = units[units["recalled"].notna()]
    label, weight = known[LABEL].to_numpy(), known["weight"].to_numpy()
    verdict = label_source(
        label, (known["recalled"] == 1).to_numpy(), weight, known["patient"].to_numpy()
    )
    n_blank = int((units[LABEL] & units["recalled"].isna()).sum())
    if n_blank:
        told = f"{verdict.message} Of {n_blank:,} cancers the reader's decision is not known."
        verdict = replace(verdict, message=told)
    return share_finding(verdict, _n_patients(known[label]), below=True)


def _follow_up(table: AuditTable, settings: Settings, seed: int) -> Finding:
    units = table.labelled
    label, weight = units[LABEL].to_numpy(), units["weight"].to_numpy()
    verdict = follow_up(
        label, units["follow_up_days"].to_numpy(), sample_weight=weight,
        patient_ids=units["patient"].to_numpy(),
    )  # fmt: skip
    return share_finding(verdict, _n_patients(units[~label]))


def _early(table: AuditTable, settings: Settings, seed: int) -> Finding:
    units = table.units
    known = units[units["time_years"].notna() & units["event"].notna()]
    event, weight = known["event"].to_numpy(), known["weight"].to_numpy()
    verdict = early_cancers(
        known["time_years"].to_numpy(), event, sample_weight=weight,
        patient_ids=known["patient"].to_numpy(),
    )  # fmt: skip
    return share_finding(verdict, _n_patients(known[event == 1]))


def _censoring(table: AuditTable, settings: Settings, seed: int) -> Finding:
    units = table.units
    known = units[units[["time_years", "event", "score"]].notna().all(axis=1)]
    verdict = informative_censoring(
        known["time_years"].to_numpy(), known["event"].to_numpy(), known["score"].to_numpy(),
        known["patient"].to_numpy(), sample_weight=known["weight"].to_numpy(),
    )  # fmt: skip
    return Finding(verdict)


def _exclusions(table: AuditTable, settings: Settings, seed: int) -> Finding:
    units = table.units[table.units["included"].notna()].reset_index(drop=True)
    groups = groups_of(table, units)
    if groups.empty:
        raise InputError(f"no column to compare them by ({', '.join(GROUPS_BY)})")
    label = (units[LABEL] == 1).to_numpy() if table.has(LABEL) else np.zeros(len(units), dtype=bool)
    verdict = exclusions(
        (units["included"] == 1).to_numpy(), label, groups, units["patient"].to_numpy(), np.random.default_rng(seed),
        units["weight"].to_numpy(),
    )  # fmt: skip
    return Finding(verdict)


def _exclusions_by_label(table: AuditTable, settings: Settings, seed: int) -> Finding:
    """Cancers left out more often, or less, than the others: red where surely beyond the limit."""
    units = table.units
    units = units[units["included"].notna() & units[LABEL].notna()].reset_index(drop=True)
    label, left_out = (units[LABEL] == 1).to_numpy(), (units["included"] == 0).to_numpy()
    patient = units["patient"].to_numpy()
    if label.all() or not label.any():
        raise InputError(f"of {len(units):,} rows with included and a label all are of one class")
    if left_out.all() or not left_out.any():
        raise InputError(f"{int(left_out.sum()):,} of {len(units):,} rows are left out: no choice")
    sick, well, gap = share_difference(left_out, label, patient, units["weight"].to_numpy(), seed)
    surely = bool(gap.low > EXCLUSION_GAP or gap.high < -EXCLUSION_GAP)
    known = bool(gap.low > 0 or gap.high < 0)
    few = min(len(np.unique(patient[label == kind])) for kind in (True, False)) < FEWEST_POSITIVES
    close = (known and abs(gap.value) > HALFWAY * EXCLUSION_GAP) or few
    message = (
        f"{100 * sick.value:.1f}% of cancers and {100 * well.value:.1f}% of the others are left out: "
        f"{in_points(gap)} (limit {100 * EXCLUSION_GAP:g} either way)"
        + (": prevalence and accuracy are those of a chosen set." if surely else ".")
    )
    verdict = GuardVerdict("exclusions_by_label", gap.value, EXCLUSION_GAP, surely, message)
    return Finding(verdict, close and not surely, gap)


CHECKS: tuple[Check, ...] = (
    Check("label_timing", "Does the diagnosis follow the exam, within the horizon?",
          (LABEL, "exam_date", "diagnosis_date"), _timing, True, GROUP),
    Check("label_source", "Does the label know more than the reader?", (LABEL, "recalled"),
          _source, True, GROUP),
    Check("follow_up", "Were the negatives followed long enough?", (LABEL, "follow_up_days"),
          _follow_up, True, GROUP),
    Check("exclusions", "Who was left out?", ("included",), _exclusions, False, GROUP),
    Check("exclusions_by_label", "Were cancers left out as often as the others?",
          ("included", LABEL), _exclusions_by_label, False, GROUP),
    Check("early_cancers", "Is the risk mostly cancer that was there already?",
          ("time_years", "event"), _early, False, GROUP),
    Check("informative_censoring", "Are those lost to follow-up like those who are followed?",
          ("time_years", "event", "score"), _censoring, False, GROUP),
)  # fmt: skip
