"""What dev chooses: the map from score to probability, and the threshold."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from mammolab.clinic.scores import Scores
from mammolab.clinic.settings import Settings
from mammolab.errors import InputError
from mammolab.evaluate.calibration import (
    fit_beta,
    fit_isotonic,
    fit_platt,
    fit_temperature,
    uncalibrated,
)
from mammolab.evaluate.calibrators import Calibrator, LogisticCalibrator
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.thresholds import (
    RuleOutThreshold,
    cancers_needed,
    certified_sensitivity,
    certified_threshold,
    mean_of_bootstrap_minima,
    minimum_threshold,
)

FITS: Mapping[str, Callable[..., Calibrator]] = {
    "platt": fit_platt,
    "isotonic": fit_isotonic,
    "beta": fit_beta,
    "temperature": fit_temperature,
}


def fit_calibrator(scores: Scores, method: str) -> Calibrator:
    """Fit the map from score to probability on dev.

    Raises
    ------
    InputError
        If the method does not fit these scores.
    """
    dev = scores.of_split("dev")
    if method == "raw":
        if scores.scale != "probability":
            raise InputError(
                f"{scores.file}: column score leaves [0, 1], so --calibrator raw cannot take it "
                f"for a probability; valid: {', '.join(FITS)}"
            )
        return uncalibrated()
    x = scores.calibrator_input(dev["suspicion"])
    try:
        fitted = FITS[method](x, dev["cancer"], dev["weight"], scores.scale)
    except ValueError as error:
        raise InputError(
            f"{scores.file}: --calibrator {method} does not fit the {len(dev):,} exams of dev: "
            f"{error}"
        ) from error
    if isinstance(fitted, LogisticCalibrator) and fitted.slope <= 0:
        raise InputError(
            f"{scores.file}: column score does not rise with the cancers of dev (slope "
            f"{fitted.slope:.2g} over {len(dev):,} exams): there is nothing to calibrate"
        )
    return fitted


def choose_thresholds(scores: Scores, settings: Settings) -> dict[str, RuleOutThreshold]:
    """The three rules side by side, from the dev cancers that readers caught.

    Where readers are not known, from all dev cancers. A rule not asked for that cannot be
    certified rules nobody out.

    Raises
    ------
    InputError
        If the rule asked for cannot be certified, with the number of cancers it would take.
    """
    dev = scores.of_split("dev")
    chosen_from = dev["cancer"] & reader_decisions(dev)
    kind = "cancers that readers caught" if scores.has_recall else "cancers"
    if not chosen_from.any():
        raise InputError(
            f"{scores.file}: none of the {int(dev['cancer'].sum())} cancers of dev was caught "
            f"(column {scores.recall_from}): a threshold needs some"
        )
    of_dev = dev["suspicion"], chosen_from, dev["patient_id"]
    weight, confidence = dev["weight"], settings.confidence
    bootstrap = PatientBootstrap.draw(dev["patient_id"], settings.n_replicates, settings.seed)
    minimum = minimum_threshold(*of_dev, weight, confidence)
    rules = {
        "minimum": minimum,
        "mean_of_bootstrap_minima": mean_of_bootstrap_minima(
            *of_dev, weight, bootstrap, confidence
        ),
    }
    cancers = dev[chosen_from]
    if np.isnan(minimum.certified_sensitivity):  # unequal weights
        certified = RuleOutThreshold("certified", -np.inf, minimum.n_cancers, 0, 1.0)
        if settings.rule == "certified":
            usual = cancers["weight"].mode().iloc[0]
            odd = cancers[cancers["weight"] != usual]
            raise InputError(
                f"{scores.file}: column weight differs among the {len(cancers)} {kind} of dev "
                f"({usual:g}, but {odd['weight'].iloc[0]:g} for exam {odd['exam_id'].iloc[0]} and "
                f"{len(odd)} in all), and --rule certified needs cancers of one weight; take all "
                "cancers, or --rule mean_of_bootstrap_minima"
            )
    else:
        certified = certified_threshold(*of_dev, settings.target_sensitivity, weight, confidence)
    if settings.rule == "certified" and not np.isfinite(certified.threshold):
        n = certified.n_cancers
        most = np.floor(1000 * certified_sensitivity(n, 0, confidence)) / 1000
        needed = cancers_needed(settings.target_sensitivity, confidence=confidence)
        lower = f"--target-sensitivity {most:g} or less, " if most > 0 else ""
        raise InputError(
            f"{scores.file}: {n} women with {kind} in dev cannot certify a sensitivity of "
            f"{settings.target_sensitivity:.1%} at {confidence:.0%} confidence, that takes {needed}; "
            f"give {lower}more exams, or --rule minimum, which promises what {n} cancers can"
        )
    return {"certified": certified, **rules}


def reader_decisions(exams: pd.DataFrame) -> pd.Series:
    """The readers' decisions; where they are not known every exam counts as recalled."""
    return exams["recall"] if "recall" in exams else pd.Series(True, index=exams.index)
