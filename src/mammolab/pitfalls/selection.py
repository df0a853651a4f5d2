"""Choices made on the test set: the best of many runs, the best epoch and threshold."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.evaluate.auc_bootstrap import auc_replicates
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.delong import auc_estimate
from mammolab.evaluate.resampling import PatientBootstrap, sum_replicates
from mammolab.evaluate.roc import auc
from mammolab.pitfalls import guards_selection
from mammolab.pitfalls._partings import COLUMNS, PartedWomen, checked_scores, part_women
from mammolab.pitfalls.failure import Failure, Outcome, check_dose
from mammolab.pitfalls.verdict import GuardVerdict

FLAGGED = (0.02, 0.60)  # the least and the largest share of dev exams that a threshold flags

BEST_OF_RUNS = Failure(
    name="best_of_fifty",
    title="Best of many runs",
    metric="AUC of the run reported",
    dial="runs compared on test",
    guard="disclosed_selection",
    repair="Choose the run on development women; look at the test set once.",
    cost="A development set; the AUC that one reports is lower, and is what women will get.",
    source="Varoquaux & Cheplygina 2022 (doi:10.1038/s41746-022-00592-y): the gains of many winners "
    "lie within the noise of their test sets.",
)
TUNED_ON_TEST = Failure(
    name="tuned_on_test",
    title="Tuned on the test set",
    metric="Balanced accuracy",
    dial="pairs tried on test",
    guard="disclosed_selection",
    repair="Stop and set the threshold on development women; look at the test set once.",
    cost="A development set with cancers enough: its own best figure is too good as well.",
    source="Leeflang 2008 (doi:10.1373/clinchem.2007.096032): sensitivity and specificity of 84% "
    "look like 90% in 40 patients, 86% in 200.",
)


def best_of_runs(
    exams: pd.DataFrame,
    scores: ArrayLike,
    rng: np.random.Generator,
    dose: float,
    test_share: float = 0.25,
    n_draws: int = 100,
) -> Outcome:
    """Train many times, compare the runs on the test set, and report the best of them there.

    Each run is honest, and so is its interval; the best was also lucky, and luck stays behind.

    Parameters
    ----------
    exams : DataFrame, one row an exam
        split, cancer_within_1y (bool), patient_id, sampling_weight; rows of dev and test are used.
    scores : array-like of float, shape (len(exams), n_runs)
        Higher is more suspicious, of models trained on neither dev nor test; `heads.head_runs`
        makes cheap ones.
    rng : numpy Generator
        It is copied, so that all doses share its draws.
    dose : float in [0, 1]
        Raises the number of runs compared from 1 to n_runs, evenly in its logarithm.
    test_share : float in (0, 1)
        Share of the test women who make the author's test set; the others are fresh women.
    n_draws : int
        Random partings, each with the runs in a new order, over which everything is averaged.

    Returns
    -------
    Outcome
        setting: number of runs compared. reported: AUC of the best run in the author's test set;
        true: its AUC among fresh women; repaired: AUC in the author's test set of the run that was
        best on dev. Intervals are DeLong's with the patient as unit, as one author would give them
        for one test set: the mean of their limits over the draws.

    Raises
    ------
    InputError
        If a column is missing, the shapes differ, dev lacks a class, or there are too few women of
        a class to make two test sets.

    References
    ----------
    Varoquaux, Cheplygina 2022, doi:10.1038/s41746-022-00592-y.
    """
    check_dose(dose)
    scores, rng = checked_scores(exams, scores), deepcopy(rng)
    split = part_women(exams, test_share, n_draws, rng)
    n_runs = scores.shape[1]
    n_looks = round(n_runs**dose)
    dev, test = (exams["split"].eq(name).to_numpy() for name in ("dev", "test"))
    label, _, weight = (exams.loc[dev, name] for name in COLUMNS[1:])
    dev_auc = np.array([auc(run, label, weight) for run in scores[dev].T])
    on_tested, on_fresh = (
        np.column_stack([auc_replicates(run, *split.columns, women) for run in scores[test].T])
        for women in (split.tested, split.fresh)
    )
    order = rng.permuted(np.tile(np.arange(n_runs), (n_draws, 1)), axis=1)
    told = _told(order[:, :n_looks], on_tested, on_fresh, dev_auc, scores[test], split)
    guard = guards_selection.disclosed_selection(n_runs, n_looks, n_runs)
    return _outcome(dose, n_looks, told, guard)


def tuned_on_test(
    exams: pd.DataFrame,
    scores: ArrayLike,
    rng: np.random.Generator,
    dose: float,
    test_share: float = 0.25,
    n_draws: int = 100,
    n_thresholds: int = 30,
) -> Outcome:
    """Stop training, and set the threshold, where the test set looks best.

    Parameters
    ----------
    exams, rng, test_share
        As for `best_of_runs`.
    scores : array-like of float, shape (n_seeds, len(exams), n_epochs)
        Of trainings with several seeds after each epoch; `heads.head_epochs` makes a cheap one.
    dose : float in [0, 1]
        Raises the number of pairs of epoch and threshold that are tried on the test set from 1 to
        all of a training, evenly in its logarithm: the pair that is best on dev first, then the
        next best.
    n_draws : int
        Random partings; the trainings take turns.
    n_thresholds : int
        For each epoch, from that which flags 2% of the dev exams to that which flags 60%.

    Returns
    -------
    Outcome
        setting: number of pairs tried. reported: balanced accuracy, the mean of sensitivity and
        specificity, of the best pair in the author's test set; true: among fresh women; repaired:
        in the author's test set, of the pair that was best on dev. Intervals as for `best_of_runs`:
        balanced accuracy is the AUC of a yes or no.

    Raises
    ------
    InputError
        As `best_of_runs`, or if n_thresholds is below 1.

    References
    ----------
    Leeflang et al. 2008, doi:10.1373/clinchem.2007.096032: where both are 84%, sensitivity and
    specificity at the cutoff that maximises their sum are about 90% in 40 patients, 86% in 200.
    """
    if n_thresholds < 1:
        raise InputError(f"n_thresholds must be at least 1, not {n_thresholds}.")
    trainings = np.asarray(scores, dtype=np.float64)
    if trainings.ndim != 3 or not trainings.size:
        raise InputError(
            f"scores must have shape (n_seeds, n_exams, n_epochs), not {trainings.shape}."
        )
    n_pairs = trainings.shape[2] * n_thresholds
    n_looks = round(n_pairs ** check_dose(dose))
    for epochs in trainings:
        checked_scores(exams, epochs)
    whole = part_women(exams, test_share, n_draws, deepcopy(rng))
    told = []
    for seed, epochs in enumerate(trainings):
        split = whole.some_draws(slice(seed, None, len(trainings)))
        on_dev, decisions, dev = _decisions(exams, epochs, n_thresholds)
        on_tested, on_fresh = (
            _balanced_accuracy(decisions, *split.columns, women)
            for women in (split.tested, split.fresh)
        )
        dev_accuracy = _balanced_accuracy(on_dev, *dev.columns, dev.tested)[0]
        order = np.argsort(-dev_accuracy, kind="stable")[:n_looks]
        looked_at = np.tile(order, (len(on_tested), 1))
        told.append(_told(looked_at, on_tested, on_fresh, dev_accuracy, decisions, split))
    guard = guards_selection.disclosed_selection(n_pairs, n_looks, len(trainings))
    return _outcome(dose, n_looks, np.concatenate(told), guard)


def _decisions(
    exams: pd.DataFrame, epochs: NDArray[np.float64], n_thresholds: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], PartedWomen]:
    """Yes or no for each exam of dev and of test by each pair of epoch and threshold; and dev."""
    dev, test = (exams["split"].eq(name).to_numpy() for name in ("dev", "test"))
    label, ids, weight = (exams.loc[dev, name].to_numpy() for name in COLUMNS[1:])
    unflagged = 1 - np.linspace(*FLAGGED, n_thresholds)
    thresholds = np.concatenate(
        [
            np.quantile(epoch, unflagged, weights=weight, method="inverted_cdf")
            for epoch in epochs[dev].T
        ]
    )
    of_dev, of_test = (
        np.repeat(epochs[rows], n_thresholds, axis=1) >= thresholds for rows in (dev, test)
    )
    women = np.unique(ids)
    everyone = PatientBootstrap(women, np.ones((1, len(women)), dtype=np.uint8))
    return of_dev, of_test, PartedWomen(label.astype(bool), ids, weight, everyone, everyone)


def _told(
    looked_at: NDArray[np.intp],
    on_tested: NDArray[np.float64],
    on_fresh: NDArray[np.float64],
    on_dev: NDArray[np.float64],
    scores: NDArray,
    split: PartedWomen,
) -> NDArray[np.float64]:
    """What is reported, true and repaired in each draw, shape (n_draws, 3, 3): value, low, high.

    `looked_at` (n_draws, n_looks) holds the candidates compared in each draw; `on_tested` and
    `on_fresh` (n_draws, n_candidates) and `on_dev` (n_candidates,) their figures; `scores` has a
    column a candidate.
    """
    by_test = _best(looked_at, np.take_along_axis(on_tested, looked_at, axis=1))
    by_dev = _best(looked_at, on_dev[looked_at])
    return np.stack(
        [
            _with_limits(on_tested, by_test, scores, split, split.tested),
            _with_limits(on_fresh, by_test, scores, split, split.fresh),
            _with_limits(on_tested, by_dev, scores, split, split.tested),
        ],
        axis=1,
    )


def _outcome(dose: float, n_looks: int, told: NDArray[np.float64], guard: GuardVerdict) -> Outcome:
    reported, true, repaired = (Estimate(*row.tolist()) for row in told.mean(axis=0))
    return Outcome(dose, float(n_looks), reported, true, repaired, guard)


def _best(candidates: NDArray[np.intp], figures: NDArray[np.float64]) -> NDArray[np.intp]:
    """The candidate of the highest figure in each row, the first of equals."""
    return np.take_along_axis(candidates, figures.argmax(axis=1)[:, None], axis=1)[:, 0]


def _with_limits(
    figures: NDArray[np.float64],
    chosen: NDArray[np.intp],
    scores: NDArray,
    split: PartedWomen,
    women: PatientBootstrap,
) -> NDArray[np.float64]:
    """The figure of the candidate chosen in each draw with DeLong's limits, shape (n_draws, 3)."""
    present = women.counts[:, women.columns(split.ids)] > 0
    result = np.empty((len(chosen), 3))
    for draw, (here, candidate) in enumerate(zip(present, chosen, strict=True)):
        label, ids, weight = (one[here] for one in split.columns)
        limits = auc_estimate(scores[here, candidate], label, weight, ids).ci
        result[draw] = figures[draw, candidate], *limits
    return result


def _balanced_accuracy(
    flagged: NDArray[np.bool_],
    label: NDArray[np.bool_],
    ids: NDArray,
    weight: NDArray[np.float64],
    women: PatientBootstrap,
) -> NDArray[np.float64]:
    """Mean of sensitivity and specificity of each column, shape (n_draws, n_columns)."""
    rates = []
    for truth in (True, False):
        of_class = weight * (label == truth)
        right = sum_replicates(of_class[:, None] * (flagged == truth), ids, women)
        rates.append(right / sum_replicates(of_class, ids, women)[:, None])
    return (rates[0] + rates[1]) / 2
