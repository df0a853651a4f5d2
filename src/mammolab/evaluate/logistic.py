"""Weighted logistic regression of few coefficients, with a variance robust to clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from mammolab.evaluate.checks import Estimate

# A single-precision network saturates at 0 and 1; keeps their logits finite.
_SMALLEST_PROBABILITY = 1e-7


def clipped_logit(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logit of a probability, with 0 and 1 taken as 1e-7 and 1 - 1e-7."""
    return logit(np.clip(probability, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY))


# Mean of p (1 - p) below which the classes are taken to be separated: an outcome of 1 in 10^5 that
# nothing predicts has 1e-5, a column that separates lets it fall towards 0 (assumption).
_SEPARATED = 1e-8


def fit_logistic(
    design: NDArray[np.float64],
    target: NDArray[np.float64],
    weight: NDArray[np.float64],
    offset: NDArray[np.float64] | float = 0.0,
    precision: NDArray[np.float64] | float = 0.0,
) -> NDArray[np.float64]:
    """Coefficients of a weighted logistic regression.

    Parameters
    ----------
    design : array of float, shape (n_exams, n_coefficients)
        With its own column of ones where an intercept is wanted.
    target : array of float in [0, 1], shape (n_exams,)
        Labels, or soft targets such as Platt's.
    weight : array of float, shape (n_exams,)
    offset : array of float, shape (n_exams,), or 0
        Part of the linear predictor whose coefficient is held at 1.
    precision : array of float, shape (n_coefficients,), or float
        Of a normal prior with mean 0 on each coefficient, against which every row counts as many
        times as it weighs; 0 for none.

    Returns
    -------
    array of float, shape (n_coefficients,)

    Raises
    ------
    ValueError
        If it does not converge, as for columns that are copies of each other.
    """
    # the trust region works on columns of unit size; the coefficients are scaled back at the end
    size = np.sqrt((design**2).mean(axis=0))
    columns = design / size
    share = weight / weight.sum()
    pull = precision / (size**2 * weight.sum())

    def loss(beta: NDArray) -> float:
        linear = columns @ beta + offset
        misfit = share @ (np.logaddexp(0, linear) - target * linear)
        return float(misfit + (pull * beta**2).sum() / 2)

    def slope(beta: NDArray) -> NDArray:
        return columns.T @ (share * (expit(columns @ beta + offset) - target)) + pull * beta

    def curvature(beta: NDArray) -> NDArray:
        p = expit(columns @ beta + offset)
        return columns.T @ (columns * (share * p * (1 - p))[:, None]) + np.diag(pull)

    fit = minimize(
        loss,
        np.zeros(design.shape[1]),
        jac=slope,
        hess=curvature,
        method="trust-exact",
        options={"gtol": 1e-12, "maxiter": 500},
    )
    # the last Newton step is below rounding in the loss, so the optimiser may stop before it
    beta = fit.x - np.linalg.solve(curvature(fit.x), slope(fit.x))
    if np.abs(slope(beta)).max() > 1e-9:
        raise ValueError(f"logistic regression did not converge: {fit.message}")
    return beta / size


def logistic_estimates(
    design: NDArray[np.float64],
    label: NDArray[np.bool_],
    weight: NDArray[np.float64],
    unit: NDArray[np.int_],
    z: float,
    offset: NDArray[np.float64] | float = 0.0,
) -> list[Estimate]:
    """Coefficients with Wald intervals from the sandwich variance over units.

    Parameters
    ----------
    design, weight, offset
        As for `fit_logistic`.
    label : array of bool, shape (n_exams,)
    unit : array of int, shape (n_exams,)
        Exams of one unit (a patient) may depend on each other; 0 up to the number of units.
    z : float
        Normal quantile of the interval, 1.96 for 95%.

    Raises
    ------
    ValueError
        If the columns separate the classes, when the coefficients are infinite, or the fit does not
        converge.

    References
    ----------
    Binder 1983, doi:10.2307/1402588 (survey-weighted variance of a regression coefficient).
    """
    beta = fit_logistic(design, label.astype(float), weight, offset)
    p = expit(design @ beta + offset)
    if np.average(p * (1 - p), weights=weight) < _SEPARATED:
        raise ValueError(
            "a column separates the classes completely: its coefficient has no finite estimate"
        )
    bread = np.linalg.inv(design.T @ (design * (weight * p * (1 - p))[:, None]))
    residual = weight * (label - p)
    per_unit = np.column_stack([np.bincount(unit, residual * column) for column in design.T])
    n_units = len(np.unique(unit[weight > 0]))
    variance = bread @ per_unit.T @ per_unit @ bread * n_units / (n_units - 1)
    half = z * np.sqrt(np.diag(variance))
    return [Estimate(float(b), float(b - h), float(b + h)) for b, h in zip(beta, half, strict=True)]
