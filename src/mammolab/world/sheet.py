"""Images for a look at the world: density, vendors and the upgrade, lesions, and one woman's years."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from mammolab.files import write_whole
from mammolab.world.exam_pixels import EXAM_COLUMNS, ExamPixels, exams_of
from mammolab.world.lesions import KINDS
from mammolab.world.programme import Programme
from mammolab.world.render import BreastView, lesion_box, render
from mammolab.world.vendors import UPGRADES, VENDORS, to_display

TILE = (256, 208)  # rows and columns of a tile
DETAIL = (1024, 832)  # the image of which a detail is cut: 4 times as fine
COLUMNS = 8  # tiles in a row of the sheet
DETAIL_MM = 15.0  # lesions shown are those nearest this size
DETAIL_CONSPICUITY = 2.0  # at most: fine pixels show a lesion that coarse ones dilute
SHORT = {"calcification": "calcific.", "benign_calcification": "benign calcific."}


def contact_tiles(programme: Programme, conspicuity: float) -> tuple[np.ndarray, pd.DataFrame]:
    """Draw the tiles of the sheet: four rows of eight.

    Parameters
    ----------
    programme : Programme
    conspicuity : float
        Factor on the contrast of lesions, see `render`; in details at most `DETAIL_CONSPICUITY`.

    Returns
    -------
    tiles : uint8 [n, 256, 208]
        As displayed.
    sheet : DataFrame, one row a place on the sheet
        `row` (number of the tile; NaN leaves the place empty) and `label`.

    Notes
    -----
    The exams are the programme's own, the first that fit, so that a seed shows the same sheet. A
    row for which the programme is too small stays empty at its end.
    """
    exams = _exams(programme)
    with threadpool_limits(1):
        rows = [
            _by_density(exams, programme, conspicuity),
            _by_vendor(exams, programme, conspicuity),
            _lesions(exams, programme, conspicuity),
            _years(exams, programme, conspicuity),
        ]
    tiles, places = [], []
    for row in rows:
        for label, tile in row[:COLUMNS]:
            places.append((len(tiles), label))
            tiles.append(tile)
        places += [(np.nan, "")] * (COLUMNS - len(row))
    stack = np.stack(tiles) if tiles else np.zeros((0, *TILE), np.uint8)
    return stack, pd.DataFrame(places, columns=["row", "label"])


def save_tiles(path: Path, tiles: np.ndarray) -> None:
    """Write tiles as a .npy file, whole or not at all."""

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.save(file, tiles)

    write_whole(path, save)


def _exams(programme: Programme) -> pd.DataFrame:
    """Every exam, whether its images were pulled or not, in the renderer's columns."""
    drawn = [name for name in EXAM_COLUMNS if name in programme.truth_exams]
    exams = programme.exams.merge(
        programme.truth_exams[list(dict.fromkeys(["exam_id", *drawn]))].drop(columns="patient_id"),
        on="exam_id",
    )
    exams = exams.merge(programme.patients[["patient_id", "birth_year"]], on="patient_id")
    return exams.assign(extra_marker=False)


def _by_density(exams: pd.DataFrame, programme: Programme, conspicuity: float) -> list:
    plain = exams[~exams["implant"] & (exams["device"] == exams["device"].iloc[0])]
    row = []
    for exam in _drawable(plain.drop_duplicates("density").sort_values("density"), programme):
        density = plain.set_index("exam_id").loc[exam.exam_id, "density"]
        row += [(f"density {density}, {view}", _tile(_view(exam, view), conspicuity))
                for view in ("CC", "MLO")]  # fmt: skip
    return row


def _by_vendor(exams: pd.DataFrame, programme: Programme, conspicuity: float) -> list:
    """One exam as each vendor draws it, the upgrade beside what it replaces; then implants."""
    plain = exams[~exams["implant"] & (exams["density"] == "b")].head(2).tail(1)
    row = []
    for exam in _drawable(plain, programme):
        row = [(key, _tile(replace(_view(exam, "MLO"), vendor=key), conspicuity))
               for key in VENDORS]  # fmt: skip
        upgraded = {key for steps in UPGRADES.values() for _, key in steps}
        row = [(f"{key} (new)" if key in upgraded else key, tile) for key, tile in row]
        marked = replace(_view(exam, "MLO"), extra_marker=True)
        row.append(("second marker", _tile(marked, conspicuity)))
    for exam in _drawable(exams[exams["implant"]].head(1), programme):
        row += [(f"implant, {view}", _tile(_view(exam, view), conspicuity))
                for view in ("CC", "MLO")]  # fmt: skip
    return row


def _lesions(exams: pd.DataFrame, programme: Programme, conspicuity: float) -> list:
    """Details of one lesion of each kind, and of a cancer as it was years before."""
    lesions = programme.truth_lesions
    lesions = lesions[lesions["exam_id"].isin(exams.loc[~exams["implant"], "exam_id"])]
    order = (np.log(lesions["diameter_mm"] / DETAIL_MM)).abs().sort_values(kind="stable").index
    nearest = lesions.loc[order].drop_duplicates("kind").set_index("kind")
    row = []
    for kind in (kind for kind in KINDS if kind in nearest.index):
        chosen = nearest.loc[kind]
        exam = _exam(exams, programme, chosen["exam_id"])
        name = SHORT.get(kind, kind.replace("_", " "))
        size = "" if name.startswith("benign") else f" {chosen['diameter_mm']:.0f} mm"
        row.append((name + size, _detail(exam, chosen, conspicuity)))
    for label, exam, chosen in _growth(exams, programme):
        row.append((label, _detail(exam, chosen, conspicuity)))
    return row


def _growth(exams: pd.DataFrame, programme: Programme) -> list:
    """The invasive cancer with the longest visible past: its first and its last exam."""
    seen = programme.truth_lesions.query("malignant and kind == 'spiculated'")
    seen = seen.merge(exams[["exam_id", "patient_id", "exam_date"]], on="exam_id")
    times = seen.groupby(["patient_id", "seed"])["diameter_mm"].agg(["size", "max", "min"])
    times = times[(times["size"] > 1) & times["max"].between(10, 20)]
    if times.empty:
        return []
    patient, seed = (times["max"] - times["min"]).idxmax()
    hers = seen[(seen["patient_id"] == patient) & (seen["seed"] == seed)].sort_values("exam_date")
    return [
        (f"{row.exam_date.year}: {row.diameter_mm:.0f} mm",
         _exam(exams, programme, row.exam_id), pd.Series(row._asdict()))
        for row in (hers.iloc[[0, -1]]).itertuples(index=False)
    ]  # fmt: skip


def _years(exams: pd.DataFrame, programme: Programme, conspicuity: float) -> list:
    """The left breast of the woman with the most exams, year after year."""
    plain = exams[~exams["implant"] & (exams["indication"] == "screening")]
    most = plain["patient_id"].value_counts(sort=False).idxmax()
    hers = plain[plain["patient_id"] == most].sort_values("exam_date").head(COLUMNS)
    return [
        (f"{exam.exam_date.year} {exam.vendor}",
         _tile(_view(exam, "MLO"), conspicuity))
        for exam in _drawable(hers, programme)
    ]  # fmt: skip


def _exam(exams: pd.DataFrame, programme: Programme, exam_id: str) -> ExamPixels:
    return _drawable(exams[exams["exam_id"] == exam_id], programme)[0]


def _drawable(exams: pd.DataFrame, programme: Programme) -> list[ExamPixels]:
    return exams_of(exams, programme.truth_lesions)


def _view(exam: ExamPixels, view: str, laterality: str = "L") -> BreastView:
    return next(one for one in exam.views() if (one.view, one.laterality) == (view, laterality))


def _tile(view: BreastView, conspicuity: float) -> np.ndarray:
    return _grey(render(view, *TILE, conspicuity), view)


def _detail(exam: ExamPixels, chosen: pd.Series, conspicuity: float) -> np.ndarray:
    """Cut out the surroundings of a lesion, as large as a tile, of a finer image."""
    view = _view(exam, "MLO", chosen["laterality"])
    lesion = next(one for one in view.lesions if one.seed == chosen["seed"])
    row, column, _ = lesion_box(view, lesion, *DETAIL)
    top = int(np.clip(row - TILE[0] / 2, 0, DETAIL[0] - TILE[0]))
    left = int(np.clip(column - TILE[1] / 2, 0, DETAIL[1] - TILE[1]))
    whole = _grey(render(view, *DETAIL, min(conspicuity, DETAIL_CONSPICUITY)), view)
    return whole[top : top + TILE[0], left : left + TILE[1]]


def _grey(stored: np.ndarray, view: BreastView) -> np.ndarray:
    return np.round(255 * to_display(stored, view.vendor)).astype(np.uint8)
