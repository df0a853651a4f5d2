"""First weights from formula-generated images: what is learned, and the loop that learns it."""

from __future__ import annotations

import hashlib
import io
import tokenize
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import nn
from torch.nn import functional

from mammolab.evaluate.roc import auc
from mammolab.model import formula_images, formula_shapes
from mammolab.model.augment import load_images, normalise
from mammolab.model.formula_images import (
    EXPONENTS,
    FormulaImages,
    FormulaSettings,
    draw_images,
)
from mammolab.model.formula_shapes import FAMILIES
from mammolab.model.network import NetworkConfig, ResNet18

WEIGHTS_PATH = Path(__file__).with_name("weights") / "formula_w16.safetensors"
CARD_PATH = WEIGHTS_PATH.with_suffix(".json")
CHUNK = 64  # images behind one random stream; part of what the seed fixes
HELD_OUT_SEED_OFFSET = 1  # held-out images come from the next seed
TASKS = ("presence", "cells", "fine_cells", "exponent")


@dataclass(frozen=True)
class PretrainingConfig:
    """How the first weights are made.

    Attributes
    ----------
    width : int
        Of the ResNet-18.
    rounds, images_per_round, passes : int
        Each round draws new images and passes over them this often, each time in another order
        and turned or mirrored at random.
    batch_size : int
    learning_rate, weight_decay : float
        AdamW's, under a one-cycle schedule that peaks at learning_rate.
    task_weights : tuple of float
        Factors on the losses of TASKS.
    seed : int
    threads : int
        CPU threads of the training; fixed, because sums over a different number round differently.
        Images are drawn on one more. So small a network gains little from a second, and on a busy
        machine two that wait for each other lose far more.
    """

    width: int = 16
    rounds: int = 16
    images_per_round: int = 2560
    passes: int = 3
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 2e-2
    task_weights: tuple[float, float, float, float] = (1.0, 3.0, 3.0, 0.2)
    seed: int = 2020
    threads: int = 1


class FormulaNetwork(nn.Module):
    """The network's trunk under one linear head a task; only the trunk is kept.

    Presence and exponent are read from the globally pooled last map, as the detector's
    logit is; cells from the last two maps themselves, which teaches where things are.
    """

    def __init__(self, width: int):
        super().__init__()
        self.trunk = ResNet18(NetworkConfig(width=width))
        self.image_head = nn.Linear(8 * width, len(FAMILIES) + 1)
        self.cell_head = nn.Conv2d(8 * width, len(FAMILIES), kernel_size=1)
        self.fine_cell_head = nn.Conv2d(4 * width, len(FAMILIES), kernel_size=1)
        for head in (self.image_head, self.cell_head, self.fine_cell_head):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map normalised images (n, 1, h, w) to what each task predicts, float32."""
        *_, finer, last = self.trunk.stages(images)  # (n, 4 width, h/16, w/16), half of that
        pooled = last.amax(dim=(2, 3))
        of_image = self.image_head(pooled).float()
        return {
            "presence": of_image[:, :-1],
            "cells": self.cell_head(last).float(),
            "fine_cells": self.fine_cell_head(finer).float(),
            "exponent": of_image[:, -1],
        }


def draw_pool(n: int, settings: FormulaSettings, seed: list[int]) -> FormulaImages:
    """Draw `n` images in chunks of CHUNK, each from its own stream of `seed`."""
    chunks = [
        draw_images(min(CHUNK, n - start), settings, np.random.default_rng([*seed, start]))
        for start in range(0, n, CHUNK)
    ]
    names = [field.name for field in fields(FormulaImages)]
    return FormulaImages(*(np.concatenate([getattr(c, name) for c in chunks]) for name in names))


def pretrain(
    config: PretrainingConfig, settings: FormulaSettings
) -> tuple[FormulaNetwork, list[dict[str, float]]]:
    """Train on formula-generated images.

    Parameters
    ----------
    config : PretrainingConfig
    settings : FormulaSettings
        What the images are like.

    Returns
    -------
    network : FormulaNetwork
        In evaluation mode.
    history : list of dict
        One a round: round, steps, and the mean loss of each task.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    network = FormulaNetwork(config.width).to(memory_format=torch.channels_last)
    learned = [p for name, p in network.named_parameters() if not name.startswith("trunk.fc.")]
    optimizer = torch.optim.AdamW(
        learned, lr=config.learning_rate, weight_decay=config.weight_decay
    )
    steps_per_pass = config.images_per_round // config.batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.rounds * config.passes * steps_per_pass
    )
    weights = dict(zip(TASKS, config.task_weights, strict=True))
    rng = np.random.default_rng(config.seed)
    history = []
    for number, pool in enumerate(_pools(config, settings), start=1):
        network.train()
        losses = []
        for _ in range(config.passes):
            order = rng.permutation(len(pool.images))
            for step in range(steps_per_pass):
                rows = order[step * config.batch_size : (step + 1) * config.batch_size]
                images, targets = _batch(pool, rows, turn=int(rng.integers(8)))
                with torch.autocast("cpu", torch.bfloat16):
                    predicted = network(images)
                loss = task_losses(predicted, targets)
                sum(weights[task] * loss[task] for task in TASKS).backward()
                nn.utils.clip_grad_norm_(learned, 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                losses.append([loss[task].item() for task in TASKS])
        means = dict(zip(TASKS, np.mean(losses, axis=0).tolist(), strict=True))
        history.append({"round": number, "steps": number * config.passes * steps_per_pass, **means})
        described = ", ".join(f"{task} {value:.3f}" for task, value in means.items())
        print(f"[progress] round {number}/{config.rounds} {described}", flush=True)
    return network.eval(), history


def _pools(config, settings):
    """Yield each round's images; the next round's are drawn while this one's are learned."""

    def draw(number: int) -> FormulaImages:
        return draw_pool(config.images_per_round, settings, [config.seed, number])

    with ThreadPoolExecutor(1) as drawer:
        coming = drawer.submit(draw, 0)
        for number in range(config.rounds):
            pool = coming.result()
            if number + 1 < config.rounds:
                coming = drawer.submit(draw, number + 1)
            yield pool


def task_losses(
    predicted: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Mean loss of each task: cross-entropies, and squared error for the exponent."""
    losses = {
        task: functional.binary_cross_entropy_with_logits(predicted[task], targets[task])
        for task in ("presence", "cells", "fine_cells")
    }
    return {**losses, "exponent": functional.mse_loss(predicted["exponent"], targets["exponent"])}


def held_out_scores(
    network: FormulaNetwork, settings: FormulaSettings, config: PretrainingConfig, n: int
) -> dict[str, float]:
    """Score a network on `n` images that it has not seen.

    Returns
    -------
    dict
        presence_auc.<family>, fine_cells_auc.<family>; exponent_r2, the share of the variance that is explained.
    """
    pool = draw_pool(n, settings, [config.seed + HELD_OUT_SEED_OFFSET])
    parts = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, n, 128):
            images, _ = _batch(pool, np.arange(start, min(start + 128, n)), turn=0)
            parts.append(network(images))
    predicted = {task: torch.cat([part[task] for part in parts]).numpy() for task in TASKS}
    scores = {}
    for number, family in enumerate(FAMILIES):
        there = pool.present[:, number]
        scores[f"presence_auc.{family}"] = auc(predicted["presence"][:, number], there)
        squares = predicted["fine_cells"][:, number].ravel()
        scores[f"fine_cells_auc.{family}"] = auc(squares, pool.cells[:, number].ravel())
    exponent = _exponent_target(pool, np.arange(n)).numpy()
    error = predicted["exponent"] - exponent
    scores["exponent_r2"] = 1 - (error**2).mean() / exponent.var()
    return {name: float(value) for name, value in scores.items()}


def trunk_bytes(network: FormulaNetwork) -> bytes:
    """Return the trunk without its last layer as the content of a safetensors file.

    Weights are float16, which halves the file and moves the pooled features by a hundredth of their
    SD at most; running statistics stay float32.
    """
    kept = {}
    for name, tensor in network.trunk.state_dict().items():
        if name.startswith("fc."):
            continue
        statistic = "running" in name or not tensor.is_floating_point()
        kept[name] = (tensor if statistic else tensor.half()).contiguous()
    return save(kept)


def recipe_digest() -> str:
    """Return the digest (hex) of the code that draws and trains, without comments and docstrings.

    The shipped weights hold for it alone; their card says for which they were made.
    """
    digest = hashlib.sha256()
    for module in (formula_shapes, formula_images):
        digest.update(_code_of(Path(module.__file__)))
    digest.update(_code_of(Path(__file__)))
    return digest.hexdigest()


def _code_of(path):
    """The tokens of a module, without space, comments and strings that are statements."""
    kept, statement = [], []
    for token in tokenize.tokenize(io.BytesIO(path.read_bytes()).readline):
        if token.type == tokenize.NEWLINE:
            if [kind for kind, _ in statement] != [tokenize.STRING]:
                kept += [text for _, text in statement] + [";"]
            statement = []
        elif token.type in (tokenize.INDENT, tokenize.DEDENT):
            kept.append("{" if token.type == tokenize.INDENT else "}")
        elif token.type not in (tokenize.NL, tokenize.COMMENT, tokenize.ENCODING):
            statement.append((token.type, token.string))
    # Versions of Python cut f-strings into different tokens; without space they read the same.
    return "".join("".join(kept).split()).encode()


def _batch(pool, rows, turn):
    """Normalised images and targets of `rows`, all turned alike: one of the square's symmetries."""
    images = normalise(load_images(pool.images, rows))
    cells = torch.from_numpy(pool.cells[rows]).float()
    images, cells = (_turned(maps, turn) for maps in (images, cells))
    targets = {
        "presence": cells.amax(dim=(2, 3)),
        "cells": functional.max_pool2d(cells, 2),
        "fine_cells": cells,
        "exponent": _exponent_target(pool, rows),
    }
    return images.contiguous(memory_format=torch.channels_last), targets


def _turned(maps, turn):
    mirrored = maps.flip(3) if turn >= 4 else maps
    return torch.rot90(mirrored, turn % 4, dims=(2, 3))


def _exponent_target(pool, rows):
    low, high = EXPONENTS
    return torch.from_numpy(pool.exponent[rows] * 2 / (high - low) - (high + low) / (high - low))
