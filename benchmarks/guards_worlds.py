"""Worlds in which nothing is wrong: draws from one synthetic programme, with scores on top."""

import tempfile
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from mammolab.data.cohort import CohortRules, build_cohort
from mammolab.data.outcomes import build_outcomes, follow_up_end
from mammolab.data.tables import read_export
from mammolab.world.exam_pixels import exams_of
from mammolab.world.programme import Programme, simulate, write_raw
from mammolab.world.render import render
from mammolab.world.vendors import to_display

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
