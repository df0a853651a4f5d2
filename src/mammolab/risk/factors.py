"""A Cox model of the risk factors, fitted on train: the probability of cancer by a horizon."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from lifelines.exceptions import ConvergenceError, ConvergenceWarning, StatisticalWarning
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_vector, check_weight
from mammolab.files import write_json
from mammolab.risk.design import RISK_FACTORS, Design, Factor

# Precision of a normal prior on each log hazard ratio per standard deviation. One keeps rare flags
# (BRCA, atypia) finite when no carrier has the event, and moves no well-supported effect.
# Assumption.
RIDGE = 1.0
STEP_SIZES = (0.95, 0.5, 0.1)  # of the Newton steps, tried in turn; the first is the library's


@dataclass(frozen=True, eq=False)
class RiskFactorModel:
    """A fitted Cox model.

    Attributes
    ----------
    design : Design
        From a table to standardised columns.
    log_hazard_ratios : array of float, shape (n_columns,)
        Per standard deviation of each column of `design.names`.
    baseline_years : array of float, shape (n_steps,)
        Times at which the baseline steps.
    baseline_hazard : array of float, shape (n_steps,)
        Cumulative hazard of a woman at the mean of every column.
    follow_up_years : float
        Longest time in train: no prediction beyond.
    n_exams, n_events : int
        Rows and cancers of the training set.
    """

    design: Design
    log_hazard_ratios: NDArray[np.float64]
    baseline_years: NDArray[np.float64]
    baseline_hazard: NDArray[np.float64]
    follow_up_years: float
    n_exams: int
    n_events: int

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        time_years: ArrayLike,
        event: ArrayLike,
        sample_weight: ArrayLike | None = None,
        factors: tuple[Factor, ...] = RISK_FACTORS,
        ridge: float = RIDGE,
    ) -> RiskFactorModel:
        """Fit the model to the training exams.

        Parameters
        ----------
        frame : DataFrame, n rows
            The training exams with the columns of `factors`; NaN or None = unknown. Numbers are
            filled with the median of these rows, and a column marks where; an unknown category is
            a level of its own.
        time_years : array-like of float, shape (n,)
        event : array-like of int, shape (n,)
            1 cancer; anything else, death included, is censored.
        sample_weight : array-like of float, shape (n,), optional
            Inverse sampling probability; rows of weight 0 are left out.
        factors : tuple of Factor
        ridge : float
            Precision of the prior on each log hazard ratio per standard deviation; 0 for none.

        Raises
        ------
        InputError
            If a column is missing, a level is unknown, or nobody has the event.
        ValueError
            If a time or weight is missing or negative, or lengths differ.

        Notes
        -----
        Exams of one woman count as rows of their own: estimates are right, naive standard errors
        are not, so none is given; intervals come from the patient bootstrap.

        References
        ----------
        Cox 1972, doi:10.1111/j.2517-6161.1972.tb00899.x; ties by Efron, baseline by Breslow.
        """
        time = check_vector(time_years, "time_years", len(frame))
        cancer = check_vector(event, "event", len(frame)) == 1
        weight = check_weight(sample_weight, len(frame))
        used = weight > 0
        frame, time, cancer, weight = frame[used], time[used], cancer[used], weight[used]
        if not cancer.any():
            raise InputError(f"None of the {len(frame)} training exams is followed by a cancer.")
        design = Design.learn(frame, factors)
        columns = design.columns(frame)
        beta = _fit_cox(columns, time, cancer, weight, ridge)
        steps, hazard = _breslow(time, cancer, weight, columns @ beta)
        return cls(design, beta, steps, hazard, float(time.max()), len(frame), int(cancer.sum()))

    def linear_predictor(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the log hazard ratio against the average training exam, shape (n,)."""
        return self.design.columns(frame) @ self.log_hazard_ratios

    def predict(self, frame: pd.DataFrame, horizon_years: float) -> NDArray[np.float64]:
        """Return the probability of cancer within the horizon, shape (n,).

        It is the net probability, 1 - exp(-cumulative hazard), as if no one died of anything else;
        over five years of screening ages the two differ little.

        Raises
        ------
        InputError
            If the horizon is not above 0 or passes the follow-up of the training set.
        """
        if not 0 < horizon_years <= self.follow_up_years:
            raise InputError(
                f"The horizon must be above 0 and at most {self.follow_up_years:.2f} years, the "
                f"follow-up of the training set; it is {horizon_years}."
            )
        n_steps = np.searchsorted(self.baseline_years, horizon_years, side="right")
        baseline = self.baseline_hazard[n_steps - 1] if n_steps else 0.0
        return -np.expm1(-baseline * np.exp(self.linear_predictor(frame)))

    @property
    def imputation(self) -> pd.DataFrame:
        """What was unknown in train and what stood in: factor, n_unknown, share_unknown, ..."""
        return pd.DataFrame(list(self.design.imputation))

    @property
    def hazard_ratios(self) -> pd.DataFrame:
        """Hazard ratio of each column, per standard deviation and per unit."""
        scale = np.array(self.design.scales)
        return pd.DataFrame(
            {
                "column": self.design.names,
                "hazard_ratio_per_sd": np.exp(self.log_hazard_ratios),
                "hazard_ratio_per_unit": np.exp(self.log_hazard_ratios / scale),
            }
        )

    def to_dict(self) -> dict:
        """Return the model as plain values that JSON can hold."""
        return {
            "design": self.design.to_dict(),
            "log_hazard_ratios": self.log_hazard_ratios.tolist(),
            "baseline_years": self.baseline_years.tolist(),
            "baseline_hazard": self.baseline_hazard.tolist(),
            "follow_up_years": self.follow_up_years,
            "n_exams": self.n_exams,
            "n_events": self.n_events,
        }

    @classmethod
    def from_dict(cls, record: dict) -> RiskFactorModel:
        """Rebuild the model from `to_dict`."""
        return cls(
            design=Design.from_dict(record["design"]),
            log_hazard_ratios=np.array(record["log_hazard_ratios"], dtype=float),
            baseline_years=np.array(record["baseline_years"], dtype=float),
            baseline_hazard=np.array(record["baseline_hazard"], dtype=float),
            follow_up_years=record["follow_up_years"],
            n_exams=record["n_exams"],
            n_events=record["n_events"],
        )

    def save(self, path: Path) -> None:
        """Write the model as JSON."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: Path) -> RiskFactorModel:
        """Read a model written by `save`; it predicts the same to the last digit."""
        return cls.from_dict(json.loads(Path(path).read_text("utf-8")))


def _fit_cox(
    columns: NDArray[np.float64],
    time: NDArray[np.float64],
    cancer: NDArray[np.bool_],
    weight: NDArray[np.float64],
    ridge: float,
) -> NDArray[np.float64]:
    """Maximise the penalised weighted partial likelihood, shape (n_columns,)."""
    if columns.shape[1] == 0:
        return np.zeros(0)
    names = [f"x{k}" for k in range(columns.shape[1])]
    table = pd.DataFrame(columns, columns=names).assign(time=time, cancer=cancer, weight=weight)
    # lifelines multiplies its penalty by the number of rows: dividing makes it a prior.
    fitter = CoxPHFitter(penalizer=ridge / len(table))
    with warnings.catch_warnings():
        # It warns that the standard errors ignore fractional weights; they are not used.
        warnings.filterwarnings("ignore", "It appears your weights", StatisticalWarning)
        warnings.simplefilter("error", ConvergenceWarning)
        for step_size in STEP_SIZES:  # full Newton steps overshoot where a rare factor has no event
            try:
                fitter.fit(
                    table, "time", "cancer", weights_col="weight",
                    fit_options={"step_size": step_size, "max_steps": 2000},
                )  # fmt: skip
            except (ConvergenceWarning, ConvergenceError):
                continue
            return fitter.params_[names].to_numpy()
    raise InputError(
        f"the Cox model of {len(names)} columns found no optimum over {len(table):,} exams with "
        f"{int(cancer.sum())} cancers; leave out factors that hardly anybody has"
    )


def _breslow(
    time: NDArray[np.float64],
    cancer: NDArray[np.bool_],
    weight: NDArray[np.float64],
    linear_predictor: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the times of cancers and the cumulative baseline hazard from each on."""
    distinct, group = np.unique(time, return_inverse=True)
    n_times = len(distinct)
    hazard_weight = np.bincount(group, weight * np.exp(linear_predictor), n_times)
    at_risk = np.cumsum(hazard_weight[::-1])[::-1]
    cancers = np.bincount(group[cancer], weight[cancer], n_times)
    steps = cancers > 0
    return distinct[steps], np.cumsum(cancers[steps] / at_risk[steps])
