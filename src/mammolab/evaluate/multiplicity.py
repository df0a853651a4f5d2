"""Many comparisons at once: max-T over the shared bootstrap, Holm and Benjamini-Hochberg."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from statsmodels.stats.multitest import multipletests

from mammolab.evaluate.checks import check_inside, check_vector

_STATSMODELS_NAME = {"holm": "holm", "benjamini_hochberg": "fdr_bh"}


@dataclass(frozen=True, eq=False)
class MaxT:
    """Tests of k statistics together, each of shape (k,).

    Attributes
    ----------
    p_value : two-sided, of each alone.
    p_adjusted : the chance, were no difference real, of one as large as this among all k.
    low, high : limits that hold for all k at once.
    standard_error : standard deviation of the replicates.
    critical : how many standard errors a statistic must lie from the null to survive the
        adjustment, one number for all k; 1.96 for a single normal one at 95%.
    """

    p_value: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    critical: float


def max_t(
    values: ArrayLike, replicates: ArrayLike, null: float = 0.0, confidence: float = 0.95
) -> MaxT:
    """Single-step max-T: p-values adjusted for all comparisons, given how these go together.

    Gentler than Holm where the statistics are correlated, as subgroups, readers or models
    evaluated on the same women are.

    Parameters
    ----------
    values : array-like of float, shape (k,)
        The statistics of the sample, such as each subgroup's AUC minus that of the rest.
    replicates : array-like of float, shape (n_replicates, k)
        The same statistics in the replicates of one bootstrap.
    null : float
        Value of every statistic where there is nothing to find.
    confidence : float in (0, 1)

    Returns
    -------
    MaxT

    Raises
    ------
    ValueError
        If the shapes do not fit, a replicate is NaN in some column (leave out the subgroups too
        small to be estimated), or a column does not vary.

    Notes
    -----
    The bootstrap deviations from the sample, over their standard deviation, stand for the
    distribution under the null; p-values are (1 + exceedances) / (1 + replicates).

    References
    ----------
    Westfall and Young 1993, Resampling-Based Multiple Testing; Romano and Wolf 2005,
    doi:10.1198/016214504000000539.
    """
    values = check_vector(values, "values")
    replicates = np.asarray(replicates, dtype=np.float64)
    if replicates.ndim != 2 or replicates.shape[1] != len(values) or len(replicates) < 2:
        raise ValueError(
            f"replicates must have shape (n_replicates, {len(values)}), not {replicates.shape}"
        )
    undefined = np.flatnonzero(~np.isfinite(replicates).all(axis=0))
    if len(undefined):
        raise ValueError(f"replicates are undefined in columns {undefined[:5].tolist()}")
    check_inside(confidence, "confidence", 0, 1)
    deviation = replicates - values
    error = deviation.std(axis=0, ddof=1)
    constant = np.flatnonzero(error == 0)
    if len(constant):
        raise ValueError(f"replicates do not vary in columns {constant[:5].tolist()}")
    observed = np.abs(values - null) / error
    under_null = np.abs(deviation) / error  # (n_replicates, k)
    largest = under_null.max(axis=1)
    n_replicates = len(replicates)
    critical = float(np.quantile(largest, confidence))
    return MaxT(
        p_value=(1 + (under_null >= observed).sum(axis=0)) / (1 + n_replicates),
        p_adjusted=(1 + (largest[:, None] >= observed).sum(axis=0)) / (1 + n_replicates),
        low=values - critical * error,
        high=values + critical * error,
        standard_error=error,
        critical=critical,
    )


def adjust_p_values(p_values: ArrayLike, method: str = "holm") -> NDArray[np.float64]:
    """P-values adjusted for their number, where no bootstrap says how they go together.

    Parameters
    ----------
    p_values : array-like of float in [0, 1], shape (k,)
    method : {"holm", "benjamini_hochberg"}
        The first bounds the chance of any false finding, the second the expected share of false
        ones among the findings.

    Examples
    --------
    >>> adjust_p_values([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = check_vector(p_values, "p_values")
    if p_values.min() < 0 or p_values.max() > 1:
        raise ValueError("p_values must lie in [0, 1]")
    if method not in _STATSMODELS_NAME:
        raise ValueError(f"method {method!r} is unknown; valid: {', '.join(_STATSMODELS_NAME)}")
    return multipletests(p_values, method=_STATSMODELS_NAME[method])[1]
