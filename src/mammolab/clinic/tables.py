"""What `mammolab triage` writes beside the sheet: tables and JSON, made from the analysis."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammolab.clinic import words
from mammolab.clinic.analysis import Analysis
from mammolab.evaluate import Estimate
from mammolab.evaluate.triage import TriageResult
from mammolab.report.numbers import plain_number

CHAPTER = "mammolab triage"  # whose numbers they are, where a chapter's name stands in a run's
BOOTSTRAP, TANGO, EXACT = "patient bootstrap", "Tango's score interval", "Clopper-Pearson"


def simulation(a: Analysis) -> pd.DataFrame:
    """One row a measure and setting (without, with, difference; "" where there is but one).

    Columns measure, setting, estimate, ci_low, ci_high, method. The difference of the
    sensitivities counts women, with the interval of the non-inferiority test; all else exams.
    """
    clinic = a.clinic
    rows = [_row("fraction_ruled_out", "", clinic.fraction_ruled_out)]
    if not a.scores.has_recall:
        rows += [
            _row("cancers_still_read", "", clinic.sensitivity_with),
            _row("exams_without_cancer_ruled_out", "", clinic.specificity_with),
        ]
    else:
        for measure in ("sensitivity", "specificity", "recall_rate", "ppv"):
            difference = getattr(clinic, f"{measure}_difference")
            method = BOOTSTRAP
            if measure == "sensitivity":
                difference, method = clinic.noninferiority.difference, TANGO
            rows += [
                _row(measure, "without", getattr(clinic, f"{measure}_without")),
                _row(measure, "with", getattr(clinic, f"{measure}_with")),
                _row(measure, "difference", difference, method),
            ]
        rows += [
            _row("recalls_avoided", "", clinic.recalls_avoided),
            _row("net_false_omission", "", clinic.net_false_omission),
        ]
    rows += [
        _row("gross_false_omission", "", clinic.gross_false_omission),
        _row("promise_kept", "", a.kept.share, EXACT),
    ]
    return pd.DataFrame(rows)


def rules(a: Analysis) -> pd.DataFrame:
    """The three rules side by side: what each promises from dev, and what it did on test."""
    rows = []
    for name, rule in a.rules.items():
        clinic = a.simulations[name]
        finite = np.isfinite(rule.threshold)
        row = {
            "rule": name,
            "chosen": int(name == a.settings.rule),
            "threshold": a.scores.in_file_units(rule.threshold) if finite else np.nan,
            "probability": probability_at(a, rule.threshold) if finite else np.nan,
            "n_dev_cancers": rule.n_cancers,
            "n_dev_cancers_ruled_out": rule.n_missed,
            "certified_sensitivity": rule.certified_sensitivity if finite else np.nan,
            "proof": _proof(a, name),
            **_limits("fraction_ruled_out", clinic.fraction_ruled_out),
            "n_test_cancers_ruled_out": clinic.n_cancers_ruled_out,
        }
        if a.scores.has_recall:
            row |= {
                **_limits("sensitivity_with", clinic.sensitivity_with),
                **_limits("specificity_with", clinic.specificity_with),
                **_limits("sensitivity_difference", clinic.noninferiority.difference),
                "n_caught_cancers_ruled_out": clinic.n_cancers_missed_by_triage,
                "noninferiority_p": clinic.noninferiority.p_value,
                "noninferior": int(clinic.noninferiority.noninferior),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def _proof(a: Analysis, name: str) -> str:
    """Of what kind a rule's promise is, or why there is none."""
    if np.isnan(a.rules["minimum"].certified_sensitivity):
        return "unequal weights"
    rule = a.rules[name]
    if not np.isfinite(rule.threshold):
        return "too few cancers"
    return "exact" if rule.exact else "nominal"


def missed(a: Analysis) -> pd.DataFrame:
    """Exams with cancer that are ruled out."""
    columns = ["exam_id", "patient_id", "split", "score", "probability"]
    rows = a.missed
    if a.scores.has_recall:  # lost: readers had recalled it, and nobody does now
        columns += ["recall", "lost"]
        rows = rows.assign(lost=rows["recall"])
    return _flags_as_numbers(rows[columns + list(a.scores.subgroups)])


def scores_calibrated(a: Analysis) -> pd.DataFrame:
    """Every exam analysed, in order of patient and exam."""
    return _flags_as_numbers(a.exams[["exam_id", "probability", "ruled_out", "split"]])


def probability_at(a: Analysis, suspicion: float) -> float:
    """The calibrated probability of a score, given as suspicion."""
    return float(a.calibrator.apply([a.scores.calibrator_input(suspicion)])[0])


def calibrator(a: Analysis) -> dict:
    """What `evaluate.calibrators.calibrator_from_dict` takes, and where it comes from."""
    dev = a.dev
    return {
        "calibrator": a.calibrator.to_dict(),
        "input": a.scores.input_in_words,
        "fitted_on": {
            "file": a.scores.file,
            "sha256": a.scores.sha256,
            "split": "dev",
            "n_exams": len(dev),
            "n_women": int(dev["patient_id"].nunique()),
            "n_exams_with_cancer": int(dev["cancer"].sum()),
            "weighted": a.scores.weighted,
        },
    }


def threshold(a: Analysis) -> dict:
    """The rule to apply, in units of the file."""
    value = float(a.scores.in_file_units(a.chosen.threshold))
    return {
        "rule": a.settings.rule,
        "threshold": value,
        "ruled_out_if": f"score {'>' if a.scores.lower_is_suspicious else '<'} {value!r}",
        "probability": probability_at(a, a.chosen.threshold),
    }


def certificate(a: Analysis) -> dict:
    """What the threshold promises."""
    rule = a.chosen
    bound = rule.certified_sensitivity
    return {
        "promise": words.promise(a),
        "rule": rule.rule,
        "proof": _proof(a, rule.rule),
        "among": words.cancers_in_words(a),
        "unit": "woman",
        "target_sensitivity": (a.settings.target_sensitivity if rule.rule == "certified" else None),
        "confidence": a.settings.confidence,
        "certified_sensitivity": bound if np.isfinite(bound) else None,
        "n_cancers": rule.n_cancers,
        "n_cancers_ruled_out": rule.n_missed,
        "conditions": words.conditions(a),
        "on_test": words.kept_on_test(a),
        "cancers_needed_with_none_ruled_out": words.needed_for(a),
    }


def numbers(a: Analysis) -> dict[str, dict]:
    """The numbers of the sheet, in the shape of a run's numbers.json and under the same keys."""
    clinic, test = a.clinic, a.test
    found: dict[str, dict] = {}

    def keep(key: str, value: object, unit: str = "", n: int | None = None) -> None:
        low = high = None
        if isinstance(value, Estimate):
            value, low, high = value.value, value.low, value.high
        found[key] = plain_number(_plain(value), CHAPTER, unit, n) | {
            "ci_low": _plain(low),
            "ci_high": _plain(high),
        }

    for name, part in (("dev", a.dev), ("test", test)):
        keep(f"cohort.n_women_{name}", part["patient_id"].nunique())
        keep(f"cohort.n_exams_{name}", len(part))
        keep(f"cohort.n_cancers_{name}", part.loc[part["cancer"], "patient_id"].nunique())
        keep(f"cohort.weight_{name}", part["weight"].sum())
    keep("detection.auc", a.auc, n=len(test))
    for name, one in (("raw", a.before), (a.settings.calibrator, a.after)):
        if one is not None:
            keep(f"calibration.expected_over_observed_{name}", one.expected_over_observed)
            keep(f"calibration.slope_{name}", one.slope)
            keep(f"calibration.ece_{name}", one.ece)
            keep(f"calibration.ece_noise_floor_{name}", one.ece_noise_floor)
    keep("triage.threshold", a.scores.in_file_units(a.chosen.threshold))
    keep("triage.threshold_probability", probability_at(a, a.chosen.threshold))
    keep("triage.threshold_rule", a.settings.rule.replace("_", " "))
    keep("triage.n_dev_cancers", a.chosen.n_cancers)
    keep("triage.certified_sensitivity", a.chosen.certified_sensitivity)
    keep("triage.confidence", a.settings.confidence)
    keep("triage.promise_kept", a.kept.share, n=a.kept.n)
    keep("triage.fraction_ruled_out", clinic.fraction_ruled_out, n=clinic.n_exams)
    keep("triage.cancers_ruled_out", clinic.n_cancers_ruled_out, n=clinic.n_cancers)
    keep("triage.false_omission_per_1000", _times(clinic.gross_false_omission, 1000), "per 1000")
    if a.scores.has_recall:
        _reading(keep, clinic, a.settings.margin)
    else:
        keep("triage.cancers_still_read", clinic.sensitivity_with)
        keep("triage.exams_without_cancer_ruled_out", clinic.specificity_with)
    return dict(sorted(found.items()))


def _reading(keep, clinic: TriageResult, margin: float) -> None:
    for measure in ("sensitivity", "specificity", "recall_rate", "ppv"):
        for setting in ("without", "with"):
            keep(f"triage.{measure}_{setting}", getattr(clinic, f"{measure}_{setting}"))
        if measure != "sensitivity":
            keep(f"triage.difference_{measure}", getattr(clinic, f"{measure}_difference"))
    test = clinic.noninferiority
    keep("triage.difference_sensitivity", test.difference, n=clinic.n_cancers)
    keep("triage.margin", margin)
    keep("triage.noninferior", bool(test.noninferior))
    keep("triage.noninferiority_p", test.p_value)
    keep("triage.cancers_missed", clinic.n_cancers_missed_by_triage, n=clinic.n_cancers)
    keep("triage.recalls_avoided_fraction", clinic.recalls_avoided)


def _plain(value: object) -> object:
    """A value that JSON knows; NaN and infinity become null."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    return float(value) if np.isfinite(value) else None


def _times(estimate: Estimate, factor: float) -> Estimate:
    return Estimate(*(factor * x for x in (estimate.value, *estimate.ci)))


def _row(measure: str, setting: str, estimate: Estimate, method: str = BOOTSTRAP) -> dict:
    return {
        "measure": measure,
        "setting": setting,
        "estimate": estimate.value,
        "ci_low": estimate.low,
        "ci_high": estimate.high,
        "method": method,
    }


def _limits(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _flags_as_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    flags = frame.select_dtypes(bool).columns
    return frame.astype(dict.fromkeys(flags, int))
