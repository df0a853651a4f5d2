"""The best of many subgroups, published as if it had been the only one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from mammolab.evaluate.checks import Estimate
from mammolab.pitfalls.failure import Failure, Outcome, check_dose
from mammolab.pitfalls.guards_selection import disclosed_selection
from mammolab.pitfalls.many_aucs import auc_separation, many_aucs
from mammolab.world.streams import stream

SEEDS_TOLD = 3  # by the author, of the model: one seed is another mistake (assumption)

BEST_SUBGROUP = Failure(
    name="best_subgroup",
    title="The best of many subgroups",
    metric="AUC in the best subgroup",
    dial="subgroups looked at",
    guard="disclosed_selection",
    repair="Name subgroups beforehand, or shrink each towards the mean of all that were looked at.",
    cost="The headline; all subgroups must be shown.",
    source=(
        "Varoquaux and Cheplygina 2022, doi:10.1038/s41746-022-00592-y: many published gains lie "
        "within the noise of evaluation"
    ),
)


def best_subgroup(
    dose: float,
    seed: int,
    auc: float = 0.75,
    most_subgroups: int = 40,
    n_cancers: int = 25,
    n_healthy: int = 100,
    n_studies: int = 300,
) -> Outcome:
    """Look at many subgroups, in all of which the model is as good, and report the best one.

    Parameters
    ----------
    dose : float in [0, 1]
        The number of subgroups, from 1 to `most_subgroups`, evenly on a logarithmic scale.
    seed : int
    auc : float in (0, 1)
        True in every subgroup.
    most_subgroups, n_cancers, n_healthy, n_studies : int
        Women of each class in each subgroup, and studies averaged over.

    Returns
    -------
    Outcome
        Means over studies. reported: AUC in the best subgroup with DeLong's interval; true: the AUC
        there, which fresh women would show; repaired: the same subgroup shrunk towards the mean of
        all, by empirical Bayes.

    Notes
    -----
    A subgroup's share of its own deviation is v / (v + s^2), with s its standard error and v what
    the AUCs vary beyond their errors, at least 0 (method of moments). The interval adds what is
    left of s to the error of the mean. The guard is asked with `SEEDS_TOLD` seeds: no model is
    trained here, and it would otherwise speak of one seed at every dose.

    References
    ----------
    Varoquaux and Cheplygina 2022, doi:10.1038/s41746-022-00592-y; Morris 1983,
    doi:10.1080/01621459.1983.10477920 (empirical Bayes).
    """
    n_groups = round(most_subgroups ** check_dose(dose))
    shape = (n_studies, most_subgroups)
    groups = many_aucs(
        *(
            stream(seed, name).standard_normal((*shape, n)).reshape(-1, n, 1) + shift
            for name, n, shift in (
                ("cancers", n_cancers, auc_separation(auc)),
                ("healthy", n_healthy, 0.0),
            )
        )
    )
    aucs, errors = (
        values.reshape(shape)[:, :n_groups]
        for values in (groups.auc, np.sqrt(groups.image_variance))
    )
    best = aucs.argmax(axis=1)[:, None]
    return Outcome(
        dose,
        float(n_groups),
        _mean_interval(*_at(best, aucs, errors)),
        Estimate(auc, auc, auc),
        _mean_interval(*_at(best, *shrunk(aucs, errors))),
        disclosed_selection(n_groups, n_groups, SEEDS_TOLD),
    )


def shrunk(
    aucs: NDArray[np.float64], errors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimates of several subgroups shrunk towards their mean, and their standard errors.

    Parameters
    ----------
    aucs, errors : array of float, shape (n_studies, n_subgroups)
        With fewer than three subgroups there is nothing to learn from the others: returned as is.
    """
    n_groups = aucs.shape[1]
    if n_groups < 3:
        return aucs, errors
    mean = aucs.mean(axis=1, keepdims=True)
    beyond = aucs.var(axis=1, ddof=1, keepdims=True) - (errors**2).mean(axis=1, keepdims=True)
    own = np.maximum(beyond, 0)
    own = own / (own + errors**2)
    of_mean = (errors**2).mean(axis=1, keepdims=True) / n_groups
    variance = own * errors**2 + (1 - own) ** 2 * of_mean
    return mean + own * (aucs - mean), np.sqrt(variance)


def _at(best: NDArray[np.intp], *arrays: NDArray) -> list[NDArray[np.float64]]:
    return [np.take_along_axis(values, best, axis=1)[:, 0] for values in arrays]


def _mean_interval(values: NDArray[np.float64], errors: NDArray[np.float64]) -> Estimate:
    half = norm.ppf(0.975) * errors
    low, high = np.maximum(values - half, 0), np.minimum(values + half, 1)
    return Estimate(float(values.mean()), float(low.mean()), float(high.mean()))
