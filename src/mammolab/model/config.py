"""How a network is trained, as values that can be checked, compared and written down."""

from __future__ import annotations

from dataclasses import dataclass

from mammolab.errors import InputError
from mammolab.model.losses import LOSSES
from mammolab.model.sampling import BALANCES

PRECISIONS = ("bf16-mixed", "32-true")


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Attributes
    ----------
    batch_size : int
        Inputs (images, or exams of four views) behind one gradient step; 24 in the published work.
    micro_batch_size : int
        Inputs held in memory at once; gradients of batch_size / micro_batch_size of them add up.
        The step is the same for any size, but for batch normalisation, which sees each piece alone
        (see NetworkConfig.norm).
    epochs, steps_per_epoch : int
        Dev is scored after each epoch; an epoch is a number of gradient steps, not a pass.
    learning_rate, weight_decay : float
        AdamW's, under a one-cycle schedule that peaks at learning_rate.
    gradient_norm : float
        Gradients are scaled down to this length: one odd batch of 24 must not undo an epoch.
    average_decay : float
        Decay of the exponential moving average of the weights, which is what is scored and kept.
    threads : int
        CPU threads of a process; fixed, because sums over a different number round differently.
    balance : {"sampler", "loss", "none"}
        Batches that are half cancers, a loss weighted by class over batches as they come, or
        neither.
    loss : {"cross_entropy", "focal"}
    precision : {"bf16-mixed", "32-true"}
        Of the forward and backward pass; weights, averages and the loss are in single precision.
    recompute : bool
        Save memory by computing each stage twice; for full-field images.
    patience : int or None
        Stop when so many epochs in a row have not bettered dev; None trains all of them. The
        schedule is laid out for all of them.
    processes : int
        That share each batch, by DistributedDataParallel; more than one only from a script, which
        each process then runs.
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
    balance: str = "sampler"
    loss: str = "cross_entropy"
    precision: str = "bf16-mixed"
    recompute: bool = False
    patience: int | None = None
    processes: int = 1

    def __post_init__(self):
        for field, options in (
            ("balance", BALANCES),
            ("loss", LOSSES),
            ("precision", PRECISIONS),
        ):
            if (value := getattr(self, field)) not in options:
                raise InputError(f"{field} is {value!r}; it must be one of {', '.join(options)}.")
        counts = ("batch_size", "micro_batch_size", "epochs", "steps_per_epoch", "processes")
        if small := [f"{name} {getattr(self, name)}" for name in counts if getattr(self, name) < 1]:
            raise InputError(f"These must be at least 1: {', '.join(small)}.")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"patience is {self.patience}; it must be at least 1, or None.")
        odd = self.balance == "sampler" and self.micro_batch_size % 2
        if self.batch_size % (self.micro_batch_size * self.processes) or odd:
            raise InputError(
                f"micro_batch_size is {self.micro_batch_size}; times processes "
                f"({self.processes}) it must divide batch_size, which is {self.batch_size}, and be "
                "even where the sampler balances batches."
            )

    def pieces(self, process: int) -> list[slice]:
        """Return the pieces of a batch that one process works through, one after the other."""
        share = self.batch_size // self.processes
        starts = range(process * share, (process + 1) * share, self.micro_batch_size)
        return [slice(start, start + self.micro_batch_size) for start in starts]
