"""How far each subgroup lies from everyone else, how much of that survives many looks, and how
large a gap would have had to be for this many women to show it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from mammolab.evaluate._against_rest import CellMetric, join_gaps, of_patients
from mammolab.evaluate.auc_bootstrap import auc_replicates
from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    check_patient_ids,
    check_probabilities,
    check_scores,
    check_weight,
)
from mammolab.evaluate.resampling import (
    PatientBootstrap,
    ratio_estimate,
    ratio_or_nan,
    sum_replicates,
)
from mammolab.evaluate.roc import auc
from mammolab.evaluate.subgroups import auc_by_subgroup, cells, share_by_subgroup, subgroup_table

# Where a replicate's few cancers outrank everyone, the index would be infinite (assumption).
_AREAS = (0.002, 0.998)


def auc_gaps(
    score: ArrayLike,
    label: ArrayLike,
    subgroups: Mapping[str, ArrayLike],
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    intersections: Sequence[Sequence[str]] = (),
    minimum_patients: int = 20,
    minimum_events: int = 10,
    gap_of_interest: float = 0.05,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """AUC inside each cell minus AUC among everyone else.

    A low AUC means that the score ranks the cancers of the cell badly among the healthy women of
    the same cell, so a threshold common to all may fail her group or flood it.

    Parameters
    ----------
    score, label, subgroups, patient_ids, sample_weight, bootstrap, intersections
        As for `subgroups.auc_by_subgroup`; the events are the cancers.
    minimum_patients, minimum_events : int
        Asked of the cell and of the rest.
    gap_of_interest : float
        The true gap, above 0, that the column `power` is about.
    confidence : float in (0, 1)
        Of both intervals, and 1 - the level of the tests.

    Returns
    -------
    DataFrame
        The rows and columns of `subgroups.auc_by_subgroup`, then

        - rest : the metric among everyone else;
        - gap : estimate - rest, with the limits gap_low, gap_high for it alone (percentiles);
        - simultaneous_low, simultaneous_high : limits that hold for all cells of the table at once;
        - standard_error : of the gap, on the scale of the test (see below);
        - p_value, p_adjusted : two-sided, alone and max-T over all cells of the table;
        - detectable_gap : the smallest true shortfall that would survive the adjustment in 80% of
          studies like this one, above 0;
        - power : the chance that a true shortfall of `gap_of_interest` would survive it;
        - gap_reason : empty where there is a gap, else why not; the columns above are then NaN.

    Raises
    ------
    ValueError
        If gap_of_interest is not above 0, or as `subgroups.subgroup_table`.

    Notes
    -----
    Cell and rest come from the same replicates. One in which the gap of any cell is undefined is
    left out for all, so that the others stay joint; a cell undefined in more than
    `resampling.MAX_UNDEFINED_SHARE` of them is left out itself.

    With critical value c and standard error s a gap of (c + z_.80) s is detectable, and one of g
    has the power Phi(g / s - c) + Phi(-g / s - c). Both take s as it is in this sample, and a gap
    named beforehand: power at the gap seen would only repeat the p-value (Hoenig and Heisey 2001).

    Gaps in AUC are tested on the scale of the detectability index, Phi^-1(AUC) = d' / sqrt 2, and
    all limits are brought back to AUC from that of the rest. A small cell that happens to rank well
    has a small standard error too: over 150 simulated studies without any gap (200 cancers, 25 or
    39 cells of at least 10) some cell survived on AUC's own scale in 15 or 27 of a hundred, always
    one that looked better, and on this scale in 3 or 2 (200 studies).

    References
    ----------
    Westfall and Young 1993, Resampling-Based Multiple Testing; Romano and Wolf 2005,
    doi:10.1198/016214504000000539 (max-T); Simpson and Fitter 1973, doi:10.1037/h0035203 (d' and
    the area); Hoenig and Heisey 2001, doi:10.1198/000313001300339897.
    """
    score, label, weight = check_scores(score, label, sample_weight)
    ids = check_patient_ids(patient_ids, len(score))
    bootstrap = of_patients(bootstrap, ids)
    sizes = {"minimum_patients": minimum_patients, "minimum_events": minimum_events}
    table = auc_by_subgroup(score, label, subgroups, ids, weight, bootstrap, intersections, **sizes)

    def replicates(groups: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.column_stack(
            [auc_replicates(score[g], label[g], ids[g], weight[g], bootstrap) for g in groups.T]
        )

    metric = CellMetric(
        value=lambda rows: auc(score[rows], label[rows], weight[rows]),
        replicates=replicates,
        patient_ids=ids,
        counted=weight > 0,
        needed={"cancers": label, "exams without cancer": ~label},
        scale=lambda area: norm.ppf(np.clip(area, *_AREAS)),
        unscale=norm.cdf,
    )
    rows_of = [cell for _, _, cell in cells(subgroups, intersections, len(score))]
    return join_gaps(table, rows_of, metric, gap_of_interest, confidence, **sizes)


def share_gaps(
    metric: str,
    event: ArrayLike,
    among: ArrayLike,
    subgroups: Mapping[str, ArrayLike],
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    intersections: Sequence[Sequence[str]] = (),
    minimum_patients: int = 20,
    minimum_events: int = 5,
    gap_of_interest: float = 0.05,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """A weighted share inside each cell minus that among everyone else.

    Parameters
    ----------
    metric, event, among, subgroups, patient_ids, sample_weight, bootstrap, intersections
        As for `subgroups.share_by_subgroup`; sensitivity is (recall, label), the cancers lost to
        triage (recall & ruled_out, label).
    minimum_patients : int
        In the denominator.
    minimum_events : int
        For a gap the cell and the rest need so many exams with the event and so many without: where
        all are alike, or nearly, the replicates hardly vary and would claim certainty. The share
        itself is given all the same, with an interval that is exact where all are alike. (At 5,
        some cell survived in 1 to 3 of a hundred simulated studies without a gap.)
    gap_of_interest, confidence
        As for `auc_gaps`.

    Returns
    -------
    DataFrame
        The rows and columns of `subgroups.share_by_subgroup`, then those of `auc_gaps`.
    """
    event = check_flag(event, "event")
    among = check_flag(among, "among", len(event))
    weight = check_weight(sample_weight, len(event))
    ids = check_patient_ids(patient_ids, len(event))
    bootstrap = of_patients(bootstrap, ids)
    table = share_by_subgroup(
        metric, event, among, subgroups, ids, weight, bootstrap, intersections, minimum_patients
    )
    name_of_kind = {"exams with the event": event & among, "exams without it": ~event & among}
    return join_gaps(
        table,
        [cell for _, _, cell in cells(subgroups, intersections, len(event))],
        _ratio(event & among, among, ids, weight, bootstrap, among, name_of_kind),
        gap_of_interest,
        confidence,
        minimum_patients,
        minimum_events,
    )


def calibration_gaps(
    probability: ArrayLike,
    label: ArrayLike,
    subgroups: Mapping[str, ArrayLike],
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    intersections: Sequence[Sequence[str]] = (),
    minimum_patients: int = 20,
    minimum_events: int = 10,
    gap_of_interest: float = float(np.log(1.5)),
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Cancers predicted over cancers observed inside each cell, against everyone else.

    Parameters
    ----------
    probability, label : array-like, shape (n_exams,)
        As for `reliability.expected_over_observed`.
    subgroups, patient_ids, sample_weight, bootstrap, intersections
    minimum_patients, minimum_events, gap_of_interest, confidence
        As for `auc_gaps`.

    Returns
    -------
    DataFrame
        As `auc_gaps` gives it. `estimate`, its interval and `rest` are ratios; the gap, its limits,
        standard_error, detectable_gap and gap_of_interest are differences of natural logarithms:
        exp(gap) is how many times higher the ratio is than among the rest. Above 0 the cell's risk
        is overestimated more.
    """
    probability, label, weight = check_probabilities(probability, label, sample_weight)
    ids = check_patient_ids(patient_ids, len(label))
    bootstrap = of_patients(bootstrap, ids)

    def estimate(rows: NDArray[np.bool_]) -> Estimate:
        return ratio_estimate(probability[rows], label[rows], ids[rows], weight[rows], bootstrap)

    sizes = {"minimum_patients": minimum_patients, "minimum_events": minimum_events}
    return join_gaps(
        subgroup_table(
            "expected_over_observed", estimate, label, subgroups, ids, intersections, **sizes
        ),
        [cell for _, _, cell in cells(subgroups, intersections, len(label))],
        _ratio(
            probability,
            label,
            ids,
            weight,
            bootstrap,
            np.ones_like(label),
            {"cancers": label},
            scale=np.log,
        ),
        gap_of_interest,
        confidence,
        **sizes,
    )


def _ratio(
    numerator: NDArray,
    denominator: NDArray,
    ids: NDArray,
    weight: NDArray[np.float64],
    bootstrap: PatientBootstrap,
    among: NDArray[np.bool_],
    needed: Mapping[str, NDArray[np.bool_]],
    scale: Callable = np.positive,
) -> CellMetric:
    """Return a ratio of weighted sums over the exams `among` as a metric of cells."""
    top, bottom = weight * numerator, weight * denominator

    def replicates(groups: NDArray[np.bool_]) -> NDArray[np.float64]:
        tops = sum_replicates(top[:, None] * groups, ids, bootstrap)
        return ratio_or_nan(tops, sum_replicates(bottom[:, None] * groups, ids, bootstrap))

    return CellMetric(
        value=lambda rows: float(top[rows].sum() / bottom[rows].sum()),
        replicates=replicates,
        patient_ids=ids,
        counted=among & (weight > 0),
        needed=needed,
        scale=scale,
    )
