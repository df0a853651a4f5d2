"""The choices that the study of training compares: one panel a choice, all else as in the base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mammolab.errors import InputError
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.roc import auc
from mammolab.model.config import TrainingConfig
from mammolab.model.network import NetworkConfig
from mammolab.model.study import (
    StudyData,
    Trained,
    Way,
    auc_spread,
    way_auc,
    way_difference,
)

BATCH_SIZES = (2, 4, 10, 16, 24)  # the lecture's
FOLDS = (1, 2, 4)


@dataclass(frozen=True)
class Contrast:
    """What the lecture chose against what it did not.

    Attributes
    ----------
    key : str
        Name of the number it gives.
    chosen, other : str
        Names of ways.
    words : str
        The same for a sentence, such as "maximum against mean pooling".
    """

    key: str
    chosen: str
    other: str
    words: str


@dataclass(frozen=True)
class Panel:
    """One choice: its ways by label, and what the lecture chose.

    Attributes
    ----------
    name, title : str
    ways : dict of str to str
        Label in the figure -> name of the way.
    contrasts : tuple of Contrast
    """

    name: str
    title: str
    ways: dict[str, str]
    contrasts: tuple[Contrast, ...] = ()


def choice_panels(
    width: int,
    batch_size: int,
    steps: int,
    points: int,
    learning_rate: float,
    threads: int,
    fold: int,
    crop_px: int,
    initialisation: str,
    compared_with: Sequence[str],
    shares: Sequence[float],
    share_steps: int,
) -> tuple[list[Panel], dict[str, Way]]:
    """Lay out the study.

    Parameters
    ----------
    width : int
        Channels of the base network's first stage.
    batch_size : int
        Images behind a gradient step of the base; it must be among `BATCH_SIZES`.
    steps : int
        Gradient steps of every training but the learning curve's; a multiple of `points`.
    points : int
        Points of the curves over steps; even.
    learning_rate, threads
        As in TrainingConfig; the rate of a smaller batch is scaled by the square root of its size.
    fold : int
        The base averages images over fold x fold pixels; one of `FOLDS`.
    crop_px : int
        Side of the crops where patches come first, in averaged pixels.
    initialisation : str
        First weights of the base; widths are compared from random ones, which exist for all.
    compared_with : sequence of str
        Other first weights.
    shares : sequence of float
        Shares of the training women of the learning curve.
    share_steps : int
        Its gradient steps, more than the others': with few steps more women cannot help.

    Returns
    -------
    panels : list of Panel
    ways : dict of str to Way
        By name; a way that several panels share is there once.

    Raises
    ------
    InputError
        When `steps` does not divide, `batch_size` is none of the lecture's, a share is outside
        (0, 1], or there are no random or no pre-trained weights to compare.
    """
    if points % 2 or steps % points or share_steps % points:
        raise InputError(
            f"points ({points}) must be even and divide steps ({steps}) and share_steps "
            f"({share_steps}): it cuts a training into as many equal parts."
        )
    if fold not in FOLDS or steps % (points * fold**2):
        raise InputError(
            f"fold is {fold}; it must be one of {', '.join(map(str, FOLDS))}, and steps ({steps}) a "
            f"multiple of points times its square ({points * fold**2}), since full images get as "
            "many fewer steps."
        )
    if batch_size not in BATCH_SIZES:
        raise InputError(f"batch_size is {batch_size}; the study compares {BATCH_SIZES}.")
    if bad := [share for share in shares if not 0 < share <= 1]:
        raise InputError(f"shares must be above 0 and at most 1; got {', '.join(map(str, bad))}.")

    pretrained = [name for name in (initialisation, *compared_with) if name != "random"]
    if not pretrained or "random" not in (initialisation, *compared_with):
        raise InputError(
            f"The first weights ({', '.join((initialisation, *compared_with))}) must include "
            "random ones and pre-trained ones."
        )

    def training(n_steps: int = steps, size: int = batch_size,
                 balance: str = "sampler") -> TrainingConfig:  # fmt: skip
        return TrainingConfig(
            batch_size=size,
            micro_batch_size=size,
            epochs=points,
            steps_per_epoch=n_steps // points,
            learning_rate=learning_rate * (size / batch_size) ** 0.5,
            threads=threads,
            balance=balance,
        )

    base = Way(NetworkConfig(width, initialisation=initialisation), training(), fold=fold)
    ways = {"base": base}

    def add(name: str, way: Way) -> str:
        for known, other in ways.items():
            if other == way:
                return known
        ways[name] = way
        return name

    first = {
        name: add(f"initialisation {name}",
                  replace(base, network=replace(base.network, initialisation=name)))
        for name in dict.fromkeys((initialisation, *compared_with))
    }  # fmt: skip
    whole = {size: add(f"batch {size}", replace(base, training=training(size=size)))
             for size in BATCH_SIZES}  # fmt: skip
    patches = {
        size: add(
            f"batch {size}, patches first",
            replace(base, training=training(size=size), crop_px=crop_px),
        )
        for size in BATCH_SIZES
    }
    pooled = {name: add(f"pooling {name}",
                         replace(base, network=replace(base.network, pooling=name)))
              for name in ("max", "generalised_mean", "mean")}  # fmt: skip
    balanced = {name: add(f"balance {name}", replace(base, training=training(balance=name)))
                for name in ("sampler", "loss", "none")}  # fmt: skip
    # a quarter of the pixels takes a quarter of the time: so many more steps
    coarse = {
        one: add(f"fold {one}",
                 replace(base, fold=one, training=training(steps * one**2 // fold**2)))
        for one in FOLDS
    }  # fmt: skip
    widths = {w: add(f"width {w}", replace(base, network=NetworkConfig(w)))
              for w in (width // 2, width, 2 * width)}  # fmt: skip
    four = add("four views", replace(base, network=replace(base.network, views=4)))
    learning = {
        share: add(f"share {share:g}", replace(base, share=share, training=training(share_steps)))
        for share in sorted(shares)
    }
    panels = [
        Panel(
            "initialisation", "First weights", first,
            tuple(
                Contrast("pretrained_over_random" if number == 0 else f"{name}_over_random",
                         first[name], first["random"], f"{name} against random first weights")
                for number, name in enumerate(pretrained)
            ),
        ),
        Panel(
            "batch", "Batch size",
            {str(size): name for size, name in whole.items()}
            | {f"{size}, patches first": name for size, name in patches.items()},
            (
                Contrast("batch_24_over_2", whole[24], whole[2], "batches of 24 against 2, whole images"),
                Contrast("whole_over_patches", whole[24], patches[24], "whole images from the start against patches "
                         "first, in batches of 24"),
            ),
        ),
        Panel(
            "pooling", "Pooling",
            {"max": pooled["max"], "generalised\nmean": pooled["generalised_mean"],
             "mean": pooled["mean"]},
            (Contrast("max_over_mean", pooled["max"], pooled["mean"], "maximum against mean pooling"),),
        ),
        Panel(
            "balance", "Class imbalance",
            {"balanced\nbatches": balanced["sampler"], "weighted\nloss": balanced["loss"],
             "nothing": balanced["none"]},
            (Contrast("balanced_over_nothing", balanced["sampler"], balanced["none"], "balanced batches against nothing"),),
        ),
        Panel(
            "resolution", "Resolution, equal time",
            {"1": coarse[1], "1/2": coarse[2], "1/4": coarse[4]},
            (Contrast("full_over_quarter", coarse[1], coarse[4], "full against a quarter of the resolution at equal "
                      "time"),),
        ),
        Panel(
            "width", "Width", {str(w): name for w, name in widths.items()},
            (Contrast("wide_over_narrow", widths[2 * width], widths[width // 2], f"a network of width {2 * width} "
                      f"against {width // 2}"),),
        ),
        Panel(
            "views", "Input", {"single views,\nmaximum": "base", "four views": four},
            (Contrast("single_over_four_views", "base", four, "the maximum over single views against four views at once"),),
        ),
        Panel(
            "learning", "Training women", {f"{share:g}": name for share, name in learning.items()},
            (Contrast("more_women", learning[max(shares)], learning[min(shares)],
                      f"{max(shares):.0%} against {min(shares):.0%} of the women"),),
        ),
    ]  # fmt: skip
    return panels, ways


def verdict(difference: Estimate) -> str:
    """Say whether a difference, the lecture's choice less the other, agrees with the lecture."""
    if difference.low > 0:
        return "as the lecture has it"
    if difference.high < 0:
        return "against the lecture"
    return "no difference that this study could tell"


def panel_table(
    panel: Panel,
    data: StudyData,
    trained: dict[tuple[str, int], Trained],
    bootstrap: PatientBootstrap,
) -> pd.DataFrame:
    """Dev AUC of each way of a panel, and of each of its seeds.

    Returns
    -------
    DataFrame
        label, series ("patches first" or "whole images"), seed (NaN: the mean over seeds), auc,
        ci_low, ci_high (NaN for single seeds), seconds (of a training, mean).
    """
    spread = auc_spread(data, trained)
    rows = []
    for label, way in panel.ways.items():
        text, _, patches = label.partition(", ")
        name = {"label": text, "series": patches or "whole images"}
        estimate = way_auc(data, trained, way, bootstrap, spread)
        of_way = {seed: one for (known, seed), one in trained.items() if known == way}
        seconds = float(np.mean([one.seconds for one in of_way.values()]))
        rows.append({**name, "seed": np.nan, "auc": estimate.value, "ci_low": estimate.low,
                     "ci_high": estimate.high, "seconds": seconds})  # fmt: skip
        for seed, one in of_way.items():
            value = auc(one.scores, data.dev["label"], data.dev["weight"])
            rows.append({**name, "seed": seed, "auc": value, "seconds": one.seconds})
    return pd.DataFrame(rows)


def contrast_table(
    panels: Sequence[Panel],
    data: StudyData,
    trained: dict[tuple[str, int], Trained],
    bootstrap: PatientBootstrap,
) -> pd.DataFrame:
    """What the lecture chose less what it did not, in dev AUC.

    Returns
    -------
    DataFrame
        panel, key, words, difference, ci_low, ci_high, verdict (see `verdict`).
    """
    spread = auc_spread(data, trained)
    rows = []
    for panel in panels:
        for contrast in panel.contrasts:
            one = way_difference(data, trained, contrast.chosen, contrast.other, bootstrap, spread)
            rows.append({"panel": panel.name, "key": contrast.key, "words": contrast.words, "difference": one.value,
                         "ci_low": one.low, "ci_high": one.high, "verdict": verdict(one)})  # fmt: skip
    return pd.DataFrame(rows)


def sentence(contrasts: pd.DataFrame, panel: str) -> str:
    """Say in words what a panel's contrasts found."""
    parts = [
        f"{row.words}: {row.difference:+.3f} in dev AUC ({row.ci_low:+.3f} to {row.ci_high:+.3f}), "
        f"{row.verdict}"
        for row in contrasts[contrasts["panel"] == panel].itertuples()
    ]
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."
