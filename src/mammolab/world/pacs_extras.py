"""What a PACS holds of an exam besides its four standard views, and how that is drawn.

Each kind of extra has a stream of its own, keyed by the exam (and the view), so that one more extra
changes nothing else, and the standard views are the same files with and without them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mammolab.world import parameters_pacs as p
from mammolab.world.constants import Parameter
from mammolab.world.dicom_encode import STANDARD, Shot, raw_values
from mammolab.world.exam_pixels import ExamPixels
from mammolab.world.render import BreastView
from mammolab.world.streams import stream
from mammolab.world.vendors import marker, vendor_of

DEFECTS = ("truncated", "empty", "not DICOM", "short pixels", "missing tag")

# Seconds from the start of the study; assumption. View n of the standard ones is taken after
# n x _VIEW_S; what is done to it, a little before or after it.
_VIEW_S, _BEFORE_S, _AFTER_S = 100.0, -45.0, 30.0
_DISPLACED_S, _EXTRA_S, _SPOT_S, _MAGNIFIED_S, _PAPERS_S = 420.0, 900.0, 960.0, 1020.0, 1100.0


@dataclass(frozen=True)
class Instance:
    """One object in the export of an exam."""

    kind: str  # standard, repeat, partial, displaced, extra, spot, magnified, raw, broken, ...
    number: int  # instance number; unique in the exam
    view: BreastView | None = None  # what is drawn; None where nothing of the breast is
    shot: Shot = STANDARD
    defect: str = ""  # one of DEFECTS in a broken file
    seed: int = 0  # of what else is drawn by chance


def plan(exam: ExamPixels, extra_rate: float) -> list[Instance]:
    """List what the export holds of an exam.

    Parameters
    ----------
    exam : ExamPixels
    extra_rate : float, at least 0
        Factor on every share of `parameters_pacs`; 0 leaves the four standard views alone.

    Returns
    -------
    list of Instance
        The four standard views in the order of `ExamPixels.views`, each followed by what is made
        from it; then the rest.
    """
    views = list(exam.views())
    broken = _broken(exam, extra_rate)
    instances = []
    raw = _happens(exam, "for processing", p.FOR_PROCESSING, extra_rate)
    for number, view in enumerate(views, start=1):
        shot = Shot(start_s=_VIEW_S * number)
        standard = Instance("standard", 10 * number, view, shot)
        instances.append(standard)
        if raw:
            instances.append(
                replace(
                    standard, kind="raw", number=10 * number + 2,
                    shot=replace(shot, for_processing=True),
                )
            )  # fmt: skip
        if broken and broken.number == number:
            instances.append(replace(broken, number=10 * number + 4, view=view, shot=shot))
    for number, view in enumerate(views, start=1):
        instances += _again(exam, view, number, extra_rate)
    instances += _partial(exam, views, extra_rate)
    instances += _more_views(exam, views, extra_rate)
    for kind, number, share in (("dose", 101, p.DOSE_SCREEN), ("note", 102, p.NOTE_REPORT)):
        if _happens(exam, kind, share, extra_rate):
            papers = Shot(start_s=_PAPERS_S)
            instances.append(Instance(kind, number, shot=papers, seed=_seed(exam, kind)))
    return instances


def finish(instance: Instance, drawn: np.ndarray) -> np.ndarray:
    """Turn what `render` drew for the view of an instance into what is stored.

    Parameters
    ----------
    instance : Instance
        With a view.
    drawn : ndarray of uint16, shape (rows, columns)

    Returns
    -------
    ndarray of uint16, shape (rows, columns)
    """
    view, shot = instance.view, instance.shot
    if shot.for_processing:
        return raw_values(drawn, view.vendor)
    if "spot compression" in shot.modifiers:
        drawn = _collimate(drawn, view, instance.seed)
    if shot.position:
        drawn = _relabel(drawn, view, shot.position)
    return drawn


def _again(exam: ExamPixels, view: BreastView, number: int,
           extra_rate: float) -> Iterator[Instance]:  # fmt: skip
    """The badly positioned first attempt at a view, and the view with the implant pushed back."""
    which = f"{view.laterality} {view.view}"
    if _happens(exam, f"repeat {which}", p.TECHNICAL_REPEAT, extra_rate):
        draws = _stream(exam, f"repeat position {which}")
        along, away = (draws.uniform(*limits) for limits in p.REPEAT_SHIFT.value)
        first = _placed(view, _seed(exam, f"repeat {which}"), (along, away))
        shot = Shot(start_s=_VIEW_S * number + _BEFORE_S)
        yield Instance("repeat", 10 * number - 1, first, shot)
    if exam.implant and _happens(exam, "displaced", p.IMPLANT_DISPLACED, extra_rate):
        pushed = replace(view, implant=False, exam_seed=_seed(exam, f"displaced {which}"))
        shot = Shot(start_s=_DISPLACED_S + _VIEW_S * number, modifiers=("implant displaced",))
        yield Instance("displaced", 50 + number, pushed, shot)


def _partial(exam: ExamPixels, views: list[BreastView], extra_rate: float) -> Iterator[Instance]:
    """The lower or inner rest of both breasts in one projection, if they are large."""
    large = exam.breast_size_mm > p.LARGE_BREAST.value
    if not (large and _happens(exam, "partial", p.PARTIAL_VIEW, extra_rate)):
        return
    projection = "MLO" if _stream(exam, "partial projection").random() < 0.6 else "CC"
    for number, view in enumerate(views, start=1):
        if view.view == projection:
            which = f"partial {view.laterality} {view.view}"
            rest = _placed(view, _seed(exam, which), (-p.PARTIAL_SHIFT.value, 0.0))
            section = "inferior" if projection == "MLO" else "medial"
            shot = Shot(start_s=_VIEW_S * number + _AFTER_S, section=section)
            yield Instance("partial", 10 * number + 1, rest, shot)


def _more_views(exam: ExamPixels, views: list[BreastView],
                extra_rate: float) -> Iterator[Instance]:  # fmt: skip
    """One more view, a spot compression and a magnification view, each of a random breast."""
    if _happens(exam, "extra view", p.EXTRA_VIEW, extra_rate):
        draws = _stream(exam, "extra view kind")
        exaggerated = draws.random() < p.EXTRA_VIEW_XCCL.value
        view = views[int(draws.integers(2)) + (0 if exaggerated else 2)]
        shift_mm = p.XCCL_SHIFT.value if exaggerated else (0.0, 0.0)
        placed = _placed(view, _seed(exam, "extra view"), shift_mm)
        shot = Shot(start_s=_EXTRA_S, position="XCCL" if exaggerated else "ML")
        yield Instance("extra", 61, placed, shot)
    if _happens(exam, "spot", p.SPOT_COMPRESSION, extra_rate):
        view = views[int(_stream(exam, "spot view").integers(4))]
        placed = _placed(view, _seed(exam, "spot position"), (0.0, 0.0))
        shot = Shot(start_s=_SPOT_S, modifiers=("spot compression",))
        yield Instance("spot", 62, placed, shot, seed=_seed(exam, "spot paddle"))
    if _happens(exam, "magnification", p.MAGNIFICATION_VIEW, extra_rate):
        view = views[int(_stream(exam, "magnification view").integers(4))]
        factor = p.MAGNIFICATION_FACTOR.value
        place = _stream(exam, "magnification place")
        placed = replace(
            _placed(view, _seed(exam, "magnification position"), (0.0, 0.0)),
            magnification=factor,
            spot=(place.uniform(0.2, 0.8), place.uniform(-0.6, 0.6)),
        )
        shot = Shot(start_s=_MAGNIFIED_S, modifiers=("magnification",), magnification=factor)
        yield Instance("magnified", 63, placed, shot)


def _broken(exam: ExamPixels, extra_rate: float) -> Instance | None:
    """A damaged file; its number is that of the standard view which it would have been."""
    if not _happens(exam, "broken", p.BROKEN_FILE, extra_rate):
        return None
    draws = _stream(exam, "broken defect")
    defect = DEFECTS[int(draws.integers(len(DEFECTS)))]
    number = 1 + int(draws.integers(4))
    return Instance("broken", number, defect=defect, seed=_seed(exam, "broken bytes"))


def _placed(view: BreastView, exam_seed: int, shift_mm: tuple[float, float]) -> BreastView:
    """The same breast positioned anew."""
    return replace(view, exam_seed=exam_seed, shift_mm=shift_mm)


def _collimate(drawn: np.ndarray, view: BreastView, seed: int) -> np.ndarray:
    """Blacken all but the square that the spot paddle leaves free, at a random place."""
    vendor = vendor_of(view.vendor)
    rows, columns = drawn.shape
    pixel_mm = vendor.pixel_mm(rows)
    draws = stream([seed], "spot place")
    row = rows * draws.uniform(0.38, 0.62)
    depth = draws.uniform(0.3, 0.7) * view.breast_size_mm / pixel_mm
    half = p.SPOT_PADDLE.value / 2 / pixel_mm
    y = np.abs(np.arange(rows) - row)[:, None] < half
    column = np.arange(columns)[:: -1 if view.laterality == "R" else 1]
    x = np.abs(column - depth)[None] < half
    return np.where(y & x, drawn, vendor.maximum if vendor.inverted else 0).astype(np.uint16)


def _relabel(drawn: np.ndarray, view: BreastView, position: str) -> np.ndarray:
    """Replace the lead marker of the projection that was drawn by that of another view."""
    vendor = vendor_of(view.vendor)
    image = vendor.maximum - drawn if vendor.inverted else drawn.copy()
    rows, columns = image.shape
    old = marker(view.vendor, view.laterality, view.view, rows)
    new = marker(view.vendor, view.laterality, position, rows)
    top, edge = rows // 20, int(columns * 0.03)
    for letters, clear in ((old, True), (new, False)):
        height, width = letters.shape
        left = edge if view.laterality == "R" else columns - edge - width
        corner = image[top : top + height, left : left + width]
        if clear:  # with the air below
            corner[:] = image[top + height : top + 2 * height, left : left + width]
        else:
            np.maximum(corner, (letters * 0.98 * vendor.maximum).astype(np.uint16), out=corner)
    return (vendor.maximum - image if vendor.inverted else image).astype(np.uint16)


def _stream(exam: ExamPixels, purpose: str) -> np.random.Generator:
    return stream([exam.exam_seed], f"pacs {purpose}")


def _seed(exam: ExamPixels, purpose: str) -> int:
    return int(_stream(exam, f"{purpose} seed").integers(2**31))


def _happens(exam: ExamPixels, purpose: str, share: Parameter, extra_rate: float) -> bool:
    return bool(_stream(exam, purpose).random() < share.value * extra_rate)
