"""The maps from a score to a probability, and their one JSON form; `calibration` fits them.

All work on the logit of the score, so that one rule for saturated scores holds for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit

from mammolab.evaluate.checks import check_vector
from mammolab.evaluate.logistic import clipped_logit


@dataclass(frozen=True)
class Calibrator:
    """What every map from a score to a probability shares; made by the functions of `calibration`.

    `method` names the map. `scale` says what x is: "probability" takes the logit of a score in
    [0, 1], "logit" takes the score as it is.
    """

    method: str
    scale: str

    def __post_init__(self) -> None:
        _check_scale(self.scale)
        valid = [name for name, family in _FAMILIES.items() if isinstance(self, family)]
        if self.method not in valid:
            raise ValueError(f"method {self.method!r} is unknown; valid: {', '.join(valid)}")
        numbers = np.hstack([getattr(self, field.name) for field in fields(self)[2:]])
        if numbers.dtype.kind not in "if" or not np.isfinite(numbers).all():
            raise ValueError(f"parameters of a calibrator must be finite numbers: {self}")

    def apply(self, score: ArrayLike) -> NDArray[np.float64]:
        """Return the calibrated probability of each score, shape (n_exams,).

        Raises
        ------
        ValueError
            If a score is missing, or leaves [0, 1] where `scale` is "probability".
        """
        return self._curve(logit_score(score, self.scale))

    def to_dict(self) -> dict:
        """Return what `calibrator_from_dict` takes, ready for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    def _curve(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        raise NotImplementedError


@dataclass(frozen=True)
class LogisticCalibrator(Calibrator):
    """expit(slope * x + intercept): raw, Platt scaling, prior shift, temperature scaling.

    A slope above 0 keeps the ranking, so AUC and ranks do not change.
    """

    slope: float
    intercept: float

    def _curve(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return expit(self.slope * x + self.intercept)


@dataclass(frozen=True)
class BetaCalibrator(Calibrator):
    """expit(a ln p - b ln(1 - p) + c) with p = expit(x), a and b at least 0.

    With a = b it is a line on the logit; a and b bend the low and the high end apart. It keeps the
    ranking, so AUC does not change.
    """

    a: float
    b: float
    c: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.a, self.b) < 0:
            raise ValueError(f"a and b must not be negative: {self}")

    def _curve(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return expit(self.a * log_expit(x) - self.b * log_expit(-x) + self.c)


@dataclass(frozen=True)
class IsotonicCalibrator(Calibrator):
    """Straight lines between the points (knots, values); beyond the end knots it is flat.

    Each pooled block of `fit_isotonic` holds its two end knots with one value, so the map is a
    step over the data fitted and a slope between two blocks.

    knots : x, on the logit scale, rising.
    values : probability at each knot, never falling.
    """

    knots: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < len(self.knots) == len(self.values):
            raise ValueError(f"{len(self.knots)} knots have {len(self.values)} values")
        if (np.diff(self.knots) <= 0).any() or (np.diff(self.values) < 0).any():
            raise ValueError("knots must rise and values must not fall")
        if self.values[0] < 0 or self.values[-1] > 1:
            raise ValueError("values must lie in [0, 1]")

    def _curve(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.interp(x, self.knots, self.values)


def calibrator_from_dict(stored: Mapping) -> Calibrator:
    """Rebuild a calibrator from what `Calibrator.to_dict` gave; every number comes back exactly.

    Raises
    ------
    ValueError
        If the method is unknown (the message lists the valid ones), a field is missing or
        unknown, or a number is not finite.

    Examples
    --------
    >>> halved = LogisticCalibrator("temperature", "probability", 0.5, 0.0)
    >>> calibrator_from_dict(halved.to_dict()) == halved
    True
    """
    method = stored.get("method")
    if method not in _FAMILIES:
        raise ValueError(f"method {method!r} is unknown; valid: {', '.join(_FAMILIES)}")
    needed = {field.name for field in fields(_FAMILIES[method])}
    if set(stored) != needed:
        raise ValueError(
            f"a calibrator of method {method} needs {sorted(needed)}, not {sorted(stored)}"
        )
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    return _FAMILIES[method](**plain)


def logit_score(score: ArrayLike, scale: str) -> NDArray[np.float64]:
    """Return x, the score on the logit scale; 0 and 1 are taken as 1e-7 and 1 - 1e-7.

    Raises
    ------
    ValueError
        If a score is missing, leaves [0, 1] where `scale` is "probability", or `scale` is unknown.
    """
    score = check_vector(score, "score")
    _check_scale(scale)
    if scale == "logit":
        return score
    if score.min() < 0 or score.max() > 1:
        raise ValueError('score leaves [0, 1]: give scale="logit" for a score without bounds')
    return clipped_logit(score)


def _check_scale(scale: str) -> None:
    if scale not in ("probability", "logit"):
        raise ValueError(f"scale {scale!r} is unknown; valid: probability, logit")


_FAMILIES: dict[str, type[Calibrator]] = {
    "raw": LogisticCalibrator,
    "platt": LogisticCalibrator,
    "prior_shift": LogisticCalibrator,
    "temperature": LogisticCalibrator,
    "beta": BetaCalibrator,
    "isotonic": IsotonicCalibrator,
}
