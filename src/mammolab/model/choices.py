"""The choices that the study of training compares: one panel a choice, all else as in the base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mammolab.errors import InputError
from mammolab.model.config import TrainingConfig
from mammolab.model.network import NetworkConfig
from mammolab.model.study import Way

BATCH_SIZES = (2, 4, 10, 16, 24)  # the lecture's
FOLDS = (1, 2, 4)
AVERAGE_DECAY = 0.98  # of the base, as in TrainingConfig


@dataclass(frozen=True)
class Contrast:
    """One way against another.

    Attributes
    ----------
    key : str
        Name of the number it gives.
    chosen, other : str
        Names of ways.
    words : str
        The same for a sentence, such as "maximum against mean pooling".
    lecture : bool
        `chosen` is what the lecture chose.
    """

    key: str
    chosen: str
    other: str
    words: str
    lecture: bool = True


@dataclass(frozen=True)
class Panel:
    """One choice: its ways by label, and which of them are held against each other.

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
    fold_steps: Sequence[int],
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
    fold_steps : sequence of int
        Gradient steps that take about the same time at each of `FOLDS`; `steps` at the base's.
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
    if fold not in FOLDS:
        raise InputError(f"fold is {fold}; it must be one of {', '.join(map(str, FOLDS))}.")
    if (
        len(fold_steps) != len(FOLDS)
        or fold_steps[FOLDS.index(fold)] != steps
        or any(one % points for one in fold_steps)
    ):
        raise InputError(
            f"fold_steps ({', '.join(map(str, fold_steps))}) must be the gradient steps at folds "
            f"{', '.join(map(str, FOLDS))}, each a multiple of points ({points}), with steps "
            f"({steps}) at fold {fold}."
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

    def training(n_steps: int = steps, size: int = batch_size, balance: str = "sampler",
                 parts: int = 1) -> TrainingConfig:  # fmt: skip
        return TrainingConfig(
            batch_size=size,
            micro_batch_size=size,
            epochs=points,
            steps_per_epoch=n_steps // points,
            learning_rate=learning_rate * (size / batch_size) ** 0.5,
            threads=threads,
            balance=balance,
            # the average spans the same share of every training, or the first weights would weigh
            # more in a short one
            average_decay=AVERAGE_DECAY ** (steps * parts / n_steps),
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
            replace(base, training=training(size=size, parts=2), crop_px=crop_px),
        )
        for size in BATCH_SIZES
    }
    pooled = {name: add(f"pooling {name}",
                         replace(base, network=replace(base.network, pooling=name)))
              for name in ("max", "generalised_mean", "mean")}  # fmt: skip
    balanced = {name: add(f"balance {name}", replace(base, training=training(balance=name)))
                for name in ("sampler", "loss", "none")}  # fmt: skip
    coarse = {
        one: add(f"fold {one}", replace(base, fold=one, training=training(n_steps)))
        for one, n_steps in zip(FOLDS, fold_steps, strict=True)
    }
    widths = {w: add(f"width {w}", replace(base, network=NetworkConfig(w)))
              for w in (width // 2, width, 2 * width)}  # fmt: skip
    four = add("four views", replace(base, network=replace(base.network, views=4)))
    learning = {
        share: add(f"share {share:g}", replace(base, share=share, training=training(share_steps)))
        for share in sorted(shares)
    }
    learned = pooled["generalised_mean"]
    panels = [
        Panel(
            "initialisation",
            "First weights",
            first,
            tuple(
                Contrast(
                    "pretrained_over_random" if number == 0 else f"{name}_over_random",
                    first[name],
                    first["random"],
                    f"{name} against random first weights",
                )
                for number, name in enumerate(pretrained)
            ),
        ),
        Panel(
            "batch",
            "Batch size",
            {str(size): name for size, name in whole.items()}
            | {f"{size}, patches first": name for size, name in patches.items()},
            (
                Contrast("batch_24_over_2", whole[24], whole[2], "batches of 24 against 2"),
                Contrast("batch_24_over_10", whole[24], whole[10], "24 against 10"),
                Contrast(
                    "whole_over_patches",
                    whole[24],
                    patches[24],
                    "whole images from the start against patches first, in batches of 24",
                ),
                Contrast(
                    "whole_over_patches_2", whole[2], patches[2], "the same in batches of 2", False
                ),
            ),
        ),
        Panel(
            "pooling",
            "Pooling",
            {"max": pooled["max"], "generalised\nmean": learned, "mean": pooled["mean"]},
            (
                Contrast("max_over_mean", pooled["max"], pooled["mean"], "maximum against mean"),
                Contrast("max_over_learned", pooled["max"], learned, "against a learned mean"),
            ),
        ),
        Panel(
            "balance",
            "Class imbalance",
            {
                "balanced\nbatches": balanced["sampler"],
                "weighted\nloss": balanced["loss"],
                "nothing": balanced["none"],
            },
            (
                Contrast(
                    "balanced_over_nothing",
                    balanced["sampler"],
                    balanced["none"],
                    "balanced batches against nothing",
                ),
                Contrast(
                    "balanced_over_weighted",
                    balanced["sampler"],
                    balanced["loss"],
                    "against a weighted loss",
                ),
            ),
        ),
        Panel(
            "resolution",
            "Resolution, equal time",
            {"1": coarse[1], "1/2": coarse[2], "1/4": coarse[4]},
            (
                Contrast(
                    "full_over_half", coarse[1], coarse[2],
                    "full against half of the resolution at equal time", False,
                ),
                Contrast("full_over_quarter", coarse[1], coarse[4], "against a quarter", False),
            ),
        ),
        Panel(
            "width",
            "Width, random weights",
            {str(w): name for w, name in widths.items()},
            (
                Contrast(
                    "wide_over_narrow",
                    widths[2 * width],
                    widths[width // 2],
                    f"a network of width {2 * width} against {width // 2}",
                    False,
                ),
            ),
        ),
        Panel(
            "views",
            "Input",
            {"single views,\nmaximum": "base", "four views": four},
            (
                Contrast(
                    "single_over_four_views",
                    "base",
                    four,
                    "the maximum over single views against four views at once",
                ),
            ),
        ),
        Panel(
            "learning",
            "Training women",
            {f"{share:g}": name for share, name in learning.items()},
            (
                Contrast(
                    "more_women",
                    learning[max(shares)],
                    learning[min(shares)],
                    f"{max(shares):.0%} against {min(shares):.0%} of the women",
                    False,
                ),
            ),
        ),
    ]  # fmt: skip
    return panels, ways
