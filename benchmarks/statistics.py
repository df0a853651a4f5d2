"""What the statistics core costs beside the obvious library way, in one run on one machine.

Run: python benchmarks/statistics.py [--write]     (--write refreshes benchmarks/statistics.csv)

The table is as large as a published test set: 26,540 exams of 7,176 women, 158 cancers within a
year, 1,293 events in follow-up. Loops over replicates are timed for a few and multiplied; they
include drawing the patients, as the rows named "and the draw" do. A run draws once for all its
metrics. The last two columns hold the best time seen while the project was planned, on a machine
like this one, and ours over it.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# This file bears the name of a module of Python's own, which the libraries below may import.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]

import os
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pauc
from lifelines import AalenJohansenFitter, KaplanMeierFitter
from lifelines.utils import concordance_index
from sklearn.metrics import confusion_matrix, roc_auc_score
from sksurv.metrics import concordance_index_censored, cumulative_dynamic_auc
from threadpoolctl import threadpool_limits

from mammolab.evaluate.auc_bootstrap import auc_bootstrap
from mammolab.evaluate.concordance import harrell_c, harrell_c_estimate
from mammolab.evaluate.delong import auc_estimate
from mammolab.evaluate.horizons import cumulative_dynamic_auc as our_dynamic_auc
from mammolab.evaluate.resampling import PatientBootstrap, sum_replicates
from mammolab.evaluate.survival import cumulative_incidence, kaplan_meier

N_PATIENTS, N_EXAMS, N_CANCERS, N_EVENTS = 7_176, 26_540, 158, 1_293
N_REPLICATES = 2_000
HORIZONS_YEARS = np.arange(1, 6)

BEST_SEEN_MS = {
    "AUC with DeLong interval": 2.4,
    "AUC, 2,000 bootstraps and the draw": 215.0,
    "40 counts, 2,000 bootstraps": 23.0,
    "Harrell's C": 19.0,
    "Harrell's C, 2,000 patient bootstraps": 490.0,
    "time-dependent AUC, 5 horizons": 3.5,
    "Kaplan-Meier": 1.0,
    "Aalen-Johansen": 5.4,
}


def make_cohort(seed: int = 2019) -> pd.DataFrame:
    """A test set of the size above; times in years, continuous."""
    rng = np.random.default_rng(seed)
    more = rng.integers(0, N_PATIENTS, N_EXAMS - N_PATIENTS)
    patient = np.sort(np.append(np.arange(N_PATIENTS), more))  # each has an exam at least
    frailty = rng.normal(size=N_PATIENTS)[patient]
    score = frailty + rng.normal(size=N_EXAMS)
    event_time = rng.exponential(np.exp(-0.5 * score))
    event = np.zeros(N_EXAMS, dtype=int)
    event[np.argsort(event_time)[:N_EVENTS]] = 1
    event[rng.choice(np.flatnonzero(event == 0), 900, replace=False)] = 2
    label = np.zeros(N_EXAMS, dtype=bool)
    label[rng.choice(np.flatnonzero(event == 1), N_CANCERS, replace=False)] = True
    return pd.DataFrame(
        {
            "patient_id": pd.Series([f"P{i:05d}" for i in patient], dtype=object),
            "score": score,
            "label": label,
            "time_years": rng.uniform(0.05, 8, N_EXAMS),
            "event": event,
        }
    )


def milliseconds(call: Callable, repeats: int = 9) -> float:
    """Median wall time of a call, after one that is not counted."""
    call()
    return float(np.median([_once(call) for _ in range(repeats)]))


def _once(call: Callable) -> float:
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def _scikit_learn_loop(cohort: pd.DataFrame, n: int) -> None:
    rng = np.random.default_rng(0)
    patient, patients = pd.factorize(cohort["patient_id"])
    for _ in range(n):
        drawn = np.bincount(rng.integers(0, len(patients), len(patients)), minlength=len(patients))
        roc_auc_score(cohort["label"], cohort["score"], sample_weight=drawn[patient])


def _concatenating_loop(by_patient: dict[str, pd.DataFrame], n: int) -> None:
    rng = np.random.default_rng(0)
    patients = np.array(list(by_patient))
    for _ in range(n):
        drawn = pd.concat([by_patient[one] for one in rng.choice(patients, len(patients))])
        roc_auc_score(drawn["label"], drawn["score"])


def _counting_loop(cohort: pd.DataFrame, flags: np.ndarray, bootstrap: PatientBootstrap) -> None:
    columns = bootstrap.columns(cohort["patient_id"])
    for flag in flags.T:
        confusion_matrix(cohort["label"], flag, sample_weight=bootstrap.counts[0][columns])


def _lifelines_loop(cohort: pd.DataFrame, bootstrap: PatientBootstrap, n: int) -> None:
    columns = bootstrap.columns(cohort["patient_id"])
    for counts in bootstrap.counts[:n]:
        rows = np.repeat(np.arange(N_EXAMS), counts[columns])
        drawn = cohort.iloc[rows]
        concordance_index(drawn["time_years"], -drawn["score"], drawn["event"] == 1)


def measure() -> pd.DataFrame:
    """One row a task and library way."""
    cohort = make_cohort()
    ids, score = cohort["patient_id"].to_numpy(), cohort["score"].to_numpy()
    label, years = cohort["label"].to_numpy(), cohort["time_years"].to_numpy()
    event = cohort["event"].to_numpy()
    is_event = event == 1
    surv = np.array(list(zip(is_event, years, strict=True)), dtype=[("e", "?"), ("t", "f8")])
    flags = np.random.default_rng(1).random((N_EXAMS, 40)) < 0.2
    bootstrap = PatientBootstrap.draw(ids, N_REPLICATES, seed=1)

    draw = milliseconds(lambda: PatientBootstrap.draw(ids, N_REPLICATES, 1).by_patient, 5)
    resampled = milliseconds(partial(auc_bootstrap, score, label, ids, None, bootstrap))
    ours = {
        "AUC with DeLong interval": milliseconds(partial(auc_estimate, score, label)),
        "AUC, 2,000 bootstraps and the draw": draw + resampled,
        "AUC, 2,000 bootstraps": resampled,
        "AUC, 2,000 bootstraps, 1,293 positives": milliseconds(
            partial(auc_bootstrap, score, is_event, ids, None, bootstrap)
        ),
        "40 counts, 2,000 bootstraps": milliseconds(partial(sum_replicates, flags, ids, bootstrap)),
        "Harrell's C": milliseconds(partial(harrell_c, years, event, score)),
        "Harrell's C, 2,000 patient bootstraps": milliseconds(
            partial(harrell_c_estimate, years, event, score, ids, None, bootstrap), 3
        ),
        "time-dependent AUC, 5 horizons": milliseconds(
            partial(our_dynamic_auc, years, event, score, HORIZONS_YEARS)
        ),
        "Kaplan-Meier": milliseconds(partial(kaplan_meier, years, event)),
        "Aalen-Johansen": milliseconds(partial(cumulative_incidence, years, event)),
    }
    loop, few = N_REPLICATES / 20, N_REPLICATES / 4
    events_as_label = cohort.assign(label=is_event)
    library = [
        ("AUC with DeLong interval", "pauc", milliseconds(partial(_pauc_interval, cohort), 3)),
        *(
            (
                task,
                "scikit-learn with weights, in a loop",
                loop * milliseconds(partial(_scikit_learn_loop, frame, 20), 5),
            )
            for task, frame in (
                ("AUC, 2,000 bootstraps and the draw", cohort),
                ("AUC, 2,000 bootstraps", cohort),
                ("AUC, 2,000 bootstraps, 1,293 positives", events_as_label),
            )
        ),
        (
            "AUC, 2,000 bootstraps and the draw",
            "pandas concat and scikit-learn, in a loop",
            few
            * milliseconds(
                partial(_concatenating_loop, dict(list(cohort.groupby("patient_id"))), 4), 1
            ),
        ),
        (
            "40 counts, 2,000 bootstraps",
            "scikit-learn's confusion_matrix, in a loop",
            N_REPLICATES * milliseconds(partial(_counting_loop, cohort, flags, bootstrap), 1),
        ),
        (
            "Harrell's C",
            "lifelines",
            milliseconds(lambda: concordance_index(years, -score, is_event)),
        ),
        (
            "Harrell's C",
            "scikit-survival",
            milliseconds(lambda: concordance_index_censored(is_event, years, score), 5),
        ),
        (
            "Harrell's C, 2,000 patient bootstraps",
            "lifelines, in a loop",
            few * milliseconds(partial(_lifelines_loop, cohort, bootstrap, 4), 1),
        ),
        (
            "time-dependent AUC, 5 horizons",
            "scikit-survival",
            milliseconds(lambda: cumulative_dynamic_auc(surv, surv, score, HORIZONS_YEARS), 5),
        ),
        (
            "Kaplan-Meier",
            "lifelines",
            milliseconds(lambda: KaplanMeierFitter().fit(years, is_event), 5),
        ),
        (
            "Aalen-Johansen",
            "lifelines",
            milliseconds(
                lambda: AalenJohansenFitter(calculate_variance=False).fit(years, event, 1), 3
            ),
        ),
    ]
    return pd.DataFrame(
        [(task, ours[task], way, took, took / ours[task]) for task, way, took in library],
        columns=["task", "ours_ms", "library", "library_ms", "times_faster"],
    )


def _pauc_interval(cohort: pd.DataFrame) -> None:
    pauc.ci_auc(pauc.ROC(cohort["label"].astype(int), cohort["score"], direction="<"))


def main(arguments: list[str]) -> None:
    """Print the table; with --write, keep it beside this file."""
    if arguments not in ([], ["--write"]):
        sys.exit(__doc__)
    with threadpool_limits(2):
        table = measure()
    best = table["task"].map(BEST_SEEN_MS)
    table = table.assign(best_seen_ms=best, ours_over_best=table["ours_ms"] / best)
    shown = table.round({"ours_ms": 1, "library_ms": 0, "times_faster": 1, "ours_over_best": 2})
    print(f"{os.cpu_count()} CPUs seen, 2 threads; medians")
    print(shown.to_string(index=False))
    if arguments:
        shown.to_csv(HERE / "statistics.csv", index=False)


if __name__ == "__main__":
    main(sys.argv[1:])
