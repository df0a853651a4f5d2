"""The training loop, all of it in one place: balanced batches, accumulation, bf16, selection."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from torch.nn import functional

from mammolab.errors import InputError
from mammolab.model.augment import Augmentation, augment, load_images, normalise
from mammolab.model.network import NetworkConfig, ResNet18
from mammolab.model.sampling import balanced_batches


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Attributes
    ----------
    batch_size : int
        Images behind one gradient step, half with cancer; 24 in the published work.
    micro_batch_size : int
        Images held in memory at once; gradients of batch_size / micro_batch_size of them add up.
    epochs, steps_per_epoch : int
        Dev is scored after each epoch; an epoch is a number of gradient steps, not a pass.
    learning_rate, weight_decay : float
        AdamW's, under a one-cycle schedule that peaks at learning_rate.
    gradient_norm : float
        Gradients are scaled down to this length: one odd batch of 24 must not undo an epoch.
    average_decay : float
        Decay of the exponential moving average of the weights, which is what is scored and kept.
    threads : int
        CPU threads; fixed, because sums over a different number round differently.
    """

    batch_size: int
    micro_batch_size: int
    epochs: int
    steps_per_epoch: int
    learning_rate: float
    weight_decay: float = 1e-2
    gradient_norm: float = 1.0
    average_decay: float = 0.98
    threads: int = 2

    def __post_init__(self):
        if self.batch_size % self.micro_batch_size or self.micro_batch_size % 2:
            raise InputError(
                f"micro_batch_size is {self.micro_batch_size}; it must be even and divide "
                f"batch_size, which is {self.batch_size}."
            )


@dataclass(frozen=True)
class TrainingResult:
    """The network of the selected epoch and what each epoch measured.

    Attributes
    ----------
    network : ResNet18
        Averaged weights of `best_epoch`, on the CPU, in evaluation mode.
    history : DataFrame
        One row an epoch: epoch, steps, loss, learning_rate, and what `measure` returned.
    best_epoch : int
    """

    network: ResNet18
    history: pd.DataFrame
    best_epoch: int


def train(
    store: np.ndarray,
    table: pd.DataFrame,
    network_config: NetworkConfig,
    config: TrainingConfig,
    augmentation: Augmentation,
    measure: Callable[[ResNet18], dict[str, float]],
    select_by: str,
    rng: np.random.Generator,
) -> TrainingResult:
    """Train on single images and keep the epoch that dev likes best.

    Parameters
    ----------
    store : uint8 array, shape (n_images, h, w)
        The image store (memory map).
    table : DataFrame
        Training images: row (position in `store`), label (bool), sampling_weight.
    network_config, config, augmentation
        Architecture, optimisation and augmentation.
    measure : callable
        Called after each epoch with the averaged network; returns named dev metrics.
    select_by : str
        Which of them chooses the epoch; higher is better, the earliest of equals wins.
    rng : numpy Generator
        The only source of randomness: weights, batches and augmentation derive from it.

    Returns
    -------
    TrainingResult
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(int(rng.integers(2**31)))
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    rows, label = table["row"].to_numpy(np.int64), table["label"].to_numpy(bool)
    weight = table["sampling_weight"].to_numpy(float)
    target = torch.from_numpy(label.astype(np.float32))

    fabric = Fabric(accelerator="auto", devices=1, precision="bf16-mixed")
    network = ResNet18(network_config).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    network, optimizer = fabric.setup(network, optimizer)
    total_steps = config.epochs * config.steps_per_epoch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer.optimizer, config.learning_rate, total_steps=total_steps
    )
    average = torch.optim.swa_utils.AveragedModel(
        network.module,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average_decay),
        use_buffers=True,
    )
    pieces = config.batch_size // config.micro_batch_size
    history: list[dict[str, float]] = []
    best: ResNet18 | None = None

    for epoch in range(1, config.epochs + 1):
        network.train()
        losses = []
        for batch in balanced_batches(
            label, weight, config.batch_size, config.steps_per_epoch, rng
        ):
            for i, piece in enumerate(np.split(batch, pieces)):
                images = fabric.to_device(load_images(store, rows[piece]))  # (n, 1, h, w)
                images = normalise(augment(images, augmentation, generator))
                with fabric.no_backward_sync(network, enabled=i < pieces - 1):
                    logit = network(images)  # (n,)
                    loss = functional.binary_cross_entropy_with_logits(
                        logit.float(), fabric.to_device(target[piece])
                    )
                    fabric.backward(loss / pieces)
                losses.append(loss.item())
            fabric.clip_gradients(network, optimizer, max_norm=config.gradient_norm)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            average.update_parameters(network.module)
        average.eval()
        history.append(
            {
                "epoch": epoch,
                "steps": epoch * config.steps_per_epoch,
                "loss": float(np.mean(losses)),
                "learning_rate": schedule.get_last_lr()[0],
                **measure(average.module),
            }
        )
        if best is None or history[-1][select_by] > max(h[select_by] for h in history[:-1]):
            best = copy.deepcopy(average.module)
        print(f"[progress] epoch {epoch}/{config.epochs} " + _summary(history[-1], select_by))
    table_of_epochs = pd.DataFrame(history)
    best_epoch = int(table_of_epochs.loc[table_of_epochs[select_by].idxmax(), "epoch"])
    return TrainingResult(best.cpu().eval(), table_of_epochs, best_epoch)


def _summary(row: dict[str, float], select_by: str) -> str:
    return f"loss {row['loss']:.3f}, {select_by.replace('_', ' ')} {row[select_by]:.3f}"
