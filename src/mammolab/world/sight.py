"""How much each lesion stands out to the reader of an exam: its log contrast-to-noise ratio.

The ratio is measured on the picture of the exam, drawn for the purpose at the matrix and
conspicuity of percept.json, whatever those of the export: for cancers at every exam that can be in
the export, for look-alikes at those of them that show a cancer and at a share of the others.
Elsewhere it is the formula of `percept` with the scatter that pictures show around it, so that both
kinds of exam are read alike on average. Which of the two holds never depends on which pictures are
exported.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from mammolab.world import people, percept
from mammolab.world.attendance import SLOTS, draw
from mammolab.world.lesions import Lesion
from mammolab.world.render import BreastView
from mammolab.world.streams import stream

_CHUNK = 50  # lesions a process draws before it takes the next task
_CHUNKS_A_LINE = 10  # of progress


@dataclass
class Sight:
    """What the pictures of one simulated programme show.

    Attributes
    ----------
    seed : seed of the world.
    pictures : whether pictures are drawn to measure on; without, everything follows the formula.
    look_alike_share : random share of the exams whose look-alikes are measured, beside all exams
        that show a cancer; drawing all of a large programme would take minutes.
    workers : processes that draw; the result does not depend on it.
    """

    seed: int
    pictures: bool = False
    look_alike_share: float = 1.0
    workers: int = 1
    _measured: dict[tuple[int, int, int], float] = field(default_factory=dict)

    def of_cancers(self, rows: pd.DataFrame, women: pd.DataFrame, name: str) -> np.ndarray:
        """Return the log CNR (float [row]) of the cancers that exams show.

        Parameters
        ----------
        rows : exams of `screens.make_exams` that show the cancer.
        women : people, membership and disease side by side.
        name : "invasive" or "dcis".

        Notes
        -----
        Every exam that the hospitals made within the years of the export is measured: which of them
        get a picture in the export depends on what is recorded later.
        """
        hers = women.iloc[rows["woman"]]
        lesions = pd.DataFrame(
            {
                column: hers[f"{name}_{column}"].to_numpy()
                for column in ("kind", "laterality", "depth", "height", "seed", "contrast")
            }
        ).assign(diameter_mm=rows[f"{name}_mm"].to_numpy(), malignant=True)
        exams = rows.reset_index(drop=True)
        drawn = exams["exportable"].to_numpy() & self.pictures
        return self._see(lesions, exams, drawn, women, name)

    def of_look_alikes(self, lesions: pd.DataFrame, exams: pd.DataFrame,
                       women: pd.DataFrame) -> np.ndarray:  # fmt: skip
        """Return the log CNR (float [lesion]) of benign lesions at exams.

        Parameters
        ----------
        lesions : benign lesions, one row each an exam, with `row` the row in `exams`.
        exams : the exams exported.
        women : as for `of_cancers`.
        """
        at = exams.iloc[lesions["row"]].reset_index(drop=True)
        drawn = draw(self.seed, "look-alike drawn", len(women), at) < self.look_alike_share
        drawn |= np.maximum(at["invasive_mm"], at["dcis_mm"]).to_numpy() > 0
        drawn &= self.pictures
        lesions = lesions.reset_index(drop=True).assign(malignant=False)
        return self._see(lesions, at, drawn, women, "benign")

    def _see(self, lesions: pd.DataFrame, exams: pd.DataFrame, drawn: np.ndarray,
             women: pd.DataFrame, name: str) -> np.ndarray:  # fmt: skip
        kind = lesions["kind"].to_numpy(object)
        seen = percept.log_cnr(
            kind, lesions["diameter_mm"], exams["latent_density"], lesions["contrast"],
            exams["vendor"].to_numpy(object),
        )  # fmt: skip
        # one draw an exam for all lesions of a name: positioning and noise are common to them
        fresh = stream(self.seed, f"{name} stands out").standard_normal((len(women), SLOTS))
        fresh = fresh[exams["woman"], exams["slot"]]
        seen += percept.scatter(kind, lasting(lesions["seed"].to_numpy()), fresh)
        seen = np.maximum(seen, np.log(percept.LEAST_CNR))

        at = np.flatnonzero(drawn)
        keys = list(
            zip(*(column.iloc[at].tolist() for column in
                  (lesions["seed"], exams["woman"], exams["slot"])), strict=True)
        )  # fmt: skip
        new = [number for number, key in enumerate(keys) if key not in self._measured]
        tasks = _tasks(lesions.iloc[at[new]], exams.iloc[at[new]], women, self.seed)
        for number, value in zip(new, _measure(tasks, self.workers), strict=True):
            self._measured[keys[number]] = value
        seen[at] = [self._measured[key] for key in keys]
        return seen


def lasting(seeds: np.ndarray) -> np.ndarray:
    """Return a standard normal draw of each lesion, by its seed: look and place stay for years."""
    unique, which = np.unique(seeds, return_inverse=True)
    draws = [stream(seed, "stands out").standard_normal() for seed in unique.tolist()]
    return np.array(draws)[which] if len(draws) else np.zeros(0)


def exam_seeds(seed: int, n: int, rows: pd.DataFrame) -> np.ndarray:
    """Return the seed (int64 [row]) of each exam's positioning and noise, by woman and slot."""
    return (draw(seed, "exam seed", n, rows) * 2**31).astype(np.int64)


def _tasks(lesions: pd.DataFrame, exams: pd.DataFrame, women: pd.DataFrame,
           seed: int) -> list[tuple[BreastView, Lesion]]:  # fmt: skip
    """Breast and lesion of each row, as the export would draw them."""
    hers = women[["breast_seed", "breast_size_mm", "texture", "implant"]].iloc[exams["woman"]]
    density = people.percent_density(exams["latent_density"].to_numpy())
    seeds = exam_seeds(seed, len(women), exams)
    tasks = []
    for lesion, exam, woman, percent, exam_seed in zip(
        lesions.itertuples(index=False), exams.itertuples(index=False),
        hers.itertuples(index=False), density.tolist(), seeds.tolist(), strict=True,
    ):  # fmt: skip
        view = BreastView(
            breast_seed=int(woman.breast_seed), exam_seed=exam_seed, laterality=lesion.laterality,
            view="CC", percent_density=percent, breast_size_mm=float(woman.breast_size_mm),
            texture=float(woman.texture), implant=bool(woman.implant), vendor=str(exam.vendor),
        )  # fmt: skip
        shown = Lesion(
            str(lesion.kind), float(lesion.diameter_mm), float(lesion.depth), float(lesion.height),
            int(lesion.seed), bool(lesion.malignant), float(lesion.contrast),
        )  # fmt: skip
        tasks.append((view, shown))
    return tasks


def _measure(tasks: list[tuple[BreastView, Lesion]], workers: int) -> list[float]:
    chunks = [tasks[start : start + _CHUNK] for start in range(0, len(tasks), _CHUNK)]
    if workers == 1 or len(chunks) < 2:
        return _gather(map(_measure_chunk, chunks), len(tasks))
    with ProcessPoolExecutor(min(workers, len(chunks))) as pool:
        return _gather(pool.map(_measure_chunk, chunks), len(tasks))


def _gather(parts: Iterator[list[float]], total: int) -> list[float]:
    values: list[float] = []
    for number, part in enumerate(parts, start=1):
        values += part
        if number % _CHUNKS_A_LINE == 0 or len(values) == total > _CHUNK * _CHUNKS_A_LINE:
            print(f"[progress] {len(values)}/{total} lesions seen in their pictures", flush=True)
    return values


def _measure_chunk(tasks: list[tuple[BreastView, Lesion]]) -> list[float]:
    fit = percept.constants()
    matrix = fit["rows"], fit["columns"], fit["conspicuity"]
    with threadpool_limits(1):  # one thread: processes do not compete
        # rounded, so that last digits that differ between processors hardly ever reach a table
        return [round(percept.measured_log_cnr(view, lesion, *matrix), 3) for view, lesion in tasks]
