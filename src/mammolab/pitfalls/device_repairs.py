"""Ways to keep a network from looking at the device, held against each other."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mammolab.evaluate.auc_bootstrap import auc_bootstrap, auc_replicates
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.roc import auc
from mammolab.evaluate.seeds import (
    SeedSpread,
    mean_over_seeds,
    seed_spread,
    spread_of_difference,
)
from mammolab.pitfalls._unjudged import judged
from mammolab.pitfalls.device_shortcut import FrozenFeatures, collect, share_at
from mammolab.pitfalls.device_ways import WAYS, TrainedWays
from mammolab.pitfalls.failure import NOT_KNOWN, Failure, Outcome
from mammolab.pitfalls.guards_prevalence import prevalence_by_source

DEVICE_SHORTCUT = Failure(
    name="device_shortcut",
    title="Device goes with the label",
    metric="AUC",
    dial="cancers from their devices",
    guard="prevalence_by_source",
    repair="Collect both classes from the same devices; where that is too late, choose among the "
    "repairs on women as they come.",
    cost="A development set as women come, and for an adversary a second network.",
    source="Zech et al. 2018, doi:10.1371/journal.pmed.1002683: the site alone .861, and .931 to "
    ".815 elsewhere; Badgeley et al. 2019, doi:10.1038/s41746-019-0105-1: .78 to .52 once the "
    "process is matched.",
)

MEASURES = ("auc", "auc_within", "trace", "probe")
# The seed moves a game of two more than a single training: each kind has a spread of its own.
# Calibrated scores come from the plain trainings and tell nothing more of their spread.
ALIKE = (("plain", "augmented"), ("unconditional", "conditional"))
# Differences of AUC that are told, and the way each is taken from.
DIFFERENCES = {"gain": "plain", "over_calibrated": "calibrated"}


def compare_ways(
    features: FrozenFeatures, trained: TrainedWays, bootstrap: PatientBootstrap
) -> pd.DataFrame:
    """Measure every way on the test women as they come.

    Parameters
    ----------
    features : FrozenFeatures
    trained : TrainedWays
    bootstrap : PatientBootstrap
        Of the test women.

    Returns
    -------
    DataFrame
        One row a way (index): name; dev_auc, by weight, the mean of the seeds, for choosing; and
        each of `MEASURES` and `DIFFERENCES`, with _low and _high, which count the women and the
        seeds:

        - auc : of all test women, by weight;
        - auc_within : over pairs of the same device, devices weighted by their cancers;
        - trace : the chance that a healthy woman from the cancers' devices scores above a healthy
          one from another; .5 is none, below it the device is held against the cancers';
        - probe : AUC of a fresh logistic model that tells these devices from the representation,
          fitted on healthy dev women and tried on healthy test women. Calibration leaves the
          representation as it is;
        - gain, over_calibrated : auc less that of the collection as it is, and less that of scores
          calibrated by device, replicate by replicate; seeds are taken as independent, which is
          cautious between these two, whose trainings are the same.
    """
    of = {split: _of_split(features.exams, split) for split in ("dev", "test")}
    found = {
        way: [
            _measure(of["test"], score, _probe(of, representation), bootstrap)
            for score, representation in zip(
                trained.scores[way], trained.representations[way], strict=True
            )
        ]
        for way in WAYS
    }
    table = pd.DataFrame(index=pd.Index(WAYS, name="way")).assign(name=list(WAYS.values()))
    table["dev_auc"] = dev_aucs(features, trained)
    for measure in MEASURES:
        spread = _spreads({way: [one[measure][0] for one in found[way]] for way in WAYS})
        for way in WAYS:
            estimate = _over_seeds([one[measure] for one in found[way]], spread[way])
            _put(table, way, measure, estimate)
    spread = _spreads({way: [one["auc"][0] for one in found[way]] for way in WAYS})
    for name, other in DIFFERENCES.items():
        for way in WAYS:
            pairs = zip(found[way], found[other], strict=True)
            seeds = [
                (a[0] - b[0], a[1] - b[1]) for a, b in ((x["auc"], y["auc"]) for x, y in pairs)
            ]
            estimate = _over_seeds(seeds, spread_of_difference(spread[way], spread[other]))
            _put(table, way, name, Estimate(0.0, np.nan, np.nan) if way == other else estimate)
    return table


def dev_aucs(features: FrozenFeatures, trained: TrainedWays) -> pd.Series:
    """Return the AUC of every way (index) on development women by weight, the mean of the seeds."""
    dev = _of_split(features.exams, "dev")
    return pd.Series({way: np.mean(_aucs(dev, trained.scores[way])) for way in WAYS})


def best_repair(dev_auc: pd.Series) -> str:
    """Return the repair with the highest AUC on development women; the test is not asked."""
    return str(dev_auc.drop(index="plain").idxmax())


def device_shortcut(
    features: FrozenFeatures,
    train_at: Callable[[float], TrainedWays],
    bootstrap: PatientBootstrap,
    rng: np.random.Generator,
    dose: float,
) -> Outcome:
    """Collect cancers from some devices and healthy women from others, and train on that.

    Parameters
    ----------
    features : FrozenFeatures
    train_at : callable
        Dose -> TrainedWays: `train_ways`, which a chapter calls once a dose.
    bootstrap : PatientBootstrap
        Of the test women.
    rng : numpy Generator
        Of the guard's permutations; it is copied, so that every dose sees the same.
    dose : float in [0, 1]
        As for `device_shortcut.collect`; training and test set are collected alike.

    Returns
    -------
    Outcome
        AUCs: reported of the first training on the test set collected in the same way, all exams
        alike; true of the mean training on test women as they come, by weight; repaired the same
        of the repair that is best on dev. The guard looks at the training set.

    References
    ----------
    Zech et al. 2018, doi:10.1371/journal.pmed.1002683; Badgeley et al. 2019,
    doi:10.1038/s41746-019-0105-1.
    """
    exams = features.exams
    trained = train_at(dose)
    test = collect(exams[exams["split"] == "test"], dose)
    reported = auc_bootstrap(
        trained.scores["plain"][0][test.index], test["label"], test["patient_id"], None, bootstrap
    )
    women = _of_split(exams, "test")
    spread = _spreads({way: _aucs(women, trained.scores[way]) for way in WAYS})
    true, repaired = (
        _over_seeds(
            [_auc_of_all(women, one[women.rows], bootstrap) for one in trained.scores[way]],
            spread[way],
        )
        for way in ("plain", best_repair(dev_aucs(features, trained)))
    )
    train = collect(exams[exams["split"] == "train"], dose)
    guard = judged(
        prevalence_by_source,
        train["label"],
        train["device"],
        train["patient_id"],
        deepcopy(rng),
    )
    return Outcome(dose, share_at(dose), reported, true, repaired, guard)


@dataclass(frozen=True, eq=False)
class _Split:
    rows: NDArray[np.intp]
    label: NDArray[np.bool_]
    theirs: NDArray[np.bool_]
    device: NDArray
    ids: NDArray
    weight: NDArray[np.float64]


def _of_split(exams: pd.DataFrame, split: str) -> _Split:
    rows = np.flatnonzero(exams["split"] == split)
    own = exams.iloc[rows]
    return _Split(
        rows,
        own["label"].to_numpy(bool),
        own["theirs"].to_numpy(bool),
        own["device"].to_numpy(),
        own["patient_id"].to_numpy(),
        own["sampling_weight"].to_numpy(float),
    )


def _aucs(split: _Split, scores: NDArray[np.float64]) -> list[float]:
    return [auc(one[split.rows], split.label, split.weight) for one in scores]


def _probe(of: dict[str, _Split], representation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score of the cancers' devices for each test exam, by a model of the healthy dev women."""
    dev = of["dev"]
    healthy = ~dev.label
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(
        representation[dev.rows[healthy]],
        dev.theirs[healthy],
        logisticregression__sample_weight=dev.weight[healthy] / dev.weight[healthy].mean(),
    )
    return model.decision_function(representation[of["test"].rows])


def _measure(
    test: _Split,
    score: NDArray[np.float64],
    probe: NDArray[np.float64],
    bootstrap: PatientBootstrap,
) -> dict[str, tuple[float, NDArray[np.float64]]]:
    """Value and replicates of each of `MEASURES`."""
    score = score[test.rows]
    healthy = ~test.label
    devices = [test.device == one for one in pd.unique(test.device)]
    devices = [own for own in devices if test.label[own].any() and healthy[own].any()]
    return {
        "auc": _auc_of_all(test, score, bootstrap),
        "auc_within": _auc(test, score, test.label, devices, bootstrap),
        "trace": _auc(test, score, test.theirs, [healthy], bootstrap),
        "probe": _auc(test, probe, test.theirs, [healthy], bootstrap),
    }


def _auc_of_all(
    test: _Split, score: NDArray[np.float64], bootstrap: PatientBootstrap
) -> tuple[float, NDArray[np.float64]]:
    return _auc(test, score, test.label, [np.ones(len(score), dtype=bool)], bootstrap)


def _auc(
    test: _Split,
    score: NDArray[np.float64],
    label: NDArray[np.bool_],
    groups: list[NDArray[np.bool_]],
    bootstrap: PatientBootstrap,
) -> tuple[float, NDArray[np.float64]]:
    """AUC inside the groups, weighted by their positives, and its replicates.

    A replicate without a positive in a group goes on with the others.
    """
    cells = [(score[g], label[g], test.weight[g], test.ids[g]) for g in groups]
    positives = np.array([weight[one].sum() for _, one, weight, _ in cells])
    values = np.array([auc(s, one, weight) for s, one, weight, _ in cells])
    drawn = np.array(
        [auc_replicates(s, one, ids, weight, bootstrap) for s, one, weight, ids in cells]
    )
    known = np.isfinite(drawn) * positives[:, None]
    with np.errstate(invalid="ignore"):
        replicates = (np.nan_to_num(drawn) * known).sum(axis=0) / known.sum(axis=0)
    return float(np.average(values, weights=positives)), replicates


def _spreads(values: dict[str, list[float]]) -> dict[str, SeedSpread]:
    """Spread between the seeds, by way, pooled over the ways that are `ALIKE`."""
    pools = [(alike, seed_spread([values[one] for one in alike])) for alike in ALIKE]
    spreads = {way: pool for alike, pool in pools for way in alike}
    return spreads | {"calibrated": spreads["plain"]}


def _over_seeds(seeds: list[tuple[float, NDArray[np.float64]]], spread: SeedSpread) -> Estimate:
    values, replicates = [one[0] for one in seeds], np.array([one[1] for one in seeds])
    if np.isfinite(replicates).all(axis=0).sum() < 2:
        return NOT_KNOWN
    return mean_over_seeds(values, replicates, spread)


def _put(table: pd.DataFrame, way: str, measure: str, estimate: Estimate) -> None:
    for end, value in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high)):
        table.loc[way, f"{measure}{end}"] = value
