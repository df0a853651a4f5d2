"""Radiologists: what they see, whom they recall, and what a recall leads to."""

import numpy as np
import pandas as pd
from scipy.special import expit, logit, ndtri

from mammolab.world import parameters as p
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


def detection_probability(
    diameter_mm: np.ndarray, density: np.ndarray, sensitivity_effect: np.ndarray, in_situ: bool
) -> np.ndarray:
    """Return the probability that a reader marks a cancer in an image.

    Parameters
    ----------
    diameter_mm : float [n]; below the smallest visible size nothing is seen.
    density : int [n], true class 0..3 (a..d).
    sensitivity_effect : float [n], logit.
    in_situ : True for DCIS, whose calcifications show whatever their extent.
    """
    intercept, slope = p.DETECTION_CURVE.value
    signal = p.DETECTION_DCIS.value if in_situ else intercept + slope * np.asarray(diameter_mm)
    shift = np.asarray(p.DETECTION_DENSITY.value)[density] * (0.5 if in_situ else 1.0)
    seen = p.DETECTION_CEILING.value * expit(signal + shift + sensitivity_effect)
    return np.where(np.asarray(diameter_mm) >= p.SMALLEST_VISIBLE.value, seen, 0.0)


def false_positive_probability(
    age_years: np.ndarray,
    density: np.ndarray,
    has_prior: np.ndarray,
    benign: np.ndarray,
    specificity_effect: np.ndarray,
    habit: np.ndarray,
) -> np.ndarray:
    """Return the probability of a recall that has nothing to do with a cancer.

    Parameters
    ----------
    age_years : float [n].
    density : int [n], class 0..3 (a..d).
    has_prior : bool [n], a prior film to compare with.
    benign : bool [n], a benign look-alike shows.
    specificity_effect : float [n], logit, positive = fewer recalls.
    habit : float [n], SD, what makes the same woman be recalled again and again.
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
    )


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
    2 where a benign look-alike shows. Diagnostic exams end in 1-5, or 6 with a known cancer.

    Parameters
    ----------
    recall, cancer_seen, benign, diagnostic, known_cancer : bool [n].
    draw : float [n], uniform 0..1.
    """
    clear = np.where(benign & (draw < 0.8), 2, np.where(draw < 0.15, 2, 1))
    positive = np.where(cancer_seen & (draw < 0.03), 5, np.where(cancer_seen & (draw < 0.08), 4, 0))
    worked_up = np.where(cancer_seen, np.where(draw < 0.6, 5, 4), np.where(draw < 0.5, 3, 4))
    birads = np.where(recall, np.where(diagnostic, worked_up, positive), clear)
    return np.where(known_cancer & (draw < 0.3), 6, birads)
