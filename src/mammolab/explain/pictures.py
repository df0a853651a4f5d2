"""Which exams are shown with their maps, and the tiles that the figure draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.explain.localisation import peaks
from mammolab.files import write_whole

HEALTHY = "healthy"
SHOWN_MM = 12.0  # of the exams that could be shown, the lesion nearest to this size is


def percentile_among(
    score: ArrayLike, reference: ArrayLike, sample_weight: ArrayLike
) -> NDArray[np.float64]:
    """Return the share of reference exams with a lower score, in percent.

    Parameters
    ----------
    score : array-like of float, shape (n,)
    reference, sample_weight : array-like of float, shape (m,)
        Scores of exams without cancer, and what each stands for. Half of a tie counts as lower.

    Examples
    --------
    >>> percentile_among([0.0, 2.0, 9.0], [1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1]).tolist()
    [0.0, 37.5, 100.0]
    """
    reference, weight = np.asarray(reference, float), np.asarray(sample_weight, float)
    order = np.argsort(reference)
    below = np.concatenate([[0.0], np.cumsum(weight[order])])
    low, high = (np.searchsorted(reference[order], score, side) for side in ("left", "right"))
    return 100 * (below[low] + below[high]) / 2 / below[-1]


def choose_pictures(
    sample: pd.DataFrame, found_percentile: float, missed_percentile: float
) -> pd.DataFrame:
    """Choose for each kind of lesion one exam that the network found and one that it missed.

    Of those that qualify the one whose lesion is nearest to `SHOWN_MM` is taken, whatever its map.

    Parameters
    ----------
    sample : DataFrame
        One row an image that may be shown: kind, diameter_mm, percentile (of its exam's score
        among healthy exams). A missing diameter comes last.
    found_percentile, missed_percentile : float
        Found: at or above the first. Missed: below the second.

    Returns
    -------
    DataFrame
        Rows of `sample` with outcome ("found", "missed"), by kind; a kind may lack either.

    Raises
    ------
    InputError
        When none qualifies.
    """
    outcomes = {
        "found": sample["percentile"] >= found_percentile,
        "missed": sample["percentile"] < missed_percentile,
    }
    chosen = []
    for kind in sorted(sample["kind"].unique()):
        for outcome, qualifies in outcomes.items():
            rows = sample[(sample["kind"] == kind) & qualifies]
            if len(rows):
                nearest = np.log(rows["diameter_mm"] / SHOWN_MM).abs().fillna(np.inf).idxmin()
                chosen.append(rows.loc[[nearest]].assign(outcome=outcome))
    if not chosen:
        raise InputError(
            f"none of {len(sample)} images lies above the {found_percentile:g}th or below the "
            f"{missed_percentile:g}th percentile of healthy exams: there is nothing to show."
        )
    return pd.concat(chosen)


def arrange(
    chosen: pd.DataFrame, healthy: pd.DataFrame, lesions: pd.DataFrame | None
) -> pd.DataFrame:
    """Lay pictures out in rows of two: a kind's found and missed exam; last, two healthy exams.

    Parameters
    ----------
    chosen : DataFrame
        As `choose_pictures` returns it.
    healthy : DataFrame
        Two images, or fewer, with image_id, percentile and the other columns of `chosen`.
    lesions : DataFrame or None
        As `localisation.place_lesions` returns them, look-alikes too; None where unknown.

    Returns
    -------
    DataFrame
        What `picture_sheet` and `map_captions` take: the columns of `chosen` with title, row_title,
        shown, outline_row, outline_column, outline_radius (of the cancer, else of the largest
        look-alike), on and off; a picture that there is not has shown False.
    """
    rows = [*chosen["kind"].unique(), HEALTHY]
    healthy = healthy.head(2)
    healthy = healthy.assign(kind=HEALTHY, outcome=["found", "missed"][: len(healthy)])
    grid = pd.MultiIndex.from_product([rows, ["found", "missed"]], names=["kind", "outcome"])
    pictures = pd.concat([chosen, healthy]).set_index(["kind", "outcome"]).reindex(grid)
    pictures = pictures.reset_index()
    sick = pictures["kind"] != HEALTHY
    size = pictures["diameter_mm"].where(sick).map("{:.0f} mm, ".format, na_action="ignore")
    outcome = (pictures["outcome"] + ", ").where(sick, "score ")
    score = pictures["percentile"].map("{:.1f}%".format)
    pictures = pictures.assign(
        title=(outcome + size.fillna("") + score).where(
            pictures["image_id"].notna(), "none " + pictures["outcome"]
        ),
        row_title=pictures["kind"].where(pictures["outcome"] == "found", None),
        shown=pictures["image_id"].notna(),
        on=None,
        off=None,
        outline_row=np.nan,
        outline_column=np.nan,
        outline_radius=np.nan,
    )
    if lesions is None:
        return pictures
    order = lesions.sort_values(["malignant", "diameter_mm"])
    places = order.drop_duplicates("image_id", keep="last").set_index("image_id")
    places = places[["row_px", "column_px", "radius_px"]].reindex(pictures["image_id"])
    pictures[["outline_row", "outline_column", "outline_radius"]] = places.to_numpy()
    return pictures.assign(
        on=np.where(sick, "hit", "look-alike"), off=np.where(sick, "miss", "elsewhere")
    )


def map_captions(
    name: str, maps: np.ndarray, pictures: pd.DataFrame, tolerance_mm: float
) -> pd.DataFrame:
    """Return what is written over each map, and where its highest point is.

    Parameters
    ----------
    name : str
        Of the method or network.
    maps : float array, shape (n, h, w)
    pictures : DataFrame
        One row a map: spacing_mm, outline_row, outline_column, outline_radius (pixels; NaN where
        nothing is outlined), on and off (what to write where the highest point lies in the outline
        or within the tolerance, and where not; None writes the name alone).
    tolerance_mm : float

    Returns
    -------
    DataFrame
        title, peak_row, peak_column.
    """
    top = peaks(maps)
    distance = np.hypot(
        top[:, 0] - pictures["outline_row"].to_numpy(float),
        top[:, 1] - pictures["outline_column"].to_numpy(float),
    )
    reach = pictures["outline_radius"] + tolerance_mm / pictures["spacing_mm"]
    words = np.where(distance <= reach.to_numpy(float), pictures["on"], pictures["off"])
    titles = [name if word is None else f"{name}: {word}" for word in words]
    return pd.DataFrame({"title": titles, "peak_row": top[:, 0], "peak_column": top[:, 1]})


def picture_sheet(
    pictures: pd.DataFrame, maps: dict[str, pd.DataFrame], first: int = 0
) -> pd.DataFrame:
    """Return the tiles of `report.plots_explain.overlay_sheet`: each picture, then its maps.

    Parameters
    ----------
    pictures : DataFrame
        One row a picture, in the order to show: title, row_title (None for none), outline_row,
        outline_column, outline_radius (NaN for none), and shown (bool; False leaves its tiles
        empty).
    maps : dict of str to DataFrame
        Name of a method or network -> title, peak_row and peak_column for each picture shown.
    first : int
        Where the pictures begin in the store: there lie those shown, then the maps of each method.

    Returns
    -------
    DataFrame
        (1 + number of methods) rows a picture.
    """
    shown = pictures["shown"].to_numpy(bool)
    number = np.where(shown, np.cumsum(shown) - 1, 0)
    tiles = []
    for k, picture in enumerate(pictures.itertuples(index=False)):
        at = number[k]
        plain = {"title": picture.title, "row_title": picture.row_title, "overlay": np.nan}
        tiles.append(plain | {"image": first + at if shown[k] else np.nan})
        outline = {
            name: getattr(picture, name)
            for name in ("outline_row", "outline_column", "outline_radius")
        }
        for j, of_method in enumerate(maps.values(), start=1):
            if not shown[k]:
                tiles.append({"image": np.nan, "overlay": np.nan, "title": None})
                continue
            tiles.append(
                {
                    "image": first + at,
                    "overlay": first + j * shown.sum() + at,
                    **of_method.iloc[at][["title", "peak_row", "peak_column"]],
                    **outline,
                }
            )
    return pd.DataFrame(tiles)


def map_tiles(maps: np.ndarray) -> np.ndarray:
    """Return the positive part of maps on one scale, 0 to 255.

    The scale ends at the third quartile of the maps' highest values, so that a network which sees
    little in an image is seen to see little; what lies above is 255.

    Parameters
    ----------
    maps : float array, shape (n, h, w)

    Returns
    -------
    uint8 array, shape (n, h, w)
        All 0 where nothing is positive.
    """
    positive = np.clip(maps, 0, None)
    highest = positive.max(axis=(1, 2))
    end = np.quantile(highest[highest > 0], 0.75) if (highest > 0).any() else 1.0
    return np.rint(255 * np.minimum(positive / end, 1)).astype(np.uint8)


def save_tiles(path: Path, *tiles: np.ndarray) -> None:
    """Write images and maps, one after the other, as one .npy file, whole or not at all.

    Parameters
    ----------
    path : Path
    *tiles : uint8 arrays, shape (n, h, w)
    """

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.save(file, np.concatenate(tiles))

    write_whole(path, save)
