"""The training loop, all of it in one place: batches, accumulation, precision, selection."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric

from mammolab.model.augment import (
    Augmentation,
    apply_changes,
    draw_changes,
    load_images,
    normalise,
    require_store,
)
from mammolab.model.config import TrainingConfig
from mammolab.model.exams import input_rows
from mammolab.model.initialise import load_trunk
from mammolab.model.losses import class_weights, training_loss
from mammolab.model.network import NetworkConfig, ResNet18
from mammolab.model.resume import (
    Resume,
    TrainingState,
    digest_table,
    digest_weights,
    remove_state,
)
from mammolab.model.sampling import batches

# It would tell the precision at every start of every training.
logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)


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
    step_history : DataFrame
        One row a gradient step: step, loss, learning_rate (of the step), gradient_norm (before it
        was cut down).
    """

    network: ResNet18
    history: pd.DataFrame
    best_epoch: int
    step_history: pd.DataFrame


def train(
    store: np.ndarray,
    table: pd.DataFrame,
    network_config: NetworkConfig,
    config: TrainingConfig,
    augmentation: Augmentation,
    measure: Callable[[ResNet18], dict[str, float]],
    select_by: str,
    rng: np.random.Generator,
    start: ResNet18 | None = None,
    resume: Resume | None = None,
) -> TrainingResult:
    """Train on single images, or exams of four views, and keep the epoch that dev likes best.

    Parameters
    ----------
    store : uint8 array, shape (n_images, h, w)
        The image store (memory map).
    table : DataFrame
        Training inputs: label (bool), sampling_weight and, by `network_config.views`, row (position
        in `store`) as `image_labels` gives it, or the four rows of `exam_labels`.
    network_config, config, augmentation
        Architecture, optimisation and augmentation.
    measure : callable
        Called after each epoch with the averaged network; returns named dev metrics.
    select_by : str
        Which of them chooses the epoch; higher is better, the earliest of equals wins.
    rng : numpy Generator
        The only source of randomness: weights, batches and augmentation derive from it.
    start : ResNet18 or None
        A network to go on from, of the same width and norm, instead of the initialisation; its head
        comes along where views and pooling are the same.
    resume : Resume or None
        Where to write the state after each epoch, and go on from after a kill: the result is the
        same to the last bit. None keeps no state.

    Returns
    -------
    TrainingResult

    Raises
    ------
    InputError
        When the table holds one class only or rows that the store lacks, the store no 8-bit images,
        `measure` does not return a finite `select_by`, the loss is not finite, `start` has another
        architecture, or `resume` the state of another run.
    """
    fabric = Fabric(
        accelerator="auto",
        devices=config.processes,
        strategy="ddp" if config.processes > 1 else "auto",
        precision=config.precision,
    )
    fabric.launch()
    torch.set_num_threads(config.threads)
    seed = int(rng.integers(2**31))
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    views = network_config.views
    rows, label = input_rows(table, views), table["label"].to_numpy(bool)
    require_store(store, rows)
    weight = table["sampling_weight"].to_numpy(float)
    target = torch.from_numpy(label.astype(np.float32))
    balancing = class_weights(label, weight) if config.balance == "loss" else None
    loss_of = training_loss(config.loss, balancing)

    network, optimizer = fabric.setup(*_network_and_optimizer(network_config, config, start))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer.optimizer,
        config.learning_rate,
        total_steps=config.epochs * config.steps_per_epoch,
    )
    average = torch.optim.swa_utils.AveragedModel(
        network.module,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average_decay),
        use_buffers=True,
    )
    state = TrainingState(network.module, optimizer.optimizer, schedule, average, rng, generator)
    identity = {
        "network": asdict(network_config),
        "training": asdict(config),
        "augmentation": asdict(augmentation),
        "select_by": select_by,
        "image_size": list(store.shape[1:]),
        "table": digest_table(table),
        "start": None if start is None else digest_weights(start),
        "seed": seed,
    }
    if resume is not None:
        state.load(resume, identity)
    pieces = config.pieces(fabric.global_rank)

    for epoch in range(len(state.epochs) + 1, config.epochs + 1):
        if config.patience is not None and epoch - 1 - state.best_epoch >= config.patience:
            break
        network.train()
        for batch in batches(
            config.balance, label, weight, config.batch_size, config.steps_per_epoch, rng
        ):
            changes = draw_changes(augmentation, views * len(batch), generator)
            batch_loss = torch.zeros((), device=fabric.device)
            for i, piece in enumerate(pieces):
                images = fabric.to_device(load_images(store, rows[batch[piece]]))  # (n, v, h, w)
                mine = changes.part(slice(views * piece.start, views * piece.stop))
                images = normalise(apply_changes(images, augmentation, mine))
                with fabric.no_backward_sync(network, enabled=i < len(pieces) - 1):
                    logit = network(images)  # (n,)
                    loss = loss_of(logit.float(), fabric.to_device(target[batch[piece]]))
                    fabric.backward(loss / len(pieces))
                batch_loss += loss.detach() / len(pieces)
            length = fabric.clip_gradients(
                network, optimizer, max_norm=config.gradient_norm, error_if_nonfinite=False
            )
            state.end_step(
                loss=fabric.all_reduce(batch_loss, reduce_op="mean").item(),
                gradient_norm=length.item(),
            )
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            average.update_parameters(network.module)
        average.eval()
        state.end_epoch(measure(average.module), select_by, config.steps_per_epoch)
        if resume is not None:
            if fabric.is_global_zero:
                state.save(resume, identity)
            fabric.barrier()
        fabric.print(f"[progress] epoch {epoch}/{config.epochs} {state.summary(select_by)}")

    if resume is not None and fabric.is_global_zero:
        remove_state(resume)
    return TrainingResult(
        state.best.cpu().eval(),
        pd.DataFrame(state.epochs),
        state.best_epoch,
        pd.DataFrame(state.steps),
    )


def _network_and_optimizer(
    network_config: NetworkConfig, config: TrainingConfig, start: ResNet18 | None
) -> tuple[ResNet18, torch.optim.Optimizer]:
    network = ResNet18(network_config)
    if start is not None:
        weights = start.state_dict()
        load_trunk(network, weights, "The weights to start from")
        head = ("views", "pooling")
        if all(getattr(start.config, name) == getattr(network_config, name) for name in head):
            network.load_state_dict(weights)
    network.recompute = config.recompute
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    return network, optimizer
