"""Leaving out the inconvenient: the figure of those who are easy, and who pays for it."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.auc_bootstrap import auc_bootstrap
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.resampling import PatientBootstrap, share_estimate
from mammolab.evaluate.subgroups import UNKNOWN
from mammolab.pitfalls import guards_exclusion
from mammolab.pitfalls.collection import LABEL
from mammolab.pitfalls.failure import NOT_KNOWN, Failure, Outcome, check_dose
from mammolab.pitfalls.inconvenient import REASONS, Inconvenient
from mammolab.pitfalls.verdict import GuardVerdict

MINIMUM_CANCERS = 10  # fewer tell nothing of a group (as in evaluate.subgroups)

EXCLUSIONS = Failure(
    name="exclusions",
    title="Leaving out the inconvenient",
    metric="AUC",
    dial="inconvenient women left out",
    guard="exclusions",
    repair="Report all women, and the groups one would have left out beside them.",
    cost="The figure of all is the less flattering one, and those of the small groups are unsure.",
    source="Freeman 2021 (doi:10.1136/bmj.n1872): all 5 systems better than a radiologist on small "
    "chosen sets, 34 of 36 worse among women as they come; Seyyed-Kalantari 2021 (doi:10.1038/s41591-021-01595-0): "
    "underdiagnosis is worst where disadvantages meet.",
)


def exclusions(
    exams: pd.DataFrame,
    score: ArrayLike,
    reasons: Inconvenient,
    bootstrap: PatientBootstrap,
    rng: np.random.Generator,
    dose: float,
) -> Outcome:
    """Leave out women with implants, dense or small breasts or poor follow-up; report the rest.

    Parameters
    ----------
    exams : DataFrame, n rows
        Rows of the table `cohort` with pixels: patient_id, cancer_within_1y, sampling_weight;
        race_ethnicity where known.
    score : array-like of float, shape (n,)
        Higher is more suspicious.
    reasons : Inconvenient
        For the same exams.
    bootstrap : PatientBootstrap
    rng : numpy Generator
        The order in which women are left out; it is copied, so that each dose has the same.
    dose : float
        Share of the women with a reason who are left out, with all their exams that have one.

    Returns
    -------
    Outcome
        reported: AUC of those kept; true and repaired: AUC of all, by weight.

    References
    ----------
    Freeman 2021, doi:10.1136/bmj.n1872; Seyyed-Kalantari 2021, doi:10.1038/s41591-021-01595-0.
    """
    rng = deepcopy(rng)
    score = np.asarray(score, float)
    kept = ~_left_out(exams["patient_id"], reasons.any, rng, check_dose(dose))
    every = np.ones(len(exams), bool)
    true = _auc(exams, score, every, bootstrap)
    groups = reasons.flags.set_axis(exams.index)
    if "race_ethnicity" in exams:
        groups = groups.assign(race_ethnicity=exams["race_ethnicity"].fillna(UNKNOWN))
    guard = _judge(kept, exams, groups, rng)
    return Outcome(dose, dose, _auc(exams, score, kept, bootstrap), true, true, guard)


def who_pays(
    exams: pd.DataFrame, score: ArrayLike, reasons: Inconvenient, bootstrap: PatientBootstrap
) -> pd.DataFrame:
    """Say for every reason, and for every race, whom one loses and what one does not report.

    Parameters
    ----------
    exams, score, reasons, bootstrap
        As for `exclusions`; `exams` also has recall, the readers' decision.

    Returns
    -------
    DataFrame
        heading, group; share_women and share_cancers left out (by weight: of all for a reason, of
        her race for a race); for those left out (for those kept in the row "kept") auc and the
        readers' sensitivity, each with _low and _high, NaN where there are fewer than 10 cancers;
        n_exams, n_patients, n_cancers, the numbers behind.
    """
    score = np.asarray(score, float)
    every, left = np.ones(len(exams), bool), reasons.any
    cells = [("", "all women", every, every), ("", "kept", ~left, every)]
    cells += [
        ("left out for", REASONS[name], flag.to_numpy(), every)
        for name, flag in reasons.flags.items()
    ]
    cells.append(("left out for", "any of these", left, every))
    if "race_ethnicity" in exams:
        race = exams["race_ethnicity"].fillna(UNKNOWN).to_numpy()
        cells += [
            ("left out for any, by race", name.capitalize(), left & (race == name), race == name)
            for name in sorted(set(race), key=lambda name: (name == UNKNOWN, name))
        ]
    weight = exams["sampling_weight"].to_numpy(float)
    cancer = exams[LABEL].to_numpy(bool)
    rows = []
    for heading, group, cell, among in cells:
        row = {
            "heading": heading,
            "group": group,
            "n_exams": int(cell.sum()),
            "n_patients": exams["patient_id"][cell].nunique(),
            "n_cancers": int(cancer[cell].sum()),
            "share_women": _share(weight, cell & among, among),
            "share_cancers": _share(weight, cell & cancer, among & cancer),
        }
        enough = row["n_cancers"] >= MINIMUM_CANCERS
        auc = _auc(exams, score, cell, bootstrap) if enough else NOT_KNOWN
        caught = NOT_KNOWN
        if enough:
            caught = share_estimate(
                exams["recall"], cell & cancer, exams["patient_id"], weight, bootstrap
            )
        for name, estimate in (("auc", auc), ("sensitivity", caught)):
            row |= {
                name: estimate.value,
                f"{name}_low": estimate.low,
                f"{name}_high": estimate.high,
            }
        rows.append(row)
    return pd.DataFrame(rows)


def results_of_groups(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `who_pays` as rows of the table `results`, for `Chapter.results`.

    Parameters
    ----------
    table : DataFrame
        As from `who_pays`.

    Returns
    -------
    DataFrame
        Metrics auc (model), sensitivity (readers), share_women and share_cancers, by subgroup.
    """
    subgroup = (table["heading"] + ": " + table["group"]).str.removeprefix(": ")
    parts = []
    for metric, model in (
        ("auc", "raw"),
        ("sensitivity", "readers"),
        ("share_women", None),
        ("share_cancers", None),
    ):
        shares = metric.startswith("share")
        parts.append(
            pd.DataFrame(
                {
                    "metric": metric,
                    "model": model,
                    "subgroup": subgroup,
                    "horizon_years": 1.0,
                    "estimate": table[metric],
                    "ci_low": np.nan if shares else table[f"{metric}_low"],
                    "ci_high": np.nan if shares else table[f"{metric}_high"],
                    "n_exams": table["n_exams"],
                    "n_patients": table["n_patients"],
                    "n_events": table["n_cancers"],
                    "method": "weighted count" if shares else "patient bootstrap",
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _left_out(
    patient_ids: pd.Series, flagged: NDArray[np.bool_], rng: np.random.Generator, share: float
) -> NDArray[np.bool_]:
    """Exams with a reason of the first women, in a random order that the share does not change."""
    women = patient_ids.to_numpy()[flagged]
    first, codes = np.unique(women, return_inverse=True)
    place = rng.permutation(len(first))
    result = np.zeros(len(flagged), bool)
    result[np.flatnonzero(flagged)] = place[codes] < share * len(first)
    return result


def _judge(
    kept: NDArray[np.bool_], exams: pd.DataFrame, groups: pd.DataFrame, rng: np.random.Generator
) -> GuardVerdict:
    """Ask the guard, which compares those kept with those left out, where there are both."""
    if kept.all() or not kept.any():
        left = float(not kept.any())
        message = "Every exam is left out." if left else "No exam is left out."
        return GuardVerdict("exclusions", left, guards_exclusion.EXCLUSION_GAP, bool(left), message)
    return guards_exclusion.exclusions(
        kept, exams[LABEL], groups, exams["patient_id"], rng, exams["sampling_weight"]
    )


def _auc(
    exams: pd.DataFrame, score: NDArray, rows: NDArray[np.bool_], bootstrap: PatientBootstrap
) -> Estimate:
    """AUC by weight among these rows; not known where a class is missing."""
    label = exams[LABEL].to_numpy(bool)
    if label[rows].all() or not label[rows].any() or exams["patient_id"][rows].nunique() < 2:
        return NOT_KNOWN
    return auc_bootstrap(
        score[rows],
        label[rows],
        exams["patient_id"].to_numpy()[rows],
        exams["sampling_weight"].to_numpy()[rows],
        bootstrap,
    )


def _share(weight: NDArray, part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    total = weight[whole].sum()
    return float(weight[part].sum() / total) if total else np.nan
