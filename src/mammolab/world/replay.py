"""The years after an exam lived again under a policy: which screen, MRI or symptom finds a cancer.

A woman's life, her cancers and their growth are those of the truth; what later screens see is drawn
anew, by the same streams under every policy, so that two policies differ by what they do and by no
luck. A visit that a longer interval leaves out is left out of the visits she would have made.

Assumptions beside those of the world. Later pictures do not exist: what shows in them follows the
formula of `percept`, with the scatter that a lesion keeps. A reader drawn from the whole panel, with
prior films, reads each. She comes by her habit, or at a fixed interval, until she lapses or is 75,
and is screened on wherever she goes. A false recall has the chance that it had at the exam, with a
prior film. MRI is done where the mammogram of that visit found no cancer; it needs only size (`Mri`),
and errs anew each time. A recall of a cancer finds it on the day. Nothing is known of MRI before
the exam. The group a woman is put in at the exam stays hers up to the horizon.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from mammolab.errors import InputError
from mammolab.world import parameters as p
from mammolab.world import people, percept, readers
from mammolab.world.attendance import (
    DAYS_PER_YEAR,
    EPOCH,
    later_visits,
    to_date,
    visits_kept,
)
from mammolab.world.counterfactual import sizes_at
from mammolab.world.policy import Mri, Policy
from mammolab.world.sight import lasting
from mammolab.world.streams import stream
from mammolab.world.vendors import vendor_key

COLUMNS = ("exam_id", "patient_id", "exam_date", "device")
FOUND = ("none", "screen", "mri", "symptoms")
_KINDS = ("invasive", "dcis")


def replay(
    exams: pd.DataFrame,
    truth_women: pd.DataFrame,
    truth_exams: pd.DataFrame,
    policy: Policy,
    seed: int,
    horizon_years: float = 5.0,
    every_years: float | None = None,
    n_replays: int = 1,
    mri: Mri | None = None,
) -> pd.DataFrame:
    """Live the years after each exam under a policy.

    Parameters
    ----------
    exams : DataFrame, n_exams rows
        exam_id, patient_id, exam_date, device. Exams read as healthy; not chosen by what was found
        later, or the policy is judged on other women than it meets.
    truth_women, truth_exams : tables of those names.
    policy : Policy
    seed : int
        Seed of the draws. The first exams' do not depend on those after them.
    horizon_years : float
    every_years : float, optional
        Usual interval of all women; without it each keeps her own habit.
    n_replays : int
        Replays of each exam, to average the draws away.
    mri : Mri, optional
        Without it, the assumptions of parameters_policy.py.

    Returns
    -------
    DataFrame, n_exams * n_replays rows, by exam and replay
        exam_id, patient_id, replay; `found` (screen, mri, symptoms, none), `found_at_years` (from
        the exam) and `size_mm` (NaN where none; the extent of a DCIS), `invasive` and
        `would_surface` (flags; whether it would have caused symptoms before she died of something
        else), `n_mammograms` and `n_mri` after the exam (whole numbers), `n_recalls_false`
        (expected number).

    Raises
    ------
    InputError
        If a column is missing, an exam or a woman is not in the truth, an exam is there twice, a
        number is out of range or a probability of the policy outside 0 to 1.

    Notes
    -----
    Where the truth says that this exam found her cancer, or that she had one before, nothing is
    left to find (the hospital may not know of it).
    """
    if not policy.longer_years > 0:
        raise InputError(f"longer_years must be above 0, not {policy.longer_years}")
    mri = mri or Mri()
    women, state = _check(exams, truth_women, truth_exams, horizon_years, every_years, n_replays)
    n = len(exams)
    age = _age(exams, women)
    takes_mri, comes_less = (
        stream(seed, f"policy {name}").random((n, n_replays))
        < _probability(getattr(policy, name), name, n)[:, None]
        for name in ("mri", "longer")
    )
    times = later_visits(women, age, n_replays, horizon_years, every_years, seed)
    made = visits_kept(times, comes_less, policy.longer_years)
    treated = (state["detected"] | state["after_diagnosis"]).to_numpy(bool)
    surfaces = _surfacing(women, age, treated)
    dies = women["other_death_age"].to_numpy() - age
    made &= times < np.minimum(np.minimum(*surfaces.values()), dies)[:, None, None]
    with_mri = made & takes_mri[:, :, None]
    with_mri[..., 0] &= policy.mri_at_once

    finds = _screen_finds(exams, women, age, times, made & ~treated[:, None, None], seed)
    finds |= _mri_finds(women, age, times, with_mri & ~treated[:, None, None], seed, mri)
    result = _first_found(finds, women, age, times, surfaces, dies, horizon_years)
    result.insert(0, "exam_id", np.repeat(exams["exam_id"].to_numpy(), n_replays))
    result.insert(1, "patient_id", np.repeat(exams["patient_id"].to_numpy(), n_replays))
    result.insert(2, "replay", np.tile(np.arange(n_replays), n))
    return result.assign(**_examinations(result, times, made, with_mri, state, mri))


def _check(
    exams: pd.DataFrame,
    truth_women: pd.DataFrame,
    truth_exams: pd.DataFrame,
    horizon_years: float,
    every_years: float | None,
    n_replays: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the two truths for each exam, once all that is given has been found right."""
    missing = [name for name in COLUMNS if name not in exams]
    if missing:
        raise InputError(f"exams lack the column(s) {', '.join(missing)}")
    if exams.empty:
        raise InputError("there is no exam to replay")
    for name, value in (("horizon_years", horizon_years), ("every_years", every_years)):
        if value is not None and not 0 < value < np.inf:
            raise InputError(f"{name} must be above 0, not {value}")
    if n_replays < 1:
        raise InputError(f"n_replays must be at least 1, not {n_replays}")
    for key, truth, what in (
        ("patient_id", truth_women, "women"),
        ("exam_id", truth_exams, "exams"),
    ):
        unknown = exams.loc[~exams[key].isin(truth[key]), key]
        if len(unknown):
            raise InputError(
                f"{len(unknown)} {what} are not in the truth, first: {unknown.iloc[0]}"
            )
    twice = exams.loc[exams["exam_id"].duplicated(), "exam_id"]
    if len(twice):
        raise InputError(f"{len(twice)} exams are there twice, first: {twice.iloc[0]}")
    return (
        truth_women.set_index("patient_id").loc[exams["patient_id"]],
        truth_exams.set_index("exam_id").loc[exams["exam_id"]],
    )


def _probability(given: ArrayLike, name: str, n: int) -> NDArray[np.float64]:
    values = np.asarray(given, dtype=float)
    if values.shape not in ((), (n,)):
        raise InputError(f"policy {name} has shape {values.shape} for {n} exams")
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"policy {name} must hold probabilities from 0 to 1")
    return np.broadcast_to(values, n)


def _age(exams: pd.DataFrame, women: pd.DataFrame) -> NDArray[np.float64]:
    date = pd.to_datetime(exams["exam_date"]).to_numpy()
    time = (date - EPOCH) / np.timedelta64(1, "D") / DAYS_PER_YEAR
    return time - women["birth_time"].to_numpy()


def _surfacing(women: pd.DataFrame, age: NDArray, treated: NDArray) -> dict[str, NDArray]:
    """Years from the exam to symptoms of each cancer; inf = never, or treated before."""
    dcis = np.where(women["dcis_symptomatic"], women["dcis_end_age"], np.inf)
    ages = {"invasive": women["surfacing_age"].to_numpy(), "dcis": dcis}
    return {name: np.where(treated, np.inf, ages[name] - age) for name in _KINDS}


def _visible(
    women: pd.DataFrame, age: NDArray, times: NDArray, looked_at: NDArray[np.bool_], name: str
) -> tuple[tuple[NDArray, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Visits (as indices) at which a lesion is large enough to show, its size in mm, her age."""
    ever = np.isfinite(women["surfacing_age" if name == "invasive" else "dcis_onset_age"])
    at = np.nonzero(looked_at & ever.to_numpy()[:, None, None])
    then = age[at[0]] + times[at]
    size = sizes_at(women.iloc[at[0]], then)[name]
    large = size >= p.SMALLEST_VISIBLE.value
    return tuple(index[large] for index in at), size[large], then[large]


def _screen_finds(
    exams: pd.DataFrame, women: pd.DataFrame, age: NDArray, times: NDArray, made: NDArray, seed: int
) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """Where a mammogram finds each kind of lesion: {("screen", kind): bool (n, replays, visits)}."""
    made = made.copy()
    made[..., 0] = False  # it has been read
    effect = stream(seed, "policy reader").standard_normal(times.shape)
    effect *= p.READER_SENSITIVITY_SD.value
    found = {}
    for name in _KINDS:
        at, size, then = _visible(women, age, times, made, name)
        hers = women.iloc[at[0]]
        kind = hers[f"{name}_kind"].to_numpy(object)
        latent = people.latent_density(hers["density_at_57"].to_numpy(), then)
        vendor = vendor_key(
            exams["device"].to_numpy(object)[at[0]], to_date(hers["birth_time"].to_numpy() + then)
        )
        fresh = stream(seed, f"policy {name} stands out").standard_normal(times.shape)[at]
        seen = percept.log_cnr(kind, size, latent, hers[f"{name}_contrast"].to_numpy(), vendor)
        seen += percept.scatter(kind, lasting(hers[f"{name}_seed"].to_numpy()), fresh)
        seen = np.maximum(seen, np.log(percept.LEAST_CNR))
        plain = readers.percept(kind, size, latent, seen)
        chance = readers.detection_probability(plain, np.ones(len(size), bool), effect[at], 0.0)
        found["screen", name] = np.zeros(times.shape, bool)
        drawn = stream(seed, f"policy {name} seen").random(times.shape)[at]
        found["screen", name][at] = drawn < chance
    return found


def _mri_finds(
    women: pd.DataFrame, age: NDArray, times: NDArray, done: NDArray, seed: int, mri: Mri
) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """As `_screen_finds`, by MRI, were it done whatever the mammogram shows."""
    found = {}
    for name in _KINDS:
        at, size, _ = _visible(women, age, times, done, name)
        half_mm, slope, ceiling = mri.detection[name]
        chance = ceiling * expit(slope * np.log(size / half_mm))
        found["mri", name] = np.zeros(times.shape, bool)
        drawn = stream(seed, f"policy {name} enhances").random(times.shape)[at]
        found["mri", name][at] = drawn < chance
    return found


def _first_found(
    finds: dict[tuple[str, str], NDArray],
    women: pd.DataFrame,
    age: NDArray,
    times: NDArray,
    surfaces: dict[str, NDArray],
    dies: NDArray,
    horizon_years: float,
) -> pd.DataFrame:
    """What comes first: a visit that finds a cancer, or symptoms; one row an exam and replay."""
    n, n_replays, _ = times.shape
    woman = np.repeat(np.arange(n), n_replays)
    symptoms = np.minimum(*surfaces.values())
    comes = (symptoms <= horizon_years) & (symptoms < dies)
    found = np.where(comes, "symptoms", "none").astype(object)[woman]
    at = np.where(comes, symptoms, np.nan)[woman]
    invasive = (comes & (surfaces["invasive"] <= surfaces["dcis"]))[woman]

    by = {how: finds[how, "invasive"] | finds[how, "dcis"] for how in ("screen", "mri")}
    anything = by["screen"] | by["mri"]
    exam, number = np.nonzero(anything.any(axis=-1))
    visit = anything.argmax(axis=-1)[exam, number]
    row, place = exam * n_replays + number, (exam, number, visit)
    at[row] = times[place]
    found[row] = np.where(by["screen"][place], "screen", "mri")
    invasive[row] = np.where(
        by["screen"][place], finds["screen", "invasive"][place], finds["mri", "invasive"][place]
    )

    size, would_surface = np.full(len(woman), np.nan), np.zeros(len(woman), bool)
    for name in _KINDS:
        rows = np.flatnonzero((found != "none") & (invasive == (name == "invasive")))
        hers = women.iloc[woman[rows]]
        final = hers["surfacing_diameter_mm" if name == "invasive" else "dcis_extent_mm"]
        then = sizes_at(hers, age[woman[rows]] + at[rows])[name]
        size[rows] = np.where(found[rows] == "symptoms", final, then)
        would_surface[rows] = surfaces[name][woman[rows]] < dies[woman[rows]]
    return pd.DataFrame(
        {
            "found": found,
            "found_at_years": at,
            "size_mm": size,
            "invasive": invasive,
            "would_surface": would_surface,
        }
    )


def _examinations(
    result: pd.DataFrame,
    times: NDArray,
    made: NDArray,
    with_mri: NDArray,
    state: pd.DataFrame,
    mri: Mri,
) -> dict[str, NDArray]:
    """How many examinations of each kind are made up to the finding, and what they recall in vain."""
    shape = times.shape[:2]
    until = result["found_at_years"].fillna(np.inf).to_numpy().reshape(shape)[:, :, None]
    by_mri = (result["found"] == "mri").to_numpy().reshape(shape)[:, :, None]
    made = made.copy()
    made[..., 0] = False
    vain = made & (times < until)
    vain_mri = with_mri & (times < until)
    n_vain_mri = vain_mri.sum(axis=-1)
    first = n_vain_mri > 0
    log_odds = logit(state["false_positive_probability"].to_numpy())
    no_prior = ~state["has_prior"].to_numpy(bool)
    chance = expit(log_odds + p.PRIOR_FILM_LOG_ODDS.value * no_prior)
    recalls = vain.sum(axis=-1) * chance[:, None]
    recalls += mri.false_positive_first * first + mri.false_positive_later * (n_vain_mri - first)
    done_mri = vain_mri | (with_mri & (times == until) & by_mri)
    return {
        "n_mammograms": (made & (times <= until)).sum(axis=-1).ravel(),
        "n_mri": done_mri.sum(axis=-1).ravel(),
        "n_recalls_false": recalls.ravel(),
    }
