"""How often does each guard of the audit speak up where nothing is wrong, and where something is?

Run: python benchmarks/guards.py [--worlds 200] [--dirty 40] [--only NAME ...] [--write]
     (--write refreshes the rows of these guards in benchmarks/guards.csv; `metadata_auc`, the guard
     asked most often by the audit, was given --worlds 400)

A world is a draw of women, without replacement, from one synthetic programme of 40,000, on tables,
with scores simulated on top: binormal given the outcome, with a share that belongs to the woman and
one to her density, and no device in it. Worlds share women (one in sixteen with any other, one in
five where the cancers of 8,000 are kept with a sample of the rest, which has sampling weights), and
pictures come from one pool of rendered views: the intervals take worlds as independent. At dose 0
nothing is done to the world; the other doses make one mistake each. A world that a guard declines to
judge (too few cancers) is not counted. The guards on an analysis see studies simulated as in chapter
13 instead (guards_simulated.py). `constructed` is 1 where chance has no say, so that the rate is none
or all by construction and its interval says nothing: guards that count what is told or planted and
allow none, and clean studies that report the very number the guard computes. `cancers_needed` has no
row: it says what a set cannot show, and accuses nobody. About eight minutes of one core.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import guards_dirt as dirt
import guards_simulated as simulated
import numpy as np
import pandas as pd
from guards_worlds import PICTURES_KIND, PROGRAMME_KIND, SAMPLED_KIND, Base, draw_world, make_base

from mammolab.errors import InputError
from mammolab.evaluate.rates import proportion_estimate
from mammolab.pitfalls.verdict import GuardVerdict

HERE = Path(__file__).resolve().parent
SIMULATED_KIND = "simulated"
# None or all by construction: at every dose, or where nothing is wrong.
CONSTRUCTED = ("patient_overlap", "disclosed_selection")
CONSTRUCTED_CLEAN = ("censoring_weights", "replicate_error")
COLUMNS = ["guard", "dirt", "dose", "n_worlds", "n_fired", "rate", "low", "high", "constructed"]


@dataclass(frozen=True)
class Study:
    """A guard, what is done to the world at a dose, and which kind of world it is."""

    guard: str
    dirt: str
    doses: tuple[float, ...]
    kind: str
    judge: Callable[..., GuardVerdict]  # world (none if simulated), dose, generator -> verdict


STUDIES = (
    Study(
        "patient_overlap",
        "share of test women with an exam in training",
        (0.005, 0.01, 0.02, 0.05),
        PROGRAMME_KIND,
        dirt.patient_overlap,
    ),
    Study(
        "duplicate_images",
        "share of test images that are noisy copies of training images",
        (0.005, 0.01, 0.02, 0.05),
        PICTURES_KIND,
        dirt.duplicate_images,
    ),
    Study(
        "metadata_auc",
        "share of negatives from one scanner and two years",
        (0.1, 0.25, 0.5, 1.0),
        PROGRAMME_KIND,
        dirt.metadata_auc,
    ),
    Study(
        "prevalence",
        "share of exams without cancer left out",
        (0.4, 0.5, 0.6, 0.8),
        PROGRAMME_KIND,
        dirt.prevalence,
    ),
    Study(
        "prevalence_by_source",
        "share of one scanner's exams without cancer left out",
        (0.3, 0.5, 0.7, 0.9),
        SAMPLED_KIND,
        dirt.prevalence_by_source,
    ),
    Study(
        "score_by_device",
        "shift of one scanner's scores, SD",
        (0.1, 0.2, 0.4, 0.8),
        SAMPLED_KIND,
        dirt.score_by_device,
    ),
    Study(
        "device_probe",
        "shift of one of 16 features on one scanner, SD",
        (0.25, 0.5, 1.0, 2.0),
        SAMPLED_KIND,
        dirt.device_probe,
    ),
    Study(
        "border_probe",
        "share of cancers with a marker in the corner",
        (0.1, 0.2, 0.4, 0.8),
        PICTURES_KIND,
        dirt.border_probe,
    ),
    Study(
        "label_timing",
        "share of exams years before a cancer called cancer",
        (0.005, 0.02, 0.05, 0.25),
        PROGRAMME_KIND,
        dirt.label_timing,
    ),
    Study(
        "label_source",
        "share of missed cancers called healthy",
        (0.25, 0.5, 0.75, 1.0),
        SAMPLED_KIND,
        dirt.label_source,
    ),
    Study(
        "follow_up",
        "share of exams without cancer followed half a year",
        (0.04, 0.06, 0.08, 0.16),
        PROGRAMME_KIND,
        dirt.follow_up,
    ),
    Study(
        "early_cancers",
        "share of first-year cancers left among the events",
        (0.25, 0.5, 0.75, 1.0),
        PROGRAMME_KIND,
        dirt.early_cancers,
    ),
    Study(
        "exclusions",
        "share of exams of density d left out besides a third of all",
        (0.1, 0.2, 0.3, 0.5),
        PROGRAMME_KIND,
        dirt.exclusions,
    ),
    Study(
        "calibration",
        "odds of cancer promised, times",
        (1.25, 1.5, 2.0, 4.0),
        SAMPLED_KIND,
        dirt.calibration,
    ),
    Study(
        "calibration_by",
        "odds of cancer promised on one scanner, times",
        (1.5, 2.0, 3.0, 5.0),
        SAMPLED_KIND,
        dirt.calibration_by,
    ),
    Study(
        "threshold_by",
        "shift of one scanner's scores, SD",
        (0.1, 0.2, 0.4, 0.8),
        SAMPLED_KIND,
        dirt.threshold_by,
    ),
    Study(
        "clustered_interval",
        "images of an exam taken as rows",
        (2, 3, 4, 8),
        SAMPLED_KIND,
        dirt.clustered_interval,
    ),
    Study(
        "subgroup_gap",
        "share of cancers in density c that the score does not see",
        (0.2, 0.4, 0.6, 0.8),
        SAMPLED_KIND,
        dirt.subgroup_gap,
    ),
    Study(
        "informative_censoring",
        "share of women with high scores lost after two years",
        (0.1, 0.2, 0.4, 0.8),
        PROGRAMME_KIND,
        dirt.informative_censoring,
    ),
    Study(
        "missing_by_label",
        "share of cancers with a blank in readers' decisions",
        (0.1, 0.2, 0.4, 0.8),
        SAMPLED_KIND,
        dirt.missing_by_label,
    ),
    Study(
        "reader_setting",
        "share of a loss of 0.5 of d' in the laboratory",
        (0.25, 0.5, 0.75, 1.0),
        SIMULATED_KIND,
        simulated.reader_setting,
    ),
    Study(
        "follows_errors",
        "reliance on a system that misses one in ten",
        (0.1, 0.25, 0.5, 1.0),
        SIMULATED_KIND,
        simulated.follows_errors,
    ),
    Study(
        "censoring_weights",
        "event curve for the censoring curve; 1: four in five lost",
        (0.1, 0.15, 0.2, 0.4),
        SIMULATED_KIND,
        simulated.censoring_weights,
    ),
    Study(
        "replicate_error",
        "replicates taken for patients",
        (2, 4, 10, 100),
        SIMULATED_KIND,
        simulated.replicate_error,
    ),
    Study(
        "disclosed_selection",
        "looks at the test set, the best one reported",
        (2, 5, 20, 50),
        SIMULATED_KIND,
        simulated.disclosed_selection,
    ),
)


def measure(base: Base | None, studies: list[Study], n_clean: int, n_dirty: int) -> pd.DataFrame:
    """One row a guard and dose: in how many worlds it fired."""
    rows = []
    for study in studies:
        for dose in (0.0, *study.doses):
            fired: list[bool] = []
            start = time.perf_counter()
            for number in range(n_dirty if dose else n_clean):
                # The same worlds at every dose; another stream for what is done to them.
                world = []
                if study.kind != SIMULATED_KIND:
                    world = [draw_world(base, study.kind, np.random.default_rng([7, number]))]
                rng = np.random.default_rng([STUDIES.index(study), number])
                try:
                    fired.append(study.judge(*world, dose, rng).fired)
                except InputError as error:
                    print(f"{study.guard}, world {number}: {error}", file=sys.stderr)
            took = time.perf_counter() - start
            print(f"{study.guard} {dose:g}: {sum(fired)}/{len(fired)}, {took:.0f} s", flush=True)
            rate = proportion_estimate(sum(fired), len(fired))
            counts = (len(fired), sum(fired), rate.value, *rate.ci)
            rows.append((study.guard, study.dirt, dose, *counts, constructed(study.guard, dose)))
    return pd.DataFrame(rows, columns=COLUMNS)


def constructed(guard: str, dose: float) -> int:
    """1 where chance has no say in whether the guard fires."""
    return int(guard in CONSTRUCTED or (guard in CONSTRUCTED_CLEAN and not dose))


def keep(table: pd.DataFrame, path: Path) -> None:
    """Write the rows, in the order of `STUDIES`; those of guards that were not measured now stay."""
    if path.exists():
        before = pd.read_csv(path)
        table = pd.concat([before[~before["guard"].isin(table["guard"])], table])
    order = {study.guard: place for place, study in enumerate(STUDIES)}
    table = table.sort_values("guard", key=lambda guard: guard.map(order), kind="stable")
    table.round(4).to_csv(path, index=False)


def main() -> None:
    """Print the table; with --write, keep it beside this file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=200, help="clean worlds a guard")
    parser.add_argument("--dirty", type=int, default=40, help="worlds a dose")
    names = [study.guard for study in STUDIES]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--write", action="store_true", help="refresh benchmarks/guards.csv")
    arguments = parser.parse_args()
    studies = [study for study in STUDIES if study.guard in arguments.only]
    on_worlds = any(study.kind != SIMULATED_KIND for study in studies)
    base = make_base(seed=2019) if on_worlds else None
    table = measure(base, studies, arguments.worlds, arguments.dirty)
    print(table.round(3).to_string(index=False))
    if arguments.write:
        keep(table, HERE / "guards.csv")


if __name__ == "__main__":
    main()
