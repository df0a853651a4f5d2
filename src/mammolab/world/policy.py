"""What buckets of risk are for: MRI for some women, longer intervals for others, and whom to pick.

A `Policy` says who gets what; `replay` lives the years after each exam under it, with the same
draws under every policy, and here the policies are set side by side. All of it is simulation under
the assumptions of the world and of parameters_policy.py: no figure is a clinical finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_inside, check_patients, check_vector, check_weight
from mammolab.evaluate.resampling import (
    PatientBootstrap,
    percentile_interval,
    ratio_or_nan,
    sum_replicates,
)
from mammolab.world import parameters as p

NOBODY = 0.0
MINIMAL_MM, LARGE_MM = 10.0, 20.0  # a minimal invasive cancer; T2 and more of the TNM stages
MEASURES = {
    "cancers": "found within the horizon, in any way",
    "found_by_screen": "found at a mammogram",
    "found_by_mri": "found by MRI after a mammogram that showed nothing",
    "interval_cancers": "come to light by symptoms after a screen that showed nothing",
    "found_earlier": "found under the reference within the horizon, and sooner here",
    "found_later": "found under the reference within the horizon, and later here or not by then",
    "years_earlier": "woman-years gained by these two, counted up to the horizon",
    "found_ahead": "not found under the reference within the horizon: to come later, or never",
    "up_to_10_mm": "invasive and at most 10 mm when found",
    "over_20_mm": "invasive and above 20 mm when found",
    "never_surface": "would never have caused symptoms in her life: overdiagnosed",
    "mammograms": "screening mammograms",
    "mri": "MRI examinations",
    "examinations": "both together",
    "false_recalls": "recalls that have nothing to do with a cancer, expected",
}


@dataclass(frozen=True, eq=False)
class Policy:
    """Who gets MRI beside her mammograms, and who is to come less often.

    Attributes
    ----------
    mri, longer : float, or float [n_exams]
        Probability, 0 to 1, that MRI is done and that the interval is made longer; drawn once for
        each exam and replay. 1 is certain; 0.6 is an offer that six in ten take up; 0.1 for all is
        one woman in ten picked at random.
    longer_years : float
        Interval in years that those are asked to keep; who comes less often anyway goes on as she
        does.
    mri_at_once : bool
        The first MRI is done right after the exam, else at the next screen.
    """

    mri: ArrayLike = NOBODY
    longer: ArrayLike = NOBODY
    longer_years: float = 2.0
    mri_at_once: bool = True


@dataclass(frozen=True)
class Mri:
    """What MRI finds and whom it recalls in vain; see parameters_policy.py.

    Attributes
    ----------
    detection : by "invasive" and "dcis": size in mm at half of the ceiling, slope (logit per
        log(size)), ceiling (probability).
    false_positive_first, false_positive_later : probability.
    """

    detection: Mapping[str, tuple[float, float, float]] = field(
        default_factory=lambda: dict(p.MRI_DETECTION.value)
    )
    false_positive_first: float = p.MRI_FALSE_POSITIVES.value["first"]
    false_positive_later: float = p.MRI_FALSE_POSITIVES.value["later"]


def highest(risk: ArrayLike, sample_weight: ArrayLike | None, share: float) -> NDArray[np.float64]:
    """Pick the exams of the highest risk that make up a share of the weight.

    Parameters
    ----------
    risk : array-like of float, shape (n_exams,)
    sample_weight : array-like of float, shape (n_exams,), or None
    share : float in (0, 1)
        Of all women screened, not of the sample.

    Returns
    -------
    ndarray of float, shape (n_exams,)
        1 = picked, 0 = not; exams tied at the border are picked in part, all alike, so that the
        share is met exactly: probabilities, as `Policy` takes them.

    Examples
    --------
    >>> highest([0.1, 0.3, 0.2, 0.2], None, 0.5).tolist()
    [0.0, 1.0, 0.5, 0.5]
    """
    risk = check_vector(risk, "risk")
    weight = check_weight(sample_weight, len(risk))
    check_inside(share, "share", 0, 1)
    _, level = np.unique(-risk, return_inverse=True)  # 0 is the highest risk
    held = np.bincount(level, weight)
    above = np.cumsum(held) - held
    left = share * weight.sum() - above
    picked = np.clip(np.divide(left, held, out=np.zeros_like(held), where=held > 0), 0, 1)
    return picked[level]


def lowest(risk: ArrayLike, sample_weight: ArrayLike | None, share: float) -> NDArray[np.float64]:
    """Pick the exams of the lowest risk that make up a share of the weight; see `highest`."""
    return highest(-check_vector(risk, "risk"), sample_weight, share)


def policy_table(
    replays: Mapping[str, pd.DataFrame],
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None,
    bootstrap: PatientBootstrap,
    reference: str,
    horizon_years: float = 5.0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Set policies side by side: what each finds, misses and costs, and against the reference.

    Parameters
    ----------
    replays : mapping of policy to DataFrame
        Results of `replay` on the same exams with the same seed, horizon and number of replays.
    patient_ids : array-like of str, shape (n_exams,)
    sample_weight : array-like of float, shape (n_exams,), or None
    bootstrap : PatientBootstrap
    reference : str
        A name among the replays, such as usual care.
    horizon_years : float
        As in `replay`.

    Returns
    -------
    DataFrame
        policy, measure (the keys of `MEASURES`), estimate, ci_low, ci_high (per 1,000 women over
        the horizon), difference, difference_low, difference_high (policy less reference, paired by
        woman and by draw).

    Raises
    ------
    InputError
        If the reference is not among the replays, or two replays differ in their rows.

    Notes
    -----
    The intervals are over women: who is in the sample. The replays of an exam are averaged first;
    more of them take away the chance of the draws. Whom a policy picks is held fixed, and so are
    the assumptions of the simulation, which no interval covers. Where nobody in the sample differs,
    the interval is a point and says nothing of rarer events. Where exams without a cancer within the
    horizon are sampled, `found_ahead`, `never_surface` and sizes rest on a few women of large weight:
    their intervals are too short, and larger cohorts (which need no pixels) serve better.
    """
    if reference not in replays:
        raise InputError(f"there is no replay {reference!r}; there are {', '.join(replays)}")
    of_reference = replays[reference]
    n_exams = len(np.asarray(patient_ids))
    weight = check_weight(sample_weight, n_exams)
    ids = check_patients(patient_ids, n_exams, weight)
    keys = of_reference[["exam_id", "replay"]].to_numpy()
    base = _values(of_reference, of_reference, n_exams, horizon_years)
    everyone = sum_replicates(weight, ids, bootstrap)

    def per_1000(values: NDArray) -> tuple[NDArray, NDArray]:
        top = sum_replicates(weight[:, None] * values, ids, bootstrap)
        value = 1000 * weight @ values / weight.sum()
        return value, 1000 * ratio_or_nan(top, np.broadcast_to(everyone[:, None], top.shape))

    rows = []
    for name, result in replays.items():
        if len(result) != len(keys) or (result[["exam_id", "replay"]].to_numpy() != keys).any():
            raise InputError(f"the replay {name!r} has other exams than {reference!r}")
        values = _values(result, of_reference, n_exams, horizon_years)
        level, level_drawn = per_1000(values)
        change, change_drawn = per_1000(values - base)
        for k, measure in enumerate(MEASURES):
            low, high = percentile_interval(level_drawn[:, k], confidence)
            change_low, change_high = percentile_interval(change_drawn[:, k], confidence)
            rows.append((name, measure, level[k], low, high, change[k], change_low, change_high))
    return pd.DataFrame(
        rows,
        columns=[
            "policy", "measure", "estimate", "ci_low", "ci_high",
            "difference", "difference_low", "difference_high",
        ],
    )  # fmt: skip


def trade_off(table: pd.DataFrame, cost: str, gain: str, fewer_is_gain: bool) -> pd.DataFrame:
    """Lay out two measures of `policy_table` for `plots_policy.trade_off`, one row a policy.

    Parameters
    ----------
    table : result of `policy_table`.
    cost, gain : names of measures; their differences against the reference are taken.
    fewer_is_gain : bool
        Turn the sign of the gain: interval cancers avoided.

    Returns
    -------
    DataFrame
        policy, cost, cost_low, cost_high, gain, gain_low, gain_high, per 1,000 women; the reference,
        whose differences are all 0, is left out.
    """
    unknown = [name for name in (cost, gain) if name not in set(table["measure"])]
    if unknown:
        raise InputError(f"there is no measure {unknown[0]!r}; there are {', '.join(MEASURES)}")
    columns = ["difference", "difference_low", "difference_high"]
    by_policy = table.set_index(["measure", "policy"])[columns]
    x, y = by_policy.loc[cost], by_policy.loc[gain]
    if fewer_is_gain:
        y = -y[["difference", "difference_high", "difference_low"]]
    x.columns = ["cost", "cost_low", "cost_high"]
    y.columns = ["gain", "gain_low", "gain_high"]
    changed = table.groupby("policy")["difference"].agg(lambda values: (values != 0).any())
    laid_out = x.join(y).reset_index()
    return laid_out[laid_out["policy"].map(changed)].reset_index(drop=True)


def _values(
    result: pd.DataFrame, reference: pd.DataFrame, n_exams: int, horizon_years: float
) -> NDArray[np.float64]:
    """The measures of each exam, averaged over its replays, shape (n_exams, n_measures)."""
    found = result["found"].to_numpy()
    size, invasive = result["size_mm"].to_numpy(), result["invasive"].to_numpy()
    at = np.where(found == "none", np.inf, result["found_at_years"])
    before = np.where(reference["found"] == "none", np.inf, reference["found_at_years"])
    known = before < np.inf
    # those that the reference does not find have no time to compare with
    gained = np.where(known, before, 0.0) - np.where(known, np.minimum(at, horizon_years), 0.0)
    values = {
        "cancers": found != "none",
        "found_by_screen": found == "screen",
        "found_by_mri": found == "mri",
        "interval_cancers": found == "symptoms",
        "found_earlier": known & (at < before),
        "found_later": before < at,
        "years_earlier": gained,
        "found_ahead": ~known & (at < np.inf),
        "up_to_10_mm": invasive & (size <= MINIMAL_MM),
        "over_20_mm": invasive & (size > LARGE_MM),
        "never_surface": (found != "none") & ~result["would_surface"].to_numpy(),
        "mammograms": result["n_mammograms"],
        "mri": result["n_mri"],
        "examinations": result["n_mammograms"] + result["n_mri"],
        "false_recalls": result["n_recalls_false"],
    }
    if list(values) != list(MEASURES) or len(found) % n_exams:
        raise InputError(f"{len(found)} rows of a replay do not fit {n_exams} exams")
    stacked = np.column_stack([np.asarray(values[name], float) for name in MEASURES])
    return stacked.reshape(n_exams, -1, len(MEASURES)).mean(axis=1)
