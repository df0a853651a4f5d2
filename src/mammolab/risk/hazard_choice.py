"""Dev chooses among a few hazard models."""

from __future__ import annotations

import pandas as pd
from numpy.typing import ArrayLike

from mammolab.risk.design import RISK_FACTORS, Factor
from mammolab.risk.hazard import HazardRiskModel
from mammolab.risk.hazard_settings import HazardSettings


def choose_hazard(
    features: ArrayLike,
    exams: pd.DataFrame,
    dev_features: ArrayLike,
    dev_exams: pd.DataFrame,
    candidates: list[HazardSettings],
    factors: tuple[Factor, ...] = RISK_FACTORS,
) -> tuple[HazardRiskModel, pd.DataFrame]:
    """Train every candidate and keep the one with the best five-year AUC on dev.

    Parameters
    ----------
    features, exams, dev_features, dev_exams, factors
        As in `HazardRiskModel.fit`.
    candidates : list of HazardSettings
        A short list: each is one more chance for dev to flatter the winner.

    Returns
    -------
    model : HazardRiskModel
        The first of equals.
    tried : DataFrame
        One row a candidate: n_components, width, weight_decay, factor_decay, seed, steps (where it
        stopped), dev_auc.
    """
    models = [
        HazardRiskModel.fit(features, exams, dev_features, dev_exams, one, factors)
        for one in candidates
    ]
    rows = []
    for one, model in zip(candidates, models, strict=True):
        best = model.history.loc[model.history["measure"].idxmax()]
        rows.append(
            {
                "n_components": one.n_components,
                "width": one.width,
                "weight_decay": one.training.weight_decay,
                "factor_decay": one.training.factor_decay,
                "seed": one.training.seed,
                "steps": int(best["step"]),
                "dev_auc": float(best["measure"]),
            }
        )
    tried = pd.DataFrame(rows)
    return models[int(tried["dev_auc"].argmax())], tried
