"""The additive-hazard models of a table: image alone, and image and risk factors at the last layer."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors.numpy import load_file, save_file
from scipy.special import expit

from mammolab.errors import InputError, MissingInput
from mammolab.evaluate.censoring import status_by_horizons
from mammolab.evaluate.horizons import cumulative_dynamic_auc
from mammolab.files import write_json, write_whole
from mammolab.model.hazard import AdditiveHazard, HazardConfig, HazardData, hazard_logits
from mammolab.model.hazard_training import HazardTraining, balanced, fit_hazard
from mammolab.risk.components import Components
from mammolab.risk.design import MARKER, RISK_FACTORS, Design, Factor
from mammolab.risk.hazard_settings import YEARS, HazardSettings
from mammolab.risk.history import refuse_rows, require_columns

OUTCOME = ["time_years", "event", "sampling_weight"]


@dataclass(frozen=True, eq=False)
class HazardRiskModel:
    """A trained head with all that lies between a table and its inputs.

    Attributes
    ----------
    settings : HazardSettings
    components : Components
        Of the image features.
    design : Design
        Of the risk factors that are predicted, and joined by a hybrid.
    head : AdditiveHazard
    history : DataFrame
        One row a look at dev.
    shift : float
        What balanced training added to every logit, and predictions take back.
    """

    settings: HazardSettings
    components: Components
    design: Design
    head: AdditiveHazard
    history: pd.DataFrame
    shift: float = 0.0

    @classmethod
    def fit(
        cls,
        features: ArrayLike,
        exams: pd.DataFrame,
        dev_features: ArrayLike,
        dev_exams: pd.DataFrame,
        settings: HazardSettings,
        factors: tuple[Factor, ...] = RISK_FACTORS,
    ) -> HazardRiskModel:
        """Train on some exams and stop where the five-year AUC of others is best.

        Parameters
        ----------
        features, dev_features : array-like of float, shape (n_exams, n_features)
            Averages over an exam's views.
        exams, dev_exams : DataFrame, rows as in the features
            time_years, event (0 censored, 1 cancer, 2 death), sampling_weight, and the columns of
            `factors`; NaN or None = unknown.
        settings : HazardSettings
        factors : tuple of Factor
            What the image has to predict as well, and a hybrid joins.

        Raises
        ------
        InputError
            If features are missing or not finite, a column is missing, there are too few exams for
            the components, or no exam with or without cancer.
        """
        features = _matrix(features, exams)
        components = Components.fit(features, settings.n_components)
        design = Design.learn(exams, factors)
        config = HazardConfig(
            n_features=settings.n_components,
            width=settings.width,
            n_factors=len(_values(design)),
            join=settings.join,
            missing=settings.missing,
            n_years=len(YEARS),
        )
        parts = components, design
        train, dev = (
            _data(*parts, one, table, settings.ipcw)
            for one, table in ((features, exams), (dev_features, dev_exams))
        )
        outcome = [dev_exams[name].to_numpy() for name in OUTCOME]

        def five_year_auc(logit: NDArray) -> float:
            time, event, weight = outcome
            return float(cumulative_dynamic_auc(time, event, logit[:, -1], YEARS[-1:], weight)[0])

        train, shift = balanced(train) if settings.balance else (train, 0.0)
        head, history = fit_hazard(config, settings.training, train, dev, five_year_auc)
        return cls(settings, *parts, head, history, shift)

    def predict(self, features: ArrayLike, exams: pd.DataFrame) -> NDArray[np.float64]:
        """Return the probability of cancer by the end of each of `YEARS`, (n_exams, n_years).

        It never falls with the years. What balanced training added has been taken back, but an early
        stop leaves the scale crude: a Cox model of the last year's risk, fitted to exams that trained
        nothing (`HybridModel` without factors), gives the absolute risk of every year.

        Parameters
        ----------
        features, exams
            As in `fit`; of the exams' columns only the risk factors are used, and these where the
            model joins them.

        Raises
        ------
        InputError
            As in `fit`.
        """
        parts = self.components, self.design
        inputs = _inputs(*parts, features, exams, with_factors=self.settings.join)
        return expit(hazard_logits(self.head, inputs)[0] - self.shift)

    def factor_correlations(self, features: ArrayLike, exams: pd.DataFrame) -> pd.DataFrame:
        """Tell how well the image predicts each risk factor where it is recorded.

        Returns
        -------
        DataFrame
            column, n_known, correlation (weighted; NaN where the recorded values do not vary).
        """
        data = _inputs(self.components, self.design, features, exams, with_factors=True)
        predicted = hazard_logits(self.head, data)[1]
        weight = exams["sampling_weight"].to_numpy(float)
        rows = []
        for k, place in enumerate(_values(self.design)):
            known = data.known[:, k] & (weight > 0)
            pair = np.stack([data.factors[known, k], predicted[known, k]])
            covariance = (
                np.cov(pair, aweights=weight[known]) if known.sum() > 1 else np.zeros((2, 2))
            )
            spread = np.sqrt(covariance[0, 0] * covariance[1, 1])
            r = covariance[0, 1] / spread if spread > 0 else np.nan
            rows.append((self.design.names[place], int(known.sum()), float(r)))
        return pd.DataFrame(rows, columns=["column", "n_known", "correlation"])

    def save(self, folder: Path) -> None:
        """Write model.safetensors, history.csv and config.json to the folder, config last."""
        arrays = {f"head.{name}": one.numpy() for name, one in self.head.state_dict().items()}
        arrays |= {
            f"components.{name}": np.ascontiguousarray(one)
            for name, one in vars(self.components).items()
        }
        record = {
            "settings": asdict(self.settings),
            "head": asdict(self.head.config),
            "design": self.design.to_dict(),
            "shift": self.shift,
        }
        write_whole(folder / "model.safetensors", lambda path: save_file(arrays, path))
        write_whole(folder / "history.csv", lambda path: self.history.to_csv(path, index=False))
        write_json(folder / "config.json", record)

    @classmethod
    def load(cls, folder: Path) -> HazardRiskModel:
        """Read a model written by `save`; it predicts the same to the last digit.

        Raises
        ------
        MissingInput
            When a file is absent; the message names the folder.
        """
        for name in ("config.json", "model.safetensors", "history.csv"):
            if not (folder / name).is_file():
                raise MissingInput(f"{folder} holds no {name}; train the risk model first.")
        record = json.loads((folder / "config.json").read_text("utf-8"))
        arrays = load_file(folder / "model.safetensors")
        components, weights = (
            {
                name.removeprefix(start): one
                for name, one in arrays.items()
                if name.startswith(start)
            }
            for start in ("components.", "head.")
        )
        with torch.random.fork_rng(devices=[]):  # first weights that are overwritten cost no draw
            head = AdditiveHazard(HazardConfig(**record["head"]))
        head.load_state_dict({name: torch.from_numpy(one) for name, one in weights.items()})
        settings = record["settings"] | {
            "training": HazardTraining(**record["settings"]["training"])
        }
        return cls(
            settings=HazardSettings(**settings),
            components=Components(**components),
            design=Design.from_dict(record["design"]),
            head=head.eval(),
            history=pd.read_csv(folder / "history.csv"),
            shift=record["shift"],
        )


def _inputs(
    components: Components,
    design: Design,
    features: ArrayLike,
    exams: pd.DataFrame,
    with_factors: bool,
) -> HazardData:
    """What the head sees, without what became of the exams."""
    features = _matrix(features, exams, len(components.mean))
    values = _values(design)
    factors = np.zeros((len(features), len(values)))
    known = np.zeros(factors.shape, dtype=bool)
    if with_factors:
        factors = design.columns(exams)[:, values]
        known = design.known(exams)[:, values]
    nothing = np.zeros((len(features), len(YEARS)))
    return HazardData(components.apply(features), factors, known, nothing > 0, nothing)


def _data(
    components: Components, design: Design, features: ArrayLike, exams: pd.DataFrame, ipcw: bool
) -> HazardData:
    """What the head sees and learns from: a year counts where its status is known."""
    require_columns(exams, OUTCOME, "The hazard model")
    time, event, sampling = (exams[name].to_numpy() for name in OUTCOME)
    status, stands_for = status_by_horizons(time, event, YEARS, sampling)
    if not ipcw:
        stands_for = (stands_for > 0).astype(float)
    inputs = _inputs(components, design, features, exams, with_factors=True)
    return replace(inputs, status=status, weight=stands_for * sampling[:, None])


def _values(design: Design) -> list[int]:
    """Places of the model columns that hold values; markers of gaps are left out."""
    return [k for k, name in enumerate(design.names) if not name.endswith(MARKER)]


def _matrix(
    features: ArrayLike, exams: pd.DataFrame, n_features: int | None = None
) -> NDArray[np.float64]:
    """Return features as a finite matrix with a row an exam, or say what is wrong."""
    matrix = np.asarray(features, dtype=np.float64)
    wanted = (len(exams), matrix.shape[-1] if n_features is None else n_features)
    if matrix.shape != wanted or not matrix.size:
        raise InputError(
            f"The hazard model needs image features of shape {wanted}, one row an exam; these have "
            f"shape {matrix.shape}."
        )
    refuse_rows(exams, ~np.isfinite(matrix).all(axis=1), "image features must be finite numbers")
    return matrix
