"""Choices made on the test set: the best of many runs, the best epoch and threshold."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.evaluate.auc_bootstrap import auc_replicates
from mammolab.evaluate.checks import Estimate, check_inside
from mammolab.evaluate.delong import auc_estimate
from mammolab.evaluate.resampling import PatientBootstrap, sum_replicates
from mammolab.evaluate.roc import auc
from mammolab.evaluate.thresholds import top_fraction_threshold
from mammolab.pitfalls import guards_score
from mammolab.pitfalls.failure import Failure, Outcome, check_dose

COLUMNS = ("split", "cancer_within_1y", "patient_id", "sampling_weight")
FLAGGED = (0.02, 0.60)  # the least and the largest share of dev exams that a threshold flags

BEST_OF_RUNS = Failure(
    name="best_of_fifty",
    title="The best of many runs on test",
    metric="AUC of the run reported",
    dial="runs compared on the test set",
    guard="disclosed_selection",
    repair="Choose the run on development women; look at the test set once.",
    cost="A development set; the AUC that one reports is lower, and is what women will get.",
    source="Varoquaux & Cheplygina 2022 (doi:10.1038/s41746-022-00592-y): the gains of many winners "
    "lie within the noise of their test sets.",
)
TUNED_ON_TEST = Failure(
    name="tuned_on_test",
    title="Epoch and threshold from test",
    metric="Balanced accuracy",
    dial="epochs x thresholds tried on test",
    guard="disclosed_selection",
    repair="Stop and set the threshold on development women; look at the test set once.",
    cost="A development set with cancers enough: its own best figure is too good as well.",
    source="Leeflang 2008 (doi:10.1373/clinchem.2007.096032): sensitivity and specificity of 84% "
    "look like 90% in 40 patients, 86% in 200.",
)


@dataclass(frozen=True, eq=False)
class _Split:
    """Test exams, and ways to part their women into the author's test set and fresh women.

    `tested` and `fresh` hold for each draw (a row) a 1 for each woman that is in it.
    """

    label: NDArray[np.bool_]
    ids: NDArray
    weight: NDArray[np.float64]
    tested: PatientBootstrap
    fresh: PatientBootstrap

    @property
    def columns(self) -> tuple[NDArray[np.bool_], NDArray, NDArray[np.float64]]:
        return self.label, self.ids, self.weight


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
    scores, split, rng = _prepared(exams, scores, check_dose(dose), test_share, n_draws, rng)
    n_runs = scores.shape[1]
    dev, test = (exams["split"].eq(name).to_numpy() for name in ("dev", "test"))
    of_dev = exams[dev]
    dev_auc = np.array(
        [auc(one, of_dev["cancer_within_1y"], of_dev["sampling_weight"]) for one in scores[dev].T]
    )
    on_tested, on_fresh = (
        np.column_stack([auc_replicates(one, *split.columns, women) for one in scores[test].T])
        for women in (split.tested, split.fresh)
    )
    order = rng.permuted(np.tile(np.arange(n_runs), (n_draws, 1)), axis=1)
    looked_at = order[:, : round(n_runs**dose)]
    return _outcome(dose, looked_at, on_tested, on_fresh, dev_auc, scores[test], split)


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
    exams, rng, test_share, n_draws
        As for `best_of_runs`.
    scores : array-like of float, shape (len(exams), n_epochs)
        Of one training after each epoch; `heads.head_epochs` makes a cheap one.
    dose : float in [0, 1]
        Raises the number of pairs of epoch and threshold that are tried on the test set from 1 to
        all, evenly in its logarithm: first the pair that is best on dev, then the next best.
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
    scores, split, _ = _prepared(exams, scores, check_dose(dose), test_share, n_draws, rng)
    dev, test = (exams["split"].eq(name).to_numpy() for name in ("dev", "test"))
    of_dev = exams[dev]
    weight = of_dev["sampling_weight"].to_numpy(float)
    thresholds = np.array(
        [
            top_fraction_threshold(epoch, flagged, weight)
            for epoch in scores[dev].T
            for flagged in np.linspace(*FLAGGED, n_thresholds)
        ]
    )
    on_dev, on_test = (
        np.repeat(scores[rows], n_thresholds, axis=1) >= thresholds for rows in (dev, test)
    )
    everyone = of_dev["patient_id"].unique()
    all_of_dev = PatientBootstrap(np.sort(everyone), np.ones((1, len(everyone)), np.uint8))
    dev_accuracy = _balanced_accuracy(
        on_dev,
        of_dev["cancer_within_1y"].to_numpy(bool),
        of_dev["patient_id"].to_numpy(),
        weight,
        all_of_dev,
    )[0]
    on_tested, on_fresh = (
        _balanced_accuracy(on_test, *split.columns, women) for women in (split.tested, split.fresh)
    )
    order = np.argsort(-dev_accuracy, kind="stable")[: round(len(thresholds) ** dose)]
    looked_at = np.tile(order, (n_draws, 1))
    decisions = on_test.astype(float)
    return _outcome(dose, looked_at, on_tested, on_fresh, dev_accuracy, decisions, split)


def _outcome(
    dose: float,
    looked_at: NDArray[np.intp],
    on_tested: NDArray[np.float64],
    on_fresh: NDArray[np.float64],
    on_dev: NDArray[np.float64],
    scores: NDArray[np.float64],
    split: _Split,
) -> Outcome:
    """What the best candidate promises and keeps.

    `looked_at` (n_draws, n_looks) holds the candidates compared in each draw; `on_tested` and
    `on_fresh` (n_draws, n_candidates) and `on_dev` (n_candidates,) their figures; `scores` has a
    column a candidate.
    """
    n_looks = looked_at.shape[1]
    by_test = _best(looked_at, np.take_along_axis(on_tested, looked_at, axis=1))
    by_dev = _best(looked_at, on_dev[looked_at])
    return Outcome(
        dose=dose,
        setting=float(n_looks),
        reported=_mean_over_draws(on_tested, by_test, scores, split, split.tested),
        true=_mean_over_draws(on_fresh, by_test, scores, split, split.fresh),
        repaired=_mean_over_draws(on_tested, by_dev, scores, split, split.tested),
        guard=guards_score.disclosed_selection(n_looks, n_looks, n_looks),
    )


def _best(candidates: NDArray[np.intp], figures: NDArray[np.float64]) -> NDArray[np.intp]:
    """The candidate of the highest figure in each row, the first of equals."""
    return np.take_along_axis(candidates, figures.argmax(axis=1)[:, None], axis=1)[:, 0]


def _mean_over_draws(
    figures: NDArray[np.float64],
    chosen: NDArray[np.intp],
    scores: NDArray[np.float64],
    split: _Split,
    women: PatientBootstrap,
) -> Estimate:
    """Mean figure of the candidate chosen in each draw, and mean limits of its interval."""
    columns = women.columns(split.ids)
    limits = []
    for here, candidate in zip(women.counts[:, columns] > 0, chosen, strict=True):
        label, ids, weight = (one[here] for one in split.columns)
        limits.append(auc_estimate(scores[here, candidate], label, weight, ids).ci)
    value = figures[np.arange(len(chosen)), chosen].mean()
    return Estimate(float(value), *np.mean(limits, axis=0).tolist())


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


def _prepared(
    exams: pd.DataFrame,
    scores: ArrayLike,
    dose: float,
    test_share: float,
    n_draws: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], _Split, np.random.Generator]:
    """Scores as an array, the partings of the test women, and the copied stream after them."""
    if missing := [column for column in COLUMNS if column not in exams]:
        raise InputError(
            f"the exams lack the column(s) {', '.join(missing)}; they need {', '.join(COLUMNS)}."
        )
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(exams) or not values.shape[1]:
        raise InputError(
            f"scores must have one row an exam and one column a candidate, shape ({len(exams)}, k), "
            f"not {values.shape}."
        )
    if not np.isfinite(values).all():
        raise InputError("scores must be finite: no exam may lack one.")
    check_inside(test_share, "test_share", 0, 1)
    if n_draws < 1:
        raise InputError(f"n_draws must be at least 1, not {n_draws}.")
    of_dev = exams.loc[exams["split"] == "dev", "cancer_within_1y"]
    if not 0 < of_dev.sum() < len(of_dev):
        raise InputError(
            f"dev holds {int(of_dev.sum())} exams followed by cancer among {len(of_dev)}; a choice "
            "on dev needs exams with and without."
        )
    test = exams[exams["split"] == "test"]
    label = test["cancer_within_1y"].to_numpy(bool)
    rng = deepcopy(rng)
    tested, fresh = _partings(test["patient_id"], label, test_share, n_draws, rng)
    weight = test["sampling_weight"].to_numpy(float)
    return values, _Split(label, test["patient_id"].to_numpy(), weight, tested, fresh), rng


def _partings(
    ids: pd.Series, label: NDArray[np.bool_], share: float, n_draws: int, rng: np.random.Generator
) -> tuple[PatientBootstrap, PatientBootstrap]:
    """Part the women at random, those with cancer and the others each in the same proportion."""
    has_cancer = pd.Series(label, index=ids.to_numpy()).groupby(level=0).any()
    tested = np.zeros((n_draws, len(has_cancer)), dtype=np.uint8)
    for truth, kind in ((True, "with"), (False, "without")):
        women = np.flatnonzero(has_cancer.to_numpy() == truth)
        n_tested = round(share * len(women))
        if min(n_tested, len(women) - n_tested) < 2:
            raise InputError(
                f"the test set holds {len(women)} women {kind} cancer; a test set of {share:.0%} of "
                "them, and the rest, must each hold two."
            )
        drawn = rng.permuted(np.tile(women, (n_draws, 1)), axis=1)[:, :n_tested]
        np.put_along_axis(tested, drawn, 1, axis=1)
    women_ids = has_cancer.index.to_numpy()
    return PatientBootstrap(women_ids, tested), PatientBootstrap(women_ids, 1 - tested)
