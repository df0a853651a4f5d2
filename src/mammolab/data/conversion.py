"""From an index to an array: convert what is chosen, and tell what was done to each image."""

from collections.abc import Callable, Collection

import pandas as pd

from mammolab.data.growing_store import GrowingStore
from mammolab.data.ingest import Archive, choose
from mammolab.data.pixels import ORDER
from mammolab.schemas import COLUMNS, check

_SKIPPED = {"status": "skipped", "inverted": False, "flipped": False}
IMAGE_ORDER = ["exam_id", "laterality", "view", "image_id"]  # of table and array


def convert(
    facts: pd.DataFrame,
    archive: Archive,
    store: GrowingStore,
    min_views: int,
    workers: int,
    tell: Callable[[str], None],
    exam_ids: Collection[str] | None = None,
) -> pd.DataFrame:
    """Choose one image of each view and convert it, or where that fails the next best.

    Parameters
    ----------
    facts : as `ingest.index_folder` gives them.
    archive : the one that was indexed.
    store : gets what it lacks, sorted by exam, laterality, view and id; its `faults` say what
        failed.
    min_views : see `ingest.choose`.
    workers : number of processes; the result does not depend on it.
    tell : takes a line of progress.
    exam_ids : whose images are converted; None for all.

    Returns
    -------
    The index, as `ingest.choose` gives it; what did not convert is rejected, with the reason.
    """
    index = choose(facts, store.faults, min_views)
    while store.add(in_order(index, exam_ids), archive, workers, tell):
        index = choose(facts, store.faults, min_views)
    return index


def in_order(index: pd.DataFrame, exam_ids: Collection[str] | None = None) -> pd.DataFrame:
    """The used images of an index, sorted by exam, laterality, view and id."""
    used = index[index["status"] == "ok"]
    if exam_ids is not None:
        used = used[used["exam_id"].isin(exam_ids)]
    return used.sort_values(IMAGE_ORDER, ignore_index=True)


def image_table(used: pd.DataFrame, store: GrowingStore) -> pd.DataFrame:
    """Table `images` of files that were to be converted.

    Parameters
    ----------
    used : as `in_order` gives them.
    store : what they were converted into.

    Returns
    -------
    Table `images` with operations (the order in which they were done), kind and path of the file.
    What failed has status skipped, a reason, and no row.
    """
    done = pd.DataFrame(
        [
            {"status": "ok", "reason": ""} | store.records[key]
            if key in store.records
            else _SKIPPED | {"reason": store.faults[key]}
            for key in used["key"]
        ],
        columns=[*_SKIPPED, "row", "window", "spacing_mm", "crop", "reason"],
    )
    images = used[["image_id", "exam_id", "patient_id", "laterality", "view"]].join(done)
    images["preprocessing_hash"], images["operations"] = store.hash, ORDER
    images["kind"], images["path"] = used["kind"], used["path"]
    columns = [*COLUMNS["images"], "operations", "kind", "path"]
    return check(images[columns], "images", "images")
