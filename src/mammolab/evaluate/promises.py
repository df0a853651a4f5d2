"""What a rule-out threshold promises, and how much of it hangs on the dev sample it came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.checks import (
    check_flag,
    check_inside,
    check_patients,
    check_scores,
    check_two_classes,
    effective_number,
    patient_codes,
)
from mammolab.evaluate.paired import PairedCounts, noninferiority_p
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval
from mammolab.evaluate.thresholds import (
    cancers_needed,
    failures_allowed,
    lowest_per_patient,
)

RULES = ("minimum", "mean_of_bootstrap_minima", "certified")


@dataclass(frozen=True, eq=False)
class Replay:
    """A study repeated with other dev and test women; arrays of shape (n_replicates,).

    threshold : of the dev sample; minus infinity where it certifies nothing.
    fraction_ruled_out, sensitivity_without, sensitivity_with, specificity_without,
    specificity_with : of the test sample, weighted over exams.
    n_missed : patients whose caught cancer triage loses, of the test sample.
    p_value : of the non-inferiority test there.
    """

    threshold: NDArray[np.float64]
    fraction_ruled_out: NDArray[np.float64]
    sensitivity_without: NDArray[np.float64]
    sensitivity_with: NDArray[np.float64]
    specificity_without: NDArray[np.float64]
    specificity_with: NDArray[np.float64]
    n_missed: NDArray[np.float64]
    p_value: NDArray[np.float64]

    def interval(self, name: str, confidence: float = 0.95) -> tuple[float, float]:
        """Percentile interval of one of the arrays: it counts the choice on dev as well as test."""
        values = getattr(self, name)
        return percentile_interval(np.where(np.isfinite(values), values, np.nan), confidence)

    def share_noninferior(self, alpha: float = 0.025) -> float:
        """Share of the repetitions whose verdict is non-inferior: how sure the verdict is."""
        return float((self.p_value < alpha).mean())


def promise_table(
    sensitivities: ArrayLike, n_missed: ArrayLike, confidence: float = 0.95
) -> pd.DataFrame:
    """How many dev cancers it takes to promise a sensitivity, by how many of them are let go.

    Parameters
    ----------
    sensitivities : array-like of float in (0, 1)
    n_missed : array-like of int, at least 0
        Cancers of dev below the threshold.
    confidence : float

    Returns
    -------
    DataFrame
        Columns sensitivity, n_missed, n_cancers; one row a pair.

    Examples
    --------
    >>> promise_table([0.98], [0, 1])["n_cancers"].tolist()
    [149, 236]
    """
    rows = [
        {
            "sensitivity": float(sensitivity),
            "n_missed": int(missed),
            "n_cancers": cancers_needed(float(sensitivity), int(missed), confidence),
        }
        for missed in n_missed
        for sensitivity in sensitivities
    ]
    return pd.DataFrame(rows)


def resampled_thresholds(
    score: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    sensitivity: float,
    confidence: float = 0.95,
) -> dict[str, NDArray[np.float64]]:
    """The threshold that each rule would have chosen from other dev women.

    Parameters
    ----------
    score, label, patient_ids, sample_weight : array-like, shape (n_exams,)
        Of dev, as for the rules in `thresholds`; `label` marks the cancers to keep.
    bootstrap : PatientBootstrap
        Of dev; each replicate is one more dev sample.
    sensitivity, confidence : float
        What the certified rule is asked for.

    Returns
    -------
    dict of rule to array of float, shape (n_replicates,)
        For each of `RULES`. NaN where a replicate drew no cancer; minus infinity where it drew too
        few to certify.

    Notes
    -----
    Within a replicate of N cancers the mean over bootstrap minima needs no second bootstrap: with
    C_k of them at or below the k-th lowest distinct score, N draws are all above it with
    probability (1 - C_k / N)^N.
    A replicate repeats some cancers, so that its order statistics are tied: the spread is that of
    the rule's threshold, not a check of its certificate, which holds by the binomial bound.
    """
    check_inside(sensitivity, "sensitivity", 0, 1)
    lowest, patients, _ = lowest_per_patient(score, label, patient_ids, sample_weight)
    counts = bootstrap.counts[:, bootstrap.columns(patients)].astype(np.int64)
    up_to = np.cumsum(counts, axis=1)  # C_k, (n_replicates, n_cancers), lowest first
    n_drawn = up_to[:, -1]
    some = n_drawn > 0
    above = np.ones((len(counts), len(lowest) + 1))
    share_above = 1 - up_to[some] / n_drawn[some, None]
    above[some, 1:] = share_above ** n_drawn[some, None]
    allowed = np.array([failures_allowed(n, sensitivity, confidence) if n else -1 for n in n_drawn])
    result = {
        "minimum": lowest[(up_to > 0).argmax(axis=1)],
        "mean_of_bootstrap_minima": (above[:, :-1] - above[:, 1:]) @ lowest,
        "certified": np.where(
            allowed < 0, -np.inf, lowest[(up_to > allowed[:, None]).argmax(axis=1)]
        ),
    }
    return {name: np.where(some, threshold, np.nan) for name, threshold in result.items()}


def replay_triage(
    threshold: ArrayLike,
    score: ArrayLike,
    recall: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    margin: float = 0.05,
) -> Replay:
    """Repeat the whole study: a threshold from another dev sample, judged on another test sample.

    The intervals of `triage.simulate_triage` hold the threshold as chosen; these count the choice
    too.

    Parameters
    ----------
    threshold : array-like of float, shape (n_replicates,)
        One rule's, of `resampled_thresholds`.
    score, recall, label, patient_ids, sample_weight : array-like, shape (n_exams,)
        Of test, as for `triage.simulate_triage`.
    bootstrap : PatientBootstrap
        Of test, with as many replicates; dev and test women are others, so drawn independently.
    margin : float
        Of the non-inferiority test, which is run in each repetition.

    Returns
    -------
    Replay
    """
    threshold = np.asarray(threshold, dtype=np.float64)
    if threshold.shape != (bootstrap.n_replicates,):
        raise ValueError(
            f"threshold must have one value a replicate, shape ({bootstrap.n_replicates},), "
            f"not {threshold.shape}"
        )
    score, label, weight = check_scores(score, label, sample_weight)
    check_two_classes(label, weight)
    recall = check_flag(recall, "recall", len(score))
    ids = check_patients(patient_ids, len(score), weight)
    order = np.argsort(score, kind="stable")
    score, label, recall = score[order], label[order], recall[order]
    weight, ids = weight[order], ids[order]
    columns = bootstrap.columns(ids)
    n_below = np.searchsorted(score, threshold, side="left")  # exams ruled out in each replicate

    caught, best, unit = _caught_cancers(score, label & (weight > 0), recall, weight, ids)
    of_cancer = bootstrap.columns(unit["patient_id"])
    scale = effective_number(unit["weight"].to_numpy()) / unit["weight"].sum()
    rates = np.full((6, len(threshold)), np.nan)
    p_value = np.full(len(threshold), np.nan)
    for number, (first, cut) in enumerate(zip(n_below, threshold, strict=True)):
        if np.isnan(cut):
            continue
        drawn = weight * bootstrap.counts[number, columns]
        of_cancers, of_others = drawn * label, drawn * ~label
        n_cancers, n_others = of_cancers.sum(), of_others.sum()
        if not (n_cancers and n_others):
            continue
        lost = scale * unit["weight"].to_numpy() * bootstrap.counts[number, of_cancer]
        missed = caught & (best < cut)
        counts = PairedCounts(
            lost @ (caught & ~missed), 0.0, float(lost @ missed), float(lost @ ~caught)
        )
        p_value[number] = noninferiority_p(counts, margin)
        rates[:, number] = (
            drawn[:first].sum() / drawn.sum(),
            (of_cancers @ recall) / n_cancers,
            (of_cancers[first:] @ recall[first:]) / n_cancers,
            1 - (of_others @ recall) / n_others,
            1 - (of_others[first:] @ recall[first:]) / n_others,
            bootstrap.counts[number, of_cancer] @ missed,
        )
    return Replay(threshold, *rates, p_value)


def _caught_cancers(score, cancer, recall, weight, ids):
    """Of each patient with cancer: caught by the readers, the best score of a caught exam, who."""
    frame = pd.DataFrame(
        {
            "code": patient_codes(ids[cancer])[0],
            "patient_id": ids[cancer],
            "weight": weight[cancer],
            "caught": recall[cancer],
            "best": np.where(recall[cancer], score[cancer], -np.inf),
        }
    )
    unit = frame.groupby("code").agg(
        {"patient_id": "first", "weight": "max", "caught": "any", "best": "max"}
    )
    return unit["caught"].to_numpy(), unit["best"].to_numpy(), unit
