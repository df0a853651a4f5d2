"""A model that misleads in one group behind a good average, and how many cancers show it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.delong import auc_estimate
from mammolab.evaluate.gaps import auc_gaps
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.pitfalls.failure import NOT_KNOWN, Failure, Outcome, check_dose
from mammolab.pitfalls.guards_groups import cancers_to_know, subgroup_gap
from mammolab.pitfalls.many_aucs import auc_separation
from mammolab.world.streams import stream

# Share of the women in each group; the last one is failed.
GROUPS = {"first": 0.40, "second": 0.25, "third": 0.15, "fourth": 0.12, "hidden": 0.08}

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
        once. Reported and true are of two quantities, and as a mean the one reported is right
        (`auc_of_all`): the failure is to take the one for the other.

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


def auc_of_all(outcome: Outcome) -> float:
    """The true AUC over all women, of whom the hidden group are some, by construction.

    Healthy women score alike in every group, so that it is the mean of the groups' AUCs by their
    cancers.
    """
    return outcome.true.value + (1 - GROUPS["hidden"]) * outcome.setting


def cancers_to_know_table(
    auc_rest: float, aucs: list[float], looks: list[int], n_cancers_here: int
) -> pd.DataFrame:
    """`guards_groups.cancers_to_know` for several AUCs of the group and numbers of groups looked at.

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
