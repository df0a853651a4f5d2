"""Principal components of image features: a few uncorrelated directions out of hundreds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA

from mammolab.errors import InputError


@dataclass(frozen=True, eq=False)
class Components:
    """From features to their first principal components, each of unit variance.

    Attributes
    ----------
    mean, scale : arrays of float, shape (n_features,)
        Of the training exams; features are standardised by them.
    directions : array of float, shape (n_features, n_components)
        From standardised features to components.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    directions: NDArray[np.float64]

    @classmethod
    def fit(cls, features: ArrayLike, n_components: int) -> Components:
        """Learn the components of the training exams, features of shape (n_exams, n_features).

        Raises
        ------
        InputError
            When there are fewer exams or features than components.
        """
        features = np.asarray(features, dtype=np.float64)
        if not 1 <= n_components <= min(features.shape):
            raise InputError(
                f"n_components is {n_components}; {features.shape[0]} exams with "
                f"{features.shape[1]} features allow at least 1 and at most {min(features.shape)}."
            )
        mean, scale = features.mean(axis=0), features.std(axis=0)
        scale[scale == 0] = 1.0  # a dead channel says nothing
        # The exact solver: randomised ones depend on the number of threads.
        pca = PCA(n_components, svd_solver="full").fit((features - mean) / scale)
        spread = np.sqrt(np.maximum(pca.explained_variance_, np.finfo(float).eps))
        return cls(mean, scale, pca.components_.T / spread)

    def apply(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return the components of exams, shape (n_exams, n_components)."""
        features = np.asarray(features, dtype=np.float64)
        return (features - self.mean) / self.scale @ self.directions
