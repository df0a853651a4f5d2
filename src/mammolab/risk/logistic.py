"""A logistic model of the risk factors: the probability of cancer by one horizon."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from mammolab.errors import InputError
from mammolab.evaluate.censoring import status_by_horizons
from mammolab.evaluate.checks import check_vector, check_weight
from mammolab.evaluate.logistic import fit_logistic
from mammolab.files import write_json
from mammolab.risk.cohort import HORIZON_YEARS
from mammolab.risk.design import RISK_FACTORS, Design, Factor
from mammolab.risk.factors import RIDGE


@dataclass(frozen=True, eq=False)
class LogisticRiskModel:
    """A fitted logistic model.

    Attributes
    ----------
    design : Design
        From a table to standardised columns.
    log_odds_ratios : array of float, shape (n_columns,)
        Per standard deviation of each column of `design.names`.
    intercept : float
        Log odds of a woman at the mean of every column.
    horizon_years : float
    n_exams, n_events, n_censored : int
        Training exams, cancers by the horizon among them, and exams censored before it, which are
        not fitted.
    """

    design: Design
    log_odds_ratios: NDArray[np.float64]
    intercept: float
    horizon_years: float
    n_exams: int
    n_events: int
    n_censored: int

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        time_years: ArrayLike,
        event: ArrayLike,
        sample_weight: ArrayLike | None = None,
        horizon_years: float = HORIZON_YEARS,
        factors: tuple[Factor, ...] = RISK_FACTORS,
        ridge: float = RIDGE,
    ) -> LogisticRiskModel:
        """Fit the model to the training exams.

        Parameters
        ----------
        frame : DataFrame, n rows
            As for `RiskFactorModel.fit`: gaps are filled, marked and reported in the same way.
        time_years : array-like of float, shape (n,)
        event : array-like of int, shape (n,)
            0 censored, 1 cancer, 2 death: who died before the horizon did not get cancer by it.
        sample_weight : array-like of float, shape (n,), optional
            Inverse sampling probability; rows of weight 0 are left out.
        horizon_years : float
        factors : tuple of Factor
        ridge : float
            Precision of a normal prior on each log odds ratio per standard deviation; 0 for none.

        Raises
        ------
        InputError
            If a column is missing, a level is unknown, or of the exams whose status at the horizon
            is known none or all have cancer by then.
        ValueError
            If a time or weight is missing or negative, or lengths differ.

        Notes
        -----
        Women censored before the horizon are stood in for by those who remained, by inverse
        probability of censoring; left out without weights they would make cancer too frequent, as
        cases are never lost after their cancer. The weights take loss to be unrelated to the
        factors, which the Cox model, unbiased where it depends on them, does not. Exams of one woman
        count as rows of their own, as in the Cox model: no standard errors are given.
        """
        time = check_vector(time_years, "time_years", len(frame))
        code = check_vector(event, "event", len(frame))
        weight = check_weight(sample_weight, len(frame))
        used = weight > 0
        frame, time, code, weight = frame[used], time[used], code[used], weight[used]
        status, stands_for = status_by_horizons(time, code, [horizon_years], weight)
        cancer, stands_for = status[:, 0], stands_for[:, 0]
        known = stands_for > 0
        if not cancer.any() or cancer[known].all():
            raise InputError(
                f"The logistic model needs exams with and without cancer within {horizon_years:g} "
                f"years; of {known.sum()} training exams followed that far {cancer.sum()} have it."
            )
        design = Design.learn(frame, factors)
        columns = np.column_stack([np.ones(known.sum()), design.columns(frame[known])])
        prior = np.r_[0.0, np.full(columns.shape[1] - 1, ridge)]
        beta = fit_logistic(
            columns, cancer[known].astype(float), (weight * stands_for)[known], precision=prior
        )
        return cls(
            design=design,
            log_odds_ratios=beta[1:],
            intercept=float(beta[0]),
            horizon_years=float(horizon_years),
            n_exams=len(frame),
            n_events=int(cancer.sum()),
            n_censored=int((~known).sum()),
        )

    def linear_predictor(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the log odds of cancer by the horizon, shape (n,)."""
        return self.design.columns(frame) @ self.log_odds_ratios + self.intercept

    def predict(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the probability of cancer by the model's horizon, shape (n,).

        It is the risk that women meet, who may die of another cause first.
        """
        return expit(self.linear_predictor(frame))

    @property
    def imputation(self) -> pd.DataFrame:
        """What was unknown in train and what stood in, as `RiskFactorModel.imputation`."""
        return pd.DataFrame(list(self.design.imputation))

    @property
    def odds_ratios(self) -> pd.DataFrame:
        """Odds ratio of each column, per standard deviation and per unit."""
        return pd.DataFrame(
            {
                "column": self.design.names,
                "odds_ratio_per_sd": np.exp(self.log_odds_ratios),
                "odds_ratio_per_unit": np.exp(self.log_odds_ratios / np.array(self.design.scales)),
            }
        )

    def save(self, path: Path) -> None:
        """Write the model as JSON."""
        record = {name: getattr(self, name) for name in self.__dataclass_fields__}
        record["design"] = self.design.to_dict()
        record["log_odds_ratios"] = self.log_odds_ratios.tolist()
        write_json(path, record)

    @classmethod
    def load(cls, path: Path) -> LogisticRiskModel:
        """Read a model written by `save`; it predicts the same to the last digit."""
        record = json.loads(Path(path).read_text("utf-8"))
        record["design"] = Design.from_dict(record["design"])
        record["log_odds_ratios"] = np.array(record["log_odds_ratios"], dtype=float)
        return cls(**record)
