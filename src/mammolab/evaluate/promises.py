"""What a rule-out threshold promises, and how much of it hangs on the dev sample it came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.checks import (
    check_flag,
    check_inside,
    check_patient_ids,
    check_patients,
    check_scores,
    check_two_classes,
    effective_number,
    patient_codes,
)
from mammolab.evaluate.paired import PairedCounts, noninferiority_p
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval
from mammolab.evaluate.thresholds import (
    RULES,
    cancers_needed,
    failures_allowed,
    lowest_per_patient,
)


@dataclass(frozen=True, eq=False)
class Replay:
    """Threshold and clinic repeated with other dev and test women; arrays of shape (n_replicates,).

    The network, its calibration and the choice of the rule are held.

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
        """Percentile interval of one of the arrays: it counts the choice on dev as well as test.

        Repetitions in which the rule certifies nothing count: they rule nobody out.
        """
        return percentile_interval(getattr(self, name), confidence)

    def share_noninferior(self, alpha: float = 0.025) -> float:
        """Share of the repetitions whose verdict is non-inferior.

        Not the probability that triage is: repetitions carry the noise of the samples they are
        drawn from and their own, so that a borderline verdict repeats in half of them.
        """
        return float((self.p_value < alpha).mean())

    @property
    def share_uncertified(self) -> float:
        """Share of the repetitions whose dev sample certifies nothing and rules nobody out."""
        return float(np.isneginf(self.threshold).mean())


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
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """The threshold that each rule would have chosen from other dev women.

    Parameters
    ----------
    score : array-like of float, shape (n_exams,)
        Of dev, higher is more suspicious, on a scale without bounds: the logit of a probability.
    label : array-like of bool, shape (n_exams,)
        The cancers to keep, as for the rules in `thresholds`.
    patient_ids, sample_weight : array-like, shape (n_exams,)
    bootstrap : PatientBootstrap
        Of dev; each replicate is one more dev sample.
    sensitivity, confidence : float
        What the certified rule is asked for.
    seed : int
        Of the smoothing.

    Returns
    -------
    dict of rule to array of float, shape (n_replicates,)
        "minimum", "mean_of_bootstrap_minima" and "certified". NaN where a replicate drew no cancer;
        minus infinity where it drew too few to certify.

    Raises
    ------
    ValueError
        If the cancers have unequal weights: none of the rules' thresholds would be a draw from dev.

    Notes
    -----
    The plain bootstrap is wrong for a minimum: it can never fall below the one observed, which it
    repeats in two of three replicates (Bickel, Freedman 1981). So each drawn cancer is moved by a
    normal of Silverman's bandwidth and all are shrunk towards their mean to keep the variance: other
    dev samples then have cancers below the lowest one seen.
    Within a sample of N cancers the mean over bootstrap minima needs no second bootstrap: with k of
    them at or below a score, N draws are all above it with probability (1 - k / N)^N.

    References
    ----------
    Bickel, Freedman 1981, doi:10.1214/aos/1176345637. Silverman, Young 1987,
    doi:10.1093/biomet/74.3.469 (the smoothed bootstrap).
    """
    check_inside(sensitivity, "sensitivity", 0, 1)
    lowest, patients, one_weight = lowest_per_patient(score, label, patient_ids, sample_weight)
    if not one_weight:
        raise ValueError("cancers of unequal sample_weight: the rules need one for all")
    spread = lowest.std(ddof=1) if len(lowest) > 1 else 0.0
    width = min(spread, float(np.subtract(*np.quantile(lowest, [0.75, 0.25]))) / 1.34)
    width *= 0.9 * len(lowest) ** -0.2
    shrink = 1 / np.sqrt(1 + (width / spread) ** 2) if spread else 1.0
    rng = np.random.default_rng([seed, len(lowest)])
    columns = bootstrap.columns(patients)
    result = {name: np.full(bootstrap.n_replicates, np.nan) for name in RULES}
    for number, counts in enumerate(bootstrap.counts[:, columns]):
        drawn = np.repeat(lowest, counts)
        if not len(drawn):
            continue
        moved = drawn + width * rng.standard_normal(len(drawn))
        new = np.sort(lowest.mean() + shrink * (moved - lowest.mean()))
        above = (1 - np.arange(len(new) + 1) / len(new)) ** len(new)
        allowed = failures_allowed(len(new), sensitivity, confidence)
        result["minimum"][number] = new[0]
        result["mean_of_bootstrap_minima"][number] = (above[:-1] - above[1:]) @ new
        result["certified"][number] = new[allowed] if allowed >= 0 else -np.inf
    return result


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
    """Repeat choice and clinic: a threshold from another dev sample, judged on another test sample.

    The intervals of `triage.simulate_triage` hold the threshold as chosen; these count the choice
    too.

    Parameters
    ----------
    threshold : array-like of float, shape (n_replicates,)
        One rule's, of `resampled_thresholds`, on the scale of `score`.
    score, recall, label, patient_ids, sample_weight : array-like, shape (n_exams,)
        Of test, as for `triage.simulate_triage`.
    bootstrap : PatientBootstrap
        Of test, with as many replicates, drawn from another seed than dev's: the women are others.
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

    units = caught_cancers(score, recall, label, ids, weight)
    caught, best = units["caught"].to_numpy(), units["best"].to_numpy()
    unit_weight = units["weight"].to_numpy()
    unit_weight = unit_weight * (effective_number(unit_weight) / unit_weight.sum())
    of_cancer = bootstrap.columns(units["patient_id"])
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
        lost = unit_weight * bootstrap.counts[number, of_cancer]
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


def caught_cancers(
    score: ArrayLike,
    recall: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return each patient with cancer: whether readers caught it, and what triage would need to lose it.

    Parameters
    ----------
    score, recall, label, patient_ids, sample_weight : array-like, shape (n_exams,)
        As for `triage.simulate_triage`.

    Returns
    -------
    DataFrame, one row a patient with an exam followed by cancer
        patient_id, weight, caught (bool: any such exam was recalled), best (the highest score of a
        recalled one; minus infinity where there is none). A threshold above `best` loses her.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    recall = check_flag(recall, "recall", len(score))
    cancer = label & (weight > 0)
    ids = check_patient_ids(patient_ids, len(score))[cancer]
    frame = pd.DataFrame(
        {
            "code": patient_codes(ids)[0],
            "patient_id": ids,
            "weight": weight[cancer],
            "caught": recall[cancer],
            "best": np.where(recall[cancer], score[cancer], -np.inf),
        }
    )
    units = frame.groupby("code").agg(
        {"patient_id": "first", "weight": "max", "caught": "any", "best": "max"}
    )
    return units.reset_index(drop=True)
