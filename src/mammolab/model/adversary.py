"""Unlearn the device: a small encoder, trained against a discriminator that predicts the device.

The encoder stands on frozen features, so that a training takes a second. On the way back the
gradient of the discriminator is reversed: what helps to tell the device leaves the representation.

Where the label goes with the device, an adversary that sees the representation alone asks for too
much. A representation that holds the label also tells the device; to hide it, the encoder must
unlearn the label, or add the device's trace with the opposite sign. An adversary that sees the label
as well asks only that the device cannot be told among the cancers, nor among the healthy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn
from torch.nn import functional

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_flag, check_two_classes, group_codes

ADVERSARIES = ("none", "unconditional", "conditional")


@dataclass(frozen=True)
class AdversaryConfig:
    """What fixes a training.

    Attributes
    ----------
    adversary : {"none", "unconditional", "conditional"}
        Whether a discriminator takes part, and whether it sees the label.
    strength : float
        Weight of the reversed gradient once it has risen to its full size; that of the label is 1.
    size : int
        Numbers in the representation.
    hidden : int
        Units of the discriminator's hidden layer.
    discriminator_steps : int
        Gradient steps of the discriminator to one of the encoder: it has to be ahead.
    steps, batch_size : int
        Gradient steps of the encoder, and exams behind each, half of them with cancer.
    learning_rate, weight_decay : float
        Of AdamW, for the encoder and the discriminator.
    """

    adversary: str = "none"
    strength: float = 10.0
    size: int = 2
    hidden: int = 32
    discriminator_steps: int = 2
    steps: int = 300
    batch_size: int = 128
    learning_rate: float = 0.005
    weight_decay: float = 0.01

    def __post_init__(self):
        if self.adversary not in ADVERSARIES:
            raise InputError(
                f"adversary is {self.adversary!r}; it must be one of {', '.join(ADVERSARIES)}."
            )
        sizes = ("size", "hidden", "discriminator_steps", "steps", "batch_size")
        wrong = [name for name in sizes if getattr(self, name) < 1]
        wrong += ["strength"] if not self.strength >= 0 else []
        if wrong:
            raise InputError(
                f"{', '.join(wrong)} of an adversary is too small: strength must be at least 0, "
                f"{', '.join(sizes)} at least 1."
            )


class Encoder(nn.Module):
    """Frozen features to a representation, and from there to a logit; made by `train_encoder`.

    Both steps are linear: a hidden layer learned the few hundred training exams by heart, and ranked
    development exams worse.
    """

    def __init__(self, centre: torch.Tensor, scale: torch.Tensor, size: int):
        super().__init__()
        self.register_buffer("centre", centre)
        self.register_buffer("scale", scale)
        self.encode = nn.Linear(len(centre), size)
        self.head = nn.Linear(size, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map features (n, k) to the representation (n, size)."""
        return self.encode((features - self.centre) / self.scale)

    def represent(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return the representation of each row of features (n, k), shape (n, size)."""
        with torch.inference_mode():
            return self(_tensor(features)).double().numpy()

    def score(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return the logit of each row of features (n, k), shape (n,); higher is worse."""
        with torch.inference_mode():
            return self.head(self(_tensor(features))).squeeze(1).double().numpy()


class Discriminator(nn.Module):
    """Representation, and the label where it may see it, to a logit for each device."""

    def __init__(self, config: AdversaryConfig, n_devices: int):
        super().__init__()
        self.sees_label = config.adversary == "conditional"
        n_answers = 2 if self.sees_label else 1
        self.answer = nn.Sequential(
            nn.Linear(config.size, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, n_answers * n_devices),
            nn.Unflatten(1, (n_answers, n_devices)),
        )

    def loss(
        self, representation: torch.Tensor, label: torch.Tensor, device: torch.Tensor
    ) -> torch.Tensor:
        """Cross-entropy of the device (n,) given the representation (n, size) and label (n,)."""
        answers = self.answer(representation)  # (n, 1 or 2, n_devices)
        seen = label.long() if self.sees_label else torch.zeros_like(device)
        return functional.cross_entropy(answers[torch.arange(len(seen)), seen], device)


class ReversedGradient(torch.autograd.Function):
    """The identity forward; backward the gradient times -strength (Ganin et al. 2016)."""

    @staticmethod
    def forward(ctx, representation: torch.Tensor, strength: float) -> torch.Tensor:
        """Return the representation as it is."""
        ctx.strength = strength
        return representation.view_as(representation)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Turn the gradient round."""
        return -ctx.strength * gradient, None


def train_encoder(
    features: ArrayLike,
    label: ArrayLike,
    device: ArrayLike,
    config: AdversaryConfig,
    rng: np.random.Generator,
) -> Encoder:
    """Train an encoder to tell the label and, against an adversary, not to tell the device.

    Parameters
    ----------
    features : array-like of float, shape (n, k)
        Of training exams, from a network that stays as it is; standardised inside.
    label : array-like of bool, shape (n,)
        True = cancer; both must occur.
    device : array-like of str, shape (n,)
        At least two, unless there is no adversary.
    config : AdversaryConfig
    rng : numpy Generator
        The only source of randomness: first weights and batches derive from it. Every adversary
        starts from the same weights of the encoder for the same generator.

    Returns
    -------
    Encoder

    Raises
    ------
    InputError
        If the features are not finite rows of numbers, or all exams are of one device.
    ValueError
        If the label lacks a class, a device is missing, or lengths differ.

    Notes
    -----
    The reversed gradient rises over the training as in the reference, 2 / (1 + exp(-10 p)) - 1 at
    the share p of the steps. One thread: the matrices are too small for two, and results do not
    depend on the machine's cores.

    References
    ----------
    Ganin et al. 2016, Domain-adversarial training of neural networks, JMLR 17(59):1-35,
    https://jmlr.org/papers/v17/15-239.html; conditioning the discriminator on the classes: Long et
    al. 2018, doi:10.48550/arXiv.1705.10667.
    """
    features = np.asarray(features, np.float32)
    if features.ndim != 2 or not np.isfinite(features).all():
        raise InputError(
            f"features must be finite numbers of shape (exams, features), not {features.shape}"
            f"{'' if features.ndim != 2 else ' with a NaN or an infinity'}."
        )
    label = check_flag(label, "label", len(features))
    check_two_classes(label, np.ones(len(label)))
    codes, devices = group_codes(device, "device", len(features))
    if config.adversary != "none" and len(devices) < 2:
        raise InputError(f"All exams are of the device {devices[0]}: there is none to be told.")
    rows_of_class = [np.flatnonzero(label == one) for one in (False, True)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**31)))
            return _train(
                torch.from_numpy(features),
                torch.from_numpy(label.astype(np.float32)),
                torch.from_numpy(codes.astype(np.int64)),
                rows_of_class,
                config,
                rng,
            )
    finally:
        torch.set_num_threads(threads)


def _train(
    features: torch.Tensor,
    label: torch.Tensor,
    device: torch.Tensor,
    rows_of_class: list[NDArray[np.intp]],
    config: AdversaryConfig,
    rng: np.random.Generator,
) -> Encoder:
    scale = features.std(dim=0)
    encoder = Encoder(features.mean(dim=0), torch.where(scale > 0, scale, 1.0), config.size)
    discriminator = Discriminator(config, int(device.max()) + 1)
    settings = {"lr": config.learning_rate, "weight_decay": config.weight_decay, "fused": True}
    ours = torch.optim.AdamW(encoder.parameters(), **settings)
    theirs = torch.optim.AdamW(discriminator.parameters(), **settings)

    def draw() -> torch.Tensor:
        half = math.ceil(config.batch_size / 2)
        return torch.from_numpy(np.concatenate([rng.choice(one, half) for one in rows_of_class]))

    def step(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    against = config.adversary != "none"
    for taken in range(config.steps):
        for _ in range(config.discriminator_steps if against else 0):
            batch = draw()
            with torch.no_grad():
                representation = encoder(features[batch])
            step(theirs, discriminator.loss(representation, label[batch], device[batch]))
        batch = draw()
        representation = encoder(features[batch])
        logit = encoder.head(representation).squeeze(1)
        loss = functional.binary_cross_entropy_with_logits(logit, label[batch])
        if against:
            rise = 2 / (1 + math.exp(-10 * taken / config.steps)) - 1
            reverse = ReversedGradient.apply(representation, config.strength * rise)
            loss = loss + discriminator.loss(reverse, label[batch], device[batch])
        step(ours, loss)
    return encoder.eval()


def _tensor(features: ArrayLike) -> torch.Tensor:
    return torch.from_numpy(np.asarray(features, np.float32))
