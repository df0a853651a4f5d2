"""What any model could know of a woman's five-year risk, and the best AUC that this allows.

The world knows each woman's hazard, and whether a cancer is already in the breast at the exam.
Read by the truth column alone, never by what trains or selects. What a score is made of:
`score_truth`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_vector, check_weight
from mammolab.evaluate.horizons import cumulative_dynamic_auc, time_auc_replicates
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval
from mammolab.evaluate.roc import auc
from mammolab.world import disease
from mammolab.world.targets_risk import HORIZON_YEARS, KNOWN_TO_IMAGE_MODEL

EXAM_COLUMNS = ("exam_id", "patient_id", "age_years", "time_years", "event", "sampling_weight")
# What a model may know -> the parts of the log relative risk; None: all, planted factors too.
KNOWN = {
    "everything": None,
    "with_image": KNOWN_TO_IMAGE_MODEL,
    "image_alone": ("density", "image"),
    "density": ("density",),
    "texture": ("image",),
    "clinical": ("clinical",),
    "age": (),
}


def exam_truth(
    exams: pd.DataFrame, truth_exams: pd.DataFrame, truth_women: pd.DataFrame
) -> pd.DataFrame:
    """Look up what is true at each exam: her risk by what one knows, and what the image shows.

    Parameters
    ----------
    exams : DataFrame, n rows
        exam_id, patient_id, age_years, time_years, event, sampling_weight.
    truth_exams, truth_women : tables of those names.

    Returns
    -------
    DataFrame, rows as `exams`
        The columns named above; `risk_<known>` (probability of a first cancer setting in within
        five years, by what one knows, the keys of `KNOWN`); `latent_density` and `texture` (SD);
        `lesion_there` (bool, a cancer of at least `parameters.SMALLEST_VISIBLE`) and `lesion_mm`
        (the larger of the two kinds; 0 = none).

    Raises
    ------
    InputError
        If a column is missing, or an exam or a woman is not in the truth.

    Notes
    -----
    The risk counts cancers that set in, DCIS among them that may never be found: it is above the
    share diagnosed, but orders women alike. It knows of no lesion: a score that sees one can do
    better than "everything" here.
    """
    missing = [name for name in EXAM_COLUMNS if name not in exams]
    if missing:
        raise InputError(f"exams lack the column(s) {', '.join(missing)}")
    for key, truth, what in (
        ("patient_id", truth_women, "women"),
        ("exam_id", truth_exams, "exams"),
    ):
        unknown = exams.loc[~exams[key].isin(truth[key]), key]
        if len(unknown):
            raise InputError(
                f"{len(unknown)} {what} are not in the truth, first: {unknown.iloc[0]}"
            )
    at = truth_exams.set_index("exam_id").loc[exams["exam_id"]]
    hers = truth_women.set_index("patient_id").loc[exams["patient_id"]]
    size_mm = np.maximum(at["invasive_mm"], at["dcis_mm"]).to_numpy()
    there = at["cancer_present"].to_numpy(bool)
    known = {
        f"risk_{name}": disease.risk_of_cancer(
            exams["age_years"].to_numpy(float),
            HORIZON_YEARS,
            np.exp(sum(hers[f"log_rr_{part}"].to_numpy() for part in parts) + np.zeros(len(hers))),
            hers["race_ethnicity"].to_numpy(object),
        )
        for name, parts in KNOWN.items()
        if parts is not None
    }
    return exams[list(EXAM_COLUMNS)].assign(
        risk_everything=at["risk_5y_true"].to_numpy(),
        **known,
        latent_density=at["latent_density"].to_numpy(),
        texture=at["texture"].to_numpy(),
        lesion_there=there,
        lesion_mm=np.where(there, size_mm, 0.0),
    )


def best_auc(
    truth: pd.DataFrame, horizons_years: Sequence[float], bootstrap: PatientBootstrap
) -> pd.DataFrame:
    """AUC of ranking these women by their true risk, and by those parts of it that one may know.

    Parameters
    ----------
    truth : result of `exam_truth`.
    horizons_years : horizons in years, each within follow-up.
    bootstrap : PatientBootstrap
        That of the chapter: differences to its models are then paired.

    Returns
    -------
    DataFrame
        known, horizon_years, estimate, ci_low, ci_high, expected. `known`: a key of `KNOWN` ("age":
        age and race alone, which all the others know too), or "everything_and_lesions": who has a
        lesion that leaves a trace comes first, by its size, then all others by risk; no exact
        optimum, but what seeing every lesion would add. `estimate`: by IPCW on the outcomes as
        recorded, as the chapter has it for its models. `expected`: `expected_auc` of the same
        ranking, free of the luck of these outcomes (NaN with lesions, which it does not know).
    """
    scores = {name: truth[f"risk_{name}"].to_numpy() for name in KNOWN}
    lesion_mm = truth["lesion_mm"].to_numpy()
    scores["everything_and_lesions"] = scores["everything"] + lesion_mm
    rows = []
    for name, score in scores.items():
        values, replicates = auc_with_replicates(truth, score, horizons_years, bootstrap)
        expected = np.nan
        if name in KNOWN:
            expected = expected_auc(score, scores["everything"], truth["sampling_weight"])
        for horizon, value, drawn in zip(horizons_years, values, replicates.T, strict=True):
            rows.append((name, horizon, value, *percentile_interval(drawn), expected))
    columns = ["known", "horizon_years", "estimate", "ci_low", "ci_high", "expected"]
    return pd.DataFrame(rows, columns=columns)


def expected_auc(score: ArrayLike, risk: ArrayLike, sample_weight: ArrayLike | None) -> float:
    """AUC of a score in expectation, where each woman gets cancer with her own known risk.

    Parameters
    ----------
    score : array-like of float, shape (n,)
        Higher means more risk; it knows the women and not their outcomes.
    risk : array-like of float, shape (n,)
        True probability of the event.
    sample_weight : array-like of float, shape (n,), or None

    Returns
    -------
    float
        Each woman is a case with weight risk and a control with 1 - risk; a pair of a woman with
        herself is left out. No score exceeds that of the risk itself (Neyman and Pearson).
    """
    score = check_vector(score, "score")
    risk = check_vector(risk, "risk", len(score))
    weight = check_weight(sample_weight, len(score))
    if (risk < 0).any() or (risk > 1).any():
        raise InputError("risk must hold probabilities from 0 to 1")
    cases, controls = weight * risk, weight * (1 - risk)
    label = np.repeat([True, False], len(score))
    among_all = auc(np.tile(score, 2), label, np.concatenate([cases, controls]))
    with_herself, pairs = cases @ controls, cases.sum() * controls.sum()
    return float((among_all * pairs - with_herself / 2) / (pairs - with_herself))


def auc_with_replicates(
    truth: pd.DataFrame,
    score: NDArray,
    horizons_years: Sequence[float],
    bootstrap: PatientBootstrap,
) -> tuple[NDArray, NDArray]:
    """Return the AUC by each horizon, (n_horizons,), and replicates, (n_replicates, n_horizons)."""
    time, event, weight = truth["time_years"], truth["event"], truth["sampling_weight"]
    value = cumulative_dynamic_auc(time, event, score, horizons_years, weight)
    ids = truth["patient_id"]
    return value, time_auc_replicates(time, event, score, horizons_years, ids, weight, bootstrap)
