"""How often does each guard of the audit speak up where nothing is wrong, and where something is?

Run: python benchmarks/guards.py [--worlds 200] [--dirty 40] [--only NAME ...] [--write]
     (--write refreshes the rows of these guards in benchmarks/guards.csv)

A world is a draw of women, without replacement, from one synthetic programme of 40,000, on tables,
with scores simulated on top: binormal given the outcome, with a share that belongs to the woman and
one to her density, and no device in it. Worlds share women (one in sixteen with any other, one in
five where the cancers of 8,000 are kept with a sample of the rest, which has sampling weights), and
pictures come from one pool of rendered views: the intervals take worlds as independent. At dose 0
nothing is done to the world; the other doses make one mistake each. A world that a guard declines to
judge (too few cancers) is not counted. Two guards have no row: `cancers_needed` and
`disclosed_selection` compare numbers that are told. About six minutes of one core.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from mammolab.data.cohort import CohortRules, build_cohort
from mammolab.data.outcomes import build_outcomes, follow_up_end
from mammolab.data.tables import read_export
from mammolab.errors import InputError
from mammolab.evaluate.rates import proportion_estimate
from mammolab.pitfalls import (
    guards_calibration,
    guards_device,
    guards_exclusion,
    guards_follow_up,
    guards_groups,
    guards_image,
    guards_label,
    guards_metadata,
    guards_prevalence,
    guards_split,
    guards_unit,
)
from mammolab.pitfalls.verdict import GuardVerdict
from mammolab.world.exam_pixels import exams_of
from mammolab.world.programme import Programme, simulate, write_raw
from mammolab.world.render import render
from mammolab.world.vendors import to_display

HERE = Path(__file__).resolve().parent
N_WOMEN, N_DRAWN, N_SAMPLED = 40_000, 2_500, 8_000
SHARE_OF_REST = 0.15  # of the women without cancer, where the cancers of N_SAMPLED are kept
N_VIEWS, N_VIEWS_DRAWN = 1_500, 500
ROWS, COLUMNS = 256, 208
SEPARATION = 1.47  # of the scores of cancers and the rest, in SD: an AUC of .85
OF_THE_WOMAN = 0.3  # share of a score's variance that her exams have in common
LABEL = "cancer_within_1y"
DEVICE = "birch"  # the scanner that is made to differ
PROGRAMME_KIND, SAMPLED_KIND, PICTURES_KIND = "programme", "sampled", "pictures"


@dataclass(frozen=True, eq=False)
class Base:
    """The programme that worlds are drawn from; `views` belong to the rows of `pictured`."""

    cohort: pd.DataFrame
    prevalence: float
    pictured: pd.DataFrame
    views: np.ndarray

    @cached_property
    def woman(self) -> np.ndarray:
        """The number of each exam's woman."""
        return pd.factorize(self.cohort["patient_id"])[0]

    @property
    def n_women(self) -> int:
        """Women with an exam in the cohort."""
        return int(self.woman.max()) + 1


@dataclass(frozen=True)
class Study:
    """A guard, what is done to the world at a dose, and which kind of world it is."""

    guard: str
    dirt: str
    doses: tuple[float, ...]
    kind: str
    judge: Callable[["World", float, np.random.Generator], GuardVerdict]


@dataclass(frozen=True, eq=False)
class World:
    """Exams of the women drawn, with scores; or views, for the guards that look at them."""

    frame: pd.DataFrame
    prevalence: float
    views: np.ndarray

    @property
    def label(self) -> np.ndarray:
        """Cancer within a year, by the registry."""
        return self.frame[LABEL].to_numpy()

    @property
    def ids(self) -> np.ndarray:
        """The woman of each row."""
        return self.frame["patient_id"].to_numpy()

    @property
    def on_device(self) -> np.ndarray:
        """Whether the exam was made on the scanner that is made to differ."""
        return (self.frame["device"] == DEVICE).to_numpy()


def make_base(seed: int) -> Base:
    """Simulate the programme, choose its cohort as chapter 02 does, and render a pool of views."""
    programme = simulate(N_WOMEN, seed, 1.0, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        write_raw(programme, f"{folder}/raw", f"{folder}/truth")
        raw = read_export(f"{folder}/raw")
    built = build_cohort(raw, CohortRules({"train": 0.6, "dev": 0.2, "test": 0.2}))
    complete = raw.registry_complete_through
    outcomes = build_outcomes(built.cohort, built.diagnoses, raw.patients, raw.exams, complete)
    cohort = built.cohort.merge(outcomes[["exam_id", "time_years", "event"]], on="exam_id")
    end = cohort["patient_id"].map(follow_up_end(raw.patients, raw.exams, complete))
    cohort["follow_up_days"] = (end - cohort["exam_date"]).dt.days
    later = cohort[["exam_id", "patient_id", "exam_date"]].merge(built.diagnoses, on="patient_id")
    later = later[later["diagnosis_date"] >= later["exam_date"]]
    cohort["diagnosis_date"] = cohort["exam_id"].map(
        later.groupby("exam_id")["diagnosis_date"].min()
    )
    pictured, views = _render_pool(programme, cohort, np.random.default_rng([seed, 1]))
    return Base(cohort, float(cohort[LABEL].mean()), pictured, views)


def _render_pool(
    programme: Programme, cohort: pd.DataFrame, rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray]:
    """One view of one exam each of women with cancer, a quarter of all, and without."""
    one_each = cohort.iloc[rng.permutation(len(cohort))].drop_duplicates("patient_id")
    cancers = cohort[cohort[LABEL]].drop_duplicates("patient_id").head(N_VIEWS // 4)
    rest = one_each[~one_each["patient_id"].isin(cohort.loc[cohort[LABEL], "patient_id"])]
    chosen = pd.concat([cancers, rest.head(N_VIEWS - len(cancers))]).reset_index(drop=True)
    exams = programme.pixels_exams.set_index("exam_id").loc[chosen["exam_id"]].reset_index()
    views = np.empty((len(chosen), ROWS, COLUMNS), dtype=np.uint8)
    for row, exam in enumerate(exams_of(exams, programme.truth_lesions)):
        view = next(exam.views())
        views[row] = np.round(255 * to_display(render(view, ROWS, COLUMNS, 4.0), view.vendor))
    return chosen, views


def draw_world(base: Base, kind: str, rng: np.random.Generator) -> World:
    """Draw women, with scores that know the outcome, the woman and her density, and no device."""
    if kind == PICTURES_KIND:
        rows = rng.choice(len(base.pictured), N_VIEWS_DRAWN, replace=False)
        return World(base.pictured.iloc[rows].reset_index(drop=True), 0.0, base.views[rows])
    drawn, weight = np.zeros((2, base.n_women))
    drawn[rng.permutation(base.n_women)[: N_DRAWN if kind == PROGRAMME_KIND else N_SAMPLED]] = 1
    weight[:] = 1
    if kind == SAMPLED_KIND:
        rest = ~np.isin(np.arange(base.n_women), base.woman[base.cohort[LABEL]])
        weight[rest] = 1 / SHARE_OF_REST
        drawn[rest & (rng.random(base.n_women) > SHARE_OF_REST)] = 0
    rows = np.flatnonzero(drawn[base.woman])
    frame = base.cohort.iloc[rows].reset_index(drop=True)
    frame["weight"] = weight[base.woman[rows]]
    codes, distinct = pd.factorize(base.woman[rows])
    own = np.sqrt(OF_THE_WOMAN) * rng.normal(size=len(distinct))[codes]
    own += np.sqrt(1 - OF_THE_WOMAN) * rng.normal(size=len(frame))
    plain = own + SEPARATION * frame[LABEL]
    dense = frame["density"].map({"a": -0.2, "b": 0.0, "c": 0.1, "d": 0.2}).fillna(0)
    # What such a score stands for, where density is known: honest by construction.
    log_odds = logit(base.prevalence) + SEPARATION * plain - SEPARATION**2 / 2
    frame = frame.assign(score=plain + dense, probability=expit(log_odds))
    return World(frame, base.prevalence, base.views[:0])


def share_of(rows: np.ndarray, dose: float, rng: np.random.Generator) -> np.ndarray:
    """Return a flag that is True in a share `dose` of the flagged rows, at least one if above 0."""
    chosen = np.zeros(len(rows), dtype=bool)
    candidates = rng.permutation(np.flatnonzero(rows))
    chosen[candidates[: int(np.ceil(dose * len(candidates)))]] = True
    return chosen


def patient_overlap(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Women of the test set, one of whose exams lies in training too."""
    frame = world.frame
    split = frame["split"].to_numpy(object).copy()
    women = rng.permutation(frame.loc[frame["split"] == "test", "patient_id"].unique())
    repeated = frame["patient_id"].duplicated().to_numpy()
    leaked = women[: int(np.ceil(dose * len(women)))]
    split[frame["patient_id"].isin(leaked).to_numpy() & repeated] = "train"
    return guards_split.patient_overlap(world.ids, split)


def duplicate_images(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Test images that are noisy copies of training images, under another id."""
    test = np.arange(len(world.views)) % 2 == 0
    copied = np.flatnonzero(share_of(test, dose, rng))
    views = world.views.copy()
    noisy = views[copied + 1] + rng.normal(0, 3, (len(copied), ROWS, COLUMNS))
    views[copied] = np.clip(noisy, 0, 255).astype(np.uint8)
    fingerprints = guards_split.image_fingerprint(views)
    return guards_split.duplicate_images(fingerprints, world.ids, np.where(test, "test", "train"))


def metadata_auc(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Four negatives a cancer, a share of them from one scanner in the last two years."""
    there = world.on_device & (world.frame["exam_year"] >= 2015).to_numpy() & ~world.label
    n_wanted = 4 * int(world.label.sum())
    from_there = rng.permutation(np.flatnonzero(there))[: int(dose * n_wanted)]
    others = np.setdiff1d(rng.permutation(np.flatnonzero(~world.label)), from_there)
    others = rng.permutation(others)[: n_wanted - len(from_there)]
    rows = np.concatenate([np.flatnonzero(world.label), from_there, others])
    frame, seed = world.frame.iloc[rows], int(rng.integers(2**63))

    def judge(n_permutations: int) -> GuardVerdict:
        generator = np.random.default_rng(seed)
        columns, ids = guards_metadata.METADATA, frame["patient_id"]
        return guards_metadata.metadata_auc(
            frame, LABEL, columns, ids, generator, n_permutations=n_permutations
        )

    quick = judge(1)  # an AUC within the tolerance cannot fire, whatever chance gives
    return quick if quick.statistic <= guards_metadata.METADATA_TOLERANCE else judge(100)


def prevalence(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of the exams without cancer left out."""
    kept = ~share_of(~world.label, dose, rng)
    return guards_prevalence.prevalence(world.label[kept], world.prevalence)


def prevalence_by_source(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of one scanner's exams without cancer left out."""
    kept = ~share_of(world.on_device & ~world.label, dose, rng)
    frame = world.frame[kept]
    return guards_prevalence.prevalence_by_source(
        frame[LABEL], frame["device"], frame["patient_id"], rng, frame["weight"]
    )


def score_by_device(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Scores of one scanner shifted."""
    score = world.frame["score"] + dose * world.on_device
    weight = world.frame["weight"]
    return guards_device.score_by_device(
        score, world.frame["device"], world.label, world.ids, rng, weight
    )


def device_probe(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Sixteen features of woman, label and noise; one of them shifted on one scanner."""
    codes, distinct = pd.factorize(world.ids)
    features = rng.normal(size=(len(distinct), 16))[codes] + rng.normal(size=(len(codes), 16))
    features[:, 0] += world.label
    features[:, 1] += dose * np.sqrt(2) * world.on_device
    weight = world.frame["weight"]
    return guards_device.device_probe(
        features, world.frame["device"], world.label, world.ids, rng, weight
    )


def border_probe(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A marker of 10 x 10 pixels in a corner of a share of the images with cancer."""
    views = world.views.copy()
    views[share_of(world.label, dose, rng), 4:14, -14:-4] = 230
    return guards_image.border_probe(views, world.label, world.ids, rng)


def label_timing(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of the exams one to five years before a cancer called cancer."""
    later = world.frame["diagnosis_date"].notna().to_numpy() & ~world.label
    label = world.label | share_of(later, dose, rng)
    return guards_label.label_timing(world.frame["exam_date"], world.frame["diagnosis_date"], label)


def label_source(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of the cancers that were not recalled called healthy."""
    recalled = world.frame["recall"].to_numpy()
    label = world.label & ~share_of(world.label & ~recalled, dose, rng)
    ids = world.ids
    return guards_label.label_source(label, recalled, world.frame["weight"], ids)


def follow_up(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of the exams without cancer followed for half a year."""
    days = world.frame["follow_up_days"].to_numpy(float).copy()
    days[share_of(~world.label, dose, rng)] = 180.0
    return guards_follow_up.follow_up(world.label, days)


def early_cancers(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of the cancers of the first year left in a set for five-year risk."""
    frame = world.frame
    early = ((frame["event"] == 1) & (frame["time_years"] < 1)).to_numpy()
    kept = ~early | share_of(early, dose, rng)
    return guards_follow_up.early_cancers(frame["time_years"][kept], frame["event"][kept])


def exclusions(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A third left out by chance, and a share of the exams of dense breasts (d) besides."""
    codes, distinct = pd.factorize(world.ids)
    included = (rng.random(len(distinct)) > 1 / 3)[codes]
    included &= ~share_of((world.frame["density"] == "d").to_numpy(), dose, rng)
    groups = world.frame[["density", "race_ethnicity", "age_band", "implant", "device"]]
    return guards_exclusion.exclusions(included, world.label, groups, world.ids, rng)


def calibration(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Odds of cancer promised too high by a factor."""
    probability = expit(logit(world.frame["probability"]) + np.log(dose or 1))
    weight = world.frame["weight"]
    return guards_calibration.calibration(probability, world.label, world.ids, rng, weight)


def calibration_by(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Odds of cancer promised too high by a factor, on one scanner."""
    shift = np.log(dose or 1) * world.on_device
    probability = expit(logit(world.frame["probability"]) + shift)
    device, weight = world.frame["device"], world.frame["weight"]
    return guards_calibration.calibration_by(
        probability, world.label, device, world.ids, rng, weight
    )


def threshold_by(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Scores of one scanner shifted, and one threshold that recalls a tenth."""
    score = world.frame["score"] + dose * world.on_device
    device, weight = world.frame["device"], world.frame["weight"]
    return guards_calibration.threshold_by(score, 1.28, world.label, device, world.ids, rng, weight)


def clustered_interval(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Several images of an exam as rows, half of whose noise they share."""
    rows = np.repeat(np.arange(len(world.frame)), int(dose or 1))
    noise = rng.normal(size=len(rows)) * (dose > 0)
    score = world.frame["score"].to_numpy()[rows] + noise
    return guards_unit.clustered_interval(
        score, world.label[rows], world.ids[rows], world.frame["weight"].to_numpy()[rows]
    )


def subgroup_gap(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of the cancers in dense breasts (c) scored as if healthy."""
    unseen = share_of(world.label & (world.frame["density"] == "c").to_numpy(), dose, rng)
    groups = world.frame[["density", "race_ethnicity", "age_band", "device"]]
    score = world.frame["score"] - SEPARATION * unseen
    weight = world.frame["weight"]
    return guards_groups.subgroup_gap(score, world.label, groups, world.ids, rng, weight)


def informative_censoring(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of the women of the highest quarter of scores lost two years after the exam."""
    time_years = world.frame["time_years"].to_numpy().copy()
    event, score = world.frame["event"].to_numpy().copy(), world.frame["score"].to_numpy()
    high = (score > np.quantile(score, 0.75)) & (time_years > 2)
    lost = share_of(high, dose, rng)
    time_years[lost], event[lost] = 2.0, 0
    return guards_follow_up.informative_censoring(time_years, event, score, world.ids)


STUDIES = (
    Study(
        "patient_overlap",
        "share of test women with an exam in training",
        (0.005, 0.01, 0.02, 0.05),
        PROGRAMME_KIND,
        patient_overlap,
    ),
    Study(
        "duplicate_images",
        "share of test images that are noisy copies of training images",
        (0.005, 0.01, 0.02, 0.05),
        PICTURES_KIND,
        duplicate_images,
    ),
    Study(
        "metadata_auc",
        "share of negatives from one scanner and two years",
        (0.1, 0.25, 0.5, 1.0),
        PROGRAMME_KIND,
        metadata_auc,
    ),
    Study(
        "prevalence",
        "share of exams without cancer left out",
        (0.4, 0.5, 0.6, 0.8),
        PROGRAMME_KIND,
        prevalence,
    ),
    Study(
        "prevalence_by_source",
        "share of one scanner's exams without cancer left out",
        (0.3, 0.5, 0.7, 0.9),
        SAMPLED_KIND,
        prevalence_by_source,
    ),
    Study(
        "score_by_device",
        "shift of one scanner's scores, SD",
        (0.1, 0.2, 0.4, 0.8),
        SAMPLED_KIND,
        score_by_device,
    ),
    Study(
        "device_probe",
        "shift of one of 16 features on one scanner, SD",
        (0.25, 0.5, 1.0, 2.0),
        SAMPLED_KIND,
        device_probe,
    ),
    Study(
        "border_probe",
        "share of cancers with a marker in the corner",
        (0.1, 0.2, 0.4, 0.8),
        PICTURES_KIND,
        border_probe,
    ),
    Study(
        "label_timing",
        "share of exams years before a cancer called cancer",
        (0.005, 0.02, 0.05, 0.25),
        PROGRAMME_KIND,
        label_timing,
    ),
    Study(
        "label_source",
        "share of missed cancers called healthy",
        (0.25, 0.5, 0.75, 1.0),
        SAMPLED_KIND,
        label_source,
    ),
    Study(
        "follow_up",
        "share of exams without cancer followed half a year",
        (0.04, 0.06, 0.08, 0.16),
        PROGRAMME_KIND,
        follow_up,
    ),
    Study(
        "early_cancers",
        "share of first-year cancers left among the events",
        (0.25, 0.5, 0.75, 1.0),
        PROGRAMME_KIND,
        early_cancers,
    ),
    Study(
        "exclusions",
        "share of exams of density d left out besides a third of all",
        (0.1, 0.2, 0.3, 0.5),
        PROGRAMME_KIND,
        exclusions,
    ),
    Study(
        "calibration",
        "odds of cancer promised, times",
        (1.25, 1.5, 2.0, 4.0),
        SAMPLED_KIND,
        calibration,
    ),
    Study(
        "calibration_by",
        "odds of cancer promised on one scanner, times",
        (1.5, 2.0, 3.0, 5.0),
        SAMPLED_KIND,
        calibration_by,
    ),
    Study(
        "threshold_by",
        "shift of one scanner's scores, SD",
        (0.1, 0.2, 0.4, 0.8),
        SAMPLED_KIND,
        threshold_by,
    ),
    Study(
        "clustered_interval",
        "images of an exam taken as rows",
        (2, 3, 4, 8),
        SAMPLED_KIND,
        clustered_interval,
    ),
    Study(
        "subgroup_gap",
        "share of cancers in density c that the score does not see",
        (0.2, 0.4, 0.6, 0.8),
        SAMPLED_KIND,
        subgroup_gap,
    ),
    Study(
        "informative_censoring",
        "share of women with high scores lost after two years",
        (0.1, 0.2, 0.4, 0.8),
        PROGRAMME_KIND,
        informative_censoring,
    ),
)


def measure(base: Base, studies: list[Study], n_clean: int, n_dirty: int) -> pd.DataFrame:
    """One row a guard and dose: in how many worlds it fired."""
    rows = []
    for study in studies:
        for dose in (0.0, *study.doses):
            fired: list[bool] = []
            start = time.perf_counter()
            for number in range(n_dirty if dose else n_clean):
                # The same worlds at every dose; another stream for what is done to them.
                world = draw_world(base, study.kind, np.random.default_rng([7, number]))
                rng = np.random.default_rng([STUDIES.index(study), number])
                try:
                    fired.append(study.judge(world, dose, rng).fired)
                except InputError as error:
                    print(f"{study.guard}, world {number}: {error}", file=sys.stderr)
            took = time.perf_counter() - start
            print(f"{study.guard} {dose:g}: {sum(fired)}/{len(fired)}, {took:.0f} s", flush=True)
            rate = proportion_estimate(sum(fired), len(fired))
            rows.append(
                (study.guard, study.dirt, dose, len(fired), sum(fired), rate.value, *rate.ci)
            )
    columns = ["guard", "dirt", "dose", "n_worlds", "n_fired", "rate", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


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
    base = make_base(seed=2019)
    table = measure(base, studies, arguments.worlds, arguments.dirty)
    print(table.round(3).to_string(index=False))
    if arguments.write:
        path = HERE / "guards.csv"
        if path.exists():  # the rows of guards that were not measured now stay
            before = pd.read_csv(path)
            table = pd.concat([before[~before["guard"].isin(table["guard"])], table])
        table.round(4).to_csv(path, index=False)


if __name__ == "__main__":
    main()
