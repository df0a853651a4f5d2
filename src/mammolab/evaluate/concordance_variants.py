"""Numbers that go by the name of a C-index, beside each other on the same women."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate._concordant_pairs import Pairs, beaten, beaten_replicates, share
from mammolab.evaluate._time_order import Replicates
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval

# What is computed -> what the weight of an event is divided by (_concordant_pairs.WEIGHTINGS).
_VARIANTS = {
    "Harrell": ("none", "1"),
    "Uno, G just before the event": ("censoring_before", "G(t-)²"),
    "Uno, G at the event": ("censoring_at", "G(t)²"),
    "event curve for G": ("event_at", "S(t)²"),
}


def concordance_variants(
    time_years: ArrayLike,
    event: ArrayLike,
    score: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    tau_years: float | None = None,
    cause: int = 1,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compute four estimators of concordance that differ in the weight of an event alone.

    Only the second estimates what is wanted whatever the censoring: `concordance.uno_c`. The others
    are here to show by how much they miss where the truth is known; report none of them as Uno's.

    Parameters
    ----------
    time_years, event, score, sample_weight, tau_years, cause
        As in `concordance.uno_c`; one row an exam, higher scores mean higher risk. `tau_years`
        cuts all four, so that they differ by nothing else.
    patient_ids : array-like of str, shape (n,)
    bootstrap : PatientBootstrap
        One for all four: their replicates are paired.
    confidence : float in (0, 1)

    Returns
    -------
    DataFrame
        One row an estimator: estimator, divided_by (the weight of an event at t), estimate,
        ci_low, ci_high, n_exams, n_events, reason (empty where there is an estimate).

        - "Harrell": no weights; each pair that censoring happened to leave comparable counts once.
        - "Uno, G just before the event": 1 / G(t-)^2, G the curve of censoring.
        - "Uno, G at the event": G right-continuous, as scikit-survival has it. Without ties it is
          the same; with yearly times those censored in the event's own year are taken off first,
          which is harmless only while the same share leaves each year, and where nobody is left
          (G = 0) it does not exist.
        - "event curve for G": 1 / S(t)^2, S the event-free curve: Kaplan-Meier fitted to the event
          flag where the censoring flag belongs, as in the public code of two image-based risk
          models. With few events S stays near 1, and it is Harrell's C in all but name.

    Raises
    ------
    ValueError
        As for `concordance.uno_c`.

    References
    ----------
    Harrell et al. 1982, doi:10.1001/jama.1982.03320430047030; Uno et al. 2011,
    doi:10.1002/sim.4154
    """
    pairs = Pairs.make(time_years, event, score, sample_weight, cause, tau_years)
    once = Replicates.once(len(pairs.score))
    drawn = Replicates.of(pairs.weight, patient_ids, bootstrap)
    won, won_drawn = beaten(pairs)[:, None], beaten_replicates(pairs, drawn)
    used = pairs.weight > 0
    rows = []
    for name, (weighting, divided_by) in _VARIANTS.items():
        value = float(_concordance(pairs, once, won, weighting)[0])
        low, high = np.nan, np.nan
        reason = ""
        if np.isnan(value):
            reason = "no comparable pair"
            if pairs.weights(once, "none")[1].any():
                reason = "the curve is 0 at an event that somebody outlives"
        else:
            low, high = percentile_interval(
                _concordance(pairs, drawn, won_drawn, weighting), confidence
            )
        rows.append(
            {
                "estimator": name,
                "divided_by": divided_by,
                "estimate": value,
                "ci_low": low,
                "ci_high": high,
                "n_exams": int(used.sum()),
                "n_events": int(used[pairs.events].sum()),
                "reason": reason,
            }
        )
    return pd.DataFrame(rows)


def _concordance(
    pairs: Pairs, replicates: Replicates, won: NDArray, weighting: str
) -> NDArray[np.float64]:
    """One estimator in every replicate, shape (n_replicates,)."""
    own, comparable = pairs.weights(replicates, weighting)
    return share(own, won, comparable)
