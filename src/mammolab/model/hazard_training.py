"""Training of the additive-hazard head: every exam at each step, dev keeps the best."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from mammolab.errors import InputError
from mammolab.model.hazard import AdditiveHazard, HazardConfig, HazardData, as_inputs, as_tensor

CHECK_EVERY = 10  # steps between looks at dev


@dataclass(frozen=True)
class HazardTraining:
    """How the head is trained: on all exams at each step, by Adam.

    Attributes
    ----------
    steps : int
        At most; dev keeps the best of every tenth.
    learning_rate : float
    weight_decay : float
        Half of it times the sum of squared weights is added to the loss.
    factor_decay : float
        The same of the weights that joined risk factors have in the hazard layer: they are few, and
        mean the same in every exam, so that they bear another shrinkage than the image's.
    auxiliary_weight : float
        Of the mean squared error of the predicted risk factors (in SD), beside a loss of the risk
        in which cancers weigh as much as the rest.
    patience : int
        Looks at dev without a better one after which training stops.
    seed : int
        Of the first weights, the only randomness.

    Raises
    ------
    InputError
        If dev would never be looked at.
    """

    steps: int = 400
    learning_rate: float = 0.01
    weight_decay: float = 0.01
    factor_decay: float = 0.01
    auxiliary_weight: float = 0.1
    patience: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < CHECK_EVERY or self.patience < 1:
            raise InputError(
                f"steps must be at least {CHECK_EVERY} and patience 1, not {self.steps} and "
                f"{self.patience}: dev is looked at every {CHECK_EVERY} steps."
            )


def hazard_loss(
    logit: torch.Tensor, status: torch.Tensor, weight: torch.Tensor, scale: float
) -> torch.Tensor:
    """Return the masked cross-entropy: the sum over exams and years of weight times loss, over scale.

    Parameters
    ----------
    logit, status, weight : float64 tensors, shape (n, n_years)
        A year counts for an exam when its status there is known, by weight.
    scale : float
    """
    each = functional.binary_cross_entropy_with_logits(logit, status, reduction="none")
    return (weight * each).sum() / scale


def fit_hazard(
    config: HazardConfig,
    training: HazardTraining,
    train: HazardData,
    dev: HazardData,
    measure: Callable[[np.ndarray], float],
) -> tuple[AdditiveHazard, pd.DataFrame]:
    """Train a head and keep the step that dev likes best.

    Parameters
    ----------
    config, training
        Architecture and optimisation.
    train, dev : HazardData
        Of dev the features and factors are used here, and by `measure` what became of it.
    measure : callable
        Logits of dev, shape (n_dev, n_years) -> how good they are; higher is better, the earliest
        of equals wins.

    Returns
    -------
    head : AdditiveHazard
        In evaluation mode.
    history : DataFrame
        One row a look at dev: step, loss (risk), auxiliary_loss, measure.

    Raises
    ------
    InputError
        When nobody in train is known to have cancer, or everybody is, or `measure` is not finite.

    Notes
    -----
    One thread and double precision make a repeat the same to the last bit. The loss is divided by
    twice the weight of the cancers, so that one weight decay serves balanced and unbalanced fits.
    """
    weight, status = train.weight, train.status
    by_class = [(weight * (status == one)).sum() for one in (True, False)]
    if min(by_class) <= 0:
        raise InputError(
            f"The hazard head needs exams with and without cancer by the last year; of "
            f"{len(status)} training exams {int(status[:, -1].sum())} have it."
        )
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            head = AdditiveHazard(config)
        total = np.maximum(weight.sum(axis=0), 1e-300)
        head.start_at((weight * status).sum(axis=0) / total)
        return _descend(head, training, train, dev, measure, scale=2 * by_class[0])
    finally:
        torch.set_num_threads(n_threads)


def _descend(head, training, train, dev, measure, scale) -> tuple[AdditiveHazard, pd.DataFrame]:
    inputs, dev_inputs = as_inputs(train), as_inputs(dev)
    status, weight = as_tensor(train.status), as_tensor(train.weight)
    # Risk factors are known of exams and not of years: an exam counts as in its first year.
    counts = as_tensor(train.known * train.weight[:, :1])
    counts /= counts.sum().clamp(min=1e-300)
    optimizer = torch.optim.Adam(head.parameters(), lr=training.learning_rate)
    width = head.config.width
    best, best_measure, since, rows = None, -np.inf, 0, []
    for step in range(training.steps + 1):
        logit, predicted = head(*inputs)
        loss = hazard_loss(logit, status, weight, scale)
        misfit = (counts * (predicted - inputs[1]) ** 2).sum()
        if step % CHECK_EVERY == 0 and step:
            found = measure(_logits(head, dev_inputs))
            if not np.isfinite(found):
                raise InputError(
                    "The measure of dev is not a number; dev needs exams with and without cancer."
                )
            rows.append((step, loss.item(), misfit.item(), found))
            since += 1
            if found > best_measure:
                best, best_measure, since = copy.deepcopy(head.state_dict()), found, 0
            if since >= training.patience:
                break
        of_image, of_factors = head.hazard.weight[:, :width], head.hazard.weight[:, width:]
        penalty = training.weight_decay * ((head.summary.weight**2).sum() + (of_image**2).sum())
        penalty = penalty + training.factor_decay * (of_factors**2).sum()
        optimizer.zero_grad()
        (loss + training.auxiliary_weight * misfit + penalty / 2).backward()
        optimizer.step()
    head.load_state_dict(best)
    history = pd.DataFrame(rows, columns=["step", "loss", "auxiliary_loss", "measure"])
    return head.eval(), history


def balanced(data: HazardData) -> tuple[HazardData, float]:
    """Weigh cancer by each year so much more that by the last year it weighs as much as the rest.

    One factor for all years multiplies the odds of cancer by every year alike: that shifts the
    logit by its logarithm and leaves the shape over the years as it is. (One factor for all the
    years of a woman who gets cancer at last would raise the early years less.)

    Returns
    -------
    data : HazardData
    shift : float
        What a head trained on it has too much in every logit.
    """
    case = data.status[:, -1]
    cases, others = data.weight[case, -1].sum(), data.weight[~case, -1].sum()
    factor = others / cases if min(cases, others) > 0 else 1.0
    weight = data.weight * np.where(data.status, factor, 1.0)
    return replace(data, weight=weight), float(np.log(factor))


def _logits(head: AdditiveHazard, inputs: tuple) -> np.ndarray:
    with torch.inference_mode():
        return head(*inputs)[0].numpy()
