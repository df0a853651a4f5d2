"""Radiologists: what they see, whom they recall, and what a recall leads to."""

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.special import expit, logit, ndtri

from mammolab.world import parameters as p
from mammolab.world import people
from mammolab.world.percept import log_cnr
from mammolab.world.streams import stream


def draw_panel(seed: int) -> pd.DataFrame:
    """Draw the readers of each hospital with their habits.

    The effects are the quantiles of a normal distribution in random order: a panel of thirty is
    small, and the mean reader should not move with the seed.

    Returns
    -------
    DataFrame [reader]: reader_id, site, sensitivity_effect and specificity_effect (logit; a
    positive effect is better).
    """
    panel = pd.DataFrame(
        [(site,) for site, count in p.READERS.value.items() for _ in range(count)],
        columns=["site"],
    )
    n = len(panel)
    panel["reader_id"] = [f"R{number:02d}" for number in range(1, n + 1)]
    quantiles = ndtri((np.arange(n) + 0.5) / n)
    rng = stream(seed, "readers")
    first, second = rng.permutation(quantiles), rng.permutation(quantiles)
    rho = p.READER_CORRELATION.value
    panel["sensitivity_effect"] = p.READER_SENSITIVITY_SD.value * first
    panel["specificity_effect"] = p.READER_SPECIFICITY_SD.value * (
        rho * first + np.sqrt(1 - rho**2) * second
    )
    return panel


def assign_readers(panel: pd.DataFrame, site: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """Return the row in `panel` of each exam's reader: one of the hospital's, at random."""
    row = np.zeros(len(site), int)
    for name, members in panel.groupby("site").groups.items():
        here = site == name
        row[here] = np.asarray(members)[(draw[here] * len(members)).astype(int)]
    return row


@lru_cache(maxsize=1)
def _reference_log_cnr() -> dict[str, float]:
    """Log CNR of the reference lesion of each look."""
    kinds = list(p.PERCEPT.value)
    diameter_mm, latent, device = p.PERCEPT_REFERENCE.value
    n = len(kinds)
    values = log_cnr(
        np.array(kinds, dtype=object),
        np.full(n, diameter_mm),
        np.full(n, latent),
        np.zeros(n),
        np.full(n, device, dtype=object),
    )
    return dict(zip(kinds, values.tolist()))


def percept(
    kind: np.ndarray, diameter_mm: np.ndarray, latent_density: np.ndarray, seen: np.ndarray
) -> np.ndarray:
    """Return how plainly a lesion shows to the mean reader without prior films.

    Parameters
    ----------
    kind : object [n], look of the lesion, of `lesions.KINDS`.
    diameter_mm : float [n]; below the smallest visible size nothing is seen.
    latent_density : float [n], SD.
    seen : float [n], log contrast-to-noise ratio of the lesion in the picture, from `sight`.

    Returns
    -------
    float [n], log odds of noticing it: linear in the log contrast-to-noise ratio; -inf where it is
    too small.
    """
    plain = np.full(len(kind), -np.inf)
    large = np.flatnonzero(np.asarray(diameter_mm) >= p.SMALLEST_VISIBLE.value)
    kind, latent = np.asarray(kind, dtype=object)[large], np.asarray(latent_density)[large]
    names = list(p.PERCEPT.value)
    level, slope = np.array(list(p.PERCEPT.value.values())).T[:, [names.index(k) for k in kind]]
    distraction = np.asarray(p.PERCEPT_DENSITY.value)[people.density_class(latent)]
    form = p.PERCEPT_SIZE.value * np.log(np.asarray(diameter_mm)[large] / 10) + distraction
    calcified = np.isin(kind, ["calcification", "benign_calcification"])
    against = np.array([_reference_log_cnr()[name] for name in kind])
    plain[large] = level + slope * (np.asarray(seen)[large] - against)
    plain[large] += np.where(calcified, 0.0, form)
    return plain


def detection_probability(
    plain: np.ndarray,
    has_prior: np.ndarray,
    sensitivity_effect: np.ndarray,
    criterion_shift: float,
) -> np.ndarray:
    """Return the probability that a reader marks a cancer in an image.

    Parameters
    ----------
    plain : float [n], from `percept`.
    has_prior : bool [n], a prior film to see growth against.
    sensitivity_effect : float [n], logit, positive = better.
    criterion_shift : logit, positive = recalls more.
    """
    growth = p.PERCEPT_PRIOR_FILM.value * np.asarray(has_prior)
    return p.DETECTION_CEILING.value * expit(plain + growth + sensitivity_effect + criterion_shift)


def false_positive_probability(
    age_years: np.ndarray,
    density: np.ndarray,
    has_prior: np.ndarray,
    benign: np.ndarray,
    specificity_effect: np.ndarray,
    habit: np.ndarray,
    criterion_shift: float,
) -> np.ndarray:
    """Return the probability of a recall that has nothing to do with a cancer.

    Parameters
    ----------
    age_years : float [n].
    density : int [n], class 0..3 (a..d).
    has_prior : bool [n], a prior film to compare with.
    benign : float [n], 0..1, how plainly a benign look-alike shows; 0 where there is none.
    specificity_effect : float [n], logit, positive = fewer recalls.
    habit : float [n], SD, what makes the same woman be recalled again and again.
    criterion_shift : logit, positive = recalls more.
    """
    starts = [start for start, *_ in p.FALSE_POSITIVES.value[1:]]
    table = np.array([row for *_, row in p.FALSE_POSITIVES.value]) / 1000
    base = logit(table)[np.searchsorted(starts, age_years, side="right"), density]
    return expit(
        base
        + p.FALSE_POSITIVE_SHIFT.value
        + p.PRIOR_FILM_LOG_ODDS.value * has_prior
        + p.BENIGN_LOG_ODDS.value * benign
        - specificity_effect
        + p.FALSE_POSITIVE_HABIT_SD.value * habit
        + criterion_shift
    )


def with_ai(probability: np.ndarray, flagged: np.ndarray, reliance: float) -> np.ndarray:
    """Return the probability of a recall when the reader has an AI's flag before her.

    She moves her criterion, towards recall with a flag and away without one, and now and then
    takes the AI's word without looking (automation bias).

    Parameters
    ----------
    probability : float [n], of recall without AI: for cancers and for false positives alike, as in
        truth_exams `detection_probability` and `false_positive_probability`.
    flagged : bool [n], the AI asks for a recall.
    reliance : 0..1; 0 = she ignores the AI.

    Returns
    -------
    float [n]

    Raises
    ------
    ValueError : `reliance` is outside 0..1.

    References
    ----------
    Dratsch 2023, doi:10.1148/radiol.222176 (automation bias); Fenton 2007,
    doi:10.1056/NEJMoa066099 (recall with CAD).
    """
    if not 0 <= reliance <= 1:
        raise ValueError(f"reliance must be within 0..1, not {reliance}")
    probability, flagged = np.asarray(probability, float), np.asarray(flagged, bool)
    if reliance == 0:
        return probability.copy()
    shift = reliance * p.AI_CRITERION.value * np.where(flagged, 1.0, -1.0)
    deference = reliance * p.AI_DEFERENCE.value
    return (1 - deference) * expit(logit(probability) + shift) + deference * flagged


def assessments(
    recall: np.ndarray,
    cancer_seen: np.ndarray,
    benign: np.ndarray,
    diagnostic: np.ndarray,
    known_cancer: np.ndarray,
    draw: np.ndarray,
) -> np.ndarray:
    """Return the BI-RADS category (int) of each exam.

    A recalled screen is category 0 (rarely 4 or 5, where a cancer is plain); a clear one is 1, or
    2 where a benign look-alike is noticed. Diagnostic exams end in 1-5, or 6 with a known cancer.

    Parameters
    ----------
    recall, cancer_seen, diagnostic, known_cancer : bool [n].
    benign : float [n], 0..1, how plainly a benign look-alike shows.
    draw : float [n], uniform 0..1.
    """
    share = p.BIRADS_SHARES.value
    clear = np.where(draw < np.maximum(benign, share["benign_by_habit"]), 2, 1)
    plain = np.where(draw < share["screen_5"] + share["screen_4"], 4, 0)
    plain = np.where(draw < share["screen_5"], 5, plain)
    positive = np.where(cancer_seen, plain, 0)
    malignant = np.where(draw < share["diagnostic_5"], 5, 4)
    worked_up = np.where(cancer_seen, malignant, np.where(draw < share["diagnostic_3"], 3, 4))
    birads = np.where(recall, np.where(diagnostic, worked_up, positive), clear)
    return np.where(known_cancer & (draw < share["known_6"]), 6, birads)
