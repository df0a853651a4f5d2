"""Obuchowski and Rockette's analysis of readers by modalities, readers and cases being samples."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, t
from scipy.stats import f as f_distribution

from mammolab.evaluate.checks import Estimate, check_inside, check_vector

# What the study is a sample of; what is not random is taken as the whole population of interest.
RANDOM = ("readers_and_cases", "cases", "readers")

_ROUNDING = 1e-16  # a variance below this is what rounding leaves of zero


@dataclass(frozen=True)
class ReaderEstimate(Estimate):
    """A mean over readers, or a difference of two, with its interval, standard error and df.

    Where no variance is seen (every reader found every cancer) the limits are NaN: certainty is not
    claimed. `t` and `p_value` (two-sided) test that it is zero: of use for a difference.
    """

    standard_error: float
    degrees_of_freedom: float

    @property
    def t(self) -> float:
        """Value over standard error; 0 where both are."""
        return float(np.sign(self.value)) * _ratio(abs(self.value), self.standard_error)

    @property
    def p_value(self) -> float:
        """Two-sided p-value of `t`."""
        return float(2 * t.sf(abs(self.t), self.degrees_of_freedom))


@dataclass(frozen=True)
class VarianceComponents:
    """What the accuracies vary with.

    `error_variance` is the mean variance of one reader's accuracy with one modality due to cases;
    `cov1` the mean covariance of one reader's with two modalities, `cov2` of two readers' with one
    modality, `cov3` of two readers' with two modalities. `ms_*` are the mean squares of the two-way
    table. `reader` and `modality_reader` are the variances among readers and of their response to
    the modality, estimated without bias and hence negative at times. NaN where a design with one
    reader or one modality has no such quantity.
    """

    error_variance: float
    cov1: float
    cov2: float
    cov3: float
    ms_modality: float
    ms_reader: float
    ms_modality_reader: float
    reader: float
    modality_reader: float


@dataclass(frozen=True, eq=False)
class ReaderStudy:
    """An analysis of readers by modalities.

    `reader_accuracy` has shape (n_modalities, n_readers); `means` has one entry a modality; `f`,
    `df1`, `df2`, `p_value` test that all modalities have one mean accuracy (NaN with one modality);
    `differences[i, j]` is modality i minus modality j, i < j, not corrected for multiplicity.
    """

    random: str
    reader_accuracy: NDArray[np.float64]
    means: tuple[ReaderEstimate, ...]
    f: float
    df1: float
    df2: float
    p_value: float
    differences: dict[tuple[int, int], ReaderEstimate]
    components: VarianceComponents


def obuchowski_rockette(
    accuracy: ArrayLike,
    covariance: ArrayLike,
    random: str = "readers_and_cases",
    confidence: float = 0.95,
) -> ReaderStudy:
    """Compare modalities over readers, from accuracies and their covariance through the cases.

    It asks whether another sample of readers, reading another sample of patients, would show the
    same difference; a test on pooled readings takes both for fixed.

    Parameters
    ----------
    accuracy : array-like of float, shape (n_modalities, n_readers)
        Any accuracy whose covariance due to cases can be estimated: AUC, sensitivity, specificity.
        One modality gives the mean over readers and no test.
    covariance : array-like of float, shape (n_modalities * n_readers, n_modalities * n_readers)
        Covariance of the accuracies, readers treated as fixed, in the order of `accuracy.ravel()`.
    random : {"readers_and_cases", "cases", "readers"}
        To whom the result is generalised: other readers and other cases; these readers with other
        cases; other readers with these very cases (the covariance then plays no part).
    confidence : float in (0, 1)

    Raises
    ------
    ValueError
        If a shape is wrong, a value is not finite, `random` is unknown, or readers are random and
        there is only one.

    Notes
    -----
    Degrees of freedom are those of Hillis 2007. The interval of a modality's mean uses that
    modality alone. Limits are not cut to any range. Fixed readers with two modalities: the variance
    is exactly that of the contrast under `covariance`.

    References
    ----------
    Obuchowski and Rockette 1995, doi:10.1080/03610919508813243. Hillis 2007, doi:10.1002/sim.2532.

    Examples
    --------
    >>> study = obuchowski_rockette([[0.80, 0.84, 0.88], [0.85, 0.88, 0.94]], 0.001 * np.eye(6))
    >>> round(study.differences[0, 1].value, 4), round(study.f, 2)
    (-0.05, 75.0)
    """
    try:
        accuracy = np.asarray(accuracy, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"accuracy must hold numbers only: {error}") from error
    if accuracy.ndim != 2 or accuracy.size == 0:
        raise ValueError(f"accuracy must have two dimensions, neither empty: {accuracy.shape}")
    n_modalities, n_readers = accuracy.shape
    covariance = _check_covariance(covariance, accuracy.size)
    covariance = covariance.reshape(n_modalities, n_readers, n_modalities, n_readers)
    means = tuple(
        reader_mean(accuracy[i], covariance[i, :, i], random, confidence)
        for i in range(n_modalities)
    )
    parts = _components(accuracy, covariance)
    if n_modalities == 1:
        return ReaderStudy(random, accuracy, means, *[float("nan")] * 4, {}, parts)

    df1 = n_modalities - 1
    spread, df2 = _spread(
        parts.ms_modality_reader,
        df1 * (n_readers - 1),
        n_readers,
        parts.error_variance - parts.cov1,
        parts.cov2 - parts.cov3,
        random,
    )
    f = _ratio(parts.ms_modality, spread)
    # as df2 grows without bound, df1 * F becomes chi-square
    p_value = f_distribution.sf(f, df1, df2) if np.isfinite(df2) else chi2.sf(f * df1, df1)
    differences = {
        (i, j): _estimate(means[i].value - means[j].value, 2 * spread / n_readers, df2, confidence)
        for i, j in combinations(range(n_modalities), 2)
    }
    return ReaderStudy(random, accuracy, means, f, df1, df2, float(p_value), differences, parts)


def reader_mean(
    accuracy: ArrayLike,
    covariance: ArrayLike,
    random: str = "readers_and_cases",
    confidence: float = 0.95,
) -> ReaderEstimate:
    """Mean accuracy of a panel of readers with one modality.

    Parameters
    ----------
    accuracy : array-like of float, shape (n_readers,)
    covariance : array-like of float, shape (n_readers, n_readers)
    random, confidence
        As for `obuchowski_rockette`.

    Examples
    --------
    >>> panel = reader_mean([0.80, 0.84, 0.88], 0.001 * np.eye(3))
    >>> round(panel.value, 3), round(panel.standard_error, 4), panel.degrees_of_freedom
    (0.84, 0.0231, 2.0)
    """
    check_inside(confidence, "confidence", 0, 1)
    accuracy = check_vector(accuracy, "accuracy")
    n_readers = len(accuracy)
    covariance = _check_covariance(covariance, n_readers)
    if random not in RANDOM:
        raise ValueError(f"random {random!r} is unknown; valid: {', '.join(RANDOM)}")
    if n_readers == 1 and random != "cases":
        raise ValueError("readers cannot be random where there is only one; use random='cases'")
    mean_square = float(accuracy.var(ddof=1)) if n_readers > 1 else float("nan")
    shared = _mean_where(covariance, ~np.eye(n_readers, dtype=bool))
    own = float(np.diag(covariance).mean())
    spread, df = _spread(mean_square, n_readers - 1, n_readers, own, shared, random)
    return _estimate(float(accuracy.mean()), spread / n_readers, df, confidence)


def _check_covariance(covariance: ArrayLike, size: int) -> NDArray[np.float64]:
    covariance = np.asarray(covariance, dtype=np.float64)
    if covariance.shape != (size, size):
        raise ValueError(f"covariance must have the shape {(size, size)}, not {covariance.shape}")
    largest = np.abs(covariance).max()
    if not np.isfinite(largest) or np.abs(covariance - covariance.T).max() > 1e-9 * largest:
        raise ValueError("covariance must be finite and symmetric")
    return covariance


def _components(
    accuracy: NDArray[np.float64], covariance: NDArray[np.float64]
) -> VarianceComponents:
    """Mean squares of the two-way table and means of the four kinds of covariance."""
    n_modalities, n_readers = accuracy.shape
    same_modality = np.eye(n_modalities, dtype=bool)[:, None, :, None]
    same_reader = np.eye(n_readers, dtype=bool)[:, None, :]
    error = _mean_where(covariance, same_modality & same_reader)
    cov1 = _mean_where(covariance, ~same_modality & same_reader)
    cov2 = _mean_where(covariance, same_modality & ~same_reader)
    cov3 = _mean_where(covariance, ~same_modality & ~same_reader)

    by_modality = accuracy.mean(axis=1, keepdims=True)
    by_reader = accuracy.mean(axis=0)
    residual = accuracy - by_modality - by_reader + accuracy.mean()
    free_m, free_r = n_modalities - 1, n_readers - 1
    nan = float("nan")
    ms_modality = n_readers * float(by_modality.var(ddof=1)) if free_m else nan
    ms_reader = n_modalities * float(by_reader.var(ddof=1)) if free_r else nan
    ms_both = float((residual**2).sum()) / (free_m * free_r) if free_m and free_r else nan
    return VarianceComponents(
        error,
        cov1,
        cov2,
        cov3,
        ms_modality,
        ms_reader,
        ms_both,
        (ms_reader - ms_both) / n_modalities - cov1 + cov3,
        ms_both - error + cov1 + max(cov2 - cov3, 0.0),
    )


def _mean_where(covariance: NDArray[np.float64], where: NDArray[np.bool_]) -> float:
    chosen = covariance[np.broadcast_to(where, covariance.shape)]
    return float(chosen.mean()) if chosen.size else float("nan")


def _spread(
    mean_square: float, free: int, n_readers: int, own: float, shared: float, random: str
) -> tuple[float, float]:
    """Variance of a mean over readers times n_readers, and its degrees of freedom.

    `own` is one reader's variance through the cases, `shared` the covariance of two readers.
    """
    if random == "cases":
        return own + (n_readers - 1) * shared if n_readers > 1 else own, float("inf")
    if random == "readers":
        return mean_square, float(free)
    added = n_readers * max(shared, 0.0)
    if added <= _ROUNDING:
        return mean_square, float(free)
    # Satterthwaite, only the mean square being taken as uncertain (Hillis 2007)
    return mean_square + added, free * _ratio(mean_square + added, mean_square) ** 2


def _estimate(value: float, variance: float, df: float, confidence: float) -> ReaderEstimate:
    if not variance > _ROUNDING:
        return ReaderEstimate(value, float("nan"), float("nan"), 0.0, df)
    error = variance**0.5
    half = float(t.ppf(0.5 + confidence / 2, df)) * error
    return ReaderEstimate(value, value - half, value + half, error, df)


def _ratio(top: float, bottom: float) -> float:
    """top / bottom, with 0 / 0 = 0: what does not vary and is not there is no evidence."""
    if bottom > _ROUNDING:
        return top / bottom
    return 0.0 if top <= _ROUNDING else float("inf")
