"""Dev chooses a calibrator and a threshold, test tells what they do: a frame in, numbers out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from mammolab.clinic.choices import choose_thresholds, fit_calibrator, reader_decisions
from mammolab.clinic.groups import subgroup_results
from mammolab.clinic.scores import Scores
from mammolab.clinic.settings import CONFIDENCE, Settings
from mammolab.evaluate import Estimate
from mammolab.evaluate.auc_bootstrap import auc_bootstrap
from mammolab.evaluate.calibration_error import expected_calibration_error_estimate
from mammolab.evaluate.calibrators import Calibrator
from mammolab.evaluate.rates import proportion_estimate
from mammolab.evaluate.reliability import (
    ReliabilityTable,
    calibration_line,
    expected_over_observed_estimate,
    reliability_table,
)
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.thresholds import RuleOutThreshold
from mammolab.evaluate.triage import TriageResult, simulate_triage

NOWHERE = Estimate(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class Calibration:
    """How far the probabilities of test exams can be believed, by one calibrator."""

    expected_over_observed: Estimate
    slope: Estimate
    ece: Estimate
    ece_noise_floor: float
    bins: ReliabilityTable


@dataclass(frozen=True)
class Kept:
    """The promise, looked up on test: of the women it is about, those kept at or above.

    n : women with a cancer that readers caught (with any cancer where readers are not known).
    share : kept, with the exact interval of Clopper and Pearson.
    """

    n: int
    n_lost: int
    share: Estimate


@dataclass(frozen=True, eq=False)
class Analysis:
    """What came out.

    exams : the exams of `Scores`, with probability and ruled_out (bool).
    rules : the three thresholds by name, in units of suspicion.
    simulations : the clinic on test by each of them. Where the file knows no readers, every exam
        counts as recalled: then "sensitivity with" is that of the rule itself, "specificity with"
        the share of exams without cancer that it rules out, and there is no non-inferiority.
    kept : of the chosen rule.
    before : calibration of the score taken as a probability; None where it is none.
    after : calibration of the probabilities.
    subgroups : long table of test, one row a (metric, subgroup); see `groups.subgroup_results`.
    """

    scores: Scores
    settings: Settings
    exams: pd.DataFrame
    calibrator: Calibrator
    rules: Mapping[str, RuleOutThreshold]
    simulations: Mapping[str, TriageResult]
    kept: Kept
    auc: Estimate
    before: Calibration | None
    after: Calibration
    subgroups: pd.DataFrame
    bootstrap: PatientBootstrap

    @property
    def chosen(self) -> RuleOutThreshold:
        """The threshold asked for."""
        return self.rules[self.settings.rule]

    @property
    def clinic(self) -> TriageResult:
        """The clinic at that threshold."""
        return self.simulations[self.settings.rule]

    @property
    def test(self) -> pd.DataFrame:
        """The exams of test."""
        return self.exams[self.exams["split"] == "test"]

    @property
    def dev(self) -> pd.DataFrame:
        """The exams of dev."""
        return self.exams[self.exams["split"] == "dev"]

    @property
    def missed(self) -> pd.DataFrame:
        """Exams with cancer that are ruled out, test first, then dev; lowest score first."""
        lost = self.exams[self.exams["cancer"] & self.exams["ruled_out"]]
        return lost.sort_values(["split", "suspicion", "exam_id"], ascending=[False, True, True])


def analyse(scores: Scores, settings: Settings) -> Analysis:
    """Calibrate and choose on dev, then report once on test.

    Parameters
    ----------
    scores : Scores
    settings : Settings

    Returns
    -------
    Analysis
        Thresholds are chosen and exams ruled out by the score, not by the probability: a map that
        keeps the order changes no decision.

    Raises
    ------
    InputError
        If the calibrator cannot be fitted, or the rule asked for cannot be certified; the
        sentence says what would do.
    """
    calibrator = fit_calibrator(scores, settings.calibrator)
    rules = choose_thresholds(scores, settings)
    threshold = rules[settings.rule].threshold
    exams = scores.exams.assign(
        probability=calibrator.apply(scores.calibrator_input(scores.exams["suspicion"])),
        ruled_out=scores.exams["suspicion"] < threshold,
    )
    test = exams[exams["split"] == "test"]
    bootstrap = PatientBootstrap.draw(test["patient_id"], settings.n_replicates, settings.seed)
    recall = reader_decisions(test)
    outcome = test["cancer"], test["patient_id"], test["weight"], bootstrap
    raw = scores.calibrator_input(test["suspicion"]) if scores.scale == "probability" else None
    return Analysis(
        scores=scores,
        settings=settings,
        exams=exams,
        calibrator=calibrator,
        rules=rules,
        simulations={
            name: simulate_triage(
                test["suspicion"], rule.threshold, recall, *outcome, margin=settings.margin
            )
            for name, rule in rules.items()
        },
        kept=_kept(test, recall),
        auc=auc_bootstrap(test["suspicion"], *outcome, confidence=CONFIDENCE),
        before=None if raw is None else _calibration(raw, *outcome),
        after=_calibration(test["probability"], *outcome),
        subgroups=subgroup_results(test, scores.subgroups, bootstrap),
        bootstrap=bootstrap,
    )


def _kept(test: pd.DataFrame, recall: pd.Series) -> Kept:
    lowest = test[test["cancer"] & recall].groupby("patient_id")["ruled_out"].any()
    n, n_lost = len(lowest), int(lowest.sum())
    share = proportion_estimate(n - n_lost, n, confidence=CONFIDENCE) if n else NOWHERE
    return Kept(n, n_lost, share)


def _calibration(probability, label, patient_ids, weight, bootstrap) -> Calibration:
    error = expected_calibration_error_estimate(probability, label, patient_ids, weight, bootstrap)
    try:
        slope = calibration_line(probability, label, weight, patient_ids).slope
    except ValueError:  # all probabilities equal, or the classes apart
        slope = NOWHERE
    return Calibration(
        expected_over_observed=expected_over_observed_estimate(
            probability, label, patient_ids, weight, bootstrap
        ),
        slope=slope,
        ece=error.error,
        ece_noise_floor=error.noise_floor,
        bins=reliability_table(probability, label, weight, 10, patient_ids, bootstrap),
    )
