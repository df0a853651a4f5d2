"""From scores to probabilities at the real incidence: fits the maps of `calibrators`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit, logit
from sklearn.isotonic import isotonic_regression

from mammolab.evaluate.calibrators import (
    BetaCalibrator,
    Calibrator,
    IsotonicCalibrator,
    LogisticCalibrator,
    logit_score,
)
from mammolab.evaluate.checks import check_inside, check_scores, check_two_classes
from mammolab.evaluate.logistic import fit_logistic


def uncalibrated() -> LogisticCalibrator:
    """The calibrator that changes nothing: the score is taken as a probability."""
    return LogisticCalibrator("raw", "probability", 1.0, 0.0)


def prior_shift(train_prevalence: float, target_prevalence: float) -> LogisticCalibrator:
    """Undo balanced sampling: move the odds from the prevalence trained on to the real one.

    Parameters
    ----------
    train_prevalence : float in (0, 1)
        Share of cancers in the training batches, 0.5 where balanced.
    target_prevalence : float in (0, 1)
        Weighted share of cancers where the model is used; of train or dev, never of test.

    Notes
    -----
    Exact if the network is calibrated on its own batches and only the prevalence differs.

    References
    ----------
    Saerens, Latinne, Decaestecker 2002, doi:10.1162/089976602753284446, equation 2.4.

    Examples
    --------
    >>> prior_shift(0.5, 0.006).apply([0.5]).round(6).tolist()
    [0.006]
    """
    check_inside(train_prevalence, "train_prevalence", 0, 1)
    check_inside(target_prevalence, "target_prevalence", 0, 1)
    shift = float(logit(target_prevalence) - logit(train_prevalence))
    return LogisticCalibrator("prior_shift", "probability", 1.0, shift)


def fit_platt(
    score: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    scale: str = "probability",
) -> LogisticCalibrator:
    """Platt scaling, with Platt's targets in place of 0 and 1.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
        Of exams that trained nothing (dev). Higher means more suspicious.
    label : array-like of bool, shape (n_exams,)
        True = cancer.
    sample_weight : array-like of float, shape (n_exams,), optional
        Inverse sampling probability: with it the probabilities hold for the whole cohort.
    scale : {"probability", "logit"}
        As for `Calibrator`.

    Raises
    ------
    ValueError
        If a class is absent or all scores are equal.

    Notes
    -----
    `sample_weight` must be on the scale of the population it stands for: weights that sum to 1
    would make Platt's targets as soft as those of one exam. Targets are (N+ + 1) / (N+ + 2) and 1 /
    (N- + 2), which keep the fit finite when the classes separate. N is the weighted count: with the
    plain count, sampled negatives of weight w would add about w false cancers instead of one, which
    is not small beside the few true ones.

    References
    ----------
    Platt 1999; Lin, Lin, Weng 2007, doi:10.1007/s10994-007-5018-6.
    """
    x, label, weight = _rows_to_fit(score, label, sample_weight, scale)
    n_positive, n_negative = weight[label].sum(), weight[~label].sum()
    target = np.where(label, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    slope, intercept = fit_logistic(np.column_stack([x, np.ones_like(x)]), target, weight)
    return LogisticCalibrator("platt", scale, float(slope), float(intercept))


def fit_temperature(
    score: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    scale: str = "probability",
) -> LogisticCalibrator:
    """Temperature scaling: the logit over one number T > 0 that minimises the weighted log loss.

    It softens or sharpens around one half and moves nothing across it, so it cannot repair a wrong
    prior: after balanced sampling the expected cancers stay tens of times too many. Shift the
    prior first, or fit an intercept (`fit_platt`).

    Parameters
    ----------
    score, label, sample_weight, scale
        As for `fit_platt`.

    Returns
    -------
    LogisticCalibrator
        Of slope 1 / T and intercept 0.

    Raises
    ------
    ValueError
        As `fit_platt`; if one half separates the classes (T would be 0); if the best slope is not
        above 0, which happens where the prior is so wrong that most exams without cancer lie
        above one half.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger 2017, Proceedings of Machine Learning Research 70, 1321-1330.
    """
    x, label, weight = _rows_to_fit(score, label, sample_weight, scale)
    if x[label].min() >= 0 >= x[~label].max():
        raise ValueError("score separates the classes at one half: the temperature would be 0")
    (slope,) = fit_logistic(x[:, None], label.astype(float), weight)
    if slope <= 0:
        raise ValueError("no temperature above 0 fits: correct the prior of the score first")
    return LogisticCalibrator("temperature", scale, float(slope), 0.0)


def fit_beta(
    score: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    scale: str = "probability",
) -> BetaCalibrator:
    """Beta calibration with three parameters: a line on the logit that may bend.

    Parameters
    ----------
    score, label, sample_weight, scale
        As for `fit_platt`. A network's score on the scale "probability" is what it was made for.

    Raises
    ------
    ValueError
        As `fit_platt`; if there are fewer than three distinct scores, they separate the classes
        (use `fit_platt`), or they do not rise with the cancers.

    Notes
    -----
    Maximum likelihood under a, b >= 0. The loss is convex, so where the free fit has a negative a
    or b the best lies on an edge, a = 0 or b = 0; both edges are tried. Where all probabilities
    are small -ln(1 - p) hardly varies and b is poorly known.

    References
    ----------
    Kull, Silva Filho, Flach 2017, doi:10.1214/17-EJS1338SI.
    """
    x, label, weight = _rows_to_fit(score, label, sample_weight, scale)
    if len(np.unique(x)) < 3:
        raise ValueError("score takes fewer than three values: too few for three parameters")
    if x[label].min() >= x[~label].max():
        raise ValueError("score separates the classes completely: no finite fit; use fit_platt")
    columns = np.column_stack([log_expit(x), -log_expit(-x), np.ones_like(x)])

    def fit(kept: list[int]) -> NDArray[np.float64]:
        parameters = np.zeros(3)
        parameters[kept] = fit_logistic(columns[:, kept], label.astype(float), weight)
        return parameters

    def loss(parameters: NDArray[np.float64]) -> float:
        linear = columns @ parameters
        return float(weight @ (np.logaddexp(0, linear) - label * linear))

    best = fit([0, 1, 2])
    if best[:2].min() < 0:
        edges = [edge for edge in (fit([0, 2]), fit([1, 2])) if edge[:2].min() >= 0]
        if not edges:
            raise ValueError("score does not rise with the cancers: nothing to calibrate")
        best = min(edges, key=loss)
    return BetaCalibrator("beta", scale, *best.tolist())


def fit_isotonic(
    score: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None = None,
    scale: str = "probability",
) -> IsotonicCalibrator:
    """Isotonic regression: the best map among all that never fall, by weighted squared error.

    It assumes no shape and so needs many cancers; with few it follows their noise.

    Parameters
    ----------
    score, label, sample_weight, scale
        As for `fit_platt`.

    Raises
    ------
    ValueError
        As `fit_platt`; if the scores do not rise with the cancers (the map would be flat).

    Notes
    -----
    Equal scores are first merged into their weighted mean. Outside the range fitted the end values
    hold; below the lowest cancer the value is exactly 0 (and 1 above the highest healthy exam),
    at which a log loss is infinite. Pooled scores become ties: AUC changes, on the data fitted to
    the area under the convex hull of the ROC curve, never below the AUC of the score. Rank and
    choose thresholds by the score, not by this map.

    References
    ----------
    Zadrozny, Elkan 2002, doi:10.1145/775047.775151; Fawcett, Niculescu-Mizil 2007,
    doi:10.1007/s10994-007-5011-0 (the convex hull).

    Examples
    --------
    >>> steps = fit_isotonic([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1])
    >>> steps.apply([0.05, 0.2, 0.3, 0.9]).tolist()
    [0.0, 0.5, 0.5, 1.0]
    """
    x, label, weight = _rows_to_fit(score, label, sample_weight, scale)
    knots, place = np.unique(x, return_inverse=True)
    total = np.bincount(place, weight)
    values = isotonic_regression(np.bincount(place, weight * label) / total, sample_weight=total)
    if values[0] == values[-1]:
        raise ValueError("score does not rise with the cancers: nothing to calibrate")
    rises = np.diff(values) > 0
    kept = np.append(rises, True) | np.append(True, rises)  # last and first knot of each block
    knots, values = knots[kept], np.clip(values[kept], 0, 1)  # averages may round past 1
    return IsotonicCalibrator("isotonic", scale, tuple(knots.tolist()), tuple(values.tolist()))


def fit_calibrators(
    score: ArrayLike,
    label: ArrayLike,
    sample_weight: ArrayLike | None,
    train_prevalence: float,
    scale: str = "probability",
) -> tuple[dict[str, Calibrator], dict[str, str]]:
    """Fit every method on the same exams, to be compared on others.

    Parameters
    ----------
    score, label, sample_weight, scale
        Of dev, as for `fit_platt`.
    train_prevalence : float in (0, 1)
        Share of cancers in the training batches, for the prior shift; the target is the weighted
        share among these exams.

    Returns
    -------
    calibrators : dict of method to Calibrator
        raw, prior_shift, temperature, platt, beta, isotonic, those that could be fitted.
    reasons : dict of method to str
        Why each of the others could not.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    prevalence = float(np.average(label, weights=weight))
    methods: dict[str, Callable[[], Calibrator]] = {
        "raw": uncalibrated,
        "prior_shift": lambda: prior_shift(train_prevalence, prevalence),
        "temperature": lambda: fit_temperature(score, label, weight, scale),
        "platt": lambda: fit_platt(score, label, weight, scale),
        "beta": lambda: fit_beta(score, label, weight, scale),
        "isotonic": lambda: fit_isotonic(score, label, weight, scale),
    }
    fitted, reasons = {}, {}
    for name, method in methods.items():
        try:
            fitted[name] = method()
        except ValueError as error:
            reasons[name] = str(error)
    return fitted, reasons


def _rows_to_fit(
    score: ArrayLike, label: ArrayLike, sample_weight: ArrayLike | None, scale: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Logit score, label and weight of the rows with a weight above 0."""
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    used = weight > 0
    x = logit_score(score, scale)[used]
    if np.ptp(x) == 0:
        raise ValueError("score is the same for every exam: nothing to calibrate")
    return x, label[used], weight[used]
