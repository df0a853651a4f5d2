"""Guards on how frequent cancers are: in the set against the population, and by source."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from statsmodels.stats.proportion import proportion_confint

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_flag
from mammolab.evaluate.resampling import ratio_or_nan, sum_replicates
from mammolab.pitfalls._contrasts import (
    LEVEL,
    draw_bootstrap,
    judged_groups,
    max_t_p_values,
    most_telling,
)
from mammolab.pitfalls._exams import Exams, check_exams, check_levels
from mammolab.pitfalls._shares import effective_among
from mammolab.pitfalls.verdict import GuardVerdict

# A set with over twice, or under half, the population's cancers is no screening population
# (assumption).
PREVALENCE_RATIO = 2.0
# Incidence differs this much between women of 45 and of 60, so that hospitals of one programme
# may (assumption).
PREVALENCE_FOLD = 1.5


def prevalence(
    label: ArrayLike,
    population_prevalence: float,
    sample_weight: ArrayLike | None = None,
    ratio: float = PREVALENCE_RATIO,
    patient_ids: ArrayLike | None = None,
) -> GuardVerdict:
    """Ask whether cancer is as frequent in the set as in the population it is to stand for.

    Predictive values, calibration, thresholds on a rate, and readers' behaviour do not carry over
    from a set with another prevalence.

    Parameters
    ----------
    label : array-like of bool, shape (n,)
    population_prevalence : float
        In (0, 1).
    sample_weight : array-like of float, shape (n,), optional
        If metrics on the set use weights, give them: the weighted prevalence is what counts.
    ratio : float
        Above 1. It fires when the prevalence is more than this factor from the population's, and
        surely so: the whole 95% interval lies on that side of the population's prevalence.
    patient_ids : array-like of str, shape (n,), optional
        Give them where a row is an image, or women have several exams: patients are then counted, not rows.

    Returns
    -------
    GuardVerdict
        statistic: prevalence in the set; limit: the population's prevalence times (or, for a set
        with too few cancers, over) the ratio.

    Raises
    ------
    InputError
        If the population's prevalence is not in (0, 1) or the ratio not above 1.

    Notes
    -----
    The interval is Wilson's on Kish's effective number of patients, (sum w)^2 / sum w^2 with w the
    summed weight of a patient's exams.
    """
    if not 0 < population_prevalence < 1 or not ratio > 1:
        raise InputError(
            "The population's prevalence must lie between 0 and 1 and the ratio above 1; they are "
            f"{population_prevalence} and {ratio}."
        )
    label = check_flag(label, "label")
    everyone = np.ones(len(label), dtype=bool)
    n_effective, weight = effective_among(everyone, sample_weight, patient_ids, "exam")
    prevalence = float(weight @ label / weight.sum())
    low, high = proportion_confint(prevalence * n_effective, n_effective, method="wilson")
    if prevalence >= population_prevalence:
        limit = population_prevalence * ratio
        fired = prevalence > limit and low > population_prevalence
    else:
        limit = population_prevalence / ratio
        fired = prevalence < limit and high < population_prevalence
    finding = (
        "predictive values, calibration and thresholds do not carry over"
        if fired
        else f"within a factor of {ratio:g}, or too few exams to tell"
    )
    message = (
        f"{1000 * prevalence:.1f} of 1,000 exams in the set have cancer, "
        f"{1000 * population_prevalence:.1f} in the population: {finding}."
    )
    return GuardVerdict("prevalence", prevalence, float(limit), bool(fired), message)


def prevalence_by_source(
    label: ArrayLike,
    source: ArrayLike,
    patient_ids: ArrayLike,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    limit: float = PREVALENCE_FOLD,
) -> GuardVerdict:
    """Ask whether cancers are more frequent in exams from one source than from the others.

    Where they are, knowing the source is knowing part of the label.

    Parameters
    ----------
    label : array-like of bool, shape (n,)
    source : array-like, shape (n,)
        Hospital, scanner, year, archive; a missing one is a source too.
    patient_ids : array-like of str, shape (n,)
    rng : numpy Generator
    sample_weight : array-like of float, shape (n,), optional
    limit : float
        Above 1.

    Returns
    -------
    GuardVerdict
        statistic: how many times more (or less) frequent cancers are in the source that differs
        most than in all others, above 1 either way; an empty one counts half a cancer. Fires above
        the limit if p < .05 (max-T over all sources).

    Raises
    ------
    InputError
        If the label has one class, there is one source or over 100, or no source and its rest
        have 20 patients each.

    Notes
    -----
    Cancers are few, so that their spread is simulated and not estimated: if the source says
    nothing, each woman with cancer was seen in one that is drawn from those of all exams. The
    spread of the exams without cancer comes from the patient bootstrap.

    References
    ----------
    Zech et al. 2018, doi:10.1371/journal.pmed.1002683 (prevalence 34% in one hospital, 1% in
    another: the hospital alone has an AUC of .861). Westfall and Young 1993 (max-T).
    """
    exams = check_exams(label, patient_ids, sample_weight)
    codes, names = check_levels(source, "source", len(exams.label))
    groups = codes[:, None] == np.arange(len(names))
    groups, names = judged_groups(groups, names, exams.patient, exams.weight, "source")
    # No cancer at all would make the ratio infinite.
    totals = exams.weight @ groups
    half = 0.5 * exams.weight[exams.label & (exams.weight > 0)].mean()
    cancers = (exams.weight * exams.label) @ groups
    inside = cancers / totals
    rest = (exams.weight @ exams.label - cancers) / (exams.weight.sum() - totals)
    fold = np.exp(
        np.abs(
            np.log(np.maximum(inside, half / totals))
            - np.log(np.maximum(rest, half / (exams.weight.sum() - totals)))
        )
    )
    p_values = _p_of_sources(groups, exams, rng)
    at = most_telling(fold, p_values)
    fired = bool(fold[at] > limit and p_values[at] < LEVEL)
    finding = (
        "the source gives the label away: take both classes from the same places"
        if fired
        else "no more than chance or the limit allows"
    )
    message = (
        f"Of 1,000 exams from {names[at]}, {1000 * inside[at]:.1f} have cancer, of the "
        f"others {1000 * rest[at]:.1f} (a factor of {fold[at]:.2g}, limit {limit:g}, "
        f"p = {p_values[at]:.2g}): {finding}."
    )
    return GuardVerdict("prevalence_by_source", float(fold[at]), limit, fired, message)


def _p_of_sources(
    groups: NDArray[np.bool_], exams: Exams, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Max-T p-values, shape (k,), of the share of cancers against that of the rest in each source."""
    weight, label, patient = exams.weight, exams.label, exams.patient
    share = weight @ groups / weight.sum()
    cancer_weight = np.bincount(patient[label], weight[label])
    cancer_weight = cancer_weight[cancer_weight > 0] / cancer_weight.sum()
    of_cancers = weight[label] @ groups[label] / weight[label].sum()
    of_rest = weight[~label] @ groups[~label] / weight[~label].sum()

    bootstrap = draw_bootstrap(patient[~label], rng)
    columns = np.column_stack([groups[~label], np.ones(len(groups[~label]))])
    sums = sum_replicates(columns * weight[~label, None], patient[~label], bootstrap)
    drawn_rest = ratio_or_nan(sums[:, :-1], sums[:, -1:]) - of_rest
    # Sources that are not judged share the rest of the line from 0 to 1.
    place = np.searchsorted(
        np.cumsum(share), rng.random((len(drawn_rest), len(cancer_weight))), side="right"
    )
    drawn_cancers = np.stack([(place == k) @ cancer_weight for k in range(len(share))], axis=1)
    null = drawn_cancers - share - drawn_rest
    spread = null.std(axis=0)
    return max_t_p_values(np.abs(of_cancers - of_rest) / spread, np.abs(null) / spread)
