"""Do the intervals and promises of the statistics core hold where the truth is known?

Run: python benchmarks/coverage.py [--write]     (--write refreshes benchmarks/coverage.csv)

Each study draws many samples from a known world and asks how often the interval holds the truth, the
promise is kept, or a test finds what is not there; the ways that are wrong, or in common use and too
hopeful, stand beside the right ones. About five minutes on two cores.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm
from sksurv.metrics import concordance_index_ipcw

from mammolab.evaluate.auc_bootstrap import auc_jackknife, auc_replicates
from mammolab.evaluate.concordance import harrell_c, uno_c_estimate
from mammolab.evaluate.delong import auc_estimate
from mammolab.evaluate.paired import (
    PairedCounts,
    noninferiority_test,
    published_noninferiority,
    tango_interval,
)
from mammolab.evaluate.rates import clustered_proportion, proportion_estimate
from mammolab.evaluate.readers import mrmc_auc
from mammolab.evaluate.resampling import PatientBootstrap, bca_interval, percentile_interval
from mammolab.evaluate.roc import auc
from mammolab.evaluate.survival import kaplan_meier
from mammolab.evaluate.thresholds import (
    certified_threshold,
    mean_of_bootstrap_minima,
    minimum_threshold,
)

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Row:
    """One line of the table; `wanted` is what the method promises, where it promises a share."""

    study: str
    setting: str
    method: str
    quantity: str
    wanted: float
    observed: float
    standard_error: float
    n_runs: int


def share_row(study: str, setting: str, method: str, quantity: str, wanted: float, hits) -> Row:
    """A row for the share of runs in which something holds, with its Monte Carlo error."""
    share = float(np.mean(hits))
    error = float(np.sqrt(share * (1 - share) / len(hits)))
    return Row(study, setting, method, quantity, wanted, share, error, len(hits))


def bias_row(study: str, setting: str, method: str, values, truth: float) -> Row:
    """A row for the mean error of an estimate, with its Monte Carlo error."""
    error = np.asarray(values) - truth
    spread = float(error.std(ddof=1) / np.sqrt(len(error)))
    return Row(study, setting, method, "bias", 0.0, float(error.mean()), spread, len(error))


def covers(interval: tuple[float, float], truth: float) -> bool:
    """Whether the truth lies in the interval."""
    return interval[0] <= truth <= interval[1]


def clustered_auc(n_runs: int = 2_000) -> list[Row]:
    """AUC over four images a patient: as if independent, and with patients as the units."""
    ids = np.repeat(np.arange(120), 4)
    settings = {
        "30 of 120 patients with cancer, all 4 images of one class": ids < 30,
        "120 patients, 1 of 4 images with cancer": np.arange(len(ids)) % 4 == 0,
    }
    return [
        row
        for setting, label in settings.items()
        for row in _clustered_auc(ids, label, f"{setting}, correlation .8", n_runs)
    ]


def _clustered_auc(ids: np.ndarray, label: np.ndarray, setting: str, n_runs: int) -> list[Row]:
    rng = np.random.default_rng(1)
    n_patients, within, effect = 120, 0.8, 1.2
    truth = _auc_between_patients(effect, within, ids, label)
    bootstrap = PatientBootstrap.draw(ids, 500, seed=1)
    held: dict[str, list[bool]] = {}
    for _ in range(n_runs):
        score = effect * label + np.sqrt(within) * rng.normal(size=n_patients)[ids]
        score = score + np.sqrt(1 - within) * rng.normal(size=len(ids))
        replicates = auc_replicates(score, label, ids, None, bootstrap)
        jackknife = auc_jackknife(score, label, ids)
        for method, interval in {
            "DeLong, images as if independent": auc_estimate(score, label).ci,
            "Obuchowski, patients": auc_estimate(score, label, None, ids).ci,
            "patient bootstrap, percentile": percentile_interval(replicates),
            "patient bootstrap, BCa": bca_interval(auc(score, label), replicates, jackknife),
        }.items():
            held.setdefault(method, []).append(covers(interval, truth))
    return [
        share_row("clustered AUC", setting, method, "coverage", 0.95, hits)
        for method, hits in held.items()
    ]


def _auc_between_patients(
    effect: float, within: float, ids: np.ndarray, label: np.ndarray
) -> float:
    """The AUC expected of these exams: a pair within a patient shares part of its variance."""
    positive, negative = ids[label], ids[~label]
    own = (positive[:, None] == negative).mean()
    apart = norm.cdf(effect / np.sqrt(2))
    return float(own * norm.cdf(effect / np.sqrt(2 * (1 - within))) + (1 - own) * apart)


def clustered_rate(n_runs: int = 4_000) -> list[Row]:
    """A sensitivity over four images a patient."""
    rng = np.random.default_rng(2)
    ids = np.repeat(np.arange(60), 4)
    everyone = np.ones(len(ids), dtype=bool)
    held: dict[str, list[bool]] = {}
    for _ in range(n_runs):
        event = rng.random(len(ids)) < np.repeat(rng.beta(2.4, 0.6, 60), 4)  # mean .8
        for method, estimate in {
            "Wilson, images as if independent": proportion_estimate(event.sum(), 240, "wilson"),
            "Wilson, patients": clustered_proportion(event, everyone, ids),
            "Clopper-Pearson, patients": clustered_proportion(
                event, everyone, ids, None, "clopper_pearson"
            ),
        }.items():
            held.setdefault(method, []).append(covers(estimate.ci, 0.8))
    setting = "60 patients, 4 images each, sensitivity .8, correlation .25"
    return [
        share_row("clustered sensitivity", setting, method, "coverage", 0.95, hits)
        for method, hits in held.items()
    ]


def certificate(n_runs: int = 4_000) -> list[Row]:
    """Thresholds chosen on 159 dev cancers: how often the sensitivity promised is there."""
    rng = np.random.default_rng(3)
    n_cancers, promised = 159, 0.97
    ids = np.arange(n_cancers)
    label = np.ones(n_cancers, dtype=bool)
    bootstrap = PatientBootstrap.draw(ids, 500, seed=3)
    kept: dict[str, list[bool]] = {}
    for _ in range(n_runs):
        score = rng.normal(size=n_cancers)
        for method, threshold in {
            "exact certificate": certified_threshold(score, label, ids, promised).threshold,
            "literal minimum": minimum_threshold(score, label, ids).threshold,
            "mean of bootstrap minima": mean_of_bootstrap_minima(
                score, label, ids, None, bootstrap
            ).threshold,
            "quantile of the dev cancers": np.quantile(score, 1 - promised),
        }.items():
            kept.setdefault(method, []).append(norm.sf(threshold) >= promised)
    setting = "159 cancers, sensitivity .97 at 95% confidence"
    return [
        share_row("rule-out threshold", setting, method, "promise kept", 0.95, hits)
        for method, hits in kept.items()
    ]


def paired_difference(n_runs: int = 20_000) -> list[Row]:
    """The difference of two sensitivities on the same cancers, few of them discordant."""
    rng = np.random.default_rng(4)
    n_cancers, only_first, only_second = 190, 0.001, 0.009
    shares = [0.88, only_first, only_second, 0.12 - only_first - only_second]
    truth = only_first - only_second
    held: dict[str, list[bool]] = {"Tango's score interval": [], "Wald's interval": []}
    for counts in rng.multinomial(n_cancers, shares, size=n_runs):
        pairs = PairedCounts(*counts)
        b, c = pairs.first_only, pairs.second_only
        half = 1.96 * np.sqrt(b + c - (b - c) ** 2 / n_cancers) / n_cancers
        wald = (pairs.difference - half, pairs.difference + half)
        held["Tango's score interval"].append(covers(tango_interval(pairs).ci, truth))
        held["Wald's interval"].append(covers(wald, truth))
    setting = "190 cancers, 1% discordant"
    return [
        share_row("paired difference", setting, method, "coverage", 0.95, hits)
        for method, hits in held.items()
    ]


def noninferiority(n_runs: int = 4_000) -> list[Row]:
    """Claims of non-inferiority where the new way is worse by exactly the margin."""
    rng = np.random.default_rng(5)
    n_cancers, margin = 190, 0.05
    shares = [0.85, 0.005, 0.055, 0.09]
    claimed: dict[str, list[bool]] = {"Tango's score test": [], "t test over replicates": []}
    for counts in rng.multinomial(n_cancers, shares, size=n_runs):
        drawn = rng.multinomial(n_cancers, counts / n_cancers, size=1_000)
        replicates = (drawn[:, 1] - drawn[:, 2]) / n_cancers
        exact = noninferiority_test(PairedCounts(*counts), margin)
        claimed["Tango's score test"].append(exact.noninferior)
        published = published_noninferiority(replicates, margin)
        claimed["t test over replicates"].append(published.p_value < 0.025)
    setting = "190 cancers, truly worse by the margin of 5 points; 1,000 replicates"
    return [
        share_row("non-inferiority", setting, method, "false claims", 0.025, hits)
        for method, hits in claimed.items()
    ]


def event_curve_c(years: np.ndarray, event: np.ndarray, score: np.ndarray, tau: float) -> float:
    """A C weighted by the Kaplan-Meier curve of the events: the mistake, for comparison.

    The weight 1/S squared belongs to the event, as 1/G squared does in Uno's C.
    """
    weight = 1 / np.maximum(kaplan_meier(years, event).left(years), 1e-12) ** 2
    right = pairs = 0.0
    for time in np.unique(years[(event == 1) & (years < tau)]):
        own = (years == time) & (event == 1)
        later = np.sort(score[(years > time) | ((years == time) & (event == 0))])
        below = np.searchsorted(later, score[own], "left") + np.searchsorted(
            later, score[own], "right"
        )
        right += weight[own] @ below / 2
        pairs += weight[own].sum() * len(later)
    return right / pairs


def survival_sample(rng: np.random.Generator, n: int, censoring: str):
    """Cancers in whole years, events, scores; and the same had nobody left before six years.

    A year brings cancer to 3% of the women; the sooner it comes, the more the score shows of it.
    """
    cancer_year = np.minimum(rng.geometric(0.03, n), 6)  # 6: not within five years
    score = rng.normal(size=n) + np.array([1.8, 1.3, 0.9, 0.6, 0.4, 0.0])[cancer_year - 1]
    if censoring == "uniform":
        left_year = np.ceil(rng.uniform(0, 8, n))
    else:
        left_year = np.ceil(rng.exponential(1.5, n))
    left_year = np.minimum(left_year, 6)
    event = (cancer_year <= np.minimum(left_year, 5)).astype(int)
    years = np.where(event == 1, cancer_year, left_year)
    return years, event, score, cancer_year, (cancer_year <= 5).astype(int)


def censored_concordance(n_runs: int = 400) -> list[Row]:
    """C with yearly ties and censoring, against C among the same women had all been followed."""
    rows = []
    for k, censoring in enumerate(("uniform", "heavy early")):
        rng = np.random.default_rng([6, k])
        _, _, score, years, event = survival_sample(rng, 400_000, censoring)
        truth = harrell_c(years, event, score)
        values: dict[str, list[float]] = {}
        held: list[bool] = []
        bootstrap = PatientBootstrap.draw(np.arange(1_500), 300, seed=6)
        for _ in range(n_runs):
            years, event, score, *_ = survival_sample(rng, 1_500, censoring)
            estimate = uno_c_estimate(
                years, event, score, np.arange(1_500), None, bootstrap, tau_years=5.5
            )
            held.append(covers(estimate.ci, truth))
            outcome = np.array(list(zip(event == 1, years, strict=True)), dtype="?, f8")
            for method, value in {
                "Uno, G(t-)": estimate.value,
                "Uno, scikit-survival": concordance_index_ipcw(outcome, outcome, score, 5.5)[0],
                "Uno with the curve of the events": event_curve_c(years, event, score, 5.5),
                "Harrell": harrell_c(years, event, score),
            }.items():
                values.setdefault(method, []).append(value)
        setting = f"1,500 women, yearly ties, {censoring} censoring, truth {truth:.3f}"
        rows += [
            bias_row("concordance", setting, method, each, truth) for method, each in values.items()
        ]
        rows.append(
            share_row("concordance", setting, "Uno, G(t-), bootstrap", "coverage", 0.95, held)
        )
    return rows


def reader_study(n_runs: int = 1_000) -> list[Row]:
    """Two ways of reading that are equal on average over readers, read by five of them."""
    rng = np.random.default_rng(7)
    n_exams, n_readers = 120, 5
    label = np.arange(n_exams) < 40
    found: dict[str, list[bool]] = {}
    for _ in range(n_runs):
        exam = rng.normal(size=(n_exams, 1, 1))
        by_reader = 0.7 * rng.normal(size=(n_exams, 1, n_readers))
        skill = 1.4 + 0.25 * rng.normal(size=(1, 2, n_readers))  # differs by way and reader
        score = label[:, None, None] * skill + exam + by_reader
        score = score + 0.7 * rng.normal(size=(n_exams, 2, n_readers))
        study = mrmc_auc(score, label)
        found.setdefault("Obuchowski-Rockette, random readers", []).append(study.p_value < 0.05)
        fixed = mrmc_auc(score, label, random="cases")
        found.setdefault("the same, readers taken as fixed", []).append(fixed.p_value < 0.05)
    setting = "5 readers, 40 of 120 exams with cancer, no difference on average"
    return [
        share_row("reader study", setting, method, "false findings", 0.05, hits)
        for method, hits in found.items()
    ]


STUDIES: tuple[Callable[[], list[Row]], ...] = (
    clustered_auc,
    clustered_rate,
    certificate,
    paired_difference,
    noninferiority,
    censored_concordance,
    reader_study,
)


def main(arguments: list[str]) -> None:
    """Print the table; with --write, keep it beside this file."""
    if arguments not in ([], ["--write"]):
        sys.exit(__doc__)
    rows: list[Row] = []
    with ProcessPoolExecutor(2) as pool:
        for study, result in zip(STUDIES, pool.map(_run, range(len(STUDIES))), strict=True):
            rows += result
            print(f"{study.__name__}: done", file=sys.stderr)
    table = pd.DataFrame(rows).round({"observed": 4, "standard_error": 4})
    print(table.drop(columns="setting").to_string(index=False))
    if arguments:
        table.to_csv(HERE / "coverage.csv", index=False)


def _run(k: int) -> list[Row]:
    return STUDIES[k]()


if __name__ == "__main__":
    main(sys.argv[1:])
