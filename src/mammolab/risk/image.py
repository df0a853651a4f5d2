"""Risk from the image alone: a linear model on the texture a network sees in the breasts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression

from mammolab.errors import InputError
from mammolab.files import write_json
from mammolab.risk.components import Components


@dataclass(frozen=True, eq=False)
class ImageRiskModel:
    """A logistic model on the first principal components of an exam's features.

    Texture carries little risk and cancers are few, so that a network trained end to end on them
    learns density and not much else; a few dozen uncorrelated directions need far fewer cancers.

    Attributes
    ----------
    mean, scale : arrays of float, shape (n_features,)
        Of the training exams; features are standardised by them.
    weights : array of float, shape (n_features,)
        Logistic weights of the standardised features, through the components.
    intercept : float
    n_components : int
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    intercept: float
    n_components: int

    @classmethod
    def fit(cls, features: ArrayLike, label: ArrayLike, n_components: int) -> ImageRiskModel:
        """Fit to training exams.

        Parameters
        ----------
        features : array-like of float, shape (n_exams, n_features)
            Averages over an exam's views.
        label : array-like of bool, shape (n_exams,)
            Cancer by the horizon. Cancers may be over-represented: only the order of the scores is
            used, and the scale of absolute risk is set elsewhere.
        n_components : int

        Raises
        ------
        InputError
            When there are fewer exams or features than components, or one class is empty.
        """
        label = np.asarray(label, dtype=bool)
        if label.all() or not label.any():
            raise InputError(
                f"The image model needs exams with and without cancer by the horizon; of "
                f"{len(label)} training exams {label.sum()} have it."
            )
        components = Components.fit(features, n_components)
        logistic = LogisticRegression(C=0.1, max_iter=1000).fit(components.apply(features), label)
        weights = components.directions @ logistic.coef_[0]
        intercept = float(logistic.intercept_[0])
        return cls(components.mean, components.scale, weights, intercept, n_components)

    def score(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return the logit of each exam, shape (n_exams,); higher is worse."""
        standardised = (np.asarray(features, dtype=np.float64) - self.mean) / self.scale
        return standardised @ self.weights + self.intercept

    def save(self, path: Path) -> None:
        """Write the model as JSON."""
        record = asdict(self)
        arrays = {name: getattr(self, name).tolist() for name in ("mean", "scale", "weights")}
        write_json(path, {**record, **arrays})

    @classmethod
    def load(cls, path: Path) -> ImageRiskModel:
        """Read a model written by `save`."""
        record = json.loads(Path(path).read_text("utf-8"))
        arrays = {name: np.array(record[name]) for name in ("mean", "scale", "weights")}
        return cls(**{**record, **arrays})
