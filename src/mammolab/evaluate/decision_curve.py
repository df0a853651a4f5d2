"""Decision curves: the net benefit of acting on a probability, with intervals over patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.checks import (
    check_patients,
    check_probabilities,
    check_two_classes,
    check_vector,
)
from mammolab.evaluate.resampling import (
    PatientBootstrap,
    percentile_interval,
    ratio_or_nan,
    sum_replicates,
)


@dataclass(frozen=True, eq=False)
class Band:
    """Values with pointwise limits, arrays of shape (n_thresholds,)."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DecisionCurve:
    """Net benefit of three ways to act, by threshold probability; arrays of shape (n_thresholds,).

    threshold_probability : as given.
    model : act on those with `probability >= threshold`.
    treat_all : act on everybody (recall all).
    treat_none : act on nobody: 0.
    gain : model minus the better of all and none, paired; above 0 the model is worth using.
    standardised : model, as a share of the net benefit of a perfect model (the prevalence).
    """

    threshold_probability: NDArray[np.float64]
    model: Band
    treat_all: Band
    treat_none: NDArray[np.float64]
    gain: Band
    standardised: Band


@dataclass(frozen=True, eq=False)
class _Tally:
    """Weighted counts of those called at each threshold, and of all.

    true_positive, false_positive : shape (..., n_thresholds).
    n_positive, n_negative : shape (..., 1).
    odds : of the threshold probabilities, shape (n_thresholds,).
    """

    true_positive: NDArray[np.float64]
    false_positive: NDArray[np.float64]
    n_positive: NDArray[np.float64]
    n_negative: NDArray[np.float64]
    odds: NDArray[np.float64]

    def model(self) -> NDArray[np.float64]:
        benefit = self.true_positive - self.false_positive * self.odds
        return ratio_or_nan(benefit, self.n_positive + self.n_negative)

    def treat_all(self) -> NDArray[np.float64]:
        benefit = self.n_positive - self.n_negative * self.odds
        return ratio_or_nan(benefit, self.n_positive + self.n_negative)

    def gain(self) -> NDArray[np.float64]:
        return self.model() - np.maximum(self.treat_all(), 0)

    def standardised(self) -> NDArray[np.float64]:
        return ratio_or_nan(self.true_positive - self.false_positive * self.odds, self.n_positive)


def net_benefit(
    probability: ArrayLike,
    label: ArrayLike,
    threshold_probability: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Net benefit of acting on those whose probability reaches the threshold.

    True positives an exam, less false positives an exam weighed by what one of them is held to
    cost: whoever would recall at a risk of 2% holds 49 needless recalls for one cancer acceptable,
    and a false positive costs .02 / .98 of a true positive.

    Parameters
    ----------
    probability : array-like of float in [0, 1], shape (n_exams,)
        Calibrated; the weights put a sampled cohort's prevalence right, not its probabilities.
    label : array-like of bool, shape (n_exams,)
        True = cancer.
    threshold_probability : array-like of float in [0, 1), shape (n_thresholds,)
    sample_weight : array-like of float, shape (n_exams,), optional

    Returns
    -------
    array of float, shape (n_thresholds,)
        In true positives per exam; at most the prevalence.

    Raises
    ------
    ValueError
        If a class is absent, a probability lies outside [0, 1] or a threshold outside [0, 1).

    Notes
    -----
    `probability >= threshold` is called, so at threshold 0 everybody is. Software that calls a
    probability of exactly 0 negative at threshold 0 differs there and nowhere else.

    References
    ----------
    Vickers, Elkin 2006, doi:10.1177/0272989X06295361.

    Examples
    --------
    >>> net_benefit([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], [0.2, 0.5]).tolist()
    [0.4375, 0.0]
    """
    exams = _Exams.check(probability, label, threshold_probability, sample_weight)
    return exams.tally().model()


def decision_curve(
    probability: ArrayLike,
    label: ArrayLike,
    threshold_probability: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
) -> DecisionCurve:
    """Net benefit of a model, of treating all and of treating none, with intervals over patients.

    Parameters
    ----------
    probability, label, threshold_probability, sample_weight
        As for `net_benefit`.
    patient_ids : array-like of str, shape (n_exams,)
    bootstrap : PatientBootstrap
    confidence : float
        Of the pointwise percentile intervals.

    Raises
    ------
    ValueError
        As `net_benefit`; or if there is one patient only, or one who is not in the bootstrap.

    References
    ----------
    Vickers, Elkin 2006, doi:10.1177/0272989X06295361.
    """
    exams = _Exams.check(probability, label, threshold_probability, sample_weight)
    sample, replicates = exams.tally(), exams.tally_replicates(patient_ids, bootstrap)
    return DecisionCurve(
        threshold_probability=exams.threshold,
        model=_band(sample.model(), replicates.model(), confidence),
        treat_all=_band(sample.treat_all(), replicates.treat_all(), confidence),
        treat_none=np.zeros(len(exams.threshold)),
        gain=_band(sample.gain(), replicates.gain(), confidence),
        standardised=_band(sample.standardised(), replicates.standardised(), confidence),
    )


def net_benefit_difference(
    first: ArrayLike,
    second: ArrayLike,
    label: ArrayLike,
    threshold_probability: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    confidence: float = 0.95,
) -> Band:
    """Net benefit of the first model minus that of the second, paired replicate by replicate.

    Parameters
    ----------
    first, second : array-like of float in [0, 1], shape (n_exams,)
        Probabilities for the same exams. Decisions already taken (the readers' recalls) can be
        compared as probabilities of 0 and 1.
    label, threshold_probability, patient_ids, sample_weight, bootstrap, confidence
        As for `decision_curve`.
    """
    models = [
        _Exams.check(one, label, threshold_probability, sample_weight) for one in (first, second)
    ]
    values = [exams.tally().model() for exams in models]
    replicates = [exams.tally_replicates(patient_ids, bootstrap).model() for exams in models]
    return _band(values[0] - values[1], replicates[0] - replicates[1], confidence)


@dataclass(frozen=True, eq=False)
class _Exams:
    """Exams sorted into the steps between thresholds.

    step : how many of the sorted thresholds an exam's probability reaches, shape (n_exams,).
    rank : place of each threshold in their sorted order, shape (n_thresholds,).
    """

    step: NDArray[np.intp]
    label: NDArray[np.bool_]
    weight: NDArray[np.float64]
    threshold: NDArray[np.float64]
    rank: NDArray[np.intp]

    @classmethod
    def check(cls, probability, label, threshold_probability, sample_weight) -> _Exams:
        probability, label, weight = check_probabilities(probability, label, sample_weight)
        check_two_classes(label, weight)
        threshold = check_vector(threshold_probability, "threshold_probability")
        wrong = (threshold < 0) | (threshold >= 1)
        if wrong.any():
            raise ValueError(
                f"threshold_probability must lie in [0, 1), not {threshold[wrong][0]} "
                f"(row {np.flatnonzero(wrong)[0]})"
            )
        distinct, rank = np.unique(threshold, return_inverse=True)
        step = np.searchsorted(distinct, probability, side="right")
        return cls(step, label, weight, threshold, rank)

    def tally(self) -> _Tally:
        n_steps = self.rank.max() + 2
        in_step = [
            np.bincount(self.step[chosen], self.weight[chosen], n_steps)
            for chosen in (self.label, ~self.label)
        ]
        return self._tally_steps(*in_step)

    def tally_replicates(self, patient_ids: ArrayLike, bootstrap: PatientBootstrap) -> _Tally:
        patient_ids = check_patients(patient_ids, len(self.label), self.weight)
        # an exam stands in one column, that of its class and step; the thresholds it passes are
        # summed afterwards, so that all replicates of all thresholds are one sparse product
        n_steps = self.rank.max() + 2
        table = np.zeros((len(self.label), 2 * n_steps))
        table[np.arange(len(table)), self.step + n_steps * ~self.label] = self.weight
        in_step = sum_replicates(table, patient_ids, bootstrap)
        return self._tally_steps(in_step[:, :n_steps], in_step[:, n_steps:])

    def _tally_steps(self, positive: NDArray, negative: NDArray) -> _Tally:
        """From weights in each step, shape (..., n_steps), to those at or above each threshold."""
        reached = [
            np.cumsum(in_step[..., ::-1], axis=-1)[..., ::-1] for in_step in (positive, negative)
        ]
        return _Tally(
            true_positive=reached[0][..., 1 + self.rank],
            false_positive=reached[1][..., 1 + self.rank],
            n_positive=reached[0][..., :1],
            n_negative=reached[1][..., :1],
            odds=self.threshold / (1 - self.threshold),
        )


def _band(value: NDArray, replicates: NDArray, confidence: float) -> Band:
    limits = np.array([percentile_interval(at, confidence) for at in replicates.T])
    return Band(value, limits[:, 0], limits[:, 1])
