"""The state of a training run, on disk after each epoch: a kill costs one and changes nothing."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from mammolab.errors import InputError, unknown_name
from mammolab.files import write_json, write_whole
from mammolab.model.network import ResNet18

RECORD = "state.json"  # names the tensors' file; written last, so that the two always match


@dataclass(frozen=True)
class Resume:
    """Where a run keeps its state, and what else must be as it was for it to go on.

    Attributes
    ----------
    folder : Path
        Of this run alone; made when absent, emptied of the state when the run ends.
    marks : dict of str to str
        Such as preprocessing_hash and code_digest: a run goes on only if all are the same.
    """

    folder: Path
    marks: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class TrainingState:
    """Everything that changes while a network is trained.

    Attributes
    ----------
    network : ResNet18
    optimizer, schedule
        AdamW and the one-cycle schedule of its learning rate.
    average : AveragedModel
        Exponential moving average of the network.
    rng, generator
        Draw the batches and the augmentation.
    epochs, steps : list of dict
        One row an epoch, one row a gradient step.
    best : ResNet18 or None
        The average of `best_epoch`.
    best_epoch : int
        0 before the first epoch has ended.
    """

    network: ResNet18
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    average: torch.optim.swa_utils.AveragedModel
    rng: np.random.Generator
    generator: torch.Generator
    epochs: list[dict[str, float]] = field(default_factory=list)
    steps: list[dict[str, float]] = field(default_factory=list)
    best: ResNet18 | None = None
    best_epoch: int = 0

    def end_step(self, loss: float, gradient_norm: float) -> None:
        """Record a gradient step, before the optimiser takes it.

        Raises
        ------
        InputError
            When the loss or its gradient is not finite.
        """
        row = {
            "step": len(self.steps) + 1,
            "loss": loss,
            "learning_rate": self.schedule.get_last_lr()[0],
            "gradient_norm": gradient_norm,
        }
        _require_finite(row, f"step {row['step']}; lower learning_rate")
        self.steps.append(row)

    def end_epoch(self, measured: dict[str, float], select_by: str, n_steps: int) -> None:
        """Record an epoch of `n_steps` and keep its average where it is the best so far.

        Raises
        ------
        InputError
            When `measured` lacks `select_by`, or holds a number that is not finite.
        """
        if select_by not in measured:
            raise unknown_name("metric of measure", select_by, measured)
        row = {
            "epoch": len(self.epochs) + 1,
            "steps": len(self.steps),
            "loss": float(np.mean([step["loss"] for step in self.steps[-n_steps:]])),
            "learning_rate": self.schedule.get_last_lr()[0],
            **{name: float(value) for name, value in measured.items()},
        }
        _require_finite(row, f"epoch {row['epoch']}")
        self.epochs.append(row)
        if self.best is None or row[select_by] > self.epochs[self.best_epoch - 1][select_by]:
            self.best, self.best_epoch = copy.deepcopy(self.average.module), row["epoch"]

    def summary(self, select_by: str) -> str:
        """Say in a line how the last epoch went."""
        row = self.epochs[-1]
        return f"loss {row['loss']:.3f}, {select_by.replace('_', ' ')} {row[select_by]:.3f}"

    def save(self, resume: Resume, identity: dict[str, object]) -> None:
        """Write the state after an epoch; the state of the epoch before is removed."""
        optimizer = self.optimizer.state_dict()
        tensors = {
            **_prefixed("network", self.network.state_dict()),
            **_prefixed("average", self.average.state_dict()),
            **_prefixed("best", self.best.state_dict()),
            **_prefixed("random", _random_states(self.generator)),
        }
        for number, values in optimizer["state"].items():
            tensors.update(_prefixed(f"optimizer/{number}", values))
        file = f"epoch_{len(self.epochs)}.safetensors"
        write_whole(resume.folder / file, lambda path: save_file(tensors, path))
        record = {
            "identity": identity | resume.marks,
            "tensors": file,
            "epochs": self.epochs,
            "steps": self.steps,
            "best_epoch": self.best_epoch,
            "schedule": self.schedule.state_dict(),
            "optimizer": optimizer["param_groups"],
            "rng": self.rng.bit_generator.state,
        }
        write_json(resume.folder / RECORD, record)
        for old in resume.folder.glob("epoch_*.safetensors"):
            if old.name != file:
                old.unlink()

    def load(self, resume: Resume, identity: dict[str, object]) -> None:
        """Bring everything to where a killed run left it; nothing happens where none was.

        Raises
        ------
        InputError
            When that run was another: other settings, architecture, data or marks.
        """
        if not (resume.folder / RECORD).is_file():
            return
        record = json.loads((resume.folder / RECORD).read_text("utf-8"))
        _require_same(record["identity"], identity | resume.marks, resume.folder)
        tensors = load_file(resume.folder / record["tensors"])
        self.network.load_state_dict(_under("network", tensors))
        self.average.load_state_dict(_under("average", tensors))
        self.best = copy.deepcopy(self.average.module)
        self.best.load_state_dict(_under("best", tensors))
        self.optimizer.load_state_dict(self._optimizer_state(record["optimizer"], tensors))
        self.schedule.load_state_dict(record["schedule"])
        self.epochs, self.steps = record["epochs"], record["steps"]
        self.best_epoch = record["best_epoch"]
        self.rng.bit_generator.state = record["rng"]
        _set_random_states(self.generator, _under("random", tensors))

    def _optimizer_state(
        self, groups: list[dict[str, object]], tensors: dict[str, torch.Tensor]
    ) -> dict[str, object]:
        state: dict[int, dict[str, torch.Tensor]] = {}
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        for number, parameter in enumerate(parameters):
            values = _under(f"optimizer/{number}", tensors)
            # In the parameter's own memory layout: the next step must round as it would have.
            state[number] = {
                name: torch.empty_like(parameter).copy_(value) if value.ndim else value
                for name, value in values.items()
            }
        return {"state": state, "param_groups": [{**g, "betas": tuple(g["betas"])} for g in groups]}


def remove_state(resume: Resume) -> None:
    """Remove the state of a run that has ended."""
    for path in (resume.folder / RECORD, *resume.folder.glob("epoch_*.safetensors")):
        path.unlink(missing_ok=True)


def digest_table(table: pd.DataFrame) -> str:
    """Return the digest of the rows, labels and weights that a network is trained on."""
    hashes = pd.util.hash_pandas_object(table.reset_index(drop=True), index=False)
    return sha256(hashes.to_numpy().tobytes()).hexdigest()[:16]


def digest_weights(network: ResNet18) -> str:
    """Return the digest of a network's weights."""
    digest = sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _require_finite(row: dict[str, float], when: str) -> None:
    if bad := [f"{name} is {value}" for name, value in row.items() if not np.isfinite(value)]:
        raise InputError(f"{', '.join(bad)} at {when}.")


def _random_states(generator: torch.Generator) -> dict[str, torch.Tensor]:
    states = {"augmentation": generator.get_state(), "torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _set_random_states(generator: torch.Generator, states: dict[str, torch.Tensor]) -> None:
    generator.set_state(states["augmentation"])
    torch.set_rng_state(states["torch"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"])


def _prefixed(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}/{name}": tensor.contiguous() for name, tensor in tensors.items()}


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    start = f"{prefix}/"
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def _require_same(theirs: dict[str, object], ours: dict[str, object], folder: Path) -> None:
    theirs, ours = _flat(theirs), _flat(json.loads(json.dumps(ours)))
    names = [k for k in {**ours, **theirs} if theirs.get(k, "absent") != ours.get(k, "absent")]
    if names:
        listing = "; ".join(
            f"{k} is {ours.get(k, 'absent')} here and was {theirs.get(k, 'absent')}"
            for k in names[:4]
        )
        raise InputError(
            f"The training state in {folder} is of another run ({listing}); go on with that run's "
            "settings, or delete the folder to start anew."
        )


def _flat(record: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat = {}
    for key, value in record.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
