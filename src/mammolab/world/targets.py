"""Does the world behave like published programmes? Targets with their tolerances, and the check."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mammolab.evaluate import Estimate
from mammolab.world import parameters as p
from mammolab.world import people, targets_risk
from mammolab.world.programme import Programme

Z = 1.959964  # 97.5% point of the normal distribution: intervals are at 95%
LEHMAN = "Lehman 2017, BCSC 2007-13"


@dataclass(frozen=True)
class Target:
    """A published value the world should reproduce within a tolerance fixed beforehand."""

    name: str
    label: str
    value: float
    tolerance: float
    unit: str
    source: str


TARGETS = (
    Target("cdr_per_1000", "Cancers found per 1000", 5.1, 0.4, "per 1000", LEHMAN),
    Target("missed_per_1000", "Cancers missed per 1000", 0.8, 0.15, "per 1000", LEHMAN),
    Target("sensitivity", "Sensitivity", 0.869, 0.02, "share", LEHMAN),
    Target("specificity", "Specificity", 0.889, 0.01, "share", LEHMAN),
    Target("recall_rate", "Recall rate", 0.116, 0.01, "share", LEHMAN),
    Target("ppv1", "PPV of a recall", 0.044, 0.004, "share", LEHMAN),
    Target("ppv2", "PPV of a biopsy advised", 0.256, 0.03, "share", LEHMAN),
    Target("minimal_share", "Minimal cancers", 0.577, 0.04, "share", LEHMAN),
    Target("dcis_share", "In situ", 0.25, 0.05, "share", "recalled, to be verified"),
    Target(
        "size_screen_mm",
        "Screen-detected, mm",
        13.0,
        1.0,
        "mm",
        "12-14 mm; 14.0 in Weedon-Fekjaer 2008",
    ),
    Target("size_interval_mm", "Interval cancers, mm", 20.9, 3.0, "mm", "Weedon-Fekjaer 2008"),
    Target(
        "growth_10_to_20_mm_years",
        "Growth 10 to 20 mm, years",
        1.7,
        0.2,
        "years",
        "Weedon-Fekjaer 2008",
    ),
    Target(
        "detection_odds_d_to_b",
        "Detection odds, d to b",
        0.25,
        0.10,
        "odds ratio",
        "Kerlikowske 2018",
    ),
    Target("dense_share", "Dense breasts", 0.43, 0.03, "share", "BCSC, Sprague 2014"),
    Target("dense_share_black", "Dense, Black women", 0.37, 0.04, "share", "McCarthy et al."),
    Target("dense_share_asian", "Dense, Asian women", 0.66, 0.04, "share", "McCarthy et al."),
    Target(
        "cumulative_fp_annual_10y",
        "False alarms 10 y, annual",
        0.563,
        0.05,
        "share",
        "Ho 2022",
    ),
    Target(
        "cumulative_fp_biennial_10y",
        "False alarms 10 y, biennial",
        0.381,
        0.05,
        "share",
        "Ho 2022",
    ),
)
# Discrimination of cancer in the second to fifth year, by column of `risk_exams`.
RISK_TARGETS = {
    "gail": Target("auc_5y_gail", "AUC 5 y, Gail", 0.60, 0.03, "AUC", "0.60-0.61 in validations"),
    "tyrer_cuzick_like": Target(
        "auc_5y_tyrer_cuzick_like", "AUC 5 y, Tyrer-Cuzick-like", 0.62, 0.03, "AUC", "Yala 2019"
    ),
    "with_image": Target(
        "auc_5y_with_image", "AUC 5 y, with the image", 0.70, 0.03, "AUC", "Yala 2019, hybrid"
    ),
}


def measure(programme: Programme) -> pd.DataFrame:
    """Measure the world against the targets, on its screening exams and with the true cancers.

    Parameters
    ----------
    programme : a simulated programme.

    Returns
    -------
    DataFrame, one row a target: `target`, `label`, `published`, `tolerance`, `unit`, `source`, `world`
    (the estimate), `ci` ((low, high), 95%; (NaN, NaN) where there is too little to tell), `n`
    (denominator) and `met` (bool: estimate within the tolerance of the published value).

    Notes
    -----
    Definitions are the BCSC's: an exam is positive if recalled; a cancer belongs to it if it is
    diagnosed within 365 days. Women with a past cancer and diagnostic exams are left out.
    Intervals take exams as independent, which makes them a little too narrow.
    """
    screens = screening_exams(programme)
    measured = {
        **_performance(screens),
        **_biology(screens, programme),
        **_density(screens),
        **_cumulative_false_positives(screens),
    }
    return target_table(TARGETS, measured)


def measure_risk(exams: pd.DataFrame) -> pd.DataFrame:
    """Measure how well five-year risk is told, against the targets.

    Parameters
    ----------
    exams : DataFrame
        `risk_exams(programme)` with the five-year risks of two published models added, which
        `mammolab.risk` computes: `gail` and `tyrer_cuzick_like`.

    Returns
    -------
    DataFrame, columns as of `measure`; `n` counts exams, intervals are clustered by woman.

    Raises
    ------
    ValueError
        If a column is missing; the message names it.
    """
    missing = [column for column in RISK_TARGETS if column not in exams]
    if missing:
        raise ValueError(f"exams lacks the columns {', '.join(missing)}")
    measured = {}
    for column, target in RISK_TARGETS.items():
        auc = targets_risk.risk_auc(exams, column)
        measured[target.name] = (auc.value, auc.low, auc.high, len(exams))
    return target_table(tuple(RISK_TARGETS.values()), measured)


def target_table(targets: tuple[Target, ...], measured: dict[str, tuple]) -> pd.DataFrame:
    """Hold measurements against their targets.

    Parameters
    ----------
    targets : tuple of Target
    measured : dict
        Name of a target -> (estimate, low, high, n), the interval at 95%.

    Returns
    -------
    DataFrame, columns as of `measure`.
    """
    rows = []
    for target in targets:
        value, low, high, n = measured[target.name]
        rows.append(
            {
                "target": target.name,
                "label": target.label,
                "published": target.value,
                "tolerance": target.tolerance,
                "unit": target.unit,
                "source": target.source,
                "world": value,
                "ci": (low, high),
                "n": n,
                "met": bool(abs(value - target.value) <= target.tolerance),
            }
        )
    return pd.DataFrame(rows)


def risk_exams(programme: Programme) -> pd.DataFrame:
    """Return the exams on which five-year risk is judged: see `targets_risk.risk_exams`."""
    return targets_risk.risk_exams(programme, screening_exams(programme))


def best_risk_auc(programme: Programme) -> Estimate:
    """AUC of the true five-year risk: what no model of these women can exceed but by chance.

    Counted are screening exams that no cancer follows within a year, as in the risk chapter, with
    the cancers of the next four years as they are, recorded or not. Clustered by woman.
    """
    return targets_risk.risk_auc(risk_exams(programme), "risk_5y_true")


def screening_exams(programme: Programme) -> pd.DataFrame:
    """Return the screening exams of women without a past cancer, exams beside the truth.

    Returns
    -------
    DataFrame, one row an exam: the columns of `exams` and of `truth_exams`, and from the woman
    `mode`, `invasive`, `size_mm`, `cadence`, `race_ethnicity`; `cancer` = diagnosed within 1 year.
    """
    women = programme.truth_women[
        ["patient_id", "mode", "invasive", "size_mm", "cadence", "race_ethnicity"]
    ]
    exams = programme.exams.merge(programme.truth_exams, on=["exam_id", "patient_id"])
    exams = exams.merge(women, on="patient_id", how="left")
    exams["cancer"] = exams["cancer_within_1y_true"]
    screening = (exams["indication"] == "screening") & ~exams["after_diagnosis"]
    return exams[screening].reset_index(drop=True)


def _performance(screens: pd.DataFrame) -> dict[str, tuple]:
    recall, cancer, biopsy = (screens[name].to_numpy() for name in ("recall", "cancer", "biopsy"))
    found, missed = recall & cancer, ~recall & cancer
    minimal = ~screens["invasive"] | (screens["size_mm"] <= 10)
    return {
        "cdr_per_1000": _share(found, 1000),
        "missed_per_1000": _share(missed, 1000),
        "sensitivity": _share(recall[cancer]),
        "specificity": _share(~recall[~cancer]),
        "recall_rate": _share(recall),
        "ppv1": _share(cancer[recall]),
        "ppv2": _share(cancer[biopsy]),
        "minimal_share": _share(minimal[found]),
        "dcis_share": _share(~screens["invasive"][found]),
    }


def _biology(screens: pd.DataFrame, programme: Programme) -> dict[str, tuple]:
    invasive = screens["cancer"] & screens["invasive"]
    women = programme.truth_women
    surfacing = women["surfacing_age"].between(40, 75)
    seen = screens[screens["invasive_mm"].ge(p.SMALLEST_VISIBLE.value) & invasive]
    density = people.density_class(seen["latent_density"].to_numpy())
    odds = [seen["detected"][density == level] for level in (3, 1)]
    return {
        "size_screen_mm": _mean(screens["size_mm"][invasive & screens["detected"]]),
        "size_interval_mm": _mean(screens["size_mm"][invasive & ~screens["recall"]]),
        # three doublings of the volume double the diameter
        "growth_10_to_20_mm_years": _mean(3 * women["doubling_years"][surfacing]),
        "detection_odds_d_to_b": _odds_ratio(*odds),
    }


def _density(screens: pd.DataFrame) -> dict[str, tuple]:
    dense = screens["density"].isin(["c", "d"])
    return {
        "dense_share": _share(dense),
        "dense_share_black": _share(dense[screens["race_ethnicity"] == "black"]),
        "dense_share_asian": _share(dense[screens["race_ethnicity"] == "asian"]),
    }


def _cumulative_false_positives(screens: pd.DataFrame) -> dict[str, tuple]:
    """Chance of at least one false positive in ten years of annual or biennial screening.

    A product-limit estimate over a woman's successive screens, which respects that the same
    women are recalled again; rounds after the last observed one repeat its rate.
    """
    healthy = screens[screens["mode"] == ""].sort_values(["patient_id", "exam_date"])
    alarm = healthy["recall"].astype(int)
    so_far = alarm.groupby(healthy["patient_id"]).cumsum() - alarm
    ordinal = healthy.groupby("patient_id").cumcount()
    result = {}
    for habit, rounds, observed in (("annual", 10, 7), ("biennial", 5, 4)):
        at_risk = (so_far == 0) & (healthy["cadence"] == habit)
        table = (
            alarm[at_risk].groupby(np.minimum(ordinal[at_risk], observed - 1)).agg(["mean", "size"])
        )
        if table.empty:
            result[f"cumulative_fp_{habit}_10y"] = (np.nan, np.nan, np.nan, 0)
            continue
        step = table.index.repeat([1] * (len(table) - 1) + [rounds - len(table) + 1])
        rate, size = table["mean"][step].to_numpy(), table["size"][step].to_numpy()
        survival = np.prod(1 - rate)
        with np.errstate(divide="ignore", invalid="ignore"):  # a rate of 1 leaves nobody
            spread = survival * np.sqrt(np.sum(rate / ((1 - rate) * size)))
        value = 1 - survival
        result[f"cumulative_fp_{habit}_10y"] = (
            value,
            value - Z * spread,
            value + Z * spread,
            int(table["size"].iloc[0]),
        )
    return result


def _share(flags: np.ndarray, per: float = 1.0) -> tuple[float, float, float, int]:
    """Share of true flags with Wilson's interval (Wilson 1927, doi:10.2307/2276774)."""
    n = len(flags)
    if n == 0:
        return np.nan, np.nan, np.nan, 0
    share = float(np.mean(flags))
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return per * share, per * (centre - half), per * (centre + half), n


def _mean(values: pd.Series) -> tuple[float, float, float, int]:
    n = len(values)
    if n < 2:
        return float(values.mean()), np.nan, np.nan, n
    half = Z * values.std() / np.sqrt(n)
    return float(values.mean()), values.mean() - half, values.mean() + half, n


def _odds_ratio(first: pd.Series, second: pd.Series) -> tuple[float, float, float, int]:
    """Odds ratio with Woolf's interval; half a case is added to each cell (Haldane)."""
    cells = np.array([first.sum(), (~first).sum(), second.sum(), (~second).sum()]) + 0.5
    log_odds = np.log(cells[0] * cells[3] / (cells[1] * cells[2]))
    half = Z * np.sqrt(np.sum(1 / cells))
    return (
        *np.exp([log_odds, log_odds - half, log_odds + half]).tolist(),
        len(first) + len(second),
    )
