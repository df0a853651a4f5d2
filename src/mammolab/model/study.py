"""The study of training choices: many short trainings, each scored on the same dev exams."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from mammolab.errors import InputError
from mammolab.evaluate.auc_bootstrap import auc_replicates
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.roc import auc
from mammolab.evaluate.seeds import SeedSpread, mean_over_seeds, seed_spread
from mammolab.files import write_json, write_whole
from mammolab.model.augment import Augmentation
from mammolab.model.config import TrainingConfig
from mammolab.model.exams import exam_labels, image_labels, input_rows, selection_exams
from mammolab.model.network import NetworkConfig, ResNet18
from mammolab.model.patches import train_patches_first
from mammolab.model.score import exam_scores, score_images
from mammolab.model.train import TrainingResult, train


@dataclass(frozen=True)
class Way:
    """One way to train.

    Attributes
    ----------
    network, training
        Its epochs are the points of its curve; the last epoch's weights count, whatever dev says,
        so that all ways take equally many gradient steps.
    crop_px : int or None
        Train on crops of this side for the first half of the epochs; None: whole images throughout.
    fold : int
        Images are averaged over squares of fold x fold pixels.
    share : float
        Share of the training women.
    """

    network: NetworkConfig
    training: TrainingConfig
    crop_px: int | None = None
    fold: int = 1
    share: float = 1.0


@dataclass(frozen=True, eq=False)
class StudyData:
    """What every training of a study sees.

    Attributes
    ----------
    store : uint8 array, shape (n_images, h, w)
    images, cohort : DataFrame
        Tables of those names.
    dev : DataFrame
        The dev exams scored, from `selection_exams`: exam_id, patient_id, label, weight.
    """

    store: np.ndarray
    images: pd.DataFrame
    cohort: pd.DataFrame
    dev: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Trained:
    """One training of a study.

    Attributes
    ----------
    scores : Series of float, indexed by exam_id, in the order of `StudyData.dev`
    curve : DataFrame
        One row an epoch: steps, loss (mean since the row before), dev_auc (NaN where not asked).
    seconds : float
        Wall time of the training, without the scoring of dev.
    """

    scores: pd.Series
    curve: pd.DataFrame
    seconds: float


def study_data(store: np.ndarray, images: pd.DataFrame, cohort: pd.DataFrame, n_negatives: int,
               rng: np.random.Generator) -> StudyData:  # fmt: skip
    """Gather the tables and draw the dev exams: every cancer and `n_negatives` others.

    Raises
    ------
    InputError
        When dev lacks cancers or other exams; see `selection_exams`.
    """
    scorable = set(image_labels(images, cohort)["exam_id"])
    scorable &= set(exam_labels(images, cohort)["exam_id"])
    dev = selection_exams(cohort, scorable, n_negatives, rng)
    return StudyData(store, images, cohort, dev)


def train_way(data: StudyData, way: Way, seed: int, curve: bool = False) -> Trained:
    """Train once and score dev.

    Parameters
    ----------
    data : StudyData
    way : Way
    seed : int
        Trainings of one seed share the women, where `share` is below 1, as far as they go.
    curve : bool
        Score dev after each epoch, not only after the last.
    """
    store, table = _prepared(data, way.network.views, way.fold)
    training = _women(table[table["split"] == "train"], way.share, seed)
    scored = table[table["exam_id"].isin(data.dev["exam_id"])]

    def score(network: ResNet18) -> pd.Series:
        logits = score_images(network, store, input_rows(scored, network.config.views))
        return exam_scores(scored, logits).reindex(data.dev["exam_id"])

    spent, order = 0.0, 0

    def measure(network: ResNet18) -> dict[str, float]:
        nonlocal spent, order
        order += 1
        measured = {"order": float(order)}
        if curve:
            start = time.monotonic()
            measured["dev_auc"] = auc(score(network), data.dev["label"], data.dev["weight"])
            spent += time.monotonic() - start
        return measured

    start = time.monotonic()
    # by way: seeds are independent between ways, as the intervals of differences take them
    rng = np.random.default_rng([seed, int(_digest(asdict(way)), 16)])
    result = _train(store, training, way, measure, rng)
    seconds = time.monotonic() - start - spent
    wanted = ["steps", "loss", "dev_auc"]
    scores = score(result.network).rename("score")
    return Trained(scores, result.history.reindex(columns=wanted), seconds)


def run_study(
    data: StudyData,
    ways: dict[str, Way],
    seeds: Sequence[int],
    curves: Sequence[str],
    folder: Path,
    marks: dict[str, str],
) -> dict[tuple[str, int], Trained]:
    """Train every way with every seed; what an earlier, killed run finished is read, not repeated.

    Parameters
    ----------
    data : StudyData
    ways : dict of str to Way
        By name.
    seeds : sequence of int
    curves : sequence of str
        Ways whose dev AUC is measured after each epoch.
    folder : Path
        Keeps each training's scores and curve.
    marks : dict of str to str
        Such as code_digest and preprocessing_hash: a kept training counts only if all are the same.

    Returns
    -------
    dict of (name, seed) to Trained
    """
    trained: dict[tuple[str, int], Trained] = {}
    done, total = 0, len(ways) * len(seeds)
    for seed in seeds:
        for name, way in ways.items():
            with_curve = name in curves
            identity = {"way": asdict(way), "seed": seed, "curve": with_curve, **marks}
            kept = folder / f"{_digest(identity)}.json"
            one = _read(kept, data)
            if one is None:
                with redirect_stdout(None):  # its epochs would drown the study's own progress
                    one = train_way(data, way, seed, with_curve)
                _keep(kept, one, identity)
            trained[name, seed] = one
            done += 1
            print(f"[progress] {done}/{total} trainings: {name}, seed {seed}")
    return trained


def way_auc(data: StudyData, trained: dict[tuple[str, int], Trained], name: str,
            bootstrap: PatientBootstrap, spread: SeedSpread) -> Estimate:  # fmt: skip
    """Dev AUC of a way, mean over its seeds; the interval counts women and seeds."""
    values, replicates = _aucs(data, trained, name, bootstrap)
    return mean_over_seeds(values, replicates, spread)


def way_difference(data: StudyData, trained: dict[tuple[str, int], Trained], first: str,
                   second: str, bootstrap: PatientBootstrap,
                   spread: SeedSpread) -> Estimate:  # fmt: skip
    """Dev AUC of one way less that of another on the same women, mean over seeds."""
    one, two = (_aucs(data, trained, name, bootstrap) for name in (first, second))
    return mean_over_seeds(one[0] - two[0], one[1] - two[1], spread, n_trainings=2)


def auc_spread(data: StudyData, trained: dict[tuple[str, int], Trained]) -> SeedSpread:
    """How much dev AUC moves with the seed, pooled over the ways."""
    by_way: dict[str, list[float]] = {}
    for (name, _), one in trained.items():
        value = auc(one.scores, data.dev["label"], data.dev["weight"])
        by_way.setdefault(name, []).append(value)
    return seed_spread(list(by_way.values()))


def _aucs(data: StudyData, trained: dict[tuple[str, int], Trained], name: str,
          bootstrap: PatientBootstrap) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """AUC of each seed, and in each replicate: shapes (n_seeds,), (n_seeds, n_replicates)."""
    label, patients, weight = (data.dev[c] for c in ("label", "patient_id", "weight"))
    of_seeds = [one.scores for (way, _), one in trained.items() if way == name]
    if not of_seeds:
        ways = ", ".join(dict.fromkeys(way for way, _ in trained))
        raise InputError(f"The study trained no way named {name!r}; it has {ways}.")
    values = [auc(scores, label, weight) for scores in of_seeds]
    replicates = [auc_replicates(s, label, patients, weight, bootstrap) for s in of_seeds]
    return np.array(values), np.array(replicates)


@lru_cache(maxsize=4)
def _prepared(data: StudyData, views: int, fold: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Inputs of training and dev, and the store their rows are in: for fold above 1 a coarser one."""
    table = (image_labels if views == 1 else exam_labels)(data.images, data.cohort)
    wanted = (table["split"] == "train") | table["exam_id"].isin(data.dev["exam_id"])
    table = table[wanted].reset_index(drop=True)
    if fold == 1:
        return data.store, table
    height, width = (side // fold for side in data.store.shape[1:])
    rows = input_rows(table, views)
    unique, place = np.unique(rows, return_inverse=True)
    small = np.empty((len(unique), height, width), np.uint8)
    for number, row in enumerate(unique):
        image = data.store[row, : height * fold, : width * fold].astype(np.float32)
        blocks = image.reshape(height, fold, width, fold)
        small[number] = np.rint(blocks.mean(axis=(1, 3)))
    columns = [column for column in table.columns if column.startswith("row")]
    return small, table.assign(**dict(zip(columns, place.reshape(rows.shape).T, strict=True)))


def _women(table: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Inputs of a share of the women; a smaller share is part of a larger one."""
    women = np.random.default_rng([seed, 7]).permutation(np.sort(table["patient_id"].unique()))
    chosen = women[: max(1, round(share * len(women)))]
    return table[table["patient_id"].isin(chosen)]


def _train(store: np.ndarray, table: pd.DataFrame, way: Way,
           measure: Callable[[ResNet18], dict[str, float]],
           rng: np.random.Generator) -> TrainingResult:  # fmt: skip
    # a fold makes pixels larger: shifts stay the same in mm
    augmentation = replace(Augmentation(), shift_px=Augmentation().shift_px // way.fold)
    common = (store, table, way.network, way.training, augmentation)
    if way.crop_px is None:
        return train(*common, measure, "order", rng)
    return train_patches_first(
        *common, way.crop_px, way.training.epochs // 2, measure, "order", rng
    )


def _digest(identity: dict) -> str:
    return sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _keep(path: Path, one: Trained, identity: dict) -> None:
    frames = {"scores": one.scores.rename("score").reset_index(), "curve": one.curve}
    for name, frame in frames.items():
        write_whole(
            path.with_suffix(f".{name}.parquet"),
            lambda target, frame=frame: frame.to_parquet(target, index=False),
        )
    write_json(path, {**identity, "seconds": one.seconds})  # last: the training is whole


def _read(path: Path, data: StudyData) -> Trained | None:
    if not path.is_file():
        return None
    scores, curve = (
        pd.read_parquet(path.with_suffix(f".{name}.parquet")) for name in ("scores", "curve")
    )
    scores = scores.set_index("exam_id")["score"].reindex(data.dev["exam_id"])
    if scores.isna().any():  # of other dev exams
        return None
    return Trained(scores, curve, json.loads(path.read_text())["seconds"])
