"""Triage, and a second reader, replayed on a reader study at any prevalence of cancer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from mammolab.evaluate.checks import Estimate, check_flag, check_inside
from mammolab.evaluate.mrmc import ReaderEstimate, obuchowski_rockette
from mammolab.evaluate.readers import ShareCovariance

_ROUNDING = 1e-16  # a variance below this is what rounding leaves of zero
NOTHING = ReaderEstimate(*[float("nan")] * 5)  # of a share of no exam


@dataclass(frozen=True, eq=False)
class PanelTriage:
    """A panel of readers without and with triage; means over readers, at one prevalence.

    Differences are with triage minus without. `reader_sensitivity` and `reader_specificity` have
    shape (2, n_readers): without, with. Estimates are NaN where nobody is ruled out (the false
    omissions), or a reader recalls nobody (the PPVs); limits are NaN where no variance is seen.

    n_cancers_ruled_out : gross, whatever the readers decided.
    recalls_lost : of each reader's recalls of cancers, how many fall away; shape (n_readers,).
    fraction_ruled_out : share of exams not read.
    gross_false_omission : share of the exams ruled out that have cancer.
    net_false_omission : share of them that have cancer and that the reader had recalled.
    """

    prevalence: float
    n_exams: int
    n_cancers: int
    n_ruled_out: int
    n_cancers_ruled_out: int
    recalls_lost: NDArray[np.intp]
    reader_sensitivity: NDArray[np.float64]
    reader_specificity: NDArray[np.float64]
    sensitivity_without: ReaderEstimate
    sensitivity_with: ReaderEstimate
    sensitivity_difference: ReaderEstimate
    specificity_without: ReaderEstimate
    specificity_with: ReaderEstimate
    specificity_difference: ReaderEstimate
    recall_rate_without: ReaderEstimate
    recall_rate_with: ReaderEstimate
    recall_rate_difference: ReaderEstimate
    ppv_without: ReaderEstimate
    ppv_with: ReaderEstimate
    ppv_difference: ReaderEstimate
    fraction_ruled_out: ReaderEstimate
    gross_false_omission: ReaderEstimate
    net_false_omission: ReaderEstimate


@dataclass(frozen=True)
class DoubleReading:
    """One way of reading, or a difference of two: mean over readers or pairs of readers."""

    setting: str
    sensitivity: Estimate
    specificity: Estimate
    recall_rate: Estimate


def standardised_shares(
    event: ArrayLike, among: ArrayLike, label: ArrayLike, prevalence: float
) -> ShareCovariance:
    """Shares at a stated prevalence, with their covariance given the size of each class.

    Parameters
    ----------
    event, among : array-like of bool or of float in [0, 1], shape (n_exams, k)
        Share k is the sum of `event * among` over that of `among`. One row a patient.
    label : array-like of bool, shape (n_exams,)
        The two classes, of at least two exams each.
    prevalence : float in (0, 1)

    Returns
    -------
    ShareCovariance
        NaN for a share of no exam.

    Notes
    -----
    How many cancers a reader study holds was decided, not observed: deviations are taken from the
    mean of their class, n / (n - 1) times their mean square, by Taylor linearisation. A share
    within one class (sensitivity, specificity) is then that of `readers.share_covariance` at any
    prevalence; the PPV p Se / (p Se + (1 - p) (1 - Sp)) has the variance of the delta method.

    References
    ----------
    Saerndal, Swensson, Wretman 1992, Model Assisted Survey Sampling, sections 5.5 and 5.6 (ratio
    under stratified sampling).
    """
    event, among = np.asarray(event, dtype=np.float64), np.asarray(among, dtype=np.float64)
    if event.ndim != 2 or event.shape != among.shape:
        raise ValueError(f"event and among must have one shape (n_exams, k): {event.shape}")
    label = check_flag(label, "label", len(event))
    check_inside(prevalence, "prevalence", 0, 1)
    classes = [(label, prevalence), (~label, 1 - prevalence)]
    if min(rows.sum() for rows, _ in classes) < 2:
        raise ValueError("label must hold two exams with cancer and two without")
    both = event * among
    top = sum(part * both[rows].mean(axis=0) for rows, part in classes)
    bottom = sum(part * among[rows].mean(axis=0) for rows, part in classes)
    defined = bottom > 0
    bottom = np.where(defined, bottom, np.nan)
    share = np.minimum(top / bottom, 1.0)  # rounding may leave it above
    deviation = (both - share * among) / bottom
    covariance = np.zeros((event.shape[1],) * 2)
    for rows, part in classes:
        of_class = deviation[rows] - deviation[rows].mean(axis=0)
        n = len(of_class)
        covariance += part**2 / (n * (n - 1)) * of_class.T @ of_class
    return ShareCovariance(share, covariance)


def triage_panel(
    recall: ArrayLike,
    ruled_out: ArrayLike,
    label: ArrayLike,
    prevalence: float,
    random: str = "readers_and_cases",
    confidence: float = 0.95,
) -> PanelTriage:
    """Replay a panel's recalls with the exams that are ruled out left unread.

    Parameters
    ----------
    recall : array-like of bool, shape (n_exams, n_readers)
        From `reader_criterion`. One row a patient.
    ruled_out : array-like of bool, shape (n_exams,)
        From `reader_criterion.cross_fit`.
    label : array-like of bool, shape (n_exams,)
    prevalence : float in (0, 1)
        That of screening; the share of cancers among the rows gives the naive result.
    random, confidence
        As for `mrmc.obuchowski_rockette`.

    Notes
    -----
    Readers are assumed to read the rest as they did. Criteria and thresholds are taken as given.
    Limits are symmetric, cut to [0, 1] ([-1, 1] for differences): rough for a share of few events.

    References
    ----------
    Yala et al. 2019, doi:10.1148/radiol.2019182908 (the design). Hillis 2007,
    doi:10.1002/sim.2532 (the intervals).
    """
    label = check_flag(label, "label")
    ruled_out = check_flag(ruled_out, "ruled_out", len(label))
    recall = np.asarray(recall, dtype=bool)
    if recall.ndim != 2 or len(recall) != len(label):
        raise ValueError(f"recall must have shape ({len(label)}, n_readers), not {recall.shape}")
    n_readers = recall.shape[1]
    read = np.stack([recall & ~ruled_out[:, None], recall], axis=1)  # with triage, without
    cancer = np.broadcast_to(label[:, None, None], read.shape)

    def analyse(event, among, design=random):
        flat = (len(label), -1)
        fit = standardised_shares(event.reshape(flat), among.reshape(flat), label, prevalence)
        if np.isnan(fit.share).any():
            return None
        shape = event.shape[1:]
        return obuchowski_rockette(fit.share.reshape(shape), fit.covariance, design, confidence)

    def paired(event, among):
        study = analyse(event, among)
        if study is None:
            return NOTHING, NOTHING, NOTHING
        with_triage, without = (_cut(mean, 0.0) for mean in study.means)
        return without, with_triage, _cut(study.differences[0, 1], -1.0)

    def alone(event, among, design=random):
        study = analyse(event, among, design)
        return NOTHING if study is None else _cut(study.means[0], 0.0)

    out = ruled_out[:, None, None]
    of_readers = np.broadcast_to(out, (len(label), 1, n_readers))
    rates = [
        *paired(read, cancer),
        *paired(~read, ~cancer),
        *paired(read, np.ones_like(read)),
        *paired(cancer, read),
    ]
    return PanelTriage(
        float(prevalence),
        len(label),
        int(label.sum()),
        int(ruled_out.sum()),
        int((ruled_out & label).sum()),
        (recall & (ruled_out & label)[:, None]).sum(axis=0),
        read[label].mean(axis=0)[::-1],
        1 - read[~label].mean(axis=0)[::-1],
        *rates,
        fraction_ruled_out=alone(out, np.ones_like(out), "cases"),
        gross_false_omission=alone(label[:, None, None], out, "cases"),
        net_false_omission=alone((recall & label[:, None])[:, None, :], of_readers),
    )


def double_reading(
    recall: ArrayLike,
    system_recall: ArrayLike,
    label: ArrayLike,
    prevalence: float,
    confidence: float = 0.95,
) -> list[DoubleReading]:
    """One reader, two readers, and a reader with the system, between the bounds of arbitration.

    Parameters
    ----------
    recall : array-like of bool, shape (n_exams, n_readers)
    system_recall : array-like of bool, shape (n_exams,)
        At a criterion comparable with the readers', such as the same rate.
    label : array-like of bool, shape (n_exams,)
    prevalence : float in (0, 1)
        For the recall rate; sensitivity and specificity do not depend on it.
    confidence : float in (0, 1)

    Returns
    -------
    list of DoubleReading
        Five settings: "one reader"; "two readers" and "reader and system", each recalling where
        "either recalls" and where "both recall". Any arbitration of disagreements lies between.
        Two readers are the mean over all pairs of different readers. Then two differences: "system
        minus second reader", either and both.

    Notes
    -----
    Intervals are over cases, for these very readers: the variance of a mean over pairs due to
    readers is no mean square of Obuchowski and Rockette's table.
    """
    z = norm.ppf(0.5 + check_inside(confidence, "confidence", 0, 1) / 2)
    recall = np.asarray(recall, dtype=bool)
    label = check_flag(label, "label", len(recall))
    system = check_flag(system_recall, "system_recall", len(recall))[:, None]
    n_readers = recall.shape[1]
    if n_readers < 2:
        raise ValueError("recall must hold two readers: a pair takes as many")
    n_recalls = recall.sum(axis=1)
    pairs = n_readers * (n_readers - 1) / 2
    n_neither = (n_readers - n_recalls) * (n_readers - n_recalls - 1) / 2
    settings = {
        "one reader": n_recalls / n_readers,
        "two readers, either recalls": 1 - n_neither / pairs,
        "two readers, both recall": n_recalls * (n_recalls - 1) / 2 / pairs,
        "reader and system, either recalls": (recall | system).mean(axis=1),
        "reader and system, both recall": (recall & system).mean(axis=1),
    }
    shares = np.column_stack(list(settings.values()))
    among = np.broadcast_to(label[:, None], shares.shape)
    fits = [
        standardised_shares(shares, among, label, prevalence),
        standardised_shares(1 - shares, ~among, label, prevalence),
        standardised_shares(shares, np.ones_like(shares), label, prevalence),
    ]
    differences = {
        "system minus second reader, either recalls": [0, -1, 0, 1, 0],
        "system minus second reader, both recall": [0, 0, -1, 0, 1],
    }
    contrasts = dict(zip(settings, np.eye(len(settings)), strict=True)) | differences

    def estimate(fit: ShareCovariance, contrast: ArrayLike, lowest: float) -> Estimate:
        value, variance = float(contrast @ fit.share), float(contrast @ fit.covariance @ contrast)
        half = float(z * variance**0.5) if variance > _ROUNDING else float("nan")
        low, high = np.clip([value - half, value + half], lowest, 1.0)
        return Estimate(value, float(low), float(high))

    return [
        DoubleReading(
            name,
            *(estimate(fit, np.array(contrast), -float(name in differences)) for fit in fits),
        )
        for name, contrast in contrasts.items()
    ]


def _cut(mean: ReaderEstimate, lowest: float) -> ReaderEstimate:
    """Cut the limits to what the quantity can be; NaN limits stay."""
    low, high = np.clip([mean.low, mean.high], lowest, 1.0)
    return ReaderEstimate(
        mean.value, float(low), float(high), mean.standard_error, mean.degrees_of_freedom
    )
