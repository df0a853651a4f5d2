"""The DICOM tree of the synthetic programme: what a hospital's PACS would send for its exams.

=====================  =====================================  =====================================
what                   how often (`parameters_pacs`)          what `mammolab.data` does with it
=====================  =====================================  =====================================
four standard views    every exam: R CC, L CC, R MLO, L MLO   used
first attempt          0.47% of views, before a repeat        rejected: a later one is used
implant displaced      90% of exams with implants, all views  used in the place of the plain view
partial view           35% of breasts above 100 mm, 2 files   rejected: partial view
XCCL or ML             2% of exams                            rejected: neither CC nor MLO
spot compression       0.4% of exams                          rejected: special view
magnification          0.4% of exams                          rejected: special view
for processing         0.5% of exams, all four views          rejected: for processing
dose screen            3% of exams, a secondary capture       rejected: SOP class
technologist's note    2% of exams, a basic text SR           rejected: modality
damaged file           0.6% of exams, beside the whole ones   rejected: see `pacs_objects.damage`
=====================  =====================================  =====================================

A damaged file never stands in the place of a view, and `extra_rate=0` leaves the standard views
alone. With the second marker of flagged exams and the software upgrade of a device the standard
views themselves differ; see `exam_pixels`.
"""

import ast
import hashlib
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from mammolab.files import write_whole
from mammolab.world.dicom_encode import dataset_of_view, encode_view, uid_of
from mammolab.world.exam_pixels import ExamPixels, exams_of
from mammolab.world.pacs_extras import Instance, finish, plan
from mammolab.world.pacs_objects import damage, dose_screen, note_report
from mammolab.world.render import BreastView, render

__all__ = ["ExamPixels", "encode_view", "exams_of", "export_pixels", "instance_uid", "write_exam"]

_EXAMS_PER_TASK = 8
_STANDARD_SOURCES = ("render", "dicom_encode")  # modules whose code decides a file's bytes
_EXTRA_SOURCES = (*_STANDARD_SOURCES, "pacs_extras", "pacs_objects")


def write_exam(folder: Path, exam: ExamPixels, rows: int, columns: int, conspicuity: float,
               extra_rate: float = 1.0) -> list[Path]:  # fmt: skip
    """Draw and write the views of an exam and what else the PACS holds of it.

    A file is written under a temporary name and then renamed, so a file that exists is complete and
    is left alone. Its UID depends on everything that determines its pixels; files in the exam's
    folder that carry other UIDs are leftovers of another world and are removed.

    Parameters
    ----------
    folder : Path
        Root of the export; files go to <patient_id>/<exam_id>/<SOPInstanceUID>.dcm below it.
    exam : ExamPixels
    rows, columns : int
        Matrix size, see `render`.
    conspicuity : float
        Lesion contrast factor, see `render`.
    extra_rate : float
        Factor on the share of everything beyond the four standard views, see `pacs_extras.plan`.

    Returns
    -------
    list of Path
        The files: the four standard views in the order of `ExamPixels.views`, then the others.
    """
    place = folder / exam.patient_id / exam.exam_id
    place.mkdir(parents=True, exist_ok=True)
    instances = plan(exam, extra_rate)
    paths = {}
    drawn: tuple[BreastView | None, np.ndarray | None] = (None, None)
    for instance in instances:
        uid = instance_uid(exam, instance, rows, columns, conspicuity)
        path = paths[instance] = place / f"{uid}.dcm"
        if path.exists():
            continue
        view = instance.view
        if view is not None and view != drawn[0]:  # what is made from a view follows it
            drawn = view, render(view, rows, columns, conspicuity)
        if instance.defect == "truncated":  # a broken transfer of the standard view itself
            twin = next(i for i in instances if i.kind == "standard" and i.view == view)
            uid = instance_uid(exam, twin, rows, columns, conspicuity)
        content = _content(exam, instance, uid, drawn[1])
        write_whole(path, lambda temporary, content=content: temporary.write_bytes(content))
    for other in {*place.glob("*.dcm"), *place.glob(".*.dcm.*")} - set(paths.values()):
        other.unlink()
    # A stable sort: the standard views first.
    return [paths[i] for i in sorted(instances, key=lambda i: i.kind != "standard")]


def export_pixels(raw_dicom: Path, exams: pd.DataFrame, lesions: pd.DataFrame, rows: int,
                  columns: int, conspicuity: float, workers: int,
                  extra_rate: float = 1.0) -> int:  # fmt: skip
    """Draw and write every exam; files that are there already are kept, other exams' removed.

    Parameters
    ----------
    raw_dicom : Path
        Root of the export.
    exams : DataFrame
        exam_id, patient_id, exam_date, age_years, device (see `vendor_key`), site, birth_year,
        implant, breast_seed, exam_seed, percent_density, breast_size_mm, texture, extra_marker (0/1:
        a second lead marker); one row an exam.
    lesions : DataFrame
        exam_id, laterality, kind, diameter_mm, depth, height, seed, malignant, contrast (log
        factor); those of other exams are ignored.
    rows, columns, conspicuity
        See `render`.
    workers : int
        Processes; the files do not depend on it.
    extra_rate : float
        Factor on the share of everything beyond the four standard views, see `pacs_extras.plan`.

    Returns
    -------
    int
        Number of files now in the export for these exams.

    Raises
    ------
    ValueError
        If `workers` is below 1, `extra_rate` is negative or a column is missing; the message names
        the argument or the columns.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    if not extra_rate >= 0:
        raise ValueError(f"extra_rate must be at least 0, got {extra_rate}")
    jobs = exams_of(exams, lesions)
    tasks = [jobs[i : i + _EXAMS_PER_TASK] for i in range(0, len(jobs), _EXAMS_PER_TASK)]
    raw_dicom.mkdir(parents=True, exist_ok=True)
    _remove_others(raw_dicom, {(job.patient_id, job.exam_id) for job in jobs})
    common = (raw_dicom, rows, columns, conspicuity, extra_rate)
    # One thread each: processes do not compete, and sums do not depend on the number of threads.
    if workers == 1:
        with threadpool_limits(1):
            return _with_progress((_write_task(common, task) for task in tasks), len(jobs))
    with ProcessPoolExecutor(workers, initializer=threadpool_limits, initargs=(1,)) as pool:
        done = pool.map(_write_task, [common] * len(tasks), tasks)
        return _with_progress(done, len(jobs))


def instance_uid(exam: ExamPixels, instance: Instance, rows: int, columns: int,
                 conspicuity: float) -> str:  # fmt: skip
    """SOP Instance UID of one object: a digest of the exam, the object and how it is drawn."""
    standard = instance.kind == "standard"
    code = _code_digest(_STANDARD_SOURCES if standard else _EXTRA_SOURCES)
    return uid_of("object", code, exam, instance, rows, columns, conspicuity)


def _content(exam: ExamPixels, instance: Instance, uid: str, drawn: np.ndarray | None) -> bytes:
    """Bytes of one file of the export."""
    number, shot = instance.number, instance.shot
    if instance.kind == "dose":
        return dose_screen(exam, uid, number, shot, instance.seed)
    if instance.kind == "note":
        return note_report(exam, uid, number, shot)
    stored = finish(instance, drawn)
    if instance.defect:
        whole = dataset_of_view(stored, exam, instance.view, uid, number, shot)
        return damage(whole, instance.defect, instance.seed)
    return encode_view(stored, exam, instance.view, uid, number, shot)


def _write_task(common: tuple[Path, int, int, float, float],
                task: list[ExamPixels]) -> tuple[int, int]:  # fmt: skip
    """Write a few exams; returns how many exams and how many files."""
    folder, *settings = common
    files = sum(len(write_exam(folder, exam, *settings)) for exam in task)
    return len(task), files


def _remove_others(folder: Path, wanted: set[tuple[str, str]]) -> None:
    """Remove the exams of another world from the export; a file in their place is left alone."""
    for exam in folder.glob("*/*/"):
        if (exam.parent.name, exam.name) not in wanted:
            for path in {*exam.glob("2.25.*.dcm"), *exam.glob(".2.25.*")}:
                path.unlink()
            if not any(exam.iterdir()):
                exam.rmdir()


def _with_progress(done: Iterable[tuple[int, int]], n_exams: int) -> int:
    """Add up finished tasks and print a line at every twentieth of the work."""
    exams = files = 0
    step = max(1, n_exams // 20)
    for finished, written in done:
        before, exams, files = exams, exams + finished, files + written
        if exams // step > before // step or exams == n_exams:
            print(f"[progress] {exams}/{n_exams} exams", flush=True)
    return files


@lru_cache(maxsize=2)
def _code_digest(modules: tuple[str, ...]) -> str:
    """Digest of the code that makes a file, so that those of older code are not taken for ours.

    It covers the modules of this package that `modules` import, and theirs. The shares of
    `parameters_pacs` decide which files there are, not what is in them: they are left out.
    """
    folder = Path(__file__).parent
    waiting, found = list(modules), {"parameters_pacs": b""}
    while waiting:
        name = waiting.pop()
        if name in found or not (folder / f"{name}.py").exists():
            continue
        found[name] = (folder / f"{name}.py").read_bytes()
        for node in ast.walk(ast.parse(found[name])):
            if isinstance(node, ast.ImportFrom) and node.module == "mammolab.world":
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module.startswith("mammolab.world."):
                waiting.append(node.module.rpartition(".")[2])
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(found[name])
    return digest.hexdigest()
