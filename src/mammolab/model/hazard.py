"""An additive-hazard head: cancer within one to five years, from a few numbers about an exam.

As in Mirai the logit of the cumulative risk is a base plus one addend a year. Here each addend is a
softplus, so that the risk cannot fall with the years, and the sigmoid keeps it in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mammolab.errors import InputError

MISSING = ("indicator", "predicted")
# No year starts from a risk of 0, which has no logit: below any risk of a year of screening ages.
_SMALLEST_RISK = 1e-4


@dataclass(frozen=True)
class HazardConfig:
    """Architecture of the head.

    Attributes
    ----------
    n_features : int
        Numbers that describe the image.
    width : int
        Numbers that the image is summed up in; from these alone the risk factors are predicted.
    n_factors : int
        Columns of risk factors, predicted beside the risk; 0 for none.
    join : bool
        Whether the risk factors enter the hazard layer beside the image (the hybrid).
    missing : {"indicator", "predicted"}
        What stands in for an unknown risk factor of a hybrid: the value given with a column that
        marks the gap, or what the image predicts.
    n_years : int
    """

    n_features: int
    width: int = 8
    n_factors: int = 0
    join: bool = False
    missing: str = "indicator"
    n_years: int = 5

    def __post_init__(self) -> None:
        if self.missing not in MISSING:
            raise InputError(
                f"missing is {self.missing!r}; it must be one of {', '.join(MISSING)}."
            )
        if self.join and not self.n_factors:
            raise InputError("A hybrid head needs risk factors to join; n_factors is 0.")
        if min(self.n_features, self.width, self.n_years) < 1:
            raise InputError(
                f"n_features, width and n_years must be at least 1, not {self.n_features}, "
                f"{self.width} and {self.n_years}."
            )


@dataclass(frozen=True, eq=False)
class HazardData:
    """What the head sees of exams, and what became of them.

    Attributes
    ----------
    features : float array, shape (n, n_features)
    factors : float array, shape (n, n_factors)
        In SD from the mean, with something finite where unknown.
    known : bool array, shape (n, n_factors)
    status : bool array, shape (n, n_years)
        Cancer by the end of each year; False where unknown.
    weight : float array, shape (n, n_years)
        What each status counts; 0 where it is unknown.
    """

    features: np.ndarray
    factors: np.ndarray
    known: np.ndarray
    status: np.ndarray
    weight: np.ndarray


class AdditiveHazard(nn.Module):
    """Image and risk factors to the logit of the cumulative risk by each year.

    Double precision: the head is small, and its results then hardly depend on the machine.
    """

    def __init__(self, config: HazardConfig):
        super().__init__()
        self.config = config
        joined = {"indicator": 2, "predicted": 1}[config.missing] * config.n_factors * config.join
        self.summary = nn.Linear(config.n_features, config.width, dtype=torch.float64)
        self.hazard = nn.Linear(config.width + joined, 1 + config.n_years, dtype=torch.float64)
        if config.n_factors:
            self.auxiliary = nn.Linear(config.width, config.n_factors, dtype=torch.float64)
        nn.init.zeros_(self.hazard.weight)  # every exam starts at the incidence

    def forward(
        self, features: torch.Tensor, factors: torch.Tensor, known: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map an exam to its risk and its risk factors.

        Parameters
        ----------
        features : float64 tensor, shape (n, n_features)
        factors : float64 tensor, shape (n, n_factors)
        known : bool tensor, shape (n, n_factors)

        Returns
        -------
        logit : float64 tensor, shape (n, n_years)
            Of the risk by the end of each year: base + sum over the years so far of softplus.
        predicted : float64 tensor, shape (n, n_factors)
            The risk factors as the image tells them.
        """
        summary = self.summary(features)  # (n, width)
        predicted = self.auxiliary(summary) if self.config.n_factors else factors
        if not self.config.join:
            joined = summary
        elif self.config.missing == "indicator":
            joined = torch.cat([summary, factors, (~known).double()], dim=1)
        else:
            joined = torch.cat([summary, torch.where(known, factors, predicted.detach())], dim=1)
        base, addends = self.hazard(joined).split([1, self.config.n_years], dim=1)
        return base + functional.softplus(addends).cumsum(dim=1), predicted

    def start_at(self, risk_by_year: np.ndarray) -> None:
        """Set the biases so that every exam has these cumulative risks, shape (n_years,)."""
        risk = np.clip(np.maximum.accumulate(risk_by_year), _SMALLEST_RISK, 1 - _SMALLEST_RISK)
        logit = np.log(risk / (1 - risk))
        steps = np.maximum(np.diff(logit), _SMALLEST_RISK)
        first = np.log(2.0)  # softplus of 0, which the base takes back
        softplus_of = np.r_[0.0, np.log(np.expm1(steps))]
        with torch.no_grad():
            self.hazard.bias.copy_(torch.from_numpy(np.r_[logit[0] - first, softplus_of]))


def hazard_logits(head: AdditiveHazard, data: HazardData) -> tuple[np.ndarray, np.ndarray]:
    """Return the logit of the risk by each year, (n, n_years), and the predicted risk factors."""
    with torch.inference_mode():
        logit, predicted = head(*as_inputs(data))
    return logit.numpy(), predicted.numpy()


def as_inputs(data: HazardData) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what the head takes, as tensors."""
    return as_tensor(data.features), as_tensor(data.factors), torch.from_numpy(np.array(data.known))


def as_tensor(values: np.ndarray) -> torch.Tensor:
    """Return values in double precision, as a copy."""
    return torch.from_numpy(np.array(values, dtype=np.float64))
