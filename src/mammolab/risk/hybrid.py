"""The image and the record together: a Cox model of the image's risk and the risk factors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from mammolab.files import write_json
from mammolab.risk.design import RISK_FACTORS, Factor
from mammolab.risk.factors import RIDGE, RiskFactorModel
from mammolab.risk.history import refuse_rows, require_columns

IMAGE_LOGIT = "image_logit"
# A probability of exactly 0 or 1 has no logit; one in a million is below any five-year risk.
_SMALLEST = 1e-6


@dataclass(frozen=True, eq=False)
class HybridModel:
    """A fitted hybrid model.

    Attributes
    ----------
    model : RiskFactorModel
        Its first column is the logit of the image's risk.
    image_column : str
        Column of the table that holds the image's risk, a probability.
    """

    model: RiskFactorModel
    image_column: str

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        time_years: ArrayLike,
        event: ArrayLike,
        sample_weight: ArrayLike | None = None,
        image_column: str = "image_risk",
        factors: tuple[Factor, ...] = RISK_FACTORS,
        ridge: float = RIDGE,
    ) -> HybridModel:
        """Fit the model to exams that the image model was not trained on.

        Parameters
        ----------
        frame : DataFrame, n rows
            Columns of `factors` and `image_column`. Take the dev split: on its own training exams
            the image model is too good, and the fit would trust it too much.
        time_years, event, sample_weight, ridge
            As in `RiskFactorModel.fit`.
        image_column : str
            The image's risk, a probability in [0, 1] of any horizon, calibrated or not: its logit
            enters.
        factors : tuple of Factor
            Empty for the image alone, brought to the scale of absolute risk.

        Raises
        ------
        InputError
            If the image column is missing, or holds an unknown value or one outside [0, 1];
            otherwise as in `RiskFactorModel.fit`.
        """
        with_image = _with_logit(frame, image_column)
        model = RiskFactorModel.fit(
            with_image,
            time_years,
            event,
            sample_weight,
            (Factor(IMAGE_LOGIT), *factors),
            ridge,
        )
        return cls(model, image_column)

    def linear_predictor(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the log hazard ratio against the average training exam, shape (n,)."""
        return self.model.linear_predictor(_with_logit(frame, self.image_column))

    def predict(self, frame: pd.DataFrame, horizon_years: float) -> NDArray[np.float64]:
        """Return the probability of cancer within the horizon, shape (n,).

        Raises
        ------
        InputError
            As in `fit` and `RiskFactorModel.predict`.
        """
        return self.model.predict(_with_logit(frame, self.image_column), horizon_years)

    def save(self, path: Path) -> None:
        """Write the model as JSON."""
        write_json(path, {"image_column": self.image_column, "model": self.model.to_dict()})

    @classmethod
    def load(cls, path: Path) -> HybridModel:
        """Read a model written by `save`."""
        record = json.loads(Path(path).read_text("utf-8"))
        return cls(RiskFactorModel.from_dict(record["model"]), record["image_column"])


def _with_logit(frame: pd.DataFrame, image_column: str) -> pd.DataFrame:
    require_columns(frame, [image_column], "The hybrid model")
    risk = frame[image_column].to_numpy(float)
    refuse_rows(frame, ~((risk >= 0) & (risk <= 1)), f"{image_column} must lie in [0, 1]")
    return frame.assign(**{IMAGE_LOGIT: logit(np.clip(risk, _SMALLEST, 1 - _SMALLEST))})
