"""Balanced batches: a network that saw cancer in every second image takes it to be that common."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from mammolab.errors import InputError
from mammolab.evaluate.calibration import fit_calibrators, fit_platt
from mammolab.evaluate.calibration_error import expected_calibration_error_estimate
from mammolab.evaluate.calibrators import LogisticCalibrator
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.reliability import expected_over_observed_estimate
from mammolab.evaluate.resampling import PatientBootstrap, ratio_estimate
from mammolab.pitfalls import guards_calibration
from mammolab.pitfalls._unjudged import judged
from mammolab.pitfalls.failure import Failure, Outcome, check_dose

BALANCED = 0.5
COLUMNS = ("probability", "cancer_within_1y", "patient_id", "sampling_weight")

OVERCONFIDENCE = Failure(
    name="overconfidence",
    title="Balanced batches",
    metric="Mean probability of cancer",
    dial="share of cancers in batches",
    guard="calibration",
    repair="Fit the probability on development exams at their natural incidence, by Platt scaling.",
    cost="A development set with its sampling weights, whose cancers the fit uses up.",
    source="van den Goorbergh 2022 (doi:10.1093/jamia/ocac093): after balancing, risks were far too "
    "high and the AUC no better.",
)


def overconfidence(
    dev: pd.DataFrame,
    test: pd.DataFrame,
    bootstrap: PatientBootstrap,
    rng: np.random.Generator,
    dose: float,
) -> Outcome:
    """Take the sigmoid of a network trained on batches rich in cancer for a probability.

    Rich batches are a good way to train, but the sigmoid then tells the chance of cancer in such a
    batch. No ranking shows it, and no AUC.

    Parameters
    ----------
    dev, test : DataFrame, one row an exam
        probability (the network's sigmoid, whatever its batches were), cancer_within_1y (bool),
        patient_id, sampling_weight.
    bootstrap : PatientBootstrap
        Of the patients of test.
    rng : numpy Generator
        Of the guard; it is copied, so that all doses share its draws.
    dose : float in [0, 1]
        Moves the share of cancers in the batches from dev's prevalence to one half, evenly in the
        log odds.

    Returns
    -------
    Outcome
        setting: share of cancers in the batches. reported: mean probability of the test exams;
        true: the share of them followed by cancer, both by weight; repaired: the mean after Platt
        scaling on dev, the same at every dose.

    Raises
    ------
    InputError
        If a column is missing, or dev or test lacks exams with or without cancer.

    Notes
    -----
    The network is calibrated on dev, and its odds multiplied by the ratio of the odds of cancer in
    the batches to those in dev: what a network would say that is calibrated in its own batches. A
    real one can be further off, where an exam is scored by its worst view: `repairs_compared` takes
    the sigmoid as it is.

    References
    ----------
    Saerens, Latinne, Decaestecker 2002, doi:10.1162/089976602753284446 (the shift of the odds).
    van den Goorbergh et al. 2022, doi:10.1093/jamia/ocac093 (strongly overestimated risks after
    under- and oversampling, at no gain in AUC).
    """
    check_dose(dose)
    _check(dev, test)
    platt = fit_platt(dev["probability"], dev["cancer_within_1y"], dev["sampling_weight"])
    prevalence = np.average(dev["cancer_within_1y"], weights=dev["sampling_weight"])
    offset = dose * float(logit(BALANCED) - logit(prevalence))
    trained_rich = LogisticCalibrator("platt", "probability", platt.slope, platt.intercept + offset)
    of_dev, of_test = (trained_rich.apply(frame["probability"]) for frame in (dev, test))
    repair = fit_platt(of_dev, dev["cancer_within_1y"], dev["sampling_weight"])
    label, ids, weight = (test[name] for name in COLUMNS[1:])

    def mean(values: NDArray[np.float64]) -> Estimate:
        return ratio_estimate(values, np.ones(len(values)), ids, weight, bootstrap)

    return Outcome(
        dose=dose,
        setting=float(expit(logit(prevalence) + offset)),
        reported=mean(of_test),
        true=mean(label.to_numpy(float)),
        repaired=mean(repair.apply(of_test)),
        guard=judged(guards_calibration.calibration, of_test, label, ids, deepcopy(rng), weight),
    )


def repairs_compared(
    dev: pd.DataFrame, test: pd.DataFrame, bootstrap: PatientBootstrap
) -> pd.DataFrame:
    """What each repair leaves of the overconfidence of a network trained on balanced batches.

    Parameters
    ----------
    dev, test, bootstrap
        As for `overconfidence`.

    Returns
    -------
    DataFrame
        One row a method that could be fitted on dev (of raw, prior_shift, temperature, platt, beta,
        isotonic): method; observed_over_expected (cancers there are for one promised),
        expected_over_observed and ece (expected calibration error), each with _low and _high.

    Raises
    ------
    InputError
        As for `overconfidence`.
    """
    _check(dev, test)
    label, ids, weight = (test[name] for name in COLUMNS[1:])
    calibrators, _ = fit_calibrators(
        dev["probability"], dev["cancer_within_1y"], dev["sampling_weight"], BALANCED
    )
    rows = []
    for name, calibrator in calibrators.items():
        probability = calibrator.apply(test["probability"])
        ratio = expected_over_observed_estimate(probability, label, ids, weight, bootstrap)
        error = expected_calibration_error_estimate(probability, label, ids, weight, bootstrap)
        row: dict[str, str | float] = {"method": name}
        for metric, estimate in (
            ("observed_over_expected", Estimate(1 / ratio.value, 1 / ratio.high, 1 / ratio.low)),
            ("expected_over_observed", ratio),
            ("ece", error.error),
        ):
            row |= {
                metric: estimate.value,
                f"{metric}_low": estimate.low,
                f"{metric}_high": estimate.high,
            }
        rows.append(row)
    return pd.DataFrame(rows)


def _check(dev: pd.DataFrame, test: pd.DataFrame) -> None:
    for name, frame in (("dev", dev), ("test", test)):
        if missing := [column for column in COLUMNS if column not in frame]:
            raise InputError(
                f"{name} lacks the column(s) {', '.join(missing)}; it needs {', '.join(COLUMNS)}."
            )
        cancers = int(frame["cancer_within_1y"].sum())
        if not 0 < cancers < len(frame):
            raise InputError(
                f"{name} holds {cancers} exams followed by cancer among {len(frame)}; calibration "
                "needs exams with and without."
            )
