"""A model that misleads in one group behind a good average, and how many cancers show it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import multivariate_normal, norm

from mammolab.errors import InputError
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.delong import auc_estimate
from mammolab.evaluate.gaps import auc_gaps
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.pitfalls.failure import NOT_KNOWN, Failure, Outcome, check_dose
from mammolab.pitfalls.guards_groups import subgroup_gap
from mammolab.pitfalls.many_aucs import auc_separation
from mammolab.world.streams import stream

# Share of the women in each group; the last one is failed.
GROUPS = {"first": 0.40, "second": 0.25, "third": 0.15, "fourth": 0.12, "hidden": 0.08}
_FEWEST_CANCERS, _MOST_CANCERS = 10, 100_000  # fewer are not estimated in any chapter

HIDDEN_SUBGROUP = Failure(
    name="hidden_subgroup",
    title="A group behind the average",
    metric="AUC, all against the group",
    dial="AUC lost in the group",
    guard="subgroup_gap",
    repair="Report every group named beforehand, with limits that hold for all of them (max-T).",
    cost="Wide limits in small groups, and more cancers to collect before a group can be cleared.",
    source=(
        "Oakden-Rayner 2020, doi:10.1145/3368555.3384468: over 20% lower in hidden strata; "
        "Seyyed-Kalantari 2021, doi:10.1038/s41591-021-01595-0"
    ),
)


def hidden_subgroup(
    dose: float,
    seed: int,
    auc: float = 0.85,
    auc_worst: float = 0.40,
    n_cancers: int = 400,
    n_healthy: int = 4000,
    n_replicates: int = 500,
) -> Outcome:
    """Simulate a model that ranks the cancers of one group worse, down to below chance.

    The group holds 8% of the women. The average hardly moves, for few cancers are in it.

    Parameters
    ----------
    dose : float in [0, 1]
        From the AUC of everyone else to `auc_worst`, in steps of AUC.
    seed : int
    auc, auc_worst : float
        True AUC inside each group, and inside the hidden one at dose 1.
    n_cancers, n_healthy : int
        Women of the test set, one exam each.
    n_replicates : int
        Bootstrap replicates behind the limits by group.

    Returns
    -------
    Outcome
        reported: AUC over all women, with DeLong's interval; true: the AUC in the hidden group, by
        construction; repaired: the AUC estimated there, with limits that hold for all groups at
        once.

    References
    ----------
    Oakden-Rayner et al. 2020, doi:10.1145/3368555.3384468; Seyyed-Kalantari et al. 2021,
    doi:10.1038/s41591-021-01595-0 (underdiagnosis, worst where groups intersect).
    """
    check_dose(dose)
    in_group = auc - dose * (auc - auc_worst)
    score, label, group = _women(seed, auc, in_group, n_cancers, n_healthy)
    patients = np.arange(len(score))
    bootstrap = PatientBootstrap.draw(patients, n_replicates, seed)
    by_group = auc_gaps(score, label, {"group": group}, patients, None, bootstrap)
    hers = by_group.set_index("level").loc["hidden"]
    repaired = NOT_KNOWN
    if not np.isnan(hers["gap"]):
        repaired = Estimate(
            float(hers["estimate"]),
            float(hers["rest"] + hers["simultaneous_low"]),
            float(hers["rest"] + hers["simultaneous_high"]),
        )
    return Outcome(
        dose,
        auc - in_group,
        auc_estimate(score, label),
        Estimate(in_group, in_group, in_group),
        repaired,
        subgroup_gap(
            score, label, pd.DataFrame({"group": group}), patients, stream(seed, "subgroup guard")
        ),
    )


def cancers_to_know(
    auc_group: float,
    auc_rest: float,
    n_looks: int = 1,
    healthy_per_cancer: float = 10.0,
    power: float = 0.80,
    level: float = 0.05,
) -> float:
    """Cancers in a group that show its lower AUC in `power` of studies.

    Parameters
    ----------
    auc_group, auc_rest : float in (0, 1)
        The group's true AUC, below that of everyone else, who are so many that theirs is known.
    n_looks : int
        Groups looked at; the two-sided level is divided by it (Bonferroni).
    healthy_per_cancer : float
        Exams without cancer in the group for each with; a screening programme has 150 or more.
    power, level : float in (0, 1)

    Returns
    -------
    float
        A whole number from 10 up; infinity above 100,000.

    Raises
    ------
    InputError
        If the group's AUC is not below that of the rest, or n_looks is below 1.

    Notes
    -----
    With scores normal and equally spread in both classes, the variance of an AUC of A by n cancers
    and m others is (A (1 - A) + (n + m - 2) (Q - A^2)) / (n m), where Q is the chance that two
    cancers both outrank an exam without (Hanley and McNeil's Q1 and Q2, here equal).

    References
    ----------
    Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.

    Examples
    --------
    >>> cancers_to_know(0.75, 0.85), cancers_to_know(0.80, 0.85)
    (36.0, 134.0)
    """
    if not 0 < auc_group < auc_rest < 1 or n_looks < 1:
        raise InputError(
            "The group's AUC must be below that of the rest, both in (0, 1), and n_looks at least "
            f"1; they are {auc_group}, {auc_rest} and {n_looks}."
        )
    n = np.arange(float(_FEWEST_CANCERS), _MOST_CANCERS + 1)
    missed = norm.ppf(1 - level / (2 * n_looks)) * _standard_error(auc_rest, n, healthy_per_cancer)
    missed += norm.ppf(power) * _standard_error(auc_group, n, healthy_per_cancer)
    enough = missed <= auc_rest - auc_group
    return float(n[enough.argmax()]) if enough.any() else float("inf")


def cancers_to_know_table(
    auc_rest: float, aucs: list[float], looks: list[int], n_cancers_here: int
) -> pd.DataFrame:
    """`cancers_to_know` for several AUCs of the group and numbers of groups looked at.

    Returns
    -------
    DataFrame
        auc_group, n_looks, n_cancers (NaN above 100,000), n_cancers_here.
    """
    rows = [
        {
            "auc_group": auc,
            "n_looks": n_looks,
            "n_cancers": cancers_to_know(auc, auc_rest, n_looks),
            "n_cancers_here": n_cancers_here,
        }
        for n_looks in looks
        for auc in aucs
        if auc < auc_rest
    ]
    return pd.DataFrame(rows).replace(np.inf, np.nan)


def _women(
    seed: int, auc: float, auc_hidden: float, n_cancers: int, n_healthy: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray]:
    """Scores, labels and groups; the dose moves the cancers of the hidden group alone."""
    rng = stream(seed, "hidden subgroup")
    label = np.arange(n_cancers + n_healthy) < n_cancers
    # each class holds the groups in their shares, up to rounding: no group is short of cancers
    ends = np.cumsum(list(GROUPS.values()))
    names = np.array(list(GROUPS), dtype=object)
    place = np.concatenate([(np.arange(n) + 0.5) / n for n in (n_cancers, n_healthy)])
    group = names[np.searchsorted(ends, place)]
    score = rng.standard_normal(len(label))
    score[label] += np.where(
        group[label] == "hidden", auc_separation(auc_hidden), auc_separation(auc)
    )
    return score, label, group


def _standard_error(
    auc: float, n_cancers: NDArray[np.float64], per_cancer: float
) -> NDArray[np.float64]:
    n_healthy = per_cancer * n_cancers
    threshold = norm.ppf(auc)
    both = float(multivariate_normal.cdf([threshold, threshold], cov=[[1.0, 0.5], [0.5, 1.0]]))
    spread = auc * (1 - auc) + (n_cancers + n_healthy - 2) * (both - auc**2)
    return np.sqrt(spread / (n_cancers * n_healthy))
