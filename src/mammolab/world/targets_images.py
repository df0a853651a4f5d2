"""What the images should show: the texture of mammograms, and what a software upgrade does.

Measured on a sample of exams drawn for the purpose, by observers that see displayed pixels alone.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from mammolab.world.exam_pixels import ExamPixels, exams_of
from mammolab.world.observer import blob_score, texture_exponent
from mammolab.world.programme import Programme
from mammolab.world.render import BreastView, render
from mammolab.world.targets import Target, Z, target_table
from mammolab.world.vendors import UPGRADES, to_display, vendor_of

IMAGE_TARGETS = (
    Target(
        "texture_exponent_cc",
        "Texture exponent, CC",
        3.2,
        0.25,
        "1",
        "about 3: Burgess 2001; CC: assumption",
    ),
    Target(
        "texture_exponent_mlo",
        "Texture exponent, MLO",
        3.3,
        0.25,
        "1",
        "about 3: Burgess 2001; MLO: assumption",
    ),
    Target(
        "recall_ratio_after_upgrade",
        "Recall ratio, upgrade",
        3.0,
        1.0,
        "ratio",
        "2-4: de Vries 2023",
    ),
)
RECALL_BEFORE = 0.116  # share the observer recalls before the upgrade: that of the readers
SIZE = (256, 208)  # rows and columns of the images drawn for the measurement


def measure_images(
    programme: Programme, n_exams: int, conspicuity: float, workers: int
) -> pd.DataFrame:
    """Draw a sample of exams and measure their images against the targets.

    Parameters
    ----------
    programme : Programme
        With images of some exams.
    n_exams : int
        Exams to draw, spread evenly over those with images, without implants and cancers; all of
        them where there are fewer.
    conspicuity : float
        Factor on the contrast of (benign) lesions, see `render`.
    workers : int
        Processes; the result does not depend on it.

    Returns
    -------
    DataFrame
        Columns as of `targets.measure`, targets `IMAGE_TARGETS`; `n` counts exams.

    Raises
    ------
    ValueError
        If `n_exams` is below 2, or no exam can be drawn.
    """
    if n_exams < 2:
        raise ValueError(f"n_exams must be at least 2, not {n_exams}")
    exams = sample_exams(programme, n_exams)
    observed = observe(exams, conspicuity, workers)
    measured = {
        "texture_exponent_cc": _mean(observed["texture_CC"]),
        "texture_exponent_mlo": _mean(observed["texture_MLO"]),
        "recall_ratio_after_upgrade": recall_ratio(observed["before"], observed["after"]),
    }
    return target_table(IMAGE_TARGETS, measured)


def observe(exams: list[ExamPixels], conspicuity: float, workers: int) -> pd.DataFrame:
    """Draw exams and let the observers look.

    Parameters
    ----------
    exams : list of ExamPixels
    conspicuity : float
    workers : int

    Returns
    -------
    DataFrame, one row an exam
        `texture_CC`, `texture_MLO`: mean exponent of the two breasts, drawn by the exam's own
        machine (NaN where a breast is too small for a patch); `before`, `after`: the highest blob
        score of the four views, drawn by the machine that was upgraded, with old and new software.
    """
    tasks = [exams[number::workers] for number in range(workers)]
    if workers == 1:
        parts = [_observe_all(tasks[0], conspicuity)]
    else:
        with ProcessPoolExecutor(workers) as pool:
            parts = list(pool.map(_observe_all, tasks, [conspicuity] * workers))
    rows = [None] * len(exams)
    for number, part in enumerate(parts):
        rows[number::workers] = part
    return pd.DataFrame(rows)


def sample_exams(programme: Programme, n_exams: int) -> list[ExamPixels]:
    """Return healthy exams with images and without implants, spread evenly over the export."""
    lesions = programme.truth_lesions
    with_cancer = lesions.loc[lesions["malignant"], "exam_id"]
    rows = programme.pixels_exams
    rows = rows[~rows["implant"] & ~rows["exam_id"].isin(with_cancer)]
    if rows.empty:
        raise ValueError("no healthy exam without implants has images: pull more of them")
    at = np.unique(np.linspace(0, len(rows) - 1, min(n_exams, len(rows))).astype(int))
    return exams_of(rows.iloc[at], lesions)


def recall_ratio(before: np.ndarray, after: np.ndarray) -> tuple[float, float, float, int]:
    """How many times more often a fixed threshold recalls after a change.

    Parameters
    ----------
    before, after : float [n]
        Scores of the same healthy exams; the threshold is that at which `RECALL_BEFORE` of them
        are recalled before.

    Returns
    -------
    (ratio, low, high, n)
        The interval (95%, on the log scale) takes the two shares as independent, though the exams
        are the same: it is wide rather than narrow.
    """
    before, after = np.asarray(before), np.asarray(after)
    n = len(before)
    threshold = np.quantile(before, 1 - RECALL_BEFORE)
    first, second = (float(np.mean(scores > threshold)) for scores in (before, after))
    if not first:
        return np.nan, np.nan, np.nan, n
    ratio = second / first
    if not second:
        return ratio, np.nan, np.nan, n
    spread = Z * np.sqrt((1 - first) / (n * first) + (1 - second) / (n * second))
    return ratio, ratio * np.exp(-spread), ratio * np.exp(spread), n


def _observe_all(exams: list[ExamPixels], conspicuity: float) -> list[dict[str, float]]:
    with threadpool_limits(1):  # one thread: processes do not compete
        return [_observe_exam(exam, conspicuity) for exam in exams]


def _observe_exam(exam: ExamPixels, conspicuity: float) -> dict[str, float]:
    ((before, ((_, after), *_)), *_) = UPGRADES.items()
    seen: dict[str, list[float]] = {"texture_CC": [], "texture_MLO": [], "before": [], "after": []}
    for view in exam.views():
        seen[f"texture_{view.view}"].append(_look(view, texture_exponent, conspicuity))
        for name, key in (("before", before), ("after", after)):
            seen[name].append(_look(replace(view, vendor=key), blob_score, conspicuity))
    return {
        name: float(np.max(values) if name in ("before", "after") else np.mean(values))
        for name, values in seen.items()
    }


def _look(view: BreastView, observer: Callable, conspicuity: float) -> float:
    shown = to_display(render(view, *SIZE, conspicuity), view.vendor)
    return observer(shown, vendor_of(view.vendor).spacing_mm(SIZE[1]))


def _mean(values: pd.Series) -> tuple[float, float, float, int]:
    """Mean with its 95% interval; breasts too small for a patch have no exponent."""
    values = values.dropna()
    half = Z * values.std() / np.sqrt(max(len(values), 1))
    return float(values.mean()), values.mean() - half, values.mean() + half, len(values)
