"""How well risks tell who gets cancer: over the years, model against model, and with and without
the cancers that the image already shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate._time_order import FollowUp, check_horizons
from mammolab.evaluate.checks import check_flag, check_patients
from mammolab.evaluate.horizons import cumulative_dynamic_auc, time_auc_replicates
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval

METHOD = "IPCW, patient bootstrap"


def auc_over_years(
    scores: Mapping[str, ArrayLike],
    time_years: ArrayLike,
    event: ArrayLike,
    horizons_years: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    comparisons: Sequence[tuple[str, str]] = (),
    cause: int = 1,
    competing: str = "control",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """AUC of several models by each horizon, and paired differences between them.

    Parameters
    ----------
    scores : mapping of model to array of float, shape (n,) or (n, n_horizons)
        Higher means higher risk; with one column a horizon where the order of women depends on it.
    time_years, event, horizons_years, patient_ids, sample_weight, bootstrap, cause, competing
        As in `horizons.time_auc_replicates`; one row an exam.
    comparisons : sequence of (model, model)
        The first's AUC minus the second's, in the same replicates.
    confidence : float in (0, 1)

    Returns
    -------
    DataFrame
        One row a (model, horizon), then a (comparison, horizon): metric ("auc" or
        "auc_difference"), model, minus (the model subtracted, "" for none), horizon_years,
        estimate, ci_low, ci_high, n_exams, n_patients, n_events (by the horizon), method.

    Raises
    ------
    ValueError
        As for `horizons.cumulative_dynamic_auc`, or if a comparison names a model that `scores`
        lacks, or a score has another shape.
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    horizons = check_horizons(horizons_years)
    unknown = sorted({name for pair in comparisons for name in pair} - set(scores))
    if unknown:
        raise ValueError(f"comparisons name {', '.join(unknown)}; scores hold {', '.join(scores)}")
    ids = check_patients(patient_ids, len(rows.time), rows.weight)
    outcome = _Outcome(rows, horizons, ids, bootstrap, cause, competing)
    values = {model: outcome.values(score) for model, score in scores.items()}
    drawn = {model: outcome.replicates(score) for model, score in scores.items()}
    parts = [
        outcome.frame("auc", values[model], drawn[model], confidence, model=model, minus="")
        for model in scores
    ]
    for first, second in comparisons:
        difference = values[first] - values[second], drawn[first] - drawn[second]
        names = {"model": first, "minus": second}
        parts.append(outcome.frame("auc_difference", *difference, confidence, **names))
    return pd.concat(parts, ignore_index=True)


def with_and_without(
    scores: Mapping[str, ArrayLike],
    left_out: ArrayLike,
    time_years: ArrayLike,
    event: ArrayLike,
    horizons_years: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    cause: int = 1,
    competing: str = "control",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """AUC with and without certain exams, such as those whose cancer came within a year.

    A cancer of the first year can be seen in the image. A model that sees it is credited for
    detection and not for risk, and the difference says with how much.

    Parameters
    ----------
    scores : mapping of model to array of float, shape (n,) or (n, n_horizons)
    left_out : array of bool, shape (n,)
        The exams in question. All other arrays hold all exams, these among them.
    time_years, event, horizons_years, patient_ids, sample_weight, bootstrap, cause, competing
        As in `auc_over_years`.
    confidence : float in (0, 1)

    Returns
    -------
    DataFrame
        The columns of `auc_over_years`, and `exams`: "with", "without", or "with minus without",
        which is paired. Counts are those of the exams behind the row.

    Raises
    ------
    ValueError
        As for `auc_over_years`.
    """
    rows = FollowUp.check(time_years, event, sample_weight)
    horizons = check_horizons(horizons_years)
    kept = ~check_flag(left_out, "left_out", len(rows.time))
    if not rows.weight[kept].any():
        raise ValueError("left_out leaves no exam of weight above 0")
    ids = check_patients(patient_ids, len(rows.time), rows.weight)
    part = FollowUp(rows.time[kept], rows.event[kept], rows.weight[kept])
    everyone = _Outcome(rows, horizons, ids, bootstrap, cause, competing)
    without = _Outcome(part, horizons, ids[kept], bootstrap, cause, competing)
    frames = []
    for model, score in scores.items():
        score = np.asarray(score)
        values = everyone.values(score), without.values(score[kept])
        drawn = everyone.replicates(score), without.replicates(score[kept])
        names = {"model": model, "minus": ""}
        for exams, outcome, value, of_value in (
            ("with", everyone, values[0], drawn[0]),
            ("without", without, values[1], drawn[1]),
            ("with minus without", everyone, values[0] - values[1], drawn[0] - drawn[1]),
        ):
            metric = "auc_difference" if "minus" in exams else "auc"
            frames.append(
                outcome.frame(metric, value, of_value, confidence, **names).assign(exams=exams)
            )
    return pd.concat(frames, ignore_index=True)


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What became of some women, against which any score is held."""

    rows: FollowUp
    horizons: NDArray[np.float64]
    ids: NDArray
    bootstrap: PatientBootstrap
    cause: int
    competing: str

    def values(self, score: ArrayLike) -> NDArray[np.float64]:
        """AUC by each horizon, shape (n_horizons,)."""
        time, event, weight = self.rows.time, self.rows.event, self.rows.weight
        parts = [
            cumulative_dynamic_auc(time, event, one, years, weight, self.cause, self.competing)
            for one, years in self._columns(score)
        ]
        return np.concatenate(parts)

    def replicates(self, score: ArrayLike) -> NDArray[np.float64]:
        """The same in every replicate, shape (n_replicates, n_horizons)."""
        rest = self.ids, self.rows.weight, self.bootstrap, self.cause, self.competing
        parts = [
            time_auc_replicates(self.rows.time, self.rows.event, one, years, *rest)
            for one, years in self._columns(score)
        ]
        return np.hstack(parts)

    def _columns(self, score: ArrayLike) -> list[tuple[NDArray, NDArray[np.float64]]]:
        """A score with all its horizons, or each of its columns with its own."""
        score = np.asarray(score)
        if score.ndim == 1:
            return [(score, self.horizons)]
        if score.shape != (len(self.rows.time), len(self.horizons)):
            raise ValueError(
                f"a score must have shape {(len(self.rows.time),)} or, with one column a horizon, "
                f"{(len(self.rows.time), len(self.horizons))}, not {score.shape}"
            )
        return list(zip(score.T, self.horizons[:, None], strict=True))

    def frame(
        self,
        metric: str,
        values: NDArray[np.float64],
        replicates: NDArray[np.float64],
        confidence: float,
        **names: str,
    ) -> pd.DataFrame:
        """One row a horizon with interval and counts."""
        limits = np.array([percentile_interval(column, confidence) for column in replicates.T])
        used = self.rows.weight > 0
        cancer = used & (self.rows.event == self.cause)
        return pd.DataFrame(
            {
                "metric": metric,
                **names,
                "horizon_years": self.horizons,
                "estimate": values,
                "ci_low": limits[:, 0],
                "ci_high": limits[:, 1],
                "n_exams": int(used.sum()),
                "n_patients": len(pd.unique(self.ids[used])),
                "n_events": [int((cancer & (self.rows.time <= h)).sum()) for h in self.horizons],
                "method": METHOD,
            }
        )
